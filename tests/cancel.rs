//! Cancellation: tokens, regions, and what happens to the work in them.

#[path = "common/mod.rs"]
mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
#[cfg(feature = "futures")]
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use filch::graph::{Graph, Outcome};
use filch::prelude::*;
use filch::{CancelReason, CancelToken, Cancelled, TaskSet, WaitPolicy};

use common::{
    Caller, Flag, Ledger, boom, caught, is_simulated, is_simulated_without, pool, rest, settings,
    sized, watchdog,
};

fn unused<T>(_: T) {}

fn requested<T: std::fmt::Debug>(result: Result<T, Cancelled>) {
    assert_eq!(result.unwrap_err().reason(), CancelReason::Requested);
}

// ---- Tokens ----

#[test]
fn a_token_is_cancelled_with_those_above_it() {
    let [one, other] = [CancelToken::new(), CancelToken::new()];
    let child = one.child();
    let grandchild = child.child();
    let both = one.run(|| other.run(|| CancelToken::current().unwrap()).unwrap()).unwrap();
    grandchild.cancel();
    assert!(!one.is_cancelled() && !child.is_cancelled() && !both.is_cancelled());
    one.cancel_with_reason(CancelReason::Shutdown);
    one.cancel();
    assert_eq!(grandchild.reason(), Some(CancelReason::Requested));
    for token in [&one, &child, &both, &one.child(), &child.child().child()] {
        assert_eq!(token.reason(), Some(CancelReason::Shutdown));
        assert!(token.check().is_err_and(|it| it.reason() == CancelReason::Shutdown));
    }
    assert!(!other.is_cancelled() && other.check().is_ok());
}

#[test]
fn a_token_in_the_middle_passes_a_cancellation_on_after_its_drop() {
    let root = CancelToken::new();
    let last = root.child().child().child();
    root.cancel();
    assert!(last.is_cancelled());
    // Neither the drop nor the cancellation of a long chain may need a deep stack.
    let root = CancelToken::new();
    let mut last = root.child();
    for _ in 0..sized(1_000_000, 1_000) {
        last = last.child();
    }
    root.cancel();
    assert!(last.is_cancelled());
    drop(root);
    drop(last);
}

#[test]
fn a_token_forgets_children_that_are_dropped() {
    let root = CancelToken::new();
    let kept: Vec<_> = (0..10).map(|_| root.child()).collect();
    (0..10_000).for_each(|_| drop(root.child()));
    root.cancel();
    assert!(kept.iter().all(CancelToken::is_cancelled));
}

#[test]
fn a_deadline_cancels_when_it_has_passed() {
    let token = CancelToken::new();
    let [past, zero] = [token.with_deadline(Instant::now()), token.with_timeout(Duration::ZERO)];
    for late in [&past, &zero, &past.child(), &past.with_timeout(Duration::from_secs(1))] {
        assert_eq!(late.reason(), Some(CancelReason::Deadline));
        let ran = late.run(|| panic!("it is too late"));
        assert_eq!(ran.unwrap_err().reason(), CancelReason::Deadline);
    }
    let far = token.with_timeout(Duration::MAX);
    assert!(!token.is_cancelled() && !far.is_cancelled() && far.deadline().is_none());
    let soon = token.with_timeout(Duration::from_millis(2));
    let child = soon.with_timeout(Duration::from_secs(3600));
    assert_eq!(soon.deadline(), child.deadline());
    let begin = Instant::now();
    while !child.is_cancelled() {
        assert!(begin.elapsed() < Duration::from_secs(60));
    }
    assert!(begin.elapsed() >= Duration::from_millis(1) && soon.is_cancelled());
}

// ---- Scopes ----

