use super::ramp::{colour_at, ink_on, luminance};
use super::scale::Scale;
use super::thin::thin;
use super::*;

fn labels(range: [f64; 2], log: bool) -> Vec<String> {
    Scale::new(range, log, [0.0, 300.0]).ticks_across().into_iter().map(|tick| tick.label).collect()
}

fn svg(plot: Plot) -> String {
    plot.draw().svg("plot").into_string()
}

#[test]
fn ticks_are_round_numbers() {
    assert_eq!(labels([0.0, 1.0], false), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
    assert_eq!(labels([0.53, 0.97], false), ["0.6", "0.7", "0.8", "0.9"]);
    assert_eq!(labels([-3.0, 4.0], false), ["−2", "0", "2", "4"]);
    assert_eq!(labels([0.0, 12_345.0], false), ["0", "5,000", "10,000"]);
    assert_eq!(labels([1e-4, 1.0], true), ["10⁻⁴", "10⁻³", "10⁻²", "10⁻¹", "1"]);
    assert_eq!(labels([0.01, 10.0], true), ["0.01", "0.1", "1", "10"]);
    assert_eq!(labels([0.02, 0.5], true), ["0.02", "0.05", "0.1", "0.2", "0.5"]);
}

#[test]
fn a_range_that_is_none_still_makes_a_scale() {
    for range in
        [[f64::NAN, 1.0], [1.0, 1.0], [2.0, 1.0], [f64::INFINITY, f64::NEG_INFINITY], [f64::MIN, f64::MAX], [-1.0, 0.0]]
    {
        for log in [false, true] {
            let scale = Scale::new(range, log, [0.0, 300.0]);
            assert!(!scale.ticks(5).is_empty(), "{range:?}, logarithmic: {log}");
            assert_eq!(scale.at(f64::NAN), None);
        }
    }
    assert_eq!(Scale::new([0.1, 1.0], true, [0.0, 300.0]).at(0.0), None);
}

#[test]
fn a_logarithmic_scale_puts_the_geometric_mean_in_the_middle() {
    let at = Scale::new([1e-4, 1.0], true, [0.0, 300.0]).at(1e-2).unwrap();
    assert!((at - 150.0).abs() < 1e-9);
}

#[test]
fn values_that_are_no_numbers_are_left_out() {
    let bad = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX];
    for value in bad {
        for plot in plots_with(value) {
            let drawn = svg(plot);
            assert!(!drawn.contains("NaN") && !drawn.contains("inf"), "{value}: {drawn}");
            roxmltree::Document::parse(&drawn).unwrap();
        }
    }
}

/// Every plot with `value` in every field that holds a number.
fn plots_with(value: f64) -> Vec<Plot> {
    let axis = |log| Axis { label: "axis".into(), range: [value, 1.0], log };
    let series = Series { points: vec![(value, 0.5), (0.1, 0.2), (0.5, value), (0.7, 0.9)], ..Series::default() };
    let lines = vec![Reference { at: value, label: "line".into(), vertical: true }];
    let marks = vec![Mark { x: value, y: 0.5, ..Mark::default() }];
    let cell = HeatCell { value, text: "cell".into(), muted: false };
    let row = ForestRow { estimate: value, interval: [0.1, value], ..ForestRow::default() };
    vec![
        Plot::Forest(Forest {
            rows: vec![row],
            line: Some((value, "line".into())),
            range: [0.0, value],
            ..Forest::default()
        }),
        Plot::Curves(Curves { series: vec![series], marks, x: axis(false), y: axis(true), lines }),
        Plot::Histogram(Histogram {
            series: vec![(String::new(), vec![value, 0.5])],
            edges: vec![0.0, value, 1.0],
            lines: vec![(value, "line".into())],
            ..Histogram::default()
        }),
        Plot::Reliability(Reliability {
            bins: vec![(0.5, value, [value, 0.5], 3), (value, 0.5, [0.4, 0.6], 0)],
            title: String::new(),
        }),
        Plot::Heat(Heat {
            rows: vec!["a".into()],
            columns: vec!["b".into()],
            cells: vec![vec![Some(cell)]],
            range: [0.0, value],
            ..Heat::default()
        }),
        Plot::Bars(Bars {
            categories: vec!["a".into()],
            series: vec![("b".into(), vec![value])],
            value_label: String::new(),
        }),
    ]
}

