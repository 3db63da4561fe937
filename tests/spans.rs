//! Tasks run in the span in which they were spawned (feature `tracing`).

mod common;

use std::cell::Cell;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Once};
use std::thread;

use common::{Flag, Gate, boom, builder, eventually, watchdog};
use filch::{ThreadPool, ThreadPoolBuilder};
use tracing::span::Id;
use tracing::{Span, Subscriber, info_span};
use tracing_subscriber::Registry;
use tracing_subscriber::layer::{Context, Identity, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

/// Installs the subscriber of the process.
fn subscribe() {
    static ONCE: Once = Once::new();
    // Without a layer, a registry removes no spans.
    let registry = || Registry::default().with(Identity::new());
    ONCE.call_once(|| tracing::subscriber::set_global_default(registry()).unwrap());
}

/// The names of the spans of the calling thread, innermost first.
fn spans() -> Vec<&'static str> {
    let scope = Span::current().with_subscriber(|(id, dispatch)| {
        let registry = dispatch.downcast_ref::<Registry>().unwrap();
        registry.span(id).unwrap().scope().map(|span| span.name()).collect()
    });
    scope.unwrap_or_default()
}

fn pool(threads: usize) -> ThreadPool {
    subscribe();
    builder().num_threads(threads).build().unwrap()
}

#[test]
fn a_task_is_in_the_spans_in_which_it_was_spawned() {
    let _watchdog = watchdog();
    let pool = pool(2);
    let spawn = || pool.spawn(|| (spans(), thread::current().id()));
    assert_eq!(spawn().join().unwrap().0, [""; 0]);
    let task = info_span!("outer").in_scope(|| info_span!("inner").in_scope(spawn));
    let (seen, by) = task.join().unwrap();
    assert_eq!(seen, ["inner", "outer"]);
    assert!(by != thread::current().id());
    // The thread has left the spans.
    assert_eq!(spawn().join().unwrap().0, [""; 0]);
    assert_eq!(spans(), [""; 0]);
}

#[test]
fn tasks_inherit_the_spans_of_tasks() {
    let _watchdog = watchdog();
    let pool = pool(3);
    let own = |name: &'static str| info_span!("own", name).in_scope(spans);
    let seen = info_span!("request").in_scope(|| {
        let task = pool.spawn(move || {
            let inherited = filch::spawn(spans).join().unwrap();
            let nested = info_span!("step").in_scope(|| filch::spawn(spans));
            let scoped = info_span!("scope")
                .in_scope(|| filch::scope(|s| s.spawn(move || own("a")).join().unwrap()));
            let fork = filch::join(spans, spans);
            (inherited, nested.join().unwrap(), scoped, fork, spans())
        });
        task.join().unwrap()
    });
    let (inherited, nested, scoped, fork, after) = seen;
    assert_eq!(inherited, ["request"]);
    assert_eq!(nested, ["step", "request"]);
    assert_eq!(scoped, ["own", "scope", "request"]);
    assert_eq!(fork, (vec!["request"], vec!["request"]));
    assert_eq!(after, ["request"]);
}

#[test]
fn a_stolen_fork_and_a_part_of_a_broadcast_are_in_the_spans_of_the_caller() {
    let _watchdog = watchdog();
    let pool = pool(3);
    let seen = Mutex::new(Vec::new());
    let note = || seen.lock().unwrap().push((thread::current().id(), spans()));
    info_span!("load").in_scope(|| {
        pool.install(|| {
            // Both sides must run at once, so one of them is stolen.
            let both = [Flag::new(), Flag::new()];
            let side = |own: usize| {
                note();
                both[own].raise();
                both[1 - own].hold();
            };
            filch::join(|| side(0), || side(1));
        });
        pool.broadcast(|_| note());
        pool.join(note, note);
    });
    let seen = seen.into_inner().unwrap();
    assert_eq!(seen.len(), 7);
    assert!(seen.iter().all(|(_, spans)| *spans == ["load"]), "{seen:?}");
    assert!(seen[0].0 != seen[1].0, "no side was stolen");
}

#[test]
fn a_worker_that_waits_leaves_its_spans_for_other_work() {
    let _watchdog = watchdog();
    let pool = pool(2);
    let (gate, begun) = (Gate::new(), Flag::new());
    thread::scope(|plain| {
        let (pool, gate, begun) = (&pool, &gate, &begun);
        let waits = plain.spawn(move || {
            info_span!("waits").in_scope(|| {
                pool.install(|| {
                    let guard = info_span!("own").entered();
                    let second = || {
                        begun.raise();
                        gate.wait();
                        spans()
                    };
                    let (_, second) = filch::join(|| begun.hold(), second);
                    let first = spans();
                    drop(guard);
                    (first, second, spans())
                })
            })
        });
        begun.hold();
        // Both workers are in the join: one runs a side that does not end, and the other one waits
        // for it.
        let other = info_span!("other").in_scope(|| pool.spawn(spans));
        assert_eq!(other.join().unwrap(), ["other"]);
        assert_eq!(pool.spawn(spans).join().unwrap(), [""; 0]);
        gate.open();
        let (first, second, after) = waits.join().unwrap();
        assert_eq!((first, after), (vec!["own", "waits"], vec!["waits"]));
        // A fork has the span of its task.
        assert_eq!(second, ["waits"]);
    });
}

