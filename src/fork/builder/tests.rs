//! Unit tests: what a task gets from its builder, and what it passes on.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::prelude::*;
use crate::{JoinError, ThreadPoolBuilder, WaitPolicy};

const ALL: [Priority; 3] = [Priority::High, Priority::Normal, Priority::Low];

fn pool(threads: usize, policy: WaitPolicy) -> ThreadPool {
    ThreadPoolBuilder::new().num_threads(threads).wait_policy(policy).build().unwrap()
}

fn policies() -> [WaitPolicy; 2] {
    [WaitPolicy::AnyWork, WaitPolicy::OwnDescendants]
}

fn current() -> Priority {
    Worker::current_priority()
}

fn name() -> Option<String> {
    with_current_context(|context| Some(context?.name.as_ref()?.to_string()))
}

/// Both closures of a join of which the second is stolen.
fn in_both<R: Send>(f: impl Fn() -> R + Sync) -> [R; 2] {
    let begun = AtomicBool::new(false);
    let first = || {
        while !begun.load(Ordering::Relaxed) {
            std::thread::yield_now();
        }
        f()
    };
    let second = || {
        begun.store(true, Ordering::Relaxed);
        f()
    };
    let (a, b) = crate::join(first, second);
    [a, b]
}

#[test]
fn what_a_task_forks_and_spawns_inherits_its_priority() {
    for policy in policies() {
        let (pool, other) = (pool(2, policy), pool(1, policy));
        for priority in ALL {
            pool.task().priority(priority).install(|| {
                assert_eq!(current(), priority);
                assert_eq!(in_both(current), [priority; 2], "stolen");
                assert_eq!(crate::spawn(current).join().unwrap(), priority);
                assert_eq!(other.install(current), priority, "in another pool");
                assert_eq!(other.spawn(current).join().unwrap(), priority);
                assert_eq!(crate::broadcast(|_| current()), [priority; 2]);
                let seen = Mutex::new(Vec::new());
                let note = || seen.lock().unwrap().push(current());
                crate::scope(|s| {
                    (0..10).for_each(|_| drop(s.spawn(note)));
                    (0..10).for_each(|_| s.spawn_fifo(note));
                    s.spawn_broadcast(|_| note());
                });
                (0..100).into_par_iter().for_each(|_| note());
                other.scope(|s| (0..10).for_each(|_| drop(s.spawn(note))));
                let seen = seen.into_inner().unwrap();
                assert!(seen.len() == 132 && seen.iter().all(|&it| it == priority));
                let mut set = crate::TaskSet::new();
                set.spawn(current);
                assert_eq!(set.join_next().unwrap().unwrap(), priority);
            });
            assert_eq!(pool.install(current), Priority::Normal, "of the next job");
        }
    }
}

#[test]
fn a_task_that_is_joined_has_the_higher_priority() {
    for policy in policies() {
        let (one, other) = (pool(1, policy), pool(1, policy));
        for (mine, its) in ALL.iter().flat_map(|&mine| ALL.map(|its| (mine, its))) {
            one.task().priority(mine).install(|| {
                // In place, with forks that have the joiner's priority.
                let joined = |pool: &ThreadPool| {
                    let task = pool.task().priority(its).spawn(current);
                    crate::join(|| task.join().unwrap(), || assert_eq!(current(), mine)).0
                };
                assert_eq!(joined(&one), mine.max(its), "{mine:?} joins {its:?}");
                // The other pool's worker may take it before the request comes.
                assert!([its, mine.max(its)].contains(&joined(&other)));
                assert_eq!(current(), mine);
            });
        }
    }
}

#[test]
fn forks_that_are_pending_keep_their_priority() {
    for policy in policies() {
        let pool = pool(2, policy);
        let begun = AtomicBool::new(false);
        let second = || {
            let seen = current();
            begun.store(true, Ordering::Relaxed);
            seen
        };
        // (The outer fork takes the fast slot, so that the inner one is private.)
        let inner = || {
            crate::join(
                || {
                    pool.task().priority(Priority::High).install(|| {
                        while !begun.load(Ordering::Relaxed) {
                            crate::join(|| (), std::thread::yield_now);
                        }
                    });
                },
                second,
            )
        };
        let ((_, seen), ()) = pool.install(|| crate::join(inner, || ()));
        assert_eq!(seen, Priority::Normal);
    }
}

#[cfg(feature = "futures")]
#[test]
fn a_future_keeps_the_priority_of_its_spawner() {
    let pool = pool(2, WaitPolicy::AnyWork);
    for priority in ALL {
        let (completer, handle) = crate::completer();
        let spawn = || {
            crate::spawn_future(async move {
                let before = current();
                handle.await.unwrap();
                [before, current()]
            })
        };
        let future = pool.task().priority(priority).install(spawn);
        completer.complete(());
        assert_eq!(future.join().unwrap(), [priority; 2]);
    }
}

#[test]
fn names_and_tokens_are_inherited() {
    let pool = pool(2, WaitPolicy::AnyWork);
    let token = CancelToken::new();
    let named = pool.task().name("outer").token(&token).spawn(|| {
        let inner = crate::task().name("inner").spawn(name).join().unwrap();
        let names = [name(), in_both(name)[1].clone(), inner];
        (names, CancelToken::current().is_some_and(|it| it.is_cancelled()))
    });
    let expected = ["outer", "outer", "inner"].map(|name| Some(name.to_owned()));
    assert_eq!(named.join().unwrap(), (expected, false));
    assert_eq!(pool.task().name("whole").install(name).as_deref(), Some("whole"));
    assert_eq!(pool.install(name), None);
    // Both tokens count.
    let outer = CancelToken::new();
    let task = outer.run(|| pool.task().token(&token).spawn(|| ())).unwrap();
    task.join().unwrap();
    let is_dropped = |task: Result<(), JoinError>| task.unwrap_err().is_cancelled();
    let inside = outer.run(|| {
        token.cancel();
        is_dropped(pool.task().token(&token).spawn(|| ()).join())
    });
    assert_eq!(inside, Ok(true));
}

#[test]
#[should_panic = "`CancelToken::run`"]
fn install_refuses_a_token() {
    task().token(&CancelToken::new()).install(|| ());
}
