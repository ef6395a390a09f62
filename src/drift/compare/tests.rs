use jiff::Timestamp;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::decide::Binding;
use crate::drift::reference::sparse_groups;
use crate::drift::{LEVEL_DEFAULT, POOLED, ReferenceRequest};
use crate::infer::summary::{BandSummary, WindowSummary};
use crate::model::manifest::{Precision, Tta};

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

fn request() -> ReferenceRequest {
    let binding = Binding {
        model_sha256: "0".repeat(64),
        precision: Precision::Fp32,
        preprocessing_version: "1".into(),
        tta: Tta::None,
    };
    ReferenceRequest {
        model_name: "test".into(),
        binding,
        bands: vec!["B04".into()],
        command: "test".into(),
        created: Timestamp::UNIX_EPOCH,
    }
}

fn reference() -> Reference {
    let made = Reference::of(&tiles(2000, 0.0, 1), request()).unwrap();
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
    let few = compare(&reference(), &tiles(TILES_MIN as usize - 1, 0.3, 3), LEVEL_DEFAULT);
    assert!(!few.alarm && few.findings.iter().all(|finding| finding.tests.is_empty()), "{few:?}");
    let small = compare(&reference(), &tiles(20_000, 0.006, 4), LEVEL_DEFAULT);
    let test = small.findings.iter().find(|finding| finding.quantity == "mean_B04").map(|finding| &finding.tests[0]);
    assert!(test.is_some_and(|test| test.p_value_adjusted < 1e-6 && !test.is_alarm), "{test:?}");
    assert!(!small.alarm);
}

#[test]
fn groups_of_too_few_tiles_are_tested_together_and_only_then() {
    let found = drifted(&compare(&reference(), &tiles(36, 0.06, 3), LEVEL_DEFAULT));
    assert_eq!(found, ["pooled mean_B04"]);
    let calm = compare(&reference(), &tiles(36, 0.0, 4), LEVEL_DEFAULT);
    assert_eq!((calm.alarm, calm.untested()), (false, 2), "of both groups the bands together: {calm:?}");
    assert!(calm.verdict().starts_with("no drift found"), "{}", calm.verdict());
    let few = compare(&reference(), &tiles(18, 0.06, 3), LEVEL_DEFAULT);
    assert_eq!((few.alarm, few.untested()), (false, 10));
    assert!(few.verdict().starts_with("too few tiles to tell: 18 tiles, 2 groups"), "{}", few.verdict());
    let mut large = tiles(400, 0.0, 5);
    large.extend(tiles(1, 0.0, 6));
    assert!(!compare(&reference(), &large, LEVEL_DEFAULT).findings.iter().any(|finding| finding.group == POOLED));
}

#[test]
fn what_was_said_of_abstentions_alone_is_no_all_clear() {
    let overcast = Observation { group: None, score: None, summary: None };
    let night = [tiles(18, 0.0, 7), vec![overcast; 4]].concat();
    let report = compare(&reference(), &night, LEVEL_DEFAULT);
    assert!(report.tests > 0 && !report.alarm, "{report:?}");
    assert!(report.verdict().starts_with("too few tiles to tell: 22 tiles, 2 groups"), "{}", report.verdict());
}

#[test]
fn a_group_that_the_reference_has_too_few_of_is_left_out_and_said() {
    let mut some = tiles(2000, 0.0, 1);
    some.iter_mut().take(19).for_each(|tile| tile.group = Some("winter-cloudy".into()));
    assert_eq!(sparse_groups(&some), [("winter-cloudy".to_owned(), 19)]);
    let made = Reference::of(&some, request()).unwrap();
    let names: Vec<&str> = made.groups.iter().map(|group| group.group.as_str()).collect();
    assert_eq!(names, ["summer-clear", "winter-clear", ALL]);
}

#[test]
fn a_night_of_one_season_is_no_change_of_the_mix_and_cloudier_skies_within_it_are() {
    let sorted = |count: usize, cloudy: usize, season: &str, seed: u64| {
        let mut night = tiles(count, 0.0, seed);
        for (index, tile) in night.iter_mut().enumerate() {
            tile.group = Some(format!("{season}-{}", if index < cloudy { "cloudy" } else { "clear" }));
        }
        night
    };
    let year = [sorted(1000, 500, "summer", 1), sorted(1000, 500, "winter", 2)].concat();
    let reference = Reference::of(&year, request()).unwrap();
    let july = compare(&reference, &sorted(100, 50, "summer", 3), LEVEL_DEFAULT);
    assert!(!july.alarm, "{july:?}");
    let mix: Vec<&str> = july.findings.iter().filter(|f| f.group == ALL).map(|f| f.quantity.as_str()).collect();
    assert_eq!(mix, ["abstained", "sky_of_summer"]);
    let cloudy = compare(&reference, &sorted(100, 85, "summer", 4), LEVEL_DEFAULT);
    assert_eq!(drifted(&cloudy), ["all sky_of_summer"]);
    // Groups of another kind are compared as a whole.
    let regions = |count: usize, north: usize, seed: u64| {
        let mut night = tiles(count, 0.0, seed);
        let name = |index: usize| if index < north { "north" } else { "south" };
        night.iter_mut().enumerate().for_each(|(index, tile)| tile.group = Some(name(index).into()));
        night
    };
    let reference = Reference::of(&regions(1000, 500, 5), request()).unwrap();
    assert_eq!(drifted(&compare(&reference, &regions(100, 90, 6), LEVEL_DEFAULT)), ["all group_mix"]);
}

#[test]
fn a_level_that_permutations_cannot_reach_is_refused_with_the_least_that_they_can() {
    check_level(&reference(), 0.001).unwrap();
    // 2 groups of 5 quantities twice and of the bands once, and 4 of the night: 26 of 100,001.
    let error = check_level(&reference(), 0.0001).unwrap_err().to_string();
    assert!(error.contains("up to 26 tests share it") && error.contains("give 0.0003 or more"), "{error}");
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
fn tiles_of_unknown_group_are_shown_beside_all_and_never_alarm() {
    let mut night = tiles(100, 0.3, 6);
    night.iter_mut().for_each(|tile| tile.group = Some("monsoon".into()));
    let report = compare(&reference(), &night, LEVEL_DEFAULT);
    assert!(report.findings.iter().all(|finding| finding.group == ALL), "{report:?}");
    let shown = report.findings.iter().find(|finding| finding.quantity == "mean_B04").unwrap();
    assert!(shown.status == Status::Shown && shown.tests[0].effect > 1.0, "{shown:?}");
    assert!(!report.alarm && report.remarks[0].starts_with("100 tiles of unknown season or sky"), "{report:?}");
    assert!(report.remarks[0].contains("--metadata, or --date and --cloud-cover"), "{report:?}");
    assert!(report.verdict().starts_with("nothing could be judged: 100 tiles"), "{}", report.verdict());
    // A reference without groups has nothing better to offer.
    let mut all = tiles(1000, 0.0, 1);
    all.iter_mut().for_each(|tile| tile.group = None);
    let report = compare(&Reference::of(&all, request()).unwrap(), &night, LEVEL_DEFAULT);
    assert_eq!(drifted(&report), ["all mean_B04", "all bands"]);
}
