//! A dump shows what a pool is doing. A watchdog writes one when the pool stands still.

mod common;

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use common::{
    CALLERS, Flag, Gate, TIME, alone_counting_threads, builder, eventually, is_simulated_without,
    pool, tells, thread_count, threads_return_to, watchdog,
};
use filch::ThreadPoolBuilder;

#[test]
fn a_dump_has_a_line_for_each_worker() {
    let _watchdog = watchdog();
    let pool = pool(3);
    let text = pool.dump().to_string();
    assert!(text.starts_with("a pool of 3: "), "{text}");
    (0..3).for_each(|index| assert!(text.contains(&format!("worker {index}: ")), "{text}"));
    eventually("all are parked", || pool.dump().to_string().matches(": parked").count() == 3);
}

#[test]
fn a_dump_tells_pools_apart_by_the_names_of_their_threads() {
    let _watchdog = watchdog();
    let builder = ThreadPoolBuilder::new().num_threads(2);
    let pool = builder.thread_name(|index| format!("crunch-{index}")).build().unwrap();
    let text = pool.dump().to_string();
    assert!(text.starts_with("a pool of 2 (`crunch-0`): "), "{text}");
}

#[test]
fn a_dump_names_the_thread_and_the_closure_and_gives_the_time() {
    let _watchdog = watchdog();
    if is_simulated_without(TIME) {
        return;
    }
    fn sleeps(started: &Flag, gate: &Gate) {
        started.raise();
        gate.wait();
    }
    let builder = ThreadPoolBuilder::new().num_threads(2).task_times(1);
    let pool = builder.thread_name(|index| format!("crunch-{index}")).build().unwrap();
    let (started, other, gate) = (Flag::new(), Flag::new(), Gate::new());
    // The checks after the scope may fail. Then no thread must wait for the gate.
    let (text, full) = pool.in_place_scope(|s| {
        s.spawn(|| sleeps(&started, &gate));
        started.hold();
        thread::sleep(Duration::from_millis(200));
        let text = pool.dump().to_string();
        // Two tasks hold the workers, and a third one waits.
        s.spawn(|| sleeps(&other, &gate));
        other.hold();
        drop(pool.spawn(|| ()));
        let full = pool.dump().to_string();
        gate.open();
        (text, full)
    });
    let busy = text.lines().find(|line| line.contains(": busy for ")).expect(&text);
    // The time spent in this test's closure is 200 ms or a little more.
    let name = "a_dump_names_the_thread_and_the_closure_and_gives_the_time::{{closure}}";
    assert!(busy.contains(", 1 job on its stack, runs `dump::") && busy.contains(name), "{busy}");
    let time = busy.split("busy for ").nth(1).and_then(|rest| rest.split(',').next()).unwrap();
    let time: f64 = time.trim_end_matches("ms").parse().expect(time);
    assert!((199.0..990.0).contains(&time), "{busy}");
    let thread = busy.split("; thread `crunch-").nth(1).expect(busy);
    if cfg!(target_os = "linux") {
        let number = thread.split(['(', ')']).nth(1).expect(busy);
        let comm = format!("/proc/self/task/{number}/comm");
        let comm = std::fs::read_to_string(&comm).expect(&comm);
        assert!(comm.starts_with("crunch-") && thread.starts_with(&comm[7..8]), "{busy}");
    }
    let parked = text.lines().find(|line| line.contains(": parked for ")).expect(&text);
    assert!(parked.contains("; thread `crunch-") && !parked.contains("runs"), "{parked}");
    assert!(full.contains("; a task has been queued for "), "{full}");
}

