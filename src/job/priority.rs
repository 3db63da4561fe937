//! The priority of a job, which is in one word with the job's isolation tag.

/// How urgent a task is: see [`TaskBuilder::priority`](crate::TaskBuilder::priority).
///
/// The order is `Low < Normal < High`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Begins if nothing else is queued, and as each 64th job of a worker.
    Low,
    /// The priority of all work for which no other was set.
    #[default]
    Normal,
    /// Begins before everything that is queued with another priority.
    High,
}

/// The bits of the priority, in a word that also has a tag and [`AWAITED_BY_END`]. (A tag is 0 or
/// the address of a header, which is a multiple of 8.)
const BITS: usize = (1 << PRIORITY_BITS) - 1;
pub(crate) const PRIORITY_BITS: u32 = 2;

impl Priority {
    /// The most urgent first.
    pub(crate) const ALL: [Priority; 3] = [Priority::High, Priority::Normal, Priority::Low];

    /// The bits of this priority, to be combined with a tag. None is set for `Normal`.
    #[inline]
    pub(crate) const fn bits(self) -> usize {
        match self {
            Priority::Normal => 0,
            Priority::High => 1,
            Priority::Low => 2,
        }
    }

    /// The bits of the priority in a word.
    #[inline]
    pub(crate) const fn bits_of(word: usize) -> usize {
        word & BITS
    }

    /// The priority in a word.
    #[inline]
    pub(crate) const fn of(word: usize) -> Priority {
        match word & BITS {
            0 => Priority::Normal,
            1 => Priority::High,
            _ => Priority::Low,
        }
    }
}

/// The bit of work without a tag that is part of a detached task or a handler: what drops that
/// pool waits for it, even if nothing else does.
pub(crate) const AWAITED_BY_END: usize = 1 << PRIORITY_BITS;

/// The tag in a word.
#[inline]
pub(crate) const fn tag_of(word: usize) -> usize {
    word & !BITS & !AWAITED_BY_END
}

/// What work of this word passes on, except the priority.
#[inline]
pub(crate) const fn origin_of(word: usize) -> usize {
    word & !BITS
}

#[cfg(all(test, not(loom)))]
mod tests;
