//! A fault at each call of user code in turn, in a graph, a pipeline and a gang: a panic, an error,
//! a cancelled token, a deadline that passes, a dropped handle or a dropped set. Whatever the
//! fault, each call is made once and in order, each value is dropped once, the fault is reported,
//! and the same graph then works as before.
//!
//! With the feature `deterministic`, the same runs on deterministic pools, with many seeds in one
//! process. `FILCH_TEST_SEEDS` sets how many seeds, or which ones: `1000`, or `57..58`.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

use filch::graph::{Graph, Outcome, read, write};
use filch::prelude::*;
use filch::{CancelToken, Cancelled, TaskSet, ThreadPool, try_pipeline};

use crate::common::{
    Boom, Ledger, Token, boom, boom_id, is_simulated, lock, one_a_seed, pool, step_aside, watchdog,
};
use crate::mix;

/// The fault at the call that is due.
#[derive(Clone, Copy, Debug, PartialEq)]
enum How {
    Panic,
    Error,
    /// Cancels the token of the graph or the pipeline, or of the region around the gang.
    Cancel,
    /// Lets the deadline of the region around everything pass.
    Deadline,
    /// Drops the handle of the task that runs everything. The handle was polled before.
    DropHandle,
    DropSet,
}

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Whole,
    /// With the fault.
    Failed,
    /// A retry or a fallback has repaired it.
    Mended,
    Cancelled,
}

#[derive(Debug)]
struct Drive {
    how: How,
    calls: AtomicUsize,
    /// A hash of the places of all calls, in their order.
    trace: AtomicU64,
    /// The number of the call that is due, counted from 1, or 0.
    due: AtomicUsize,
    /// The place of the call that was due.
    place: Mutex<Option<usize>>,
    is_wrong: AtomicBool,
    token: CancelToken,
    ledger: &'static Ledger,
    /// The handle or the set.
    held: Mutex<Option<Box<dyn Any + Send>>>,
    ended: Mutex<Option<End>>,
}

/// A value whose drop is counted.
struct Value(u64, #[expect(dead_code, reason = "it is dropped")] Token);

impl Drive {
    fn new(how: How, due: usize) -> Arc<Self> {
        let token = CancelToken::new();
        let soon = Duration::from_millis(1);
        Arc::new(Drive {
            how,
            calls: AtomicUsize::new(0),
            trace: AtomicU64::new(0),
            due: due.into(),
            place: Mutex::default(),
            is_wrong: AtomicBool::new(false),
            token: if how == How::Deadline { token.with_timeout(soon) } else { token },
            ledger: Ledger::new(),
            held: Mutex::default(),
            ended: Mutex::default(),
        })
    }

    fn value(&self, number: u64) -> Value {
        Value(number, self.ledger.token())
    }

    /// A call of user code, at a place in the program.
    fn call(&self, place: usize) -> Result<(), &'static str> {
        filch::schedule_point();
        _ = self.trace.fetch_update(SeqCst, SeqCst, |trace| Some(mix(trace, place as u64)));
        if self.calls.fetch_add(1, SeqCst) + 1 != self.due.load(SeqCst) {
            return Ok(());
        }
        *lock(&self.place) = Some(place);
        match self.how {
            How::Panic => boom(1),
            How::Error => return Err("due"),
            How::Cancel => self.token.cancel(),
            How::Deadline => {
                while !self.token.is_cancelled() {
                    step_aside();
                }
            }
            How::DropHandle | How::DropSet => {
                let held = loop {
                    if let Ok(mut held) = self.held.try_lock() {
                        break held.take();
                    }
                    // The task is still being spawned.
                    filch::schedule_point();
                    thread::yield_now();
                };
                drop(held);
            }
        }
        Ok(())
    }

    /// Records a check in a closure whose panics may be caught and repaired.
    fn expect(&self, holds: bool) {
        self.is_wrong.fetch_or(!holds, SeqCst);
    }

    /// Runs `op` in the region, if there is one.
    fn region<R>(&self, op: impl FnOnce() -> R) -> Result<R, Cancelled> {
        if self.how == How::Cancel { Ok(op()) } else { self.token.run(op) }
    }
}

// ---- The operations ----

/// The tasks that come before each task. Tasks 7 and 8 are the subgraph of task 3.
const BEFORE: [&[usize]; 9] = [&[], &[0], &[0], &[1, 2], &[1, 2, 7, 8], &[], &[4], &[1, 2], &[7]];

