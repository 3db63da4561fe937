//! Mixes everything a pool can do for as long as told, and checks that nothing is lost: every task
//! that was submitted has run or panicked, every value that was made was dropped, every answer is
//! right, and something moves all the time. Prints a line a second.
//!
//! ```text
//! cargo run --release --example soak -- --threads 8 --seconds 60
//! ```

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use filch::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder, WaitPolicy};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

#[derive(Parser)]
#[command(about = "Runs a mix of everything for as long as told, and checks that nothing is lost")]
struct Args {
    /// Workers of each pool
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// How long, in seconds
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// What the mix begins with; the timing of threads is not decided by it
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Outside threads that call into the pools
    #[arg(long, default_value_t = 3)]
    callers: usize,
    /// Seconds without any progress that count as a stall
    #[arg(long, default_value_t = 20)]
    stall: u64,
    /// Prints the last line only
    #[arg(long)]
    quiet: bool,
}

/// What was done, and what came of it.
#[derive(Default)]
struct Books {
    submitted: AtomicU64,
    ran: AtomicU64,
    panicked: AtomicU64,
    created: AtomicU64,
    dropped: AtomicU64,
    rounds: AtomicU64,
    pools: AtomicU64,
    wrong: AtomicU64,
}

impl Books {
    fn check(&self, what: &str, right: bool) {
        if !right {
            eprintln!("wrong: {what}");
            self.wrong.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn tasks_ended(&self) -> u64 {
        self.ran.load(Ordering::Acquire) + self.panicked.load(Ordering::Acquire)
    }

    /// Whether everything is accounted for, when nothing is under way.
    fn is_balanced(&self) -> bool {
        self.submitted.load(Ordering::Acquire) == self.tasks_ended()
            && self.created.load(Ordering::Acquire) == self.dropped.load(Ordering::Acquire)
    }
}

/// A value that is counted when it is made and when it is dropped.
struct Token(Arc<Books>);

impl Token {
    fn new(books: &Arc<Books>) -> Self {
        books.created.fetch_add(1, Ordering::Relaxed);
        Token(books.clone())
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, Ordering::Release);
    }
}

/// The closure of a task: counted from here on, and panics if it is to.
fn task(books: &Arc<Books>, fails: bool) -> impl FnOnce() -> u64 + Send + 'static {
    books.submitted.fetch_add(1, Ordering::Relaxed);
    let token = Token::new(books);
    move || {
        let books = token.0.clone();
        if fails {
            books.panicked.fetch_add(1, Ordering::Release);
            resume_unwind(Box::new(token));
        }
        let sum = fib(10);
        books.ran.fetch_add(1, Ordering::Release);
        sum
    }
}

fn fib(n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let (a, b) = filch::join(|| fib(n - 1), || fib(n - 2));
    a + b
}

/// Whether `result` is what a task of that kind comes to.
fn is_right(result: thread::Result<u64>, fails: bool) -> bool {
    match result {
        Ok(value) => !fails && value == 55,
        Err(payload) => fails && payload.is::<Token>(),
    }
}

/// One random thing on a pool, with `other` at hand.
fn round(rng: &mut SmallRng, pool: &ThreadPool, other: &ThreadPool, books: &Arc<Books>) {
    let fails = rng.random_ratio(1, 8);
    let many = rng.random_range(1..200);
    match rng.random_range(0..11) {
        0 => books.check("join", pool.join(|| fib(14), || fib(15)) == (377, 610)),
        1 => books.check("install", pool.install(|| fib(13)) == 233),
        2 => {
            let ended = catch_unwind(AssertUnwindSafe(|| {
                pool.scope(|s| {
                    for i in 0..many {
                        drop(s.spawn(task(books, fails && i == many / 2)));
                    }
                });
            }));
            books.check("scope", ended.is_err() == fails);
        }
        3 => pool.scope(|s| {
            let handles: Vec<_> = (0..many).map(|_| s.spawn(task(books, fails))).collect();
            let right = handles.into_iter().all(|handle| is_right(handle.join(), fails));
            books.check("joined tasks of a scope", right);
        }),
        4 => (0..many).for_each(|_| drop(pool.spawn(task(books, fails)))),
        5 => {
            let handles: Vec<_> = (0..many).map(|_| pool.spawn(task(books, fails))).collect();
            let right = handles.into_iter().all(|handle| is_right(handle.join(), fails));
            books.check("joined tasks", right);
        }
        6 => {
            let sum: u64 = pool.broadcast(|context| context.index() as u64).into_iter().sum();
            let last = pool.current_num_threads() as u64 - 1;
            books.check("broadcast", sum == last * (last + 1) / 2);
        }
        7 => {
            let there_and_back = || other.install(|| pool.install(|| fib(8)));
            books.check("two pools", pool.join(there_and_back, there_and_back) == (21, 21));
        }
        8 => {
            let ended = catch_unwind(AssertUnwindSafe(|| {
                pool.join(task(books, fails), task(books, fails))
            }));
            books.check("failing join", ended.is_err() == fails);
        }
        9 => pool.in_place_scope(|s| {
            for _ in 0..many {
                s.spawn(|| {
                    filch::scope(|inner| drop(inner.spawn(task(books, false))));
                });
            }
        }),
        // Time to go to sleep.
        _ => thread::sleep(Duration::from_micros(rng.random_range(0..3000))),
    }
    books.rounds.fetch_add(1, Ordering::Relaxed);
}

