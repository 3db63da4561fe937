//! Pipelines take each item through all stages once, in order where that is asked for. They never
//! have more items in flight than the bound.

use std::error::Error;
use std::io::{self, Cursor, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;
use std::{fmt, iter};

use filch::pipeline::{PipelineError, StageKind, chunks};
use filch::{CancelReason, CancelToken, JoinHandle, pipeline, try_pipeline};

use crate::common::{
    CALLERS, Ledger, TIME, Token, any_wait_builder, boom, caught, is_simulated_without, lock,
    one_a_seed, pool, rest, seed, settings, sized, step_aside, watchdog,
};
use crate::faults::{Fault, drive};
use crate::{Random, mix};

/// Delays some items, so that other items may pass them.
fn dawdle(item: u64) {
    match mix(item, seed().unwrap_or(0)) % 4 {
        0 => rest(Duration::from_micros(30)),
        1 => _ = filch::join(|| rest(Duration::ZERO), || rest(Duration::from_micros(5))),
        _ => (),
    }
}

// ---- Order and values ----

#[test]
fn items_come_out_in_order() {
    let _watchdog = watchdog();
    for (caller, pool) in settings() {
        for bound in [1, 2, 3, 16, 1000] {
            let items = sized(300, 40) as u64;
            let (mut out, mut middle) = (Vec::new(), Vec::new());
            let stats = caller.run(&pool, || {
                pipeline(0..items)
                    .max_in_flight(bound)
                    .parallel(|item| {
                        dawdle(item);
                        item
                    })
                    .serial_in_order(|item| {
                        middle.push(item);
                        item + 1
                    })
                    .parallel(|item| {
                        dawdle(item);
                        item.to_string()
                    })
                    .serial_in_order(|text| out.push(text))
                    .run()
                    .unwrap()
            });
            assert!(middle.into_iter().eq(0..items), "{caller:?} {pool:?} {bound}");
            assert!(out.into_iter().eq((1..=items).map(|item| item.to_string())));
            assert!(stats.stages().iter().all(|stage| stage.items == items));
        }
    }
}

#[test]
fn serial_stages_take_each_item_once_and_one_at_a_time() {
    let _watchdog = watchdog();
    for (caller, pool) in settings() {
        let items = sized(500, 40) as u64;
        let inside = AtomicUsize::new(0);
        let enter = || assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two at a time");
        let mut seen = Vec::new();
        caller.run(&pool, || {
            let alone = |item: u64| {
                enter();
                // Now and then a stage takes so long that other items arrive meanwhile and are
                // parked.
                rest(Duration::from_micros(if item % 8 == 0 { 50 } else { 0 }));
                inside.fetch_sub(1, Ordering::SeqCst);
                item
            };
            let parallel = pipeline(0..items).max_in_flight(7).parallel(|item| {
                dawdle(item);
                item
            });
            let serial = parallel.serial(alone);
            serial.serial(|item| seen.push(item)).run().unwrap();
        });
        assert_eq!(seen.len() as u64, items);
        seen.sort_unstable();
        assert!(seen.into_iter().eq(0..items));
    }
}

#[test]
fn a_pipeline_may_have_any_stages() {
    let _watchdog = watchdog();
    for (caller, pool) in settings() {
        caller.run(&pool, || {
            assert_eq!(pipeline(Vec::<u8>::new()).run().unwrap().stages()[0].items, 0);
            assert_eq!(pipeline([1, 2, 3]).run().unwrap().stages()[0].items, 3);
            let calls = AtomicUsize::new(0);
            let count = |()| _ = calls.fetch_add(1, Ordering::Relaxed);
            pipeline([(); 40]).parallel(count).run().unwrap();
            pipeline([(); 40]).serial(count).run().unwrap();
            pipeline([(); 40]).serial_in_order(count).run().unwrap();
            pipeline([(); 40]).serial(count).parallel(count).serial_in_order(count).run().unwrap();
            assert_eq!(calls.into_inner(), 6 * 40);
        });
    }
}

/// One of the three kinds of stages, selected by a number.
macro_rules! any_stage {
    ($kind:expr, $pipeline:expr, $f:expr, $then:ident) => {
        match $kind {
            0 => $then!($pipeline.parallel($f)),
            1 => $then!($pipeline.serial($f)),
            _ => $then!($pipeline.serial_in_order($f)),
        }
    };
}

#[test]
fn random_pipelines_do_the_same_as_a_loop() {
    let _watchdog = watchdog();
    for threads in one_a_seed([1, 2, 4]) {
        let pool = pool(threads);
        for number in 0..sized(27 * 4, 5) {
            let mut random = Random(number as u64 + 1000 * seed().unwrap_or(0));
            let kinds = [number % 3, number / 3 % 3, number / 9 % 3];
            let (bound, items) = (1 + random.below(9), random.below(60) as u64);
            let stage = |salt: u64| {
                move |item: (u64, u64)| {
                    dawdle(item.0 + salt);
                    (item.0, mix(item.1, salt))
                }
            };
            let mut expected: Vec<_> =
                (0..items).map(|item| stage(3)(stage(2)(stage(1)((item, item))))).collect();
            let mut out = Vec::new();
            let sink = |item| out.push(item);
            pool.install(|| {
                let source = pipeline((0..items).map(|item| (item, item))).max_in_flight(bound);
                macro_rules! end {
                    ($pipeline:expr) => {
                        $pipeline.serial(sink).run().unwrap()
                    };
                }
                macro_rules! third {
                    ($pipeline:expr) => {
                        any_stage!(kinds[2], $pipeline, stage(3), end)
                    };
                }
                macro_rules! second {
                    ($pipeline:expr) => {
                        any_stage!(kinds[1], $pipeline, stage(2), third)
                    };
                }
                any_stage!(kinds[0], source, stage(1), second)
            });
            out.sort_unstable();
            expected.sort_unstable();
            assert_eq!(out, expected, "{kinds:?}, {threads} threads");
        }
    }
}

// ---- The bound ----

#[test]
fn no_more_items_are_in_flight_than_the_bound() {
    let _watchdog = watchdog();
    for (caller, pool) in settings() {
        for bound in [1, 2, 5] {
            let (in_flight, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
            let source = (0..sized(200, 30) as u64).inspect(|_| {
                let now = in_flight.fetch_add(1, Ordering::SeqCst) + 1;
                most.fetch_max(now, Ordering::SeqCst);
            });
            caller.run(&pool, || {
                pipeline(source)
                    .max_in_flight(bound)
                    .parallel(|item| item)
                    .serial_in_order(|item| dawdle(4 * item)) // slow
                    .serial(|()| _ = in_flight.fetch_sub(1, Ordering::SeqCst))
                    .run()
                    .unwrap()
            });
            assert!(most.load(Ordering::SeqCst) <= bound, "{most:?} of {bound}");
            assert_eq!(in_flight.into_inner(), 0);
        }
    }
}

#[test]
fn stages_may_fork_and_run_pipelines() {
    let _watchdog = watchdog();
    for (caller, pool) in settings() {
        let mut sums = Vec::new();
        caller.run(&pool, || {
            pipeline(1..=sized(20, 6) as u64)
                .parallel(|n| {
                    let mut sum = 0;
                    let inner = pipeline(0..n).max_in_flight(2).parallel(|i| {
                        let (a, b) = filch::join(|| i, || 1);
                        a * b
                    });
                    inner.serial(|i| sum += i).run().unwrap();
                    sum
                })
                .serial_in_order(|sum| sums.push(sum))
                .run()
                .unwrap();
        });
        assert!(sums.into_iter().eq((1..=sized(20, 6) as u64).map(|n| n * (n - 1) / 2)));
    }
}

// ---- Failures ----

/// A pipeline in which everything may fail, with tokens as items. Returns what came out, in order.
fn faulty(
    fault: &Fault,
    ledger: &'static Ledger,
    fails: &(dyn Fn(&Fault) -> Result<(), &'static str> + Sync),
) -> (Result<(), PipelineError>, Vec<u64>) {
    let mut out = Vec::new();
    let held = ledger.token();
    let source = (0..8_u64).map(|item| {
        let _ = &held;
        fails(fault).map(|()| (item, ledger.token()))
    });
    let step = |item: (u64, Token)| {
        fails(fault)?;
        Ok::<_, &str>((item.0, ledger.token()))
    };
    let result = try_pipeline(source)
        .max_in_flight(4)
        .try_parallel(|item| {
            dawdle(item.0);
            step(item)
        })
        .try_serial(step)
        .try_parallel(step)
        .try_serial_in_order(|item| {
            let item = step(item)?;
            out.push(item.0);
            Ok::<_, &str>(item)
        })
        .run();
    (result.map(drop), out)
}

#[test]
fn each_panic_comes_out_and_everything_is_dropped() {
    let _watchdog = watchdog();
    for threads in one_a_seed([1, 2, 4]) {
        let pool = pool(threads);
        drive(|fault, ledger| {
            let panics = |fault: &Fault| {
                fault.call();
                Ok(())
            };
            let (result, out) = pool.install(|| faulty(fault, ledger, &panics));
            result.unwrap();
            assert!(out.into_iter().eq(0..8));
            false
        });
    }
}

#[test]
fn each_error_comes_out_and_everything_is_dropped() {
    let _watchdog = watchdog();
    for threads in one_a_seed([1, 2, 4]) {
        let pool = pool(threads);
        drive(|fault, ledger| {
            let fails = |fault: &Fault| if fault.is_due() { Err("due") } else { Ok(()) };
            let (result, out) = pool.install(|| faulty(fault, ledger, &fails));
            // The items that came out are the first ones.
            let len = out.len() as u64;
            assert!(out.into_iter().eq(0..len));
            let Err(error) = result else {
                assert_eq!(len, 8);
                return false;
            };
            assert!(error.stage().is_some_and(|stage| stage <= 4) && !error.is_cancelled());
            assert_eq!(error.try_into_inner().unwrap().to_string(), "due");
            true
        });
    }
}

#[test]
fn items_before_one_that_fails_in_order_have_passed() {
    let _watchdog = watchdog();
    for (caller, pool) in settings() {
        let mut passed = Vec::new();
        let error = caller.run(&pool, || {
            pipeline(0..100_u64)
                .max_in_flight(9)
                .parallel(|item| {
                    dawdle(item);
                    item
                })
                .try_serial_in_order(|item| {
                    passed.push(item);
                    if item == 20 { Err(io::Error::other("full")) } else { Ok(()) }
                })
                .run()
                .unwrap_err()
        });
        assert!(passed.into_iter().eq(0..=20));
        assert_eq!(error.to_string(), "stage 2 failed at item 20: full");
        assert_eq!((error.stage(), error.item()), (Some(2), Some(20)));
        let inner = error.try_into_inner().unwrap();
        assert_eq!(inner.downcast_ref::<io::Error>().unwrap().kind(), io::ErrorKind::Other);
    }
}

#[test]
fn a_drop_of_a_parked_item_that_panics_comes_out() {
    struct Bomb(u64);
    impl Drop for Bomb {
        fn drop(&mut self) {
            if self.0 == 3 && !std::thread::panicking() {
                boom(3);
            }
        }
    }
    let _watchdog = watchdog();
    for (caller, pool) in settings() {
        let run = || {
            pipeline((0..8).map(Bomb))
                .max_in_flight(8)
                .try_serial_in_order(|bomb| if bomb.0 == 2 { Err("two") } else { Ok(bomb) })
                .serial(std::mem::forget)
                .run()
        };
        // Item 3 is either parked, or not yet taken from the source.
        let result = catch_unwind(AssertUnwindSafe(|| caller.run(&pool, run)));
        match result {
            Ok(result) => assert_eq!(result.unwrap_err().stage(), Some(1)),
            Err(payload) => assert_eq!(crate::common::boom_id(payload), 3),
        }
    }
}

#[test]
fn the_drops_of_all_parked_items_may_panic() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            boom(2);
        }
    }
    let _watchdog = watchdog();
    let parked = AtomicUsize::new(0);
    let stage = |item| {
        if item == 0 {
            while parked.load(Ordering::SeqCst) < 5 {
                step_aside();
            }
            boom(1)
        }
        parked.fetch_add(1, Ordering::SeqCst);
        Bomb
    };
    // The drop of the stage at which the items are parked may also panic.
    let captured = Bomb;
    let end = move |item| {
        let _ = &captured;
        drop(item);
    };
    let run = || pipeline(0..8).max_in_flight(6).parallel(stage).serial_in_order(end).run();
    assert_eq!(caught(|| pool(2).install(run)), 1);
}

