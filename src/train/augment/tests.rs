//! The augmentation as a whole.

use std::collections::BTreeSet;

use rand::SeedableRng;

use super::*;

const SIDE: usize = 64;
const CLEAR_SUMMER: Circumstances =
    Circumstances { season: Some(Season::Summer), sky: Some(Sky::Clear), latitude_deg: Some(48.0) };

fn everything() -> Augmentation {
    Augmentation {
        symmetries: true,
        atmosphere: 1.0,
        season: 1.0,
        randaugment: Some(RandAugment { operations: 2, magnitude: 9.0 }),
        clip: Some([0.0, 1.5]),
    }
}

fn optics(bands: &[&str]) -> Vec<Optics> {
    bands.iter().map(|band| Optics::of(band)).collect()
}

/// Level bands with a texture that is different in every pixel.
fn patch(levels: &[f32]) -> Vec<f32> {
    let texture = |pixel: usize| 1e-6 * pixel as f32;
    levels.iter().flat_map(|level| (0..SIDE * SIDE).map(move |pixel| level + texture(pixel))).collect()
}

fn augmented(
    with: &Augmentation,
    bands: &[&str],
    levels: &[f32],
    of: Circumstances,
    seed: u64,
) -> (Vec<f32>, Circumstances) {
    let mut values = patch(levels);
    let optics = optics(bands);
    let mut image = Image { values: &mut values, side_px: SIDE, optics: &optics };
    let shows = with.apply(&mut image, of, &mut ChaCha8Rng::seed_from_u64(seed), &mut Scratch::default());
    (values, shows)
}

fn mean(plane: &[f32]) -> f32 {
    radiometry::mean(plane)
}

const RGB: [&str; 3] = ["B04", "B03", "B02"];
const SIX: [&str; 6] = ["B02", "B03", "B04", "B08", "B11", "B12"];
const MEADOW: [f32; 6] = [0.03, 0.06, 0.035, 0.40, 0.20, 0.095];

#[test]
fn no_augmentation_changes_no_bit() {
    for seed in 0..20 {
        let (values, shows) = augmented(&Augmentation::NONE, &SIX, &MEADOW, CLEAR_SUMMER, seed);
        assert_eq!(values, patch(&MEADOW));
        assert_eq!(shows, CLEAR_SUMMER);
    }
}

#[test]
fn the_same_generator_gives_the_same_patch_and_another_one_another() {
    let of = |seed| augmented(&everything(), &SIX, &MEADOW, CLEAR_SUMMER, seed).0;
    assert_eq!(of(3), of(3));
    assert_ne!(of(3), of(4));
}

#[test]
fn what_comes_before_leaves_no_trace_in_the_scratch() {
    let mut scratch = Scratch::default();
    let optics = optics(&SIX);
    for seed in 0..5 {
        let mut values = patch(&MEADOW);
        let mut image = Image { values: &mut values, side_px: SIDE, optics: &optics };
        everything().apply(&mut image, CLEAR_SUMMER, &mut ChaCha8Rng::seed_from_u64(seed), &mut scratch);
        assert_eq!(values, augmented(&everything(), &SIX, &MEADOW, CLEAR_SUMMER, seed).0);
    }
}

#[test]
fn a_clear_summer_becomes_winter_and_cloudy_and_neither_comes_twice() {
    let shows = augmented(&everything(), &SIX, &MEADOW, CLEAR_SUMMER, 1).1;
    assert_eq!((shows.season, shows.sky), (Some(Season::Winter), Some(Sky::Cloudy)));
    // Haze, adjacency and offsets may still come; about a quarter of the patches draw none of them.
    let blocks = Augmentation { randaugment: None, symmetries: false, ..everything() };
    let wintry = Circumstances { season: Some(Season::Winter), sky: Some(Sky::Cloudy), ..CLEAR_SUMMER };
    let unchanged = (0..40).filter(|seed| augmented(&blocks, &SIX, &MEADOW, wintry, *seed).0 == patch(&MEADOW)).count();
    assert!((4..20).contains(&unchanged), "{unchanged}");
}

