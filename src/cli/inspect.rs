//! `s2infer inspect MODEL|TILE`: what it is, for people and for programs.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use s2infer::inspect::tile_facts;
use s2infer::model::foreign::foreign_facts;
use s2infer::model::{Model, describe};
use s2infer::raster::address;
use s2infer::scene::{Product, SceneOptions};
use s2infer::{Error, Kind, Result};
use serde_json::Value;

use super::flags::{BUILT_IN, SceneArgs};
use super::foreign::ForeignArgs;
use super::{Common, logging, shell};

const EXAMPLES: &str = "\
Examples:
  s2infer inspect construction
  s2infer inspect roads.onnx --model-bands B04,B03,B02 --model-scale 0-1:0.3 --model-level L2A
  s2infer inspect models/my-model --format json
  s2infer inspect tile.tif --model construction
  s2infer inspect S2B_MSIL2A_20240615T101559_N0510_R065_T32UPU_20240615T134512.SAFE";

/// Looking at a model or a tile.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Inspect {
    /// A tile, a product (a SAFE folder, a .SAFE.zip, a folder of bands, a STAC item), a tile or STAC item at an address
    /// (all of whose pixels are fetched), a model folder, the name of a model, or another's model (an ONNX file, a STAC-MLM
    /// item).
    subject: PathBuf,
    /// The model whose input a tile is compared with.
    #[arg(long, value_name = "NAME|FOLDER|FILE", default_value = BUILT_IN)]
    model: String,
    #[command(flatten)]
    foreign: ForeignArgs,
    #[command(flatten)]
    scene: SceneArgs,
    /// What is printed.
    #[arg(long, value_enum, default_value = "text")]
    format: FormatArg,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FormatArg {
    Text,
    Json,
}

impl Inspect {
    /// Runs and gives the exit code.
    pub fn run(self) -> Result<u8> {
        logging::init(&self.common);
        let facts = if is_tile(&self.subject) { self.tile(&self.scene.options()?)? } else { self.model()? };
        let text = match self.format {
            FormatArg::Json => serde_json::to_string_pretty(&facts).map_err(Error::output)? + "\n",
            FormatArg::Text => {
                let mut text = String::new();
                render(&facts, 0, &mut text);
                text
            }
        };
        shell::print(text.as_bytes())
    }

    fn model(&self) -> Result<Value> {
        let name = self.subject.to_str().ok_or_else(|| {
            Error::usage(format!("`{}` is neither a file nor the name of a model", self.subject.display()))
        })?;
        match self.foreign.resolve(name) {
            // What is open is a fact of the model too.
            Err(error) if error.kind() == Kind::Usage && Model::is_foreign(name) => {
                let mut facts = foreign_facts(name)?;
                facts["open"] = error.to_string().into();
                Ok(facts)
            }
            model => Ok(describe(&model?)),
        }
    }

    fn tile(&self, options: &SceneOptions) -> Result<Value> {
        tile_facts(&self.subject, options, || self.foreign.resolve(&self.model))
    }
}

/// Whatever is there and is no folder is read as a tile, so that its errors are a tile's; of folders, products. At an address
/// lie no models.
fn is_tile(path: &Path) -> bool {
    if address(path).is_some() {
        return true;
    }
    let is_model = path.to_str().is_some_and(Model::is_foreign);
    !is_model && path.symlink_metadata().is_ok() && (!path.is_dir() || Product::is_product(path))
}

/// A value as an indented outline.
fn render(value: &Value, depth: usize, text: &mut String) {
    let pad = "  ".repeat(depth);
    let mut line = |key: &str, value: &Value| {
        let is_flat = |value: &Value| !value.is_object() && !value.is_array();
        match value {
            Value::Array(items) if items.iter().all(is_flat) => {
                let items: Vec<String> = items.iter().map(scalar).collect();
                let _ = writeln!(text, "{pad}{key}: {}", items.join(", "));
            }
            Value::Object(_) | Value::Array(_) => {
                let _ = writeln!(text, "{pad}{key}:");
                render(value, depth + 1, text);
            }
            _ => {
                let _ = writeln!(text, "{pad}{key}: {}", scalar(value));
            }
        }
    };
    match value {
        Value::Object(entries) => entries.iter().for_each(|(key, value)| line(key, value)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, value)| line(&(index + 1).to_string(), value))
        }
        other => line("", other),
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::Null => "unknown".into(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
