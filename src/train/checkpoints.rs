//! What a training leaves behind after every epoch, and goes on from.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tch::Device;

use super::fit::Epoch;
use super::network::Architecture;
use super::optimiser::AdamW;
use super::parameters::Parameters;
use super::recipe::Recipe;
use crate::output::AtomicFile;
use crate::{Error, Result};

/// What stands beside the tensors of a checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// The network.
    pub architecture: Architecture,
    /// The recipe.
    pub recipe: Recipe,
    /// Steps so far.
    pub steps: i32,
    /// Group-DRO's weights by group.
    pub group_weights: Vec<(String, f64)>,
    /// The run on the MLflow server, if one is logged to.
    pub mlflow_run: Option<String>,
    /// All epochs so far.
    pub history: Vec<Epoch>,
}

impl Progress {
    /// The epoch with the best criterion, from 1; of equals the last, which had the lowest learning rate.
    pub fn best(&self) -> Option<usize> {
        let best = self.history.iter().max_by(|a, b| a.criterion.total_cmp(&b.criterion))?;
        Some(best.epoch)
    }
}

/// A folder of checkpoints: parameters, their moving average and the moments by epoch, `progress.json`, which is
/// written after them and says which epoch counts, and `metrics.jsonl`, the same for people and plots. Wherever a
/// training is killed, what `progress.json` says is there.
#[derive(Debug)]
pub struct Checkpoints {
    folder: PathBuf,
}

impl Checkpoints {
    /// The folder, which appears if need be.
    pub fn of(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder).map_err(|e| Error::output(e).context(folder.display()))?;
        Ok(Self { folder: folder.to_owned() })
    }

    fn tensors(&self, what: &str, epoch: usize) -> PathBuf {
        self.folder.join(format!("{what}-{epoch}.safetensors"))
    }

    fn progress_path(&self) -> PathBuf {
        self.folder.join("progress.json")
    }

    /// Whether an epoch was finished here.
    pub fn exist(&self) -> bool {
        self.progress_path().exists()
    }

    /// What the last finished epoch left.
    pub fn progress(&self) -> Result<Progress> {
        let path = self.progress_path();
        let text = std::fs::read(&path).map_err(|e| Error::io(e).context(path.display()))?;
        serde_json::from_slice(&text).map_err(|e| Error::malformed(e).context(path.display()))
    }

    /// The parameters that are kept of `epoch`: the moving average, where there is one.
    pub fn kept(&self, progress: &Progress, epoch: usize, device: Device) -> Result<Parameters> {
        Parameters::read(&self.kept_path(epoch), progress.architecture, device)
    }

    /// Where they lie.
    pub fn kept_path(&self, epoch: usize) -> PathBuf {
        self.tensors("kept", epoch)
    }

    /// Parameters, their moving average and the optimiser as they were after the last epoch.
    pub fn restore(&self, progress: &Progress, device: Device) -> Result<(Parameters, Parameters, AdamW)> {
        let epoch = progress.history.len();
        let parameters = Parameters::read(&self.tensors("parameters", epoch), progress.architecture, device)?;
        let kept = self.kept(progress, epoch, device)?.detached();
        let mut optimiser = AdamW::new(&parameters, progress.recipe.schedule.weight_decay);
        optimiser.restore(&self.tensors("moments", epoch), progress.steps)?;
        Ok((parameters, kept, optimiser))
    }

    /// Removes every checkpoint.
    pub fn clear(&self) -> Result<()> {
        let failed = |e: std::io::Error| Error::output(e).context(self.folder.display());
        // First, so that nothing is half a training.
        std::fs::remove_file(self.progress_path()).map_err(failed)?;
        for entry in self.folder.read_dir().map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let is_ours = ["kept-", "parameters-", "moments-"].iter().any(|what| name.starts_with(what));
            if is_ours && name.ends_with(".safetensors") {
                std::fs::remove_file(&path).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Writes a checkpoint and removes those that nothing needs any more.
    pub fn write(
        &self,
        parameters: &Parameters,
        kept: &Parameters,
        optimiser: &AdamW,
        progress: &Progress,
    ) -> Result<()> {
        let epoch = progress.history.len();
        parameters.write(&self.tensors("parameters", epoch))?;
        kept.write(&self.tensors("kept", epoch))?;
        optimiser.write(&self.tensors("moments", epoch))?;
        let text = serde_json::to_vec_pretty(progress).map_err(Error::output)?;
        write_whole(&self.progress_path(), &text)?;
        write_whole(&self.folder.join("metrics.jsonl"), lines(progress)?.as_bytes())?;
        let best = progress.best();
        for old in 1..epoch {
            let _ = std::fs::remove_file(self.tensors("moments", old));
            let _ = std::fs::remove_file(self.tensors("parameters", old));
            if best != Some(old) {
                let _ = std::fs::remove_file(self.tensors("kept", old));
            }
        }
        Ok(())
    }
}

/// One line with every setting, then one an epoch.
fn lines(progress: &Progress) -> Result<String> {
    let Progress { architecture, recipe, history, .. } = progress;
    let settings = serde_json::json!({ "architecture": architecture, "recipe": recipe });
    let mut text = format!("{settings}\n");
    for epoch in history {
        text += &serde_json::to_string(epoch).map_err(Error::output)?;
        text.push('\n');
    }
    Ok(text)
}

fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = AtomicFile::create(path)?;
    file.write_all(bytes).map_err(|e| Error::output(e).context(path.display()))?;
    file.commit()
}
