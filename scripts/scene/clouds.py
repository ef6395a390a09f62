"""Simulated clouds: a smooth random field, thick where it is high, and the shadows of it."""

import math

import numpy as np

OPACITY = (0.12, 0.55, 0.97)
"""Where cirrus begins, at the border to medium clouds, and from the border to high clouds on."""
SHARES = (1.0, 0.6, 0.35)
"""Of all cloud: everything; medium and high; high."""
CLOUD_DN = {"B02": 6800, "B03": 6600, "B04": 6700, "B08": 7000, "B11": 4600, "B12": 3600}
SHADOW = 0.6
"""What a shadow leaves of the reflectance."""
CLOUD_HEIGHT_M = 1500
SAMPLES_MAX = 1_000_000
OCTAVES = ((1.0, 240), (0.4, 60), (0.15, 16))
"""Weight and wavelength in pixels."""


class Clouds:
    """Covers `share` of the valid pixels; `is_valid` takes rows and columns."""

    def __init__(self, facts, share, is_valid, rng):
        height, width = facts.height_px, facts.width_px
        self.grids = [(weight, cell, rng.standard_normal((height // cell + 3, width // cell + 3), np.float32))
                      for weight, cell in OCTAVES]
        step = max(1, math.isqrt(height * width // SAMPLES_MAX))
        rows, columns = np.arange(0, height, step), np.arange(0, width, step)
        field = self.field(rows, columns)[is_valid(rows, columns)]
        self.levels = np.quantile(field, [1 - share * part for part in SHARES]) if share > 0 else None
        reach_px = CLOUD_HEIGHT_M / 10 * math.tan(math.radians(facts.sun_zenith_deg))
        azimuth = math.radians(facts.sun_azimuth_deg)
        self.towards_sun_px = -reach_px * math.cos(azimuth), reach_px * math.sin(azimuth)

    def field(self, rows, columns):
        return sum(weight * smooth(smooth(grid, rows / cell).T, columns / cell).T for weight, cell, grid in self.grids)

    def opacity(self, rows, columns):
        """0 to 1, [rows, columns]."""
        if self.levels is None:
            return np.zeros((len(rows), len(columns)), np.float32)
        field = self.field(rows, columns)
        return np.where(field > self.levels[0], np.interp(field, self.levels, OPACITY), 0).astype(np.float32)

    def sky(self, rows, columns):
        """Opacity, and where the shadow of a medium or high cloud falls on the ground."""
        opacity = self.opacity(rows, columns)
        down, right = self.towards_sun_px
        return opacity, (opacity == 0) & (self.opacity(rows + down, columns + right) >= OPACITY[1])

    def cover(self, bands, rows, columns):
        """Puts shadows and clouds over DN without offset, [rows, columns] of each band."""
        if self.levels is None:
            return
        opacity, shadow = self.sky(rows, columns)
        _, cell, grid = self.grids[-1]
        texture = np.clip(1 + 0.1 * smooth(smooth(grid, rows / cell).T, columns / cell).T, 0.7, 1.3)
        for band, dn in bands.items():
            dn[shadow] *= SHADOW
            dn += opacity * (CLOUD_DN[band] * texture - dn)


def smooth(grid, at):
    """Interpolates along the first axis, with a slope of nothing at the nodes."""
    at = np.clip(at, 0, len(grid) - 2)
    node = at.astype(int)
    part = (at - node)[:, None].astype(np.float32)
    part = part * part * (3 - 2 * part)
    return grid[node] * (1 - part) + grid[node + 1] * part
