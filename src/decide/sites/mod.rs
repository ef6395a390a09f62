//! Neighbouring positive windows of one raster merged into sites.
//!
//! Two windows are neighbours if their rectangles overlap or touch, at a corner too, so that stride and overlap need no
//! case of their own. Windows come row by row; a site is complete as soon as a row begins below it, so that working
//! memory is one row of windows, the windows of sites that still grow, and the outlines of those that are done.

mod outline;

use std::collections::{BTreeMap, BTreeSet};

use crate::raster::Window;
use outline::Union;

/// Positive windows that belong together; everything in pixels of the raster. `T` is whatever is kept of a window.
#[derive(Debug, Clone, PartialEq)]
pub struct Site<T> {
    /// Positive windows in it, at least 1.
    pub windows: u64,
    /// Windows without a decision that overlap or touch one of them: the site may go on there.
    pub undecided: u64,
    /// The highest score.
    pub score_max: f32,
    /// The mean score of its windows.
    pub score_mean: f32,
    /// What was kept of the window with the highest score, the first of equals.
    pub strongest: T,
    /// Its bounding box.
    pub extent: Window,
    /// Pixels in at least one of its windows.
    pub area_px: u64,
    /// Centre of mass of these pixels, column and row; whole numbers are corners of pixels.
    pub centroid: (f64, f64),
    /// The outline of these pixels, corner by corner, as open rings of column and row that touch each other and themselves
    /// in no more than single corners. Seen with rows downwards outer rings run clockwise and holes the other way.
    pub outline: Vec<Vec<[u32; 2]>>,
}

/// Merges the windows of one raster. They must be of one size and come in rows from top to bottom.
#[derive(Debug)]
pub struct SiteMerger<T> {
    /// Top of the row of windows that is arriving.
    row: u32,
    /// Windows so far, so that every one has a number.
    count: u64,
    /// Sites that may grow, by the number of their first window.
    open: BTreeMap<u64, Growing<T>>,
    /// The lowest positive window at each left edge, with its site: what lies above it belongs to the same site or is
    /// out of reach.
    lowest: BTreeMap<u32, (Window, u64)>,
    /// Windows without a decision that a window of this row can touch, by left edge, with their numbers.
    undecided: BTreeMap<u32, Vec<(Window, u64)>>,
    done: Vec<(u64, Site<T>)>,
}

#[derive(Debug)]
struct Growing<T> {
    windows: Vec<Window>,
    bottom: u32,
    undecided: BTreeSet<u64>,
    score_sum: f64,
    /// Score, number and what is kept of the strongest window.
    strongest: (f32, u64, T),
}

impl<T> Default for SiteMerger<T> {
    fn default() -> Self {
        Self {
            row: 0,
            count: 0,
            open: BTreeMap::new(),
            lowest: BTreeMap::new(),
            undecided: BTreeMap::new(),
            done: Vec::new(),
        }
    }
}

impl<T> SiteMerger<T> {
    /// Takes a positive window, its score and what is to be kept of it should it be its site's strongest.
    pub fn positive(&mut self, window: Window, score: f32, kept: T) {
        let number = self.number(window);
        let touched = self.touched(window);
        let key = touched.first().copied().unwrap_or(number);
        let undecided = near(&self.undecided, window).flat_map(|(_, row)| row);
        let undecided = undecided.filter(|(other, _)| touches(window, *other)).map(|&(_, number)| number).collect();
        let mut site = Growing {
            windows: vec![window],
            bottom: window.y.saturating_add(window.height),
            undecided,
            score_sum: f64::from(score),
            strongest: (score, number, kept),
        };
        for part in touched.iter().filter_map(|touched| self.open.remove(touched)) {
            site = part.joined(site);
        }
        if touched.len() > 1 {
            self.lowest.values_mut().filter(|(_, site)| touched.contains(site)).for_each(|(_, site)| *site = key);
        }
        self.open.insert(key, site);
        self.lowest.insert(window.x, (window, key));
    }

    /// Takes a window without a decision.
    pub fn undecided(&mut self, window: Window) {
        let number = self.number(window);
        for touched in self.touched(window) {
            self.open.entry(touched).and_modify(|site| _ = site.undecided.insert(number));
        }
        self.undecided.entry(window.x).or_default().push((window, number));
    }

    /// The sites of the raster, in the order of their first windows.
    pub fn finish(mut self) -> Vec<Site<T>> {
        self.done.extend(self.open.into_iter().map(|(key, site)| (key, site.finish())));
        self.done.sort_by_key(|(key, _)| *key);
        self.done.into_iter().map(|(_, site)| site).collect()
    }

    /// Sites that this window touches, each once, in ascending order.
    fn touched(&self, window: Window) -> Vec<u64> {
        let touching = near(&self.lowest, window).filter(|(_, (other, _))| touches(window, *other));
        let touched: BTreeSet<u64> = touching.map(|(_, (_, site))| *site).collect();
        touched.into_iter().collect()
    }

    /// The window's number. Where it begins a row, what it and all after it cannot touch is put away.
    fn number(&mut self, window: Window) -> u64 {
        if window.y > self.row {
            self.row = window.y;
            let is_near = |window: &Window| window.y.saturating_add(window.height) >= self.row;
            self.lowest.retain(|_, (window, _)| is_near(window));
            self.undecided.retain(|_, windows| {
                windows.retain(|(window, _)| is_near(window));
                !windows.is_empty()
            });
            let complete = self.open.extract_if(.., |_, site| site.bottom < self.row);
            self.done.extend(complete.map(|(key, site)| (key, site.finish())));
        }
        self.count += 1;
        self.count
    }
}

impl<T> Growing<T> {
    fn joined(mut self, other: Self) -> Self {
        self.windows.extend(other.windows);
        self.bottom = self.bottom.max(other.bottom);
        self.undecided.extend(other.undecided);
        self.score_sum += other.score_sum;
        let (ours, theirs) = (&self.strongest, &other.strongest);
        if theirs.0 > ours.0 || (theirs.0 == ours.0 && theirs.1 < ours.1) {
            self.strongest = other.strongest;
        }
        self
    }

    fn finish(self) -> Site<T> {
        let Union { extent, area_px, centroid, outline } = outline::union(&self.windows);
        Site {
            windows: self.windows.len() as u64,
            undecided: self.undecided.len() as u64,
            score_max: self.strongest.0,
            score_mean: (self.score_sum / self.windows.len() as f64) as f32,
            strongest: self.strongest.2,
            extent,
            area_px,
            centroid,
            outline,
        }
    }
}

/// What lies at left edges from which windows of this width reach `window`.
fn near<V>(by_left_edge: &BTreeMap<u32, V>, window: Window) -> impl Iterator<Item = (&u32, &V)> {
    by_left_edge.range(window.x.saturating_sub(window.width)..=window.x.saturating_add(window.width))
}

fn touches(a: Window, b: Window) -> bool {
    let along =
        |a: u32, a_side: u32, b: u32, b_side: u32| a <= b.saturating_add(b_side) && b <= a.saturating_add(a_side);
    along(a.x, a.width, b.x, b.width) && along(a.y, a.height, b.y, b.height)
}

#[cfg(test)]
mod tests;
