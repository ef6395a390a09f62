//! Which file gives which band: from a product to a stack on one grid.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::product::{Entry, Product, Role};
use super::{BandSource, Bands, canonical_band};
use crate::model::Manifest;
use crate::raster::{BandInfo, Frame, Geo, Header, Kernel, Layer, Raster, ReadOptions, SampleType, Stack};
use crate::{Error, Result};

/// Metres of a pixel of Sentinel-2's bands as they are measured.
fn native_m(band: &str) -> Option<u32> {
    Some(match band {
        "B02" | "B03" | "B04" | "B08" => 10,
        "B05" | "B06" | "B07" | "B8A" | "B11" | "B12" => 20,
        "B01" | "B09" | "B10" => 60,
        _ => return None,
    })
}

/// Pixels of up to this many times the size that a band is measured at, or down to its inverse, pass for that size: degrees
/// make pixels of 11 m of those of 10.
const RESAMPLED_FACTOR: f64 = 1.5;

/// Whether the pixels of an image with these bands are coarser than Sentinel-2 measures the finest of them, or finer than it
/// measures any.
pub(super) fn are_resampled(geo: Option<&Geo>, bands: &[&str]) -> bool {
    let finest = bands.iter().filter_map(|band| native_m(band)).min().map(f64::from);
    let sizes = geo.and_then(Geo::pixel_size_m).zip(finest);
    sizes.is_some_and(|(pixel_m, finest_m)| pixel_m > finest_m * RESAMPLED_FACTOR || pixel_m < 10.0 / RESAMPLED_FACTOR)
}

/// Opens files once, however many layers they give.
pub(super) struct Opener<'a> {
    options: &'a ReadOptions,
    open: HashMap<PathBuf, Arc<Raster>>,
}

impl<'a> Opener<'a> {
    pub(super) fn new(options: &'a ReadOptions) -> Self {
        Self { options, open: HashMap::new() }
    }

    pub(super) fn open(&mut self, entry: &Entry) -> Result<Arc<Raster>> {
        let path = entry.location.file()?;
        if let Some(raster) = self.open.get(&path) {
            return Ok(raster.clone());
        }
        let raster = Raster::open(&path, self.options)
            .map_err(|error| error.without_context(path.display()).context(entry.location.text()))?;
        let raster = Arc::new(raster);
        self.open.insert(path, raster.clone());
        Ok(raster)
    }
}

/// A model's bands of a product, on one grid.
pub(super) struct Chosen {
    pub(super) stack: Stack,
    pub(super) bands: Bands,
    /// The stack as if it were one file.
    pub(super) header: Header,
    /// The names under which the product knows the bands, in the model's order.
    pub(super) names: Vec<String>,
    /// Whether samples that mean "no data" are NaN already, since those of one band are numbers in another.
    pub(super) is_mixed: bool,
    /// Whether the grid is coarser or finer than the finest of the bands is measured.
    pub(super) is_other_resolution: bool,
}

