//! Clear air: molecules and aerosol between the ground and the sensor, which looks straight down.
//!
//! Single scattering for what the air adds, two streams for what it takes away; both for optically thin air, as
//! aerosol and Rayleigh depths are here.

/// Ångström's exponent: aerosol depth falls with wavelength to this power.
const ANGSTROM: f32 = 1.3;
/// Wavelength in µm that aerosol depths are stated at.
const AEROSOL_WAVELENGTH_UM: f32 = 0.55;
/// Share of what aerosol takes out of a beam that it scatters (the rest is absorbed).
const SCATTERED: f32 = 0.95;
/// Asymmetry of scattering by aerosol (Henyey and Greenstein).
const ASYMMETRY: f32 = 0.65;

/// Air under a sun.
#[derive(Debug, Clone, Copy)]
pub struct Air {
    /// cos of the sun's zenith angle.
    pub sun_cosine: f32,
    /// Optical depth of aerosol at 0.55 µm.
    pub aerosol_depth: f32,
}

/// What clear air does to one band.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Passage {
    /// Reflectance that the air itself adds.
    pub path: f32,
    /// Share of light that is left after the way down and up.
    pub transmittance: f32,
    /// Share of the light at the ground that comes from the sky rather than straight from the sun.
    pub diffuse: f32,
}

impl Air {
    /// The passage of light of a wavelength in µm.
    pub fn passage(&self, wavelength_um: f32) -> Passage {
        let (molecules, aerosol) = (rayleigh_depth(wavelength_um), self.aerosol(wavelength_um));
        // Down along the sun's ray, and straight up. Molecules send half of what they scatter backwards.
        let lost = 0.5 * molecules + (1.0 - SCATTERED * (1.0 + ASYMMETRY) / 2.0) * aerosol;
        let down = (-lost / self.sun_cosine).exp();
        let direct = (-(molecules + aerosol) / self.sun_cosine).exp();
        let scattered = molecules * self.rayleigh_phase() + SCATTERED * aerosol * self.aerosol_phase();
        Passage {
            path: scattered / (4.0 * self.sun_cosine),
            transmittance: down * (-lost).exp(),
            diffuse: 1.0 - direct / down,
        }
    }

    fn aerosol(&self, wavelength_um: f32) -> f32 {
        self.aerosol_depth * (wavelength_um / AEROSOL_WAVELENGTH_UM).powf(-ANGSTROM)
    }

    /// Straight up is 180° minus the zenith angle away from where the light was going.
    fn rayleigh_phase(&self) -> f32 {
        0.75 * (1.0 + self.sun_cosine * self.sun_cosine)
    }

    fn aerosol_phase(&self) -> f32 {
        let squared = ASYMMETRY * ASYMMETRY;
        (1.0 - squared) / (1.0 + squared + 2.0 * ASYMMETRY * self.sun_cosine).powf(1.5)
    }
}

/// Optical depth of the molecules above sea level (Hansen and Travis, 1974).
fn rayleigh_depth(wavelength_um: f32) -> f32 {
    let inverse = (wavelength_um * wavelength_um).recip();
    0.008569 * inverse * inverse * (1.0 + 0.0113 * inverse + 0.00013 * inverse * inverse)
}

#[cfg(test)]
mod tests {
    use super::super::bands::ALL;
    use super::*;

    fn wavelength(name: &str) -> f32 {
        ALL.iter().find(|band| band.name == name).unwrap().wavelength_um
    }

    #[test]
    fn depths_of_molecules_are_the_published_ones() {
        for (name, depth) in [("B01", 0.237), ("B02", 0.153), ("B03", 0.091), ("B04", 0.045), ("B08", 0.018)] {
            assert!((rayleigh_depth(wavelength(name)) / depth - 1.0).abs() < 0.02, "{name}");
        }
        assert!((rayleigh_depth(wavelength("B11")) - 0.0013).abs() < 1e-4);
        assert!((rayleigh_depth(wavelength("B12")) - 0.0004).abs() < 1e-4);
    }

    // Reflectance of the molecules' path at zenith angles of 25, 65 and 70°.
    #[test]
    fn path_reflectance_of_molecules_is_that_of_single_scattering() {
        for (name, expected) in [
            ("B02", [0.058, 0.080, 0.094]),
            ("B03", [0.034, 0.047, 0.055]),
            ("B04", [0.017, 0.024, 0.028]),
            ("B08", [0.007, 0.010, 0.011]),
        ] {
            for (zenith, path) in [25f32, 65.0, 70.0].into_iter().zip(expected) {
                let air = Air { sun_cosine: zenith.to_radians().cos(), aerosol_depth: 0.0 };
                assert!((air.passage(wavelength(name)).path - path).abs() < 0.001, "{name} at {zenith}°");
            }
        }
    }

    #[test]
    fn aerosol_brightens_dark_ground_and_darkens_bright_ground() {
        let air = |aerosol_depth| Air { sun_cosine: 0.5, aerosol_depth }.passage(wavelength("B04"));
        let seen = |aerosol_depth, ground| air(aerosol_depth).path + air(aerosol_depth).transmittance * ground;
        assert!(seen(0.4, 0.02) > seen(0.05, 0.02));
        assert!(seen(0.4, 0.6) < seen(0.05, 0.6));
    }

    #[test]
    fn shadows_are_bluer_and_less_dark_under_a_low_sun() {
        let diffuse = |name, sun_cosine| Air { sun_cosine, aerosol_depth: 0.1 }.passage(wavelength(name)).diffuse;
        assert!(diffuse("B02", 0.5) > diffuse("B04", 0.5) && diffuse("B04", 0.5) > diffuse("B11", 0.5));
        assert!(diffuse("B04", 0.3) > diffuse("B04", 0.9));
        assert!((0.0..0.6).contains(&diffuse("B02", 0.3)));
    }
}
