//! Serial iterators whose items are shared: `par_bridge`.
//!
//! # Who asks the iterator
//! The iterator is a token. A worker takes it, asks it for one item, puts it back, and feeds the
//! item to its folder. No item is held back, then, and nobody has the token while it consumes: the
//! iterator may wait for items that it gave, and an item may wait for later ones.
//!
//! A worker that finds the token taken looks for it a while longer, and then leaves. It must not
//! block: the holder may be in a parallel loop that the iterator runs, and need this worker. For
//! the same reason a worker that consumes an item of this bridge, and waits for something of its
//! own, does not take another item on top of that.
//!
//! # Who is called
//! A worker that puts the token back with an item in hand spawns a helper, unless one is called
//! that has not begun yet. So somebody can ask for the next item however long this one takes, and
//! an iterator that is slow costs one helper an item. A helper that gets its first item at once
//! calls two: long items get all threads going in a tree, not in a chain.
//!
//! A helper that leaves is counted down first, and then looks for the token once more. Who puts the
//! token back looks at the count after that. So the one sees the token, or the other that no helper
//! is called.
#![allow(unsafe_code)]

use std::cell::{Cell, UnsafeCell};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::{hint, iter, mem, ptr};

use crossbeam_utils::CachePadded;

use crate::context::{CancelToken, Stop};
use crate::fork::{Scope, stopping_token, whole_scope};
use crate::iter::ParallelIterator;
use crate::iter::limit::{Limit, reserve, under};
use crate::iter::plumbing::{Folder, Reducer, UnindexedConsumer};
use crate::os::clock::{TICKS_PER_MICROSECOND, ticks};
use crate::sync::Mutex;
use crate::worker::{Worker, is_simulated};

/// How long to look for the token before leaving.
const PATIENCE: u64 = 2 * TICKS_PER_MICROSECOND;
/// How long the iterator may take for a helper's first item if that is to call two.
const AT_ONCE: u64 = 2 * TICKS_PER_MICROSECOND;

/// A serial iterator whose items [`par_bridge`](ParallelBridge::par_bridge) shares between threads.
#[diagnostic::on_unimplemented(
    message = "the items of `{Self}` cannot be shared between threads",
    label = "`par_bridge` cannot be called on this",
    note = "`par_bridge` takes any `Iterator` that is `Send`, and whose items are `Send`"
)]
pub trait ParallelBridge: Sized {
    /// Returns a parallel iterator over the items of this serial one, in any order.
    ///
    /// One worker at a time asks the iterator, for one item at a time, and consumes that item
    /// before it asks again. No lock is held meanwhile: the iterator may block, run parallel loops,
    /// or wait until its earlier items are consumed. With two or more threads, an item may also
    /// wait until another thread has consumed a later one.
    ///
    /// An item costs some tens of nanoseconds, more where many threads want short ones. Whatever
    /// can be a parallel iterator of its own gets along with less.
    ///
    /// # Panics
    /// When the iterator does: then no more items are taken.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let text = "one two three";
    /// let mut lengths: Vec<_> = text.split(' ').par_bridge().map(str::len).collect();
    /// lengths.sort();
    /// assert_eq!(lengths, [3, 3, 5]);
    /// ```
    fn par_bridge(self) -> IterBridge<Self>;
}

impl<I: Iterator<Item: Send> + Send> ParallelBridge for I {
    fn par_bridge(self) -> IterBridge<I> {
        IterBridge(self)
    }
}

/// An iterator over the items of a serial iterator. Returned by
/// [`par_bridge`](ParallelBridge::par_bridge).
#[must_use = "parallel iterators do nothing until they are driven"]
#[derive(Clone, Debug)]
pub struct IterBridge<I>(I);

impl<I: Iterator<Item: Send> + Send> ParallelIterator for IterBridge<I> {
    type Item = I::Item;

    fn drive_unindexed<C: UnindexedConsumer<I::Item>>(self, consumer: C) -> C::Result {
        reserve(crate::current_num_threads(), |limit, threads| self.drive(limit, threads, consumer))
    }
}

