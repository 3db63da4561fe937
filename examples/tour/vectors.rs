//! Checks a product of matrices without multiplying them: by what it does to a vector.
//!
//! If `a * b` and `c` send one random vector to the same place, they are the same
//! but for an unlikely accident (R. Freivalds, 1977).

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

/// Whole numbers, so that sums of products of whole numbers are exact.
pub fn random(len: usize) -> Vec<f64> {
    let mut random = SmallRng::seed_from_u64(3);
    (0..len).map(|_| f64::from(random.random_range(-8..=8))).collect()
}

/// A sparse matrix, as (row, column, element), times `x`.
pub fn multiply(elements: impl Iterator<Item = (usize, usize, f64)>, x: &[f64]) -> Vec<f64> {
    let mut product = vec![0.0; x.len()];
    for (row, column, element) in elements {
        product[row] += element * x[column];
    }
    product
}

/// Whether no two elements differ by more than rounding may do.
pub fn are_close(a: &[f64], b: &[f64]) -> bool {
    let largest = a.iter().fold(1.0_f64, |largest, x| largest.max(x.abs()));
    a.iter().zip(b).all(|(x, y)| (x - y).abs() <= largest * 1e-9)
}

/// [`multiply`] by the factors that lie in one matrix: the upper one, and the lower
/// one without its diagonal of ones.
pub fn multiply_lu<I>(factors: impl Fn() -> I, x: &[f64]) -> Vec<f64>
where
    I: Iterator<Item = (usize, usize, f64)>,
{
    let upper = factors().filter(|(row, column, _)| row <= column);
    let by_upper = multiply(upper, x);
    let lower = factors().filter(|(row, column, _)| row > column);
    let mut product = multiply(lower, &by_upper);
    for (sum, one_times) in product.iter_mut().zip(&by_upper) {
        *sum += one_times;
    }
    product
}
