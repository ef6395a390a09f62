//! One file, or several as one.

use sha2::{Digest, Sha256};

use super::{Geo, Planes, Raster, SampleType, Stack, Window};
use crate::Result;

/// A source of windows of pixels.
#[derive(Debug)]
pub enum Image {
    /// The bands of one file.
    File(Box<Raster>),
    /// A band from each of several files.
    Stack(Stack),
}

impl Image {
    /// The whole of it.
    pub fn extent(&self) -> Window {
        let (width, height) = match self {
            Self::File(raster) => (raster.header().width, raster.header().height),
            Self::Stack(stack) => (stack.frame().width, stack.frame().height),
        };
        Window { x: 0, y: 0, width, height }
    }

    /// Where it lies, if anything says so.
    pub fn geo(&self) -> Option<&Geo> {
        match self {
            Self::File(raster) => raster.header().geo.as_ref(),
            Self::Stack(stack) => stack.frame().geo.as_ref(),
        }
    }

    /// Fills `planes` as [`Raster::read`] does.
    ///
    /// # Errors
    /// As [`Raster::read`].
    pub fn read(&self, window: Window, bands: &[usize], planes: &mut Planes) -> Result<()> {
        match self {
            Self::File(raster) => raster.read(window, bands, planes),
            Self::Stack(stack) => stack.read(window, bands, planes),
        }
    }

    /// As [`Raster::check_unchanged`], for every file.
    ///
    /// # Errors
    /// [`Io`](crate::Kind::Io)
    pub fn check_unchanged(&self) -> Result<()> {
        match self {
            Self::File(raster) => raster.check_unchanged(),
            Self::Stack(stack) => stack.rasters().try_for_each(Raster::check_unchanged),
        }
    }

    /// A hash of the file; of several, of their hashes in order.
    ///
    /// # Errors
    /// As [`Raster::content_key`].
    pub fn content_key(&self) -> Result<[u8; 32]> {
        match self {
            Self::File(raster) => raster.content_key(),
            Self::Stack(stack) => {
                let mut all = Sha256::new();
                for raster in stack.rasters() {
                    all.update(raster.content_key()?);
                }
                Ok(all.finalize().into())
            }
        }
    }

    /// Type of a file's samples as they lie in it.
    pub fn stored_type(&self) -> SampleType {
        match self {
            Self::File(raster) => raster.header().sample_type,
            Self::Stack(stack) => stack.rasters().next().map_or(SampleType::F32, |raster| raster.header().sample_type),
        }
    }
}
