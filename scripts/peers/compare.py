#!/usr/bin/env python3
"""Compares s2infer with what a good Python user would write, and prints the README's tables.

Runs in the folder that scripts/bench-peers.sh has filled. Every pair is s2infer and one peer, one right after the
other, the order swapped from pair to pair; a ratio is the peer's CPU seconds over s2infer's in the same pair. CPU
seconds are those of the whole process, start-up included: wall time says little on a shared machine.
"""

import argparse
import csv
import math
import os
import pathlib
import platform
import statistics
import subprocess

from measure import Failed, first_row_s, forget, median_interval, run

HERE = pathlib.Path(__file__).resolve().parent
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
PEERS = {
    "tifffile + onnxruntime": ("tifffile_onnxruntime.py", [], 1.1),
    "rasterio + onnxruntime": ("rasterio_onnxruntime.py", [], 1.3),
    "tifffile + OpenVINO, f32": ("tifffile_openvino.py", ["--precision", "f32"], None),
    "tifffile + OpenVINO, its default": ("tifffile_openvino.py", ["--precision", "default"], None),
}
FLOOR = "the engine alone, fed from memory"
FLOOR_WITH_START = "the same with the model's loading, as s2infer's time has it"
FLOOR_BAR = 0.93
MEMORY_BAR_MB = 400
FIRST_DECISION_BAR_S = 0.5
SCORE_TOLERANCE = 1e-4


class Bench:
    def __init__(self, options):
        self.options = options
        self.with_start = []
        self.environment = {**ONE_THREAD, "ORT_DYLIB_PATH": str(options.ort)}

    def s2infer(self, tiles="tiles", threads=1):
        """The table goes to standard output: with --output the tiles would be hashed for the resume journal, and a
        tile met twice, as hard links are, would be decided once."""
        command = [self.options.s2infer, tiles, "--model", "model", "--threshold", "0.5", "--engine", "ort"]
        return [*command, "--threads", str(threads), "--quiet"]

    def peer(self, name):
        script, flags, _ = PEERS[name]
        return [self.options.python, HERE / script, "model", "tiles", "peer.csv", *flags]

    def floor(self, rows):
        return [self.options.floor, "model", str(rows), "ort"]

    def run(self, command, watch=None):
        return run([str(part) for part in command], self.environment, watch)

    def pairs(self, name, other):
        """CPU seconds (s2infer, other) of each pair."""
        found = []
        for pair in range(self.options.pairs):
            if pair % 2 == 0:
                ours = self.run(self.s2infer()).cpu_s
                theirs = other()
            else:
                theirs = other()
                ours = self.run(self.s2infer()).cpu_s
            print(f"pair {pair + 1}: s2infer {ours:.2f} s, {name} {theirs:.2f} s, ratio {theirs / ours:.3f}", flush=True)
            found.append((ours, theirs))
        return found

    def peer_cpu_s(self, name):
        return lambda: self.run(self.peer(name)).cpu_s

    def engine_alone(self):
        """What the rows cost without what the start costs; the sum of both is kept in `with_start`."""
        whole = self.run(self.floor(self.options.tiles)).cpu_s
        self.with_start.append(whole)
        return whole - self.run(self.floor(0)).cpu_s


def scores(table):
    with open(table, newline="") as file:
        return [float(row["score"]) for row in csv.DictReader(file)]


def check_agreement(bench, name):
    """Whoever is timed does the same work."""
    bench.run(bench.s2infer())
    ours = scores("last-run.out")
    bench.run(bench.peer(name))
    theirs = scores("peer.csv")
    if len(ours) != len(theirs):
        raise Failed(f"{name} wrote {len(theirs)} rows, s2infer {len(ours)}")
    worst = max(abs(a - b) for a, b in zip(ours, theirs))
    if worst > SCORE_TOLERANCE and "default" not in name:
        raise Failed(f"{name} and s2infer differ by {worst:.1e}")
    print(f"{name}: largest difference of a score {worst:.1e}", flush=True)


def verdict(low, high, bar):
    if bar is None or not math.isfinite(low):
        return "–"
    if low >= bar:
        return f"≥ {bar}: met"
    return f"≥ {bar}: missed" if high < bar else f"≥ {bar}: within the interval"


