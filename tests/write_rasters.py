"""Writes TIFFs with tifffile, GDAL (rasterio) and by hand, and says what is in them as GDAL reads it.

Usage: write_rasters.py matrix|special|geo|patches|seeds FOLDER writes files and FOLDER/manifest.jsonl
       write_rasters.py eurosat FOLDER TAR                  the same for some of the tar file's JPEGs
       write_rasters.py read FILE...                        one manifest line for each file GDAL can read, to stdout
Each line: {"file", "sha256" of the bands in file order, row by row, little-endian, and the header's facts}, or
{"file", "refuse": true} for a file that must be an error.
"""

import hashlib
import itertools
import json
import os
import struct
import sys
import tarfile
import warnings
import zlib

import numpy as np
import rasterio
import rasterio.warp
import tifffile
from PIL import Image
from rasterio.transform import Affine

warnings.filterwarnings("ignore")
DTYPES = ["uint8", "uint16", "int16", "uint32", "int32", "float32", "float64"]
BANDS = [1, 3, 4, 6, 13]
SIZES = [(1, 1), (37, 53), (16, 16), (64, 33), (5, 129)]


def digest(array):
    return hashlib.sha256(np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).tobytes()).hexdigest()


def pixels(dtype, bands, height, width, seed):
    """Smooth and noisy parts, so that every codec has something to do; (bands, height, width)."""
    rng = np.random.default_rng(seed)
    ramp = np.add.outer(np.arange(bands) * 7, np.add.outer(np.arange(height), np.arange(width) * 3))
    values = ramp + rng.integers(0, 5, (bands, height, width)) * rng.integers(0, 900, (bands, 1, 1))
    if dtype.startswith("float"):
        return (values / 3.0 - 50).astype(dtype)
    info = np.iinfo(dtype)
    values = values * (1 if info.bits < 32 else 70_001) - (20_000 if info.min < 0 else 0)
    return (values % (int(info.max) - int(info.min) + 1) + int(info.min)).astype(dtype) if info.bits == 8 else values.astype(dtype)


def facts(path, name, wanted=None):
    """What GDAL finds; `wanted` is what was written, which GDAL and tifffile must agree with."""
    with rasterio.open(path) as file:
        array = file.read()
        if wanted is not None:
            assert array.dtype == wanted.dtype and array.tobytes() == wanted.tobytes(), f"GDAL disagrees on {name}"
        epsg = file.crs.to_epsg() if file.crs else None
        columns = [0, file.width, file.width / 2, 0.5]
        rows = [0, file.height, file.height / 2, 0.5]
        places = None
        if epsg and file.transform != Affine.identity():
            xs, ys = zip(*[file.transform * at for at in zip(columns, rows)])
            longitudes, latitudes = rasterio.warp.transform(file.crs, "EPSG:4326", xs, ys)
            places = [list(place) for place in zip(columns, rows, longitudes, latitudes)]
        nodata = file.nodata
        return {
            "file": name,
            "sha256": digest(array),
            "statistics": statistics(array, nodata),
            "dtype": str(array.dtype),
            "bands": file.count,
            "width": file.width,
            "height": file.height,
            "epsg": epsg,
            "transform": None if file.transform == Affine.identity() else list(file.transform.to_gdal()),
            "places": places,
            "nodata": None if nodata is None else repr(float(nodata)),
            "descriptions": list(file.descriptions),
            "scales": list(file.scales),
            "offsets": list(file.offsets),
            "tags": file.tags(),
        }


def statistics(array, nodata):
    """Per band: samples that are neither nodata nor NaN, their extremes and mean, and the hash of all samples."""
    found = []
    for band in array:
        keep = ~np.isnan(band) if band.dtype.kind == "f" else np.ones(band.shape, bool)
        if nodata is not None and not np.isnan(nodata):
            keep &= band != (band.dtype.type(nodata) if band.dtype.kind == "f" else nodata)
        kept = band[keep].astype("float64")
        numbers = [kept.min(), kept.mean(), kept.max()] if kept.size else [None] * 3
        found.append([int(kept.size), *numbers, digest(band)])
    return found