impl<I: Iterator<Item: Send> + Send> IterBridge<I> {
    /// On at most `threads` workers.
    fn drive<C: UnindexedConsumer<I::Item>>(
        self,
        limit: Option<&Limit<'_>>,
        threads: usize,
        consumer: C,
    ) -> C::Result {
        let bridge = CachePadded::new(Bridge {
            taken: AtomicBool::new(false),
            // With one thread, one that is called and never comes: so nobody calls another.
            counts: AtomicUsize::new(if threads == 1 { 2 * CALLED } else { CALLED }),
            token: UnsafeCell::new(Token { iter: Some(self.0), root: consumer }),
            results: Mutex::new(Vec::new()),
            threads,
            limit,
            stop: stopping_token(),
        });
        whole_scope(|s| under(limit, || bridge.work(s)));
        let Bridge { token, results, .. } = bridge.into_inner();
        let Token { iter, root } = token.into_inner();
        drop(iter);
        let results = results.into_inner().into_iter();
        let all = results.reduce(|left, right| root.to_reducer().reduce(left, right));
        all.unwrap_or_else(|| root.into_folder().complete())
    }
}

/// In `Bridge::counts`: no more items are to be taken. Never cleared.
const OVER: usize = 1;
/// One helper that is called, but has not had the token.
const CALLED: usize = 2;
/// One worker that has had the token, and will look for it again.
const WORKING: usize = 1 << (usize::BITS / 2);

/// The iterator, until it is over, and what all consumers are cut off from.
struct Token<I, C> {
    iter: Option<I>,
    root: C,
}

struct Bridge<'l, I, C, R> {
    /// Somebody has the token.
    taken: AtomicBool,
    /// How many are `CALLED` and `WORKING`; `OVER`.
    counts: AtomicUsize,
    /// For who has set `taken`.
    token: UnsafeCell<Token<I, C>>,
    /// What those who left came to, no more than there are threads; locked to add or take one.
    results: Mutex<Vec<R>>,
    /// How many workers may help.
    threads: usize,
    /// Whether that is because of a limit, under which all of them work.
    limit: Option<&'l Limit<'l>>,
    /// Stops the loop.
    stop: Option<CancelToken>,
}

// SAFETY: the token goes from one thread to another, one at a time, by `taken`, and so do results
// by their lock; the rest is for all.
unsafe impl<I: Send, C: Send, R: Send> Sync for Bridge<'_, I, C, R> {}

/// A worker's visit to a bridge.
struct Visit {
    bridge: *const AtomicUsize,
    /// The next visit below on the same stack, to another bridge.
    outer: *const Visit,
}

impl Visit {
    /// The innermost visit on the stack of this worker (which may go on in another thread).
    fn innermost() -> &'static Cell<*const ()> {
        Worker::current().expect("a scope's tasks run on workers").visit()
    }

    /// Whether this worker visits the bridge already, further down on its stack.
    fn is_below(bridge: *const AtomicUsize) -> bool {
        // SAFETY: visits of a stack end innermost first, and each takes its pointer back.
        let next = |visit: *const Visit| unsafe { visit.as_ref() };
        iter::successors(next(Self::innermost().get().cast()), |visit| next(visit.outer))
            .any(|visit| ptr::eq(visit.bridge, bridge))
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        Self::innermost().set(self.outer.cast());
    }
}

/// Tells all workers to leave, unless forgotten.
struct OverOnPanic<'b>(&'b AtomicUsize);

impl Drop for OverOnPanic<'_> {
    fn drop(&mut self) {
        // Relaxed: it carries nothing but itself.
        self.0.fetch_or(OVER, Ordering::Relaxed);
    }
}

