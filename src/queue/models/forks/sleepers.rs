//! Models of publishers and sleepers: they do not miss each other.

use super::*;

/// Fails when the swap in `close` is Relaxed, or is a store.
///
/// Weakened: `queue/models/forks.rs sleep: fence(Ordering::SeqCst); =>`
#[test]
fn a_flush_and_a_sleeper_see_each_other() {
    loom::model(|| {
        let forks = Forks::new(2);
        let _ = forks.fork(0);
        let _ = forks.fork(1);
        let _ = forks.queue.pop_newest_public();
        let sleeper = start(&forks, Forks::sleep);
        let wakes = forks.flush();
        assert!(!sleeper.join().unwrap() || wakes);
    });
}

/// Fails when the swap in `open` is Relaxed, or is a store.
///
/// Weakened: `queue/models/forks.rs sleep: fence(Ordering::SeqCst); =>`
#[test]
fn an_older_fork_and_a_sleeper_see_each_other() {
    loom::model(|| {
        let forks = Forks::new(3);
        let _ = forks.fork(0);
        let _ = forks.fork(1);
        forks.steal_one();
        let sleeper = start(&forks, Forks::sleep);
        let c = forks.fork(2);
        assert!(!sleeper.join().unwrap() || c.wakes);
    });
}

/// Fails when the swap in `put` is Relaxed, or is a store, and when a sleeper does not read that
/// word.
///
/// Weakened: `queue/models/forks.rs sleep: fence(Ordering::SeqCst); =>`
#[test]
fn a_fork_in_the_fast_slot_and_a_sleeper_see_each_other() {
    loom::model(|| {
        let forks = Forks::new(1);
        let sleeper = start(&forks, Forks::sleep);
        let a = forks.fork(0);
        assert!(!sleeper.join().unwrap() || a.wakes);
    });
}

/// A worker goes to sleep while a fork opens the gate, and the only public job is stolen.
///
/// Fails when `took_one` does not close the gate.
///
/// Weakened: `queue/thieves.rs took_one: self.took_last() => false`
#[test]
fn the_next_fork_is_published_for_a_sleeper() {
    loom::model(|| {
        let forks = Forks::new(4);
        let _ = publish_in_the_deque(&forks);
        let thief = start(&forks, Forks::steal_one);
        let sleeper = start(&forks, Forks::sleep);
        let c = forks.fork(2);
        thief.join().unwrap();
        let asleep = sleeper.join().unwrap() && !c.wakes;
        assert!(!asleep || forks.fork(3).wakes);
    });
}

/// Fails when `close` leaves `floor` as it is.
///
/// Weakened: `queue/front.rs close: self.floor.store(CLOSED, Ordering::Relaxed); =>`
#[test]
fn the_next_end_of_a_fork_publishes_an_older_one_for_a_sleeper() {
    loom::model(|| {
        let forks = Forks::new(3);
        let a = forks.fork(0);
        let b = forks.fork(1);
        let c = forks.fork(2);
        assert!(!a.wakes && !b.wakes);
        forks.steal_one();
        let sleeper = start(&forks, Forks::sleep);
        let (popped, wakes) = forks.unfork(&c);
        assert_eq!(popped, Popped::Mine);
        assert!(!sleeper.join().unwrap() || wakes);
    });
}

/// Fails when `answer` opens the gate without a look at whether a job is public.
///
/// Weakened: `queue/join_queue.rs push_slow:
/// self.front.gate.fast.put(publish_job(job).into_pointer()); =>`
#[test]
fn the_fork_after_one_that_was_stolen_at_once_is_published() {
    loom::model(|| {
        let forks = Forks::new(2);
        let thief = start(&forks, Forks::steal_one);
        let _ = forks.fork(0);
        thief.join().unwrap();
        let _ = forks.fork(1);
        assert!(!forks.queue.is_empty());
    });
}

