//! Conway's Game of Life: runs a pattern on a torus, and then writes some more generations as an
//! animated GIF.
//!
//! The rows of a generation do not depend on each other: a parallel loop over `par_chunks_mut`.

use std::path::PathBuf;

use clap::Parser;
use filch::prelude::*;
use gallery::{Result, compare, create, data, ensure, read};

#[derive(Parser)]
struct Arguments {
    /// The pattern, in Life's usual run-length encoding (RLE)
    #[arg(default_value = data!("gun.rle"))]
    pattern: PathBuf,
    /// Cells on each side of the torus
    #[arg(long, default_value_t = 1024)]
    side: usize,
    #[arg(long, default_value_t = 300)]
    generations: usize,
    /// The part to draw: its columns and rows, from the upper left corner
    #[arg(long, num_args = 2, default_values_t = [72, 56])]
    window: Vec<usize>,
    #[arg(long, default_value = "target/life.gif")]
    out: PathBuf,
}

/// The cells, row by row: 1 is alive.
#[derive(Clone, PartialEq)]
struct World {
    side: usize,
    cells: Vec<u8>,
}

impl World {
    /// Places a pattern such as `bob$2bo$3o!` (b is dead, o is alive, $ ends a row).
    fn parse(side: usize, rle: &str) -> Result<World> {
        let mut cells = vec![0; side * side];
        let (mut x, mut y, mut count) = (4, 4, 0);
        let lines = rle.lines().filter(|line| !line.starts_with(['#', 'x']));
        for symbol in lines.flat_map(str::chars).take_while(|&symbol| symbol != '!') {
            if let Some(digit) = symbol.to_digit(10) {
                count = 10 * count + digit as usize;
                continue;
            }
            let run = std::mem::take(&mut count).max(1);
            match symbol {
                '$' => (x, y) = (4, y + run),
                'b' => x += run,
                'o' => {
                    ensure(x + run <= side && y < side, "the pattern is larger than the torus")?;
                    cells[y * side + x..][..run].fill(1);
                    x += run;
                }
                _ => return Err(format!("unexpected {symbol:?} in the pattern").into()),
            }
        }
        Ok(World { side, cells })
    }

    /// Computes row `y` of the next generation.
    fn next_row(&self, y: usize, next: &mut [u8]) {
        let n = self.side;
        let [above, here, below] = [y + n - 1, y, y + 1].map(|y| &self.cells[y % n * n..][..n]);
        let column = |x: usize| above[x] + here[x] + below[x];
        let (mut left, mut middle) = (column(n - 1), column(0));
        for x in 0..n {
            let right = column(if x + 1 < n { x + 1 } else { 0 });
            let sum = left + middle + right;
            next[x] = u8::from(sum == 3 || sum == 4 && here[x] == 1);
            (left, middle) = (middle, right);
        }
    }

    fn next_serially(&self) -> World {
        let mut cells = vec![0; self.cells.len()];
        cells.chunks_mut(self.side).enumerate().for_each(|(y, row)| self.next_row(y, row));
        World { side: self.side, cells }
    }

    fn next(&self) -> World {
        let mut cells = vec![0; self.cells.len()];
        cells.par_chunks_mut(self.side).enumerate().for_each(|(y, row)| self.next_row(y, row));
        World { side: self.side, cells }
    }

    /// Draws a window with `pixels` by `pixels` pixels for each cell, as indices into a palette.
    fn draw(&self, [width, height]: [usize; 2], pixels: usize) -> Vec<u8> {
        let rows = (0..height * pixels).map(|y| &self.cells[y / pixels * self.side..]);
        rows.flat_map(|row| (0..width * pixels).map(move |x| row[x / pixels])).collect()
    }
}

fn main() -> Result {
    let arguments = Arguments::parse();
    let Arguments { side, generations, .. } = arguments;
    let begin = World::parse(side, &read(&arguments.pattern)?)?;
    println!("{generations} generations on a torus of {side} x {side} cells");
    let run = |next: fn(&World) -> World| (0..generations).fold(begin.clone(), |w, _| next(&w));
    let mut world = compare(|| run(World::next_serially), || run(World::next))?;

    let palette = [16, 22, 34, 120, 220, 150];
    // A side of a GIF has at most 65,535 pixels.
    let window = [0, 1].map(|i| arguments.window[i].min(side).min(10_000));
    let [width, height] = window.map(|cells| (cells * 6) as u16);
    let mut gif = gif::Encoder::new(create(&arguments.out)?, width, height, &palette)?;
    gif.set_repeat(gif::Repeat::Infinite)?;
    // The default pattern, a gun, repeats after 30 generations.
    for _ in 0..30 {
        // The next generation is computed while this one is drawn.
        let (next, frame) = filch::join(|| world.next(), || world.draw(window, 6));
        let frame = gif::Frame::from_indexed_pixels(width, height, frame, None);
        gif.write_frame(&gif::Frame { delay: 8, ..frame })?;
        world = next;
    }
    println!("answer right: {} cells are alive", world.cells.iter().filter(|&&c| c == 1).count());
    Ok(())
}
