//! Where the sun stands when Sentinel-2 passes.

/// Declination of the sun at the solstices in degrees.
const OBLIQUITY_DEG: f32 = 23.44;
/// The day of the year of the northern summer's solstice.
const SOLSTICE: f32 = 172.0;
/// Sentinel-2 passes at half past ten, mean solar time: an hour and a half before noon, at 15° an hour.
const HOUR_ANGLE_DEG: f32 = -22.5;
/// A plane atmosphere means nothing for a lower sun; neither are such scenes processed. 75.5°.
const COSINE_MIN: f32 = 0.25;

/// Direction of the sun.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sun {
    /// cos of the zenith angle, at least 0.25.
    pub cosine: f32,
    /// Clockwise from north, in radians.
    pub azimuth: f32,
}

impl Sun {
    /// The sun over a latitude in degrees on a day of the year (1 to 366).
    pub fn at(latitude_deg: f32, day_of_year: u16) -> Self {
        let year = std::f32::consts::TAU * (f32::from(day_of_year) - SOLSTICE) / 365.25;
        let (sin_declination, cos_declination) = (OBLIQUITY_DEG.to_radians() * year.cos()).sin_cos();
        let (sin_hour, cos_hour) = HOUR_ANGLE_DEG.to_radians().sin_cos();
        let (sin_latitude, cos_latitude) = latitude_deg.to_radians().sin_cos();
        let up = sin_latitude * sin_declination + cos_latitude * cos_declination * cos_hour;
        let north = cos_latitude * sin_declination - sin_latitude * cos_declination * cos_hour;
        let east = -cos_declination * sin_hour;
        Self { cosine: up.max(COSINE_MIN), azimuth: east.atan2(north) }
    }

    /// Zenith angle in degrees.
    pub fn zenith_deg(&self) -> f32 {
        self.cosine.acos().to_degrees()
    }

    /// tan of the zenith angle: length of a shadow for a height.
    pub fn tangent(&self) -> f32 {
        (1.0 - self.cosine * self.cosine).sqrt() / self.cosine
    }

    /// Rows (southwards) and columns (eastwards) from a shadow on the ground to what casts it from `height_px`.
    pub fn to_caster(&self, height_px: f32) -> [f32; 2] {
        let distance = height_px * self.tangent();
        [-self.azimuth.cos() * distance, self.azimuth.sin() * distance]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Zenith angles in June and December at 10:30 solar time by the almanac, to a degree.
    #[test]
    fn zenith_angles_are_those_of_the_almanac() {
        for (latitude, june, december) in [(36.0, 23.0, 63.0), (40.0, 25.0, 67.0), (45.0, 28.0, 72.0)] {
            assert!((Sun::at(latitude, 172).zenith_deg() - june).abs() < 1.0, "{latitude}");
            assert!((Sun::at(latitude, 355).zenith_deg() - december).abs() < 1.0, "{latitude}");
        }
        for (latitude, june) in [(50.0, 32.0), (55.0, 36.0), (60.0, 40.0)] {
            assert!((Sun::at(latitude, 172).zenith_deg() - june).abs() < 1.0, "{latitude}");
            assert_eq!(Sun::at(latitude, 355).cosine, COSINE_MIN, "{latitude}: below the least height");
        }
    }

    #[test]
    fn the_morning_sun_is_in_the_south_east_and_in_the_north_east_below_the_equator() {
        let degrees = |latitude, day| Sun::at(latitude, day).azimuth.to_degrees();
        assert!((155.0..162.0).contains(&degrees(45.0, 355)), "{}", degrees(45.0, 355));
        assert!((125.0..145.0).contains(&degrees(45.0, 172)), "{}", degrees(45.0, 172));
        assert!((20.0..40.0).contains(&degrees(-40.0, 172)), "{}", degrees(-40.0, 172));
        assert!((Sun::at(-40.0, 172).zenith_deg() - Sun::at(40.0, 355).zenith_deg()).abs() < 1.0);
    }

    #[test]
    fn what_casts_a_shadow_stands_towards_the_sun() {
        // In the south-east: further down and further right in an image with north up.
        let [rows, columns] = Sun::at(45.0, 355).to_caster(2.0);
        assert!(rows > 0.0 && columns > 0.0);
        // A 6 m house at 45° throws 17.9 m in December.
        assert!((rows.hypot(columns) / 2.0 * 6.0 - 17.9).abs() < 0.5);
    }
}
