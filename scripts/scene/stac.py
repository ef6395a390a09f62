"""STAC items in the two styles of Earth Search: `v1` names assets by colour, `v0` by band."""

from scene.facts import TIME

ISO = "%Y-%m-%dT%H:%M:%S.000000Z"
NAMES = {"B02": "blue", "B03": "green", "B04": "red", "B08": "nir", "B8A": "nir08", "B11": "swir16", "B12": "swir22",
         "SCL": "scl"}
CENTRE_UM = {"B02": 0.49, "B03": 0.56, "B04": 0.665, "B08": 0.842, "B8A": 0.865, "B11": 1.61, "B12": 2.19}
CLASSES = {"dark_features": 2, "cloud_shadow": 3, "vegetation": 4, "not_vegetated": 5, "water": 6, "unclassified": 7,
           "medium_proba_clouds": 8, "high_proba_clouds": 9, "thin_cirrus": 10, "snow_ice": 11}
COG = "image/tiff; application=geotiff; profile=cloud-optimized"
CATALOGS = {style: f"https://earth-search.aws.element84.com/{style}" for style in ("v1", "v0")}
EXTENSIONS = {
    "v1": ["mgrs/v1.0.0", "view/v1.0.0", "raster/v1.1.0", "eo/v1.1.0", "grid/v1.1.0", "projection/v2.0.0"],
    "v0": ["view/v1.0.0", "eo/v1.0.0", "projection/v1.0.0"],
}


def identifier(facts):
    return f"{facts.satellite}_{facts.tile[1:]}_{facts.sensed:%Y%m%d}_0_{facts.level}"


def item(stage, bands, style, keep_offset):
    """`bands` are names with their pixel size in metres; their files lie beside the item as NAME.tif."""
    facts = stage.facts
    geometry, bbox = footprint(facts.corners)
    level = facts.level.lower()
    collection = f"sentinel-2-{level}" if style == "v1" else f"sentinel-s2-{level}-cogs"
    describe, assets = (properties_v1, asset_v1) if style == "v1" else (properties_v0, asset_v0)
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": identifier(facts),
        "properties": common(stage, style) | describe(stage, keep_offset),
        "geometry": geometry,
        "bbox": bbox,
        "links": [{"rel": "collection", "href": f"{CATALOGS[style]}/collections/{collection}", "type": "application/json"}],
        "assets": dict(assets(facts, band, metres, keep_offset) for band, metres in bands.items()),
        "stac_extensions": [f"https://stac-extensions.github.io/{name}/schema.json" for name in EXTENSIONS[style]],
        "collection": collection,
    }


def common(stage, style):
    facts = stage.facts
    place = {"proj:code": f"EPSG:{facts.epsg}"} if style == "v1" else {"proj:epsg": facts.epsg}
    return {
        "datetime": f"{facts.sensed:{ISO}}",
        "created": f"{facts.generated:{ISO}}",
        "platform": f"sentinel-{facts.satellite[1:].lower()}",
        "constellation": "sentinel-2",
        "instruments": ["msi"],
        "eo:cloud_cover": round(stage.percent(8, 9, 10), 6),
        "view:sun_azimuth": facts.sun_azimuth_deg,
        "view:sun_elevation": 90 - facts.sun_zenith_deg,
    } | place


def properties_v1(stage, keep_offset):
    facts = stage.facts
    shares = {f"s2:{name}_percentage": round(stage.percent(number), 6) for name, number in CLASSES.items()}
    return {
        "mgrs:utm_zone": int(facts.tile[1:3]),
        "mgrs:latitude_band": facts.tile[3],
        "mgrs:grid_square": facts.tile[4:],
        "grid:code": f"MGRS-{facts.tile[1:]}",
        "s2:nodata_pixel_percentage": round(stage.nodata_percent, 6),
        **shares,
        "s2:product_type": f"S2MSI{facts.level[1:]}",
        "s2:processing_baseline": facts.baseline,
        "s2:product_uri": facts.product,
        "s2:generation_time": f"{facts.generated:{ISO}}",
        "s2:datatake_id": f"G{facts.satellite}_{facts.sensed:{TIME}}_{facts.orbit:06}_N{facts.baseline}",
        "s2:sequence": "0",
        "earthsearch:boa_offset_applied": facts.offset_dn != 0 and not keep_offset,
    }


def properties_v0(stage, keep_offset):
    facts = stage.facts
    return {
        "sentinel:utm_zone": int(facts.tile[1:3]),
        "sentinel:latitude_band": facts.tile[3],
        "sentinel:grid_square": facts.tile[4:],
        "sentinel:sequence": "0",
        "sentinel:product_id": facts.product.removesuffix(".SAFE"),
        "sentinel:data_coverage": round(100 - stage.nodata_percent, 2),
        "sentinel:valid_cloud_cover": True,
        "sentinel:processing_baseline": facts.baseline,
        "sentinel:boa_offset_applied": facts.offset_dn != 0 and not keep_offset,
    }


def asset_v1(facts, band, metres, keep_offset):
    asset = {"href": f"./{band}.tif", "type": COG, "title": f"{NAMES[band]} - {metres}m"} | grid(facts, metres)
    raster = {"nodata": 0, "data_type": "uint8" if band == "SCL" else "uint16", "spatial_resolution": metres}
    if band != "SCL":
        asset["eo:bands"] = [{"name": NAMES[band], "common_name": NAMES[band], "center_wavelength": CENTRE_UM[band]}]
        raster |= {"bits_per_sample": 15, "scale": 0.0001, "offset": facts.offset_dn / 10_000 if keep_offset else 0}
    return NAMES[band], asset | {"gsd": metres, "raster:bands": [raster], "roles": ["data", "reflectance"]}


def asset_v0(facts, band, metres, keep_offset):
    asset = {"href": f"./{band}.tif", "type": COG, "title": f"Band {band}", "roles": ["data"]} | grid(facts, metres)
    if band != "SCL":
        asset |= {"gsd": metres, "eo:bands": [{"name": band, "common_name": NAMES[band]}]}
    return band, asset


def grid(facts, metres):
    shape = [facts.height_px * 10 // metres, facts.width_px * 10 // metres]
    return {"proj:shape": shape, "proj:transform": [metres, 0, facts.left, 0, -metres, facts.top]}


def footprint(corners):
    """Geometry and bounding box; two parts and west > east where it crosses the antimeridian (RFC 7946, 3.1.9, 5.2)."""
    longitudes, latitudes = zip(*corners)
    south, north = min(latitudes), max(latitudes)
    if max(longitudes) - min(longitudes) <= 180:
        return {"type": "Polygon", "coordinates": [ring(corners)]}, [min(longitudes), south, max(longitudes), north]
    east = [(longitude % 360, latitude) for longitude, latitude in corners]
    parts = [clip(east, 1), [(longitude - 360, latitude) for longitude, latitude in clip(east, -1)]]
    bbox = [min(x for x, _ in east), south, max(x for x, _ in east) - 360, north]
    return {"type": "MultiPolygon", "coordinates": [[ring(part)] for part in parts]}, bbox


def clip(corners, side):
    """The part of a polygon west (1) or east (-1) of 180°."""
    kept = []
    for (x, y), (to_x, to_y) in zip(corners, [*corners[1:], corners[0]]):
        if side * (180 - x) >= 0:
            kept.append((x, y))
        if (180 - x) * (180 - to_x) < 0:
            kept.append((180.0, y + (to_y - y) * (180 - x) / (to_x - x)))
    return kept


def ring(corners):
    return [list(corner) for corner in [*corners, corners[0]]]
