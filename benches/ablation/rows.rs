//! The rows. Each takes some milliseconds, and asserts its result.

use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use filch::ThreadPool;
use filch::prelude::*;

use crate::clock::{Sample, measure};
use crate::workloads::{
    Fib, Filch, Fork, Integrate, LeftComb, MergeSort, Queens, RightComb, Spin, TaskPool, TreeSum,
    Workload, is_filled, submit_from_outside,
};

/// Does a row's work once, and measures it.
pub type Run = Box<dyn FnMut() -> Sample>;

pub struct Row {
    /// Describes the work, and ends with the number of threads.
    pub name: String,
    pub make: Box<dyn Fn() -> Run>,
}

/// A row that calls `shape` with a pool of `threads` threads.
fn row(name: &str, threads: usize, shape: impl Fn(&ThreadPool) -> Sample + Copy + 'static) -> Row {
    let make = move || -> Run {
        let pool = Filch::pool(threads);
        Box::new(move || shape(&pool))
    };
    Row { name: format!("{name} {threads}"), make: Box::new(make) }
}

pub fn all() -> Vec<Row> {
    let parts = [recursions(), short_forks(), tasks(), loops(), callers(), naps(), wide()];
    parts.into_iter().flatten().collect()
}

/// A row that makes a workload for each run, and does it `times` times within the pool.
fn work<W: Workload + 'static>(
    name: &str,
    threads: usize,
    times: usize,
    make: impl Fn() -> W + Copy + 'static,
) -> Row {
    row(name, threads, move |pool| {
        let work = make();
        inside(pool, times, || assert!(work.is_right(&work.run::<Filch>(&mut ()))))
    })
}

/// Measures `times` consecutive calls of `f` within the pool.
fn inside(pool: &ThreadPool, times: usize, f: impl Fn() + Sync) -> Sample {
    pool.install(|| measure(|| (0..times).for_each(|_| f())).1)
}

/// Measures `times` consecutive calls of `f` outside the pool.
fn outside(times: usize, f: impl Fn()) -> Sample {
    measure(|| (0..times).for_each(|_| f())).1
}

const fn us(microseconds: u64) -> Duration {
    Duration::from_micros(microseconds)
}

fn spin(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        std::hint::spin_loop();
    }
}

fn recursions() -> Vec<Row> {
    let integrate = || Integrate { to: 1e4, epsilon: 1.0 };
    let (left, right) = (
        || LeftComb { nodes: 400, spin: Spin::micros(5) },
        || RightComb { nodes: 400, spin: Spin::micros(5) },
    );
    vec![
        work("fib", 1, 1, || Fib(25)),
        work("fib", 2, 1, || Fib(28)),
        work("nqueens", 2, 1, || Queens(10)),
        work("integrate", 2, 1, integrate),
        work("tree sum, 131,071 nodes", 2, 1, || TreeSum::new(17)),
        work("merge sort", 2, 1, || MergeSort::new(1 << 16)),
        work("left comb, 5 µs a node", 2, 1, left),
        work("right comb, 5 µs a node", 2, 1, right),
        row("skynet of scopes", 1, skynet),
        row("skynet of scopes", 2, skynet),
    ]
}

/// 10,000 leaves under scopes of ten tasks each.
fn skynet(pool: &ThreadPool) -> Sample {
    fn sum(first: usize, leaves: usize) -> usize {
        if leaves == 1 {
            return first;
        }
        let part = leaves / 10;
        let mut sums = [0; 10];
        filch::scope(|s| {
            for (i, slot) in sums.iter_mut().enumerate() {
                s.spawn(move || *slot = sum(first + i * part, part));
            }
        });
        sums.iter().sum()
    }
    inside(pool, 1, || assert_eq!(sum(0, 10_000), 49_995_000))
}

/// Two closures of `time` each.
fn pair(time: Duration) {
    filch::join(|| spin(time), || spin(time));
}

