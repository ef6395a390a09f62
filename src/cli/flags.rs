//! The flags of a run, as typed.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use clap::Args;
use jiff::civil::Date;
use s2infer::decide::ShiftChoice;
use s2infer::infer::engine::EngineRequest;
use s2infer::model::Model;
use s2infer::model::manifest::Precision;
use s2infer::output::{self, CrsChoice, Format, MapCompression, MapOutputs, Target};
use s2infer::raster::ReadOptions;
use s2infer::scene::{DnFlags, SceneOptions, TileTable, canonical_band, parse_date};
use s2infer::{Error, Result};

use super::foreign::ForeignArgs;
use super::prefilter::PrefilterArgs;
use super::values::{BatchArg, DeviceArg, EngineArg, TtaArg, finite, percent, threshold};

/// The model in the binary.
pub const BUILT_IN: &str = "construction";
/// Rows of a batch on the processor for inputs of 64×64 px; larger inputs get fewer, so that a batch stays within the
/// time that a stop may take. 32 rows run 7 % faster than 8 (ResNet-18, ONNX Runtime), but a first decision waits for a
/// whole batch.
const CPU_BATCH_ROWS: usize = 32;
const CPU_BATCH_ROWS_FEW_TILES: usize = 8;
const GPU_BATCH_ROWS: usize = 64;
/// From this many tiles on, throughput counts for more than the first decision.
const MANY_TILES: usize = 128;

/// Which model, and how it looks at a tile.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Model")]
pub struct ModelArgs {
    /// A model by name or folder, or another's: an ONNX file with the metadata of GeoDeep or Deepness, or a STAC-MLM item.
    #[arg(long, value_name = "NAME|FOLDER|FILE", default_value = BUILT_IN)]
    pub model: String,
    /// Test-time augmentation: the views whose logits are averaged [default: the model's].
    #[arg(long, value_enum)]
    pub tta: Option<TtaArg>,
    /// Overlap of neighbouring windows of a tile larger than the model's input, in pixels [default: the model's].
    #[arg(long, value_name = "PX")]
    pub overlap: Option<u32>,
    #[command(flatten)]
    prefilter: PrefilterArgs,
    #[command(flatten)]
    foreign: ForeignArgs,
}

impl ModelArgs {
    /// The model; what was understood of another's goes to standard error.
    ///
    /// # Errors
    /// As [`Model::resolve_with`]; [`s2infer::Kind::Usage`] for --no-prefilter of a model without one.
    pub fn resolve(&self) -> Result<Model> {
        let mut model = self.foreign.resolve(&self.model)?;
        self.prefilter.apply([&mut model].into_iter())?;
        Ok(model)
    }
}

/// Which thresholds decide.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Thresholds")]
pub struct DecideArgs {
    /// The threshold profile [default: the model's own].
    #[arg(long, value_name = "FILE")]
    pub profile: Option<PathBuf>,
    /// The shift: auto, summer, winter, clear, cloudy, winter-cloudy, … or a group of the profile. `auto` goes by
    /// each tile's date, place and cloudiness; what stays unknown takes the lowest threshold still possible.
    #[arg(long, value_name = "SHIFT", default_value = "auto")]
    pub threshold_profile: ShiftChoice,
    /// The tiles are of regions that calibrated nothing: no threshold above the one that the profile has for those.
    #[arg(long)]
    pub unseen_region: bool,
    /// One threshold for all tiles, without any guarantee, instead of a profile.
    #[arg(long, value_name = "SCORE", value_parser = threshold, conflicts_with_all = ["profile", "threshold_profile", "unseen_region"])]
    pub threshold: Option<f32>,
}

impl DecideArgs {
    /// Whether nothing is asked of a profile.
    pub fn is_usual(&self) -> bool {
        self.threshold_profile == ShiftChoice::Auto && !self.unseen_region
    }
}

/// What says how cloudy a window is.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Clouds")]
pub struct CloudArgs {
    /// A segmentation model, by name or folder, that looks for clouds where neither --metadata, --cloud-cover nor a
    /// product's own classification says how cloudy a window is. It goes before what a product or a tag says of the whole
    /// scene. The pixels are read a second time, in the bands and windows of that model.
    #[arg(long, value_name = "NAME|FOLDER")]
    pub cloud_model: Option<String>,
    /// The classes of --cloud-model that are cloud [default: those called cloud or clouds].
    #[arg(long, value_name = "CLASSES", value_delimiter = ',', requires = "cloud_model")]
    pub cloud_class: Vec<String>,
    /// Ask --cloud-model also where a product's own classification says it.
    #[arg(long, requires = "cloud_model")]
    pub cloud_model_always: bool,
}

