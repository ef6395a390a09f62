//! `s2train prepare-eurosat`

use std::path::PathBuf;

use clap::ValueEnum;
use s2infer::train::eurosat::{self, Task};
use s2infer::train::{card, eurosat_folder, patches};
use s2infer::{Error, Result};

const EXAMPLES: &str = "\
construction: Industrial and Residential (label 1) against the natural and farmland classes (label 0),
without Highway. The easternmost tenth of `train` chooses the epoch; places of `val`, 20 km apart, are
dealt to temperature (15 %), calibration (45 %) and measurement (40 %); in each split one positive is
drawn for ten negatives.
classes: all ten classes, labelled 0 to 9 in alphabetical order. The easternmost tenth of `train`
chooses the epoch; all of `val` is for measurement.

Examples:
  s2train prepare-eurosat --index eurosat-rgb-index.csv --out data/patches.csv
  s2train prepare-eurosat --index eurosat-rgb-index.csv --task classes --out data/classes.csv
  s2train prepare-eurosat --folder other-patches --out data/other.csv    all for measurement";

/// Write the manifest of EuroSAT's RGB patches for a task
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Index with the columns file, class, split (train or val), longitude, latitude and, if known, country_id
    #[arg(long, value_name = "CSV", required_unless_present = "folder")]
    index: Option<PathBuf>,
    /// Take the patches that lie in this folder (<Class>/<Class>_<n>.jpg, perhaps one folder deeper), all of them for
    /// measurement; the index, if given, says where they are
    #[arg(long, conflicts_with = "patches")]
    folder: Option<PathBuf>,
    /// What is to be told apart
    #[arg(long, value_enum, default_value = "construction")]
    task: TaskArgument,
    /// Folder of the patches, relative to the manifest's own folder
    #[arg(long, value_name = "FOLDER", default_value = "eurosat-rgb")]
    patches: PathBuf,
    /// Manifest to write
    #[arg(long, value_name = "CSV")]
    out: PathBuf,
    /// Seed of the draw of positives
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum TaskArgument {
    Construction,
    Classes,
}

impl From<TaskArgument> for Task {
    fn from(argument: TaskArgument) -> Self {
        match argument {
            TaskArgument::Construction => Self::Construction,
            TaskArgument::Classes => Self::Classes,
        }
    }
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let (task, seed) = (arguments.task.into(), arguments.seed);
    let rows = match (&arguments.folder, &arguments.index) {
        (Some(folder), index) => eurosat_folder::manifest(folder, index.as_deref(), task, seed)?,
        (None, Some(index)) => eurosat::manifest(&eurosat::read_index(index)?, &arguments.patches, task, seed),
        (None, None) => return Err(Error::usage("give --index or --folder")),
    };
    patches::write(&arguments.out, &rows)?;
    for (split, count) in card::counts(&rows) {
        let (of_label, places) = (count.patches, count.places);
        tracing::info!("{}: {of_label:?} patches of each label in {places} places", split.name());
    }
    tracing::info!("wrote {} patches to {}", rows.len(), arguments.out.display());
    Ok(())
}
