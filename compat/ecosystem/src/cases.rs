//! The loops that are measured. The traits of both libraries are in scope. After the first call of
//! a chain, the type of the iterator decides which library's methods are called.

use std::hint::black_box;
use std::sync::Arc;

use filch::prelude::*;
use indexmap::IndexMap;
use indicatif::{ProgressBar, ProgressDrawTarget};
use ndarray::{Array2, Axis};
use rayon::iter as theirs;
use rayon::iter::{IndexedParallelIterator as _, ParallelIterator as _};

use crate::Case;

const ITEMS: u64 = 1 << 20;

/// About 20 ns of work.
fn work(n: u64) -> u64 {
    (0..40).fold(n, |n, _| black_box(n.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(7)))
}

/// Declares cases: for `$data`, a loop across both libraries, and the native one.
macro_rules! cases {
    ($($name:literal, $data:ident: $across:expr, $native:expr;)*) => {
        vec![$({
            let (for_across, for_native) = (Arc::clone(&$data), Arc::clone(&$data));
            Case {
                name: $name,
                across: Box::new(move || { let $data = &*for_across; $across }),
                native: Box::new(move || { let $data = &*for_native; $native }),
            }
        }),*]
    };
}

/// Returns a progress bar that is not drawn.
fn bar() -> ProgressBar {
    ProgressBar::with_draw_target(Some(ITEMS), ProgressDrawTarget::hidden())
}

/// Returns rayon's iterator over a collection.
fn rayons<'a, C: ?Sized>(collection: &'a C) -> <&'a C as theirs::IntoParallelIterator>::Iter
where
    &'a C: theirs::IntoParallelIterator,
{
    theirs::IntoParallelIterator::into_par_iter(collection)
}

pub fn all() -> Vec<Case> {
    let vec: Arc<Vec<u64>> = Arc::new((0..ITEMS).collect());
    let index_map: Arc<IndexMap<u64, u64>> = Arc::new((0..ITEMS).map(|n| (n, n)).collect());
    let hash_map: Arc<hashbrown::HashMap<u64, u64>> =
        Arc::new((0..ITEMS).map(|n| (n, n)).collect());
    let array = Arc::new(Array2::from_shape_fn((1024, 1024), |(y, x)| (y * 1024 + x) as u64));
    cases! {
        "from rayon: slice, sum", vec:
            rayons(&**vec).into_filch().sum(), vec.par_iter().sum();
        "from rayon: slice, sum of 20 ns", vec:
            rayons(&**vec).into_filch().map(|&n| work(n)).max().unwrap(),
            vec.par_iter().map(|&n| work(n)).max().unwrap();
        "from rayon: slice, filter, collect", vec:
            rayons(&**vec).into_filch().filter(|n| **n % 3 == 0).collect::<Vec<_>>().len() as u64,
            vec.par_iter().filter(|n| **n % 3 == 0).collect::<Vec<_>>().len() as u64;
        "from rayon: IndexMap, sum", index_map:
            rayons(index_map).into_filch().map(|(a, b)| a ^ b).sum(),
            rayons(index_map).map(|(a, b)| a ^ b).sum();
        "from rayon: ndarray by rows, sum", array:
            array.axis_iter(Axis(0)).into_filch().map(|row| row.sum()).sum(),
            theirs::IntoParallelIterator::into_par_iter(array.axis_iter(Axis(0)))
                .map(|row| row.sum()).sum();
        "from rayon, unindexed: HashMap, sum", hash_map:
            rayons(hash_map).into_filch_unindexed().map(|(a, b)| a ^ b).sum(),
            rayons(hash_map).map(|(a, b)| a ^ b).sum();
        "from rayon, unindexed: HashMap, 20 ns", hash_map:
            rayons(hash_map).into_filch_unindexed().map(|(_, &b)| work(b)).max().unwrap(),
            rayons(hash_map).map(|(_, &b)| work(b)).max().unwrap();
        "from rayon, unindexed: ndarray, sum", array:
            rayons(array).into_filch_unindexed().sum(), rayons(array).sum();
        "from rayon, unindexed: ndarray, 20 ns", array:
            rayons(array).into_filch_unindexed().map(|&n| work(n)).max().unwrap(),
            rayons(array).map(|&n| work(n)).max().unwrap();
        "to rayon: slice, sum", vec:
            vec.par_iter().into_rayon().sum(), vec.par_iter().sum();
        "to rayon: slice, 20 ns", vec:
            vec.par_iter().into_rayon().map(|&n| work(n)).max().unwrap(),
            vec.par_iter().map(|&n| work(n)).max().unwrap();
        "to rayon: slice, filter, collect", vec:
            vec.par_iter().into_rayon().filter(|n| **n % 3 == 0).collect::<Vec<_>>().len() as u64,
            vec.par_iter().filter(|n| **n % 3 == 0).collect::<Vec<_>>().len() as u64;
        "to rayon, over rayon's: slice, sum", vec:
            vec.par_iter().into_rayon().sum(), rayons(&**vec).sum();
        "to rayon, over rayon's: filter, collect", vec:
            vec.par_iter().into_rayon().filter(|n| **n % 3 == 0).collect::<Vec<_>>().len() as u64,
            rayons(&**vec).filter(|n| **n % 3 == 0).collect::<Vec<_>>().len() as u64;
        "to rayon, its engine: zip, sum", vec:
            vec.par_iter().into_rayon().zip(rayons(&**vec)).map(|(a, b)| a ^ b).sum(),
            rayons(&**vec).zip(rayons(&**vec)).map(|(a, b)| a ^ b).sum();
        "progress: slice, 20 ns", vec:
            vec.par_iter().progress_with(bar()).map(|&n| work(n)).max().unwrap(),
            vec.par_iter().map(|&n| work(n)).max().unwrap();
        "progress, over indicatif's: 20 ns", vec:
            vec.par_iter().progress_with(bar()).map(|&n| work(n)).max().unwrap(),
            indicatif::ParallelProgressIterator::progress_with(rayons(&**vec), bar())
                .map(|&n| work(n)).max().unwrap();
        "to rayon: IndexMap made", vec:
            vec.par_iter().into_rayon().map(|&n| (n, n)).collect::<IndexMap<_, _>>().len() as u64,
            rayons(&**vec).map(|&n| (n, n)).collect::<IndexMap<_, _>>().len() as u64;
    }
}
