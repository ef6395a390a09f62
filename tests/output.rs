//! Results read back by other programs: Python's csv and json, rasterio.

mod common;

use std::io::{self, Write};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::civil::date;
use s2infer::decide::Decision;
use s2infer::output::{self, DistributionKey, DistributionWriter, Format, Notes, Row, TableOptions, Target, signal};
use s2infer::raster::Window;
use s2infer::{Kind, Result};

/// What a script prints, or none where there is no Python.
fn python(script: &str, arguments: &[&Path]) -> Option<String> {
    let Some(python) = common::python() else {
        common::skip_or_fail("Python with rasterio");
        return None;
    };
    let output = Command::new(python).arg("-c").arg(script).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

const CLASSES: [&str; 2] = ["background", "construction"];

fn options() -> TableOptions {
    TableOptions { classes: CLASSES.map(String::from).to_vec(), ..TableOptions::default() }
}

fn rows() -> Vec<Row> {
    let window = Window { x: 64, y: 0, width: 64, height: 64 };
    let scored = Row {
        longitude_latitude: Some((4.123_456_789, 51.0)),
        // Clockwise: RFC 7946 wants it turned.
        footprint: Some([(4.0, 51.0), (4.0, 52.0), (5.0, 52.0), (5.0, 51.0), (4.0, 51.0)]),
        date: Some(date(2024, 1, 31)),
        shift: Some("winter-cloudy".into()),
        score: Some(0.1 + 0.2),
        threshold: Some(f32::from_bits(0x3e99_999b)),
        reason: None,
        scores: Some(vec![0.7, 0.1 + 0.2]),
        notes: Notes {
            radiometry_source: Some("manifest".into()),
            cloud_cover_percent: Notes::one_decimal(40.64),
            ..Notes::default()
        },
        ..Row::without_score("küste/a, \"b\".tif".into(), window, Decision::Positive, String::new())
    };
    let failed = Row::without_score("=cmd|' /C calc'!A0.tif".into(), window, Decision::Error, "bad\nstrip, 3".into());
    let mut plain = Row { decision: Decision::Negative, score: Some(1e-7), ..failed.clone() };
    (plain.tile, plain.reason, plain.longitude_latitude) = ("c.tif".into(), None, Some((-70.0, -33.5)));
    vec![scored, failed, plain]
}

fn write(format: Format, path: &Path, rows: &[Row]) {
    let mut sink = output::open(format, Target::File(path.into()), &options()).unwrap();
    for row in rows {
        sink.write(row).unwrap();
        assert!(!path.exists(), "a file must not have its name before it is whole");
    }
    sink.finish().unwrap();
}

#[test]
fn csv_reads_back_in_python_and_starts_no_formula() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.csv");
    write(Format::Csv, &path, &rows());
    let script = r#"
import csv, struct, sys
bits = lambda text: struct.pack("<f", float(text))
rows = list(csv.DictReader(open(sys.argv[1], newline="")))
assert list(rows[0]) == "tile,x,y,width,height,longitude,latitude,date,shift,score,threshold,decision,reason".split(",")
a, b, c = rows
assert a["tile"] == 'küste/a, "b".tif', a
assert [a[k] for k in ("x", "y", "width", "height")] == ["64", "0", "64", "64"]
assert (a["longitude"], a["latitude"], a["date"], a["shift"]) == ("4.1234568", "51.0000000", "2024-01-31", "winter-cloudy")
assert bits(a["threshold"]) == struct.pack("<I", 0x3e99999b), a["threshold"]
assert bits(a["score"]) == bits(0.30000001192092896), a["score"]
assert (a["decision"], a["reason"]) == ("positive", "")
assert b["tile"] == "'=cmd|' /C calc'!A0.tif" and b["reason"] == "bad\\nstrip, 3", b
assert b["score"] == b["longitude"] == b["date"] == "" and b["decision"] == "error"
assert bits(c["score"]) == bits(1e-7) and c["longitude"] == "-70.0000000"
assert open(sys.argv[1]).read().count("\n") == 4
"#;
    python(script, &[&path]);
}

