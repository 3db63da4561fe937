//! Implements a parallel iterator: the cells of a grid, used here to estimate the area of the
//! Mandelbrot set and to find its leftmost cell.
//!
//! ```text
//! cargo run --release --example own_source -- [--width N] [--height N]
//! ```

use std::iter::FusedIterator;
use std::ops::Range;

use clap::Parser;
use filch::iter::plumbing::{Consumer, Producer, ProducerCallback, UnindexedConsumer, bridge};
use filch::prelude::*;

/// The cells of a grid, row by row.
#[derive(Clone, Copy)]
struct Grid {
    width: usize,
    height: usize,
}

impl Grid {
    /// Returns a parallel iterator over all cells, as (column, row).
    fn par_cells(self) -> Cells {
        Cells { width: self.width, cells: 0..self.width * self.height }
    }
}

/// A range of cells, numbered row by row. A range can be split at any cell, so it is also the
/// producer.
struct Cells {
    width: usize,
    cells: Range<usize>,
}

/// The serial iterator over a range of cells.
struct CellsIter {
    width: usize,
    cells: Range<usize>,
}

// ---- 1. The producer: how to split, and how to iterate over a piece ----------------------------

impl Producer for Cells {
    type Item = (usize, usize);
    type IntoIter = CellsIter;

    fn into_iter(self) -> CellsIter {
        CellsIter { width: self.width, cells: self.cells }
    }

    fn split_at(self, index: usize) -> (Self, Self) {
        let Cells { width, cells: Range { start, end } } = self;
        let middle = start + index;
        (Cells { width, cells: start..middle }, Cells { width, cells: middle..end })
    }
}

impl Iterator for CellsIter {
    type Item = (usize, usize);

    fn next(&mut self) -> Option<(usize, usize)> {
        self.cells.next().map(|cell| (cell % self.width, cell / self.width))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.cells.size_hint()
    }
}

impl DoubleEndedIterator for CellsIter {
    fn next_back(&mut self) -> Option<(usize, usize)> {
        self.cells.next_back().map(|cell| (cell % self.width, cell / self.width))
    }
}

impl ExactSizeIterator for CellsIter {}
impl FusedIterator for CellsIter {}

// ---- 2. The parallel iterator: how consumers get the producer ----------------------------------

impl ParallelIterator for Cells {
    type Item = (usize, usize);

    fn drive_unindexed<C: UnindexedConsumer<Self::Item>>(self, consumer: C) -> C::Result {
        bridge(self, consumer)
    }

    fn opt_len(&self) -> Option<usize> {
        Some(self.len())
    }
}

impl IndexedParallelIterator for Cells {
    fn len(&self) -> usize {
        self.cells.len()
    }

    fn drive<C: Consumer<Self::Item>>(self, consumer: C) -> C::Result {
        bridge(self, consumer)
    }

    fn with_producer<CB: ProducerCallback<Self::Item>>(self, callback: CB) -> CB::Output {
        callback.callback(self)
    }
}

// ---- 3. A program that uses it -----------------------------------------------------------------

/// A parallel iterator over the cells of a grid
#[derive(Parser)]
struct Arguments {
    /// Columns, at least 1
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u32).range(1..))]
    width: u32,

    /// Rows, at least 1
    #[arg(long, default_value_t = 400, value_parser = clap::value_parser!(u32).range(1..))]
    height: u32,
}

fn main() {
    let Arguments { width, height } = Arguments::parse();
    let grid = Grid { width: width as usize, height: height as usize };
    let is_in = |&(column, row): &(usize, usize)| {
        let real = (column as f64 + 0.5) / f64::from(width) * 3.0 - 2.0;
        let imaginary = (row as f64 + 0.5) / f64::from(height) * 2.0 - 1.0;
        stays(real, imaginary)
    };

    let inside = grid.par_cells().filter(is_in).count();
    let leftmost = grid.par_cells().filter(is_in).min();

    let serial =
        || (0..grid.height).flat_map(|row| (0..grid.width).map(move |column| (column, row)));
    assert_eq!(inside, serial().filter(is_in).count(), "the serial count differs");
    assert_eq!(leftmost, serial().filter(is_in).min(), "the serial minimum differs");

    let area = inside as f64 / grid.par_cells().len() as f64 * 6.0;
    println!("{inside} of {} cells are in the set: its area is about {area:.4}", width * height);
    println!("the leftmost of them: {leftmost:?}");
}

/// Whether the first 200 iterates of z² + c stay within a distance of 2 from 0.
fn stays(real: f64, imaginary: f64) -> bool {
    let (mut x, mut y) = (0.0, 0.0);
    (0..200).all(|_| {
        (x, y) = (x * x - y * y + real, 2.0 * x * y + imaginary);
        x * x + y * y <= 4.0
    })
}
