//! `s2train segment`

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use s2infer::decide::Bounds;
use s2infer::labelled::{Labelled, Labels};
use s2infer::limits::MAP_CLASSES_MAX;
use s2infer::model::Manifest;
use s2infer::model::manifest::{Head, Padding, Tta};
use s2infer::train::card::Story;
use s2infer::train::fit::{Fitted, Machine};
use s2infer::train::network::{Architecture, Family, Pooling};
use s2infer::train::recipe::{Method, Recipe};
use s2infer::train::samples::Scaling;
use s2infer::train::segment::task::Segmentation;
use s2infer::train::segment::tiles::{Source, Tiles, sources};
use s2infer::train::segment::{self, Choose, ClassWeights, Jitter, temperature, threshold};
use s2infer::train::{folder, pixels};
use s2infer::{Error, Kind, Result};

use super::machine::MachineArguments;
use super::model::{BandArguments, ModelArguments, Purpose, tta};
use super::schedule::{ScheduleArguments, check_shares};
use super::session::{Folders, Session};
use super::words::{command, in_words};

/// Windows with fewer valid pixels abstain: of a map, what is valid is worth having.
const MINIMUM_VALID_SHARE: f64 = 0.05;
/// Tiles of the golden batch, which is run before every job; one of them is megabytes.
const GOLDEN_TILES: usize = 1;
/// Part of a window's side that neighbouring windows overlap by.
const OVERLAP: u32 = 8;

const EXAMPLES: &str = "\
The manifest of tiles is a CSV with the columns path,mask,split and, as far as known, site,region,season,cloud,longitude,
latitude,weight; paths are relative to it. A mask is a raster of one band of uint8 and of its tile's size, the number of
the class in every pixel, 255 or the file's nodata value where it is not known. split is train, select (chooses the epoch
and fits the temperature; without such tiles the last epoch is kept) or anything else, which is left alone; weight says how
much a tile's pixels count, 1 where it is empty or missing. All tiles have --tile-px pixels by --tile-px.

Examples:
  s2train segment --tiles data/tiles.csv --classes land,cloud --bands B02,B03,B04,B08 --tile-px 512 --choose iou \\
    --dice 0.5 --checkpoints data/checkpoints --out models/clouds
  s2train segment --tiles data/tiles.csv --classes no_data,clouds,artificial,cultivated --ignore-class no_data clouds \\
    --bands B04,B03,B02,B08 --tile-px 256 --choose kl --checkpoints data/checkpoints --out models/cover";

/// Train a segmentation network on tiles with maps of labels and write a model folder
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, args_override_self = true)]
pub struct Segment {
    /// Manifest of the tiles
    #[arg(long, value_name = "CSV")]
    tiles: PathBuf,
    #[command(flatten)]
    folders: Folders,
    #[command(flatten)]
    method: MethodArguments,
    #[command(flatten)]
    machine: MachineArguments,
    #[command(flatten)]
    session: Session,
    #[command(flatten)]
    shape: ShapeArguments,
    #[command(flatten)]
    model: ModelArguments,
    #[command(flatten)]
    bands: BandArguments,
}

/// The recipe
#[derive(Debug, Args)]
#[command(next_help_heading = "The recipe")]
struct MethodArguments {
    #[command(flatten)]
    schedule: ScheduleArguments,
    /// Crops a step
    #[arg(long, value_name = "CROPS", default_value_t = 16)]
    batch: usize,
    /// Height and width of a crop in pixels: a multiple of 2^--depth [default: 128, or the tile where it is smaller]
    #[arg(long, value_name = "PIXELS")]
    crop_px: Option<usize>,
    /// Crops of every tile in an epoch
    #[arg(long, value_name = "CROPS", default_value_t = 1)]
    crops: usize,
    /// Do not turn and flip crops
    #[arg(long)]
    no_symmetries: bool,
    /// What happens to a crop's reflectance: ± gain of all bands, deviations of each band's own gain and of its offset in
    /// reflectance; 0,0,0 for nothing
    #[arg(long, value_name = "GAIN,BAND,OFFSET", default_value = "0.1,0.03,0.005", value_parser = jitter)]
    jitter: Jitter,
    /// How much the pixels of a class count, by its share of the training pixels; all else than none moves the class
    /// shares away from the labels', and is bounded to 20 of a class with the mean share
    #[arg(long, value_enum, default_value = "none")]
    class_weights: ClassWeightsArgument,
    /// Share of the Dice loss, the rest being cross-entropy
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    dice: f64,
    /// Share of a label that is spread over all classes
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    label_smoothing: f64,
    /// What the epoch is chosen by: mean IoU, or the divergence of the tiles' class shares; the temperature is fitted to the
    /// pixels' logarithmic loss, or to that divergence
    #[arg(long, value_enum, default_value = "iou")]
    choose: ChooseArgument,
    /// Split of the tiles that choose the epoch and fit the temperature
    #[arg(long, value_name = "SPLIT", default_value = "select")]
    select_split: String,
    /// Of two classes: a pixel is of the second from that probability on at which its IoU on the tiles that choose is
    /// highest, rather than from 0.5 on
    #[arg(long)]
    fit_threshold: bool,
}

