//! Statistics of scores and decisions: pure functions, no files, no clock; what is random follows its seed alone.

pub mod beta;
pub mod beta_binomial;
pub mod binomial;
pub mod bootstrap;
pub mod calibrator;
pub mod correlation;
pub mod delong;
#[cfg(test)]
mod fixture;
pub mod interval;
pub mod isotonic;
mod logistic;
pub mod ltt;
mod mid_ranks;
mod normal;
pub mod paired;
pub mod permutation;
pub mod prior_shift;
pub mod probability;
mod ranked;
pub mod ranking;
