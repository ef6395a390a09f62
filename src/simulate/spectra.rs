//! What surfaces reflect.

use rand::RngExt;

use crate::simulate::bands::ALL;
use crate::simulate::random::{normal_pair, uniform};

/// Reflectance in the thirteen bands of [`ALL`].
pub type Spectrum = [f32; 13];

/// A surface, or what may lie over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Surface {
    DeepWater,
    TurbidWater,
    ShallowWater,
    Foam,
    DrySand,
    WetSand,
    GreenVegetation,
    Evergreen,
    BareTrees,
    DryGrass,
    GreenGrass,
    LightSoil,
    DarkSoil,
    Excavation,
    NewConcrete,
    WeatheredConcrete,
    Asphalt,
    TileRoof,
    MetalRoof,
    LimestoneRock,
    Basalt,
    FreshSnow,
    OldSnow,
    Greenhouse,
    WaterCloud,
    IceCloud,
}

impl Surface {
    /// Typical reflectance in B02, B03, B04, B05, B08, B8A, B11, B12, rounded from what spectral libraries hold.
    fn measured(self) -> [f32; 8] {
        match self {
            Self::DeepWater => [0.030, 0.022, 0.010, 0.008, 0.005, 0.004, 0.002, 0.001],
            Self::TurbidWater => [0.060, 0.080, 0.060, 0.045, 0.025, 0.020, 0.008, 0.005],
            Self::ShallowWater => [0.110, 0.120, 0.060, 0.035, 0.015, 0.012, 0.005, 0.004],
            Self::Foam => [0.250, 0.250, 0.230, 0.210, 0.180, 0.170, 0.060, 0.040],
            Self::DrySand => [0.180, 0.240, 0.300, 0.330, 0.390, 0.405, 0.480, 0.450],
            Self::WetSand => [0.090, 0.120, 0.150, 0.165, 0.190, 0.195, 0.150, 0.100],
            Self::GreenVegetation => [0.030, 0.060, 0.035, 0.100, 0.400, 0.420, 0.200, 0.095],
            Self::Evergreen => [0.030, 0.045, 0.035, 0.075, 0.240, 0.260, 0.170, 0.090],
            Self::BareTrees => [0.045, 0.060, 0.070, 0.095, 0.180, 0.200, 0.230, 0.160],
            Self::DryGrass => [0.070, 0.100, 0.130, 0.160, 0.260, 0.280, 0.360, 0.260],
            Self::GreenGrass => [0.030, 0.060, 0.040, 0.095, 0.320, 0.340, 0.220, 0.120],
            Self::LightSoil => [0.100, 0.140, 0.190, 0.215, 0.270, 0.285, 0.370, 0.320],
            Self::DarkSoil => [0.050, 0.070, 0.095, 0.110, 0.140, 0.150, 0.200, 0.160],
            Self::Excavation => [0.200, 0.260, 0.310, 0.330, 0.370, 0.380, 0.430, 0.380],
            Self::NewConcrete => [0.270, 0.310, 0.340, 0.350, 0.370, 0.375, 0.400, 0.370],
            Self::WeatheredConcrete => [0.160, 0.190, 0.215, 0.225, 0.250, 0.255, 0.290, 0.270],
            Self::Asphalt => [0.080, 0.090, 0.100, 0.105, 0.120, 0.125, 0.160, 0.150],
            Self::TileRoof => [0.070, 0.100, 0.200, 0.240, 0.300, 0.315, 0.400, 0.370],
            Self::MetalRoof => [0.450, 0.480, 0.480, 0.480, 0.470, 0.460, 0.420, 0.380],
            Self::LimestoneRock => [0.140, 0.170, 0.200, 0.215, 0.240, 0.250, 0.310, 0.280],
            Self::Basalt => [0.050, 0.058, 0.065, 0.070, 0.080, 0.085, 0.110, 0.105],
            Self::FreshSnow => [0.930, 0.930, 0.920, 0.910, 0.870, 0.840, 0.090, 0.060],
            Self::OldSnow => [0.700, 0.700, 0.680, 0.660, 0.580, 0.540, 0.030, 0.020],
            Self::Greenhouse => [0.300, 0.330, 0.340, 0.350, 0.420, 0.430, 0.330, 0.250],
            Self::WaterCloud => [0.700, 0.690, 0.690, 0.690, 0.690, 0.690, 0.480, 0.330],
            Self::IceCloud => [0.650, 0.650, 0.650, 0.650, 0.640, 0.630, 0.280, 0.200],
        }
    }

