//! `s2infer simulate --task landslides`: mountains before and after, to radar and optics.

use std::collections::{BTreeMap, BTreeSet};

use clap::{Args, ValueEnum};
use s2infer::Result;
use s2infer::simulate::landslides::dataset::{self, Row};
use s2infer::simulate::tile::Format;

use super::{Order, Written};

/// What landslides alone have.
#[derive(Debug, Args)]
pub struct LandslideArgs {
    /// What the patches of landslides are written as [default: tiff].
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<PatchFormat>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum PatchFormat {
    /// GeoTIFF of float32 with named bands; NaN is no data.
    Tiff,
    /// NPY of float32, [12, 64, 64]; dates and places are in the manifest alone.
    Npy,
}

impl LandslideArgs {
    /// The first of these flags that is given: other tasks have none of them.
    pub(super) fn given(&self) -> Option<&'static str> {
        self.format.is_some().then_some("--format")
    }

    pub(super) fn write(&self, order: &Order) -> Result<Written> {
        let format = match self.format.unwrap_or(PatchFormat::Tiff) {
            PatchFormat::Tiff => Format::Float,
            PatchFormat::Npy => Format::Npy,
        };
        let rows = dataset::write(order.tiles, order.seed, format, order.out, order.progress)?;
        Ok(Written { tiles: rows.len(), summary: summary(&rows) })
    }
}

/// A line for each split: patches, slides, sites, regions.
fn summary(rows: &[Row]) -> String {
    let mut splits = BTreeMap::<&str, Vec<&Row>>::new();
    for row in rows {
        splits.entry(row.split).or_default().push(row);
    }
    let line = |(split, rows): (&str, Vec<&Row>)| {
        let sites: BTreeSet<&str> = rows.iter().map(|row| row.site.as_str()).collect();
        let regions: BTreeSet<&str> = rows.iter().map(|row| row.region).collect();
        let slides = rows.iter().filter(|row| row.label == 1).count();
        let (sites, regions) = (sites.len(), regions.len());
        format!("{split:12} {:6} tiles, {slides:5} with a slide, {sites:5} sites, {regions:3} regions\n", rows.len())
    };
    splits.into_iter().map(line).collect()
}
