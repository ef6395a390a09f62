//! Simulated landslides: patches of 64×64 pixels of 10 m as Sentinel-1 and Sentinel-2 see them, once before and once after,
//! of mountains that do not exist. Nothing measured on them is a measurement of real landslides.
//!
//! | part | files |
//! | --- | --- |
//! | what mountains are like | [`region`] |
//! | heights, slopes and fall lines | [`terrain`] |
//! | what covers reflect and scatter on a day | [`palette`] |
//! | what stands where | [`land`] |
//! | slides, old and new, and what else runs down a slope | [`tongue`] |
//! | what else changes between two dates | [`change`] |
//! | what the sensors see | [`optics`], [`radar`] |
//! | a patch of a site | [`site`], [`patch`] |
//! | which patches there are | [`plan`], [`dataset`] |
//!
//! A patch is positive if a slide came down between the two dates. Negatives have all else: slides and gullies that were
//! there before, clear-cuts, roads, harvest, snow that melts, rivers that move; positives have the same. Optics see one date
//! and are now and then blind for clouds; radar sees both dates through speckle, and not everywhere on steep ground. So
//! neither alone is enough.

pub mod change;
pub mod dataset;
pub mod land;
pub mod optics;
pub mod palette;
pub mod patch;
pub mod plan;
pub mod radar;
pub mod region;
pub mod site;
pub mod terrain;
pub mod tongue;

/// Height and width of a patch in pixels of 10 m.
pub const SIDE: usize = 64;

/// The bands of a patch: reflectance of the later date, σ⁰ in dB of the later date, and later minus earlier in dB.
pub const BANDS: [&str; 12] = [
    "B04",
    "B03",
    "B02",
    "B08",
    "VV_DESC",
    "VH_DESC",
    "VV_DESC_DIFF",
    "VH_DESC_DIFF",
    "VV_ASC",
    "VH_ASC",
    "VV_ASC_DIFF",
    "VH_ASC_DIFF",
];
