//! Memory for spawned tasks and their batches: freed blocks of a few sizes, kept for reuse.
//!
//! For a small task, a general allocator takes more time than all else that happens to the task,
//! above all if one thread allocates and another frees. So each thread keeps freed blocks in a
//! *free list* for each size, and exchanges whole lists with a shared *slab*: the magazines and the
//! depot of Bonwick and Adams (2001). An exchange takes one lock for [`LIST_LEN`] blocks. The slab
//! keeps at most [`MOST_KEPT`] bytes of each size, and is emptied when a pool is dropped. A thread
//! that finds the slab locked does not wait, but uses the allocator.
//!
//! # What it is worth
//! The time of a row of `benches/ablation` without a part, as a multiple of the time with it:
//! medians by `benches/ablation/run`, on two shared virtual cores. The names are of its patches.
//!
//! | without | row | threads | time |
//! | --- | --- | ---: | ---: |
//! | `slab`: all of it | flat scope | 2 | 4.40 |
//! |  | scopes of 40 tasks | 2 | 2.78 |
//! |  | spawn, then join each | 2 | 2.31 |
//! |  | detached by one thread | 2 | 2.19 |
//! | `shared-lists`: exchange between threads | flat scope | 2 | 3.16 |
//! |  | spawn, then join each | 2 | 2.21 |
//! |  | detached by two threads | 2 | 1.83 |

#![allow(unsafe_code)]

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::UnsafeCell;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

use parking_lot::Mutex;

/// The sizes, in bytes: a little less than a multiple of 16, since common allocators put a word
/// before each block. The smallest fits a task with a closure of one word. Larger blocks come
/// from the allocator each time.
const SIZES: [usize; 7] = [40, 56, 120, 248, 504, 1016, 2040];
/// The alignment of each block. Blocks that need more come from the allocator.
const ALIGN: usize = 8;
/// Blocks in a full free list of each size: 32 KiB of the larger ones. (A guess.)
const LIST_LEN: [usize; SIZES.len()] = [128, 128, 128, 128, 64, 32, 16];
/// What the shared lists keep of each size, in bytes: a hundred thousand tasks of the smallest.
const MOST_KEPT: usize = 8 << 20;

/// Returns memory for a `T`.
#[inline]
pub(crate) fn take<T>() -> NonNull<T> {
    let Some(class) = (const { class_of(Layout::new::<T>()) }) else {
        return allocate(Layout::new::<T>()).cast();
    };
    let kept = with_list(class, Vec::pop).flatten();
    kept.map_or_else(|| take_slow(class), |Block(block)| block).cast()
}

/// Takes back memory.
///
/// # Safety
/// It came from `take::<T>`, and is not used any more.
#[inline]
pub(crate) unsafe fn give<T>(block: NonNull<T>) {
    let Some(class) = (const { class_of(Layout::new::<T>()) }) else {
        // SAFETY: allocated by `take` with this layout.
        return unsafe { dealloc(block.as_ptr().cast(), Layout::new::<T>()) };
    };
    let block = block.cast();
    let is_kept = with_list(class, |list| {
        let has_room = list.len() < list.capacity();
        if has_room {
            list.push(Block(block));
        }
        has_room
    });
    if is_kept != Some(true) {
        give_slow(class, block);
    }
}

/// Returns the blocks in the shared free lists to the allocator.
pub(crate) fn empty_shared() {
    for (class, shared) in SHARED.iter().enumerate() {
        let kept =
            shared.try_lock().map(|mut shared| std::mem::take(&mut *shared)).unwrap_or_default();
        kept.into_iter().for_each(|mut list| release_all(class, &mut list));
    }
}

const fn class_of(layout: Layout) -> Option<usize> {
    let mut class = 0;
    while class < SIZES.len() {
        if layout.size() <= SIZES[class] && layout.align() <= ALIGN {
            return Some(class);
        }
        class += 1;
    }
    None
}

