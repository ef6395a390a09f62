//! The table as GeoParquet (version 1.1), row groups of bounded size.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use jiff::civil::date;
use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, FloatType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::Type;
use serde_json::json;

use super::AtomicFile;
use super::crs::{LayerCrs, projjson};
use super::feature::{Cell, Feature, Kind, Layer, Writer};
use super::geometry::{EMPTY_BOUNDS, Shape, rounded};
use super::ndjson::to_json;
use crate::limits::PARQUET_GROUP_ROWS;
use crate::{Error, Result};

/// The column of the geometries, the last.
const GEOMETRY: &str = "geometry";

pub(super) struct GeoParquet {
    name: String,
    writer: SerializedFileWriter<AtomicFile>,
    /// The columns of the row group under way.
    columns: Vec<Buffer>,
    rows: usize,
    crs: LayerCrs,
    bounds: [f64; 4],
    geometry_types: BTreeSet<&'static str>,
}

impl GeoParquet {
    pub(super) fn create(path: &Path, layer: &Layer) -> Result<Self> {
        let name = path.display().to_string();
        let file = AtomicFile::create(path)?;
        let created_by = format!("s2infer version {}", env!("CARGO_PKG_VERSION"));
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).set_created_by(created_by);
        let writer = schema(layer)
            .and_then(|schema| SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties.build())));
        Ok(Self {
            writer: writer.map_err(|error| parquet_error(&name, &error))?,
            columns: layer.columns.iter().map(|column| Buffer::new(column.kind)).chain([Buffer::binary()]).collect(),
            rows: 0,
            crs: LayerCrs::default(),
            bounds: EMPTY_BOUNDS,
            geometry_types: BTreeSet::new(),
            name,
        })
    }

    /// Writes the rows that are held as one row group.
    fn flush(&mut self) -> Result<(), ParquetError> {
        if self.rows == 0 {
            return Ok(());
        }
        let mut group = self.writer.next_row_group()?;
        for column in &mut self.columns {
            let mut writer = group.next_column()?.ok_or_else(|| ParquetError::General("a column is missing".into()))?;
            column.write(&mut writer)?;
            writer.close()?;
        }
        group.close()?;
        self.rows = 0;
        Ok(())
    }

    /// The value of the file's key `geo`.
    fn metadata(&self) -> Result<String> {
        let mut column = json!({
            "encoding": "WKB",
            "geometry_types": self.geometry_types,
            "orientation": "counterclockwise",
            "edges": "planar",
        });
        if let Some(epsg) = self.crs.epsg() {
            column["bbox"] = json!(self.bounds);
            if let Some(crs) = projjson(epsg)? {
                column["crs"] = crs;
            }
        }
        let columns = json!({ GEOMETRY: column });
        Ok(json!({ "version": "1.1.0", "primary_column": GEOMETRY, "columns": columns }).to_string())
    }

    fn shape(&mut self, shape: &Shape) -> Vec<u8> {
        let [left, bottom, right, top] = shape.bounds();
        let [min_x, min_y, max_x, max_y] = self.bounds;
        self.bounds = [min_x.min(left), min_y.min(bottom), max_x.max(right), max_y.max(top)];
        self.geometry_types.insert(if shape.is_multiple() { "MultiPolygon" } else { "Polygon" });
        shape.to_wkb()
    }
}

