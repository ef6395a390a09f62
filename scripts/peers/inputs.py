#!/usr/bin/env python3
"""Writes preprocessed tiles as raw float32, as examples/quantize_graph.rs reads them.

    python3 scripts/peers/inputs.py MODEL_FOLDER TILES COUNT OUT
"""

import pathlib
import sys

import numpy as np
import tifffile
from common import Preprocessing


def main(model, tiles, count, out):
    paths = sorted(pathlib.Path(tiles).glob("*.tif"))[: int(count)]
    pixels = np.stack([tifffile.imread(path).transpose(2, 0, 1) for path in paths])
    Preprocessing(pathlib.Path(model))(pixels).astype("<f4").tofile(out)


if __name__ == "__main__":
    main(*sys.argv[1:])