#[test]
fn invalid_pixels_stay_invalid_and_do_not_multiply() {
    let hole = 20 * SIDE + 30;
    for seed in 0..200 {
        let optics = optics(&SIX);
        let mut values = patch(&MEADOW);
        values[hole] = f32::NAN;
        let mut image = Image { values: &mut values, side_px: SIDE, optics: &optics };
        everything().apply(&mut image, CLEAR_SUMMER, &mut ChaCha8Rng::seed_from_u64(seed), &mut Scratch::default());
        let invalid = values.iter().filter(|value| value.is_nan()).count();
        // A turn or a reflected edge may double one pixel or move it out.
        assert!(invalid <= 4, "{invalid}");
        assert!(values[SIDE * SIDE..].iter().all(|value| (0.0..=1.5).contains(value)));
    }
}

#[test]
fn radar_is_moved_and_otherwise_left_alone() {
    let blocks = Augmentation { randaugment: None, symmetries: false, ..everything() };
    let (values, _) = augmented(&blocks, &["B02", "VV"], &[0.05, -11.0], CLEAR_SUMMER, 7);
    assert_eq!(values[SIDE * SIDE..], patch(&[-11.0]));
    assert_ne!(values[..SIDE * SIDE], patch(&[0.05]));
}

#[test]
fn the_eight_symmetries_differ_and_keep_every_pixel() {
    let source = patch(&[0.1]);
    let optics = optics(&["B02"]);
    let views: BTreeSet<Vec<u32>> = (0..8)
        .map(|k| {
            let mut values = source.clone();
            turn(&mut Image { values: &mut values, side_px: SIDE, optics: &optics }, k, &mut Scratch::default());
            values.iter().map(|value| value.to_bits()).collect()
        })
        .collect();
    assert_eq!(views.len(), 8);
    let sorted: Vec<u32> = source.iter().map(|value| value.to_bits()).collect();
    for mut view in views {
        view.sort_unstable();
        assert_eq!(view, sorted);
    }
}

/// The patch under a sun in the south, with clouds from `seed`.
fn clouded(levels: &[f32], bands: &[&str], seed: u64) -> Vec<f32> {
    let optics = optics(bands);
    let mut values = levels.iter().flat_map(|level| vec![*level; SIDE * SIDE]).collect::<Vec<f32>>();
    let mut image = Image { values: &mut values, side_px: SIDE, optics: &optics };
    let sun = Sun { cosine: 0.7, away: (-1.0, 0.0) };
    clouds::add(&mut image, &sun, &mut ChaCha8Rng::seed_from_u64(seed), &mut Scratch::default());
    values
}

#[test]
fn clouds_cover_from_a_tenth_to_seven_tenths_and_brighten_what_they_do_not_shade() {
    for seed in 0..60 {
        // Black ground cannot be shaded: whatever differs is cloud.
        let values = clouded(&[0.0; 6], &SIX, seed);
        let covered = values[..SIDE * SIDE].iter().filter(|value| **value > 0.0).count() as f32 / (SIDE * SIDE) as f32;
        assert!((0.1..=0.71).contains(&covered), "{covered}");
        assert!(values.iter().all(|value| (0.0..=0.8).contains(value)));
        let (blue, swir) = (mean(&values[..SIDE * SIDE]), mean(&values[5 * SIDE * SIDE..]));
        assert!(swir < blue);
    }
}

#[test]
fn clouds_never_darken_what_lies_below_them_outside_of_their_shadow() {
    for seed in 0..20 {
        // No cloud is brighter than this: what dims it is shadow alone.
        let brightest = clouded(&[0.9], &["B04"], seed);
        let ground = clouded(&[0.2], &["B04"], seed);
        let lit = || (0..SIDE * SIDE).filter(|pixel| brightest[*pixel] == 0.9);
        assert!(brightest.iter().all(|value| *value <= 0.9));
        assert!(lit().all(|pixel| ground[pixel] >= 0.2));
    }
}

#[test]
fn shadows_lie_away_from_the_sun() {
    let (mut shaded, mut displaced) = (0, 0);
    for seed in 0..60 {
        let black = clouded(&[0.0], &["B04"], seed);
        let ground = clouded(&[0.2], &["B04"], seed);
        // Shaded ground in the open, and a cloud down-image of it (the sun stands in the south, rows grow southwards).
        for column in 0..SIDE {
            let open = |row: usize| black[row * SIDE + column] == 0.0;
            let dark = |row: usize| ground[row * SIDE + column] < 0.19;
            let lowest_cloud = (0..SIDE).rev().find(|row| !open(*row));
            for row in (0..SIDE - 41).filter(|row| open(*row) && dark(*row)) {
                shaded += 1;
                displaced += usize::from(lowest_cloud.is_some_and(|cloud| cloud > row));
            }
        }
    }
    assert!(shaded > 1000, "{shaded}");
    assert_eq!(displaced, shaded);
}

