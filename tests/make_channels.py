"""Models with derived channels, tiles for them, and the scores that numpy gives: for tests/channels.rs.

usage: make_channels.py FOLDER [PAIRS]

`patch` takes optical and radar bands, before and after, as one tile holds them; `pair` takes a Sentinel-1 and a Sentinel-2
scene of a file a band. Their model.json is written here, by the extension's words and not by s2infer. PAIRS is the folder
bigearthnet-s1-s2. expected.json holds the score of every tile in `tiles`, and a part of the line that refuses every tile in
`refused`.
"""

import hashlib
import json
import pathlib
import sys

import numpy as np
import onnx
import rasterio
from onnx import TensorProto, helper, numpy_helper
from rasterio.transform import from_origin

FOLDER = pathlib.Path(sys.argv[1])
PAIRS = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else None
RANDOM = np.random.default_rng(3)
SIDE, PAIR_SIDE = 16, 120
MLM = "https://stac-extensions.github.io/mlm/v1.5.1/schema.json"
CLIP = (0.0, 0.5)


class Model:
    """A pixel's logit is a layer of four tanh units; a window's is the mean over its pixels."""

    def __init__(self, name, side, channels, units):
        self.name, self.side, self.channels, self.units = name, side, channels, units
        self.w1 = RANDOM.standard_normal((4, len(channels))).astype(np.float32)
        self.w2 = (2 * RANDOM.standard_normal((1, 4))).astype(np.float32)
        self.write()

    def write(self):
        folder = FOLDER / self.name
        folder.mkdir(parents=True)
        nodes = [
            helper.make_node("Conv", ["input", "w1"], ["c"], kernel_shape=[1, 1]),
            helper.make_node("Tanh", ["c"], ["t"]),
            helper.make_node("GlobalAveragePool", ["t"], ["p"]),
            helper.make_node("Flatten", ["p"], ["f"], axis=1),
            helper.make_node("Gemm", ["f", "w2"], ["logits"], transB=1),
        ]
        shape = [len(self.channels), self.side, self.side]
        graph = helper.make_graph(
            nodes, self.name, [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", *shape])],
            [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 1])],
            [numpy_helper.from_array(self.w1[:, :, None, None], "w1"), numpy_helper.from_array(self.w2, "w2")])
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), folder / "model.onnx")
        (folder / "card.md").write_text("# A test\n")
        golden = RANDOM.standard_normal((2, *shape)).astype(np.float32)
        tensors, data = {}, b""
        for name, values in {"input": golden, "output": self.logit(golden.astype(np.float64)).astype(np.float32)}.items():
            end = len(data) + values.nbytes
            tensors[name] = {"dtype": "F32", "shape": values.shape, "data_offsets": [len(data), end]}
            data += values.tobytes()
        head = json.dumps(tensors).encode()
        (folder / "golden.safetensors").write_bytes(len(head).to_bytes(8, "little") + head + data)
        item = {
            "type": "Feature", "stac_version": "1.1.0", "stac_extensions": [MLM], "id": self.name, "geometry": None,
            "properties": {
                "datetime": "2026-01-01T00:00:00Z", "created": "2026-01-01T00:00:00Z", "mlm:name": self.name,
                "mlm:architecture": "Tanh", "mlm:tasks": ["scene-classification"],
                "mlm:input": [{
                    "name": "image",
                    "bands": [name if text is None else {"name": name, "format": "arithmetic", "expression": text}
                              for name, text, *_ in self.channels],
                    "input": {"shape": [-1, *shape], "dim_order": ["batch", "bands", "height", "width"],
                              "data_type": "float32"},
                    "value_scaling": [{"type": "z-score", "mean": mean, "stddev": deviation}
                                      for *_, mean, deviation in self.channels],
                }],
                "mlm:output": [{
                    "name": "logits", "tasks": ["scene-classification"],
                    "result": {"shape": [-1, 1], "dim_order": ["batch", "class"], "data_type": "float32"},
                    "classification:classes": [{"value": 0, "name": "stable"}, {"value": 1, "name": "landslide"}],
                }],
                "s2infer:inference": {
                    "schema": "1.0", "head": "binary", "precision": "fp32", "tta": "none", "temperature": 1.0,
                    "clip": CLIP, "minimum_valid_share": 0.5, "overlap_px": 0, "padding": "refuse",
                    "dn_defaults": {
                        "float32": {"dn_scale": 1.0, "dn_offset": 0.0}, "float64": {"dn_scale": 1.0, "dn_offset": 0.0},
                        "uint16": {"dn_scale": 0.0001, "dn_offset": 0.0, "nodata": 0},
                    },
                    "preprocessing_version": "1", "golden_tolerance": 1e-4, "units": self.units,
                },
            },
            "links": [],
            "assets": {"model": self.asset("model.onnx", "mlm:model"), "card": self.asset("card.md", "metadata"),
                       "golden": self.asset("golden.safetensors", "s2infer:golden")},
        }
        (folder / "model.json").write_text(json.dumps(item, indent=1))

    def asset(self, name, role):
        data = (FOLDER / self.name / name).read_bytes()
        return {"href": f"./{name}", "type": "application/octet-stream", "roles": [role],
                "file:checksum": "1220" + hashlib.sha256(data).hexdigest(), "file:size": len(data)}

    def logit(self, values):
        """Of `[n, channels, side, side]`: `[n, 1]`."""
        units = np.tanh(np.einsum("uc,nchw->nuhw", self.w1.astype(np.float64), values)).mean((2, 3))
        return units @ self.w2.T.astype(np.float64)

    def score(self, bands):
        """By hand: `bands` are what the file holds, in reflectance and dB, NaN where there is no data."""
        with np.errstate(all="ignore"):
            values = np.stack([bands[name] if text is None else formula(bands)
                               for name, text, formula, *_ in self.channels]).astype(np.float64)
        valid = np.isfinite(values).all(0) & np.isfinite(np.stack(list(bands.values()))).all(0)
        for plane, (name, text, _, mean, deviation) in zip(values, self.channels):
            if self.units.get(name, "reflectance" if text is None else "1") == "reflectance":
                plane[:] = plane.clip(*CLIP)
            plane[:] = np.where(valid, (plane - mean) / deviation, 0)
        assert valid.mean() >= 0.5
        return float(1 / (1 + np.exp(-self.logit(values[None])[0, 0])))


