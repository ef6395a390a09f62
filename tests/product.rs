//! Sentinel-2 products: read at the right pixels and the right radiometry, or refused in one line.

#[path = "common/mod.rs"]
mod common;
#[path = "common/model_folders.rs"]
mod model_folders;
#[path = "common/place.rs"]
mod place;
#[path = "common/tiles.rs"]
mod tiles;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::{python, skip_or_fail, skip_without_data};
use model_folders::{encode, linear_graph, manifest, write_folder};
use place::{Place, succeed, text};
use s2infer::model::Manifest;
use s2infer::model::manifest::Band;
use s2infer::raster::{Planes, ReadOptions, SampleType, Window};
use s2infer::scene::{Scene, SceneOptions};
use serde_json::Value;

const SAFE: &str = "S2A_MSIL2A_20221005T115411_N0400_R023_T29UNU_20221005T164454.SAFE";

fn data(path: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(path);
    if path.exists() {
        return path.canonicalize().ok();
    }
    skip_without_data(&path.display().to_string());
    None
}

fn real_safe() -> Option<PathBuf> {
    data(&format!("sentinel2-safe-l2a/{SAFE}"))
}

fn band_file(safe: &Path, name: &str) -> PathBuf {
    let granule = safe.join("GRANULE/L2A_T29UNU_A038058_20221005T115407/IMG_DATA");
    granule.join(format!("T29UNU_20221005T115411_{name}.jp2").replace("T29UNU", &format!("R{}/T29UNU", metres(name))))
}

fn metres(name: &str) -> &str {
    name.rsplit_once('_').map_or("60m", |(_, metres)| metres)
}

/// What a script prints; nothing where there is no Python.
fn check(arguments: &[&str]) -> Option<String> {
    let Some(python) = python() else {
        skip_or_fail("Python, which these files are compared with");
        return None;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check_products.py");
    let output = Command::new(python).arg(script).args(arguments).output().unwrap();
    Some(succeed(&output))
}

fn model_of(bands: &[&str]) -> Manifest {
    let manifest = manifest();
    let band = |name: &&str| Band { name: (*name).into(), ..manifest.bands[0].clone() };
    Manifest { bands: bands.iter().map(band).collect(), ..manifest }
}

fn options(resolution_m: Option<u32>) -> SceneOptions {
    let decoder = Some(env!("CARGO_BIN_EXE_s2infer").into());
    SceneOptions { resolution_m, read: ReadOptions { decoder, ..ReadOptions::default() }, ..SceneOptions::default() }
}

/// Reflectance of every band of a scene, band by band, row by row; NaN where any band has no data.
fn reflectance(scene: &Scene) -> Vec<f32> {
    let extent = scene.extent();
    let mut planes = Planes::new();
    let mut values = Vec::new();
    let pixels = extent.width as usize * extent.height as usize;
    scene.image.read(extent, &scene.bands.indices, &mut planes).unwrap();
    for (index, radiometry) in scene.radiometry.bands.iter().enumerate() {
        let samples: Vec<f64> = match planes.sample_type {
            SampleType::U16 => {
                planes.band(index).as_chunks::<2>().0.iter().map(|&bytes| u16::from_le_bytes(bytes).into()).collect()
            }
            SampleType::F32 => {
                planes.band(index).as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes).into()).collect()
            }
            other => panic!("{other:?}"),
        };
        values.extend(samples.iter().map(|dn| match scene.radiometry.nodata.contains(dn) {
            true => f32::NAN,
            false => ((dn + radiometry.dn_offset) * radiometry.dn_scale) as f32,
        }));
    }
    for pixel in 0..pixels {
        if (0..scene.radiometry.bands.len()).any(|band| values[band * pixels + pixel].is_nan()) {
            (0..scene.radiometry.bands.len()).for_each(|band| values[band * pixels + pixel] = f32::NAN);
        }
    }
    values
}

fn read_f32(path: &Path) -> Vec<f32> {
    std::fs::read(path).unwrap().as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()
}

