//! Workers that wait for another pool. Such a worker runs jobs that the other pool requests, and
//! begins no other job. A job that waits for a task never runs on top of that task (the task would
//! be buried). No more threads run jobs than the pool has workers.

mod common;
#[path = "common/uses.rs"]
mod uses;

use std::cell::RefCell;
#[cfg(feature = "futures")]
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
#[cfg(feature = "futures")]
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use common::{
    CALLERS, Flag, any_wait_builder, builder, eventually, is_simulated, is_simulated_without, lock,
    one_a_seed, pool, rest, sized, watchdog,
};
use filch::{JoinHandle, ThreadPool, ThreadPoolBuilder, WaitPolicy};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use uses::fib;

// ---- A task that drops a pool ----

/// What a detached task waits for in another pool, whose worker is held in it until another one has
/// begun `top`, or for some time. If the worker begins `top`, that is on top of this.
fn held(is_held: &Flag, top: &Flag) {
    let is_stolen = Flag::new();
    let rest_until = |flag: &Flag| {
        (0..sized(30, 300)).take_while(|_| !flag.is_up()).for_each(|_| rest(TICK));
    };
    let wait = || {
        is_stolen.raise();
        is_held.raise();
        rest_until(top);
    };
    // (If a task of a scope begins before its handle is dropped, no worker steals the fork.)
    filch::join(|| rest_until(&is_stolen), wait);
}

const TICK: Duration = Duration::from_millis(1);

/// Runs the task in the waker of a future that has ended in `pool`.
#[cfg(feature = "futures")]
fn in_a_waker(pool: &ThreadPool, task: Box<dyn FnOnce() + Send>) {
    struct Waking(Mutex<Option<Box<dyn FnOnce() + Send>>>);
    impl Wake for Waking {
        fn wake(self: Arc<Self>) {
            let task = lock(&self.0).take();
            task.unwrap()();
        }
    }
    let (completer, begins) = filch::completer();
    let mut handle = pool.spawn_future(begins);
    let waker = Waker::from(Arc::new(Waking(Mutex::new(Some(task)))));
    assert!(pin!(&mut handle).poll(&mut Context::from_waker(&waker)).is_pending());
    completer.complete(());
    // Without its handle, the future would not wake the waker.
    keep_for_ever(handle);
}

/// Spawns a detached task at `there` that calls `here` by `call`. Once it waits, a task of `here`
/// drops `there` by `end`. If that task is on top of what the first one waits for, the drop would
/// wait for ever.
fn check_end(
    spawn: fn(&ThreadPool, Box<dyn FnOnce() + Send>),
    call: fn(&ThreadPool, &(dyn Fn() + Sync)),
    end: fn(ThreadPool) -> Box<dyn FnOnce() + Send>,
) {
    let (here, there) = (Arc::new(pool(2)), pool(1));
    let (is_held, top) = (Arc::new(Flag::new()), Arc::new(Flag::new()));
    let (completer, over) = filch::completer();
    let (theirs, until_held, until_top) = (here.clone(), is_held.clone(), top.clone());
    let task = move || {
        call(&theirs, &|| held(&until_held, &until_top));
        drop(theirs);
        completer.complete(());
    };
    spawn(&there, Box::new(task));
    is_held.hold();
    let end = end(there);
    drop(here.spawn(move || {
        top.raise();
        end();
    }));
    over.join().unwrap();
    // The pool is dropped here, or by the task.
    drop(here);
}

#[test]
fn a_pool_may_be_dropped_while_its_detached_tasks_wait_for_another_pool() {
    let _watchdog = watchdog();
    type Spawn = fn(&ThreadPool, Box<dyn FnOnce() + Send>);
    type Call = fn(&ThreadPool, &(dyn Fn() + Sync));
    type End = fn(ThreadPool) -> Box<dyn FnOnce() + Send>;
    let spawns: &[Spawn] = &[
        |pool, task| drop(pool.spawn(task)),
        |pool, task| pool.spawn_fifo(task),
        |pool, task| {
            let task = Mutex::new(Some(task));
            pool.spawn_broadcast(move |_| lock(&task).take().unwrap()());
        },
        #[cfg(feature = "futures")]
        in_a_waker,
    ];
    let calls: [Call; 5] = [
        |pool, op| pool.install(op),
        |pool, op| pool.scope(|s| _ = s.spawn(op)),
        |pool, op| pool.in_place_scope(|s| _ = s.spawn(op)),
        |pool, op| filch::blocking(|| pool.install(op)),
        |pool, op| filch::scope(|s| _ = s.spawn(|| pool.join(op, || ()))),
    ];
    let ends: [End; 3] = [
        |there| Box::new(|| drop(there)),
        |there| Box::new(|| _ = filch::join(|| rest(TICK), || drop(there))),
        // A task of a third pool drops it, and this one joins that.
        |there| {
            let third = pool(1);
            let task = third.spawn(|| drop(there));
            Box::new(move || {
                task.join().unwrap();
                drop(third);
            })
        },
    ];
    for (spawn, call, end) in one_a_seed(
        spawns
            .iter()
            .flat_map(|spawn| calls.iter().map(move |call| (spawn, call)))
            .flat_map(|(spawn, call)| ends.iter().map(move |end| (spawn, call, end))),
    ) {
        check_end(*spawn, *call, *end);
    }
}

// ---- A task under its joiner ----

/// Spawns a task that waits for another pool by `wait`. The closure given to `wait` runs there, and
/// spawns a second task in the first pool, which joins the first task by `join`. If a worker ran
/// the second task on top of the first one, both would wait for ever.
fn check_joiner(
    workers: usize,
    wait: fn(&ThreadPool, &(dyn Fn() + Sync)),
    join: fn(JoinHandle<i32>) -> i32,
) {
    let (here, there) = (Arc::new(pool(workers)), Arc::new(pool(1)));
    assert_eq!(joiner_of(&here, there, wait, join).join().unwrap(), 7);
}