fn short_forks() -> Vec<Row> {
    let empty = |pool: &ThreadPool| {
        inside(pool, 20_000, || assert_eq!(filch::join(|| black_box(1), || black_box(2)), (1, 2)))
    };
    let chain = |pool: &ThreadPool| {
        inside(pool, 20_000, || {
            let ((a, b), c) =
                filch::join(|| filch::join(|| black_box(1), || black_box(2)), || black_box(3));
            assert_eq!(a + b + c, 6);
        })
    };
    let rested = |pool: &ThreadPool, time| {
        pool.install(|| {
            thread::sleep(us(1_500));
            measure(|| pair(time)).1
        })
    };
    vec![
        row("join of empty closures", 1, empty),
        row("join of empty closures", 2, empty),
        row("two nested joins of empty closures", 2, chain),
        row("join of 300 ns closures", 2, |pool| {
            inside(pool, 2_000, || pair(Duration::from_nanos(300)))
        }),
        row("join of 2 µs closures", 2, |pool| inside(pool, 500, || pair(us(2)))),
        row("join of 20 µs closures", 2, |pool| inside(pool, 100, || pair(us(20)))),
        row("join of 20 µs closures, rested", 2, move |pool| rested(pool, us(20))),
        row("join of 200 µs closures, rested", 2, move |pool| rested(pool, us(200))),
        work("tree sum, 15 nodes", 2, 2_000, || TreeSum::new(4)),
        work("tree sum, 1,023 nodes", 2, 200, || TreeSum::new(10)),
        row("join of 100 µs closures after 100 of empty ones", 2, |pool| {
            inside(pool, 20, || {
                for _ in 0..100 {
                    filch::join(|| black_box(1), || black_box(2));
                    spin(us(1));
                }
                pair(us(100));
            })
        }),
        row("loops between joins of empty closures", 2, |pool| {
            inside(pool, 2_000, || {
                filch::join(|| black_box(1), || black_box(2));
                spin(us(1));
            })
        }),
    ]
}

/// Scopes of `tasks` empty tasks each.
fn scopes(pool: &ThreadPool, times: usize, tasks: usize) -> Sample {
    inside(pool, times, || {
        let mut slots = vec![0; tasks];
        Filch::fill(&mut (), &mut slots);
        assert!(is_filled(&slots));
    })
}

/// A worker spawns `tasks` tasks of `time` each, one after the other.
fn flood(pool: &ThreadPool, tasks: usize, time: Duration) -> Sample {
    inside(pool, 1, || {
        let done = AtomicUsize::new(0);
        filch::scope(|s| {
            for _ in 0..tasks {
                s.spawn(|| {
                    if !time.is_zero() {
                        spin(time);
                    }
                    done.fetch_add(1, Ordering::Relaxed);
                });
            }
        });
        assert_eq!(done.into_inner(), tasks);
    })
}

/// Each task spawns two more, down to 2^`depth` leaves.
fn spread(pool: &ThreadPool, depth: u32) -> Sample {
    fn two<'s>(s: &'s filch::Scope<'s, '_>, depth: u32, leaves: &'s AtomicUsize) {
        if depth == 0 {
            leaves.fetch_add(1, Ordering::Relaxed);
            return;
        }
        for _ in 0..2 {
            s.spawn(move || two(s, depth - 1, leaves));
        }
    }
    inside(pool, 1, || {
        let leaves = AtomicUsize::new(0);
        filch::scope(|s| two(s, depth, &leaves));
        assert_eq!(leaves.load(Ordering::Relaxed), 1 << depth);
    })
}

/// Each task spawns the next one.
fn chain(pool: &ThreadPool, tasks: usize) -> Sample {
    fn one<'s>(s: &'s filch::Scope<'s, '_>, left: usize) {
        if left > 0 {
            s.spawn(move || one(s, left - 1));
        }
    }
    inside(pool, 1, || filch::scope(|s| one(s, tasks)))
}

/// Spawns all tasks, and then joins their handles.
fn handles(pool: &ThreadPool, tasks: usize) -> Sample {
    inside(pool, 1, || {
        let handles: Vec<_> = (0..tasks).map(|i| filch::spawn(move || i)).collect();
        let sum: usize = handles.into_iter().map(|handle| handle.join().unwrap()).sum();
        assert_eq!(sum, tasks * (tasks - 1) / 2);
    })
}

/// Measures the end of a cancelled scope with `tasks` queued tasks.
fn cancelled(pool: &ThreadPool, tasks: usize) -> Sample {
    pool.install(|| {
        let (token, mut start) = (filch::CancelToken::new(), None);
        let result = filch::scope_with(&token, |s| {
            // This keeps the other worker busy.
            s.spawn(|| while !token.is_cancelled() {});
            (0..tasks).for_each(|_| drop(s.spawn(|| ())));
            start = Some(Instant::now());
            token.cancel();
        });
        let wall = start.map_or(0.0, |start| start.elapsed().as_secs_f64() * 1e9);
        assert!(result.is_err() && wall > 0.0);
        Sample { wall, cpu: None }
    })
}

