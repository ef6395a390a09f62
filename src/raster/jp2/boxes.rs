//! The boxes of a JP2 file (ITU-T T.800, annex I): where the codestream lies and what says where on Earth.

use crate::limits::{JP2_BOXES_MAX, JP2_GEO_BYTES_MAX};
use crate::raster::source::Source;
use crate::{Error, Result};

/// GeoJP2: a GeoTIFF without pixels.
const GEO_TIFF_UUID: [u8; 16] =
    [0xb1, 0x4b, 0xf8, 0xbd, 0x08, 0x3d, 0x4b, 0x43, 0xa5, 0xae, 0x8c, 0xd7, 0xd5, 0xa6, 0xce, 0x03];
/// The label beside GMLJP2's document (OGC 05-047r3).
const GML_LABEL: &[u8] = b"gml.root-instance";

/// What is used of a file's boxes.
#[derive(Default)]
pub(super) struct Boxes {
    /// First byte of the codestream, and the one behind its last.
    pub(super) codestream: (u64, u64),
    /// The GMLJP2 document.
    pub(super) gml: Option<String>,
    /// The TIFF in the GeoJP2 box.
    pub(super) geo_tiff: Option<Vec<u8>>,
}

struct Head {
    kind: [u8; 4],
    /// First byte of the contents.
    start: u64,
    /// The byte behind the last.
    end: u64,
}

impl Boxes {
    pub(super) fn read(source: &Source) -> Result<Self> {
        let mut scratch = Vec::new();
        if source.bytes(0, 2, &mut scratch)? == [0xff, 0x4f] {
            return Ok(Self { codestream: (0, source.length()), ..Self::default() });
        }
        let mut found = Self::default();
        let mut count = 0;
        // The file itself, then every association in it: each is a list of boxes.
        let mut lists = vec![(0, source.length())];
        while let Some((mut position, end)) = lists.pop() {
            let mut is_gml = false;
            while let Some(head) = head(source, position, end)? {
                position = head.end;
                count += 1;
                if count > JP2_BOXES_MAX {
                    return Err(Error::limit(format!("more than {JP2_BOXES_MAX} JP2 boxes")));
                }
                match &head.kind {
                    b"asoc" => lists.push((head.start, head.end)),
                    b"jp2c" if found.codestream.1 == 0 => found.codestream = (head.start, head.end),
                    b"lbl " => is_gml = contents(source, &head)?.starts_with(GML_LABEL),
                    b"xml " if is_gml && found.gml.is_none() => found.gml = Some(text(contents(source, &head)?)?),
                    b"uuid" if found.geo_tiff.is_none() => found.geo_tiff = geo_tiff(source, &head)?,
                    _ => {}
                }
            }
        }
        if found.codestream.1 == 0 {
            return Err(Error::malformed("a JP2 file without a codestream"));
        }
        Ok(found)
    }
}

/// The box at `position` of a list that ends at `end`; `None` at its end.
fn head(source: &Source, position: u64, end: u64) -> Result<Option<Head>> {
    if end.saturating_sub(position) < 8 {
        return Ok(None);
    }
    let mut scratch = Vec::new();
    let &[a, b, c, d, ref kind @ ..] = source.bytes(position, 8, &mut scratch)?.first_chunk::<8>().ok_or_else(short)?;
    let (kind, stated) = (*kind, u64::from(u32::from_be_bytes([a, b, c, d])));
    let (start, length) = match stated {
        0 => (position + 8, end - position),
        1 => {
            let wide = source.bytes(position + 8, 8, &mut scratch)?.first_chunk().ok_or_else(short)?;
            (position + 16, u64::from_be_bytes(*wide))
        }
        length => (position + 8, length),
    };
    let name = || String::from_utf8_lossy(&kind).into_owned();
    match position.checked_add(length) {
        Some(box_end) if box_end >= start && box_end <= end => Ok(Some(Head { kind, start, end: box_end })),
        Some(box_end) if box_end > end => Err(Error::malformed(format!(
            "the JP2 box `{}` at offset {position} is cut short: {length} bytes, {} are there",
            name(),
            end - position
        ))),
        _ => Err(Error::malformed(format!("the JP2 box `{}` at offset {position} has {length} bytes", name()))),
    }
}

fn short() -> Error {
    Error::malformed("a JP2 box is cut short")
}

fn contents(source: &Source, head: &Head) -> Result<Vec<u8>> {
    let length = head.end - head.start;
    if length > JP2_GEO_BYTES_MAX {
        return Err(Error::limit(format!("a JP2 box of {length} bytes; at most {JP2_GEO_BYTES_MAX} are read")));
    }
    let mut scratch = Vec::new();
    Ok(source.bytes(head.start, length as usize, &mut scratch)?.to_vec())
}

fn text(mut bytes: Vec<u8>) -> Result<String> {
    // Some writers end text boxes as C does.
    while bytes.pop_if(|last| *last == 0).is_some() {}
    String::from_utf8(bytes).map_err(|_| Error::malformed("GMLJP2 is not UTF-8"))
}

fn geo_tiff(source: &Source, head: &Head) -> Result<Option<Vec<u8>>> {
    let mut scratch = Vec::new();
    if head.end - head.start < 16 || source.bytes(head.start, 16, &mut scratch)? != GEO_TIFF_UUID {
        return Ok(None);
    }
    contents(source, head).map(|mut bytes| Some(bytes.split_off(16)))
}
