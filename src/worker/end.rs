//! The threads of a pool, and how a pool ends.
//!
//! # The end: states
//! A pool is running, `ending` (it was dropped), or `ended` (its threads end).
//!
//! *Invariant.* `ended` is set only while all cores are parked in the main loop, no thread is off
//! its core, and no job is queued. (A guest, which is a user's thread that is worker 0, never
//! enters the main loop. So `begin_end` may leave it out. The guest then runs all jobs itself,
//! including those pinned to other workers.)
//!
//! # Lemmas
//! 1. *The pool ends.* `begin_end` sets `ending` and ends the pool at once if the workers are
//!    parked. If not, the last worker to park sees `ending`, which the sleepers' lock orders, and
//!    ends the pool. Model: `the_last_worker_to_park_ends_the_pool`.
//! 2. *No job is left.* The thread that sets `ended` holds the sleepers' lock. It sees that all
//!    cores are parked, so no worker is left to make a job, and that there is no keeper. It also
//!    sees that the injectors and each worker's queues are empty, pinned jobs included. (The queue
//!    for forks of a parked worker is empty.) Model: `a_pinned_job_is_run_though_the_pool_ends`.
//! 3. *All threads end.* `ended` is set under the sleepers' lock, and `wake_all` follows. A thread
//!    that takes the lock later sees `ended`. Model: `a_sleeping_worker_ends_with_its_pool`.
//! 4. *A job that is submitted under a keeper is run.* The keeper (`keep.rs`) is counted under the
//!    sleepers' lock, unless the pool has ended. A pool that has a keeper does not end. The thread
//!    that drops the keeper ends the pool if all workers have parked meanwhile. Model:
//!    `a_job_under_a_keeper_is_run`.

use std::collections::BTreeMap;
use std::io;
use std::iter;
use std::mem;
use std::sync::Arc;

use super::Worker;
use super::pools::registry_at;
use super::shared::Registry;
use super::threads::Threads;
use crate::job::outcome;
use crate::os::thread::Thread;
use crate::sleep::{Event, SpareFor};
use crate::sync::{Ordering, fence};

impl Registry {
    /// Lets the workers end when no work is left. If `leaves_guest`, they do not wait until a
    /// guest has ended.
    pub(crate) fn begin_end(&self, leaves_guest: bool) {
        self.leaves_guest.store(leaves_guest, Ordering::Relaxed);
        // Release: matches the Acquire in `end_if_idle`. A worker that parks later sees `ending` by
        // the sleepers' lock, so no worker has to be woken for it.
        self.ending.store(true, Ordering::Release);
        // As in `Worker::jobs_for_others`: a job that was injected before wakes a worker, or this
        // thread sees the job.
        fence(Ordering::SeqCst);
        if !self.has_injected() {
            self.end_if_idle();
        }
    }

