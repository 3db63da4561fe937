//! Every end of a parallel iterator returns what its serial counterpart returns.

use std::borrow::Cow;
use std::cmp::Ordering::{self, Equal};
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, LinkedList, VecDeque};
use std::ffi::OsString;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::Poll;

use crate::everywhere::{everywhere, in_pool};
use filch::iter::Either;
use filch::prelude::*;
use proptest::prelude::{any, prop};
use proptest::{prop_assert, prop_assert_eq, proptest};

const LONG: usize = 100_000;

/// Numbers, many of them equal.
fn numbers() -> impl proptest::strategy::Strategy<Value = Vec<u32>> {
    prop::collection::vec(0..50_u32, 0..300)
}

/// A long input, in which every number occurs about ten times.
fn long() -> Vec<u32> {
    (0..LONG as u32).map(|n| n.wrapping_mul(2_654_435_761) % 10_000).collect()
}

/// Numbers with their positions, which tell equal numbers apart.
fn numbered(numbers: &[u32]) -> Vec<(usize, u32)> {
    numbers.iter().copied().enumerate().collect()
}

fn by_value(a: &(usize, u32), b: &(usize, u32)) -> Ordering {
    a.1.cmp(&b.1)
}

/// All reductions.
fn check_reductions(v: &[u32]) {
    let n = numbered(v);
    let (par, ser) = (|| n.clone().into_par_iter(), || n.iter().copied());
    assert_eq!(par().min_by(by_value), ser().min_by(by_value));
    assert_eq!(par().max_by(by_value), ser().max_by(by_value));
    assert_eq!(par().min_by_key(|p| p.1), ser().min_by_key(|p| p.1));
    assert_eq!(par().max_by_key(|p| p.1), ser().max_by_key(|p| p.1));
    assert_eq!(par().min(), ser().min());
    assert_eq!(par().max(), ser().max());
    assert_eq!(par().count(), ser().count());
    assert_eq!(
        v.par_iter().map(|&n| u64::from(n)).sum::<u64>(),
        v.iter().map(|&n| u64::from(n)).sum::<u64>()
    );
    let factor = |n: &u32| std::num::Wrapping(n | 1);
    assert_eq!(
        v.par_iter().map(factor).product::<std::num::Wrapping<u32>>(),
        v.iter().map(factor).product()
    );
    let words = || v.par_iter().filter(|&&n| n < 45).map(u32::to_string);
    let joined: String = v.iter().filter(|&&n| n < 45).map(u32::to_string).collect();
    assert_eq!(words().reduce(String::new, |a, b| a + &b), joined);
    let some = Some(joined.clone()).filter(|all| !all.is_empty());
    assert_eq!(words().reduce_with(|a, b| a + &b), some);
    assert_eq!(words().map(Some).try_reduce(String::new, |a, b| Some(a + &b)), Some(joined));
    assert_eq!(words().map(Some).try_reduce_with(|a, b| Some(a + &b)), some.map(Some));
}

/// All searches for items like `n`.
fn check_searches(v: &[u32], n: u32) {
    let all = numbered(v);
    let (par, ser) = (|| all.clone().into_par_iter(), || all.iter().copied());
    let odd = |p: &(usize, u32)| p.1 % 2 == 1;
    let is = |p: &(usize, u32)| p.1 == n;
    let makes = |p: (usize, u32)| (p.1 == n).then_some(p.0);
    assert_eq!(par().find_first(is), ser().find(is));
    assert_eq!(par().find_last(is), ser().rfind(is));
    assert_eq!(par().find_map_first(makes), ser().find_map(makes));
    assert_eq!(par().find_map_last(makes), ser().rev().find_map(makes));
    assert_eq!(par().filter(odd).find_first(is), ser().filter(odd).find(is));
    assert_eq!(par().filter(odd).find_last(is), ser().filter(odd).rfind(is));
    assert_eq!(par().any(|p| is(&p)), ser().any(|p| is(&p)));
    assert_eq!(par().all(|p| !is(&p)), ser().all(|p| !is(&p)));
    assert_eq!(par().find_any(is).is_some(), ser().any(|p| is(&p)));
    assert!(par().find_any(is).is_none_or(|p| is(&p)));
    assert_eq!(par().find_map_any(makes).map(|at| v[at]), ser().find(is).map(|p| p.1));
    assert_eq!(v.par_iter().position_first(|&m| m == n), v.iter().position(|&m| m == n));
    assert_eq!(v.par_iter().position_last(|&m| m == n), v.iter().rposition(|&m| m == n));
    let any = v.par_iter().position_any(|&m| m == n);
    assert_eq!(any.map(|at| v[at]), v.iter().copied().find(|&m| m == n));
}

