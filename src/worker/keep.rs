//! Keeps a pool from ending while a thread submits a job to it that is not one of its workers and
//! does not have the `ThreadPool`: lemma 4 of `end.rs`.

use std::sync::atomic::Ordering;

use super::shared::Registry;

/// The pool does not end before this is dropped.
pub(crate) struct Keeper<'r>(Option<&'r Registry>);

impl Registry {
    /// Checks that the calling thread may use the pool. If the pool has ended, checks nothing,
    /// since the simulation of a deterministic pool may have ended with it.
    ///
    /// # Panics
    /// Like `expect_threads`.
    pub(crate) fn expect_threads_or_end(&self) {
        if !self.has_ended() {
            self.expect_worker();
        }
    }

    /// Keeps the pool from ending. Returns `None` if it has ended. The caller has checked that the
    /// pool is not lost to a `fork()`.
    pub(crate) fn keep(&self) -> Option<Keeper<'_>> {
        if self.current_worker().is_some() {
            // A pool does not end while one of its workers is at work.
            return Some(Keeper(None));
        }
        self.keep_workers()
    }

    /// Keeps the workers from ending even if the caller is a guest, which they may leave alone.
    /// Returns `None` if they have ended.
    pub(crate) fn keep_workers(&self) -> Option<Keeper<'_>> {
        // Under the sleepers' lock, like the pool's end.
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
