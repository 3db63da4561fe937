//! Injects a panic at every point of every operation. It must arrive where the contract says,
//! everything must be dropped once, and the pool must still work.

mod common;
#[path = "common/fault.rs"]
mod fault;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use common::{
    Flag, Gate, OWN_THREADS, boom, boom_id, builder, eventually, failed_with, is_simulated,
    is_simulated_without, one_a_seed, pool, rest, sized, step_aside, watchdog,
};
use fault::{
    Fault, HANDLE, HANDLER, HANDLER_OR_OUT, HANDLER_OR_SWALLOWED, JOINED, JOINED_IN_SCOPE, LOST,
    NEVER, OUT, OUT_EITHER, OUT_OR_SWALLOWED, OUT_SECOND, OUT_SECOND_OR_SWALLOWED, OUT_THIRD,
    SWALLOWED, Token, UNJOINED, UNJOINED_IN_SCOPE, UNWANTED, UNWANTED_OR_UNJOINED, drive,
};
use filch::prelude::*;
use filch::{
    BroadcastContext, CancelToken, FnContext, JoinHandle, Scope, ScopedJoinHandle, TaskOrder,
    ThreadBuilder, ThreadPool, ThreadPoolBuilder, WaitPolicy,
};

// ---- Callers and pools ----

#[derive(Clone, Copy, Debug)]
enum From {
    /// A worker of the pool, by the free functions.
    Worker,
    /// A worker of the pool, by the pool's methods.
    WorkerByMethod,
    /// A thread that is no worker, by the pool's methods.
    Outside,
    /// A worker of another pool, by the pool's methods.
    OtherPool,
    /// The thread that has built the pool and is one of its workers, by the free functions.
    Member,
    /// A thread that is no worker, by the free functions, which use the global pool.
    Global,
}

const CALLERS: [From; 4] = [From::Worker, From::WorkerByMethod, From::Outside, From::OtherPool];
const SIZES: [usize; 3] = [1, 2, 4];

/// The settings of a pool.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Plain,
    OwnDescendants,
    /// Many settings that are not the defaults.
    Unusual,
}

impl Kind {
    fn set(self, builder: ThreadPoolBuilder) -> ThreadPoolBuilder {
        match self {
            Kind::Plain => builder,
            Kind::OwnDescendants => builder.wait_policy(WaitPolicy::OwnDescendants),
            Kind::Unusual => builder
                .task_order(TaskOrder::OldestFirst)
                .lend_seats(false)
                .injector_interval(1)
                .watchdog(Duration::from_secs(10)),
        }
    }
}

/// The callers, with the kinds and the sizes of their pools, from `smallest` on.
fn settings(smallest: usize) -> impl Iterator<Item = (From, Kind, usize)> {
    let plain = SIZES.map(|threads| CALLERS.map(|from| (from, Kind::Plain, threads)));
    let others = [
        (From::Worker, Kind::OwnDescendants, 2),
        (From::OtherPool, Kind::OwnDescendants, 2),
        (From::Worker, Kind::Unusual, 2),
        (From::Outside, Kind::Unusual, 2),
    ];
    let on_own_threads =
        [(From::Member, Kind::Plain, smallest), (From::Global, Kind::Plain, GLOBAL_THREADS)];
    let on_own_threads = on_own_threads.into_iter().filter(|_| !is_simulated());
    let all = plain.into_iter().flatten().chain(others).chain(on_own_threads);
    all.filter(move |&(.., threads)| threads >= smallest)
}

const GLOBAL_THREADS: usize = 3;

/// Builds the global pool, whose panic handler records faults. Returns a guard, so that one test at
/// a time uses the pool: a test may hold its workers.
fn global_pool() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    static BUILT: LazyLock<()> = LazyLock::new(|| {
        let builder = ThreadPoolBuilder::new().num_threads(GLOBAL_THREADS);
        builder.panic_handler(fault::handle).build_global().unwrap();
    });
    let guard = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    *BUILT;
    guard
}

/// The operations: the free functions, or the pool's methods.
#[derive(Clone, Copy)]
struct Api<'p> {
    pool: &'p ThreadPool,
    free: bool,
}

