//! The rows: graphs of four shapes, pipelines of 3 to 8 stages, and gangs.

use std::hint::black_box;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Instant;

use filch::graph::{Graph, Node, Outcome};
use filch::{ThreadPool, ThreadPoolBuilder};

use crate::tiles::{Steps, factored};
use crate::{Row, Run};

/// How many spins of `work` take about a microsecond.
const MICROSECOND: u32 = 600;
/// How many runs are measured, after a warm-up. The best one counts.
const REPEATS: usize = 4;

/// Returns the rows. `steps` are those of a tiled Cholesky factorization, if they could be built.
pub fn rows(steps: Option<Steps>) -> Vec<Row> {
    let mut rows = Vec::new();
    for threads in [1, 2] {
        for (task, spins) in [("empty", 0), ("1 us", MICROSECOND)] {
            for shape in ["chain", "tree", "wavefront", "random"] {
                rows.push(graph(shape, task, spins, threads));
            }
        }
    }
    for shape in ["stencil", "fft", "tree"] {
        rows.push(shortest_task(shape));
    }
    if let Some(steps) = steps {
        rows.extend([64, 128, 256].map(|tile| cholesky(steps, tile)));
    }
    for stages in [3, 5, 8] {
        for (micros, items) in [(1, 10_000), (10, 2_000), (100, 200)] {
            rows.push(pipeline(stages, items, micros));
        }
    }
    for members in [2, 8] {
        rows.push(empty_gang(members));
        rows.push(barrier(members));
    }
    rows
}

/// The work of a task, which no compiler can shorten.
fn work(mut x: u64, spins: u32) -> u64 {
    for _ in 0..spins {
        x = (x ^ (x >> 27)).wrapping_mul(6_364_136_223_846_793_005);
    }
    x
}

fn pool(threads: usize) -> ThreadPool {
    ThreadPoolBuilder::new().num_threads(threads).build().expect("cannot build a pool")
}

/// Returns the best time of an operation in `REPEATS` runs of `operations`, in nanoseconds.
fn best(operations: usize, mut run: impl FnMut()) -> f64 {
    let times = (0..=REPEATS).map(|_| {
        let begin = Instant::now();
        run();
        begin.elapsed().as_nanos() as f64 / operations as f64
    });
    times.skip(1).fold(f64::MAX, f64::min)
}

/// Measures an operation when `threads` threads do only the work, `spins` for each operation. No
/// scheduler takes less time.
fn ideal(threads: usize, operations: usize, spins: u32) -> Run {
    let share =
        move || (0..operations / threads).for_each(|i| _ = black_box(work(i as u64, spins)));
    Box::new(move || {
        best(operations, || {
            thread::scope(|s| {
                (1..threads).for_each(|_| _ = s.spawn(share));
                share();
            });
        })
    })
}

// ---- Graphs ----

const NODES: usize = 10_000;

fn mixed(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Returns the predecessors of each task.
fn edges(shape: &str) -> Vec<Vec<usize>> {
    (0..NODES).map(|i| before(shape, i)).collect()
}

/// Returns the predecessors of task `i`.
fn before(shape: &str, i: usize) -> Vec<usize> {
    match shape {
        _ if i == 0 => Vec::new(),
        "chain" => vec![i - 1],
        "tree" => vec![(i - 1) / 2],
        "wavefront" => {
            let side = NODES.isqrt();
            let above = i.checked_sub(side);
            above.into_iter().chain((i % side > 0).then(|| i - 1)).collect()
        }
        "stencil" => {
            let row = i / 100 * 100;
            let near = i.saturating_sub(1).max(row)..(i + 2).min(row + 100);
            if row == 0 { Vec::new() } else { near.map(|above| above - 100).collect() }
        }
        "fft" if i < 512 => Vec::new(),
        "fft" => {
            let above = i - 512;
            vec![above, above / 512 * 512 + ((above % 512) ^ (1 << (above / 512 % 9)))]
        }
        _ => {
            let draw = |k: u64| mixed(3 * i as u64 + k) as usize % i.min(64);
            (0..3).map(|k| i - 1 - draw(k)).collect()
        }
    }
}

/// Builds a graph with these edges.
fn built(edges: &[Vec<usize>], spins: u32) -> Graph<'static> {
    let mut graph = Graph::new();
    let mut nodes: Vec<Node<()>> = Vec::new();
    for (i, before) in edges.iter().enumerate() {
        let node = graph.task((), move |()| _ = black_box(work(i as u64, spins)));
        for &earlier in before {
            node.after(&nodes[earlier]);
        }
        nodes.push(node);
    }
    graph
}

