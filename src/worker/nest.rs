//! Further stacks, for what a worker runs on top of a wait.
//!
//! A worker that joins a task which has not begun runs it in place, on top of the join. That task
//! may join another one, and so on: a chain of tasks nests as deep as it is long. Likewise what a
//! worker runs while it waits may wait, and so on. So what runs in place may use a part of a stack
//! only, its *room*. The next task then runs on a larger stack,
//! that of a thread which acts as the same worker, while the thread that joins does nothing until
//! the task has ended. Each stack has room for several times as much as the one below it, so that
//! few threads carry any depth.
//!
//! **No deadlock comes of it.** The two threads are one stack: of all its frames only those of the
//! topmost thread run, in the order in which they would run on one thread, and the worker's state
//! passes from one thread to the other with them. What waits for what is as if the stack had been
//! large enough.
//!
//! To run other tasks first, such as the oldest, would need less memory for a chain that was
//! spawned in order. But one of them may wait for a task beneath, or, run by a thread that takes
//! over the worker, want a lock that a task beneath holds under `WaitPolicy::OwnDescendants`.
//!
//! **In which thread.** A further stack's thread ends with the first task in place on the stack
//! below it. So a worker that joins many tasks at the end of a stack starts one thread for them,
//! not one for each.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use super::{Acting, IS_POOLS, Worker};
use crate::job::outcome;
use crate::os::generation::Generation;
use crate::os::thread::{Thread, default_stack_size};

/// The room on a worker's own stack, in bytes: this, but no more than a quarter of the stack, of
/// which the frames below may use some, and the task that comes last has to have enough. (A guess:
/// a link of a chain takes 240 bytes, in a debug build a few times as many.)
const ROOM: usize = 512 << 10;
/// The room on the stack of a thread of the user's, which may be of any size. (A guess.)
const ROOM_OF_USERS: usize = 64 << 10;
/// How many times as much there is on the next stack, and the most that there is on one. (Guesses:
/// a million links take four threads.)
const GROWTH: usize = 8;
const MOST_ROOM: usize = if cfg!(target_pointer_width = "64") { 256 << 20 } else { 16 << 20 };

/// What tasks that run in place on this stack share.
#[derive(Default)]
pub(super) struct Nest {
    /// An address in the frame of the first of them, else 0: it tells how much of the stack they
    /// use.
    from: Cell<usize>,
    /// How much they may; 0 until it matters.
    room: Cell<usize>,
    /// The next stack, once there is one.
    above: Cell<Option<Above>>,
}

impl Nest {
    /// Takes the state out, for a thread that leaves the worker to another one.
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
    /// Runs what stands on top of a wait: on this stack, or on the next if the room here is used
    /// up.
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
            let room = if IS_POOLS.get() { ROOM.min(self.stack_size() / 4) } else { ROOM_OF_USERS };
            self.nest.room.set(room);
        }
        if self.nest.from.get().abs_diff(here) < self.nest.room.get() {
            run();
        } else {
            self.run_above(run);
        }
    }

    /// Runs a task on the next stack; here, if there is none.
    #[cold]
    #[inline(never)]
    fn run_above(&self, run: impl FnOnce()) {
        let nest = self.nest.take();
        let room = nest.room.get().saturating_mul(GROWTH).min(MOST_ROOM);
        let above = nest.above.take().or_else(|| Above::start(self, room));
        let above = above.or_else(|| Above::start(self, ROOM));
        let mut run = Some(run);
        let mut run = || run.take().into_iter().for_each(|run| run());
        if let Some(above) = &above {
            // The other thread writes to this frame, and acts as this worker meanwhile.
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

/// A thread whose stack carries on that of the thread which owns this. Dropped, it acts as the
/// worker no more, and ends by itself.
struct Above {
    calls: Arc<Calls>,
    thread: Option<Thread>,
}

/// What the thread is to do next. (Not by parkers: a caller that takes turns with deterministic
/// pools keeps its turn meanwhile.)
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

/// What a caller, which waits for it, has the thread run.
#[derive(Clone, Copy)]
struct Call(*mut dyn FnMut());

// SAFETY: what is run are tasks, which may be sent, and what acts as the worker.
unsafe impl Send for Call {}

/// The worker as which the thread acts.
struct Whose(*const Worker);

// SAFETY: a worker may be shared (`Worker`).
unsafe impl Send for Whose {}

impl Above {
    /// Starts a thread that has `room`, and beyond it a stack like the worker's own. None in pools
    /// that have no threads but one a worker, and where the turns of a simulation decide which of
    /// them goes on.
    fn start(worker: &Worker, room: usize) -> Option<Self> {
        let registry = worker.registry();
        if registry.settings().max_spare_threads == 0 || registry.is_simulated() {
            return None;
        }
        let (next, changed) = (Mutex::new(Next::Nothing), Condvar::new());
        let calls = Arc::new(Calls { next, changed, generation: Generation::current() });
        let (theirs, whose) = (calls.clone(), Whose(worker));
        let body = move || {
            let whose = whose;
            // SAFETY: the frame that owns the thread is on the worker's stack, and waits until the
            // thread has done with the worker.
            outcome::run_or_abort(|| theirs.serve(unsafe { &*whose.0 }, room));
        };
        let stack_size = worker.stack_size().checked_add(room)?;
        let name = registry.name(worker.index());
        let thread = Thread::start(name, Some(stack_size), body).ok()?;
        Some(Above { calls, thread: Some(thread) })
    }

    /// Has the thread call `run`, and waits until it has.
    fn call(&self, run: &mut (dyn FnMut() + '_)) {
        let run: *mut (dyn FnMut() + '_) = run;
        // SAFETY: only the lifetime differs; the thread does not use it after it has said that it
        // is done, for which this call waits.
        let run = unsafe { std::mem::transmute::<*mut (dyn FnMut() + '_), *mut dyn FnMut()>(run) };
        self.calls.tell(Next::Run(Call(run)));
        self.calls.wait_while(|next| !matches!(next, Next::Nothing));
    }
}

impl Drop for Above {
    fn drop(&mut self) {
        self.calls.tell(Next::End);
        self.calls.wait_while(|next| !matches!(next, Next::Nothing));
        // Detached: destructors of its thread-locals may call the pool, and so need this worker.
        drop(self.thread.take());
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

    /// The life of the thread. Whenever it acts as the worker, the thread that owns it waits.
    fn serve(&self, worker: &Worker, room: usize) {
        IS_POOLS.set(true);
        let next = || self.wait_while(|next| matches!(next, Next::Nothing));
        let as_worker = |run: &dyn Fn()| {
            let _acting = Acting::start(worker);
            run();
        };
        next();
        as_worker(&|| worker.registry().handlers().starts(worker.index()));
        while let Next::Run(call) = next() {
            worker.nest.room.set(room);
            // SAFETY: the caller waits until it is told that this is done.
            as_worker(&|| worker.run_in_place(|| unsafe { (*call.0)() }));
            self.tell(Next::Nothing);
        }
        as_worker(&|| worker.registry().handlers().exits(worker.index()));
        // The worker may be gone from here on.
        self.tell(Next::Nothing);
    }
}
