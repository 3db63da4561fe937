//! Strassen's matrix multiplication: seven products in parallel instead of eight.

use crate::workloads::{Fork, Workload};
use crate::{halves, quadrants, vectors};

/// Multiplies two matrices of whole numbers, which are small enough that `f64` is exact;
/// from the Cilk suite.
pub struct Strassen {
    left: Vec<f64>,
    right: Vec<f64>,
    /// The product times [`vectors::random`].
    expected: Vec<f64>,
}

/// Matrices up to this size are multiplied by the plain algorithm.
const PLAIN: usize = 64;

/// The seven products' factors, as sums of quadrants.
const LEFT: [[f64; 4]; 7] = [
    [1.0, 0.0, 0.0, 1.0],
    [0.0, 0.0, 1.0, 1.0],
    [1.0, 0.0, 0.0, 0.0],
    [0.0, 0.0, 0.0, 1.0],
    [1.0, 1.0, 0.0, 0.0],
    [-1.0, 0.0, 1.0, 0.0],
    [0.0, 1.0, 0.0, -1.0],
];
const RIGHT: [[f64; 4]; 7] = [
    [1.0, 0.0, 0.0, 1.0],
    [1.0, 0.0, 0.0, 0.0],
    [0.0, 1.0, 0.0, -1.0],
    [-1.0, 0.0, 1.0, 0.0],
    [0.0, 0.0, 0.0, 1.0],
    [1.0, 1.0, 0.0, 0.0],
    [0.0, 0.0, 1.0, 1.0],
];
/// The quadrants of the result, as sums of the seven products.
const RESULT: [[f64; 7]; 4] = [
    [1.0, 0.0, 0.0, 1.0, -1.0, 0.0, 1.0],
    [0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0],
    [0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0],
    [1.0, -1.0, 1.0, 0.0, 0.0, 1.0, 0.0],
];

impl Strassen {
    /// Makes two matrices of `size` by `size`.
    pub fn new(size: usize) -> Strassen {
        let left =
            quadrants::matrix(size, |row, column| ((row * 7 + column * 3) % 11) as f64 - 5.0);
        let right = quadrants::matrix(size, |row, column| ((row * 5 + column) % 13) as f64 - 6.0);
        let x = vectors::random(size);
        let right_x = vectors::multiply(quadrants::elements(&right), &x);
        let expected = vectors::multiply(quadrants::elements(&left), &right_x);
        Strassen { left, right, expected }
    }
}

impl Workload for Strassen {
    type Value = Vec<f64>;

    fn run<F: Fork>(&self, cx: &mut F::Context<'_>) -> Vec<f64> {
        product::<F>(cx, &self.left, &self.right)
    }

    fn is_right(&self, value: &Vec<f64>) -> bool {
        let x = vectors::random(self.expected.len());
        vectors::multiply(quadrants::elements(value), &x) == self.expected
    }
}

fn product<F: Fork>(cx: &mut F::Context<'_>, a: &[f64], b: &[f64]) -> Vec<f64> {
    if a.len() <= PLAIN * PLAIN {
        return plain_product(a, b);
    }
    let (a, b) = (quadrants::split(a), quadrants::split(b));
    let mut products: [Vec<f64>; 7] = Default::default();
    halves::for_each::<F, _>(cx, 0, &mut products, &|cx, i, out| {
        *out = product::<F>(cx, &combine(&LEFT[i], &a), &combine(&RIGHT[i], &b));
    });
    RESULT.iter().flat_map(|factors| combine(factors, &products)).collect()
}

fn plain_product(a: &[f64], b: &[f64]) -> Vec<f64> {
    let minus_a: Vec<f64> = a.iter().map(|x| -x).collect();
    let mut c = vec![0.0; a.len()];
    quadrants::subtract_product::<crate::workloads::Serial>(&mut (), &mut c, &minus_a, b);
    c
}

/// Returns the sum of the parts, each times its factor.
fn combine(factors: &[f64], parts: &[impl AsRef<[f64]>]) -> Vec<f64> {
    let mut sum = vec![0.0; parts[0].as_ref().len()];
    for (factor, part) in factors.iter().zip(parts).filter(|(factor, _)| **factor != 0.0) {
        for (x, y) in sum.iter_mut().zip(part.as_ref()) {
            *x += factor * y;
        }
    }
    sum
}
