//! Generated input, and parsers.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{fs, io};

use filch::prelude::*;

use crate::{Random, Result};

/// Writes logs of six servers. The first one answers half of all requests, the next one a quarter.
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

/// Returns two discs of stars around heavy stars, which move past each other.
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

/// Relative to the lidar, in meters.
pub type Place = [f32; 3];
/// Least x, greatest x, least y and greatest y.
pub type Bounds = [f32; 4];

/// How far a lidar sees, in meters.
pub const REACH: f32 = 40.0;
/// How high it is above the ground.
const HEIGHT: f32 = 1.8;

/// Returns where the cars around a lidar are in a frame: in three lanes, each with its own speed.
pub fn cars(frame: u32) -> Vec<Bounds> {
    let car = |i: usize| {
        let (lane, speed) = [(-5.0, 0.9), (3.5, 0.15), (7.5, -0.2)][i % 3];
        let x = (17.0 * i as f32 + speed * frame as f32).rem_euclid(140.0) - 70.0;
        [x, x + 4.4, lane, lane + 1.8]
    };
    (0..24).map(car).filter(|car| car[0].abs() < REACH - 8.0).collect()
}

/// Returns the points that a lidar of 32 beams sees in one turn, with some noise.
pub fn scan(frame: u32) -> Vec<Place> {
    let (cars, mut random) = (cars(frame), Random::new(1, frame.into()));
    let mut places = Vec::new();
    for (beam, shot) in (0..32).flat_map(|beam| (0..900).map(move |shot| (beam, shot))) {
        let (up, around) = ((0.9 * beam as f32 - 24.0).to_radians(), shot as f32 / 900.0 * TURN);
        let ray = [around.cos() * up.cos(), around.sin() * up.cos(), up.sin()];
        let ground = if ray[2] < 0.0 { -HEIGHT / ray[2] } else { f32::MAX };
        let hit = cars.iter().filter_map(|car| distance(ray, car)).fold(ground, f32::min);
        if hit < REACH {
            let hit = hit + 0.02 * random.normal() as f32;
            places.push(ray.map(|part| part * hit));
        }
    }
    places
}

const TURN: f32 = std::f32::consts::TAU;

/// Returns the distance of a car, 1.5 meters high, along a ray that hits it.
fn distance(ray: Place, car: &Bounds) -> Option<f32> {
    let sides = [[car[0], car[1]], [car[2], car[3]], [-HEIGHT, 1.5 - HEIGHT]];
    let (mut begin, mut end) = (0.0_f32, f32::MAX);
    for (part, [low, high]) in ray.into_iter().zip(sides) {
        begin = begin.max((low / part).min(high / part));
        end = end.min((low / part).max(high / part));
    }
    (begin < end).then_some(begin)
}

/// Returns a mutated copy of a sequence: about every 16th base is changed, inserted or deleted, and
/// the parts before and after `cut` are swapped.
pub fn relative(bases: &[u8], cut: usize) -> Vec<u8> {
    let mut random = Random::new(2, 0);
    let mut child = Vec::new();
    for base in bases[cut..].iter().chain(&bases[..cut]) {
        let (other, what) = (b"ACGT"[random.below(4)], random.below(64));
        match what {
            0 => {}
            1 => child.extend([*base, other]),
            2..4 => child.push(other),
            _ => child.push(*base),
        }
    }
    child
}

/// Returns the sequence in the text of a FASTA file.
pub fn fasta(text: &str) -> Vec<u8> {
    let lines = text.lines().filter(|line| !line.starts_with('>'));
    lines.flat_map(|line| line.trim().bytes()).map(|base| base.to_ascii_uppercase()).collect()
}

/// Returns the contents of a folder on each of `days` days. Each day, four lines are added.
pub fn backups(folder: &Path, days: u32) -> Result<Vec<u8>> {
    let (mut today, mut all) = (Vec::new(), Vec::new());
    add_folder(folder, &mut today)?;
    for day in 0..days {
        let mut random = Random::new(1, day.into());
        for _ in 0..4 {
            let at = random.below(today.len() + 1);
            today.splice(at..at, format!("day {day}\n").into_bytes());
        }
        all.extend(&today);
    }
    Ok(all)
}

/// Appends the contents of all files in a folder, in the order of their names.
fn add_folder(folder: &Path, all: &mut Vec<u8>) -> Result {
    let text = |error| format!("{}: {error}", folder.display());
    let entries: io::Result<Vec<_>> = fs::read_dir(folder).map_err(text)?.collect();
    let mut paths: Vec<PathBuf> = entries?.iter().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            add_folder(&path, all)?;
        } else {
            all.extend(fs::read(&path)?);
        }
    }
    Ok(())
}

/// For each package, by name and version: the names of its dependencies.
type Found = BTreeMap<String, Vec<String>>;

/// A package, the indices of its dependencies, and how much there is to compile.
pub struct Package {
    pub name: String,
    pub before: Vec<usize>,
    pub size: u64,
}

/// Returns the packages in the text of a `Cargo.lock`, each after its dependencies.
pub fn packages(text: &str) -> Vec<Package> {
    let (found, mut packages) = (found(text), Vec::new());
    for name in found.keys() {
        visit(name, &found, &mut packages);
    }
    packages
}

fn found(text: &str) -> Found {
    let package = |entry: &str| {
        let field = |key| entry.lines().find_map(|line: &str| line.strip_prefix(key));
        let field = |key| field(key).unwrap_or_default().trim_matches('"');
        let list = entry.split_once("dependencies = [").map_or("", |(_, list)| list);
        let list = list.split(']').next().unwrap_or_default().split(',').map(str::trim);
        let list = list.map(|name| name.trim_matches('"').to_owned()).filter(|it| !it.is_empty());
        (format!("{} {}", field("name = "), field("version = ")), list.collect())
    };
    text.split("[[package]]").skip(1).map(package).collect()
}

/// Appends a package to `packages`, after its dependencies. Returns its index.
fn visit(name: &str, found: &Found, packages: &mut Vec<Package>) -> Option<usize> {
    // The entry of a dependency has a version only if there are several versions.
    let is_it = |full: &&String| *full == name || full.split(' ').next() == Some(name);
    let name = found.keys().find(is_it)?;
    let place = packages.iter().position(|package| package.name == *name);
    place.or_else(|| {
        let before = found[name].iter().filter_map(|it| visit(it, found, packages)).collect();
        let size = 2_000 + Random::new(number(name), 0).next() % 200_000;
        packages.push(Package { name: name.clone(), before, size });
        Some(packages.len() - 1)
    })
}

/// Returns a hash of a text.
pub fn number(text: &str) -> u64 {
    text.bytes().fold(0, |sum, byte| (sum + u64::from(byte)).wrapping_mul(0xd134_2543_de82_ef95))
}

fn overlap(a: &Bounds, b: &Bounds) -> bool {
    a[0] < b[1] && b[0] < a[1] && a[2] < b[3] && b[2] < a[3]
}

/// Whether each box is around a car of a frame, and each car with at least 50 points has a box.
pub fn are_around_cars(boxes: &[Bounds], points: &[Place], frame: u32) -> bool {
    let cars = cars(frame);
    let seen = |car: &Bounds| {
        let is_in = |[x, y, _]: &&Place| overlap(car, &[x - 0.1, x + 0.1, y - 0.1, y + 0.1]);
        points.iter().filter(is_in).count()
    };
    let has_box = |car: &Bounds| boxes.iter().any(|it| overlap(it, car));
    boxes.iter().all(|it| cars.iter().any(|car| overlap(it, car)))
        && cars.iter().all(|car| has_box(car) || seen(car) < 50)
}
