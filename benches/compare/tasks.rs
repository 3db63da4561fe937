//! Scopes of a few tasks, and tasks whose closures have many sizes and alignments.

use crate::clock::{Sample, measure};
use crate::contest::Contest;
use crate::goal::Who;
use crate::rows::Arena;
use crate::statistics::median;
use crate::workloads::{Countdown, Spin};
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// How many tasks a row about closures spawns.
const TASKS: usize = 1000;
/// How many small scopes are opened one after the other.
const SCOPES: usize = 100;

/// The places that the tasks of a round write to, one for each task.
type Places = [AtomicUsize; TASKS];

/// A closure's captures: a reference, and `REST` words.
struct Words<const REST: usize> {
    place: &'static AtomicUsize,
    rest: [usize; REST],
}

#[repr(align(16))]
struct By16<T>(T);
#[repr(align(64))]
struct By64<T>(T);
#[repr(align(128))]
struct By128<T>(T);

/// The captures of a closure. The type decides their size and alignment.
trait Load: Send + 'static {
    fn new(place: &'static AtomicUsize) -> Self;
    /// Marks the place. Reads the captured words, so that they are not optimized away.
    fn run(self);
}

impl<const REST: usize> Load for Words<REST> {
    #[inline(always)]
    fn new(place: &'static AtomicUsize) -> Self {
        Words { place, rest: *black_box(&[1; REST]) }
    }

    #[inline(always)]
    fn run(self) {
        self.place.store(self.rest.last().copied().unwrap_or(1), Ordering::Relaxed);
    }
}

macro_rules! aligned {
    ($($wrapper:ident)*) => {$(
        impl<T: Load> Load for $wrapper<T> {
            #[inline(always)]
            fn new(place: &'static AtomicUsize) -> Self {
                $wrapper(T::new(place))
            }

            #[inline(always)]
            fn run(self) {
                self.0.run();
            }
        }
    )*};
}
aligned!(By16 By64 By128);

static LEFT: Countdown = Countdown::new();

macro_rules! shapes {
    ($module:ident, $lib:ident, ($($scope:pat)?)) => {
        mod $module {
            use super::*;

            pub(super) fn small_scope(
                pool: &$lib::ThreadPool,
                places: &'static [AtomicUsize],
                spin: Option<Spin>,
            ) {
                pool.scope(|s| {
                    for place in places {
                        _ = s.spawn(move |$($scope)?| {
                            spin.into_iter().for_each(Spin::run);
                            place.store(1, Ordering::Relaxed);
                        });
                    }
                });
            }

            pub(super) fn scoped<L: Load>(pool: &$lib::ThreadPool, places: &'static Places) {
                pool.scope(|s| {
                    for place in places {
                        let load = L::new(place);
                        _ = s.spawn(move |$($scope)?| load.run());
                    }
                });
            }

            pub(super) fn detached<L: Load>(pool: &$lib::ThreadPool, places: &'static Places) {
                LEFT.start(TASKS);
                pool.install(|| {
                    for place in places {
                        let load = L::new(place);
                        _ = $lib::spawn(move || {
                            load.run();
                            LEFT.take(1);
                        });
                    }
                });
                assert_eq!(LEFT.wait(), 0, "a task ran twice");
            }
        }
    };
}
shapes!(on_filch, filch, ());
shapes!(on_rayon, rayon, (_));

/// The rows. The goal is rayon's time, except for handles, which rayon does not have.
pub fn rows(arena: &Arena) -> Vec<Contest<'_>> {
    let mut rows: Vec<_> = (1..=4).flat_map(|tasks| small_scopes(arena, tasks)).collect();
    rows.extend(closures::<Words<0>>(arena));
    rows.extend(closures::<Words<7>>(arena));
    rows.extend(closures::<By16<Words<7>>>(arena));
    rows.extend(closures::<By64<Words<7>>>(arena));
    rows.extend(closures::<Words<15>>(arena));
    rows.extend(closures::<By128<Words<15>>>(arena));
    rows.extend(closures::<Words<49>>(arena));
    rows.extend(closures::<Words<127>>(arena));
    rows.extend(closures::<Words<511>>(arena));
    rows.extend(closures::<By64<Words<511>>>(arena));
    rows.extend(closures::<Words<8191>>(arena));
    rows = rows.into_iter().map(|contest| contest.at_most(1.0, Who::Rayon)).collect();
    rows.extend([handles::<Words<0>>(arena), handles::<Words<49>>(arena)]);
    rows
}

