"""What the Python peers share: the order of the tiles, the preprocessing of the model, the views, the table."""

import argparse
import csv
import json
import pathlib
import sys

import numpy as np

BATCH_ROWS = 32
"""Of 64×64 pixels; fewer of larger tiles, as s2infer has it. More were no faster."""


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=pathlib.Path, help="model folder")
    parser.add_argument("tiles", type=pathlib.Path, help="folder of tiles")
    parser.add_argument("table", type=pathlib.Path, help="the CSV file to write")
    parser.add_argument("--precision", default="f32", help="OpenVINO's inference precision hint, or default")
    parser.add_argument("--tta", choices=["none", "d4"], default="none", help="views whose logits are averaged")
    parser.add_argument("--without-imagecodecs", action="store_true", help="tifffile decodes with what Python has")
    return parser.parse_args()


def tiff_reader(options):
    """[bands, height, width] of a path, by tifffile."""
    if options.without_imagecodecs:
        # An import of a name that is None fails as if the package were not installed.
        sys.modules["imagecodecs"] = None
    import tifffile

    return lambda path: tifffile.imread(path).transpose(2, 0, 1)


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
        self.classes = [entry["name"] for entry in properties["mlm:output"][0]["classification:classes"]]
        self.is_map = block["head"] == "segmentation"
        self.side_px = properties["mlm:input"][0]["input"]["shape"][-1]

    def __call__(self, pixels):
        """uint16 [n, bands, height, width] to float32 of the same shape."""
        reflectance = pixels.astype(np.float32) * self.scale
        np.clip(reflectance, *self.clip, out=reflectance)
        return np.ascontiguousarray((reflectance - self.mean) / self.deviation)


def eight_views(batch):
    """[n, …] to [8 n, …]: the symmetries of the square, all of the first view first."""
    flipped = [batch, batch[:, :, :, ::-1]]
    return np.concatenate([np.rot90(view, turns, (2, 3)) for view in flipped for turns in range(4)])


def decide(options, read, infer):
    """`read` gives [bands, height, width] of a path, `infer` the logits of a batch."""
    prepare = Preprocessing(options.model)
    views = 8 if options.tta == "d4" else 1
    batch_tiles = max(1, BATCH_ROWS * 64**2 // prepare.side_px**2 // views)
    rows = map_rows if prepare.is_map else score_rows
    paths = sorted(options.tiles.glob("*.tif"))
    with open(options.table, "w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["tile", *prepare.classes] if prepare.is_map else ["tile", "score", "decision"])
        for start in range(0, len(paths), batch_tiles):
            batch = paths[start : start + batch_tiles]
            inputs = prepare(np.stack([read(path) for path in batch]))
            logits = infer(eight_views(inputs) if views == 8 else inputs)
            logits = logits.reshape(views, len(batch), *logits.shape[1:]).mean(axis=0)
            table.writerows([path, *row] for path, row in zip(batch, rows(logits)))


def score_rows(logits):
    for score in 1 / (1 + np.exp(-logits.ravel())):
        yield score, "positive" if score >= 0.5 else "negative"


def map_rows(logits):
    """The mean soft-max of each class, as `s2infer --distributions` has it."""
    logits -= logits.max(axis=1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=1, keepdims=True)
    yield from logits.mean(axis=(2, 3), dtype=np.float64)
