//! Faults in operations on data: injects a panic at each call of user code in turn, drops of
//! elements included, and checks where the panic arrives and what happens to the elements.

use std::any::Any;
use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::{BTreeSet, HashSet};
use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::thread;

use crate::common::{Boom, boom, is_simulated, pool, say};
use crate::everywhere::everywhere;

/// How many panics were injected in this process.
pub static INJECTED: AtomicUsize = AtomicUsize::new(0);

pub type F = &'static Fault;

/// The panics of a round: their ids, and the kinds of their points.
pub type Fired<'f> = &'f [(u32, &'static str)];

/// The faults of an operation. Never freed, so that an element that is dropped twice can report it.
#[derive(Debug, Default)]
pub struct Fault {
    /// Whether user code now runs in the operation under test.
    armed: AtomicBool,
    counts_calls: AtomicBool,
    counts_drops: AtomicBool,
    points: AtomicUsize,
    /// The first and the last point, counted from 1, that panics.
    first: AtomicUsize,
    last: AtomicUsize,
    serial: AtomicU32,
    fired: Mutex<Vec<(u32, &'static str)>>,
    /// How often each element of this round was dropped.
    drops: Mutex<Vec<u8>>,
}

impl Fault {
    fn new() -> F {
        // Reachable for leak checkers, so that they report only the leaks that matter.
        static ALL: Mutex<Vec<F>> = Mutex::new(Vec::new());
        let fault: F = Box::leak(Box::default());
        ALL.lock().unwrap().push(fault);
        fault
    }

    /// Called by user code of the kind `what`. Panics if it is this point's turn.
    pub fn at(&self, what: &'static str) {
        if self.counts_calls.load(Relaxed) {
            self.point(what);
        }
    }

    fn at_drop(&self) {
        if self.counts_drops.load(Relaxed) {
            self.point("drop");
        }
    }

    fn point(&self, what: &'static str) {
        // A panic in a drop during unwinding would abort the process.
        if !self.armed.load(SeqCst) || thread::panicking() {
            return;
        }
        if is_simulated() {
            filch::schedule_point();
        }
        let number = self.points.fetch_add(1, SeqCst) + 1;
        if (self.first.load(Relaxed)..=self.last.load(Relaxed)).contains(&number) {
            let id = self.serial.fetch_add(1, SeqCst);
            self.fired.lock().unwrap().push((id, what));
            boom(id);
        }
    }

    /// From here on, calls count.
    pub fn arm(&self) {
        self.armed.store(true, SeqCst);
    }

    pub fn disarm(&self) {
        self.armed.store(false, SeqCst);
    }

    /// Runs `op` without counting its calls: it is not part of the operation.
    pub fn calmly<R>(&self, op: impl FnOnce() -> R) -> R {
        self.disarm();
        let result = op();
        self.arm();
        result
    }

    pub fn item<const WORDS: usize>(&'static self, key: u32) -> Item<WORDS> {
        let mut drops = self.drops.lock().unwrap();
        drops.push(0);
        Item { fault: self, id: drops.len() as u32 - 1, key, more: [key.into(); WORDS] }
    }

    pub fn items<const WORDS: usize>(&'static self, len: usize) -> Vec<Item<WORDS>> {
        // In no order, and with some equal keys.
        (0..len as u32).map(|n| self.item(n * 7919 % 101)).collect()
    }

    /// A closure that returns its argument.
    pub fn pass<T>(&'static self, what: &'static str) -> impl Fn(T) -> T + Copy + Send + Sync {
        move |value| {
            self.at(what);
            value
        }
    }

    /// A predicate.
    pub fn test<const WORDS: usize>(
        &'static self,
        what: &'static str,
        holds: fn(u32) -> bool,
    ) -> impl Fn(&Item<WORDS>) -> bool + Copy + Send + Sync {
        move |item| {
            self.at(what);
            holds(item.key())
        }
    }

    /// Of two items, keeps one and drops the other.
    pub fn either(&'static self, what: &'static str) -> impl Fn(Item, Item) -> Item + Copy {
        move |a, b| {
            self.at(what);
            let (stays, goes) = if a.key % 3 == 0 { (a, b) } else { (b, a) };
            drop(goes);
            stays
        }
    }

    /// Of two items, keeps the last one. The other is dropped explicitly: if a parameter that is
    /// left panicked in its drop, the returned item would be leaked.
    pub fn last<const WORDS: usize>(
        &'static self,
        what: &'static str,
    ) -> impl Fn(Item<WORDS>, Item<WORDS>) -> Item<WORDS> + Copy {
        move |a, b| {
            drop(a);
            self.at(what);
            b
        }
    }

    /// A serial iterator.
    pub fn serial(&'static self, items: Vec<Item>) -> Serial {
        Serial { fault: self, items: items.into_iter() }
    }

    /// Returns an error if an element was dropped twice, or never although `leaks` is false.
    fn elements_are_dropped_once(&self, leaks: bool) -> Result<(), String> {
        let drops = self.drops.lock().unwrap();
        let wrong = |&(_, count): &(usize, &u8)| *count > 1 || *count == 0 && !leaks;
        match drops.iter().enumerate().find(wrong) {
            Some((id, count)) => Err(format!("element {id} was dropped {count} times")),
            None => Ok(()),
        }
    }

    /// Runs `op` with panics at the points of a range, and checks the outcome. Returns the kinds of
    /// the points that panicked.
    fn round(
        &'static self,
        range: [usize; 2],
        leaks: bool,
        op: &dyn Fn(F),
        check: &dyn Fn(F, Fired),
    ) -> Vec<&'static str> {
        self.points.store(0, SeqCst);
        self.first.store(range[0], SeqCst);
        self.last.store(range[1], SeqCst);
        self.fired.lock().unwrap().clear();
        self.drops.lock().unwrap().clear();
        let result = catch_unwind(AssertUnwindSafe(|| op(self)));
        self.disarm();
        let fired = std::mem::take(&mut *self.fired.lock().unwrap());
        check(self, &fired);
        let one_of_ours = |payload: &Box<dyn Any + Send>| {
            let boom = payload.downcast_ref::<Boom>();
            boom.is_some_and(|boom| fired.iter().any(|(id, _)| *id == boom.0))
        };
        match result {
            Ok(()) => assert!(fired.is_empty(), "a panic of {fired:?} was swallowed"),
            Err(payload) if one_of_ours(&payload) => (),
            Err(payload) => resume_unwind(payload),
        }
        // A leak is allowed only if a drop has panicked.
        let leaks = leaks && fired.iter().any(|(_, what)| *what == "drop");
        self.elements_are_dropped_once(leaks).unwrap();
        assert_eq!(filch::join(|| filch::join(|| 1, || 2), || 3), ((1, 2), 3));
        INJECTED.fetch_add(fired.len(), Relaxed);
        fired.into_iter().map(|(_, what)| what).collect()
    }
}

/// Which points panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Points {
    /// Calls, but not drops.
    Calls,
    /// Drops, and in rounds with more than one panic also calls.
    Drops,
}

/// Drives the first closure, an operation, and checks each outcome by the second.
type Drive<'d> = &'d dyn Fn(&dyn Fn(F), &dyn Fn(F, Fired));

/// An operation under test.
pub struct Driven<'o> {
    pub name: &'o str,
    /// The kinds of its points. Each kind must panic at least once.
    pub kinds: &'o str,
    /// The numbers of elements to run it with.
    pub lens: &'o [usize],
    pub points: Points,
    /// Whether elements may be leaked after the drop of one has panicked.
    pub leaks: bool,
    /// The size of its pool. Otherwise it runs in pools of 1, 2 and 4 threads.
    pub threads: Option<usize>,
}

