//! A thread that reports if a pool does not move although work is pending.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::Dump;
use crate::os::thread::Stoppable;
use crate::os::write_error;
use crate::worker::shared::{Registry, RegistryRef};

pub(crate) fn start(registry: &Arc<Registry>, period: Duration) -> io::Result<Stoppable> {
    let registry = Arc::downgrade(registry);
    Stoppable::start("filch-watchdog", move |is_over| watch(&registry, period, is_over))
}

fn watch(registry: &Weak<Registry>, period: Duration, is_over: &Receiver<()>) {
    let mut before: Option<Dump> = None;
    let mut told = false;
    let mut periods_of_end = 0_u32;
    while is_over.recv_timeout(period) == Err(RecvTimeoutError::Timeout) {
        let Some(now) = RegistryRef::upgrade(registry).map(|it| Dump::of(&it)) else { return };
        periods_of_end = periods_of_end.saturating_add(now.is_ending.into());
        // The end has taken longer than a period, for the first time.
        if periods_of_end == 2 {
            told = true;
            let text = "filch: dropping a pool has waited for";
            write_error(&format!("{text} {period:?} and longer\n{now}\n"));
        }
        let stands = before.as_ref().is_some_and(|before| now.progress == before.progress);
        if !stands || !now.is_pending {
            told = false;
        } else if !told {
            told = true;
            let text = "filch: nothing has moved for";
            write_error(&format!("{text} {period:?} while work is pending\n{now}\n"));
        }
        before = Some(now);
    }
}
