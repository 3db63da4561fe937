//! A worker's spawned tasks. They are public at once, since a task may be long and its spawner may
//! not come back to publish it. They move in batches, since a task may also be tiny.
//!
//! # States
//! A queued task is in one of three places:
//! - The *local buffer* has the newest tasks. It is an array with one shared word, its length. The
//!   owner adds or takes a task by a compare-exchange of the length, without contention as long as
//!   no thief takes from the buffer.
//! - The deque of *batches*: a full buffer is packed into a batch. A thief steals the oldest batch
//!   by one compare-exchange for all its tasks. Only if there is none does it take the older half
//!   of the buffer.
//! - The *injected batch*, a deque in which tasks from the injector keep their order. A worker
//!   fetches many at a time. In a pool that runs tasks oldest first, the owner's own tasks go there
//!   instead of into the buffer.
//!
//! The owner takes its newest task first. So a recursion of spawns needs memory only for its depth.
//!
//! The buffer's length is one of these:
//! - the number of tasks, `0..=ROOM`;
//! - [`TAKEN`], while a thief or the owner moves tasks out into a batch;
//! - [`UNUSED`] for good, in a pool that runs tasks oldest first.
//!
//! # Invariant
//! The slots below the length are filled. While the length is `TAKEN`, they belong to the thread
//! that set it.
//!
//! # Lemmas
//! 1. *The owner and a thief do not use the same slot.* The owner writes only the slot at the
//!    length that it read. A thief that replaces a length of n by `TAKEN` uses only the slots below
//!    n. If a thief takes the buffer before the owner's compare-exchange, this fails, and the owner
//!    takes its task out of the slot. While the buffer is taken, the owner pushes batches of one.
//!    Model: `a_task_that_is_stolen_is_run_once`.
//! 2. *The owner writes a slot after the thief has read it*: `push` and `fill` acquire the length
//!    that the thief released. Model: `a_buffer_that_was_emptied_is_filled_again`.
//! 3. *A new task and a sleeper do not miss each other.* The handshake is that of
//!    `queue/join_queue.rs`. In step (b), `push` changes the length by a SeqCst read-modify-write.
//!    If there are thieves, all writes of the length are read-modify-writes. After a push to a
//!    deque, step (b) is a SeqCst fence. The owner sets `uses_deques` before that fence. (So if a
//!    sleeper does not see `uses_deques`, and skips the deques, the owner sees the sleeper.)
//!    Models: `a_task_that_is_pushed_and_a_sleeper_see_each_other`,
//!    `a_task_that_is_pushed_in_order_and_a_sleeper_see_each_other`,
//!    `a_buffer_that_is_packed_and_a_sleeper_see_each_other`.
//! 4. *A task that moves and a sleeper do not miss each other.* A taken buffer counts as not empty.
//!    The thread that moves tasks, whether owner or thief, publishes them again in their new place.
//!    Models: `a_batch_that_is_unpacked_and_a_sleeper_see_each_other`,
//!    `a_batch_from_outside_and_a_sleeper_see_each_other`.
//!
//! # What it is worth
//! A row's time without a mechanism, divided by its time with it: medians by
//! `benches/ablation/run`, on two shared virtual cores. The names are those of its patches.
//!
//! | without | row | threads | time |
//! | --- | --- | ---: | ---: |
//! | `batches`: batches of more than one task | flat scope | 2 | 3.32 |
//! |  | spawn, then join each | 2 | 2.28 |
//! |  | skynet of scopes | 2 | 1.74 |
//! | `half-steals`: thieves take half of a buffer | skynet of scopes | 2 | 2.49 |
//! | `buffer-delay`: time for a buffer to fill | scopes of three tasks | 2 | 2.14 |
//! | `injector-delay`: time for a batch to grow | detached by one thread | 2 | 1.23 |
//!
//! A pool of one worker leaves out what only thieves need. That saves 3 to 7 % of the instructions
//! of tasks (patch `alone`).

use std::array;
use std::cell::Cell;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

use crossbeam_utils::CachePadded;

