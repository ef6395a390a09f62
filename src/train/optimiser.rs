//! AdamW with a cosine schedule. Its state lies open, so that a checkpoint holds all of it.

use std::collections::BTreeMap;
use std::path::Path;

use tch::Tensor;

use super::parameters::{Parameters, read_safetensors, write_safetensors};
use crate::{Error, Result};

const BETA_1: f64 = 0.9;
const BETA_2: f64 = 0.999;
const EPSILON: f64 = 1e-8;

/// AdamW (Loshchilov and Hutter 2019). Weight decay spares biases and normalisation, everything with one axis.
#[derive(Debug)]
pub struct AdamW {
    weight_decay: f64,
    steps: i32,
    moments: BTreeMap<String, [Tensor; 2]>,
}

impl AdamW {
    /// An optimiser with zero moments.
    pub fn new(parameters: &Parameters, weight_decay: f64) -> Self {
        let zeros = |(name, t): (&String, &Tensor)| (name.clone(), [t.zeros_like(), t.zeros_like()]);
        let moments = tch::no_grad(|| parameters.trainable().map(zeros).collect());
        Self { weight_decay, steps: 0, moments }
    }

    /// Moves every parameter against its gradient, then forgets the gradients; `learning_rate` tells that of each
    /// parameter by name.
    pub fn step(&mut self, parameters: &Parameters, learning_rate: impl Fn(&str) -> f64) {
        self.steps += 1;
        let correction_1 = 1.0 - BETA_1.powi(self.steps);
        let correction_2 = 1.0 - BETA_2.powi(self.steps);
        tch::no_grad(|| {
            for (name, parameter) in parameters.trainable() {
                let mut parameter = parameter.shallow_clone();
                let mut gradient = parameter.grad();
                let learning_rate = learning_rate(name);
                let Some([first, second]) = self.moments.get_mut(name) else { continue };
                if parameter.dim() > 1 {
                    let _ = parameter.g_mul_scalar_(1.0 - learning_rate * self.weight_decay);
                }
                let _ = first.lerp_(&gradient, 1.0 - BETA_1);
                let _ = second.lerp_(&gradient.square(), 1.0 - BETA_2);
                let denominator = (second.sqrt() / correction_2.sqrt()).g_add_scalar_(EPSILON);
                let _ = parameter.addcdiv_(&(&*first * (-learning_rate / correction_1)), &denominator);
                let _ = gradient.zero_();
            }
        });
    }

    /// Writes the moments.
    pub fn write(&self, path: &Path) -> Result<()> {
        let name = |name: &String, order: usize| format!("{order}.{name}");
        let both = self.moments.iter().flat_map(|(n, [m, v])| [(name(n, 1), m), (name(n, 2), v)]);
        write_safetensors(both, path)
    }

    /// Reads moments written by [`AdamW::write`] after `steps` steps.
    pub fn restore(&mut self, path: &Path, steps: i32) -> Result<()> {
        let malformed = |e: String| Error::malformed(e).context(path.display());
        let mut read = read_safetensors(path)?;
        for (name, moments) in &mut self.moments {
            for (order, moment) in moments.iter_mut().enumerate() {
                let key = format!("{}.{name}", order + 1);
                let source = read.remove(&key).filter(|source| source.size() == moment.size());
                let source = source.ok_or_else(|| malformed(format!("holds no fitting `{key}`")))?;
                tch::no_grad(|| moment.copy_(&source));
            }
        }
        self.steps = steps;
        Ok(())
    }
}

/// Learning rate of `step` out of `steps`: a linear warm-up, then half a cosine down to zero.
pub fn learning_rate(peak: f64, step: usize, warmup_steps: usize, steps: usize) -> f64 {
    if step < warmup_steps {
        return peak * (step + 1) as f64 / warmup_steps as f64;
    }
    let progress = (step - warmup_steps) as f64 / (steps - warmup_steps).max(1) as f64;
    peak * 0.5 * (1.0 + (std::f64::consts::PI * progress.min(1.0)).cos())
}

#[cfg(test)]
mod tests {
    use super::learning_rate;

    #[test]
    fn learning_rate_rises_linearly_then_falls_to_zero() {
        assert_eq!(learning_rate(0.1, 0, 10, 110), 0.01);
        assert_eq!(learning_rate(0.1, 9, 10, 110), 0.1);
        assert!((learning_rate(0.1, 60, 10, 110) - 0.05).abs() < 1e-12);
        assert!(learning_rate(0.1, 110, 10, 110).abs() < 1e-12);
    }
}
