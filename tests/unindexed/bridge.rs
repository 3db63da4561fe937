//! `par_bridge` yields all items. It neither stops early nor holds items back.

use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};
use std::thread;

use crate::everywhere::everywhere;
use filch::prelude::*;

const LONG: usize = 100_000;

#[test]
fn bridges_give_all_items() {
    everywhere(|| {
        let sorted = |mut all: Vec<usize>| {
            all.sort();
            all
        };
        for n in [0, 1, 2, 100, LONG] {
            let all: Vec<usize> = (0..n).collect();
            assert_eq!(sorted((0..n).par_bridge().collect()), all);
            // One at a time: the number of items is not known.
            assert_eq!(sorted((0..n).filter(|_| true).par_bridge().collect()), all);
            assert_eq!(
                sorted((0..n).par_bridge().filter(|n| n % 2 == 0).map(|n| n / 2).collect()),
                (0..n.div_ceil(2)).collect::<Vec<_>>()
            );
        }
        assert!((0..).par_bridge().any(|n| n == 1000));
        assert_eq!(vec![(); LONG].into_iter().par_bridge().count(), LONG);
    });
}

#[test]
fn an_iterator_that_is_over_is_not_asked_again() {
    everywhere(|| {
        let mut left = Some(100);
        let once = std::iter::from_fn(move || {
            let n = left.expect("the iterator is not asked after its end");
            left = (n > 0).then(|| n - 1);
            left
        });
        assert_eq!(once.par_bridge().count(), 100);
    });
}

#[test]
fn bridges_run_in_bridges() {
    everywhere(|| {
        // Consumers run bridges.
        let sum: usize = (0..200_usize)
            .par_bridge()
            .map(|n| {
                (0..n)
                    .par_bridge()
                    .map(|m| (0..m % 10).into_par_iter().sum::<usize>())
                    .sum::<usize>()
            })
            .sum();
        let expected = (0..200).map(|n| (0..n).map(|m| (0..m % 10).sum::<usize>()).sum::<usize>());
        assert_eq!(sum, expected.sum());
        // Iterators run loops. Workers may run parts of this bridge meanwhile, on the same stack.
        let loops = (0..300_u64)
            .map(|n| (0..1000).into_par_iter().map(|m| slow(m) as u64 * n).sum::<u64>());
        assert_eq!(loops.par_bridge().sum::<u64>(), 499_500 * (0..300).sum::<u64>());
        let bridges =
            (0..300_usize).map(|n| (0..100_usize).par_bridge().map(|m| slow(m) * n).sum::<usize>());
        assert_eq!(bridges.par_bridge().map(slow).sum::<usize>(), 4950 * (0..300).sum::<usize>());
        // Both, with forks below and above each other.
        let both = (0..50_usize).map(|n| filch::join(|| slow(n), || slow(1)).0).filter(|_| true);
        let sum: usize = both.par_bridge().map(|n| filch::join(|| slow(n), || slow(n)).1).sum();
        assert_eq!(sum, (0..50).sum());
    });
}

/// Takes some time.
fn slow(n: usize) -> usize {
    (0..50).for_each(|_| std::hint::spin_loop());
    n
}

#[test]
fn bridges_in_many_parts_of_a_loop_end() {
    everywhere(|| {
        let shared = Mutex::new(0);
        (0..64).into_par_iter().for_each(|_| {
            let sum: usize = (0..100_usize).map(slow).filter(|_| true).par_bridge().map(slow).sum();
            *shared.lock().unwrap() += sum;
        });
        assert_eq!(*shared.lock().unwrap(), 64 * 4950);
    });
}

