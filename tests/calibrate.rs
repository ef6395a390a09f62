//! Thresholds against published numbers and against exact rational arithmetic in Python.

mod common;

use std::fmt::Write;
use std::fs;
use std::process::Command;

use s2infer::calibrate::{CalibrateRequest, Calibration, Scores, Sites, calibrate};
use s2infer::decide::{Bounds, Decision, Group, ModelRef, Observation, Profile, Resolution, Rule, threshold_rule};
use s2infer::model::manifest::{Precision, Tta};
use s2infer::{Kind, Result};

fn request(rule: Rule, joint: bool) -> CalibrateRequest {
    CalibrateRequest {
        model: ModelRef { name: "construction".into(), sha256: "0".repeat(64), precision: Precision::Fp32 },
        preprocessing_version: "1".into(),
        tta: Tta::D4,
        rule,
        target_recall: 0.8,
        confidence: 0.9,
        joint,
        sites: Sites::Independent,
        unseen_region: false,
        spare_alarms: None,
        bounds: Bounds::default(),
        by_flags: true,
        command: "s2infer calibrate --scores scores.csv".into(),
        created: "2026-11-21T00:00:00Z".parse().unwrap(),
    }
}

fn scores(table: &str) -> Scores {
    Scores::parse(table.as_bytes(), "scores.csv", &Bounds::default()).unwrap()
}

fn group<'a>(calibration: &'a Calibration, name: &str) -> &'a Group {
    calibration.profile.group(name).unwrap_or_else(|| panic!("{name}"))
}

/// The generator of Numerical Recipes, as a number in 0..1.
struct Lcg(u32);

impl Lcg {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(self.0) / 4_294_967_296.0
    }
}