/// All comparisons.
fn check_comparisons(a: &[u32], b: &[u32]) {
    let (p, q, s, t) = (|| a.par_iter(), || b.par_iter(), || a.iter(), || b.iter());
    assert_eq!(p().cmp(q()), s().cmp(t()));
    assert_eq!(p().partial_cmp(q()), s().partial_cmp(t()));
    assert_eq!(p().eq(q()), s().eq(t()));
    assert_eq!(p().ne(q()), s().ne(t()));
    assert_eq!(p().lt(q()), s().lt(t()));
    assert_eq!(p().le(q()), s().le(t()));
    assert_eq!(p().gt(q()), s().gt(t()));
    assert_eq!(p().ge(q()), s().ge(t()));
}

/// Collects with positions and without.
fn check_into<C>(v: &[u32])
where
    C: FromParallelIterator<u32> + FromIterator<u32> + PartialEq + std::fmt::Debug,
{
    let odd = |n: &u32| n % 2 == 1;
    assert_eq!(v.to_vec().into_par_iter().collect::<C>(), v.iter().copied().collect());
    assert_eq!(
        v.to_vec().into_par_iter().filter(odd).collect::<C>(),
        v.iter().copied().filter(odd).collect()
    );
}

/// Extends a collection that has items already, by value and by reference.
fn check_onto<C>(v: &[u32])
where
    C: ParallelExtend<u32> + for<'a> ParallelExtend<&'a u32>,
    C: Extend<u32> + FromIterator<u32> + PartialEq + std::fmt::Debug,
{
    let start = || [3, 50, 60, 3].into_iter().collect::<C>();
    let (mut expected, mut got, mut copied) = (start(), start(), start());
    let mut some = start();
    let mut expected_some = start();
    expected.extend(v.iter().copied());
    got.par_extend(v.to_vec());
    copied.par_extend(v);
    assert_eq!(got, expected);
    assert_eq!(copied, expected);
    expected_some.extend(v.iter().copied().filter(|n| n % 3 == 0));
    some.par_extend(v.to_vec().into_par_iter().filter(|n| n % 3 == 0));
    assert_eq!(some, expected_some);
}

