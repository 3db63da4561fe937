//! The rows. Each shape is written once, for both libraries.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{hint, thread};

use crate::clock::{cpu_time, measure};

/// The result of a round, in seconds.
pub struct Measured {
    /// How long the round took, or the time that the row's name describes.
    pub time: f64,
    /// The CPU time of the whole process.
    pub cpu: Option<f64>,
}

pub struct Row {
    pub name: String,
    pub threads: usize,
    pub filch: Box<dyn Fn() -> Measured>,
    pub rayon: Box<dyn Fn() -> Measured>,
}

/// How long an item of the wide rows sleeps.
const ITEM: Duration = Duration::from_millis(20);

const fn us(microseconds: u64) -> Duration {
    Duration::from_micros(microseconds)
}

/// Keeps a processor busy.
fn spin(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        hint::spin_loop();
    }
}

/// Small parallel sections: how often there is one, and the number and length of its items.
#[derive(Clone, Copy)]
struct Ticks {
    every: Duration,
    items: u32,
    item: Duration,
}

/// Measures how long it takes until the last of `threads` items begins.
fn last_begins(threads: usize, start: impl FnOnce(&(dyn Fn() + Sync))) -> Measured {
    // All workers must be asleep first.
    thread::sleep(Duration::from_millis(30));
    let (begun, begin) = (Mutex::new(Vec::new()), Instant::now());
    start(&|| {
        begun.lock().unwrap().push(begin.elapsed().as_secs_f64());
        thread::sleep(ITEM);
    });
    let begun = begun.into_inner().unwrap();
    assert_eq!(begun.len(), threads, "each item begins once");
    Measured { time: begun.into_iter().fold(0.0, f64::max), cpu: None }
}

/// Measures the median latency of small sections, and their CPU time per second.
fn tick(ticks: Ticks, section: impl Fn()) -> Measured {
    let count = (Duration::from_millis(300).as_secs_f64() / ticks.every.as_secs_f64()) as usize;
    let (cpu, start) = (cpu_time(), Instant::now());
    let mut latencies: Vec<f64> = (0..count)
        .map(|_| {
            thread::sleep(ticks.every);
            let begin = Instant::now();
            section();
            begin.elapsed().as_secs_f64()
        })
        .collect();
    latencies.sort_by(f64::total_cmp);
    let used = cpu_time().zip(cpu).map(|(after, before)| after - before);
    let cpu = used.map(|used| used.as_secs_f64() / start.elapsed().as_secs_f64());
    Measured { time: latencies[count / 2], cpu }
}

/// Measures how long a caller waits for an empty section while another caller keeps the pool busy.
fn beside(occupy: impl Fn(&AtomicBool) + Sync, call: impl FnOnce()) -> Measured {
    let over = AtomicBool::new(false);
    let end = Instant::now() + Duration::from_millis(200);
    thread::scope(|s| {
        s.spawn(|| {
            while !over.load(Ordering::Relaxed) && Instant::now() < end {
                occupy(&over);
            }
        });
        thread::sleep(Duration::from_millis(10));
        let begin = Instant::now();
        call();
        let time = begin.elapsed().as_secs_f64();
        over.store(true, Ordering::Relaxed);
        Measured { time, cpu: None }
    })
}

fn timed(work: impl FnOnce()) -> Measured {
    let ((), sample) = measure(work);
    Measured { time: sample.wall * 1e-9, cpu: sample.cpu.map(|cpu| cpu * 1e-9) }
}

