//! Models of the state of a task.
#![allow(unsafe_code)]

use loom::sync::Arc;
use loom::thread;

use super::*;
use crate::sync::{Parker, UnsafeCell};

/// A task: its state, and counts of what happens to it.
struct Task {
    state: std::cell::UnsafeCell<TaskState>,
    runs: UnsafeCell<u32>,
    /// Whether a thread has taken or dropped the result.
    settled: UnsafeCell<bool>,
    frees: AtomicUsize,
    /// One for each registration: 1 while it is registered or owned.
    sleepers: [UnsafeCell<u32>; 3],
    registrations: AtomicUsize,
    parker: Parker,
    cancels: AtomicUsize,
    /// How often the entry told the home of the end of a cancelled task.
    ends: AtomicUsize,
}

// SAFETY: the model checker sees every access to the cells and to the state's word.
unsafe impl Sync for Task {}
// SAFETY: nothing in a task depends on its thread.
unsafe impl Send for Task {}

impl Task {
    fn new() -> Self {
        Task {
            state: TaskState::new().into(),
            runs: UnsafeCell::new(0),
            settled: UnsafeCell::new(false),
            frees: AtomicUsize::new(0),
            sleepers: std::array::from_fn(|_| UnsafeCell::new(0)),
            registrations: AtomicUsize::new(0),
            parker: Parker::default(),
            cancels: AtomicUsize::new(0),
            ends: AtomicUsize::new(0),
        }
    }

    fn assert_over(&self) {
        // SAFETY: both parties have gone.
        assert!(unsafe { *self.settled.get() }, "the result was not settled");
        assert_eq!(self.frees.load(Ordering::Relaxed), 1);
        for sleeper in &self.sleepers {
            // SAFETY: as above.
            assert_eq!(unsafe { *sleeper.get() }, 0, "a sleeper has leaked");
        }
        let [cancels, ends] = [&self.cancels, &self.ends].map(|it| it.load(Ordering::Relaxed));
        assert_eq!(cancels, ends, "the home is not told once of a cancelled task");
    }

    fn state(&self) -> &TaskState {
        // SAFETY: `free` comes after every use, which is what the models check.
        unsafe { &*self.state.get() }
    }

    fn run(&self) {
        // SAFETY: the caller claimed the task, or has no rival.
        unsafe { *self.runs.get() += 1 };
    }

    fn settle(&self) {
        // SAFETY: the task has run, and the result is the caller's.
        unsafe {
            assert_eq!(*self.runs.get(), 1, "the task has not run once");
            assert!(!std::mem::replace(&mut *self.settled.get(), true), "settled twice");
        }
    }

    /// To the model checker, an access that conflicts with any other beside it or after it.
    fn free(&self) {
        self.frees.fetch_add(1, Ordering::Relaxed);
        // SAFETY: both parties have gone.
        unsafe { &mut (*self.state.get()).0 }.with_mut(|_| ());
    }

    fn free_if(&self, last: bool) {
        if last {
            self.free();
        }
    }

    // ---- what `task/block.rs` does ----------------------------------------------------------

    fn execute(&self) {
        if self.state().is_detached_unclaimed() {
            self.run();
            self.settle();
            return self.free();
        }
        if !self.state().is_claimed() && self.state().claim() {
            self.run();
            match self.state().finish() {
                Done::Settle => {
                    self.settle();
                    return self.free();
                }
                Done::Wake(sleeper) => self.wake(sleeper),
                Done::Nothing => {}
            }
        } else if self.state().is_cancelled() {
            self.ends.fetch_add(1, Ordering::Relaxed);
        }
        self.free_if(self.state().leave_as_entry());
    }

    fn run_for_request(&self) {
        if self.state().claim() {
            self.run();
            if let Done::Wake(sleeper) = self.state().finish() {
                self.wake(sleeper);
            }
        }
    }

    fn wake(&self, sleeper: usize) {
        self.take_sleeper(sleeper);
        self.parker.unpark();
    }

    /// Makes a sleeper, and returns its address.
    fn make_sleeper(&self) -> usize {
        let number = self.registrations.fetch_add(1, Ordering::Relaxed);
        // SAFETY: it is not registered yet.
        unsafe { *self.sleepers[number].get() = 1 };
        (number + 1) * (FLAGS + 1)
    }

    fn take_sleeper(&self, sleeper: usize) {
        let sleeper = &self.sleepers[sleeper / (FLAGS + 1) - 1];
        // SAFETY: the caller owns the sleeper.
        assert_eq!(unsafe { std::mem::replace(&mut *sleeper.get(), 0) }, 1);
    }

    fn join_by_running(&self) {
        if self.state().claim() {
            self.run();
            self.take();
        } else {
            self.join_by_sleeping();
        }
    }

    fn join_by_sleeping(&self) {
        self.sleep();
        self.take();
    }

    /// Sleeps until the task is done.
    fn sleep(&self) {
        let sleeper = self.make_sleeper();
        if self.state().register_waker(sleeper) {
            while !self.state().is_done() {
                self.parker.park();
            }
        } else {
            self.take_sleeper(sleeper);
        }
    }

