//! Patches of one manifest in memory: two bytes a value.

use half::f16;
use rayon::prelude::*;

use crate::labelled::Labelled;
use crate::limits::TRAINING_BYTES_MAX;
use crate::model::Manifest;
use crate::train::pixels;
use crate::train::samples::Scaling;
use crate::{Error, Result};

/// Labelled patches.
#[derive(Debug)]
pub struct Patches {
    /// The network's channels before standardisation, `[patches, channels, side, side]`; NaN where a pixel is invalid.
    values: Vec<f16>,
    /// As the manifest names them.
    pub names: Vec<String>,
    /// Whether each is a positive.
    pub positives: Vec<bool>,
    /// Site of each.
    pub sites: Vec<String>,
    /// Channels of a patch.
    pub channels: usize,
    /// Height and width in pixels.
    pub side_px: usize,
}

impl Patches {
    /// Reads the patches of a table on all cores, as `manifest` says.
    ///
    /// # Errors
    /// [`crate::Kind::Limit`] for more than [`TRAINING_BYTES_MAX`]; a patch without a site; a file that cannot be read or
    /// has another size.
    pub fn read(table: &Labelled, manifest: &Manifest) -> Result<Self> {
        let (channels, side_px) = (manifest.bands.len(), manifest.tile_px as usize);
        let size = channels * side_px * side_px;
        let bytes = table.rows.len() as u64 * size as u64 * 2;
        if bytes > TRAINING_BYTES_MAX {
            return Err(Error::limit(format!(
                "{} patches take {} GiB in memory, at most {} are read; train on fewer",
                table.rows.len(),
                bytes >> 30,
                TRAINING_BYTES_MAX >> 30
            )));
        }
        let site = |row: &crate::labelled::LabelledRow| match row.site.as_deref() {
            Some(site) if !site.is_empty() => Ok(site.to_owned()),
            _ => Err(Error::usage(format!("{}: {}: its site is not known", table.file, row.tile))),
        };
        let sites = table.rows.iter().map(site).collect::<Result<_>>()?;
        let plain = pixels::unscaled(manifest);
        let mut values = vec![f16::ZERO; table.rows.len() * size];
        values.par_chunks_mut(size).zip(&table.rows).try_for_each(|(to, row)| {
            let read = pixels::read(&table.folder.join(&row.tile), &plain)?;
            to.iter_mut().zip(read).for_each(|(to, from)| *to = f16::from_f32(from));
            Ok::<(), Error>(())
        })?;
        Ok(Self {
            values,
            names: table.rows.iter().map(|row| row.tile.clone()).collect(),
            positives: table.rows.iter().map(|row| row.is_positive()).collect(),
            sites,
            channels,
            side_px,
        })
    }

    /// Number of patches.
    pub fn len(&self) -> usize {
        self.positives.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.positives.is_empty()
    }

    /// Values of one channel of all patches.
    pub fn channel(&self, channel: usize) -> impl Iterator<Item = f32> {
        let area = self.side_px * self.side_px;
        self.values
            .chunks(self.channels * area)
            .flat_map(move |patch| &patch[channel * area..][..area])
            .map(|v| v.to_f32())
    }

    /// Values of one patch, before standardisation.
    pub fn patch(&self, index: usize) -> Vec<f32> {
        let size = self.channels * self.side_px * self.side_px;
        self.values[index * size..][..size].iter().map(|value| value.to_f32()).collect()
    }

    /// What the network sees of one patch.
    pub fn input(&self, index: usize, scaling: &Scaling) -> Vec<f32> {
        let mut values = self.patch(index);
        scaling.apply(&mut values);
        values
    }
}