/// season, cloud, group, seed, positives, spread of the positives, spread of the negatives
type Recipe = (&'static str, &'static str, &'static str, u32, usize, f64, f64);

/// The worked example of the design notes on thresholds.
const FIXTURE: [Recipe; 5] = [
    ("summer", "clear", "", 11, 85, 0.6, 0.55),
    ("summer", "cloudy", "", 22, 60, 0.9, 0.75),
    ("winter", "clear", "", 33, 40, 0.8, 0.65),
    ("winter", "cloudy", "", 44, 14, 1.0, 0.85),
    ("winter", "cloudy", "tiny", 55, 9, 1.0, 0.85),
];

/// The fixture as a table; `print` decides how a score is written.
fn fixture(recipes: &[Recipe], print: impl Fn(f64) -> String) -> String {
    let mut table = "tile,label,score,season,cloud,group\n".to_owned();
    for (season, cloud, group, seed, n, c, c_negative) in recipes {
        let (mut positives, mut negatives) = (Lcg(*seed), Lcg(seed + 100));
        for i in 0..*n {
            let u = positives.next();
            writeln!(table, "{seed}/p{i}.tif,1,{},{season},{cloud},{group}", print(1.0 - c * u * u)).unwrap();
        }
        for i in 0..10 * n {
            let v = negatives.next();
            writeln!(table, "{seed}/n{i}.tif,0,{},{season},{cloud},{group}", print(c_negative * v * v * v)).unwrap();
        }
    }
    table
}

fn full(score: f64) -> String {
    format!("{score:?}")
}

#[test]
fn exact_thresholds_are_those_of_the_worked_example() {
    let calibration = calibrate(&scores(&fixture(&FIXTURE, full)), &request(Rule::Exact, false)).unwrap();
    let wanted = [
        ("summer-clear", 12, 0.639124818, 0.8706, 0.9373),
        ("summer-cloudy", 8, 0.353855162, 0.8833, 0.9330),
        ("winter-clear", 5, 0.371234382, 0.9000, 0.9241),
        ("winter-cloudy", 1, 0.096044151, 1.0, 0.9560),
    ];
    for (name, rank, threshold, recall, confidence) in wanted {
        let group = group(&calibration, name);
        assert_eq!((group.rank, group.feasible), (Some(rank), true), "{name}");
        assert!((group.threshold - threshold).abs() < 1e-9, "{name}: {}", group.threshold);
        assert!((group.recall.unwrap() - recall).abs() < 5e-5, "{name}");
        assert!((group.confidence.unwrap() - confidence).abs() < 5e-5, "{name}");
    }
    let tiny = group(&calibration, "tiny");
    assert_eq!((tiny.rank, tiny.feasible, tiny.confidence), (None, false, None));
    assert_eq!((tiny.n_positives, tiny.n_positives_needed), (9, Some(11)));
    // Inherited from all: no higher than the lowest feasible group.
    assert_eq!(tiny.threshold, group(&calibration, "winter-cloudy").threshold);
    assert_eq!(tiny.inherited_from.as_deref(), Some("all"));
}

#[test]
fn alerts_at_the_exact_thresholds_are_those_of_the_worked_example() {
    let scores = scores(&fixture(&FIXTURE[..4], full));
    for (joint, wanted) in
        [(false, [(74, 0), (53, 131), (36, 69), (14, 68)]), (true, [(76, 0), (55, 172), (38, 71), (0, 0)])]
    {
        let calibration = calibrate(&scores, &request(Rule::Exact, joint)).unwrap();
        for (group, wanted) in calibration.profile.groups.iter().zip(wanted).filter(|(group, _)| group.feasible) {
            let alerts = |positive: bool| {
                let of = scores.rows.iter().filter(|row| *row.group == *group.group && row.positive == positive);
                of.filter(|row| row.score >= group.threshold).count()
            };
            assert_eq!((alerts(true), alerts(false)), wanted, "{} joint {joint}", group.group);
        }
    }
}

#[test]
fn joint_thresholds_are_those_of_the_worked_example() {
    let calibration = calibrate(&scores(&fixture(&FIXTURE[..4], full)), &request(Rule::Exact, true)).unwrap();
    assert!((1.0 - calibration.profile.group_confidence.unwrap() - 0.025996).abs() < 1e-6);
    for (name, rank, threshold) in
        [("summer-clear", 10, 0.618795488), ("summer-cloudy", 6, 0.267772031), ("winter-clear", 3, 0.357900388)]
    {
        let group = group(&calibration, name);
        assert_eq!(group.rank, Some(rank), "{name}");
        assert!((group.threshold - threshold).abs() < 1e-9, "{name}");
    }
    let cloudy = group(&calibration, "winter-cloudy");
    assert_eq!((cloudy.feasible, cloudy.n_positives_needed), (false, Some(17)));
    assert_eq!(cloudy.inherited_from.as_deref(), Some("cloudy"));
    assert!(cloudy.threshold <= group(&calibration, "summer-cloudy").threshold);
}

#[test]
fn mean_thresholds_are_those_of_the_worked_example() {
    let calibration = calibrate(&scores(&fixture(&FIXTURE, full)), &request(Rule::Mean, false)).unwrap();
    for (name, rank, threshold) in [
        ("summer-clear", 17, 0.678263345),
        ("summer-cloudy", 12, 0.387283444),
        ("winter-clear", 8, 0.421660213),
        ("winter-cloudy", 3, 0.205684181),
        ("tiny", 2, 0.504711978),
    ] {
        let group = group(&calibration, name);
        assert_eq!(group.rank, Some(rank), "{name}");
        assert!((group.threshold - threshold).abs() < 1e-9, "{name}");
        assert!(group.confidence.unwrap() < 0.7, "{name}: the mean rule is no guarantee");
    }
    assert_eq!(calibration.profile.confidence, None);
    assert_eq!(
        calibrate(&scores(&fixture(&FIXTURE, full)), &request(Rule::Mean, true)).unwrap_err().kind(),
        Kind::Usage
    );
}

/// A run compares f32 scores with the threshold as f32: the positive that set the threshold is caught, however
/// its score was written.
#[test]
fn the_positive_at_the_threshold_is_caught_in_a_run() {
    let shortest_f32 = |score: f64| format!("{:?}", score as f32);
    for print in [&full as &dyn Fn(f64) -> String, &shortest_f32] {
        let scores = scores(&fixture(&FIXTURE[..4], print));
        let calibration = calibrate(&scores, &request(Rule::Exact, false)).unwrap();
        let profile = Profile::parse(calibration.to_json().as_bytes(), "profile.json").unwrap();
        assert_eq!(profile.groups, calibration.profile.groups);
        for group in &profile.groups {
            let resolution = profile.resolve(&group.group.parse().unwrap(), &Observation::default()).unwrap();
            let Resolution::Threshold { threshold, guaranteed: true, .. } = resolution else {
                panic!("{resolution:?}")
            };
            let positives = scores.rows.iter().filter(|row| row.positive && *row.group == *group.group);
            let (mut caught, mut ties) = (0, 0);
            for row in positives {
                let score = row.score as f32;
                caught += usize::from(threshold_rule(score, threshold) == Decision::Positive);
                ties += usize::from(score == threshold);
            }
            assert_eq!(ties, 1);
            assert_eq!(caught as f64 / group.n_positives as f64, group.recall.unwrap(), "{}", group.group);
        }
    }
}

/// The whole calibration again in Python: ranks by exact rational arithmetic, back-off from its definition.
const INDEPENDENT: &str = r#"
import csv, json, math, sys
from decimal import Decimal, getcontext
from fractions import Fraction as F
from itertools import accumulate
getcontext().prec = 60
table, profile, recall, confidence, rule, joint = sys.argv[1:]
r, delta = F(recall), 1 - F(confidence)
rows = list(csv.DictReader(open(table)))
names = ["summer-clear", "summer-cloudy", "winter-clear", "winter-cloudy"]
scores = {n: [] for n in names}
for row in rows:
    if row["label"] == "1":
        scores[row["season"] + "-" + row["cloud"]].append(float(row["score"]))
if joint == "true":
    present = sum(1 for s in scores.values() if s)
    delta = F(1 - (1 - Decimal(delta.numerator) / Decimal(delta.denominator)) ** (Decimal(1) / present))

def cdfs(n):
    return list(accumulate(math.comb(n, i) * (1 - r) ** i * r ** (n - i) for i in range(n + 1)))

def choose(s):
    s, n = sorted(s), len(s)
    cdf = cdfs(n)
    if rule == "mean":
        j = math.floor((1 - r) * (n + 1))
    else:
        j = max([j for j in range(1, n + 1) if cdf[j - 1] <= delta], default=0)
    return (j, s[j - 1], float(1 - cdf[j - 1])) if 1 <= j <= n else None

chosen = {n: choose(s) for n, s in scores.items()}
if not any(chosen.values()):
    print("refused")
    sys.exit()
for group in json.load(open(profile))["groups"]:
    name, s = group["group"], scores[group["group"]]
    assert group["n_positives"] == len(s)
    if chosen[name]:
        j, t, c = chosen[name]
        assert (group["rank"], group["threshold"], group["feasible"]) == (j, t, True), (group, chosen[name])
        assert abs(group["confidence"] - c) < 1e-9, (group, c)
    else:
        for parent, members in [(name.split("-")[1], [n for n in names if n.split("-")[1] == name.split("-")[1]]), ("all", names)]:
            pooled = choose([x for n in members for x in scores[n]])
            if pooled:
                break
        t = min([pooled[1]] + [chosen[n][1] for n in members if chosen[n]])
        assert (group["rank"], group["threshold"], group["feasible"]) == (None, t, False), (group, t)
        assert group["inherited_from"] == parent and group["confidence"] is None
    if s:
        assert group["recall"] == sum(x >= t for x in s) / len(s), group
print("equal")
"#;

#[test]
fn thresholds_are_those_of_exact_rational_arithmetic() {
    let Some(python) = common::python() else {
        return common::skip_or_fail("Python");
    };
    let folder = tempfile::tempdir().unwrap();
    let (table, profile) = (folder.path().join("scores.csv"), folder.path().join("profile.json"));
    let mut random = Lcg(2026);
    let mut refused = 0;
    for case in 0..24 {
        let recipes: Vec<Recipe> = FIXTURE[..4]
            .iter()
            .map(|&(season, cloud, group, seed, n, c, c_negative)| {
                let n = (n as f64 * 2.0 * random.next() * random.next()) as usize;
                (season, cloud, group, seed + 7 * case, n, c, c_negative)
            })
            .collect();
        // Two decimals make ties.
        let text = fixture(&recipes, |score| if case % 2 == 0 { format!("{score:.2}") } else { full(score) });
        if recipes.iter().all(|recipe| recipe.4 == 0) {
            continue;
        }
        fs::write(&table, &text).unwrap();
        let (recall, confidence) = [("0.8", "0.9"), ("0.75", "0.95"), ("0.9", "0.8")][case as usize % 3];
        let (rule, joint) = [(Rule::Exact, false), (Rule::Exact, true), (Rule::Mean, false)][case as usize / 2 % 3];
        let request = CalibrateRequest {
            target_recall: recall.parse().unwrap(),
            confidence: confidence.parse().unwrap(),
            ..request(rule, joint)
        };
        let outcome = calibrate(&Scores::read(&table, &request.bounds).unwrap(), &request);
        if let Ok(calibration) = &outcome {
            fs::write(&profile, calibration.to_json()).unwrap();
        }
        let rule = if rule == Rule::Exact { "exact" } else { "mean" };
        let mut command = Command::new(&python);
        command.arg("-c").arg(INDEPENDENT).args([&table, &profile]);
        let output = command.args([recall, confidence, rule, &joint.to_string()]).output().unwrap();
        assert!(output.status.success(), "case {case}: {}", String::from_utf8_lossy(&output.stderr));
        let expected = if outcome.is_ok() { "equal" } else { "refused" };
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), expected, "case {case}");
        refused += usize::from(outcome.is_err());
    }
    assert!(refused < 12, "too few cases say anything");
}

