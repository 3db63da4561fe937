//! The threads of a deterministic pool take turns, in an order that its seed decides.

mod common;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use common::{
    Ledger, boom, caught, failed_with, lock_in_turns, own_process, say, stderr, tells, watchdog,
};
use filch::graph::Graph;
use filch::prelude::*;
use filch::{BuildErrorKind, JoinHandle, TaskOrder, ThreadPool, ThreadPoolBuilder, schedule_point};

fn pool(threads: usize, seed: u64) -> ThreadPool {
    ThreadPoolBuilder::new().num_threads(threads).deterministic(seed).build().unwrap()
}

fn points(count: u64) {
    (0..count).for_each(|_| schedule_point());
}

fn raise(flag: &AtomicBool) {
    flag.store(true, Ordering::Relaxed);
}

fn until(flag: &AtomicBool) {
    while !flag.load(Ordering::Relaxed) {
        schedule_point();
    }
}

/// Which worker did what, in order.
#[derive(Default)]
struct Trace(Mutex<Vec<(usize, u32)>>);

impl Trace {
    fn note(&self, what: u32) {
        let worker = filch::current_thread_index().unwrap_or(usize::MAX);
        self.0.lock().unwrap().push((worker, what));
        schedule_point();
    }

    fn into_steps(self) -> Vec<(usize, u32)> {
        self.0.into_inner().unwrap()
    }
}

fn tree(depth: u32, name: u32, trace: &Trace) -> u32 {
    trace.note(name);
    if depth == 0 {
        return 1;
    }
    let (a, b) =
        filch::join(|| tree(depth - 1, 2 * name, trace), || tree(depth - 1, 2 * name + 1, trace));
    a + b
}

/// Runs a bit of everything. Returns the schedule.
fn program(pool: &ThreadPool) -> Vec<(usize, u32)> {
    let trace = Trace::default();
    assert_eq!(pool.join(|| tree(4, 1, &trace), || tree(3, 1000, &trace)), (16, 8));
    pool.scope(|s| {
        let handles: Vec<_> = (0..6)
            .map(|i| {
                s.spawn({
                    let trace = &trace;
                    move || {
                        trace.note(2000 + i);
                        i
                    }
                })
            })
            .collect();
        drop(s.spawn(|| tree(2, 3000, &trace)));
        assert_eq!(handles.into_iter().map(|handle| handle.join().unwrap()).sum::<u32>(), 15);
    });
    pool.broadcast(|context| trace.note(4000 + context.index() as u32));
    assert_eq!(pool.install(|| filch::spawn(|| 7).join().unwrap()), 7);
    let detached = pool.spawn(|| filch::join(|| 1, || 2));
    while !detached.is_finished() {}
    assert_eq!(detached.join().unwrap(), (1, 2));
    trace.into_steps()
}

/// Spawns tasks, and calls `look` on their handles while they run. Returns the schedule.
fn looked_at(seed: u64, look: impl Fn(&JoinHandle<()>) + Sync) -> Vec<(usize, u32)> {
    let (pool, trace) = (pool(3, seed), Arc::new(Trace::default()));
    pool.install(|| {
        let task = |i| {
            let trace = trace.clone();
            move || trace.note(i)
        };
        let handles: Vec<_> = (0..6).map(|i| pool.spawn(task(i))).collect();
        handles.iter().for_each(|handle| {
            look(handle);
            trace.note(10);
        });
        handles.into_iter().for_each(|handle| handle.join().unwrap());
    });
    drop(pool);
    Arc::into_inner(trace).unwrap().into_steps()
}

/// Fails if `Debug` of a handle is a schedule point, as `is_finished` is.
#[test]
fn printing_a_handle_is_no_schedule_point() {
    let _watchdog = watchdog();
    let print = |handle: &JoinHandle<()>| assert!(format!("{handle:?}").contains("is_finished"));
    let ask = |handle: &JoinHandle<()>| _ = handle.is_finished();
    for seed in 0..20 {
        assert_eq!(looked_at(seed, print), looked_at(seed, |_| ()), "seed {seed}");
    }
    assert!((0..20).any(|seed| looked_at(seed, ask) != looked_at(seed, |_| ())));
}

#[test]
fn the_same_seed_gives_the_same_schedule() {
    let _watchdog = watchdog();
    for seed in 0..300 {
        for threads in [1, 2, 3, 7] {
            let first = program(&pool(threads, seed));
            assert_eq!(first, program(&pool(threads, seed)), "{threads} workers, seed {seed}");
        }
    }
}

#[test]
fn different_seeds_give_different_schedules() {
    let _watchdog = watchdog();
    let schedules: BTreeSet<_> = (0..200).map(|seed| program(&pool(3, seed))).collect();
    assert!(schedules.len() > 190, "{} of 200", schedules.len());
}

#[test]
fn every_worker_gets_its_turn_and_forks_are_stolen() {
    let _watchdog = watchdog();
    let (mut all, mut stolen) = (0, 0);
    for seed in 0..100 {
        let pool = pool(4, seed);
        let workers: BTreeSet<_> = program(&pool).into_iter().map(|(worker, _)| worker).collect();
        all += usize::from(workers.len() == 4);
        stolen += usize::from(pool.counters().total().steals_won > 0);
    }
    assert!(all > 50 && stolen > 50, "all workers in {all}, steals in {stolen} of 100 schedules");
}

thread_local! {
    /// Which worker the thread is, if it has noted that.
    static WORKER: Cell<Option<usize>> = const { Cell::new(None) };
}

