//! What `blocking` costs, and how much blocking tasks slow down computing tasks in the same pool:
//! `cargo bench --bench blocking -- [ROUNDS]`. In the last rows, threads of std sleep instead, which
//! shows what the machine takes for the threads alone.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use filch::{ThreadPool, ThreadPoolBuilder, blocking};

const WORKERS: usize = 2;
const SLEEPS: usize = 1_000;
const SLEEP: Duration = Duration::from_millis(10);
/// How many tasks compute. Each takes about a quarter of a millisecond.
const COMPUTE_TASKS: usize = 8_000;

fn main() {
    let rounds = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(5);
    println!("| `blocking`, nanoseconds | entry | exit |");
    println!("| --- | ---: | ---: |");
    print_costs("one worker, no other work", 1, || ());
    print_costs("two workers, no other work", 2, || ());
    print_costs("one worker, with a task in its queue", 1, || drop(filch::spawn(|| ())));
    println!();
    println!("| {SLEEPS} sleeps of 10 ms beside computing | computing, of alone | threads |");
    println!("| --- | ---: | ---: |");
    let [spread, before]: [fn(usize) -> bool; 2] = [|n| n % 8 == 0, |n| n < SLEEPS];
    print_throughput("sleeps spread among the tasks", rounds, 512, spread, block);
    print_throughput("sleeps before the tasks", rounds, 512, before, block);
    print_throughput("sleeps spread, at most 64 threads", rounds, 64, spread, block);
    print_throughput("sleeps before, at most 64 threads", rounds, 64, before, block);
    print_throughput("threads of std, spread", rounds, 512, spread, start_thread);
    print_throughput("threads of std, before", rounds, 512, before, start_thread);
}

fn block() {
    blocking(|| thread::sleep(SLEEP));
}

fn start_thread() {
    drop(thread::spawn(|| thread::sleep(SLEEP)));
}

fn median<T: Copy + PartialOrd>(mut values: Vec<T>) -> T {
    values.sort_by(|a, b| a.partial_cmp(b).unwrap());
    values[values.len() / 2]
}

fn pool(workers: usize, most: usize) -> ThreadPool {
    let builder = ThreadPoolBuilder::new().num_threads(workers);
    builder.max_blocking_threads(most).build().unwrap()
}

fn print_costs(name: &str, workers: usize, before: fn()) {
    let costs = pool(workers, 4).install(|| {
        let costs = (0..20_000).map(|_| {
            before();
            let start = Instant::now();
            let inside = blocking(Instant::now);
            let end = Instant::now();
            ((inside - start).as_nanos(), (end - inside).as_nanos())
        });
        costs.skip(1_000).collect::<Vec<_>>()
    });
    let (entries, exits) = costs.into_iter().unzip();
    println!("| {name} | {} | {} |", median::<u128>(entries), median::<u128>(exits));
}

fn print_throughput(
    name: &str,
    rounds: usize,
    most: usize,
    sleeps: fn(usize) -> bool,
    sleep: fn(),
) {
    let round = |_| {
        let (alone, _) = compute(most, |_| false, sleep);
        let (beside, threads) = compute(most, sleeps, sleep);
        (alone.as_secs_f64() / beside.as_secs_f64(), threads)
    };
    let (ratios, threads): (Vec<f64>, Vec<usize>) = (0..rounds).map(round).unzip();
    println!("| {name} | {:.3} | {} |", median(ratios), median(threads));
}

/// Computes in registers, since the time of an access to the stack depends on the thread.
fn work() {
    let mut state = black_box(1_u64);
    for _ in 0..120_000 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
    }
    black_box(state);
}

/// Returns how long the computing tasks take, and how many threads the pool has at the end.
fn compute(most: usize, sleeps: fn(usize) -> bool, sleep: fn()) -> (Duration, usize) {
    let pool = pool(WORKERS, most);
    let left = Arc::new(AtomicUsize::new(COMPUTE_TASKS));
    let me = thread::current();
    let start = Instant::now();
    for n in 0..COMPUTE_TASKS {
        if sleeps(n) {
            drop(pool.spawn(sleep));
        }
        let (left, me) = (left.clone(), me.clone());
        drop(pool.spawn(move || {
            work();
            if left.fetch_sub(1, Ordering::SeqCst) == 1 {
                me.unpark();
            }
        }));
    }
    while left.load(Ordering::SeqCst) > 0 {
        thread::park();
    }
    let took = start.elapsed();
    let threads = WORKERS + pool.counters().spare_threads;
    drop(pool);
    (took, threads)
}
