"""A scene as a compact SAFE product of ESA's, a folder or a ZIP file of it."""

import os
import pathlib
import shutil
import zipfile

from scene import safe_xml
from scene.facts import TIME

BLOCKS_PX = {10: 1024, 20: 640, 60: 192}
"""Sides of ESA's JPEG 2000 tiles."""
LOSSLESS = {"CODEC": "JP2", "QUALITY": "100", "REVERSIBLE": "YES", "YCBCR420": "NO", "RESOLUTIONS": "6",
            "GeoJP2": "NO", "GMLJP2": "YES"}
"""As ESA's: the reversible 5/3 wavelet in six resolutions, and the place in GML alone."""
IMAGES = {
    "L2A": {
        10: ("B02", "B03", "B04", "B08"),
        20: ("B02", "B03", "B04", "B8A", "B11", "B12", "SCL"),
        60: ("B02", "B03", "B04", "B8A", "B11", "B12", "SCL"),
    },
    "L1C": {10: ("B02", "B03", "B04", "B08"), 20: ("B8A", "B11", "B12"), 60: ()},
}
ZIP_METHODS = {"stored": zipfile.ZIP_STORED, "deflated": zipfile.ZIP_DEFLATED}


def write(stage, folder, method=None):
    """FOLDER/….SAFE, or FOLDER/….SAFE.zip with `method`; either appears when it is complete."""
    facts, folder = stage.facts, pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / (facts.product + (".zip" if method else ""))
    draft = folder / f".{facts.product}.partial"
    for old in (draft, target):
        if old.is_dir():
            shutil.rmtree(old)
    write_folder(stage, draft)
    if method:
        packed = folder / f".{target.name}.partial"
        pack(draft, packed, facts, ZIP_METHODS[method])
        shutil.rmtree(draft)
        draft = packed
    os.replace(draft, target)
    return target


def write_folder(stage, root):
    facts = stage.facts
    granule = f"GRANULE/{facts.level}_{facts.tile}_A{facts.orbit:06}_{facts.sensed:{TIME}}"
    images = []
    for metres, bands in IMAGES[facts.level].items():
        for band in bands:
            place, suffix = (f"R{metres}m/", f"_{metres}m") if facts.level == "L2A" else ("", "")
            name = f"{granule}/IMG_DATA/{place}{facts.tile}_{facts.sensed:{TIME}}_{band}{suffix}"
            write_jp2(stage, band, metres, root / f"{name}.jp2")
            images.append(name)
    masks = {m: f"{granule}/QI_DATA/MSK_CLDPRB_{m}m.jp2" for m in (20, 60) if facts.level == "L2A"}
    for metres, mask in masks.items():
        write_jp2(stage, "CLDPRB", metres, root / mask)
    write_text(root / f"MTD_MSI{facts.level}.xml", safe_xml.product(stage, images))
    write_text(root / granule / "MTD_TL.xml", safe_xml.tile(stage, masks.values()))
    files = [path.relative_to(root).as_posix() for path in sorted(root.rglob("*")) if path.is_file()]
    write_text(root / "manifest.safe", safe_xml.manifest(facts, files))


def write_jp2(stage, band, metres, path):
    is_band = band.startswith("B")
    block = str(BLOCKS_PX[metres])
    options = LOSSLESS | {"BLOCKXSIZE": block, "BLOCKYSIZE": block} | ({"NBITS": "15"} if is_band else {})
    stage.copy([band], metres, path, "JP2OpenJPEG", options, -stage.facts.offset_dn if is_band else 0)


def write_text(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def pack(root, path, facts, method):
    """The same bytes for the same product: files in order, their time the product's."""
    stamp = facts.generated.timetuple()[:6]
    with zipfile.ZipFile(path, "w", method, compresslevel=1 if method == zipfile.ZIP_DEFLATED else None) as archive:
        for file in sorted(root.rglob("*")):
            name = f"{facts.product}/{file.relative_to(root).as_posix()}"
            entry = zipfile.ZipInfo(name + "/" if file.is_dir() else name, stamp)
            entry.compress_type = zipfile.ZIP_STORED if file.is_dir() else method
            entry.external_attr = (0o40755 << 16 | 0x10) if file.is_dir() else 0o100644 << 16
            if file.is_dir():
                archive.writestr(entry, b"")
                continue
            entry.file_size = file.stat().st_size
            with open(file, "rb") as source, archive.open(entry, "w") as packed:
                shutil.copyfileobj(source, packed, 1 << 20)
