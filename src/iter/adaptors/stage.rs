//! Adaptors that put a stage before their consumer, which may keep a state for each piece.

use std::iter;

use crate::iter::plumbing::{Consumer, Folder, UnindexedConsumer};

/// Changes the items of each piece before the base's folder takes them.
pub(in crate::iter) trait Stage<In>: Send + Sized {
    /// The type of the items that the base takes.
    type Out;

    /// The type of the state that a piece keeps while it runs.
    type State;

    /// Whether [`is_over`](Self::is_over) or [`is_full`](Self::is_full) may ever return true.
    const FILLS: bool = false;

    /// As [`Folder::ASK_EACH`], for these.
    const ASK_EACH: bool = false;

    /// Whether a state may be expensive to make.
    const KEEPS_STATE: bool = false;

    /// Splits into a stage for the first `index` items and one for the rest.
    fn split_at(self, _index: usize) -> (Self, Self) {
        (self.split_off_left(), self)
    }

    /// Splits off a stage for items that come before those of `self`.
    fn split_off_left(&self) -> Self;

    /// Begins a piece.
    fn begin(&self) -> Self::State;

    /// Changes the items of `iter` and feeds them to `base`.
    fn feed<F: Folder<Self::Out>>(
        &self,
        state: Self::State,
        base: F,
        iter: impl Iterator<Item = In>,
    ) -> (Self::State, F);

    /// Ends a piece before its last item, and makes `self` the stage of the rest.
    fn pause<F: Folder<Self::Out>>(&mut self, state: Self::State, base: F) -> F;

    /// Ends a piece.
    fn end<F: Folder<Self::Out>>(self, _state: Self::State, base: F) -> F {
        base
    }

    /// Returns whether no piece needs more items.
    fn is_over(&self) -> bool {
        false
    }

    /// Returns whether a piece in this state needs no more items.
    fn is_full(&self, _state: &Self::State) -> bool {
        self.is_over()
    }
}

/// The consumer `base`, with a stage before it.
pub(in crate::iter) struct Staged<C, S> {
    pub(in crate::iter) base: C,
    pub(in crate::iter) stage: S,
}

impl<In, C: Consumer<S::Out>, S: Stage<In>> Consumer<In> for Staged<C, S> {
    type Folder = StagedFolder<C::Folder, S, S::State>;
    type Reducer = C::Reducer;
    type Result = C::Result;

    const PAUSES: bool = C::PAUSES;

    fn split_at(self, index: usize) -> (Self, Self, C::Reducer) {
        let (left, right, reducer) = self.base.split_at(index);
        let (left_stage, right_stage) = self.stage.split_at(index);
        let left = Staged { base: left, stage: left_stage };
        (left, Staged { base: right, stage: right_stage }, reducer)
    }

    #[inline]
    fn into_folder(self) -> Self::Folder {
        let Staged { base, stage } = self;
        let state = stage.begin();
        StagedFolder { base: base.into_folder(), stage, state }
    }

    fn full(&self) -> bool {
        self.stage.is_over() || self.base.full()
    }

    fn pause(folder: Self::Folder) -> (C::Result, Self, C::Reducer) {
        let StagedFolder { base, mut stage, state } = folder;
        let (result, base, reducer) = C::pause(stage.pause(state, base));
        (result, Staged { base, stage }, reducer)
    }
}

impl<In, C: UnindexedConsumer<S::Out>, S: Stage<In>> UnindexedConsumer<In> for Staged<C, S> {
    fn split_off_left(&self) -> Self {
        Staged { base: self.base.split_off_left(), stage: self.stage.split_off_left() }
    }

    fn to_reducer(&self) -> C::Reducer {
        self.base.to_reducer()
    }
}

/// The folder `base`, with a stage before it.
pub(in crate::iter) struct StagedFolder<F, S, T> {
    pub(super) base: F,
    pub(super) stage: S,
    pub(super) state: T,
}

impl<In, F: Folder<S::Out>, S: Stage<In>> Folder<In> for StagedFolder<F, S, S::State> {
    type Result = F::Result;

    const ASK_EACH: bool = F::ASK_EACH || S::ASK_EACH;
    const FILLS: bool = F::FILLS || S::FILLS;
    const KEEPS_STATE: bool = F::KEEPS_STATE || S::KEEPS_STATE;

    fn consume(self, item: In) -> Self {
        self.consume_iter(iter::once(item))
    }

    fn consume_iter<I: IntoIterator<Item = In>>(self, iter: I) -> Self {
        let StagedFolder { base, stage, state } = self;
        let (state, base) = stage.feed(state, base, iter.into_iter());
        StagedFolder { base, stage, state }
    }

    fn complete(self) -> F::Result {
        self.stage.end(self.state, self.base).complete()
    }

    fn full(&self) -> bool {
        self.stage.is_full(&self.state) || self.base.full()
    }
}