/// Returns the second task, which joins the first one.
fn joiner_of(
    here: &Arc<ThreadPool>,
    there: Arc<ThreadPool>,
    wait: fn(&ThreadPool, &(dyn Fn() + Sync)),
    join: fn(JoinHandle<i32>) -> i32,
) -> JoinHandle<i32> {
    let is_there = Arc::new(Flag::new());
    let task_and_joiner = Arc::new((Mutex::new(None), Mutex::new(None)));
    let (pool, until_there, both) = (here.clone(), is_there.clone(), task_and_joiner.clone());
    let task = here.spawn(move || {
        wait(&there, &|| {
            until_there.hold();
            let task = lock(&both.0).take().unwrap();
            let joins = Arc::new(Flag::new());
            let until_joined = joins.clone();
            let joiner = pool.spawn(move || {
                joins.raise();
                join(task)
            });
            *lock(&both.1) = Some(joiner);
            until_joined.hold();
            rest(Duration::from_millis(5));
        });
        7
    });
    *lock(&task_and_joiner.0) = Some(task);
    is_there.raise();
    loop {
        if let Some(joiner) = lock(&task_and_joiner.1).take() {
            return joiner;
        }
        common::step_aside();
    }
}

fn joined(task: JoinHandle<i32>) -> i32 {
    task.join().unwrap()
}

fn joined_in_a_scope(task: JoinHandle<i32>) -> i32 {
    let mut value = 0;
    filch::scope(|s| {
        (0..10).for_each(|_| drop(s.spawn(|| fib(5))));
        s.spawn(|| value = joined(task));
    });
    value
}

fn joined_in_a_fork(task: JoinHandle<i32>) -> i32 {
    filch::join(|| filch::join(|| fib(8), move || joined(task)).1, || fib(8)).0
}

fn polled(task: JoinHandle<i32>) -> i32 {
    while !task.is_finished() {
        filch::yield_now();
        common::step_aside();
    }
    joined(task)
}

#[test]
fn a_task_that_installs_in_another_pool_is_not_buried() {
    let _watchdog = watchdog();
    for workers in [1, 2, 4] {
        for join in [joined, joined_in_a_scope, joined_in_a_fork, polled] {
            check_joiner(workers, |there, op| there.install(op), join);
        }
    }
}

#[test]
fn a_task_that_joins_a_handle_of_another_pool_is_not_buried() {
    let _watchdog = watchdog();
    for workers in [1, 2, 4] {
        let wait = |there: &ThreadPool, op: &(dyn Fn() + Sync)| {
            there.in_place_scope(|s| s.spawn(op).join().unwrap());
        };
        check_joiner(workers, wait, joined);
    }
}

#[test]
fn a_task_that_waits_for_a_scope_of_another_pool_is_not_buried() {
    let _watchdog = watchdog();
    for workers in [1, 2, 4] {
        let wait = |there: &ThreadPool, op: &(dyn Fn() + Sync)| {
            there.in_place_scope(|s| drop(s.spawn(op)));
        };
        check_joiner(workers, wait, joined);
    }
}

#[test]
fn a_task_that_waits_for_a_broadcast_of_another_pool_is_not_buried() {
    let _watchdog = watchdog();
    for workers in [1, 2, 4] {
        check_joiner(workers, |there, op| drop(there.broadcast(|_| op())), joined);
    }
}

#[test]
fn a_borrower_that_waits_for_another_pool_is_not_buried() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    let (here, there) = (pool(1), pool(1));
    for _ in 0..100 {
        let sum = here.scope(|s| {
            let first = s.spawn(|| there.install(|| here.install(|| fib(5))));
            let second = s.spawn(move || first.join().unwrap());
            second.join().unwrap()
        });
        assert_eq!(sum, 5);
    }
}

/// With `use_current_thread`, a thread of the user's is a worker. It must return to the user's code
/// as that worker, and its pool must end.
#[test]
fn a_member_that_waits_for_another_pool_is_not_buried() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    let user = std::thread::spawn(|| {
        let here = builder().num_threads(1).use_current_thread().build().unwrap();
        let there = pool(1);
        let sum = filch::scope(|s| {
            let first = s.spawn(|| there.install(|| here.install(|| fib(5))));
            let second = s.spawn(move || first.join().unwrap());
            second.join().unwrap()
        });
        assert_eq!(sum, 5);
        assert_eq!(filch::current_thread_index(), Some(0));
        assert_eq!(fib(10), 55);
    });
    user.join().unwrap();
}

/// The first pool waits for the second one, which waits for the third, which needs the first.
#[test]
fn a_chain_of_waits_through_three_pools_ends() {
    let _watchdog = watchdog();
    for _ in 0..sized(50, 2) {
        let pools = Arc::new([pool(1), pool(1), pool(1)]);
        let waits = Arc::new(Flag::new());
        let (now_waits, all) = (waits.clone(), pools.clone());
        let first = pools[0].spawn(move || {
            let [a, b, c] = &*all;
            b.install(|| {
                c.install(|| {
                    now_waits.raise();
                    rest(Duration::from_micros(200));
                    a.install(|| fib(6))
                })
            })
        });
        waits.hold();
        let second = pools[0].spawn(move || first.join().unwrap() + 1);
        let third = pools[0].spawn(move || second.join().unwrap() + 1);
        assert_eq!(third.join().unwrap(), 10);
    }
}

// ---- How many threads run jobs ----

