//! The tables that make an SQLite file a GeoPackage.

use rusqlite::Connection;

use crate::Result;
use crate::output::crs::{WGS84, definition};
use crate::output::feature::{Kind, Layer};

/// The column of the geometries.
const GEOMETRY: &str = "geom";
const UNDEFINED_CARTESIAN: i64 = -1;

/// Begins the one transaction of the file. The application's id is `GPKG`, the user's version 1.4.0 (requirement 2). What a
/// killed run leaves is removed, not repaired, so that nothing is journalled or waited for.
pub(super) const OPENING: &str = "
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA temp_store = MEMORY;
PRAGMA locking_mode = EXCLUSIVE;
PRAGMA application_id = 1196444487;
PRAGMA user_version = 10400;
BEGIN;
CREATE TABLE gpkg_spatial_ref_sys (
  srs_name TEXT NOT NULL,
  srs_id INTEGER PRIMARY KEY,
  organization TEXT NOT NULL,
  organization_coordsys_id INTEGER NOT NULL,
  definition TEXT NOT NULL,
  description TEXT
);
CREATE TABLE gpkg_contents (
  table_name TEXT NOT NULL PRIMARY KEY,
  data_type TEXT NOT NULL,
  identifier TEXT UNIQUE,
  description TEXT DEFAULT '',
  last_change DATETIME NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')),
  min_x DOUBLE,
  min_y DOUBLE,
  max_x DOUBLE,
  max_y DOUBLE,
  srs_id INTEGER,
  CONSTRAINT fk_gc_r_srs_id FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys(srs_id)
);
CREATE TABLE gpkg_geometry_columns (
  table_name TEXT NOT NULL,
  column_name TEXT NOT NULL,
  geometry_type_name TEXT NOT NULL,
  srs_id INTEGER NOT NULL,
  z TINYINT NOT NULL,
  m TINYINT NOT NULL,
  CONSTRAINT pk_geom_cols PRIMARY KEY (table_name, column_name),
  CONSTRAINT uk_gc_table_name UNIQUE (table_name),
  CONSTRAINT fk_gc_tn FOREIGN KEY (table_name) REFERENCES gpkg_contents(table_name),
  CONSTRAINT fk_gc_srs FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys (srs_id)
);
CREATE TABLE gpkg_extensions (
  table_name TEXT,
  column_name TEXT,
  extension_name TEXT NOT NULL,
  definition TEXT NOT NULL,
  scope TEXT NOT NULL,
  CONSTRAINT ge_tce UNIQUE (table_name, column_name, extension_name)
);
INSERT INTO gpkg_spatial_ref_sys VALUES
  ('Undefined Cartesian SRS', -1, 'NONE', -1, 'undefined', 'undefined Cartesian coordinate reference system'),
  ('Undefined geographic SRS', 0, 'NONE', 0, 'undefined', 'undefined geographic coordinate reference system');
";

/// The table of a layer and its index.
pub(super) fn layer(layer: &Layer) -> String {
    let columns = layer.columns.iter().map(|column| {
        let kind = match column.kind {
            Kind::Text | Kind::Members | Kind::Nested => "TEXT",
            Kind::Integer => "INTEGER",
            Kind::Float => "FLOAT",
            Kind::Double => "DOUBLE",
            Kind::Date => "DATE",
        };
        format!(", \"{}\" {kind}", column.name)
    });
    format!(
        "CREATE TABLE \"{}\" (\"fid\" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, \"{GEOMETRY}\" MULTIPOLYGON{});
         CREATE VIRTUAL TABLE \"{}\" USING rtree(id, minx, maxx, miny, maxy);",
        layer.name,
        columns.collect::<String>(),
        index(layer)
    )
}

/// The name of a layer's index.
pub(super) fn index(layer: &Layer) -> String {
    format!("rtree_{}_{GEOMETRY}", layer.name)
}

/// What the file says of its layer, once all rows are in.
pub(super) struct Contents {
    /// The layer's reference system, if it has one.
    pub(super) crs: Option<u32>,
    /// `[min x, min y, max x, max y]`
    pub(super) extent: Option<[f64; 4]>,
    pub(super) last_change: String,
}

impl Contents {
    /// Ends the transaction. An error of the outer kind is a reference system that is not known here.
    pub(super) fn write(&self, database: &Connection, layer: &Layer) -> Result<rusqlite::Result<()>> {
        let mut systems = vec![WGS84];
        systems.extend(self.crs.filter(|crs| *crs != WGS84));
        let systems = systems.into_iter().map(|epsg| Ok((epsg, definition(epsg)?))).collect::<Result<Vec<_>>>()?;
        Ok(self.insert(database, layer, systems))
    }

