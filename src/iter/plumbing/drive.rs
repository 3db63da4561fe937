//! Where a producer meets a consumer: what is forked, when.
//!
//! # By demand
//! A loop over few items begins with a few forks, so that long items are shared at once. Each piece
//! then goes on serially, block after block, and hands over half of what is left when the worker
//! has nothing pending that others could take (lazy binary splitting: Tzannes, Caragea, Barua and
//! Vishkin, PPoPP 2010) and somebody has nothing to do. So forks are about as many as steals, and
//! inner loops make hardly any while outer ones have some pending. Where a single item takes longer
//! than a block should, a worker that runs out of work would have to wait for its end; there half
//! is handed over ahead of any demand, and where items take so long that a fork costs nothing
//! beside them, each of what is left becomes a piece.
//!
//! In a pool of more than two, a piece makes all pending forks public before its first item, if a
//! worker has nothing to do: that item may take long. And no block is longer than a worker's share
//! of what is left (guided self-scheduling: Polychronopoulos and Kuck, 1987), since its items may
//! cost more than those before.
//!
//! A block is as long as makes it last some microseconds by the clock: short enough that who is
//! hungry is soon answered, long enough to be one tight loop over plain iterators. Where a loop may
//! end early, blocks are half as long, since all have to wait for each one's last. Blocks begin
//! with a single item, since nobody knows what it costs (or a few, on the same thread after the
//! left half of the same loop, since that is likely to be known). A loop that is over by then never
//! forks more than at its start.
//!
//! # Panics in drops
//! What a function is about to return is leaked if the drop of a local panics after that
//! ([rust-lang/rust#47949](https://github.com/rust-lang/rust/issues/47949)). So the code of
//! iterators drops what may hold items of the user's before it makes its result.
//!
//! # What it is worth
//! What a row takes without it, as a multiple of what it takes with it: medians by
//! `benches/ablation/run`, on two shared virtual cores. (CPU time only where threads sleep,
//! since that of others is accounted for too late.)
//!
//! | without | row | threads | time | CPU time |
//! | --- | --- | ---: | ---: | ---: |
//! | `guided`: no block longer than a share | 20,000 short, then 16 that sleep | 8 | 7.02 | – |
//! |  | 8 of 400 sleep, spread | 8 | 1.45 | – |
//! | `growth-8`: eightfold growth, not twofold | loop of 100 | 2 | 1.50 | – |
//! |  | nested loops, 100 of 1,000 | 2 | 1.41 | – |
//! | `first-fork`: half to be had from the start | 8 of 400 sleep, spread | 8 | 1.49 | – |
//! | `warm-up`: a while without a thought of forks | 20,000 short, then 16 that sleep | 8 | 1.45 | 1.44 |
//! | `slow-items`: a piece for each that is slow | 20,000 short, then 16 that sleep | 8 | 1.44 | 1.38 |
//! | `shared-before-items`: forks public before that | 20,000 short, then 16 that sleep | 8 | 1.42 | 1.52 |
//! | `handed-on`: the block that the left half found | loop of 100 | 2 | 1.33 | – |

use super::{
    Consumer, Folder, Producer, ProducerCallback, Reducer, UnindexedConsumer, UnindexedProducer,
};
use crate::fork::join_on_worker;
use crate::iter::IndexedParallelIterator;
use crate::os::clock::{TICKS_PER_MICROSECOND, ticks};
use crate::pool::with_current;
use crate::sync::{AtomicUsize, Ordering};
use crate::worker::{Worker, is_simulated};

/// What a block should last: twice to half of it will do.
const BLOCK: u64 = 4 * TICKS_PER_MICROSECOND;
/// An item that takes this long makes those after it worth a fork each.
const SLOW: u64 = 64 * TICKS_PER_MICROSECOND;
/// How long a piece goes on without thinking of forks.
const WARM_UP: u64 = TICKS_PER_MICROSECOND / 2;
/// What is left is not worth a fork when it is less than a block divided by this.
const TAIL: usize = 16;
/// How many times longer a block is than the last one, at most.
const GROWTH: usize = 8;
/// How long a block a piece may begin with, at most, because that before it came to such.
const HANDED_ON: usize = 64;
/// Pieces a worker, at the start.
const PIECES: usize = 2;
/// Pieces a worker, at the start, where a piece cannot be cut any more once it is begun.
pub(crate) const UNPAUSED_PIECES: usize = 8;
/// So few items for each worker are all cut at the start. Where there are more, a short loop makes
/// one fork.
const FEW_EACH: usize = 32;
/// Blocks a worker where there are to be few, about.
const BLOCKS_EACH: usize = 8;
/// So few items are cut even where others find enough to do.
const FEW: usize = 16;

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

    let len = par_iter.len();
    par_iter.with_producer(Bridge { len, consumer })
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
    if len <= max && Worker::current().is_some_and(|worker| worker.registry().workers().len() == 1)
    {
        // Nobody to share with. Inlined up to the caller, and without blocks: what a loop begins
        // with is to be seen by the compiler.
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
    in_pool(|worker| {
        let threads = worker.registry().workers().len();
        let pieces = match worker.is_bare() {
            _ if len <= FEW => threads * PIECES,
            _ if !C::PAUSES => threads * UNPAUSED_PIECES,
            true if len <= threads * FEW_EACH => threads * PIECES,
            // Half may be had while the first item is done, which may be a search without an end.
            true => 2,
            false => 1,
        };
        if threads == 1 {
            // Without forks, but in the pieces that somebody may have asked for.
            let pace =
                Pace { min: usize::MAX, max, block: max, most: None, warm: false, threads: 1 };
            return pace.cut(1, len, producer, consumer).0;
        }
        let most = P::FEW_BLOCKS.then(|| (len / (threads * BLOCKS_EACH)).max(least));
        let pace = Pace { min: least, max, block: least, most, warm: false, threads };
        pace.cut(pieces.min(len / least), len, producer, consumer).0
    })
}

