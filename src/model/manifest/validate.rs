//! What a manifest must satisfy whether it was read or is about to be written.

use std::collections::BTreeSet;
use std::fmt::Display;

use super::{Band, DnDefault, Head, Manifest, Source};
use crate::limits::{MODEL_ASSETS_MAX, MODEL_BANDS_MAX, MODEL_CLASSES_MAX, MODEL_TILE_PX_MAX};
use crate::quoted::quoted;
use crate::{Error, Result};

/// Data types a raster can have, by the names the manifest and `inspect` use.
pub const DATA_TYPES: [&str; 7] = ["uint8", "uint16", "int16", "uint32", "int32", "float32", "float64"];
const NAME_BYTES_MAX: usize = 128;

impl Manifest {
    /// Checks every value's range and the lists' agreement with each other.
    ///
    /// Every failure is [`crate::Kind::Refused`].
    pub fn validate(&self) -> Result<()> {
        self.validate_names()?;
        self.validate_bands()?;
        self.validate_classes()?;
        self.validate_numbers()?;
        self.validate_ensemble()?;
        for (data_type, default) in &self.dn_defaults {
            validate_dn_default(data_type, default)?;
        }
        require(self.assets.len() <= MODEL_ASSETS_MAX, || {
            format!("{} assets are more than {MODEL_ASSETS_MAX}", self.assets.len())
        })
    }

    fn validate_names(&self) -> Result<()> {
        require(is_model_name(&self.name), || {
            format!(
                "mlm:name {:?} must begin with a letter, end with a letter or digit, have 3 to {NAME_BYTES_MAX} \
                 characters and hold only letters, digits, '_', '.' and '-'",
                self.name
            )
        })?;
        require(!self.architecture.is_empty(), || "mlm:architecture is empty")?;
        let level = self.processing_level.as_deref();
        require(level.is_none_or(|level| ["L1C", "L2A"].contains(&level)), || {
            format!("processing_level is {:?}, expected L1C or L2A", level.unwrap_or_default())
        })?;
        require(!self.preprocessing_version.is_empty(), || "preprocessing_version is empty")
    }

    fn validate_bands(&self) -> Result<()> {
        require((1..=MODEL_BANDS_MAX).contains(&self.bands.len()), || {
            format!("{} input bands, expected 1 to {MODEL_BANDS_MAX}", self.bands.len())
        })?;
        let mut seen = BTreeSet::new();
        for band in &self.bands {
            validate_band(band)?;
            require(seen.insert(&band.name), || format!("band {:?} is listed twice", band.name))?;
        }
        self.validate_sources()
    }

    fn validate_sources(&self) -> Result<()> {
        let sources = self.sources();
        require(sources.len() <= MODEL_BANDS_MAX, || {
            format!("{} bands are read, at most {MODEL_BANDS_MAX} can be", sources.len())
        })?;
        for band in self.bands.iter().filter(|band| band.expression.is_some()) {
            let name = &band.name;
            require(sources.iter().all(|source| source.name != *name), || {
                format!("an expression names {name:?}, which is derived itself; expressions name bands of the file")
            })?;
            require(band.substitutes.is_empty(), || format!("band_substitutes name {name:?}, which is derived"))?;
        }
        for Source { name, .. } in &sources {
            validate_band_name(name)?;
            let is_channel = self.bands.iter().any(|band| band.name == *name);
            let is_known = is_channel || self.units.contains_key(name) || canonical_band(name).is_some();
            require(is_known, || {
                format!(
                    "an expression names {name:?}, which is no band of Sentinel-2: state its unit in units, as {{{name:?}: \
                     \"dB\"}}"
                )
            })?;
        }
        for (name, unit) in &self.units {
            let is_used = self.bands.iter().any(|band| band.name == *name) || sources.iter().any(|s| s.name == *name);
            require(is_used, || format!("units name {name:?}, which is neither an input nor in an expression"))?;
            let is_plain = (1..=NAME_BYTES_MAX).contains(&unit.len()) && !unit.chars().any(char::is_control);
            require(is_plain, || format!("the unit {unit:?} of {name:?} must be a short text"))?;
        }
        Ok(())
    }

    fn validate_classes(&self) -> Result<()> {
        let fits = match self.head {
            Head::Binary => self.classes.len() == 2,
            Head::Multiclass | Head::Segmentation => (2..=MODEL_CLASSES_MAX).contains(&self.classes.len()),
        };
        require(fits, || {
            format!(
                "{} classes for a {:?} head, expected {}",
                self.classes.len(),
                self.head,
                if self.head == Head::Binary { "negative and positive" } else { "two or more" }
            )
        })?;
        let mut seen = BTreeSet::new();
        for class in &self.classes {
            let plain = class.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
            require(plain && (1..=NAME_BYTES_MAX).contains(&class.len()), || {
                format!("class name {class:?} must hold letters, digits, '-' and '_' only")
            })?;
            require(seen.insert(class), || format!("class {class:?} is listed twice"))?;
        }
        let mut ignored = BTreeSet::new();
        for class in &self.ignored_classes {
            require(seen.contains(class), || format!("ignored_classes name {class:?}, which is no class"))?;
            require(ignored.insert(class), || format!("ignored_classes name {class:?} twice"))?;
        }
        require(
            ignored.is_empty() || (self.head != Head::Binary && ignored.len() + 2 <= self.classes.len()),
            || "ignored_classes must leave two classes of a multiclass or segmentation head",
        )
    }