impl Api<'_> {
    fn join<RA: Send, RB: Send>(
        self,
        a: impl FnOnce() -> RA + Send,
        b: impl FnOnce() -> RB + Send,
    ) -> (RA, RB) {
        if self.free { filch::join(a, b) } else { self.pool.join(a, b) }
    }

    fn join_context<RA: Send, RB: Send>(
        self,
        a: impl FnOnce(FnContext) -> RA + Send,
        b: impl FnOnce(FnContext) -> RB + Send,
    ) -> (RA, RB) {
        if self.free { filch::join_context(a, b) } else { self.pool.join_context(a, b) }
    }

    fn scope<'env, R: Send>(
        self,
        f: impl for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> R + Send,
    ) -> R {
        if self.free { filch::scope(f) } else { self.pool.scope(f) }
    }

    fn in_place_scope<'env, R>(
        self,
        f: impl for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> R,
    ) -> R {
        if self.free { filch::in_place_scope(f) } else { self.pool.in_place_scope(f) }
    }

    fn spawn<T: Send + 'static>(self, f: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        if self.free { filch::spawn(f) } else { self.pool.spawn(f) }
    }

    fn spawn_fifo(self, f: impl FnOnce() + Send + 'static) {
        if self.free { filch::spawn_fifo(f) } else { self.pool.spawn_fifo(f) }
    }

    fn broadcast<R: Send>(self, op: impl Fn(BroadcastContext) -> R + Sync) -> Vec<R> {
        if self.free { filch::broadcast(op) } else { self.pool.broadcast(op) }
    }

    fn spawn_broadcast(self, op: impl Fn(BroadcastContext) + Send + Sync + 'static) {
        if self.free { filch::spawn_broadcast(op) } else { self.pool.spawn_broadcast(op) }
    }

    fn yield_now(self) {
        if self.free {
            filch::yield_now()
        } else {
            self.pool.yield_now()
        };
    }

    fn yield_local(self) {
        if self.free {
            filch::yield_local()
        } else {
            self.pool.yield_local()
        };
    }
}

/// Drives `op` from every caller, on pools of every size from `smallest` on.
fn everywhere(smallest: usize, must_fire: &[&str], op: impl Fn(&'static Fault, Api) + Sync) {
    let other = pool(1);
    for (from, kind, threads) in one_a_seed(settings(smallest)) {
        let _alone = matches!(from, From::Global).then(global_pool);
        drive((from, kind, threads), must_fire, |f| match from {
            From::Member => as_member(f, threads, &op),
            From::Global => by_global_pool(f, &op),
            _ => {
                let pool = kind.set(f.builder(threads)).build().unwrap();
                let methods = Api { pool: &pool, free: false };
                f.catch(|| match from {
                    From::Worker => pool.install(|| op(f, Api { pool: &pool, free: true })),
                    From::OtherPool => other.install(|| op(f, methods)),
                    From::WorkerByMethod => pool.install(|| op(f, methods)),
                    _ => op(f, methods),
                });
                f.after(|| {
                    assert_works(&pool);
                    drop(pool);
                });
            }
        });
    }
    assert_works(&other);
}

/// Runs `op` on a thread that builds a pool, is one of its workers, and drops the pool.
fn as_member(f: &'static Fault, threads: usize, op: &(impl Fn(&'static Fault, Api) + Sync)) {
    let life = || {
        let pool = f.builder(threads).use_current_thread().build().unwrap();
        f.catch(|| op(f, Api { pool: &pool, free: true }));
        f.after(|| {
            assert_works(&pool);
            drop(pool);
        });
    };
    thread::scope(|s| s.spawn(life).join()).unwrap();
    f.pools_end();
}

/// Runs `op` with the free functions, on a thread that is no worker.
fn by_global_pool(f: &'static Fault, op: &impl Fn(&'static Fault, Api)) {
    let unused = f.pool(1);
    f.catch(|| op(f, Api { pool: &unused, free: true }));
    f.after(|| {
        f.settle();
        assert!(filch::broadcast(|worker| worker.index()).into_iter().eq(0..GLOBAL_THREADS));
        assert_eq!(filch::join(|| 1, || filch::scope(|s| s.spawn(|| 2).join().unwrap())), (1, 2));
    });
}

/// Asserts that each worker takes part in a broadcast, and that forks and tasks return their
/// results.
fn assert_works(pool: &ThreadPool) {
    let indices = pool.broadcast(|worker| worker.index());
    assert!(indices.into_iter().eq(0..pool.current_num_threads()), "{pool:?}");
    let task = pool.spawn(|| 1);
    let forked = pool.install(|| filch::join(|| 2, || filch::scope(|s| s.spawn(|| 3).join())));
    assert_eq!((task.join().unwrap(), forked.0, forked.1.unwrap()), (1, 2, 3), "{pool:?}");
}

/// Waits until a task or thread has ended. Meanwhile the worker runs other jobs.
fn wait_for_end(is_finished: impl Fn() -> bool) {
    while !is_finished() {
        filch::yield_now();
        step_aside();
    }
}

/// A task that does not end before the gate is open.
fn behind<T>(gate: Arc<Gate>, task: impl FnOnce() -> T + Send) -> impl FnOnce() -> T + Send {
    move || {
        gate.wait();
        task()
    }
}

// ---- join, install ----

#[test]
fn join() {
    let _watchdog = watchdog();
    everywhere(1, &["a", "b"], |f, api| {
        let (a, b) = api.join(f.work("a", OUT, UNWANTED), f.work("b", OUT_SECOND, UNWANTED));
        a.received();
        b.received();
    });
}

#[test]
fn join_whose_second_side_is_stolen() {
    let _watchdog = watchdog();
    everywhere(2, &["a", "b"], |f, api| {
        let (a, b) = (f.work("a", OUT, UNWANTED), f.work("b", OUT_SECOND, UNWANTED));
        let stolen = Flag::new();
        let until_stolen = || {
            stolen.poll();
            a()
        };
        let say_so = || {
            stolen.raise();
            b()
        };
        let (a, b) = api.join(until_stolen, say_so);
        a.received();
        b.received();
    });
}