use super::deque::{Injector, Stealer, Worker, until_sure};
use crate::sync::slab;
use crate::sync::{AtomicBool, AtomicUsize, Ordering, UnsafeCell, fence, spin_loop, spin_or_yield};

/// The most tasks in the buffer and in a batch. With the length, they fit a block of 248 bytes.
const ROOM: usize = if cfg!(loom) { 2 } else { 30 };
/// How many times a thief spins to let an owner fill its buffer: for about as long as the owner
/// takes to spawn a buffer full of tiny tasks.
const DELAY: u32 = if cfg!(loom) { 0 } else { 32 };
/// A batch from the injector is small if it has fewer tasks than this.
const SMALL_BATCH: usize = 8;
/// The length of a buffer from which a thread moves tasks out.
const TAKEN: usize = usize::MAX;
/// The length of a buffer that is never used.
const UNUSED: usize = usize::MAX - 1;

/// A worker's spawned tasks. Only the owner uses `batches` and `injected`, or adds to the buffer.
pub(crate) struct TaskQueue<J> {
    buffer: CachePadded<Buffer<J>>,
    batches: Worker<Packed<J>>,
    stealer: Stealer<Packed<J>>,
    /// The injected batch.
    injected: Worker<J>,
    injected_stealer: Stealer<J>,
    /// Whether the last batch from the injector was small (owner only).
    last_was_small: Cell<bool>,
    /// Whether all tasks are run oldest first. Then the buffer is `UNUSED`.
    pub(crate) in_order: bool,
}

struct Buffer<J> {
    len: AtomicUsize,
    /// Whether the pool has no thieves. Then loads and stores are enough.
    alone: bool,
    /// Whether the owner has ever pushed to a deque; set before the first push. (It saves the
    /// fence of `Stealer::is_empty`.)
    uses_deques: AtomicBool,
    slots: [UnsafeCell<MaybeUninit<J>>; ROOM],
}

struct Batch<J> {
    len: usize,
    slots: [MaybeUninit<J>; ROOM],
}

/// Owns a batch and its block of memory.
struct Packed<J>(NonNull<Batch<J>>);

// SAFETY: this owns the batch, which moves with the tasks in it.
unsafe impl<J: Send> Send for Packed<J> {}

impl<J> Packed<J> {
    fn empty() -> Self {
        let block = slab::take::<Batch<J>>();
        // SAFETY: the block is for this type, whose slots need not be initialized.
        unsafe { (&raw mut (*block.as_ptr()).len).write(0) };
        Packed(block)
    }

    fn batch(&mut self) -> &mut Batch<J> {
        // SAFETY: the block is this value's alone, and was written by `empty`.
        unsafe { self.0.as_mut() }
    }

    fn push(&mut self, task: J) {
        let batch = self.batch();
        batch.slots[batch.len].write(task);
        batch.len += 1;
    }

    fn pop(&mut self) -> Option<J> {
        let batch = self.batch();
        batch.len = batch.len.checked_sub(1)?;
        // SAFETY: the slots below the former length are filled, and this one is no longer counted.
        Some(unsafe { batch.slots[batch.len].assume_init_read() })
    }
}

impl<J> Drop for Packed<J> {
    fn drop(&mut self) {
        // SAFETY: it came from `slab::take` in `empty`.
        unsafe { slab::give(self.0) };
    }
}

impl<J> Buffer<J> {
    /// Adds a task, or returns it if the buffer is full or taken (owner only).
    #[inline]
    fn push(&self, task: J) -> Result<(), J> {
        // Acquire: matches the Release in `move_into_batch`: the thief is done with the slot.
        let len = self.len.load(Ordering::Acquire);
        if len >= ROOM {
            return Err(task);
        }
        // SAFETY: lemma 1: no thief uses the slot at `len`.
        unsafe { (*self.slots[len].get()).write(task) };
        if self.change(len, len + 1) {
            return Ok(());
        }
        // SAFETY: written above; no other thread reads it, since the length does not count it.
        Err(unsafe { (*self.slots[len].get()).assume_init_read() })
    }

