//! The rows of the table, and their goals.

use crate::clock::{Sample, measure};
use crate::contest::{Contest, Family};
use crate::goal::Who;
use crate::statistics::median;
use crate::workloads::{
    Chili, Coarse, Fib, Filch, Fork, Ideal, Integrate, LeftComb, Matmul, MergeSort, Queens, Rayon,
    Repeat, RightComb, Spin, TINY_TASKS, TO_FALL_ASLEEP, TaskPool, TreeSum, Workload, is_filled,
    submit_from_outside, take_place,
};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::hint::black_box;
use std::thread;

/// Divide and conquer, by `join`.
pub static RECURSIONS: Family = Family { name: "recursions", at_most: 0.6 };

/// A pool of each kind.
pub struct Arena {
    pub threads: usize,
    pub filch: filch::ThreadPool,
    /// One whose callers do not work themselves: `--pin` binds workers only.
    pub workers: filch::ThreadPool,
    pub rayon: rayon::ThreadPool,
    chili: chili::ThreadPool,
}

impl Arena {
    /// Builds pools of `threads` threads each.
    pub fn new(threads: usize) -> Arena {
        Arena {
            threads,
            filch: Filch::pool(threads),
            workers: workers(threads),
            rayon: Rayon::pool(threads),
            chili: Chili::pool(threads),
        }
    }
}

fn workers(threads: usize) -> filch::ThreadPool {
    let builder = filch::ThreadPoolBuilder::new().num_threads(threads).start_handler(take_place);
    builder.lend_seats(false).build().expect("a filch pool")
}

/// All rows, for a pool of one thread and for one of two.
pub fn all([one, two]: &[Arena; 2]) -> Vec<Contest<'_>> {
    let mut rows = vec![fork_cost(one)];
    rows.extend(recursions(two));
    rows.extend(tiny_trees(two));
    rows.extend([flat_scope(one), flat_scope(two)]);
    rows.extend([detached(one), detached(two)]);
    rows.push(wake_up(two));
    rows.extend(combs(two));
    rows.extend([coarse_inside(two), coarse_outside(two)]);
    rows.extend(sorts(one));
    rows.extend(sorts(two));
    rows
}

fn fork_cost(arena: &Arena) -> Contest<'_> {
    let fib = Fib(29);
    let forks = fib.forks();
    by_all("fib, a fork", arena, fib, forks as f64)
        .at_most(0.35, Who::Rayon)
        .at_most(1.3, Who::Chili)
        .noted()
}

fn recursions(arena: &Arena) -> [Contest<'_>; 6] {
    let integrate = Integrate { to: 1e4, epsilon: 1e-2 };
    [
        by_all("fib", arena, Fib(32), 1.0),
        by_all("nqueens", arena, Queens(12), 1.0),
        by_all("integrate", arena, integrate, 1.0),
        by_all("tree sum, 1,048,575 nodes", arena, TreeSum::new(20), 1.0),
        by_all("matmul", arena, Matmul::new(512), 1.0),
        by_all("merge sort", arena, MergeSort::new(1 << 18), 1.0),
    ]
    .map(|contest| contest.at_most(1.0, Who::Rayon).in_mean_of(&RECURSIONS))
}

fn tiny_trees(arena: &Arena) -> [Contest<'_>; 3] {
    const TIMES: usize = 500;
    let inside = Repeat { work: TreeSum::new(10), times: TIMES };
    let tree = kept(TreeSum::new(10));
    let calls = move |call: &dyn Fn() -> u64| {
        checked(tree, || (1..TIMES).fold(call(), |_, _| black_box(call()))) / TIMES as f64
    };
    let (filch, rayon) = (&arena.filch, &arena.rayon);
    let rayons = move || calls(&|| Rayon::enter(rayon, |cx| tree.run::<Rayon>(cx)));
    [
        by_all("tree sum, 1,023 nodes, inside", arena, inside, TIMES as f64)
            .at_most(1.2, Who::Chili)
            .noted(),
        Contest::new("tree sum, 1,023 nodes, outside", arena.threads)
            .with(Who::Filch, move || calls(&|| Filch::enter(filch, |cx| tree.run::<Filch>(cx))))
            .with(Who::Rayon, rayons)
            .at_most(0.25, Who::Rayon)
            .noted(),
        Contest::new("tree sum, 1,023 nodes, install", arena.threads)
            .with(Who::Filch, move || calls(&|| Filch::install(filch, |cx| tree.run::<Filch>(cx))))
            .with(Who::Rayon, rayons),
    ]
}

