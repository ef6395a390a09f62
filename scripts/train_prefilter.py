#!/usr/bin/env python3
"""Trains the trees before a network and writes them as an ONNX tree ensemble.

    train_prefilter.py STATISTICS.csv PREFILTER.onnx [--rounds 100] [--depth 3] [--eta 0.05] [--seed 1]

STATISTICS.csv is what `s2train statistics` writes of the patches that train; `s2train gate` finds the cut-off, on others.
The file is checked against xgboost's own margins with ONNX Runtime before it is kept.
"""

import argparse
import csv
import json
import sys

import numpy as np
import onnx
import onnxruntime
import xgboost
from onnx import TensorProto, helper

COLUMNS = ("path", "label", "site", "split")
# Largest difference from xgboost's own margins, in logits.
TOLERANCE = 1e-5
FOLDS = 5


def read(path):
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        sys.exit(f"{path}: no patches")
    names = [name for name in rows[0] if name not in COLUMNS]
    values = np.array([[row[name] for name in names] for row in rows], np.float32)
    labels = np.array([int(row["label"]) for row in rows])
    return names, values, labels, np.array([row["site"] for row in rows])


def train(values, labels, arguments):
    parameters = {
        "objective": "binary:logistic", "base_score": 0.5, "max_depth": arguments.depth, "eta": arguments.eta,
        "min_child_weight": 5, "colsample_bytree": 0.3, "seed": arguments.seed, "nthread": 1,
    }
    return xgboost.train(parameters, xgboost.DMatrix(values, labels), arguments.rounds)


def as_onnx(booster, features):
    """`x < value` goes left; a missing value never comes, because statistics are finite. The score is the margin, in logits:
    ONNX Runtime leaves out the logistic function of a regressor with one target."""
    trees = json.loads(booster.save_raw("json"))["learner"]["gradient_booster"]["model"]["trees"]
    nodes = {name: [] for name in ("treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids")}
    leaves = {name: [] for name in ("treeids", "nodeids", "ids", "weights")}
    for tree, of in enumerate(trees):
        for node, left in enumerate(of["left_children"]):
            is_leaf, value = left == -1, of["split_conditions"][node]
            row = (tree, node, 0 if is_leaf else of["split_indices"][node], 0.0 if is_leaf else value,
                   "LEAF" if is_leaf else "BRANCH_LT", 0 if is_leaf else left, 0 if is_leaf else of["right_children"][node])
            for column, cell in zip(nodes.values(), row):
                column.append(cell)
            if is_leaf:
                for column, cell in zip(leaves.values(), (tree, node, 0, value)):
                    column.append(cell)
    node = helper.make_node(
        "TreeEnsembleRegressor", ["statistics"], ["score"], domain="ai.onnx.ml", n_targets=1, aggregate_function="SUM",
        post_transform="NONE", base_values=[0.0], **{f"nodes_{name}": column for name, column in nodes.items()},
        **{f"target_{name}": column for name, column in leaves.items()})
    graph = helper.make_graph(
        [node], "prefilter", [helper.make_tensor_value_info("statistics", TensorProto.FLOAT, ["n", features])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, ["n", 1])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)],
                              producer_name="xgboost", producer_version=xgboost.__version__)
    model.ir_version = 8
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()


def spared(scores, labels):
    """Share of the negatives that score below every positive."""
    return float((scores[labels == 0] < scores[labels == 1].min()).mean())


def cross_validate(values, labels, sites, arguments):
    names = np.unique(sites)
    fold_of = dict(zip(names, np.random.default_rng(arguments.seed).permutation(len(names)) % FOLDS))
    folds = np.array([fold_of[site] for site in sites])
    scores = np.zeros(len(labels))
    for fold in range(FOLDS):
        learned = folds != fold
        scores[~learned] = train(values[learned], labels[learned], arguments).predict(xgboost.DMatrix(values[~learned]))
    wins = scores[labels == 1][:, None] - scores[labels == 0][None, :]
    return float((wins > 0).mean() + (wins == 0).mean() / 2), scores


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("statistics")
    parser.add_argument("out")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--depth", type=int, default=3)
    parser.add_argument("--eta", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    names, values, labels, sites = read(arguments.statistics)
    area, scores = cross_validate(values, labels, sites, arguments)
    print(f"{len(labels)} patches, {labels.sum()} positives, {len(names)} statistics; by site, out of fold: AUROC {area:.4f}, "
          f"negatives below every positive {100 * spared(scores, labels):.1f} %")
    booster = train(values, labels, arguments)
    file = as_onnx(booster, len(names))
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    found = session.run(None, {"statistics": values})[0][:, 0]
    difference = float(np.abs(found - booster.predict(xgboost.DMatrix(values), output_margin=True)).max())
    if not difference <= TOLERANCE:
        sys.exit(f"ONNX Runtime and xgboost differ by {difference}")
    with open(arguments.out, "wb") as out:
        out.write(file)
    gain = booster.get_score(importance_type="total_gain")
    best = sorted(gain, key=gain.get, reverse=True)[:8]
    print(f"{arguments.out}: {len(file)} bytes, within {difference:.1e} of xgboost; most gain from "
          + ", ".join(names[int(feature[1:])] for feature in best))


if __name__ == "__main__":
    main()