#[test]
fn too_few_positives_in_every_group_are_refused_with_the_number_needed() {
    let error = calibrate(&scores(&fixture(&FIXTURE[4..], full)), &request(Rule::Exact, false)).unwrap_err();
    assert_eq!((error.kind(), error.exit_code()), (Kind::Refused, 4));
    assert!(error.to_string().contains("11 positives") && error.to_string().contains("tiny 9"), "{error}");
}

/// Eleven positives of a group, which are just enough.
fn eleven(head: &str, row: impl Fn(usize) -> String) -> String {
    (0..11).fold(format!("{head}\n"), |table, i| table + &row(i) + "\n")
}

#[test]
fn columns_may_come_in_any_order_and_say_clouds_in_percent() {
    let table =
        eleven("score, extra ,CLOUD,label,season,tile", |i| format!("0.{}, x,9.5 ,true,winter,{i}.tif", i + 10));
    let read = scores(&("\u{feff}".to_owned() + &table + "0.1,x,80,1,winter,z.tif\n0.1,x,10,negative,summer,y.tif\n"));
    assert_eq!((read.rows.len(), read.n_overcast), (12, 1));
    assert_eq!(&*read.rows[11].group, "summer-cloudy");
    let calibration = calibrate(&read, &request(Rule::Exact, false)).unwrap();
    assert_eq!(group(&calibration, "winter-clear").threshold, 0.1);
    assert!(
        calibration.warnings.iter().any(|warning| warning.contains("1 rows left out")),
        "{:?}",
        calibration.warnings
    );
    // Groups without positives are there, so that every tile finds a threshold.
    let empty = group(&calibration, "winter-cloudy");
    assert_eq!((empty.n_positives, empty.recall, empty.feasible, empty.threshold), (0, None, false, 0.1));
}

