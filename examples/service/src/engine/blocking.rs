//! Draws tiles on tokio's threads for blocking calls.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Semaphore;

use super::{Class, Counts, Drawing, Engine, Gone, Load, Refusal};
use crate::tile::Tile;

/// At most as many of tokio's blocking threads draw as there are permits. Requests get permits in
/// the order in which they ask for them.
pub(super) struct Blocking {
    permits: Arc<Semaphore>,
    queued: usize,
    counts: Arc<Counts>,
}

impl Blocking {
    pub(super) fn new(threads: usize, queued: usize) -> Self {
        Blocking { permits: Arc::new(Semaphore::new(threads)), queued, counts: Arc::default() }
    }
}

impl Engine for Blocking {
    fn draw(
        &self,
        tile: Tile,
        class: Class,
        deadline: Option<Instant>,
    ) -> Result<Drawing, Refusal> {
        self.counts.admit(class, self.queued)?;
        let (permits, counts) = (Arc::clone(&self.permits), Arc::clone(&self.counts));
        // A separate task runs on if the request is dropped, so that the counts stay right.
        let gone = Gone::default();
        let flag = Arc::clone(&gone.0);
        let task = tokio::spawn(async move {
            let permit = permits.acquire_owned().await;
            let draw = move || {
                let _permit = permit;
                counts.draw(tile, class, deadline, &flag)
            };
            tokio::task::spawn_blocking(draw).await
        });
        Ok(Box::pin(async move {
            let _gone = gone;
            match task.await {
                Ok(Ok(drawn)) => drawn,
                Ok(Err(error)) | Err(error) => Err(Refusal::Failed(error.to_string())),
            }
        }))
    }

    fn load(&self) -> Load {
        self.counts.load()
    }
}
