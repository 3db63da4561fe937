//! The traits that parallel iterators are made of, for programs that implement their own.
//!
//! There are two sides:
//! - A [`Producer`] holds items that can be split at any position, and becomes a serial iterator
//!   over them. A source that knows its length has a producer. Adaptors that keep the positions
//!   (`map`, `zip`, `rev`, ...) wrap the producer.
//! - A [`Consumer`] takes items. It is split along with the producer. For each piece it becomes a
//!   [`Folder`], which takes the items of the piece and ends with a result. A [`Reducer`] joins the
//!   results of neighbours. The end of a chain (`sum`, `collect`, ...) is a consumer. Adaptors
//!   that lose the positions (`filter`, `flat_map`, ...) wrap the consumer.
//!
//! [`bridge`] lets a producer feed a consumer, and decides what runs in parallel.
//!
//! The traits are those of rayon, and implementations for rayon compile. Some items are new, and
//! have defaults: [`Consumer::pause`] lets a loop hand over its rest while it runs,
//! [`Folder::ASK_EACH`] and [`Folder::FILLS`] spare inner loops the check whether to stop, and
//! [`Folder::KEEPS_STATE`] and [`Producer::FEW_BLOCKS`] keep the number of pieces and of blocks
//! small.
//!
//! # A source of your own
//! `examples/own_source.rs`, in the repository, has a producer, and the parallel iterator that
//! makes it.

mod drive;
mod few;
mod pace;
mod source;

pub use drive::{bridge, bridge_producer_consumer, bridge_unindexed};
pub(crate) use drive::{drive, in_rows, on_worker, serially, split_unindexed};
pub(crate) use few::drive_few;
pub(crate) use pace::{Plan, UNKNOWN};
pub(crate) use source::Source;

pub use super::settings::LoopSettings;

/// Drops `rest`, then returns `result`, which a panic of that drop does not leak: see `drive.rs`.
#[inline(always)]
pub(crate) fn drop_first<R>(rest: impl Sized, result: R) -> R {
    drop(rest);
    result
}

/// Returns the result of a piece whose `items` the consumer does not want: it is full.
#[inline(always)]
pub(crate) fn unwanted<T, C: Consumer<T>>(items: impl Sized, consumer: C) -> C::Result {
    drop(items);
    consumer.into_folder().complete()
}

/// Items that can be split at any position.
pub trait Producer: Send + Sized {
    /// The type of the items.
    type Item;

    /// The serial iterator over the items.
    type IntoIter: Iterator<Item = Self::Item> + DoubleEndedIterator + ExactSizeIterator;

    /// Whether it may be expensive to begin a block of items, for instance because each has a state
    /// of its own. Each piece is then one block, and cannot be split once it has begun.
    const FEW_BLOCKS: bool = false;

    /// Returns a serial iterator over the items, in order.
    fn into_iter(self) -> Self::IntoIter;

    /// Returns the least number of items that a piece should have.
    fn min_len(&self) -> usize {
        1
    }

    /// Returns the greatest number of items that a piece should have.
    fn max_len(&self) -> usize {
        usize::MAX
    }

    /// Splits into the items before position `index` and the rest. `index` is at most the length.
    fn split_at(self, index: usize) -> (Self, Self);

    /// Feeds the items to `folder` until it is full.
    fn fold_with<F: Folder<Self::Item>>(self, folder: F) -> F {
        folder.consume_iter(self.into_iter())
    }
}

/// A callback that takes any producer: see
/// [`with_producer`](super::IndexedParallelIterator::with_producer).
pub trait ProducerCallback<T> {
    /// The type that the call returns.
    type Output;

    /// Takes the producer.
    fn callback<P: Producer<Item = T>>(self, producer: P) -> Self::Output;
}

/// Takes items. It is split along with their producer, and each part becomes a [`Folder`].
pub trait Consumer<Item>: Send + Sized {
    /// Takes the items of a piece.
    type Folder: Folder<Item, Result = Self::Result>;

    /// Joins the results of two neighbours.
    type Reducer: Reducer<Self::Result>;

    /// The type of the results.
    type Result: Send;

    /// Whether [`pause`](Self::pause) is implemented. If not, a piece that has begun cannot be
    /// split, so loops begin with more pieces.
    const PAUSES: bool = false;

    /// Splits into a consumer for the first `index` items and one for the rest.
    fn split_at(self, index: usize) -> (Self, Self, Self::Reducer);

    /// Begins a piece.
    fn into_folder(self) -> Self::Folder;

    /// Returns whether no more items are wanted. Pieces that have not begun are then left out.
    fn full(&self) -> bool;

    /// Ends a piece before its last item. Returns the result so far, a consumer for the rest, and
    /// the reducer of the two results. Called only if [`PAUSES`](Self::PAUSES) is true.
    fn pause(folder: Self::Folder) -> (Self::Result, Self, Self::Reducer) {
        drop(folder);
        unreachable!("`Consumer::PAUSES` is true, but `Consumer::pause` is missing")
    }
}

/// Takes the items of a piece, in order.
pub trait Folder<Item>: Sized {
    /// The type of the result.
    type Result;

    /// Whether [`full`](Folder::full) must be called after each item, even one that a filter drops.
    /// If not, it is called from time to time, and inner loops are without such calls. (With them,
    /// collecting a `filter` into a `Result` takes 1.8 times the instructions, by callgrind.)
    const ASK_EACH: bool = true;

    /// Whether [`full`](Folder::full) may ever return true. If not, it is not called between the
    /// items that a `flat_map_iter` makes of one. (With such calls, the sum of a
    /// `flat_map_iter` takes 2.5 times the instructions, by callgrind.)
    const FILLS: bool = true;

    /// Whether each piece begins with a state that may be expensive. There are then no more pieces
    /// than workers take, however long an item runs. (Without that, folding items of 100 µs into
    /// 128 KiB takes 1.3 times as long: `benches/ablation/few-states.patch`.)
    const KEEPS_STATE: bool = false;

    /// Takes an item.
    fn consume(self, item: Item) -> Self;

    /// Takes the items of `iter` until it is full.
    fn consume_iter<I: IntoIterator<Item = Item>>(mut self, iter: I) -> Self {
        for item in iter {
            self = self.consume(item);
            if self.full() {
                break;
            }
        }
        self
    }

    /// Ends the piece, and returns its result.
    fn complete(self) -> Self::Result;

    /// Returns whether no more items are wanted.
    fn full(&self) -> bool;
}

/// Joins the results of two neighbours.
pub trait Reducer<Result> {
    /// Joins two results. The items of `left` come first.
    fn reduce(self, left: Result, right: Result) -> Result;
}

/// A consumer that need not know the positions of its items.
pub trait UnindexedConsumer<Item>: Consumer<Item> {
    /// Splits off a consumer for items that come before those of `self`.
    fn split_off_left(&self) -> Self;

    /// Returns the reducer of the two results.
    fn to_reducer(&self) -> Self::Reducer;
}

/// Items that can be split, but not at any position.
pub trait UnindexedProducer: Send + Sized {
    /// The type of the items.
    type Item;

    /// Splits into two parts of about the same size. The second is `None` if there is no place to
    /// split.
    fn split(self) -> (Self, Option<Self>);

    /// Feeds the items to `folder` until it is full.
    fn fold_with<F: Folder<Self::Item>>(self, folder: F) -> F;
}

/// Joins results that are `()`.
#[derive(Clone, Copy, Debug)]
pub struct NoopReducer;

impl Reducer<()> for NoopReducer {
    fn reduce(self, (): (), (): ()) {}
}
