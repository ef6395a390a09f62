//! Whether tiles and scores are still those that a model was calibrated on; stands beside the street.
//!
//! A [`Reference`] keeps histograms of what tiles were like, per season and sky. [`compare`] holds the tiles of a run
//! against it: each group by itself, so that a night of clouds alone is compared with clouds alone, groups of few tiles
//! together, and the sky within each season (or the mix of other groups) as a quantity of its own. [`Audit`] watches labelled positives.
//!
//! The unit of every test is the tile: pixels and windows of one tile are not independent. A tile of several windows counts
//! with the one in its middle. Tests take the tiles of a run for independent draws. Tiles of one place and day are not, and
//! differ from a reference of many places although nothing is wrong: what alarms must therefore be a *large* difference as
//! well as one that is no chance. Neither rules out a night that is unlike the reference and harmless.

mod audit;
mod compare;
mod evidence;
mod histogram;
mod metrics;
mod middle;
mod mix;
mod observation;
mod pooled;
mod reference;
mod report;
mod table;
mod wording;

pub use audit::{Audit, AuditReport, AuditTable};
pub use compare::{check_level, compare};
pub use metrics::{audit_metrics, drift_metrics};
pub use middle::Middle;
pub use observation::{Observation, Quantity, season_sky};
pub use reference::{Reference, ReferenceRequest, sparse_groups};
pub use report::{Finding, Report, Status, Test};
pub(crate) use table::is_group;
pub use table::{read_table, write_table};

/// The share of nights with any alarm where nothing has changed, at most, unless `--drift-level` says otherwise.
pub const LEVEL_DEFAULT: f64 = 0.01;
/// A smaller population stability index is no alarm, however certain: 0.25 is "a major shift" (Siddiqi 2006), and what a
/// normal distribution has that moved by half a standard deviation.
pub const PSI_EFFECT_MIN: f64 = 0.25;
/// A smaller Kolmogorov–Smirnov distance is no alarm. The same half of a standard deviation has 0.197.
pub const KS_EFFECT_MIN: f64 = 0.2;
/// A smaller MMD² is no alarm. Half a standard deviation in every dimension has 0.047 in one dimension and 0.07 in six.
pub const MMD_EFFECT_MIN: f64 = 0.05;
/// Fewer tiles of a group, in the run or in the reference, say nothing.
pub const TILES_MIN: u64 = 20;
/// Groups of too few tiles each, together.
pub const POOLED: &str = "pooled";
/// The group of tiles whose season or sky is unknown, compared with all tiles of the reference.
pub const ALL: &str = "all";
