//! loom models of `CancelToken`.

use loom::thread;

use super::CancelToken;

/// A child is made while its parent is cancelled. (The child's child shows that the cancellation
/// is passed on.)
///
/// Weakened: `context/token.rs cancel_with_reason: self.0.take_children() => Vec::new()`
#[test]
fn a_child_that_is_made_while_its_parent_is_cancelled_is_cancelled() {
    loom::model(|| {
        let parent = CancelToken::new();
        let cancels = {
            let parent = parent.clone();
            thread::spawn(move || parent.cancel())
        };
        let child = parent.child();
        let grandchild = child.child();
        cancels.join().unwrap();
        assert!(child.is_cancelled() && grandchild.is_cancelled());
    });
}

/// Two threads cancel a parent and its child, for two reasons.
///
/// Weakened: `context/token.rs set: (state < CANCELLED).then_some(reason.code()) =>
/// Some(reason.code())`
#[test]
fn a_token_keeps_its_first_reason() {
    use super::CancelReason::{Requested, Shutdown};
    loom::model(|| {
        let parent = CancelToken::new();
        let child = parent.child();
        let cancels = {
            let child = child.clone();
            thread::spawn(move || {
                child.cancel();
                child.reason()
            })
        };
        parent.cancel_with_reason(Shutdown);
        let before = child.reason();
        let theirs = cancels.join().unwrap();
        assert!(before.is_some() && before == theirs && before == child.reason());
        assert!([Some(Requested), Some(Shutdown)].contains(&before));
        assert_eq!(parent.reason(), Some(Shutdown));
    });
}

/// What is written before a token is cancelled is seen after a child is found cancelled.
///
/// Weakened: `context/token.rs is_cancelled: Ordering::Acquire => Ordering::Relaxed`
#[test]
fn what_came_before_a_cancellation_is_seen() {
    use loom::sync::atomic::{AtomicU32, Ordering::Relaxed};
    loom::model(|| {
        let (parent, written) = (CancelToken::new(), loom::sync::Arc::new(AtomicU32::new(0)));
        let child = parent.child();
        let looks = {
            let written = written.clone();
            thread::spawn(move || {
                if child.is_cancelled() {
                    assert_eq!(written.load(Relaxed), 1);
                }
            })
        };
        written.store(1, Relaxed);
        parent.cancel();
        looks.join().unwrap();
    });
}
