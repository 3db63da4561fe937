//! What a simulation knows of its parties, under one lock, and whose turn is next.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use fastrand::Rng;

use super::Simulated;
use super::chair::Chair;

/// What decides the schedule.
pub(crate) type Seed = u64;

/// A party's number. They are given in the order in which threads are started.
pub(super) type Id = u64;

/// The watcher looks so many times before it gives up. (Its own looks are counted, and not the
/// time, which also goes by in a debugger.)
pub(super) const LOOKS: u32 = 10;

pub(super) struct State {
    pub(super) rng: Rng,
    /// At a point the turn changes one time in so many.
    pub(super) patience: u32,
    pub(super) parties: BTreeMap<Id, Entry>,
    pub(super) last_id: Id,
    /// How many pools are being built.
    pub(super) building: usize,
    pub(super) turn: Option<Id>,
    pub(super) watcher: Option<Id>,
    /// How often a party did something but look for what others did.
    pub(super) moves: u64,
    /// Turns without a move.
    pub(super) idle_turns: IdleTurns,
    /// How long nothing may move while something is to be done.
    pub(super) limit: Duration,
    /// Tells what all pools are at.
    pub(super) report: fn() -> String,
}

/// For how long parties have only looked for what others did.
#[derive(Default)]
pub(super) struct IdleTurns {
    pub(super) count: u32,
    /// `State::moves` when that began.
    pub(super) moves: u64,
    /// When the clock was looked at last.
    pub(super) seen: Option<Instant>,
    pub(super) time: Duration,
}

/// What all know of a party.
pub(super) struct Entry {
    pub(super) chair: Arc<Chair>,
    pub(super) name: String,
    /// The pool that the thread works for; none for the home.
    pub(super) pool: Option<Weak<dyn Simulated>>,
    pub(super) blocked: Option<Blocked>,
    /// Whether the thread has nothing to do but to look for work.
    pub(super) looks: bool,
}

/// What a party waits for that cannot run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Blocked {
    /// To be woken: for what the pool at this address does, or, if it is `IDLE`, for work.
    Parked(usize),
    /// That the pool at this address has no thread any more.
    UntilGone(usize),
}

impl State {
    pub(super) fn new(seed: Seed, limit: Duration, report: fn() -> String) -> Self {
        let mut state = State {
            rng: Rng::new(),
            patience: 1,
            parties: BTreeMap::new(),
            last_id: 0,
            building: 0,
            turn: None,
            watcher: None,
            moves: 0,
            idle_turns: IdleTurns::default(),
            limit,
            report,
        };
        state.seed(seed);
        state
    }

    pub(super) fn seed(&mut self, seed: Seed) {
        self.rng = Rng::with_seed(seed);
        // Some schedules change at every point, some let workers run far ahead of each other.
        self.patience = 1 << self.rng.u32(..6);
    }

    /// How many points are left out until the turn changes at one.
    pub(super) fn points(&mut self) -> u32 {
        let mut points = 0;
        while self.rng.u32(..self.patience) != 0 {
            points += 1;
        }
        points
    }

    /// Gives the turn to one of those that can run, if there is one.
    pub(super) fn choose(&mut self) -> Option<Id> {
        let ready = || {
            let ready = self.parties.iter().filter(|(_, entry)| entry.blocked.is_none());
            ready.map(|(&id, _)| id)
        };
        let count = ready().count();
        self.turn = if count == 0 { None } else { ready().nth(self.rng.usize(..count)) };
        self.turn
    }

    /// Sees to it that one that waits for its turn is the watcher, if any does. Returns where a new
    /// one waits, for it to be told.
    #[must_use]
    pub(super) fn see_to_watcher(&mut self) -> Option<Arc<Chair>> {
        let watches = |id| Some(id) != self.turn && self.parties.contains_key(&id);
        if self.watcher.is_some_and(watches) {
            return None;
        }
        let mut others = self.parties.keys().copied().filter(|&id| Some(id) != self.turn);
        self.watcher = others.next();
        self.chair(self.watcher)
    }

    pub(super) fn chair(&self, id: Option<Id>) -> Option<Arc<Chair>> {
        Some(self.parties.get(&id?)?.chair.clone())
    }

    /// How many points the party that has the turn came to.
    pub(super) fn points_of_holder(&self) -> u32 {
        self.chair(self.turn).map_or(0, |chair| chair.points.load(Ordering::Relaxed))
    }

    pub(super) fn has_threads(&self, pool: usize) -> bool {
        self.parties.values().any(|entry| entry.pool_address() == pool)
    }

    /// Counts a turn in which nothing was done. `true`: that has been so for the limit.
    pub(super) fn only_looks(&mut self) -> bool {
        /// So often the clock is looked at.
        const EVERY: u32 = 16;
        let idle = &mut self.idle_turns;
        if idle.moves != self.moves {
            *idle = IdleTurns { moves: self.moves, ..IdleTurns::default() };
        }
        idle.count += 1;
        if idle.count % EVERY != 0 {
            return false;
        }
        let now = Instant::now();
        let step = idle.seen.replace(now).map_or(Duration::ZERO, |seen| now - seen);
        // A longer step is one in which the process did not run.
        idle.time += step.min((self.limit / LOOKS).max(Duration::from_nanos(1)));
        idle.time >= self.limit
    }

    /// Those that wait for the turn and could run.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &Entry> {
        let waits =
            |&(&id, entry): &(&Id, &Entry)| Some(id) != self.turn && entry.blocked.is_none();
        self.parties.iter().filter(waits).map(|(_, entry)| entry)
    }
}

impl Entry {
    pub(super) fn is_home(&self) -> bool {
        self.pool.is_none()
    }

    pub(super) fn pool_address(&self) -> usize {
        self.pool.as_ref().map_or(0, |pool| pool.as_ptr().addr())
    }
}
