//! A short task of 100 us every 5 ms, beside long tasks of 1 ms that are always queued. Measures
//! how long the short task takes from its submission to its end. Also measures the throughput of
//! long tasks, as a share of that without short tasks.
//!
//! With filch, short tasks have high priority, and long tasks low priority. rayon has no
//! priorities: with one pool, both kinds are queued there. With two pools, the system divides the
//! processors between them. Plain threads that take short tasks first show what the machine adds.
//! `cargo bench --bench priorities`.

use std::collections::VecDeque;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use filch::Priority;

const THREADS: usize = 2;
const ROUNDS: usize = 5;
/// How long each part of a round takes.
const PART: Duration = Duration::from_millis(1_500);
const LONG: Duration = Duration::from_millis(1);
const SHORT: Duration = Duration::from_micros(100);
const INTERVAL: Duration = Duration::from_millis(5);
/// How many long tasks are queued at any time.
const QUEUED: usize = 64;

/// How many steps of work take about a microsecond.
static STEPS: AtomicUsize = AtomicUsize::new(0);

fn steps(count: usize) {
    let mut state = 1_u64;
    for _ in 0..count {
        state = black_box(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    }
}

fn calibrate() {
    let count = 10_000_000;
    let start = Instant::now();
    steps(count);
    STEPS.store(count / start.elapsed().as_micros() as usize, Ordering::Relaxed);
}

fn work(time: Duration) {
    steps(STEPS.load(Ordering::Relaxed) * time.as_micros() as usize);
}

type Job = Box<dyn FnOnce() + Send>;

/// The pool or pools in which both kinds of tasks are queued.
trait Pools: Send + Sync + 'static {
    fn long(&self, job: Job);
    fn short(&self, job: Job);
}

struct Filch(filch::ThreadPool);

impl Pools for Filch {
    fn long(&self, job: Job) {
        drop(self.0.task().priority(Priority::Low).spawn(job));
    }

    fn short(&self, job: Job) {
        drop(self.0.task().priority(Priority::High).spawn(job));
    }
}

/// The pool of the long tasks, and the pool of the short tasks if it is a separate one.
struct Rayon(rayon::ThreadPool, Option<rayon::ThreadPool>);

impl Pools for Rayon {
    fn long(&self, job: Job) {
        self.0.spawn(job);
    }

    fn short(&self, job: Job) {
        self.1.as_ref().unwrap_or(&self.0).spawn(job);
    }
}

/// Plain threads, with one list of tasks under a lock for each kind, short ones first.
struct Plain(Arc<Mutex<[VecDeque<Job>; 2]>>);

impl Plain {
    fn new() -> Self {
        let lists = Arc::default();
        for _ in 0..THREADS {
            let lists = Arc::downgrade(&lists);
            thread::spawn(move || {
                while let Some(lists) = lists.upgrade() {
                    let first = |lists: &Mutex<[VecDeque<Job>; 2]>| {
                        lists.lock().unwrap().iter_mut().find_map(VecDeque::pop_front)
                    };
                    first(&lists).unwrap_or_else(|| Box::new(thread::yield_now))();
                }
            });
        }
        Plain(lists)
    }
}

impl Pools for Plain {
    fn long(&self, job: Job) {
        self.0.lock().unwrap()[1].push_back(job);
    }

    fn short(&self, job: Job) {
        self.0.lock().unwrap()[0].push_back(job);
    }
}

fn rayon_pool() -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(THREADS).build().unwrap()
}

struct Run<P> {
    pools: P,
    stops: AtomicBool,
    long_ended: AtomicUsize,
    latencies: Mutex<Vec<Duration>>,
}

/// Queues a long task, which queues the next one.
fn spawn_long<P: Pools>(run: &Arc<Run<P>>) {
    let next = run.clone();
    run.pools.long(Box::new(move || {
        work(LONG);
        next.long_ended.fetch_add(1, Ordering::Relaxed);
        if !next.stops.load(Ordering::Relaxed) {
            spawn_long(&next);
        }
    }));
}

fn spawn_short<P: Pools>(run: &Arc<Run<P>>) {
    let (theirs, submitted) = (run.clone(), Instant::now());
    run.pools.short(Box::new(move || {
        work(SHORT);
        theirs.latencies.lock().unwrap().push(submitted.elapsed());
    }));
}

/// Calls `beside` at each interval for a while. Returns how many long tasks ended per second.
fn part<P: Pools>(run: &Arc<Run<P>>, beside: impl Fn()) -> f64 {
    let (start, before) = (Instant::now(), run.long_ended.load(Ordering::Relaxed));
    while start.elapsed() < PART {
        beside();
        thread::sleep(INTERVAL);
    }
    let ended = run.long_ended.load(Ordering::Relaxed) - before;
    ended as f64 / start.elapsed().as_secs_f64()
}

/// Returns the latencies of short tasks, and the share of the long tasks.
fn round<P: Pools>(pools: P) -> (Vec<Duration>, f64) {
    let run = Arc::new(Run {
        pools,
        stops: AtomicBool::new(false),
        long_ended: AtomicUsize::new(0),
        latencies: Mutex::default(),
    });
    (0..QUEUED).for_each(|_| spawn_long(&run));
    let parts = [part(&run, || ()), part(&run, || spawn_short(&run)), part(&run, || ())];
    run.stops.store(true, Ordering::Relaxed);
    // A pool must not be dropped by one of its own tasks.
    while Arc::strong_count(&run) > 1 {
        thread::sleep(INTERVAL);
    }
    let latencies = std::mem::take(&mut *run.latencies.lock().unwrap());
    (latencies, parts[1] / ((parts[0] + parts[2]) / 2.0))
}

#[derive(Default)]
struct Row {
    latencies: Vec<Duration>,
    shares: Vec<f64>,
}

impl Row {
    fn add(&mut self, (latencies, share): (Vec<Duration>, f64)) {
        self.latencies.extend(latencies);
        self.shares.push(share);
    }

    fn print(mut self, name: &str) {
        self.latencies.sort();
        self.shares.sort_by(f64::total_cmp);
        let at = |part: f64| self.latencies[(part * self.latencies.len() as f64) as usize];
        let share = self.shares[self.shares.len() / 2];
        println!("| {name} | {:.2?} | {:.2?} | {share:.3} |", at(0.5), at(0.99));
    }
}

fn main() {
    calibrate();
    let [mut filch, mut one, mut two, mut plain] = [(); 4].map(|()| Row::default());
    for _ in 0..ROUNDS {
        let builder = filch::ThreadPoolBuilder::new().num_threads(THREADS);
        filch.add(round(Filch(builder.build().unwrap())));
        one.add(round(Rayon(rayon_pool(), None)));
        two.add(round(Rayon(rayon_pool(), Some(rayon_pool()))));
        plain.add(round(Plain::new()));
    }
    println!("| {THREADS} threads | short: median | 99 % | long: share |");
    println!("| --- | ---: | ---: | ---: |");
    filch.print("filch, priorities");
    one.print("rayon, one pool");
    two.print("rayon, two pools");
    plain.print("plain threads");
}
