//! A scale from values to units of the view box, and its ticks at round numbers.

use super::svg::text_width;

/// The space that two tick labels leave between them, in units.
const LABEL_GAP: f64 = 12.0;
/// Coordinates are held within this, so that a wild value cannot blow up the file.
const COORDINATE_MAX: f64 = 9_999.0;

/// Values along a line of the drawing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scale {
    range: [f64; 2],
    log: bool,
    units: [f64; 2],
}

/// A place on a scale and what is written there.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tick {
    pub value: f64,
    pub label: String,
}

impl Scale {
    /// A scale that puts `range` on `units`. A range that is none (not finite, empty, not positive where `log`) becomes
    /// the nearest that is one, so that a plot without data is an empty plot.
    pub(super) fn new(range: [f64; 2], log: bool, units: [f64; 2]) -> Self {
        Self { range: sound(range, log), log, units }
    }

    /// Where a value stands; none for what is not finite, or not positive where the scale is logarithmic.
    pub(super) fn at(&self, value: f64) -> Option<f64> {
        let along = |v: f64| if self.log { v.ln() } else { v };
        let [low, high] = self.range.map(along);
        let share = (along(value) - low) / (high - low);
        let [from, to] = self.units;
        (value.is_finite() && share.is_finite())
            .then(|| (from + share * (to - from)).clamp(-COORDINATE_MAX, COORDINATE_MAX))
    }

    /// The same, held between the ends of the scale.
    pub(super) fn at_clamped(&self, value: f64) -> Option<f64> {
        let [from, to] = self.units;
        self.at(value).map(|at| at.clamp(from.min(to), from.max(to)))
    }

    /// Whether a value lies on the scale.
    pub(super) fn holds(&self, value: f64) -> bool {
        (self.range[0]..=self.range[1]).contains(&value)
    }

    /// As many ticks, up to about six, as leave room between labels written beside each other.
    pub(super) fn ticks_across(&self) -> Vec<Tick> {
        self.ticks_where(|tick| {
            let width = text_width(&tick.label);
            // The last label moves inwards where it is wider than the margin.
            width + LABEL_GAP.max(width / 2.0 - 8.0)
        })
    }

    /// As many ticks, up to about six, as leave room between labels written over each other.
    pub(super) fn ticks_up(&self) -> Vec<Tick> {
        self.ticks_where(|_| 26.0)
    }

    fn ticks_where(&self, room: impl Fn(&Tick) -> f64) -> Vec<Tick> {
        let fits = |ticks: &[Tick]| {
            ticks.windows(2).all(|pair| {
                let apart = self.at(pair[1].value).zip(self.at(pair[0].value)).map_or(0.0, |(a, b)| (a - b).abs());
                apart >= (room(&pair[0]) + room(&pair[1])) / 2.0
            })
        };
        (1..=6).rev().map(|count| self.ticks(count)).find(|ticks| fits(ticks)).unwrap_or_default()
    }

    /// About `count` ticks at round numbers.
    pub(super) fn ticks(&self, count: usize) -> Vec<Tick> {
        let [low, high] = self.range;
        if self.log {
            let ticks = decades(low, high, count);
            if ticks.len() >= 2 {
                return ticks;
            }
        }
        let step = round_step((high - low) / count as f64);
        let decimals = (-step.log10().floor()).max(0.0) as usize;
        let is_extreme = decimals > 5 || low.abs().max(high.abs()) >= 1e7;
        let first = (low / step - 1e-9).ceil();
        (0..=2 * count)
            .map(|i| (first + i as f64) * step)
            .take_while(|value| *value <= high + 1e-9 * step)
            .map(|value| Tick { value, label: if is_extreme { scientific(value) } else { decimal(value, decimals) } })
            .collect()
    }
}

/// The nearest range that can be drawn.
fn sound([low, high]: [f64; 2], log: bool) -> [f64; 2] {
    let usable = low.is_finite() && high.is_finite() && (high - low).is_finite();
    match (usable && low < high, log) {
        (true, false) => [low, high],
        (true, true) if low > 0.0 => [low, high],
        (true, true) if high > 0.0 => [high / 1000.0, high],
        (false, false) if usable => [low - 0.5, low + 0.5],
        (_, true) => [0.1, 1.0],
        (_, false) => [0.0, 1.0],
    }
}

/// The smallest of 1, 2 and 5 times a power of ten that is no less than `raw`.
fn round_step(raw: f64) -> f64 {
    let power = 10f64.powf(raw.log10().floor());
    [1.0, 2.0, 5.0]
        .into_iter()
        .map(|digit| digit * power)
        .find(|step| *step >= raw * (1.0 - 1e-9))
        .unwrap_or(10.0 * power)
}

/// At most `count` and a few powers of ten from `low` to `high`; where there are fewer than three, 1, 2 and 5 times them.
fn decades(low: f64, high: f64, count: usize) -> Vec<Tick> {
    let (first, last) = ((low.log10() - 1e-9).floor() as i32, (high.log10() + 1e-9).floor() as i32);
    let within = |value: &f64| (low * (1.0 - 1e-9)..=high * (1.0 + 1e-9)).contains(value);
    let powers: Vec<i32> = (first..=last).filter(|k| within(&10f64.powi(*k))).collect();
    let stride = powers.len().div_ceil(count).max(1);
    if powers.len() >= 3 || count == 1 {
        let plain = -3 <= first && last <= 4;
        let label = |k: i32| if plain { decimal(10f64.powi(k), (-k).max(0) as usize) } else { power_of_ten(k) };
        return powers.into_iter().step_by(stride).map(|k| Tick { value: 10f64.powi(k), label: label(k) }).collect();
    }
    let digits: &[f64] = if count >= 4 { &[1.0, 2.0, 5.0] } else { &[1.0] };
    (first..=last)
        .flat_map(|k| digits.iter().map(move |digit| (k, digit * 10f64.powi(k))))
        .filter(|(_, value)| within(value))
        .map(|(k, value)| Tick { value, label: decimal(value, (-k).max(0) as usize) })
        .collect()
}

/// A number with so many decimals, thousands apart and a true minus.
pub(super) fn decimal(value: f64, decimals: usize) -> String {
    let digits = format!("{:.decimals$}", value.abs());
    let (whole, fraction) = digits.split_once('.').unwrap_or((&digits, ""));
    let mut out =
        String::from(if value < 0.0 && digits.bytes().any(|b| (b'1'..=b'9').contains(&b)) { "−" } else { "" });
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    if !fraction.is_empty() {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

/// A round number too small or too large to be written out, such as `2.5e−8`.
fn scientific(value: f64) -> String {
    // Three digits take away what is left of the step's rounding.
    let digits = format!("{value:.3e}");
    let (mantissa, exponent) = digits.split_once('e').unwrap_or((&digits, "0"));
    let mantissa = mantissa.trim_end_matches('0').trim_end_matches('.');
    if value == 0.0 { "0".to_owned() } else { format!("{mantissa}e{exponent}").replace('-', "−") }
}

fn power_of_ten(exponent: i32) -> String {
    let raised = |c: char| match c {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        digit => char::from_u32('⁰' as u32 + digit as u32 - '0' as u32).unwrap_or(digit),
    };
    match exponent {
        0 => "1".to_owned(),
        1 => "10".to_owned(),
        _ => format!("10{}", exponent.to_string().chars().map(raised).collect::<String>()),
    }
}
