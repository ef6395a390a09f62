//! Which threshold a tile gets: the lowest of the groups it may belong to.

use jiff::civil::Date;

use super::{Bounds, Group, Profile, Rule, SEASON_SKY_GROUPS, Season, ShiftChoice, Sky, group_name};
use crate::{Error, Result};

/// What is known of a tile's circumstances.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Observation {
    /// Day of acquisition.
    pub date: Option<Date>,
    /// Latitude of the tile's centre in degrees, north positive.
    pub latitude: Option<f64>,
    /// Share of the sky covered by cloud, in percent.
    pub cloud_cover_percent: Option<f64>,
    /// Height of the sun above the horizon, in degrees.
    pub sun_elevation_deg: Option<f64>,
}

/// The shift a tile was put in, and what follows.
#[derive(Debug, Clone, PartialEq)]
pub enum Resolution {
    /// A threshold to decide at.
    Threshold {
        /// A group (`winter-cloudy`), what is known of one (`winter`, `cloudy`), or `unknown`.
        shift: String,
        /// The lowest threshold of the groups that are possible.
        threshold: f32,
        /// Whether the profile's guarantee holds for every group that is possible.
        guaranteed: bool,
    },
    /// No decision can be made.
    Abstain {
        /// As above.
        shift: String,
        /// Why, with numbers.
        reason: String,
    },
}

impl Profile {
    /// The threshold for a tile. A named season or sky overrides what the tile's date or cloudiness says and
    /// is refined by the other; what stays unknown takes the lowest threshold of the groups still possible,
    /// which keeps the recall for every mixture of them. A tile known to have more cloud than
    /// [`Bounds::cloudy_up_to_percent`] abstains whatever was named.
    ///
    /// # Errors
    /// [`crate::Kind::Usage`] if the choice names no group of this profile, or the cloud cover or latitude is
    /// not a number in its range.
    pub fn resolve(&self, choice: &ShiftChoice, observed: &Observation) -> Result<Resolution> {
        self.check_choice(choice)?;
        if observed.latitude.is_some_and(|latitude| !(-90.0..=90.0).contains(&latitude)) {
            return Err(Error::usage(format!("latitude {} is not in -90..=90", observed.latitude.unwrap_or_default())));
        }
        let candidates = self.candidates(choice, observed)?;
        if let Some(reason) = overcast(&self.bounds, observed)? {
            return Ok(Resolution::Abstain { shift: candidates.shift, reason });
        }
        Ok(self.lowest(candidates))
    }

    /// Whether the groups are those of season × sky; others can only be asked for by name.
    pub fn is_season_sky(&self) -> bool {
        let is_season_sky =
            |group: &Group| SEASON_SKY_GROUPS.iter().any(|&(season, sky)| group_name(season, sky) == group.group);
        self.groups.iter().all(is_season_sky)
    }

    fn candidates(&self, choice: &ShiftChoice, observed: &Observation) -> Result<Candidates> {
        let named = choice.to_string();
        if self.group(&named).is_some() {
            return Ok(Candidates { shift: named.clone(), groups: Some(vec![named]) });
        }
        if !self.is_season_sky() {
            return Ok(Candidates { shift: "unknown".into(), groups: None });
        }
        let (mut season, mut sky) = (self.bounds.season_of(observed), None);
        if let Some(percent) = observed.cloud_cover_percent {
            sky = self.bounds.sky(percent)?;
        }
        match choice {
            ShiftChoice::Season(named) => season = Some(*named),
            ShiftChoice::Sky(named) => sky = Some(*named),
            ShiftChoice::Auto | ShiftChoice::Group(_) => {}
        }
        Ok(Candidates::of(season, sky))
    }

    fn lowest(&self, candidates: Candidates) -> Resolution {
        let possible: Option<Vec<&Group>> = match &candidates.groups {
            Some(names) => names.iter().map(|name| self.group(name)).collect(),
            None => Some(self.groups.iter().collect()),
        };
        // A group that the profile lacks may need any threshold: the lowest there is, without a promise.
        let complete = possible.is_some();
        let possible = possible.unwrap_or_else(|| self.groups.iter().collect());
        let threshold = possible.iter().map(|group| group.threshold).fold(f64::INFINITY, f64::min);
        Resolution::Threshold {
            shift: candidates.shift,
            threshold: threshold as f32,
            guaranteed: complete && self.rule == Rule::Exact && possible.iter().all(|group| group.feasible),
        }
    }
}

/// The groups that a tile may belong to (all of the profile's where `groups` is none), and their common name.
struct Candidates {
    shift: String,
    groups: Option<Vec<String>>,
}

impl Candidates {
    fn of(season: Option<Season>, sky: Option<Sky>) -> Self {
        let shift = match (season, sky) {
            (Some(season), Some(sky)) => group_name(season, sky),
            (Some(season), None) => season.name().into(),
            (None, Some(sky)) => sky.name().into(),
            (None, None) => "unknown".into(),
        };
        let possible = |&(a, b): &(Season, Sky)| season.is_none_or(|s| s == a) && sky.is_none_or(|s| s == b);
        let groups = SEASON_SKY_GROUPS.iter().copied().filter(possible).map(|(a, b)| group_name(a, b)).collect();
        Self { shift, groups: Some(groups) }
    }
}

/// Why a tile is too cloudy to decide, if it is.
fn overcast(bounds: &Bounds, observed: &Observation) -> Result<Option<String>> {
    let Some(percent) = observed.cloud_cover_percent else { return Ok(None) };
    Ok(match bounds.sky(percent)? {
        Some(_) => None,
        None => Some(format!("cloud cover {percent} % is above {} %", bounds.cloudy_up_to_percent)),
    })
}