/// Up to this many elements, each point panics once.
const FEW: usize = 60;
/// With more elements, the points are taken in strides. These grow until this many would cover all
/// points.
const STRIDES: usize = 4;

impl Driven<'_> {
    /// Runs `op` in all pools with a panic at its first point, then at its second, and so on until
    /// no point is left. Then runs it with panics at all points from the first on, from the second
    /// on, and so on. `op` must call [`Fault::arm`].
    pub fn drive(&self, op: &(dyn Fn(F, usize) + Sync)) {
        self.drive_and_check(&|len, round| round(&|fault| op(fault, len), &|_, _| ()));
    }

    /// The same for an operation that changes a vector in place. `panicked` says what the vector
    /// must hold after a panic.
    pub fn drive_in_place<const WORDS: usize>(
        &self,
        input: &(dyn Fn(F, usize) -> Vec<Item<WORDS>> + Sync),
        op: &(dyn Fn(F, &mut Vec<Item<WORDS>>) + Sync),
        panicked: Keeps,
    ) {
        self.drive_and_check(&|len, round| {
            let before = RefCell::new(Vec::<u32>::new());
            let place = RefCell::new(Vec::new());
            let op = |fault: F| {
                *place.borrow_mut() = input(fault, len);
                *before.borrow_mut() = place.borrow().iter().map(|item| item.id).collect();
                fault.arm();
                op(fault, &mut place.borrow_mut());
                fault.disarm();
            };
            round(&op, &|fault, fired| {
                let vec = place.take();
                let ids: Vec<u32> = vec.iter().map(|item| item.id).collect();
                assert!(vec.iter().all(Item::is_whole));
                let drops = fault.drops.lock().unwrap().clone();
                assert!(
                    ids.iter().all(|&id| drops[id as usize] == 0),
                    "the vector holds a dropped element"
                );
                assert_eq!(
                    ids.iter().collect::<HashSet<_>>().len(),
                    ids.len(),
                    "the vector holds an element twice"
                );
                if !fired.is_empty() {
                    panicked.check(before.take(), ids, fired);
                }
            });
        });
    }

    /// Calls `run` with each length, and with a function that drives an operation and its check.
    fn drive_and_check(&self, run: &(dyn Fn(usize, Drive) + Sync)) {
        if self.points == Points::Drops && !self.kinds.contains("drop") {
            return;
        }
        let reached = Mutex::new(BTreeSet::new());
        let all = || {
            for &len in self.lens {
                run(len, &|op, check| {
                    let kinds = self.drive_one(len, op, check);
                    reached.lock().unwrap().extend(kinds);
                });
            }
        };
        match self.threads {
            Some(threads) => pool(threads).install(all),
            None => everywhere(all),
        }
        let reached = reached.into_inner().unwrap();
        assert!(!self.kinds.is_empty(), "{}: has no points", self.name);
        let is_due = |kind: &&str| (*kind == "drop") == (self.points == Points::Drops);
        let due = self.kinds.split_whitespace().filter(is_due);
        let missing: Vec<_> = due.filter(|kind| !reached.contains(kind)).collect();
        // A simulation has a pool of one size only, in which the values of `*_with` may not be
        // cloned.
        if !is_simulated() {
            assert!(missing.is_empty(), "{}: {reached:?} panicked, not {missing:?}", self.name);
        }
    }

    fn drive_one(
        &self,
        len: usize,
        op: &dyn Fn(F),
        check: &dyn Fn(F, Fired),
    ) -> BTreeSet<&'static str> {
        let fault = Fault::new();
        let mut reached = BTreeSet::new();
        fault.counts_calls.store(self.points == Points::Calls, SeqCst);
        fault.counts_drops.store(self.points == Points::Drops, SeqCst);
        let mut round = |first, last| {
            let round = || fault.round([first, last], self.leaks, op, check);
            let kinds = catch_unwind(AssertUnwindSafe(round)).unwrap_or_else(|failed| {
                let (name, threads) = (self.name, filch::current_num_threads());
                say(&format!(
                    "{name}: {len} elements, {threads} threads, panics at {first}..={last}"
                ));
                resume_unwind(failed)
            });
            reached.extend(kinds.iter().copied());
            !kinds.is_empty()
        };
        assert!(!round(usize::MAX, 0));
        let points = fault.points.load(SeqCst);
        // The last points, which the strides may skip.
        for last in points.saturating_sub(2)..=points {
            round(last, last);
        }
        let longest = if len <= FEW { 1 } else { points / STRIDES + 1 };
        let mut first = 1;
        while round(first, first) {
            first += longest.min(1 + first * 2);
        }
        fault.counts_calls.store(true, SeqCst);
        let mut first = 1;
        while round(first, usize::MAX) {
            first += if len <= FEW { 1 + first } else { 3 + 8 * first };
        }
        reached
    }
}

