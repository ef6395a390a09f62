use super::*;
use crate::model::manifest::tests_support::one_band;

fn radiometry(dn_offset: f64, nodata: &[f64]) -> Radiometry {
    Radiometry {
        bands: vec![BandRadiometry { dn_scale: 1e-4, dn_offset }],
        nodata: nodata.to_vec(),
        source: "file".into(),
        is_offset_assumed: true,
        is_offset_checked: true,
    }
}

fn run(samples: &[f64], sample_type: SampleType, clip: Option<[f32; 2]>, nodata: &[f64]) -> (Vec<f32>, Vec<bool>) {
    let bytes = samples
        .iter()
        .flat_map(|&value| match sample_type {
            SampleType::U16 => (value as u16).to_le_bytes().to_vec(),
            SampleType::I32 => (value as i32).to_le_bytes().to_vec(),
            SampleType::F32 => (value as f32).to_le_bytes().to_vec(),
            _ => value.to_le_bytes().to_vec(),
        })
        .collect();
    let planes = Planes { sample_type, bands: 1, width: samples.len(), height: 1, bytes };
    let manifest = Manifest { tile_px: samples.len() as u32, clip, ..one_band() };
    let side = samples.len();
    let (mut input, mut valid) = (vec![9.0; side * side], vec![true; side * side]);
    Preprocessing::new(&manifest).apply(&planes, &radiometry(-1000.0, nodata), &mut input, &mut valid);
    (input[..side].to_vec(), valid[..side].to_vec())
}

#[test]
fn reflectance_is_standardised_after_the_offset_and_nodata_before_it() {
    for sample_type in [SampleType::U16, SampleType::I32, SampleType::F32, SampleType::F64] {
        let (input, valid) = run(&[0.0, 1000.0, 2000.0, 2500.0], sample_type, None, &[0.0]);
        assert_eq!(valid, [false, true, true, true]);
        for (value, expected) in input.iter().zip([0.0, -2.0, 0.0, 1.0]) {
            assert!((value - expected).abs() < 1e-5, "{sample_type:?}: {input:?}");
        }
    }
}

#[test]
fn every_nodata_value_is_invalid_however_many_there_are() {
    for sample_type in [SampleType::U16, SampleType::I32, SampleType::F32, SampleType::F64] {
        let (_, valid) = run(&[0.0, 65535.0, 7.0, 2000.0, 9.0], sample_type, None, &[0.0, 65535.0, 7.0, 9.0]);
        assert_eq!(valid, [false, false, false, true, false], "{sample_type:?}");
    }
}

#[test]
fn a_row_of_any_length_is_what_its_samples_are_one_by_one() {
    let samples: Vec<f64> = (0..67).map(|index| f64::from(index * 7919 % 5000)).collect();
    for sample_type in [SampleType::U16, SampleType::I32, SampleType::F32, SampleType::F64] {
        let of = |samples: &[f64]| run(samples, sample_type, Some([0.0, 0.275]), &[0.0]);
        let (input, valid) = of(&samples);
        let (singly, singly_valid): (Vec<_>, Vec<_>) =
            samples.iter().map(|sample| of(&[*sample])).map(|(input, valid)| (input[0].to_bits(), valid[0])).unzip();
        assert_eq!(input.iter().map(|value| value.to_bits()).collect::<Vec<_>>(), singly, "{sample_type:?}");
        assert_eq!(valid, singly_valid);
    }
}

#[test]
fn reflectance_is_clipped_before_it_is_standardised() {
    let (input, _) = run(&[500.0, 9000.0], SampleType::U16, Some([0.0, 0.275]), &[0.0]);
    assert!((input[0] + 2.0).abs() < 1e-5 && (input[1] - 3.5).abs() < 1e-5, "{input:?}");
}

#[test]
fn nan_and_infinity_are_invalid_never_a_number() {
    for sample_type in [SampleType::F32, SampleType::F64] {
        let samples = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 2000.0];
        let (input, valid) = run(&samples, sample_type, Some([0.0, 0.275]), &[]);
        assert_eq!(valid, [false, false, false, true]);
        assert_eq!(input[..3], [0.0; 3]);
    }
}

