//! Which chips there are to be.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use sha2::{Digest, Sha256};

use super::{NO_CLASS, Sources, swath};
use crate::raster::Window;
use crate::train::patches::Split;
use crate::{Error, Result};

/// How many chips, and of what size.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Simulated chips that train; a tenth as many choose, and as many measure.
    pub chips: usize,
    /// Real windows of the product that train.
    pub windows: usize,
    /// Height and width of the chips that train and choose, in pixels.
    pub side: usize,
    /// The same of those that measure.
    pub measurement_side: usize,
    /// Share of the chips whose masks are made wrong on purpose, 0 to 1.
    pub spoilt_share: f64,
    /// Seed of everything.
    pub seed: u64,
}

impl Settings {
    /// The random numbers that belong to one chip.
    pub(super) fn rng(&self, name: &str) -> ChaCha8Rng {
        ChaCha8Rng::from_seed(Sha256::digest(format!("{}/{name}", self.seed).as_bytes()).into())
    }
}

/// How a mask is made wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spoilt {
    /// Clouds are clear and the rest is cloud.
    Inverted,
    /// No cloud.
    Emptied,
    /// Everything is cloud.
    Filled,
    /// The mask of the chip turned upside down: another place's.
    Turned,
}

impl Spoilt {
    const ALL: [Self; 4] = [Self::Inverted, Self::Emptied, Self::Filled, Self::Turned];

    /// The word in the manifest.
    pub fn name(self) -> &'static str {
        match self {
            Self::Inverted => "inverted",
            Self::Emptied => "emptied",
            Self::Filled => "filled",
            Self::Turned => "turned",
        }
    }

    pub(super) fn apply(self, classes: &mut [u8], side: usize) {
        let known = |classes: &mut [u8], to: fn(u8) -> u8| {
            classes.iter_mut().filter(|class| **class != NO_CLASS).for_each(|class| *class = to(*class));
        };
        match self {
            Self::Inverted => known(classes, |class| 1 - class),
            Self::Emptied => known(classes, |_| 0),
            Self::Filled => known(classes, |_| 1),
            Self::Turned => {
                let rows: Vec<Vec<u8>> = classes.chunks(side).rev().map(<[u8]>::to_vec).collect();
                classes.copy_from_slice(&rows.concat());
            }
        }
    }
}

/// Where a chip's ground comes from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Source {
    /// Clear patches, under a simulated sky.
    Patches,
    /// Clear blocks of the product, under a simulated sky.
    Blocks,
    /// A window of the product as it is.
    Window(Window),
}

/// One chip to be.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) name: String,
    pub(super) source: Source,
    pub(super) split: Split,
    pub(super) side: usize,
    pub(super) spoilt: Option<Spoilt>,
}

/// All chips, in the order of the manifest.
pub(super) fn jobs(sources: Sources<'_>, settings: &Settings) -> Result<Vec<Job>> {
    let kinds: Vec<(Source, &str)> =
        [sources.patches.map(|_| (Source::Patches, "eurosat")), sources.swath.map(|_| (Source::Blocks, "product"))]
            .into_iter()
            .flatten()
            .collect();
    if kinds.is_empty() {
        return Err(Error::usage("no ground: give --patches, --product or both"));
    }
    let mut jobs = Vec::new();
    for (split, share) in [(Split::Train, 1), (Split::Select, 10), (Split::Measurement, 10)] {
        let side = if split == Split::Measurement { settings.measurement_side } else { settings.side };
        for index in 0..settings.chips.div_ceil(share) {
            let (source, ground) = kinds[index % kinds.len()];
            let name = format!("simulated_{}_{ground}_{index:05}", split.name());
            jobs.push(Job { name, source, split, side, spoilt: None });
        }
        if let Some(swath) = sources.swath {
            let windows = swath::windows(swath, split, side, settings);
            for (index, window) in windows.into_iter().enumerate() {
                let name = format!("real_{}_{index:05}", split.name());
                jobs.push(Job { name, source: Source::Window(window), split, side, spoilt: None });
            }
        }
    }
    let spoilt = (settings.spoilt_share * jobs.len() as f64).round() as usize;
    for index in 0..spoilt {
        let at = index * jobs.len() / spoilt;
        jobs[at].spoilt = Some(Spoilt::ALL[index % Spoilt::ALL.len()]);
    }
    Ok(jobs)
}
