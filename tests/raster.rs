//! Rasters written and read by other programs, read here.

mod common;

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{env, fs, thread};

use common::{python, skip_or_fail, skip_without_data};
use s2infer::raster::{Geo, Planes, Raster, ReadOptions, Window, looks_like_raster};
use s2infer::{Error, Kind};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// A line of the manifest that `write_rasters.py` writes: what GDAL finds in a file.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Expected {
    file: String,
    refuse: bool,
    unreadable: Option<String>,
    sha256: String,
    dtype: String,
    bands: usize,
    width: u32,
    height: u32,
    epsg: Option<u32>,
    transform: Option<[f64; 6]>,
    places: Option<Vec<[f64; 4]>>,
    nodata: Option<String>,
    descriptions: Vec<Option<String>>,
    scales: Vec<f64>,
    offsets: Vec<f64>,
    tags: BTreeMap<String, String>,
    statistics: Vec<Statistics>,
}

/// Valid samples, minimum, mean, maximum and SHA-256 of a band.
type Statistics = (u64, Option<f64>, Option<f64>, Option<f64>, String);

/// Runs the script; its files live as long as the folder. `None`, said aloud, without Python.
fn written(what: &str) -> Option<(TempDir, Vec<Expected>)> {
    written_from(what, &[])
}

fn written_from(what: &str, sources: &[&Path]) -> Option<(TempDir, Vec<Expected>)> {
    let Some(python) = python() else {
        skip_or_fail("Python with tifffile and rasterio");
        return None;
    };
    let folder = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/write_rasters.py");
    let output = Command::new(python).arg(script).arg(what).arg(folder.path()).args(sources).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = fs::read_to_string(folder.path().join("manifest.jsonl")).unwrap();
    let expected: Vec<Expected> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(expected.len() > 20);
    Some((folder, expected))
}

fn whole(raster: &Raster) -> Window {
    Window { x: 0, y: 0, width: raster.header().width, height: raster.header().height }
}