#[test]
fn each_worker_is_a_thread_of_its_own() {
    let _watchdog = watchdog();
    let caller = thread::current().id();
    for seed in 0..50 {
        let builder = ThreadPoolBuilder::new().num_threads(3).deterministic(seed).lend_seats(false);
        let pool = builder
            .thread_name(|index| format!("turn-{index}"))
            .start_handler(|index| WORKER.set(Some(index)))
            .build()
            .unwrap();
        let here = || {
            let index = filch::current_thread_index();
            assert_eq!(WORKER.get(), index);
            assert_ne!(thread::current().id(), caller);
            let name = format!("turn-{}", index.unwrap());
            assert_eq!(thread::current().name(), Some(name.as_str()));
        };
        pool.join(here, here);
        pool.scope(|s| (0..10).for_each(|_| drop(s.spawn(here))));
        pool.broadcast(|_| here());
        assert_eq!(WORKER.get(), None);
    }
}

/// The initializer and the destructor of a thread-local have schedule points. Both run within
/// turns.
#[test]
fn thread_locals_are_initialized_once_a_worker_and_dropped() {
    struct Local(&'static Ledger, common::Token);
    impl Drop for Local {
        fn drop(&mut self) {
            (0..20).for_each(|_| schedule_point());
            assert!(!self.0.is_balanced());
            let _ = &self.1;
        }
    }
    thread_local! {
        static LEDGER: Cell<Option<&'static Ledger>> = const { Cell::new(None) };
        static LOCAL: Local = {
            (0..20).for_each(|_| schedule_point());
            let ledger = LEDGER.get().unwrap();
            Local(ledger, ledger.token())
        };
    }

    let _watchdog = watchdog();
    for seed in 0..200 {
        let ledger = Ledger::new();
        let builder = ThreadPoolBuilder::new().num_threads(3).deterministic(seed).lend_seats(false);
        let pool = builder.start_handler(|_| LEDGER.set(Some(ledger))).build().unwrap();
        pool.scope(|s| (0..20).for_each(|_| drop(s.spawn(|| LOCAL.with(|_| schedule_point())))));
        pool.broadcast(|_| LOCAL.with(|_| schedule_point()));
        drop(pool);
        assert_eq!(ledger.made(), 3);
        ledger.assert_balanced(seed);
    }
}

/// Two tasks add to a number by a read and a write. In some schedules the sum is wrong.
fn race(seed: u64) -> usize {
    let number = AtomicUsize::new(0);
    let add = || {
        let read = number.load(Ordering::Relaxed);
        schedule_point();
        number.store(read + 1, Ordering::Relaxed);
    };
    pool(2, seed).join(add, add);
    number.into_inner()
}

#[test]
fn a_race_is_found_by_a_seed_and_shown_again_by_it() {
    let _watchdog = watchdog();
    let found = (0..1000).find(|&seed| race(seed) == 1).expect("some schedule shows it");
    assert!((0..20).all(|_| race(found) == 1), "seed {found}");
    assert!((0..1000).any(|seed| race(seed) == 2));
}

#[test]
fn both_orders_of_two_sides_and_their_overlap_are_seen() {
    let _watchdog = watchdog();
    let orders: BTreeSet<Vec<u32>> = (0..300)
        .map(|seed| {
            let trace = Trace::default();
            let side = |name| {
                trace.note(name);
                trace.note(name + 1);
            };
            pool(2, seed).join(|| side(10), || side(20));
            trace.into_steps().into_iter().map(|(_, what)| what).collect()
        })
        .collect();
    // All interleavings of two sequences of two steps.
    assert_eq!(orders.len(), 6, "{orders:?}");
}

/// How often another worker goes on between two items of a loop.
fn changes_in_a_loop(seed: u64) -> usize {
    let order = Mutex::new(Vec::new());
    let note = |_| order.lock().unwrap().push(filch::current_thread_index());
    pool(2, seed).install(|| (0..100_u32).into_par_iter().for_each(note));
    let order = order.into_inner().unwrap();
    order.windows(2).filter(|pair| pair[0] != pair[1]).count()
}

#[test]
fn the_turn_changes_between_the_items_of_a_loop() {
    let most = (0..20).map(changes_in_a_loop).max().unwrap();
    assert!(most > 20, "{most}");
}

/// Each of these loops has an endless piece without the wanted item, which stops when the worker of
/// another piece has found it.
#[test]
fn the_turn_changes_in_an_endless_piece() {
    let _watchdog = watchdog();
    let (all, half) = (|| (0..usize::MAX).into_par_iter(), usize::MAX / 2);
    for seed in 0..20 {
        pool(2, seed).install(|| {
            assert!(all().with_min_len(half).any(|n| n == 1_000));
            assert!(all().map_init(|| (), |(), n| n).any(|n| n == half + 5_000));
            let rows =
                (0..2).into_par_iter().flat_map_iter(|i| (0..usize::MAX).map(move |n| (i, n)));
            assert!(rows.clone().any(|at| at == (0, 5_000)));
            assert!(rows.any(|at| at == (1, 5_000)));
        });
    }
}

#[test]
fn panics_arrive_and_drops_are_counted_in_every_schedule() {
    let _watchdog = watchdog();
    for seed in 0..500 {
        let ledger = Ledger::new();
        let pool = pool(3, seed);
        let (a, b) = (ledger.token(), ledger.token());
        assert_eq!(
            caught(|| pool.join(
                || {
                    let _a = a;
                    boom(1)
                },
                || {
                    let _b = b;
                    boom(2)
                }
            )),
            1
        );
        let id = caught(|| {
            pool.scope(|s| {
                let token = ledger.token();
                drop(s.spawn(move || {
                    let _token = token;
                    boom(3)
                }));
                assert_eq!(failed_with(s.spawn(|| boom(4)).join()), 4);
                drop(s.spawn(|| boom(5)));
            });
        });
        assert!(id == 3 || id == 5, "{id}");
        assert_eq!(failed_with(pool.spawn(|| boom(6)).join()), 6);
        let token = ledger.token();
        drop(pool.spawn(move || token));
        drop(pool);
        ledger.assert_balanced(seed);
    }
}

#[test]
fn pools_that_call_each_other_end() {
    let _watchdog = watchdog();
    for seed in 0..200 {
        let (a, b) = (pool(2, seed), pool(3, !seed));
        let there = || b.install(|| a.scope(|s| s.spawn(|| b.join(|| 1, || 2)).join().unwrap()));
        assert_eq!(a.join(there, there), ((1, 2), (1, 2)));
        let inner = a.install(|| pool(2, seed).install(|| a.install(|| 5)));
        assert_eq!(inner, 5);
    }
}

#[test]
fn real_pools_and_threads_work_beside_deterministic_pools() {
    let _watchdog = watchdog();
    let real = ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    for seed in 0..20 {
        let pool = pool(2, seed);
        assert_eq!(pool.install(|| real.install(|| filch::join(|| 1, || 2))), (1, 2));
        let slow = real.spawn(|| thread::sleep(Duration::from_millis(2)));
        pool.install(|| slow.join().unwrap());
        let handle = pool.spawn(|| 3);
        let elsewhere = thread::spawn(move || handle.join().unwrap());
        pool.join(|| (), || ());
        drop(pool);
        assert_eq!(elsewhere.join().unwrap(), 3);
    }
}

/// A thread that borrows a core of a real pool stays on its own stack, however many tasks nest:
/// another thread could not use the deterministic pool.
#[test]
fn a_builder_that_works_for_a_real_pool_stays_on_its_thread() {
    let _watchdog = watchdog();
    fn nest(depth: u32, pool: Arc<ThreadPool>) -> u32 {
        let frame = std::hint::black_box([1_u8; 4 << 10]);
        let on_top = match depth {
            0 => pool.install(|| filch::join(|| 0, || 0).0),
            _ => filch::spawn(move || nest(depth - 1, pool)).join().unwrap(),
        };
        on_top + u32::from(std::hint::black_box(frame)[0])
    }
    let real = ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    for seed in 0..10 {
        let here = thread::current().id();
        let nested = || (thread::current().id(), nest(60, Arc::new(pool(2, seed))));
        let ((thread, depth), ()) = real.join(nested, || ());
        assert!(thread == here && depth == 61);
    }
}

#[test]
fn another_thread_is_refused() {
    let _watchdog = watchdog();
    let pool = Arc::new(pool(2, 1));
    let theirs = pool.clone();
    thread::spawn(move || {
        let refused = |op: &dyn Fn()| {
            let panic = catch_unwind(AssertUnwindSafe(op)).unwrap_err();
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or(panic.downcast_ref::<&str>().copied());
            let is_meant = text.is_some_and(|it| it.contains("the thread that it was built on"));
            assert!(is_meant, "{text:?}");
        };
        refused(&|| theirs.install(|| ()));
        refused(&|| _ = theirs.join(|| 1, || 2));
        refused(&|| theirs.scope(|_| ()));
        refused(&|| theirs.in_place_scope(|_| ()));
        refused(&|| drop(theirs.spawn(|| ())));
        refused(&|| _ = theirs.broadcast(|_| 1));
        refused(&|| theirs.spawn_broadcast(|_| ()));
    })
    .join()
    .unwrap();
    assert_eq!(pool.join(|| 1, || 2), (1, 2));
}

#[test]
fn a_pool_dropped_on_another_thread_ends() {
    let _watchdog = watchdog();
    let ledger = Ledger::new();
    thread::spawn(move || {
        let pool = pool(2, 5);
        let token = ledger.token();
        drop(pool.spawn(move || token));
        thread::spawn(move || drop(pool)).join().unwrap();
    })
    .join()
    .unwrap();
    common::eventually("the pool's task has run", || ledger.is_balanced());
}

/// If the pool itself is dropped before, its last worker drops its handlers.
#[test]
fn a_handler_whose_drop_panics_stops_no_thread() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            boom(1);
        }
    }

    let _watchdog = watchdog();
    for seed in 0..20 {
        let (bomb, exited) = (Bomb, Arc::new(AtomicUsize::new(0)));
        let exits = exited.clone();
        let builder = ThreadPoolBuilder::new().num_threads(2).deterministic(seed);
        let builder = builder.exit_handler(move |_| {
            let _ = &bomb;
            exits.fetch_add(1, Ordering::Relaxed);
        });
        let pool = Arc::new(builder.build().unwrap());
        let (last, is_last) = (pool.clone(), Arc::new(AtomicBool::new(false)));
        let may_drop = is_last.clone();
        let task = pool.spawn(move || {
            while !may_drop.load(Ordering::Relaxed) {
                schedule_point();
            }
            drop(last);
        });
        drop(pool);
        is_last.store(true, Ordering::Relaxed);
        task.join().unwrap();
        common::eventually("all workers exit", || {
            schedule_point();
            exited.load(Ordering::Relaxed) == 2
        });
    }
}

