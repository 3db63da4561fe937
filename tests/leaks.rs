//! Nothing is left behind: no memory of an operation, and no thread or file of a pool.

mod common;
#[path = "common/counting.rs"]
mod counting;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use std::{io, thread};

use common::{
    CALLERS, Flag, Gate, OWN_THREADS, alone, alone_counting_threads, boom, builder, eventually,
    is_simulated_without, one_a_seed, pool, sized, step_aside, watchdog,
};
use counting::{LIVE_BLOCKS, LIVE_BYTES};
use filch::prelude::*;
use filch::{CancelToken, ThreadBuilder, ThreadPool, ThreadPoolBuilder, Yield};

// ---- Memory ----

/// What is allocated now.
#[derive(Clone, Copy, Debug)]
struct Live {
    blocks: isize,
    bytes: isize,
}

impl Live {
    fn now() -> Self {
        let [blocks, bytes] = [&LIVE_BLOCKS, &LIVE_BYTES].map(|n| n.load(Ordering::Relaxed));
        Live { blocks, bytes }
    }

    /// Whether no more is allocated than before, apart from `spare`.
    fn is_within(self, before: Live, spare: Live) -> bool {
        self.blocks <= before.blocks + spare.blocks && self.bytes <= before.bytes + spare.bytes
    }
}

/// How many operations of each kind are counted in each pool. In a release build, a million.
const MANY: usize = if cfg!(debug_assertions) { 15_000 } else { 1_000_000 };
/// The same for operations that take microseconds: a million in the pools of three sizes together.
const FEW: usize = MANY / 3;
/// The same for sorts and the like, in one pool: a million take minutes, but an hour in a debug
/// build.
const SORTS: usize = if cfg!(debug_assertions) { MANY / 6 } else { MANY };

/// The memory that operations with few pending tasks may leave for later use: freed blocks in the
/// free lists of `src/sync/slab.rs` (one in each of seven sizes for each thread, and those that
/// went from thread to thread through the shared lists), the batches in which tasks wait, and the
/// garbage of crossbeam's queues, which is freed by age and not by amount. Seen: 604 blocks, 75 kB.
/// Except in simulations, each test runs more operations than this. So it notices a leak of one
/// block for each operation.
const SPARE: Live = Live { blocks: 2_000, bytes: 1 << 20 };

/// Tasks that may be pending at a time.
const PENDING: usize = 100;

/// Runs `many` operations by `body`, which is told how many to run, in pools of these numbers of
/// threads. Asserts that no memory is left, first while the pool lives, and then when it is gone.
fn keeps_nothing(threads: &[usize], many: usize, body: impl Fn(&ThreadPool, usize)) {
    let many = sized(many, 200);
    for threads in one_a_seed(threads.iter().copied()) {
        let before_pool = Live::now();
        let pool = builder().num_threads(threads).panic_handler(drop);
        let pool = pool.build().unwrap();
        body(&pool, many / 10);
        pool.broadcast(|_| ());
        let warm = Live::now();
        body(&pool, many);
        pool.broadcast(|_| ());
        returns_to(warm, SPARE, &format!("{many} operations on {threads} threads"));
        drop(pool);
        returns_to(before_pool, SPARE, &format!("the pool of {threads} threads"));
    }
}

/// Waits until threads that are about to sleep have freed the memory that they still use.
#[track_caller]
fn returns_to(before: Live, spare: Live, what: &str) {
    let then = Live::now();
    let what = format!("the memory of {what} is freed: {before:?} before, {then:?} then");
    eventually(&what, || Live::now().is_within(before, spare));
}

/// One test for each kind of operation, because each needs a separate process.
macro_rules! kept_nothing {
    ($($name:ident: $many:expr, $threads:expr, $body:expr;)*) => {$(
        #[test]
        fn $name() {
            let _watchdog = watchdog();
            if stringify!($name).contains("outside_threads") && is_simulated_without(CALLERS) {
                return;
            }
            alone(stringify!($name), || keeps_nothing(&$threads, $many, $body));
        }
    )*};
}

