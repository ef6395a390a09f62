//! From one pixel size to a whole multiple of it, or to a whole part.

use super::types::{Planes, SampleType, Window};
use crate::{Error, Result};

/// What a pixel of another size is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernel {
    /// For quantities: bilinear towards smaller pixels, the mean towards larger ones. One sample without data among
    /// those that count makes a pixel without data.
    Linear,
    /// For classes, towards smaller pixels: the sample whose pixel holds the centre.
    Nearest,
}

/// The first band of `planes` as f32, which holds every sample of up to 16 bits exactly.
pub(super) fn to_f32(planes: &Planes) -> Result<Vec<f32>> {
    let bytes = planes.band(0);
    Ok(match planes.sample_type {
        SampleType::U8 => bytes.iter().map(|&byte| f32::from(byte)).collect(),
        SampleType::U16 => bytes.as_chunks::<2>().0.iter().map(|&b| f32::from(u16::from_le_bytes(b))).collect(),
        SampleType::I16 => bytes.as_chunks::<2>().0.iter().map(|&b| f32::from(i16::from_le_bytes(b))).collect(),
        SampleType::F32 => bytes.as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b)).collect(),
        other => {
            return Err(Error::unsupported(format!("{} samples are not brought to another pixel size", other.name())));
        }
    })
}

/// A sample that means "no data", for the pixels made of one: 0 in Sentinel-2's products, else NaN.
fn blank(nodata: &[f64]) -> f32 {
    nodata.first().map_or(f32::NAN, |&value| value as f32)
}

fn is_nodata(sample: f32, nodata: &[f64]) -> bool {
    !sample.is_finite() || nodata.contains(&f64::from(sample))
}

/// Pixels of `window` of a grid that is `ratio` times coarser than the samples, which are those of `source`: their means.
pub(super) fn reduce(samples: &[f32], source: Window, window: Window, ratio: u32, nodata: &[f64], target: &mut [f32]) {
    let (across, ratio) = (source.width as usize, ratio as usize);
    for (y, line) in target.chunks_exact_mut(window.width as usize).enumerate() {
        for (x, value) in line.iter_mut().enumerate() {
            // The last block may be cut by the edge.
            let block = |start: usize, side: u32| start * ratio..((start + 1) * ratio).min(side as usize);
            *value = mean(samples, across, block(y, source.height), block(x, source.width), nodata);
        }
    }
}

fn mean(
    samples: &[f32],
    across: usize,
    rows: std::ops::Range<usize>,
    columns: std::ops::Range<usize>,
    nodata: &[f64],
) -> f32 {
    let (mut sum, mut count) = (0.0f64, 0u32);
    for row in rows {
        for &sample in samples.get(row * across + columns.start..row * across + columns.end).unwrap_or_default() {
            if is_nodata(sample, nodata) {
                return blank(nodata);
            }
            sum += f64::from(sample);
            count += 1;
        }
    }
    if count == 0 { blank(nodata) } else { (sum / f64::from(count)) as f32 }
}

/// Two neighbouring samples along one axis and the share of the second.
struct Between {
    first: usize,
    second: usize,
    share: f32,
}

/// Where pixel `at` of the grid lies among samples `ratio` times as large, `start` being the first of `length` at hand:
/// centres against centres, the outermost samples reaching to the edge.
fn between(at: u32, ratio: u32, start: u32, length: u32) -> Between {
    let place = (f64::from(at) + 0.5) / f64::from(ratio) - 0.5 - f64::from(start);
    let place = place.clamp(0.0, f64::from(length - 1));
    let first = place.floor() as usize;
    Between { first, second: (first + 1).min(length as usize - 1), share: (place - place.floor()) as f32 }
}