fn read_all(raster: &Raster) -> Result<Planes, Error> {
    let mut planes = Planes::new();
    let bands: Vec<usize> = (0..raster.header().bands.len()).collect();
    raster.read(whole(raster), &bands, &mut planes)?;
    Ok(planes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whole and in windows, mapped and not: the same pixels, and those of the manifest.
fn check_pixels(path: &Path, expected: &Expected) {
    let name = path.display();
    for mmap in [true, false] {
        let raster =
            Raster::open(path, &ReadOptions { mmap, ..Default::default() }).unwrap_or_else(|error| panic!("{error}"));
        let header = raster.header();
        assert_eq!((header.width, header.height), (expected.width, expected.height), "{name}");
        assert_eq!((header.bands.len(), header.sample_type.name()), (expected.bands, &*expected.dtype), "{name}");
        let planes = read_all(&raster).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(planes.sample_type, header.sample_type);
        assert_eq!(hex(&Sha256::digest(&planes.bytes)), expected.sha256, "{name}: other pixels");
        check_windows(&raster, &planes);
        raster.check_unchanged().unwrap();
    }
}

/// Windows that cut chunks anywhere, bands in reverse with one repeated.
fn check_windows(raster: &Raster, all: &Planes) {
    let (width, height) = (raster.header().width, raster.header().height);
    let mut bands: Vec<usize> = (0..all.bands).rev().collect();
    bands.push(0);
    let (step_x, step_y) = ((width / 3).max(1) | 1, (height / 2).max(1) | 1);
    let size = raster.header().sample_type.size_bytes();
    let mut planes = Planes::new();
    for y in (0..height).step_by(step_y as usize) {
        for x in (0..width).step_by(step_x as usize) {
            let window = Window { x, y, width: (step_x + 2).min(width - x), height: (step_y + 3).min(height - y) };
            raster.read(window, &bands, &mut planes).unwrap();
            assert_eq!((planes.width, planes.height), (window.width as usize, window.height as usize));
            for (index, &band) in bands.iter().enumerate() {
                let rows = planes.band(index).chunks_exact(planes.width * size);
                for (row, from_window) in rows.enumerate() {
                    let start = ((y as usize + row) * all.width + x as usize) * size;
                    assert_eq!(from_window, &all.band(band)[start..start + from_window.len()], "{window:?}");
                }
            }
        }
    }
}

fn check_facts(raster: &Raster, expected: &Expected) {
    let facts = raster.band_facts().unwrap();
    assert_eq!(facts.len(), expected.statistics.len());
    for (band, (valid, minimum, mean, maximum, sha256)) in facts.iter().zip(&expected.statistics) {
        assert_eq!((band.valid, band.minimum, band.maximum), (*valid, *minimum, *maximum), "{}", expected.file);
        assert_eq!(hex(&band.sha256), *sha256, "{}", expected.file);
        // NumPy adds in another order.
        let near = |(ours, theirs): (f64, f64)| (ours - theirs).abs() <= 1e-12 * theirs.abs().max(1e3);
        assert!(band.mean.zip(*mean).is_none_or(near), "{}: {:?} and {mean:?}", expected.file, band.mean);
        assert_eq!(band.mean.is_some(), mean.is_some());
    }
}

fn check_header(raster: &Raster, expected: &Expected) {
    let (header, name) = (raster.header(), &expected.file);
    let nodata = expected.nodata.as_ref().map(|text| text.parse::<f64>().unwrap());
    let bits = |value: Option<f64>| value.map(f64::to_bits);
    assert!(
        bits(header.nodata) == bits(nodata) || header.nodata.unwrap().is_nan() && nodata.unwrap().is_nan(),
        "{name}"
    );
    let transform = header.geo.as_ref().map(|geo| geo.transform);
    assert_eq!(transform, expected.transform, "{name}");
    assert_eq!(header.geo.as_ref().and_then(|geo| geo.epsg), expected.epsg.filter(|_| transform.is_some()), "{name}");
    for (band, info) in header.bands.iter().enumerate() {
        assert_eq!(info.description, expected.descriptions[band], "{name}");
        assert_eq!(info.scale.unwrap_or(1.0), expected.scales[band], "{name}");
        assert_eq!(info.offset.unwrap_or(0.0), expected.offsets[band], "{name}");
    }
    let passed_over = ["TIFFTAG_SOFTWARE", "TIFFTAG_RESOLUTIONUNIT", "TIFFTAG_XRESOLUTION", "TIFFTAG_YRESOLUTION"];
    for (key, value) in expected.tags.iter().filter(|(key, _)| !passed_over.contains(&key.as_str())) {
        assert_eq!(header.metadata.get(key), Some(value), "{name}: {key}");
    }
}

fn check_places(geo: &Geo, expected: &Expected) {
    for &[column, row, longitude, latitude] in expected.places.iter().flatten() {
        let found = geo.longitude_latitude(column, row).unwrap();
        let near = (found.0 - longitude).abs() < 1e-8 && (found.1 - latitude).abs() < 1e-8;
        assert!(near, "{}: {found:?} instead of {:?}", expected.file, (longitude, latitude));
    }
}

#[test]
fn every_layout_type_and_codec_that_tifffile_and_gdal_write_reads_as_they_read_it() {
    let Some((folder, expected)) = written("matrix") else { return };
    assert!(expected.len() > 3000);
    let half = expected.len() / 2;
    thread::scope(|scope| {
        for part in [&expected[..half], &expected[half..]] {
            scope.spawn(|| part.iter().for_each(|file| check_pixels(&folder.path().join(&file.file), file)));
        }
    });
}

#[test]
fn legal_oddities_read_as_gdal_reads_them_and_what_is_not_read_is_refused() {
    let Some((folder, expected)) = written("special") else { return };
    for file in &expected {
        let path = folder.path().join(&file.file);
        if file.refuse {
            let read = Raster::open(&path, &ReadOptions::default()).and_then(|raster| read_all(&raster));
            let error = read.expect_err(&file.file);
            assert!(matches!(error.kind(), Kind::Malformed | Kind::Unsupported | Kind::Limit), "{error}");
            assert!(error.to_string().contains(&file.file), "{error}");
        } else {
            check_pixels(&path, file);
            let raster = Raster::open(&path, &ReadOptions::default()).unwrap();
            check_header(&raster, file);
            check_facts(&raster, file);
        }
    }
}

#[test]
fn jpeg_and_png_patches_read_as_pillow_and_gdal_read_them() {
    let Some((folder, expected)) = written("patches") else { return };
    check_patches(folder.path(), &expected);
}

#[test]
fn eurosat_jpegs_have_libjpeg_turbos_pixels() {
    let Some(tar) = shared("eurosat-rgb-train-val.tar").and_then(|files| files.into_iter().next()) else { return };
    let Some((folder, expected)) = written_from("eurosat", &[&tar]) else { return };
    assert_eq!(expected.len(), 400);
    check_patches(folder.path(), &expected);
}

/// Besides the pixels: half a file is an error, never half an image.
fn check_patches(folder: &Path, expected: &[Expected]) {
    for file in expected {
        let path = folder.join(&file.file);
        assert!(looks_like_raster(&path));
        if file.refuse {
            let error = Raster::open(&path, &ReadOptions::default()).unwrap_err();
            assert_eq!(error.kind(), Kind::Unsupported, "{error}");
            continue;
        }
        check_pixels(&path, file);
        let bytes = fs::read(&path).unwrap();
        for kept in [bytes.len() * 9 / 10, bytes.len() / 2, 20] {
            let cut = folder.join("cut");
            fs::write(&cut, &bytes[..kept]).unwrap();
            let read = Raster::open(&cut, &ReadOptions::default()).and_then(|raster| read_all(&raster));
            assert!(read.is_err(), "{kept} of {} bytes of {} were read", bytes.len(), file.file);
        }
    }
}

#[test]
fn refused_compression_is_named() {
    let Some((folder, expected)) = written("special") else { return };
    for (what, name) in [("-jpeg.tif", "JPEG"), ("lerc", "LERC"), ("lzma", "LZMA"), ("ccitt", "bits")] {
        let file = expected.iter().find(|file| file.refuse && file.file.contains(what)).unwrap();
        let error = Raster::open(&folder.path().join(&file.file), &ReadOptions::default()).unwrap_err();
        assert_eq!(error.kind(), Kind::Unsupported);
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn geo_keys_nodata_and_band_metadata_are_what_gdal_finds() {
    let Some((folder, expected)) = written("geo") else { return };
    for file in &expected {
        let path = folder.path().join(&file.file);
        check_pixels(&path, file);
        let raster = Raster::open(&path, &ReadOptions::default()).unwrap();
        check_header(&raster, file);
        check_facts(&raster, file);
        if let Some(geo) = &raster.header().geo {
            check_places(geo, file);
        }
    }
}

#[test]
fn footprint_runs_counter_clockwise_from_the_upper_left() {
    let geo = Geo { epsg: Some(4326), transform: [10.0, 0.5, 0.0, 50.0, 0.0, -0.5] };
    let corners = geo.footprint(Window { x: 2, y: 4, width: 2, height: 6 });
    assert_eq!(corners, Some([(11.0, 48.0), (11.0, 45.0), (12.0, 45.0), (12.0, 48.0)]));
    let nowhere = Geo { epsg: Some(1), ..geo.clone() };
    assert_eq!(nowhere.longitude_latitude(0.0, 0.0), None, "an unknown reference system gives no place");
    assert_eq!(Geo { epsg: None, ..geo }.longitude_latitude(0.0, 0.0), None);
}

/// The files below `folder` of the shared data, or `None`, said aloud, without them.
fn shared(folder: &str) -> Option<Vec<PathBuf>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(folder);
    let root = env::var_os("S2INFER_DATA").map_or(root, |data| Path::new(&data).join(folder));
    if !root.exists() {
        skip_without_data(folder);
        return None;
    }
    let files = walkdir::WalkDir::new(root).sort_by_file_name().into_iter().flatten();
    Some(files.filter(|entry| entry.file_type().is_file()).map(|entry| entry.into_path()).collect())
}

#[test]
fn real_tiffs_whatever_their_names_read_as_gdal_reads_them() {
    let Some(python) = python() else { return skip_or_fail("Python with rasterio") };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/write_rasters.py");
    for (folder, at_least) in [("cog-and-jp2", 59), ("bigearthnet-s1-s2", 48)] {
        let Some(files) = shared(folder) else { continue };
        let tiffs: Vec<_> = files.into_iter().filter(|path| is_tiff(path)).collect();
        assert!(tiffs.len() >= at_least, "{folder}: {} TIFFs", tiffs.len());
        let output = Command::new(&python).arg(&script).arg("read").args(&tiffs).output().unwrap();
        let lines = String::from_utf8(output.stdout).unwrap();
        assert_eq!(lines.lines().count(), tiffs.len(), "{}", String::from_utf8_lossy(&output.stderr));
        for (line, path) in lines.lines().zip(&tiffs) {
            let file: Expected = serde_json::from_str(line).unwrap();
            if let Some(reason) = &file.unreadable {
                let read = Raster::open(path, &ReadOptions::default()).and_then(|raster| read_all(&raster));
                assert!(read.is_err(), "{} was read, but GDAL says: {reason}", path.display());
                continue;
            }
            check_pixels(path, &file);
            let raster = Raster::open(path, &ReadOptions::default()).unwrap();
            check_header(&raster, &file);
            check_facts(&raster, &file);
            if let Some(geo) = raster.header().geo.as_ref().filter(|geo| geo.epsg.is_some()) {
                check_places(geo, &file);
            }
        }
    }
}

/// By the file's own first bytes, so that none is passed over because it is refused here.
fn is_tiff(path: &Path) -> bool {
    let magic: &[&[u8]] = &[b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"];
    fs::read(path).is_ok_and(|bytes| magic.iter().any(|start| bytes.starts_with(start)))
}

/// The files of the mapped kind among the special ones, with their folder.
fn mapped() -> Option<(TempDir, Vec<Expected>)> {
    let (folder, expected) = written("special")?;
    Some((folder, expected.into_iter().filter(|file| file.file.contains("mapped")).collect()))
}

#[test]
fn tile_cut_short_on_disk_is_an_error_that_names_chunk_and_offset() {
    let Some((folder, expected)) = mapped() else { return };
    for file in &expected {
        let path = folder.path().join(&file.file);
        let length = fs::metadata(&path).unwrap().len();
        for kept in [length - 1, length / 2, 1 << 19] {
            fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(kept).unwrap();
            for mmap in [true, false] {
                let error = match Raster::open(&path, &ReadOptions { mmap, ..Default::default() }) {
                    // GDAL and the writer above put the directory first.
                    Err(error) => panic!("{error}"),
                    Ok(raster) => read_all(&raster).unwrap_err(),
                };
                assert_eq!(error.kind(), Kind::Malformed);
                let what = if file.file.contains("tiled") { "tile " } else { "strip " };
                let message = error.to_string();
                assert!(message.contains(what) && message.contains(" at offset "), "{message}");
            }
        }
    }
}

#[test]
fn tile_cut_short_while_mapped_fails_alone_and_the_process_lives() {
    let Some((folder, expected)) = mapped() else { return };
    let (whole_file, others) = expected.split_first().unwrap();
    let whole_raster = Raster::open(&folder.path().join(&whole_file.file), &ReadOptions::default()).unwrap();
    for (number, file) in others.iter().enumerate() {
        let path = folder.path().join(&file.file);
        for mmap in [true, false] {
            let copy = folder.path().join("copy.tif");
            fs::copy(&path, &copy).unwrap();
            let raster = Raster::open(&copy, &ReadOptions { mmap, ..Default::default() }).unwrap();
            let length = fs::metadata(&copy).unwrap().len();
            // One byte less is no fault for a map, since the page is still there; only the file's size tells.
            let kept = [0, 5000, length / 2, length - 1][number % 4];
            fs::OpenOptions::new().write(true).open(&copy).unwrap().set_len(kept).unwrap();
            let error = read_all(&raster).unwrap_err();
            assert_eq!(error.kind(), Kind::Io, "{error}");
            assert_eq!(raster.check_unchanged().unwrap_err().kind(), Kind::Io);
            assert_eq!(raster.content_key().unwrap_err().kind(), Kind::Io);
        }
    }
    assert_eq!(hex(&Sha256::digest(&read_all(&whole_raster).unwrap().bytes)), whole_file.sha256);
}

const BUS_FILE: &str = "S2INFER_TEST_BUS_FILE";

/// The child's work: map a raster, so that the guard is there, then get a `SIGBUS` that is not the map's.
#[test]
fn foreign_bus_error_in_this_process() {
    let Some(path) = env::var_os(BUS_FILE) else { return };
    let raster = Raster::open(Path::new(&path), &ReadOptions::default()).unwrap();
    read_all(&raster).unwrap();
    // Rust's own handler, which the guard hands the first one to, only restores the default and waits for the fault
    // to come again; a signal sent by a process has to be sent again.
    for _ in 0..2 {
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::BUS).unwrap();
        thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn bus_error_that_is_not_the_maps_still_ends_the_process() {
    let Some((folder, expected)) = mapped() else { return };
    let child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "foreign_bus_error_in_this_process"])
        .env(BUS_FILE, folder.path().join(&expected[0].file))
        .output()
        .unwrap();
    assert_eq!(child.status.signal(), Some(rustix::process::Signal::BUS.as_raw()));
}

#[test]
fn threads_share_one_raster_and_get_the_same_windows() {
    let Some((folder, expected)) = mapped() else { return };
    for file in &expected {
        let raster = Raster::open(&folder.path().join(&file.file), &ReadOptions::default()).unwrap();
        let all = read_all(&raster).unwrap();
        thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(|| check_windows(&raster, &all)))));
    }
}

