"""The pixels of a scene of simulated tiles laid side by side, a band of rows at a time."""

import csv
import pathlib
import subprocess
from dataclasses import dataclass, field

import numpy as np
import rasterio

from scene.clouds import OPACITY, Clouds

BANDS = ("B02", "B03", "B04", "B08", "B11", "B12")
TEN_M = ("B02", "B03", "B04", "B08")
TILE_PX = 64
ROWS_PX = 384
"""Whole tiles, and whole pixels of 60 m."""
INFRARED = {"B08": 1.4, "B11": 1.6, "B12": 1.3}
"""Of built-up land, relative to red."""
TOWN_CELLS = 2
"""A town's side in windows."""
DN_MAX = 2**15 - 1 - 1000
"""Sentinel-2 delivers 15 bits, the offset included."""


def simulate(program, folder, facts, count, seed):
    """[n, band, row, column] of the cloudless tiles in the scene's season."""
    odds = "1,0,0,0" if facts.is_summer else "0,0,1,0"
    command = [program, "simulate", "--tiles", count, "--seed", seed, "--train-mix", odds, "--quiet", "--out", folder]
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)
    tiles = []
    with open(pathlib.Path(folder) / "manifest.csv", newline="") as file:
        for row in csv.DictReader(file):
            if row["season"] == ("summer" if facts.is_summer else "winter") and float(row["cloud_cover_percent"]) == 0:
                with rasterio.open(pathlib.Path(folder) / row["path"]) as tile:
                    tiles.append(tile.read())
    return np.stack(tiles)


def towns(folder, facts):
    """The same of the built-in model's examples of built-up land, with infrared bands that the visible ones suggest: tiles
    that the model calls construction, as it does not call the simulated coasts."""
    season = "summer" if facts.is_summer else "winter"
    tiles = []
    for path in sorted(pathlib.Path(folder).glob(f"*_{season}-clear_*.tif")):
        if "_Industrial_" in path.name or "_Residential_" in path.name:
            with rasterio.open(path) as tile:
                visible = {name: tile.read(number) for number, name in enumerate(tile.descriptions, 1)}
            red = visible["B04"].astype(np.float32)
            infrared = {band: (factor * red).astype(np.uint16) for band, factor in INFRARED.items()}
            tiles.append(np.stack([(visible | infrared)[band] for band in BANDS]))
    return np.stack(tiles)


@dataclass
class Rows:
    """DN without offset, 0 where there is no data; the first row of each grid is that of `top_px` at 10 m."""

    top_px: int
    ten_m: dict
    twenty_m: dict = field(default_factory=dict)
    sixty_m: dict = field(default_factory=dict)


