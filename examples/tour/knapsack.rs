//! The knapsack problem by branch and bound.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use crate::workloads::{Fork, Workload};

/// Finds the largest value that fits; from the Cilk suite. The best value so far prunes all
/// branches. So the amount of work depends on the schedule, but the answer does not.
pub struct Knapsack {
    /// Sorted: the item with the most value for its weight comes first.
    items: Vec<Item>,
    capacity: u64,
    answer: u64,
}

struct Item {
    value: u64,
    weight: u64,
}

impl Knapsack {
    /// Makes a hard problem: values are close to weights, and no sum of weights fills the capacity.
    pub fn new(len: usize) -> Knapsack {
        let mut random = SmallRng::seed_from_u64(4);
        let mut items: Vec<Item> = (0..len)
            .map(|_| {
                let weight = 50 * random.random_range(2..=20);
                let value = weight + random.random_range(0..=20);
                Item { value, weight }
            })
            .collect();
        items.sort_by(|a, b| (b.value * a.weight).cmp(&(a.value * b.weight)));
        let capacity = items.iter().map(|item| item.weight).sum::<u64>() / 100 * 50 + 49;
        Knapsack { answer: by_table(&items, capacity), items, capacity }
    }
}

/// Finds the answer by dynamic programming, with a table of the best value for each capacity.
fn by_table(items: &[Item], capacity: u64) -> u64 {
    let mut best = vec![0; capacity as usize + 1];
    for item in items {
        let weight = item.weight as usize;
        for room in (weight..best.len()).rev() {
            best[room] = best[room].max(best[room - weight] + item.value);
        }
    }
    best[capacity as usize]
}

impl Workload for Knapsack {
    type Value = u64;

    fn run<F: Fork>(&self, cx: &mut F::Context<'_>) -> u64 {
        let best = AtomicU64::new(0);
        search::<F>(cx, &self.items, self.capacity, 0, &best);
        best.into_inner()
    }

    fn is_right(&self, value: &u64) -> bool {
        *value == self.answer
    }
}

/// Tries to add `items` to a selection that is worth `value` and leaves `room`.
fn search<F: Fork>(
    cx: &mut F::Context<'_>,
    items: &[Item],
    room: u64,
    value: u64,
    best: &AtomicU64,
) {
    // Relaxed: a stale value only prunes less. The joins order all updates before the final read.
    if value > best.load(Relaxed) {
        best.fetch_max(value, Relaxed);
    }
    let Some((item, rest)) = items.split_first() else {
        return;
    };
    // The bound: at best, items like the next one fill all of the room.
    if value * item.weight + room * item.value <= best.load(Relaxed) * item.weight {
        return;
    }
    let Some(room_left) = room.checked_sub(item.weight) else {
        return search::<F>(cx, rest, room, value, best);
    };
    F::join(
        cx,
        |cx| search::<F>(cx, rest, room_left, value + item.value, best),
        |cx| search::<F>(cx, rest, room, value, best),
    );
}
