//! Alternating between two iterators.

use super::fold_then_drop;
use super::pair::{both, pair_shape, paired};
use crate::iter::IndexedParallelIterator;
use crate::iter::implement::delegate;
use crate::iter::plumbing::Producer;

paired! {
    /// An iterator that alternates between two others: see [`IndexedParallelIterator::interleave`].
    Interleave<A, B: IndexedParallelIterator<Item = A::Item>>: A::Item, Interleaving, both;
}

adaptor! {
    /// An iterator that alternates: see [`IndexedParallelIterator::interleave_shortest`].
    InterleaveShortest<A, B> { a: A, b: B }
}

delegate!(
    [A: IndexedParallelIterator, B: IndexedParallelIterator<Item = A::Item>]
    InterleaveShortest<A, B> => A::Item,
    settings |self| self.a.loop_settings().or(self.b.loop_settings()),
    len |self| {
        let (a, b) = shortest(self.a.len(), self.b.len());
        both(a, b)
    },
    |self| {
        let (a, b) = shortest(self.a.len(), self.b.len());
        self.a.take(a).interleave(self.b.take(b))
    }
);

/// Returns how many items of `a` and of `b` come before the turn of one that has no more.
fn shortest(a: usize, b: usize) -> (usize, usize) {
    if a <= b { (a, a) } else { (b + 1, b) }
}

pair_shape! {
    Interleaving [T: Send] (T, T) => T,
    |lens, a, b| Interleaved { turns: Turns { a: lens.0, b: lens.1, a_next: true }, a, b }
}

/// Whose turn it is, and how many items both have left.
#[derive(Clone, Copy)]
struct Turns {
    a: usize,
    b: usize,
    a_next: bool,
}

impl Turns {
    /// Splits off the first `index` turns.
    fn split_off(&mut self, index: usize) -> Turns {
        let (next, other) = if self.a_next { (self.a, self.b) } else { (self.b, self.a) };
        let half = index / 2;
        // If one has no more items, the other has all turns.
        let of_next = (index - half).min(next).max(index.saturating_sub(other));
        let of_other = index - of_next;
        let (a, b) = if self.a_next { (of_next, of_other) } else { (of_other, of_next) };
        let first = Turns { a, b, a_next: self.a_next };
        self.a -= a;
        self.b -= b;
        self.a_next ^= index % 2 == 1;
        first
    }

    /// Returns whether the next item is one of `a`, and passes the turn on.
    fn next_is_a(&mut self) -> bool {
        let is_a = if self.a_next { self.a > 0 } else { self.b == 0 };
        self.a_next = !self.a_next;
        is_a
    }

    /// Returns whether the last item is one of `a`.
    fn last_is_a(&self) -> bool {
        if self.a_next { self.a > self.b } else { self.a >= self.b }
    }
}

/// The items of `a` and `b`, by `turns`.
struct Interleaved<A, B> {
    turns: Turns,
    a: A,
    b: B,
}

impl<A: Producer, B: Producer<Item = A::Item>> Producer for Interleaved<A, B> {
    type Item = A::Item;
    type IntoIter = Interleaved<A::IntoIter, B::IntoIter>;

    bounds_of!(A: a, B: b);

    fn into_iter(self) -> Self::IntoIter {
        Interleaved { turns: self.turns, a: self.a.into_iter(), b: self.b.into_iter() }
    }

    fn split_at(mut self, index: usize) -> (Self, Self) {
        let turns = self.turns.split_off(index);
        let (a_left, a_right) = self.a.split_at(turns.a);
        let (b_left, b_right) = self.b.split_at(turns.b);
        (
            Interleaved { turns, a: a_left, b: b_left },
            Interleaved { turns: self.turns, a: a_right, b: b_right },
        )
    }
}

impl<A: Iterator, B: Iterator<Item = A::Item>> Iterator for Interleaved<A, B> {
    type Item = A::Item;

    fn next(&mut self) -> Option<A::Item> {
        if self.turns.next_is_a() {
            self.turns.a = self.turns.a.saturating_sub(1);
            self.a.next()
        } else {
            self.turns.b = self.turns.b.saturating_sub(1);
            self.b.next()
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = self.turns.a + self.turns.b;
        (len, Some(len))
    }

    /// Takes pairs, so that the loop does not check whose turn it is.
    fn fold<C, F: FnMut(C, A::Item) -> C>(self, init: C, mut f: F) -> C {
        let Interleaved { mut turns, mut a, mut b } = self;
        let mut so_far = init;
        if !turns.a_next && turns.a > 0 && turns.b > 0 {
            turns.b -= 1;
            so_far = b.next().into_iter().fold(so_far, &mut f);
        }
        for _ in 0..turns.a.min(turns.b) {
            let Some(item) = a.next() else { break };
            so_far = f(so_far, item);
            let Some(item) = b.next() else { break };
            so_far = f(so_far, item);
        }
        // One of them has no more items.
        let so_far = a.fold(so_far, &mut f);
        b.fold(so_far, f)
    }
}

impl<A: DoubleEndedIterator, B: DoubleEndedIterator<Item = A::Item>> DoubleEndedIterator
    for Interleaved<A, B>
{
    fn next_back(&mut self) -> Option<A::Item> {
        if self.turns.last_is_a() {
            self.turns.a = self.turns.a.saturating_sub(1);
            self.a.next_back()
        } else {
            self.turns.b = self.turns.b.saturating_sub(1);
            self.b.next_back()
        }
    }

    fn rfold<C, G: FnMut(C, A::Item) -> C>(self, init: C, fold: G) -> C {
        fold_then_drop(self.rev(), init, fold)
    }
}

impl<A: ExactSizeIterator, B: ExactSizeIterator<Item = A::Item>> ExactSizeIterator
    for Interleaved<A, B>
{
}