#[test]
fn ndjson_holds_every_value_without_loss() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.ndjson");
    write(Format::Ndjson, &path, &rows());
    let script = r#"
import json, struct, sys
bits = lambda number: struct.pack("<f", number)
a, b, c = (json.loads(line) for line in open(sys.argv[1]))
assert a["tile"] == 'küste/a, "b".tif' and b["tile"] == "=cmd|' /C calc'!A0.tif" and b["reason"] == "bad\nstrip, 3"
assert bits(a["threshold"]) == struct.pack("<I", 0x3e99999b)
assert {k: bits(v) for k, v in a["scores"].items()} == {"background": bits(0.7), "construction": bits(0.30000001192092896)}
assert a["radiometry_source"] == "manifest" and a["longitude"] == 4.1234568
assert list(a)[:13] == "tile,x,y,width,height,longitude,latitude,date,shift,score,threshold,decision,reason".split(",")
assert a["cloud_cover_percent"] == 40.6 and a["cloud_source"] is None and a["sun_elevation_deg"] is None
assert b["score"] is None and b["latitude"] is None and "scores" not in b and b["radiometry_source"] is None
"#;
    python(script, &[&path]);
}

#[test]
fn geojson_is_one_collection_with_counter_clockwise_rings() {
    let folder = tempfile::tempdir().unwrap();
    let (path, empty) = (folder.path().join("out.geojson"), folder.path().join("empty.geojson"));
    write(Format::GeoJson, &path, &rows());
    write(Format::GeoJson, &empty, &[]);
    let script = r#"
import json, sys
assert json.load(open(sys.argv[2])) == {"type": "FeatureCollection", "features": []}
collection = json.load(open(sys.argv[1]))
a, b, c = collection["features"]
assert collection["type"] == "FeatureCollection" and all(f["type"] == "Feature" for f in (a, b, c))
[ring] = a["geometry"]["coordinates"]
assert a["geometry"]["type"] == "Polygon" and ring[0] == ring[-1] and len(ring) == 5
area = sum(p[0] * q[1] - q[0] * p[1] for p, q in zip(ring, ring[1:]))
assert area == 2.0, area
assert b["geometry"] is None and c["geometry"] == {"type": "Point", "coordinates": [-70.0, -33.5]}
assert a["properties"]["decision"] == "positive" and a["properties"]["scores"]["background"] == 0.7
"#;
    python(script, &[&path, &empty]);
}

#[test]
fn the_format_is_what_was_asked_for_else_the_extension_s_else_csv() {
    let by_name = |name: &str| Format::choose(None, Some(Path::new(name)));
    assert_eq!(by_name("a.ndjson"), Format::Ndjson);
    assert_eq!(by_name("a.JSONL"), Format::Ndjson);
    assert_eq!(by_name("a.geojson"), Format::GeoJson);
    assert_eq!(by_name("a.txt"), Format::Csv);
    assert_eq!(Format::choose(None, None), Format::Csv);
    assert_eq!(Format::choose(Some(Format::Ndjson), Some(Path::new("a.csv"))), Format::Ndjson);
    assert_eq!(by_name("a.gpkg"), Format::GeoPackage);
    assert_eq!(by_name("a.parquet"), Format::GeoParquet);
    assert_eq!("shapefile".parse::<Format>().unwrap_err().kind(), Kind::Usage);
}

/// A stream that fails as a closed pipe or a full disk does.
struct Failing(io::ErrorKind);

