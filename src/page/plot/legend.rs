//! The key of a plot's series, in rows above it.

use maud::{Markup, html};

use super::svg::{Anchor, LINE_HEIGHT, WIDTH, colour, elide, line, marker, rect, text, text_width};

/// How a series is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    /// A line, solid or dashed.
    Line { dashed: bool },
    /// A point.
    Point,
    /// An area, filled so that others show through.
    Area,
    /// A bar.
    Bar,
}

/// Width of the sign in front of a name, with the space after it.
const SIGN: f64 = 26.0;

/// The key and its height; nothing where no series has a name.
pub(super) fn legend<'a>(series: impl IntoIterator<Item = (usize, Key, &'a str)>) -> (Markup, f64) {
    let (mut x, mut y) = (0.0, 0.0);
    let mut body = Vec::new();
    for (index, key, name) in series.into_iter().filter(|(.., name)| !name.is_empty()) {
        let name = elide(name, WIDTH - SIGN);
        let width = SIGN + text_width(&name);
        if y == 0.0 || x + width > WIDTH {
            (x, y) = (0.0, y + LINE_HEIGHT);
        }
        body.push(html! {
            (sign(index, key, x, y - 4.5))
            (text(x + SIGN, y, Anchor::Start, "", &name))
        });
        x += width + 14.0;
    }
    let height = if y == 0.0 { 0.0 } else { y + 9.0 };
    (html! { @for entry in body { (entry) } }, height)
}

fn sign(index: usize, key: Key, x: f64, y: f64) -> Markup {
    let class = colour(index);
    match key {
        Key::Line { dashed } => {
            let class = format!("line {class}{}", if dashed { " dashed" } else { "" });
            line(&class, [x, y], [x + 20.0, y])
        }
        Key::Point => html! {
            (line(&format!("line {class}"), [x, y], [x + 20.0, y]))
            (marker(index, [x + 10.0, y], 4.0))
        },
        Key::Bar => rect(&format!("solid {class}"), [x + 4.0, y - 4.0], [x + 18.0, y + 4.0]),
        Key::Area => rect(&format!("area {class}"), [x + 2.0, y - 5.0], [x + 18.0, y + 5.0]),
    }
}
