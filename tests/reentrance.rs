//! Every user closure that the library calls may call every function of the library. These tests
//! try all places where a closure is called with all entries, in pools of several kinds.

mod common;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::Duration;

use common::{boom, builder, is_simulated, one_a_seed, say, watchdog};
use filch::graph::{Graph, Outcome, write};
use filch::iter::plumbing::{Consumer, ProducerCallback, UnindexedConsumer};
use filch::iter::plumbing::{Folder, Producer, UnindexedProducer, bridge, bridge_unindexed};
use filch::prelude::*;
use filch::{
    CancelToken, TaskOrder, TaskSet, ThreadBuilder, ThreadPool, ThreadPoolBuilder, WaitPolicy,
};

// ---- The entries ----

fn fib(n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let (a, b) = filch::join(|| fib(n - 1), || fib(n - 2));
    a + b
}

fn numbers() -> Vec<u64> {
    (0..300).map(|n| n * 7919 % 311).collect()
}

fn plain(threads: usize) -> ThreadPool {
    ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
}

/// Calls that can be made from anywhere, each with a check of the result.
const ENTRIES: &[(&str, fn())] = &[
    ("join", || assert_eq!(fib(8), 21)),
    ("join_context", || {
        assert_eq!(filch::join_context(|_| 1, |_| fib(3)), (1, 2));
    }),
    ("scope", || {
        let mut values = [0; 8];
        filch::scope(|s| {
            values.iter_mut().for_each(|value| drop(s.spawn(move || *value = fib(4))));
        });
        assert_eq!(values, [3; 8]);
    }),
    ("in_place_scope", || {
        assert_eq!(filch::in_place_scope(|s| s.spawn(|| fib(5)).join().unwrap()), 5);
    }),
    ("spawn_fifo and spawn_broadcast of a scope", || {
        let calls = AtomicUsize::new(0);
        filch::scope(|s| {
            s.spawn_fifo(|| _ = calls.fetch_add(1, Ordering::Relaxed));
            s.spawn_broadcast(|_| _ = calls.fetch_add(1, Ordering::Relaxed));
        });
        assert_eq!(calls.into_inner(), 1 + filch::current_num_threads());
    }),
    ("spawn, joined", || assert_eq!(filch::spawn(|| fib(6)).join().unwrap(), 8)),
    ("spawn, detached", || {
        drop(filch::spawn(|| fib(6)));
        filch::spawn_fifo(|| assert_eq!(fib(3), 2));
        filch::spawn_broadcast(|_| ());
    }),
    ("spawn, panicking", || {
        let result = filch::spawn(|| boom(7)).join();
        assert_eq!(common::failed_with(result), 7);
    }),
    ("broadcast", || {
        let workers = filch::broadcast(|worker| worker.index());
        assert!(workers.into_iter().eq(0..filch::current_num_threads()));
    }),
    ("blocking", || {
        assert_eq!(filch::blocking(|| fib(6)), 8);
        assert_eq!(filch::blocking(|| filch::spawn(|| fib(5)).join().unwrap()), 5);
    }),
    ("try_spawn, and a pool that is shut down", || {
        assert_eq!(filch::try_spawn(|| fib(6)).unwrap().join().unwrap(), 8);
        let pool = ThreadPoolBuilder::new().num_threads(1).max_queued(1).build().unwrap();
        (0..3).for_each(|_| drop(pool.spawn(|| fib(3))));
        assert!(pool.shutdown_now() <= 3);
    }),
    ("yields", || {
        filch::yield_now();
        filch::yield_local();
    }),
    ("questions", || {
        let index = filch::current_thread_index();
        assert!(index.is_none_or(|index| index < filch::current_num_threads()));
        // Other tests may have locked the list of pools.
        let dump = filch::dump().to_string();
        assert!(["a pool of", "try again"].iter().any(|text| dump.contains(text)), "{dump}");
        assert!(!filch::counters().workers.is_empty());
        let _ = filch::current_thread_has_pending_tasks();
        filch::schedule_point();
    }),
    ("another pool", || {
        let pool = plain(2);
        assert_eq!(pool.install(|| fib(7)), 13);
        assert_eq!(pool.join(|| fib(2), || fib(3)), (1, 2));
        assert_eq!(pool.broadcast(|_| 1).len(), 2);
    }),
    ("another pool, in the background", || {
        let pool = plain(1);
        drop(pool.spawn(|| fib(7)));
        pool.shutdown_background();
    }),
    ("a pool of this thread", || {
        let is_worker = filch::current_thread_index().is_some();
        let built = ThreadPoolBuilder::new().num_threads(2).use_current_thread().build();
        match built {
            Ok(pool) => assert_eq!((pool.install(|| fib(7)), is_worker), (13, false)),
            Err(error) => assert!(is_worker || error.to_string().contains("is ending"), "{error}"),
        }
    }),
    ("a pool of scoped threads", || {
        let pool = ThreadPoolBuilder::new().num_threads(2);
        let sum = pool.build_scoped(ThreadBuilder::run, |pool| pool.install(|| fib(9)));
        assert_eq!(sum.unwrap(), 34);
    }),
    ("a pool that is refused", || {
        let pool = ThreadPoolBuilder::new().num_threads(2).spawn_handler(|_| Ok(()));
        assert!(pool.build().is_err());
    }),
    ("loops", || {
        assert_eq!((0..100u64).into_par_iter().map(|n| n * n).sum::<u64>(), 328_350);
        let even: Vec<u64> = numbers().into_par_iter().filter(|n| n % 2 == 0).collect();
        assert_eq!(even.len(), 151);
        assert_eq!((0..50).par_bridge().map(|n| n + 1).max(), Some(50));
    }),
    ("a loop that is cancelled", || {
        let token = CancelToken::new();
        token.cancel();
        let count = (0..100).into_par_iter().cancel_with(&token, |items| items.count());
        assert!(count.is_err());
    }),
    ("a loop in order", || {
        let mut all = Vec::new();
        (0..100).into_par_iter().for_each_ordered(5, |n| all.push(n));
        assert!(all.into_iter().eq(0..100));
    }),
    ("a loop that is limited", || {
        assert_eq!((0..100u64).into_par_iter().num_threads(2).sum::<u64>(), 4950);
    }),
    ("sorts", || {
        let (mut stable, mut unstable) = (numbers(), numbers());
        stable.par_sort();
        unstable.par_sort_unstable_by(|a, b| a.cmp(b));
        assert_eq!(stable, unstable);
    }),
    ("a graph", || {
        let mut graph = Graph::new();
        let cell = graph.cell(0);
        let parts = [1, 2, 3].map(|n| graph.task((), move |()| fib(n)));
        graph.task((write(&cell), &parts[2]), |(cell, n)| *cell += n);
        let sum = graph.task(parts.each_ref(), |parts| parts.into_iter().sum::<u64>());
        graph.run().unwrap().success().unwrap();
        assert_eq!((graph.result(&sum), graph.get(&cell)), (Some(&4), &2));
    }),
    ("a graph, panicking", || {
        let mut graph = Graph::new();
        let two = graph.task((), |()| fib(3));
        graph.task((), |()| boom(3));
        let report = graph.run().unwrap();
        assert_eq!(report.count(Outcome::Failed), 1);
        assert_eq!(graph.result(&two), Some(&2));
    }),
    ("a pipeline", || {
        let mut all = Vec::new();
        let stream = filch::pipeline(0..20).parallel(|n| n + fib(3)).serial(|n| n * 2);
        stream.serial_in_order(|n| all.push(n)).run().unwrap();
        assert!(all.into_iter().eq((2..22).map(|n| n * 2)));
    }),
    ("a gang", || {
        let all = filch::current_num_threads();
        let sums = filch::gang(all, |member| {
            member.barrier();
            let (one, root) = (fib(member.size() as u64), all - 1);
            member.reduce(one, |a, b| a + b) + member.broadcast(root, || 1)
        });
        match sums {
            Ok(sums) => assert_eq!(sums, vec![all as u64 * fib(all as u64) + 1; all]),
            // The pool has fewer threads than workers.
            Err(error) => assert!(all > 1, "{error}"),
        }
    }),
    ("a task set", || {
        let mut set = TaskSet::new().max_running(1);
        (1..6).for_each(|n| set.spawn(move || fib(n)));
        let mut sum = 0;
        while let Some(result) = set.join_next() {
            sum += result.unwrap();
        }
        assert_eq!(sum, 12);
        set.spawn(|| fib(5));
        set.detach_all();
        set.spawn(|| fib(5));
    }),
    ("completers", || {
        let (completer, handle) = filch::completer();
        completer.complete(fib(5));
        assert_eq!(handle.join().unwrap(), 5);
        drop(filch::completer::<u64>());
    }),
    ("handles", || {
        let task = filch::spawn(|| fib(5));
        let result = task.join_timeout(Duration::from_micros(100));
        assert_eq!(result.unwrap_or_else(filch::JoinHandle::join).unwrap(), 5);
        drop(filch::spawn(|| fib(5)).cancel_on_drop());
        let task = filch::spawn(|| fib(5));
        assert!(task.cancel() || task.join().unwrap() == 5);
    }),
    #[cfg(feature = "futures")]
    ("futures", || {
        let (completer, handle) = filch::completer();
        let awaits = filch::spawn_future(async { handle.await.unwrap() });
        completer.complete(6);
        // Not awaited: with `OwnDescendants`, all workers may wait for another one to poll it.
        drop(awaits);
        let block_on = || filch::block_on(async { fib(4) });
        assert_eq!(filch::spawn(block_on).join().unwrap(), 3);
        drop(filch::spawn_future(std::future::pending::<()>()));
        filch::spawn_future(std::future::pending::<()>()).cancel();
    }),
    #[cfg(feature = "deterministic")]
    ("a deterministic pool", || {
        match ThreadPoolBuilder::new().num_threads(2).deterministic(3).build() {
            Ok(pool) => assert_eq!(pool.install(|| fib(7)), 13),
            Err(error) => assert!(error.to_string().contains("is ending"), "{error}"),
        }
    }),
];

