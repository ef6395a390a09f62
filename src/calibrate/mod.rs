//! Scores to thresholds with a guarantee.