fn graph(drive: &Drive) -> End {
    let done: [AtomicUsize; 9] = Default::default();
    let done = &done;
    let enter = |task: usize| {
        drive.expect(BEFORE[task].iter().all(|it| done[*it].load(SeqCst) == 1));
        drive.call(task)
    };
    let leave = |task: usize, number: u64| {
        done[task].fetch_add(1, SeqCst);
        drive.value(number)
    };
    let work = |task, number| enter(task).map(|()| leave(task, number));

    let mut graph = Graph::new();
    let cell = graph.cell(drive.value(0));
    let a = graph.try_task((), |()| work(0, 1));
    let b = graph.try_task(&a, |a| work(1, a.0 + 1)).retry(1, Duration::ZERO);
    let c = graph.try_task((&a, read(&cell)), |(a, cell)| work(2, a.0 + cell.0));
    graph.fallback(&c, |_| leave(2, 1));
    let subgraph = graph.subgraph((&b, write(&cell)), |(b, cell), graph| {
        if enter(3).is_err() {
            boom(1);
        }
        let inner = graph.cell(cell);
        for task in [7, 8] {
            graph.try_task(write(&inner), move |cell| {
                work(task, cell.0 + b.0).map(|value| **cell = value)
            });
        }
    });
    let inputs = (&b, &c, read(&cell));
    let d = graph.try_task(inputs, |(b, c, cell)| work(4, b.0 + c.0 + cell.0));
    let e = graph.try_task((), |()| work(5, 5));
    let f = graph.try_task(&d, |d| work(6, d.0 + 1));
    if drive.how == How::Cancel {
        graph.cancel_with(&drive.token);
    }

    let mut report = None;
    _ = drive.region(|| report = Some(graph.run().unwrap()));
    assert!(report.is_some() || drive.how == How::Deadline);
    let end = report.map_or(End::Cancelled, |report| {
        let outcomes = [&a, &b, &c].map(|node| report.outcome(node).unwrap()).into_iter();
        let outcomes = outcomes.chain(report.outcome(&subgraph));
        let outcomes = outcomes.chain([&d, &e, &f].map(|node| report.outcome(node).unwrap()));
        let outcomes: Vec<Outcome> = outcomes.collect();
        let has_result = |task: usize| matches!(outcomes[task], Outcome::Ran | Outcome::Replaced);
        for task in 0..7 {
            let has_inputs =
                BEFORE[task].iter().all(|it| has_result(if *it > 6 { 3 } else { *it }));
            let is_skipped = outcomes[task] == Outcome::Skipped;
            assert!(if has_inputs {
                !is_skipped || drive.token.is_cancelled()
            } else {
                is_skipped
            });
            assert!(task == 3 || done[task].load(SeqCst) == usize::from(has_result(task)));
        }
        let place = *lock(&drive.place);
        let mended = matches!(place, Some(1 | 2)) && matches!(drive.how, How::Panic | How::Error);
        assert!(report.failures().len() < 2);
        match report.success() {
            Ok(()) if mended => End::Mended,
            Ok(()) => End::Whole,
            Err(failure) if failure.is_cancelled() => End::Cancelled,
            Err(failure) => {
                let task = place.map(|task| if task > 6 { 3 } else { task }).unwrap();
                assert_eq!(failure.task(), format!("task {task}"));
                if let Ok(payload) = failure.try_into_panic() {
                    assert_eq!(payload.downcast_ref(), Some(&Boom(1)));
                }
                End::Failed
            }
        }
    });

    // Runs the same graph again.
    let calls = drive.calls.load(SeqCst);
    drive.due.store(0, SeqCst);
    done.iter().for_each(|done| done.store(0, SeqCst));
    *graph.get_mut(&cell) = drive.value(0);
    graph.cancel_with(&CancelToken::new());
    graph.run().unwrap().success().unwrap();
    assert!((0..9).all(|task| (task == 3) != (done[task].load(SeqCst) == 1)));
    let numbers = [&a, &b, &c, &d, &e, &f].map(|node| graph.take_result(node).unwrap().0);
    assert_eq!((numbers, graph.get(&cell).0), ([1, 2, 1, 7, 5, 8], 4));
    drive.calls.store(calls, SeqCst);
    end
}

