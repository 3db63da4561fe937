//! A thread that tells when a pool does not move although its work has not ended.

use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::Duration;

use super::Registry;
use crate::dump::Dump;
use crate::platform::fork::write_error;
use crate::platform::thread::Thread;

/// The thread; dropping this ends it and waits for that.
pub(super) struct Watchdog {
    over: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<Thread>,
}

impl Watchdog {
    pub(super) fn start(registry: &Arc<Registry>, period: Duration) -> io::Result<Self> {
        let over = Arc::new((Mutex::new(false), Condvar::new()));
        let (theirs, registry) = (over.clone(), Arc::downgrade(registry));
        let watch = move || watch(&registry, period, &theirs);
        let thread = Thread::start("filch-watchdog".into(), None, watch)?;
        Ok(Watchdog { over, thread: Some(thread) })
    }

    /// Gives the thread up, which a `fork()` has left behind.
    pub(super) fn abandon(mut self) {
        std::mem::forget(self.thread.take());
        std::mem::forget(self);
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        *self.over.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.over.1.notify_all();
        if let Some(thread) = self.thread.take() {
            thread.join();
        }
    }
}

fn watch(registry: &Weak<Registry>, period: Duration, over: &(Mutex<bool>, Condvar)) {
    let mut before: Option<Dump> = None;
    let mut told = false;
    let mut is_over = over.0.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let waited = over.1.wait_timeout_while(is_over, period, |over| !*over);
        is_over = waited.unwrap_or_else(PoisonError::into_inner).0;
        if *is_over {
            return;
        }
        let Some(now) = Dump::of_weak(registry) else { return };
        let stands = before.as_ref().is_some_and(|before| now.is_still(before));
        if !stands || !now.is_pending() {
            told = false;
        } else if !told {
            told = true;
            let text = "filch: nothing has moved for";
            write_error(&format!("{text} {period:?} while work is pending\n{now}\n"));
        }
        before = Some(now);
    }
}
