//! The state of a spawned task: who runs it, who takes its result, who frees its block.
//!
//! Its two parties, the entry and the handle, are those of `task/mod.rs`, where the rules stand
//! that this keeps. All of it is in one word: flags, and above them, with `WAITING`, the address of
//! whom to wake. A party that says that it is through does not touch the state again.

use crate::sync::{AtomicUsize, Ordering};

/// Somebody runs the task, or has run it. Never cleared; set by the one who may run it.
const CLAIMED: usize = 1;
/// The result is there. Set by the worker that ran the task for the entry.
const DONE: usize = 2;
/// The handle's owner sleeps until `DONE`; the rest of the word is the address of whom to wake,
/// which is then the worker's that sets `DONE`. Set by the handle, at most once.
const WAITING: usize = 4;
/// The handle was dropped. Set by the handle; where that comes before `DONE`, the handle is
/// through with the block by it, and the result is the entry's to settle.
const DETACHED: usize = 8;
/// The entry is through with the block.
const ENTRY_GONE: usize = 16;
/// The handle is through with the block, having taken or settled the result.
const HANDLE_GONE: usize = 32;
const FLAGS: usize = 63;

/// What an address must be a multiple of, to stand above the flags.
pub(crate) const ALIGN: usize = FLAGS + 1;

/// Who is there when a task is done.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Done {
    /// The handle, which will see it.
    Handle,
    /// The handle, which sleeps: who is at this address, now the caller's, has to be woken.
    Sleeper(usize),
    /// Nobody: result and block are the caller's.
    Nobody,
}

/// The word.
pub(crate) struct TaskState(AtomicUsize);

impl TaskState {
    #[inline]
    pub(crate) fn new() -> Self {
        TaskState(AtomicUsize::new(0))
    }

    /// For the entry: whether the handle was dropped. If so, task and block are the caller's.
    #[inline]
    pub(crate) fn is_detached(&self) -> bool {
        // Acquire: matches the Release in `detach`.
        self.0.load(Ordering::Acquire) & DETACHED != 0
    }

    /// Whether a claim would come too late; if not, it still may.
    #[inline]
    pub(crate) fn is_claimed(&self) -> bool {
        self.0.load(Ordering::Relaxed) & CLAIMED != 0
    }

    /// Whether the caller is to run the task.
    #[must_use]
    #[inline]
    pub(crate) fn claim(&self) -> bool {
        // AcqRel: one of entry and handle is first; the second sees what the first did.
        self.0.fetch_or(CLAIMED, Ordering::AcqRel) & CLAIMED == 0
    }

    /// For the handle: whether the result is there, when it did not run the task itself.
    #[inline]
    pub(crate) fn is_done(&self) -> bool {
        // Acquire: matches the Release in `finish`.
        self.0.load(Ordering::Acquire) & DONE != 0
    }

    /// For the entry: the result is there.
    #[inline]
    pub(crate) fn finish(&self) -> Done {
        // Release: publishes the result. Acquire: matches the handle's Releases.
        let state = self.0.fetch_or(DONE, Ordering::AcqRel);
        if state & DETACHED != 0 {
            Done::Nobody
        } else if state & WAITING != 0 {
            Done::Sleeper(state & !FLAGS)
        } else {
            Done::Handle
        }
    }

    /// For the handle: gives away whom to wake when the task is done. `false`: it is done, and the
    /// address is the caller's again.
    #[must_use]
    pub(crate) fn ask_wake(&self, sleeper: usize) -> bool {
        debug_assert_eq!(sleeper & FLAGS, 0);
        // Release: publishes the sleeper. Acquire: matches the Release in `finish`.
        self.0.fetch_or(sleeper | WAITING, Ordering::AcqRel) & DONE == 0
    }

    /// The handle is dropped. `true`: the result came before that, and is the handle's to settle;
    /// else the handle is through.
    #[must_use]
    #[inline]
    pub(crate) fn detach(&self) -> bool {
        // AcqRel: one of this and `finish` is first; the second settles the result.
        self.0.fetch_or(DETACHED, Ordering::AcqRel) & DONE != 0
    }

    /// The entry is through. `true`: so is the handle, and the caller has to free the block.
    #[must_use]
    #[inline]
    pub(crate) fn leave_as_entry(&self) -> bool {
        // AcqRel: the last to go sees all that the other did.
        self.0.fetch_or(ENTRY_GONE, Ordering::AcqRel) & HANDLE_GONE != 0
    }

    /// The same for the handle.
    #[must_use]
    #[inline]
    pub(crate) fn leave_as_handle(&self) -> bool {
        // AcqRel: as in `leave_as_entry`.
        self.0.fetch_or(HANDLE_GONE, Ordering::AcqRel) & ENTRY_GONE != 0
    }

    /// Whether the task was run by its joiner, who is through with it. Whoever runs the shell
    /// acquires.
    #[inline]
    pub(crate) fn is_shell(&self) -> bool {
        self.0.load(Ordering::Relaxed) & HANDLE_GONE != 0
    }
}

#[cfg(all(test, loom))]
#[allow(unsafe_code)]
mod models {
    use loom::sync::Arc;
    use loom::thread;

