//! Hand-off: a thread that must block hands its core to a *spare thread*, blocks without the core,
//! and takes it back.
//!
//! A worker's *core* is its index and its queues; the thread that has it acts as the worker. A
//! worker that waits may find a *cross-pool job* or a pinned job (`wait.rs`) that could wait for
//! ever if it ran on top of that wait. A worker that calls a user's closure which may block
//! (`fork/blocking.rs`) should leave its core to other work. In both cases, the worker's thread
//! 1. gives its core to another thread ([`Worker::hand_off`]): to one that wants the core back,
//!    else to a spare one, which [`Registry::find_spare`] starts if none sleeps. From then on the
//!    thread must not touch anything that belongs to the core;
//! 2. waits, or calls the closure. During the call, the thread is not a worker (`current.rs`), so a
//!    job that the closure gives to the pool is a cross-pool job with the worker's tag;
//! 3. takes the core back ([`Worker::take_back`]).
//!
//! # States
//! Each thread of a pool belongs to one core. It *has* the core, or it is *off* the core, or it is
//! *spare*. A thread that is off the core waits in the middle of its stack. A spare thread sleeps
//! in its main loop, at the bottom of its stack. A thread that returns to its main loop with the
//! core becomes spare when there is nothing left to do, or when it passes the core on. A thread of
//! the user, a borrower (`fork/install.rs`) or a guest (`pool/guest.rs`), has no main loop: when
//! its call ends, it gives the core to a spare thread. Spare threads end with the pool.
//!
//! A thread takes back the same core that it handed off: the frames on its stack hold references to
//! the worker, slots in its ring of forks, and the worker's index.
//!
//! # Lemmas
//! All transitions are under the sleepers' lock (`sleep/hand_off.rs`).
//! 1. *No core that a thread wants back is parked.* The thread takes the core if it is parked. If
//!    not, the thread registers that it wants the core, and wakes the holder if the holder sleeps
//!    in a wait. In its main loop, the holder passes the core on between two jobs. In a wait, it
//!    hands the core off. A holder that is about to sleep announces that, and then checks whether
//!    the core is wanted. Models: `a_thread_that_wants_its_core_back_gets_it`,
//!    `a_core_that_was_handed_off_for_a_cross_job_is_passed_on`.
//! 2. *No unrelated job keeps a core from a thread that waits without it.* Such a job could need a
//!    lock that the thread's task holds. As long as such a thread is off its core, the threads that
//!    have the core run only cross-pool jobs and pinned jobs at the bottom of their stacks, under
//!    tags of their own, and then pass the core on to a thread that waits. Free waits on the core
//!    run no unrelated job either. (A thread whose wait is over counts as one that wants its core
//!    back before it stops counting as one that waits.) There are three exceptions. `yield_now`
//!    runs any job. A thread in an external wait may need any job. And if a waiter has handed off
//!    its core because some thread may need any job (`HandOffFor::AnyJob`: lemma 6 of
//!    `sleep/mod.rs`), the spare thread runs any job.
//! 3. *A thread off its core is woken if its wait is over.* It registers as off before it probes
//!    its wait, and the thread that ends the wait takes the lock.
//!
//!    *It is also woken for a job that only it may run.* A thread in a wait that hands off its core
//!    may not have seen all jobs. It gets the core back before a holder sleeps in a restricted
//!    wait, since that holder *swaps* with it ([`Worker::swap`]): the holder announces that it
//!    sleeps, sees no job, and stays announced while it gives the core away. So a job wakes the
//!    former holder as if it slept with the core (lemma 4 of `sleep/mod.rs`), and it takes the core
//!    back. A swap leaves one thread fewer that may not have seen all jobs, so swaps end.
//!    Models: `a_waiter_that_handed_off_its_core_looks_for_its_jobs`,
//!    `a_waiter_without_its_core_is_called_for_its_jobs`.
//! 4. *A core has a thread that can act on it.* A thread hands off its core for a closure that may
//!    block only if the core has a spare thread for that, even if another thread gets the core. So
//!    at least one of the pool's own threads of a core is outside of such closures: it is spare,
//!    has the core, or waits in the middle of its stack. If the holder gives the core up and no
//!    thread is spare, a thread that waits gets the core (`give_to_spare`).
//!
//! # Taking the core back
//! `fork/blocking.rs` says when the holder makes way. After [`LATE`], it also does so at its next
//! fork, or after its next block of a loop ([`Registry::request_injected`]).
//!
//! # What it costs
//! Two wake-ups if there is work (`fork/blocking.rs`). Beside 1,000 sleeps of 10 ms, computing on
//! two virtual processors has 0.88 to 0.97 of the throughput that it has alone (`cargo bench
//! --bench blocking`). It would have 0.68 to 0.90 if threads were unparked under the lock.
//!
//! The spare thread is woken at once, not after the closure has run for a while: there may be no
//! other thread that could watch the clock.
//!
//! # The limits
//! They are `max_spare_threads`, and `max_blocking_threads` for closures that may block. Such
//! closures occupy no more spare threads than were started for them, so waits keep theirs. (Threads
//! of further stacks, `in_place.rs`, do not count: each acts as a worker whose own thread waits for
//! it.) Passing a core on to a thread that wants it back needs no further thread.
//!
//! If a spare thread is needed and cannot be started, [`Worker::wait_off_core`] refuses (see
//! `wait.rs`), and [`Worker::begin_blocking`] keeps the core.
#![deny(unsafe_code)]

