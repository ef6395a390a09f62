//! What a band measures.

/// What augmentation must know of a band.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Optics {
    /// Central wavelength in µm; `None` for a band that the season and sky models know nothing of: radar, indices, and
    /// B10, which never sees the ground. Such a band is moved with the others and otherwise left alone.
    pub wavelength_um: Option<f32>,
    /// Side of the sensor's own pixel in metres.
    pub resolution_m: f32,
}

/// Sentinel-2A's bands: name, central wavelength in µm, pixel in metres (ESA, Sentinel-2 spectral response functions).
const SENTINEL_2: [(&str, f32, f32); 12] = [
    ("B01", 0.443, 60.0),
    ("B02", 0.492, 10.0),
    ("B03", 0.560, 10.0),
    ("B04", 0.665, 10.0),
    ("B05", 0.704, 20.0),
    ("B06", 0.741, 20.0),
    ("B07", 0.783, 20.0),
    ("B08", 0.833, 10.0),
    ("B8A", 0.865, 20.0),
    ("B09", 0.945, 60.0),
    ("B11", 1.614, 20.0),
    ("B12", 2.202, 20.0),
];

impl Optics {
    /// Of a band by its Sentinel-2 name, as manifests write it (`B04`, `B8A`). Any other name has no wavelength.
    pub fn of(band: &str) -> Self {
        let known = SENTINEL_2.iter().find(|(name, ..)| *name == band);
        known.map_or(Self { wavelength_um: None, resolution_m: 10.0 }, |&(_, wavelength_um, resolution_m)| Self {
            wavelength_um: Some(wavelength_um),
            resolution_m,
        })
    }
}

/// A quantity by wavelength: points of increasing wavelength in µm, straight lines between them, level beyond.
pub type Spectrum = [(f32, f32)];

/// The spectrum at a wavelength in µm.
pub fn at(spectrum: &Spectrum, wavelength_um: f32) -> f32 {
    let after = spectrum.partition_point(|(wavelength, _)| *wavelength <= wavelength_um);
    match (after.checked_sub(1).map(|before| spectrum[before]), spectrum.get(after)) {
        (Some((x0, y0)), Some(&(x1, y1))) => y0 + (y1 - y0) * (wavelength_um - x0) / (x1 - x0),
        (Some((_, y)), None) | (None, Some(&(_, y))) => y,
        (None, None) => f32::NAN,
    }
}

/// Rayleigh optical depth of the whole atmosphere at sea level (Hansen and Travis 1974, eq. 2.30).
pub fn rayleigh_depth(wavelength_um: f32) -> f32 {
    let inverse_square = wavelength_um.powi(-2);
    0.008569 * inverse_square.powi(2) * (1.0 + 0.0113 * inverse_square + 0.00013 * inverse_square.powi(2))
}

/// Reflectance of the air itself, seen from straight above: single scattering by Rayleigh's phase function,
/// `τ P / (4 cos θ)` with `P = ¾ (1 + cos² θ)`.
pub fn rayleigh_path(wavelength_um: f32, sun_cosine: f32) -> f32 {
    rayleigh_depth(wavelength_um) * 0.75 * (1.0 + sun_cosine * sun_cosine) / (4.0 * sun_cosine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spectrum_is_straight_between_its_points_and_level_beyond() {
        let spectrum = [(0.5, 1.0), (1.0, 2.0), (2.0, 0.0)];
        let values = [0.4, 0.5, 0.75, 1.5, 2.0, 3.0].map(|wavelength| at(&spectrum, wavelength));
        assert_eq!(values, [1.0, 1.0, 1.5, 1.0, 0.0, 0.0]);
    }

    // Reference figures: optical depths of .153, .091, .045 and .018 for B02, B03, B04 and B08; path reflectance of
    // B02 at a sun zenith angle of 25°, 65° and 70°: .058, .080, .094.
    #[test]
    fn rayleigh_scattering_agrees_with_reference_figures() {
        for (band, depth) in [("B02", 0.153), ("B03", 0.091), ("B04", 0.045), ("B08", 0.018)] {
            let wavelength = Optics::of(band).wavelength_um.unwrap();
            assert!((rayleigh_depth(wavelength) - depth).abs() < 0.002, "{band}");
        }
        for (zenith_deg, path) in [(25f32, 0.058), (65.0, 0.080), (70.0, 0.094)] {
            assert!((rayleigh_path(0.492, zenith_deg.to_radians().cos()) - path).abs() < 0.002, "{zenith_deg}");
        }
    }

    #[test]
    fn radar_and_the_cirrus_band_have_no_wavelength() {
        assert!(["VV", "VH", "B10", "NDVI"].iter().all(|band| Optics::of(band).wavelength_um.is_none()));
        assert_eq!(Optics::of("B8A").resolution_m, 20.0);
    }
}
