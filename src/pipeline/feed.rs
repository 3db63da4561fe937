//! The source of a run, and how many items may be in flight.
//!
//! # States
//! The right to ask the source for an item is the *feed*. A worker has it and asks, or a spawned
//! task has it and will ask; or the feed is free. An item is *in flight* from the source to the end
//! of the last stage. The source is *over* when it has no more items, or the run is stopped.
//!
//! # Invariant
//! 1. If the feed is free, the source is over, or the number of items in flight is at the bound.
//! 2. The number of items in flight does not exceed the bound: the owner of the feed keeps it after
//!    an item only if there is room for another item, and only the owner adds items.
//!
//! # Lemmas
//! 1. *All items are taken.* An item that ends makes room. If the feed is free then, the worker
//!    that ends the item takes the feed (`ended`). Both steps are under one lock.
//! 2. *An item ends.* A worker takes the item through the stages, or parks it in a serial stage
//!    that is busy, or in which it is another item's turn. A worker that leaves the stage then
//!    hands the stage to a parked item (`stage.rs`). The item with the lowest number is never
//!    parked for its turn, so some item always proceeds.
//! 3. *A run ends*, by 1 and 2. If it is stopped, each worker drops its item at the next stage, and
//!    the next worker that asks the source finds it over. Items that are parked are dropped with
//!    the stages, when no task is left.
#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::mem;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::error::{BoxError, Kind};
use super::stats::{PipelineStats, StageKind, StageStats};
use crate::context::{CancelToken, Stop};
use crate::fork::{Scope, whole_scope, with_current_token};
use crate::job::outcome;
use crate::os::clock::ticks;
use crate::sync::Mutex;

/// How many items may be in flight for each worker, if the pipeline sets no bound.
const EACH: usize = 4;

/// The settings of a pipeline.
pub(super) struct Setup {
    pub(super) bound: Option<usize>,
    pub(super) token: Option<CancelToken>,
}

/// A value that one thread at a time uses, by a rule of its owner.
pub(super) struct Exclusive<T>(UnsafeCell<T>);

// SAFETY: a reference gives access by `get` only, whose callers take turns.
unsafe impl<T: Send> Sync for Exclusive<T> {}

impl<T> Exclusive<T> {
    pub(super) fn new(value: T) -> Self {
        Exclusive(UnsafeCell::new(value))
    }

    /// # Safety
    /// While the reference lives, no other thread calls this. A lock orders the threads.
    #[expect(clippy::mut_from_ref, reason = "the callers take turns")]
    pub(super) unsafe fn get(&self) -> &mut T {
        // SAFETY: the caller's premise.
        unsafe { &mut *self.0.get() }
    }
}

/// How long items were in a stage, and how long they waited for it, in ticks.
#[derive(Clone, Copy, Default)]
pub(super) struct Time {
    busy: u64,
    waiting: u64,
}

/// The data that accompanies an item through the stages.
pub(super) struct Tag {
    /// Its number, from 0.
    pub(super) number: u64,
    /// When it left the last stage, or was parked.
    since: u64,
    /// One for each stage and one for the source. Later items reuse it, so it sums the times of
    /// several items.
    times: Box<[Time]>,
}

impl Tag {
    /// The item leaves a stage.
    pub(super) fn worked(&mut self, stage: usize) {
        let now = ticks();
        self.times[stage].busy += now.wrapping_sub(mem::replace(&mut self.since, now));
    }

    /// The item was parked, and now enters the stage.
    pub(super) fn waited(&mut self, stage: usize) {
        let now = ticks();
        self.times[stage].waiting += now.wrapping_sub(mem::replace(&mut self.since, now));
    }
}

/// What the tasks of a run share.
pub(super) struct Core {
    stopped: AtomicBool,
    token: Option<CancelToken>,
    /// Why the run was stopped, unless by a panic.
    reason: Mutex<Option<Kind>>,
}

impl Core {
    /// Whether the run is stopped, so that workers drop their items.
    pub(super) fn is_stopped(&self) -> bool {
        // Relaxed: it carries nothing but itself.
        if self.stopped.load(Ordering::Relaxed) {
            return true;
        }
        let is_cancelled = self.token.as_ref().is_some_and(CancelToken::is_cancelled);
        if is_cancelled {
            self.stop(Kind::Cancelled);
        }
        is_cancelled
    }