fn wintry(bands: &[&str], levels: &[f32], latitude_deg: f32, seed: u64) -> Vec<f32> {
    let optics = optics(bands);
    let mut values = patch(levels);
    let mut image = Image { values: &mut values, side_px: SIDE, optics: &optics };
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let sun = Sun::draw(Some(Season::Winter), Some(latitude_deg), &mut rng);
    season::winter(&mut image, &sun, Some(latitude_deg), &mut rng, &mut Scratch::default());
    values
}

#[test]
fn winter_lowers_the_vegetation_index_with_and_without_infrared() {
    let plane = SIDE * SIDE;
    let ratio = |a: f32, b: f32| (a - b) / (a + b);
    // At latitude 20° there is no snow.
    let after: Vec<Vec<f32>> = (0..50).map(|seed| wintry(&SIX, &MEADOW, 20.0, seed)).collect();
    let index = |values: &Vec<f32>| ratio(mean(&values[3 * plane..4 * plane]), mean(&values[2 * plane..3 * plane]));
    let average = after.iter().map(index).sum::<f32>() / 50.0;
    assert!((0.5..0.78).contains(&average), "{average}");
    let after: Vec<Vec<f32>> = (0..50).map(|seed| wintry(&RGB, &[0.035, 0.06, 0.03], 20.0, seed)).collect();
    let index = |values: &Vec<f32>| ratio(mean(&values[plane..2 * plane]), mean(&values[..plane]));
    let average = after.iter().map(index).sum::<f32>() / 50.0;
    assert!((0.05..0.22).contains(&average), "{average}, {} before", ratio(0.06, 0.035));
}

#[test]
fn winter_darkens_soil_and_most_in_shortwave_infrared() {
    let plane = SIDE * SIDE;
    for seed in 0..20 {
        let soil = [0.10, 0.14, 0.19, 0.27, 0.37, 0.32];
        let after = wintry(&SIX, &soil, 20.0, seed);
        let kept = |band: usize| mean(&after[band * plane..(band + 1) * plane]) / soil[band];
        assert!(kept(5) < 1.02 && kept(5) <= kept(2) + 0.01, "{} {}", kept(5), kept(2));
    }
}

#[test]
fn snow_falls_in_the_north_on_land_and_is_dark_in_shortwave_infrared() {
    let plane = SIDE * SIDE;
    let whitest = |values: &[f32]| values[..plane].iter().copied().fold(0.0, f32::max);
    let winters = |latitude, levels: &[f32; 6]| -> Vec<Vec<f32>> {
        (0..100).map(|seed| wintry(&SIX, levels, latitude, seed)).collect()
    };
    let snowy: Vec<_> = winters(60.0, &MEADOW).into_iter().filter(|values| whitest(values) > 0.2).collect();
    assert!((25..70).contains(&snowy.len()), "{}", snowy.len());
    assert!(snowy.iter().all(|values| values[5 * plane..].iter().all(|value| *value < 0.25)));
    assert!(winters(20.0, &MEADOW).iter().all(|values| whitest(values) < 0.2));
    let sea = [0.03, 0.022, 0.01, 0.005, 0.002, 0.001];
    assert!(winters(60.0, &sea).iter().all(|values| whitest(values) < 0.1));
}

#[test]
fn every_operation_keeps_level_ground_near_its_reflectance() {
    let optics = optics(&["B04", "B8A"]);
    for operation in randaugment::Operation::ALL {
        for seed in 0..20 {
            let mut values = patch(&[0.2, 0.2]);
            let mut image = Image { values: &mut values, side_px: SIDE, optics: &optics };
            operation.apply(&mut image, 1.0, &mut ChaCha8Rng::seed_from_u64(seed), &mut Scratch::default());
            // Gamma moves most: 0.2^0.8 is 0.276 and 0.2^1.25 is 0.134.
            assert!((0.13..0.28).contains(&mean(&values)), "{operation:?} {}", mean(&values));
        }
    }
}

#[test]
fn settings_survive_their_record() {
    let text = serde_json::to_string(&everything()).unwrap();
    assert_eq!(serde_json::from_str::<Augmentation>(&text).unwrap(), everything());
}
