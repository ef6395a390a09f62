//! JPEG 2000 written and read by other programs, read here.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{python, skip_or_fail, skip_without_data};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use s2infer::raster::{Format, Planes, Raster, ReadOptions, SampleType, Window, looks_like_raster};
use s2infer::{Error, Kind};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// A line of `write_jp2.py`: what GDAL finds in a file.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Expected {
    file: String,
    refuse: bool,
    dtype: String,
    bands: usize,
    width: u32,
    height: u32,
    epsg: Option<u32>,
    transform: Option<[f64; 6]>,
    windows: Vec<(u32, u32, u32, u32, String)>,
}

fn options() -> ReadOptions {
    ReadOptions { decoder: Some(env!("CARGO_BIN_EXE_s2infer").into()), ..Default::default() }
}

fn open(path: &Path) -> Result<Raster, Error> {
    Raster::open(path, &options())
}

fn whole(raster: &Raster) -> Window {
    Window { x: 0, y: 0, width: raster.header().width, height: raster.header().height }
}

fn read(raster: &Raster, window: Window) -> Result<Planes, Error> {
    let mut planes = Planes::new();
    let bands: Vec<usize> = (0..raster.header().bands.len()).collect();
    raster.read(window, &bands, &mut planes).map(|()| planes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Runs `write_jp2.py`; its lines, or `None`, said aloud, without Python.
fn script(arguments: &[&Path]) -> Option<String> {
    let Some(python) = python() else {
        skip_or_fail("Python with rasterio");
        return None;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/write_jp2.py");
    let output = Command::new(python).arg(script).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

fn parse(lines: &str) -> Vec<Expected> {
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn check(path: &Path, expected: &Expected) {
    let name = path.display();
    let raster = open(path).unwrap_or_else(|error| panic!("{error}"));
    let header = raster.header();
    assert_eq!(header.format, Format::Jpeg2000);
    assert_eq!((header.width, header.height), (expected.width, expected.height), "{name}");
    assert_eq!((header.bands.len(), header.sample_type.name()), (expected.bands, &*expected.dtype), "{name}");
    assert_eq!(header.geo.as_ref().and_then(|geo| geo.epsg), expected.epsg, "{name}");
    let transform = header.geo.as_ref().map(|geo| geo.transform);
    assert_eq!(transform.is_some(), expected.transform.is_some(), "{name}");
    for (ours, gdal) in transform.iter().flatten().zip(expected.transform.iter().flatten()) {
        assert!((ours - gdal).abs() <= 1e-12 * gdal.abs().max(1e-3), "{name}: {transform:?}, {:?}", expected.transform);
    }
    for &(x, y, width, height, ref told) in &expected.windows {
        let window = Window { x, y, width, height };
        let planes = read(&raster, window).unwrap_or_else(|error| panic!("{error}"));
        match told.len() {
            64 => assert_eq!(&hex(&Sha256::digest(&planes.bytes)), told, "{name}: other pixels in {window:?}"),
            _ => check_nearly_equal(&planes, told, &format!("{name}: {window:?}")),
        }
    }
    raster.check_unchanged().unwrap();
}

/// Irreversibly coded: the same samples but for the last bit of one in a thousand.
fn check_nearly_equal(planes: &Planes, told: &str, what: &str) {
    let gdal: Vec<u8> =
        (0..told.len()).step_by(2).map(|at| u8::from_str_radix(&told[at..at + 2], 16).unwrap()).collect();
    assert_eq!(gdal.len(), planes.bytes.len(), "{what}");
    let size = planes.sample_type.size_bytes();
    let sample = |bytes: &[u8]| match planes.sample_type {
        SampleType::U8 => i32::from(bytes[0]),
        SampleType::I16 => i32::from(i16::from_le_bytes([bytes[0], bytes[1]])),
        _ => i32::from(u16::from_le_bytes([bytes[0], bytes[1]])),
    };
    let pairs = planes.bytes.chunks_exact(size).zip(gdal.chunks_exact(size));
    let differences: Vec<i32> = pairs.map(|(ours, theirs)| (sample(ours) - sample(theirs)).abs()).collect();
    assert!(differences.iter().all(|&difference| difference <= 1), "{what}: other pixels");
    let differing = differences.iter().filter(|&&difference| difference > 0).count();
    assert!(differing <= 1 + differences.len() / 1000, "{what}: {differing} other pixels");
}

fn is_jp2(path: &Path) -> bool {
    fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"\0\0\0\x0cjP  ") || bytes.starts_with(b"\xff\x4f\xff\x51"))
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let files = walkdir::WalkDir::new(folder).sort_by_file_name().into_iter().flatten();
    files.filter(|entry| entry.file_type().is_file()).map(|entry| entry.into_path()).collect()
}

/// The JPEG 2000 files below `folder` of the shared data, or `None`, said aloud, without them.
fn shared(folder: &str) -> Option<Vec<PathBuf>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let root = std::env::var_os("S2INFER_DATA").map_or(root, PathBuf::from).join(folder);
    if !root.exists() {
        skip_without_data(folder);
        return None;
    }
    Some(files_in(&root).into_iter().filter(|path| is_jp2(path)).collect())
}

#[test]
fn real_files_read_as_gdal_reads_them() {
    for (folder, count) in [("cog-and-jp2", 25), ("sentinel2-safe-l2a", 50)] {
        let Some(files) = shared(folder) else { continue };
        assert_eq!(files.len(), count, "{folder}");
        let arguments: Vec<&Path> = [Path::new("read")].into_iter().chain(files.iter().map(PathBuf::as_path)).collect();
        let Some(lines) = script(&arguments) else { return };
        let expected = parse(&lines);
        assert_eq!(expected.len(), count);
        for (path, expected) in files.iter().zip(&expected) {
            assert!(looks_like_raster(path));
            check(path, expected);
        }
    }
}

fn written() -> Option<(TempDir, Vec<Expected>)> {
    let folder = tempfile::tempdir().unwrap();
    script(&[Path::new("matrix"), folder.path()])?;
    let expected = parse(&fs::read_to_string(folder.path().join("manifest.jsonl")).unwrap());
    assert!(expected.len() > 100);
    Some((folder, expected))
}

#[test]
fn written_files_read_as_gdal_reads_them() {
    let Some((folder, expected)) = written() else { return };
    for file in expected {
        let path = folder.path().join(&file.file);
        if file.refuse {
            let error = open(&path).unwrap_err();
            assert_eq!(error.kind(), Kind::Unsupported, "{error}");
            assert!(error.to_string().starts_with(&path.display().to_string()), "{error}");
        } else {
            check(&path, &file);
        }
    }
}

/// A small tiled image of the matrix, as bytes.
fn sample(name: &str) -> Option<Vec<u8>> {
    let (folder, _) = written()?;
    Some(fs::read(folder.path().join(name)).unwrap())
}

/// The whole image, from bytes that are written to a file first.
fn read_bytes(folder: &Path, bytes: &[u8]) -> Result<Planes, Error> {
    let path = folder.join("sample.jp2");
    fs::write(&path, bytes).unwrap();
    let raster = open(&path)?;
    let all = read(&raster, whole(&raster))?;
    let header = raster.header();
    let samples = header.bands.len() * header.width as usize * header.height as usize;
    assert_eq!(all.bytes.len(), samples * header.sample_type.size_bytes());
    Ok(all)
}

#[test]
fn file_cut_short_anywhere_is_an_error() {
    let Some(bytes) = sample("RPCL-R.jp2") else { return };
    let folder = tempfile::tempdir().unwrap();
    assert!(read_bytes(folder.path(), &bytes).is_ok());
    let lengths = (0..bytes.len()).step_by(bytes.len() / 150).chain(bytes.len() - 20..bytes.len());
    for length in lengths {
        let error = read_bytes(folder.path(), &bytes[..length]).expect_err("cut short");
        assert!(matches!(error.kind(), Kind::Malformed), "{length} bytes: {error}");
    }
}

#[test]
fn damaged_file_gives_an_error_or_pixels_of_the_promised_shape() {
    let Some((written, _)) = written() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (mut errors, mut read) = (0, 0);
    for name in ["RPCL-R.jp2", "bare.j2k", "int16-2-37x53-lossy.jp2", "epsg-32629-gml-YES-tiff-YES.jp2", "markers.jp2"]
    {
        let bytes = fs::read(written.path().join(name)).unwrap();
        let mut random = StdRng::seed_from_u64(bytes.len() as u64);
        for _ in 0..120 {
            let mut mutant = bytes.clone();
            for _ in 0..random.random_range(1..=6) {
                // Half of them where the headers are.
                let near = if random.random_bool(0.5) { bytes.len().min(400) } else { bytes.len() };
                mutant[random.random_range(0..near)] = random.random();
            }
            match read_bytes(folder.path(), &mutant) {
                Ok(_) => read += 1,
                Err(_) => errors += 1,
            }
        }
    }
    assert!(errors > 100 && read > 20, "{errors} errors and {read} images: the mutants are of one kind only");
}

/// The numbers of SIZ, changed.
fn with_size(bytes: &[u8], changes: &[(usize, u32)]) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    let siz = bytes.windows(4).position(|four| four == [0xff, 0x4f, 0xff, 0x51]).unwrap() + 2;
    for &(index, number) in changes {
        changed[siz + 6 + 4 * index..][..4].copy_from_slice(&number.to_be_bytes());
    }
    changed
}

#[test]
fn header_that_promises_too_much_is_refused_before_anything_is_allocated() {
    let Some(bytes) = sample("uint16-1-37x53-whole.jp2") else { return };
    let folder = tempfile::tempdir().unwrap();
    for (changes, message) in [
        (&[(0, 1 << 31), (1, 1 << 31), (4, 1 << 31), (5, 1 << 31)][..], "sides of at most"),
        (&[(0, u32::MAX), (4, u32::MAX)], "sides of at most"),
        (&[(0, 1 << 20), (1, 1 << 20), (4, 1), (5, 1)], "JPEG 2000 tiles; at most 65535"),
        (&[(0, 10_980), (1, 10_980), (4, 1024), (5, 1024)], "are missing"),
        (&[(4, 0)], "do not begin where the image does"),
        (&[(0, 0)], "without pixels"),
        (&[(6, 5)], "do not begin where the image does"),
    ] {
        let error = read_bytes(folder.path(), &with_size(&bytes, changes)).unwrap_err();
        assert!(error.to_string().contains(message), "{error}");
    }
}

#[test]
fn decoder_refuses_to_grow_beyond_its_limit_and_lives_on() {
    let Some(bytes) = sample("uint16-1-37x53-whole.jp2") else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("huge.jp2");
    // One tile of 2^40 pixels, of which 100 are asked for.
    let side = 1 << 20;
    fs::write(&path, with_size(&bytes, &[(0, side), (1, side), (4, side), (5, side)])).unwrap();
    let raster = open(&path).unwrap();
    let error = read(&raster, Window { x: 5, y: 5, width: 10, height: 10 }).unwrap_err();
    assert!(error.to_string().starts_with(&path.display().to_string()), "{error}");
    fs::write(&path, &bytes).unwrap();
    let raster = open(&path).unwrap();
    assert!(read(&raster, whole(&raster)).is_ok());
}