use std::io;
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

use super::ambient::ContextRef;
use super::current::Blocked;
use super::handlers::Handlers;
use super::stack::InPlace;
use super::times::Activity;
use super::{Table, Worker};
use crate::job::{NO_TAG, outcome};
use crate::latch::Wait;
use crate::queue::until_sure;
use crate::sim;
use crate::sleep::{CoreThread, GivenBack, Kind, Look, Moment, SpareFor, Stopped};
use crate::sync::Ordering;
use crate::worker::shared::Registry;

/// The interval at which a thread that wants its core back, and does not get it, asks again.
const LATE: Duration = Duration::from_millis(4);

/// What a thread in a wait hands off its core for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum HandOffFor {
    /// A thread that wants its core back.
    Returning,
    /// Jobs that must not run on top of the wait.
    CrossJobs,
    /// Any job, since a thread without a core may need it.
    AnyJob,
}

impl HandOffFor {
    fn is_work(self) -> bool {
        self != HandOffFor::Returning
    }
}

pub(super) struct HandedOff {
    thread: Arc<CoreThread>,
    stack: Stack,
}

/// The calling thread may block until this is dropped.
pub(crate) struct Blocking<'w> {
    worker: &'w Worker,
    /// Set until this is dropped.
    state: Option<BlockingState>,
}

enum BlockingState {
    /// The thread is off its core, and acts as no worker.
    Off(HandedOff, Blocked),
    /// The thread has kept its core.
    Kept(Arc<CoreThread>),
}

impl Drop for Blocking<'_> {
    fn drop(&mut self) {
        let worker = self.worker;
        // A panic must not unwind into frames that rely on having the core.
        outcome::run_or_abort(|| match self.state.take() {
            Some(BlockingState::Off(handed_off, blocked)) => {
                let _awaits = sim::awaits(worker.registry().address());
                worker.take_back(handed_off);
                drop(blocked);
            }
            Some(BlockingState::Kept(thread)) => worker.sleep().has_kept_core(&thread),
            None => {}
        });
        worker.registry().counts.threads_blocking.fetch_sub(1, Ordering::Relaxed);
        // The other workers may have ended their work meanwhile, and a guest never parks.
        worker.registry().end_if_idle();
    }
}

/// The part of a worker's state that belongs to the stack which acts on its core.
struct Stack {
    jobs: u32,
    waits_for: u32,
    lent_to: u32,
    running: *mut Table,
    /// The isolation tag, in one word with the priority.
    tag: usize,
    context: ContextRef,
    in_place: InPlace,
    visit: *const (),
}

