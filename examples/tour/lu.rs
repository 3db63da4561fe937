//! LU factorization of a dense matrix by recursion over quadrants.

use crate::workloads::{Fork, Workload};
use crate::{block, quadrants, vectors};

/// Factors a matrix whose diagonal is large enough to need no pivoting; from the Cilk suite.
pub struct Lu {
    input: Vec<f64>,
    size: usize,
}

impl Lu {
    /// Makes a matrix of `size` by `size`.
    pub fn new(size: usize) -> Lu {
        let input = quadrants::matrix(size, |row, column| {
            let diagonal = if row == column { 8.0 * size as f64 } else { 0.0 };
            diagonal + ((row * 13 + column * 7) % 17) as f64 - 8.0
        });
        Lu { input, size }
    }
}

impl Workload for Lu {
    /// Both factors, in one matrix.
    type Value = Vec<f64>;

    fn run<F: Fork>(&self, cx: &mut F::Context<'_>) -> Vec<f64> {
        let mut matrix = self.input.clone();
        factor::<F>(cx, &mut matrix);
        matrix
    }

    fn is_right(&self, factors: &Vec<f64>) -> bool {
        let x = vectors::random(self.size);
        let expected = vectors::multiply(quadrants::elements(&self.input), &x);
        let found = vectors::multiply_lu(|| quadrants::elements(factors), &x);
        vectors::are_close(&found, &expected)
    }
}

fn factor<F: Fork>(cx: &mut F::Context<'_>, a: &mut [f64]) {
    if a.len() == block::LEN {
        return block::lu(a);
    }
    let [a00, a01, a10, a11] = quadrants::split_mut(a);
    factor::<F>(cx, a00);
    let corner = &*a00;
    F::join(cx, |cx| solve_lower::<F>(cx, corner, a01), |cx| solve_upper::<F>(cx, corner, a10));
    quadrants::subtract_product::<F>(cx, a11, a10, a01);
    factor::<F>(cx, a11);
}

/// Replaces `x` by the solution `y` of `l * y = x`, its left and right halves in parallel.
fn solve_lower<F: Fork>(cx: &mut F::Context<'_>, l: &[f64], x: &mut [f64]) {
    if x.len() == block::LEN {
        return block::solve_lower(l, x);
    }
    let [l00, _, l10, l11] = quadrants::split(l);
    let half = |cx: &mut F::Context<'_>, upper: &mut [f64], lower: &mut [f64]| {
        solve_lower::<F>(cx, l00, upper);
        quadrants::subtract_product::<F>(cx, lower, l10, upper);
        solve_lower::<F>(cx, l11, lower);
    };
    let [x00, x01, x10, x11] = quadrants::split_mut(x);
    F::join(cx, |cx| half(cx, x00, x10), |cx| half(cx, x01, x11));
}

/// Replaces `x` by the solution `y` of `y * u = x`, its upper and lower halves in parallel.
fn solve_upper<F: Fork>(cx: &mut F::Context<'_>, u: &[f64], x: &mut [f64]) {
    if x.len() == block::LEN {
        return block::solve_upper(u, x);
    }
    let [u00, u01, _, u11] = quadrants::split(u);
    let half = |cx: &mut F::Context<'_>, left: &mut [f64], right: &mut [f64]| {
        solve_upper::<F>(cx, u00, left);
        quadrants::subtract_product::<F>(cx, right, left, u01);
        solve_upper::<F>(cx, u11, right);
    };
    let [x00, x01, x10, x11] = quadrants::split_mut(x);
    F::join(cx, |cx| half(cx, x00, x01), |cx| half(cx, x10, x11));
}
