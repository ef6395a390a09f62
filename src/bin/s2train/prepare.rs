//! `s2train prepare-eurosat`

use std::path::PathBuf;

use s2infer::Result;
use s2infer::train::{card, eurosat, patches};

const EXAMPLES: &str = "\
Positives are Industrial and Residential, negatives the natural and farmland classes; Highway and
River are left out. The easternmost tenth of `train` chooses the epoch; `val` is halved by place
(20 km apart) into calibration and measurement; everywhere one positive for ten negatives is drawn.

Example:
  s2train prepare-eurosat --index eurosat-rgb-index.csv --out data/patches.csv";

/// Write the manifest of the construction model's patches from EuroSAT's RGB patches
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Index with the columns file, class, split (train or val), longitude and latitude
    #[arg(long, value_name = "CSV")]
    index: PathBuf,
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

pub fn run(arguments: &Arguments) -> Result<()> {
    let entries = eurosat::read_index(&arguments.index)?;
    let rows = eurosat::manifest(&entries, &arguments.patches, arguments.seed);
    patches::write(&arguments.out, &rows)?;
    for (split, [positives, negatives, places]) in card::counts(&rows) {
        tracing::info!("{}: {positives} positives, {negatives} negatives, {places} places", split.name());
    }
    tracing::info!("wrote {}", arguments.out.display());
    Ok(())
}
