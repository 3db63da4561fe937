//! The modules that rayon has, by the names of std's, for programs that name the types of its
//! iterators: `vec::IntoIter`, `range::Iter`, `collections::hash_map::Iter`, ...

/// Declares modules, each with a line of documentation.
macro_rules! modules {
    ($($(#[$doc:meta])* $name:ident { $($items:tt)* })*) => {$(
        $(#[$doc])*
        pub mod $name {
            $($items)*
        }
    )*};
}

modules! {
    /// The parallel iterator over an array.
    array {
        pub use crate::iter::sources::array::IntoIter;
    }

    /// The parallel iterator over a vector, and that which drains a part of one.
    vec {
        pub use crate::iter::sources::vec::{Drain, IntoIter};
    }

    /// The parallel iterator over a range without its end.
    range {
        pub use crate::iter::sources::range::Iter;
    }

    /// The parallel iterator over a range with its end.
    range_inclusive {
        pub use crate::iter::sources::range::IterInclusive as Iter;
    }

    /// Parallel iterators over an option.
    option {
        use crate::iter::sources::option::Few;

        /// By value.
        pub type IntoIter<T> = Few<T>;
        /// By reference.
        pub type Iter<'a, T> = Few<&'a T>;
        /// By exclusive reference.
        pub type IterMut<'a, T> = Few<&'a mut T>;
    }

    /// Parallel iterators over the value of a result.
    result {
        pub use super::option::{IntoIter, Iter, IterMut};
    }

    /// Parallel iterators over parts of a string.
    str {
        pub use crate::iter::sources::string::{
            Bytes, CharIndices, Chars, EncodeUtf16, Lines, MatchIndices, Matches, ParallelString,
            Split, SplitAsciiWhitespace, SplitInclusive, SplitTerminator, SplitWhitespace,
        };
    }

    /// The parallel iterator that drains a part of a string.
    string {
        pub use crate::iter::sources::string::Drain;
    }
}

/// Parallel iterators over the standard collections. Most are those over a vector, into which the
/// items, or references to them, are put first.
pub mod collections {
    /// Declares aliases for iterators over items and over pairs.
    macro_rules! names {
        ($($(#[$doc:meta])* $name:ident { $(
            $(#[$item_doc:meta])* $alias:ident<$($param:tt),*> = $iter:ty;
        )* })*) => {$(
            $(#[$doc])*
            pub mod $name {
                $($(#[$item_doc])* pub type $alias<$($param),*> = $iter;)*
            }
        )*};
    }

    names! {
        /// Of a heap, in no particular order.
        binary_heap {
            /// By value.
            IntoIter<T> = crate::vec::IntoIter<T>;
            /// By reference.
            Iter<'a, T> = crate::slice::Iter<'a, T>;
        }
        /// Of an ordered map.
        btree_map {
            /// By value.
            IntoIter<K, V> = crate::vec::IntoIter<(K, V)>;
            /// By reference.
            Iter<'a, K, V> = crate::vec::IntoIter<(&'a K, &'a V)>;
            /// The values by exclusive reference.
            IterMut<'a, K, V> = crate::vec::IntoIter<(&'a K, &'a mut V)>;
        }
        /// Of an ordered set.
        btree_set {
            /// By value.
            IntoIter<T> = crate::vec::IntoIter<T>;
            /// By reference.
            Iter<'a, T> = crate::vec::IntoIter<&'a T>;
        }
        /// Of a hash map.
        hash_map {
            /// By value.
            IntoIter<K, V> = crate::vec::IntoIter<(K, V)>;
            /// By reference.
            Iter<'a, K, V> = crate::vec::IntoIter<(&'a K, &'a V)>;
            /// The values by exclusive reference.
            IterMut<'a, K, V> = crate::vec::IntoIter<(&'a K, &'a mut V)>;
        }
        /// Of a hash set.
        hash_set {
            /// By value.
            IntoIter<T> = crate::vec::IntoIter<T>;
            /// By reference.
            Iter<'a, T> = crate::vec::IntoIter<&'a T>;
        }
        /// Of a linked list.
        linked_list {
            /// By value.
            IntoIter<T> = crate::vec::IntoIter<T>;
            /// By reference.
            Iter<'a, T> = crate::vec::IntoIter<&'a T>;
            /// By exclusive reference.
            IterMut<'a, T> = crate::vec::IntoIter<&'a mut T>;
        }
    }

    /// Of a deque.
    pub mod vec_deque {
        pub use crate::iter::sources::collections::DequeIter as Iter;
        pub use crate::slice::IterMut;
        pub use crate::vec::IntoIter;
    }
}
