//! loom models of the count of a scope's tasks. A lost wake-up shows as a deadlock. "Fails when"
//! names a change for which a model was seen to fail.
#![allow(unsafe_code)]

use loom::sync::Arc;
use loom::thread;

use super::TaskCount;
use crate::latch::{Wait, Waiter};
use crate::sync::{AtomicUsize, Ordering, Parker, UnsafeCell};

/// A scope: its count, what its tasks write, and its opener's parker, which outlives it.
struct Scope {
    count: std::cell::UnsafeCell<TaskCount>,
    data: Vec<UnsafeCell<u32>>,
    /// For each task, 1 while it is queued.
    queue: Vec<AtomicUsize>,
    parker: Parker,
    wakes: AtomicUsize,
}

// SAFETY: the model checker sees every access to the data and to the remote count; in each model
// one thread is the opener.
unsafe impl Sync for Scope {}
// SAFETY: nothing in a scope depends on its thread.
unsafe impl Send for Scope {}

impl Scope {
    fn new(tasks: usize) -> Arc<Self> {
        Arc::new(Scope {
            count: TaskCount::default().into(),
            data: (0..tasks).map(|_| UnsafeCell::new(0)).collect(),
            queue: (0..tasks).map(|_| AtomicUsize::new(0)).collect(),
            parker: Parker::default(),
            wakes: AtomicUsize::new(0),
        })
    }

    fn count(&self) -> &TaskCount {
        // SAFETY: `leave` comes after every use, which is what the models check.
        unsafe { &*self.count.get() }
    }

    // ---- what scope.rs does -------------------------------------------------------------------

    fn spawn_as_opener(&self, task: usize) {
        self.count().add_local();
        // A swap: loom would not order a store before another thread's swap.
        self.queue[task].swap(1, Ordering::AcqRel);
    }

    fn spawn(&self, task: usize) {
        self.count().add_remote();
        // A swap: as above.
        self.queue[task].swap(1, Ordering::AcqRel);
    }

    /// Takes a task if it is queued, and does its work. Returns whether it was.
    fn take(&self, task: usize) -> bool {
        let taken = self.queue[task].swap(0, Ordering::AcqRel) == 1;
        if taken {
            // SAFETY: only this thread has the task, and the opener reads this after its end.
            unsafe { *self.data[task].get() += 1 };
        }
        taken
    }

    fn end(&self) {
        // SAFETY: the count includes the task.
        if unsafe { TaskCount::end_remote(self.count.get()) } == Waiter::Asleep {
            self.wakes.fetch_add(1, Ordering::Relaxed);
            self.parker.unpark();
        }
    }

    /// Runs a task if it is queued, on a worker that is not the opener.
    fn run(&self, task: usize) {
        if self.take(task) {
            self.end();
        }
    }

    fn run_as_opener(&self, task: usize) {
        if self.take(task) {
            self.count().end_local();
        }
    }

    /// The wait of an opener that sleeps.
    fn wait(&self) {
        while !self.count().done() {
            if self.count().register_waker() {
                self.parker.park();
            }
        }
        self.leave();
    }

    /// The wait of an opener that polls.
    fn poll(&self) {
        while !self.count().done() {
            thread::yield_now();
        }
        self.leave();
    }

    /// The wait of an opener that is no worker. It does not check again when it is woken.
    fn wait_outside(&self) {
        if self.count().register_waker() {
            self.parker.park();
        }
        self.leave();
    }

    /// Checks that all tasks have run once, and ends the scope. To the model checker, that is an
    /// access that conflicts with any other beside it or after it.
    fn leave(&self) {
        for data in &self.data {
            // SAFETY: the task has ended.
            assert_eq!(unsafe { *data.get() }, 1);
        }
        // SAFETY: no task is left.
        unsafe { &mut (*self.count.get()).remote }.with_mut(|_| ());
    }
}

fn start(scope: &Arc<Scope>, act: fn(&Scope)) -> thread::JoinHandle<()> {
    let scope = scope.clone();
    thread::spawn(move || act(&scope))
}

/// Two workers run a task each while the opener waits.
fn check_two_ends(wait: fn(&Scope), check_wakes: fn(usize)) {
    loom::model(move || {
        let scope = Scope::new(2);
        scope.spawn_as_opener(0);
        scope.spawn_as_opener(1);
        let workers = [start(&scope, |scope| scope.run(0)), start(&scope, |scope| scope.run(1))];
        wait(&scope);
        workers.into_iter().for_each(|worker| worker.join().unwrap());
        check_wakes(scope.wakes.load(Ordering::Relaxed));
    });
}

/// Fails when `register_waker` ignores the count that it found beside `WAITING`, or does not move
/// `local`, and when `end_remote` touches the count again or is not Release.
///
/// Weakened: `latch/count.rs register_waker: waiting >> 1 != 0 => true`
#[test]
fn the_last_task_wakes_an_opener_that_sleeps() {
    check_two_ends(Scope::wait, |wakes| assert!(wakes <= 1));
}

