//! `s2train train`

use std::path::PathBuf;

use s2infer::train::fit::{self, Recipe, Samples};
use s2infer::train::forward::Precision;
use s2infer::train::patches::{self, Patch, Split};
use s2infer::train::pixels::Pixels;
use s2infer::{Error, Result};
use tch::{Cuda, Device, Tensor};

/// Train on a manifest of labelled patches and write a model folder
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[arg(long)]
    patches: PathBuf,
    #[arg(long)]
    checkpoints: PathBuf,
    #[arg(long, default_value_t = 14)]
    epochs: usize,
    #[arg(long, default_value_t = 128)]
    batch: usize,
    #[arg(long, default_value_t = 1e-3)]
    learning_rate: f64,
    #[arg(long, default_value_t = 0.05)]
    weight_decay: f64,
    #[arg(long, default_value_t = 1.0)]
    positive_weight: f64,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[arg(long, default_value_t = 2)]
    threads: i32,
    #[arg(long)]
    resume: bool,
}

pub fn run(arguments: Arguments) -> Result<()> {
    tch::set_num_threads(arguments.threads);
    let rows = patches::read(&arguments.patches)?;
    let folder = arguments.patches.parent().unwrap().to_path_buf();
    let of = |split: Split| rows.iter().filter(move |p| p.split == split).collect::<Vec<&Patch>>();
    let (train, select) = (of(Split::Train), of(Split::Select));
    let read = |rows: &[&Patch]| Pixels::read(&folder, rows, 3, jpeg);
    let train_pixels = read(&train)?;
    let select_pixels = read(&select)?;
    let statistics = train_pixels.statistics();
    tracing::info!("{statistics:?}");
    let labels = |rows: &[&Patch]| Tensor::from_slice(&rows.iter().map(|p| p.label as f32).collect::<Vec<_>>());
    let train = Samples { pixels: train_pixels.standardised(&statistics), labels: labels(&train) };
    let select = Samples { pixels: select_pixels.standardised(&statistics), labels: labels(&select) };
    let recipe = Recipe {
        epochs: arguments.epochs,
        warmup_epochs: 1,
        batch: arguments.batch,
        learning_rate: arguments.learning_rate,
        weight_decay: arguments.weight_decay,
        positive_weight: arguments.positive_weight,
        seed: arguments.seed,
        precision: Precision::Bf16,
        device: if Cuda::is_available() { Device::Cuda(0) } else { Device::Cpu },
    };
    let fitted = fit::fit(&recipe, &train, &select, &arguments.checkpoints, arguments.resume)?;
    tracing::info!("best epoch {}", fitted.best);
    Ok(())
}

fn jpeg(path: &std::path::Path) -> Result<(Vec<f32>, usize)> {
    let bytes = std::fs::read(path).map_err(|e| Error::io(e).context(path.display()))?;
    let mut decoder = zune_jpeg::JpegDecoder::new(zune_jpeg::zune_core::bytestream::ZCursor::new(&bytes));
    let pixels = decoder.decode().map_err(Error::malformed)?;
    let plane = 64 * 64;
    let mut out = vec![0f32; 3 * plane];
    for (i, v) in pixels.iter().enumerate() {
        out[(i % 3) * plane + i / 3] = ((*v as f64) * (2750.0 / 255.0 / 10000.0)) as f32;
    }
    Ok((out.iter().map(|v| v.clamp(0.0, 0.275)).collect(), 64))
}
