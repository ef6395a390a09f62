//! The attributes of a `TreeEnsembleRegressor` or `TreeEnsembleClassifier` to [`Trees`].

use std::collections::HashMap;

use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_shape_proto::dimension::Value as Size;
use tract_onnx::pb::type_proto::Value as TypeValue;
use tract_onnx::pb::{AttributeProto, GraphProto, NodeProto};

use super::{Branch, Node, Trees};
use crate::limits::TREE_NODES_MAX;
use crate::{Error, Result};

/// What may follow a classifier: it changes no score, since the second output is read where the trees give it.
const HARMLESS: [&str; 2] = ["Identity", "ZipMap"];

/// The lists and numbers of a node by name.
struct Attributes<'a>(HashMap<&'a str, &'a AttributeProto>);

impl Trees {
    /// Reads the one tree ensemble of `graph`.
    ///
    /// # Errors
    /// [`crate::Kind::Refused`] for anything but one tree ensemble of one score over the graph's input, naming the attribute.
    pub(crate) fn of(graph: &GraphProto) -> Result<Self> {
        let is_ensemble = |node: &&NodeProto| node.op_type.starts_with("TreeEnsemble");
        let mut found = graph.node.iter().filter(is_ensemble);
        let (Some(node), None) = (found.next(), found.next()) else {
            return Err(Error::refused("the graph must hold one TreeEnsembleRegressor or TreeEnsembleClassifier"));
        };
        let other = graph.node.iter().find(|node| !is_ensemble(node) && !HARMLESS.contains(&node.op_type.as_str()));
        if let Some(other) = other {
            return Err(Error::refused(format!(
                "the operator {} beside the trees is not run; export without",
                other.op_type
            )));
        }
        if node.domain != "ai.onnx.ml"
            || graph.input.len() != 1
            || node.input.first() != graph.input.first().map(|i| &i.name)
        {
            return Err(Error::refused(format!(
                "{} must be of ai.onnx.ml and read the graph's one input",
                node.op_type
            )));
        }
        let trees = read(node).map_err(|error| error.context(&node.op_type))?;
        Ok(Self { width: width(graph), ..trees })
    }
}

/// The second axis of the graph's input, `[n, features]`.
fn width(graph: &GraphProto) -> Option<usize> {
    let Some(TypeValue::TensorType(tensor)) = graph.input.first()?.r#type.as_ref()?.value.as_ref() else { return None };
    match tensor.shape.as_ref()?.dim.get(1)?.value {
        Some(Size::DimValue(features)) => usize::try_from(features).ok(),
        _ => None,
    }
}

fn read(node: &NodeProto) -> Result<Trees> {
    let attributes = Attributes::of(node)?;
    let kind = match node.op_type.as_str() {
        "TreeEnsembleRegressor" => "target",
        "TreeEnsembleClassifier" => "class",
        _ => return Err(Error::refused("is not run; export a TreeEnsembleRegressor or TreeEnsembleClassifier")),
    };
    let (column, leaves) = leaves(&attributes, kind)?;
    let (nodes, roots) = nodes(&attributes, &leaves)?;
    let is_logistic = match attributes.text("post_transform") {
        None | Some(b"NONE") => false,
        Some(b"LOGISTIC") => true,
        Some(other) => return Err(unknown("post_transform", &String::from_utf8_lossy(other), "NONE or LOGISTIC")),
    };
    if kind == "target" && is_logistic {
        return Err(Error::refused(
            "post_transform is LOGISTIC, which ONNX Runtime leaves out for one target and others do not; export NONE, \
             or a TreeEnsembleClassifier",
        ));
    }
    let is_positive = leaves.values().all(|value| *value >= 0.0);
    if kind == "class" && column == Column::Only && is_logistic && is_positive {
        // ONNX Runtime takes such sums for probabilities, and the operator's description does not.
        return Err(Error::refused(
            "class_weights are all positive and post_transform is LOGISTIC, which engines read in two ways; export a TreeEnsembleRegressor",
        ));
    }
    let base = match (attributes.floats("base_values")?, column) {
        ([], _) => 0.0,
        ([base], Column::Only) if base.is_finite() => f64::from(*base),
        (other, _) => return Err(unknown("base_values", &format!("{other:?}"), "one number or none")),
    };
    let features = nodes.iter().map(|node| if let Node::Branch(branch) = node { branch.feature + 1 } else { 0 }).max();
    Ok(Trees { nodes, roots, base, is_logistic, features: features.unwrap_or(0), width: None })
}

/// Weights by tree and node.
type Leaves = HashMap<(i64, i64), f64>;

/// Which of the sums of the leaves is the score.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Column {
    /// There is one.
    Only,
    /// That of the second of two classes.
    Second,
}

