//! `s2train train` and `s2train export`

use std::path::{Path, PathBuf};

use s2infer::Result;
use s2infer::model::Manifest;
use s2infer::train::calibration;
use s2infer::train::card::{self, Story};
use s2infer::train::fit::{self, Fitted, Recipe, Samples};
use s2infer::train::forward::Precision;
use s2infer::train::patches::{self, Patch, Split};
use s2infer::train::{folder, pixels};
use tch::{Cuda, Device, Tensor};

use super::model::ModelArguments;

/// Positives and negatives each in the golden batch.
const GOLDEN_HALF: usize = 2;

const EXAMPLES: &str = "\
The manifest of patches is a CSV with the columns path,label,split,site,longitude,latitude and, for calibration,
season (summer, winter) and cloud (clear, cloudy or percent); paths are relative to it, label is 1 or 0, split is
train, select (chooses the epoch), calibration (thresholds) or measurement.

Examples:
  s2train train --patches data/patches.csv --checkpoints data/checkpoints --out models/my-model
  s2train train --patches data/patches.csv --checkpoints data/checkpoints --out models/my-model --resume
  s2train train … --bands B02,B03,B04,B08 --clip none --dn-default uint16:0.0001:-1000:0";

/// Train on a manifest of labelled patches and write a model folder
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Train {
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    recipe: RecipeArguments,
    /// Go on after the last epoch in --checkpoints
    #[arg(long)]
    resume: bool,
    #[command(flatten)]
    model: ModelArguments,
}

/// Write the model folder again from the best epoch of a training
#[derive(Debug, clap::Args)]
pub struct Export {
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    recipe: RecipeArguments,
    #[command(flatten)]
    model: ModelArguments,
}

#[derive(Debug, clap::Args)]
struct Files {
    /// Manifest of the labelled patches
    #[arg(long, value_name = "CSV")]
    patches: PathBuf,
    /// Folder of the checkpoints
    #[arg(long, value_name = "FOLDER")]
    checkpoints: PathBuf,
    /// Model folder to write
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// Folder of the scores behind the profile [default: calibration/NAME beside models/NAME, else NAME-calibration
    /// beside the model folder]
    #[arg(long, value_name = "FOLDER")]
    calibration: Option<PathBuf>,
    /// Share of the positives that the profile's thresholds are to catch in each group
    #[arg(long, value_name = "SHARE", default_value_t = 0.8)]
    target_recall: f64,
    /// Confidence that they do
    #[arg(long, value_name = "SHARE", default_value_t = 0.9)]
    confidence: f64,
}

impl Files {
    fn calibration(&self, threads: u16) -> calibration::Request {
        let (parent, name) = (self.out.parent().unwrap_or(Path::new("")), self.out.file_name().unwrap_or_default());
        let default = if parent.file_name().is_some_and(|folder| folder == "models") {
            parent.with_file_name("calibration").join(name)
        } else {
            let mut name = name.to_owned();
            name.push("-calibration");
            parent.join(name)
        };
        calibration::Request {
            folder: self.calibration.clone().unwrap_or(default),
            target_recall: self.target_recall,
            confidence: self.confidence,
            threads: usize::from(threads.max(1)),
            command: command(),
        }
    }
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "The recipe")]
struct RecipeArguments {
    /// Passes over the training patches
    #[arg(long, default_value_t = 10)]
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
    /// AdamW's weight decay
    #[arg(long, value_name = "DECAY", default_value_t = 0.05)]
    weight_decay: f64,
    /// Weight of a positive patch in the loss
    #[arg(long, value_name = "WEIGHT", default_value_t = 1.0)]
    positive_weight: f64,
    /// Seed of initialisation, order and augmentation
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Compute in 32 bits; bf16 is faster on processors with AMX and on GPUs
    #[arg(long)]
    fp32: bool,
    /// Threads; more than one is slower on a machine that does other work as well
    #[arg(long, default_value_t = 1)]
    threads: u16,
    /// Stay on the processor even if libtorch finds a GPU
    #[arg(long)]
    cpu: bool,
}

impl RecipeArguments {
    fn recipe(&self) -> Recipe {
        tch::set_num_threads(i32::from(self.threads.max(1)));
        Recipe {
            epochs: self.epochs,
            warmup_epochs: self.warmup,
            batch: self.batch.max(1),
            learning_rate: self.learning_rate,
            weight_decay: self.weight_decay,
            positive_weight: self.positive_weight,
            seed: self.seed,
            precision: if self.fp32 { Precision::Fp32 } else { Precision::Bf16 },
            device: if !self.cpu && Cuda::is_available() { Device::Cuda(0) } else { Device::Cpu },
        }
    }