#[test]
fn several_positives_of_a_site_are_warned_of() {
    let table = eleven("tile,label,score,season,cloud,site", |i| format!("{i}.tif,1,0.5,winter,clear,site{}", i % 3));
    let calibration = calibrate(&scores(&table), &request(Rule::Exact, false)).unwrap();
    assert_eq!(group(&calibration, "winter-clear").n_sites, Some(3));
    assert_eq!(calibration.profile.scores.n_sites, Some(3));
    let warning = &calibration.warnings[0];
    assert!(warning.contains("11 positives from 3 sites") && warning.contains("count as 6"), "{warning}");

    let alone = eleven("tile,label,score,season,cloud,site", |i| format!("{i}.tif,1,0.5,winter,clear,site{i}"));
    assert_eq!(calibrate(&scores(&alone), &request(Rule::Exact, false)).unwrap().warnings, [""; 0]);
}

#[test]
fn a_joint_confidence_over_groups_that_share_tiles_is_warned_of() {
    let rows = |sky: &str| eleven("", |i| format!("{i}.tif,1,0.5,winter,{sky}")).trim().to_owned() + "\n";
    let table = "tile,label,score,season,cloud\n".to_owned() + &rows("clear") + &rows("cloudy");
    let request = CalibrateRequest { target_recall: 0.7, ..request(Rule::Exact, true) };
    let calibration = calibrate(&scores(&table), &request).unwrap();
    assert!(calibration.warnings[0].contains("11 sites or tiles have positives in several groups"));
}

