//! Hand-off: a thread that must block hands its core to a *spare thread*, waits without the core,
//! and takes it back.
//!
//! # Why
//! A worker's thread that waits for another pool may have to run what that pool asks for (a
//! *guest*, `wait.rs`), which must not always stand on top of the wait. And a thread in such a wait
//! holds a core on which others could work. So there are three steps:
//! 1. [`Worker::hand_off`] gives the core to another thread. From then on the caller may touch
//!    nothing that belongs to the core. There has to be a thread to take it: one that wants the
//!    core back, else a spare one, which [`Registry::find_spare`] starts if none sleeps;
//! 2. the caller waits, or does whatever blocks;
//! 3. [`Worker::take_back`] waits until the core is the caller's again.
//!
//! # Threads
//! A pool's threads are all alike. Each belongs to one core, and either *has* it, or is *off* it,
//! in the middle of its stack, or sleeps at the bottom of its stack, *spare*. A thread that comes
//! to the bottom with its core goes on there as any other would, and sleeps as a spare one when
//! there is nothing left to do, or when it passes the core on. Only a borrower from outside, and a
//! thread of the user's that is a worker, give the core up to a spare thread instead. Spare threads
//! end with the pool.
//!
//! A thread takes back the very core that it handed off: the frames on its stack hold on to it, by
//! references to the worker, by slots in its ring of forks, and by the index which user code was
//! told.
//!
//! # Who has the core
//! Under the sleepers' lock (`sleep/hand_off.rs`), so that no wake-up is lost:
//! - A thread that wants its core back takes it if that is parked. Otherwise it says so, and wakes
//!   the holder if that sleeps in a wait. The holder passes the core on at the bottom of its stack,
//!   which is also between two jobs; and in a wait, by handing it off itself. It looks for such
//!   threads after it has announced that it sleeps. So no core is parked that a thread wants back.
//! - Where all threads off the cores of the pool wait for other pools, the thread at the bottom
//!   of a stack runs guests and pinned jobs only, and then passes the core on to a thread that
//!   waits: the pool begins no job of its own in the place of one that waits. Where a thread
//!   without its core waits for its own pool, any job may be what it waits for: then spare threads
//!   run any.
//! - A thread notes itself as off its core before it probes its wait; who ends that takes the lock.
//!
//! # The cap
//! At most [`ThreadPoolBuilder::max_spare_threads`] spare threads are started. (The threads of
//! further stacks, `nest.rs`, are not counted: each acts as a worker whose thread waits for it.) So
//! a pool has so many live jobs at most, and one a worker; and as long as they wait for other
//! pools, one a worker alone. To pass a core on to a thread that wants it back never needs a
//! further thread. Where none can be had, [`Worker::wait_off_core`] refuses, and the wait goes on
//! with its core: then a guest runs on top of it (see "What can still stop for ever" in `wait.rs`),
//! and the dump says so.
//!
//! [`ThreadPoolBuilder::max_spare_threads`]: crate::ThreadPoolBuilder::max_spare_threads
#![deny(unsafe_code)]

use std::io;
use std::ptr;
use std::sync::Arc;

use super::Worker;
use super::nest::Nest;
use crate::job::{NO_TAG, outcome};
use crate::latch::Awaited;
use crate::latch::Wait;
use crate::queue::until_sure;
use crate::sim;
use crate::sleep::{GivenBack, OffCore};
use crate::sync::Ordering;
use crate::worker::shared::Registry;

/// A core that was handed off, to be taken back.
pub(super) struct HandedOff {
    thread: Arc<OffCore>,
    stack: Stack,
}

/// What a worker knows of the stack that acts on its core.
struct Stack {
    jobs: u32,
    waits_for: u32,
    is_lent: u32,
    tag: usize,
    nest: Nest,
    visit: *const (),
}

impl Stack {
    fn bottom() -> Self {
        let (nest, visit) = (Nest::default(), ptr::null());
        Stack { jobs: 0, waits_for: 0, is_lent: 0, tag: NO_TAG, nest, visit }
    }
}

impl Worker {
    /// Waits without the core. `false`: there is no thread for it, nor may or could one be started.
    /// The caller is no searcher. `for_work`: whether there is work in sight for a spare thread;
    /// otherwise a thread wants the core back.
    pub(super) fn wait_off_core(&self, wait: &impl Wait, for_work: bool) -> bool {
        if for_work && !self.registry().find_spare(self.index) {
            return false;
        }
        wait.leave_core();
        if wait.ask_wake() {
            let Some(handed_off) = self.hand_off(wait, for_work) else { return false };
            self.sleep().wait_off_core(&handed_off.thread, || wait.done());
            self.take_back(handed_off);
        }
        true
    }

    /// Step 1. The wait's setter has been asked to wake this worker. `None`: the pool has ended, as
    /// one may while a thread of the user's is still its worker.
    pub(super) fn hand_off(&self, wait: &impl Wait, for_work: bool) -> Option<HandedOff> {
        self.reinject_forks();
        // Those that are still pending, stolen ones, are the caller's when it is back.
        self.forks.keep_slots(true);
        let stack = self.replace_stack(Stack::bottom());
        let is_local = !wait.is_elsewhere() && !wait.done();
        let work_left = for_work || self.has_own_work();
        let has_ended = || self.registry().has_ended();
        let handed_off =
            self.sleep().hand_off(self.index, wait.address(), is_local, work_left, has_ended);
        let Some((thread, given)) = handed_off else {
            self.put_stack_back(stack);
            return None;
        };
        self.look_after(given);
        Some(HandedOff { thread, stack })
    }