#[test]
fn a_task_that_its_joiner_runs_is_in_its_own_spans() {
    let _watchdog = watchdog();
    let pool = pool(1);
    let seen = pool.install(|| {
        let tasks = [filch::spawn(spans), info_span!("own").in_scope(|| filch::spawn(spans))];
        info_span!("joiner").in_scope(|| {
            let seen = tasks.map(|task| task.join().unwrap());
            (seen, spans())
        })
    });
    assert_eq!(seen, ([vec![], vec!["own"]], vec!["joiner"]));
}

#[test]
fn a_span_is_left_after_a_panic_and_closed_with_the_last_task() {
    let _watchdog = watchdog();
    let pool = pool(1);
    let span = info_span!("short");
    let id = span.id().unwrap();
    let is_open = || {
        let find = |dispatch: &tracing::Dispatch| {
            dispatch.downcast_ref::<Registry>().unwrap().span(&id).is_some()
        };
        tracing::dispatcher::get_default(find)
    };
    let failed = span.in_scope(|| pool.spawn(|| boom(1)));
    assert!(failed.join().is_err());
    drop(span.in_scope(|| pool.spawn(|| boom(2))));
    let cancelled = span.in_scope(|| pool.spawn(|| ()));
    drop(span);
    let _ = cancelled.cancel();
    drop(cancelled);
    assert_eq!(pool.spawn(spans).join().unwrap(), [""; 0]);
    eventually("the span is closed", || !is_open());
}

/// Panics in one of its calls.
struct Bombs;

/// How many calls are left until the one that panics.
static CALLS_LEFT: AtomicUsize = AtomicUsize::new(usize::MAX);

fn count_down() {
    if CALLS_LEFT.fetch_sub(1, Ordering::Relaxed) == 0 {
        resume_unwind(Box::new(()));
    }
}

impl<S: Subscriber> Layer<S> for Bombs {
    fn on_enter(&self, _: &Id, _: Context<'_, S>) {
        count_down();
    }

    fn on_exit(&self, _: &Id, _: Context<'_, S>) {
        count_down();
    }

    fn on_close(&self, _: Id, _: Context<'_, S>) {
        count_down();
    }
}

#[test]
fn a_subscriber_may_panic() {
    let works = |pool: &ThreadPool| {
        let (a, b) = pool.join(|| pool.spawn(|| 1).join().unwrap(), || 2);
        let sum = pool.scope(|s| {
            drop(s.spawn(|| ()));
            s.spawn_broadcast(|_| ());
            s.spawn(|| filch::spawn(|| 3).join().unwrap()).join().unwrap()
        });
        assert_eq!((a, b, sum), (1, 2, 3));
    };
    common::alone("a_subscriber_may_panic", || {
        tracing::subscriber::set_global_default(Registry::default().with(Bombs)).unwrap();
        for threads in [1, 2] {
            let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            for at in 0..60 {
                info_span!("outer").in_scope(|| {
                    CALLS_LEFT.store(at, Ordering::Relaxed);
                    works(&pool);
                    CALLS_LEFT.store(usize::MAX, Ordering::Relaxed);
                });
            }
        }
    });
}

/// Broadcasts whenever a worker leaves a span.
struct Broadcasts;

thread_local! { static IS_CALLED: Cell<bool> = const { Cell::new(false) }; }

impl<S: Subscriber> Layer<S> for Broadcasts {
    fn on_exit(&self, _: &Id, _: Context<'_, S>) {
        if filch::current_thread_index().is_some() && !IS_CALLED.replace(true) {
            filch::broadcast(|_| ());
            IS_CALLED.set(false);
        }
    }
}

#[test]
fn a_subscriber_may_broadcast_while_a_gang_gathers() {
    common::alone("a_subscriber_may_broadcast_while_a_gang_gathers", || {
        let _watchdog = watchdog();
        tracing::subscriber::set_global_default(Registry::default().with(Broadcasts)).unwrap();
        let pool = builder().num_threads(2).build().unwrap();
        let (completer, handle) = filch::completer();
        let begun = Arc::new(Flag::new());
        let theirs = begun.clone();
        pool.install(|| {
            // The other worker waits in a span, and leaves that for its member.
            drop(filch::spawn(move || {
                info_span!("waits").in_scope(|| {
                    theirs.raise();
                    handle.join().unwrap();
                });
            }));
            begun.hold();
            filch::gang(2, |member| member.barrier()).unwrap();
            completer.complete(());
        });
    });
}

#[test]
fn a_pool_without_a_subscriber_has_no_spans() {
    // In a separate process, since a subscriber is for the whole process.
    common::alone("a_pool_without_a_subscriber_has_no_spans", || {
        let pool = ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        let span = info_span!("nowhere");
        assert!(span.in_scope(|| pool.spawn(spans)).join().unwrap().is_empty());
    });
}
