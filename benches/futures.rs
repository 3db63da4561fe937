//! Futures, in two parts.
//!
//! *There and back*: a tokio task awaits a closure that runs in a pool. With filch, it awaits the
//! handle. With rayon, the closure sends its result through a oneshot channel of tokio, as in the
//! crate tokio-rayon. `spawn_blocking` uses tokio's own pool.
//!
//! *On the workers*: compares `spawn_future` with tokio's multi-thread scheduler, with equally many
//! workers. The shapes are those of tokio's benchmark `rt_multi_threaded`.
//!
//! Each row has the medians of the times and of the ratios over all rounds. `cargo bench --bench
//! futures --features futures -- [ROUNDS] [FILTER]`.

use std::future::Future;
use std::hint::black_box;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

const THREADS: usize = 2;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|it| it != "--bench").collect();
    let rounds = arguments.iter().find_map(|it| it.parse().ok()).unwrap_or(21);
    let filter = arguments.iter().find(|it| it.parse::<usize>().is_err());
    let runs = |name: &str| filter.is_none_or(|filter| name.contains(filter.as_str()));
    there_and_back(rounds, runs);
    println!();
    on_the_workers(rounds, runs);
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The time of each contestant in each round, in microseconds per unit of work.
struct Row<const N: usize>(Vec<[f64; N]>);

impl<const N: usize> Row<N> {
    /// Runs the contestants in turn. The order is reversed in every other round.
    fn run(rounds: usize, units: usize, contestants: [&mut dyn FnMut() -> Duration; N]) -> Self {
        let mut round = |number: usize| {
            let mut times = [0.0; N];
            for nth in 0..N {
                let at = if number % 2 == 0 { nth } else { N - 1 - nth };
                times[at] = contestants[at]().as_secs_f64() * 1e6 / units as f64;
            }
            times
        };
        // The first round warms up.
        round(0);
        Row((1..=rounds).map(round).collect())
    }

    /// Prints the times, and the ratio of the first contestant, filch, to each other one.
    fn print(&self, name: &str) {
        let times = (0..N).map(|at| median(self.0.iter().map(|row| row[at]).collect()));
        let times: Vec<String> = times.map(|time| format!("{time:.3}")).collect();
        let ratio = |at| median(self.0.iter().map(|row| row[0] / row[at]).collect());
        let ratios: Vec<String> = (1..N).map(|at| format!("{:.2}", ratio(at))).collect();
        println!("| {name} | {} | {} |", times.join(" | "), ratios.join(" | "));
    }
}

fn tokio_runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).build().unwrap()
}

fn filch_pool() -> filch::ThreadPool {
    filch::ThreadPoolBuilder::new().num_threads(THREADS).build().unwrap()
}

/// Spins for `time`, and returns 7.
fn compute(time: Duration) -> usize {
    let start = Instant::now();
    while start.elapsed() < time {
        std::hint::spin_loop();
    }
    black_box(7)
}

fn there_and_back(rounds: usize, runs: impl Fn(&str) -> bool) {
    println!("| there and back, us | filch | rayon | `spawn_blocking` | ÷ rayon | ÷ blocking |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: |");
    let runtime = tokio_runtime();
    let filch: &'static _ = Box::leak(Box::new(filch_pool()));
    let rayon: &'static _ =
        Box::leak(Box::new(rayon::ThreadPoolBuilder::new().num_threads(THREADS).build().unwrap()));
    for micros in [0, 10] {
        let time = Duration::from_micros(micros);
        for tasks in [1, 16] {
            let name = format!("{micros} us, {tasks} at a time");
            if !runs(&name) {
                continue;
            }
            let trips = 2_000 / tasks;
            let on_filch = move || async move { filch.spawn(move || compute(time)).await.unwrap() };
            let on_rayon = move || async move {
                let (sender, receiver) = oneshot::channel();
                rayon.spawn(move || sender.send(compute(time)).unwrap());
                receiver.await.unwrap()
            };
            let on_tokio = move || async move {
                tokio::task::spawn_blocking(move || compute(time)).await.unwrap()
            };
            let row = Row::run(
                rounds,
                tasks * trips,
                [
                    &mut || travel(&runtime, tasks, trips, on_filch),
                    &mut || travel(&runtime, tasks, trips, on_rayon),
                    &mut || travel(&runtime, tasks, trips, on_tokio),
                ],
            );
            row.print(&name);
        }
    }
}

/// Returns how long `tasks` tokio tasks take to make `trips` trips each.
fn travel<F>(
    runtime: &tokio::runtime::Runtime,
    tasks: usize,
    trips: usize,
    trip: impl Fn() -> F + Send + Copy + 'static,
) -> Duration
where
    F: Future<Output = usize> + Send,
{
    let start = Instant::now();
    let travellers: Vec<_> = (0..tasks)
        .map(|_| {
            runtime.spawn(async move {
                let mut sum = 0;
                for _ in 0..trips {
                    sum += trip().await;
                }
                sum
            })
        })
        .collect();
    let sum: usize = travellers.into_iter().map(|it| runtime.block_on(it).unwrap()).sum();
    assert_eq!(sum, 7 * tasks * trips, "a closure did not run");
    start.elapsed()
}

