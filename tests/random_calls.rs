//! Random programs: tasks, handlers, thread names, thread-locals, payloads and values call any
//! function of the library, on pools that they share and on pools that they build. Whatever they
//! call, they end, and every value is dropped once. On deterministic pools they do the same each
//! time.

mod common;

use std::cell::RefCell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use common::{Ledger, Token, eventually, watchdog};
use filch::prelude::*;
use filch::{TaskOrder, ThreadPool, ThreadPoolBuilder, WaitPolicy, schedule_point};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

/// How deep calls may nest.
const DEPTH: u32 = 5;
/// How many calls a program may make.
const CALLS: usize = 300;
/// How many calls the closures of one pool may make. Otherwise handlers could call each other
/// without end.
const CALLS_OF_HANDLERS: usize = 12;

/// What the calls of one program share.
struct Program {
    pools: [Weak<ThreadPool>; 2],
    is_simulated: bool,
    left: AtomicUsize,
    ledger: &'static Ledger,
    /// A hash of all calls and their workers, in order.
    trace: AtomicU64,
}

impl Program {
    fn note(&self, what: usize) {
        let worker = filch::current_thread_index().unwrap_or(99);
        let trace = self.trace.load(Ordering::SeqCst) ^ (100 * what + worker) as u64;
        self.trace.store(trace.wrapping_mul(0x100_0000_01b3).rotate_left(9), Ordering::SeqCst);
    }
}

/// Takes one of the calls that are `left`.
fn take_one(left: &AtomicUsize) -> bool {
    left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

/// Calls `f`. If it panics, drops the payload, whose drop may panic as well.
fn guarded(f: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(f)) {
        _ = catch_unwind(AssertUnwindSafe(|| drop(payload)));
    }
}

/// Panics without a message. The payload has no drop, so the library has no reason to leak it.
fn blow_up<R>() -> R {
    resume_unwind(Box::new(()))
}

/// Calls that are made when this is dropped, the first one first.
struct AtEnd(Vec<Call>);

impl Drop for AtEnd {
    fn drop(&mut self) {
        self.0.drain(..).for_each(|call| call.run());
    }
}

thread_local! {
    static AT_END: RefCell<AtEnd> = const { RefCell::new(AtEnd(Vec::new())) };
}

/// A value, or the payload of a panic. Its drop makes a call and may panic.
struct Loaded(Call);

impl Drop for Loaded {
    fn drop(&mut self) {
        let token = self.0.program.ledger.token();
        self.0.run();
        drop(token);
        if self.0.seed % 7 == 0 && !thread::panicking() {
            blow_up::<()>();
        }
    }
}

/// A call of some function of the library.
#[derive(Clone)]
struct Call {
    program: Arc<Program>,
    seed: u64,
    depth: u32,
}

impl Call {
    /// A call that this one makes.
    fn inner(&self, rng: &mut SmallRng) -> Call {
        let depth = self.depth.saturating_sub(1);
        Call { program: self.program.clone(), seed: rng.random(), depth }
    }

    fn token(&self) -> Token {
        self.program.ledger.token()
    }

    fn run(&self) {
        guarded(|| self.run_unguarded());
    }

    fn run_unguarded(&self) {
        if self.depth == 0 || !take_one(&self.program.left) {
            return;
        }
        let _token = self.token();
        let mut rng = SmallRng::seed_from_u64(self.seed);
        let kind = rng.random_range(0..12);
        self.program.note(kind);
        schedule_point();
        let shared = self.program.pools[rng.random_range(0..2)].upgrade();
        // The global pool is not simulated.
        let has_current = !self.program.is_simulated || filch::current_thread_index().is_some();
        match (shared, kind) {
            (Some(pool), 0..2) => self.fork_in(&pool, &mut rng),
            (Some(pool), 2..4) => self.spawn_in(&pool, &mut rng),
            (Some(pool), 4) => self.panic_in(&pool, &mut rng),
            (_, 5..8) if has_current => self.use_the_current_pool(&mut rng),
            (_, 8) => self.call_later(&mut rng),
            (_, 9) => self.use_a_pool_of_its_own(&mut rng),
            (_, 10) => resume_unwind(Box::new(Loaded(self.inner(&mut rng)))),
            _ => _ = filch::dump().to_string(),
        }
        self.program.note(kind);
    }

    fn fork_in(&self, pool: &ThreadPool, rng: &mut SmallRng) {
        let [a, b] = [(); 2].map(|()| self.inner(rng));
        match rng.random_range(0..4) {
            0 => pool.install(|| a.run()),
            1 => _ = pool.join(|| a.run(), || b.run()),
            2 => pool.in_place_scope(|s| {
                s.spawn(|| a.run());
                s.spawn_broadcast(|_| schedule_point());
                b.run();
            }),
            _ => {
                let run = |worker| if worker == 0 { a.run() } else { schedule_point() };
                let all = pool.broadcast(|context| run(context.index()));
                assert_eq!(all.len(), pool.current_num_threads());
            }
        }
    }