// ---- The pools ----

/// The settings of a pool.
#[derive(Clone, Copy, Debug)]
struct Setting {
    threads: usize,
    policy: WaitPolicy,
    order: TaskOrder,
    lends: bool,
}

impl Setting {
    fn all() -> Vec<Setting> {
        let plain = Setting {
            threads: 1,
            policy: WaitPolicy::AnyWork,
            order: TaskOrder::NewestFirst,
            lends: true,
        };
        one_a_seed([
            plain,
            Setting { threads: 2, ..plain },
            Setting { threads: 3, policy: WaitPolicy::OwnDescendants, ..plain },
            Setting { threads: 2, order: TaskOrder::OldestFirst, lends: false, ..plain },
        ])
    }

    fn builder(self) -> ThreadPoolBuilder {
        let builder = builder().num_threads(self.threads).wait_policy(self.policy);
        builder.task_order(self.order).lend_seats(self.lends)
    }

    fn pool(self) -> ThreadPool {
        self.builder().build().unwrap()
    }
}

/// How often a place calls its entry in one run. Otherwise a pool in which each task or each park
/// leads to another one would never end.
const MOST_CALLS: usize = 6;

/// The entry under test, called where the library calls a user closure.
#[derive(Debug)]
struct Entry {
    name: &'static str,
    call: fn(),
    calls: AtomicUsize,
}