/// Scopes of `tasks` tasks, one after the other: inside the pool, from outside, and inside the pool
/// while the other workers sleep. Measures the time per scope.
fn small_scopes(arena: &Arena, tasks: usize) -> Vec<Contest<'_>> {
    let places = &places()[..tasks];
    let (filch, rayon) = (&arena.filch, &arena.rayon);
    let row = |(length, spin)| {
        let name = |place| named(format!("scope of {tasks} {length}, {place}"));
        let filchs = move || on_filch::small_scope(filch, places, spin);
        let rayons = move || on_rayon::small_scope(rayon, places, spin);
        [
            Contest::new(name("inside"), arena.threads)
                .with(Who::Filch, move || filch.install(|| repeated(&filchs, places)))
                .with(Who::Rayon, move || rayon.install(|| repeated(&rayons, places))),
            Contest::new(name("outside"), arena.threads)
                .with(Who::Filch, move || repeated(&filchs, places))
                .with(Who::Rayon, move || repeated(&rayons, places)),
            Contest::new(name("rested"), arena.threads)
                .with(Who::Filch, move || filch.install(|| rested(&filchs, places)))
                .with(Who::Rayon, move || rayon.install(|| rested(&rayons, places))),
        ]
    };
    [("empty", None), ("of 1 µs", Some(Spin::micros(1)))].into_iter().flat_map(row).collect()
}

/// Calls `scope` many times, and returns the time of a call.
fn repeated(scope: &impl Fn(), places: &[AtomicUsize]) -> Sample {
    let ((), sample) = measure(|| (0..SCOPES).for_each(|_| scope()));
    assert!(are_marked(places), "a task did not run");
    sample / SCOPES as f64
}

/// Returns the median time of calls of `scope`. Before each, the other workers fall asleep.
fn rested(scope: &impl Fn(), places: &[AtomicUsize]) -> Sample {
    let one = |_| {
        thread::sleep(Duration::from_millis(1));
        measure(scope).1.wall
    };
    let wall = median((0..SCOPES / 10).map(one)).expect("some times");
    assert!(are_marked(places), "a task did not run");
    Sample { wall, cpu: None }
}

/// Tasks that capture an `L`, in a scope and detached, spawned from inside the pool. Measures the
/// time per task.
fn closures<L: Load>(arena: &Arena) -> [Contest<'_>; 2] {
    let (size, align) = (size_of::<L>(), align_of::<L>());
    let name = |kind| named(format!("{kind}, {size} bytes by {align}"));
    let places = places();
    let (filch, rayon) = (&arena.filch, &arena.rayon);
    [
        Contest::new(name("scope"), arena.threads)
            .with(Who::Filch, move || {
                filch.install(|| spawned(|| on_filch::scoped::<L>(filch, places), places))
            })
            .with(Who::Rayon, move || {
                rayon.install(|| spawned(|| on_rayon::scoped::<L>(rayon, places), places))
            }),
        Contest::new(name("detached"), arena.threads)
            .with(Who::Filch, move || spawned(|| on_filch::detached::<L>(filch, places), places))
            .with(Who::Rayon, move || spawned(|| on_rayon::detached::<L>(rayon, places), places)),
    ]
}

/// Tasks that are joined by their handles, newest first. Measures the time per task.
fn handles<L: Load>(arena: &Arena) -> Contest<'_> {
    let places = places();
    let spawn_and_join = move || {
        let tasks: Vec<_> = places
            .iter()
            .map(|place| {
                let load = L::new(place);
                filch::spawn(move || load.run())
            })
            .collect();
        tasks.into_iter().rev().for_each(|task| task.join().expect("no panics"));
    };
    Contest::new(named(format!("handles, {} bytes by 8", size_of::<L>())), arena.threads)
        .with(Who::Filch, move || arena.filch.install(|| spawned(spawn_and_join, places)))
}

fn spawned(spawn: impl FnOnce(), places: &Places) -> Sample {
    let ((), sample) = measure(spawn);
    assert!(are_marked(places), "a task did not run");
    sample / TASKS as f64
}

/// Leaks places, so that they live until the process ends.
fn places() -> &'static Places {
    Box::leak(Box::new([const { AtomicUsize::new(0) }; TASKS]))
}

/// Whether all places are marked. Removes the marks.
fn are_marked(places: &[AtomicUsize]) -> bool {
    places.iter().all(|place| place.swap(0, Ordering::Relaxed) == 1)
}

fn named(name: String) -> &'static str {
    name.leak()
}
