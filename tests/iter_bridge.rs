//! `par_bridge` gives all items, and neither stops nor holds what it should not.

mod common;
#[path = "common/everywhere.rs"]
mod everywhere;

use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::{Mutex, mpsc};

use everywhere::everywhere;
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
            // One by one: nobody knows how many there are.
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
            let n = left.expect("it is over");
            left = (n > 0).then(|| n - 1);
            left
        });
        assert_eq!(once.par_bridge().count(), 100);
    });
}

#[test]
fn bridges_run_in_bridges() {
    everywhere(|| {
        // Consumers that do.
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
        // Iterators that do: others may run parts of this bridge meanwhile, on the same stack.
        let loops = (0..300_usize)
            .map(|n| (0..1000_usize).into_par_iter().map(|m| slow(m) * n).sum::<usize>());
        assert_eq!(loops.par_bridge().sum::<usize>(), 499_500 * (0..300).sum::<usize>());
        let bridges =
            (0..300_usize).map(|n| (0..100_usize).par_bridge().map(|m| slow(m) * n).sum::<usize>());
        assert_eq!(bridges.par_bridge().map(slow).sum::<usize>(), 4950 * (0..300).sum::<usize>());
        // Both, with forks under and over each other.
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
    if common::is_simulated_without(common::THREADS) {
        return;
    }
    everywhere(|| {
        // Each item but the last sends the next; so none may wait for another to come.
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
        // The pool is fine.
        assert_eq!((0..100).par_bridge().count(), 100);
    });
}