    pub(super) fn fail(&self, stage: usize, error: BoxError) {
        self.stop(Kind::Failed { stage, error });
    }

    fn stop(&self, reason: Kind) {
        let mut first = self.reason.lock();
        let unwanted = if first.is_none() { first.replace(reason) } else { Some(reason) };
        drop(first);
        self.stopped.store(true, Ordering::Relaxed);
        drop(unwanted);
    }

    /// Calls `op`. If it panics, stops the run.
    fn stop_on_panic<R>(&self, op: impl FnOnce() -> R) -> R {
        let guard = StopOnPanic(self);
        let result = op();
        mem::forget(guard);
        result
    }
}

struct StopOnPanic<'c>(&'c Core);

impl Drop for StopOnPanic<'_> {
    fn drop(&mut self) {
        self.0.stopped.store(true, Ordering::Relaxed);
    }
}

/// The feed, without the types of source and stages.
pub(super) trait Feeder<'e>: Sync {
    /// Takes items from the source, and takes each through the stages. The caller has the feed.
    fn work<'s>(&'e self, s: &'s Scope<'s, 'e>);

    /// An item has passed the last stage. Returns whether the caller has the feed now.
    fn ended(&self, tag: Tag) -> bool;
}

/// What a worker needs to take an item through the stages.
pub(super) struct Context<'s, 'e> {
    pub(super) s: &'s Scope<'s, 'e>,
    pub(super) core: &'e Core,
    pub(super) feed: &'e dyn Feeder<'e>,
}

impl Clone for Context<'_, '_> {
    fn clone(&self) -> Self {
        *self
    }
}

impl Copy for Context<'_, '_> {}

impl<'s, 'e> Context<'s, 'e> {
    /// Spawns a task that continues with an item that was parked. `go_on` returns whether the
    /// worker then has the feed.
    pub(super) fn spawn(self, go_on: impl FnOnce(Self) -> bool + Send + 's) {
        drop(self.s.spawn(move || {
            if self.core.stop_on_panic(|| go_on(self)) {
                self.feed.work(self.s);
            }
        }));
    }

    /// Spawns a task, and gives it the feed.
    pub(super) fn spawn_feed(self) {
        drop(self.s.spawn(move || self.feed.work(self.s)));
    }
}

/// A run of a pipeline.
struct Feed<I, N> {
    core: Core,
    /// Used by the owner of the feed.
    source: Exclusive<Option<I>>,
    state: Mutex<State>,
    bound: usize,
    stages: usize,
    first: N,
}

struct State {
    in_flight: usize,
    /// Whether the feed is taken.
    is_taken: bool,
    is_over: bool,
    /// The number of the next item.
    next: u64,
    /// The times of items that have ended, for later items to reuse.
    times: Vec<Box<[Time]>>,
}

/// Runs a pipeline. `first` is its first stage, and `kinds` are the kinds of the source and all
/// stages.
pub(super) fn run<I, T, N>(
    source: I,
    first: N,
    kinds: Vec<StageKind>,
    setup: Setup,
) -> Result<PipelineStats, Kind>
where
    I: Iterator<Item = Result<T, BoxError>> + Send,
    T: Send,
    N: Next<T>,
{
    let workers = crate::current_num_threads();
    let feed = Feed {
        core: Core {
            stopped: AtomicBool::new(false),
            token: with_current_token(setup.token.as_ref()),
            reason: Mutex::new(None),
        },
        source: Exclusive::new(Some(source)),
        state: Mutex::new(State {
            in_flight: 0,
            is_taken: true,
            is_over: false,
            next: 0,
            times: Vec::new(),
        }),
        bound: setup.bound.unwrap_or(EACH * workers),
        stages: kinds.len(),
        first,
    };
    let (begin, begin_ticks) = (Instant::now(), ticks());
    let result = outcome::run(|| whole_scope(|s| feed.work(s)));
    let result = result.or_else(|payload| {
        // A stage was stopped, so the caller's token is cancelled.
        Stop::reason(payload).map(|_| feed.core.stop(Kind::Cancelled))
    });
    let (elapsed, span) = (begin.elapsed(), ticks().wrapping_sub(begin_ticks));
    let Feed { core, source, state, first, .. } = feed;
    // Drops the items that are still parked. Their drops may panic, even after another panic.
    let source = outcome::run(|| drop(source));
    let stages = outcome::run(|| drop(first));
    if let Some(payload) = outcome::first_panic([result, source, stages].into_iter()) {
        outcome::discard(core);
        resume_unwind(payload);
    }
    match core.reason.into_inner() {
        Some(reason) => Err(reason),
        None => Ok(state.into_inner().stats(kinds, workers, elapsed, span)),
    }
}

