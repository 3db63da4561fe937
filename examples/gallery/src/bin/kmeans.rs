//! Finds the main colors of a picture by k-means: each pixel belongs to the nearest of k colors.
//! Each color then moves to the mean of its pixels, until none moves. Draws the pixels as points.
//!
//! A pass over all pixels is a `fold`, which adds up the pixels of each color in each piece of the
//! loop, and a `reduce` of these sums. The sums are whole numbers, so their order does not matter.

use std::path::PathBuf;

use clap::Parser;
use filch::prelude::*;
use gallery::{Picture, Result, compare, data, ensure, scatter};

#[derive(Parser)]
struct Arguments {
    #[arg(default_value = data!("grainy.png"))]
    picture: PathBuf,
    /// How many colors
    #[arg(short, default_value_t = 8)]
    k: usize,
    /// How often to repeat the picture, for a longer run
    #[arg(long, default_value_t = 10)]
    copies: usize,
    #[arg(long, default_value = "target/kmeans.svg")]
    out: PathBuf,
}

type Color = [f64; 3];

/// For each color: the sums of its pixels' red, green and blue values, and the number of pixels.
type Sums = Vec<[u64; 4]>;

fn distance(pixel: &[u8; 3], color: &Color) -> f64 {
    (0..3).map(|i| (f64::from(pixel[i]) - color[i]).powi(2)).sum()
}

fn nearest(pixel: &[u8; 3], colors: &[Color]) -> usize {
    let mut best = (f64::INFINITY, 0);
    for (i, color) in colors.iter().enumerate() {
        let distance = distance(pixel, color);
        if distance < best.0 {
            best = (distance, i);
        }
    }
    best.1
}

fn add(mut sums: Sums, pixel: &[u8; 3], colors: &[Color]) -> Sums {
    let sum = &mut sums[nearest(pixel, colors)];
    (0..3).for_each(|i| sum[i] += u64::from(pixel[i]));
    sum[3] += 1;
    sums
}

fn add_all(mut sums: Sums, others: Sums) -> Sums {
    sums.as_flattened_mut().iter_mut().zip(others.as_flattened()).for_each(|(a, b)| *a += b);
    sums
}

fn sums_serially(pixels: &[[u8; 3]], colors: &[Color]) -> Sums {
    pixels.iter().fold(vec![[0; 4]; colors.len()], |sums, pixel| add(sums, pixel, colors))
}

fn sums(pixels: &[[u8; 3]], colors: &[Color]) -> Sums {
    let zero = || vec![[0; 4]; colors.len()];
    pixels.par_iter().fold(zero, |sums, pixel| add(sums, pixel, colors)).reduce(zero, add_all)
}

/// Returns the final colors, and the number of passes.
fn k_means(mut colors: Vec<Color>, sums: impl Fn(&[Color]) -> Sums) -> (Vec<Color>, usize) {
    let mut passes = 0;
    loop {
        passes += 1;
        let mean = |(sum, old): (&[u64; 4], &Color)| match sum[3] {
            0 => *old,
            count => [0, 1, 2].map(|i| sum[i] as f64 / count as f64),
        };
        let means: Vec<Color> = sums(&colors).iter().zip(&colors).map(mean).collect();
        if means == colors || passes == 1000 {
            return (means, passes);
        }
        colors = means;
    }
}

fn main() -> Result {
    let Arguments { picture, k, copies, out } = Arguments::parse();
    let pixels = Picture::read(&picture)?.pixels;
    let many = pixels.repeat(copies);
    ensure(k > 0 && !many.is_empty(), "at least one color and one pixel are needed")?;
    println!("the {k} main colors of {} pixels", many.len());
    let mut begin = vec![pixels[0].map(f64::from)];
    while begin.len() < k {
        // The pixel that is farthest from all colors so far.
        let farthest = pixels.par_iter().max_by(|a, b| {
            let [a, b] = [a, b].map(|pixel| distance(pixel, &begin[nearest(pixel, &begin)]));
            a.total_cmp(&b)
        });
        begin.extend(farthest.map(|pixel| pixel.map(f64::from)));
    }

    let (colors, passes) = compare(
        || k_means(begin.clone(), |colors| sums_serially(&many, colors)),
        || k_means(begin.clone(), |colors| sums(&many, colors)),
    )?;
    println!("{passes} passes until no color moved");
    for (color, sum) in colors.iter().zip(sums(&pixels, &colors)) {
        let [r, g, b] = color.map(|part| part.round() as u8);
        println!("#{r:02x}{g:02x}{b:02x}  {:5.1} %", 100.0 * sum[3] as f64 / pixels.len() as f64);
    }
    // The axes: from cold to warm, and from magenta to green.
    let place = |[r, g, b]: Color| [r - b, g - (r + b) / 2.0];
    let large: Vec<_> = colors.iter().map(|c| (place(*c), c.map(|part| part as u8))).collect();
    let some = pixels.iter().step_by(pixels.len().div_ceil(500));
    let point = |pixel: &[u8; 3]| (place(pixel.map(f64::from)), large[nearest(pixel, &colors)].1);
    let points: Vec<_> = some.map(point).collect();
    scatter(&out, ["red - blue", "green - (red + blue) / 2"], &points, &large)?;
    println!("answer right");
    Ok(())
}
