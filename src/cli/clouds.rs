//! `--cloud-model`: from its name to what a run is told.

use s2infer::infer::engine;
use s2infer::model::Model;
use s2infer::model::manifest::Head;
use s2infer::output::NamedFile;
use s2infer::pipeline::CloudModel;
use s2infer::{Error, Result};

use super::claims::Claims;
use super::flags::{CloudArgs, EngineArgs};

/// What classes of cloud are called where nobody names them.
const USUAL: [&str; 2] = ["cloud", "clouds"];

impl CloudArgs {
    /// The model, if one is asked for, and its engine.
    ///
    /// # Errors
    /// Those of loading it; [`s2infer::Kind::Usage`] for one that makes no maps or lacks the classes.
    pub fn open(&self, engines: &EngineArgs) -> Result<Option<CloudModel>> {
        let Some(name) = &self.cloud_model else { return Ok(None) };
        let model = Model::resolve(name).map_err(|error| match error.to_string().strip_prefix("--model ") {
            Some(said) => Error::usage(format!("--cloud-model {said}")),
            None => error.context("--cloud-model"),
        })?;
        if model.manifest.head != Head::Segmentation {
            return Err(Error::usage(format!(
                "--cloud-model {name}: it gives a window a score, and clouds are found by a segmentation model"
            )));
        }
        let classes = self.classes(name, &model.manifest.classes)?;
        let engine = engine::open(&engines.request(model.manifest.precision))?.into();
        Ok(Some(CloudModel { model, classes, engine, always: self.cloud_model_always }))
    }

    /// The files of the model's folder, none of which an output may be.
    ///
    /// # Errors
    /// [`s2infer::Kind::Usage`] for an output that is one of them.
    pub fn claim(&self, claims: &Claims, clouds: &CloudModel) -> Result<()> {
        let folder = self.cloud_model.as_deref().and_then(Model::folder);
        let manifest = &clouds.model.manifest;
        folder.map_or(Ok(()), |folder| claims.model_folder("--cloud-model's", &folder, manifest, |_| true))
    }

    /// What rows depend on of it.
    pub fn key(clouds: &CloudModel) -> serde_json::Value {
        serde_json::json!([clouds.model.sha256, clouds.model.manifest.item, clouds.classes, clouds.always])
    }

    fn classes(&self, name: &str, known: &[String]) -> Result<Vec<usize>> {
        let index = |class: &str| known.iter().position(|known| known.eq_ignore_ascii_case(class));
        let classes: Vec<usize> = match self.cloud_class.as_slice() {
            [] => USUAL.iter().filter_map(|usual| index(usual)).collect(),
            named => named
                .iter()
                .map(|class| {
                    index(class).ok_or_else(|| {
                        Error::usage(format!("--cloud-class {class}: {name} has the classes {}", known.join(", ")))
                    })
                })
                .collect::<Result<_>>()?,
        };
        if classes.is_empty() {
            return Err(Error::usage(format!(
                "--cloud-model {name}: none of its classes is called cloud; name those that are with --cloud-class ({})",
                known.join(", ")
            )));
        }
        Ok(classes)
    }
}

/// The model by name and content, for the record.
pub fn named(clouds: &CloudModel) -> NamedFile {
    NamedFile { name: clouds.model.manifest.name.clone(), sha256: clouds.model.sha256.clone() }
}