type E = &'static Entry;

impl Entry {
    fn call(&self) {
        if self.calls.fetch_add(1, Ordering::SeqCst) < MOST_CALLS {
            (self.call)();
        }
    }

    /// Returns a value whose drop calls the entry.
    fn token(&'static self) -> Token {
        Token(self)
    }
}

#[derive(Debug)]
struct Token(E);

impl Drop for Token {
    fn drop(&mut self) {
        self.0.call();
    }
}

/// Runs `place` with each entry in each kind of pool, on a thread that then ends. `place` must have
/// called the entry.
fn drive(place: impl Fn(Setting, E) + Sync) {
    let _watchdog = watchdog();
    for setting in Setting::all() {
        for &(name, call) in ENTRIES {
            // Reachable for leak checkers, and alive in the destructors of thread-locals.
            static ALL: Mutex<Vec<E>> = Mutex::new(Vec::new());
            let entry: E = Box::leak(Box::new(Entry { name, call, calls: AtomicUsize::new(0) }));
            ALL.lock().unwrap().push(entry);
            let run = || thread::scope(|s| s.spawn(|| place(setting, entry)).join());
            if let Err(payload) = run() {
                say(&format!("{name} in {setting:?} failed"));
                resume_unwind(payload);
            }
            common::eventually(name, || entry.calls.load(Ordering::SeqCst) > 0);
        }
    }
}

