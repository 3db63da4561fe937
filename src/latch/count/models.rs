//! Models of counting a scope's tasks, for the model checker, to which a lost wake-up is a
//! deadlock. Most say what they were seen to fail for.
#![allow(unsafe_code)]

use loom::sync::Arc;
use loom::thread;

use super::TaskCount;
use crate::latch::{Wait, Waiter};
use crate::sync::{AtomicUsize, Ordering, Parker, UnsafeCell};

/// A scope: its count, what its tasks write, and what its opener parks on, which outlives it.
struct Scope {
    count: std::cell::UnsafeCell<TaskCount>,
    data: Vec<UnsafeCell<u32>>,
    /// Whether a task is queued, by its number.
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
            count: TaskCount::new().into(),
            data: (0..tasks).map(|_| UnsafeCell::new(0)).collect(),
            queue: (0..tasks).map(|_| AtomicUsize::new(0)).collect(),
            parker: Parker::new(),
            wakes: AtomicUsize::new(0),
        })
    }

    fn count(&self) -> &TaskCount {
        // SAFETY: it is freed when nobody uses it any more, which is what is checked.
        unsafe { &*self.count.get() }
    }

    // ---- what scope.rs does -------------------------------------------------------------------

    fn spawn_as_opener(&self, task: usize) {
        self.count().add_local();
        // A swap, since the model checker does not order a store and a swap.
        self.queue[task].swap(1, Ordering::AcqRel);
    }

    fn spawn(&self, task: usize) {
        self.count().add_remote();
        // A swap, since the model checker does not order a store and a swap.
        self.queue[task].swap(1, Ordering::AcqRel);
    }

    /// Takes a task from the queue, if it is there, and does its work.
    fn take(&self, task: usize) -> bool {
        let taken = self.queue[task].swap(0, Ordering::AcqRel) == 1;
        if taken {
            // SAFETY: this is the task, and the opener looks at it when it has ended.
            unsafe { *self.data[task].get() += 1 };
        }
        taken
    }

    fn end(&self) {
        // SAFETY: the task that ends was counted.
        if unsafe { TaskCount::end_remote(self.count.get()) } == Waiter::Asleep {
            self.wakes.fetch_add(1, Ordering::Relaxed);
            self.parker.unpark();
        }
    }

    /// Runs a task on a worker that is not the opener, if it is there.
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

    /// The opener's wait, in which it sleeps.
    fn wait(&self) {
        while !self.count().done() {
            if self.count().ask_wake() {
                self.parker.park();
            }
        }
        self.leave();
    }

    /// The opener's wait, in which it only looks.
    fn poll(&self) {
        while !self.count().done() {
            thread::yield_now();
        }
        self.leave();
    }

    /// The wait of an opener that is no worker: told that the scope is over, it does not look
    /// again.
    fn wait_outside(&self) {
        if self.count().ask_wake() {
            self.parker.park();
        }
        self.leave();
    }

    /// The scope is over: all tasks have run once, and nobody touches the count any more.
    fn leave(&self) {
        for data in &self.data {
            // SAFETY: the task has ended.
            assert_eq!(unsafe { *data.get() }, 1);
        }
        // What the end of the scope is to the model checker: an access that suffers no other
        // beside it or after it.
        // SAFETY: as above.
        unsafe { &mut (*self.count.get()).remote }.with_mut(|_| ());
    }
}

/// Starts a worker that is not the opener.
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

/// Fails when `ask_wake` does not look at what it found beside `WAITING`, or does not move
/// `local`, and when `end_remote` touches the count again or is not Release.
///
/// Weakened: `latch/count.rs ask_wake: waiting >> 1 != 0 => true`
#[test]
fn the_last_task_wakes_an_opener_that_sleeps() {
    check_two_ends(Scope::wait, |wakes| assert!(wakes <= 1));
}

/// Fails when `done` is not Acquire, and when `end_remote` always wakes.
///
/// Weakened: `latch/count.rs done: Ordering::Acquire => Ordering::Relaxed`
#[test]
fn an_opener_that_looks_sees_all_that_the_tasks_did_and_is_not_woken() {
    check_two_ends(Scope::poll, |wakes| assert_eq!(wakes, 0));
}

/// Fails when `end_remote` is not Acquire, and when either step of `ask_wake` is not.
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

/// Each of two tasks spawns one, which whoever comes first runs.
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
fn tasks_that_spawn_are_waited_for_by_an_opener_that_looks() {
    spawn_from_tasks(Scope::poll);
}

/// The opener runs what others spawned, and others what it spawned: both parts are in use, and
/// negative at times.
///
/// Fails when `done` leaves out `local`, and when `ask_wake` adds it without taking it.
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
        // Whoever ran task 0 spawns this one, for the opener.
        while scope.queue[1].load(Ordering::Relaxed) == 0 {
            thread::yield_now();
        }
        scope.run_as_opener(1);
        scope.wait();
        worker.join().unwrap();
    });
}

/// An opener that has asked to be woken is woken for something else, and spawns once more.
///
/// Fails when `ask_wake` leaves `local` where it is, and when it is false as soon as `WAITING` is
/// set.
///
/// Weakened: `latch/count.rs ask_wake: self.local.take() => self.local.get()`
#[test]
fn an_opener_that_spawns_after_it_has_asked_waits_for_that_too() {
    loom::model(|| {
        let scope = Scope::new(2);
        scope.spawn_as_opener(0);
        let first = start(&scope, |scope| scope.run(0));
        let _ = scope.count().ask_wake();
        scope.spawn_as_opener(1);
        let second = start(&scope, |scope| scope.run(1));
        scope.wait();
        first.join().unwrap();
        second.join().unwrap();
    });
}
