//! Parts of slices, cut by predicates.

use std::fmt;

use super::cuts::{Mode, Run, drive_cuts};
use crate::iter::implement::parallel;

/// Cuts at the items for which the predicate is true.
pub(crate) struct At<F>(F);

/// Cuts between the neighbours for which the predicate is false.
pub(crate) struct Apart<F>(F);

/// Implements both kinds of cuts for a kind of slices.
macro_rules! runs {
    ([$($mut:tt)?] $bound:ident $split:ident) => {
        impl<T: $bound, F: Fn(&T) -> bool> Run<At<F>> for &$($mut)? [T] {
            runs!(@common $split);

            fn first(&self, At(is_cut): &At<F>, from: usize) -> Option<(usize, usize)> {
                let at = from + self[from..].iter().position(is_cut)?;
                Some((at, at + 1))
            }

            fn last(&self, At(is_cut): &At<F>, to: usize) -> Option<(usize, usize)> {
                let at = self[..to].iter().rposition(is_cut)?;
                Some((at, at + 1))
            }
        }

        impl<T: $bound, F: Fn(&T, &T) -> bool> Run<Apart<F>> for &$($mut)? [T] {
            runs!(@common $split);

            fn first(&self, Apart(together): &Apart<F>, from: usize) -> Option<(usize, usize)> {
                let before = from.saturating_sub(1);
                let pairs = &mut self.get(before..)?.windows(2);
                let at = before + 1 + pairs.position(|pair| !together(&pair[0], &pair[1]))?;
                Some((at, at))
            }

            fn last(&self, Apart(together): &Apart<F>, to: usize) -> Option<(usize, usize)> {
                let pairs = &mut self[..to].windows(2);
                let at = 1 + pairs.rposition(|pair| !together(&pair[0], &pair[1]))?;
                Some((at, at))
            }
        }
    };
    (@common $split:ident) => {
        fn len(&self) -> usize {
            <[T]>::len(self)
        }

        fn middle(&self) -> usize {
            <[T]>::len(self) / 2
        }

        fn split_at(self, at: usize) -> (Self, Self) {
            self.$split(at)
        }
    };
}

runs!([] Sync split_at);
runs!([mut] Send split_at_mut);

macro_rules! parts {
    ($(
        $(#[$doc:meta])*
        $name:ident: [$($mut:tt)?] $bound:ident, $cut:ident($($args:ty),*), $mode:ident;
    )*) => {$(
        $(#[$doc])*
        #[must_use = "parallel iterators do nothing until they are driven"]
        pub struct $name<'data, T, P> {
            slice: &'data $($mut)? [T],
            predicate: P,
        }

        impl<'data, T, P> $name<'data, T, P> {
            pub(crate) fn new(slice: &'data $($mut)? [T], predicate: P) -> Self {
                $name { slice, predicate }
            }
        }

        impl<T: fmt::Debug, P> fmt::Debug for $name<'_, T, P> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut f = f.debug_struct(stringify!($name));
                f.field("slice", &self.slice).finish_non_exhaustive()
            }
        }

        parallel! {
            ['data, T: $bound, P: Fn($($args),*) -> bool + Sync + Send]
            $name<'data, T, P> => &'data $($mut)? [T],
            |self, consumer| {
                drive_cuts(self.slice, &$cut(self.predicate), Mode::$mode, consumer)
            }
        }
    )*};
}

parts! {
    /// See [`par_split`](crate::slice::ParallelSlice::par_split).
    Split: [] Sync, At(&T), Between;
    /// See [`par_split_mut`](crate::slice::ParallelSliceMut::par_split_mut).
    SplitMut: [mut] Send, At(&T), Between;
    /// See [`par_split_inclusive`](crate::slice::ParallelSlice::par_split_inclusive).
    SplitInclusive: [] Sync, At(&T), Inclusive;
    /// See [`par_split_inclusive_mut`](crate::slice::ParallelSliceMut::par_split_inclusive_mut).
    SplitInclusiveMut: [mut] Send, At(&T), Inclusive;
    /// See [`par_chunk_by`](crate::slice::ParallelSlice::par_chunk_by).
    ChunkBy: [] Sync, Apart(&T, &T), Inclusive;
    /// See [`par_chunk_by_mut`](crate::slice::ParallelSliceMut::par_chunk_by_mut).
    ChunkByMut: [mut] Send, Apart(&T, &T), Inclusive;
}

/// Clones iterators over shared slices.
macro_rules! clones {
    ($($name:ident),*) => {$(
        impl<T, P: Clone> Clone for $name<'_, T, P> {
            fn clone(&self) -> Self {
                $name { slice: self.slice, predicate: self.predicate.clone() }
            }
        }
    )*};
}

clones!(Split, SplitInclusive, ChunkBy);
