//! `--dry-run`: each tile's shift and threshold, without reading a pixel.

use s2infer::Result;
use s2infer::decide::{Observation, Resolution};
use s2infer::output::{self, signal};
use s2infer::pipeline::{self, Job};

use super::shell;

/// Prints the table; the exit code is 1 where a tile cannot be opened.
pub fn run(job: &Job) -> Result<u8> {
    shell::print(b"tile,date,latitude,cloud_cover,shift,threshold,reason\n")?;
    let mut failed = false;
    for input in &job.inputs {
        signal::check()?;
        let planned = pipeline::dry_run(job, input);
        failed |= planned.is_err();
        let cells = cells(planned).map(|cell| cell.map_or_else(String::new, |cell| output::csv_cell(&cell)));
        let tile = output::csv_cell(&output::tile_text(&input.path));
        shell::print(format!("{tile},{}\n", cells.join(",")).as_bytes())?;
    }
    Ok(u8::from(failed))
}

fn cells(planned: Result<(Observation, Option<Resolution>)>) -> [Option<String>; 6] {
    let (observed, resolution) = match planned {
        Ok(planned) => planned,
        Err(error) => return [None, None, None, None, None, Some(error.to_string())],
    };
    let (shift, threshold, reason) = match resolution {
        None => (None, None, None),
        Some(Resolution::Threshold { shift, threshold, guaranteed }) => {
            (Some(shift), Some(threshold.to_string()), (!guaranteed).then(|| "without guarantee".to_owned()))
        }
        Some(Resolution::Abstain { shift, reason }) => (Some(shift), None, Some(reason)),
    };
    [
        observed.date.map(|date| date.to_string()),
        observed.latitude.map(|latitude| format!("{latitude:.4}")),
        observed.cloud_cover_percent.map(|percent| percent.to_string()),
        shift,
        threshold,
        reason,
    ]
}
