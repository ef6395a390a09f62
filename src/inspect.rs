//! What a tile or a product is, and what a model would be fed of it; stands beside the street.

mod product;

use std::path::Path;

use serde_json::{Value, json};

use crate::Result;
use crate::infer::windows::Windows;
use crate::model::manifest::Padding;
use crate::model::{Manifest, Model};
use crate::raster::{Format, Geo, Planes, Raster};
use crate::scene::{Product, ProductName, Scene, SceneOptions};

/// Windows that are looked at, spread evenly over the tile.
const SAMPLED_WINDOWS_MAX: u64 = 64;

/// The facts of a tile as JSON: `format, width, height, dtype, nodata, crs, footprint, date, cloud_cover,
/// bands[{name, minimum, mean, maximum, valid, scale, offset, sha256}], fed`. Statistics are of raw samples without
/// nodata; `sha256` is over the band's raw samples, row by row, little-endian. `fed` says what the model that
/// `model` gives would see, or why it would see nothing. A product's facts are those of its metadata and the list of its
/// files.
///
/// # Errors
/// Those of reading the tile; trouble with the model is a fact under `fed`.
pub fn tile_facts(path: &Path, options: &SceneOptions, model: impl FnOnce() -> Result<Model>) -> Result<Value> {
    if Product::is_product(path) {
        return product::facts(path, options, model);
    }
    let raster = Raster::open(path, &options.read)?;
    let header = raster.header();
    let bands = raster.band_facts()?.into_iter().zip(&header.bands).map(|(facts, info)| {
        json!({
            "name": info.description,
            "minimum": facts.minimum,
            "mean": facts.mean,
            "maximum": facts.maximum,
            "valid": facts.valid,
            "scale": info.scale,
            "offset": info.offset,
            "sha256": hex(&facts.sha256),
        })
    });
    let bands: Vec<Value> = bands.collect();
    let fed = model()
        .and_then(|model| fed(path, options, &model))
        .unwrap_or_else(|error| json!({ "error": error.to_string() }));
    let known = facts_beside(path, options, &raster);
    Ok(json!({
        "format": format_name(header.format),
        "width": header.width,
        "height": header.height,
        "dtype": header.sample_type.name(),
        "axes": (header.format == Format::Npy).then(|| npy_axes(header.bands.len(), raster.is_planar())),
        "nodata": header.nodata.map(number),
        "crs": header.geo.as_ref().and_then(|geo| geo.epsg).map(|code| format!("EPSG:{code}")),
        "transform": header.geo.as_ref().map(|geo: &Geo| geo.transform),
        "footprint": header.geo.as_ref().and_then(|geo| geo.footprint(crate::raster::Window { x: 0, y: 0, width: header.width, height: header.height })),
        "date": known.0,
        "cloud_cover": known.1,
        "bands": bands,
        "fed": fed,
    }))
}

/// Date and cloud cover, as a run would know them.
fn facts_beside(path: &Path, options: &SceneOptions, raster: &Raster) -> (Option<String>, Option<f64>) {
    let circumstances = crate::scene::circumstances(path, options, &ProductName::of(path), raster.header());
    (circumstances.0.map(|date| date.to_string()), circumstances.1)
}

/// Reflectance percentiles of what the model would see beside those of its training set.
fn fed(path: &Path, options: &SceneOptions, model: &Model) -> Result<Value> {
    let manifest = &model.manifest;
    let scene = Scene::open(path, manifest, options)?;
    let extent = scene.extent();
    let windows = Windows::plan(extent.width, extent.height, manifest.tile_px, manifest.overlap_px, Padding::Nodata)?;
    let mut samples = vec![Vec::new(); manifest.bands.len()];
    let (preprocessing, side) = (crate::infer::preprocess::Preprocessing::new(manifest), manifest.tile_px as usize);
    let (mut input, mut valid) = (vec![0.0; manifest.bands.len() * side * side], vec![true; side * side]);
    let mut planes = Planes::new();
    let step = windows.count().div_ceil(SAMPLED_WINDOWS_MAX) as usize;
    for index in (0..windows.count()).step_by(step) {
        scene.image.read(windows.window(index), &scene.bands.indices, &mut planes)?;
        preprocessing.apply(&planes, &scene.radiometry, &mut input, &mut valid);
        for ((band, values), samples) in manifest.bands.iter().zip(input.chunks_exact(side * side)).zip(&mut samples) {
            let reflectance = values.iter().map(|value| value * band.standard_deviation + band.mean);
            samples.extend(reflectance.zip(&valid).filter(|(_, is_valid)| **is_valid).map(|(value, _)| value));
        }
    }
    let bands = manifest.bands.iter().zip(&mut samples).map(|(band, samples)| {
        samples.sort_by(f32::total_cmp);
        json!({
            "name": band.name,
            "p02": percentile(samples, 0.02),
            "median": percentile(samples, 0.5),
            "p98": percentile(samples, 0.98),
            "training": band.training.map(|training| {
                json!({ "p02": short(training.p02), "median": short(training.median), "p98": short(training.p98) })
            }),
        })
    });
    let bands: Vec<Value> = bands.collect();
    Ok(json!({
        "model": manifest.name,
        "bands_source": scene.bands.source.as_str(),
        "bands_taken": bands_taken(&scene, manifest),
        "radiometry_source": scene.radiometry.source,
        "dn_scale": scene.radiometry.bands.iter().map(|band| band.dn_scale).collect::<Vec<_>>(),
        "dn_offset": scene.radiometry.bands.iter().map(|band| band.dn_offset).collect::<Vec<_>>(),
        "windows": windows.count(),
        "reflectance": bands,
    }))
}

/// The file's bands that the model takes, numbered from 1 as they lie in the file, and what each was taken for.
fn bands_taken(scene: &Scene, manifest: &Manifest) -> Vec<String> {
    let sources = manifest.sources();
    let mut taken: Vec<(usize, &str)> =
        scene.bands.indices.iter().zip(&sources).map(|(index, source)| (index + 1, source.name.as_str())).collect();
    taken.sort_unstable();
    taken.into_iter().map(|(number, name)| format!("{number} {name}")).collect()
}

/// The sample at this share of a sorted list (nearest rank).
fn percentile(sorted: &[f32], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    sorted.get((last as f64 * share).round() as usize).copied().map(short)
}

/// The shortest decimal that reads back to the same f32; JSON would write the nearest f64's.
fn short(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}

/// JSON knows no NaN.
fn number(value: f64) -> Value {
    if value.is_nan() { json!("nan") } else { json!(value) }
}

fn format_name(format: Format) -> &'static str {
    match format {
        Format::Tiff => "TIFF",
        Format::BigTiff => "BigTIFF",
        Format::Jpeg => "JPEG",
        Format::Npy => "NPY",
        Format::Png => "PNG",
        Format::Jpeg2000 => "JPEG 2000",
    }
}

/// What the axes of an array were taken for.
fn npy_axes(bands: usize, is_planar: bool) -> &'static str {
    match (bands, is_planar) {
        (1, true) => "[height, width], or one band before them",
        (_, true) => "[bands, height, width]",
        (_, false) => "[height, width, bands]",
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
