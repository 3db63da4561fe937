//! Factors the covariance matrix A of a series, in which nearby values correlate, into L and its
//! transpose, by tiles (Cholesky). The parallel code is the serial loop: each step declares which
//! tiles it reads and writes, and the graph derives the order. A formula checks the determinant.

use clap::Parser;
use filch::graph::{Cell, Graph, read, write};
use gallery::{Result, compare, ensure};

#[derive(Parser)]
struct Arguments {
    /// Rows of the matrix, a multiple of 16
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u32).range(16..))]
    rows: u32,
}

/// The correlation of neighbors.
const LIKENESS: f64 = 0.9;

type Tile = Vec<f64>;

/// The index of tile (i, j) of the lower half, where j <= i.
fn at(i: usize, j: usize) -> usize {
    i * (i + 1) / 2 + j
}

/// The dot product, as eight sums so that the compiler vectorizes it.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    for (a, b) in a.chunks(8).zip(b.chunks(8)) {
        a.iter().zip(b).zip(&mut sums).for_each(|((a, b), sum)| *sum += a * b);
    }
    sums.iter().sum()
}

/// Factors a tile on the diagonal.
fn factor(tile: &mut Tile, size: usize) {
    for j in 0..size {
        for i in j..size {
            let (row, pivot) = (&tile[i * size..], &tile[j * size..]);
            let rest = row[j] - dot(&row[..j], &pivot[..j]);
            tile[i * size + j] = if i == j { rest.sqrt() } else { rest / pivot[j] };
        }
        (j + 1..size).for_each(|k| tile[j * size + k] = 0.0);
    }
}

/// Solves for a tile below the diagonal, given the factor on the diagonal.
fn solve(pivot: &Tile, tile: &mut Tile, size: usize) {
    for row in tile.chunks_mut(size) {
        for (j, pivot) in pivot.chunks(size).enumerate() {
            row[j] = (row[j] - dot(&row[..j], &pivot[..j])) / pivot[j];
        }
    }
}

/// Subtracts the product of `a` and the transpose of `b` from a tile.
fn update(a: &Tile, b: &Tile, tile: &mut Tile, size: usize) {
    for (row, a) in tile.chunks_mut(size).zip(a.chunks(size)) {
        row.iter_mut().zip(b.chunks(size)).for_each(|(value, b)| *value -= dot(a, b));
    }
}

/// The steps in order: each updates tile (i, j) with tiles of column k.
fn steps(n: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    (0..n).flat_map(move |k| (k..n).flat_map(move |i| (k..=i).map(move |j| (i, j, k))))
}

fn factor_serially(mut tiles: Vec<Tile>, n: usize, size: usize) -> Vec<Tile> {
    for (i, j, k) in steps(n) {
        let mut tile = std::mem::take(&mut tiles[at(i, j)]);
        match (i == k, j == k) {
            (true, _) => factor(&mut tile, size),
            (_, true) => solve(&tiles[at(k, k)], &mut tile, size),
            _ => update(&tiles[at(i, k)], &tiles[at(j, k)], &mut tile, size),
        }
        tiles[at(i, j)] = tile;
    }
    tiles
}

fn factor_by_graph(tiles: Vec<Tile>, n: usize, size: usize) -> Result<Vec<Tile>> {
    let mut graph = Graph::new();
    let tiles: Vec<Cell<Tile>> = tiles.into_iter().map(|tile| graph.cell(tile)).collect();
    for (i, j, k) in steps(n) {
        let [pivot, a, b] = [(k, k), (i, k), (j, k)].map(|(i, j)| read(&tiles[at(i, j)]));
        let tile = write(&tiles[at(i, j)]);
        match (i == k, j == k) {
            (true, _) => graph.task(tile, move |tile| factor(tile, size)),
            (_, true) => graph.task((pivot, tile), move |(pivot, it)| solve(pivot, it, size)),
            _ => graph.task((a, b, tile), move |(a, b, tile)| update(a, b, tile, size)),
        };
    }
    graph.run()?.success()?;
    Ok(tiles.iter().map(|tile| std::mem::take(graph.get_mut(tile))).collect())
}

fn main() -> Result {
    let Arguments { rows } = Arguments::parse();
    let rows = rows as usize / 16 * 16;
    let mut table = String::from("tile  tasks  log det of A\n");
    for size in [rows, rows / 4, rows / 8, rows / 16] {
        let n = rows / size;
        let value = |i: usize, j: usize| LIKENESS.powi(i.abs_diff(j) as i32);
        let place = |i, j, at| value(i * size + at / size, j * size + at % size);
        let tile = |(i, j)| (0..size * size).map(|at| place(i, j, at)).collect::<Tile>();
        let a: Vec<Tile> = (0..n).flat_map(|i| (0..=i).map(move |j| (i, j))).map(tile).collect();
        print!("tiles of {size} rows: ");
        let l = compare(
            || Ok(factor_serially(a.clone(), n, size)),
            || factor_by_graph(a.clone(), n, size).map_err(|error| error.to_string()),
        )??;
        let diagonal = (0..n).flat_map(|k| l[at(k, k)].iter().step_by(size + 1));
        let log_det: f64 = diagonal.map(|value| 2.0 * value.ln()).sum();
        let expected = (rows - 1) as f64 * (1.0 - LIKENESS * LIKENESS).ln();
        ensure((log_det - expected).abs() < 1e-9 * rows as f64, "the determinant is wrong")?;
        table += &format!("{size:4}  {:5}  {log_det:.9}\n", steps(n).count());
    }
    println!("\n{table}answer right: the formula gives the same determinant");
    Ok(())
}