/// Drives `work` on a worker of the pool, and on a thread that is no worker.
fn drive_work(work: impl Fn(E) + Sync) {
    drive(|setting, entry| setting.pool().install(|| work(entry)));
    drive(|setting, entry| setting.pool().join(|| work(entry), || work(entry)).0);
}

// ---- Closures that build and host pools ----

#[test]
fn thread_names() {
    drive(|setting, entry| {
        let named = setting.builder().thread_name(|index| {
            entry.call();
            format!("named-{index}")
        });
        assert_eq!(named.build().unwrap().install(|| fib(5)), 5);
    });
}

#[test]
fn thread_names_and_spawn_handlers_of_pools_of_the_calling_thread() {
    drive(|setting, entry| {
        let pool = ThreadPoolBuilder::new().num_threads(setting.threads).use_current_thread();
        let named = pool.thread_name(move |_| {
            entry.call();
            String::new()
        });
        let built = named.build_with(|worker| {
            entry.call();
            thread::Builder::new().spawn(|| worker.run()).map(drop)
        });
        // If the entry has made the thread a worker of its own pool, this build must fail.
        match built {
            Ok(pool) => assert_eq!(pool.install(|| fib(5)), 5),
            Err(error) => assert!(error.to_string().contains("use_current_thread"), "{error}"),
        }
        assert_eq!(fib(5), 5);
    });
}

#[test]
fn spawn_handlers_and_code_around_a_worker() {
    drive(|setting, entry| {
        let builder = ThreadPoolBuilder::new().num_threads(setting.threads);
        let pool = builder.build_with(|worker| {
            entry.call();
            let around = move || {
                entry.call();
                worker.run();
                entry.call();
            };
            thread::Builder::new().spawn(around).map(drop)
        });
        assert_eq!(pool.unwrap().install(|| fib(5)), 5);
    });
}

#[test]
fn code_around_scoped_workers_and_in_their_pool() {
    drive(|setting, entry| {
        // In this order: an entry may make the thread a worker until it ends.
        for member in [true, false] {
            let builder = ThreadPoolBuilder::new().num_threads(setting.threads);
            let builder = if member { builder.use_current_thread() } else { builder };
            let around = |worker: ThreadBuilder| {
                entry.call();
                worker.run();
            };
            let within = |pool: &ThreadPool| {
                entry.call();
                pool.install(|| fib(5))
            };
            assert_eq!(builder.build_scoped(around, within).unwrap(), 5);
        }
    });
}

#[test]
fn start_and_exit_handlers() {
    drive(|setting, entry| {
        let handlers = setting.builder().start_handler(|_| entry.call());
        let pool = handlers.exit_handler(|_| entry.call()).build().unwrap();
        assert_eq!(pool.install(|| fib(5)), 5);
    });
}

#[test]
fn park_and_unpark_handlers() {
    drive(|setting, entry| {
        let handlers = setting.builder().park_handler(|_| entry.call());
        let pool = handlers.unpark_handler(|_| entry.call()).build().unwrap();
        for _ in 0..3 {
            assert_eq!(pool.install(|| fib(5)), 5);
            common::rest(std::time::Duration::from_millis(1));
        }
        let parked = || entry.calls.load(Ordering::SeqCst) > 0;
        common::eventually("a worker parks", parked);
    });
}

#[test]
fn panic_handlers_and_the_drop_of_payloads() {
    drive(|setting, entry| {
        let pool = setting.builder().panic_handler(|payload| {
            entry.call();
            drop(payload);
        });
        let pool = pool.build().unwrap();
        drop(pool.spawn(|| resume_unwind(Box::new(entry.token()))));
        drop(pool);
        // Without a panic handler.
        let pool = setting.pool();
        drop(pool.spawn(|| resume_unwind(Box::new(entry.token()))));
        pool.spawn_broadcast(|_| resume_unwind(Box::new(entry.token())));
    });
}