    /// Step 3.
    fn take_back(&self, handed_off: HandedOff) {
        let stopped = self.sleep().take_back(&handed_off.thread);
        self.unparked();
        self.put_stack_back(handed_off.stack);
        self.look_again(stopped);
    }

    /// Lets a thread that wants the core back have it for a while.
    pub(super) fn make_way(&self) {
        if self.is_wanted() {
            self.flush_forks();
            self.wait_off_core(&Nothing, false);
        }
    }

    /// Whether a thread wants this core back.
    #[inline]
    pub(super) fn is_wanted(&self) -> bool {
        self.sleep().is_wanted(self.index)
    }

    /// How many threads are without this core.
    #[inline]
    pub(crate) fn threads_off(&self) -> u32 {
        self.sleep().threads_off(self.index)
    }

    /// Whether the thread at the bottom of its stack runs what is asked for only, in the place of
    /// threads that wait for other pools.
    pub(super) fn stands_in(&self) -> bool {
        self.threads_off() > 0 && !self.sleep().some_wait_off()
    }

    /// Passes the core on, at the bottom of the stack. `false`: the pool has ended.
    #[cold]
    pub(super) fn pass_on(&self, me: &Arc<OffCore>, searching: &mut bool) -> bool {
        if std::mem::take(searching) {
            self.stop_searching();
        }
        if !self.sleep().pass_on(me) {
            return true;
        }
        *searching = true;
        self.wait_for_core(me)
    }

    /// Sleeps at the bottom of the stack until this thread has the core. `true`: it is counted as a
    /// searcher. `false`: the pool has ended.
    pub(super) fn wait_for_core(&self, me: &OffCore) -> bool {
        self.sleep().wait_off_core(me, || self.registry().has_ended());
        self.unparked();
        me.has_core() && self.goes_on()
    }

    /// Gives back a core on loan.
    pub(crate) fn give_back(&self) {
        let given = self.sleep().give_back(self.index, self.has_own_work());
        self.look_after(given);
    }

    /// What is to be done by a thread that has given up the core.
    fn look_after(&self, given: GivenBack) {
        if given == GivenBack::Taken {
            return;
        }
        if self.has_own_work() {
            // A pinned job came in between, and its sender found the core busy.
            self.sleep().wake_for_pinned(self.index);
        }
        if self.announce_and_look() && !self.sleep().counts().somebody_looks() {
            self.sleep().wake_one();
        }
    }

    /// Leaves the forks of this stack, all of them public, to others: the deque is the core's, and
    /// its next holder finds none but its own there.
    fn reinject_forks(&self) {
        while let Some(job) = until_sure(|| self.forks.steal()) {
            self.registry().reinject(job);
        }
    }

    fn put_stack_back(&self, stack: Stack) {
        self.forks.keep_slots(self.threads_off() > 0);
        self.replace_stack(stack);
    }

    fn replace_stack(&self, stack: Stack) -> Stack {
        let old = Stack {
            jobs: self.jobs.load(Ordering::Relaxed),
            waits_for: self.waits_for.load(Ordering::Relaxed),
            is_lent: self.is_lent.load(Ordering::Relaxed),
            tag: self.tag(),
            nest: self.nest.take(),
            visit: self.visit.replace(stack.visit),
        };
        self.jobs.store(stack.jobs, Ordering::Relaxed);
        self.waits_for.store(stack.waits_for, Ordering::Relaxed);
        self.is_lent.store(stack.is_lent, Ordering::Relaxed);
        self.leave_tag(stack.tag);
        self.nest.put(stack.nest);
        old
    }
}

impl Registry {
    /// Sees to it that core `index`, which the caller has, can be given to a spare thread.
    fn find_spare(&self, index: usize) -> bool {
        // A thread that takes over in a pool that has ended would end at once.
        !self.has_ended() && (self.sleep().has_spare(index) || self.start_spare(index).is_ok())
    }

    fn start_spare(&self, index: usize) -> io::Result<()> {
        let me = OffCore::at_bottom(index, false);
        let (registry, thread) = (self.share(), me.clone());
        let body = move || {
            registry.run_thread(&thread, true);
            // It may be the last to know the pool, whose handlers' captures are dropped then.
            outcome::discard(registry);
        };
        self.start_within_cap(index, body)?;
        self.sleep().add_spare(&me);
        if self.has_ended() {
            // Meanwhile: it may not have been in the list of those that were woken for that.
            self.sleep().wake_all();
        }
        Ok(())
    }

    /// Works, as the thread that worker `index` has from the beginning.
    pub(crate) fn run_worker(&self, index: usize) {
        self.run_thread(&OffCore::at_bottom(index, true), false);
    }

    fn run_thread(&self, me: &Arc<OffCore>, is_spare: bool) {
        let worker = &self.workers()[me.core()];
        // Without its thread the worker's queues would be nobody's.
        let had_core = outcome::run_or_abort(|| worker.main_loop(me, is_spare));
        sim::looks(false);
        if had_core {
            self.handlers().exits(me.core());
        }
        self.thread_done();
    }
}

/// A wait that is over.
struct Nothing;

impl Wait for Nothing {
    fn done(&self) -> bool {
        true
    }

    fn ask_wake(&self) -> bool {
        true
    }

    fn what(&self) -> Awaited {
        Awaited::Elsewhere
    }
}
