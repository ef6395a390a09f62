//! Regional styles: what grows, how fields are cut, how much of what there is. Styles, not places: nothing is mapped.

use crate::simulate::random::Span;
use crate::simulate::spectra::Surface;

/// What a region's tiles are used for. No region is in two parts, so that figures are of land that nothing was fitted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Fitting.
    Train,
    /// Choosing an epoch and a temperature.
    Validation,
    /// Measuring.
    Test,
}

/// A regional style.
#[derive(Debug, Clone, Copy)]
pub struct Region {
    /// Its name.
    pub name: &'static str,
    /// What its tiles are used for.
    pub part: Part,
    /// Degrees north.
    pub latitude: Span,
    /// Odds of cultivated, herbaceous, wooded and natural land.
    pub land: [f32; 4],
    /// Share of conifers in its woods.
    pub conifers: f32,
    /// Width of parcels in pixels, and how much longer they are.
    pub parcel_px: Span,
    /// Length of parcels over their width.
    pub elongation: Span,
    /// Share of parcels that are grass among fields, or fields among grass.
    pub mosaic: f32,
    /// Odds of winter crops, summer crops, leys, orchards and fallow.
    pub crops: [f32; 5],
    /// How often a parcel's border is a hedge.
    pub hedges: f32,
    /// Mean number of villages in a tile, and how often there is a town.
    pub villages: f32,
    /// How often a tile has a part of a town.
    pub towns: f32,
    /// How often a tile has a river, and a lake.
    pub rivers: f32,
    /// How often a tile has a lake.
    pub lakes: f32,
    /// Whether grass is dry in summer.
    pub has_dry_summer: bool,
    /// Share of rock in natural land, and of shrubs in the rest of it.
    pub rocky: f32,
    /// Share of evergreen shrubs in natural land that is no rock.
    pub shrubs: f32,
    /// The soil.
    pub soil: Surface,
    /// The rock.
    pub rock: Surface,
    /// Slope of the land towards the sun, as a deviation.
    pub steepness: f32,
    /// How often a tile has a patch of snow.
    pub snow: f32,
    /// Optical depth of aerosol at 0.55 µm.
    pub aerosol_depth: Span,
}

/// All of them.
pub const REGIONS: [Region; 16] = [
    Region { hedges: 0.7, parcel_px: [7.0, 16.0], ..style("atlantic-bocage", Part::Train, 48.0, [0.8, 1.0, 0.4, 0.1]) },
    Region {
        parcel_px: [18.0, 42.0],
        mosaic: 0.08,
        crops: [1.0, 0.6, 0.1, 0.0, 0.1],
        ..style("northern-plain", Part::Train, 52.0, [1.6, 0.5, 0.4, 0.05])
    },
    Region { conifers: 0.75, lakes: 0.35, ..style("baltic-forest", Part::Train, 57.0, [0.4, 0.5, 1.4, 0.2]) },
    Region { steepness: 0.08, conifers: 0.55, ..style("central-uplands", Part::Train, 50.0, [0.6, 0.7, 1.1, 0.1]) },
    Region {
        parcel_px: [14.0, 34.0],
        elongation: [2.0, 6.0],
        soil: Surface::DarkSoil,
        crops: [0.8, 1.0, 0.1, 0.05, 0.15],
        ..style("danube-fields", Part::Train, 45.5, [1.8, 0.4, 0.4, 0.1])
    },
    Region { shrubs: 0.5, rocky: 0.3, ..dry("iberian-plateau", Part::Train, 40.5, [1.0, 0.7, 0.5, 0.9]) },
    Region {
        villages: 3.0,
        towns: 0.4,
        crops: [0.6, 1.2, 0.3, 0.3, 0.0],
        ..style("po-lowland", Part::Train, 45.0, [1.7, 0.3, 0.3, 0.05])
    },
    Region {
        steepness: 0.12,
        conifers: 0.7,
        snow: 0.05,
        rocky: 0.4,
        parcel_px: [6.0, 14.0],
        ..style("alpine-foreland", Part::Train, 47.0, [0.4, 1.2, 1.0, 0.4])
    },
    Region {
        conifers: 0.8,
        soil: Surface::DarkSoil,
        shrubs: 0.4,
        snow: 0.02,
        ..style("northern-heath", Part::Train, 57.0, [0.2, 1.2, 0.5, 1.2])
    },
    Region { parcel_px: [4.0, 9.0], steepness: 0.08, ..style("balkan-hills", Part::Train, 42.8, [0.7, 0.7, 1.1, 0.3]) },
    Region { mosaic: 0.25, ..style("river-mosaic", Part::Validation, 47.3, [1.1, 0.8, 0.6, 0.1]) },
    Region {
        conifers: 0.6,
        parcel_px: [5.0, 11.0],
        elongation: [4.0, 9.0],
        steepness: 0.08,
        ..style("strip-fields", Part::Validation, 49.6, [1.0, 0.9, 0.8, 0.1])
    },
    Region {
        parcel_px: [12.0, 30.0],
        crops: [0.9, 0.9, 0.15, 0.1, 0.15],
        ..style("eastern-farms", Part::Test, 46.8, [1.5, 0.6, 0.4, 0.15])
    },
    Region {
        steepness: 0.1,
        conifers: 0.45,
        hedges: 0.5,
        parcel_px: [6.0, 15.0],
        ..style("old-massif", Part::Test, 45.4, [0.4, 1.2, 1.0, 0.3])
    },
    Region { shrubs: 0.7, ..dry("southern-groves", Part::Test, 38.0, [1.1, 0.6, 0.4, 0.7]) },
    Region { conifers: 0.65, lakes: 0.4, snow: 0.02, ..style("lake-district", Part::Test, 60.5, [0.5, 0.5, 1.3, 0.3]) },
];

/// Lowland of the middle latitudes, from which the others differ.
const fn style(name: &'static str, part: Part, latitude: f32, land: [f32; 4]) -> Region {
    Region {
        name,
        part,
        latitude: [latitude - 1.5, latitude + 1.5],
        land,
        conifers: 0.3,
        parcel_px: [8.0, 24.0],
        elongation: [1.0, 3.0],
        mosaic: 0.18,
        crops: [1.0, 0.7, 0.25, 0.1, 0.1],
        hedges: 0.2,
        villages: 2.0,
        towns: 0.18,
        rivers: 0.25,
        lakes: 0.1,
        has_dry_summer: false,
        rocky: 0.1,
        shrubs: 0.25,
        soil: Surface::LightSoil,
        rock: Surface::LimestoneRock,
        steepness: 0.03,
        snow: 0.0,
        aerosol_depth: [0.06, 0.3],
    }
}

/// Land of dry summers.
const fn dry(name: &'static str, part: Part, latitude: f32, land: [f32; 4]) -> Region {
    Region {
        has_dry_summer: true,
        crops: [1.0, 0.4, 0.05, 0.9, 0.3],
        conifers: 0.45,
        rivers: 0.12,
        lakes: 0.06,
        steepness: 0.06,
        ..style(name, part, latitude, land)
    }
}
