//! A *guest*: a thread of the user that is a worker, by `ThreadPoolBuilder::use_current_thread`.
//!
//! It holds the core of worker 0 from the building of the pool until the thread ends. It works only
//! while it waits. When it ends, a thread of the pool takes over the core with its queues.

use std::cell::Cell;
use std::io;

use super::BuildErrorKind;
use crate::job::outcome;
use crate::os::thread::Thread;
use crate::sim;
use crate::sleep::{CoreThread, SpareFor};
use crate::sync::Ordering;
use crate::worker::shared::{Registry, RegistryRef};
use crate::worker::{Acting, Worker};

pub(super) const INDEX: usize = 0;

thread_local! {
    /// Set on a guest. Dropped when the thread ends.
    static GUEST: Cell<Option<Guest>> = const { Cell::new(None) };
}

/// Both fields are set until it is dropped.
struct Guest {
    registry: Option<RegistryRef>,
    acting: Option<Acting>,
}

/// Makes the calling thread a guest, unless it is a worker already.
pub(super) fn join(registry: &Registry) -> Result<(), BuildErrorKind> {
    if Worker::current().or_else(Worker::blocked).is_some() {
        return Err(BuildErrorKind::CurrentThreadAlreadyInPool);
    }
    let join = |guest: &Cell<Option<Guest>>| {
        // In the child of a `fork()`, the thread may be a guest of a pool of the parent. Dropping
        // that comes first, since it makes the thread no worker.
        drop(guest.take());
        registry.guest_comes();
        registry.workers()[INDEX].set_thread(true);
        registry.workers()[INDEX].note_awake(false);
        let acting = Some(Acting::start(&registry.workers()[INDEX]));
        guest.set(Some(Guest { registry: Some(registry.share()), acting }));
    };
    GUEST.try_with(join).map_err(|_| {
        BuildErrorKind::of_thread(INDEX, io::Error::other("the calling thread is ending"))
    })
}

/// Ends a pool whose guest is the calling thread, which works until the pool has ended.
pub(super) fn end_with_pool(registry: &Registry) {
    registry.begin_end(false);
    let Ok(Some(mut guest)) = GUEST.try_with(Cell::take) else { return };
    registry.guest_goes();
    let me = CoreThread::at_bottom(INDEX, true);
    outcome::run_or_abort(|| registry.workers()[INDEX].work(&me));
    sim::looks(false);
    registry.thread_done();
    drop(guest.acting.take());
    drop(guest.registry.take());
}

/// Runs what is pending in a pool that its guest drops outside of a job. (Other workers do that in
/// their main loops.)
pub(super) fn run_what_is_left(registry: &Registry) {
    let is_guest = |worker: &&Worker| registry.has_guest() && worker.index() == INDEX;
    if let Some(guest) = registry.current_worker().filter(is_guest) {
        while guest.jobs_on_stack() == 0 && guest.run_one() {}
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.acting = None;
        if let Some(registry) = self.registry.take() {
            leave(&registry);
        }
    }
}

/// Gives the core of a guest that ends to another thread.
fn leave(registry: &Registry) {
    let worker = &registry.workers()[INDEX];
    // The thread may have called `exit` inside a job, whose frames then still exist, or inside
    // `blocking`, where it does not have the core.
    let is_at_work = || worker.jobs_on_stack() > 0 || worker.forks_pending() != (0, 0);
    if Worker::blocked().is_some() || is_at_work() || registry.is_lost() {
        return;
    }
    if registry.sleep().has_spare(INDEX, SpareFor::Waits) && !registry.has_ended() {
        // It has handed off its core before, so there is a spare thread.
        registry.guest_goes();
        worker.give_back();
        registry.thread_done();
        return registry.end_if_idle();
    }
    let (name, stack_size) = (registry.name(INDEX), registry.settings.stack_size);
    let shared = registry.share();
    let work = move || {
        shared.guest_goes();
        shared.run_worker(INDEX);
    };
    match Thread::start_detached(name, stack_size, work) {
        // Here as well, so that it is visible as soon as this thread has ended.
        Ok(()) => registry.guest_goes(),
        // The system refuses a thread. The other workers steal from the core, and run what is
        // pinned to it. If there is none, this thread runs what is left.
        Err(_) => {
            let is_last = registry.workers().len() == 1;
            if is_last {
                registry.is_deserted.store(true, Ordering::Relaxed);
            }
            if is_last || registry.has_ended() {
                let _acting = Acting::start(worker);
                run_what_is_left(registry);
            }
            worker.set_thread(false);
            registry.core_stays_empty();
        }
    }
}
