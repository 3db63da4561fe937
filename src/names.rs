//! The modules that rayon has, by the names of std's, for programs that name the types of its
//! iterators: `vec::IntoIter`, `range::Iter`, `collections::hash_map::Iter`, ...

pub mod array {
    //! The parallel iterator over an array.

    pub use crate::iter::sources::array::IntoIter;
}

pub mod collections {
    //! Parallel iterators over the standard collections.

    pub use crate::iter::sources::collections::{
        binary_heap, btree_map, btree_set, hash_map, hash_set, linked_list, vec_deque,
    };
}

pub mod option {
    //! Parallel iterators over an option.

    pub use crate::iter::sources::option::{IntoIter, Iter, IterMut};
}

pub mod range {
    //! The parallel iterator over a range without its end.

    pub use crate::iter::sources::range::Iter;
}

pub mod range_inclusive {
    //! The parallel iterator over a range with its end.

    pub use crate::iter::sources::range::inclusive::Iter;
}

pub mod result {
    //! Parallel iterators over the value of a result.

    pub use crate::iter::sources::result::{IntoIter, Iter, IterMut};
}

pub mod str {
    //! Parallel iterators over parts of a string.

    pub use crate::iter::sources::string::{
        Bytes, CharIndices, Chars, EncodeUtf16, Lines, MatchIndices, Matches, ParallelString,
        Split, SplitAsciiWhitespace, SplitInclusive, SplitTerminator, SplitWhitespace,
    };
}

pub mod string {
    //! The parallel iterator that drains a part of a string.

    pub use crate::iter::sources::string::Drain;
}

pub mod vec {
    //! The parallel iterator over a vector, and that which drains a part of one.

    pub use crate::iter::sources::vec::{Drain, IntoIter};
}
