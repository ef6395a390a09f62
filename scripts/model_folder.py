#!/usr/bin/env python3
"""Makes a model folder for s2infer out of an ONNX file and a description.

    python3 scripts/model_folder.py model.onnx description.json FOLDER

The description is a JSON object. Required: name, bands (each with name, mean and stddev of reflectance), classes, head
(binary, multiclass or segmentation). Everything in DEFAULTS below may be given as well; training_statistics and
total_parameters, too. models/s2infer-inference.schema.json says what each key means.

The golden batch is drawn from a seeded normal distribution, which is what standardised bands look like, and its output
is what the Python package onnxruntime computes, or openvino with --engine openvino: say so where a model in bf16 or int8
will run there, as engines round differently. Give a batch of real, preprocessed tiles with --golden FILE.npy
(float32, [n, bands, height, width]) where the model is in use.

What s2infer could not run is refused in one line, and nothing is written.
"""

import argparse
import datetime
import hashlib
import json
import math
import pathlib
import shutil

import numpy as np

MLM = "https://stac-extensions.github.io/mlm/v1.5.1/schema.json"
FILE = "https://stac-extensions.github.io/file/v2.1.0/schema.json"
CLASSIFICATION = "https://stac-extensions.github.io/classification/v2.0.0/schema.json"
GOLDEN_WINDOWS = 4
DEFAULTS = {
    "precision": "fp32",
    "tta": "none",
    "temperature": 1.0,
    "clip": None,
    "minimum_valid_share": 0.5,
    "overlap_px": 0,
    "padding": "refuse",
    "dn_defaults": {"uint16": {"dn_scale": 1e-4, "dn_offset": 0.0, "nodata": 0.0}},
    "preprocessing_version": "1",
    "golden_tolerance": 1e-4,
}
REQUIRED = ("name", "bands", "classes", "head")
HEADS = ("binary", "multiclass", "segmentation")
OPTIONAL = ("training_statistics", "weights_storage", "resolution_m", "pixel_threshold")
ROLES = {
    "model.onnx": ("model", ["mlm:model", "mlm:weights"], "application/onnx"),
    "golden.safetensors": ("golden", ["s2infer:golden"], "application/octet-stream"),
    "card.md": ("card", ["metadata"], "text/markdown"),
    "profile.json": ("profile", ["s2infer:profile"], "application/json"),
    "reference.json": ("reference", ["s2infer:reference"], "application/json"),
}


def safetensors(tensors):
    """A safetensors file of float32 arrays: the header's length, the header, the values."""
    header, offset = {}, 0
    for name, array in tensors.items():
        end = offset + array.size * 4
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    values = b"".join(np.ascontiguousarray(array, "<f4").tobytes() for array in tensors.values())
    return len(text).to_bytes(8, "little") + text + values


class OnnxRuntime:
    def __init__(self, onnx, precision):
        import onnxruntime

        if precision == "bf16":
            raise SystemExit("onnxruntime has no bf16 on a processor; give --engine openvino")
        options = onnxruntime.SessionOptions()
        # Its own log would stand between a refusal and its reader.
        options.log_severity_level = 4
        self.session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
        self.nodes = self.session.get_inputs(), self.session.get_outputs()
        self.node = self.nodes[0][0] if self.nodes[0] else None

    def ends(self):
        """How many inputs and outputs."""
        return tuple(map(len, self.nodes))

    def shape(self):
        """The sides of the input, None where they are free."""
        return [side if isinstance(side, int) else None for side in self.node.shape]

    def run(self, batch):
        return self.session.run(None, {self.node.name: batch})[0]


class OpenVino:
    def __init__(self, onnx, precision):
        import openvino

        self.core = openvino.Core()
        self.graph = self.core.read_model(onnx)
        # As s2infer: its own choice would be bf16 wherever the processor has it. Layers in int8 stay so.
        self.settings = {"INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32"}

    def ends(self):
        return len(self.graph.inputs), len(self.graph.outputs)

    def shape(self):
        sides = list(self.graph.input(0).partial_shape)
        return [None if side.is_dynamic else side.get_length() for side in sides]

    def run(self, batch):
        # As s2infer, too: kernels for a free batch can round at other places than those for a fixed one.
        self.graph.reshape(list(batch.shape))
        return np.array(self.core.compile_model(self.graph, "CPU", self.settings)([batch])[0])


