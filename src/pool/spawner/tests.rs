//! Unit test: a new pool sleeps.

use crate::ThreadPoolBuilder;

#[test]
fn the_threads_of_a_new_pool_sleep_until_there_is_work() {
    let pool = ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    assert_eq!(pool.registry().sleep().counts().parked(), 3);
    let parks = || pool.counters().workers.iter().map(|worker| worker.parks).sum::<usize>();
    assert_eq!(parks(), 0, "none has looked for work");
    assert!(pool.broadcast(|context| context.index()) == [0, 1, 2]);
}
