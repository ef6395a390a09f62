//! `s2infer quantize`: a model in, the same in another precision out, if it passes the gate.

mod folder;
mod measure;
mod report;
mod tiles;

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use indicatif::ProgressBar;
use s2infer::decide::Bounds;
use s2infer::infer::engine::{self, Device, Engine, EngineChoice, EngineRequest};
use s2infer::labelled::{Labelled, Labels};
use s2infer::model::Model;
use s2infer::model::manifest::{Head, Precision};
use s2infer::output::signal;
use s2infer::quantize::{Activations, Gate, HalfReport, Int8, Method, Settings, WeightSteps, half, int8, layer_names};
use s2infer::{Error, Kind, Result};

use super::claims::Claims;
use super::flags::{BUILT_IN, EngineArgs, SceneArgs};
use super::new_folder::{NewFolder, check_free};
use super::scoring::Scoring;
use super::values::finite;
use super::{Common, logging, shell};

const EXAMPLES: &str = "\
The manifest is that of `s2infer calibrate` and `evaluate`: path,label,split,season,cloud and optionally site, region;
`mask` in the place of `label` for a segmentation model. Ranges are observed on one split, thresholds are calibrated on the
split `calibration`, and the gate measures on `measurement` or `test`:

  precision  what must hold, fp32 and the other each at thresholds of their own
  int8, bf16 recall -0.3 points in all and -1 in any group, precision -1 and average precision -0.5 in any group,
             99.5 % of the tiles decided alike
  fp16       the same, 99.95 % decided alike, and no logit further off than 0.02

Every group needs 10 positives and 10 negatives to measure on, or 20 tiles of a model with several classes or maps.

Examples:
  s2infer quantize construction --precision int8 --manifest tiles.csv --out models/construction-int8
  s2infer quantize models/mine --precision int8 --manifest tiles.csv --method mse --keep-float Conv_1 --out mine-int8
  s2infer quantize models/mine --precision fp16 --manifest tiles.csv --out mine-fp16
  s2infer quantize models/mine --precision bf16 --engine openvino --manifest tiles.csv --out mine-bf16";

/// Splits that ranges are observed on where --split does not say: none that calibrates or measures.
const USUAL_SPLITS: [&str; 3] = ["temperature", "select", "train"];
/// Exit code of a gate that is not passed.
const REFUSED: u8 = 4;

/// Another precision of a model.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Quantize {
    /// The model, in fp32, by name or folder.
    #[arg(value_name = "MODEL", default_value = BUILT_IN)]
    model: String,
    /// What it is to be computed in. bf16 leaves the graph as it is, and is for OpenVINO (and TensorRT).
    #[arg(long, value_enum)]
    precision: PrecisionArg,
    /// Labelled tiles.
    #[arg(long, value_name = "CSV")]
    manifest: PathBuf,
    /// Where the new model folder goes; it must not be there.
    #[arg(long, short, value_name = "FOLDER")]
    out: PathBuf,
    /// Its name [default: the model's with the precision behind it].
    #[arg(long)]
    name: Option<String>,
    /// The split that ranges are observed on [default: temperature, select or train, the first there is].
    #[arg(long, value_name = "NAME")]
    split: Option<String>,
    /// The split that the gate measures on [default: measurement or test].
    #[arg(long, value_name = "NAME")]
    gate_split: Option<String>,
    /// Tiles that ranges are observed on (the first half) and the ways to find them are judged by, as many of every group
    /// of season and sky as there are.
    #[arg(long, value_name = "N", default_value = "1024", value_parser = clap::value_parser!(u32).range(16..=100_000))]
    tiles: u32,
    /// How ranges of activations are found [default: all are tried, the one with the least noise in the worst group is
    /// taken].
    #[arg(long, value_enum)]
    method: Option<MethodArg>,
    /// Whether ranges are moved between layers (weight equalisation, and from normalisations into weights) [default:
    /// where it lessens the noise].
    #[arg(long, value_name = "true|false")]
    equalise: Option<bool>,
    /// A layer with a lower signal-to-noise ratio stays in floating point, in decibels; and where the logits have a lower one,
    /// up to three layers that each make at least half of its noise.
    #[arg(long, value_name = "DB", default_value = "20", value_parser = finite, allow_negative_numbers = true)]
    sqnr_min: f64,
    /// A layer that stays in floating point (by the names in the printed table; may be given again).
    #[arg(long, value_name = "LAYER")]
    keep_float: Vec<String>,
    /// A layer in 8 bits whatever its noise (may be given again).
    #[arg(long = "int8", value_name = "LAYER")]
    force_int8: Vec<String>,
    /// unsigned: the fast path of processors; signed: symmetric, as TensorRT wants it, slow on processors.
    #[arg(long, value_enum, default_value = "unsigned")]
    activations: ActivationsArg,
    /// Weights in 7 bits, for processors without VNNI, whose sums of products saturate.
    #[arg(long)]
    reduce_range: bool,
    /// One scale for all weights of a layer in the place of one for each output channel: coarser.
    #[arg(long)]
    per_tensor: bool,
    #[command(flatten)]
    scene: SceneArgs,
    #[command(flatten)]
    engine: EngineArgs,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
