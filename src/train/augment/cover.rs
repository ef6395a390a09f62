//! What lies on the ground, as far as reflectance tells: vegetation and water, and the light of the air above them.

use super::Image;
use super::noise::smooth;
use super::optics::rayleigh_depth;

/// Blue reflectance of the darkest ground there is; what the darkest pixel has beyond it is the air's.
const DARKEST_BLUE: f32 = 0.03;
/// No clear air over the sea reflects more than this in blue.
const PATH_BLUE_MAX: f32 = 0.08;
/// Wavelength of blue in µm, to which the air's light is referred.
pub const BLUE_UM: f32 = 0.492;
/// How far a band may lie from the wavelength looked for, in µm (NIR: B08, else B8A).
const TOLERANCE_UM: f32 = 0.035;

/// Vegetation and water of every pixel, 0 to 1, and the path reflectance of blue.
#[derive(Debug, Default)]
pub struct Cover {
    /// Share of green vegetation.
    pub vegetation: Vec<f32>,
    /// Share of open water.
    pub water: Vec<f32>,
    /// Path reflectance in blue by dark-object subtraction (Chavez 1988): 0 where the atmosphere was corrected for.
    pub path_blue: f32,
}

impl Cover {
    /// Path reflectance at a wavelength: that of blue, in proportion to Rayleigh's optical depth.
    pub fn path(&self, wavelength_um: f32) -> f32 {
        self.path_blue * rayleigh_depth(wavelength_um) / rayleigh_depth(BLUE_UM)
    }

    /// Estimates path and cover from the bands that are there. With near infrared, vegetation is NDVI from 0.25 to
    /// 0.6 and water NDWI from 0 to 0.3. With blue, green and red alone, vegetation is green ground that exceeds both
    /// its neighbours, and water exceeds red in blue. Without these bands nothing is known and both are 0.
    pub fn estimate(&mut self, image: &Image) {
        let plane = image.side_px * image.side_px;
        for share in [&mut self.vegetation, &mut self.water] {
            share.clear();
            share.resize(plane, 0.0);
        }
        self.path_blue = path_blue(image);
        let [green, red, nir] = [0.560, 0.665, 0.833].map(|wavelength_um| band(image, wavelength_um));
        let blue = band(image, BLUE_UM);
        let shares = self.vegetation.iter_mut().zip(&mut self.water);
        if let (Some(green), Some(red), Some(nir)) = (green, red, nir) {
            for (pixel, (vegetation, water)) in shares.enumerate() {
                *vegetation = smooth((ratio(nir[pixel], red[pixel]) - 0.25) / 0.35);
                *water = smooth(ratio(green[pixel], nir[pixel]) / 0.3);
            }
        } else if let (Some(blue), Some(green), Some(red)) = (blue, green, red) {
            let air = [BLUE_UM, 0.560, 0.665]
                .map(|wavelength_um| self.path_blue * rayleigh_depth(wavelength_um) / rayleigh_depth(BLUE_UM));
            for (pixel, (vegetation, water)) in shares.enumerate() {
                let [blue, green, red] =
                    [blue[pixel] - air[0], green[pixel] - air[1], red[pixel] - air[2]].map(|value| value.max(0.0));
                *vegetation = smooth(ratio(green, red) / 0.2) * smooth(ratio(green, blue) / 0.2);
                *water = smooth((ratio(blue, red) - 0.1) / 0.3);
            }
        }
    }
}

/// The darkest valid blue pixel's excess over the darkest ground; 0 without blue.
pub fn path_blue(image: &Image) -> f32 {
    let darkest = band(image, BLUE_UM).map(|blue| blue.iter().copied().fold(f32::INFINITY, f32::min));
    let excess = darkest.filter(|darkest| darkest.is_finite()).map(|darkest| darkest - DARKEST_BLUE);
    excess.unwrap_or(0.0).clamp(0.0, PATH_BLUE_MAX)
}

/// The band nearest to a wavelength, if one is near enough.
fn band<'a>(image: &'a Image, wavelength_um: f32) -> Option<&'a [f32]> {
    let plane = image.side_px * image.side_px;
    let distance = |index: usize| (image.optics[index].wavelength_um.unwrap_or(f32::INFINITY) - wavelength_um).abs();
    let nearest = (0..image.optics.len()).min_by(|a, b| distance(*a).total_cmp(&distance(*b)))?;
    (distance(nearest) < TOLERANCE_UM).then(|| &image.values[nearest * plane..(nearest + 1) * plane])
}

/// Normalised difference of two reflectances; 0 where either is invalid or both are dark.
fn ratio(a: f32, b: f32) -> f32 {
    let ratio = (a - b) / (a + b).max(1e-3);
    if ratio.is_nan() { 0.0 } else { ratio }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::augment::Optics;

    // Reflectance of B02, B03, B04, B08: summer vegetation, deep water, dry sand, new concrete.
    const GROUNDS: [[f32; 4]; 4] =
        [[0.03, 0.06, 0.035, 0.40], [0.03, 0.022, 0.01, 0.005], [0.18, 0.24, 0.30, 0.39], [0.27, 0.31, 0.34, 0.37]];

    fn estimate(bands: &[&str], air: f32) -> Cover {
        let optics: Vec<Optics> = bands.iter().map(|band| Optics::of(band)).collect();
        let column = |band: &str| ["B02", "B03", "B04", "B08"].iter().position(|name| *name == band).unwrap();
        let scattered =
            |band: &str| air * rayleigh_depth(Optics::of(band).wavelength_um.unwrap()) / rayleigh_depth(BLUE_UM);
        let value = |band: &str, ground: &[f32; 4]| ground[column(band)] + scattered(band);
        let mut values: Vec<f32> =
            bands.iter().flat_map(|band| GROUNDS.iter().map(|ground| value(band, ground))).collect();
        let mut cover = Cover::default();
        cover.estimate(&Image { values: &mut values, side_px: 2, optics: &optics });
        cover
    }

    #[test]
    fn vegetation_and_water_are_told_from_sand_and_concrete_with_and_without_infrared_and_air() {
        for bands in [&["B02", "B03", "B04", "B08"][..], &["B04", "B03", "B02"]] {
            for air in [0.0, 0.06] {
                let Cover { vegetation, water, path_blue } = estimate(bands, air);
                assert!(vegetation[0] > 0.9 && vegetation[1..].iter().all(|share| *share < 0.1), "{vegetation:?}");
                assert!(water[1] > 0.9 && water[2..].iter().all(|share| *share < 0.1), "{water:?}");
                assert!(water[0] < 0.1);
                assert!((path_blue - air).abs() < 1e-6);
            }
        }
    }
}
