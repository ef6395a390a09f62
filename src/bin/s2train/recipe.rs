//! The recipe, on the command line.

use clap::{Args, ValueEnum};
use s2infer::train::augment::Mixing;
use s2infer::train::augment::randaugment::MAGNITUDE_MAX;
use s2infer::train::augment::{Augmentation, RandAugment};
use s2infer::train::loss::Loss;
use s2infer::train::recipe::{Method, Patches, Recipe};
use s2infer::{Error, Result};

use super::schedule::{ScheduleArguments, check_shares};

/// Mixup's and CutMix's Beta parameters, and the largest share of a patch that CutMix replaces.
const MIXUP_ALPHA: f64 = 0.2;
const CUTMIX_ALPHA: f64 = 1.0;
const CUTMIX_AREA_MAX: f64 = 0.5;

/// The recipe
#[derive(Debug, Args)]
#[command(next_help_heading = "The recipe")]
pub struct RecipeArguments {
    #[command(flatten)]
    schedule: ScheduleArguments,
    /// Patches a step
    #[arg(long, value_name = "PATCHES", default_value_t = 128)]
    batch: usize,
    /// What is minimised
    #[arg(long, value_enum, default_value = "cross-entropy")]
    loss: LossArgument,
    /// Focal loss: exponent, and weight of a positive
    #[arg(long, value_name = "GAMMA,ALPHA", default_value = "2,0.75", value_parser = pair)]
    focal: Pair,
    /// Logit-adjusted loss: share of the prior log odds that is added
    #[arg(long, value_name = "SHARE", default_value_t = 1.0)]
    tau: f64,
    /// Weight of a positive patch in cross-entropy
    #[arg(long, value_name = "WEIGHT", default_value_t = 1.0)]
    positive_weight: f64,
    /// Share of a label that is spread over all classes
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    label_smoothing: f64,
    /// Groups of season × sky are drawn with probability ∝ (patches)^POWER: 1 as they come, 0 equally
    #[arg(long, value_name = "POWER", default_value_t = 0.5)]
    group_power: f64,
    /// Step of group-DRO's weights; 0 for none, 0.01 is usual
    #[arg(long, value_name = "STEP", default_value_t = 0.0)]
    group_dro: f64,
    /// Do not turn and flip patches
    #[arg(long)]
    no_symmetries: bool,
    /// Probability that a clear patch gets haze, cloud and shadow
    #[arg(long, value_name = "SHARE", default_value_t = 0.5)]
    atmosphere: f64,
    /// Probability that a summer patch becomes a winter one
    #[arg(long, value_name = "SHARE", default_value_t = 0.5)]
    season: f64,
    /// RandAugment on reflectance: operations a patch, and their magnitude from 0 to 10; 0,0 for none
    #[arg(long, value_name = "COUNT,MAGNITUDE", default_value = "0,0", value_parser = pair)]
    randaugment: Pair,
    /// Probability that a patch is blended with another
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    mixup: f64,
    /// Probability that a box of a patch is replaced by another's
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    cutmix: f64,
    /// Probability that a patch's bands take some of the mean and the spread of another patch's: the light and the soils
    /// of another place
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    style: f64,
    /// Share of the last epochs without mixup, CutMix and --style
    #[arg(long, value_name = "SHARE", default_value_t = 0.15)]
    unmixed: f64,
    /// Fit the last layer once more to so many patches, balanced over classes and groups; 0 for none
    #[arg(long, value_name = "PATCHES", default_value_t = 0)]
    refit: usize,
}

/// Two numbers with a comma between.
#[derive(Debug, Clone, Copy)]
struct Pair(f64, f64);

fn pair(text: &str) -> Result<Pair, String> {
    let number = |part: &str| part.trim().parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
    let both = text.split_once(',').and_then(|(first, second)| Some(Pair(number(first)?, number(second)?)));
    both.ok_or_else(|| "write two numbers as 2,0.75".to_owned())
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LossArgument {
    CrossEntropy,
    Focal,
    LogitAdjusted,
}

impl RecipeArguments {
    /// The recipe; patches are clipped to `clip` again after they were augmented.
    ///
    /// # Errors
    /// A setting out of its range, by its flag.
    pub fn recipe(&self, clip: Option<[f32; 2]>) -> Result<Recipe> {
        self.check()?;
        let Pair(operations, magnitude) = self.randaugment;
        let chosen = RandAugment { operations: operations as usize, magnitude };
        let method = Patches {
            loss: match self.loss {
                LossArgument::CrossEntropy => Loss::CrossEntropy,
                LossArgument::Focal => Loss::Focal { gamma: self.focal.0, alpha: self.focal.1 },
                LossArgument::LogitAdjusted => Loss::LogitAdjusted { tau: self.tau },
            },
            positive_weight: self.positive_weight,
            label_smoothing: self.label_smoothing,
            group_power: self.group_power,
            group_dro: self.group_dro,
            augmentation: Augmentation {
                symmetries: !self.no_symmetries,
                atmosphere: self.atmosphere,
                season: self.season,
                randaugment: (operations > 0.0).then_some(chosen),
                clip,
            },
            mixing: Mixing {
                mixup: self.mixup,
                style: self.style,
                mixup_alpha: MIXUP_ALPHA,
                cutmix: self.cutmix,
                cutmix_alpha: CUTMIX_ALPHA,
                cutmix_area_max: CUTMIX_AREA_MAX,
            },
            unmixed_share: self.unmixed,
            refit_patches: self.refit,
        };
        Ok(Recipe { schedule: self.schedule.schedule(self.batch)?, method: Method::Patches(method) })
    }

    fn check(&self) -> Result<()> {
        let shares = [
            ("--label-smoothing", self.label_smoothing),
            ("--atmosphere", self.atmosphere),
            ("--season", self.season),
            ("--mixup", self.mixup),
            ("--style", self.style),
            ("--cutmix", self.cutmix),
            ("--unmixed", self.unmixed),
            ("--group-power", self.group_power),
            ("--focal alpha", self.focal.1),
            ("--randaugment magnitude / 10", self.randaugment.1 / MAGNITUDE_MAX),
            ("--mixup + --cutmix", self.mixup + self.cutmix),
        ];
        check_shares(&shares)?;
        if self.label_smoothing == 1.0 {
            return Err(Error::usage("--label-smoothing 1: all labels would be alike; give less than 1"));
        }
        if !(self.group_dro.is_finite() && self.group_dro >= 0.0) {
            return Err(Error::usage(format!("--group-dro {}: give a number from 0 on", self.group_dro)));
        }
        match self.positive_weight.is_finite() && self.positive_weight > 0.0 {
            true => Ok(()),
            false => Err(Error::usage(format!("--positive-weight {}: give a number above 0", self.positive_weight))),
        }
    }
}
