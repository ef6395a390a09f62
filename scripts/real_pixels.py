"""Reads real Sentinel-2 files with s2infer and with independent programs, compares the pixels, and scores them.

usage: real_pixels.py DATA [S2INFER]

DATA is a folder with `cog-and-jp2/`, `bigearthnet-s1-s2/` and `eurosat-rgb-train-val.tar` with its index. For every
file that is a TIFF by its first bytes, the SHA-256 of each band that `s2infer inspect` prints is compared with that of
the bytes GDAL reads (rasterio); for EuroSAT's JPEGs with those of libjpeg-turbo (Pillow). Then B04, B03 and B02 of
each product are stacked, without touching a sample, and scored by the built-in model, as are EuroSAT's patches.
"""

import csv
import hashlib
import io
import json
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import rasterio
from PIL import Image

DATA = Path(sys.argv[1])
PROGRAM = sys.argv[2] if len(sys.argv) > 2 else "target/release/s2infer"
TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
BANDS = ("B04", "B03", "B02")
EUROSAT_PATCHES = 500


def inspect(path):
    text = subprocess.run([PROGRAM, "inspect", path, "--format", "json"], capture_output=True, check=True).stdout
    return json.loads(text)


def sha256(plane):
    return hashlib.sha256(np.ascontiguousarray(plane, plane.dtype.newbyteorder("<")).tobytes()).hexdigest()


def compare(name, files, read):
    """Counts the bands whose bytes agree; any that does not ends the program with an error."""
    bands = 0
    for path in files:
        facts, planes = inspect(path), read(path)
        ours, theirs = [band["sha256"] for band in facts["bands"]], [sha256(plane) for plane in planes]
        if ours != theirs:
            sys.exit(f"{path}: other pixels than {name}'s")
        bands += len(ours)
    print(f"| {name} | {len(files)} | {bands} | all equal |")


def gdal(path):
    with rasterio.open(path) as raster:
        return raster.read()


def tiffs(folder):
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix in (".tif", ".jp2", ".tiff")]
    return [path for path in files if path.read_bytes()[:4] in TIFF_MAGIC]


def stack(folder, target):
    """One product's bands, under the names they have in their files' names."""
    there = [path for path in tiffs(folder) if path.parent == folder]
    files = [next((path for path in there if path.stem.endswith(band)), None) for band in BANDS]
    if None in files:
        return None
    with rasterio.open(files[0]) as first:
        profile = first.profile | {"count": len(BANDS), "driver": "GTiff"}
    name = folder.name if folder.name.startswith("S2") else "-".join(folder.relative_to(DATA).parts[1:])
    path = target / f"{name}.tif"
    with rasterio.open(path, "w", **profile) as raster:
        for index, (band, file) in enumerate(zip(BANDS, files), 1):
            raster.write(gdal(file)[0], index)
            raster.set_band_description(index, band)
    return path


def score(paths, *flags):
    names = "\n".join(map(str, paths)).encode()
    run = subprocess.run([PROGRAM, "--files-from", "-", "--quiet", *flags], input=names, capture_output=True)
    if run.returncode not in (0, 1):
        sys.exit(run.stderr.decode())
    return list(csv.DictReader(io.StringIO(run.stdout.decode())))


def eurosat(target):
    """Patches of `val`, evenly over the index: path and class."""
    with open(DATA / "eurosat-rgb-index.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "val"]
    column = next(key for key in rows[0] if rows[0][key].endswith(".jpg"))
    wanted = {row[column].split("/")[-1] for row in rows[:: max(1, len(rows) // EUROSAT_PATCHES)]}
    with tarfile.open(DATA / "eurosat-rgb-train-val.tar") as archive:
        for member in archive:
            if member.name.split("/")[-1] in wanted:
                member.name = member.name.split("/")[-1]
                archive.extract(member, target, filter="data")
    return sorted(target.glob("*.jpg"))


def main():
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder)
        patches = eurosat(target)
        print("| files | number | bands | against |\n| --- | --- | --- | --- |")
        compare("COGs and band files, GDAL", tiffs(DATA / "cog-and-jp2"), gdal)
        compare("BigEarthNet patches, GDAL", tiffs(DATA / "bigearthnet-s1-s2"), gdal)
        compare("EuroSAT JPEGs, libjpeg-turbo", patches, lambda path: np.asarray(Image.open(path)).transpose(2, 0, 1))

        folders = {path.parent for path in tiffs(DATA / "cog-and-jp2") + tiffs(DATA / "bigearthnet-s1-s2" / "s2-tiny")}
        products = [path for path in (stack(product, target) for product in sorted(folders)) if path]
        print("\n| product | windows | shift | highest score | decisions |\n| --- | --- | --- | --- | --- |")
        for product in products:
            rows = score([product])
            scores = [float(row["score"]) for row in rows if row["score"]]
            decisions = ", ".join(f"{n} {name}" for name, n in sorted(Counter(row["decision"] for row in rows).items()))
            print(f"| {product.stem} | {len(rows)} | {rows[0]['shift']} | {max(scores, default=0):.3f} | {decisions} |")

        counts = {}
        for row in score(patches, "--threshold-profile", "summer-clear"):
            name = Path(row["tile"]).name.split("_")[0]
            counts.setdefault(name, Counter())[row["decision"]] += 1
        print("\n| EuroSAT class (every tenth or so of `val`, as it is) | positive | negative |\n| --- | --- | --- |")
        for name, decisions in sorted(counts.items()):
            print(f"| {name} | {decisions['positive']} | {decisions['negative']} |")


if __name__ == "__main__":
    main()
