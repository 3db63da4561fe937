//! Draws the main rows of the table as bars: filch's time over rayon's.

use std::error::Error;
use std::fs;
use std::path::Path;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// The rows on two threads that are drawn, if they were measured, and their labels: some of each
/// family, including those in which filch loses.
const ROWS: [(&str, &str); 16] = [
    ("fib", "join: fib"),
    ("integrate", "join: integrate"),
    ("nqueens", "join: nqueens"),
    ("matmul", "join: matrix product"),
    ("flat scope, a task", "scope of many empty tasks"),
    ("scope of 4 of 1 µs, outside", "scope of 4 tasks, from outside"),
    ("scope of 2 of 1 µs, inside", "scope of 2 tasks, from a worker"),
    ("detached by two threads, a task", "detached tasks"),
    ("wake an idle pool from outside", "waking an idle pool"),
    ("sort random u64", "sort of random numbers"),
    ("sort sorted u64", "sort of sorted numbers"),
    ("short, 1,000", "loop over 1,000 items"),
    ("skewed, 20,000", "loop over uneven items"),
    ("filter and collect, 500,000", "filter and collect"),
    ("sum, 10^6", "sum of a million"),
    ("flat map, 50,000", "flat map"),
];
const THREADS: usize = 2;

/// Readable on both light and dark pages.
const TEXT: RGBColor = RGBColor(118, 124, 132);
const FASTER: RGBColor = RGBColor(46, 139, 122);
const SLOWER: RGBColor = RGBColor(208, 107, 60);

const WIDTH: i32 = 760;
const LEFT: i32 = 250;
const RIGHT: i32 = 710;
const TOP: i32 = 50;
const ROW: i32 = 22;
/// The ends of the axis.
const LEAST: f64 = 0.1;
const MOST: f64 = 2.0;
const TICKS: [f64; 5] = [0.1, 0.2, 0.5, 1.0, 2.0];

/// A row, and its ratio to rayon.
pub struct Bar {
    pub name: String,
    pub threads: usize,
    pub ratio: f64,
}

/// Returns the rows of tables that `compare` has printed, from a Markdown text.
pub fn bars_of(markdown: &str) -> Vec<Bar> {
    let bar = |line: &str| {
        let cells: Vec<&str> = line.strip_prefix('|')?.split('|').map(str::trim).collect();
        let [name, threads, _, ratio, ..] = cells[..] else { return None };
        Some(Bar {
            name: name.to_owned(),
            threads: threads.parse().ok()?,
            ratio: ratio.parse().ok()?,
        })
    };
    markdown.lines().filter_map(bar).collect()
}

/// Writes the picture to `file`. Also writes it to a file beside it, with the extension `.md`, as a
/// Markdown link whose target is the picture, for pages that cannot refer to a file.
pub fn write(file: &Path, bars: &[Bar]) -> Result<(), Box<dyn Error>> {
    let drawn = ROWS.iter().filter_map(|(name, label)| {
        let bar = bars.iter().find(|bar| bar.name == *name && bar.threads == THREADS)?;
        Some((*label, bar.ratio))
    });
    let svg = draw(&drawn.collect::<Vec<_>>())?;
    fs::write(file.with_extension("md"), link_target(&svg))?;
    Ok(fs::write(file, svg)?)
}

fn draw(bars: &[(&str, f64)]) -> Result<String, Box<dyn Error>> {
    let bottom = TOP + ROW * i32::try_from(bars.len())?;
    let mut svg = String::new();
    {
        let size = (WIDTH as u32, bottom as u32 + 10);
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        let text = |at: HPos| {
            // The size in the file is this size divided by 1.24.
            let font = ("sans-serif", 16).into_font();
            font.color(&TEXT).pos(Pos::new(at, VPos::Center))
        };
        let title = "time ÷ rayon's, on two threads (log scale; below 1, filch is faster)";
        root.draw(&Text::new(title, (LEFT - 5, 12), text(HPos::Left)))?;
        for tick in TICKS {
            let x = place(tick);
            let line = if tick == 1.0 { TEXT.stroke_width(2) } else { TEXT.mix(0.4).into() };
            root.draw(&PathElement::new([(x, TOP - 6), (x, bottom)], line))?;
            root.draw(&Text::new(tick.to_string(), (x, TOP - 15), text(HPos::Center)))?;
        }
        for (y, &(label, ratio)) in (TOP..).step_by(ROW as usize).zip(bars) {
            let middle = y + ROW / 2;
            let (one, end) = (place(1.0), place(ratio));
            let (color, x, at) = match ratio > 1.0 {
                true => (SLOWER, end + 5, HPos::Left),
                false => (FASTER, end - 5, HPos::Right),
            };
            let corners = [(one.min(end), y + 4), (one.max(end), y + ROW - 4)];
            root.draw(&Text::new(label, (LEFT - 12, middle), text(HPos::Right)))?;
            root.draw(&Rectangle::new(corners, color.filled()))?;
            root.draw(&Text::new(format!("{ratio:.2}"), (x, middle), text(at)))?;
        }
        root.present()?;
    }
    Ok(svg)
}

/// Returns the position of a ratio on the axis.
fn place(ratio: f64) -> i32 {
    let part = (ratio.clamp(LEAST, MOST) / LEAST).ln() / (MOST / LEAST).ln();
    LEFT + (part * f64::from(RIGHT - LEFT)).round() as i32
}

/// Returns the definition of a Markdown link whose target is the picture itself.
fn link_target(svg: &str) -> String {
    let mut target = String::from("[ratios]: data:image/svg+xml,");
    for byte in svg.bytes() {
        match byte {
            b'\n' => {}
            b'"' => target.push('\''),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'/' | b':' | b'=' | b',' => {
                target.push(char::from(byte));
            }
            _ => target.push_str(&format!("%{byte:02X}")),
        }
    }
    target + "\n"
}
