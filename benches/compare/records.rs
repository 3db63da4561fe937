//! Sorts of records of many sizes, by keys with many or few values, and by keys behind a pointer.

use crate::clock::{Sample, measure};
use crate::contest::Contest;
use crate::goal::Who;
use crate::rows::Arena;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::cmp::Ordering;

/// How many records are sorted.
const LEN: u64 = 100_000;

/// The rows. On one thread, *ideal* is std's sort, run on a thread of filch's pool.
pub fn rows(arena: &Arena) -> Vec<Contest<'_>> {
    let mut rows = words::<1>(arena);
    rows.extend(words::<2>(arena));
    rows.extend(words::<3>(arena));
    rows.extend(words::<5>(arena));
    rows.extend(words::<8>(arena));
    rows.extend(words::<16>(arena));
    rows.extend(words::<32>(arena));
    rows.extend(kinds(arena, "Box<u64>", |key, n| (Box::new(key), n), |a, b| a.0.cmp(&b.0)));
    rows.extend(kinds(arena, "String", |key, _| format!("{key:020}"), String::cmp));
    rows
}

/// Records of `N` words, sorted by the first word.
fn words<const N: usize>(arena: &Arena) -> Vec<Contest<'_>> {
    let record = |key, n| {
        let mut words = [n; N];
        words[0] = key;
        words
    };
    kinds(arena, &format!("[u64; {N}]"), record, |a, b| a[0].cmp(&b[0]))
}

/// Inputs of many kinds, each sorted unstably and stably. `record` makes a record of a key and the
/// record's number.
fn kinds<'a, T: Send + 'a>(
    arena: &'a Arena,
    name: &str,
    record: impl Fn(u64, u64) -> T + Copy + 'a,
    compare: impl Fn(&T, &T) -> Ordering + Sync + Copy + 'a,
) -> Vec<Contest<'a>> {
    type Key = fn(u64, u64) -> u64;
    let inputs: [(&str, Key); 10] = [
        ("2 keys", |random, _| random % 2),
        ("4 keys", |random, _| random % 4),
        ("16 keys", |random, _| random % 16),
        ("100 keys", |random, _| random % 100),
        ("1,000 keys", |random, _| random % 1000),
        ("10,000 keys", |random, _| random % 10_000),
        ("random", |random, _| random),
        ("sorted", |_, n| n),
        ("reversed", |_, n| LEN - n),
        ("sawtooth", |_, n| n % (LEN / 8)),
    ];
    let contests = inputs.map(|(kind, key)| {
        let input = move |seed| {
            let mut random = SmallRng::seed_from_u64(seed);
            (0..LEN).map(|n| record(key(random.next_u64(), n), n)).collect()
        };
        let unstable = format!("sort {name}, {kind}, unstable");
        let stable = format!("sort {name}, {kind}, stable");
        [
            contest(arena, unstable, input, compare, unstable_sorts(arena, compare)),
            contest(arena, stable, input, compare, stable_sorts(arena, compare)),
        ]
    });
    contests.into_iter().flatten().collect()
}

/// The contestants, and how each sorts.
type Sorts<'a, T> = [(Who, Box<dyn Fn(&mut [T]) + 'a>); 3];

fn unstable_sorts<'a, T: Send + 'a>(
    arena: &'a Arena,
    compare: impl Fn(&T, &T) -> Ordering + Sync + Copy + 'a,
) -> Sorts<'a, T> {
    use filch::slice::ParallelSliceMut as Ours;
    use rayon::slice::ParallelSliceMut as Rayons;

    let (filch, rayon) = (&arena.workers, &arena.rayon);
    [
        (Who::Filch, Box::new(move |v| filch.install(|| Ours::par_sort_unstable_by(v, compare)))),
        (Who::Rayon, Box::new(move |v| rayon.install(|| Rayons::par_sort_unstable_by(v, compare)))),
        (Who::Ideal, Box::new(move |v| filch.install(|| v.sort_unstable_by(compare)))),
    ]
}

fn stable_sorts<'a, T: Send + 'a>(
    arena: &'a Arena,
    compare: impl Fn(&T, &T) -> Ordering + Sync + Copy + 'a,
) -> Sorts<'a, T> {
    use filch::slice::ParallelSliceMut as Ours;
    use rayon::slice::ParallelSliceMut as Rayons;

    let (filch, rayon) = (&arena.workers, &arena.rayon);
    [
        (Who::Filch, Box::new(move |v| filch.install(|| Ours::par_sort_by(v, compare)))),
        (Who::Rayon, Box::new(move |v| rayon.install(|| Rayons::par_sort_by(v, compare)))),
        (Who::Ideal, Box::new(move |v| filch.install(|| v.sort_by(compare)))),
    ]
}

/// A contest in which all contestants sort the same inputs. std takes part only on one thread.
fn contest<'a, T: 'a>(
    arena: &'a Arena,
    name: String,
    input: impl Fn(u64) -> Vec<T> + Copy + 'a,
    compare: impl Fn(&T, &T) -> Ordering + Copy + 'a,
    sorts: Sorts<'a, T>,
) -> Contest<'a> {
    let sorts = sorts.into_iter().filter(|(who, _)| *who != Who::Ideal || arena.threads == 1);
    sorts
        .fold(Contest::new(name.leak(), arena.threads), |contest, (who, sort)| {
            contest.with(who, sorting(input, compare, sort))
        })
        .at_most(1.0, Who::Rayon)
}

/// Sorts a different input each time, since a single one might have lucky pivots.
fn sorting<T>(
    input: impl Fn(u64) -> Vec<T>,
    compare: impl Fn(&T, &T) -> Ordering,
    sort: impl Fn(&mut [T]),
) -> impl FnMut() -> Sample {
    let mut seed = 0;
    move || {
        seed += 1;
        let mut v = input(seed);
        let ((), sample) = measure(|| sort(&mut v));
        assert!(v.is_sorted_by(|a, b| compare(a, b).is_le()), "a wrong result");
        sample
    }
}
