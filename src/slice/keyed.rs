//! Sorting by keys, where the key function is called once for each element.

// Elements are moved to where their keys are.
#![allow(unsafe_code)]

use super::bits::{Room, as_room, par_copy};
use super::sort::Sort;
use crate::current_num_threads;
use crate::fork::join_erased as join;
use crate::iter::{IndexedParallelIterator, IntoParallelRefMutIterator, ParallelIterator};

/// One thread sorts a slice of up to this length, or moves its elements. (Keys that are worth being
/// kept take some time.)
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
    if v.len() <= GRAIN || current_num_threads() == 1 {
        v.sort_by_cached_key(key);
    } else if u32::try_from(v.len()).is_ok() {
        sort_with::<T, K, u32, F>(v, key);
    } else {
        sort_with::<T, K, usize, F>(v, key);
    }
}

/// The number of an element. A small type, so that sorts move less.
trait Index: Copy + Ord + Send {
    fn new(index: usize) -> Self;
    fn get(self) -> usize;
}

macro_rules! indices {
    ($($int:ty)*) => {$(
        impl Index for $int {
            fn new(index: usize) -> Self {
                index as $int
            }

            fn get(self) -> usize {
                self as usize
            }
        }
    )*};
}

indices! { u32 usize }

fn sort_with<T: Send, K: Ord + Send, I: Index, F: Fn(&T) -> K + Sync>(v: &mut [T], key: &F) {
    let keyed = |(index, element): (usize, &mut T)| (key(element), I::new(index));
    let mut keys: Vec<(K, I)> = v.par_iter_mut().enumerate().map(keyed).collect();
    // No two are equal, so that this is stable.
    let sort = Sort { leaf: <[(K, I)]>::sort_unstable, compare: <(K, I)>::cmp };
    sort.sort(&mut keys);
    let mut scratch = Vec::with_capacity(v.len());
    let scratch = &mut scratch.spare_capacity_mut()[..v.len()];
    // SAFETY: the numbers are those of all elements, each once, in the order of their keys: all
    // elements are copied, and then copied back. Nothing of it panics.
    let room = unsafe { as_room(v) };
    gather(&Bits(room), &mut keys, scratch);
    par_copy(scratch, room);
}

/// Elements whose bits are copied.
struct Bits<'a, T>(&'a Room<T>);

// SAFETY: several threads may copy bits that no thread writes. That moves elements from thread to
// thread, which `T: Send` allows.
unsafe impl<T: Send> Sync for Bits<'_, T> {}

/// Copies the elements to `out`, in the order of `keys`.
fn gather<T, K, I>(elements: &Bits<'_, T>, keys: &mut [(K, I)], out: &mut Room<T>)
where
    T: Send,
    K: Send,
    I: Index,
{
    if keys.len() <= GRAIN {
        for (place, (_, index)) in out.iter_mut().zip(keys) {
            let element = &raw const elements.0[index.get()];
            // SAFETY: it is one of the elements, whose bits are copied.
            *place = unsafe { element.read() };
        }
        return;
    }
    let middle = keys.len() / 2;
    let (keys_left, keys_right) = keys.split_at_mut(middle);
    let (out_left, out_right) = out.split_at_mut(middle);
    join(|| gather(elements, keys_left, out_left), || gather(elements, keys_right, out_right));
}