    /// Before it takes the result, it revokes the request, which waits for a thread that has
    /// it.
    fn join_by_sleeping_beside(&self, request: thread::JoinHandle<()>) {
        self.sleep();
        request.join().unwrap();
        self.take();
    }

    fn join_by_polling(&self) {
        while !self.state().is_done() {
            thread::yield_now();
        }
        self.take();
    }

    fn take(&self) {
        self.settle();
        self.free_if(self.state().leave_as_handle());
    }

    fn drop_handle(&self) {
        match self.state().detach() {
            Detached::Nothing => {}
            Detached::Withdraw(sleeper) => self.take_sleeper(sleeper),
            Detached::Settle => {
                self.settle();
                self.free_if(self.state().leave_as_handle());
            }
        }
    }

    /// Cancels the task. Returns whether it did; then the closure was dropped.
    fn cancel(&self) -> bool {
        let cancelled = !self.state().is_claimed() && self.state().cancel();
        if cancelled {
            // The drop of the closure counts as its run.
            self.run();
            if let Done::Wake(sleeper) = self.state().finish() {
                self.wake(sleeper);
            }
        }
        cancelled
    }

    fn cancel_and_take(&self) {
        if self.cancel() {
            assert!(self.state().is_done());
            self.take();
            self.cancels.fetch_add(1, Ordering::Relaxed);
        } else {
            self.join_by_polling();
        }
    }

    fn cancel_and_drop(&self) {
        let cancelled = self.cancel();
        self.cancels.fetch_add(usize::from(cancelled), Ordering::Relaxed);
        self.drop_handle();
    }

    /// One poll of a future. Returns whether the result is there.
    fn poll(&self) -> bool {
        if self.state().is_done() {
            return true;
        }
        if let Some(sleeper) = self.state().withdraw() {
            self.take_sleeper(sleeper);
        }
        let sleeper = self.make_sleeper();
        let asked = self.state().register_waker(sleeper);
        if !asked {
            self.take_sleeper(sleeper);
        }
        !asked
    }

    /// Polls twice, as an executor may, and then once for each wake-up.
    fn join_by_future(&self) {
        let mut ready = self.poll() || self.poll();
        while !ready {
            self.parker.park();
            ready = self.poll();
        }
        self.take();
    }

    fn poll_and_drop(&self) {
        match self.poll() {
            true => self.take(),
            false => self.drop_handle(),
        }
    }
}

/// Runs the entry on a worker, beside `handle` on the thread that has the handle.
fn check(handle: fn(&Task)) {
    loom::model(move || {
        let task = Arc::new(Task::new());
        let workers = task.clone();
        let worker = thread::spawn(move || workers.execute());
        handle(&task);
        worker.join().unwrap();
        task.assert_over();
    });
}

/// Weakened: `task/state.rs detach: Ordering::AcqRel => Ordering::Release`
#[test]
fn a_task_whose_handle_is_dropped_is_settled_and_freed_once() {
    check(Task::drop_handle);
}

/// Weakened: `task/state.rs claim: self.0.fetch_or(CLAIMED, Ordering::AcqRel) =>
/// self.0.load(Ordering::Acquire)`
#[test]
fn a_task_that_its_joiner_may_run_is_run_and_freed_once() {
    check(Task::join_by_running);
}

/// Weakened: `task/state.rs register_waker: Ordering::AcqRel => Ordering::Acquire`
#[test]
fn a_joiner_that_sleeps_is_woken() {
    check(Task::join_by_sleeping);
}

/// Weakened: `task/state.rs leave_as_entry: Ordering::AcqRel => Ordering::Relaxed`
#[test]
fn a_task_that_a_request_or_its_entry_runs_is_settled_once() {
    loom::model(|| {
        let task = Arc::new(Task::new());
        let (entry, request) = (task.clone(), task.clone());
        let entry = thread::spawn(move || entry.execute());
        let request = thread::spawn(move || request.run_for_request());
        task.join_by_sleeping_beside(request);
        entry.join().unwrap();
        task.assert_over();
    });
}

/// Weakened: `task/state.rs cancel: (state & CLAIMED == 0) =>
/// (state & 0_usize == 0)`
#[test]
fn a_task_that_is_cancelled_is_not_run() {
    check(Task::cancel_and_take);
}

/// Weakened: `task/state.rs is_detached_unclaimed: (DETACHED | CLAIMED) => DETACHED`
#[test]
fn a_task_that_is_cancelled_and_dropped_is_not_run() {
    check(Task::cancel_and_drop);
}

/// Weakened: `task/state.rs withdraw: FLAGS & !WAITING => !0_usize`
#[test]
fn a_future_that_is_polled_twice_is_woken() {
    check(Task::join_by_future);
}

/// Weakened: `task/state.rs detach: Detached::Withdraw(state & !FLAGS) => Detached::Nothing`
#[test]
fn a_future_that_is_dropped_leaves_no_waker() {
    check(Task::poll_and_drop);
}

/// Weakened: `task/state.rs finish: Ordering::AcqRel => Ordering::Acquire`
#[test]
fn a_joiner_that_polls_sees_the_result() {
    check(Task::join_by_polling);
}
