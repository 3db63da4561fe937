//! A further stack: a thread that runs what another thread tells it, while that one waits.

use std::cell::Cell;
use std::io;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use crate::job::outcome;
use crate::os::generation::Generation;
use crate::os::thread::Thread;

/// The state of the jobs that run in place on the present stack.
#[derive(Default)]
pub(super) struct InPlace {
    /// An address in the frame of the outermost such job, or 0 if there is none. The distance from
    /// it is the room in use.
    pub(super) from: Cell<usize>,
    /// The room; 0 until a second job runs in place.
    pub(super) room: Cell<usize>,
    /// The next stack, if there is one.
    pub(super) above: Cell<Option<FurtherStack>>,
}

impl InPlace {
    /// Takes the state, for a thread that leaves the worker to another one.
    pub(super) fn take(&self) -> InPlace {
        let (from, room, above) = (self.from.take(), self.room.take(), self.above.take());
        InPlace { from: Cell::new(from), room: Cell::new(room), above: Cell::new(above) }
    }

    pub(super) fn put(&self, other: InPlace) {
        self.from.set(other.from.take());
        self.room.set(other.room.take());
        self.above.set(other.above.take());
    }

    #[cold]
    pub(super) fn end(&self) {
        drop(self.take());
    }
}

/// A thread with a further stack. When this is dropped, it stops acting as the worker, and ends.
pub(super) struct FurtherStack {
    calls: Arc<Calls>,
    thread: Option<Thread>,
}

/// What the thread is to do next.
pub(super) struct Calls {
    next: Mutex<Next>,
    changed: Condvar,
    generation: Generation,
}

#[derive(Clone, Copy)]
pub(super) enum Next {
    Nothing,
    Run(Call),
    End,
}

/// A closure in the frame of the caller, which waits until the thread has called it.
#[derive(Clone, Copy)]
pub(super) struct Call(*mut dyn FnMut());

// SAFETY: it runs jobs, which may be sent, as the same worker.
unsafe impl Send for Call {}

impl FurtherStack {
    /// Starts a thread that calls `serve`, which takes its orders from the `Calls`.
    pub(super) fn start(
        name: String,
        stack_size: usize,
        serve: impl FnOnce(&Calls) + Send + 'static,
    ) -> io::Result<Self> {
        let (next, changed) = (Mutex::new(Next::Nothing), Condvar::new());
        let calls = Arc::new(Calls { next, changed, generation: Generation::current() });
        let theirs = calls.clone();
        let body = move || outcome::run_or_abort(|| serve(&theirs));
        let thread = Thread::start(name, Some(stack_size), body)?;
        Ok(FurtherStack { calls, thread: Some(thread) })
    }

    /// Lets the thread call `run`, and waits until it has.
    pub(super) fn call(&self, run: &mut (dyn FnMut() + '_)) {
        let run: *mut (dyn FnMut() + '_) = run;
        // SAFETY: only the lifetime differs; this call waits until the thread has stopped using it.
        let run = unsafe { std::mem::transmute::<*mut (dyn FnMut() + '_), *mut dyn FnMut()>(run) };
        self.calls.tell(Next::Run(Call(run)));
        self.calls.wait_while(|next| !matches!(next, Next::Nothing));
    }
}

impl Drop for FurtherStack {
    fn drop(&mut self) {
        self.calls.generation.abort_if_past();
        // Detached, since destructors of its thread-locals may call the pool and need this worker.
        drop(self.thread.take());
        self.calls.tell(Next::End);
        self.calls.wait_while(|next| !matches!(next, Next::Nothing));
    }
}

impl Calls {
    pub(super) fn tell(&self, next: Next) {
        *self.next.lock() = next;
        self.changed.notify_all();
    }

    pub(super) fn wait_while(&self, is_so: impl Fn(&Next) -> bool) -> Next {
        self.generation.abort_if_past();
        let mut next = self.next.lock();
        self.changed.wait_while(&mut next, |next| is_so(next));
        *next
    }

    /// Waits for the next closure to run. Returns `None` at the end.
    pub(super) fn next(&self) -> Option<Call> {
        match self.wait_while(|next| matches!(next, Next::Nothing)) {
            Next::Run(call) => Some(call),
            _ => None,
        }
    }

    /// Says that the thread has done what it was told.
    pub(super) fn done(&self) {
        self.tell(Next::Nothing);
    }
}

impl Call {
    /// # Safety
    /// `Calls::next` has returned this, and `Calls::done` was not called since.
    pub(super) unsafe fn run(self) {
        // SAFETY: the caller waits until `done`.
        unsafe { (*self.0)() }
    }
}
