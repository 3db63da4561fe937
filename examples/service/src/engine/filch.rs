//! Tiles on one pool of filch's.

use std::time::Instant;

use filch::prelude::*;
use filch::{CancelToken, ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};

use super::{Class, Drawing, Engine, Load, Refusal};
use crate::tile::{SIDE, Tile, blank, png};

pub(super) struct Filch {
    pool: ThreadPool,
}

impl Filch {
    pub(super) fn new(threads: usize, _queued: usize) -> Result<Self, ThreadPoolBuildError> {
        let pool = ThreadPoolBuilder::new().num_threads(threads).build()?;
        Ok(Filch { pool })
    }
}

/// Draws the rows of a tile in parallel, until the token is cancelled.
fn draw(tile: Tile, token: &CancelToken) -> Option<Vec<u8>> {
    let mut pixels = blank();
    pixels
        .par_chunks_mut(3 * SIDE as usize)
        .enumerate()
        .cancel_with(token, |rows| rows.for_each(|(row, line)| tile.draw_row(row, line)))
        .ok()?;
    Some(png(&pixels))
}

struct CancelOnDrop(CancelToken);
impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl Engine for Filch {
    fn draw(
        &self,
        tile: Tile,
        _class: Class,
        _deadline: Option<Instant>,
    ) -> Result<Drawing, Refusal> {
        let token = CancelToken::new();
        let guard = CancelOnDrop(token.clone());
        let handle = self.pool.spawn(move || draw(tile, &token));
        Ok(Box::pin(async move {
            let _guard = guard;
            match handle.await {
                Ok(drawn) => drawn.ok_or(Refusal::Late),
                Err(error) => Err(Refusal::Failed(error.to_string())),
            }
        }))
    }

    fn load(&self) -> Load {
        Load::default()
    }
}
