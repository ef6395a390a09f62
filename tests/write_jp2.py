"""Writes JPEG 2000 with GDAL (rasterio) and Pillow, and says what GDAL finds in it.

Usage: write_jp2.py matrix FOLDER    writes files and FOLDER/manifest.jsonl
       write_jp2.py read FILE...     one line for each file, to stdout
Each line: {"file", "dtype", "bands", "width", "height", "epsg", "transform",
"windows": [[x, y, width, height, SHA-256 of all bands, row by row, little-endian], ...]}, or {"file", "refuse": true}
for a file that must be an error. Where the image is coded with the irreversible 9/7 transform, whose last bit the
standard leaves to the decoder (two builds of OpenJPEG differ in it), the samples stand in place of the hash, in hex.
"""

import hashlib
import json
import os
import struct
import sys
import warnings

import numpy as np
import rasterio
from PIL import Image
from rasterio.transform import Affine
from rasterio.windows import Window

warnings.filterwarnings("ignore")
# Samples of an image that is compared whole; of larger ones, windows are.
WHOLE_MAX = 12_000_000
LOSSLESS = {"QUALITY": "100", "REVERSIBLE": "YES"}


def digest(array):
    return hashlib.sha256(np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).tobytes()).hexdigest()


def is_irreversible(path):
    with open(path, "rb") as file:
        start = file.read(1 << 16)
    # The transform is the last of COD's fixed fields.
    return start[start.index(b"\xff\x52") + 13] == 0


def windows_of(file):
    """Odd ones across the borders of tiles, and the whole of a small image."""
    tile = file.block_shapes[0][0] if file.block_shapes[0][0] < file.height else file.height // 2 + 1
    rng = np.random.default_rng(file.width)
    places = [(tile - 7, tile - 5, 19, 13), (0, 0, 1, 1), (file.width - 3, file.height - 2, 3, 2)]
    for _ in range(3):
        x, y = rng.integers(0, file.width), rng.integers(0, file.height)
        places.append((int(x), int(y), int(rng.integers(1, 400)), int(rng.integers(1, 300))))
    if file.width * file.height * file.count <= WHOLE_MAX:
        places.append((0, 0, file.width, file.height))
    for x, y, width, height in places:
        x, y = max(x, 0), max(y, 0)
        if x < file.width and y < file.height:
            yield x, y, min(width, file.width - x), min(height, file.height - y)


def facts(path, name, wanted=None):
    told = (lambda array: array.tobytes().hex()) if is_irreversible(path) else digest
    with rasterio.open(path) as file:
        if wanted is not None:
            assert np.array_equal(file.read(), wanted), f"GDAL disagrees on {name}"
        return {
            "file": name,
            "dtype": file.dtypes[0],
            "bands": file.count,
            "width": file.width,
            "height": file.height,
            "epsg": file.crs.to_epsg() if file.crs else None,
            "transform": None if file.transform == Affine.identity() else list(file.transform.to_gdal()),
            "windows": [[*at, told(file.read(window=Window(*at)))] for at in windows_of(file)],
        }