#[test]
fn a_source_that_fails_at_once_is_an_error() {
    let _watchdog = watchdog();
    for (caller, pool) in settings() {
        let failing = || try_pipeline([Err::<u8, _>("none")]).serial(|_| unreachable!()).run();
        let error = caller.run(&pool, || failing().unwrap_err());
        assert_eq!(error.to_string(), "the source failed at item 0: none");
        assert_eq!(error.stage(), Some(0));
        let panicking = || pipeline(std::iter::from_fn(|| -> Option<u8> { boom(5) })).run();
        assert_eq!(caught(|| caller.run(&pool, panicking)), 5);
    }
}

/// An error that the source returns after the pipeline was cancelled. Its drop needs both workers.
#[derive(Debug)]
struct Unwanted(Arc<AtomicUsize>);

impl Error for Unwanted {}

impl fmt::Display for Unwanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unwanted")
    }
}

impl Drop for Unwanted {
    fn drop(&mut self) {
        self.0.store(3, Ordering::SeqCst);
        filch::broadcast(|_| ());
    }
}

/// An item that is dropped since the pipeline was cancelled.
struct Dropped<'a>(&'a AtomicUsize);

impl Drop for Dropped<'_> {
    fn drop(&mut self) {
        self.0.store(2, Ordering::SeqCst);
        wait_for_step(self.0, 3);
    }
}

