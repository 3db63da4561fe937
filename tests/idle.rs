//! A pool with nothing to do uses no CPU, and no wake-up is ever lost.

mod common;
#[path = "common/cpu.rs"]
mod cpu;

use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use common::{
    CALLERS, Caller, Flag, Gate, Meeting, TIME, is_simulated, is_simulated_without, pool, rest,
    watchdog,
};
use cpu::{MILLISECOND, SETTLE, assert_below, cpu_use_of_a_second};
use filch::prelude::*;
use filch::{ThreadPool, ThreadPoolBuilder, join, scope};

fn fib(n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let (a, b) = join(|| fib(n - 1), || fib(n - 2));
    a + b
}

// ---- Asleep ----

fn named_pool(threads: usize, prefix: &'static str) -> ThreadPool {
    ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(move |index| format!("{prefix}{index}"))
        .build()
        .unwrap()
}

#[test]
fn a_pool_that_never_worked_uses_no_cpu() {
    let _watchdog = watchdog();
    if is_simulated_without(TIME) {
        return;
    }
    let pool = named_pool(8, "unused-");
    assert_below(MILLISECOND, cpu_use_of_a_second("unused-"));
    drop(pool);
}

#[test]
fn a_pool_that_has_worked_uses_no_cpu() {
    let _watchdog = watchdog();
    if is_simulated_without(TIME) {
        return;
    }
    let pool = named_pool(8, "worked-");
    pool.install(|| fib(18));
    pool.join(|| fib(12), || fib(12));
    pool.spawn(|| fib(12)).join().unwrap();
    pool.gang(8, |member| member.barrier()).unwrap();
    assert_below(MILLISECOND, cpu_use_of_a_second("worked-"));
    assert_eq!(pool.install(|| fib(12)), 144);
}

#[test]
fn members_that_wait_at_a_barrier_use_no_cpu() {
    let _watchdog = watchdog();
    if is_simulated_without(TIME) {
        return;
    }
    let pool = named_pool(3, "member-");
    pool.gang(3, |member| {
        if member.index() == 1 {
            assert_below(2 * MILLISECOND, cpu_use_of_a_second("member-"));
        }
        member.barrier();
    })
    .unwrap();
}

#[test]
fn workers_beside_a_long_task_use_no_cpu() {
    let _watchdog = watchdog();
    if is_simulated_without(TIME) {
        return;
    }
    let (pool, gate) = (named_pool(8, "beside-"), Gate::new());
    pool.in_place_scope(|s| {
        s.spawn(|| gate.wait());
        let used = cpu_use_of_a_second("beside-");
        gate.open();
        assert_below(5 * MILLISECOND, used);
    });
}

#[test]
fn an_item_of_a_bridge_that_waits_beside_busy_workers_uses_little_cpu() {
    let _watchdog = watchdog();
    if is_simulated_without(TIME) {
        return;
    }
    let (pool, gate) = (named_pool(2, "bridge-"), Gate::new());
    let (held, begun) = (Flag::new(), Flag::new());
    let (completer, handle) = filch::completer();
    let handle = Mutex::new(Some(handle));
    let item = |i| {
        if i == 0 {
            begun.raise();
            handle.lock().unwrap().take().unwrap().join().unwrap();
        }
    };
    let used = thread::scope(|s| {
        let busy = || {
            held.raise();
            gate.wait();
        };
        pool.in_place_scope(|tasks| {
            tasks.spawn(busy);
            held.hold();
            let run = || pool.install(|| (0..8).par_bridge().for_each(item));
            thread::Builder::new().name("bridge-caller".into()).spawn_scoped(s, run).unwrap();
            begun.hold();
            let used = cpu_use_of_a_second("bridge-");
            completer.complete(());
            gate.open();
            used
        })
    });
    assert_below(200 * MILLISECOND, used);
}

