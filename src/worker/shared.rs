//! What a pool's workers share, and how a pool ends.
//!
//! # The end: states
//! A pool is running, `ending` (it was dropped), or `ended` (its threads end).
//!
//! *Invariant.* `ended` is set only while all cores are parked in the main loop, no thread is off
//! its core, and no job is queued. (A member, which never comes to the main loop, may be left out:
//! see `begin_end`. It then runs all jobs itself, those pinned to other workers included.)
//!
//! # Lemmas
//! 1. *The pool ends.* `begin_end` sets `ending` and ends the pool at once if the workers are
//!    parked. If not, the last worker to park sees `ending`, by the list's lock, and ends the pool.
//!    Model: `the_last_worker_to_park_ends_the_pool`.
//! 2. *No job is left.* The worker that sets `ended` has looked at all queues after its
//!    announcement. All other workers are parked, so no thread is left to make a job. A pinned job
//!    is visible to its own worker only, so the check under the lock looks at each worker's queues
//!    as well. Model: `a_pinned_job_is_run_though_the_pool_ends`.
//! 3. *All threads end.* `ended` is set under the sleepers' lock, and `wake_all` follows. A thread
//!    that takes the lock later sees `ended`. Model: `a_sleeping_worker_ends_with_its_pool`.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Weak};

use super::Worker;
use super::callers::Callers;
use super::event::Event;
use super::handlers::Handlers;
use super::settings::{Settings, WaitPolicy};
use crate::job::ANY_TAG;
use crate::os::generation::{self, Generation, PerProcess};
use crate::os::thread::Thread;
use crate::queue::{self, Injector};
use crate::sim::{self, Simulation};
use crate::sleep::{Relay, Sleep};
use crate::sync::{AtomicBool, Mutex, Ordering, fence};
use crate::task::fifo::Fifos;
use crate::worker::JobRef;
use crate::worker::counters::Counters;
use crossbeam_utils::CachePadded;

/// What the workers of a pool share. It lives as long as one of them.
pub(crate) struct Registry {
    workers: Box<[CachePadded<Worker>]>,
    /// Jobs from outside, and reinjected ones.
    injector: Injector<JobRef>,
    /// Jobs that workers of other pools ask for: see `worker/wait.rs`.
    guests: Injector<JobRef>,
    /// The tasks of `spawn_fifo`.
    fifos: Fifos,
    sleep: Sleep,
    handlers: Handlers,
    settings: Settings,
    /// The generation in which the pool was built.
    generation: Generation,
    ending: AtomicBool,
    ended: AtomicBool,
    /// Whether a member is worker 0.
    has_member: AtomicBool,
    /// Whether the other workers end without it.
    leaves_member: AtomicBool,
    /// Whether there is a worker that will never have a thread.
    has_empty_cores: AtomicBool,
    /// Whether no worker will.
    is_deserted: AtomicBool,
    threads: Mutex<Threads>,
    /// How many waits keep their cores since there is no spare thread.
    refused_hand_offs: AtomicUsize,
    /// How many spare threads were started.
    spare_threads: AtomicUsize,
    /// Whether a caller from outside has waited long for a job in the injector.
    is_late: CachePadded<AtomicBool>,
    callers: CachePadded<Callers>,
    /// Happens when the pool is being dropped and no thread is left.
    all_left: Event,
    this: Weak<Registry>,
}

#[derive(Default)]
struct Threads {
    /// How many `ThreadBuilder`s were made, less those that were dropped without a run.
    started: usize,
    /// How many of those were run.
    running: usize,
    /// The spare threads, to be joined.
    spare: Vec<Thread>,
    /// The name of each worker's threads.
    names: BTreeMap<usize, String>,
    /// How many threads, spare ones included, have ended.
    done: usize,
    /// Whether no further `ThreadBuilder` may run.
    is_closed: bool,
    /// The worker of the first `ThreadBuilder` that was dropped without a run.
    refused: Option<usize>,
    /// Whether a thread waits until all have ended.
    awaited: bool,
}

