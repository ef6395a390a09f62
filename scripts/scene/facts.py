"""What is known of a scene beside its pixels: names, times, place and the sun."""

import datetime
import math
from dataclasses import dataclass

from rasterio.warp import transform

TIME = "%Y%m%dT%H%M%S"
WGS84 = "EPSG:4326"


@dataclass
class Facts:
    level: str
    """L1C or L2A."""
    satellite: str
    sensed: datetime.datetime
    generated: datetime.datetime
    baseline: str
    """As in metadata, 05.09."""
    orbit: int
    tile: str
    """MGRS with the T, T32UPU."""
    epsg: int
    left: float
    top: float
    width_px: int
    height_px: int

    def __post_init__(self):
        north = self.tile[3] >= "N"
        if self.epsg != (32600 if north else 32700) + int(self.tile[1:3]):
            raise ValueError(f"tile {self.tile} lies in EPSG:{(32600 if north else 32700) + int(self.tile[1:3])}, "
                             f"not EPSG:{self.epsg}: give --tile and --epsg of one zone")
        self.sun_zenith_deg, self.sun_azimuth_deg = sun(self.sensed, *self.centre)
        if self.sun_zenith_deg > 85:
            raise ValueError(f"the sun stands {self.sun_zenith_deg:.0f}° from the zenith: give a --date by day")

    @property
    def offset_dn(self):
        """BOA_ADD_OFFSET or RADIO_ADD_OFFSET: reflectance = (DN + offset) / 10,000; 0 before baseline 04.00."""
        return -1000 if float(self.baseline) >= 4 else 0

    @property
    def product(self):
        return (f"{self.satellite}_MSI{self.level}_{self.sensed:{TIME}}_N{self.baseline.replace('.', '')}"
                f"_R{self.orbit:03}_{self.tile}_{self.generated:{TIME}}.SAFE")

    @property
    def is_summer(self):
        return (4 <= self.sensed.month <= 9) == (self.tile[3] >= "N")

    @property
    def centre(self):
        """Longitude and latitude in degrees."""
        (longitude,), (latitude,) = self.lonlat([self.left + 5 * self.width_px], [self.top - 5 * self.height_px])
        return longitude, latitude

    @property
    def corners(self):
        """Longitude and latitude of the corners, from the lower left anticlockwise."""
        right, bottom = self.left + 10 * self.width_px, self.top - 10 * self.height_px
        xs, ys = [self.left, right, right, self.left], [bottom, bottom, self.top, self.top]
        return list(zip(*self.lonlat(xs, ys)))

    def lonlat(self, xs, ys):
        return transform(f"EPSG:{self.epsg}", WGS84, xs, ys)


def sun(moment, longitude, latitude):
    """Zenith and azimuth in degrees; Spencer's series for declination and equation of time (Spencer 1971), good to a
    tenth of a degree or two."""
    day = 2 * math.pi / 365 * (moment.timetuple().tm_yday - 1 + (moment.hour - 12) / 24)
    declination = (0.006918 - 0.399912 * math.cos(day) + 0.070257 * math.sin(day) - 0.006758 * math.cos(2 * day)
                   + 0.000907 * math.sin(2 * day) - 0.002697 * math.cos(3 * day) + 0.00148 * math.sin(3 * day))
    equation_min = 229.18 * (0.000075 + 0.001868 * math.cos(day) - 0.032077 * math.sin(day)
                             - 0.014615 * math.cos(2 * day) - 0.040849 * math.sin(2 * day))
    solar_min = moment.hour * 60 + moment.minute + moment.second / 60 + equation_min + 4 * longitude
    hour_angle = math.radians(solar_min / 4 - 180)
    north = math.radians(latitude)
    up = math.sin(north) * math.sin(declination) + math.cos(north) * math.cos(declination) * math.cos(hour_angle)
    east = -math.cos(declination) * math.sin(hour_angle)
    towards_north = (math.cos(north) * math.sin(declination)
                     - math.sin(north) * math.cos(declination) * math.cos(hour_angle))
    return math.degrees(math.acos(up)), math.degrees(math.atan2(east, towards_north)) % 360
