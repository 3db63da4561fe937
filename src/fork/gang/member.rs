//! The members of a gang: what they share, and how they wait for each other.

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::panic::resume_unwind;
use std::sync::Arc;

use crate::context::Stop;
use crate::fork::barrier::{Barrier, Phase};
use crate::job::outcome::{self, Payload};
use crate::latch::Wait;
use crate::latch::count::TaskCount;
use crate::os::clock::{TICKS_PER_MICROSECOND, ticks};
use crate::os::generation;
use crate::sim;
use crate::sleep::{Event, Relay};
use crate::sync::{Mutex, Parker, Unparker, spin_loop, spin_or_yield};
use crate::worker::shared::Registry;
use crate::worker::{ContextRef, Tag, callers, inherited_context};

/// How long a member spins before it sleeps, at a barrier and while the gang gathers. (A guess:
/// about as long as it takes to wake a sleeping member.)
const PATIENCE: u64 = 20 * TICKS_PER_MICROSECOND;

pub(super) struct Gang<'g> {
    registry: &'g Registry,
    /// Wakes the worker of each member. The first one is the caller.
    pub(super) relay: Relay,
    /// That of the members: what joins a task under another member must not run on top of them.
    tag: Tag,
    /// The context of the caller.
    pub(super) context: ContextRef,
    /// Counts the queued jobs that have not ended.
    pub(super) count: TaskCount,
    barrier: Barrier<Sleeper>,
    /// Whether waits spin: the gang is not larger than the number of processors.
    pub(super) spins: bool,
    /// The first panic.
    pub(super) panic: Mutex<Option<Payload>>,
    /// The values that members have given to `reduce`. (Empty before the first.)
    pub(super) parts: Mutex<Vec<Option<Box<dyn Any + Send>>>>,
    /// The results of the last two calls of `broadcast` or `reduce`.
    pub(super) values: [Mutex<Option<Arc<dyn Any + Send + Sync>>>; 2],
}

// SAFETY: only the caller uses the local part of `count`: no job ends by `end_local`. All else may
// be shared.
unsafe impl Sync for Gang<'_> {}

/// The caller's wait for the queued jobs.
impl Wait for Gang<'_> {
    fn done(&self) -> bool {
        self.count.done()
    }

    fn register_waker(&self) -> bool {
        self.count.register_waker()
    }

    fn tag(&self) -> Option<usize> {
        Some(self.tag())
    }
}

enum Sleeper {
    /// At a barrier. The event is in the frame of `Gang::sleep`.
    InBarrier(*const Event),
    Gathering(Unparker),
}

// SAFETY: any thread may make an event happen, and the event's frame waits for that.
unsafe impl Send for Sleeper {}

/// The payload that stops a member because another one has panicked.
struct Stopped;

impl<'g> Gang<'g> {
    pub(super) fn new(registry: &'g Registry, workers: Vec<usize>, tag: usize) -> Self {
        let size = workers.len();
        Gang {
            registry,
            relay: Relay::new(workers),
            tag: Tag::new(tag),
            context: inherited_context(),
            count: TaskCount::default(),
            barrier: Barrier::new(size),
            spins: size <= callers::processors() && !registry.is_simulated(),
            panic: Mutex::default(),
            parts: Mutex::default(),
            values: Default::default(),
        }
    }

    pub(super) fn tag(&self) -> usize {
        self.tag.address()
    }

    /// A member begins: its worker waits, and runs nothing, until all have.
    pub(super) fn begin(&self) {
        self.relay.pass_on(self.registry.sleep());
        self.gather();
    }