    fn insert(
        &self,
        database: &Connection,
        layer: &Layer,
        systems: Vec<(u32, (String, String))>,
    ) -> rusqlite::Result<()> {
        for (epsg, (name, definition)) in systems {
            let statement = "INSERT INTO gpkg_spatial_ref_sys VALUES (?1, ?2, 'EPSG', ?2, ?3, NULL)";
            database.execute(statement, (name, epsg, definition))?;
        }
        let srs = self.crs.map_or(UNDEFINED_CARTESIAN, i64::from);
        let [min_x, min_y, max_x, max_y] = self.extent.map_or([None; 4], |extent| extent.map(Some));
        database.execute(
            "INSERT INTO gpkg_contents VALUES (?1, 'features', ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            (layer.name, layer.description, &self.last_change, min_x, min_y, max_x, max_y, srs),
        )?;
        database.execute(
            "INSERT INTO gpkg_geometry_columns VALUES (?1, ?2, 'MULTIPOLYGON', ?3, 0, 0)",
            (layer.name, GEOMETRY, srs),
        )?;
        database.execute(
            "INSERT INTO gpkg_extensions VALUES (?1, ?2, 'gpkg_rtree_index', ?3, 'write-only')",
            (layer.name, GEOMETRY, "http://www.geopackage.org/spec120/#extension_rtree"),
        )?;
        database.execute_batch(&triggers(layer))?;
        database.execute_batch("COMMIT")
    }
}

/// The triggers that keep the index right when another program edits the layer (annex F.3 of the standard).
fn triggers(layer: &Layer) -> String {
    let (table, index) = (layer.name, index(layer));
    let is_there = |row: &str| format!("({row}.\"{GEOMETRY}\" NOTNULL AND NOT ST_IsEmpty({row}.\"{GEOMETRY}\"))");
    let is_not_there = |row: &str| format!("({row}.\"{GEOMETRY}\" ISNULL OR ST_IsEmpty({row}.\"{GEOMETRY}\"))");
    let edge = |function: &str| format!("ST_{function}(NEW.\"{GEOMETRY}\")");
    let edges = ["MinX", "MaxX", "MinY", "MaxY"].map(edge);
    let values = edges.join(", ");
    let insert = format!("INSERT OR REPLACE INTO \"{index}\" VALUES (NEW.\"fid\", {values});");
    let add = format!("INSERT INTO \"{index}\" VALUES (NEW.\"fid\", {values});");
    let [min_x, max_x, min_y, max_y] = edges;
    let update = format!(
        "UPDATE \"{index}\" SET minx = {min_x}, maxx = {max_x}, miny = {min_y}, maxy = {max_y} WHERE id = NEW.\"fid\";"
    );
    let delete = format!("DELETE FROM \"{index}\" WHERE id = OLD.\"fid\";");
    let delete_both = format!("DELETE FROM \"{index}\" WHERE id IN (OLD.\"fid\", NEW.\"fid\");");
    let (old, new, no_old, no_new) = (is_there("OLD"), is_there("NEW"), is_not_there("OLD"), is_not_there("NEW"));
    let (same, other) = ("OLD.\"fid\" = NEW.\"fid\"", "OLD.\"fid\" != NEW.\"fid\"");
    let of_geometry = format!("UPDATE OF \"{GEOMETRY}\"");
    let triggers = [
        ("insert", "INSERT", new.clone(), insert.clone()),
        ("update2", &of_geometry, format!("{same} AND {no_new}"), delete.clone()),
        ("update4", "UPDATE", format!("{other} AND {no_new}"), delete_both),
        ("update5", "UPDATE", format!("{other} AND {new}"), format!("{delete} {insert}")),
        ("update6", &of_geometry, format!("{same} AND {new} AND {old}"), update),
        ("update7", &of_geometry, format!("{same} AND {new} AND {no_old}"), add),
        ("delete", "DELETE", format!("OLD.\"{GEOMETRY}\" NOT NULL"), delete),
    ];
    let statement = |(name, event, condition, action): (&str, &str, String, String)| {
        format!("CREATE TRIGGER \"{index}_{name}\" AFTER {event} ON \"{table}\" WHEN {condition} BEGIN {action} END;\n")
    };
    triggers.map(statement).concat()
}
