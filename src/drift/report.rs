//! What a comparison found.

use serde::Serialize;

use super::POOLED;
use crate::model::manifest::Tta;

/// One run against a reference.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The model that the reference is of.
    pub model: String,
    /// The first twelve digits of its SHA-256.
    pub model_sha256: String,
    /// The test-time augmentation that the reference was made with.
    pub tta: Tta,
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
    /// Season and sky, or `pooled` for groups of too few tiles together, or `all` for tiles whose group is not known, and
    /// for the mix of groups and the abstentions of all.
    pub group: String,
    /// `score`, `abstained`, `valid_share`, `mean_B04`, `deviation_B04`, `bands` (all means and deviations at once),
    /// `sky_of_summer`, `sky_of_winter` or `group_mix`.
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
    /// Compared with tiles of every season and sky because the tiles' own are not known: no alarm, whatever it is.
    Shown,
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

impl Test {
    /// Before the correction for all others.
    pub(super) fn new(statistic: &'static str, effect: f64, effect_min: f64, p_value: f64) -> Self {
        Self { statistic, effect, effect_min, p_value, p_value_adjusted: 1.0, is_alarm: false }
    }
}

impl Finding {
    /// Of so many tiles in the run and in the reference.
    pub(super) fn without_median(group: &str, quantity: String, tiles: [u64; 2], tests: Vec<Test>) -> Self {
        let [n, n_reference] = tiles;
        let (median, median_reference, group) = (None, None, group.to_owned());
        Self { group, quantity, n, n_reference, median, median_reference, tests, status: Status::Stable }
    }

    /// The same, to be seen and not to be judged.
    pub(super) fn shown(self) -> Self {
        Self { status: Status::Shown, ..self }
    }

    /// Whether it is about what tiles are like, and not about how many are of which kind.
    pub(super) fn is_of_tiles(&self) -> bool {
        let is_count = ["abstained", "group_mix"].contains(&self.quantity.as_str());
        !is_count && !self.quantity.starts_with("sky_of_")
    }

    fn is(&self, group: &str, quantity: &str) -> bool {
        self.group == group && self.quantity == quantity
    }

    /// Whether one of its tests alarms.
    pub fn is_alarm(&self) -> bool {
        self.status == Status::Drift
    }
}

impl Report {
    /// Quantities of the tiles that no test covers, neither in their group nor with groups pooled.
    pub fn untested(&self) -> usize {
        let is_pooled = |quantity: &str| self.findings.iter().any(|other| other.is(POOLED, quantity));
        let is_untested = |finding: &&Finding| match finding.status {
            Status::Insufficient => finding.is_of_tiles() && !is_pooled(&finding.quantity),
            Status::Shown => true,
            Status::Stable | Status::Drift => false,
        };
        self.findings.iter().filter(is_untested).count()
    }
}
