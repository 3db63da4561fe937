//! Parallel iterators of any kind, what can be made one, and what they are collected into.
//!
//! This file is long because a trait cannot be divided: nearly all of it is `ParallelIterator`. The
//! adaptors come first, then the ends. What they do is in `adaptors` and `ends`. Methods that
//! `Iterator` does not have come with examples. The other traits are here since all of these name
//! each other.

use std::cmp::Ordering;
use std::collections::LinkedList;
use std::convert::{Infallible, identity};
use std::marker::PhantomData;
use std::ops::ControlFlow::{Break, Continue};

use super::Either;
use super::adaptors::*;
use super::ends::collect::VecList;
use super::ends::end::consumer_of;
use super::ends::find::{ANY, FIRST, LAST, Search};
use super::ends::{reduce, tries};
use super::plumbing::{LoopSettings, UnindexedConsumer, drop_first};
use super::tries::{Try, always, value};
use crate::ThreadPool;
use crate::context::{CancelToken, Cancelled};

/// A parallel iterator: all threads of the current pool work on its items.
///
/// Adaptors are lazy. The loop runs when a method that returns no iterator is called. It is cut
/// into *pieces*: neighbouring items that one thread takes, one after the other.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a parallel iterator",
    label = "not a parallel iterator",
    note = "call `.par_iter()`, `.par_iter_mut()` or `.into_par_iter()` on a collection or a range",
    note = "to share the items of a serial iterator between threads, call `.par_bridge()`",
    note = "the closures and the items of a parallel iterator must be `Send`, its closures `Sync`"
)]
pub trait ParallelIterator: Sized + Send {
    /// The type of the items.
    type Item: Send;

    /// Feeds all items to `consumer`. Only implementations of iterators call this: see
    /// [`plumbing`](super::plumbing).
    fn drive_unindexed<C: UnindexedConsumer<Self::Item>>(self, consumer: C) -> C::Result;

    /// Returns the number of items, if it is known. An iterator that returns `Some` must split its
    /// consumer by position.
    fn opt_len(&self) -> Option<usize> {
        None
    }

    /// Returns where the loop is to run. An adaptor returns the settings of the iterators that it
    /// is made of. [`bridge`](super::plumbing::bridge) applies them. Code that drives a loop in
    /// another way has to do so by [`LoopSettings::run`].
    #[inline]
    fn loop_settings(&self) -> LoopSettings {
        LoopSettings::default()
    }

    // ---- adaptors ---------------------------------------------------------------------------

    /// Returns an iterator over the results of calling `f` with each item.
    ///
    /// ```
    /// use filch::prelude::*;
    /// let squares: Vec<_> = (0..5).into_par_iter().map(|n| n * n).collect();
    /// assert_eq!(squares, [0, 1, 4, 9, 16]);
    /// ```
    fn map<F: Fn(Self::Item) -> R + Sync + Send, R: Send>(self, f: F) -> Map<Self, F> {
        Map::new(self, f)
    }

    /// Returns an iterator over the items for which `predicate` returns true.
    fn filter<P: Fn(&Self::Item) -> bool + Sync + Send>(self, predicate: P) -> Filter<Self, P> {
        Filter::new(self, predicate)
    }

    /// Calls `inspect_op` with a reference to each item, and passes the item on.
    fn inspect<OP: Fn(&Self::Item) + Sync + Send>(self, inspect_op: OP) -> Inspect<Self, OP> {
        Inspect::new(self, inspect_op)
    }

    /// Calls `update_op` with an exclusive reference to each item, and passes the item on.
    ///
    /// ```
    /// use filch::prelude::*;
    /// let rows = vec![vec![3, 1, 2], vec![5, 4]];
    /// let sorted: Vec<_> = rows.into_par_iter().update(|row| row.sort()).collect();
    /// assert_eq!(sorted, [vec![1, 2, 3], vec![4, 5]]);
    /// ```
    fn update<F: Fn(&mut Self::Item) + Sync + Send>(self, update_op: F) -> Update<Self, F> {
        Update::new(self, update_op)
    }

    /// Turns an iterator over `&T` into one over `T`, by copying each item.
    fn copied<'a, T>(self) -> Copied<Self>
    where
        T: 'a + Copy + Send,
        Self: ParallelIterator<Item = &'a T>,
    {
        Copied::new(self)
    }

    /// Turns an iterator over `&T` into one over `T`, by cloning each item.
    fn cloned<'a, T>(self) -> Cloned<Self>
    where
        T: 'a + Clone + Send,
        Self: ParallelIterator<Item = &'a T>,
    {
        Cloned::new(self)
    }

