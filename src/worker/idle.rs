//! A worker without work looks around for a while, then parks.
//!
//! # What it is worth
//! A row's time without a mechanism, divided by its time with it: medians by
//! `benches/ablation/run`, on two shared virtual cores.
//!
//! | without | row | threads | time | CPU time |
//! | --- | --- | ---: | ---: | ---: |
//! | `adaptive-rounds` | 64 items of 5 µs every 5 ms | 2 | 1.00 | 1.20 |
//! |  | 4 items of 200 ns every 100 µs | 8 | 1.01 | 1.10 |
//! | `pause-check`: a look while it spins | join of empty closures | 2 | 1.06 | – |
//! | `watches`: no sentry if no worker forks | scope of 16 that sleep | 16 | 1.18 | 1.61 |
//! |  | 8 of 400 sleep, spread | 8 | 1.04 | 1.66 |
#![deny(unsafe_code)]

use std::sync::Arc;

use super::shared::{ROUNDS, Worker};
use super::times::Activity;
use crate::job::{AWAITED_BY_END, NO_TAG};
use crate::os::clock::{TICKS_PER_MICROSECOND, ticks};
use crate::sim;
use crate::sleep::{CoreThread, Kind, Look};
use crate::sync::Ordering;

pub(super) const FEWEST_ROUNDS: u32 = if cfg!(loom) { 1 } else { 6 };
/// If a job from outside ends a sleep that was shorter than this, the next look takes `LONG_LOOK`
/// rounds, without those that only spin. (A task of tokio's that awaits one closure after another
/// then takes .6 to .9 of the time and .9 to 1.15 of the processor time.)
const SHORT_SLEEP: u64 = 24 * TICKS_PER_MICROSECOND;
const LONG_LOOK: u32 = 2 * ROUNDS;
/// The rounds in which a worker looks for *silent* owners. An owner with private forks is silent if
/// it has neither forked nor ended a fork between these rounds.
const SILENCE: [u32; 2] = [SPINS, ROUNDS - 1];
/// The first round in which the thread yields its processor. Before it, each round spins twice as
/// long as the last.
const SPINS: u32 = if cfg!(loom) { 0 } else { 8 };

impl Worker {
    /// Waits for work. Returns `true` if there may be work: the caller then has the core, and may
    /// be a searcher. Returns `false` if the pool has ended.
    pub(super) fn idle(&self, me: &Arc<CoreThread>) -> bool {
        let sleep = self.sleep();
        let mut watches = true;
        if sleep.start_searching(self.index) || self.may_search_soon() {
            self.note_search(true);
            sleep.set_looking(self.index, true);
            let seen = self.look_around();
            sleep.set_looking(self.index, false);
            if seen == Look::Work {
                self.note_awake(true);
                return self.goes_on();
            }
            watches = seen == Look::OthersFork;
        } else if self.has_own_work() {
            return true;
        }
        self.counters.parks.count();
        let handlers = &self.registry().handlers;
        // (Handlers that make work each time would keep the pool from ending.)
        let calls = !self.registry().is_ending();
        if calls && handlers.park.is_some() {
            self.stop_searching();
            self.handle(|| handlers.call(|it| &it.park, self.index));
            if self.has_own_work() {
                // The handler has spawned a task. A parked core's queues must be empty.
                return true;
            }
        }
        if !self.park(me, watches) {
            return false;
        }
        if calls && handlers.unpark.is_some() {
            self.stop_searching();
            self.handle(|| handlers.call(|it| &it.unpark, self.index));
        }
        true
    }

    /// Calls a handler, which may do all that a job may. The pool's end waits for it.
    pub(super) fn handle(&self, handler: impl FnOnce()) {
        self.jobs.store(1, Ordering::Relaxed);
        self.set_word(AWAITED_BY_END);
        sim::looks(false);
        handler();
        sim::looks(true);
        self.set_word(NO_TAG);
        self.jobs.store(0, Ordering::Relaxed);
    }

    /// Waits a moment until this worker may search, has work of its own, or no other is at work.
    /// Returns whether it now counts as a searcher. (When a thief ends a fork, the owner that waits
    /// for it still counts as one. Once the owner sees the end, the thief may search instead.)
    fn may_search_soon(&self) -> bool {
        for _ in 0..ROUNDS {
            // The thread that is about to pin a job here may need this processor.
            pause(SPINS, || false);
            if self.has_own_work() || !self.others_are_at_work() {
                return false;
            }
            if self.sleep().start_searching(self.index) {
                return true;
            }
        }
        false
    }

    /// Looks for work for some rounds: next time twice as many if it sees work, else half as many.
    fn look_around(&self) -> Look {
        let rounds = self.rounds.load(Ordering::Relaxed);
        let seen = self.look_for(rounds);
        let next = if matches!(seen, Look::Work) { rounds * 2 } else { rounds / 2 };
        let most = if rounds > ROUNDS { LONG_LOOK } else { ROUNDS };
        self.rounds.store(next.clamp(FEWEST_ROUNDS, most), Ordering::Relaxed);
        seen
    }

    fn look_for(&self, rounds: u32) -> Look {
        self.see_others_fork();
        let first = if rounds > ROUNDS { SPINS } else { 0 };
        for round in first..rounds.max(ROUNDS) {
            // If other workers have private forks, look for the full time.
            if round >= rounds && !self.sees_hidden() {
                break;
            }
            pause(round, || self.has_own_work());
            let is_over = self.sees_work() || self.is_wanted();
            if is_over || SILENCE.contains(&round) && self.sees_silent() {
                return Look::Work;
            }
            if self.registry().is_ending() {
                return Look::Quiet;
            }
        }
        if self.may_watch() { Look::OthersFork } else { Look::Quiet }
    }

    /// Whether a worker that parks may become the sentry: other workers have forked since the last
    /// call, or have private forks.
    pub(super) fn may_watch(&self) -> bool {
        self.see_others_fork() || self.sees_hidden()
    }

    /// Parks until the thread `me` has its core and is a searcher. Returns `false` if the pool has
    /// ended.
    pub(super) fn park(&self, me: &Arc<CoreThread>, watches: bool) -> bool {
        let begin = ticks();
        let commit = || {
            self.note(Activity::Parked);
            self.registry().end_if_idle();
        };
        let look = |moment| self.look(moment);
        let parked = self.sleep().park(self.index, Kind::Idle(me), watches, look, commit);
        let goes_on = self.wait_for_core(me);
        if !parked {
            return goes_on;
        }
        self.counters.wakes.count();
        let is_short = || ticks().wrapping_sub(begin) < SHORT_SLEEP;
        if self.registry().has_injected() && is_short() && !self.registry().is_simulated() {
            self.rounds.store(LONG_LOOK, Ordering::Relaxed);
        }
        goes_on
    }

    /// Returns `false` if the pool has ended. Then this worker is no longer a searcher.
    pub(super) fn goes_on(&self) -> bool {
        let has_ended = self.registry().has_ended();
        if has_ended {
            let _ = self.sleep().stop_searching(self.index);
        }
        !has_ended
    }
}

/// Spins for twice as long each round, or until `is_over`. From round `SPINS` on, yields instead.
pub(super) fn pause(round: u32, is_over: impl Fn() -> bool) {
    if cfg!(loom) {
        // A model has no time, and a yield would wait until all other threads yield.
    } else if round < SPINS {
        for spin in 0..1 << round {
            if spin % 8 == 7 && is_over() {
                return;
            }
            crate::sync::spin_loop();
        }
    } else {
        crate::sync::spin_or_yield();
    }
}