/// What a vector that is changed in place holds after a panic.
#[derive(Clone, Copy, Debug)]
pub enum Keeps {
    /// All its elements in their places, unless the drop of a removed element has panicked.
    All,
    /// All its elements in their places, or in any order if the drop of a key has panicked.
    Places,
    /// All its elements, in any order.
    Elements,
    /// As many elements as before.
    Len,
    /// All its elements but the second quarter, which was drained.
    AllButSecondQuarter,
}

impl Keeps {
    fn check(self, mut before: Vec<u32>, mut after: Vec<u32>, fired: Fired) {
        let is_drop = fired.iter().any(|(_, kind)| *kind == "drop");
        match self {
            Keeps::All if is_drop => return,
            Keeps::Len => return assert_eq!(before.len(), after.len()),
            Keeps::Places if !is_drop => (),
            Keeps::All => (),
            Keeps::AllButSecondQuarter => drop(before.drain(before.len() / 4..before.len() / 2)),
            Keeps::Elements | Keeps::Places => {
                before.sort_unstable();
                after.sort_unstable();
            }
        }
        assert!(before == after, "elements got lost, or out of order");
    }
}

/// An element whose every operation may panic. Its size is 16 bytes and `WORDS` words.
pub struct Item<const WORDS: usize = 0> {
    pub fault: F,
    id: u32,
    key: u32,
    more: [u64; WORDS],
}

