#!/usr/bin/env python3
"""Small example tiles of a folder that `s2infer simulate --task landcover` wrote.

    landcover_examples.py FOLDER OUT

Of three of the regions that only measure, the tile with the most classes goes to OUT/test/images, its mask to
OUT/test/masks. DN are rounded to 40 (a reflectance of 0.004, three times the noise), so that the three take half a megabyte. Needs
numpy and tifffile (with imagecodecs).
"""

import csv
import pathlib
import sys

import numpy as np
import tifffile

TILES = 3
STEP_DN = 40


def main(folder, out):
    with open(folder / "manifest.csv") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "measurement"]

    def classes(row):
        """How evenly the classes share the tile: their entropy."""
        shares = np.bincount(tifffile.imread(folder / row["mask"]).ravel(), minlength=10) / 65536
        return -sum(share * np.log(share) for share in shares if share > 0)

    regions = sorted({row["region"] for row in rows})[:TILES]
    for region in regions:
        row = max((row for row in rows if row["region"] == region), key=classes)
        for kind, name in (("images", row["path"]), ("masks", row["mask"])):
            pixels = tifffile.imread(folder / name)
            if kind == "images":
                pixels = (np.maximum(np.round(pixels / STEP_DN), 1) * STEP_DN).astype(np.uint16)
            target = out / "test" / kind / pathlib.Path(name).name
            target.parent.mkdir(parents=True, exist_ok=True)
            layout = {"photometric": "minisblack", "planarconfig": "contig"} if pixels.ndim == 3 else {}
            level = {"compression": "zlib", "compressionargs": {"level": 9}, "predictor": True}
            tifffile.imwrite(target, pixels, description="Simulated land; no such place exists", metadata=None, **layout, **level)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*map(pathlib.Path, sys.argv[1:]))
