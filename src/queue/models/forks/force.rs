//! Models of thieves that take private forks by force, and of the last searcher, which imposes the
//! same fence.

use super::*;

/// Weakened: `queue/front.rs pop: light_fence(); =>`
#[test]
fn a_fork_that_is_taken_by_force_is_run_once() {
    loom::model(|| {
        let forks = Forks::new(3);
        let [a, b, c] = [0, 1, 2].map(|job| forks.fork(job));
        let thief = start(&forks, Forks::force_all);
        [c, b, a].into_iter().for_each(|fork| forks.end(fork));
        thief.join().unwrap();
        forks.assert_all_ran();
    });
}

/// Weakened: `queue/join_queue.rs be_busy: light_fence(); =>`
#[test]
fn a_fork_that_is_taken_by_force_and_flushed_is_run_once() {
    loom::model(|| {
        let forks = Forks::new(3);
        let [a, b] = [0, 1].map(|job| forks.fork(job));
        let thief = start(&forks, Forks::force_all);
        let c = forks.fork(2);
        let _ = forks.flush();
        [c, b, a].into_iter().for_each(|fork| forks.end(fork));
        thief.join().unwrap();
        forks.assert_all_ran();
    });
}

/// The fork reuses the slot of one that has ended, and nothing older is private.
///
/// Fails when `push` or `pop` stores `top`, or `force` loads it, with Relaxed.
///
/// Weakened: `queue/front.rs push: Ordering::Release => Ordering::Relaxed`
#[test]
fn a_fork_that_force_finds_at_once_is_run_once() {
    loom::model(|| {
        let forks = Forks::new(4);
        let [a, b] = [0, 1].map(|job| forks.fork(job));
        forks.end(b);
        let thief = start(&forks, Forks::force_all);
        let [c, d] = [2, 3].map(|job| forks.fork(job));
        [d, c, a].into_iter().for_each(|fork| forks.end(fork));
        thief.join().unwrap();
        forks.assert_all_ran();
    });
}

/// Weakened: `queue/thieves.rs force: forced.compare_exchange(0, 1, Ordering::Acquire,
/// Ordering::Relaxed).is_err() => forced.swap(1, Ordering::Acquire) == 2`
#[test]
fn two_thieves_that_use_force_get_a_fork_each() {
    loom::model(|| {
        let forks = Forks::new(3);
        let [a, b, c] = [0, 1, 2].map(|job| forks.fork(job));
        let thieves = [(); 2].map(|()| start(&forks, Forks::force_all));
        forks.end(c);
        thieves.into_iter().for_each(|thief| thief.join().unwrap());
        [b, a].into_iter().for_each(|fork| forks.end(fork));
        forks.assert_all_ran();
    });
}

/// Weakened: `queue/thieves.rs force: self.own.busy.load(Ordering::Acquire) == 0 => true`
#[test]
fn forks_in_the_fast_slot_after_one_that_is_taken_by_force_are_run_once() {
    loom::model(|| {
        let forks = Forks::new(4);
        let [a, b] = [0, 1].map(|job| forks.fork(job));
        forks.steal_one();
        let thief = start(&forks, Forks::force_all);
        let [c, d] = [2, 3].map(|job| forks.fork(job));
        [d, c, b, a].into_iter().for_each(|fork| forks.end(fork));
        thief.join().unwrap();
        forks.assert_all_ran();
    });
}

/// The owner's slow path begins before the thief closes the gate, and opens it again later. A yield
/// lets time pass without using up a preemption.
///
/// Fails when `force` does not read the gate after the fence.
///
/// Weakened: `queue/thieves.rs force: self.front.gate.is_closed() => true`
#[test]
fn a_gate_that_is_opened_again_keeps_force_out() {
    loom::model(|| {
        let forks = Forks::new(2);
        let thief = start(&forks, |forks| {
            let slow_fence = || {
                thread::yield_now();
                heavy_fence()
            };
            forks.queue.force(slow_fence, publish, Public::run);
        });
        let [a, b] = [0, 1].map(|job| forks.fork(job));
        thread::yield_now();
        [b, a].into_iter().for_each(|fork| forks.end(fork));
        thief.join().unwrap();
        forks.assert_all_ran();
    });
}