#[test]
fn join_in_both_sides_of_join() {
    let _watchdog = watchdog();
    everywhere(1, &["a", "b", "c", "d"], |f, api| {
        let (a, b) = (f.work("a", OUT, UNWANTED), f.work("b", OUT_SECOND, UNWANTED));
        let (c, d) = (f.work("c", OUT_THIRD, UNWANTED), f.work("d", OUT_THIRD, UNWANTED));
        let ((a, b), (c, d)) = api.join(|| filch::join(a, b), || filch::join(c, d));
        [a, b, c, d].into_iter().for_each(Token::received);
    });
}

#[test]
fn join_context() {
    let _watchdog = watchdog();
    everywhere(1, &["a", "b"], |f, api| {
        let (a, b) = (f.work("a", OUT, UNWANTED), f.work("b", OUT_SECOND, UNWANTED));
        let (a, b) = api.join_context(|_| a(), |_| b());
        a.received();
        b.received();
    });
}

#[test]
fn install() {
    let _watchdog = watchdog();
    everywhere(1, &["within", "around"], |f, api| {
        let within = f.work("within", OUT, NEVER);
        let nested = || {
            let result = api.pool.install(within);
            f.point("around", OUT);
            result.received();
        };
        api.pool.install(nested);
    });
}

// ---- Scopes ----

/// What happens to a task's handle.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Joined,
    JoinedByAPlainThread,
    JoinedByAnotherTask,
    /// Dropped before the task starts, or soon after.
    DroppedAtOnce,
    DroppedWhileItRuns,
    DroppedAfterTheEnd,
    Kept,
}

const FATES: [Fate; 7] = [
    Fate::Joined,
    Fate::JoinedByAPlainThread,
    Fate::JoinedByAnotherTask,
    Fate::DroppedAtOnce,
    Fate::DroppedWhileItRuns,
    Fate::DroppedAfterTheEnd,
    Fate::Kept,
];

/// All fates, without those that need a thread which a simulation does not have.
fn fates() -> impl Iterator<Item = Fate> {
    let is_there = |fate: &Fate| !(is_simulated() && matches!(fate, Fate::JoinedByAPlainThread));
    FATES.into_iter().filter(is_there)
}

impl Fate {
    /// How many workers this needs: a worker that waits for the task's start must not have to run
    /// it.
    fn workers(self) -> usize {
        if matches!(self, Fate::DroppedWhileItRuns) { 2 } else { 1 }
    }

    /// Its own points, and `others`.
    fn points(self, others: &[&'static str]) -> Vec<&'static str> {
        let own: &[_] = match self {
            Fate::Joined => &["task", "before joining"],
            Fate::JoinedByAnotherTask => &["task", "the joining task"],
            _ => &["task"],
        };
        [own, others].concat()
    }
}

#[derive(Default)]
struct Progress {
    started: Flag,
    gate: Gate,
}

/// Makes a task report its start, and end only once its gate is open.
fn watched<T>(task: impl FnOnce() -> T + Send) -> (impl FnOnce() -> T + Send, Arc<Progress>) {
    let progress = Arc::new(Progress::default());
    let own = progress.clone();
    let watched = move || {
        own.started.raise();
        own.gate.wait();
        task()
    };
    (watched, progress)
}

/// A scope's closure that spawns two tasks.
fn in_scope<'scope>(f: &'static Fault, s: &'scope Scope<'scope, '_>, fate: Fate) -> Token {
    // No point: the closure receives it, or it is dropped while its frame unwinds.
    let local = f.token("a local of the closure", NEVER);
    f.point("the closure, before", OUT);
    let kept = [(); 2].map(|()| spawn_in_scope(f, s, fate));
    f.point("the closure, after", OUT);
    drop(kept);
    local.received();
    f.token("the scope's value", UNWANTED)
}

fn spawn_in_scope<'scope>(
    f: &'static Fault,
    s: &'scope Scope<'scope, '_>,
    fate: Fate,
) -> Option<ScopedJoinHandle<'scope, Token>> {
    match fate {
        Fate::Joined => {
            let handle = s.spawn(f.work("task", JOINED_IN_SCOPE, UNJOINED_IN_SCOPE));
            f.point("before joining", OUT);
            f.joined(handle.join());
        }
        Fate::JoinedByAPlainThread => {
            let handle = s.spawn(f.work("task", JOINED_IN_SCOPE, UNJOINED_IN_SCOPE));
            thread::scope(|plain| {
                let joiner = plain.spawn(move || f.joined(handle.join()));
                wait_for_end(|| joiner.is_finished());
            });
        }
        Fate::JoinedByAnotherTask => {
            let handle = s.spawn(f.work("task", JOINED_IN_SCOPE, UNJOINED_IN_SCOPE));
            s.spawn(move || {
                f.point("the joining task", OUT_SECOND);
                f.joined(handle.join());
            });
        }
        Fate::DroppedAtOnce | Fate::DroppedWhileItRuns => {
            let (task, progress) = watched(f.work("task", OUT_SECOND, OUT_SECOND));
            let handle = s.spawn(task);
            if matches!(fate, Fate::DroppedWhileItRuns) {
                progress.started.hold();
            }
            drop(handle);
            progress.gate.open();
        }
        Fate::DroppedAfterTheEnd => {
            let handle = s.spawn(f.work("task", OUT_SECOND, OUT));
            wait_for_end(|| handle.is_finished());
            drop(handle);
        }
        Fate::Kept => return Some(s.spawn(f.work("task", OUT_SECOND, OUT_EITHER))),
    }
    None
}