    /// Calls `filter_op` with each item. Returns an iterator over the values of the `Some`s.
    fn filter_map<P, R>(self, filter_op: P) -> FilterMap<Self, P>
    where
        P: Fn(Self::Item) -> Option<R> + Sync + Send,
        R: Send,
    {
        FilterMap::new(self, filter_op)
    }

    /// Calls `map_op` with each item. Returns an iterator over the items of the parallel iterators
    /// that it returns, in order.
    ///
    /// Both levels run in parallel. If the inner loops are short,
    /// [`flat_map_iter`](Self::flat_map_iter) costs less.
    ///
    /// ```
    /// use filch::prelude::*;
    /// let pairs = |a: u32| (0..a).into_par_iter().map(move |b| (a, b));
    /// let pairs: Vec<_> = (0..3).into_par_iter().flat_map(pairs).collect();
    /// assert_eq!(pairs, [(1, 0), (2, 0), (2, 1)]);
    /// ```
    fn flat_map<F, PI>(self, map_op: F) -> FlatMap<Self, F>
    where
        F: Fn(Self::Item) -> PI + Sync + Send,
        PI: IntoParallelIterator,
    {
        FlatMap::new(self, map_op)
    }

    /// Calls `map_op` with each item. Returns an iterator over the items of the serial iterators
    /// that it returns, in order. One thread runs the whole of each serial iterator.
    ///
    /// ```
    /// use filch::prelude::*;
    /// let words: Vec<_> =
    ///     ["a b", "c"].par_iter().flat_map_iter(|line| line.split(' ')).collect();
    /// assert_eq!(words, ["a", "b", "c"]);
    /// ```
    fn flat_map_iter<F, SI>(self, map_op: F) -> FlatMapIter<Self, F>
    where
        F: Fn(Self::Item) -> SI + Sync + Send,
        SI: IntoIterator<Item: Send>,
    {
        FlatMapIter::new(self, map_op)
    }

    /// Flattens items that can be made parallel iterators, as [`flat_map`](Self::flat_map) does.
    /// Keeps the order.
    ///
    /// Both levels run in parallel. If the inner loops are short,
    /// [`flatten_iter`](Self::flatten_iter) costs less.
    fn flatten(self) -> Flatten<Self>
    where
        Self::Item: IntoParallelIterator,
    {
        Flatten::new(self)
    }

    /// Flattens items that can be made serial iterators, as [`flat_map_iter`](Self::flat_map_iter)
    /// does. Keeps the order. One thread runs the whole of each serial iterator.
    fn flatten_iter(self) -> FlattenIter<Self>
    where
        Self::Item: IntoIterator<Item: Send>,
    {
        FlattenIter::new(self)
    }

    /// Returns an iterator over the results of calling `map_op` with each item and a value that all
    /// items of a piece share.
    ///
    /// Each piece begins with a clone of `init`. The number of pieces depends on how many threads
    /// help. If a running piece is cut in two, the first part keeps the value. Before an adaptor
    /// that needs positions (`rev`, `zip`, ...), no running piece is cut. Such a loop begins with
    /// about 8 pieces for each thread, and thieves may cut these.
    ///
    /// ```
    /// use filch::prelude::*;
    /// // The buffer is allocated once for each piece.
    /// let lengths = ["one", "three"].par_iter().map_with(String::new(), |buffer, word| {
    ///     buffer.clear();
    ///     buffer.extend(word.chars().rev());
    ///     buffer.len()
    /// });
    /// assert_eq!(lengths.collect::<Vec<_>>(), [3, 5]);
    /// ```
    fn map_with<F, T, R>(self, init: T, map_op: F) -> MapWith<Self, T, F>
    where
        F: Fn(&mut T, Self::Item) -> R + Sync + Send,
        T: Send + Clone,
        R: Send,
    {
        MapWith::new(self, init, map_op)
    }

    /// Returns an iterator over the results of calling `map_op` with each item and a value that all
    /// items of a piece share, like [`map_with`](Self::map_with).
    ///
    /// Each piece begins with a value that `init` returns, and the value stays on its thread. If a
    /// running piece is cut in two, both parts begin with new values.
    ///
    /// ```
    /// use std::rc::Rc;
    ///
    /// use filch::prelude::*;
    /// let sums: Vec<i32> =
    ///     (0..4).into_par_iter().map_init(|| Rc::new(10), |ten, n| **ten + n).collect();
    /// assert_eq!(sums, [10, 11, 12, 13]);
    /// ```
    fn map_init<F, INIT, T, R>(self, init: INIT, map_op: F) -> MapInit<Self, INIT, F>
    where
        F: Fn(&mut T, Self::Item) -> R + Sync + Send,
        INIT: Fn() -> T + Sync + Send,
        R: Send,
    {
        MapInit::new(self, init, map_op)
    }

