"""What rasterio (GDAL) finds in Sentinel-2 products, for comparing with s2infer.

Usage: check_products.py reflectance OUT.f32 OFFSET FILE...   (DN + OFFSET) / 10,000 of each file, row by row, float32;
                                                              NaN where any file has DN 0 or 65535
       check_products.py clouds SCL WINDOW_PX RATIO           per window of WINDOW_PX pixels that are RATIO of SCL's,
                                                              row by row: the percentage of classes 8, 9, 10 among all
                                                              but 0, or "none"
       check_products.py folder FOLDER                        writes a folder of bands at 10, 20 and 60 m, and beside it
                                                              expected.f32: B04, B11 and B09 on the 10 m grid
"""

import sys

import numpy as np
import rasterio
from rasterio.enums import Resampling
from rasterio.transform import from_origin


def reflectance(out, offset, files):
    samples = np.stack([rasterio.open(file).read(1) for file in files])
    values = (samples.astype("float64") + float(offset)) / 10_000
    values[:, ((samples == 0) | (samples == 65535)).any(axis=0)] = np.nan
    values.astype("<f4").tofile(out)


def clouds(scl, window_px, ratio):
    with rasterio.open(scl) as file:
        classes = file.read(1)
    side = int(window_px) * int(ratio)
    starts = [list(range(0, length - side + 1, side)) for length in classes.shape]
    for axis, length in enumerate(classes.shape):
        if starts[axis][-1] + side < length:
            starts[axis].append(length - side)
    for top in starts[0]:
        for left in starts[1]:
            window = classes[top : top + side, left : left + side]
            valid = window[window != 0]
            print("none" if valid.size == 0 else 100 * np.isin(valid, (8, 9, 10)).mean())


def folder(path):
    rng = np.random.default_rng(7)
    layers = []
    for name, metres, side in [("B04", 10, 240), ("B11", 20, 120), ("B09", 60, 40)]:
        samples = rng.integers(1, 5000, (side, side)).astype("uint16")
        samples[: side // 4, : side // 5] = 0
        profile = dict(driver="GTiff", width=side, height=side, count=1, dtype="uint16", crs="EPSG:32633")
        transform = from_origin(600_000, 5_100_000, metres, metres)
        with rasterio.open(f"{path}/{name}.tif", "w", transform=transform, **profile) as file:
            file.write(samples, 1)
        with rasterio.open(f"{path}/{name}.tif") as file:
            method = Resampling.bilinear if metres > 10 else Resampling.nearest
            # As float64: GDAL rounds what it resamples to the type of the file.
            fine = file.read(1, out_shape=(240, 240), resampling=method, out_dtype="float64")
            # Where any of the samples that count has no data, nothing is mixed.
            blank = (samples == 0).astype("float64")
        with rasterio.MemoryFile() as memory:
            with memory.open(transform=transform, **{**profile, "dtype": "float64"}) as file:
                file.write(np.stack([blank]))
            with memory.open() as file:
                gap = file.read(1, out_shape=(240, 240), resampling=method) > 1e-12
        with rasterio.MemoryFile() as memory:
            with memory.open(transform=transform, **{**profile, "dtype": "float64"}) as file:
                file.write(np.stack([samples.astype("float64")]))
            with memory.open() as file:
                fine = file.read(1, out_shape=(240, 240), resampling=method)
        layers.append(np.where(gap, np.nan, fine / 10_000))
    values = np.stack(layers)
    values[:, np.isnan(values).any(axis=0)] = np.nan
    values.astype("<f4").tofile(f"{path}/expected.f32")


if __name__ == "__main__":
    command, arguments = sys.argv[1], sys.argv[2:]
    if command == "reflectance":
        reflectance(arguments[0], arguments[1], arguments[2:])
    else:
        {"clouds": clouds, "folder": folder}[command](*arguments)