/// The network and its classes
#[derive(Debug, Args)]
#[command(next_help_heading = "The model")]
struct ShapeArguments {
    /// Names of the classes in the order of their numbers in the masks
    #[arg(long, value_name = "NAME,NAME,…", value_delimiter = ',', required = true)]
    classes: Vec<String>,
    /// Classes that nothing is learned of: their pixels count as not labelled
    #[arg(long, value_name = "NAME", num_args = 1.., value_delimiter = ',')]
    ignore_class: Vec<String>,
    /// Height and width of a tile in pixels, and of the model's windows: a multiple of 2^--depth
    #[arg(long, value_name = "PIXELS", default_value_t = 256)]
    tile_px: u32,
    /// Channels of the U-Net's first level; every level below has twice as many
    #[arg(long, value_name = "CHANNELS", default_value_t = 16)]
    width: usize,
    /// How often the U-Net halves height and width
    #[arg(long, value_name = "LEVELS", default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=6))]
    depth: u64,
    /// Pixels that neighbouring windows of a scene overlap by [default: an eighth of --tile-px]
    #[arg(long, value_name = "PIXELS")]
    overlap_px: Option<u32>,
    /// The model refuses tiles smaller than --tile-px; without this it takes them for their own part of a window
    #[arg(long)]
    no_padding: bool,
    /// Test-time augmentation that the model asks for
    #[arg(long, value_name = "none|flips|d4", default_value = "none", value_parser = tta)]
    tta: Tta,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ClassWeightsArgument {
    None,
    Sqrt,
    Inverse,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ChooseArgument {
    Iou,
    Kl,
}

fn jitter(text: &str) -> Result<Jitter, String> {
    let numbers: Option<Vec<f64>> = text.split(',').map(|number| number.trim().parse().ok()).collect();
    match numbers.as_deref() {
        Some(&[gain, band_gain, offset]) if [gain, band_gain, offset].iter().all(|n| (0.0..1.0).contains(n)) => {
            Ok(Jitter { gain, band_gain, offset })
        }
        _ => Err("write three numbers from 0 to less than 1 as 0.1,0.03,0.005".into()),
    }
}

impl MethodArguments {
    fn recipe(&self, shape: &ShapeArguments) -> Result<Recipe> {
        check_shares(&[("--dice", self.dice), ("--label-smoothing", self.label_smoothing)])?;
        if self.label_smoothing == 1.0 {
            return Err(Error::usage("--label-smoothing 1: all labels would be alike; give less than 1"));
        }
        if self.crops == 0 {
            return Err(Error::usage("--crops 0: give at least 1"));
        }
        let crop_px = self.crop_px.unwrap_or(DEFAULT_CROP_PX.min(shape.tile_px as usize));
        shape.check_sides(crop_px)?;
        let method = segment::Method {
            crop_px,
            crops: self.crops,
            symmetries: !self.no_symmetries,
            jitter: self.jitter,
            class_weights: match self.class_weights {
                ClassWeightsArgument::None => ClassWeights::None,
                ClassWeightsArgument::Sqrt => ClassWeights::Sqrt,
                ClassWeightsArgument::Inverse => ClassWeights::Inverse,
            },
            dice: self.dice,
            label_smoothing: self.label_smoothing,
            ignored_classes: shape.ignore_class.clone(),
            choose: match self.choose {
                ChooseArgument::Iou => Choose::Iou,
                ChooseArgument::Kl => Choose::Kl,
            },
        };
        Ok(Recipe { schedule: self.schedule.schedule(self.batch)?, method: Method::Masks(method) })
    }
}

/// Height and width of a crop where no flag says otherwise.
const DEFAULT_CROP_PX: usize = 128;

impl ShapeArguments {
    /// Which classes are ignored.
    fn ignored(&self) -> Result<Vec<bool>> {
        if let Some(stranger) = self.ignore_class.iter().find(|name| !self.classes.contains(name)) {
            return Err(Error::usage(format!("--ignore-class {stranger}: is none of {}", self.classes.join(", "))));
        }
        if self.classes.len() > MAP_CLASSES_MAX {
            return Err(Error::usage(format!("--classes: a mask holds at most {MAP_CLASSES_MAX}")));
        }
        let ignored: Vec<bool> = self.classes.iter().map(|name| self.ignore_class.contains(name)).collect();
        match ignored.iter().filter(|ignored| !**ignored).count() {
            0 | 1 => Err(Error::usage("--classes: give at least two that are not ignored")),
            _ => Ok(ignored),
        }
    }

    /// Refuses sides that cannot be halved, or a crop larger than its tile.
    fn check_sides(&self, crop_px: usize) -> Result<()> {
        let (tile_px, step) = (self.tile_px as usize, 1 << self.depth);
        for (flag, side) in [("--tile-px", tile_px), ("--crop-px", crop_px)] {
            if side == 0 || side % step != 0 {
                return Err(Error::usage(format!("{flag} {side}: give a multiple of {step} (--depth {})", self.depth)));
            }
        }
        match crop_px > tile_px {
            true => Err(Error::usage(format!("--crop-px {crop_px}: is larger than --tile-px {tile_px}"))),
            false => Ok(()),
        }
    }

    fn architecture(&self, bands: usize) -> Result<Architecture> {
        if self.width == 0 {
            return Err(Error::usage("--width 0: give at least 1"));
        }
        Ok(Architecture {
            family: Family::UNet { depth: self.depth as usize },
            width: self.width,
            stem_stride: 1,
            pooling: Pooling::Average,
            bands,
            outputs: self.classes.len(),
        })
    }
}

/// What a training is made of.
struct Plan {
    manifest: Manifest,
    architecture: Architecture,
    recipe: Recipe,
    machine: Machine,
    ignored: Vec<bool>,
    train: Tiles,
    select: Tiles,
    /// Section of the card.
    data: String,
}

impl Segment {
    pub fn run(&self) -> Result<()> {
        let plan = self.plan()?;
        let Method::Masks(method) = &plan.recipe.method else { return Err(Error::usage("no recipe of masks")) };
        let scaling = Scaling::of(&plan.manifest);
        let schedule = &plan.recipe.schedule;
        let task = Segmentation::new(&plan.train, &plan.select, plan.ignored.clone(), scaling, schedule, method);
        let what = (plan.architecture, &plan.recipe, plan.machine);
        self.session.run(&self.folders.checkpoints, &plan.manifest, what, &task, |fitted| {
            self.write(&plan, method.choose, fitted)
        })?;
        Ok(())
    }

    fn plan(&self) -> Result<Plan> {
        let machine = self.machine.machine()?;
        let name = self.folders.check()?;
        let (shape, ignored) = (&self.shape, self.shape.ignored()?);
        let recipe = self.method.recipe(shape)?;
        if self.method.fit_threshold && shape.classes.len() != 2 {
            return Err(Error::usage(format!("--fit-threshold: is for two classes, not {}", shape.classes.len())));
        }
        let architecture = shape.architecture(self.bands.bands().len())?;
        let table = Labelled::read_maps(&self.tiles, &Labels::of(&shape.classes), &Bounds::default())?;
        let of_split = |split: &str| {
            let of = sources(&table, split).map_err(|e| e.context(self.tiles.display()))?;
            if of.is_empty() && split == TRAIN {
                return Err(Error::usage(format!("{}: no tile of split `{TRAIN}`", self.tiles.display())));
            }
            Ok(of)
        };
        let (train, select) = (of_split(TRAIN)?, of_split(&self.method.select_split)?);
        let trained_on = table.rows.iter().filter(|row| row.split.as_deref() == Some(TRAIN));
        let purpose = Purpose {
            description: "The class of every pixel.",
            architecture,
            bands: self.bands.bands(),
            classes: shape.classes.clone(),
            ignored_classes: shape.ignore_class.clone(),
            head: Head::Segmentation,
            tile_px: shape.tile_px,
            tta: shape.tta,
            minimum_valid_share: MINIMUM_VALID_SHARE,
            overlap_px: shape.overlap_px.unwrap_or(shape.tile_px / OVERLAP),
            padding: if shape.no_padding { Padding::Refuse } else { Padding::Nodata },
            places: &mut trained_on.filter_map(|row| row.longitude_latitude),
        };
        let mut manifest = self.model.manifest(name, purpose);
        // Now, not after hours of training.
        manifest.validate().map_err(|e| e.with_kind(Kind::Usage).context("the model as the flags describe it"))?;
        let [train, select] = [
            self.read(TRAIN, &train, &manifest, &ignored)?,
            self.read(&self.method.select_split, &select, &manifest, &ignored)?,
        ];
        tracing::info!("{} tiles to train on, {} to choose the epoch", train.len(), select.len());
        manifest.bands = pixels::with_statistics(&manifest.bands, |band| train.band(band))?;
        let data = data(&shape.classes, &ignored, &[(TRAIN, &train), (&self.method.select_split, &select)]);
        Ok(Plan { manifest, architecture, recipe, machine, ignored, train, select, data })
    }

    fn read(&self, split: &str, sources: &[Source], manifest: &Manifest, ignored: &[bool]) -> Result<Tiles> {
        let tiles = Tiles::read(sources, manifest, ignored)?;
        let labelled: u64 = tiles.pixels(ignored.len()).iter().sum();
        match labelled == 0 && !sources.is_empty() {
            true => Err(Error::usage(format!("{}: no pixel of split `{split}` has a label", self.tiles.display()))),
            false => Ok(tiles),
        }
    }

    fn write(&self, plan: &Plan, choose: Choose, fitted: &Fitted) -> Result<()> {
        let mut manifest = plan.manifest.clone();
        let scaling = Scaling::of(&manifest);
        if let Some(fit) = temperature::fit(&fitted.parameters, &plan.select, &scaling, choose, plan.machine) {
            manifest.temperature = fit as f32;
        }
        if self.method.fit_threshold {
            let temperature = f64::from(manifest.temperature);
            manifest.pixel_threshold =
                threshold::fit(&fitted.parameters, &plan.select, &scaling, temperature, plan.machine);
        }
        manifest.about.total_parameters = Some(fitted.parameters.count() as u64);
        let words = in_words(&plan.architecture, &plan.recipe, plan.machine);
        for (name, value) in &words {
            manifest.about.hyperparameters.insert(name.clone(), value.clone().into());
        }
        let story = Story {
            about: self.model.about()?,
            command: command(),
            recipe: words,
            data: plan.data.clone(),
            history: fitted.progress.history.clone(),
            best: fitted.best,
        };
        let tiles = if plan.select.is_empty() { &plan.train } else { &plan.select };
        let golden = tiles.inputs(0..tiles.len().min(GOLDEN_TILES), &scaling);
        let written = folder::write(&self.folders.out, &manifest, &[&fitted.parameters], &golden, &story)?;
        let (out, temperature) = (self.folders.out.display(), manifest.temperature);
        tracing::info!("wrote {out} ({}, epoch {}, temperature {temperature:.3})", written.sha256, fitted.best);
        Ok(())
    }
}

/// The split that the weights are fitted to.
const TRAIN: &str = "train";

/// The card's section of tiles and pixels.
fn data(classes: &[String], ignored: &[bool], splits: &[(&str, &Tiles)]) -> String {
    let names: Vec<&str> = splits.iter().map(|(name, _)| *name).collect();
    let tiles: Vec<String> = splits.iter().map(|(_, tiles)| tiles.len().to_string()).collect();
    let mut text = format!("## Tiles\n\n| | {} |\n| --- |{}\n", names.join(" | "), " ---: |".repeat(names.len()));
    text += &format!("| tiles | {} |\n", tiles.join(" | "));
    let counts: Vec<Vec<u64>> = splits.iter().map(|(_, tiles)| tiles.pixels(classes.len())).collect();
    for (class, name) in classes.iter().enumerate() {
        let pixels: Vec<String> = counts.iter().map(|counts| counts[class].to_string()).collect();
        let note = if ignored[class] { ", not learned" } else { "" };
        text += &format!("| pixels of {name}{note} | {} |\n", pixels.join(" | "));
    }
    text
}
