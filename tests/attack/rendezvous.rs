//! Random join trees, all leaves of which wait until each of them has begun. A tree has no more
//! leaves than the pool has workers, so each fork has to find one.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use filch::{ThreadPoolBuilder, WaitPolicy};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::give_way;

struct Rendezvous {
    is_simulated: bool,
    missing: AtomicUsize,
}

impl Rendezvous {
    fn fork(&self, leaves: usize, mut rng: SmallRng) {
        if leaves == 1 {
            return self.wait();
        }
        let left = match rng.random_range(0..3) {
            0 => 1,
            1 => leaves - 1,
            _ => rng.random_range(1..leaves),
        };
        let [a, b] = rng.random::<[u64; 2]>().map(SmallRng::seed_from_u64);
        filch::join(|| self.fork(left, a), || self.fork(leaves - left, b));
    }

    fn wait(&self) {
        self.missing.fetch_sub(1, SeqCst);
        while self.missing.load(SeqCst) > 0 {
            give_way(self.is_simulated);
        }
    }
}

/// Some trees, each after some forks of nothing, in a pool made from `seed`.
pub fn run(seed: u64, is_simulated: bool) {
    let mut rng = SmallRng::seed_from_u64(seed);
    let workers = rng.random_range(2..7);
    let mut builder = ThreadPoolBuilder::new().num_threads(workers);
    if rng.random_ratio(1, 4) {
        builder = builder.wait_policy(WaitPolicy::OwnDescendants);
    }
    if is_simulated {
        builder = builder.deterministic(rng.random());
    }
    let pool = builder.build().unwrap();
    for _ in 0..if is_simulated { 5 } else { 100 } {
        let leaves = rng.random_range(2..=workers);
        let rendezvous = Rendezvous { is_simulated, missing: leaves.into() };
        let (before, tree) = (rng.random_range(0..20), SmallRng::seed_from_u64(rng.random()));
        pool.install(|| {
            (0..before).for_each(|_| _ = filch::join(|| filch::join(|| (), || ()), || ()));
            rendezvous.fork(leaves, tree);
        });
    }
}