/// Counts the threads that are at work, now and at most.
#[derive(Default)]
struct AtWork {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl AtWork {
    fn work<R>(&self, op: impl FnOnce() -> R) -> R {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        rest(Duration::from_micros(50));
        let result = op();
        self.now.fetch_sub(1, Ordering::SeqCst);
        result
    }
}

/// Runs `count` tasks, each of which works, waits for `there`, and works again. The wait ends only
/// after another task of `here` has run.
fn tasks_with_waits(here: &Arc<ThreadPool>, there: &Arc<ThreadPool>, count: usize) -> Arc<AtWork> {
    let at_work = Arc::new(AtWork::default());
    let task = || {
        let (here, there, at_work) = (here.clone(), there.clone(), at_work.clone());
        here.clone().spawn(move || {
            let before = at_work.work(filch::current_thread_index);
            let theirs = at_work.clone();
            // Not joined: a joined task would be part of this one, and could run on top of it.
            let ran = Arc::new(Flag::new());
            let runs = ran.clone();
            there.install(|| {
                drop(here.spawn(move || theirs.work(|| runs.raise())));
                ran.hold();
            });
            drop(here);
            assert_eq!(at_work.work(filch::current_thread_index), before);
        })
    };
    let tasks: Vec<_> = (0..count).map(|_| task()).collect();
    tasks.into_iter().for_each(|task| task.join().unwrap());
    at_work
}

#[test]
fn no_more_threads_act_than_there_are_workers() {
    let _watchdog = watchdog();
    for workers in one_a_seed([1, 2, 3]) {
        let (here, there) = (Arc::new(pool(workers)), Arc::new(pool(2)));
        let at_work = tasks_with_waits(&here, &there, 60);
        let most = at_work.most.load(Ordering::SeqCst);
        assert!(most <= workers, "{most} threads at work on {workers} workers");
    }
}

#[test]
fn spare_threads_are_used_again_and_end_with_the_pool() {
    let _watchdog = watchdog();
    let (started, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (starts, ends) = (started.clone(), ended.clone());
    let here = builder()
        .num_threads(1)
        .start_handler(move |index| {
            assert_eq!(index, 0);
            starts.fetch_add(1, Ordering::SeqCst);
        })
        .exit_handler(move |_| {
            ends.fetch_add(1, Ordering::SeqCst);
        })
        .build()
        .unwrap();
    let (here, there) = (Arc::new(here), Arc::new(pool(1)));
    for _ in 0..sized(200, 5) {
        tasks_with_waits(&here, &there, 1);
    }
    let few = started.load(Ordering::SeqCst);
    assert!((1..=2).contains(&few), "{few} threads for one task at a time");
    tasks_with_waits(&here, &there, 20);
    drop(here);
    let many = started.load(Ordering::SeqCst);
    assert!(many <= 21, "{many} threads for twenty tasks at a time");
    if !is_simulated() {
        assert_eq!(ended.load(Ordering::SeqCst), many);
    }
}

#[test]
fn a_fork_of_a_worker_that_handed_off_knows_whether_it_has_migrated() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    let (here, there) = (Arc::new(pool(1)), pool(1));
    let pool = here.clone();
    let task = here.spawn(move || {
        let me = std::thread::current().id();
        let first = |_| there.install(|| pool.spawn(|| fib(5)).join().unwrap());
        let second = |context: filch::FnContext| {
            assert_eq!(context.migrated(), std::thread::current().id() != me);
        };
        filch::join_context(first, second).0
    });
    assert_eq!(task.join().unwrap(), 5);
}

// ---- How many jobs are live ----

const POLICIES: [WaitPolicy; 2] = [WaitPolicy::AnyWork, WaitPolicy::OwnDescendants];

fn with_policy(workers: usize, policy: WaitPolicy) -> ThreadPool {
    any_wait_builder().num_threads(workers).wait_policy(policy).build().unwrap()
}

/// Runs `count` jobs, each of which waits for another pool. A job is live while it waits.
fn check_live_jobs(
    workers: usize,
    policy: WaitPolicy,
    count: usize,
    run: fn(usize, &(dyn Fn() + Sync)),
) {
    let (here, there) = (with_policy(workers, policy), with_policy(2, policy));
    let at_work = AtWork::default();
    let job = || {
        at_work.work(|| there.install(|| filch::join(|| rest(Duration::from_micros(20)), || ())));
    };
    here.install(|| run(count, &job));
    let most = at_work.most.into_inner();
    assert!(most <= workers, "{policy:?}: {most} jobs at a time on {workers} workers");
}

fn in_halves(count: usize, job: &(dyn Fn() + Sync)) {
    match count {
        1 => job(),
        _ => drop(filch::join(|| in_halves(count / 2, job), || in_halves(count.div_ceil(2), job))),
    }
}

fn in_a_scope(count: usize, job: &(dyn Fn() + Sync)) {
    filch::scope(|s| (0..count).for_each(|_| drop(s.spawn(job))));
}

fn in_a_scope_with_handles(count: usize, job: &(dyn Fn() + Sync)) {
    filch::scope(|s| {
        let tasks: Vec<_> = (0..count).map(|_| s.spawn(job)).collect();
        tasks.into_iter().for_each(|task| task.join().unwrap());
    });
}

#[test]
fn no_more_jobs_are_live_than_there_are_workers() {
    let _watchdog = watchdog();
    for (workers, policy) in [1, 2, 4].into_iter().flat_map(|n| POLICIES.map(|policy| (n, policy)))
    {
        for run in [in_halves, in_a_scope, in_a_scope_with_handles] {
            check_live_jobs(workers, policy, sized(60, 8), run);
        }
    }
}

#[test]
fn thousands_of_jobs_that_wait_for_another_pool_do_not_pile_up() {
    let _watchdog = watchdog();
    // `ci/long` runs this optimized.
    let jobs = if cfg!(debug_assertions) { 2000 } else { 4000 };
    for policy in POLICIES {
        for run in [in_halves, in_a_scope, in_a_scope_with_handles] {
            check_live_jobs(1, policy, sized(jobs, 10), run);
        }
    }
}

// ---- Jobs that the other pool requests ----

/// Nests `depth` calls of `install`, in the two pools alternately.
fn to_and_fro(depth: u32, pools: [&ThreadPool; 2]) -> u32 {
    match depth {
        0 => 0,
        _ => pools[0].install(|| 1 + to_and_fro(depth - 1, [pools[1], pools[0]])),
    }
}

#[test]
fn two_pools_call_into_each_other() {
    let _watchdog = watchdog();
    for (workers, policy) in [1, 2].into_iter().flat_map(|n| POLICIES.map(|policy| (n, policy))) {
        let (a, b) = (with_policy(workers, policy), with_policy(workers, policy));
        for depth in [4, 50] {
            assert_eq!(to_and_fro(depth, [&a, &b]), depth);
            let in_task = a.scope(|s| s.spawn(|| to_and_fro(depth, [&b, &a])).join().unwrap());
            assert_eq!(in_task, depth);
        }
    }
}

/// A worker of `b` joins tasks of `a` while the only worker of `a` waits for it. That worker has
/// queued some of the tasks, and others come from a thread outside.
#[test]
fn tasks_are_joined_in_another_pool() {
    let _watchdog = watchdog();
    for policy in POLICIES {
        let (a, b) = (with_policy(1, policy), with_policy(1, policy));
        let (begun, go_on) = (Arc::new(Flag::new()), Arc::new(Flag::new()));
        let flags = (begun.clone(), go_on.clone());
        let (sender, receiver) = std::sync::mpsc::channel::<JoinHandle<u64>>();
        a.in_place_scope(|s| {
            let joins = s.spawn(|| {
                flags.0.raise();
                flags.1.hold();
                let from_outside = receiver.into_iter().collect::<Vec<_>>();
                let own = (0..5).map(|n| filch::spawn(move || fib(n))).collect::<Vec<_>>();
                let scoped = filch::scope(|s| {
                    let tasks = (0..5).map(|n| s.spawn(move || fib(n))).collect::<Vec<_>>();
                    b.install(|| tasks.into_iter().map(|task| task.join().unwrap()).sum::<u64>())
                });
                let tasks = from_outside.into_iter().chain(own);
                scoped + b.install(|| tasks.map(|task| task.join().unwrap()).sum::<u64>())
            });
            begun.hold();
            (0..5).for_each(|n| sender.send(a.spawn(move || fib(n))).unwrap());
            drop(sender);
            go_on.raise();
            assert_eq!(joins.join().unwrap(), 3 * (0..5).map(fib).sum::<u64>());
        });
    }
}

/// The only worker of `a` waits for `b`, whose worker waits for a scope of `a`. The scope's tasks
/// must run, and so must the tasks that they spawn.
#[test]
fn tasks_of_a_scope_of_another_pool_spawn_more_of_them() {
    let _watchdog = watchdog();
    for policy in POLICIES {
        let (a, b) = (with_policy(1, policy), with_policy(1, policy));
        let ran = AtomicUsize::new(0);
        let run = || _ = ran.fetch_add(1, Ordering::Relaxed);
        a.install(|| {
            b.install(|| {
                a.in_place_scope(|s| {
                    s.spawn(|| {
                        (0..3).for_each(|_| drop(s.spawn(run)));
                        (0..3).for_each(|_| s.spawn_fifo(run));
                    });
                });
            });
        });
        assert_eq!(ran.into_inner(), 6);
    }
}

/// The only worker of a pool waits for a thread of another pool. That thread waits for the worker's
/// tasks at a point where it is no worker: in `blocking`, or in the destructor of a thread-local.
#[test]
fn a_thread_that_is_no_worker_waits_for_tasks_of_a_worker_that_waits_for_it() {
    struct AtEnd(RefCell<Option<Box<dyn FnOnce()>>>);
    impl Drop for AtEnd {
        fn drop(&mut self) {
            self.0.take().into_iter().for_each(|call| call());
        }
    }
    thread_local!(static AT_END: AtEnd = const { AtEnd(RefCell::new(None)) });
    type Wait = Box<dyn FnOnce() + Send>;
    fn blocks(wait: Wait) {
        pool(1).install(|| filch::blocking(wait));
    }
    fn ends(wait: Wait) {
        pool(1).install(|| AT_END.with(|end| *end.0.borrow_mut() = Some(wait)));
    }
    let _watchdog = watchdog();
    for on_thread in [blocks, ends] {
        let here = Arc::new(pool(1));
        here.install(|| {
            let task = filch::spawn(|| 7);
            on_thread(Box::new(|| assert_eq!(task.join().unwrap(), 7)));
            let mut set = filch::TaskSet::new();
            set.spawn(|| 7);
            on_thread(Box::new(move || assert_eq!(set.join_next().unwrap().unwrap(), 7)));
            let pool = here.clone();
            let scope = move || pool.in_place_scope(|s| drop(s.spawn(|| drop(s.spawn(|| ())))));
            on_thread(Box::new(scope));
        });
    }
}

/// The only worker of `a` waits for `b`. A worker of `b` spawns a task in `a` and waits for its
/// message. The waiting worker must run the task.
#[test]
fn a_task_that_the_awaited_task_spawned_is_run() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    for policy in POLICIES {
        let (a, b) = (Arc::new(with_policy(1, policy)), with_policy(1, policy));
        let pool = a.clone();
        let answer = a.install(|| {
            b.install(|| {
                let (sender, receiver) = std::sync::mpsc::channel();
                pool.spawn(move || sender.send(7).unwrap());
                receiver.recv().unwrap()
            })
        });
        assert_eq!(answer, 7);
    }
}

