//! Which pool's threads run which closures, and when threads end.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, ThreadId};
use std::time::Duration;

use rayon_core::{ThreadPool, ThreadPoolBuilder};

fn pool(threads: usize) -> ThreadPool {
    ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
}

/// Far longer than anything here should take.
const LONG: Duration = Duration::from_secs(60);

fn ids(pool: &ThreadPool) -> HashSet<ThreadId> {
    pool.broadcast(|_| thread::current().id()).into_iter().collect()
}

// ---- the end of a pool ----

fn join_a_lot(depth: usize) {
    if depth > 0 {
        rayon_core::join(|| join_a_lot(depth - 1), || join_a_lot(depth - 1));
    }
}

/// Drops a pool of 22 threads after `use_pool`, and waits until all of them have exited.
fn all_exit(use_pool: impl FnOnce(&ThreadPool)) {
    let (sender, receiver) = mpsc::channel();
    let sender = Mutex::new(sender);
    let builder = ThreadPoolBuilder::new().num_threads(22);
    let pool = builder.exit_handler(move |index| sender.lock().unwrap().send(index).unwrap());
    let pool = pool.build().unwrap();
    use_pool(&pool);
    drop(pool);
    let exits: HashSet<_> = (0..22).map(|_| receiver.recv_timeout(LONG).unwrap()).collect();
    assert_eq!(exits.len(), 22);
}

#[test]
fn threads_that_have_run_jobs_end_with_their_pool() {
    all_exit(|pool| pool.install(|| join_a_lot(16)));
}

#[test]
fn threads_that_sleep_end_with_their_pool() {
    all_exit(|_| thread::sleep(Duration::from_secs(1)));
}

#[test]
fn dropping_a_pool_does_not_wait_for_its_tasks_but_they_still_run() {
    let pool = pool(2);
    let (go_on, wait) = mpsc::channel::<()>();
    let (sender, receiver) = mpsc::channel();
    let (last, wait) = (sender.clone(), Mutex::new(wait));
    pool.spawn(move || {
        wait.lock().unwrap().recv().unwrap();
        sender.send(1).unwrap();
        // The task's thread is still in the dropped pool.
        rayon_core::spawn(move || last.send(rayon_core::current_num_threads()).unwrap());
    });
    drop(pool);
    go_on.send(()).unwrap();
    assert_eq!(receiver.recv_timeout(LONG), Ok(1));
    assert_eq!(receiver.recv_timeout(LONG), Ok(2));
}

#[test]
fn a_thread_may_drop_its_own_pool() {
    let pool = Arc::new(pool(2));
    let (sender, receiver) = mpsc::channel();
    let within = pool.clone();
    pool.spawn(move || {
        while Arc::strong_count(&within) > 1 {
            thread::yield_now();
        }
        drop(within);
        sender.send(()).unwrap();
    });
    drop(pool);
    receiver.recv_timeout(LONG).unwrap();
}

// ---- threads ----

#[test]
fn only_threads_of_the_pool_run_its_closures() {
    let pool = pool(3);
    let own = ids(&pool);
    let is_own = || assert!(own.contains(&thread::current().id()));
    for _ in 0..100 {
        pool.install(is_own);
        pool.join(is_own, is_own);
        pool.scope(|s| {
            is_own();
            s.spawn(|_| is_own());
        });
        pool.scope_fifo(|s| {
            is_own();
            s.spawn_fifo(|_| is_own());
            s.spawn_broadcast(|_, _| is_own());
        });
    }
    let caller = thread::current().id();
    pool.in_place_scope(|s| {
        assert_eq!(thread::current().id(), caller);
        s.spawn(|_| is_own());
    });
    pool.in_place_scope_fifo(|s| {
        assert_eq!(thread::current().id(), caller);
        s.spawn_fifo(|_| is_own());
    });
}

#[test]
fn only_threads_of_the_global_pool_run_closures_from_outside() {
    let own: HashSet<_> = rayon_core::broadcast(|_| thread::current().id()).into_iter().collect();
    assert_eq!(own.len(), rayon_core::current_num_threads());
    let is_own = || assert!(own.contains(&thread::current().id()));
    rayon_core::join(is_own, is_own);
    rayon_core::scope(|s| {
        is_own();
        s.spawn(|_| is_own());
    });
    let migrated = rayon_core::join_context(|a| a.migrated(), |b| b.migrated());
    assert_eq!(migrated, (true, true));
    assert_eq!(rayon_core::current_thread_index(), None);
    rayon_core::in_place_scope(|s| {
        assert_eq!(rayon_core::current_thread_index(), None);
        s.spawn(|_| is_own());
    });
}

