#!/usr/bin/env python3
"""The fallback engine against ONNX Runtime, as scripts/bench-fallback.sh calls it.

    fallback.py ENGINE_FLOOR PAIRS ROWS BATCH MODEL_FOLDER…

A ratio is ONNX Runtime's CPU seconds over tract's in the same pair: 1 is as fast.
"""

import os
import pathlib
import statistics
import sys
import tempfile

from measure import median_interval, run

ENGINES = ("ort", "tract")


def main():
    floor, pairs, rows, batch, *models = sys.argv[1:]
    floor, models = os.path.abspath(floor), [pathlib.Path(model).resolve() for model in models]

    def cpu_s(model, engine):
        with_rows, without = (run([floor, str(model), count, engine, batch]).cpu_s for count in (rows, "0"))
        return with_rows - without

    print("| model | ONNX Runtime, rows per CPU-second | tract | ratio, median | 95 % interval |")
    print("| --- | --- | --- | --- | --- |")
    os.chdir(tempfile.mkdtemp())
    for model in models:
        seconds = {engine: [] for engine in ENGINES}
        for pair in range(int(pairs)):
            for engine in ENGINES if pair % 2 == 0 else reversed(ENGINES):
                seconds[engine].append(cpu_s(model, engine))
        rates = [f"{int(rows) / statistics.median(seconds[engine]):.0f}" for engine in ENGINES]
        ratio, low, high = median_interval([a / b for a, b in zip(seconds["ort"], seconds["tract"])])
        print(f"| {model.name} | {rates[0]} | {rates[1]} | {ratio:.3f} | {low:.3f}–{high:.3f} |", flush=True)


if __name__ == "__main__":
    main()
