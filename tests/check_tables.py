#!/usr/bin/env python3
"""Makes scenes for the tables of a run, and checks these with programs that share nothing with what wrote them.

    check_tables.py scenes FOLDER                           georeferenced scenes of windows of 8 px, and a damaged one
    check_tables.py alike CSV GEOJSON GPKG PARQUET          the same rows in all of them; prints the layer's CRS
    check_tables.py sites CSV SCENES GEOJSON GPKG PARQUET   sites against shapely's union of the positive windows
    check_tables.py index GPKG                              the R-tree and its triggers against those that GDAL writes
    check_tables.py stac ITEM                               a STAC item against pystac's schema and the files it names

Files are read with GDAL (pyogrio), pyarrow, sqlite3 and json; a warning of GDAL is an error.
"""

import csv
import hashlib
import itertools
import json
import math
import pathlib
import re
import sqlite3
import sys
import tempfile
import warnings

import numpy as np
import pyarrow.parquet
import pyogrio.raw
import rasterio
import rasterio.warp
import shapely
import shapely.affinity
from rasterio.crs import CRS
from rasterio.transform import Affine

warnings.simplefilter("error", RuntimeWarning)
SIDE = 8


def write_scene(path, crs, transform, seed, columns=31, rows=24):
    """Random positive, negative and empty windows; sides that are no multiple of a window."""
    width, height = columns * SIDE + 3, rows * SIDE + 5
    random = np.random.default_rng(seed)
    kinds = random.choice(3, p=[0.45, 0.43, 0.12], size=(rows + 1, columns + 1))
    kinds = np.kron(kinds, np.ones((SIDE, SIDE), int))[:height, :width]
    noise = random.integers(0, 40, (4, height, width))
    levels = np.array([[2500, 500, 0], [500, 2500, 0], [1200, 1200, 0], [1300, 1300, 0]])
    pixels = levels[:, kinds] + np.where(kinds == 2, 0, noise)
    profile = {"driver": "GTiff", "dtype": "uint16", "count": 4, "width": width, "height": height, "crs": crs}
    with rasterio.open(path, "w", transform=transform, compress="deflate", **profile) as file:
        file.write(pixels.astype("uint16"))


def scenes(folder):
    folder = pathlib.Path(folder)
    write_scene(folder / "north.tif", "EPSG:32631", Affine(60, 0, 600000, 0, -60, 5700000), 1)
    write_scene(folder / "south.tif", "EPSG:32733", Affine(60, 0, 350000, 0, -60, 6200000), 2)
    # 180 degrees lie some 180 km from the west of zone 1's coordinates at this latitude.
    write_scene(folder / "line.tif", "EPSG:32701", Affine(60, 0, 170000, 0, -60, 8120000), 3)
    # Here the line is an edge of pixels and of windows.
    write_scene(folder / "degrees.tif", "EPSG:4326", Affine(0.001, 0, 180 - 16 * SIDE * 0.001, 0, -0.001, -10), 4)
    write_scene(folder / "turned.tif", "EPSG:32631", Affine(20, 5, 500000, 5, -20, 100000), 5)
    (folder / "zz-damaged.tif").write_bytes((folder / "north.tif").read_bytes()[:300])


def numbers(texts):
    return [None if text == "" else float(text) for text in texts]


def same_number(a, b, single):
    if a is None or b is None or math.isnan(b):
        return a is None and (b is None or math.isnan(b))
    return np.float32(a) == np.float32(b) if single else a == b


def read_gdal(path, **options):
    """CRS, WKB geometries, and columns by name."""
    meta, _, geometry, fields = pyogrio.raw.read(path, **options)
    return meta["crs"], [g and shapely.from_wkb(g) for g in geometry], dict(zip(meta["fields"], fields))


def plain(value):
    """A cell of GDAL or pyarrow as the CSV's reader would give it."""
    if value is None or value is np.nan:
        return ""
    if isinstance(value, np.datetime64):
        return "" if np.isnat(value) else str(value.astype("datetime64[D]"))
    return str(value)


