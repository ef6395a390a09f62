//! Deep feature reweighting (Kirichenko et al. 2023): the last layer once more, on patches of which every class and
//! every group of season × sky has equally many.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tch::{Kind, Tensor};

use super::augment::Mixing;
use super::fit::Machine;
use super::forward::forward;
use super::loader::{Batch, Loader};
use super::loss::{Loss, Objective};
use super::optimiser::{AdamW, learning_rate};
use super::parameters::Parameters;
use super::sampling;
use crate::Result;

/// Steps over all features at once; the problem is convex and small.
const STEPS: usize = 300;
/// Highest learning rate of those steps.
const LEARNING_RATE: f64 = 1e-2;
/// Their weight decay.
const WEIGHT_DECAY: f64 = 1e-2;
/// Random numbers of an epoch that no training reaches.
const EPOCH: usize = usize::MAX;

/// Fits the last layer of `parameters` to the features of so many patches, augmented but not mixed.
/// Scores lose their prior thereby (classes are balanced); thresholds are calibrated afterwards.
pub fn last_layer(
    parameters: &mut Parameters,
    loader: &Loader,
    patches: usize,
    label_smoothing: f64,
    machine: Machine,
) -> Result<()> {
    let mut rng = ChaCha8Rng::seed_from_u64(loader.seed);
    rng.set_stream(EPOCH as u64);
    let order = sampling::balanced(loader.samples, patches, &mut rng);
    let (mut features, mut labels) = (Vec::new(), Vec::new());
    loader.with(Mixing::NONE).run(&order, EPOCH, |batch: Batch| {
        let inputs = batch.inputs.to_device(machine.device);
        features.push(tch::no_grad(|| forward(parameters, &inputs, machine.precision, false).features));
        labels.push(batch.labels.to_device(machine.device));
        Result::Ok(())
    })?;
    let (features, labels) = (Tensor::cat(&features, 0), Tensor::cat(&labels, 0));
    let last = parameters.architecture.family.ends()[0];
    let name = |what: &str| format!("{last}.{what}");
    let layer = parameters.only(&[name("weight"), name("bias")]);
    let objective = Objective {
        loss: Loss::CrossEntropy,
        positive_weight: 1.0,
        label_smoothing,
        priors: vec![1.0 / loader.classes as f64; loader.classes],
    };
    let mut optimiser = AdamW::new(&layer, WEIGHT_DECAY);
    for step in 0..STEPS {
        let logits = features.linear(layer.get(&name("weight")), Some(layer.get(&name("bias"))));
        objective.losses(&logits, &labels).mean(Kind::Float).backward();
        optimiser.step(&layer, |_| learning_rate(LEARNING_RATE, step, 0, STEPS));
    }
    for what in ["weight", "bias"] {
        parameters.set(&name(what), &layer.get(&name(what)).detach());
    }
    Ok(())
}
