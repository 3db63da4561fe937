//! Turns: the threads of a simulation run one at a time, and the seed decides which is next.
//!
//! A *simulation* consists of the thread that builds deterministic pools, its *builder*, and all
//! threads of these pools. The thread that has the turn runs normally. All others wait in
//! [`SimThread::wait_for_turn`]. The turn changes only in [`SimThread::pass_on`] and
//! [`SimThread::leave`], so the order of all that the threads do follows from the seed.
//!
//! Invariants, which the lock of the [`State`] guards:
//! 1. At most one thread has the turn. If none has it, all are blocked, or there is no thread.
//! 2. Only [`Simulation::wake`] wakes a blocked thread. A thread outside of the simulation may also
//!    call it. When it does so is the one thing that the seed does not decide.
//! 3. While threads wait for the turn, one of them is the *watcher*, unless there is nothing to
//!    watch for. The watcher checks by a clock whether the turn still moves.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;
use std::{io, mem};

use crossbeam_utils::sync::Parker;
use parking_lot::{Mutex, MutexGuard};

use super::schedule::{Entry, Id, LOOKS, Seed, State};
use super::signal::TurnSignal;
use super::suspicion::Verdict;
use super::{IDLE, Simulated};
use crate::os::progress::Seen;
use crate::os::thread::Thread;
use crate::os::write_error;

thread_local! {
    /// Set on a simulated thread. A pool's thread sets it before any other thread-local, so it is
    /// dropped last, and the user's destructors run while the thread still takes turns.
    static HERE: RefCell<Option<Rc<SimThread>>> = const { RefCell::new(None) };
}

/// A simulation. Clones refer to the same one.
#[derive(Clone)]
pub(crate) struct Simulation(Arc<Mutex<State>>);

/// The part of a simulated thread that no other thread uses.
struct SimThread {
    id: Id,
    simulation: Simulation,
    is_builder: bool,
    signal: Arc<TurnSignal>,
    parker: Parker,
    /// How many schedule points the thread passes before one at which the turn changes.
    points: Cell<u32>,
    /// Whether the thread did more in this turn than look for work.
    moved: Cell<bool>,
    /// What `Entry::looks` is set to when the thread next gives up the turn.
    looks: Cell<bool>,
    /// The address of the pool for which the innermost wait waits, or `IDLE`.
    awaited: Cell<usize>,
}

/// Returns the calling thread if it is simulated.
fn here() -> Option<Rc<SimThread>> {
    let thread = HERE.try_with(|here| here.borrow().clone()).ok()??;
    if thread.is_alone() {
        // No deterministic pool is left, so the thread is no longer simulated.
        let _ = HERE.try_with(|here| here.borrow_mut().take());
        return None;
    }
    Some(thread)
}

pub(crate) fn takes_turns() -> bool {
    here().is_some()
}

/// Leaves the simulation in the child of a `fork()`, where the other threads of the simulation do
/// not exist.
pub(crate) fn leave() {
    let _ = HERE.try_with(|here| mem::forget(here.take()));
}

/// A schedule point after the caller has done something.
#[inline]
pub(crate) fn point() {
    count_point(true);
}

/// A schedule point after the caller has only looked for something.
#[inline]
pub(crate) fn poll() {
    count_point(false);
}

