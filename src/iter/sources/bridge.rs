//! Serial iterators whose items are shared: `par_bridge`.
//!
//! # Who has the iterator
//! The iterator is a token in a slot. Who finds it there takes it out, asks it for a block of
//! items, puts it back, and feeds the items to its folder; so nobody else waits while it is asked,
//! and no lock is held around the user's code, be it the iterator's or the consumer's. Who finds
//! the slot empty looks a few more times and then ends with what it has: waiting for the token
//! could be waiting for oneself, since the one who has it may be further down on the same stack,
//! in a parallel loop that the iterator runs, or may wait for what is there. Who puts the token
//! back sees that some have gone, and sends another in. At least one goes on, then: as long as
//! there are items, either the token is out, and who has it will put it back and come again, or
//! it is in the slot, and who put it there will come again.
//!
//! All that is spawned is in one scope.

use std::sync::{Mutex, MutexGuard};
use std::{hint, mem};

use super::super::ends::tries::Stop;
use crate::fork::{Scope, scope};
use crate::iter::ParallelIterator;
use crate::iter::plumbing::{Folder, Reducer, UnindexedConsumer};
use crate::platform::clock::{TICKS_PER_MICROSECOND, ticks};
use crate::worker::is_simulated;

/// How long a block of items should last: twice to half of it will do.
const BLOCK: u64 = 16 * TICKS_PER_MICROSECOND;
/// The most items in a block.
const MOST: usize = 1024;
/// How long to look for the iterator before giving up.
const PATIENCE: u64 = 2 * TICKS_PER_MICROSECOND;

/// What can be shared by [`par_bridge`](ParallelBridge::par_bridge): serial iterators.
pub trait ParallelBridge: Sized {
    /// A parallel iterator over the items of a serial one, in no particular order.
    ///
    /// The iterator itself is asked by one worker at a time, and may itself run parallel loops.
    /// Where its [`size_hint`](Iterator::size_hint) promises more items, up to a thousand may be
    /// taken at once, or else one by one: so items that are there do not wait for an iterator that
    /// blocks (a channel's, for instance). Whatever can be a parallel iterator of its own gets
    /// along with less: taking a block costs some tens of nanoseconds and more where many do.
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

/// The items of a serial iterator; of [`par_bridge`](ParallelBridge::par_bridge).
#[must_use = "parallel iterators do nothing until they are driven"]
#[derive(Clone, Debug)]
pub struct IterBridge<I>(I);

impl<I: Iterator<Item: Send> + Send> ParallelIterator for IterBridge<I> {
    type Item = I::Item;

    fn drive_unindexed<C: UnindexedConsumer<I::Item>>(self, consumer: C) -> C::Result {
        let first = consumer.split_off_left();
        let token = Token { iter: self.0, root: consumer };
        let slot = Slot { token: Some(token), working: 1, root: None };
        let bridge = Bridge {
            slot: Mutex::new(slot),
            results: Mutex::new(Vec::new()),
            stop: Stop::default(),
        };
        scope(|s| bridge.work(s, first));
        let slot = bridge.slot.into_inner().expect(UNPOISONED);
        let root = slot.root.or(slot.token.map(|token| token.root)).expect("somebody put it back");
        let results = bridge.results.into_inner().expect(UNPOISONED).into_iter();
        let join = |left, right| root.to_reducer().reduce(left, right);
        results.reduce(join).expect("the first who works has a result")
    }
}

const UNPOISONED: &str = "nobody panics with the lock";

/// The iterator, and what all consumers are cut off from.
struct Token<I, C> {
    iter: I,
    root: C,
}

/// Where the token is, if nobody has it.
struct Slot<I, C> {
    token: Option<Token<I, C>>,
    /// How many work for it.
    working: usize,
    /// What is left of the token when there are no more items.
    root: Option<C>,
}

struct Bridge<I, C, R> {
    /// Locked for a few instructions, never around the user's code.
    slot: Mutex<Slot<I, C>>,
    /// What those who have gone came to, no more than there are threads; locked to add or take one.
    results: Mutex<Vec<R>>,
    /// Somebody has panicked.
    stop: Stop,
}

/// Tells the others to stop, unless forgotten.
struct StopOnPanic<'b>(&'b Stop);

impl Drop for StopOnPanic<'_> {
    fn drop(&mut self) {
        self.0.set();
    }
}

impl<I, C> Bridge<I, C, C::Result>
where
    I: Iterator<Item: Send> + Send,
    C: UnindexedConsumer<I::Item>,
{
    fn slot(&self) -> MutexGuard<'_, Slot<I, C>> {
        self.slot.lock().expect(UNPOISONED)
    }

    /// Takes block after block.
    fn work<'scope, 'env>(&'env self, s: &'scope Scope<'scope, 'env>, consumer: C) {
        let stop = StopOnPanic(&self.stop);
        let reducer = consumer.to_reducer();
        let mut folder = consumer.into_folder();
        let mut block = Vec::new();
        let mut most = 1;
        loop {
            if folder.full() || self.stop.is_set() {
                self.slot().working -= 1;
                break;
            }
            let Some(mut token) = self.take() else { break };
            let wanted = most.min(token.iter.size_hint().0).max(1);
            block.extend(token.iter.by_ref().take(wanted));
            if block.len() < wanted {
                self.finish(token);
            } else {
                self.put_back(s, token);
            }
            let before = ticks();
            folder = folder.consume_iter(block.drain(..));
            let took = ticks().wrapping_sub(before);
            if took > BLOCK * 2 {
                most = (most / 2).max(1);
            } else if took < BLOCK / 2 && wanted == most && !is_simulated() {
                most = (most * 2).min(MOST);
            }
        }
        self.keep(folder.complete(), reducer);
        mem::forget(stop);
    }

    /// Keeps a result, joined with another one if there is any: else they would pile up where an
    /// iterator is slow, and many come and go.
    fn keep(&self, result: C::Result, reducer: C::Reducer) {
        let mut results = self.results.lock().expect(UNPOISONED);
        let Some(other) = results.pop() else {
            return results.push(result);
        };
        drop(results);
        let both = reducer.reduce(other, result);
        self.results.lock().expect(UNPOISONED).push(both);
    }

    /// The token, if it is there soon; else the caller does not count as working any more.
    fn take(&self) -> Option<Token<I, C>> {
        let start = ticks();
        loop {
            let mut slot = self.slot();
            if let Some(token) = slot.token.take() {
                return Some(token);
            }
            let over = slot.root.is_some() || is_simulated();
            if over || ticks().wrapping_sub(start) > PATIENCE {
                slot.working -= 1;
                return None;
            }
            drop(slot);
            (0..16).for_each(|_| hint::spin_loop());
        }
    }

    /// There are no more items.
    fn finish(&self, token: Token<I, C>) {
        drop(token.iter);
        self.slot().root = Some(token.root);
    }

    /// Puts the token back; if there could be more who work, spawns one.
    fn put_back<'scope, 'env>(&'env self, s: &'scope Scope<'scope, 'env>, token: Token<I, C>) {
        let threads = crate::current_num_threads();
        let mut consumer = None;
        let mut slot = self.slot();
        if slot.working < threads {
            // The token is still this one's, so nobody else works with the root.
            drop(slot);
            if !token.root.full() {
                consumer = Some(token.root.split_off_left());
            }
            slot = self.slot();
        }
        slot.token = Some(token);
        slot.working += usize::from(consumer.is_some());
        drop(slot);
        if let Some(consumer) = consumer {
            s.spawn(move || self.work(s, consumer));
        }
    }
}
