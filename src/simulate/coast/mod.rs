//! Simulated coasts: Sentinel-2 tiles of shores with and without construction inside the no-build belt. A sandbox to
//! train and to measure on where no labels exist; nothing measured on it is a measurement of real coasts.
//!
//! | part | files |
//! | --- | --- |
//! | what the land is like | [`region`] |
//! | what stays at a site | [`shore`], [`shape`], [`cluster`], [`site`] |
//! | what a date changes | [`day`], [`ground`] |
//! | what the sensor sees | [`image`] |
//! | which tiles there are | [`plan`], [`label`], [`dataset`], [`name`] |
//!
//! A tile is positive if at least one structure of a construction site lies inside the belt of 100 m along the shore.
//! Geometry decides that, not pixels. The same buildings stand behind the belt in negatives, and groups of rock, sand,
//! asphalt or bare ground in the same shapes stand inside it in both.

pub mod cluster;
pub mod dataset;
pub mod day;
pub mod ground;
pub mod image;
pub mod label;
pub mod name;
pub mod plan;
pub mod region;
pub mod shape;
pub mod shore;
pub mod site;

use crate::{Error, Result};

/// What can be turned to make the task harder or easier. The defaults are the benchmark's.
#[derive(Debug, Clone, PartialEq)]
pub struct Knobs {
    /// Mean number of groups inside the belt that only look like construction.
    pub lookalike_rate: f32,
    /// Size of construction, and of what looks like it, relative to 10 to 32 m a side.
    pub footprint_scale: f32,
    /// Depth and cover of clouds relative to the usual.
    pub cloud_severity: f32,
    /// Share of wrong labels in the training split relative to 3 % of positives and 0.35 % of negatives.
    pub label_noise: f32,
    /// Share of positive sites in every split but the training split.
    pub prevalence: f32,
    /// Share of positive sites in the training split.
    pub train_prevalence: f32,
    /// Odds of summer-clear, summer-cloudy, winter-clear and winter-cloudy in the training split; every other split has as
    /// many of each.
    pub train_mix: [f32; 4],
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            lookalike_rate: 0.6,
            footprint_scale: 1.0,
            cloud_severity: 1.0,
            label_noise: 1.0,
            prevalence: 1.0 / 11.0,
            train_prevalence: 0.25,
            train_mix: [0.7, 0.1, 0.1, 0.1],
        }
    }
}

impl Knobs {
    /// # Errors
    /// [`crate::Kind::Usage`] naming the flag whose value no coast can be drawn with.
    fn check(&self) -> Result<()> {
        let bounded = [
            ("--lookalikes", self.lookalike_rate, [0.0, 5.0]),
            ("--footprint-scale", self.footprint_scale, [0.3, 2.5]),
            ("--cloud-severity", self.cloud_severity, [0.0, 10.0]),
            ("--label-noise", self.label_noise, [0.0, 10.0]),
        ];
        for (flag, value, [low, high]) in bounded {
            if !(low..=high).contains(&value) {
                return Err(Error::usage(format!("{flag} {value}: give {low} to {high}")));
            }
        }
        match self.train_mix.iter().sum::<f32>() > 0.0 {
            true => Ok(()),
            false => Err(Error::usage("--train-mix: one of the odds must be above 0")),
        }
    }
}
