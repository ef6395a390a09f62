//! Places: groups of patches that lie close together and must not be torn apart by a split.

/// Smallest distance between two places in kilometres.
pub const PLACE_GAP_KM: f64 = 20.0;
/// Mean radius of the Earth in kilometres.
const EARTH_KM: f64 = 6371.0;

/// Groups points `(longitude, latitude)` in degrees so that points of different groups lie at least `gap_km` apart:
/// single linkage. Returns each point's group; groups are numbered in order of their first point.
pub fn group(points: &[(f64, f64)], gap_km: f64) -> Vec<usize> {
    let on_sphere: Vec<[f64; 3]> = points.iter().map(|&(longitude, latitude)| sphere(longitude, latitude)).collect();
    let mut parents: Vec<usize> = (0..points.len()).collect();
    for i in 0..points.len() {
        for j in i + 1..points.len() {
            if squared(&on_sphere[i], &on_sphere[j]) < gap_km * gap_km {
                let (a, b) = (root(&mut parents, i), root(&mut parents, j));
                parents[a.max(b)] = a.min(b);
            }
        }
    }
    let roots: Vec<usize> = (0..points.len()).map(|i| root(&mut parents, i)).collect();
    let mut numbers = std::collections::HashMap::new();
    roots
        .into_iter()
        .map(|root| {
            let next = numbers.len();
            *numbers.entry(root).or_insert(next)
        })
        .collect()
}

/// Deals places into parts that get about the given shares of the positives and of the negatives alike: the largest
/// places first, each to the part where it leaves the least sum of squared departures from the shares. `counts` is
/// `(positives, negatives)` a place, `shares` add up to 1. Returns the part of each place.
pub fn deal(counts: &[(usize, usize)], shares: &[f64]) -> Vec<usize> {
    let all = counts.iter().fold((0, 0), |all, place| (all.0 + place.0, all.1 + place.1));
    let relative: Vec<[f64; 2]> = counts
        .iter()
        .map(|place| [place.0 as f64 / all.0.max(1) as f64, place.1 as f64 / all.1.max(1) as f64])
        .collect();
    let mut order: Vec<usize> = (0..counts.len()).collect();
    let size = |place: usize| relative[place][0].max(relative[place][1]);
    order.sort_by(|&a, &b| size(b).total_cmp(&size(a)));
    let mut dealt = vec![[0.0; 2]; shares.len()];
    let mut parts = vec![0; counts.len()];
    for place in order {
        // What the place changes in the sum of (dealt − share)², over positives and negatives.
        let change = |part: usize| -> f64 {
            let kind = |k: usize| relative[place][k] * (relative[place][k] + 2.0 * (dealt[part][k] - shares[part]));
            kind(0) + kind(1)
        };
        let best = (0..shares.len()).min_by(|&a, &b| change(a).total_cmp(&change(b))).unwrap_or(0);
        parts[place] = best;
        (0..2).for_each(|kind| dealt[best][kind] += relative[place][kind]);
    }
    parts
}

fn sphere(longitude: f64, latitude: f64) -> [f64; 3] {
    let (sin, cos) = latitude.to_radians().sin_cos();
    let (east_sin, east_cos) = longitude.to_radians().sin_cos();
    [cos * east_cos, cos * east_sin, sin].map(|v| v * EARTH_KM)
}

fn squared(a: &[f64; 3], b: &[f64; 3]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

fn root(parents: &mut [usize], mut i: usize) -> usize {
    while parents[i] != i {
        parents[i] = parents[parents[i]];
        i = parents[i];
    }
    i
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_of_near_points_are_one_place() {
        // 0.1 degree of latitude is 11.1 km
        let points = [(10.0, 50.0), (10.0, 50.1), (10.0, 50.2), (10.0, 50.5), (10.2, 50.5)];
        assert_eq!(group(&points, 20.0), [0, 0, 0, 1, 1]);
    }

    #[test]
    fn parts_get_their_shares_of_positives_and_of_negatives() {
        // 200 places, many of them with one kind alone, as woods and towns are.
        let counts: Vec<(usize, usize)> =
            (0..200).map(|i| (if i % 3 == 0 { i % 17 } else { 0 }, if i % 4 == 0 { 0 } else { i * 7 % 31 })).collect();
        let shares = [0.15, 0.45, 0.4];
        let parts = deal(&counts, &shares);
        let share = |part: usize, kind: fn(&(usize, usize)) -> usize| {
            let of = counts.iter().zip(&parts).filter(|(_, p)| **p == part).map(|(c, _)| kind(c)).sum::<usize>();
            of as f64 / counts.iter().map(kind).sum::<usize>() as f64
        };
        for (part, wanted) in shares.into_iter().enumerate() {
            assert!((share(part, |c| c.0) - wanted).abs() < 0.02, "positives of {part}");
            assert!((share(part, |c| c.1) - wanted).abs() < 0.02, "negatives of {part}");
        }
    }

    #[test]
    fn the_largest_place_goes_to_the_largest_part() {
        assert_eq!(deal(&[(5, 5), (90, 90), (5, 5)], &[0.1, 0.9]), [0, 1, 0]);
    }
}
