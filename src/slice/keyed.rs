//! Sorting by keys, where the key function is called once for each element.

// Elements are moved to where their keys are.
#![allow(unsafe_code)]

use std::fmt::Debug;
use std::mem::MaybeUninit;

use super::bits::{Room, as_room, par_copy};
use super::sort::Sort;
use crate::current_num_threads;
use crate::iter::{IndexedParallelIterator, IntoParallelRefMutIterator, ParallelIterator};

/// How many elements are moved in one piece, at least. (Without this bound, it takes 1.5 times as
/// long to sort 48 elements by cheap keys, on two threads.)
const GRAIN: usize = 512;

/// Sorts `v` by `key`. Elements with equal keys keep their order. After a panic, `v` is as it was.
pub(super) fn sort_by_cached_key<T, K, F>(v: &mut [T], key: &F)
where
    T: Send,
    K: Ord + Send,
    F: Fn(&T) -> K + Sync,
{
    if size_of::<T>() == 0 {
        // There may be more of them than there is memory for keys.
        return;
    }
    // The keys of a short slice are computed in parallel as well: keys that are worth being kept
    // take some time.
    if v.len() < 2 || current_num_threads() == 1 {
        v.sort_by_cached_key(key);
    } else if u32::try_from(v.len()).is_ok() {
        sort_with::<T, K, u32, F>(v, key);
    } else {
        sort_with::<T, K, usize, F>(v, key);
    }
}

/// `I` is the type of the elements' numbers, a small one, so that sorts move less.
fn sort_with<T, K, I, F>(v: &mut [T], key: &F)
where
    T: Send,
    K: Ord + Send,
    I: Copy + Ord + Send + TryFrom<usize, Error: Debug> + TryInto<usize, Error: Debug>,
    F: Fn(&T) -> K + Sync,
{
    let keyed = |(index, element): (usize, &mut T)| {
        (key(element), I::try_from(index).expect("the type is large enough"))
    };
    let mut keys: Vec<(K, I)> = v.par_iter_mut().enumerate().map(keyed).collect();
    // No two are equal, so that this is stable.
    let sort = Sort { leaf: <[(K, I)]>::sort_unstable, compare: <(K, I)>::cmp };
    sort.sort(&mut keys);
    let mut scratch = Vec::with_capacity(v.len());
    let scratch = &mut scratch.spare_capacity_mut()[..v.len()];
    // SAFETY: the numbers are those of all elements, each once, in the order of their keys: all
    // elements are copied, and then copied back. If something panics before that, no element was
    // copied back.
    let room = unsafe { as_room(v) };
    let bits = &Bits(room);
    let places = scratch.par_iter_mut().with_min_len(GRAIN);
    places.zip(&mut keys).for_each(|(place, (_, index))| {
        *place = bits.at((*index).try_into().expect("it was a `usize`"));
    });
    par_copy(scratch, room);
}

/// Elements whose bits are copied.
struct Bits<'a, T>(&'a Room<T>);

// SAFETY: several threads may copy bits that no thread writes. That moves elements from thread to
// thread, which `T: Send` allows.
unsafe impl<T: Send> Sync for Bits<'_, T> {}

impl<T> Bits<'_, T> {
    fn at(&self, index: usize) -> MaybeUninit<T> {
        let element = &raw const self.0[index];
        // SAFETY: it is one of the elements, whose bits are copied.
        unsafe { element.read() }
    }
}