fn run_once(graph: &mut Graph<'_>, pool: &ThreadPool) {
    let report = pool.install(|| graph.run()).expect("no cycle");
    assert_eq!(report.count(Outcome::Ran), NODES);
}

fn graph(shape: &'static str, task: &str, spins: u32, threads: usize) -> Row {
    let (again, anew, edges) = (pool(threads), pool(threads), edges(shape));
    let mut graph = built(&edges, spins);
    let run = move || best(NODES, || run_once(&mut graph, &again));
    let build_and_run = move || best(NODES, || run_once(&mut built(&edges, spins), &anew));
    let arguments = ["graph", shape, &NODES.to_string(), &spins.to_string()];
    let mut arguments: Vec<String> = arguments.map(String::from).to_vec();
    arguments.extend([threads.to_string(), REPEATS.to_string()]);
    Row {
        name: format!("{shape} of {task} tasks"),
        threads,
        ideal: (spins > 0).then(|| ideal(if shape == "chain" { 1 } else { threads }, NODES, spins)),
        runs: vec![("filch", Box::new(run)), ("built each time", Box::new(build_and_run))],
        arguments,
    }
}

/// Returns how long work of `spins` takes, in nanoseconds.
fn alone(spins: u32) -> f64 {
    best(1000, || (0..1000).for_each(|i| _ = black_box(work(i, spins))))
}

/// Returns the shortest work of a task, in nanoseconds, for which a run takes at most twice as long
/// as the work alone (METG 50 % of Task Bench).
fn metg(threads: usize, mut time: impl FnMut(u32) -> f64) -> f64 {
    let mut spins = 8.0_f64;
    while 2.0 * alone(spins as u32) < time(spins as u32) * threads as f64 {
        spins *= 1.19;
    }
    alone(spins as u32)
}

fn shortest_task(shape: &'static str) -> Row {
    const THREADS: usize = 2;
    let (pool, other, edges) = (pool(THREADS), pool(THREADS), Arc::new(edges(shape)));
    let same = edges.clone();
    let again = move || {
        metg(THREADS, |spins| {
            let mut graph = built(&edges, spins);
            best(NODES, || run_once(&mut graph, &pool))
        })
    };
    let anew =
        move || metg(THREADS, |spins| best(NODES, || run_once(&mut built(&same, spins), &other)));
    let arguments = ["metg", shape, &NODES.to_string(), &THREADS.to_string(), &REPEATS.to_string()];
    Row {
        name: format!("shortest task of which half is used, {shape}"),
        threads: THREADS,
        ideal: None,
        runs: vec![("filch", Box::new(again)), ("built each time", Box::new(anew))],
        arguments: arguments.map(String::from).to_vec(),
    }
}

fn cholesky(steps: Steps, tile: usize) -> Row {
    const ROWS: usize = 2048;
    const THREADS: usize = 2;
    let pool = pool(THREADS);
    let run = move || {
        let times = (0..REPEATS).map(|_| factored(&pool, steps, ROWS, tile));
        times.fold(f64::MAX, f64::min)
    };
    let sizes = [ROWS, tile, THREADS, REPEATS - 1].map(|size| size.to_string());
    Row {
        name: format!("Cholesky of {ROWS} rows, tiles of {tile}"),
        threads: THREADS,
        ideal: None,
        runs: vec![("filch", Box::new(run))],
        arguments: ["cholesky".to_owned()].into_iter().chain(sizes).collect(),
    }
}

// ---- Pipelines ----