/// What the pixels mean, where the files do not say.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Tiles")]
pub struct SceneArgs {
    /// The files' bands in file order, e.g. B04,B03,B02.
    #[arg(long, value_name = "BANDS", value_delimiter = ',')]
    pub bands: Option<Vec<String>>,
    /// Reflectance of one DN: reflectance = (DN + offset) × scale.
    #[arg(long, value_name = "SCALE", value_parser = finite)]
    pub dn_scale: Option<f64>,
    /// DN added before scaling: -1000 for processing baseline 04.00 and later.
    #[arg(long, value_name = "DN", value_parser = finite, allow_negative_numbers = true)]
    pub dn_offset: Option<f64>,
    /// Believe --dn-scale and --dn-offset where a file contradicts them.
    #[arg(long)]
    pub dn_force: bool,
    /// Acquisition date of tiles that no --metadata row dates.
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = parse_date)]
    pub date: Option<Date>,
    /// Cloud cover in percent of tiles that no --metadata row states it for.
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub cloud_cover: Option<f64>,
    /// Side table `tile,date,cloud_cover` (percent), matched by path or file name.
    #[arg(long, value_name = "CSV")]
    pub metadata: Option<PathBuf>,
    /// Metres of a pixel of the grid that a product's bands are brought to [default: that of the finest band that the model
    /// needs]. A model decides what it was trained for: at another resolution its thresholds promise nothing.
    #[arg(long, value_name = "METRES", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub resolution: Option<u32>,
    /// Read files instead of mapping them into memory. A mapped file that is truncated while it is read fails
    /// alone either way; reading is for network file systems.
    #[arg(long)]
    pub no_mmap: bool,
}

/// What runs the model.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Engine")]
pub struct EngineArgs {
    /// The engine; only `auto` falls back.
    #[arg(long, value_enum, default_value = "auto")]
    pub engine: EngineArg,
    /// auto, cpu, cuda[:N], tensorrt[:N] or openvino; a device asked for by name runs or is an error.
    #[arg(long, default_value = "auto")]
    pub device: DeviceArg,
    /// The ONNX Runtime library, or the folder it is in. Also: ORT_DYLIB_PATH.
    #[arg(long, value_name = "PATH")]
    pub ort_lib: Option<PathBuf>,
    /// OpenVINO's C library, or the folder it is in. Also: OPENVINO_LIB_PATH.
    #[arg(long, value_name = "PATH")]
    pub openvino_lib: Option<PathBuf>,
    /// Keep the engines that TensorRT builds in this folder, which must be yours alone (mode 0700); without it each run
    /// builds them anew.
    #[arg(long, value_name = "FOLDER")]
    pub engine_cache: Option<PathBuf>,
    /// Sessions that run at the same time, each on one core [default: all cores].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// Rows of a batch, windows times views: a number, or `auto`, which is 32 on the processor, 8 for few tiles, 64 on a
    /// GPU, fewer for large inputs, and for very many tiles what a short measurement finds, once a model and machine.
    #[arg(long, value_name = "ROWS|auto", default_value = "auto")]
    pub batch: BatchArg,
}

/// What the table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A row for every window.
    Rows(Format),
    /// The class shares of every tile, as `--distributions` writes them.
    Distribution,
}

impl FromStr for Form {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "distribution" => Ok(Self::Distribution),
            _ => text.parse().map(Self::Rows),
        }
    }
}

