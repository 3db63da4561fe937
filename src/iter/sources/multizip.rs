//! Tuples of parallel iterators, which go in step.

use std::iter::Zip;

use crate::iter::plumbing::{Consumer, Producer, ProducerCallback, UnindexedConsumer, bridge};
use crate::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};

/// Two iterators in step, as long as the shorter one.
#[derive(Clone, Debug)]
pub struct Both<A, B>(pub(crate) A, pub(crate) B);

impl<A: IndexedParallelIterator, B: IndexedParallelIterator> ParallelIterator for Both<A, B> {
    type Item = (A::Item, B::Item);

    fn drive_unindexed<C: UnindexedConsumer<Self::Item>>(self, consumer: C) -> C::Result {
        bridge(self, consumer)
    }

    fn opt_len(&self) -> Option<usize> {
        Some(self.len())
    }
}

impl<A: IndexedParallelIterator, B: IndexedParallelIterator> IndexedParallelIterator
    for Both<A, B>
{
    fn drive<C: Consumer<Self::Item>>(self, consumer: C) -> C::Result {
        bridge(self, consumer)
    }

    fn len(&self) -> usize {
        self.0.len().min(self.1.len())
    }

    fn with_producer<CB: ProducerCallback<Self::Item>>(self, callback: CB) -> CB::Output {
        self.0.with_producer(WithFirst { second: self.1, callback })
    }
}

/// Called with the first producer.
struct WithFirst<B, CB> {
    second: B,
    callback: CB,
}

impl<T, B, CB> ProducerCallback<T> for WithFirst<B, CB>
where
    B: IndexedParallelIterator,
    CB: ProducerCallback<(T, B::Item)>,
{
    type Output = CB::Output;

    fn callback<P: Producer<Item = T>>(self, first: P) -> CB::Output {
        self.second.with_producer(WithBoth { first, callback: self.callback })
    }
}

/// Called with the second producer, too.
struct WithBoth<P, CB> {
    first: P,
    callback: CB,
}

impl<T, P, CB> ProducerCallback<T> for WithBoth<P, CB>
where
    P: Producer,
    CB: ProducerCallback<(P::Item, T)>,
{
    type Output = CB::Output;

    fn callback<Q: Producer<Item = T>>(self, second: Q) -> CB::Output {
        self.callback.callback(Both(self.first, second))
    }
}

impl<P: Producer, Q: Producer> Producer for Both<P, Q> {
    type Item = (P::Item, Q::Item);
    type IntoIter = Zip<P::IntoIter, Q::IntoIter>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter().zip(self.1.into_iter())
    }

    fn min_len(&self) -> usize {
        self.0.min_len().max(self.1.min_len())
    }

    fn max_len(&self) -> usize {
        self.0.max_len().min(self.1.max_len())
    }

    fn split_at(self, index: usize) -> (Self, Self) {
        let (first, first_rest) = self.0.split_at(index);
        let (second, second_rest) = self.1.split_at(index);
        (Both(first, second), Both(first_rest, second_rest))
    }
}

/// The items of a tuple of up to twelve parallel iterators, as tuples.
///
/// ```
/// use filch::prelude::*;
///
/// let mut sums = vec![0; 3];
/// (&mut sums, 1..4, vec![10, 20, 30]).into_par_iter().for_each(|(sum, a, b)| *sum = a + b);
/// assert_eq!(sums, [11, 22, 33]);
///
/// // It is as long as the shortest.
/// assert_eq!((0..3, 0..100).into_par_iter().count(), 3);
///
/// // A reference to a tuple gives tuples of references.
/// let lists = (vec!["a", "b"], vec![1, 2]);
/// let both: Vec<(&&str, &i32)> = lists.par_iter().collect();
/// assert_eq!(both, [(&"a", &1), (&"b", &2)]);
/// ```
#[must_use = "parallel iterators do nothing until they are driven"]
#[derive(Clone, Debug)]
pub struct MultiZip<T>(T);