#[test]
fn a_wrong_table_is_refused_with_its_line() {
    let parse = |table: &str| -> Result<Scores> { Scores::parse(table.as_bytes(), "scores.csv", &Bounds::default()) };
    let head = "tile,label,score,season,cloud\na.tif,1,0.5,winter,clear\n";
    for (row, words) in [
        ("b.tif,1,NaN,winter,clear", "score"),
        ("b.tif,1,inf,winter,clear", "score"),
        ("b.tif,1,1.0001,winter,clear", "score"),
        ("b.tif,1,-0.1,winter,clear", "score"),
        ("b.tif,1,,winter,clear", "score"),
        ("b.tif,2,0.5,winter,clear", "label"),
        ("b.tif,1,0.5,autumn,clear", "season"),
        ("b.tif,1,0.5,winter,overcast", "cloud"),
        ("b.tif,1,0.5,winter,101", "cloud cover"),
        ("b.tif,1,0.5,winter,nan", "cloud cover"),
        ("b.tif,1,0.5,,clear", "season"),
        ("b.tif,1,0.5,winter,", "cloud"),
        ("b.tif,1,0.5,winter", "not CSV"),
    ] {
        let error = parse(&format!("{head}{row}\n")).unwrap_err();
        assert_eq!(error.kind(), Kind::Usage, "{row}");
        assert!(error.to_string().contains("line") && error.to_string().contains('3'), "{row}: {error}");
        assert!(error.to_string().contains(words), "{row}: {error}");
    }
    for table in [
        "",
        "\n",
        "tile,label,score,season,cloud\n",
        "tile,label,season,cloud\na,1,winter,clear\n",
        "tile,label,score,season\na,1,0.5,winter\n",
        "tile,label,score,score,season,cloud\na,1,0.5,0.5,winter,clear\n",
        "tile,label,score,group\na,1,0.5,auto\n",
        "tile,label,score,season,cloud\na,1,0.5,winter,90\n",
        "\u{0}\u{1}",
    ] {
        assert_eq!(parse(table).unwrap_err().kind(), Kind::Usage, "{table:?}");
    }
    assert_eq!(parse(&(head.to_owned() + "b\u{0}")).unwrap_err().kind(), Kind::Usage);
    assert!(Scores::parse(b"tile,label,score\n\xff,\xff,\xff\n", "x", &Bounds::default()).is_err());
}

#[test]
fn a_target_that_is_no_share_is_a_usage_error() {
    let scores = scores(&fixture(&FIXTURE[..1], full));
    for wrong in [0.0, 1.0, 80.0, -0.5, f64::NAN] {
        for request in [
            CalibrateRequest { target_recall: wrong, ..request(Rule::Exact, false) },
            CalibrateRequest { confidence: wrong, ..request(Rule::Exact, false) },
        ] {
            assert_eq!(calibrate(&scores, &request).unwrap_err().kind(), Kind::Usage, "{wrong}");
        }
    }
}

#[test]
fn the_text_says_everything_that_the_profile_does() {
    let calibration = calibrate(&scores(&fixture(&FIXTURE, full)), &request(Rule::Exact, false)).unwrap();
    let text = calibration.to_text();
    assert!(text.lines().next().unwrap().starts_with("group"));
    assert!(text.contains("summer-clear") && text.contains("0.639125") && text.contains("0.8706"), "{text}");
    assert!(text.contains("no guarantee: inherited from all, needs 11"), "{text}");
    assert!(text.contains("With a confidence of 90 % for each feasible group by itself, at least 80 %"), "{text}");
}

// scipy 1.17: with 17 sites of 10 positives and a correlation of 0.3 the design effect is 3.7 and 170 positives count as
// 45; binom.cdf(5, 45, 0.2) = 0.0902 and binom.cdf(6, 45, 0.2) = 0.1768, so rank 6 of 45, and floor(170 × 6 / 45) = 22.
#[test]
fn correlated_positives_count_as_fewer_and_the_profile_says_so() {
    let mut table = String::from("tile,label,score,season,cloud,site\n");
    for index in 0..170 {
        let (score, site) = (f64::from(index + 1) / 200.0, index % 17);
        table += &format!("t{index},1,{score},summer,clear,site-{site}\n");
    }
    let scores = scores(&table);
    let of = |sites| {
        let request = CalibrateRequest { sites, ..request(Rule::Exact, false) };
        calibrate(&scores, &request).unwrap().profile
    };
    let (independent, correlated) = (of(Sites::Independent), of(Sites::Correlation(0.3)));
    // binom.cdf(26, 170, 0.2) = 0.0719, binom.cdf(27, 170, 0.2) = 0.1041
    assert_eq!(independent.groups[0].rank, Some(27));
    assert_eq!(correlated.groups[0].rank, Some(22));
    assert_eq!(correlated.groups[0].threshold, 22.0 / 200.0);
    assert!((correlated.groups[0].confidence.unwrap() - (1.0 - 0.0902)).abs() < 1e-4);
    assert_eq!(correlated.site_correlation, Some(0.3));
    assert!(correlated.guarantee.contains("0.3") && correlated.warnings.is_empty(), "{:?}", correlated.warnings);
    assert!(independent.warnings[0].contains("--site-correlation"));
    let everything_alike = CalibrateRequest { sites: Sites::Correlation(1.5), ..request(Rule::Exact, false) };
    assert!(calibrate(&scores, &everything_alike).is_err());
}

