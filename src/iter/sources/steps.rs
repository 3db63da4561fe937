//! Sources that can be cut at some places only: they go on step by step, and give away a part
//! whenever others have nothing to do, as indexed ones do in `plumbing/drive.rs`.

use crate::fork::join_on_worker;
use crate::iter::plumbing::{
    Folder, Reducer, Refills, UNPAUSED_PIECES, UnindexedConsumer, in_pool, is_wanted,
};
use crate::os::clock::{TICKS_PER_MICROSECOND, ticks};
use crate::worker::is_simulated;

/// What a step should last: twice to half of it will do.
const STEP: u64 = 4 * TICKS_PER_MICROSECOND;
/// Parts a worker, at the start.
const PARTS: usize = 2;
/// The most items in a step where nothing may depend on the clock.
const MOST_SIMULATED: usize = 64;
/// So often a loop gives away a part without waiting longer from time to time. Behind that, the
/// wait doubles, so that the frames of those who gave (each waits for its part) are few.
const SOON: u32 = 48;

/// Items that are given step by step, and of which a part can be cut off in between.
pub(crate) trait Steps: Send + Sized {
    /// What is given.
    type Item;

    /// Feeds about `most` items, at least one if there are any, and whether there are more.
    fn step<F: Folder<Self::Item>>(&mut self, most: usize, folder: F) -> (F, bool);

    /// Cuts off about the latter half, if there is a place to cut.
    fn cut_off(&mut self) -> Option<Self>;
}

/// Feeds all items of `steps` to `consumer`, in parallel where somebody has time for it.
pub(crate) fn drive_steps<S, C>(steps: S, consumer: C) -> C::Result
where
    S: Steps,
    C: UnindexedConsumer<S::Item>,
{
    in_pool(|worker| {
        let threads = worker.registry().workers().len();
        let parts = match worker.is_bare() {
            _ if !C::PAUSES => threads * UNPAUSED_PIECES,
            true => threads * PARTS,
            false => 1,
        };
        let serial = threads == 1;
        let refills = &Refills::new(threads);
        Going { serial, depth: 0, refills }.cut(if serial { 1 } else { parts }, steps, consumer)
    })
}

/// How a part goes on.
#[derive(Clone, Copy)]
struct Going<'r> {
    /// Whether there is nobody to share with.
    serial: bool,
    /// How often the loops below on this stack have given away a part.
    depth: u32,
    refills: &'r Refills,
}

impl Going<'_> {
    /// Cuts until there are `parts`, as far as it can.
    fn cut<S, C>(self, parts: usize, mut steps: S, consumer: C) -> C::Result
    where
        S: Steps,
        C: UnindexedConsumer<S::Item>,
    {
        if parts <= 1 || consumer.full() {
            return self.go(steps, consumer);
        }
        match steps.cut_off() {
            Some(rest) => self.fork(parts, steps, rest, consumer),
            None => self.go(steps, consumer),
        }
    }

    /// Shares the two.
    fn fork<S, C>(self, parts: usize, steps: S, rest: S, consumer: C) -> C::Result
    where
        S: Steps,
        C: UnindexedConsumer<S::Item>,
    {
        let left_consumer = consumer.split_off_left();
        let reducer = consumer.to_reducer();
        let depth = self.depth + 1;
        let left_parts = parts / 2;
        let (left, right) = join_on_worker(
            |_| Going { depth, ..self }.cut(left_parts, steps, left_consumer),
            |context| {
                // Who takes a part comes with hungry others, and with its own stack.
                let depth = if context.migrated() { 0 } else { depth };
                let is_refilled = context.migrated() && self.refills.take();
                let more = if is_refilled { crate::current_num_threads() } else { 0 };
                Going { depth, ..self }.cut((parts - left_parts).max(more), rest, consumer)
            },
        );
        reducer.reduce(left, right)
    }

    /// Step by step, until somebody may be hungry.
    fn go<S, C>(self, mut steps: S, consumer: C) -> C::Result
    where
        S: Steps,
        C: UnindexedConsumer<S::Item>,
    {
        let mut folder = consumer.into_folder();
        let start = ticks();
        let mut before = start;
        let mut most = 1;
        // Set anew where there was no place to cut.
        let mut wait =
            if self.depth < SOON { STEP / 8 } else { STEP << (self.depth - SOON).min(40) };
        while !folder.full() {
            let going_on;
            (folder, going_on) = steps.step(most, folder);
            if !going_on || folder.full() {
                break;
            }
            let now = ticks();
            let took = now.wrapping_sub(before);
            before = now;
            let simulated = is_simulated();
            most = if simulated { (most * 2).min(MOST_SIMULATED) } else { adjusted(most, took) };
            let warm = if simulated { self.depth < SOON } else { now.wrapping_sub(start) > wait };
            if C::PAUSES && !self.serial && warm && is_wanted(took) {
                if let Some(rest) = steps.cut_off() {
                    let (first, consumer, reducer) = C::pause(folder);
                    return reducer.reduce(first, self.fork(2, steps, rest, consumer));
                }
                wait = now.wrapping_sub(start).wrapping_add(STEP);
            }
        }
        // Not at the end: a panic there would leak what is returned.
        drop(steps);
        folder.complete()
    }
}

/// Of how many items a step should be, after one of `most` that took so long.
fn adjusted(most: usize, took: u64) -> usize {
    if took < STEP / 8 {
        most.saturating_mul(8)
    } else if took < STEP / 2 {
        most.saturating_mul(2)
    } else if took > STEP * 2 {
        (most / 2).max(1)
    } else {
        most
    }
}
