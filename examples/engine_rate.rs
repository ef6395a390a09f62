//! Rows per CPU-second of an ONNX model on each engine and batch, and the time until a session stands.
//!
//! `cargo run --release --example engine_rate -- MODEL.onnx BANDS HEIGHT WIDTH [ort|openvino|openvino-bf16|tract|all] [BATCH…]`

use std::time::{Duration, Instant};
use std::{env, error, fs};

use ndarray::Array4;
use s2infer::infer::engine::{self, EngineChoice, EngineRequest, Network};
use s2infer::model::manifest::Precision;

const ENGINES: [(&str, EngineChoice, Precision); 4] = [
    ("ort", EngineChoice::Ort, Precision::Fp32),
    ("openvino", EngineChoice::OpenVino, Precision::Fp32),
    ("openvino-bf16", EngineChoice::OpenVino, Precision::Bf16),
    ("tract", EngineChoice::Tract, Precision::Fp32),
];

/// CPU time of this process's threads.
fn cpu_time() -> Result<Duration, Box<dyn error::Error>> {
    let mut sum = Duration::ZERO;
    for thread in fs::read_dir("/proc/self/task")? {
        let text = fs::read_to_string(thread?.path().join("schedstat"))?;
        sum += Duration::from_nanos(text.split(' ').next().unwrap_or_default().parse()?);
    }
    Ok(sum)
}

fn measure(
    request: &EngineRequest,
    graph: &[u8],
    batch: usize,
    input: [usize; 3],
) -> Result<(), Box<dyn error::Error>> {
    let start = Instant::now();
    let engine = engine::open(request)?;
    let opened = start.elapsed();
    let network = Network { graph, input, precision: request.precision };
    let (start, cpu) = (Instant::now(), cpu_time()?);
    let mut session = engine.session(network, batch)?;
    let (loaded, loaded_cpu) = (start.elapsed(), cpu_time()? - cpu);
    let start = Instant::now();
    let mut again = engine.session(network, batch)?;
    let second = start.elapsed();
    let [bands, height, width] = input;
    let input = Array4::from_shape_fn((batch, bands, height, width), |(n, c, y, x)| {
        ((n * 31 + c * 17 + y * 7 + x * 3) % 23) as f32 / 11.0 - 1.0
    });
    again.run(input.view())?;
    drop(again);
    session.run(input.view())?;
    let mut rates = Vec::new();
    for _ in 0..7 {
        let (before, mut rows) = (cpu_time()?, 0);
        while cpu_time()? - before < Duration::from_millis(400) {
            session.run(input.view())?;
            rows += batch;
        }
        rates.push(rows as f64 / (cpu_time()? - before).as_secs_f64());
    }
    rates.sort_by(f64::total_cmp);
    let (name, precision) = (&engine.info().engine, request.precision);
    println!(
        "{name:12} {precision} batch {batch:2}: {:7.1} rows/CPU-s ({:.1} to {:.1}); open {opened:.0?}, first session {loaded:.0?} \
         ({loaded_cpu:.0?} CPU), second {second:.0?}",
        rates[3], rates[0], rates[6]
    );
    Ok(())
}

fn main() -> Result<(), Box<dyn error::Error>> {
    let words: Vec<String> = env::args().skip(1).collect();
    let [model, bands, height, width, rest @ ..] = words.as_slice() else {
        return Err(
            "usage: engine_rate MODEL.onnx BANDS HEIGHT WIDTH [ort|openvino|openvino-bf16|tract|all] [BATCH…]".into()
        );
    };
    let (graph, row) = (fs::read(model)?, [bands.parse()?, height.parse()?, width.parse()?]);
    let named = rest.first().map_or("all", String::as_str);
    let batches: Vec<usize> = rest.iter().skip(1).map(|batch| batch.parse()).collect::<Result<_, _>>()?;
    for batch in if batches.is_empty() { vec![1, 4, 8, 16, 32] } else { batches } {
        for (name, engine, precision) in ENGINES {
            if named == name || named == "all" {
                let request = EngineRequest { engine, precision, sessions: 1, ..EngineRequest::default() };
                measure(&request, &graph, batch, row)?;
            }
        }
    }
    Ok(())
}