SINGLE = {"score", "threshold", "score_max", "score_mean"}
DOUBLE = {"longitude", "latitude", "easting", "northing", "area_m2", "west", "south", "east", "north"}
NOTES = ["bands_source", "radiometry_source", "cloud_cover_percent", "cloud_source", "sun_elevation_deg"]
INTEGER = {"x", "y", "width", "height", "epsg", "windows", "undecided"}


def compare_columns(rows, columns, count):
    for name in rows[0]:
        mine, other = [row[name] for row in rows], list(columns[name])
        assert len(other) == count, name
        if name in SINGLE | DOUBLE | INTEGER:
            found = [None if value is None else float(value) for value in other]
            pairs = list(zip(numbers(mine), found))
            assert all(same_number(a, b, name in SINGLE) for a, b in pairs), (name, pairs[:5])
        else:
            assert mine == [plain(value) for value in other], name


def same_shapes(ours, others):
    assert len(ours) == len(others)
    for a, b in zip(ours, others):
        if a is None or b is None:
            assert a is None and b is None
            continue
        assert a.is_valid and b.is_valid, shapely.is_valid_reason(a)
        assert a.equals(b) and shapely.hausdorff_distance(a.boundary, b.boundary) <= 1e-9


def places_lie_in_windows(rows, shapes, is_lonlat):
    sides = {}
    for row, shape in zip(rows, shapes):
        if row["longitude"]:
            point = shapely.Point(float(row["longitude"]), float(row["latitude"]))
            assert -180 <= point.x <= 180, row
            assert not is_lonlat or shape.distance(point) < 1e-6, row
            sides.setdefault(pathlib.Path(row["tile"]).name, set()).add(point.x > 0)
    assert all(sides.get(tile, {True, False}) == {True, False} for tile in ("line.tif", "degrees.tif")), sides


def alike(table, geojson, gpkg, parquet):
    rows = list(csv.DictReader(open(table, newline="")))
    collection = json.loads(pathlib.Path(geojson).read_text())
    shapes = [f["geometry"] and shapely.geometry.shape(f["geometry"]) for f in collection["features"]]
    assert len(shapes) == len(rows) and any(shapes)
    for feature, row in zip(collection["features"], rows):
        assert all(plain(feature["properties"][name]) == row[name] for name in row if name not in SINGLE | DOUBLE), row
        for shape in filter(None, [shapes[len(rows) - 1]]):
            assert shape.exterior.is_ccw if shape.geom_type == "Polygon" else shape.geom_type == "MultiPolygon"
    places_lie_in_windows(rows, shapes, "crs" not in collection)
    notes = [{name: feature["properties"][name] for name in NOTES} for feature in collection["features"]]
    crs, read, columns = read_gdal(geojson)
    same_shapes(shapes, read)
    found, read, columns = read_gdal(gpkg)
    assert found == crs or (found, crs) == ("EPSG:4326", "OGC:CRS84"), (found, crs)
    same_shapes(shapes, [g and (g.geoms[0] if len(g.geoms) == 1 else g) for g in read])
    compare_columns(rows, columns, len(rows))
    assert [json.loads(text) for text in columns["notes"]] == notes
    meta = pyogrio.read_info(gpkg)
    assert meta["geometry_type"] == "MultiPolygon" and meta["features"] == len(rows)
    bounds = shapely.total_bounds([shape for shape in shapes if shape])
    assert np.allclose(meta["total_bounds"], bounds, rtol=0, atol=1e-9), (meta["total_bounds"], bounds)

    file = pyarrow.parquet.ParquetFile(parquet)
    data = file.read()
    names = data.column_names
    assert names[-1] == "geometry" and all(str(data.schema.field(n).type) == "float" for n in SINGLE & set(names))
    assert str(data.schema.field("date").type) == "date32[day]" and str(data.schema.field("tile").type) == "string"
    compare_columns(rows, {name: data[name].to_pylist() for name in names}, len(rows))
    assert [json.loads(text) for text in data["notes"].to_pylist()] == notes
    wkb = data["geometry"].to_pylist()
    same_shapes(shapes, [g and shapely.from_wkb(g) for g in wkb])
    geo = json.loads(file.schema_arrow.metadata[b"geo"])
    column = geo["columns"][geo["primary_column"]]
    assert geo["version"] == "1.1.0" and column["encoding"] == "WKB" and column["bbox"] == list(bounds)
    kinds = {shapely.from_wkb(g).geom_type for g in wkb if g}
    assert set(column["geometry_types"]) == kinds, (column["geometry_types"], kinds)
    if "crs" in column:
        assert CRS.from_user_input(json.dumps(column["crs"])) == CRS.from_string(found)
        assert column["crs"]["id"]["code"] == int(found.split(":")[1])
    else:
        assert found == "EPSG:4326"
    check_database(gpkg)
    print(found)