#[test]
fn what_lies_beyond_a_small_window_is_invalid() {
    let planes = Planes { sample_type: SampleType::U16, bands: 1, width: 2, height: 1, bytes: vec![0xd0, 7, 0xd0, 7] };
    let manifest = Manifest { tile_px: 3, ..one_band() };
    let (mut input, mut valid) = (vec![9.0; 9], vec![false; 9]);
    let census = Preprocessing::new(&manifest).apply(&planes, &radiometry(0.0, &[0.0]), &mut input, &mut valid);
    assert_eq!(valid, [true, true, false, false, false, false, false, false, false]);
    assert!((input[0] - 2.0).abs() < 1e-5 && input[2..].iter().all(|&value| value == 0.0));
    assert_eq!((census.pixels, census.valid), (2, 2));
}

#[test]
fn dn_taken_for_reflectance_and_unstated_nodata_are_implausible_and_saturated_clouds_are_not() {
    let check = |samples: [f32; 10], nodata: &[f64]| {
        let bytes = samples.iter().flat_map(|value| value.to_le_bytes()).collect();
        let planes = Planes { sample_type: SampleType::F32, bands: 1, width: 10, height: 1, bytes };
        let reflectance = BandRadiometry { dn_scale: 1.0, dn_offset: 0.0 };
        let radiometry = Radiometry { bands: vec![reflectance], ..radiometry(0.0, nodata) };
        // Clipped at 0.275, so that nothing of it is left in the network's input.
        let manifest = Manifest { tile_px: 10, clip: Some([0.0, 0.275]), ..one_band() };
        let (mut input, mut valid) = (vec![0.0; 100], vec![true; 100]);
        Preprocessing::new(&manifest).apply(&planes, &radiometry, &mut input, &mut valid).check_plausible(&radiometry)
    };
    assert!(check([1200.0; 10], &[]).unwrap_err().to_string().contains("--dn-scale"));
    assert!(check([1.6; 10], &[]).is_ok() && check([-0.1; 10], &[]).is_ok());
    let with_border = |width: usize| std::array::from_fn(|index| if index < width { -9999.0 } else { 0.1 });
    assert!(check(with_border(1), &[]).is_ok());
    assert!(check(with_border(3), &[]).unwrap_err().to_string().contains("30 %"));
    assert!(check(with_border(3), &[-9999.0]).is_ok(), "a stated nodata value is nothing to wonder at");
}

/// Two bands of the file and channels `B04`, `BEFORE` = VV − DIFF (dB) and `RATIO` = 1 / B04; only B04 is fed itself.
fn derived() -> Manifest {
    let channel = |name: &str, text: Option<&str>, mean: f32, standard_deviation: f32| Band {
        name: name.into(),
        mean,
        standard_deviation,
        expression: text.map(|text| crate::model::Expression::parse(text).unwrap()),
        ..one_band().bands[0].clone()
    };
    Manifest {
        tile_px: 2,
        clip: Some([0.0, 0.5]),
        bands: vec![
            channel("B04", None, 0.1, 0.1),
            channel("BEFORE", Some("VV - DIFF"), -10.0, 4.0),
            channel("RATIO", Some("1 / B04"), 0.0, 1.0),
        ],
        units: [("VV", "dB"), ("DIFF", "dB"), ("BEFORE", "dB")].map(|(a, b)| (a.into(), b.into())).into(),
        ..one_band()
    }
}

fn one_to_one(bands: usize) -> Radiometry {
    let bands = vec![BandRadiometry { dn_scale: 1.0, dn_offset: 0.0 }; bands];
    Radiometry { bands, is_offset_checked: false, ..radiometry(0.0, &[]) }
}

fn float_planes(width: usize, height: usize, bands: &[&[f32]]) -> Planes {
    let bytes = bands.concat().iter().flat_map(|value| value.to_le_bytes()).collect();
    Planes { sample_type: SampleType::F32, bands: bands.len(), width, height, bytes }
}

