//! LU factorization of a sparse matrix of blocks, which fills in as it is factored.

use crate::workloads::{Fork, Workload};
use crate::{block, halves, vectors};

/// Factors a matrix with mostly empty blocks, in the layout of the BOTS suite.
pub struct SparseLu {
    input: Vec<Row>,
}

/// A row of blocks. `None` stands for a block of zeros.
type Row = Vec<Option<Vec<f64>>>;

impl SparseLu {
    /// Makes a matrix of `blocks` by `blocks` blocks.
    pub fn new(blocks: usize) -> SparseLu {
        let block = |row, column| is_present(row, column).then(|| make_block(row, column, blocks));
        let row = |row| (0..blocks).map(|column| block(row, column)).collect();
        SparseLu { input: (0..blocks).map(row).collect() }
    }
}

fn is_present(row: usize, column: usize) -> bool {
    let near_diagonal = row.abs_diff(column) <= 1;
    near_diagonal || (row.min(column) % 3 == 0 && row % 2 == 0 && column % 2 == 0)
}

/// Makes a block. The diagonal of the matrix dominates, so that no pivoting is needed.
fn make_block(row: usize, column: usize, blocks: usize) -> Vec<f64> {
    let diagonal = (8 * blocks * block::SIDE) as f64;
    (0..block::LEN)
        .map(|i| {
            let on_diagonal = row == column && i / block::SIDE == i % block::SIDE;
            let element = ((row * 5 + column * 3 + i * 7) % 17) as f64 - 8.0;
            element + if on_diagonal { diagonal } else { 0.0 }
        })
        .collect()
}

impl Workload for SparseLu {
    /// Both factors, in one matrix.
    type Value = Vec<Row>;

    fn run<F: Fork>(&self, cx: &mut F::Context<'_>) -> Vec<Row> {
        let mut rows = self.input.clone();
        for k in 0..rows.len() {
            eliminate::<F>(cx, &mut rows, k);
        }
        rows
    }

    fn is_right(&self, factors: &Vec<Row>) -> bool {
        let x = vectors::random(factors.len() * block::SIDE);
        let expected = vectors::multiply(elements(&self.input), &x);
        let found = vectors::multiply_lu(|| elements(factors), &x);
        vectors::are_close(&found, &expected)
    }
}

/// Eliminates block `k` of the diagonal from all rows below, in parallel.
fn eliminate<F: Fork>(cx: &mut F::Context<'_>, rows: &mut [Row], k: usize) {
    let (upper, lower) = rows.split_at_mut(k + 1);
    let (left, right) = upper[k].split_at_mut(k + 1);
    let corner = left[k].as_mut().expect("the diagonal is full");
    block::lu(corner);
    halves::for_each::<F, _>(cx, 0, right, &|_, _, block| {
        if let Some(block) = block {
            block::solve_lower(corner, block);
        }
    });
    let right = &*right;
    halves::for_each::<F, _>(cx, 0, lower, &|cx, _, row| {
        eliminate_row::<F>(cx, row, k, corner, right);
    });
}

/// Eliminates block `k` from one row. `right` holds the blocks to the right of the corner.
fn eliminate_row<F: Fork>(
    cx: &mut F::Context<'_>,
    row: &mut Row,
    k: usize,
    corner: &[f64],
    right: &[Option<Vec<f64>>],
) {
    let (left, rest) = row.split_at_mut(k + 1);
    let Some(factor) = &mut left[k] else {
        return;
    };
    block::solve_upper(corner, factor);
    halves::for_each::<F, _>(cx, 0, rest, &|_, column, block| {
        if let Some(above) = &right[column] {
            let block = block.get_or_insert_with(|| vec![0.0; block::LEN]);
            block::subtract_product(block, factor, above);
        }
    });
}

fn elements(rows: &[Row]) -> impl Iterator<Item = (usize, usize, f64)> {
    let blocks = rows.iter().enumerate().flat_map(|(row, blocks)| {
        let present = blocks.iter().enumerate();
        present.filter_map(move |(column, block)| Some((row, column, block.as_ref()?)))
    });
    blocks.flat_map(|(row, column, block)| {
        block.iter().enumerate().map(move |(i, &element)| {
            let (row, column) = (row * block::SIDE, column * block::SIDE);
            (row + i / block::SIDE, column + i % block::SIDE, element)
        })
    })
}
