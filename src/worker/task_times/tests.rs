//! Unit tests: buckets, and the oldest task.

use super::*;

#[test]
fn buckets_follow_each_other_and_grow_by_a_quarter_at_most() {
    for bucket in 0..BUCKETS {
        let start = start_of(bucket);
        assert_eq!(bucket_of(start), bucket);
        if bucket > 0 {
            assert_eq!(bucket_of(start - 1), bucket - 1, "{start}");
            let width = start - start_of(bucket - 1);
            assert!(width <= 1 || width <= start_of(bucket - 1) / PARTS, "{start}");
        }
    }
    assert_eq!((bucket_of(u64::MAX), start_of(BUCKETS - 1)), (BUCKETS - 1, MOST));
}

#[test]
fn the_oldest_task_is_known_though_there_are_more_than_places() {
    let (oldest, low) = (Oldest::new(), Priority::Low);
    assert_eq!(oldest.at(low), None);
    let first = oldest.add(low, 7).unwrap();
    (8..100).for_each(|at| assert_eq!(oldest.add(low, at).is_some(), at < 71));
    assert_eq!(oldest.at(low), Some(7));
    oldest.remove(first);
    assert_eq!((oldest.at(low), oldest.add(low, 200)), (Some(8), Some(first)));
    assert_eq!(oldest.at(Priority::High), None);
    assert!(oldest.add(Priority::High, 300).is_some());
    assert_eq!(oldest.at(Priority::High), Some(300));
}
