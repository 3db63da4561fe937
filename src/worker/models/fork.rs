//! What programs call on a worker, beside a thief that looks once.

use super::*;
use crate::fork::{TaskSet, join, scope, spawn};

/// Worker 1 looks for a job once, and runs it, while worker 0 does as `act` says.
fn check_thief(act: fn()) {
    check(move || {
        let pool = Pool::new(2);
        let thief = pool.start(|pool| {
            pool.act_as(1, |worker| {
                if let Some(job) = worker.find() {
                    worker.run(job, false);
                }
            });
        });
        pool.act_as(0, |_| act());
        thief.join().unwrap();
        pool.nobody_is_counted();
    });
}

/// The owner runs the second side, or is woken by the thief.
///
/// Weakened: `worker/join_job.rs execute: worker.sleep().wake_blocked(owner.index(), address); =>`
#[test]
fn a_join_has_both_results_whichever_worker_runs_them() {
    check_thief(|| assert_eq!(join(|| 1, || 2), (1, 2)));
}

/// The opener of a scope runs its task, or is woken by the thief.
///
/// Weakened: `fork/tasks.rs task_ended: worker.sleep().wake_blocked(opener, self.tasks.addr()); =>`
#[test]
fn a_scope_ends_after_its_task() {
    check_thief(|| {
        let count = AtomicUsize::new(0);
        scope(|scope| drop(scope.spawn(|| count.fetch_add(1, Ordering::Relaxed))));
        assert_eq!(count.load(Ordering::Relaxed), 1);
    });
}

/// A worker that joins a task runs it, or is woken by the thief.
///
/// Weakened: `task/block.rs execute_joinable: unsafe { take_waiting(address) }.wake_on(worker); =>`
#[test]
fn a_task_that_a_worker_joins_has_its_result() {
    check_thief(|| assert_eq!(spawn(|| 7).join().unwrap(), 7));
}

/// A worker that waits for a set runs its task, or is woken by the thief.
///
/// Weakened: `fork/tickets.rs end: waiting.wake_on(worker); =>`
#[test]
fn a_worker_that_waits_for_a_set_is_woken() {
    check_thief(|| {
        let mut set = TaskSet::new();
        set.spawn(|| 7);
        assert_eq!(set.join_next().unwrap().unwrap(), 7);
        assert!(set.join_next().is_none());
    });
}

/// The thread that ends the first task has the second one begun.
///
/// Weakened: `fork/tickets.rs end: state.needs_ticket() => false`
#[test]
fn a_set_at_its_limit_runs_all_tasks() {
    check_thief(|| {
        let mut set = TaskSet::new().max_running(1);
        set.spawn(|| 1);
        set.spawn(|| 2);
        assert_eq!([0; 2].map(|_| set.join_next().unwrap().unwrap()), [1, 2]);
    });
}
