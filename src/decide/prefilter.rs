//! Threshold profiles of models behind a prefilter.

use super::Profile;
use crate::{Error, Result};

impl Profile {
    /// Whether the thresholds keep what they promise behind a prefilter that is asked, or is there and is not; none of a
    /// model without one. A window that it spares has score 0 and is negative whatever the threshold, so that a threshold of 0
    /// counts as caught what was lost.
    ///
    /// # Errors
    /// [`crate::Kind::Refused`] for thresholds of the other case, and naming the first group whose threshold is 0.
    pub fn check_prefilter(&self, asked: Option<bool>) -> Result<()> {
        let Some(asked) = asked else { return Ok(()) };
        if self.prefilter.unwrap_or(true) != asked {
            return Err(Error::refused(match asked {
                true => {
                    "the threshold profile was calibrated without the model's prefilter, which loses positives that its \
                     thresholds would catch: give --no-prefilter, or calibrate anew without it"
                }
                false => {
                    "the threshold profile was calibrated with the model's prefilter: leave --no-prefilter out, or calibrate \
                     anew with it"
                }
            }));
        }
        if !asked {
            return Ok(());
        }
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