/// Tasks with handles wait for another pool, which waits for the next such task, and so on. There
/// are more of them than spare threads.
#[test]
fn more_tasks_than_there_are_spare_threads_wait_for_another_pool() {
    fn nest(left: usize, here: &Arc<ThreadPool>, there: &Arc<ThreadPool>) {
        there.install(|| {
            let ran = Arc::new(Flag::new());
            let (runs, theirs) = (ran.clone(), (here.clone(), there.clone()));
            let next = move || {
                if left > 0 {
                    nest(left - 1, &theirs.0, &theirs.1);
                }
                runs.raise();
            };
            // The handle is kept: a task that can still be joined hands off its core when it waits.
            let task = here.spawn(next);
            ran.hold();
            drop(task);
        });
    }
    let _watchdog = watchdog();
    if is_simulated() {
        return;
    }
    // Each nested call holds a worker of `there`.
    let count = 200;
    let here = Arc::new(pool(1));
    let there = Arc::new(pool(count + 10));
    let task = here.spawn({
        let (here, there) = (here.clone(), there.clone());
        move || nest(count, &here, &there)
    });
    task.join().unwrap();
}

/// The shape that deadlocks without a spare thread: the job that the other pool requests joins the
/// task below it on the stack. With one spare thread it ends.
#[test]
fn a_dump_tells_of_a_wait_for_which_there_is_no_spare_thread() {
    let with_most = |most: usize| {
        let builder = ThreadPoolBuilder::new().num_threads(1).max_spare_threads(most);
        Arc::new(builder.build().unwrap())
    };
    let install = |there: &ThreadPool, op: &(dyn Fn() + Sync)| there.install(op);
    let tells = "1 waits keep their cores for want of a spare thread, of which there may be 0";
    if is_simulated() {
        return;
    }
    common::alone("a_dump_tells_of_a_wait_for_which_there_is_no_spare_thread", || {
        let here = with_most(1);
        assert_eq!(joiner_of(&here, Arc::new(plain(1)), install, joined).join().unwrap(), 7);
        assert!(!here.dump().to_string().contains("keep their cores"));
        assert!(here.dump().to_string().contains("1 spare threads of at most 1"));
        assert_eq!(here.counters().spare_threads, 1);
        common::eventually("all threads have their cores back", || {
            here.counters().threads_off_core == 0
        });

        let here = with_most(0);
        let joiner = joiner_of(&here, Arc::new(plain(1)), install, joined);
        common::eventually("the dump tells of the wait", || {
            here.dump().to_string().contains(tells)
        });
        rest(Duration::from_millis(50));
        let text = here.dump().to_string();
        assert!(!joiner.is_finished() && text.contains(tells), "{text}");
        assert!(text.contains("2 jobs on its stack, waits for a task"), "{text}");
        assert_eq!(here.counters().spare_threads, 0);
        // The two tasks wait for ever.
        std::mem::forget((joiner, here));
    });
}