impl Registry {
    pub(crate) fn new(workers: usize, handlers: Handlers, settings: Settings) -> Arc<Self> {
        queue::prepare();
        let (order, simulated) = (settings.task_order, settings.simulation.is_some());
        let registry = Arc::new_cyclic(|this: &Weak<Registry>| Registry {
            workers: (0..workers)
                .map(|index| Worker::new(index, workers, order, simulated, this.as_ptr()))
                .map(CachePadded::new)
                .collect(),
            injector: Injector::new(),
            guests: Injector::new(),
            fifos: Fifos::default(),
            sleep: Sleep::new(workers),
            handlers,
            settings,
            generation: Generation::current(),
            ending: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            has_member: AtomicBool::new(false),
            leaves_member: AtomicBool::new(false),
            has_empty_cores: AtomicBool::new(false),
            is_deserted: AtomicBool::new(false),
            threads: Mutex::new(Threads::default()),
            refused_hand_offs: AtomicUsize::new(0),
            spare_threads: AtomicUsize::new(0),
            is_late: CachePadded::new(AtomicBool::new(false)),
            callers: CachePadded::new(Callers::new()),
            all_left: Event::new(this.as_ptr()),
            this: this.clone(),
        });
        // The list outlives a model, of which pools are a part.
        #[cfg(not(loom))]
        register(&registry.this);
        registry
    }

    #[inline]
    pub(crate) fn workers(&self) -> &[CachePadded<Worker>] {
        &self.workers
    }

    pub(crate) fn injector(&self) -> &Injector<JobRef> {
        &self.injector
    }

    pub(crate) fn guests(&self) -> &Injector<JobRef> {
        &self.guests
    }

    pub(crate) fn fifos(&self) -> &Fifos {
        &self.fifos
    }

    pub(crate) fn sleep(&self) -> &Sleep {
        &self.sleep
    }

    pub(crate) fn callers(&self) -> &Callers {
        &self.callers
    }

    pub(crate) fn handlers(&self) -> &Handlers {
        &self.handlers
    }

    #[inline]
    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn counters(&self) -> Counters {
        Counters {
            workers: self.workers.iter().map(|worker| worker.snapshot()).collect(),
            spare_threads: self.spare_threads(),
            threads_off_core: self.workers.iter().map(|worker| worker.threads_off() as usize).sum(),
        }
    }

    /// Whether the pool's threads are in the parent of this `fork()`'s child.
    pub(crate) fn is_lost(&self) -> bool {
        self.generation.is_past()
    }

    /// Called before a thread that is no worker uses the pool.
    ///
    /// # Panics
    /// Panics if the pool is lost, has no thread left, or is a deterministic one of another thread.
    pub(crate) fn expect_threads(&self) {
        if self.is_lost() {
            generation::refuse();
        }
        // Relaxed: a caller who is told of the end of the last thread sees it.
        assert!(
            !self.is_deserted.load(Ordering::Relaxed),
            "this pool has no thread: each `ThreadBuilder` was dropped without running it, or the \
             only worker was the thread that built the pool, which has ended, and the system has \
             refused another thread"
        );
        assert!(
            !self.is_away_from_home(),
            "a deterministic pool can be used on the thread that it was built on, and by the \
             workers of deterministic pools that were built there, and on no other thread (with \
             FILCH_SEED, the global pool is built on the thread that uses it first)"
        );
    }

    /// Whether this is a deterministic pool, and the calling thread is not in its simulation.
    pub(crate) fn is_away_from_home(&self) -> bool {
        self.simulation().is_some_and(|simulation| !simulation.is_here())
    }

    /// The simulation of a deterministic pool.
    pub(crate) fn simulation(&self) -> Option<&Simulation> {
        self.settings.simulation.as_ref()
    }

    #[inline]
    pub(crate) fn is_simulated(&self) -> bool {
        self.settings.simulation.is_some()
    }

    /// Starts a thread of this pool, which calls `body`.
    pub(crate) fn start_thread(
        &self,
        name: String,
        body: impl FnOnce() + Send + 'static,
    ) -> io::Result<Thread> {
        let stack_size = self.settings.stack_size;
        match self.simulation() {
            Some(simulation) => {
                let looks = !self.handlers.tell_of_starts() && !self.handlers.tell_of_parking();
                simulation.start(self.this.clone(), looks, name, stack_size, body)
            }
            None => Thread::start(name, stack_size, body),
        }
    }