ENGINES = {"onnxruntime": OnnxRuntime, "openvino": OpenVino}


def refuse(why):
    raise SystemExit(f"refused: {' '.join(str(why).split())}")


def loaded(path, load):
    try:
        return load(path)
    except (OSError, ValueError) as error:
        refuse(f"{path}: {error}")


def check_description(about, path="the description"):
    """Refuses a description that no model folder comes of."""
    missing = [key for key in REQUIRED if not isinstance(about, dict) or key not in about]
    if missing:
        refuse(f"{path}: no {', '.join(missing)}; it needs {', '.join(REQUIRED)}")
    if about["head"] not in HEADS:
        refuse(f"{path}: head is {about['head']!r}: give {', '.join(HEADS)}")
    if not about["bands"] or not about["classes"]:
        refuse(f"{path}: bands and classes must not be empty")
    for band in about["bands"]:
        numbers = [band.get(key) if isinstance(band, dict) else None for key in ("mean", "stddev")]
        if not all(isinstance(number, (int, float)) and math.isfinite(number) for number in numbers):
            refuse(f"{path}: band {band!r}: give name, mean and stddev, the last two as finite numbers")
        if numbers[1] <= 0:
            refuse(f"{path}: band {band.get('name')}: stddev is {numbers[1]}; it must be above 0")


def check_input(onnx, network, about):
    """The input's shape without the batch."""
    if network.ends() != (1, 1):
        inputs, outputs = network.ends()
        refuse(f"{onnx}: {inputs} inputs and {outputs} outputs; s2infer runs graphs of one each")
    shape, bands = network.shape(), len(about["bands"])
    if len(shape) != 4 or None in shape[1:] or shape[1] != bands or shape[2] != shape[3]:
        refuse(f"{onnx}: its input is {shape}; it must be [batch, {bands}, side, side] with the sides fixed")
    if shape[0] is not None:
        refuse(f"{onnx}: its batch is fixed at {shape[0]}; export it with a free batch")
    return shape[1:]


def check_output(onnx, output, windows, about, side):
    """Refuses what the head could not read."""
    rows = {"binary": [1], "multiclass": [len(about["classes"])], "segmentation": [len(about["classes"]), side, side]}
    expected = [windows, *rows[about["head"]]]
    if list(output.shape) != expected:
        refuse(f"{onnx}: {about['head']} with {len(about['classes'])} classes needs an output of {expected}, not {list(output.shape)}")
    if output.dtype != np.float32:
        refuse(f"{onnx}: its output is {output.dtype}, not float32")
    if not np.isfinite(output).all():
        refuse(f"{onnx}: its output for the golden batch is not finite")


def golden_batch(onnx, golden, engine, about):
    try:
        network = ENGINES[engine](onnx, about.get("precision", DEFAULTS["precision"]))
    except Exception as error:
        refuse(f"{onnx}: {engine} does not take it: {error}")
    shape = check_input(onnx, network, about)
    if golden is None:
        golden = np.random.default_rng(0).standard_normal([GOLDEN_WINDOWS, *shape]).astype(np.float32)
    if golden.dtype != np.float32 or golden.ndim != 4 or list(golden.shape[1:]) != shape or not np.isfinite(golden).all():
        refuse(f"the golden batch is {golden.dtype} {list(golden.shape)}; give finite float32 [n, {', '.join(map(str, shape))}]")
    try:
        output = network.run(golden)
    except Exception as error:
        refuse(f"{onnx}: {engine} cannot run it: {error}")
    check_output(onnx, output, len(golden), about, shape[-1])
    return golden, output


def assets(folder, bands):
    """Size and SHA-256 of everything in the folder."""
    found = {}
    for name, (key, roles, media_type) in ROLES.items():
        path = folder / name
        if path.exists():
            found[key] = asset(path, name, roles, media_type)
    found["model"] |= {"mlm:artifact_type": "onnx", "bands": [{"name": band["name"]} for band in bands]}
    for path in sorted((folder / "examples").glob("*")):
        found[f"example-{path.name}"] = asset(path, f"examples/{path.name}", ["s2infer:example"], "image/tiff; application=geotiff")
    return found


