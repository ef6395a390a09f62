//! Model folders, and other people's models: what a model is, whether it may run, and what it must reproduce before it
//! does.

mod assets;
mod built_in;
mod describe;
mod ensemble;
pub mod expression;
mod files;
pub mod foreign;
mod golden;
mod graph;
mod load;
pub mod manifest;
mod seal;

pub use assets::{Asset, Role, sha256};
pub use describe::describe;
pub use ensemble::{MEMBER_FILES, Prefilter, read_trees};
pub use expression::Expression;
pub use golden::{check_golden, write_golden};
pub use graph::Facts;
pub use manifest::Manifest;
pub use seal::{REFERENCE, seal};

/// A verified model: its manifest, and a graph that was scanned and re-encoded from what was scanned.
#[derive(Debug, Clone)]
pub struct Model {
    /// The manifest.
    pub manifest: Manifest,
    /// SHA-256 of the ONNX file as it lies in the folder, in lower-case hexadecimal. Of a model of several files it is that
    /// of a list with the hash of each and the threshold or cut-off that stands in the manifest.
    pub sha256: String,
    /// The ONNX graph the engines get: fp32, no external data, dynamic first axis.
    pub graph: Vec<u8>,
    /// What the scan counted.
    pub facts: Facts,
    /// The trees before the network, if it has any and they are to be asked.
    pub gate: Option<Prefilter>,
    /// Input and expected output that the engine must reproduce; none of a model that is unsealed.
    pub golden: Option<Golden>,
    /// The model's own threshold profile (`profile.json`), if it has one.
    pub profile: Option<Vec<u8>>,
    /// The model's own drift reference (`reference.json`), if it has one.
    pub reference: Option<Vec<u8>>,
    /// What was made of a model that is no folder.
    pub unsealed: Option<foreign::Unsealed>,
}

impl Model {
    /// Whether its graph was exported for one row at a time.
    pub fn is_single_row(&self) -> bool {
        self.unsealed.as_ref().is_some_and(|unsealed| unsealed.is_single_row)
    }

    /// Whether its prefilter is asked; none of a model without one.
    pub fn asks_prefilter(&self) -> Option<bool> {
        self.manifest.gate.as_ref().map(|_| self.gate.is_some())
    }

    /// The golden batch.
    ///
    /// # Errors
    /// [`crate::Kind::Usage`] for a model that is unsealed and has none.
    pub fn golden(&self) -> crate::Result<&Golden> {
        let missing =
            || crate::Error::usage(format!("{} is unsealed: `s2infer seal` makes a folder of it", self.manifest.name));
        self.golden.as_ref().ok_or_else(missing)
    }
}

/// The golden batch: `input` as the model sees it (after preprocessing), NCHW, and the raw `output` for it.
#[derive(Debug, Clone)]
pub struct Golden {
    /// `[n, bands, height, width]`
    pub input: ndarray::Array4<f32>,
    /// `[n, …]`
    pub output: ndarray::ArrayD<f32>,
}