fn wait_for_step(step: &AtomicUsize, number: usize) {
    while step.load(Ordering::SeqCst) < number {
        step_aside();
    }
}

#[test]
fn the_drop_of_a_late_error_may_wait_for_workers() {
    let _watchdog = watchdog();
    let (token, step) = (CancelToken::new(), Arc::new(AtomicUsize::new(0)));
    let fail = || {
        token.cancel();
        step.store(1, Ordering::SeqCst);
        wait_for_step(&step, 2);
        Err(Unwanted(step.clone()))
    };
    let source = iter::once_with(|| Ok(Dropped(&step))).chain(iter::once_with(fail));
    let stage = |item| {
        wait_for_step(&step, 1);
        item
    };
    let stages = try_pipeline(source).parallel(stage).parallel(drop);
    let result = pool(2).install(|| stages.cancel_with(&token).run());
    assert!(result.unwrap_err().is_cancelled());
}

#[test]
fn an_empty_stream_does_nothing() {
    let _watchdog = watchdog();
    for (caller, pool) in settings() {
        let nothing = || iter::empty::<fmt::Error>();
        caller.run(&pool, || {
            let stages = pipeline(nothing())
                .parallel(|_| unreachable!())
                .serial(|()| unreachable!())
                .serial_in_order(|()| unreachable!());
            let stats = stages.max_in_flight(1).run().unwrap();
            assert!(stats.stages().iter().all(|stage| stage.items == 0), "{stats}");
            assert_eq!((stats.stages().len(), stats.bottleneck()), (4, None));
            assert!(!stats.to_string().contains("bottleneck"), "{stats}");
            let stages = try_pipeline(nothing().map(Err::<(), _>));
            stages.try_serial(|()| Err::<(), _>(fmt::Error)).run().unwrap();
            try_pipeline(chunks(io::empty(), 4)).serial(|_| unreachable!()).run().unwrap();
        });
    }
}

