//! Chips with cloud masks and the search for wrong ones, through the trainer's binary.

mod common;
#[path = "common/tiles.rs"]
mod tiles;
#[path = "common/trainer.rs"]
mod trainer;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use s2infer::raster::{Header, Planes, Raster, ReadOptions, SampleType, Window};
use trainer::{s2train, succeed};

const SIDE: usize = 32;
const CHIPS: usize = 16;

/// Six RGB patches (B04, B03, B02 as the model `construction` reads them) of dark ground for each split.
fn write_patches(folder: &Path) -> PathBuf {
    let mut manifest = String::from("path,label,split,site,longitude,latitude,country\n");
    for (index, split) in ["train", "select", "measurement"].iter().cycle().take(18).enumerate() {
        let sample = |band: usize, row: u32, column: u32| {
            let texture = (row * 31 + column * 17 + index as u32 * 7) % 97;
            [700, 900, 950][band] + texture as u16
        };
        tiles::write_u16(&folder.join(format!("patch-{index}.tif")), 3, 64, sample);
        manifest += &format!("patch-{index}.tif,0,{split},site-{index},{},48.5,Austria\n", index as f64 / 10.0);
    }
    let path = folder.join("patches.csv");
    std::fs::write(&path, manifest).unwrap();
    path
}

fn render(patches: &Path, out: &Path, more: &[&str]) -> Command {
    let side = SIDE.to_string();
    let mut command = s2train(&["render-clouds", "--chips", &CHIPS.to_string(), "--side-px", &side]);
    command.args(["--measurement-px", &side]).args(more).arg("--patches").arg(patches).arg("--out").arg(out);
    command
}

fn clean(manifest: &Path, out: &Path, more: &[&str]) -> Command {
    let mut command = s2train(&["clean-masks"]);
    command.args(more).arg("--manifest").arg(manifest).arg("--out").arg(out);
    command
}

/// The one line of an error, of a command that must be refused.
fn refused(mut command: Command) -> String {
    let refused = command.output().unwrap();
    let message = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(matches!(refused.status.code(), Some(1 | 2)), "{message}");
    let errors: Vec<&str> = message.lines().filter(|line| line.starts_with("s2train: ")).collect();
    let [error] = errors[..] else { panic!("{message}") };
    error.to_owned()
}

type Row = BTreeMap<String, String>;

fn table(path: &Path) -> Vec<Row> {
    csv::Reader::from_path(path).unwrap().deserialize().collect::<Result<_, _>>().unwrap()
}

fn read(path: &Path) -> (Header, Planes) {
    let raster = Raster::open(path, &ReadOptions::default()).unwrap();
    let header = raster.header().clone();
    let bands: Vec<usize> = (0..header.bands.len()).collect();
    let mut planes = Planes::new();
    raster.read(Window { x: 0, y: 0, width: header.width, height: header.height }, &bands, &mut planes).unwrap();
    (header, planes)
}

#[test]
fn chips_have_four_bands_and_a_mask_whose_cloud_the_manifest_states() {
    let folder = tempfile::tempdir().unwrap();
    let patches = write_patches(folder.path());
    let [first, again, other] = ["first", "again", "other"].map(|name| folder.path().join(name));
    for (out, seed) in [(&first, "4"), (&again, "4"), (&other, "5")] {
        succeed(render(&patches, out, &["--seed", seed]).output().unwrap());
    }
    let rows = table(&first.join("manifest.csv"));
    let of_split = |split: &str| rows.iter().filter(|row| row["split"] == split).count();
    assert_eq!([of_split("train"), of_split("select"), of_split("measurement"), rows.len()], [CHIPS, 2, 2, CHIPS + 4]);
    let (mut clear, mut cloudy) = (0, 0);
    for row in &rows {
        assert!(row["sky"] == "simulated" && row["path"].contains("simulated") && row["spoilt"].is_empty(), "{row:?}");
        let (header, _) = read(&first.join(&row["path"]));
        assert_eq!((header.width, header.height, header.bands.len()), (SIDE as u32, SIDE as u32, 4));
        let (header, mask) = read(&first.join(&row["mask"]));
        assert_eq!((header.width, header.height, header.sample_type), (SIDE as u32, SIDE as u32, SampleType::U8));
        assert!(mask.bytes.iter().all(|class| *class <= 1));
        let cloud = mask.bytes.iter().filter(|class| **class == 1).count() as f64 / (SIDE * SIDE) as f64;
        assert!((100.0 * cloud - row["cloud"].parse::<f64>().unwrap()).abs() <= 0.05 + 1e-9, "{row:?} {cloud}");
        clear += usize::from(cloud == 0.0);
        cloudy += usize::from(cloud > 0.1);
        let bytes = |out: &Path, column: &str| std::fs::read(out.join(&row[column])).unwrap();
        assert!(["path", "mask"].iter().all(|column| bytes(&first, column) == bytes(&again, column)), "{row:?}");
        assert_ne!(bytes(&first, "path"), bytes(&other, "path"));
    }
    assert!(clear > 0 && cloudy > CHIPS / 3, "{clear} {cloudy}");
}

