//! Unit tests: the sums of a worker's times.

use super::*;

#[test]
fn each_span_of_time_is_counted_once() {
    let times = Times::new(true, 0);
    for (now, next) in [
        (10, Activity::Busy),
        (30, Activity::Blocked),
        (35, Activity::Blocked),
        (70, Activity::Searching),
        (150, Activity::Busy),
    ] {
        times.change(next, || now);
    }
    let spent = times.read(310);
    assert_eq!(spent.times, [20 + 160, 80, 10, 40].map(Duration::from_nanos));
    assert_eq!((spent.now, spent.lasts), (Activity::Busy, Duration::from_nanos(160)));
}

/// Two threads read the clock in one order and exchange in the other.
#[test]
fn a_clock_that_is_read_too_early_does_not_wrap() {
    let times = Times::new(true, 0);
    times.change(Activity::Busy, || 100);
    times.change(Activity::Parked, || 90);
    assert_eq!(times.read(90).times, [0, 0, 100, 0].map(Duration::from_nanos));
}
