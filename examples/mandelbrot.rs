//! Draws a part of the Mandelbrot set into a PNG file. Each fork halves the rows.

mod common;
#[path = "common/output.rs"]
mod output;
#[path = "common/times.rs"]
mod times;

use std::f64::consts::TAU;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use clap::Parser;
use common::{Failure, PoolArgs, finish, print, progress, timed, whole};
use example_tools::png;
use indicatif::ProgressBar;
use output::Output;
use times::Times;

/// Draw a part of the Mandelbrot set into a PNG file
///
/// For a closer look at the seahorses:
///   mandelbrot --out seahorses.png --centre=-0.7436,0.1318 --span 0.006
#[derive(Parser)]
#[command(version, verbatim_doc_comment, after_help = common::EXIT_STATUS)]
struct Args {
    /// The picture to write; an existing file is replaced
    #[arg(long, value_name = "FILE.png")]
    out: PathBuf,

    /// Size in pixels, each side from 1 to 16384
    #[arg(
        long,
        value_name = "WIDTHxHEIGHT",
        default_value = "1600x1200",
        value_parser = parse_size
    )]
    size: (usize, usize),

    /// Middle of the picture in the complex plane
    #[arg(
        long,
        alias = "center",
        value_name = "RE,IM",
        default_value = "-0.65,0",
        allow_hyphen_values = true,
        value_parser = parse_centre
    )]
    centre: (f64, f64),

    /// Width of the picture in the complex plane; more than 0, at most 100
    #[arg(
        long,
        value_name = "WIDTH",
        default_value = "3.2",
        allow_negative_numbers = true,
        value_parser = parse_span
    )]
    span: f64,

    /// Steps after which a point counts as inside
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1000,
        allow_negative_numbers = true,
        value_parser = whole(1_u32..=100_000_000)
    )]
    iterations: u32,

    /// Do not check the rows against a serial run
    #[arg(long)]
    no_check: bool,

    #[command(flatten)]
    pool: PoolArgs,
}

