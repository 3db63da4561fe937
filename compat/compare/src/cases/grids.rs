//! Arrays of numbers: n-body gravity, the game of life, matrix multiplication.

use rayon::prelude::*;

use super::Run;
use crate::random::Random;

#[derive(Clone, Copy)]
struct Body {
    place: [f64; 3],
    speed: [f64; 3],
}

/// Three steps of 500 bodies.
pub fn nbody() -> Run {
    let mut random = Random::new(2);
    let mut three = || [random.unit(), random.unit(), random.unit()];
    let bodies: Vec<Body> = (0..500).map(|_| Body { place: three(), speed: three() }).collect();
    Box::new(move || {
        let mut now = bodies.clone();
        for _ in 0..3 {
            now = now.par_iter().map(|body| moved(body, &now)).collect();
        }
        now.iter().map(|body| body.place[0].to_bits() >> 40).sum()
    })
}

fn moved(body: &Body, all: &[Body]) -> Body {
    const STEP: f64 = 1e-6;
    let mut pull = [0.0; 3];
    for other in all {
        let apart: [f64; 3] = std::array::from_fn(|i| other.place[i] - body.place[i]);
        let squared = apart.iter().map(|x| x * x).sum::<f64>() + 1e-3;
        let force = 1.0 / (squared * squared.sqrt());
        (0..3).for_each(|i| pull[i] += apart[i] * force);
    }
    let speed: [f64; 3] = std::array::from_fn(|i| body.speed[i] + pull[i] * STEP);
    Body { place: std::array::from_fn(|i| body.place[i] + speed[i] * STEP), speed }
}

/// Twenty generations of the game of life on a torus.
pub fn life() -> Run {
    const SIDE: usize = 256;
    let mut random = Random::new(3);
    let cells: Vec<u8> = (0..SIDE * SIDE).map(|_| random.below(2) as u8).collect();
    Box::new(move || {
        let mut now = cells.clone();
        for _ in 0..20 {
            let next = (0..SIDE * SIDE).into_par_iter().map(|at| {
                let (row, column) = (at / SIDE, at % SIDE);
                let rows = [(row + SIDE - 1) % SIDE, row, (row + 1) % SIDE];
                let columns = [(column + SIDE - 1) % SIDE, column, (column + 1) % SIDE];
                let alive = |r: &usize| columns.iter().map(|c| now[r * SIDE + c]).sum::<u8>();
                let around = rows.iter().map(alive).sum::<u8>() - now[at];
                u8::from(around == 3 || around == 2 && now[at] == 1)
            });
            now = next.collect();
        }
        now.iter().map(|&cell| u64::from(cell)).sum()
    })
}

/// The product of two matrices: `join` halves the rows.
pub fn matmul() -> Run {
    const SIDE: usize = 192;
    let mut random = Random::new(4);
    let mut matrix = || (0..SIDE * SIDE).map(|_| random.unit() as f32).collect::<Vec<_>>();
    let (a, b) = (matrix(), matrix());
    Box::new(move || {
        let mut c = vec![0.0; SIDE * SIDE];
        rows(&a, &b, &mut c, SIDE);
        c.iter().map(|x: &f32| u64::from(x.to_bits() >> 8)).sum()
    })
}

fn rows(a: &[f32], b: &[f32], c: &mut [f32], side: usize) {
    let count = c.len() / side;
    if count > 4 {
        let half = count / 2 * side;
        let (top, bottom) = c.split_at_mut(half);
        rayon::join(|| rows(&a[..half], b, top, side), || rows(&a[half..], b, bottom, side));
        return;
    }
    for (a, c) in a.chunks(side).zip(c.chunks_mut(side)) {
        for (factor, b) in a.iter().zip(b.chunks(side)) {
            c.iter_mut().zip(b).for_each(|(c, b)| *c += factor * b);
        }
    }
}