#[test]
fn derived_channels_are_computed_from_the_files_bands_and_make_pixels_invalid_that_have_none() {
    let manifest = derived();
    manifest.validate().unwrap();
    let sources: Vec<String> = manifest.sources().into_iter().map(|source| source.name).collect();
    assert_eq!(sources, ["B04", "VV", "DIFF"]);
    let planes = float_planes(2, 2, &[&[0.2, 0.8, 0.0, 0.2], &[-8.0, -12.0, -9.0, -9.0], &[2.0, -6.0, 1.0, f32::NAN]]);
    let (mut input, mut valid) = (vec![9.0; 12], vec![true; 4]);
    let preprocessing = Preprocessing::new(&manifest);
    let census = preprocessing.apply(&planes, &one_to_one(3), &mut input, &mut valid);
    // By hand: 1 / 0 is infinite, and NaN in DIFF alone leaves no difference.
    assert_eq!(valid, [true, true, false, false]);
    let expected = [1.0, 4.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 5.0, 1.25, 0.0, 0.0];
    assert!(input.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{input:?}");
    // Decibels are no reflectance, B04's 0.8 is one beyond the clip.
    census.check_plausible(&one_to_one(3)).unwrap();
    // A window of one column fills the left column of each plane.
    let planes = float_planes(1, 2, &[&[0.2, 0.5], &[-8.0, -12.0], &[2.0, -6.0]]);
    let census = preprocessing.apply(&planes, &one_to_one(3), &mut input, &mut valid);
    assert_eq!((valid, census.valid), (vec![true, false, true, false], 2));
    let expected = [1.0, 0.0, 4.0, 0.0, 0.0, 0.0, 1.0, 0.0, 5.0, 0.0, 2.0, 0.0];
    assert!(input.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{input:?}");
}

#[test]
fn a_band_that_only_an_expression_takes_is_held_against_its_unit_too() {
    let manifest =
        Manifest { units: [("VV".into(), "dB".into()), ("DIFF".into(), "reflectance".into())].into(), ..derived() };
    let planes = float_planes(2, 2, &[&[0.2; 4], &[-8.0; 4], &[2000.0; 4]]);
    let census = Preprocessing::new(&manifest).apply(&planes, &one_to_one(3), &mut [0.0; 12], &mut [true; 4]);
    assert!(census.check_plausible(&one_to_one(3)).unwrap_err().to_string().contains("50 %"));
}

#[test]
fn a_band_without_a_number_where_the_others_are_measured_is_named_and_a_cloud_is_not() {
    let check = |bands: [[f32; 4]; 3]| {
        let planes = float_planes(2, 2, &bands.each_ref().map(<[f32; 4]>::as_slice));
        let census = Preprocessing::new(&derived()).apply(&planes, &one_to_one(3), &mut [0.0; 12], &mut [true; 4]);
        census.check_plausible(&one_to_one(3))
    };
    let (nan, some) = ([f32::NAN; 4], [0.2; 4]);
    assert!(check([some, nan, some]).unwrap_err().to_string().starts_with("band VV holds no number"));
    assert!(check([some, nan, nan]).unwrap_err().to_string().contains("VV, DIFF"));
    assert!(check([nan, nan, nan]).is_ok(), "the whole window has no data");
    assert!(check([[0.2, f32::NAN, f32::NAN, f32::NAN], nan, some]).is_ok(), "the edge of an orbit");
    assert!(check([[0.2, 0.2, 0.2, f32::NAN], [f32::NAN, f32::NAN, f32::NAN, -9.0], some]).is_ok());
}

#[test]
fn the_id_covers_expressions_and_units_and_is_the_old_one_without_them() {
    assert_eq!(preprocessing_id(&one_band()), "1-f6538f206ee9");
    let id = preprocessing_id(&derived());
    let mut other = derived();
    other.bands[2].expression = crate::model::Expression::parse("2 / B04").ok();
    assert_ne!(preprocessing_id(&other), id);
    let mut other = derived();
    other.units.insert("RATIO".into(), "1".into());
    assert_ne!(preprocessing_id(&other), id);
}

#[test]
fn models_of_other_quantities_are_not_held_to_reflectance() {
    let band = crate::model::manifest::Band { mean: -12.0, standard_deviation: 5.0, ..one_band().bands[0].clone() };
    let manifest = Manifest { tile_px: 1, clip: None, bands: vec![band], ..one_band() };
    let decibels = Radiometry { bands: vec![BandRadiometry { dn_scale: 1.0, dn_offset: 0.0 }], ..radiometry(0.0, &[]) };
    let bytes = (-17.0f32).to_le_bytes().to_vec();
    let planes = Planes { sample_type: SampleType::F32, bands: 1, width: 1, height: 1, bytes };
    let (mut input, mut valid) = (vec![0.0], vec![true]);
    let census = Preprocessing::new(&manifest).apply(&planes, &decibels, &mut input, &mut valid);
    assert_eq!(input, [-1.0]);
    assert!(census.check_plausible(&decibels).is_ok());
}
