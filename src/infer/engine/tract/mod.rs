//! tract: pure Rust, always there; its convolutions are our own, and nearly as fast as ONNX Runtime's.

mod conv;
mod dense;
mod plan;
mod scan;
mod steps;

use std::sync::{Arc, Mutex, PoisonError};

use ndarray::{ArrayD, ArrayView4};
use tract_onnx::prelude::{IntoTensor, Tensor, TypedRunnableModel, tvec};

use super::{Engine, EngineInfo, Network, Session, quiet, tensor};
use crate::model::manifest::Precision;
use crate::{Error, Result};

/// Version of tract this program was built with; `tests/engine.rs` compares it with `Cargo.lock`.
const VERSION: &str = "0.23.9";

type Plan = Arc<TypedRunnableModel>;

/// What a plan was built from: a hash of the graph, and the batch's shape.
type Key = ([u8; 32], [usize; 4]);

/// The engine.
pub struct Tract {
    info: EngineInfo,
    /// The latest plan: the workers of a run ask for the same one, and building it takes longer than a batch.
    latest: Mutex<Option<(Key, Plan)>>,
}

impl Tract {
    /// The engine, with the reason why `auto` came to it, if so.
    pub fn new(fallback_reason: Option<String>) -> Self {
        let info = EngineInfo {
            engine: "tract".to_owned(),
            version: VERSION.to_owned(),
            provider: "cpu".to_owned(),
            library: None,
            fallback_reason,
        };
        Self { info, latest: Mutex::new(None) }
    }

    /// The plan for a graph and batch; the second caller waits for the first and shares its plan.
    fn plan(&self, graph: &[u8], shape: [usize; 4]) -> Result<Plan> {
        let key = (blake3::hash(graph).into(), shape);
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, plan)) = latest.as_ref().filter(|(present, _)| *present == key) {
            return Ok(plan.clone());
        }
        let plan = quiet::catch(|| plan::build(graph, shape)).unwrap_or_else(|panic| {
            Err(Error::refused(format!("tract cannot plan the model: {panic}; give --engine ort or openvino")))
        })?;
        *latest = Some((key, plan.clone()));
        Ok(plan)
    }
}

impl Engine for Tract {
    fn info(&self) -> &EngineInfo {
        &self.info
    }

    fn check_precision(&self, precision: Precision) -> Result<()> {
        match precision {
            Precision::Fp32 => Ok(()),
            _ => Err(tensor::wrong_precision("tract", precision)),
        }
    }

    fn session(&self, network: Network<'_>, batch: usize) -> Result<Box<dyn Session>> {
        self.check_precision(network.precision)?;
        let shape = tensor::batch_shape(batch, network.input)?;
        Ok(Box::new(TractSession { plan: self.plan(network.graph, shape)?, shape }))
    }
}

struct TractSession {
    plan: Plan,
    shape: [usize; 4],
}

impl Session for TractSession {
    fn run(&mut self, input: ArrayView4<'_, f32>) -> Result<ArrayD<f32>> {
        let values = tensor::contiguous(&input, self.shape)?;
        let (shape, values) = quiet::catch(|| evaluate(&self.plan, &self.shape, values))
            .unwrap_or_else(|panic| Err(format!("it panicked: {panic}")))
            .map_err(|reason| Error::engine(format!("tract failed on a batch: {reason}")))?;
        tensor::output(&shape, values, self.shape[0])
    }
}

/// One evaluation with a fresh state: shape and values of the only output.
fn evaluate(plan: &Plan, shape: &[usize; 4], values: &[f32]) -> Result<(Vec<usize>, Vec<f32>), String> {
    let run = || {
        let input = Tensor::from_shape(shape, values)?;
        let output = plan.run(tvec!(input.into()))?.swap_remove(0).into_tensor();
        output.into_plain_array::<f32>()
    };
    let array = run().map_err(|error| plan::one_line(&error))?;
    let shape = array.shape().to_vec();
    Ok((shape, array.iter().copied().collect()))
}
