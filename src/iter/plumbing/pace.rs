//! The pace of a loop: how long its blocks are, and when it forks. One controller for all loops.
//! (Loops of few items may begin without it: see `few.rs`.)
//!
//! # By demand
//! A loop begins with one fork, so that a thief finds half of it at once, or with a few forks if it
//! has few items, so that long ones are shared at once. If it has few items and the worker has
//! other pending work that a thief could take, or the number of items is not known, the first item
//! is alone in its piece and the others are in forks: it may take long, or wait for the others.
//! Each piece then goes on serially, block after block. After a block it hands over half of what is
//! left if the worker has no pending work that a thief could take (lazy binary splitting: Tzannes,
//! Caragea, Barua and Vishkin, PPoPP 2010) and another worker is idle. So there are about as many
//! forks as steals, and inner loops of many items make hardly any while outer ones have some
//! pending.
//!
//! A worker that runs out of work has to wait for the end of a block. So a block lasts some
//! microseconds: short enough for that wait, and long enough to be one tight loop over plain
//! iterators. Where single items take far longer than that, the rest of the piece is cut into many
//! pieces without waiting for demand, since a fork costs nothing compared with such an item. In a
//! pool of more than two workers, no block is longer than one worker's share of the items that are
//! left, since these may cost more than the items before them. The first block of a piece has a
//! single item, since the cost of an item is not known yet. (On the thread that has just run the
//! left half of the same loop, the first block of the right half may have a few.)
//!
//! # Invariants
//! - A pace depends only on what its caller passes in: it reads no clock. A simulated pool passes
//!   [`BLOCK`] as the time that each block took.
//! - A block has at least one item, and no more than a piece may have.
//! - If the number of items is known, a fork leaves at least `min` items on either side.
//! - If the number is not known, a piece that has begun forks only if a worker is idle, and each
//!   fork beyond [`DEEP`] waits twice as long as the one before. So neither the stack nor the
//!   number of pieces grows without end.
//!
//! # What it is worth
//! A row's time without a mechanism, divided by its time with it: medians by
//! `benches/ablation/run`, on two shared virtual cores.
//!
//! | without | row | threads | time | CPU time |
//! | --- | --- | ---: | ---: | ---: |
//! | `guided`: no block longer than a share | 20,000 short, then 16 that sleep | 8 | 7.02 | – |
//! |  | 8 of 400 sleep, spread | 8 | 1.45 | – |
//! | `growth-8`: eightfold growth, not twofold | loop of 100 | 2 | 1.50 | – |
//! |  | nested loops, 100 of 1,000 | 2 | 1.41 | – |
//! | `first-fork`: one fork at the start | 8 of 400 sleep, spread | 8 | 1.49 | – |
//! | `warm-up`: no fork in the first half µs | 20,000 short, then 16 that sleep | 8 | 1.45 | 1.44 |
//! | `slow-items`: many pieces of slow items | 20,000 short, then 16 that sleep | 8 | 1.44 | 1.38 |
//! | `shared-before-items`: forks shared | 20,000 short, then 16 that sleep | 8 | 1.42 | 1.52 |
//! | `few-each-cut`: few items cut at once | loop of 8 that sleep | 8 | 2.00 | – |
//! | `handed-on`: the left half's block length | loop of 100 | 2 | 1.33 | – |
//! | `few-states`: few pieces if they have states | fold of 200 of 100 µs, 128 KiB | 2 | 1.32 | – |

use crate::context::CancelToken;
use crate::iter::limit::Limit;
use crate::os::clock::TICKS_PER_MICROSECOND;
use crate::sync::{AtomicUsize, Ordering};

