//! Random programs that nest all of the API: forks, scopes, regions, loops, graphs, pipelines,
//! gangs, broadcasts, handles, sets, completers, futures, blocking calls and messages. They run on
//! two pools that call each other, and build further pools, which end while they have work. A
//! program is a tree of operations, made from a number. It runs on normal pools, called by up to
//! three threads, and on deterministic ones: first without a fault, and then with a panic, or a
//! cancelled token, at any of its steps. Each call and each drop is a step.
//!
//! A test fails if an operation does not return its number, if a value is not dropped once, if two
//! items are in a serial stage, if a program hangs, or if a deterministic pool does something else
//! the second time. In a program without a fault, it also fails if something panics or is
//! cancelled, or if a task is not run. `ci/asan` runs the tests as well.
//!
//! `locks` and `rendezvous` have programs of other kinds: tasks that hold locks over their waits,
//! and join trees whose leaves wait for each other.
//!
//! `FILCH_TEST_PROGRAMS` sets how many programs run, or which ones: `1000`, or `57..58`.

mod calls;
#[path = "../common/mod.rs"]
mod common;
mod locks;
mod program;
mod rendezvous;

use std::fmt::Debug;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use common::{eventually, say, time_limit};
use filch::{ThreadPool, schedule_point};
use program::{Fault, Program, Run, builder};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

/// What is left of a program: a hash of its schedule, and the number of its steps.
struct Ended {
    run: Arc<Run>,
    trace: u64,
    steps: usize,
}

/// Runs a program and ends its pools.
fn run(program: &Program) -> Ended {
    let mut rng = SmallRng::seed_from_u64(!program.seed);
    let panics = Arc::new(Mutex::new(Vec::new()));
    let pools = [(); 2].map(|()| {
        let panics = panics.clone();
        let handler = move |payload| panics.lock().unwrap().push(payload);
        Arc::new(builder(&mut rng, program.setting).panic_handler(handler).build().unwrap())
    });
    let run = Run::new(program, [0, 1].map(|i| Arc::downgrade(&pools[i])));
    // Only the thread that has built a deterministic pool may use it.
    let callers = if program.setting.is_simulated { 1 } else { 1 + program.seed % 3 };
    let call = |caller| {
        let ended = catch_unwind(AssertUnwindSafe(|| call(&run, program, &pools[0], caller)));
        ended.unwrap_or_else(|payload| run.check_panic(&*payload));
    };
    thread::scope(|s| {
        (1..callers).for_each(|caller| drop(s.spawn(move || call(caller))));
        call(0);
    });
    assert_eq!(pools[0].install(|| filch::join(|| 1, || 2)), (1, 2));
    for pool in pools {
        // No task of the program may have to end the other pool, since the end of a pool waits for
        // tasks.
        while Arc::strong_count(&pool) > 1 {
            schedule_point();
            thread::yield_now();
        }
        drop(pool);
    }
    panics.lock().unwrap().iter().for_each(|payload| run.check_panic(&**payload));
    let (trace, steps) = (run.trace.load(SeqCst), run.steps.load(SeqCst));
    Ended { run, trace, steps }
}

/// Lets another thread go on.
fn give_way(is_simulated: bool) {
    if is_simulated { schedule_point() } else { thread::yield_now() }
}

/// Enters the pool from outside, in one of several ways.
fn call(run: &Arc<Run>, program: &Program, pool: &ThreadPool, caller: u64) {
    let root = &program.root;
    match (program.seed / 3 + caller) % 3 {
        0 => run.check(root, pool.install(|| run.node(root))),
        1 => run.check_result(root, pool.spawn(run.task(root, true)).join()),
        _ => {
            let task = run.task(root, true);
            run.check_result(root, filch::block_on(pool.spawn_future(async { task() })));
        }
    }
}

/// Runs a program on a new thread. When the thread ends, so does everything that it has built.
fn in_time<T: Send + 'static>(what: &impl Debug, run: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = mpsc::channel();
    let thread = thread::spawn(move || sender.send(run()));
    let ended = receiver.recv_timeout(time_limit() / 2);
    if let Err(mpsc::RecvTimeoutError::Timeout) = ended {
        say(&format!("this program hangs: {what:#?}\n{}", filch::dump()));
        std::process::abort();
    }
    let Ok(ended) = ended else { panic!("{what:#?}\n{:?}", thread.join()) };
    _ = thread.join();
    ended
}

/// Runs a program. Waits for all drops.
fn check(program: Program) -> Ended {
    let program = Arc::new(program);
    let running = program.clone();
    let ended = in_time(&program, move || run(&running));
    let Program { seed, fault, .. } = *program;
    let what = format!("all values of program {seed}, {fault:?}, are dropped");
    eventually(&what, || ended.run.ledger.is_balanced());
    let wrong = std::mem::take(&mut *ended.run.wrong.lock().unwrap());
    assert!(wrong.is_empty(), "{program:#?}\n{wrong:#?}");
    ended
}

fn attack(is_simulated: bool, programs: Range<u64>) {
    for seed in programs {
        let with = |fault| check(Program::new(seed, is_simulated, fault));
        let ended = with(Fault::None);
        if is_simulated {
            assert_eq!(with(Fault::None).trace, ended.trace, "program {seed}");
        }
        let mut rng = SmallRng::seed_from_u64(seed);
        for _ in 0..5 {
            with(Fault::Panic(rng.random_range(1..=ended.steps)));
            with(Fault::Cancel(rng.random_range(1..=ended.steps)));
        }
    }
}

#[test]
fn programs_hold_on_normal_pools() {
    attack(false, programs(12));
}

#[test]
fn programs_hold_on_deterministic_pools() {
    attack(true, programs(8));
}

fn each_in_time(what: &str, programs: Range<u64>, run: fn(u64, bool), is_simulated: bool) {
    for seed in programs {
        in_time(&format!("{what} {seed}"), move || run(seed, is_simulated));
    }
}

#[test]
fn tasks_hold_locks_over_waits_on_normal_pools() {
    each_in_time("locks", programs(60), locks::run, false);
}

#[test]
fn tasks_hold_locks_over_waits_on_deterministic_pools() {
    each_in_time("locks", programs(120), locks::run, true);
}

#[test]
fn leaves_wait_for_each_other_on_normal_pools() {
    each_in_time("rendezvous", programs(60), rendezvous::run, false);
}

#[test]
fn leaves_wait_for_each_other_on_deterministic_pools() {
    each_in_time("rendezvous", programs(60), rendezvous::run, true);
}

fn programs(default: u64) -> Range<u64> {
    let Ok(value) = std::env::var("FILCH_TEST_PROGRAMS") else { return 0..default };
    let (first, end) = value.split_once("..").unwrap_or(("0", &value));
    let number = |text: &str| text.parse().expect("a number, or FIRST..END");
    number(first)..number(end)
}
