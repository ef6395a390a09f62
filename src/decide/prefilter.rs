//! Threshold profiles of models behind a prefilter.

use super::Profile;
use crate::{Error, Result};

impl Profile {
    /// Whether the thresholds keep what they promise behind a prefilter. A window that it spares has score 0 and is negative
    /// whatever the threshold, so that a threshold of 0 counts as caught what was lost.
    ///
    /// # Errors
    /// [`crate::Kind::Refused`] naming the first group whose threshold is 0.
    pub fn check_prefilter(&self) -> Result<()> {
        let unseen = self.unseen_region.iter().map(|unseen| ("unseen regions", unseen.threshold));
        let mut thresholds = self.groups.iter().map(|group| (group.group.as_str(), group.threshold)).chain(unseen);
        thresholds.find(|(_, threshold)| *threshold <= 0.0).map_or(Ok(()), |(group, _)| {
            Err(Error::refused(format!(
                "the threshold of {group} is 0, which promises what the model's prefilter has lost: it spares more of that \
                 group's positives than may be missed; lower the gate's cut-off and calibrate anew"
            )))
        })
    }
}
