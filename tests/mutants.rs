//! Damaged rasters: an error or pixels of the promised shape, never a signal or a panic, in 1 GB of address space.

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use common::{python, skip_or_fail};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use s2infer::raster::{Planes, Raster, ReadOptions, Window};

const MUTANTS: u64 = 3000;
const ADDRESS_SPACE_BYTES: u64 = 1 << 30;
const SEEDS_FOLDER: &str = "S2INFER_MUTANT_SEEDS";
const FIRST_SEED: &str = "S2INFER_MUTANT_FIRST";

/// Reads everything there is to read; a raster that opens must give its shape or an error.
fn exercise(path: &Path) {
    let Ok(raster) = Raster::open(path, &ReadOptions::default()) else { return };
    let header = raster.header();
    let bands: Vec<usize> = (0..header.bands.len()).collect();
    let size = header.sample_type.size_bytes();
    let whole = Window { x: 0, y: 0, width: header.width, height: header.height };
    let (x, y) = (header.width / 2, header.height / 2);
    let part = Window { x, y, width: (header.width - x).min(64), height: (header.height - y).min(64) };
    let mut planes = Planes::new();
    for (window, bands) in [(whole, &bands[..]), (part, &bands[bands.len() - 1..])] {
        if raster.read(window, bands, &mut planes).is_ok() {
            let pixels = window.width as usize * window.height as usize;
            assert_eq!((planes.bands, planes.bytes.len()), (bands.len(), bands.len() * pixels * size));
        }
    }
    if let Some(geo) = &header.geo {
        for (longitude, latitude) in geo.footprint(whole).into_iter().flatten() {
            assert!(longitude.is_finite() && latitude.is_finite());
        }
    }
    if u64::from(header.width) * u64::from(header.height) < 1 << 24 {
        let _ = raster.band_facts();
    }
}

/// One to eight changes, mostly in the first 600 bytes, where the header of a small file lies.
fn mutate(bytes: &mut Vec<u8>, random: &mut StdRng) {
    for _ in 0..random.random_range(1..=8) {
        let length = bytes.len();
        if length == 0 {
            return;
        }
        let near = if random.random_bool(0.7) { length.min(600) } else { length };
        let at = random.random_range(0..near);
        match random.random_range(0..7) {
            0 => bytes[at] ^= 1 << random.random_range(0..8),
            1 => bytes[at] = random.random(),
            2 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][random.random_range(0..5)],
            3 => bytes.truncate(at),
            4 => bytes[at..].iter_mut().take(4).for_each(|byte| *byte = 0xff),
            5 => bytes.insert(at, random.random()),
            _ => {
                let from = random.random_range(0..length);
                let piece: Vec<u8> = bytes[from..].iter().take(12).copied().collect();
                bytes[at..].iter_mut().zip(piece).for_each(|(byte, copied)| *byte = copied);
            }
        }
    }
}

/// The child's work: all mutants of the files in the folder, one after the other.
#[test]
fn mutants_in_this_process() {
    let (Some(folder), Some(first)) = (env::var_os(SEEDS_FOLDER), env::var(FIRST_SEED).ok()) else { return };
    let limit = rustix::process::Rlimit { current: Some(ADDRESS_SPACE_BYTES), maximum: Some(ADDRESS_SPACE_BYTES) };
    rustix::process::setrlimit(rustix::process::Resource::As, limit).unwrap();
    let mut seeds: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    seeds.sort();
    let first: u64 = first.parse().unwrap();
    for number in first..first + MUTANTS {
        let mut random = StdRng::seed_from_u64(number);
        let seed = &seeds[number as usize % seeds.len()];
        let mut bytes = fs::read(seed).unwrap();
        mutate(&mut bytes, &mut random);
        // What kills the process stays behind for the parent to name.
        let path = env::temp_dir().join(format!("s2infer-mutant-{}", std::process::id()));
        fs::write(&path, &bytes).unwrap();
        println!("mutant {number} of {}", seed.display());
        exercise(&path);
        fs::remove_file(&path).unwrap();
    }
    println!("all mutants done");
}

#[test]
fn three_thousand_mutants_end_in_an_error_or_in_pixels() {
    let Some(python) = python() else { return skip_or_fail("Python with tifffile and rasterio") };
    let folder = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/write_rasters.py");
    let written = Command::new(python).arg(script).arg("seeds").arg(folder.path()).output().unwrap();
    assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
    fs::remove_file(folder.path().join("manifest.jsonl")).unwrap();
    assert!(fs::read_dir(folder.path()).unwrap().count() > 30);
    let child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "mutants_in_this_process", "--nocapture", "--test-threads=1"])
        .env(SEEDS_FOLDER, folder.path())
        .env(FIRST_SEED, env::var(FIRST_SEED).unwrap_or_else(|_| "0".into()))
        .env("TMPDIR", folder.path().parent().unwrap())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    let last = said.lines().rev().take(3).collect::<Vec<_>>().join("\n");
    assert!(child.status.success(), "{}: {last}\n{}", child.status, String::from_utf8_lossy(&child.stderr));
    assert!(said.contains("all mutants done"));
}

/// Files that once went wrong, and hand-made ones of the same kind; the name says what each must not do.
#[test]
fn kept_fixtures_stay_harmless() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/rasters");
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        exercise(&entry.unwrap().path());
        count += 1;
    }
    assert!(count > 0);
}
