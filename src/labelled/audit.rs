//! The leakage audit: what one part of the data shares with another.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::LabelledRow;
use super::cells::plain_path;

/// Mean radius of the Earth in kilometres.
const EARTH_KM: f64 = 6371.0;
/// Leaks that are named one by one.
const LEAKS_NAMED_MAX: usize = 20;

/// A part of the data with its name: a split, or what another table is for.
pub struct Part<'a> {
    /// As `calibration`.
    pub name: String,
    /// Its tiles.
    pub rows: Vec<&'a LabelledRow>,
}

/// What was looked for and found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Audit {
    /// Tiles of each part.
    pub parts: BTreeMap<String, usize>,
    /// Tiles with a site, of all.
    pub tiles_with_site: usize,
    /// Tiles with coordinates, of all.
    pub tiles_with_place: usize,
    /// Tiles of all parts.
    pub tiles: usize,
    /// Places nearer than this are the same, in kilometres.
    pub place_gap_km: f64,
    /// The first leaks; none is the wish.
    pub leaks: Vec<Leak>,
    /// How many there are.
    pub n_leaks: usize,
}

/// Something that two parts share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Leak {
    /// `tile`, `site` or `place`
    pub what: &'static str,
    /// Its name.
    pub name: String,
    /// The parts, in order.
    pub parts: [String; 2],
}

impl Audit {
    /// The leak that a one-line error names.
    pub fn first(&self) -> Option<String> {
        let leak = self.leaks.first()?;
        let more = if self.n_leaks > 1 { format!(" (and {} more)", self.n_leaks - 1) } else { String::new() };
        Some(format!("{} {} is in {} and in {}{more}", leak.what, leak.name, leak.parts[0], leak.parts[1]))
    }
}

/// Looks for tiles, sites and places that stand in two parts. A tile is known by its name, a place by coordinates less
/// than `place_gap_km` apart; tiles and sites without a name are passed over.
pub fn audit(parts: &[Part<'_>], place_gap_km: f64) -> Audit {
    let all = || parts.iter().flat_map(|part| part.rows.iter());
    let mut leaks = shared(parts, "site", |row| row.site.as_deref().map(Cow::Borrowed));
    leaks.extend(shared(parts, "tile", |row| Some(plain_path(&row.tile)).filter(|tile| !tile.is_empty())));
    // Tiles of a shared site are near one another: that says nothing new.
    if leaks.is_empty() {
        leaks = near(parts, place_gap_km);
    }
    let n_leaks = leaks.len();
    leaks.truncate(LEAKS_NAMED_MAX);
    Audit {
        parts: parts.iter().map(|part| (part.name.clone(), part.rows.len())).collect(),
        tiles_with_site: all().filter(|row| row.site.is_some()).count(),
        tiles_with_place: all().filter(|row| row.longitude_latitude.is_some()).count(),
        tiles: all().count(),
        place_gap_km,
        leaks,
        n_leaks,
    }
}

fn shared<'a>(
    parts: &[Part<'a>],
    what: &'static str,
    name: impl Fn(&'a LabelledRow) -> Option<Cow<'a, str>>,
) -> Vec<Leak> {
    let mut first: HashMap<Cow<'a, str>, usize> = HashMap::new();
    let mut found = BTreeMap::new();
    for (index, part) in parts.iter().enumerate() {
        for name in part.rows.iter().filter_map(|row| name(row)) {
            let other = *first.entry(name.clone()).or_insert(index);
            if other != index {
                found.entry(name).or_insert([parts[other].name.clone(), part.name.clone()]);
            }
        }
    }
    found.into_iter().map(|(name, parts)| Leak { what, name: name.into_owned(), parts }).collect()
}

/// Tiles of different parts that lie nearer than the gap, one leak a tile. Points are dealt into cubes of the gap's size,
/// so that only neighbouring cubes need to be compared.
fn near(parts: &[Part<'_>], gap_km: f64) -> Vec<Leak> {
    if gap_km <= 0.0 {
        return Vec::new();
    }
    let mut cubes: HashMap<[i64; 3], Vec<(usize, [f64; 3])>> = HashMap::new();
    let mut leaks = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        let placed = part.rows.iter().filter_map(|row| Some((row, on_sphere(row.longitude_latitude?))));
        let placed: Vec<_> = placed.collect();
        for (row, point) in &placed {
            if let Some(other) = neighbour(&cubes, point, gap_km) {
                let parts = [parts[other].name.clone(), part.name.clone()];
                leaks.push(Leak { what: "place", name: format!("of {}", row.tile), parts });
            }
        }
        // After its search: tiles of one part may be as near as they like.
        for (_, point) in placed {
            cubes.entry(cube(&point, gap_km)).or_default().push((index, point));
        }
    }
    leaks
}

fn neighbour(cubes: &HashMap<[i64; 3], Vec<(usize, [f64; 3])>>, point: &[f64; 3], gap_km: f64) -> Option<usize> {
    let [x, y, z] = cube(point, gap_km);
    let around = (-1..=1).flat_map(|dx| (-1..=1).flat_map(move |dy| (-1..=1).map(move |dz| [x + dx, y + dy, z + dz])));
    let mut candidates = around.filter_map(|key| cubes.get(&key)).flatten();
    let squared = |other: &[f64; 3]| point.iter().zip(other).map(|(a, b)| (a - b) * (a - b)).sum::<f64>();
    candidates.find(|(_, other)| squared(other) < gap_km * gap_km).map(|(index, _)| *index)
}

fn cube(point: &[f64; 3], gap_km: f64) -> [i64; 3] {
    point.map(|value| (value / gap_km).floor() as i64)
}

/// Kilometres from the Earth's centre.
fn on_sphere((longitude, latitude): (f64, f64)) -> [f64; 3] {
    let (north_sin, north_cos) = latitude.to_radians().sin_cos();
    let (east_sin, east_cos) = longitude.to_radians().sin_cos();
    [north_cos * east_cos, north_cos * east_sin, north_sin].map(|value| value * EARTH_KM)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::Bounds;
    use crate::labelled::{Labelled, Labels};

    fn rows(table: &str) -> Vec<LabelledRow> {
        let table = format!("tile,label,score,season,cloud,site,longitude,latitude\n{table}");
        Labelled::parse_scores(table.as_bytes(), "t.csv", &Labels::binary(), &Bounds::default()).unwrap().rows
    }

    fn first(train: &str, test: &str) -> Option<String> {
        let (train, test) = (rows(train), rows(test));
        let part = |name: &str, rows| Part { name: name.into(), rows };
        audit(&[part("train", train.iter().collect()), part("test", test.iter().collect())], 1.0).first()
    }

    #[test]
    fn shared_sites_tiles_and_places_are_named() {
        let row = |tile: &str, site: &str, at: &str| format!("{tile},1,0.5,summer,clear,{site},{at}\n");
        let train = row("a", "s", "10,50");
        assert_eq!(first(&train, &row("b", "s", "30,50")).unwrap(), "site s is in train and in test");
        assert_eq!(first(&train, &row("a", "t", "30,50")).unwrap(), "tile a is in train and in test");
        // 0.005 degrees of latitude are 556 m.
        assert_eq!(first(&train, &row("b", "t", "10,50.005")).unwrap(), "place of b is in train and in test");
        assert_eq!(first(&train, &row("b", "t", "10,50.01")), None);
        assert_eq!(first(&train, &(row("b", "", ",") + &row("c", "", ","))), None);
    }
}
