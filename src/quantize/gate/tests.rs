use super::*;

fn row(label: u16, group: &str) -> LabelledRow {
    LabelledRow {
        tile: String::new(),
        label,
        mask: None,
        score: None,
        predicted: None,
        group: group.into(),
        season: None,
        split: None,
        site: None,
        region: None,
        cloud_cover_percent: None,
        longitude_latitude: None,
    }
}

/// 1,000 positives and 1,000 negatives in each of two groups; scores fall evenly from 1 to 0.5 and from 0.5 to 0.
fn tiles() -> (Vec<LabelledRow>, Scored) {
    let groups = ["winter", "summer"];
    let rows = (0..4000).map(|i| row(u16::from(i % 2000 < 1000), groups[i / 2000])).collect();
    let scores = (0..4000).map(|i| 1.0 - (i % 2000) as f64 / 2000.0 - 1e-4).collect();
    let thresholds = groups.map(|group| (group.to_owned(), 0.6)).into();
    (rows, Scored { scores, thresholds })
}

fn gate(precision: Precision, change: impl Fn(&mut Scored)) -> Gate {
    let (rows, before) = tiles();
    let mut after = before.clone();
    change(&mut after);
    Gate::decisions(precision, &rows, &before, &after).unwrap()
}

#[test]
fn the_same_scores_pass_and_are_the_same_figures() {
    let gate = gate(Precision::Int8, |_| ());
    assert!(gate.is_passed() && gate.agreement == Some(1.0) && gate.logit_difference == Some(0.0));
    let names: Vec<&str> = gate.groups.iter().map(|group| group.group.as_str()).collect();
    assert_eq!(names, ["all", "summer", "winter"]);
    // Of scores from 1 to 0.5, four fifths lie above 0.6; the last, at 0.6 less 0.0001, does not.
    assert_eq!(gate.groups[1].figures[0], [Some(0.8), Some(0.8)]);
    assert_eq!(gate.groups[1].figures[1], [Some(1.0), Some(1.0)]);
    assert!((gate.rank_correlation.unwrap() - 1.0).abs() < 1e-12);
}

#[test]
fn a_group_may_lose_a_hundredth_of_its_recall_and_all_together_three_thousandths() {
    // A higher threshold in one group costs it 0.8 points of recall, and all together 0.4.
    let refused = gate(Precision::Int8, |after| *after.thresholds.get_mut("winter").unwrap() = 0.604);
    assert_eq!(refused.refusals, ["all: recall is 0.40 points lower, 0.3 are allowed"]);
    assert!(gate(Precision::Int8, |after| *after.thresholds.get_mut("winter").unwrap() = 0.603).is_passed());
    let refused = gate(Precision::Int8, |after| *after.thresholds.get_mut("winter").unwrap() = 0.606);
    assert!(refused.refusals.iter().any(|why| why.starts_with("winter: recall is 1.20 points lower")), "{refused:?}");
    assert_eq!(refused.recall_at_old_thresholds[0], Some(0.8), "the scores are the same");
}

#[test]
fn half_precision_is_held_to_its_logits() {
    let nudge = |by: f64| move |after: &mut Scored| after.scores[1500] += by;
    // At a score of a quarter a logit moves by 5.3 times as much.
    assert!(gate(Precision::Fp16, nudge(0.003)).is_passed());
    let refused = gate(Precision::Fp16, nudge(0.006));
    assert!(refused.refusals[0].starts_with("a logit differs by 0.0318"), "{:?}", refused.refusals);
    assert!(gate(Precision::Int8, nudge(0.006)).is_passed());
}

#[test]
fn one_tile_of_a_small_group_may_be_lost_and_two_may_not() {
    let rows: Vec<LabelledRow> = (0..60).map(|i| row(u16::from(i < 30), "winter")).collect();
    let scores: Vec<f64> = (0..60).map(|i| if i < 30 { 0.9 } else { 0.1 }).collect();
    let before = Scored { scores, thresholds: [("winter".to_owned(), 0.5)].into() };
    let lost = |n: usize| {
        let mut after = before.clone();
        after.scores[..n].fill(0.4);
        Gate::decisions(Precision::Int8, &rows, &before, &after).unwrap().refusals
    };
    assert!(lost(1).is_empty(), "{:?}", lost(1));
    assert!(lost(2).iter().any(|why| why.contains("recall is 6.67 points lower, 3.3 are allowed")), "{:?}", lost(2));
}

#[test]
fn classes_are_judged_by_accuracy_and_maps_by_intersection_over_union() {
    let rows: Vec<LabelledRow> = (0..300).map(|i| row(i % 3, "winter")).collect();
    let right: Vec<Option<u16>> = rows.iter().map(|row| Some(row.label)).collect();
    let mut wrong = right.clone();
    wrong[..9].fill(None);
    let refused = Gate::classes(Precision::Int8, &rows, &right, &wrong).unwrap().refusals;
    assert_eq!(refused.len(), 3, "{refused:?}");
    let outcome = |confusion: [u64; 4]| MapOutcome {
        confusion: confusion.to_vec(),
        n_undecided: 0,
        labelled_shares: vec![0.5; 2],
        shares: None,
    };
    let [before, after] = [[50, 0, 0, 50], [49, 1, 0, 50]].map(|confusion| vec![outcome(confusion); 20]);
    let gate = Gate::maps(Precision::Int8, &rows[..20], 2, &before, &after).unwrap();
    // (49 / 50 + 50 / 51) / 2
    assert!((gate.groups[0].figures[0][1].unwrap() - 0.980_196).abs() < 1e-6 && !gate.is_passed());
}

#[test]
fn too_few_tiles_are_refused_and_few_say_what_they_do_not_show() {
    let rows = |n_positives: usize, n_negatives: usize| -> Vec<LabelledRow> {
        (0..n_positives + n_negatives).map(|i| row(u16::from(i < n_positives), "winter")).collect()
    };
    let unseen = |counted, n_positives, n_negatives, needed: &[&str]| {
        unseen_loss(counted, &Budget::of(Precision::Int8), &rows(n_positives, n_negatives), needed)
    };
    for (n_positives, n_negatives) in [(0, 500), (9, 500), (500, 9)] {
        let error = unseen(Counted::Positives, n_positives, n_negatives, &[]).unwrap_err().to_string();
        assert!(error.contains(&format!("{n_positives} positives and {n_negatives} negatives")), "{error}");
    }
    assert!(unseen(Counted::Tiles, 10, 9, &[]).unwrap_err().to_string().contains("19 tiles"));
    let error = unseen(Counted::Positives, 500, 500, &["winter", "summer"]).unwrap_err().to_string();
    assert!(error.contains("group summer: 0 positives and 0 negatives"), "{error}");
    // One of 341 is less than 0.3 points.
    assert_eq!(unseen(Counted::Positives, 341, 10, &[]).unwrap(), None);
    // 1 − 0.05^(1/200) is 0.0149.
    let words = unseen(Counted::Positives, 200, 10, &[]).unwrap().unwrap();
    assert!(
        words.contains("all: one of 200 positives is 0.50 points, 0.3 are allowed; with none lost, 1.5 may be"),
        "{words}"
    );
    assert!(!words.contains("winter:"), "{words}");
}
