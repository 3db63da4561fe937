//! What parallel iterators are made of, for those who write their own.
//!
//! A parallel iterator either *pulls* or *pushes*:
//! - A [`Producer`] is a run of items that can be cut at any place, and turned into a serial
//!   iterator. Sources whose length is known are producers, and adaptors that keep the positions
//!   (`map`, `zip`, `rev`, ...) wrap them.
//! - A [`Consumer`] is what becomes of the items: it, too, can be cut in step with the producer.
//!   A piece of it becomes a [`Folder`], which takes items one by one or iterator by iterator, and
//!   ends with a result; a [`Reducer`] joins the results of neighbours. Each end of a chain
//!   (`sum`, `collect`, ...) is a consumer, and adaptors that lose the positions (`filter`,
//!   `flat_map`, ...) wrap those.
//!
//! [`bridge`] lets a producer meet a consumer, and decides what is done in parallel.
//!
//! The names and the shapes are rayon's. What differs: [`Consumer::pause`] is new, which lets a
//! loop that is under way hand over its rest, and [`Folder::ASK_EACH`] and [`Folder::FILLS`], which
//! let inner loops be free of questions, and [`Folder::KEEPS_STATE`], which keeps pieces few.
//!
//! # A source of your own
//! A type whose items stand in a row needs a producer, and hands it to whoever asks; see
//! `examples/own_source.rs` for one.

mod drive;

pub(crate) use drive::{Refills, UNPAUSED_PIECES, in_pool, is_wanted};
pub use drive::{bridge, bridge_producer_consumer, bridge_unindexed};

/// A run of items that can be cut in two at any place.
pub trait Producer: Send + Sized {
    /// What is produced.
    type Item;

    /// The serial iterator over a piece.
    type IntoIter: Iterator<Item = Self::Item> + DoubleEndedIterator + ExactSizeIterator;

    /// Whether to begin with a block of items may be dear, as where each has a state of its own. Then
    /// blocks become longer and longer, whatever an item takes, so that there are few.
    const FEW_BLOCKS: bool = false;

    /// The items, one by one, in order.
    fn into_iter(self) -> Self::IntoIter;

    /// The fewest items that are worth a piece of their own.
    fn min_len(&self) -> usize {
        1
    }

    /// The most items that may be one piece.
    fn max_len(&self) -> usize {
        usize::MAX
    }

    /// The items before position `index`, and those from there on. `index` is at most the
    /// length.
    fn split_at(self, index: usize) -> (Self, Self);

    /// Feeds all items to `folder`, as far as it wants them.
    fn fold_with<F: Folder<Self::Item>>(self, folder: F) -> F {
        folder.consume_iter(self.into_iter())
    }
}

/// What [`with_producer`](super::IndexedParallelIterator::with_producer) calls with the producer: a generic closure.
pub trait ProducerCallback<T> {
    /// What the call returns.
    type Output;

    /// Called once, with the producer.
    fn callback<P: Producer<Item = T>>(self, producer: P) -> Self::Output;
}

/// What becomes of the items: cut along with their producer, then turned into a [`Folder`].
pub trait Consumer<Item>: Send + Sized {
    /// What takes the items of one piece.
    type Folder: Folder<Item, Result = Self::Result>;

    /// What joins the results of two neighbours.
    type Reducer: Reducer<Self::Result>;

    /// What a piece ends with.
    type Result: Send;

    /// Whether [`pause`](Self::pause) can be called. If not, a loop that has begun a piece does
    /// all of it, so it is cut into more pieces at the start.
    const PAUSES: bool = false;

    /// A consumer for the next `index` items, and one for those that follow.
    fn split_at(self, index: usize) -> (Self, Self, Self::Reducer);

    /// Begins to take items.
    fn into_folder(self) -> Self::Folder;

    /// Whether no more items are wanted: those who have not begun need not.
    fn full(&self) -> bool;

    /// Ends a folder of such a consumer before its last item: the result so far, a consumer
    /// for the items that follow, and what joins the results of both. Called only if
    /// [`PAUSES`](Self::PAUSES) is `true`.
    fn pause(folder: Self::Folder) -> (Self::Result, Self, Self::Reducer) {
        drop(folder);
        unreachable!("`Consumer::PAUSES` is true, but `Consumer::pause` is missing")
    }
}

/// Takes the items of one piece, in order.
pub trait Folder<Item>: Sized {
    /// What the piece ends with.
    type Result;

    /// Whether [`full`](Folder::full) is to be asked after every single item, also of those that a
    /// filter drops. Else it is asked from time to time, and inner loops are free of questions.
    const ASK_EACH: bool = true;

    /// Whether [`full`](Folder::full) may ever say `true`. If not, it is not asked within the items
    /// that one item gives, either, and a loop looks up less often.
    const FILLS: bool = true;

    /// Whether each piece begins with a state of its own, which may cost something: then a loop makes
    /// no more pieces than it has to, however long its items take.
    const KEEPS_STATE: bool = false;

    /// Takes an item.
    fn consume(self, item: Item) -> Self;

    /// Takes the items of `iter`, until it is full.
    fn consume_iter<I>(mut self, iter: I) -> Self
    where
        I: IntoIterator<Item = Item>,
    {
        for item in iter {
            self = self.consume(item);
            if self.full() {
                break;
            }
        }
        self
    }

    /// Ends the piece.
    fn complete(self) -> Self::Result;

    /// Whether no more items are wanted.
    fn full(&self) -> bool;
}

/// Joins the results of two neighbours.
pub trait Reducer<Result> {
    /// `left` is of the items that come first.
    fn reduce(self, left: Result, right: Result) -> Result;
}

/// A consumer that need not know the position of its items.
pub trait UnindexedConsumer<Item>: Consumer<Item> {
    /// A consumer for items that come before those of this one, which takes the rest.
    fn split_off_left(&self) -> Self;

    /// What joins the results of the two.
    fn to_reducer(&self) -> Self::Reducer;
}

/// Items that can be cut in two somewhere, though not at any place.
pub trait UnindexedProducer: Send + Sized {
    /// What is produced.
    type Item;

    /// Two parts, about equal and in order; `None` if it cannot, or need not, be cut further.
    fn split(self) -> (Self, Option<Self>);

    /// Feeds all items to `folder`, as far as it wants them.
    fn fold_with<F: Folder<Self::Item>>(self, folder: F) -> F;
}

/// Results that are joined by doing nothing.
#[derive(Clone, Copy, Debug)]
pub struct NoopReducer;

impl Reducer<()> for NoopReducer {
    fn reduce(self, (): (), (): ()) {}
}
