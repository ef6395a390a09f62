//! What a comparison found.

use serde::Serialize;

/// One run against a reference.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// SHA-256 of the reference, lower-case hexadecimal.
    pub reference_sha256: String,
    /// The share of nights with any alarm where nothing has changed, at most.
    pub level: f64,
    /// Tests that share the level.
    pub tests: usize,
    /// Tiles of the run that were read.
    pub tiles: u64,
    /// Those with a score.
    pub tiles_scored: u64,
    /// Those whose pixels were summarised; tiles from the resume journal are not.
    pub tiles_with_bands: u64,
    /// Whether anything has drifted.
    pub alarm: bool,
    /// What has drifted, in words.
    pub alarms: Vec<String>,
    /// What to know about the comparison.
    pub remarks: Vec<String>,
    /// Each group's quantities.
    pub findings: Vec<Finding>,
}

/// One quantity of one group.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// Season and sky, or `all` for tiles whose group is not known, and for the mix of groups and the abstentions of all.
    pub group: String,
    /// `score`, `abstained`, `valid_share`, `mean_B04`, `deviation_B04`, `bands` (all means and deviations at once) or
    /// `group_mix`.
    pub quantity: String,
    /// Tiles of the run.
    pub n: u64,
    /// Tiles of the reference.
    pub n_reference: u64,
    /// Median in the run, for quantities that are one number.
    pub median: Option<f64>,
    /// Median in the reference.
    pub median_reference: Option<f64>,
    /// The tests; none where there are too few tiles.
    pub tests: Vec<Test>,
    /// What they come to.
    pub status: Status,
}

/// What the tests of one quantity come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// No test found a difference that is both large and no chance.
    Stable,
    /// One did.
    Drift,
    /// Too few tiles to say.
    Insufficient,
}

/// One test.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Test {
    /// `psi`, `ks` (of binned values) or `mmd`.
    pub statistic: &'static str,
    /// PSI, distance or MMD²: how large the difference is.
    pub effect: f64,
    /// From which effect on it alarms.
    pub effect_min: f64,
    /// Probability of so large an effect by chance. Pearson's for `psi`.
    pub p_value: f64,
    /// The same after Holm's correction for all tests of the run.
    pub p_value_adjusted: f64,
    /// Whether the effect is large enough and the corrected p-value at most the level.
    pub is_alarm: bool,
}

impl Finding {
    /// Whether one of its tests alarms.
    pub fn is_alarm(&self) -> bool {
        self.status == Status::Drift
    }
}