    /// Runs a member that has begun, on its worker. Returns `None` if it panicked.
    pub(super) fn member<R>(&self, index: usize, f: &impl Fn(&mut Member<'_>) -> R) -> Option<R> {
        let phase = Phase::FIRST.next();
        let mut member = Member { gang: self, index, phase, exchanges: 0, not_send: PhantomData };
        let result = outcome::run(|| f(&mut member));
        let result = result.map_err(|payload| {
            let mut first = self.panic.lock();
            // A panic comes before a cancellation.
            let is_panic = !payload.is::<Stop>() && !payload.is::<Stopped>();
            let is_wanted = first.as_ref().is_none_or(|first| is_panic && first.is::<Stop>());
            let other = if is_wanted { first.replace(payload) } else { Some(payload) };
            drop(first);
            // Its drop may be the user's code.
            outcome::discard(other);
        });
        wake_all(self.barrier.leave());
        result.ok()
    }

    /// Waits until all members have begun, without running anything.
    fn gather(&self) {
        if self.arrive(Phase::FIRST) || self.spin_at(Phase::FIRST) {
            return;
        }
        if self.registry.is_simulated() {
            while !self.barrier.is_released(Phase::FIRST) {
                sim::poll();
            }
            return;
        }
        let parker = Parker::default();
        let sleeper = || Sleeper::Gathering(parker.unparker().clone());
        while self.barrier.register(Phase::FIRST, sleeper) {
            parker.park();
        }
    }

    /// Arrives at a barrier. Returns whether this completes it.
    fn arrive(&self, phase: Phase) -> bool {
        self.barrier.arrive(phase).map(wake_all).is_some()
    }

    /// Waits until `is_over`, but not for longer than `most` ticks. Returns whether it is over.
    pub(super) fn spin(&self, most: u64, is_over: impl Fn() -> bool) -> bool {
        match self.registry.is_simulated() {
            true => is_over(),
            false if self.spins => spin(most, spin_loop, is_over),
            // Other members need this processor.
            false => spin(most, spin_or_yield, is_over),
        }
    }

    /// Spins for a while. Returns whether the barrier is released.
    fn spin_at(&self, phase: Phase) -> bool {
        self.spin(PATIENCE, || self.barrier.is_released(phase))
    }

    /// Waits for a barrier. Runs pinned jobs and cross-pool jobs meanwhile.
    fn sleep(&self, phase: Phase) {
        loop {
            let event = Event::new(self.registry.address());
            if !self.barrier.register(phase, || Sleeper::InBarrier(&raw const event)) {
                return;
            }
            event.wait(|| true);
        }
    }
}

/// Calls `pause` until `is_over`, but not for longer than `most` ticks. Returns whether it is over.
pub(super) fn spin(most: u64, pause: fn(), is_over: impl Fn() -> bool) -> bool {
    let begin = ticks();
    while ticks().wrapping_sub(begin) < most {
        for _ in 0..16 {
            if is_over() {
                return true;
            }
            pause();
        }
    }
    is_over()
}

fn wake_all(sleepers: Vec<Sleeper>) {
    for sleeper in sleepers {
        match sleeper {
            // SAFETY: the event was registered, so its frame waits for this call. It is called
            // once, since it was taken from the list.
            Sleeper::InBarrier(event) => unsafe { Event::happen(event) },
            Sleeper::Gathering(unparker) => unparker.unpark(),
        }
    }
}

/// A member of a [`gang`](crate::gang()), which stays on its thread.
pub struct Member<'g> {
    gang: &'g Gang<'g>,
    index: usize,
    /// The next barrier. The first one is that of `gather`.
    phase: Phase,
    /// How many calls of `broadcast` and `reduce` it has made.
    exchanges: usize,
    not_send: PhantomData<*const ()>,
}

