//! The routes of the service.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use crate::batch::Batch;
use crate::engine::{Class, Engine, Load, Refusal};
use crate::stats::{Stats, Summary};
use crate::tile::Tile;

/// The deepest zoom of a batch: 4,096 tiles.
const DEEPEST_BATCH: u32 = 6;

struct Service {
    engine: Arc<dyn Engine>,
    stats: Stats,
    batch: Mutex<Batch>,
    /// How long a viewer waits for a tile, unless the request sets `within`.
    patience: Duration,
}

/// Returns the routes of the service on `engine`. A viewer waits for a tile for at most `patience`.
pub fn router(engine: Arc<dyn Engine>, patience: Duration) -> Router {
    let service = Service { engine, stats: Stats::default(), batch: Mutex::default(), patience };
    Router::new()
        .route("/", get(|| async { Html(include_str!("page.html")) }))
        .route("/tile/{zoom}/{x}/{y}", get(tile))
        .route("/batch", post(start_batch).delete(stop_batch))
        .route("/state", get(state))
        .route("/metrics", get(metrics))
        .with_state(Arc::new(service))
}

#[derive(Deserialize)]
struct Patience {
    /// How long to wait for the tile, in milliseconds.
    within: Option<u64>,
}

async fn tile(
    State(service): State<Arc<Service>>,
    Path((zoom, x, y)): Path<(u32, u64, u64)>,
    Query(Patience { within }): Query<Patience>,
) -> Result<Response, Problem> {
    let begin = Instant::now();
    let tile = Tile::new(zoom, x, y).map_err(Problem::BadTile)?;
    let deadline = begin + within.map_or(service.patience, Duration::from_millis);
    // If the client closes the connection, axum drops this future, which drops the drawing.
    let mut gone = Gone { service: &service, ended: false };
    let drawn = match service.engine.draw(tile, Class::Viewer, Some(deadline)) {
        Ok(drawing) => drawing.await,
        Err(refusal) => Err(refusal),
    };
    gone.ended = true;
    match drawn {
        Ok(picture) => {
            service.stats.drawn(begin.elapsed());
            Ok(([(header::CONTENT_TYPE, "image/png")], picture).into_response())
        }
        Err(refusal) => {
            service.stats.refused(&refusal);
            Err(Problem::Refused(refusal))
        }
    }
}

/// Counts the request as gone if it is dropped before it has ended.
struct Gone<'a> {
    service: &'a Service,
    ended: bool,
}

impl Drop for Gone<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.service.stats.gone();
        }
    }
}

#[derive(Deserialize)]
struct NewBatch {
    #[serde(default = "usual_zoom")]
    zoom: u32,
}

fn usual_zoom() -> u32 {
    5
}

async fn start_batch(
    State(service): State<Arc<Service>>,
    Query(NewBatch { zoom }): Query<NewBatch>,
) -> Result<StatusCode, Problem> {
    if zoom > DEEPEST_BATCH {
        let accepted = format!("a batch of zoom {zoom}: 0 to {DEEPEST_BATCH} are accepted");
        return Err(Problem::BadTile(accepted));
    }
    service.batch().start(Arc::clone(&service.engine), zoom);
    Ok(StatusCode::ACCEPTED)
}

async fn stop_batch(State(service): State<Arc<Service>>) -> StatusCode {
    service.batch().stop();
    StatusCode::NO_CONTENT
}

#[derive(Serialize)]
struct Now {
    load: Load,
    requests: Summary,
    batch: [usize; 2],
    batch_runs: bool,
}

async fn state(State(service): State<Arc<Service>>) -> Json<Now> {
    let batch = service.batch();
    Json(Now {
        load: service.engine.load(),
        requests: service.stats.summary(),
        batch: batch.progress(),
        batch_runs: batch.is_running(),
    })
}

async fn metrics(State(service): State<Arc<Service>>) -> String {
    service.engine.metrics()
}

impl Service {
    fn batch(&self) -> std::sync::MutexGuard<'_, Batch> {
        self.batch.lock().expect("no thread panics while it holds the lock")
    }
}

/// Why a request has no answer.
enum Problem {
    BadTile(String),
    Refused(Refusal),
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, text) = match self {
            Problem::BadTile(text) => (StatusCode::BAD_REQUEST, text),
            Problem::Refused(Refusal::Full) => {
                let text = "too many tiles wait already: try again later";
                let retry = [(header::RETRY_AFTER, "1")];
                return (StatusCode::SERVICE_UNAVAILABLE, retry, text).into_response();
            }
            Problem::Refused(Refusal::Late) => {
                (StatusCode::GATEWAY_TIMEOUT, "the deadline has passed".to_owned())
            }
            Problem::Refused(Refusal::Failed(text)) => (StatusCode::INTERNAL_SERVER_ERROR, text),
        };
        (status, text).into_response()
    }
}
