use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;

const STREAM: [u8; 20] = [0, 0, 1, 0, 1, 1, 0, 1, 0, 1, 1, 0, 1, 1, 0, 1, 1, 1, 0, 1];

fn table(rows: std::ops::Range<usize>) -> AuditTable {
    let text: String = rows.map(|row| format!("t{row},{}\n", STREAM[row])).collect();
    AuditTable::parse(format!("tile,missed\n{text}").as_bytes()).unwrap()
}

#[test]
fn nights_come_to_the_same_as_all_at_once_and_rows_given_again_do_not_count() {
    let whole = Audit::new(0.8).unwrap().add(&table(0..20), 0.05).unwrap();
    let mut audit = Audit::new(0.8).unwrap();
    for night in [0..7, 3..12, 0..20] {
        audit.add(&table(night), 0.05).unwrap();
        audit = Audit::parse(audit.to_json().as_bytes(), "state.json", 0.8).unwrap();
    }
    let again = audit.add(&table(0..20), 0.05).unwrap();
    assert_eq!((again.n, again.misses, again.n_new, again.n_known), (20, 12, 0, 20));
    assert_eq!((again.evidence, again.evidence_max), (whole.evidence, whole.evidence_max));
    // The mean of the worked example's 156.6908 and 687.5901.
    assert!((whole.evidence - 422.14045).abs() < 1e-4, "{}", whole.evidence);
    assert_eq!((whole.trace.len(), whole.alarm, whole.n_at_alarm), (1, true, Some(20)));
}

#[test]
fn an_alarm_stays_when_later_positives_are_caught() {
    let mut audit = Audit::new(0.8).unwrap();
    assert!(audit.add(&table(0..20), 0.05).unwrap().alarm);
    let caught: String = (0..60).map(|row| format!("c{row},positive,1\n")).collect();
    let caught = AuditTable::parse(format!("tile,decision,label\n{caught}").as_bytes()).unwrap();
    let report = audit.add(&caught, 0.05).unwrap();
    assert!(report.evidence < 20.0 && report.evidence_max > 400.0 && report.alarm, "{report:?}");
}

#[test]
fn only_labelled_positives_that_were_decided_count() {
    let text =
        "tile,decision,label\na,positive,1.0\nb,negative,1\nc,negative,0.0\nd,abstain,1\ne,positive,0\nf,negative,\n";
    let table = AuditTable::parse(text.as_bytes()).unwrap();
    assert_eq!(table.n_left_out, 4);
    let report = Audit::new(0.8).unwrap().add(&table, 0.05).unwrap();
    assert_eq!((report.n, report.misses), (2, 1));
}

#[test]
fn contradictions_and_other_targets_are_refused() {
    let mut audit = Audit::new(0.8).unwrap();
    audit.add(&table(0..5), 0.05).unwrap();
    let other = AuditTable::parse(b"tile,missed\nt0,1\n").unwrap();
    let error = audit.clone().add(&other, 0.05).unwrap_err().to_string();
    assert!(error.contains("line 2: \"t0\" has another result"), "{error}");
    assert!(
        Audit::parse(audit.to_json().as_bytes(), "s", 0.9).unwrap_err().to_string().contains("--target-recall 0.8")
    );
    assert!(Audit::parse(audit.to_json().replace("\"n\": 5", "\"n\": 6").as_bytes(), "s", 0.8).is_err());
    for wrong in ["tile\na\n", "tile,missed\na,2\n", "tile,missed\n", "tile,missed\n,0\n"] {
        assert!(AuditTable::parse(wrong.as_bytes()).is_err(), "{wrong:?}");
    }
    assert!(Audit::new(1.0).is_err());
}

/// Nights of 20 positives of which each is missed with a chance of 0.2, the misses first in each night's table.
fn sorted_night(night: usize, with_date: bool, rng: &mut ChaCha8Rng) -> String {
    let mut missed: Vec<bool> = (0..20).map(|_| rng.random::<f64>() < 0.2).collect();
    missed.sort_by_key(|missed| !missed);
    let date = |night: usize| format!(",2024-{:02}-{:02}", 1 + night / 28, 1 + night % 28);
    let date = if with_date { date(night) } else { String::new() };
    let row = |(tile, missed): (usize, &bool)| format!("n{night}t{tile},{}{date}\n", u8::from(*missed));
    missed.iter().enumerate().map(row).collect()
}

