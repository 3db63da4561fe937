//! How a pool's threads are started: by filch, or by a spawn handler.

use std::{fmt, io};

/// A thread of a pool that is yet to be started: see
/// [`spawn_handler`](crate::ThreadPoolBuilder::spawn_handler).
pub struct ThreadBuilder {
    thread: filch::ThreadBuilder,
    /// Whether the pool's builder names threads. Otherwise filch's default name is hidden.
    is_named: bool,
}

impl ThreadBuilder {
    /// Returns the thread's index in the pool.
    pub fn index(&self) -> usize {
        self.thread.index()
    }

    /// Returns the name that [`thread_name`](crate::ThreadPoolBuilder::thread_name) gave the
    /// thread, if that was set.
    pub fn name(&self) -> Option<&str> {
        self.thread.name().filter(|_| self.is_named)
    }

    /// Returns the size that the thread's stack should have, in bytes, if that was set.
    pub fn stack_size(&self) -> Option<usize> {
        self.thread.stack_size()
    }

    /// Makes the calling thread this thread of the pool. Returns once the pool has been dropped and
    /// no work is left.
    pub fn run(self) {
        self.thread.run();
    }

    /// Returns a builder of std for a thread with this name and stack size.
    pub(crate) fn std_thread(&self) -> std::thread::Builder {
        let mut builder = std::thread::Builder::new();
        if let Some(name) = self.name() {
            builder = builder.name(name.to_owned());
        }
        match self.stack_size() {
            Some(bytes) => builder.stack_size(bytes),
            None => builder,
        }
    }
}

impl fmt::Debug for ThreadBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadBuilder")
            .field("index", &self.index())
            .field("name", &self.name())
            .field("stack_size", &self.stack_size())
            .finish_non_exhaustive()
    }
}

/// How a builder starts threads. Other crates cannot name this trait or its implementors.
pub trait ThreadSpawn {
    #[doc(hidden)]
    fn build(
        self,
        builder: filch::ThreadPoolBuilder,
        is_named: bool,
    ) -> Result<filch::ThreadPool, filch::ThreadPoolBuildError>;
}

/// filch starts the threads.
#[derive(Debug, Default)]
pub struct DefaultSpawn;

impl ThreadSpawn for DefaultSpawn {
    fn build(
        self,
        builder: filch::ThreadPoolBuilder,
        _: bool,
    ) -> Result<filch::ThreadPool, filch::ThreadPoolBuildError> {
        builder.build()
    }
}

/// The user's spawn handler starts the threads.
#[derive(Debug)]
pub struct CustomSpawn<F>(pub(crate) F);

impl<F> ThreadSpawn for CustomSpawn<F>
where
    F: FnMut(ThreadBuilder) -> io::Result<()>,
{
    fn build(
        mut self,
        builder: filch::ThreadPoolBuilder,
        is_named: bool,
    ) -> Result<filch::ThreadPool, filch::ThreadPoolBuildError> {
        builder.build_with(|thread| (self.0)(ThreadBuilder { thread, is_named }))
    }
}
