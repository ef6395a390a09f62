use super::*;

/// Each group has 10 positives and 100 negatives at 20 places; the scores of group g are lowered by `shift × g`.
fn contestant(name: &str, shift: f32, one: f64, per_group: [f64; 4]) -> Contestant {
    let groups: Vec<(&str, &str)> = SEASON_SKY_GROUPS.iter().map(|(season, sky)| (season.name(), sky.name())).collect();
    let row = |g: usize, i: usize| Scored {
        tile: format!("{g}-{i}.tif"),
        label: u8::from(i < 10),
        // Positives at 0.90, 0.88 … 0.72; negatives at 0.70, 0.695 … 0.205.
        score: (if i < 10 { 0.9 - 0.02 * i as f32 } else { 0.7 - 0.005 * (i - 10) as f32 }) - shift * g as f32,
        season: groups[g].0.into(),
        cloud: groups[g].1.into(),
        site: format!("place-{}", i % 20),
        class: ["Forest", "SeaLake"][i % 2].into(),
    };
    let thresholds = |of: [f64; 4]| (0..4).map(|g| (format!("{}-{}", groups[g].0, groups[g].1), of[g])).collect();
    Contestant {
        name: name.into(),
        one_threshold: thresholds([one; 4]),
        per_group: thresholds(per_group),
        scores: (0..4).flat_map(|g| (0..110).map(move |i| (g, i))).map(|(g, i)| row(g, i)).collect(),
    }
}

fn shifted() -> Comparison {
    // Of the incumbent's last group, 0.15 lower, only the positive at 0.75 reaches 0.735; the candidate has no shift.
    let incumbent = contestant("old", 0.05, 0.735, [0.735, 0.685, 0.635, 0.585]);
    let candidate = contestant("new", 0.0, 0.735, [0.735, 0.735, 0.6925, 0.735]);
    compare(&incumbent, &candidate).unwrap()
}

#[test]
fn one_threshold_loses_the_shifted_groups_and_thresholds_per_group_get_them_back() {
    let comparison = shifted();
    let recalls = |at: &AtThresholds| at.groups.values().map(|group| group.outcome.caught).collect::<Vec<_>>();
    assert_eq!(recalls(&comparison.models[0].one_threshold), [9, 6, 4, 1]);
    assert_eq!(recalls(&comparison.models[0].per_group), [9, 9, 9, 9]);
    assert_eq!(comparison.models[0].one_threshold.worst_group, "winter-cloudy");
    assert!(comparison.target.incumbent_fails);
    assert_eq!(comparison.target.groups_missed, [""; 0]);
}

#[test]
fn pooled_precision_counts_the_alarms_of_all_groups() {
    let comparison = shifted();
    // Nine, nine, ten and nine of ten; the threshold of winter-clear lets in the negatives at 0.70 and 0.695.
    let all = &comparison.models[1].per_group.all;
    assert_eq!(all.outcome, Outcome { positives: 40, caught: 37, negatives: 400, alarms: 2 });
    assert!((all.precision - 37.0 / 39.0).abs() < 1e-12);
    let alarms: usize = comparison.models[1].per_group.false_alarms.values().map(|outcome| outcome.alarms).sum();
    assert_eq!(alarms, 2);
    // The incumbent's 20 alerts are all right.
    assert!((comparison.precision_difference.estimate - (37.0 / 39.0 - 1.0)).abs() < 1e-12);
    let [low, high] = comparison.precision_difference.interval;
    assert!(low < high && high <= 0.0 && low <= comparison.precision_difference.lower_bound);
    assert_eq!(comparison.precision_difference.places, 20);
    assert!(!comparison.target.precision_held);
}

#[test]
fn verdict_names_the_groups_that_miss_the_recall() {
    let incumbent = contestant("old", 0.05, 0.735, [0.735, 0.685, 0.635, 0.585]);
    let candidate = contestant("new", 0.0, 0.735, [0.735, 0.735, 0.785, 0.735]);
    let comparison = compare(&incumbent, &candidate).unwrap();
    assert_eq!(comparison.target.groups_missed, ["winter-clear"]);
    let text = comparison.to_markdown();
    assert!(text.contains("every group: missed in winter-clear (0.600)"), "{text}");
    assert!(text.contains("it does: 0.100 in winter-cloudy"), "{text}");
}

#[test]
fn models_measured_on_different_tiles_are_not_compared() {
    let incumbent = contestant("old", 0.0, 0.5, [0.5; 4]);
    let mut candidate = incumbent.clone();
    candidate.scores.pop();
    assert!(compare(&incumbent, &candidate).is_err());
}