/// The second fork opens the gate.
///
/// Fails when `pop_slow` does not close it.
///
/// Weakened: `queue/join_queue.rs took_public_back: self.front.gate.shut(); =>`
#[test]
fn the_fork_after_one_that_was_taken_back_is_published() {
    loom::model(|| {
        let forks = Forks::new(3);
        let [a, b] = [0, 1].map(|job| forks.fork(job));
        [b, a].into_iter().for_each(|fork| forks.end(fork));
        let _ = forks.fork(2);
        assert!(!forks.queue.is_empty());
    });
}

/// A waiting owner runs its only public fork itself, while the gate is open.
///
/// Fails when `pop_newest_public` does not close it.
///
/// Weakened: `queue/join_queue.rs pop_newest_public: self.took_last() => false`
#[test]
fn the_fork_after_one_that_its_waiting_owner_ran_is_published() {
    loom::model(|| {
        let forks = Forks::new(3);
        let [a, b] = [0, 1].map(|job| forks.fork(job));
        forks.end(b);
        forks.queue.pop_newest_public().unwrap().run();
        let c = forks.fork(2);
        assert!(!forks.queue.is_empty());
        forks.end(c);
        let (popped, _) = forks.unfork(&a);
        assert_eq!(popped, Popped::Stolen);
        forks.assert_all_ran();
    });
}

/// A waiting owner takes the fork out of the fast slot, may not run it, and puts it back into the
/// deque.
///
/// Fails when `push_newest_public` does not close the gate.
///
/// Weakened: `queue/models/forks.rs sleep: fence(Ordering::SeqCst); =>`
#[test]
fn a_fork_in_the_fast_slot_that_is_put_back_and_a_sleeper_see_each_other() {
    loom::model(|| {
        let forks = Forks::new(1);
        let a = forks.fork(0);
        let sleeper = start(&forks, Forks::sleep);
        let job = forks.queue.pop_newest_public().unwrap();
        forks.queue.push_newest_public(job);
        let wakes = forks.sees_sleepers();
        assert!(!sleeper.join().unwrap() || wakes);
        forks.end(a);
        forks.assert_all_ran();
    });
}

/// A waiting owner has run its newest public job itself, and now ends that fork.
///
/// Fails when the owner does not wake a sleeper after it missed its job.
///
/// Weakened: `queue/models/forks.rs unfork: popped == Popped::Stolen => false`
#[test]
fn a_job_that_is_put_back_and_a_sleeper_see_each_other() {
    loom::model(|| {
        let forks = Forks::new(3);
        let [_, _, b] = [0, 1, 2].map(|job| forks.fork(job));
        // The one in the fast slot, which a sleeper would see.
        forks.steal_one();
        let _ = forks.flush();
        forks.queue.pop_newest_public().unwrap().run();
        let sleeper = start(&forks, Forks::sleep);
        let (popped, wakes) = forks.unfork(&b);
        assert_eq!(popped, Popped::Stolen);
        assert!(!sleeper.join().unwrap() || wakes);
    });
}

/// Two thieves take the last public jobs, one from the fast slot, one from the deque.
///
/// Fails when `took_last` is no more than `is_empty`.
///
/// Weakened: `queue/thieves.rs took_last: self.front.gate.fast.is_taken() =>
/// self.front.gate.fast.len() == 0`
#[test]
fn one_of_two_thieves_that_take_the_last_raises_demand() {
    loom::model(|| {
        let forks = Forks::new(5);
        // From now on the owner keeps two jobs public.
        let first = forks.fork(0);
        forks.steal_one();
        forks.end(first);
        let thieves = [(); 2].map(|()| start(&forks, Forks::steal_one));
        let pending = [1, 2, 3].map(|job| forks.fork(job));
        thieves.into_iter().for_each(|thief| thief.join().unwrap());
        let is_hidden = forks.queue.is_empty() && forks.queue.hides_work();
        let next = forks.fork(4);
        assert!(!is_hidden || !forks.queue.is_empty(), "no thief closed the gate");
        forks.end(next);
        pending.into_iter().rev().for_each(|fork| forks.end(fork));
        forks.assert_all_ran();
    });
}
