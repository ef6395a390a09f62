//! How hard the simulated winters and skies are. The figures were set by what is physically usual and by how much of a
//! patch must stay visible, before any model was trained on them; changing them makes another benchmark.

use super::cloud;
use super::random::Span;
use super::season::SnowClimate;

/// The bounds that everything is drawn between, uniformly unless stated.
#[derive(Debug, Clone, Copy)]
pub struct Severity {
    /// Share of a cloudy patch that is under cloud. At most 0.6, so that 40 % of every patch stay visible.
    pub cloud_cover: Span,
    /// The clouds themselves: cumulus from thin (core optical depth 1.5) to opaque (30), a few hundred metres up, so that
    /// many shadows fall within the patch.
    pub clouds: cloud::Kind,
    /// Optical depth of aerosol on the clear summer days that real patches were taken on.
    pub reference_aerosol_depth: f32,
    /// Optical depth of aerosol between summer clouds, uniform in the logarithm.
    pub summer_aerosol_depth: Span,
    /// Optical depth of aerosol in winter, uniform in the logarithm.
    pub winter_aerosol_depth: Span,
    /// Share of green cover that is bare in winter, at the patch's mean.
    pub bareness: Span,
    /// Share by which wet open ground is darker.
    pub moisture: Span,
    /// How likely snow is.
    pub snow: SnowClimate,
    /// Share of a snowy patch that is white.
    pub snow_cover: Span,
    /// Deviation of the ground's slope towards the sun: rolling land.
    pub steepness: Span,
    /// Share of ground in shadow for every unit of local contrast and of tan(zenith): what is uneven casts shadows.
    pub roughness: f32,
    /// Deviation of the sensor's noise, in units of what the mission's requirements allow.
    pub noise_gain: f32,
}

/// The benchmark's.
pub const SEVERITY: Severity = Severity {
    cloud_cover: [0.10, 0.60],
    clouds: cloud::Kind {
        edge_depth: 0.3,
        core_depth: [1.5, 30.0],
        core_share: 0.3,
        slope: [2.6, 3.4],
        height_m: [250.0, 900.0],
    },
    reference_aerosol_depth: 0.1,
    summer_aerosol_depth: [0.08, 0.25],
    winter_aerosol_depth: [0.06, 0.30],
    bareness: [0.40, 0.95],
    moisture: [0.0, 0.35],
    snow: SnowClimate { mild: [40.0, 0.05], cold: [55.0, 0.30] },
    snow_cover: [0.10, 0.60],
    steepness: [0.01, 0.05],
    roughness: 0.6,
    noise_gain: 1.0,
};
