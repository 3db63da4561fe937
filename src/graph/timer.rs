//! Retries that are not due yet.
//!
//! One thread for the whole process sleeps until the next retry is due, and then submits it. The
//! thread is started with the first retry, and ends when none is left.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::fork::Deferred;
use crate::os::generation::PerProcess;
use crate::os::thread::Thread;

/// Used for a delay that the clock cannot represent.
const FAR: Duration = Duration::from_secs(30 * 365 * 86_400);

static TIMER: PerProcess<Timer> = PerProcess::new();

#[derive(Default)]
struct Timer {
    state: Mutex<State>,
    /// Notified when a retry is added.
    added: Condvar,
}

#[derive(Default)]
struct State {
    /// The waiting retries, by the time when each is due, and by a number that makes keys unique.
    waiting: BTreeMap<(Instant, u64), Deferred>,
    number: u64,
    /// Whether the thread runs. It finds no retry and clears this under one lock.
    has_thread: bool,
}

/// Submits `deferred` after `delay`, or at once if the thread cannot be started.
pub(super) fn submit_after(delay: Duration, deferred: Deferred) {
    let timer = TIMER.get();
    let now = Instant::now();
    let due = now.checked_add(delay).unwrap_or(now + FAR);
    let mut state = timer.state.lock();
    state.number += 1;
    let key = (due, state.number);
    state.waiting.insert(key, deferred);
    if state.has_thread {
        timer.added.notify_one();
        return;
    }
    let started = Thread::start_detached("filch-timer".into(), None, || TIMER.get().work());
    state.has_thread = started.is_ok();
    let refused = if state.has_thread { None } else { state.waiting.remove(&key) };
    drop(state);
    if let Some(deferred) = refused {
        deferred.submit();
    }
}

impl Timer {
    fn work(&self) {
        let mut state = self.state.lock();
        while let Some((&(due, _), _)) = state.waiting.first_key_value() {
            if Instant::now() < due {
                self.added.wait_until(&mut state, due);
            } else if let Some((_, deferred)) = state.waiting.pop_first() {
                drop(state);
                deferred.submit();
                state = self.state.lock();
            }
        }
        state.has_thread = false;
    }
}
