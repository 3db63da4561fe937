//! A dam breaks: the shallow-water equations, with waves that steepen, on a grid between walls.
//! Draws the water at the end.
//!
//! A gang: each member owns a band of rows in all steps, and reads the rows next to it. There is
//! one barrier per step. A step reads one of two grids, and writes the other.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::RwLock;

use clap::Parser;
use gallery::{Picture, Result, compare, ensure};

#[derive(Parser)]
struct Arguments {
    /// Cells along the shorter side
    #[arg(long, default_value_t = 240, value_parser = clap::value_parser!(u32).range(20..))]
    rows: u32,
    #[arg(long, default_value = "target/dam.png")]
    out: PathBuf,
}

/// The height of the water, and its momentum to the right and down.
type Cell = [f32; 3];
/// The time of a step over the width of a cell. It is small enough for waves in water of height 2.
const STEP: f32 = 0.1;
const GRAVITY: f32 = 1.0;

/// The flow to the right through a cell.
fn flow([height, right, down]: Cell) -> Cell {
    let speed = right / height;
    [right, right * speed + GRAVITY * height * height / 2.0, down * speed]
}

fn turned([height, right, down]: Cell) -> Cell {
    [height, down, right]
}

/// Returns a cell after a step, by the Lax–Friedrichs method.
fn next(left: Cell, right: Cell, above: Cell, below: Cell) -> Cell {
    let across = [flow(left), flow(right)];
    let along = [turned(flow(turned(above))), turned(flow(turned(below)))];
    std::array::from_fn(|i| {
        let mean = (left[i] + right[i] + above[i] + below[i]) / 4.0;
        mean + STEP * (across[0][i] - across[1][i] + along[0][i] - along[1][i])
    })
}

/// Computes a row after a step. Beyond a wall, the water mirrors that before it, and flows the
/// other way.
fn next_row(above: &[Cell], row: &[Cell], below: &[Cell], out: &mut [Cell]) {
    let mirrored = |[height, right, down]: Cell| [height, -right, down];
    for x in 0..row.len() {
        let left = if x > 0 { row[x - 1] } else { mirrored(row[x]) };
        let right = row.get(x + 1).copied().unwrap_or(mirrored(row[x]));
        out[x] = next(left, right, above[x], below[x]);
    }
}

fn wall(row: &[Cell]) -> Vec<Cell> {
    row.iter().map(|&[height, right, down]| [height, right, -down]).collect()
}

/// A grid by rows. The locks are never contended.
type Grid = Vec<RwLock<Vec<Cell>>>;

fn step(rows: Range<usize>, from: &Grid, to: &Grid) {
    let read = |y: usize| from[y].read().unwrap_or_else(|poisoned| poisoned.into_inner());
    for y in rows {
        let row = read(y);
        let above = if y > 0 { read(y - 1).to_vec() } else { wall(&row) };
        let below = if y + 1 < from.len() { read(y + 1).to_vec() } else { wall(&row) };
        let mut out = to[y].write().unwrap_or_else(|poisoned| poisoned.into_inner());
        next_row(&above, &row, &below, &mut out);
    }
}

fn dam(rows: usize, width: usize) -> Grid {
    let is_high = |x, y| x < width / 4 || (x > width / 2 && x < width * 2 / 3 && y < rows / 3);
    let cell = |x, y| [if is_high(x, y) { 2.0 } else { 0.5 }, 0.0, 0.0];
    (0..rows).map(|y| RwLock::new((0..width).map(|x| cell(x, y)).collect())).collect()
}

fn cells(grid: Grid) -> Vec<Cell> {
    grid.into_iter().flat_map(|row| row.into_inner().unwrap_or_default()).collect()
}

fn main() -> Result {
    let Arguments { rows, out } = Arguments::parse();
    let rows = rows as usize;
    let (width, steps) = (rows * 3 / 2, rows);
    println!("{steps} steps of water in a basin of {width} x {rows} cells");
    let serial = || {
        let grids = [dam(rows, width), dam(rows, width)];
        (0..steps).for_each(|i| step(0..rows, &grids[i % 2], &grids[1 - i % 2]));
        let [first, _] = grids;
        Ok(cells(first))
    };
    let gang = || {
        let (grids, members) = ([dam(rows, width), dam(rows, width)], filch::current_num_threads());
        filch::gang(members, |member| {
            let band = |index: usize| index * rows / members;
            let own = band(member.index())..band(member.index() + 1);
            for i in 0..steps {
                step(own.clone(), &grids[i % 2], &grids[1 - i % 2]);
                member.barrier();
            }
        })?;
        let [first, _] = grids;
        Ok::<_, filch::GangError>(cells(first))
    };
    let water = compare(serial, gang)??;
    let volume = |all: &[Cell]| all.iter().map(|cell| f64::from(cell[0])).sum::<f64>();
    let lost = (volume(&cells(dam(rows, width))) - volume(&water)).abs();
    ensure(lost < 1e-4 * water.len() as f64, "the amount of water has changed")?;
    let heights: Vec<f32> = water.iter().map(|cell| 2.0 * (cell[0] - 0.9)).collect();
    Picture::of_water(width, &heights, &vec![false; heights.len()]).write(&out)?;
    println!("answer right: the water changed by {lost:.0e}");
    Ok(())
}
