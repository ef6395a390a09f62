#!/usr/bin/env python3
"""Compares the int8 graphs of `s2infer quantize` with those of onnxruntime's own static quantizer, and prints a table.

    compare_quantizers.py --quantize EXAMPLE --tiles CSV --model NAME=FOLDER... [--random NAME=FOLDER...]

Both take ranges from the same inputs: 512 preprocessed tiles of split `temperature`, as many of every group; s2infer chooses
between its ways by 512 others. Both graphs then run in
onnxruntime on the tiles of split `measurement`: average precision by group of season and sky, and how far logits lie from
those of fp32. A model under --random has random weights and takes smooth random fields: only distances mean anything.
EXAMPLE is target/release/examples/quantize_graph. onnxruntime's quantizer is asked for the same kind of graph (QDQ, unsigned
activations, signed weights by channel), once with its default calibration (min-max) and once with percentile;
--operators Conv,Gemm,MatMul keeps it to these, as its users do where all that it takes by default is too much.
"""

import argparse
import contextlib
import csv
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnxruntime
import tifffile
from common import Preprocessing
from measure import median_interval
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

OBSERVED = 512
BATCH = 32
ROUNDS = 15
RESAMPLES = 2000
TARGET_RECALL = 0.8
GROUPS = ("summer-clear", "summer-cloudy", "winter-clear", "winter-cloudy")
METHODS = {"min-max": CalibrationMethod.MinMax, "percentile": CalibrationMethod.Percentile}


class Reader(CalibrationDataReader):
    def __init__(self, name, inputs):
        self.batches = iter([{name: inputs[start : start + 8]} for start in range(0, len(inputs), 8)])

    def get_next(self):
        return next(self.batches, None)


def session(file):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def logits(runner, inputs):
    name = runner.get_inputs()[0].name
    return np.concatenate([runner.run(None, {name: inputs[i : i + BATCH]})[0] for i in range(0, len(inputs), BATCH)])


def average_precision(scores, positive):
    """Area under the steps of precision over recall; ties count together."""
    order = np.argsort(-scores, kind="stable")
    scores, positive = scores[order], positive[order]
    last = np.r_[np.flatnonzero(np.diff(scores)), len(scores) - 1]
    hits = np.cumsum(positive)[last]
    steps = np.diff(np.r_[0, hits]) / positive.sum()
    return float((steps * hits / (last + 1)).sum())


def difference(ours, theirs, positive):
    """Average precision of ours less that of theirs, with the 95 % interval of a bootstrap over tiles that both share."""
    random = np.random.default_rng(11)
    found = []
    while len(found) < RESAMPLES:
        drawn = random.integers(0, len(positive), len(positive))
        if positive[drawn].any():
            found.append(
                average_precision(ours[drawn], positive[drawn]) - average_precision(theirs[drawn], positive[drawn])
            )
    whole = average_precision(ours, positive) - average_precision(theirs, positive)
    low, high = np.quantile(found, [0.025, 0.975])
    return f"{whole:+.4f} ({low:+.4f} to {high:+.4f})"


def alerts(scores, positive):
    """At the threshold of these scores that the target's share of the positives reaches."""
    return scores >= np.quantile(scores[positive], 1 - TARGET_RECALL, method="lower")


def decided_alike(exact, found, groups, positive):
    """The share of tiles that both decide alike, each at a threshold of its own, in the group where it is smallest."""
    members = [groups == group for group in GROUPS]
    return min((alerts(exact[m], positive[m]) == alerts(found[m], positive[m])).mean() for m in members)


def decibels(reference, found):
    return 10 * np.log10(reference.var() / ((reference - found) ** 2).mean())


class Tiles:
    """Rows of a table of rendered tiles, with their pixels on demand."""

    def __init__(self, table):
        self.folder = table.parent
        self.rows = list(csv.DictReader(table.open()))
        for row in self.rows:
            row["group"] = f"{row['season']}-{row['cloud']}"

    def of(self, split):
        return [row for row in self.rows if row["split"] == split]

    def inputs(self, model, rows):
        prepare = Preprocessing(model)
        batches = (rows[start : start + 256] for start in range(0, len(rows), 256))
        return np.concatenate([prepare(np.stack([self.pixels(row) for row in batch])) for batch in batches])

    def pixels(self, row):
        """[bands, height, width], whether the file has its bands pixel by pixel or one after the other."""
        with tifffile.TiffFile(self.folder / row["path"]) as file:
            pixels = file.asarray()
            return pixels if file.pages[0].planarconfig == tifffile.PLANARCONFIG.SEPARATE else np.moveaxis(pixels, -1, 0)

    def observed(self):
        """In turns of the groups, in a random order."""
        strata = {group: [row for row in self.of("temperature") if row["group"] == group] for group in GROUPS}
        for rows in strata.values():
            np.random.default_rng(7).shuffle(rows)
        turns = [strata[group][turn] for turn in range(2 * OBSERVED) for group in GROUPS if turn < len(strata[group])]
        return turns[: 2 * OBSERVED]


