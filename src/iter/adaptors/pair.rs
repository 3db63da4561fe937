//! Adaptors that make one producer of two.

use crate::iter::IndexedParallelIterator;
use crate::iter::plumbing::{Producer, ProducerCallback};

/// Makes one producer of two, with items `T` and `U`.
pub(super) trait PairShape<T, U>: Send {
    /// The items of the new producer.
    type Out: Send;

    /// Calls `callback` with the new producer. `a` and `b` have `lens` items.
    fn shape<A, B, CB>(self, lens: (usize, usize), a: A, b: B, callback: CB) -> CB::Output
    where
        A: Producer<Item = T>,
        B: Producer<Item = U>,
        CB: ProducerCallback<Self::Out>;
}

/// Returns the number of items of both.
///
/// # Panics
/// If it does not fit in a `usize`.
pub(super) fn both(a: usize, b: usize) -> usize {
    a.checked_add(b).expect("overflow: two iterators have too many items to count")
}

/// Calls `callback` with the producer that `shape` makes of those of `a` and `b`.
pub(super) fn with_both<A, B, S, CB>(a: A, b: B, shape: S, callback: CB) -> CB::Output
where
    A: IndexedParallelIterator,
    B: IndexedParallelIterator,
    S: PairShape<A::Item, B::Item>,
    CB: ProducerCallback<S::Out>,
{
    /// Waits for the first producer.
    struct First<B, S, CB> {
        lens: (usize, usize),
        b: B,
        shape: S,
        callback: CB,
    }

    impl<T, B, S, CB> ProducerCallback<T> for First<B, S, CB>
    where
        B: IndexedParallelIterator,
        S: PairShape<T, B::Item>,
        CB: ProducerCallback<S::Out>,
    {
        type Output = CB::Output;

        fn callback<P: Producer<Item = T>>(self, a: P) -> CB::Output {
            let First { lens, b, shape, callback } = self;
            b.with_producer(Second { lens, a, shape, callback })
        }
    }

    /// Waits for the second producer.
    struct Second<P, S, CB> {
        lens: (usize, usize),
        a: P,
        shape: S,
        callback: CB,
    }

    impl<U, A, S, CB> ProducerCallback<U> for Second<A, S, CB>
    where
        A: Producer,
        S: PairShape<A::Item, U>,
        CB: ProducerCallback<S::Out>,
    {
        type Output = CB::Output;

        fn callback<P: Producer<Item = U>>(self, b: P) -> CB::Output {
            self.shape.shape(self.lens, self.a, b, self.callback)
        }
    }

    let lens = (a.len(), b.len());
    a.with_producer(First { lens, b, shape, callback })
}

/// Declares how one producer is made of two: of `$a` and `$b`, which have `$lens` items.
macro_rules! pair_shape {
    (
        $name:ident [$($generics:tt)*] ($T:ty, $U:ty) => $out:ty,
        |$lens:ident, $a:ident, $b:ident| $make:expr
    ) => {
        struct $name;

        impl<$($generics)*> $crate::iter::adaptors::pair::PairShape<$T, $U> for $name {
            type Out = $out;

            fn shape<A, B, CB>(
                self,
                $lens: (usize, usize),
                $a: A,
                $b: B,
                callback: CB,
            ) -> CB::Output
            where
                A: $crate::iter::plumbing::Producer<Item = $T>,
                B: $crate::iter::plumbing::Producer<Item = $U>,
                CB: $crate::iter::plumbing::ProducerCallback<$out>,
            {
                callback.callback($make)
            }
        }
    };
}

/// Declares adaptors of two bases, by their shapes and by how many items these make.
macro_rules! paired {
    ($(
        $(#[$doc:meta])*
        $name:ident<A, B: $b_bound:path>: $out:ty, $shape:ident, $len:expr;
    )*) => {$(
        adaptor! { $(#[$doc])* $name<A, B> { a: A, b: B } }

        $crate::iter::implement::bridged!(
            [A: $crate::iter::IndexedParallelIterator, B: $b_bound] $name<A, B> => $out,
            settings |self| self.a.loop_settings().or(self.b.loop_settings()),
            len |self| $len(self.a.len(), self.b.len()),
            |self, callback| {
                $crate::iter::adaptors::pair::with_both(self.a, self.b, $shape, callback)
            }
        );
    )*};
}

pub(super) use {pair_shape, paired};