/// Makes a worker wait in a task for a stolen fork, and measures the pool meanwhile.
fn wait_for_a_stolen_fork(prefix: &'static str, keeps_handle: bool) {
    let (pool, gate, stolen) = (named_pool(4, prefix), Gate::new(), Flag::new());
    pool.in_place_scope(|s| {
        let waiting = s.spawn(|| {
            let long = || {
                stolen.raise();
                gate.wait();
            };
            join(|| stolen.poll(), long);
        });
        let _kept = Some(waiting).filter(|_| keeps_handle);
        stolen.hold();
        let used = cpu_use_of_a_second(prefix);
        gate.open();
        assert_below(5 * MILLISECOND, used);
    });
}

#[test]
fn a_worker_that_waits_for_a_stolen_fork_sleeps() {
    let _watchdog = watchdog();
    if is_simulated_without(TIME) {
        return;
    }
    wait_for_a_stolen_fork("waiting-", false);
}

#[test]
fn a_worker_that_waits_in_a_task_with_a_handle_sleeps() {
    let _watchdog = watchdog();
    if is_simulated_without(TIME) {
        return;
    }
    wait_for_a_stolen_fork("handled-", true);
}

#[test]
fn an_idle_pool_does_not_change_its_counters() {
    let _watchdog = watchdog();
    if is_simulated_without(TIME) {
        return;
    }
    let pool = pool(8);
    pool.install(|| fib(15));
    let mut before = pool.counters();
    common::eventually("the pool settles", || {
        thread::sleep(SETTLE);
        let after = pool.counters();
        let settled = after.total() == before.total();
        before = after;
        settled
    });
    thread::sleep(SETTLE);
    assert_eq!(pool.counters().total(), before.total());
}

/// If the system can, workers nap with a timer slack of one nanosecond. The timers of user code,
/// and of threads that it starts, must not change.
#[cfg(target_os = "linux")]
#[test]
fn the_sleeps_of_the_sentry_leave_the_timers_of_user_code_alone() {
    /// By how many nanoseconds timed sleeps of this thread may be late.
    fn slack() -> i32 {
        // SAFETY: this request touches no memory.
        unsafe { libc::prctl(libc::PR_GET_TIMERSLACK) }
    }
    let _watchdog = watchdog();
    if is_simulated_without(TIME) {
        return;
    }
    let own = slack();
    let pool = pool(3);
    for _ in 0..20 {
        // Workers take short sleeps while others fork, and for a moment after.
        pool.join(|| fib(16), || fib(16));
        assert_eq!(slack(), own, "the timer slack of the caller has changed");
        let seen = pool.broadcast(|_| {
            thread::sleep(Duration::from_micros(100));
            join(|| fib(10), || fib(10));
            [slack(), thread::spawn(slack).join().unwrap()]
        });
        assert_eq!(seen, [[own; 2]; 3]);
    }
}

// ---- Awake again ----

/// Pauses of different lengths, so that calls meet workers that search, that are falling asleep,
/// and that sleep.
struct Pauses(u64);

impl Pauses {
    fn next(&mut self) {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        match self.0 % 8 {
            0 => rest(Duration::from_micros(self.0 / 8 % 2000)),
            1..=3 => rest(Duration::from_micros(self.0 / 8 % 100)),
            4..=6 => spin(Duration::from_nanos(self.0 / 8 % 60_000)),
            _ => (),
        }
    }
}

fn spin(time: Duration) {
    if is_simulated() {
        return rest(time);
    }
    let start = Instant::now();
    while start.elapsed() < time {
        std::hint::spin_loop();
    }
}

/// How long bodies are repeated. `ci/long` uses the longer time.
const REPEATED: Duration = Duration::from_millis(if cfg!(debug_assertions) { 400 } else { 1000 });

/// Repeats `body`, with pauses in between, for some time, or for some rounds of a simulation.
fn with_pauses(seed: u64, mut body: impl FnMut()) {
    let mut pauses = Pauses(seed);
    let start = Instant::now();
    let mut rounds = 0;
    while if is_simulated() { rounds < 10 } else { start.elapsed() < REPEATED } {
        body();
        pauses.next();
        rounds += 1;
    }
}

#[test]
fn every_outside_call_wakes_a_worker() {
    let _watchdog = watchdog();
    for threads in [1, 2, 8] {
        let pool = pool(threads);
        with_pauses(11, || {
            assert_eq!(pool.spawn(|| 1).join().unwrap(), 1);
            assert_eq!(pool.install(|| 2), 2);
        });
    }
}

