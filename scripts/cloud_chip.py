#!/usr/bin/env python3
"""Writes a chip with a reference mask as s2infer takes them: a folder with a TIFF a band, a mask, a manifest.

    scripts/cloud_chip.py sentinel2.npz OUT

The archive holds one chip of B02, B03, B04, B08, B11, B12 in top-of-atmosphere reflectance, [height, width, band], and a
mask with 0 shadow, 1 snow, 3 clear, 4 cloud. OUT gets chip/B02.tif … (uint16, reflectance × 10,000), mask.tif (0 clear, 1 cloud;
all else counts as clear) and manifest.csv; and halves.csv with mask-left.tif and mask-right.tif, in which the other half is
unknown: the left one is what the simulation was made better by, the right one measures. Prints how far the best threshold of a single band comes on this very chip, chosen
with its mask before the eyes: what a model must exceed.
"""

import pathlib
import sys
import warnings

import numpy as np
import rasterio

BANDS = ["B02", "B03", "B04", "B08"]
CLOUD = 4
KNOWN = {0, 1, 3, 4}
NO_CLASS = 255
HEAD = "path,mask,split,site,region\n"


def arrays(path):
    """The reflectance [height, width, 6] and the mask [height, width] of the archive, whatever they are called there."""
    held = [array for array in np.load(path).values()]
    image = next(array for array in held if array.squeeze().ndim == 3).squeeze()
    mask = next(array for array in held if array.squeeze().ndim == 2).squeeze()
    return (image if image.shape[-1] == 6 else np.moveaxis(image, 0, -1)), mask


def write(path, array):
    warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
    height, width = array.shape
    profile = {"driver": "GTiff", "height": height, "width": width, "count": 1, "dtype": array.dtype.name}
    with rasterio.open(path, "w", compress="deflate", **profile) as file:
        file.write(array, 1)


def best_threshold(band, is_cloud):
    """The highest intersection over union of `band >= threshold`, over all thresholds."""
    order = np.argsort(-band, axis=None)
    hits = np.cumsum(is_cloud.ravel()[order])
    ious = hits / (np.arange(1, hits.size + 1) + is_cloud.sum() - hits)
    return ious.max(), band.ravel()[order[ious.argmax()]]


def main(archive, out):
    image, mask = arrays(archive)
    unknown = set(np.unique(mask)) - KNOWN
    if unknown:
        sys.exit(f"{archive}: classes {sorted(unknown)}, expected {sorted(KNOWN)}")
    out = pathlib.Path(out)
    (out / "chip").mkdir(parents=True, exist_ok=True)
    is_cloud = mask == CLOUD
    for index, name in enumerate(BANDS):
        band = image[..., index].astype(np.float64)
        iou, threshold = best_threshold(band, is_cloud)
        print(f"{name} >= {threshold:.4f}: IoU of cloud {iou:.4f}")
        write(out / "chip" / f"{name}.tif", np.clip(np.rint(band * 10_000), 1, 65_535).astype(np.uint16))
    write(out / "mask.tif", is_cloud.astype(np.uint8))
    (out / "manifest.csv").write_text(HEAD + "chip,mask.tif,measurement,chip,chip\n")
    middle = mask.shape[1] // 2
    rows = []
    for name, unknown in (("left", np.s_[:, middle:]), ("right", np.s_[:, :middle])):
        half = is_cloud.astype(np.uint8)
        half[unknown] = NO_CLASS
        write(out / f"mask-{name}.tif", half)
        rows.append(f"chip,mask-{name}.tif,measurement,{name},{name}\n")
    (out / "halves.csv").write_text(HEAD + "".join(rows))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