/// Tells `body` how many operations to run, at most `PENDING` at a time, until they are `many`.
fn in_batches(many: usize, mut body: impl FnMut(usize)) {
    for _ in 0..many / PENDING {
        body(PENDING);
    }
}

/// Spawns detached tasks by `spawn`, and waits for them all.
fn detached(many: usize, spawn: impl Fn(Arc<AtomicUsize>)) {
    in_batches(many, |batch| {
        let ended = Arc::new(AtomicUsize::new(0));
        (0..batch).for_each(|_| spawn(Arc::clone(&ended)));
        while ended.load(Ordering::Relaxed) < batch {
            if filch::yield_now() != Some(Yield::Executed) {
                step_aside();
            }
        }
    });
}

/// Counts a task as ended when this is dropped, however the task ends.
struct Ends(Arc<AtomicUsize>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

kept_nothing! {
    joins_keep_nothing: MANY, [1, 2, 3], |pool, many| pool.install(|| {
        (0..many).for_each(|i| assert_eq!(filch::join(|| i, || vec![i]), (i, vec![i])));
    });
    joins_from_outside_keep_nothing: MANY, [1, 2, 3], |pool, many| {
        (0..many).for_each(|i| assert_eq!(pool.join(|| i, || vec![i]), (i, vec![i])));
    };
    joins_that_know_of_thieves_keep_nothing: MANY, [1, 2, 3], |pool, many| pool.install(|| {
        (0..many).for_each(|i| drop(filch::join_context(|_| vec![i], |_| vec![i])));
    });
    stolen_joins_keep_nothing: FEW, [2, 3, 4], |pool, many| pool.install(|| {
        for _ in 0..many {
            let stolen = Flag::new();
            filch::join(|| stolen.poll(), || stolen.raise());
        }
    });
    scoped_tasks_keep_nothing: MANY, [1, 2, 3], |pool, many| in_batches(many, |batch| {
        for _ in 0..batch / 20 {
            pool.scope(|s| (0..20).for_each(|i| drop(s.spawn(move || vec![i]))));
        }
    });
    joined_scoped_tasks_keep_nothing: MANY, [1, 2, 3], |pool, many| in_batches(many, |batch| {
        for _ in 0..batch / 20 {
            pool.scope(|s| {
                let tasks: Vec<_> = (0..20).map(|i| s.spawn(move || vec![i])).collect();
                tasks.into_iter().for_each(|task| drop(task.join().unwrap()));
            });
        }
    });
    many_joined_scoped_tasks_keep_nothing: MANY, [1, 2, 3], |pool, many| in_batches(many, |batch| {
        pool.scope(|s| {
            let tasks: Vec<_> = (0..batch).map(|i| s.spawn(move || vec![i])).collect();
            tasks.into_iter().for_each(|task| drop(task.join().unwrap()));
        });
    });
    many_joined_tasks_of_a_worker_keep_nothing: MANY, [1, 2, 3], |pool, many| pool.install(|| {
        in_batches(many, |batch| {
            let tasks: Vec<_> = (0..batch).map(|i| filch::spawn(move || vec![i])).collect();
            tasks.into_iter().for_each(|task| drop(task.join().unwrap()));
        });
    });
    scopes_in_scopes_keep_nothing: MANY, [1, 2, 3], |pool, many| in_batches(many, |batch| {
        pool.scope(|s| (0..batch / 10).for_each(|_| drop(s.spawn(|| {
            filch::scope(|s| (0..9).for_each(|i| drop(s.spawn(move || vec![i]))));
        }))));
    });
    scopes_keep_nothing: MANY, [1, 2, 3], |pool, many| pool.install(|| {
        (0..many).for_each(|i| filch::scope(|s| drop(s.spawn(move || vec![i]))));
    });
    scopes_in_place_keep_nothing: MANY, [1, 2, 3], |pool, many| in_batches(many, |batch| {
        for _ in 0..batch / 20 {
            pool.in_place_scope(|s| (0..20).for_each(|i| drop(s.spawn(move || vec![i]))));
        }
    });
    tasks_in_order_keep_nothing: MANY, [1, 2, 3], |pool, many| in_batches(many, |batch| {
        pool.scope(|s| (0..batch).for_each(|i| s.spawn_fifo(move || drop(vec![i]))));
    });
    detached_tasks_in_order_keep_nothing: MANY, [1, 2, 3], |pool, many| pool.install(|| {
        detached(many, |ended| {
            let ends = Ends(ended);
            filch::spawn_fifo(move || drop((ends, vec![1])));
        });
    });
    detached_tasks_keep_nothing: MANY, [1, 2, 3], |pool, many| detached(many, |ended| {
        let ends = Ends(ended);
        drop(pool.spawn(move || (ends, vec![1])));
    });
    detached_tasks_of_a_worker_keep_nothing: MANY, [1, 2, 3], |pool, many| pool.install(|| {
        detached(many, |ended| {
            let ends = Ends(ended);
            drop(filch::spawn(move || (ends, vec![1])));
        });
    });
    joined_tasks_keep_nothing: MANY, [1, 2, 3], |pool, many| in_batches(many, |batch| {
        let tasks: Vec<_> = (0..batch).map(|i| pool.spawn(move || vec![i])).collect();
        tasks.into_iter().for_each(|task| drop(task.join().unwrap()));
    });
    joined_tasks_of_a_worker_keep_nothing: MANY, [1, 2, 3], |pool, many| pool.install(|| {
        (0..many).for_each(|i| drop(filch::spawn(move || vec![i]).join().unwrap()));
    });
    handles_dropped_late_keep_nothing: MANY, [1, 2, 3], |pool, many| in_batches(many, |batch| {
        let tasks: Vec<_> = (0..batch).map(|i| pool.spawn(move || vec![i])).collect();
        tasks.iter().for_each(|task| {
            while !task.is_finished() {
                step_aside();
            }
        });
    });
    handles_joined_by_outside_threads_keep_nothing: MANY, [1, 2, 3], |pool, many| {
        in_batches(many, |batch| {
            let tasks: Vec<_> = (0..batch).map(|i| pool.spawn(move || vec![i])).collect();
            let join_all = || tasks.into_iter().for_each(|task| drop(task.join().unwrap()));
            thread::scope(|plain| drop(plain.spawn(join_all)));
        });
    };
    yields_keep_nothing: MANY, [1, 2, 3], |pool, many| pool.install(|| detached(many, |ended| {
        let ends = Ends(ended);
        drop(filch::spawn(move || (ends, vec![1])));
        filch::yield_local();
        filch::yield_now();
    }));
    large_tasks_keep_nothing: MANY, [1, 2, 3], |pool, many| in_batches(many, |batch| {
        let large = [1_u64; 100];
        pool.scope(|s| (0..batch).for_each(|_| drop(s.spawn(move || large))));
    });
    installs_keep_nothing: FEW, [1, 2, 3], |pool, many| {
        (0..many).for_each(|i| assert_eq!(pool.install(|| vec![i]), [i]));
    };
    installs_across_pools_keep_nothing: FEW, [1, 2, 3], |pool, many| {
        let other = common::pool(2);
        other.install(|| (0..many).for_each(|i| assert_eq!(pool.install(|| vec![i]), [i])));
    };
    broadcasts_of_scopes_keep_nothing: FEW, [1, 2, 3], |pool, many| {
        (0..many).for_each(|i| pool.scope(|s| s.spawn_broadcast(move |_| drop(vec![i]))));
    };
    broadcasts_keep_nothing: FEW, [1, 2, 3], |pool, many| {
        (0..many).for_each(|i| drop(pool.broadcast(|_| vec![i])));
    };
    spawned_broadcasts_keep_nothing: FEW, [1, 2, 3], |pool, many| detached(many, |ended| {
        let ends = Ends(ended);
        pool.spawn_broadcast(move |_| drop((&ends, vec![1])));
    });
    outside_threads_keep_nothing: FEW, [1, 2, 3], |pool, many| {
        for _ in 0..many {
            thread::scope(|plain| {
                plain.spawn(|| pool.spawn(|| vec![1]).join().unwrap());
                plain.spawn(|| pool.join(|| vec![1], || vec![2]));
            });
        }
    };
    panics_in_joins_keep_nothing: FEW, [1, 2, 3], |pool, many| (0..many).for_each(|i| {
        let a = || if i % 3 < 2 { boom(1) } else { vec![i] };
        let b = || if i % 3 > 0 { boom(2) } else { vec![i] };
        let join = || if i % 2 == 0 { pool.join(a, b) } else { pool.install(|| filch::join(a, b)) };
        assert!(caught(join));
    });
    panics_in_scopes_keep_nothing: FEW, [1, 2, 3], |pool, many| in_batches(many, |batch| {
        for _ in 0..batch / 4 {
            assert!(caught(|| pool.scope(|s| {
                (0..3).for_each(|id| drop(s.spawn(move || boom(id))));
                assert!(s.spawn(|| boom(4)).join().is_err());
                boom(5)
            })));
            assert!(caught(|| pool.in_place_scope(|s| drop(s.spawn(|| boom(1))))));
        }
    });
    panics_in_tasks_keep_nothing: FEW, [1, 2, 3], |pool, many| {
        in_batches(many, |batch| {
            let tasks: Vec<_> = (0..batch).map(|_| pool.spawn(|| boom(1))).collect();
            tasks.into_iter().for_each(|task| assert!(task.join().is_err()));
        });
        detached(many, |ended| {
            let ends = Ends(ended);
            drop(pool.spawn(move || {
                let _ends = ends;
                boom(1)
            }));
        });
    };
    panics_in_installs_and_broadcasts_keep_nothing: FEW, [1, 2, 3], |pool, many| {
        (0..many / 2).for_each(|_| {
            assert!(caught(|| pool.install(|| boom(1))));
            assert!(caught(|| pool.broadcast(|_| boom(1))));
        });
    };
    panics_in_spawned_broadcasts_keep_nothing: FEW, [1, 2, 3], |pool, many| detached(many, |ended| {
        let ends = Ends(ended);
        pool.spawn_broadcast(move |_| {
            let _ends = &ends;
            boom(1)
        });
    });
    panics_in_tasks_in_order_keep_nothing: FEW, [1, 2, 3], |pool, many| {
        (0..many / 2).for_each(|_| assert!(caught(|| pool.scope(|s| s.spawn_fifo(|| boom(1))))));
        detached(many / 2, |ended| {
            let ends = Ends(ended);
            pool.spawn_fifo(move || {
                let _ends = ends;
                boom(1)
            });
        });
    };
    panics_in_drops_keep_nothing: FEW, [1, 2, 3], |pool, many| {
        detached(many, |ended| {
            let (capture, ends) = (Bomb(vec![1]), Ends(ended));
            drop(pool.spawn(move || drop((capture, ends))));
        });
        detached(many, |ended| {
            let ends = Ends(ended);
            // The handle of a task that has ended holds the bomb.
            caught(|| drop(pool.spawn(move || (Bomb(vec![1]), ends))));
        });
        (0..many / 2).for_each(|_| {
            assert!(caught(|| pool.scope(|s| drop(s.spawn(|| Bomb(vec![1]))))));
        });
    };
    loops_keep_nothing: FEW, [1, 2, 3],
        |pool, many| pool.install(|| (0..many).for_each(|i| {
        loop_over(40).for_each(|n| drop(vec![n]));
        assert_eq!(loop_over(40).map(|n| vec![n]).collect::<Vec<_>>().len(), 40);
        assert_eq!(loop_over(40).map(|n| vec![n]).reduce(Vec::new, joined).len(), 40);
        assert_eq!(loop_over(8).flat_map(|n| (0..n).into_par_iter().map(|n| vec![n])).count(), 28);
        assert_eq!(loop_over(40).filter(|n| n % 2 == i % 2).collect::<Vec<_>>().len(), 20);
    }));
    panics_in_loops_keep_nothing: FEW, [1, 2, 3],
        |pool, many| pool.install(|| (0..many).for_each(|i| {
        let item = |n| if n == i % 40 { boom(1) } else { vec![n] };
        match i % 2 {
            0 => assert!(caught(|| loop_over(40).for_each(|n| drop(item(n))))),
            _ => assert!(caught(|| loop_over(40).map(item).collect::<Vec<_>>())),
        }
    }));
    cancelled_loops_keep_nothing: FEW, [1, 2, 3],
        |pool, many| pool.install(|| (0..many).for_each(|i| {
        let token = CancelToken::new();
        let done = loop_over(40).map(|n| {
            if n == i % 40 {
                token.cancel();
            }
            vec![n]
        });
        assert!(done.cancel_with(&token, |done| done.collect::<Vec<_>>()).is_err());
    }));
    ordered_loops_keep_nothing: FEW, [1, 2, 3],
        |pool, many| pool.install(|| (0..many).for_each(|i| {
        let item = |n| if n == 30 + i % 40 { boom(1) } else { vec![n] };
        let result = caught(|| loop_over(40).map(item).for_each_ordered(1 + i % 9, drop));
        assert_eq!(result, i % 40 < 10);
    }));
    sorts_keep_nothing: SORTS, [2], |pool, many| sorted(pool, many, |v| v.par_sort());
    unstable_sorts_keep_nothing: SORTS, [2], |pool, many| {
        sorted(pool, many, |v| v.par_sort_unstable());
    };
    keyed_sorts_keep_nothing: SORTS, [2], |pool, many| {
        sorted(pool, many, |v| v.par_sort_by_cached_key(|n| *n));
    };
    operations_on_slices_keep_nothing: SORTS, [2], |pool, many| pool.install(|| {
        let values: Vec<_> = (0..LONGER).collect();
        for _ in 0..many {
            assert_eq!(values.par_inclusive_scan(|a, b| *a.max(b)).len(), LONGER);
            assert_eq!(values.par_merge(&values).len(), 2 * LONGER);
            assert_eq!(values.par_histogram(3, |n| n % 3).len(), 3);
            let mut kept = values.clone();
            kept.par_retain(|n| n % 2 == 0);
            assert_eq!(kept.len(), LONGER / 2);
        }
    });
    reports_keep_nothing: FEW, [1, 2, 3], |pool, many| (0..many).for_each(|_| {
        assert!(!pool.dump().to_string().is_empty());
        drop(pool.counters());
    });
}

/// Long enough that sorts divide it, and long enough that every algorithm does. The latter takes
/// too long in a debug build.
const LONG: usize = 2_100;
const LONGER: usize = if cfg!(debug_assertions) { LONG } else { 16_400 };

fn sorted(pool: &ThreadPool, many: usize, sort: impl Fn(&mut [usize]) + Sync) {
    pool.install(|| {
        for _ in 0..many {
            let mut values: Vec<_> = (0..LONG).map(|n| n * 11 % LONG).collect();
            sort(&mut values);
            assert!(values.is_sorted());
        }
    });
}

/// A loop that is divided although its items are cheap.
fn loop_over(items: usize) -> impl IndexedParallelIterator<Item = usize> {
    (0..items).into_par_iter().with_max_len(10)
}

fn joined(mut a: Vec<usize>, b: Vec<usize>) -> Vec<usize> {
    a.extend(b);
    a
}

/// Panics when it is dropped.
struct Bomb(#[allow(dead_code, reason = "memory that could be lost")] Vec<usize>);

impl Drop for Bomb {
    fn drop(&mut self) {
        boom(9);
    }
}

fn caught<R>(body: impl FnOnce() -> R) -> bool {
    catch_unwind(AssertUnwindSafe(body)).is_err()
}

/// How many pools each test builds and drops, or fails to build.
const POOLS: usize = if cfg!(debug_assertions) { 1_000 } else { 5_000 };

/// The memory that pools may leave for later use: less than a block for each. Seen: 58 blocks in
/// all.
const SPARE_OF_POOLS: Live = Live { blocks: POOLS as isize / 4, bytes: 256 << 10 };

/// Like [`keeps_nothing`], for whole pools.
fn pools_keep_nothing(name: &str, pools: usize, body: impl Fn(usize)) {
    let pools = sized(pools, 20);
    alone(name, || {
        (0..pools / 10).for_each(&body);
        let warm = Live::now();
        (0..pools).for_each(&body);
        returns_to(warm, SPARE_OF_POOLS, &format!("{pools} pools"));
    });
}

/// A scope of more tasks than the free lists keep blocks for. The tasks are run, or dropped.
#[test]
fn many_pending_tasks_keep_nothing() {
    const TASKS: usize = 400_000;
    let _watchdog = watchdog();
    alone("many_pending_tasks_keep_nothing", || {
        let before = Live::now();
        for (threads, is_cancelled) in one_a_seed([(1, false), (1, true), (2, false), (2, true)]) {
            let pool = pool(threads);
            pool.install(|| {
                let token = CancelToken::new();
                let result = filch::scope_with(&token, |s| {
                    (0..sized(TASKS, 200)).for_each(|_| drop(s.spawn(|| ())));
                    if is_cancelled {
                        token.cancel();
                    }
                });
                assert_eq!(result.is_err(), is_cancelled);
            });
            drop(pool);
            returns_to(before, SPARE, &format!("{TASKS} tasks on {threads} threads"));
        }
    });
}

#[test]
fn pools_that_were_used_keep_nothing() {
    let _watchdog = watchdog();
    pools_keep_nothing("pools_that_were_used_keep_nothing", POOLS, use_and_drop);
}

/// The same for pools that need threads, for each way to build and to end them.
macro_rules! pools_kept_nothing {
    ($($name:ident: $body:expr;)*) => {$(
        #[test]
        fn $name() {
            let _watchdog = watchdog();
            if !is_simulated_without(OWN_THREADS) {
                pools_keep_nothing(stringify!($name), POOLS, $body);
            }
        }
    )*};
}

pools_kept_nothing! {
    pools_that_could_not_be_built_keep_nothing: fail_to_build;
    pools_of_scoped_threads_keep_nothing: |_| {
        let run = |worker: ThreadBuilder| worker.run();
        two_threads().build_scoped(run, use_a_little).unwrap();
        let failed = || two_threads().build_scoped(run, |_| -> () { boom(1) });
        assert!(caught(failed));
    };
    pools_with_spawn_handlers_keep_nothing: |_| {
        let spawn = |worker: ThreadBuilder| thread::Builder::new().spawn(|| worker.run()).map(drop);
        use_a_little(&two_threads().spawn_handler(spawn).build().unwrap());
        let mut started = Vec::new();
        let pool = two_threads().build_with(|worker| {
            started.push(thread::spawn(|| worker.run()));
            Ok(())
        });
        use_a_little(&pool.unwrap());
        started.into_iter().for_each(|thread| thread.join().unwrap());
    };
    pools_of_the_current_thread_keep_nothing: |_| until_gone(|handler| thread::scope(|plain| {
        let pool = || two_threads().exit_handler(handler).use_current_thread().build().unwrap();
        plain.spawn(|| use_a_little(&pool()));
    }));
    pools_that_end_in_the_background_keep_nothing: |_| until_gone(|handler| {
        let pool = two_threads().exit_handler(handler).build().unwrap();
        use_a_little(&pool);
        pool.shutdown_background();
    });
    pools_with_watchdogs_keep_nothing: |_| {
        use_a_little(&two_threads().watchdog(Duration::from_secs(60)).build().unwrap());
    };
}

#[cfg(feature = "deterministic")]
#[test]
fn deterministic_pools_keep_nothing() {
    let _watchdog = watchdog();
    pools_keep_nothing("deterministic_pools_keep_nothing", POOLS, |seed| {
        use_a_little(&two_threads().deterministic(seed as u64).build().unwrap());
    });
}

fn two_threads() -> ThreadPoolBuilder {
    ThreadPoolBuilder::new().num_threads(2).panic_handler(drop)
}

/// Waits for the end of a pool that no thread waits for: its handlers are dropped last.
fn until_gone<F: FnOnce(Box<dyn Fn(usize) + Send + Sync>)>(body: F) {
    let here = Arc::new(());
    let there = Arc::clone(&here);
    body(Box::new(move |_| drop(Arc::clone(&there))));
    eventually("the pool ends", || Arc::strong_count(&here) == 1);
}

/// Runs forks, tasks, of which one is detached, and a panic.
fn use_a_little(pool: &ThreadPool) {
    assert_eq!(pool.join(|| 1, || 2), (1, 2));
    pool.scope(|s| (0..10).for_each(|i| drop(s.spawn(move || vec![i]))));
    assert!(pool.spawn(|| boom(1)).join().is_err());
    drop(pool.spawn(|| vec![1]));
}

/// Builds a pool with several settings, runs a bit of everything, panics included, and drops the
/// pool.
fn use_and_drop(round: usize) {
    let name = "x".repeat(10);
    let pool = builder()
        .num_threads(1 + round % 3)
        .thread_name(move |index| format!("{name}-{index}"))
        .start_handler(|_| boom(1))
        .exit_handler(|_| boom(2))
        .panic_handler(drop)
        .build()
        .unwrap();
    assert_eq!(pool.join(|| 1, || 2), (1, 2));
    pool.scope(|s| (0..10).for_each(|i| drop(s.spawn(move || vec![i]))));
    assert!(caught(|| pool.install(|| boom(3))));
    assert!(pool.spawn(|| boom(4)).join().is_err());
    drop(pool.spawn(|| boom(5)));
    pool.spawn_broadcast(|_| boom(6));
}

/// Fails to build a pool, for another reason and at another thread in each round.
fn fail_to_build(round: usize) {
    let builder = ThreadPoolBuilder::new().num_threads(4).panic_handler(drop);
    let builder = builder.start_handler(|_| drop(vec![1])).exit_handler(|_| boom(1));
    let failing = round % 4;
    let spawn = move |worker: ThreadBuilder| match worker.index() == failing {
        true => Err(io::Error::other("no thread today")),
        false => thread::Builder::new().spawn(|| worker.run()).map(drop),
    };
    let panic = move |worker: ThreadBuilder| match worker.index() == failing {
        true => boom(1),
        false => thread::Builder::new().spawn(|| worker.run()).map(drop),
    };
    let name = move |index| if index == failing { "a\0b".into() } else { format!("name-{index}") };
    let failed = match round / 4 % 5 {
        0 => builder.num_threads(usize::MAX).build().is_err(),
        1 => builder.thread_name(name).build().is_err(),
        2 => builder.stack_size(usize::MAX / 2).build().is_err(),
        3 => builder.spawn_handler(spawn).build().is_err(),
        _ => caught(|| builder.spawn_handler(panic).build().unwrap()),
    };
    assert!(failed);
}

// ---- Threads and files ----

/// How many files this process has open, if the system reports it.
fn files() -> Option<usize> {
    Some(std::fs::read_dir("/proc/self/fd").ok()?.count())
}

/// Whether the calling test must be left out because there is nothing to count.
fn is_blind() -> bool {
    let blind = common::thread_count().is_none() || files().is_none();
    if blind {
        common::say("SKIPPED: threads and files cannot be counted on this system");
    }
    blind
}

#[test]
fn pools_keep_no_thread_and_no_file() {
    let _watchdog = watchdog();
    if is_blind() {
        return;
    }
    alone_counting_threads("pools_keep_no_thread_and_no_file", || {
        let (threads, open) = (common::thread_count(), files());
        for round in 0..POOLS / 2 {
            use_and_drop(round);
            fail_to_build(round);
        }
        common::threads_return_to(threads);
        eventually("the files are closed", || files() == open);
    });
}

#[test]
fn a_pool_at_work_opens_no_further_thread_and_no_file() {
    let _watchdog = watchdog();
    if is_blind() {
        return;
    }
    alone_counting_threads("a_pool_at_work_opens_no_further_thread_and_no_file", || {
        let pool = pool(3);
        pool.broadcast(|_| ());
        let (threads, open) = (common::thread_count(), files());
        let gate = Gate::new();
        pool.in_place_scope(|s| {
            drop(s.spawn(|| gate.wait()));
            for _ in 0..MANY / 100 {
                assert_eq!(pool.install(|| pool.scope(|s| s.spawn(|| 1).join().unwrap())), 1);
                assert!(caught(|| pool.join(|| boom(1), || boom(2))));
                drop(pool.spawn(|| vec![1]));
            }
            assert_eq!((common::thread_count(), files()), (threads, open));
            gate.open();
        });
        assert_eq!((common::thread_count(), files()), (threads, open));
    });
}
