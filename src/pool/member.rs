//! A thread of the user's as a worker of a pool: see `ThreadPoolBuilder::use_current_thread`.
//!
//! It holds the core of worker 0 from the building of the pool to its own end, and never searches:
//! it works while it waits. When it ends, a thread of the pool's own takes over the core, with
//! whatever is queued there.

use std::cell::Cell;
use std::io;
use std::sync::Arc;

use super::BuildErrorKind;
use crate::job::outcome;
use crate::os::thread::Thread;
use crate::sim;
use crate::sleep::OffCore;
use crate::worker::shared::Registry;
use crate::worker::{Acting, Worker};

/// The worker that such a thread is.
pub(super) const INDEX: usize = 0;

thread_local! {
    /// The calling thread's membership. Its destructor runs when the thread ends.
    static MEMBER: Cell<Option<Member>> = const { Cell::new(None) };
}

/// Both are there until the end.
struct Member {
    registry: Option<Arc<Registry>>,
    acting: Option<Acting>,
}

/// Makes the calling thread one of the pool's, unless it is a worker already.
pub(super) fn join(registry: &Arc<Registry>) -> Result<(), BuildErrorKind> {
    if Worker::current().is_some() {
        return Err(BuildErrorKind::CurrentThreadAlreadyInPool);
    }
    let join = |member: &Cell<Option<Member>>| {
        // That of a pool which a `fork()` has left in the parent: its end makes this thread no
        // worker.
        drop(member.take());
        registry.member_comes();
        registry.workers()[INDEX].set_thread(true);
        let acting = Some(Acting::start(&registry.workers()[INDEX]));
        member.set(Some(Member { registry: Some(registry.clone()), acting }));
    };
    MEMBER.try_with(join).map_err(|_| {
        let error = io::Error::other("the calling thread is ending");
        BuildErrorKind::Spawn { index: INDEX, error }
    })
}

/// Ends a pool of which the calling thread is a member, as its worker up to the end of the pool.
pub(super) fn end_with_pool(registry: &Registry) {
    registry.begin_end(false);
    let Ok(Some(mut member)) = MEMBER.try_with(Cell::take) else { return };
    registry.member_goes();
    let me = OffCore::at_bottom(INDEX, true);
    outcome::run_or_abort(|| registry.workers()[INDEX].work(&me));
    sim::looks(false);
    registry.thread_done();
    drop(member.acting.take());
    drop(member.registry.take());
}

/// Runs what is pending in a pool that is dropped by its member, unless that is within a job.
/// (Other workers do that in their main loops.)
pub(super) fn run_what_is_left(registry: &Registry) {
    let is_member = |worker: &&Worker| registry.has_member() && worker.index() == INDEX;
    if let Some(member) = registry.current_worker().filter(is_member) {
        while member.jobs_on_stack() == 0 && member.run_one() {}
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.acting = None;
        if let Some(registry) = self.registry.take() {
            leave(&registry);
            // The pool may be gone but for this.
            outcome::discard(registry);
        }
    }
}

/// Sees to it that the core is somebody's.
fn leave(registry: &Arc<Registry>) {
    let worker = &registry.workers()[INDEX];
    // A thread may end the process amid its work, whose frames are then still there.
    let is_at_work = worker.jobs_on_stack() > 0 || worker.forks_pending() != (0, 0);
    if is_at_work || registry.is_lost() {
        return;
    }
    if registry.sleep().has_spare(INDEX) && !registry.has_ended() {
        // It has handed off its core once.
        registry.member_goes();
        worker.give_back();
        registry.thread_done();
        return registry.end_if_idle();
    }
    let (name, stack_size) = (registry.name(INDEX), registry.settings().stack_size);
    let shared = registry.clone();
    let work = move || {
        shared.member_goes();
        shared.run_worker(INDEX);
        outcome::discard(shared);
    };
    match Thread::start(name, stack_size, work) {
        // Who knows that this thread has ended knows this, too.
        Ok(_detached) => registry.member_goes(),
        // There can be no more threads: the other workers steal from the core, and run what is
        // pinned to it.
        Err(_) => {
            worker.set_thread(false);
            registry.core_stays_empty();
        }
    }
}
