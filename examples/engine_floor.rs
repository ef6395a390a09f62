//! What an engine alone costs: the model's golden batch, repeated from memory, through one session.
//!
//! ```text
//! engine_floor MODEL_FOLDER ROWS [ort|openvino|tract] [BATCH]
//! ```
//!
//! `scripts/bench-peers.sh` takes the CPU time of this process with many rows, less that of the same with none, as the
//! floor that the whole program is measured against.

use std::path::Path;

use ndarray::{Array4, Axis};
use s2infer::infer::engine::{self, EngineChoice, EngineRequest, Network};
use s2infer::model::Model;
use s2infer::{Error, Result};

/// The program's own batch on a processor, for many tiles.
const BATCH_ROWS: usize = 32;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, rows, rest @ ..] = arguments.as_slice() else {
        return Err(Error::usage("engine_floor MODEL_FOLDER ROWS [ort|openvino|tract] [BATCH]"));
    };
    let number = |text: &String| text.parse::<usize>().map_err(|error| Error::usage(format!("{text}: {error}")));
    let rows = number(rows)?;
    let choice = match rest.first().map_or("ort", String::as_str) {
        "ort" => EngineChoice::Ort,
        "openvino" => EngineChoice::OpenVino,
        "tract" => EngineChoice::Tract,
        other => return Err(Error::usage(format!("{other}: give ort, openvino or tract"))),
    };
    let batch_rows = rest.get(1).map_or(Ok(BATCH_ROWS), number)?;

    let model = Model::load(Path::new(folder))?;
    let precision = model.manifest.precision;
    let request = EngineRequest { engine: choice, precision, sessions: 1, ..EngineRequest::default() };
    let engine = engine::open(&request)?;
    let [_, bands, height, width]: [usize; 4] = model.golden()?.input.dim().into();
    let batch = repeated(&model.golden()?.input, batch_rows);
    let network = Network { graph: &model.graph, input: [bands, height, width], precision };
    let mut session = engine.session(network, batch_rows)?;
    let mut sum = f64::from(session.run(batch.view())?.sum());
    for _ in 0..rows.div_ceil(batch_rows) {
        sum += f64::from(session.run(batch.view())?.sum());
    }
    println!("{rows} rows in batches of {batch_rows}, sum of outputs {sum}");
    Ok(())
}

/// The first `rows` rows of `batch` said over and over.
fn repeated(batch: &Array4<f32>, rows: usize) -> Array4<f32> {
    let indices: Vec<usize> = (0..rows).map(|row| row % batch.len_of(Axis(0))).collect();
    batch.select(Axis(0), &indices)
}
