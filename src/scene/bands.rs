//! Bands by name: the file's descriptions, else `--bands`, else the model's own order, else an error.

use crate::raster::Header;
use crate::{Error, Result};

/// What told the bands apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BandSource {
    /// The file's band descriptions.
    Descriptions,
    /// The names of a product's files.
    FileNames,
    /// `--bands`
    CommandLine,
    /// As many bands as the model has, taken in the model's order.
    ModelOrder,
}

impl BandSource {
    /// The word used in the output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Descriptions => "descriptions",
            Self::FileNames => "file-names",
            Self::CommandLine => "command-line",
            Self::ModelOrder => "model-order",
        }
    }
}

/// Where a model's bands lie in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bands {
    /// Index in the file of each of the model's bands, in the model's order.
    pub indices: Vec<usize>,
    /// What told them apart.
    pub source: BandSource,
}

impl Bands {
    /// Finds the bands a model needs.
    ///
    /// # Errors
    /// [`crate::Kind::Unsupported`] where a band is missing, named twice, or where nothing names the bands and
    /// their number is not the model's; [`crate::Kind::Usage`] where `--bands` contradicts the file.
    pub fn resolve(header: &Header, given: Option<&[String]>, needed: &[&str]) -> Result<Self> {
        let described: Vec<Option<String>> = header
            .bands
            .iter()
            .map(|band| band.description.as_deref().and_then(|text| recognised(text, needed)))
            .collect();
        let is_described = described.iter().any(Option::is_some);
        if let Some(given) = given {
            let given = checked_flag(given, &described, header.bands.len())?;
            if !is_described {
                return Ok(Self { indices: find(&given, needed, "--bands")?, source: BandSource::CommandLine });
            }
        }
        if is_described {
            let indices = find(&described, needed, "its band descriptions")?;
            return Ok(Self { indices, source: BandSource::Descriptions });
        }
        if header.bands.len() == needed.len() {
            return Ok(Self { indices: (0..needed.len()).collect(), source: BandSource::ModelOrder });
        }
        Err(Error::unsupported(format!(
            "{} bands without names, and the model needs {} ({}); name the file's bands with --bands",
            header.bands.len(),
            needed.len(),
            needed.join(","),
        )))
    }
}

/// `--bands` as canonical names, checked against the file's number of bands and its own descriptions.
fn checked_flag(given: &[String], described: &[Option<String>], count: usize) -> Result<Vec<Option<String>>> {
    if given.len() != count {
        return Err(Error::unsupported(format!("--bands names {} bands, the file has {count}", given.len())));
    }
    let given: Vec<Option<String>> = given.iter().map(|name| Some(canonical_band(name))).collect();
    for (index, (flag, file)) in given.iter().zip(described).enumerate() {
        if let (Some(flag), Some(file)) = (flag, file)
            && flag != file
        {
            return Err(Error::unsupported(format!(
                "--bands calls band {} {flag}, the file's own description calls it {file}; drop --bands",
                index + 1
            )));
        }
    }
    Ok(given)
}

fn find(names: &[Option<String>], needed: &[&str], source: &str) -> Result<Vec<usize>> {
    let mut missing = Vec::new();
    let mut indices = Vec::with_capacity(needed.len());
    for &band in needed {
        let wanted = canonical_band(band);
        let mut places = names.iter().enumerate().filter(|(_, name)| name.as_deref() == Some(&wanted));
        match (places.next(), places.next()) {
            (Some((index, _)), None) => indices.push(index),
            (None, _) => missing.push(band),
            (Some(_), Some(_)) => {
                return Err(Error::unsupported(format!("band {band} stands twice in {source}")));
            }
        }
    }
    if missing.is_empty() {
        return Ok(indices);
    }
    let present: Vec<&str> = names.iter().flatten().map(String::as_str).collect();
    Err(Error::unsupported(format!(
        "band {} missing: the model needs {}, {source} have {}",
        missing.join(", "),
        needed.join(","),
        present.join(",")
    )))
}

