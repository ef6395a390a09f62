//! Statistics of scores and decisions: pure functions, no files, no clock; what is random follows its seed alone.
//! A figure that is undefined is none.
//!
//! | module | what it does |
//! | --- | --- |
//! | [`binomial`], [`beta`], [`interval`] | probabilities of counts, the interval of a share |
//! | [`f1`] | the threshold of highest F1 |
//! | [`ranking`] | average precision, AUROC, operating points; weighed per cluster for the bootstrap |
//! | [`classes`] | how often classes are taken for one another |
//! | [`probability`], [`calibrator`] | how honest scores are as probabilities, maps that make them so |
//! | [`bootstrap`], [`correlation`] | intervals where places are drawn whole; how alike a place's samples are |
//! | [`paired`], [`delong`], [`rank_correlation`] | whether one of two models is better by more than chance |
//! | [`psi`], [`ks`], [`mmd`], [`e_process`] | whether a population has moved; evidence that may be looked at every night |
//! | [`beta_binomial`], [`ltt`], [`prior_shift`] | small groups, tests of a threshold, another prevalence |

pub mod beta;
pub mod beta_binomial;
pub mod binomial;
pub mod bootstrap;
pub mod calibrator;
pub mod classes;
pub mod correlation;
pub mod delong;
pub mod e_process;
pub mod f1;
#[cfg(test)]
mod fixture;
pub mod interval;
mod isotonic;
pub mod ks;
mod logistic;
pub mod ltt;
mod mid_ranks;
pub mod mmd;
mod normal;
pub mod paired;
mod permutation;
pub mod prior_shift;
pub mod probability;
pub mod psi;
pub mod rank_correlation;
mod ranked;
pub mod ranking;
