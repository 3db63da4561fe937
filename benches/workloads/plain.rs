//! Static splits over plain threads, for the `ideal` rows.

use super::pin::take_place;
use std::iter::Sum;
use std::ops::Range;
use std::thread::{self, Scope, ScopedJoinHandle};

/// Runs `work` on `threads` threads, including this one. Each passes its index.
pub fn on_each<R: Send>(threads: usize, work: impl Fn(usize) -> R + Sync) -> Vec<R> {
    thread::scope(|s| {
        let work = &work;
        let others: Vec<_> = (1..threads).map(|i| spawn_at(s, i, move || work(i))).collect();
        take_place(0);
        let mine = work(0);
        let theirs = others.into_iter().map(|other| other.join().expect("no workload panics"));
        std::iter::once(mine).chain(theirs).collect()
    })
}

/// Spawns a thread bound to the CPU of `place`. A new thread inherits the CPU of its creator, so
/// this binds the caller there too. The caller must then take its own place again.
pub fn spawn_at<'scope, R: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    place: usize,
    work: impl FnOnce() -> R + Send + 'scope,
) -> ScopedJoinHandle<'scope, R> {
    take_place(place);
    scope.spawn(work)
}

/// Returns the share of `0..len` for thread `index` of `threads`.
pub fn share(len: usize, threads: usize, index: usize) -> Range<usize> {
    len * index / threads..len * (index + 1) / threads
}

/// Distributes `items` to the threads, and adds up the results of `work`. The item with the highest
/// `cost` comes first. Each goes to the thread with the least cost so far.
pub fn sum_over<T: Sync, S: Sum + Send>(
    threads: usize,
    items: &[T],
    cost: impl Fn(&T) -> f64,
    work: impl Fn(&T) -> S + Sync,
) -> S {
    let hands = deal(threads, items, cost);
    on_each(threads, |i| hands[i].iter().map(|item| work(item)).sum()).into_iter().sum()
}

fn deal<T>(threads: usize, items: &[T], cost: impl Fn(&T) -> f64) -> Vec<Vec<&T>> {
    let mut by_cost: Vec<&T> = items.iter().collect();
    by_cost.sort_by(|a, b| cost(b).total_cmp(&cost(a)));
    let mut hands: Vec<(f64, Vec<&T>)> = (0..threads).map(|_| (0.0, Vec::new())).collect();
    for item in by_cost {
        let (total, hand) =
            hands.iter_mut().min_by(|a, b| a.0.total_cmp(&b.0)).expect("at least one thread");
        *total += cost(item);
        hand.push(item);
    }
    hands.into_iter().map(|(_, hand)| hand).collect()
}