/// How long a block should take: twice to half of it will do. A guess between the time of a steal
/// and that of a wake-up.
pub(super) const BLOCK: u64 = 4 * TICKS_PER_MICROSECOND;
/// Items that take this long are worth a fork each: see `slow-items`. About the time of a wake-up.
const SLOW: u64 = 64 * TICKS_PER_MICROSECOND;
/// How long a piece goes on before its first fork: see `warm-up`.
const WARM_UP: u64 = TICKS_PER_MICROSECOND / 2;
/// How many times longer a block is than the last one, at most: see `growth-8`.
const GROWTH: usize = 8;
/// The longest first block that a piece takes over from the piece before it: see `handed-on`.
const HANDED_ON: usize = 64;
/// How many pieces there are for each worker where forks cannot wait for demand. A guess: if all
/// pieces take about as long, workers wait for the last one for an eighth of the loop, at most.
const EACH: usize = 8;
/// A loop of at most this many items for each worker is cut at once, since otherwise other workers
/// may have to wait for its first item: see `few-each-cut`. In a longer loop, the first item is
/// only a small part of the work if all items are alike.
pub(super) const FEW: usize = 32;
/// How many thefts, for each worker, may cut the stolen items into more pieces than planned.
/// Without this limit, a source that can be cut without end might be: each thief would make more
/// pieces, and some of these would be stolen and cut again. A guess: far more than are needed to
/// balance a loop whose pieces can still be cut.
const REFILLS: usize = 64;
/// How many forks of one loop may wait on a stack before each further one doubles the warm-up. A
/// guess: few slices can be halved as often.
const DEEP: u32 = 48;
/// The longest block if a token can stop the loop between blocks, and the longest first one if a
/// full consumer can. (A guess: for the cheapest items, a block costs a fraction of a nanosecond an
/// item.)
const STOPPABLE: usize = 64;

/// The length of a source that does not know it.
pub(crate) const UNKNOWN: usize = usize::MAX;

/// As a number of pieces: the first item, and the others in as few forks as possible.
pub(super) const FIRST_ALONE: usize = 0;
/// After how many cuts in halves the first half counts as one item. (It may have no end.)
const MOST_HALVINGS: u32 = 16;

/// What all pieces of a loop know.
pub(crate) struct Plan<'l> {
    /// How many workers the pool has.
    threads: usize,
    /// The fewest items that a fork leaves on either side.
    min: usize,
    /// The most items of a piece.
    max: usize,
    /// The fewest and the most items of a block that is not a whole piece.
    shortest: usize,
    longest: usize,
    /// Whether a piece can be cut after its first item.
    pauses: bool,
    /// Whether each piece is one block, and whether it has to be.
    is_whole: bool,
    keeps_whole: bool,
    /// Whether a piece costs no more than its fork, and the number of items is known.
    is_cheap: bool,
    /// How many thefts may still make more pieces than planned. (Relaxed: it carries nothing but
    /// itself.)
    refills: AtomicUsize,
    /// How many more pieces may run at the same time, if that is limited.
    limit: Option<&'l Limit<'l>>,
    /// Stops the loop.
    token: Option<&'l CancelToken>,
}

impl<'l> Plan<'l> {
    /// A plan for a pool of `threads`: pieces of `min` to `max` items, which can be cut after their
    /// first item if they are of a kind that `pauses`.
    pub(crate) fn new(threads: usize, min: usize, max: usize, pauses: bool) -> Self {
        let refills = AtomicUsize::new(threads.saturating_mul(REFILLS));
        // If there is only one worker, no other waits for the end of a block.
        let is_whole = threads == 1;
        let pauses = pauses && !is_whole;
        Plan {
            threads,
            min,
            max,
            shortest: min,
            longest: max,
            pauses,
            is_whole,
            keeps_whole: false,
            is_cheap: false,
            refills,
            limit: None,
            token: None,
        }
    }

    /// Forks need a permit of `limit`.
    pub(super) fn within(self, limit: Option<&'l Limit<'l>>) -> Self {
        Plan { limit, ..self }
    }

