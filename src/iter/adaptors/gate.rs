//! Adaptors in which all pieces share a gate: each item asks whether it may pass, and who shuts
//! the gate shuts it for all.

use std::cell::Cell;
use std::fmt;
use std::iter;
use std::mem;
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

    /// What a panic sets, if anything.
    fn flag(&self) -> Option<&AtomicBool> {
        None
    }
}

/// Sets a flag if the piece of a loop that holds the alarm unwinds.
///
/// [`thread::panicking`] alone cannot tell. A piece may run on top of an unwinding frame, in a
/// destructor that waits; it then drops its alarm on an unwinding thread although it ends normally.
/// So a piece calls [`touch`](Self::touch) when it begins, and the alarm notes the thread unless
/// that unwinds already. If the same thread unwinds when the alarm is dropped, the panic began
/// after the piece did.
///
/// The alarm of a piece that begins on top of an unwinding frame never goes off. Of the panics in
/// such a piece, [`guarded`] sees those within the calls that it wraps.
pub(super) struct Alarm<'a> {
    flag: Option<&'a AtomicBool>,
    /// The thread of the piece, or 0 if that unwound already when the piece began.
    thread: Cell<usize>,
}

impl<'a> Alarm<'a> {
    /// Of the piece that calls.
    pub(super) fn new(flag: Option<&'a AtomicBool>) -> Self {
        let alarm = Alarm { flag, thread: Cell::new(0) };
        alarm.touch();
        alarm
    }

    /// Notes that the alarm now belongs to a piece on the calling thread.
    #[inline]
    pub(super) fn touch(&self) {
        if self.flag.is_some() {
            self.thread.set(if thread::panicking() { 0 } else { this_thread() });
        }
    }
}

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if let Some(flag) = self.flag {
            if thread::panicking() && self.thread.get() == this_thread() {
                set(flag);
            }
        }
    }
}

/// A number, not 0, that no other thread has at the same time.
fn this_thread() -> usize {
    thread_local!(static PLACE: u8 = const { 0 });
    PLACE.with(|place| std::ptr::from_ref(place).addr())
}

/// Relaxed: it carries nothing but itself.
fn set(flag: &AtomicBool) {
    flag.store(true, Ordering::Relaxed);
}

/// Calls `op`, and sets the flag, if there is one, if it panics.
#[inline]
pub(super) fn guarded<R>(flag: Option<&AtomicBool>, op: impl FnOnce() -> R) -> R {
    struct SetUnlessForgotten<'a>(Option<&'a AtomicBool>);

    impl Drop for SetUnlessForgotten<'_> {
        fn drop(&mut self) {
            self.0.map(set);
        }
    }

    let guard = SetUnlessForgotten(flag);
    let result = op();
    mem::forget(guard);
    result
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
        AtGate { base, gate, alarm: Alarm::new(gate.flag()) }
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
        self.alarm.touch();
        AtGate { base: self.base.into_folder(), gate: self.gate, alarm: self.alarm }
    }

    fn full(&self) -> bool {
        self.alarm.touch();
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
        self.alarm.touch();
        AtGate::new::<In>(self.base.split_off_left(), self.gate)
    }

    fn to_reducer(&self) -> Self::Reducer {
        self.alarm.touch();
        AtGate::new::<In>(self.base.to_reducer(), self.gate)
    }
}

impl<R, B: Reducer<R>, G> Reducer<R> for AtGate<'_, B, G> {
    fn reduce(self, left: R, right: R) -> R {
        let AtGate { base, alarm, .. } = self;
        guarded(alarm.flag, || base.reduce(left, right))
    }
}

impl<In, F, G> Folder<In> for AtGate<'_, F, G>
where
    G: Gate<In>,
    F: Folder<G::Out>,
{
    type Result = F::Result;

    const KEEPS_STATE: bool = F::KEEPS_STATE;

    const ASK_EACH: bool = G::ASK_EACH || F::ASK_EACH;

    fn consume(self, item: In) -> Self {
        self.consume_iter(iter::once(item))
    }

    fn consume_iter<I: IntoIterator<Item = In>>(mut self, iter: I) -> Self {
        let (gate, base) = (self.gate, self.base);
        self.base = guarded(gate.flag(), || {
            let iter = iter.into_iter();
            if gate.is_open() {
                base.consume_iter(iter.map(|item| gate.unasked(item)))
            } else {
                base.consume_iter(Passing { gate, iter })
            }
        });
        self
    }

    fn complete(self) -> F::Result {
        let AtGate { base, gate, .. } = self;
        guarded(gate.flag(), || base.complete())
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

    fn fold<B, F: FnMut(B, G::Out) -> B>(mut self, init: B, mut f: F) -> B {
        let mut so_far = init;
        for item in self.by_ref() {
            so_far = f(so_far, item);
        }
        // Not at the end: a panic there would leak what is returned.
        drop(self);
        so_far
    }
}
