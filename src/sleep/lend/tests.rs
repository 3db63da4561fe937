//! Unit tests: a core that is lent, and a borrower that is woken.

use super::super::park::HAS_SHORT_TIMERS;
use super::*;
use crate::sleep::{Counts, Entered, GivenBack, Kind, SpareFor};

#[test]
fn a_core_stays_lent_when_its_borrower_is_woken() {
    let (sleep, own) = (Sleep::new(2), CoreThread::at_bottom(1, true));
    let idle = Kind::Idle(&own);
    assert!(sleep.announce(1, idle, false, true) == Entered::Announced);
    let was_sentry = if HAS_SHORT_TIMERS { Stopped::LookAgain } else { Stopped::Fine };
    assert!(sleep.lend().is_some_and(|lent| lent == (1, was_sentry)));
    assert!(sleep.announce(1, Kind::Blocked, false, true) == Entered::Announced);
    assert!(!sleep.leave(1, idle), "the worker's own thread leaves what it parked only");
    sleep.wake_one();
    assert!(!own.has_core(), "the worker's own thread would take it");
    sleep.announce_restricted(1, [None, None], true);
    assert!(sleep.leave_restricted(1) && !own.has_core());
    assert!(sleep.give_back(1, true) == GivenBack::Taken);
    assert!(sleep.state(1) == BUSY && own.has_core());
}

/// A thread borrows the core of a worker that looks around, hands it off, and wants it back,
/// all before the worker sees the loan. Then that worker passes it on.
#[test]
fn a_core_that_was_lent_and_given_back_is_its_searchers_still() {
    let (sleep, own) = (Sleep::new(1), CoreThread::at_bottom(0, true));
    assert!(sleep.start_searching());
    sleep.free_core(0);
    assert!(matches!(sleep.lend(), Some((0, Stopped::Fine))));
    assert!(sleep.has_spare(0, SpareFor::Waits));
    let borrower = CoreThread::in_wait(0, 0, true);
    let given = sleep.hand_off(&borrower, true, || false).unwrap();
    assert!(given == GivenBack::Parked && !sleep.is_lent(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            assert!(sleep.take_back(&borrower).is_none());
            sleep.wait_off_core(&borrower, || false);
        });
        while !sleep.is_wanted(0) {
            std::thread::yield_now();
        }
        assert!(!borrower.has_core(), "the searcher has it still");
        assert!(sleep.take_core(&own) && sleep.stop_searching() == Stopped::Fine);
        assert!(sleep.pass_on(&own));
    });
    assert!(borrower.has_core() && !own.has_core() && !sleep.is_wanted(0));
    assert_eq!(sleep.counts(), Counts(0));
}

/// The same, but the worker sees the loan while its core is lent, or after it was given back.
#[test]
fn a_searcher_whose_core_was_lent_has_it_back() {
    for sees_loan in [true, false] {
        let (sleep, own) = (Sleep::new(1), CoreThread::at_bottom(0, true));
        assert!(sleep.start_searching());
        sleep.free_core(0);
        assert!(sleep.lend().is_some());
        if sees_loan {
            assert!(!sleep.take_core(&own) && !own.has_core());
            assert!(sleep.stop_searching() == Stopped::Fine);
        }
        let given = sleep.give_back(0, true);
        assert!((given == GivenBack::Taken) == sees_loan && own.has_core());
        assert!(sees_loan || sleep.take_core(&own));
        assert_eq!((sleep.counts(), sleep.state(0)), (Counts(SEARCHER), BUSY));
    }
}
