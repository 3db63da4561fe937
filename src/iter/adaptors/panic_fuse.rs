//! A panic anywhere stops all.

use std::sync::atomic::{AtomicBool, Ordering};

use super::gate::{Alarm, AtGate, Gate, Gated, Pass, guarded};
use crate::iter::IndexedParallelIterator;
use crate::iter::plumbing::{Consumer, Folder, Producer, ProducerCallback};

/// [`ParallelIterator::panic_fuse`](crate::iter::ParallelIterator::panic_fuse).
pub type PanicFuse<I> = Gated<I, Fuse>;

/// What makes a [`PanicFuse`]: whether somebody has panicked. Relaxed: it carries nothing but
/// itself.
#[derive(Debug, Default)]
pub struct Fuse(AtomicBool);

impl Fuse {
    #[inline]
    fn is_blown(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Clone for Fuse {
    fn clone(&self) -> Self {
        Fuse(AtomicBool::new(self.is_blown()))
    }
}

impl<T: Send> Gate<T> for Fuse {
    type Out = T;

    const ALL: bool = true;
    const ASK_EACH: bool = true;

    #[inline]
    fn is_shut(&self) -> bool {
        self.is_blown()
    }

    #[inline]
    fn pass(&self, item: T) -> Pass<T> {
        Pass::Through(item)
    }

    fn flag(&self) -> Option<&AtomicBool> {
        Some(&self.0)
    }
}

impl<I: IndexedParallelIterator> IndexedParallelIterator for PanicFuse<I> {
    fn drive<C: Consumer<I::Item>>(self, consumer: C) -> C::Result {
        self.base.drive(AtGate::new::<I::Item>(consumer, &self.gate))
    }

    fn len(&self) -> usize {
        self.base.len()
    }

    fn with_producer<CB: ProducerCallback<I::Item>>(self, callback: CB) -> CB::Output {
        struct Call<'a, CB> {
            fuse: &'a Fuse,
            callback: CB,
        }

        impl<T: Send, CB: ProducerCallback<T>> ProducerCallback<T> for Call<'_, CB> {
            type Output = CB::Output;

            fn callback<P: Producer<Item = T>>(self, base: P) -> CB::Output {
                self.callback.callback(Fused::new(base, self.fuse))
            }
        }

        self.base.with_producer(Call { fuse: &self.gate, callback })
    }
}

/// The producer or iterator `base`, which ends early if somebody panics.
struct Fused<'a, B> {
    base: B,
    fuse: &'a Fuse,
    alarm: Alarm<'a>,
}

impl<'a, B> Fused<'a, B> {
    fn new(base: B, fuse: &'a Fuse) -> Self {
        Fused { base, fuse, alarm: Alarm::new(Some(&fuse.0)) }
    }
}

impl<'a, P: Producer<Item: Send>> Producer for Fused<'a, P> {
    type Item = P::Item;
    type IntoIter = Fused<'a, P::IntoIter>;

    const FEW_BLOCKS: bool = P::FEW_BLOCKS;

    fn into_iter(self) -> Self::IntoIter {
        Fused::new(self.base.into_iter(), self.fuse)
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
        (Fused::new(left, self.fuse), Fused::new(right, self.fuse))
    }

    fn fold_with<F: Folder<P::Item>>(self, folder: F) -> F {
        self.base.fold_with(AtGate::new::<P::Item>(folder, self.fuse)).base
    }
}

impl<It: Iterator> Iterator for Fused<'_, It> {
    type Item = It::Item;

    fn next(&mut self) -> Option<It::Item> {
        if self.fuse.is_blown() { None } else { self.base.next() }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.base.size_hint()
    }

    fn fold<B, F: FnMut(B, It::Item) -> B>(mut self, init: B, mut f: F) -> B {
        guarded(Some(&self.fuse.0), move || {
            let mut so_far = init;
            for item in self.by_ref() {
                so_far = f(so_far, item);
            }
            // Not at the end: a panic there would leak what is returned.
            drop(self);
            so_far
        })
    }
}

impl<It: DoubleEndedIterator> DoubleEndedIterator for Fused<'_, It> {
    fn next_back(&mut self) -> Option<It::Item> {
        if self.fuse.is_blown() { None } else { self.base.next_back() }
    }

    fn rfold<B, F: FnMut(B, It::Item) -> B>(mut self, init: B, mut f: F) -> B {
        guarded(Some(&self.fuse.0), move || {
            let mut so_far = init;
            while let Some(item) = self.next_back() {
                so_far = f(so_far, item);
            }
            // As in `fold`.
            drop(self);
            so_far
        })
    }
}

impl<It: ExactSizeIterator> ExactSizeIterator for Fused<'_, It> {}
