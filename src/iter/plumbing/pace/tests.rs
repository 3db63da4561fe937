//! Unit tests: when a piece of a loop forks, and how long its blocks are.

use super::*;

const ITEMS: usize = 1_000_000;

/// A plan of a loop that pauses, for two workers.
fn plan() -> Plan<'static> {
    Plan::new(2, 1, usize::MAX, true)
}

/// The pace of a piece that may fork now.
fn warm<'p>(plan: &'p Plan<'p>) -> Pace<'p> {
    let mut pace = plan.begin(ITEMS, true).0;
    assert_eq!(pace.after(1, WARM_UP, ITEMS, || false), 1);
    pace
}

#[test]
fn a_piece_forks_after_the_warm_up_if_somebody_is_idle() {
    let plan = plan();
    let mut pace = plan.begin(ITEMS, true).0;
    assert_eq!(pace.after(1, WARM_UP - 1, ITEMS, || panic!("asked too early")), 1);
    assert_eq!(pace.after(1, 1, ITEMS, || false), 1);
    assert_eq!(pace.after(1, 1, ITEMS, || true), 2);
}

#[test]
fn a_loop_begins_with_what_a_thief_may_have() {
    let plan = plan();
    assert_eq!(plan.begin(ITEMS, true).1, 2);
    assert_eq!(plan.begin(ITEMS, false).1, 1);
    assert_eq!([1, 3, 2 * FEW].map(|len| plan.begin(len, true).1), [1, 3, 4]);
    for plan in [Plan::new(2, 1, usize::MAX, false), self::plan().in_one_block()] {
        assert_eq!(plan.begin(ITEMS, false).1, 2 * EACH);
        assert_eq!(plan.begin(5, false).1, 5);
        let mut pace = plan.begin(ITEMS, false).0;
        assert_eq!(pace.after(1, SLOW, ITEMS, || panic!("it cannot pause")), 1);
    }
}

#[test]
fn a_first_item_hides_no_others() {
    let plan = Plan::new(2, 3, 100, true);
    for (len, is_bare) in [(2 * FEW, false), (6, false), (UNKNOWN, true)] {
        let (pace, pieces) = plan.begin(len, is_bare);
        let first = (len != UNKNOWN).then_some(3);
        assert_eq!((pieces, pace.first(pieces, len)), (FIRST_ALONE, first));
        assert_eq!([5, 6].map(|len| pace.cuts(pieces, len)), [false, true]);
    }
    assert_eq!(plan.begin(ITEMS, true).0.first(2, ITEMS), None);
    let halves = [FIRST_ALONE, 1, 2, 5].map(Pace::halved);
    assert_eq!(halves, [(FIRST_ALONE, 1), (1, 1), (1, 1), (2, 3)]);
}

#[test]
fn no_piece_is_too_short() {
    const MOST: usize = usize::MAX - 1;
    let all = |min| Plan::new(2, min, usize::MAX, true).begin(MOST, true).1;
    assert_eq!([MOST, MOST / 2 + 1, MOST / 2].map(all), [1, 1, 2]);
}

#[test]
fn one_worker_goes_through_in_one_block() {
    let plan = Plan::new(1, 1, usize::MAX, true);
    let (mut pace, pieces) = plan.begin(ITEMS, true);
    assert!(pieces == 1 && pace.next(ITEMS) >= ITEMS);
    assert_eq!(pace.after(1, SLOW, ITEMS, || panic!("nobody is there")), 1);
}

#[test]
fn blocks_come_to_last_as_long_as_they_should() {
    for item in [1, 10, 100, BLOCK / 3, BLOCK, 10 * BLOCK] {
        let plan = plan();
        let mut pace = plan.begin(ITEMS, true).0;
        for _ in 0..20 {
            let length = pace.next(usize::MAX);
            pace.after(length, length as u64 * item, usize::MAX, || false);
        }
        let took = pace.next(usize::MAX) as u64 * item;
        assert!(took >= BLOCK / 2 && took <= (2 * BLOCK).max(item), "{item}: {took}");
    }
}

#[test]
fn blocks_grow_no_faster_and_pieces_no_longer_than_they_may() {
    let plan = Plan::new(2, 3, 100, true);
    let mut pace = plan.begin(ITEMS, true).0;
    let lengths = [3, 24, 100, 100].map(|length| {
        assert_eq!(pace.next(ITEMS), length);
        pace.after(length, 0, ITEMS, || false)
    });
    assert_eq!(lengths, [1; 4]);
    pace.after(4, BLOCK * 3, ITEMS, || false);
    assert_eq!(pace.next(ITEMS), 3);
    assert!(pace.cuts(1, 101) && !pace.cuts(1, 100));
}

#[test]
fn no_block_is_longer_than_a_share_among_many() {
    let plan = Plan::new(4, 2, usize::MAX, true);
    let pace = Pace { block: 1000, ..plan.begin(ITEMS, true).0 };
    assert_eq!([ITEMS, 400, 4].map(|left| pace.next(left)), [1000, 100, 2]);
}

#[test]
fn a_fork_leaves_the_minimum_on_either_side() {
    let plan = Plan::new(2, 10, usize::MAX, true);
    let mut pace = warm(&plan);
    assert_eq!(pace.after(1, 1, 20, || true), 2);
    assert_eq!(pace.after(1, 1, 19, || panic!("it is too short")), 1);
}

#[test]
fn slow_items_are_shared_before_somebody_is_idle() {
    let plan = plan().cheap(true);
    let mut pace = warm(&plan);
    assert_eq!(pace.after(2, 2 * SLOW + 2, ITEMS, || false), 2 * EACH);
    assert_eq!(pace.after(1, SLOW + 1, 5, || false), 5);
    assert_eq!(pace.after(1, SLOW, ITEMS, || false), 1);
    assert_eq!(warm(&self::plan()).after(1, 2 * SLOW, ITEMS, || false), 1);
}

#[test]
fn the_right_side_begins_as_the_left_one_ended_unless_stolen() {
    let plan = plan();
    let pace = warm(&plan).forked();
    assert_eq!([5, 1000].map(|block| pace.after_left(block).block), [5, HANDED_ON]);
    let (stolen, pieces) = Pace { block: 1000, depth: 7, ..pace }.stolen(1, ITEMS);
    assert_eq!((stolen.block, stolen.depth, pieces), (1, 0, 2));
}

#[test]
fn thieves_make_more_pieces_only_so_often() {
    let plan = plan();
    let pace = plan.begin(ITEMS, true).0;
    let refilled = (0..1000).filter(|_| pace.stolen(1, ITEMS).1 > 1).count();
    assert_eq!(refilled, 2 * REFILLS);
}

#[test]
fn forks_that_stand_on_forks_wait_longer_and_longer() {
    let plan = plan();
    let mut pace = warm(&plan);
    for _ in 1..DEEP {
        pace = pace.forked();
        assert_eq!(pace.after(1, 0, ITEMS, || true), 2);
    }
    let waits = [1, 2, 4, 8].map(|times| {
        pace = pace.forked();
        pace.patience == times * WARM_UP && pace.after(1, 0, ITEMS, || true) == 1
    });
    assert_eq!(waits, [true; 4]);
    assert_eq!(pace.stolen(1, ITEMS).0.patience, WARM_UP);
}

#[test]
fn a_piece_without_a_place_to_cut_looks_again_after_a_block() {
    let plan = plan();
    let mut pace = warm(&plan);
    pace.found_no_place();
    assert_eq!(pace.after(1, BLOCK - 1, ITEMS, || true), 1);
    assert_eq!(pace.after(1, 1, ITEMS, || true), 2);
}
