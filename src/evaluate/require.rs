//! What is demanded of a candidate: `--require 'recall>=0.8 in every group'`.

use std::str::FromStr;

use serde::Serialize;

use super::ALL;
use crate::{Error, Result};

/// One demand.
#[derive(Debug, Clone, PartialEq)]
pub struct Requirement {
    text: String,
    metric: String,
    /// How much the metric may fall below the baseline's, instead of its value.
    is_drop: bool,
    relation: Relation,
    value: f64,
    scope: Scope,
}

/// Whether a demand is met.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Judged {
    /// The demand as it was given.
    pub requirement: String,
    /// Whether it is met everywhere it was asked for.
    pub is_met: bool,
    /// What was found, with the group that decides it: `recall 0.729 in winter-clear`.
    pub found: String,
}

/// Something that demands can be made of: metrics of groups, and of all at the name [`ALL`].
pub trait Measurable {
    /// The metrics.
    fn metrics() -> &'static [&'static str];
    /// The value of a metric; none where it is undefined. `is_baseline` asks for the baseline's.
    fn value(&self, metric: &str, group: &str, is_baseline: bool) -> Option<f64>;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    AtLeast,
    AtMost,
    Above,
    Below,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Scope {
    All,
    EveryGroup,
    Group(String),
}

impl FromStr for Requirement {
    type Err = Error;

    /// `METRIC [drop] >=|<=|>|< NUMBER [in every group|in GROUP]`; without a scope, all groups together.
    fn from_str(text: &str) -> Result<Self> {
        let relations =
            [(">=", Relation::AtLeast), ("<=", Relation::AtMost), (">", Relation::Above), ("<", Relation::Below)];
        let found = relations.iter().find_map(|(sign, relation)| Some((text.split_once(sign)?, *relation)));
        let ((left, right), relation) = found.ok_or_else(|| wrong(text, "no >=, <=, > or <"))?;
        let left = left.trim();
        let (metric, is_drop) = left.strip_suffix(" drop").map_or((left, false), |metric| (metric.trim(), true));
        let (number, scope) = right.split_once(" in ").map_or((right, None), |(number, scope)| (number, Some(scope)));
        let value = number.trim().parse::<f64>().ok().filter(|value| value.is_finite());
        let value = value.ok_or_else(|| wrong(text, &format!("{:?} is no number", number.trim())))?;
        let words = scope.map(|scope| scope.split_whitespace().collect::<Vec<_>>().join(" "));
        let scope = match words.as_deref() {
            None | Some(ALL) => Scope::All,
            Some("every group") => Scope::EveryGroup,
            Some(group) => Scope::Group(group.to_owned()),
        };
        Ok(Self { text: text.trim().to_owned(), metric: metric.to_owned(), is_drop, relation, value, scope })
    }
}

fn wrong(text: &str, what: &str) -> Error {
    Error::usage(format!(
        "--require {text:?}: {what}; write it as 'recall>=0.8 in every group', 'recall_lower>=0.75 in winter-cloudy' or \
         'precision drop<=0.05'"
    ))
}

impl Requirement {
    /// Refuses a metric that is none of `M`'s, a group that was not measured, and a drop where there is nothing to drop
    /// from.
    ///
    /// # Errors
    /// [`crate::Kind::Usage`], naming what there is.
    pub fn check<M: Measurable>(&self, groups: &[String], has_baseline: bool) -> Result<()> {
        self.check_metric::<M>(has_baseline)?;
        match &self.scope {
            Scope::Group(group) if !groups.contains(group) => {
                Err(wrong(&self.text, &format!("no tile is of group {group:?}; there are {}", groups.join(", "))))
            }
            _ => Ok(()),
        }
    }

    /// The part of [`Requirement::check`] that needs no tiles.
    ///
    /// # Errors
    /// As there.
    pub fn check_metric<M: Measurable>(&self, has_baseline: bool) -> Result<()> {
        if !M::metrics().contains(&self.metric.as_str()) {
            let what = format!("{:?} is no metric; there are {}", self.metric, M::metrics().join(", "));
            return Err(wrong(&self.text, &what));
        }
        if self.is_drop && !has_baseline {
            return Err(wrong(&self.text, "a drop needs --baseline to drop from"));
        }
        Ok(())
    }

    pub(super) fn metric(&self) -> &str {
        &self.metric
    }

    /// Those of all groups that it is about; none where it is about all together.
    pub(super) fn groups<'a>(&'a self, groups: &'a [String]) -> &'a [String] {
        match &self.scope {
            Scope::All => &[],
            Scope::EveryGroup => groups,
            Scope::Group(name) => std::slice::from_ref(name),
        }
    }

