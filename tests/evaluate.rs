//! `s2infer evaluate` as its users run it: tables and tiles in, a report, figures and an exit code out.

mod common;
#[path = "common/model_folders.rs"]
mod model_folders;
#[path = "common/place.rs"]
mod place;
#[path = "common/tiles.rs"]
mod tiles;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Output};

use model_folders::SIDE;
use place::{Place, succeed, text};
use serde_json::Value;

const GROUPS: [&str; 4] = ["summer-clear", "summer-cloudy", "winter-clear", "winter-cloudy"];
const HEADER: &str = "tile,label,score,season,cloud,site\n";

/// A file of the repository.
fn shipped(name: &str) -> String {
    format!("{}/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// 20 positives and 60 negatives a group, two tiles a site; positives score from `low` up.
fn table(low: f64) -> String {
    GROUPS.iter().enumerate().fold(HEADER.to_owned(), |mut table, (group, name)| {
        let (season, cloud) = name.split_once('-').unwrap();
        for i in 0..80 {
            let label = u8::from(i < 20);
            let score = if i < 20 { low + 0.02 * i as f64 } else { 0.01 * (i - 20) as f64 };
            let _ = writeln!(table, "{name}-{i}.tif,{label},{score:.4},{season},{cloud},{}", 40 * group + i / 2);
        }
        table
    })
}

/// A place with tables of two models, `new.csv` and `old.csv`, and the small model's profile.
fn desk() -> Place {
    let place = Place::new();
    for (name, low) in [("new.csv", 0.5), ("old.csv", 0.2)] {
        std::fs::write(place.path(name), table(low)).unwrap();
    }
    std::fs::write(place.path("calibration.csv"), renamed(&table(0.5), "c-")).unwrap();
    let calibrate = ["calibrate", "--scores", "calibration.csv", "--model", "model", "--out", "profile.json"];
    succeed(&place.run_subcommand(&calibrate));
    place
}

/// The table with other tiles.
fn renamed(table: &str, prefix: &str) -> String {
    let (header, rows) = table.split_once('\n').unwrap();
    let rows: String = rows.lines().map(|row| format!("{prefix}{row}\n")).collect();
    format!("{header}\n{rows}")
}

/// Evaluates with the small model and its profile into the folder `report`, with few resamples.
fn evaluate(place: &Place, arguments: &[&str]) -> Output {
    let usual = ["evaluate", "--model", "model", "--profile", "profile.json", "--out", "report", "--resamples", "100"];
    place.run_subcommand(&[&usual[..], arguments].concat())
}

/// Evaluates a table of its own content.
fn evaluate_table(place: &Place, table: &str) -> Output {
    std::fs::write(place.path("scores.csv"), table).unwrap();
    evaluate(place, &["--scores", "scores.csv"])
}

/// Asserts a refusal in one line with this exit code and all these words, and that nothing was written.
fn refused(place: &Place, output: &Output, code: i32, words: &[&str]) {
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{words:?}: {said}");
    assert_eq!((said.lines().count(), output.stdout.len()), (1, 0), "{said}");
    assert!(words.iter().all(|word| said.contains(word)), "{words:?}: {said}");
    assert!(!place.path("report").exists(), "{said}");
}

fn report(folder: &Path) -> Value {
    json(&folder.join("report.json"))
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn rows(path: &str) -> Vec<BTreeMap<String, String>> {
    csv::Reader::from_path(path).unwrap().deserialize().collect::<Result<_, _>>().unwrap()
}

/// The two construction models on their measured tiles.
fn construction(place: &Place, more: &[&str]) -> Output {
    let tables = ["construction", "incumbent"].map(|name| shipped(&format!("calibration/{name}/measured.csv")));
    let models = ["construction", "incumbent"].map(|name| shipped(&format!("models/{name}")));
    let arguments = ["--scores", &tables[0], "--model", &models[0], "--baseline-scores", &tables[1]];
    let others = ["--baseline", &models[1], "--out", "report", "--resamples", "200"];
    place.run_subcommand(&[&["evaluate"], &arguments[..], &others[..], more].concat())
}

/// Whether each tile of `name` alerts in the shipped profile, by tile and group: label and alert.
fn alerts(name: &str) -> BTreeMap<(String, String), (bool, bool)> {
    let profile: Value =
        serde_json::from_str(&std::fs::read_to_string(shipped(&format!("models/{name}/profile.json"))).unwrap())
            .unwrap();
    let threshold = |group: &str| {
        let groups = profile["groups"].as_array().unwrap();
        groups.iter().find(|of| of["group"] == group).unwrap()["threshold"].as_f64().unwrap()
    };
    let thresholds: BTreeMap<&str, f64> = GROUPS.map(|group| (group, threshold(group))).into();
    let row = |row: BTreeMap<String, String>| {
        let group = format!("{}-{}", row["season"], row["cloud"]);
        let alert = row["score"].parse::<f32>().unwrap() >= thresholds[group.as_str()] as f32;
        ((row["tile"].clone(), group), (row["label"] == "1", alert))
    };
    rows(&shipped(&format!("calibration/{name}/measured.csv"))).into_iter().map(row).collect()
}

#[test]
fn counts_of_the_report_are_those_of_the_tables() {
    let place = Place::new();
    succeed(&construction(&place, &[]));
    let report = report(&place.path("report"));
    let (new, old) = (alerts("construction"), alerts("incumbent"));
    let count = |group: &str, keep: &dyn Fn(bool, bool, bool) -> bool| {
        let of_group = new.iter().filter(|((_, of), _)| of == group);
        of_group.filter(|(key, (label, alert))| keep(*label, *alert, old[*key].1)).count()
    };
    for (index, group) in GROUPS.into_iter().enumerate() {
        let at = &report["candidate"]["own"]["groups"][index];
        assert_eq!(at["group"], group);
        assert_eq!(at["recall"]["hits"], count(group, &|label, new, _| label && new));
        assert_eq!(at["recall"]["n"], count(group, &|label, _, _| label));
        assert_eq!(at["false_alarms"]["hits"], count(group, &|label, new, _| !label && new));
        let baseline = &report["baseline"]["own"]["groups"][index];
        assert_eq!(baseline["recall"]["hits"], count(group, &|label, _, old| label && old));
        let pair = &report["paired"][index]["recall"];
        assert_eq!(pair["gained"], count(group, &|label, new, old| label && new && !old));
        assert_eq!(pair["lost"], count(group, &|label, new, old| label && !new && old));
    }
}

// scikit-learn 1.9.1: average_precision_score (the negatives weighing positives × 10 / negatives), roc_auc_score,
// brier_score_loss and log_loss of calibration/{construction,incumbent}/measured.csv
#[test]
fn areas_of_the_report_are_those_of_scikit_learn() {
    let place = Place::new();
    succeed(&construction(&place, &[]));
    let report = report(&place.path("report"));
    for (model, group, expected) in [
        ("candidate", 0, [0.997_207_140_914, 0.999_716_961_498, 0.005_791_488_708, 0.027_960_303_532]),
        ("candidate", 3, [0.733_566_167_736, 0.933_423_517_170, 0.131_489_343_092, 0.406_571_729_324]),
        ("candidate", 4, [0.893_679_544_973, 0.983_559_053_070, 0.053_817_734_180, 0.182_418_234_072]),
        ("baseline", 1, [0.129_022_042_044, 0.686_857_440_166, 0.278_336_972_651, 0.750_562_164_578]),
        ("baseline", 4, [0.152_552_238_460, 0.747_826_352_758, 0.247_314_723_394, 0.688_120_963_477]),
    ] {
        let quality = &report[model]["quality"][group];
        let found = [
            &quality["average_precision"]["estimate"],
            &quality["auroc"]["estimate"],
            &quality["brier"],
            &quality["log_loss"],
        ];
        for (found, expected) in found.iter().zip(expected) {
            assert!((found.as_f64().unwrap() - expected).abs() < 1e-6, "{model} {group}: {found} {expected}");
        }
        let [low, high] = [0, 1].map(|i| quality["average_precision"]["interval"][i].as_f64().unwrap());
        assert!(low < expected[0] && expected[0] < high, "{low} {high}");
    }
    let all = &report["candidate"]["own"]["all"];
    let [recall, precision, f1] = ["recall", "precision", "f1"].map(|name| all[name]["estimate"].as_f64().unwrap());
    assert!((f1 - 2.0 * recall * precision / (recall + precision)).abs() < 1e-12, "{recall} {precision} {f1}");
    let [low, high] = [0, 1].map(|i| all["f1"]["interval"][i].as_f64().unwrap());
    assert!(low < f1 && f1 < high, "{low} {high}");
}

#[test]
fn probabilities_of_the_profile_are_what_brier_and_log_loss_measure() {
    let place = desk();
    std::fs::write(place.path("third.csv"), renamed(&table(0.35), "t-")).unwrap();
    let calibrate = ["calibrate", "--scores", "calibration.csv", "--model", "model", "--out", "profile.json"];
    let beta = ["--probability", "beta", "--probability-scores", "third.csv"];
    succeed(&place.run_subcommand(&[&calibrate[..], &beta].concat()));
    succeed(&evaluate(&place, &["--scores", "new.csv"]));
    let profile: Value = serde_json::from_slice(&std::fs::read(place.path("profile.json")).unwrap()).unwrap();
    let [a, b, c] = ["a", "b", "c"].map(|name| profile["probability"][name].as_f64().unwrap());
    let squared = |row: &BTreeMap<String, String>| {
        let score = f64::from(row["score"].parse::<f32>().unwrap()).clamp(1e-7, 1.0 - 1e-7);
        let logit = a * score.ln() - b * (1.0 - score).ln() + c;
        (1.0 / (1.0 + (-logit).exp()) - row["label"].parse::<f64>().unwrap()).powi(2)
    };
    let rows = rows(place.path("new.csv").to_str().unwrap());
    let expected = rows.iter().map(squared).sum::<f64>() / rows.len() as f64;
    let candidate = &report(&place.path("report"))["candidate"];
    let brier = candidate["quality"][4]["brier"].as_f64().unwrap();
    assert!((brier - expected).abs() < 1e-4, "{brier} {expected}");
    assert_eq!(candidate["probability"], "beta");
}

#[test]
fn the_page_is_xml_and_asks_nobody_for_anything() {
    let place = desk();
    succeed(&evaluate(&place, &["--scores", "new.csv", "--note", "A <b> & \"tiles\" of `x`."]));
    let html = std::fs::read_to_string(place.path("report/report.html")).unwrap();
    let page = html.strip_prefix("<!DOCTYPE html>\n").unwrap();
    let page = roxmltree::Document::parse(page).unwrap();
    let attributes = page.descendants().flat_map(|node| node.attributes());
    let linked = attributes.filter(|attribute| ["src", "href"].contains(&attribute.name()));
    let links: Vec<&str> = linked.map(|attribute| attribute.value()).collect();
    assert!(!links.is_empty() && links.iter().all(|link| link.starts_with('#') || link.starts_with("data:")));
    assert!(!html.contains("http") && !html.contains("url(") && !html.contains("@import"));
    assert!(page.descendants().any(|node| node.text() == Some("A <b> & \"tiles\" of ")));
    let markdown = std::fs::read_to_string(place.path("report/report.md")).unwrap();
    assert!(markdown.starts_with("# test-model, measured\n"), "{markdown}");
}

#[test]
fn sections_come_in_the_order_of_reading() {
    let place = Place::new();
    let calibration = shipped("calibration/construction/scores.csv");
    let others = shipped("calibration/incumbent/scores.csv");
    succeed(&construction(&place, &["--calibration", &calibration, "--baseline-calibration", &others]));
    let markdown = std::fs::read_to_string(place.path("report/report.md")).unwrap();
    let titles: Vec<&str> = markdown.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let expected = [
        "Verdict",
        "Data, splits and leakage audit",
        "Models and thresholds",
        "By group",
        "Paired tests",
        "Regions, and thresholds elsewhere",
        "Plots",
        "Failures",
        "Slices",
        "Limits, hashes and the command",
    ];
    assert_eq!(titles, expected);
    assert!(markdown.contains("Leakage audit passed"));
    let report = report(&place.path("report"));
    assert_eq!(report["candidate"]["one"]["groups"].as_array().unwrap().len(), 4);
    assert_eq!(report["baseline"]["per_group"]["groups"].as_array().unwrap().len(), 4);
}

#[test]
fn a_report_is_the_same_on_any_number_of_threads() {
    let place = desk();
    let on = |threads: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_s2infer"));
        command.current_dir(place.path("")).env("RAYON_NUM_THREADS", threads);
        let models = ["--model", "model", "--profile", "profile.json", "--baseline", "model"];
        let tables = ["--scores", "new.csv", "--baseline-scores", "old.csv", "--baseline-profile", "profile.json"];
        succeed(&command.arg("evaluate").args(models).args(tables).args(["--out", "report"]).output().unwrap());
        let read = |name: &str| std::fs::read(place.path("report").join(name)).unwrap();
        ["report.json", "report.html"].map(read)
    };
    assert!(on("1") == on("2"), "reports differ");
}

#[test]
fn tiles_of_a_manifest_give_figures_pictures_and_tables_that_give_the_same_figures() {
    let place = Place::new();
    succeed(&place.run_subcommand(&["simulate", "--profile", "tiny", "--quiet", "--out", "tiny"]));
    let [new, old] = ["models/coast", "models/coast-incumbent"].map(shipped);
    let models = ["evaluate", "--model", &new, "--baseline", &old, "--resamples", "100"];
    let run = |arguments: &[&str]| succeed(&place.run_subcommand(&[&models[..], arguments].concat()));
    run(&["--manifest", "tiny/manifest.csv", "--split", "measurement", "--out", "first"]);
    let [scores, baseline] = ["first/scores-candidate.csv", "first/scores-baseline.csv"];
    run(&["--scores", scores, "--baseline-scores", baseline, "--tiles", "tiny", "--out", "second"]);
    let [first, second] = ["first", "second"].map(|folder| report(&place.path(folder)));
    for what in ["candidate", "baseline", "paired", "transfer", "regions", "slices", "failures"] {
        assert_eq!(first[what], second[what], "{what}");
    }
    assert_eq!(first["data"]["tiles"], 20);
    assert!(first["audit"]["parts"].as_object().unwrap().contains_key("train and select"), "{}", first["audit"]);
    for folder in ["first", "second"] {
        let html = std::fs::read_to_string(place.path(folder).join("report.html")).unwrap();
        let failures = first["failures"].as_array().unwrap().len();
        assert_eq!((html.matches("<img ").count(), failures > 0), (failures, true));
    }
}

// scikit-learn 1.9.1: accuracy_score 7/10, f1_score(average="macro", labels=range(10)) 0.19 (all ten classes)
#[test]
fn a_model_with_several_classes_is_measured_by_class_and_region() {
    let place = Place::new();
    let decisions = ["Forest", "Forest", "Forest", "River", "River", "SeaLake", "Forest", "Forest", "River", "River"];
    let labels = ["Forest", "Forest", "Forest", "River", "River", "Forest", "River", "Forest", "River", "SeaLake"];
    let mut table = String::from("tile,label,decision,score,region,site\n");
    for (i, (label, decision)) in labels.iter().zip(decisions).enumerate() {
        let _ = writeln!(table, "{i}.jpg,{label},{decision},0.9,{},{i}", if i < 5 { "north" } else { "south" });
    }
    std::fs::write(place.path("decisions.csv"), table).unwrap();
    let model = shipped("models/eurosat");
    let arguments = ["evaluate", "--scores", "decisions.csv", "--model", &model, "--out", "report"];
    let run = |more: &[&str]| place.run_subcommand(&[&arguments[..], more].concat());
    succeed(&run(&["--require", "accuracy>=0.7", "--require", "recall>=0.7 in Forest"]));
    let report = report(&place.path("report"));
    let candidate = &report["candidate"];
    assert_eq!((&candidate["accuracy"]["hits"], &candidate["accuracy"]["n"]), (&7.into(), &10.into()));
    assert_eq!(
        (&candidate["regions"]["north"]["hits"], &candidate["regions"]["south"]["hits"]),
        (&5.into(), &2.into())
    );
    let macro_f1 = candidate["macro_f1"]["estimate"].as_f64().unwrap();
    // Forest 2 × 4 / 10, River 2 × 3 / 8, the other eight 0.
    assert!((macro_f1 - (0.8 + 0.75) / 10.0).abs() < 1e-12, "{macro_f1}");
    let missed = run(&["--require", "recall>=0.8 in every group"]);
    assert_eq!(missed.status.code(), Some(4), "{}", text(&missed.stderr));
}

#[test]
fn a_demand_that_is_not_met_is_exit_code_4_and_a_line_that_names_the_group() {
    let place = desk();
    let both = ["--baseline", "model", "--baseline-profile", "profile.json", "--baseline-scores", "old.csv"];
    let run =
        |table: &str, demand: &str| evaluate(&place, &[&["--scores", table, "--require", demand], &both[..]].concat());
    for met in
        ["recall>=0.8 in every group", "recall_lower >= 0.75", "precision drop<=0.05", "auroc>0.5 in winter-clear"]
    {
        succeed(&run("new.csv", met));
    }
    let table = std::fs::read_to_string(place.path("new.csv")).unwrap();
    // Half of one group's positives now score nothing.
    let worse = table.lines().map(|line| match line.split(',').next().unwrap().strip_prefix("winter-cloudy-") {
        Some(number) if number.trim_end_matches(".tif").parse::<u8>().unwrap() < 10 => line.replace(",1,0.", ",1,0.00"),
        _ => line.to_owned(),
    });
    std::fs::write(place.path("worse.csv"), worse.collect::<Vec<_>>().join("\n")).unwrap();
    let output = run("worse.csv", "recall>=0.8 in every group");
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert_eq!(said, "s2infer: not met: recall>=0.8 in every group: recall 0.500 in winter-cloudy\n");
    assert!(place.path("report/report.html").exists(), "the report says why");
}

#[test]
fn demands_that_nobody_made_are_reported_and_fail_nothing() {
    let place = desk();
    succeed(&evaluate(&place, &["--scores", "old.csv"]));
    let report = report(&place.path("report"));
    assert_eq!(report["requirements"][0]["requirement"], "recall>=0.8 in every group");
    assert_eq!(report["requirements"][0]["is_met"], false);
}

#[test]
fn demands_that_mean_nothing_are_told_from_demands_that_are_not_met() {
    let place = desk();
    for (demand, word) in [
        ("recall", "no >="),
        ("speed>=1", "\"speed\" is no metric"),
        ("recall>=lots", "\"lots\" is no number"),
        ("recall>=0.8 in autumn", "there are summer-clear, summer-cloudy, winter-clear, winter-cloudy"),
        ("precision drop<=0.05", "--baseline"),
    ] {
        let output = evaluate(&place, &["--scores", "new.csv", "--require", demand]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{demand}: {said}");
        assert!(said.contains("--require") && said.contains(word), "{demand}: {said}");
        assert!(!place.path("report").exists());
    }
}

#[test]
fn a_table_that_is_none_is_refused_in_a_line() {
    let place = desk();
    let good = table(0.5);
    let without_labels = good.replace("label", "truth");
    let empty_label = good.replacen("-0.tif,1,", "-0.tif,,", 1);
    let one_class: String = good.lines().filter(|line| !line.contains(",0,")).map(|line| format!("{line}\n")).collect();
    let twice = format!("{good}summer-clear-3.tif,1,0.5,summer,clear,1\n");
    let score = |score: &str| good.replacen("1,0.5000,", &format!("1,{score},"), 1);
    let autumn = good.replacen("summer,clear", "autumn,clear", 1);
    let many = (0..1_000_000).map(|i| format!("c{i}")).collect::<Vec<_>>().join(",") + "\n";
    for (table, words) in [
        (without_labels, &["scores.csv", "no column label"][..]),
        (empty_label, &["scores.csv", "line 2", "label is empty"]),
        (one_class, &["scores.csv", "80 positives and 0 negatives", "both are needed"]),
        (twice, &["scores.csv", "summer-clear-3.tif stands twice"]),
        (score("NaN"), &["scores.csv", "line 2", "\"NaN\"", "0 to 1"]),
        (score("1.5"), &["scores.csv", "line 2", "\"1.5\"", "0 to 1"]),
        (score(""), &["scores.csv", "line 2", "score"]),
        (autumn, &["scores.csv", "line 2", "\"autumn\"", "summer or winter"]),
        (many, &["scores.csv", "1000000 columns"]),
        (String::new(), &["scores.csv", "no column label"]),
        (HEADER.to_owned(), &["scores.csv", "no tiles"]),
    ] {
        refused(&place, &evaluate_table(&place, &table), 2, words);
    }
}

#[test]
fn bytes_that_are_no_table_are_refused_in_a_line() {
    let place = desk();
    let garbage: Vec<u8> = (0..100_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    std::fs::write(place.path("garbage.csv"), garbage).unwrap();
    std::fs::File::create(place.path("sparse.csv")).unwrap().set_len(300 << 20).unwrap();
    std::fs::create_dir(place.path("folder.csv")).unwrap();
    for (name, word) in [("garbage.csv", ""), ("sparse.csv", "268435456"), ("folder.csv", ""), ("none.csv", "No such")]
    {
        refused(&place, &evaluate(&place, &["--scores", name]), 2, &[name, word]);
    }
}

#[test]
fn a_table_whose_positives_were_all_abstained_on_is_refused() {
    let place = desk();
    let line = |line: &str| match (line == HEADER.trim(), line.contains(",1,")) {
        (true, _) => format!("{line},decision\n"),
        (_, true) => format!("{line},abstain\n"),
        _ => format!("{line},negative\n"),
    };
    let decided: String = table(0.5).lines().map(line).collect();
    refused(&place, &evaluate_table(&place, &decided), 2, &["scores.csv", "0 positives", "80", "decision"]);
    let nothing = decided.replace("negative", "error");
    refused(&place, &evaluate_table(&place, &nothing), 2, &["scores.csv", "decided none of the 320 rows"]);
}

#[test]
fn profiles_and_scores_of_another_model_are_refused() {
    let place = desk();
    let profile = shipped("models/construction/profile.json");
    let output = place.run_subcommand(&[
        "evaluate",
        "--scores",
        "new.csv",
        "--model",
        "model",
        "--profile",
        &profile,
        "--out",
        "report",
    ]);
    refused(&place, &output, 4, &["profile.json", "another model", "construction"]);
    let marked = table(0.5).replace("site\n", "site,model_sha256\n");
    let marked: Vec<String> = marked
        .lines()
        .enumerate()
        .map(|(i, line)| if i > 0 { format!("{line},{}", "ab".repeat(32)) } else { line.into() })
        .collect();
    refused(&place, &evaluate_table(&place, &marked.join("\n")), 4, &["scores.csv", "another model's", "test-model"]);
    let group = table(0.5).replace("site\n", "site,group\n");
    let group: Vec<String> =
        group.lines().enumerate().map(|(i, line)| if i > 0 { format!("{line},dunes") } else { line.into() }).collect();
    refused(&place, &evaluate_table(&place, &group.join("\n")), 4, &["no group \"dunes\"", "summer-clear"]);
}

#[test]
fn a_baseline_with_other_tiles_is_refused() {
    let place = desk();
    let old = table(0.2);
    let others = old.replace("winter-clear-7.tif", "winter-clear-700.tif");
    let relabelled = old.replacen("-0.tif,1,", "-0.tif,0,", 1);
    let fewer: String = old.lines().take(300).map(|line| format!("{line}\n")).collect();
    let nameless = old.replace("tile", "name");
    for (table, words) in [
        (others, &["winter-clear-7.tif"][..]),
        (relabelled, &["summer-clear-0.tif", "label"]),
        (fewer, &["winter-cloudy"]),
        (nameless, &["summer-clear-0.tif"]),
    ] {
        std::fs::write(place.path("other.csv"), table).unwrap();
        let baseline = ["--baseline", "model", "--baseline-profile", "profile.json", "--baseline-scores", "other.csv"];
        let output = evaluate(&place, &[&["--scores", "new.csv"], &baseline[..]].concat());
        refused(&place, &output, 2, &[&["other.csv"], words].concat());
    }
    let output = evaluate(&place, &["--scores", "new.csv", "--baseline", "model"]);
    refused(&place, &output, 2, &["--baseline-scores"]);
}

/// A manifest of the tiles that [`Place::levels`] writes: two splits, both classes, a site each.
fn manifest(place: &Place, site: impl Fn(usize) -> usize) -> String {
    place.levels(16);
    (0..16).fold(String::from("path,label,split,site,season,cloud\n"), |mut table, i| {
        let split = if i < 8 { "train" } else { "test" };
        let _ = writeln!(table, "tiles/t{i:04}.tif,{},{split},{},summer,clear", i % 2, site(i));
        table
    })
}

#[test]
fn a_manifest_with_leaks_or_without_its_tiles_is_refused() {
    let place = desk();
    let run = |manifest: &str, more: &[&str]| {
        std::fs::write(place.path("manifest.csv"), manifest).unwrap();
        let tract = ["--manifest", "manifest.csv", "--engine", "tract"];
        evaluate(&place, &[&tract[..], more].concat())
    };
    let apart = manifest(&place, |i| i);
    let leaky = manifest(&place, |i| i % 15);
    refused(&place, &run(&leaky, &[]), 4, &["site 0 is in", "train", "--despite-leaks"]);
    let missing = apart.replace("t0015", "t9999");
    refused(&place, &run(&missing, &[]), 2, &["manifest.csv", "t9999.tif", "1 of 8 files"]);
    refused(
        &place,
        &run(&apart, &["--split", "holdout"]),
        2,
        &["manifest.csv", "\"holdout\"", "train, test", "--split"],
    );
    refused(&place, &run(&apart.replace("test", "exam"), &[]), 2, &["manifest.csv", "train, exam", "--split"]);
    tiles::write_u16(&place.path("tiles/void.tif"), 4, SIDE as u32, |_, _, _| 0);
    let (positives, negatives) = (["t0009", "t0011", "t0013", "t0015"], ["t0008", "t0010", "t0012", "t0014"]);
    let void = |manifest: &str, names: &[&str]| {
        let line = |(i, line): (usize, &str)| match names.iter().any(|name| line.contains(name)) {
            true => {
                std::fs::copy(place.path("tiles/void.tif"), place.path(&format!("tiles/void{i}.tif"))).unwrap();
                format!("tiles/void{i}.tif,{}\n", line.split_once(',').unwrap().1)
            }
            false => format!("{line}\n"),
        };
        manifest.lines().enumerate().map(line).collect::<String>()
    };
    refused(&place, &run(&void(&apart, &positives), &[]), 2, &["manifest.csv", "0 positives", "4", "abstained"]);
    let none = void(&apart, &[positives, negatives].concat());
    refused(&place, &run(&none, &[]), 2, &["manifest.csv", "abstained on all 8 tiles"]);
    succeed(&run(&apart, &[]));
    let despite = run(&leaky, &["--despite-leaks"]);
    assert_eq!(despite.status.code(), Some(4), "{}", text(&despite.stderr));
    let markdown = std::fs::read_to_string(place.path("report/report.md")).unwrap();
    assert!(markdown.contains("The figures are not valid"), "{markdown}");
}

#[test]
fn ten_positives_in_a_group_calibrate_nothing() {
    let place = Place::new();
    let few: String = table(0.5)
        .lines()
        .filter(|line| !(10..20).any(|i| line.contains(&format!("-{i}.tif"))))
        .map(|line| format!("{line}\n"))
        .collect();
    std::fs::write(place.path("few.csv"), few).unwrap();
    let output = place.run_subcommand(&["calibrate", "--scores", "few.csv", "--model", "model", "--out", "p.json"]);
    let said = text(&output.stderr);
    assert_eq!((output.status.code(), said.lines().count()), (Some(4), 1), "{said}");
    assert!(said.contains("11 positives") && said.contains("summer-clear 10"), "{said}");
    assert!(!place.path("p.json").exists());
}

#[test]
fn nothing_that_is_read_is_overwritten() {
    let place = desk();
    std::fs::create_dir(place.path("report")).unwrap();
    let files = [
        ("report.json", "new.csv", "--scores"),
        ("report.md", "calibration.csv", "--against"),
        ("report.html", "profile.json", "--profile"),
    ];
    for (output, input, flag) in files {
        std::fs::remove_dir_all(place.path("report")).unwrap();
        std::fs::create_dir(place.path("report")).unwrap();
        std::fs::hard_link(place.path(input), place.path("report").join(output)).unwrap();
        let before = std::fs::read(place.path(input)).unwrap();
        let run = evaluate(&place, &["--scores", "new.csv", "--against", "calibration.csv"]);
        let said = text(&run.stderr);
        assert_eq!(run.status.code(), Some(2), "{said}");
        assert!(said.contains(flag) && said.contains(output) && said.contains("the same file"), "{said}");
        assert_eq!(std::fs::read(place.path(input)).unwrap(), before);
    }
    let manifest = manifest(&place, |i| i);
    std::fs::write(place.path("scores-candidate.csv"), &manifest).unwrap();
    let usual = ["evaluate", "--model", "model", "--profile", "profile.json", "--engine", "tract"];
    let output = place.run_subcommand(&[&usual[..], &["--manifest", "scores-candidate.csv", "--out", "."]].concat());
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    assert_eq!(std::fs::read_to_string(place.path("scores-candidate.csv")).unwrap(), manifest);
}

#[test]
fn thresholds_from_the_measured_tiles_are_a_leak() {
    let place = desk();
    refused(&place, &evaluate(&place, &["--scores", "calibration.csv"]), 4, &["calibration.csv", "the thresholds of"]);
    let baseline = ["--baseline", "model", "--baseline-profile", "profile.json", "--baseline-scores", "old.csv"];
    let others = ["--calibration", "calibration.csv", "--baseline-calibration", "new.csv", "--scores", "new.csv"];
    refused(&place, &evaluate(&place, &[&baseline[..], &others].concat()), 4, &["measured", "calibration"]);
}

#[test]
fn a_report_does_not_outlive_the_run_that_is_refused_after_it() {
    let place = desk();
    succeed(&evaluate(&place, &["--scores", "new.csv"]));
    let one_class: String =
        table(0.5).lines().filter(|line| !line.contains(",0,")).map(|line| format!("{line}\n")).collect();
    assert_eq!(evaluate_table(&place, &one_class).status.code(), Some(2));
    assert!(!place.path("report/report.html").exists() && !place.path("report/report.json").exists());
}

#[test]
fn a_split_chooses_rows_of_a_table_of_scores_too() {
    let place = desk();
    let with = |split: &str, table: &str| {
        let rows = table.lines().skip(1).map(|line| format!("{line},{split}\n"));
        rows.collect::<String>()
    };
    let header = HEADER.replace("site\n", "site,split\n");
    // Sites of the two splits differ.
    let train = renamed(&table(0.5), "t-");
    let train: String = train
        .lines()
        .skip(1)
        .map(|line| line.rsplit_once(',').map(|(rest, site)| format!("{rest},t{site},train\n")).unwrap())
        .collect();
    std::fs::write(place.path("splits.csv"), format!("{header}{train}{}", with("measurement", &table(0.5)))).unwrap();
    for split in [&[][..], &["--split", "measurement"]] {
        succeed(&evaluate(&place, &[&["--scores", "splits.csv"], split].concat()));
        assert_eq!(report(&place.path("report"))["data"]["tiles"], 320);
    }
    std::fs::remove_dir_all(place.path("report")).unwrap();
    let none = evaluate(&place, &["--scores", "splits.csv", "--split", "exam"]);
    refused(&place, &none, 2, &["splits.csv", "exam", "train, measurement"]);
}

#[test]
fn a_verdict_of_few_positives_decides_nothing() {
    let place = desk();
    let few: String = table(0.9)
        .lines()
        .filter(|line| !(4..20).chain(50..80).any(|i| line.contains(&format!("-{i}.tif"))))
        .map(|line| format!("{line}\n"))
        .collect();
    succeed(&evaluate_table(&place, &few));
    let markdown = std::fs::read_to_string(place.path("report/report.md")).unwrap();
    assert!(
        markdown.contains("too few positives to say whether") && !markdown.contains("may be deployed**: every"),
        "{markdown}"
    );
    assert!(markdown.contains("No leak was looked for"), "{markdown}");
    // All alerts are right in every draw: no interval, and no demand on one is met.
    let demand = evaluate(&place, &["--scores", "scores.csv", "--require", "precision_lower>=0.5 in winter-clear"]);
    assert_eq!(demand.status.code(), Some(4), "{}", text(&demand.stderr));
}

#[test]
fn a_group_without_positives_is_shown_as_one_and_only_demands_on_it_are_refused() {
    let place = desk();
    let without: fn(&str, &str) -> bool = |line, group| line.starts_with(group) && line.contains(",1,");
    let lines = table(0.3);
    let kept = lines.lines().filter(|line| !without(line, "summer-clear"));
    std::fs::write(place.path("few.csv"), kept.map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    let demand = |demand: &str| evaluate(&place, &["--scores", "few.csv", "--require", demand]);
    for refused_demand in ["recall>=0.1 in every group", "f1>=0.1 in summer-clear", "accuracy>0 in summer-clear"] {
        let words = ["--require", refused_demand, "summer-clear", "few.csv has no positives"];
        refused(&place, &demand(refused_demand), 2, &words);
    }
    let both = ["--baseline", "model", "--baseline-profile", "profile.json", "--baseline-scores", "few.csv"];
    succeed(&evaluate(&place, &[&["--scores", "few.csv"], &both[..]].concat()));
    for met in ["f1>=0.1", "recall>=0.1 in winter-clear", "false_alarms<=1 in every group", "brier<1 in summer-clear"] {
        succeed(&demand(met));
    }
    let found = report(&place.path("report"));
    let own = &found["candidate"]["own"];
    let group = &own["groups"][0];
    assert_eq!((&group["group"], &group["recall"]["n"]), (&"summer-clear".into(), &0.into()));
    let undefined = [&group["recall"], &group["precision"], &group["f1"]].map(|figure| &figure["estimate"]);
    let undefined = undefined.into_iter().chain([&group["alerts_per_1000"], &group["accuracy"]]);
    assert!(undefined.into_iter().all(Value::is_null), "{group}");
    // Of all together: by hand from the table, at the thresholds of the profile.
    let scored = rows(place.path("few.csv").to_str().unwrap());
    let profile = json(&place.path("profile.json"));
    let threshold = |row: &BTreeMap<String, String>| {
        let name = format!("{}-{}", row["season"], row["cloud"]);
        let groups = profile["groups"].as_array().unwrap();
        groups.iter().find(|group| group["group"] == *name).unwrap()["threshold"].as_f64().unwrap()
    };
    let rate = |label: &str| {
        let of: Vec<_> = scored.iter().filter(|row| row["label"] == label).collect();
        let alerts = of.iter().filter(|row| row["score"].parse::<f32>().unwrap() >= threshold(row) as f32).count();
        alerts as f64 / of.len() as f64
    };
    let prevalence = 1.0 / 11.0;
    let (caught, alarms) = (prevalence * rate("1"), (1.0 - prevalence) * rate("0"));
    let f1 = 2.0 * caught / (caught + alarms + prevalence);
    assert!((own["all"]["f1"]["estimate"].as_f64().unwrap() - f1).abs() < 1e-6, "{f1}");
    assert_ne!(own["worst_group"], "summer-clear");
    let markdown = std::fs::read_to_string(place.path("report/report.md")).unwrap();
    assert!(markdown.contains("no positives") && !markdown.contains("NaN"), "{markdown}");
}

#[test]
fn models_of_other_classes_are_not_compared() {
    let place = desk();
    let output = evaluate(
        &place,
        &["--scores", "new.csv", "--baseline", &shipped("models/eurosat"), "--baseline-scores", "old.csv"],
    );
    refused(&place, &output, 2, &["--baseline", "AnnualCrop", "not the same task"]);
    let output = evaluate(&place, &["--manifest", "none.csv", "--baseline", "model", "--baseline-scores", "old.csv"]);
    refused(&place, &output, 2, &["--baseline-scores"]);
}