/// Weights of leaves by tree and node, in the column that counts.
fn leaves(attributes: &Attributes<'_>, kind: &str) -> Result<(Column, Leaves)> {
    let name = |what: &str| format!("{kind}_{what}");
    let (trees, nodes, ids) = (name("treeids"), name("nodeids"), name("ids"));
    let (trees, nodes, ids) = (attributes.ints(&trees)?, attributes.ints(&nodes)?, attributes.ints(&ids)?);
    let weights = attributes.floats(&name("weights"))?;
    same_length(&name("weights"), weights.len(), [trees.len(), nodes.len(), ids.len()])?;
    let column = match kind {
        "target" => {
            let targets = attributes.number("n_targets").unwrap_or(1);
            if targets != 1 || ids.iter().any(|id| *id != 0) {
                return Err(unknown("n_targets", &targets.to_string(), "one target"));
            }
            match attributes.text("aggregate_function") {
                None | Some(b"SUM") => Column::Only,
                Some(other) => return Err(unknown("aggregate_function", &String::from_utf8_lossy(other), "SUM")),
            }
        }
        _ => {
            let labels = attributes.ints("classlabels_int64s")?.len() + attributes.strings("classlabels_strings");
            if labels != 2 || ids.iter().any(|id| ![0, 1].contains(id)) {
                return Err(unknown("class_ids", &format!("of {labels} classes"), "two classes"));
            }
            if ids.iter().all(|id| *id == 0) { Column::Only } else { Column::Second }
        }
    };
    let wanted = i64::from(column == Column::Second);
    let mut leaves = Leaves::new();
    for (((tree, node), id), weight) in trees.iter().zip(nodes).zip(ids).zip(weights) {
        if !weight.is_finite() {
            return Err(unknown(&name("weights"), &weight.to_string(), "finite numbers"));
        }
        // A leaf of the other class only adds nothing to this one.
        *leaves.entry((*tree, *node)).or_insert(0.0) += if *id == wanted { f64::from(*weight) } else { 0.0 };
    }
    Ok((column, leaves))
}

/// The nodes of all trees with their places in one list, and the roots.
fn nodes(attributes: &Attributes<'_>, leaves: &Leaves) -> Result<(Vec<Node>, Vec<usize>)> {
    let [trees, ids, features, taken, other] =
        ["nodes_treeids", "nodes_nodeids", "nodes_featureids", "nodes_truenodeids", "nodes_falsenodeids"]
            .map(|name| attributes.ints(name));
    let (trees, ids, features, taken, other) = (trees?, ids?, features?, taken?, other?);
    let modes = attributes.0.get("nodes_modes").map_or(&[][..], |attribute| &attribute.strings);
    let (values, nan) = (attributes.floats("nodes_values")?, attributes.ints("nodes_missing_value_tracks_true")?);
    let count = modes.len();
    if !(1..=TREE_NODES_MAX).contains(&count) {
        return Err(unknown("nodes_modes", &format!("of {count} nodes"), &format!("1 to {TREE_NODES_MAX}")));
    }
    same_length(
        "nodes_modes",
        count,
        [trees.len(), ids.len(), features.len(), taken.len(), other.len(), values.len()],
    )?;
    same_length("nodes_missing_value_tracks_true", if nan.is_empty() { count } else { nan.len() }, [count])?;
    let mut places = HashMap::with_capacity(count);
    for (place, key) in trees.iter().copied().zip(ids.iter().copied()).enumerate() {
        if places.insert(key, place).is_some() {
            return Err(unknown("nodes_nodeids", &format!("node {} of tree {} twice", key.1, key.0), "each once"));
        }
    }
    let mut nodes = Vec::with_capacity(count);
    for place in 0..count {
        let (tree, id) = (trees[place], ids[place]);
        let child = |name: &str, id: i64| {
            let found = places.get(&(tree, id)).copied();
            found.ok_or_else(|| unknown(name, &format!("node {id} of tree {tree}"), "nodes that are there"))
        };
        let takes_equal = match modes[place].as_slice() {
            b"LEAF" => {
                nodes.push(Node::Leaf(leaves.get(&(tree, id)).copied().unwrap_or(0.0)));
                continue;
            }
            b"BRANCH_LEQ" => true,
            b"BRANCH_LT" => false,
            mode => {
                return Err(unknown("nodes_modes", &String::from_utf8_lossy(mode), "BRANCH_LEQ, BRANCH_LT or LEAF"));
            }
        };
        let feature = usize::try_from(features[place]).ok().filter(|feature| *feature < TREE_NODES_MAX);
        let feature =
            feature.ok_or_else(|| unknown("nodes_featureids", &features[place].to_string(), "indices of features"))?;
        if !values[place].is_finite() {
            return Err(unknown("nodes_values", &values[place].to_string(), "finite numbers"));
        }
        nodes.push(Node::Branch(Branch {
            feature,
            threshold: values[place],
            takes_equal,
            takes_nan: nan.get(place).is_some_and(|tracks| *tracks != 0),
            taken: child("nodes_truenodeids", taken[place])?,
            other: child("nodes_falsenodeids", other[place])?,
        }));
    }
    let roots = roots(&nodes, trees)?;
    Ok((nodes, roots))
}

