//! Output tensors to scores, by the manifest's head. Nothing that is not finite gets past here.

use ndarray::ArrayD;

use super::augment::View;
use crate::model::Manifest;
use crate::model::manifest::Head;
use crate::{Error, Result};

/// Scores of one window: finite by construction, each in 0 ..= 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    values: Box<[f32]>,
    views: Box<[f32]>,
}

impl Scores {
    /// The values: one for a binary head (the positive class), else one per class, summing to 1.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The score of each view by itself, where a model asks whether they agree; empty elsewhere.
    pub fn views(&self) -> &[f32] {
        &self.views
    }

    fn finite(values: Vec<f32>, views: Vec<f32>) -> Option<Self> {
        let is_finite = values.iter().chain(&views).all(|value| value.is_finite());
        is_finite.then(|| Self { values: values.into(), views: views.into() })
    }
}

/// Class probabilities of every pixel of one window, `[classes, side, side]`, finite by construction.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassMap {
    /// Number of classes.
    pub classes: usize,
    /// Side in pixels.
    pub side_px: usize,
    probabilities: Vec<f32>,
}

impl ClassMap {
    /// A map of these probabilities, for tests.
    #[cfg(test)]
    pub(crate) fn of(classes: usize, side_px: usize, probabilities: Vec<f32>) -> Self {
        Self { classes, side_px, probabilities }
    }

    /// Probabilities of one class along one row.
    pub fn row(&self, class: usize, row: usize) -> &[f32] {
        let start = (class * self.side_px + row) * self.side_px;
        &self.probabilities[start..start + self.side_px]
    }

    /// Probability of one class at one pixel.
    pub fn probability(&self, class: usize, row: usize, column: usize) -> f32 {
        self.probabilities[class * self.side_px * self.side_px + row * self.side_px + column]
    }
}

/// What a model says of one window.
#[derive(Debug, Clone, PartialEq)]
pub enum Prediction {
    /// Of the whole window.
    Scores(Scores),
    /// Of each pixel.
    Map(ClassMap),
}

/// How to read an output tensor.
#[derive(Debug, Clone)]
pub struct OutputReader {
    head: Head,
    classes: usize,
    /// Logits of a window, or of each of its pixels.
    logits: usize,
    /// For every logit of a binary head its value at the threshold of its member.
    anchors: Vec<f64>,
    /// Whether the score of each view is asked for.
    keeps_views: bool,
    /// For every class whether it is never given.
    ignored: Vec<bool>,
    side_px: usize,
    temperature: f32,
    views: &'static [View],
}

impl OutputReader {
    /// A reader for a manifest's head under the given views.
    pub fn new(manifest: &Manifest, views: &'static [View]) -> Self {
        Self {
            head: manifest.head,
            classes: manifest.classes.len(),
            logits: manifest.logits(),
            anchors: anchors(manifest),
            keeps_views: manifest.view_agreement_minimum.is_some(),
            ignored: manifest.ignored(),
            side_px: manifest.tile_px as usize,
            temperature: manifest.temperature,
            views,
        }
    }

    /// Logits of one view.
    fn row_len(&self) -> usize {
        match self.head {
            Head::Binary | Head::Multiclass => self.logits,
            Head::Segmentation => self.logits * self.side_px * self.side_px,
        }
    }

    /// Checks an output's shape against the head: `[batch, members]`, `[batch, classes]` or `[batch, classes, h, w]`.
    ///
    /// # Errors
    /// [`crate::Kind::Refused`] where the graph does not give what the manifest says.
    pub fn check_shape(&self, shape: &[usize], batch: usize) -> Result<()> {
        let side = self.side_px;
        let fits = match (self.head, shape) {
            (Head::Binary, [rows]) => (*rows, 1) == (batch, self.logits),
            (Head::Binary | Head::Multiclass, [rows, logits]) => (*rows, *logits) == (batch, self.logits),
            (Head::Segmentation, [rows, classes, height, width]) => {
                (*rows, *classes, *height, *width) == (batch, self.classes, side, side)
            }
            _ => false,
        };
        if fits {
            return Ok(());
        }
        Err(Error::refused(format!(
            "the model's output is {shape:?} for a batch of {batch}; its manifest says head {:?} with {} logits",
            self.head, self.logits
        )))
    }