    /// Folds the items of each piece into one. Returns an iterator over the results, in order.
    ///
    /// Each piece has neighbouring items, and begins with a value that `identity` returns. The
    /// number of pieces depends on how many threads help, and may differ from run to run, so the
    /// final result should not depend on it. If a running piece is cut in two, the first part keeps
    /// the value.
    ///
    /// ```
    /// use filch::prelude::*;
    /// let words = ["to", "be", "or", "not", "to", "be"];
    /// let letters: usize = words.par_iter().fold(|| 0, |sum, word| sum + word.len()).sum();
    /// assert_eq!(letters, 13);
    /// ```
    fn fold<T, ID, F>(self, identity: ID, fold_op: F) -> Fold<Self, ID, F>
    where
        F: Fn(T, Self::Item) -> T + Sync + Send,
        ID: Fn() -> T + Sync + Send,
        T: Send,
    {
        Fold::new(self, identity, fold_op)
    }

    /// Folds the items of each piece into one, like [`fold`](Self::fold), from a clone of `init`.
    fn fold_with<F, T>(self, init: T, fold_op: F) -> FoldWith<Self, T, F>
    where
        F: Fn(T, Self::Item) -> T + Sync + Send,
        T: Send + Clone,
    {
        FoldWith::new(self, init, fold_op)
    }

    /// Folds the items of each piece into one, like [`fold`](Self::fold), by a function that
    /// returns an `Option`, a `Result` or the like.
    ///
    /// If `fold_op` fails, its piece stops, and the failure is the item of that piece. Other pieces
    /// go on, unless the rest of the chain stops them.
    ///
    /// ```
    /// use filch::prelude::*;
    /// let sums = (0..5_u8).into_par_iter().try_fold(|| 0_u8, |sum, n| sum.checked_add(n));
    /// assert_eq!(sums.flatten_iter().sum::<u8>(), 10);
    /// ```
    fn try_fold<T, R, ID, F>(self, identity: ID, fold_op: F) -> TryFold<Self, R, ID, F>
    where
        F: Fn(T, Self::Item) -> R + Sync + Send,
        ID: Fn() -> T + Sync + Send,
        R: Try<Output = T> + Send,
    {
        TryFold::new(self, identity, fold_op, PhantomData)
    }

    /// Folds the items of each piece into one, like [`try_fold`](Self::try_fold), from a clone of
    /// `init`.
    fn try_fold_with<F, T, R>(self, init: T, fold_op: F) -> TryFoldWith<Self, R, F>
    where
        F: Fn(T, Self::Item) -> R + Sync + Send,
        R: Try<Output = T> + Send,
        T: Clone + Send,
    {
        TryFoldWith::new(self, init, fold_op)
    }

    /// Returns an iterator over the items of this iterator, then those of `chain`.
    ///
    /// # Panics
    /// If the total number of items is needed and does not fit in a `usize`.
    fn chain<C: IntoParallelIterator<Item = Self::Item>>(self, chain: C) -> Chain<Self, C::Iter> {
        Chain::new(self, chain.into_par_iter())
    }

    /// Returns an iterator over the values of the `Some`s, until a thread finds a `None`. All
    /// threads then stop.
    ///
    /// The values need not be those before the first `None`: some of these may be missing, and some
    /// values behind it may be included.
    ///
    /// ```
    /// use filch::prelude::*;
    /// let values = (0..100_u8).into_par_iter().map(|n| 50_u8.checked_sub(n));
    /// assert!(values.while_some().count() <= 51);
    /// ```
    fn while_some<T>(self) -> WhileSome<Self>
    where
        Self: ParallelIterator<Item = Option<T>>,
        T: Send,
    {
        WhileSome::new(self)
    }

    /// Stops the loop soon after a panic: each thread finishes its item. Without this, each thread
    /// finishes its piece.
    fn panic_fuse(self) -> PanicFuse<Self> {
        PanicFuse::new(self)
    }

    /// Returns an iterator over the items, with a clone of `element` between each two.
    ///
    /// # Panics
    /// If the total number of items is needed and does not fit in a `usize`.
    fn intersperse(self, element: Self::Item) -> Intersperse<Self>
    where
        Self::Item: Clone,
    {
        Intersperse::new(self, element)
    }