/// Pixels of `window` of a grid that is `ratio` times finer than the samples, which are those of `source`.
pub(super) fn enlarge(
    samples: &[f32],
    source: Window,
    window: Window,
    ratio: u32,
    kernel: Kernel,
    nodata: &[f64],
    target: &mut [f32],
) {
    let across = source.width as usize;
    let columns: Vec<Between> =
        (0..window.width).map(|x| between(window.x + x, ratio, source.x, source.width)).collect();
    let at = |row: usize, column: usize| samples.get(row * across + column).copied().unwrap_or(f32::NAN);
    for (y, line) in (window.y..).zip(target.chunks_exact_mut(window.width as usize)) {
        if kernel == Kernel::Nearest {
            let row = (y / ratio - source.y) as usize;
            let nearest = |x: u32| at(row, (x / ratio - source.x) as usize);
            (window.x..).zip(line).for_each(|(x, value)| *value = nearest(x));
            continue;
        }
        let row = between(y, ratio, source.y, source.height);
        for (value, column) in line.iter_mut().zip(&columns) {
            let corner = |row: usize, row_share: f32, column: usize, column_share: f32| {
                // A neighbour without weight has no say, not even by having no data.
                (row_share * column_share > 0.0).then(|| (at(row, column), row_share * column_share))
            };
            let corners = [
                corner(row.first, 1.0 - row.share, column.first, 1.0 - column.share),
                corner(row.first, 1.0 - row.share, column.second, column.share),
                corner(row.second, row.share, column.first, 1.0 - column.share),
                corner(row.second, row.share, column.second, column.share),
            ];
            let has_gap = corners.iter().flatten().any(|&(sample, _)| is_nodata(sample, nodata));
            *value = if has_gap {
                blank(nodata)
            } else {
                corners.iter().flatten().map(|(sample, share)| sample * share).sum()
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: Window = Window { x: 0, y: 0, width: 2, height: 2 };

    #[test]
    fn enlarging_interpolates_between_centres_and_keeps_the_edge() {
        let mut target = [0.0; 16];
        let window = Window { x: 0, y: 0, width: 4, height: 4 };
        enlarge(&[10.0, 30.0, 50.0, 70.0], WHOLE, window, 2, Kernel::Linear, &[0.0], &mut target);
        assert_eq!(target[..4], [10.0, 15.0, 25.0, 30.0]);
        assert_eq!(target[4..8], [20.0, 25.0, 35.0, 40.0]);
        enlarge(&[10.0, 30.0, 50.0, 70.0], WHOLE, window, 2, Kernel::Nearest, &[], &mut target);
        assert_eq!(target[4..12], [10.0, 10.0, 30.0, 30.0, 50.0, 50.0, 70.0, 70.0]);
    }

    #[test]
    fn a_window_is_a_part_of_the_whole_whatever_its_place() {
        let samples: Vec<f32> = (0..36).map(|index| (index * index % 17) as f32 + 1.0).collect();
        let source = Window { x: 0, y: 0, width: 6, height: 6 };
        let mut whole = vec![0.0; 18 * 18];
        let all = Window { x: 0, y: 0, width: 18, height: 18 };
        enlarge(&samples, source, all, 3, Kernel::Linear, &[0.0], &mut whole);
        let part = Window { x: 5, y: 7, width: 6, height: 4 };
        // What `Layer::axis` would ask for: columns 0 to 4, rows 1 to 4.
        let held = Window { x: 0, y: 1, width: 5, height: 4 };
        let cut: Vec<f32> = (1..5).flat_map(|row| samples[row * 6..row * 6 + 5].to_vec()).collect();
        let mut target = vec![0.0; 24];
        enlarge(&cut, held, part, 3, Kernel::Linear, &[0.0], &mut target);
        for (y, line) in target.chunks_exact(6).enumerate() {
            assert_eq!(line, &whole[(y + 7) * 18 + 5..(y + 7) * 18 + 11]);
        }
    }

    #[test]
    fn a_sample_without_data_is_mixed_into_nothing() {
        let mut target = [9.0; 16];
        let window = Window { x: 0, y: 0, width: 4, height: 4 };
        enlarge(&[0.0, 30.0, 50.0, 70.0], WHOLE, window, 2, Kernel::Linear, &[0.0], &mut target);
        assert_eq!(target[..4], [0.0, 0.0, 0.0, 30.0]);
        let mut one = [9.0];
        let pixel = Window { x: 0, y: 0, width: 1, height: 1 };
        reduce(&[0.0, 30.0, 50.0, 70.0], WHOLE, pixel, 2, &[0.0], &mut one);
        assert_eq!(one, [0.0]);
        reduce(&[20.0, 30.0, 50.0, 70.0], WHOLE, pixel, 2, &[0.0], &mut one);
        assert_eq!(one, [42.5]);
    }
}
