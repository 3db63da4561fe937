//! Iterators whose producers are trait objects. Loops over them are compiled once for each type of
//! items, and not for each iterator.

use filch::iter::plumbing::{Consumer, Producer, ProducerCallback, UnindexedConsumer, bridge};
use filch::prelude::*;

/// Takes a producer, which may borrow.
type Take<'t, T> = &'t mut dyn FnMut(Erased<'_, T>);

/// Calls its argument with a producer.
type WithProducer<'i, T> = dyn FnOnce(Take<'_, T>) + Send + 'i;

/// An indexed iterator over `T`.
pub struct ErasedIter<'i, T> {
    len: usize,
    with_producer: Box<WithProducer<'i, T>>,
}

impl<'i, T: Send> ErasedIter<'i, T> {
    pub fn new<I: IndexedParallelIterator<Item = T> + 'i>(iter: I) -> Self {
        struct Eraser<'t, T>(Take<'t, T>);

        impl<T> ProducerCallback<T> for Eraser<'_, T> {
            type Output = ();

            fn callback<P: Producer<Item = T>>(self, producer: P) {
                (self.0)(Erased(Box::new(producer)));
            }
        }

        let len = iter.len();
        ErasedIter { len, with_producer: Box::new(|take| iter.with_producer(Eraser(take))) }
    }
}

impl<T: Send> ParallelIterator for ErasedIter<'_, T> {
    type Item = T;

    fn drive_unindexed<C: UnindexedConsumer<T>>(self, consumer: C) -> C::Result {
        bridge(self, consumer)
    }

    fn opt_len(&self) -> Option<usize> {
        Some(self.len)
    }
}

impl<T: Send> IndexedParallelIterator for ErasedIter<'_, T> {
    fn len(&self) -> usize {
        self.len
    }

    fn drive<C: Consumer<T>>(self, consumer: C) -> C::Result {
        bridge(self, consumer)
    }

    fn with_producer<CB: ProducerCallback<T>>(self, callback: CB) -> CB::Output {
        let (mut callback, mut output) = (Some(callback), None);
        (self.with_producer)(&mut |producer| {
            output = callback.take().map(|callback| callback.callback(producer));
        });
        output.expect("the callback was called")
    }
}

pub struct Erased<'p, T>(Box<dyn AnyProducer<'p, T> + 'p>);

trait AnyProducer<'p, T>: Send {
    fn split(self: Box<Self>, index: usize) -> (Erased<'p, T>, Erased<'p, T>);
    fn items(self: Box<Self>) -> Box<dyn Items<T> + 'p>;
    fn lens(&self) -> (usize, usize);
}

pub trait Items<T>: DoubleEndedIterator<Item = T> + ExactSizeIterator {}

impl<I: DoubleEndedIterator + ExactSizeIterator> Items<I::Item> for I {}

impl<'p, P: Producer + 'p> AnyProducer<'p, P::Item> for P {
    fn split(self: Box<Self>, index: usize) -> (Erased<'p, P::Item>, Erased<'p, P::Item>) {
        let (left, right) = self.split_at(index);
        (Erased(Box::new(left)), Erased(Box::new(right)))
    }

    fn items(self: Box<Self>) -> Box<dyn Items<P::Item> + 'p> {
        Box::new((*self).into_iter())
    }

    fn lens(&self) -> (usize, usize) {
        (self.min_len(), self.max_len())
    }
}

impl<'p, T> Producer for Erased<'p, T> {
    type Item = T;
    type IntoIter = Box<dyn Items<T> + 'p>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.items()
    }

    fn min_len(&self) -> usize {
        self.0.lens().0
    }

    fn max_len(&self) -> usize {
        self.0.lens().1
    }

    fn split_at(self, index: usize) -> (Self, Self) {
        self.0.split(index)
    }
}
