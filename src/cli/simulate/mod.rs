//! `s2infer simulate`: tiles of places that do not exist.

mod coast;
mod landcover;
mod landslides;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use clap::{Args, ValueEnum};
use s2infer::output::signal;
use s2infer::{Error, Result};

use super::{Common, logging};

const EXAMPLES: &str = "\
--task coast: a tile is positive if construction stands inside the belt of 100 m along the shore. The same buildings stand behind the
belt in negatives, and rock, sand, asphalt or bare ground in the same shapes stand inside it in both. DIR gets a folder
for each split (train, select, temperature, calibration, measurement) and manifest.csv, which `s2train` reads:
  label, clean_label   with and without the mistakes of the training split
  site, region         no site is in two splits; held-out regions are in the measurement alone
  season, cloud, date, cloud_cover_percent, visible_share, sun_zenith_deg, snow_cover_percent
  footprint_px, structures, lookalikes, settlements
The same seed and options give the same bytes. Nothing measured on these tiles is a measurement of real coasts.

--task landcover: DIR/train/images/ID.tif and DIR/train/masks/ID.tif, the same of test, train_labels.csv and test_labels.csv
with the classes' shares by sample_id, and manifest.csv with path,mask,split,site,region,season,cloud. No region is in two of
the splits train, select (for the epoch and the temperature) and measurement, which is test.

--task landslides: DIR/train, DIR/calibration and DIR/measurement with GeoTIFFs (or NPY files) of float32, 64×64 px, the bands
B04 B03 B02 B08 VV_DESC VH_DESC VV_DESC_DIFF VH_DESC_DIFF VV_ASC VH_ASC VV_ASC_DIFF VH_ASC_DIFF: reflectance and sigma nought in dB
of the later date, and later minus earlier in dB. 17 % have a slide. manifest.csv has path,label,split,site,region and
  season, cloud, date, date_before, cloud_cover_percent, sun_zenith_deg, snow_percent, snow_before_percent, valid_percent
  scar_px, visible_share, visible_optical, visible_radar (of the place of the slide, or where it would be)
No region is in two splits.

Regions of coasts:
  atlantic-dunes, maquis-coves, granite-heath, northern-meadows, baltic-pines, olive-plain, karst-islands,
  arid-island, rias-woods, chalk-estuary, southern-pastures, sandstone-resorts; held out: volcanic-slopes,
  loess-cliffs, southern-scrub, skerries

Examples:
  s2infer simulate --out coasts
  s2infer simulate --profile large --seed 7 --out coasts-large
  s2infer simulate --tiles 500 --bands 13 --regions baltic-pines,skerries --out baltic
  s2infer simulate --task landcover --tiles 1800 --out land
  s2infer simulate --task landslides --tiles 3000 --out slides
  s2infer simulate --profile small --lookalikes 1.2 --cloud-severity 1.5 --out harder";

/// Writing simulated tiles.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Simulate {
    /// What the tiles are for.
    #[arg(long, value_enum, default_value = "coast")]
    task: Task,
    /// Where the tiles go: a folder that is not there yet, or empty. It appears when all is written.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// How many tiles.
    #[arg(long, value_enum, default_value = "small")]
    profile: Profile,
    /// About this many tiles instead.
    #[arg(long, value_name = "N")]
    tiles: Option<usize>,
    /// Seed of everything.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    coast: coast::CoastArgs,
    #[command(flatten)]
    landslides: landslides::LandslideArgs,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Task {
    /// Shores with and without construction inside the no-build belt, 64×64 px.
    Coast,
    /// Land cover in the layout of the Preligens challenge, 256×256 px of red, green, blue and near infrared, with masks.
    Landcover,
    /// Mountains with and without a slide between two dates, 64×64 px of Sentinel-2 and Sentinel-1.
    Landslides,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Profile {
    /// 160 tiles, for tests.
    Tiny,
    /// 2,000 tiles, for examples.
    Small,
    /// 8,000 tiles.
    Standard,
    /// 25,000 tiles.
    Large,
}

impl Profile {
    fn tiles(self) -> usize {
        match self {
            Self::Tiny => 160,
            Self::Small => 2_000,
            Self::Standard => 8_000,
            Self::Large => 25_000,
        }
    }
}

/// What every task is told.
struct Order<'a> {
    tiles: usize,
    seed: u64,
    out: &'a Path,
    /// Takes how many more tiles there are.
    progress: &'a (dyn Fn(usize) + Sync),
}

/// What there is now.
struct Written {
    tiles: usize,
    /// Lines about the splits.
    summary: String,
}

impl Simulate {
    /// Writes the tiles and prints what there is.
    pub fn run(&self) -> Result<u8> {
        logging::init(&self.common);
        signal::install()?;
        if let Some(flag) = self.coast.given().filter(|_| self.task != Task::Coast) {
            return Err(Error::usage(format!("{flag} is for --task coast; leave it out")));
        }
        if let Some(flag) = self.landslides.given().filter(|_| self.task != Task::Landslides) {
            return Err(Error::usage(format!("{flag} is for --task landslides; leave it out")));
        }
        let tiles = self.tiles.unwrap_or(self.profile.tiles());
        let bar = logging::progress(&self.common, tiles);
        let (started, done) = (Instant::now(), AtomicU64::new(0));
        let progress = |tiles: usize| bar.set((done.fetch_add(tiles as u64, Ordering::Relaxed) + tiles as u64) as f64);
        let order = Order { tiles, seed: self.seed, out: &self.out, progress: &progress };
        let written = match self.task {
            Task::Coast => self.coast.write(&order),
            Task::Landcover => landcover::write(&order),
            Task::Landslides => self.landslides.write(&order),
        };
        bar.finish_and_clear();
        let Written { tiles, summary } = written?;
        let rate = tiles as f64 / started.elapsed().as_secs_f64();
        println!("{tiles} simulated tiles in {} ({rate:.0} a second)", self.out.display());
        print!("{summary}");
        Ok(0)
    }
}
