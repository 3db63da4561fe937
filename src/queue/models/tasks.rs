//! Models of the task queue: each task is run once, and a sleeper misses no task that is pushed or
//! moved.

use std::cell::Cell;
use std::ops::Range;

use loom::sync::Arc;

use super::start;
use crate::queue::{Injector, TaskQueue};
use crate::sync::{AtomicUsize, Ordering, fence, seq_cst_is_enough};

/// The queues of an owner and of a thief, tasks from outside, and the count of sleepers.
struct Tasks {
    queues: [TaskQueue<usize>; 2],
    injector: Injector<usize>,
    runs: [AtomicUsize; 4],
    sleepers: AtomicUsize,
}

const OWNER: usize = 0;
const THIEF: usize = 1;

// SAFETY: in each model each queue has one owner.
unsafe impl Sync for Tasks {}
// SAFETY: nothing in them depends on their thread.
unsafe impl Send for Tasks {}

impl Tasks {
    fn new(in_order: bool) -> Arc<Self> {
        Arc::new(Tasks {
            queues: [(); 2].map(|()| TaskQueue::new(false, in_order)),
            injector: Injector::default(),
            runs: [(); 4].map(|()| AtomicUsize::new(0)),
            sleepers: AtomicUsize::new(0),
        })
    }

    fn run(&self, task: usize) {
        assert_eq!(self.runs[task].fetch_add(1, Ordering::Relaxed), 0, "a task ran twice");
    }

    fn run_all(&self, me: usize) {
        while let Some(task) = self.queues[me].pop(|| ()) {
            self.run(task);
        }
    }

    fn assert_all_ran(&self, tasks: usize) {
        let ran = |runs: &AtomicUsize| runs.load(Ordering::Relaxed) == 1;
        assert!(self.runs[..tasks].iter().all(ran));
    }

    // ---- worker/publish.rs, worker/find.rs. A `bool` says whether a sleeper would be woken. -----

    fn push(&self, task: usize) -> bool {
        self.queues[OWNER].push(task);
        self.sees_sleepers()
    }

    fn push_all(&self, tasks: Range<usize>) {
        for task in tasks {
            let _ = self.push(task);
        }
    }

    fn publish(&self, me: usize) -> bool {
        self.queues[me].publish_moved();
        self.sees_sleepers()
    }

    fn sees_sleepers(&self) -> bool {
        seq_cst_is_enough();
        self.sleepers.load(Ordering::SeqCst) > 0
    }

    fn pop(&self) -> bool {
        let wakes = Cell::new(false);
        let _ = self.queues[OWNER].pop(|| wakes.set(self.publish(OWNER)));
        wakes.get()
    }

    fn steal_injected(&self) -> bool {
        let _ = self.queues[THIEF].steal_injected(&self.injector);
        self.publish(THIEF)
    }

