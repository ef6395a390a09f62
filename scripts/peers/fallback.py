#!/usr/bin/env python3
"""The fallback engine against ONNX Runtime, as scripts/bench-fallback.sh calls it.

A ratio is ONNX Runtime's CPU seconds over tract's in the same pair: 1 is as fast.
"""

import argparse
import math
import os
import pathlib
import statistics
import tempfile

from measure import median_interval, run

ENGINES = ("ort", "tract")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--floor", type=pathlib.Path, required=True, help="examples/engine_floor, built")
    parser.add_argument("--s2infer", type=pathlib.Path, required=True, help="the binary with both engines")
    parser.add_argument("--musl", type=pathlib.Path, help="the static binary, measured on --files")
    parser.add_argument("--files", type=pathlib.Path, help="a folder of tiles")
    parser.add_argument("--pairs", type=int, required=True)
    parser.add_argument("--rows", type=int, required=True, help="rows of a run from memory")
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("models", type=pathlib.Path, nargs="+", metavar="MODEL_FOLDER")
    options = parser.parse_args()
    for name, value in vars(options).items():
        if isinstance(value, pathlib.Path):
            setattr(options, name, value.resolve(strict=True))
    models = [model.resolve(strict=True) for model in options.models]
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        measure(options, models)


def measure(options, models):
    print("| model | ONNX Runtime, rows per CPU-second | tract | ratio, median | 95 % interval |")
    print("| --- | --- | --- | --- | --- |")
    for model in models:
        pairs(options, model.name, options.rows, lambda engine: from_memory_cpu_s(options, model, engine))
        if options.files:
            tiles = sum(path.suffix == ".tif" for path in options.files.iterdir())
            binaries = {f"{model.name}, files to table": options.s2infer}
            if options.musl:
                binaries[f"{model.name}, files to table, static binary"] = options.musl
            for name, binary in binaries.items():
                of = {"ort": options.s2infer, "tract": binary}
                pairs(options, name, tiles, lambda engine: to_table_cpu_s(options, of[engine], model, engine, tiles))


def pairs(options, name, rows, cpu_s):
    seconds = {engine: [] for engine in ENGINES}
    for pair in range(options.pairs):
        for engine in ENGINES if pair % 2 == 0 else reversed(ENGINES):
            seconds[engine].append(cpu_s(engine))
    rates = [f"{rows / statistics.median(seconds[engine]):.0f}" for engine in ENGINES]
    ratio, low, high = median_interval([a / b for a, b in zip(seconds["ort"], seconds["tract"])])
    interval = f"{low:.3f}–{high:.3f}" if high < math.inf else "too few pairs"
    print(f"| {name} | {rates[0]} | {rates[1]} | {ratio:.3f} | {interval} |", flush=True)


def from_memory_cpu_s(options, model, engine):
    with_rows, without = (
        run([str(options.floor), str(model), str(rows), engine, str(options.batch)]).cpu_s for rows in (options.rows, 0)
    )
    return with_rows - without


def to_table_cpu_s(options, binary, model, engine, tiles):
    command = [str(binary), str(options.files), "--model", str(model), "--engine", engine, "--threads", "1"]
    cost = run([*command, "--tta", "none", "--threshold", "0.5", "--quiet"])
    with open("last-run.out") as table:
        lines = sum(1 for _ in table) - 1
    if lines != tiles:
        raise SystemExit(f"{options.files}: {lines} rows of {tiles} tiles (*.tif): give tiles of one window and nothing else")
    return cost.cpu_s


if __name__ == "__main__":
    main()