class Folder:
    def __init__(self, path):
        self.path, self.lines, self.count = path, [], 0

    def next(self, words):
        self.count += 1
        name = f"{self.count:04}-{'-'.join(str(word) for word in words)}.tif"
        return name, os.path.join(self.path, name)

    def add(self, name, wanted=None):
        self.lines.append(facts(os.path.join(self.path, name), name, wanted))

    def refuse(self, name):
        self.lines.append({"file": name, "refuse": True})

    def close(self):
        with open(os.path.join(self.path, "manifest.jsonl"), "w") as manifest:
            manifest.writelines(json.dumps(line) + "\n" for line in self.lines)


def predictors(compression, dtype):
    if compression in (None, "packbits", "NONE", "PACKBITS"):
        return [1]
    return [1, 2, 3] if dtype.startswith("float") else [1, 2]


def tifffile_matrix(folder):
    compressions = [None, "packbits", "lzw", "zlib", "adobe_deflate", "zstd"]
    product = itertools.product("<>", [None, (16, 48)], ["contig", "separate"], DTYPES, compressions, BANDS)
    for number, (order, tile, planar, dtype, compression, bands) in enumerate(product):
        for predictor in predictors(compression, dtype):
            if predictor == 2 and dtype.startswith("float"):
                continue  # tifffile does not write it; GDAL does, below
            height, width = SIZES[(number + predictor) % len(SIZES)]
            array = pixels(dtype, bands, height, width, number)
            name, path = folder.next(["tifffile", "le" if order == "<" else "be", "tiled" if tile else "strips",
                                      planar, dtype, compression, predictor, bands])
            data = array if planar == "separate" else np.moveaxis(array, 0, -1)
            data = array[0] if bands == 1 else data
            tifffile.imwrite(
                path, data, byteorder=order, bigtiff=number % 3 == 0, tile=tile, compression=compression,
                predictor=predictor if predictor > 1 else None, photometric="minisblack",
                planarconfig=planar if bands > 1 else None, rowsperstrip=None if tile else 1 + number % 11,
                extrasamples=[0] * (bands - 1) if bands > 1 else None, metadata=None)
            if number % 7 == 0:
                again = tifffile.imread(path)
                assert np.array_equal(again.reshape(data.shape), data), f"tifffile disagrees on {name}"
            folder.add(name, array)


