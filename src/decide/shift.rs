//! Season and sky: the two things about a tile that move its scores, and how a tile is told to have them.

use std::fmt::{self, Display};
use std::str::FromStr;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::Observation;
use crate::{Error, Result};

/// Half of the year as the vegetation sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Season {
    /// April to September in the north, October to March in the south (unless the profile says otherwise).
    Summer,
    /// The other half.
    Winter,
}

/// How much of the sky is covered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sky {
    /// Under 10 % cloud (unless the profile says otherwise).
    Clear,
    /// From there up to 70 %.
    Cloudy,
}

impl Season {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Summer, Self::Winter];

    /// `summer` or `winter`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Summer => "summer",
            Self::Winter => "winter",
        }
    }

    fn turned(self) -> Self {
        match self {
            Self::Summer => Self::Winter,
            Self::Winter => Self::Summer,
        }
    }
}

impl Sky {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Clear, Self::Cloudy];

    /// `clear` or `cloudy`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Clear => "clear",
            Self::Cloudy => "cloudy",
        }
    }
}

/// The four groups of season × sky, in the order in which they are listed everywhere.
pub const SEASON_SKY_GROUPS: [(Season, Sky); 4] = [
    (Season::Summer, Sky::Clear),
    (Season::Summer, Sky::Cloudy),
    (Season::Winter, Sky::Clear),
    (Season::Winter, Sky::Cloudy),
];

/// The name of a group: `winter-cloudy`.
pub fn group_name(season: Season, sky: Sky) -> String {
    format!("{}-{}", season.name(), sky.name())
}

/// Where summer ends and where a clear sky does; part of a profile, because thresholds hold for the groups
/// they were calibrated on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// Months (1–12) that are summer on the northern half of the Earth and winter on the southern one.
    pub summer_months_north: Vec<i8>,
    /// A sky with less cloud than this is clear, in percent.
    pub clear_below_percent: f64,
    /// A sky with up to this much cloud is cloudy, in percent; above it no decision is made.
    pub cloudy_up_to_percent: f64,
    /// Where the height of the sun is known, winter is what lies below this one, in degrees, whatever the month; absent
    /// where the groups were calibrated by the month alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub winter_below_sun_elevation_deg: Option<f64>,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            summer_months_north: (4..=9).collect(),
            clear_below_percent: 10.0,
            cloudy_up_to_percent: 70.0,
            winter_below_sun_elevation_deg: None,
        }
    }
}

impl Bounds {
    /// Whether the bounds make sense; the message says what does not.
    pub fn validate(&self) -> Result<(), String> {
        let months = &self.summer_months_north;
        let repeated = months.iter().enumerate().any(|(i, month)| months.iter().take(i).any(|m| m == month));
        if repeated || months.iter().any(|month| !(1..=12).contains(month)) {
            return Err("summer_months_north must hold different months from 1 to 12".into());
        }
        let (clear, cloudy) = (self.clear_below_percent, self.cloudy_up_to_percent);
        // Written so that NaN fails.
        if !(0.0 <= clear && clear <= cloudy && cloudy <= 100.0) {
            return Err("bounds must satisfy 0 <= clear_below_percent <= cloudy_up_to_percent <= 100".into());
        }
        if self.winter_below_sun_elevation_deg.is_some_and(|bound| !(0.0..=90.0).contains(&bound)) {
            return Err("winter_below_sun_elevation_deg must lie from 0 to 90".into());
        }
        Ok(())
    }

    /// The season of a date at a latitude in degrees; the equator counts as north. None where one of them
    /// is unknown: without the hemisphere a date says nothing about the season.
    pub fn season(&self, date: Option<Date>, latitude: Option<f64>) -> Option<Season> {
        let north = if self.summer_months_north.contains(&date?.month()) { Season::Summer } else { Season::Winter };
        Some(if latitude? < 0.0 { north.turned() } else { north })
    }

    /// The season of what is known of a tile: by the height of the sun where the bounds say how and it is known, else by
    /// [`Self::season`].
    pub fn season_of(&self, observed: &Observation) -> Option<Season> {
        match (self.winter_below_sun_elevation_deg, observed.sun_elevation_deg) {
            (Some(bound), Some(sun)) => Some(if sun < bound { Season::Winter } else { Season::Summer }),
            _ => self.season(observed.date, observed.latitude),
        }
    }

