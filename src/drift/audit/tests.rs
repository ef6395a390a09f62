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
    assert_eq!((whole.trace.len(), whole.alarm), (20, true));
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
    let text = "tile,decision,label\na,positive,1\nb,negative,1\nc,negative,0\nd,abstain,1\ne,positive,0\n";
    let table = AuditTable::parse(text.as_bytes()).unwrap();
    assert_eq!(table.n_left_out, 3);
    let report = Audit::new(0.8).unwrap().add(&table, 0.05).unwrap();
    assert_eq!((report.n, report.misses), (2, 1));
}

#[test]
fn contradictions_and_other_targets_are_refused() {
    let mut audit = Audit::new(0.8).unwrap();
    audit.add(&table(0..5), 0.05).unwrap();
    let other = AuditTable::parse(b"tile,missed\nt0,1\n").unwrap();
    assert!(audit.clone().add(&other, 0.05).unwrap_err().to_string().contains("another result"));
    assert!(
        Audit::parse(audit.to_json().as_bytes(), "s", 0.9).unwrap_err().to_string().contains("--target-recall 0.8")
    );
    assert!(Audit::parse(audit.to_json().replace("\"n\": 5", "\"n\": 6").as_bytes(), "s", 0.8).is_err());
    for wrong in ["tile\na\n", "tile,missed\na,2\n", "tile,missed\na,0\na,0\n", "tile,missed\n,0\n"] {
        assert!(AuditTable::parse(wrong.as_bytes()).is_err(), "{wrong:?}");
    }
    assert!(Audit::new(1.0).is_err());
}
