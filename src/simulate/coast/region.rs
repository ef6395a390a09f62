//! Regional styles: how coasts of different latitudes and rocks look. They are styles, not places: nothing is mapped.

use crate::simulate::random::Span;
use crate::simulate::spectra::Surface;
use crate::{Error, Result};

/// Land covers, in the order of [`Region::land`].
pub const COVERS: usize = 6;

/// A regional style.
#[derive(Debug, Clone, Copy)]
pub struct Region {
    /// Its name; sites are named by it and a number.
    pub name: &'static str,
    /// Bounds of longitude in degrees.
    pub longitude: Span,
    /// Bounds of latitude in degrees; negative south of the equator.
    pub latitude: Span,
    /// Seen in no split but the measurement.
    pub is_held_out: bool,
    /// Shares of broad-leaved trees, evergreens, grass, fields, rock and bare soil; they need not add up to 1.
    pub land: [f32; COVERS],
    /// Whether grass is dry in summer.
    pub has_dry_summer: bool,
    /// The rock, also as outcrops that look like buildings.
    pub rock: Surface,
    /// The soil, also where it is dug up.
    pub soil: Surface,
    /// Width of the beach in pixels.
    pub beach_px: Span,
    /// Probability that the shore is rock instead of sand.
    pub rocky: f32,
    /// Deviation of the shore from its smooth course in pixels.
    pub shore_roughness_px: f32,
    /// Slope of the land towards the sun, as a deviation.
    pub steepness: f32,
    /// 0 clear to 1 turbid.
    pub turbidity: f32,
    /// Mean number of old settlements behind the belt.
    pub settlements: f32,
    /// Odds of tiled, metal and weathered concrete roofs in them.
    pub roofs: [f32; 3],
    /// Size of buildings relative to the usual.
    pub building_scale: f32,
    /// Probability of snow relative to the usual at the latitude.
    pub snow: f32,
    /// Optical depth of aerosol at 0.55 µm in summer; three quarters of it in winter.
    pub aerosol_depth: Span,
    /// Slope of the clouds' spectrum: steep for stratus, flat for broken cumulus.
    pub cloud_slope: Span,
}

/// All of them; every fourth is held out.
pub const REGIONS: [Region; 16] = [
    Region {
        longitude: [-1.6, -1.0],
        latitude: [43.6, 45.6],
        turbidity: 0.4,
        ..style("atlantic-dunes", [0.3, 0.8, 0.5, 0.3, 0.1, 0.3])
    },
    Region { longitude: [2.6, 3.3], latitude: [41.3, 42.4], ..rocky("maquis-coves", [0.2, 1.0, 0.4, 0.2, 0.6, 0.2]) },
    Region {
        longitude: [-4.8, -3.2],
        latitude: [47.8, 48.8],
        turbidity: 0.5,
        ..rocky("granite-heath", [0.5, 0.3, 0.9, 0.5, 0.4, 0.1])
    },
    Region {
        longitude: [13.5, 15.6],
        latitude: [37.2, 38.2],
        is_held_out: true,
        rock: Surface::Basalt,
        soil: Surface::DarkSoil,
        ..rocky("volcanic-slopes", [0.2, 0.6, 0.6, 0.4, 0.6, 0.4])
    },
    Region {
        longitude: [7.9, 8.3],
        latitude: [55.6, 57.2],
        turbidity: 0.7,
        snow: 1.2,
        ..style("northern-meadows", [0.4, 0.2, 1.0, 0.8, 0.0, 0.1])
    },
    Region {
        longitude: [15.2, 18.2],
        latitude: [53.9, 54.8],
        snow: 1.5,
        ..style("baltic-pines", [0.5, 0.9, 0.4, 0.5, 0.0, 0.2])
    },
    Region {
        longitude: [16.8, 18.6],
        latitude: [40.0, 41.6],
        has_dry_summer: true,
        settlements: 1.6,
        ..style("olive-plain", [0.1, 0.7, 0.6, 0.8, 0.3, 0.4])
    },
    Region {
        longitude: [27.6, 28.6],
        latitude: [42.4, 44.4],
        is_held_out: true,
        turbidity: 0.6,
        ..style("loess-cliffs", [0.5, 0.2, 0.7, 1.0, 0.1, 0.4])
    },
    Region {
        longitude: [14.6, 17.4],
        latitude: [42.6, 44.6],
        settlements: 1.4,
        roofs: [1.0, 0.1, 0.3],
        ..rocky("karst-islands", [0.3, 0.9, 0.3, 0.1, 1.0, 0.2])
    },
    Region {
        longitude: [23.8, 26.2],
        latitude: [34.9, 35.4],
        has_dry_summer: true,
        roofs: [0.2, 0.4, 1.0],
        ..rocky("arid-island", [0.1, 0.4, 0.9, 0.3, 0.7, 0.5])
    },
    Region {
        longitude: [-9.2, -8.2],
        latitude: [41.8, 43.4],
        turbidity: 0.3,
        settlements: 1.8,
        ..rocky("rias-woods", [0.8, 0.7, 0.6, 0.3, 0.2, 0.1])
    },
    Region {
        longitude: [-72.4, -71.6],
        latitude: [-36.6, -33.2],
        is_held_out: true,
        has_dry_summer: true,
        ..style("southern-scrub", [0.3, 0.6, 0.8, 0.5, 0.2, 0.4])
    },
    Region {
        longitude: [-0.6, 1.4],
        latitude: [50.7, 52.8],
        turbidity: 0.9,
        settlements: 1.5,
        ..style("chalk-estuary", [0.5, 0.1, 0.9, 1.0, 0.2, 0.2])
    },
    Region {
        longitude: [173.6, 176.9],
        latitude: [-39.6, -37.4],
        rock: Surface::Basalt,
        soil: Surface::DarkSoil,
        ..style("southern-pastures", [0.5, 0.6, 1.0, 0.3, 0.1, 0.1])
    },
    Region {
        longitude: [-8.9, -7.4],
        latitude: [36.9, 37.2],
        has_dry_summer: true,
        settlements: 2.0,
        roofs: [0.5, 0.3, 0.6],
        ..style("sandstone-resorts", [0.1, 0.6, 0.7, 0.4, 0.4, 0.6])
    },
    Region {
        longitude: [10.4, 12.0],
        latitude: [57.4, 59.0],
        is_held_out: true,
        snow: 1.5,
        ..rocky("skerries", [0.7, 0.8, 0.5, 0.2, 0.8, 0.0])
    },
];