    /// The loop is stopped when `token` is cancelled.
    #[inline]
    pub(super) fn stopped_by(self, token: Option<&'l CancelToken>) -> Self {
        if token.is_none() {
            return self;
        }
        let plan = self.asks(true);
        let longest = plan.max.min(STOPPABLE);
        Plan { token, longest, ..plan }
    }

    /// If `fills`, the consumer is asked between blocks whether it is full. So blocks must not be
    /// as long as the shortest piece, which may take long. (If there is only one worker, a loop
    /// around this one may have others, which fill the consumer.)
    #[inline]
    pub(crate) fn asks(self, fills: bool) -> Self {
        if !fills {
            return self;
        }
        let shortest = self.min.min(STOPPABLE);
        // A piece that is cut after a block has no more items than that block.
        let pauses = self.pauses && shortest == self.min;
        Plan { shortest, pauses, is_whole: self.keeps_whole, ..self }
    }

    /// Each piece is one block.
    pub(super) fn in_one_block(self) -> Self {
        Plan { pauses: false, is_whole: true, keeps_whole: true, ..self }
    }

    /// If `is_cheap`, there may be many more pieces than workers.
    pub(super) fn cheap(self, is_cheap: bool) -> Self {
        Plan { is_cheap, ..self }
    }

    /// Returns how a loop begins with `len` items: its pace, and in how many pieces. `is_bare`: the
    /// worker has no pending work that others could take.
    #[inline]
    pub(super) fn begin(&self, len: usize, is_bare: bool) -> (Pace<'_>, usize) {
        let pieces = match (self.threads, self.pauses) {
            (1, _) if self.token.is_none() => 1,
            (threads, false) => threads * EACH,
            (threads, true) if is_bare && len <= threads * FEW => 2 * threads,
            (_, true) if is_bare && len != UNKNOWN => 2,
            (threads, true) if len > threads * FEW && len != UNKNOWN => 1,
            // The first item may take as long as all others, or wait for them.
            _ => FIRST_ALONE,
        };
        let pace = Pace { plan: self, block: self.first_block(), patience: WARM_UP, depth: 0 };
        (pace, pace.at_most(pieces, len))
    }

    fn first_block(&self) -> usize {
        if self.is_whole { self.max } else { self.shortest }
    }

    fn refill(&self) -> bool {
        let less = |left: usize| left.checked_sub(1);
        self.refills.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }
}

/// What a piece of a loop knows, and hands to the pieces that are cut off from it.
#[derive(Clone, Copy)]
pub(super) struct Pace<'p> {
    plan: &'p Plan<'p>,
    /// How many items the next block has, at most.
    pub(super) block: usize,
    /// How much longer the piece goes on before its next fork.
    patience: u64,
    /// How many forks of this loop wait on this stack.
    depth: u32,
}

impl<'p> Pace<'p> {
    /// Returns the limit of the loop, if it has any.
    #[inline]
    pub(super) fn limit(&self) -> Option<&'p Limit<'p>> {
        self.plan.limit
    }

