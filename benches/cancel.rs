//! Cancelled tasks: `cargo bench --bench cancel -- [ROUNDS]`.
//!
//! *Deadlines*: twice as many tasks of 1 ms are submitted as two workers can run. Each must begin
//! within 50 ms. Without deadlines the queue grows, and soon each task begins too late. With them,
//! the pool drops late tasks. Work is *useful* if it began in time. Capacity is what the pool runs
//! of tasks that were queued before. (A task reads the clock just after the pool checked its token,
//! so it may find that it began some microseconds late.)
//!
//! *A scope*: how long it takes to drop a million queued tasks after their token is cancelled.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use filch::{CancelToken, ThreadPool, ThreadPoolBuilder};

const WORKERS: usize = 2;
const WORK: Duration = Duration::from_millis(1);
const DEADLINE: Duration = Duration::from_millis(50);
/// How long tasks are submitted.
const PART: Duration = Duration::from_millis(1_500);
/// How many tasks a scope has when it is cancelled.
const QUEUED: usize = 1_000_000;

fn main() {
    let rounds = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(5);
    let steps = steps_of_a_task();
    println!("| overload of 2 | useful, of capacity | begun late | latest begin |");
    println!("| --- | ---: | ---: | ---: |");
    let [mut with, mut without] = [(); 2].map(|()| Vec::new());
    for _ in 0..rounds {
        let before = capacity(steps);
        let runs = [true, false].map(|has_deadline| overload(steps, has_deadline));
        let capacity = (before + capacity(steps)) / 2.0;
        let [one, other] = runs.map(|run| (run.useful / capacity, run.late, run.latest));
        with.push(one);
        without.push(other);
    }
    print_overload("with deadlines", with);
    print_overload("without deadlines", without);
    println!();
    println!("| scope of {QUEUED} tasks that is cancelled | ms until it ends |");
    println!("| --- | ---: |");
    for threads in [1, WORKERS] {
        let times = (0..rounds).map(|_| cancelled_scope(threads)).collect();
        println!("| {threads} threads | {:.1} |", median(times));
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn pool(threads: usize) -> ThreadPool {
    ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
}

// ---- Deadlines ----

fn work(steps: usize) {
    let mut state = 1_u64;
    for _ in 0..steps {
        state = black_box(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    }
}

fn steps_of_a_task() -> usize {
    let (count, start) = (20_000_000, Instant::now());
    work(count);
    (count as f64 * WORK.as_secs_f64() / start.elapsed().as_secs_f64()) as usize
}

/// Returns how many tasks that are queued already the pool runs per second.
fn capacity(steps: usize) -> f64 {
    let (pool, count) = (pool(WORKERS), 500 * WORKERS);
    let start = Instant::now();
    for _ in 0..count {
        drop(pool.spawn(move || work(steps)));
    }
    drop(pool);
    count as f64 / start.elapsed().as_secs_f64()
}

#[derive(Default)]
struct Begun {
    in_time: AtomicUsize,
    late: AtomicUsize,
    /// How long after its submission the last task began, in microseconds.
    latest: AtomicUsize,
}

struct Overload {
    /// Tasks that began in time, per second.
    useful: f64,
    late: f64,
    /// In milliseconds.
    latest: f64,
}

fn overload(steps: usize, has_deadline: bool) -> Overload {
    let (pool, begun, all) = (pool(WORKERS), Arc::new(Begun::default()), CancelToken::new());
    let start = Instant::now();
    let mut submitted = 0;
    while start.elapsed() < PART {
        let due = start.elapsed().as_secs_f64() / WORK.as_secs_f64() * (2 * WORKERS) as f64;
        for _ in submitted..due as usize {
            let (begun, deadline) = (begun.clone(), Instant::now() + DEADLINE);
            let token = if has_deadline { all.with_deadline(deadline) } else { all.clone() };
            let run = move || {
                let waited = (Instant::now() + DEADLINE).saturating_duration_since(deadline);
                let counter = if waited <= DEADLINE { &begun.in_time } else { &begun.late };
                counter.fetch_add(1, Ordering::Relaxed);
                begun.latest.fetch_max(waited.as_micros() as usize, Ordering::Relaxed);
                work(steps);
            };
            drop(pool.task().token(&token).spawn(run));
        }
        submitted = due as usize;
        thread::sleep(WORK);
    }
    let took = start.elapsed().as_secs_f64();
    let [in_time, late, latest] =
        [&begun.in_time, &begun.late, &begun.latest].map(|it| it.load(Ordering::Relaxed) as f64);
    all.cancel();
    Overload { useful: in_time / took, late, latest: latest / 1e3 }
}

fn print_overload(name: &str, runs: Vec<(f64, f64, f64)>) {
    let useful = median(runs.iter().map(|run| run.0).collect());
    let late: f64 = runs.iter().map(|run| run.1).sum();
    let latest = runs.iter().map(|run| run.2).fold(0.0, f64::max);
    println!("| {name} | {useful:.3} | {late} | {latest:.2} ms |");
}

// ---- A scope ----

/// Counts its drops.
struct Counted<'a>(&'a AtomicU8);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.store(self.0.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }
}

/// Returns how long the scope takes to end after its token was cancelled, in milliseconds.
fn cancelled_scope(threads: usize) -> f64 {
    let (pool, token, ran) = (pool(threads), CancelToken::new(), AtomicUsize::new(0));
    let drops: Vec<AtomicU8> = (0..QUEUED).map(|_| AtomicU8::new(0)).collect();
    let busy = AtomicUsize::new(1);
    let mut start = Instant::now();
    let result = pool.scope_with(&token, |s| {
        // The other workers are busy until the token is cancelled.
        for _ in 1..threads {
            s.spawn(|| {
                busy.fetch_add(1, Ordering::Relaxed);
                while !token.is_cancelled() {
                    thread::yield_now();
                }
            });
        }
        while busy.load(Ordering::Relaxed) < threads {
            thread::yield_now();
        }
        for count in &drops {
            let (counted, ran) = (Counted(count), &ran);
            drop(s.spawn(move || {
                ran.fetch_add(1, Ordering::Relaxed);
                drop(counted);
            }));
        }
        start = Instant::now();
        token.cancel();
    });
    let took = start.elapsed().as_secs_f64() * 1e3;
    assert!(result.is_err(), "the scope does not say that it was cancelled");
    assert_eq!(ran.into_inner(), 0, "a task ran");
    assert!(drops.iter().all(|count| count.load(Ordering::Relaxed) == 1), "not dropped once");
    took
}
