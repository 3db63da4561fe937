//! Further stacks, for jobs that a worker runs on top of its waits.
//!
//! A worker that joins a task which has not begun runs it in place, on top of the join. That task
//! may join another one, and so on, so a chain of tasks nests as deep as it is long. So do jobs
//! that wait, on top of each other. Jobs in place may use only a part of a stack, its *room*. The
//! next one then runs on a larger stack: that of a thread which acts as the same worker, while the
//! thread below does nothing until the job has ended. Each stack has several times the room of the
//! one below it, so a few threads are enough for any depth.
//!
//! *Lemma.* This causes no deadlock. Of all frames on the stacks of a worker, only those of the
//! topmost thread run, in the order in which they would run on one stack, and the worker's state
//! passes from thread to thread with them. So all waits are the same as on one stack that is large
//! enough.
//!
//! To run other tasks first, such as the oldest, would need less memory for a chain that was
//! spawned in order. But such a task may wait for a task beneath it. Or it may need, under
//! `WaitPolicy::OwnDescendants`, a lock that a task beneath it holds.
//!
//! The thread of a further stack ends together with the first job in place on the stack below. So a
//! worker that joins many tasks at the end of a stack starts one thread for all of them.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use super::{Acting, IS_POOLS, Worker};
use crate::job::outcome;
use crate::os::generation::Generation;
use crate::os::thread::{Thread, default_stack_size};
use crate::sim;

/// The room on a worker's own stack, in bytes, but at most a quarter of the stack: the frames below
/// use some, and the last task needs enough. (A guess: a link of a chain takes 240 bytes, a few
/// times as many in a debug build.)
const ROOM: usize = 512 << 10;
/// The room on the stack of a thread of the user, whose size is unknown. (A guess.)
const ROOM_OF_USERS: usize = 64 << 10;
/// By how much the room grows from one stack to the next, and the most room on a stack. (Guesses: a
/// million links take four threads.)
const GROWTH: usize = 8;
const MOST_ROOM: usize = if cfg!(target_pointer_width = "64") { 256 << 20 } else { 16 << 20 };

/// The state of the jobs that run in place on the present stack.
#[derive(Default)]
pub(super) struct Nest {
    /// An address in the frame of the first of them, else 0. The distance from it is the room in
    /// use.
    from: Cell<usize>,
    /// The room; 0 until a second job runs in place.
    room: Cell<usize>,
    /// The next stack, if there is one.
    above: Cell<Option<Above>>,
}

impl Nest {
    /// Takes the state, for a thread that leaves the worker to another one.
    pub(super) fn take(&self) -> Nest {
        let (from, room, above) = (self.from.take(), self.room.take(), self.above.take());
        Nest { from: Cell::new(from), room: Cell::new(room), above: Cell::new(above) }
    }

    pub(super) fn put(&self, nest: Nest) {
        self.from.set(nest.from.take());
        self.room.set(nest.room.take());
        self.above.set(nest.above.take());
    }

    #[cold]
    fn end(&self) {
        drop(self.take());
    }
}

impl Worker {
    /// Calls `run` on top of a wait: on this stack, or on the next one if the room here is used up.
    #[inline]
    pub(crate) fn run_in_place(&self, run: impl FnOnce()) {
        let here = 0_u8;
        let here = (&raw const here).addr();
        if self.nest.from.get() != 0 {
            return self.run_nested(here, run);
        }
        self.nest.from.set(here);
        run();
        self.nest.from.set(0);
        if self.nest.room.get() != 0 {
            self.nest.end();
        }
    }

    #[inline(never)]
    fn run_nested(&self, here: usize, run: impl FnOnce()) {
        if self.nest.room.get() == 0 {
            // (A borrower may be a thread of another pool, with a smaller stack.)
            let is_own = IS_POOLS.get() && !self.is_lent();
            let room = if is_own { ROOM.min(self.stack_size() / 4) } else { ROOM_OF_USERS };
            self.nest.room.set(room);
        }
        if self.nest.from.get().abs_diff(here) < self.nest.room.get() {
            run();
        } else {
            self.run_above(run);
        }
    }

    /// Calls `run` on the next stack, or here if this thread is simulated, or if no thread can be
    /// started for it.
    #[cold]
    #[inline(never)]
    fn run_above(&self, run: impl FnOnce()) {
        // Another thread could not use the deterministic pools of this one, which would keep its
        // turn meanwhile.
        if sim::takes_turns() {
            return run();
        }
        let nest = self.nest.take();
        let room = nest.room.get().saturating_mul(GROWTH).min(MOST_ROOM);
        let above = nest.above.take().or_else(|| Above::start(self, room));
        let above = above.or_else(|| Above::start(self, ROOM));
        let mut run = Some(run);
        let mut run = || run.take().into_iter().for_each(|run| run());
        if let Some(above) = &above {
            // A panic must not end this frame, which the other thread uses.
            outcome::run_or_abort(|| above.call(&mut run));
        }
        nest.above.set(above);
        self.nest.put(nest);
        run();
    }

