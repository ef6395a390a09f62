//! Profiles as files, and the thresholds that come out of them.

use jiff::civil::{Date, date};
use serde_json::{Value, json};

use super::*;
use crate::Kind;
use crate::model::manifest::{Precision, Tta};

const HASH: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

fn group(name: &str, threshold: f64, feasible: bool) -> Value {
    json!({
        "group": name, "n_positives": 40, "rank": feasible.then_some(5), "threshold": threshold, "recall": 0.9,
        "confidence": feasible.then_some(0.92), "feasible": feasible,
    })
}

fn document(groups: &[Value]) -> Value {
    json!({
        "format": PROFILE_FORMAT, "version": 1,
        "model": { "name": "construction", "sha256": HASH, "precision": "fp32" },
        "preprocessing_version": "1", "tta": "d4", "rule": "exact", "target_recall": 0.8, "confidence": 0.9,
        "joint": false, "group_confidence": 0.9,
        "bounds": { "summer_months_north": [4, 5, 6, 7, 8, 9], "clear_below_percent": 10.0, "cloudy_up_to_percent": 70.0 },
        "scores": { "file": "scores.csv", "sha256": HASH, "n_rows": 10, "n_positives": 5, "n_sites": null },
        "command": "s2infer calibrate", "created": "2026-11-21T00:00:00Z", "guarantee": "…", "groups": groups,
    })
}

fn four() -> Value {
    document(&[
        group("summer-clear", 0.7, true),
        group("summer-cloudy", 0.5, true),
        group("winter-clear", 0.6, true),
        group("winter-cloudy", 0.3, false),
    ])
}

fn parse(document: &Value) -> crate::Result<Profile> {
    Profile::parse(document.to_string().as_bytes(), "profile.json")
}

/// Shift, threshold and guarantee of a tile; panics on an abstention.
fn threshold(choice: &str, day: Option<Date>, latitude: Option<f64>, cloud: Option<f64>) -> (String, f32, bool) {
    let observed = Observation { date: day, latitude, cloud_cover_percent: cloud, ..Observation::default() };
    match parse(&four()).unwrap().resolve(&choice.parse().unwrap(), &observed).unwrap() {
        Resolution::Threshold { shift, threshold, guaranteed } => (shift, threshold, guaranteed),
        abstain => panic!("{abstain:?}"),
    }
}

const JULY: Option<Date> = Some(date(2024, 7, 1));
const NORTH: Option<f64> = Some(52.0);
const SOUTH: Option<f64> = Some(-33.0);

#[test]
fn the_height_of_the_sun_decides_the_season_where_the_bounds_say_how() {
    let bounds = Bounds { winter_below_sun_elevation_deg: Some(30.0), ..Bounds::default() };
    let seen = |sun_elevation_deg| Observation {
        date: Some(jiff::civil::date(2024, 7, 1)),
        latitude: Some(48.0),
        sun_elevation_deg,
        ..Observation::default()
    };
    assert_eq!(bounds.season_of(&seen(Some(29.9))), Some(Season::Winter));
    assert_eq!(bounds.season_of(&seen(Some(30.0))), Some(Season::Summer));
    assert_eq!(bounds.season_of(&seen(None)), Some(Season::Summer), "July in the north");
    assert_eq!(Bounds::default().season_of(&seen(Some(1.0))), Some(Season::Summer), "by the month alone");
    assert!(Bounds { winter_below_sun_elevation_deg: Some(91.0), ..Bounds::default() }.validate().is_err());
}

#[test]
fn auto_takes_the_group_of_date_place_and_cloudiness() {
    assert_eq!(threshold("auto", JULY, NORTH, Some(3.0)), ("summer-clear".into(), 0.7, true));
    assert_eq!(threshold("auto", JULY, SOUTH, Some(3.0)), ("winter-clear".into(), 0.6, true));
    assert_eq!(threshold("auto", JULY, SOUTH, Some(70.0)), ("winter-cloudy".into(), 0.3, false));
}

#[test]
fn what_stays_unknown_takes_the_lowest_threshold_still_possible() {
    assert_eq!(threshold("auto", JULY, NORTH, None), ("summer".into(), 0.5, true));
    assert_eq!(threshold("auto", JULY, None, Some(3.0)), ("clear".into(), 0.6, true));
    assert_eq!(threshold("auto", JULY, None, Some(50.0)), ("cloudy".into(), 0.3, false));
    assert_eq!(threshold("auto", None, NORTH, None), ("unknown".into(), 0.3, false));
}

