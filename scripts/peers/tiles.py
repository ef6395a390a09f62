#!/usr/bin/env python3
"""Makes the tiles of the comparison: GeoTIFFs as an export of Sentinel-2 patches has them.

    python3 scripts/peers/tiles.py FOLDER COUNT [--bands 4] [--side 64] [--uncompressed]

uint16, Deflate with predictor 2, pixel-interleaved, UTM geo keys, nodata 0. Smooth ground with noise of 30 DN compresses
about as real patches do. Tile n is the same in every run, compressed or not.
"""

import argparse
import pathlib

import numpy as np
import tifffile

PIXEL_M = 10.0
EPSG = 32632
GEO_KEYS = (1, 1, 0, 4, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, EPSG, 3076, 0, 1, 9001)


def ground(random, bands, side):
    """A few waves per band around a level that differs from tile to tile."""
    y, x = np.mgrid[0:side, 0:side] / side
    waves = sum(
        random.uniform(50, 250) * np.sin(2 * np.pi * (random.uniform(0, 3) * x + random.uniform(0, 3) * y + random.random()))
        for _ in range(4)
    )
    levels = random.uniform(600, 2200, bands)
    values = levels + waves[:, :, None] * random.uniform(0.5, 1.5, bands)
    return np.clip(values + random.normal(0, 30, values.shape), 1, 10_000).astype(np.uint16)


def write(path, pixels, number, compression):
    extent_m = len(pixels) * PIXEL_M
    easting, northing = 500_000 + number % 64 * extent_m, 5_800_000 - number // 64 * extent_m
    tifffile.imwrite(
        path,
        pixels,
        photometric="minisblack",
        planarconfig="contig",
        **compression,
        metadata=None,
        extratags=[
            (33550, "d", 3, (PIXEL_M, PIXEL_M, 0.0), True),
            (33922, "d", 6, (0.0, 0.0, 0.0, easting, northing, 0.0), True),
            (34735, "H", len(GEO_KEYS), GEO_KEYS, True),
            (42113, "s", 2, "0", True),
        ],
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("count", type=int)
    parser.add_argument("--bands", type=int, default=4)
    parser.add_argument("--side", type=int, default=64, help="in pixels")
    parser.add_argument("--uncompressed", action="store_true")
    options = parser.parse_args()
    compression = {} if options.uncompressed else {"compression": "adobe_deflate", "predictor": 2}
    options.folder.mkdir(parents=True, exist_ok=True)
    for number in range(options.count):
        random = np.random.default_rng([options.bands, number])
        pixels = ground(random, options.bands, options.side)
        write(options.folder / f"tile-{number:05}.tif", pixels, number, compression)


if __name__ == "__main__":
    main()
