use crate::ThreadPoolBuilder;
use crate::worker::event::Awaitable;

/// When a caller from outside asks, the seed does not decide.
#[test]
fn a_caller_from_outside_asks_nothing_of_a_deterministic_pool() {
    let pool = ThreadPoolBuilder::new().num_threads(1).deterministic(1).build().unwrap();
    // (It begins when this thread gives up the turn.)
    let task = pool.spawn(|| 7);
    std::thread::scope(|s| {
        s.spawn(|| assert!(task.handle.as_ref().unwrap().ask_again().is_none()));
    });
    assert!(!pool.registry().is_late());
    assert_eq!(task.join().unwrap(), 7);
}
