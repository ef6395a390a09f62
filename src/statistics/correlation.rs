//! How alike the members of a cluster are, and what that costs.

use std::collections::BTreeMap;

/// The intraclass correlation ICC(1) of values in clusters of any sizes, by one-way analysis of variance (Donner 1986,
/// "A review of inference procedures for the intraclass correlation coefficient"). It may be below 0. None with fewer
/// than two clusters, without a cluster of two, or where all values are the same.
pub fn intraclass(values: &[f64], clusters: &[u32]) -> Option<f64> {
    assert_eq!(values.len(), clusters.len(), "every value has its cluster");
    let mut sums: BTreeMap<u32, (f64, f64)> = BTreeMap::new();
    for (value, cluster) in values.iter().zip(clusters) {
        let (n, sum) = sums.entry(*cluster).or_default();
        (*n, *sum) = (*n + 1.0, *sum + value);
    }
    let (n, k) = (values.len() as f64, sums.len() as f64);
    let mean = values.iter().sum::<f64>() / n;
    let between: f64 = sums.values().map(|(n, sum)| n * (sum / n - mean).powi(2)).sum();
    let off = |(value, cluster): (&f64, &u32)| sums.get(cluster).map_or(0.0, |(n, sum)| (value - sum / n).powi(2));
    let within: f64 = values.iter().zip(clusters).map(off).sum();
    let squares: f64 = sums.values().map(|(n, _)| n * n).sum();
    // A size between the mean and the mean of the squares.
    let size = (n - squares / n) / (k - 1.0);
    let (between, within) = (between / (k - 1.0), within / (n - k));
    let all = between + (size - 1.0) * within;
    (k > 1.0 && n > k && all > 0.0).then(|| (between - within) / all)
}

/// Σm² / Σm of the clusters' sizes: the size of the cluster of a member drawn at random. None without a member.
pub fn mean_cluster_size(clusters: &[u32]) -> Option<f64> {
    let mut sizes: BTreeMap<u32, f64> = BTreeMap::new();
    clusters.iter().for_each(|cluster| *sizes.entry(*cluster).or_default() += 1.0);
    let squares: f64 = sizes.values().map(|size| size * size).sum();
    (!clusters.is_empty()).then(|| squares / clusters.len() as f64)
}

/// How many members of clusters tell as much as one independent sample: 1 + (m − 1) ρ (Kish 1965, "Survey sampling"),
/// for the [`mean_cluster_size`] and the intraclass correlation.
pub fn design_effect(mean_cluster_size: f64, correlation: f64) -> f64 {
    1.0 + (mean_cluster_size - 1.0) * correlation
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: Option<f64>, expected: f64) {
        assert!((found.unwrap() - expected).abs() < 1e-9, "{found:?} {expected}");
    }

    // Shrout and Fleiss 1979, "Intraclass correlations", table 2: six targets by four judges, ICC(1,1) = 0.17;
    // scipy 1.17.1, f_oneway, for more digits.
    #[test]
    fn clusters_of_one_size_have_the_published_correlation() {
        let ratings = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]];
        let values: Vec<f64> = ratings.iter().flatten().map(|rating| f64::from(*rating)).collect();
        let clusters: Vec<u32> = (0..24).map(|i| i / 4).collect();
        close(intraclass(&values, &clusters), 0.165_741_768);
    }

    // scipy 1.17.1: f_oneway has F = (between / within); (F − 1) / (F + n₀ − 1) with n₀ by hand.
    #[test]
    fn clusters_of_several_sizes_agree_with_the_f_statistic() {
        let values = [1.0, 2.0, 1.5, 4.0, 5.0, 3.0, 9.0];
        let clusters = [7, 7, 7, 2, 2, 2, 900];
        close(intraclass(&values, &clusters), 0.939516129032);
    }

    #[test]
    fn alike_within_is_one_and_alike_between_is_below_zero() {
        close(intraclass(&[1.0, 1.0, 5.0, 5.0], &[0, 0, 1, 1]), 1.0);
        close(intraclass(&[1.0, 5.0, 1.0, 5.0], &[0, 0, 1, 1]), -1.0);
    }

    #[test]
    fn what_has_no_spread_or_no_clusters_is_undefined() {
        assert_eq!(intraclass(&[1.0, 2.0], &[0, 0]), None);
        assert_eq!(intraclass(&[1.0, 2.0], &[0, 1]), None);
        assert_eq!(intraclass(&[3.0; 4], &[0, 0, 1, 1]), None);
        assert_eq!((intraclass(&[], &[]), mean_cluster_size(&[])), (None, None));
    }

    #[test]
    fn large_clusters_weigh_more_in_the_design_effect() {
        assert_eq!(mean_cluster_size(&[4, 4, 4, 9]), Some(2.5));
        assert_eq!(design_effect(5.0, 0.3), 2.2);
        assert_eq!(design_effect(1.0, 0.9), 1.0);
    }
}