/// Where results go.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// csv, ndjson, geojson, gpkg or parquet [default: by --output's extension, else csv]; or distribution, which is what
    /// --distributions writes, in the place of the table.
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<Form>,
    /// Where the table goes; it appears complete or not at all [default: `-`, standard output].
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// The coordinates of geometries: lonlat (WGS 84; also: EPSG:4326, OGC:CRS84), or source, those of each tile's own
    /// reference system, with which come the columns epsg, easting and northing of the centre. GeoJSON then names the
    /// system in a member `crs`, which RFC 7946 does not know and GDAL does.
    #[arg(long, value_name = "CRS", default_value = "lonlat")]
    pub crs: CrsChoice,
    /// Sites, in the form that the extension says: positive windows of a tile that overlap or touch, merged, with score,
    /// area, extent and outline.
    #[arg(long, value_name = "FILE")]
    pub sites: Option<PathBuf>,
    /// A STAC item of all files that the run wrote, with sizes and hashes; it is written last.
    #[arg(long, value_name = "FILE")]
    pub stac: Option<PathBuf>,
    /// Maps of classes, a Cloud-Optimized GeoTIFF for every tile: of every pixel's class (segmentation models), else of
    /// every window's decision (0 negative, 1 positive or the class; 254 abstained; 255 no data).
    #[arg(long, value_name = "DIR")]
    pub masks: Option<PathBuf>,
    /// Maps of scores, a Cloud-Optimized GeoTIFF for every tile: of every window's score (float32), for segmentation
    /// models of the probability of every pixel's class (percent).
    #[arg(long, value_name = "DIR")]
    pub score_maps: Option<PathBuf>,
    /// Pictures of the tiles with the decisions drawn in, a PNG of at most 1,200 px a side for every tile.
    #[arg(long, value_name = "DIR")]
    pub quicklook: Option<PathBuf>,
    /// Compression of maps: deflate or zstd.
    #[arg(long, value_name = "CODEC", default_value = "deflate")]
    pub map_compression: MapCompression,
    /// Class shares of segmentation models as CSV, a row for every tile: sample_id (the file's name without its extension)
    /// and the classes; the mean soft-max over the valid pixels, 0 for classes that the model ignores, the others raised to
    /// at least 0.0001, adding up to 1.
    #[arg(long, value_name = "FILE")]
    pub distributions: Option<PathBuf>,
    /// The run record: versions, hashes, engine, counts, timings, errors.
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// Metrics of the run for Prometheus, as node_exporter's textfile collector reads them: counts, seconds, and what
    /// --drift found.
    #[arg(long, value_name = "FILE")]
    pub metrics_file: Option<PathBuf>,
    /// Take over what an earlier run with the same model, profile and options already decided, by content, and keep
    /// the journal (OUTPUT.journal) for the next.
    #[arg(long, requires = "output", conflicts_with_all = ["masks", "score_maps", "quicklook", "distributions"])]
    pub resume: bool,
    /// Wait this many seconds for another run on the same output instead of giving up.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub wait: u64,
    /// List each tile's shift and threshold, and decide nothing.
    #[arg(long, conflicts_with_all = [
        "output", "sites", "stac", "masks", "score_maps", "quicklook", "distributions", "record", "metrics_file", "resume",
        "drift", "drift_reference", "fail_on_drift", "cloud_model",
    ])]
    pub dry_run: bool,
}

impl OutputArgs {
    /// The maps and pictures that are asked for.
    pub fn maps(&self) -> MapOutputs {
        MapOutputs {
            masks: self.masks.clone(),
            score_maps: self.score_maps.clone(),
            quicklooks: self.quicklook.clone(),
            compression: self.map_compression,
        }
    }