    /// Reads the window whose first view is row `first_row`: the mean logit over its views, maps turned back first; of
    /// several members the mean of their scores, each anchored at its threshold. `None` where any of it is not finite.
    ///
    /// # Panics
    /// Never on an output that [`OutputReader::check_shape`] passed.
    pub fn read(&self, output: &ArrayD<f32>, first_row: usize) -> Option<Prediction> {
        let output = output.as_slice()?;
        let len = self.row_len();
        let rows = output.get(first_row * len..(first_row + self.views.len()) * len)?;
        let mut logits = vec![0.0f32; len];
        for (view, row) in self.views.iter().zip(rows.chunks_exact(len)) {
            match self.head {
                Head::Segmentation => view.add_inverse(row, &mut logits, self.side_px),
                Head::Binary | Head::Multiclass => logits.iter_mut().zip(row).for_each(|(sum, value)| *sum += value),
            }
        }
        let divisor = self.views.len() as f32 * self.temperature;
        logits.iter_mut().for_each(|logit| *logit /= divisor);
        match self.head {
            Head::Binary => {
                let views = rows.chunks_exact(len).filter(|_| self.keeps_views);
                let views = views.map(|row| self.anchored(row.iter().map(|logit| logit / self.temperature)));
                let score = self.anchored(logits.iter().copied())?;
                Scores::finite(vec![score], views.collect::<Option<_>>()?).map(Prediction::Scores)
            }
            Head::Multiclass => {
                softmax(&mut logits, &self.ignored, 1);
                Scores::finite(logits, Vec::new()).map(Prediction::Scores)
            }
            Head::Segmentation => {
                softmax(&mut logits, &self.ignored, self.side_px * self.side_px);
                let is_finite = logits.iter().all(|value| value.is_finite());
                is_finite.then_some(Prediction::Map(ClassMap {
                    classes: self.classes,
                    side_px: self.side_px,
                    probabilities: logits,
                }))
            }
        }
    }

    /// The mean of the members' scores, each shifted so that it is one half where its member turns positive.
    fn anchored(&self, logits: impl Iterator<Item = f32>) -> Option<f32> {
        let mut sum = 0.0;
        for (logit, anchor) in logits.zip(&self.anchors) {
            // A logit of ±∞ would pass through the logistic function as 0 or 1.
            if !logit.is_finite() {
                return None;
            }
            sum += logistic(f64::from(logit) - anchor);
        }
        Some((sum / self.anchors.len() as f64) as f32)
    }
}

/// The logits at which the members of a binary head turn positive: one of 0 where it is one network.
fn anchors(manifest: &Manifest) -> Vec<f64> {
    let logit = |threshold: f64| (threshold / (1.0 - threshold)).ln();
    match manifest.members[..] {
        [] => vec![0.0],
        _ => manifest.members.iter().map(|member| logit(f64::from(member.threshold))).collect(),
    }
}

/// 1 / (1 + e^−x), in f64 so that large logits keep their order in f32 as far as f32 can.
fn logistic(logit: f64) -> f64 {
    1.0 / (1.0 + (-logit).exp())
}

