//! Models of whole pools, by what programs call: built, given work, and dropped, under every
//! schedule. The threads are the pool's own. (A thread from outside only spawns and installs: to
//! fork, it would need a queue that loom cannot keep from one schedule to the next.)

use std::sync::Arc;

use loom::sync::atomic::{AtomicUsize, Ordering};

use crate::pool::{ThreadPool, ThreadPoolBuilder};

fn check(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.max_branches = builder.max_branches.max(10_000);
    builder.check(model);
}

fn pool(threads: usize) -> ThreadPool {
    ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
}

/// Every thread of a pool that is dropped is told.
///
/// Weakened: `worker/end.rs end_if_idle: self.sleep.wake_all(); =>`
#[test]
fn a_pool_ends_that_had_nothing_to_do() {
    check(|| drop(pool(1)));
}

/// A task that was spawned in time is run.
///
/// Weakened: `sleep/wake.rs notify_from_outside: counts.parked() > 0 && counts.searchers() == 0 =>
/// false`
#[test]
fn what_was_spawned_is_run_before_the_pool_ends() {
    check(|| {
        let pool = pool(1);
        let count = Arc::new(AtomicUsize::new(0));
        let theirs = count.clone();
        drop(pool.spawn(move || _ = theirs.fetch_add(1, Ordering::Relaxed)));
        drop(pool);
        assert_eq!(count.load(Ordering::Relaxed), 1);
    });
}

/// The joiner of a handle is woken at the end of the task.
///
/// Weakened: `task/block.rs execute_joinable: unsafe { take_waiting(address) }.wake_on(worker); =>`
#[test]
fn a_handle_gives_the_result_to_a_thread_from_outside() {
    check(|| {
        let pool = pool(1);
        assert_eq!(pool.spawn(|| 7).join().unwrap(), 7);
    });
}

/// The caller of `install` borrows a core, or is woken.
///
/// Weakened: `sleep/event.rs happen: sleeper.wake(); =>`
#[test]
fn an_install_returns_what_it_came_to() {
    check(|| assert_eq!(pool(1).install(|| 7), 7));
}

/// A value that counts its drops.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A result that its handle does not take is dropped once, by the handle or by the worker.
///
/// Weakened: `task/block.rs execute_joinable: done == Done::Settle => false`
#[test]
fn a_result_that_is_not_taken_is_dropped_once() {
    check(|| {
        let pool = pool(1);
        let drops = Arc::new(AtomicUsize::new(0));
        let value = Counted(drops.clone());
        drop(pool.spawn(move || value));
        drop(pool);
        assert_eq!(drops.load(Ordering::Relaxed), 1);
    });
}
