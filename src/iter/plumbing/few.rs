//! Loops that have few items, or may have: they begin without a plan.
//!
//! A plan and two readings of the clock cost as much as many an item. So a loop of at most [`FEW`]
//! items for each worker, which has no token and no limit, begins without them if it is probably
//! inside another one: the worker has other pending work, or no worker is idle. (So does any loop
//! of two items, and on two workers one of up to eight.) Its first item is alone in its piece if
//! the worker has other work or there is a worker for each item, since it may take long, or wait
//! for the others; else it is cut in halves. A piece then goes on block after block. If a fork is
//! wanted after one of these, or many items are done, the rest gets a plan.

use super::pace::{FEW, FIRST_ALONE, Pace, UNKNOWN};
use super::source::Source;
use super::{Consumer, Folder, Reducer};
use crate::fork::{join_on_worker, stopping_token};
use crate::iter::limit::{Limit, innermost};
use crate::sim;
use crate::worker::{Worker, is_simulated};

/// Feeds the items of `source`, which can be cut between any two blocks, to `consumer`.
pub(crate) fn drive_few<S, C>(source: S, consumer: C) -> C::Result
where
    C: Consumer<S::Item>,
    S: Source<C>,
{
    match pieces_of_few(source.len()) {
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
    if pieces == 1 || source.len() <= 1 || consumer.full() {
        return run_few(source, consumer);
    }
    let (left, right) = match source.halve((pieces == FIRST_ALONE).then_some(1)) {
        (left, Some(right)) => (left, right),
        (all, None) => return run_few(all, consumer),
    };
    let (left_consumer, right_consumer, reducer) = left.split(consumer);
    let (left_pieces, right_pieces) = Pace::halved(pieces);
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

/// Like `run` in `drive.rs`, without a plan and without a clock. Each block is four times as long as
/// the one before it, but no longer than one worker's share.
fn run_few<S, C>(mut source: S, consumer: C) -> C::Result
where
    C: Consumer<S::Item>,
    S: Source<C>,
{
    source.begin();
    share_forks();
    if consumer.full() {
        drop(source);
        return consumer.into_folder().complete();
    }
    let mut folder = consumer.into_folder();
    if source.len() <= 1 {
        return source.all(folder, None).complete();
    }
    let longest = longest_block(source.len());
    let (mut block, mut done) = (1, 0);
    while source.len() > block {
        let rest;
        (folder, rest) = source.block(block, folder);
        source = match rest {
            Some(rest) if !folder.full() => rest,
            rest => {
                drop(rest);
                return folder.complete();
            }
        };
        done += block;
        if source.len() > 1 && needs_plan(done) {
            let (first, consumer, reducer) = C::pause(folder);
            return reducer.reduce(first, source.planned(consumer));
        }
        block = (block * 4).min(longest);
    }
    source.all(folder, None).complete()
}

// What follows is not generic, hence compiled once.

/// Returns into how many pieces a loop of `len` items is cut without a plan, if it may do without
/// one.
fn pieces_of_few(len: usize) -> Option<usize> {
    let worker = Worker::current().filter(|worker| !may_stop(worker))?;
    if innermost(|limit| limit.is_some()) {
        return None;
    }
    if len <= 2 {
        return Some(len);
    }
    let threads = worker.registry().workers().len();
    let is_long = if len == UNKNOWN { threads > 2 } else { len > FEW * threads };
    if is_long || threads == 1 {
        return None;
    }
    let is_busy = !worker.sees_idlers();
    if !worker.is_bare() || is_busy && len <= threads {
        Some(if len == UNKNOWN { 2 } else { FIRST_ALONE })
    } else if is_busy {
        Some(2)
    } else {
        // (In a pool of more than two, other pending forks would be shared before each piece.)
        (threads == 2 && len <= 4 * threads).then_some(len.min(2 * threads))
    }
}

/// Returns how long a block of a piece of `len` items without a plan may be: about one worker's
/// share. (A division would take longer than many an item.)
fn longest_block(len: usize) -> usize {
    let share = |worker: &Worker| len >> worker.registry().workers().len().ilog2();
    Worker::current().map_or(len, share).clamp(1, FEW / 2)
}

/// Ends a block of a piece that has `done` some items without a plan. Returns whether a fork would
/// be stolen, or the items are not so few.
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
        done > 2 * FEW || (worker.sees_idlers() || is_simulated()) && is_wanted_now()
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

/// Shares what is hidden from a third worker.
pub(super) fn share_forks() {
    if let Some(worker) = Worker::current().filter(|it| it.registry().workers().len() > 2) {
        worker.share_forks();
    }
}

/// Whether a fork would be stolen: thieves find nothing at this worker, and one looks for work. (In
/// a simulated pool, one always does.)
pub(super) fn is_wanted(limit: Option<&Limit<'_>>) -> bool {
    Worker::current()
        .is_some_and(|worker| worker.is_bare() && (is_simulated() || worker.sees_idlers()))
        && limit.is_none_or(Limit::has_free)
}