/// Puts the model's bands together at `resolution_m`, or at the finest resolution that Sentinel-2 measures any of them
/// at.
///
/// # Errors
/// [`crate::Kind::Unsupported`] naming every band that is missing, or a file that does not fit the others.
pub(super) fn choose(
    product: &Product,
    manifest: &Manifest,
    resolution_m: Option<u32>,
    opener: &mut Opener<'_>,
) -> Result<Chosen> {
    let sources = manifest.sources();
    let needed: Vec<String> = sources.iter().map(|source| canonical_band(&source.name)).collect();
    let finest = needed.iter().filter_map(|band| native_m(band)).min();
    let grid_m = resolution_m.or(finest);
    let mut chosen: Vec<&Entry> = Vec::new();
    let mut missing = Vec::new();
    for (band, spec) in needed.iter().zip(&sources) {
        let names = std::iter::once(band.as_str()).chain(spec.substitutes.iter().map(String::as_str));
        match names.filter_map(|name| file_of(product, name, grid_m)).next() {
            Some(entry) => chosen.push(entry),
            None => missing.push(band.as_str()),
        }
    }
    if !missing.is_empty() {
        return Err(missing_bands(product, &needed, &missing, grid_m, resolution_m));
    }
    let mut rasters = Vec::new();
    for entry in &chosen {
        refuse_twin(product, entry)?;
        let raster = opener.open(entry)?;
        if raster.header().bands.len() != 1 {
            return Err(Error::unsupported(format!(
                "{} has {} bands, and a product's band files have one",
                entry.location.text(),
                raster.header().bands.len()
            )));
        }
        rasters.push(raster);
    }
    let frame = frame(product, &chosen, &rasters, grid_m, resolution_m)?;
    let is_other_resolution = finest.is_some() && grid_m != finest;
    stack(product, manifest, &chosen, rasters, frame).map(|chosen| Chosen { is_other_resolution, ..chosen })
}

/// The file of a band that gives the grid's pixels best: of its own size, else the coarsest of the finer ones, else the
/// finest there is of a band that is measured no finer.
fn file_of<'a>(product: &'a Product, band: &str, grid_m: Option<u32>) -> Option<&'a Entry> {
    let of_band = || product.entries.iter().filter(|entry| entry.role.band() == Some(band));
    let Some(grid_m) = grid_m else { return of_band().next() };
    let measured_m = native_m(band).unwrap_or(grid_m);
    let size = |entry: &&Entry| entry.resolution_m.unwrap_or(measured_m);
    // A whole number of its pixels should make one of the grid.
    let fits = |entry: &&Entry| size(entry) <= grid_m && grid_m.is_multiple_of(size(entry));
    let fine = of_band().filter(fits).max_by_key(size);
    let fine = fine.or_else(|| of_band().filter(|entry| size(entry) <= grid_m).max_by_key(size));
    fine.or_else(|| of_band().filter(|entry| size(entry) <= measured_m).min_by_key(size))
}

/// Refuses a file beside which another claims to be the same band at the same resolution.
fn refuse_twin(product: &Product, entry: &Entry) -> Result<()> {
    let (band, own) = (entry.role.band().unwrap_or_default(), entry.location.text());
    let is_twin = |other: &&Entry| (&other.role, other.resolution_m) == (&entry.role, entry.resolution_m);
    let mut names = product.entries.iter().filter(is_twin).map(|other| other.location.text());
    names.find(|name| *name != own).map_or(Ok(()), |other| {
        Err(Error::unsupported(format!(
            "band {band} stands twice: {own} and {other}; leave one of them in the product"
        )))
    })
}

fn missing_bands(
    product: &Product,
    needed: &[String],
    missing: &[&str],
    grid_m: Option<u32>,
    asked: Option<u32>,
) -> Error {
    let coarser = |band: &&&str| {
        let of_band = product.entries.iter().filter(|entry| entry.role.band() == Some(**band));
        of_band.filter_map(|entry| entry.resolution_m).min()
    };
    let sizes: Option<Vec<u32>> = missing.iter().map(|band| coarser(&band)).collect();
    let remedy = match sizes.and_then(|sizes| sizes.into_iter().max()) {
        Some(size) if asked.is_none_or(|asked| asked < size) => {
            format!("; it has them at {size} m: give --resolution {size} to decide that")
        }
        _ => String::new(),
    };
    let at = grid_m.map_or(String::new(), |metres| format!(" at {metres} m"));
    Error::unsupported(format!(
        "band {} missing{at}: the model needs {}, the product holds {}{remedy}",
        missing.join(", "),
        needed.join(","),
        held(product)
    ))
}

