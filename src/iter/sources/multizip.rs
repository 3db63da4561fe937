//! Tuples of parallel iterators, as iterators over tuples.

use crate::iter::implement::delegate;
use crate::iter::plumbing::LoopSettings;
use crate::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};

/// An iterator over tuples of the items of up to twelve others. Its length is that of the shortest.
///
/// ```
/// use filch::prelude::*;
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

/// `a, b, c` in pairs: `a.zip(b.zip(c))`, whose items are `(a, (b, c))`.
macro_rules! pairs {
    (zip $one:ident) => { $one };
    (zip $first:ident, $($rest:ident),+) => { $first.zip(pairs!(zip $($rest),+)) };
    ($one:ident) => { $one };
    ($first:ident, $($rest:ident),+) => { ($first, pairs!($($rest),+)) };
}

/// Makes a tuple, or a reference to one, a parallel iterator over tuples.
macro_rules! from_tuple {
    ([$($a:lifetime)?] $tuple:ty, $($T:ident: $by:ty => $item:ident),+) => {
        impl<$($a,)? $($T),+> IntoParallelIterator for $tuple
        where
            $($by: IntoParallelIterator<Iter: IndexedParallelIterator>,)+
        {
            type Iter = MultiZip<($(<$by as IntoParallelIterator>::Iter,)+)>;
            type Item = ($(<$by as IntoParallelIterator>::Item,)+);

            fn into_par_iter(self) -> Self::Iter {
                let ($($item,)+) = self;
                MultiZip(($($item.into_par_iter(),)+))
            }
        }
    };
}

/// Implements all of this for tuples of these types, then of all but the first, and so on.
macro_rules! multizip {
    (@rest $_:ident $item:ident) => {};
    (@rest $_:ident $item:ident, $($rest:tt)+) => { multizip!($($rest)+); };
    ($($T:ident $item:ident),+) => {
        multizip!(@rest $($T $item),+);
        from_tuple!([] ($($T,)+), $($T: $T => $item),+);
        from_tuple!(['a] &'a ($($T,)+), $($T: &'a $T => $item),+);
        from_tuple!(['a] &'a mut ($($T,)+), $($T: &'a mut $T => $item),+);

        delegate!(
            [$($T: IndexedParallelIterator),+] MultiZip<($($T,)+)> => ($($T::Item,)+),
            settings |self| {
                let ($($item,)+) = &self.0;
                LoopSettings::default()$(.or($item.loop_settings()))+
            },
            len |self| {
                let ($($item,)+) = &self.0;
                [$($item.len()),+].into_iter().fold(usize::MAX, usize::min)
            },
            |self| {
                let ($($item,)+) = self.0;
                pairs!(zip $($item),+).map(|pairs!($($item),+)| ($($item,)+))
            }
        );
    };
}

multizip!(A a, B b, C c, D d, E e, F f, G g, H h, I i, J j, K k, L l);
