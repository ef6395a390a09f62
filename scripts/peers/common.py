"""What the Python peers share: the order of the tiles, the preprocessing of the model, the table."""

import argparse
import csv
import json
import pathlib

import numpy as np

BATCH = 32


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=pathlib.Path, help="model folder")
    parser.add_argument("tiles", type=pathlib.Path, help="folder of tiles")
    parser.add_argument("table", type=pathlib.Path, help="the CSV file to write")
    parser.add_argument("--precision", default="f32", help="OpenVINO's inference precision hint")
    return parser.parse_args()


class Preprocessing:
    """Reflectance, clipped and standardised per band."""

    def __init__(self, model):
        properties = json.loads((model / "model.json").read_text())["properties"]
        scaling = properties["mlm:input"][0]["value_scaling"]
        block = properties["s2infer:inference"]
        self.mean = np.array([band["mean"] for band in scaling], np.float32).reshape(1, -1, 1, 1)
        self.deviation = np.array([band["stddev"] for band in scaling], np.float32).reshape(1, -1, 1, 1)
        self.scale = np.float32(block["dn_defaults"]["uint16"]["dn_scale"])
        self.clip = block["clip"]

    def __call__(self, pixels):
        """uint16 [n, bands, height, width] to float32 of the same shape."""
        reflectance = pixels.astype(np.float32) * self.scale
        np.clip(reflectance, *self.clip, out=reflectance)
        return np.ascontiguousarray((reflectance - self.mean) / self.deviation)


def decide(options, read, infer):
    """`read` gives [bands, height, width] of a path, `infer` the logits of a batch."""
    prepare = Preprocessing(options.model)
    paths = sorted(options.tiles.glob("*.tif"))
    with open(options.table, "w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["tile", "score", "decision"])
        for start in range(0, len(paths), BATCH):
            batch = paths[start : start + BATCH]
            logits = infer(prepare(np.stack([read(path) for path in batch])))
            scores = 1 / (1 + np.exp(-logits.ravel()))
            for path, score in zip(batch, scores):
                table.writerow([path, score, "positive" if score >= 0.5 else "negative"])