#[test]
fn scope() {
    let _watchdog = watchdog();
    for fate in fates() {
        everywhere(
            fate.workers(),
            &fate.points(&["the closure, before", "the closure, after"]),
            |f, api| api.scope(|s| in_scope(f, s, fate)).received(),
        );
    }
}

#[test]
fn in_place_scope() {
    let _watchdog = watchdog();
    for fate in fates() {
        everywhere(
            fate.workers(),
            &fate.points(&["the closure, before", "the closure, after"]),
            |f, api| api.in_place_scope(|s| in_scope(f, s, fate)).received(),
        );
    }
}

#[test]
fn scope_tasks_that_spawn_tasks() {
    fn spawn_all<'scope>(f: &'static Fault, s: &'scope Scope<'scope, '_>, depth: u32) {
        f.point("before spawning", OUT_SECOND);
        if depth > 0 {
            let captured = f.token("captured", OUT_SECOND);
            s.spawn(move || {
                spawn_all(f, s, depth - 1);
                drop(captured);
            });
        }
        f.point("after spawning", OUT_SECOND);
    }

    let _watchdog = watchdog();
    everywhere(1, &["before spawning", "after spawning", "captured"], |f, api| {
        api.scope(|s| {
            let captured = f.token("captured", OUT_SECOND);
            s.spawn(move || {
                spawn_all(f, s, 2);
                drop(captured);
            });
        });
    });
}

#[test]
fn scope_tasks_in_order() {
    let _watchdog = watchdog();
    everywhere(1, &["before spawning", "task", "inner task", "captured"], |f, api| {
        api.scope(|s| {
            for _ in 0..2 {
                f.point("before spawning", OUT);
                let captured = f.token("captured", OUT_SECOND);
                s.spawn_fifo(move || {
                    f.point("task", OUT_SECOND);
                    s.spawn_fifo(|| f.point("inner task", OUT_SECOND));
                    drop(captured);
                });
            }
        });
    });
}

#[test]
fn scope_broadcasts() {
    let _watchdog = watchdog();
    everywhere(1, &["closure", "task", "captured", "after"], |f, api| {
        api.scope(|s| {
            let captured = f.token("captured", OUT_SECOND_OR_SWALLOWED);
            s.spawn_broadcast(move |_| {
                let _ = &captured;
                f.point("closure", OUT_SECOND);
                s.spawn(|| f.point("task", OUT_SECOND));
            });
            f.point("after", OUT);
        });
    });
}

// ---- Tasks of the pool ----

fn spawn_once(f: &'static Fault, api: Api, fate: Fate) -> Option<JoinHandle<Token>> {
    match fate {
        Fate::Joined => {
            let handle = api.spawn(f.work("task", JOINED, UNJOINED));
            f.point("before joining", OUT);
            f.joined(handle.join());
        }
        Fate::JoinedByAPlainThread => {
            let handle = api.spawn(f.work("task", JOINED, UNJOINED));
            let joiner = thread::spawn(move || f.joined(handle.join()));
            wait_for_end(|| joiner.is_finished());
            joiner.join().unwrap();
        }
        Fate::JoinedByAnotherTask => {
            let handle = api.spawn(f.work("task", JOINED, UNJOINED));
            drop(api.spawn(move || {
                f.point("the joining task", HANDLER);
                f.joined(handle.join());
            }));
        }
        Fate::DroppedAtOnce | Fate::DroppedWhileItRuns => {
            let (task, progress) = watched(f.work("task", HANDLER, HANDLER));
            let handle = api.spawn(task);
            if matches!(fate, Fate::DroppedWhileItRuns) {
                progress.started.hold();
            }
            drop(handle);
            progress.gate.open();
        }
        Fate::DroppedAfterTheEnd => {
            let handle = api.spawn(f.work("task", HANDLER, OUT));
            wait_for_end(|| handle.is_finished());
            drop(handle);
        }
        Fate::Kept => return Some(api.spawn(f.work("task", HANDLER, HANDLER_OR_OUT))),
    }
    None
}

#[test]
fn spawn() {
    let _watchdog = watchdog();
    for fate in fates() {
        everywhere(fate.workers(), &fate.points(&["before", "after"]), |f, api| {
            f.point("before", OUT);
            let kept = [(); 2].map(|()| spawn_once(f, api, fate));
            f.point("after", OUT);
            drop(kept);
        });
    }
}

