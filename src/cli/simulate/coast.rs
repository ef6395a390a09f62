//! `s2infer simulate --task coast`: construction inside the no-build belt of shores that do not exist.

use std::collections::{BTreeMap, BTreeSet};

use clap::{Args, ValueEnum};
use s2infer::Result;
use s2infer::simulate::bands::{ALL, COASTAL};
use s2infer::simulate::coast::dataset::{self, Row, Settings};
use s2infer::simulate::coast::{Knobs, region};

use super::super::values::{not_negative, open_share};
use super::{Order, Written};

/// What coasts alone have.
#[derive(Debug, Args)]
pub struct CoastArgs {
    /// 6 (B02, B03, B04, B08, B11, B12) or all 13 [default: 6].
    #[arg(long, value_enum)]
    bands: Option<BandSet>,
    /// Only these regional styles [default: all].
    #[arg(long, value_name = "REGIONS", value_delimiter = ',')]
    regions: Vec<String>,
    #[command(flatten)]
    knobs: KnobArgs,
}

/// How hard it is.
#[derive(Debug, Args)]
#[command(next_help_heading = "Difficulty of coasts")]
struct KnobArgs {
    /// Mean number of look-alikes inside the belt [default: 0.6].
    #[arg(long, value_name = "NUMBER", value_parser = not_negative)]
    lookalikes: Option<f32>,
    /// Size of construction relative to 10 to 32 m a side [default: 1].
    #[arg(long, value_name = "FACTOR", value_parser = not_negative)]
    footprint_scale: Option<f32>,
    /// Depth and cover of clouds relative to the usual [default: 1].
    #[arg(long, value_name = "FACTOR", value_parser = not_negative)]
    cloud_severity: Option<f32>,
    /// Mistakes in the training labels relative to 3 % of the positives and 0.35 % of the negatives [default: 1].
    #[arg(long, value_name = "FACTOR", value_parser = not_negative)]
    label_noise: Option<f32>,
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
enum BandSet {
    #[value(name = "6")]
    Six,
    #[value(name = "13")]
    Thirteen,
}

impl KnobArgs {
    fn knobs(&self) -> Knobs {
        let usual = Knobs::default();
        Knobs {
            lookalike_rate: self.lookalikes.unwrap_or(usual.lookalike_rate),
            footprint_scale: self.footprint_scale.unwrap_or(usual.footprint_scale),
            cloud_severity: self.cloud_severity.unwrap_or(usual.cloud_severity),
            label_noise: self.label_noise.unwrap_or(usual.label_noise),
            prevalence: self.prevalence.map_or(usual.prevalence, |share| share as f32),
            train_prevalence: self.train_prevalence.map_or(usual.train_prevalence, |share| share as f32),
            train_mix: self.train_mix.map_or(usual.train_mix, |odds| odds.0),
        }
    }
}

impl CoastArgs {
    /// The first of these flags that is given: other tasks have none of them.
    pub(super) fn given(&self) -> Option<&'static str> {
        let knobs = &self.knobs;
        let flags = [
            ("--bands", self.bands.is_some()),
            ("--regions", !self.regions.is_empty()),
            ("--lookalikes", knobs.lookalikes.is_some()),
            ("--footprint-scale", knobs.footprint_scale.is_some()),
            ("--cloud-severity", knobs.cloud_severity.is_some()),
            ("--label-noise", knobs.label_noise.is_some()),
            ("--prevalence", knobs.prevalence.is_some()),
            ("--train-prevalence", knobs.train_prevalence.is_some()),
            ("--train-mix", knobs.train_mix.is_some()),
        ];
        flags.into_iter().find_map(|(flag, is_given)| is_given.then_some(flag))
    }

    pub(super) fn write(&self, order: &Order) -> Result<Written> {
        let settings = Settings {
            tiles: order.tiles,
            seed: order.seed,
            bands: match self.bands.unwrap_or(BandSet::Six) {
                BandSet::Six => COASTAL.to_vec(),
                BandSet::Thirteen => (0..ALL.len()).collect(),
            },
            regions: region::choose(&self.regions)?,
            knobs: self.knobs.knobs(),
        };
        let rows = dataset::write(&settings, order.out, order.progress)?;
        Ok(Written { tiles: rows.len(), summary: summary(&rows) })
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
        let sites: BTreeSet<&str> = rows.iter().map(|row| row.site.as_str()).collect();
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
