//! One iterator after another.

use std::iter;

use super::pair::{PairShape, both, with_both};
use crate::iter::limit::join_within;
use crate::iter::plumbing::{
    Consumer, Folder, LoopSettings, Producer, ProducerCallback, Reducer, UnindexedConsumer,
    drop_first,
};
use crate::iter::{IndexedParallelIterator, ParallelIterator};

adaptor! {
    /// An iterator over the items of two others in turn. Returned by [`ParallelIterator::chain`].
    Chain<A, B> { a: A, b: B }
}

impl<A: ParallelIterator, B: ParallelIterator<Item = A::Item>> ParallelIterator for Chain<A, B> {
    type Item = A::Item;

    fn drive_unindexed<C: UnindexedConsumer<A::Item>>(self, consumer: C) -> C::Result {
        let settings = self.loop_settings();
        let Chain { a, b } = self;
        let (left, right, reducer) = match a.opt_len() {
            // `opt_len` may have returned `Some`, so the consumer must be split by position.
            Some(len) => consumer.split_at(len),
            None => {
                let (left, reducer) = (consumer.split_off_left(), consumer.to_reducer());
                (left, consumer, reducer)
            }
        };
        let (left, right) =
            settings.run(|| join_within(|| a.drive_unindexed(left), || b.drive_unindexed(right)));
        reducer.reduce(left, right)
    }

    fn opt_len(&self) -> Option<usize> {
        self.a.opt_len()?.checked_add(self.b.opt_len()?)
    }

    fn loop_settings(&self) -> LoopSettings {
        self.a.loop_settings().or(self.b.loop_settings())
    }
}

impl<A, B> IndexedParallelIterator for Chain<A, B>
where
    A: IndexedParallelIterator,
    B: IndexedParallelIterator<Item = A::Item>,
{
    fn drive<C: Consumer<A::Item>>(self, consumer: C) -> C::Result {
        let settings = self.loop_settings();
        let Chain { a, b } = self;
        let (left, right, reducer) = consumer.split_at(a.len());
        let (left, right) = settings.run(|| join_within(|| a.drive(left), || b.drive(right)));
        reducer.reduce(left, right)
    }

    fn len(&self) -> usize {
        both(self.a.len(), self.b.len())
    }

    fn with_producer<CB: ProducerCallback<A::Item>>(self, callback: CB) -> CB::Output {
        with_both(self.a, self.b, Chaining, callback)
    }
}

struct Chaining;

impl<T: Send> PairShape<T, T> for Chaining {
    type Out = T;

    fn shape<A, B, CB>(self, lens: (usize, usize), a: A, b: B, callback: CB) -> CB::Output
    where
        A: Producer<Item = T>,
        B: Producer<Item = T>,
        CB: ProducerCallback<T>,
    {
        callback.callback(Chained { a_len: lens.0, a, b })
    }
}

/// The `a_len` items of `a`, then those of `b`.
struct Chained<A, B> {
    a_len: usize,
    a: A,
    b: B,
}

impl<A: Producer, B: Producer<Item = A::Item>> Producer for Chained<A, B> {
    type Item = A::Item;
    type IntoIter = Exact<iter::Chain<A::IntoIter, B::IntoIter>>;

    bounds_of!(A: a, B: b);

    fn into_iter(self) -> Self::IntoIter {
        Exact(self.a.into_iter().chain(self.b.into_iter()))
    }

    fn split_at(self, index: usize) -> (Self, Self) {
        let Chained { a_len, a, b } = self;
        let in_a = index.min(a_len);
        let (a_left, a_right) = a.split_at(in_a);
        let (b_left, b_right) = b.split_at(index - in_a);
        (
            Chained { a_len: in_a, a: a_left, b: b_left },
            Chained { a_len: a_len - in_a, a: a_right, b: b_right },
        )
    }

    fn fold_with<F: Folder<A::Item>>(self, folder: F) -> F {
        let Chained { a, b, .. } = self;
        let folder = a.fold_with(folder);
        if folder.full() {
            return drop_first(b, folder);
        }
        b.fold_with(folder)
    }
}

/// An iterator whose `size_hint` is exact.
pub struct Exact<It>(It);

impl<It: Iterator> Iterator for Exact<It> {
    type Item = It::Item;

    #[inline]
    fn next(&mut self) -> Option<It::Item> {
        self.0.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }

    fn nth(&mut self, n: usize) -> Option<It::Item> {
        self.0.nth(n)
    }

    fn fold<B, F: FnMut(B, It::Item) -> B>(self, init: B, f: F) -> B {
        self.0.fold(init, f)
    }
}

impl<It: DoubleEndedIterator> DoubleEndedIterator for Exact<It> {
    #[inline]
    fn next_back(&mut self) -> Option<It::Item> {
        self.0.next_back()
    }

    fn nth_back(&mut self, n: usize) -> Option<It::Item> {
        self.0.nth_back(n)
    }

    fn rfold<B, F: FnMut(B, It::Item) -> B>(self, init: B, f: F) -> B {
        self.0.rfold(init, f)
    }
}

impl<It: Iterator> ExactSizeIterator for Exact<It> {}
