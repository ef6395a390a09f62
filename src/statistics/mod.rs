//! Statistics of scores and decisions: pure functions, no files, no clock; what is random follows its seed alone.
//! A figure that is undefined is none.
//!
//! | module | what it does |
//! | --- | --- |
//! | [`binomial`], [`beta`], [`interval`] | probabilities of counts, the interval of a share |
//! | [`ranking`] | average precision, AUROC, operating points; weighed per cluster for the bootstrap |
//! | [`classes`] | how often classes are taken for one another |
//! | [`probability`], [`calibrator`] | how honest scores are as probabilities, maps that make them so |
//! | [`bootstrap`], [`correlation`] | intervals where places are drawn whole; how alike a place's samples are |
//! | [`paired`], [`delong`] | whether one of two models is better by more than chance |
//! | [`beta_binomial`], [`ltt`], [`prior_shift`] | small groups, tests of a threshold, another prevalence |

pub mod beta;
pub mod beta_binomial;
pub mod binomial;
pub mod bootstrap;
pub mod calibrator;
pub mod classes;
pub mod correlation;
pub mod delong;
#[cfg(test)]
mod fixture;
pub mod interval;
mod isotonic;
mod logistic;
pub mod ltt;
mod mid_ranks;
mod normal;
pub mod paired;
mod permutation;
pub mod prior_shift;
pub mod probability;
mod ranked;
pub mod ranking;
