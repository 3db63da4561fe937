//! Sources that can be cut at some places only. A worker goes through them step by step, and hands
//! over a part when other workers are idle, as `plumbing/drive.rs` does for indexed sources.

use crate::fork::join_on_worker;
use crate::iter::plumbing::{
    Folder, Reducer, Refills, UNPAUSED_PIECES, UnindexedConsumer, in_pool, is_wanted,
};
use crate::os::clock::{TICKS_PER_MICROSECOND, ticks};
use crate::worker::is_simulated;

/// How long a step should take, up to a factor of two.
const STEP: u64 = 4 * TICKS_PER_MICROSECOND;
/// The number of parts for each worker at the start.
const PARTS: usize = 2;
/// The most items of a step in a simulation, where nothing may depend on the clock.
const MOST_SIMULATED: usize = 64;
/// How many parts a loop hands over before the time between two parts begins to double. This bounds
/// the depth of the stack: each part that was handed over has a frame that waits for it.
const SOON: u32 = 48;

/// Items that are fed step by step. Between two steps, a part of the rest can be cut off.
pub(crate) trait Steps: Send + Sized {
    /// The type of the items.
    type Item;

    /// Feeds about `most` items, and at least one if there are any. Returns whether there are more.
    fn step<F: Folder<Self::Item>>(&mut self, most: usize, folder: F) -> (F, bool);

    /// Cuts off about the second half, if there is a place to cut.
    fn cut_off(&mut self) -> Option<Self>;
}

/// Feeds all items of `steps` to `consumer`, in parallel if other workers are idle.
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

/// How a worker goes through a part.
#[derive(Clone, Copy)]
struct Going<'r> {
    /// Whether the pool has one worker.
    serial: bool,
    /// How many parts the loops below on this stack have handed over.
    depth: u32,
    refills: &'r Refills,
}

impl Going<'_> {
    /// Cuts until there are `parts` parts or no place to cut.
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

    /// Goes through both parts, in parallel.
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
                // A thief has a stack of its own, and there may be more idle workers.
                let depth = if context.migrated() { 0 } else { depth };
                let is_refilled = context.migrated() && self.refills.take();
                let more = if is_refilled { crate::current_num_threads() } else { 0 };
                Going { depth, ..self }.cut((parts - left_parts).max(more), rest, consumer)
            },
        );
        reducer.reduce(left, right)
    }

    /// Goes on step by step, until another worker may be idle.
    fn go<S, C>(self, mut steps: S, consumer: C) -> C::Result
    where
        S: Steps,
        C: UnindexedConsumer<S::Item>,
    {
        let mut folder = consumer.into_folder();
        let start = ticks();
        let mut before = start;
        let mut most = 1;
        // Becomes longer if there is no place to cut.
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
        // Not at the end of the function: a panic there would leak the result.
        drop(steps);
        folder.complete()
    }
}

/// Returns how many items the next step should have, after one of `most` items took so long.
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