    /// Replaces the length, unless a thief changes it first (owner only).
    #[inline]
    fn change(&self, from: usize, to: usize) -> bool {
        if self.alone {
            self.len.store(to, Ordering::Relaxed);
            return true;
        }
        // Release: publishes the slots to the thief's Acquire. Acquire: sees tasks that a thief has
        // moved down. On failure, the caller reads no slot that a thief wrote. SeqCst: lemma 3.
        self.len.compare_exchange(from, to, Ordering::SeqCst, Ordering::Relaxed).is_ok()
    }

    #[inline]
    fn pop(&self) -> Option<J> {
        loop {
            let len = self.len.load(Ordering::Relaxed);
            if len == 0 || len > ROOM {
                if len == TAKEN {
                    spin_loop();
                }
                return None;
            }
            if self.change(len, len - 1) {
                // SAFETY: the slot is filled (invariant), and is no longer counted.
                return Some(unsafe { (*self.slots[len - 1].get()).assume_init_read() });
            }
        }
    }

    /// Moves a batch's tasks into the buffer, if it is empty (owner only).
    #[must_use]
    fn fill(&self, batch: &mut Batch<J>) -> bool {
        // Acquire: as in `push`.
        if self.len.load(Ordering::Acquire) != 0 {
            return false;
        }
        for (slot, task) in self.slots.iter().zip(&batch.slots[..batch.len]) {
            // SAFETY: the task is below the batch's length, which is set to 0 below; no thief uses
            // a slot of an empty buffer.
            unsafe { (*slot.get()).write(task.assume_init_read()) };
        }
        // AcqRel: as in `change`. No thief changes an empty buffer's length.
        self.len.swap(std::mem::take(&mut batch.len), Ordering::AcqRel);
        true
    }

    /// Packs a full buffer into a batch (owner only).
    fn pack(&self) -> Option<Packed<J>> {
        // AcqRel: as in `take`.
        let full = self.len.compare_exchange(ROOM, TAKEN, Ordering::AcqRel, Ordering::Relaxed);
        full.is_ok().then(|| self.move_into_batch(ROOM, 0))
    }

    /// Takes the older half of the tasks, rounded up (any thief).
    fn take(&self) -> Option<Packed<J>> {
        let len = self.len.load(Ordering::Relaxed);
        if len == TAKEN {
            // The thread that moves tasks out may have been preempted.
            spin_or_yield();
        }
        if len == 0 || len > ROOM {
            return None;
        }
        // Acquire: matches the owner's Release of the slots.
        self.len.compare_exchange(len, TAKEN, Ordering::AcqRel, Ordering::Relaxed).ok()?;
        Some(self.move_into_batch(len, len / 2))
    }

    /// Called after the caller has replaced the length `len` by `TAKEN`. Moves the tasks into a
    /// batch, except the newest `left`. The length is then `left`.
    fn move_into_batch(&self, len: usize, left: usize) -> Packed<J> {
        let mut batch = Packed::empty();
        let (moved, kept) = self.slots[..len].split_at(len - left);
        // SAFETY: the caller has replaced the length, so these slots are filled and its own.
        let read = |slot: &UnsafeCell<MaybeUninit<J>>| unsafe { (*slot.get()).assume_init_read() };
        moved.iter().for_each(|slot| batch.push(read(slot)));
        for (to, from) in self.slots.iter().zip(kept) {
            // SAFETY: until the swap below, no other thread uses slots below `len`.
            unsafe { (*to.get()).write(read(from)) };
        }
        // Release: matches the owner's Acquire. A swap, not a store: lemma 3.
        self.len.swap(left, Ordering::Release);
        batch
    }
}

impl<J> TaskQueue<J> {
    /// Makes a queue. For the arguments, see the fields `alone` and `in_order`.
    pub(crate) fn new(alone: bool, in_order: bool) -> Self {
        let batches = Worker::new_lifo();
        let stealer = batches.stealer();
        let injected = Worker::new_fifo();
        let injected_stealer = injected.stealer();
        TaskQueue {
            buffer: CachePadded::new(Buffer {
                len: AtomicUsize::new(if in_order { UNUSED } else { 0 }),
                alone,
                uses_deques: AtomicBool::new(false),
                slots: array::from_fn(|_| UnsafeCell::new(MaybeUninit::uninit())),
            }),
            batches,
            stealer,
            injected,
            injected_stealer,
            last_was_small: Cell::new(false),
            in_order,
        }
    }

