//! A thread that reports if a pool does not move although work is pending.

use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::Dump;
use crate::os::thread::Thread;
use crate::os::write_error;
use crate::worker::shared::Registry;

/// The thread. Dropping this ends it, and waits until it has ended.
pub(crate) struct Watchdog {
    over: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<Thread>,
}

impl Watchdog {
    pub(crate) fn start(registry: &Arc<Registry>, period: Duration) -> io::Result<Self> {
        let over = Arc::new((Mutex::new(false), Condvar::new()));
        let (theirs, registry) = (over.clone(), Arc::downgrade(registry));
        let watch = move || watch(&registry, period, &theirs);
        let thread = Thread::start("filch-watchdog".into(), None, watch)?;
        Ok(Watchdog { over, thread: Some(thread) })
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        *self.over.0.lock() = true;
        self.over.1.notify_all();
        if let Some(thread) = self.thread.take() {
            thread.join();
        }
    }
}

fn watch(registry: &Weak<Registry>, period: Duration, over: &(Mutex<bool>, Condvar)) {
    let mut before: Option<Dump> = None;
    let mut told = false;
    let mut periods_of_end = 0_u32;
    let mut is_over = over.0.lock();
    loop {
        over.1.wait_while_for(&mut is_over, |over| !*over, period);
        if *is_over {
            return;
        }
        let Some(now) = Dump::of_weak(registry) else { return };
        periods_of_end = periods_of_end.saturating_add(now.is_ending().into());
        // The end has taken longer than a period, for the first time.
        if periods_of_end == 2 {
            told = true;
            let text = "filch: dropping a pool has waited for";
            write_error(&format!("{text} {period:?} and longer\n{now}\n"));
        }
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
