//! Loops that have few items, or may have: they begin without a plan (`Plan` in `pace.rs`).
//!
//! A plan and two readings of the clock can cost more than an item. A loop without token and limit
//! begins without them if it has two items; and on two workers, if it has at most eight, or if it
//! has at most [`FEW`] for each worker or an unknown number and is probably inside another loop: its
//! worker has other pending work, or no worker is idle. (On more workers, without a clock, too many
//! items would wait behind a long one.)
//!
//! Each of up to four items is a piece of its own. If there are more, and the worker has other work
//! or their number is not known, the first one is: it may take long, or wait for the others.
//! Otherwise the loop is cut into two or four pieces. Each piece runs block after block. If a fork
//! is wanted after a block, or many items are done, the rest gets a plan.
//!
//! If all loops had a plan (`few-unplanned`), 1,000 loops of 4 items inside another would take 2.30
//! times as long, of 16 items 1.88.

use super::pace::{FEW, FIRST_ALONE, UNKNOWN};
use super::source::Source;
use super::{Consumer, Folder, Reducer, unwanted};
use crate::fork::{join_on_worker, stopping_token};
use crate::iter::limit::{Limit, innermost};
use crate::sim;
use crate::worker::{Worker, is_simulated};

/// After how many items a piece gets a plan. (A guess: for so many, it costs little.)
const MANY: usize = 512;

/// Feeds the items of `source`, which can be cut between any two blocks, to `consumer`.
pub(crate) fn drive_few<S, C>(source: S, consumer: C) -> C::Result
where
    C: Consumer<S::Item>,
    S: Source<C>,
{
    // A piece with a state costs more than a plan.
    let pieces = (C::PAUSES && !C::Folder::KEEPS_STATE).then(|| pieces_of_few(source.len()));
    match pieces.flatten() {
        Some(pieces) => cut_few(pieces, source, consumer),
        None => source.planned(consumer),
    }
}

/// Like `cut` in `drive.rs`, without a plan.
fn cut_few<S, C>(pieces: usize, source: S, consumer: C) -> C::Result
where
    C: Consumer<S::Item>,
    S: Source<C>,
{
    if source.len() <= 1 {
        source.begin();
        share_forks();
        return all(source, consumer);
    }
    if pieces == 1 || consumer.full() {
        return run_few(source, consumer);
    }
    let (left, right) = match source.halve((pieces == FIRST_ALONE).then_some(1)) {
        (left, Some(right)) => (left, right),
        (all, None) => return run_few(all, consumer),
    };
    let (left_consumer, right_consumer, reducer) = left.split(consumer);
    let (left_pieces, right_pieces) = (1.max(pieces / 2), 1.max(pieces - pieces / 2));
    let first = || cut_few(left_pieces, left, left_consumer);
    let second = |stolen: bool| {
        if stolen {
            drive_few(right, right_consumer)
        } else {
            cut_few(right_pieces, right, right_consumer)
        }
    };
    let (left, right) = join_on_worker(first, second);
    reducer.reduce(left, right)
}

/// All items in one block.
#[inline(always)]
fn all<S, C>(source: S, consumer: C) -> C::Result
where
    C: Consumer<S::Item>,
    S: Source<C>,
{
    if consumer.full() {
        return unwanted(source, consumer);
    }
    source.all(consumer.into_folder(), None).complete()
}

/// Like `run` in `drive.rs`, without a plan and without a clock. Each block is four times as long
/// as the one before it, but no longer than half of the piece.
fn run_few<S, C>(mut source: S, consumer: C) -> C::Result
where
    C: Consumer<S::Item>,
    S: Source<C>,
{
    source.begin();
    share_forks();
    if consumer.full() {
        return unwanted(source, consumer);
    }
    let longest = (source.len() / 2).clamp(1, FEW / 2);
    let (mut folder, mut block, mut done) = (consumer.into_folder(), 1, 0);
    while source.len() > block {
        let rest;
        (folder, rest) = source.block(block, folder);
        let Some(left) = rest.filter(|_| !folder.full()) else { return folder.complete() };
        source = left;
        done += block;
        if source.len() > 1 && needs_plan(done) {
            let (first, consumer, reducer) = C::pause(folder);
            return reducer.reduce(first, source.planned(consumer));
        }
        block = (block * 4).min(longest);
    }
    source.all(folder, None).complete()
}

// What follows is not generic, so it is compiled once.

/// Returns how many pieces a loop of `len` items is cut into. Returns `None` if it needs a plan.
fn pieces_of_few(len: usize) -> Option<usize> {
    let worker = Worker::current().filter(|worker| !may_stop(worker))?;
    if innermost(|limit| limit.is_some()) {
        return None;
    }
    let threads = worker.registry().workers().len();
    if len <= 2 || threads == 2 && len <= 4 {
        return Some(len);
    }
    if threads != 2 || len > 2 * FEW && len != UNKNOWN {
        return None;
    }
    let is_busy = !worker.sees_idlers();
    if !worker.is_bare() || is_busy && len == UNKNOWN {
        Some(FIRST_ALONE)
    } else if is_busy {
        Some(2)
    } else {
        (len <= 8).then_some(4)
    }
}

/// Called after a block, when the piece has run `done` items. Serves late callers. Returns whether
/// the rest needs a plan: a fork would be stolen, or the items are not so few.
fn needs_plan(done: usize) -> bool {
    #[cold]
    #[inline(never)]
    fn is_wanted_now() -> bool {
        if is_simulated() {
            sim::point();
        }
        is_wanted(None)
    }
    Worker::current().is_some_and(|worker| {
        worker.serve_late_callers();
        done > MANY || (worker.sees_idlers() || is_simulated()) && is_wanted_now()
    })
}

/// Whether a token may stop a loop of this worker.
#[inline(always)]
pub(super) fn may_stop(worker: &Worker) -> bool {
    #[cold]
    #[inline(never)]
    fn has_token() -> bool {
        stopping_token().is_some()
    }
    !worker.context().is_null() && has_token()
}

/// In a pool of more than two workers, publishes the private forks if a worker is idle.
pub(super) fn share_forks() {
    if let Some(worker) = Worker::current().filter(|it| it.registry().workers().len() > 2) {
        worker.share_forks();
    }
}

/// Whether a fork would be stolen: thieves find nothing at this worker, another worker is idle, and
/// `limit` has a free place. (In a simulated pool, a worker always counts as idle.)
pub(super) fn is_wanted(limit: Option<&Limit<'_>>) -> bool {
    Worker::current()
        .is_some_and(|worker| worker.is_bare() && (is_simulated() || worker.sees_idlers()))
        && limit.is_none_or(Limit::has_free)
}
