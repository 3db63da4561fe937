//! Data-parallel loops. The same source is compiled with filch's prelude and with rayon's, and
//! compared with a serial loop.

mod serial;

mod with_filch {
    use filch::prelude::*;
    include!("bodies.rs");
}

mod with_rayon {
    use rayon::prelude::*;
    include!("bodies.rs");
}

use std::hint::black_box;

use crate::clock::{Sample, measure};
use crate::contest::{Contest, Family};
use crate::goal::Who;
use crate::rows::Arena;
use crate::workloads::{on_each, share};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Data-parallel loops.
pub static LOOPS: Family = Family { name: "loops", at_most: 0.75 };

/// The length of a row of the matrix.
const SIDE: usize = 1000;
/// The rows of the picture, and the points in each.
const ROWS: u32 = 120;
/// A loop that takes less than a microsecond is repeated at least this often.
const TIMES_OF_TINY: usize = 1000;
/// The number of items in the loop whose last items cost most.
const SKEWED: u32 = 20_000;

/// The input of all loops.
pub struct Data {
    /// Whole numbers below 1024, so that sums are exact in any order.
    floats: Vec<f64>,
    others: Vec<f64>,
    numbers: Vec<u32>,
    words: Vec<String>,
    bodies: Vec<[f64; 3]>,
}

impl Data {
    pub fn new() -> Self {
        let mut rng = StdRng::seed_from_u64(1);
        let mut whole = |n: usize| -> Vec<f64> {
            (0..n).map(|_| f64::from(rng.random_range(0..1024_u32))).collect()
        };
        let (floats, others) = (whole(SIDE * SIDE), whole(SIDE * SIDE));
        let numbers = (0..500_000).map(|_| rng.random()).collect();
        let word = |length: usize, rng: &mut StdRng| -> String {
            (0..length).map(|_| char::from(rng.random_range(b'a'..=b'z'))).collect()
        };
        let words = (0..50_000).map(|i| word(3 + i % 20, &mut rng)).collect();
        let bodies = (0..700).map(|_| rng.random()).collect();
        Data { floats, others, numbers, words, bodies }
    }

    /// Returns how strongly all bodies pull on one.
    fn pull_on(&self, body: &[f64; 3]) -> f64 {
        self.bodies.iter().fold(0.0, |pull, other| {
            let square: f64 = (0..3).map(|axis| (other[axis] - body[axis]).powi(2)).sum();
            pull + 1.0 / (square + 1e-3).sqrt()
        })
    }
}

/// Returns a hash of a hundred of the numbers, to compare results.
fn fingerprint(numbers: &[f64]) -> u64 {
    let some = numbers.iter().step_by(numbers.len() / 100 + 1);
    some.fold(0, |so_far: u64, x| so_far.rotate_left(5) ^ x.to_bits())
}

/// The FNV-1a hash.
fn hash(word: &str) -> u64 {
    word.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}

/// Computes a row in which each point is the mean of itself and its four neighbours.
fn blur_row(old: &[f64], row: usize, out: &mut [f64]) {
    let rows = old.len() / SIDE;
    let at = |row: usize| &old[row * SIDE..][..SIDE];
    let (above, here, below) = (at(row.saturating_sub(1)), at(row), at((row + 1).min(rows - 1)));
    for column in 1..SIDE - 1 {
        let cross = here[column - 1] + here[column + 1] + above[column] + below[column];
        out[column] = (here[column] + cross) / 5.0;
    }
}

/// Returns the number of iterations in a row of the Mandelbrot set.
fn mandelbrot_row(row: u32) -> u64 {
    let escape = |column: u32| {
        let (re, im) = (f64::from(column) / 40.0 - 2.0, f64::from(row) / 60.0 - 1.0);
        let (mut x, mut y, mut steps) = (0.0_f64, 0.0_f64, 0);
        while steps < 200 && x * x + y * y <= 4.0 {
            (x, y) = (x * x - y * y + re, 2.0 * x * y + im);
            steps += 1;
        }
        steps
    };
    (0..ROWS).map(escape).sum()
}