    /// Reflectance in all bands: B01 in line with B02 and B03, B06 and B07 on the red edge (steep where leaves are),
    /// B09 and B10 what water vapour leaves of them.
    pub fn spectrum(self) -> Spectrum {
        let [b02, b03, b04, b05, b08, b8a, b11, b12] = self.measured();
        let violet = (b02 + 0.72 * (b02 - b03)).max(0.5 * b02);
        let is_leafy = b08 > 3.0 * b04;
        let [at_b06, at_b07] = if is_leafy { [0.72, 1.0] } else { [0.29, 0.61] };
        let edge = |share: f32| b05 + share * (b08 - b05);
        // Clouds stand above most of the vapour, ice clouds above all of it.
        let [b09, b10] = match self {
            Self::WaterCloud => [0.6 * b8a, 0.02],
            Self::IceCloud => [0.9 * b8a, 0.30],
            _ => [0.28 * b8a, 0.001],
        };
        [violet, b02, b03, b04, b05, edge(at_b06), edge(at_b07), b08, b8a, b09, b10, b11, b12]
    }

    /// One instance of the surface: its spectrum with a [`tint`] of its own.
    pub fn instance(self, rng: &mut impl RngExt) -> Spectrum {
        tinted(&self.spectrum(), &tint(rng))
    }
}

/// Factors by which one instance of a surface differs from the typical: brighter or darker as a whole by up to 15 and 20 %,
/// and bent smoothly by a few percent.
pub fn tint(rng: &mut impl RngExt) -> Spectrum {
    let gain = uniform([0.8, 1.15], rng);
    let [tilt, bend] = normal_pair(rng);
    ALL.map(|band| {
        // −1 at B01, 1 at B12.
        let x = (band.wavelength_um / 0.988).ln() / 0.8018;
        gain * (1.0 + 0.03 * (tilt * x + bend * (2.0 * x * x - 1.0))).max(0.5)
    })
}

/// A spectrum times a tint.
pub fn tinted(spectrum: &Spectrum, tint: &Spectrum) -> Spectrum {
    std::array::from_fn(|band| spectrum[band] * tint[band])
}

/// Between two spectra.
pub fn mix(from: &Spectrum, to: &Spectrum, share: f32) -> Spectrum {
    std::array::from_fn(|band| from[band] + (to[band] - from[band]) * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn angle(a: Surface, b: Surface) -> f32 {
        let dot = |a: &[f32; 8], b: &[f32; 8]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        let (a, b) = (a.measured(), b.measured());
        (dot(&a, &b) / (dot(&a, &a) * dot(&b, &b)).sqrt()).acos().to_degrees()
    }

    // Spectral angles to new concrete, computed elsewhere from the same sources.
    #[test]
    fn what_looks_like_concrete_does_so_by_a_few_degrees() {
        for (surface, degrees) in [
            (Surface::WeatheredConcrete, 3.9),
            (Surface::Excavation, 5.5),
            (Surface::LimestoneRock, 7.3),
            (Surface::Asphalt, 7.6),
            (Surface::Greenhouse, 9.4),
            (Surface::DrySand, 9.6),
        ] {
            assert!((angle(Surface::NewConcrete, surface) - degrees).abs() < 0.1, "{surface:?}");
        }
    }

    #[test]
    fn the_red_edge_is_steep_in_leaves_alone() {
        let [leaf, soil] = [Surface::GreenVegetation, Surface::LightSoil].map(Surface::spectrum);
        let share = |s: &Spectrum| (s[5] - s[4]) / (s[7] - s[4]);
        assert!(share(&leaf) > 0.6 && share(&soil) < 0.4);
        assert!(leaf[0] < leaf[1] && soil[10] < 0.01);
    }
}