#[test]
fn examples_are_folders_with_a_file_a_band() {
    let folder = tempfile::tempdir().unwrap();
    let (patches, out) = (write_patches(folder.path()), folder.path().join("examples"));
    succeed(render(&patches, &out, &["--examples", "2"]).output().unwrap());
    let rows = table(&out.join("manifest.csv"));
    assert!(rows.len() == 2 && rows.iter().all(|row| row["split"] == "measurement"), "{rows:?}");
    for row in &rows {
        for band in ["B02", "B03", "B04", "B08"] {
            let (header, _) = read(&out.join(&row["path"]).join(band).with_extension("tif"));
            assert_eq!((header.width, header.height, header.bands.len()), (SIDE as u32, SIDE as u32, 1));
        }
        assert_eq!(read(&out.join(&row["mask"])).1.bytes.len(), SIDE * SIDE);
    }
}

#[test]
fn ground_that_is_missing_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let (patches, out) = (write_patches(folder.path()), folder.path().join("out"));
    let text = std::fs::read_to_string(&patches).unwrap();
    let changed = folder.path().join("changed.csv");
    std::fs::write(&changed, text.replace(",select,", ",train,")).unwrap();
    assert!(refused(render(&changed, &out, &[])).contains("no patch of split select"));
    std::fs::write(&changed, text.replace("longitude", "east")).unwrap();
    let message = refused(render(&changed, &out, &[]));
    assert!(message.contains("changed.csv") && message.contains("longitude"), "{message}");
    let message = refused(render(&patches, &out, &["--product", "nowhere.SAFE"]));
    assert_eq!(message.matches("nowhere.SAFE").count(), 1, "{message}");
}

#[test]
fn wrong_masks_lose_their_weight_and_right_ones_keep_it() {
    let folder = tempfile::tempdir().unwrap();
    let (patches, out) = (write_patches(folder.path()), folder.path().join("chips"));
    succeed(render(&patches, &out, &["--spoil", "0.4"]).output().unwrap());
    let manifest = out.join("manifest.csv");
    let [cleaned, list, dropped] = ["clean.csv", "suspects.csv", "dropped.csv"].map(|name| out.join(name));
    succeed(clean(&manifest, &cleaned, &["--list", list.to_str().unwrap()]).output().unwrap());
    let (rows, before) = (table(&cleaned), table(&manifest));
    assert_eq!(rows.len(), before.len());
    for (row, before) in rows.iter().zip(&before) {
        assert!(before.iter().all(|(name, value)| row[name] == *value), "{row:?}");
    }
    let weight = |row: &Row| row["weight"].parse::<f64>().unwrap();
    let (spoilt, right): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| !row["spoilt"].is_empty());
    let mean = |rows: &[&Row]| rows.iter().map(|row| weight(row)).sum::<f64>() / rows.len() as f64;
    let means = [mean(&right), mean(&spoilt)];
    assert!(spoilt.len() == rows.len() * 2 / 5 && means[0] > 0.8 && means[1] < means[0] - 0.2, "{means:?}");
    let suspects = table(&list);
    assert_eq!(suspects.len(), rows.iter().filter(|row| weight(row) < 1.0).count());
    assert!(suspects.iter().all(|row| row["reason"].contains('%')), "{suspects:?}");
    // A second time the weights are made anew, and chips without any are left out.
    let printed = clean(&cleaned, &dropped, &["--drop"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&printed.stdout).lines().count(), suspects.len());
    succeed(printed);
    let kept: Vec<Row> = rows.into_iter().filter(|row| weight(row) > 0.0).collect();
    assert!(kept.len() < before.len());
    assert_eq!(table(&dropped), kept);
}

#[test]
fn masks_that_do_not_fit_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    tiles::write_level(&path("chip.tif"), 16, [900; 4]);
    std::fs::write(path("chips.csv"), "path,mask\nchip.tif,mask.tif\n").unwrap();
    let run = |more: &[&str]| refused(clean(&path("chips.csv"), &path("clean.csv"), more));
    tiles::write_labels(&path("mask.tif"), 16, |row, _| if row == 3 { 7 } else { 0 });
    let message = run(&[]);
    assert!(message.contains("mask.tif: a pixel has the class 7; there are 0 to 1"), "{message}");
    tiles::write_labels(&path("mask.tif"), 15, |_, _| 0);
    let message = run(&[]);
    assert!(message.contains("mask.tif: 15×15 pixels, its chip has 16×16"), "{message}");
    tiles::write_u16(&path("mask.tif"), 1, 16, |_, _, _| 0);
    let message = run(&[]);
    assert!(message.contains("mask.tif") && message.contains("uint8"), "{message}");
    let message = run(&["--cloud-class", "fog"]);
    assert!(message.contains("--cloud-class fog: is none of clear, cloud"), "{message}");
    std::fs::write(path("chips.csv"), "path,label\nchip.tif,mask.tif\n").unwrap();
    let message = run(&[]);
    assert!(message.contains("chips.csv: no column mask"), "{message}");
    assert!(!path("clean.csv").exists());
}
