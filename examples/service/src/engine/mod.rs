//! The engines that draw tiles: filch, and for comparison, engines on rayon and on tokio alone.

mod blocking;
mod filch;
mod two_pools;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use serde::Serialize;

use crate::tile::Tile;

/// For whom a tile is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// For a person who looks at the map.
    Viewer,
    /// For a batch, which is not urgent.
    Batch,
}

/// Why a tile was not drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Too many tiles are waiting.
    Full,
    /// The deadline came before the tile was done.
    Late,
    /// Drawing panicked, or the engine ended.
    Failed(String),
}

/// A tile that is queued or being drawn. Dropping it cancels the tile.
pub type Drawing = Pin<Box<dyn Future<Output = Result<Vec<u8>, Refusal>> + Send>>;

pub trait Engine: Send + Sync + 'static {
    /// Queues a tile.
    ///
    /// # Errors
    /// Returns [`Refusal::Full`] if too many tiles are waiting.
    fn draw(&self, tile: Tile, class: Class, deadline: Option<Instant>)
    -> Result<Drawing, Refusal>;

    fn load(&self) -> Load;

    /// Returns metrics for a monitoring system, in the text format of Prometheus.
    fn metrics(&self) -> String {
        String::new()
    }
}

/// The load of an engine.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Load {
    /// Tiles that wait to be drawn: for viewers, and for a batch.
    pub waiting: [usize; 2],
    /// Tiles that are being drawn.
    pub drawing: [usize; 2],
    /// What each worker did lately, if the engine knows.
    pub workers: Vec<Worker>,
}

/// How a worker spent its time lately, as shares.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Worker {
    pub busy: f64,
    pub searching: f64,
    pub parked: f64,
}

/// The engines by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    Filch,
    /// `tokio::task::spawn_blocking`
    Blocking,
    /// Two rayon pools: one for viewers, one for batches
    TwoPools,
}

/// Builds an engine with `threads` threads. If that is 0, it has one for each processor that this
/// process may use. At most `queued` tiles may wait.
///
/// # Errors
/// Returns the error of the system or of the engine.
pub fn build(
    kind: Kind,
    threads: usize,
    queued: usize,
) -> Result<Arc<dyn Engine>, Box<dyn std::error::Error>> {
    let threads = match threads {
        0 => std::thread::available_parallelism()?.get(),
        threads => threads,
    };
    Ok(match kind {
        Kind::Filch => Arc::new(filch::Filch::new(threads, queued)?),
        Kind::Blocking => Arc::new(blocking::Blocking::new(threads, queued)),
        Kind::TwoPools => Arc::new(two_pools::TwoPools::new(threads, queued)?),
    })
}

/// The counts that the two other engines keep themselves.
#[derive(Default)]
struct Counts {
    waiting: [AtomicUsize; 2],
    drawing: [AtomicUsize; 2],
}

impl Counts {
    /// Counts one more waiting tile, unless `most` tiles are waiting.
    fn admit(&self, class: Class, most: usize) -> Result<(), Refusal> {
        let waiting: usize = self.waiting.iter().map(|it| it.load(Ordering::Relaxed)).sum();
        if waiting >= most {
            return Err(Refusal::Full);
        }
        self.waiting[class as usize].fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Draws an admitted tile.
    fn draw(
        &self,
        tile: Tile,
        class: Class,
        deadline: Option<Instant>,
        is_gone: &AtomicBool,
    ) -> Result<Vec<u8>, Refusal> {
        self.waiting[class as usize].fetch_sub(1, Ordering::Relaxed);
        self.drawing[class as usize].fetch_add(1, Ordering::Relaxed);
        let is_late = || deadline.is_some_and(|deadline| deadline <= Instant::now());
        let picture = tile.draw(|| is_gone.load(Ordering::Relaxed) || is_late());
        self.drawing[class as usize].fetch_sub(1, Ordering::Relaxed);
        picture.ok_or(Refusal::Late)
    }

    fn load(&self) -> Load {
        let read =
            |counts: &[AtomicUsize; 2]| [0, 1].map(|class| counts[class].load(Ordering::Relaxed));
        Load { waiting: read(&self.waiting), drawing: read(&self.drawing), workers: Vec::new() }
    }
}

/// Held by a request. Sets its flag when the request drops it.
#[derive(Default)]
struct Gone(Arc<AtomicBool>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
