//! Learning a label for every patch by several networks, each without a part of the sites: what it never saw gives its
//! threshold, and scores that stand for new places.
//!
//! | part | file |
//! | --- | --- |
//! | which channels there are, and which branch sees them | [`channels`] |
//! | patches in memory | [`patches`] |
//! | which sites a member does without | [`folds`] |
//! | one member, for the training loop | [`task`] |
//! | scores over all views | [`scores`] |
//! | what the trees before the network see, and where they cut | [`statistics`] |
//! | thresholds, and scores of patches that a member did not see | [`outcome`] |

pub mod channels;
pub mod folds;
pub mod outcome;
pub mod patches;
pub mod scores;
pub mod statistics;
pub mod task;

use serde::{Deserialize, Serialize};

/// How a member learns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Method {
    /// The member, from 1: it does without this fold.
    pub member: usize,
    /// Parts that the sites are divided into.
    pub folds: usize,
    /// Weight of a positive in the cross-entropy.
    pub positive_weight: f64,
    /// Share of a label that is spread over both classes.
    pub label_smoothing: f64,
    /// Whether patches are turned and flipped.
    pub symmetries: bool,
    /// What happens to the optical channels.
    pub jitter: Jitter,
    /// Share of the patches that lose all channels of one sensor.
    pub sensor_dropout: f64,
}

/// `value · gain + offset`, drawn anew for every patch and optical channel.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Jitter {
    /// Standard deviation of the gain about 1.
    pub gain: f64,
    /// Standard deviation of the offset, of the channel's own standard deviation.
    pub offset: f64,
}
