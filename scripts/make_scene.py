#!/usr/bin/env python3
"""Makes a whole Sentinel-2 scene from the tiles of `s2infer simulate`, laid side by side.

    make_scene.py --side-px 1098 --towns 0.05 --cog scene.tif
    make_scene.py --safe scenes --clouds 0.3 --nodata-corner
    make_scene.py --side-px 1098 --level L1C --safe scenes --zip stored
    make_scene.py --side-px 660 --cog-folder scenes --stac v0 --keep-offset
    make_scene.py --tile T22JCM --epsg 32722 --left 300000 --top 6900040 --date 2024-01-15T13:30:00 --safe south

The same options give the same bytes. Places, dates, clouds and coasts are invented: nothing measured on these scenes is a
measurement of real coasts. Pixels are those of Level-1C tiles, whatever --level says. Needs numpy and rasterio
(scripts/setup-python.sh) and holds a band of rows in memory.
"""

import argparse
import datetime
import os
import pathlib
import shutil
import sys
import tempfile

import rasterio

from scene import cog, pixels, safe
from scene.facts import Facts
from scene.stage import Stage

ROOT = pathlib.Path(__file__).resolve().parent.parent
CACHE_MB = 256


def moment(text):
    return datetime.datetime.fromisoformat(text)


def share(text):
    value = float(text)
    if not 0 <= value <= 0.5:
        raise argparse.ArgumentTypeError("a share from 0 to 0.5")
    return value


def parser():
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = made.add_argument_group("what is made, one or more")
    what.add_argument("--cog", metavar="FILE", help="one COG of B02, B03, B04 and B08, DN without offset")
    what.add_argument("--cog-folder", metavar="DIR", help="a folder of one COG a band and its STAC item, in DIR")
    what.add_argument("--safe", metavar="DIR", help="a compact SAFE product, in DIR")
    form = made.add_argument_group("form")
    form.add_argument("--level", choices=["L1C", "L2A"], default="L2A")
    form.add_argument("--zip", choices=safe.ZIP_METHODS, help="a .SAFE.zip instead of the .SAFE folder")
    form.add_argument("--stac", choices=["v1", "v0"], default="v1", help="assets by colour (v1) or by band (v0) [v1]")
    form.add_argument("--keep-offset", action="store_true",
                      help="--cog-folder: DN as ESA has them, with the baseline's offset, and a STAC item that says so")
    size = made.add_argument_group("size and place")
    size.add_argument("--side-px", type=int, default=10_980, help="width in pixels of 10 m [10980]")
    size.add_argument("--height-px", type=int, help="height [the width]")
    size.add_argument("--tile", default="T32UPU", help="MGRS tile [T32UPU]")
    size.add_argument("--epsg", type=int, default=32632, help="UTM zone [32632]")
    size.add_argument("--left", type=float, default=600_000, help="easting of the left edge [600000]")
    size.add_argument("--top", type=float, default=5_400_000, help="northing of the top edge [5400000]")
    names = made.add_argument_group("names and times")
    names.add_argument("--satellite", choices=["S2A", "S2B", "S2C"], default="S2B")
    names.add_argument("--date", type=moment, default="2023-06-15T10:15:59", help="UTC, of sensing [2023-06-15T10:15:59]")
    names.add_argument("--generated", type=moment, help="UTC, of the product [3:29:13 later]")
    names.add_argument("--baseline", default="05.09", help="processing baseline; offset -1000 from 04.00 on [05.09]")
    names.add_argument("--orbit", type=int, default=65, help="relative orbit [65]")
    sky = made.add_argument_group("pixels")
    sky.add_argument("--clouds", type=float, default=0.0, metavar="SHARE", help="share of the valid pixels under clouds [0]")
    sky.add_argument("--nodata-corner", type=share, nargs="?", const=0.1, default=0.0, metavar="SHARE",
                     help="share of the scene outside the swath, a corner of DN 0 [0; 0.1 without a number]")
    sky.add_argument("--towns", type=share, default=0.0, metavar="SHARE",
                     help="share of the windows, two by two, that the built-in model calls construction [0]")
    sky.add_argument("--tiles", type=int, default=2000, help="how many tiles are simulated [2000]")
    sky.add_argument("--seed", type=int, default=1)
    made.add_argument("--s2infer", default=os.environ.get("S2INFER", ROOT / "target/release/s2infer"),
                      help="the program [$S2INFER, target/release/s2infer]")
    made.add_argument("--work", help="where temporary files go, 2 GB for a full scene [the system's place]")
    return made


def main():
    options = parser().parse_args()
    height_px = options.height_px or options.side_px
    if not (options.cog or options.cog_folder or options.safe):
        sys.exit("nothing to make: give --cog, --cog-folder or --safe")
    if (options.cog_folder or options.safe) and (options.side_px % 6 or height_px % 6):
        sys.exit("a scene with bands of 20 and 60 m has sides of a multiple of 6 pixels")
    generated = options.generated or options.date + datetime.timedelta(hours=3, minutes=29, seconds=13)
    try:
        facts = Facts(options.level, options.satellite, options.date, generated, options.baseline, options.orbit,
                      options.tile, options.epsg, options.left, options.top, options.side_px, height_px)
    except ValueError as error:
        sys.exit(str(error))
    if not shutil.which(options.s2infer):
        sys.exit(f"{options.s2infer}: no program; build it with `cargo build --release`, or name one with --s2infer or S2INFER")
    with tempfile.TemporaryDirectory(dir=options.work) as work, rasterio.Env(
        GDAL_CACHEMAX=CACHE_MB, GDAL_NUM_THREADS="ALL_CPUS", GDAL_PAM_ENABLED="NO"
    ):
        tiles = pixels.simulate(options.s2infer, pathlib.Path(work) / "tiles", facts, options.tiles, options.seed)
        town_tiles = pixels.towns(ROOT / "models/construction/examples", facts) if options.towns else None
        mosaic = pixels.Mosaic(facts, tiles, options.seed, options.clouds, options.nodata_corner, town_tiles, options.towns)
        stage = Stage(work, facts, mosaic)
        if options.cog:
            cog.write(stage, options.cog)
            print(options.cog)
        if options.cog_folder:
            print(cog.write_folder(stage, options.cog_folder, options.stac, options.keep_offset))
        if options.safe:
            print(safe.write(stage, options.safe, options.zip))


if __name__ == "__main__":
    main()