    /// Returns an iterator over `n` items, or over all if there are fewer. These are the items that
    /// threads reach first, in order. All threads then stop.
    ///
    /// ```
    /// use filch::prelude::*;
    /// let even = (0..1000).into_par_iter().filter(|n| n % 2 == 0).take_any(5);
    /// assert_eq!(even.count(), 5);
    /// ```
    fn take_any(self, n: usize) -> TakeAny<Self> {
        TakeAny::new(self, n)
    }

    /// Returns an iterator over all but `n` items, in order. It skips the items that threads reach
    /// first.
    fn skip_any(self, n: usize) -> SkipAny<Self> {
        SkipAny::new(self, n)
    }

    /// Returns an iterator over items for which `predicate` returns true, until it returns false.
    /// All threads then stop.
    ///
    /// The items need not be those before the first mismatch: some of these may be missing, and
    /// some items behind it may be included.
    fn take_any_while<P>(self, predicate: P) -> TakeAnyWhile<Self, P>
    where
        P: Fn(&Self::Item) -> bool + Sync + Send,
    {
        TakeAnyWhile::new(self, predicate)
    }

    /// Skips items for which `predicate` returns true, until it returns false. All threads then
    /// pass on their items without calling `predicate`.
    fn skip_any_while<P>(self, predicate: P) -> SkipAnyWhile<Self, P>
    where
        P: Fn(&Self::Item) -> bool + Sync + Send,
    {
        SkipAnyWhile::new(self, predicate)
    }

