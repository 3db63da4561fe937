//! Serves the map: `cargo run --release -p service`, then open the address that it prints.

use std::error::Error;
use std::time::Duration;

use clap::Parser;
use service::engine::{self, Kind};
use tokio::net::TcpListener;

#[derive(Parser)]
struct Arguments {
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: String,
    /// What draws the tiles
    #[arg(long, value_enum, default_value_t = Kind::Filch)]
    engine: Kind,
    /// Threads that draw; 0 means one for each processor that this process may use
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// How many tiles may wait; further ones are refused
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    queued: u32,
    /// How long a viewer waits for a tile, in milliseconds
    #[arg(long, default_value_t = 2000)]
    patience: u64,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error>> {
    let Arguments { listen, engine, threads, queued, patience } = Arguments::parse();
    let engine = engine::build(engine, threads, queued as usize)?;
    let listener =
        TcpListener::bind(&listen).await.map_err(|error| format!("{listen}: {error}"))?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, service::router(engine, Duration::from_millis(patience))).await?;
    Ok(())
}
