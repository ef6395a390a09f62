//! Regional styles of mountains. Styles, not places: nothing is mapped.

use crate::simulate::random::Span;
use crate::simulate::spectra::Surface;

/// What a region's patches are used for. No region is in two parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Fitting, and choosing between fits by folds.
    Train,
    /// Cut-offs, temperatures and thresholds.
    Calibration,
    /// Measuring.
    Measurement,
}

impl Part {
    /// All of them with their shares of the patches.
    pub const ALL: [(Self, f32); 3] = [(Self::Train, 0.6), (Self::Calibration, 0.2), (Self::Measurement, 0.2)];

    /// The name in the manifest.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Calibration => "calibration",
            Self::Measurement => "measurement",
        }
    }
}

/// A regional style.
#[derive(Debug, Clone, Copy)]
pub struct Region {
    /// Its name.
    pub name: &'static str,
    /// What its patches are used for.
    pub part: Part,
    /// Degrees east.
    pub longitude: Span,
    /// Degrees north.
    pub latitude: Span,
    /// Slope of the valleys' sides in degrees.
    pub flank_deg: Span,
    /// Deviation of the slope of what is smaller than a valley, in degrees.
    pub relief_deg: Span,
    /// Share of forest, and of conifers in it.
    pub forest: f32,
    /// Share of conifers in the forest.
    pub conifers: f32,
    /// Share of rock and scree on the heights.
    pub rocky: f32,
    /// Share of fields in what is gentle enough for them.
    pub fields: f32,
    /// Share of snow in the depth of winter.
    pub snow: f32,
    /// Whether grass is dry in summer.
    pub has_dry_summer: bool,
    /// Share of patches under some cloud or haze on the later date.
    pub cloudy: f32,
    /// The soil.
    pub soil: Surface,
    /// The rock.
    pub rock: Surface,
    /// Optical depth of aerosol at 0.55 µm.
    pub aerosol_depth: Span,
}

/// All of them.
pub const REGIONS: [Region; 13] = [
    Region { snow: 0.19, rocky: 0.25, ..style("alpine-forest", Part::Train, [7.0, 14.0], [46.0, 47.5], 0.5) },
    Region {
        fields: 0.5,
        cloudy: 0.6,
        flank_deg: [22.0, 34.0],
        soil: Surface::DarkSoil,
        aerosol_depth: [0.1, 0.4],
        ..style("himalayan-foothills", Part::Train, [80.0, 88.0], [27.5, 29.5], 0.45)
    },
    Region {
        conifers: 0.05,
        cloudy: 0.65,
        flank_deg: [22.0, 34.0],
        soil: Surface::DarkSoil,
        ..style("cloud-forest", Part::Train, [-78.0, -72.0], [-13.0, -3.0], 0.7)
    },
    Region {
        conifers: 0.75,
        cloudy: 0.5,
        fields: 0.3,
        rock: Surface::Basalt,
        ..style("cedar-hills", Part::Train, [131.0, 139.0], [32.5, 37.0], 0.75)
    },
    Region {
        forest: 0.25,
        rocky: 0.3,
        snow: 0.21,
        ..style("high-meadows", Part::Train, [41.0, 47.0], [41.5, 43.5], 0.25)
    },
    Region {
        conifers: 0.5,
        rocky: 0.35,
        snow: 0.23,
        flank_deg: [24.0, 36.0],
        soil: Surface::DarkSoil,
        ..style("fjord-slopes", Part::Train, [6.0, 9.0], [60.0, 62.5], 0.5)
    },
    Region {
        has_dry_summer: true,
        conifers: 0.4,
        fields: 0.35,
        relief_deg: [8.0, 12.0],
        ..style("clay-hills", Part::Train, [11.0, 16.0], [40.0, 44.5], 0.35)
    },
    Region {
        conifers: 0.1,
        soil: Surface::DarkSoil,
        rock: Surface::Basalt,
        cloudy: 0.55,
        ..style("serra-slopes", Part::Train, [-49.0, -42.0], [-27.0, -21.0], 0.65)
    },
    Region {
        conifers: 0.45,
        fields: 0.4,
        snow: 0.13,
        ..style("flysch-hills", Part::Calibration, [19.0, 25.0], [47.5, 49.5], 0.55)
    },
    Region {
        cloudy: 0.6,
        conifers: 0.15,
        flank_deg: [24.0, 36.0],
        ..style("monsoon-gorges", Part::Calibration, [120.6, 121.5], [22.5, 24.5], 0.65)
    },
    Region {
        forest: 0.4,
        rocky: 0.3,
        snow: 0.13,
        rock: Surface::Basalt,
        ..style("young-volcanoes", Part::Calibration, [-72.5, -71.0], [-41.0, -37.5], 0.45)
    },
    Region {
        conifers: 0.6,
        snow: 0.17,
        rocky: 0.25,
        cloudy: 0.5,
        ..style("southern-alps", Part::Measurement, [168.5, 172.0], [-44.5, -42.0], 0.45)
    },
    Region {
        conifers: 0.1,
        cloudy: 0.6,
        fields: 0.4,
        soil: Surface::DarkSoil,
        ..style("terraced-highlands", Part::Measurement, [29.0, 37.0], [-3.0, 1.5], 0.45)
    },
];

/// Forested mountains of the middle latitudes, from which the others differ.
const fn style(name: &'static str, part: Part, longitude: Span, latitude: Span, forest: f32) -> Region {
    Region {
        name,
        part,
        longitude,
        latitude,
        flank_deg: [16.0, 30.0],
        relief_deg: [8.0, 15.0],
        forest,
        conifers: 0.5,
        rocky: 0.12,
        fields: 0.2,
        snow: 0.1,
        has_dry_summer: false,
        cloudy: 0.45,
        soil: Surface::LightSoil,
        rock: Surface::LimestoneRock,
        aerosol_depth: [0.04, 0.25],
    }
}
