//! Chunks, windows and parts of slices match the serial ones.

use std::fmt::Debug;

use crate::everywhere::{assert_same, everywhere};
use filch::prelude::*;

const LONG: usize = 100_000;

/// The same for an indexed iterator.
fn assert_same_indexed<I>(par: I, ser: impl Iterator<Item = I::Item> + Clone)
where
    I: IndexedParallelIterator<Item: PartialEq + Debug> + Clone,
{
    assert_eq!(par.len(), ser.clone().count());
    assert!(par.clone().eq(par.clone()));
    assert_same(par, ser);
}

fn check_slices(v: &[u32], size: usize) {
    assert_same_indexed(v.par_chunks(size), v.chunks(size));
    assert_same_indexed(v.par_chunks_exact(size), v.chunks_exact(size));
    assert_same_indexed(v.par_rchunks(size), v.rchunks(size));
    assert_same_indexed(v.par_rchunks_exact(size), v.rchunks_exact(size));
    assert_eq!(v.par_chunks_exact(size).remainder(), v.chunks_exact(size).remainder());
    assert_eq!(v.par_rchunks_exact(size).remainder(), v.rchunks_exact(size).remainder());
    assert_same_indexed(v.par_windows(size), v.windows(size));
    assert_same_indexed(v.par_array_windows::<3>().map(|w| &w[..]), v.windows(3));
    let is = |n: &u32| *n % 5 == 0;
    let together = |a: &u32, b: &u32| a <= b;
    assert_same(v.par_split(is), v.split(is));
    assert_same(v.par_split_inclusive(is), v.split_inclusive(is));
    assert_same(v.par_chunk_by(together), v.chunk_by(together));
    let never = |_: &u32| false;
    assert_same(v.par_split(never), v.split(never));
    assert_same(v.par_chunk_by(|_, _| false), v.chunk_by(|_, _| false));

    macro_rules! assert_same_mut {
        ($par:ident, $ser:ident, $arg:expr) => {{
            let (mut a, mut b) = (v.to_vec(), v.to_vec());
            a.$par($arg).for_each(|part| part.reverse());
            b.$ser($arg).for_each(|part| part.reverse());
            assert_eq!(a, b);
        }};
    }
    assert_same_mut!(par_chunks_mut, chunks_mut, size);
    assert_same_mut!(par_chunks_exact_mut, chunks_exact_mut, size);
    assert_same_mut!(par_rchunks_mut, rchunks_mut, size);
    assert_same_mut!(par_rchunks_exact_mut, rchunks_exact_mut, size);
    assert_same_mut!(par_split_mut, split_mut, is);
    assert_same_mut!(par_split_inclusive_mut, split_inclusive_mut, is);
    assert_same_mut!(par_chunk_by_mut, chunk_by_mut, together);
}

#[test]
fn slices_are_cut_as_serially() {
    let v: Vec<u32> = (0..LONG as u32).map(|n| n.wrapping_mul(2_654_435_761) >> 8).collect();
    everywhere(|| {
        for len in [0, 1, 2, 3, 7, 100, 299, LONG] {
            for size in [1, 2, 3, 10, 299, LONG + 1] {
                check_slices(&v[..len], size);
            }
        }
    });
}
