//! Sources that can be cut at some places only, also after some of their items were fed.

use crate::context::CancelToken;
use crate::iter::plumbing::{
    Folder, Plan, Source, UNKNOWN, UnindexedConsumer, drive, drive_few, drop_first, split_unindexed,
};

/// Items that are fed step by step. Between two steps, a part of the rest can be cut off.
pub(crate) trait Steps: Send + Sized {
    /// The type of the items.
    type Item;

    /// Feeds about `most` items, and at least one if there are any. Returns whether there are more.
    fn step<F: Folder<Self::Item>>(&mut self, most: usize, folder: F) -> (F, bool);

    /// Cuts off about the second half, or what is behind the `first` item, if there is a place to
    /// cut.
    fn cut_off(&mut self, first: bool) -> Option<Self>;
}

/// Feeds all items of `steps` to `consumer`, in parallel if workers are idle.
pub(crate) fn drive_steps<S, C>(steps: S, consumer: C) -> C::Result
where
    S: Steps,
    C: UnindexedConsumer<S::Item>,
{
    drive_few(Stepping(steps), consumer)
}

struct Stepping<S>(S);

impl<S: Steps, C: UnindexedConsumer<S::Item>> Source<C> for Stepping<S> {
    type Item = S::Item;

    fn block(mut self, most: usize, folder: C::Folder) -> (C::Folder, Option<Self>) {
        let (folder, goes_on) = self.0.step(most, folder);
        (folder, goes_on.then_some(self))
    }

    fn all(mut self, mut folder: C::Folder, _token: Option<&CancelToken>) -> C::Folder {
        let mut goes_on = true;
        while goes_on && !folder.full() {
            (folder, goes_on) = self.0.step(UNKNOWN, folder);
        }
        drop_first(self, folder)
    }

    fn halve(mut self, first: Option<usize>) -> (Self, Option<Self>) {
        let rest = self.0.cut_off(first.is_some());
        (self, rest.map(Stepping))
    }

    fn split(&self, consumer: C) -> (C, C, C::Reducer) {
        split_unindexed(consumer)
    }

    fn planned(self, consumer: C) -> C::Result {
        let plan = |threads| Plan::new(threads, 1, UNKNOWN, C::PAUSES).asks(C::Folder::FILLS);
        drive(self, consumer, plan)
    }
}
