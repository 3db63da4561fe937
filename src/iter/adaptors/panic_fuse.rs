//! A panic anywhere stops all.

use std::cell::Cell;
use std::iter;
use std::mem;
use std::thread;

use super::fold_then_drop;
use super::gate::Passing;
use crate::iter::ends::tries::StopFlag;
use crate::iter::plumbing::{Consumer, Folder, Producer, Reducer, UnindexedConsumer};
use crate::iter::{IndexedParallelIterator, ParallelIterator};
use crate::job::outcome;

one_to_one! {
    /// An iterator that ends when any of its pieces panics: see [`ParallelIterator::panic_fuse`].
    PanicFuse<I> { base: I }
    [T: Send] over<Item = T> => T,
    |self, consumer| Fused::new(consumer, &StopFlag::default()),
    |base| Fused::new(base, &StopFlag::default())
}

/// Sets the fuse if the piece of a loop that holds the alarm unwinds.
///
/// [`thread::panicking`] alone cannot tell. A piece may run on top of an unwinding frame, in a
/// destructor that waits; it then drops its alarm on an unwinding thread although it ends normally.
/// So a piece calls [`touch`](Self::touch) when it begins, and the alarm notes the thread unless
/// that unwinds already. If the same thread unwinds when the alarm is dropped, the panic began
/// after the piece did.
///
/// The alarm of a piece that begins on top of an unwinding frame never goes off. Of the panics in
/// such a piece, [`guarded`] sees those within the calls that it wraps.
struct Alarm<'a> {
    fuse: &'a StopFlag,
    /// The thread of the piece, or 0 if that unwound already when the piece began.
    thread: Cell<usize>,
}

impl Alarm<'_> {
    /// Notes that the alarm now belongs to a piece on the calling thread.
    #[inline]
    fn touch(&self) {
        self.thread.set(if thread::panicking() { 0 } else { this_thread() });
    }
}

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if thread::panicking() && self.thread.get() == this_thread() {
            self.fuse.set();
        }
    }
}

/// A number, not 0, that no other thread has at the same time.
fn this_thread() -> usize {
    thread_local!(static PLACE: u8 = const { 0 });
    PLACE.with(|place| std::ptr::from_ref(place).addr())
}

/// Calls `op`, and blows the fuse if it panics.
#[inline]
fn guarded<R>(fuse: &StopFlag, op: impl FnOnce() -> R) -> R {
    let guard = outcome::defer(|| fuse.set());
    let result = op();
    mem::forget(guard);
    result
}

/// The producer, consumer, folder, reducer or iterator `base`, which ends early if a piece panics.
struct Fused<'a, B> {
    base: B,
    alarm: Alarm<'a>,
}

impl<'a, B> Fused<'a, B> {
    /// Of the piece that calls.
    fn new(base: B, fuse: &'a StopFlag) -> Self {
        let alarm = Alarm { fuse, thread: Cell::new(0) };
        alarm.touch();
        Fused { base, alarm }
    }
}

impl<'a, P: Producer> Producer for Fused<'a, P> {
    type Item = P::Item;
    type IntoIter = Fused<'a, P::IntoIter>;

    const FEW_BLOCKS: bool = P::FEW_BLOCKS;

    fn into_iter(self) -> Self::IntoIter {
        Fused::new(self.base.into_iter(), self.alarm.fuse)
    }

    fn min_len(&self) -> usize {
        // Each piece asks when it begins.
        self.alarm.touch();
        self.base.min_len()
    }

    fn max_len(&self) -> usize {
        self.base.max_len()
    }

    fn split_at(self, index: usize) -> (Self, Self) {
        let (left, right) = self.base.split_at(index);
        let fuse = self.alarm.fuse;
        (Fused::new(left, fuse), Fused::new(right, fuse))
    }

    fn fold_with<F: Folder<P::Item>>(self, folder: F) -> F {
        self.base.fold_with(Fused::new(folder, self.alarm.fuse)).base
    }
}