/// Scopes of two tasks, while handles of ended tasks are held. Measures the slowest number of
/// handles, where the allocator of tasks may be at the edge between two slabs.
fn scopes_at_an_edge(pool: &ThreadPool) -> Sample {
    const HELD: usize = 140;
    let least =
        |samples: [Sample; 3]| samples.map(|sample| sample.wall).into_iter().fold(1e9, f64::min);
    let slowest = pool.install(|| {
        filch::scope(|s| {
            let mut held = Vec::new();
            let times = (0..HELD).map(|i| {
                // A closure as large as those of the scopes.
                held.push(s.spawn(move || _ = black_box((i, i))));
                while filch::yield_local() == Some(filch::Yield::Executed) {}
                least([(); 3].map(|()| scopes(pool, 20, 2)))
            });
            times.fold(0.0, f64::max)
        })
    });
    Sample { wall: slowest, cpu: None }
}

/// Detached tasks from `submitters` threads outside the pool.
fn detached(pool: &ThreadPool, submitters: usize) -> Sample {
    let (left, sample) = measure(|| submit_from_outside::<Filch>(pool, submitters, 10_000));
    assert_eq!(left, 0);
    sample
}

/// A thread outside the pool spawns a task in each interval.
fn stream(pool: &ThreadPool, tasks: usize, every: Duration) -> Sample {
    measure(|| {
        let mut next = Instant::now();
        let handles: Vec<_> = (0..tasks)
            .map(|i| {
                while Instant::now() < next {
                    std::hint::spin_loop();
                }
                next += every;
                pool.spawn(move || i)
            })
            .collect();
        let sum: usize = handles.into_iter().map(|handle| handle.join().unwrap()).sum();
        assert_eq!(sum, tasks * (tasks - 1) / 2);
    })
    .1
}

fn tasks() -> Vec<Row> {
    let both =
        |name: &str, shape: fn(&ThreadPool) -> Sample| [row(name, 1, shape), row(name, 2, shape)];
    let mut rows: Vec<Row> = [
        both("flat scope", |pool| scopes(pool, 1, 20_000)),
        both("scopes of three tasks", |pool| scopes(pool, 1_000, 3)),
        both("scopes of 40 tasks", |pool| scopes(pool, 200, 40)),
        both("tasks that spawn two", |pool| spread(pool, 13)),
        both("chain of tasks", |pool| chain(pool, 10_000)),
        both("spawn, then join each", |pool| handles(pool, 5_000)),
        both("cancelled scope of 1,000,000", |pool| cancelled(pool, 1_000_000)),
        both("detached by one thread", |pool| detached(pool, 1)),
        both("detached by two threads", |pool| detached(pool, 2)),
    ]
    .into_iter()
    .flatten()
    .collect();
    rows.extend([
        row("scopes of two tasks at an edge", 1, scopes_at_an_edge),
        row("flood of 300 ns tasks", 2, |pool| flood(pool, 5_000, Duration::from_nanos(300))),
        row("flood of 3 µs tasks", 2, |pool| flood(pool, 1_000, us(3))),
        row("flood of 50 µs tasks", 2, |pool| flood(pool, 60, us(50))),
        row("flood of 20 tasks of 20 µs", 2, |pool| flood(pool, 20, us(20))),
        row("tasks from outside every µs", 2, |pool| stream(pool, 3_000, us(1))),
        row("tasks from outside every 3 µs", 2, |pool| stream(pool, 1_000, us(3))),
    ]);
    rows
}

/// Sums `items` numbers, `times` times.
fn sum(pool: &ThreadPool, times: usize, items: u64) -> Sample {
    inside(pool, times, || {
        let sum: u64 = (0..black_box(items)).into_par_iter().map(|i| i ^ 1).sum();
        assert_eq!(sum, items * (items - 1) / 2);
    })
}

