//! Draws tiles on one filch pool.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use filch::prelude::*;
use filch::{CancelReason, CancelToken, Priority, ThreadPool, ThreadPoolBuildError};
use filch::{JoinError, Metrics, ThreadPoolBuilder, WorkerMetrics};

use super::{Class, Drawing, Engine, Load, Refusal, Worker};
use crate::tile::{SIDE, Tile, blank, png};

pub(super) struct Filch {
    pool: ThreadPool,
    /// How many tiles are being drawn, for each class.
    drawing: Arc<[AtomicUsize; 2]>,
    /// The metrics at the last call of `load`.
    before: Mutex<Metrics>,
}

impl Filch {
    pub(super) fn new(threads: usize, queued: usize) -> Result<Self, ThreadPoolBuildError> {
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads)
            .max_queued(queued)
            .worker_times(true)
            .task_times(1)
            .build()?;
        let before = Mutex::new(pool.metrics());
        Ok(Filch { pool, drawing: Arc::default(), before })
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

/// Counts a tile as long as it lives.
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Counted(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Draws the rows of a tile in parallel. If the task's token is cancelled, the loop and the task
/// stop.
fn draw(tile: Tile, drawing: &AtomicUsize) -> Vec<u8> {
    let _counted = Counted::new(drawing);
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
        let drawing = Arc::clone(&self.drawing);
        let task = task.try_spawn(move || draw(tile, &drawing[class as usize]));
        let task = task.map_err(|_| Refusal::Full)?;
        let gone = token.drop_guard();
        Ok(Box::pin(async move {
            let _gone = gone;
            task.await.map_err(refusal)
        }))
    }

    fn load(&self) -> Load {
        let now = self.pool.metrics();
        let mut before = self.before.lock().expect("no thread panics while it holds the lock");
        let lately = now.since(&before);
        let depth = |class| {
            let queue = now.queues.iter().find(|queue| queue.class == class);
            queue.map_or(0, |queue| queue.depth)
        };
        let load = Load {
            waiting: [depth("high"), depth("low")],
            drawing: [0, 1].map(|class| self.drawing[class].load(Ordering::Relaxed)),
            workers: lately.workers.iter().map(shares).collect(),
        };
        *before = now;
        load
    }

    fn metrics(&self) -> String {
        self.pool.metrics().to_prometheus()
    }
}

/// Returns how a worker spent an interval, as shares.
fn shares(worker: &WorkerMetrics) -> Worker {
    let all = worker.busy + worker.searching + worker.parked + worker.blocked;
    let share = |time: std::time::Duration| time.as_secs_f64() / all.as_secs_f64().max(1e-9);
    Worker {
        busy: share(worker.busy),
        searching: share(worker.searching),
        parked: share(worker.parked + worker.blocked),
    }
}

fn refusal(error: JoinError) -> Refusal {
    match error.reason() {
        Some(CancelReason::Deadline) => Refusal::Late,
        _ => Refusal::Failed(error.to_string()),
    }
}