/// Fails when `force` writes `head` although it gives up.
///
/// Weakened: `queue/join_queue.rs be_busy: self.is_forced() => false`
#[test]
fn a_thief_that_is_kept_out_leaves_the_forks_as_they_are() {
    loom::model(|| {
        let forks = Forks::new(3);
        let [a, b, c] = [0, 1, 2].map(|job| forks.fork(job));
        let thief = start(&forks, Forks::force_all);
        let _ = forks.flush();
        [c, b, a].into_iter().for_each(|fork| forks.end(fork));
        thief.join().unwrap();
        // A job that was published, but that the owner found private, would still be in the deque.
        (0..3).for_each(|_| forks.steal_one());
        forks.assert_all_ran();
    });
}

/// The owner does nothing more. Its private fork is newer than one that is being stolen.
///
/// Fails when `took_one` does not close the gate and `sleep_as_last` does not look at private forks.
///
/// Weakened: `queue/thieves.rs hides_work: self.hidden() > 0 => false`
#[test]
fn a_fork_behind_a_stolen_one_is_not_hidden_from_the_last_sleeper() {
    loom::model(|| {
        let forks = Forks::new(2);
        let [_, b] = [0, 1].map(|job| forks.fork(job));
        let thief = start(&forks, Forks::steal_one);
        let sleeper = start(&forks, Forks::sleep_as_last);
        thief.join().unwrap();
        assert!(!sleeper.join().unwrap());
        forks.end(b);
    });
}

/// The same, but the owner forks while the older fork is being stolen.
///
/// Fails when `push` reads `limit` before it stores `top`.
///
/// Weakened: `queue/front.rs push: light_fence(); =>`
#[test]
fn a_fork_behind_one_that_is_being_stolen_is_not_hidden_from_the_last_sleeper() {
    loom::model(|| {
        let forks = Forks::new(2);
        let a = forks.fork(0);
        let thief = start(&forks, Forks::steal_one);
        let sleeper = start(&forks, Forks::sleep_as_last);
        let b = forks.fork(1);
        let asleep = sleeper.join().unwrap() && !a.wakes && !b.wakes;
        assert!(!asleep || !forks.queue.hides_work());
        thief.join().unwrap();
        [b, a].into_iter().for_each(|fork| forks.end(fork));
        forks.assert_all_ran();
    });
}

/// The same, but the other worker sleeps from the beginning, and the thief is no searcher.
///
/// Fails when the thief looks for private forks without the heavy fence.
///
/// Weakened: `queue/models/forks.rs steal_and_look: heavy_fence() => true`
#[test]
fn a_thief_sees_the_fork_behind_the_one_that_it_steals() {
    loom::model(|| {
        let forks = Forks::new(2);
        let a = forks.fork(0);
        forks.sleepers.store(1, Ordering::Relaxed);
        let thief = start(&forks, Forks::steal_and_look);
        let b = forks.fork(1);
        let is_woken = thief.join().unwrap() || b.wakes;
        assert!(is_woken || !forks.queue.is_empty() || !forks.queue.hides_work());
        [b, a].into_iter().for_each(|fork| forks.end(fork));
        forks.assert_all_ran();
    });
}

/// The thief finds the fork in the ring, before its owner moves it to the fast slot.
///
/// Fails when `clears_ring` has no fence.
///
/// Weakened: `queue/join_queue.rs clears_ring: !self.is_forced() => true`
#[test]
fn a_fork_that_force_finds_before_it_is_public_is_run_once() {
    loom::model(|| {
        let forks = Forks::new(2);
        let thief = start(&forks, Forks::force_all);
        let [a, b] = [0, 1].map(|job| forks.fork(job));
        [b, a].into_iter().for_each(|fork| forks.end(fork));
        thief.join().unwrap();
        forks.assert_all_ran();
    });
}
