//! Serial iterators whose items are shared: `par_bridge`.
//!
//! # The token
//! The iterator is a token. A worker takes the token, asks the iterator for one item, puts the
//! token back, and feeds the item to its folder. So no item is held back, and no worker has the
//! token while it consumes an item: the iterator may wait for items that it has given, and an item
//! may wait for later ones.
//!
//! A worker that finds the token taken looks for it a while longer, and then leaves. It must not
//! block: the holder may be in a parallel loop that the iterator runs, and need this worker. For
//! the same reason, a worker that waits while it consumes an item of this bridge does not take
//! another item of it on top of that wait. If it is called there, it passes the call on.
//!
//! # Helpers
//! A worker that puts the token back after it got an item calls a helper, which is a spawned task,
//! unless one was called that has not begun yet. So a worker can ask for the next item however long
//! this one takes, and a slow iterator costs one helper for each item. A helper that gets its first
//! item at once calls two. So if items are long, all threads begin in a tree, not in a chain.
//!
//! A helper that leaves first takes itself out of the count, and then looks for the token once
//! more. A worker that puts the token back reads the count after that. So the helper sees the
//! token, or the worker sees that no helper is called.
#![allow(unsafe_code)]

use std::cell::{Cell, UnsafeCell};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use std::{hint, iter, mem, ptr, thread};

use crossbeam_utils::CachePadded;

use crate::context::{CancelToken, Stop};
use crate::fork::{Scope, stopping_token, whole_scope};
use crate::iter::implement::parallel;
use crate::iter::limit::{Limit, reserve, under};
use crate::iter::plumbing::{Folder, Reducer, UnindexedConsumer};
use crate::job::outcome;
use crate::os::clock::{TICKS_PER_MICROSECOND, ticks};
use crate::sync::Mutex;
use crate::worker::{Worker, is_simulated};

/// How long to look for the token before leaving.
const PATIENCE: u64 = 2 * TICKS_PER_MICROSECOND;
/// How long the iterator may take for a helper's first item if that is to call two.
const AT_ONCE: u64 = 2 * TICKS_PER_MICROSECOND;
/// How long a worker keeps a call that it has to pass on, if no other is idle. (A guess: to wake so
/// often takes a few percent of a processor.)
const REST: Duration = Duration::from_micros(250);