/// `B02 (60 m), B03 (10, 20 m)`
fn held(product: &Product) -> String {
    let describe = |band: &str| {
        let of_band = product.entries.iter().filter(|entry| entry.role.band() == Some(band));
        let sizes: Vec<String> = of_band.filter_map(|entry| entry.resolution_m).map(|size| size.to_string()).collect();
        if sizes.is_empty() { band.to_owned() } else { format!("{band} ({} m)", sizes.join(", ")) }
    };
    product.bands().into_iter().map(describe).collect::<Vec<_>>().join(", ")
}

/// The grid: that of the finest file chosen, brought to the resolution asked for.
fn frame(
    product: &Product,
    chosen: &[&Entry],
    rasters: &[Arc<Raster>],
    grid_m: Option<u32>,
    asked: Option<u32>,
) -> Result<Frame> {
    let widest = chosen.iter().zip(rasters).max_by_key(|(_, raster)| raster.header().width);
    let (entry, raster) = widest.ok_or_else(|| Error::usage("a scene without bands"))?;
    let header = raster.header();
    let (width, height) = (header.width, header.height);
    let Some(geo) = header.geo.clone().or_else(|| geocoding(product, entry)) else {
        return match asked {
            None => Ok(Frame { width, height, geo: None }),
            Some(_) => Err(Error::unsupported(format!(
                "nothing says how large the pixels of {} are, so that --resolution has no meaning; drop it",
                entry.location.text()
            ))),
        };
    };
    let size_m = geo.transform[1];
    let Some(grid_m) = grid_m.map(f64::from) else { return Ok(Frame { width, height, geo: Some(geo) }) };
    let ratio = grid_m / size_m;
    if asked.is_none() && (ratio - 1.0).abs() > 0.01 {
        return Err(Error::unsupported(format!(
            "the pixels of {} are {size_m} m, those of the model's bands {grid_m} m; give --resolution {} to decide that",
            entry.location.text(),
            size_m.round()
        )));
    }
    if ratio < 0.99 || (ratio - ratio.round()).abs() > 0.01 {
        return Err(Error::usage(format!(
            "--resolution {grid_m}: the finest of the bands has pixels of {size_m} m; give a whole multiple of that"
        )));
    }
    if ratio > f64::from(width.min(height)) {
        return Err(Error::usage(format!(
            "--resolution {grid_m}: the scene has {width}x{height} pixels of {size_m} m, not one of that size"
        )));
    }
    let ratio = ratio.round() as u32;
    let mut geo = geo;
    geo.transform[1] *= f64::from(ratio);
    geo.transform[5] *= f64::from(ratio);
    Ok(Frame { width: width / ratio, height: height / ratio, geo: Some(geo) })
}

/// Where the metadata says that a file lies.
fn geocoding(product: &Product, entry: &Entry) -> Option<crate::raster::Geo> {
    let size = entry.resolution_m.or_else(|| entry.role.band().and_then(native_m))?;
    product.geocoding.iter().find(|(metres, _)| *metres == size).map(|(_, geo)| geo.clone())
}

