//! Where a producer meets a consumer: one driver for all loops. What is forked, when, is decided in
//! [`pace`](super::pace).
//!
//! In a pool of more than two, a piece makes all pending forks public before its first item if a
//! worker is idle: that item may take long.
//!
//! # Panics in drops
//! What a function is about to return is leaked if the drop of a local panics after that
//! ([rust-lang/rust#47949](https://github.com/rust-lang/rust/issues/47949)). So the code of
//! iterators drops what may hold items of the user's before it makes its result, or by
//! [`drop_first`].

use std::iter;

use super::few::{drive_few, is_wanted, may_stop, share_forks};
use super::pace::{BLOCK, Pace, Plan, UNKNOWN};
use super::source::Source;
use super::{
    Consumer, Folder, Producer, ProducerCallback, Reducer, UnindexedConsumer, UnindexedProducer,
    drop_first, unwanted,
};
use crate::context::{CancelToken, Stop};
use crate::fork::stopping_token;
use crate::iter::IndexedParallelIterator;
use crate::iter::limit::{Limit, innermost, join_under, under};
use crate::os::clock::ticks;
use crate::pool::with_current;
use crate::sim;
use crate::sync::{AtomicUsize, Ordering};
use crate::worker::{Worker, is_simulated};

/// Feeds the items of `par_iter` to `consumer`. An implementation of
/// [`IndexedParallelIterator::drive`] can call this.
#[inline(always)]
pub fn bridge<I, C>(par_iter: I, consumer: C) -> C::Result
where
    I: IndexedParallelIterator,
    C: Consumer<I::Item>,
{
    struct Bridge<C> {
        len: usize,
        consumer: C,
    }

    impl<T, C: Consumer<T>> ProducerCallback<T> for Bridge<C> {
        type Output = C::Result;

        #[inline(always)]
        fn callback<P: Producer<Item = T>>(self, producer: P) -> C::Result {
            bridge_producer_consumer(self.len, producer, self.consumer)
        }
    }

    par_iter.loop_settings().run(|| {
        let len = par_iter.len();
        par_iter.with_producer(Bridge { len, consumer })
    })
}

/// Feeds the `len` items of `producer` to `consumer`, in parallel if workers have nothing to do.
#[inline(always)]
pub fn bridge_producer_consumer<P, C>(len: usize, producer: P, consumer: C) -> C::Result
where
    P: Producer,
    C: Consumer<P::Item>,
{
    let least = producer.min_len().max(1);
    // What has fewer items than two pieces need is not cut for being too long.
    let max = producer.max_len().max(least.saturating_mul(2) - 1);
    // Under a limit, a worker of another pool may fill the consumer.
    let may_fill = || C::Folder::FILLS && innermost(|limit| limit.is_some());
    let worker = Worker::current().filter(|worker| !may_stop(worker));
    let threads = worker.map_or(0, |worker| worker.registry().workers().len());
    if threads > 0 && len <= 1 || threads == 1 && len <= max && !may_fill() {
        if threads > 2 {
            share_forks();
        }
        // Inlined up to the caller, and without blocks, so that the compiler sees the whole loop.
        return serially(producer, consumer);
    }
    shared(least, max, len, producer, consumer)
}

/// In pieces of `least` to `max` items.
fn shared<P, C>(least: usize, max: usize, len: usize, producer: P, consumer: C) -> C::Result
where
    P: Producer,
    C: Consumer<P::Item>,
{
    if least == 1 && !P::FEW_BLOCKS && len <= max {
        return drive_few(Indexed { producer, len }, consumer);
    }
    planned(least, max, len, producer, consumer)
}

/// In pieces of `least` to `max` items.
fn planned<P, C>(least: usize, max: usize, len: usize, producer: P, consumer: C) -> C::Result
where
    P: Producer,
    C: Consumer<P::Item>,
{
    drive(Indexed { producer, len }, consumer, |threads| {
        let plan = Plan::new(threads, least, max, C::PAUSES);
        let plan = plan.cheap(!C::Folder::KEEPS_STATE).asks(C::Folder::FILLS);
        if P::FEW_BLOCKS { plan.in_one_block() } else { plan }
    })
}

/// All items in one row.
#[inline(always)]
pub(crate) fn serially<P: Producer, C: Consumer<P::Item>>(producer: P, consumer: C) -> C::Result {
    if consumer.full() {
        return unwanted(producer, consumer);
    }
    producer.fold_with(consumer.into_folder()).complete()
}

/// Items that can be cut at any position.
struct Indexed<P> {
    producer: P,
    len: usize,
}

impl<P: Producer, C: Consumer<P::Item>> Source<C> for Indexed<P> {
    type Item = P::Item;

    #[inline]
    fn begin(&self) {
        // Only asked because `panic_fuse` has to know when a piece begins, and on which thread.
        self.producer.min_len();
    }