    fn in_words(&self) -> Vec<(String, String)> {
        let layers = if self.fp32 { "fp32" } else { "bf16, parameters fp32" };
        [
            ("network", "ResNet-18 from scratch, one logit".to_owned()),
            ("loss", format!("binary cross-entropy, positives weighted {}", self.positive_weight)),
            ("optimiser", format!("AdamW, weight decay {}", self.weight_decay)),
            ("learning rate", format!("{}, {} epoch(s) of warm-up, cosine to 0", self.learning_rate, self.warmup)),
            ("epochs, batch, seed", format!("{}, {}, {}", self.epochs, self.batch, self.seed)),
            ("augmentation", "the eight symmetries of the square, nothing else".to_owned()),
            ("arithmetic of the layers", layers.to_owned()),
            ("epoch kept", "highest average precision on `select`, the last such".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }
}

impl Train {
    pub fn run(&self) -> Result<()> {
        let recipe = self.recipe.recipe();
        let data = Data::read(&self.files.patches, &self.model)?;
        let (train, select) = (data.samples(Split::Train)?, data.samples(Split::Select)?);
        let fitted = fit::fit(&recipe, &train, &select, &self.files.checkpoints, self.resume)?;
        data.write(&self.files, &self.model, &self.recipe, &fitted)
    }
}

impl Export {
    pub fn run(&self) -> Result<()> {
        let recipe = self.recipe.recipe();
        let data = Data::read(&self.files.patches, &self.model)?;
        let fitted = fit::finished(&self.files.checkpoints, data.manifest.bands.len(), recipe.device)?;
        data.write(&self.files, &self.model, &self.recipe, &fitted)
    }
}

/// The patches, and the manifest with their statistics.
struct Data {
    folder: PathBuf,
    patches: Vec<Patch>,
    manifest: Manifest,
}

impl Data {
    fn read(path: &Path, model: &ModelArguments) -> Result<Self> {
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let patches = patches::read(path)?;
        let mut manifest = model.manifest(&patches)?;
        let train: Vec<&Patch> = patches.iter().filter(|patch| patch.split == Split::Train).collect();
        manifest.bands = pixels::with_statistics(&folder, &train, &manifest)?;
        Ok(Self { folder, patches, manifest })
    }

    fn of(&self, split: Split) -> impl Iterator<Item = &Patch> {
        self.patches.iter().filter(move |patch| patch.split == split)
    }

    fn samples(&self, split: Split) -> Result<Samples> {
        let patches: Vec<&Patch> = self.of(split).collect();
        let labels: Vec<f32> = patches.iter().map(|patch| f32::from(patch.label)).collect();
        let pixels = pixels::inputs(&self.folder, &patches, &self.manifest).map_err(|e| e.context(split.name()))?;
        Ok(Samples { pixels, labels: Tensor::from_slice(&labels) })
    }

    fn write(&self, files: &Files, model: &ModelArguments, recipe: &RecipeArguments, fitted: &Fitted) -> Result<()> {
        let mut golden: Vec<&Patch> = self.of(Split::Select).filter(|p| p.is_positive()).take(GOLDEN_HALF).collect();
        golden.extend(self.of(Split::Select).filter(|p| !p.is_positive()).take(GOLDEN_HALF));
        let golden = pixels::inputs(&self.folder, &golden, &self.manifest)?;
        let mut manifest = self.manifest.clone();
        manifest.about.total_parameters = Some(fitted.parameters.count() as u64);
        for (name, value) in recipe.in_words() {
            manifest.about.hyperparameters.insert(name, value.into());
        }
        let story = Story {
            about: model.about()?,
            command: command(),
            recipe: recipe.in_words(),
            counts: card::counts(&self.patches),
            history: fitted.history.clone(),
            best: fitted.best,
        };
        let written = folder::write(&files.out, &manifest, &fitted.parameters, &golden, &story)?;
        tracing::info!("wrote {} ({}, epoch {})", files.out.display(), written.sha256, fitted.best);
        let request = files.calibration(recipe.threads);
        if calibration::run(&files.out, &written, &self.patches, &self.folder, &request)?.is_some() {
            tracing::info!("wrote its profile, from {}", request.folder.join("scores.csv").display());
        }
        Ok(())
    }
}

/// The command line, with the program by its name alone.
fn command() -> String {
    let quoted = |argument: String| match argument.contains([' ', '$', '"']) {
        true => format!("'{argument}'"),
        false => argument,
    };
    let arguments: Vec<String> = std::env::args().skip(1).map(quoted).collect();
    format!("s2train {}", arguments.join(" "))
}