#[test]
fn the_drop_of_captures_of_handlers() {
    drive(|setting, entry| {
        for background in [false, true] {
            let tokens = [(); 4].map(|()| entry.token());
            let [start, exit, park, panic] = tokens;
            let pool = setting
                .builder()
                .start_handler(move |_| _ = &start)
                .exit_handler(move |_| _ = &exit)
                .park_handler(move |_| _ = &park)
                .panic_handler(move |_| _ = &panic)
                .build()
                .unwrap();
            assert_eq!(pool.install(|| fib(5)), 5);
            if background {
                pool.shutdown_background();
            }
        }
    });
}

// ---- Closures, captures, results ----

#[test]
fn closures_of_forks_and_tasks() {
    drive_work(|entry| {
        filch::join(|| entry.call(), || entry.call());
        filch::scope(|s| {
            s.spawn(|| entry.call());
            s.spawn_fifo(|| entry.call());
            entry.call();
        });
        filch::broadcast(|_| entry.call());
        filch::spawn(|| entry.call()).join().unwrap();
        filch::spawn_broadcast(|_| entry.call());
    });
}

#[test]
fn the_drop_of_captures_and_results() {
    drive_work(|entry| {
        let captured = entry.token();
        drop(filch::spawn(move || drop(captured)));
        drop(filch::spawn(|| entry.token()));
        let finished = filch::spawn(|| entry.token());
        while !finished.is_finished() {
            filch::yield_now();
        }
        drop(finished);
        filch::scope(|s| {
            drop(s.spawn(|| entry.token()));
            let captured = entry.token();
            s.spawn_broadcast(move |_| _ = &captured);
        });
    });
}

/// Drops of values that the runtime discards after a panic, and drops during unwinding.
#[test]
fn drops_around_panics() {
    drive_work(|entry| {
        let join = || {
            let _unwinding = entry.token();
            filch::join(|| boom(1), || entry.token())
        };
        assert_eq!(common::caught(join), 1);
        let scope = || {
            filch::scope(|s| {
                drop(s.spawn(|| resume_unwind(Box::new(entry.token()))));
                let _unwinding = entry.token();
                drop(s.spawn(|| entry.token()));
                boom(2)
            })
        };
        assert!(catch_unwind(AssertUnwindSafe(scope)).is_err());
    });
}

thread_local! {
    static ENTRY: Cell<Option<E>> = const { Cell::new(None) };
    /// Calls the entry when it is initialized, and when it is dropped.
    static LOCAL: Token = {
        let entry = ENTRY.get().unwrap();
        entry.call();
        entry.token()
    };
    static PLAIN: RefCell<Vec<Token>> = const { RefCell::new(Vec::new()) };
}

fn touch_locals(entry: E) {
    ENTRY.set(Some(entry));
    PLAIN.with_borrow_mut(|tokens| tokens.push(entry.token()));
    LOCAL.with(|_| ());
    let token = entry.token();
    PLAIN.with_borrow_mut(|tokens| tokens.push(token));
}

#[test]
fn thread_locals_of_workers_and_callers() {
    drive_work(|entry| {
        touch_locals(entry);
        filch::broadcast(|_| touch_locals(entry));
    });
}

#[test]
fn thread_locals_of_a_member() {
    drive(|setting, entry| {
        PLAIN.with_borrow_mut(|tokens| tokens.push(entry.token()));
        let pool = ThreadPoolBuilder::new().num_threads(setting.threads).use_current_thread();
        let pool = pool.build().unwrap();
        touch_locals(entry);
        assert_eq!(pool.install(|| fib(5)), 5);
    });
}

#[test]
fn a_pool_in_a_thread_local() {
    thread_local!(static POOL: RefCell<Option<ThreadPool>> = const { RefCell::new(None) });
    drive(|setting, entry| {
        let pool = setting.builder().exit_handler(|_| entry.call()).build().unwrap();
        drop(pool.spawn(move || entry.call()));
        POOL.set(Some(pool));
    });
}

// ---- Loops, slices, sorts ----

/// An element whose every operation calls the entry.
#[derive(Debug)]
struct Item(u64, Token);

impl Item {
    fn new(entry: E, key: u64) -> Item {
        Item(key, entry.token())
    }

    fn entry(&self) -> E {
        self.1.0
    }
}

fn items(entry: E) -> Vec<Item> {
    numbers().into_iter().map(|key| Item::new(entry, key)).collect()
}

impl Clone for Item {
    fn clone(&self) -> Item {
        self.entry().call();
        Item::new(self.entry(), self.0)
    }
}

