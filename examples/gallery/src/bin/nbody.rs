//! Two galaxies collide: gravity between many stars in a plane, by the Barnes–Hut method.
//!
//! A group of distant stars pulls like one star at its center of mass. A tree gives these groups. A
//! recursion builds it: it halves the stars, and forks for the halves by `join`. Then a parallel
//! loop over the stars computes the pull on each. All bits equal those of a serial run.

use std::path::PathBuf;

use clap::Parser;
use filch::prelude::*;
use gallery::input::{Point, Star, galaxies};
use gallery::{Picture, Result, compare, ensure};

#[derive(Parser)]
struct Arguments {
    #[arg(long, default_value_t = 6_000)]
    stars: usize,
    #[arg(long, default_value_t = 120)]
    steps: usize,
    #[arg(long, default_value = "target/nbody.png")]
    out: PathBuf,
}

/// A group of stars, which may count as one star.
struct Tree {
    mass: f64,
    middle: Point,
    /// The longer side of the box around them.
    side: f64,
    halves: Option<Box<(Tree, Tree)>>,
}

impl Tree {
    /// Builds a tree, and reorders the stars by it.
    fn build(stars: &mut [Star], forks: bool) -> Tree {
        let mass = stars.iter().map(|star| star.mass).sum::<f64>();
        let middle = [0, 1].map(|i| stars.iter().map(|s| s.mass * s.at[i]).sum::<f64>() / mass);
        let [width, height] = [0, 1].map(|i| {
            let all = || stars.iter().map(|star| star.at[i]);
            all().fold(f64::MIN, f64::max) - all().fold(f64::MAX, f64::min)
        });
        let mut tree = Tree { mass, middle, side: width.max(height), halves: None };
        if stars.len() > 1 {
            let (half, axis) = (stars.len() / 2, usize::from(height > width));
            stars.select_nth_unstable_by(half, |a, b| a.at[axis].total_cmp(&b.at[axis]));
            let (low, high) = stars.split_at_mut(half);
            let halves = join(forks, || Tree::build(low, forks), || Tree::build(high, forks));
            tree.halves = Some(Box::new(halves));
        }
        tree
    }

    fn pull(&self, at: Point) -> Point {
        let [x, y] = [self.middle[0] - at[0], self.middle[1] - at[1]];
        match &self.halves {
            Some(halves) if self.side * self.side > 0.6 * (x * x + y * y) => {
                add(halves.0.pull(at), halves.1.pull(at))
            }
            _ => attraction(at, self.middle, self.mass),
        }
    }
}

fn add(a: Point, b: Point) -> Point {
    [a[0] + b[0], a[1] + b[1]]
}

/// The pull is softened, so that stars that meet do not fling each other away.
fn attraction(at: Point, to: Point, mass: f64) -> Point {
    let [x, y] = [to[0] - at[0], to[1] - at[1]];
    let square = x * x + y * y + 1e-3;
    let pull = mass / (square * square.sqrt());
    [pull * x, pull * y]
}

fn join<A: Send, B: Send>(
    forks: bool,
    a: impl FnOnce() -> A + Send,
    b: impl FnOnce() -> B + Send,
) -> (A, B) {
    if forks { filch::join(a, b) } else { (a(), b()) }
}

const STEP: f64 = 0.02;

fn step(stars: &mut [Star], forks: bool) {
    let tree = Tree::build(stars, forks);
    let advance = |star: &mut Star| {
        star.speed = add(star.speed, tree.pull(star.at).map(|pull| pull * STEP));
        star.at = add(star.at, star.speed.map(|speed| speed * STEP));
    };
    if forks { stars.par_iter_mut().for_each(advance) } else { stars.iter_mut().for_each(advance) }
}

fn main() -> Result {
    let Arguments { stars, steps, out } = Arguments::parse();
    println!("{steps} steps of {stars} stars");
    let run = |forks| {
        let mut stars = galaxies(stars);
        (0..steps).for_each(|_| step(&mut stars, forks));
        stars
    };
    let mut stars = compare(|| run(false), || run(true))?;

    // The tree is an approximation. How good is it?
    let tree = Tree::build(&mut stars, true);
    let error = |star: &Star| {
        let pull = |other: &Star| attraction(star.at, other.at, other.mass);
        let ([x, y], [tx, ty]) = (stars.iter().map(pull).fold([0.0; 2], add), tree.pull(star.at));
        (tx - x).hypot(ty - y) / x.hypot(y)
    };
    let errors: Vec<f64> = stars[..stars.len().min(200)].par_iter().map(error).collect();
    let mean = errors.iter().sum::<f64>() / errors.len() as f64;
    println!("the pull differs by {:.3} % from the sum over all stars", 100.0 * mean);
    ensure(mean < 0.01, "the pull differs too much")?;
    let shown = |star: &Star| (add([200.0, 150.0], star.at.map(|x| 75.0 * x)), star.color);
    Picture::of_stars(400, 300, stars.iter().map(shown)).write(&out)?;
    println!("answer right");
    Ok(())
}
