//! Text that goes into tables: paths that may not be text, numbers, and cells a spreadsheet might run.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::raster::{address, shown};

/// A path as text, such that different paths give different texts: valid UTF-8 stays as it is, bytes that are
/// not and control characters become `%XX`, and so does a `%` that could be mistaken for one of these. An address stays as
/// it is, but for what is secret in it.
///
/// ```
/// use std::{ffi::OsStr, os::unix::ffi::OsStrExt, path::Path};
/// use s2infer::output::tile_text;
/// assert_eq!(tile_text(Path::new("küste/100%.tif")), "küste/100%.tif");
/// assert_eq!(tile_text(Path::new(OsStr::from_bytes(b"a\xff\n.tif"))), "a%FF%0A.tif");
/// assert_eq!(tile_text(Path::new("a%FF.tif")), "a%25FF.tif");
/// assert_eq!(tile_text(Path::new("https://host/a%20b.tif?X-Amz-Signature=1")), "https://host/a%20b.tif");
/// ```
pub fn tile_text(path: &Path) -> String {
    if let Some(address) = address(path) {
        return shown(address).chars().filter(|character| !character.is_control()).collect();
    }
    let bytes = path.as_os_str().as_bytes();
    let mut text = String::with_capacity(bytes.len());
    let mut position = 0;
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            let after = bytes.get(position + 1..position + 3);
            position += character.len_utf8();
            let ambiguous = character == '%' && after.is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit));
            if ambiguous || character.is_control() {
                percent_encode(character.encode_utf8(&mut [0; 4]).as_bytes(), &mut text);
            } else {
                text.push(character);
            }
        }
        percent_encode(chunk.invalid(), &mut text);
        position += chunk.invalid().len();
    }
    text
}

fn percent_encode(bytes: &[u8], text: &mut String) {
    for byte in bytes {
        text.push_str(&format!("%{byte:02X}"));
    }
}

/// The shortest decimal that reads back to the same `f32`.
pub(super) fn number(value: f32) -> String {
    format!("{value:?}")
}

/// A number with so many decimals, and no negative zero.
pub(super) fn fixed(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let is_zero = text.bytes().all(|byte| matches!(byte, b'-' | b'0' | b'.'));
    if is_zero { text.trim_start_matches('-').into() } else { text }
}

/// A text cell of a CSV file. Control characters are written as Rust writes them (`\n`); a text that a
/// spreadsheet would take for a formula gets an apostrophe in front, which spreadsheets show.
pub fn csv_cell(text: &str) -> String {
    let mut cell = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() { cell.extend(character.escape_default()) } else { cell.push(character) }
    }
    // OWASP's list: the signs, what a spreadsheet trims before them, and their full-width twins.
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    if formula {
        cell.insert(0, '\'');
    }
    if formula || cell.contains([',', '"', ';']) || cell.starts_with(' ') || cell.ends_with(' ') {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::ffi::OsStr;

    use super::*;

    #[test]
    fn different_paths_give_different_texts() {
        let parts: [&[u8]; 9] = [b"%", b"FF", b"\xff", b"25", b"a", b"\n", "é".as_bytes(), b"0A", b"\xc3"];
        let mut texts = HashSet::new();
        let mut paths = HashSet::new();
        for a in parts {
            for b in parts {
                for c in parts {
                    let path = [a, b, c].concat();
                    let text = tile_text(Path::new(OsStr::from_bytes(&path)));
                    assert!(!text.chars().any(char::is_control));
                    assert_eq!(paths.insert(path), texts.insert(text));
                }
            }
        }
    }

    #[test]
    fn numbers_read_back_to_the_same_bits() {
        let mut state = 1u32;
        for _ in 0..100_000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let value = f32::from_bits(state);
            if value.is_finite() {
                assert_eq!(number(value).parse::<f32>().unwrap().to_bits(), value.to_bits());
            }
        }
        assert_eq!(number(0.1), "0.1");
    }

    #[test]
    fn decimals_are_as_many_as_asked_for_and_zero_is_not_negative() {
        assert_eq!(fixed(-0.000_000_01, 7), "0.0000000");
        assert_eq!(fixed(-10.5, 7), "-10.5000000");
        assert_eq!(fixed(600_000.000_4, 3), "600000.000");
    }

    #[test]
    fn cells_cannot_start_a_formula_or_a_line() {
        assert_eq!(csv_cell("tiles/a.tif"), "tiles/a.tif");
        assert_eq!(csv_cell("=1+1"), "\"'=1+1\"");
        assert_eq!(csv_cell("\t=1"), "\"'\\t=1\"");
        assert_eq!(csv_cell("say \"a\",\nb"), "\"say \"\"a\"\",\\nb\"");
    }
}
