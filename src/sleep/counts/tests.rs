//! Unit tests: the parts of the word, and how many workers may search.

use super::*;

#[test]
fn the_parts_do_not_touch_each_other() {
    let full = Counts(MAX_WORKERS * SEARCHER + MAX_WORKERS * PARKED + SENTRY);
    assert_eq!((full.searchers(), full.parked(), full.sentry()), (MASK, MASK, true));
    let parked = Counts(3 * PARKED);
    assert_eq!((parked.searchers(), parked.parked(), parked.sentry()), (0, 3, false));
    assert!(!Counts(0).any_idle());
    assert!(parked.any_idle() && Counts(SEARCHER).any_idle());
}

#[test]
fn at_most_half_of_the_awake_search() {
    for workers in 1..=9 {
        for parked in 0..workers {
            let awake = workers - parked;
            let most = (0..=awake)
                .filter(|s| Counts(s * SEARCHER + parked * PARKED).may_search(workers))
                .count();
            assert_eq!(most, awake.div_ceil(2), "{workers} workers, {parked} parked");
        }
    }
}