impl PartialEq for Item {
    fn eq(&self, other: &Item) -> bool {
        self.entry().call();
        self.0 == other.0
    }
}

impl Eq for Item {}

impl PartialOrd for Item {
    fn partial_cmp(&self, other: &Item) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Item {
    fn cmp(&self, other: &Item) -> std::cmp::Ordering {
        self.entry().call();
        self.0.cmp(&other.0)
    }
}

impl Hash for Item {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.entry().call();
        self.0.hash(state);
    }
}

#[test]
fn closures_of_loops() {
    drive_work(|entry| {
        let call = |n: u64| {
            entry.call();
            n
        };
        let sum: u64 = numbers()
            .into_par_iter()
            .with_max_len(20)
            .map(call)
            .filter(|_| call(1) == 1)
            .fold(|| call(0), |a, b| a + b)
            .reduce(|| call(0), |a, b| call(a) + b);
        assert_eq!(sum, numbers().iter().sum::<u64>());
        let counted = (0..100u64).into_par_iter().map_init(|| call(1), |one, _| *one).sum::<u64>();
        assert_eq!(counted, 100);
        let flat = (0..10u64).into_par_iter().flat_map(|n| {
            entry.call();
            (0..n).into_par_iter()
        });
        assert_eq!(flat.count(), 45);
        assert_eq!((0..50u64).into_par_iter().find_first(|&n| call(n) == 30), Some(30));
    });
}

/// A serial iterator that calls the entry.
struct Serial(std::ops::Range<u64>, Token);

impl Iterator for Serial {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        self.1.0.call();
        self.0.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.1.0.call();
        self.0.size_hint()
    }
}

#[test]
fn bridged_iterators() {
    drive_work(|entry| {
        let serial = || Serial(0..60, entry.token());
        assert_eq!(serial().par_bridge().sum::<u64>(), 1770);
        assert_eq!(serial().par_bridge().find_any(|&n| n == 7), Some(7));
    });
}

/// A producer, indexed or not, that calls the entry.
struct Own(std::ops::Range<u64>, Token);

impl Own {
    fn cut(self, at: u64) -> (Own, Own) {
        self.1.0.call();
        let (left, right) = (self.0.start..self.0.start + at, self.0.start + at..self.0.end);
        (Own(left, self.1.0.token()), Own(right, self.1))
    }
}

impl Producer for Own {
    type Item = u64;
    type IntoIter = std::iter::Map<std::ops::Range<u32>, fn(u32) -> u64>;

    fn into_iter(self) -> Self::IntoIter {
        self.1.0.call();
        (self.0.start as u32..self.0.end as u32).map(u64::from)
    }

    fn split_at(self, index: usize) -> (Own, Own) {
        self.cut(index as u64)
    }
}

impl UnindexedProducer for Own {
    type Item = u64;

    fn split(self) -> (Own, Option<Own>) {
        match (self.0.end - self.0.start) / 2 {
            0 => (self, None),
            half => {
                let (left, right) = self.cut(half);
                (left, Some(right))
            }
        }
    }

    fn fold_with<F: Folder<u64>>(self, folder: F) -> F {
        self.1.0.call();
        folder.consume_iter(self.0)
    }
}

/// A parallel iterator over an [`Own`].
struct OwnIter(Own);

impl ParallelIterator for OwnIter {
    type Item = u64;

    fn drive_unindexed<C: UnindexedConsumer<u64>>(self, consumer: C) -> C::Result {
        bridge_unindexed(self.0, consumer)
    }
}

/// The same with a length.
struct OwnIndexed(Own);

impl ParallelIterator for OwnIndexed {
    type Item = u64;

    fn drive_unindexed<C: UnindexedConsumer<u64>>(self, consumer: C) -> C::Result {
        bridge(self, consumer)
    }
}

impl IndexedParallelIterator for OwnIndexed {
    fn drive<C: Consumer<u64>>(self, consumer: C) -> C::Result {
        bridge(self, consumer)
    }

    fn len(&self) -> usize {
        (self.0.0.end - self.0.0.start) as usize
    }

    fn with_producer<CB: ProducerCallback<u64>>(self, callback: CB) -> CB::Output {
        callback.callback(self.0)
    }
}

