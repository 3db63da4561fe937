//! Input that is made up.

use std::fmt::Write;
use std::path::Path;
use std::{fs, io};

use filch::prelude::*;

use crate::Random;

/// Logs of six servers. The first of them answers half of all requests, the next one a quarter.
pub fn logs(folder: &Path, lines: usize) -> io::Result<()> {
    let pages = ["/", "/news", "/search", "/cart", "/login", "/about"];
    (0..6_usize).into_par_iter().try_for_each(|server| {
        let (mut text, mut random) = (String::new(), Random::new(1, server as u64));
        for _ in 0..lines >> (server + 1) {
            let page = random.below(6).min(random.below(6));
            let status = [200, 200, 304, 404, 200, 500][random.below(6).min(random.below(6))];
            let (from, bytes) = (random.below(256), random.below(9_000));
            let time = 4 + ((page + 1) as f64 * 9.0 * random.normal().abs().exp()) as u32;
            let page = pages[page];
            writeln!(text, "203.0.113.{from} GET {page} {status} {bytes} {time}").unwrap();
        }
        fs::create_dir_all(folder.join(format!("server{server}")))?;
        fs::write(folder.join(format!("server{server}/access.log")), text)
    })
}

pub type Point = [f64; 2];

#[derive(Clone, Copy, PartialEq)]
pub struct Star {
    pub at: Point,
    pub speed: Point,
    pub mass: f64,
    pub color: [f64; 3],
}

/// Discs around heavy stars, on their way past each other.
pub fn galaxies(count: usize) -> Vec<Star> {
    let star = |i: usize| {
        let (sign, color) = [(1.0, [1.0, 0.62, 0.3]), (-1.0, [0.35, 0.6, 1.0])][i % 2];
        let mut random = Random::new(1, i as u64);
        let is_center = i < 2;
        let radius = if is_center { 0.0 } else { 0.08 + 0.8 * random.unit() };
        let (sin, cos) = (std::f64::consts::TAU * random.unit()).sin_cos();
        let orbit = if is_center { 0.0 } else { (radius + 1e-3 / radius).sqrt().recip() };
        Star {
            at: [radius * cos - 1.3 * sign, radius * sin - 0.7 * sign],
            speed: [0.5 * sign - orbit * sin, orbit * cos],
            mass: if is_center { 1.0 } else { 0.1 / count as f64 },
            color,
        }
    };
    (0..count.max(2)).map(star).collect()
}