/// The `k`th task that begins cancels the scope. Each task is run or dropped, once. With one
/// worker, no task begins after that.
#[test]
fn a_scope_that_is_cancelled_at_any_task_drops_the_others() {
    let _watchdog = watchdog();
    for (caller, pool) in settings() {
        for k in 1..=sized(60, 12) {
            let (ledger, begun, joined) = (Ledger::new(), AtomicUsize::new(0), AtomicUsize::new(0));
            let token = CancelToken::new();
            let result = caller.run(&pool, || {
                filch::scope_with(&token, |s| {
                    let (begun, token) = (&begun, &token);
                    let handles: Vec<_> = (0..50)
                        .map(|n| {
                            let held = ledger.token();
                            let work = move || {
                                let _held = held;
                                if begun.fetch_add(1, SeqCst) + 1 == k {
                                    token.cancel();
                                }
                                ledger.token()
                            };
                            if n % 3 == 0 {
                                s.spawn_fifo(|| drop(work()));
                                return None;
                            }
                            let handle = s.spawn(work);
                            (n % 3 == 1).then_some(handle)
                        })
                        .collect();
                    for error in handles.into_iter().flatten().filter_map(|it| it.join().err()) {
                        assert_eq!(error.reason(), Some(CancelReason::Requested));
                        joined.fetch_add(1, SeqCst);
                    }
                })
            });
            ledger.assert_balanced(k);
            let begun = begun.into_inner();
            assert_eq!(result.is_ok(), k > 50);
            if k > 50 {
                assert_eq!((begun, joined.into_inner()), (50, 0));
            } else if pool.current_num_threads() == 1 {
                assert_eq!(begun, k);
            }
        }
    }
}

#[test]
fn a_deadline_may_pass_at_any_point_of_a_scope() {
    let _watchdog = watchdog();
    let pool = pool(2);
    for micros in 0..sized(10, 60) as u64 {
        let (ledger, begun) = (Ledger::new(), AtomicUsize::new(0));
        let token = CancelToken::new().with_timeout(Duration::from_micros(micros));
        let result = pool.scope_with(&token, |s| {
            for _ in 0..20 {
                let (held, begun) = (ledger.token(), &begun);
                s.spawn(move || {
                    begun.fetch_add(1, SeqCst);
                    drop(held);
                });
            }
        });
        ledger.assert_balanced(micros);
        match result {
            Ok(()) => assert_eq!(begun.into_inner(), 20),
            Err(cancelled) => assert_eq!(cancelled.reason(), CancelReason::Deadline),
        }
        assert!(micros > 0 || ledger.made() == 0);
        if is_simulated() {
            // Each task looks at the clock once, so time passes in steps of a microsecond.
            assert_eq!(result.is_ok(), micros > 22, "{micros}");
        }
    }
}

#[test]
fn a_dropped_closure_may_panic() {
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            boom(3);
        }
    }
    for (caller, pool) in settings() {
        let (ledger, token) = (Ledger::new(), CancelToken::new());
        let scope = || {
            filch::scope_with(&token, |s| {
                token.cancel();
                for n in 0..10 {
                    let held = (ledger.token(), (n == 5).then_some(Panics));
                    s.spawn(move || drop(held));
                }
            })
        };
        assert_eq!(caught(|| caller.run(&pool, scope)), 3);
        ledger.assert_balanced("after a panic");
        let token = CancelToken::new();
        let joined = token.run(|| {
            let panics = Panics;
            let task = pool.spawn(move || drop(panics));
            let queued = pool.spawn({
                let held = ledger.token();
                move || drop(held)
            });
            token.cancel();
            drop(queued);
            task.join().is_err()
        });
        requested(joined);
        drop(pool);
        ledger.assert_balanced("tasks of the pool");
    }
}

#[test]
fn a_panic_comes_before_a_cancellation() {
    for (caller, pool) in settings() {
        let token = CancelToken::new();
        let cancel_and_loop = || {
            token.cancel();
            (0..100).into_par_iter().for_each(drop);
        };
        let scope = || {
            filch::scope_with(&token, |s| {
                s.spawn(|| {
                    token.cancel();
                    boom(1);
                });
                filch::join(|| (), || ());
            })
        };
        assert_eq!(caught(|| caller.run(&pool, scope)), 1);
        let token = CancelToken::new();
        let join = || token.run(|| filch::join(cancel_and_loop, || boom(2)));
        assert_eq!(caught(|| caller.run(&pool, join)), 2);
    }
}

#[test]
fn a_panic_of_a_member_comes_before_a_cancellation() {
    let _watchdog = watchdog();
    struct Unwinds<'a>(&'a Flag);
    impl Drop for Unwinds<'_> {
        fn drop(&mut self) {
            self.0.raise();
        }
    }
    let pool = pool(2);
    let (token, unwinds) = (CancelToken::new(), Flag::new());
    let gang = || {
        pool.gang(2, |member| {
            if member.index() == 0 {
                let _unwinds = Unwinds(&unwinds);
                token.cancel();
                (0..100).into_par_iter().for_each(drop);
                unreachable!("the loop unwinds");
            }
            unwinds.hold();
            // Meanwhile the other member ends.
            rest(Duration::from_millis(20));
            boom(3)
        })
    };
    assert_eq!(caught(|| token.run(gang)), 3);
}

