//! A broadcast that a waiting task runs does not bury it under what waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::common::{Flag, Gate, eventually, pool, rest, watchdog};

#[test]
fn a_broadcast_on_top_of_a_task_does_not_run_what_joins_that_task() {
    let _watchdog = watchdog();
    let pool = pool(3);
    let (begun, stolen, joining) = <(Arc<Flag>, Arc<Flag>, Arc<Flag>)>::default();
    let (inner, other) = <(Arc<Gate>, Arc<Gate>)>::default();
    let place = Arc::new(AtomicUsize::new(usize::MAX));

    // One worker waits for a task that another holds.
    let waits = {
        let (begun, inner, place) = (begun.clone(), inner.clone(), place.clone());
        pool.spawn(move || {
            let flag = begun.clone();
            let held = filch::spawn(move || {
                flag.raise();
                inner.wait();
            });
            begun.hold();
            place.store(filch::current_thread_index().unwrap(), Ordering::SeqCst);
            held.join().unwrap();
        })
    };
    eventually("the task waits", || place.load(Ordering::SeqCst) != usize::MAX);
    // On top of it, a broadcast forks, and waits for what the third one stole from it.
    {
        let (stolen, other) = (stolen.clone(), other.clone());
        pool.spawn_broadcast(move |context| {
            if context.index() == place.load(Ordering::SeqCst) {
                let taken = || {
                    stolen.raise();
                    other.wait();
                };
                filch::join(|| stolen.hold(), taken);
            }
        });
    }
    eventually("the fork is stolen", || stolen.is_up());
    let joins = {
        let joining = joining.clone();
        pool.spawn(move || {
            joining.raise();
            waits.join().unwrap();
        })
    };
    // Time enough to run it on top of the one it waits for.
    for _ in 0..300 {
        if !joining.is_up() {
            rest(Duration::from_millis(1));
        }
    }
    other.open();
    inner.open();
    joins.join().unwrap();
}