/// Asserts that two lists are NaN at the same places and close everywhere else.
fn assert_close(ours: &[f32], theirs: &[f32], tolerance: f32) {
    assert_eq!(ours.len(), theirs.len());
    assert!(theirs.iter().any(|value| value.is_finite()), "nothing to compare");
    for (index, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
        let is_close = (ours.is_nan() && theirs.is_nan()) || (ours - theirs).abs() <= tolerance;
        assert!(is_close, "value {index}: {ours} against {theirs}");
    }
}

#[test]
fn the_real_product_at_60_m_has_the_reflectance_that_gdal_reads() {
    let Some(safe) = real_safe() else { return };
    let place = Place::new();
    let bands = ["B01", "B02", "B04", "B8A", "B09", "B12"];
    let scene = Scene::open(&safe, &model_of(&bands), &options(Some(60))).unwrap();
    assert_eq!((scene.extent().width, scene.extent().height), (1830, 1830));
    assert_eq!(scene.radiometry.source, "metadata");
    assert!(scene.radiometry.bands.iter().all(|band| (band.dn_offset, band.dn_scale) == (-1000.0, 1e-4)));
    assert_eq!(scene.date.unwrap().to_string(), "2022-10-05");
    assert!((scene.sun_elevation_deg.unwrap() - (90.0 - 57.820574357679)).abs() < 1e-9);
    let out = place.path("expected.f32");
    let files: Vec<String> =
        bands.iter().map(|band| band_file(&safe, &format!("{band}_60m")).display().to_string()).collect();
    let mut arguments = vec!["reflectance", out.to_str().unwrap(), "-1000"];
    arguments.extend(files.iter().map(String::as_str));
    let Some(_) = check(&arguments) else { return };
    assert_close(&reflectance(&scene), &read_f32(&out), 1e-6);
}

#[test]
fn shares_of_the_scene_classification_are_those_of_the_metadata() {
    let Some(safe) = real_safe() else { return };
    let place = Place::new();
    let facts = succeed(&place.run_subcommand(&["inspect", safe.to_str().unwrap(), "--format", "json"]));
    let facts: Value = serde_json::from_str(&facts).unwrap();
    let shares = &facts["scene_classification_percent"];
    // Image_Content_QI of the product's own metadata.
    for (class, stated) in [
        ("no_data", 40.419397),
        ("cloud_shadow", 10.305484),
        ("vegetation", 26.068041),
        ("not_vegetated", 0.999223),
        ("water", 2.039587),
        ("unclassified", 0.817301),
        ("cloud_medium_probability", 37.895766),
        ("cloud_high_probability", 10.598791),
        ("thin_cirrus", 11.275166),
    ] {
        let share = shares[class].as_f64().unwrap();
        assert!((share - stated).abs() < 0.1, "{class}: {share} against {stated}");
    }
    assert_eq!((facts["baseline"].as_str(), facts["level"].as_str()), (Some("04.00"), Some("L2A")));
}

/// A model of B04, B03, B02 and B8A for windows of 64 px, so that it runs on the 60 m bands.
fn sixty_metre_model(place: &Place) -> Manifest {
    let manifest = model_of(&["B04", "B03", "B02", "B8A"]);
    write_folder(&place.path("model"), &manifest, &encode(linear_graph())).unwrap();
    manifest
}

