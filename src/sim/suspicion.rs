//! The report on a simulation that stands still: which thread has the turn, and which wait for
//! what.

use std::sync::Weak;

use super::IDLE;
use super::schedule::{Entry, State};

impl State {
    /// Whether the simulation may be standing still.
    pub(super) fn is_suspicious(&self) -> bool {
        match self.turn {
            Some(_) => self.idle_turns.time >= self.limit || self.waiting().next().is_some(),
            None => self.complaint_of_all().is_some(),
        }
    }

    /// Why nothing moves, if something should move.
    pub(super) fn complaint(&self) -> Option<String> {
        match self.turn.and_then(|turn| self.threads.get(&turn)) {
            Some(_) if self.idle_turns.time >= self.limit => self.complaint_of_looks(),
            Some(holder) => self.complaint_of_turn(holder),
            None => self.complaint_of_all(),
        }
    }

    fn complaint_of_looks(&self) -> Option<String> {
        if self.hopes() {
            return None;
        }
        let limit = self.limit;
        let able = names(self.threads.values().filter(|entry| entry.blocked.is_none()));
        Some(format!(
            "for {limit:?} these threads have done nothing but call `schedule_point` or the like, \
             and what they wait for does not happen: {able}"
        ))
    }

    /// For a thread that keeps the turn while others wait for it.
    fn complaint_of_turn(&self, holder: &Entry) -> Option<String> {
        let has_work = |entry: &Entry| !entry.looks || has_work(entry, holder);
        if !self.waiting().any(has_work) {
            return None;
        }
        let (limit, name, waiting) = (self.limit, &holder.name, names(self.waiting()));
        Some(format!(
            "for {limit:?} the turn has been with {name}, which came to no schedule point: it \
             waits for another thread (by a channel, or by a lock that is held over a schedule \
             point), or it computes for longer than `turn_limit`. Waiting for the turn: {waiting}"
        ))
    }

    /// For threads that are all blocked.
    fn complaint_of_all(&self) -> Option<String> {
        let waits = |entry: &&Entry| entry.blocked != Some(IDLE);
        let waiting = names(self.threads.values().filter(waits));
        let limit = self.limit;
        (!waiting.is_empty() && !self.hopes()).then(|| {
            format!("a deadlock: for {limit:?} these have waited for each other: {waiting}")
        })
    }

    /// Whether a thread waits for a pool outside of the simulation, which may still wake it.
    fn hopes(&self) -> bool {
        let is_served = |pool| pool == IDLE || self.has_threads(pool);
        let hopes = |entry: &Entry| entry.blocked.is_some_and(|pool| !is_served(pool));
        self.threads.values().any(hopes)
    }
}

/// `Simulated::has_work` of the pool of the entry's thread.
fn has_work(entry: &Entry, holder: &Entry) -> bool {
    let Some(pool) = entry.pool.as_ref().and_then(Weak::upgrade) else { return false };
    pool.has_work(entry.pool_address() == holder.pool_address())
}

fn names<'a>(entries: impl Iterator<Item = &'a Entry>) -> String {
    entries.map(|entry| entry.name.as_str()).collect::<Vec<_>>().join(", ")
}
