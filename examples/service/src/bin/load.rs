//! Loads the service on each engine in turn, and compares the latencies of a viewer who pans while
//! a batch runs: `cargo run --release -p service --bin load`.

use std::error::Error;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use clap::Parser;
use service::engine::{self, Kind};
use service::stats::percentile;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

#[derive(Parser)]
struct Arguments {
    /// How often each engine has its turn
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// The length of a turn, in seconds
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Threads that draw; 0 means one for each processor that this process may use
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// How many tiles may wait; further ones are refused
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    queued: u32,
    /// A viewer's screen, in tiles
    #[arg(long, default_value_t = 12)]
    screen: u64,
    /// Time between two pans of the viewer, in milliseconds
    #[arg(long, default_value_t = 250)]
    every: u64,
    /// How long a viewer waits for a tile, in milliseconds
    #[arg(long, default_value_t = 1000)]
    patience: u64,
}

/// How a turn's requests ended.
#[derive(Default)]
struct Outcome {
    latencies: Vec<Duration>,
    shed: usize,
    late: usize,
    cancelled: usize,
    other: usize,
    /// Tiles of the batch, and how long it ran, in seconds.
    batch: u64,
    time: f64,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let kinds = [Kind::Filch, Kind::Blocking, Kind::TwoPools];
    let mut sums = kinds.map(|_| Outcome::default());
    let Arguments { rounds, seconds, .. } = arguments;
    eprintln!("{rounds} rounds of {} engines, {seconds} seconds each", kinds.len());
    for _ in 0..arguments.rounds {
        for (kind, sum) in kinds.into_iter().zip(&mut sums) {
            let turn = turn(kind, &arguments).await?;
            sum.latencies.extend(turn.latencies);
            sum.shed += turn.shed;
            sum.late += turn.late;
            sum.cancelled += turn.cancelled;
            sum.other += turn.other;
            sum.batch += turn.batch;
            sum.time += turn.time;
        }
    }
    println!(
        "{:<10} {:>7} {:>8} {:>8} {:>6} {:>6} {:>9} {:>7} {:>8}",
        "engine", "drawn", "p50 ms", "p99 ms", "shed", "late", "cancelled", "other", "batch/s"
    );
    for (kind, mut sum) in kinds.into_iter().zip(sums) {
        sum.latencies.sort_unstable();
        println!(
            "{:<10} {:>7} {:>8.1} {:>8.1} {:>6} {:>6} {:>9} {:>7} {:>8.1}",
            format!("{kind:?}"),
            sum.latencies.len(),
            percentile(&sum.latencies, 50),
            percentile(&sum.latencies, 99),
            sum.shed,
            sum.late,
            sum.cancelled,
            sum.other,
            sum.batch as f64 / sum.time
        );
    }
    Ok(())
}

/// One engine's turn: a batch runs while a viewer pans.
async fn turn(kind: Kind, arguments: &Arguments) -> Result<Outcome> {
    let engine = engine::build(kind, arguments.threads, arguments.queued as usize)
        .map_err(|error| error.to_string())?;
    let router = service::router(engine, Duration::from_millis(arguments.patience));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = tokio::spawn(axum::serve(listener, router).into_future());
    request(address, "POST", "/batch?zoom=6").await?;
    let begin = Instant::now();
    let outcome = pan(address, arguments).await;
    let state = request(address, "GET", "/state").await?.1;
    let time = begin.elapsed().as_secs_f64();
    request(address, "DELETE", "/batch").await?;
    server.abort();
    let mut outcome = outcome?;
    outcome.batch = batch_tiles(&state).ok_or("the state has no batch")?;
    outcome.time = time;
    Ok(outcome)
}

fn batch_tiles(state: &[u8]) -> Option<u64> {
    let text = String::from_utf8_lossy(state);
    let (_, batch) = text.split_once("\"batch\":[")?;
    batch.split_once(',')?.0.parse().ok()
}

/// Requests one screen of tiles after the other. The viewer leaves every fourth screen after 10 ms.
async fn pan(address: SocketAddr, arguments: &Arguments) -> Result<Outcome> {
    let mut requests = JoinSet::new();
    let end = Instant::now() + Duration::from_secs(arguments.seconds);
    for step in 0_u64.. {
        if Instant::now() >= end {
            break;
        }
        let leaves = step % 4 == 3;
        for i in 0..arguments.screen {
            let (x, y) = (3 + (step + i) % 9, 4 + i / 4);
            requests.spawn(async move {
                let begin = Instant::now();
                let path = format!("/tile/4/{x}/{y}");
                let request = request(address, "GET", &path);
                let patience = if leaves { Duration::from_millis(10) } else { Duration::MAX };
                (timeout(patience, request).await.ok(), begin.elapsed())
            });
        }
        sleep(Duration::from_millis(arguments.every)).await;
    }
    let mut outcome = Outcome::default();
    while let Some(ended) = requests.join_next().await {
        match ended? {
            (None, _) => outcome.cancelled += 1,
            (Some(answer), latency) => match answer?.0 {
                200 => outcome.latencies.push(latency),
                503 => outcome.shed += 1,
                504 => outcome.late += 1,
                _ => outcome.other += 1,
            },
        }
    }
    Ok(outcome)
}

/// Sends one request on a new connection, which is closed if this future is dropped. Returns the
/// status and the body.
async fn request(address: SocketAddr, method: &str, path: &str) -> Result<(u16, Vec<u8>)> {
    let mut stream = TcpStream::connect(address).await?;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\n\
         content-length: 0\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let split = answer.windows(4).position(|it| it == b"\r\n\r\n").ok_or("no head")?;
    let head = String::from_utf8_lossy(&answer[..split]);
    let status = head.split(' ').nth(1).ok_or("no status")?.parse()?;
    Ok((status, answer.split_off(split + 4)))
}
