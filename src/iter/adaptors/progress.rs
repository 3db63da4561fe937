//! Progress bars of indicatif.

use std::{mem, thread};

use indicatif::{ProgressBar, ProgressStyle};

use super::map_with::{Mapping, WithState};
use super::seed::Seed;
use crate::iter::{IndexedParallelIterator, ParallelIterator};
use crate::os::clock::{TICKS_PER_MICROSECOND, ticks};

/// Counts the items of parallel iterators in progress bars, as indicatif's trait of this name does
/// for those of rayon.
///
/// Needs the feature `indicatif`. The prelude has this trait without its name.
///
/// Each worker counts by itself, and adds to the bar about every millisecond, and at the end of
/// each piece of a loop. So workers do not contend for the bar. Items that take longer than a
/// millisecond count one by one, as they end. (Up to 15 slow items count late if they follow on
/// quick ones.) On two cores this takes some 3 ns for each item. indicatif's adaptor for rayon
/// takes some 90 ns.
///
/// The bar ends by its `ProgressFinish` once the loop has ended and no other clone of it is left.
pub trait ParallelProgressIterator: ParallelIterator {
    /// Counts the items in `bar`.
    ///
    /// ```
    /// use filch::prelude::*;
    /// use indicatif::ProgressBar;
    ///
    /// let bar = ProgressBar::new(1000);
    /// let even = (0..1000).into_par_iter().progress_with(bar.clone()).filter(|n| n % 2 == 0);
    /// assert_eq!((even.count(), bar.position()), (500, 1000));
    /// ```
    fn progress_with(self, bar: ProgressBar) -> Progress<Self> {
        Progress::new(self, bar)
    }

    /// Counts the items in a new bar of length `len`.
    fn progress_count(self, len: u64) -> Progress<Self> {
        self.progress_with(ProgressBar::new(len))
    }

    /// Counts the items in a new bar, which has the iterator's length.
    fn progress(self) -> Progress<Self>
    where
        Self: IndexedParallelIterator,
    {
        let len = self.len() as u64;
        self.progress_count(len)
    }

    /// Counts the items in a new bar, which has the iterator's length and is drawn in `style`.
    fn progress_with_style(self, style: ProgressStyle) -> Progress<Self>
    where
        Self: IndexedParallelIterator,
    {
        let bar = ProgressBar::new(self.len() as u64).with_style(style);
        self.progress_with(bar)
    }
}

impl<I: ParallelIterator> ParallelProgressIterator for I {}

one_to_one! {
    /// The iterator of the methods of [`ParallelProgressIterator`].
    Progress<I> { base: I; bar: ProgressBar }
    [T: Send] over<Item = T> => T,
    |self, consumer| Mapping::stage(consumer, Counting(&self.bar), &Count::add),
    |base| WithState { base, seed: Counting(&bar), f: &Count::add }
}

/// Each piece counts by itself.
#[derive(Clone)]
struct Counting<'a>(&'a ProgressBar);

impl<'a> Seed for Counting<'a> {
    type State = Count<'a>;
    type Kept = ();

    const IS_COSTLY: bool = false;

    fn begin(&self, (): ()) -> Count<'a> {
        Count::new(self.0)
    }

    fn keep(_count: Count<'a>) {}
}

/// How long a worker counts before it adds that to the bar. (A guess: far shorter than the time
/// between two drawings, and long enough that workers do not contend for the bar.)
const INTERVAL: u64 = 1_000 * TICKS_PER_MICROSECOND;

/// How many quick items are counted without a look at the clock. (The clock may take 20 ns. If slow
/// items follow on quick ones, up to this many count late.)
const ROW: u32 = 16;

/// How long a row of quick items takes at most.
const QUICK: u64 = 16 * TICKS_PER_MICROSECOND;

/// What a worker has counted, which is added to the bar at the end.
struct Count<'a> {
    bar: &'a ProgressBar,
    items: u64,
    /// When that was added to the bar last.
    told: u64,
    /// How many items are counted between two looks at the clock, and how many of these are left.
    row: u32,
    left: u32,
    /// When the last look was.
    looked: u64,
}

impl<'a> Count<'a> {
    fn new(bar: &'a ProgressBar) -> Self {
        let now = ticks();
        Count { bar, items: 0, told: now, row: 1, left: 0, looked: now }
    }

    /// Counts an item, and passes it on.
    #[inline]
    fn add<T>(&mut self, item: T) -> T {
        match self.left.checked_sub(1) {
            Some(left) => self.left = left,
            None => self.look(),
        }
        self.items += 1;
        item
    }

    fn look(&mut self) {
        let now = ticks();
        if now.wrapping_sub(self.told) > INTERVAL {
            self.tell();
            self.told = now;
        }
        let is_quick = now.wrapping_sub(self.looked) < QUICK;
        self.row = if is_quick { ROW.min(2 * self.row) } else { 1 };
        self.left = self.row - 1;
        self.looked = now;
    }

    fn tell(&mut self) {
        self.bar.inc(mem::take(&mut self.items));
    }
}

impl Drop for Count<'_> {
    fn drop(&mut self) {
        // A bar panics if it panicked before. On an unwinding thread, that would abort the process.
        if self.items > 0 && !thread::panicking() {
            self.tell();
        }
    }
}