    use super::*;
    use crate::sync::{Parker, UnsafeCell};

    /// A task: its block, and what happens to what is in it.
    struct Task {
        state: std::cell::UnsafeCell<TaskState>,
        runs: UnsafeCell<u32>,
        /// Whether whoever took or dropped the result found it.
        settled: UnsafeCell<bool>,
        frees: AtomicUsize,
        /// What the handle's owner gives away.
        sleeper: UnsafeCell<u32>,
        parker: Parker,
    }

    // SAFETY: the model checker sees every access to the cells and to the state's word.
    unsafe impl Sync for Task {}
    // SAFETY: nothing in a task depends on its thread.
    unsafe impl Send for Task {}

    const SLEEPER: usize = ALIGN;

    impl Task {
        fn new() -> Self {
            Task {
                state: TaskState::new().into(),
                runs: UnsafeCell::new(0),
                settled: UnsafeCell::new(false),
                frees: AtomicUsize::new(0),
                sleeper: UnsafeCell::new(0),
                parker: Parker::new(),
            }
        }

        fn is_through(&self) {
            // SAFETY: both parties are through.
            assert!(unsafe { *self.settled.get() }, "nobody settled the result");
            assert_eq!(self.frees.load(Ordering::Relaxed), 1);
            // SAFETY: as above.
            assert_eq!(unsafe { *self.sleeper.get() }, 0, "nobody took the sleeper");
        }

        fn state(&self) -> &TaskState {
            // SAFETY: it is freed when nobody uses it any more, which is what is checked.
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

        /// To the model checker, an access that suffers no other beside it or after it.
        fn free(&self) {
            self.frees.fetch_add(1, Ordering::Relaxed);
            // SAFETY: nobody uses the block any more.
            unsafe { &mut (*self.state.get()).0 }.with_mut(|_| ());
        }

        fn free_if(&self, last: bool) {
            if last {
                self.free();
            }
        }

        // ---- what `task/mod.rs` does ------------------------------------------------------------

        fn execute(&self) {
            if self.state().is_detached() {
                self.run();
                self.settle();
                return self.free();
            }
            if !self.state().is_claimed() && self.state().claim() {
                self.run();
                match self.state().finish() {
                    Done::Nobody => {
                        self.settle();
                        return self.free();
                    }
                    Done::Sleeper(sleeper) => self.wake(sleeper),
                    Done::Handle => {}
                }
            }
            self.free_if(self.state().leave_as_entry());
        }

        fn run_for_ticket(&self) {
            if self.state().claim() {
                self.run();
                if let Done::Sleeper(sleeper) = self.state().finish() {
                    self.wake(sleeper);
                }
            }
        }

        fn wake(&self, sleeper: usize) {
            assert_eq!(sleeper, SLEEPER);
            self.take_sleeper();
            self.parker.unpark();
        }

        fn take_sleeper(&self) {
            // SAFETY: the sleeper is the caller's.
            assert_eq!(unsafe { std::mem::replace(&mut *self.sleeper.get(), 0) }, 1);
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
            // SAFETY: nobody else has the sleeper yet.
            unsafe { *self.sleeper.get() = 1 };
            if self.state().ask_wake(SLEEPER) {
                while !self.state().is_done() {
                    self.parker.park();
                }
            } else {
                self.take_sleeper();
            }
        }

        /// Revokes the ticket, which waits for who has it, before it takes the result.
        fn join_by_sleeping_beside(&self, ticket: thread::JoinHandle<()>) {
            self.sleep();
            ticket.join().unwrap();
            self.take();
        }

        fn join_by_looking(&self) {
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
            if self.state().detach() {
                self.settle();
                self.free_if(self.state().leave_as_handle());
            }
        }
    }

    /// Runs the entry on a worker, beside what becomes of the handle.
    fn check(handle: fn(&Task)) {
        loom::model(move || {
            let task = Arc::new(Task::new());
            let workers = task.clone();
            let worker = thread::spawn(move || workers.execute());
            handle(&task);
            worker.join().unwrap();
            task.is_through();
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

    /// Weakened: `task/state.rs ask_wake: Ordering::AcqRel => Ordering::Acquire`
    #[test]
    fn a_joiner_that_sleeps_is_woken() {
        check(Task::join_by_sleeping);
    }

    /// The ticket is there as long as the joiner waits.
    ///
    /// Weakened: `task/state.rs leave_as_entry: Ordering::AcqRel => Ordering::Relaxed`
    #[test]
    fn a_task_that_a_ticket_or_its_entry_runs_is_settled_once() {
        loom::model(|| {
            let task = Arc::new(Task::new());
            let (entry, ticket) = (task.clone(), task.clone());
            let entry = thread::spawn(move || entry.execute());
            let ticket = thread::spawn(move || ticket.run_for_ticket());
            task.join_by_sleeping_beside(ticket);
            entry.join().unwrap();
            task.is_through();
        });
    }

    /// Weakened: `task/state.rs finish: Ordering::AcqRel => Ordering::Acquire`
    #[test]
    fn a_joiner_that_looks_sees_the_result() {
        check(Task::join_by_looking);
    }
}
