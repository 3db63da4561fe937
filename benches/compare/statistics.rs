//! Medians and means.

/// Returns the median, or `None` if there are no values.
pub fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let (below, above) = values.split_at(values.len() / 2);
    match (below.last(), above.first()) {
        (Some(below), Some(above)) if values.len() % 2 == 0 => Some((below + above) / 2.0),
        (_, middle) => middle.copied(),
    }
}

/// Returns the geometric mean.
pub fn geometric_mean(values: &[f64]) -> f64 {
    let logarithms: f64 = values.iter().map(|value| value.ln()).sum();
    (logarithms / values.len() as f64).exp()
}