def check_database(path):
    with sqlite3.connect(path) as database:
        one = lambda statement: database.execute(statement).fetchall()
        assert one("PRAGMA application_id") == [(0x47504B47,)] and one("PRAGMA user_version") == [(10400,)]
        assert one("PRAGMA integrity_check") == [("ok",)] and one("PRAGMA foreign_key_check") == []
        assert {-1, 0, 4326} <= {row[0] for row in one("SELECT srs_id FROM gpkg_spatial_ref_sys")}
        [(table, srs, change)] = one("SELECT table_name, srs_id, last_change FROM gpkg_contents")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", change), change
        [(definition,)] = one(f"SELECT definition FROM gpkg_spatial_ref_sys WHERE srs_id = {srs}")
        assert CRS.from_wkt(definition) == CRS.from_epsg(srs)
        for (blob,) in one(f"SELECT geom FROM {table} WHERE geom NOTNULL"):
            shape = shapely.from_wkb(blob[40:])
            west, south, east, north = shape.bounds
            assert blob[:4] == b"GP\0\3" and int.from_bytes(blob[4:8], "little") == srs
            assert list(np.frombuffer(blob[8:40], "<f8")) == [west, east, south, north]


def index(path):
    """GDAL's own file of the same layer has the same triggers; the index holds what the geometries say."""

    def triggers(path):
        with sqlite3.connect(path) as database:
            found = database.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'rtree%'")
            return {name: re.sub(r"[\s\"]+", "", sql).lower() for name, sql in found}

    with sqlite3.connect(path) as database:
        [(table,)] = database.execute("SELECT table_name FROM gpkg_contents").fetchall()
        assert database.execute(f"SELECT rtreecheck('rtree_{table}_geom')").fetchall() == [("ok",)]
        held = database.execute(f"SELECT id, minx, maxx, miny, maxy FROM rtree_{table}_geom ORDER BY id").fetchall()
        shapes = database.execute(f"SELECT fid, geom FROM {table} WHERE geom NOTNULL ORDER BY fid").fetchall()
    assert [row[0] for row in held] == [fid for fid, _ in shapes]
    for (_, left, right, bottom, top), (_, blob) in zip(held, shapes):
        west, south, east, north = shapely.from_wkb(blob[40:]).bounds
        assert left <= west and right >= east and bottom <= south and top >= north
        assert np.allclose([left, right, bottom, top], [west, east, south, north], rtol=1e-6)
    with tempfile.TemporaryDirectory() as folder:
        other = pathlib.Path(folder) / "gdal.gpkg"
        square = np.array([shapely.to_wkb(shapely.MultiPolygon([shapely.box(0, 0, 1, 1)]))], object)
        pyogrio.raw.write(
            other, square, [], [], layer=table, geometry_type="MultiPolygon", crs="EPSG:4326",
            dataset_options={"VERSION": "1.4"}, layer_options={"GEOMETRY_NAME": "geom"},
        )
        ours, theirs = triggers(path), triggers(other)
    assert ours.keys() == theirs.keys(), (sorted(ours), sorted(theirs))
    for name in ours:
        assert ours[name] == theirs[name], f"{name}\n{ours[name]}\n{theirs[name]}"


def affine(transform):
    """Rasterio's transform in shapely's order."""
    a, b, c, d, e, f = transform[:6]
    return [a, b, d, e, c, f]


