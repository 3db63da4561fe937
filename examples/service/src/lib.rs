//! A web service that draws map tiles. Requests are served on tokio and axum, and tiles are drawn
//! by an [`engine`].

mod batch;
pub mod engine;
mod routes;
pub mod stats;
pub mod tile;

pub use routes::router;
