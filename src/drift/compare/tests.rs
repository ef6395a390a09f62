use jiff::Timestamp;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::decide::Binding;
use crate::drift::{LEVEL_DEFAULT, ReferenceRequest};
use crate::infer::summary::{BandSummary, WindowSummary};
use crate::model::manifest::Tta;

const GROUPS: [&str; 2] = ["summer-clear", "winter-clear"];

/// Tiles of one band whose mean and deviation spread by 0.03 around 0.1 + `shift`, in turn of both groups.
fn tiles(count: usize, shift: f32, seed: u64) -> Vec<Observation> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut bell = || (0..12).map(|_| rng.random::<f32>()).sum::<f32>() - 6.0;
    let tile = |index: usize| {
        let band = BandSummary { mean: 0.1 + shift + 0.03 * bell(), standard_deviation: 0.05 + 0.01 * bell() };
        Observation {
            group: Some(GROUPS[index % 2].into()),
            score: Some((0.5 + 0.1 * bell()).clamp(0.0, 1.0)),
            summary: Some(WindowSummary { valid_share: 1.0, bands: Box::new([band]) }),
        }
    };
    (0..count).map(tile).collect()
}

fn reference() -> Reference {
    let binding = Binding {
        model_sha256: "0".repeat(64),
        precision: "fp32".into(),
        preprocessing_version: "1".into(),
        tta: Tta::None,
    };
    let request = ReferenceRequest {
        model_name: "test".into(),
        binding,
        bands: vec!["B04".into()],
        command: "test".into(),
        created: Timestamp::UNIX_EPOCH,
    };
    let made = Reference::of(&tiles(2000, 0.0, 1), request).unwrap();
    Reference::parse(made.to_json().as_bytes(), "reference.json").unwrap()
}

fn drifted(report: &Report) -> Vec<String> {
    let alarms = report.findings.iter().filter(|finding| finding.is_alarm());
    alarms.map(|finding| format!("{} {}", finding.group, finding.quantity)).collect()
}

#[test]
fn of_300_unchanged_nights_about_the_nominal_share_alarms() {
    // At a level of 0.1, so that some do: 30 of 300 with a standard error of 5, fewer because effects must be large too.
    let reference = reference();
    let alarms = (0..300).filter(|night| compare(&reference, &tiles(60, 0.0, 100 + night), 0.1).alarm).count();
    assert!((4..=45).contains(&alarms), "{alarms}");
}

#[test]
fn what_moves_by_a_standard_deviation_is_named_and_nothing_else_is() {
    let report = compare(&reference(), &tiles(400, 0.03, 2), LEVEL_DEFAULT);
    let expected = ["summer-clear mean_B04", "summer-clear bands", "winter-clear mean_B04", "winter-clear bands"];
    assert_eq!(drifted(&report), expected);
    assert_eq!(report, compare(&reference(), &tiles(400, 0.03, 2), LEVEL_DEFAULT), "the same tiles, the same report");
}

#[test]
fn large_but_few_and_many_but_small_differences_are_no_alarm() {
    let few = compare(&reference(), &tiles(2 * TILES_MIN as usize - 2, 0.3, 3), LEVEL_DEFAULT);
    assert!(
        !few.findings.iter().any(|finding| finding.group != ALL && finding.status != Status::Insufficient),
        "{few:?}"
    );
    let small = compare(&reference(), &tiles(20_000, 0.006, 4), LEVEL_DEFAULT);
    let test = small.findings.iter().find(|finding| finding.quantity == "mean_B04").map(|finding| &finding.tests[0]);
    assert!(test.is_some_and(|test| test.p_value_adjusted < 1e-6 && !test.is_alarm), "{test:?}");
    assert!(!small.alarm);
}

#[test]
fn overcast_tiles_count_as_abstentions_of_the_night_and_for_nothing_else() {
    let overcast = Observation { group: None, score: None, summary: None };
    let mut night = tiles(400, 0.0, 5);
    night.extend(vec![overcast.clone(); 40]);
    assert!(drifted(&compare(&reference(), &night, LEVEL_DEFAULT)).is_empty());
    night.extend(vec![overcast; 160]);
    assert_eq!(drifted(&compare(&reference(), &night, LEVEL_DEFAULT)), ["all abstained"]);
}

#[test]
fn tiles_of_unknown_group_are_compared_with_all_and_said_to_be() {
    let mut night = tiles(100, 0.0, 6);
    night.iter_mut().for_each(|tile| tile.group = Some("monsoon".into()));
    let report = compare(&reference(), &night, LEVEL_DEFAULT);
    assert!(report.findings.iter().all(|finding| finding.group == ALL), "{report:?}");
    assert!(!report.alarm && report.remarks[0].starts_with("100 tiles of unknown season or sky"), "{report:?}");
}
