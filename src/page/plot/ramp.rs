//! Colours for values: one sequence from pale yellow over teal to deep blue, which grows darker all the way and so reads
//! the same to eyes that tell colours apart badly, and on a grey print.

/// Red, green and blue from 0 to 255.
pub(super) type Rgb = [f64; 3];

const STOPS: [Rgb; 5] =
    [[255.0, 249.0, 214.0], [180.0, 222.0, 190.0], [78.0, 178.0, 190.0], [37.0, 103.0, 167.0], [18.0, 38.0, 92.0]];

/// The colour at a share of the way, held to the ends.
pub(super) fn colour_at(share: f64) -> Rgb {
    let along = share.clamp(0.0, 1.0) * (STOPS.len() - 1) as f64;
    let stop = (along as usize).min(STOPS.len() - 2);
    let rest = along - stop as f64;
    std::array::from_fn(|i| STOPS[stop][i] + rest * (STOPS[stop + 1][i] - STOPS[stop][i]))
}

/// `#rrggbb`.
pub(super) fn hex(colour: Rgb) -> String {
    let [red, green, blue] = colour.map(|channel| channel.round() as u8);
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// The class of text on a colour: black or white, whichever stands out more. The better of the two always has a contrast
/// of 4.5 to 1 or more, the least that WCAG 2.2 (success criterion 1.4.3) asks of text.
pub(super) fn ink_on(colour: Rgb) -> &'static str {
    let light = luminance(colour);
    if (light + 0.05) / 0.05 >= 1.05 / (light + 0.05) { "on-light" } else { "on-dark" }
}

/// Relative luminance from 0 to 1, as WCAG 2.2 defines it.
pub(super) fn luminance(colour: Rgb) -> f64 {
    let [red, green, blue] = colour.map(|channel| {
        let c = channel / 255.0;
        if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
    });
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}