def gdal_matrix(folder):
    compressions = ["NONE", "PACKBITS", "LZW", "DEFLATE", "ZSTD"]
    product = itertools.product(["LITTLE", "BIG"], [False, True], ["PIXEL", "BAND"], DTYPES, compressions)
    for number, (order, tiled, interleave, dtype, compression) in enumerate(product):
        for predictor in predictors(compression, dtype):
            bands = BANDS[(number + predictor) % len(BANDS)]
            height, width = SIZES[(number // 3 + predictor) % len(SIZES)]
            array = pixels(dtype, bands, height, width, number)
            name, path = folder.next(["gdal", order, "tiled" if tiled else "strips", interleave, dtype, compression,
                                      predictor, bands])
            options = {"blockxsize": 32, "blockysize": 16} if tiled else {"blockysize": 1 + number % 9}
            if predictor > 1:
                options["predictor"] = predictor
            with rasterio.open(path, "w", driver="GTiff", width=width, height=height, count=bands, dtype=dtype,
                               tiled=tiled, interleave=interleave, compress=compression, endianness=order,
                               bigtiff="YES" if number % 4 == 0 else "NO", **options) as file:
                file.write(array)
            folder.add(name, array)


def matrix(path):
    folder = Folder(path)
    tifffile_matrix(folder)
    gdal_matrix(folder)
    folder.close()


def by_hand(path, chunks, tags, order="<", leave_out=()):
    """A one-directory TIFF: `tags` maps number to (type, values); offsets and counts follow from `chunks`."""
    formats = {2: "c", 3: "H", 4: "I", 12: "d"}
    places, body = [], b""
    for chunk in chunks:
        places.append(8 + len(body) if chunk is not None else 0)
        body += chunk or b""
        body += b"\0" * (len(body) % 2)
    tags = {273: (4, places), 279: (4, [len(chunk or b"") for chunk in chunks]), **tags}
    tags = {tag: field for tag, field in tags.items() if tag not in leave_out}
    start = 8 + len(body)
    after = start + 2 + 12 * len(tags) + 4
    entries, extra = b"", b""
    for tag, (kind, values) in sorted(tags.items()):
        packed = b"".join(struct.pack(order + formats[kind], value) for value in values)
        inline = packed.ljust(4, b"\0")
        if len(packed) > 4:
            inline = struct.pack(order + "I", after + len(extra))
            extra += packed + b"\0" * (len(packed) % 2)
        entries += struct.pack(order + "HHI", tag, kind, len(values)) + inline
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, start)
    with open(path, "wb") as file:
        file.write(head + body + struct.pack(order + "H", len(tags)) + entries + b"\0" * 4 + extra)


def baseline(array, rows_per_strip, **more):
    """Tags of a single-band or pixel-interleaved (height, width[, bands]) array."""
    height, width = array.shape[:2]
    bands = 1 if array.ndim == 2 else array.shape[2]
    tags = {256: (4, [width]), 257: (4, [height]), 258: (3, [array.dtype.itemsize * 8] * bands), 259: (3, [1]),
            262: (3, [1]), 277: (3, [bands]), 278: (4, [rows_per_strip])}
    if bands > 1:
        tags[338] = (3, [0] * (bands - 1))
    tags.update({int(tag[1:]): field for tag, field in more.items()})
    return tags


def strips(array, rows):
    return [array[top:top + rows].tobytes() for top in range(0, array.shape[0], rows)]


def turned(data):
    return bytes(int(f"{byte:08b}"[::-1], 2) for byte in data)


def special_by_hand(folder):
    grey8 = pixels("uint8", 1, 21, 17, 1)[0]
    grey16 = pixels("uint16", 1, 21, 17, 2)[0]

    def add(words, chunks, tags, wanted, **more):
        name, path = folder.next(words)
        by_hand(path, chunks, tags, **more)
        folder.add(name, wanted[None])

    for array in (grey8, grey16):
        bits = array.dtype.itemsize * 8
        for order in "<>":
            stored = array.astype(array.dtype.newbyteorder(order))
            add(["fillorder2", bits, "le" if order == "<" else "be"], [turned(s) for s in strips(stored, 5)],
                baseline(array, 5, t266=(3, [2])), array, order=order)
            add(["fillorder2-deflate", bits, "le" if order == "<" else "be"],
                [turned(zlib.compress(s)) for s in strips(stored, 5)],
                baseline(array, 5, t266=(3, [2]), t259=(3, [8])), array, order=order)
        add(["miniswhite", bits], strips(array, 8), baseline(array, 8, t262=(3, [0])), array)
        add(["no-byte-counts", bits], strips(array, 21), baseline(array, 21), array, leave_out=[279])
        add(["no-byte-counts-deflate", bits], [zlib.compress(array.tobytes())], baseline(array, 21, t259=(3, [8])),
            array, leave_out=[279])
        add(["no-rows-per-strip", bits], strips(array, 21), baseline(array, 21), array, leave_out=[278])
        padded = np.vstack([array, np.full((3, 17), 9, array.dtype)])
        add(["last-strip-filled-up", bits], [zlib.compress(s) for s in strips(padded, 8)],
            baseline(array, 8, t259=(3, [8])), array)
        add(["last-strip-filled-up-raw", bits], strips(padded, 8), baseline(array, 8), array)
    with_hole = grey16.copy()
    with_hole[8:16] = 0
    chunks = strips(grey16, 8)
    add(["sparse-strip"], [chunks[0], None, chunks[2]], baseline(grey16, 8), with_hole)
    with_hole[8:16] = 77
    add(["sparse-strip-nodata"], [zlib.compress(chunks[0]), None, zlib.compress(chunks[2])],
        baseline(grey16, 8, t259=(3, [8]), t42113=(2, [bytes([c]) for c in b"77\0"])), with_hole)


def special_by_libraries(folder):
    for dtype, photometric in (("uint8", "rgb"), ("uint16", "rgb")):
        array = pixels(dtype, 4, 30, 41, 3)
        for planar in ("contig", "separate"):
            name, path = folder.next(["rgb-nir", dtype, planar])
            data = array if planar == "separate" else np.moveaxis(array, 0, -1)
            tifffile.imwrite(path, data, photometric=photometric, extrasamples=[0], planarconfig=planar,
                             compression="zlib", predictor=True, metadata=None)
            folder.add(name, array)
    name, path = folder.next(["gdal-sparse-tiles"])
    with rasterio.open(path, "w", driver="GTiff", width=100, height=90, count=2, dtype="float32", tiled=True,
                       blockxsize=32, blockysize=32, compress="ZSTD", nodata=-7.5, SPARSE_OK="TRUE") as file:
        block = pixels("float32", 2, 32, 32, 4)
        file.write(block, window=rasterio.windows.Window(32, 32, 32, 32))
    folder.add(name)
    name, path = folder.next(["gdal-sparse-nan"])
    with rasterio.open(path, "w", driver="GTiff", width=40, height=40, count=1, dtype="float32", nodata=float("nan"),
                       SPARSE_OK="TRUE"):
        pass
    folder.add(name)
    name, path = folder.next(["palette"])
    with rasterio.open(path, "w", driver="GTiff", width=33, height=20, count=1, dtype="uint8", compress="LZW") as file:
        file.write(pixels("uint8", 1, 20, 33, 5))
        file.write_colormap(1, {index: (index, 255 - index, 0, 255) for index in range(256)})
    folder.add(name)
    name, path = folder.next(["gdal-lzw-mask-large"])
    with rasterio.open(path, "w", driver="GTiff", width=1030, height=1100, count=1, dtype="uint8", compress="LZW",
                       tiled=True, blockxsize=512, blockysize=512) as file:
        mask = np.zeros((1, 1100, 1030), "uint8")
        mask[:, 300:700, 200:900] = 4
        file.write(mask)
    folder.add(name, mask)
    for name_of, options in (("overviews", {}), ("mask", {})):
        name, path = folder.next(["gdal", name_of])
        array = pixels("uint16", 3, 300, 280, 6)
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
            with rasterio.open(path, "w", driver="GTiff", width=280, height=300, count=3, dtype="uint16",
                               compress="DEFLATE", tiled=True, blockxsize=64, blockysize=64) as file:
                file.write(array)
                if name_of == "mask":
                    file.write_mask(np.ones((300, 280), "uint8") * 255)
            if name_of == "overviews":
                with rasterio.open(path, "r+") as file:
                    file.build_overviews([2, 4])
        folder.add(name, array)
    # Large enough to be mapped: one strip, many strips, tiles; raw and compressed.
    for number, (tiled, interleave, compression) in enumerate(
            itertools.product([False, True], ["PIXEL", "BAND"], ["NONE", "ZSTD"])):
        name, path = folder.next(["mapped", "tiled" if tiled else "strips", interleave, compression])
        array = pixels("uint16", 4, 517, 611, 7)
        array ^= np.random.default_rng(number).integers(0, 4096, array.shape, dtype="uint16")
        options = {"blockxsize": 128, "blockysize": 128} if tiled else {"blockysize": 517 if number % 2 else 10}
        with rasterio.open(path, "w", driver="GTiff", width=611, height=517, count=4, dtype="uint16", tiled=tiled,
                           interleave=interleave, compress=compression, **options) as file:
            file.write(array)
        assert os.path.getsize(path) > 1 << 20
        folder.add(name, array)


def refusals(folder):
    def gdal(words, count=1, dtype="uint8", **options):
        name, path = folder.next(["refuse", *words])
        with rasterio.open(path, "w", driver="GTiff", width=32, height=32, count=count, dtype=dtype, **options) as file:
            file.write(np.zeros((count, 32, 32), dtype))
        folder.refuse(name)

    gdal(["jpeg"], 3, compress="JPEG")
    gdal(["jpeg-ycbcr"], 3, compress="JPEG", photometric="YCBCR")
    gdal(["cmyk"], 4, photometric="CMYK")  # GDAL turns it into RGBA
    gdal(["cielab"], 3, photometric="CIELAB")
    gdal(["lzma"], compress="LZMA")
    gdal(["1-bit"], NBITS=1)
    gdal(["12-bit"], dtype="uint16", NBITS=12)
    gdal(["ccitt"], NBITS=1, compress="CCITTFAX4")
    gdal(["uint64"], dtype="uint64")
    gdal(["int8"], dtype="int8")
    gdal(["complex"], dtype="complex64")
    grey = pixels("uint8", 1, 16, 16, 1)[0]

    def hand(words, chunks, tags, **more):
        name, path = folder.next(["refuse", *words])
        by_hand(path, chunks, tags, **more)
        folder.refuse(name)

    hand(["old-jpeg"], [grey.tobytes()], baseline(grey, 16, t259=(3, [6])))
    hand(["lerc"], [grey.tobytes()], baseline(grey, 16, t259=(3, [34887])))
    hand(["ycbcr"], [grey.tobytes()], baseline(grey, 16, t262=(3, [6])))
    hand(["mixed-bits"], [grey.tobytes() * 3], baseline(grey, 16, t258=(3, [8, 16]), t277=(3, [2])))
    hand(["half-float"], [grey.tobytes() * 2], baseline(grey, 16, t258=(3, [16]), t339=(3, [3])))
    hand(["count-zero"], [b""], baseline(grey, 16))
    hand(["strip-too-short"], [grey.tobytes()[:-1]], baseline(grey, 16))
    hand(["deflate-too-short"], [zlib.compress(grey.tobytes()[:-1])], baseline(grey, 16, t259=(3, [8])))
    hand(["deflate-too-long"], [zlib.compress(grey.tobytes() + b"x")], baseline(grey, 16, t259=(3, [8])))
    hand(["deflate-bomb"], [zlib.compress(b"\0" * (64 << 20))], baseline(grey, 16, t259=(3, [8])))
    hand(["offset-past-end"], [grey.tobytes()], baseline(grey, 16, t273=(4, [1 << 30])))
    hand(["offset-overflow"], [grey.tobytes()], baseline(grey, 16, t273=(4, [0xFFFFFFFF]), t279=(4, [0xFFFFFFFF])))
    hand(["huge"], [grey.tobytes()], baseline(grey, 16, t256=(4, [0xFFFFFFFF]), t257=(4, [0xFFFFFFFF])))
    hand(["large-within-limits"], [grey.tobytes()],
         baseline(grey, 16, t256=(4, [1 << 20]), t257=(4, [1 << 20]), t278=(4, [1 << 20])))
    hand(["large-within-limits-deflate"], [zlib.compress(grey.tobytes())],
         baseline(grey, 16, t256=(4, [1 << 20]), t257=(4, [1 << 20]), t278=(4, [1 << 20]), t259=(3, [8])))
    hand(["no-width"], [grey.tobytes()], baseline(grey, 16), leave_out=[256])
    hand(["no-offsets"], [grey.tobytes()], baseline(grey, 16), leave_out=[273])
    hand(["no-rows-in-strips"], [grey.tobytes()], baseline(grey, 16, t278=(4, [0])))
    hand(["no-samples"], [grey.tobytes()], baseline(grey, 16, t277=(3, [0])))
    hand(["nodata-junk"], [grey.tobytes()], baseline(grey, 16, t42113=(2, [bytes([c]) for c in b"none\0"])))
    hand(["metadata-junk"], [grey.tobytes()], baseline(grey, 16, t42112=(2, [bytes([c]) for c in b"<GDALMeta\0"])))
    name, path = folder.next(["refuse", "pages-of-one-size"])
    tifffile.imwrite(path, pixels("uint16", 4, 20, 20, 1), photometric="minisblack", metadata=None)
    folder.refuse(name)
    name, path = folder.next(["refuse", "directory-loop"])
    by_hand(path, [grey.tobytes()], baseline(grey, 16))
    with open(path, "r+b") as file:
        data = bytearray(file.read())
        first = struct.unpack_from("<I", data, 4)[0]
        link = first + 2 + 12 * struct.unpack_from("<H", data, first)[0]
        struct.pack_into("<I", data, link, first)
        file.seek(0)
        file.write(data)
    folder.refuse(name)


def special(path):
    folder = Folder(path)
    special_by_hand(folder)
    special_by_libraries(folder)
    refusals(folder)
    folder.close()


def geo(path):
    folder = Folder(path)
    north_up = Affine(10, 0, 499_980, 0, -10, 5_300_040)
    rotated = Affine(8, 2, 500_000, 3, -9, 5_300_000)
    cases = [(32633, north_up), (32733, north_up), (32601, rotated), (25832, north_up), (3857, north_up),
             (4326, Affine(0.001, 0, 11.5, 0, -0.001, 48.1)), (4258, Affine(0.001, 0, 11.5, 0, -0.001, 48.1)),
             (3035, Affine(20, 0, 4_321_000, 0, -20, 3_210_000)), (2154, Affine(10, 0, 700_000, 0, -10, 6_600_000)),
             (32661, Affine(10, 0, 2_100_000, 0, -10, 2_200_000)), (None, north_up)]
    for point in (False, True):
        for number, (epsg, transform) in enumerate(cases):
            name, path_of = folder.next(["geo", epsg, "point" if point else "area"])
            array = pixels("uint16", 3, 40, 50, number)
            with rasterio.open(path_of, "w", driver="GTiff", width=50, height=40, count=3, dtype="uint16",
                               crs=f"EPSG:{epsg}" if epsg else None, transform=transform,
                               nodata=[None, 0, 65535][number % 3], bigtiff="YES" if number % 2 else "NO") as file:
                file.update_tags(AREA_OR_POINT="Point" if point else "Area", ACQUISITION="2022-10-05 <&\"> é",
                                 TIFFTAG_DATETIME="2022:10:05 10:20:30", TIFFTAG_IMAGEDESCRIPTION="tile & more")
                file.update_tags(ns="RPC_LIKE", HIDDEN="1")
                file.update_tags(1, BANDTAG="x")
                file.write(array)
                if number % 2 == 0:
                    file.descriptions = ("B04", None, "B03 <green> & \"more\" é")
                    file.scales, file.offsets = (0.0001, 0.0002, 1.0), (-0.1, 0.0, 0.5)
            folder.add(name, array)
    for text in (b"nan", b"-1.7e+308", b" -9999 ", b"inf", b"1e3", b"0"):
        name, path_of = folder.next(["nodata", text.decode().strip()])
        array = pixels("float64", 1, 4, 5, 1)[0]
        by_hand(path_of, [array.tobytes()],
                baseline(array, 4, t339=(3, [3]), t42113=(2, [bytes([c]) for c in text + b"\0"])))
        folder.add(name, array[None])
    folder.close()


def pillow_facts(path, name):
    """Pixels by Pillow, whose libjpeg-turbo is what models are trained with; GDAL's wheels hold another libjpeg."""
    array = np.asarray(Image.open(path))
    bands = array[None] if array.ndim == 2 else np.moveaxis(array, -1, 0)
    return {"file": name, "sha256": digest(bands), "dtype": str(bands.dtype), "bands": bands.shape[0],
            "width": bands.shape[2], "height": bands.shape[1]}


def jpegs(folder):
    for number, (height, width) in enumerate([(64, 64), (37, 53), (1, 1), (8, 130)]):
        colour = np.moveaxis(pixels("uint8", 3, height, width, number), 0, -1)
        for subsampling, progressive, quality in itertools.product((0, 1, 2), (False, True), (60, 95)):
            name = f"{number}-{subsampling}-{progressive}-{quality}.jpg"
            Image.fromarray(colour).save(os.path.join(folder.path, name), subsampling=subsampling,
                                         progressive=progressive, quality=quality)
            folder.lines.append(pillow_facts(os.path.join(folder.path, name), name))
        for mode in ("L", "CMYK"):
            name = f"{number}-{mode}.jpg"
            Image.fromarray(colour).convert(mode).save(os.path.join(folder.path, name))
            if mode == "L":
                folder.lines.append(pillow_facts(os.path.join(folder.path, name), name))
            else:
                folder.refuse(name)


def pngs(folder):
    for number, (height, width) in enumerate([(64, 64), (37, 53), (1, 1)]):
        for dtype, bands in itertools.product(("uint8", "uint16"), (1, 2, 3, 4)):
            name = f"{number}-{dtype}-{bands}.png"
            array = pixels(dtype, bands, height, width, number)
            with rasterio.open(os.path.join(folder.path, name), "w", driver="PNG", width=width, height=height,
                               count=bands, dtype=dtype) as file:
                file.write(array)
            folder.add(name, array)
        colour = Image.fromarray(np.moveaxis(pixels("uint8", 3, height, width, number), 0, -1))
        if height > 1:  # one colour would be stored in one bit
            name = f"{number}-palette.png"
            colour.quantize(200).save(os.path.join(folder.path, name), bits=8)
            folder.add(name)
        name = f"{number}-bits.png"
        colour.convert("1").save(os.path.join(folder.path, name))
        folder.refuse(name)


def patches(path):
    folder = Folder(path)
    jpegs(folder)
    pngs(folder)
    folder.close()


def seeds(path):
    """Small files of every codec and layout, to be damaged."""
    folder = Folder(path)
    codecs = [("NONE", 1), ("PACKBITS", 1), ("LZW", 2), ("DEFLATE", 1), ("DEFLATE", 3), ("ZSTD", 2)]
    for number, ((compression, predictor), tiled) in enumerate(itertools.product(codecs, (False, True))):
        dtype = "float32" if predictor == 3 else DTYPES[number % 5]
        for interleave, order in (("PIXEL", "LITTLE"), ("BAND", "BIG")):
            name, place = folder.next([compression, predictor, tiled, interleave])
            options = {"blockxsize": 16, "blockysize": 16} if tiled else {"blockysize": 7}
            if predictor > 1:
                options["predictor"] = predictor
            with rasterio.open(place, "w", driver="GTiff", width=19, height=23, count=3, dtype=dtype, tiled=tiled,
                               interleave=interleave, compress=compression, endianness=order, crs="EPSG:32633",
                               transform=Affine(10, 0, 499_980, 0, -10, 5_300_040), nodata=0,
                               bigtiff="YES" if number % 3 == 0 else "NO", **options) as file:
                file.write(pixels(dtype, 3, 23, 19, number))
                file.descriptions = ("B04", "B03", "B02")
                file.scales, file.offsets = (0.0001,) * 3, (-0.1,) * 3
    colour = Image.fromarray(np.moveaxis(pixels("uint8", 3, 19, 23, 1), 0, -1))
    for name, options in (("a.jpg", {}), ("b.jpg", {"progressive": True}), ("c.jpg", {"subsampling": 0})):
        colour.save(os.path.join(path, name), **options)
    colour.convert("L").save(os.path.join(path, "d.jpg"))
    for name, mode in (("e.png", "RGB"), ("f.png", "L"), ("g.png", "RGBA"), ("h.png", "P")):
        colour.convert(mode).save(os.path.join(path, name))
    for number, dtype in enumerate(("u1", "<i2", ">f4", "<f8")):
        np.save(os.path.join(path, f"i{number}.npy"), pixels("uint8", 3, 19, 23, 1).astype(dtype))
    folder.close()


def eurosat(path, tar):
    """Every 54th JPEG, 400 in all, from all classes."""
    folder = Folder(path)
    with tarfile.open(tar) as archive:
        members = [member for member in archive if member.name.endswith(".jpg")]
        for member in members[::54]:
            name = os.path.basename(member.name)
            with open(os.path.join(path, name), "wb") as file:
                file.write(archive.extractfile(member).read())
            folder.lines.append(pillow_facts(os.path.join(path, name), name))
    folder.close()


def read(paths):
    for path in paths:
        try:
            print(json.dumps(facts(path, path)))
        except rasterio.errors.RasterioError as error:
            print(json.dumps({"file": path, "unreadable": str(error)}))


if __name__ == "__main__":
    command, *rest = sys.argv[1:]
    {"matrix": lambda: matrix(*rest), "special": lambda: special(*rest), "geo": lambda: geo(*rest),
     "patches": lambda: patches(*rest), "seeds": lambda: seeds(*rest), "eurosat": lambda: eurosat(*rest), "read": lambda: read(rest)}[command]()