/// A worker of another pool requests a task, which then starts without the request. The request
/// that is left is empty. A wait must take it from the queue instead of handing off its core for
/// it.
#[test]
fn a_request_that_is_empty_needs_no_spare_thread() {
    let _watchdog = watchdog();
    let builder = || ThreadPoolBuilder::new().num_threads(1);
    let [here, there] = [(); 2].map(|()| Arc::new(builder().build().unwrap()));
    let depth = |pool: &ThreadPool| pool.metrics().queues.iter().map(|it| it.depth).sum::<usize>();
    let (own, other) = (here.clone(), there.clone());
    let task = here.spawn(move || {
        let asked = own.spawn(|| ());
        let joins = other.spawn(|| asked.join().unwrap());
        // Until the task and the request for it are queued.
        while depth(&own) < 2 {
            thread::yield_now();
        }
        filch::yield_now();
        while !joins.is_finished() {
            thread::yield_now();
        }
        let pool = own.clone();
        let waits = other.spawn(move || {
            while depth(&pool) > 0 && pool.counters().spare_threads == 0 {
                thread::yield_now();
            }
        });
        waits.join().unwrap();
        joins.join().unwrap();
    });
    task.join().unwrap();
    assert_eq!(here.counters().spare_threads, 0);
}

#[test]
fn a_pool_starts_no_more_spare_threads_than_it_may() {
    let _watchdog = watchdog();
    for most in [0, 1, 3] {
        let here = builder().num_threads(2).max_spare_threads(most).build().unwrap();
        let (here, there) = (Arc::new(here), Arc::new(pool(2)));
        let at_work = tasks_with_waits(&here, &there, 30);
        assert!(at_work.most.load(Ordering::SeqCst) <= 2 + most);
        assert!(here.counters().spare_threads <= most);
    }
}

/// In pools that start no spare threads, cross-pool jobs run on top of waits.
#[test]
fn cross_pool_jobs_run_where_there_is_no_other_thread() {
    let _watchdog = watchdog();
    if is_simulated() {
        return;
    }
    let spawned = |_| {
        let builder = ThreadPoolBuilder::new().num_threads(1);
        let spawn = |thread: filch::ThreadBuilder| {
            std::thread::Builder::new().spawn(move || thread.run()).map(drop)
        };
        builder.spawn_handler(spawn).build().unwrap()
    };
    let [here, there] = [0, 1].map(spawned).map(Arc::new);
    for _ in 0..20 {
        let (theirs, other) = (here.clone(), there.clone());
        let task = here.spawn(move || other.install(|| theirs.spawn(|| fib(5)).join().unwrap()));
        assert_eq!(task.join().unwrap(), 5);
    }
}

// ---- Random programs ----

/// A number, and how it is computed.
enum Step {
    Number(u64),
    /// The sum of two steps, by `join`.
    Fork(Box<[Step; 2]>),
    /// The sum of steps, by tasks of a scope. The first task is joined by its handle.
    Scope(Vec<Step>),
    /// A step that is installed in another pool.
    Elsewhere(usize, Box<Step>),
    /// The sum of steps, by tasks of a scope of another pool. The scope's closure stays on the
    /// calling thread.
    Spread(usize, Vec<Step>),
    /// The value of an older task, which is joined.
    Join(usize),
}

/// Tasks, each in a pool. A task joins older tasks only.
struct Program {
    tasks: Vec<(usize, Step)>,
    /// The tasks that no other task joins.
    free: Vec<usize>,
}

struct Run {
    pools: Vec<ThreadPool>,
    handles: Vec<Mutex<Option<JoinHandle<u64>>>>,
}

impl Program {
    fn random(rng: &mut SmallRng, pools: usize) -> Self {
        let mut free: Vec<usize> = Vec::new();
        let count = rng.random_range(3..20);
        let tasks = (0..count).map(|number| {
            let step = Step::random(rng, pools, &mut free, 3);
            free.push(number);
            (rng.random_range(0..pools), step)
        });
        let tasks = tasks.collect();
        Program { tasks, free }
    }

    /// The value of each task.
    fn serial(&self) -> Vec<u64> {
        let mut values = Vec::new();
        for (_, step) in &self.tasks {
            let value = step.serial(&values);
            values.push(value);
        }
        values
    }
}

impl Step {
    fn random(rng: &mut SmallRng, pools: usize, free: &mut Vec<usize>, depth: u32) -> Self {
        if !free.is_empty() && rng.random_bool(0.3) {
            return Step::Join(free.swap_remove(rng.random_range(0..free.len())));
        }
        if depth == 0 {
            return Step::Number(rng.random_range(0..1000));
        }
        let mut step = || Step::random(rng, pools, free, depth - 1);
        let (first, second, third) = (step(), step(), step());
        match rng.random_range(0..5) {
            0 => Step::Fork(Box::new([first, second])),
            1 => Step::Scope(vec![first, second, third]),
            2 => Step::Elsewhere(rng.random_range(0..pools), Box::new(first)),
            3 => Step::Spread(rng.random_range(0..pools), vec![first, second, third]),
            _ => first,
        }
    }

    fn serial(&self, tasks: &[u64]) -> u64 {
        match self {
            Step::Number(number) => *number,
            Step::Fork(sides) => sides.iter().map(|step| step.serial(tasks)).sum(),
            Step::Scope(steps) | Step::Spread(_, steps) => {
                steps.iter().map(|step| step.serial(tasks)).sum()
            }
            Step::Elsewhere(_, step) => step.serial(tasks),
            Step::Join(task) => tasks[*task],
        }
    }

