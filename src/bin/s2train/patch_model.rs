//! What a model of labelled patches is, on the command line.

use clap::ValueEnum;
use s2infer::model::Manifest;
use s2infer::model::manifest::{Head, Padding, Tta};
use s2infer::train::network::{Architecture, Family, Pooling};
use s2infer::train::patches::{Patch, Split};
use s2infer::{Error, Result};

use super::model::{BandArguments, ModelArguments, Purpose, tta};

/// Windows with fewer valid pixels abstain.
const MINIMUM_VALID_SHARE: f64 = 0.9;

/// The model
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "The model")]
pub struct PatchModelArguments {
    #[command(flatten)]
    pub model: ModelArguments,
    #[command(flatten)]
    bands: BandArguments,
    /// Names of the classes in the order of the labels; of two, the first is the negative one
    #[arg(long, value_name = "NAME,NAME,…", value_delimiter = ',', default_value = "other,construction")]
    classes: Vec<String>,
    /// Network
    #[arg(long, value_enum, default_value = "resnet18")]
    network: NetworkArgument,
    /// Channels of the first stage [default: 64 for ResNets, 40 for ConvNeXt]
    #[arg(long, value_name = "CHANNELS")]
    width: Option<usize>,
    /// Pixels of a patch for one of the network's first stage: 4 as published, 2 or 1 for targets of a few pixels
    #[arg(long, value_name = "1|2|4", default_value = "4", value_parser = stem)]
    stem: usize,
    /// Pooling of the last feature map; gem keeps targets of a few pixels
    #[arg(long, value_enum, default_value = "average")]
    pooling: PoolingArgument,
    /// Height and width of a patch in pixels
    #[arg(long, value_name = "PIXELS", default_value_t = 64)]
    tile_px: u32,
    /// Test-time augmentation that the model asks for
    #[arg(long, value_name = "none|flips|d4", default_value = "d4", value_parser = tta)]
    tta: Tta,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum NetworkArgument {
    Resnet18,
    Resnet50,
    ConvnextAtto,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum PoolingArgument {
    Average,
    Gem,
}

impl PatchModelArguments {
    /// The manifest, with bands that have no statistics yet; `name` is the model's where the flags give none.
    pub fn manifest(&self, name: String, patches: &[Patch]) -> Result<Manifest> {
        if self.classes.len() < 2 {
            return Err(Error::usage("--classes: give at least two, of two the negative one first"));
        }
        if self.width == Some(0) {
            return Err(Error::usage("--width 0: give at least 1"));
        }
        let trained_on = patches.iter().filter(|patch| patch.split == Split::Train);
        let purpose = Purpose {
            ignored_classes: Vec::new(),
            description: "Whether a window shows what the positive patches show.",
            architecture: self.architecture(),
            bands: self.bands.bands(),
            classes: self.classes.clone(),
            head: if self.classes.len() == 2 { Head::Binary } else { Head::Multiclass },
            tile_px: self.tile_px,
            tta: self.tta,
            minimum_valid_share: MINIMUM_VALID_SHARE,
            overlap_px: 0,
            padding: Padding::Refuse,
            places: &mut trained_on.map(|patch| (patch.longitude, patch.latitude)),
        };
        Ok(self.model.manifest(name, purpose))
    }

    /// The network: one logit for two classes, else one a class.
    pub fn architecture(&self) -> Architecture {
        let family = match self.network {
            NetworkArgument::Resnet18 => Family::ResNet18,
            NetworkArgument::Resnet50 => Family::ResNet50,
            NetworkArgument::ConvnextAtto => Family::ConvNextAtto,
        };
        Architecture {
            family,
            width: self.width.unwrap_or(family.width()),
            stem_stride: self.stem,
            pooling: match self.pooling {
                PoolingArgument::Average => Pooling::Average,
                PoolingArgument::Gem => Pooling::Gem,
            },
            bands: self.bands.bands().len(),
            outputs: if self.classes.len() == 2 { 1 } else { self.classes.len() },
        }
    }
}

fn stem(text: &str) -> Result<usize, String> {
    let stride = text.parse().ok().filter(|stride| Architecture::STEM_STRIDES.contains(stride));
    stride.ok_or_else(|| "1, 2 or 4".to_owned())
}
