#!/usr/bin/env python3
"""Checks a model in another precision with programs that share nothing with what wrote it.

    check_quantized.py ORIGINAL.onnx FOLDER...

Each FOLDER's model.onnx must pass onnx.checker with shapes inferred, and ONNX's own reference evaluator, which computes
every operator as the standard says, must come to the folder's golden output within the manifest's tolerance. Prints a JSON
list with what was found of each: the kinds of constants, the operators, and how far the outputs lie from the original's.
"""

import collections
import json
import pathlib
import sys

import numpy as np
import onnx
import onnx.version_converter
import onnxruntime
from onnx.reference import ReferenceEvaluator


def tensors(file):
    """The tensors of a safetensors file of 32-bit floats."""
    data = file.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    return {
        name: np.frombuffer(body[slice(*entry["data_offsets"])], "<f4").reshape(entry["shape"])
        for name, entry in header.items()
        if name != "__metadata__"
    }


def check(folder, original):
    model = onnx.load(folder / "model.onnx")
    onnx.checker.check_model(model, full_check=True)
    golden = tensors(folder / "golden.safetensors")
    tolerance = json.loads((folder / "model.json").read_text())["properties"]["s2infer:inference"]["golden_tolerance"]
    # The evaluator has these operators from a later set on.
    later = onnx.version_converter.convert_version(model, 19)
    [output] = ReferenceEvaluator(later).run(None, {model.graph.input[0].name: golden["input"]})
    [runtime] = onnxruntime.InferenceSession(folder / "model.onnx").run(None, {model.graph.input[0].name: golden["input"]})
    [fp32] = original.run(None, {original.get_inputs()[0].name: golden["input"]})
    scale = np.maximum(1, np.abs(golden["output"]))
    far = lambda found: float((np.abs(found - golden["output"]) / scale).max())
    kinds = collections.Counter(onnx.TensorProto.DataType.Name(tensor.data_type) for tensor in model.graph.initializer)
    return {
        "from_reference": far(output),
        "from_onnxruntime": far(runtime),
        "from_fp32": float(np.abs(fp32 - golden["output"]).max()),
        "tolerance": tolerance,
        "output_type": str(output.dtype),
        "constants": kinds,
        "operators": collections.Counter(node.op_type for node in model.graph.node),
    }


original, *folders = map(pathlib.Path, sys.argv[1:])
session = onnxruntime.InferenceSession(original)
json.dump([check(folder, session) for folder in folders], sys.stdout)