/// A runtime that polls futures.
trait Runtime: 'static {
    /// Spawns a detached future from inside the runtime.
    fn spawn(future: impl Future<Output = ()> + Send + 'static);
    /// Runs a future on the workers and waits for it.
    fn run(&self, future: impl Future<Output = ()> + Send + 'static);
    /// Spawns a detached future from outside the runtime.
    fn submit(&self, future: impl Future<Output = ()> + Send + 'static);
    /// Yields to other tasks.
    fn pause() -> impl Future<Output = ()> + Send;
}

impl Runtime for tokio::runtime::Runtime {
    fn spawn(future: impl Future<Output = ()> + Send + 'static) {
        drop(tokio::spawn(future));
    }

    fn run(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.block_on(self.spawn(future)).unwrap();
    }

    fn submit(&self, future: impl Future<Output = ()> + Send + 'static) {
        drop(self.spawn(future));
    }

    fn pause() -> impl Future<Output = ()> + Send {
        tokio::task::yield_now()
    }
}

impl Runtime for filch::ThreadPool {
    fn spawn(future: impl Future<Output = ()> + Send + 'static) {
        drop(filch::spawn_future(future));
    }

    fn run(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.spawn_future(future).join().unwrap();
    }

    fn submit(&self, future: impl Future<Output = ()> + Send + 'static) {
        drop(self.spawn_future(future));
    }

    fn pause() -> impl Future<Output = ()> + Send {
        Pause { is_over: false }
    }
}

/// A future that wakes itself once.
struct Pause {
    is_over: bool,
}

impl Future for Pause {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.is_over {
            return Poll::Ready(());
        }
        self.is_over = true;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Counts down, and notifies the receiver at 0.
#[derive(Clone)]
struct Countdown {
    left: Arc<AtomicUsize>,
    sender: Arc<std::sync::Mutex<Option<oneshot::Sender<()>>>>,
}

impl Countdown {
    fn new(from: usize) -> (Self, oneshot::Receiver<()>) {
        let (sender, receiver) = oneshot::channel();
        let sender = Arc::new(std::sync::Mutex::new(Some(sender)));
        (Countdown { left: Arc::new(AtomicUsize::new(from)), sender }, receiver)
    }

    fn count(&self) {
        if self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            let sender = self.sender.lock().unwrap().take().unwrap();
            sender.send(()).unwrap();
        }
    }
}

const SPAWNED: usize = 10_000;
const YIELDERS: usize = 200;
const YIELDS: usize = 100;
const PINGS: usize = 1_000;
const CHAIN: usize = 1_000;

/// One task spawns many tasks.
fn spawn_many<R: Runtime>(runtime: &R) {
    runtime.run(async {
        let (countdown, is_over) = Countdown::new(SPAWNED);
        for _ in 0..SPAWNED {
            let countdown = countdown.clone();
            R::spawn(async move { countdown.count() });
        }
        is_over.await.unwrap();
    });
}

/// A thread outside the runtime spawns many tasks.
fn submit_many<R: Runtime>(runtime: &R) {
    let (countdown, is_over) = Countdown::new(SPAWNED);
    for _ in 0..SPAWNED {
        let countdown = countdown.clone();
        runtime.submit(async move { countdown.count() });
    }
    is_over.blocking_recv().unwrap();
}

fn yield_many<R: Runtime>(runtime: &R) {
    let (countdown, is_over) = Countdown::new(YIELDERS);
    for _ in 0..YIELDERS {
        let countdown = countdown.clone();
        runtime.submit(async move {
            for _ in 0..YIELDS {
                R::pause().await;
            }
            countdown.count();
        });
    }
    is_over.blocking_recv().unwrap();
}

/// The tasks of each pair send each other one message.
fn ping_pong<R: Runtime>(runtime: &R) {
    runtime.run(async {
        let (countdown, is_over) = Countdown::new(PINGS);
        for _ in 0..PINGS {
            let countdown = countdown.clone();
            R::spawn(async move {
                let (ping, pinged) = oneshot::channel();
                let (pong, ponged) = oneshot::channel();
                R::spawn(async move {
                    pinged.await.unwrap();
                    pong.send(()).unwrap();
                });
                ping.send(()).unwrap();
                ponged.await.unwrap();
                countdown.count();
            });
        }
        is_over.await.unwrap();
    });
}

/// Each task spawns the next.
fn chained_spawn<R: Runtime>(runtime: &R) {
    fn link<R: Runtime>(sender: oneshot::Sender<()>, left: usize) {
        match left {
            0 => sender.send(()).unwrap(),
            _ => R::spawn(async move { link::<R>(sender, left - 1) }),
        }
    }
    runtime.run(async {
        let (sender, is_over) = oneshot::channel();
        R::spawn(async move { link::<R>(sender, CHAIN) });
        is_over.await.unwrap();
    });
}

fn on_the_workers(rounds: usize, runs: impl Fn(&str) -> bool) {
    println!("| on the workers, us | filch | tokio | ÷ tokio |");
    println!("| --- | ---: | ---: | ---: |");
    let (filch, tokio) = (filch_pool(), tokio_runtime());
    let row = |name: &str, units, on_filch: fn(&filch::ThreadPool), on_tokio: fn(&_)| {
        if runs(name) {
            let row = Row::run(
                rounds,
                units,
                [&mut || timed(|| on_filch(&filch)), &mut || timed(|| on_tokio(&tokio))],
            );
            row.print(name);
        }
    };
    row("spawn many, from inside", SPAWNED, spawn_many, spawn_many);
    row("spawn many, from outside", SPAWNED, submit_many, submit_many);
    row("yield many", YIELDERS * YIELDS, yield_many, yield_many);
    row("ping pong", PINGS, ping_pong, ping_pong);
    row("chained spawn", CHAIN, chained_spawn, chained_spawn);
}

fn timed(run: impl FnOnce()) -> Duration {
    let start = Instant::now();
    run();
    start.elapsed()
}