/// `a, b, c` in pairs: `(a, (b, c))`.
macro_rules! pairs {
    ($make:path: $one:ident) => { $one };
    ($make:path: $first:ident, $($rest:ident),+) => { $make($first, pairs!($make: $($rest),+)) };
    ($one:ident) => { $one };
    ($first:ident, $($rest:ident),+) => { ($first, pairs!($($rest),+)) };
}

macro_rules! multizip {
    ($($T:ident $item:ident),+) => {
        impl<$($T),+> IntoParallelIterator for ($($T,)+)
        where
            $($T: IntoParallelIterator<Iter: IndexedParallelIterator>,)+
        {
            type Iter = MultiZip<($($T::Iter,)+)>;
            type Item = ($($T::Item,)+);

            fn into_par_iter(self) -> Self::Iter {
                let ($($item,)+) = self;
                MultiZip(($($item.into_par_iter(),)+))
            }
        }

        impl<'a, $($T),+> IntoParallelIterator for &'a ($($T,)+)
        where
            $(&'a $T: IntoParallelIterator<Iter: IndexedParallelIterator>,)+
        {
            type Iter = MultiZip<($(<&'a $T as IntoParallelIterator>::Iter,)+)>;
            type Item = ($(<&'a $T as IntoParallelIterator>::Item,)+);

            fn into_par_iter(self) -> Self::Iter {
                let ($($item,)+) = self;
                MultiZip(($($item.into_par_iter(),)+))
            }
        }

        impl<'a, $($T),+> IntoParallelIterator for &'a mut ($($T,)+)
        where
            $(&'a mut $T: IntoParallelIterator<Iter: IndexedParallelIterator>,)+
        {
            type Iter = MultiZip<($(<&'a mut $T as IntoParallelIterator>::Iter,)+)>;
            type Item = ($(<&'a mut $T as IntoParallelIterator>::Item,)+);

            fn into_par_iter(self) -> Self::Iter {
                let ($($item,)+) = self;
                MultiZip(($($item.into_par_iter(),)+))
            }
        }

        impl<$($T: IndexedParallelIterator),+> ParallelIterator for MultiZip<($($T,)+)> {
            type Item = ($($T::Item,)+);

            fn drive_unindexed<Co: UnindexedConsumer<Self::Item>>(self, consumer: Co) -> Co::Result {
                self.drive(consumer)
            }

            fn opt_len(&self) -> Option<usize> {
                Some(self.len())
            }
        }

        impl<$($T: IndexedParallelIterator),+> IndexedParallelIterator for MultiZip<($($T,)+)> {
            fn drive<Co: Consumer<Self::Item>>(self, consumer: Co) -> Co::Result {
                let ($($item,)+) = self.0;
                pairs!(Both: $($item),+).map(|pairs!($($item),+)| ($($item,)+)).drive(consumer)
            }

            fn len(&self) -> usize {
                let ($($item,)+) = &self.0;
                [$($item.len()),+].into_iter().fold(usize::MAX, usize::min)
            }

            fn with_producer<CB: ProducerCallback<Self::Item>>(self, callback: CB) -> CB::Output {
                let ($($item,)+) = self.0;
                pairs!(Both: $($item),+)
                    .map(|pairs!($($item),+)| ($($item,)+))
                    .with_producer(callback)
            }
        }
    };
}

multizip!(A a);
multizip!(A a, B b);
multizip!(A a, B b, C c);
multizip!(A a, B b, C c, D d);
multizip!(A a, B b, C c, D d, E e);
multizip!(A a, B b, C c, D d, E e, F f);
multizip!(A a, B b, C c, D d, E e, F f, G g);
multizip!(A a, B b, C c, D d, E e, F f, G g, H h);
multizip!(A a, B b, C c, D d, E e, F f, G g, H h, I i);
multizip!(A a, B b, C c, D d, E e, F f, G g, H h, I i, J j);
multizip!(A a, B b, C c, D d, E e, F f, G g, H h, I i, J j, K k);
multizip!(A a, B b, C c, D d, E e, F f, G g, H h, I i, J j, K k, L l);
