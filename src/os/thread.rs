//! Threads that the runtime starts.

use std::sync::OnceLock;
use std::{io, thread};

#[cfg(loom)]
use loom::thread::JoinHandle;
#[cfg(not(loom))]
use std::thread::JoinHandle;

/// A thread, which is detached when this is dropped.
pub(crate) struct Thread(JoinHandle<()>);

impl Thread {
    /// Starts a thread that calls `body`, which must not unwind. `name` contains no NUL byte.
    #[cfg(not(loom))]
    pub(crate) fn start(
        name: String,
        stack_size: Option<usize>,
        body: impl FnOnce() + Send + 'static,
    ) -> io::Result<Self> {
        let builder = thread::Builder::new().name(name);
        let builder = match stack_size {
            Some(bytes) => builder.stack_size(bytes),
            None => builder,
        };
        builder.spawn(body).map(Thread)
    }

    /// A model's threads have neither names nor stack sizes.
    #[cfg(loom)]
    pub(crate) fn start(
        _: String,
        _: Option<usize>,
        body: impl FnOnce() + Send + 'static,
    ) -> io::Result<Self> {
        Ok(Thread(loom::thread::spawn(body)))
    }

    /// Waits for the end of the thread, including the destructors of its thread-locals.
    pub(crate) fn join(self) {
        drop(self.0.join());
    }
}

/// The size of the stacks of std's threads if none is set, by std's documentation.
pub(crate) fn default_stack_size() -> usize {
    static SIZE: OnceLock<usize> = OnceLock::new();
    *SIZE.get_or_init(|| {
        let asked = std::env::var_os("RUST_MIN_STACK");
        asked.and_then(|asked| asked.to_str()?.parse().ok()).unwrap_or(2 << 20)
    })
}
