//! Unit tests: a core that is lent, and a borrower that is woken.

use super::*;
use crate::sleep::{CoreThread, GivenBack, Kind};

#[test]
fn a_core_stays_lent_when_its_borrower_is_woken() {
    let (sleep, own) = (Sleep::new(2), CoreThread::at_bottom(1, true));
    let idle = Kind::Idle(&own);
    assert!(sleep.announce(1, idle, true));
    assert!(sleep.lend() == Some((1, Stopped::LookAgain)));
    assert!(sleep.announce(1, Kind::Blocked, true));
    assert!(!sleep.leave(1, idle), "the worker's own thread leaves what it parked only");
    sleep.wake_one();
    assert!(!own.has_core(), "the worker's own thread would take it");
    assert!(sleep.stop_searching(1) == Stopped::Fine);
    let restricted = Kind::Restricted { tags: [None, None], takes_cross_jobs: true };
    assert!(sleep.announce(1, restricted, true));
    assert!(sleep.leave(1, restricted) && !own.has_core());
    assert!(sleep.stop_searching(1) == Stopped::Fine);
    assert!(sleep.give_back(1, true) == GivenBack::Taken);
    assert!(sleep.state(1) == BUSY && own.has_core());
}

#[test]
fn the_core_of_a_worker_that_looks_around_is_not_lent() {
    let (sleep, own) = (Sleep::new(1), CoreThread::at_bottom(0, true));
    assert!(sleep.start_searching(0));
    sleep.set_looking(0, true);
    assert!(sleep.lend().is_none());
    assert!(sleep.announce(0, Kind::Idle(&own), false));
    assert!(sleep.lend() == Some((0, Stopped::Fine)));
}
