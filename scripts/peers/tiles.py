#!/usr/bin/env python3
"""Makes the tiles of the comparison: GeoTIFFs as an export of Sentinel-2 patches has them.

    python3 scripts/peers/tiles.py FOLDER COUNT [BANDS]

64×64 pixels, uint16, Deflate with predictor 2, pixel-interleaved, UTM geo keys, nodata 0. Smooth ground with noise of
30 DN compresses about as real patches do. Tile n is the same in every run.
"""

import pathlib
import sys

import numpy as np
import tifffile

SIDE_PX = 64
PIXEL_M = 10.0
EPSG = 32632
GEO_KEYS = (1, 1, 0, 4, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, EPSG, 3076, 0, 1, 9001)


def ground(random, bands):
    """A few waves per band around a level that differs from tile to tile."""
    y, x = np.mgrid[0:SIDE_PX, 0:SIDE_PX] / SIDE_PX
    waves = sum(
        random.uniform(50, 250) * np.sin(2 * np.pi * (random.uniform(0, 3) * x + random.uniform(0, 3) * y + random.random()))
        for _ in range(4)
    )
    levels = random.uniform(600, 2200, bands)
    values = levels + waves[:, :, None] * random.uniform(0.5, 1.5, bands)
    return np.clip(values + random.normal(0, 30, values.shape), 1, 10_000).astype(np.uint16)


def write(path, pixels, number):
    easting, northing = 500_000 + number % 64 * 640.0, 5_800_000 - number // 64 * 640.0
    tifffile.imwrite(
        path,
        pixels,
        photometric="minisblack",
        planarconfig="contig",
        compression="adobe_deflate",
        predictor=2,
        metadata=None,
        extratags=[
            (33550, "d", 3, (PIXEL_M, PIXEL_M, 0.0), True),
            (33922, "d", 6, (0.0, 0.0, 0.0, easting, northing, 0.0), True),
            (34735, "H", len(GEO_KEYS), GEO_KEYS, True),
            (42113, "s", 2, "0", True),
        ],
    )


def main(folder, count, bands):
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        random = np.random.default_rng([bands, number])
        write(folder / f"tile-{number:05}.tif", ground(random, bands), number)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 4)
