//! Of the way that was chosen: which layers go back to floating point, and whether biases are corrected.

use super::{Candidate, Int8, LayerReport, Noise, Search, Settings, Tiles};
use crate::model::manifest::Precision;
use crate::quantize::places::{Ending, Layer, ending};
use crate::quantize::qdq::Rounded;
use crate::quantize::twins::twins;
use crate::{Error, Result};

/// What a last layer that makes a map may cost in 8 bits, in decibels of the logits.
const LAST_MAP_LOSS_DB_MAX: f64 = 1.0;
/// Tiles by which it is seen which layer lets the logits come closest when it goes back.
const PUT_BACK_TILES: usize = 64;
/// A layer goes back for its effect on the logits where half their noise is its, of those tiles and of all: in floating point
/// it takes longer.
const PUT_BACK_GAIN_DB_MIN: f64 = 3.0;
/// So many at most: each takes a trial of all others, and a network that needs more is not one for 8 bits as it is.
const PUT_BACK_MAX: usize = 3;

impl Tiles {
    fn first(&self, n: usize) -> Self {
        let n = n.min(self.groups.len());
        Self { inputs: self.inputs.slice(ndarray::s![..n, .., .., ..]).to_owned(), groups: self.groups[..n].to_vec() }
    }
}

impl Search<'_> {
    /// Measures the layers of the best candidate, puts loud ones back, corrects biases, and writes it.
    pub(super) fn settle(mut self, mut candidate: Candidate, step: &mut dyn FnMut(&str)) -> Result<Int8> {
        let Candidate { graph, layers, ranges, rounded, .. } = &candidate;
        let found = twins(self.engine, graph, layers, ranges, rounded, self.settings.activations, &self.few())?;
        let mut reports: Vec<LayerReport> = layers
            .iter()
            .enumerate()
            .map(|(index, layer)| self.judge(&candidate, index, layer, found[index].sqnr_db))
            .collect();
        candidate.chosen = (0..reports.len()).filter(|index| reports[*index].is_int8).collect();
        if candidate.chosen.is_empty() {
            return Err(Error::refused(format!(
                "no layer is left to compute in 8 bits: none that is not kept in floating point reaches {} dB (--sqnr-min); \
                 --int8 NAME takes a layer whatever its noise",
                self.settings.sqnr_db_min
            )));
        }
        let mut plain = self.settle_map(&mut candidate, &mut reports)?;
        for _ in 0..PUT_BACK_MAX {
            if plain >= self.settings.sqnr_db_min {
                break;
            }
            let Some(loudest) = self.loudest(&candidate, step)? else { break };
            let mut milder = candidate.clone();
            milder.chosen.retain(|index| *index != loudest);
            let closeness = self.closeness(&milder, false)?;
            // It was chosen by few tiles.
            if closeness <= plain + PUT_BACK_GAIN_DB_MIN {
                self.taken_stands_last();
                break;
            }
            (candidate, plain) = (milder, closeness);
            (reports[loudest].is_int8, reports[loudest].reason) = (false, Some("by the logits"));
        }
        let mut corrected = candidate.clone();
        for (layer, twin) in candidate.layers.iter().zip(&found) {
            if let Some(Rounded { bias: Some(bias), .. }) = corrected.rounded.get_mut(&layer.node) {
                bias.values.iter_mut().zip(&twin.shift).for_each(|(bias, shift)| *bias -= shift);
            }
        }
        if self.closeness(&corrected, true)? > plain {
            candidate = corrected;
        } else {
            self.taken_stands_last();
        }
        let graph = candidate.write(self.settings)?.encode();
        Ok(Int8 { graph, layers: reports, trials: self.trials })
    }

    /// Puts a last layer that makes a map back where 8 bits cost it too much; gives how close the logits then come.
    fn settle_map(&mut self, candidate: &mut Candidate, reports: &mut [LayerReport]) -> Result<f64> {
        let closeness = self.closeness(candidate, false)?;
        let is_map = |index: &usize| {
            let layer = &candidate.layers[*index];
            ending(&candidate.graph, layer) == Some(Ending::Map) && !self.settings.force_int8.contains(&layer.name)
        };
        let (last, others): (Vec<usize>, Vec<usize>) = candidate.chosen.iter().partition(|index| is_map(index));
        if last.is_empty() || others.is_empty() {
            return Ok(closeness);
        }
        let milder = Candidate { chosen: others, ..candidate.clone() };
        let exact = self.closeness(&milder, false)?;
        if exact - closeness <= LAST_MAP_LOSS_DB_MAX {
            self.taken_stands_last();
            return Ok(closeness);
        }
        for index in last {
            (reports[index].is_int8, reports[index].reason) = (false, Some("last layer"));
        }
        *candidate = milder;
        Ok(exact)
    }

    /// The layer without which the logits come closest to those of fp32, where that is worth it and another is left.
    fn loudest(&self, candidate: &Candidate, step: &mut dyn FnMut(&str)) -> Result<Option<usize>> {
        let few = self.others.first(PUT_BACK_TILES);
        let mut search = Search { others: &few, noise: None, trials: Vec::new(), ..*self };
        search.noise = Some(Noise::new(search.logits(&candidate.graph, Precision::Fp32)?, &few.groups));
        let with_all = search.closeness(candidate, false)?;
        let mut best = (with_all + PUT_BACK_GAIN_DB_MIN, None);
        for (n, tried) in candidate.chosen.iter().enumerate() {
            step(&format!("layers by the logits, {} of {}", n + 1, candidate.chosen.len()));
            let rest: Vec<usize> = candidate.chosen.iter().copied().filter(|index| index != tried).collect();
            if rest.is_empty() || self.settings.force_int8.contains(&candidate.layers[*tried].name) {
                continue;
            }
            let closeness = search.closeness(&Candidate { chosen: rest, ..candidate.clone() }, false)?;
            if closeness > best.0 {
                best = (closeness, Some(*tried));
            }
        }
        Ok(best.1)
    }

    /// Of the two last trials the first is taken.
    fn taken_stands_last(&mut self) {
        if let [.., taken, other] = &mut self.trials[..] {
            std::mem::swap(taken, other);
        }
    }

    fn judge(&self, candidate: &Candidate, index: usize, layer: &Layer, sqnr_db: f64) -> LayerReport {
        let Settings { keep_float, force_int8, sqnr_db_min, .. } = self.settings;
        let (is_int8, reason) = if force_int8.contains(&layer.name) {
            (true, Some("as told"))
        } else if keep_float.contains(&layer.name) {
            (false, Some("as told"))
        } else if !candidate.chosen.contains(&index) {
            (false, Some(if layer.groups > 1 { "depthwise" } else { "last layer" }))
        } else {
            (sqnr_db >= *sqnr_db_min, None)
        };
        let operator = candidate.graph.nodes[layer.node].op_type.clone();
        LayerReport {
            name: layer.name.clone(),
            operator,
            sqnr_db: sqnr_db.is_finite().then_some(sqnr_db),
            is_int8,
            reason,
        }
    }
}