#[test]
fn windows_abstain_where_the_classification_says_cloud() {
    let Some(safe) = real_safe() else { return };
    let place = Place::new();
    let manifest = sixty_metre_model(&place);
    let output = place.run(&[safe.to_str().unwrap(), "--resolution", "60", "--threshold", "0.5", "--format", "ndjson"]);
    let rows: Vec<Value> = succeed(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let scl = band_file(&safe, "SCL_20m");
    let side = manifest.tile_px.to_string();
    let Some(expected) = check(&["clouds", scl.to_str().unwrap(), &side, "3"]) else { return };
    let expected: Vec<&str> = expected.lines().collect();
    assert_eq!(rows.len(), expected.len());
    for (row, expected) in rows.iter().zip(expected) {
        // Without data the product's own 59.8 % stands, and the window abstains for want of pixels.
        let percent: f64 = expected.parse().unwrap_or(59.769726);
        assert_eq!(row["cloud_cover_percent"].to_string(), format!("{percent:.1}"), "{row}");
        assert_eq!(row["sun_elevation_deg"].to_string(), "32.2", "{row}");
        assert_eq!(row["cloud_source"] == "scl", expected != "none", "{row}");
    }
}

#[test]
fn an_overcast_window_is_no_decision_under_a_profile() {
    let Some(safe) = real_safe() else { return };
    let place = Place::new();
    let output = place.run_subcommand(&[
        safe.to_str().unwrap(),
        "--resolution",
        "60",
        "--format",
        "ndjson",
        "--engine",
        "tract",
    ]);
    let rows: Vec<Value> = succeed(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (mut overcast, mut decided) = (0, 0);
    for row in &rows {
        let percent: f64 = row["cloud_cover_percent"].as_f64().unwrap();
        let decision = row["decision"].as_str().unwrap();
        // One decimal of the percentage is written.
        if percent > 70.05 {
            assert_eq!(decision, "abstain", "{row}");
            overcast += 1;
        } else if decision != "abstain" {
            let sky = if percent < 10.0 { "winter-clear" } else { "winter-cloudy" };
            assert!((percent - 10.0).abs() < 0.05 || row["shift"] == sky, "{row}");
            decided += 1;
        }
    }
    assert!(overcast > 50 && decided > 50, "{overcast} overcast, {decided} decided");
}

fn refused(output: &Output, words: &[&str]) {
    let said = text(&output.stderr) + &text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(words.iter().all(|word| said.contains(word)), "{words:?}: {said}");
}

#[test]
fn missing_bands_are_named_with_the_resolution_that_has_them() {
    let Some(safe) = real_safe() else { return };
    let place = Place::new();
    sixty_metre_model(&place);
    let output = place.run(&[safe.to_str().unwrap(), "--threshold", "0.5"]);
    refused(&output, &["band B04, B03, B02, B8A missing at 10 m", "--resolution 60"]);
}

#[test]
fn a_second_file_of_a_band_is_refused() {
    let Some(safe) = real_safe() else { return };
    let place = Place::new();
    let root = place.path("twin.SAFE");
    // The folders anew, the files as links.
    assert!(Command::new("cp").arg("-rs").arg(&safe).arg(&root).status().unwrap().success());
    let files = walkdir::WalkDir::new(&root).into_iter().map(|entry| entry.unwrap().into_path());
    let red = files.into_iter().find(|path| path.to_string_lossy().ends_with("_B04_60m.jp2")).unwrap();
    let name = red.file_name().unwrap().to_str().unwrap().replace("T2022", "T2023").replace("_2022", "_2023");
    std::fs::copy(&red, red.with_file_name(&name)).unwrap();
    let refusal = Scene::open(&root, &model_of(&["B04", "B03"]), &options(Some(60))).unwrap_err().to_string();
    assert!(refusal.starts_with("band B04 stands twice: ") && refusal.contains(&name), "{refusal}");
}

#[test]
fn a_pixel_larger_than_the_scene_is_refused() {
    let Some(safe) = real_safe() else { return };
    let refusal = Scene::open(&safe, &model_of(&["B04", "B03"]), &options(Some(600_000))).unwrap_err();
    let said = "--resolution 600000: the scene has 1830x1830 pixels of 60 m";
    assert!(refusal.to_string().contains(said), "{refusal}");
}

#[test]
fn another_band_stands_in_only_where_the_manifest_allows_it() {
    let Some(safe) = real_safe() else { return };
    let needs_b08 = model_of(&["B04", "B08"]);
    let refusal = Scene::open(&safe, &needs_b08, &options(Some(60))).unwrap_err();
    assert!(refusal.to_string().contains("band B08 missing at 60 m"), "{refusal}");
    let mut allows = needs_b08.clone();
    allows.bands[1].substitutes = vec!["B8A".into()];
    let scene = Scene::open(&safe, &allows, &options(Some(60))).unwrap();
    let narrow = Scene::open(&safe, &model_of(&["B04", "B8A"]), &options(Some(60))).unwrap();
    assert_close(&reflectance(&scene), &reflectance(&narrow), 0.0);
}

/// The real product with other metadata: files are links, `edit` changes the text of the product's metadata.
fn altered(place: &Place, safe: &Path, name: &str, edit: impl Fn(String) -> String) -> PathBuf {
    let root = place.path(name);
    std::fs::create_dir(&root).unwrap();
    std::os::unix::fs::symlink(safe.join("GRANULE"), root.join("GRANULE")).unwrap();
    let metadata = std::fs::read_to_string(safe.join("MTD_MSIL2A.xml")).unwrap();
    std::fs::write(root.join("MTD_MSIL2A.xml"), edit(metadata)).unwrap();
    root
}

#[test]
fn metadata_that_lost_its_offsets_is_refused() {
    let Some(safe) = real_safe() else { return };
    let place = Place::new();
    sixty_metre_model(&place);
    let cut = |text: String| {
        let (start, end) =
            (text.find("<BOA_ADD_OFFSET_VALUES_LIST>").unwrap(), text.find("</BOA_ADD_OFFSET_VALUES_LIST>"));
        text[..start].to_owned() + &text[end.unwrap() + "</BOA_ADD_OFFSET_VALUES_LIST>".len()..]
    };
    let lost = altered(&place, &safe, SAFE, cut);
    let flags = ["--resolution", "60", "--threshold", "0.5"];
    let output = place.run(&[&[lost.to_str().unwrap()], &flags[..]].concat());
    refused(&output, &["baseline 04.00", "no offset for any band", "--dn-force"]);
    let forced = ["--dn-scale", "0.0001", "--dn-offset", "-1000", "--dn-force", "--format", "ndjson"];
    let whole = place.run(&[&[safe.to_str().unwrap()], &flags[..], &["--format", "ndjson"]].concat());
    let forced = place.run(&[&[lost.to_str().unwrap()], &flags[..], &forced[..]].concat());
    let scores = |table: &str| -> Vec<Value> {
        table.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["score"].clone()).collect()
    };
    assert_eq!(scores(&succeed(&forced)), scores(&succeed(&whole)));
}

#[test]
fn metadata_that_denies_the_offset_is_contradicted_by_its_name_and_then_by_the_pixels() {
    let Some(safe) = real_safe() else { return };
    let place = Place::new();
    sixty_metre_model(&place);
    let flags = ["--resolution", "60", "--threshold", "0.5", "--output", "out.csv"];
    let denied = altered(&place, &safe, SAFE, |text| text.replace("\">-1000<", "\">0<"));
    let output = place.run(&[&[denied.to_str().unwrap()], &flags[..]].concat());
    refused(&output, &["offset contradicts itself", "metadata says 0", "product-name says -1000"]);
    let nameless = altered(&place, &safe, "scene.SAFE", |text| {
        let text = text.replace("\">-1000<", "\">0<").replace("_N0400_", "_");
        text.replace("<PROCESSING_BASELINE>04.00<", "<PROCESSING_BASELINE>03.01<")
    });
    let output = place
        .run_subcommand(&[&[nameless.to_str().unwrap(), "--engine", "tract", "--tta", "none"], &flags[..]].concat());
    succeed(&output);
    let said = text(&output.stderr);
    assert!(said.contains("1st percentile just above 1,000 DN") && said.contains("metadata"), "{said}");
}

#[test]
fn one_band_that_lost_its_offset_is_named() {
    let Some(safe) = real_safe() else { return };
    let place = Place::new();
    sixty_metre_model(&place);
    let lost = altered(&place, &safe, "scene.SAFE", |text| {
        let text = text.replace("<BOA_ADD_OFFSET band_id=\"3\">-1000</BOA_ADD_OFFSET>", "");
        text.replace(&format!("<PRODUCT_URI>{SAFE}</PRODUCT_URI>"), "")
    });
    let output = place.run(&[lost.to_str().unwrap(), "--resolution", "60", "--threshold", "0.5"]);
    refused(&output, &["baseline 04.00", "no offset for B04"]);
}

#[test]
fn metadata_that_make_no_sense_are_errors() {
    let Some(safe) = real_safe() else { return };
    let place = Place::new();
    sixty_metre_model(&place);
    let changes = [
        ("59.769726", "200", "no percentage"),
        (">10000</BOA_Q", ">0</BOA_Q", "makes no reflectance"),
        ("2022-10-05T11:54:11.024Z</PRODUCT_START", "2022-12-15T11:54:11.024Z</PRODUCT_START", ""),
    ];
    for (index, (from, to, word)) in changes.into_iter().enumerate() {
        let scene = altered(&place, &safe, &format!("{index}.SAFE"), |text| {
            assert!(text.contains(from), "{from}");
            text.replace(from, to)
        });
        let output = place.run(&[scene.to_str().unwrap(), "--resolution", "60", "--threshold", "0.5"]);
        // The granule's own moment goes before the product's.
        if word.is_empty() {
            succeed(&output);
        } else {
            refused(&output, &[word])
        }
    }
    let pipe = place.path("pipe.SAFE");
    std::fs::create_dir(&pipe).unwrap();
    std::os::unix::fs::symlink(safe.join("GRANULE"), pipe.join("GRANULE")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, pipe.join("MTD_MSIL2A.xml"), rustix::fs::Mode::RUSR).unwrap();
    let output = place.run(&[pipe.to_str().unwrap(), "--resolution", "60", "--threshold", "0.5"]);
    refused(&output, &["not a regular file"]);
    std::fs::remove_file(pipe.join("MTD_MSIL2A.xml")).unwrap();
    let output = place.run(&[pipe.to_str().unwrap(), "--resolution", "60", "--threshold", "0.5"]);
    refused(&output, &["no product metadata", "download it again"]);
}

#[test]
fn two_days_of_acquisition_are_settled_by_a_day_and_not_by_the_radiometry() {
    let Some(safe) = real_safe() else { return };
    let place = Place::new();
    sixty_metre_model(&place);
    let named = |text: String| text.replace("_20221005T115411_N0400", "_20220905T115411_N0400");
    let other = altered(&place, &safe, &named(SAFE.into()), named);
    let flags = [other.to_str().unwrap(), "--resolution", "60", "--threshold", "0.5", "--dry-run"];
    for more in [&[][..], &["--dn-scale", "0.0001", "--dn-offset", "-1000", "--dn-force"]] {
        let output = place.run(&[&flags[..], more].concat());
        refused(&output, &["sensed on 2022-10-05", "by its name on 2022-09-05", "--date", "--metadata"]);
        assert!(!text(&output.stdout).contains("--dn-force"), "{}", text(&output.stdout));
    }
    let table = format!("tile,date\n{},2022-10-05\n", other.file_name().unwrap().to_str().unwrap());
    std::fs::write(place.path("days.csv"), table).unwrap();
    for more in [["--date", "2022-10-05"], ["--metadata", "days.csv"]] {
        let found = succeed(&place.run(&[&flags[..], &more].concat()));
        assert!(found.contains(",2022-10-05,"), "{more:?}: {found}");
    }
}

#[test]
fn nothing_is_written_into_a_scene() {
    let place = Place::new();
    let folder = place.path("scene");
    std::fs::create_dir(&folder).unwrap();
    let Some(_) = check(&["folder", folder.to_str().unwrap()]) else { return };
    let before = std::fs::read(folder.join("B04.tif")).unwrap();
    for flags in [
        ["--output", "scene/B04.tif"],
        ["--output", "scene/new.csv"],
        ["--masks", "scene"],
        ["--record", "scene/r.json"],
    ] {
        let output = place.run(&[&["scene", "--threshold", "0.5", "--format", "csv"], &flags[..]].concat());
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains("lies in the scene"), "{flags:?}: {}", text(&output.stderr));
    }
    assert_eq!(std::fs::read(folder.join("B04.tif")).unwrap(), before);
}