fn pipeline(drive: &Drive) -> End {
    const ITEMS: usize = 4;
    let calls: [[AtomicUsize; ITEMS]; 4] = Default::default();
    let call = |stage: usize, item: usize| {
        drive.expect((0..stage).all(|before| calls[before][item].load(SeqCst) == 1));
        drive.expect(calls[stage][item].fetch_add(1, SeqCst) == 0);
        drive.call(stage).map(|()| drive.value(item as u64))
    };
    let (mut out, mut last) = (Vec::new(), Vec::new());
    let held = drive.value(0);
    let source = (0..ITEMS).map(|item| {
        let _ = &held;
        call(0, item)
    });
    let pipeline = try_pipeline(source).max_in_flight(3);
    let pipeline =
        if drive.how == How::Cancel { pipeline.cancel_with(&drive.token) } else { pipeline };
    let pipeline = pipeline
        .try_parallel(|item: Value| call(1, item.0 as usize))
        .try_serial_in_order(|item| {
            let item = call(2, item.0 as usize)?;
            out.push(item.0);
            Ok::<_, &str>(item)
        })
        .try_serial(|item| {
            let item = call(3, item.0 as usize)?;
            last.push(item.0);
            Ok::<_, &str>(item)
        });
    let mut result = None;
    _ = drive.region(|| result = Some(pipeline.run()));
    let is_whole = last.len() == ITEMS;
    assert!(last.iter().all(|item| out.contains(item)));
    let begun = calls[2].iter().filter(|it| it.load(SeqCst) == 1).count() as u64;
    let failed = u64::from(drive.how == How::Error && *lock(&drive.place) == Some(2));
    assert!(out.into_iter().eq(0..begun - failed));
    match result {
        None => End::Cancelled,
        Some(Ok(stats)) => {
            assert!(is_whole && stats.stages().iter().all(|stage| stage.items == ITEMS as u64));
            End::Whole
        }
        Some(Err(error)) if error.is_cancelled() => End::Cancelled,
        Some(Err(error)) => {
            assert_eq!(error.stage(), *lock(&drive.place));
            assert_eq!(error.try_into_inner().unwrap().to_string(), "due");
            End::Failed
        }
    }
}

fn gang(drive: &Drive) -> End {
    let size = filch::current_num_threads();
    let arrived = AtomicUsize::new(0);
    let region = drive.token.run(|| {
        filch::gang(size, |member| {
            let own = member.index();
            let part = drive.call(own).map(|()| vec![Arc::new(drive.value(own as u64))]);
            arrived.fetch_add(1, SeqCst);
            member.barrier();
            drive.expect(arrived.load(SeqCst) == size);
            // Stops a member whose region is cancelled.
            (0..3).into_par_iter().for_each(drop);
            let all = member.reduce(part, |a, b| {
                drive.call(0)?;
                Ok([a?, b?].concat())
            });
            let root = size - 1;
            let told = member.broadcast(root, || drive.call(root).and(all.clone()));
            member.barrier();
            drive.call(own)?;
            if let Ok(told) = &told {
                drive.expect(told.iter().map(|value| value.0).eq(0..size as u64));
            }
            told.map(|told| told.len())
        })
        .unwrap()
    });
    match region.map(|members| members.into_iter().collect::<Result<Vec<_>, &str>>()) {
        Ok(Ok(lengths)) => {
            assert_eq!(lengths, vec![size; size]);
            End::Whole
        }
        Ok(Err(error)) => {
            assert_eq!(error, "due");
            End::Failed
        }
        Err(_) => End::Cancelled,
    }
}

// ---- The drive ----

type Op = fn(&Drive) -> End;

/// Runs `op` with a fault at call `due`. Returns how it ended, the number of calls, and a hash of
/// their order.
fn run_one(pool: ThreadPool, op: Op, how: How, due: usize) -> (End, usize, u64) {
    let drive = Drive::new(how, due);
    let task = {
        let drive = drive.clone();
        move || {
            let end = op(&drive);
            *lock(&drive.ended) = Some(end);
        }
    };
    let mut held = lock(&drive.held);
    match how {
        How::DropHandle => {
            let mut handle = pool.spawn(task);
            _ = Pin::new(&mut handle).poll(&mut Context::from_waker(Waker::noop()));
            *held = Some(Box::new(handle));
        }
        How::DropSet => {
            let mut set = TaskSet::new_in(&pool);
            set.spawn(task);
            let token = drive.ledger.token();
            // This task runs, or is dropped with the set.
            set.spawn(move || drop(token));
            *held = Some(Box::new(set));
        }
        _ => {
            drop(held);
            let result = catch_unwind(AssertUnwindSafe(|| pool.install(task)));
            held = lock(&drive.held);
            if let Err(payload) = result {
                assert_eq!((boom_id(payload), how), (1, How::Panic));
                *lock(&drive.ended) = Some(End::Failed);
            }
        }
    }
    drop(held);
    // Runs everything that was spawned.
    drop(pool);
    let held = lock(&drive.held).take();
    drop(held);
    let context = format!("{how:?} at {due}: {drive:?}");
    assert!(!drive.is_wrong.load(SeqCst), "{context}");
    drive.ledger.assert_balanced(&context);
    let end = lock(&drive.ended).unwrap_or_else(|| panic!("no end, {context}"));
    (end, drive.calls.load(SeqCst), drive.trace.load(SeqCst))
}

