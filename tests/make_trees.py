"""Seeded ONNX tree ensembles for tests/ensembles.rs, with the scores Python's onnxruntime gives for rows with ties and NaN.

usage: make_trees.py FOLDER

For each ensemble NAME the folder gets NAME.onnx, and NAME.rows.bin and NAME.scores.bin: float32, little-endian. A row has
FEATURES numbers; its score is the regressor's target, or the classifier's probability of the second class.
"""

import sys
from pathlib import Path

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

FOLDER = Path(sys.argv[1])
FEATURES, ROWS, TREES, DEPTH = 14, 400, 12, 4


class Trees:
    """Nodes of random trees; thresholds are multiples of a quarter, as many values of the rows are."""

    def __init__(self, random, mode, tracks_nan):
        self.random, self.mode = random, mode
        names = ("treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids", "hitrates")
        self.nodes = {f"nodes_{name}": [] for name in names}
        if tracks_nan:
            self.nodes["nodes_missing_value_tracks_true"] = []
        self.leaves = []
        for tree in range(TREES):
            self.next = 0
            self.grow(tree, DEPTH)

    def grow(self, tree, depth):
        """Adds a node and those below it, and gives its number."""
        number, self.next = self.next, self.next + 1
        is_leaf = depth == 0 or (depth < DEPTH and self.random.random() < 0.2)
        mode = "LEAF" if is_leaf else self.mode or self.random.choice(["BRANCH_LEQ", "BRANCH_LT"])
        place = len(self.nodes["nodes_modes"])
        values = (tree, number, int(self.random.integers(FEATURES)), float(self.random.integers(-4, 5)) / 4, mode, 0, 0, 1.0)
        for name, value in zip(list(self.nodes)[:8], values, strict=True):
            self.nodes[name].append(value)
        if "nodes_missing_value_tracks_true" in self.nodes:
            self.nodes["nodes_missing_value_tracks_true"].append(int(self.random.integers(2)))
        if is_leaf:
            self.leaves.append((tree, number))
        else:
            self.nodes["nodes_truenodeids"][place] = self.grow(tree, depth - 1)
            self.nodes["nodes_falsenodeids"][place] = self.grow(tree, depth - 1)
        return number


def save(name, seed, operator, transform, mode=None, tracks_nan=True, base=None, columns=(0,), low=-1.0):
    random = np.random.default_rng(seed)
    trees = Trees(random, mode, tracks_nan)
    kind = "target" if operator == "TreeEnsembleRegressor" else "class"
    entries = [(tree, node, column) for tree, node in trees.leaves for column in columns]
    weights = random.uniform(low, 1, len(entries)).astype(np.float32) / (1 if low < 0 else 2 * TREES)
    attributes = dict(trees.nodes, post_transform=transform)
    for what, index in (("treeids", 0), ("nodeids", 1), ("ids", 2)):
        attributes[f"{kind}_{what}"] = [entry[index] for entry in entries]
    attributes[f"{kind}_weights"] = weights.tolist()
    if base is not None:
        attributes["base_values"] = [base]
    value = helper.make_tensor_value_info
    if kind == "target":
        attributes["n_targets"] = 1
        outputs, found = [value("score", TensorProto.FLOAT, ["n", 1])], ["score"]
    else:
        attributes["classlabels_int64s"] = [0, 1]
        outputs = [value("label", TensorProto.INT64, ["n"]), value("scores", TensorProto.FLOAT, ["n", 2])]
        found = ["label", "scores"]
    node = helper.make_node(operator, ["rows"], found, domain="ai.onnx.ml", **attributes)
    graph = helper.make_graph([node], name, [value("rows", TensorProto.FLOAT, ["n", FEATURES])], outputs)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()
    (FOLDER / f"{name}.onnx").write_bytes(model)
    rows = (random.integers(-6, 7, (ROWS, FEATURES)) / 4).astype(np.float32)
    rows += np.where(random.random(rows.shape) < 0.3, random.standard_normal(rows.shape), 0).astype(np.float32)
    rows[random.random(rows.shape) < 0.15] = np.nan
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    scores = session.run(None, {"rows": rows})[-1].astype(np.float32)[:, -1]
    (FOLDER / f"{name}.rows.bin").write_bytes(rows.tobytes())
    (FOLDER / f"{name}.scores.bin").write_bytes(scores.tobytes())


REGRESSOR, CLASSIFIER = "TreeEnsembleRegressor", "TreeEnsembleClassifier"
save("regressor", 1, REGRESSOR, "NONE", base=0.25)
save("regressor-less", 2, REGRESSOR, "NONE", mode="BRANCH_LT", base=-0.5)
save("regressor-without-nan", 3, REGRESSOR, "NONE", mode="BRANCH_LEQ", tracks_nan=False)
save("classifier-logistic", 4, CLASSIFIER, "LOGISTIC", mode="BRANCH_LT", base=0.125)
save("classifier-forest", 5, CLASSIFIER, "NONE", mode="BRANCH_LEQ", columns=(0, 1), low=0.0)
save("classifier-one-column", 6, CLASSIFIER, "NONE", low=0.0)
save("classifier-two-columns", 7, CLASSIFIER, "LOGISTIC", columns=(0, 1))
save("classifier-second-column", 8, CLASSIFIER, "LOGISTIC", columns=(1,))
