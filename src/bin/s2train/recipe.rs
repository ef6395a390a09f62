//! The recipe, on the command line.

use clap::{Args, ValueEnum};
use s2infer::train::augment::Mixing;
use s2infer::train::augment::randaugment::MAGNITUDE_MAX;
use s2infer::train::augment::{Augmentation, RandAugment};
use s2infer::train::fit::Machine;
use s2infer::train::forward::Precision;
use s2infer::train::loss::Loss;
use s2infer::train::recipe::Recipe;
use s2infer::{Error, Result};
use tch::{Cuda, Device};

/// Mixup's and CutMix's Beta parameters, and the largest share of a patch that CutMix replaces.
const MIXUP_ALPHA: f64 = 0.2;
const CUTMIX_ALPHA: f64 = 1.0;
const CUTMIX_AREA_MAX: f64 = 0.5;

/// The recipe
#[derive(Debug, Args)]
#[command(next_help_heading = "The recipe")]
pub struct RecipeArguments {
    /// Passes over the training patches
    #[arg(long, default_value_t = 20)]
    epochs: usize,
    /// Epochs of rising learning rate
    #[arg(long, value_name = "EPOCHS", default_value_t = 1)]
    warmup: usize,
    /// Patches a step
    #[arg(long, value_name = "PATCHES", default_value_t = 128)]
    batch: usize,
    /// Highest learning rate
    #[arg(long, value_name = "RATE", default_value_t = 1e-3)]
    learning_rate: f64,
    /// What the learning rate of all layers but the last is multiplied by; less than 1 with --pretrained
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    backbone_rate: f64,
    /// AdamW's weight decay
    #[arg(long, value_name = "DECAY", default_value_t = 0.05)]
    weight_decay: f64,
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
    /// Decay a step of the parameters' moving average, which is kept; 0 for none
    #[arg(long, value_name = "DECAY", default_value_t = 0.99)]
    ema: f64,
    /// Fit the last layer once more to so many patches, balanced over classes and groups; 0 for none
    #[arg(long, value_name = "PATCHES", default_value_t = 0)]
    refit: usize,
    /// Seed of initialisation, order and augmentation; one thread and the same seed give the same model
    #[arg(long, default_value_t = 1)]
    seed: u64,
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
        Ok(Recipe {
            epochs: self.epochs,
            warmup_epochs: self.warmup,
            batch: self.batch,
            learning_rate: self.learning_rate,
            backbone_rate: self.backbone_rate,
            weight_decay: self.weight_decay,
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
            ema: self.ema,
            refit_patches: self.refit,
            seed: self.seed,
        })
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
        if let Some((flag, value)) = shares.into_iter().find(|(_, value)| !(0.0..=1.0).contains(value)) {
            return Err(Error::usage(format!("{flag} {value}: give a number from 0 to 1")));
        }
        if !(0.0..1.0).contains(&self.ema) {
            return Err(Error::usage(format!("--ema {}: give a number from 0 to less than 1", self.ema)));
        }
        if self.label_smoothing == 1.0 {
            return Err(Error::usage("--label-smoothing 1: all labels would be alike; give less than 1"));
        }
        if !(self.group_dro.is_finite() && self.group_dro >= 0.0) {
            return Err(Error::usage(format!("--group-dro {}: give a number from 0 on", self.group_dro)));
        }
        if self.warmup >= self.epochs.max(2) {
            return Err(Error::usage(format!("--warmup {}: give fewer than --epochs {}", self.warmup, self.epochs)));
        }
        let counts = [("--epochs", self.epochs), ("--batch", self.batch)];
        if let Some((flag, _)) = counts.into_iter().find(|(_, value)| *value == 0) {
            return Err(Error::usage(format!("{flag} 0: give at least 1")));
        }
        let above_zero = |value: f64| value.is_finite() && value > 0.0;
        let rates = [
            ("--learning-rate", self.learning_rate),
            ("--backbone-rate", self.backbone_rate),
            ("--positive-weight", self.positive_weight),
        ];
        match rates.into_iter().find(|(_, value)| !above_zero(*value)) {
            Some((flag, value)) => Err(Error::usage(format!("{flag} {value}: give a number above 0"))),
            None => Ok(()),
        }
    }
}

/// Where and in what numbers it runs
#[derive(Debug, Args)]
#[command(next_help_heading = "The machine")]
pub struct MachineArguments {
    /// Numbers that layers compute with; auto takes bf16 where the processor or a GPU multiplies it natively
    #[arg(long, value_enum, default_value = "auto")]
    precision: PrecisionArgument,
    /// Threads of the network; more than one is slower on a machine that does other work as well
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: u16,
    /// auto takes a GPU where libtorch finds one
    #[arg(long, value_enum, default_value = "auto")]
    device: DeviceArgument,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PrecisionArgument {
    Auto,
    Fp32,
    Bf16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum DeviceArgument {
    Auto,
    Cpu,
    Cuda,
}

impl MachineArguments {
    /// The machine.
    ///
    /// # Errors
    /// [`s2infer::Kind::Engine`] where a GPU is asked for and libtorch finds none.
    pub fn machine(&self) -> Result<Machine> {
        tch::set_num_threads(i32::from(self.threads));
        let has_cuda = self.device != DeviceArgument::Cpu && Cuda::is_available();
        if self.device == DeviceArgument::Cuda && !has_cuda {
            return Err(Error::engine(
                "--device cuda: libtorch finds no GPU; S2TRAIN_CUDA=1 scripts/setup-libtorch.sh fetches a libtorch with \
                 CUDA, or leave the flag out",
            ));
        }
        let precision = match self.precision {
            PrecisionArgument::Fp32 => Precision::Fp32,
            PrecisionArgument::Bf16 => Precision::Bf16,
            PrecisionArgument::Auto if has_cuda || has_bf16() => Precision::Bf16,
            PrecisionArgument::Auto => Precision::Fp32,
        };
        Ok(Machine { precision, device: if has_cuda { Device::Cuda(0) } else { Device::Cpu } })
    }
}

#[cfg(target_arch = "x86_64")]
fn has_bf16() -> bool {
    std::arch::is_x86_feature_detected!("avx512bf16")
}

#[cfg(not(target_arch = "x86_64"))]
fn has_bf16() -> bool {
    false
}