// 20 positives at 0.05, 0.10, … 1.00; 100 negatives at 0.52 and at 0.002, 0.004, … 0.198.
#[test]
fn spare_alarms_lower_a_threshold_to_where_negatives_begin() {
    let mut table = String::from("tile,label,score,season,cloud\n");
    (1..=20).for_each(|i| table += &format!("p{i},1,{},summer,clear\n", f64::from(i) / 20.0));
    for i in 0..100 {
        let score = if i == 0 { 0.52 } else { 0.002 * f64::from(i) };
        table += &format!("n{i},0,{score},summer,clear\n");
    }
    let with = |rule, spare_alarms| CalibrateRequest { spare_alarms, ..request(rule, false) };
    let of = |table: &str, spare| calibrate(&scores(table), &with(Rule::Exact, spare)).unwrap().profile;
    let rule = of(&table, None);
    assert_eq!((rule.groups[0].rank, rule.groups[0].threshold), (Some(2), 0.1));
    // Half of the negatives alert at the rule's own threshold: it stays.
    assert_eq!(of(&table, Some(0.01)).groups, rule.groups);

    // Positives from 0.905 on: the lowest is above all negatives.
    let high = table.replace(",1,0.", ",1,0.9");
    let (rule, spared) = (of(&high, None), of(&high, Some(0.0)));
    assert_eq!((rule.groups[0].rank, spared.groups[0].rank), (Some(2), Some(1)));
    assert_eq!(spared.groups[0].threshold, 0.905);
    assert_eq!((&spared.guarantee, spared.groups[0].confidence), (&rule.guarantee, rule.groups[0].confidence));
    assert_eq!((rule.spare_alarms, spared.spare_alarms), (None, Some(0.0)));
    for (rule, spare) in [(Rule::Exact, 1.0), (Rule::Exact, -0.1), (Rule::Exact, f64::NAN), (Rule::Budget, 0.01)] {
        let message = calibrate(&scores(&table), &with(rule, Some(spare))).unwrap_err().to_string();
        assert!(message.contains("--spare-alarms"), "{message}");
    }
}

/// 17 sites with ten positives each; the k-th positive of a site has rank 17 k + site.
fn of_sites() -> String {
    let mut table = String::from("tile,label,score,season,cloud,site\n");
    for index in 0..170 {
        let (score, site) = (f64::from(index + 1) / 200.0, index % 17);
        table += &format!("t{index},1,{score},summer,clear,site-{site}\n");
    }
    table
}

// BinCDF(0; 17, 0.2) = 0.0225, BinCDF(1; 17, 0.2) = 0.1182: rank 1 of 17.
#[test]
fn one_positive_of_each_site_is_chosen_by_its_name_and_not_by_its_score() {
    let request = CalibrateRequest { sites: Sites::OnePerSite, ..request(Rule::Exact, false) };
    let of = |table: &str| calibrate(&scores(table), &request).unwrap().profile;
    let profile = of(&of_sites());
    assert_eq!((profile.groups[0].n_positives, profile.groups[0].rank), (17, Some(1)));
    assert!(profile.guarantee.contains("sites, of each of which one positive was taken"));
    // Scores turned round: the same tiles, so the score at rank 1 is that of the other end.
    let turned = of_sites().lines().enumerate().fold(String::new(), |text, (i, line)| {
        let cells: Vec<&str> = line.split(',').collect();
        let score = if i == 0 { "score".into() } else { (1.0 - cells[2].parse::<f64>().unwrap()).to_string() };
        text + &format!("{},{},{score},{},{},{}\n", cells[0], cells[1], cells[3], cells[4], cells[5])
    });
    let turned = of(&turned);
    assert_eq!(turned.groups[0].n_positives, 17);
    assert_ne!(turned.groups[0].threshold, 1.0 - profile.groups[0].threshold, "the highest and not the lowest");
    assert!(turned.groups[0].threshold < 0.4);
}

