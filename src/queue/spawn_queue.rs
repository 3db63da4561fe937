//! The queue of spawned tasks: public at once, since a task may be long and its spawner may not
//! come back to publish it; and moved in batches, since a task may also be tiny.
//!
//! # The parts
//! The newest tasks stand in the *local buffer*, an array with one shared word, its length. The
//! owner adds and takes with a compare-exchange of the length each, which no thread contends for as
//! long as none steals from the buffer. A full buffer is packed into a *batch*, and batches stand
//! in a crossbeam deque. Thieves steal the oldest batch, with one compare-exchange for all its
//! tasks; only where there is none they take the older half of the buffer.
//!
//! The owner takes the newest task first: a recursion of spawns then needs memory for its depth
//! only. A thief gets the oldest batch.
//!
//! Tasks from outside come from the injector many at a time. This *injected batch* stands in a
//! deque of its own, since it keeps its order. In a pool that runs all tasks oldest first, the
//! owner's tasks go there, too.
//!
//! # The buffer's length
//! `0..=ROOM`: that many tasks, which the owner may change by one and pack at `ROOM`. [`TAKEN`]:
//! a thief moves the older half out, then sets what is left. Whoever sets `TAKEN` from `n` has the
//! slots below `n`. The owner writes a slot only at or above the length it read, so that it never
//! writes what a thief reads; while the buffer is taken, it makes batches of one. A taken buffer
//! counts as not empty, since the newer half stays: so no owner sleeps on it. [`UNUSED`] stays for
//! good.
//!
//! # The handshake with sleepers
//! That of `queue/join_queue.rs`. To add to the buffer is a SeqCst read-modify-write of its length,
//! which takes the place of `limit`; where there are thieves, all writes of it are
//! read-modify-writes. For batches and the injected batch the owner issues a SeqCst fence between
//! the push and reading the counts.
//!
//! # What it is worth
//! What a row takes without it, as a multiple of what it takes with it: medians by
//! `benches/ablation/run`, on two shared virtual cores.
//!
//! | without | row | threads | time |
//! | --- | --- | ---: | ---: |
//! | `batches`: batches of more than one task | flat scope | 2 | 3.32 |
//! |  | spawn, then join each | 2 | 2.28 |
//! |  | skynet of scopes | 2 | 1.74 |
//! | `half-steals`: the newer half left | skynet of scopes | 2 | 2.49 |
//! | `buffer-patience`: time for a buffer to fill | scopes of three tasks | 2 | 2.14 |
//! | `trickle`: time for a batch to grow | detached by one thread | 2 | 1.23 |
//!
//! Where nobody steals, `alone` saves 3 to 7 % of the instructions of tasks.

use std::array;
use std::cell::Cell;
use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

use crossbeam_utils::CachePadded;

use super::deque::{Injector, Stealer, Worker, until_sure};
use crate::sync::slab;
use crate::sync::{AtomicUsize, Ordering, UnsafeCell, fence, spin_loop, spin_or_yield};

/// Tasks in the buffer, and in a batch at most: what fits a block of 248 bytes with its length.
const ROOM: usize = if cfg!(loom) { 2 } else { 30 };
/// How many spins a thief gives an owner to fill its buffer: about the time in which a buffer of
/// tiny tasks is spawned.
const PATIENCE: u32 = if cfg!(loom) { 0 } else { 32 };
/// A batch from the injector that is smaller than this is a small one.
const TRICKLE: usize = 8;
/// Length of a buffer from which a thief moves tasks out.
const TAKEN: usize = usize::MAX;
/// Length of a buffer that is not used.
const UNUSED: usize = usize::MAX - 1;

/// A worker's spawned tasks. `batches`, `injected`, and adding to the buffer are the owner's alone.
pub(crate) struct TaskQueue<J> {
    buffer: CachePadded<Buffer<J>>,
    batches: Worker<Packed<J>>,
    stealer: Stealer<Packed<J>>,
    /// Tasks from the injector, the oldest first.
    injected: Worker<J>,
    injected_stealer: Stealer<J>,
    /// Whether the last batch from the injector was a small one (owner only).
    trickle: Cell<bool>,
    /// Whether the owner's tasks go to `injected`, too, so that all are run oldest first. Then the
    /// buffer is `UNUSED`.
    in_order: bool,
}