#[test]
fn a_leaked_pool_stops_no_thread() {
    let _watchdog = watchdog();
    thread::spawn(|| std::mem::forget(pool(2, 5))).join().unwrap();
}

#[test]
fn settings_that_deterministic_pools_cannot_have_are_refused() {
    let refused = ThreadPoolBuilder::new().deterministic(1).build_global().unwrap_err();
    assert!(matches!(
        refused.kind(),
        BuildErrorKind::Deterministic { setting: "build_global", .. }
    ));
    let told = refused.to_string();
    assert!(told.contains("accepted: the environment variable FILCH_SEED"), "{told}");
    let refused = ThreadPoolBuilder::new().deterministic(1).turn_limit(Duration::ZERO).build();
    assert!(matches!(refused.unwrap_err().kind(), BuildErrorKind::InvalidTurnLimit));
    let huge = ThreadPoolBuilder::new().num_threads(1).deterministic(1).stack_size(usize::MAX);
    assert!(matches!(huge.build().unwrap_err().kind(), BuildErrorKind::Spawn { index: 0, .. }));
    let builder = ThreadPoolBuilder::new().deterministic(1).spawn_handler(|_| Ok(()));
    let refused = builder.build().unwrap_err();
    assert!(matches!(
        refused.kind(),
        BuildErrorKind::Deterministic { setting: "spawn_handler", .. }
    ));
    let told = refused.to_string();
    assert!(told.starts_with("spawn_handler: cannot be combined with deterministic"), "{told}");
}