    /// Goes to sleep unless it sees work. Returns whether it sleeps.
    fn sleep(&self) -> bool {
        self.sleepers.fetch_add(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        self.sees_no_task()
    }

    fn sees_no_task(&self) -> bool {
        self.injector.is_empty() && self.queues.iter().all(TaskQueue::is_empty)
    }
}

/// Fails when `change` stores without comparing, and when any of the buffer's orderings is Relaxed:
/// the load in `push`, the store and the compare-exchange in `take`, that in `change`.
///
/// Weakened: `queue/spawn_queue.rs change: self.len.compare_exchange(from, to, Ordering::SeqCst,
/// Ordering::Relaxed).is_ok() => self.len.swap(to, Ordering::SeqCst) == from`
#[test]
fn a_task_that_is_stolen_is_run_once() {
    loom::model(|| {
        let tasks = Tasks::new(false);
        let thief = start(&tasks, |tasks| {
            if let Some(task) = tasks.queues[THIEF].steal_from(&tasks.queues[OWNER], true, || false)
            {
                tasks.run(task);
            }
            tasks.run_all(THIEF);
        });
        tasks.push_all(0..3);
        tasks.run_all(OWNER);
        thief.join().unwrap();
        tasks.run_all(OWNER);
        tasks.assert_all_ran(3);
    });
}

/// The owner itself steals, after a thief has taken from its buffer.
///
/// Fails when `fill` loads the length with Relaxed.
///
/// Weakened: `queue/spawn_queue.rs fill: Ordering::Acquire => Ordering::Relaxed`
#[test]
fn a_buffer_that_was_emptied_is_filled_again() {
    loom::model(|| {
        let tasks = Tasks::new(false);
        tasks.push_all(0..1);
        // A batch of two, and one task.
        (1..4).for_each(|task| tasks.queues[THIEF].push(task));
        let thief = start(&tasks, |tasks| {
            if let Some(task) = tasks.queues[THIEF].steal_from(&tasks.queues[OWNER], true, || false)
            {
                tasks.run(task);
            }
        });
        let [own, other] = &tasks.queues;
        if let Some(task) = own.pop(|| ()).or_else(|| own.steal_from(other, true, || false)) {
            tasks.run(task);
        }
        thief.join().unwrap();
        tasks.run_all(OWNER);
        tasks.run_all(THIEF);
        tasks.assert_all_ran(4);
    });
}

/// Checks that a worker which goes to sleep beside `act` is woken by `act` or sees its task.
fn check_sleeper(before: fn(&Tasks), act: fn(&Tasks) -> bool) {
    check_sleeper_of(false, before, act);
}

fn check_sleeper_of(in_order: bool, before: fn(&Tasks), act: fn(&Tasks) -> bool) {
    loom::model(move || {
        let tasks = Tasks::new(in_order);
        before(&tasks);
        let sleeper = start(&tasks, Tasks::sleep);
        let wakes = act(&tasks);
        let sleeps = sleeper.join().unwrap();
        // By their owners, who do not need what a sleeper looks at.
        let none_is_left = || tasks.queues.iter().all(|queue| queue.pop(|| ()).is_none());
        assert!(!sleeps || wakes || tasks.injector.is_empty() && none_is_left());
    });
}

/// Fails when the sleeper's fence is left out.
///
/// Weakened: `queue/models/tasks.rs sleep: fence(Ordering::SeqCst); =>`
#[test]
fn a_task_that_is_pushed_and_a_sleeper_see_each_other() {
    check_sleeper(|_| (), |tasks| tasks.push(0));
}

/// Fails when the owner's fence is left out, or `uses_deques` is not set.
///
/// Weakened: `queue/models/tasks.rs sleep: fence(Ordering::SeqCst); =>`
/// Weakened: `queue/spawn_queue.rs push_slow: self.use_deques(); =>`
#[test]
fn a_task_that_is_pushed_in_order_and_a_sleeper_see_each_other() {
    check_sleeper_of(true, |_| (), |tasks| tasks.push(0));
}

/// Fails when the owner's fence after the last task is left out.
///
/// Weakened: `queue/models/tasks.rs sleep: fence(Ordering::SeqCst); =>`
#[test]
fn a_buffer_that_is_packed_and_a_sleeper_see_each_other() {
    check_sleeper(|tasks| tasks.push_all(0..2), |tasks| tasks.push(2));
}

/// Fails when `pop` does not call `moved`.
///
/// Weakened: `queue/spawn_queue.rs pop_batch: moved(); =>`
#[test]
fn a_batch_that_is_unpacked_and_a_sleeper_see_each_other() {
    let push_batch = |tasks: &Tasks| {
        tasks.push_all(0..3);
        let _ = tasks.pop();
    };
    check_sleeper(push_batch, Tasks::pop);
}

/// Another worker takes the task that the batch has left.
///
/// Fails when the thief does not publish what it has moved.
///
/// Weakened: `queue/models/tasks.rs steal_injected: self.publish(THIEF) => false`
/// Weakened: `queue/spawn_queue.rs steal_injected: self.use_deques(); =>`
#[test]
fn a_batch_from_outside_and_a_sleeper_see_each_other() {
    let inject = |tasks: &Tasks| (0..3).for_each(|task| tasks.injector.push(task));
    check_sleeper(inject, |tasks| {
        let wakes = tasks.steal_injected();
        let _ = tasks.injector.steal();
        wakes
    });
}
