//! Memory for spawned tasks and their batches: freed blocks of a few sizes, kept for reuse.
//!
//! For a small task, a general allocator takes more time than all else that happens to the task,
//! above all if one thread allocates and another frees. So each thread keeps freed blocks in a
//! *free list* for each size, and exchanges whole lists with a shared *slab*: the magazines and the
//! depot of Bonwick and Adams (2001). An exchange takes one lock for [`LIST_LEN`] blocks. The slab
//! keeps at most [`MOST_KEPT`] bytes of each size, and is emptied when a pool is dropped. A thread
//! that finds the slab locked does not wait, but uses the allocator.
//!
//! Blocks are allocated some at a time, as a *chunk*. The allocator gets the chunk back when all of
//! its blocks are to be freed. (A million blocks of 40 bytes that were allocated one by one take
//! glibc some 15 ms to free.)
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
use std::sync::atomic::{AtomicU32, Ordering, fence};

use parking_lot::Mutex;

/// The sizes, in bytes: a little less than a multiple of 16, since a word is put before each block.
/// The smallest fits a task with a closure of one word. Larger blocks come from the allocator each
/// time.
const SIZES: [usize; 7] = [40, 56, 120, 248, 504, 1016, 2040];
/// The alignment of each block. Blocks that need more come from the allocator.
const ALIGN: usize = 8;
/// Blocks in a full free list of each size: 32 KiB of the larger ones. (A guess.)
const LIST_LEN: [usize; SIZES.len()] = [128, 128, 128, 128, 64, 32, 16];
/// Blocks of each size in a chunk: 1.5 to 8 KiB. (A guess.)
const CHUNK_LEN: [u32; SIZES.len()] = [32, 32, 32, 32, 16, 8, 4];
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

#[cold]
fn allocate(layout: Layout) -> Free {
    // SAFETY: neither tasks nor chunks are of size 0.
    let block = unsafe { alloc(layout) };
    NonNull::new(block).unwrap_or_else(|| handle_alloc_error(layout))
}

/// What a chunk begins with. Its places follow, each a [`Place`] and a block.
#[repr(C, align(8))]
struct Chunk {
    /// How many of its blocks have not been released.
    left: AtomicU32,
    len: u32,
}

/// What is before each block.
#[repr(C, align(8))]
struct Place(NonNull<Chunk>);

impl Chunk {
    /// Allocates a chunk of `len` blocks, and calls `each` with them, the last first.
    fn make(class: usize, len: u32, each: impl FnMut(Block)) {
        let chunk: NonNull<Chunk> = allocate(Self::layout(class, len)).cast();
        // SAFETY: allocated for it.
        unsafe { chunk.write(Chunk { left: AtomicU32::new(len), len }) };
        let block = |i| {
            // SAFETY: the place is within the chunk, which nothing else uses yet.
            unsafe {
                let place = chunk.add(1).byte_add(Self::place_size(class) * i as usize).cast();
                place.write(Place(chunk));
                Block(place.add(1).cast())
            }
        };
        (0..len).rev().map(block).for_each(each);
    }

    const fn place_size(class: usize) -> usize {
        size_of::<Place>() + SIZES[class]
    }

    fn layout(class: usize, len: u32) -> Layout {
        let size = size_of::<Chunk>() + Self::place_size(class) * len as usize;
        match Layout::from_size_align(size, align_of::<Chunk>()) {
            Ok(layout) => layout,
            Err(_) => unreachable!("a chunk is small and the alignment is a power of two"),
        }
    }

    /// The chunk of a block of one of the sizes.
    fn of(block: &Block) -> NonNull<Chunk> {
        // SAFETY: a place is before each of these blocks.
        unsafe { block.0.cast::<Place>().sub(1).as_ref() }.0
    }

    /// Frees a chunk if no block of it is left but the `count` that the caller has.
    ///
    /// # Safety
    /// The caller has so many of its blocks, which it does not use any more.
    unsafe fn release(this: NonNull<Chunk>, class: usize, count: u32) {
        // SAFETY: the blocks that the caller has keep the chunk alive.
        let (left, len) = unsafe { (&this.as_ref().left, this.as_ref().len) };
        // Release: matches the Acquire of the thread that frees it.
        if left.fetch_sub(count, Ordering::Release) == count {
            // Acquire: matches the Releases above, which come after all uses of the blocks.
            fence(Ordering::Acquire);
            // SAFETY: allocated by `make` with this layout; no block is in use.
            unsafe { dealloc(this.as_ptr().cast(), Self::layout(class, len)) };
        }
    }
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

/// Releases all blocks of a list. Mostly, those of one chunk are in a row.
fn release_all(class: usize, list: &mut FreeList) {
    let same = |a: &Block, b: &Block| Chunk::of(a) == Chunk::of(b);
    for blocks in list.chunk_by(same) {
        // SAFETY: the list, which is cleared below, has these blocks of the chunk.
        unsafe { Chunk::release(Chunk::of(&blocks[0]), class, blocks.len() as u32) };
    }
    list.clear();
}

/// `take` of a thread that has no free block.
#[cold]
#[inline(never)]
fn take_slow(class: usize) -> Free {
    let refill = |list: &mut FreeList| {
        let kept = SHARED[class].try_lock().and_then(|mut shared| shared.pop());
        match kept {
            Some(kept) => *list = kept,
            None => {
                list.reserve_exact(LIST_LEN[class]);
                Chunk::make(class, CHUNK_LEN[class], |block| list.push(block));
            }
        }
        list.pop()
    };
    let mut taken = change_list(class, refill).flatten();
    if taken.is_none() {
        Chunk::make(class, 1, |block| taken = Some(block));
    }
    taken.map_or_else(|| unreachable!("a chunk has a block"), |Block(block)| block)
}

/// `give` of a thread whose list is full, or is not there yet, or no more.
#[cold]
#[inline(never)]
fn give_slow(class: usize, block: Free) {
    let mut block = Some(Block(block));
    change_list(class, |list| {
        if !list.is_empty() {
            keep(class, list);
        }
        list.reserve_exact(LIST_LEN[class]);
        list.extend(block.take());
    });
    if let Some(block) = block {
        // SAFETY: the caller has given it up.
        unsafe { Chunk::release(Chunk::of(&block), class, 1) };
    }
}

/// Empties a full free list: shares it, if there is room.
fn keep(class: usize, list: &mut FreeList) {
    let room = |shared: &SharedLists| shared.len() * LIST_LEN[class] * SIZES[class] < MOST_KEPT;
    match SHARED[class].try_lock().filter(|shared| room(shared)) {
        Some(mut shared) => shared.push(std::mem::take(list)),
        None => release_all(class, list),
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
