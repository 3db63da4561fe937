//! Draws tiles on two rayon pools, so that a batch does not delay the viewers.

use std::sync::Arc;
use std::time::Instant;

use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};
use tokio::sync::oneshot;

use super::{Class, Counts, Drawing, Engine, Gone, Load, Refusal};
use crate::tile::Tile;

pub(super) struct TwoPools {
    pools: [ThreadPool; 2],
    queued: usize,
    counts: Arc<Counts>,
}

impl TwoPools {
    /// Both pools have `threads` threads, since neither knows when the other is idle.
    pub(super) fn new(threads: usize, queued: usize) -> Result<Self, ThreadPoolBuildError> {
        let pool = || ThreadPoolBuilder::new().num_threads(threads).build();
        Ok(TwoPools { pools: [pool()?, pool()?], queued, counts: Arc::default() })
    }
}

impl Engine for TwoPools {
    fn draw(
        &self,
        tile: Tile,
        class: Class,
        deadline: Option<Instant>,
    ) -> Result<Drawing, Refusal> {
        self.counts.admit(class, self.queued)?;
        let counts = Arc::clone(&self.counts);
        let gone = Gone::default();
        let flag = Arc::clone(&gone.0);
        let (sender, receiver) = oneshot::channel();
        self.pools[class as usize].spawn(move || {
            // If the request is gone, the send fails.
            let _ = sender.send(counts.draw(tile, class, deadline, &flag));
        });
        Ok(Box::pin(async move {
            let _gone = gone;
            receiver.await.unwrap_or_else(|_| Err(Refusal::Failed("drawing panicked".into())))
        }))
    }

    fn load(&self) -> Load {
        self.counts.load()
    }
}