impl Write for Failing {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(self.0.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_closed_pipe_is_told_from_a_full_disk() {
    let finish = |kind| -> Result<()> {
        let mut sink = output::open(Format::Csv, Target::Stdout(Box::new(Failing(kind))), &options())?;
        rows().iter().try_for_each(|row| sink.write(row))?;
        sink.finish()
    };
    let error = finish(io::ErrorKind::BrokenPipe).unwrap_err();
    assert_eq!((error.kind(), error.exit_code()), (Kind::BrokenPipe, 0));
    let error = finish(io::ErrorKind::StorageFull).unwrap_err();
    assert_eq!((error.kind(), error.exit_code()), (Kind::Output, 5));
}

/// A stream that can still be read after the sink has taken it.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_stream_and_a_file_get_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    for format in [Format::Csv, Format::Ndjson, Format::GeoJson] {
        let path = folder.path().join("out");
        write(format, &path, &rows());
        let stream = Shared::default();
        let mut sink = output::open(format, Target::Stdout(Box::new(stream.clone())), &options()).unwrap();
        rows().iter().for_each(|row| sink.write(row).unwrap());
        sink.finish().unwrap();
        assert_eq!(*stream.0.lock().unwrap(), std::fs::read(&path).unwrap());
        std::fs::remove_file(path).unwrap();
    }
}

#[test]
fn a_sink_that_is_dropped_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    for format in [Format::Csv, Format::GeoPackage, Format::GeoParquet] {
        let mut sink = output::open(format, Target::File(folder.path().join("out")), &options()).unwrap();
        sink.write(&rows()[0]).unwrap();
        drop(sink);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{format:?}");
    }
}

/// Sends this process a signal, as a person or systemd does.
fn kill(signal: &str) {
    let killed = Command::new("kill").args([signal, &std::process::id().to_string()]).status().unwrap();
    assert!(killed.success());
    std::thread::sleep(Duration::from_millis(200));
}

/// Runs itself again as a process of its own, which gets a SIGTERM, sees it, and ends at the SIGINT after it.
#[test]
fn the_first_signal_is_seen_and_the_second_ends_the_process() {
    const CHILD: &str = "S2INFER_TEST_SIGNALS";
    if std::env::var_os(CHILD).is_some() {
        signal::install().unwrap();
        signal::install().unwrap();
        assert_eq!(signal::stop_requested(), None);
        kill("-TERM");
        assert_eq!(signal::stop_requested(), Some(15));
        assert_eq!(signal::check().unwrap_err().exit_code(), 143);
        kill("-INT");
        panic!("still there");
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "the_first_signal_is_seen_and_the_second_ends_the_process"]).env(CHILD, "1");
    assert_eq!(child.output().unwrap().status.code(), Some(130));
}

#[test]
fn distributions_sum_to_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shares.csv");
    let classes = ["=sea", "land", "sand", "cloud"].map(str::to_owned);
    let ignored = vec![false, false, false, true];
    let target = Target::File(path.clone());
    let mut writer = DistributionWriter::create(target, DistributionKey::SampleId, &classes, ignored).unwrap();
    writer.write("tiles/10087.tif", Some(&[1.0, 2.0, 4.0, 0.0])).unwrap();
    writer.write("b.tif", None).unwrap();
    writer.write("c.tif", Some(&[0.0, 0.0, 5.0, 3.0])).unwrap();
    for wrong in [
        &[1.0, 2.0, 3.0][..],
        &[0.0, 0.0, 0.0, 1.0],
        &[1.0, f64::NAN, 1.0, 0.0],
        &[-1.0, 2.0, 1.0, 0.0],
        &[f64::INFINITY, 0.0, 0.0, 0.0],
    ] {
        assert_eq!(writer.write("c.tif", Some(wrong)).unwrap_err().kind(), Kind::Output);
    }
    writer.finish().unwrap();
    let script = r#"
import csv, sys
from decimal import Decimal
header, a, b, c = csv.reader(open(sys.argv[1]))
assert header == ["sample_id", "'=sea", "land", "sand", "cloud"] and b == ["b", "", "", "", ""]
assert a == ["10087", "0.142857", "0.285714", "0.571429", "0"], a
assert c[4] == "0" and all(9e-5 < float(share) < 1.1e-4 for share in c[1:3]), c
assert all(sum(map(Decimal, row[1:])) == 1 for row in (a, c))
"#;
    python(script, &[&path]);
}
