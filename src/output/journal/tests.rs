//! What a killed run leaves behind, and what the next one makes of it.

use std::fs;

use jiff::civil::date;

use super::*;
use crate::decide::Decision;
use crate::output::Notes;
use crate::raster::{Geo, Window};

fn row(tile: &str, score: f32) -> Row {
    Row {
        longitude_latitude: Some((13.400_000_000_000_1, -0.0)),
        footprint: Some([(1.0, 2.0), (3.0, 2.0), (3.0, 4.0), (1.0, 4.0), (1.0, 2.0)]),
        geo: Some(Geo { epsg: Some(32601), transform: [0.1, 10.0, -0.0, 1e7, 0.3, -10.0] }),
        date: Some(date(2024, 2, 29)),
        shift: Some("winter-cloudy".into()),
        score: Some(score),
        threshold: Some(f32::from_bits(0x3f00_0001)),
        scores: Some(vec![1.0 - score, score, f32::MIN_POSITIVE, 1e-45]),
        without_guarantee: true,
        notes: Notes {
            radiometry_source: Some("manifest".into()),
            cloud_cover_percent: Notes::one_decimal(40.6),
            ..Notes::default()
        },
        ..Row::without_score(
            tile.into(),
            Window { x: 1, y: 2, width: 3, height: u32::MAX },
            Decision::Class("Sea & \"Lake\"\n".into()),
            "because".into(),
        )
    }
}

fn filled(path: &Path) -> Journal {
    let mut journal = Journal::open(path, "run", false).unwrap();
    journal.append("one", &[row("a.tif", 0.1), row("a.tif", 0.2)]).unwrap();
    journal.append("two", &[row("b.tif", 0.3)]).unwrap();
    assert_eq!(journal.get("two", "b.tif").unwrap(), None, "not in the file yet");
    journal.flush().unwrap();
    journal
}

#[test]
fn rows_come_back_bit_for_bit_under_the_name_the_tile_has_now() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.csv.journal");
    drop(filled(&path));
    let journal = Journal::open(&path, "run", true).unwrap();
    assert_eq!(journal.resumed(), 2);
    let rows = journal.get("one", "moved/a.tif").unwrap().unwrap();
    assert_eq!(rows, [row("moved/a.tif", 0.1), row("moved/a.tif", 0.2)]);
    assert_eq!(rows[0].longitude_latitude.unwrap().1.to_bits(), (-0.0f64).to_bits());
    assert_eq!(journal.get("three", "x").unwrap(), None);
}

#[test]
fn every_place_to_be_killed_at_loses_the_last_line_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    drop(filled(&path));
    let whole = fs::read(&path).unwrap();
    let ends: Vec<_> = whole.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(i, _)| i + 1).collect();
    let line_ends = ends.iter().flat_map(|end| [end - 1, *end]);
    for cut in (0..whole.len()).step_by(31).chain(line_ends) {
        fs::write(&path, &whole[..cut]).unwrap();
        let mut journal = Journal::open(&path, "run", true).unwrap();
        let lines = ends.iter().filter(|end| **end <= cut).count();
        assert_eq!(journal.resumed(), lines.saturating_sub(1), "cut at {cut}");
        journal.append("three", &[row("c", 0.5)]).unwrap();
        journal.flush().unwrap();
        drop(journal);
        let journal = Journal::open(&path, "run", true).unwrap();
        assert_eq!(journal.resumed(), lines.saturating_sub(1) + 1);
        assert_eq!(journal.get("three", "c").unwrap().unwrap(), [row("c", 0.5)]);
    }
}

#[test]
fn a_damaged_line_ends_what_is_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    drop(filled(&path));
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("{\"key\":\"one\"", "{\"kez\":\"one\"")).unwrap();
    assert_eq!(Journal::open(&path, "run", true).unwrap().resumed(), 0);
}

#[test]
fn another_run_key_or_no_resume_starts_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    for (run_key, resume) in [("other", true), ("run", false)] {
        drop(filled(&path));
        let journal = Journal::open(&path, run_key, resume).unwrap();
        assert_eq!((journal.resumed(), journal.get("one", "a").unwrap()), (0, None));
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 1);
    }
}

#[test]
fn a_file_that_is_no_journal_is_refused_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    for content in ["my diary", "{}\n", "{\"format\":\"another\",\"version\":1}\n"] {
        fs::write(&path, content).unwrap();
        for resume in [true, false] {
            assert_eq!(Journal::open(&path, "run", resume).unwrap_err().kind(), crate::Kind::Output, "{content}");
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
    }
}

#[test]
fn a_finished_journal_stays_only_if_it_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = journal_path(&folder.path().join("out.csv"));
    assert!(path.ends_with("out.csv.journal"));
    filled(&path).finish(true).unwrap();
    assert_eq!(Journal::open(&path, "run", true).unwrap().resumed(), 2);
    filled(&path).finish(false).unwrap();
    assert!(!path.exists());
}

#[test]
fn a_link_is_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let (target, link) = (folder.path().join("precious"), folder.path().join("link.journal"));
    fs::write(&target, "precious").unwrap();
    std::os::unix::fs::symlink(&target, &link).unwrap();
    assert_eq!(Journal::open(&link, "run", false).unwrap_err().kind(), crate::Kind::Output);
    assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
}