    /// Adds a task (owner only). This includes step (b) of the handshake with sleepers.
    #[inline]
    pub(crate) fn push(&self, task: J) {
        if let Err(task) = self.buffer.push(task) {
            self.push_slow(task);
        }
    }

    /// In a pool without thieves, adds a task. Returns the task if there are thieves or the buffer
    /// is full (owner only).
    #[inline]
    pub(crate) fn push_alone(&self, task: J) -> Result<(), J> {
        if self.buffer.alone { self.buffer.push(task) } else { Err(task) }
    }

    #[cold]
    fn push_slow(&self, task: J) {
        self.use_deques();
        if self.in_order {
            self.injected.push(task);
            return self.publish_moved();
        }
        if let Some(batch) = self.buffer.pack() {
            self.batches.push(batch);
        }
        if let Err(task) = self.buffer.push(task) {
            let mut batch = Packed::empty();
            batch.push(task);
            self.batches.push(batch);
        }
        self.publish_moved();
    }

    /// Called before the owner pushes to a deque. (Relaxed: step (b), which follows, orders it.)
    fn use_deques(&self) {
        if !self.uses_deques() {
            self.buffer.uses_deques.store(true, Ordering::Relaxed);
        }
    }

    fn uses_deques(&self) -> bool {
        self.buffer.uses_deques.load(Ordering::Relaxed)
    }

    /// Returns whether the newest task may be one for which `is` returns `true` (owner only). The
    /// answer `false` is certain, `true` may be wrong. A thief may have stolen, run and freed the
    /// task, so `is` must look at nothing but the reference to it.
    #[inline]
    pub(crate) fn may_end_with(&self, is: impl FnOnce(&J) -> bool) -> bool {
        // Acquire: matches the Release of a thief that has moved tasks down.
        let len = self.buffer.len.load(Ordering::Acquire);
        // (loom takes each access for a write, and a thief may access the slot at the same time.)
        if len == 0 || len > ROOM || cfg!(loom) {
            return true;
        }
        // SAFETY: the slots below the length are filled. A thief may read the last of them, but not
        // write it: it moves the newer half down, into the lower half of the slots.
        is(unsafe { (*self.buffer.slots[len - 1].get()).assume_init_ref() })
    }

    /// Takes the newest task, else the oldest injected one (owner only). If it unpacks a batch,
    /// calls `moved`, which publishes the rest of the batch again: lemma 4.
    #[inline]
    pub(crate) fn pop(&self, moved: impl FnOnce()) -> Option<J> {
        self.buffer.pop().or_else(|| self.pop_beyond(moved))
    }

    #[inline(never)]
    fn pop_beyond(&self, moved: impl FnOnce()) -> Option<J> {
        self.pop_batch(moved).or_else(|| self.pop_from_outside())
    }

    /// Like `pop`, but does not take injected tasks.
    #[inline]
    pub(crate) fn pop_newest(&self, moved: impl FnOnce()) -> Option<J> {
        self.buffer.pop().or_else(|| self.pop_batch(moved))
    }

    /// Takes the oldest injected task (owner only).
    pub(crate) fn pop_from_outside(&self) -> Option<J> {
        self.injected.pop()
    }

    fn pop_batch(&self, moved: impl FnOnce()) -> Option<J> {
        let newest = self.unpack(self.batches.pop()?);
        moved();
        newest
    }

    #[inline]
    pub(crate) fn has_thieves(&self) -> bool {
        !self.buffer.alone
    }

    /// Step (b) of the handshake with sleepers, for tasks that have moved here.
    pub(crate) fn publish_moved(&self) {
        // Pairs with the fence of a worker that is about to sleep: lemmas 3 and 4.
        fence(Ordering::SeqCst);
    }

