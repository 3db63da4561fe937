//! Threads that are *away*: they wait without the seat in which they act, so that another acts in
//! it meanwhile, and have it back when their wait is over, or when nothing is left for which they
//! left it.
//!
//! A thread that goes away may have frames on its stack that go on when it is back: so it claims
//! that very seat. It borrows it from then on (`LENT`); the seat's own thread is another, if it was
//! the own one that went.
//!
//! **Who claims a seat gets it**, as soon as nobody acts in it, or who does comes to the end of
//! a job, or to a wait:
//! - a seat that is `PARKED` or `FREE` when it is claimed is lent at once;
//! - any other has its count of claims raised, and is woken if it sleeps in a wait. Its holder gives
//!   it to the first who claims it when it parks, gives it back or goes away, which are under the
//!   same lock; between two jobs; and, by going away itself, when it looks at the count in a wait.
//!   Before it sleeps in one it looks after its announcement, which is under the lock, too.
//!
//! So no seat is parked that somebody claims, and no holder sleeps on one.
//!
//! **Who left a seat for guests has it back** from who comes to the bottom of its stack there and
//! finds none: that one hands the seat over, to one who claims it, else to one that waits
//! elsewhere. So no thread of the pool's begins a job of its own there. But where a thread is away
//! that waits for its own pool, any job may be what it waits for (`worker/wait.rs`): then only
//! claims count.
//!
//! **No wake-up is lost.** Who goes away has asked its wait's setter to wake the worker; it notes
//! itself in the list before it probes the wait, and the setter, who takes the list's lock, wakes it.
//!
//! A seat that somebody is away from is not lent to threads from outside: they are at their own code
//! between what they wait for, and would keep it.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{ASIDE, BLOCKED, FREE, GivenBack, LENT, List, PARKED, Sleep, Stopped};
use crate::sync::{AtomicU32, Ordering, Parker, fence};

/// A thread that is away from its seat.
pub(crate) struct Absentee {
    seat: usize,
    /// The address of what it waits for.
    wait: usize,
    /// Whether that is something of this pool.
    is_local: bool,
    /// Whether it has the seat again.
    is_back: AtomicU32,
    parker: Parker,
}

impl Absentee {
    fn has_seat(&self) -> bool {
        // Acquire: matches the Release in `seat_absentee`: what was done in the seat is visible.
        self.is_back.load(Ordering::Acquire) != 0
    }
}

/// The threads that are away from their seats.
#[derive(Default)]
pub(super) struct Away {
    /// Those that wait for something.
    waiting: Vec<Arc<Absentee>>,
    /// Those that claim their seats, the first one first.
    claims: VecDeque<Arc<Absentee>>,
}

impl Away {
    /// Wakes who waits away from `seat` for what was at the address `wait`.
    pub(super) fn wake(&self, seat: usize, wait: usize) {
        let is_meant = |it: &&Arc<Absentee>| it.seat == seat && it.wait == wait;
        self.waiting.iter().filter(is_meant).for_each(|absentee| absentee.parker.unpark());
    }

    /// Whether somebody is away from `seat`.
    pub(super) fn is_left(&self, seat: usize) -> bool {
        self.waiting.iter().chain(&self.claims).any(|absentee| absentee.seat == seat)
    }

    /// Takes out who waits away from `seat`, the last that went.
    fn next_waiting(&mut self, seat: usize) -> Option<Arc<Absentee>> {
        let at = self.waiting.iter().rposition(|absentee| absentee.seat == seat)?;
        Some(self.waiting.remove(at))
    }

    /// Takes out the first that claims `seat`.
    fn next_claim(&mut self, seat: usize) -> Option<Arc<Absentee>> {
        let at = self.claims.iter().position(|absentee| absentee.seat == seat)?;
        self.claims.remove(at)
    }
}

impl Sleep {
    /// Whether somebody claims the seat. (A glance: claims are made under the list's lock.)
    #[inline]
    pub(crate) fn is_claimed(&self, seat: usize) -> bool {
        self.seats[seat].claims.load(Ordering::Relaxed) > 0
    }

    /// Makes the holder of a `BUSY` seat, its own thread, its borrower: another thread is to be the
    /// seat's own.
    pub(crate) fn leave_home(&self, seat: usize) {
        let _list = self.list();
        self.lend_seat(seat);
    }

    /// Undoes `leave_home`: there is no other thread.
    pub(crate) fn stay_home(&self, seat: usize) {
        let _list = self.list();
        self.seats[seat].awake.store(super::BUSY, Ordering::Relaxed);
        self.set_state(seat, super::BUSY);
    }

