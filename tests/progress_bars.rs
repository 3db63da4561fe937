//! Progress bars of indicatif.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use common::watchdog;
use filch::prelude::*;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};

fn hidden(len: u64) -> ProgressBar {
    ProgressBar::with_draw_target(Some(len), ProgressDrawTarget::hidden())
}

#[test]
fn each_item_counts_once() {
    let _watchdog = watchdog();
    for threads in [1, 2, 5] {
        common::pool(threads).install(|| {
            let bar = hidden(10_000);
            let by = |bar: &ProgressBar| (0..10_000_u32).into_par_iter().progress_with(bar.clone());
            assert_eq!(by(&bar).map(|n| n * 2).sum::<u32>(), 99_990_000);
            assert_eq!(bar.position(), 10_000);
            assert_eq!(by(&bar).filter(|n| n % 3 == 0).collect::<Vec<_>>().len(), 3334);
            assert_eq!(bar.position(), 20_000);
            assert_eq!(by(&bar).rev().zip(0..100_u32).count(), 100);
            assert_eq!(by(&bar).chunks(7).len(), 1429);
        });
    }
}

#[test]
fn items_without_positions_count() {
    let _watchdog = watchdog();
    let bar = hidden(5000);
    let even = (0..10_000_u64).into_par_iter().filter(|n| n % 2 == 0);
    let bridged = (0..100_u64).par_bridge().progress_with(bar.clone());
    assert_eq!(even.progress_with(bar.clone()).max(), Some(9998));
    assert_eq!(bar.position(), 5000);
    assert_eq!(bridged.sum::<u64>(), 4950);
    assert_eq!(bar.position(), 5100);
}

#[test]
fn the_settings_of_the_loop_are_kept() {
    let _watchdog = watchdog();
    let pool = common::pool(3);
    let workers = (0..10).into_par_iter().with_pool(&pool).progress();
    assert!(workers.map(|_| filch::current_num_threads()).all(|threads| threads == 3));
}

#[test]
fn positions_are_kept() {
    let _watchdog = watchdog();
    let words = ["a", "b", "c"];
    let numbered: Vec<_> = words.par_iter().progress().enumerate().collect();
    assert_eq!(numbered, [(0, &"a"), (1, &"b"), (2, &"c")]);
    let style = ProgressStyle::default_bar();
    assert_eq!(words.par_iter().progress_with_style(style).len(), 3);
    assert_eq!(words.par_iter().filter(|_| true).progress_count(3).count(), 3);
}

#[test]
fn slow_items_count_while_the_loop_runs() {
    let _watchdog = watchdog();
    let bar = hidden(20);
    let late = AtomicU64::new(0);
    common::pool(2).install(|| {
        (0..20_u32).into_par_iter().progress_with(bar.clone()).with_max_len(10).for_each(|n| {
            thread::sleep(Duration::from_millis(3));
            // The earlier items in the half of this one have ended.
            late.fetch_add(u64::from(bar.position() < u64::from(n % 10)), Ordering::Relaxed);
        });
    });
    assert_eq!((bar.position(), late.into_inner()), (20, 0));
}

#[test]
fn a_bar_ends_with_its_loop() {
    let _watchdog = watchdog();
    let bar = hidden(10).with_finish(ProgressFinish::AndLeave);
    let weak = bar.downgrade();
    (0..10).into_par_iter().progress_with(bar).for_each(|_| {
        assert!(!weak.upgrade().unwrap().is_finished());
    });
    assert!(weak.upgrade().is_none());
}

#[test]
fn a_panic_leaves_the_bar_usable() {
    let _watchdog = watchdog();
    let bar = hidden(1000);
    let result = catch_unwind(AssertUnwindSafe(|| {
        let items = (0..1000).into_par_iter().progress_with(bar.clone());
        items.for_each(|n| assert_ne!(n, 500, "as expected"));
    }));
    assert!(result.is_err());
    assert!(bar.position() < 1000);
    bar.inc(1);
}
