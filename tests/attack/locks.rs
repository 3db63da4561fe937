//! Random programs whose tasks hold locks over waits. A task that has a handle takes a lock, and
//! then forks, runs scopes and loops, joins other tasks, and calls a second pool. Meanwhile, other
//! tasks want the lock, and broadcasts and calls by the second pool ask the same workers for
//! something else. No job that wants the lock may keep a stack or a core from the task that has it.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::thread;
use std::time::Duration;

use filch::prelude::*;
use filch::{JoinHandle, ThreadPool, ThreadPoolBuilder, schedule_point};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::common::lock_in_turns;
use super::give_way;

/// How many calls a program may make.
const CALLS: usize = 200;

struct Shared {
    is_simulated: bool,
    /// The locks are those of the first pool's tasks.
    pools: [Weak<ThreadPool>; 2],
    locks: [Mutex<()>; 3],
    calls: AtomicUsize,
    /// Handles that are joined at the end. Until then, their tasks could be joined by any job.
    kept: Mutex<Vec<JoinHandle<()>>>,
}

impl Shared {
    fn pool(&self, index: usize) -> Arc<ThreadPool> {
        self.pools[index].upgrade().expect("the pools end after the program")
    }

    fn lock(&self, rng: &mut SmallRng) -> MutexGuard<'_, ()> {
        let lock = &self.locks[rng.random_range(0..3)];
        if self.is_simulated { lock_in_turns(lock) } else { lock.lock().unwrap() }
    }

    fn pause(&self, rng: &mut SmallRng) {
        for _ in 0..rng.random_range(0..6) {
            if self.is_simulated { schedule_point() } else { std::hint::spin_loop() }
        }
        if !self.is_simulated && rng.random_ratio(1, 30) {
            thread::sleep(Duration::from_micros(rng.random_range(0..100)));
        }
    }

    /// Waits in many ways, in pool `here`. Takes no lock.
    fn wait(self: &Arc<Self>, seed: u64, depth: u32, here: usize) {
        let mut rng = SmallRng::seed_from_u64(seed);
        for _ in 0..rng.random_range(1..3) {
            if self.calls.fetch_update(SeqCst, SeqCst, |calls| calls.checked_sub(1)).is_err() {
                return;
            }
            self.pause(&mut rng);
            let Some(depth) = depth.checked_sub(1) else { continue };
            let deeper = |seed| self.wait(seed, depth, here);
            let seeds: [u64; 2] = rng.random();
            let spawn = || {
                let shared = self.clone();
                filch::spawn(move || shared.wait(seeds[0], depth, here))
            };
            match rng.random_range(0..7) {
                0 | 1 => drop(filch::join(|| deeper(seeds[0]), || deeper(seeds[1]))),
                2 => filch::scope(|s| {
                    seeds.into_iter().for_each(|seed| drop(s.spawn(move || deeper(seed))));
                }),
                3 => spawn().join().unwrap(),
                4 => (0..seeds[0] % 5).into_par_iter().for_each(|i| deeper(seeds[1] ^ i)),
                5 => self.pool(1 - here).install(|| self.wait(seeds[0], depth, 1 - here)),
                _ => {
                    let handle = spawn();
                    self.pause(&mut rng);
                    handle.join().unwrap();
                }
            }
        }
    }

    /// Spawns a task of the first pool that waits with a lock, and keeps its handle.
    fn hold(self: &Arc<Self>, seed: u64) {
        let shared = self.clone();
        let task = self.pool(0).spawn(move || {
            let _guard = shared.lock(&mut SmallRng::seed_from_u64(seed));
            shared.wait(seed, 4, 0);
        });
        self.kept.lock().unwrap().push(task);
    }

    /// Asks the workers of the first pool for something else.
    fn ask(self: &Arc<Self>, seed: u64, depth: u32) {
        let mut rng = SmallRng::seed_from_u64(seed);
        let (shared, seed) = (self.clone(), rng.random());
        match rng.random_range(0..5) {
            0 | 1 => drop(self.pool(0).spawn(move || {
                shared.pause(&mut rng);
                let _guard = shared.lock(&mut rng);
                shared.pause(&mut rng);
            })),
            2 => drop(self.pool(0).spawn(move || {
                shared.wait(seed, 3, 0);
                (0..3 * depth).for_each(|i| shared.ask(rng.random(), i / 3));
            })),
            3 => self.pool(0).spawn_broadcast(move |_| {
                shared.pause(&mut SmallRng::seed_from_u64(seed));
            }),
            _ => drop(self.pool(1).spawn(move || {
                shared.pool(0).install(|| shared.wait(seed, 2, 0));
            })),
        }
    }
}

/// Runs the program `seed`, and ends its pools.
pub fn run(seed: u64, is_simulated: bool) {
    let mut rng = SmallRng::seed_from_u64(seed);
    let pools = [(); 2].map(|()| {
        let mut builder = ThreadPoolBuilder::new().num_threads(rng.random_range(1..5));
        if rng.random_ratio(1, 4) {
            builder = builder.injector_interval(rng.random_range(1..4));
        }
        if is_simulated {
            builder = builder.deterministic(rng.random());
        }
        Arc::new(builder.build().unwrap())
    });
    let shared = Arc::new(Shared {
        is_simulated,
        pools: [0, 1].map(|i| Arc::downgrade(&pools[i])),
        locks: Default::default(),
        calls: CALLS.into(),
        kept: Mutex::default(),
    });
    for _ in 0..rng.random_range(4..14) {
        match rng.random() {
            true => shared.hold(rng.random()),
            false => shared.ask(rng.random(), 1),
        }
        shared.pause(&mut rng);
    }
    let kept = std::mem::take(&mut *shared.kept.lock().unwrap());
    kept.into_iter().for_each(|task| task.join().unwrap());
    let rest_while = |goes_on: &dyn Fn() -> bool| {
        while goes_on() {
            give_way(is_simulated);
        }
    };
    rest_while(&|| Arc::strong_count(&shared) > 1);
    for pool in pools {
        // No task may have to end a pool.
        rest_while(&|| Arc::strong_count(&pool) > 1);
        drop(pool);
    }
}