#[test]
fn spawn_fifo() {
    let _watchdog = watchdog();
    everywhere(1, &["before", "task", "captured", "panic handler"], |f, api| {
        for _ in 0..2 {
            f.point("before", OUT);
            let captured = f.token("captured", HANDLER);
            api.spawn_fifo(move || {
                f.point("task", HANDLER);
                drop(captured);
            });
        }
    });
}

/// Spawns tasks, and calls `yields` until they have ended.
fn tasks_that_run_in(yields: fn(Api)) {
    everywhere(1, &["task"], |f, api| {
        let tasks = [(); 3].map(|()| api.spawn(f.work("task", HANDLER, OUT)));
        while !tasks.iter().all(JoinHandle::is_finished) {
            yields(api);
            step_aside();
        }
        for task in tasks {
            f.catch(|| drop(task));
        }
    });
}

#[test]
fn yield_now() {
    let _watchdog = watchdog();
    tasks_that_run_in(|api| api.yield_now());
}

#[test]
fn yield_local() {
    let _watchdog = watchdog();
    tasks_that_run_in(|api| api.yield_local());
}

#[test]
fn spawn_on_a_pool_without_panic_handler() {
    let _watchdog = watchdog();
    for threads in one_a_seed(SIZES) {
        drive(threads, &["task"], |f| {
            let pool = pool(threads);
            let gate = Arc::new(Gate::new());
            for _ in 0..2 {
                drop(pool.spawn(behind(gate.clone(), f.work("task", LOST, LOST))));
            }
            gate.open();
            f.after(|| {
                assert_works(&pool);
                drop(pool);
            });
        });
    }
}

#[test]
fn handles_that_outlive_their_pool() {
    let _watchdog = watchdog();
    for threads in one_a_seed(SIZES) {
        drive(("joined", threads), &["task"], |f| {
            let pool = f.pool(threads);
            let handle = pool.spawn(f.work("task", JOINED, UNJOINED));
            f.after(|| drop(pool));
            f.joined(handle.join());
        });
        drive(("dropped", threads), &["task"], |f| {
            let pool = f.pool(threads);
            let handle = pool.spawn(f.work("task", HANDLER, OUT));
            f.after(|| drop(pool));
            drop(handle);
        });
        // A payload in a handle may still have to go to the panic handler. So it keeps the pool's
        // handlers, here as the last one.
        drive(("joined, a panic", threads), &["captured"], |f| {
            let handle = failed_task_of_a_pool_that_is_gone(f, threads);
            assert_eq!(failed_with(f.after(|| handle.join()).unwrap()), 7);
        });
        drive(("dropped, a panic", threads), &["captured"], |f| {
            let handle = failed_task_of_a_pool_that_is_gone(f, threads);
            f.after(|| drop(handle));
        });
    }
}

fn failed_task_of_a_pool_that_is_gone(f: &'static Fault, threads: usize) -> JoinHandle<()> {
    let captured = f.token("captured", SWALLOWED);
    let builder = builder().num_threads(threads).panic_handler(move |payload| {
        let _ = &captured;
        assert_eq!(boom_id(payload), 7);
    });
    let pool = builder.build().unwrap();
    let handle = pool.spawn(|| boom(7));
    f.after(|| drop(pool));
    handle
}

// ---- Loops that are cancelled ----

#[test]
fn a_loop_under_a_token() {
    let _watchdog = watchdog();
    everywhere(1, &["item", "body", "canceller"], |f, api| {
        let token = CancelToken::new();
        let items = [(); 4].map(|()| f.token("item", OUT));
        let cancelled_by_itself = |(number, item): (usize, Token)| {
            f.point("body", OUT);
            if number == 2 {
                token.cancel();
            }
            drop(item);
        };
        let items = items.into_par_iter().enumerate();
        let run = || _ = items.cancel_with(&token, |items| items.for_each(cancelled_by_itself));
        let cancel = || {
            f.point("canceller", OUT_SECOND);
            token.cancel();
        };
        api.join(run, cancel);
    });
}

// ---- Broadcasts ----

#[test]
fn broadcast() {
    let _watchdog = watchdog();
    everywhere(1, &["before", "closure"], |f, api| {
        f.point("before", OUT);
        let values = api.broadcast(|_| {
            f.point("closure", OUT_SECOND);
            f.token("value", UNWANTED)
        });
        values.into_iter().for_each(Token::received);
    });
}

#[test]
fn broadcast_whose_closure_is_moved_into_it() {
    let _watchdog = watchdog();
    everywhere(1, &["captured", "closure"], |f, api| {
        let captured = f.token("captured", OUT);
        api.broadcast(move |_| {
            let _ = &captured;
            f.point("closure", OUT_SECOND);
        });
    });
}

#[test]
fn spawn_broadcast() {
    let _watchdog = watchdog();
    everywhere(1, &["before", "captured", "closure", "after", "panic handler"], |f, api| {
        f.point("before", OUT);
        let captured = f.token("captured", HANDLER_OR_SWALLOWED);
        api.spawn_broadcast(move |_| {
            let _ = &captured;
            f.point("closure", HANDLER);
        });
        f.point("after", OUT);
    });
}

