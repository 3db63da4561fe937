//! Where the pieces of a loop get a state of their own from.

use std::cell::Cell;

/// Makes the state of a piece.
pub(super) trait Seed: Clone + Send {
    /// The type of the states.
    type State;

    /// The type of what a piece leaves to the rest when it is paused.
    type Kept: Default + Send;

    /// Whether a state may be expensive to make, so that there should be few.
    const IS_COSTLY: bool = true;

    /// Makes the state of a piece. The piece before may have left `kept`.
    fn begin(&self, kept: Self::Kept) -> Self::State;

    /// Ends a piece with this state, and returns what it leaves.
    fn keep(state: Self::State) -> Self::Kept;
}

/// Each piece begins with what a function returns.
#[derive(Clone)]
pub(super) struct FromCall<F>(pub(super) F);

impl<T: Send, F: Fn() -> T + Clone + Send> Seed for FromCall<F> {
    type State = T;
    type Kept = Option<T>;

    #[inline]
    fn begin(&self, kept: Option<T>) -> T {
        kept.unwrap_or_else(&self.0)
    }

    fn keep(state: T) -> Option<T> {
        Some(state)
    }
}

/// The same, but the state stays on its thread: a piece leaves nothing to the rest.
#[derive(Clone)]
pub(super) struct FromCallHere<F>(pub(super) F);

impl<T, F: Fn() -> T + Clone + Send> Seed for FromCallHere<F> {
    type State = T;
    type Kept = ();

    #[inline]
    fn begin(&self, (): ()) -> T {
        (self.0)()
    }

    fn keep(_state: T) {}
}

/// A seed, and what the piece before has left.
pub(super) struct Seeded<S: Seed> {
    seed: S,
    kept: Cell<S::Kept>,
}

impl<S: Seed> Seeded<S> {
    pub(super) fn new(seed: S) -> Self {
        Seeded { seed, kept: Cell::default() }
    }

    /// Splits off the seed of the next piece, which gets what was left.
    pub(super) fn split_off_left(&self) -> Self {
        Seeded { seed: self.seed.clone(), kept: Cell::new(self.kept.take()) }
    }

    #[inline]
    pub(super) fn begin(&self) -> S::State {
        self.seed.begin(self.kept.take())
    }

    pub(super) fn keep(&mut self, state: S::State) {
        self.kept = Cell::new(S::keep(state));
    }
}
