//! Puts a model's graph into 8 bits without a gate, for comparisons with other quantizers on the very same inputs.
//!
//! ```text
//! quantize_graph MODEL_FOLDER INPUTS OUT.onnx
//! ```
//!
//! INPUTS holds little-endian float32, `[n, bands, height, width]` of the model, as the network sees them; row i counts as
//! of group i modulo 4. Ranges are observed on the first half, the ways are judged on the second. Prints a line for each way
//! that was tried.

use std::path::Path;

use ndarray::Array4;
use s2infer::infer::engine::{self, EngineChoice, EngineRequest};
use s2infer::model::Model;
use s2infer::quantize::{Activations, Settings, Tiles, WeightSteps, int8};
use s2infer::{Error, Result};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, inputs, out] = arguments.as_slice() else {
        return Err(Error::usage("quantize_graph MODEL_FOLDER INPUTS OUT.onnx"));
    };
    let model = Model::load(Path::new(folder))?;
    let (_, bands, height, width) = model.golden()?.input.dim();
    let bytes = std::fs::read(inputs).map_err(|error| Error::usage(error).context(inputs))?;
    let values: Vec<f32> = bytes.as_chunks::<4>().0.iter().map(|word| f32::from_le_bytes(*word)).collect();
    let n = values.len() / (bands * height * width);
    let inputs = Array4::from_shape_vec((n, bands, height, width), values).map_err(Error::usage)?;
    let (tiles, others) = Tiles { inputs, groups: (0..n).map(|row| row % 4).collect() }.halves();
    let engine = engine::open(&EngineRequest { engine: EngineChoice::Ort, ..EngineRequest::default() })?;
    let settings = Settings {
        method: None,
        equalise: None,
        activations: Activations::Unsigned,
        weights: WeightSteps { steps: 127, per_channel: true },
        sqnr_db_min: 20.0,
        keep_float: Vec::new(),
        force_int8: Vec::new(),
    };
    let made = int8(&*engine, &model.graph, &tiles, &others, &settings, &mut |_| ())?;
    for trial in &made.trials {
        let (method, decibels) = (trial.method.as_str(), trial.worst_group_sqnr_db);
        println!(
            "{method}, {} places equalised, biases corrected: {}: {decibels:.1} dB",
            trial.n_equalised, trial.is_bias_corrected
        );
    }
    for layer in made.layers.iter().filter(|layer| !layer.is_int8) {
        println!("{} {} in fp32: {:.1} dB", layer.operator, layer.name, layer.sqnr_db.unwrap_or(f64::NAN));
    }
    std::fs::write(out, &made.graph).map_err(|error| Error::output(error).context(out))
}
