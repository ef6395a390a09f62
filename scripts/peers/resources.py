"""What one process costs by itself: memory over many tiles, the start, the quantizer."""

import os
import pathlib
import statistics

from cases import BF16, FP32, INT8
from measure import first_row_s, forget
from tables import cost_row, interval, verdict

MEMORY_BAR_MB = 300
FIRST_BAR_S = {"fp32": 0.35, "int8": 0.2}
QUANTIZE_BAR_S = 120
QUANTIZE_RUNS = 3


def memory(bench, options):
    """Once each: the peak hardly differs from run to run."""
    yield "| tiles | model | threads | peak memory, MB | tiles mapped at once | files open at once |"
    yield "| --- | --- | --- | --- | --- | --- |"
    models = {"fp32, ONNX Runtime": (FP32, "ort"), "int8, ONNX Runtime": (INT8["ort"], "ort")}
    models |= {"fp32, OpenVINO": (FP32, "openvino"), "bf16, OpenVINO": (BF16, "openvino")}
    models["int8, OpenVINO"] = (INT8["openvino"], "openvino")
    for folder in options.memory:
        count = sum(1 for entry in os.scandir(folder) if entry.name.endswith(".tif"))
        for name, (model, engine) in models.items():
            for threads in sorted({1, os.cpu_count()}):
                if threads > 1 and count > 10_000:
                    continue
                cost = bench.run(bench.ours(model, engine, folder, threads=threads), watch=f"/{folder}/")
                megabytes = cost.peak_rss_bytes / 1e6
                bar = MEMORY_BAR_MB if threads == 1 else None
                met = f" ({verdict(megabytes, megabytes, bar, at_most=True)})" if bar else ""
                yield f"| {count:,} | {name} | {threads} | {megabytes:.0f}{met} | {cost.maps_max} | {cost.files_max} |"


def first_decision(bench, options):
    """Wall time from the start of a process to its first row, the golden batch included; and its CPU seconds, which
    other work on the machine hardly changes."""
    yield "| first decision of a new process | CPU seconds, median | seconds, median | 95 % interval | bar |"
    yield "| --- | --- | --- | --- | --- |"
    ort = pathlib.Path(bench.environment["ORT_DYLIB_PATH"])
    cases = {
        "built-in model, ONNX Runtime": ("construction", "ort", [], FIRST_BAR_S["fp32"]),
        "built-in model, tract": ("construction", "tract", [], FIRST_BAR_S["fp32"]),
        "built-in model in int8, ONNX Runtime": (options.int8, "ort", [], FIRST_BAR_S["int8"]),
        "built-in model, ONNX Runtime, files out of the page cache": (
            "construction", "ort", [bench.s2infer, ort, *pathlib.Path("first").glob("*.tif")], None,
        ),
    }
    for name, (model, engine, cold, bar) in cases.items():
        if not model:
            print(f"{name}: left out, no int8 folder (QUANTIZE_MANIFEST names labelled tiles to make one)", flush=True)
            continue
        command = [bench.s2infer, "first", "--model", model, "--threshold-profile", "winter", "--quiet", "--engine", engine]
        found = []
        for _ in range(options.starts):
            forget(cold)
            found.append(first_row_s([str(part) for part in command], bench.environment))
        seconds, cpu_s = zip(*found)
        yield cost_row(f"{name} | {statistics.median(cpu_s):.3f}", seconds, bar)


def quantizing(bench, options):
    """Wall time and the CPU seconds of two cores' share, ResNet-50, 500 tiles; the graph alone, without the gate."""
    yield f"| quantizing a ResNet-50 with 500 tiles, {QUANTIZE_RUNS} runs | seconds, lowest–highest | bar |"
    yield "| --- | --- | --- |"
    command = [bench.quantize, "resnet50-fp32", "resnet50-inputs.f32", "resnet50-int8.onnx"]
    costs = [bench.run(command) for _ in range(QUANTIZE_RUNS)]
    for name, values in {
        "wall time": [cost.wall_s for cost in costs],
        "CPU seconds over two cores": [cost.cpu_s / 2 for cost in costs],
    }.items():
        low, high = min(values), max(values)
        yield f"| {name} | {interval(low, high, '0f')} | {verdict(low, high, QUANTIZE_BAR_S, at_most=True)} |"