macro_rules! shapes {
    ($module:ident, $lib:ident, ($($scope:pat)?)) => {
        mod $module {
            use super::*;
            use $lib::prelude::*;

            pub(super) fn pool(threads: usize) -> $lib::ThreadPool {
                $lib::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
            }

            pub(super) fn ramp_up(pool: &$lib::ThreadPool, threads: usize, how: &str) -> Measured {
                last_begins(threads, |item| match how {
                    "loop" => pool.install(|| (0..threads).into_par_iter().for_each(|_| item())),
                    "nested loops" => pool.install(|| {
                        let inner = |_| (0..8).into_par_iter().for_each(|_| item());
                        (0..threads / 8).into_par_iter().for_each(inner);
                    }),
                    "lines" => {
                        let lines = "line\n".repeat(threads);
                        pool.install(|| lines.par_lines().for_each(|_| item()));
                    }
                    "join tree" => pool.install(|| tree(threads, item)),
                    "left comb" => pool.install(|| comb(threads, item)),
                    "scope" => pool.install(|| $lib::scope(|s| {
                        (0..threads).for_each(|_| _ = s.spawn(move |$($scope)?| item()));
                    })),
                    "bridge" => pool.install(|| (0..threads).par_bridge().for_each(|_| item())),
                    other => unreachable!("no shape {other}"),
                })
            }

            fn tree(n: usize, item: &(dyn Fn() + Sync)) {
                if n <= 1 {
                    return item();
                }
                $lib::join(|| tree(n / 2, item), || tree(n - n / 2, item));
            }

            fn comb(n: usize, item: &(dyn Fn() + Sync)) {
                if n <= 1 {
                    return item();
                }
                $lib::join(|| comb(n - 1, item), item);
            }

            /// Short items, with a few long ones among them.
            pub(super) fn skewed(
                pool: &$lib::ThreadPool,
                items: usize,
                is_long: fn(usize) -> bool,
            ) -> Measured {
                timed(|| pool.install(|| (0..items).into_par_iter().for_each(|i| {
                    if is_long(i) {
                        thread::sleep(ITEM);
                    }
                })))
            }

            pub(super) fn ticks(pool: &$lib::ThreadPool, ticks: Ticks) -> Measured {
                tick(ticks, || pool.install(|| {
                    (0..ticks.items).into_par_iter().with_max_len(1).for_each(|_| spin(ticks.item));
                }))
            }

            /// Items that arrive over a channel, one in each interval.
            pub(super) fn slow_channel(pool: &$lib::ThreadPool, every: Duration) -> Measured {
                let (sender, receiver) = std::sync::mpsc::channel();
                thread::scope(|s| {
                    s.spawn(move || (0..100).for_each(|i| {
                        thread::sleep(every);
                        sender.send(i).unwrap();
                    }));
                    timed(|| {
                        let sum: u64 = pool.install(|| {
                            receiver.into_iter().par_bridge().inspect(|_| spin(us(50))).sum()
                        });
                        assert_eq!(sum, 4_950);
                    })
                })
            }

            pub(super) fn beside_a_loop(pool: &$lib::ThreadPool) -> Measured {
                let occupy = |over: &AtomicBool| pool.install(|| {
                    (0..2_000u32).into_par_iter().for_each(|_| {
                        if !over.load(Ordering::Relaxed) {
                            spin(us(50));
                        }
                    });
                });
                beside(occupy, || pool.install(|| ()))
            }

            pub(super) fn beside_a_recursion(pool: &$lib::ThreadPool) -> Measured {
                let occupy = |over: &AtomicBool| pool.install(|| tree(2_000, &|| {
                    if !over.load(Ordering::Relaxed) {
                        spin(us(50));
                    }
                }));
                beside(occupy, || pool.install(|| ()))
            }

            /// Builds, uses and drops pools.
            pub(super) fn life(threads: usize) -> Measured {
                timed(|| (0..20).for_each(|_| pool(threads).install(|| ())))
            }
        }
    };
}
shapes!(on_filch, filch, ());
shapes!(on_rayon, rayon, (_));

/// A row: `row!(name, threads, shape, arguments...)` calls `shape` of both modules with their
/// pools.
macro_rules! row {
    ($name:expr, $threads:expr, $shape:ident $(, $argument:expr)*) => {{
        let (filch, rayon) = (on_filch::pool($threads), on_rayon::pool($threads));
        Row {
            name: $name,
            threads: $threads,
            filch: Box::new(move || on_filch::$shape(&filch $(, $argument)*)),
            rayon: Box::new(move || on_rayon::$shape(&rayon $(, $argument)*)),
        }
    }};
}

/// Returns the rows. The pools of a row are built when the iterator reaches it.
pub fn rows() -> impl Iterator<Item = Row> {
    ramp_ups().chain(spreads()).chain(sections()).chain(callers()).chain(lives())
}

fn ramp_ups() -> impl Iterator<Item = Row> {
    let shapes = ["loop", "nested loops", "lines", "join tree", "left comb", "scope", "bridge"];
    shapes.into_iter().flat_map(|how| {
        [16, 128].into_iter().map(move |threads| {
            row!(format!("last item begins, {how}"), threads, ramp_up, threads, how)
        })
    })
}

fn spreads() -> impl Iterator<Item = Row> {
    /// A name, the number of items, and which of them are long.
    type Skew = (&'static str, usize, fn(usize) -> bool);
    let shapes: [Skew; 3] = [
        ("8 long of 400, spread", 400, |i| i % 50 == 25),
        ("8 long of 400, together", 400, |i| (200..208).contains(&i)),
        ("20,000 short, then 16 long", 20_016, |i| i >= 20_000),
    ];
    shapes
        .into_iter()
        .map(|(name, items, is_long)| row!(name.to_string(), 8, skewed, items, is_long))
}

fn sections() -> impl Iterator<Item = Row> {
    let ticks = [
        ("4 items of 200 ns every 100 µs", us(100), 4, Duration::from_nanos(200)),
        ("16 items of 1 µs every ms", us(1_000), 16, us(1)),
        ("64 items of 5 µs every 5 ms", us(5_000), 64, us(5)),
        ("4 items of 100 ns every 20 ms", us(20_000), 4, Duration::from_nanos(100)),
    ];
    let sections = [2, 8, 64].into_iter().flat_map(move |threads| {
        ticks.into_iter().map(move |(name, every, items, item)| {
            row!(name.to_string(), threads, ticks, Ticks { every, items, item })
        })
    });
    let channels = [1_000, 5_000].into_iter().map(|every| {
        row!(format!("50 µs every {every} µs over a channel"), 4, slow_channel, us(every))
    });
    sections.chain(channels)
}

fn callers() -> impl Iterator<Item = Row> {
    let row = |beside_a_loop| match beside_a_loop {
        true => row!("a call beside a loop".to_string(), 2, beside_a_loop),
        false => row!("a call beside a recursion".to_string(), 2, beside_a_recursion),
    };
    [true, false].into_iter().map(row)
}

fn lives() -> impl Iterator<Item = Row> {
    [2, 8, 64].into_iter().map(|threads| Row {
        name: "20 pools made, used and dropped".to_string(),
        threads,
        filch: Box::new(move || on_filch::life(threads)),
        rayon: Box::new(move || on_rayon::life(threads)),
    })
}
