//! What a person says of a model that is no folder, as typed.

use clap::{Args, ValueEnum};
use s2infer::Result;
use s2infer::model::Model;
use s2infer::model::foreign::{Gives, Scale, Stated, Task};
use s2infer::model::manifest::Padding;
use s2infer::scene::canonical_band;

use super::values::{positive, share};

/// Flags for an ONNX file with the metadata of GeoDeep or Deepness, and for a STAC-MLM item.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Other people's models (an ONNX file, a STAC-MLM item)")]
pub struct ForeignArgs {
    /// The model's input bands in the order of its channels, e.g. B04,B03,B02.
    #[arg(long, value_name = "BANDS", value_delimiter = ',')]
    model_bands: Option<Vec<String>>,
    /// What its numbers are before its own mean and deviation: reflectance; dn (reflectance × 10,000); dn+1000 where the
    /// offset of baseline 04.00 was left in; dn/255 or dn/65535 where DN were divided, as Deepness and GeoDeep divide 16 bits;
    /// 0-1:WHITE or 0-255:WHITE for those of 8-bit pictures whose 255 is the reflectance WHITE, clipped there.
    #[arg(long, value_name = "SCALE")]
    model_scale: Option<Scale>,
    /// The processing level that it was trained on.
    #[arg(long, value_name = "LEVEL", value_parser = ["L1C", "L2A", "unknown"])]
    model_level: Option<String>,
    /// What it does, where its metadata does not say.
    #[arg(long, value_enum, value_name = "TASK")]
    model_task: Option<TaskArg>,
    /// What its output is, where its last operator does not tell.
    #[arg(long, value_enum, value_name = "OUTPUT")]
    model_output: Option<GivesArg>,
    /// Its classes in the order of its output, e.g. other,road [default: its metadata's].
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    model_classes: Option<Vec<String>>,
    /// Side of its input in pixels, where its graph leaves it open [default: its metadata's].
    #[arg(long, value_name = "PX", value_parser = clap::value_parser!(u32).range(1..=8192))]
    model_tile: Option<u32>,
    /// Probability from which a pixel is of a class after the first; 0: it is of its likeliest class [default: its metadata's].
    #[arg(long, value_name = "PROBABILITY", value_parser = share)]
    model_threshold: Option<f64>,
    /// Metres of a pixel that it was made for [default: its metadata's].
    #[arg(long, value_name = "METRES", value_parser = positive)]
    model_resolution: Option<f64>,
    /// What a tile smaller than its input gets [default: its metadata's].
    #[arg(long, value_enum, value_name = "PADDING")]
    model_padding: Option<PaddingArg>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum TaskArg {
    /// A class for every window.
    Classification,
    /// A class for every pixel.
    Segmentation,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum GivesArg {
    /// Numbers before any soft-max or sigmoid.
    Logits,
    /// Numbers after it.
    Probabilities,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum PaddingArg {
    /// An error.
    Refuse,
    /// Pixels without data to its right and below.
    Nodata,
}

impl ForeignArgs {
    /// The library's form of these flags.
    pub fn stated(&self) -> Stated {
        let names = |list: &Vec<String>| list.iter().map(|name| name.trim().to_owned()).collect();
        Stated {
            bands: self.model_bands.as_ref().map(|bands| bands.iter().map(|band| canonical_band(band)).collect()),
            scale: self.model_scale.clone(),
            level: self.model_level.clone(),
            task: self.model_task.map(|task| match task {
                TaskArg::Classification => Task::Classification,
                TaskArg::Segmentation => Task::Segmentation,
            }),
            gives: self.model_output.map(|gives| match gives {
                GivesArg::Logits => Gives::Logits,
                GivesArg::Probabilities => Gives::Probabilities,
            }),
            classes: self.model_classes.as_ref().map(names),
            tile_px: self.model_tile,
            threshold: self.model_threshold,
            resolution_m: self.model_resolution,
            padding: self.model_padding.map(|padding| match padding {
                PaddingArg::Refuse => Padding::Refuse,
                PaddingArg::Nodata => Padding::Nodata,
            }),
        }
    }

    /// The model of this name or in this place, and on standard error what was understood of it if it is no folder.
    ///
    /// # Errors
    /// As [`Model::resolve_with`].
    pub fn resolve(&self, name: &str) -> Result<Model> {
        let model = Model::resolve_with(name, &self.stated())?;
        if model.unsealed.is_some() {
            tracing::warn!("{name}: {UNSEALED}");
        }
        understood(&model).iter().for_each(|line| tracing::warn!("{name}: {line}"));
        Ok(model)
    }
}

/// What was understood of a model that is no folder.
pub fn understood(model: &Model) -> &[String] {
    model.unsealed.as_ref().map_or(&[], |unsealed| &unsealed.understood)
}

/// What is to be known of a model that is no folder.
pub const UNSEALED: &str = "the model is unsealed: no golden batch shows that it is computed as its maker's, and no threshold \
                            promises anything; `s2infer seal` makes a folder of it";
