"""A scene as Cloud-Optimized GeoTIFFs: one of four bands, or a folder of one a band with its STAC item."""

import json
import pathlib

from scene import stac
from scene.pixels import TEN_M

OPTIONS = {"COMPRESS": "DEFLATE", "PREDICTOR": "YES", "BLOCKSIZE": "512", "OVERVIEWS": "AUTO", "BIGTIFF": "IF_SAFER"}
SCALE = 0.0001
FOLDER = {"B02": 10, "B03": 10, "B04": 10, "B08": 10, "B8A": 20, "B11": 20, "B12": 20, "SCL": 20}


def write(stage, path):
    """DN without offset, so that the metadata of any baseline fits; date and cloudiness in the file's metadata."""
    facts = stage.facts
    tags = [("TIFFTAG_IMAGEDESCRIPTION", "Simulated coasts; no such place exists, and date and clouds are invented"),
            ("ACQUISITION_DATE", f"{facts.sensed:%Y-%m-%d}"),
            ("CLOUDY_PIXEL_PERCENTAGE", f"{stage.percent(8, 9, 10):.6f}")]
    options = OPTIONS | {"OVERVIEW_RESAMPLING": "AVERAGE"}
    stage.copy(TEN_M, 10, path, "COG", options, nodata=0, described=True, scale=SCALE, tags=tags)


def write_folder(stage, folder, style, keep_offset):
    """FOLDER/ID/B02.tif … SCL.tif and ID.json, as Earth Search has them; returns the scene's folder."""
    name = stac.identifier(stage.facts)
    scene = pathlib.Path(folder) / name
    shift_dn = -stage.facts.offset_dn if keep_offset else 0
    bands = {band: metres for band, metres in FOLDER.items() if stage.has(band, metres)}
    if stage.facts.level == "L1C":
        bands.pop("SCL", None)
    for band, metres in bands.items():
        how = "NEAREST" if band == "SCL" else "AVERAGE"
        options = OPTIONS | {"OVERVIEW_RESAMPLING": how}
        stage.copy([band], metres, scene / f"{band}.tif", "COG", options, 0 if band == "SCL" else shift_dn, nodata=0)
    item = stac.item(stage, bands, style, keep_offset)
    (scene / f"{name}.json").write_text(json.dumps(item, indent=2) + "\n")
    return scene
