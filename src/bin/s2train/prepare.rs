//! `s2train prepare-eurosat`

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use s2infer::Result;
use s2infer::train::{eurosat, patches};

/// Write the patch manifest of the construction model from EuroSAT's RGB patches
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  s2train prepare-eurosat --index eurosat-rgb-index.csv --out target/eurosat/patches.csv")]
pub struct Arguments {
    /// CSV with the columns file, class, split (train or val), longitude and latitude
    #[arg(long, value_name = "FILE")]
    index: PathBuf,
    /// Folder of the patches, relative to the manifest's own folder
    #[arg(long, value_name = "FOLDER", default_value = "eurosat-rgb")]
    patches: PathBuf,
    /// Manifest to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Seed of the thinning to one positive for ten negatives
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

pub fn run(arguments: Arguments) -> Result<()> {
    let entries = eurosat::read_index(&arguments.index)?;
    let rows = eurosat::manifest(&entries, &arguments.patches, arguments.seed);
    patches::write(&arguments.out, &rows)?;
    report(&arguments.out, &rows);
    Ok(())
}

fn report(out: &Path, rows: &[patches::Patch]) {
    let mut counts: BTreeMap<_, (usize, usize, std::collections::BTreeSet<&str>)> = BTreeMap::new();
    for row in rows {
        let count = counts.entry(row.split).or_default();
        count.0 += row.is_positive() as usize;
        count.1 += !row.is_positive() as usize;
        count.2.insert(&row.site);
    }
    for (split, (positives, negatives, places)) in counts {
        let places = places.len();
        tracing::info!("{}: {positives} positives, {negatives} negatives, {places} places", split.name());
    }
    tracing::info!("wrote {}", out.display());
}