    #[inline]
    fn len(&self) -> usize {
        self.len
    }

    #[inline]
    fn block(self, most: usize, folder: C::Folder) -> (C::Folder, Option<Self>) {
        let (block, producer) = self.producer.split_at(most);
        (block.fold_with(folder), Some(Indexed { producer, len: self.len - most }))
    }

    #[inline]
    fn all(self, folder: C::Folder, token: Option<&CancelToken>) -> C::Folder {
        if P::FEW_BLOCKS && (C::Folder::FILLS || token.is_some()) {
            // This may be far longer than a block.
            let items = self.producer.into_iter().inspect(|_| Stop::check(token));
            return in_rows(items, folder);
        }
        self.producer.fold_with(folder)
    }

    fn halve(self, first: Option<usize>) -> (Self, Option<Self>) {
        let at = first.unwrap_or(self.len / 2);
        let (left, right) = self.producer.split_at(at);
        let right = Indexed { producer: right, len: self.len - at };
        (Indexed { producer: left, len: at }, Some(right))
    }

    fn split(&self, consumer: C) -> (C, C, C::Reducer) {
        consumer.split_at(self.len)
    }

    fn planned(self, consumer: C) -> C::Result {
        planned(1, UNKNOWN, self.len, self.producer, consumer)
    }
}

/// The most items that are done before the folder is asked whether that is enough.
const ROW: usize = 1024;

/// Feeds very many items to a folder that may be full before their end.
pub(crate) fn in_rows<T, F: Folder<T>>(mut items: impl Iterator<Item = T>, mut folder: F) -> F {
    let (mut row, mut since) = (1, ticks());
    while let Some(first) = items.next() {
        folder = folder.consume_iter(iter::once(first).chain(items.by_ref().take(row - 1)));
        if folder.full() {
            break;
        }
        row = if lap(&mut since, row, 0) > BLOCK { (row / 2).max(1) } else { ROW.min(row * 8) };
    }
    drop_first(items, folder)
}

/// Splits a consumer that need not know positions.
pub(crate) fn split_unindexed<T, C: UnindexedConsumer<T>>(consumer: C) -> (C, C, C::Reducer) {
    let (left, reducer) = (consumer.split_off_left(), consumer.to_reducer());
    (left, consumer, reducer)
}

/// Items that can be cut only before the first one is fed.
struct Unindexed<P>(P);

impl<P: UnindexedProducer, C: UnindexedConsumer<P::Item>> Source<C> for Unindexed<P> {
    type Item = P::Item;

    fn all(self, folder: C::Folder, _token: Option<&CancelToken>) -> C::Folder {
        self.0.fold_with(folder)
    }

    fn halve(self, _first: Option<usize>) -> (Self, Option<Self>) {
        let (left, right) = self.0.split();
        (Unindexed(left), right.map(Unindexed))
    }

    fn split(&self, consumer: C) -> (C, C, C::Reducer) {
        split_unindexed(consumer)
    }

    fn planned(self, consumer: C) -> C::Result {
        drive(self, consumer, |threads| Plan::new(threads, 1, UNKNOWN, false).in_one_block())
    }
}

/// Feeds the items of `producer` to `consumer`, in parallel as far as the producer can be split.
pub fn bridge_unindexed<P, C>(producer: P, consumer: C) -> C::Result
where
    P: UnindexedProducer,
    C: UnindexedConsumer<P::Item>,
{
    Unindexed(producer).planned(consumer)
}

/// Feeds the items of `source` to `consumer`, by a plan for the number of workers.
pub(crate) fn drive<S, C>(
    source: S,
    consumer: C,
    plan: impl FnOnce(usize) -> Plan<'static> + Send,
) -> C::Result
where
    C: Consumer<S::Item>,
    S: Source<C>,
{
    on_worker(|worker, limit| {
        let threads = worker.registry().workers().len();
        let token = stopping_token();
        let plan = plan(limit.map_or(threads, |limit| limit.of(threads)));
        let plan = plan.stopped_by(token.as_ref()).within(limit);
        let (pace, pieces) = plan.begin(source.len(), worker.is_bare());
        cut(pace, pieces, source, consumer).0
    })
}

