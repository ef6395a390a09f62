//! The gallery of what went wrong.

use super::super::Pictured;
use crate::page::{Block, Card, Column, Gallery, Section, Table};

/// A gallery for each kind of failure; a table where no tile could be drawn.
pub(super) fn section(failures: &[Pictured]) -> Option<Section> {
    let blocks: Vec<Block> = ["missed", "false alarm", "mistaken", "mapped"]
        .into_iter()
        .filter_map(|kind| of_kind(kind, &failures.iter().filter(|failure| failure.kind == kind).collect::<Vec<_>>()))
        .collect();
    (!blocks.is_empty()).then(|| Section { title: "Failures".into(), blocks })
}

fn of_kind(kind: &str, failures: &[&Pictured]) -> Option<Block> {
    if failures.is_empty() {
        return None;
    }
    let caption = match kind {
        "missed" => "The worst misses: positives with the lowest scores, each site once before any comes again.",
        "false alarm" => {
            "The loudest false alarms: negatives with the highest scores, each site once before any comes again."
        }
        "mapped" => "The tiles of the lowest mean IoU, each site once before any comes again.",
        _ => "The surest mistakes, each site once before any comes again.",
    };
    if failures.iter().all(|failure| failure.picture.is_none()) {
        let row = |failure: &&Pictured| {
            let [first, second] = words(failure);
            vec![failure.tile.clone().into(), first.into(), second.into()]
        };
        return Some(Block::Table(Table {
            caption: caption.into(),
            columns: ["tile", "of", "score"].map(Column::text).to_vec(),
            rows: failures.iter().map(row).collect(),
        }));
    }
    let card = |failure: &&Pictured| {
        let picture = failure.picture.clone();
        let size = picture.as_ref().map_or((0, 0), |picture| (picture.width_px, picture.height_px));
        Card {
            png: picture.map(|picture| picture.png).unwrap_or_default(),
            // Patches are small: a pixel is drawn as a square of two.
            width_px: 2 * size.0,
            height_px: 2 * size.1,
            title: short(&failure.tile),
            lines: words(failure).to_vec(),
        }
    };
    Some(Block::Gallery(Gallery { caption: caption.into(), cards: failures.iter().map(card).collect() }))
}

fn words(failure: &Pictured) -> [String; 2] {
    let of = [Some(&failure.group), failure.class.as_ref(), failure.site.as_ref()];
    let of: Vec<&str> = of.into_iter().flatten().map(String::as_str).filter(|word| !word.is_empty()).collect();
    let score = match (failure.threshold, &failure.taken_for) {
        (Some(threshold), _) => format!("score {:.4}, threshold {threshold:.4}", failure.score),
        (None, Some(class)) => format!("taken for {class}, {:.3}", failure.score),
        (None, None) if failure.kind == "mapped" => format!("mean IoU {:.3}", failure.score),
        (None, None) => format!("score {:.4}", failure.score),
    };
    [of.join(", "), score]
}

/// The file's name.
fn short(tile: &str) -> String {
    tile.rsplit('/').next().unwrap_or(tile).to_owned()
}