def write_tiff(path, bands, nodata=None, size_m=10):
    arrays = list(bands.values())
    height, width = arrays[0].shape
    with rasterio.open(path, "w", driver="GTiff", width=width, height=height, count=len(arrays), dtype=arrays[0].dtype,
                       crs="EPSG:32632", transform=from_origin(500000, 5200000, size_m, size_m), nodata=nodata) as file:
        for index, (name, values) in enumerate(bands.items(), 1):
            file.write(values, index)
            if name:
                file.set_band_description(index, name)


patch = Model("patch", SIDE, [
    ("B04", None, None, 0.1, 0.05),
    ("B08", None, None, 0.3, 0.1),
    ("VV_DESC", None, None, -11.0, 4.0),
    ("VH_DESC", None, None, -17.0, 4.0),
    ("VV_DESC_BEFORE", "VV_DESC - VV_DESC_DIFF", lambda b: b["VV_DESC"] - b["VV_DESC_DIFF"], -11.0, 4.0),
    ("NDVI", "(B08 - B04) / (B08 + B04)", lambda b: (b["B08"] - b["B04"]) / (b["B08"] + b["B04"]), 0.4, 0.3),
    ("CLOUD", "max(min((B04 - 0.1) / 2e-1, 1), 0) * -2", lambda b: ((b["B04"] - 0.1) / 0.2).clip(0, 1) * -2, -0.5, 0.7),
    ("DOUBLE", "B08 * 2", lambda b: b["B08"] * 2, 0.5, 0.2),
], {"VV_DESC": "dB", "VH_DESC": "dB", "VV_DESC_DIFF": "dB", "NDVI": "1", "DOUBLE": "reflectance"})
pair = Model("pair", PAIR_SIDE, [
    ("B04", None, None, 0.1, 0.05), ("B03", None, None, 0.1, 0.05), ("B02", None, None, 0.1, 0.05),
    ("B08", None, None, 0.3, 0.1), ("VV", None, None, -11.0, 4.0), ("VH", None, None, -17.0, 4.0),
    ("VV_VH", "VV - VH", lambda b: b["VV"] - b["VH"], 6.0, 3.0),
], {"VV": "dB", "VH": "dB"})

TILES, REFUSED = FOLDER / "tiles", FOLDER / "refused"
TILES.mkdir()
REFUSED.mkdir()
expected = {"patch": {}, "pair": {}, "refused": {}}
SOURCES = ["B04", "B08", "VV_DESC", "VH_DESC", "VV_DESC_DIFF"]


def bands_of():
    plane = lambda mean, deviation: RANDOM.normal(mean, deviation, (SIDE, SIDE)).astype(np.float32)
    bands = {"B04": plane(0.1, 0.05), "B08": plane(0.3, 0.2), "VV_DESC": plane(-9, 4), "VH_DESC": plane(-15, 4),
             "VV_DESC_DIFF": plane(0, 3)}
    bands["VV_DESC"][3, :5] = 0  # a number in dB
    bands["VV_DESC_DIFF"][5:7, 2:9] = np.nan  # of a band that only an expression takes
    bands["B04"][9, 1:4] = bands["B08"][9, 1:4] = 0  # NDVI is 0 / 0
    bands["B08"][10, 1:4] = -bands["B04"][10, 1:4]  # NDVI is infinite
    return bands


def tile(name, bands, write):
    expected["patch"][name] = patch.score(bands)
    write(TILES / name)