impl Stack {
    fn bottom() -> Self {
        let (in_place, visit) = (InPlace::default(), ptr::null());
        let (running, tag, context) = (ptr::null_mut(), NO_TAG, ptr::null());
        Stack { jobs: 0, waits_for: 0, lent_to: 0, running, tag, context, in_place, visit }
    }
}

impl Worker {
    /// Waits without the core, until the wait is over or the thread has its core again. Returns
    /// `false` without waiting if there is no spare thread and none can be started, or if the pool
    /// has ended. The caller must not count as a searcher.
    pub(super) fn wait_off_core(&self, wait: &impl Wait, purpose: HandOffFor) -> bool {
        if purpose.is_work() && !self.registry().find_spare(self.index, SpareFor::Waits) {
            return false;
        }
        wait.leave_core();
        if wait.register_waker() {
            let Some(handed_off) = self.hand_off(wait, purpose) else { return false };
            self.sleep().wait_off_core(&handed_off.thread, || wait.done());
            self.take_back(handed_off);
        }
        true
    }

    /// Step 1, after this worker has registered in the wait. Returns `None` if the pool has ended.
    /// (The caller is then a guest, whose thread may go on after the pool's end.)
    pub(super) fn hand_off(&self, wait: &impl Wait, purpose: HandOffFor) -> Option<HandedOff> {
        self.hand_off_as(self.thread_in(wait, purpose), purpose.is_work())
    }

    fn thread_in(&self, wait: &impl Wait, purpose: HandOffFor) -> Arc<CoreThread> {
        let needs_any = wait.is_external() && !wait.done();
        let for_any = purpose == HandOffFor::AnyJob;
        CoreThread::in_wait(self.index, wait.address(), needs_any, for_any)
    }

    /// Called by a worker that has announced that it sleeps in this restricted wait, and has seen
    /// no work. If other threads wait without the core that have not looked for work since, one of
    /// them gets the core, and this thread waits without it. Returns `false` if there is none, or
    /// if this worker was woken.
    pub(super) fn swap(&self, wait: &impl Wait, tags: [Option<usize>; 2]) -> bool {
        if self.threads_off() == 0 {
            return false;
        }
        wait.leave_core();
        self.reinject_forks();
        let thread = self.thread_in(wait, HandOffFor::Returning);
        let stack = self.leave_stack();
        let is_swapped = self.sleep().swap(&thread, tags);
        match is_swapped {
            true => {
                self.sleep().wait_off_core(&thread, || wait.done());
                self.take_back(HandedOff { thread, stack });
            }
            false => self.put_stack_back(stack),
        }
        is_swapped
    }

    fn hand_off_as(&self, thread: Arc<CoreThread>, for_work: bool) -> Option<HandedOff> {
        self.reinject_forks();
        let stack = self.leave_stack();
        let work_left = for_work || self.has_own_work();
        let has_ended = || self.registry().has_ended();
        let Some(given) = self.sleep().hand_off(&thread, work_left, has_ended) else {
            self.note_awake(false);
            self.put_stack_back(stack);
            return None;
        };
        self.look_after(given);
        Some(HandedOff { thread, stack })
    }

    fn leave_stack(&self) -> Stack {
        // Forks that were stolen are still pending when the caller takes the core back.
        self.forks.keep_slots(true);
        self.note(Activity::Parked);
        self.replace_stack(Stack::bottom())
    }

    /// Step 3.
    fn take_back(&self, handed_off: HandedOff) {
        let HandedOff { thread, stack } = handed_off;
        let stopped = self.sleep().take_back(&thread).unwrap_or_else(|| {
            self.wait_to_return(&thread);
            Stopped::Fine
        });
        self.note_awake(false);
        self.sleep().unparked();
        self.put_stack_back(stack);
        self.look_again(stopped);
        // If the last holder parked as a searcher, this thread is one.
        self.stop_searching();
    }

