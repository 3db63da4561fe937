//! Mixes everything that a pool can do for a given time, and checks that nothing is lost: every
//! submitted task has run or panicked, every value was dropped, every answer is right, something
//! moves all the time, and no caller waits for long. Prints a line each second.
//!
//! ```text
//! FILCH_SOAK_SECONDS=60 FILCH_SOAK_THREADS=8 cargo test --release --test soak -- --nocapture
//! ```
//!
//! `FILCH_SOAK_SEED` decides how the mix begins. It does not decide the timing of threads.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use filch::prelude::*;
use filch::{
    CancelToken, JoinError, TaskOrder, ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder,
    WaitPolicy,
};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

/// When a caller began an operation, and its name.
type Turn = (Instant, &'static str);

/// Counts of what has happened.
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
    /// The longest round since the last line, in microseconds.
    longest: AtomicU64,
    /// What each caller does now, and since when.
    callers: Box<[Mutex<Option<Turn>>]>,
}

impl Books {
    fn new(callers: usize) -> Self {
        Books { callers: (0..callers).map(|_| Mutex::default()).collect(), ..Books::default() }
    }

    /// Measures the time that `caller` spends in `body`.
    fn time<R>(&self, caller: usize, what: &'static str, body: impl FnOnce() -> R) -> R {
        let (began, at) = (Instant::now(), &self.callers[caller]);
        *at.lock().expect("nothing panics under this lock") = Some((began, what));
        let result = body();
        *at.lock().expect("nothing panics under this lock") = None;
        self.longest.fetch_max(began.elapsed().as_micros() as u64, Ordering::Relaxed);
        result
    }

    /// The caller whose round has lasted longest: for how long, which caller, and what it does.
    fn slowest(&self) -> Option<(Duration, usize, &'static str)> {
        let at = |at: &Mutex<Option<Turn>>| *at.lock().expect("nothing panics under this lock");
        let running = self.callers.iter().map(at).enumerate();
        running.filter_map(|(i, at)| at.map(|(since, what)| (since.elapsed(), i, what))).max()
    }

