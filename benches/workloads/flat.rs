//! Flat work: very many tiny tasks, spawned by one loop in a scope, or submitted from outside the
//! pool. It is written once for each pool.

use super::pin::take_place;
use super::{Filch, Fork, Ideal, Rayon, Serial, plain};
use std::hint::black_box;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};

/// How many tiny tasks there are.
pub const TINY_TASKS: usize = 100_000;

/// A pool that has scopes and detached tasks, and can be called from outside.
pub trait TaskPool: Fork {
    /// Fills each slot with its index plus one. Spawns a task for each slot, all in one scope.
    fn fill(cx: &mut Self::Context<'_>, slots: &mut [usize]);

    /// Submits a task that may outlive this call.
    fn submit(pool: &Self::Pool, task: impl FnOnce() + Send + 'static);

    /// Runs `work` in the pool, called from a thread outside it, in the cheapest way that the pool
    /// offers.
    fn enter<R: Send>(
        pool: &Self::Pool,
        work: impl FnOnce(&mut Self::Context<'_>) -> R + Send,
    ) -> R {
        Self::install(pool, work)
    }
}

impl TaskPool for Filch {
    fn fill(_: &mut (), slots: &mut [usize]) {
        filch::scope(|s| {
            for (i, slot) in slots.iter_mut().enumerate() {
                s.spawn(move || *slot = i + 1);
            }
        });
    }

    fn submit(pool: &filch::ThreadPool, task: impl FnOnce() + Send + 'static) {
        drop(pool.spawn(task));
    }

    /// Uses a scope, whose caller becomes a worker, while `install` runs on another thread.
    fn enter<R: Send>(pool: &filch::ThreadPool, work: impl FnOnce(&mut ()) -> R + Send) -> R {
        pool.scope(|_| {
            if let Some(index) = filch::current_thread_index() {
                take_place(index);
            }
            work(&mut ())
        })
    }
}

impl TaskPool for Rayon {
    fn fill(_: &mut (), slots: &mut [usize]) {
        rayon::scope(|s| {
            for (i, slot) in slots.iter_mut().enumerate() {
                s.spawn(move |_| *slot = i + 1);
            }
        });
    }

    fn submit(pool: &rayon::ThreadPool, task: impl FnOnce() + Send + 'static) {
        pool.spawn(task);
    }
}

impl TaskPool for Serial {
    fn fill(_: &mut (), slots: &mut [usize]) {
        fill_from(0, slots);
    }

    fn submit(_: &(), task: impl FnOnce() + Send + 'static) {
        task();
    }
}

impl TaskPool for Ideal {
    fn fill(threads: &mut Range<usize>, slots: &mut [usize]) {
        let part = slots.len().div_ceil(threads.len());
        let parts: Vec<_> = slots.chunks_mut(part).map(Mutex::new).collect();
        plain::on_each(threads.len(), |i| {
            fill_from(i * part, &mut parts[i].lock().expect("no panics"));
        });
    }

    /// Runs the task on the plain thread that submits it. Each thread submits its share.
    fn submit(_: &usize, task: impl FnOnce() + Send + 'static) {
        task();
    }
}

/// Fills each slot with its index plus one. The first slot has the index `first`.
fn fill_from(first: usize, slots: &mut [usize]) {
    for (i, slot) in slots.iter_mut().enumerate() {
        *slot = black_box(first + i + 1);
    }
}

/// Whether each slot was filled by its own task.
pub fn is_filled(slots: &[usize]) -> bool {
    slots.iter().enumerate().all(|(i, slot)| *slot == i + 1)
}

/// Submits `tasks` tasks from `submitters` plain threads, and waits until all have run. Each task
/// subtracts its number from a counter. Returns the rest, which is 0 if each task ran once.
pub fn submit_from_outside<P: TaskPool>(pool: &P::Pool, submitters: usize, tasks: usize) -> usize
where
    P::Pool: Sync,
{
    static LEFT: Countdown = Countdown::new();
    LEFT.start(tasks * (tasks + 1) / 2);
    plain::on_each(submitters, |index| {
        for i in plain::share(tasks, submitters, index) {
            P::submit(pool, move || LEFT.take(i + 1));
        }
    });
    LEFT.wait()
}

/// Counts down as tasks end, and wakes the waiting thread at 0.
pub struct Countdown {
    left: AtomicUsize,
    ended: Mutex<bool>,
    end: Condvar,
}

impl Countdown {
    /// A countdown that has reached 0.
    pub const fn new() -> Countdown {
        Countdown { left: AtomicUsize::new(0), ended: Mutex::new(true), end: Condvar::new() }
    }

    /// Starts a countdown from `left`. The previous one must have reached 0.
    pub fn start(&self, left: usize) {
        *self.ended.lock().expect("no panics") = left == 0;
        self.left.store(left, Ordering::Relaxed);
    }

    /// Subtracts `count`.
    pub fn take(&self, count: usize) {
        if self.left.fetch_sub(count, Ordering::Relaxed) == count {
            *self.ended.lock().expect("no panics") = true;
            self.end.notify_all();
        }
    }

    /// Waits until the countdown reaches 0. Returns its value then.
    pub fn wait(&self) -> usize {
        let ended = self.ended.lock().expect("no panics");
        let _ended = self.end.wait_while(ended, |ended| !*ended).expect("no panics");
        self.left.load(Ordering::Relaxed)
    }
}
