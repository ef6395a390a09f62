"""The scene's rasters between the pixels and the products: plain GeoTIFFs, written once, from which GDAL's drivers that
only copy (COG, JP2OpenJPEG) take bands, stacks of bands and shifted bands through a VRT."""

import os
import pathlib
from xml.sax.saxutils import escape

import numpy as np
import rasterio
import rasterio.shutil
from rasterio.transform import from_origin
from rasterio.windows import Window

TYPES = {"SCL": "uint8", "CLDPRB": "uint8"}
VRT_TYPES = {"uint8": "Byte", "uint16": "UInt16"}


class Stage:
    """Files NAME_10m.tif, NAME_20m.tif, NAME_60m.tif, and what was counted while they were written."""

    def __init__(self, folder, facts, mosaic):
        self.folder, self.facts = pathlib.Path(folder), facts
        self.written = {}
        self.classes = np.zeros(12, np.int64)
        """SCL pixels of 20 m of each class."""
        self.void_px = 0
        try:
            for rows in mosaic.rows():
                for metres, bands in ((10, rows.ten_m), (20, rows.twenty_m), (60, rows.sixty_m)):
                    for name, pixels in bands.items():
                        self.write(name, metres, rows.top_px * 10 // metres, pixels)
                self.void_px += int((rows.ten_m["B02"] == 0).sum())
                self.classes += np.bincount(rows.twenty_m["SCL"].ravel(), minlength=12)
        finally:
            for raster in self.written.values():
                raster.close()

    def write(self, name, metres, top, pixels):
        key = name, metres
        if key not in self.written:
            self.written[key] = rasterio.open(
                self.path(*key), "w", driver="GTiff", dtype=pixels.dtype, count=1, width=pixels.shape[1],
                height=self.facts.height_px * 10 // metres, crs=f"EPSG:{self.facts.epsg}", tiled=True,
                transform=from_origin(self.facts.left, self.facts.top, metres, metres), compress="deflate", zlevel=1,
                blockxsize=256, blockysize=128)
        self.written[key].write(pixels, 1, window=Window(0, top, pixels.shape[1], pixels.shape[0]))

    def path(self, name, metres):
        return self.folder / f"{name}_{metres}m.tif"

    def has(self, name, metres):
        return (name, metres) in self.written

    def percent(self, *classes):
        """Of the valid pixels, as Sen2Cor counts."""
        return 100 * float(self.classes[list(classes)].sum()) / max(1, int(self.classes[1:].sum()))

    @property
    def nodata_percent(self):
        return 100 * self.void_px / (self.facts.height_px * self.facts.width_px)

    def copy(self, names, metres, target, driver, options, shift_dn=0, **stated):
        """Bands to one file of a driver, with `shift_dn` added to every DN but 0; `stated` is what `vrt` takes."""
        target = pathlib.Path(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f".{target.name}.partial")
        rasterio.shutil.copy(self.vrt(names, metres, shift_dn, **stated), draft, driver, **options)
        os.replace(draft, target)

    def vrt(self, names, metres, shift_dn, nodata=None, described=False, scale=None, offset=0, tags=()):
        """What is stated of the bands: the value without data, their names, reflectance = DN × scale + offset."""
        with rasterio.open(self.path(names[0], metres)) as raster:
            width, height, block = raster.width, raster.height, raster.block_shapes[0]
        size = f'rasterXSize="{width}" rasterYSize="{height}"'
        text = f'<VRTDataset {size}><SRS>EPSG:{self.facts.epsg}</SRS>'
        text += f"<GeoTransform>{self.facts.left}, {metres}, 0, {self.facts.top}, 0, {-metres}</GeoTransform>"
        text += "<Metadata>" + "".join(f'<MDI key="{key}">{escape(str(value))}</MDI>' for key, value in tags) + "</Metadata>"
        for number, name in enumerate(names, 1):
            kind = TYPES.get(name, "uint16")
            text += f'<VRTRasterBand dataType="{VRT_TYPES[kind]}" band="{number}">'
            text += f"<Description>{name}</Description>" if described else ""
            text += f"<NoDataValue>{nodata}</NoDataValue>" if nodata is not None else ""
            text += f"<Scale>{scale}</Scale><Offset>{offset}</Offset>" if scale else ""
            source = "ComplexSource" if shift_dn else "SimpleSource"
            text += f'<{source}><SourceFilename>{escape(str(self.path(name, metres).absolute()))}</SourceFilename>'
            text += "<SourceBand>1</SourceBand>"
            text += f'<SourceProperties RasterXSize="{width}" RasterYSize="{height}" DataType="{VRT_TYPES[kind]}" '
            text += f'BlockXSize="{block[1]}" BlockYSize="{block[0]}"/>'
            if shift_dn:
                text += f"<NODATA>0</NODATA><ScaleOffset>{shift_dn}</ScaleOffset><ScaleRatio>1</ScaleRatio>"
            text += f"</{source}></VRTRasterBand>"
        return text + "</VRTDataset>"
