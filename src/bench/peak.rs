//! What an engine reaches at best on this machine: large square products and nothing else.

use std::time::{Duration, Instant};

use cpu_time::ProcessTime;
use ndarray::Array4;

use super::Case;
use super::flops::gflop_per_row;
use crate::Result;
use crate::infer::engine::{Network, Session};
use crate::model::manifest::Precision;
use crate::onnx::{Conv, GraphBuilder, Value, Weights};
use crate::output::signal;

/// Rows of a batch.
const BATCH: usize = 4;
/// One step of the integers in the graphs.
const STEP: f32 = 1.0 / 64.0;
/// How long each graph runs; the best run counts.
const SECONDS: Duration = Duration::from_millis(600);
/// Layers that keep a processor busiest: matrix products of 1024 × 1024 with 512 rows, the same as a 1×1 convolution
/// where engines have better kernels for that, and 3×3 convolutions.
const CANDIDATES: [Layers; 3] = [
    Layers { input: [1, 512, 1024], width: 1024, kernel: None, count: 2 },
    Layers { input: [512, 16, 16], width: 512, kernel: Some(1), count: 8 },
    Layers { input: [256, 32, 32], width: 256, kernel: Some(3), count: 2 },
];

/// Square layers of one shape, one after the other.
struct Layers {
    /// `[bands, height, width]`
    input: [usize; 3],
    /// Inputs and outputs of a layer.
    width: usize,
    /// Side of a convolution's kernel; `None` for a matrix product along the last axis.
    kernel: Option<usize>,
    count: usize,
}

/// The best rate that the case's engine reaches in the case's precision, in billions of operations per second of one
/// processor (of the clock on a GPU), with one session. Winograd's convolutions count as the direct ones they stand for.
///
/// # Errors
/// Those of the engine, where it does not take a graph of the precision.
pub fn peak_gflops(case: &Case) -> Result<f64> {
    let rates = CANDIDATES.iter().map(|layers| rate(case, layers)).collect::<Result<Vec<f64>>>()?;
    Ok(rates.into_iter().fold(0.0, f64::max))
}

fn rate(case: &Case, layers: &Layers) -> Result<f64> {
    let precision = case.subject.model.manifest.precision;
    let graph = layers.graph(precision);
    let input = layers.input;
    let mut session = case.engine.session(Network { graph: &graph, input, precision }, BATCH)?;
    let gflop = gflop_per_row(&Layers::graph(layers, Precision::Fp32), input)? * BATCH as f64;
    let batch = Array4::from_shape_fn((BATCH, input[0], input[1], input[2]), |(row, band, y, x)| {
        ((row + 3 * band + 5 * y + 7 * x) % 16) as f32 / 16.0
    });
    let started = Instant::now();
    let mut best = f64::INFINITY;
    while started.elapsed() < SECONDS {
        signal::check()?;
        best = best.min(run(case, session.as_mut(), &batch)?);
    }
    Ok(gflop / best)
}

/// Seconds of one run.
fn run(case: &Case, session: &mut dyn Session, batch: &Array4<f32>) -> Result<f64> {
    let (clock, cpu) = (Instant::now(), ProcessTime::now());
    session.run(batch.view())?;
    Ok(if case.is_gpu() { clock.elapsed() } else { cpu.elapsed() }.as_secs_f64())
}

impl Layers {
    fn graph(&self, precision: Precision) -> Vec<u8> {
        let shape = [None, Some(self.input[0]), Some(self.input[1]), Some(self.input[2])];
        let mut graph = GraphBuilder::new("peak", Weights::Fp32);
        let input = graph.input("input", &shape);
        let mut x = if precision == Precision::Fp16 { graph.to_half(&input) } else { input };
        for index in 0..self.count {
            x = self.layer(&mut graph, &x, index, precision);
        }
        // What follows an integer layer must be of integers for an engine to make it one.
        x = match precision {
            Precision::Fp16 => graph.to_float(&x),
            Precision::Int8 => graph.quantized(&x, STEP, 0),
            Precision::Fp32 | Precision::Bf16 => x,
        };
        graph.output("logits", &x, &shape);
        graph.finish()
    }

    /// A product and ReLU, with weights that keep the size of what flows through.
    fn layer(&self, graph: &mut GraphBuilder, x: &Value, index: usize, precision: Precision) -> Value {
        let side = self.kernel.unwrap_or(1);
        let dims = match self.kernel {
            Some(_) => vec![self.width, self.width, side, side],
            None => vec![self.width, self.width],
        };
        let quanta: Vec<i8> = (0..dims.iter().product()).map(|i: usize| (i * 7919 % 255) as i8).collect();
        let (name, scale) = (format!("weight{index}"), STEP / (self.width as f32).sqrt() / side as f32);
        let (x, weight) = match precision {
            Precision::Int8 => (graph.quantized(x, STEP, 0), graph.int8_weight(&name, &dims, &quanta, &[scale])),
            _ => {
                let values: Vec<f32> = quanta.iter().map(|quantum| f32::from(*quantum) * scale).collect();
                let weight = graph.weight(&name, &dims, &values);
                (x.clone(), if precision == Precision::Fp16 { graph.to_half(&weight) } else { weight })
            }
        };
        let y = match self.kernel {
            Some(_) => {
                let how = Conv { kernel: side, stride: 1, padding: side / 2, groups: 1 };
                graph.conv(&x, &weight, None, how)
            }
            None => graph.matmul(&x, &weight),
        };
        graph.relu(&y)
    }
}