    fn check(&self, what: &str, right: bool) {
        if !right {
            eprintln!("wrong: {what}");
            self.wrong.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn tasks_ended(&self) -> u64 {
        self.ran.load(Ordering::Acquire) + self.panicked.load(Ordering::Acquire)
    }

    /// Whether everything is accounted for, once no operation is running.
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

/// Panics when it is dropped.
struct Bomb(#[allow(dead_code, reason = "it is counted")] Token);

impl Drop for Bomb {
    fn drop(&mut self) {
        resume_unwind(Box::new(()));
    }
}

/// Whether `body` panics. The drop of the payload may panic as well.
fn fails<R>(body: impl FnOnce() -> R) -> bool {
    let payload = catch_unwind(AssertUnwindSafe(|| drop(body()))).err();
    let failed = payload.is_some();
    let _ = catch_unwind(AssertUnwindSafe(|| drop(payload)));
    failed
}

/// The closure of a task. It is counted from here on, and panics if `fails`.
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

/// Whether `result` is that of such a task.
fn is_right(result: Result<u64, JoinError>, fails: bool) -> bool {
    match result {
        Ok(value) => !fails && value == 55,
        Err(error) => fails && error.into_panic().is::<Token>(),
    }
}

type Round = fn(&mut SmallRng, &ThreadPool, &ThreadPool, &Arc<Books>);

/// What callers do, at random, on one pool and with another one.
const ROUNDS: [(&str, Round); 20] = [
    ("join", |_, pool, _, books| {
        books.check("join", pool.join(|| fib(14), || fib(15)) == (377, 610));
    }),
    ("install", |_, pool, _, books| books.check("install", pool.install(|| fib(13)) == 233)),
    ("scope", |rng, pool, _, books| {
        let (many, failing) = (many(rng), rng.random_ratio(1, 8));
        let task = |i| task(books, failing && i == many / 2);
        let ended = fails(|| pool.scope(|s| (0..many).for_each(|i| drop(s.spawn(task(i))))));
        books.check("scope", ended == failing);
    }),
    ("joined tasks of a scope", |rng, pool, _, books| {
        let (many, failing) = (many(rng), rng.random_ratio(1, 8));
        pool.scope(|s| {
            let handles: Vec<_> = (0..many).map(|_| s.spawn(task(books, failing))).collect();
            let right = handles.into_iter().all(|handle| is_right(handle.join(), failing));
            books.check("joined tasks of a scope", right);
        });
    }),
    ("detached tasks", |rng, pool, _, books| {
        let failing = rng.random_ratio(1, 8);
        (0..many(rng)).for_each(|_| drop(pool.spawn(task(books, failing))));
    }),
    ("joined tasks", |rng, pool, _, books| {
        let failing = rng.random_ratio(1, 8);
        let handles: Vec<_> = (0..many(rng)).map(|_| pool.spawn(task(books, failing))).collect();
        let right = handles.into_iter().all(|handle| is_right(handle.join(), failing));
        books.check("joined tasks", right);
    }),
    ("broadcast", |_, pool, _, books| {
        let sum: u64 = pool.broadcast(|context| context.index() as u64).into_iter().sum();
        let last = pool.current_num_threads() as u64 - 1;
        books.check("broadcast", sum == last * (last + 1) / 2);
    }),
    ("two pools", |_, pool, other, books| {
        let there_and_back = || other.install(|| pool.install(|| fib(8)));
        books.check("two pools", pool.join(there_and_back, there_and_back) == (21, 21));
    }),
    ("failing join", |rng, pool, _, books| {
        let failing = rng.random_ratio(1, 8);
        let ended = fails(|| pool.join(task(books, failing), task(books, failing)));
        books.check("failing join", ended == failing);
    }),
    ("scopes in a scope", |rng, pool, _, books| {
        pool.in_place_scope(|s| {
            for _ in 0..many(rng) {
                s.spawn(|| {
                    filch::scope(|inner| drop(inner.spawn(task(books, false))));
                });
            }
        });
    }),
    ("time to go to sleep", |rng, _, _, _| {
        thread::sleep(Duration::from_micros(rng.random_range(0..3000)));
    }),
    ("loop", |rng, pool, _, books| {
        let (many, failing) = (many(rng), rng.random_ratio(1, 8));
        let work = |i| task(books, failing && i == many / 2)();
        let sum = || (0..many).into_par_iter().with_max_len(4).map(work).sum::<u64>();
        // Items after the panic may be skipped. Then their tasks are not submitted.
        let ended = fails(|| books.check("sum", pool.install(sum) == 55 * many as u64));
        books.check("loop", ended == failing);
        let make = || (0..many).into_par_iter().map(|_| Token::new(books)).collect::<Vec<_>>();
        books.check("collected", pool.install(make).len() == many);
    }),
    ("sort", |rng, pool, _, books| {
        let mut values: Vec<u16> = (0..100 * many(rng)).map(|_| rng.random()).collect();
        let mut expected = values.clone();
        expected.sort_unstable();
        let stable = rng.random();
        pool.install(|| if stable { values.par_sort() } else { values.par_sort_unstable() });
        books.check("sort", values == expected);
    }),
    ("cancelled loop", |rng, pool, _, books| {
        let (many, token) = (many(rng), CancelToken::new());
        let last = rng.random_range(0..2 * many);
        let items = (0..many).into_par_iter().with_max_len(4);
        let work = |i| {
            if i == last {
                token.cancel();
            }
            task(books, false)()
        };
        let done = items.map(work).with_pool(pool).cancel_with(&token, |items| items.count());
        let right = if token.is_cancelled() { done.is_err() } else { done == Ok(many) };
        books.check("cancelled loop", right);
    }),
    ("tasks in order", |rng, pool, _, books| {
        let (many, failing) = (many(rng), rng.random_ratio(1, 8));
        let task = || task(books, failing);
        (0..many).for_each(|_| pool.spawn_fifo(discarded(task())));
        let all = || pool.scope(|s| (0..many).for_each(|_| s.spawn_fifo(discarded(task()))));
        books.check("tasks in order", fails(all) == failing);
    }),
    ("detached broadcasts", |rng, pool, _, books| {
        let failing = rng.random_ratio(1, 8);
        let work = |books: Arc<Books>| {
            move |_: filch::BroadcastContext| {
                task(&books, failing)();
            }
        };
        pool.spawn_broadcast(work(books.clone()));
        let ended = fails(|| pool.scope(|s| s.spawn_broadcast(work(books.clone()))));
        books.check("broadcast of a scope", ended == failing);
    }),
    ("yields", |rng, pool, _, books| {
        let many = many(rng);
        pool.install(|| {
            let tasks: Vec<_> = (0..many).map(|_| filch::spawn(task(books, false))).collect();
            for task in &tasks {
                while !task.is_finished() {
                    filch::yield_local();
                    filch::yield_now();
                }
            }
        });
    }),
    ("drops that panic", |rng, pool, _, books| {
        let bomb = || Bomb(Token::new(books));
        for _ in 0..many(rng) {
            let (capture, payload, result) = (bomb(), bomb(), bomb());
            drop(pool.spawn(move || drop(capture)));
            // The handle of a task that has ended may own the value that is dropped.
            fails(|| pool.spawn(move || -> () { resume_unwind(Box::new(payload)) }));
            fails(|| pool.spawn(move || result));
        }
        let all = || {
            pool.scope(|s| {
                for i in 0..6 {
                    let bomb = bomb();
                    s.spawn(move || if i < 3 { Some(bomb) } else { resume_unwind(Box::new(bomb)) });
                }
            });
        };
        books.check("drops that panic", fails(all));
    }),
    ("pool of its own", |rng, _, _, books| own_pool(rng, books)),
    ("pool that ends in the background", |rng, _, _, books| match settings(rng, books).build() {
        Ok(pool) => {
            (0..many(rng)).for_each(|_| drop(pool.spawn(task(books, false))));
            pool.shutdown_background();
        }
        Err(error) => books.check(&error.to_string(), false),
    }),
];

fn many(rng: &mut SmallRng) -> usize {
    rng.random_range(1..200)
}

fn discarded<R>(task: impl FnOnce() -> R + Send) -> impl FnOnce() + Send {
    move || drop(task())
}

/// Builds a pool in one of several ways, uses it, and ends it.
fn own_pool(rng: &mut SmallRng, books: &Arc<Books>) {
    let (many, builder) = (many(rng), settings(rng, books));
    let work = |pool: &ThreadPool| {
        (0..many).for_each(|_| drop(pool.spawn(task(books, false))));
        books.check("pool of its own", pool.join(|| fib(10), || fib(11)) == (55, 89));
    };
    let built = match rng.random_range(0..3) {
        0 => builder.build().map(|pool| work(&pool)),
        1 => builder.build_scoped(|worker| worker.run(), work),
        _ => thread::scope(|plain| {
            let here = plain.spawn(|| {
                // Captures of handlers need not be `Send`, so the pool is built on this thread.
                let own = ThreadPoolBuilder::new().num_threads(2).use_current_thread();
                own.build().map(|pool| work(&pool))
            });
            here.join().unwrap_or_else(|payload| resume_unwind(payload))
        }),
    };
    if let Err(error) = built {
        books.check(&error.to_string(), false);
    }
}

/// Settings of a small pool: everything in which pools may differ, and handlers, some of which
/// panic.
fn settings(rng: &mut SmallRng, books: &Arc<Books>) -> ThreadPoolBuilder {
    let fails = rng.random_ratio(1, 4);
    let [start, exit, park, unpark] = [(); 4].map(|()| {
        let token = Token::new(books);
        move |_| {
            let token = Token::new(&token.0);
            if fails {
                resume_unwind(Box::new(token));
            }
        }
    });
    let builder = policies(rng).num_threads(rng.random_range(1..4)).panic_handler(drop);
    let builder = builder.start_handler(start).exit_handler(exit);
    builder.park_handler(park).unpark_handler(unpark)
}

/// The policies, which the seed decides.
fn policies(rng: &mut SmallRng) -> ThreadPoolBuilder {
    let wait = if rng.random() { WaitPolicy::AnyWork } else { WaitPolicy::OwnDescendants };
    let order = if rng.random() { TaskOrder::NewestFirst } else { TaskOrder::OldestFirst };
    ThreadPoolBuilder::new().wait_policy(wait).task_order(order).lend_seats(rng.random_ratio(3, 4))
}

/// The pools. They are replaced now and then while they are in use.
struct Pools {
    current: RwLock<(Arc<ThreadPool>, Arc<ThreadPool>)>,
    threads: usize,
}

impl Pools {
    fn build(rng: &mut SmallRng, threads: usize) -> Result<Arc<ThreadPool>, ThreadPoolBuildError> {
        policies(rng).num_threads(threads).panic_handler(drop).build().map(Arc::new)
    }

    fn new(rng: &mut SmallRng, threads: usize) -> Result<Self, ThreadPoolBuildError> {
        let current = RwLock::new((Self::build(rng, threads)?, Self::build(rng, threads)?));
        Ok(Pools { current, threads })
    }

    fn get(&self) -> (Arc<ThreadPool>, Arc<ThreadPool>) {
        self.current.read().expect("nothing panics under this lock").clone()
    }

    /// Replaces the second pool by a new one. The last user of the old one ends it.
    fn replace(&self, rng: &mut SmallRng) -> Result<(), ThreadPoolBuildError> {
        let new = Self::build(rng, self.threads)?;
        let mut current = self.current.write().expect("nothing panics under this lock");
        let old = std::mem::replace(&mut current.1, new);
        let (first, second) = &mut *current;
        std::mem::swap(first, second);
        drop(current);
        drop(old);
        Ok(())
    }
}

/// The process's resident memory in MiB, if the system reports it.
fn memory() -> Option<u64> {
    let pages: u64 =
        std::fs::read_to_string("/proc/self/statm").ok()?.split(' ').nth(1)?.parse().ok()?;
    Some((pages * 4096) >> 20)
}

fn caller(index: usize, seed: u64, pools: &Pools, books: &Arc<Books>, over: &AtomicBool) {
    let mut rng = SmallRng::seed_from_u64(seed);
    while !over.load(Ordering::Relaxed) {
        let (pool, other) = pools.get();
        for _ in 0..rng.random_range(1..50) {
            let (what, round) = ROUNDS[rng.random_range(0..ROUNDS.len())];
            books.time(index, what, || round(&mut rng, &pool, &other, books));
            books.rounds.fetch_add(1, Ordering::Relaxed);
        }
        // The last thread that has a pool waits for its end.
        books.time(index, "end of a pool", || drop((pool, other)));
        if rng.random_ratio(1, 40) {
            match books.time(index, "new pool", || pools.replace(&mut rng)) {
                Ok(()) => drop(books.pools.fetch_add(1, Ordering::Relaxed)),
                Err(error) => books.check(&error.to_string(), false),
            }
        }
    }
}

/// Aborts the process with a report if nothing moves for `stall`, or if a round takes longer than
/// `slow`.
fn watch(books: &Books, stall: Duration, slow: Duration, over: &AtomicBool) {
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
        if let Some((time, caller, what)) = books.slowest().filter(|(time, ..)| *time > slow) {
            eprintln!("a stall: caller {caller} is in \"{what}\" for {time:?}\n{}", filch::dump());
            std::process::exit(2);
        }
    }
}

fn line(second: u64, before: u64, books: &Books) -> String {
    let ended = books.tasks_ended();
    let running = books.slowest().map_or(0, |(time, ..)| time.as_micros() as u64);
    let longest = books.longest.swap(0, Ordering::Relaxed).max(running) / 1000;
    format!(
        "{second:5} s: {:8} tasks/s, {ended} ended, {} panicked, {} rounds, longest {longest} ms, \
         {} pools, {} live values, {} MiB",
        ended - before,
        books.panicked.load(Ordering::Relaxed),
        books.rounds.load(Ordering::Relaxed),
        books.pools.load(Ordering::Relaxed),
        books.created.load(Ordering::Relaxed).wrapping_sub(books.dropped.load(Ordering::Relaxed))
            as i64,
        memory().unwrap_or_default(),
    )
}

/// A number from the environment.
fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |value| {
        value.parse().unwrap_or_else(|_| panic!("{variable}: {value:?} is not a number"))
    })
}

#[test]
fn nothing_is_lost() {
    let (seconds, threads) = (number("FILCH_SOAK_SECONDS", 2), number("FILCH_SOAK_THREADS", 8));
    let (seed, callers) = (number("FILCH_SOAK_SEED", 1).wrapping_mul(1000), 3);
    // These times without any progress, or in a single round of a caller, count as a stall.
    let (stall, slow) = (common::time_limit() / 3, common::time_limit() / 2);
    let books = Arc::new(Books::new(callers));
    let mut rng = SmallRng::seed_from_u64(seed.wrapping_sub(1));
    let pools = Pools::new(&mut rng, threads as usize).expect("pools that can be built");
    let (over, watched) = (AtomicBool::new(false), AtomicBool::new(false));
    let mut warm = None;
    thread::scope(|s| {
        let watching = s.spawn(|| watch(&books, stall, slow, &watched));
        thread::scope(|s| {
            for i in 0..callers {
                let (pools, books, over) = (&pools, &books, &over);
                s.spawn(move || caller(i, seed.wrapping_add(i as u64), pools, books, over));
            }
            let mut before = 0;
            for second in 1..=seconds {
                thread::sleep(Duration::from_secs(1));
                println!("{}", line(second, before, &books));
                before = books.tasks_ended();
                if second == seconds.div_ceil(3) {
                    warm = memory();
                }
            }
            over.store(true, Ordering::Relaxed);
        });
        // Detached tasks end with their pool. Until then something has to move.
        drop(pools);
        // No other thread waits for pools that end in the background.
        let since = Instant::now();
        while !books.is_balanced() && since.elapsed() < stall {
            thread::sleep(Duration::from_millis(10));
        }
        watched.store(true, Ordering::Relaxed);
        books.check("the watcher panicked", watching.join().is_ok());
    });
    println!("{}", line(seconds, books.tasks_ended(), &books));
    let grown = warm.zip(memory()).map_or(0, |(warm, now)| now.saturating_sub(warm));
    // The memory that allocators and checkers keep stops growing only after some seconds.
    let is_level = grown < 64 || seconds < 10;
    books.check(&format!("{grown} MiB more than after a third of the time"), is_level);
    books.check("tasks or values are not accounted for", books.is_balanced());
    assert_eq!(books.wrong.load(Ordering::Relaxed), 0, "see above");
}