#[test]
fn a_measured_correlation_counts_as_if_it_were_given() {
    // Two kinds of sites, low and high scores: positives of one site are alike.
    let mut table = String::from("tile,label,score,season,cloud,site\n");
    for index in 0..200 {
        let (site, within) = (index % 20, f64::from(index / 20) / 40.0);
        let score = if site % 2 == 0 { 0.2 + within } else { 0.6 + within };
        table += &format!("t{index},1,{score},winter,clear,site-{site}\n");
    }
    let of = |sites| calibrate(&scores(&table), &CalibrateRequest { sites, ..request(Rule::Exact, false) }).unwrap();
    let measured = group(&of(Sites::MeasuredCorrelation), "winter-clear").clone();
    let correlation = measured.intraclass_correlation.unwrap();
    assert!(correlation > 0.5, "{correlation}");
    let given = group(&of(Sites::Correlation(correlation)), "winter-clear").clone();
    assert_eq!((measured.rank, measured.threshold), (given.rank, given.threshold));
    let independent = group(&of(Sites::Independent), "winter-clear").clone();
    assert!(measured.threshold < independent.threshold);
    assert!(of(Sites::Independent).to_text().contains(&format!("{correlation:.2}")), "the correlation is printed");
}

fn regions(number: usize) -> String {
    let row = |index: usize| {
        let (region, score) = (index % number, 0.1 + 0.05 * (index % number) as f64 + 0.001 * index as f64);
        format!("t{index},1,{score},summer,clear,region-{region}\n")
    };
    let rows: String = (0..20 * number).map(row).collect();
    format!("tile,label,score,season,cloud,region\n{rows}")
}

// Nine regions: rank floor(0.1 × 10) = 1, the lowest of the regions' own thresholds.
#[test]
fn nine_regions_bear_a_threshold_for_a_tenth_and_eight_do_not() {
    let request = CalibrateRequest { unseen_region: true, ..request(Rule::Exact, false) };
    let profile = calibrate(&scores(&regions(9)), &request).unwrap().profile;
    let unseen = profile.unseen_region.clone().unwrap();
    assert_eq!((unseen.n_regions, unseen.rank), (9, 1));
    // Region 0 has the lowest scores; of 20 positives the exact rule takes the second: index 9.
    assert!((unseen.threshold - (0.1 + 0.009)).abs() < 1e-12, "{unseen:?}");
    let lowered = profile.for_unseen_region().unwrap();
    assert!(lowered.groups.iter().all(|group| group.threshold <= unseen.threshold));
    let error = calibrate(&scores(&regions(8)), &request).unwrap_err();
    assert_eq!(error.kind(), Kind::Refused);
    assert!(error.to_string().contains("needs 9 such regions"), "{error}");
    let without = calibrate(&scores(&of_sites()), &CalibrateRequest { unseen_region: false, ..request }).unwrap();
    assert_eq!(without.profile.for_unseen_region().unwrap_err().kind(), Kind::Refused);
}

// scikit-learn's LogisticRegression without penalty on the log-odds (fixture of the statistics): 1.195340, -0.403122.
#[test]
fn scores_become_probabilities_by_platts_map_fitted_to_other_tiles() {
    let negatives = [0.02, 0.05, 0.07, 0.10, 0.12, 0.15, 0.18, 0.22, 0.25, 0.28, 0.33, 0.40, 0.45, 0.55, 0.62, 0.71];
    let positives = [0.18, 0.36, 0.52, 0.64, 0.73, 0.81, 0.90, 0.95];
    let row = |label: u8, score: &f64| format!("{label},{score},summer,clear\n");
    let rows: String = negatives.iter().map(|s| row(0, s)).chain(positives.iter().map(|s| row(1, s))).collect();
    let folder = tempfile::tempdir().unwrap();
    let (table, other, out) =
        (folder.path().join("p.csv"), folder.path().join("s.csv"), folder.path().join("profile.json"));
    fs::write(&table, format!("label,score,season,cloud\n{rows}")).unwrap();
    fs::write(&other, of_sites()).unwrap();
    let run = |scores: &std::path::Path| {
        Command::new(env!("CARGO_BIN_EXE_s2infer"))
            .args(["calibrate", "--probability", "platt", "--scores"])
            .arg(scores)
            .arg("--probability-scores")
            .arg(&table)
            .arg("--out")
            .arg(&out)
            .output()
            .unwrap()
    };
    assert!(run(&other).status.success());
    let profile = Profile::parse(&fs::read(&out).unwrap(), "profile.json").unwrap();
    let probability = profile.probability.unwrap();
    assert!((probability.a - 1.195_340).abs() < 1e-5 && (probability.c + 0.403_122).abs() < 1e-5, "{probability:?}");
    assert_eq!(probability.a, probability.b);
    let same = run(&table);
    assert_eq!(same.status.code(), Some(4), "8 positives calibrate nothing");
}