/// Collects into all collections.
fn check_collections(v: &[u32]) {
    check_into::<Vec<u32>>(v);
    check_into::<Box<[u32]>>(v);
    check_into::<Rc<[u32]>>(v);
    check_into::<Arc<[u32]>>(v);
    check_into::<Cow<'_, [u32]>>(v);
    check_into::<VecDeque<u32>>(v);
    check_into::<LinkedList<u32>>(v);
    check_into::<HashSet<u32>>(v);
    check_into::<BTreeSet<u32>>(v);
    check_onto::<Vec<u32>>(v);
    check_onto::<VecDeque<u32>>(v);
    check_onto::<LinkedList<u32>>(v);
    check_onto::<HashSet<u32>>(v);
    check_onto::<BTreeSet<u32>>(v);
    let mut sorted = v.to_vec();
    sorted.sort();
    assert_eq!(v.to_vec().into_par_iter().collect::<BinaryHeap<_>>().into_sorted_vec(), sorted);
    let mut heap = BinaryHeap::<u32>::new();
    heap.par_extend(v);
    assert_eq!(heap.into_sorted_vec(), sorted);
    // The last one of several equal keys stays.
    let pairs = || v.to_vec().into_par_iter().map(|n| (n % 20, n));
    let expected: BTreeMap<_, _> = v.iter().map(|&n| (n % 20, n)).collect();
    assert_eq!(pairs().collect::<BTreeMap<_, _>>(), expected);
    let hashed: HashMap<_, _> = pairs().collect();
    assert_eq!(hashed.into_iter().collect::<BTreeMap<_, _>>(), expected);
    let mut extended = BTreeMap::new();
    extended.par_extend(expected.par_iter());
    assert_eq!(extended, expected);
    let mut hashed = HashMap::new();
    hashed.par_extend(expected.par_iter());
    assert_eq!(hashed.into_iter().collect::<BTreeMap<_, _>>(), expected);
    let list = v.to_vec().into_par_iter().filter(|n| n % 2 == 0).collect_vec_list();
    let even: Vec<u32> = v.iter().copied().filter(|n| n % 2 == 0).collect();
    assert_eq!(list.into_iter().flatten().collect::<Vec<_>>(), even);
    let mut old = vec![1, 2, 3];
    v.to_vec().into_par_iter().collect_into_vec(&mut old);
    assert_eq!(old, v);
}

