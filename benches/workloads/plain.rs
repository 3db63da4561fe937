//! Static splits over plain threads: what the `ideal` rows are made of.

use super::pin::take_place;
use std::iter::Sum;
use std::ops::Range;
use std::thread::{self, Scope, ScopedJoinHandle};

/// Runs `work` on `threads` threads, this one included, each with its index.
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

/// Spawns a thread that starts at `place`, for a new thread inherits its maker's; the caller has
/// to take its own again.
pub fn spawn_at<'scope, R: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    place: usize,
    work: impl FnOnce() -> R + Send + 'scope,
) -> ScopedJoinHandle<'scope, R> {
    take_place(place);
    scope.spawn(work)
}

/// The part of `0..len` that is thread `index`'s of `threads`.
pub fn share(len: usize, threads: usize, index: usize) -> Range<usize> {
    len * index / threads..len * (index + 1) / threads
}

/// Deals `items` to the threads by `cost`, dearest first, each to the thread
/// that has least so far, and adds up what `work` makes of them.
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
    let mut dearest_first: Vec<&T> = items.iter().collect();
    dearest_first.sort_by(|a, b| cost(b).total_cmp(&cost(a)));
    let mut hands: Vec<(f64, Vec<&T>)> = (0..threads).map(|_| (0.0, Vec::new())).collect();
    for item in dearest_first {
        let (total, hand) =
            hands.iter_mut().min_by(|a, b| a.0.total_cmp(&b.0)).expect("at least one thread");
        *total += cost(item);
        hand.push(item);
    }
    hands.into_iter().map(|(_, hand)| hand).collect()
}