/// The pools, which are replaced now and then while they are in use.
struct Pools {
    current: RwLock<(Arc<ThreadPool>, Arc<ThreadPool>)>,
    threads: usize,
}

impl Pools {
    fn build(threads: usize) -> Result<Arc<ThreadPool>, ThreadPoolBuildError> {
        let policy = if rand::random() { WaitPolicy::AnyWork } else { WaitPolicy::OwnDescendants };
        let builder = ThreadPoolBuilder::new().num_threads(threads).wait_policy(policy);
        builder.panic_handler(drop).build().map(Arc::new)
    }

    fn new(threads: usize) -> Result<Self, ThreadPoolBuildError> {
        let current = RwLock::new((Self::build(threads)?, Self::build(threads)?));
        Ok(Pools { current, threads })
    }

    fn get(&self) -> (Arc<ThreadPool>, Arc<ThreadPool>) {
        self.current.read().expect("nothing panics under this lock").clone()
    }

    /// Puts a new pool in the place of the second. The last user of that one ends it.
    fn replace(&self) -> Result<(), ThreadPoolBuildError> {
        let new = Self::build(self.threads)?;
        let mut current = self.current.write().expect("nothing panics under this lock");
        let old = std::mem::replace(&mut current.1, new);
        let (first, second) = &mut *current;
        std::mem::swap(first, second);
        drop(current);
        drop(old);
        Ok(())
    }
}

/// The process's resident memory, in MiB, where that can be known.
fn memory() -> Option<u64> {
    let pages: u64 =
        std::fs::read_to_string("/proc/self/statm").ok()?.split(' ').nth(1)?.parse().ok()?;
    Some((pages * 4096) >> 20)
}

fn caller(seed: u64, pools: &Pools, books: &Arc<Books>, over: &AtomicBool) {
    let mut rng = SmallRng::seed_from_u64(seed);
    while !over.load(Ordering::Relaxed) {
        let (pool, other) = pools.get();
        for _ in 0..rng.random_range(1..50) {
            round(&mut rng, &pool, &other, books);
        }
        if rng.random_ratio(1, 40) {
            match pools.replace() {
                Ok(()) => drop(books.pools.fetch_add(1, Ordering::Relaxed)),
                Err(error) => books.check(&error.to_string(), false),
            }
        }
    }
}

/// Ends the process with a report if nothing moves for as long as a stall.
fn watch(books: &Books, stall: Duration, over: &AtomicBool) {
    let progress = || books.rounds.load(Ordering::Relaxed) + books.tasks_ended();
    let (mut last, mut since) = (progress(), Instant::now());
    while !over.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(100));
        let now = progress();
        if now != last {
            (last, since) = (now, Instant::now());
        } else if since.elapsed() > stall {
            eprintln!("a stall: nothing has moved for {stall:?}\n{}", filch::dump());
            std::process::exit(2);
        }
    }
}

fn line(second: u64, before: u64, books: &Books) -> String {
    let ended = books.tasks_ended();
    format!(
        "{second:5} s: {:8} tasks/s, {ended} ended, {} panicked, {} rounds, {} pools, {} live values, {} MiB",
        ended - before,
        books.panicked.load(Ordering::Relaxed),
        books.rounds.load(Ordering::Relaxed),
        books.pools.load(Ordering::Relaxed),
        books.created.load(Ordering::Relaxed).wrapping_sub(books.dropped.load(Ordering::Relaxed))
            as i64,
        memory().unwrap_or_default(),
    )
}

fn main() -> Result<ExitCode, ThreadPoolBuildError> {
    let args = Args::parse();
    let books = Arc::new(Books::default());
    let pools = Pools::new(args.threads)?;
    let (over, watched) = (AtomicBool::new(false), AtomicBool::new(false));
    let mut warm = None;
    let stall = Duration::from_secs(args.stall);
    thread::scope(|s| {
        let watching = s.spawn(|| watch(&books, stall, &watched));
        thread::scope(|s| {
            for i in 0..args.callers as u64 {
                let (pools, books, over) = (&pools, &books, &over);
                s.spawn(move || caller(args.seed.wrapping_mul(1000) + i, pools, books, over));
            }
            let mut before = 0;
            for second in 1..=args.seconds {
                thread::sleep(Duration::from_secs(1));
                if !args.quiet {
                    println!("{}", line(second, before, &books));
                }
                before = books.tasks_ended();
                if second == args.seconds.div_ceil(3) {
                    warm = memory();
                }
            }
            over.store(true, Ordering::Relaxed);
        });
        // What is detached ends with its pool; until then something has to move.
        drop(pools);
        watched.store(true, Ordering::Relaxed);
        books.check("the watcher panicked", watching.join().is_ok());
    });
    println!("{}", line(args.seconds, books.tasks_ended(), &books));
    let grown = warm.zip(memory()).map_or(0, |(warm, now)| now.saturating_sub(warm));
    books.check(&format!("{grown} MiB more than after a third of the time"), grown < 64);
    books.check("tasks or values are not accounted for", books.is_balanced());
    let right = books.wrong.load(Ordering::Relaxed) == 0;
    println!("{}", if right { "everything is accounted for" } else { "FAILED" });
    Ok(if right { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