#[test]
fn a_scope_in_a_region_is_stopped_as_a_whole() {
    let _watchdog = watchdog();
    for (caller, pool) in settings() {
        let (ledger, token, after) = (Ledger::new(), CancelToken::new(), AtomicUsize::new(0));
        let result = caller.run(&pool, || {
            token.run(|| {
                filch::scope(|s| {
                    token.cancel();
                    let held = ledger.token();
                    s.spawn(move || drop(held));
                    ledger.token()
                });
                after.fetch_add(1, SeqCst)
            })
        });
        requested(result);
        assert_eq!(after.into_inner(), 0);
        ledger.assert_balanced("a scope's result");
    }
}

#[test]
fn a_task_of_a_scope_has_the_scopes_token_wherever_it_is_spawned() {
    let _watchdog = watchdog();
    let pool = pool(2);
    let [outer, inner] = [CancelToken::new(), CancelToken::new()];
    let ran = AtomicUsize::new(0);
    let result = pool.scope_with(&outer, |s| {
        let ran = &ran;
        let in_inner = inner.run(|| {
            inner.cancel();
            s.spawn(|| ran.fetch_add(1, SeqCst));
        });
        requested(in_inner);
        filch::is_cancelled()
    });
    assert_eq!((result, ran.into_inner()), (Ok(false), 1));
    let in_outer = pool.scope_with(&outer, |_| {
        inner.run(|| ()).unwrap_err();
        outer.cancel();
        CancelToken::new().run(filch::check_cancelled)
    });
    requested(in_outer);
}

// ---- Loops ----

#[test]
fn a_loop_is_stopped_and_leaves_nothing_behind() {
    let _watchdog = watchdog();
    for (caller, pool) in settings() {
        for at in [0, 1, 63, 64, 65, 1000, 9_999] {
            let (ledger, token, done) = (Ledger::new(), CancelToken::new(), AtomicUsize::new(0));
            let items: Vec<_> = (0..sized(10_000, 200)).map(|n| (n, ledger.token())).collect();
            let stops = items.len() > at;
            let all: Result<Vec<_>, _> = caller.run(&pool, || {
                token.run(|| {
                    let step = |(n, held)| {
                        done.fetch_add(1, SeqCst);
                        if n == at {
                            token.cancel();
                        }
                        (n, held)
                    };
                    items.into_par_iter().map(step).collect()
                })
            });
            assert_eq!(all.is_err(), stops);
            drop(all);
            ledger.assert_balanced(at);
        }
    }
}

/// Each worker may finish a block of at most 64 items.
#[test]
fn a_loop_stops_soon() {
    let _watchdog = watchdog();
    for (caller, pool) in settings() {
        let (token, done) = (CancelToken::new(), AtomicUsize::new(0));
        let result = caller.run(&pool, || {
            token.run(|| {
                (0..1_000_000).into_par_iter().for_each(|_| {
                    if done.fetch_add(1, SeqCst) == 1_000 {
                        token.cancel();
                    }
                });
            })
        });
        requested(result);
        assert!(done.into_inner() <= 1_001 + 64 * pool.current_num_threads());
    }
}

