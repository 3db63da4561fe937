//! Checks a product of matrices with a random vector, without multiplying the matrices.
//!
//! If `a * (b * x)` equals `c * x` for a random `x`, then `a * b` very likely equals `c`
//! (R. Freivalds, 1977).

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

/// Returns a random vector of whole numbers, so that products of whole numbers are exact.
pub fn random(len: usize) -> Vec<f64> {
    let mut random = SmallRng::seed_from_u64(3);
    (0..len).map(|_| f64::from(random.random_range(-8..=8))).collect()
}

/// Multiplies `x` by a matrix, given as (row, column, element).
pub fn multiply(elements: impl Iterator<Item = (usize, usize, f64)>, x: &[f64]) -> Vec<f64> {
    let mut product = vec![0.0; x.len()];
    for (row, column, element) in elements {
        product[row] += element * x[column];
    }
    product
}

/// Whether the elements differ by no more than rounding can explain.
pub fn are_close(a: &[f64], b: &[f64]) -> bool {
    let largest = a.iter().fold(1.0_f64, |largest, x| largest.max(x.abs()));
    a.iter().zip(b).all(|(x, y)| (x - y).abs() <= largest * 1e-9)
}

/// Multiplies `x` by both LU factors. They are stored in one matrix, without the ones on the
/// diagonal of the lower factor.
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
