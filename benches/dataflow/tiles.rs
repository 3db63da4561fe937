//! A tiled Cholesky factorization with the same steps as the peers in C++, loaded as a library.
#![allow(unsafe_code)]

use std::ffi::c_long;
use std::path::Path;
use std::time::Instant;

use filch::ThreadPool;
use filch::graph::{Cell, Graph, read, write};

use crate::peers::compile;

type Factor = unsafe extern "C" fn(*mut f64, c_long);
type Solve = unsafe extern "C" fn(*const f64, *mut f64, c_long);
type Update = unsafe extern "C" fn(*const f64, *const f64, *mut f64, c_long);

/// The steps of `benches/peers/tiles.h`.
#[derive(Clone, Copy)]
pub struct Steps {
    factor: Factor,
    solve: Solve,
    update: Update,
}

impl Steps {
    #[cfg(not(unix))]
    pub fn build() -> Option<Steps> {
        None
    }

    #[cfg(unix)]
    pub fn build() -> Option<Steps> {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/tiles.h");
        let library = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/peers/tiles.so"));
        let library = compile(library, &["-shared", "-fPIC", "-x", "c++", source])?;
        let library = std::ffi::CString::new(library.to_str()?).ok()?;
        // SAFETY: the library has no initializers that run when it is loaded.
        let library = unsafe { libc::dlopen(library.as_ptr(), libc::RTLD_NOW) };
        // SAFETY: the names are C strings. If the library was not loaded, `dlsym` searches the
        // program.
        let symbol = |name: &std::ffi::CStr| unsafe { libc::dlsym(library, name.as_ptr()) };
        let [factor, solve, update] = [c"tile_factor", c"tile_solve", c"tile_update"].map(symbol);
        if library.is_null() || [factor, solve, update].iter().any(|it| it.is_null()) {
            return None;
        }
        // SAFETY: the functions have these types in the source.
        unsafe {
            Some(Steps {
                factor: std::mem::transmute::<*mut libc::c_void, Factor>(factor),
                solve: std::mem::transmute::<*mut libc::c_void, Solve>(solve),
                update: std::mem::transmute::<*mut libc::c_void, Update>(update),
            })
        }
    }
}

type Tile = Vec<f64>;

/// Factors the matrix that has 1 / (1 + |i - j|) at (i, j), and 2 more on the diagonal. Returns how
/// long that took, in nanoseconds, including building the graph.
pub fn factored(pool: &ThreadPool, steps: Steps, rows: usize, size: usize) -> f64 {
    let n = rows / size;
    let value =
        |i: usize, j: usize| 1.0 / (1.0 + i.abs_diff(j) as f64) + if i == j { 2.0 } else { 0.0 };
    let place = |i, j, at| value(i * size + at / size, j * size + at % size);
    let tile = |(i, j)| (0..size * size).map(|at| place(i, j, at)).collect::<Tile>();
    let tiles: Vec<Tile> = (0..n).flat_map(|i| (0..=i).map(move |j| (i, j))).map(tile).collect();
    let at = |i: usize, j: usize| i * (i + 1) / 2 + j;
    let (first, side) = (tiles[0][0], size as c_long);

    let begin = Instant::now();
    let mut graph = Graph::new();
    let cells: Vec<Cell<Tile>> = tiles.into_iter().map(|tile| graph.cell(tile)).collect();
    for (k, i) in (0..n).flat_map(|k| (k..n).map(move |i| (k, i))) {
        for j in k..=i {
            let [pivot, a, b] = [(k, k), (i, k), (j, k)].map(|(i, j)| read(&cells[at(i, j)]));
            let tile = write(&cells[at(i, j)]);
            // SAFETY: each tile has `side` by `side` elements.
            match (i == k, j == k) {
                (true, _) => graph.task(tile, move |it| unsafe {
                    (steps.factor)(it.as_mut_ptr(), side);
                }),
                // SAFETY: as above.
                (_, true) => graph.task((pivot, tile), move |(pivot, it)| unsafe {
                    (steps.solve)(pivot.as_ptr(), it.as_mut_ptr(), side);
                }),
                // SAFETY: as above.
                _ => graph.task((a, b, tile), move |(a, b, it)| unsafe {
                    (steps.update)(a.as_ptr(), b.as_ptr(), it.as_mut_ptr(), side);
                }),
            };
        }
    }
    pool.install(|| graph.run().expect("no cycle").success().expect("no failure"));
    let time = begin.elapsed().as_nanos() as f64;
    // The sum of the squares in a row of the factor equals the matrix's element on the diagonal.
    let corner = |j: usize| &graph.get(&cells[at(n - 1, j)])[size * (size - 1)..];
    let sum: f64 = (0..n).flat_map(corner).map(|value| value * value).sum();
    assert!((sum - first).abs() < 1e-9 * first, "the factor is wrong");
    time
}