    /// Returns the token that stops the loop, if there is one.
    #[inline]
    pub(super) fn token(&self) -> Option<&'p CancelToken> {
        self.plan.token
    }

    /// Whether `len` items are to be cut into `pieces` before they begin.
    #[inline]
    pub(super) fn cuts(&self, pieces: usize, len: usize) -> bool {
        let has_others = len / 2 >= self.plan.min && self.depth < MOST_HALVINGS;
        pieces > 1 || pieces == FIRST_ALONE && has_others || len > self.plan.max
    }

    /// Returns how many of the `len` items are a piece of their own, if the first are to be alone.
    /// (If the number of items is not known, halves are cut until the first one is alone.)
    #[inline]
    pub(super) fn first(&self, pieces: usize, len: usize) -> Option<usize> {
        (pieces == FIRST_ALONE && len != UNKNOWN).then_some(self.plan.min)
    }

    /// Returns into how many pieces the sides of a fork are cut that are to be `pieces`.
    pub(super) fn halved(pieces: usize) -> (usize, usize) {
        match pieces {
            FIRST_ALONE => (FIRST_ALONE, 1),
            1 => (1, 1),
            _ => (pieces / 2, pieces - pieces / 2),
        }
    }

    /// Returns `pieces`, or as many as `len` items allow.
    #[inline]
    pub(super) fn at_most(&self, pieces: usize, len: usize) -> usize {
        // A division takes longer than many an item.
        let fits = pieces.checked_mul(self.plan.min).is_some_and(|least| least <= len);
        if fits { pieces } else { len / self.plan.min }
    }

    /// Whether there may be a third worker, from whom pending forks are hidden.
    #[inline]
    pub(super) fn is_wide(&self) -> bool {
        self.plan.threads > 2
    }

    /// Returns how many of the `left` items are the next block; all of them, if more.
    #[inline]
    pub(super) fn next(&self, left: usize) -> usize {
        if self.plan.pauses && self.is_wide() {
            // No more than a worker's share: they may cost more than those before (guided
            // self-scheduling: Polychronopoulos and Kuck, 1987).
            self.block.min(left / self.plan.threads).max(self.plan.shortest)
        } else {
            self.block
        }
    }

    /// A block of `length` items took `took`, and `left` items are left. Returns into how many
    /// pieces to cut them now; 1 is no fork. `is_wanted` says whether a fork would be stolen.
    #[inline]
    pub(super) fn after(
        &mut self,
        length: usize,
        took: u64,
        left: usize,
        is_wanted: impl FnOnce() -> bool,
    ) -> usize {
        self.adapt(length, took);
        self.patience = self.patience.saturating_sub(took);
        if self.patience > 0 || !self.plan.pauses || left / 2 < self.plan.min {
            1
        } else if self.plan.is_cheap && took / length as u64 > SLOW {
            self.at_most(self.plan.threads * EACH, left)
        } else {
            1 + usize::from(is_wanted())
        }
    }

    /// Makes the next block shorter or longer.
    #[inline]
    fn adapt(&mut self, length: usize, took: u64) {
        if took > BLOCK * 2 {
            self.block = (length / 2).max(self.plan.shortest);
        } else if length < self.block {
            // It was short for another reason.
        } else if took < BLOCK / GROWTH as u64 {
            self.block = self.block.saturating_mul(GROWTH).min(self.plan.longest);
        } else if took < BLOCK / 2 {
            self.block = self.block.saturating_mul(2).min(self.plan.longest);
        }
    }

    /// There was no place to cut: the piece goes on for a block's time before it looks for another.
    pub(super) fn found_no_place(&mut self) {
        self.patience = BLOCK;
    }

    /// Returns the pace of both sides of a fork.
    #[inline]
    pub(super) fn forked(self) -> Self {
        let depth = self.depth + 1;
        let patience = match depth.checked_sub(DEEP) {
            Some(more) => WARM_UP << more.min(40),
            None => self.patience,
        };
        Pace { depth, patience, ..self }
    }

    /// Returns the pace of the right side, on the same thread after the left side, whose last block
    /// was to have `block` items.
    #[inline]
    pub(super) fn after_left(self, block: usize) -> Self {
        Pace { block: self.block.max(block.min(HANDED_ON)), ..self }
    }

    /// Returns the pace of `len` stolen items, and into how many pieces the thief cuts them. That
    /// may be more than the planned `pieces`, since these items may cost more than those before,
    /// and other workers may also be idle.
    pub(super) fn stolen(self, pieces: usize, len: usize) -> (Self, usize) {
        let more = if self.plan.refill() { self.plan.threads } else { 1 };
        let (block, patience) = (self.plan.first_block(), self.patience.min(WARM_UP));
        (Pace { block, patience, depth: 0, ..self }, self.at_most(pieces.max(more), len))
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
