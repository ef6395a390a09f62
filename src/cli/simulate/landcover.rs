//! `s2infer simulate --task landcover`: tiles and masks in the layout of a land-cover challenge.

use std::collections::{BTreeMap, BTreeSet};

use s2infer::Result;
use s2infer::simulate::landcover::dataset::{self, Row};

use super::{Order, Written};

pub(super) fn write(order: &Order) -> Result<Written> {
    let rows = dataset::write(order.tiles, order.seed, order.out, order.progress)?;
    Ok(Written { tiles: rows.len(), summary: summary(&rows) })
}

/// A line for each split: tiles, sites and regions.
fn summary(rows: &[Row]) -> String {
    let mut splits = BTreeMap::<&str, Vec<&Row>>::new();
    for row in rows {
        splits.entry(row.split).or_default().push(row);
    }
    let line = |(split, rows): (&str, Vec<&Row>)| {
        let sites: BTreeSet<&str> = rows.iter().map(|row| row.site.as_str()).collect();
        let regions: BTreeSet<&str> = rows.iter().map(|row| row.region).collect();
        format!("{split:12} {:6} tiles, {:5} sites, {:3} regions\n", rows.len(), sites.len(), regions.len())
    };
    splits.into_iter().map(line).collect()
}
