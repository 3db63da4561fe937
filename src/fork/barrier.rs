//! The barrier of a gang: how its members arrive, wait, and are woken.
//!
//! # States
//! One word holds the *phase*, which counts the barriers that are complete in steps of [`PHASE`],
//! and two flags. [`LEFT`]: a member has left the gang, so no further barrier will be complete.
//! [`ASLEEP`]: a member may have registered as a sleeper in this phase. A member waits in phase p
//! until the phase is another one or `LEFT` is set: the barrier is *released*.
//!
//! # Lemmas
//! 1. *A barrier is complete when all members have arrived, and not before.* `arrived` counts them.
//!    The last one resets it before it changes the phase, and a member arrives at the next barrier
//!    after it has seen that phase. A member that has seen `LEFT` does not arrive any more. So a
//!    barrier at which a member that has left did not arrive is never complete, and the last member
//!    to arrive at any barrier finds no `LEFT` that it could erase.
//! 2. *A member that sleeps is woken.* It sets `ASLEEP` and registers under the lock, unless the
//!    operation that sets `ASLEEP` finds the barrier released. All changes of the word are
//!    read-modify-writes. So the member that releases the barrier either comes first, and the
//!    sleeper sees that; or finds `ASLEEP`, and takes the sleepers under the lock, after the
//!    sleeper has registered. Models: `a_member_that_sleeps_is_woken_by_the_last_to_arrive`,
//!    `a_member_that_sleeps_is_woken_by_one_that_leaves`.
//! 3. *A member sees what the others did before they arrived.* Each arrival releases it, the last
//!    arrival acquires all of it and releases it by the phase. Model:
//!    `members_see_what_others_did_before_a_barrier`.
#![deny(unsafe_code)]

use crossbeam_utils::CachePadded;

use crate::sync::{AtomicU32, Mutex, Ordering};

/// A member has left. Never cleared.
const LEFT: u32 = 1;
/// A member may have registered in this phase. Set under the lock.
const ASLEEP: u32 = 2;
/// One complete barrier.
const PHASE: u32 = 4;

/// A barrier for a fixed number of members, which meet there any number of times. `S` is what
/// wakes a member that sleeps.
pub(super) struct Barrier<S> {
    members: u32,
    counts: CachePadded<Counts>,
    sleepers: Mutex<Vec<S>>,
}

/// In one cache line: the last member to arrive needs both.
struct Counts {
    word: AtomicU32,
    /// How many members have arrived at the next barrier.
    arrived: AtomicU32,
}

/// The number of a barrier, as a member counts them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Phase(u32);

impl Phase {
    pub(super) const FIRST: Phase = Phase(0);

    pub(super) fn next(self) -> Phase {
        Phase(self.0.wrapping_add(PHASE))
    }

    fn of(word: u32) -> Self {
        Phase(word & !(LEFT | ASLEEP))
    }
}

impl<S> Barrier<S> {
    pub(super) fn new(members: usize) -> Self {
        Barrier {
            members: members as u32,
            counts: CachePadded::new(Counts {
                word: AtomicU32::new(0),
                arrived: AtomicU32::new(0),
            }),
            sleepers: Mutex::default(),
        }
    }

    /// Arrives at the barrier of this phase. If this completes the barrier, returns the members to
    /// wake.
    #[must_use]
    pub(super) fn arrive(&self, phase: Phase) -> Option<Vec<S>> {
        // AcqRel: the last member acquires what the others did, and releases it by the phase.
        if self.counts.arrived.fetch_add(1, Ordering::AcqRel) + 1 < self.members {
            return None;
        }
        // Relaxed: a member arrives at the next barrier after it has acquired the phase.
        self.counts.arrived.store(0, Ordering::Relaxed);
        // Release: matches the Acquire in `is_complete`.
        let word = self.counts.word.swap(phase.next().0, Ordering::Release);
        Some(self.sleepers(word))
    }

    /// A member leaves. Returns the members to wake.
    #[must_use]
    pub(super) fn leave(&self) -> Vec<S> {
        // Release: matches the Acquire in `has_left`.
        let word = self.counts.word.fetch_or(LEFT, Ordering::Release);
        self.sleepers(word)
    }

    fn sleepers(&self, word: u32) -> Vec<S> {
        match word & ASLEEP {
            0 => Vec::new(),
            _ => std::mem::take(&mut *self.sleepers.lock()),
        }
    }

    /// Whether the barrier of this phase is complete.
    pub(super) fn is_complete(&self, phase: Phase) -> bool {
        // Acquire: matches the Release in `arrive`.
        Phase::of(self.counts.word.load(Ordering::Acquire)) != phase
    }

    /// Whether a member has left.
    pub(super) fn has_left(&self) -> bool {
        // Acquire: matches the Release in `leave`.
        self.counts.word.load(Ordering::Acquire) & LEFT != 0
    }

    /// Whether members stop waiting for the barrier: it is complete, or never will be.
    pub(super) fn is_released(&self, phase: Phase) -> bool {
        // Acquire: as in `is_complete` and `has_left`.
        is_released(self.counts.word.load(Ordering::Acquire), phase)
    }

    /// Registers a sleeper, unless the barrier is released. Returns whether it did.
    #[must_use]
    pub(super) fn register(&self, phase: Phase, sleeper: impl FnOnce() -> S) -> bool {
        let mut sleepers = self.sleepers.lock();
        // Relaxed: a caller that needs what the others did calls `is_complete`.
        let waits = !is_released(self.counts.word.fetch_or(ASLEEP, Ordering::Relaxed), phase);
        if waits {
            sleepers.push(sleeper());
        }
        waits
    }
}

fn is_released(word: u32, phase: Phase) -> bool {
    word & LEFT != 0 || Phase::of(word) != phase
}

#[cfg(all(test, loom))]
mod models;
