//! The stages of a pipeline, each of which calls the next one.
//!
//! # Invariant of a serial stage
//! 1. While `is_busy`, one worker is in the stage, or one spawned task will enter it. Only that
//!    worker or task calls the closure.
//! 2. An item is parked only while the stage is busy, or before the item's turn. If the stage is
//!    not busy, no item is parked whose turn it is.
//!
//! *Lemma: a parked item enters the stage.* The worker that leaves the stage takes the parked item
//! whose turn it is, or the oldest one if the stage is unordered, and keeps the stage busy for it.
//! If there is none, the stage is free. Parking and leaving are under one lock.
#![allow(unsafe_code)]

use std::collections::VecDeque;
use std::mem;

use crossbeam_utils::CachePadded;

use super::error::{BoxError, Kind};
use super::feed::{self, Context, Exclusive, Next, Setup, Tag};
use super::stats::PipelineStats;
use crate::job::outcome;
use crate::sync::Mutex;

/// A source and the stages that were added to it: the type parameter of a
/// [`Pipeline`](super::Pipeline). The trait is sealed.
pub trait Stages: Sized + sealed::Sealed {
    /// The type of the items that the last stage returns.
    type Item: Send;

    /// The number of stages, without the source.
    #[doc(hidden)]
    const COUNT: usize;

    /// Runs all stages, and `next` after the last one.
    #[doc(hidden)]
    #[expect(private_bounds, private_interfaces, reason = "it is sealed")]
    fn drive<N: Next<Self::Item>>(self, next: N, setup: Setup) -> Result<PipelineStats, Kind>;
}

mod sealed {
    pub trait Sealed {}
}

/// The end, after the last stage. Drops the items.
pub(super) struct End;

impl<A> Next<A> for End {
    const IS_END: bool = true;

    fn item<'e>(&'e self, _: &Context<'_, 'e>, _: u64, item: A) -> bool {
        drop(item);
        true
    }
}

// ---- The source ----

pub(super) struct Source<I>(pub(super) I);

impl<I> sealed::Sealed for Source<I> {}

impl<I, T> Stages for Source<I>
where
    I: Iterator<Item = Result<T, BoxError>> + Send,
    T: Send,
{
    type Item = T;
    const COUNT: usize = 0;

    fn drive<N: Next<T>>(self, next: N, setup: Setup) -> Result<PipelineStats, Kind> {
        feed::run(self.0, next, setup)
    }
}

// ---- Parallel stages ----

pub(super) struct ParallelStage<P, F> {
    pub(super) before: P,
    pub(super) f: F,
}

impl<P, F> sealed::Sealed for ParallelStage<P, F> {}

impl<P, F, B> Stages for ParallelStage<P, F>
where
    P: Stages,
    F: Fn(P::Item) -> Result<B, BoxError> + Send + Sync,
    B: Send,
{
    type Item = B;
    const COUNT: usize = P::COUNT + 1;

    fn drive<N: Next<B>>(self, next: N, setup: Setup) -> Result<PipelineStats, Kind> {
        self.before.drive(Parallel { f: self.f, next, number: Self::COUNT }, setup)
    }
}

struct Parallel<F, N> {
    f: F,
    next: N,
    number: usize,
}

impl<A, B, F, N> Next<A> for Parallel<F, N>
where
    F: Fn(A) -> Result<B, BoxError> + Send + Sync,
    N: Next<B>,
{
    fn item<'e>(&'e self, context: &Context<'_, 'e>, number: u64, item: A) -> bool {
        if context.run.is_stopped() {
            return false;
        }
        match (self.f)(item) {
            Ok(item) => {
                context.worked(self.number);
                self.next.item(context, number, item)
            }
            Err(error) => {
                context.run.fail(self.number, number, error);
                false
            }
        }
    }
}

// ---- Serial stages ----

pub(super) struct SerialStage<P, F> {
    pub(super) before: P,
    pub(super) f: F,
    pub(super) is_ordered: bool,
}

impl<P, F> sealed::Sealed for SerialStage<P, F> {}

