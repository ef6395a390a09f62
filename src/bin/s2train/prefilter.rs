//! `s2train statistics` and `s2train gate`

use std::io::Write as _;
use std::path::PathBuf;

use s2infer::decide::Bounds;
use s2infer::labelled::{Labelled, Labels};
use s2infer::limits::{MODEL_BYTES_MAX, read_bounded};
use s2infer::model::manifest::Gate as Limits;
use s2infer::model::{Manifest, Model, read_trees, seal};
use s2infer::output::AtomicFile;
use s2infer::train::ensemble::statistics;
use s2infer::{Error, Result};

/// The gate's asset and the name of its file.
const ASSET: &str = "prefilter";

const STATISTICS_EXAMPLES: &str = "\
The table has path,label,site,split and a column for every number; scripts/train_prefilter.py makes trees of it.

Example:
  s2train statistics --model models/landslides --manifest data/manifest.csv --split train --out statistics.csv";

const GATE_EXAMPLES: &str = "\
A window whose score by the trees is below the cut-off is negative without a look by the network. The cut-off is the lowest
score of the positives of --split, which must have trained neither the trees nor the network. A site counts once, however
many positives it has: with the confidence 1 − α at most 1 − α^(1/n) of new ones are lost.

Example:
  s2train gate --model models/landslides --prefilter prefilter.onnx --manifest data/manifest.csv --split calibration";

#[derive(Debug, clap::Args)]
struct Tiles {
    /// Model folder, whose channels and standardisation count
    #[arg(long, value_name = "FOLDER")]
    model: PathBuf,
    /// Manifest of labelled patches
    #[arg(long, value_name = "CSV")]
    manifest: PathBuf,
}

/// Write what the trees before a network see of labelled patches
#[derive(Debug, clap::Args)]
#[command(after_help = STATISTICS_EXAMPLES)]
pub struct Statistics {
    #[command(flatten)]
    tiles: Tiles,
    /// Split to write [default: all]
    #[arg(long, value_name = "SPLIT")]
    split: Option<String>,
    /// Table to write
    #[arg(long, value_name = "CSV")]
    out: PathBuf,
}

/// Put trees before a network, with a cut-off that loses none of the positives that it is calibrated on
#[derive(Debug, clap::Args)]
#[command(after_help = GATE_EXAMPLES)]
pub struct Gate {
    #[command(flatten)]
    tiles: Tiles,
    /// Trees as an ONNX tree ensemble
    #[arg(long, value_name = "FILE")]
    prefilter: PathBuf,
    /// Split of the patches whose positives calibrate the cut-off
    #[arg(long, value_name = "SPLIT", default_value = "calibration")]
    split: String,
    /// Confidence of the guarantee
    #[arg(long, value_name = "SHARE", default_value_t = 0.95)]
    confidence: f64,
}

impl Tiles {
    fn read(&self, split: Option<&str>) -> Result<(Manifest, Labelled)> {
        let manifest = Model::load(&self.model)?.manifest;
        let table = Labelled::read_manifest(&self.manifest, &Labels::binary(), &Bounds::default())?;
        let table = table.filtered(|row| split.is_none_or(|split| row.split.as_deref() == Some(split)));
        match table.rows.is_empty() {
            true => Err(Error::usage(format!("{}: no patch of that split", self.manifest.display()))),
            false => Ok((manifest, table)),
        }
    }
}

impl Statistics {
    pub fn run(&self) -> Result<()> {
        let (manifest, table) = self.tiles.read(self.split.as_deref())?;
        let failed = |e: csv::Error| Error::output(e).context(self.out.display());
        let mut writer = csv::Writer::from_writer(AtomicFile::create(&self.out)?);
        let header = ["path", "label", "site", "split"].map(str::to_owned);
        writer.write_record(header.into_iter().chain(statistics::names(&manifest))).map_err(failed)?;
        for (row, numbers) in table.rows.iter().zip(statistics::of(&table, &manifest)?) {
            let site = row.site.as_deref().unwrap_or_default();
            let words =
                [row.tile.clone(), row.label.to_string(), site.into(), row.split.as_deref().unwrap_or("").into()];
            writer.write_record(words.into_iter().chain(numbers.iter().map(f32::to_string))).map_err(failed)?;
        }
        writer.into_inner().map_err(|e| Error::output(e.error()).context(self.out.display()))?.commit()?;
        tracing::info!("wrote {} ({} patches)", self.out.display(), table.rows.len());
        Ok(())
    }
}

impl Gate {
    pub fn run(&self) -> Result<()> {
        if !(self.confidence > 0.0 && self.confidence < 1.0) {
            return Err(Error::usage(format!("--confidence {}: give a number between 0 and 1", self.confidence)));
        }
        let (manifest, table) = self.tiles.read(Some(&self.split))?;
        let bytes = read_bounded(&self.prefilter, MODEL_BYTES_MAX)?;
        let trees = read_trees(&bytes).map_err(|e| e.context(self.prefilter.display()))?;
        let scores: Vec<f32> = statistics::of(&table, &manifest)?.iter().map(|numbers| trees.score(numbers)).collect();
        let (cutoff, sites) = statistics::cutoff(&table, &scores)?;
        let negatives = table.rows.iter().zip(&scores).filter(|(row, _)| !row.is_positive());
        let (spared, all) =
            negatives.fold((0, 0), |(spared, all), (_, score)| (spared + usize::from(*score < cutoff), all + 1));
        let folder = &self.tiles.model;
        let path = folder.join(format!("{ASSET}.onnx"));
        let mut file = AtomicFile::create(&path)?;
        file.write_all(&bytes).map_err(|e| Error::output(e).context(path.display()))?;
        file.commit()?;
        let gate = Limits::new(ASSET, cutoff, sites, self.confidence);
        let guarantee = gate.guarantee();
        seal(folder, &Manifest { gate: Some(gate), ..manifest })?;
        tracing::info!("{guarantee}; of {all} negatives of `{}` {spared} are spared", self.split);
        Ok(())
    }
}