/// A band's name as this program writes it: Sentinel-2 bands as `B04` and `B8A` however they were spelt
/// (`B4`, `b04`, `4`, `B08A`, `8a`), anything else as it is.
pub fn canonical_band(name: &str) -> String {
    let trimmed = name.trim();
    let upper = trimmed.to_ascii_uppercase();
    let number = upper.strip_prefix('B').unwrap_or(&upper).trim_start_matches('0');
    if number == "8A" {
        return "B8A".into();
    }
    match number.parse::<u8>() {
        Ok(value @ 1..=12) if number.len() <= 2 && number.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("B{value:02}")
        }
        _ => trimmed.into(),
    }
}

/// The band a description names: `B04`, `B4 (665 nm)`, `B4, central wavelength 665 nm`; a bare number names none,
/// since writers number bands by position. Names of the model's own (`VV`) count too.
fn recognised(description: &str, needed: &[&str]) -> Option<String> {
    let trimmed = description.trim();
    if let Some(own) = needed.iter().find(|name| name.eq_ignore_ascii_case(trimmed)) {
        return Some(canonical_band(own));
    }
    let word = trimmed.split(|letter: char| !letter.is_ascii_alphanumeric()).next()?;
    if !word.starts_with(['B', 'b']) {
        return None;
    }
    let name = canonical_band(word);
    let is_sentinel_2 = name == "B8A" || (name.len() == 3 && name[1..].bytes().all(|byte| byte.is_ascii_digit()));
    is_sentinel_2.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raster::{BandInfo, Format, SampleType};

    fn header(descriptions: &[Option<&str>]) -> Header {
        let bands = descriptions
            .iter()
            .map(|text| BandInfo { description: text.map(str::to_owned), ..BandInfo::default() })
            .collect();
        Header {
            format: Format::Tiff,
            width: 64,
            height: 64,
            bands,
            sample_type: SampleType::U16,
            nodata: None,
            has_mask: false,
            geo: None,
            metadata: Default::default(),
        }
    }

    const RGB: [&str; 3] = ["B04", "B03", "B02"];

    #[test]
    fn descriptions_reorder_the_bands() {
        let header = header(&[Some("B2, central wavelength 490 nm"), Some("B3"), Some("b04"), Some("B8A")]);
        let bands = Bands::resolve(&header, None, &RGB).unwrap();
        assert_eq!(bands, Bands { indices: vec![2, 1, 0], source: BandSource::Descriptions });
    }

    #[test]
    fn the_flag_names_bands_that_the_file_does_not() {
        let flag: Vec<String> = ["B02", "B03", "B04", "B08"].map(String::from).to_vec();
        let bands = Bands::resolve(&header(&[None; 4]), Some(&flag), &RGB).unwrap();
        assert_eq!(bands, Bands { indices: vec![2, 1, 0], source: BandSource::CommandLine });
        assert!(Bands::resolve(&header(&[None; 5]), Some(&flag), &RGB).is_err());
    }

    #[test]
    fn a_flag_that_contradicts_the_file_is_refused() {
        let flag: Vec<String> = ["B02", "B03", "B04"].map(String::from).to_vec();
        let file = header(&[Some("B04"), Some("B03"), Some("B02")]);
        assert!(Bands::resolve(&file, Some(&flag), &RGB).unwrap_err().to_string().contains("drop --bands"));
    }

    #[test]
    fn unnamed_bands_pass_only_when_their_number_is_the_models() {
        assert_eq!(Bands::resolve(&header(&[None; 3]), None, &RGB).unwrap().source, BandSource::ModelOrder);
        assert!(Bands::resolve(&header(&[None; 4]), None, &RGB).is_err());
        assert!(Bands::resolve(&header(&[Some("Band 1"), Some("2"), None]), None, &RGB).is_ok());
    }

    #[test]
    fn a_missing_or_doubled_band_is_named() {
        let missing = Bands::resolve(&header(&[Some("B04"), Some("B03"), Some("B08")]), None, &RGB).unwrap_err();
        assert!(missing.to_string().contains("B02 missing"), "{missing}");
        let doubled = Bands::resolve(&header(&[Some("B04"), Some("B4"), Some("B03"), Some("B02")]), None, &RGB);
        assert!(doubled.unwrap_err().to_string().contains("twice"));
    }
}
