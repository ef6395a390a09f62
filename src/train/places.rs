//! Places: groups of patches that lie close together and must not be torn apart by a split.

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

/// Deals places into two halves with about equally many positives and negatives: the places with most positives
/// first, each to the half that has fewer. `counts` is `(positives, negatives)` a place.
pub fn halve(counts: &[(usize, usize)]) -> Vec<bool> {
    let mut order: Vec<usize> = (0..counts.len()).collect();
    order.sort_by_key(|&place| std::cmp::Reverse(counts[place]));
    let mut totals = [(0, 0); 2];
    let mut halves = vec![false; counts.len()];
    for place in order {
        let (positives, negatives) = counts[place];
        let second = if positives > 0 { totals[1].0 < totals[0].0 } else { totals[1].1 < totals[0].1 };
        halves[place] = second;
        totals[second as usize].0 += positives;
        totals[second as usize].1 += negatives;
    }
    halves
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
    fn halves_are_balanced_in_positives_and_negatives() {
        let counts = [(10, 5), (9, 0), (8, 3), (7, 90), (0, 40), (0, 45), (0, 7)];
        let halves = halve(&counts);
        let total = |half| counts.iter().zip(&halves).filter(|(_, h)| **h == half).map(|(c, _)| c.0).sum::<usize>();
        assert_eq!((total(false), total(true)), (17, 17));
    }
}