#[test]
fn producers() {
    drive_work(|entry| {
        let own = || Own(0..200, entry.token());
        assert_eq!(OwnIter(own()).sum::<u64>(), 19_900);
        assert_eq!(OwnIndexed(own()).with_max_len(10).zip(0..200).count(), 200);
        let chunks = OwnIndexed(own()).chunks(7);
        assert_eq!(chunks.map(|chunk| chunk.into_iter().sum::<u64>()).sum::<u64>(), 19_900);
    });
}

#[test]
fn elements_of_sorts_and_slices() {
    drive_work(|entry| {
        let sorted = |items: &[Item]| items.is_sorted_by_key(|item| item.0);
        let mut stable = items(entry);
        stable.par_sort();
        assert!(sorted(&stable));
        let mut unstable = items(entry);
        unstable.par_sort_unstable();
        assert!(sorted(&unstable));
        unstable.par_dedup();
        assert_eq!(unstable.len(), 300);
        let keyed = &mut items(entry);
        keyed.par_sort_by_cached_key(|item| item.clone());
        assert!(sorted(keyed));
    });
}

#[test]
fn elements_of_collections() {
    drive_work(|entry| {
        let all = items(entry);
        let copies: Vec<Item> = all.par_iter().cloned().collect();
        assert!(copies.par_iter().zip(all.par_iter()).all(|(a, b)| a == b));
        assert_eq!(all.par_iter().max().unwrap().0, 310);
        #[allow(clippy::mutable_key_type, reason = "what changes is no part of the key")]
        let map: HashMap<Item, u64> = copies.into_par_iter().map(|item| (item, 1)).collect();
        assert_eq!(map.len(), 300);
        drop(all.into_par_iter().take(100).collect::<Vec<_>>());
    });
}

// ---- The panic hook ----

#[test]
fn panic_hooks() {
    static HOOKED: Mutex<Option<E>> = Mutex::new(None);
    let body = || {
        std::panic::set_hook(Box::new(|_| {
            let entry = *HOOKED.lock().unwrap();
            if let Some(entry) = entry {
                entry.call();
            }
        }));
        drive(|setting, entry| {
            // A panic that leaves a hook aborts the process. std does not count a panic that is
            // resumed in a hook, but counts its catch. Then it poisons locks that are fine.
            if entry.name.ends_with("panicking") {
                return entry.call();
            }
            *HOOKED.lock().unwrap() = Some(entry);
            let pool = setting.pool();
            assert!(pool.spawn(|| panic!("told to the hook")).join().is_err());
            let join = || pool.join(|| panic!("told to the hook"), || 1);
            assert!(catch_unwind(AssertUnwindSafe(join)).is_err());
            *HOOKED.lock().unwrap() = None;
        });
    };
    if !is_simulated() {
        common::tells("panic_hooks", body, |_| ());
    }
}

/// A closure that runs before and after a worker of a scoped pool may need the very worker that
/// builds the pool.
#[test]
fn the_threads_of_a_scoped_pool_may_need_the_worker_that_builds_it() {
    let outer = ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let calls = AtomicUsize::new(0);
    let call = || {
        outer.install(|| calls.fetch_add(1, Ordering::Relaxed));
        outer.spawn(|| ()).join().unwrap();
    };
    let sum = outer.install(|| {
        let wrapper = |worker: ThreadBuilder| {
            call();
            worker.run();
            call();
        };
        let builder = ThreadPoolBuilder::new().num_threads(2);
        builder.build_scoped(wrapper, |pool| pool.install(|| 1 + 2)).unwrap()
    });
    assert_eq!((sum, calls.into_inner()), (3, 4));
}

/// A thread with a small stack borrows a core of a pool with larger stacks.
#[test]
fn a_chain_of_tasks_fits_the_stack_of_an_exit_handler() {
    fn chain(links: usize) -> usize {
        if links == 0 { 0 } else { filch::spawn(move || chain(links - 1)).join().unwrap() + 1 }
    }
    let other = ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let (sender, receiver) = mpsc::channel();
    let on_exit = move |_| sender.send(other.scope(|_| chain(3000))).unwrap();
    let builder = ThreadPoolBuilder::new().num_threads(1).stack_size(256 << 10);
    drop(builder.exit_handler(on_exit).build().unwrap());
    assert_eq!(receiver.recv().unwrap(), 3000);
}