    /// Runs the loop in `pool`, as if it were called inside [`ThreadPool::join`]. A calling thread
    /// that is no worker may run closures itself, as it may there. The closures may borrow, since
    /// the caller waits.
    ///
    /// You can call this anywhere in a chain. It applies to the whole chain, to the other iterators
    /// of a `zip` or a `chain`, and to loops that the closures run. If a chain has several of these
    /// calls, the first one decides: what a library returns stays in the library's pool.
    ///
    /// # Panics
    /// If a child of a `fork()` uses its parent's pool.
    ///
    /// ```
    /// use filch::prelude::*;
    /// let pool = filch::ThreadPoolBuilder::new().num_threads(2).build()?;
    /// let words = ["steal", "fork", "join"];
    /// let threads = words.par_iter().map(|_| filch::current_num_threads()).with_pool(&pool);
    /// assert_eq!(threads.collect::<Vec<_>>(), [2, 2, 2]);
    /// # Ok::<(), filch::ThreadPoolBuildError>(())
    /// ```
    fn with_pool(self, pool: &ThreadPool) -> WithPool<'_, Self> {
        WithPool::new(self, pool)
    }

    /// Lets at most `threads` workers work on the loop at a time. The pool's other workers are free
    /// for other work.
    ///
    /// You can call this anywhere in a chain. It applies to the whole chain, as
    /// [`with_pool`](Self::with_pool) does. If a chain has several of these calls, the smallest
    /// number counts. The inner iterators of a [`flat_map`](Self::flat_map) and the parallel
    /// iterators that closures run share this one limit with the loop. What closures fork or spawn
    /// by other means is not limited.
    ///
    /// The limit never makes a worker wait for another, and the loop is balanced as well as without
    /// it: as soon as one of the workers is done, a piece is cut off for a further one. Each fork
    /// costs a few more atomic operations.
    ///
    /// # Panics
    /// If `threads` is zero. (For a pool, zero means the default.)
    ///
    /// ```
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    ///
    /// use filch::prelude::*;
    /// let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    /// (0..1000).into_par_iter().num_threads(2).for_each(|_| {
    ///     most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
    ///     now.fetch_sub(1, Ordering::SeqCst);
    /// });
    /// assert!(most.into_inner() <= 2);
    /// ```
    #[track_caller]
    fn num_threads(self, threads: usize) -> NumThreads<Self> {
        assert!(threads != 0, "num_threads must not be zero: a loop needs at least one thread");
        NumThreads::new(self, threads)
    }

    // ---- ends of adaptors -------------------------------------------------------------------

    /// Calls `op`, in any order, with each item and a value that all items of a piece share, as
    /// [`map_with`](Self::map_with) does.
    fn for_each_with<OP, T>(self, init: T, op: OP)
    where
        OP: Fn(&mut T, Self::Item) + Sync + Send,
        T: Send + Clone,
    {
        self.map_with(init, op).for_each(drop);
    }

    /// Calls `op`, in any order, with each item and a value that all items of a piece share, as
    /// [`map_init`](Self::map_init) does.
    fn for_each_init<OP, INIT, T>(self, init: INIT, op: OP)
    where
        OP: Fn(&mut T, Self::Item) + Sync + Send,
        INIT: Fn() -> T + Sync + Send,
    {
        self.map_init(init, op).for_each(drop);
    }

    /// Like [`for_each_with`](Self::for_each_with), but stops soon after `op` fails, as
    /// [`try_for_each`](Self::try_for_each) does.
    fn try_for_each_with<OP, T, R>(self, init: T, op: OP) -> R
    where
        OP: Fn(&mut T, Self::Item) -> R + Sync + Send,
        T: Send + Clone,
        R: Try<Output = ()> + Send,
    {
        self.map_with(init, op).try_for_each(identity)
    }

    /// Like [`for_each_init`](Self::for_each_init), but stops soon after `op` fails, as
    /// [`try_for_each`](Self::try_for_each) does.
    fn try_for_each_init<OP, INIT, T, R>(self, init: INIT, op: OP) -> R
    where
        OP: Fn(&mut T, Self::Item) -> R + Sync + Send,
        INIT: Fn() -> T + Sync + Send,
        R: Try<Output = ()> + Send,
    {
        self.map_init(init, op).try_for_each(identity)
    }

    // ---- ends -------------------------------------------------------------------------------

    /// Runs a loop that stops when `token` is cancelled. `run` gets this iterator, runs the loop,
    /// and returns its result.
    ///
    /// Once the token is cancelled, each worker finishes its item, and the other items are dropped.
    /// The token stops only what was called before `cancel_with`, so call it last. A loop that a
    /// closure runs needs a `cancel_with` of its own. The check costs one load per item.
    ///
    /// # Errors
    /// Returns [`Cancelled`] if the token is cancelled before `run` returns. What `run` returns is
    /// then dropped, so no result covers only some of the items. Side effects of finished items
    /// remain.
    ///
    /// ```
    /// use filch::{CancelReason, CancelToken, Cancelled, prelude::*};
    /// let token = CancelToken::new();
    /// let squares = (0..1000_u64).into_par_iter().map(|n| n * n);
    /// assert_eq!(squares.cancel_with(&token, |squares| squares.sum()), Ok(332_833_500_u64));
    ///
    /// let numbers = (0..1_000_000).into_par_iter().inspect(|&n| if n == 10 { token.cancel() });
    /// let all: Result<Vec<_>, _> = numbers.cancel_with(&token, |numbers| numbers.collect());
    /// assert_eq!(all.unwrap_err().reason(), CancelReason::Requested);
    /// ```
    fn cancel_with<R>(
        self,
        token: &CancelToken,
        run: impl for<'t> FnOnce(CancelWith<'t, Self>) -> R,
    ) -> Result<R, Cancelled> {
        let result = run(CancelWith::new(self, token));
        match token.check() {
            Ok(()) => Ok(result),
            Err(cancelled) => drop_first(result, Err(cancelled)),
        }
    }

    /// Calls `f` with each item, in any order.
    ///
    /// # Panics
    /// If `f` panics, once all pieces that have begun have ended.
    ///
    /// ```
    /// use filch::prelude::*;
    /// let mut numbers = vec![1, 2, 3];
    /// numbers.par_iter_mut().for_each(|number| *number += 1);
    /// assert_eq!(numbers, [2, 3, 4]);
    /// ```
    fn for_each<F: Fn(Self::Item) + Sync + Send>(self, f: F) {
        self.drive_unindexed(consumer_of(&reduce::ForEach(f)));
    }

    /// Returns the number of items.
    fn count(self) -> usize {
        self.map(|_| 1).sum()
    }

    /// Returns the sum of the items. The grouping may differ from run to run, and so may the
    /// rounding of floating-point numbers.
    fn sum<S: Send + std::iter::Sum<Self::Item> + std::iter::Sum<S>>(self) -> S {
        self.drive_unindexed(consumer_of(&reduce::Sum(PhantomData)))
    }

    /// Collects the items into a collection, in order.
    ///
    /// ```
    /// use filch::prelude::*;
    /// let words: Vec<String> = (0..3).into_par_iter().map(|n| n.to_string()).collect();
    /// assert_eq!(words, ["0", "1", "2"]);
    /// ```
    fn collect<C: FromParallelIterator<Self::Item>>(self) -> C {
        C::from_par_iter(self)
    }

    /// Calls `op` with each item, in any order. If `op` fails, all threads stop soon, and this
    /// returns a failure. It need not be that of the first item for which `op` fails.
    ///
    /// ```
    /// use filch::prelude::*;
    /// let check = |n: i32| if n < 50 { Ok(()) } else { Err(n) };
    /// assert_eq!((0..50).into_par_iter().try_for_each(check), Ok(()));
    /// assert_eq!((0..51).into_par_iter().try_for_each(check), Err(50));
    /// ```
    fn try_for_each<OP, R>(self, op: OP) -> R
    where
        OP: Fn(Self::Item) -> R + Sync + Send,
        R: Try<Output = ()> + Send,
    {
        let failure = |item| match op(item).branch() {
            Continue(()) => None,
            Break(why) => Some(R::from_residual(why)),
        };
        self.find_map_any(failure).unwrap_or_else(|| R::from_output(()))
    }

    /// Reduces the items to one by `op`, which should be associative. Each piece begins with
    /// `identity()`, and there may be any number of pieces.
    ///
    /// ```
    /// use filch::prelude::*;
    /// let longest = ["one", "three", "five"]
    ///     .into_par_iter()
    ///     .reduce(|| "", |a, b| if b.len() > a.len() { b } else { a });
    /// assert_eq!(longest, "three");
    /// ```
    fn reduce<OP, ID>(self, identity: ID, op: OP) -> Self::Item
    where
        OP: Fn(Self::Item, Self::Item) -> Self::Item + Sync + Send,
        ID: Fn() -> Self::Item + Sync + Send,
    {
        value(self.map(Continue::<Infallible, _>).try_reduce(identity, always(op)))
    }

    /// Reduces the items to one by `op`, which should be associative. Returns `None` if there are
    /// no items.
    ///
    /// ```
    /// use filch::prelude::*;
    /// assert_eq!((1..5).into_par_iter().reduce_with(|a, b| a * b), Some(24));
    /// assert_eq!((1..1).into_par_iter().reduce_with(|a, b| a * b), None);
    /// ```
    fn reduce_with<OP>(self, op: OP) -> Option<Self::Item>
    where
        OP: Fn(Self::Item, Self::Item) -> Self::Item + Sync + Send,
    {
        self.map(Continue::<Infallible, _>).try_reduce_with(always(op)).map(value)
    }

    /// Reduces the values in the items to one by `op`, like [`reduce`](Self::reduce). If an item is
    /// a failure, or `op` fails, all threads stop soon, and this returns a failure.
    ///
    /// ```
    /// use filch::prelude::*;
    /// let sum = |numbers: &[i32]| {
    ///     numbers.par_iter().map(|&n| Some(n)).try_reduce(|| 0, |a, b| i32::checked_add(a, b))
    /// };
    /// assert_eq!(sum(&[1, 2, 3]), Some(6));
    /// assert_eq!(sum(&[1, i32::MAX]), None);
    /// ```
    fn try_reduce<T, OP, ID>(self, identity: ID, op: OP) -> Self::Item
    where
        OP: Fn(T, T) -> Self::Item + Sync + Send,
        ID: Fn() -> T + Sync + Send,
        Self::Item: Try<Output = T>,
    {
        let start = || Some(Self::Item::from_output(identity()));
        let reduce = tries::TryReduce::new(start, op);
        self.drive_unindexed(consumer_of(&reduce)).expect("pieces begin with a value")
    }

    /// Reduces the values in the items to one by `op`, like [`reduce_with`](Self::reduce_with). If
    /// an item is a failure, or `op` fails, all threads stop soon, and this returns a failure.
    fn try_reduce_with<T, OP>(self, op: OP) -> Option<Self::Item>
    where
        OP: Fn(T, T) -> Self::Item + Sync + Send,
        Self::Item: Try<Output = T>,
    {
        self.drive_unindexed(consumer_of(&tries::TryReduce::new(|| None, op)))
    }

    /// Returns the product of the items. The grouping may differ from run to run, and so may the
    /// rounding of floating-point numbers.
    fn product<P: Send + std::iter::Product<Self::Item> + std::iter::Product<P>>(self) -> P {
        self.drive_unindexed(consumer_of(&reduce::Product(PhantomData)))
    }

    /// Returns the least item, or `None` if there are no items. Of equal items, the first wins.
    fn min(self) -> Option<Self::Item>
    where
        Self::Item: Ord,
    {
        self.reduce_with(Ord::min)
    }

    /// Returns the greatest item, or `None` if there are no items. Of equal items, the last wins.
    fn max(self) -> Option<Self::Item>
    where
        Self::Item: Ord,
    {
        self.reduce_with(Ord::max)
    }

    /// Returns the least item in the order `f`, like [`min`](Self::min).
    fn min_by<F>(self, f: F) -> Option<Self::Item>
    where
        F: Sync + Send + Fn(&Self::Item, &Self::Item) -> Ordering,
    {
        self.reduce_with(|a, b| if f(&a, &b).is_le() { a } else { b })
    }

    /// Returns the greatest item in the order `f`, like [`max`](Self::max).
    fn max_by<F>(self, f: F) -> Option<Self::Item>
    where
        F: Sync + Send + Fn(&Self::Item, &Self::Item) -> Ordering,
    {
        self.reduce_with(|a, b| if f(&a, &b).is_gt() { a } else { b })
    }

    /// Returns the item with the least key, like [`min`](Self::min). Calls `f` once for each item.
    fn min_by_key<K, F>(self, f: F) -> Option<Self::Item>
    where
        K: Ord + Send,
        F: Sync + Send + Fn(&Self::Item) -> K,
    {
        let keyed = self.map(|item| (f(&item), item));
        keyed.min_by(|(a, _), (b, _)| a.cmp(b)).map(|(_, item)| item)
    }

    /// Returns the item with the greatest key, like [`max`](Self::max). Calls `f` once for each
    /// item.
    fn max_by_key<K, F>(self, f: F) -> Option<Self::Item>
    where
        K: Ord + Send,
        F: Sync + Send + Fn(&Self::Item) -> K,
    {
        let keyed = self.map(|item| (f(&item), item));
        keyed.max_by(|(a, _), (b, _)| a.cmp(b)).map(|(_, item)| item)
    }

    /// Returns an item for which `predicate` returns true, if any. Once a thread has found one, all
    /// threads stop soon.
    fn find_any<P>(self, predicate: P) -> Option<Self::Item>
    where
        P: Fn(&Self::Item) -> bool + Sync + Send,
    {
        self.find_map_any(|item| Some(item).filter(&predicate))
    }

    /// Returns the first item for which `predicate` returns true, if any. Once a thread has found
    /// one, threads soon search only before it.
    fn find_first<P>(self, predicate: P) -> Option<Self::Item>
    where
        P: Fn(&Self::Item) -> bool + Sync + Send,
    {
        self.find_map_first(|item| Some(item).filter(&predicate))
    }

    /// Returns the last item for which `predicate` returns true, if any. Once a thread has found
    /// one, threads soon search only behind it.
    fn find_last<P>(self, predicate: P) -> Option<Self::Item>
    where
        P: Fn(&Self::Item) -> bool + Sync + Send,
    {
        self.find_map_last(|item| Some(item).filter(&predicate))
    }

    /// Calls `predicate` with items, and returns the value of a `Some`, if any, like
    /// [`find_any`](Self::find_any). Once a thread has found one, all threads stop soon.
    fn find_map_any<P, R>(self, predicate: P) -> Option<R>
    where
        P: Fn(Self::Item) -> Option<R> + Sync + Send,
        R: Send,
    {
        self.drive_unindexed(Search::<ANY, _>::new(predicate).seeker())
    }

    /// Calls `predicate` with items, and returns the value of the first `Some`, if any.
    fn find_map_first<P, R>(self, predicate: P) -> Option<R>
    where
        P: Fn(Self::Item) -> Option<R> + Sync + Send,
        R: Send,
    {
        self.drive_unindexed(Search::<FIRST, _>::new(predicate).seeker())
    }

    /// Calls `predicate` with items, and returns the value of the last `Some`, if any.
    fn find_map_last<P, R>(self, predicate: P) -> Option<R>
    where
        P: Fn(Self::Item) -> Option<R> + Sync + Send,
        R: Send,
    {
        self.drive_unindexed(Search::<LAST, _>::new(predicate).seeker())
    }

    /// Returns whether `predicate` returns true for any item. If so, all threads stop soon.
    fn any<P: Fn(Self::Item) -> bool + Sync + Send>(self, predicate: P) -> bool {
        self.find_map_any(|item| predicate(item).then_some(())).is_some()
    }

    /// Returns whether `predicate` returns true for all items. If not, all threads stop soon.
    fn all<P: Fn(Self::Item) -> bool + Sync + Send>(self, predicate: P) -> bool {
        !self.any(|item| !predicate(item))
    }

    /// Collects the first and the second values of pairs into two collections.
    fn unzip<A, B, FromA, FromB>(self) -> (FromA, FromB)
    where
        Self: ParallelIterator<Item = (A, B)>,
        FromA: Default + Send + ParallelExtend<A>,
        FromB: Default + Send + ParallelExtend<B>,
        A: Send,
        B: Send,
    {
        let mut both = <(FromA, FromB)>::default();
        both.par_extend(self);
        both
    }

    /// Collects the items for which `predicate` returns true into one collection, and the others
    /// into another.
    ///
    /// ```
    /// use filch::prelude::*;
    /// let (even, odd): (Vec<_>, Vec<_>) = (0..6).into_par_iter().partition(|n| n % 2 == 0);
    /// assert_eq!(even, [0, 2, 4]);
    /// assert_eq!(odd, [1, 3, 5]);
    /// ```
    fn partition<A, B, P>(self, predicate: P) -> (A, B)
    where
        A: Default + Send + ParallelExtend<Self::Item>,
        B: Default + Send + ParallelExtend<Self::Item>,
        P: Fn(&Self::Item) -> bool + Sync + Send,
    {
        let side = |item| if predicate(&item) { Either::Left(item) } else { Either::Right(item) };
        self.partition_map(side)
    }

    /// Calls `predicate` with each item. Collects the values of the `Left`s into one collection,
    /// and those of the `Right`s into another.
    ///
    /// ```
    /// use filch::iter::Either;
    /// use filch::prelude::*;
    /// let (numbers, words): (Vec<_>, Vec<_>) =
    ///     ["1", "a", "2"].into_par_iter().partition_map(|word| match word.parse::<i32>() {
    ///         Ok(number) => Either::Left(number),
    ///         Err(_) => Either::Right(word),
    ///     });
    /// assert_eq!(numbers, [1, 2]);
    /// assert_eq!(words, ["a"]);
    /// ```
    fn partition_map<A, B, P, L, R>(self, predicate: P) -> (A, B)
    where
        A: Default + Send + ParallelExtend<L>,
        B: Default + Send + ParallelExtend<R>,
        P: Fn(Self::Item) -> Either<L, R> + Sync + Send,
        L: Send,
        R: Send,
    {
        let mut both = <(A, B)>::default();
        both.par_extend(self.map(predicate));
        both
    }

    /// Collects the items into a list of vectors, in order. This costs the least, since the vectors
    /// are not joined. Their number depends on how many threads help.
    ///
    /// ```
    /// use filch::prelude::*;
    /// let list = (0..100).into_par_iter().filter(|n| n % 2 == 0).collect_vec_list();
    /// assert_eq!(list.iter().map(Vec::len).sum::<usize>(), 50);
    /// ```
    fn collect_vec_list(self) -> LinkedList<Vec<Self::Item>> {
        self.collect::<VecList<_>>().0
    }
}