    /// Why it means nothing here.
    pub(super) fn wrong(&self, what: &str) -> Error {
        Error::usage(format!("--require {:?}: {what}", self.text))
    }

    /// Whether it is met. What is undefined, as the precision without an alert, meets nothing.
    pub fn judge<M: Measurable>(&self, measured: &M, groups: &[String]) -> Judged {
        let all = [ALL.to_owned()];
        let scope = if self.scope == Scope::All { &all } else { self.groups(groups) };
        let value = |group: &String| {
            let value = measured.value(&self.metric, group, false)?;
            match self.is_drop {
                false => Some(value),
                true => Some(measured.value(&self.metric, group, true)? - value),
            }
        };
        let values: Vec<(Option<f64>, &String)> = scope.iter().map(|group| (value(group), group)).collect();
        // The group that fails most, else one in which it is undefined, else the one nearest to failing.
        let margin = |value: Option<f64>| value.map_or(-f64::MIN_POSITIVE, |value| self.margin(value));
        let decisive = values.iter().min_by(|a, b| margin(a.0).total_cmp(&margin(b.0)));
        let found = decisive.map_or_else(String::new, |(value, group)| {
            let name = if self.is_drop { format!("{} drop", self.metric) } else { self.metric.clone() };
            let value = value.map_or("undefined".to_owned(), |value| format!("{value:.3}"));
            let place = if *group == ALL { "all together" } else { group };
            format!("{name} {value} in {place}")
        });
        let is_met = !values.is_empty() && values.iter().all(|(value, _)| value.is_some_and(|value| self.holds(value)));
        Judged { requirement: self.text.clone(), is_met, found }
    }

    fn holds(&self, value: f64) -> bool {
        match self.relation {
            Relation::AtLeast => value >= self.value,
            Relation::AtMost => value <= self.value,
            Relation::Above => value > self.value,
            Relation::Below => value < self.value,
        }
    }

    fn margin(&self, value: f64) -> f64 {
        match self.relation {
            Relation::AtLeast | Relation::Above => value - self.value,
            Relation::AtMost | Relation::Below => self.value - value,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Two;

    impl Measurable for Two {
        fn metrics() -> &'static [&'static str] {
            &["recall", "precision"]
        }

        fn value(&self, metric: &str, group: &str, is_baseline: bool) -> Option<f64> {
            match (metric, group, is_baseline) {
                ("recall", "summer", _) => Some(0.9),
                ("recall", "winter", _) => Some(0.7),
                ("precision", ALL, false) => Some(0.5),
                ("precision", ALL, true) => Some(0.6),
                _ => None,
            }
        }
    }

    fn judge(text: &str) -> Judged {
        text.parse::<Requirement>().unwrap().judge(&Two, &["summer".into(), "winter".into()])
    }

    #[test]
    fn the_group_that_fails_is_named() {
        let judged = judge("recall>=0.8 in every group");
        assert!(!judged.is_met);
        assert_eq!(judged.found, "recall 0.700 in winter");
        assert!(judge("recall >= 0.7 in every group").is_met && judge("recall>0.85 in summer").is_met);
    }

    #[test]
    fn a_drop_is_the_baselines_value_less_the_candidates() {
        assert!(!judge("precision drop<=0.05").is_met);
        assert_eq!(judge("precision drop<=0.05").found, "precision drop 0.100 in all together");
        assert!(judge("precision drop<0.11").is_met);
    }

    #[test]
    fn what_is_undefined_meets_nothing() {
        assert!(!judge("precision>=0 in summer").is_met);
        assert_eq!(judge("precision>=0 in summer").found, "precision undefined in summer");
    }

    #[test]
    fn a_demand_that_is_none_says_what_is_wrong() {
        let why = |text: &str, groups: &[String]| {
            let demand: Result<Requirement> = text.parse();
            demand.and_then(|demand| demand.check::<Two>(groups, false)).unwrap_err().to_string()
        };
        assert!(why("recall 0.8", &[]).contains("no >="));
        assert!(why("speed>=0.8", &[]).contains("\"speed\" is no metric; there are recall, precision"));
        assert!(why("recall>=high", &[]).contains("\"high\" is no number"));
        assert!(why("recall>=NaN", &[]).contains("is no number"));
        assert!(why("recall drop<=0", &[]).contains("--baseline"));
        assert!(why("recall>=0.8 in autumn", &["summer".into()]).contains("there are summer"));
    }
}
