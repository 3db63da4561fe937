//! Unit test: what inherits the current context.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::context::Context;
use crate::worker::{share_current, under};
use crate::{ThreadPool, ThreadPoolBuilder, WaitPolicy};

fn pool(threads: usize, policy: WaitPolicy) -> ThreadPool {
    ThreadPoolBuilder::new().num_threads(threads).wait_policy(policy).build().unwrap()
}

fn named(name: &str) -> Arc<Context> {
    Arc::new(Context { name: Some(name.into()), ..Context::default() })
}

fn name() -> Option<String> {
    Some(share_current()?.name.as_ref()?.to_string())
}

fn expect(here: &str) {
    assert_eq!(name().as_deref(), Some(here));
}

/// Joins that are stolen, private and published, with regions on both sides.
fn forks(depth: u32, here: &str) {
    expect(here);
    if depth == 0 {
        return std::thread::sleep(std::time::Duration::from_micros(50));
    }
    let inner = format!("{here}{depth}");
    let context = named(&inner);
    // So that a fork which has the wrong one fails the assertion.
    static KEPT: Mutex<Vec<Arc<Context>>> = Mutex::new(Vec::new());
    KEPT.lock().unwrap().push(context.clone());
    crate::join(|| under(Some(&context), || forks(depth - 1, &inner)), || forks(depth - 1, here));
    expect(here);
}

#[test]
fn all_that_runs_for_a_task_has_its_context() {
    for policy in [WaitPolicy::AnyWork, WaitPolicy::OwnDescendants] {
        for threads in [1, 2, 4] {
            let (one, other) = (pool(threads, policy), pool(threads, policy));
            let context = named("a");
            under(Some(&context), || each_kind(&one, &other));
            one.install(|| {
                assert_eq!(name(), None);
                under(Some(&context), || each_kind(&one, &other));
                assert_eq!(name(), None);
            });
            drop((one, other));
            assert_eq!(Arc::strong_count(&context), 1);
        }
    }
    assert_eq!(name(), None);
}

fn each_kind(one: &ThreadPool, other: &ThreadPool) {
    one.install(|| forks(6, "a"));
    one.join(|| forks(3, "a"), || forks(3, "a"));
    one.scope(|s| {
        s.spawn(|| {
            under(Some(&named("inner")), || s.spawn(|| expect("a")).join().unwrap());
            s.spawn_fifo(|| expect("a"));
            other.scope(|t| drop(t.spawn(|| expect("a"))));
        });
        s.spawn_broadcast(|_| expect("a"));
    });
    one.in_place_scope(|s| drop(s.spawn(|| expect("a"))));
    let task = one.spawn(|| expect("a"));
    under(None, || task.join().unwrap());
    drop(one.spawn(|| expect("a")));
    one.spawn(|| {
        under(Some(&named("b")), || {
            let handle = crate::spawn(|| forks(2, "b"));
            crate::join(|| forks(2, "b"), || expect("b"));
            handle.join().unwrap();
        });
        expect("a");
    });
    one.spawn_fifo(|| expect("a"));
    one.broadcast(|_| expect("a"));
    one.spawn_broadcast(|_| expect("a"));
    let mut set = crate::TaskSet::new_in(one);
    set.spawn(|| expect("a"));
    under(Some(&named("c")), || set.spawn(|| expect("c")));
    while let Some(result) = set.join_next() {
        result.unwrap();
    }
    let _ = one.gang(1, |_| expect("a"));
    one.install(|| {
        crate::blocking(|| {
            expect("a");
            one.spawn(|| expect("a")).join().unwrap();
            under(Some(&named("d")), || one.install(|| expect("d")));
            expect("a");
        });
        expect("a");
    });
    #[cfg(feature = "futures")]
    {
        let future = one.spawn_future(async {
            expect("a");
            crate::spawn(|| expect("a")).await.unwrap();
            expect("a");
        });
        // (A worker may wait for ever for a future, by `OwnDescendants`.)
        if crate::current_thread_index().is_none() {
            future.join().unwrap();
        }
    }
    expect("a");
}

/// A region publishes the forks of its worker that were private when it began.
#[test]
fn a_fork_that_is_stolen_during_a_region_has_the_context_outside_it() {
    const FORKS: usize = 20;
    /// Calls `op` while so many forks are pending. All of them have to be stolen.
    fn nest(forks: usize, names: &Mutex<Vec<Option<String>>>, op: impl FnOnce() + Send) {
        if forks == 0 {
            return op();
        }
        let op: Box<dyn FnOnce() + Send> = Box::new(op);
        crate::join(|| nest(forks - 1, names, op), || names.lock().unwrap().push(name()));
    }
    fn wait(until: impl Fn() -> bool) {
        while !until() {
            std::thread::yield_now();
        }
    }
    let [taken, go] = [const { AtomicBool::new(false) }; 2];
    let names = Mutex::new(Vec::new());
    let region = || {
        go.store(true, Ordering::Relaxed);
        wait(|| crate::join(|| names.lock().unwrap().len() == FORKS, || ()).0);
    };
    pool(2, WaitPolicy::AnyWork).scope(|s| {
        // Forks stay private while no worker looks for one.
        s.spawn(|| {
            taken.store(true, Ordering::Relaxed);
            wait(|| go.load(Ordering::Relaxed));
        });
        wait(|| taken.load(Ordering::Relaxed));
        let inner = named("inner");
        let forks = || nest(FORKS, &names, || under(Some(&inner), region));
        under(Some(&named("outer")), forks);
    });
    let names = names.into_inner().unwrap();
    assert_eq!(names, vec![Some("outer".to_owned()); FORKS]);
}

#[test]
fn a_region_that_unwinds_restores_the_context() {
    let region = || under(Some(&named("a")), || std::panic::resume_unwind(Box::new(1)));
    assert!(std::panic::catch_unwind(region).is_err());
    assert_eq!(name(), None);
    pool(1, WaitPolicy::AnyWork).install(|| {
        assert!(std::panic::catch_unwind(region).is_err());
        assert_eq!(name(), None);
    });
}