#[test]
fn every_kind_of_loop_is_stopped() {
    let _watchdog = watchdog();
    let pool = pool(2);
    let len = sized(100_000, 500);
    type Run<'r> = Box<dyn Fn(&(dyn Fn(usize) -> usize + Sync)) + Sync + 'r>;
    let loops: Vec<(&str, Run<'_>)> = vec![
        ("indexed", Box::new(|f| (0..len).into_par_iter().for_each(|n| unused(f(n))))),
        (
            "sum",
            Box::new(|f| unused((0..len).into_par_iter().map(f).map(|n| n as u64).sum::<u64>())),
        ),
        ("collect", Box::new(|f| unused((0..len).into_par_iter().map(f).collect::<Vec<_>>()))),
        ("filter", Box::new(|f| unused((0..len).into_par_iter().filter(|&n| f(n) > 0).count()))),
        ("bridge", Box::new(|f| (0..len).par_bridge().for_each(|n| unused(f(n))))),
        (
            "flat",
            Box::new(|f| {
                let inner = |n| (0..10).into_par_iter().map(move |k| f(10 * n + k));
                unused((0..len / 10).into_par_iter().flat_map(inner).max());
            }),
        ),
        (
            "nested",
            Box::new(|f| {
                (0..len / 10).into_par_iter().for_each(|n| {
                    (0..10).into_par_iter().for_each(|k| unused(f(10 * n + k)));
                });
            }),
        ),
        (
            "fold",
            Box::new(|f| {
                drop(
                    (0..len)
                        .into_par_iter()
                        .fold(Vec::new, |mut all, n| {
                            all.push(f(n));
                            all
                        })
                        .reduce(Vec::new, |_, right| right),
                );
            }),
        ),
        ("find", Box::new(|f| unused((0..len).into_par_iter().find_any(|&n| f(n) > len)))),
    ];
    for (what, run) in &loops {
        let (token, done) = (CancelToken::new(), AtomicUsize::new(0));
        let count = |n: usize| {
            if done.fetch_add(1, SeqCst) == 5 {
                token.cancel();
            }
            n
        };
        let result = pool.install(|| token.run(|| run(&count)));
        assert!(result.is_err(), "{what}");
        assert!(done.into_inner() < len, "{what} is not stopped");
        // Without a region, the loop runs to its end.
        pool.install(|| run(&|n| n));
    }
}

/// Otherwise, the test would not end.
#[test]
fn a_loop_is_stopped_however_long_its_pieces_are() {
    let _watchdog = watchdog();
    for (caller, pool) in settings() {
        for (min, max) in [(usize::MAX >> 8, usize::MAX), (usize::MAX, usize::MAX), (1, 1)] {
            let token = CancelToken::new();
            requested(caller.run(&pool, || {
                token.run(|| {
                    let items = (0..usize::MAX).into_par_iter().with_min_len(min);
                    items.with_max_len(max).for_each(|n| {
                        if n % 1000 == 999 {
                            token.cancel()
                        }
                    });
                })
            }));
        }
    }
}

/// This holds however many items have been made.
#[test]
fn a_consumer_gets_no_more_items_once_its_loop_is_stopped() {
    let _watchdog = watchdog();
    for (caller, pool) in settings() {
        let (token, done) = (CancelToken::new(), AtomicUsize::new(0));
        requested(caller.run(&pool, || {
            token.run(|| {
                (0..1_000_000_usize).into_par_iter().for_each_ordered(usize::MAX, |_| {
                    if done.fetch_add(1, SeqCst) == 10_000 {
                        token.cancel();
                    }
                });
            })
        }));
        assert_eq!(done.into_inner(), 10_001);
    }
}

#[test]
fn a_sort_runs_to_its_end() {
    let _watchdog = watchdog();
    let len = sized(200_000, 40_000);
    for (caller, pool) in settings() {
        // The second step makes an input that is neither ascending nor descending.
        for step in [1, 7] {
            for sort in [<[usize]>::par_sort, <[usize]>::par_sort_unstable] {
                let mut v: Vec<_> = (0..len).rev().map(|n| n * step % len).collect();
                let token = CancelToken::new();
                requested(caller.run(&pool, || {
                    token.run(|| {
                        token.cancel();
                        sort(&mut v);
                    })
                }));
                assert!(v.is_sorted());
            }
        }
    }
}

#[test]
fn a_destructor_may_loop_while_a_stop_unwinds() {
    struct Loops<'a>(&'a AtomicUsize);
    impl Drop for Loops<'_> {
        fn drop(&mut self) {
            let sum: usize = (0..1_000_usize).into_par_iter().map(|n| n % 2).sum();
            self.0.fetch_add(sum, SeqCst);
            filch::scope(|s| {
                s.spawn(|| {
                    (0..500_usize).into_par_iter().for_each(|_| unused(self.0.fetch_add(1, SeqCst)))
                });
            });
        }
    }
    let _watchdog = watchdog();
    for (caller, pool) in settings() {
        let (token, sum) = (CancelToken::new(), AtomicUsize::new(0));
        let result = caller.run(&pool, || {
            token.run(|| {
                let _loops = [Loops(&sum), Loops(&sum)];
                token.cancel();
                (0..10).into_par_iter().for_each(drop);
            })
        });
        requested(result);
        assert_eq!(sum.into_inner(), 2_000);
    }
}