#[test]
fn every_layout_is_read_or_refused_in_one_line() {
    let Some(layouts) = data("sentinel2-safe-layouts") else { return };
    let place = Place::new();
    sixty_metre_model(&place);
    let wanted = [
        ("fake_l1b/S2B_OPER_PRD_MSIL1B.SAFE", Err("Level-1B")),
        ("fake_l1b_geoloc/S2B_OPER_PRD_MSIL1B.SAFE", Err("Level-1B")),
        ("fake_l1c/S2A_OPER_PRD_MSIL1C.SAFE", Err("2 granules")),
        ("fake_l1c/S2A_OPER_PRD_MSIL1C.SAFE/GRANULE/S2A_OPER_MSI_L1C_T32TQR_N01.03", Err("samples of 12 bits")),
        (
            "fake_l1c_processing_baseline_5_09/S2B_MSIL1C_20230823T095559_N0509_R122_T34UCF_20230823T120234.SAFE",
            Ok("2023-08-23"),
        ),
        ("fake_l1c_safecompact/S2A_MSIL1C_test.SAFE", Err("samples of 12 bits")),
        ("fake_l2a/S2A_USER_PRD_MSIL2A.SAFE", Err("missing at 10 m")),
        (
            "fake_l2a_MSIL2A/S2A_MSIL2A_20180818T094031_N0208_R036_T34VFJ_20180818T120345.SAFE",
            Err("samples of 12 bits"),
        ),
        (
            "fake_l2a_MSIL2Ap/S2A_MSIL2A_20170823T094031_N0205_R036_T34VFJ_20170823T094252.SAFE",
            Err("samples of 12 bits"),
        ),
        (
            "fake_l2a_processing_baseline_5_09/S2B_MSIL2A_20230823T095559_N0509_R122_T34UCF_20230823T124759.SAFE",
            Ok("2023-08-23"),
        ),
    ];
    for (layout, wanted) in wanted {
        let path = layouts.join(layout);
        let output = place.run(&[path.to_str().unwrap(), "--threshold", "0.5", "--dry-run"]);
        let (row, said) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(row.lines().count(), 2, "{layout}: {row}{said}");
        match wanted {
            Ok(date) => assert!(output.status.success() && row.contains(date), "{layout}: {row}{said}"),
            Err(word) => {
                assert_eq!(output.status.code(), Some(1), "{layout}: {row}{said}");
                assert!(row.contains(word), "{layout}: {row}{said}");
            }
        }
    }
}

#[test]
fn coarser_bands_are_interpolated_as_gdal_does() {
    let place = Place::new();
    let folder = place.path("scene");
    std::fs::create_dir(&folder).unwrap();
    let Some(_) = check(&["folder", folder.to_str().unwrap()]) else { return };
    let expected = read_f32(&folder.join("expected.f32"));
    std::fs::remove_file(folder.join("expected.f32")).unwrap();
    let scene = Scene::open(&folder, &model_of(&["B04", "B11", "B09"]), &options(None)).unwrap();
    assert_close(&reflectance(&scene), &expected, 1e-6);
    // Windows are parts of the whole.
    let mut planes = Planes::new();
    let window = Window { x: 61, y: 113, width: 37, height: 29 };
    scene.image.read(window, &[1], &mut planes).unwrap();
    for (index, bytes) in planes.band(0).as_chunks::<4>().0.iter().enumerate() {
        let (row, column) = (113 + index / 37, 61 + index % 37);
        let value = f32::from_le_bytes(*bytes) / 10_000.0;
        let whole = expected[240 * 240 + row * 240 + column];
        assert!(whole.is_nan() || (value - whole).abs() < 1e-6, "{row}, {column}: {value} against {whole}");
    }
}
