//! What the members came to: thresholds, and scores of patches that stand for new places.

use std::fmt::Write;

use serde::Serialize;

use super::patches::Patches;
use super::scores;
use super::task::Member;
use crate::model::manifest::Tta;
use crate::statistics::f1::best_threshold;
use crate::train::fit::{Fitted, Machine};
use crate::train::samples::Scaling;
use crate::{Error, Result};

/// A trained member.
#[derive(Debug)]
pub struct Trained {
    /// Its number, from 1.
    pub member: usize,
    /// Its parameters and their story.
    pub fitted: Fitted,
    /// The logit at which it parts its own fold best.
    pub threshold: f64,
    /// F1 of its own fold there.
    pub f1: f64,
    /// The patches of its own fold with their logits over all views.
    pub scored: Vec<(usize, f64)>,
}

impl Trained {
    /// Finds a member's threshold on its own fold, over the views of a run.
    ///
    /// # Errors
    /// [`crate::Kind::Engine`] where it scores all patches alike.
    pub fn of(
        (member, task): (usize, &Member),
        fitted: Fitted,
        (patches, scaling): (&Patches, &Scaling),
        tta: Tta,
        machine: Machine,
    ) -> Result<Self> {
        let held_out = task.held_out();
        let logits = scores::logits(&fitted.parameters, patches, held_out, scaling, tta, machine);
        let positives: Vec<bool> = held_out.iter().map(|&patch| patches.positives[patch]).collect();
        let best = best_threshold(&logits, &positives)
            .ok_or_else(|| Error::engine(format!("{} scores all patches alike; train longer", name(member))))?;
        let scored = held_out.iter().copied().zip(logits).collect();
        Ok(Self { member, fitted, threshold: best.threshold, f1: best.f1, scored })
    }

    /// The score at which it decides, between 0 and 1.
    pub fn score_threshold(&self) -> f32 {
        let score = logistic(self.threshold) as f32;
        score.clamp(f32::EPSILON, 1.0 - f32::EPSILON)
    }
}

/// `member-01`: of a member's file and its checkpoints.
pub fn name(member: usize) -> String {
    format!("member-{member:02}")
}

/// A line of the table of scores.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OutOfFold {
    /// As the manifest names it.
    pub tile: String,
    /// 0 or 1.
    pub label: u8,
    /// By the member that did not see it, anchored at that member's threshold: 0.5 is where it decides.
    pub score: f64,
    /// Its site.
    pub site: String,
    /// The member that did not see it.
    pub member: usize,
    /// That member's logit, the mean over the views.
    pub logit: f64,
}

/// The scores of all patches by the member that did not see each, in the order of the manifest.
pub fn out_of_fold(trained: &[Trained], patches: &Patches) -> Vec<OutOfFold> {
    let of = |of: &Trained| {
        of.scored.iter().map(|&(patch, logit)| (patch, logit, of.member, of.threshold)).collect::<Vec<_>>()
    };
    let mut rows: Vec<(usize, f64, usize, f64)> = trained.iter().flat_map(of).collect();
    rows.sort_by_key(|(patch, ..)| *patch);
    let row = |(patch, logit, member, threshold): (usize, f64, usize, f64)| OutOfFold {
        tile: patches.names[patch].clone(),
        label: u8::from(patches.positives[patch]),
        score: logistic(logit - threshold),
        site: patches.sites[patch].clone(),
        member,
        logit,
    };
    rows.into_iter().map(row).collect()
}

/// The card's section of members.
pub fn table(trained: &[Trained], patches: &Patches) -> String {
    let mut text = "## Members\n\nEach learned from the other folds; its threshold is the one of highest F1 on its own, over all views.\n\n\
                    | member | patches of its fold | positives | F1 there | threshold | training loss |\n\
                    | --- | ---: | ---: | ---: | ---: | ---: |\n"
        .to_owned();
    for of in trained {
        let positives = of.scored.iter().filter(|(patch, _)| patches.positives[*patch]).count();
        let loss = of.fitted.progress.history.last().map_or(f64::NAN, |epoch| epoch.loss);
        let _ = writeln!(
            text,
            "| {} | {} | {positives} | {:.3} | {:.3} | {loss:.4} |",
            name(of.member),
            of.scored.len(),
            of.f1,
            of.score_threshold()
        );
    }
    let seconds: f64 = trained.iter().flat_map(|of| &of.fitted.progress.history).map(|epoch| epoch.seconds).sum();
    let _ = writeln!(text, "\nAll epochs of all members took {:.0} minutes.", seconds / 60.0);
    text
}

/// 1 / (1 + e^−x)
fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}