// ---- Tasks of the pool ----

#[test]
fn tasks_of_the_pool_inherit_the_token() {
    let _watchdog = watchdog();
    for (caller, pool) in settings() {
        let (ledger, token) = (Ledger::new(), CancelToken::new());
        let gate = token.child();
        let (handle, late) = caller.run(&pool, || {
            gate.run(|| {
                let late = pool.spawn(|| {
                    while !filch::is_cancelled() {
                        rest(Duration::from_micros(100));
                        filch::yield_now();
                    }
                    let held = ledger.token();
                    let inner = filch::spawn(move || drop(held));
                    inner.join().map_err(|error| error.reason())
                });
                let stopped = pool.spawn(|| {
                    while !filch::is_cancelled() {
                        rest(Duration::from_micros(100));
                        filch::yield_now();
                    }
                    (0..10).into_par_iter().for_each(drop);
                });
                (stopped, late)
            })
            .unwrap()
        });
        token.cancel();
        // A task that is still queued when the region is cancelled is dropped.
        let late = late.join().unwrap_or(Err(Some(CancelReason::Requested)));
        assert_eq!(late, Err(Some(CancelReason::Requested)));
        assert!(handle.join().unwrap_err().is_cancelled());
        drop(pool);
        ledger.assert_balanced("a task of a task");
    }
}

#[test]
fn a_task_has_its_token_after_its_entry_was_taken() {
    let _watchdog = watchdog();
    if is_simulated_without("threads that block each other") {
        return;
    }
    let builder = filch::ThreadPoolBuilder::new().num_threads(2);
    let pool = builder.wait_policy(WaitPolicy::OwnDescendants).build().unwrap();
    let [begun, goes_on, before, after] = [(); 4].map(|()| Arc::new(Flag::new()));
    let (token, junk) = (CancelToken::new(), Arc::new(Mutex::new(Vec::new())));
    // Uses the freed memory again.
    let litter = |flag: &Arc<Flag>| {
        let (flag, junk) = (flag.clone(), junk.clone());
        drop(filch::spawn(move || {
            junk.lock().unwrap().extend((0..64).map(|_| Box::new([0_usize; 5])));
            flag.raise();
        }));
    };
    let has_token = pool.install(|| {
        let (begins, holds) = (begun.clone(), goes_on.clone());
        drop(filch::spawn(move || {
            begins.raise();
            holds.hold();
        }));
        begun.hold();
        litter(&before);
        let taken = [before.clone(), after.clone()];
        // Only the task itself has its context, and no frame.
        let task = filch::task().token(&token).spawn(move || {
            goes_on.raise();
            taken.iter().for_each(|flag| flag.hold());
            CancelToken::current().is_some()
        });
        litter(&after);
        // This worker runs the task. The other worker takes the task's entry from the queue between
        // two other tasks.
        task.join().unwrap()
    });
    assert!(has_token);
    assert_eq!(junk.lock().unwrap().len(), 128);
}

#[test]
fn the_panic_handler_does_not_see_cancelled_tasks() {
    let seen: &'static AtomicUsize = Box::leak(Box::default());
    let pool = common::builder()
        .num_threads(1)
        .panic_handler(|_| unused(seen.fetch_add(1, SeqCst)))
        .build()
        .unwrap();
    let (token, ran) = (CancelToken::new(), Ledger::new());
    let own = token.clone();
    token
        .run(|| {
            let held = ran.token();
            drop(pool.spawn(move || {
                let _held = held;
                own.cancel();
                (0..1000).into_par_iter().for_each(drop);
            }));
        })
        .unwrap_or_default();
    drop(pool);
    ran.assert_balanced("a detached task");
    assert_eq!(seen.load(SeqCst), 0);
}

