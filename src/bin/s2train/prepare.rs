//! `s2train prepare-eurosat`

use std::path::PathBuf;

use clap::ValueEnum;
use s2infer::Result;
use s2infer::train::eurosat::{self, Task};
use s2infer::train::{card, patches};

const EXAMPLES: &str = "\
construction: Industrial and Residential (label 1) against the natural and farmland classes (label 0),
without Highway. The easternmost tenth of `train` chooses the epoch; places of `val`, 20 km apart, are
dealt to temperature (15 %), calibration (45 %) and measurement (40 %); in each split one positive is
drawn for ten negatives.
classes: all ten classes, labelled 0 to 9 in alphabetical order. The easternmost tenth of `train`
chooses the epoch; all of `val` is for measurement.

Examples:
  s2train prepare-eurosat --index eurosat-rgb-index.csv --out data/patches.csv
  s2train prepare-eurosat --index eurosat-rgb-index.csv --task classes --out data/classes.csv";

/// Write the manifest of EuroSAT's RGB patches for a task
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Index with the columns file, class, split (train or val), longitude, latitude and, if known, country_id
    #[arg(long, value_name = "CSV")]
    index: PathBuf,
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
    let entries = eurosat::read_index(&arguments.index)?;
    let rows = eurosat::manifest(&entries, &arguments.patches, arguments.task.into(), arguments.seed);
    patches::write(&arguments.out, &rows)?;
    for (split, count) in card::counts(&rows) {
        let (of_label, places) = (count.patches, count.places);
        tracing::info!("{}: {of_label:?} patches of each label in {places} places", split.name());
    }
    tracing::info!("wrote {} patches to {}", rows.len(), arguments.out.display());
    Ok(())
}
