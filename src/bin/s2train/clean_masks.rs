//! `s2train clean-masks`

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use s2infer::model::Model;
use s2infer::output::AtomicFile;
use s2infer::train::suspects::{self, Suspect, Verdict};
use s2infer::train::table;
use s2infer::{Error, Result};

const EXAMPLES: &str = "\
The manifest comes back with a column `weight`, which s2train train takes: 1 where pixels and mask agree,
0 where they cannot both be right, less than 1 in between. Chips with less than 1 are listed with the
reason, in a file or, without --list, on standard output.

Examples:
  s2train clean-masks --manifest chips.csv --out clean.csv --list suspects.csv
  s2train clean-masks --manifest chips.csv --out clean.csv --drop";

/// List chips whose cloud mask their pixels contradict, and take their weight away
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Table with the columns path and mask, and any others
    #[arg(long, value_name = "CSV")]
    manifest: PathBuf,
    /// Model whose bands, radiometry and classes hold for the chips
    #[arg(long, value_name = "NAME|FOLDER", default_value = "models/clouds")]
    model: String,
    /// The number of the class that is cloud
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    cloud_class: u8,
    /// The table with weights
    #[arg(long, value_name = "CSV")]
    out: PathBuf,
    /// Leave chips out that have no weight
    #[arg(long)]
    drop: bool,
    /// List of the suspects
    #[arg(long, value_name = "CSV")]
    list: Option<PathBuf>,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let manifest = Model::resolve(&arguments.model)?.manifest;
    let folder = arguments.manifest.parent().unwrap_or(Path::new(""));
    let failed = |error: csv::Error| Error::usage(error).context(arguments.manifest.display());
    let mut reader = csv::Reader::from_path(&arguments.manifest).map_err(failed)?;
    let header = reader.headers().map_err(failed)?.clone();
    let column = |name: &str| {
        let found = header.iter().position(|column| column == name);
        found.ok_or_else(|| Error::usage(format!("{}: no column {name}", arguments.manifest.display())))
    };
    let (path, mask) = (column("path")?, column("mask")?);
    let rows: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().map_err(failed)?;
    let classes = manifest.classes.len() as u8;
    let judge = |row: &csv::StringRecord| -> Result<Verdict> {
        let [chip, labels] = [path, mask].map(|column| folder.join(row.get(column).unwrap_or_default()));
        suspects::judge(&chip, &labels, &manifest, arguments.cloud_class, classes)
            .map_err(|error| error.without_context(chip.display()).context(chip.display()))
    };
    let verdicts: Vec<Verdict> = rows.par_iter().map(judge).collect::<Result<_>>()?;
    write(arguments, &header, &rows, &verdicts)?;
    let suspects: Vec<Suspect> = rows
        .iter()
        .zip(&verdicts)
        .filter(|(_, verdict)| verdict.is_suspect())
        .map(|(row, verdict)| Suspect {
            path: row.get(path).unwrap_or_default().into(),
            mask: row.get(mask).unwrap_or_default().into(),
            weight: rounded(verdict.weight),
            dark_cloud: rounded(verdict.dark_cloud),
            white_clear: rounded(verdict.white_clear),
            reason: verdict.reason(),
        })
        .collect();
    let none = suspects.iter().filter(|suspect| suspect.weight == 0.0).count();
    tracing::info!("{} of {} chips are suspect, {none} lose all weight", suspects.len(), rows.len());
    match &arguments.list {
        Some(list) => table::write(list, &suspects),
        None => {
            suspects.iter().for_each(|suspect| println!("{}\t{}\t{}", suspect.path.display(), suspect.weight, suspect.reason));
            Ok(())
        }
    }
}

fn rounded(share: f64) -> f64 {
    (share * 1000.0).round() / 1000.0
}

/// The manifest with the column `weight`, in the place of one that it had.
fn write(arguments: &Arguments, header: &csv::StringRecord, rows: &[csv::StringRecord], verdicts: &[Verdict]) -> Result<()> {
    let out = &arguments.out;
    let failed = |error: csv::Error| Error::output(error).context(out.display());
    let old = header.iter().position(|column| column == "weight");
    let kept = |row: &csv::StringRecord, last: &str| -> csv::StringRecord {
        let cells = row.iter().enumerate().filter(|(index, _)| Some(*index) != old).map(|(_, cell)| cell);
        cells.chain([last]).collect()
    };
    let mut writer = csv::Writer::from_writer(AtomicFile::create(out)?);
    writer.write_record(&kept(header, "weight")).map_err(failed)?;
    for (row, verdict) in rows.iter().zip(verdicts) {
        if arguments.drop && verdict.weight == 0.0 {
            continue;
        }
        writer.write_record(&kept(row, &rounded(verdict.weight).to_string())).map_err(failed)?;
    }
    writer.into_inner().map_err(|e| Error::output(e.error()).context(out.display()))?.commit()
}