impl<P, F, B> Stages for SerialStage<P, F>
where
    P: Stages,
    F: FnMut(P::Item) -> Result<B, BoxError> + Send,
    B: Send,
{
    type Item = B;
    const COUNT: usize = P::COUNT + 1;

    fn drive<N: Next<B>>(self, next: N, setup: Setup) -> Result<PipelineStats, Kind> {
        let queue =
            Queue { is_busy: false, is_ordered: self.is_ordered, turn: 0, parked: VecDeque::new() };
        let hot = CachePadded::new(Hot { queue: Mutex::new(queue), f: Exclusive::new(self.f) });
        self.before.drive(Serial { hot, next, number: Self::COUNT }, setup)
    }
}

struct Serial<A, F, N> {
    hot: CachePadded<Hot<A, F>>,
    next: N,
    number: usize,
}

/// What the worker that is in the stage writes.
struct Hot<A, F> {
    /// Used by the worker that is in the stage. (Dropped first: see `Drop` of the queue.)
    f: Exclusive<F>,
    queue: Mutex<Queue<A>>,
}

/// The items that wait for a serial stage.
struct Queue<A> {
    is_busy: bool,
    is_ordered: bool,
    /// The number of the item whose turn it is, if items are ordered.
    turn: u64,
    /// If items are ordered, the first place belongs to the item whose turn it is. It is always
    /// empty, since that item is not parked.
    parked: VecDeque<Option<(Tag, A)>>,
}

impl<A> Queue<A> {
    /// Enters the stage with this item, and returns it, or parks it.
    fn enter(&mut self, tag: Tag, item: A) -> Option<A> {
        if !self.is_busy && (!self.is_ordered || tag.number == self.turn) {
            self.is_busy = true;
            return Some(item);
        }
        if !self.is_ordered {
            self.parked.push_back(Some((tag, item)));
            return None;
        }
        let place = (tag.number - self.turn) as usize;
        while self.parked.len() <= place {
            self.parked.push_back(None);
        }
        self.parked[place] = Some((tag, item));
        None
    }

    /// Leaves the stage. Returns the parked item that enters it next, if there is one.
    fn leave(&mut self) -> Option<(Tag, A)> {
        let first = self.parked.pop_front().flatten();
        self.turn += 1;
        let next = match self.is_ordered {
            true => self.parked.front_mut().and_then(Option::take),
            false => first,
        };
        self.is_busy = next.is_some();
        next
    }
}

/// Drops the items that are still parked, each of whose drops may panic.
impl<A> Drop for Queue<A> {
    fn drop(&mut self) {
        outcome::drop_all(mem::take(&mut self.parked));
    }
}

impl<A, B, F, N> Next<A> for Serial<A, F, N>
where
    A: Send,
    F: FnMut(A) -> Result<B, BoxError> + Send,
    N: Next<B>,
{
    fn item<'e>(&'e self, context: &Context<'_, 'e>, number: u64, item: A) -> bool {
        if context.run.is_stopped() {
            return false;
        }
        let entered = self.hot.queue.lock().enter(context.tag(number), item);
        entered.is_some_and(|item| self.work(context, number, item))
    }
}

impl<A, F, N> Serial<A, F, N> {
    /// Takes an item through the stage, which is busy for it, and through those after it. Returns
    /// whether it has passed the last one.
    fn work<'e, B>(&'e self, context: &Context<'_, 'e>, mut number: u64, mut item: A) -> bool
    where
        A: Send,
        F: FnMut(A) -> Result<B, BoxError> + Send,
        N: Next<B>,
    {
        loop {
            if context.run.is_stopped() {
                return false;
            }
            // SAFETY: the stage is busy for the caller's item. The queue's lock orders the workers.
            let result = (unsafe { self.hot.f.get() })(item);
            let result = match result {
                Ok(result) => result,
                Err(error) => {
                    context.run.fail(self.number, number, error);
                    return false;
                }
            };
            context.worked(self.number);
            let parked = self.hot.queue.lock().leave();
            let Some((tag, parked)) = parked else {
                return self.next.item(context, number, result);
            };
            if !N::IS_END {
                context.spawn_item(move |context| {
                    context.waited(self.number, &tag);
                    self.work(context, tag.number, parked)
                });
                return self.next.item(context, number, result);
            }
            // This was the item's last stage, so the worker stays here for the next item.
            if self.next.item(context, number, result) {
                context.item_ended();
            }
            context.waited(self.number, &tag);
            (number, item) = (tag.number, parked);
        }
    }
}