def components(boxes):
    """Numbers of the boxes that touch each other, directly or by way of others, in the order of their first."""
    parent = list(range(len(boxes)))

    def root(i):
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for a, b in shapely.STRtree(boxes).query(boxes, predicate="intersects").T:
        low, high = sorted((root(a), root(b)))
        parent[high] = low
    groups = {}
    for i in range(len(boxes)):
        groups.setdefault(root(i), []).append(i)
    return [groups[key] for key in sorted(groups)]


def union_of(windows):
    return shapely.unary_union([shapely.box(*window) for window in windows])


def rectangle(row):
    x, y, width, height = (int(row[name]) for name in ("x", "y", "width", "height"))
    return x, y, x + width, y + height


def sites(table, folder, geojson, gpkg, parquet):
    """Prints how many sites and holes there were, so that a test can tell an empty comparison from a full one."""
    windows, found = {}, {}
    for row in csv.DictReader(open(table, newline="")):
        windows.setdefault(row["tile"], []).append(row)
    collection = json.loads(pathlib.Path(geojson).read_text())
    for feature in collection["features"]:
        found.setdefault(feature["properties"]["tile"], []).append(feature)
    in_source = "crs" in collection
    holes = parts = 0
    for tile, rows in windows.items():
        positive = [row for row in rows if row["decision"] == "positive"]
        undecided = [shapely.box(*rectangle(row)) for row in rows if row["decision"] in ("abstain", "error")]
        groups = components([shapely.box(*rectangle(row)) for row in positive]) if positive else []
        features = found.pop(tile, [])
        assert len(features) == len(groups), (tile, len(features), len(groups))
        if not groups:
            continue
        with rasterio.open(pathlib.Path(folder) / pathlib.Path(tile).name) as file:
            transform, is_geographic = file.transform, file.crs.is_geographic
        matrix = affine(transform)
        for number, (group, feature) in enumerate(zip(groups, features), 1):
            members, site = [positive[i] for i in group], feature["properties"]
            union = union_of(rectangle(row) for row in members)
            scores = [float(row["score"]) for row in members]
            assert site["site"] == f"{tile}#{number}" and site["windows"] == len(group)
            strongest = members[int(np.argmax(scores))]
            assert np.float32(site["score_max"]) == np.float32(max(scores))
            assert math.isclose(site["score_mean"], sum(scores) / len(scores), rel_tol=1e-6)
            assert np.float32(site["threshold"]) == np.float32(strongest["threshold"]) and site["shift"] == strongest["shift"]
            touching = sum(box.intersects(union) for box in undecided)
            assert site["undecided"] == touching, (site, touching)
            left, top, right, bottom = union.bounds
            assert [site[n] for n in ("x", "y", "width", "height")] == [left, top, right - left, bottom - top]
            if not is_geographic:
                area = shapely.affinity.affine_transform(union, matrix).area
                assert math.isclose(site["area_m2"], area, abs_tol=0.06), (site["area_m2"], area)
            else:
                # Metres of a degree at this latitude (Snyder 1987, 4-19 and 4-18, on WGS 84).
                middle, e2 = math.radians(site["latitude"]), 0.00669437999014
                w = 1 - e2 * math.sin(middle) ** 2
                metres = 6378137 ** 2 * math.cos(middle) * (1 - e2) / w ** 2 * math.radians(1) ** 2
                assert math.isclose(site["area_m2"], union.area * abs(transform.a * transform.e) * metres, rel_tol=1e-5)
            shape = shapely.geometry.shape(feature["geometry"])
            assert shape.is_valid, shapely.is_valid_reason(shape)
            each = getattr(shape, "geoms", [shape])
            assert all(part.exterior.is_ccw and not any(h.is_ccw for h in part.interiors) for part in each)
            holes += sum(len(part.interiors) for part in each)
            parts += len(each) > 1
            if in_source:
                placed = shapely.affinity.affine_transform(union, matrix)
                assert shape.equals(placed) or shape.symmetric_difference(placed).area < 1e-9 * placed.area
                assert len(each) == len(getattr(union, "geoms", [union]))
                center = shapely.affinity.affine_transform(union.centroid, matrix)
                assert math.isclose(site["easting"], center.x, abs_tol=1e-3), (site["easting"], center.x)
                assert math.isclose(site["northing"], center.y, abs_tol=1e-3)
            else:
                placed = in_degrees(union, rasterio.open(pathlib.Path(folder) / pathlib.Path(tile).name))
                # Both outlines are right to the last decimal along their whole length.
                apart = shape.symmetric_difference(placed).area / placed.length
                assert apart < 1.5e-7, (site["site"], apart)
                assert -180 <= site["longitude"] <= 180, site
                west, _, east, _ = shape.bounds
                assert -180 <= west and east <= 180
                if east - west > 180:
                    assert site["west"] > 0 > site["east"]
                else:
                    box = [site[n] for n in ("west", "south", "east", "north")]
                    assert np.allclose(box, shape.bounds, rtol=0, atol=2e-7), (box, shape.bounds)
    assert not found, sorted(found)
    alike_sites(geojson, gpkg, parquet)
    print(len(collection["features"]), holes, parts)


