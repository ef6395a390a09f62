use super::*;

const SIDE: usize = 64;
const PLANE: usize = SIDE * SIDE;
const MEADOW: [f32; 3] = [0.06, 0.10, 0.09];
const CONCRETE: [f32; 3] = [0.25, 0.24, 0.23];

fn patch(levels: [f32; 3]) -> Vec<f32> {
    levels.iter().flat_map(|level| vec![*level; PLANE]).collect()
}

fn rendered(levels: [f32; 3], latitude: f32, season: Season, sky: Sky, seed: u64) -> (Vec<f32>, Conditions, Outcome) {
    let mut rng = rng(seed, "patch", season, sky);
    let conditions = Conditions::draw(season, sky, &mut rng);
    let mut bands = patch(levels);
    let outcome = render(&mut bands, SIDE, latitude, &conditions, &mut rng);
    (bands, conditions, outcome)
}

fn mean(values: &[f32]) -> f32 {
    values.iter().sum::<f32>() / values.len() as f32
}

fn band_means(bands: &[f32]) -> [f32; 3] {
    [0, 1, 2].map(|band| mean(&bands[band * PLANE..(band + 1) * PLANE]))
}

#[test]
fn a_clear_summer_changes_by_noise_alone() {
    let (bands, _, outcome) = rendered([0.05, 0.08, 0.09], 48.0, Season::Summer, Sky::Clear, 1);
    for (mean, level) in band_means(&bands).into_iter().zip([0.05, 0.08, 0.09]) {
        assert!((mean - level).abs() < 1e-4);
    }
    assert!(bands.iter().zip(patch([0.05, 0.08, 0.09])).all(|(value, level)| (value - level).abs() < 0.01));
    assert_eq!((outcome.visible_share, outcome.snow_cover), (1.0, 0.0));
}

#[test]
fn the_same_seed_gives_the_same_pixels_and_another_seed_others() {
    let of = |seed| rendered([0.05, 0.08, 0.09], 48.0, Season::Winter, Sky::Cloudy, seed);
    assert_eq!(of(1), of(1));
    assert_ne!(of(1).0, of(2).0);
}

#[test]
fn winter_darkens_bright_ground_and_browns_green() {
    for seed in (0..40).filter(|seed| rendered(MEADOW, 48.0, Season::Winter, Sky::Clear, *seed).2.snow_cover == 0.0) {
        let [red, _, _] = band_means(&rendered(CONCRETE, 48.0, Season::Winter, Sky::Clear, seed).0);
        assert!((0.12..0.27).contains(&red), "{red}");
        let [red, green, _] = band_means(&rendered(MEADOW, 48.0, Season::Winter, Sky::Clear, seed).0);
        assert!(red / green > MEADOW[0] / MEADOW[1]);
    }
}

#[test]
fn snow_is_rarer_in_the_south_whitens_land_and_spares_the_sea() {
    let snowy = |latitude| {
        (0..60)
            .filter(|seed| rendered(CONCRETE, latitude, Season::Winter, Sky::Clear, *seed).2.snow_cover > 0.0)
            .count()
    };
    assert!(snowy(37.0) < 8 && snowy(60.0) > 18, "{} and {}", snowy(37.0), snowy(60.0));
    let white = (0..60).map(|seed| rendered(CONCRETE, 60.0, Season::Winter, Sky::Clear, seed));
    for (bands, _, outcome) in white.filter(|(_, _, outcome)| outcome.snow_cover > 0.3) {
        assert!(mean(&bands) > mean(&patch(CONCRETE)) && outcome.snow_cover < 0.9);
    }
    for seed in 0..60 {
        let (_, _, outcome) = rendered([0.03, 0.06, 0.10], 60.0, Season::Winter, Sky::Clear, seed);
        assert!(outcome.snow_cover < 0.05, "{}", outcome.snow_cover);
    }
}

#[test]
fn at_least_two_fifths_of_a_cloudy_patch_stay_visible_and_some_are_half_hidden() {
    let of = |seed| rendered([0.10, 0.10, 0.10], 48.0, Season::Summer, Sky::Cloudy, seed);
    let drawn: Vec<_> = (0..100).map(of).collect();
    for (bands, conditions, outcome) in &drawn {
        assert!((0.10..=0.60).contains(&conditions.cloud_cover));
        assert!(outcome.visible_share >= 0.4 && outcome.visible_share >= 1.0 - conditions.cloud_cover - 0.01);
        assert!(bands.iter().all(|value| (0.0..=1.0).contains(value)));
    }
    assert!(drawn.iter().any(|(_, _, outcome)| outcome.visible_share < 0.75));
    assert!(drawn.iter().any(|(_, _, outcome)| outcome.visible_share == 1.0), "thin clouds hide nothing");
}

#[test]
fn clouds_brighten_and_shadows_darken() {
    let spread = (0..20).map(|seed| rendered([0.15, 0.15, 0.15], 48.0, Season::Summer, Sky::Cloudy, seed).0);
    let (mut darker, mut brighter) = (0, 0);
    for bands in spread {
        darker += usize::from(bands[..PLANE].iter().any(|value| *value < 0.12));
        brighter += usize::from(bands[..PLANE].iter().any(|value| *value > 0.20));
    }
    assert!(darker >= 8 && brighter >= 16, "{darker} and {brighter} of 20");
}

#[test]
fn nothing_falls_below_zero_even_where_a_patch_is_darker_than_its_air() {
    for (season, sky) in crate::decide::SEASON_SKY_GROUPS {
        for seed in 0..10 {
            let (bands, _, _) = rendered([0.005, 0.01, 0.03], 62.0, season, sky, seed);
            assert!(bands.iter().all(|value| value.is_finite() && *value >= 0.0));
        }
    }
}

#[test]
fn drawn_days_lie_in_their_season() {
    let mut rng = rng(3, "days", Season::Winter, Sky::Clear);
    for _ in 0..500 {
        let winter = Conditions::draw(Season::Winter, Sky::Clear, &mut rng).day_of_year;
        assert!((335..=365).contains(&winter) || (1..=59).contains(&winter), "{winter}");
        let summer = Conditions::draw(Season::Summer, Sky::Clear, &mut rng).day_of_year;
        assert!((152..=243).contains(&summer));
    }
}
