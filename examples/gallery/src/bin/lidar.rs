//! Finds cars in the frames of a lidar, each within a deadline: removes the ground, groups points
//! that are close, and draws a box around each group. The frames are generated, and come at a fixed
//! rate. A pipeline has several frames in flight, and drops those that it begins too late.

use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use clap::Parser;
use filch::prelude::*;
use gallery::input::{Bounds, Place, REACH, are_around_cars, scan};
use gallery::{Picture, Result, ensure};

#[derive(Parser)]
struct Arguments {
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    frames: u32,
    /// Milliseconds from one frame to the next
    #[arg(long, default_value_t = 10)]
    period: u64,
    /// Milliseconds from a frame to its boxes
    #[arg(long, default_value_t = 20)]
    deadline: u64,
    #[arg(long, default_value = "target/lidar.png")]
    out: PathBuf,
}

/// Cells along a side of the map, each of half a meter.
const SIDE: usize = 160;
/// The least number of points that count as a car.
const FEWEST: usize = 12;

/// Returns the column and the row of the cell at a place. It is never at the rim.
fn cell(place: &Place) -> [usize; 2] {
    let part = |at: f32| ((at + REACH) / (2.0 * REACH) * SIDE as f32) as usize;
    [part(place[0]).clamp(1, SIDE - 2), part(place[1]).clamp(1, SIDE - 2)]
}

/// Returns the points that are clearly above the lowest point in their part of the map.
fn above_ground(points: &[Place]) -> Vec<Place> {
    let part = |point: &Place| cell(point)[1] / 10 * SIDE + cell(point)[0] / 10;
    let mut lowest = vec![f32::MAX; SIDE * SIDE];
    points.iter().for_each(|point| lowest[part(point)] = lowest[part(point)].min(point[2]));
    points.iter().filter(|point| point[2] > lowest[part(point)] + 0.3).copied().collect()
}

/// Returns the bounds of each group of points whose cells touch.
fn boxes(points: &[Place]) -> Vec<Bounds> {
    let at = |point: &Place| cell(point)[1] * SIDE + cell(point)[0];
    let mut points_of = vec![Vec::new(); SIDE * SIDE];
    points.iter().for_each(|point| points_of[at(point)].push(point));
    let mut found = Vec::new();
    for first in points.iter().map(at) {
        let (mut path, mut count) = (vec![first], 0);
        let mut bounds = [f32::MAX, f32::MIN, f32::MAX, f32::MIN];
        while let Some(at) = path.pop() {
            let group = std::mem::take(&mut points_of[at]);
            if group.is_empty() {
                continue;
            }
            count += group.len();
            for [x, y, _] in group {
                let [x0, x1, y0, y1] = bounds;
                bounds = [x0.min(*x), x1.max(*x), y0.min(*y), y1.max(*y)];
            }
            path.extend([at - SIDE, at, at + SIDE].iter().flat_map(|at| [at - 1, *at, at + 1]));
        }
        if count >= FEWEST {
            found.push(bounds);
        }
    }
    found
}

fn main() -> Result {
    let Arguments { frames, period, deadline, out } = Arguments::parse();
    let [period, deadline] = [period, deadline].map(Duration::from_millis);
    let scans: Vec<Vec<Place>> = (0..frames).into_par_iter().map(scan).collect();
    let begin = Instant::now();
    let serial: Vec<_> = scans.iter().map(|points| boxes(&above_ground(points))).collect();
    println!("{frames} frames, {:.2?} of work for each", begin.elapsed() / frames);

    let begin = Instant::now() + period;
    let sensor = (0..frames).map(|frame| {
        let due = begin + frame * period;
        sleep(due.saturating_duration_since(Instant::now()));
        (frame as usize, due)
    });
    let (mut found, mut times) = (vec![None; scans.len()], Vec::new());
    let stats = filch::pipeline(sensor)
        .parallel(|(frame, due)| {
            let points = (due.elapsed() < deadline).then(|| above_ground(&scans[frame]));
            (frame, due, points)
        })
        .parallel(|(frame, due, points)| (frame, due, points.map(|points| boxes(&points))))
        .serial_in_order(|(frame, due, boxes): (usize, Instant, Option<_>)| {
            times.extend(boxes.is_some().then(|| due.elapsed()));
            found[frame] = boxes;
        })
        .run()?;
    println!("\n{stats}\n");

    for (frame, boxes) in found.iter().enumerate().filter_map(|(i, it)| Some((i, it.as_ref()?))) {
        ensure(*boxes == serial[frame], "the parallel answer differs from the serial one")?;
        let is_right = are_around_cars(boxes, &above_ground(&scans[frame]), frame as u32);
        ensure(is_right, "a box is not where a car is")?;
    }
    ensure(!times.is_empty(), "all frames were dropped")?;
    times.sort();
    let at = |part: usize| times[(times.len() - 1) * part / 100];
    println!("from a frame to its boxes, median {:>9.2?}", at(50));
    println!("99 of 100 within                 {:>9.2?}", at(99));
    println!("frames dropped                   {:>9}", found.len() - times.len());
    let late = times.iter().filter(|time| **time > deadline).count();
    println!("frames after their deadline      {late:>9}");
    let (points, boxes) = (&scans[scans.len() - 1], &serial[scans.len() - 1]);
    Picture::of_boxes(points, &above_ground(points), boxes).write(&out)?;
    println!("answer right: boxes are where cars are");
    Ok(())
}
