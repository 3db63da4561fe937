//! A further stack: a thread that runs what another thread tells it, while that one waits.

use std::cell::Cell;
use std::sync::Arc;
use std::{io, mem};

use crate::job::outcome;
use crate::os::generation::Generation;
use crate::os::thread::Thread;
use crate::sync::{Mutex, Parker};

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
    /// Taken when it is dropped.
    thread: Option<Thread>,
    generation: Generation,
}

/// What the thread is to do next. The thread parks in `above` until it is told, and the one below in
/// `below` until that is done.
#[derive(Default)]
pub(super) struct Calls {
    next: Mutex<Next>,
    above: Parker,
    below: Parker,
}

#[derive(Default)]
enum Next {
    /// The thread has done what it was told.
    #[default]
    Nothing,
    Call(Call),
    End,
}

/// A closure in the frame of the caller, which waits until the thread has called it.
#[derive(Clone, Copy)]
pub(super) struct Call(*mut dyn FnMut());

// SAFETY: it runs jobs, which may be sent, as the same worker.
unsafe impl Send for Call {}

impl FurtherStack {
    /// Starts a thread by `start`. It calls `serve`, which takes its orders from the `Calls`.
    pub(super) fn start(
        serve: impl FnOnce(&Calls) + Send + 'static,
        start: impl FnOnce(Box<dyn FnOnce() + Send>) -> io::Result<Thread>,
    ) -> io::Result<Self> {
        let calls = Arc::<Calls>::default();
        let theirs = calls.clone();
        let thread = Some(start(Box::new(move || outcome::run_or_abort(|| serve(&theirs))))?);
        Ok(FurtherStack { calls, thread, generation: Generation::current() })
    }

    /// Lets the thread call `run`, and waits until it has.
    pub(super) fn call(&self, run: &mut (dyn FnMut() + '_)) {
        let run: *mut (dyn FnMut() + '_) = run;
        // SAFETY: only the lifetime differs; this call waits until the thread has stopped using it.
        let run = unsafe { mem::transmute::<*mut (dyn FnMut() + '_), *mut dyn FnMut()>(run) };
        self.tell(Next::Call(Call(run)));
    }

    fn tell(&self, next: Next) {
        self.generation.abort_if_past();
        *self.calls.next.lock() = next;
        self.calls.above.unpark();
        while !matches!(*self.calls.next.lock(), Next::Nothing) {
            self.calls.below.park();
        }
    }
}

impl Drop for FurtherStack {
    fn drop(&mut self) {
        self.generation.abort_if_past();
        // Detached, since destructors of its thread-locals may call the pool and need this worker.
        drop(self.thread.take());
        self.tell(Next::End);
    }
}

impl Calls {
    /// Waits for the next closure to run. Returns `None` at the end.
    pub(super) fn next(&self) -> Option<Call> {
        loop {
            match *self.next.lock() {
                Next::Call(call) => return Some(call),
                Next::End => return None,
                Next::Nothing => {}
            }
            self.above.park();
        }
    }

    pub(super) fn done(&self) {
        *self.next.lock() = Next::Nothing;
        self.below.unpark();
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