/// A worker waits in a `join` while it holds a lock, and runs a job that needs the lock. In the
/// second round, that worker is a thread from outside that has borrowed a core.
#[cfg(target_os = "linux")]
#[test]
fn a_dump_tells_of_a_job_that_sleeps_on_top_of_a_wait() {
    if is_simulated_without(TIME) {
        return;
    }
    let name = "a_dump_tells_of_a_job_that_sleeps_on_top_of_a_wait";
    let body = || {
        for is_outside in [false, true] {
            let pool = Arc::new(ThreadPoolBuilder::new().num_threads(2).build().unwrap());
            let (gate, begun) = (Gate::new(), Flag::new());
            let theirs = pool.clone();
            let deadlock = move || {
                let lock = Mutex::new(());
                theirs.scope(|s| {
                    let held = lock.lock().unwrap();
                    let second = || {
                        begun.raise();
                        gate.wait();
                    };
                    // The task is there for the wait only while the thief is in the second side.
                    filch::join(
                        || {
                            begun.hold();
                            s.spawn(|| drop(lock.lock().unwrap()));
                        },
                        second,
                    );
                    drop(held);
                });
            };
            if is_outside {
                eventually("a core can be borrowed", || {
                    pool.dump().to_string().matches(": parked").count() == 2
                });
                thread::spawn(deadlock);
            } else {
                drop(pool.spawn(deadlock));
            }
            let hint = "sleeps in a job that runs on top of a wait";
            eventually("the job is stuck", || pool.dump().to_string().contains(hint));
            let text = pool.dump().to_string();
            let at = text.lines().position(|line| line.contains(hint)).unwrap();
            let state = if is_outside { ": lent to thread " } else { ": busy for " };
            let line = text.lines().nth(at - 1).unwrap();
            assert!(line.contains(state) && !line.contains("lent to thread 0"), "{text}");
            assert_eq!(text.matches(hint).count(), 1, "{text}");
            std::mem::forget(pool);
        }
        std::process::exit(0);
    };
    tells(name, body, |_| ());
}

#[cfg(target_os = "linux")]
#[test]
fn a_dump_tells_a_job_that_sleeps_from_one_that_computes() {
    let _watchdog = watchdog();
    if is_simulated_without(TIME) {
        return;
    }
    let (pool, gate, over) = (pool(1), Gate::new(), Flag::new());
    let hint = "sleeps outside filch";
    pool.in_place_scope(|s| {
        let computes = s.spawn(|| over.hold());
        let has = |state: &str| pool.dump().to_string().contains(state);
        eventually("the task computes", || has(": busy for ") && has("1 job on"));
        assert!(!pool.dump().to_string().contains(hint), "{}", pool.dump());
        over.raise();
        computes.join().unwrap();
        s.spawn(|| gate.wait());
        eventually("the task sleeps", || has(hint));
        gate.open();
    });
    // A thread that declares that it blocks needs no hint.
    let blocks = pool.spawn(|| filch::blocking(|| thread::sleep(Duration::from_millis(100))));
    eventually("the task blocks", || pool.dump().to_string().contains("blocked in `blocking`"));
    assert!(!pool.dump().to_string().contains(hint), "{}", pool.dump());
    blocks.join().unwrap();
}

#[test]
fn a_dump_names_tasks_and_what_they_fork_and_install() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    let (pool, gate, started) = (Arc::new(pool(2)), Arc::new(Gate::new()), Arc::new(Flag::new()));
    let text = || pool.dump().to_string();
    let task = pool.task().name("alpha").spawn({
        let (gate, started) = (gate.clone(), started.clone());
        move || {
            let stolen = || {
                started.raise();
                gate.wait();
            };
            filch::join(|| started.hold(), stolen)
        }
    });
    eventually("the dump names both", || text().matches(" of task `alpha`").count() == 2);
    assert!(text().contains("runs `a fork` of task `alpha`"), "{}", text());
    gate.open();
    task.join().unwrap();
    // The dump must not show names of tasks that have ended, although new tasks may use their
    // memory.
    for round in 0..100 {
        let name = format!("task {round}");
        pool.task().name(&*name).spawn(|| ()).join().unwrap();
    }
    eventually("the dump names none", || !text().contains(" of task `"));
    let gate = Gate::new();
    thread::scope(|plain| {
        plain.spawn(|| pool.install(|| gate.wait()));
        let name = "runs `dump::a_dump_names_tasks_and_what_they_fork_and_install::{{closure}}";
        eventually("the closure is named", || text().contains(name));
        gate.open();
    });
}

#[test]
fn a_watchdog_tells_of_a_drop_that_waits() {
    if is_simulated_without(TIME) {
        return;
    }
    let name = "a_watchdog_tells_of_a_drop_that_waits";
    let body = || {
        let builder = ThreadPoolBuilder::new().num_threads(2).watchdog(Duration::from_millis(100));
        let pool = builder.build().unwrap();
        // Jobs begin and end all the time, so the pool does not stand still.
        let until = Instant::now() + Duration::from_millis(600);
        fn again(until: Instant) {
            if Instant::now() < until {
                thread::sleep(Duration::from_millis(5));
                drop(filch::spawn(move || again(until)));
            }
        }
        drop(pool.spawn(move || again(until)));
        drop(pool);
    };
    tells(name, body, |told| {
        let texts = ["dropping a pool has waited for 100ms", "a pool of 2: ", ", ending"];
        texts.iter().for_each(|text| assert!(told.contains(text), "{text}: {told}"));
        assert_eq!(told.matches(texts[0]).count(), 1, "{told}");
        assert!(!told.contains("nothing has moved"), "{told}");
    });
}

