//! What a comparison of tiles gets of a run: one window a tile.

use super::batch::WindowSlot;
use super::{Job, Rows, Thresholds};
use crate::decide::Bounds;
use crate::drift::{Middle, Observation, is_group, season_sky};

/// The group of a window: its shift where that is a group, else its season and sky where they are known.
pub(super) fn group(job: &Job, slot: &WindowSlot) -> Option<String> {
    if let Some(shift) = named(job, slot.shift.as_deref()) {
        return Some(shift);
    }
    let bounds = match &job.thresholds {
        // The profile has had its say.
        Thresholds::Profile(..) => return None,
        Thresholds::Fixed(_) | Thresholds::Members | Thresholds::ArgMax => Bounds::default(),
    };
    season_sky(&bounds, &slot.observed)
}

/// A tile from the journal, which keeps no pixels.
pub(super) fn resumed(job: &Job, rows: &Rows) -> Option<Observation> {
    let mut middle = Middle::default();
    for (index, row) in rows.iter().enumerate() {
        let group = named(job, row.shift.as_deref());
        middle.offer(index as u64, rows.len() as u64, Observation { group, score: row.score, summary: None });
    }
    middle.chosen()
}

fn named(job: &Job, shift: Option<&str>) -> Option<String> {
    let groups = match &job.thresholds {
        Thresholds::Profile(profile, _) => profile.groups.as_slice(),
        Thresholds::Fixed(_) | Thresholds::Members | Thresholds::ArgMax => &[],
    };
    let groups = groups.iter().map(|group| group.group.as_str());
    shift.filter(|shift| is_group(shift, groups)).map(str::to_owned)
}