// ---- By the environment ----

/// Runs `body` in a process whose global pool has three workers and the seed `seed`, and returns
/// its standard output.
#[track_caller]
fn said_by_seed(name: &str, seed: u64, body: impl FnOnce()) -> String {
    let mut said = String::new();
    own_process(
        name,
        |command| {
            command.env("FILCH_SEED", seed.to_string()).env("FILCH_NUM_THREADS", "3");
        },
        || {
            body();
            std::process::exit(0);
        },
        |output| {
            common::assert_success(&output);
            said = String::from_utf8(output.stdout).unwrap();
        },
    );
    said
}

#[test]
fn the_global_pool_is_deterministic_by_the_environment() {
    let _watchdog = watchdog();
    let name = "the_global_pool_is_deterministic_by_the_environment";
    let order_by = |seed| {
        said_by_seed(name, seed, || {
            assert_eq!(filch::current_num_threads(), 3);
            let trace = Trace::default();
            filch::join(|| tree(4, 1, &trace), || tree(3, 1000, &trace));
            println!("{:?}", trace.into_steps());
        })
    };
    let first = order_by(1);
    assert_eq!(first.matches('(').count(), 31 + 15, "{first}");
    assert_eq!(first, order_by(1));
    assert!((2..10).any(|seed| order_by(seed) != first));
}

#[test]
fn a_global_pool_with_a_seed_is_for_the_thread_that_uses_it_first() {
    let _watchdog = watchdog();
    let name = "a_global_pool_with_a_seed_is_for_the_thread_that_uses_it_first";
    said_by_seed(name, 1, || {
        assert_eq!(filch::join(|| 1, || 2), (1, 2));
        let other = thread::spawn(|| filch::join(|| 1, || 2)).join().unwrap_err();
        let told = other.downcast_ref::<&str>().copied().expect("a message");
        assert!(told.contains("FILCH_SEED"), "{told}");
        assert_eq!(filch::spawn(|| 3).join().unwrap(), 3);
    });
}

#[test]
fn a_seed_in_the_environment_does_not_go_with_a_spawn_handler() {
    let _watchdog = watchdog();
    let name = "a_seed_in_the_environment_does_not_go_with_a_spawn_handler";
    said_by_seed(name, 1, || {
        let builder = ThreadPoolBuilder::new().spawn_handler(|_| Ok(()));
        let refused = builder.build_global().unwrap_err().to_string();
        assert!(refused.contains("FILCH_SEED") && refused.contains("spawn_handler"), "{refused}");
    });
}

#[test]
fn recursion_goes_as_deep_as_the_stack_that_was_asked_for() {
    fn deep(n: u32) -> u32 {
        if n == 0 { 0 } else { filch::join(|| deep(n - 1), || ()).0 + 1 }
    }
    let _watchdog = watchdog();
    let builder = ThreadPoolBuilder::new().num_threads(2).deterministic(3);
    let pool = builder.stack_size(256 << 20).build().unwrap();
    assert_eq!(pool.install(|| deep(20_000)), 20_000);
}

/// Runs `body` in a process that must abort with these words on its standard error stream.
fn is_aborted(name: &str, body: impl FnOnce(), words: &[&str]) {
    let aborted = |output: std::process::Output| {
        let told = stderr(&output);
        assert!(!output.status.success() && output.status.code() != Some(101), "{output:?}");
        words.iter().for_each(|word| assert!(told.contains(word), "{word:?} in {told}"));
    };
    own_process(name, |_| (), body, aborted);
}

fn impatient(threads: usize, seed: u64) -> ThreadPool {
    let builder = ThreadPoolBuilder::new().num_threads(threads).deterministic(seed);
    builder.turn_limit(Duration::from_millis(1_000)).build().unwrap()
}

#[test]
fn a_deadlock_is_reported() {
    let body = || {
        let pool = impatient(2, 7);
        // Two tasks that have both begun, and join each other.
        let handles = Arc::new([(); 2].map(|()| Mutex::new(None::<JoinHandle<()>>)));
        let begun = Arc::new(AtomicUsize::new(0));
        let spawn = |own: usize| {
            let (handles, begun) = (handles.clone(), begun.clone());
            pool.spawn(move || {
                begun.fetch_add(1, Ordering::Relaxed);
                let is_ready = || handles[own].lock().unwrap().is_some();
                while begun.load(Ordering::Relaxed) < 2 || !is_ready() {
                    schedule_point();
                }
                let other = handles[own].lock().unwrap().take().unwrap();
                drop(other.join());
            })
        };
        let tasks = [spawn(0), spawn(1)];
        tasks.into_iter().rev().zip(&*handles).for_each(|(task, place)| {
            *place.lock().unwrap() = Some(task);
        });
        pool.install(|| ());
        drop(pool);
    };
    let words = ["(seed 7)", "a deadlock", "waits for a task", "filch-"];
    is_aborted("a_deadlock_is_reported", body, &words);
}