def pixels(dtype, bands, height, width, bits=None):
    """Smooth and noisy parts, up to the ends of the type's range."""
    rng = np.random.default_rng(bands * height + width)
    info = np.iinfo(dtype)
    low, high = (info.min, info.max) if bits is None else (0, 2**bits - 1)
    ramp = np.add.outer(np.arange(bands) * 31, np.add.outer(np.arange(height) * 5, np.arange(width) * 3)) * 11
    noise = rng.integers(0, (high - low) // 7 + 1, (bands, height, width)) * (np.arange(width) > width // 2)
    return ((ramp + noise) % (high - low + 1) + low).astype(dtype)


class Folder:
    def __init__(self, path):
        self.path, self.lines = path, []

    def add(self, name, array, *, epsg=None, transform=None, lossless=True, extension="jp2", **options):
        name = f"{name}.{extension}"
        path = os.path.join(self.path, name)
        bands, height, width = array.shape
        profile = dict(driver="JP2OpenJPEG", count=bands, height=height, width=width, dtype=array.dtype)
        if "BLOCKXSIZE" in options:
            # Without it, rasterio drops the width of the tiles.
            profile.update(tiled=True)
        if epsg:
            profile.update(crs=f"EPSG:{epsg}", transform=transform)
        with rasterio.open(path, "w", **profile, **(LOSSLESS if lossless else {}), **options) as file:
            file.write(array)
        with open(path, "rb") as file:
            start = file.read(1 << 16)
        tile_width = struct.unpack_from(">I", start, start.index(b"\xff\x4f\xff\x51") + 24)[0]
        assert tile_width == min(int(options.get("BLOCKXSIZE", 1024)), width), f"{name}: tiles of {tile_width}"
        self.lines.append(facts(path, name, array if lossless else None))
        return path

    def refuse(self, name):
        self.lines.append({"file": name, "refuse": True})


def shapes(folder):
    for dtype, bands in [("uint8", 1), ("uint8", 3), ("uint16", 1), ("uint16", 4), ("int16", 1), ("int16", 2)]:
        for size in [(1, 1), (37, 53), (200, 333)]:
            array = pixels(dtype, bands, *size)
            name = f"{dtype}-{bands}-{size[0]}x{size[1]}"
            folder.add(f"{name}-whole", array)
            folder.add(f"{name}-tiled", array, BLOCKXSIZE="64", BLOCKYSIZE="64")
            folder.add(f"{name}-lossy", array, lossless=False, BLOCKXSIZE="128", BLOCKYSIZE="64", QUALITY="30")
    for bits in (1, 7, 9, 12, 15):
        dtype = "uint8" if bits <= 8 else "uint16"
        folder.add(f"bits-{bits}", pixels(dtype, 1, 90, 70, bits), NBITS=str(bits), BLOCKXSIZE="32", BLOCKYSIZE="64")
    folder.add("large-untiled", pixels("uint16", 1, 1500, 2300), BLOCKXSIZE="2300", BLOCKYSIZE="1500")
    folder.add("large-tiles", pixels("uint16", 2, 2500, 4300), BLOCKXSIZE="2200", BLOCKYSIZE="1100")
    folder.add("nineteen-bands", pixels("uint8", 19, 130, 150), BLOCKXSIZE="64", BLOCKYSIZE="64")


def structures(folder):
    """Other orders, markers and containers of the same pixels."""
    array = pixels("uint16", 3, 150, 170)
    tiles = {"BLOCKXSIZE": "64", "BLOCKYSIZE": "64"}
    for order in ("LRCP", "RLCP", "RPCL", "PCRL", "CPRL"):
        for parts in ("R", "L", "C"):
            folder.add(f"{order}-{parts}", array, PROGRESSION=order, TILEPARTS=parts, **tiles)
    folder.add("markers", array, SOP="YES", EPH="YES", PLT="YES", TLM="YES", **tiles)
    folder.add("layers", array, lossless=False, QUALITY="10,20,100", REVERSIBLE="YES", **tiles)
    folder.add("bare", array, extension="j2k", CODEC="J2K", **tiles)
    folder.add("bare-named-tif", array, extension="tif", CODEC="J2K", **tiles)
    folder.add("precincts", array, PRECINCTS="{32,32},{16,16}", RESOLUTIONS="3", **tiles)


def places(folder):
    array = pixels("uint16", 1, 40, 60)
    systems = {
        32629: Affine(10, 0, 499980, 0, -10, 5900040),
        32701: Affine(20, 0, 300000, 0, -20, 1200040),
        25832: Affine(0.5, 0, 500000.25, 0, -0.25, 5400000.125),
        3857: Affine(38.2, 0, -1000000, 0, -38.2, 2000000),
        4326: Affine(0.001, 0, 11.25, 0, -0.0005, 48.5),
    }
    for epsg, transform in systems.items():
        for gml, tiff in (("YES", "NO"), ("NO", "YES"), ("YES", "YES")):
            name = f"epsg-{epsg}-gml-{gml}-tiff-{tiff}"
            folder.add(name, array, epsg=epsg, transform=transform, GMLJP2=gml, GeoJP2=tiff)
    turned = Affine(10, 3, 400000, 2, -9, 5000000)
    folder.add("turned", array, epsg=32633, transform=turned, GMLJP2="YES", GeoJP2="NO")
    # A system whose order of axes is not known here: no place, rather than a wrong one.
    folder.add("epsg-3035-gml", array, epsg=3035, transform=systems[32629], GMLJP2="YES", GeoJP2="NO")
    folder.lines[-1].update(epsg=None, transform=None)


def offsets(folder):
    """Images and tiles that begin anywhere on the reference grid: Pillow writes and reads them."""
    array = pixels("uint8", 3, 170, 190)
    for name, offset, tiles in [("image", (64, 128), (0, 128)), ("tiles", (70, 33), (20, 30)), ("both", (5, 7), (5, 7))]:
        path = os.path.join(folder.path, f"offset-{name}.jp2")
        image = Image.fromarray(np.moveaxis(array, 0, 2))
        image.save(path, offset=offset, tile_offset=tiles, tile_size=(100, 90), irreversible=False)
        again = np.moveaxis(np.asarray(Image.open(path)), 2, 0)
        assert np.array_equal(again, array), f"Pillow disagrees on {name}"
        at = [[0, 0, 190, 170], [11, 60, 101, 40]]
        folder.lines.append({
            "file": f"offset-{name}.jp2", "dtype": "uint8", "bands": 3, "width": 190, "height": 170, "epsg": None,
            "transform": None,
            "windows": [[*w, digest(array[:, w[1] : w[1] + w[3], w[0] : w[0] + w[2]])] for w in at],
        })


def refusals(folder):
    """What SIZ may say and is not read here: its bytes changed."""
    folder.add("plain", pixels("uint8", 3, 40, 40))
    with open(os.path.join(folder.path, folder.lines[-1]["file"]), "rb") as file:
        plain = file.read()
    depths = plain.index(b"\xff\x51") + 40
    for name, at, byte in [("24-bits", 0, 23), ("signed-8-bits", 0, 0x87), ("unequal-depths", 3, 10), ("halves", 7, 2)]:
        changed = bytearray(plain)
        # The same for all bands, unless it is their being unequal that is wrong.
        for band in range(3 if at == 0 else 1):
            changed[depths + at + 3 * band] = byte
        with open(os.path.join(folder.path, f"refuse-{name}.jp2"), "wb") as file:
            file.write(changed)
        folder.refuse(f"refuse-{name}.jp2")


def matrix(path):
    folder = Folder(path)
    for part in (shapes, structures, places, offsets, refusals):
        part(folder)
    with open(os.path.join(path, "manifest.jsonl"), "w") as out:
        out.writelines(json.dumps(line) + "\n" for line in folder.lines)


if __name__ == "__main__":
    command, *rest = sys.argv[1:]
    # What is known of a file must come out of it, not from a file beside it.
    os.environ["GDAL_PAM_ENABLED"] = "NO"
    if command == "matrix":
        matrix(*rest)
    else:
        for file in rest:
            print(json.dumps(facts(file, file)))