fn flat_scope(arena: &Arena) -> Contest<'_> {
    Contest::new("flat scope, a task", arena.threads)
        .with(Who::Ideal, filling::<Ideal>(&arena.threads))
        .with(Who::Filch, filling::<Filch>(&arena.filch))
        .with(Who::Rayon, filling::<Rayon>(&arena.rayon))
        .at_most(0.5, Who::Rayon)
        .noted()
}

fn detached(arena: &Arena) -> Contest<'_> {
    Contest::new("detached by two threads, a task", arena.threads)
        .with(Who::Ideal, || submitted::<Ideal>(&arena.threads, arena.threads))
        .with(Who::Filch, || submitted::<Filch>(&arena.filch, 2))
        .with(Who::Rayon, || submitted::<Rayon>(&arena.rayon, 2))
        .at_most(0.5, Who::Rayon)
        .noted()
}

fn wake_up(arena: &Arena) -> Contest<'_> {
    Contest::new("wake an idle pool from outside", arena.threads)
        .with(Who::Filch, || woken::<Filch>(&arena.filch))
        .with(Who::Rayon, || woken::<Rayon>(&arena.rayon))
        .at_most(1.0, Who::Rayon)
        .noted()
}

fn combs(arena: &Arena) -> [Contest<'_>; 2] {
    let (nodes, spin) = (2000, Spin::micros(5));
    let (left, right) = (LeftComb { nodes, spin }, RightComb { nodes, spin });
    [
        by_all("left comb, 5 µs a node", arena, left, 1.0),
        by_all("right comb, 5 µs a node", arena, right, 1.0),
    ]
    .map(|contest| contest.at_most(1.0, Who::Rayon).at_most(1.11, Who::Ideal).noted())
}

fn coarse_inside(arena: &Arena) -> Contest<'_> {
    coarse("two closures of 1 ms, inside", arena)
        .with(Who::Filch, || rested::<Filch>(&arena.filch))
        .with(Who::Rayon, || rested::<Rayon>(&arena.rayon))
        .with(Who::Chili, || rested::<Chili>(&arena.chili))
}

fn coarse_outside(arena: &Arena) -> Contest<'_> {
    coarse("two closures of 1 ms, outside", arena)
        .with(Who::Filch, || rested_outside::<Filch>(&arena.filch))
        .with(Who::Rayon, || rested_outside::<Rayon>(&arena.rayon))
}

fn coarse<'a>(name: &'static str, arena: &'a Arena) -> Contest<'a> {
    let ideal = kept(two_milliseconds().repeated());
    Contest::new(name, arena.threads)
        .with(Who::Ideal, || checked(ideal, || ideal.ideal(arena.threads)) / ideal.times as f64)
        .at_most(1.05, Who::Rayon)
        .noted()
}

fn two_milliseconds() -> Coarse {
    Coarse { spin: Spin::micros(1000) }
}

fn sorts(arena: &Arena) -> [Contest<'_>; 5] {
    use filch::slice::ParallelSliceMut as Ours;
    use rayon::slice::ParallelSliceMut as Rayons;

    let mut random = SmallRng::seed_from_u64(1);
    let random: Vec<u64> = (0..1_000_000).map(|_| random.next_u64()).collect();
    let few: Vec<u64> = random.iter().map(|number| number % 16).collect();
    let sorted: Vec<u64> = (0..1_000_000).collect();
    let reversed: Vec<u64> = sorted.iter().rev().copied().collect();
    let (filch, rayon) = (&arena.filch, &arena.rayon);
    let stable = move |name, input| {
        let input: &[u64] = kept::<Vec<u64>>(input);
        Contest::new(name, arena.threads)
            .with(Who::Filch, sorting(input, |v| filch.install(|| Ours::par_sort(v))))
            .with(Who::Rayon, sorting(input, |v| rayon.install(|| Rayons::par_sort(v))))
    };
    let unstable = Contest::new("sort random u64, unstable", arena.threads);
    let input: &[u64] = kept(random.clone());
    [
        stable("sort random u64", random),
        stable("sort u64 of 16 values", few),
        stable("sort sorted u64", sorted),
        stable("sort reversed u64", reversed),
        unstable
            .with(Who::Filch, sorting(input, |v| filch.install(|| Ours::par_sort_unstable(v))))
            .with(Who::Rayon, sorting(input, |v| rayon.install(|| Rayons::par_sort_unstable(v)))),
    ]
    .map(|contest| contest.at_most(1.0, Who::Rayon))
}

