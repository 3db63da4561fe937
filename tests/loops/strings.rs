//! Parallel iterators over the parts of strings match the serial ones.

use std::fmt::Debug;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::everywhere::{everywhere, in_pool};
use filch::prelude::*;
use proptest::prelude::prop;
use proptest::proptest;

const LONG: usize = 100_000;

/// Asserts that a parallel iterator yields what the serial one yields, in order.
#[track_caller]
fn same<T: PartialEq + Debug + Send>(
    par: impl ParallelIterator<Item = T>,
    ser: impl Iterator<Item = T>,
) {
    let (all, expected): (Vec<T>, Vec<T>) = (par.collect(), ser.collect());
    assert!(all == expected, "{all:?} instead of {expected:?}");
}

/// Methods without a pattern.
fn check_pieces(s: &str) {
    same(s.par_chars(), s.chars());
    same(s.par_char_indices(), s.char_indices());
    same(s.par_bytes(), s.bytes());
    same(s.par_bytes().rev().skip(3), s.bytes().rev().skip(3));
    assert_eq!(s.par_bytes().len(), s.len());
    same(s.par_encode_utf16(), s.encode_utf16());
    same(s.par_lines(), s.lines());
    same(s.par_split_whitespace(), s.split_whitespace());
    same(s.par_split_ascii_whitespace(), s.split_ascii_whitespace());
    assert_eq!(s.par_chars().find_last(|c| *c > 'b'), s.chars().rfind(|c| *c > 'b'));
    assert_eq!(s.par_lines().find_first(|line| line.len() > 1), s.lines().find(|l| l.len() > 1));
}

/// Methods with a pattern, for this pattern.
macro_rules! check_pattern {
    ($s:ident, $pattern:expr) => {
        same($s.par_split($pattern), $s.split($pattern));
        same($s.par_split_inclusive($pattern), $s.split_inclusive($pattern));
        same($s.par_split_terminator($pattern), $s.split_terminator($pattern));
        same($s.par_matches($pattern), $s.matches($pattern));
        same($s.par_match_indices($pattern), $s.match_indices($pattern));
    };
}

fn check_patterns(s: &str) {
    for c in ['\n', 'é', '𝄞', 'x'] {
        check_pattern!(s, c);
    }
    for set in [&[][..], &['\n', 'é'], &['𝄞']] {
        check_pattern!(s, set);
    }
    check_pattern!(s, ['a', '𝄞']);
    check_pattern!(s, &['a', '𝄞']);
    for f in [char::is_whitespace as fn(char) -> bool, |_| true, |_| false] {
        check_pattern!(s, f);
    }
    let hash = '#';
    check_pattern!(s, |c: char| c == hash);
}

/// Drains the part between these places, or near them.
fn check_drain(s: &str, from: usize, to: usize) {
    let boundary = |at: usize| (0..=at.min(s.len())).rev().find(|&at| s.is_char_boundary(at));
    let (from, to) = (boundary(from.min(to)).unwrap(), boundary(from.max(to)).unwrap());
    let rest = format!("{}{}", &s[..from], &s[to..]);
    let mut text = s.to_owned();
    assert_eq!(text.par_drain(from..to).collect::<String>(), s[from..to]);
    assert_eq!(text, rest);
    // A drain that is not driven, and one that is driven in part.
    let mut text = s.to_owned();
    drop(text.par_drain(from..to));
    assert_eq!(text, rest);
    let mut text = s.to_owned();
    assert_eq!(text.par_drain(from..to).find_first(|_| true), s[from..to].chars().next());
    assert_eq!(text, rest);
}

proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(60))]

    #[test]
    fn strings_yield_the_serial_items(
        s in "[a-c é𝄞\n\r#]{0,200}", from in 0..300_usize, to in 0..300_usize, pool in 0..3_usize,
    ) {
        in_pool(pool, || {
            check_pieces(&s);
            check_patterns(&s);
            check_drain(&s, from, to);
        });
    }

    #[test]
    fn short_strings_yield_the_serial_items(
        all in prop::collection::vec("[aé𝄞\n\r]{0,4}", 1..50), pool in 0..3_usize,
    ) {
        in_pool(pool, || {
            for s in &all {
                check_pieces(s);
                check_patterns(s);
            }
        });
    }
}

#[test]
fn long_strings_yield_the_serial_items() {
    let cycled = |s: &str, len| s.chars().cycle().take(len).collect::<String>();
    let mixed = cycled("line é\r\n𝄞 a b#\n\n", LONG);
    let texts = [mixed, cycled("𝄞", LONG / 10), "a".repeat(LONG / 10), "\n".repeat(LONG / 10)];
    everywhere(|| {
        for s in &texts {
            check_pieces(s);
            check_patterns(s);
            check_drain(s, 77, s.len() / 2);
        }
        // One separator, at several places.
        for at in [0, 1, LONG / 2, LONG - 1, LONG] {
            let s = format!("{}é{}", "a".repeat(at), "a".repeat(LONG - at));
            check_pattern!(s, 'é');
        }
    });
}

/// Takes long enough for other workers to steal.
fn slow<T>(item: T) -> T {
    (0..500).for_each(|_| std::hint::spin_loop());
    item
}

#[test]
fn pieces_that_take_time_stay_in_order() {
    let s: String = "line é\r\n𝄞 a b#\n\n".chars().cycle().take(5000).collect();
    everywhere(|| {
        same(s.par_char_indices().map(slow), s.char_indices());
        same(s.par_split('\n').map(slow), s.split('\n'));
        same(s.par_split_inclusive('\n').map(slow), s.split_inclusive('\n'));
        same(s.par_split_terminator('\n').map(slow), s.split_terminator('\n'));
        same(s.par_match_indices('𝄞').map(slow), s.match_indices('𝄞'));
    });
}

#[test]
fn strings_are_drained_however_the_loop_ends() {
    everywhere(|| {
        let mut text = "grüne 𝄞".repeat(100);
        let caught = catch_unwind(AssertUnwindSafe(|| {
            text.par_drain(2..).for_each(|c| assert_ne!(c, '𝄞'));
        }));
        assert!(caught.is_err());
        assert_eq!(text, "gr");
        mem::forget(text.par_drain(..));
        assert!(["gr", ""].contains(&&*text));
        text = "grün".to_owned();
        for refused in [0..3, 3..4, 1..9] {
            let drain = AssertUnwindSafe(|| drop(text.clone().par_drain(refused)));
            assert!(catch_unwind(drain).is_err());
        }
        text.par_drain(..).for_each(drop);
        assert!(text.is_empty());
    });
}

#[test]
fn a_last_line_that_is_long_is_not_searched_again_and_again() {
    let s = "ab\n".repeat(20_000) + &"a".repeat(10 * LONG) + "\n";
    everywhere(|| {
        let asked = AtomicUsize::new(0);
        let is_end = |c| {
            asked.fetch_add(1, Relaxed);
            c == '\n'
        };
        let parts = s.par_split_inclusive(is_end).map(slow);
        same(parts, s.split_inclusive('\n'));
        let asked = asked.into_inner();
        assert!(asked < 8 * s.len(), "{asked} times");
    });
}
