//! What a calibration and a threshold profile are bound to.

use s2infer::calibrate::{CalibrateRequest, Sites};
use s2infer::decide::{Binding, Bounds, ModelRef, Rule};
use s2infer::infer::preprocess::preprocessing_id;
use s2infer::model::Model;
use s2infer::model::manifest::Tta;

/// What a profile must have been calibrated for.
pub fn binding(model: &Model, tta: Tta) -> Binding {
    Binding {
        model_sha256: model.sha256.clone(),
        precision: model.manifest.precision,
        preprocessing_version: preprocessing_id(&model.manifest),
        tta,
    }
}

/// A calibration of a model, for 80 % with a confidence of 90 %; callers change what they were told.
pub fn request(model: &Model, tta: Tta, rule: Rule) -> CalibrateRequest {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    CalibrateRequest {
        model: ModelRef {
            name: model.manifest.name.clone(),
            sha256: model.sha256.clone(),
            precision: model.manifest.precision,
        },
        preprocessing_version: preprocessing_id(&model.manifest),
        tta,
        rule,
        target_recall: 0.8,
        confidence: 0.9,
        joint: false,
        sites: Sites::Independent,
        unseen_region: false,
        spare_alarms: None,
        bounds: Bounds::default(),
        by_flags: true,
        command: format!("s2infer {}", arguments.join(" ")),
        created: jiff::Timestamp::now(),
    }
}