/// Runs `op` with a fault at call `due` of `calls`.
fn run_faulty(pool: ThreadPool, op: Op, how: How, due: usize, calls: usize) {
    let (end, ..) = run_one(pool, op, how, due);
    let is_allowed = match how {
        How::Panic | How::Error => matches!(end, End::Failed | End::Mended),
        How::Cancel | How::Deadline => matches!(end, End::Cancelled | End::Whole),
        How::DropHandle | How::DropSet => end == End::Whole,
    };
    assert!(is_allowed, "{how:?} at {due} of {calls}: {end:?}");
}

type Make = Box<dyn Fn() -> ThreadPool>;

/// Makes each fault at each call of `op` in turn, in pools of several sizes.
fn drive(op: Op) {
    use How::{Cancel, Deadline, DropHandle, DropSet, Error, Panic};
    let _watchdog = watchdog();
    let sizes = one_a_seed([1, 2, 4]);
    let real = sizes.into_iter().map(|threads| Box::new(move || pool(threads)) as Make);
    for make in real.chain(deterministic()) {
        let (end, calls, _) = run_one(make(), op, Panic, 0);
        assert_eq!(end, End::Whole);
        for how in [Panic, Error, Cancel, Deadline, DropHandle, DropSet] {
            if how == Deadline && is_simulated() {
                continue; // A schedule must not depend on time.
            }
            for due in 1..=calls {
                run_faulty(make(), op, how, due, calls);
            }
        }
    }
}

/// A deterministic pool, in addition to the real ones. With `FILCH_TEST_SEED`, all pools are
/// deterministic.
#[cfg(feature = "deterministic")]
fn deterministic() -> Option<Make> {
    let builder = || filch::ThreadPoolBuilder::new().num_threads(3).deterministic(7);
    (!is_simulated()).then(|| Box::new(move || builder().build().unwrap()) as Make)
}

#[cfg(not(feature = "deterministic"))]
fn deterministic() -> Option<Make> {
    None
}

#[test]
fn a_graph_with_a_fault_at_each_call() {
    drive(graph);
}

#[test]
fn a_pipeline_with_a_fault_at_each_call() {
    drive(pipeline);
}

#[test]
fn a_gang_with_a_fault_at_each_call() {
    drive(gang);
}

/// With each seed: twice without a fault, in the same way, and then with a fault of each kind at
/// some call.
#[cfg(feature = "deterministic")]
#[test]
fn faults_by_many_seeds() {
    use How::{Cancel, DropHandle, DropSet, Error, Panic};
    let _watchdog = watchdog();
    let mut random = crate::Random(0);
    for op in [graph as Op, pipeline, gang] {
        let (mut traces, seeds) = (std::collections::HashSet::new(), seeds(40));
        for seed in seeds.clone() {
            let threads = 1 + seed as usize % 4;
            let builder = || filch::ThreadPoolBuilder::new().num_threads(threads);
            let make = || builder().deterministic(seed).build().unwrap();
            let (end, calls, trace) = run_one(make(), op, Panic, 0);
            assert_eq!(end, End::Whole, "seed {seed}");
            assert_eq!(run_one(make(), op, Panic, 0), (end, calls, trace), "seed {seed}");
            traces.insert(trace);
            for how in [Panic, Error, Cancel, DropHandle, DropSet] {
                run_faulty(make(), op, how, 1 + random.below(calls), calls);
            }
        }
        let count = seeds.end - seeds.start;
        crate::common::say(&format!("{} orders by {count} seeds", traces.len()));
        // On one thread, there is only one order.
        assert!(traces.len() as u64 >= count.min(40) / 4, "{} orders of {count}", traces.len());
    }
}

#[cfg(feature = "deterministic")]
fn seeds(default: u64) -> std::ops::Range<u64> {
    let Ok(value) = std::env::var("FILCH_TEST_SEEDS") else { return 0..default };
    let (first, end) = value.split_once("..").unwrap_or(("0", &value));
    let number = |text: &str| text.parse().expect("a number, or FIRST..END");
    number(first)..number(end)
}
