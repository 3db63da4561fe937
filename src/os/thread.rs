//! The runtime's own threads.

use std::sync::OnceLock;
use std::{io, thread};

#[cfg(loom)]
use loom::thread::JoinHandle;
#[cfg(not(loom))]
use std::thread::JoinHandle;

/// A thread; dropped, it goes on by itself.
pub(crate) struct Thread(JoinHandle<()>);

impl Thread {
    /// Starts a thread that calls `body`, which must not unwind. The name has no NUL.
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

    /// A model's threads have neither names nor sizes.
    #[cfg(loom)]
    pub(crate) fn start(
        _: String,
        _: Option<usize>,
        body: impl FnOnce() + Send + 'static,
    ) -> io::Result<Self> {
        Ok(Thread(loom::thread::spawn(body)))
    }

    /// Waits for the end of the thread, destructors of its thread-locals included.
    pub(crate) fn join(self) {
        // It does not unwind.
        drop(self.0.join());
    }
}

/// How large the stacks of std's threads are where no size is asked for, by its documentation.
pub(crate) fn default_stack_size() -> usize {
    static SIZE: OnceLock<usize> = OnceLock::new();
    *SIZE.get_or_init(|| {
        let asked = std::env::var_os("RUST_MIN_STACK");
        asked.and_then(|asked| asked.to_str()?.parse().ok()).unwrap_or(2 << 20)
    })
}
