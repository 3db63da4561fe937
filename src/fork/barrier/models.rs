//! Loom models of a barrier.

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

use super::{Barrier, Phase};
use crate::sync::{Parker, Unparker};

/// The barrier of a gang, and a value of each member.
struct Gang {
    barrier: Barrier<Unparker>,
    values: Vec<UnsafeCell<u32>>,
}

// SAFETY: the model checker sees every access to the values.
#[allow(unsafe_code)]
unsafe impl Sync for Gang {}
// SAFETY: as above.
#[allow(unsafe_code)]
unsafe impl Send for Gang {}

impl Gang {
    /// Waits for a barrier, as `Member::barrier` does, but sleeps at once. Returns whether it
    /// is complete.
    fn wait(&self, phase: Phase) -> bool {
        if let Some(sleepers) = self.barrier.arrive(phase) {
            sleepers.iter().for_each(Unparker::unpark);
            return true;
        }
        let parker = Parker::default();
        while self.barrier.register(phase, || parker.unparker().clone()) {
            parker.park();
        }
        self.barrier.is_complete(phase)
    }

    fn leave(&self) {
        self.barrier.leave().iter().for_each(Unparker::unpark);
    }
}

/// Runs `member` on as many threads as there are members.
fn check(members: usize, member: impl Fn(&Gang, usize) + Copy + Send + Sync + 'static) {
    loom::model(move || {
        let values = (0..members).map(|_| UnsafeCell::new(0)).collect();
        let gang = Arc::new(Gang { barrier: Barrier::new(members), values });
        let threads: Vec<_> = (1..members)
            .map(|index| {
                let gang = gang.clone();
                thread::spawn(move || member(&gang, index))
            })
            .collect();
        member(&gang, 0);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

/// Three members meet once.
///
/// Weakened: `fork/barrier.rs register: ASLEEP => 0`
#[test]
fn a_member_that_sleeps_is_woken_by_the_last_to_arrive() {
    check(3, |gang, _| {
        assert!(gang.wait(Phase::FIRST));
        gang.leave();
    });
}

/// One of two members leaves without coming to the barrier.
///
/// Weakened: `fork/barrier.rs leave: self.sleepers(word) => Vec::new()`
#[test]
fn a_member_that_sleeps_is_woken_by_one_that_leaves() {
    check(2, |gang, index| {
        if index == 0 {
            assert!(!gang.wait(Phase::FIRST));
        }
        gang.leave();
    });
}

/// Two members write their own values, read those of the other, and write again.
///
/// Weakened: `fork/barrier.rs arrive: Ordering::AcqRel => Ordering::Acquire`
/// Weakened: `fork/barrier.rs arrive: Ordering::Release => Ordering::Relaxed`
#[test]
#[allow(unsafe_code)]
fn members_see_what_others_did_before_a_barrier() {
    check(2, |gang, index| {
        // SAFETY: the barriers order all accesses, which is what the model checks.
        gang.values[index].with_mut(|value| unsafe { *value = 1 });
        assert!(gang.wait(Phase::FIRST));
        // SAFETY: as above.
        gang.values[1 - index].with(|value| assert_eq!(unsafe { *value }, 1));
        assert!(gang.wait(Phase::FIRST.next()));
        // SAFETY: as above.
        gang.values[index].with_mut(|value| unsafe { *value = 2 });
        gang.leave();
    });
}
