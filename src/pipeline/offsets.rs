//! Tiles whose pixels contradict the offset that is stated or assumed of them.

use crate::infer::census::OffsetHint;
use crate::scene::Radiometry;

/// What windows say of the tile at hand, and the tiles of which most windows spoke against the offset.
#[derive(Debug, Default)]
pub(super) struct OffsetDoubts {
    tile: Tally,
    assumed: Doubt,
    not_removed: Doubt,
    removed_before: Doubt,
}

/// Windows of one tile that say something.
#[derive(Debug, Default)]
struct Tally {
    windows: u64,
    not_removed: u64,
    removed_before: u64,
}

#[derive(Debug, Default)]
struct Doubt {
    tiles: u64,
    first: String,
    source: String,
}

impl Doubt {
    fn add(&mut self, tile: &str, source: &str) {
        if self.tiles == 0 {
            (self.first, self.source) = (tile.to_owned(), source.to_owned());
        }
        self.tiles += 1;
    }

    fn text(&self, what: impl Fn(&str) -> String) -> Option<String> {
        let Self { tiles, first, source } = self;
        (*tiles > 0).then(|| format!("{tiles} tiles, `{first}` the first, {}", what(source)))
    }
}

impl OffsetDoubts {
    pub(super) fn window(&mut self, hint: Option<OffsetHint>) {
        let Some(hint) = hint else { return };
        self.tile.windows += 1;
        self.tile.not_removed += u64::from(hint == OffsetHint::NotRemoved);
        self.tile.removed_before += u64::from(hint == OffsetHint::RemovedBefore);
    }

    pub(super) fn end_tile(&mut self, name: &str, radiometry: &Radiometry) {
        let Tally { windows, not_removed, removed_before } = std::mem::take(&mut self.tile);
        let doubt = match (2 * not_removed > windows, 2 * removed_before > windows) {
            (true, _) if radiometry.is_offset_assumed => &mut self.assumed,
            (true, _) => &mut self.not_removed,
            (_, true) => &mut self.removed_before,
            _ => return,
        };
        doubt.add(name, &radiometry.source);
    }

    /// One remark for each kind of doubt.
    pub(super) fn warnings(&self) -> Vec<String> {
        let assumed = self.assumed.text(|_| {
            "have their 1st percentile just above 1,000 DN although no offset was stated: if they are of processing baseline \
             04.00 or later, give --dn-offset -1000"
                .into()
        });
        let not_removed = self.not_removed.text(|source| {
            format!(
                "have their 1st percentile just above 1,000 DN although their {source} states that they hold no offset: if \
                 it is wrong, give --dn-scale 0.0001 --dn-offset -1000 --dn-force"
            )
        });
        let removed_before = self.removed_before.text(|source| {
            format!(
                "would mostly reflect less than nothing without the offset that their {source} states: it seems to have been \
                 removed before; if so, give --dn-scale 0.0001 --dn-offset 0 --dn-force"
            )
        });
        [assumed, not_removed, removed_before].into_iter().flatten().collect()
    }
}