impl<It: Iterator> Iterator for Fused<'_, It> {
    type Item = It::Item;

    fn next(&mut self) -> Option<It::Item> {
        if self.alarm.fuse.is_set() { None } else { self.base.next() }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.base.size_hint()
    }

    fn fold<B, F: FnMut(B, It::Item) -> B>(self, init: B, f: F) -> B {
        guarded(self.alarm.fuse, move || fold_then_drop(self, init, f))
    }
}

impl<It: DoubleEndedIterator> DoubleEndedIterator for Fused<'_, It> {
    fn next_back(&mut self) -> Option<It::Item> {
        if self.alarm.fuse.is_set() { None } else { self.base.next_back() }
    }

    fn rfold<B, F: FnMut(B, It::Item) -> B>(self, init: B, f: F) -> B {
        guarded(self.alarm.fuse, move || fold_then_drop(self.rev(), init, f))
    }
}

impl<It: ExactSizeIterator> ExactSizeIterator for Fused<'_, It> {}

impl<'a, T, C: Consumer<T>> Consumer<T> for Fused<'a, C> {
    type Folder = Fused<'a, C::Folder>;
    type Reducer = Fused<'a, C::Reducer>;
    type Result = C::Result;

    const PAUSES: bool = C::PAUSES;

    fn split_at(self, index: usize) -> (Self, Self, Self::Reducer) {
        let (left, right, reducer) = self.base.split_at(index);
        let fuse = self.alarm.fuse;
        (Fused::new(left, fuse), Fused::new(right, fuse), Fused::new(reducer, fuse))
    }

    fn into_folder(self) -> Self::Folder {
        self.alarm.touch();
        Fused { base: self.base.into_folder(), alarm: self.alarm }
    }

    fn full(&self) -> bool {
        self.alarm.touch();
        self.alarm.fuse.is_set() || self.base.full()
    }

    fn pause(folder: Self::Folder) -> (C::Result, Self, Self::Reducer) {
        let Fused { base, alarm } = folder;
        let (result, base, reducer) = C::pause(base);
        let reducer = Fused::new(reducer, alarm.fuse);
        (result, Fused { base, alarm }, reducer)
    }
}

impl<T, C: UnindexedConsumer<T>> UnindexedConsumer<T> for Fused<'_, C> {
    fn split_off_left(&self) -> Self {
        self.alarm.touch();
        Fused::new(self.base.split_off_left(), self.alarm.fuse)
    }

    fn to_reducer(&self) -> Self::Reducer {
        self.alarm.touch();
        Fused::new(self.base.to_reducer(), self.alarm.fuse)
    }
}

impl<R, B: Reducer<R>> Reducer<R> for Fused<'_, B> {
    fn reduce(self, left: R, right: R) -> R {
        let Fused { base, alarm } = self;
        guarded(alarm.fuse, || base.reduce(left, right))
    }
}

impl<T, F: Folder<T>> Folder<T> for Fused<'_, F> {
    type Result = F::Result;

    const KEEPS_STATE: bool = F::KEEPS_STATE;

    fn consume(self, item: T) -> Self {
        self.consume_iter(iter::once(item))
    }

    fn consume_iter<I: IntoIterator<Item = T>>(mut self, iter: I) -> Self {
        let (fuse, base) = (self.alarm.fuse, self.base);
        self.base = guarded(fuse, || {
            let iter = iter.into_iter();
            let is_shut = || fuse.is_set();
            base.consume_iter(Passing::<true, _, _, _> { iter, is_shut, pass: Some })
        });
        self
    }

    fn complete(self) -> F::Result {
        let Fused { base, alarm } = self;
        guarded(alarm.fuse, || base.complete())
    }

    fn full(&self) -> bool {
        self.alarm.fuse.is_set() || self.base.full()
    }
}