#[test]
fn within_a_pool_the_free_functions_use_that_pool() {
    let pool = pool(5);
    pool.install(|| {
        assert_eq!(rayon_core::current_num_threads(), 5);
        assert_eq!(rayon_core::broadcast(|context| context.num_threads()), [5; 5]);
        let own = thread::current().id();
        rayon_core::scope(|_| assert_eq!(thread::current().id(), own));
        rayon_core::in_place_scope_fifo(|_| assert_eq!(thread::current().id(), own));
        let (first, _) = rayon_core::join_context(|a| a.migrated(), |_| ());
        assert!(!first);
    });
}

#[test]
fn threads_have_names_when_the_builder_gives_them() {
    let names = Mutex::new(Vec::new());
    let start = |thread: rayon_core::ThreadBuilder| {
        names.lock().unwrap().push(thread.name().map(str::to_owned));
        thread::spawn(|| thread.run());
        Ok(())
    };
    let builder = || ThreadPoolBuilder::new().num_threads(2);
    drop(builder().spawn_handler(start).build().unwrap());
    drop(builder().thread_name(|index| format!("t{index}")).spawn_handler(start).build().unwrap());
    let named = |name: &str| Some(name.to_owned());
    assert_eq!(*names.lock().unwrap(), [None, None, named("t0"), named("t1")]);
    let pool = builder().thread_name(|index| format!("t{index}")).build().unwrap();
    let names = pool.broadcast(|_| thread::current().name().map(str::to_owned));
    assert_eq!(names, [named("t0"), named("t1")]);
}

#[test]
fn the_thread_that_builds_a_pool_may_be_its_thread_0() {
    thread::spawn(|| {
        let pool = ThreadPoolBuilder::new().num_threads(2).use_current_thread().build().unwrap();
        assert_eq!(pool.current_thread_index(), Some(0));
        let own = thread::current().id();
        assert_eq!(pool.install(|| thread::current().id()), own);
        assert_eq!(rayon_core::join(|| 1, || 2), (1, 2));
        assert_eq!(rayon_core::broadcast(|_| thread::current().id())[0], own);
    })
    .join()
    .unwrap();
}

// ---- several pools ----

/// Builds two pools of one thread each. On the thread of the first, calls `wait`, which must run
/// its second argument in the second pool, and wait for it. That in turn calls `install` on the
/// first pool, and hangs unless the first pool's thread runs jobs while it waits.
fn calls_back(wait: fn(&ThreadPool, &(dyn Fn() + Sync))) {
    let (here, there) = (pool(1), pool(1));
    let asked = AtomicUsize::new(0);
    here.install(|| {
        wait(&there, &|| {
            here.install(|| asked.fetch_add(1, Ordering::Relaxed));
        });
    });
    assert_eq!(asked.into_inner(), 1);
}

#[test]
fn a_thread_that_waits_for_another_pool_runs_jobs_of_its_own() {
    calls_back(|there, ask| there.install(ask));
    calls_back(|there, ask| _ = there.join(ask, || ()));
    calls_back(|there, ask| there.scope(|s| s.spawn(|_| ask())));
    calls_back(|there, ask| there.scope_fifo(|s| s.spawn_fifo(|_| ask())));
    calls_back(|there, ask| there.in_place_scope(|s| s.spawn(|_| ask())));
    calls_back(|there, ask| there.in_place_scope_fifo(|s| s.spawn_fifo(|_| ask())));
    calls_back(|there, ask| there.in_place_scope(|s| s.spawn_broadcast(|_, _| ask())));
    calls_back(|there, ask| _ = there.broadcast(|_| ask()));
}

// ---- scopes ----

#[test]
fn tasks_of_a_scope_spawn_in_it() {
    let count = AtomicUsize::new(0);
    fn spawn<'scope>(s: &rayon_core::Scope<'scope>, count: &'scope AtomicUsize, depth: u32) {
        count.fetch_add(1, Ordering::Relaxed);
        if depth > 0 {
            s.spawn(move |s| spawn(s, count, depth - 1));
            s.spawn(move |s| spawn(s, count, depth - 1));
        }
    }
    rayon_core::scope(|s| spawn(s, &count, 10));
    assert_eq!(count.into_inner(), 2047);
}

#[test]
fn a_scope_may_be_used_by_threads_of_other_pools_and_of_none() {
    let (pool, other) = (pool(2), pool(2));
    let own = ids(&pool);
    let ran = AtomicUsize::new(0);
    let task = || {
        assert!(own.contains(&thread::current().id()));
        ran.fetch_add(1, Ordering::Relaxed);
    };
    pool.in_place_scope(|s| {
        other.install(|| s.spawn(|_| task()));
        thread::scope(|threads| {
            threads.spawn(|| s.spawn(|_| task()));
        });
    });
    assert_eq!(ran.into_inner(), 2);
}