/// A serial iterator whose items [`par_bridge`](ParallelBridge::par_bridge) shares between threads.
#[diagnostic::on_unimplemented(
    message = "the items of `{Self}` cannot be shared between threads",
    label = "`par_bridge` cannot be called on this",
    note = "`par_bridge` takes any `Iterator` that is `Send`, and whose items are `Send`"
)]
pub trait ParallelBridge: Sized {
    /// Returns a parallel iterator over the items of this serial one, in any order. For their
    /// positions, call `enumerate` on the serial one.
    ///
    /// One worker at a time asks the iterator, for one item at a time, and consumes that item
    /// before it asks again. No lock is held meanwhile: the iterator may block, run parallel loops,
    /// or wait until its earlier items are consumed. With two or more threads, an item may also
    /// wait until another thread has consumed a later one.
    ///
    /// An item costs some tens of nanoseconds, and more if many threads want short items. A source
    /// that can be a parallel iterator of its own costs less.
    ///
    /// # Panics
    /// If the iterator panics. No more items are then taken.
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

/// An iterator over the items of a serial iterator: see [`par_bridge`](ParallelBridge::par_bridge).
#[must_use = "parallel iterators do nothing until they are driven"]
#[derive(Clone, Debug)]
pub struct IterBridge<I>(I);

parallel! {
    [I: Iterator<Item: Send> + Send] IterBridge<I> => I::Item,
    |self, consumer| {
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
            // With one thread, this counts a helper that never comes, so that no other is called.
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
/// One helper that was called, but has not had the token.
const CALLED: usize = 2;
/// One worker that has had the token, and will look for it again.
const WORKING: usize = 1 << (usize::BITS / 2);

/// The iterator, until it has ended, and the consumer from which all others are split off.
struct Token<I, C> {
    iter: Option<I>,
    root: C,
}

struct Bridge<'l, I, C, R> {
    /// Whether a worker has the token.
    taken: AtomicBool,
    /// How many workers are `CALLED` and `WORKING`, and `OVER`.
    counts: AtomicUsize,
    /// Used only by the worker that has set `taken`.
    token: UnsafeCell<Token<I, C>>,
    /// The results of the workers that have left: at most one for each thread.
    results: Mutex<Vec<R>>,
    /// How many workers may help.
    threads: usize,
    /// The limit under which all of them work, if there is one.
    limit: Option<&'l Limit<'l>>,
    /// Stops the loop.
    stop: Option<CancelToken>,
}

// SAFETY: one thread at a time has the token, by `taken`, and the results, by their lock. Any
// thread may use the other fields.
unsafe impl<I: Send, C: Send, R: Send> Sync for Bridge<'_, I, C, R> {}

/// A worker's visit to a bridge.
struct Visit {
    bridge: *const AtomicUsize,
    /// The next visit below on the same stack, to another bridge.
    outer: *const Visit,
}

impl Visit {
    /// The innermost visit on the stack of this worker. (The worker may go on in another thread.)
    fn innermost() -> &'static Cell<*const ()> {
        &Worker::current().expect("a scope's tasks run on workers").visit
    }

    /// Whether this worker already visits the bridge, further down on its stack.
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

impl<I: Iterator<Item: Send> + Send, C: UnindexedConsumer<I::Item>> Bridge<'_, I, C, C::Result> {
    /// Takes item after item. A helper calls this, and so does the worker that opens the bridge.
    fn work<'scope, 'env>(&'env self, s: &'scope Scope<'scope, 'env>) {
        if Visit::is_below(&self.counts) {
            let counts = self.counts.load(Ordering::Relaxed);
            if counts & OVER == 0 && counts / WORKING < self.threads {
                // Else it would take the call again at once.
                if !is_simulated() && Worker::current().is_some_and(|it| !it.sees_idlers()) {
                    thread::sleep(REST);
                }
                return s.spawn_for_others(move || under(self.limit, || self.work(s)));
            }
            self.counts.fetch_sub(CALLED, Ordering::Relaxed);
            return;
        }
        let innermost = Visit::innermost();
        let visit = Visit { bridge: &self.counts, outer: innermost.get().cast() };
        innermost.set(ptr::from_ref(&visit).cast());
        // A panic tells all workers to leave. (Relaxed: the flag carries nothing but itself.)
        let over = || _ = self.counts.fetch_or(OVER, Ordering::Relaxed);
        let over_on_panic = outcome::defer(over);
        let first = self.ask(s, CALLED, |root, iter| {
            if root.full() { None } else { Some((root.split_off_left(), iter.next()?)) }
        });
        if let Some((consumer, mut item)) = first {
            let reducer = consumer.to_reducer();
            let mut folder = consumer.into_folder();
            loop {
                folder = folder.consume(item);
                Stop::check(self.stop.as_ref());
                if let Some(worker) = Worker::current() {
                    worker.serve_late_callers();
                }
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
        mem::forget(over_on_panic);
    }

    /// Keeps a result, joined with another one if there is any. (Otherwise results would pile up
    /// if the iterator is slow, since many helpers come and go.)
    fn keep(&self, result: C::Result, reducer: C::Reducer) {
        let mut results = self.results.lock();
        let Some(other) = results.pop() else {
            return results.push(result);
        };
        drop(results);
        let both = reducer.reduce(other, result);
        self.results.lock().push(both);
    }

    /// Calls `next` with the token, and then calls helpers if `next` returned a value. If this
    /// returns `None`, the caller, which was counted as `counted`, no longer counts.
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
        // SAFETY: `take` has set `taken`, and no other thread clears it.
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

    /// Takes the token, if it comes back soon. If this returns `false`, the caller no longer
    /// counts.
    #[inline]
    fn take(&self, counted: usize) -> bool {
        let is_fast = counted == WORKING && !self.is_over() && self.take_now();
        is_fast || self.take_slow(counted)
    }

    #[inline]
    fn take_now(&self) -> bool {
        // Acquire: matches the Release of the worker that put the token back, in `ask`.
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

    /// Takes the caller out of the count, and returns `true`. If the token is there, and the worker
    /// that put it back may not have seen the new count, the caller counts again, and this returns
    /// `false`.
    fn leave(&self, counted: usize) -> bool {
        // SeqCst: pairs with `ask`. Either that sees this, or this sees the token.
        let over = self.counts.fetch_sub(counted, Ordering::SeqCst) & OVER != 0;
        let leaves = over || self.taken.load(Ordering::SeqCst);
        if !leaves {
            self.counts.fetch_add(counted, Ordering::Relaxed);
        }
        leaves
    }

    /// Spawns a helper if `counts` shows none that was called, and two if the iterator gives its
    /// items `at_once`, but no more than there are threads.
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