struct Buffer<J> {
    len: AtomicUsize,
    /// Whether there are no thieves at all: then plain loads and stores will do.
    alone: bool,
    slots: [UnsafeCell<MaybeUninit<J>>; ROOM],
}

/// Some tasks that move together.
struct Batch<J> {
    len: usize,
    slots: [MaybeUninit<J>; ROOM],
}

/// A batch and its block.
struct Packed<J>(NonNull<Batch<J>>);

// SAFETY: a batch belongs to whoever has it, and moves with the tasks in it.
unsafe impl<J: Send> Send for Packed<J> {}

impl<J> Packed<J> {
    fn empty() -> Self {
        let block = slab::take::<Batch<J>>();
        // SAFETY: the memory is for this type, whose slots need not be written.
        unsafe { (&raw mut (*block.as_ptr()).len).write(0) };
        Packed(block)
    }

    fn push(&mut self, task: J) {
        let len = self.len;
        self.slots[len].write(task);
        self.len = len + 1;
    }

    fn pop(&mut self) -> Option<J> {
        self.len = self.len.checked_sub(1)?;
        // SAFETY: the slots below the former length are filled, and this one is left.
        Some(unsafe { self.slots[self.len].assume_init_read() })
    }
}

impl<J> Deref for Packed<J> {
    type Target = Batch<J>;

    fn deref(&self) -> &Batch<J> {
        // SAFETY: the block is this value's alone, and was written by `empty`.
        unsafe { self.0.as_ref() }
    }
}

impl<J> DerefMut for Packed<J> {
    fn deref_mut(&mut self) -> &mut Batch<J> {
        // SAFETY: as in `deref`.
        unsafe { self.0.as_mut() }
    }
}

impl<J> Drop for Packed<J> {
    fn drop(&mut self) {
        // SAFETY: it came from `slab::take` in `empty`.
        unsafe { slab::give(self.0) };
    }
}

impl<J> Buffer<J> {
    /// Adds a task (owner only), or gives it back if the buffer is full or taken.
    #[inline]
    fn push(&self, task: J) -> Result<(), J> {
        // Acquire: matches the thief's Release of 0, after which the slots are the owner's again.
        let len = self.len.load(Ordering::Acquire);
        if len >= ROOM {
            return Err(task);
        }
        // SAFETY: only the owner writes slots, and thieves read those below `len` only.
        unsafe { (*self.slots[len].get()).write(task) };
        if self.change(len, len + 1) {
            return Ok(());
        }
        // SAFETY: written above, and not counted, so that nobody else reads it.
        Err(unsafe { (*self.slots[len].get()).assume_init_read() })
    }

    /// Replaces the length, unless a thief has taken the buffer (owner only).
    #[inline]
    fn change(&self, from: usize, to: usize) -> bool {
        if self.alone {
            self.len.store(to, Ordering::Relaxed);
            return true;
        }
        // Release: publishes the slots to the thief's Acquire; a failure leaves them unused.
        // SeqCst: "the handshake with sleepers".
        self.len.compare_exchange(from, to, Ordering::SeqCst, Ordering::Relaxed).is_ok()
    }

    /// Takes the newest task (owner only).
    #[inline]
    fn pop(&self) -> Option<J> {
        loop {
            let len = self.len.load(Ordering::Relaxed);
            if len == 0 || len > ROOM {
                return None;
            }
            if self.change(len, len - 1) {
                // SAFETY: the owner filled this slot, and has taken it out of the count.
                return Some(unsafe { (*self.slots[len - 1].get()).assume_init_read() });
            }
        }
    }