#[test]
fn a_set_drops_tasks_that_were_spawned_under_a_cancelled_token() {
    let _watchdog = watchdog();
    let pool = pool(2);
    let (ledger, token) = (Ledger::new(), CancelToken::new());
    let mut set = TaskSet::new_in(&pool);
    let spawned = token.run(|| {
        for _ in 0..50 {
            let held = ledger.token();
            set.spawn(move || drop(held));
        }
        token.cancel();
    });
    requested(spawned);
    set.spawn(|| ());
    let mut ended = 0;
    while let Some(result) = set.join_next() {
        assert!(result.is_ok_and(|()| true) || token.is_cancelled());
        ended += 1;
    }
    assert_eq!(ended, 51);
    ledger.assert_balanced("a set");
}

#[test]
fn graphs_and_pipelines_report_that_they_were_cancelled() {
    let _watchdog = watchdog();
    let pool = pool(2);
    let token = CancelToken::new();
    pool.install(|| {
        let reported = token.child().run(|| {
            let mut graph = Graph::new();
            let first = graph.task((), |()| CancelToken::current().unwrap().cancel());
            let second = graph.task((), |()| ()).after(&first);
            let report = graph.run().unwrap();
            assert_eq!(report.outcome(&first), Some(Outcome::Ran));
            assert_eq!(report.outcome(&second), Some(Outcome::Skipped));
            assert!(report.success().unwrap_err().is_cancelled());
        });
        requested(reported);
        let reported = token.child().run(|| {
            let mut graph = Graph::new();
            let looping = graph.task((), |()| {
                CancelToken::current().unwrap().cancel();
                (0..10).into_par_iter().for_each(drop);
            });
            assert_eq!(graph.run().unwrap().outcome(&looping), Some(Outcome::Skipped));
        });
        requested(reported);
        for loops in [false, true] {
            let ledger = Ledger::new();
            let stopped = token.child().run(|| {
                let items = (0..100).map(|n| (n, ledger.token()));
                let stage = |(n, held)| {
                    if n == 5 {
                        CancelToken::current().unwrap().cancel();
                        if loops {
                            (0..10).into_par_iter().for_each(drop);
                        }
                    }
                    held
                };
                let run = filch::pipeline(items).parallel(stage).serial_in_order(drop).run();
                assert!(run.unwrap_err().is_cancelled());
            });
            requested(stopped);
            ledger.assert_balanced("a pipeline");
        }
        let gang = token.child().run(|| {
            CancelToken::current().unwrap().cancel();
            assert_eq!(filch::broadcast(|_| filch::is_cancelled()), [true, true]);
        });
        requested(gang);
    });
}

#[cfg(feature = "futures")]
#[test]
fn a_future_is_dropped_at_its_next_poll() {
    let _watchdog = watchdog();
    let pool = pool(2);
    let (ledger, token) = (Ledger::new(), CancelToken::new());
    let asleep = Arc::new(Mutex::new(None::<Waker>));
    let future = token
        .run(|| {
            let (held, asleep) = (ledger.token(), asleep.clone());
            pool.spawn_future(std::future::poll_fn(move |context| {
                let _ = &held;
                let before = asleep.lock().unwrap().replace(context.waker().clone());
                assert!(before.is_none(), "the future was polled after it had been cancelled");
                Poll::<()>::Pending
            }))
        })
        .unwrap();
    let waker = loop {
        if let Some(waker) = asleep.lock().unwrap().clone() {
            break waker;
        }
        rest(Duration::from_micros(100));
    };
    token.cancel();
    waker.wake();
    assert!(future.join().unwrap_err().is_cancelled());
    drop(pool);
    ledger.assert_balanced("a future");
}

#[test]
fn a_region_spans_pools() {
    let _watchdog = watchdog();
    if is_simulated_without(common::CALLERS) {
        return;
    }
    let (one, other) = (pool(1), pool(2));
    let token = CancelToken::new();
    let result = one.install(|| {
        token.run(|| {
            other.install(|| {
                assert!(CancelToken::current().is_some());
                token.cancel();
                assert!(filch::is_cancelled());
                one.scope(|s| drop(s.spawn(|| unreachable!("it is cancelled"))));
            })
        })
    });
    requested(result);
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        CancelToken::new().run(|| {
            CancelToken::current().unwrap().cancel();
            one.install(|| (0..10).into_par_iter().for_each(drop));
        })
    }));
    requested(unwound.unwrap());
    assert!(CancelToken::current().is_none());
    Caller::Worker.run(&one, || assert!(CancelToken::current().is_none()));
}