    /// Returns whether no task is queued. After a SeqCst fence, this is step (3) of the handshake.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        let len = self.buffer.len.load(Ordering::Relaxed);
        let are_empty = || self.stealer.is_empty() && self.injected_stealer.is_empty();
        (len == 0 || len == UNUSED) && (!self.uses_deques() || are_empty())
    }

    /// Returns how many tasks thieves could take, and counts each batch as full. After a SeqCst
    /// fence, this is step (3), like `is_empty`.
    pub(crate) fn public(&self) -> usize {
        let in_buffer = match self.buffer.len.load(Ordering::Relaxed) {
            // The thief may leave some tasks here, and does not publish them again.
            TAKEN => 1,
            UNUSED => 0,
            len => len,
        };
        if !self.uses_deques() {
            return in_buffer;
        }
        in_buffer + self.injected_stealer.len() + self.stealer.len() * ROOM
    }

    /// Returns how many tasks are queued one by one, and how many batches of up to [`ROOM`] tasks.
    /// (Relaxed, for dumps.)
    pub(crate) fn pending(&self) -> (usize, usize) {
        let in_buffer = match self.buffer.len.load(Ordering::Relaxed) {
            TAKEN | UNUSED => 0,
            len => len,
        };
        (in_buffer + self.injected_stealer.len(), self.stealer.len())
    }

    /// Steals tasks from `victim`, returns one and keeps the others here (owner only).
    ///
    /// If `delay`, the thief gives the victim time to fill its buffer before it takes tasks from
    /// there. Otherwise a victim that spawns tiny tasks would find its buffer taken at each spawn.
    /// If the buffer then has one task and `leaves_one` returns `true`, the thief leaves it there.
    pub(crate) fn steal_from(
        &self,
        victim: &TaskQueue<J>,
        delay: bool,
        leaves_one: impl FnOnce() -> bool,
    ) -> Option<J> {
        let packed = || {
            (0..DELAY).for_each(|_| spin_loop());
            self.steal_packed(victim)
        };
        let is_left = || delay && victim.buffer.len.load(Ordering::Relaxed) <= 1 && leaves_one();
        self.steal_packed(victim)
            .or_else(|| if delay { packed() } else { None })
            .or_else(|| if is_left() { None } else { self.unpack(victim.buffer.take()?) })
    }

    fn steal_packed(&self, victim: &TaskQueue<J>) -> Option<J> {
        if !victim.uses_deques() {
            return None;
        }
        match until_sure(|| victim.stealer.steal()) {
            Some(batch) => self.unpack(batch),
            None => {
                self.use_deques();
                until_sure(|| victim.injected_stealer.steal_batch_and_pop(&self.injected))
            }
        }
    }

    /// Moves a batch of tasks from the injector here, and returns the first (owner only).
    ///
    /// After a small batch, the worker gives the next one time to grow. Otherwise, if tiny tasks
    /// are submitted more slowly than they run, the worker would fetch each one alone, which costs
    /// more than running it.
    pub(crate) fn steal_injected(&self, injector: &Injector<J>) -> Option<J> {
        if self.last_was_small.get() && injector.len() < SMALL_BATCH {
            (0..DELAY).for_each(|_| spin_loop());
        }
        let first = if injector.len() <= 1 {
            until_sure(|| injector.steal())
        } else {
            self.use_deques();
            until_sure(|| injector.steal_batch_and_pop(&self.injected))
        };
        self.last_was_small.set(self.injected.len() < SMALL_BATCH);
        first
    }

    /// Adds a job that comes from another worker's queue (owner only). The caller then calls
    /// `publish_moved`.
    pub(crate) fn push_moved(&self, job: J) {
        self.use_deques();
        self.injected.push(job);
    }

    /// Returns the newest task of a batch, and adds the others to this queue.
    fn unpack(&self, mut batch: Packed<J>) -> Option<J> {
        let newest = batch.pop();
        if batch.batch().len > 0 && !self.buffer.fill(batch.batch()) {
            self.use_deques();
            self.batches.push(batch);
        }
        newest
    }
}