#[test]
fn spawn_broadcast_does_not_panic_by_its_closures_drop() {
    /// Panics in its drop.
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            boom(1);
        }
    }

    let _watchdog = watchdog();
    let pool = pool(1);
    // Either the worker or the caller drops the closure last, as it happens: a worker that was
    // asleep may be done before the call that woke it returns.
    for _ in 0..sized(2_000, 20) {
        let bomb = Bomb;
        pool.spawn_broadcast(move |_| {
            let _ = &bomb;
        });
        rest(Duration::from_micros(50));
    }
    assert_works(&pool);
}

// ---- Nested operations ----

#[test]
fn scope_in_join_in_spawn_in_broadcast() {
    let _watchdog = watchdog();
    everywhere(1, &["each worker", "a", "b", "scope"], |f, api| {
        api.broadcast(|worker| {
            f.point("each worker", OUT);
            if worker.index() > 0 {
                return;
            }
            let (a, b) = (f.work("a", OUT, UNWANTED), f.work("b", OUT, UNWANTED_OR_UNJOINED));
            let task = filch::spawn(move || {
                let scoped = || {
                    filch::scope(|s| {
                        let task = s.spawn(b);
                        f.point("scope", OUT);
                        match task.join() {
                            Ok(value) => value,
                            Err(error) => std::panic::resume_unwind(error.into_panic()),
                        }
                    })
                };
                filch::join(a, scoped)
            });
            match task.join() {
                Ok((a, b)) => [a, b].map(Token::received),
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            };
        });
    });
}

// ---- Building pools, their handlers, and their end ----

#[test]
fn start_and_exit_handlers() {
    let _watchdog = watchdog();
    for threads in one_a_seed(SIZES) {
        drive(threads, &["start handler", "exit handler", "captured"], |f| {
            let (starts, exits) = (f.token("captured", OUT), f.token("captured", OUT));
            let builder = f.builder(threads).start_handler(move |_| {
                let _ = &starts;
                f.point("start handler", HANDLER);
            });
            let builder = builder.exit_handler(move |_| {
                let _ = &exits;
                f.point("exit handler", HANDLER);
            });
            let pool = builder.build().unwrap();
            assert_works(&pool);
            drop(pool);
        });
    }
}

#[test]
fn park_and_unpark_handlers() {
    let _watchdog = watchdog();
    for threads in one_a_seed([1, 2]) {
        drive(threads, &["park handler", "unpark handler", "captured"], |f| {
            let (parks, parked) = (f.token("captured", OUT), Arc::new(AtomicUsize::new(0)));
            let count = parked.clone();
            let builder = f.builder(threads).park_handler(move |_| {
                let _ = &parks;
                count.fetch_add(1, Ordering::SeqCst);
                f.point("park handler", HANDLER);
            });
            let unparks = f.token("captured", OUT);
            let builder = builder.unpark_handler(move |_| {
                let _ = &unparks;
                f.point("unpark handler", HANDLER);
            });
            let pool = builder.build().unwrap();
            let parked = || parked.load(Ordering::SeqCst);
            for _ in 0..2 {
                let before = parked();
                assert_works(&pool);
                eventually("a worker parks again", || parked() > before);
            }
            drop(pool);
        });
    }
}

#[test]
fn panic_handlers_captures() {
    let _watchdog = watchdog();
    for threads in one_a_seed(SIZES) {
        drive(threads, &["task", "captured"], |f| {
            let captured = f.token("captured", OUT);
            let builder = f.builder(threads).panic_handler(move |payload| {
                let _ = &captured;
                f.arrived(payload, fault::Place::Handler);
            });
            let pool = builder.build().unwrap();
            pool.spawn_broadcast(|_| f.point("task", HANDLER));
            drop(pool);
        });
    }
}

#[test]
fn thread_name_and_spawn_handler() {
    let _watchdog = watchdog();
    if is_simulated_without(OWN_THREADS) {
        return;
    }
    for threads in one_a_seed(SIZES) {
        drive(
            threads,
            &["thread name", "spawn handler, before", "spawn handler, after", "captured"],
            |f| {
                let (names, spawns) = (f.token("captured", OUT), f.token("captured", OUT));
                let builder = f.builder(threads).thread_name(move |index| {
                    let _ = &names;
                    f.point("thread name", OUT);
                    format!("named-{index}")
                });
                let started = Arc::new(Mutex::new(Vec::new()));
                let start = started.clone();
                let builder = builder.spawn_handler(move |worker| {
                    let _ = &spawns;
                    f.point("spawn handler, before", OUT);
                    start.lock().unwrap().push(thread::Builder::new().spawn(|| worker.run())?);
                    f.point("spawn handler, after", OUT);
                    Ok(())
                });
                if let Some(built) = f.catch(|| builder.build()) {
                    assert_works(&built.unwrap());
                }
                let started = started.lock().unwrap_or_else(PoisonError::into_inner).split_off(0);
                started.into_iter().for_each(|thread| thread.join().unwrap());
            },
        );
    }
}