#[test]
fn a_turn_that_is_kept_for_long_is_reported() {
    let body = || {
        let pool = impatient(2, 1);
        let lock = Mutex::new(());
        let hold = || {
            let guard = lock.lock().unwrap();
            (0..100).for_each(|_| schedule_point());
            drop(guard);
        };
        // In some schedule, one side waits for the lock while the other waits for its turn.
        (0..1_000).for_each(|_| _ = pool.join(hold, hold));
    };
    let words = ["the turn has been with", "Waiting for the turn: ", "a pool of 2"];
    is_aborted("a_turn_that_is_kept_for_long_is_reported", body, &words);
}

/// The caller waits for the task, and the task waits for a lock of the caller.
#[cfg(target_os = "linux")]
#[test]
fn a_lock_that_is_held_over_a_call_of_the_pool_is_reported() {
    let body = || {
        let pool = impatient(2, 1);
        let lock = Mutex::new(());
        let _guard = lock.lock().unwrap();
        pool.install(|| drop(lock.lock().unwrap()));
    };
    let words = ["the turn has been with filch-", "it waits for another thread", "; aborting"];
    let name = "a_lock_that_is_held_over_a_call_of_the_pool_is_reported";
    is_aborted(name, body, &[&words[..], &["does: a_lock_that_is", "a pool of 2"]].concat());
}

/// The task waits for the calling thread, which does not get a turn.
#[cfg(target_os = "linux")]
#[test]
fn a_task_that_parks_for_ever_is_reported() {
    let body = || {
        let pool = impatient(2, 1);
        let (tell, told) = std::sync::mpsc::channel::<thread::Thread>();
        let parks = move || {
            tell.send(thread::current()).unwrap();
            thread::park();
        };
        pool.scope(|s| {
            drop(s.spawn(parks));
            s.spawn(|| (0..100).for_each(|_| schedule_point())).join().unwrap();
        });
        told.recv().unwrap().unpark();
    };
    let words = ["the turn has been with filch-", "it waits for another thread", "; aborting"];
    is_aborted("a_task_that_parks_for_ever_is_reported", body, &words);
}

/// A computation is not aborted, whether other threads have work or not. If they have, that is
/// reported once. A wait that may end is reported once as well.
#[cfg(target_os = "linux")]
#[test]
fn a_long_turn_that_ends_is_reported_once() {
    let compute = |time| {
        let begun = std::time::Instant::now();
        while begun.elapsed() < time {
            std::hint::spin_loop();
        }
    };
    let long = Duration::from_millis(3_500);
    let body = || {
        let pool = impatient(2, 1);
        pool.install(|| compute(long));
        say("nothing yet");
        pool.scope(|s| {
            (0..2).for_each(|_| drop(s.spawn(|| compute(long))));
        });
        let other = thread::spawn(move || {
            let pool = impatient(1, 1);
            pool.install(|| thread::spawn(move || thread::sleep(long)).join().unwrap());
        });
        other.join().unwrap();
        say("gone on");
    };
    let told = |output: std::process::Output| {
        let text = stderr(&output);
        assert!(output.status.success(), "{output:?}");
        let warnings = text.matches("deterministic pools do not move").count();
        assert_eq!((warnings, text.matches("; going on").count()), (2, 2), "{text}");
        let before = text.split("nothing yet").next().unwrap();
        assert!(!before.contains("do not move") && text.contains("gone on"), "{text}");
    };
    own_process("a_long_turn_that_ends_is_reported_once", |_| (), body, told);
}

#[test]
fn a_caller_that_waits_for_a_message_of_a_task_is_reported() {
    let body = || {
        let pool = impatient(2, 1);
        let (sender, receiver) = std::sync::mpsc::channel();
        drop(pool.spawn(move || sender.send(1).unwrap()));
        receiver.recv().unwrap();
    };
    let name = "a_caller_that_waits_for_a_message_of_a_task_is_reported";
    is_aborted(name, body, &["the turn has been with a_caller_that_waits", "filch-0"]);
}

/// Threads that have yet to start or to end also count, although they are in no queue.
#[test]
fn a_caller_that_waits_for_a_message_of_a_handler_is_reported() {
    let body = || {
        let (sender, receiver) = std::sync::mpsc::sync_channel(9);
        let builder = ThreadPoolBuilder::new().num_threads(2).deterministic(1);
        let builder = builder.turn_limit(Duration::from_millis(1_000));
        let pool = builder.start_handler(move |_| sender.send(1).unwrap()).build().unwrap();
        receiver.recv().unwrap();
        drop(pool);
    };
    let name = "a_caller_that_waits_for_a_message_of_a_handler_is_reported";
    is_aborted(name, body, &["the turn has been with a_caller_that_waits", "filch-0"]);
}

#[test]
fn a_caller_that_waits_for_a_message_of_an_exit_handler_is_reported() {
    let body = || {
        let (sender, receiver) = std::sync::mpsc::sync_channel(9);
        let builder = ThreadPoolBuilder::new().num_threads(2).deterministic(1);
        let builder = builder.turn_limit(Duration::from_millis(1_000));
        let pool = builder.exit_handler(move |_| sender.send(1).unwrap()).build().unwrap();
        pool.install(|| ());
        pool.shutdown_background();
        receiver.recv().unwrap();
    };
    let name = "a_caller_that_waits_for_a_message_of_an_exit_handler_is_reported";
    is_aborted(name, body, &["the turn has been with a_caller_that_waits", "filch-"]);
}

