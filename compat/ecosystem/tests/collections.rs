//! filch's loops over collections, and with progress bars, of crates that support only rayon.
//!
//! Only filch's prelude is in scope: `into_filch` and `into_rayon` need no trait of rayon.

use filch::prelude::*;
use hashbrown::{HashMap, HashSet};
use indexmap::{IndexMap, IndexSet};
use indicatif::{ProgressBar, ProgressDrawTarget};
use ndarray::{Array1, Array2, Axis, Zip};

/// Whether the calling thread is a worker of filch and not of rayon, as it must be in the closures
/// after `into_filch`.
fn is_filchs() -> bool {
    filch::current_thread_index().is_some() && rayon::current_thread_index().is_none()
}

fn table() -> Array2<u32> {
    Array2::from_shape_fn((60, 50), |(y, x)| (y * 50 + x) as u32)
}

// ---- ndarray ----

#[test]
fn rows_of_an_array() {
    let table = table();
    let sums: Vec<u32> = table
        .axis_iter(Axis(0))
        .into_filch()
        .map(|row| {
            assert!(is_filchs());
            row.sum()
        })
        .collect();
    assert_eq!(sums, table.sum_axis(Axis(1)).to_vec());
    let (at, _) = sums.par_iter().enumerate().max_by_key(|&(_, sum)| sum).unwrap();
    assert_eq!(at, 59);
}

#[test]
fn chunks_of_an_array_that_are_changed() {
    let mut table = table();
    let chunks = table.axis_chunks_iter_mut(Axis(0), 7).into_filch();
    chunks.enumerate().for_each(|(at, mut chunk)| chunk.fill(at as u32));
    assert_eq!((table[(0, 0)], table[(7, 3)], table[(59, 49)]), (0, 1, 8));
}

#[test]
fn elements_of_an_array() {
    let mut table = table();
    let sum: u32 = (&table).into_filch_unindexed().inspect(|_| assert!(is_filchs())).sum();
    assert_eq!(sum, table.sum());
    (&mut table).into_filch_unindexed().for_each(|number| *number *= 2);
    assert_eq!(table.sum(), 2 * sum);
}

#[test]
fn elements_of_two_arrays() {
    let (a, b) = (Array1::range(0., 1000., 1.), Array1::from_elem(1000, 2.));
    let dot: f64 = Zip::from(&a).and(&b).into_filch_unindexed().map(|(a, b)| a * b).sum();
    assert_eq!(dot, a.dot(&b));
}

// ---- indexmap ----

fn squares() -> IndexMap<u32, u32> {
    (0..1000).map(|n| (n, n * n)).collect()
}

#[test]
fn entries_of_an_index_map_keep_their_order() {
    let mut map = squares();
    let entries: Vec<(u32, u32)> = (&map)
        .into_filch()
        .inspect(|_| assert!(is_filchs()))
        .map(|(&key, &value)| (key, value))
        .collect();
    assert_eq!(entries, (0..1000).map(|n| (n, n * n)).collect::<Vec<_>>());
    (&mut map).into_filch().rev().take(10).for_each(|(_, value)| *value = 0);
    assert_eq!((map[&989], map[&990]), (989 * 989, 0));
    assert_eq!(map.into_filch().position_first(|(_, value)| value == 9), Some(3));
}

#[test]
fn an_index_map_is_collected() {
    use rayon::iter::{FromParallelIterator, ParallelExtend};

    let pairs = (0..1000_u32).into_par_iter().map(|n| (n, n * n));
    let mut map = IndexMap::<u32, u32>::from_par_iter(pairs.into_rayon());
    assert_eq!(map, squares());
    map.par_extend((1000..1010_u32).into_par_iter().map(|n| (n, 0)).into_rayon());
    assert_eq!(map.get_index(1009), Some((&1009, &0)));
    let set = IndexSet::<u32>::from_par_iter((0..10_u32).into_rayon());
    assert_eq!(set.into_iter().collect::<Vec<_>>(), (0..10).collect::<Vec<_>>());
}

// ---- hashbrown ----

#[test]
fn entries_of_a_hash_table() {
    let mut map: HashMap<u32, u32> = (0..1000).map(|n| (n, n)).collect();
    let sum: u32 =
        (&map).into_filch_unindexed().inspect(|_| assert!(is_filchs())).map(|(_, n)| n).sum();
    assert_eq!(sum, 499_500);
    (&mut map).into_filch_unindexed().for_each(|(key, value)| *value = key * 2);
    assert!((&map).into_filch_unindexed().all(|(key, &value)| value == key * 2));
    assert_eq!(map.into_filch_unindexed().map(|(_, n)| n).max(), Some(1998));
}

#[test]
fn a_hash_table_is_collected() {
    use rayon::iter::FromParallelIterator;

    let set =
        HashSet::<u32>::from_par_iter((0..1000_u32).into_par_iter().map(|n| n / 2).into_rayon());
    assert_eq!(set.len(), 500);
}

// ---- indicatif ----

fn hidden(len: u64) -> ProgressBar {
    ProgressBar::with_draw_target(Some(len), ProgressDrawTarget::hidden())
}

#[test]
fn bars_count_loops_of_filch() {
    let bar = hidden(1000);
    let even = (0..1000).into_par_iter().progress_with(bar.clone()).filter(|n| n % 2 == 0);
    assert_eq!((even.count(), bar.position()), (500, 1000));
}

#[test]
fn bars_of_indicatifs_rayon_trait_count_loops_of_filch() {
    use indicatif::ParallelProgressIterator;
    use rayon::iter::ParallelIterator as _;

    // filch's trait of the same name is in scope as well: the prelude imports it without a name.
    let (ours, theirs) = (hidden(1000), hidden(1000));
    let first = (0..1000_u32).into_par_iter().progress_with(ours.clone());
    let second = first.into_rayon().progress_with(theirs.clone());
    assert_eq!(second.map(|n| n / 2).max(), Some(499));
    assert_eq!((ours.position(), theirs.position()), (1000, 1000));
}

// ---- All collections ----

#[test]
fn loops_run_in_the_pool_of_the_caller() {
    let pool = filch::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    let (map, table) = (squares(), table());
    let threads = || filch::current_num_threads();
    let all = pool.install(|| {
        let indexed = (&map).into_filch().map(|_| threads()).max();
        let unindexed = (&table).into_filch_unindexed().map(|_| threads()).min();
        (indexed, unindexed)
    });
    assert_eq!(all, (Some(3), Some(3)));
}

#[test]
fn loops_within_loops_end() {
    let maps: Vec<HashMap<u32, u32>> =
        (0..50).map(|size| (0..size).map(|n| (n, n)).collect()).collect();
    // All workers of filch wait for rayon, whose closures call filch again: a deadlock, unless the
    // workers run jobs while they wait.
    let sum: u32 = maps
        .par_iter()
        .flat_map(|map| map.into_filch_unindexed())
        .flat_map(|(&n, _)| (0..n).into_par_iter())
        .map(|n| filch::join(|| n, || 0).0)
        .sum();
    let serial: u32 = maps.iter().flat_map(|map| map.keys()).flat_map(|&n| 0..n).sum();
    assert_eq!(sum, serial);
}
