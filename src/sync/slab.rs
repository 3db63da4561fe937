//! Memory for spawned tasks, their batches, and tasks of graphs: freed blocks of a few sizes, kept
//! for reuse.
//!
//! A general allocator takes more time for a small task than everything else that happens to the
//! task, above all if one thread allocates and another frees. So each thread keeps freed blocks in
//! a *free list* for each size, and exchanges whole lists with a shared *slab*. These are the
//! magazines and the depot of Bonwick and Adams (2001). An exchange takes one lock for [`LIST_LEN`]
//! blocks. The slab keeps at most [`MOST_KEPT`] bytes of each size, and is emptied when a pool is
//! dropped. A thread that finds the slab locked does not wait, but uses the allocator.
//!
//! Blocks are allocated several at a time, as a *chunk*. The chunk goes back to the allocator when
//! all of its blocks have been released. (glibc takes about 15 ms to free a million blocks of 40
//! bytes that were allocated one by one.)
//!
//! # What it is worth
//! A row's time without a mechanism, divided by its time with it: medians by
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
use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::Mutex;

/// The sizes of blocks, in bytes: each is 8 less than a multiple of 16, for the [`Place`] before
/// each block. The smallest fits a task with a closure of one word. Anything larger than the last
/// comes straight from the allocator.
const SIZES: [usize; 7] = [40, 56, 120, 248, 504, 1016, 2040];
/// The alignment of each block. What needs more comes straight from the allocator.
const ALIGN: usize = 8;
/// How many blocks a full free list of each size has: 32 KiB of the larger ones. (A guess.)
const LIST_LEN: [usize; SIZES.len()] = [128, 128, 128, 128, 64, 32, 16];
/// How many blocks of each size a chunk has: 1.5 to 8 KiB. (A guess.)
const CHUNK_LEN: [u32; SIZES.len()] = [32, 32, 32, 32, 16, 8, 4];
/// How many bytes of each size the shared lists keep: enough for 200,000 of the smallest tasks.
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

/// Takes back memory that `take` returned.
///
/// # Safety
/// `block` came from `take::<T>`, and is not used any more.
#[inline]
pub(crate) unsafe fn give<T>(block: NonNull<T>) {
    let class = const { class_of(Layout::new::<T>()) };
    // SAFETY: the caller's premise.
    unsafe { give_back(block.cast(), Layout::new::<T>(), class) };
}

/// Takes back the memory of a value whose type is not known here.
///
/// # Safety
/// `block` came from `take::<T>` for a `T` of this layout, and is not used any more.
pub(crate) unsafe fn give_any(block: NonNull<u8>, layout: Layout) {
    // SAFETY: the caller's premise.
    unsafe { give_back(block, layout, class_of(layout)) };
}

/// # Safety
/// As `give_any`. `class` is the layout's.
#[inline(always)]
unsafe fn give_back(block: Free, layout: Layout, class: Option<usize>) {
    let Some(class) = class else {
        if layout.size() > 0 {
            // SAFETY: allocated by `take` with this layout.
            unsafe { dealloc(block.as_ptr(), layout) };
        }
        return;
    };
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

/// Returns the blocks in the shared free lists to the allocator. Leaves out lists that are locked.
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
    let block = match layout.size() {
        0 => ptr::without_provenance_mut(layout.align()),
        // SAFETY: the size is not 0.
        _ => unsafe { alloc(layout) },
    };
    NonNull::new(block).unwrap_or_else(|| handle_alloc_error(layout))
}

/// The header of a chunk. After it come the chunk's blocks, each with a [`Place`] before it.
#[repr(C, align(8))]
struct Chunk {
    /// How many of its blocks have not been released.
    left: AtomicU32,
    len: u32,
}

/// The header of a block: the chunk that the block is part of.
#[repr(C, align(8))]
struct Place(NonNull<Chunk>);

