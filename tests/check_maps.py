"""Checks maps with GDAL (rasterio) and rio-cogeo; every warning is an error.

usage: check_maps.py KIND FILE…     KIND: class, confidence or score

The overviews are made once more with numpy from the level below, by the rule that src/output/cog/layer.rs states.
Prints for each file its size, block and overviews.
"""

import logging
import sys
import warnings

import numpy as np
import rasterio
from rasterio.errors import NotGeoreferencedWarning
from rio_cogeo import cog_validate

warnings.simplefilter("error")
# The map of a tile that says nothing of its place says nothing either.
warnings.simplefilter("ignore", NotGeoreferencedWarning)


class Listener(logging.Handler):
    """Keeps what GDAL says: an exception raised in its own call-back would be lost."""

    said = []

    def emit(self, record):
        self.said.append(record.getMessage())


logging.getLogger("rasterio").addHandler(Listener(level=logging.WARNING))


def blocks(pixels, nodata):
    """The 2×2 blocks of an image as [4, height, width], row by row; `nodata` beyond its edge."""
    height, width = pixels.shape
    padded = np.full((height + height % 2, width + width % 2), nodata, pixels.dtype)
    padded[:height, :width] = pixels
    return np.stack([padded[y::2, x::2] for y in (0, 1) for x in (0, 1)])


def mode(pixels):
    values = blocks(pixels, 255)
    counts = np.stack([(values == value).sum(0) * (value != 255) for value in values])
    return np.take_along_axis(values, counts.argmax(0)[None], 0)[0]


def mean_percent(pixels):
    values = blocks(pixels, 255).astype(int)
    n = (values != 255).sum(0)
    total = np.where(values == 255, 0, values).sum(0)
    return np.where(n == 0, 255, (total + n // 2) // np.maximum(n, 1)).astype("uint8")


def mean_score(pixels):
    values = blocks(pixels, np.nan)
    n = (~np.isnan(values)).sum(0)
    total = np.zeros(n.shape, "float32")
    for value in values:
        total += np.nan_to_num(value)
    return np.where(n == 0, np.float32("nan"), total / np.maximum(n, 1).astype("float32")).astype("float32")


RULES = {"class": mode, "confidence": mean_percent, "score": mean_score}


def check(kind, path):
    valid, errors, remarks = cog_validate(path, strict=True, quiet=True)
    assert valid and not errors and not remarks, (path, errors, remarks)
    with rasterio.open(path) as image:
        structure = image.tags(ns="IMAGE_STRUCTURE")
        assert structure.get("LAYOUT") == "COG" and image.count == 1, structure
        height, width = image.shape
        wanted = 0
        while max(height, width) > 512 << wanted:
            wanted += 1
        assert image.overviews(1) == [2 << level for level in range(wanted)], (path, image.overviews(1))
        if kind == "score":
            assert image.dtypes == ("float32",) and np.isnan(image.nodata)
        else:
            assert image.dtypes == ("uint8",) and image.nodata == 255
        finer = image.read(1)
        print(width, height, *image.block_shapes[0], image.overviews(1), image.compression.name, image.tags(1))
        if kind == "class":
            assert image.colorinterp[0].name == "palette" and image.colormap(1)[255][3] == 0
    for level in range(wanted):
        with rasterio.open(path, overview_level=level) as overview:
            coarser = overview.read(1)
        np.testing.assert_array_equal(coarser, RULES[kind](finer), err_msg=f"{path} {level}")
        finer = coarser


for name in sys.argv[2:]:
    check(sys.argv[1], name)
assert not Listener.said, Listener.said