#[test]
fn a_bound_of_zero_is_an_error() {
    let error = pipeline([1]).max_in_flight(0).serial(|_| unreachable!()).run().unwrap_err();
    assert_eq!(error.to_string(), "`max_in_flight` is 0, and has to be 1 or more");
    assert!(error.stage().is_none() && error.try_into_inner().is_err());
}

#[test]
fn a_cancelled_pipeline_stops_and_drops() {
    let _watchdog = watchdog();
    for (caller, pool) in settings() {
        let (token, ledger) = (CancelToken::new(), Ledger::new());
        let mut passed = 0;
        let error = caller.run(&pool, || {
            pipeline((0..).map(|item: u64| (item, ledger.token())))
                .max_in_flight(6)
                .cancel_with(&token)
                .parallel(|item| item)
                .serial_in_order(|(item, _)| {
                    passed += 1;
                    if item == 30 {
                        token.cancel();
                    }
                })
                .run()
                .unwrap_err()
        });
        assert!(error.is_cancelled() && error.to_string().ends_with("the end: it was requested"));
        assert_eq!(error.reason(), Some(CancelReason::Requested));
        assert_eq!((error.stage(), passed), (None, 31));
        ledger.assert_balanced("cancelled");
    }
}

// ---- Sources and statistics ----