impl Member<'_> {
    /// The number of the member, from 0. If the caller of the gang is one of its members, it is
    /// member 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// How many members the gang has.
    pub fn size(&self) -> usize {
        self.gang.relay.workers().len()
    }

    /// Waits until all members have called this. Everything that they wrote before is then visible
    /// to all of them.
    ///
    /// A member spins for some microseconds. If the gang is larger than the number of processors,
    /// it yields its processor instead. Then it sleeps, or runs the work that [`gang`](super::gang)
    /// names.
    ///
    /// # Panics
    /// Panics if a member has returned, since this call could then never return. If another member
    /// has panicked, unwinds out of this member's closure without a panic message.
    #[track_caller]
    pub fn barrier(&mut self) {
        let phase = self.phase;
        self.phase = phase.next();
        let gang = self.gang;
        // A member that has left will not come to this barrier.
        if gang.barrier.has_left() {
            self.broken();
        }
        if gang.arrive(phase) {
            return;
        }
        if !gang.spin_at(phase) {
            if gang.registry.is_lost() {
                generation::refuse();
            }
            gang.sleep(phase);
        }
        if !gang.barrier.is_complete(phase) {
            self.broken();
        }
    }

    #[cold]
    #[track_caller]
    fn broken(&self) -> ! {
        if self.gang.panic.lock().is_some() {
            resume_unwind(Box::new(Stopped));
        }
        panic!("barrier: a member of the gang has returned; accepted: a call by every member");
    }

    /// Returns, to each member, a clone of the value that `value` returns on member `root`. All
    /// members must call this, with the same `root`. It is also a barrier.
    ///
    /// # Panics
    /// Like [`barrier`](Self::barrier). Also panics if there is no member `root`, or if members
    /// call this with different types.
    ///
    /// ```
    /// let pool = filch::ThreadPoolBuilder::new().num_threads(2).build()?;
    /// let words = pool.gang(2, |member| member.broadcast(1, || String::from("from 1")))?;
    /// assert_eq!(words, ["from 1", "from 1"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn broadcast<T>(&mut self, root: usize, value: impl FnOnce() -> T) -> T
    where
        T: Clone + Send + Sync + 'static,
    {
        assert!(root < self.size(), "there is no member {root} in a gang of {}", self.size());
        // In this exchange, only member `root` writes this place. All members have read the old
        // value: it is from two exchanges ago, and the exchange in between had a barrier.
        let place = self.next_place();
        let value = (self.index == root).then(value);
        if let Some(value) = value {
            self.put(place, value);
        }
        self.barrier();
        self.value(place)
    }

    /// Combines the values of all members by `op`, in the order of their indices, and returns the
    /// result to each member. All members must call this. Member 0 calls `op`. It is also a
    /// barrier.
    ///
    /// The order in which `op` combines the values depends only on the number of members. So even
    /// sums of floating-point numbers are the same in each run.
    ///
    /// # Panics
    /// Like [`barrier`](Self::barrier). Also panics if members call this with different types.
    #[track_caller]
    pub fn reduce<T>(&mut self, value: T, op: impl FnMut(T, T) -> T) -> T
    where
        T: Clone + Send + Sync + 'static,
    {
        let place = self.next_place();
        // A value left from an exchange that a panic broke off is dropped without the lock.
        let mut parts = self.gang.parts.lock();
        parts.resize_with(self.size(), || None);
        let before = parts[self.index].replace(Box::new(value));
        drop(parts);
        drop(before);
        self.barrier();
        if self.index == 0 {
            let parts: Vec<_> = self.gang.parts.lock().iter_mut().map(Option::take).collect();
            let values =
                parts.into_iter().map(|part| same(part.and_then(|part| part.downcast::<T>().ok())));
            let all = values.map(|value| *value).reduce(op);
            self.put(place, same(all));
        }
        self.barrier();
        self.value(place)
    }

    fn next_place(&mut self) -> usize {
        self.exchanges += 1;
        self.exchanges % 2
    }

    fn put<T: Send + Sync + 'static>(&self, place: usize, value: T) {
        let before = self.gang.values[place].lock().replace(Arc::new(value));
        drop(before);
    }

    #[track_caller]
    fn value<T: Clone + Send + Sync + 'static>(&self, place: usize) -> T {
        let value = self.gang.values[place].lock().clone();
        let value: Arc<T> = same(value.and_then(|value| value.downcast().ok()));
        T::clone(&value)
    }
}

#[track_caller]
fn same<T>(value: Option<T>) -> T {
    value.expect("members of a gang exchange values of different types")
}

impl fmt::Debug for Member<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member").field("index", &self.index).field("size", &self.size()).finish()
    }
}
