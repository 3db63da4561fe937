//! Modules with the names of rayon's, for programs that name the types of its
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
    //! The parallel iterator over a half-open range.

    pub use crate::iter::sources::range::{Iter, LengthFitsUsize};
}

pub mod range_inclusive {
    //! The parallel iterator over a closed range.

    pub use crate::iter::sources::range::inclusive::{Iter, LengthFitsUsize};
}

pub mod result {
    //! Parallel iterators over the `Ok` value of a result.

    pub use crate::iter::sources::option::{IntoIter, Iter, IterMut};
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
    //! The parallel iterators over a vector, and over a part that is drained.

    pub use crate::iter::sources::vec::{Drain, IntoIter};
}