    /// Moves a batch's tasks into an empty buffer (owner only).
    #[must_use]
    fn fill(&self, batch: &mut Packed<J>) -> bool {
        // Acquire: as in `push`.
        if self.len.load(Ordering::Acquire) != 0 {
            return false;
        }
        for (slot, task) in self.slots.iter().zip(&batch.slots[..batch.len]) {
            // SAFETY: the task is below the batch's length, which is set to 0 below; only the
            // owner writes slots, and no thief reads any of an empty buffer.
            unsafe { (*slot.get()).write(task.assume_init_read()) };
        }
        // AcqRel: as in `push`. No thief changes an empty buffer's length.
        self.len.swap(std::mem::take(&mut batch.len), Ordering::AcqRel);
        true
    }

    /// Packs a full buffer into a batch (owner only).
    fn pack(&self) -> Option<Packed<J>> {
        // AcqRel: as in `take`.
        let full = self.len.compare_exchange(ROOM, TAKEN, Ordering::AcqRel, Ordering::Relaxed);
        full.is_ok().then(|| self.move_into_batch(ROOM, 0))
    }

    /// Takes the older half of the tasks, or the only one (any thief).
    fn take(&self) -> Option<Packed<J>> {
        let len = self.len.load(Ordering::Relaxed);
        if len == TAKEN {
            // The thief that moves tasks out may have lost its processor.
            spin_or_yield();
        }
        if len == 0 || len > ROOM {
            return None;
        }
        // Acquire: matches the owner's Release of the slots.
        self.len.compare_exchange(len, TAKEN, Ordering::AcqRel, Ordering::Relaxed).ok()?;
        Some(self.move_into_batch(len, len / 2))
    }

    /// Moves the `len` tasks of a buffer that the caller has set to `TAKEN` into a batch, but for
    /// the newest `left`, and opens the buffer.
    fn move_into_batch(&self, len: usize, left: usize) -> Packed<J> {
        let mut batch = Packed::empty();
        let (moved, kept) = self.slots[..len].split_at(len - left);
        // SAFETY: filled, by the length that the caller replaced, which is the caller's claim.
        let read = |slot: &UnsafeCell<MaybeUninit<J>>| unsafe { (*slot.get()).assume_init_read() };
        moved.iter().for_each(|slot| batch.push(read(slot)));
        for (to, from) in self.slots.iter().zip(kept) {
            // SAFETY: nobody else reads or writes slots below the length until the buffer is open.
            unsafe { (*to.get()).write(read(from)) };
        }
        // Release: matches the owner's Acquire. A swap, for the handshake with sleepers: a store
        // would hide those that came while the buffer was taken.
        self.len.swap(left, Ordering::Release);
        batch
    }
}

impl<J> TaskQueue<J> {
    /// `alone`: nobody will ever steal from it. `in_order`: the owner takes the oldest task first.
    pub(crate) fn new(alone: bool, in_order: bool) -> Self {
        let batches = Worker::new_lifo();
        let stealer = batches.stealer();
        let injected = Worker::new_fifo();
        let injected_stealer = injected.stealer();
        TaskQueue {
            buffer: CachePadded::new(Buffer {
                len: AtomicUsize::new(if in_order { UNUSED } else { 0 }),
                alone,
                slots: array::from_fn(|_| UnsafeCell::new(MaybeUninit::uninit())),
            }),
            batches,
            stealer,
            injected,
            injected_stealer,
            trickle: Cell::new(false),
            in_order,
        }
    }

    /// Adds a task, and goes through the owner's side of the handshake with sleepers (owner only).
    #[inline]
    pub(crate) fn push(&self, task: J) {
        if let Err(task) = self.buffer.push(task) {
            self.push_slow(task);
        }
    }