#[test]
fn of_1000_streams_whose_nights_list_the_misses_first_at_most_5_percent_alarm() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let by_night = (0..500).filter(|_| {
        let mut audit = Audit::new(0.8).unwrap();
        let mut night =
            |night| AuditTable::parse(format!("tile,missed\n{}", sorted_night(night, false, &mut rng)).as_bytes());
        (0..40).any(|number| audit.add(&night(number).unwrap(), 0.05).unwrap().alarm)
    });
    let by_night = by_night.count();
    let by_date = (0..500).filter(|_| {
        // The nights in one table, and the last one first.
        let rows: String = (0..40).rev().map(|night| sorted_night(night, true, &mut rng)).collect();
        let table = AuditTable::parse(format!("tile,missed,date\n{rows}").as_bytes()).unwrap();
        Audit::new(0.8).unwrap().add(&table, 0.05).unwrap().alarm
    });
    let by_date = by_date.count();
    println!("by night {by_night}, by date {by_date} of 500");
    // Three standard errors of 4.9.
    assert!(by_night <= 25 + 14 && by_date <= 25 + 14, "{by_night} {by_date}");
}

#[test]
fn one_tile_is_one_however_its_path_is_written_and_dates_must_be_days() {
    let mut audit = Audit::new(0.8).unwrap();
    let add = |audit: &mut Audit, text: &str| audit.add(&AuditTable::parse(text.as_bytes())?, 0.05);
    assert_eq!(add(&mut audit, "tile,missed\nn/a.tif,1\n").unwrap().n_new, 1);
    assert_eq!(add(&mut audit, "tile,missed\n./n//a.tif,1\n/n/a.tif,0\n").unwrap().n, 2);
    let error = add(&mut audit, "tile,missed,date\nn/a.tif,1,2024-07-01\n").unwrap_err().to_string();
    assert!(error.contains("without dates") && error.contains("leave the column out"), "{error}");
    let mut dated = Audit::new(0.8).unwrap();
    assert_eq!(add(&mut dated, "tile,missed,date\na,1,2024-07-01\na,1,2024-07-02\n").unwrap().n, 2);
    assert!(add(&mut dated, "tile,missed\na,1\n").unwrap_err().to_string().contains("add it"));
    for date in ["", "2024-02-30", "20240701", "2024-07-01T00:00", "1 July"] {
        let error = add(&mut dated, &format!("tile,missed,date\na,1,{date}\n")).unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("YYYY-MM-DD"), "{error}");
    }
}

#[test]
fn a_tile_of_several_windows_is_caught_where_one_of_them_is() {
    let text = "tile,decision,label\na,negative,1\na,positive,1\nb,negative,1\nb,abstain,1\nc,abstain,1\nc,error,1\n";
    let table = AuditTable::parse(text.as_bytes()).unwrap();
    assert_eq!(table.n_left_out, 2);
    let report = Audit::new(0.8).unwrap().add(&table, 0.05).unwrap();
    assert_eq!((report.n, report.misses), (2, 1));
    let table = AuditTable::parse(b"tile,missed\na,1\na,0\nb,1\n").unwrap();
    let report = Audit::new(0.8).unwrap().add(&table, 0.05).unwrap();
    assert_eq!((report.n, report.misses), (2, 1));
}

#[test]
fn a_name_stays_and_states_of_before_are_refused_with_the_remedy() {
    let mut audit = Audit::new(0.8).unwrap();
    audit.set_name(Some("north".into())).unwrap();
    let mut again = Audit::parse(audit.to_json().as_bytes(), "s", 0.8).unwrap();
    again.set_name(None).unwrap();
    assert!(again.set_name(Some("south".into())).unwrap_err().to_string().contains("called \"north\", not \"south\""));
    assert_eq!(again.add(&table(0..5), 0.05).unwrap().name.as_deref(), Some("north"));
    let before = audit.to_json().replace("\"version\": 2", "\"version\": 1");
    let error = Audit::parse(before.as_bytes(), "s", 0.8).unwrap_err().to_string();
    assert!(error.contains("version 1") && error.contains("start another state"), "{error}");
}

#[test]
fn large_evidence_is_said_in_powers_of_ten_and_an_alarm_since_when() {
    let missed: String = (0..200).map(|row| format!("m{row},1\n")).collect();
    let table = AuditTable::parse(format!("tile,missed\n{missed}").as_bytes()).unwrap();
    let text = Audit::new(0.8).unwrap().add(&table, 0.05).unwrap().to_text();
    assert!(text.contains("ALARM since 200 positives") && text.contains("e137"), "{text}");
    assert!(text.contains("alarm from 20.0000 on"), "{text}");
}