fn count_point(moved: bool) {
    let changes = HERE.try_with(|here| {
        let here = here.borrow();
        let Some(thread) = &*here else { return false };
        let passed = &thread.signal.points;
        passed.store(passed.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        let points = thread.points.get();
        thread.points.set(points.saturating_sub(1));
        thread.moved.set(thread.moved.get() | moved);
        points == 0
    });
    if changes == Ok(true) {
        pause();
    }
}

/// Passes the turn on, and waits until this thread has it again. Returns `false` if the thread is
/// not simulated.
pub(crate) fn pause() -> bool {
    here().map(|thread| thread.pass_on()).is_some()
}

/// While this exists, the thread that made it waits for a pool.
pub(crate) struct Awaits(Option<(Rc<SimThread>, usize)>);

/// Notes that the calling thread waits for the pool at the address `pool`.
pub(crate) fn awaits(pool: usize) -> Awaits {
    Awaits(here().map(|thread| {
        let outer = thread.awaited.replace(pool);
        (thread, outer)
    }))
}

impl Drop for Awaits {
    fn drop(&mut self) {
        if let Some((thread, outer)) = self.0.take() {
            thread.awaited.set(outer);
        }
    }
}

/// Wakes a thread that parks in a simulation. A token that is given early is kept.
#[derive(Clone, Default)]
pub(crate) struct Token(Arc<Mutex<Given>>);

#[derive(Default)]
struct Given {
    is_given: bool,
    parked: Option<(Simulation, Id)>,
}

impl Token {
    /// Waits for the token and takes it. Returns `false` if this thread is not simulated.
    pub(crate) fn take(&self) -> bool {
        let Some(thread) = here() else { return false };
        let mut given = self.0.lock();
        if !given.is_given {
            given.parked = Some((thread.simulation.clone(), thread.id));
            // Under the lock of the token, so that a thread which gives the token sees that this
            // one is blocked.
            let next = thread.hand_over(Some(thread.awaited.get()));
            drop(given);
            thread.give_and_wait(next);
            given = self.0.lock();
        }
        *given = Given::default();
        true
    }

    pub(crate) fn give(&self) {
        let mut given = self.0.lock();
        given.is_given = true;
        if let Some((simulation, id)) = given.parked.take() {
            simulation.wake(id);
        }
    }
}

/// While this exists, a pool is being built, which may have no thread yet.
pub(crate) struct Building(Simulation);

impl Drop for Building {
    fn drop(&mut self) {
        self.0.lock().building -= 1;
    }
}

/// Notes whether the calling thread only looks for work from now on.
pub(crate) fn looks(looks: bool) {
    let _ = HERE.try_with(|here| {
        if let Some(thread) = &*here.borrow() {
            thread.looks.set(looks);
        }
    });
}

/// A schedule point after the caller has checked whether the pool at the address `pool` has done
/// something.
pub(crate) fn poll_for(pool: usize) {
    // A check for a pool outside of the simulation counts as a move. Such a pool goes on by itself,
    // whichever thread has the turn.
    let is_own = || here().is_some_and(|thread| thread.simulation.lock().has_threads(pool));
    count_point(!is_own());
}

impl Simulation {
    /// If the calling thread is simulated, mixes `seed` into its simulation. If not, makes a new
    /// simulation with `seed`, and the thread enters it. For `limit`, see
    /// `ThreadPoolBuilder::turn_limit`.
    pub(crate) fn enter(
        seed: Seed,
        limit: Duration,
        report: fn() -> String,
    ) -> io::Result<(Simulation, Building)> {
        if let Some(thread) = here() {
            let mut state = thread.simulation.lock();
            let mixed = state.rng.u64(..) ^ seed;
            state.seed(mixed);
            state.limit = state.limit.max(limit);
            drop(state);
            return Ok(thread.simulation.building());
        }
        let state = State::new(seed, limit, report);
        let simulation = Simulation(Arc::new(Mutex::new(state)));
        let name =
            std::thread::current().name().unwrap_or("the thread that builds the pool").into();
        let thread = simulation.add(name, None, false);
        thread.signal.begin();
        simulation.lock().turn = Some(thread.id);
        HERE.try_with(|here| *here.borrow_mut() = Some(Rc::new(thread)))
            .map_err(|_| io::Error::other("the calling thread is ending"))?;
        Ok(simulation.building())
    }

    fn building(&self) -> (Simulation, Building) {
        self.lock().building += 1;
        (self.clone(), Building(self.clone()))
    }

    pub(crate) fn is_here(&self) -> bool {
        here().is_some_and(|thread| Arc::ptr_eq(&thread.simulation.0, &self.0))
    }

    /// Starts a thread of `pool`. `looks` says whether the thread begins by looking for work.
    pub(crate) fn start(
        &self,
        pool: Weak<dyn Simulated>,
        looks: bool,
        name: String,
        stack_size: Option<usize>,
        body: impl FnOnce() + Send + 'static,
    ) -> io::Result<Thread> {
        let thread = self.add(name.clone(), Some(pool), looks);
        Thread::start(name, stack_size, move || {
            let thread = Rc::new(thread);
            thread.signal.begin();
            // (The thread-locals of a thread that starts are always accessible.)
            let _ = HERE.try_with(|here| *here.borrow_mut() = Some(thread.clone()));
            thread.wait_for_turn();
            drop(thread);
            body();
        })
    }

    /// Makes the last thread of the pool at the address `pool` call `call` when it is about to end.
    /// Returns `false` if the pool has no thread.
    pub(crate) fn when_gone(&self, pool: usize, call: impl FnOnce() + Send + 'static) -> bool {
        let mut state = self.lock();
        let has_threads = state.has_threads(pool);
        if has_threads {
            state.when_gone.push((pool, Box::new(call)));
        }
        has_threads
    }

    fn add(&self, name: String, pool: Option<Weak<dyn Simulated>>, looks: bool) -> SimThread {
        let parker = Parker::new();
        let unparker = parker.unparker().clone();
        let (granted, points) = (AtomicBool::new(false), AtomicU32::new(0));
        let place = OnceLock::new();
        let signal = Arc::new(TurnSignal { granted, unparker, points, place });
        let mut state = self.lock();
        state.last_id += 1;
        let (id, points) = (state.last_id, state.points());
        let is_builder = pool.is_none();
        let entry = Entry { signal: signal.clone(), name, pool, blocked: None, looks };
        state.threads.insert(id, entry);
        state.moves += 1;
        if state.turn.is_some() {
            state.appoint_watcher();
        }
        drop(state);
        SimThread {
            id,
            simulation: self.clone(),
            is_builder,
            signal,
            parker,
            points: Cell::new(points),
            moved: Cell::new(true),
            looks: Cell::new(looks),
            awaited: Cell::new(IDLE),
        }
    }

    /// Lets a blocked thread run again. Any thread may call this.
    fn wake(&self, id: Id) {
        let mut state = self.lock();
        state.moves += 1;
        let Some(entry) = state.threads.get_mut(&id) else { return };
        entry.blocked = None;
        let signal = entry.signal.clone();
        let is_next = state.turn.is_none();
        if is_next {
            state.turn = Some(id);
        }
        state.appoint_watcher();
        drop(state);
        if is_next {
            signal.grant();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }
}

impl SimThread {
    /// Returns whether this is a builder without pools.
    fn is_alone(&self) -> bool {
        let is_alone = |state: &State| state.threads.len() == 1 && state.building == 0;
        self.is_builder && is_alone(&self.simulation.lock())
    }

    /// Lets another thread run, and returns when this thread has the turn again.
    fn pass_on(&self) {
        let next = self.hand_over(None);
        self.give_and_wait(next);
    }

    /// The part of `pass_on` that needs the lock: decides which thread gets the turn, and returns
    /// its signal. For `blocked`, see `Entry`. A blocked thread gets no turn before it is woken.
    fn hand_over(&self, blocked: Option<usize>) -> Option<Arc<TurnSignal>> {
        let mut state = self.simulation.lock();
        if state.turn != Some(self.id) {
            // This is the watcher, which has reached a schedule point while it makes a report. It
            // goes on without the turn.
            return Some(self.signal.clone());
        }
        // Blocking counts as a move, as each wake-up does.
        if self.moved.take() || blocked.is_some() {
            state.moves += 1;
        } else if state.only_looks() {
            drop(state);
            self.complain_if_right(None);
            state = self.simulation.lock();
        }
        if let Some(entry) = state.threads.get_mut(&self.id) {
            (entry.blocked, entry.looks) = (blocked, self.looks.get());
        }
        self.points.set(state.points());
        let next = state.choose();
        if next != Some(self.id) {
            // This thread is awake, so it can be the watcher without a wake-up.
            state.watcher = Some(self.id);
        }
        state.signal(next)
    }

    fn give_and_wait(&self, next: Option<Arc<TurnSignal>>) {
        match next {
            Some(signal) if Arc::ptr_eq(&signal, &self.signal) => return,
            Some(signal) => signal.grant(),
            None => {}
        }
        self.wait_for_turn();
    }

    fn wait_for_turn(&self) {
        let (mut looks, mut seen, mut before) = (0, (0, 0), None);
        // Acquire: matches the Release in `grant`.
        while !self.signal.granted.swap(false, Ordering::Acquire) {
            let Some(limit) = self.watches() else {
                self.parker.park();
                continue;
            };
            self.parker.park_timeout(limit / LOOKS);
            looks += 1;
            if self.look(&mut seen) {
                looks = 0;
            } else if looks == 1 {
                before = self.holder().and_then(|holder| holder.seen());
            } else if looks >= LOOKS {
                self.complain_if_right(before.as_ref());
                looks = 0;
            }
        }
    }

    /// Returns the time limit if this thread is the watcher.
    fn watches(&self) -> Option<Duration> {
        let state = self.simulation.lock();
        (state.watcher == Some(self.id)).then_some(state.limit)
    }

    /// Returns whether the simulation has moved since the last call, or need not move. If there is
    /// nothing to watch for, this thread is no longer the watcher.
    fn look(&self, seen: &mut (u64, u32)) -> bool {
        let mut state = self.simulation.lock();
        let now = (state.moves, state.points_of_holder());
        let moved = mem::replace(seen, now) != now;
        let is_suspicious = state.is_suspicious();
        // (A thread that waits for the turn may get work without a wake-up.)
        if !is_suspicious && state.waiting().next().is_none() {
            state.watcher = None;
        }
        moved || !is_suspicious
    }

    fn holder(&self) -> Option<Arc<TurnSignal>> {
        let state = self.simulation.lock();
        state.signal(state.turn)
    }

    /// Reports what is wrong, if anything is, and aborts the process if it cannot go on. For
    /// `before`, see `State::complaint`.
    #[cold]
    fn complain_if_right(&self, before: Option<&Seen>) {
        let complaint = || self.simulation.lock().complaint(before);
        let Some(first) = complaint() else { return };
        let aborts = match first.verdict {
            Verdict::Warn => false,
            Verdict::Abort => true,
            // If the second complaint is the same, no thread is left that could do something.
            Verdict::AbortIfOthersWait => {
                let others_wait = self.signal.place.get().is_some_and(|place| place.others_wait());
                others_wait && complaint().is_some_and(|second| second.verdict == first.verdict)
            }
        };
        let mut state = self.simulation.lock();
        let (report, seed) = (state.report, state.seed);
        let is_told = mem::replace(&mut state.has_warned, true);
        drop(state);
        if is_told && !aborts {
            return;
        }
        let (text, end) = (first.text, if aborts { "aborting" } else { "going on" });
        let message = format!(
            "filch: deterministic pools do not move (seed {seed}): {text}; {end}\n{}",
            report()
        );
        write_error(&message);
        if aborts {
            std::process::abort();
        }
    }

    fn leave(&self) {
        let mut state = self.simulation.lock();
        state.moves += 1;
        let pool = state.threads.remove(&self.id).map_or(IDLE, |entry| entry.pool_address());
        let calls = state.gone(pool);
        if !calls.is_empty() {
            // (If this thread has the turn, it keeps the turn during the calls.)
            drop(state);
            calls.into_iter().for_each(|(_, call)| call());
            state = self.simulation.lock();
        }
        let next = if state.turn == Some(self.id) { state.choose() } else { None };
        state.appoint_watcher();
        if let Some(signal) = state.signal(next) {
            signal.grant();
        }
    }
}

/// The thread ends, or is no longer simulated.
impl Drop for SimThread {
    fn drop(&mut self) {
        self.leave();
    }
}
