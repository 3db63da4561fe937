//! Removes the grain from a picture, PNG to PNG, by non-local means: each pixel becomes the
//! weighted mean of the pixels around it. A pixel with similar surroundings weighs more, so edges
//! stay sharp.
//!
//! Each pixel is computed from the old picture alone: a `map` over the indices of the pixels.

use std::path::PathBuf;

use clap::Parser;
use filch::prelude::*;
use gallery::{Picture, Result, compare, data, ensure};

#[derive(Parser)]
struct Arguments {
    #[arg(default_value = data!("grainy.png"))]
    picture: PathBuf,
    #[arg(long, default_value = "target/denoised.png")]
    out: PathBuf,
    /// How far to look for similar pixels
    #[arg(long, default_value_t = 7)]
    reach: i32,
    /// How different, from 0 to 255, two pixels with the same true color may be
    #[arg(long, default_value_t = 16.0)]
    grain: f32,
}

/// How far the surroundings of a pixel reach.
const PATCH: i32 = 2;

/// The old picture, with a margin into which its edge is copied.
struct Padded {
    margin: i32,
    stride: i32,
    colors: Vec<[f32; 3]>,
}

impl Padded {
    fn new(picture: &Picture, margin: i32) -> Padded {
        let (width, height) = (picture.width as i32, picture.height as i32);
        let color = |(x, y): (i32, i32)| {
            let (x, y) = (x.clamp(0, width - 1), y.clamp(0, height - 1));
            picture.pixels[(y * width + x) as usize].map(f32::from)
        };
        let columns = -margin..width + margin;
        let rows = -margin..height + margin;
        let places = rows.flat_map(|y| columns.clone().map(move |x| (x, y)));
        Padded { margin, stride: width + 2 * margin, colors: places.map(color).collect() }
    }

    fn index(&self, x: i32, y: i32) -> i32 {
        (y + self.margin) * self.stride + x + self.margin
    }

    /// The mean square of the difference between the surroundings of two pixels.
    fn difference(&self, a: i32, b: i32) -> f32 {
        let length = 2 * PATCH + 1;
        let mut sum = 0.0;
        for row in (-PATCH..=PATCH).map(|y| y * self.stride - PATCH) {
            let [a, b] = [a, b].map(|center| &self.colors[(center + row) as usize..]);
            for (a, b) in a.iter().zip(b).take(length as usize) {
                sum += (0..3).map(|i| (a[i] - b[i]) * (a[i] - b[i])).sum::<f32>();
            }
        }
        sum / (3 * length * length) as f32
    }

    fn denoised(&self, x: i32, y: i32, reach: i32, grain: f32) -> [u8; 3] {
        let here = self.index(x, y);
        let (mut sum, mut weights) = ([0.0; 3], 0.0);
        for dy in -reach..=reach {
            for there in (-reach..=reach).map(|dx| here + dy * self.stride + dx) {
                // The grain of both pixels adds to any difference. Only the rest counts.
                let beyond = (self.difference(here, there) - 2.0 * grain * grain).max(0.0);
                let weight = (-beyond / (0.25 * grain * grain)).exp();
                let color = self.colors[there as usize];
                (0..3).for_each(|i| sum[i] += weight * color[i]);
                weights += weight;
            }
        }
        sum.map(|sum| (sum / weights).round() as u8)
    }
}

fn main() -> Result {
    let Arguments { picture, out, reach, grain } = Arguments::parse();
    ensure((1..=100).contains(&reach), "the reach must be from 1 to 100")?;
    ensure(grain > 0.0, "the grain must be positive")?;
    let old = Picture::read(&picture)?;
    let (width, height) = (old.width, old.height);
    println!("removing the grain from {} ({width} x {height})", picture.display());

    let padded = Padded::new(&old, reach + PATCH);
    let pixel = |i| padded.denoised((i % width) as i32, (i / width) as i32, reach, grain);
    let pixels = compare(
        || (0..width * height).map(pixel).collect::<Vec<_>>(),
        || (0..width * height).into_par_iter().map(pixel).collect(),
    )?;

    let roughness = |pixels: &[[u8; 3]]| {
        let steps = pixels.windows(2).map(|pair| u64::from(pair[0][1].abs_diff(pair[1][1])));
        steps.sum::<u64>() as f64 / pixels.len() as f64
    };
    let [before, after] = [&old.pixels, &pixels].map(|pixels| roughness(pixels));
    println!("neighboring pixels differed by {before:.1} on average, and now by {after:.1}");
    Picture { width, height, pixels }.write(&out)?;
    println!("answer right");
    Ok(())
}
