//! Processor time of augmenting a 64×64 patch, on one thread: other work on the machine does not count (Linux).
//!
//!     cargo run --release --features train --example augment_rate

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use s2infer::decide::{Season, Sky};
use s2infer::train::augment::{Augmentation, Circumstances, Image, Optics, RandAugment, Scratch};

const SIDE_PX: usize = 64;
const PATCHES: usize = 1000;
const CLEAR_SUMMER: Circumstances =
    Circumstances { season: Some(Season::Summer), sky: Some(Sky::Clear), latitude_deg: Some(48.0) };
/// Reflectance of a meadow.
const MEADOW: [(&str, f32); 6] =
    [("B02", 0.04), ("B03", 0.07), ("B04", 0.05), ("B08", 0.40), ("B11", 0.20), ("B12", 0.10)];

fn main() -> std::io::Result<()> {
    let none = Augmentation::NONE;
    let randaugment = Some(RandAugment { operations: 2, magnitude: 9.0 });
    let half = Augmentation { symmetries: true, season: 0.5, atmosphere: 0.5, randaugment, clip: Some([0.0, 1.5]) };
    let settings = [
        ("everything", Augmentation { season: 1.0, atmosphere: 1.0, ..half.clone() }),
        ("half of the seasons and skies", half),
        ("season", Augmentation { season: 1.0, ..none.clone() }),
        ("atmosphere", Augmentation { atmosphere: 1.0, ..none.clone() }),
        ("RandAugment", Augmentation { randaugment, ..none.clone() }),
        ("symmetries", Augmentation { symmetries: true, ..none }),
    ];
    for (name, augmentation) in settings {
        for bands in [&MEADOW[..3], &MEADOW] {
            println!("{name}, {} bands: {:.0} µs", bands.len(), time_us(&augmentation, bands)?);
        }
    }
    Ok(())
}

/// Microseconds a patch.
fn time_us(augmentation: &Augmentation, bands: &[(&str, f32)]) -> std::io::Result<f64> {
    let optics: Vec<Optics> = bands.iter().map(|(name, _)| Optics::of(name)).collect();
    let texture = |pixel: usize| 1e-6 * pixel as f32;
    let source: Vec<f32> =
        bands.iter().flat_map(|(_, level)| (0..SIDE_PX * SIDE_PX).map(move |pixel| level + texture(pixel))).collect();
    let (mut rng, mut scratch) = (ChaCha8Rng::seed_from_u64(1), Scratch::default());
    let mut values = source.clone();
    let started = processor_time_ns()?;
    for _ in 0..PATCHES {
        values.copy_from_slice(&source);
        let mut image = Image { values: &mut values, side_px: SIDE_PX, optics: &optics };
        augmentation.apply(&mut image, CLEAR_SUMMER, &mut rng, &mut scratch);
    }
    Ok((processor_time_ns()? - started) / 1e3 / PATCHES as f64)
}

/// Time that this thread has spent on a processor.
fn processor_time_ns() -> std::io::Result<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let first = text.split(' ').next().and_then(|number| number.parse().ok());
    first.ok_or_else(|| std::io::Error::other("no number in /proc/thread-self/schedstat"))
}