    fn run(&self, run: &Run) -> u64 {
        filch::schedule_point();
        match self {
            Step::Number(number) => *number,
            Step::Fork(sides) => {
                let [a, b] = &**sides;
                let (a, b) = filch::join(|| a.run(run), || b.run(run));
                a + b
            }
            Step::Spread(pool, steps) => run.pools[*pool].in_place_scope(|s| {
                let spawn = |step| s.spawn(move || Step::run(step, run));
                let tasks: Vec<_> = steps.iter().map(spawn).collect();
                tasks.into_iter().map(|task| task.join().unwrap()).sum()
            }),
            Step::Scope(steps) => {
                let sum = AtomicUsize::new(0);
                let first = filch::scope(|s| {
                    let mut tasks = steps.iter().map(|step| || step.run(run));
                    let first = tasks.next().map(|task| s.spawn(task));
                    for task in tasks {
                        let sum = &sum;
                        s.spawn(move || sum.fetch_add(task() as usize, Ordering::Relaxed));
                    }
                    first.map_or(0, |first| first.join().unwrap())
                });
                first + sum.into_inner() as u64
            }
            Step::Elsewhere(pool, step) => run.pools[*pool].install(|| step.run(run)),
            Step::Join(task) => {
                // Until the handle is there, the task is still being spawned.
                loop {
                    if let Some(handle) = lock(&run.handles[*task]).take() {
                        return handle.join().unwrap();
                    }
                    common::step_aside();
                }
            }
        }
    }
}

/// Runs the tasks, and returns the sum of those that no other task joins.
fn run(program: Program, pools: Vec<ThreadPool>) -> u64 {
    let handles = program.tasks.iter().map(|_| Mutex::new(None)).collect();
    let run = Arc::new(Run { pools, handles });
    for (number, (pool, step)) in program.tasks.into_iter().enumerate() {
        let theirs = run.clone();
        let handle = run.pools[pool].spawn(move || step.run(&theirs));
        *lock(&run.handles[number]) = Some(handle);
    }
    let free = program.free.into_iter();
    free.map(|task| Step::Join(task).run(&run)).sum()
}

#[test]
fn tasks_that_join_older_ones_across_pools_end() {
    let _watchdog = watchdog();
    for seed in 0..sized(300, 3) as u64 {
        let mut rng = SmallRng::seed_from_u64(seed + 1000 * common::seed().unwrap_or(0));
        let count = rng.random_range(2..4);
        let pools: Vec<_> = (0..count).map(|_| pool(rng.random_range(1..4))).collect();
        let program = Program::random(&mut rng, count);
        let values = program.serial();
        let expected: u64 = program.free.iter().map(|&task| values[task]).sum();
        assert_eq!(run(program, pools), expected, "seed {seed}");
    }
}

// ---- Hand-offs by members and in handlers; cores to lend; locks ----

/// Never drops `value`. Its address stays in a static: `ci/asan` reports what none leads to.
fn keep_for_ever<T>(value: T) {
    static KEPT: Mutex<Vec<usize>> = Mutex::new(Vec::new());
    KEPT.lock().unwrap().push(Box::into_raw(Box::new(value)).expose_provenance());
}

/// Makes the calling worker's thread leave its core: it waits for another pool, in a task that
/// could still be joined.
fn hand_off_the_core(there: &ThreadPool) {
    filch::scope(|s| {
        let task = s.spawn(|| there.install(|| rest(Duration::from_millis(2))));
        // If it were joined, it would run as part of this job.
        keep_for_ever(task);
    });
}

#[test]
fn a_member_that_was_off_its_core_goes_on_and_its_pool_ends() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    for workers in [1, 2] {
        let threads = Arc::new(AtomicUsize::new(0));
        let (started, ended) = (threads.clone(), threads.clone());
        let user = std::thread::spawn(move || {
            let here = builder()
                .num_threads(workers)
                .use_current_thread()
                .start_handler(move |_| _ = started.fetch_add(1, Ordering::SeqCst))
                .exit_handler(move |_| _ = ended.fetch_sub(1, Ordering::SeqCst))
                .build()
                .unwrap();
            let there = pool(1);
            (0..3).for_each(|_| hand_off_the_core(&there));
            assert_eq!((filch::current_thread_index(), fib(10)), (Some(0), 55));
            here
        });
        let here = user.join().unwrap();
        assert_eq!(here.install(|| fib(10)), 55);
        drop(here);
        assert_eq!(threads.load(Ordering::SeqCst), 0);
    }
}

#[test]
fn handlers_may_wait_for_another_pool() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    for workers in [1, 2] {
        for which in 0..3 {
            let there = pool(1);
            let wait = move |_| there.install(|| rest(Duration::from_micros(100)));
            let policy = any_wait_builder().wait_policy(WaitPolicy::OwnDescendants);
            let builder = match which {
                0 => policy.start_handler(wait),
                1 => policy.park_handler(wait),
                _ => policy.unpark_handler(wait),
            };
            let here = builder.num_threads(workers).build().unwrap();
            for _ in 0..100 {
                let tasks = [(); 3].map(|()| here.spawn(|| fib(3)));
                tasks.into_iter().for_each(|task| assert_eq!(task.join().unwrap(), 2));
                rest(Duration::from_micros(200));
            }
        }
    }
}

/// A thread from outside borrows a core, and waits as a worker for a message from a task whose
/// thread has handed off another core. If the borrower had that core, the message would never come.
#[test]
fn a_core_that_was_handed_off_is_not_lent() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    let mut borrowed = 0;
    for _ in 0..40 {
        let (here, there) = (pool(2), pool(1));
        let (waits, go_on) = (Arc::new(Flag::new()), Arc::new(Flag::new()));
        let (now_waits, until_then) = (waits.clone(), go_on.clone());
        let (said, says) = std::sync::mpsc::channel();
        let task = here.spawn(move || {
            there.install(|| {
                now_waits.raise();
                until_then.hold();
            });
            said.send(7).unwrap();
        });
        waits.hold();
        let parked = || here.dump().to_string().matches(": parked").count();
        eventually("the other worker parks", || parked() == 1);
        rest(Duration::from_millis(2));
        let me = std::thread::current().id();
        let wait = move || {
            go_on.raise();
            // If the job was injected instead, a spare thread may run it.
            let is_borrower = std::thread::current().id() == me;
            if is_borrower {
                assert_eq!(says.recv(), Ok(7));
            }
            (is_borrower, says)
        };
        let (is_borrower, says) = here.join(wait, || ()).0;
        borrowed += is_borrower as usize;
        task.join().unwrap();
        drop(says);
    }
    assert!(borrowed > 0, "no core was ever lent");
}

