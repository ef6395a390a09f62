//! The table as a GeoPackage (OGC 12-128r19, version 1.4), one layer with an R-tree index.

mod schema;

use std::path::Path;

use jiff::civil::Date;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, OpenFlags, ToSql, params_from_iter};

use super::crs::LayerCrs;
use super::feature::{Cell, Feature, Layer, Writer};
use super::geometry::{EMPTY_BOUNDS, Shape, rounded};
use super::ndjson::to_json;
use super::{AtomicFile, TableOptions};
use crate::{Error, Result};

/// A database under construction, in a temporary file of its own. No journal is needed: a file that is not finished never
/// gets its name.
pub(super) struct GeoPackage {
    file: AtomicFile,
    database: Connection,
    layer: Layer,
    insert: String,
    insert_index: String,
    crs: LayerCrs,
    bounds: [f64; 4],
    rows: i64,
    newest: Option<Date>,
    options: TableOptions,
}

impl GeoPackage {
    pub(super) fn create(path: &Path, layer: Layer, options: &TableOptions) -> Result<Self> {
        let file = AtomicFile::create(path)?;
        let failed = |error: rusqlite::Error| database_error(path, &error);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let database = Connection::open_with_flags(file.temporary_path(), flags).map_err(failed)?;
        database.execute_batch(schema::OPENING).map_err(failed)?;
        database.execute_batch(&schema::layer(&layer)).map_err(failed)?;
        let places = vec!["?"; layer.columns.len() + 2].join(",");
        Ok(Self {
            insert: format!("INSERT INTO \"{}\" VALUES ({places})", layer.name),
            insert_index: format!("INSERT INTO \"{}\" VALUES (?,?,?,?,?)", schema::index(&layer)),
            file,
            database,
            layer,
            crs: LayerCrs::default(),
            bounds: EMPTY_BOUNDS,
            rows: 0,
            newest: None,
            options: options.clone(),
        })
    }

    fn insert(&mut self, feature: &Feature<'_>) -> rusqlite::Result<()> {
        self.rows += 1;
        let geometry = feature.shape.as_ref().map(|(shape, epsg)| binary(shape, *epsg));
        let head = [Value::Integer(self.rows), geometry.map_or(Value::Null, Value::Blob)];
        let head = head.iter().map(|value| value as &dyn ToSql);
        let cells = feature.cells.iter().map(|cell| cell as &dyn ToSql);
        self.database.prepare_cached(&self.insert)?.execute(params_from_iter(head.chain(cells)))?;
        if let Some((shape, _)) = &feature.shape {
            let [left, bottom, right, top] = shape.bounds();
            let mut index = self.database.prepare_cached(&self.insert_index)?;
            index.execute((self.rows, left, right, bottom, top))?;
            let [min_x, min_y, max_x, max_y] = self.bounds;
            self.bounds = [min_x.min(left), min_y.min(bottom), max_x.max(right), max_y.max(top)];
        }
        Ok(())
    }

    /// When the content last changed: as it was told, else the newest day in it, so that the same rows are the same bytes.
    fn last_change(&self) -> String {
        let told = self.options.last_change.map(|moment| moment.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string());
        let day = || self.newest.map(|day| format!("{day}T00:00:00.000Z"));
        told.or_else(day).unwrap_or_else(|| "1970-01-01T00:00:00.000Z".into())
    }
}

impl Writer for GeoPackage {
    fn write(&mut self, feature: &Feature<'_>) -> Result<()> {
        if let Some((_, epsg)) = feature.shape {
            self.crs.take(epsg, feature.tile)?;
        }
        self.newest = self.newest.max(feature.date);
        self.insert(feature).map_err(|error| database_error(self.file.path(), &error))
    }

    fn finish(self: Box<Self>) -> Result<()> {
        let extent = (self.rows > 0 && self.crs.epsg().is_some()).then_some(self.bounds);
        let contents = schema::Contents {
            crs: self.crs.epsg().or(self.options.usual_crs()),
            extent,
            last_change: self.last_change(),
        };
        contents.write(&self.database, &self.layer)?.map_err(|error| database_error(self.file.path(), &error))?;
        let Self { file, database, .. } = *self;
        database.close().map_err(|(_, error)| database_error(file.path(), &error))?;
        file.commit()
    }
}

/// A geometry as the standard stores it (clause 2.1.3): header with envelope, then well-known binary.
fn binary(shape: &Shape, epsg: u32) -> Vec<u8> {
    /// Little-endian, with an envelope of x and y.
    const FLAGS: u8 = 0b0000_0011;
    let [left, bottom, right, top] = shape.bounds();
    let mut bytes = vec![b'G', b'P', 0, FLAGS];
    bytes.extend((epsg as i32).to_le_bytes());
    bytes.extend([left, right, bottom, top].iter().flat_map(|edge| edge.to_le_bytes()));
    bytes.extend(shape.to_multi_wkb());
    bytes
}

impl ToSql for Cell<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let json =
            |value: &Cell<'_>| to_json(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()));
        Ok(match self {
            Cell::Null => ToSqlOutput::Owned(Value::Null),
            Cell::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Cell::Integer(number) => ToSqlOutput::Owned(Value::Integer((*number).try_into().unwrap_or(i64::MAX))),
            Cell::Float(number) => ToSqlOutput::Owned(Value::Real((*number).into())),
            Cell::Fixed(number, decimals) => {
                ToSqlOutput::Owned(rounded(*number, *decimals).map_or(Value::Null, Value::Real))
            }
            Cell::Date(date) => ToSqlOutput::Owned(Value::Text(date.to_string())),
            Cell::Members(_) | Cell::Scores(_) => ToSqlOutput::Owned(Value::Text(json(self)?)),
        })
    }
}

fn database_error(path: &Path, error: &rusqlite::Error) -> Error {
    Error::output(format!("{}: cannot write: {error}", path.display()))
}
