//! DN to reflectance: scale and offset from whatever states them, and an error where two statements differ.
//!
//! Source of the rule: ESA's Sentinel-2 products since processing baseline 04.00 (25 January 2022) store
//! reflectance × 10,000 + 1,000; DN 0 stays "no data". The sensing date says nothing about it, since older scenes
//! were reprocessed with the offset.

use crate::model::Manifest;
use crate::raster::{Header, SampleType};
use crate::{Error, Result};

use super::product::{Declared, ProductName};

/// DN per unit of reflectance in Sentinel-2 products.
const QUANTIFICATION: f64 = 10_000.0;
/// DN added before scaling since processing baseline 04.00.
const OFFSET_SINCE_0400_DN: f64 = -1000.0;
/// First processing baseline with the offset.
const FIRST_BASELINE_WITH_OFFSET: u16 = 400;
/// Relative difference up to which two statements are the same.
const AGREEMENT: f64 = 1e-4;

/// `--dn-scale`, `--dn-offset` and `--dn-force`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct DnFlags {
    /// Reflectance of one DN.
    pub scale: Option<f64>,
    /// DN added before scaling.
    pub offset: Option<f64>,
    /// Believe the flags where the file says otherwise.
    pub force: bool,
}

/// What a sample of one band is worth: reflectance (or what else the band holds) = (DN + `dn_offset`) × `dn_scale`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BandRadiometry {
    /// Reflectance of one DN.
    pub dn_scale: f64,
    /// DN added before scaling.
    pub dn_offset: f64,
}

/// The radiometry of the bands that a model reads, in the order of [`Manifest::sources`].
#[derive(Debug, Clone, PartialEq)]
pub struct Radiometry {
    /// One entry a band.
    pub bands: Vec<BandRadiometry>,
    /// DN that mean "no data", before the offset; at most the file's own and the data type's.
    pub nodata: Vec<f64>,
    /// What stated the scale and the offset: `file`, `product-name`, `command-line`, `model-default`, joined by `+`
    /// where scale and offset come from two of them.
    pub source: String,
    /// Whether nothing stated the offset.
    pub is_offset_assumed: bool,
    /// Whether the pixels are held against the offset: where it is assumed, and in products, whose metadata is known to be
    /// wrong about it.
    pub is_offset_checked: bool,
}

/// One source's word on one band, in DN.
#[derive(Debug, Clone, Copy)]
pub struct Statement {
    source: &'static str,
    scale: Option<f64>,
    offset: Option<f64>,
}

impl Statement {
    /// What the metadata of a product says.
    pub fn declared(source: &'static str, Declared { dn_scale, dn_offset }: Declared) -> Self {
        Self { source, scale: dn_scale, offset: dn_offset }
    }
}