    /// The identity of this pool as long as it lives.
    pub(crate) fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    pub(crate) fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Relaxed)
    }

    /// Called before a thread waits for the pool's workers.
    #[inline]
    pub(crate) fn abort_if_lost(&self) {
        self.generation.abort_if_past();
    }

    /// Returns a counted reference.
    pub(crate) fn share(&self) -> Arc<Registry> {
        match self.this.upgrade() {
            Some(registry) => registry,
            None => unreachable!("a registry in use has an owner"),
        }
    }

    /// The worker of this pool that the calling thread acts as.
    #[inline]
    pub(crate) fn current_worker(&self) -> Option<&Worker> {
        Worker::current().filter(|worker| std::ptr::eq(worker.registry(), self))
    }

    /// Queues a job from a thread that is no worker of this pool.
    pub(crate) fn inject(&self, job: JobRef) {
        if Worker::is_on_pools_thread() {
            return self.invite(job);
        }
        self.reinject(job);
        self.sleep.notify_all_restricted();
        sim::point();
    }

    /// Queues a job that a worker of another pool asks for.
    pub(crate) fn invite(&self, job: JobRef) {
        self.reinject_guest(job);
        sim::point();
    }

    /// Queues a guest, new or reinjected.
    pub(crate) fn reinject_guest(&self, job: JobRef) {
        self.queue(job, &self.guests);
        self.sleep.notify_of_guest();
    }

    /// Asks the workers to take jobs from the injector soon: between two jobs, between two blocks
    /// of a loop, or at the next fork.
    #[cold]
    pub(crate) fn call_for_injected(&self) {
        self.is_late.store(true, Ordering::Relaxed);
        // The next fork, or end of one, takes a slow path.
        self.workers.iter().for_each(|worker| worker.ask_for_forks());
    }

    /// Whether that was asked for.
    #[inline]
    pub(crate) fn is_late(&self) -> bool {
        self.is_late.load(Ordering::Relaxed)
    }

    /// A worker has looked at the injector. (A caller that still waits calls again.)
    pub(crate) fn is_served(&self) {
        if self.is_late() {
            self.is_late.store(false, Ordering::Relaxed);
        }
    }

    /// Queues a job in the injector: a new one, or one that the worker which found it may not run.
    pub(crate) fn reinject(&self, job: JobRef) {
        self.queue(job, &self.injector);
    }

    fn queue(&self, job: JobRef, queue: &Injector<JobRef>) {
        // A worker that looks for the job here, in vain, may go to sleep.
        sim::point();
        let (address, tag) = (job.address(), job.tag());
        // As soon as the job is queued, it may run and be gone with all its ancestors.
        let above: Vec<usize> = match self.settings.wait_policy {
            WaitPolicy::AnyWork => Vec::new(),
            WaitPolicy::OwnDescendants => job.ancestors().skip(2).collect(),
        };
        queue.push(job);
        self.sleep.notify_from_outside(tag);
        // Its joiner may be the only worker that may run it: lemma 4 of `sleep/mod.rs`.
        self.sleep.notify_restricted(address);
        above.into_iter().for_each(|tag| self.sleep.notify_restricted(tag));
    }

    /// Returns the worker of this pool that the calling thread acts as. On any other thread, checks
    /// that it may use the pool.
    ///
    /// # Panics
    /// Like `expect_threads`.
    #[inline]
    pub(crate) fn expect_worker(&self) -> Option<&Worker> {
        let worker = self.current_worker();
        if worker.is_none() {
            self.expect_threads();
        }
        worker
    }

    /// Queues a task on the caller's worker, if that is of this pool, else in the injector.
    #[inline]
    pub(crate) fn submit(&self, caller: Option<&Worker>, job: JobRef) {
        match caller {
            Some(worker) => worker.push_task(job),
            None => self.inject(job),
        }
    }

    /// Puts a task behind those that the caller has put into `fifos` before, and returns its
    /// placeholder. (Without a worker it returns the task, since the injector keeps an order.)
    pub(crate) fn in_order(&self, caller: Option<&Worker>, job: JobRef, fifos: &Fifos) -> JobRef {
        match caller {
            Some(worker) => fifos.push(worker, job),
            None => job,
        }
    }

    // ---- the end ----------------------------------------------------------------------------

    /// Lets the workers end when no work is left. With `leaves_member` they do not wait for the end
    /// of a member.
    pub(crate) fn begin_end(&self, leaves_member: bool) {
        self.leaves_member.store(leaves_member, Ordering::Relaxed);
        // Release: matches the Acquire in `end_if_idle`. A worker that parks later sees it by the
        // list's lock, so no worker has to be woken for it.
        self.ending.store(true, Ordering::Release);
        // As in `Worker::announce_and_look`: what was injected before wakes a worker, or is seen
        // here.
        fence(Ordering::SeqCst);
        if self.injector.is_empty() && self.guests.is_empty() {
            self.end_if_idle();
        }
    }

    /// Ends the pool if it is `ending` and all workers are parked. A worker that parks calls this
    /// after its re-check.
    pub(crate) fn end_if_idle(&self) {
        // Acquire: matches the Release in `begin_end`.
        if !self.ending.load(Ordering::Acquire) {
            return;
        }
        if self.has_ended() || self.ends() {
            self.sleep.wake_all();
        }
    }

    /// Sets `ended` if the invariant allows it. Returns whether it did.
    fn ends(&self) -> bool {
        let leaves_member = self.leaves_member.load(Ordering::Relaxed);
        let is_alone = || leaves_member && self.has_member();
        let left_out = is_alone();
        let expected = self.threads.lock().started - left_out as usize;
        // A worker that has announced itself may not have seen its pinned jobs yet. A thread that
        // has taken over from the member has to be parked as well.
        let nothing_left =
            || left_out == is_alone() && !self.workers.iter().any(|worker| worker.has_own_work());
        // Under the sleepers' lock, so that no core is given to a thread that ends.
        let end = || {
            if left_out {
                self.leave_member_alone();
            }
            // Release: matches the Acquire in `has_ended`.
            self.ended.store(true, Ordering::Release);
            true
        };
        self.sleep.all_parked(expected, || nothing_left() && end())
    }

    /// From now on the member runs what it pins to the other workers, whose threads end.
    fn leave_member_alone(&self) {
        self.workers.iter().skip(1).for_each(|worker| worker.set_thread(false));
        // (Without a wake-up: a member that pins a job later has taken the sleepers' lock to wake
        // the parked worker, and so sees this.)
        self.has_empty_cores.store(true, Ordering::Relaxed);
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// A thread of the user becomes a worker.
    pub(crate) fn member_comes(&self) {
        self.thread_starts();
        self.thread_runs();
        self.has_member.store(true, Ordering::Relaxed);
    }

    /// A thread of the pool has taken over from the member.
    pub(crate) fn member_goes(&self) {
        self.has_member.store(false, Ordering::Relaxed);
    }

    /// Whether a member is worker 0. (Relaxed: the member itself has written it. Other threads read
    /// it to decide how to drop the pool, or under the sleepers' lock, which orders it.)
    pub(crate) fn has_member(&self) -> bool {
        self.has_member.load(Ordering::Relaxed)
    }

    /// A worker is about to get a thread.
    pub(crate) fn thread_starts(&self) {
        self.threads.lock().started += 1;
    }

    /// A worker's thread runs. Returns `false` if it is no longer wanted.
    pub(crate) fn thread_runs(&self) -> bool {
        let mut threads = self.threads.lock();
        threads.running += !threads.is_closed as usize;
        !threads.is_closed
    }

    /// The pool could not be built, so threads that do not run yet are no longer wanted.
    pub(crate) fn close(&self) {
        let mut threads = self.threads.lock();
        threads.is_closed = true;
        threads.started = threads.running;
        drop(threads);
        self.core_stays_empty();
    }

    /// A worker will never have a thread, so the other workers run its pinned jobs.
    pub(crate) fn core_stays_empty(&self) {
        self.has_empty_cores.store(true, Ordering::Relaxed);
        self.notify_of_stray_pinned();
    }

    /// No worker of the pool will have a thread again.
    pub(crate) fn set_deserted(&self) {
        self.is_deserted.store(true, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn has_empty_cores(&self) -> bool {
        // Relaxed: the fences of `notify_of_stray_pinned` and `Worker::announce` order it.
        self.has_empty_cores.load(Ordering::Relaxed)
    }

    /// Wakes all workers, after a job was pinned to each.
    pub(crate) fn wake_for_pinned(&self, relay: &Relay) {
        relay.start(&self.sleep);
        // Pairs with the fence in `notify_of_stray_pinned`: the workers that it wakes see the jobs,
        // or this thread sees the mark. (Helpers may have issued the fences of all wake-ups.)
        fence(Ordering::SeqCst);
        if self.has_empty_cores() {
            self.notify_of_stray_pinned();
        }
    }

    /// Wakes all workers, each of which may run jobs pinned to a worker without a thread.
    #[cold]
    pub(crate) fn notify_of_stray_pinned(&self) {
        // Pairs with the fence in `announce`.
        fence(Ordering::SeqCst);
        self.sleep.wake_all();
        self.sleep.notify_restricted(ANY_TAG);
    }

    /// A worker will not get its thread. `came`: whether that counted as running.
    pub(crate) fn thread_refused(&self, index: usize, came: bool) {
        self.change_threads(|threads| {
            threads.running -= came as usize;
            threads.started -= !threads.is_closed as usize;
            threads.refused.get_or_insert(index);
            if threads.started == 0 {
                self.set_deserted();
            }
        });
        self.core_stays_empty();
        // All workers that are left may be parked, so one of them has to end the pool.
        if self.ending.load(Ordering::Acquire) {
            self.sleep.wake_all();
        }
    }

    /// The first worker whose thread builder was dropped.
    pub(crate) fn was_refused(&self) -> Option<usize> {
        self.threads.lock().refused
    }

    /// Sets the name of the threads of worker `index`.
    pub(crate) fn set_name(&self, index: usize, name: String) {
        self.threads.lock().names.insert(index, name);
    }

    pub(crate) fn name(&self, index: usize) -> String {
        self.threads.lock().names.get(&index).cloned().unwrap_or_default()
    }

    /// Starts a spare thread of worker `index`, unless the limit is reached.
    pub(crate) fn start_within_cap(
        &self,
        index: usize,
        body: impl FnOnce() + Send + 'static,
    ) -> io::Result<()> {
        let most = self.settings.max_spare_threads;
        let one_more = |count| (count < most).then_some(count + 1);
        // Relaxed: it publishes nothing but the number.
        let (relaxed, count) = (Ordering::Relaxed, &self.spare_threads);
        count.fetch_update(relaxed, relaxed, one_more).map_err(|_| io::ErrorKind::QuotaExceeded)?;
        let started = self.start_thread(self.name(index), body);
        let started = started.inspect_err(|_| _ = count.fetch_sub(1, relaxed))?;
        self.threads.lock().spare.push(started);
        Ok(())
    }

    /// The number of spare threads.
    pub(crate) fn spare_threads(&self) -> usize {
        self.spare_threads.load(Ordering::Relaxed)
    }

    pub(crate) fn take_spare_threads(&self) -> Vec<Thread> {
        std::mem::take(&mut self.threads.lock().spare)
    }

    /// Counts a wait that keeps its core since there is no spare thread, or the end of such a wait.
    pub(crate) fn count_refused_hand_off(&self, is_refused: bool) {
        let one = if is_refused { 1 } else { usize::MAX };
        self.refused_hand_offs.fetch_add(one, Ordering::Relaxed);
    }

    pub(crate) fn refused_hand_offs(&self) -> usize {
        self.refused_hand_offs.load(Ordering::Relaxed)
    }

    /// A worker's thread ends.
    pub(crate) fn thread_done(&self) {
        self.change_threads(|threads| threads.done += 1);
    }

    fn change_threads(&self, change: impl FnOnce(&mut Threads)) {
        let mut threads = self.threads.lock();
        change(&mut threads);
        let all_left = threads.awaited && threads.done == threads.started + self.spare_threads();
        drop(threads);
        if all_left {
            self.all_left_happens();
        }
    }

    #[allow(unsafe_code)]
    fn all_left_happens(&self) {
        // SAFETY: the registry, whose thread or owner calls this, outlives the call.
        unsafe { Event::happen(&raw const self.all_left) };
    }

    /// Whether the pool has started so many threads, not counting spare ones.
    pub(crate) fn has_started(&self, threads: usize) -> bool {
        self.threads.lock().started == threads
    }

    /// Waits until all threads have returned from `ThreadBuilder::run`.
    pub(crate) fn wait_for_threads(&self) {
        self.all_left.wait(|| {
            let mut threads = self.threads.lock();
            threads.awaited = true;
            threads.done < threads.started + self.spare_threads()
        });
        if let Some(simulation) = self.simulation() {
            self.wait_until_gone(simulation);
        }
    }

    /// Waits until the last thread, whose thread-locals may need the caller's pool, is about to end
    /// in the simulation.
    fn wait_until_gone(&self, simulation: &Simulation) {
        let gone = Arc::new(Event::new(self));
        let theirs = gone.clone();
        gone.wait(|| simulation.when_gone(self.address(), move || Event::happen_shared(&theirs)));
    }
}

/// All pools of the process.
pub(crate) static POOLS: PerProcess<Mutex<Vec<Weak<Registry>>>> = PerProcess::new();

/// Adds a pool to the list.
pub(crate) fn register(registry: &Weak<Registry>) {
    let mut pools = POOLS.get().lock();
    pools.retain(|pool| pool.strong_count() > 0);
    pools.push(registry.clone());
}

/// Whether there is a pool of this process at this address.
pub(crate) fn has_registry_at(address: usize) -> bool {
    // (A model has no such list: see `Registry::new`.)
    cfg!(loom) || POOLS.get().lock().iter().any(|pool| pool.as_ptr().addr() == address)
}

/// The pool at this address, if there is one.
pub(crate) fn registry_at(address: usize) -> Option<Arc<Registry>> {
    let pools = POOLS.get().lock();
    pools.iter().find(|pool| pool.as_ptr().addr() == address)?.upgrade()
}