#[test]
fn builds_that_borrow() {
    let _watchdog = watchdog();
    if is_simulated_without(OWN_THREADS) {
        return;
    }
    for threads in one_a_seed(SIZES) {
        drive(threads, &["spawn handler", "captured"], |f| {
            let mut kept = Vec::new();
            let spawns = f.token("captured", OUT);
            let built = f.catch(|| {
                f.builder(threads).build_with(|worker| {
                    let _ = &spawns;
                    f.point("spawn handler", OUT);
                    kept.push(worker);
                    Ok(())
                })
            });
            thread::scope(|s| {
                kept.drain(..).for_each(|worker| drop(s.spawn(|| worker.run())));
                if let Some(built) = built {
                    assert_works(&built.unwrap());
                }
            });
            f.catch(|| drop(spawns));
        });
        drive(threads, &["with the pool, before", "with the pool, after", "captured"], |f| {
            let wrapper = f.token("captured", OUT);
            let with_pool = |pool: &ThreadPool| {
                f.point("with the pool, before", OUT);
                assert_works(pool);
                f.point("with the pool, after", OUT);
            };
            let built = f.catch(|| {
                let wrapper = move |worker: ThreadBuilder| {
                    let _ = &wrapper;
                    worker.run();
                };
                f.builder(threads).build_scoped(wrapper, with_pool)
            });
            built.into_iter().for_each(Result::unwrap);
        });
    }
}

#[test]
fn threads_that_fail_before_they_run_a_worker() {
    let _watchdog = watchdog();
    if is_simulated_without(OWN_THREADS) {
        return;
    }
    for threads in one_a_seed(SIZES) {
        drive(threads, &["own thread, before", "captured"], |f| {
            let started = Arc::new(Mutex::new(Vec::new()));
            let start = started.clone();
            let builder = f.builder(threads).spawn_handler(move |worker| {
                let captured = f.token("captured", HANDLE);
                let run = move || {
                    f.point("own thread, before", HANDLE);
                    worker.run();
                    drop(captured);
                };
                start.lock().unwrap().push(thread::Builder::new().spawn(run)?);
                Ok(())
            });
            // Whether `build` fails depends on how soon the thread panics.
            drop(builder.build());
            let started = started.lock().unwrap().split_off(0);
            for thread in started {
                if let Err(payload) = thread.join() {
                    f.arrived(payload, fault::Place::Handle);
                }
            }
        });
    }
}

#[test]
fn dropping_a_pool_with_work_left() {
    let _watchdog = watchdog();
    for threads in one_a_seed(SIZES) {
        drive(threads, &["task", "before the drop"], |f| {
            let (pool, gate) = (f.pool(threads), Arc::new(Gate::new()));
            for _ in 0..3 {
                drop(pool.spawn(behind(gate.clone(), f.work("task", HANDLER, HANDLER))));
            }
            gate.open();
            // A panic here drops the pool while it unwinds.
            f.point("before the drop", OUT);
            f.after(|| drop(pool));
        });
    }
}

#[test]
fn a_pool_that_ends_in_the_background() {
    let _watchdog = watchdog();
    for threads in one_a_seed(SIZES) {
        drive(threads, &["task", "exit handler", "captured", "before the end"], |f| {
            let captured = f.token("captured", SWALLOWED);
            let builder = f.builder(threads).exit_handler(move |_| {
                let _ = &captured;
                f.point("exit handler", HANDLER);
            });
            let (pool, gate) = (builder.build().unwrap(), Arc::new(Gate::new()));
            for _ in 0..2 {
                drop(pool.spawn(behind(gate.clone(), f.work("task", HANDLER, HANDLER))));
            }
            f.catch(|| f.point("before the end", OUT));
            f.after(|| pool.shutdown_background());
            gate.open();
            f.pools_end();
        });
    }
}

#[test]
fn a_pool_whose_builders_thread_ends_first() {
    let _watchdog = watchdog();
    if is_simulated_without(common::CALLERS) {
        return;
    }
    for threads in [1, 2] {
        let must_fire = ["task", "broadcast", "start handler", "exit handler", "captured", "end"];
        drive(threads, &must_fire, |f| {
            let life = || {
                let builder = f.builder(threads).use_current_thread();
                let captured = f.token("captured", OUT_OR_SWALLOWED);
                let builder = builder.start_handler(move |_| {
                    let _ = &captured;
                    f.point("start handler", HANDLER);
                });
                let builder = builder.exit_handler(|_| f.point("exit handler", HANDLER));
                let (pool, gate) = (builder.build().unwrap(), Arc::new(Gate::new()));
                for _ in 0..2 {
                    drop(filch::spawn(behind(gate.clone(), f.work("task", HANDLER, HANDLER))));
                }
                gate.open();
                filch::spawn_broadcast(|_| f.point("broadcast", HANDLER));
                // A panic here drops the pool before its builder's thread ends.
                f.point("end", OUT);
                pool
            };
            let pool = thread::scope(|s| s.spawn(|| f.catch(life)).join()).unwrap();
            f.after(|| pool.iter().for_each(assert_works));
            f.catch(|| drop(pool));
            f.pools_end();
        });
    }
}