/// A low sandy coast, from which the others differ.
const fn style(name: &'static str, land: [f32; COVERS]) -> Region {
    Region {
        name,
        longitude: [0.0, 0.0],
        latitude: [0.0, 0.0],
        is_held_out: false,
        land,
        has_dry_summer: false,
        rock: Surface::LimestoneRock,
        soil: Surface::LightSoil,
        beach_px: [1.0, 5.0],
        rocky: 0.1,
        shore_roughness_px: 1.5,
        steepness: 0.02,
        turbidity: 0.2,
        settlements: 1.0,
        roofs: [1.0, 0.3, 0.5],
        building_scale: 1.0,
        snow: 1.0,
        aerosol_depth: [0.06, 0.25],
        cloud_slope: [2.6, 3.2],
    }
}

/// A steep, indented coast.
const fn rocky(name: &'static str, land: [f32; COVERS]) -> Region {
    Region {
        beach_px: [0.5, 2.5],
        rocky: 0.6,
        shore_roughness_px: 4.0,
        steepness: 0.06,
        building_scale: 0.9,
        cloud_slope: [2.8, 3.6],
        ..style(name, land)
    }
}

/// The regions of these names, all of them where none is named.
///
/// # Errors
/// [`crate::Kind::Usage`] listing the names where one is unknown, or where all of the chosen are held out.
pub fn choose(names: &[String]) -> Result<Vec<&'static Region>> {
    let known = || REGIONS.map(|region| region.name).join(", ");
    for name in names {
        if !REGIONS.iter().any(|region| region.name == name) {
            return Err(Error::usage(format!("--regions {name}: no such region; there are {}", known())));
        }
    }
    let is_chosen = |region: &&Region| names.is_empty() || names.iter().any(|name| name == region.name);
    let chosen: Vec<&Region> = REGIONS.iter().filter(is_chosen).collect();
    match chosen.iter().all(|region| region.is_held_out) {
        true => Err(Error::usage("--regions: all of these are held out for the measurement; add one to train on")),
        false => Ok(chosen),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dozen_regions_are_for_development_and_four_are_held_out_whole() {
        let held_out = REGIONS.iter().filter(|region| region.is_held_out).count();
        assert_eq!((REGIONS.len() - held_out, held_out), (12, 4));
        for region in &REGIONS {
            assert!(region.latitude[0] < region.latitude[1] && region.longitude[0] < region.longitude[1]);
            assert!(REGIONS.iter().filter(|other| other.name == region.name).count() == 1);
        }
    }

    #[test]
    fn unknown_regions_are_told_the_known_ones() {
        let error = choose(&["atlantis".into()]).unwrap_err().to_string();
        assert!(error.contains("atlantis") && error.contains("baltic-pines"), "{error}");
        assert!(choose(&["skerries".into()]).is_err());
        assert_eq!(choose(&["skerries".into(), "olive-plain".into()]).unwrap().len(), 2);
    }
}