/// A loop over `items` items. All after the first `short` items take `long` each.
fn skewed(pool: &ThreadPool, items: usize, short: usize, long: Duration) -> Sample {
    inside(pool, 1, || {
        let sum: usize = (0..items)
            .into_par_iter()
            .map(|i| {
                if i >= short {
                    spin(long);
                }
                i
            })
            .sum();
        assert_eq!(sum, items * (items - 1) / 2);
    })
}

fn nested(pool: &ThreadPool, outer: u64, inner: u64) -> Sample {
    inside(pool, 10, || {
        let rows = (0..outer)
            .into_par_iter()
            .map(|i| (0..black_box(inner)).into_par_iter().map(|j| i ^ j).sum::<u64>());
        assert!(rows.sum::<u64>() > 0);
    })
}

fn loops() -> Vec<Row> {
    vec![
        row("loop of 100", 1, |pool| sum(pool, 2_000, 100)),
        row("loop of 100", 2, |pool| sum(pool, 2_000, 100)),
        row("loop of 1,000", 2, |pool| sum(pool, 1_000, 1_000)),
        row("loop of 10,000", 2, |pool| sum(pool, 200, 10_000)),
        row("loop of 1,000,000", 1, |pool| sum(pool, 2, 1_000_000)),
        row("loop of 1,000,000", 2, |pool| sum(pool, 4, 1_000_000)),
        row("loop of 60 of 10 µs", 2, |pool| skewed(pool, 60, 0, us(10))),
        row("loop of 4 of 200 µs", 2, |pool| skewed(pool, 4, 0, us(200))),
        row("loop of 33 of 100 µs", 2, |pool| skewed(pool, 33, 0, us(100))),
        row("loop of 3,000 of 1 µs", 2, |pool| skewed(pool, 3_000, 0, us(1))),
        row("loop of 5,000 short, 20 of 100 µs", 2, |pool| skewed(pool, 5_020, 5_000, us(100))),
        row("nested loops, 100 of 1,000", 2, |pool| nested(pool, 100, 1_000)),
        row("nested loops, 1,000 of 4", 2, |pool| nested(pool, 1_000, 4)),
        row("nested loops, 1,000 of 16", 2, |pool| nested(pool, 1_000, 16)),
        row("fold of 200 of 100 µs into 128 KiB", 2, |pool| {
            inside(pool, 1, || {
                let counts = || vec![0_u32; 1 << 15];
                let count = |mut counts: Vec<u32>, i: usize| {
                    spin(us(100));
                    counts[i] += 1;
                    counts
                };
                let add = |mut a: Vec<u32>, b: Vec<u32>| {
                    a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
                    a
                };
                let all = (0..200).into_par_iter().fold(counts, count).reduce(counts, add);
                assert_eq!(all.iter().sum::<u32>(), 200);
            })
        }),
        row("map and collect, 100,000", 2, |pool| {
            inside(pool, 10, || {
                let squares: Vec<u64> = (0..100_000u64).into_par_iter().map(|i| i * i).collect();
                assert_eq!(squares.len(), 100_000);
            })
        }),
        row("bridge of 2,000", 2, |pool| {
            inside(pool, 1, || {
                let sum: u64 = (0..2_000u64).par_bridge().inspect(|_| spin(us(1))).sum();
                assert_eq!(sum, 1_999_000);
            })
        }),
    ]
}

fn callers() -> Vec<Row> {
    let tree = |pool: &ThreadPool, times, depth, installs: bool| {
        let work = TreeSum::new(depth);
        outside(times, || {
            let run = |cx: &mut ()| work.run::<Filch>(cx);
            let sum = if installs { Filch::install(pool, run) } else { Filch::enter(pool, run) };
            assert!(work.is_right(&sum));
        })
    };
    let rested = |pool: &ThreadPool, f: &dyn Fn(&ThreadPool)| {
        thread::sleep(us(1_500));
        outside(1, || f(pool))
    };
    vec![
        row("empty installs", 2, |pool| outside(200, || pool.install(|| ()))),
        row("empty install, rested", 2, move |pool| rested(pool, &|pool| pool.install(|| ()))),
        row("empty joins from outside", 2, |pool| {
            outside(2_000, || assert_eq!(pool.join(|| 1, || 2), (1, 2)))
        }),
        row("empty join from outside, rested", 2, move |pool| {
            rested(pool, &|pool| assert_eq!(pool.join(|| 1, || 2), (1, 2)))
        }),
        row("join of 100 µs from outside, rested", 2, move |pool| {
            rested(pool, &|pool| _ = pool.join(|| spin(us(100)), || spin(us(100))))
        }),
        row("tree sum, 1,023 nodes, outside", 2, move |pool| tree(pool, 200, 10, false)),
        row("tree sum, 1,023 nodes, installed", 2, move |pool| tree(pool, 100, 10, true)),
        row("tree sum, 131,071 nodes, installed", 2, move |pool| tree(pool, 3, 17, true)),
    ]
}