/// Does some work, and fifty times as much for the last twentieth of the items.
fn skewed_item(item: u32) -> u64 {
    let rounds = if item > SKEWED - SKEWED / 20 { 500 } else { 10 };
    (0..rounds).fold(u64::from(black_box(item)), |x, _| {
        x.wrapping_mul(6_364_136_223_846_793_005).rotate_left(7) ^ 0x9E37
    })
}

/// One loop in three versions.
struct Loop {
    name: &'static str,
    /// How often to repeat it, so that it takes long enough to measure.
    times: usize,
    serial: fn(&Data) -> u64,
    filch: fn(&Data) -> u64,
    rayon: fn(&Data) -> u64,
}

macro_rules! loops {
    ($($name:literal $function:ident $times:literal,)*) => {
        [$(Loop {
            name: $name,
            times: $times,
            serial: serial::$function,
            filch: with_filch::$function,
            rayon: with_rayon::$function,
        }),*]
    };
}

/// The rows, for one pool.
pub fn rows<'a>(arena: &'a Arena, data: &'a Data) -> impl Iterator<Item = Contest<'a>> {
    let loops = loops![
        "loop: sum, 10^6" sum 10,
        "loop: dot product, 10^6" dot 5,
        "loop: map and collect, 10^6" map_collect 2,
        "loop: filter and count, 500,000" filter_count 10,
        "loop: filter and collect, 500,000" filter_collect 3,
        "loop: least and most, 500,000" min_max 10,
        "loop: vowels of 50,000 words" vowels 2,
        "loop: hashes of 50,000 words" hashes 5,
        "loop: histogram, 500,000" histogram 5,
        "loop: matrix by vector, nested" matrix_vector 5,
        "loop: stencil by rows" stencil 2,
        "loop: sort, 500,000" sort 1,
        "loop: pull of 700 bodies" n_body 2,
        "loop: Mandelbrot, 120 rows" mandelbrot_rows 1,
        "loop: skewed, 20,000" skewed 2,
        "loop: flat map, 50,000" flat_map 3,
        "loop: short, 100" short_100 3000,
        "loop: short, 1,000" short_1000 2000,
        "loop: short, 10,000" short_10000 500,
        "loop: any, found early" find_early 20,
        "loop: first position" find_first 10,
    ];
    loops.into_iter().map(|one| contest(one, arena, data))
}

fn contest<'a>(one: Loop, arena: &'a Arena, data: &'a Data) -> Contest<'a> {
    let Loop { name, times, serial, filch, rayon } = one;
    let right = serial(data);
    let timed = move |run: fn(&Data) -> u64| {
        let all_right = || (0..times).all(|_| black_box(run(black_box(data))) == right);
        let (all_right, sample) = measure(all_right);
        assert!(all_right, "a wrong result");
        sample / times as f64
    };
    // Each thread runs its share of the repetitions: what the machine can do at this moment.
    let ideal = move || -> Sample {
        let on_thread = |index| {
            (0..share(times, arena.threads, index).len())
                .all(|_| black_box(serial(black_box(data))) == right)
        };
        if times < arena.threads {
            return timed(serial) / arena.threads as f64;
        }
        let (all_right, sample) =
            measure(|| on_each(arena.threads, on_thread).into_iter().all(|right| right));
        assert!(all_right, "a wrong result");
        sample / times as f64
    };
    let contest = Contest::new(name, arena.threads)
        .with(Who::Ideal, ideal)
        .with(Who::Filch, move || arena.filch.install(|| timed(filch)))
        .with(Who::Rayon, move || arena.rayon.install(|| timed(rayon)));
    if arena.threads == 1 {
        // A loop of less than a microsecond takes less time than finding the pool, so it has no
        // goal.
        if times < TIMES_OF_TINY { contest.at_most(1.1, Who::Ideal) } else { contest }
    } else {
        contest.at_most(1.05, Who::Rayon).in_mean_of(&LOOPS)
    }
}