#[test]
fn every_call_of_several_outside_threads_wakes_a_worker() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    let pool = pool(3);
    thread::scope(|plain| {
        for seed in 1..=4 {
            let pool = &pool;
            plain.spawn(move || {
                with_pauses(seed, || {
                    assert_eq!(pool.spawn(|| 1).join().unwrap(), 1);
                    assert_eq!(pool.join(|| fib(6), || fib(7)), (8, 13));
                });
            });
        }
    });
}

#[test]
fn every_fork_that_needs_a_thief_wakes_one() {
    let _watchdog = watchdog();
    for caller in [Caller::Worker, Caller::Outside] {
        let pool = pool(2);
        with_pauses(17, || {
            let flag = Flag::new();
            caller.join(&pool, || flag.poll(), || flag.raise());
        });
    }
}

#[test]
fn forks_after_a_pause_on_one_worker_wake_thieves() {
    let _watchdog = watchdog();
    pool(4).install(|| {
        with_pauses(19, || {
            let flag = Flag::new();
            join(|| join(|| flag.poll(), || fib(5)), || flag.raise());
        });
    });
}

#[test]
fn every_sleeper_wakes_when_all_are_needed() {
    let _watchdog = watchdog();
    for threads in [2, 4, 8] {
        let pool = pool(threads);
        with_pauses(23, || {
            let all = Meeting::new(threads + 1);
            pool.in_place_scope(|s| {
                for _ in 0..threads {
                    s.spawn(|| all.wait());
                }
                all.wait();
            });
        });
    }
}

#[test]
fn every_sleeper_wakes_for_the_tasks_of_one_worker() {
    let _watchdog = watchdog();
    for threads in [2, 4, 8] {
        let pool = pool(threads);
        with_pauses(29, || {
            let all = Meeting::new(threads);
            let spawn_all = || {
                scope(|s| {
                    for _ in 0..threads - 1 {
                        s.spawn(|| all.wait());
                    }
                    all.wait();
                });
            };
            pool.install(spawn_all);
        });
    }
}

#[test]
fn a_waiting_worker_wakes_when_its_task_ends() {
    let _watchdog = watchdog();
    let pool = pool(2);
    let mut pauses = Pauses(31);
    pool.install(|| {
        with_pauses(37, || {
            let stolen = Flag::new();
            let slow = || {
                stolen.raise();
                pauses.next();
            };
            join(|| stolen.poll(), slow);
        });
    });
}

#[test]
fn a_waiting_worker_wakes_for_work_from_another_worker() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    let pool = pool(2);
    let busy = Gate::new();
    thread::scope(|plain| {
        plain.spawn(|| {
            let stolen = Flag::new();
            let long = || {
                stolen.raise();
                busy.wait();
            };
            pool.install(|| join(|| stolen.poll(), long));
        });
        with_pauses(41, || assert_eq!(pool.spawn(|| 4).join().unwrap(), 4));
        busy.open();
    });
}

#[test]
fn tasks_that_an_outside_caller_leaves_behind_are_run() {
    let _watchdog = watchdog();
    for threads in [1, 2] {
        let pool = pool(threads);
        with_pauses(53, || {
            let (first, second) = pool.join(|| filch::spawn(|| 1), || filch::spawn(|| 2));
            common::eventually("the tasks end", || first.is_finished() && second.is_finished());
            assert_eq!((first.join().unwrap(), second.join().unwrap()), (1, 2));
        });
    }
}

#[test]
fn two_pools_wake_each_other() {
    let _watchdog = watchdog();
    let (left, right) = (pool(1), pool(2));
    with_pauses(43, || {
        let there = || right.install(|| left.install(|| fib(3)) + fib(4));
        assert_eq!(left.install(there), 5);
    });
}

#[test]
fn a_sleeping_pool_wakes_to_end() {
    let _watchdog = watchdog();
    with_pauses(47, || {
        let pool = pool(4);
        spin(Duration::from_micros(100));
        drop(pool);
    });
}
