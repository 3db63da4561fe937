//! The report on a simulation that makes no progress: which thread has the turn, and what the other
//! threads wait for.
//!
//! # When a thread keeps the turn for long
//! The thread that has the turn may compute or wait. Meanwhile, other threads may wait for the turn
//! and have work to do, or may wait for the pool to do something. The system reports how much
//! processor time the thread took, and which system call it is in (`os/progress.rs`).
//!
//! | the thread with the turn | others have work | others wait for the pool |
//! | --- | --- | --- |
//! | computes | a warning | nothing |
//! | does not compute | an abort | a warning |
//! | waits for a thread, as do all threads of the process | an abort | an abort |
//! | does something that the system does not report | an abort | nothing |

use std::sync::Weak;

use super::IDLE;
use super::schedule::{Entry, State};
use crate::os::progress::Seen;

pub(super) struct Complaint {
    pub(super) text: String,
    pub(super) verdict: Verdict,
}

/// What to do about a complaint.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The simulation can still go on.
    Warn,
    /// Abort if every other thread of the process waits for a thread. If not, warn.
    AbortIfOthersWait,
    Abort,
}

impl State {
    pub(super) fn is_suspicious(&self) -> bool {
        match self.turn {
            Some(_) => {
                let is_idle = self.idle_turns.time >= self.limit;
                is_idle || self.waiting().next().is_some() || self.is_awaited()
            }
            None => self.complaint_of_all().is_some(),
        }
    }

    /// Returns what is wrong, if something should move and nothing does. `before` is what the
    /// thread with the turn had done when the watcher began to wait for it to move.
    pub(super) fn complaint(&self, before: Option<&Seen>) -> Option<Complaint> {
        let abort = |text| Complaint { text, verdict: Verdict::Abort };
        match self.turn.and_then(|turn| self.threads.get(&turn)) {
            Some(_) if self.idle_turns.time >= self.limit => self.complaint_of_looks().map(abort),
            Some(holder) => self.complaint_of_turn(holder, before),
            None => self.complaint_of_all().map(abort),
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

    /// Returns what is wrong, if anything is, while `holder` keeps the turn.
    fn complaint_of_turn(&self, holder: &Entry, before: Option<&Seen>) -> Option<Complaint> {
        let conduct = self.conduct(holder, before);
        let others_have_work = self.waiting().any(|it| !it.looks || has_work(it, holder));
        let verdict = match (conduct, others_have_work) {
            (Conduct::Computes, true) => Verdict::Warn,
            (_, true) => Verdict::Abort,
            _ if !self.is_awaited() => return None,
            (Conduct::WaitsForThread, _) if !self.hopes() => Verdict::AbortIfOthersWait,
            (Conduct::WaitsForThread | Conduct::Waits, _) => Verdict::Warn,
            (Conduct::Computes | Conduct::Unknown, _) => return None,
        };
        let (limit, name, reason) = (self.limit, &holder.name, conduct.reason());
        let waiting = names(self.waiting());
        let awaiting = names(self.threads.values().filter(|entry| self.waits_for_pool(entry)));
        let text = format!(
            "for {limit:?} the turn has been with {name}, which came to no schedule point: \
             {reason}. Waiting for the turn: {waiting}. Waiting for what a pool does: {awaiting}"
        );
        Some(Complaint { text, verdict })
    }

    fn conduct(&self, holder: &Entry, before: Option<&Seen>) -> Conduct {
        let (Some(before), Some(now)) = (before, holder.signal.seen()) else {
            return Conduct::Unknown;
        };
        // (A thread that sleeps in a loop takes less processor time than that.)
        if now.time.saturating_sub(before.time) >= self.limit / 100 {
            Conduct::Computes
        } else if *before == now && now.waits_for_thread() {
            Conduct::WaitsForThread
        } else {
            Conduct::Waits
        }
    }

    /// Returns whether a thread waits for a pool of the simulation to do something.
    fn is_awaited(&self) -> bool {
        self.threads.values().any(|entry| self.waits_for_pool(entry))
    }

    fn waits_for_pool(&self, entry: &Entry) -> bool {
        entry.blocked.is_some_and(|pool| pool != IDLE && self.has_threads(pool))
    }

    /// Returns what is wrong, if anything is, while all threads are blocked.
    fn complaint_of_all(&self) -> Option<String> {
        let waiting = || self.threads.values().filter(|entry| entry.blocked != Some(IDLE));
        let is_stuck = waiting().next().is_some() && !self.hopes();
        is_stuck.then(|| {
            let (limit, waiting) = (self.limit, names(waiting()));
            format!("a deadlock: for {limit:?} these have waited for each other: {waiting}")
        })
    }

    /// Returns whether a thread waits for a pool outside of the simulation. That pool may still
    /// wake it.
    fn hopes(&self) -> bool {
        let is_served = |pool| pool == IDLE || self.has_threads(pool);
        let hopes = |entry: &Entry| entry.blocked.is_some_and(|pool| !is_served(pool));
        self.threads.values().any(hopes)
    }
}

/// What the thread that has the turn does.
#[derive(Clone, Copy)]
enum Conduct {
    Computes,
    /// It sleeps, or waits for a device, for another process, or for a thread.
    Waits,
    /// It has waited for another thread all the time, in a wait without a time limit.
    WaitsForThread,
    Unknown,
}

impl Conduct {
    fn reason(self) -> &'static str {
        match self {
            Conduct::Computes => "it computes, or waits in a loop without schedule points",
            Conduct::Waits => "it sleeps, or waits for something that is no part of the pool",
            Conduct::WaitsForThread => {
                "it waits for another thread (by a channel, by `park`, or by a lock that is held \
                 over a schedule point or a call of the pool)"
            }
            Conduct::Unknown => {
                "it waits for another thread (by a channel, or by a lock that is held over a \
                 schedule point), or it computes for longer than `turn_limit`"
            }
        }
    }
}

fn has_work(entry: &Entry, holder: &Entry) -> bool {
    let Some(pool) = entry.pool.as_ref().and_then(Weak::upgrade) else { return false };
    pool.has_work(entry.pool_address() == holder.pool_address())
}

fn names<'a>(entries: impl Iterator<Item = &'a Entry>) -> String {
    let names: Vec<_> = entries.map(|entry| entry.name.as_str()).collect();
    if names.is_empty() { "none".into() } else { names.join(", ") }
}