impl<const WORDS: usize> Item<WORDS> {
    pub fn key(&self) -> u32 {
        debug_assert!(self.is_whole());
        self.key
    }

    fn is_whole(&self) -> bool {
        self.more == [self.key.into(); WORDS]
    }

    /// Returns another element with the same key, without a point.
    pub fn twin(&self) -> Item<WORDS> {
        self.fault.item(self.key)
    }
}

impl<const WORDS: usize> Drop for Item<WORDS> {
    fn drop(&mut self) {
        let mut drops = self.fault.drops.lock().unwrap();
        let count = &mut drops[self.id as usize];
        *count = count.saturating_add(1);
        drop(drops);
        self.fault.at_drop();
    }
}

impl<const WORDS: usize> Clone for Item<WORDS> {
    fn clone(&self) -> Self {
        self.fault.at("clone");
        self.twin()
    }
}

impl<const WORDS: usize> PartialEq for Item<WORDS> {
    fn eq(&self, other: &Self) -> bool {
        self.fault.at("eq");
        self.key() == other.key()
    }
}

impl<const WORDS: usize> Eq for Item<WORDS> {}

impl<const WORDS: usize> PartialOrd for Item<WORDS> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<const WORDS: usize> Ord for Item<WORDS> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.fault.at("cmp");
        self.key().cmp(&other.key())
    }
}

impl<const WORDS: usize> Hash for Item<WORDS> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.fault.at("hash");
        self.key.hash(state);
    }
}

/// A sum of elements: the last one.
pub struct Total(Option<Item>);

/// Implements a trait that adds up items, and totals.
macro_rules! totals {
    ($($trait:ident $method:ident $kind:literal;)*) => {$(
        impl std::iter::$trait<Item> for Total {
            fn $method<I: Iterator<Item = Item>>(iter: I) -> Total {
                Total(iter.inspect(|item| item.fault.at($kind)).fold(None, |last, item| {
                    drop(last);
                    Some(item)
                }))
            }
        }

        impl std::iter::$trait for Total {
            fn $method<I: Iterator<Item = Total>>(iter: I) -> Total {
                <Total as std::iter::$trait<Item>>::$method(iter.filter_map(|total| total.0))
            }
        }
    )*};
}

totals! {
    Sum sum "sum";
    Product product "product";
}

/// A serial iterator whose every call may panic.
pub struct Serial {
    fault: F,
    items: std::vec::IntoIter<Item>,
}

impl Iterator for Serial {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        self.fault.at("next");
        self.items.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.fault.at("size_hint");
        self.items.size_hint()
    }
}

impl Drop for Serial {
    fn drop(&mut self) {
        self.fault.at_drop();
    }
}

/// Builds the hashers of hash tables.
#[derive(Clone, Default)]
pub struct Hashing;

impl BuildHasher for Hashing {
    type Hasher = DefaultHasher;

    fn build_hasher(&self) -> DefaultHasher {
        DefaultHasher::new()
    }
}
