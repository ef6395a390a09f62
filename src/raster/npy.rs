//! NumPy's `.npy`: one array, `[bands, height, width]`, `[height, width, bands]` or `[height, width]`.
//!
//! Source of the format: numpy.lib.format, versions 1.0 to 3.0. The header is the literal of a Python dictionary with
//! exactly three keys; a strict parser of ours reads that and nothing else of Python.

use super::grid::Grid;
use super::source::Source;
use super::tiff::Chunks;
use super::types::{BandInfo, Format, Header, SampleType};
use crate::limits::{NPY_HEADER_BYTES_MAX, RASTER_BANDS_MAX, RASTER_SIDE_PX_MAX};
use crate::{Error, Result};

/// Magic bytes, then major and minor version.
const PREFIX_BYTES: u64 = 8;

/// Reads the header; the samples stay where they are.
pub(super) fn open(source: &Source) -> Result<(Header, Grid, Chunks)> {
    let (text, start) = header_text(source)?;
    let array = Array::parse(&text).map_err(|what| Error::malformed(format!("NPY header: {what}")))?;
    let (sample_type, is_big_endian) = sample_type(&array.descr)?;
    if array.is_fortran_order {
        return Err(Error::unsupported(
            "NPY in Fortran order; save it in C order: numpy.save(path, numpy.ascontiguousarray(array))",
        ));
    }
    let Axes { bands, height, width, planar } = Axes::of(&array.shape)?;
    let side_px = |length: u64| u32::try_from(length).ok().filter(|side| (1..=RASTER_SIDE_PX_MAX).contains(side));
    let (Some(width), Some(height)) = (side_px(width), side_px(height)) else {
        return Err(Error::limit(format!("NPY of {width}×{height} pixels, expected 1 to {RASTER_SIDE_PX_MAX} a side")));
    };
    let bands = usize::try_from(bands).ok().filter(|bands| (1..=RASTER_BANDS_MAX).contains(bands));
    let bands = bands.ok_or_else(|| {
        Error::limit(format!("NPY of shape {:?}, expected 1 to {RASTER_BANDS_MAX} bands", array.shape))
    })?;
    let sample_bytes = sample_type.size_bytes();
    // Below 2^20 · 2^20 · 2^12 · 2^3, which a u64 holds.
    let plane_bytes = u64::from(width) * u64::from(height) * sample_bytes as u64;
    let (needed, held) = (plane_bytes * bands as u64, source.length().saturating_sub(start));
    if needed != held {
        return Err(Error::malformed(format!(
            "NPY of shape {:?} has {needed} bytes of {} samples, the file holds {held}",
            array.shape,
            sample_type.name()
        )));
    }
    let grid = Grid { width, height, chunk_width: width, chunk_height: height, bands, planar, sample_bytes };
    let chunk_bytes = if planar { plane_bytes } else { needed };
    let offsets = (0..grid.chunks()).map(|chunk| start + chunk * chunk_bytes).collect();
    let header = Header {
        format: Format::Npy,
        width,
        height,
        bands: vec![BandInfo::default(); bands],
        sample_type,
        nodata: None,
        has_mask: false,
        geo: None,
        metadata: Default::default(),
    };
    Ok((header, grid, Chunks::raw(offsets, chunk_bytes, sample_type, is_big_endian)))
}

/// The dictionary, and where the samples begin.
fn header_text(source: &Source) -> Result<(String, u64)> {
    let mut scratch = Vec::new();
    let major = *source.bytes(6, 1, &mut scratch)?.first().unwrap_or(&0);
    let length_bytes = match major {
        1 => 2,
        2 | 3 => 4,
        _ => return Err(Error::unsupported(format!("NPY version {major}, expected 1, 2 or 3"))),
    };
    let length = source.bytes(PREFIX_BYTES, length_bytes, &mut scratch)?;
    let length = length.iter().rev().fold(0u64, |length, byte| length << 8 | u64::from(*byte));
    if length > NPY_HEADER_BYTES_MAX {
        return Err(Error::limit(format!("NPY header of {length} bytes, at most {NPY_HEADER_BYTES_MAX} are read")));
    }
    let start = PREFIX_BYTES + length_bytes as u64;
    let bytes = source.bytes(start, length as usize, &mut scratch)?;
    let text = std::str::from_utf8(bytes).map_err(|_| Error::malformed("NPY header: not a text"))?;
    Ok((text.to_owned(), start + length))
}

/// The sample type, and whether it is stored with the high byte first.
fn sample_type(descr: &str) -> Result<(SampleType, bool)> {
    let sample_type = match descr.get(1..) {
        Some("u1") => Some(SampleType::U8),
        Some("u2") => Some(SampleType::U16),
        Some("i2") => Some(SampleType::I16),
        Some("u4") => Some(SampleType::U32),
        Some("i4") => Some(SampleType::I32),
        Some("f4") => Some(SampleType::F32),
        Some("f8") => Some(SampleType::F64),
        _ => None,
    };
    let is_known_order = matches!(descr.as_bytes(), [b'<' | b'>', ..] | b"|u1");
    let sample_type = sample_type.filter(|_| is_known_order).ok_or_else(|| {
        Error::unsupported(format!(
            "NPY of dtype {descr:?}, expected u1, u2, i2, u4, i4, f4 or f8; save array.astype('float32')"
        ))
    })?;
    Ok((sample_type, descr.starts_with('>')))
}

