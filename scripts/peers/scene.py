#!/usr/bin/env python3
"""A scene in plain Python, as a careful user writes it today: rasterio reads a band of rows at a time, onnxruntime takes 64
windows at a time on all cores, and the positives become GeoJSON.

    scene.py models/construction scene.tif sites.geojson --threshold 0.5
    scene.py models/construction S2B_MSIL2A_….SAFE sites.geojson --threshold 0.5 --dn-offset -1000 --tta none
"""

import argparse
import json
import os
import pathlib

import numpy as np
import onnxruntime
import rasterio
from rasterio.warp import transform
from rasterio.windows import Window

from common import Preprocessing, eight_views

BATCH_WINDOWS = 64
ROWS_PX = 1024
"""The side of ESA's JPEG 2000 tiles, so that each is decoded once, and two blocks of a COG."""


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path, help="model folder")
    parser.add_argument("scene", type=pathlib.Path, help="a GeoTIFF with named bands, or a .SAFE folder")
    parser.add_argument("sites", type=pathlib.Path, help="the GeoJSON file to write")
    parser.add_argument("--threshold", type=float, default=0.5)
    parser.add_argument("--dn-offset", type=int, default=0, help="added to each DN but 0: -1000 from baseline 04.00 on")
    parser.add_argument("--tta", choices=["none", "d4"], help="views whose logits are averaged [the model's]")
    parser.add_argument("--scores", type=pathlib.Path, help="also write every window's score to this CSV file")
    return parser.parse_args()


class Scene:
    """The model's bands of a GeoTIFF, or of the JPEG 2000 files of a product."""

    def __init__(self, path, bands):
        if path.is_dir():
            files = [next(path.glob(f"GRANULE/*/IMG_DATA/R10m/*_{band}_10m.jp2")) for band in bands]
            self.sources = [(rasterio.open(file), [1]) for file in files]
        else:
            raster = rasterio.open(path)
            self.sources = [(raster, [1 + raster.descriptions.index(band) for band in bands])]
        self.raster = self.sources[0][0]

    def read(self, top, height):
        """uint16 [band, row, column]."""
        window = Window(0, top, self.raster.width, height)
        return np.concatenate([raster.read(indexes, window=window) for raster, indexes in self.sources])

    def corners(self, row, column, side_px):
        """A closed ring in longitude and latitude."""
        columns, rows = [column, column, column + side_px, column + side_px], [row, row + side_px, row + side_px, row]
        xs, ys = zip(*(self.raster.transform * corner for corner in zip(columns, rows)))
        ring = list(zip(*transform(self.raster.crs, "EPSG:4326", xs, ys)))
        return [*ring, ring[0]]


def starts(length_px, side_px):
    """Windows side by side, the last flush with the edge."""
    return [*range(0, length_px - side_px, side_px), length_px - side_px]


def windows(scene, side_px, least_valid):
    """Row, column and DN [band, row, column] of the windows with enough valid pixels."""
    row_starts = starts(scene.raster.height, side_px)
    columns = starts(scene.raster.width, side_px)
    for top in range(0, scene.raster.height, ROWS_PX):
        rows = [row for row in row_starts if top <= row < top + ROWS_PX]
        pixels = scene.read(top, max(rows) + side_px - top)
        for row in rows:
            for column in columns:
                window = pixels[:, row - top : row - top + side_px, column : column + side_px]
                if (window > 0).all(axis=0).mean() >= least_valid:
                    yield row, column, window


def batches(items):
    batch = []
    for item in items:
        batch.append(item)
        if len(batch) == BATCH_WINDOWS:
            yield batch
            batch = []
    if batch:
        yield batch


def main():
    options = arguments()
    properties = json.loads((options.model / "model.json").read_text())["properties"]
    block = properties["s2infer:inference"]
    prepare = Preprocessing(options.model)
    views = 8 if (options.tta or block["tta"]) == "d4" else 1
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = len(os.sched_getaffinity(0))
    session = onnxruntime.InferenceSession(options.model / "model.onnx", settings, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    scene = Scene(options.scene, properties["mlm:input"][0]["bands"])
    features, scores = [], []
    for batch in batches(windows(scene, prepare.side_px, block["minimum_valid_share"])):
        dn = np.stack([pixels for _, _, pixels in batch])
        inputs = prepare(dn.astype(np.int32) + options.dn_offset)
        # The model was trained with a reflectance of 0 where there is no data.
        inputs = np.where((dn > 0).all(axis=1, keepdims=True), inputs, 0) if (dn == 0).any() else inputs
        logits = session.run(None, {name: eight_views(inputs) if views == 8 else inputs})[0]
        logits = logits.reshape(views, len(batch)).mean(axis=0) / block.get("temperature", 1)
        for (row, column, _), score in zip(batch, 1 / (1 + np.exp(-logits))):
            scores.append((row, column, score))
            if score >= options.threshold:
                ring = scene.corners(row, column, prepare.side_px)
                features.append({"type": "Feature", "properties": {"score": float(score)},
                                 "geometry": {"type": "Polygon", "coordinates": [ring]}})
    options.sites.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    if options.scores:
        options.scores.write_text("y,x,score\n" + "".join(f"{row},{column},{score}\n" for row, column, score in scores))


if __name__ == "__main__":
    main()