/// The first nodes of the trees. Refuses what is no tree: a node with two parents, a cycle, several roots.
fn roots(nodes: &[Node], trees: &[i64]) -> Result<Vec<usize>> {
    let refuse = |place: usize, what: &str| {
        Error::refused(format!("nodes_truenodeids and nodes_falsenodeids make {what} of tree {}", trees[place]))
    };
    let mut has_parent = vec![false; nodes.len()];
    for branch in nodes.iter().filter_map(|node| if let Node::Branch(branch) = node { Some(branch) } else { None }) {
        for child in [branch.taken, branch.other] {
            if std::mem::replace(&mut has_parent[child], true) {
                return Err(refuse(child, "two ways to a node"));
            }
        }
    }
    let roots: Vec<usize> = (0..nodes.len()).filter(|place| !has_parent[*place]).collect();
    let mut seen = std::collections::HashSet::new();
    if let Some(second) = roots.iter().find(|root| !seen.insert(trees[**root])) {
        return Err(refuse(*second, "several roots"));
    }
    // With one parent each, what no root leads to goes round in a circle.
    let mut reached = vec![false; nodes.len()];
    let mut open = roots.clone();
    while let Some(place) = open.pop() {
        reached[place] = true;
        if let Node::Branch(branch) = nodes[place] {
            open.extend([branch.taken, branch.other]);
        }
    }
    match reached.iter().position(|is_reached| !is_reached) {
        Some(place) => Err(refuse(place, "a circle")),
        None => Ok(roots),
    }
}

impl<'a> Attributes<'a> {
    fn of(node: &'a NodeProto) -> Result<Self> {
        const KNOWN: [&str; 24] = [
            "aggregate_function",
            "base_values",
            "class_ids",
            "class_nodeids",
            "class_treeids",
            "class_weights",
            "classlabels_int64s",
            "classlabels_strings",
            "n_targets",
            "nodes_falsenodeids",
            "nodes_featureids",
            "nodes_hitrates",
            "nodes_missing_value_tracks_true",
            "nodes_modes",
            "nodes_nodeids",
            "nodes_treeids",
            "nodes_truenodeids",
            "nodes_values",
            "post_transform",
            "target_ids",
            "target_nodeids",
            "target_treeids",
            "target_weights",
            "name",
        ];
        let mut found = HashMap::new();
        for attribute in &node.attribute {
            let name = attribute.name.as_str();
            if !KNOWN.contains(&name) || found.insert(name, attribute).is_some() {
                return Err(Error::refused(format!("the attribute {name:?} is not known here, or is there twice")));
            }
        }
        Ok(Self(found))
    }

    fn typed(&self, name: &str, wanted: AttributeType) -> Result<Option<&'a AttributeProto>> {
        let Some(attribute) = self.0.get(name) else { return Ok(None) };
        // Files of before the types were written have none.
        let fits = [wanted as i32, AttributeType::Undefined as i32].contains(&attribute.r#type);
        if fits {
            Ok(Some(attribute))
        } else {
            Err(Error::refused(format!("the attribute {name:?} is of another type")))
        }
    }

    fn ints(&self, name: &str) -> Result<&'a [i64]> {
        Ok(self.typed(name, AttributeType::Ints)?.map_or(&[], |attribute| &attribute.ints))
    }

    fn floats(&self, name: &str) -> Result<&'a [f32]> {
        Ok(self.typed(name, AttributeType::Floats)?.map_or(&[], |attribute| &attribute.floats))
    }

    fn strings(&self, name: &str) -> usize {
        self.0.get(name).map_or(0, |attribute| attribute.strings.len())
    }

    fn text(&self, name: &str) -> Option<&'a [u8]> {
        self.0.get(name).map(|attribute| attribute.s.as_slice())
    }

    fn number(&self, name: &str) -> Option<i64> {
        self.0.get(name).map(|attribute| attribute.i)
    }
}

fn same_length<const N: usize>(name: &str, length: usize, others: [usize; N]) -> Result<()> {
    match others.into_iter().find(|other| *other != length) {
        Some(other) => Err(Error::refused(format!("{name} has {length} entries and a list beside it {other}"))),
        None => Ok(()),
    }
}

fn unknown(attribute: &str, value: &str, expected: &str) -> Error {
    Error::refused(format!("{attribute} is {value}, expected {expected}"))
}