/// A worker waits for another pool, and spare threads have its core meanwhile.
#[test]
fn start_and_exit_handlers_of_spare_threads() {
    let _watchdog = watchdog();
    let must_fire: &[_] = if is_simulated() {
        &["start handler", "waiting task", "task"]
    } else {
        &[
            "start handler",
            "start handler of a spare thread",
            "last exit handler",
            "waiting task",
            "task",
        ]
    };
    let there = Arc::new(pool(1));
    for threads in one_a_seed([1, 2]) {
        drive(threads, must_fire, |f| {
            let (starts, exits) = (AtomicUsize::new(0), AtomicUsize::new(0));
            let start = move |_| match starts.fetch_add(1, Ordering::SeqCst) {
                before if before < threads => f.point("start handler", HANDLER),
                _ => f.point("start handler of a spare thread", HANDLER),
            };
            let exit = move |_| match exits.fetch_add(1, Ordering::SeqCst) {
                before if before < threads => f.point("exit handler", HANDLER),
                _ => f.point("last exit handler", HANDLER),
            };
            // Under `OwnDescendants`, no core is handed off for work.
            let builder = f.builder(threads).wait_policy(WaitPolicy::AnyWork);
            let here = builder.start_handler(start).exit_handler(exit).build().unwrap();
            let here = Arc::new(here);
            // Twice, so that the second round uses the spare threads again.
            for _ in 0..2 {
                let begun = Arc::new(AtomicUsize::new(0));
                let tasks = [(); 2].map(|()| {
                    let (here, there, begun) = (here.clone(), there.clone(), begun.clone());
                    let asked = here.clone();
                    here.spawn(move || {
                        begun.fetch_add(1, Ordering::SeqCst);
                        // Once a task waits on every worker, a spare thread runs this one.
                        let ask = || {
                            while begun.load(Ordering::SeqCst) < threads {
                                common::step_aside();
                            }
                            let task = asked.spawn(f.work("task", JOINED, UNJOINED));
                            while !task.is_finished() {
                                common::step_aside();
                            }
                            task
                        };
                        f.joined(there.install(ask).join());
                        f.point("waiting task", HANDLE);
                        f.token("value", UNJOINED)
                    })
                });
                tasks.into_iter().for_each(|task| f.joined(task.join()));
            }
            f.after(|| {
                assert_works(&here);
                drop(here);
            });
        });
    }
    assert_works(&there);
}

#[test]
fn dropping_a_pool_by_its_own_worker() {
    let _watchdog = watchdog();
    for threads in one_a_seed(SIZES) {
        drive(threads, &["before the drop", "task", "after the drop", "exit handler"], |f| {
            let builder = f.builder(threads);
            let builder = builder.exit_handler(|_| f.point("exit handler", HANDLER));
            let pool = Arc::new(Mutex::new(Some(builder.build().unwrap())));
            let gate = Arc::new(Gate::new());
            let own = pool.clone();
            let task =
                pool.lock().unwrap().as_ref().unwrap().spawn(behind(gate.clone(), move || {
                    f.point("before the drop", HANDLE);
                    let pool = own.lock().unwrap().take();
                    drop(pool.as_ref().unwrap().spawn(|| f.point("task", HANDLER)));
                    drop(pool);
                    f.point("after the drop", HANDLE);
                    f.token("value", UNJOINED)
                }));
            gate.open();
            f.joined(task.join());
            let not_dropped = pool.lock().unwrap().take();
            f.catch(|| drop(not_dropped));
            f.pools_end();
        });
    }
}

#[test]
fn broadcast_whose_closures_drop_panics_drops_the_values() {
    let _watchdog = watchdog();
    everywhere(1, &["captured"], |f, api| {
        let captured = f.token("captured", OUT);
        let values = api.broadcast(move |_| {
            let _ = &captured;
            f.token("value", UNWANTED)
        });
        values.into_iter().for_each(Token::received);
    });
}

/// Handlers are dropped with the pool, here by its last worker.
#[test]
fn handlers_whose_drop_panics_in_a_pool_dropped_by_its_own_worker() {
    let _watchdog = watchdog();
    for threads in one_a_seed(SIZES) {
        drive(threads, &["captured"], |f| {
            let captured = f.token("captured", SWALLOWED);
            let builder = f.builder(threads).exit_handler(move |_| {
                let _ = &captured;
            });
            let pool = Arc::new(Mutex::new(Some(builder.build().unwrap())));
            let (own, gate) = (pool.clone(), Arc::new(Gate::new()));
            let drop_it = behind(gate.clone(), move || drop(own.lock().unwrap().take()));
            let task = pool.lock().unwrap().as_ref().unwrap().spawn(drop_it);
            gate.open();
            task.join().unwrap();
            f.pools_end();
        });
    }
}

#[test]
fn the_panic_of_a_task_whose_handle_was_forgotten_leaves_the_scope() {
    let _watchdog = watchdog();
    everywhere(1, &["captured", "task", "closure"], |f, api| {
        api.scope(|s| {
            let captured = f.token("captured", OUT_SECOND);
            std::mem::forget(s.spawn(move || {
                f.point("task", OUT_SECOND);
                drop(captured);
            }));
            f.point("closure", OUT);
        });
    });
}
