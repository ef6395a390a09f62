//! `s2train render-clouds`

use std::path::{Path, PathBuf};

use s2infer::model::Model;
use s2infer::raster::ReadOptions;
use s2infer::train::cloud_chips::{self, Patches, Settings, Sources, Swath};
use s2infer::train::patches;
use s2infer::{Error, Result};

use super::progress;

const EXAMPLES: &str = "\
SIMULATED chips are clear ground under invented air, haze, clouds and shadows: EuroSAT's patches with a
near infrared that is drawn, and the cloud-free pieces of a product at 60 m. Real chips are windows of
the product with the classes of its scene classification. Of the product the west trains, a strip
chooses, the east measures; a patch does what its split says. manifest.csv holds chips, masks (0 clear,
1 cloud, 255 unknown), splits, sites, regions, seasons and cloud shares.

Examples:
  s2train render-clouds --patches data/patches.csv --product S2A_MSIL2A_….SAFE --out data/clouds
  s2train render-clouds --patches data/patches.csv --chips 300 --spoil 0.2 --out data/spoilt
  s2train clean-masks --manifest data/spoilt/manifest.csv --out data/spoilt/clean.csv";

/// Render chips with cloud masks (simulated, and real windows of a product)
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Manifest of RGB patches that ground is made of
    #[arg(long, value_name = "CSV", required_unless_present = "product")]
    patches: Option<PathBuf>,
    /// Model that says how patches are read
    #[arg(long, value_name = "NAME|FOLDER", default_value = "construction")]
    model: String,
    /// L2A product with its bands and scene classification at 60 m
    #[arg(long, value_name = "SAFE")]
    product: Option<PathBuf>,
    /// Folder of the chips, their masks and manifest.csv
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// Simulated chips that train; a tenth as many choose, and as many measure
    #[arg(long, value_name = "CHIPS", default_value_t = 300)]
    chips: usize,
    /// Real windows of the product that train
    #[arg(long, value_name = "CHIPS", default_value_t = 100)]
    windows: usize,
    /// Side of the chips that train and choose
    #[arg(long, value_name = "PX", default_value_t = 512, value_parser = side)]
    side_px: usize,
    /// Side of the chips that measure
    #[arg(long, value_name = "PX", default_value_t = 512, value_parser = side)]
    measurement_px: usize,
    /// Only this many simulated chips of the patches that measure, as folders with a file a band
    #[arg(long, value_name = "CHIPS", requires = "patches", conflicts_with_all = ["product", "spoil"])]
    examples: Option<usize>,
    /// Share of the masks that are made wrong on purpose, to try clean-masks on
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share)]
    spoil: f64,
    /// Seed of everything
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn side(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|side| (16..=2048).contains(side)).ok_or_else(|| "give 16 to 2048".into())
}

fn share(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|share| (0.0..=1.0).contains(share)).ok_or_else(|| "give 0 to 1".into())
}

/// JPEG 2000 is decoded by the program that lies beside this one.
fn decoder() -> Result<PathBuf> {
    let program = std::env::current_exe().map(|program| program.with_file_name("s2infer")).unwrap_or_default();
    if program.is_file() {
        return Ok(program);
    }
    Err(Error::usage("--product needs the program s2infer beside s2train, in the same folder: it decodes JPEG 2000"))
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let manifest = Model::resolve(&arguments.model)?.manifest;
    let read = |path: &PathBuf| {
        let folder = path.parent().unwrap_or(Path::new(""));
        Patches::new(folder, manifest.clone(), patches::read(path)?)
    };
    let patches = arguments.patches.as_ref().map(read).transpose()?;
    let open = |path: &PathBuf| {
        Swath::open(path, &manifest, &ReadOptions { decoder: Some(decoder()?), ..ReadOptions::default() })
            .map_err(|error| error.without_context(path.display()).context(path.display()))
    };
    let swath = arguments.product.as_ref().map(open).transpose()?;
    let settings = Settings {
        chips: arguments.chips,
        windows: arguments.windows,
        side: arguments.side_px,
        measurement_side: arguments.measurement_px,
        spoilt_share: arguments.spoil,
        seed: arguments.seed,
    };
    let out = &arguments.out;
    std::fs::create_dir_all(out).map_err(|e| Error::output(e).context(out.display()))?;
    if let (Some(patches), Some(count)) = (&patches, arguments.examples) {
        let rows = cloud_chips::write_examples(patches, count, &settings, out)?;
        tracing::info!("wrote {} simulated examples to {}", rows.len(), out.display());
        return Ok(());
    }
    let bar = progress::bar("chips", arguments.chips + arguments.chips.div_ceil(10) * 2 + arguments.windows);
    let sources = Sources { patches: patches.as_ref(), swath: swath.as_ref() };
    let rows = cloud_chips::write(sources, &settings, out, || bar.inc(1))?;
    let simulated = rows.iter().filter(|row| row.sky == "simulated").count();
    tracing::info!("wrote {simulated} simulated chips and {} real ones to {}", rows.len() - simulated, out.display());
    Ok(())
}
