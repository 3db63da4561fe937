//! Large numbers of everything: tasks, frames, workers, pools and callers. Also how deep foreign
//! jobs are stacked on a worker that waits.
//!
//! A debug build runs a tenth of the tasks.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicIsize, AtomicUsize, Ordering};
use std::thread;

use common::{
    CALLERS, Flag, Gate, alone, alone_counting_threads, boom, builder, caught, failed_with,
    is_simulated_without, pool, sized, threads_return_to, watchdog,
};
use filch::{Scope, ThreadPool};

fn tasks() -> usize {
    sized(if cfg!(debug_assertions) { 1_000_000 } else { 10_000_000 }, 2_000)
}

fn fib(n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let (a, b) = filch::join(|| fib(n - 1), || fib(n - 2));
    a + b
}

// ---- Many tasks in little memory ----

/// The system's allocator, which also records the most that was allocated at once.
struct Counting;

static LIVE: AtomicIsize = AtomicIsize::new(0);
static PEAK: AtomicIsize = AtomicIsize::new(0);
static COUNTS: AtomicBool = AtomicBool::new(false);

fn changed(bytes: isize) {
    if COUNTS.load(Ordering::Relaxed) {
        let live = LIVE.fetch_add(bytes, Ordering::Relaxed) + bytes;
        PEAK.fetch_max(live, Ordering::Relaxed);
    }
}

// SAFETY: every request goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        changed(layout.size() as isize);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        changed(-(layout.size() as isize));
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// How many bytes more than before are in use at once, at most, while `body` runs.
fn peak_of(body: impl FnOnce()) -> usize {
    LIVE.store(0, Ordering::Relaxed);
    PEAK.store(0, Ordering::Relaxed);
    COUNTS.store(true, Ordering::Relaxed);
    body();
    COUNTS.store(false, Ordering::Relaxed);
    PEAK.load(Ordering::Relaxed) as usize
}

#[test]
fn tasks_that_spawn_tasks_need_little_memory() {
    /// Runs `tasks` tasks, this one included.
    fn split<'scope>(s: &'scope Scope<'scope, '_>, ended: &'scope AtomicUsize, mut tasks: usize) {
        while tasks > 1 {
            let half = tasks / 2;
            s.spawn(move || split(s, ended, half));
            tasks -= half;
        }
        ended.fetch_add(1, Ordering::Relaxed);
    }

    let _watchdog = watchdog();
    alone("tasks_that_spawn_tasks_need_little_memory", || {
        let tasks = tasks();
        for threads in [1, 2, 4] {
            let (pool, ended) = (pool(threads), AtomicUsize::new(0));
            let peak = peak_of(|| pool.scope(|s| split(s, &ended, tasks)));
            assert_eq!(ended.into_inner(), tasks);
            assert!(peak < 1 << 20, "{peak} bytes for {tasks} tasks on {threads} threads");
        }
    });
}

#[test]
fn a_loop_that_spawns_no_faster_than_tasks_end_needs_little_memory() {
    const MOST_PENDING: usize = 1_000;

    let _watchdog = watchdog();
    alone("a_loop_that_spawns_no_faster_than_tasks_end_needs_little_memory", || {
        let tasks = tasks();
        for threads in [1, 2, 4] {
            let (pool, ended) = (pool(threads), AtomicUsize::new(0));
            let peak = peak_of(|| {
                pool.scope(|s| {
                    for spawned in 0..tasks {
                        while spawned - ended.load(Ordering::Relaxed) >= MOST_PENDING {
                            filch::yield_now();
                        }
                        s.spawn(|| ended.fetch_add(1, Ordering::Relaxed));
                    }
                });
            });
            assert_eq!(ended.into_inner(), tasks);
            assert!(peak < 1 << 20, "{peak} bytes for {tasks} tasks on {threads} threads");
        }
    });
}

/// If a loop spawns faster than tasks end, each queued task costs memory: a block, and a place in
/// the queue.
#[test]
fn a_loop_that_outruns_the_workers_needs_less_than_a_hundred_bytes_a_task() {
    let _watchdog = watchdog();
    alone("a_loop_that_outruns_the_workers_needs_less_than_a_hundred_bytes_a_task", || {
        let tasks = tasks();
        let (pool, ended) = (pool(1), AtomicUsize::new(0));
        // The only worker runs the closure, so it runs no task before the closure ends.
        let peak = peak_of(|| {
            pool.scope(|s| {
                for _ in 0..tasks {
                    s.spawn(|| ended.fetch_add(1, Ordering::Relaxed));
                }
            });
        });
        assert_eq!(ended.into_inner(), tasks);
        assert!(peak < 100 * tasks, "{} bytes a task", peak / tasks);
        assert!(peak > 8 * tasks, "{} bytes a task: they were not queued", peak / tasks);
    });
}