#[test]
fn a_named_season_overrides_the_date_and_is_refined_by_the_sky() {
    assert_eq!(threshold("winter", JULY, NORTH, Some(3.0)), ("winter-clear".into(), 0.6, true));
    assert_eq!(threshold("winter", JULY, NORTH, None), ("winter".into(), 0.3, false));
    assert_eq!(threshold("summer", None, None, Some(30.0)), ("summer-cloudy".into(), 0.5, true));
}

#[test]
fn a_named_sky_overrides_the_cover_and_is_refined_by_the_season() {
    assert_eq!(threshold("clear", JULY, NORTH, Some(30.0)), ("summer-clear".into(), 0.7, true));
    assert_eq!(threshold("cloudy", None, None, None), ("cloudy".into(), 0.3, false));
    assert_eq!(threshold("summer-clear", JULY, SOUTH, Some(30.0)), ("summer-clear".into(), 0.7, true));
}

#[test]
fn a_tile_with_more_than_seventy_percent_cloud_abstains_whatever_was_named() {
    let profile = parse(&four()).unwrap();
    let observed = Observation { cloud_cover_percent: Some(82.5), ..Observation::default() };
    for (choice, shift) in [("auto", "unknown"), ("winter", "winter"), ("summer-clear", "summer-clear")] {
        let Resolution::Abstain { shift: found, reason } =
            profile.resolve(&choice.parse().unwrap(), &observed).unwrap()
        else {
            panic!("{choice}")
        };
        assert_eq!((found.as_str(), reason.as_str()), (shift, "cloud cover 82.5 % is above 70 %"));
    }
}

#[test]
fn impossible_cloudiness_and_latitude_are_errors() {
    let profile = parse(&four()).unwrap();
    for percent in [-1.0, 101.0, f64::NAN, f64::INFINITY] {
        let observed = Observation { cloud_cover_percent: Some(percent), ..Observation::default() };
        for choice in ["auto", "winter", "winter-clear"] {
            assert_eq!(profile.resolve(&choice.parse().unwrap(), &observed).unwrap_err().kind(), Kind::Usage);
        }
    }
    let observed = Observation { latitude: Some(f64::NAN), ..Observation::default() };
    assert!(profile.resolve(&ShiftChoice::Auto, &observed).is_err());
}

#[test]
fn a_group_that_the_profile_lacks_is_named_with_those_it_has() {
    let error = parse(&four()).unwrap().check_choice(&"autumn".parse().unwrap()).unwrap_err();
    assert_eq!(error.kind(), Kind::Usage);
    assert!(error.to_string().contains("winter-cloudy"), "{error}");
}

#[test]
fn groups_of_other_names_are_found_by_name_and_auto_takes_their_lowest() {
    let profile = parse(&document(&[group("harbour", 0.8, true), group("beach", 0.4, true)])).unwrap();
    let resolve = |choice: &str| profile.resolve(&choice.parse().unwrap(), &Observation::default());
    let at = |shift: &str, threshold| Resolution::Threshold { shift: shift.into(), threshold, guaranteed: true };
    assert_eq!(resolve("harbour").unwrap(), at("harbour", 0.8));
    assert_eq!(resolve("auto").unwrap(), at("unknown", 0.4));
    assert_eq!(resolve("winter").unwrap_err().kind(), Kind::Usage);
}

#[test]
fn a_possible_group_that_was_not_calibrated_takes_the_lowest_threshold_without_a_guarantee() {
    let profile = parse(&document(&[group("summer-clear", 0.7, true), group("summer-cloudy", 0.4, true)])).unwrap();
    let resolution = profile.resolve(&"winter".parse().unwrap(), &Observation::default()).unwrap();
    assert_eq!(resolution, Resolution::Threshold { shift: "winter".into(), threshold: 0.4, guaranteed: false });
}

#[test]
fn a_mean_profile_guarantees_nothing() {
    let mut mean = four();
    mean["rule"] = json!("mean");
    assert!(parse(&mean).is_err());
    mean["confidence"] = Value::Null;
    mean["group_confidence"] = Value::Null;
    let resolution = parse(&mean).unwrap().resolve(&"summer-clear".parse().unwrap(), &Observation::default()).unwrap();
    assert!(matches!(resolution, Resolution::Threshold { guaranteed: false, .. }));
}

