//! Aligns two DNA sequences by the Smith–Waterman method: finds the parts that are similar,
//! although bases were changed, inserted and deleted. The table of scores is computed in blocks.
//! Each declares that it writes the row above it and the column to its left, so the graph runs the
//! blocks as a wavefront. Draws the best score of each block: a ridge where the sequences agree.

use std::cmp::Reverse;
use std::path::PathBuf;

use clap::Parser;
use filch::graph::{Cell, Graph, write};
use gallery::input::{fasta, relative};
use gallery::{Picture, Random, Result, compare, ensure, read};

#[derive(Parser)]
struct Arguments {
    /// Two FASTA files with a sequence each. Without them, a sequence and a mutant are generated
    #[arg(num_args = 2)]
    files: Vec<PathBuf>,
    /// Bases of the generated sequence
    #[arg(long, default_value_t = 9000, value_parser = clap::value_parser!(u32).range(100..))]
    bases: u32,
    #[arg(long, default_value = "target/align.png")]
    out: PathBuf,
}

/// The scores of equal bases, of different bases, and of a base without a partner.
const MATCH: i32 = 2;
const MISMATCH: i32 = -3;
const GAP: i32 = -4;
/// Bases along a side of a block.
const BLOCK: usize = 128;

/// The largest score, with its row and column. If it occurs several times, the first counts.
type Best = (i32, Reverse<[usize; 2]>);

/// Computes a block. `above` holds the row above the block, after the score to the left of that
/// row; `left` holds the column to the left. Replaces them by the block's last row and column, for
/// the blocks below and to the right.
fn block([a, b]: [&[u8]; 2], at: [usize; 2], above: &mut [i32], left: &mut [i32]) -> Best {
    let mut best = (0, Reverse([0; 2]));
    let mut corner = std::mem::replace(&mut above[0], left[a.len() - 1]);
    for (i, x) in a.iter().enumerate() {
        let (mut diagonal, mut before) = (corner, left[i]);
        corner = before;
        for (j, y) in b.iter().enumerate() {
            let up = above[j + 1];
            let step = if x == y { MATCH } else { MISMATCH };
            before = 0.max(diagonal + step).max(up.max(before) + GAP);
            (diagonal, above[j + 1]) = (up, before);
            if before > best.0 {
                best = (before, Reverse([at[0] + i, at[1] + j]));
            }
        }
        left[i] = before;
    }
    best
}

/// Computes the whole table as one block.
fn align_serially(a: &[u8], b: &[u8]) -> Best {
    block([a, b], [0; 2], &mut vec![0; b.len() + 1], &mut vec![0; a.len()])
}

/// Returns the best score of each block, by rows.
fn align_in_blocks(a: &[u8], b: &[u8]) -> Result<Vec<Best>> {
    let (mut graph, mut blocks) = (Graph::new(), Vec::new());
    let above: Vec<Cell<Vec<i32>>> =
        b.chunks(BLOCK).map(|part| graph.cell(vec![0; part.len() + 1])).collect();
    for (i, rows) in a.chunks(BLOCK).enumerate() {
        let left = graph.cell(vec![0; rows.len()]);
        for (j, (part, above)) in b.chunks(BLOCK).zip(&above).enumerate() {
            let at = [i * BLOCK, j * BLOCK];
            blocks.push(graph.task((write(above), write(&left)), move |(above, left)| {
                block([rows, part], at, above, left)
            }));
        }
    }
    graph.run()?.success()?;
    Ok(blocks.iter().filter_map(|block| graph.result(block).copied()).collect())
}

fn main() -> Result {
    let Arguments { files, bases, out } = Arguments::parse();
    let made_up: Vec<u8> = (0..bases).map(|i| b"ACGT"[Random::new(1, i.into()).below(4)]).collect();
    let [a, b] = match &files[..] {
        [a, b] => [fasta(&read(a)?), fasta(&read(b)?)],
        _ => [made_up.clone(), relative(&made_up, made_up.len() / 3)],
    };
    ensure(!a.is_empty() && !b.is_empty(), "a sequence is empty")?;
    println!("{} and {} bases", a.len(), b.len());

    let mut blocks = Vec::new();
    let parallel = || {
        blocks = align_in_blocks(&a, &b).map_err(|error| error.to_string())?;
        Ok::<_, String>(blocks.iter().max().copied().ok_or("no blocks")?)
    };
    let (score, Reverse([row, column])) = compare(|| Ok(align_serially(&a, &b)), parallel)??;
    // Aligning the reversed sequences shows where the best alignment begins.
    let back = |bases: &[u8]| bases.iter().rev().copied().collect::<Vec<u8>>();
    let (back, Reverse([rows, columns])) = align_serially(&back(&a[..=row]), &back(&b[..=column]));
    ensure(back == score, "the score of the reversed sequences differs")?;

    let width = b.len().div_ceil(BLOCK);
    let most = blocks.iter().map(|best| best.0).max().unwrap_or(0).max(1) as f32;
    let shade = |best: &Best| (255.0 * (best.0 as f32 / most).sqrt()) as u8;
    let pixels: Vec<[u8; 3]> =
        blocks.iter().map(|best| [shade(best), shade(best) / 2, 96 - shade(best) / 4]).collect();
    Picture { width, height: pixels.len() / width, pixels }.enlarged(5).write(&out)?;
    let (from, begin) = (row - rows, column - columns);
    println!("score {score}: {from}..={row} of the first, {begin}..={column} of the second");
    println!("answer right");
    Ok(())
}
