//! Tiles on one pool of filch's.

use std::time::Instant;

use filch::prelude::*;
use filch::{CancelReason, CancelToken, Priority, ThreadPool, ThreadPoolBuildError};
use filch::{JoinError, ThreadPoolBuilder};

use super::{Class, Drawing, Engine, Load, Refusal};
use crate::tile::{SIDE, Tile, blank, png};

pub(super) struct Filch {
    pool: ThreadPool,
}

impl Filch {
    pub(super) fn new(threads: usize, queued: usize) -> Result<Self, ThreadPoolBuildError> {
        let pool = ThreadPoolBuilder::new().num_threads(threads).max_queued(queued).build()?;
        Ok(Filch { pool })
    }
}

impl Class {
    fn priority(self) -> Priority {
        match self {
            Class::Viewer => Priority::High,
            Class::Batch => Priority::Low,
        }
    }
}

/// Draws the rows of a tile in parallel. If the task's token is cancelled, the loop stops, and with
/// it the task.
fn draw(tile: Tile) -> Vec<u8> {
    let mut pixels = blank();
    pixels
        .par_chunks_mut(3 * SIDE as usize)
        .enumerate()
        .for_each(|(row, line)| tile.draw_row(row, line));
    png(&pixels)
}

impl Engine for Filch {
    fn draw(
        &self,
        tile: Tile,
        class: Class,
        deadline: Option<Instant>,
    ) -> Result<Drawing, Refusal> {
        let mut token = CancelToken::new();
        if let Some(deadline) = deadline {
            token = token.with_deadline(deadline);
        }
        let task = self.pool.task().name("tile").priority(class.priority()).token(&token);
        let task = task.try_spawn(move || draw(tile)).map_err(|_| Refusal::Full)?;
        let gone = token.drop_guard();
        Ok(Box::pin(async move {
            let _gone = gone;
            task.await.map_err(refusal)
        }))
    }

    fn load(&self) -> Load {
        Load::default()
    }
}

fn refusal(error: JoinError) -> Refusal {
    match error.reason() {
        Some(CancelReason::Deadline) => Refusal::Late,
        _ => Refusal::Failed(error.to_string()),
    }
}
