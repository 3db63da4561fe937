//! Sorting by keys that are worked out once for each element.

// Elements are moved to where their keys are.
#![allow(unsafe_code)]

use super::bits::{Room, as_room, par_copy};
use super::collect::{Filled, collect};
use super::sort::Sort;
use crate::current_num_threads;
use crate::fork::join_erased as join;

/// Slices up to this long have their keys worked out, or are moved, by one thread. Keys are
/// worth being kept, so they take some time.
const GRAIN: usize = 512;

/// Sorts `v` by `key`, stable. After a panic, `v` is as it was.
pub(super) fn sort_by_cached_key<T, K, F>(v: &mut [T], key: &F)
where
    T: Send,
    K: Ord + Send,
    F: Fn(&T) -> K + Sync,
{
    if size_of::<T>() == 0 {
        // There may be more of them than keys have room.
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

/// A number that is as small as can be, for less to be moved.
trait Index: Copy + Ord + Send {
    fn new(index: usize) -> Self;
    fn get(self) -> usize;
}

impl Index for u32 {
    fn new(index: usize) -> u32 {
        index as u32
    }

    fn get(self) -> usize {
        self as usize
    }
}

impl Index for usize {
    fn new(index: usize) -> usize {
        index
    }

    fn get(self) -> usize {
        self
    }
}

fn sort_with<T, K, I, F>(v: &mut [T], key: &F)
where
    T: Send,
    K: Ord + Send,
    I: Index,
    F: Fn(&T) -> K + Sync,
{
    let mut keys: Vec<(K, I)> = collect(v.len(), |room| keys_of(v, 0, room, key));
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

fn keys_of<'a, T, K, I, F>(
    v: &mut [T],
    start: usize,
    room: &'a mut Room<(K, I)>,
    key: &F,
) -> Filled<'a, (K, I)>
where
    T: Send,
    K: Send,
    I: Index,
    F: Fn(&T) -> K + Sync,
{
    if v.len() <= GRAIN {
        let keys = v.iter().zip(start..).map(|(element, index)| (key(element), I::new(index)));
        return Filled::new(room).extend(keys);
    }
    let middle = v.len() / 2;
    let (left, right) = v.split_at_mut(middle);
    Filled::in_two(
        room,
        middle,
        |room| keys_of(left, start, room, key),
        |room| keys_of(right, start + middle, room, key),
    )
}

/// Elements to be copied, but not looked at.
struct Bits<'a, T>(&'a Room<T>);

// SAFETY: several threads may copy bits that nobody writes. The elements go from thread to thread
// that way, which `T: Send` allows.
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