def fields(shape, count):
    """Smooth random fields, standardised."""
    random = np.random.default_rng(3)
    side = shape[-1]
    coarse = random.normal(size=(count, shape[0], side // 16, side // 16))
    smooth = np.kron(coarse, np.ones((16, 16))) + 0.3 * random.normal(size=(count, *shape))
    return (smooth / smooth.std()).astype(np.float32)


def speeds(files, inputs):
    """Rows per CPU-second of each graph, interleaved round by round."""
    runners = {name: session(file) for name, file in files.items()}
    found = {name: [] for name in files}
    batch = {next(iter(runners.values())).get_inputs()[0].name: inputs[:BATCH]}
    repeats = None
    for _ in range(ROUNDS + 1):
        for name, runner in runners.items():
            started = time.process_time()
            for _ in range(repeats or 2):
                runner.run(None, batch)
            found[name].append((repeats or 2) * len(inputs[:BATCH]) / (time.process_time() - started))
        if repeats is None:
            # The first round warms up, and says how many batches take about a third of a second.
            rate = found[next(iter(files))][0]
            repeats = max(1, round(rate / 3 / len(inputs[:BATCH])))
            found = {name: [] for name in files}
    return found


def quantizers(options, folder, observed, work):
    original = str(folder / "model.onnx")
    files = {"fp32": original}
    observed.astype("<f4").tofile(work / "inputs.f32")
    started = time.process_time()
    said = subprocess.run(
        [options.quantize, folder, work / "inputs.f32", work / "ours.onnx"], check=True, capture_output=True, text=True
    )
    print(said.stdout, file=sys.stderr)
    files["s2infer"] = str(work / "ours.onnx")
    prepared = str(work / "prepared.onnx")
    quant_pre_process(original, prepared, skip_symbolic_shape=True)
    for name, method in METHODS.items():
        file = str(work / f"theirs-{name}.onnx")
        # It prints ranges, and standard output is the table.
        with contextlib.redirect_stdout(sys.stderr):
            quantize_static(
                prepared,
                file,
                Reader(session(original).get_inputs()[0].name, observed[: len(observed) // 2]),
                quant_format=QuantFormat.QDQ,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                per_channel=True,
                calibrate_method=method,
                op_types_to_quantize=options.operators,
            )
        files[f"onnxruntime, {name}"] = file
    print(f"{folder}: quantized in {time.process_time() - started:.0f} CPU-seconds of Python", file=sys.stderr)
    return files


def differences(name, results, groups, positive):
    for kind in results:
        if kind != "s2infer":
            members = [groups == group for group in GROUPS]
            cells = [difference(results["s2infer"][m, 0], results[kind][m, 0], positive[m]) for m in members]
            yield [name, kind, *cells]


def rows_of(name, files, results, inputs, groups, positive):
    rates = speeds(files, inputs)
    ours = rates["s2infer"]
    for kind in files:
        rate = statistics.median(rates[kind])
        ratio, low, high = median_interval([a / b for a, b in zip(ours, rates[kind])])
        against = "" if kind == "s2infer" else f"{ratio:.3f} ({low:.3f}–{high:.3f})"
        cells = [name, kind]
        for group in GROUPS:
            members = groups == group
            if positive is None:
                cells.append("–")
            else:
                cells.append(f"{average_precision(results[kind][members, 0], positive[members]):.4f}")
        noise = [decibels(results["fp32"][groups == group], results[kind][groups == group]) for group in set(groups)]
        alike = "–"
        if positive is not None and kind != "fp32":
            alike = f"{100 * decided_alike(results['fp32'][:, 0], results[kind][:, 0], groups, positive):.1f} %"
        cells += ["–" if kind == "fp32" else f"{min(noise):.1f}", alike, f"{rate:.0f}", against]
        yield cells


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quantize", type=pathlib.Path, required=True)
    parser.add_argument("--tiles", type=pathlib.Path, required=True)
    named = lambda text: (text.split("=")[0], pathlib.Path(text.split("=")[1]))
    parser.add_argument("--model", type=named, action="append", default=[])
    parser.add_argument("--random", type=named, action="append", default=[])
    parser.add_argument("--operators", type=lambda text: text.split(","))
    options = parser.parse_args()
    tiles = Tiles(options.tiles)
    head = ["model", "graph", *(f"AP, {group}" for group in GROUPS), "logits, worst group, dB"]
    head += ["decided alike, worst group", "rows per CPU-second", "s2infer's rate over it"]
    print("| " + " | ".join(head) + " |\n| " + " | ".join(["---"] * len(head)) + " |", flush=True)
    second = ["| " + " | ".join(["model", "against", *(f"AP, {group}" for group in GROUPS)]) + " |"]
    second.append("| --- " * 6 + "|")
    for (name, folder), is_random in [(m, False) for m in options.model] + [(m, True) for m in options.random]:
        with tempfile.TemporaryDirectory() as work:
            if is_random:
                shape = session(folder / "model.onnx").get_inputs()[0].shape[1:]
                observed, inputs = fields(shape, 32), fields(shape, 64)[32:]
                groups, positive = np.array(["all"] * len(inputs)), None
            else:
                rows = tiles.of("measurement")
                observed, inputs = tiles.inputs(folder, tiles.observed()), tiles.inputs(folder, rows)
                groups = np.array([row["group"] for row in rows])
                positive = np.array([row["label"] == "1" for row in rows])
            files = quantizers(options, folder, observed, pathlib.Path(work))
            results = {kind: logits(session(file), inputs).astype(np.float64) for kind, file in files.items()}
            for cells in rows_of(name, files, results, inputs, groups, positive):
                print("| " + " | ".join(cells) + " |", flush=True)
            if positive is not None:
                second += ["| " + " | ".join(cells) + " |" for cells in differences(name, results, groups, positive)]
    print("\nAverage precision of s2infer's graph less that of the other, 95 % interval of a paired bootstrap over tiles:\n")
    print("\n".join(second))


if __name__ == "__main__":
    main()