/// Collects into strings.
fn check_texts(v: &[u32]) {
    let c = |n: &u32| char::from_u32(n + 0x3b0).unwrap();
    let chars: Vec<char> = v.iter().map(c).collect();
    let words: Vec<String> = v.iter().map(|n| format!("{n},")).collect();
    let (text, long): (String, String) = (chars.iter().collect(), words.concat());
    assert_eq!(chars.par_iter().collect::<String>(), text);
    assert_eq!(v.par_iter().map(c).collect::<String>(), text);
    assert_eq!(v.par_iter().map(c).collect::<Box<str>>(), text.clone().into_boxed_str());
    assert_eq!(v.par_iter().map(c).collect::<Cow<'_, str>>(), text);
    assert_eq!(words.clone().into_par_iter().collect::<String>(), long);
    let strs = || words.par_iter().map(String::as_str);
    assert_eq!(strs().collect::<String>(), long);
    assert_eq!(strs().map(Cow::from).collect::<String>(), long);
    assert_eq!(strs().map(Box::<str>::from).collect::<String>(), long);
    assert_eq!(strs().map(OsString::from).collect::<OsString>(), OsString::from(&long));
    let mut more = OsString::from("more: ");
    more.par_extend(strs().map(std::ffi::OsStr::new));
    assert_eq!(more, OsString::from(format!("more: {long}")));
}

/// Collects into two collections.
fn check_two(v: &[u32]) {
    let n = numbered(v);
    let odd = |p: &(usize, u32)| p.1 % 2 == 1;
    let unzipped: (Vec<usize>, Vec<u32>) = n.iter().copied().unzip();
    assert_eq!(n.clone().into_par_iter().unzip(), unzipped);
    assert_eq!(n.clone().into_par_iter().collect::<(Vec<usize>, Vec<u32>)>(), unzipped);
    let (mut left, mut right) = (vec![1, 2], vec![3]);
    n.clone().into_par_iter().unzip_into_vecs(&mut left, &mut right);
    assert_eq!((left, right), unzipped);
    let odds: (Vec<usize>, BTreeSet<u32>) = n.iter().copied().filter(odd).unzip();
    assert_eq!(n.clone().into_par_iter().filter(odd).unzip(), odds);
    let nested: (Vec<usize>, (Vec<u32>, VecDeque<u32>)) =
        n.clone().into_par_iter().map(|(at, n)| (at, (n, n + 1))).unzip();
    assert!(nested.0.into_iter().eq(0..v.len()) && nested.1.0 == v);
    assert!(nested.1.1.into_iter().eq(v.iter().map(|n| n + 1)));
    let parts: (Vec<_>, Vec<_>) = n.iter().copied().partition(odd);
    assert_eq!(n.clone().into_par_iter().partition(odd), parts);
    let side = |p: (usize, u32)| if odd(&p) { Either::Left(p) } else { Either::Right(p.1) };
    let rights: Vec<u32> = parts.1.iter().map(|p| p.1).collect();
    let sides: (Vec<_>, Vec<_>) = n.clone().into_par_iter().partition_map(side);
    assert_eq!(sides, (parts.0.clone(), rights.clone()));
    let sides: (Vec<_>, LinkedList<_>) = n.into_par_iter().map(side).collect();
    assert_eq!(sides, (parts.0, rights.into_iter().collect()));
}

/// Ends that fail at items of at least `limit`.
fn check_tries(v: &[u32], limit: u32) {
    let ok = |n: u32| if n < limit { Ok(n) } else { Err(n) };
    let par = || v.to_vec().into_par_iter();
    let fails = v.iter().any(|&n| n >= limit);
    let failed: Result<Vec<u32>, u32> = par().map(ok).collect();
    match &failed {
        Ok(all) => assert!(!fails && all == v),
        Err(n) => assert!(fails && *n >= limit),
    }
    let options: Option<BTreeSet<u32>> = par().map(|n| ok(n).ok()).collect();
    assert_eq!(options, (!fails).then(|| v.iter().copied().collect()));
    let unit: Result<(), u32> = par().map(|n| ok(n).map(|_| ())).collect();
    assert_eq!(unit.is_err(), fails);
    assert_eq!(par().try_for_each(|n| ok(n).map(|_| ())).is_err(), fails);
    assert_eq!(par().try_for_each(|n| ok(n).ok().map(|_| ())).is_none(), fails);
    let flow = |n| ok(n).map_or_else(ControlFlow::Break, |_| ControlFlow::Continue(()));
    assert_eq!(par().try_for_each(flow).is_break(), fails);
    let sum: u32 = v.iter().sum();
    let add = |a, b| Ok(a + b);
    assert_eq!(par().map(ok).try_reduce(|| 0, add).ok(), (!fails).then_some(sum));
    let with = par().map(ok).try_reduce_with(add);
    assert_eq!(with.is_none(), v.is_empty());
    assert_eq!(with.is_some_and(|all| all.is_err()), fails);
    assert!(with.is_none_or(|all| all.is_err() || all == Ok(sum)));
    // The operation fails, not an item.
    let limited = |a: u32, b: u32| Some(a + b).filter(|&sum| sum < limit * 10);
    let all = par().map(Some).try_reduce(|| 0, limited);
    assert_eq!(all, Some(sum).filter(|&sum| v.is_empty() || sum < limit * 10));
    let poll = par().map(|n| Poll::Ready(ok(n))).try_reduce(
        || Poll::Ready(0),
        |a, b| match (a, b) {
            (Poll::Ready(a), Poll::Ready(b)) => Poll::Ready(Ok(a + b)),
            _ => Poll::Pending,
        },
    );
    assert_eq!(matches!(poll, Poll::Ready(Ok(_))), !fails);
    let poll = par().map(|n| Poll::Ready(Some(ok(n)))).try_reduce(
        || Poll::Ready(None),
        |a, b| match (a, b) {
            (Poll::Ready(a), Poll::Ready(b)) => Poll::Ready(a.max(b).map(Ok)),
            _ => Poll::Pending,
        },
    );
    assert_eq!(matches!(poll, Poll::Ready(Some(Err(_)))), fails);
}

fn check_all(a: &[u32], b: &[u32], n: u32) {
    check_reductions(a);
    check_searches(a, n);
    check_comparisons(a, b);
    check_comparisons(a, a);
    check_collections(a);
    check_texts(a);
    check_two(a);
    check_tries(a, n + 1);
}

proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(40))]

    #[test]
    fn ends_match_serial_ones(a in numbers(), b in numbers(), n in 0..50_u32, pool in 0..3_usize) {
        in_pool(pool, || check_all(&a, &b, n));
    }

    #[test]
    fn nearly_equal_inputs_compare_as_in_serial(
        mut a in numbers(),
        cut in any::<prop::sample::Index>(),
        pool in 0..3_usize,
        up in any::<bool>(),
    ) {
        let b = a.clone();
        if !a.is_empty() {
            let at = cut.index(a.len());
            if up { a[at] += 1 } else { a.truncate(at) }
        }
        in_pool(pool, || check_comparisons(&a, &b));
        let order = in_pool(pool, || a.par_iter().cmp(b.par_iter()));
        prop_assert_eq!(order, a.cmp(&b));
        prop_assert!(in_pool(pool, || a.par_iter().eq(a.par_iter())));
    }
}