// ---- Deep recursion ----

/// A hundred thousand, or less in a simulation.
fn deep() -> usize {
    sized(100_000, 1_000)
}

/// The large stacks take only address space until they are used.
fn deep_pool(threads: usize) -> ThreadPool {
    builder().num_threads(threads).stack_size(1 << 30).build().unwrap()
}

#[test]
fn joins_nest_a_hundred_thousand_deep() {
    fn nest(depth: usize) -> usize {
        if depth == 0 {
            return 0;
        }
        let (below, here) = filch::join(|| nest(depth - 1), || 1);
        below + here
    }

    let _watchdog = watchdog();
    for threads in [1, 2] {
        assert_eq!(deep_pool(threads).install(|| nest(deep())), deep());
    }
}

#[test]
fn joins_nest_a_hundred_thousand_deep_in_their_second_side() {
    fn nest(depth: usize) -> usize {
        if depth == 0 {
            return 0;
        }
        let (here, below) = filch::join(|| 1, || nest(depth - 1));
        below + here
    }

    let _watchdog = watchdog();
    for threads in [1, 2] {
        assert_eq!(deep_pool(threads).install(|| nest(deep())), deep());
    }
}

#[test]
fn scopes_nest_a_hundred_thousand_deep() {
    fn nest(depth: usize) -> usize {
        if depth == 0 {
            return 0;
        }
        filch::scope(|s| {
            let here = s.spawn(|| 1);
            nest(depth - 1) + here.join().unwrap()
        })
    }

    let _watchdog = watchdog();
    for threads in [1, 2] {
        assert_eq!(deep_pool(threads).install(|| nest(deep())), deep());
    }
}

#[test]
fn joined_tasks_nest_a_hundred_thousand_deep() {
    fn nest(depth: usize) -> usize {
        if depth == 0 {
            return 0;
        }
        1 + filch::spawn(move || nest(depth - 1)).join().unwrap()
    }

    let _watchdog = watchdog();
    for threads in [1, 2] {
        assert_eq!(deep_pool(threads).install(|| nest(deep())), deep());
    }
}

#[test]
fn a_panic_leaves_a_hundred_thousand_joins() {
    fn nest(depth: usize, ended: &AtomicUsize) {
        if depth == 0 {
            boom(7);
        }
        let count = || ended.fetch_add(1, Ordering::Relaxed);
        filch::join(|| nest(depth - 1, ended), count);
    }

    let _watchdog = watchdog();
    for threads in [1, 2] {
        let (pool, ended) = (deep_pool(threads), AtomicUsize::new(0));
        assert_eq!(caught(|| pool.install(|| nest(deep(), &ended))), 7);
        assert_eq!(ended.into_inner(), deep(), "a second side has not run");
    }
}

// ---- Many workers, pools and callers ----

/// Runs every operation once, each with a known result.
fn everything(pool: &ThreadPool, turn: usize) {
    assert_eq!(pool.join(|| fib(10), || fib(9)), (55, 34));
    assert_eq!(pool.join_context(|_| fib(8), |_| fib(7)), (21, 13));
    let sum = AtomicUsize::new(0);
    pool.scope(|s| {
        for i in 0..8 {
            let sum = &sum;
            s.spawn(move || sum.fetch_add(i, Ordering::Relaxed));
        }
    });
    assert_eq!(sum.into_inner(), 28);
    let joined = pool.in_place_scope(|s| {
        let handles = [1, 2, 3, 4].map(|i| s.spawn(move || fib(i)));
        handles.map(|handle| handle.join().unwrap())
    });
    assert_eq!(joined, [1, 1, 2, 3]);
    let task = pool.spawn(move || turn);
    drop(pool.spawn(|| fib(5)));
    assert_eq!(failed_with(pool.spawn(|| boom(3)).join()), 3);
    assert_eq!(pool.install(filch::current_num_threads), pool.current_num_threads());
    assert_eq!(caught(|| pool.install(|| boom(4))), 4);
    assert_eq!(caught(|| pool.join(|| fib(3), || boom(5))), 5);
    if turn % 8 == 0 {
        let indices = pool.broadcast(|worker| worker.index());
        assert!(indices.into_iter().eq(0..pool.current_num_threads()));
        pool.spawn_broadcast(|_| ());
    }
    pool.yield_now();
    assert_eq!(task.join().unwrap(), turn);
}