    /// Sleeps until the calling thread, which wants the core back, has it.
    fn wait_to_return(&self, thread: &CoreThread) {
        if cfg!(loom) {
            // A model has no time.
            self.sleep().wait_off_core(thread, || false);
            assert!(thread.has_core());
            return;
        }
        while !thread.has_core() {
            thread.sleep_for(LATE);
            if !thread.has_core() {
                self.registry().request_injected();
            }
        }
    }

    /// Steps 1 and 3 for a closure that may block: the caller calls the closure, and then drops the
    /// result. Keeps the core if there is no spare thread and none can be started, if the queue of
    /// forks lacks slots, if the pool has ended, or under `OwnDescendants` (`fork/blocking.rs`).
    pub(crate) fn begin_blocking(&self) -> Blocking<'_> {
        outcome::run_or_abort(|| {
            self.flush_forks();
            let (word, context) = (self.word(), self.context());
            let may_leave = !self.waits_for_own_work()
                && !self.forks.lacks_slots()
                && self.registry().find_spare(self.index, SpareFor::Blocking);
            let handed_off = match may_leave {
                true => self.hand_off_as(CoreThread::in_blocking(self.index, false), false),
                false => None,
            };
            let counts = &self.registry().counts;
            counts.blocking_calls.fetch_add(1, Ordering::Relaxed);
            counts.threads_blocking.fetch_add(1, Ordering::Relaxed);
            let state = match handed_off {
                Some(handed_off) => {
                    BlockingState::Off(handed_off, Blocked::start(self, word, context))
                }
                None => {
                    counts.blocking_calls_on_core.fetch_add(1, Ordering::Relaxed);
                    let thread = CoreThread::in_blocking(self.index, true);
                    self.sleep().keep_core(&thread);
                    BlockingState::Kept(thread)
                }
            };
            sim::point();
            Blocking { worker: self, state: Some(state) }
        })
    }

    pub(super) fn make_way(&self) {
        if self.is_wanted() {
            self.flush_forks();
            let thread = CoreThread::in_wait(self.index, 0, false, false);
            self.hand_off_as(thread, false).into_iter().for_each(|it| self.take_back(it));
        }
    }

    #[inline]
    pub(super) fn is_wanted(&self) -> bool {
        self.sleep().is_wanted(self.index)
    }

    #[inline]
    pub(crate) fn threads_off(&self) -> u32 {
        self.sleep().threads_off(self.index)
    }

    /// Whether the thread at the bottom of its stack runs only cross-pool jobs and pinned jobs:
    /// lemma 2.
    pub(super) fn runs_cross_jobs_only(&self) -> bool {
        self.threads_off() > 0 && !self.sleep().serves_any(self.index)
    }

    /// Called at the bottom of the stack. Passes the core on if a thread wants it or may need it,
    /// and then waits until this thread has the core again. Returns `false` if the pool has ended.
    #[cold]
    pub(super) fn pass_on(&self, me: &Arc<CoreThread>) -> bool {
        self.stop_searching();
        !self.sleep().pass_on(me) || self.wait_for_core(me)
    }

    /// Sleeps at the bottom of the stack until this thread has the core, and then is a searcher.
    /// Returns `false` if the pool has ended.
    pub(super) fn wait_for_core(&self, me: &Arc<CoreThread>) -> bool {
        self.sleep().wait_off_core(me, || self.registry().has_ended());
        if !me.has_core() {
            // The pool has ended. If `wake_all` is still to come, it must not wake this thread,
            // which would then count as a searcher for ever. So this thread takes the core now, if
            // the core is parked and this thread is the next to get it. `goes_on` then counts it no
            // longer.
            self.sleep().leave(self.index, Kind::Idle(me));
        }
        self.sleep().unparked();
        if !me.has_core() {
            return false;
        }
        self.goes_on() && {
            self.note_awake(true);
            true
        }
    }

    pub(crate) fn give_back(&self) {
        self.note(Activity::Parked);
        let given = self.sleep().give_back(self.index, self.has_own_work());
        self.look_after(given);
    }

    /// Called after the core was given up: wakes a worker if work may be left without one.
    fn look_after(&self, given: GivenBack) {
        if given == GivenBack::Taken {
            return;
        }
        if self.has_own_work() {
            // A pinned job has come meanwhile, and the thread that queued it found the core busy.
            self.sleep().wake_for_pinned(self.index);
        }
        if self.look(Moment::Announced) == Look::Work && !self.sleep().any_searching() {
            self.sleep().wake_one();
        }
    }

    /// Reinjects the forks of this stack, all of which are public, so that the core's next holder
    /// finds only its own in the deque.
    fn reinject_forks(&self) {
        while let Some(job) = until_sure(|| self.forks.steal()) {
            self.registry().queue_injected(job);
        }
        self.forks.recheck();
    }

    fn put_stack_back(&self, stack: Stack) {
        self.forks.keep_slots(self.threads_off() > 0);
        self.replace_stack(stack);
    }

    fn replace_stack(&self, stack: Stack) -> Stack {
        let old = Stack {
            jobs: self.jobs.load(Ordering::Relaxed),
            waits_for: self.waits_for.load(Ordering::Relaxed),
            lent_to: self.lent_to.load(Ordering::Relaxed),
            running: self.running.swap(stack.running, Ordering::Relaxed),
            tag: self.word(),
            context: self.context(),
            in_place: self.in_place.take(),
            visit: self.visit.replace(stack.visit),
        };
        self.jobs.store(stack.jobs, Ordering::Relaxed);
        self.waits_for.store(stack.waits_for, Ordering::Relaxed);
        self.lent_to.store(stack.lent_to, Ordering::Relaxed);
        self.set_word(stack.tag);
        self.set_context(stack.context);
        self.in_place.put(stack.in_place);
        old
    }
}

