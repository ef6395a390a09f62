//! How good parameters are on patches that no gradient saw.

use std::collections::BTreeMap;

use super::fit::Machine;
use super::forward::forward;
use super::parameters::{Parameters, values};
use super::samples::{Samples, Scaling, group};
use crate::statistics::classes::{confusion, f1};
use crate::statistics::ranking::average_precision;

/// Patches a forward pass without gradients.
const BATCH: usize = 256;

/// Name of the smallest of the groups' average precisions.
pub const WORST: &str = "average_precision/worst";

/// Measures on a set of patches.
#[derive(Debug)]
pub struct Assessment {
    /// What epochs are chosen by; the higher, the better.
    pub criterion: f64,
    /// Measures by name.
    pub measures: BTreeMap<String, f64>,
}

/// Two classes: average precision of each group of season × sky that has positives, and of the worst, which is the
/// criterion. More
/// classes: accuracy, the worst class's F1 and macro-F1, which is the criterion. Of no patches there are no measures, and
/// the criterion is 0.
pub fn assess(
    parameters: &Parameters,
    samples: &Samples,
    scaling: &Scaling,
    classes: usize,
    machine: Machine,
) -> Assessment {
    if samples.is_empty() {
        return Assessment { criterion: 0.0, measures: BTreeMap::new() };
    }
    let logits = logits(parameters, samples, scaling, machine);
    match classes {
        2 => by_group(&logits, samples),
        _ => by_class(&logits, samples, classes),
    }
}

fn by_group(logits: &[f32], samples: &Samples) -> Assessment {
    let mut groups: BTreeMap<String, (Vec<f32>, Vec<bool>)> = BTreeMap::new();
    for (index, of) in samples.circumstances.iter().enumerate() {
        let (scores, labels) = groups.entry(group(of)).or_default();
        scores.push(logits[index]);
        labels.push(samples.labels[index] == 1);
    }
    let precision = |(group, (scores, labels)): (&String, &(Vec<f32>, Vec<bool>))| {
        Some((format!("average_precision/{group}"), average_precision(scores, labels)?))
    };
    // Without a positive there is nothing to rank.
    let mut measures: BTreeMap<String, f64> = groups.iter().filter_map(precision).collect();
    let criterion = measures.values().copied().reduce(f64::min).unwrap_or(0.0);
    measures.insert(WORST.into(), criterion);
    Assessment { criterion, measures }
}

fn by_class(logits: &[f32], samples: &Samples, classes: usize) -> Assessment {
    let largest = |row: &[f32]| (0..classes).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap_or(0);
    let predicted: Vec<usize> = logits.chunks(classes).map(largest).collect();
    let confusion = confusion(&predicted, &samples.labels, classes);
    let f1 = f1(&confusion);
    let hits: usize = (0..classes).map(|class| confusion[class][class]).sum();
    let criterion = f1.iter().sum::<f64>() / classes as f64;
    let measures = [
        ("accuracy", hits as f64 / samples.len() as f64),
        ("macro_f1", criterion),
        ("worst_f1", f1.iter().copied().fold(f64::INFINITY, f64::min)),
    ];
    Assessment { criterion, measures: measures.map(|(name, value)| (name.to_owned(), value)).into() }
}

/// Logits of every patch, `[patches, outputs]` row by row, with the running statistics of batch normalisation.
pub fn logits(parameters: &Parameters, samples: &Samples, scaling: &Scaling, machine: Machine) -> Vec<f32> {
    let starts = (0..samples.len()).step_by(BATCH);
    starts
        .flat_map(|start| {
            let inputs = samples.inputs(start..(start + BATCH).min(samples.len()), scaling).to_device(machine.device);
            tch::no_grad(|| values(&forward(parameters, &inputs, machine.precision, false).logits))
        })
        .collect()
}
