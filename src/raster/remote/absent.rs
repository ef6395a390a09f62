//! What stands in the place of the object store in a program that was built without it.

use crate::{Error, Result};

/// Never made.
pub(crate) enum Remote {}

impl Remote {
    pub(crate) fn open(_address: &str) -> Result<Self> {
        Err(Error::unsupported(
            "an address, and this s2infer was built without them: build it with `--features remote`, or download the \
             file; beside a STAC item the names of its files are enough",
        ))
    }

    pub(crate) fn length(&self) -> u64 {
        match *self {}
    }

    pub(crate) fn read(&self, _offset: u64, _bytes: &mut [u8]) -> Result<()> {
        match *self {}
    }

    pub(crate) fn key(&self) -> Result<[u8; 32]> {
        match *self {}
    }
}