/// Calls `op` on a worker of the current pool, else of the global one, under the limit of what the
/// caller is part of.
pub(crate) fn on_worker<R: Send>(op: impl FnOnce(&Worker, Option<&Limit<'_>>) -> R + Send) -> R {
    if let Some(worker) = Worker::current() {
        return innermost(|limit| op(worker, limit));
    }
    let (mut op, mut result) = (Some(op), None);
    from_outside(&mut |worker, limit| {
        if let Some(op) = op.take() {
            result = Some(op(worker, limit));
        }
    });
    result.expect("it was called, for else this would have panicked")
}

/// Not generic, hence compiled once.
fn from_outside(op: &mut (dyn FnMut(&Worker, Option<&Limit<'_>>) + Send)) {
    innermost(|limit| {
        let on_worker = |worker: &Worker, _| under(limit, || op(worker, limit));
        with_current(|registry| registry.as_worker(on_worker));
    });
}

/// Forks until there are `pieces`, and none is too long. Returns also how long blocks were at the
/// end.
fn cut<S, C>(pace: Pace<'_>, pieces: usize, source: S, consumer: C) -> (C::Result, usize)
where
    C: Consumer<S::Item>,
    S: Source<C>,
{
    // Not only in each piece: there may be very many.
    Stop::check(pace.token());
    if !pace.cuts(pieces, source.len()) || consumer.full() {
        return run(pace, source, consumer);
    }
    let first = pace.first(pieces, source.len());
    match source.halve(first) {
        (left, Some(right)) => fork(pace, pieces, left, right, consumer),
        (all, None) => run(pace, all, consumer),
    }
}

/// Forks two neighbours, which are to be `pieces`. (Not inlined, since a piece forks seldom.)
#[inline(never)]
fn fork<S, C>(pace: Pace<'_>, pieces: usize, left: S, right: S, consumer: C) -> (C::Result, usize)
where
    C: Consumer<S::Item>,
    S: Source<C>,
{
    let (left_consumer, right_consumer, reducer) = left.split(consumer);
    let (pace, len) = (pace.forked(), right.len());
    let (left_pieces, right_pieces) = Pace::halved(pieces);
    // The right side may be too short for the odd piece.
    let right_pieces = pace.at_most(right_pieces, len);
    // What the left side found out, for the right one, unless that runs elsewhere meanwhile.
    let learned = AtomicUsize::new(pace.block);
    let first = || {
        let (result, block) = cut(pace, left_pieces, left, left_consumer);
        learned.store(block, Ordering::Relaxed);
        result
    };
    let second = |migrated: bool| {
        let (pace, pieces) = if migrated {
            pace.stolen(right_pieces, len)
        } else {
            (pace.after_left(learned.load(Ordering::Relaxed)), right_pieces)
        };
        cut(pace, pieces, right, right_consumer)
    };
    let (left, (right, block)) = join_under(pace.limit(), first, second);
    (reducer.reduce(left, right), block)
}

/// Goes on block after block until a fork is wanted.
fn run<S, C>(mut pace: Pace<'_>, mut source: S, consumer: C) -> (C::Result, usize)
where
    C: Consumer<S::Item>,
    S: Source<C>,
{
    source.begin();
    if consumer.full() {
        return (unwanted(source, consumer), pace.block);
    }
    share_forks();
    let mut folder = consumer.into_folder();
    let mut before = start(&pace, source.len());
    loop {
        let length = pace.next(source.len());
        if source.len() <= length {
            return (source.all(folder, pace.token()).complete(), pace.block);
        }
        let rest;
        (folder, rest) = source.block(length, folder);
        let Some(left) = rest.filter(|_| !folder.full()) else {
            return (folder.complete(), pace.block);
        };
        source = left;
        let pieces = between_blocks(&mut pace, length, source.len(), &mut before);
        if C::PAUSES && pieces > 1 {
            source = match source.halve(None) {
                (left, Some(right)) => {
                    let (first, consumer, reducer) = C::pause(folder);
                    let (rest, block) = fork(pace, pieces, left, right, consumer);
                    return (reducer.reduce(first, rest), block);
                }
                (all, None) => all,
            };
            pace.found_no_place();
        }
    }
}

// What follows is not generic, hence compiled once.

/// Returns when a piece of `len` items begins. One block needs no clock, which costs as much as
/// many an item.
#[inline]
fn start(pace: &Pace<'_>, len: usize) -> u64 {
    if len > pace.next(len) { ticks() } else { 0 }
}

/// Ends a block of `length` items, of which `left` are left. Returns into how many pieces to cut
/// these now; 1 is no fork.
fn between_blocks(pace: &mut Pace<'_>, length: usize, left: usize, before: &mut u64) -> usize {
    Stop::check(pace.token());
    if let Some(worker) = Worker::current() {
        // Callers from outside have their turn: this loop may go on for long.
        worker.serve_late_callers();
    }
    let took = lap(before, length, left);
    let limit = pace.limit();
    pace.after(length, took, left, || is_wanted(limit))
}

/// Returns the time since the last lap. In a simulated pool, nothing may depend on the clock, and
/// another thread may have its turn now: after each of the last blocks, or else every 64 items.
#[inline]
fn lap(before: &mut u64, length: usize, left: usize) -> u64 {
    if is_simulated() {
        if left < 64 || length >= 64 - left % 64 {
            sim::point();
        }
        return BLOCK;
    }
    let now = ticks();
    now.wrapping_sub(std::mem::replace(before, now))
}
