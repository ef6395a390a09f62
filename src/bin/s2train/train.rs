//! `s2train train` and `s2train export`

use std::path::{Path, PathBuf};

use s2infer::model::Manifest;
use s2infer::model::manifest::Head;
use s2infer::train::card::{self, Story};
use s2infer::train::evaluate::logits;
use s2infer::train::fit::{self, Fitted, Machine, Training};
use s2infer::train::forward::Precision;
use s2infer::train::network::Architecture;
use s2infer::train::patches::{self, Patch, Split};
use s2infer::train::recipe::Recipe;
use s2infer::train::samples::{Samples, Scaling};
use s2infer::train::scored::Scored;
use s2infer::train::{calibration, folder, ladder, pixels, table};
use s2infer::{Error, Kind, Result};
use tch::Tensor;

use super::model::ModelArguments;
use super::recipe::{MachineArguments, RecipeArguments};
use super::tracking::TrackingArguments;
use super::watch::Progress;

/// Patches of each class in the golden batch, and in all.
const GOLDEN_OF_CLASS: usize = 2;
const GOLDEN_MAX: usize = 8;

const EXAMPLES: &str = "\
The manifest of patches is a CSV with the columns path,label,split,site,longitude,latitude and, for calibration,
season (summer, winter) and cloud (clear, cloudy or percent); paths are relative to it, label is the number of the class
(of two, 1 is positive), split is train, select (chooses the epoch; without such patches the last one is kept),
temperature, calibration (thresholds) or measurement.

Examples:
  s2train train --patches data/patches.csv --checkpoints data/checkpoints --out models/my-model
  s2train train --patches data/patches.csv --checkpoints data/checkpoints --out models/my-model --resume
  s2train train … --bands B02,B03,B04,B08 --clip none --dn-default uint16:0.0001:-1000:0";

/// Train on a manifest of labelled patches and write a model folder
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, args_override_self = true)]
pub struct Train {
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    recipe: RecipeArguments,
    #[command(flatten)]
    machine: MachineArguments,
    /// Start from these weights: safetensors with the names of torchvision (ResNet) or timm (ConvNeXt), or a folder of
    /// checkpoints, of which the best epoch is taken; the first layer is adapted to --bands, and a last layer for other
    /// classes is left out
    #[arg(long, value_name = "FILE|FOLDER")]
    pretrained: Option<PathBuf>,
    /// Go on after the last epoch in --checkpoints
    #[arg(long)]
    resume: bool,
    #[command(flatten)]
    tracking: TrackingArguments,
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
    machine: MachineArguments,
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
    /// The name of the model folder, which is the model's own unless --name says otherwise.
    fn check_out(&self) -> Result<String> {
        let taken = |flag: &str, path: &Path| Error::usage(format!("{flag} {}: is no folder", path.display()));
        for (flag, path) in [("--out", &self.out), ("--checkpoints", &self.checkpoints)] {
            if let Some(file) = path.ancestors().find(|part| part.exists()).filter(|part| !part.is_dir()) {
                return Err(taken(flag, file));
            }
        }
        let name = self.out.file_name().ok_or_else(|| taken("--out", &self.out))?;
        Ok(name.to_string_lossy().into_owned())
    }

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

/// What a training is made of.
struct Plan {
    folder: PathBuf,
    patches: Vec<Patch>,
    manifest: Manifest,
    architecture: Architecture,
    recipe: Recipe,
    machine: Machine,
    train: Samples,
    select: Samples,
}

impl Plan {
    fn read(files: &Files, model: &ModelArguments, recipe: &RecipeArguments, machine: Machine) -> Result<Self> {
        let folder = files.patches.parent().unwrap_or(Path::new("")).to_owned();
        let patches = patches::read(&files.patches)?;
        let name = files.check_out()?;
        let mut manifest = model.manifest(name, &patches)?;
        // Now, not after hours of training.
        manifest.validate().map_err(|e| e.with_kind(Kind::Usage).context("the model as the flags describe it"))?;
        patches::check_labels(&patches, manifest.classes.len()).map_err(|e| e.context(files.patches.display()))?;
        patches::check_training(&patches, &manifest.classes).map_err(|e| e.context(files.patches.display()))?;
        let recipe = recipe.recipe(manifest.clip)?;
        let samples = |split: Split| {
            let of: Vec<&Patch> = patches.iter().filter(|patch| patch.split == split).collect();
            Samples::read(&folder, &of, &manifest).map_err(|e| e.context(split.name()))
        };
        let (train, select) = (samples(Split::Train)?, samples(Split::Select)?);
        match select.len() {
            0 => tracing::info!("{} patches to train on; none is to choose the epoch: the last is kept", train.len()),
            chosen_on => tracing::info!("{} patches to train on, {chosen_on} to choose the epoch", train.len()),
        }
        manifest.bands = pixels::with_statistics(&manifest.bands, &train)?;
        let architecture = model.architecture();
        Ok(Self { folder, patches, manifest, architecture, recipe, machine, train, select })
    }

    fn write(&self, files: &Files, model: &ModelArguments, threads: u16, fitted: &Fitted) -> Result<()> {
        let mut manifest = self.manifest.clone();
        manifest.about.total_parameters = Some(fitted.parameters.count() as u64);
        let words = in_words(&self.architecture, &self.recipe, self.machine);
        for (name, value) in &words {
            manifest.about.hyperparameters.insert(name.clone(), value.clone().into());
        }
        let story = Story {
            about: model.about()?,
            command: command(),
            recipe: words,
            counts: card::counts(&self.patches),
            history: fitted.progress.history.clone(),
            best: fitted.best,
        };
        let golden = self.golden();
        let written = folder::write(&files.out, &manifest, &fitted.parameters, &golden, &story)?;
        tracing::info!("wrote {} ({}, epoch {})", files.out.display(), written.sha256, fitted.best);
        if manifest.head != Head::Binary {
            return Ok(());
        }
        let request = files.calibration(threads);
        if calibration::run(&files.out, &written, &self.patches, &self.folder, &request)?.is_some() {
            tracing::info!("wrote its profile, from {}", request.folder.join("scores.csv").display());
        }
        Ok(())
    }

