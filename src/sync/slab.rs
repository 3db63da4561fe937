//! Memory for spawned tasks and their batches: freed blocks of a few sizes, kept for reuse.
//!
//! A general allocator takes more time for a small task than all the rest of its life, above all if
//! one thread allocates and another frees. So each thread keeps freed blocks in a *free list* for
//! each size, and exchanges whole lists with a shared *slab*: the magazines and the depot of
//! Bonwick and Adams (2001). An exchange takes one lock for [`LIST_LEN`] blocks. The slab keeps at
//! most [`MOST_KEPT`] bytes of each size, and is emptied when a pool is dropped. A thread that
//! finds its lock taken does not wait, but uses the allocator.
//!
//! # What it is worth
//! What a row takes without it, as a multiple of what it takes with it: medians by
//! `benches/ablation/run`, on two shared virtual cores.
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
    let kept = LOCAL.try_with(|local| {
        // SAFETY: the only reference: it does not leave this call, which runs no code of the user.
        unsafe { &mut (*local.get()).0[class] }.take(class)
    });
    kept.unwrap_or_else(|_| allocate(layout_of(class))).cast()
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
    let given = LOCAL.try_with(|local| {
        // SAFETY: as in `take`.
        unsafe { &mut (*local.get()).0[class] }.give(class, block)
    });
    if given.is_err() {
        release(class, block);
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

/// A thread's free list of one size.
struct Kept(FreeList);

impl Kept {
    #[inline]
    fn take(&mut self, class: usize) -> Free {
        match self.0.pop() {
            Some(Block(block)) => block,
            None => self.refill(class),
        }
    }

    #[cold]
    fn refill(&mut self, class: usize) -> Free {
        if let Some(full) = SHARED[class].try_lock().and_then(|mut shared| shared.pop()) {
            self.0 = full;
        }
        match self.0.pop() {
            Some(Block(block)) => block,
            None => allocate(layout_of(class)),
        }
    }

    #[inline]
    fn give(&mut self, class: usize, block: Free) {
        if self.0.len() == self.0.capacity() {
            self.make_room(class);
        }
        self.0.push(Block(block));
    }

    #[cold]
    fn make_room(&mut self, class: usize) {
        if !self.0.is_empty() {
            keep(class, std::mem::take(&mut self.0));
        }
        self.0.reserve_exact(LIST_LEN[class]);
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

/// A thread's free lists of all sizes. Their blocks return to the allocator when the thread ends.
struct Local([Kept; SIZES.len()]);

impl Drop for Local {
    fn drop(&mut self) {
        for (class, kept) in self.0.iter_mut().enumerate() {
            release_all(class, &mut kept.0);
        }
    }
}

thread_local! {
    static LOCAL: UnsafeCell<Local> =
        const { UnsafeCell::new(Local([const { Kept(Vec::new()) }; SIZES.len()])) };
}
