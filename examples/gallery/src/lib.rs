//! Shared by the programs of the gallery: the comparison with a serial run, random numbers,
//! generated input, and pictures.

pub mod input;
mod picture;

use std::error::Error;
use std::f64::consts::TAU;
use std::fs::{self, File};
use std::path::Path;
use std::time::Instant;

pub use picture::{Dot, Picture, histogram, scatter};

pub type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// Does the same work serially and in parallel, and prints both times.
/// Returns the parallel result, or an error if it is not equal to the serial one.
pub fn compare<R: PartialEq>(
    serial: impl FnOnce() -> R,
    parallel: impl FnOnce() -> R,
) -> Result<R> {
    let begin = Instant::now();
    let expected = serial();
    let serial_time = begin.elapsed();

    // Starts the global pool before the parallel time is measured.
    let threads = filch::current_num_threads();
    let begin = Instant::now();
    let result = parallel();
    let time = begin.elapsed();

    let gain = serial_time.as_secs_f64() / time.as_secs_f64();
    println!("{serial_time:.2?} serially, {time:.2?} on {threads} threads: speed-up {gain:.2}");
    ensure(result == expected, "the parallel answer differs from the serial one")?;
    Ok(result)
}

/// Returns an error with the text `otherwise` if `condition` is false.
pub fn ensure(condition: bool, otherwise: &str) -> Result {
    if condition { Ok(()) } else { Err(otherwise.into()) }
}

/// A random number generator (SplitMix64). Each item of a loop has its own generator, made from the
/// seed and the item's number. So the numbers do not depend on which thread runs which item.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64, item: u64) -> Self {
        let mut random = Random(seed);
        random.0 = random.next() ^ item.wrapping_mul(0xd134_2543_de82_ef95);
        random
    }

    #[expect(clippy::should_implement_trait, reason = "it never ends, so it is not an iterator")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// Returns a number from 0 to 1, excluding 1.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Returns a number from 0 to `end - 1`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.unit() * end as f64) as usize
    }

    /// Returns a normally distributed number, by the Box–Muller method.
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (TAU * self.unit()).cos()
    }
}

/// Reads a text file.
pub fn read(path: &Path) -> Result<String> {
    Ok(fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?)
}

/// Creates a file, and its folder if there is none. Prints the path.
pub fn create(path: &Path) -> Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let file = File::create(path).map_err(|error| format!("{}: {error}", path.display()))?;
    println!("writing {}", path.display());
    Ok(file)
}

/// The path of a file in the gallery's folder `data`.
#[macro_export]
macro_rules! data {
    ($name:literal) => {
        concat!(env!("CARGO_MANIFEST_DIR"), "/data/", $name)
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_answer_is_an_error() {
        assert_eq!(compare(|| 6 * 7, || 42).unwrap(), 42);
        assert!(compare(|| 6 * 7, || 41).is_err());
    }

    #[test]
    fn pictures_are_read_as_they_were_written() -> Result {
        let pixels = (0..35).map(|i| [i, 7 * i, 255 - i]).collect();
        let picture = Picture { width: 7, height: 5, pixels };
        let path = std::env::temp_dir().join(format!("gallery-{}.png", std::process::id()));
        picture.write(&path)?;
        let read = Picture::read(&path);
        fs::remove_file(&path)?;
        assert_eq!(read?, picture);
        Ok(())
    }
}