#[test]
fn long_inputs_give_the_serial_results() {
    let a = long();
    everywhere(|| {
        check_reductions(&a);
        for n in [a[0], a[LONG / 2], a[LONG - 1], 10_001] {
            check_searches(&a, n);
            check_tries(&a[..LONG / 2], n + 1);
        }
        check_collections(&a);
        check_texts(&a);
        check_two(&a);
        check_comparisons(&a, &a[..LONG - 1]);
    });
}

#[test]
fn empty_and_single_inputs_give_the_serial_results() {
    everywhere(|| {
        check_all(&[], &[], 3);
        check_all(&[3], &[], 3);
        check_all(&[], &[3], 3);
        check_all(&[3], &[4], 3);
    });
}

/// Items that take some time, so that other workers steal some.
fn slow(n: u32) -> u32 {
    (0..200).for_each(|_| std::hint::spin_loop());
    n
}

#[test]
fn the_first_and_the_last_are_found_among_slow_items() {
    everywhere(|| {
        for n in [0, 1, 777, 4_998, 4_999] {
            let nth = |m: &u32| slow(*m) % 5_000 == n;
            let all = || (0..20_000_u32).into_par_iter();
            assert_eq!(all().find_first(nth), Some(n));
            assert_eq!(all().find_last(nth), Some(15_000 + n));
            assert_eq!(all().filter(|m| m % 2 == n % 2).find_first(nth), Some(n));
            assert_eq!(all().filter(|m| m % 2 == n % 2).find_last(nth), Some(15_000 + n));
            assert_eq!(all().position_first(|m| nth(&m)), Some(n as usize));
            assert_eq!(all().position_last(|m| nth(&m)), Some(15_000 + n as usize));
        }
    });
}

/// Each inner loop uses up a part of what tells earlier items from later ones. That must suffice,
/// however many inner loops there were before.
#[test]
fn the_first_one_in_an_inner_loop_ends_the_outer_one() {
    let pool = crate::common::pool(1);
    for wanted in [0, 63, 64, 65, 200, 998] {
        let begun = AtomicUsize::new(0);
        let inner = |n: u32| {
            begun.fetch_add(1, Relaxed);
            (0..3).into_par_iter().map(move |m| 3 * n + m)
        };
        let all = (0..1000).into_par_iter().flat_map(inner);
        let first = 3 * wanted + 1;
        assert_eq!(pool.install(|| all.find_first(|n| *n >= first)), Some(first));
        assert_eq!(begun.into_inner() as u32, wanted + 1);
    }
}

#[test]
fn partial_comparisons_stop_at_items_that_cannot_be_compared() {
    everywhere(|| {
        let mut a = vec![1.0; 1000];
        let b = a.clone();
        a[500] = f64::NAN;
        assert_eq!(a.par_iter().partial_cmp(b.par_iter()), None);
        assert!(!a.par_iter().eq(a.par_iter()) && a.par_iter().ne(a.par_iter()));
        assert!(!a.par_iter().le(b.par_iter()) && !a.par_iter().ge(b.par_iter()));
        a[400] = 0.0;
        assert!(a.par_iter().lt(b.par_iter()));
        assert_eq!(b.par_iter().partial_cmp(b.par_iter()), Some(Equal));
    });
}