def speed_table(bench):
    rows = []
    for name, (_, _, bar) in PEERS.items():
        check_agreement(bench, name)
        rows.append((name, bench.pairs(name, bench.peer_cpu_s(name)), bar))
    bench.run(bench.floor(0))
    floor = bench.pairs(FLOOR, bench.engine_alone)
    rows.append((FLOOR, floor, FLOOR_BAR))
    rows.append((FLOOR_WITH_START, [(ours, whole) for (ours, _), whole in zip(floor, bench.with_start)], None))

    lines = [
        "| against | its tiles per CPU-second | s2infer's | ratio, median | 95 % interval | bar |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, pairs, bar in rows:
        median, low, high = median_interval([theirs / ours for ours, theirs in pairs])
        ours = bench.options.tiles / statistics.median(pair[0] for pair in pairs)
        theirs = bench.options.tiles / statistics.median(pair[1] for pair in pairs)
        interval = f"{low:.3f}–{high:.3f}" if math.isfinite(low) else "too few pairs"
        lines.append(
            f"| {name} | {theirs:.0f} | {ours:.0f} | {median:.3f} | {interval} | {verdict(low, high, bar)} |"
        )
    return lines


def memory_table(bench):
    lines = [
        "| tiles | threads | peak memory, MB | tiles mapped at once | files open at once |",
        "| --- | --- | --- | --- | --- |",
    ]
    for folder in bench.options.memory:
        count = sum(1 for entry in os.scandir(folder) if entry.name.endswith(".tif"))
        for threads in sorted({1, os.cpu_count()}):
            cost = bench.run(bench.s2infer(folder, threads), watch=f"/{folder}/")
            megabytes = cost.peak_rss_bytes / 1e6
            bar = f" (< {MEMORY_BAR_MB}: {'met' if megabytes < MEMORY_BAR_MB else 'missed'})" if threads == 1 else ""
            print(f"memory: {count} tiles, {threads} threads, {megabytes:.0f} MB, {cost.wall_s:.0f} s", flush=True)
            lines.append(f"| {count:,} | {threads} | {megabytes:.0f}{bar} | {cost.maps_max} | {cost.files_max} |")
    return lines


def first_decision_table(bench):
    options = bench.options
    built_in = [options.s2infer, "first", "--threshold-profile", "winter", "--quiet"]
    cases = {
        "built-in model, ONNX Runtime": ([*built_in, "--engine", "ort"], [], FIRST_DECISION_BAR_S),
        "built-in model, tract": ([*built_in, "--engine", "tract"], [], FIRST_DECISION_BAR_S),
        "built-in model, ONNX Runtime, files out of the page cache": (
            [*built_in, "--engine", "ort"],
            [options.s2infer, options.ort, *pathlib.Path("first").glob("*.tif")],
            None,
        ),
    }
    lines = ["| first decision of a new process | seconds, median | 95 % interval | bar |", "| --- | --- | --- | --- |"]
    for name, (command, cold, bar) in cases.items():
        command = [str(part) for part in command]
        environment = {"ORT_DYLIB_PATH": str(options.ort)} if "ort" in command else {}
        seconds = []
        for _ in range(options.pairs):
            forget(cold)
            seconds.append(first_row_s(command, environment))
        median, low, high = median_interval(seconds)
        met = "–" if bar is None else f"< {bar}: {'met' if high < bar else 'missed' if low >= bar else 'within the interval'}"
        print(f"first decision, {name}: {median:.3f} s", flush=True)
        lines.append(f"| {name} | {median:.3f} | {low:.3f}–{high:.3f} | {met} |")
    return lines


def machine():
    with open("/proc/cpuinfo") as cpuinfo:
        model = next((line.split(":")[1].strip() for line in cpuinfo if line.startswith("model name")), "unknown")
    return f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.release()}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--s2infer", type=pathlib.Path, required=True)
    parser.add_argument("--floor", type=pathlib.Path, required=True)
    parser.add_argument("--python", type=pathlib.Path, required=True, help="the peers' interpreter")
    parser.add_argument("--ort", type=pathlib.Path, required=True, help="the ONNX Runtime library")
    parser.add_argument("--tiles", type=int, required=True)
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--memory", nargs="*", default=[], help="folders of tiles to measure memory on")
    parser.add_argument("--only", choices=["speed", "memory", "first"], nargs="*", default=["speed", "memory", "first"])
    options = parser.parse_args()
    bench = Bench(options)
    tables = []
    if "speed" in options.only:
        tables.append(speed_table(bench))
    if "memory" in options.only:
        tables.append(memory_table(bench))
    if "first" in options.only:
        tables.append(first_decision_table(bench))
    versions = subprocess.run([options.s2infer, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    print(f"\n{versions}; {options.tiles:,} tiles; {options.pairs} pairs; {machine()}")
    for lines in tables:
        print("\n" + "\n".join(lines))


if __name__ == "__main__":
    main()