/// Sorts a copy of `input` each time.
fn sorting(input: &[u64], sort: impl Fn(&mut [u64])) -> impl FnMut() -> Sample {
    move || {
        let mut v = input.to_vec();
        let ((), sample) = measure(|| sort(&mut v));
        assert!(v.is_sorted(), "a wrong result");
        sample
    }
}

/// A contest of all contestants over `work`, called from inside the pools. A run counts as
/// `operations`.
fn by_all<'a, W: Workload + 'static>(
    name: &'static str,
    arena: &'a Arena,
    work: W,
    operations: f64,
) -> Contest<'a> {
    let work = kept(work);
    Contest::new(name, arena.threads)
        .with(Who::Ideal, move || checked(work, || work.ideal(arena.threads)) / operations)
        .with(Who::Filch, move || installed::<Filch, W>(&arena.filch, work) / operations)
        .with(Who::Rayon, move || installed::<Rayon, W>(&arena.rayon, work) / operations)
        .with(Who::Chili, move || installed::<Chili, W>(&arena.chili, work) / operations)
}

/// Leaks an input, so that it lives until the process ends.
fn kept<W>(work: W) -> &'static W {
    Box::leak(Box::new(work))
}

/// Measures `run`, and panics if its answer to `work` is wrong.
fn checked<W: Workload>(work: &W, run: impl FnOnce() -> W::Value) -> Sample {
    let (value, sample) = measure(run);
    assert!(work.is_right(&value), "a wrong result");
    sample
}

fn installed<F: Fork, W: Workload>(pool: &F::Pool, work: &W) -> Sample {
    checked(work, || F::install(pool, |cx| work.run::<F>(cx)))
}

/// Measures two coarse closures inside a pool whose other workers sleep.
fn rested<F: Fork>(pool: &F::Pool) -> Sample {
    let work = two_milliseconds();
    F::install(pool, |cx| {
        thread::sleep(TO_FALL_ASLEEP);
        checked(&work, || work.run::<F>(cx))
    })
}

/// Measures two coarse closures called from outside a pool whose workers sleep.
fn rested_outside<F: TaskPool>(pool: &F::Pool) -> Sample {
    let work = two_milliseconds();
    thread::sleep(TO_FALL_ASLEEP);
    checked(&work, || F::enter(pool, |cx| work.run::<F>(cx)))
}

/// Returns the median time of empty calls, each in a pool whose workers sleep.
fn woken<F: Fork>(pool: &F::Pool) -> Sample {
    const TIMES: usize = 10;
    let wake_up = |_| {
        thread::sleep(TO_FALL_ASLEEP / 2);
        measure(|| F::install(pool, |_| ())).1.wall
    };
    let wall = median((0..TIMES).map(wake_up)).expect("some times");
    Sample { wall, cpu: None }
}

/// Flat scopes, opened inside the pool. Measures the time per task.
fn filling<P: TaskPool>(pool: &P::Pool) -> impl FnMut() -> Sample {
    let mut slots = vec![0; TINY_TASKS];
    move || {
        slots.fill(0);
        let fill = || P::install(pool, |cx| P::fill(cx, &mut slots));
        let ((), sample) = measure(fill);
        assert!(is_filled(&slots), "a task did not run");
        sample / TINY_TASKS as f64
    }
}

/// Detached tasks, submitted from outside the pool. Measures the time per task.
fn submitted<P: TaskPool>(pool: &P::Pool, submitters: usize) -> Sample
where
    P::Pool: Sync,
{
    let (left, sample) = measure(|| submit_from_outside::<P>(pool, submitters, TINY_TASKS));
    assert_eq!(left, 0, "a task ran twice");
    sample / TINY_TASKS as f64
}