fn run(folder: &std::path::Path, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_s2infer"));
    let output = command.current_dir(folder).arg("calibrate").args(arguments).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn outputs_replace_nothing_that_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let scores = eleven("tile,label,score,season,cloud", |i| format!("{i}.tif,1,0.{i:02},summer,clear"));
    std::fs::write(path("scores.csv"), &scores).unwrap();
    std::fs::write(path("tile.tif"), "pixels").unwrap();
    std::fs::write(path("manifest.csv"), "path,label,season,cloud\ntile.tif,1,summer,clear\n").unwrap();
    std::fs::write(path("table.csv"), "tile,date,cloud_cover\n").unwrap();
    for (arguments, flag) in [
        (&["--scores", "scores.csv", "--scores-out", "scores.csv"][..], "--scores"),
        (&["--manifest", "manifest.csv", "--scores-out", "manifest.csv"], "--manifest"),
        (&["--manifest", "manifest.csv", "--scores-out", "tile.tif"], "the tile"),
        (&["--manifest", "manifest.csv", "--out", "tile.tif"], "the tile"),
        (&["--manifest", "manifest.csv", "--metadata", "table.csv", "--out", "table.csv"], "--metadata"),
    ] {
        let (code, said) = run(folder.path(), arguments);
        assert_eq!(code, Some(2), "{arguments:?}: {said}");
        assert!(said.contains(flag) && said.contains("the same file"), "{said}");
    }
    assert_eq!(std::fs::read_to_string(path("scores.csv")).unwrap(), scores);
    assert_eq!(std::fs::read_to_string(path("tile.tif")).unwrap(), "pixels");
}

#[test]
fn sites_that_nobody_states_are_no_sites() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let table = |site: &dyn Fn(usize) -> String| {
        let row = |i: usize| format!("{i}.tif,1,0.{:02},summer,clear,{}\n", 20 + i % 70, site(i));
        format!("tile,label,score,season,cloud,site\n{}", (0..60).map(row).collect::<String>())
    };
    std::fs::write(path("none.csv"), table(&|_| String::new())).unwrap();
    for option in [&["--one-per-site"][..], &["--site-correlation", "0.3"]] {
        let (code, said) = run(folder.path(), &[&["--scores", "none.csv"], option].concat());
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("none.csv") && said.contains("no positive states a site"), "{said}");
    }
    // Four sites bear no correlation that is measured: each counts as one positive, and four are too few.
    std::fs::write(path("few.csv"), table(&|i| (i % 4).to_string())).unwrap();
    let (code, said) = run(folder.path(), &["--scores", "few.csv", "--site-correlation", "measured"]);
    assert_eq!(code, Some(4), "{said}");
    std::fs::write(path("many.csv"), table(&|i| (i / 2).to_string())).unwrap();
    assert_eq!(run(folder.path(), &["--scores", "many.csv", "--site-correlation", "measured"]).0, Some(0));
    // Neighbours in the table score alike, so that pairs are correlated by nearly 1.
    let calibration = calibrate(
        &scores(&std::fs::read_to_string(path("many.csv")).unwrap()),
        &CalibrateRequest { sites: Sites::Correlation(0.1), ..request(Rule::Exact, false) },
    );
    let warnings = calibration.unwrap().warnings;
    assert!(warnings.iter().any(|warning| warning.contains("measured correlation of 1.00")), "{warnings:?}");
}

#[test]
fn a_model_of_ten_classes_needs_the_class_that_is_meant() {
    let folder = tempfile::tempdir().unwrap();
    let scores = eleven("tile,label,score,season,cloud", |i| format!("{i}.tif,1,0.{i:02},summer,clear"));
    std::fs::write(folder.path().join("scores.csv"), scores).unwrap();
    let eurosat = format!("{}/models/eurosat", env!("CARGO_MANIFEST_DIR"));
    let (code, said) = run(folder.path(), &["--scores", "scores.csv", "--model", &eurosat]);
    assert_eq!((code, said.contains("give --class NAME")), (Some(2), true), "{said}");
}