#[test]
fn a_dump_tells_what_each_worker_waits_for() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    let (pool, gate, started) = (pool(2), Gate::new(), Flag::new());
    thread::scope(|plain| {
        plain.spawn(|| {
            pool.install(|| {
                let stolen = || {
                    started.raise();
                    gate.wait();
                };
                filch::join(|| started.hold(), stolen);
            });
        });
        eventually("one worker waits for the other", || {
            pool.dump().to_string().contains("waits for a fork at worker")
        });
        pool.spawn(|| ());
        eventually("a task is queued or run", || pool.counters().total().tasks_run > 2);
        gate.open();
    });
    eventually("no worker waits", || !pool.dump().to_string().contains("waits"));
}

#[test]
fn a_dump_names_the_task_that_a_worker_waits_for() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    let (pool, gate, started) = (pool(2), Arc::new(Gate::new()), Arc::new(Flag::new()));
    let (opens, starts) = (gate.clone(), started.clone());
    let slow = pool.task().name("slow").spawn(move || {
        starts.raise();
        opens.wait();
    });
    started.hold();
    let joiner = pool.spawn(move || slow.join());
    let name = "a_dump_names_the_task_that_a_worker_waits_for::{{closure}}` of task `slow`";
    let says = |what: &str| {
        let text = pool.dump().to_string();
        text.split("waits for a task: `").nth(1).is_some_and(|task| task.contains(what))
    };
    eventually("the dump names the task", || says(name));
    gate.open();
    assert!(joiner.join().is_ok_and(|joined| joined.is_ok()));
    let (completer, handle) = filch::completer();
    thread::scope(|plain| {
        plain.spawn(|| assert_eq!(pool.install(|| handle.join()).unwrap(), 7));
        eventually("the dump says what it waits for", || says("a completer`, "));
        completer.complete(7);
    });
}

#[test]
fn a_dump_tells_what_is_queued() {
    let _watchdog = watchdog();
    let (pool, gate, started) = (pool(1), Gate::new(), Flag::new());
    pool.in_place_scope(|s| {
        s.spawn(|| {
            started.raise();
            gate.wait();
        });
        started.hold();
        (0..5).for_each(|_| drop(s.spawn(|| ())));
        let text = pool.dump().to_string();
        assert!(text.contains("5 injected") && text.contains(", 1 job "), "{text}");
        gate.open();
    });
    // Tasks that a worker has spawned are shown with that worker.
    let own = |tasks: u32| {
        filch::scope(|s| {
            (0..tasks).for_each(|_| drop(s.spawn(|| ())));
            filch::dump().to_string()
        })
    };
    for (tasks, told) in
        [(0, "0 tasks and 0 batches"), (7, "7 tasks and 0 batches"), (64, "4 tasks and 2 batches")]
    {
        let text = pool.install(|| own(tasks));
        assert!(text.contains(told), "{tasks} tasks: {text}");
    }
}

#[test]
fn the_dump_of_all_knows_pools_that_live() {
    let _watchdog = watchdog();
    let lives =
        |threads: usize| filch::dump().to_string().contains(&format!("a pool of {threads}: "));
    let pool = pool(7);
    assert!(lives(7));
    drop(pool);
    eventually("the pool is gone", || !lives(7));
}

#[test]
fn a_dump_of_a_busy_pool_stops_no_worker() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    let (pool, over) = (pool(4), Flag::new());
    let fib = |n| {
        fn fib(n: u32) -> u32 {
            if n < 2 {
                n
            } else {
                let (a, b) = filch::join(|| fib(n - 1), || fib(n - 2));
                a + b
            }
        }
        fib(n)
    };
    thread::scope(|plain| {
        plain.spawn(|| {
            (0..30).for_each(|_| assert_eq!(pool.install(|| fib(16)), 987));
            over.raise();
        });
        while !over.is_up() {
            assert!(pool.dump().to_string().contains("a pool of 4"));
        }
    });
}