#[test]
fn plots_of_nothing_are_drawn() {
    let axis = || Axis { label: String::new(), range: [0.0, 0.0], log: true };
    let curves = Curves { series: vec![], marks: vec![], x: axis(), y: axis(), lines: vec![] };
    let plots = [
        Plot::Forest(Forest::default()),
        Plot::Curves(curves),
        Plot::Histogram(Histogram::default()),
        Plot::Reliability(Reliability::default()),
        Plot::Heat(Heat::default()),
        Plot::Bars(Bars::default()),
    ];
    for plot in plots {
        roxmltree::Document::parse(&svg(plot)).unwrap();
    }
}

#[test]
fn thinning_keeps_ends_and_a_lone_peak() {
    let wave = |i: u32| [f64::from(i) * 1e-3, 40.0 * (f64::from(i) * 1e-4).sin()];
    let mut points: Vec<[f64; 2]> = (0..300_000).map(wave).collect();
    points[123_456][1] = 200.0;
    let thinned = thin(&points, 500);
    assert!(thinned.len() <= 500);
    assert_eq!(thinned.first(), points.first());
    assert_eq!(thinned.last(), points.last());
    assert!(thinned.contains(&points[123_456]));
    // Half-way between the points kept, the line is within half a unit of the wave.
    let far = thinned.windows(2).filter(|pair| pair.iter().all(|point| point[1] < 100.0)).map(|pair| {
        let middle = [(pair[0][0] + pair[1][0]) / 2.0, (pair[0][1] + pair[1][1]) / 2.0];
        (middle[1] - 40.0 * (middle[0] / 10.0).sin()).abs()
    });
    assert!(far.fold(0.0, f64::max) < 0.5);
}

#[test]
fn a_long_curve_makes_a_small_file() {
    let points = (0..1_000_000).map(|i| (f64::from(i) / 1e6, f64::from(i).sin().abs())).collect();
    let axis = || Axis { label: "a".into(), range: [0.0, 1.0], log: false };
    let series = vec![Series { points, ..Series::default() }];
    let drawn = svg(Plot::Curves(Curves { series, marks: vec![], x: axis(), y: axis(), lines: vec![] }));
    assert!(drawn.len() < 12_000, "{} bytes", drawn.len());
}

#[test]
fn text_stands_out_on_every_colour_of_the_ramp() {
    for step in 0..=1000 {
        let colour = colour_at(f64::from(step) / 1000.0);
        let light = luminance(colour);
        let contrast = if ink_on(colour) == "on-dark" { 1.05 / (light + 0.05) } else { (light + 0.05) / 0.05 };
        assert!(contrast >= 4.5, "{colour:?}: {contrast}");
    }
    // WCAG 2.2: white has the luminance 1, black 0; sRGB red 0.2126.
    assert_eq!([luminance([255.0; 3]), luminance([0.0; 3])], [1.0, 0.0]);
    assert_eq!(luminance([255.0, 0.0, 0.0]), 0.2126);
}

#[test]
fn the_ramp_only_grows_darker() {
    let lights: Vec<f64> = (0..=100).map(|step| luminance(colour_at(f64::from(step) / 100.0))).collect();
    assert!(lights.windows(2).all(|pair| pair[1] < pair[0]));
}

#[test]
fn a_muted_cell_has_no_colour_of_its_own() {
    let cell = |muted| Some(HeatCell { value: 0.5, text: "0.50\nn = 3".into(), muted });
    let heat = Heat {
        rows: vec!["a".into()],
        columns: vec!["b".into(), "c".into()],
        cells: vec![vec![cell(true), cell(false)]],
        range: [0.0, 1.0],
        ..Heat::default()
    };
    let drawn = svg(Plot::Heat(heat));
    assert_eq!(drawn.matches(r#"<rect class="muted" x="#).count(), 1);
    assert_eq!(drawn.matches(">n = 3<").count(), 2);
}

#[test]
fn an_interval_beyond_the_range_ends_in_an_arrow() {
    let forest = |low| {
        let row = ForestRow { label: "a".into(), series: 0, estimate: 0.7, interval: [low, 0.9] };
        svg(Plot::Forest(Forest { rows: vec![row], range: [0.5, 1.0], ..Forest::default() }))
    };
    let strokes = |drawn: String| drawn.matches("<line class=\"line s0\"").count();
    assert_eq!(strokes(forest(0.6)) + 1, strokes(forest(0.4)));
}