    /// Gives up a lent seat to who claims it, else to its own thread, to have it back later.
    /// `wait`: see `wake_blocked`; `is_local`: whether that is something of this pool, which is not
    /// there yet.
    pub(crate) fn go_away(
        &self,
        seat: usize,
        wait: usize,
        is_local: bool,
        work_left: bool,
    ) -> (Arc<Absentee>, GivenBack) {
        let (is_back, parker) = (AtomicU32::new(0), Parker::new());
        let absentee = Arc::new(Absentee { seat, wait, is_local, is_back, parker });
        let mut list = self.list();
        list.away.waiting.push(absentee.clone());
        self.local_away.fetch_add(is_local.into(), Ordering::Relaxed);
        let given = match self.grant(&mut list, seat) {
            true => GivenBack::Taken,
            false => self.give_back_in(&mut list, seat, work_left),
        };
        drop(list);
        // As in `announce`.
        fence(Ordering::SeqCst);
        (absentee, given)
    }

    /// Sleeps away from the seat until `done`, or until it was handed over.
    pub(crate) fn wait_away(&self, absentee: &Absentee, done: impl Fn() -> bool) {
        while !absentee.has_seat() && !done() {
            absentee.parker.park();
        }
    }

    /// Claims the seat, unless it was handed over, and sleeps until the caller has it, `LENT`. If
    /// it was parked, the caller has to go through the fence of `unparked`.
    pub(crate) fn come_back(&self, absentee: &Arc<Absentee>) -> Stopped {
        let seat = absentee.seat;
        let mut list = self.list();
        if absentee.has_seat() {
            return Stopped::Fine;
        }
        list.away.waiting.retain(|other| !Arc::ptr_eq(other, absentee));
        self.local_away.fetch_sub(absentee.is_local.into(), Ordering::Relaxed);
        if let Some(at) = self.parked_at(&list, seat) {
            return self.lend_parked(&mut list, at);
        }
        if self.swap_state(seat, FREE, LENT) {
            self.lend_seat(seat);
            return Stopped::Fine;
        }
        list.away.claims.push_back(absentee.clone());
        self.seats[seat].claims.fetch_add(1, Ordering::Relaxed);
        if matches!(self.state(seat), BLOCKED | ASIDE) {
            self.unlist(&mut list, seat).unpark();
        }
        drop(list);
        while !absentee.has_seat() {
            absentee.parker.park();
        }
        Stopped::Fine
    }

    fn parked_at(&self, list: &List, seat: usize) -> Option<usize> {
        let is_parked = self.state(seat) == PARKED;
        list.parked.iter().position(|&s| s == seat).filter(|_| is_parked)
    }

    /// Gives a `BUSY` seat, which was seen to be claimed, to the first who does so. Its thread then
    /// sleeps (`wait_for_seat`).
    pub(crate) fn pass_on(&self, seat: usize) {
        let granted = self.grant(&mut self.list(), seat);
        debug_assert!(granted, "claims stand until the seat's holder grants them");
    }

    /// Gives a seat that the caller holds to the first who claims it. `false`: nobody does.
    #[must_use]
    pub(super) fn grant(&self, list: &mut List, seat: usize) -> bool {
        let Some(absentee) = list.away.next_claim(seat) else { return false };
        self.seats[seat].claims.fetch_sub(1, Ordering::Relaxed);
        self.seat_absentee(&absentee);
        true
    }

    /// Gives a seat that the caller holds, at the bottom of its stack, to a thread that is away
    /// from it: to the first who claims it, else to one that waits elsewhere, unless some wait for
    /// this pool, which then goes on. `false`: there is none.
    #[must_use]
    pub(crate) fn hand_over(&self, seat: usize) -> bool {
        self.grant_any(&mut self.list(), seat)
    }

    pub(super) fn grant_any(&self, list: &mut List, seat: usize) -> bool {
        if self.grant(list, seat) {
            return true;
        }
        let absentee = if self.some_wait_away() { None } else { list.away.next_waiting(seat) };
        absentee.inspect(|absentee| self.seat_absentee(absentee)).is_some()
    }

    #[cfg(all(test, loom))]
    pub(super) fn is_left(&self, seat: usize) -> bool {
        self.list().away.is_left(seat)
    }

    fn seat_absentee(&self, absentee: &Absentee) {
        self.lend_seat(absentee.seat);
        // Release: matches the Acquire in `has_seat`.
        absentee.is_back.store(1, Ordering::Release);
        absentee.parker.unpark();
    }
}
