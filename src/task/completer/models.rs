//! Loom models of completers.

use loom::thread;

use crate::fork::completer;

/// A thread waits for what another completes.
///
/// Weakened: `task/completer.rs end: outcome::run(|| unsafe { take_waiting(address) }.wake())
/// => Ok(())`
#[test]
fn a_thread_that_waits_for_a_completer_is_woken() {
    loom::model(|| {
        let (completer, handle) = completer();
        let completes = thread::spawn(move || completer.complete(7));
        assert_eq!(handle.join().unwrap(), 7);
        completes.join().unwrap();
    });
}

/// The second of the two parties frees the block, with what is in it.
///
/// Weakened: `task/completer.rs end: outcome::run(|| drop(ended))
/// => Ok(std::mem::forget(ended))`
#[test]
fn a_value_whose_handle_is_dropped_is_dropped_once() {
    loom::model(|| {
        let (completer, handle) = completer();
        let value = loom::sync::Arc::new(());
        let completes = {
            let value = value.clone();
            thread::spawn(move || completer.complete(value))
        };
        drop(handle);
        completes.join().unwrap();
        assert_eq!(loom::sync::Arc::strong_count(&value), 1);
    });
}
