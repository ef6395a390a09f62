//! Plain TIFFs: pixels and nothing about them, as challenges hand them out.

use std::path::Path;

use libdeflater::{CompressionLvl, Compressor};

use crate::output::tiff_directory::{Directory, Form};
use crate::{Error, Result};

/// Deflate.
const LEVEL: i32 = 4;

/// Writes `side × side` pixels of unsigned `samples` of 8 or 16 `bits` each, little-endian, pixel by pixel: Deflate, one
/// strip, `description` (ASCII) and no reference system.
///
/// # Errors
/// [`crate::Kind::Output`] if the file cannot be written.
pub fn write(path: &Path, side: usize, samples: usize, bits: u16, pixels: &[u8], description: &str) -> Result<()> {
    let failed = |error: &dyn std::fmt::Display| Error::output(error).context(path.display());
    let level = CompressionLvl::new(LEVEL).map_err(|e| failed(&format!("Deflate level {LEVEL}: {e:?}")))?;
    let mut compressor = Compressor::new(level);
    let mut bytes = b"II\x2a\0\0\0\0\0".to_vec();
    let start = bytes.len();
    bytes.resize(start + compressor.zlib_compress_bound(pixels.len()), 0);
    let length = compressor.zlib_compress(pixels, &mut bytes[start..]).map_err(|e| failed(&e))?;
    bytes.truncate(start + length.next_multiple_of(2));
    let mut directory = Directory::new();
    directory.longs(256, &[side as u32]);
    directory.longs(257, &[side as u32]);
    directory.shorts(258, &vec![bits; samples]); // bits per sample
    directory.shorts(259, &[8]); // compression: Deflate
    directory.shorts(262, &[1]); // photometric: zero is black
    directory.text(270, description);
    directory.longs(273, &[start as u32]);
    directory.shorts(277, &[samples as u16]);
    directory.longs(278, &[side as u32]); // rows per strip
    directory.longs(279, &[length as u32]);
    directory.shorts(284, &[1]); // pixel by pixel
    if samples > 1 {
        directory.shorts(338, &vec![0; samples - 1]); // extra samples: no opacity
    }
    directory.shorts(339, &vec![1; samples]); // unsigned
    let [directory, values] = directory.encode(Form::Classic, bytes.len() as u64, 0);
    bytes.extend(values);
    let offset = bytes.len() as u32;
    bytes.extend(directory);
    bytes[4..8].copy_from_slice(&offset.to_le_bytes());
    std::fs::write(path, bytes).map_err(|e| failed(&e))
}
