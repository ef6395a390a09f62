#!/usr/bin/env python3
"""Compares s2infer with what a good Python user would write, and prints the README's tables.

Runs in the folder that scripts/bench-peers.sh has filled. Every pair is s2infer and one peer, one right after the
other, the order swapped from pair to pair; a ratio is the peer's CPU seconds over s2infer's in the same pair. CPU
seconds are those of the whole process, start-up included: wall time says little on a shared machine.
"""

import argparse
import os
import pathlib
import platform
import subprocess

import cases
import resources
from runs import Bench, load
from tables import ratio_head, ratio_rows

RATIOS = {"fp32": cases.fp32, "int8": cases.int8, "tta": cases.tta, "workers": cases.workers, "unet": cases.unet}
COSTS = {"first": resources.first_decision, "memory": resources.memory, "quantize": resources.quantizing}


def ratio_table(bench, options, name):
    tiles = {"unet": options.maps, "tta": options.views}.get(name, options.tiles)
    yield from ratio_head(name)
    for case in RATIOS[name](bench, tiles):
        if options.match not in case.what:
            continue
        if case.table:
            bench.check_agreement(case)
        else:
            # Files into the page cache, as an agreement has them.
            bench.cost(case.ours, case.unit)
            bench.cost(case.theirs, case.unit)
        yield from ratio_rows(case, bench.pairs(case, options.pairs))


def machine():
    with open("/proc/cpuinfo") as cpuinfo:
        model = next((line.split(":")[1].strip() for line in cpuinfo if line.startswith("model name")), "unknown")
    return f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.release()}"


def arguments():
    parser = argparse.ArgumentParser()
    for name, what in {
        "s2infer": "the program",
        "floor": "examples/engine_floor",
        "quantize": "examples/quantize_graph",
        "python": "the peers' interpreter",
        "ort": "the ONNX Runtime library",
        "openvino": "the folder of OpenVINO's libraries",
    }.items():
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True, help=what)
    parser.add_argument("--int8", type=pathlib.Path, help="the built-in model's int8 folder")
    parser.add_argument("--tiles", type=int, required=True, help="tiles of the speed runs")
    parser.add_argument("--views", type=int, required=True, help="tiles of the runs with eight views")
    parser.add_argument("--maps", type=int, required=True, help="tiles of the U-Net")
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--starts", type=int, default=31, help="runs of a first decision")
    parser.add_argument("--memory", nargs="*", default=[], help="folders of tiles to measure memory on")
    everything = [*RATIOS, *COSTS]
    parser.add_argument("--match", default="", metavar="TEXT", help="only the rows whose name has this in it")
    parser.add_argument("--only", choices=everything, nargs="*", default=everything)
    return parser.parse_args()


def main():
    options = arguments()
    environment = {"ORT_DYLIB_PATH": str(options.ort), "OPENVINO_LIB_PATH": str(options.openvino)}
    bench = Bench(options.s2infer, options.floor, options.quantize, options.python, environment)
    tables = {}
    for name in options.only:
        before = load()
        lines = ratio_table(bench, options, name) if name in RATIOS else COSTS[name](bench, options)
        tables[name] = []
        for line in lines:
            print(line, flush=True)
            tables[name].append(line)
        tables[name].append(f"\nLoad average {before:.1f} before, {load():.1f} after.")
    versions = subprocess.run([options.s2infer, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    print(f"\n{versions}; {options.tiles:,} tiles; {options.pairs} pairs; {machine()}")
    for name, lines in tables.items():
        print(f"\n{name}\n\n" + "\n".join(lines))


if __name__ == "__main__":
    main()
