//! What a loop takes its items from.

use super::Consumer;
use super::pace::UNKNOWN;
use crate::context::CancelToken;

/// Some items of a loop, which are fed to consumers of type `C`.
pub(crate) trait Source<C: Consumer<Self::Item>>: Send + Sized {
    /// The type of the items.
    type Item;

    /// Called before the first item of a piece, on the thread that runs it.
    fn begin(&self) {}

    /// Returns how many items are left: [`UNKNOWN`] if that is not known.
    fn len(&self) -> usize {
        UNKNOWN
    }

    /// Feeds about `most` items, and returns those that are left, if any are.
    fn block(self, _most: usize, folder: C::Folder) -> (C::Folder, Option<Self>) {
        (self.all(folder, None), None)
    }

    /// Feeds all items, unless `token` stops the loop.
    fn all(self, folder: C::Folder, token: Option<&CancelToken>) -> C::Folder;

    /// Cuts into halves, or into the `first` few items and the others, if it can. The second is
    /// `None` if there is no place to cut.
    fn halve(self, first: Option<usize>) -> (Self, Option<Self>);

    /// Splits the consumer of this half and the one behind it.
    fn split(&self, consumer: C) -> (C, C, C::Reducer);

    /// Feeds all items by a plan.
    fn planned(self, consumer: C) -> C::Result;
}
