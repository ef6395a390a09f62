//! How good parameters are on tiles that no gradient saw.

use std::collections::BTreeMap;

use tch::{Device, Kind, Tensor};

use super::Choose;
use super::tiles::Tiles;
use crate::output::NO_CLASS;
use crate::statistics::classes::{divergence, iou};
use crate::train::evaluate::Assessment;
use crate::train::fit::Machine;
use crate::train::forward::forward;
use crate::train::parameters::{Parameters, values};
use crate::train::samples::Scaling;

/// Pixels of a forward pass without gradients.
const PASS_PX: usize = 1 << 18;

/// Tiles with what a model makes of them, some at a time.
#[derive(Debug)]
pub struct Pass {
    /// `[tiles, classes, side, side]`
    pub logits: Tensor,
    /// `[tiles, side, side]` of int64, [`NO_CLASS`] where there is none.
    pub labels: Tensor,
}

/// Feeds all tiles through the network, with the running statistics of batch normalisation.
pub fn passes(parameters: &Parameters, tiles: &Tiles, scaling: &Scaling, machine: Machine, take: &mut dyn FnMut(Pass)) {
    let side = tiles.side_px as i64;
    let at_once = (PASS_PX / (tiles.side_px * tiles.side_px)).max(1);
    for start in (0..tiles.len()).step_by(at_once) {
        let range = start..(start + at_once).min(tiles.len());
        let labels: Vec<u8> = range.clone().flat_map(|tile| tiles.labels(tile)).copied().collect();
        let labels = Tensor::from_slice(&labels).view([-1, side, side]).to_kind(Kind::Int64);
        let inputs = tiles.inputs(range, scaling).to_device(machine.device);
        let logits = tch::no_grad(|| forward(parameters, &inputs, machine.precision, false).logits);
        take(Pass { labels: labels.to_device(logits.device()), logits });
    }
}

impl Pass {
    /// Pixels of each class (row) that were taken for each class (column), row by row.
    fn confusion(&self) -> Vec<i64> {
        let classes = self.logits.size()[1];
        let labelled = self.labels.ne(i64::from(NO_CLASS));
        let cells = &self.labels * classes + self.logits.argmax(1, false);
        let cells = cells.masked_select(&labelled);
        let counts = cells.bincount::<Tensor>(None, classes * classes).to_device(Device::Cpu);
        counts.iter::<i64>().map_or_else(|_| Vec::new(), Iterator::collect)
    }

    /// Class shares of the labels of each tile and the mean soft-max over the labelled pixels of logits divided by
    /// `temperature`; a tile without a labelled pixel has none.
    pub fn shares(&self, temperature: f64) -> Vec<(Vec<f64>, Vec<f64>)> {
        let classes = self.logits.size()[1];
        let over_pixels: &[i64] = &[2, 3];
        let labelled = self.labels.ne(i64::from(NO_CLASS)).unsqueeze(1).to_kind(Kind::Float);
        let counts = labelled.sum_dim_intlist(over_pixels, false, Kind::Float);
        let given = ((&self.logits / temperature).softmax(1, Kind::Float) * &labelled).sum_dim_intlist(
            over_pixels,
            false,
            Kind::Float,
        ) / &counts;
        let own = |class: i64| self.labels.eq(class).sum_dim_intlist([1i64, 2].as_slice(), false, Kind::Float);
        let own = Tensor::stack(&(0..classes).map(own).collect::<Vec<_>>(), 1) / &counts;
        let rows = |shares: Tensor| -> Vec<Vec<f64>> {
            values(&shares).chunks(classes as usize).map(|row| row.iter().map(|&v| f64::from(v)).collect()).collect()
        };
        let tiles = rows(own).into_iter().zip(rows(given)).zip(values(&counts));
        tiles.filter(|(_, count)| *count > 0.0).map(|(shares, _)| shares).collect()
    }

    /// Sum of −ln p of the labelled pixels' own classes at a temperature, and their number.
    pub fn surprise(&self, temperature: f64) -> (f64, f64) {
        let classes = self.logits.size()[1];
        let labelled = self.labels.ne(i64::from(NO_CLASS)).to_kind(Kind::Float);
        let target = self.labels.clamp_max(classes - 1).unsqueeze(1);
        let own = (&self.logits / temperature).log_softmax(1, Kind::Float).gather(1, &target, false).squeeze_dim(1);
        let sum = |tensor: Tensor| tensor.sum(Kind::Double).double_value(&[]);
        (-sum(own * &labelled), sum(labelled))
    }
}

/// Accuracy of the pixels, mean IoU of the classes that are learned, mean divergence of the class shares and mean
/// logarithmic loss, one of which is the criterion. Of no tiles there are no measures, and the criterion is 0.
pub fn assess(
    parameters: &Parameters,
    tiles: &Tiles,
    scaling: &Scaling,
    ignored: &[bool],
    choose: Choose,
    machine: Machine,
) -> Assessment {
    let classes = ignored.len();
    let mut confusion = vec![vec![0u64; classes]; classes];
    let (mut divergences, mut surprise, mut pixels) = (Vec::new(), 0.0, 0.0);
    passes(parameters, tiles, scaling, machine, &mut |pass| {
        for (cell, n) in pass.confusion().into_iter().enumerate() {
            confusion[cell / classes][cell % classes] += n as u64;
        }
        divergences.extend(pass.shares(1.0).iter().map(|(own, given)| divergence(own, given)));
        let (sum, n) = pass.surprise(1.0);
        (surprise, pixels) = (surprise + sum, pixels + n);
    });
    if pixels == 0.0 {
        return Assessment { criterion: 0.0, measures: BTreeMap::new() };
    }
    let learned = iou(&confusion).into_iter().zip(ignored).filter(|(_, is_ignored)| !**is_ignored);
    let ious: Vec<f64> = learned.filter_map(|(iou, _)| iou).collect();
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
    let hits: u64 = (0..classes).map(|class| confusion[class][class]).sum();
    let (mean_iou, kl) = (mean(&ious), mean(&divergences));
    let measures = [
        ("accuracy", hits as f64 / pixels),
        ("mean_iou", mean_iou),
        ("kl", kl),
        ("logarithmic_loss", surprise / pixels),
    ];
    Assessment {
        criterion: if choose == Choose::Iou { mean_iou } else { -kl },
        measures: measures.map(|(name, value)| (name.to_owned(), value)).into(),
    }
}
