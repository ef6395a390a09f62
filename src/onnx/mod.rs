//! Writing ONNX graphs and changing them: what the trainer exports, small generated models for tests, other precisions,
//! ensembles; and running tree ensembles, which not every engine can.
//!
//! Opset 17, nodes in topological order, weights inside the file. Tensors are `[n, channels, height, width]`.
//!
//! ```
//! use s2infer::onnx::{Conv, GraphBuilder, Weights};
//!
//! let mut graph = GraphBuilder::new("brightness", Weights::Fp32);
//! let x = graph.input("input", &[None, Some(3), Some(64), Some(64)]);
//! let weight = graph.weight("mean.weight", &[1, 3, 1, 1], &[1.0 / 3.0; 3]);
//! let grey = graph.conv(&x, &weight, None, Conv::default());
//! let pooled = graph.global_average_pool(&grey);
//! let logit = graph.flatten(&pooled);
//! graph.output("logits", &logit, &[None, Some(1)]);
//! let file: Vec<u8> = graph.finish();
//! # assert!(file.len() > 100);
//! ```

mod builder;
mod composites;
#[cfg(any(feature = "ort", feature = "openvino"))]
pub(crate) mod dense;
pub(crate) mod graph;
pub(crate) mod merge;
mod operators;
pub(crate) mod parts;
mod precision;
pub(crate) mod tensor;
mod trees;
pub(crate) mod wire;

pub(crate) use builder::int;
pub use builder::{GraphBuilder, OPSET, Value};
pub use operators::{Conv, Resampling};
pub use tensor::Weights;
pub use trees::Trees;