fn main() -> ExitCode {
    finish(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Failure> {
    let view = View::new(args);
    let out = Output::open(&args.out)?;
    let pool = args.pool.build()?;

    let (picture, parallel) = draw("rows, on the pool", &view, |rows, bar| {
        pool.install(|| draw_in_parallel(&view, rows, 0, bar));
    });
    let serial = (!args.no_check).then(|| {
        draw("rows, serially", &view, |rows, bar| {
            draw_serially(&view, rows, bar);
        })
    });

    let times = Times {
        serial: serial.as_ref().map(|(_, time)| *time),
        parallel,
        threads: pool.current_num_threads(),
    };
    print(times)?;
    if let Some((expected, _)) = serial {
        check(&view, &picture, &expected)?;
    }
    out.write(|file| encode(&view, &picture, file))?;
    print(format!("wrote {}", args.out.display()))
}

fn check(view: &View, picture: &[u8], expected: &[u8]) -> Result<(), Failure> {
    let rows = picture.chunks(view.row_bytes());
    let expected_rows = expected.chunks(view.row_bytes());
    match rows.zip(expected_rows).position(|(row, expected)| row != expected) {
        None => print("check: every row equals that of the serial run"),
        Some(row) => Err(Failure::Wrong(format!(
            "row {row} differs from the serial run; nothing was written"
        ))),
    }
}

// The options

fn parse_size(text: &str) -> Result<(usize, usize), String> {
    let side = |text: &str| text.parse().ok().filter(|side| (1..=16384).contains(side));
    let both = text.split_once('x').and_then(|(w, h)| side(w).zip(side(h)));
    both.ok_or_else(|| "expected two whole numbers from 1 to 16384, as in 800x600".into())
}

fn parse_centre(text: &str) -> Result<(f64, f64), String> {
    let part = |text: &str| f64::from_str(text).ok().filter(|part| part.abs() <= 100.0);
    let both = text.split_once(',').and_then(|(re, im)| part(re).zip(part(im)));
    both.ok_or_else(|| "expected two numbers from -100 to 100, as in -0.75,0.1".into())
}

fn parse_span(text: &str) -> Result<f64, String> {
    let span = text.parse().ok().filter(|&span| span > 0.0 && span <= 100.0);
    span.ok_or_else(|| "expected a number above 0 and at most 100".into())
}

// The picture

const BYTES_PER_PIXEL: usize = 3;

struct View {
    width: usize,
    height: usize,
    /// The complex number at the middle of the upper left pixel.
    left: f64,
    top: f64,
    /// The width of a pixel in the complex plane.
    step: f64,
    iterations: u32,
}

impl View {
    fn new(args: &Args) -> View {
        let (width, height) = args.size;
        let step = args.span / width as f64;
        View {
            width,
            height,
            left: args.centre.0 - step * (width - 1) as f64 / 2.0,
            top: args.centre.1 + step * (height - 1) as f64 / 2.0,
            step,
            iterations: args.iterations,
        }
    }

    fn row_bytes(&self) -> usize {
        self.width * BYTES_PER_PIXEL
    }

    fn draw_row(&self, y: usize, row: &mut [u8]) {
        let im = self.top - self.step * y as f64;
        for (x, pixel) in row.chunks_mut(BYTES_PER_PIXEL).enumerate() {
            let re = self.left + self.step * x as f64;
            pixel.copy_from_slice(&colour(escape(re, im, self.iterations)));
        }
    }
}

/// Returns the number of steps after which the point escapes, smoothed to a real number. Returns
/// `None` if it stays.
fn escape(re: f64, im: f64, iterations: u32) -> Option<f64> {
    const FAR: f64 = 256.0;
    let (mut x, mut y) = (0.0, 0.0);
    for step in 0..iterations {
        let (xx, yy): (f64, f64) = (x * x, y * y);
        if xx + yy > FAR * FAR {
            let overshoot = ((xx + yy).ln() / 2.0 / FAR.ln()).log2();
            return Some(f64::from(step) - overshoot);
        }
        (x, y) = (xx - yy + re, 2.0 * x * y + im);
    }
    None
}

/// Points inside the set are black. Outside, the colours repeat with the logarithm of the steps.
fn colour(escape: Option<f64>) -> [u8; BYTES_PER_PIXEL] {
    let Some(steps) = escape else {
        return [0; BYTES_PER_PIXEL];
    };
    let turn = (steps + 1.0).max(1.0).ln() / 3.0;
    [0.55, 0.65, 0.75].map(|phase| {
        let brightness = 0.5 - 0.5 * (TAU * (turn - phase)).cos();
        (brightness * 255.0) as u8
    })
}

fn draw(
    doing: &'static str,
    view: &View,
    work: impl FnOnce(&mut [u8], &ProgressBar),
) -> (Vec<u8>, Duration) {
    let bar = progress(doing, Some(view.height as u64));
    let mut picture = vec![0; view.row_bytes() * view.height];
    let ((), time) = timed(|| work(&mut picture, &bar));
    bar.finish_and_clear();
    (picture, time)
}

fn draw_serially(view: &View, picture: &mut [u8], bar: &ProgressBar) {
    for (y, row) in picture.chunks_mut(view.row_bytes()).enumerate() {
        view.draw_row(y, row);
        bar.inc(1);
    }
}

/// Halves the rows until one is left. The first of `rows` is row `y` of the picture.
fn draw_in_parallel(view: &View, rows: &mut [u8], y: usize, bar: &ProgressBar) {
    let count = rows.len() / view.row_bytes();
    if count == 1 {
        view.draw_row(y, rows);
        bar.inc(1);
        return;
    }
    let half = count / 2;
    let (upper, lower) = rows.split_at_mut(half * view.row_bytes());
    filch::join(
        || draw_in_parallel(view, upper, y, bar),
        || draw_in_parallel(view, lower, y + half, bar),
    );
}

fn encode(view: &View, picture: &[u8], file: impl Write) -> io::Result<()> {
    let mut encoder = png::Encoder::new(file, view.width as u32, view.height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(picture)?;
    Ok(writer.finish()?)
}