    /// Ends the pool if it is `ending` and all workers are parked. A worker that parks calls this
    /// after it has looked for work once more.
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
        let leaves_guest = self.leaves_guest.load(Ordering::Relaxed);
        let is_alone = || leaves_guest && self.has_guest();
        let left_out = is_alone();
        let expected = self.threads.lock().started - left_out as usize;
        // A worker that has announced itself may not have seen its pinned jobs yet. A thread that
        // has taken over from the guest has to be parked as well.
        let is_kept = || self.keepers.load(Ordering::Relaxed) > 0;
        let nothing_left = || {
            let are_bare = || !self.workers.iter().any(|worker| worker.has_own_work());
            left_out == is_alone() && are_bare() && !is_kept() && !self.has_injected()
        };
        // Under the sleepers' lock, so that no core is given to a thread that ends.
        let end = || {
            if left_out {
                // From now on the guest runs what it pins to the other workers, whose threads end.
                // (Without a wake-up: a guest that pins a job later has taken the sleepers' lock to
                // wake the parked worker, and so sees this.)
                self.workers.iter().skip(1).for_each(|worker| worker.set_thread(false));
                self.has_empty_cores.store(true, Ordering::Relaxed);
            }
            // Release: matches the Acquire in `has_ended`.
            self.ended.store(true, Ordering::Release);
            true
        };
        self.sleep.all_parked(expected, || nothing_left() && end())
    }

    pub(crate) fn has_ended(&self) -> bool {
        // Acquire: matches the Release in `ends`.
        self.ended.load(Ordering::Acquire)
    }

    pub(crate) fn guest_comes(&self) {
        self.thread_starts();
        self.thread_runs();
        self.has_guest.store(true, Ordering::Relaxed);
    }

    /// A thread of the pool has taken over from the guest.
    pub(crate) fn guest_goes(&self) {
        self.has_guest.store(false, Ordering::Relaxed);
    }

    /// Whether a guest is worker 0. (Relaxed: the guest itself has written it. Other threads read
    /// it to decide how to drop the pool, or under the sleepers' lock, which orders it.)
    pub(crate) fn has_guest(&self) -> bool {
        self.has_guest.load(Ordering::Relaxed)
    }

    pub(crate) fn start_thread(
        &self,
        name: String,
        stack_size: Option<usize>,
        body: impl FnOnce() + Send + 'static,
    ) -> io::Result<Thread> {
        match self.simulation() {
            Some(simulation) => {
                let looks = self.handlers.start.is_none() && self.handlers.park.is_none();
                simulation.start(self.this.clone(), looks, name, stack_size, body)
            }
            None => Thread::start(name, stack_size, body),
        }
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

    #[inline]
    pub(crate) fn has_empty_cores(&self) -> bool {
        // Relaxed: the fences of `notify_of_stray_pinned` and of a look order it.
        self.has_empty_cores.load(Ordering::Relaxed)
    }

    /// A worker will not get its thread. `came`: whether that thread was counted as running.
    pub(crate) fn thread_refused(&self, index: usize, came: bool) {
        self.change_threads(|threads| {
            threads.running -= came as usize;
            threads.started -= !threads.is_closed as usize;
            threads.refused.get_or_insert(index);
            if threads.started == 0 {
                self.is_deserted.store(true, Ordering::Relaxed);
            }
        });
        self.core_stays_empty();
        // All workers that are left may be parked, so one of them has to end the pool. Acquire:
        // matches the Release in `begin_end`.
        if self.ending.load(Ordering::Acquire) {
            self.sleep.wake_all();
        }
    }

    /// The first worker whose thread builder was dropped.
    pub(crate) fn was_refused(&self) -> Option<usize> {
        self.threads.lock().refused
    }

    pub(crate) fn set_name(&self, index: usize, name: String) {
        self.threads.lock().names.insert(index, name);
    }

    pub(crate) fn name(&self, index: usize) -> String {
        self.threads.lock().names.get(&index).cloned().unwrap_or_default()
    }

    /// The name of the threads of each worker that has one, unless a thread holds the lock.
    pub(crate) fn names(&self) -> BTreeMap<usize, String> {
        self.threads.try_lock().map(|threads| threads.names.clone()).unwrap_or_default()
    }

    pub(crate) fn start_within_cap(
        &self,
        index: usize,
        purpose: SpareFor,
        body: impl FnOnce() + Send + 'static,
    ) -> io::Result<()> {
        let (most, count) = match purpose {
            SpareFor::Waits => (self.settings.max_spare_threads, &self.counts.spare_for_waits),
            SpareFor::Blocking => {
                (self.settings.max_blocking_threads, &self.counts.spare_for_blocking)
            }
        };
        let one_more = |count| (count < most).then_some(count + 1);
        // Relaxed: it publishes nothing but the number.
        let relaxed = Ordering::Relaxed;
        count.fetch_update(relaxed, relaxed, one_more).map_err(|_| io::ErrorKind::QuotaExceeded)?;
        let started = self.start_thread(self.name(index), self.settings.stack_size, body);
        let started = started.inspect_err(|_| _ = count.fetch_sub(1, relaxed))?;
        self.threads.lock().spare.push(started);
        Ok(())
    }

    pub(crate) fn take_spare_threads(&self) -> Vec<Thread> {
        std::mem::take(&mut self.threads.lock().spare)
    }

    pub(crate) fn thread_done(&self) {
        self.change_threads(|threads| threads.done += 1);
    }

    fn change_threads(&self, change: impl FnOnce(&mut Threads)) {
        let mut threads = self.threads.lock();
        change(&mut threads);
        let all_left =
            threads.awaited && threads.done == threads.started + self.counts.spare_threads();
        drop(threads);
        if all_left {
            // SAFETY: the registry, whose thread or owner calls this, outlives the call.
            unsafe { Event::happen(&raw const self.all_left) };
        }
    }

    /// Returns whether the pool has started this many threads, not counting spare ones.
    pub(crate) fn has_started(&self, threads: usize) -> bool {
        self.threads.lock().started == threads
    }

    /// Notes that a thread of `waiter` waits for the end of this pool. Returns `false` if one of
    /// this pool waits for the end of `waiter`, or of a pool that in turn does.
    pub(crate) fn is_awaited_by(&self, waiter: &Registry) -> bool {
        let next = |&pool: &usize| Some(registry_at(pool)?.awaited_by.load(Ordering::SeqCst));
        // SeqCst, with the load: the last one of such a ring that stores sees all others.
        self.awaited_by.store(waiter.address(), Ordering::SeqCst);
        let is_ring = iter::successors(Some(waiter.address()), next).any(|it| it == self.address());
        if is_ring {
            self.awaited_by.store(0, Ordering::Relaxed);
        }
        !is_ring
    }

    /// Waits until all threads have returned from `ThreadBuilder::run`.
    pub(crate) fn wait_for_threads(&self) {
        self.all_left.wait(|| {
            let mut threads = self.threads.lock();
            threads.awaited = true;
            threads.done < threads.started + self.counts.spare_threads()
        });
        // Until the pool's last thread is about to end in the simulation, the destructors of its
        // thread-locals may need the caller's pool.
        if let Some(simulation) = self.simulation() {
            let gone = Arc::new(Event::new(self.address()));
            let theirs = gone.clone();
            let happens = move || Event::happen_shared(&theirs);
            gone.wait(|| simulation.when_gone(self.address(), happens));
        }
    }
}

/// What belongs to the user may call the library when it is dropped. The last reference to a pool
/// may be dropped in a job of another pool that has just woken its waiter. Then the task whose tag
/// that job has may have ended.
impl Drop for Registry {
    fn drop(&mut self) {
        // Requests that came when a guest had just ended. They have been revoked.
        let requests = || self.cross_jobs.iter().find_map(|queue| queue.pop_if(1, |_| true));
        iter::from_fn(requests).for_each(|request| request.execute(&self.workers[0]));
        let handlers = mem::take(&mut self.handlers);
        let drop_users = || {
            let dropped = outcome::run(|| drop(handlers));
            #[cfg(feature = "futures")]
            self.attached.close();
            dropped
        };
        let dropped = match Worker::current() {
            Some(worker) => worker.run_apart(drop_users),
            None => drop_users(),
        };
        outcome::resume_first([dropped].into_iter());
    }
}
