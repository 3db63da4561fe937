//! Collections yield what they yield serially: by value, by reference and drained. Every item is
//! dropped once, however the loop ends.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, LinkedList, VecDeque};
use std::fmt::Debug;
use std::hash::{Hash, Hasher};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::everywhere::{everywhere, in_pool};
use filch::prelude::*;
use proptest::prelude::prop;
use proptest::proptest;

const LONG: usize = 100_000;

/// Asserts that a parallel iterator yields what the serial one yields, in order.
#[track_caller]
fn same<T: PartialEq + Debug + Send>(
    par: impl IndexedParallelIterator<Item = T>,
    ser: impl IntoIterator<Item = T>,
) {
    let (len, all) = (par.len(), par.collect::<Vec<T>>());
    assert_eq!(len, all.len());
    assert!(ser.into_iter().eq(all));
}

/// Checks `collection` by value and by reference.
macro_rules! check_both {
    ($collection:expr) => {
        same((&$collection).into_par_iter(), &$collection);
        same($collection.clone().into_par_iter(), $collection.clone());
    };
}

/// Checks it also by exclusive reference: `$change` changes the items.
macro_rules! check_all {
    ($collection:expr, |$item:pat_param| $change:expr) => {{
        check_both!($collection);
        let (mut par, mut ser) = ($collection.clone(), $collection.clone());
        par.par_iter_mut().for_each(|$item| $change);
        ser.iter_mut().for_each(|$item| $change);
        assert!(par == ser);
    }};
}

/// A deque whose items wrap around its end.
fn deque(v: &[u32]) -> VecDeque<u32> {
    let mut deque: VecDeque<u32> = v.iter().copied().collect();
    deque.rotate_left(v.len() / 3);
    deque
}

fn check_collections(v: &[u32]) {
    let pairs = || v.iter().map(|&n| (n, n + 1));
    check_all!(v.to_vec(), |n| *n += 1);
    check_all!(Box::<[u32]>::from(v), |n| *n += 1);
    check_all!(deque(v), |n| *n += 1);
    check_all!(v.iter().copied().collect::<LinkedList<_>>(), |n| *n += 1);
    let heap: BinaryHeap<u32> = v.iter().copied().collect();
    same((&heap).into_par_iter(), &heap);
    same(heap.clone().into_par_iter(), heap.clone());
    let set: BTreeSet<u32> = v.iter().copied().collect();
    check_both!(set);
    let hashed: HashSet<u32> = v.iter().copied().collect();
    check_both!(hashed);
    let map: BTreeMap<u32, u32> = pairs().collect();
    check_all!(map, |(key, n)| *n += key);
    let map: HashMap<u32, u32> = pairs().collect();
    check_all!(map, |(key, n)| *n += key);
    same(v.into_par_iter(), v);
    same(deque(v).par_iter().rev(), deque(v).iter().rev());
}

/// Checks the drained items, and those that stay.
fn check_drains(v: &[u32], from: usize, to: usize) {
    let (from, to) = (from.min(to).min(v.len()), from.max(to).min(v.len()));
    macro_rules! check_range {
        ($make:expr) => {
            let (mut par, mut ser) = ($make, $make);
            same(par.par_drain(from..to), ser.drain(from..to));
            assert_eq!(par, ser);
            same(par.par_drain(..0), []);
            same(par.par_drain(..), ser.drain(..));
            assert!(par.is_empty());
        };
    }
    check_range!(v.to_vec());
    check_range!(deque(v));
    macro_rules! check_full {
        ($make:expr) => {
            let (mut par, mut ser) = ($make, $make.clone());
            same(par.par_drain(), ser.drain());
            assert!(par.is_empty());
        };
    }
    let heap: BinaryHeap<u32> = v.iter().copied().collect();
    let set: HashSet<u32> = v.iter().copied().collect();
    let map: HashMap<u32, u32> = v.iter().map(|&n| (n, n + 1)).collect();
    check_full!(heap.clone());
    check_full!(set.clone());
    check_full!(map.clone());
}

proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(60))]

    #[test]
    fn collections_yield_the_serial_items(
        v in prop::collection::vec(0..100_u32, 0..300),
        from in 0..300_usize, to in 0..300_usize, pool in 0..3_usize,
    ) {
        in_pool(pool, || {
            check_collections(&v);
            check_drains(&v, from, to);
        });
    }
}

#[test]
fn long_collections_yield_the_serial_items() {
    let v: Vec<u32> = (0..LONG as u32).map(|n| n.wrapping_mul(2_654_435_761) >> 8).collect();
    everywhere(|| {
        check_collections(&v);
        check_drains(&v, 300, LONG / 2);
    });
}

/// Records that it was dropped.
#[derive(Debug)]
struct Item<'d> {
    n: usize,
    drops: &'d [AtomicU32],
}

impl Drop for Item<'_> {
    fn drop(&mut self) {
        self.drops[self.n].fetch_add(1, Relaxed);
    }
}

impl PartialEq for Item<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.n == other.n
    }
}
impl Eq for Item<'_> {}
impl PartialOrd for Item<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Item<'_> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.n.cmp(&other.n)
    }
}
impl Hash for Item<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.n.hash(state);
    }
}

/// What happens to a parallel iterator.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Use {
    All,
    Rev,
    /// Items are left out at both ends and in between.
    Some,
    /// The other iterator is shorter.
    Zip,
    Find,
    Panic(usize),
    Drop,
    Forget,
}

const USES: [Use; 9] = [
    Use::All,
    Use::Rev,
    Use::Some,
    Use::Zip,
    Use::Find,
    Use::Panic(0),
    Use::Panic(123),
    Use::Panic(N - 1),
    Use::Drop,
];