#[test]
fn sixty_four_workers_give_right_answers() {
    let _watchdog = watchdog();
    let pool = pool(64);
    assert_eq!(pool.install(|| fib(20)), 6_765);
    assert_eq!(pool.join(|| fib(18), || fib(17)), (2_584, 1_597));
    let (many, sum) = (sized(20_000, 200), AtomicUsize::new(0));
    pool.scope(|s| {
        for i in 0..many {
            let sum = &sum;
            s.spawn(move || sum.fetch_add(i, Ordering::Relaxed));
        }
    });
    assert_eq!(sum.into_inner(), many * (many - 1) / 2);
    let few = sized(50, 2);
    let tasks: Vec<_> = (0..10 * few as u64).map(|i| pool.spawn(move || fib(i % 12))).collect();
    for (i, task) in tasks.into_iter().enumerate() {
        assert_eq!(task.join().unwrap(), fib_serial(i as u64 % 12));
    }
    (0..few).for_each(|turn| everything(&pool, turn));
    pool.install(|| (0..few).for_each(|turn| everything(&pool, turn)));
}

fn fib_serial(n: u64) -> u64 {
    (0..n).fold((0, 1), |(a, b), _| (b, a + b)).0
}

#[test]
fn a_thousand_pools_leave_nothing_behind() {
    let _watchdog = watchdog();
    alone_counting_threads("a_thousand_pools_leave_nothing_behind", || {
        let count = |what| std::fs::read_dir(what).ok().map(Iterator::count);
        let (threads, files) = (common::thread_count(), count("/proc/self/fd"));
        for i in 0..1_000 {
            let pool = pool(i % 4 + 1);
            match i % 3 {
                0 => everything(&pool, i),
                1 => drop(pool.spawn(|| fib(8))),
                _ => {}
            }
        }
        threads_return_to(threads);
        assert_eq!(count("/proc/self/fd"), files);
    });
}

#[test]
fn sixteen_callers_storm_one_pool() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    for threads in [1, 2, 4] {
        let pool = pool(threads);
        thread::scope(|plain| {
            for _ in 0..16 {
                plain.spawn(|| (0..40).for_each(|turn| everything(&pool, turn)));
            }
        });
        everything(&pool, 0);
    }
}

