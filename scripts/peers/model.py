#!/usr/bin/env python3
"""Makes a model folder of the comparison: random weights, four bands, and a golden batch of the engine that will run it.

    python3 scripts/peers/model.py FILE.onnx HEAD PRECISION ENGINE FOLDER

HEAD is binary or segmentation, PRECISION and ENGINE are those of scripts/model_folder.py.
"""

import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from model_folder import write_folder  # noqa: E402

MAP_CLASSES = ["water", "soil", "grass", "forest", "construction"]
# Random networks amplify what rounding does: what is checked here is that the engine is that of the golden batch.
TOLERANCE = {"fp32": 1e-4, "bf16": 0.1, "int8": 0.1}


def main(onnx, head, precision, engine, folder):
    about = json.loads((HERE / "model.json").read_text())
    about |= {"head": head, "precision": precision, "golden_tolerance": TOLERANCE[precision]}
    if head == "segmentation":
        about |= {"classes": MAP_CLASSES, "architecture": "U-Net"}
    write_folder(pathlib.Path(onnx), about, pathlib.Path(folder), engine=engine)


if __name__ == "__main__":
    main(*sys.argv[1:])