/// The number of items.
const N: usize = 1000;

impl Use {
    fn run<'d>(self, items: impl IndexedParallelIterator<Item = Item<'d>>) {
        match self {
            Use::All => items.for_each(drop),
            Use::Rev => items.rev().for_each(drop),
            Use::Some => items.skip(7).step_by(3).take(200).for_each(drop),
            Use::Zip => items.zip(0..N / 3).for_each(drop),
            Use::Find => drop(items.find_any(|item| item.n % 100 == 50)),
            Use::Panic(at) => items.for_each(|item| {
                if item.n == at {
                    panic_any("no more");
                }
            }),
            Use::Drop => drop(items),
            Use::Forget => mem::forget(items),
        }
    }
}

/// Makes a collection of items and uses it.
type Source = for<'d> fn(Vec<Item<'d>>, Use);

fn second<'d>((n, item): (usize, Item<'d>)) -> Item<'d> {
    assert_eq!(n, item.n);
    item
}

const WHOLE: [(&str, Source); 12] = [
    ("vector", |items, used| used.run(items.into_par_iter())),
    ("box", |items, used| used.run(items.into_boxed_slice().into_par_iter())),
    ("deque", |items, used| used.run(VecDeque::from(items).into_par_iter())),
    ("list", |items, used| used.run(LinkedList::from_iter(items).into_par_iter())),
    ("heap", |items, used| used.run(BinaryHeap::from(items).into_par_iter())),
    ("tree", |items, used| used.run(BTreeSet::from_iter(items).into_par_iter())),
    ("set", |items, used| used.run(HashSet::<_>::from_iter(items).into_par_iter())),
    ("map", |items, used| {
        let map: HashMap<_, _> = items.into_iter().map(|item| (item.n, item)).collect();
        used.run(map.into_par_iter().map(second));
    }),
    ("tree of pairs", |items, used| {
        let map: BTreeMap<_, _> = items.into_iter().map(|item| (item.n, item)).collect();
        used.run(map.into_par_iter().map(second));
    }),
    ("drained heap", |items, used| used.run(BinaryHeap::from(items).par_drain())),
    ("drained set", |items, used| used.run(HashSet::<_>::from_iter(items).par_drain())),
    ("array", |items, used| {
        let array: [Item<'_>; N] = items.try_into().unwrap();
        used.run(array.into_par_iter());
    }),
];

/// The first and the last 250 items are not drained.
const PARTS: [(&str, Source); 3] = [
    ("part of a vector", |mut items, used| {
        used.run(items.par_drain(250..750));
        if used == Use::Forget {
            // The drain was forgotten before it began, so no item is missing.
            assert_eq!(items.len(), N);
            mem::forget(items.drain(..).skip(250).take(500).collect::<Vec<_>>());
            return;
        }
        assert_stays(items);
    }),
    ("end of a vector", |mut items, used| {
        let behind = items.split_off(750);
        used.run(items.par_drain(250..));
        if used == Use::Forget {
            assert_eq!(items.len(), 750);
            mem::forget(items.split_off(250));
        }
        items.extend(behind);
        assert_stays(items);
    }),
    ("part of a deque", |items, used| {
        let mut deque = VecDeque::from(items);
        used.run(deque.par_drain(250..750));
        assert_stays(deque.into());
    }),
];

fn assert_stays(items: Vec<Item<'_>>) {
    assert!(items.iter().map(|item| item.n).eq((0..250).chain(750..N)));
}

/// Asserts that each item is dropped once, or never if it was forgotten.
fn check_drops(name: &str, source: Source, used: Use, is_in: fn(usize) -> bool) {
    let drops: Vec<_> = (0..N).map(|_| AtomicU32::new(0)).collect();
    let items: Vec<_> = (0..N).map(|n| Item { n, drops: &drops }).collect();
    let result = catch_unwind(AssertUnwindSafe(|| source(items, used)));
    match used {
        Use::Panic(at) if is_in(at) => {
            assert_eq!(result.unwrap_err().downcast_ref(), Some(&"no more"), "{name}");
        }
        _ => assert!(result.is_ok(), "{name} {used:?}"),
    }
    for (n, drops) in drops.into_iter().enumerate() {
        let expected = u32::from(used != Use::Forget || !is_in(n));
        assert_eq!(drops.into_inner(), expected, "{name} {used:?}: {n}");
    }
}

fn check_all_drops(used: Use) {
    for (name, source) in WHOLE {
        check_drops(name, source, used, |_| true);
    }
    for (name, source) in PARTS {
        check_drops(name, source, used, |n| (250..750).contains(&n));
    }
}

#[test]
fn every_item_is_dropped_once() {
    everywhere(|| USES.into_iter().for_each(check_all_drops));
}

#[test]
fn items_that_are_leaked_on_purpose_are_not_dropped() {
    everywhere(|| check_all_drops(Use::Forget));
}

#[test]
fn a_range_outside_is_refused() {
    everywhere(|| {
        let (mut vec, mut deque) = (vec![1, 2, 3], VecDeque::from([1, 2, 3]));
        for (from, to) in [(0, 4), (4, 4), (2, 1)] {
            let refused = |op: &mut dyn FnMut()| catch_unwind(AssertUnwindSafe(op)).is_err();
            assert!(refused(&mut || drop(vec.par_drain(from..to))));
            assert!(refused(&mut || drop(deque.par_drain(from..to))));
        }
        assert_eq!(vec, [1, 2, 3]);
        assert_eq!(deque, [1, 2, 3]);
    });
}
