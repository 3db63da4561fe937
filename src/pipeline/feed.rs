//! The source of a run, and how many items may be in flight.
//!
//! # States
//! The right to ask the source for an item is the *feed*. A worker has it, or it is free. A worker
//! that has an item from the source frees the feed before it takes the item through the stages. A
//! *call* is a spawned task that has not begun, and that will take the feed if it can. An item is
//! *in flight* from the source to the end of the last stage. The source is *over* when it has no
//! more items, or the run is stopped.
//!
//! # Invariant
//! 1. If the feed is free, then there is a call, or the source is over, or the number of items in
//!    flight is at the bound. There is at most one call.
//! 2. The number of items in flight does not exceed the bound: a worker takes the feed only if
//!    there is room for another item, and only the owner of the feed adds items.
//!
//! # Lemmas
//! 1. *All items are taken from the source.* By invariant 1, workers can stop taking items only
//!    while the feed is free and the bound is reached. An item that ends makes room. If the feed is
//!    free then, the worker that ends the item takes the feed or spawns a call. A call that begins
//!    takes the feed, with two exceptions. If a worker has the feed, that worker sees to the next
//!    call when it frees the feed. If there is no room, the next item that ends does. All these
//!    steps are under one lock.
//! 2. *An item ends.* A worker takes the item through the stages. It parks the item at a serial
//!    stage that is busy, or at which it is another item's turn. Each worker that leaves such a
//!    stage hands it to a parked item (`stage.rs`). The item with the lowest number never waits for
//!    its turn, so some item always proceeds.
//! 3. *A run ends*, by 1 and 2. If it is stopped, each worker drops its item at the next stage, and
//!    the next worker that asks the source finds it over. Items that are parked are dropped with
//!    the stages, when no task is left.
//!
//! # What it is worth
//! A worker that ends an item takes the feed itself if the feed is free, even if a call is queued.
//! So if all workers are busy, none of them spawns or steals a task for each item. Also, the data
//! that changes with each item has cache lines of its own. Without these two, pipelines of 3, 5 and
//! 8 stages of 1 µs took 1.33, 1.16 and 1.16 times as long, on two shared virtual cores.
#![allow(unsafe_code)]

use std::cell::{Cell, UnsafeCell};
use std::mem;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;

use super::error::{BoxError, Kind};
use super::stats::{PipelineStats, StageKind, StageStats};
use crate::context::{CancelToken, Stop};
use crate::fork::{Scope, whole_scope, with_current_token};
use crate::job::outcome;
use crate::os::clock::{TICKS_PER_MICROSECOND, ticks};
use crate::sync::Mutex;
use crate::worker::is_simulated;

/// How many items may be in flight for each worker, if the pipeline sets no bound.
const EACH: usize = 4;
/// For how long a worker goes on taking items before it looks for other work. (A guess: a task
/// costs a few tenths of a microsecond.)
const IN_A_ROW: u64 = 20 * TICKS_PER_MICROSECOND;

/// The settings of a pipeline.
pub(super) struct Setup {
    pub(super) bound: Option<usize>,
    pub(super) token: Option<CancelToken>,
    /// The kinds of the source and all stages.
    pub(super) kinds: Vec<StageKind>,
}

/// A value that only one thread at a time uses. The code around it has to ensure that.
pub(super) struct Exclusive<T>(UnsafeCell<T>);

// SAFETY: a shared reference gives access only through `get`, whose callers take turns.
unsafe impl<T: Send> Sync for Exclusive<T> {}

impl<T> Exclusive<T> {
    pub(super) fn new(value: T) -> Self {
        Exclusive(UnsafeCell::new(value))
    }

    /// # Safety
    /// While the reference lives, this is not called again, on any thread. A lock orders the calls
    /// of different threads.
    #[expect(clippy::mut_from_ref, reason = "the callers take turns")]
    pub(super) unsafe fn get(&self) -> &mut T {
        // SAFETY: the caller's premise.
        unsafe { &mut *self.0.get() }
    }
}

