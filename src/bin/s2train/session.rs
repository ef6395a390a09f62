//! What trainings of all tasks have in common on the command line: where they are kept, and how they go on.

use std::path::{Path, PathBuf};

use s2infer::model::Manifest;
use s2infer::train::fit::{self, Fitted, Machine, Training};
use s2infer::train::network::Architecture;
use s2infer::train::recipe::Recipe;
use s2infer::train::task::Task;
use s2infer::{Error, Result};

use super::tracking::TrackingArguments;
use super::watch::Progress;
use super::words::{command, in_words};

/// Where a training is kept
#[derive(Debug, clap::Args)]
pub struct Folders {
    /// Folder of the checkpoints
    #[arg(long, value_name = "FOLDER")]
    pub checkpoints: PathBuf,
    /// Model folder to write
    #[arg(long, value_name = "FOLDER")]
    pub out: PathBuf,
}

impl Folders {
    /// The name of the model folder, which is the model's own unless --name says otherwise.
    pub fn check(&self) -> Result<String> {
        let taken = |flag: &str, path: &Path| Error::usage(format!("{flag} {}: is no folder", path.display()));
        for (flag, path) in [("--out", &self.out), ("--checkpoints", &self.checkpoints)] {
            if let Some(file) = path.ancestors().find(|part| part.exists()).filter(|part| !part.is_dir()) {
                return Err(taken(flag, file));
            }
        }
        let name = self.out.file_name().ok_or_else(|| taken("--out", &self.out))?;
        Ok(name.to_string_lossy().into_owned())
    }
}

/// How a training starts and who is told
#[derive(Debug, clap::Args)]
pub struct Session {
    /// Start from these weights: safetensors with the names of torchvision (ResNet), timm (ConvNeXt) or of this program,
    /// or a folder of checkpoints, of which the best epoch is taken; the first layer is adapted to --bands, and a last
    /// layer for other classes is left out
    #[arg(long, value_name = "FILE|FOLDER")]
    pretrained: Option<PathBuf>,
    /// Go on after the last epoch in --checkpoints
    #[arg(long)]
    resume: bool,
    #[command(flatten)]
    tracking: TrackingArguments,
}

impl Session {
    /// Trains, and hands the outcome to `write` before the run counts as finished, and to the caller after.
    pub fn run<T: Task>(
        &self,
        checkpoints: &Path,
        manifest: &Manifest,
        (architecture, recipe, machine): (Architecture, &Recipe, Machine),
        task: &T,
        write: impl FnOnce(&Fitted) -> Result<()>,
    ) -> Result<Fitted> {
        let bands: Vec<String> = manifest.bands.iter().map(|band| band.name.clone()).collect();
        let mut progress = Progress::new(&recipe.schedule);
        let settings = in_words(&architecture, recipe, machine);
        let mut tracking = self.tracking.start(&manifest.name, &settings, command(), checkpoints, self.resume)?;
        let pretrained = self.pretrained.as_deref().map(weights).transpose()?;
        let training = Training {
            architecture,
            recipe: recipe.clone(),
            machine,
            pretrained: pretrained.as_deref().map(|path| (path, &bands[..])),
            mlflow_run: tracking.run_id(),
            observer: &mut |event| {
                tracking.on(&event);
                progress.on(&event)
            },
        };
        let fitted = training.fit(task, checkpoints, self.resume)?;
        write(&fitted)?;
        tracking.finish();
        Ok(fitted)
    }
}

/// The file of weights to start from: of a folder of checkpoints, that of its best epoch.
fn weights(path: &Path) -> Result<PathBuf> {
    match path.is_dir() {
        true => fit::best(path).map_err(|e| e.context("--pretrained")),
        false => Ok(path.to_owned()),
    }
}