/// Soft-max over the first axis of `[classes, pixels]`, over the classes that are not `ignored`; those get 0. A logit that
/// is not finite leaves NaN behind, whatever its class.
fn softmax(values: &mut [f32], ignored: &[bool], pixels: usize) {
    let classes = ignored.len();
    let kept = || (0..classes).filter(|&class| !ignored[class]);
    for pixel in 0..pixels {
        let at = |class: usize| class * pixels + pixel;
        let largest = kept().map(|class| values[at(class)]).fold(f32::NEG_INFINITY, f32::max);
        let mut sum = 0.0f32;
        for class in 0..classes {
            let value = &mut values[at(class)];
            if ignored[class] {
                *value *= 0.0;
                continue;
            }
            let shifted = *value - largest;
            *value = if shifted == f32::NEG_INFINITY { f32::NAN } else { shifted.exp() };
            sum += *value;
        }
        kept().for_each(|class| values[at(class)] /= sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infer::augment::views;
    use crate::model::manifest::tests_support::one_band;
    use crate::model::manifest::{Member, Tta};
    use ndarray::IxDyn;

    fn reader(head: Head, classes: usize, tta: Tta) -> OutputReader {
        let classes = (0..classes).map(|class| class.to_string()).collect();
        OutputReader::new(&Manifest { head, classes, tile_px: 2, temperature: 2.0, ..one_band() }, views(tta))
    }

    fn tensor(shape: &[usize], values: &[f32]) -> ArrayD<f32> {
        ArrayD::from_shape_vec(IxDyn(shape), values.to_vec()).unwrap()
    }

    #[test]
    fn a_binary_score_is_the_logistic_of_the_mean_logit_over_the_temperature() {
        let output = tensor(&[4, 1], &[1.0, 2.0, 3.0, 6.0]);
        let Some(Prediction::Scores(scores)) = reader(Head::Binary, 2, Tta::Flips).read(&output, 0) else { panic!() };
        assert!((scores.values()[0] - 1.0 / (1.0 + (-1.5f32).exp())).abs() < 1e-7);
    }

    fn ensemble(tta: Tta) -> OutputReader {
        let member = |threshold| Member { model: String::new(), threshold };
        let members = [0.2, 0.5, 0.9].map(member).to_vec();
        let manifest = Manifest { members, view_agreement_minimum: Some(0.5), temperature: 2.0, ..one_band() };
        OutputReader::new(&manifest, views(tta))
    }

    #[test]
    fn members_are_anchored_at_their_thresholds_and_averaged() {
        let output = tensor(&[4, 3], &[1.0, 2.0, 3.0, -1.0, 0.0, 5.0, 1.0, 2.0, 3.0, -1.0, 0.0, 5.0]);
        let Some(Prediction::Scores(scores)) = ensemble(Tta::Flips).read(&output, 0) else { panic!() };
        let of = |logits: [f64; 3]| {
            let odds = [0.2f64 / 0.8, 1.0, 0.9 / 0.1];
            logits.iter().zip(odds).map(|(logit, odds)| logit.exp() / (logit.exp() + odds)).sum::<f64>() / 3.0
        };
        assert!((f64::from(scores.values()[0]) - of([0.0, 0.5, 2.0])).abs() < 1e-6);
        let views = [of([0.5, 1.0, 1.5]), of([-0.5, 0.0, 2.5])];
        assert_eq!(scores.views().len(), 4);
        assert!(scores.views().iter().zip(views.iter().cycle()).all(|(a, b)| (f64::from(*a) - b).abs() < 1e-6));
    }

    #[test]
    fn a_member_at_its_threshold_says_one_half_and_one_that_is_not_finite_nothing() {
        let at = |threshold: f32| 2.0 * (threshold / (1.0 - threshold)).ln();
        let output = tensor(&[1, 3], &[at(0.2), at(0.5), at(0.9)]);
        let Some(Prediction::Scores(scores)) = ensemble(Tta::None).read(&output, 0) else { panic!() };
        assert!((scores.values()[0] - 0.5).abs() < 1e-6);
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(ensemble(Tta::None).read(&tensor(&[1, 3], &[0.0, bad, 0.0]), 0), None);
        }
        assert!(
            ensemble(Tta::None).check_shape(&[8, 1], 8).is_err() && ensemble(Tta::None).check_shape(&[8], 8).is_err()
        );
    }

    #[test]
    fn class_scores_sum_to_one() {
        let output = tensor(&[1, 3], &[2.0, 0.0, -2.0]);
        let Some(Prediction::Scores(scores)) = reader(Head::Multiclass, 3, Tta::None).read(&output, 0) else {
            panic!()
        };
        assert!((scores.values().iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert!((scores.values()[0] / scores.values()[1] - 1f32.exp()).abs() < 1e-5);
    }

    #[test]
    fn ignored_classes_get_nothing_and_the_others_all() {
        let classes = ["no_data", "sea", "land"].map(str::to_owned).to_vec();
        let manifest = Manifest { ignored_classes: vec!["no_data".into()], classes, tile_px: 1, ..one_band() };
        for (head, shape) in [(Head::Multiclass, &[1, 3][..]), (Head::Segmentation, &[1, 3, 1, 1])] {
            let reader = OutputReader::new(&Manifest { head, ..manifest.clone() }, views(Tta::None));
            let scores = match reader.read(&tensor(shape, &[90.0, 0.0, 2.0]), 0) {
                Some(Prediction::Scores(scores)) => scores.values().to_vec(),
                Some(Prediction::Map(map)) => (0..3).map(|class| map.probability(class, 0, 0)).collect(),
                None => panic!(),
            };
            let sea = 1.0 / (1.0 + 2f32.exp());
            assert!(scores[0] == 0.0 && (scores[1] - sea).abs() < 1e-6 && (scores[2] - 1.0 + sea).abs() < 1e-6);
            assert_eq!(reader.read(&tensor(shape, &[f32::NAN, 0.0, 2.0]), 0), None, "{head:?}");
        }
    }

    #[test]
    fn maps_are_turned_back_before_they_are_averaged() {
        // Class 1 is likelier at the upper left of the window; each view shows that pixel where the view puts it.
        let map = [0.0, 0.0, 0.0, 0.0, 8.0, -8.0, -8.0, -8.0];
        let mut output = Vec::new();
        for view in views(Tta::D4) {
            let mut turned = vec![0.0; 8];
            view.apply(&map, &mut turned, 2);
            output.extend(turned);
        }
        let output = tensor(&[8, 2, 2, 2], &output);
        let Some(Prediction::Map(map)) = reader(Head::Segmentation, 2, Tta::D4).read(&output, 0) else { panic!() };
        let is_second = |row, column| map.probability(1, row, column) > map.probability(0, row, column);
        assert_eq!([is_second(0, 0), is_second(0, 1), is_second(1, 0), is_second(1, 1)], [true, false, false, false]);
    }

    #[test]
    fn what_is_not_finite_is_no_prediction() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(reader(Head::Binary, 2, Tta::None).read(&tensor(&[1, 1], &[bad]), 0), None);
            assert_eq!(reader(Head::Multiclass, 2, Tta::None).read(&tensor(&[1, 2], &[0.0, bad]), 0), None);
            let map = tensor(&[1, 2, 2, 2], &[0.0, 0.0, 0.0, bad, 0.0, 0.0, 0.0, 0.0]);
            assert_eq!(reader(Head::Segmentation, 2, Tta::None).read(&map, 0), None);
        }
    }

    #[test]
    fn an_output_of_another_shape_is_refused() {
        assert!(reader(Head::Binary, 2, Tta::None).check_shape(&[8, 2], 8).is_err());
        assert!(reader(Head::Multiclass, 3, Tta::None).check_shape(&[8, 3], 8).is_ok());
        assert!(reader(Head::Segmentation, 3, Tta::None).check_shape(&[8, 3, 4, 2], 8).is_err());
    }
}