/// The waiting thread may also be a worker of another pool.
#[test]
fn a_task_that_waits_for_a_message_of_an_exit_handler_is_reported() {
    let body = || {
        let (sender, receiver) = std::sync::mpsc::sync_channel(9);
        let ends = ThreadPoolBuilder::new().num_threads(1).deterministic(1);
        let ends = ends.turn_limit(Duration::from_millis(1_000));
        let ends = ends.exit_handler(move |_| sender.send(1).unwrap()).build().unwrap();
        ends.install(|| ());
        impatient(1, 1).install(move || {
            ends.shutdown_background();
            receiver.recv().unwrap();
        });
    };
    let name = "a_task_that_waits_for_a_message_of_an_exit_handler_is_reported";
    is_aborted(name, body, &["the turn has been with filch-0"]);
}

/// A build that fails leaves the watcher of an earlier pool at work.
#[test]
fn a_refused_pool_leaves_a_watcher() {
    let body = || {
        let pool = impatient(2, 1);
        pool.install(|| ());
        let refused = ThreadPoolBuilder::new().num_threads(1).deterministic(2);
        assert!(refused.stack_size(1 << 50).build().is_err());
        let (sender, receiver) = std::sync::mpsc::channel();
        drop(pool.spawn(move || sender.send(1).unwrap()));
        receiver.recv().unwrap();
    };
    let name = "a_refused_pool_leaves_a_watcher";
    is_aborted(name, body, &["the turn has been with a_refused_pool", "filch-"]);
}

#[test]
fn tasks_that_poll_in_vain_are_reported() {
    thread_local! { static GO: Cell<bool> = const { Cell::new(false) } }
    let body = || {
        // On its own thread, the task sees another `GO`.
        let task = impatient(1, 1).spawn(|| {
            while !GO.get() {
                schedule_point();
            }
        });
        GO.set(true);
        while !task.is_finished() {
            schedule_point();
        }
    };
    let words = ["nothing but call `schedule_point`", "filch-0"];
    is_aborted("tasks_that_poll_in_vain_are_reported", body, &words);
}

/// Each step is shorter than the limit, although the turn changes only once in many steps. Nor is
/// it a standstill to poll for the work of another pool.
#[test]
fn slow_steps_are_not_a_standstill() {
    let _watchdog = watchdog();
    for seed in [0, 3] {
        let builder = ThreadPoolBuilder::new().num_threads(2).deterministic(seed);
        let pool = builder.turn_limit(Duration::from_secs(1)).build().unwrap();
        let steps = || {
            for _ in 0..5 {
                thread::sleep(Duration::from_millis(250));
                schedule_point();
            }
        };
        pool.join(steps, steps);
    }
    let real = Arc::new(ThreadPoolBuilder::new().num_threads(1).build().unwrap());
    let pool = impatient(1, 1);
    let task = pool.spawn(move || real.install(|| thread::sleep(Duration::from_millis(1_500))));
    while !task.is_finished() {
        thread::yield_now();
    }
}

/// The watcher looks at pools whose threads only wait for their turns, and does not keep them
/// alive.
#[test]
fn the_watcher_keeps_no_pool() {
    let _watchdog = watchdog();
    for seed in 0..2 {
        let kept = Arc::new(());
        let captured = kept.clone();
        let builder = ThreadPoolBuilder::new().num_threads(3).deterministic(seed);
        let builder = builder.turn_limit(Duration::from_millis(400)).exit_handler(move |_| {
            let _ = &captured;
        });
        let pool = builder.build().unwrap();
        pool.install(|| thread::sleep(Duration::from_millis(1_200)));
        drop(pool);
        assert_eq!(Arc::strong_count(&kept), 1, "seed {seed}");
    }
}

/// No thread waits for an event that cannot come, however long the event takes.
#[test]
fn slow_or_idle_threads_are_no_deadlock() {
    let _watchdog = watchdog();
    let pause = || thread::sleep(Duration::from_millis(1_500));
    let pool = impatient(2, 1);
    pause();
    let real = ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    // A thread that has deterministic pools waits for real pools, and so do the workers of its
    // pools.
    real.install(pause);
    real.spawn(pause).join().unwrap();
    pool.install(|| real.install(pause));
    let slow = real.spawn(pause);
    pool.install(|| slow.join().unwrap());
    // No other thread has work meanwhile.
    pool.install(pause);
    let polled = real.spawn(pause);
    while !polled.is_finished() {
        thread::yield_now();
    }
    let other = thread::spawn(|| {
        let other = impatient(2, 2);
        other.spawn(|| thread::sleep(Duration::from_millis(1_500)))
    });
    let elsewhere = other.join().unwrap();
    elsewhere.join().unwrap();
    drop(pool);
}

/// Deterministic pools do not change how the normal pools of their thread work.
#[test]
fn a_thread_that_had_a_deterministic_pool_is_not_simulated() {
    let _watchdog = watchdog();
    let real = ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    for seed in 0..20 {
        let simulated = pool(2, seed);
        assert_eq!(real.join(|| simulated.counters(), || 2).1, 2);
        drop(simulated);
        assert_eq!(real.scope(|s| s.spawn(|| 3).join().unwrap()), 3);
        real.install(|| thread::sleep(Duration::from_millis(1)));
    }
}