    /// The scores of the patches that chose the epoch, for the ladder: of the positive class, or of the label's.
    fn write_scores(&self, checkpoints: &Path, fitted: &Fitted) -> Result<()> {
        if self.select.is_empty() {
            return Ok(());
        }
        let logits = logits(&fitted.parameters, &self.select, &Scaling::of(&self.manifest), self.machine);
        let of = self.patches.iter().filter(|patch| patch.split == Split::Select);
        let rows = of.zip(logits.chunks(self.architecture.outputs)).map(|(patch, logits)| {
            let score = match logits {
                [logit] => 1.0 / (1.0 + (-logit).exp()),
                _ => 1.0 / logits.iter().map(|other| (other - logits[usize::from(patch.label)]).exp()).sum::<f32>(),
            };
            Scored {
                tile: patch.path.to_string_lossy().into_owned(),
                label: patch.label,
                score,
                season: patch.season.clone().unwrap_or_default(),
                cloud: patch.cloud.clone().unwrap_or_default(),
                site: patch.site.clone(),
                class: patch.class.clone().unwrap_or_default(),
                ..Scored::default()
            }
        });
        table::write(&checkpoints.join(ladder::SCORES), &rows.collect::<Vec<_>>())
    }

    /// Network inputs of a few patches of several classes.
    fn golden(&self) -> Tensor {
        let scaling = Scaling::of(&self.manifest);
        let samples = if self.select.is_empty() { &self.train } else { &self.select };
        let of_class = |class: u8| {
            let patches = (0..samples.len()).filter(move |&index| samples.labels[index] == class);
            patches.take(GOLDEN_OF_CLASS)
        };
        let patches: Vec<Tensor> = (0..self.manifest.classes.len() as u8)
            .flat_map(of_class)
            .take(GOLDEN_MAX)
            .map(|index| samples.inputs(index..index + 1, &scaling))
            .collect();
        Tensor::cat(&patches, 0)
    }
}

impl Train {
    pub fn run(&self) -> Result<()> {
        let plan = Plan::read(&self.files, &self.model, &self.recipe, self.machine.machine()?)?;
        let bands: Vec<String> = plan.manifest.bands.iter().map(|band| band.name.clone()).collect();
        let mut progress = Progress::new(&plan.recipe);
        let settings = in_words(&plan.architecture, &plan.recipe, plan.machine);
        let (name, checkpoints) = (&plan.manifest.name, &self.files.checkpoints);
        let mut tracking = self.tracking.start(name, &settings, command(), checkpoints, self.resume)?;
        let pretrained = self.pretrained.as_deref().map(weights).transpose()?;
        let training = Training {
            architecture: plan.architecture,
            recipe: plan.recipe.clone(),
            machine: plan.machine,
            scaling: Scaling::of(&plan.manifest),
            pretrained: pretrained.as_deref().map(|path| (path, &bands[..])),
            mlflow_run: tracking.run_id(),
            observer: &mut |event| {
                tracking.on(&event);
                progress.on(&event)
            },
        };
        let fitted = training.fit(&plan.train, &plan.select, checkpoints, self.resume)?;
        plan.write_scores(checkpoints, &fitted)?;
        plan.write(&self.files, &self.model, self.machine.threads, &fitted)?;
        tracking.finish();
        Ok(())
    }
}

impl Export {
    pub fn run(&self) -> Result<()> {
        let mut plan = Plan::read(&self.files, &self.model, &self.recipe, self.machine.machine()?)?;
        let fitted = fit::finished(&self.files.checkpoints, plan.machine.device)?;
        // What was trained counts, not what the flags say now.
        plan.recipe = fitted.progress.recipe.clone();
        plan.architecture = fitted.progress.architecture;
        plan.write(&self.files, &self.model, self.machine.threads, &fitted)
    }
}

/// The file of weights to start from: of a folder of checkpoints, that of its best epoch.
fn weights(path: &Path) -> Result<PathBuf> {
    match path.is_dir() {
        true => fit::best(path).map_err(|e| e.context("--pretrained")),
        false => Ok(path.to_owned()),
    }
}

/// The network and the recipe for the card and the manifest.
fn in_words(architecture: &Architecture, recipe: &Recipe, machine: Machine) -> Vec<(String, String)> {
    let layers = match machine.precision {
        Precision::Fp32 => "fp32",
        Precision::Bf16 => "bf16, parameters fp32",
    };
    let mut words = vec![("network".to_owned(), architecture.to_string()), ("layers".to_owned(), layers.to_owned())];
    if let Ok(serde_json::Value::Object(settings)) = serde_json::to_value(recipe) {
        for (name, value) in settings {
            words.push((name.replace('_', " "), plain(&value)));
        }
    }
    words
}

/// A setting without JSON's marks: `kind focal, gamma 2.0`.
fn plain(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Object(fields) => {
            let fields: Vec<String> =
                fields.iter().map(|(name, value)| format!("{} {}", name.replace('_', " "), plain(value))).collect();
            fields.join(", ")
        }
        serde_json::Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(" to "),
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Null => "none".to_owned(),
        other => other.to_string(),
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
