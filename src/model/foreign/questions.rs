//! What is still open of a model: one error with every question, the flag that answers it, and an example.

use std::path::Path;

use super::{Description, Scale, Stated};
use crate::Error;

/// Bands that models of so many channels usually take, for examples: red, green, blue first.
const EXAMPLE_BANDS: [&str; 13] =
    ["B04", "B03", "B02", "B08", "B11", "B12", "B05", "B06", "B07", "B8A", "B01", "B09", "B10"];
/// Statistics above this are of no reflectance.
const REFLECTANCE_STATISTIC_MAX: f64 = 10.0;

/// What is still open.
#[derive(Default)]
pub struct Questions(Vec<(String, &'static str, String)>);

impl Questions {
    /// Adds a question; the example is the first word of `example`.
    pub fn ask(&mut self, what: &str, flag: &'static str, example: &str) {
        self.0.push((what.to_owned(), flag, example.to_owned()));
    }

    /// Asks for whatever is open of what every model needs said.
    pub fn of(description: &Description, stated: &Stated, channels: Option<i64>) -> Self {
        let mut open = Self::default();
        if stated.bands.is_none() && description.bands.is_none() {
            let count = channels.unwrap_or(3).clamp(1, EXAMPLE_BANDS.len() as i64) as usize;
            open.ask(
                "the order of its bands",
                "--model-bands",
                &EXAMPLE_BANDS.get(..count).unwrap_or_default().join(","),
            );
        }
        if stated.scale.is_none() {
            open.ask(&scale_question(description), "--model-scale", example_scale(description));
        }
        if stated.level.is_none() {
            open.ask("the processing level that it was trained on (L1C, L2A or unknown)", "--model-level", "L2A");
        }
        open
    }

    /// One line: what is open, the flags that say it, and a command that says all.
    pub fn error(self, path: &Path, stated: &Stated) -> Error {
        let open: Vec<String> = self.0.iter().map(|(what, flag, _)| format!("{flag}: {what}")).collect();
        let said = [
            ("--model-bands", stated.bands.as_ref().map(|bands| bands.join(","))),
            ("--model-scale", stated.scale.as_ref().map(Scale::to_string)),
            ("--model-level", stated.level.clone()),
        ];
        let said = said.into_iter().filter_map(|(flag, value)| Some((flag, value?)));
        let asked = self.0.iter().map(|(_, flag, example)| {
            (*flag, example.split_once(' ').map_or(example.as_str(), |(value, _)| value).to_owned())
        });
        let flags: Vec<String> = said.chain(asked).map(|(flag, value)| format!("{flag} {value}")).collect();
        Error::usage(format!(
            "it does not say, and nothing is guessed: {}; for example `s2infer scene.tif --model {} {}`",
            open.join("; "),
            path.display(),
            flags.join(" ")
        ))
    }
}

/// The largest of its statistics, where that is of no reflectance.
fn looks_like_dn(description: &Description) -> Option<f64> {
    let statistics = description.standardisation.iter().flat_map(|(mean, deviation)| [*mean, *deviation]);
    let largest = statistics.chain(description.clip.into_iter().flatten()).fold(0.0, f64::max);
    (largest > REFLECTANCE_STATISTIC_MAX).then_some(largest)
}

/// Asks for the scale.
fn scale_question(description: &Description) -> String {
    format!("what its numbers are before mean and deviation ({})", scale_forms(description))
}

/// The scales there are, with what its statistics tell.
pub fn scale_forms(description: &Description) -> String {
    let forms = Scale::FORMS;
    match looks_like_dn(description) {
        Some(number) => format!(
            "{forms}; its statistics go up to {number}, which is no reflectance: dn, dn+1000 where the offset of baseline \
             04.00 was left in, or 0-255:WHITE"
        ),
        None => format!("{forms}; WHITE is the reflectance of an 8-bit picture's 255"),
    }
}

/// The scale that is likeliest, for an example.
fn example_scale(description: &Description) -> &'static str {
    match (looks_like_dn(description), description.bands.is_some()) {
        (Some(_), _) => "dn",
        (None, true) => "reflectance",
        (None, false) => "0-1:0.3",
    }
}
