//! Recall and false alarms where a column says where to look: by region and season, by cloud share, by whatever the
//! table has.

use std::collections::BTreeMap;

use serde::Serialize;

use super::operating::{Counts, Share};
use crate::decide::Season;
use crate::labelled::{Labelled, LabelledRow, Values};

/// Parts of equally many tiles that numbers are put into.
const NUMBER_BINS: usize = 5;
/// Words that a column may have to be a slice; a column with more tells tiles apart and not kinds of tiles.
const WORDS_MAX: usize = 24;

/// One column's slice of the tiles.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Slice {
    /// The column.
    pub column: String,
    /// Its parts, in order of number or word.
    pub parts: Vec<SlicePart>,
}

/// The tiles of one value, or of one range of values.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SlicePart {
    /// The value or range.
    pub value: String,
    /// Share of the positives that alert, at the thresholds of their groups.
    pub recall: Share,
    /// Share of the negatives that alert.
    pub false_alarms: Share,
}

/// One region in one season.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RegionSeason {
    /// The region.
    pub region: String,
    /// The season; empty where unknown.
    pub season: String,
    /// Share of the positives that alert.
    pub recall: Share,
    /// Share of the negatives that alert.
    pub false_alarms: Share,
}

/// Outcomes by region and season, in that order; empty where no tile states a region.
pub(super) fn region_season(rows: &[LabelledRow], alerts: &[bool]) -> Vec<RegionSeason> {
    let mut counts: BTreeMap<(&str, &str), Counts> = BTreeMap::new();
    for (row, &alert) in rows.iter().zip(alerts) {
        if let Some(region) = row.region.as_deref() {
            let season = row.season.map_or("", Season::name);
            counts.entry((region, season)).or_default().add(row.is_positive(), alert, 1);
        }
    }
    let cell = |((region, season), counts): ((&str, &str), Counts)| {
        let (recall, false_alarms) = shares(&counts);
        RegionSeason { region: region.to_owned(), season: season.to_owned(), recall, false_alarms }
    };
    counts.into_iter().map(cell).collect()
}

/// One slice for the cloud share and for each further column that has between two and [`WORDS_MAX`] words, or numbers.
pub(super) fn slices(table: &Labelled, alerts: &[bool]) -> Vec<Slice> {
    let cloud: Vec<f32> = table.rows.iter().map(|row| row.cloud_cover_percent.unwrap_or(f32::NAN)).collect();
    let mut slices = vec![by_numbers("cloud_cover_percent", &cloud, table, alerts)];
    for column in &table.further {
        slices.push(match &column.values {
            Values::Numbers(numbers) => by_numbers(&column.name, numbers, table, alerts),
            Values::Words(words, of) => {
                let words: Vec<String> = words.iter().map(|word| word.to_string()).collect();
                let of: Vec<Option<usize>> = of.iter().map(|&word| Some(word as usize)).collect();
                by_parts(&column.name, &words, &of, table, alerts)
            }
        });
    }
    slices.retain(|slice| (2..=WORDS_MAX).contains(&slice.parts.len()));
    slices
}

fn by_numbers(name: &str, numbers: &[f32], table: &Labelled, alerts: &[bool]) -> Slice {
    let mut ascending: Vec<f32> = numbers.iter().copied().filter(|number| number.is_finite()).collect();
    ascending.sort_by(f32::total_cmp);
    // Upper ends, each once: where one number is frequent there are fewer parts.
    let end = |part: usize| ascending.get((part * ascending.len() / NUMBER_BINS).saturating_sub(1)).copied();
    let mut ends: Vec<f32> = (1..=NUMBER_BINS).filter_map(end).collect();
    ends.dedup();
    let label = |(index, end): (usize, &f32)| match (index.checked_sub(1).map(|before| ends[before]), ascending.first())
    {
        (Some(before), _) => format!("over {before} to {end}"),
        (None, Some(first)) if first == end => format!("{end}"),
        (None, first) => format!("{} to {end}", first.unwrap_or(end)),
    };
    let labels: Vec<String> = ends.iter().enumerate().map(label).collect();
    let part = |number: &f32| number.is_finite().then(|| ends.partition_point(|end| end < number));
    by_parts(name, &labels, &numbers.iter().map(part).collect::<Vec<_>>(), table, alerts)
}

fn by_parts(name: &str, labels: &[String], of: &[Option<usize>], table: &Labelled, alerts: &[bool]) -> Slice {
    let mut counts = vec![Counts::default(); labels.len()];
    for ((row, part), &alert) in table.rows.iter().zip(of).zip(alerts) {
        if let Some(counts) = part.and_then(|part| counts.get_mut(part)) {
            counts.add(row.is_positive(), alert, 1);
        }
    }
    let part = |(label, counts): (&String, &Counts)| {
        let (recall, false_alarms) = shares(counts);
        SlicePart { value: if label.is_empty() { "(empty)".into() } else { label.clone() }, recall, false_alarms }
    };
    Slice { column: name.to_owned(), parts: labels.iter().zip(&counts).map(part).collect() }
}

fn shares(counts: &Counts) -> (Share, Share) {
    let share = |hits: u64, n: u64| Share::of(hits as usize, n as usize);
    (share(counts.caught, counts.positives), share(counts.alarms, counts.negatives))
}
