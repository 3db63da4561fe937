//! Unit tests: what is read of a thread.

use std::sync::mpsc;
use std::thread;

use super::*;

#[test]
fn a_thread_that_waits_differs_from_one_that_sleeps_or_runs() {
    let Some(here) = Place::here().and_then(|here| here.look()) else { return };
    assert!(!here.waits_for_thread() && here.wait().is_none());
    let limit = Duration::from_secs(1);
    type Wait = fn(mpsc::Receiver<()>);
    let for_ever: Wait = |receiver| _ = receiver.recv();
    let for_long: Wait = |receiver| _ = receiver.recv_timeout(Duration::from_secs(60));
    let sleep: Wait = |_| thread::sleep(Duration::from_secs(2));
    // Whether that is a wait for a thread, and one without a limit.
    let kinds = [(for_ever, true, true), (for_long, true, false), (sleep, false, false)];
    for (wait, waits, for_ever) in kinds {
        let (sender, receiver) = mpsc::channel();
        let (tell, told) = mpsc::channel();
        let waiter = thread::spawn(move || {
            tell.send(Place::here().unwrap()).unwrap();
            wait(receiver);
        });
        let place = told.recv().unwrap();
        let begun = std::time::Instant::now();
        let is_as_said = |seen: Seen| {
            let is_asleep = !seen.call.starts_with("running");
            let is_right = seen.wait().is_some() == waits && seen.waits_for_thread() == for_ever;
            is_asleep && is_right
        };
        while !place.look().is_some_and(is_as_said) {
            assert!(begun.elapsed() < limit, "{waits} {for_ever}");
            thread::yield_now();
        }
        drop(sender);
        waiter.join().unwrap();
    }
}
