//! Adaptors in which all pieces share a gate: each item asks whether it may pass, and who shuts
//! the gate shuts it for all.

use std::fmt;
use std::iter;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::iter::ParallelIterator;
use crate::iter::plumbing::{Consumer, Folder, Reducer, UnindexedConsumer};

/// What becomes of an item at the gate.
pub enum Pass<T> {
    /// It passes.
    Through(T),
    /// It is dropped.
    Dropped,
    /// It is dropped, and so are those behind it.
    Shut,
}

/// Decides which items pass.
pub trait Gate<In>: Send + Sync {
    /// What passes.
    type Out: Send;

    /// Whether all pass, unless somebody panics.
    const ALL: bool = false;

    /// Whether one who is busy dropping items wants to know of others who have shut the gate.
    const ASK_EACH: bool;

    /// Whether nothing passes any more.
    fn is_shut(&self) -> bool;

    /// Whether all pass from now on, `unasked`.
    fn is_open(&self) -> bool {
        false
    }

    /// What an item is that passes an open gate.
    fn unasked(&self, _item: In) -> Self::Out {
        unreachable!("this gate is never open")
    }

    /// What becomes of `item`.
    fn pass(&self, item: In) -> Pass<Self::Out>;

    /// What panics set, if any.
    fn alarm(&self) -> Alarm<'_> {
        Alarm(None)
    }
}

/// Sets a flag if it is dropped by a panic.
pub struct Alarm<'a>(Option<&'a AtomicBool>);

impl<'a> Alarm<'a> {
    /// Sets `flag`; not at all in a loop that is run by a drop while a panic unwinds already.
    pub(super) fn new(flag: &'a AtomicBool) -> Self {
        Alarm((!thread::panicking()).then_some(flag))
    }
}

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if let Some(flag) = self.0 {
            if thread::panicking() {
                // Relaxed: it carries nothing but itself.
                flag.store(true, Ordering::Relaxed);
            }
        }
    }
}

/// A parallel iterator whose items go through a gate.
#[must_use = "parallel iterators do nothing until they are driven"]
#[derive(Clone)]
pub struct Gated<I, G> {
    pub(super) base: I,
    pub(super) gate: G,
}

impl<I, G> Gated<I, G> {
    pub(crate) fn new(base: I, gate: G) -> Self {
        Gated { base, gate }
    }
}

impl<I: fmt::Debug, G> fmt::Debug for Gated<I, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gated").field("base", &self.base).finish_non_exhaustive()
    }
}

impl<I: ParallelIterator, G: Gate<I::Item>> ParallelIterator for Gated<I, G> {
    type Item = G::Out;

    fn drive_unindexed<C: UnindexedConsumer<G::Out>>(self, consumer: C) -> C::Result {
        self.base.drive_unindexed(AtGate::new::<I::Item>(consumer, &self.gate))
    }

    fn opt_len(&self) -> Option<usize> {
        if G::ALL { self.base.opt_len() } else { None }
    }
}

/// The consumer, folder or reducer `base`, behind the gate.
pub(super) struct AtGate<'a, B, G> {
    pub(super) base: B,
    gate: &'a G,
    alarm: Alarm<'a>,
}

impl<'a, B, G> AtGate<'a, B, G> {
    pub(super) fn new<In>(base: B, gate: &'a G) -> Self
    where
        G: Gate<In>,
    {
        AtGate { base, gate, alarm: gate.alarm() }
    }
}

impl<'a, In, C, G> Consumer<In> for AtGate<'a, C, G>
where
    G: Gate<In>,
    C: Consumer<G::Out>,
{
    type Folder = AtGate<'a, C::Folder, G>;
    type Reducer = AtGate<'a, C::Reducer, G>;
    type Result = C::Result;

    fn split_at(self, index: usize) -> (Self, Self, Self::Reducer) {
        let (left, right, reducer) = self.base.split_at(index);
        (
            AtGate::new::<In>(left, self.gate),
            AtGate::new::<In>(right, self.gate),
            AtGate::new::<In>(reducer, self.gate),
        )
    }

    fn into_folder(self) -> Self::Folder {
        AtGate { base: self.base.into_folder(), gate: self.gate, alarm: self.alarm }
    }

    fn full(&self) -> bool {
        self.gate.is_shut() || self.base.full()
    }

    fn pause(folder: Self::Folder) -> (C::Result, Self, Self::Reducer) {
        let AtGate { base, gate, alarm } = folder;
        let (result, base, reducer) = C::pause(base);
        (result, AtGate { base, gate, alarm }, AtGate::new::<In>(reducer, gate))
    }
}

impl<In, C, G> UnindexedConsumer<In> for AtGate<'_, C, G>
where
    G: Gate<In>,
    C: UnindexedConsumer<G::Out>,
{
    fn split_off_left(&self) -> Self {
        AtGate::new::<In>(self.base.split_off_left(), self.gate)
    }

    fn to_reducer(&self) -> Self::Reducer {
        AtGate::new::<In>(self.base.to_reducer(), self.gate)
    }
}

impl<R, B: Reducer<R>, G> Reducer<R> for AtGate<'_, B, G> {
    fn reduce(self, left: R, right: R) -> R {
        // Until then `alarm` is there.
        let AtGate { base, alarm: _alarm, .. } = self;
        base.reduce(left, right)
    }
}

impl<In, F, G> Folder<In> for AtGate<'_, F, G>
where
    G: Gate<In>,
    F: Folder<G::Out>,
{
    type Result = F::Result;

    const ASK_EACH: bool = G::ASK_EACH || F::ASK_EACH;

    fn consume(self, item: In) -> Self {
        self.consume_iter(iter::once(item))
    }

    fn consume_iter<I: IntoIterator<Item = In>>(mut self, iter: I) -> Self {
        let iter = iter.into_iter();
        self.base = if self.gate.is_open() {
            self.base.consume_iter(iter.map(|item| self.gate.unasked(item)))
        } else {
            self.base.consume_iter(Passing { gate: self.gate, iter })
        };
        self
    }

    fn complete(self) -> F::Result {
        let AtGate { base, alarm: _alarm, .. } = self;
        base.complete()
    }

    fn full(&self) -> bool {
        self.gate.is_shut() || self.base.full()
    }
}

/// The items of `iter` that pass.
struct Passing<'a, It, G> {
    gate: &'a G,
    iter: It,
}

impl<It: Iterator, G: Gate<It::Item>> Iterator for Passing<'_, It, G> {
    type Item = G::Out;

    #[inline]
    fn next(&mut self) -> Option<G::Out> {
        while !self.gate.is_shut() {
            match self.gate.pass(self.iter.next()?) {
                Pass::Through(item) => return Some(item),
                Pass::Dropped => {}
                Pass::Shut => break,
            }
        }
        None
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, self.iter.size_hint().1)
    }
}
