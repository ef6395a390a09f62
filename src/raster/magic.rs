//! The container, from a file's first bytes.

use std::os::unix::fs::FileExt;
use std::path::Path;

use super::source::open_regular;
use super::types::Format;

/// Bytes that decide.
pub(super) const MAGIC_BYTES: usize = 8;

/// The container that begins with `magic`.
pub(super) fn format_of(magic: &[u8]) -> Option<Format> {
    match magic {
        [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => Some(Format::Tiff),
        [b'I', b'I', 43, 0, ..] | [b'M', b'M', 0, 43, ..] => Some(Format::BigTiff),
        [0xff, 0xd8, 0xff, ..] => Some(Format::Jpeg),
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Format::Png),
        [0, 0, 0, 12, b'j', b'P', b' ', b' ', ..] | [0xff, 0x4f, 0xff, 0x51, ..] => Some(Format::Jpeg2000),
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => Some(Format::Npy),
        _ => None,
    }
}

/// What a file that is none of these looks like, for the error message.
pub(super) fn describe(magic: &[u8]) -> &'static str {
    match magic {
        [] => "an empty file",
        [b'P', b'K', 3, 4, ..] => "a ZIP archive",
        [b'<', ..] => "XML or HTML text",
        _ if magic.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) => "text",
        _ => "unknown bytes",
    }
}

/// Whether `path` is a regular file that begins like a TIFF, BigTIFF, JPEG, PNG, JPEG 2000 or NPY; for walks through folders.
/// What cannot be opened does not look like a raster. Never blocks.
pub fn looks_like_raster(path: &Path) -> bool {
    let mut magic = [0; MAGIC_BYTES];
    open_regular(path).is_ok_and(|(file, _)| file.read_exact_at(&mut magic, 0).is_ok()) && format_of(&magic).is_some()
}