impl Radiometry {
    /// Resolves scale and offset of each band that the model reads. One of another unit than reflectance is worth what the
    /// file says of it, else its samples as they are: DN flags, baselines and defaults are about reflectance. `declared` is
    /// what a product's metadata says of them, one entry for each of `indices`, or nothing for a single file.
    ///
    /// # Errors
    /// [`crate::Kind::Unsupported`] where two sources contradict each other, or nothing states a scale for the
    /// data type.
    pub fn resolve(
        header: &Header,
        indices: &[usize],
        declared: &[Statement],
        product: &ProductName,
        flags: &DnFlags,
        manifest: &Manifest,
    ) -> Result<Self> {
        let default = manifest.dn_defaults.get(header.sample_type.name());
        let fallback = default.map(|default| Statement {
            source: "model-default",
            scale: Some(default.dn_scale),
            offset: Some(default.dn_offset),
        });
        let flags_say = Statement { source: "command-line", scale: flags.scale, offset: flags.offset };
        let name_says = by_baseline(header, product, flags)?;
        let mut bands = Vec::with_capacity(indices.len());
        let mut sources = (None, None);
        let silent = Statement { source: "metadata", scale: None, offset: None };
        let sources_read = manifest.sources();
        for (place, &index) in indices.iter().enumerate() {
            let metadata_says = declared.get(place).copied().unwrap_or(silent);
            let Some(info) = header.bands.get(index) else {
                return Err(Error::unsupported(format!("band {} is not in the file", index + 1)));
            };
            let file_says = by_file(header.sample_type, info.scale, info.offset)?;
            if !sources_read.get(place).is_none_or(|source| source.is_reflectance) {
                let (dn_scale, dn_offset) = (file_says.scale.unwrap_or(1.0), file_says.offset.unwrap_or(0.0));
                bands.push(BandRadiometry { dn_scale, dn_offset });
                continue;
            }
            let mut stated = [metadata_says, file_says, name_says, flags_say];
            if flags.force {
                stated.rotate_right(1);
            }
            let scale = agreed(&stated, fallback, |word| word.scale, "scale", flags.force)?;
            let offset = agreed(&stated, fallback, |word| word.offset, "offset", flags.force)?;
            let (Some((dn_scale, scale_source)), Some((dn_offset, offset_source))) = (scale, offset) else {
                return Err(Error::unsupported(format!(
                    "nothing says what a {} sample is worth: give --dn-scale and --dn-offset",
                    header.sample_type.name()
                )));
            };
            if !(dn_scale.is_finite() && dn_scale > 0.0 && dn_offset.is_finite()) {
                return Err(Error::malformed(format!(
                    "scale {dn_scale} and offset {dn_offset} DN make no reflectance"
                )));
            }
            bands.push(BandRadiometry { dn_scale, dn_offset });
            sources = (Some(scale_source), Some(offset_source));
        }
        let (scale_source, offset_source) = (sources.0.unwrap_or("units"), sources.1.unwrap_or("units"));
        let source =
            if scale_source == offset_source { scale_source.into() } else { format!("{scale_source}+{offset_source}") };
        Ok(Self {
            bands,
            nodata: nodata(header, default.and_then(|default| default.nodata)),
            source,
            is_offset_assumed: offset_source == "model-default" && is_dn(header.sample_type),
            is_offset_checked: (offset_source == "model-default" || !declared.is_empty()) && is_dn(header.sample_type),
        })
    }
}

impl Radiometry {
    /// Adds samples that mean "no data" or nothing of use.
    pub fn add_nodata(&mut self, values: &[f64]) {
        let new = values.iter().filter(|value| !self.nodata.contains(value)).copied().collect::<Vec<f64>>();
        self.nodata.extend(new);
    }
}

fn nodata(header: &Header, data_type: Option<f64>) -> Vec<f64> {
    let data_type = data_type.map(|value| header.sample_type.rounded(value));
    // NaN is never valid, stated or not.
    let mut values: Vec<f64> =
        header.nodata_sample().into_iter().chain(data_type).filter(|value| !value.is_nan()).collect();
    values.dedup();
    values
}

/// Whether samples of this type hold Sentinel-2 DN where nothing else is said.
fn is_dn(sample_type: SampleType) -> bool {
    matches!(sample_type, SampleType::U16 | SampleType::I16 | SampleType::U32 | SampleType::I32)
}

/// GDAL's reflectance = DN × scale + offset, brought to DN. On integers, scale 1 with offset 0 is what writers put
/// where they know nothing, so it states nothing.
fn by_file(sample_type: SampleType, scale: Option<f64>, offset: Option<f64>) -> Result<Statement> {
    let says_nothing = is_dn(sample_type) && scale.unwrap_or(1.0) == 1.0 && offset.unwrap_or(0.0) == 0.0;
    if says_nothing || (scale.is_none() && offset.is_none()) {
        return Ok(Statement { source: "file", scale: None, offset: None });
    }
    let divisor = scale.unwrap_or(1.0);
    if !(divisor.is_finite() && divisor > 0.0) {
        return Err(Error::malformed(format!("the file's scale {divisor} makes no reflectance")));
    }
    // A scale alone does not say that there is no offset: that is exactly the mistake of half-converted metadata.
    let offset = offset.map(|offset| offset / divisor);
    Ok(Statement { source: "file", scale: Some(divisor), offset })
}

