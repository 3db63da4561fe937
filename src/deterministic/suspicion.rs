//! What a simulation that stands still is told to its user: whose turn it is, and who waits for what.

use std::sync::{Arc, Weak};

use super::IDLE;
use super::schedule::{Blocked, Entry, State};
use crate::dump::Dump;
use crate::pool::Registry;

/// What seems to be wrong.
pub(super) struct Suspicion {
    pub(super) complaint: String,
    /// Nothing is wrong if none of these pools has work. Empty: something is.
    unless_idle: Vec<Weak<Registry>>,
    /// Whether it is the home that keeps the turn: then a pool that is to end has work.
    by_home: bool,
}

impl State {
    /// Why nothing may be moving, if something should.
    pub(super) fn suspicion(&self) -> Option<Suspicion> {
        match self.turn.and_then(|turn| self.parties.get(&turn)) {
            Some(_) if self.idle_turns.time >= self.limit => Some(self.suspicion_of_looks()),
            Some(holder) => self.suspicion_of_turn(holder),
            None => self.suspicion_of_all(),
        }
    }

    fn suspicion_of_looks(&self) -> Suspicion {
        let limit = self.limit;
        let able = names(self.parties.values().filter(|entry| entry.blocked.is_none()));
        Suspicion::certain(format!(
            "for {limit:?} these have done nothing but call `schedule_point`, or the like, to wait \
             for something that does not come: {able}"
        ))
    }

    /// The turn stays where it is while others wait for it.
    fn suspicion_of_turn(&self, holder: &Entry) -> Option<Suspicion> {
        let (limit, name, waiting) = (self.limit, &holder.name, names(self.waiting()));
        if waiting.is_empty() {
            return None;
        }
        let complaint = format!(
            "for {limit:?} the turn has been with {name}, which came to no schedule point: it waits \
             for something that another thread has to do first (a lock that is held over a schedule \
             point, a channel), or it computes, for which `turn_limit` may be set. Waiting for the \
             turn: {waiting}"
        );
        if self.waiting().any(|entry| !entry.looks) {
            return Some(Suspicion::certain(complaint));
        }
        let unless_idle = self.waiting().map(|entry| entry.pool.clone()).collect();
        Some(Suspicion { complaint, unless_idle, by_home: holder.is_home() })
    }

    /// Nobody can run.
    fn suspicion_of_all(&self) -> Option<Suspicion> {
        // What a pool does that is none of these may still wake one of them.
        let is_served = |pool| pool == IDLE || self.has_threads(pool);
        let hopes = |entry: &Entry| match entry.blocked {
            Some(Blocked::Parked(pool)) => !is_served(pool),
            _ => false,
        };
        let waits = |entry: &&Entry| entry.blocked != Some(Blocked::Parked(IDLE));
        let waiting = names(self.parties.values().filter(waits));
        if waiting.is_empty() || self.parties.values().any(hopes) {
            return None;
        }
        let limit = self.limit;
        let complaint =
            format!("a deadlock: for {limit:?} these have waited for each other: {waiting}");
        Some(Suspicion::certain(complaint))
    }
}

impl Suspicion {
    fn certain(complaint: String) -> Self {
        Suspicion { complaint, unless_idle: Vec::new(), by_home: false }
    }

    /// Not to be called under the lock. Returns also what the caller may be the last to know.
    pub(super) fn is_confirmed(&self) -> (bool, Vec<Arc<Registry>>) {
        let pools: Vec<_> = self.unless_idle.iter().filter_map(Weak::upgrade).collect();
        let ends = |pool: &Registry| self.by_home && pool.is_ending();
        let has_work = pools.iter().any(|pool| Dump::of(pool).is_queued() || ends(pool));
        (self.unless_idle.is_empty() || has_work, pools)
    }
}

fn names<'a>(entries: impl Iterator<Item = &'a Entry>) -> String {
    entries.map(|entry| entry.name.as_str()).collect::<Vec<_>>().join(", ")
}
