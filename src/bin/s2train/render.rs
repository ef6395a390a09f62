//! `s2train render`

use std::path::{Path, PathBuf};

use s2infer::model::Model;
use s2infer::train::patches::{self, Patch, Split};
use s2infer::train::render;
use s2infer::{Error, Result};

use super::progress;

const EXAMPLES: &str = "\
Every patch becomes four uint16 GeoTIFFs: summer-clear as it is, and the three SIMULATED groups
summer-cloudy, winter-clear and winter-cloudy. Dates and cloud covers are invented; tiles.csv beside
the tiles holds them with labels and places, and is a manifest that s2train train reads. The same seed
gives the same pixels, whatever else is rendered with them.

Examples:
  s2train render --patches data/patches.csv --split calibration --split measurement --out data/val
  s2train render --patches data/patches.csv --as-is train --split select --out data/training
  s2train train --patches data/training/tiles.csv …";

/// Render patches as tiles in the four season × sky groups (simulated)
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Manifest of the labelled patches
    #[arg(long, value_name = "CSV")]
    patches: PathBuf,
    /// Which patches; may be given again
    #[arg(long, value_name = "SPLIT", required_unless_present = "as_is")]
    split: Vec<Split>,
    /// List the patches of this split in tiles.csv as they are, as clear summers; may be given again
    #[arg(long, value_name = "SPLIT", conflicts_with = "sample")]
    as_is: Vec<Split>,
    /// Model whose bands, clipping and radiometry hold for the patches
    #[arg(long, value_name = "NAME|FOLDER", default_value = "construction")]
    model: String,
    /// Folder of the tiles and their tiles.csv
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// Seed of the simulation
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Render only this many tiles: positives and negatives in turn from all over the splits, each patch in one group
    #[arg(long, value_name = "TILES")]
    sample: Option<usize>,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let (out, seed) = (&arguments.out, arguments.seed);
    let manifest = Model::resolve(&arguments.model)?.manifest;
    let all = patches::read(&arguments.patches)?;
    let folder = arguments.patches.parent().unwrap_or(Path::new(""));
    let of = |splits: &[Split]| -> Vec<&Patch> { all.iter().filter(|patch| splits.contains(&patch.split)).collect() };
    let (rendered, listed) = (of(&arguments.split), of(&arguments.as_is));
    if rendered.is_empty() && listed.is_empty() {
        return Err(Error::usage(format!("{}: no patch of these splits", arguments.patches.display())));
    }
    std::fs::create_dir_all(out).map_err(|e| Error::output(e).context(out.display()))?;
    let mut tiles = render::as_is(folder, &listed, out)?;
    tiles.extend(match arguments.sample {
        Some(count) => render::sample(folder, &rendered, &manifest, seed, out, count)?,
        None => {
            let bar = progress::bar("patches", rendered.len());
            render::render(folder, &rendered, &manifest, seed, out, || bar.inc(1))?
        }
    });
    patches::write(&out.join("tiles.csv"), &tiles)?;
    let simulated = tiles.len() - listed.len();
    tracing::info!("wrote {simulated} simulated tiles and the table of {} to {}", tiles.len(), out.display());
    Ok(())
}