/// What the axes of an array are.
struct Axes {
    bands: u64,
    height: u64,
    width: u64,
    planar: bool,
}

impl Axes {
    /// Of three axes the shorter of the first and the last is that of the bands.
    fn of(shape: &[u64]) -> Result<Self> {
        match *shape {
            [height, width] => Ok(Self { bands: 1, height, width, planar: true }),
            [bands, height, width] if bands < width => Ok(Self { bands, height, width, planar: true }),
            [height, width, bands] if bands < height => Ok(Self { bands, height, width, planar: false }),
            [first, _, _] => Err(Error::unsupported(format!(
                "NPY of shape {shape:?}: the first and the last axis are both {first} long, so that nothing says which is \
                 that of the bands; write it as a TIFF"
            ))),
            _ => Err(Error::unsupported(format!(
                "NPY of shape {shape:?}, expected [bands, height, width], [height, width, bands] or [height, width]; \
                 save one patch a file"
            ))),
        }
    }
}

/// What the header states.
#[derive(Debug, PartialEq)]
struct Array {
    descr: String,
    is_fortran_order: bool,
    shape: Vec<u64>,
}

impl Array {
    fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser { rest: text };
        let (mut descr, mut order, mut shape) = (None, None, None);
        parser.expect("{")?;
        while !parser.take("}") {
            let key = parser.quoted()?;
            parser.expect(":")?;
            let is_repeated = match key {
                "descr" => descr.replace(parser.quoted()?.to_owned()).is_some(),
                "fortran_order" => order.replace(parser.truth()?).is_some(),
                "shape" => shape.replace(parser.tuple()?).is_some(),
                _ => return Err(format!("the key {key:?}, expected descr, fortran_order and shape")),
            };
            if is_repeated {
                return Err(format!("the key {key:?} twice"));
            }
            if !parser.take(",") {
                parser.expect("}")?;
                break;
            }
        }
        match (descr, order, shape) {
            _ if !parser.rest.trim().is_empty() => Err("text after the dictionary".into()),
            (Some(descr), Some(is_fortran_order), Some(shape)) => Ok(Self { descr, is_fortran_order, shape }),
            _ => Err("expected descr, fortran_order and shape".into()),
        }
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn take(&mut self, token: &str) -> bool {
        self.rest = self.rest.trim_start();
        self.rest.strip_prefix(token).map(|rest| self.rest = rest).is_some()
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        if self.take(token) { Ok(()) } else { Err(format!("expected {token:?}{}", self.place())) }
    }

    fn place(&self) -> String {
        match self.rest.chars().next() {
            Some(letter) => format!(", not {letter:?}"),
            None => ", not the end".into(),
        }
    }

    /// A text in quotes of either kind; a list, which a structured dtype has in its place, is none.
    fn quoted(&mut self) -> Result<&'a str, String> {
        let quote = if self.take("'") {
            '\''
        } else if self.take("\"") {
            '"'
        } else {
            '\0'
        };
        let Some((text, rest)) = self.rest.split_once(quote).filter(|_| quote != '\0') else {
            return Err(format!("expected a text in quotes{}", self.place()));
        };
        self.rest = rest;
        Ok(text)
    }

    fn truth(&mut self) -> Result<bool, String> {
        match (self.take("True"), self.take("False")) {
            (true, false) => Ok(true),
            (false, true) => Ok(false),
            _ => Err(format!("expected True or False{}", self.place())),
        }
    }

    /// `(12, 64, 64)`, `(5,)`, `()`
    fn tuple(&mut self) -> Result<Vec<u64>, String> {
        self.expect("(")?;
        let mut lengths = Vec::new();
        while !self.take(")") {
            self.rest = self.rest.trim_start();
            let end = self.rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(self.rest.len());
            let (digits, rest) = self.rest.split_at(end);
            lengths.push(digits.parse().map_err(|_| format!("expected a length{}", self.place()))?);
            self.rest = rest;
            if !self.take(",") {
                self.expect(")")?;
                break;
            }
        }
        Ok(lengths)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dictionary_is_read_as_numpy_writes_it_and_nothing_else_is() {
        let text = "{'descr': '<f4', 'fortran_order': False, 'shape': (12, 64, 64), }          \n";
        let array = Array::parse(text).unwrap();
        assert_eq!(array, Array { descr: "<f4".into(), is_fortran_order: false, shape: vec![12, 64, 64] });
        assert_eq!(Array::parse("{'shape':(5,),'fortran_order':True,\"descr\":'|u1'}").unwrap().shape, [5]);
        for (text, said) in [
            ("", "expected \"{\", not the end"),
            ("{'descr': '<f4', 'fortran_order': False}", "expected descr, fortran_order and shape"),
            ("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': ()}", "a text in quotes, not '['"),
            ("{'descr': '<f4', 'descr': '<f4'}", "twice"),
            ("{'descr': '<f4', 'fortran_order': 0, 'shape': ()}", "True or False"),
            ("{'shape': (-1, 2)}", "a length, not '-'"),
            ("{'shape': (99999999999999999999, 2)}", "a length"),
            ("{'shape': (1 2)}", "expected \")\""),
            ("{'data': ()}", "the key \"data\""),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': ()} x", "after the dictionary"),
        ] {
            let error = Array::parse(text).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