/// All items in one row.
#[inline(always)]
fn serially<P, C>(producer: P, consumer: C) -> C::Result
where
    P: Producer,
    C: Consumer<P::Item>,
{
    if consumer.full() {
        drop(producer);
        return consumer.into_folder().complete();
    }
    producer.fold_with(consumer.into_folder()).complete()
}

/// How fast a piece goes.
#[derive(Clone, Copy)]
struct Pace {
    /// The fewest items to fork, and the most that are one piece.
    min: usize,
    max: usize,
    /// How many items to do in a row.
    block: usize,
    /// How many that become whatever they take; else the clock says.
    most: Option<usize>,
    /// Whether the piece has gone on for long enough to fork.
    warm: bool,
    /// How many workers the pool has.
    threads: usize,
}

impl Pace {
    /// Forks until there are `pieces`, and none is too long. Returns also how long blocks were at
    /// the end.
    fn cut<P, C>(self, pieces: usize, len: usize, producer: P, consumer: C) -> (C::Result, usize)
    where
        P: Producer,
        C: Consumer<P::Item>,
    {
        if pieces <= 1 && (len <= self.max || consumer.full()) {
            return self.drive(len, producer, consumer);
        }
        let left = pieces / 2;
        let at = len / 2;
        let (left_producer, right_producer) = producer.split_at(at);
        let (left_consumer, right_consumer, reducer) = consumer.split_at(at);
        // What the left piece found out, for the right one, unless that runs elsewhere meanwhile.
        let learned = AtomicUsize::new(self.block);
        let (left, (right, block)) = join_on_worker(
            |_| {
                let (result, block) = self.cut(left, at, left_producer, left_consumer);
                learned.store(block, Ordering::Relaxed);
                result
            },
            |context| {
                let (mut pace, mut pieces) = (self, pieces - left);
                if context.migrated() {
                    // Others may be hungry, too; and these items may cost more or less.
                    pieces = pieces.max(num_threads());
                    if !P::FEW_BLOCKS {
                        pace.block = self.min;
                    }
                } else {
                    pace.block = pace.block.max(learned.load(Ordering::Relaxed).min(HANDED_ON));
                }
                let pieces = pieces.min((len - at) / self.min);
                pace.cut(pieces, len - at, right_producer, right_consumer)
            },
        );
        (reducer.reduce(left, right), block)
    }

    /// Block after block, until somebody may be hungry.
    fn drive<P, C>(mut self, mut len: usize, mut producer: P, consumer: C) -> (C::Result, usize)
    where
        P: Producer,
        C: Consumer<P::Item>,
    {
        // Only asked because `panic_fuse` has to know when a piece begins, and on which thread.
        producer.min_len();
        if consumer.full() {
            drop(producer);
            return (consumer.into_folder().complete(), self.block);
        }
        if self.threads > 2 {
            share_forks();
        }
        let mut folder = consumer.into_folder();
        // One block needs no clock, which costs as much as many an item.
        let start = if len > self.length(len) { ticks() } else { 0 };
        let mut before = start;
        while len > self.length(len) {
            let length = self.length(len);
            let (block, rest) = producer.split_at(length);
            folder = block.fold_with(folder);
            if folder.full() {
                drop(rest);
                return (folder.complete(), self.block);
            }
            producer = rest;
            len -= length;
            serve_late_callers();
            let now = ticks();
            let took = now.wrapping_sub(before);
            self.set_block(length, took, if C::Folder::FILLS { BLOCK / 2 } else { BLOCK });
            self.warm |= now.wrapping_sub(start) > WARM_UP;
            before = now;
            let tail = if P::FEW_BLOCKS { self.block } else { self.block / TAIL };
            let worth_it = self.warm && len > tail && len / 2 >= self.min;
            let is_slow = took / length as u64 > SLOW
                && !P::FEW_BLOCKS
                && !C::Folder::KEEPS_STATE
                && self.threads > 1
                && !is_simulated();
            if C::PAUSES && worth_it && (is_slow || is_wanted(took)) {
                let (first, consumer, reducer) = C::pause(folder);
                let most = if is_slow { self.threads * FEW_EACH } else { 2 };
                let pieces = (len / self.min).min(most);
                let (rest, block) = self.cut(pieces, len, producer, consumer);
                return (reducer.reduce(first, rest), block);
            }
        }
        (producer.fold_with(folder).complete(), self.block)
    }

