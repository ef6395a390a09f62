//! Land-cover shares: simulated tiles in the layout of the Preligens challenge, and the shipped model on them.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use s2infer::raster::{Planes, Raster, ReadOptions, Window};

const HEADER: &str =
    "sample_id,no_data,clouds,artificial,cultivated,broadleaf,coniferous,herbaceous,natural,snow,water";

type Row = BTreeMap<String, String>;

fn s2infer(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_s2infer"));
    command.current_dir(folder).args(arguments);
    if let Some(library) = common::ort_library() {
        command.env("ORT_DYLIB_PATH", library);
    }
    command.output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn succeed(output: &Output) -> String {
    assert!(output.status.success(), "{:?}: {}", output.status, said(output));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn rows(text: &str) -> Vec<Row> {
    csv::Reader::from_reader(text.as_bytes()).deserialize().collect::<Result<_, _>>().unwrap()
}

fn simulate(folder: &Path, name: &str, threads: &str) -> PathBuf {
    let out = folder.join(name);
    let mut command = Command::new(env!("CARGO_BIN_EXE_s2infer"));
    command.args(["simulate", "--task", "landcover", "--tiles", "40", "--seed", "5", "--quiet", "--out"]).arg(&out);
    succeed(&command.env("RAYON_NUM_THREADS", threads).output().unwrap());
    out
}

/// Every file below a folder, by its relative path.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = walkdir::WalkDir::new(folder).into_iter().map(Result::unwrap).filter(|e| e.file_type().is_file());
    entries.map(|e| (e.path().strip_prefix(folder).unwrap().to_owned(), std::fs::read(e.path()).unwrap())).collect()
}

fn mask(path: &Path) -> Vec<u8> {
    let raster = Raster::open(path, &ReadOptions::default()).unwrap();
    let mut planes = Planes::new();
    raster.read(Window { x: 0, y: 0, width: 256, height: 256 }, &[0], &mut planes).unwrap();
    planes.bytes
}

#[test]
fn simulated_land_has_the_challenge_s_layout_and_says_what_is_true() {
    let folder = tempfile::tempdir().unwrap();
    let out = simulate(folder.path(), "one", "1");
    let found = files(&out);
    assert_eq!(found, files(&simulate(folder.path(), "two", "2")), "the same bytes on any number of threads");
    let manifest = rows(std::str::from_utf8(&found[Path::new("manifest.csv")]).unwrap());
    assert_eq!(manifest.len(), 40);
    let mut parts = BTreeMap::<&str, BTreeSet<&str>>::new();
    for row in &manifest {
        let (image, mask) = (Path::new(&row["path"]), Path::new(&row["mask"]));
        assert!(found.contains_key(image) && found.contains_key(mask) && image.file_name() == mask.file_name());
        assert!(image.file_stem().unwrap().to_str().unwrap().parse::<u32>().is_ok());
        parts.entry(&row["region"]).or_default().insert(&row["split"]);
    }
    assert!(parts.values().all(|parts| parts.len() == 1), "no region is in two parts: {parts:?}");
    let mut seen = [0u64; 10];
    for part in ["train", "test"] {
        let text = std::str::from_utf8(&found[Path::new(&format!("{part}_labels.csv"))]).unwrap();
        assert!(text.starts_with(&format!("{HEADER}\n")), "{text}");
        for row in rows(text) {
            let classes = mask(&out.join(format!("{part}/masks/{}.tif", row["sample_id"])));
            for (class, name) in HEADER.split(',').skip(1).enumerate() {
                let pixels = classes.iter().filter(|of| usize::from(**of) == class).count();
                assert!((row[name].parse::<f64>().unwrap() - pixels as f64 / 65536.0).abs() < 1e-9, "{name}");
                seen[class] += pixels as u64;
            }
        }
    }
    assert!(seen[0] == 0 && [2, 3, 4, 5, 6, 7, 9].iter().all(|class| seen[*class] > 1000), "{seen:?}");
    let refused = s2infer(folder.path(), &["simulate", "--task", "landcover", "--out", "x", "--lookalikes", "1"]);
    assert!(refused.status.code() == Some(2) && said(&refused).contains("--lookalikes is for --task coast"));
    let refused = s2infer(folder.path(), &["simulate", "--task", "landcover", "--out", "x", "--tiles", "3"]);
    assert!(refused.status.code() == Some(2) && said(&refused).contains("--tiles 3: give 30 to 100000"));
}

/// The examples of the shipped model: a folder in the challenge's layout.
fn examples() -> (String, PathBuf, Vec<String>) {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/landcover");
    let folder = model.join("examples");
    let mut tiles: Vec<String> = std::fs::read_dir(folder.join("test/images"))
        .unwrap()
        .map(|entry| entry.unwrap().path().to_str().unwrap().to_owned())
        .collect();
    tiles.sort();
    (model.to_str().unwrap().to_owned(), folder, tiles)
}

/// Shares in millionths, so that they can be added up and compared exactly.
fn shares(text: &str) -> Vec<(String, Vec<i64>)> {
    assert!(text.starts_with(&format!("{HEADER}\n")), "{text}");
    let millionths = |cell: &str| (cell.parse::<f64>().unwrap() * 1e6).round() as i64;
    let records = csv::Reader::from_reader(text.as_bytes()).into_records().map(Result::unwrap);
    records.map(|record| (record[0].to_owned(), record.iter().skip(1).map(millionths).collect())).collect()
}

#[test]
fn shares_are_the_challenge_s_and_alike_on_both_engines_with_all_augmentations_and_threads() {
    let (model, _, tiles) = examples();
    let run = |tiles: &[String], options: &[&str]| {
        let tiles = tiles.iter().map(String::as_str);
        let arguments: Vec<&str> =
            tiles.chain(["--model", &model, "--format", "distribution"]).chain(options.iter().copied()).collect();
        succeed(&s2infer(Path::new("."), &arguments))
    };
    for (tta, tiles) in [("none", &tiles[..2]), ("flips", &tiles[2..])] {
        let found = shares(&run(tiles, &["--engine", "tract", "--threads", "2", "--tta", tta]));
        let ids: Vec<&str> = tiles.iter().map(|tile| Path::new(tile).file_stem().unwrap().to_str().unwrap()).collect();
        assert_eq!(found.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ids);
        for (id, shares) in &found {
            assert_eq!(shares.iter().sum::<i64>(), 1_000_000, "{id}");
            assert!(shares[..2] == [0, 0] && shares[2..].iter().all(|share| *share >= 99), "{id}: {shares:?}");
        }
        if common::ort_library().is_none() {
            common::skip_or_fail("the ONNX Runtime library");
            continue;
        }
        let [one, two] = ["1", "2"].map(|threads| run(tiles, &["--engine", "ort", "--threads", threads, "--tta", tta]));
        assert_eq!(one, two, "threads change nothing");
        for ((id, tract), (_, ort)) in found.iter().zip(&shares(&one)) {
            let furthest = tract.iter().zip(ort).map(|(a, b)| (a - b).abs()).max().unwrap();
            assert!(furthest <= 2, "{id}: {tract:?} {ort:?}");
        }
    }
}

#[test]
fn distributions_go_to_a_file_beside_the_table_or_in_its_place() {
    let (model, _, tiles) = examples();
    let folder = tempfile::tempdir().unwrap();
    let run = |options: &[&str]| s2infer(folder.path(), &[&[&*tiles[0], "--model", &model], options].concat());
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    let text = succeed(&run(&["--format", "distribution"]));
    assert!(succeed(&run(&["--distributions", "beside.csv"])).starts_with("tile,"), "the table stays");
    assert_eq!(read("beside.csv"), text);
    assert_eq!(succeed(&run(&["--format", "distribution", "--distributions", "only.csv"])), "");
    assert_eq!(succeed(&run(&["--format", "distribution", "-o", "in-its-place.csv"])), "");
    assert_eq!((read("only.csv"), read("in-its-place.csv")), (text.clone(), text));
    for (options, word) in [
        (&["--format", "distribution", "-o", "a.csv", "--distributions", "b.csv"][..], "leave out --output and"),
        (&["--format", "distribution", "-o", "a.csv", "--resume"], "leave out --resume"),
        (&["--format", "distribution", "--model", "construction"], "--format distribution is for segmentation models"),
    ] {
        let output = s2infer(folder.path(), &[&[&*tiles[0]], options].concat());
        let output = if options.contains(&"--model") { output } else { run(options) };
        assert!(output.status.code() == Some(2) && said(&output).contains(word), "{options:?}: {}", said(&output));
    }
    std::fs::copy(&tiles[0], folder.path().join(Path::new(&tiles[0]).file_name().unwrap())).unwrap();
    let twice = s2infer(folder.path(), &[&tiles[0], ".", "--model", &model, "--format", "distribution"]);
    assert!(twice.status.code() == Some(2) && said(&twice).contains("both have the sample_id"), "{}", said(&twice));
}

#[test]
fn tiles_that_are_none_have_no_row_of_zeros() {
    let (model, _, tiles) = examples();
    let Some(python) = common::python() else { return common::skip_or_fail("Python with tifffile") };
    let folder = tempfile::tempdir().unwrap();
    let script = r#"
import numpy, sys, tifffile
image = tifffile.imread(sys.argv[1])
write = lambda name, data: tifffile.imwrite(sys.argv[2] + "/" + name, data, photometric="minisblack", planarconfig="contig")
write("narrow.tif", image[:, :255])
write("empty.tif", numpy.zeros_like(image))
write("nan.tif", numpy.full(image.shape, numpy.nan, "float32"))
write("three.tif", image[:, :, :3])
"#;
    let made = Command::new(python).args(["-c", script, &tiles[0]]).arg(folder.path()).output().unwrap();
    assert!(made.status.success(), "{}", said(&made));
    let run = |tile: &str| s2infer(folder.path(), &[tile, "--model", &model, "--format", "distribution"]);
    for (tile, word) in [("narrow.tif", "255×256"), ("three.tif", "3 bands")] {
        let output = run(tile);
        let said = said(&output);
        assert!(output.status.code() == Some(1) && said.contains(word), "{said}");
        assert!(said.lines().count() == 1 && output.stdout == format!("{HEADER}\n").as_bytes(), "{said}");
    }
    for tile in ["empty.tif", "nan.tif"] {
        let output = run(tile);
        let cells = format!("{HEADER}\n{},,,,,,,,,,\n", tile.trim_end_matches(".tif"));
        assert_eq!(succeed(&output), cells);
        assert!(said(&output).contains("class shares stay empty: 1; the first is"), "{}", said(&output));
    }
}

#[test]
fn a_folder_of_the_challenge_is_measured_as_it_is() {
    let (model, examples, tiles) = examples();
    let folder = tempfile::tempdir().unwrap();
    let evaluate = |manifest: &str, options: &[&str]| {
        let arguments =
            ["evaluate", "--manifest", manifest, "--model", &model, "--out", "report", "--resamples", "100"];
        s2infer(folder.path(), &[&arguments[..], options].concat())
    };
    let given = examples.to_str().unwrap();
    let output = evaluate(given, &["--require", "kl<=0.6", "--require", "kl_repository<=0.6"]);
    let text = succeed(&output);
    assert!(text.starts_with("KL 0.") && text.contains("the mean of the"), "{text}");
    let report = std::fs::read(folder.path().join("report/report.json")).unwrap();
    let report: serde_json::Value = serde_json::from_slice(&report).unwrap();

    // The challenge's own formula on what the run wrote and what the masks say.
    let written = std::fs::read_to_string(folder.path().join("report/maps-candidate/distributions.csv")).unwrap();
    let given: Vec<(String, Vec<f64>)> = csv::Reader::from_reader(written.as_bytes())
        .into_records()
        .map(Result::unwrap)
        .map(|record| (record[0].to_owned(), record.iter().skip(3).map(|cell| cell.parse().unwrap()).collect()))
        .collect();
    assert!(!given.is_empty() && given.len() <= tiles.len());
    for (epsilon, figure) in [(1e-8, "mean_kl"), (1e-7, "mean_kl_repository")] {
        let of = |(tile, given): &(String, Vec<f64>)| {
            let classes = mask(Path::new(&tile.replace("/images/", "/masks/")));
            let pixels = |class: usize| classes.iter().filter(|of| usize::from(**of) == class).count() as f64;
            let all: f64 = (2..10).map(pixels).sum();
            let term = |(index, given): (usize, &f64)| {
                let (y, given) = (pixels(index + 2) / all + epsilon, given + epsilon);
                y * (y / given).ln()
            };
            given.iter().enumerate().map(term).sum::<f64>()
        };
        let expected = given.iter().map(of).sum::<f64>() / given.len() as f64;
        let found = report["candidate"][figure]["estimate"].as_f64().unwrap();
        assert!((found - expected).abs() < 1e-12, "{figure}: {found} {expected}");
    }

    // A copy with a mask too few, and one with a class that there is not.
    let copy = folder.path().join("copy");
    for part in ["images", "masks"] {
        std::fs::create_dir_all(copy.join("test").join(part)).unwrap();
        for entry in std::fs::read_dir(examples.join("test").join(part)).unwrap().map(Result::unwrap) {
            std::fs::copy(entry.path(), copy.join("test").join(part).join(entry.file_name())).unwrap();
        }
    }
    let name = Path::new(&tiles[0]).file_name().unwrap();
    let lone = copy.join("test/masks").join(name);
    let mut encoder = tiff::encoder::TiffEncoder::new(std::fs::File::create(&lone).unwrap()).unwrap();
    encoder.write_image::<tiff::encoder::colortype::Gray8>(256, 256, &[10; 65536]).unwrap();
    for (word, split) in [("a pixel has the class 10; the model's are 0 to 9", "measurement"), ("no mask of", "train")]
    {
        let output = evaluate("copy", &["--split", split]);
        let said = said(&output);
        assert!(output.status.code() == Some(2) && said.contains(word) && said.lines().count() == 1, "{said}");
        std::fs::remove_file(&lone).ok();
    }
}
