//! Keeps a pool from ending while a thread that is none of its workers, and that does not own the
//! pool, submits a job: lemma 4 of `end.rs`.

use std::sync::atomic::Ordering;

use super::shared::Registry;

/// The pool does not end before this is dropped.
pub(crate) struct Keeper<'r>(Option<&'r Registry>);

impl Registry {
    /// Checks that the calling thread may use the pool, unless the pool has ended: with a
    /// deterministic pool, its simulation may have ended.
    ///
    /// # Panics
    /// Like `expect_threads`.
    pub(crate) fn expect_threads_or_end(&self) {
        if !self.has_ended() {
            self.expect_worker();
        }
    }

    /// Keeps the pool, which is not lost, from ending. Returns `None` if it has ended.
    pub(crate) fn keep(&self) -> Option<Keeper<'_>> {
        if self.current_worker().is_some() {
            // A pool does not end while one of its workers is at work.
            return Some(Keeper(None));
        }
        // Under the sleepers' lock, as the end.
        let has_ended = self.sleep().locked(|| {
            self.keepers.fetch_add(1, Ordering::Relaxed);
            self.has_ended()
        });
        let keeper = Keeper(Some(self));
        (!has_ended).then_some(keeper)
    }
}

impl Drop for Keeper<'_> {
    fn drop(&mut self) {
        let Some(registry) = self.0 else { return };
        registry.sleep().locked(|| registry.keepers.fetch_sub(1, Ordering::Relaxed));
        // All workers may have parked meanwhile.
        registry.end_if_idle();
    }
}
