//! Heat flow in a square plate: many short parallel sections, one for each time step.

use std::f64::consts::PI;

use crate::workloads::{Fork, Workload};

/// Jacobi steps over `size` by `size` points. The plate's edges are kept at zero.
/// The heat starts as one half wave, which keeps its form and fades at a known rate.
pub struct Heat {
    size: usize,
    steps: u32,
}

/// How many rows a leaf of the recursion computes.
const ROWS: usize = 16;

/// The part of the difference to each neighbour that flows to a point in one step.
const FLOW: f64 = 0.2;

impl Heat {
    pub fn new(size: usize, steps: u32) -> Heat {
        Heat { size, steps }
    }

    fn start(&self, row: usize, column: usize) -> f64 {
        self.half_wave(row) * self.half_wave(column)
    }

    /// The half wave at a row or column, which is zero on both edges.
    fn half_wave(&self, at: usize) -> f64 {
        (self.angle() * at as f64).sin()
    }

    fn angle(&self) -> f64 {
        PI / (self.size - 1) as f64
    }

    fn points(&self) -> impl Iterator<Item = (usize, usize)> {
        (0..self.size * self.size).map(|i| (i / self.size, i % self.size))
    }
}

impl Workload for Heat {
    type Value = Vec<f64>;

    fn run<F: Fork>(&self, cx: &mut F::Context<'_>) -> Vec<f64> {
        let mut now: Vec<f64> =
            self.points().map(|(row, column)| self.start(row, column)).collect();
        let mut next = now.clone();
        for _ in 0..self.steps {
            let inner = self.size..now.len() - self.size;
            self.step::<F>(cx, &now, &mut next[inner], 1);
            std::mem::swap(&mut now, &mut next);
        }
        now
    }

    fn is_right(&self, value: &Vec<f64>) -> bool {
        let faded = (1.0 - 4.0 * FLOW * (1.0 - self.angle().cos())).powi(self.steps as i32);
        self.points()
            .zip(value)
            .all(|((row, column), found)| (found - faded * self.start(row, column)).abs() <= 1e-9)
    }
}

impl Heat {
    /// Computes `next`, whose first row is `row`.
    fn step<F: Fork>(&self, cx: &mut F::Context<'_>, now: &[f64], next: &mut [f64], row: usize) {
        let rows = next.len() / self.size;
        if rows <= ROWS {
            return self.step_rows(now, next, row);
        }
        let (upper, lower) = next.split_at_mut(rows / 2 * self.size);
        F::join(
            cx,
            |cx| self.step::<F>(cx, now, upper, row),
            |cx| self.step::<F>(cx, now, lower, row + rows / 2),
        );
    }

    fn step_rows(&self, now: &[f64], next: &mut [f64], first: usize) {
        for (row, next) in (first..).zip(next.chunks_exact_mut(self.size)) {
            let [above, here, below] = [row - 1, row, row + 1].map(|row| {
                let start = row * self.size;
                &now[start..start + self.size]
            });
            for column in 1..self.size - 1 {
                let around = above[column] + below[column] + here[column - 1] + here[column + 1];
                next[column] = here[column] + FLOW * (around - 4.0 * here[column]);
            }
        }
    }
}