/// Returns the time from `begin` to `end`. It is 0 if `end` is earlier: the clocks of two
/// processors may differ slightly.
fn ticks_between(begin: u64, end: u64) -> u64 {
    (end.wrapping_sub(begin) as i64).max(0) as u64
}

/// How long items were in a stage, and how long they waited for it, in ticks.
#[derive(Clone, Copy, Default)]
pub(super) struct Time {
    busy: u64,
    waiting: u64,
}

/// The summed times of some items: one for the source, and one for each stage. A task has its own,
/// so that they stay in the cache of its worker.
type Times = Box<[Cell<Time>]>;

/// What the tasks of a run share.
pub(super) struct Run {
    stopped: AtomicBool,
    token: Option<CancelToken>,
    /// Why the run was stopped, unless it was by a panic.
    reason: Mutex<Option<Kind>>,
}

impl Run {
    /// Whether the run is stopped, so that workers drop their items.
    pub(super) fn is_stopped(&self) -> bool {
        // Relaxed: it carries nothing but itself.
        if self.stopped.load(Ordering::Relaxed) {
            return true;
        }
        let reason = self.token.as_ref().and_then(CancelToken::reason);
        reason.is_some_and(|reason| {
            self.stop(Kind::Cancelled(reason));
            true
        })
    }

    pub(super) fn fail(&self, stage: usize, item: u64, error: BoxError) {
        self.stop(Kind::Failed { stage, item, error });
    }

    fn stop(&self, reason: Kind) {
        let mut first = self.reason.lock();
        let unwanted = if first.is_none() { first.replace(reason) } else { Some(reason) };
        drop(first);
        self.stopped.store(true, Ordering::Relaxed);
        drop(unwanted);
    }
}

/// A [`Feed`], without the types of its source and stages.
pub(super) trait Feeder<'e>: Sync {
    /// Takes items from the source, and takes each through the stages. The caller has the feed.
    fn work(&'e self, context: &Context<'_, 'e>);

    /// Called when an item has passed the last stage. Returns whether the caller has the feed now.
    /// The caller does not get the feed unless it `wants` it.
    fn ended(&self, context: &Context<'_, 'e>, wants: bool) -> bool;

    /// Called when a call begins. Returns whether the caller has the feed now.
    fn called(&self) -> bool;

    fn take_times(&self) -> Times;

    fn put_times(&self, times: Times);
}

/// A task of a run, which takes items through the stages.
pub(super) struct Context<'s, 'e> {
    s: &'s Scope<'s, 'e>,
    pub(super) run: &'e Run,
    feed: &'e dyn Feeder<'e>,
    times: Times,
    /// When the task began.
    begin: u64,
    /// When its item entered the stage in which it is.
    since: Cell<u64>,
}

impl<'s, 'e> Context<'s, 'e> {
    /// Runs the task: first `go_on`, which returns whether the worker has the feed afterwards.
    fn run(
        s: &'s Scope<'s, 'e>,
        run: &'e Run,
        feed: &'e dyn Feeder<'e>,
        go_on: impl FnOnce(&Self) -> bool,
    ) {
        let begin = ticks();
        let (times, since) = (feed.take_times(), Cell::new(begin));
        let context = Context { s, run, feed, times, begin, since };
        let stop_on_panic = outcome::defer(|| run.stopped.store(true, Ordering::Relaxed));
        if go_on(&context) {
            feed.work(&context);
        }
        mem::forget(stop_on_panic);
        feed.put_times(context.times);
    }

    fn spawn(&self, go_on: impl FnOnce(&Self) -> bool + Send + 's) {
        let (s, run, feed) = (self.s, self.run, self.feed);
        drop(s.spawn(move || Context::run(s, run, feed, go_on)));
    }

    /// Spawns a task that continues with an item that was parked. `go_on` returns whether the item
    /// has passed the last stage.
    pub(super) fn spawn_item(&self, go_on: impl FnOnce(&Self) -> bool + Send + 's) {
        self.spawn(|context| go_on(context) && context.feed.ended(context, true));
    }

