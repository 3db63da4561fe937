//! A batch: draws all tiles of one zoom, for no viewer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::{AbortHandle, JoinSet};

use crate::engine::{Class, Engine, Refusal};
use crate::tile::Tile;

/// How many tiles of a batch are queued or being drawn at a time.
const IN_FLIGHT: usize = 16;

/// The latest batch.
#[derive(Default)]
pub struct Batch {
    running: Option<AbortHandle>,
    done: Arc<AtomicUsize>,
    tiles: usize,
}

impl Batch {
    /// Starts a batch of all `4^zoom` tiles. Stops the running batch, if there is one.
    pub fn start(&mut self, engine: Arc<dyn Engine>, zoom: u32) {
        self.stop();
        self.done = Arc::default();
        let side = 1_u64 << zoom;
        self.tiles = (side * side) as usize;
        // Multiplying by an odd factor permutes the tiles, which mixes cheap and expensive ones.
        let mixed = (0..side * side).map(move |i| i.wrapping_mul(0x9e37_79b1) % (side * side));
        let tiles = mixed.map(move |i| Tile { zoom, x: i % side, y: i / side });
        let run = draw_all(engine, tiles, Arc::clone(&self.done));
        self.running = Some(tokio::spawn(run).abort_handle());
    }

    /// Stops the running batch, and cancels its tiles in flight.
    pub fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.abort();
        }
    }

    /// How many tiles are done, and how many there are.
    pub fn progress(&self) -> [usize; 2] {
        [self.done.load(Ordering::Relaxed), self.tiles]
    }

    pub fn is_running(&self) -> bool {
        self.running.as_ref().is_some_and(|running| !running.is_finished())
    }
}

async fn draw_all(
    engine: Arc<dyn Engine>,
    tiles: impl Iterator<Item = Tile>,
    done: Arc<AtomicUsize>,
) {
    let mut in_flight = JoinSet::new();
    for tile in tiles {
        if in_flight.len() == IN_FLIGHT {
            in_flight.join_next().await;
        }
        let (engine, done) = (Arc::clone(&engine), Arc::clone(&done));
        in_flight.spawn(async move {
            draw(&*engine, tile).await;
            done.fetch_add(1, Ordering::Relaxed);
        });
    }
    in_flight.join_all().await;
}

/// Draws one tile. Retries while the queue is full.
async fn draw(engine: &dyn Engine, tile: Tile) {
    loop {
        match engine.draw(tile, Class::Batch, None) {
            Ok(drawing) => {
                if let Err(refusal) = drawing.await {
                    eprintln!("batch: {tile:?}: {refusal:?}");
                }
                return;
            }
            Err(Refusal::Full) => tokio::time::sleep(Duration::from_millis(5)).await,
            Err(refusal) => return eprintln!("batch: {tile:?}: {refusal:?}"),
        }
    }
}
