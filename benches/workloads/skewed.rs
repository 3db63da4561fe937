//! Shapes that are hard for work stealing: recursions with all of their depth on one side, and too
//! few closures to balance. The work has a known length.

use super::{Fork, Repeat, Serial, Workload, plain};
use std::hint::black_box;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Work of a fixed number of steps, which touches no memory and never polls the pool. The work is
/// fixed, not the time: it takes longer while the machine is slow.
#[derive(Clone, Copy)]
pub struct Spin {
    steps: u64,
}

impl Spin {
    /// Returns work of about `micros` microseconds on this machine.
    pub fn micros(micros: u64) -> Spin {
        static STEPS_A_MICROSECOND: OnceLock<u64> = OnceLock::new();
        Spin { steps: micros * STEPS_A_MICROSECOND.get_or_init(calibrate) }
    }

    /// Does the work.
    pub fn run(self) {
        let xorshift = |x: u64| {
            let x = x ^ (x << 13);
            let x = x ^ (x >> 7);
            x ^ (x << 17)
        };
        black_box((0..black_box(self.steps)).fold(1, |x, _| xorshift(x)));
    }
}

/// Returns how many steps take a microsecond, from the best of ten runs.
fn calibrate() -> u64 {
    let probe = Spin { steps: 1_000_000 };
    let best = (0..10).map(|_| time(|| probe.run())).min().expect("there are ten runs");
    (u128::from(probe.steps) * 1000 / best.as_nanos().max(1)).max(1) as u64
}

fn time(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

/// A recursion `nodes` deep that does `spin` at each node. The first side of each fork is the rest
/// of the recursion. The second side, which thieves can steal, is the work of the node: thieves
/// find only leaves. The answer is the number of nodes.
pub struct LeftComb {
    pub nodes: usize,
    pub spin: Spin,
}

/// Like [`LeftComb`], but the first side is the work of the node, and thieves can steal the rest of
/// the recursion. A thief takes all but a leaf, and each steal makes the next one possible.
pub struct RightComb {
    pub nodes: usize,
    pub spin: Spin,
}

impl Workload for LeftComb {
    type Value = usize;

    fn run<F: Fork>(&self, cx: &mut F::Context<'_>) -> usize {
        left_comb::<F>(cx, self.nodes, self.spin)
    }

    fn ideal(&self, threads: usize) -> usize {
        split_comb(self.nodes, threads, |cx, nodes| left_comb::<Serial>(cx, nodes, self.spin))
    }

    fn is_right(&self, value: &usize) -> bool {
        *value == self.nodes
    }
}

impl Workload for RightComb {
    type Value = usize;

    fn run<F: Fork>(&self, cx: &mut F::Context<'_>) -> usize {
        right_comb::<F>(cx, self.nodes, self.spin)
    }

    fn ideal(&self, threads: usize) -> usize {
        split_comb(self.nodes, threads, |cx, nodes| right_comb::<Serial>(cx, nodes, self.spin))
    }

    fn is_right(&self, value: &usize) -> bool {
        *value == self.nodes
    }
}

fn left_comb<F: Fork>(cx: &mut F::Context<'_>, nodes: usize, spin: Spin) -> usize {
    if nodes == 0 {
        return 0;
    }
    let rest = move |cx: &mut F::Context<'_>| left_comb::<F>(cx, nodes - 1, spin);
    let (rest, node) = F::join(cx, rest, move |_| one_node(spin));
    rest + node
}

fn right_comb<F: Fork>(cx: &mut F::Context<'_>, nodes: usize, spin: Spin) -> usize {
    if nodes == 0 {
        return 0;
    }
    let rest = move |cx: &mut F::Context<'_>| right_comb::<F>(cx, nodes - 1, spin);
    let (node, rest) = F::join(cx, move |_| one_node(spin), rest);
    node + rest
}

fn one_node(spin: Spin) -> usize {
    spin.run();
    1
}

fn split_comb(
    nodes: usize,
    threads: usize,
    comb: impl Fn(&mut (), usize) -> usize + Sync,
) -> usize {
    plain::on_each(threads, |index| comb(&mut (), plain::share(nodes, threads, index).len()))
        .into_iter()
        .sum()
}

/// Two closures that do `spin` each. There is nothing to balance: the time depends on how soon a
/// second worker starts. The answer is two.
#[derive(Clone, Copy)]
pub struct Coarse {
    pub spin: Spin,
}

impl Workload for Coarse {
    type Value = usize;

    fn run<F: Fork>(&self, cx: &mut F::Context<'_>) -> usize {
        let spin = self.spin;
        let (a, b) = F::join(cx, move |_| one_node(spin), move |_| one_node(spin));
        a + b
    }

    fn is_right(&self, value: &usize) -> bool {
        *value == 2
    }
}

impl Coarse {
    /// Repeats the two closures a few times, for the ideal: starting a plain thread takes too long
    /// for a single run.
    pub fn repeated(self) -> Repeat<Coarse> {
        Repeat { work: self, times: 6 }
    }
}

/// A pause that is many times as long as workers of any pool search before they sleep.
pub const TO_FALL_ASLEEP: Duration = Duration::from_millis(5);