#[test]
fn a_written_profile_reads_back_equal_and_its_hash_is_the_files() {
    let profile = parse(&four()).unwrap();
    let again = Profile::parse(profile.to_json().as_bytes(), "again").unwrap();
    assert_eq!(again.groups, profile.groups);
    assert_eq!(again.to_json(), profile.to_json());
    assert_ne!(again.sha256(), profile.sha256());
    let digest = <sha2::Sha256 as sha2::Digest>::digest(profile.to_json().as_bytes());
    assert_eq!(again.sha256(), digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
}

#[test]
fn a_budget_profile_decides_without_a_guarantee_and_states_no_recall() {
    let mut budget = document(&[group("summer-clear", 0.9, false), group("winter-cloudy", 0.9, false)]);
    for key in ["target_recall", "confidence", "group_confidence"] {
        budget[key] = Value::Null;
    }
    budget["rule"] = json!("budget");
    let profile = parse(&budget).unwrap();
    assert_eq!(parse(&serde_json::from_str(&profile.to_json()).unwrap()).unwrap().rule, Rule::Budget);
    let observed = Observation::default();
    let resolution = profile.resolve(&ShiftChoice::Group("winter-cloudy".into()), &observed).unwrap();
    assert!(matches!(resolution, Resolution::Threshold { threshold: 0.9, guaranteed: false, .. }), "{resolution:?}");
}

#[test]
fn anything_that_is_not_a_profile_is_refused() {
    let mut wrong: Vec<Value> = vec![json!({}), json!([]), document(&[])];
    let mut change = |pointer: &str, value: Value| {
        let mut document = four();
        *document.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = value;
        wrong.push(document);
    };
    change("/format", json!("other"));
    change("/version", json!(2));
    change("/model/sha256", json!("abc"));
    change("/tta", json!("d8"));
    change("/target_recall", json!(1.0));
    change("/target_recall", Value::Null);
    change("/rule", json!("budget"));
    change("/bounds/clear_below_percent", json!(80));
    change("/bounds/summer_months_north", json!([4, 4]));
    change("/groups/0/threshold", json!(1.5));
    change("/groups/0/threshold", Value::Null);
    change("/groups/0/rank", Value::Null);
    change("/groups/0/rank", json!(41));
    change("/groups/0/group", json!("summer-cloudy"));
    change("/groups/0/group", json!("auto"));
    change("/groups/0", json!({ "group": "x" }));
    let mut unknown = four();
    unknown["surprise"] = json!(1);
    wrong.push(unknown);
    for document in wrong {
        let error = parse(&document).unwrap_err();
        assert_eq!(error.kind(), Kind::Refused, "{document}");
    }
    let twice = four().to_string().replacen("\"joint\":", "\"joint\":false,\"joint\":", 1);
    assert!(Profile::parse(twice.as_bytes(), "x").unwrap_err().to_string().contains("duplicate"));
    let padded = four().to_string() + &" ".repeat(1 << 20);
    assert!(Profile::parse(padded.as_bytes(), "x").is_err());
}

#[test]
fn a_profile_of_another_model_precision_preprocessing_or_augmentation_is_refused() {
    let profile = parse(&four()).unwrap();
    let same = Binding {
        model_sha256: HASH.into(),
        precision: Precision::Fp32,
        preprocessing_version: "1".into(),
        tta: Tta::D4,
    };
    profile.check(&same).unwrap();
    let others = [
        (Binding { model_sha256: HASH.replace('a', "b"), ..same.clone() }, "another model"),
        (Binding { precision: Precision::Int8, ..same.clone() }, "precision"),
        (Binding { preprocessing_version: "2".into(), ..same.clone() }, "preprocessing"),
        (Binding { tta: Tta::None, ..same }, "--tta none"),
    ];
    for (other, word) in others {
        let error = profile.check(&other).unwrap_err();
        assert_eq!(error.kind(), Kind::Refused);
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[test]
fn mutants_of_a_profile_are_refused_or_make_sense() {
    const BYTES: &[u8] = b"0123456789.eE-\",:{}[] nul\xff";
    let whole = four().to_string().into_bytes();
    let mut state = 7u32;
    let mut next = |below: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize % below
    };
    let mut accepted = 0;
    for _ in 0..5000 {
        let mut mutant = whole.clone();
        for _ in 0..=next(3) {
            let (at, byte) = (next(mutant.len()), BYTES[next(BYTES.len())]);
            mutant[at] = byte;
        }
        let Ok(profile) = Profile::parse(&mutant, "mutant") else { continue };
        accepted += 1;
        let resolution = profile.resolve(&ShiftChoice::Auto, &Observation::default()).unwrap();
        let Resolution::Threshold { threshold, .. } = resolution else { panic!("{resolution:?}") };
        assert!((0.0..=1.0).contains(&threshold));
    }
    assert!(accepted > 0);
}
