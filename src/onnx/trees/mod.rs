//! Tree ensembles (`ai.onnx.ml`) of one score, run here: tract has no such operator, and results must not depend on the
//! engine.
//!
//! What is read is what gradient-boosted trees and forests of two classes are exported to by onnxmltools (XGBoost, LightGBM)
//! and skl2onnx; it gives what ONNX Runtime gives.

mod read;

/// Trees over a row of features, whose leaves add up to one score.
#[derive(Debug, Clone, PartialEq)]
pub struct Trees {
    nodes: Vec<Node>,
    /// The first node of every tree.
    roots: Vec<usize>,
    base: f64,
    is_logistic: bool,
    features: usize,
    /// Features that the graph's input has, where it says.
    width: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Node {
    Branch(Branch),
    /// What is added to the score.
    Leaf(f64),
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Branch {
    feature: usize,
    threshold: f32,
    /// Whether a value that equals the threshold takes the branch: `BRANCH_LEQ`, not `BRANCH_LT`.
    takes_equal: bool,
    /// Whether NaN takes it.
    takes_nan: bool,
    /// The next node, and the one where it is not taken.
    taken: usize,
    other: usize,
}

impl Branch {
    fn next(self, features: &[f32]) -> usize {
        let value = features.get(self.feature).copied().unwrap_or(f32::NAN);
        let is_taken = value < self.threshold
            || (self.takes_equal && value == self.threshold)
            || (self.takes_nan && value.is_nan());
        if is_taken { self.taken } else { self.other }
    }
}

impl Trees {
    /// Features that a row must have: one more than the highest index in use.
    pub fn features(&self) -> usize {
        self.features
    }

    /// Features of a row by the graph's input, where it says.
    pub fn width(&self) -> Option<usize> {
        self.width
    }

    /// The score of a row: of the positive class for a classifier. A feature that is missing is NaN.
    pub fn score(&self, features: &[f32]) -> f32 {
        let sum: f64 = self.roots.iter().map(|&root| self.leaf(root, features)).sum();
        let sum = sum + self.base;
        (if self.is_logistic { 1.0 / (1.0 + (-sum).exp()) } else { sum }) as f32
    }

    /// Walks down one tree, which ends: the trees were walked whole when they were read.
    fn leaf(&self, root: usize, features: &[f32]) -> f64 {
        let mut at = root;
        loop {
            match self.nodes[at] {
                Node::Leaf(value) => return value,
                Node::Branch(branch) => at = branch.next(features),
            }
        }
    }
}
