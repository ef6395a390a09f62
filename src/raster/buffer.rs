//! Allocation that fails with an error instead of ending the process.

use crate::{Error, Result};

/// `bytes` cut or filled up with zeroes to `length`.
pub(super) fn resize(bytes: &mut Vec<u8>, length: usize) -> Result<()> {
    let more = length.saturating_sub(bytes.len());
    bytes.try_reserve_exact(more).map_err(|_| Error::limit(format!("no memory for {length} bytes of pixels")))?;
    bytes.resize(length, 0);
    Ok(())
}

/// A new buffer of `length` zeroes.
pub(super) fn zeroed(length: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    resize(&mut bytes, length)?;
    Ok(bytes)
}
