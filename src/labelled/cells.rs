//! What single cells mean.

use std::borrow::Cow;

use jiff::civil::Date;

use crate::decide::{Bounds, SEASON_SKY_GROUPS, Season, Sky, group_name};
use crate::scene::parse_date;
use crate::{Error, Result};

/// The season by name, none of an empty text.
///
/// # Errors
/// [`crate::Kind::Usage`] for any other word.
pub fn season(text: &str) -> Result<Option<Season>> {
    match Season::ALL.into_iter().find(|season| season.name().eq_ignore_ascii_case(text)) {
        None if !text.is_empty() => Err(Error::usage(format!("season {text:?}: give summer or winter"))),
        season => Ok(season),
    }
}

/// The sky by name or by percentage; none if it is more than cloudy.
///
/// # Errors
/// [`crate::Kind::Usage`] for any other word, or a number that is no percentage.
pub fn sky(text: &str, bounds: &Bounds) -> Result<Option<Sky>> {
    if let Some(sky) = Sky::ALL.into_iter().find(|sky| sky.name().eq_ignore_ascii_case(text)) {
        return Ok(Some(sky));
    }
    match without_sign(text).parse() {
        Ok(percent) => bounds.sky(percent),
        Err(_) => Err(Error::usage(format!("cloud {text:?}: give clear, cloudy or a percentage"))),
    }
}

/// The group that a run took a threshold from, if season and sky were known to it.
pub(super) fn group_of_shift(shift: &str) -> Result<String> {
    let groups: Vec<_> = SEASON_SKY_GROUPS.iter().map(|&(season, sky)| group_name(season, sky)).collect();
    groups.iter().find(|group| *group == shift).cloned().ok_or_else(|| {
        Error::usage(format!(
            "shift {shift:?} is none of {}: add the columns season and cloud, or score with a profile and --metadata",
            groups.join(", ")
        ))
    })
}

/// A percentage, with or without its sign.
pub(super) fn percent(text: &str) -> Option<f32> {
    without_sign(text).parse().ok()
}

fn without_sign(text: &str) -> &str {
    text.strip_suffix('%').map_or(text, str::trim_end)
}

/// A path without steps that lead nowhere: `a//b`, `./a/b` and `a/c/../b` are `a/b`.
pub(super) fn plain_path(path: &str) -> Cow<'_, str> {
    if !path.starts_with("./") && !["//", "/./", "/../"].iter().any(|step| path.contains(step)) {
        return Cow::Borrowed(path);
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "." => {}
            "" if !parts.is_empty() => {}
            ".." if parts.last().is_some_and(|last| !["..", ""].contains(last)) => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    Cow::Owned(parts.join("/"))
}

/// A score from 0 to 1.
pub(super) fn score(text: &str) -> Result<f64> {
    // The comparison fails for NaN as well.
    text.parse()
        .ok()
        .filter(|score| (0.0..=1.0).contains(score))
        .ok_or_else(|| Error::usage(format!("score {text:?} is not a number from 0 to 1")))
}

/// Degrees east or north, none of an empty text.
pub(super) fn degrees(what: &str, text: &str, bound: f64) -> Result<Option<f64>> {
    if text.is_empty() {
        return Ok(None);
    }
    let number = text.parse().ok().filter(|degrees| (-bound..=bound).contains(degrees));
    number.map(Some).ok_or_else(|| Error::usage(format!("{what} {text:?} is not a number from -{bound} to {bound}")))
}

/// A day as `2018-07-15`, none of an empty text.
pub(super) fn date(text: &str) -> Result<Option<Date>> {
    if text.is_empty() {
        return Ok(None);
    }
    parse_date(text).map(Some).map_err(|error| Error::usage(format!("date {text:?}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_has_one_path() {
        for (path, plain) in [
            ("a/b", "a/b"),
            ("./a//b", "a/b"),
            ("a/./c/../b", "a/b"),
            ("../a/b", "../a/b"),
            ("/a/../b", "/b"),
            ("a/../../b", "../b"),
        ] {
            assert_eq!(plain_path(path), plain, "{path}");
        }
    }

    #[test]
    fn percentages_may_have_their_sign_and_words_any_case() {
        assert_eq!((percent("25%"), percent("25 %"), percent("clear")), (Some(25.0), Some(25.0), None));
        assert_eq!(sky("25%", &Bounds::default()).unwrap(), Some(Sky::Cloudy));
        assert_eq!(season("Winter").unwrap(), Some(Season::Winter));
    }
}
