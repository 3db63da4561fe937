//! Adding to the standard collections. What cannot be filled by many at once gets its items from
//! vectors, one a piece, or is put together from smaller ones.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, LinkedList, VecDeque};
use std::ffi::{OsStr, OsString};
use std::hash::{BuildHasher, Hash};
use std::marker::PhantomData;

use super::super::super::{Either, IntoParallelIterator, ParallelExtend, ParallelIterator};
use super::super::end::{End, Join, run};
use super::pieces::pieces_of;
use super::two::{Apart, BySide, extend_two};
use super::{append_known, append_unknown};

impl<T: Send> ParallelExtend<T> for Vec<T> {
    /// In place, where the number of items is known.
    fn par_extend<I: IntoParallelIterator<Item = T>>(&mut self, par_iter: I) {
        let par_iter = par_iter.into_par_iter();
        match par_iter.opt_len() {
            Some(len) => append_known(self, len, par_iter),
            None => append_unknown(self, par_iter),
        }
    }
}

/// Collections that are extended serially, by `extend`, from vectors that were filled in parallel.
macro_rules! extend_serially {
    ($([$($generics:tt)*] $collection:ty, $item:ty $(, $reserve:ident)?;)*) => {$(
        impl<$($generics)*> ParallelExtend<$item> for $collection {
            /// The items are collected in parallel, and put in serially.
            fn par_extend<I: IntoParallelIterator<Item = $item>>(&mut self, par_iter: I) {
                let pieces = pieces_of(par_iter.into_par_iter());
                $(self.$reserve(pieces.iter().map(Vec::len).sum());)?
                pieces.into_iter().for_each(|piece| self.extend(piece));
            }
        }
    )*};
}

extend_serially! {
    [T: Send] VecDeque<T>, T, reserve;
    [T: Ord + Send] BinaryHeap<T>, T, reserve;
    [T: Ord + Send] BTreeSet<T>, T;
    [K: Ord + Send, V: Send] BTreeMap<K, V>, (K, V);
    [T: Eq + Hash + Send, S: BuildHasher + Send] HashSet<T, S>, T;
    [K: Eq + Hash + Send, V: Send, S: BuildHasher + Send] HashMap<K, V, S>, (K, V);
}

/// Collections that are extended by references to items that can be copied.
macro_rules! extend_by_reference {
    ($([$($generics:tt)*] $collection:ty, $item:ty;)*) => {$(
        impl<'a, $($generics)*> ParallelExtend<&'a $item> for $collection {
            /// Copies them.
            fn par_extend<I: IntoParallelIterator<Item = &'a $item>>(&mut self, par_iter: I) {
                self.par_extend(par_iter.into_par_iter().copied());
            }
        }
    )*};
}