    /// How many of `len` items the next block has.
    #[inline]
    fn length(&self, len: usize) -> usize {
        let is_guided = self.threads > 2 && self.most.is_none();
        if is_guided { self.block.min(len / self.threads).max(self.min) } else { self.block }
    }

    /// The last block, of `length` items, took so long, and should last as long as is `wanted`.
    fn set_block(&mut self, length: usize, took: u64, wanted: u64) {
        if let Some(most) = self.most {
            self.warm |= is_simulated();
            self.block = self.block.saturating_mul(2).min(most);
        } else if is_simulated() {
            // As long as it is, and warm: nothing may depend on the clock.
            self.warm = true;
        } else if took > wanted * 2 {
            self.block = (length / 2).max(self.min).min(self.max);
        } else if length < self.block {
            // Short for another reason.
        } else if took < wanted / GROWTH as u64 {
            self.block = self.block.saturating_mul(GROWTH).min(self.max);
        } else if took < wanted / 2 {
            self.block = self.block.saturating_mul(2).min(self.max);
        }
    }
}

/// Lets callers from outside have their turn: this loop may go on for long.
#[inline]
fn serve_late_callers() {
    if let Some(worker) = Worker::current() {
        worker.serve_late_callers();
    }
}

/// Makes this worker's forks public if another worker has nothing to do.
fn share_forks() {
    if let Some(worker) = Worker::current() {
        worker.share_forks();
    }
}

/// Whether to fork: others could take nothing from this worker, and somebody has nothing to do, or
/// would have to wait for long, since the last block took so long.
pub(crate) fn is_wanted(took: u64) -> bool {
    let is_slow = took > BLOCK * 2 || is_simulated();
    Worker::current().is_some_and(|worker| worker.is_bare() && (is_slow || worker.sees_idlers()))
}

/// The number of workers of the pool that this thread works for, else of the global one.
pub(crate) fn num_threads() -> usize {
    crate::current_num_threads()
}

/// Calls `op` on a worker of the current pool, else of the global one.
pub(crate) fn in_pool<R: Send>(op: impl FnOnce(&Worker) -> R + Send) -> R {
    match Worker::current() {
        Some(worker) => op(worker),
        None => {
            let (mut op, mut result) = (Some(op), None);
            from_outside(&mut |worker| result = op.take().map(|op| op(worker)));
            result.expect("it was called, for else this would have panicked")
        }
    }
}

/// Not generic, hence compiled once.
fn from_outside(op: &mut (dyn FnMut(&Worker) + Send)) {
    with_current(|registry| registry.as_worker(|worker, _| op(worker)));
}

/// Feeds the items of `producer` to `consumer`, in parallel as far as the producer can be split.
pub fn bridge_unindexed<P, C>(producer: P, consumer: C) -> C::Result
where
    P: UnindexedProducer,
    C: UnindexedConsumer<P::Item>,
{
    in_pool(|worker| {
        let threads = worker.registry().workers().len();
        let pieces = if threads == 1 { 1 } else { threads * UNPAUSED_PIECES };
        cut_unindexed(pieces, &Refills::new(threads), producer, consumer)
    })
}

/// How often the thieves of a loop may cut what they have stolen into more pieces than planned.
///
/// Without a limit, a source that can be cut without end would be. If each thief makes more pieces
/// and some of these are stolen again, they need never become fewer.
pub(crate) struct Refills(AtomicUsize);

impl Refills {
    /// For each worker. A guess: far more thefts than balance a loop whose pieces can still be cut.
    const EACH: usize = 64;

    pub(crate) fn new(threads: usize) -> Refills {
        Refills(AtomicUsize::new(threads * Refills::EACH))
    }

    /// Takes one, if there is any left. (Relaxed: it carries nothing but itself.)
    pub(crate) fn take(&self) -> bool {
        let less = |left: usize| left.checked_sub(1);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }
}

fn cut_unindexed<P, C>(pieces: usize, refills: &Refills, producer: P, consumer: C) -> C::Result
where
    P: UnindexedProducer,
    C: UnindexedConsumer<P::Item>,
{
    if consumer.full() {
        drop(producer);
        return consumer.into_folder().complete();
    }
    if pieces <= 1 {
        return producer.fold_with(consumer.into_folder()).complete();
    }
    let (left, right) = match producer.split() {
        (left, Some(right)) => (left, right),
        (all, None) => return all.fold_with(consumer.into_folder()).complete(),
    };
    let reducer = consumer.to_reducer();
    let left_consumer = consumer.split_off_left();
    let (left, right) = join_on_worker(
        |_| cut_unindexed(pieces / 2, refills, left, left_consumer),
        |context| {
            let is_refilled = context.migrated() && refills.take();
            let more = if is_refilled { num_threads() * UNPAUSED_PIECES } else { 0 };
            cut_unindexed((pieces - pieces / 2).max(more), refills, right, consumer)
        },
    );
    reducer.reduce(left, right)
}
