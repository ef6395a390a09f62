//! `s2train render`

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use s2infer::Result;
use s2infer::model::Model;
use s2infer::train::patches::{self, Patch, Split};
use s2infer::train::render;

const EXAMPLES: &str = "\
Every patch becomes four uint16 GeoTIFFs: summer-clear as it is, and the three SIMULATED groups
summer-cloudy, winter-clear and winter-cloudy. Dates and cloud covers are invented; tiles.csv beside
the tiles holds them with labels and places. The same seed gives the same pixels.

Example:
  s2train render --patches data/patches.csv --split measurement --out data/measurement";

/// Render patches as tiles in the four season × sky groups (simulated)
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Manifest of the labelled patches
    #[arg(long, value_name = "CSV")]
    patches: PathBuf,
    /// Which patches
    #[arg(long, value_enum)]
    split: SplitArgument,
    /// Model whose bands, clipping and radiometry hold for the patches
    #[arg(long, value_name = "NAME|FOLDER", default_value = "models/construction")]
    model: String,
    /// Folder of the tiles
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// Seed of the simulation
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Render only this many tiles: positives and negatives in turn from all over the split, each patch in one group
    #[arg(long, value_name = "TILES")]
    sample: Option<usize>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SplitArgument {
    Train,
    Select,
    Calibration,
    Measurement,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let split = match arguments.split {
        SplitArgument::Train => Split::Train,
        SplitArgument::Select => Split::Select,
        SplitArgument::Calibration => Split::Calibration,
        SplitArgument::Measurement => Split::Measurement,
    };
    let manifest = Model::resolve(&arguments.model)?.manifest;
    let all = patches::read(&arguments.patches)?;
    let of: Vec<&Patch> = all.iter().filter(|patch| patch.split == split).collect();
    let folder = arguments.patches.parent().unwrap_or(Path::new(""));
    let rows = match arguments.sample {
        Some(count) => render::sample(folder, &of, &manifest, arguments.seed, &arguments.out, count)?,
        None => render::render(folder, &of, &manifest, arguments.seed, &arguments.out)?,
    };
    tracing::info!("wrote {} simulated tiles to {}", rows.len(), arguments.out.display());
    Ok(())
}
