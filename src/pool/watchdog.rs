//! A thread that tells when a pool does not move although it has work.

use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::Duration;
use std::{io, thread};

use super::Registry;
use crate::dump::Dump;

/// The thread; dropping this ends it and waits for that.
pub(super) struct Watchdog {
    over: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Watchdog {
    pub(super) fn start(registry: &Arc<Registry>, period: Duration) -> io::Result<Self> {
        let over = Arc::new((Mutex::new(false), Condvar::new()));
        let (theirs, registry) = (over.clone(), Arc::downgrade(registry));
        let watch = move || watch(&registry, period, &theirs);
        let thread = thread::Builder::new().name("filch-watchdog".into()).spawn(watch)?;
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
            // It does not panic but where the standard error stream does.
            let _ = thread.join();
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
        let Some(registry) = registry.upgrade() else { return };
        let now = Dump::of(&registry);
        drop(registry);
        let stands = before.as_ref().is_some_and(|before| now.is_still(before));
        if !stands || !now.is_pending() {
            told = false;
        } else if !told {
            told = true;
            eprintln!("filch: nothing has moved for {period:?} while work is pending\n{now}");
        }
        before = Some(now);
    }
}
