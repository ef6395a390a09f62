//! A training in words, for the card, the manifest and the log.

use s2infer::train::fit::Machine;
use s2infer::train::forward::Precision;
use s2infer::train::network::Architecture;
use s2infer::train::recipe::Recipe;

/// The network and the recipe for the card and the manifest.
pub fn in_words(architecture: &Architecture, recipe: &Recipe, machine: Machine) -> Vec<(String, String)> {
    let layers = match machine.precision {
        Precision::Fp32 => "fp32",
        Precision::Bf16 => "bf16, parameters fp32",
    };
    let mut words = vec![("network".to_owned(), architecture.to_string()), ("layers".to_owned(), layers.to_owned())];
    if let Ok(serde_json::Value::Object(settings)) = serde_json::to_value(recipe) {
        for (name, value) in settings {
            words.push((name.replace('_', " "), plain(&value)));
        }
    }
    words
}

/// A setting without JSON's marks: `kind focal, gamma 2.0`.
fn plain(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Object(fields) => {
            let fields: Vec<String> =
                fields.iter().map(|(name, value)| format!("{} {}", name.replace('_', " "), plain(value))).collect();
            fields.join(", ")
        }
        serde_json::Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(" to "),
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Null => "none".to_owned(),
        other => other.to_string(),
    }
}

/// The command line, with the program by its name alone.
pub fn command() -> String {
    let quoted = |argument: String| match argument.contains([' ', '$', '"']) {
        true => format!("'{argument}'"),
        false => argument,
    };
    let arguments: Vec<String> = std::env::args().skip(1).map(quoted).collect();
    format!("s2train {}", arguments.join(" "))
}