    /// Every file that is asked for by its own name.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let tables = [&self.output, &self.sites, &self.distributions];
        let others = [&self.record, &self.metrics_file, &self.stac];
        tables.into_iter().chain(others).filter_map(|path| path.as_deref())
    }

    /// The form of the table of windows; none where the table is of class shares.
    pub fn table_format(&self) -> Option<Format> {
        match self.format {
            Some(Form::Distribution) => None,
            Some(Form::Rows(format)) => Some(format),
            None => Some(Format::choose(None, self.output.as_deref())),
        }
    }

    /// Where the table goes.
    pub fn target(&self) -> Target {
        match &self.output {
            Some(path) => Target::File(path.clone()),
            None => Target::Stdout(Box::new(std::io::stdout())),
        }
    }

    /// Where class shares go, if anywhere.
    pub fn shares(&self) -> Option<Target> {
        match &self.distributions {
            Some(path) => Some(Target::File(path.clone())),
            None => self.table_format().is_none().then(|| self.target()),
        }
    }

    /// Takes `--output -` for standard output, where nothing else may go.
    ///
    /// # Errors
    /// [`s2infer::Kind::Usage`] for another output there, and for what needs a file.
    pub fn resolve_standard_output(&mut self) -> Result<()> {
        let is_stream = |path: &Option<PathBuf>| path.as_deref() == Some(Path::new("-"));
        let files = [
            ("--record", &self.record),
            ("--metrics-file", &self.metrics_file),
            ("--distributions", &self.distributions),
            ("--sites", &self.sites),
            ("--stac", &self.stac),
        ];
        for (flag, path) in files {
            if is_stream(path) {
                return Err(Error::usage(format!("{flag} -: standard output is the table's; give a file")));
            }
        }
        if is_stream(&self.output) {
            if self.resume {
                return Err(Error::usage("--resume keeps a journal beside the output: give --output a file, not `-`"));
            }
            self.output = None;
        }
        if self.output.is_none() && self.table_format().is_some_and(Format::needs_file) {
            return Err(output::needs_file());
        }
        if let (Some(Form::Rows(asked)), Some(path)) = (self.format, &self.output)
            // Lines of JSON may be called .json as well.
            && path.extension().is_none_or(|extension| extension != "json")
            && let Some(promised) = Format::of_name(path).filter(|promised| *promised != asked)
        {
            return Err(Error::usage(format!(
                "--output {}: the name promises {}, --format {}; give one of them another",
                path.display(),
                promised.extension(),
                asked.extension()
            )));
        }
        if self.format == Some(Form::Distribution) {
            let other = [("--output and --distributions", self.output.is_some() && self.distributions.is_some())];
            let other = other.into_iter().chain([("--resume", self.resume), ("--stac", self.stac.is_some())]);
            if let Some((flag, _)) = other.into_iter().find(|(_, is_given)| *is_given) {
                return Err(Error::usage(format!(
                    "--format distribution writes one table of class shares: leave out {flag}"
                )));
            }
        }
        Ok(())
    }
}

impl SceneArgs {
    /// The library's form of these flags; reads the side table.
    pub fn options(&self) -> Result<SceneOptions> {
        let table = self.metadata.as_deref().map(TileTable::read).transpose();
        let table = table.map_err(|error| error.context("--metadata"))?;
        Ok(SceneOptions {
            bands: self.bands.as_ref().map(|bands| bands.iter().map(|band| canonical_band(band)).collect()),
            dn: DnFlags { scale: self.dn_scale, offset: self.dn_offset, force: self.dn_force },
            date: self.date,
            cloud_cover_percent: self.cloud_cover,
            table: table.map(Arc::new),
            resolution_m: self.resolution,
            read: ReadOptions { mmap: !self.no_mmap, ..Default::default() },
        })
    }
}

impl EngineArgs {
    /// What the engines are asked for, for a model of this precision.
    pub fn request(&self, precision: Precision) -> EngineRequest {
        EngineRequest {
            engine: self.engine.into(),
            device: self.device.0,
            ort_lib: self.ort_lib.clone(),
            openvino_lib: self.openvino_lib.clone(),
            engine_cache: self.engine_cache.clone(),
            precision,
            sessions: self.threads(),
        }
    }

    /// Sessions on the processor.
    pub fn threads(&self) -> usize {
        self.threads.map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from)
    }

    /// Rows of a batch for so many tiles of this input size. Rows are the same bits whatever the batch: it is no part
    /// of what a result depends on, unless --batch goes beyond what that was tested for.
    pub fn batch_rows(&self, tile_px: u32, tiles: usize, is_gpu: bool) -> usize {
        self.batch.rows().unwrap_or_else(|| batch_rows(tile_px, tiles, is_gpu))
    }
}

/// The usual rows of a batch for so many tiles of this input size.
pub fn batch_rows(tile_px: u32, tiles: usize, is_gpu: bool) -> usize {
    let rows = match (is_gpu, tiles >= MANY_TILES) {
        (true, _) => GPU_BATCH_ROWS,
        (false, true) => CPU_BATCH_ROWS,
        (false, false) => CPU_BATCH_ROWS_FEW_TILES,
    };
    // 64 px is the usual patch; a window of k times its area counts k-fold.
    let area = (tile_px as usize).pow(2).div_ceil(64 * 64);
    (rows / area).max(1)
}