#[test]
fn a_watchdog_tells_when_nothing_moves() {
    if is_simulated_without(TIME) {
        return;
    }
    let name = "a_watchdog_tells_when_nothing_moves";
    let body = || {
        let builder = ThreadPoolBuilder::new().num_threads(1);
        let pool = builder.watchdog(Duration::from_millis(50)).build().unwrap();
        // The pool moves now and then, and rests in between: there is nothing to report.
        for _ in 0..3 {
            pool.install(|| ());
            thread::sleep(Duration::from_millis(120));
        }
        common::say("[from here on it stands still]");
        pool.in_place_scope(|s| {
            s.spawn(|| thread::sleep(Duration::from_millis(600)));
            thread::sleep(Duration::from_millis(20));
            s.spawn(|| ());
        });
        common::say("[from here on in a call from outside]");
        pool.install(|| thread::sleep(Duration::from_millis(600)));
        eventually("the core is free", || pool.dump().to_string().contains("worker 0: parked"));
        common::say("[from here on in one that has borrowed the core]");
        pool.join(|| thread::sleep(Duration::from_millis(600)), || ());
    };
    tells(name, body, |told| {
        let parts: Vec<_> = told.split("[from here on").collect();
        let [before, still @ ..] = &parts[..] else { unreachable!() };
        assert!(!before.contains("nothing has moved"), "{told}");
        assert_eq!(still.len(), 3, "{told}");
        for (part, state) in still.iter().zip(["busy", "busy", "lent"]) {
            // Reported with the dump, and not in every period. It is reported again only if the
            // thread was slow to begin.
            let times = part.matches("nothing has moved for 50ms").count();
            assert!((1..=3).contains(&times), "{times} times: {told}");
            let dump = format!("worker 0: {state}");
            assert!(part.contains("a pool of 1: ") && part.contains(&dump), "{state}: {told}");
        }
    });
}

/// Captured by a handler. Panics when it is dropped.
struct Spiteful;

impl Drop for Spiteful {
    fn drop(&mut self) {
        common::boom(1);
    }
}

#[test]
fn a_dump_that_outlives_its_pool_drops_it_without_a_panic() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    // The pool is dropped by its last worker, or by a dump that looks at it at that moment.
    let (over, watchdogs) = (Flag::new(), Duration::from_micros(20));
    thread::scope(|plain| {
        let dumps = plain.spawn(|| {
            while !over.is_up() {
                filch::dump();
            }
        });
        for round in 0..common::sized(2_000, 20) {
            let spiteful = Spiteful;
            let builder = ThreadPoolBuilder::new().num_threads(1 + round % 2);
            let builder = builder.exit_handler(move |_| _ = &spiteful);
            builder.watchdog(watchdogs).build().unwrap().shutdown_background();
        }
        over.raise();
        dumps.join().unwrap();
    });
}

#[cfg(all(unix, feature = "debugger"))]
#[test]
fn a_debugger_can_write_a_dump() {
    #[allow(unsafe_code)]
    unsafe extern "C" {
        safe fn filch_dump_0_1();
    }
    let body = || {
        let _pool = pool(5);
        filch_dump_0_1();
    };
    tells("a_debugger_can_write_a_dump", body, |told| {
        assert!(told.contains("a pool of 5: ") && told.contains("worker 4: "), "{told}");
    });
}

#[test]
fn a_watchdog_ends_with_its_pool() {
    let _watchdog = watchdog();
    alone_counting_threads("a_watchdog_ends_with_its_pool", || {
        let base = thread_count();
        for _ in 0..20 {
            let builder = builder().num_threads(2);
            let pool = builder.watchdog(Duration::from_secs(3600)).build().unwrap();
            assert_eq!(pool.join(|| 1, || 2), (1, 2));
        }
        threads_return_to(base);
    });
}

/// The thread that drops a pool waits for its watchdog. So the watchdog must not drop the captures
/// of handlers, which may need that thread.
#[test]
fn a_watchdog_drops_no_captures() {
    let _watchdog = watchdog();
    struct Captured(thread::ThreadId);
    impl Drop for Captured {
        fn drop(&mut self) {
            assert_eq!(thread::current().id(), self.0);
        }
    }
    let body = || {
        for _ in 0..500 {
            let captured = Captured(thread::current().id());
            let builder = builder().num_threads(1);
            let builder = builder.panic_handler(move |_| _ = &captured);
            drop(builder.watchdog(Duration::from_nanos(1)).build().unwrap());
        }
    };
    tells("a_watchdog_drops_no_captures", body, |told| assert!(!told.contains("panicked at")));
}