    /// Spawns a call.
    fn spawn_call(&self) {
        self.spawn(|context| context.feed.called());
    }

    /// Called when an item has passed the last stage and the caller goes on with another item.
    pub(super) fn item_ended(&self) {
        self.feed.ended(self, false);
    }

    /// Called when the item leaves a stage.
    pub(super) fn worked(&self, stage: usize) {
        let now = ticks();
        let time = self.times[stage].get();
        let busy = time.busy + ticks_between(self.since.replace(now), now);
        self.times[stage].set(Time { busy, ..time });
    }

    /// Returns the tag of the item with this number, in case the item is parked.
    pub(super) fn tag(&self, number: u64) -> Tag {
        Tag { number, since: self.since.get() }
    }

    /// Called when an item that was parked enters the stage.
    pub(super) fn waited(&self, stage: usize, tag: &Tag) {
        let time = self.times[stage].get();
        let waiting = time.waiting + ticks_between(tag.since, self.since.get());
        self.times[stage].set(Time { waiting, ..time });
    }

    /// Whether the task goes on with another item.
    fn goes_on(&self, item: u64) -> bool {
        // (A schedule that a seed decides must not depend on the time.)
        if is_simulated() {
            item % 2 == 0
        } else {
            self.since.get().wrapping_sub(self.begin) < IN_A_ROW
        }
    }
}

/// What is kept with an item that is parked.
pub(super) struct Tag {
    /// The number of the item, from 0.
    pub(super) number: u64,
    /// When it was parked.
    since: u64,
}

/// A run of a pipeline.
struct Feed<I, N> {
    run: Run,
    hot: CachePadded<Hot<I>>,
    bound: usize,
    stages: usize,
    first: N,
}

/// The data of a run that changes with each item.
struct Hot<I> {
    state: Mutex<State>,
    /// Used by the owner of the feed.
    source: Exclusive<Option<I>>,
}

struct State {
    in_flight: usize,
    /// Whether a worker has the feed.
    is_taken: bool,
    /// Whether there is a call.
    is_called: bool,
    is_over: bool,
    /// The number of the next item.
    next: u64,
    /// The times of tasks that have ended, for later tasks to add to.
    times: Vec<Times>,
}

