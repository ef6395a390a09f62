//! `--no-prefilter`, of a run and of what measures or calibrates as it does.

use clap::Args;
use s2infer::model::Model;
use s2infer::{Error, Result};

/// Whether the prefilter of a model is asked.
#[derive(Debug, Clone, Copy, Args)]
pub struct PrefilterArgs {
    /// Let the network look at every window, also at those that the model's prefilter would spare it.
    #[arg(long)]
    pub no_prefilter: bool,
}

impl PrefilterArgs {
    /// Takes the prefilters away where they are not wanted.
    ///
    /// # Errors
    /// [`s2infer::Kind::Usage`] where none of the models has one.
    pub fn apply<'a>(&self, models: impl Iterator<Item = &'a mut Model>) -> Result<()> {
        let mut without: Vec<String> = Vec::new();
        let mut is_taken = false;
        for model in models.filter(|_| self.no_prefilter) {
            is_taken |= model.gate.take().is_some();
            without.push(model.manifest.name.clone());
        }
        match without.is_empty() || is_taken {
            true => Ok(()),
            false => Err(Error::usage(format!("--no-prefilter: {} has no prefilter", without.join(", ")))),
        }
    }
}