/// A reader that yields one byte at a time. If told to, it fails at the end.
struct Trickle(Cursor<&'static [u8]>, bool);

impl Read for Trickle {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(&mut buffer[..1])? {
            0 if self.1 => Err(io::Error::other("torn")),
            read => Ok(read),
        }
    }
}

#[test]
fn readers_are_sources() {
    let _watchdog = watchdog();
    let text = b"some bytes from afar";
    for size in [1, 3, 20, 100] {
        for fails in [false, true] {
            let mut read = Vec::new();
            let reader = Trickle(Cursor::new(text), fails);
            let result = try_pipeline(chunks(reader, size))
                .parallel(|chunk| {
                    assert!(chunk.len() <= size);
                    chunk
                })
                .serial_in_order(|chunk| read.extend(chunk))
                .run();
            match fails {
                false => assert_eq!((result.unwrap().stages().len(), &read[..]), (3, &text[..])),
                true => {
                    let (error, items) = (result.unwrap_err(), text.len() / size);
                    let told = format!("the source failed at item {items}: torn");
                    assert_eq!(error.to_string(), told);
                }
            }
        }
    }
    assert!(catch_unwind(|| chunks(io::empty(), 0)).is_err());
}

#[test]
fn handles_and_channels_are_sources() {
    let _watchdog = watchdog();
    for (caller, pool) in settings() {
        let mut out = Vec::new();
        caller.run(&pool, || {
            let handles: Vec<_> = (0..40_u64)
                .map(|item| {
                    filch::spawn(move || {
                        dawdle(item);
                        item
                    })
                })
                .collect();
            try_pipeline(handles.into_iter().map(JoinHandle::join))
                .serial_in_order(|item| out.push(item))
                .run()
                .unwrap();
        });
        assert!(out.into_iter().eq(0..40));
        let (sender, receiver) = mpsc::channel();
        (0..40).for_each(|item| sender.send(item).unwrap());
        drop(sender);
        let seen = Mutex::new(Vec::new());
        caller.run(&pool, || {
            pipeline(receiver).parallel(|item| lock(&seen).push(item)).run().unwrap();
        });
        assert_eq!(lock(&seen).len(), 40);
    }
}

#[test]
fn statistics_find_the_bottleneck() {
    if is_simulated_without(TIME) {
        return;
    }
    let _watchdog = watchdog();
    let pool = pool(4);
    let stats = pool.install(|| {
        pipeline(0..20)
            .max_in_flight(8)
            .parallel(|_| rest(Duration::from_micros(100)))
            .serial_in_order(|()| rest(Duration::from_millis(2)))
            .serial(|()| ())
            .run()
            .unwrap()
    });
    let stages = stats.stages();
    assert_eq!(stats.bottleneck(), Some(2));
    let kinds: Vec<_> = stages.iter().map(|stage| stage.kind).collect();
    let expected =
        [StageKind::Source, StageKind::Parallel, StageKind::SerialInOrder, StageKind::Serial];
    assert_eq!(kinds, expected);
    // The stages use another clock than std, so the limits are wide.
    assert!(stages[2].busy > Duration::from_millis(20 * 2 * 7 / 10), "{stats}");
    assert!(stages[2].busy < stats.elapsed() * 13 / 10, "{stats}");
    assert!(stages[2].waiting > stages[3].waiting, "{stats}");
    assert!(stages[1].busy > Duration::from_micros(20 * 100 * 7 / 10), "{stats}");
    assert_eq!(stats.to_string().lines().count(), 6);
}

/// The only worker takes item after item, until a task from outside stops the pipeline.
#[test]
fn other_work_has_its_turn_beside_a_pipeline() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    let is_over = Arc::new(AtomicBool::new(false));
    let pool = any_wait_builder().num_threads(1).build().unwrap();
    let source = (0..10_000_000).take_while(|item| {
        if *item == 1 {
            let (pool, is_over) = (&pool, is_over.clone());
            let task = move || is_over.store(true, Ordering::SeqCst);
            thread::scope(|s| drop(s.spawn(move || drop(pool.spawn(task)))));
        }
        !is_over.load(Ordering::SeqCst)
    });
    let stats = pool.install(|| pipeline(source).parallel(|_| ()).run()).unwrap();
    assert!(stats.stages()[0].items < 10_000_000, "the task has not run during the pipeline");
}
