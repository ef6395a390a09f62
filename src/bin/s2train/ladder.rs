//! `s2train ladder`

use std::path::{Path, PathBuf};

use s2infer::train::ladder::{self, Rung};
use s2infer::{Error, Result};

/// Compare trainings on the patches that chose their epochs
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  s2train ladder --out calibration/construction/ladder.md \\
    'plain=runs/plain-1,runs/plain-2,runs/plain-3' 'with symmetries=runs/d4-1,runs/d4-2,runs/d4-3'")]
pub struct Ladder {
    /// A recipe's name and the folders of its checkpoints, one a seed
    #[arg(value_name = "NAME=FOLDER,…", required = true, value_parser = rung)]
    rungs: Vec<(String, Vec<PathBuf>)>,
    /// Markdown that comes before the table
    #[arg(long, value_name = "TEXT", default_value = "")]
    note: String,
    /// Markdown to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

impl Ladder {
    pub fn run(&self) -> Result<()> {
        let read = |(name, folders): &(String, Vec<PathBuf>)| {
            Rung::read(name, &folders.iter().map(PathBuf::as_path).collect::<Vec<&Path>>())
        };
        let rungs: Vec<Rung> = self.rungs.iter().map(read).collect::<Result<_>>()?;
        ladder::check(&rungs)?;
        let text = match self.note.trim() {
            "" => ladder::render(&rungs),
            note => format!("{note}\n\n{}", ladder::render(&rungs)),
        };
        std::fs::write(&self.out, text).map_err(|e| Error::output(e).context(self.out.display()))?;
        tracing::info!("wrote {}", self.out.display());
        Ok(())
    }
}

fn rung(text: &str) -> Result<(String, Vec<PathBuf>), String> {
    match text.split_once('=') {
        Some((name, folders)) if !name.is_empty() && !folders.is_empty() => {
            Ok((name.to_owned(), folders.split(',').map(PathBuf::from).collect()))
        }
        _ => Err("write it as NAME=FOLDER,FOLDER".into()),
    }
}
