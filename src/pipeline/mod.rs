//! Ordered streams: items go through stages, many at a time, and come out in order.
//!
//! [`pipeline`](pipeline()) takes a source, and the methods of [`Pipeline`] add stages. A
//! *parallel* stage works on any number of items at once. A *serial* stage works on one item at a
//! time, in any order or in that of the source. At most [`max_in_flight`](Pipeline::max_in_flight)
//! items are between the source and the end at any time. This bounds the memory that they take,
//! however slow the last stage is.
//!
//! ```
//! let text = "the work that is to be\ndone is done\nby those who are there";
//! let mut longest = Vec::new();
//! filch::pipeline(text.lines())
//!     .max_in_flight(8)
//!     .parallel(|line| line.split(' ').max_by_key(|word| word.len()))
//!     .serial_in_order(|word| longest.extend(word))
//!     .run()?;
//! assert_eq!(longest, ["that", "done", "there"]);
//! # Ok::<(), filch::pipeline::PipelineError>(())
//! ```
//!
//! # Sources
//! A source is any iterator that is `Send` and has items that are `Send`, such as the receiver of a
//! channel. For [`try_pipeline`], the items are results: the lines of a reader, its
//! pieces ([`chunks`]), or the results of tasks, `handles.into_iter().map(JoinHandle::join)`. One
//! worker at a time asks the source for an item. A source that blocks holds up that worker,
//! unless it calls [`blocking`](crate::blocking()).
//!
//! # Failures
//! The first error of the source or a stage stops the source. The items in flight are dropped, and
//! then [`run`](Pipeline::run) returns the error. A panic also stops the source, and `run` resumes
//! it. A [`CancelToken`] stops a pipeline from outside.
//!
//! # How it works
//! No worker waits for a stage. A worker that has taken an item from the source takes it through
//! all stages, while the item is in the worker's cache. Then it takes the next one, unless another
//! worker is asking the source. If a serial stage is busy, or it is another item's turn, the worker
//! sets the item aside there, and the worker that next leaves the stage passes it on. Every 20 µs,
//! or after an item that takes longer, a worker lets jobs run that came from outside its pool. A
//! pool of one worker runs its own older tasks after the pipeline.
//!
//! An item costs two short locks, and two more for each serial stage, about 0.1 µs in total, and
//! often a task of a [scope](crate::scope). So an item should be work of some microseconds: a batch
//! of lines rather than a line.

mod error;
mod feed;
mod stage;
mod stats;

use std::error::Error;
use std::fmt;
use std::io::{self, Read};

pub use error::PipelineError;
pub use stage::Stages;
pub use stats::{PipelineStats, StageKind, StageStats};

use error::Kind;
use feed::Setup;
use stage::{End, ParallelStage, SerialStage, Source};

use crate::context::CancelToken;

/// Returns a pipeline over the items of an iterator: see the [module](self).
///
/// It does nothing until [`run`](Pipeline::run) is called.
pub fn pipeline<I>(source: I) -> Pipeline<impl Stages<Item = I::Item>>
where
    I: IntoIterator<Item: Send, IntoIter: Send>,
{
    Pipeline::new(Source(source.into_iter().map(Ok)))
}

/// Like [`pipeline`](pipeline()), for an iterator of results: the `Ok` values are the items, and
/// the first `Err` stops the pipeline.
///
/// ```
/// use std::io::{BufRead, Cursor};
///
/// let mut sum = 0;
/// let file = Cursor::new("1\n2\n3\n"); // or a `BufReader` of a `File`
/// filch::try_pipeline(file.lines())
///     .try_parallel(|line| line.parse::<i32>())
///     .serial(|number| sum += number)
///     .run()?;
/// assert_eq!(sum, 6);
/// # Ok::<(), filch::pipeline::PipelineError>(())
/// ```
pub fn try_pipeline<I, T, E>(source: I) -> Pipeline<impl Stages<Item = T>>
where
    I: IntoIterator<Item = Result<T, E>, IntoIter: Send>,
    T: Send,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    Pipeline::new(Source(source.into_iter().map(|item| item.map_err(Into::into))))
}

/// Returns an iterator over the contents of `reader`, in pieces of `size` bytes: a source for
/// [`try_pipeline`]. The last piece may be shorter.
///
/// # Panics
/// Panics if `size` is zero.
///
/// ```
/// use filch::pipeline::chunks;
///
/// let mut lengths = Vec::new();
/// filch::try_pipeline(chunks(&b"some bytes"[..], 4))
///     .parallel(|chunk| chunk.len())
///     .serial_in_order(|length| lengths.push(length))
///     .run()?;
/// assert_eq!(lengths, [4, 4, 2]);
/// # Ok::<(), filch::pipeline::PipelineError>(())
/// ```
#[track_caller]
pub fn chunks<R: Read>(reader: R, size: usize) -> Chunks<R> {
    assert!(size > 0, "the size of a chunk is 0, but must be at least 1");
    Chunks { reader, size }
}

/// The pieces of a reader. Returned by [`chunks`].
#[derive(Debug)]
pub struct Chunks<R> {
    reader: R,
    size: usize,
}

impl<R: Read> Iterator for Chunks<R> {
    type Item = io::Result<Vec<u8>>;