#[test]
fn a_bridge_does_not_keep_items_while_a_channel_is_empty() {
    if crate::common::is_simulated_without(crate::common::CHANNELS) {
        return;
    }
    everywhere(|| {
        // Each item but the last ones sends a later one, so no item may wait for another to come.
        let (sender, receiver) = mpsc::channel();
        sender.send(0).unwrap();
        sender.send(1).unwrap();
        let sender = Mutex::new(Some(sender));
        let count = receiver
            .into_iter()
            .par_bridge()
            .map(|n| {
                let mut sender = sender.lock().unwrap();
                if n < 1000 {
                    if let Some(sender) = sender.as_ref() {
                        sender.send(n + 2).unwrap();
                    }
                } else {
                    *sender = None;
                }
            })
            .count();
        assert!(count >= 500);
    });
}

/// Calls `op` in a pool of each size, or of one size in a simulation. Fails if it hangs.
fn in_time(
    sizes: impl IntoIterator<Item = usize>,
    op: impl Fn(usize) + Copy + Send + Sync + 'static,
) {
    for threads in crate::common::one_a_seed(sizes) {
        let run = move || crate::common::pool(threads).install(|| op(threads));
        if crate::common::is_simulated() {
            run();
            continue;
        }
        let (sender, ended) = mpsc::channel();
        let runner = thread::spawn(move || {
            run();
            sender.send(()).unwrap();
        });
        let limit = crate::common::time_limit() / 3;
        let hangs = ended.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout);
        assert!(!hangs, "{threads} threads hang");
        runner.join().unwrap();
    }
}

/// Limits how many items have left the iterator and have not ended.
struct Permits(AtomicUsize);

impl Permits {
    fn new(permits: usize) -> Self {
        Permits(AtomicUsize::new(permits))
    }