fn layout_of(class: usize) -> Layout {
    match Layout::from_size_align(SIZES[class], ALIGN) {
        Ok(layout) => layout,
        Err(_) => unreachable!("the sizes are small and the alignment is a power of two"),
    }
}

#[cold]
fn allocate(layout: Layout) -> Free {
    // SAFETY: neither tasks nor batches are of size 0.
    let block = unsafe { alloc(layout) };
    NonNull::new(block).unwrap_or_else(|| handle_alloc_error(layout))
}

fn release(class: usize, block: Free) {
    // SAFETY: blocks of a class are allocated with its layout.
    unsafe { dealloc(block.as_ptr(), layout_of(class)) };
}

/// A block that is not in use.
type Free = NonNull<u8>;

/// Free blocks of one size. An array instead of a list through the blocks, which are mostly not in
/// the cache, and each of which would have to be fetched to find the next.
type FreeList = Vec<Block>;

/// A free block.
struct Block(Free);

// SAFETY: a `Block` owns its memory.
unsafe impl Send for Block {}

fn release_all(class: usize, list: &mut FreeList) {
    list.drain(..).for_each(|Block(block)| release(class, block));
}

/// `take` of a thread that has no free block.
#[cold]
#[inline(never)]
fn take_slow(class: usize) -> Free {
    let refill = |list: &mut FreeList| {
        *list = SHARED[class].try_lock()?.pop()?;
        list.pop()
    };
    let kept = change_list(class, refill).flatten();
    kept.map_or_else(|| allocate(layout_of(class)), |Block(block)| block)
}

/// `give` of a thread whose list is full, or is not there yet, or no more.
#[cold]
#[inline(never)]
fn give_slow(class: usize, block: Free) {
    let make_room = |list: &mut FreeList| {
        if !list.is_empty() {
            keep(class, std::mem::take(list));
        }
        list.reserve_exact(LIST_LEN[class]);
        list.push(Block(block));
    };
    if change_list(class, make_room).is_none() {
        release(class, block);
    }
}

/// Shares a full free list, if there is room.
fn keep(class: usize, mut list: FreeList) {
    let room = |shared: &SharedLists| shared.len() * LIST_LEN[class] * SIZES[class] < MOST_KEPT;
    match SHARED[class].try_lock().filter(|shared| room(shared)) {
        Some(mut shared) => shared.push(list),
        None => release_all(class, &mut list),
    }
}

/// Full free lists of one size, for all threads.
type SharedLists = Vec<FreeList>;

static SHARED: [Mutex<SharedLists>; SIZES.len()] = [const { Mutex::new(Vec::new()) }; SIZES.len()];

/// A thread's free lists of all sizes.
type Lists = [FreeList; SIZES.len()];

thread_local! {
    /// Never dropped, so that an access need not look whether it was: see `END`.
    static LISTS: UnsafeCell<ManuallyDrop<Lists>> =
        const { UnsafeCell::new(ManuallyDrop::new([const { Vec::new() }; SIZES.len()])) };
    /// Used before there is a list. When the thread ends, its blocks return to the allocator.
    static END: End = const { End };
}

/// Calls `f` with a free list of this thread. (Only a system without thread-locals of its own may
/// have dropped it.)
#[inline(always)]
fn with_list<R>(class: usize, f: impl FnOnce(&mut FreeList) -> R) -> Option<R> {
    // SAFETY: the only reference: it does not leave this call, which runs no code of the user.
    LISTS.try_with(|lists| f(unsafe { &mut (&mut *lists.get())[class] })).ok()
}

/// `with_list`, if the list may still be replaced.
fn change_list<R>(class: usize, f: impl FnOnce(&mut FreeList) -> R) -> Option<R> {
    END.try_with(|_| ()).ok()?;
    with_list(class, f)
}

struct End;

impl Drop for End {
    fn drop(&mut self) {
        for class in 0..SIZES.len() {
            // Without memory, so that what this thread still gives goes the slow way.
            let list = with_list(class, std::mem::take);
            list.into_iter().for_each(|mut list| release_all(class, &mut list));
        }
    }
}
