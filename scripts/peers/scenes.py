#!/usr/bin/env python3
"""s2infer on a whole scene against the bare engine and plain Python, as scripts/bench-scenes.sh calls it.

    scenes.py --s2infer FILE --cog FILE --safe FOLDER --model FOLDER [--bf16 FOLDER] [--pairs 6] [--tta none] [--without safe,peer]

In a round, the scene as COG and as SAFE, the bare engine and the Python peer take turns, in the reverse order every other
round; a ratio is of one round. The engine is fed from memory by `s2infer bench`, as many sessions at a time as the runs
have; its seconds are those of as many windows as the run on the COG scored. With --bf16, the COG is also decided by the
same model in bf16 on OpenVINO (OPENVINO_LIB_PATH), a folder that `s2infer quantize` let through.
"""

import argparse
import json
import os
import pathlib
import shutil
import sys

from measure import Failed, median_interval, run
from runs import load
from tables import interval, verdict

PEER = pathlib.Path(__file__).resolve().parent / "scene.py"
COG_BAR, SAFE_BAR = 1.10, 1.6
PEER_BAR = 2.0
MEMORY_BAR_MB = 600
AGAIN_BAR_S = 1.0
ENGINE_TILES = 128
SIDES = ("cog", "safe", "engine", "peer", "bf16")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--s2infer", type=os.path.abspath, required=True)
    parser.add_argument("--cog", type=pathlib.Path, required=True)
    parser.add_argument("--safe", type=pathlib.Path, required=True)
    parser.add_argument("--model", type=pathlib.Path, required=True, help="the built-in model's folder, for the peer")
    parser.add_argument("--bf16", type=os.path.abspath, help="the folder that `s2infer quantize --precision bf16` wrote")
    parser.add_argument("--pairs", type=int, default=6, help="rounds; an interval needs 6 [6]")
    parser.add_argument("--tta", choices=["none", "d4"], help="of everything that runs, at --threshold 0.5 [the model's]")
    parser.add_argument("--engine-seconds", type=int, default=20, help="of each measurement of the engine [20]")
    parser.add_argument("--without", default="", help=f"sides to leave out, of {','.join(SIDES)}; `cog` always runs")
    return parser.parse_args()


class Scenes:
    def __init__(self, options):
        self.options = options
        self.left_out = set(filter(None, options.without.split(","))) | (set() if options.bf16 else {"bf16"})
        self.tta = ["--tta", options.tta] if options.tta else []
        # The profile holds for the model's own views alone.
        self.rule = ["--threshold", "0.5"] if options.tta else ["--threshold-profile", "auto"]
        self.threads = len(os.sched_getaffinity(0))
        self.windows = None

    def program(self, scene, name, *flags):
        """As a user calls it; nothing of an earlier run is there but what `flags` ask for."""
        engine = [] if "--engine" in flags else ["--engine", "ort"]
        command = [self.options.s2infer, scene, *self.rule, *self.tta, *engine, "--quiet"]
        command += ["--output", f"{name}.geojson", "--record", f"{name}.json", *flags]
        return run([str(part) for part in command], tree=True)

    def cog(self):
        forget_results("cog")
        cost = self.program(self.options.cog, "cog")
        self.windows = scored("cog.json")
        return cost.cpu_s, cost.wall_s, cost.peak_rss_bytes

    def safe(self):
        forget_results("safe")
        cost = self.program(self.options.safe, "safe")
        return cost.cpu_s, cost.wall_s, cost.peak_rss_bytes

    def bf16(self):
        forget_results("bf16")
        cost = self.program(self.options.cog, "bf16", "--engine", "openvino", "--model", self.options.bf16)
        if scored("bf16.json") != self.windows:
            raise Failed(f"in bf16 {scored('bf16.json')} windows were scored, in fp32 {self.windows}")
        return cost.cpu_s, cost.wall_s, cost.peak_rss_bytes

    def engine(self):
        """CPU and wall seconds of the engine alone, of the windows of the COG."""
        command = [self.options.s2infer, "bench", "construction", "--engine", "ort", "--from-memory", "--quiet", *self.tta]
        command += ["--tiles", ENGINE_TILES, "--threads", self.threads, "--max-seconds", self.options.engine_seconds]
        command += ["--export-json", "engine.json"]
        cost = run([str(part) for part in command])
        lines = json.loads(pathlib.Path("engine.json").read_text())["lines"]
        line = next(line for line in lines if line["source"] == "memory")
        per_cpu_s, per_s = (line[key]["median"] for key in ("tiles_per_cpu_second", "tiles_per_second"))
        return self.windows / per_cpu_s, self.windows / per_s, cost.peak_rss_bytes

    def peer(self):
        command = [sys.executable, PEER, self.options.model, self.options.cog, "peer.geojson", "--scores", "peer.csv"]
        cost = run([str(part) for part in [*command, *self.tta]], tree=True)
        with open("peer.csv") as table:
            windows = sum(1 for _ in table) - 1
        if windows != self.windows:
            raise Failed(f"the peer scored {windows} windows, s2infer {self.windows}")
        return cost.cpu_s, cost.wall_s, cost.peak_rss_bytes

    def rounds(self):
        """{side: [(CPU seconds, wall seconds, bytes)]}"""
        sides = [side for side in SIDES if side == "cog" or side not in self.left_out]
        self.cog()
        found = {side: [] for side in sides}
        for number in range(self.options.pairs):
            for side in sides if number % 2 == 0 else reversed(sides):
                found[side].append(getattr(self, side)())
            seconds = ", ".join(f"{side} {found[side][-1][0]:.1f} ({found[side][-1][1]:.1f})" for side in sides)
            print(f"round {number + 1}: CPU seconds (wall) {seconds}; load {load():.1f}", flush=True)
        return found

    def again(self):
        """CPU and wall seconds of runs with nothing new, after one that has kept its journal."""
        forget_results("again")
        self.program(self.options.cog, "again", "--resume")
        costs = [self.program(self.options.cog, "again", "--resume") for _ in range(max(6, self.options.pairs))]
        return [cost.cpu_s for cost in costs], [cost.wall_s for cost in costs]


