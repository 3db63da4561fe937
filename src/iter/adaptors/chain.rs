//! One iterator after another.

use std::convert::identity;
use std::iter;

use super::pair::{both, pair_shape, with_both};
use crate::iter::implement::{indexed, parallel, serial_around};
use crate::iter::limit::join_under;
use crate::iter::plumbing::{Folder, Producer, Reducer, drop_first, on_worker, split_unindexed};
use crate::iter::{IndexedParallelIterator, ParallelIterator};

adaptor! {
    /// An iterator over the items of two others in turn: see [`ParallelIterator::chain`].
    Chain<A, B> { a: A, b: B }
}

parallel! {
    [A: ParallelIterator, B: ParallelIterator<Item = A::Item>] Chain<A, B> => A::Item,
    |self, consumer| {
        let settings = self.loop_settings();
        let Chain { a, b } = self;
        let (left, right, reducer) = match a.opt_len() {
            // `opt_len` may have returned `Some`, so the consumer must be split by position.
            Some(len) => consumer.split_at(len),
            None => split_unindexed(consumer),
        };
        let (left, right) = settings
            .run(|| in_two(|| a.drive_unindexed(left), || b.drive_unindexed(right)));
        reducer.reduce(left, right)
    },
    opt_len |self| self.a.opt_len()?.checked_add(self.b.opt_len()?),
    settings |self| self.a.loop_settings().or(self.b.loop_settings())
}

indexed! {
    [A: IndexedParallelIterator, B: IndexedParallelIterator<Item = A::Item>] Chain<A, B> => A::Item,
    drive |self, consumer| {
        let settings = self.loop_settings();
        let Chain { a, b } = self;
        let (left, right, reducer) = consumer.split_at(a.len());
        let (left, right) = settings.run(|| in_two(|| a.drive(left), || b.drive(right)));
        reducer.reduce(left, right)
    },
    len |self| both(self.a.len(), self.b.len()),
    |self, callback| with_both(self.a, self.b, Chaining, callback)
}

/// `join` on a worker, within the limit of what the caller is part of.
fn in_two<A: Send, B: Send>(a: impl FnOnce() -> A + Send, b: impl FnOnce() -> B + Send) -> (A, B) {
    on_worker(|_, limit| join_under(limit, a, |_| b()))
}

pair_shape! { Chaining [T: Send] (T, T) => T, |lens, a, b| Chained { a_len: lens.0, a, b } }

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

serial_around! { [It: DoubleEndedIterator] Exact<It> => It::Item, |self| self.0, identity }