impl Writer for GeoParquet {
    fn write(&mut self, feature: &Feature<'_>) -> Result<()> {
        if let Some((_, epsg)) = feature.shape {
            self.crs.take(epsg, feature.tile)?;
        }
        let geometry = feature.shape.as_ref().map(|(shape, _)| self.shape(shape));
        let (last, plain) = self.columns.split_last_mut().ok_or_else(|| Error::output("a table without columns"))?;
        for (column, cell) in plain.iter_mut().zip(&feature.cells) {
            column.push(cell)?;
        }
        last.push_bytes(geometry);
        self.rows += 1;
        if self.rows == PARQUET_GROUP_ROWS {
            self.flush().map_err(|error| parquet_error(&self.name, &error))?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.flush().map_err(|error| parquet_error(&self.name, &error))?;
        let metadata = self.metadata()?;
        self.writer.append_key_value_metadata(KeyValue::new("geo".into(), metadata));
        let Self { writer, name, .. } = *self;
        writer.into_inner().map_err(|error| parquet_error(&name, &error))?.commit()
    }
}

fn schema(layer: &Layer) -> Result<Type, ParquetError> {
    let columns = layer.columns.iter().map(|column| {
        let (physical, logical) = match column.kind {
            Kind::Text | Kind::Members | Kind::Nested => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            Kind::Integer => (Physical::INT64, None),
            Kind::Float => (Physical::FLOAT, None),
            Kind::Double => (Physical::DOUBLE, None),
            Kind::Date => (Physical::INT32, Some(LogicalType::Date)),
        };
        (column.name, physical, logical)
    });
    let columns = columns.chain([(GEOMETRY, Physical::BYTE_ARRAY, None)]).map(|(name, physical, logical)| {
        let column = Type::primitive_type_builder(name, physical).with_repetition(Repetition::OPTIONAL);
        column.with_logical_type(logical).build().map(Arc::new)
    });
    Type::group_type_builder(layer.name).with_fields(columns.collect::<Result<_, _>>()?).build()
}

/// A column of a row group: which rows have a value (definition level 1), and these values.
struct Buffer {
    levels: Vec<i16>,
    values: Values,
}

enum Values {
    Bytes(Vec<ByteArray>),
    Integer(Vec<i64>),
    Float(Vec<f32>),
    Double(Vec<f64>),
    /// Days since 1 January 1970.
    Date(Vec<i32>),
}

impl Buffer {
    fn new(kind: Kind) -> Self {
        let values = match kind {
            Kind::Text | Kind::Members | Kind::Nested => Values::Bytes(Vec::new()),
            Kind::Integer => Values::Integer(Vec::new()),
            Kind::Float => Values::Float(Vec::new()),
            Kind::Double => Values::Double(Vec::new()),
            Kind::Date => Values::Date(Vec::new()),
        };
        Self { levels: Vec::new(), values }
    }

    fn binary() -> Self {
        Self { levels: Vec::new(), values: Values::Bytes(Vec::new()) }
    }

    /// Adds a cell; one of another type than the column's is null.
    fn push(&mut self, cell: &Cell<'_>) -> Result<()> {
        let is_there = match (&mut self.values, cell) {
            (Values::Bytes(values), Cell::Text(text)) => add(values, Some(text.as_bytes().to_vec().into())),
            (Values::Bytes(values), Cell::Members(_) | Cell::Scores(_)) => {
                add(values, Some(to_json(cell)?.into_bytes().into()))
            }
            (Values::Integer(values), Cell::Integer(number)) => add(values, i64::try_from(*number).ok()),
            (Values::Float(values), Cell::Float(number)) => add(values, Some(*number)),
            (Values::Double(values), Cell::Fixed(number, decimals)) => add(values, rounded(*number, *decimals)),
            (Values::Date(values), Cell::Date(day)) => {
                let since = day.since(date(1970, 1, 1)).map_err(Error::output)?;
                add(values, Some(since.get_days()))
            }
            _ => false,
        };
        self.levels.push(is_there.into());
        Ok(())
    }

    fn push_bytes(&mut self, bytes: Option<Vec<u8>>) {
        if let Values::Bytes(values) = &mut self.values {
            self.levels.push(add(values, bytes.map(ByteArray::from)).into());
        }
    }

    /// Hands everything to the writer.
    fn write(&mut self, writer: &mut SerializedColumnWriter<'_>) -> Result<(), ParquetError> {
        let levels = std::mem::take(&mut self.levels);
        let levels = Some(levels.as_slice());
        match &mut self.values {
            Values::Bytes(values) => writer.typed::<ByteArrayType>().write_batch(&std::mem::take(values), levels, None),
            Values::Integer(values) => writer.typed::<Int64Type>().write_batch(&std::mem::take(values), levels, None),
            Values::Float(values) => writer.typed::<FloatType>().write_batch(&std::mem::take(values), levels, None),
            Values::Double(values) => writer.typed::<DoubleType>().write_batch(&std::mem::take(values), levels, None),
            Values::Date(values) => writer.typed::<Int32Type>().write_batch(&std::mem::take(values), levels, None),
        }
        .map(|_| ())
    }
}

fn add<V>(values: &mut Vec<V>, value: Option<V>) -> bool {
    let is_there = value.is_some();
    values.extend(value);
    is_there
}

fn parquet_error(name: &str, error: &ParquetError) -> Error {
    Error::output(format!("{name}: cannot write: {error}"))
}