/// Runs a pipeline, whose first stage is `first`.
pub(super) fn run<I, T, N>(source: I, first: N, setup: Setup) -> Result<PipelineStats, Kind>
where
    I: Iterator<Item = Result<T, BoxError>> + Send,
    T: Send,
    N: Next<T>,
{
    let workers = crate::current_num_threads();
    let feed = Feed {
        run: Run {
            stopped: AtomicBool::new(false),
            token: with_current_token(setup.token.as_ref()),
            reason: Mutex::new(None),
        },
        hot: CachePadded::new(Hot {
            state: Mutex::new(State {
                in_flight: 0,
                is_taken: true,
                is_called: false,
                is_over: false,
                next: 0,
                times: Vec::new(),
            }),
            source: Exclusive::new(Some(source)),
        }),
        bound: setup.bound.unwrap_or(EACH * workers),
        stages: setup.kinds.len(),
        first,
    };
    let (begin, begin_ticks) = (Instant::now(), ticks());
    let result = outcome::run(|| whole_scope(|s| Context::run(s, &feed.run, &feed, |_| true)));
    let result = result.or_else(|payload| {
        // Code that was told to stop has unwound, so the caller's token is cancelled.
        Stop::reason(payload).map(|reason| feed.run.stop(Kind::Cancelled(reason)))
    });
    let (elapsed, span) = (begin.elapsed(), ticks().wrapping_sub(begin_ticks));
    let Feed { run, hot, first, .. } = feed;
    let Hot { state, source } = CachePadded::into_inner(hot);
    // Drops the items that are still parked. Their drops may panic, even after another panic.
    let source = outcome::run(|| drop(source));
    let stages = outcome::run(|| drop(first));
    if let Some(payload) = outcome::first_panic([result, source, stages].into_iter()) {
        outcome::discard(run);
        resume_unwind(payload);
    }
    match run.reason.into_inner() {
        Some(reason) => Err(reason),
        None => Ok(state.into_inner().stats(setup.kinds, workers, elapsed, span)),
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
            time(self.times.iter().map(|times| part(&times[stage].get())).sum())
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

    fn has_room(&self, bound: usize) -> bool {
        self.in_flight < bound && !self.is_over
    }

    /// Called while the feed is free. Returns whether the caller has to spawn a call.
    fn calls(&mut self, bound: usize) -> bool {
        let calls = !self.is_called && self.has_room(bound);
        self.is_called |= calls;
        calls
    }
}

impl<I, N> Feed<I, N> {
    /// Called by the owner of the feed when the source has given it an item. Frees the feed, and
    /// returns the item's number.
    fn add(&self, context: &Context<'_, '_>) -> u64 {
        let mut state = self.hot.state.lock();
        let number = state.next;
        state.next += 1;
        state.in_flight += 1;
        state.is_taken = false;
        let calls = state.calls(self.bound);
        drop(state);
        if calls {
            context.spawn_call();
        }
        number
    }

    /// Called by the owner of the feed when the source is over. Frees the feed.
    fn close(&self) {
        let mut state = self.hot.state.lock();
        (state.is_over, state.is_taken) = (true, false);
    }
}

impl<'e, I, T, N> Feeder<'e> for Feed<I, N>
where
    I: Iterator<Item = Result<T, BoxError>> + Send + 'e,
    T: Send + 'e,
    N: Next<T> + 'e,
{
    fn work(&'e self, context: &Context<'_, 'e>) {
        loop {
            // SAFETY: the caller has the feed. The state's lock orders its owners.
            let source = unsafe { self.hot.source.get() };
            let next = if self.run.is_stopped() { None } else { source.as_mut() };
            let item = match next.and_then(Iterator::next) {
                Some(Ok(item)) => item,
                Some(Err(error)) => {
                    let number = self.hot.state.lock().next;
                    // Without the lock, since this may drop the error.
                    self.run.fail(0, number, error);
                    continue;
                }
                None => {
                    *source = None;
                    return self.close();
                }
            };
            context.worked(0);
            let number = self.add(context);
            if !self.first.item(context, number, item) || !self.ended(context, true) {
                return;
            }
        }
    }

    fn ended(&self, context: &Context<'_, 'e>, wants: bool) -> bool {
        context.since.set(ticks());
        let mut state = self.hot.state.lock();
        state.in_flight -= 1;
        let is_free = !state.is_taken && !state.is_over;
        let takes = is_free && wants && context.goes_on(state.next);
        state.is_taken |= takes;
        let calls = is_free && !takes && state.calls(self.bound);
        drop(state);
        if calls {
            context.spawn_call();
        }
        takes
    }

    fn called(&self) -> bool {
        let mut state = self.hot.state.lock();
        state.is_called = false;
        let takes = !state.is_taken && state.has_room(self.bound);
        state.is_taken |= takes;
        takes
    }

    fn take_times(&self) -> Times {
        let times = self.hot.state.lock().times.pop();
        times.unwrap_or_else(|| vec![Cell::default(); self.stages].into())
    }

    fn put_times(&self, times: Times) {
        self.hot.state.lock().times.push(times);
    }
}

/// A stage and all stages after it.
pub(super) trait Next<A>: Send + Sync {
    /// Whether this is the end, after the last stage.
    const IS_END: bool = false;

    /// Takes the item with this number through the stage and those after it, parks it, or drops it
    /// if the run is stopped. Returns whether it has passed the last stage.
    fn item<'e>(&'e self, context: &Context<'_, 'e>, number: u64, item: A) -> bool;
}
