//! What a simulation knows of its threads, under one lock, and the choice of the next turn.

use std::collections::BTreeMap;
use std::mem;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use fastrand::Rng;

use super::Simulated;
use super::signal::TurnSignal;

pub(crate) type Seed = u64;

pub(crate) fn parse_seed(text: &str) -> Option<Seed> {
    text.parse().ok()
}

/// A thread's number, in the order in which threads are started.
pub(super) type Id = u64;

/// How many times the watcher looks before it complains. (It counts looks instead of time, since
/// time also passes while a debugger has stopped the process.)
pub(super) const LOOKS: u32 = 10;

pub(super) struct State {
    pub(super) rng: Rng,
    /// That of the first pool.
    pub(super) seed: Seed,
    /// On average, the turn changes at one schedule point in this many.
    pub(super) interval: u32,
    pub(super) threads: BTreeMap<Id, Entry>,
    pub(super) last_id: Id,
    /// How many pools are being built.
    pub(super) building: usize,
    pub(super) turn: Option<Id>,
    pub(super) watcher: Option<Id>,
    /// How often a thread did more than look for what other threads did.
    pub(super) moves: u64,
    pub(super) idle_turns: IdleTurns,
    /// For how long nothing may move while work is pending.
    pub(super) limit: Duration,
    /// Whether a warning was written.
    pub(super) has_warned: bool,
    /// Makes a dump of all pools.
    pub(super) report: fn() -> String,
    /// What to call when the last thread of a pool ends.
    pub(super) when_gone: Vec<(usize, GoneCall)>,
}

pub(super) type GoneCall = Box<dyn FnOnce() + Send>;

/// The turns since the last move: in these, threads have only looked for what other threads did.
#[derive(Default)]
pub(super) struct IdleTurns {
    pub(super) count: u32,
    /// `State::moves` in these turns.
    pub(super) moves: u64,
    /// When the clock was read last.
    pub(super) seen: Option<Instant>,
    pub(super) time: Duration,
}

/// The part of a simulated thread that all threads of the simulation see.
pub(super) struct Entry {
    pub(super) signal: Arc<TurnSignal>,
    pub(super) name: String,
    /// The pool that the thread works for; none for the builder.
    pub(super) pool: Option<Weak<dyn Simulated>>,
    /// A blocked thread waits for a wake-up: for something that the pool at this address does, or
    /// for work if it is `IDLE`.
    pub(super) blocked: Option<usize>,
    /// Whether the thread only looks for work.
    pub(super) looks: bool,
}

impl State {
    pub(super) fn new(seed: Seed, limit: Duration, report: fn() -> String) -> Self {
        let mut state = State {
            rng: Rng::new(),
            seed,
            interval: 1,
            threads: BTreeMap::new(),
            last_id: 0,
            building: 0,
            turn: None,
            watcher: None,
            moves: 0,
            idle_turns: IdleTurns::default(),
            limit,
            has_warned: false,
            report,
            when_gone: Vec::new(),
        };
        state.seed(seed);
        state
    }

    pub(super) fn seed(&mut self, seed: Seed) {
        self.rng = Rng::with_seed(seed);
        // Some schedules change the turn at every point, some let threads run far ahead.
        self.interval = 1 << self.rng.u32(..6);
    }

    /// Draws the number of schedule points until one at which the turn changes.
    pub(super) fn points(&mut self) -> u32 {
        let mut points = 0;
        while self.rng.u32(..self.interval) != 0 {
            points += 1;
        }
        points
    }

    /// Gives the turn to one of the threads that can run, if there is one.
    pub(super) fn choose(&mut self) -> Option<Id> {
        let ready = || {
            let ready = self.threads.iter().filter(|(_, entry)| entry.blocked.is_none());
            ready.map(|(&id, _)| id)
        };
        let count = ready().count();
        self.turn = if count == 0 { None } else { ready().nth(self.rng.usize(..count)) };
        self.turn
    }

    /// Makes a thread that waits for its turn the watcher, and wakes it, unless one of them is.
    pub(super) fn appoint_watcher(&mut self) {
        let watches = |id| Some(id) != self.turn && self.threads.contains_key(&id);
        if !self.watcher.is_some_and(watches) {
            self.watcher = self.threads.keys().copied().find(|&id| Some(id) != self.turn);
            self.signal(self.watcher).into_iter().for_each(|it| it.unparker.unpark());
        }
    }

    pub(super) fn signal(&self, id: Option<Id>) -> Option<Arc<TurnSignal>> {
        Some(self.threads.get(&id?)?.signal.clone())
    }

    /// Returns how many schedule points the thread that has the turn has reached.
    pub(super) fn points_of_holder(&self) -> u32 {
        self.signal(self.turn).map_or(0, |signal| signal.points.load(Ordering::Relaxed))
    }

    pub(super) fn has_threads(&self, pool: usize) -> bool {
        self.threads.values().any(|entry| entry.pool_address() == pool)
    }

    /// If the pool at this address has no thread left, takes the calls that are to be made.
    pub(super) fn gone(&mut self, pool: usize) -> Vec<(usize, GoneCall)> {
        if self.has_threads(pool) {
            return Vec::new();
        }
        let (gone, left) = mem::take(&mut self.when_gone).into_iter().partition(|it| it.0 == pool);
        self.when_gone = left;
        gone
    }

    /// Counts a turn without a move. Returns whether there has been no move for the limit.
    pub(super) fn only_looks(&mut self) -> bool {
        /// In how many turns the clock is read once.
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
        // If the step is longer, the process was stopped meanwhile.
        idle.time += step.min((self.limit / LOOKS).max(Duration::from_nanos(1)));
        idle.time >= self.limit
    }

    pub(super) fn waiting(&self) -> impl Iterator<Item = &Entry> {
        let waits =
            |&(&id, entry): &(&Id, &Entry)| Some(id) != self.turn && entry.blocked.is_none();
        self.threads.iter().filter(waits).map(|(_, entry)| entry)
    }
}

impl Entry {
    pub(super) fn pool_address(&self) -> usize {
        self.pool.as_ref().map_or(0, |pool| pool.as_ptr().addr())
    }
}
