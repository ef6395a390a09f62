//! Training a ResNet-18 on labelled patches, from pixels to a complete model folder. Stands beside the street and
//! uses it; behind the feature `train`, because it needs libtorch.
//!
//! The recipe is plain on purpose: binary cross-entropy, AdamW, cosine schedule with warm-up, the eight symmetries of
//! the square. The epoch is chosen on patches that no gradient saw.

pub mod augment;
pub mod eurosat;
pub mod fit;
pub mod forward;
pub mod metrics;
pub mod network;
pub mod optimiser;
pub mod parameters;
pub mod patches;
pub mod pixels;
pub mod places;