    fn next(&mut self) -> Option<io::Result<Vec<u8>>> {
        let mut chunk = Vec::new();
        let read = self.reader.by_ref().take(self.size as u64).read_to_end(&mut chunk);
        read.map(|read| (read > 0).then_some(chunk)).transpose()
    }
}

/// A source and the stages that its items go through: see the [module](self).
#[must_use = "pipelines do nothing until they are run"]
pub struct Pipeline<S> {
    stages: S,
    setup: Setup,
}

impl<S: Stages> Pipeline<S> {
    fn new(stages: S) -> Self {
        let kinds = vec![StageKind::Source];
        Pipeline { stages, setup: Setup { bound: None, token: None, kinds } }
    }

    fn then<N>(mut self, kind: StageKind, stage: impl FnOnce(S) -> N) -> Pipeline<N> {
        self.setup.kinds.push(kind);
        Pipeline { stages: stage(self.stages), setup: self.setup }
    }

    fn parallel_stage<F>(self, f: F) -> Pipeline<ParallelStage<S, F>> {
        self.then(StageKind::Parallel, |before| ParallelStage { before, f })
    }

    fn serial_stage<F>(self, kind: StageKind, f: F) -> Pipeline<SerialStage<S, F>> {
        let is_ordered = kind == StageKind::SerialInOrder;
        self.then(kind, |before| SerialStage { before, f, is_ordered })
    }

    /// Sets the most items that may be in flight: taken from the source, and not through the last
    /// stage yet.
    ///
    /// The default is four for each worker of the pool. A higher bound evens out items that take
    /// unequal times, and takes more memory.
    pub fn max_in_flight(mut self, items: usize) -> Self {
        self.setup.bound = Some(items);
        self
    }

    /// Stops the pipeline when the token is cancelled: no more items are taken from the source, and
    /// those in flight are dropped at the next stage.
    pub fn cancel_with(mut self, token: &CancelToken) -> Self {
        self.setup.token = Some(token.clone());
        self
    }

    /// Adds a stage that works on any number of items at the same time.
    pub fn parallel<B, F>(self, f: F) -> Pipeline<impl Stages<Item = B>>
    where
        F: Fn(S::Item) -> B + Send + Sync,
        B: Send,
    {
        self.parallel_stage(move |item| Ok(f(item)))
    }

    /// Like [`parallel`](Self::parallel). The first error stops the pipeline.
    pub fn try_parallel<B, E, F>(self, f: F) -> Pipeline<impl Stages<Item = B>>
    where
        F: Fn(S::Item) -> Result<B, E> + Send + Sync,
        B: Send,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        self.parallel_stage(move |item| f(item).map_err(Into::into))
    }

    /// Adds a stage that works on one item at a time, in any order.
    pub fn serial<B, F>(self, mut f: F) -> Pipeline<impl Stages<Item = B>>
    where
        F: FnMut(S::Item) -> B + Send,
        B: Send,
    {
        self.serial_stage(StageKind::Serial, move |item| Ok(f(item)))
    }

    /// Like [`serial`](Self::serial). The first error stops the pipeline.
    pub fn try_serial<B, E, F>(self, mut f: F) -> Pipeline<impl Stages<Item = B>>
    where
        F: FnMut(S::Item) -> Result<B, E> + Send,
        B: Send,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        self.serial_stage(StageKind::Serial, move |item| f(item).map_err(Into::into))
    }

    /// Adds a stage that works on one item at a time, in the order of the source.
    pub fn serial_in_order<B, F>(self, mut f: F) -> Pipeline<impl Stages<Item = B>>
    where
        F: FnMut(S::Item) -> B + Send,
        B: Send,
    {
        self.serial_stage(StageKind::SerialInOrder, move |item| Ok(f(item)))
    }

    /// Like [`serial_in_order`](Self::serial_in_order). The first error stops the pipeline. If this
    /// stage returns that error, all items before the one that failed have passed this stage, and
    /// no item after it has.
    pub fn try_serial_in_order<B, E, F>(self, mut f: F) -> Pipeline<impl Stages<Item = B>>
    where
        F: FnMut(S::Item) -> Result<B, E> + Send,
        B: Send,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        self.serial_stage(StageKind::SerialInOrder, move |item| f(item).map_err(Into::into))
    }

    /// Takes all items of the source through all stages, in the current pool, else in the global
    /// one, and returns how busy each stage was. The values that the last stage returns are
    /// dropped.
    ///
    /// As in a [`scope`](crate::scope), the caller takes part in the work. In a [deterministic
    /// pool](crate::ThreadPoolBuilder), the seed decides which worker does what.
    ///
    /// # Errors
    /// Returns the first error of the source or a stage. Also returns an error if the token was
    /// cancelled before all items had passed, or if `max_in_flight` is zero. In each case, the
    /// source and all items are dropped.
    ///
    /// # Panics
    /// Resumes the first panic of the source or a stage, after all items are dropped. Also panics
    /// if the global pool is needed and cannot be built.
    pub fn run(self) -> Result<PipelineStats, PipelineError> {
        if self.setup.bound == Some(0) {
            return Err(PipelineError(Kind::ZeroBound));
        }
        self.stages.drive(End, self.setup).map_err(PipelineError)
    }
}

impl<S> fmt::Debug for Pipeline<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline").field("max_in_flight", &self.setup.bound).finish_non_exhaustive()
    }
}