/// A pipeline whose first and last stages are serial and in order. The others are parallel.
fn pipeline(stages: usize, items: usize, micros: u32) -> Row {
    let spins = micros * MICROSECOND;
    let pool = pool(2);
    let run = move || {
        best(items, || {
            let source = (0..items as u64).map(move |item| work(item, spins));
            let source = filch::pipeline(source);
            let stage = move |item| work(item, spins);
            let mut sum = 0_u64;
            let sink = |item| sum = sum.wrapping_add(work(item, spins));
            pool.install(|| match stages {
                3 => source.parallel(stage).serial_in_order(sink).run(),
                5 => {
                    let source = source.parallel(stage).parallel(stage).parallel(stage);
                    source.serial_in_order(sink).run()
                }
                _ => {
                    let source = source.parallel(stage).parallel(stage).parallel(stage);
                    let source = source.parallel(stage).parallel(stage).parallel(stage);
                    source.serial_in_order(sink).run()
                }
            })
            .expect("nothing fails");
            black_box(sum);
        })
    };
    let threads = move || best(items, || by_threads(stages, items, spins));
    let arguments = ["pipeline", &stages.to_string(), &items.to_string(), &spins.to_string()];
    let mut arguments: Vec<String> = arguments.map(String::from).to_vec();
    arguments.extend(["2".to_owned(), REPEATS.to_string()]);
    Row {
        name: format!("pipeline of {stages} stages, {micros} us"),
        threads: 2,
        ideal: Some(ideal(2, items, stages as u32 * spins)),
        runs: vec![("filch", Box::new(run)), ("std threads", Box::new(threads))],
        arguments,
    }
}

/// The same pipeline with a thread for each stage, and channels of eight items between them.
fn by_threads(stages: usize, items: usize, spins: u32) {
    thread::scope(|s| {
        let (first, mut receiver) = sync_channel(8);
        s.spawn(move || {
            (0..items as u64).for_each(|item| first.send(work(item, spins)).expect("received"));
        });
        for _ in 2..stages {
            let (sender, next) = sync_channel(8);
            let from = std::mem::replace(&mut receiver, next);
            s.spawn(move || {
                from.into_iter().for_each(|item| sender.send(work(item, spins)).expect("received"));
            });
        }
        black_box(receiver.into_iter().fold(0, |sum: u64, item| sum ^ work(item, spins)));
    });
}

// ---- Gangs ----

fn gang_arguments(what: &str, members: usize, steps: usize) -> Vec<String> {
    let arguments = ["gang", what, &members.to_string(), &steps.to_string(), &REPEATS.to_string()];
    arguments.map(String::from).to_vec()
}

/// Empty gangs, one after the other. OpenMP's gangs are parallel regions.
fn empty_gang(members: usize) -> Row {
    const GANGS: usize = 1000;
    let pool = pool(members);
    let empty = move || {
        let ran = filch::gang(members, |member| black_box(member.index())).expect("small enough");
        assert_eq!(ran.len(), members);
    };
    let run = move || best(GANGS, || pool.install(|| (0..GANGS).for_each(|_| empty())));
    let team = move || {
        thread::scope(|s| {
            (1..members).for_each(|index| _ = s.spawn(move || black_box(index)));
            black_box(0);
        });
    };
    let threads = move || best(50, || (0..50).for_each(|_| team()));
    Row {
        name: format!("empty gang of {members}"),
        threads: members,
        ideal: None,
        runs: vec![("filch", Box::new(run)), ("std threads", Box::new(threads))],
        arguments: gang_arguments("empty", members, GANGS),
    }
}

fn barrier(members: usize) -> Row {
    let steps = if members > 2 { 1000 } else { 10_000 };
    let pool = pool(members);
    let run = move || {
        best(steps, || {
            let wait = |member: &mut filch::Member<'_>| (0..steps).for_each(|_| member.barrier());
            pool.gang(members, wait).expect("small enough");
        })
    };
    let threads = move || {
        best(steps, || {
            let barrier = Barrier::new(members);
            let wait = || (0..steps).for_each(|_| _ = barrier.wait());
            thread::scope(|s| {
                (1..members).for_each(|_| _ = s.spawn(wait));
                wait();
            });
        })
    };
    Row {
        name: format!("barrier of a gang of {members}"),
        threads: members,
        ideal: None,
        runs: vec![("filch", Box::new(run)), ("std::sync::Barrier", Box::new(threads))],
        arguments: gang_arguments("barrier", members, steps),
    }
}