def asset(path, href, roles, media_type):
    content = path.read_bytes()
    return {
        "href": f"./{href}",
        "type": media_type,
        "roles": roles,
        "file:size": len(content),
        "file:checksum": "1220" + hashlib.sha256(content).hexdigest(),
    }


def manifest(about, side, found):
    """The STAC item."""
    bands, classes, head = about["bands"], about["classes"], about["head"]
    task = "semantic-segmentation" if head == "segmentation" else "scene-classification"
    rows = {"binary": [1], "multiclass": [len(classes)], "segmentation": [len(classes), side, side]}[head]
    created = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    inference = {key: about.get(key, default) for key, default in DEFAULTS.items()}
    inference |= {key: about[key] for key in OPTIONAL if key in about}
    properties = {
        "description": about.get("description", about["name"]),
        "created": created,
        "datetime": created,
        "mlm:name": about["name"],
        "mlm:architecture": about.get("architecture", "unknown"),
        "mlm:tasks": [task],
        "mlm:framework": "ONNX",
        "mlm:pretrained": False,
        "mlm:accelerator_constrained": False,
        "mlm:input": [
            {
                "name": "reflectance",
                "bands": [band["name"] for band in bands],
                "input": {
                    "shape": [-1, len(bands), side, side],
                    "dim_order": ["batch", "bands", "height", "width"],
                    "data_type": "float32",
                },
                "value_scaling": [{"type": "z-score", "mean": b["mean"], "stddev": b["stddev"]} for b in bands],
                "resize_type": None,
            }
        ],
        "mlm:output": [
            {
                "name": "logits",
                "tasks": [task],
                "result": {
                    "shape": [-1, *rows],
                    "dim_order": ["batch", "class", "height", "width"][: 1 + len(rows)],
                    "data_type": "float32",
                },
                "classification:classes": [
                    {"value": value, "name": name, "description": name} for value, name in enumerate(classes)
                ],
            }
        ],
        "s2infer:inference": {"schema": "1.0", "head": head, **inference},
    }
    if "total_parameters" in about:
        properties["mlm:total_parameters"] = about["total_parameters"]
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": [MLM, FILE, CLASSIFICATION],
        "id": about["name"],
        "geometry": None,
        "properties": properties,
        "links": [],
        "assets": found,
    }


def write_folder(onnx, about, folder, golden=None, engine="onnxruntime"):
    check_description(about)
    inputs, outputs = golden_batch(onnx, golden, engine, about)
    folder.mkdir(parents=True, exist_ok=True)
    if onnx.resolve() != (folder / "model.onnx").resolve():
        shutil.copyfile(onnx, folder / "model.onnx")
    (folder / "golden.safetensors").write_bytes(safetensors({"input": inputs, "output": outputs}))
    card = folder / "card.md"
    if not card.exists():
        card.write_text(f"# {about['name']}\n\n{about.get('description', 'Nothing is written here yet.')}\n")
    item = manifest(about, inputs.shape[-1], assets(folder, about["bands"]))
    (folder / "model.json").write_text(json.dumps(item, indent=2) + "\n")


def main():
    parser = argparse.ArgumentParser(description="Makes a model folder out of an ONNX file and a description.")
    parser.add_argument("onnx", type=pathlib.Path)
    parser.add_argument("description", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--golden", type=pathlib.Path, metavar="NPY", help="a preprocessed batch")
    parser.add_argument("--engine", choices=ENGINES, default="onnxruntime", help="computes the golden batch")
    arguments = parser.parse_args()
    about = loaded(arguments.description, lambda path: json.loads(path.read_text()))
    golden = loaded(arguments.golden, np.load) if arguments.golden else None
    write_folder(arguments.onnx, about, arguments.folder, golden, arguments.engine)
    print(f"{arguments.folder}: a model folder; look at it with: s2infer inspect {arguments.folder}")


if __name__ == "__main__":
    main()