enum PrecisionArg {
    Int8,
    Fp16,
    Bf16,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum MethodArg {
    MinMax,
    Percentile,
    Entropy,
    Mse,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ActivationsArg {
    Unsigned,
    Signed,
}

/// What was made of the graph.
pub(super) enum Made {
    Int8(Int8),
    Fp16(HalfReport),
    /// The graph as it was.
    Bf16(Vec<u8>),
}

impl Made {
    fn graph(&self) -> &[u8] {
        match self {
            Self::Int8(made) => &made.graph,
            Self::Fp16(made) => &made.graph,
            Self::Bf16(graph) => graph,
        }
    }
}

impl Quantize {
    /// Runs and gives the exit code.
    pub fn run(self) -> Result<u8> {
        logging::init(&self.common);
        let model = Model::resolve(&self.model)?;
        self.check(&model)?;
        let read =
            if model.manifest.head == Head::Segmentation { Labelled::read_maps } else { Labelled::read_manifest };
        let table = read(&self.manifest, &Labels::of(&model.manifest.classes), &Bounds::default())?;
        let splits = self.splits(&table, &model)?;
        let mut claims = Claims::default();
        claims.output("--out", &self.out)?;
        claims.input("--manifest", &self.manifest)?;
        let scene = self.scene.options()?;
        let place = NewFolder::beside(&self.out)?;
        signal::install()?;
        let engine: Arc<dyn Engine> = engine::open(&self.engine.request(self.precision()))?.into();
        let bar = logging::spinner(&self.common);
        let maker = self.maker(&engine)?;
        let made = self.make(&*maker, &model, &splits, &scene, &bar)?;
        bar.finish_and_clear();
        let folder = folder::Draft::write(place, &self, &*engine, &model, &made)?;
        let scoring = Scoring::new(scene, &self.engine, &self.common);
        let measured = measure::measure(&model, &folder, &splits, &scoring);
        let (gate, profile) =
            measured.map_err(|error| error.without_context(&table.file).context(self.manifest.display()))?;
        let report = report::report(&self, engine.info(), &model, &folder, &made, &gate).to_markdown();
        if !gate.is_passed() {
            shell::print(report.as_bytes())?;
            return refuse(&gate);
        }
        folder.finish(profile, &report, &self.out)?;
        shell::print(report.as_bytes())
    }

    /// Ranges are observed by ONNX Runtime on the processor, whatever runs the model later and is measured.
    fn maker(&self, engine: &Arc<dyn Engine>) -> Result<Arc<dyn Engine>> {
        let info = engine.info();
        if self.precision == PrecisionArg::Bf16 || (info.engine == "onnxruntime" && info.provider == "cpu") {
            return Ok(engine.clone());
        }
        let request = EngineRequest {
            engine: EngineChoice::Ort,
            device: Device::Cpu,
            openvino_lib: None,
            engine_cache: None,
            ..self.engine.request(Precision::Fp32)
        };
        let opened = engine::open(&request).map_err(|error| error.context("to observe ranges"))?;
        Ok(opened.into())
    }

    fn check(&self, model: &Model) -> Result<()> {
        if EngineChoice::from(self.engine.engine) == EngineChoice::Tract {
            let precision = self.precision();
            let others = if precision == Precision::Bf16 { "openvino" } else { "ort or openvino" };
            return Err(Error::engine(format!("--engine tract cannot compute {precision}: use --engine {others}")));
        }
        let manifest = &model.manifest;
        if !manifest.members.is_empty() || manifest.gate.is_some() {
            return Err(Error::usage(format!(
                "{} is several files, members or a prefilter beside the network, and only a model of one is quantised",
                manifest.name
            )));
        }
        if manifest.precision != Precision::Fp32 {
            return Err(Error::usage(format!(
                "{} is computed in {}: give the model in fp32 that it came from",
                manifest.name, manifest.precision
            )));
        }
        check_free(&self.out)?;
        self.check_layers(model)?;
        folder::manifest(self, model).to_item().map_err(|error| error.with_kind(Kind::Usage).context("--name"))?;
        Ok(())
    }

    fn check_layers(&self, model: &Model) -> Result<()> {
        if self.precision != PrecisionArg::Int8 {
            let named = !self.keep_float.is_empty() || !self.force_int8.is_empty();
            return match named {
                true => Err(Error::usage("--keep-float and --int8 go with --precision int8")),
                false => Ok(()),
            };
        }
        if let Some(both) = self.keep_float.iter().find(|name| self.force_int8.contains(name)) {
            return Err(Error::usage(format!("--keep-float {both} and --int8 {both} contradict each other")));
        }
        let names = layer_names(&model.graph)?;
        for (flag, named) in [("--keep-float", &self.keep_float), ("--int8", &self.force_int8)] {
            if let Some(name) = named.iter().find(|name| !names.contains(name)) {
                let (model, known) = (&model.manifest.name, names.join(", "));
                return Err(Error::usage(format!("{flag} {name}: {model} has no such layer; it has {known}")));
            }
        }
        Ok(())
    }

    fn precision(&self) -> Precision {
        match self.precision {
            PrecisionArg::Int8 => Precision::Int8,
            PrecisionArg::Fp16 => Precision::Fp16,
            PrecisionArg::Bf16 => Precision::Bf16,
        }
    }

    fn settings(&self) -> Settings {
        Settings {
            method: self.method.map(|method| match method {
                MethodArg::MinMax => Method::MinMax,
                MethodArg::Percentile => Method::Percentile,
                MethodArg::Entropy => Method::Entropy,
                MethodArg::Mse => Method::Mse,
            }),
            equalise: self.equalise,
            activations: match self.activations {
                ActivationsArg::Unsigned => Activations::Unsigned,
                ActivationsArg::Signed => Activations::Signed,
            },
            weights: WeightSteps { steps: if self.reduce_range { 63 } else { 127 }, per_channel: !self.per_tensor },
            sqnr_db_min: self.sqnr_min,
            keep_float: self.keep_float.clone(),
            force_int8: self.force_int8.clone(),
        }
    }

    fn make(
        &self,
        engine: &dyn Engine,
        model: &Model,
        splits: &tiles::Splits,
        scene: &s2infer::scene::SceneOptions,
        bar: &ProgressBar,
    ) -> Result<Made> {
        if self.precision == PrecisionArg::Bf16 {
            return Ok(Made::Bf16(model.graph.clone()));
        }
        bar.set_message("reading tiles");
        let observed = tiles::observe(model, &splits.observed, scene, self.tiles as usize)?;
        bar.set_length(observed.inputs.len_of(ndarray::Axis(0)) as u64);
        if self.precision == PrecisionArg::Fp16 {
            return half(engine, &model.graph, &observed).map(Made::Fp16);
        }
        let (tiles, others) = observed.halves();
        let mut step = |what: &str| bar.set_message(what.to_owned());
        int8(engine, &model.graph, &tiles, &others, &self.settings(), &mut step).map(Made::Int8)
    }
}

/// The table stands above; here is why.
fn refuse(gate: &Gate) -> Result<u8> {
    for refusal in &gate.refusals {
        tracing::error!("{refusal}");
    }
    tracing::error!("refused: {} is not worth what it costs here; nothing was written", gate.precision);
    Ok(REFUSED)
}

/// Whether a model decides tiles at thresholds.
fn has_thresholds(model: &Model) -> bool {
    model.manifest.head == Head::Binary
}
