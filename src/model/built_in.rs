//! The model that is part of the binary.

/// Its name for `--model`.
pub(super) const NAME: &str = "construction";

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_bytes!(concat!("../../models/construction/", $name)))),*]
    };
}

/// Its files; an empty one counts as absent.
pub(super) static FILES: &[(&str, &[u8])] =
    files!["model.json", "model.onnx", "golden.safetensors", "card.md", "profile.json", "reference.json"];