/// A thread holds a lock while it builds the global pool. A schedule point in the build may pass
/// the turn to a thread that waits for that lock.
#[test]
fn two_tasks_that_build_the_global_pool_go_on() {
    let body = || {
        for seed in 0..20 {
            let pool = pool(2, seed);
            let build = || {
                let builder = ThreadPoolBuilder::new().num_threads(1).thread_name(|_| {
                    (0..50).for_each(|_| schedule_point());
                    "global".into()
                });
                _ = builder.build_global();
                schedule_point();
            };
            pool.join(build, build);
        }
    };
    tells("two_tasks_that_build_the_global_pool_go_on", body, |_| ());
}

/// The closures of a builder run before the pool has a thread. They may call the library,
/// deterministic pools included.
#[test]
fn closures_of_the_builder_may_work() {
    let _watchdog = watchdog();
    let real = Arc::new(ThreadPoolBuilder::new().num_threads(2).build().unwrap());
    let schedule = |seed: u64, uses_real: bool| {
        let builder = ThreadPoolBuilder::new().num_threads(2).deterministic(seed);
        let real = real.clone();
        let named = builder.thread_name(move |index| {
            if uses_real {
                assert_eq!(real.install(|| filch::join(|| 1, || 2)), (1, 2));
            }
            assert_eq!(pool(2, seed).install(|| filch::join(|| 1, || 2)), (1, 2));
            schedule_point();
            format!("worker {index}")
        });
        program(&named.build().unwrap())
    };
    for seed in 0..20 {
        assert_eq!(schedule(seed, false), schedule(seed, false), "seed {seed}");
        // No seed decides when the real pool has ended its work.
        schedule(seed, true);
    }
}

#[test]
fn the_watchdog_looks_at_deterministic_pools() {
    let body = || {
        let builder = ThreadPoolBuilder::new().num_threads(2).deterministic(1);
        let pool = builder.watchdog(Duration::from_millis(50)).build().unwrap();
        drop(pool.spawn(|| ()));
        // The task cannot begin: this thread keeps the turn.
        thread::sleep(Duration::from_millis(400));
    };
    let told = |told: &str| assert!(told.contains("nothing has moved for"), "{told}");
    tells("the_watchdog_looks_at_deterministic_pools", body, told);
}

/// A task waits in a fork. A broadcast of its scope waits on top of it, since every worker has to
/// run it, and there are no spare threads. A task of that scope joins the first task. It must not
/// run on top of both.
#[test]
fn a_broadcast_on_top_of_a_task_does_not_bury_it_under_its_joiner() {
    let _watchdog = watchdog();
    /// Waits for a fork that another worker has stolen, until `end`.
    fn wait_for_fork(stolen: &AtomicBool, end: &AtomicBool) {
        let fork = || {
            raise(stolen);
            until(end);
        };
        filch::join(|| until(stolen), fork);
    }
    for seed in 0..50 {
        let builder = ThreadPoolBuilder::new().num_threads(4).max_spare_threads(0);
        let pool = builder.deterministic(seed).build().unwrap();
        let task = pool.spawn(|| {
            let [below, above, end] = [const { AtomicBool::new(false) }; 3];
            let waiter = AtomicUsize::new(usize::MAX);
            filch::scope(|s| {
                let first = s.spawn(|| {
                    waiter.store(filch::current_thread_index().unwrap(), Ordering::Relaxed);
                    wait_for_fork(&below, &end);
                });
                until(&below);
                s.spawn_broadcast(|context| {
                    if context.index() == waiter.load(Ordering::Relaxed) {
                        wait_for_fork(&above, &end);
                    }
                });
                until(&above);
                drop(s.spawn(|| first.join().unwrap()));
                // The other workers are busy. The waiter has time to look for a job.
                points(100);
                raise(&end);
            });
        });
        task.join().unwrap();
    }
}

/// In a pool of one worker, a task on top of a wait for another pool spawns a task for a scope whose
/// thread has looked for tasks, and waits without the core. The other pool waits for that scope.
#[test]
fn a_wait_for_another_pool_calls_a_thread_for_tasks_that_it_leaves() {
    let _watchdog = watchdog();
    for seed in 0..40 {
        let [here, other, third] = [(); 3].map(|()| pool(1, seed));
        let [begun, is_back, asked, runs] = [const { AtomicBool::new(false) }; 4];
        let inner = || {
            filch::scope(|s| {
                let task = || {
                    raise(&runs);
                    third.install(|| points(150));
                    s.spawn_fifo(|| ());
                };
                third.install(|| {
                    points(100);
                    s.spawn_fifo(task);
                    until(&runs);
                });
            });
        };
        here.in_place_scope(|s| {
            s.spawn(|| {
                filch::blocking(|| until(&begun));
                raise(&is_back);
                until(&asked);
                points(seed % 20);
            });
            points(50);
            here.install(|| {
                other.install(|| {
                    raise(&begun);
                    until(&is_back);
                    raise(&asked);
                    here.install(inner);
                });
            });
        });
    }
}