    fn validate_numbers(&self) -> Result<()> {
        require((1..=MODEL_TILE_PX_MAX).contains(&self.tile_px), || {
            format!("input side of {} px, expected 1 to {MODEL_TILE_PX_MAX}", self.tile_px)
        })?;
        require(self.overlap_px < self.tile_px, || {
            format!("overlap_px {} must be below the input side {}", self.overlap_px, self.tile_px)
        })?;
        require(self.temperature.is_finite() && self.temperature > 0.0, || {
            format!("temperature {} must be above 0", self.temperature)
        })?;
        require((0.0..=1.0).contains(&self.minimum_valid_share), || {
            format!("minimum_valid_share {} must lie in 0..1", self.minimum_valid_share)
        })?;
        require(self.golden_tolerance > 0.0 && self.golden_tolerance <= 0.1, || {
            format!("golden_tolerance {} must be above 0 and at most 0.1", self.golden_tolerance)
        })?;
        require(self.resolution_m.is_none_or(|metres| metres.is_finite() && metres > 0.0), || {
            format!("resolution_m {} must be above 0", self.resolution_m.unwrap_or_default())
        })?;
        let is_map = self.head == Head::Segmentation;
        require(self.pixel_threshold.is_none_or(|share| is_map && (0.0..=1.0).contains(&share)), || {
            format!(
                "pixel_threshold {} must lie in 0..1, and only a segmentation head has one",
                self.pixel_threshold.unwrap_or_default()
            )
        })?;
        if let Some([low, high]) = self.clip {
            require(low.is_finite() && high.is_finite() && low < high, || {
                format!("clip [{low}, {high}] must be two finite numbers in rising order")
            })?;
        }
        Ok(())
    }
}

/// Letters and digits with `_`, `.`, `-` inside, as the extension's schema asks of `mlm:name`.
fn is_model_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    (3..=NAME_BYTES_MAX).contains(&bytes.len())
        && bytes.first().is_some_and(u8::is_ascii_alphabetic)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(b))
}

fn validate_band_name(name: &str) -> Result<()> {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:+".contains(&b));
    require(plain && (1..=NAME_BYTES_MAX).contains(&name.len()), || {
        format!(
            "band name {} must hold letters, digits, '-', '_', '.', ':' and '+' only, at most {NAME_BYTES_MAX}",
            quoted(name)
        )
    })?;
    if let Some(canonical) = canonical_band(name)
        && canonical != *name
    {
        return Err(refusal(format!("band {name:?} is written {canonical:?}")));
    }
    Ok(())
}

fn validate_band(band: &Band) -> Result<()> {
    let name = &band.name;
    validate_band_name(name)?;
    require(band.mean.is_finite(), || format!("mean of band {name} is not finite"))?;
    require(band.standard_deviation.is_finite() && band.standard_deviation > 0.0, || {
        format!("stddev of band {name} is {}, must be above 0", band.standard_deviation)
    })?;
    for other in &band.substitutes {
        require(other != name && canonical_band(other).is_none_or(|canonical| canonical == *other), || {
            format!("band_substitutes of band {name} hold {other:?}")
        })?;
    }
    if let Some(t) = band.training {
        let ordered = t.p02 <= t.median && t.median <= t.p98;
        require(ordered && t.p02.is_finite() && t.p98.is_finite(), || {
            format!("training_statistics of band {name} must be finite and in rising order")
        })?;
    }
    Ok(())
}

/// The Sentinel-2 band that `name` is another spelling of (`b4`, `B4`, `B08A`), as `B04`, `B8A`.
pub fn canonical_band(name: &str) -> Option<String> {
    let digits = name.strip_prefix(['B', 'b'])?;
    let number = digits.trim_start_matches('0');
    if number.eq_ignore_ascii_case("8a") {
        return Some("B8A".into());
    }
    let number: u8 = number.parse().ok().filter(|n| (1..=12).contains(n))?;
    (digits.len() <= 3).then(|| format!("B{number:02}"))
}

fn validate_dn_default(data_type: &str, default: &DnDefault) -> Result<()> {
    require(DATA_TYPES.contains(&data_type), || {
        format!("dn_defaults name the data type {data_type:?}, expected one of {DATA_TYPES:?}")
    })?;
    let DnDefault { dn_scale, dn_offset, nodata } = *default;
    let nodata_finite = nodata.is_none_or(f64::is_finite);
    require(dn_scale.is_finite() && dn_scale > 0.0 && dn_offset.is_finite() && nodata_finite, || {
        format!("dn_defaults of {data_type}: dn_scale must be above 0 and every number finite")
    })
}

pub(super) fn require<D: Display>(holds: bool, message: impl FnOnce() -> D) -> Result<()> {
    if holds { Ok(()) } else { Err(refusal(message())) }
}

fn refusal(message: impl Display) -> Error {
    Error::refused(format!("model.json: {message}"))
}