impl<I: Iterator<Item: Send> + Send, C: UnindexedConsumer<I::Item>> Bridge<'_, I, C, C::Result> {
    /// What a helper does, and the one who opens the bridge: takes item after item.
    fn work<'scope, 'env>(&'env self, s: &'scope Scope<'scope, 'env>) {
        if Visit::is_below(&self.counts) {
            let counts = self.counts.load(Ordering::Relaxed);
            if counts & OVER == 0 && counts / WORKING < self.threads {
                return s.spawn_for_others(move || under(self.limit, || self.work(s)));
            }
            self.counts.fetch_sub(CALLED, Ordering::Relaxed);
            return;
        }
        let innermost = Visit::innermost();
        let visit = Visit { bridge: &self.counts, outer: innermost.get().cast() };
        innermost.set(ptr::from_ref(&visit).cast());
        let over = OverOnPanic(&self.counts);
        let first = self.ask(s, CALLED, |root, iter| {
            if root.full() { None } else { Some((root.split_off_left(), iter.next()?)) }
        });
        if let Some((consumer, mut item)) = first {
            let reducer = consumer.to_reducer();
            let mut folder = consumer.into_folder();
            loop {
                folder = folder.consume(item);
                Stop::check(self.stop.as_ref());
                if folder.full() {
                    self.counts.fetch_sub(WORKING, Ordering::Relaxed);
                    break;
                }
                match self.ask(s, WORKING, |_, iter| iter.next()) {
                    Some(next) => item = next,
                    None => break,
                }
            }
            self.keep(folder.complete(), reducer);
        }
        mem::forget(over);
    }

    /// Keeps a result, joined with another one if there is any: else they would pile up where an
    /// iterator is slow, and many come and go.
    fn keep(&self, result: C::Result, reducer: C::Reducer) {
        let mut results = self.results.lock();
        let Some(other) = results.pop() else {
            return results.push(result);
        };
        drop(results);
        let both = reducer.reduce(other, result);
        self.results.lock().push(both);
    }

    /// Has the token for the time of `next`, and then calls helpers, if it gave something. `None`:
    /// the caller, who was counted as `counted`, is not counted any more.
    #[inline]
    fn ask<'scope, 'env, T>(
        &'env self,
        s: &'scope Scope<'scope, 'env>,
        counted: usize,
        next: impl FnOnce(&C, &mut I) -> Option<T>,
    ) -> Option<T> {
        if !self.take(counted) {
            return None;
        }
        let is_new = counted == CALLED;
        let start = if is_new { ticks() } else { 0 };
        // SAFETY: `take` has set `taken`, and nobody else clears it.
        let token = unsafe { &mut *self.token.get() };
        let got = token.iter.as_mut().and_then(|iter| next(&token.root, iter));
        let at_once = is_new && (is_simulated() || ticks().wrapping_sub(start) < AT_ONCE);
        if got.is_none() {
            token.iter = None;
            self.counts.fetch_or(OVER, Ordering::Relaxed);
        }
        // SeqCst, here and below: pairs with `leave`. It is also the Release for the Acquire in
        // `take_now`.
        self.taken.store(false, Ordering::SeqCst);
        let counts = self.counts.load(Ordering::SeqCst);
        if got.is_none() {
            self.counts.fetch_sub(WORKING, Ordering::Relaxed);
        } else if at_once || counts % WORKING < CALLED {
            self.call(s, counts, at_once);
        }
        got
    }

    /// Takes the token, if it is there soon. Else the caller is not counted any more.
    #[inline]
    fn take(&self, counted: usize) -> bool {
        let is_fast = counted == WORKING && !self.is_over() && self.take_now();
        is_fast || self.take_slow(counted)
    }

    #[inline]
    fn take_now(&self) -> bool {
        // Acquire: matches the Release of who put the token back.
        !self.taken.swap(true, Ordering::Acquire)
    }

    #[inline]
    fn is_over(&self) -> bool {
        // Relaxed: it carries nothing but itself.
        self.counts.load(Ordering::Relaxed) & OVER != 0
    }

    #[cold]
    fn take_slow(&self, counted: usize) -> bool {
        let start = ticks();
        loop {
            let is_over = self.is_over();
            if !is_over && !self.taken.load(Ordering::Relaxed) && self.take_now() {
                self.counts.fetch_add(WORKING - counted, Ordering::Relaxed);
                return true;
            }
            let waits = !is_over && !is_simulated() && ticks().wrapping_sub(start) < PATIENCE;
            if !waits && self.leave(counted) {
                return false;
            }
            (0..16).for_each(|_| hint::spin_loop());
        }
    }

    /// The caller is not counted any more; unless the token is there, and whoever put it back may
    /// not have seen that.
    fn leave(&self, counted: usize) -> bool {
        // SeqCst: pairs with `ask`. Either that sees this, or this sees the token.
        let over = self.counts.fetch_sub(counted, Ordering::SeqCst) & OVER != 0;
        let leaves = over || self.taken.load(Ordering::SeqCst);
        if !leaves {
            self.counts.fetch_add(counted, Ordering::Relaxed);
        }
        leaves
    }

    /// Spawns one helper if `counts` shows none that is called, two if the iterator gives
    /// `at_once`, but no more than there are threads.
    #[cold]
    fn call<'scope, 'env>(
        &'env self,
        s: &'scope Scope<'scope, 'env>,
        counts: usize,
        at_once: bool,
    ) {
        let (working, called) = (counts / WORKING, counts % WORKING / CALLED);
        let free = self.threads.saturating_sub(working + called);
        // Without a limit, one more may be called: it comes where a worker waits.
        let least = usize::from(called == 0).min(self.limit.map_or(1, |_| free));
        let calls = if at_once { free.min(2) } else { 0 }.max(least);
        self.counts.fetch_add(calls * CALLED, Ordering::Relaxed);
        (0..calls).for_each(|_| drop(s.spawn(move || under(self.limit, || self.work(s)))));
    }
}