def scored(record):
    counts = json.loads(pathlib.Path(record).read_text())["counts"]
    return counts["positive"] + counts["negative"] + counts["class"]


def forget_results(name):
    for path in pathlib.Path().glob(f"{name}.*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def report(found, again, windows):
    yield f"{windows:,} windows scored; medians and 95 % intervals of {len(found['cog'])} interleaved rounds."
    yield ""
    yield "| side | CPU seconds | wall seconds | peak memory, MB |"
    yield "| --- | --- | --- | --- |"
    for side, costs in found.items():
        cpu, wall = (spread([cost[unit] for cost in costs], "1f") for unit in (0, 1))
        memory = max(cost[2] for cost in costs) / 1e6
        bar = f" ({verdict(memory, memory, MEMORY_BAR_MB, at_most=True)})" if side in ("cog", "safe", "bf16") else ""
        yield f"| {side} | {cpu} | {wall} | {memory:.0f}{bar} |"
    yield ""
    yield "| ratio | CPU seconds | bar | wall seconds |"
    yield "| --- | --- | --- | --- |"
    for what, over, under, bar, at_most in (
        ("COG / engine", "cog", "engine", COG_BAR, True),
        ("SAFE / engine", "safe", "engine", SAFE_BAR, True),
        ("plain Python / COG", "peer", "cog", PEER_BAR, False),
        ("plain Python / COG in bf16 on OpenVINO", "peer", "bf16", PEER_BAR, False),
    ):
        if over in found and under in found:
            cpu, wall = ([a[unit] / b[unit] for a, b in zip(found[over], found[under])] for unit in (0, 1))
            _, low, high = median_interval(cpu)
            yield f"| {what} | {spread(cpu)} | {verdict(low, high, bar, at_most)} | {spread(wall)} |"
    yield ""
    cpu, wall = again
    _, low, high = median_interval(wall)
    met = verdict(low, high, AGAIN_BAR_S, at_most=True)
    yield f"A run with nothing new: {spread(wall)} s by the clock ({met}), {spread(cpu)} CPU seconds."


def spread(values, digits="3f"):
    median, low, high = median_interval(values)
    return f"{median:.{digits}} ({interval(low, high, digits)})"


def main():
    options = arguments()
    scenes = Scenes(options)
    try:
        found = scenes.rounds()
        lines = list(report(found, scenes.again(), scenes.windows))
    except Failed as problem:
        sys.exit(str(problem))
    print("\n".join(["", *lines]))


if __name__ == "__main__":
    main()
