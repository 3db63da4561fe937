//! Threads that the runtime starts.

use std::cell::Cell;
use std::io;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, OnceLock};

#[cfg(loom)]
use loom::thread::{self, JoinHandle};
use parking_lot::Mutex;
#[cfg(not(loom))]
use std::thread::{self, JoinHandle};

/// A thread. Dropping this detaches it.
///
/// The thread must not end during the call that detaches it: glibc's `pthread_detach` reads memory
/// that a thread frees when it ends, and may free that memory again (glibc's bug 19951). So a
/// thread is detached under a lock that the thread itself takes after its body. Once the thread has
/// taken that lock, it can only be joined.
pub(crate) struct Thread {
    /// Taken when the thread is joined or detached.
    handle: Option<JoinHandle<()>>,
    is_over: Arc<Mutex<bool>>,
}

impl Thread {
    /// Starts a thread that calls `body`, which must not unwind. `name` contains no NUL byte.
    pub(crate) fn start(
        name: String,
        stack_size: Option<usize>,
        body: impl FnOnce() + Send + 'static,
    ) -> io::Result<Self> {
        let is_over = Arc::new(Mutex::new(false));
        let handle = Some(spawn(name, stack_size, &is_over, body)?);
        Ok(Thread { handle, is_over })
    }

    /// Like `start`, for a thread that is detached from the beginning.
    pub(crate) fn start_detached(
        name: String,
        stack_size: Option<usize>,
        body: impl FnOnce() + Send + 'static,
    ) -> io::Result<()> {
        let is_over = Arc::new(Mutex::new(false));
        let _not_over = is_over.lock();
        spawn(name, stack_size, &is_over, body).map(drop)
    }

    /// Waits for the end of the thread, including the destructors of its thread-locals.
    pub(crate) fn join(mut self) {
        self.handle.take().into_iter().for_each(|handle| drop(handle.join()));
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        let Some(handle) = self.handle.take() else { return };
        let is_over = self.is_over.lock();
        if !*is_over {
            return drop(handle);
        }
        drop(is_over);
        // A third thread joins it, since destructors of its thread-locals may wait for the calling
        // thread.
        let handle = Arc::new(Mutex::new(Some(handle)));
        let theirs = handle.clone();
        let join = |handle: &Mutex<Option<JoinHandle<()>>>| {
            let handle = handle.lock().take();
            handle.into_iter().for_each(|handle| drop(handle.join()));
        };
        if Thread::start_detached("filch-join".into(), None, move || join(&theirs)).is_err() {
            join(&handle);
        }
    }
}

/// A thread that ends soon after this is dropped. The drop waits for that.
pub(crate) struct Stoppable(Option<(Sender<()>, Thread)>);

impl Stoppable {
    /// Starts a thread that calls `body`. The drop disconnects its receiver.
    pub(crate) fn start(
        name: &str,
        body: impl FnOnce(&Receiver<()>) + Send + 'static,
    ) -> io::Result<Self> {
        let (stop, stops) = mpsc::channel();
        let thread = Thread::start(name.into(), None, move || body(&stops))?;
        Ok(Stoppable(Some((stop, thread))))
    }
}

impl Drop for Stoppable {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.0.take() {
            drop(stop);
            thread.join();
        }
    }
}

fn spawn(
    name: String,
    stack_size: Option<usize>,
    is_over: &Arc<Mutex<bool>>,
    body: impl FnOnce() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let builder = thread::Builder::new().name(name);
    let builder = match stack_size {
        Some(bytes) => builder.stack_size(bytes),
        None => builder,
    };
    let is_over = is_over.clone();
    builder.spawn(move || {
        body();
        *is_over.lock() = true;
    })
}

/// The default stack size of std's threads, according to std's documentation.
pub(crate) fn default_stack_size() -> usize {
    static SIZE: OnceLock<usize> = OnceLock::new();
    *SIZE.get_or_init(|| {
        let asked = std::env::var_os("RUST_MIN_STACK");
        asked.and_then(|asked| asked.to_str()?.parse().ok()).unwrap_or(2 << 20)
    })
}

thread_local! {
    /// The number of this thread, or 0 before the first call of [`number`].
    static NUMBER: Cell<u32> = const { Cell::new(0) };
}

/// Returns the system's number of the calling thread, which `top` and debuggers show. Returns 0 on
/// systems other than Linux.
pub(crate) fn number() -> u32 {
    #[cfg(all(target_os = "linux", not(loom)))]
    if NUMBER.get() == 0 {
        // SAFETY: the call has no arguments, and cannot fail.
        NUMBER.set(unsafe { libc::syscall(libc::SYS_gettid) } as u32);
    }
    NUMBER.get()
}

/// Forgets the calling thread's number. In the child of a `fork()`, the thread has another one.
pub(crate) fn forget_number() {
    NUMBER.set(0);
}

/// Returns whether the system reports that the thread with this number sleeps. Returns `false` on
/// systems other than Linux.
pub(crate) fn is_asleep(number: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/self/task/{number}/stat"));
    // The state follows the name, which may contain anything.
    let stat = stat.unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('S'))
}