impl Registry {
    /// Starts a spare thread for core `index`, which the caller has, if the core has none. Returns
    /// whether it has one now.
    fn find_spare(&self, index: usize, purpose: SpareFor) -> bool {
        let has_spare = || self.sleep().has_spare(index, purpose);
        // In a pool that has ended, a spare thread would end at once.
        !self.has_ended() && (has_spare() || self.start_spare(index, purpose).is_ok())
    }

    fn start_spare(&self, index: usize, purpose: SpareFor) -> io::Result<()> {
        let me = CoreThread::at_bottom(index, false);
        let (registry, thread) = (self.share(), me.clone());
        let body = move || {
            registry.run_thread(&thread, true);
            // This may be the last reference to the registry, and drop the handlers' captures.
            outcome::discard(registry);
        };
        self.start_within_cap(index, purpose, body)?;
        self.sleep().add_spare(&me, purpose);
        if self.has_ended() {
            // The pool has ended meanwhile, and may not have woken the new thread.
            self.sleep().wake_all();
        }
        Ok(())
    }

    /// Runs the main loop of worker `index` on its first thread.
    pub(crate) fn run_worker(&self, index: usize) {
        self.run_thread(&CoreThread::at_bottom(index, true), false);
    }

    /// Returns whether the threads that the pool starts sleep until there is work. They do not if
    /// the user has handlers for threads, which have to be called at once. (Then a thread that
    /// begins after the pool has ended never parks.)
    pub(crate) fn starts_parked(&self) -> bool {
        let Handlers { start, exit, park, unpark, .. } = &self.handlers;
        [start, exit, park, unpark].into_iter().all(Option::is_none)
    }

    /// Runs a worker's main loop on `me`, the calling thread.
    pub(crate) fn run_thread(&self, me: &Arc<CoreThread>, is_spare: bool) {
        let worker = &self.workers()[me.core];
        // A panic would leave the worker's queues without a thread.
        let had_core = outcome::run_or_abort(|| worker.main_loop(me, is_spare));
        sim::looks(false);
        if had_core {
            self.handlers.call(|it| &it.exit, me.core);
            // This is not done where the pool is dropped, since a pool may end in the background.
            #[cfg(feature = "futures")]
            if self.has_ended() && !self.has_guest() {
                self.attached.close();
            }
        }
        self.thread_done();
    }
}