#[test]
fn windows_and_bands_outside_the_raster_are_usage_errors() {
    let Some((folder, expected)) = mapped() else { return };
    let raster = Raster::open(&folder.path().join(&expected[0].file), &ReadOptions::default()).unwrap();
    let inside = Window { x: 1, y: 1, width: 2, height: 2 };
    let mut planes = Planes::new();
    let mut kind = |window, bands: &[usize]| raster.read(window, bands, &mut planes).map_err(|error| error.kind());
    assert_eq!(kind(inside, &[0, 3]), Ok(()));
    assert_eq!(kind(inside, &[4]), Err(Kind::Usage));
    assert_eq!(kind(inside, &[]), Err(Kind::Usage));
    assert_eq!(kind(Window { width: 0, ..inside }, &[0]), Err(Kind::Usage));
    assert_eq!(kind(Window { x: 610, ..inside }, &[0]), Err(Kind::Usage));
    assert_eq!(kind(Window { y: u32::MAX, ..inside }, &[0]), Err(Kind::Usage));
}

#[test]
fn content_hash_is_that_of_the_files_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let Some((rasters, expected)) = mapped() else { return };
    let path = rasters.path().join(&expected[0].file);
    let bytes = fs::read(&path).unwrap();
    for mmap in [true, false] {
        let raster = Raster::open(&path, &ReadOptions { mmap, ..Default::default() }).unwrap();
        assert_eq!(raster.content_key().unwrap().as_slice(), blake3::hash(&bytes).as_bytes());
        raster.check_unchanged().unwrap();
        // The same bytes under the same name, but another file.
        let other = folder.path().join("other");
        fs::write(&other, &bytes).unwrap();
        fs::rename(&other, &path).unwrap();
        assert_eq!(raster.check_unchanged().unwrap_err().kind(), Kind::Io);
    }
}

#[test]
fn what_is_not_a_raster_is_an_error_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("text.tif"), "not a raster\n").unwrap();
    fs::write(path("empty.tif"), "").unwrap();
    fs::write(path("short.tif"), b"II*\0").unwrap();
    std::os::unix::fs::symlink(path("loop.tif"), path("loop.tif")).unwrap();
    assert!(Command::new("mkfifo").arg(path("fifo.tif")).status().unwrap().success());
    let kind = |name: &str| {
        assert!(!looks_like_raster(&path(name)), "{name}");
        Raster::open(&path(name), &ReadOptions::default()).unwrap_err().kind()
    };
    assert_eq!(kind("text.tif"), Kind::Malformed);
    assert_eq!(kind("empty.tif"), Kind::Malformed);
    assert_eq!(kind("short.tif"), Kind::Malformed);
    assert_eq!(kind("loop.tif"), Kind::Io);
    assert_eq!(kind("fifo.tif"), Kind::Io);
    assert_eq!(kind("."), Kind::Io);
    assert_eq!(kind("missing.tif"), Kind::Io);
    assert_eq!(Raster::open(Path::new("/dev/zero"), &ReadOptions::default()).unwrap_err().kind(), Kind::Io);
}
