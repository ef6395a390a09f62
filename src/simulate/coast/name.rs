//! File names in the style of products, with the square of the military grid that a place lies in.

use jiff::civil::Date;

use crate::Result;
use crate::simulate::tile::utm;

/// Letters of latitude bands, of columns and of rows: I and O are left out.
const BANDS: &[u8] = b"CDEFGHJKLMNPQRSTUVWX";
const COLUMNS: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZ";
const ROWS: &[u8] = b"ABCDEFGHJKLMNPQRSTUV";
const SQUARE_M: f64 = 100_000.0;

/// `S2A_MSIL1C_20180612T103021_T31TCJ_baltic-pines-0012.tif`: platform and second of sensing go by the date.
///
/// # Errors
/// [`crate::Kind::Usage`] for a place outside of UTM.
pub fn file_name(place: (f64, f64), date: Date, site: &str) -> Result<String> {
    let platform = if date.day_of_year() % 2 == 0 { 'A' } else { 'B' };
    // Half past ten, solar time: an hour earlier for 15° further east.
    let seconds = (10.5 - place.0 / 15.0).rem_euclid(24.0) * 3600.0 + f64::from(date.day_of_year() % 60);
    let (hour, minute, second) = ((seconds / 3600.0) as u32, (seconds / 60.0) as u32 % 60, seconds as u32 % 60);
    let day = date.strftime("%Y%m%d");
    let square = square(place)?;
    Ok(format!("S2{platform}_MSIL1C_{day}T{hour:02}{minute:02}{second:02}_T{square}_{site}.tif"))
}

/// Zone, latitude band and square of 100 km, as `31TCJ`.
fn square((longitude, latitude): (f64, f64)) -> Result<String> {
    let (epsg, x, y) = utm((longitude, latitude))?;
    let zone = usize::from(epsg % 100);
    let band = BANDS[(((latitude + 80.0) / 8.0) as usize).min(BANDS.len() - 1)];
    // Columns go round in three zones; rows every 2,000 km, from F in even zones.
    let column = COLUMNS[(zone - 1) % 3 * 8 + (x / SQUARE_M) as usize - 1];
    let row = ROWS[((y / SQUARE_M) as usize + if zone % 2 == 0 { 5 } else { 0 }) % ROWS.len()];
    Ok(format!("{zone:02}{}{}{}", char::from(band), char::from(column), char::from(row)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::ProductName;
    use jiff::civil::date;
    use std::path::Path;

    // Squares of well-known places, from the published grid.
    #[test]
    fn squares_are_those_of_the_grid() {
        for (place, expected) in [
            ((2.35, 48.86), "31UDQ"),   // Paris
            ((-9.14, 38.71), "29SMC"),  // Lisbon
            ((11.58, 48.14), "32UPU"),  // Munich
            ((151.2, -33.87), "56HLH"), // Sydney
        ] {
            assert_eq!(square(place).unwrap(), expected);
        }
    }

    #[test]
    fn names_are_read_as_products_are() {
        let name = file_name((16.2, 54.3), date(2019, 1, 7), "baltic-pines-0012").unwrap();
        let facts = ProductName::of(Path::new(&name));
        assert_eq!((facts.date, facts.baseline), (Some(date(2019, 1, 7)), None), "{name}");
        assert_eq!(facts.latitude, Some(52.0));
        let southern = file_name((-72.0, -35.0), date(2019, 1, 7), "southern-scrub-0001").unwrap();
        assert!(ProductName::of(Path::new(&southern)).latitude.unwrap() < 0.0);
    }
}