    #[cold]
    fn push_slow(&self, task: J) {
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

    /// Whether the owner's tasks are run oldest first.
    #[inline]
    pub(crate) fn is_in_order(&self) -> bool {
        self.in_order
    }

    /// Takes the newest task, else the oldest that came from outside (owner only). Calls `moved`
    /// if others have moved on the way, perhaps past somebody who was about to sleep: they have
    /// to be published anew.
    #[inline]
    pub(crate) fn pop(&self, moved: impl FnOnce()) -> Option<J> {
        self.pop_newest(moved).or_else(|| self.pop_from_outside())
    }

    /// Like `pop`, but of this worker's own tasks only.
    #[inline]
    pub(crate) fn pop_newest(&self, moved: impl FnOnce()) -> Option<J> {
        self.buffer.pop().or_else(|| self.pop_batch(moved))
    }

    /// Takes the oldest task that came from outside (owner only).
    pub(crate) fn pop_from_outside(&self) -> Option<J> {
        self.injected.pop()
    }

    fn pop_batch(&self, moved: impl FnOnce()) -> Option<J> {
        let newest = self.unpack(self.batches.pop()?);
        moved();
        newest
    }

    /// Whether somebody may ever steal from it.
    #[inline]
    pub(crate) fn has_thieves(&self) -> bool {
        !self.buffer.alone
    }

    /// The owner's side of the handshake with sleepers, for tasks that have moved here.
    pub(crate) fn publish_moved(&self) {
        // Pairs with the fence of a worker that is about to sleep.
        fence(Ordering::SeqCst);
    }

    /// Whether no task is queued. (After a SeqCst fence: the sleepers' side of the handshake.)
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        let len = self.buffer.len.load(Ordering::Relaxed);
        (len == 0 || len == UNUSED) && self.stealer.is_empty() && self.injected_stealer.is_empty()
    }

    /// How many jobs a thief could take from it, one after the other. (After a SeqCst fence: as
    /// `is_empty`.)
    pub(crate) fn public(&self) -> usize {
        let in_buffer = match self.buffer.len.load(Ordering::Relaxed) {
            // The thief may leave some, and tells nobody of them.
            TAKEN => 1,
            UNUSED => 0,
            len => len,
        };
        in_buffer + self.injected_stealer.len() + self.stealer.len() * ROOM
    }

    /// How many tasks are queued one by one, and how many batches of up to [`ROOM`]. (For dumps: a
    /// glance.)
    pub(crate) fn pending(&self) -> (usize, usize) {
        let in_buffer = match self.buffer.len.load(Ordering::Relaxed) {
            TAKEN | UNUSED => 0,
            len => len,
        };
        (in_buffer + self.injected_stealer.len(), self.stealer.len())
    }

    /// Steals tasks from `victim`, keeps all but one of them and returns that one (owner only).
    ///
    /// An owner that spawns one tiny task after the other must not find its buffer taken each time:
    /// if the caller is `patient`, it takes what is in the buffer only if that is not a batch after
    /// a while.
    pub(crate) fn steal_from(&self, victim: &TaskQueue<J>, patient: bool) -> Option<J> {
        let packed = || {
            (0..PATIENCE).for_each(|_| spin_loop());
            self.steal_packed(victim)
        };
        self.steal_packed(victim)
            .or_else(|| if patient { packed() } else { None })
            .or_else(|| self.unpack(victim.buffer.take()?))
    }

    fn steal_packed(&self, victim: &TaskQueue<J>) -> Option<J> {
        match until_sure(|| victim.stealer.steal()) {
            Some(batch) => self.unpack(batch),
            None => until_sure(|| victim.injected_stealer.steal_batch_and_pop(&self.injected)),
        }
    }

    /// Moves a batch of tasks from the injector here, and returns the first (owner only).
    ///
    /// Of a stream of tiny tasks, submitted more slowly than they are run, each would be fetched
    /// alone, at a cost for both sides that is more than the task's. So after a small batch the
    /// next one is given time to grow.
    pub(crate) fn steal_injected(&self, injector: &Injector<J>) -> Option<J> {
        if self.trickle.get() && injector.len() < TRICKLE {
            (0..PATIENCE).for_each(|_| spin_loop());
        }
        let first = until_sure(|| injector.steal_batch_and_pop(&self.injected));
        self.trickle.set(self.injected.len() < TRICKLE);
        first
    }

    /// Adds a job that comes from another worker's queue (owner only). The caller then publishes
    /// what has moved.
    pub(crate) fn push_moved(&self, job: J) {
        self.injected.push(job);
    }

    /// Adds a batch's tasks but one, which is returned.
    fn unpack(&self, mut batch: Packed<J>) -> Option<J> {
        let newest = batch.pop();
        if batch.len > 0 && !self.buffer.fill(&mut batch) {
            self.batches.push(batch);
        }
        newest
    }
}