/// Fails when `done` is not Acquire, and when `end_remote` always wakes.
///
/// Weakened: `latch/count.rs remote_tasks: Ordering::Acquire => Ordering::Relaxed`
#[test]
fn an_opener_that_polls_sees_all_that_the_tasks_did_and_is_not_woken() {
    check_two_ends(Scope::poll, |wakes| assert_eq!(wakes, 0));
}

/// Fails when `end_remote` is not Acquire, and when either step of `register_waker` is not.
///
/// Weakened: `latch/count.rs end_remote: Ordering::AcqRel => Ordering::Release`
#[test]
fn an_opener_from_outside_sees_all_that_the_tasks_did() {
    loom::model(|| {
        let scope = Scope::new(2);
        scope.spawn(0);
        scope.spawn(1);
        let workers = [start(&scope, |scope| scope.run(0)), start(&scope, |scope| scope.run(1))];
        scope.wait_outside();
        workers.into_iter().for_each(|worker| worker.join().unwrap());
    });
}

/// Each of two tasks spawns one, which either worker may run.
fn spawn_from_tasks(wait: fn(&Scope)) {
    loom::model(move || {
        let scope = Scope::new(4);
        scope.spawn_as_opener(0);
        scope.spawn_as_opener(1);
        let spawners: [fn(&Scope); 2] = [
            |scope| {
                assert!(scope.take(0));
                scope.spawn(2);
                scope.end();
                scope.run(3);
                scope.run(2);
            },
            |scope| {
                assert!(scope.take(1));
                scope.spawn(3);
                scope.end();
                scope.run(2);
                scope.run(3);
            },
        ];
        let workers = spawners.map(|spawner| start(&scope, spawner));
        wait(&scope);
        workers.into_iter().for_each(|worker| worker.join().unwrap());
    });
}

/// Fails when a task is counted after it is queued.
///
/// Weakened: `latch/count.rs end_remote: Waiter::Asleep => Waiter::Awake`
#[test]
fn tasks_that_spawn_are_waited_for_by_an_opener_that_sleeps() {
    spawn_from_tasks(Scope::wait);
}

/// Weakened: `latch/count.rs add_remote: self.remote.fetch_add(TASK, Ordering::Relaxed); =>`
#[test]
fn tasks_that_spawn_are_waited_for_by_an_opener_that_polls() {
    spawn_from_tasks(Scope::poll);
}

/// The opener runs what another worker spawned and the other way round, so both parts of the count
/// are at times negative.
///
/// Fails when `done` leaves out `local`, and when `register_waker` adds it without taking it.
///
/// Weakened: `latch/count.rs done: self.local.get() => 0`
#[test]
fn a_task_counts_once_whoever_spawns_and_runs_it() {
    loom::model(|| {
        let scope = Scope::new(3);
        scope.spawn_as_opener(0);
        let worker = start(&scope, |scope| {
            if scope.take(0) {
                scope.spawn(1);
                scope.end();
            }
            scope.run(2);
        });
        scope.spawn_as_opener(2);
        scope.run_as_opener(2);
        if scope.take(0) {
            scope.spawn_as_opener(1);
            scope.count().end_local();
        }
        // Either thread has run task 0, which spawns task 1.
        while scope.queue[1].load(Ordering::Relaxed) == 0 {
            thread::yield_now();
        }
        scope.run_as_opener(1);
        scope.wait();
        worker.join().unwrap();
    });
}

/// The opener drops two tasks, after the second of which it relies on what it has seen before.
///
/// Weakened: `latch/count.rs done_after_drop: remote + local == 0 => true`
#[test]
fn an_opener_that_drops_tasks_sees_all_that_the_others_did() {
    loom::model(|| {
        let scope = Scope::new(3);
        (0..3).for_each(|task| scope.spawn_as_opener(task));
        let worker = start(&scope, |scope| scope.run(0));
        let drops = |task| {
            assert!(scope.take(task) && !scope.count().done());
            scope.count().drop_local();
            scope.count().done()
        };
        if drops(2) || drops(1) {
            scope.leave()
        } else {
            scope.wait()
        }
        worker.join().unwrap();
    });
}

/// An opener registers, is woken for another reason, and spawns once more.
///
/// Fails when `register_waker` leaves `local` where it is, and when it returns false because
/// `WAITING` is set.
///
/// Weakened: `latch/count.rs register_waker: self.local.take() => self.local.get()`
#[test]
fn an_opener_that_registers_and_spawns_waits_for_that_task() {
    loom::model(|| {
        let scope = Scope::new(2);
        scope.spawn_as_opener(0);
        let first = start(&scope, |scope| scope.run(0));
        let _ = scope.count().register_waker();
        scope.spawn_as_opener(1);
        let second = start(&scope, |scope| scope.run(1));
        scope.wait();
        first.join().unwrap();
        second.join().unwrap();
    });
}
