//! Colours of classes and decisions, the same in every picture.

/// Red, green, blue.
pub(super) type Rgb = [u8; 3];

/// What is looked for: outlines of positive windows.
pub(super) const POSITIVE: Rgb = [230, 30, 30];
/// Windows without a decision.
pub(super) const ABSTAINED: Rgb = [150, 150, 150];
/// The background of a map of two classes.
const NEGATIVE: Rgb = [222, 222, 214];
/// Colours that the colour-blind tell apart (Okabe and Ito 2008, without black).
const OKABE_ITO: [Rgb; 7] =
    [[230, 159, 0], [86, 180, 233], [0, 158, 115], [240, 228, 66], [0, 114, 178], [213, 94, 0], [204, 121, 167]];
/// Hues this share of the circle apart never come close to an earlier one for long.
const GOLDEN_RATIO: f32 = 0.618_034;

/// The colour of one of `classes` classes.
pub(super) fn of_class(class: u8, classes: usize) -> Rgb {
    match (classes, class) {
        (2, 0) => NEGATIVE,
        (2, 1) => POSITIVE,
        (_, class) => OKABE_ITO.get(usize::from(class)).copied().unwrap_or_else(|| of_hue(f32::from(class))),
    }
}

/// A medium colour for whatever comes after those chosen by hand.
fn of_hue(step: f32) -> Rgb {
    let hue = 6.0 * (step * GOLDEN_RATIO).fract();
    let channel = |shift: f32| {
        let distance = ((hue + shift).rem_euclid(6.0) - 3.0).abs();
        (70.0 + 150.0 * (distance - 1.0).clamp(0.0, 1.0)) as u8
    };
    [channel(0.0), channel(4.0), channel(2.0)]
}
