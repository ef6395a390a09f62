//! Where a label goes that belongs to a point or a line: the first free place of a few.

use maud::Markup;

use super::svg::{Anchor, TEXT_SIZE, text, text_width};

/// What is taken of a plot's area: labels, which never overlap, and points, which labels keep off where they can.
pub(super) struct Room {
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
    labels: Vec<Rect>,
    points: Vec<[f64; 2]>,
}

/// Left, top, right, bottom.
type Rect = [f64; 4];

impl Room {
    /// An empty area.
    pub(super) fn new([left, top]: [f64; 2], [right, bottom]: [f64; 2]) -> Self {
        Self { left, top, right, bottom, labels: Vec::new(), points: Vec::new() }
    }

    /// Points that labels had better not hide.
    pub(super) fn keep_off(&mut self, points: impl IntoIterator<Item = [f64; 2]>) {
        self.points.extend(points);
    }

    /// A straight line that labels had better not hide.
    pub(super) fn keep_off_line(&mut self, from: [f64; 2], to: [f64; 2]) {
        let steps = ((to[0] - from[0]).hypot(to[1] - from[1]) / 6.0).ceil().max(1.0);
        let along = |step: u32| std::array::from_fn(|i| from[i] + (to[i] - from[i]) * f64::from(step) / steps);
        self.keep_off((0..=steps as u32).map(along));
    }

    /// A label about a point: right of it, left, above or below, nearest first. None is written where none fits.
    pub(super) fn about(&mut self, [x, y]: [f64; 2], class: &str, words: &str) -> Option<Markup> {
        let beside = [0.0, -12.0, 12.0, -24.0, 24.0];
        let places =
            beside.iter().flat_map(|dy| [(x + 8.0, y + 4.5 + dy, Anchor::Start), (x - 8.0, y + 4.5 + dy, Anchor::End)]);
        let over = [(x, y - 10.0, Anchor::Middle), (x, y + 18.0, Anchor::Middle)];
        self.place(places.chain(over), class, words)
    }

    /// A label beside a vertical line, as high as there is room.
    pub(super) fn beside_vertical(&mut self, x: f64, class: &str, words: &str) -> Option<Markup> {
        let rows = ((self.bottom - self.top) / 15.0) as usize;
        let first = self.top + 12.0;
        let places = (0..rows).map(|row| first + 15.0 * row as f64);
        self.place(places.flat_map(|y| [(x + 4.0, y, Anchor::Start), (x - 4.0, y, Anchor::End)]), class, words)
    }

    /// A label over or under a horizontal line, at its right end or its left.
    pub(super) fn along_horizontal(&mut self, y: f64, class: &str, words: &str) -> Option<Markup> {
        let ends = [(self.right - 4.0, Anchor::End), (self.left + 4.0, Anchor::Start)];
        let places = [y - 4.0, y + 13.0].into_iter().flat_map(|y| ends.map(|(x, anchor)| (x, y, anchor)));
        self.place(places, class, words)
    }

    fn place(&mut self, places: impl Iterator<Item = (f64, f64, Anchor)>, class: &str, words: &str) -> Option<Markup> {
        let width = text_width(words);
        let (_, rect, (x, y, anchor)) = places
            .map(|(x, y, anchor)| (rect_of(x, y, anchor, width), (x, y, anchor)))
            .filter(|(rect, _)| self.is_free(rect))
            .map(|(rect, place)| (self.points.iter().filter(|point| covers(&rect, point)).count(), rect, place))
            .min_by_key(|(hidden, ..)| *hidden)?;
        self.labels.push(rect);
        Some(text(x, y, anchor, class, words))
    }

    fn is_free(&self, [left, top, right, bottom]: &Rect) -> bool {
        let inside =
            *left >= self.left && *right <= self.right && *top >= self.top - 1.0 && *bottom <= self.bottom + 1.0;
        inside
            && self
                .labels
                .iter()
                .all(|other| *left >= other[2] || *right <= other[0] || *top >= other[3] || *bottom <= other[1])
    }
}

fn rect_of(x: f64, y: f64, anchor: Anchor, width: f64) -> Rect {
    let left = match anchor {
        Anchor::Start => x,
        Anchor::Middle => x - width / 2.0,
        Anchor::End => x - width,
    };
    [left, y - 0.95 * TEXT_SIZE, left + width, y + 0.3 * TEXT_SIZE]
}

fn covers([left, top, right, bottom]: &Rect, [x, y]: &[f64; 2]) -> bool {
    (left..=right).contains(&x) && (top..=bottom).contains(&y)
}
