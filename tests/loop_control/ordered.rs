//! `for_each_ordered`: items are made in parallel, and consumed one at a time, in order.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::time::Duration;

use crate::common::{Ledger, is_simulated, pool, rest, sized, watchdog};
use crate::everywhere::everywhere;
use filch::prelude::*;

/// Counts items in some state, now and at most.
#[derive(Default)]
struct Gauge {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Gauge {
    fn up(&self) {
        self.most.fetch_max(self.now.fetch_add(1, SeqCst) + 1, SeqCst);
    }

    fn down(&self) {
        self.now.fetch_sub(1, SeqCst);
    }
}

#[test]
fn all_items_come_in_order() {
    let _watchdog = watchdog();
    everywhere(|| {
        for len in [0, 1, 2, 100, sized(20_000, 300)] {
            for limit in [1, 2, 7, 64, usize::MAX] {
                let mut all = Vec::new();
                (0..len).into_par_iter().map(|n| n * 3).for_each_ordered(limit, |n| all.push(n));
                assert!(all.into_iter().eq((0..len).map(|n| n * 3)), "{len} items, limit {limit}");
            }
        }
    });
    // From outside, and backwards.
    let mut all = Vec::new();
    (0..1000).into_par_iter().chunks(3).rev().for_each_ordered(5, |chunk| all.extend(chunk));
    assert_eq!((all.len(), all[0], all[999]), (1000, 999, 2));
}

#[test]
fn no_more_items_are_in_flight_than_the_limit() {
    let _watchdog = watchdog();
    everywhere(|| {
        for limit in [1, 2, 3, 8, 100] {
            let gauge = Gauge::default();
            let make = |n: usize| {
                gauge.up();
                if n % 16 == 0 {
                    rest(Duration::from_micros(300)); // the items behind it have to wait
                }
                n
            };
            let mut next = 0;
            (0..sized(300, 40)).into_par_iter().map(make).for_each_ordered(limit, |n| {
                assert_eq!(n, next);
                next += 1;
                gauge.down();
            });
            assert!(gauge.most.into_inner() <= limit);
            assert_eq!(gauge.now.into_inner(), 0);
        }
    });
}

#[test]
fn several_workers_make_items() {
    if is_simulated() {
        return; // in turns
    }
    let _watchdog = watchdog();
    let (at_work, consuming) = (Gauge::default(), Gauge::default());
    let make = |n: u32| {
        at_work.up();
        rest(Duration::from_millis(1));
        at_work.down();
        n
    };
    let consume = |_| {
        consuming.up();
        rest(Duration::from_micros(100));
        consuming.down();
    };
    let pool = pool(4);
    (0..200).into_par_iter().map(make).with_pool(&pool).for_each_ordered(32, consume);
    assert!(at_work.most.into_inner() > 1);
    assert_eq!(consuming.most.into_inner(), 1);
}

/// The next item waits, or the consumer does, while other items of the same loop run on top.
#[test]
fn items_and_the_consumer_may_run_loops() {
    let _watchdog = watchdog();
    everywhere(|| {
        let items = sized(500, 30);
        let sum = |n: usize| (0..n % 50).into_par_iter().with_max_len(3).sum::<usize>();
        let mut sums = 0;
        (0..items).into_par_iter().map(|n| (n, sum(n))).for_each_ordered(4, |(n, inner)| {
            assert_eq!(inner, sum(n));
            sums += inner;
        });
        assert_eq!(sums, (0..items).map(|n| (0..n % 50).sum::<usize>()).sum());
        // Nested loops.
        let mut all = Vec::new();
        (0..10_u32).into_par_iter().for_each_ordered(3, |n| {
            (0..10_u32).into_par_iter().for_each_ordered(2, |m| all.push(10 * n + m));
        });
        assert!(all.into_iter().eq(0..100));
    });
}

#[test]
fn a_panic_ends_the_loop_and_drops_each_item_once() {
    let _watchdog = watchdog();
    for in_item in [true, false] {
        for limit in [1, 3, 50] {
            everywhere(|| {
                let ledger = Ledger::new();
                let mut last = None;
                let result = catch_unwind(AssertUnwindSafe(|| {
                    let items: Vec<_> = (0..200_u32).map(|n| (n, ledger.token())).collect();
                    let make = |item: (u32, _)| {
                        assert!(!in_item || item.0 != 70, "bang");
                        item
                    };
                    items.into_par_iter().map(make).for_each_ordered(limit, |(n, _token)| {
                        assert!(in_item || n != 70, "bang");
                        last = Some(n);
                    });
                }));
                assert_eq!(result.unwrap_err().downcast_ref(), Some(&"bang"));
                if in_item {
                    assert!(last < Some(70));
                } else {
                    assert_eq!(last, Some(69));
                }
                ledger.assert_balanced("after a panic");
            });
        }
    }
}

#[test]
#[should_panic = "limit must not be zero: at least one item has to be in flight"]
fn nothing_in_flight_is_refused() {
    (0..3).into_par_iter().for_each_ordered(0, drop);
}

#[test]
fn a_consumer_borrows_and_keeps_a_state() {
    let _watchdog = watchdog();
    let seen = AtomicUsize::new(0);
    let mut text = String::from(">");
    (0..5).into_par_iter().map(|n| n.to_string()).for_each_ordered(2, |n| {
        seen.fetch_add(1, Relaxed);
        text.push_str(&n);
    });
    assert_eq!((text.as_str(), seen.into_inner()), (">01234", 5));
}

#[test]
fn a_failure_of_the_consumer_ends_the_loop() {
    let _watchdog = watchdog();
    everywhere(|| {
        for limit in [1, 4, 1000] {
            let (made, mut last) = (AtomicUsize::new(0), None);
            let ledger = Ledger::new();
            let make = |n| {
                made.fetch_add(1, Relaxed);
                (n, ledger.token())
            };
            let items = (0..sized(1_000_000, 2000)).into_par_iter().map(make);
            let result = items.try_for_each_ordered(limit, |(n, _token)| {
                last = Some(n);
                if n < 50 { Ok(()) } else { Err(n) }
            });
            assert_eq!((result, last), (Err(50), Some(50)));
            assert!(made.into_inner() <= 51 + limit);
            ledger.assert_balanced(limit);
        }
        let all = (0..100).into_par_iter().try_for_each_ordered(9, |_| Some(()));
        assert_eq!(all, Some(()));
    });
}
