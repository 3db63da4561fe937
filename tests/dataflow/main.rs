//! Graphs of tasks, ordered streams and gangs: a file for each.
// Handles of graphs own nothing. The tests still drop them explicitly, to show where they end.
#![allow(clippy::drop_non_drop)]

#[path = "../common/mod.rs"]
mod common;

mod driven;
mod faults;
mod gangs;
mod graphs;
mod pipelines;

/// Random numbers (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

/// Mixes two numbers so that their order matters.
fn mix(a: u64, b: u64) -> u64 {
    Random(a.rotate_left(7) ^ b.wrapping_mul(31)).next()
}
