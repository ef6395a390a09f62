//! `s2train clean-masks`

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use s2infer::model::Model;
use s2infer::output::AtomicFile;
use s2infer::train::cloud_chips::reading;
use s2infer::train::suspects::{self, Suspect, Verdict};
use s2infer::train::table;
use s2infer::{Error, Result};

const EXAMPLES: &str = "\
The manifest comes back with a column `weight`, which s2train train takes: 1 where pixels and mask agree,
0 where they cannot both be right, less than 1 in between. Chips with less than 1 are listed with the
reason, in a file or, without --list, on standard output.

Examples:
  s2train clean-masks --manifest chips.csv --out clean.csv --list suspects.csv
  s2train clean-masks --manifest chips.csv --out clean.csv --drop --classes land,shadow,cloud";

/// List chips whose cloud mask their pixels contradict, and take their weight away
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Table with the columns path and mask, and any others
    #[arg(long, value_name = "CSV")]
    manifest: PathBuf,
    /// The bands of the chips, B02, B03 and B04 among them
    #[arg(long, value_name = "BANDS", value_delimiter = ',', default_value = "B02,B03,B04,B08")]
    bands: Vec<String>,
    /// Names of the classes in the order of their numbers in the masks
    #[arg(long, value_name = "NAME,NAME,…", value_delimiter = ',', default_value = "clear,cloud")]
    classes: Vec<String>,
    /// The class that is cloud
    #[arg(long, value_name = "NAME", default_value = "cloud")]
    cloud_class: String,
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
    let manifest = reading(&Model::built_in()?.manifest, &arguments.bands);
    let names = &arguments.classes;
    let cloud = names.iter().position(|name| *name == arguments.cloud_class).ok_or_else(|| {
        Error::usage(format!("--cloud-class {}: is none of {}", arguments.cloud_class, names.join(", ")))
    })?;
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
    let judge = |row: &csv::StringRecord| -> Result<Verdict> {
        let [chip, labels] = [path, mask].map(|column| folder.join(row.get(column).unwrap_or_default()));
        suspects::judge(&chip, &labels, &manifest, cloud as u8, names.len() as u8)
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
            suspects
                .iter()
                .for_each(|suspect| println!("{}\t{}\t{}", suspect.path.display(), suspect.weight, suspect.reason));
            Ok(())
        }
    }
}

fn rounded(share: f64) -> f64 {
    (share * 1000.0).round() / 1000.0
}

/// The manifest with the column `weight`, in the place of one that it had.
fn write(
    arguments: &Arguments,
    header: &csv::StringRecord,
    rows: &[csv::StringRecord],
    verdicts: &[Verdict],
) -> Result<()> {
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
