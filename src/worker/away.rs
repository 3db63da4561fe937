//! Waits away from the seat (`sleep/away.rs`): where a wait must not have a guest run on top of it,
//! another thread takes the seat over for that.
#![deny(unsafe_code)]

use std::ptr;

use super::Worker;
use super::nest::Nest;
use crate::dump::Awaited;
use crate::job::NO_ROOT;
use crate::latch::Wait;
use crate::queue::until_sure;
use crate::sleep::GivenBack;
use crate::sync::Ordering;

impl Worker {
    /// Waits while another thread acts in this seat: one that is away from it and claims it, where
    /// the caller `makes_way`; else a spare one, for work that is in sight. `false`: there is no
    /// such thread, nor may or could one be started. The caller is no searcher.
    pub(super) fn wait_away(&self, wait: &impl Wait, makes_way: bool) -> bool {
        if !makes_way && !self.registry().may_leave_seats() {
            return false;
        }
        wait.leave_seat();
        if !wait.ask_wake() {
            return true;
        }
        // A borrower's seat has a thread of its own.
        if !self.is_lent() && !self.registry().call_stand_in(self.index) {
            return false;
        }
        self.hand_on_forks();
        let stack = self.leave_stack();
        self.count_away(1);
        let is_local = !wait.is_elsewhere() && !wait.done();
        let work_left = !makes_way || self.has_own_work();
        let (absentee, given) =
            self.sleep().go_away(self.index, wait.address(), is_local, work_left);
        self.look_after(given);
        self.sleep().wait_away(&absentee, || wait.done());
        let stopped = self.sleep().come_back(&absentee);
        self.unparked();
        self.count_away(u32::MAX);
        self.enter_stack(stack);
        self.look_again(stopped);
        true
    }

    /// Whether this thread may leave its seat: not where waits are served by their own descendants
    /// only, nor on a thread of the user's outside of any job, whose seat it is.
    pub(super) fn may_leave(&self) -> bool {
        !self.waits_for_own_work() && (self.is_lent() || self.jobs_on_stack() > 0)
    }

    /// Lets those who claim this seat have it for a while.
    pub(super) fn make_way(&self) {
        if self.is_claimed() && self.may_leave() {
            self.flush_forks();
            self.wait_away(&Nothing, true);
        }
    }

    /// Whether threads are away from this seat that wait for other pools only: then who comes to
    /// the bottom of its stack begins what they are asked for, and nothing else of this pool.
    pub(super) fn serves_absentees(&self) -> bool {
        self.threads_away() > 0 && !self.sleep().some_wait_away()
    }

    /// Gives up the seat to one of them. `false`: the pool has ended.
    #[cold]
    pub(super) fn hand_over(&self, searching: &mut bool) -> bool {
        if std::mem::take(searching) {
            self.stop_searching();
        }
        if !self.sleep().hand_over(self.index) {
            return true;
        }
        *searching = true;
        self.go_home()
    }

    /// Whether somebody who is away claims this seat. (The count of the worker's own is at hand.)
    #[inline]
    pub(super) fn is_claimed(&self) -> bool {
        self.threads_away() > 0 && self.sleep().is_claimed(self.index)
    }

    pub(super) fn is_lent(&self) -> bool {
        self.sleep().is_lent(self.index)
    }

    /// Gives back a lent seat.
    pub(crate) fn give_back(&self) {
        let given = self.sleep().give_back(self.index, self.has_own_work());
        self.look_after(given);
    }

    /// What is to be done by who has given up the seat.
    fn look_after(&self, given: GivenBack) {
        if given == GivenBack::Taken {
            return;
        }
        if self.has_own_work() {
            // Mail came in between, and whoever sent it found the seat lent.
            self.sleep().wake_for_mail(self.index);
        }
        if self.announce_and_look() && !self.sleep().counts().somebody_looks() {
            self.sleep().wake_one();
        }
    }

    /// Leaves the forks of this stack, all of them public, to others: the deque is the seat's, and who
    /// acts there next finds none but its own.
    fn hand_on_forks(&self) {
        while let Some(job) = until_sure(|| self.forks.steal()) {
            self.registry().hand_on(job);
        }
    }

    fn count_away(&self, change: u32) {
        let away = self.away.load(Ordering::Relaxed).wrapping_add(change);
        self.away.store(away, Ordering::Relaxed);
        self.forks.keep_slots(away > 0);
    }

    /// Takes from the seat what tells of the stack that acts there.
    fn leave_stack(&self) -> Stack {
        let stack = Stack {
            jobs: self.jobs.load(Ordering::Relaxed),
            waits_for: self.waits_for.load(Ordering::Relaxed),
            root: self.root(),
            nest: self.nest.take(),
            visit: self.visit.get(),
        };
        let (nest, visit) = (Nest::default(), ptr::null());
        self.enter_stack(Stack { jobs: 0, waits_for: 0, root: NO_ROOT, nest, visit });
        stack
    }

    fn enter_stack(&self, stack: Stack) {
        self.jobs.store(stack.jobs, Ordering::Relaxed);
        self.waits_for.store(stack.waits_for, Ordering::Relaxed);
        self.leave_root(stack.root);
        self.nest.put(stack.nest);
        self.visit.set(stack.visit);
    }
}

struct Stack {
    jobs: u32,
    waits_for: u32,
    root: usize,
    nest: Nest,
    visit: *const (),
}

/// A wait that is over.
struct Nothing;

impl Wait for Nothing {
    fn done(&self) -> bool {
        true
    }

    fn ask_wake(&self) -> bool {
        true
    }

    fn what(&self) -> Awaited {
        Awaited::Elsewhere
    }
}