extend_by_reference! {
    [T: Copy + Send + Sync + 'a] Vec<T>, T;
    [T: Copy + Send + Sync + 'a] VecDeque<T>, T;
    [T: Copy + Send + Sync + 'a] LinkedList<T>, T;
    [T: Copy + Ord + Send + Sync + 'a] BinaryHeap<T>, T;
    [T: Copy + Ord + Send + Sync + 'a] BTreeSet<T>, T;
    [T: Copy + Eq + Hash + Send + Sync + 'a, S: BuildHasher + Send] HashSet<T, S>, T;
}

impl<'a, K, V> ParallelExtend<(&'a K, &'a V)> for BTreeMap<K, V>
where
    K: Copy + Ord + Send + Sync + 'a,
    V: Copy + Send + Sync + 'a,
{
    /// Copies keys and values.
    fn par_extend<I: IntoParallelIterator<Item = (&'a K, &'a V)>>(&mut self, par_iter: I) {
        self.par_extend(par_iter.into_par_iter().map(|(key, value)| (*key, *value)));
    }
}

impl<'a, K, V, S> ParallelExtend<(&'a K, &'a V)> for HashMap<K, V, S>
where
    K: Copy + Eq + Hash + Send + Sync + 'a,
    V: Copy + Send + Sync + 'a,
    S: BuildHasher + Send,
{
    /// Copies keys and values.
    fn par_extend<I: IntoParallelIterator<Item = (&'a K, &'a V)>>(&mut self, par_iter: I) {
        self.par_extend(par_iter.into_par_iter().map(|(key, value)| (*key, *value)));
    }
}

/// A small collection a piece, joined by `join`.
struct Small<C, J> {
    join: J,
    collection: PhantomData<fn() -> C>,
}

impl<C: Default + Send, J: Fn(&mut C, C) + Sync> Join for Small<C, J> {
    type Result = C;

    fn start(&self) -> C {
        C::default()
    }

    fn join(&self, mut left: C, right: C) -> C {
        (self.join)(&mut left, right);
        left
    }
}

impl<T, C: Default + Send + Extend<T>, J: Fn(&mut C, C) + Sync> End<T> for Small<C, J> {
    fn take(&self, mut so_far: C, iter: impl Iterator<Item = T>) -> C {
        so_far.extend(iter);
        so_far
    }
}

impl<T: Send> ParallelExtend<T> for LinkedList<T> {
    /// A list a piece; they are chained at no cost.
    fn par_extend<I: IntoParallelIterator<Item = T>>(&mut self, par_iter: I) {
        let join = |left: &mut LinkedList<T>, mut right| left.append(&mut right);
        let mut list = run(par_iter.into_par_iter(), &Small { join, collection: PhantomData });
        self.append(&mut list);
    }
}

/// Texts in a row.
struct Texts<S> {
    last: S,
    before: Vec<S>,
}

struct ToTexts<S>(PhantomData<fn() -> S>);

impl<S: Default + Send> Join for ToTexts<S> {
    type Result = Texts<S>;

    fn start(&self) -> Texts<S> {
        Texts { last: S::default(), before: Vec::new() }
    }

    fn join(&self, mut left: Texts<S>, mut right: Texts<S>) -> Texts<S> {
        left.before.push(left.last);
        left.before.append(&mut right.before);
        Texts { last: right.last, before: left.before }
    }
}

impl<T, S: Default + Send + Extend<T>> End<T> for ToTexts<S> {
    fn take(&self, mut so_far: Texts<S>, iter: impl Iterator<Item = T>) -> Texts<S> {
        so_far.last.extend(iter);
        so_far
    }
}

/// Strings are put together from strings, one a piece.
macro_rules! extend_texts {
    ($([$($a:lifetime)?] $text:ty, $item:ty;)*) => {$(
        impl<$($a)?> ParallelExtend<$item> for $text {
            /// A string a piece; then all behind each other.
            fn par_extend<I: IntoParallelIterator<Item = $item>>(&mut self, par_iter: I) {
                let texts = run(par_iter.into_par_iter(), &ToTexts::<$text>(PhantomData));
                let all = || texts.before.iter().chain([&texts.last]);
                self.reserve(all().map(|text| text.len()).sum());
                all().for_each(|text| extend_texts!(@push $text, self, text));
            }
        }
    )*};
    (@push String, $to:ident, $text:ident) => { $to.push_str($text) };
    (@push $other:ty, $to:ident, $text:ident) => { $to.extend([&**$text]) };
}

extend_texts! {
    [] String, char;
    ['a] String, &'a char;
    ['a] String, &'a str;
    [] String, String;
    [] String, Box<str>;
    ['a] String, Cow<'a, str>;
    ['a] OsString, &'a OsStr;
    [] OsString, OsString;
    ['a] OsString, Cow<'a, OsStr>;
}

impl ParallelExtend<()> for () {
    /// Runs the iterator.
    fn par_extend<I: IntoParallelIterator<Item = ()>>(&mut self, par_iter: I) {
        par_iter.into_par_iter().for_each(|()| ());
    }
}

impl<A, B, FromA, FromB> ParallelExtend<(A, B)> for (FromA, FromB)
where
    A: Send,
    B: Send,
    FromA: ParallelExtend<A> + Send,
    FromB: ParallelExtend<B> + Send,
{
    /// Both at once.
    fn par_extend<I: IntoParallelIterator<Item = (A, B)>>(&mut self, par_iter: I) {
        extend_two(&mut self.0, &mut self.1, par_iter.into_par_iter(), &Apart);
    }
}

impl<L, R, A, B> ParallelExtend<Either<L, R>> for (A, B)
where
    L: Send,
    R: Send,
    A: ParallelExtend<L> + Send,
    B: ParallelExtend<R> + Send,
{
    /// Each item goes to the collection of its side.
    fn par_extend<I: IntoParallelIterator<Item = Either<L, R>>>(&mut self, par_iter: I) {
        let by_side = BySide(|item: Either<L, R>| item);
        extend_two(&mut self.0, &mut self.1, par_iter.into_par_iter(), &by_side);
    }
}

impl<L, R, T> ParallelExtend<T> for Either<L, R>
where
    T: Send,
    L: ParallelExtend<T>,
    R: ParallelExtend<T>,
{
    /// Whichever it is.
    fn par_extend<I: IntoParallelIterator<Item = T>>(&mut self, par_iter: I) {
        match self {
            Either::Left(left) => left.par_extend(par_iter),
            Either::Right(right) => right.par_extend(par_iter),
        }
    }
}