    fn take(&self) {
        while self.0.load(Ordering::Acquire) == 0 {
            crate::common::step_aside();
        }
        // Only one worker at a time asks the iterator.
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    fn give(&self) {
        self.0.fetch_add(1, Ordering::Release);
    }
}

/// The sums of `items`, and of `items` as an iterator that does not know its length.
fn sum_both<I>(items: I, consume: impl Fn(usize) -> usize + Sync) -> [usize; 2]
where
    I: Iterator<Item = usize> + Clone + Send,
{
    let unknown = items.clone().filter(|_| true);
    [items.par_bridge().map(&consume).sum(), unknown.par_bridge().map(&consume).sum()]
}

#[test]
fn an_iterator_may_wait_for_its_earlier_items() {
    let items = crate::common::sized(2000, 100);
    in_time([1, 2, 4], move |threads| {
        for permits in [1, 2, threads, 64] {
            let free = Permits::new(permits);
            let source = (0..items).inspect(|_| free.take());
            let sums = sum_both(source, |n| {
                free.give();
                n
            });
            assert_eq!(sums, [items * (items - 1) / 2; 2]);
        }
    });
}

#[test]
fn an_iterator_that_waits_may_run_loops_and_so_may_its_items() {
    let items = crate::common::sized(500, 30);
    in_time([1, 2, 4], move |threads| {
        for permits in [1, threads] {
            let free = Permits::new(permits);
            let source = (0..items).inspect(|_| {
                free.take();
                let all: usize = (0..100_usize).into_par_iter().map(slow).sum();
                assert_eq!(all, 4950);
            });
            let sums = sum_both(source, |n| {
                let (n, _) = filch::join(|| slow(n), || slow(1));
                free.give();
                n
            });
            assert_eq!(sums, [items * (items - 1) / 2; 2]);
        }
    });
}

#[test]
fn an_item_that_lets_other_work_run_does_not_ask_for_the_next() {
    in_time([2], |_| {
        let (begun, over) = (crate::common::Flag::new(), crate::common::Flag::new());
        filch::scope(|s| {
            // Now no other worker can be the helper that the first item calls.
            s.spawn(|| {
                begun.raise();
                over.hold();
            });
            begun.hold();
            let free = Permits::new(1);
            (0..100).inspect(|_| free.take()).par_bridge().for_each(|_| {
                filch::yield_local();
                free.give();
            });
            over.raise();
        });
    });
}

/// The worker with the first item finds the helper that it has called itself, and must leave it to
/// others.
#[test]
fn a_helper_that_its_caller_finds_is_left_to_others() {
    in_time([2], |_| {
        for _ in 0..crate::common::sized(300, 20) {
            let later = crate::common::Flag::new();
            (0..2).par_bridge().for_each(|n| {
                if n == 0 {
                    (0..2).for_each(|_| _ = filch::yield_now());
                    later.hold();
                } else {
                    later.raise();
                }
            });
        }
    });
}

/// A worker waits in an item of a task that has a handle. On top of that wait, it may run neither
/// the helper that the item has called nor what ends the wait. The other worker is held.
#[test]
fn a_worker_that_waits_in_an_item_makes_way() {
    let _watchdog = crate::common::watchdog();
    let pool = crate::common::any_wait_builder().num_threads(2).build().unwrap();
    let [waits, ended] = [(); 2].map(|()| std::sync::Arc::new(crate::common::Flag::new()));
    pool.install(|| {
        let (completer, awaited) = filch::completer::<()>();
        let (item_waits, task_ended) = (waits.clone(), ended.clone());
        let task = filch::spawn(move || {
            let awaited = Mutex::new(Some(awaited));
            (0..3).par_bridge().for_each(|_| {
                let awaited = awaited.lock().unwrap().take();
                if let Some(handle) = awaited {
                    item_waits.raise();
                    handle.join().unwrap();
                }
            });
            // The end of this loop has to run the helper that is left to others.
            (0..3).par_bridge().for_each(|_| _ = filch::yield_now());
            task_ended.raise();
        });
        waits.hold();
        filch::spawn(move || completer.complete(()));
        ended.hold();
        task.join().unwrap();
    });
}

#[test]
fn an_item_may_wait_for_a_later_one() {
    let pairs = crate::common::sized(2000, 50);
    in_time([2, 4], move |_| {
        for is_known in [true, false] {
            let ended: Vec<_> = (0..pairs * 2).map(|_| crate::common::Flag::new()).collect();
            let wait = |n: usize| {
                if n % 2 == 0 {
                    ended[n + 1].hold();
                }
                ended[n].raise();
            };
            let items = 0..pairs * 2;
            if is_known {
                items.par_bridge().for_each(wait);
            } else {
                items.filter(|_| true).par_bridge().for_each(wait);
            }
        }
    });
}

#[test]
fn all_threads_may_have_an_item() {
    in_time([2, 4, 8], move |threads| {
        // No item ends before all have begun.
        let meeting = crate::common::Meeting::new(threads);
        (0..threads).par_bridge().for_each(|_| meeting.wait());
    });
}

#[test]
fn an_iterator_is_dropped_once_and_its_panic_passed_on() {
    struct Fails;
    impl Drop for Fails {
        fn drop(&mut self) {
            panic_any("drop")
        }
    }
    everywhere(|| {
        let fails = Fails;
        let items = (0..100).inspect(move |_| _ = &fails);
        let caught = catch_unwind(AssertUnwindSafe(|| items.par_bridge().count()));
        assert_eq!(caught.unwrap_err().downcast_ref(), Some(&"drop"));
    });
}

#[test]
fn a_bridge_passes_panics_on_and_stops() {
    everywhere(|| {
        let caught = catch_unwind(|| {
            (0..).par_bridge().for_each(|n| {
                if n == 1000 {
                    panic_any("consumer")
                }
            })
        });
        assert_eq!(caught.unwrap_err().downcast_ref(), Some(&"consumer"));
        let items = (0..).map(|n| if n == 1000 { panic_any("iterator") } else { n });
        let caught = catch_unwind(AssertUnwindSafe(|| items.par_bridge().for_each(|_| ())));
        assert_eq!(caught.unwrap_err().downcast_ref(), Some(&"iterator"));
        // The pool works as before.
        assert_eq!((0..100).par_bridge().count(), 100);
    });
}