/// Scale and offset by the processing baseline in the product's name or the file's `PROCESSING_BASELINE`.
fn by_baseline(header: &Header, product: &ProductName, flags: &DnFlags) -> Result<Statement> {
    let silent = Statement { source: "product-name", scale: None, offset: None };
    if !is_dn(header.sample_type) {
        return Ok(silent);
    }
    let tag = header.metadata.get("PROCESSING_BASELINE").map(|text| text.trim()).filter(|text| !text.is_empty());
    let tag = match tag.map(|text| baseline_of_tag(text).ok_or(text)).transpose() {
        Ok(tag) => tag,
        Err(_) if flags.force => None,
        Err(text) => {
            return Err(Error::unsupported(format!(
                "PROCESSING_BASELINE `{text}` is no baseline as 05.10 or N0510; give --dn-scale and --dn-offset \
                 together with --dn-force"
            )));
        }
    };
    Ok(tag.or(product.baseline).map_or(silent, |baseline| Statement {
        source: "product-name",
        scale: Some(1.0 / QUANTIFICATION),
        offset: Some(if baseline >= FIRST_BASELINE_WITH_OFFSET { OFFSET_SINCE_0400_DN } else { 0.0 }),
    }))
}

/// `05.10`, `5.10`, `N0510` and `510` are 510, `4.0` is 400.
fn baseline_of_tag(text: &str) -> Option<u16> {
    let text = text.strip_prefix(['N', 'n']).unwrap_or(text);
    let (major, minor) = match text.split_once('.') {
        Some(parts) => parts,
        None => text.split_at_checked(text.len().checked_sub(2)?)?,
    };
    let number = |digits: &str| -> Option<u16> {
        let is_short = matches!(digits.len(), 1 | 2) && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_short.then(|| digits.parse().ok())?
    };
    Some(100 * number(major)? + number(minor)?)
}