/// Under `OwnDescendants`, a thread that wants its core back may need a lock that the core's holder
/// has. The holder must keep the core across its join.
#[test]
fn a_lock_may_be_held_across_a_join_though_a_thread_is_off_its_core() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    let own = any_wait_builder().num_threads(3).wait_policy(WaitPolicy::OwnDescendants);
    let (here, there) = (own.build().unwrap(), pool(1));
    let shared = Arc::new((Mutex::new(()), [(); 5].map(|()| Flag::new())));
    let [is_busy, is_off_core, ..] = &shared.1;
    let theirs = [(); 3].map(|()| shared.clone());
    let [for_busy, for_waiter, for_holder] = theirs;
    let busy = here.spawn(move || {
        for_busy.1[0].raise();
        for_busy.1[4].hold();
    });
    is_busy.hold();
    let waiter = here.spawn(move || {
        let (lock, [_, is_off_core, go_on, ..]) = &*for_waiter;
        there.install(|| {
            is_off_core.raise();
            go_on.hold();
        });
        drop(common::lock(lock));
    });
    is_off_core.hold();
    let holder = here.spawn(move || {
        let (lock, [_, _, go_on, is_stolen, busy_may_end]) = &*for_holder;
        let _guard = common::lock(lock);
        let first = || {
            // Another worker must steal the second side.
            busy_may_end.raise();
            is_stolen.poll();
        };
        let second = || {
            is_stolen.raise();
            go_on.raise();
            rest(Duration::from_millis(50));
        };
        filch::join(first, second);
    });
    for task in [busy, holder, waiter] {
        task.join().unwrap();
    }
}

/// A task that holds a lock across a join has to hand off its core for jobs that must not run on
/// top of it. The spare thread must begin no other job, which may need the lock.
#[test]
fn a_lock_may_be_held_across_a_join_though_the_core_is_handed_off() {
    let _watchdog = watchdog();
    fn nothing() {}
    fn forks() {
        (0..20).for_each(|_| _ = filch::join(|| fib(5), || fib(5)));
    }
    for op in [nothing, forks].repeat(10) {
        check_lock_across_a_join(|here, _| here.spawn_broadcast(move |_| op()));
        check_lock_across_a_join(|here, there| {
            let here = here.clone();
            drop(there.spawn(move || here.install(op)));
        });
        check_lock_across_a_join(|here, there| {
            let here = here.clone();
            drop(there.spawn(move || (0..10).for_each(|_| drop(here.spawn(op)))));
        });
    }
}

/// Calls `asks`, which hands jobs to the first pool of two workers. One of these waits with a lock
/// for a fork of its task, which the other one runs. Another task, which needs the lock, is queued.
fn check_lock_across_a_join(asks: impl FnOnce(&Arc<ThreadPool>, &ThreadPool)) {
    let (here, there) = (Arc::new(pool(2)), pool(1));
    let shared = Arc::new((Mutex::new(()), [(); 2].map(|()| Flag::new())));
    let [for_holder, for_other] = [(); 2].map(|()| shared.clone());
    let holder = here.spawn(move || {
        let (lock, [is_stolen, go_on]) = &*for_holder;
        let _guard = common::lock(lock);
        let second = || {
            is_stolen.raise();
            go_on.hold();
        };
        filch::join(|| is_stolen.hold(), second);
    });
    let (_, [is_stolen, go_on]) = &*shared;
    is_stolen.hold();
    rest(Duration::from_millis(1));
    let other = here.spawn(move || drop(common::lock(&for_other.0)));
    asks(&here, &there);
    rest(Duration::from_millis(2));
    go_on.raise();
    holder.join().unwrap();
    other.join().unwrap();
}

/// A task that holds a lock calls another pool, and hands off the core of the only worker. A free
/// wait of that worker is without the core as well. The spare thread must not begin a job for that
/// wait which needs the lock: the wait finds its own tasks.
#[test]
fn a_lock_may_be_held_across_a_call_to_another_pool() {
    let _watchdog = watchdog();
    for _ in 0..10 {
        let (here, calling) = (Arc::new(pool(1)), pool(1));
        let called = [(); 3].map(|()| pool(1));
        let shared = Arc::new((Mutex::new(()), called, [(); 6].map(|()| Flag::new())));
        let [below, above, holder, other] = [(); 4].map(|()| shared.clone());
        let flags = &shared.2;
        // Waits freely. A task on top of it calls a pool.
        drop(here.spawn(move || {
            let (_, [first, ..], flags) = &*below;
            let call = || {
                flags[0].raise();
                flags[1].hold();
            };
            filch::scope(|s| keep_for_ever(s.spawn(|| first.install(call))));
            filch::scope(|s| drop(s.spawn(|| flags[4].raise())));
            flags[5].raise();
        }));
        flags[0].hold();
        // Must not run on top of that call, so it gets the core. It gives the core back in a call
        // of its own, which ends when the last task above has run.
        let asked = here.clone();
        drop(calling.spawn(move || {
            let (_, [_, second, _], flags) = &*above;
            asked.install(|| {
                flags[2].raise();
                flags[3].hold();
                second.install(|| flags[4].hold());
            });
        }));
        flags[2].hold();
        let holder = here.spawn(move || {
            let _guard = common::lock(&holder.0);
            holder.1[2].install(|| rest(Duration::from_millis(2)));
        });
        let other = here.spawn(move || drop(common::lock(&other.0)));
        flags[1].raise();
        rest(Duration::from_millis(1));
        flags[3].raise();
        [holder, other].into_iter().for_each(|task| task.join().unwrap());
        flags[5].hold();
    }
}

// ---- Hand-offs in handlers, by members, and in pools that have ended ----

fn plain(threads: usize) -> ThreadPool {
    ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
}

