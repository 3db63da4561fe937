//! Where a loop runs.

use std::fmt;

use super::limit::{innermost, limited, under};
use crate::worker::shared::RegistryRef;

/// Where a loop runs, as [`with_pool`](super::ParallelIterator::with_pool) and
/// [`num_threads`](super::ParallelIterator::num_threads) say.
#[derive(Clone, Default)]
pub struct LoopSettings {
    pool: Option<RegistryRef>,
    threads: Option<usize>,
}

impl LoopSettings {
    pub(super) fn pool(pool: RegistryRef) -> Self {
        LoopSettings { pool: Some(pool), threads: None }
    }

    pub(super) fn threads(threads: usize) -> Self {
        LoopSettings { pool: None, threads: Some(threads) }
    }

    /// Returns the settings of a loop over two iterators, or over one that has settings of its own:
    /// the pool of `self`, else that of `later`, and the smaller number of threads.
    #[inline]
    pub fn or(self, later: LoopSettings) -> LoopSettings {
        let threads = match (self.threads, later.threads) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        LoopSettings { pool: self.pool.or(later.pool), threads }
    }

    /// Calls `op` in the pool, and limits the loops that it runs to the number of threads.
    #[inline(always)]
    pub fn run<R: Send>(self, op: impl FnOnce() -> R + Send) -> R {
        if self.pool.is_none() && self.threads.is_none() { op() } else { self.enter(op) }
    }

    #[cold]
    fn enter<R: Send>(self, op: impl FnOnce() -> R + Send) -> R {
        let (mut op, mut result) = (Some(op), None);
        self.call(&mut || result = op.take().map(|op| op()));
        result.expect("it was called")
    }

    /// Not generic, so it is compiled once and not for each loop.
    fn call(self, op: &mut (dyn FnMut() + Send)) {
        // The loop of a single worker may be a part of one in another pool, which may stop it.
        let is_alone = self.pool.as_ref().is_some_and(|pool| pool.workers().len() == 1);
        let op = || match self.threads.or(is_alone.then_some(1)) {
            Some(threads) => limited(threads, op),
            None => op(),
        };
        match self.pool {
            Some(pool) => innermost(|limit| pool.as_worker(|_, _| under(limit, op))),
            None => op(),
        }
    }
}

impl fmt::Debug for LoopSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pool = self.pool.as_ref().map(|pool| pool.workers().len());
        let mut f = f.debug_struct("LoopSettings");
        f.field("pool of", &pool).field("threads", &self.threads).finish()
    }
}
