//! Who starts a pool's threads.

use std::{fmt, io};

/// What a thread of a pool is to be: see
/// [`spawn_handler`](crate::ThreadPoolBuilder::spawn_handler).
pub struct ThreadBuilder {
    thread: filch::ThreadBuilder,
    /// Whether the pool's builder names threads. (The runtime always does.)
    is_named: bool,
}

impl ThreadBuilder {
    /// The thread's index in the pool.
    pub fn index(&self) -> usize {
        self.thread.index()
    }

    /// The name that the builder's [`thread_name`](crate::ThreadPoolBuilder::thread_name) gave it.
    pub fn name(&self) -> Option<&str> {
        self.thread.name().filter(|_| self.is_named)
    }

    /// The size its stack should have, in bytes, if that was set.
    pub fn stack_size(&self) -> Option<usize> {
        self.thread.stack_size()
    }

    /// Works, as a thread of the pool. Returns when the pool has been dropped and nothing is left
    /// to do.
    pub fn run(self) {
        self.thread.run();
    }

    /// A thread of std's with this name and stack.
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

/// How a builder starts threads. Others cannot name this trait, nor the types that implement it.
pub trait ThreadSpawn {
    #[doc(hidden)]
    fn build(
        self,
        builder: filch::ThreadPoolBuilder,
        is_named: bool,
    ) -> Result<filch::ThreadPool, filch::ThreadPoolBuildError>;
}

/// By the runtime.
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

/// By a closure of the user's.
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
