//! A calibration in words and columns.

use super::{CalibrateRequest, Sites};
use crate::decide::{Group, Profile, Rule};

/// The promise of a profile and what it assumes.
pub(super) fn guarantee(request: &CalibrateRequest) -> String {
    if request.rule == Rule::Budget {
        return "One threshold for all groups: as many of the pooled calibration tiles score at or above it as there are \
                positives among them. It promises no recall, neither in all nor in any group; the recall noted with \
                each group is that on the calibration scores."
            .to_owned();
    }
    let recall = percent(request.target_recall);
    let promise = match (request.rule, request.joint) {
        (Rule::Mean, _) => format!(
            "On average over calibrations, {recall} of the future positives of a feasible group score at or above its \
             threshold; for any one calibration, this one included, that is missed about half of the time."
        ),
        (_, joint) => format!(
            "With a confidence of {} {}, at least {recall} of the future positives of the group score at or above its \
             threshold.",
            percent(request.confidence),
            if joint { "for all feasible groups at once" } else { "for each feasible group by itself" },
        ),
    };
    let independent = match request.sites {
        Sites::Correlation(rho) => format!(
            "that positives of one site are correlated by no more than {rho} (they count as fewer for it), that sites are \
             independent draws from the same population as future ones"
        ),
        Sites::MeasuredCorrelation => "that positives of one site are correlated as was measured among them (they count as \
                                       fewer for it), that sites are independent draws from the same population as future \
                                       ones"
            .to_owned(),
        Sites::OnePerSite => "that sites, of each of which one positive was taken, are independent draws from the same \
                              population as future ones"
            .to_owned(),
        Sites::Independent => "that the calibration positives are independent draws from the same population as the group's future \
                 positives"
            .to_owned(),
    };
    format!(
        "{promise} This assumes {independent}, that they played no part in training or choosing the model, and that model, \
         precision, preprocessing and augmentation are those named here. Groups marked as infeasible had too few \
         positives: they use an inherited threshold without a guarantee."
    )
}

/// The groups as aligned columns, then the guarantee and the warnings.
pub(super) fn render(profile: &Profile) -> String {
    let header = ["group", "positives", "rank", "threshold", "recall", "confidence", "ICC", ""].map(String::from);
    let lines: Vec<_> = [header].into_iter().chain(profile.groups.iter().map(cells)).collect();
    let width = |column: usize| lines.iter().map(|cells| cells[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 8] = std::array::from_fn(width);
    let mut text = String::new();
    for cells in &lines {
        for (i, (cell, width)) in cells.iter().zip(widths).enumerate() {
            // Words to the left, numbers to the right.
            let padded = if i == 0 || i == 7 { format!("{cell:<width$}") } else { format!("{cell:>width$}") };
            text.push_str(&padded);
            text.push_str("  ");
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    if let Some(unseen) = &profile.unseen_region {
        text.push_str(&format!(
            "\nunseen region: {:.6}, rank {} of {} regions, confidence {:.4}\n",
            unseen.threshold, unseen.rank, unseen.n_regions, unseen.confidence
        ));
    }
    text.push_str(&format!("\n{}\n", profile.guarantee));
    for warning in &profile.warnings {
        text.push_str(&format!("warning: {warning}\n"));
    }
    text
}

fn cells(group: &Group) -> [String; 8] {
    let dash = |text: Option<String>| text.unwrap_or_else(|| "-".into());
    let note = match (&group.inherited_from, group.n_positives_needed) {
        (Some(from), Some(needed)) => format!("no guarantee: inherited from {from}, needs {needed}"),
        (Some(from), None) => format!("no guarantee: the threshold of {from}"),
        (None, _) => String::new(),
    };
    [
        group.group.clone(),
        group.n_positives.to_string(),
        dash(group.rank.map(|rank| rank.to_string())),
        format!("{:.6}", group.threshold),
        dash(group.recall.map(|recall| format!("{recall:.4}"))),
        dash(group.confidence.map(|confidence| format!("{confidence:.4}"))),
        dash(group.intraclass_correlation.map(|correlation| format!("{correlation:.2}"))),
        note,
    ]
}

fn percent(share: f64) -> String {
    format!("{} %", (share * 1e6).round() / 1e4)
}
