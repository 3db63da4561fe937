//! Further stacks, for jobs that a worker runs on top of its waits.
//!
//! A worker that joins a task which has not begun runs it in place, on top of the join. That task
//! may join another one, and so on, so a chain of tasks nests as deep as it is long. Jobs that wait
//! nest in the same way. Jobs in place may use only a part of a stack, its *room*. If that is used
//! up, the next job runs on a further stack, which is larger. It is the stack of a thread that acts
//! as the same worker, while the thread below does nothing until the job has ended. Each stack has
//! [`GROWTH`] times the room of the one below it, up to [`MOST_ROOM`], so a long chain needs few
//! threads.
//!
//! *Lemma.* This causes no deadlock. Of all frames on the stacks of a worker, only those of the
//! topmost thread run, in the order in which they would run on one stack, and the worker's state
//! passes from thread to thread with them. So all waits are the same as on one stack that is large
//! enough.
//!
//! The thread of a further stack ends when the outermost job in place on the stack below ends. So a
//! worker that joins many tasks where the room is used up starts one thread for all of them.
#![allow(unsafe_code)]

use super::current::Acting;
use super::shared::Worker;
use super::stack::{Calls, FurtherStack};
use crate::job::outcome;
use crate::os::thread::default_stack_size;
use crate::sim;

/// The room on a worker's own stack, in bytes. It is at most a quarter of the stack: the frames
/// below use some of the stack, and the last task needs the rest. (A guess: each task of a chain
/// takes 240 bytes, and a few times as many in a debug build.)
const ROOM: usize = 512 << 10;
/// The room on the stack of a user's thread: the size of that stack is unknown. (A guess.)
const ROOM_OF_USERS: usize = 64 << 10;
/// By how much the room grows from one stack to the next, and the most room on a stack. (Guesses: a
/// chain of a million tasks takes four threads.)
const GROWTH: usize = 8;
const MOST_ROOM: usize = if cfg!(target_pointer_width = "64") { 256 << 20 } else { 16 << 20 };

impl Worker {
    /// Calls `run` on top of a wait: on this stack, or on the next one if the room here is used up.
    #[inline]
    pub(crate) fn run_in_place(&self, run: impl FnOnce()) {
        let here = 0_u8;
        let here = (&raw const here).addr();
        if self.in_place.from.get() != 0 {
            return self.run_deeper(here, run);
        }
        self.in_place.from.set(here);
        run();
        self.in_place.from.set(0);
        if self.in_place.room.get() != 0 {
            self.in_place.end();
        }
    }

    #[inline(never)]
    fn run_deeper(&self, here: usize, run: impl FnOnce()) {
        if self.is_within_room(here) { run() } else { self.run_above(run) }
    }

    /// Whether a job in place would run on this stack.
    pub(crate) fn has_room(&self) -> bool {
        let here = 0_u8;
        self.in_place.from.get() == 0 || self.is_within_room((&raw const here).addr())
    }

    fn is_within_room(&self, here: usize) -> bool {
        if self.in_place.room.get() == 0 {
            // (A borrower may be a thread of another pool, with a smaller stack.)
            let is_own = Worker::is_on_own_thread() && !self.is_lent();
            let room = if is_own { ROOM.min(self.stack_size() / 4) } else { ROOM_OF_USERS };
            self.in_place.room.set(room);
        }
        self.in_place.from.get().abs_diff(here) < self.in_place.room.get()
    }

    /// Calls `run` on the next stack, or here if no thread can be started for it.
    #[cold]
    #[inline(never)]
    fn run_above(&self, run: impl FnOnce()) {
        // A thread of a pool that is not simulated could not use the deterministic pools of the
        // calling thread.
        if sim::takes_turns() && !self.registry().is_simulated() {
            return run();
        }
        let below = self.in_place.take();
        let room = below.room.get().saturating_mul(GROWTH).min(MOST_ROOM);
        let above = below.above.take().or_else(|| start_stack(self, room));
        let above = above.or_else(|| start_stack(self, ROOM));
        let mut run = Some(run);
        let mut run = || run.take().into_iter().for_each(|run| run());
        if let Some(above) = &above {
            // A panic must not end this frame, which the other thread uses.
            outcome::run_or_abort(|| above.call(&mut run));
        }
        below.above.set(above);
        self.in_place.put(below);
        run();
    }

    fn stack_size(&self) -> usize {
        self.registry().settings.stack_size.unwrap_or_else(default_stack_size)
    }
}

/// The worker that the thread acts as.
struct Whose(*const Worker);

// SAFETY: a worker may be shared (`Worker`).
unsafe impl Send for Whose {}

/// Starts a thread with `room` in addition to a stack like the worker's own. Returns `None` in
/// pools without spare threads, and if the system refuses a thread.
fn start_stack(worker: &Worker, room: usize) -> Option<FurtherStack> {
    let registry = worker.registry();
    if registry.settings.max_spare_threads == 0 {
        return None;
    }
    let whose = Whose(worker);
    let body = move |calls: &Calls| {
        let whose = whose;
        // SAFETY: a frame on the worker's stack, which has the `FurtherStack`, waits until the
        // thread has stopped using the worker.
        serve(calls, unsafe { &*whose.0 }, room);
    };
    let stack_size = worker.stack_size().checked_add(room)?;
    let name = registry.name(worker.index());
    FurtherStack::start(body, |run| registry.start_thread(name, Some(stack_size), run)).ok()
}

/// The body of the thread. While the thread acts as the worker, the one below waits.
fn serve(calls: &Calls, worker: &Worker, room: usize) {
    Worker::mark_pools_thread();
    sim::looks(false);
    let as_worker = |run: &dyn Fn()| {
        let _acting = Acting::start(worker);
        run();
    };
    let mut call = calls.next();
    as_worker(&|| worker.registry().handlers.call(|it| &it.start, worker.index()));
    while let Some(run) = call {
        worker.in_place.room.set(room);
        // SAFETY: `done` follows.
        as_worker(&|| worker.run_in_place(|| unsafe { run.run() }));
        calls.done();
        call = calls.next();
    }
    as_worker(&|| worker.registry().handlers.call(|it| &it.exit, worker.index()));
    // The worker may be gone from here on.
    calls.done();
}