/// How many of many items `end` visits.
fn seen(end: impl FnOnce(&(dyn Fn(u32) -> bool + Sync))) -> usize {
    let count = AtomicUsize::new(0);
    end(&|n| {
        count.fetch_add(1, Relaxed);
        slow(n) == 5_000
    });
    count.into_inner()
}

#[test]
fn a_worker_that_finds_the_item_stops_the_others() {
    if crate::common::is_simulated_without(crate::common::TIME) {
        return;
    }
    const ALL: u32 = 10_000_000;
    everywhere(|| {
        let all = || (0..ALL).into_par_iter();
        let most = ALL as usize / 2;
        assert!(seen(|is| assert!(all().any(is))) < most);
        assert!(seen(|is| assert!(!all().all(|n| !is(n)))) < most);
        assert!(seen(|is| assert!(all().find_any(|n| is(*n)).is_some())) < most);
        assert!(seen(|is| assert!(all().find_first(|n| is(*n)).is_some())) < most);
        assert!(seen(|is| assert!(all().position_any(is).is_some())) < most);
        assert!(seen(|is| assert!(all().position_first(is).is_some())) < most);
        assert!(
            seen(|is| assert!(
                all().try_for_each(|n| if is(n) { Err(()) } else { Ok(()) }).is_err()
            )) < most
        );
        let item = |is: &(dyn Fn(u32) -> bool + Sync), n| if is(n) { None } else { Some(n) };
        assert!(
            seen(|is| assert!(all().map(|n| item(is, n)).collect::<Option<Vec<_>>>().is_none()))
                < most
        );
        assert!(
            seen(|is| assert!(
                all().map(|n| item(is, n)).try_reduce(|| 0, |a, b| Some(a.max(b))).is_none()
            )) < most
        );
        assert!(
            seen(|is| assert!(
                all().map(|n| item(is, n)).try_reduce_with(|a, b| Some(a.max(b))) == Some(None)
            )) < most
        );
        assert!(seen(|is| assert!(all().map(is).ne(vec![false; ALL as usize]))) < most);
    });
}

/// Counts the items that are alive.
struct Live<'c>(&'c AtomicUsize, u32);

impl<'c> Live<'c> {
    fn new(count: &'c AtomicUsize, n: u32) -> Self {
        count.fetch_add(1, Relaxed);
        Live(count, n)
    }
}

impl Drop for Live<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl PartialEq for Live<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.1 == other.1
    }
}
impl Eq for Live<'_> {}
impl PartialOrd for Live<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Live<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.1.cmp(&other.1)
    }
}

/// An end that consumes items.
type ItemsEnd = fn(Items<'_>);

#[test]
fn a_panic_leaves_no_item_behind() {
    let ends: &[(&str, ItemsEnd)] = &[
        ("vec", |items| drop(items.run().collect::<Vec<_>>())),
        ("some", |items| drop(items.run().filter(|item| item.1 % 2 == 0).collect::<Vec<_>>())),
        ("list", |items| drop(items.run().collect::<LinkedList<_>>())),
        ("heap", |items| drop(items.run().collect::<BinaryHeap<_>>())),
        ("pairs", |items| {
            drop(
                items
                    .run()
                    .map(|item| (Live::new(item.0, 0), item))
                    .unzip::<_, _, Vec<_>, Vec<_>>(),
            )
        }),
        ("parts", |items| drop(items.run().partition::<Vec<_>, Vec<_>, _>(|item| item.1 % 2 == 0))),
        ("result", |items| drop(items.run().map(Some).collect::<Option<Vec<_>>>())),
        ("max", |items| drop(items.run().max())),
        ("reduce", |items| drop(items.run().reduce_with(|a, _| a))),
        ("first", |items| drop(items.run().find_first(|item| item.1 == 999_999))),
        ("for_each", |items| items.run().for_each(drop)),
        ("list of vecs", |items| drop(items.run().collect_vec_list())),
    ];
    everywhere(|| {
        for (name, end) in ends {
            for (len, at) in [(1, 0), (300, 0), (300, 123), (300, 299), (20_000, 19_000)] {
                let count = AtomicUsize::new(0);
                let caught =
                    catch_unwind(AssertUnwindSafe(|| end(Items { count: &count, len, at })));
                let payload = caught.expect_err(name);
                assert_eq!(payload.downcast_ref(), Some(&"no more"), "{name}");
                assert_eq!(count.load(Relaxed), 0, "{name} of {len} at {at}");
            }
        }
    });
}

/// `len` items. That at `at` panics.
struct Items<'c> {
    count: &'c AtomicUsize,
    len: u32,
    at: u32,
}