/// Waits for tasks that wait for `other` and could still be joined. Inside a job or a handler,
/// their waits hand off the core.
fn wait_elsewhere(other: &ThreadPool, tasks: usize, pause: Duration) {
    filch::scope(|s| {
        (0..tasks).for_each(|_| keep_for_ever(s.spawn(|| other.install(|| thread::sleep(pause)))));
    });
}

/// A job that runs on top of a handler may hand off the core. Then the handler's thread is a
/// borrower.
#[test]
fn one_thread_has_a_core_that_was_handed_off_in_a_handler() {
    let _watchdog = watchdog();
    let other = Arc::new(plain(1));
    for round in 0..60_u64 {
        let (other, running) = (other.clone(), Arc::new(AtomicUsize::new(0)));
        let unparks = move |_| wait_elsewhere(&other, 1, Duration::from_millis(1));
        let builder = ThreadPoolBuilder::new().num_threads(1).unpark_handler(unparks);
        let pool = builder.build().unwrap();
        let start = Instant::now();
        for pause in (0..).map(|n: u64| (n * 7 + round) % 80) {
            if start.elapsed() > Duration::from_millis(40) {
                break;
            }
            let spawn = || {
                let running = running.clone();
                drop(filch::spawn(move || {
                    assert_eq!(
                        running.fetch_add(1, Ordering::SeqCst),
                        0,
                        "two tasks at a time on one worker"
                    );
                    (0..20).for_each(|_| thread::yield_now());
                    running.fetch_sub(1, Ordering::SeqCst);
                }));
            };
            pool.join(|| (0..3).for_each(|_| spawn()), || ());
            let begin = Instant::now();
            while begin.elapsed() < Duration::from_micros(pause) {
                thread::yield_now();
            }
        }
        drop(pool);
        assert_eq!(running.load(Ordering::SeqCst), 0, "a task panicked");
    }
}

#[test]
fn start_and_park_handlers_may_wait_for_a_task_that_hands_off_their_core() {
    let _watchdog = watchdog();
    let pause = Duration::from_millis(10);
    for threads in [1, 2] {
        let (first, second) = (Arc::new(plain(1)), Arc::new(plain(1)));
        let calls = AtomicUsize::new(0);
        let parks = move |_| {
            if calls.fetch_add(1, Ordering::SeqCst) < 3 {
                wait_elsewhere(&second, 4, pause);
            }
        };
        let builder = ThreadPoolBuilder::new().num_threads(threads).park_handler(parks);
        let starts = AtomicUsize::new(0);
        let builder = builder.start_handler(move |_| {
            if starts.fetch_add(1, Ordering::SeqCst) == 0 {
                wait_elsewhere(&first, 4, pause);
            }
        });
        let pool = builder.build().unwrap();
        (0..3).for_each(|n| assert_eq!(pool.install(|| n), n));
    }
}

/// A spare thread's start handler joins the task whose thread has handed off that core.
#[test]
fn a_start_handler_may_join_a_task_that_is_off_its_core() {
    static HANDLE: Mutex<Option<filch::JoinHandle<i32>>> = Mutex::new(None);
    let _watchdog = watchdog();
    let other = plain(1);
    let joins = |_| {
        let handle = HANDLE.lock().unwrap().take();
        if let Some(handle) = handle {
            assert_eq!(handle.join().unwrap(), 1);
        }
    };
    let pool = ThreadPoolBuilder::new().num_threads(1).start_handler(joins).build().unwrap();
    pool.install(|| ());
    let gate = Arc::new(common::Gate::new());
    let (theirs, begun) = (gate.clone(), Arc::new(Flag::new()));
    let begins = begun.clone();
    let waits = pool.spawn(move || {
        begins.raise();
        theirs.wait();
        other.install(|| thread::sleep(Duration::from_millis(50)));
        1
    });
    begun.hold();
    *HANDLE.lock().unwrap() = Some(waits);
    gate.open();
    assert_eq!(pool.spawn(|| 4).join().unwrap(), 4);
}

/// A job on top of a member's wait hands off the core. The member gets it back as a borrower.
#[test]
fn a_member_that_became_a_borrower_in_its_wait_makes_way() {
    let _watchdog = watchdog();
    for threads in [1, 3] {
        let life = move || {
            let other = plain(1);
            let builder = ThreadPoolBuilder::new().num_threads(threads).use_current_thread();
            let _pool = builder.build().unwrap();
            (0..5).for_each(|_| wait_elsewhere(&other, 4, Duration::from_millis(10)));
        };
        thread::spawn(life).join().unwrap();
    }
}

#[test]
fn a_member_of_a_pool_that_has_ended_goes_on() {
    let _watchdog = watchdog();
    let life = || {
        let other = plain(1);
        let slow = || thread::sleep(Duration::from_millis(50));
        let builder = ThreadPoolBuilder::new().num_threads(3).use_current_thread();
        builder.build().unwrap().shutdown_background();
        thread::sleep(Duration::from_millis(100));
        // From now on, no other thread takes over its core.
        let queued = filch::spawn(|| 5);
        let waits = {
            let other = Arc::new(plain(1));
            filch::spawn(move || other.install(slow))
        };
        filch::yield_now();
        waits.join().unwrap();
        assert_eq!(queued.join().unwrap(), 5);
        // Jobs from outside still wake it.
        let given = filch::in_place_scope(|s| {
            other.install(|| {
                slow();
                s.spawn(|| 3).join().unwrap()
            })
        });
        assert_eq!(given, 3);
    };
    thread::spawn(life).join().unwrap();
}

#[test]
fn the_other_workers_end_in_the_background_after_a_member_was_off_its_core() {
    let _watchdog = watchdog();
    let life = || {
        let exits = Arc::new(AtomicUsize::new(0));
        let (other, counts) = (plain(1), exits.clone());
        let builder = ThreadPoolBuilder::new().num_threads(3).use_current_thread();
        let builder = builder.exit_handler(move |_| _ = counts.fetch_add(1, Ordering::SeqCst));
        let pool = builder.build().unwrap();
        for _ in 0..20 {
            filch::in_place_scope(|s| {
                let waits = s.spawn(|| other.install(|| thread::sleep(Duration::from_millis(2))));
                while !waits.is_finished() {
                    filch::yield_now();
                }
            });
        }
        pool.shutdown_background();
        common::eventually("the other workers end", || exits.load(Ordering::SeqCst) >= 2);
    };
    thread::spawn(life).join().unwrap();
}
