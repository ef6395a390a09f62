//! What the pixels of a map are: their type, what stands for no data, and how overviews are made of them.

use super::super::colours;

/// The class of a pixel that has none: outside of the data, or invalid. Also the nodata value of class maps.
pub const NO_CLASS: u8 = 255;
/// The class of a window for which a classifier abstained.
pub const ABSTAINED: u8 = 254;
/// Nodata value of confidences.
pub const NO_CONFIDENCE: u8 = 255;

/// A type that TIFF has samples of.
pub trait Sample: Copy + std::fmt::Debug + Send + 'static {
    /// TIFF's bits per sample.
    const BITS: u16;
    /// TIFF's sample format: 1 unsigned, 3 floating point.
    const FORMAT: u16;

    /// Appends samples, little-endian.
    fn append(samples: &[Self], bytes: &mut Vec<u8>);
}

impl Sample for u8 {
    const BITS: u16 = 8;
    const FORMAT: u16 = 1;

    fn append(samples: &[Self], bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(samples);
    }
}

impl Sample for f32 {
    const BITS: u16 = 32;
    const FORMAT: u16 = 3;

    fn append(samples: &[Self], bytes: &mut Vec<u8>) {
        bytes.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    }
}

/// A kind of map.
pub trait Layer: Send {
    /// Type of a pixel.
    type Sample: Sample;
    /// What a pixel without a value holds.
    const NODATA: Self::Sample;
    /// The same as GDAL_NODATA says it.
    const NODATA_TEXT: &'static str;

    /// The pixel of an overview for up to 2×2 pixels of the level below, row by row. [`Layer::NODATA`] only where all of
    /// them are that.
    fn overview(block: &[Self::Sample]) -> Self::Sample;

    /// Items of GDAL's metadata for the band: name, role (may be empty) and text.
    fn items(&self) -> Vec<(String, &'static str, String)>;

    /// Red, green and blue of every value, for a map of classes.
    fn palette(&self) -> Option<Vec<[u8; 3]>> {
        None
    }
}

/// Classes by number, with their names: `uint8`, [`NO_CLASS`] where there is none.
#[derive(Debug, Clone)]
pub struct Classes {
    /// Value and name.
    pub names: Vec<(u8, String)>,
}

impl Layer for Classes {
    type Sample = u8;
    const NODATA: u8 = NO_CLASS;
    const NODATA_TEXT: &'static str = "255";

    /// The most frequent class; of equally frequent ones the first.
    fn overview(block: &[u8]) -> u8 {
        let (mut best, mut most) = (NO_CLASS, 0);
        for &class in block.iter().filter(|class| **class != NO_CLASS) {
            let count = block.iter().filter(|other| **other == class).count();
            if count > most {
                (best, most) = (class, count);
            }
        }
        best
    }

    fn items(&self) -> Vec<(String, &'static str, String)> {
        let class = |(value, name): &(u8, String)| (format!("CLASS_{value}"), "", name.clone());
        let description = ("DESCRIPTION".into(), "description", "class".into());
        [description].into_iter().chain(self.names.iter().map(class)).collect()
    }

    fn palette(&self) -> Option<Vec<[u8; 3]>> {
        let classes = self.names.iter().filter(|(value, _)| *value < ABSTAINED).count();
        let colour = |value: u8| match value {
            NO_CLASS => [0; 3],
            ABSTAINED => colours::ABSTAINED,
            class => colours::of_class(class, classes),
        };
        Some((0..=u8::MAX).map(colour).collect())
    }
}

/// Probability of the class decided on, in percent: `uint8`, [`NO_CONFIDENCE`] where there is none.
#[derive(Debug, Clone, Copy)]
pub struct Confidence;

impl Layer for Confidence {
    type Sample = u8;
    const NODATA: u8 = NO_CONFIDENCE;
    const NODATA_TEXT: &'static str = "255";

    /// The mean of those that have a value, rounded half up.
    fn overview(block: &[u8]) -> u8 {
        let values = block.iter().filter(|value| **value != NO_CONFIDENCE);
        let (sum, n) = values.fold((0, 0), |(sum, n), value| (sum + u16::from(*value), n + 1));
        (sum + n / 2).checked_div(n).map_or(NO_CONFIDENCE, |mean| mean as u8)
    }

    fn items(&self) -> Vec<(String, &'static str, String)> {
        vec![
            ("DESCRIPTION".into(), "description", "probability of the class".into()),
            ("UNITTYPE".into(), "unittype", "%".into()),
        ]
    }
}

/// Scores of windows, 0 to 1: `float32`, NaN where there is none.
#[derive(Debug, Clone, Copy)]
pub struct Scores;

impl Layer for Scores {
    type Sample = f32;
    const NODATA: f32 = f32::NAN;
    const NODATA_TEXT: &'static str = "nan";

    /// The mean of those that have a value.
    fn overview(block: &[f32]) -> f32 {
        let values = block.iter().filter(|value| !value.is_nan());
        let (sum, n) = values.fold((0.0, 0.0), |(sum, n), value| (sum + value, n + 1.0));
        if n == 0.0 { Self::NODATA } else { sum / n }
    }

    fn items(&self) -> Vec<(String, &'static str, String)> {
        vec![("DESCRIPTION".into(), "description", "score".into())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overview_is_without_data_only_where_all_of_its_pixels_are() {
        assert_eq!(Classes::overview(&[255, 255, 255, 7]), 7);
        assert_eq!(Classes::overview(&[1, 2, 2, 255]), 2);
        assert_eq!(Classes::overview(&[3, 1, 1, 3]), 3, "the first of equals");
        assert_eq!(Classes::overview(&[255; 2]), 255);
        assert_eq!(Confidence::overview(&[255, 90, 91, 255]), 91);
        assert_eq!(Confidence::overview(&[255; 4]), 255);
        assert_eq!(Scores::overview(&[f32::NAN, 0.25, 0.5, f32::NAN]), 0.375);
        assert!(Scores::overview(&[f32::NAN]).is_nan());
        // 0.1 four times is 0.1 again: powers of two divide without loss.
        assert_eq!(Scores::overview(&[0.1; 4]), 0.1);
    }
}