impl<'c> Items<'c> {
    fn run(self) -> impl IndexedParallelIterator<Item = Live<'c>> {
        let Items { count, len, at } = self;
        let items: Vec<Live<'c>> = (0..len).map(|n| Live::new(count, n)).collect();
        items.into_par_iter().map(move |item| {
            if item.1 == at {
                std::panic::panic_any("no more");
            }
            Live::new(item.0, item.1)
        })
    }
}

#[test]
fn failures_leave_no_item_behind() {
    everywhere(|| {
        let count = AtomicUsize::new(0);
        let live = |n| if n == 500 { Err(Live::new(&count, n)) } else { Ok(Live::new(&count, n)) };
        let all: Result<Vec<_>, Live<'_>> = (0..1000).into_par_iter().map(live).collect();
        assert_eq!(all.err().unwrap().1, 500);
        assert_eq!(count.load(Relaxed), 0);
    });
}

#[test]
fn items_without_size_are_counted() {
    everywhere(|| {
        let units = || vec![(); LONG].into_par_iter();
        assert_eq!(units().collect::<Vec<()>>().len(), LONG);
        assert_eq!(units().filter(|()| true).collect::<VecDeque<()>>().len(), LONG);
        assert_eq!(units().map(|()| ((), ())).unzip::<_, _, Vec<()>, Vec<()>>().1.len(), LONG);
        units().collect::<()>();
        assert_eq!(units().position_first(|()| true), Some(0));
        assert_eq!(units().position_last(|()| true), Some(LONG - 1));
    });
}

#[test]
fn ends_within_ends_return_the_same() {
    everywhere(|| {
        let rows: Vec<Vec<u32>> = (0..100_u32)
            .into_par_iter()
            .map(|row| (0..row).into_par_iter().filter(|n| n % 3 == 0).collect())
            .collect();
        let firsts: Vec<_> =
            rows.par_iter().map(|row| row.par_iter().find_last(|_| true)).collect();
        for (n, (row, last)) in rows.iter().zip(firsts).enumerate() {
            assert!(row.iter().copied().eq((0..n as u32).filter(|n| n % 3 == 0)));
            assert_eq!(last, row.last());
        }
    });
}

/// An iterator that lies about its number of items. The library must not make up elements that were
/// never created.
#[test]
fn a_count_that_lies_makes_no_elements() {
    use filch::iter::plumbing::{Folder, UnindexedConsumer};

    enum Never {}
    struct Liar;
    impl Iterator for Liar {
        type Item = Never;

        fn next(&mut self) -> Option<Never> {
            None
        }

        fn count(self) -> usize {
            3
        }
    }
    impl ParallelIterator for Liar {
        type Item = Never;

        fn drive_unindexed<C: UnindexedConsumer<Never>>(self, consumer: C) -> C::Result {
            consumer.into_folder().consume_iter(self).complete()
        }

        fn opt_len(&self) -> Option<usize> {
            Some(3)
        }
    }

    let _watchdog = crate::common::watchdog();
    let collect = || ParallelIterator::collect::<Vec<Never>>(Liar).len();
    assert!(std::panic::catch_unwind(collect).is_err());
}

