use std::ptr::NonNull;
use std::sync::Arc;

use super::Requested;
use crate::job::NO_TAG;
use crate::{ThreadPool, ThreadPoolBuilder, schedule_point};

/// The task may end after its joiner has seen that it has not begun, and the pool with it.
#[test]
fn no_request_is_left_in_a_pool_that_has_ended() {
    let pool = |seed: u64| -> ThreadPool {
        let builder = ThreadPoolBuilder::new().num_threads(1).deterministic(seed);
        builder.build().unwrap()
    };
    for seed in 0..100 {
        let (theirs, ours) = (pool(seed), pool(seed + 1));
        let registry = theirs.registry().share();
        drop(theirs.spawn(|| (0..6).for_each(|_| schedule_point())));
        let task = theirs.spawn(|| 7);
        let joiner = ours.spawn(move || task.join().unwrap());
        drop(theirs);
        assert_eq!(joiner.join().unwrap(), 7);
        assert_eq!(registry.injected_len(), 0, "seed {seed}");
    }
}

/// The pool of a guest may take requests after it has ended, until the guest ends.
#[test]
fn a_request_that_no_thread_takes_is_dropped_with_the_pool() {
    let pool = ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let registry = pool.registry().share();
    drop(pool);
    // SAFETY: no thread is left to take the request before it is revoked, below.
    let requested = unsafe { Requested::new(NonNull::dangling(), registry.clone(), NO_TAG) };
    let request = requested.request.clone();
    drop(requested);
    assert_eq!(Arc::strong_count(&request), 2);
    drop(registry);
    assert_eq!(Arc::strong_count(&request), 1);
}