/// Small loops, one in each interval `every`.
fn ticks(pool: &ThreadPool, times: u32, every: Duration, items: u32, item: Duration) -> Sample {
    outside(times as usize, || {
        thread::sleep(every);
        let work = || (0..items).into_par_iter().with_max_len(1).for_each(|_| spin(item));
        pool.install(work);
    })
}

fn naps() -> Vec<Row> {
    let ticking = |threads| {
        [
            row("4 items of 200 ns every 100 µs", threads, |pool| {
                ticks(pool, 30, us(100), 4, Duration::from_nanos(200))
            }),
            row("16 items of 1 µs every ms", threads, |pool| ticks(pool, 6, us(1_000), 16, us(1))),
            row("64 items of 5 µs every 5 ms", threads, |pool| {
                ticks(pool, 2, us(5_000), 64, us(5))
            }),
        ]
    };
    let section = |pool: &ThreadPool, rest: Duration| {
        inside(pool, 60, || {
            spin(rest);
            pair(us(15));
        })
    };
    let mut rows: Vec<Row> = [2, 8].into_iter().flat_map(ticking).collect();
    rows.extend([
        row("join of 15 µs closures every 45 µs", 2, move |pool| section(pool, us(30))),
        row("join of 15 µs closures every 215 µs", 2, move |pool| section(pool, us(200))),
    ]);
    rows
}

/// How long an item of a wide row sleeps. An item that sleeps needs no processor.
const ITEM: Duration = us(1_000);

fn wide() -> Vec<Row> {
    fn tree(n: usize) {
        if n <= 1 {
            return thread::sleep(ITEM);
        }
        filch::join(|| tree(n / 2), || tree(n - n / 2));
    }
    fn comb(n: usize) {
        if n <= 1 {
            return thread::sleep(ITEM);
        }
        filch::join(|| comb(n - 1), || thread::sleep(ITEM));
    }
    fn tasks(n: usize) {
        filch::scope(|s| (0..n).for_each(|_| drop(s.spawn(|| thread::sleep(ITEM)))));
    }
    let skewed = |pool: &ThreadPool, is_long: fn(usize) -> bool, items: usize| {
        inside(pool, 1, || {
            (0..items).into_par_iter().for_each(|i| {
                if is_long(i) {
                    thread::sleep(ITEM);
                }
            });
        })
    };
    let nap = |pool: &ThreadPool, f: fn(usize), n: usize| {
        thread::sleep(us(1_500));
        inside(pool, 1, || f(n))
    };
    vec![
        row("join tree of 64 that sleep", 8, move |pool| nap(pool, tree, 64)),
        row("left comb of 64 that sleep", 8, move |pool| nap(pool, comb, 64)),
        row("scope of 64 that sleep", 8, move |pool| nap(pool, tasks, 64)),
        row("scope of 16 that sleep", 16, move |pool| nap(pool, tasks, 16)),
        row("join tree of 16 that sleep", 16, move |pool| nap(pool, tree, 16)),
        row("broadcast of one that sleeps", 64, |pool| {
            thread::sleep(us(1_500));
            outside(1, || drop(pool.broadcast(|_| thread::sleep(ITEM))))
        }),
        row("loop of 8 that sleep", 8, move |pool| skewed(pool, |_| true, 8)),
        row("loop of 64 that sleep", 8, move |pool| skewed(pool, |_| true, 64)),
        row("8 of 400 sleep, spread", 8, move |pool| skewed(pool, |i| i % 50 == 25, 400)),
        row("8 of 400 sleep, together", 8, move |pool| {
            skewed(pool, |i| (200..208).contains(&i), 400)
        }),
        row("20,000 short, then 16 that sleep", 8, move |pool| {
            skewed(pool, |i| i >= 20_000, 20_016)
        }),
    ]
}
