//! Unit test: the permits of nested limits.

use super::*;

#[test]
fn a_fork_that_does_not_begin_returns_its_permit() {
    let limit = |outer| Limit { threads: 2, free: AtomicUsize::new(1), outer };
    let outer = limit(None);
    let inner = limit(Some(&outer));
    for _ in 0..2 {
        let taken = permit(Some(&inner)).expect("one is free");
        assert!(!inner.has_free() && permit(Some(&inner)).is_none());
        drop(taken);
        assert!(inner.has_free() && outer.free.load(Ordering::Relaxed) == 1);
    }
}