impl Chunk {
    /// Allocates a chunk of `len` blocks, and calls `each` with every block, from last to first.
    fn make(class: usize, len: u32, each: impl FnMut(Block)) {
        let chunk: NonNull<Chunk> = allocate(Self::layout(class, len)).cast();
        // SAFETY: the memory was allocated for a chunk.
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

    fn of(block: &Block) -> NonNull<Chunk> {
        // SAFETY: `make` has written a place before each block.
        unsafe { block.0.cast::<Place>().sub(1).as_ref() }.0
    }

    /// Releases `count` blocks of a chunk, and frees the chunk if no other block of it is left.
    ///
    /// # Safety
    /// The caller has `count` blocks of the chunk, and does not use them any more.
    unsafe fn release(this: NonNull<Chunk>, class: usize, count: u32) {
        // SAFETY: the blocks that the caller has keep the chunk alive.
        let (left, len) = unsafe { (&this.as_ref().left, this.as_ref().len) };
        // Release: comes after all uses of the blocks. Acquire: matches the Releases of the other
        // threads, if this one frees the chunk.
        if left.fetch_sub(count, Ordering::AcqRel) == count {
            // SAFETY: allocated by `make` with this layout; no block is in use.
            unsafe { dealloc(this.as_ptr().cast(), Self::layout(class, len)) };
        }
    }
}

type Free = NonNull<u8>;

/// Free blocks of one size. This is an array, not a list linked through the blocks. Most blocks are
/// not in the cache, and each one would have to be fetched to find the next.
type FreeList = Vec<Block>;

struct Block(Free);

// SAFETY: a `Block` owns its memory.
unsafe impl Send for Block {}

/// Releases all blocks of a list. Most blocks of one chunk are next to each other there.
fn release_all(class: usize, list: &mut FreeList) {
    let same = |a: &Block, b: &Block| Chunk::of(a) == Chunk::of(b);
    for blocks in list.chunk_by(same) {
        // SAFETY: the list owns these blocks of the chunk, and is cleared below.
        unsafe { Chunk::release(Chunk::of(&blocks[0]), class, blocks.len() as u32) };
    }
    list.clear();
}

/// `take` for a thread that has no free block of this size.
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

/// `give` for a thread whose list is full, or has no memory: before its first use, or after the
/// thread's locals were dropped.
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
        // SAFETY: the caller has given the block up.
        unsafe { Chunk::release(Chunk::of(&block), class, 1) };
    }
}

/// Empties a full free list: shares its blocks if there is room, else releases them.
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
    /// Never dropped, so that an access need not check whether it was dropped: see `END`.
    static LISTS: UnsafeCell<ManuallyDrop<Lists>> =
        const { UnsafeCell::new(ManuallyDrop::new([const { Vec::new() }; SIZES.len()])) };
    /// Used before any list gets memory. Its drop, when the thread ends, releases all free blocks.
    static END: End = const { End };
}

/// Calls `f` with this thread's free list of a size. Returns `None` if that list was dropped, which
/// only happens on systems without native thread-locals.
#[inline(always)]
fn with_list<R>(class: usize, f: impl FnOnce(&mut FreeList) -> R) -> Option<R> {
    // SAFETY: this is the only reference. It does not leave this call, and `f` runs no code of the
    // user.
    LISTS.try_with(|lists| f(unsafe { &mut (&mut *lists.get())[class] })).ok()
}

/// `with_list`, for an `f` that may give the list memory. Returns `None` if `END` was dropped:
/// nothing would free that memory.
fn change_list<R>(class: usize, f: impl FnOnce(&mut FreeList) -> R) -> Option<R> {
    END.try_with(|_| ()).ok()?;
    with_list(class, f)
}

struct End;

impl Drop for End {
    fn drop(&mut self) {
        for class in 0..SIZES.len() {
            // Leaves a list without memory, so that later calls of `give` take the slow path.
            let list = with_list(class, std::mem::take);
            list.into_iter().for_each(|mut list| release_all(class, &mut list));
        }
    }
}