/// A task holds a lock over a call to another pool, and has handed off the core since a thread in
/// `blocking` might need any job. That thread goes on, and then takes a scope's task that the other
/// pool has spawned. In its waits, that task must not run one that needs the lock.
#[test]
fn a_scoped_task_from_another_pool_runs_no_other_job_on_a_core_that_was_handed_off() {
    let _watchdog = watchdog();
    for seed in 0..40 {
        let [here, other] = &[(); 2].map(|()| pool(1, seed));
        let lock = &Mutex::new(());
        let [works, is_back, sent, runs] = &[const { AtomicBool::new(false) }; 4];
        here.in_place_scope(|outer| {
            outer.spawn(|| {
                filch::blocking(|| until(works));
                raise(is_back);
                until(sent);
            });
            let nested = move || {
                filch::scope(|s| {
                    s.spawn_fifo(|| ());
                    outer.spawn_fifo(move || {
                        raise(runs);
                        drop(lock_in_turns(lock));
                    });
                });
                raise(runs);
            };
            outer.spawn(move || {
                filch::scope(|s| {
                    std::mem::forget(s.spawn(move || {
                        let _guard = lock_in_turns(lock);
                        other.install(|| {
                            until(is_back);
                            s.spawn_fifo(nested);
                            raise(sent);
                            until(runs);
                        });
                    }));
                });
            });
            points(200 + seed);
            outer.spawn(|| raise(works));
        });
    }
}

/// A task holds a lock over a join, off its core. Its join ends while a free wait on the core, of a
/// task that was in `blocking`, looks for a job. That wait must find none that needs the lock: the
/// first task would not get its core back.
#[test]
fn no_unrelated_job_begins_while_a_task_takes_its_core_back() {
    let _watchdog = watchdog();
    for seed in 0..500 {
        let pool = pool(2, seed);
        let lock = Arc::new(Mutex::new(()));
        let mut tasks = Vec::new();
        for _ in 0..3 {
            drop(pool.spawn(|| {
                filch::blocking(|| points(4));
                filch::join(|| points(1), || points(4));
            }));
            let holds = lock.clone();
            tasks.push(pool.spawn(move || {
                let _guard = lock_in_turns(&holds);
                filch::join(|| points(1), || points(4));
            }));
            pool.spawn_broadcast(|_| ());
        }
        for _ in 0..3 {
            let needs = lock.clone();
            tasks.push(pool.spawn(move || drop(lock_in_turns(&needs))));
        }
        tasks.into_iter().for_each(|task| task.join().unwrap());
    }
}

/// A seed must replay the schedule in another run of the program.
#[test]
fn another_process_has_the_same_schedule() {
    let _watchdog = watchdog();
    let schedules = || format!("{:?}", [3, 4].map(|seed| program(&pool(3, seed))));
    tells(
        "another_process_has_the_same_schedule",
        || say(&schedules()),
        |told| assert!(told.contains(&schedules()), "{told}\nand here {}", schedules()),
    );
}

/// A real pool may wait for a simulated one when it is dropped by the thread that built both.
#[test]
fn a_builder_that_drops_a_real_pool_passes_its_turn_on() {
    for seed in 0..20 {
        let simulated = pool(1, seed);
        let real = ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let task = simulated.spawn(|| 7);
        let joined = Arc::new(AtomicBool::new(false));
        let joins = joined.clone();
        drop(real.spawn(move || joins.store(task.join().is_ok(), Ordering::SeqCst)));
        drop(real);
        assert!(joined.load(Ordering::SeqCst), "seed {seed}");
    }
}

/// A worker drops a pool. The thread of that pool may need the worker in the destructors of its
/// thread-locals.
#[test]
fn a_worker_that_drops_a_pool_works_until_its_threads_end() {
    struct OnEnd(Arc<ThreadPool>);
    impl Drop for OnEnd {
        fn drop(&mut self) {
            assert_eq!(self.0.spawn(|| 7).join().unwrap(), 7);
        }
    }
    thread_local! {
        static LAST: Cell<Option<OnEnd>> = const { Cell::new(None) };
    }
    for seed in 0..20 {
        let outer = Arc::new(pool(1, seed));
        let theirs = outer.clone();
        let ends = outer.spawn(move || {
            let inner = pool(1, seed + 1);
            inner.install(move || LAST.set(Some(OnEnd(theirs))));
            drop(inner);
        });
        ends.join().unwrap();
    }
}

/// A graph measures its tasks, some of which take longer than others.
#[test]
fn no_schedule_depends_on_how_long_tasks_take() {
    let _watchdog = watchdog();
    let schedule = |seed, slow: u32| {
        let trace = Trace::default();
        let note = &trace;
        let mut graph = Graph::new();
        graph.measure_costs(true);
        for number in 0..12 {
            graph.task((), move |()| {
                note.note(number);
                if number % 3 == slow {
                    thread::sleep(Duration::from_micros(300));
                }
            });
        }
        let run = || (0..3).for_each(|_| graph.run().unwrap().success().unwrap());
        pool(2, seed).install(run);
        drop(graph);
        trace.into_steps()
    };
    for seed in 0..5 {
        assert_eq!(schedule(seed, 0), schedule(seed, 1), "seed {seed}");
    }
}

/// A task that waits is under a member, and a member's wait could run what joins this task.
#[test]
fn a_member_is_not_under_what_joins_the_task_under_another() {
    let _watchdog = watchdog();
    let points = || (0..20).for_each(|_| schedule_point());
    for seed in 0..40 {
        let pool = ThreadPoolBuilder::new().num_threads(3).task_order(TaskOrder::OldestFirst);
        let pool = pool.deterministic(seed).build().unwrap();
        let first = pool.spawn(points);
        let waits = Mutex::new(Some(pool.spawn(move || first.join().unwrap())));
        let joins = Mutex::new(None);
        let member = |member: &mut filch::Member<'_>| {
            let waits = waits.lock().unwrap().take();
            if let Some(waits) = waits {
                let joined = filch::spawn(move || waits.join().unwrap());
                *joins.lock().unwrap() = Some(joined);
            }
            filch::scope(|s| drop(s.spawn(points)));
            member.barrier();
        };
        pool.gang(3, member).unwrap();
        joins.into_inner().unwrap().unwrap().join().unwrap();
    }
}