    /// The sky of a cloud cover in percent, None above [`Self::cloudy_up_to_percent`].
    ///
    /// # Errors
    /// [`crate::Kind::Usage`] if the percentage is not a number from 0 to 100.
    pub fn sky(&self, cloud_cover_percent: f64) -> Result<Option<Sky>> {
        if !(0.0..=100.0).contains(&cloud_cover_percent) {
            return Err(Error::usage(format!(
                "cloud cover {cloud_cover_percent} is not a percentage from 0 to 100; correct it or leave it empty"
            )));
        }
        Ok(if cloud_cover_percent < self.clear_below_percent {
            Some(Sky::Clear)
        } else if cloud_cover_percent <= self.cloudy_up_to_percent {
            Some(Sky::Cloudy)
        } else {
            None
        })
    }
}

/// `--threshold-profile`: which shift the tiles of a run belong to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ShiftChoice {
    /// From each tile's own date, place and cloudiness.
    Auto,
    /// This season, whatever the date says; the sky from each tile.
    Season(Season),
    /// This sky; the season from each tile.
    Sky(Sky),
    /// Exactly this group of the profile, as `winter-cloudy`.
    Group(String),
}

impl FromStr for ShiftChoice {
    type Err = Error;

    /// `auto`, a season, a sky, or else the name of a group, which the profile must know
    /// ([`super::Profile::check_choice`]).
    fn from_str(text: &str) -> Result<Self> {
        let named = |name: &'static str| text == name;
        Ok(if named("auto") {
            Self::Auto
        } else if let Some(season) = Season::ALL.into_iter().find(|season| named(season.name())) {
            Self::Season(season)
        } else if let Some(sky) = Sky::ALL.into_iter().find(|sky| named(sky.name())) {
            Self::Sky(sky)
        } else if text.trim().is_empty() {
            return Err(Error::usage(
                "--threshold-profile is empty; give auto, summer, winter, clear, cloudy or a group",
            ));
        } else {
            Self::Group(text.to_owned())
        })
    }
}

impl Display for ShiftChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Season(season) => season.name(),
            Self::Sky(sky) => sky.name(),
            Self::Group(name) => name,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seasons_turn_round_in_the_south_and_the_equator_is_north() {
        let bounds = Bounds::default();
        let season = |month, latitude| bounds.season(Some(Date::constant(2024, month, 15)), latitude);
        for month in 1..=12 {
            let north = if (4..=9).contains(&month) { Season::Summer } else { Season::Winter };
            assert_eq!(season(month, Some(52.0)), Some(north));
            assert_eq!(season(month, Some(0.0)), Some(north));
            assert_eq!(season(month, Some(-33.9)), Some(north.turned()));
            assert_eq!(season(month, None), None);
        }
        assert_eq!(bounds.season(None, Some(52.0)), None);
    }

    #[test]
    fn skies_are_clear_below_ten_and_cloudy_up_to_seventy_percent() {
        let sky = |percent| Bounds::default().sky(percent).unwrap();
        assert_eq!(sky(0.0), Some(Sky::Clear));
        assert_eq!(sky(9.999), Some(Sky::Clear));
        assert_eq!(sky(10.0), Some(Sky::Cloudy));
        assert_eq!(sky(70.0), Some(Sky::Cloudy));
        assert_eq!(sky(70.001), None);
        for wrong in [-0.1, 100.1, f64::NAN, f64::INFINITY] {
            assert!(Bounds::default().sky(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_word_of_the_flag_reads_back() {
        for word in ["auto", "summer", "winter", "clear", "cloudy", "winter-cloudy", "harbour"] {
            assert_eq!(word.parse::<ShiftChoice>().unwrap().to_string(), word);
        }
        assert_eq!("winter".parse::<ShiftChoice>().unwrap(), ShiftChoice::Season(Season::Winter));
        assert_eq!("cloudy".parse::<ShiftChoice>().unwrap(), ShiftChoice::Sky(Sky::Cloudy));
        assert!(" ".parse::<ShiftChoice>().is_err());
    }
}
