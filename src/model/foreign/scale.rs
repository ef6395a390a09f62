//! What a model's numbers are before its own mean and deviation, as a function of reflectance.

use std::fmt;
use std::str::FromStr;

use crate::{Error, Result};

/// DN of a reflectance of 1 in Sentinel-2 products.
const QUANTIFICATION: f64 = 10_000.0;
/// A divisor or white beyond this is a slip.
const NUMBER_MAX: f64 = 1e6;

/// A model's numbers: reflectance × `gain` + `bias`, clipped.
#[derive(Debug, Clone, PartialEq)]
pub struct Scale {
    /// As it was written.
    text: String,
    gain: f64,
    bias: f64,
    white: Option<f64>,
}

impl Scale {
    /// What the flag takes, for messages.
    pub const FORMS: &str = "reflectance, dn, dn+1000, dn/255, dn/65535, 0-1:WHITE, 0-255:WHITE";

    /// The reflectance that a number of the model stands for.
    pub fn reflectance(&self, number: f64) -> f64 {
        (number - self.bias) / self.gain
    }

    /// The difference in reflectance that a difference of the model's numbers stands for.
    pub fn difference(&self, difference: f64) -> f64 {
        difference / self.gain
    }

    /// Reflectance of an 8-bit picture's 255, where the numbers are such a picture's: it is clipped there and at 0.
    pub fn white(&self) -> Option<f64> {
        self.white
    }
}

impl FromStr for Scale {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong =
            || Error::usage(format!("give one of {}; WHITE is the reflectance of the picture's 255", Self::FORMS));
        let number = |text: &str| {
            let number = text.parse::<f64>().ok().filter(|number| *number > 0.0 && *number <= NUMBER_MAX);
            number.ok_or_else(wrong)
        };
        let of = |gain, bias, white| Ok(Self { text: text.to_owned(), gain, bias, white });
        if text == "reflectance" {
            return of(1.0, 0.0, None);
        }
        for (form, most) in [("0-1:", 1.0), ("0-255:", 255.0)] {
            if let Some(white) = text.strip_prefix(form) {
                let white = number(white)?;
                return of(most / white, 0.0, Some(white));
            }
        }
        let dn = text.strip_prefix("dn").ok_or_else(wrong)?;
        let (offset, divisor) = dn.split_once('/').map_or((dn, None), |(offset, divisor)| (offset, Some(divisor)));
        let divisor = divisor.map_or(Ok(1.0), number)?;
        let offset = match offset.strip_prefix('+') {
            Some(offset) => number(offset)?,
            None if offset.is_empty() => 0.0,
            None => return Err(wrong()),
        };
        of(QUANTIFICATION / divisor, offset / divisor, None)
    }
}

impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_gives_back_the_reflectance_it_stands_for() {
        let reflectance = |text: &str, number: f64| text.parse::<Scale>().unwrap().reflectance(number);
        for (text, number) in [
            ("reflectance", 0.25),
            ("dn", 2500.0),
            ("dn+1000", 3500.0),
            ("dn/255", 2500.0 / 255.0),
            ("dn+1000/65535", 3500.0 / 65535.0),
            ("0-1:0.5", 0.5),
            ("0-255:0.5", 127.5),
        ] {
            assert!((reflectance(text, number) - 0.25).abs() < 1e-12, "{text}");
        }
    }

    #[test]
    fn what_is_no_scale_is_refused_with_what_is() {
        for text in ["", "DN", "dn-1000", "dn+", "dn/0", "0-1", "0-1:", "0-1:nan", "0-2:1", "reflectances", "dn/1e9"] {
            assert!(text.parse::<Scale>().unwrap_err().to_string().contains("dn+1000"), "{text}");
        }
    }
}
