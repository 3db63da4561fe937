//! Matrix multiplication by quadrants: balanced, coarse, and bound by the cache.

use super::{Fork, Workload};

/// Multiplies two square matrices of `f64` by recursion over quadrants: four products in parallel,
/// and then four more; from the Cilk suite. The matrices are stored quadrant by quadrant (Frens and
/// Wise, 1997), so that a quadrant is a slice.
///
/// The answer is known because the right factor only doubles and reverses.
pub struct Matmul {
    size: usize,
    left: Vec<f64>,
    right: Vec<f64>,
}

/// Matrices of this size are multiplied without forks, in about a microsecond.
const BLOCK: usize = 16;

impl Matmul {
    /// Makes factors of `size` by `size`, a power of two times [`BLOCK`].
    pub fn new(size: usize) -> Matmul {
        assert!(size % BLOCK == 0 && (size / BLOCK).is_power_of_two());
        Matmul {
            size,
            left: matrix(size, |row, column| (row * size + column) as f64),
            right: matrix(size, |row, column| if row + column == size - 1 { 2.0 } else { 0.0 }),
        }
    }
}

impl Workload for Matmul {
    /// The product, quadrant by quadrant.
    type Value = Vec<f64>;

    fn run<F: Fork>(&self, cx: &mut F::Context<'_>) -> Vec<f64> {
        let mut product = vec![0.0; self.size * self.size];
        add_product::<F>(cx, &mut product, &self.left, &self.right);
        product
    }

    fn is_right(&self, value: &Vec<f64>) -> bool {
        let size = self.size;
        *value == matrix(size, |row, column| (2 * (row * size + size - 1 - column)) as f64)
    }
}

/// Makes a matrix in quadrant order from `element(row, column)`.
fn matrix(size: usize, element: impl Fn(usize, usize) -> f64) -> Vec<f64> {
    let mut elements = vec![0.0; size * size];
    fill(&mut elements, size, (0, 0), &element);
    elements
}

fn fill(
    part: &mut [f64],
    size: usize,
    (row, column): (usize, usize),
    element: &impl Fn(usize, usize) -> f64,
) {
    if size == BLOCK {
        for (i, place) in part.iter_mut().enumerate() {
            *place = element(row + i / BLOCK, column + i % BLOCK);
        }
        return;
    }
    let half = size / 2;
    for (i, quadrant) in part.chunks_exact_mut(half * half).enumerate() {
        let corner = (row + i / 2 * half, column + i % 2 * half);
        fill(quadrant, half, corner, element);
    }
}

/// `c += a * b`.
fn add_product<F: Fork>(cx: &mut F::Context<'_>, c: &mut [f64], a: &[f64], b: &[f64]) {
    if c.len() == BLOCK * BLOCK {
        return add_block_product(c, a, b);
    }
    let ([a00, a01, a10, a11], [b00, b01, b10, b11]) = (quadrants(a), quadrants(b));
    add_to_quadrants::<F>(cx, c, [(a00, b00), (a00, b01), (a10, b00), (a10, b01)]);
    add_to_quadrants::<F>(cx, c, [(a01, b10), (a01, b11), (a11, b10), (a11, b11)]);
}

/// Adds a product to each quadrant of `c`, all four in parallel.
fn add_to_quadrants<F: Fork>(
    cx: &mut F::Context<'_>,
    c: &mut [f64],
    factors: [(&[f64], &[f64]); 4],
) {
    let (upper, lower) = c.split_at_mut(c.len() / 2);
    let [f00, f01, f10, f11] = factors;
    F::join(
        cx,
        move |cx| add_to_halves::<F>(cx, upper, [f00, f01]),
        move |cx| add_to_halves::<F>(cx, lower, [f10, f11]),
    );
}

fn add_to_halves<F: Fork>(
    cx: &mut F::Context<'_>,
    c: &mut [f64],
    [first, second]: [(&[f64], &[f64]); 2],
) {
    let (left, right) = c.split_at_mut(c.len() / 2);
    F::join(
        cx,
        move |cx| add_product::<F>(cx, left, first.0, first.1),
        move |cx| add_product::<F>(cx, right, second.0, second.1),
    );
}

fn quadrants(matrix: &[f64]) -> [&[f64]; 4] {
    let (upper, lower) = matrix.split_at(matrix.len() / 2);
    let (q00, q01) = upper.split_at(upper.len() / 2);
    let (q10, q11) = lower.split_at(lower.len() / 2);
    [q00, q01, q10, q11]
}

fn add_block_product(c: &mut [f64], a: &[f64], b: &[f64]) {
    for (c_row, a_row) in c.chunks_exact_mut(BLOCK).zip(a.chunks_exact(BLOCK)) {
        for (&factor, b_row) in a_row.iter().zip(b.chunks_exact(BLOCK)) {
            for (sum, x) in c_row.iter_mut().zip(b_row) {
                *sum += factor * x;
            }
        }
    }
}