fn stack(
    product: &Product,
    manifest: &Manifest,
    chosen: &[&Entry],
    rasters: Vec<Arc<Raster>>,
    frame: Frame,
) -> Result<Chosen> {
    let is_reflectance: Vec<bool> = manifest.sources().iter().map(|source| source.is_reflectance).collect();
    let is_mixed = is_reflectance.contains(&false);
    let first = rasters.iter().zip(&is_reflectance).find(|(_, is_reflectance)| **is_reflectance);
    let Some(first) = first.map(|(raster, _)| raster).or(rasters.first()).cloned() else {
        return Err(Error::usage("a scene without bands"));
    };
    let nodata: Vec<f64> = match &product.special_dn[..] {
        [] => first.header().nodata_sample().into_iter().collect(),
        special => special.to_vec(),
    };
    let (mut layers, mut infos, mut names) = (Vec::new(), Vec::new(), Vec::new());
    for ((entry, raster), is_reflectance) in chosen.iter().zip(rasters).zip(is_reflectance) {
        let name = entry.role.band().unwrap_or_default().to_owned();
        let own = raster.header();
        if is_mixed {
            check_mixable(entry, own.sample_type)?;
        }
        if is_reflectance && own.sample_type != first.header().sample_type {
            return Err(Error::unsupported(format!(
                "{} holds {} samples, the first band {}; a band that is no reflectance needs its unit in the model's \
                 manifest (s2infer:inference.units)",
                entry.location.text(),
                own.sample_type.name(),
                first.header().sample_type.name()
            )));
        }
        let info = own.bands.first().cloned().unwrap_or_default();
        infos.push(BandInfo { description: Some(name.clone()), ..info });
        names.push(name);
        let geo = geocoding(product, entry);
        if let (Some(own), Some(stated)) = (&own.geo, &geo)
            && (own.epsg != stated.epsg || own.transform.iter().zip(stated.transform).any(|(a, b)| (a - b).abs() > 1.0))
        {
            return Err(Error::unsupported(format!(
                "{} lies elsewhere than the metadata says (EPSG:{}, {:?})",
                entry.location.text(),
                stated.epsg.unwrap_or_default(),
                stated.transform
            )));
        }
        let own_nodata = match is_reflectance {
            true => reflectance_nodata(&nodata, own, manifest),
            false => own.nodata_sample().into_iter().collect(),
        };
        let layer = Layer::fit(raster, 0, geo.as_ref(), &frame, Kernel::Linear);
        layers.push((layer.map_err(|error| error.context(entry.location.text()))?, own_nodata));
    }
    let mut header = first.header().clone();
    (header.width, header.height, header.geo) = (frame.width, frame.height, frame.geo.clone());
    header.bands = infos;
    header.nodata = nodata.first().copied().filter(|_| !is_mixed);
    let bands = Bands { indices: (0..layers.len()).collect(), source: BandSource::FileNames };
    let stack = match is_mixed {
        true => Stack::mixed(frame, layers)?,
        false => Stack::new(frame, layers.into_iter().map(|(layer, _)| layer).collect(), nodata)?,
    };
    Ok(Chosen { stack, bands, header, names, is_mixed, is_other_resolution: false })
}

/// What means "no data" in a band of reflectance that is stacked with other quantities: what it would be without them.
fn reflectance_nodata(common: &[f64], own: &Header, manifest: &Manifest) -> Vec<f64> {
    let default = manifest.dn_defaults.get(own.sample_type.name()).and_then(|default| default.nodata);
    common.iter().copied().chain(default.map(|value| own.sample_type.rounded(value))).collect()
}

/// Bands of several quantities meet as float32, which must hold every sample.
fn check_mixable(entry: &Entry, sample_type: SampleType) -> Result<()> {
    match sample_type {
        SampleType::U8 | SampleType::U16 | SampleType::I16 | SampleType::F32 => Ok(()),
        SampleType::U32 | SampleType::I32 | SampleType::F64 => Err(Error::unsupported(format!(
            "{} holds {} samples, and bands of reflectance and other units are put together as float32; convert it: \
             gdal_translate -ot Float32",
            entry.location.text(),
            sample_type.name()
        ))),
    }
}

/// The finest file of a role, as a layer of classes on a grid.
pub(super) fn classes(
    product: &Product,
    role: &Role,
    band: usize,
    frame: &Frame,
    opener: &mut Opener<'_>,
) -> Result<Option<Layer>> {
    let of_role = product.entries.iter().filter(|entry| entry.role == *role);
    let Some(entry) = of_role.min_by_key(|entry| entry.resolution_m) else { return Ok(None) };
    let raster = opener.open(entry)?;
    if band >= raster.header().bands.len() {
        return Ok(None);
    }
    let geo = geocoding(product, entry);
    let layer = Layer::fit(raster, band, geo.as_ref(), frame, Kernel::Nearest);
    layer.map(Some).map_err(|error| error.context(entry.location.text()))
}