/// A type whose values can be made parallel iterators.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be made a parallel iterator",
    label = "not a parallel iterator, nor a type that can be made one",
    note = "ranges and collections can be made parallel iterators, by value or by reference",
    note = "to share the items of a serial iterator between threads, call `.par_bridge()`",
    note = "the items must be `Send`; if they are references, what these refer to must be `Sync`"
)]
pub trait IntoParallelIterator {
    /// The type of the parallel iterator.
    type Iter: ParallelIterator<Item = Self::Item>;

    /// The type of its items.
    type Item: Send;

    /// Makes `self` a parallel iterator.
    ///
    /// ```
    /// use filch::prelude::*;
    /// let squares: u64 = (1..=10_u64).into_par_iter().map(|n| n * n).sum();
    /// assert_eq!(squares, 385);
    /// ```
    fn into_par_iter(self) -> Self::Iter;
}

impl<I: ParallelIterator> IntoParallelIterator for I {
    type Iter = I;
    type Item = I::Item;

    fn into_par_iter(self) -> I {
        self
    }
}

/// A type into which [`collect`](ParallelIterator::collect) can collect items.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be collected from a parallel iterator over `{T}`",
    label = "`collect` cannot make this of items of type `{T}`",
    note = "collect into a `Vec<{T}>` or another collection whose items have this type",
    note = "or implement `FromParallelIterator<{T}>` for `{Self}`"
)]
pub trait FromParallelIterator<T: Send>: Sized {
    /// Collects the items of `par_iter`, in order.
    fn from_par_iter<I: IntoParallelIterator<Item = T>>(par_iter: I) -> Self;
}

/// A collection to which the items of a parallel iterator can be added.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be extended with a parallel iterator over `{T}`",
    label = "items of type `{T}` cannot be added to this",
    note = "extend a `Vec<{T}>` or another collection whose items have this type",
    note = "or implement `ParallelExtend<{T}>` for `{Self}`"
)]
pub trait ParallelExtend<T: Send> {
    /// Adds the items of `par_iter`, in order.
    ///
    /// ```
    /// use filch::prelude::*;
    /// let mut numbers = vec![7];
    /// numbers.par_extend((0..3).into_par_iter().map(|n| n * n));
    /// assert_eq!(numbers, [7, 0, 1, 4]);
    /// ```
    fn par_extend<I: IntoParallelIterator<Item = T>>(&mut self, par_iter: I);
}
