//! Training on labelled patches, from pixels to a complete model folder. Stands beside the street and uses it; behind
//! the feature `train`, because it needs libtorch.
//!
//! A [`recipe`] says how: loss, sampling, augmentation, averaging. The epoch is chosen on patches that no gradient
//! saw, by the worst group of season × sky.
//!
//! | part | files |
//! | --- | --- |
//! | data | [`patches`] (the manifest), [`table`], [`eurosat`], [`eurosat_folder`], [`places`], [`pixels`], [`samples`] (in memory), [`render`] (simulated seasons and skies), [`cloud_chips`] (chips with cloud masks), [`suspects`] (masks that the pixels contradict) |
//! | batches | [`sampling`], [`augment`], [`loader`], [`ahead`] |
//! | network | [`network`] (one description), [`parameters`], [`pretrained`], [`forward`] (runs it), [`export`] (writes it as ONNX) |
//! | tasks | [`task`] (what the loop asks of one), [`classify`] (a label a patch), [`segment`] (a label a pixel), [`ensemble`] (a label a patch, by several networks) |
//! | training | [`recipe`], [`fit`], [`loss`], [`groups`] (group-DRO), [`optimiser`], [`refit`], [`checkpoints`], [`mlflow`] |
//! | measures | [`evaluate`], [`outcome`], [`ladder`] |
//! | reports | [`scored`] (scores with labels), [`report`], [`class_report`] |
//! | result | [`folder`], [`calibration`], [`card`] |

pub mod ahead;
pub mod augment;
pub mod calibration;
pub mod card;
pub mod checkpoints;
pub mod class_report;
pub mod classify;
pub mod cloud_chips;
mod declaration;
pub mod ensemble;
pub mod eurosat;
pub mod eurosat_folder;
pub mod evaluate;
pub mod export;
pub mod fit;
pub mod folder;
pub mod forward;
pub mod groups;
pub mod ladder;
pub mod loader;
pub mod loss;
pub mod mlflow;
pub mod network;
pub mod optimiser;
pub mod outcome;
pub mod parameters;
pub mod patches;
pub mod pixels;
pub mod places;
pub mod pretrained;
pub mod recipe;
pub mod refit;
pub mod render;
pub mod report;
pub mod samples;
pub mod sampling;
pub mod scored;
pub mod segment;
pub mod suspects;
pub mod table;
pub mod task;
