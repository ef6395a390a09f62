//! Area on the ellipsoid.

use super::Ring;

/// Semi-major axis (m) and flattening of WGS 84.
const AXIS_M: f64 = 6_378_137.0;
const FLATTENING: f64 = 1.0 / 298.257_223_563;

/// Square metres that rings of longitudes and latitudes enclose on WGS 84, holes running against their outer rings. Edges
/// are straight in the equal-area cylindrical projection: exact along parallels and meridians, where latitude is replaced
/// by q (Snyder, Map Projections, 1987, equation 3-12).
pub(in super::super) fn ellipsoidal_area_m2(rings: &[Ring]) -> f64 {
    let doubled: f64 = rings
        .iter()
        .map(|ring| {
            let Some(first) = ring.first() else { return 0.0 };
            let flat = ring.iter().map(|point| ((point.0 - first.0).to_radians(), q(point.1)));
            flat.clone().zip(flat.cycle().skip(1)).map(|(a, b)| a.0 * b.1 - b.0 * a.1).sum()
        })
        .sum();
    AXIS_M * AXIS_M / 2.0 * doubled.abs() / 2.0
}

fn q(latitude: f64) -> f64 {
    let e2 = FLATTENING * (2.0 - FLATTENING);
    let e = e2.sqrt();
    let sine = latitude.to_radians().sin();
    (1.0 - e2) * (sine / (1.0 - e2 * sine * sine) + (e * sine).atanh() / e)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_earth_has_its_published_area() {
        let whole = vec![(-180.0, -90.0), (180.0, -90.0), (180.0, 90.0), (-180.0, 90.0)];
        // Moritz, Geodetic Reference System 1980; WGS 84 has the same to these digits.
        let published = 5.100_656_217e14;
        assert!((ellipsoidal_area_m2(&[whole]) / published - 1.0).abs() < 1e-8);
    }
}