    fn spawn_in(&self, pool: &ThreadPool, rng: &mut SmallRng) {
        let (a, token, loaded) = (self.inner(rng), self.token(), Loaded(self.inner(rng)));
        let task = move || {
            a.run();
            token
        };
        match rng.random_range(0..4) {
            0 => drop(pool.spawn(task)),
            1 => drop(pool.spawn(task).join()),
            2 => drop(pool.spawn(move || drop(loaded))),
            _ => {
                let task = pool.spawn(move || loaded);
                pool.install(|| drop(task.join()));
            }
        }
    }

    fn panic_in(&self, pool: &ThreadPool, rng: &mut SmallRng) {
        let loaded = Loaded(self.inner(rng));
        let task = pool.spawn(move || -> Token { resume_unwind(Box::new(loaded)) });
        match rng.random_range(0..3) {
            0 => drop(task),
            1 => drop(task.join()),
            _ => drop(pool.install(|| task.join())),
        }
    }

    /// Uses the free functions.
    fn use_the_current_pool(&self, rng: &mut SmallRng) {
        let [a, b, c] = [(); 3].map(|()| self.inner(rng));
        let panics = |call: Call| -> Token { resume_unwind(Box::new(Loaded(call))) };
        match rng.random_range(0..11) {
            0 => _ = filch::join(|| a.run(), || b.run()),
            1 => drop(filch::spawn(move || a.run())),
            2 => drop(filch::spawn(move || Loaded(a)).join()),
            3 => filch::scope(|s| {
                s.spawn(|| a.run());
                s.spawn_fifo(|| b.run());
                c.run();
            }),
            4 => filch::scope(|s| drop((s.spawn(|| panics(a)), s.spawn(|| panics(b))))),
            5 => _ = filch::join(blow_up::<()>, || Loaded(a)),
            6 => {
                let loaded = Loaded(a);
                filch::spawn_broadcast(move |_| _ = &loaded);
            }
            7 => {
                let loads = |i| if i % 16 == 3 { Some(Loaded(a.clone())) } else { None };
                let last = self.seed % 80;
                let loads = |i| if i == last { blow_up() } else { loads(i) };
                drop((0..40_u64).into_par_iter().map(loads).collect::<Vec<_>>());
            }
            8 => filch::blocking(|| {
                a.run();
                schedule_point();
            }),
            9 => match filch::try_spawn(move || a.run()) {
                Ok(task) => drop(task),
                Err(refused) => refused.into_inner()(),
            },
            _ => _ = (filch::yield_now(), filch::current_thread_has_pending_tasks()),
        }
    }

    /// Leaves a call to a destructor of this thread, or to another thread.
    fn call_later(&self, rng: &mut SmallRng) {
        let (call, token) = (self.inner(rng), self.token());
        if !self.program.is_simulated && rng.random_ratio(1, 3) {
            thread::spawn(move || {
                call.run();
                drop(token);
            });
            return;
        }
        let push = |at_end: &RefCell<AtEnd>| {
            if let Ok(mut at_end) = at_end.try_borrow_mut() {
                at_end.0.push(call);
            }
        };
        _ = AT_END.try_with(push);
    }

    fn use_a_pool_of_its_own(&self, rng: &mut SmallRng) {
        let [a, b] = [(); 2].map(|()| self.inner(rng));
        let builder = self.builder(rng);
        if !self.program.is_simulated && rng.random_ratio(1, 6) {
            let wrapper = |thread: filch::ThreadBuilder| thread.run();
            _ = builder.build_scoped(wrapper, |pool| pool.install(|| a.run()));
            return;
        }
        let mut built = None;
        guarded(|| built = builder.build().ok());
        let Some(pool) = built else { return };
        match rng.random_range(0..4) {
            0 => {
                pool.install(|| a.run());
                pool.shutdown_background();
            }
            1 => {
                // A task of the pool may drop it.
                let pool = Arc::new(pool);
                let theirs = pool.clone();
                pool.spawn(move || {
                    a.run();
                    drop(theirs);
                });
            }
            2 => {
                drop(pool.spawn(move || a.run()));
                let loaded = Loaded(b);
                drop(pool.spawn(move || drop(loaded)));
                pool.shutdown_now();
            }
            _ => _ = pool.join(|| a.run(), || b.run()),
        }
    }

