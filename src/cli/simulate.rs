//! `s2infer simulate`: tiles of coasts that do not exist.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use clap::{Args, ValueEnum};
use s2infer::Result;
use s2infer::output::signal;
use s2infer::simulate::bands::{ALL, COASTAL};
use s2infer::simulate::coast::dataset::{self, Row, Settings};
use s2infer::simulate::coast::{Knobs, region};

use super::values::{not_negative, open_share};
use super::{Common, logging};

const EXAMPLES: &str = "\
A tile is positive if construction stands inside the belt of 100 m along the shore. The same buildings stand behind the
belt in negatives, and rock, sand, asphalt or bare ground in the same shapes stand inside it in both. DIR gets a folder
for each split (train, select, temperature, calibration, measurement) and manifest.csv, which `s2train` reads:
  label, clean_label   with and without the mistakes of the training split
  site, region         no site is in two splits; held-out regions are in the measurement alone
  season, cloud, date, cloud_cover_percent, visible_share, sun_zenith_deg, snow_cover_percent
  footprint_px, structures, lookalikes, settlements
The same seed and options give the same bytes. Nothing measured on these tiles is a measurement of real coasts.

Regions:
  atlantic-dunes, maquis-coves, granite-heath, northern-meadows, baltic-pines, olive-plain, karst-islands,
  arid-island, rias-woods, chalk-estuary, southern-pastures, sandstone-resorts; held out: volcanic-slopes,
  loess-cliffs, southern-scrub, skerries

Examples:
  s2infer simulate --out coasts
  s2infer simulate --profile large --seed 7 --out coasts-large
  s2infer simulate --tiles 500 --bands 13 --regions baltic-pines,skerries --out baltic
  s2infer simulate --profile small --lookalikes 1.2 --cloud-severity 1.5 --out harder";

/// Writing simulated tiles.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Simulate {
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
    /// 6 (B02, B03, B04, B08, B11, B12) or all 13.
    #[arg(long, value_enum, default_value = "6")]
    bands: BandSet,
    /// Only these regional styles [default: all].
    #[arg(long, value_name = "REGIONS", value_delimiter = ',')]
    regions: Vec<String>,
    #[command(flatten)]
    knobs: KnobArgs,
    #[command(flatten)]
    common: Common,
}

/// How hard it is.
#[derive(Debug, Args)]
#[command(next_help_heading = "Difficulty")]
struct KnobArgs {
    /// Mean number of look-alikes inside the belt.
    #[arg(long, value_name = "NUMBER", default_value_t = Knobs::default().lookalike_rate, value_parser = not_negative)]
    lookalikes: f32,
    /// Size of construction relative to 10 to 32 m a side.
    #[arg(long, value_name = "FACTOR", default_value_t = Knobs::default().footprint_scale, value_parser = not_negative)]
    footprint_scale: f32,
    /// Depth and cover of clouds relative to the usual.
    #[arg(long, value_name = "FACTOR", default_value_t = Knobs::default().cloud_severity, value_parser = not_negative)]
    cloud_severity: f32,
    /// Mistakes in the training labels relative to 3 % of the positives and 0.35 % of the negatives.
    #[arg(long, value_name = "FACTOR", default_value_t = Knobs::default().label_noise, value_parser = not_negative)]
    label_noise: f32,
    /// Share of positive sites outside of the training split [default: 1 in 11].
    #[arg(long, value_name = "SHARE", value_parser = open_share)]
    prevalence: Option<f64>,
    /// Share of positive sites in the training split [default: 0.25].
    #[arg(long, value_name = "SHARE", value_parser = open_share)]
    train_prevalence: Option<f64>,
    /// Odds of summer-clear, summer-cloudy, winter-clear, winter-cloudy in the training split [default: 7,1,1,1].
    #[arg(long, value_name = "A,B,C,D", value_parser = odds)]
    train_mix: Option<Odds>,
}

/// Odds of the four groups.
#[derive(Debug, Clone, Copy)]
struct Odds([f32; 4]);

fn odds(text: &str) -> Result<Odds, String> {
    let odds: Vec<f32> = text.split(',').map(not_negative).collect::<Result<_, _>>()?;
    odds.try_into().map(Odds).map_err(|_| "give four numbers with commas between them".into())
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

#[derive(Debug, Clone, Copy, ValueEnum)]
enum BandSet {
    #[value(name = "6")]
    Six,
    #[value(name = "13")]
    Thirteen,
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

impl KnobArgs {
    fn knobs(&self) -> Knobs {
        let usual = Knobs::default();
        Knobs {
            lookalike_rate: self.lookalikes,
            footprint_scale: self.footprint_scale,
            cloud_severity: self.cloud_severity,
            label_noise: self.label_noise,
            prevalence: self.prevalence.map_or(usual.prevalence, |share| share as f32),
            train_prevalence: self.train_prevalence.map_or(usual.train_prevalence, |share| share as f32),
            train_mix: self.train_mix.map_or(usual.train_mix, |odds| odds.0),
        }
    }
}

impl Simulate {
    /// Writes the tiles and prints what there is.
    pub fn run(&self) -> Result<u8> {
        logging::init(&self.common);
        signal::install()?;
        let settings = Settings {
            tiles: self.tiles.unwrap_or(self.profile.tiles()),
            seed: self.seed,
            bands: match self.bands {
                BandSet::Six => COASTAL.to_vec(),
                BandSet::Thirteen => (0..ALL.len()).collect(),
            },
            regions: region::choose(&self.regions)?,
            knobs: self.knobs.knobs(),
        };
        let bar = logging::progress(&self.common, settings.tiles);
        let (started, done) = (Instant::now(), AtomicU64::new(0));
        let progress = |tiles: usize| bar.set((done.fetch_add(tiles as u64, Ordering::Relaxed) + tiles as u64) as f64);
        let rows = dataset::write(&settings, &self.out, &progress);
        bar.finish_and_clear();
        let rows = rows?;
        let rate = rows.len() as f64 / started.elapsed().as_secs_f64();
        println!("{} simulated tiles in {} ({rate:.0} a second)", rows.len(), self.out.display());
        print!("{}", summary(&rows));
        Ok(0)
    }
}

/// A line for each split: tiles, positives, sites, and tiles of each group.
fn summary(rows: &[Row]) -> String {
    let mut splits = BTreeMap::<&str, Vec<&Row>>::new();
    for row in rows {
        splits.entry(row.split).or_default().push(row);
    }
    let mut text = String::new();
    for (split, rows) in splits {
        let sites: std::collections::BTreeSet<&str> = rows.iter().map(|row| row.site.as_str()).collect();
        let positives = rows.iter().filter(|row| row.clean_label == 1).count();
        let clear_summers = rows.iter().filter(|row| (row.season, row.cloud) == ("summer", "clear")).count();
        text += &format!(
            "{split:12} {:6} tiles, {positives:5} positive, {:5} sites, {clear_summers:6} in clear summers\n",
            rows.len(),
            sites.len()
        );
    }
    text
}
