//! What a product's name says: sensing date, processing baseline, MGRS square.

use std::path::Path;

use jiff::civil::Date;

/// Facts read from the file's name and, where that is silent, from the folders it was given in. A folder states a date
/// or baseline only if it bears a product's name: any other date on it may be that of a download.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ProductName {
    /// Sensing date.
    pub date: Option<Date>,
    /// Processing baseline as a number: 400 for `N0400`.
    pub baseline: Option<u16>,
    /// Latitude in degrees of the middle of the MGRS square's latitude band.
    pub latitude: Option<f64>,
}

impl ProductName {
    /// These facts, and where they are silent those of another name.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            date: self.date.or(other.date),
            baseline: self.baseline.or(other.baseline),
            latitude: self.latitude.or(other.latitude),
        }
    }

    /// Reads the names in a path, the file's own first; each fact comes from the nearest name that has it.
    pub fn of(path: &Path) -> Self {
        let mut facts = Self::default();
        for (depth, name) in path.iter().rev().enumerate() {
            let Some(name) = name.to_str() else { continue };
            let tokens: Vec<&str> = name.split(|letter: char| !letter.is_ascii_alphanumeric()).collect();
            let is_product = is_product(&tokens);
            if depth == 0 || is_product {
                facts.date = facts.date.or_else(|| sensing_date(&tokens, is_product));
            }
            facts.latitude =
                facts.latitude.or_else(|| tokens.iter().find_map(|token| mgrs_latitude(token, is_product)));
            if is_product {
                facts.baseline = facts.baseline.or_else(|| tokens.iter().find_map(|token| baseline(token)));
            }
        }
        facts
    }
}

/// `S2A_MSIL2A_…` (ESA), or `S2A_33UXP_…` (Earth Search).
fn is_product(tokens: &[&str]) -> bool {
    let [mission, second, ..] = tokens else { return false };
    is_mission(mission) && (second.starts_with("MSI") || mgrs_latitude(second, true).is_some())
}

/// `S2A` to `S2D`, as a token of its own.
fn is_mission(token: &str) -> bool {
    let bytes = token.as_bytes();
    bytes.len() == 3 && bytes[..2].eq_ignore_ascii_case(b"S2") && (b'A'..=b'D').contains(&bytes[2].to_ascii_uppercase())
}

/// The first `20220105T101409`; a bare `20220105` only in products' names.
fn sensing_date(tokens: &[&str], is_product: bool) -> Option<Date> {
    let stamped = |token: &&str| token.len() == 15 && token.as_bytes()[8] == b'T';
    let dated = |token: &&str| is_product && token.len() == 8;
    tokens.iter().filter(|token| stamped(token) || dated(token)).find_map(|token| leading_date(token))
}

/// `N0400` is 400.
fn baseline(token: &str) -> Option<u16> {
    let digits = token.strip_prefix('N').filter(|digits| digits.len() == 4)?;
    digits.parse().ok()
}

/// `T31UDQ`, or `33UXP` in products' names: the middle of latitude band `U`.
fn mgrs_latitude(token: &str, is_product: bool) -> Option<f64> {
    let square = match token.strip_prefix('T') {
        Some(square) => square,
        None if is_product => token,
        None => return None,
    };
    let [zone_tens, zone_ones, band, column, row] = *square.as_bytes() else { return None };
    let zone = std::str::from_utf8(&[zone_tens, zone_ones]).ok()?.parse::<u8>().ok()?;
    if !(1..=60).contains(&zone) || !column.is_ascii_uppercase() || !row.is_ascii_uppercase() {
        return None;
    }
    let index = b"CDEFGHJKLMNPQRSTUVWX".iter().position(|&letter| letter == band)?;
    Some(-76.0 + 8.0 * index as f64)
}

/// A date at the start of a text: `2024-01-31`, `2024:01:31` (TIFF), `20240131`, followed by no further digit.
pub fn leading_date(text: &str) -> Option<Date> {
    let bytes = text.as_bytes();
    let separated = bytes.len() >= 10 && matches!(bytes[4], b'-' | b':' | b'/') && bytes[7] == bytes[4];
    let (year, month, day, end) = match separated {
        true => (text.get(0..4)?, text.get(5..7)?, text.get(8..10)?, 10),
        false => (text.get(0..4)?, text.get(4..6)?, text.get(6..8)?, 8),
    };
    let number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<i16>().ok())?;
    if bytes.get(end).is_some_and(u8::is_ascii_digit) {
        return None;
    }
    let (month, day) = (i8::try_from(number(month)?).ok()?, i8::try_from(number(day)?).ok()?);
    Date::new(number(year)?, month, day).ok().filter(|date| date.year() >= 1970)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn of(path: &str) -> ProductName {
        ProductName::of(Path::new(path))
    }

    #[test]
    fn an_esa_product_name_gives_the_sensing_date_not_the_processing_date() {
        let facts = of("S2A_MSIL2A_20221005T114401_N0400_R123_T29UNU_20221006T000000.SAFE/IMG_DATA/x_B04.jp2");
        assert_eq!(facts, ProductName { date: Some(date(2022, 10, 5)), baseline: Some(400), latitude: Some(52.0) });
    }

    #[test]
    fn band_files_patches_and_earth_search_names_are_read() {
        assert_eq!(of("T32TQM_20220105T101409_B04.tif").date, Some(date(2022, 1, 5)));
        assert_eq!(of("S2A_MSIL2A_20170613T101031_0_45_B02.tif").date, Some(date(2017, 6, 13)));
        let earth_search = of("S2B_33UXP_20250302_0_L2A.tif");
        assert_eq!((earth_search.date, earth_search.latitude), (Some(date(2025, 3, 2)), Some(52.0)));
        assert!(of("T19HCC_20220105T101409.tif").latitude.unwrap() < 0.0);
    }

    #[test]
    fn a_folder_dates_a_tile_only_if_it_bears_a_products_name() {
        assert_eq!(of("20260115T031500/site.tif").date, None);
        assert_eq!(of("S2A_batch_20260115T031500/site.tif").date, None);
        assert_eq!(of("20260115T031500/site_20180820T103000.tif").date, Some(date(2018, 8, 20)));
        assert_eq!(of("S2B_33UXP_20250302_0_L2A/B04.tif").date, Some(date(2025, 3, 2)));
    }

    #[test]
    fn other_numbers_are_no_dates() {
        assert_eq!(of("site_20220105.tif").date, None);
        assert_eq!(of("S2A_20221399_x.tif").date, None);
        assert_eq!(of("N0400_tile.tif").baseline, None);
        assert_eq!(of("Industrial_1.jpg"), ProductName::default());
    }

    #[test]
    fn dates_are_read_as_people_and_tiff_write_them() {
        for text in ["2024-01-31", "2024-01-31T10:00:00Z", "2024:01:31 10:00:00", "20240131", "20240131T101010"] {
            assert_eq!(leading_date(text), Some(date(2024, 1, 31)), "{text}");
        }
        for text in ["2024-13-01", "24-01-31", "2024-01-311", "202401311", "", "2024-0a-01", "２０２４-01-01"] {
            assert_eq!(leading_date(text), None, "{text}");
        }
    }
}
