//! `s2train train` and `s2train export`

use std::path::{Path, PathBuf};

use s2infer::model::Manifest;
use s2infer::model::manifest::Head;
use s2infer::train::card::{self, Story};
use s2infer::train::classify::Classification;
use s2infer::train::evaluate::logits;
use s2infer::train::fit::{self, Fitted, Machine};
use s2infer::train::network::Architecture;
use s2infer::train::patches::{self, Patch, Split};
use s2infer::train::recipe::{Method, Recipe};
use s2infer::train::samples::{Samples, Scaling};
use s2infer::train::scored::Scored;
use s2infer::train::{calibration, folder, ladder, pixels, table};
use s2infer::{Error, Kind, Result};
use tch::Tensor;

use super::machine::MachineArguments;
use super::patch_model::PatchModelArguments;
use super::recipe::RecipeArguments;
use super::session::{Folders, Session};
use super::words::{command, in_words};

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
    #[command(flatten)]
    session: Session,
    #[command(flatten)]
    model: PatchModelArguments,
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
    model: PatchModelArguments,
}

#[derive(Debug, clap::Args)]
struct Files {
    /// Manifest of the labelled patches
    #[arg(long, value_name = "CSV")]
    patches: PathBuf,
    #[command(flatten)]
    folders: Folders,
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
        let out = &self.folders.out;
        let (parent, name) = (out.parent().unwrap_or(Path::new("")), out.file_name().unwrap_or_default());
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
    fn read(files: &Files, model: &PatchModelArguments, recipe: &RecipeArguments, machine: Machine) -> Result<Self> {
        let folder = files.patches.parent().unwrap_or(Path::new("")).to_owned();
        let patches = patches::read(&files.patches)?;
        let name = files.folders.check()?;
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
        manifest.bands = pixels::with_statistics(&manifest.bands, |band| train.band(band))?;
        let architecture = model.architecture();
        Ok(Self { folder, patches, manifest, architecture, recipe, machine, train, select })
    }

    fn write(&self, files: &Files, model: &PatchModelArguments, threads: u16, fitted: &Fitted) -> Result<()> {
        let mut manifest = self.manifest.clone();
        manifest.about.total_parameters = Some(fitted.parameters.count() as u64);
        let words = in_words(&self.architecture, &self.recipe, self.machine);
        for (name, value) in &words {
            manifest.about.hyperparameters.insert(name.clone(), value.clone().into());
        }
        let story = Story {
            about: model.model.about()?,
            command: command(),
            recipe: words,
            data: card::patches_table(&manifest.classes, &card::counts(&self.patches)),
            history: fitted.progress.history.clone(),
            best: fitted.best,
        };
        let golden = self.golden();
        let written = folder::write(&files.folders.out, &manifest, &[&fitted.parameters], &golden, &story)?;
        tracing::info!("wrote {} ({}, epoch {})", files.folders.out.display(), written.sha256, fitted.best);
        if manifest.head != Head::Binary {
            return Ok(());
        }
        let request = files.calibration(threads);
        if calibration::run(&files.folders.out, &written, &self.patches, &self.folder, &request)?.is_some() {
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
        let checkpoints = &self.files.folders.checkpoints;
        let Method::Patches(method) = &plan.recipe.method else { return Err(Error::usage("no recipe of patches")) };
        let (scaling, schedule) = (Scaling::of(&plan.manifest), &plan.recipe.schedule);
        let classes = plan.manifest.classes.len();
        let task = Classification::new(&plan.train, &plan.select, classes, scaling, schedule, method);
        let what = (plan.architecture, &plan.recipe, plan.machine);
        self.session.run(checkpoints, &plan.manifest, what, &task, |fitted| {
            plan.write_scores(checkpoints, fitted)?;
            plan.write(&self.files, &self.model, self.machine.threads, fitted)
        })?;
        Ok(())
    }
}

impl Export {
    pub fn run(&self) -> Result<()> {
        let mut plan = Plan::read(&self.files, &self.model, &self.recipe, self.machine.machine()?)?;
        let fitted = fit::finished(&self.files.folders.checkpoints, plan.machine.device)?;
        // What was trained counts, not what the flags say now.
        plan.recipe = fitted.progress.recipe.clone();
        plan.architecture = fitted.progress.architecture;
        plan.write(&self.files, &self.model, self.machine.threads, &fitted)
    }
}