#[test]
fn scopes_in_joins_in_scopes_across_two_pools() {
    /// Runs two scopes in a join in a scope of `here`. Each of them goes on in the other pool.
    fn nest(here: &ThreadPool, there: &ThreadPool, depth: usize, leaves: &AtomicUsize) {
        if depth == 0 {
            leaves.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let deeper = || {
            filch::scope(|s| {
                s.spawn(|| there.install(|| nest(there, here, depth - 1, leaves)));
                let joined = s.spawn(|| there.scope(|_| nest(there, here, depth - 1, leaves)));
                joined.join().unwrap();
            });
        };
        here.scope(|s| drop(s.spawn(|| here.join(deeper, deeper))));
    }

    let _watchdog = watchdog();
    let depth = sized(4, 2);
    for (threads, others) in [(1, 1), (2, 1), (2, 2), (4, 3)] {
        let (one, two, leaves) = (deep_pool(threads), deep_pool(others), AtomicUsize::new(0));
        one.install(|| nest(&one, &two, depth + 1, &leaves));
        two.install(|| nest(&one, &two, depth, &leaves));
        let both = || one.install(|| nest(&two, &one, depth, &leaves));
        two.install(|| two.join(both, || nest(&two, &one, depth, &leaves)));
        let expected = (4 + 3) * 4_usize.pow(depth as u32);
        assert_eq!(leaves.into_inner(), expected, "{threads} and {others} threads");
    }
}

// ---- Foreign jobs that are stacked on a worker that waits ----

/// In waits, this many foreign jobs run on top of each other (`src/worker/wait.rs`).
const MOST_STACKED: usize = 16;
/// The number of tasks, which would all be on one stack if there were no limit.
const CHAIN: usize = 48;

/// What the tasks of a chain share. Each task spawns the next one and then waits.
struct Chain {
    /// Each worker waits at its gate until it is wanted.
    gates: Vec<Gate>,
    wanted: AtomicUsize,
    at_gates: AtomicUsize,
    all_started: Gate,
    all_ended: Gate,
    still_running: AtomicUsize,
    /// How many bytes of stack each task uses before it waits.
    frame: usize,
    /// The distance in bytes from the first task of the chain on a stack to the second, and to the
    /// last.
    one: AtomicUsize,
    most: AtomicUsize,
}

thread_local! {
    /// The address of the first task of the chain on this stack.
    static FIRST: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Calls `body` with this many more bytes in use on the stack.
fn on_top_of(bytes: usize, body: &mut dyn FnMut()) {
    const STEP: usize = 16 << 10;
    if bytes < STEP {
        return body();
    }
    let ballast = [1_u8; STEP];
    std::hint::black_box(&ballast);
    on_top_of(bytes - STEP, body);
    std::hint::black_box(&ballast);
}

impl Chain {
    /// Runs a chain whose tasks use `frame` bytes of stack each, in a pool that has a worker for
    /// each task and for each fork.
    fn run(frame: usize) -> Arc<Self> {
        let workers = 2 * CHAIN;
        let pool = pool(workers);
        let chain = Arc::new(Chain {
            gates: (0..workers).map(|_| Gate::new()).collect(),
            wanted: AtomicUsize::new(0),
            at_gates: AtomicUsize::new(0),
            all_started: Gate::new(),
            all_ended: Gate::new(),
            still_running: AtomicUsize::new(CHAIN),
            frame,
            one: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        });
        let keeper = chain.clone();
        pool.spawn_broadcast(move |worker| {
            keeper.at_gates.fetch_add(1, Ordering::SeqCst);
            keeper.gates[worker.index()].wait();
        });
        common::eventually("all workers are at their gates", || {
            chain.at_gates.load(Ordering::SeqCst) == workers
        });
        let first = chain.clone();
        drop(pool.spawn(move || first.link(0)));
        chain.release_a_worker();
        chain.all_ended.wait();
        chain.gates.iter().for_each(Gate::open);
        chain
    }

    fn release_a_worker(&self) {
        self.gates[self.wanted.fetch_add(1, Ordering::SeqCst)].open();
    }

    /// Task `number`. It waits for a fork that another worker has stolen and does not end.
    fn link(self: Arc<Self>, number: usize) {
        let local = 0_u8;
        self.note(number, &raw const local as usize);
        let stolen = Flag::new();
        let first_side = || {
            self.release_a_worker();
            stolen.hold();
            if number + 1 == CHAIN {
                return self.all_started.open();
            }
            let chain = self.clone();
            drop(filch::spawn(move || chain.link(number + 1)));
            if number >= MOST_STACKED {
                // No worker has to run the next task on top of this one.
                self.release_a_worker();
            }
        };
        let second_side = || {
            stolen.raise();
            self.all_started.wait();
        };
        let mut sides = Some((first_side, second_side));
        on_top_of(self.frame, &mut || {
            let (first_side, second_side) = sides.take().unwrap();
            filch::join(first_side, second_side);
        });
        if self.still_running.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.all_ended.open();
        }
    }

    fn note(&self, number: usize, address: usize) {
        let first = FIRST.get().unwrap_or(address);
        FIRST.set(Some(first));
        let distance = first.abs_diff(address);
        self.most.fetch_max(distance, Ordering::SeqCst);
        if number == 1 {
            self.one.store(distance, Ordering::SeqCst);
        }
    }
}

#[test]
fn foreign_work_piles_up_to_a_limit_on_a_worker_that_waits() {
    let _watchdog = watchdog();
    let chain = Chain::run(0);
    let (one, most) = (chain.one.load(Ordering::SeqCst), chain.most.load(Ordering::SeqCst));
    assert!(one > 0, "the second task did not run on top of the first");
    assert!(most > (MOST_STACKED - 1) * one / 2, "{most} bytes of stack, {one} for one task");
    assert!(most < (MOST_STACKED + 4) * one, "{most} bytes of stack, {one} for one task");
}

#[test]
fn foreign_work_in_waits_has_as_much_stack_as_it_needs() {
    let _watchdog = watchdog();
    // Together, the tasks use five times the stack of a worker.
    Chain::run(10 * (2 << 20) / MOST_STACKED / 2);
}
