//! Other precisions: a model's graph in 8 bits or in half precision, and the gate that it must pass.
//!
//! Beside the street. A quantised model is a folder of its own: its own graph, golden batch and threshold profile, made
//! by the same means as the original's, and refused where any group of season and sky loses more than the [`Budget`].
//!
//! ```text
//! fold ─▶ observe ─▶ range ─▶ qdq ─▶ noise of the logits, by group: the best of all ways
//!             └─ equalise ─┘    └─▶ twins: which layers stay in floating point, biases
//! ```

mod equalise;
mod fold;
mod gate;
mod half;
mod int8;
mod noise;
mod observe;
mod places;
mod qdq;
mod range;
mod sample;
mod scale;
mod twins;

#[cfg(test)]
mod tests;

pub use gate::{Budget, Gate, GroupLoss, Scored};
pub use half::{HalfReport, half};
pub use int8::{Int8, LayerReport, Settings, Tiles, Trial, int8, layer_names};
pub use range::Method;
pub use sample::{Counted, unseen_loss};
pub use scale::{Activations, WeightSteps};