def in_degrees(union, file):
    """GDAL's (PROJ's) transformation of every corner of a shape cut fine, then cut at the line by shapely."""
    with file:
        transform, crs = file.transform, file.crs
    placed = shapely.segmentize(union, SIDE)
    points = shapely.get_coordinates(shapely.affinity.affine_transform(placed, affine(transform)))
    x, y = rasterio.warp.transform(crs, "EPSG:4326", points[:, 0], points[:, 1])
    x = np.array(x)
    if x.max() - x.min() > 180:
        x = np.where(x < 0, x + 360, x)
    placed = shapely.set_coordinates(placed, np.column_stack([x, y]))
    near = placed.intersection(shapely.box(-180, -90, 180, 90))
    beyond = shapely.affinity.translate(placed.intersection(shapely.box(180, -90, 540, 90)), -360)
    polygons = [g for s in (near, beyond) for g in getattr(s, "geoms", [s]) if g.geom_type == "Polygon" and not g.is_empty]
    return shapely.MultiPolygon(polygons)


def alike_sites(geojson, gpkg, parquet):
    features = json.loads(pathlib.Path(geojson).read_text())["features"]
    shapes = [shapely.geometry.shape(feature["geometry"]) for feature in features]
    rows = [{name: plain(value) for name, value in feature["properties"].items()} for feature in features]
    _, read, columns = read_gdal(gpkg)
    same_shapes([shapely.MultiPolygon(getattr(s, "geoms", [s])) for s in shapes], read)
    compare_columns(rows, columns, len(rows))
    data = pyarrow.parquet.read_table(parquet)
    same_shapes(shapes, [shapely.from_wkb(g) for g in data["geometry"].to_pylist()])
    compare_columns(rows, {name: data[name].to_pylist() for name in data.column_names}, len(rows))
    check_database(gpkg)


def stac(path):
    import pystac
    from pystac.validation.local_validator import LocalValidator

    path = pathlib.Path(path)
    item = json.loads(path.read_text())
    read = pystac.Item.from_dict(item, preserve_dict=True)
    core = {**item, "stac_extensions": []}
    errors = list(LocalValidator().item_validator("1.1.0").iter_errors(core))
    assert not errors, errors
    assert read.id == path.stem and item["stac_version"] == "1.1.0"
    for asset in item["assets"].values():
        data = (path.parent / asset["href"]).read_bytes()
        assert asset["file:size"] == len(data)
        assert asset["file:checksum"] == "1220" + hashlib.sha256(data).hexdigest()
    for link in item["links"]:
        assert link["rel"] == "derived_from" and (path.parent / link["href"]).exists(), link
    if item["geometry"]:
        shape = shapely.geometry.shape(item["geometry"])
        west, south, east, north = item["bbox"]
        assert shape.is_valid and np.allclose([south, north], [shape.bounds[1], shape.bounds[3]], atol=1e-6)
        if west <= east:
            assert np.allclose(item["bbox"], shape.bounds, rtol=0, atol=1e-6)
    print(" ".join(sorted(item["assets"])))


if __name__ == "__main__":
    {"scenes": scenes, "alike": alike, "sites": sites, "index": index, "stac": stac}[sys.argv[1]](*sys.argv[2:])