/// The value so far is dropped before the failure is returned: its drop may panic.
#[test]
fn a_reduction_that_fails_leaks_nothing() {
    static DROPPED: AtomicUsize = AtomicUsize::new(0);
    struct Value(bool);
    impl Drop for Value {
        fn drop(&mut self) {
            DROPPED.fetch_add(1, Relaxed);
            if self.0 {
                crate::common::boom(1);
            }
        }
    }

    let _watchdog = crate::common::watchdog();
    let items = vec![Err(Value(false))];
    let reduce = || _ = items.into_par_iter().try_reduce(|| Value(true), |so_far, _| Ok(so_far));
    assert_eq!(crate::common::caught(reduce), 1);
    assert_eq!(DROPPED.load(Relaxed), 2);
}

/// A consumer as written for rayon, without `pause`. Its loops are cut before they begin.
mod without_pause {
    use filch::iter::plumbing::{Consumer, Folder, Reducer, UnindexedConsumer};

    pub struct Lists;
    pub struct List<T>(Vec<T>);

    impl<T: Send> Consumer<T> for Lists {
        type Folder = List<T>;
        type Reducer = Lists;
        type Result = Vec<T>;

        fn split_at(self, _index: usize) -> (Self, Self, Lists) {
            (Lists, Lists, Lists)
        }

        fn into_folder(self) -> List<T> {
            List(Vec::new())
        }

        fn full(&self) -> bool {
            false
        }
    }

    impl<T: Send> UnindexedConsumer<T> for Lists {
        fn split_off_left(&self) -> Self {
            Lists
        }

        fn to_reducer(&self) -> Lists {
            Lists
        }
    }

    impl<T> Folder<T> for List<T> {
        type Result = Vec<T>;

        fn consume(mut self, item: T) -> Self {
            self.0.push(item);
            self
        }

        fn complete(self) -> Vec<T> {
            self.0
        }

        fn full(&self) -> bool {
            false
        }
    }

    impl<T> Reducer<Vec<T>> for Lists {
        fn reduce(self, mut left: Vec<T>, right: Vec<T>) -> Vec<T> {
            left.extend(right);
            left
        }
    }
}

#[test]
fn consumers_without_pause_are_served() {
    use without_pause::Lists;

    let _watchdog = crate::common::watchdog();
    everywhere(|| {
        let slowly = |n: u32| slow(n % 64);
        let items = || (0..3000_u32).into_par_iter().map(|n| (n, slowly(n)).0);
        assert!(items().drive(Lists).into_iter().eq(0..3000));
        assert!(items().filter(|n| n % 2 == 0).drive_unindexed(Lists).len() == 1500);
        assert!(items().panic_fuse().rev().drive(Lists).into_iter().rev().eq(0..3000));
        assert!(items().map_with(1, |one, n| n / *one).drive(Lists).into_iter().eq(0..3000));
        assert!(items().flat_map_iter(|n| [n; 2]).drive_unindexed(Lists).len() == 6000);
        let sums = items().fold(|| 0, |a, b| a + b).drive_unindexed(Lists);
        assert_eq!(sums.into_iter().sum::<u32>(), 2999 * 1500);
        let some = items().filter(|n| *n < 20).intersperse(7).drive_unindexed(Lists);
        assert_eq!(some.len(), 39);
        let text = "some text ".repeat(500);
        let chars = text.par_chars().map(|c| (c, slowly(c.into())).0);
        assert!(chars.drive_unindexed(Lists).into_iter().eq(text.chars()));
    });
}

/// The first and the last item wait for each other, so another worker has to run one of them
/// meanwhile.
#[test]
fn loops_of_consumers_without_pause_are_shared() {
    use without_pause::Lists;

    let _watchdog = crate::common::watchdog();
    let (len, both) = (10_000_usize, crate::common::Meeting::new(2));
    let numbers = in_pool(2, || {
        let wait = |n: usize| {
            if n == 0 || n == len - 1 {
                both.wait();
            }
            n
        };
        (0..len).into_par_iter().map(wait).drive(Lists)
    });
    assert!(numbers.into_iter().eq(0..len));
}
