//! Where the pieces of a loop with a state of their own get it from.

/// How a piece begins. It is cloned for each piece.
pub(super) trait Seed: Clone + Send {
    /// What a piece has for its own.
    type State;

    /// What a piece that is paused leaves to the rest.
    type Kept: Default + Send;

    /// The state of a piece to which another has left `kept`.
    fn begin(&self, kept: Self::Kept) -> Self::State;

    /// What a piece leaves.
    fn keep(state: Self::State) -> Self::Kept;
}

/// Each piece begins with a clone.
#[derive(Clone)]
pub(super) struct FromClone<T>(pub(super) T);

impl<T: Clone + Send> Seed for FromClone<T> {
    type State = T;
    type Kept = Option<T>;

    #[inline]
    fn begin(&self, kept: Option<T>) -> T {
        kept.unwrap_or_else(|| self.0.clone())
    }

    fn keep(state: T) -> Option<T> {
        Some(state)
    }
}

/// Each piece begins with what a function gives.
pub(super) struct FromCall<'a, F>(pub(super) &'a F);

impl<F> Clone for FromCall<'_, F> {
    fn clone(&self) -> Self {
        FromCall(self.0)
    }
}

impl<T: Send, F: Fn() -> T + Sync> Seed for FromCall<'_, F> {
    type State = T;
    type Kept = Option<T>;

    #[inline]
    fn begin(&self, kept: Option<T>) -> T {
        kept.unwrap_or_else(self.0)
    }

    fn keep(state: T) -> Option<T> {
        Some(state)
    }
}

/// The same for states that stay on their thread.
pub(super) struct FromCallHere<'a, F>(pub(super) &'a F);

impl<F> Clone for FromCallHere<'_, F> {
    fn clone(&self) -> Self {
        FromCallHere(self.0)
    }
}

impl<T, F: Fn() -> T + Sync> Seed for FromCallHere<'_, F> {
    type State = T;
    type Kept = ();

    #[inline]
    fn begin(&self, (): ()) -> T {
        (self.0)()
    }

    fn keep(_state: T) {}
}