impl State {
    /// `span`: the number of ticks in `elapsed`.
    fn stats(
        self,
        kinds: Vec<StageKind>,
        workers: usize,
        elapsed: Duration,
        span: u64,
    ) -> PipelineStats {
        let time = |ticks: u64| {
            let nanos = elapsed.as_nanos() * u128::from(ticks) / u128::from(span.max(1));
            Duration::from_nanos(nanos as u64)
        };
        let sum = |stage: usize, part: fn(&Time) -> u64| {
            time(self.times.iter().map(|times| part(&times[stage])).sum())
        };
        let stage = |(stage, kind): (usize, StageKind)| StageStats {
            kind,
            items: self.next,
            busy: sum(stage, |time| time.busy),
            waiting: sum(stage, |time| time.waiting),
        };
        let stages = kinds.into_iter().enumerate().map(stage).collect();
        PipelineStats { elapsed, workers, stages }
    }
}

impl<I, N> Feed<I, N> {
    /// The source has given an item to the owner of the feed. Returns the item's tag, and whether
    /// the owner keeps the feed.
    fn add(&self, begin: u64) -> (Tag, bool) {
        let mut state = self.state.lock();
        let number = state.next;
        state.next += 1;
        state.in_flight += 1;
        state.is_taken = state.in_flight < self.bound;
        let (times, is_taken) = (state.times.pop(), state.is_taken);
        drop(state);
        let times = times.unwrap_or_else(|| vec![Time::default(); self.stages].into());
        let mut tag = Tag { number, since: begin, times };
        tag.worked(0);
        (tag, is_taken)
    }

    /// The owner of the feed frees it: the source is over.
    fn close(&self) {
        let mut state = self.state.lock();
        (state.is_over, state.is_taken) = (true, false);
    }
}

impl<'e, I, T, N> Feeder<'e> for Feed<I, N>
where
    I: Iterator<Item = Result<T, BoxError>> + Send + 'e,
    T: Send + 'e,
    N: Next<T> + 'e,
{
    fn work<'s>(&'e self, s: &'s Scope<'s, 'e>) {
        let context = Context { s, core: &self.core, feed: self };
        self.core.stop_on_panic(|| {
            loop {
                let begin = ticks();
                // SAFETY: the caller has the feed. The state's lock orders its owners.
                let source = unsafe { self.source.get() };
                let next = if self.core.is_stopped() { None } else { source.as_mut() };
                let item = match next.and_then(Iterator::next) {
                    Some(Ok(item)) => item,
                    Some(Err(error)) => {
                        self.core.fail(0, error);
                        continue;
                    }
                    None => {
                        *source = None;
                        return self.close();
                    }
                };
                let (tag, keeps) = self.add(begin);
                if keeps {
                    context.spawn_feed();
                }
                if !self.first.item(context, tag, item) {
                    return;
                }
            }
        });
    }

    fn ended(&self, tag: Tag) -> bool {
        let mut state = self.state.lock();
        state.in_flight -= 1;
        state.times.push(tag.times);
        let takes = !state.is_taken && !state.is_over;
        state.is_taken |= takes;
        takes
    }
}

/// A stage and all stages after it.
pub(super) trait Next<A>: Send + Sync {
    /// Whether this is the end, after the last stage.
    const IS_END: bool = false;

    /// Takes an item through the stage and those after it, or parks it. Returns whether the caller
    /// has the feed now.
    fn item<'s, 'e>(&'e self, context: Context<'s, 'e>, tag: Tag, item: A) -> bool;
}