    /// A builder whose closures all make calls, which may panic.
    fn builder(&self, rng: &mut SmallRng) -> ThreadPoolBuilder {
        let left = Arc::new(AtomicUsize::new(CALLS_OF_HANDLERS));
        let closure = |rng: &mut SmallRng| {
            let (call, left, token) = (self.inner(rng), left.clone(), self.token());
            move |index: usize| {
                let _ = &token;
                if take_one(&left) {
                    Call { seed: call.seed.wrapping_add(index as u64), ..call.clone() }
                        .run_unguarded();
                }
            }
        };
        let tells = closure(rng);
        let mut builder = ThreadPoolBuilder::new()
            .num_threads(rng.random_range(1..5))
            .lend_seats(rng.random())
            .max_spare_threads([0, 1, 1000][rng.random_range(0..3)])
            .max_blocking_threads([0, 1, 1000][rng.random_range(0..3)])
            .panic_handler(move |payload| {
                tells(0);
                drop(payload);
            });
        for what in 0..8 {
            if rng.random_ratio(2, 3) {
                continue;
            }
            let calls = closure(rng);
            builder = match what {
                0 => builder.start_handler(calls),
                1 => builder.exit_handler(calls),
                2 => builder.park_handler(calls),
                3 => builder.unpark_handler(calls),
                4 => builder.wait_policy(WaitPolicy::OwnDescendants),
                5 => builder.task_order(TaskOrder::OldestFirst),
                7 => builder.max_queued(rng.random_range(1..4)),
                6 => builder.thread_name(move |index| {
                    calls(index);
                    format!("worker {index}")
                }),
                _ => builder,
            };
        }
        if self.program.is_simulated {
            return simulated(builder, rng.random());
        }
        match rng.random_range(0..6) {
            0 => builder.use_current_thread(),
            1 => builder.watchdog(Duration::from_secs(60)),
            2 => {
                let (calls, refused) = (closure(rng), rng.random_range(0..8));
                builder.spawn_handler(move |thread| {
                    calls(thread.index());
                    if thread.index() == refused {
                        return Err(io::Error::other("refused"));
                    }
                    thread::Builder::new().spawn(|| thread.run()).map(drop)
                })
            }
            _ => builder,
        }
    }
}

#[cfg(feature = "deterministic")]
fn simulated(builder: ThreadPoolBuilder, seed: u64) -> ThreadPoolBuilder {
    builder.deterministic(seed)
}

#[cfg(not(feature = "deterministic"))]
fn simulated(builder: ThreadPoolBuilder, _: u64) -> ThreadPoolBuilder {
    builder
}

/// Runs a program on this thread and on this many `callers`, and drops the shared pools. Returns a
/// hash of what it did.
fn run(seed: u64, is_simulated: bool, callers: usize) -> (u64, &'static Ledger) {
    let mut rng = SmallRng::seed_from_u64(seed);
    let shared = [(); 2].map(|()| {
        let builder = ThreadPoolBuilder::new().num_threads(rng.random_range(1..4));
        let builder = builder.panic_handler(|payload| guarded(|| drop(payload)));
        let builder = if is_simulated { simulated(builder, rng.random()) } else { builder };
        Arc::new(builder.build().unwrap())
    });
    let program = Arc::new(Program {
        pools: [0, 1].map(|i| Arc::downgrade(&shared[i])),
        is_simulated,
        left: AtomicUsize::new(CALLS),
        ledger: Ledger::new(),
        trace: AtomicU64::new(1),
    });
    let calls = |seed| {
        let mut rng = SmallRng::seed_from_u64(seed);
        let first = Call { program: program.clone(), seed: 0, depth: DEPTH + 1 };
        (0..6).for_each(|_| first.inner(&mut rng).run());
    };
    thread::scope(|s| {
        for _ in 0..callers {
            let seed = rng.random();
            s.spawn(move || calls(seed));
        }
        calls(rng.random());
    });
    for pool in shared {
        // A call that uses the pool must not drop it last: tasks of two pools could each wait for
        // the end of the other pool.
        while Arc::strong_count(&pool) > 1 {
            schedule_point();
            thread::yield_now();
        }
        drop(pool);
    }
    (program.trace.load(Ordering::SeqCst), program.ledger)
}

/// Runs a program on a new thread. When the thread ends, so does everything that it has built.
/// Waits for all drops.
fn run_to_the_end(seed: u64, is_simulated: bool, callers: usize) -> u64 {
    let program = thread::spawn(move || run(seed, is_simulated, callers));
    let (trace, ledger) = program.join().unwrap();
    // Other threads may end in the background.
    eventually("everything is dropped", || ledger.is_balanced());
    trace
}

#[test]
fn whatever_is_called_ends() {
    let _watchdog = watchdog();
    for seed in 0..programs(150) {
        run_to_the_end(seed, false, seed as usize % 3);
    }
}

#[test]
#[cfg(feature = "deterministic")]
fn a_seed_decides_whatever_is_called() {
    let _watchdog = watchdog();
    for seed in 0..programs(100) {
        let [first, second] = [(); 2].map(|()| run_to_the_end(seed, true, 0));
        assert_eq!(first, second, "seed {seed}");
    }
}

/// The number of programs that a test runs: `FILCH_TEST_PROGRAMS`, or `default`.
fn programs(default: u64) -> u64 {
    std::env::var("FILCH_TEST_PROGRAMS").map_or(default, |number| number.parse().unwrap())
}
