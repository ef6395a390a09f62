//! Training a ResNet-18 on labelled patches, from pixels to a complete model folder. Stands beside the street and
//! uses it; behind the feature `train`, because it needs libtorch.
//!
//! The recipe is plain on purpose: binary cross-entropy, AdamW, cosine schedule with warm-up, the eight symmetries of
//! the square. The epoch is chosen on patches that no gradient saw.
//!
//! | part | files |
//! | --- | --- |
//! | data | [`patches`] (the manifest), [`eurosat`], [`places`], [`pixels`] |
//! | network | [`network`] (one description), [`parameters`], [`forward`] (runs it), [`export`] (writes it as ONNX) |
//! | training | [`fit`], [`optimiser`], [`augment`], [`metrics`], [`mlflow`] |
//! | simulated shift | [`render`], by [`crate::simulate`] |
//! | result | [`folder`], [`calibration`], [`card`], [`report`], [`interval`] |

pub mod augment;
pub mod calibration;
pub mod card;
pub mod eurosat;
pub mod export;
pub mod fit;
pub mod folder;
pub mod forward;
pub mod interval;
pub mod metrics;
pub mod mlflow;
pub mod network;
pub mod optimiser;
pub mod parameters;
pub mod patches;
pub mod pixels;
pub mod places;
pub mod render;
pub mod report;