/// The first statement that has a value, if no other contradicts it.
fn agreed(
    stated: &[Statement],
    fallback: Option<Statement>,
    value: impl Fn(&Statement) -> Option<f64>,
    what: &str,
    force: bool,
) -> Result<Option<(f64, &'static str)>> {
    let mut words = stated.iter().filter_map(|word| value(word).map(|value| (value, word.source)));
    let Some((first, source)) = words.next() else {
        return Ok(fallback.and_then(|word| value(&word).map(|value| (value, word.source))));
    };
    for (other, other_source) in words {
        if !force && (first - other).abs() > AGREEMENT * first.abs().max(other.abs()) {
            return Err(Error::unsupported(format!(
                "{what} contradicts itself: {source} says {first}, {other_source} says {other}; \
                 settle it with --dn-scale and --dn-offset together with --dn-force"
            )));
        }
    }
    Ok(Some((first, source)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raster::{BandInfo, Format};

    fn header(sample_type: SampleType, scale: Option<f64>, offset: Option<f64>) -> Header {
        Header {
            format: Format::Tiff,
            width: 64,
            height: 64,
            bands: vec![BandInfo { description: None, scale, offset }],
            sample_type,
            nodata: None,
            has_mask: false,
            geo: None,
            metadata: Default::default(),
        }
    }

    fn resolve(header: &Header, baseline: Option<u16>, flags: DnFlags) -> Result<Radiometry> {
        let manifest = crate::model::manifest::tests_support::one_band();
        Radiometry::resolve(header, &[0], &[], &ProductName { baseline, ..Default::default() }, &flags, &manifest)
    }

    #[test]
    fn the_models_default_holds_where_nothing_is_stated_and_zero_is_nodata() {
        let radiometry = resolve(&header(SampleType::U16, None, None), None, DnFlags::default()).unwrap();
        assert_eq!(radiometry.bands, [BandRadiometry { dn_scale: 1e-4, dn_offset: 0.0 }]);
        assert_eq!((radiometry.source.as_str(), radiometry.is_offset_assumed), ("model-default", true));
        assert_eq!(radiometry.nodata, [0.0]);
        assert!(resolve(&header(SampleType::I32, None, None), None, DnFlags::default()).is_err());
    }

    #[test]
    fn the_baseline_in_the_name_brings_the_offset_and_a_date_never_does() {
        let new = resolve(&header(SampleType::U16, None, None), Some(509), DnFlags::default()).unwrap();
        assert_eq!((new.bands[0].dn_offset, new.source.as_str()), (-1000.0, "product-name"));
        let old = resolve(&header(SampleType::U16, None, None), Some(208), DnFlags::default()).unwrap();
        assert_eq!((old.bands[0].dn_offset, old.is_offset_assumed), (0.0, false));
    }

    #[test]
    fn the_baseline_in_the_tag_is_read_however_it_is_written_or_refused() {
        let tagged = |text: &str, flags| {
            let metadata = [("PROCESSING_BASELINE".to_owned(), text.to_owned())].into();
            resolve(&Header { metadata, ..header(SampleType::U16, None, None) }, None, flags)
        };
        for text in ["05.10", "5.10", "5.1", "4.0", "04.00", "N0400", "0510", "510", "99.99", " 5.9 "] {
            assert_eq!(tagged(text, DnFlags::default()).unwrap().bands[0].dn_offset, -1000.0, "{text}");
        }
        for text in ["02.08", "2.8", "3.1", "N0301", "301"] {
            assert_eq!(tagged(text, DnFlags::default()).unwrap().bands[0].dn_offset, 0.0, "{text}");
        }
        for text in ["five", "5", "5.", "5.1.0", "-5.10", "N05100", "5,10"] {
            let error = tagged(text, DnFlags::default()).unwrap_err();
            assert!(error.to_string().contains("--dn-force"), "{text}: {error}");
        }
        let flags = DnFlags { scale: Some(1e-4), offset: Some(-1000.0), force: true };
        assert_eq!(tagged("five", flags).unwrap().source, "command-line");
    }

    #[test]
    fn the_files_scale_and_offset_are_brought_to_dn() {
        let radiometry = resolve(&header(SampleType::U16, Some(1e-4), Some(-0.1)), Some(509), DnFlags::default());
        let radiometry = radiometry.unwrap();
        assert!((radiometry.bands[0].dn_offset + 1000.0).abs() < 1e-6);
        assert_eq!(radiometry.source, "file");
    }

    #[test]
    fn contradictions_are_errors_unless_the_flags_are_forced() {
        let file = header(SampleType::U16, Some(1e-4), Some(0.0));
        assert!(resolve(&file, Some(509), DnFlags::default()).unwrap_err().to_string().contains("contradicts"));
        let flags = DnFlags { scale: None, offset: Some(-1000.0), force: false };
        assert!(resolve(&file, None, flags).is_err());
        let forced = resolve(&file, Some(509), DnFlags { force: true, ..flags }).unwrap();
        assert_eq!((forced.bands[0].dn_offset, forced.source.as_str()), (-1000.0, "file+command-line"));
    }

    #[test]
    fn scale_one_on_integers_states_nothing_and_a_lone_scale_leaves_the_offset_open() {
        let ones = resolve(&header(SampleType::U16, Some(1.0), Some(0.0)), None, DnFlags::default()).unwrap();
        assert_eq!(ones.source, "model-default");
        let lone = resolve(&header(SampleType::U16, Some(1e-4), None), Some(400), DnFlags::default()).unwrap();
        assert_eq!((lone.bands[0].dn_offset, lone.source.as_str()), (-1000.0, "file+product-name"));
    }

    #[test]
    fn nonsense_scales_are_refused() {
        assert!(resolve(&header(SampleType::F32, Some(0.0), Some(0.0)), None, DnFlags::default()).is_err());
        assert!(resolve(&header(SampleType::F32, Some(f64::NAN), None), None, DnFlags::default()).is_err());
    }
}