for number in range(3):
    bands = bands_of()
    array = np.stack([bands[name] for name in SOURCES])
    shuffled = {name: bands[name] for name in sorted(bands)} | {"HH": bands["B04"]}
    tile(f"{number}.tif", bands, lambda path: write_tiff(path, shuffled))
    tile(f"{number}-nan.tif", bands, lambda path: write_tiff(path, shuffled, nodata=float("nan")))
    for kind, saved in {
        "chw": array, "hwc": array.transpose(1, 2, 0).copy(), "f8": array.astype("<f8"), "big": array.astype(">f4"),
    }.items():
        tile(f"{number}-{kind}.npy", bands, lambda path: np.save(path, saved))


def refuse(name, line, write):
    expected["refused"][name] = line
    write(REFUSED / name)


array = np.stack([bands_of()[name] for name in SOURCES])
gone = array.copy()
gone[2:4] = np.nan
refuse("gone.npy", "band VV_DESC, VH_DESC holds no number", lambda path: np.save(path, gone))
refuse("gone.tif", "band VV_DESC, VH_DESC holds no number",
       lambda path: write_tiff(path, dict(zip(SOURCES, gone)), nodata=float("nan")))
refuse("missing.tif", "band VV_DESC_DIFF missing", lambda path: write_tiff(path, dict(zip(SOURCES[:4], array))))
refuse("small.npy", "16×15 px is smaller", lambda path: np.save(path, array[:, 1:].copy()))
refuse("fortran.npy", "numpy.ascontiguousarray", lambda path: np.save(path, np.asfortranarray(array)))
refuse("cube.npy", "write it as a TIFF", lambda path: np.save(path, np.zeros((16, 5, 16), np.float32)))
refuse("long.npy", "astype('float32')", lambda path: np.save(path, array.astype("i8")))
refuse("four.npy", "save one patch a file", lambda path: np.save(path, array[None]))
refuse("objects.npy", "astype('float32')", lambda path: np.save(path, np.array([{}, 1], object), allow_pickle=True))
refuse("records.npy", "a text in quotes", lambda path: np.save(path, np.zeros((5, 16, 16), [("a", "<f4")])))
refuse("many.npy", "--bands", lambda path: np.save(path, np.zeros((7, 16, 16), np.float32)))
refuse("dn.npy", "--dn-scale", lambda path: np.save(path, array + 5000))
np.save(REFUSED / "whole.npy", array)
whole = (REFUSED / "whole.npy").read_bytes()
(REFUSED / "whole.npy").unlink()
refuse("cut.npy", "the file holds", lambda path: path.write_bytes(whole[:-1]))
refuse("more.npy", "the file holds", lambda path: path.write_bytes(whole + b"x"))
(FOLDER / "whole.npy").write_bytes(whole)
np.save(FOLDER / "flat.npy", array[0])
np.save(FOLDER / "short.npy", (array[:3] * 100).astype("i2"))

OPTICAL, RADAR = ["B04", "B03", "B02", "B08"], ["VV", "VH"]
made = FOLDER / "pairs" / "made"
made.mkdir(parents=True)
dn = {name: RANDOM.integers(300, 3000, (PAIR_SIDE, PAIR_SIDE)).astype("u2") for name in OPTICAL}
dn["B03"][:20, :30] = 0  # no data
db = {name: RANDOM.normal(-13, 4, (PAIR_SIDE, PAIR_SIDE)).astype("f4") for name in RADAR}
db["VV"][50:90, 10:60] = 0  # a number in dB
db["VH"][100:110, 5:60] = np.nan
for name, values in dn.items():
    write_tiff(made / f"S2A_MSIL2A_20171221T112501_56_35_{name}.tif", {None: values})
for name, values in db.items():
    write_tiff(made / f"S1A_IW_GRDH_1SDV_20171221T064238_29SND_56_35_{name}.tif", {None: values})


def pair_bands(read):
    bands = {name: np.where(read(name) == 0, np.nan, read(name) * 1e-4) for name in OPTICAL}
    return bands | {name: read(name).astype(np.float64) for name in RADAR}


expected["pair"]["made"] = pair.score(pair_bands(lambda name: (dn | db)[name]))
if PAIRS:
    for radar in sorted((PAIRS / "s1-tiny").iterdir()):
        partner = json.loads((radar / f"{radar.name}_labels_metadata.json").read_text())["corresponding_s2_patch"]
        optical = PAIRS / "s2-tiny" / partner
        if not optical.is_dir():
            continue
        folder = FOLDER / "pairs" / partner
        folder.mkdir()
        files = [*optical.glob("*.tif"), *radar.glob("*.tif")]
        for file in files:
            (folder / file.name).symlink_to(file.resolve())
        find = lambda name: next(file for file in files if file.stem.endswith(f"_{name}"))
        expected["pair"][partner] = pair.score(pair_bands(lambda name: rasterio.open(find(name)).read(1)))
    assert len(expected["pair"]) == 4, expected["pair"]
(FOLDER / "expected.json").write_text(json.dumps(expected, indent=1))
