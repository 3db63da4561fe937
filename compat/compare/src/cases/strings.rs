//! Parallel iterators over a text.

use rayon::prelude::*;

use super::Run;
use crate::random::Random;

/// Returns a text of random words and line breaks.
fn text() -> String {
    let mut random = Random::new(6);
    let mut text = String::new();
    while text.len() < 2_000_000 {
        for _ in 0..=random.below(8) {
            text.push(char::from(b'a' + random.below(26) as u8));
        }
        text.push(if random.below(12) == 0 { '\n' } else { ' ' });
    }
    text
}

pub fn split() -> Run {
    let text = text();
    Box::new(move || text.par_split(' ').map(|word| word.len() as u64 % 3).sum())
}

pub fn chars() -> Run {
    let text = text();
    Box::new(move || text.par_chars().filter(|c| "aeiou".contains(*c)).count() as u64)
}

pub fn lines() -> Run {
    let text = text();
    Box::new(move || {
        let longest = text.par_lines().map(|line| line.split_whitespace().count());
        longest.max().unwrap_or(0) as u64
    })
}
