//! Drops the futures of pools that have ended.

use std::cell::{Cell, RefCell};
use std::io;
use std::ptr::NonNull;
use std::sync::Arc;

use crate::context::CancelReason::Shutdown;
use crate::latch::EXTERNAL;
use crate::os::thread::Thread;
use crate::sleep::{Event, HappensAtDrop};
use crate::task::block::TaskHead;
use crate::worker::JobRef;

/// The most futures of ended pools that a thread drops inside each other.
const MOST_NESTED: usize = 32;

thread_local! {
    /// How many futures of ended pools the thread is dropping inside each other.
    static NESTED: Cell<usize> = const { Cell::new(0) };
    /// Shared by the thread of the outermost drop and those that took over deeper drops. When the
    /// last reference is dropped, the former wakes.
    static DEEPER: RefCell<Option<Arc<HappensAtDrop>>> = const { RefCell::new(None) };
}

/// Drops a future of a pool that has ended. That may wake or cancel another such future, and so
/// on. A thread drops at most [`MOST_NESTED`] of these inside each other, so that no stack
/// grows with their number. The next one gets a thread of its own at once, since any drop may
/// wait for it. The outermost drop returns when all of them have ended.
///
/// # Safety
/// The caller holds the active future, and does not touch it again.
pub(super) unsafe fn stop_in_turn(this: NonNull<TaskHead>) {
    let nested = NESTED.get();
    // (If no thread can be started, the drop runs on this stack.)
    // SAFETY: by the premise.
    if nested >= MOST_NESTED && unsafe { stop_on_other_thread(this) }.is_ok() {
        return;
    }
    NESTED.set(nested + 1);
    // SAFETY: by the premise; no other thread has the future.
    unsafe { stop(this) };
    NESTED.set(nested);
    let deeper = || DEEPER.try_with(RefCell::take).ok().flatten();
    if let Some(deeper) = (nested == 0).then(deeper).flatten() {
        let over = deeper.0.clone();
        drop(deeper);
        over.wait(|| true);
    }
}

/// # Safety
/// As `stop_in_turn`. If this returns an error, the caller still holds the future.
unsafe fn stop_on_other_thread(this: NonNull<TaskHead>) -> io::Result<()> {
    let new = || Arc::new(HappensAtDrop(Arc::new(Event::new(EXTERNAL))));
    let deeper = DEEPER.try_with(|it| it.borrow_mut().get_or_insert_with(new).clone());
    let deeper = deeper.map_err(io::Error::other)?;
    // SAFETY: it is no job, but may be sent like one.
    let future = unsafe { JobRef::new(this.cast()) };
    Thread::start_detached("filch-drop".into(), None, move || {
        DEEPER.set(Some(deeper));
        NESTED.set(1);
        // SAFETY: the caller has left it to this thread.
        unsafe { stop(future.cast()) };
        NESTED.set(0);
        DEEPER.take();
    })
}

/// Drops a future of a pool that has ended.
///
/// # Safety
/// The caller holds the active future, and does not touch it again.
unsafe fn stop(this: NonNull<TaskHead>) {
    // (`FutureTask::stop` returns no panic: it gives them to the pool.)
    // SAFETY: by the premise.
    let _ = unsafe { (this.as_ref().table().cancel)(this, Shutdown) };
}