class Mosaic:
    """`tiles` everywhere but on the given share, which is of `town_tiles`."""

    def __init__(self, facts, tiles, seed, cloud_share=0.0, nodata_share=0.0, town_tiles=None, town_share=0.0):
        self.facts = facts
        self.tiles = tiles if town_tiles is None else np.concatenate([tiles, town_tiles])
        rng = np.random.default_rng(seed)
        cells = -(-facts.height_px // TILE_PX), -(-facts.width_px // TILE_PX)
        self.choice = rng.integers(len(tiles), size=cells)
        self.turns, self.flips = rng.integers(4, size=cells), rng.integers(2, size=cells)
        # No two windows alike, however often a tile is laid.
        self.gain = rng.uniform(0.95, 1.05, cells).astype(np.float32)
        self.nodata_reach = np.sqrt(2 * nodata_share)
        self.clouds = Clouds(facts, cloud_share, self.is_valid, rng)
        if town_tiles is not None:
            blocks = rng.random([-(-count // TOWN_CELLS) for count in cells]) < town_share
            is_town = np.kron(blocks, np.ones((TOWN_CELLS, TOWN_CELLS), bool))[: cells[0], : cells[1]]
            self.choice[is_town] = rng.integers(len(tiles), len(self.tiles), is_town.sum())

    def is_valid(self, rows, columns):
        """The upper left corner lies outside the swath."""
        across = columns[None, :] / self.facts.width_px + rows[:, None] / self.facts.height_px
        return across >= self.nodata_reach

    def rows(self):
        """All `Rows`, from the top down."""
        columns = np.arange(self.facts.width_px)
        for top in range(0, self.facts.height_px, ROWS_PX):
            rows = np.arange(top, min(top + ROWS_PX, self.facts.height_px))
            land = self.land(rows)
            self.clouds.cover(land, rows, columns)
            valid = self.is_valid(rows, columns)
            ten = {band: np.where(valid, np.clip(np.rint(dn), 1, DN_MAX), 0).astype(np.uint16)
                   for band, dn in land.items()}
            yield self.coarser(Rows(top, ten))

    def land(self, rows):
        """float32 [row, column] of each band."""
        dn = np.empty((len(BANDS), -(-len(rows) // TILE_PX) * TILE_PX, self.choice.shape[1] * TILE_PX), np.float32)
        first = rows[0] // TILE_PX
        for down in range(dn.shape[1] // TILE_PX):
            for right in range(self.choice.shape[1]):
                cell = first + down, right
                tile = np.rot90(self.tiles[self.choice[cell]], self.turns[cell], (1, 2))
                tile = tile[:, :, ::-1] if self.flips[cell] else tile
                y, x = down * TILE_PX, right * TILE_PX
                np.multiply(tile, self.gain[cell], out=dn[:, y : y + TILE_PX, x : x + TILE_PX])
        return dict(zip(BANDS, dn[:, : len(rows), : self.facts.width_px]))

    def coarser(self, rows):
        """Adds the grids of 20 and 60 m, as far as whole pixels of 60 m go; those of 10 m keep what Sentinel-2 has."""
        height, width = (length // 6 * 6 for length in rows.ten_m["B02"].shape)
        twenty = {band: mean(dn[:height, :width], 2) for band, dn in rows.ten_m.items()}
        rows.ten_m = {band: dn for band, dn in rows.ten_m.items() if band in TEN_M}
        twenty["B8A"] = twenty["B08"]
        twenty["SCL"], twenty["CLDPRB"] = self.classes(twenty, rows.top_px)
        rows.twenty_m = twenty
        rows.sixty_m = {band: mean(dn, 3) for band, dn in twenty.items() if band.startswith("B")}
        rows.sixty_m |= {name: twenty[name][1::3, 1::3] for name in ("SCL", "CLDPRB")}
        return rows

    def classes(self, bands, top_px):
        """Sen2Cor's scene classes and the cloud probability in percent: clouds as they were laid, the ground by its
        indices."""
        height, width = bands["B02"].shape
        opacity, shadow = self.clouds.sky(top_px + 2 * np.arange(height) + 0.5, 2 * np.arange(width) + 0.5)
        green, red, near, short = (bands[band].astype(np.float32) for band in ("B03", "B04", "B08", "B11"))
        void = bands["B02"] == 0
        with np.errstate(invalid="ignore", divide="ignore"):
            ground = [(green - short) / (green + short) > 0.4, (green - near) / (green + near) > 0,
                      (near - red) / (near + red) > 0.35]
        snow = ground[0] & (green > 2500)
        scl = np.select(
            [void, opacity >= OPACITY[2], opacity >= OPACITY[1], opacity > 0, shadow, snow, ground[1], ground[2]],
            [0, 9, 8, 10, 3, 11, 6, 4], 5)
        return scl.astype(np.uint8), np.where(void, 0, np.rint(100 * opacity)).astype(np.uint8)


def mean(dn, factor):
    """Of the valid ones among factor × factor pixels, 0 where none is."""
    height, width = dn.shape[0] // factor, dn.shape[1] // factor
    blocks = dn.reshape(height, factor, width, factor)
    total = blocks.sum((1, 3), dtype=np.uint32)
    count = (blocks > 0).sum((1, 3), dtype=np.uint32)
    return ((total + count // 2) // np.maximum(count, 1)).astype(dn.dtype)
