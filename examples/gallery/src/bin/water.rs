//! Simulates waves in a harbor by the linear shallow-water equations on a grid. Some waves meet a
//! mole with two gaps, and an island behind it. Draws the water at the end.
//!
//! A step consists of two parallel loops over rows, by `par_chunks_mut`. Each writes grids that the
//! other only reads. The first one writes two grids, whose rows it zips.

use std::f32::consts::TAU;
use std::path::PathBuf;

use clap::Parser;
use filch::prelude::*;
use gallery::{Picture, Result, compare, ensure};

#[derive(Parser)]
struct Arguments {
    /// Cells along the shorter side
    #[arg(long, default_value_t = 280, value_parser = clap::value_parser!(u32).range(20..))]
    rows: u32,
    #[arg(long, default_value = "target/water.png")]
    out: PathBuf,
}

/// How far waves travel in a step, in cells.
const SPEED: f32 = 0.5;

#[derive(Clone, PartialEq)]
struct Sea {
    width: usize,
    is_land: Vec<bool>,
    /// The height of the water above its level at rest.
    height: Vec<f32>,
    /// The flow into each cell from the cell to the left of it, and from the one above it.
    from_left: Vec<f32>,
    from_above: Vec<f32>,
}

impl Sea {
    fn new(rows: usize) -> Sea {
        let width = rows * 3 / 2;
        // All lengths are fractions of the shorter side.
        let place = |i| ((i % width) as f32 / rows as f32, (i / width) as f32 / rows as f32);
        let is_land = |(x, y): (f32, f32)| {
            let is_gap = (y - 0.36).abs() < 0.03 || (y - 0.64).abs() < 0.03;
            (0.5..0.53).contains(&x) && !is_gap || (x - 1.1).hypot(y - 0.36) < 0.08
        };
        let wave = |(x, _)| {
            let phase: f32 = (x - 0.25) / 0.055;
            if phase.abs() < 3.75 { (phase * TAU).cos() } else { 0.0 }
        };
        let all = || (0..rows * width).map(place);
        Sea {
            width,
            is_land: all().map(is_land).collect(),
            height: all().map(wave).collect(),
            // With this flow, the whole wave travels to the right.
            from_left: all().map(|at| SPEED * wave(at)).collect(),
            from_above: vec![0.0; rows * width],
        }
    }

    fn step_serially(&mut self) {
        let Sea { width, is_land, height, from_left, from_above } = self;
        let rows = from_left.chunks_mut(*width).zip(from_above.chunks_mut(*width));
        rows.enumerate().for_each(|(y, (left, above))| accelerate(y, left, above, height, is_land));
        let rows = height.chunks_mut(*width).enumerate();
        rows.for_each(|(y, height)| rise(y, height, from_left, from_above));
    }

    fn step(&mut self) {
        let Sea { width, is_land, height, from_left, from_above } = self;
        let rows = from_left.par_chunks_mut(*width).zip(from_above.par_chunks_mut(*width));
        rows.enumerate().for_each(|(y, (left, above))| accelerate(y, left, above, height, is_land));
        let rows = height.par_chunks_mut(*width).enumerate();
        rows.for_each(|(y, height)| rise(y, height, from_left, from_above));
    }
}

/// In row `y`, accelerates the flow from high water to low water.
fn accelerate(y: usize, left: &mut [f32], above: &mut [f32], height: &[f32], is_land: &[bool]) {
    let width = left.len();
    let push = |from: usize, to: usize| match is_land[from] || is_land[to] {
        true => 0.0,
        false => SPEED * SPEED * (height[from] - height[to]),
    };
    for x in 0..width {
        let here = y * width + x;
        left[x] += if x > 0 { push(here - 1, here) } else { 0.0 };
        above[x] += if y > 0 { push(here - width, here) } else { 0.0 };
    }
}

/// In row `y`, raises the water where more flows in than out.
fn rise(y: usize, height: &mut [f32], from_left: &[f32], from_above: &[f32]) {
    let width = height.len();
    for (x, height) in height.iter_mut().enumerate() {
        let here = y * width + x;
        let to_right = if x + 1 < width { from_left[here + 1] } else { 0.0 };
        let to_below = from_above.get(here + width).unwrap_or(&0.0);
        *height += from_left[here] - to_right + from_above[here] - to_below;
    }
}

fn main() -> Result {
    let Arguments { rows, out } = Arguments::parse();
    let begin = Sea::new(rows as usize);
    let (width, steps) = (begin.width, rows * 8 / 5);
    println!("{steps} steps of the water in a harbor of {width} x {rows} cells");
    let run = |step: fn(&mut Sea)| {
        let mut sea = begin.clone();
        (0..steps).for_each(|_| step(&mut sea));
        sea
    };
    let sea = compare(|| run(Sea::step_serially), || run(Sea::step))?;
    let volume = |sea: &Sea| sea.height.iter().map(|&height| f64::from(height)).sum::<f64>();
    let lost = (volume(&begin) - volume(&sea)).abs();
    ensure(lost < 1e-6 * sea.height.len() as f64, "the amount of water has changed")?;
    Picture::of_water(width, &sea.height, &sea.is_land).write(&out)?;
    println!("answer right: the amount of water changed by {lost:.0e}");
    Ok(())
}