    fn stack_size(&self) -> usize {
        self.registry().settings().stack_size.unwrap_or_else(default_stack_size)
    }
}

/// A thread with a further stack. When this is dropped, it stops acting as the worker, and ends.
struct Above {
    calls: Arc<Calls>,
    thread: Option<Thread>,
}

/// What the thread is to do next.
struct Calls {
    next: Mutex<Next>,
    changed: Condvar,
    generation: Generation,
}

#[derive(Clone, Copy)]
enum Next {
    Nothing,
    Run(Call),
    End,
}

/// A closure in the frame of the caller, which waits until the thread has called it.
#[derive(Clone, Copy)]
struct Call(*mut dyn FnMut());

// SAFETY: it runs jobs, which may be sent, as the same worker.
unsafe impl Send for Call {}

/// The worker that the thread acts as.
struct Whose(*const Worker);

// SAFETY: a worker may be shared (`Worker`).
unsafe impl Send for Whose {}

impl Above {
    /// Starts a thread with `room` in addition to a stack like the worker's own. Returns `None` in
    /// pools without spare threads, and if the system refuses a thread.
    fn start(worker: &Worker, room: usize) -> Option<Self> {
        let registry = worker.registry();
        if registry.settings().max_spare_threads == 0 {
            return None;
        }
        let (next, changed) = (Mutex::new(Next::Nothing), Condvar::new());
        let calls = Arc::new(Calls { next, changed, generation: Generation::current() });
        let (theirs, whose) = (calls.clone(), Whose(worker));
        let body = move || {
            let whose = whose;
            // SAFETY: the owner of the thread, a frame on the worker's stack, waits until the
            // thread has stopped using the worker.
            outcome::run_or_abort(|| theirs.serve(unsafe { &*whose.0 }, room));
        };
        let stack_size = worker.stack_size().checked_add(room)?;
        let name = registry.name(worker.index());
        let thread = Thread::start(name, Some(stack_size), body).ok()?;
        Some(Above { calls, thread: Some(thread) })
    }

    /// Lets the thread call `run`, and waits until it has.
    fn call(&self, run: &mut (dyn FnMut() + '_)) {
        let run: *mut (dyn FnMut() + '_) = run;
        // SAFETY: only the lifetime differs; this call waits until the thread has stopped using it.
        let run = unsafe { std::mem::transmute::<*mut (dyn FnMut() + '_), *mut dyn FnMut()>(run) };
        self.calls.tell(Next::Run(Call(run)));
        self.calls.wait_while(|next| !matches!(next, Next::Nothing));
    }
}

impl Drop for Above {
    fn drop(&mut self) {
        self.calls.generation.abort_if_past();
        // Detached, since destructors of its thread-locals may call the pool and need this worker.
        drop(self.thread.take());
        self.calls.tell(Next::End);
        self.calls.wait_while(|next| !matches!(next, Next::Nothing));
    }
}

impl Calls {
    fn tell(&self, next: Next) {
        *self.next.lock() = next;
        self.changed.notify_all();
    }

    fn wait_while(&self, is_so: impl Fn(&Next) -> bool) -> Next {
        self.generation.abort_if_past();
        let mut next = self.next.lock();
        self.changed.wait_while(&mut next, |next| is_so(next));
        *next
    }

    /// The body of the thread. Whenever it acts as the worker, its owner waits.
    fn serve(&self, worker: &Worker, room: usize) {
        Worker::mark_pools_thread();
        let next = || self.wait_while(|next| matches!(next, Next::Nothing));
        let as_worker = |run: &dyn Fn()| {
            let _acting = Acting::start(worker);
            run();
        };
        next();
        as_worker(&|| worker.registry().handlers().starts(worker.index()));
        while let Next::Run(call) = next() {
            worker.nest.room.set(room);
            // SAFETY: the caller waits for the `Next::Nothing` below.
            as_worker(&|| worker.run_in_place(|| unsafe { (*call.0)() }));
            self.tell(Next::Nothing);
        }
        as_worker(&|| worker.registry().handlers().exits(worker.index()));
        // The worker may be gone from here on.
        self.tell(Next::Nothing);
    }
}
