//! Bars in groups, lying down so that their names can be read on a phone.

use maud::{Markup, html};

use super::legend::{Key, legend};
use super::scale::{Scale, decimal};
use super::svg::{Anchor, Drawing, LINE_HEIGHT, WIDTH, colour, elide, line, rect, text, text_width};

/// The widest that labels may grow.
const LABEL_MAX: f64 = 150.0;
/// Thickness of a bar and the space to the next.
const BAR: f64 = 15.0;

/// Bars in groups: a group for each category, a bar in it for each series.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Bars {
    /// From top to bottom.
    pub categories: Vec<String>,
    /// Names, and a value of 0 or more for each category.
    pub series: Vec<(String, Vec<f64>)>,
    /// The name of the values, with the unit.
    pub value_label: String,
}

impl Bars {
    pub(super) fn draw(&self) -> Drawing {
        let (key, top) = legend(self.series.iter().enumerate().map(|(i, (name, _))| (i, Key::Bar, name.as_str())));
        let values = || self.series.iter().flat_map(|(_, values)| values).copied().filter(|value| value.is_finite());
        let most = values().fold(0.0, f64::max);
        let number = values().map(|value| text_width(&written(value))).fold(0.0, f64::max);
        let widest = self.categories.iter().map(|name| text_width(name)).fold(0.0, f64::max).min(LABEL_MAX);
        // The number at the end of a bar stands outside the scale.
        let (left, right) = (widest + 9.0, WIDTH - 6.0 - number);
        let scale = Scale::new([0.0, if most > 0.0 { most } else { 1.0 }], false, [left, right]);
        let top = top + 4.0;
        let band = BAR * self.series.len() as f64 + 8.0;
        let bottom = top + band * self.categories.len() as f64;
        let body = html! {
            (key)
            @for (i, name) in self.categories.iter().enumerate() {
                (text(left - 9.0, top + band * (i as f64 + 0.5) + 4.5, Anchor::End, "", &elide(name, LABEL_MAX)))
                @for (j, (_, values)) in self.series.iter().enumerate() {
                    @if let Some(value) = values.get(i) {
                        (bar(j, *value, top + band * i as f64 + 4.0 + BAR * j as f64, &scale))
                    }
                }
            }
            (line("base", [left, top], [left, bottom]))
            (text(left, bottom + LINE_HEIGHT, Anchor::Start, "name", &elide(&self.value_label, WIDTH - left)))
        };
        Drawing { width: WIDTH, height: bottom + LINE_HEIGHT + 8.0, body }
    }
}

fn bar(series: usize, value: f64, top: f64, scale: &Scale) -> Markup {
    let Some((from, to)) = scale.at_clamped(0.0).zip(scale.at_clamped(value)) else { return html! {} };
    html! {
        (rect(&format!("solid {}", colour(series)), [from, top + 1.0], [to, top + BAR - 1.0]))
        (text(to + 5.0, top + BAR / 2.0 + 4.5, Anchor::Start, "", &written(value)))
    }
}

/// Counts without decimals, other numbers with three.
fn written(value: f64) -> String {
    decimal(value, if value.fract() == 0.0 { 0 } else { 3 })
}
