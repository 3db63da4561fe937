//! Turns: of the threads of one simulation, one at a time runs, and the seed decides which is next.
//!
//! A *simulation* has a thread that builds deterministic pools, its *home*, and all threads of
//! these pools. Each is a *party*. The party whose turn it is runs as any thread does; all others
//! wait in [`Party::wait_for_turn`]. The turn changes in [`Party::pass_on`] and [`Party::leave`],
//! and nowhere else, so that the order of all that parties do follows from the seed.
//!
//! Invariants, all of them under the lock of `Shared::state`:
//! 1. At most one party has the turn. If none has, all are blocked, or there is no party.
//! 2. A blocked party is woken by [`Simulation::wake`] only. It can be called by any thread: what
//!    threads outside do to a simulation is the one thing that no seed decides.
//! 3. While a party waits for the turn, one that waits is the *watcher*, unless there is nothing to
//!    watch for: it looks by a clock whether the turn still moves.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;
use std::{io, mem};

use crossbeam_utils::sync::Parker;
use parking_lot::{Mutex, MutexGuard};

use super::chair::Chair;
use super::schedule::{Blocked, Entry, Id, LOOKS, Seed, State};
use super::{IDLE, Simulated};
use crate::os::thread::Thread;
use crate::os::write_error;

thread_local! {
    /// The calling thread as a party. A pool's thread sets it before anything else, so that its
    /// destructor is the last: those of the user's run within the thread's turns.
    static HERE: RefCell<Option<Rc<Party>>> = const { RefCell::new(None) };
}

/// The turns of some threads. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Simulation(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
}

/// A thread of a simulation, as it sees itself.
struct Party {
    id: Id,
    simulation: Simulation,
    is_home: bool,
    chair: Arc<Chair>,
    parker: Parker,
    /// How many points are left until one at which the turn changes.
    points: Cell<u32>,
    /// Whether the thread did something in this turn.
    moved: Cell<bool>,
    /// `Entry::looks`, as of now.
    looks: Cell<bool>,
    /// For which pool's doings the innermost wait is.
    awaited: Cell<usize>,
}

/// The calling thread as a party, if it is one.
fn here() -> Option<Rc<Party>> {
    let party = HERE.try_with(|here| here.borrow().clone()).ok()??;
    if party.is_alone() {
        // No deterministic pool is left: this is a thread like any other again.
        let _ = HERE.try_with(|here| here.borrow_mut().take());
        return None;
    }
    Some(party)
}

/// In the child of a `fork()`: none of the parties is there, and the calling thread is none.
pub(crate) fn leave() {
    let _ = HERE.try_with(|here| mem::forget(here.take()));
}

/// Something has happened: perhaps another thread goes on.
#[inline]
pub(crate) fn point() {
    count_point(true);
}

/// The caller has looked for something: perhaps another thread goes on.
#[inline]
pub(crate) fn poll() {
    count_point(false);
}

fn count_point(moved: bool) {
    let changes = HERE.try_with(|here| {
        let here = here.borrow();
        let Some(party) = &*here else { return false };
        let passed = &party.chair.points;
        passed.store(passed.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        let points = party.points.get();
        party.points.set(points.saturating_sub(1));
        party.moved.set(party.moved.get() | moved);
        points == 0
    });
    if changes == Ok(true) {
        pause();
    }
}

/// The caller waits for a while. `false`: this thread is not simulated.
pub(crate) fn pause() -> bool {
    here().map(|party| party.pass_on(None)).is_some()
}

/// While this lives, the calling thread waits for what a pool does.
pub(crate) struct Awaits(Option<(Rc<Party>, usize)>);

/// Notes that the calling thread waits for what the pool at the address `pool` does.
pub(crate) fn awaits(pool: usize) -> Awaits {
    Awaits(here().map(|party| {
        let outer = party.awaited.replace(pool);
        (party, outer)
    }))
}

impl Drop for Awaits {
    fn drop(&mut self) {
        if let Some((party, outer)) = self.0.take() {
            party.awaited.set(outer);
        }
    }
}

/// What is given to wake a thread that parks in a simulation; given early, it is kept.
#[derive(Clone)]
pub(crate) struct Token(Arc<Mutex<Given>>);

#[derive(Default)]
struct Given {
    is_given: bool,
    parked: Option<(Simulation, Id)>,
}

impl Token {
    pub(crate) fn new() -> Self {
        Token(Arc::default())
    }

    /// Waits for the token and takes it. `false`: this thread is not simulated.
    pub(crate) fn take(&self) -> bool {
        let Some(party) = here() else { return false };
        let mut given = self.lock();
        if !given.is_given {
            given.parked = Some((party.simulation.clone(), party.id));
            // Before the token can be given, whoever does that sees a blocked party.
            let next = party.hand_over(Some(Blocked::Parked(party.awaited.get())));
            drop(given);
            party.give_and_wait(next);
            given = self.lock();
        }
        *given = Given::default();
        true
    }

    /// Gives the token.
    pub(crate) fn give(&self) {
        let mut given = self.lock();
        given.is_given = true;
        if let Some((simulation, id)) = given.parked.take() {
            simulation.wake(id);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Given> {
        self.0.lock()
    }
}

/// While this lives, a pool is being built, which may have no thread yet.
pub(crate) struct Building(Simulation);

impl Drop for Building {
    fn drop(&mut self) {
        self.0.lock().building -= 1;
    }
}

/// Lets the new watcher see that it is that.
fn tell(watcher: Option<Arc<Chair>>) {
    if let Some(chair) = watcher {
        chair.unparker.unpark();
    }
}

/// Whether the calling thread, one of a pool's, has nothing to do from now on but to look for work.
pub(crate) fn looks(looks: bool) {
    let _ = HERE.try_with(|here| {
        if let Some(party) = &*here.borrow() {
            party.looks.set(looks);
        }
    });
}

/// The caller has looked for what the pool at the address `pool` does.
pub(crate) fn poll_for(pool: usize) {
    // What other pools do is no matter of turns.
    let is_own = || here().is_some_and(|party| party.simulation.lock().has_threads(pool));
    count_point(!is_own());
}

impl Simulation {
    /// The simulation that the calling thread is part of, or else a new one. `seed` decides it, or
    /// is mixed in, if there are pools already. `limit`: see `ThreadPoolBuilder::turn_limit`.
    pub(crate) fn enter(
        seed: Seed,
        limit: Duration,
        report: fn() -> String,
    ) -> io::Result<(Simulation, Building)> {
        if let Some(party) = here() {
            let mut state = party.simulation.lock();
            let mixed = state.rng.u64(..) ^ seed;
            state.seed(mixed);
            state.limit = state.limit.max(limit);
            drop(state);
            return Ok(party.simulation.building());
        }
        let state = Mutex::new(State::new(seed, limit, report));
        let simulation = Simulation(Arc::new(Shared { state }));
        let name =
            std::thread::current().name().unwrap_or("the thread that builds the pool").into();
        let party = simulation.add(name, None, false);
        simulation.lock().turn = Some(party.id);
        HERE.try_with(|here| *here.borrow_mut() = Some(Rc::new(party)))
            .map_err(|_| io::Error::other("the calling thread is ending"))?;
        Ok(simulation.building())
    }

    fn building(&self) -> (Simulation, Building) {
        self.lock().building += 1;
        (self.clone(), Building(self.clone()))
    }

    /// Whether the calling thread is part of it.
    pub(crate) fn is_here(&self) -> bool {
        here().is_some_and(|party| Arc::ptr_eq(&party.simulation.0, &self.0))
    }

    /// Starts a thread of `pool`. `looks`: whether it has nothing to do at first but to look for
    /// work.
    pub(crate) fn start(
        &self,
        pool: Weak<dyn Simulated>,
        looks: bool,
        name: String,
        stack_size: Option<usize>,
        body: impl FnOnce() + Send + 'static,
    ) -> io::Result<Thread> {
        let party = self.add(name.clone(), Some(pool), looks);
        Thread::start(name, stack_size, move || {
            let party = Rc::new(party);
            // (A thread that starts has all its thread-locals.)
            let _ = HERE.try_with(|here| *here.borrow_mut() = Some(party.clone()));
            party.wait_for_turn();
            drop(party);
            body();
        })
    }

    /// Waits until the last thread of the pool at the address `pool` is about to end.
    pub(crate) fn wait_until_gone(&self, pool: usize) {
        while let Some(party) = here().filter(|_| self.lock().has_threads(pool)) {
            party.pass_on(Some(Blocked::UntilGone(pool)));
        }
    }

    fn add(&self, name: String, pool: Option<Weak<dyn Simulated>>, looks: bool) -> Party {
        let parker = Parker::new();
        let unparker = parker.unparker().clone();
        let (granted, points) = (AtomicBool::new(false), AtomicU32::new(0));
        let chair = Arc::new(Chair { granted, unparker, points });
        let mut state = self.lock();
        state.last_id += 1;
        let (id, points) = (state.last_id, state.points());
        let entry = Entry { chair: chair.clone(), name, pool, blocked: None, looks };
        let is_home = entry.is_home();
        state.parties.insert(id, entry);
        state.moves += 1;
        if state.turn.is_some() {
            tell(state.see_to_watcher());
        }
        drop(state);
        Party {
            id,
            simulation: self.clone(),
            is_home,
            chair,
            parker,
            points: Cell::new(points),
            moved: Cell::new(true),
            looks: Cell::new(looks),
            awaited: Cell::new(IDLE),
        }
    }

    /// Makes a blocked party one that can run. Any thread may call this.
    fn wake(&self, id: Id) {
        let mut state = self.lock();
        state.moves += 1;
        let Some(entry) = state.parties.get_mut(&id) else { return };
        entry.blocked = None;
        let chair = entry.chair.clone();
        let is_next = state.turn.is_none();
        if is_next {
            state.turn = Some(id);
        }
        tell(state.see_to_watcher());
        drop(state);
        if is_next {
            chair.grant();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock()
    }
}

impl Party {
    /// Whether it is a home without pools.
    fn is_alone(&self) -> bool {
        let is_alone = |state: &State| state.parties.len() == 1 && state.building == 0;
        self.is_home && is_alone(&self.simulation.lock())
    }

    /// Lets another run, and returns when it is this one's turn again; if it is `blocked`, not
    /// before it was woken.
    fn pass_on(&self, blocked: Option<Blocked>) {
        let next = self.hand_over(blocked);
        self.give_and_wait(next);
    }

    /// The part of that under the lock. Returns who is to be given the turn.
    fn hand_over(&self, blocked: Option<Blocked>) -> Option<Arc<Chair>> {
        let mut state = self.simulation.lock();
        if state.turn != Some(self.id) {
            // It is at what the watcher does beside the turns.
            return Some(self.chair.clone());
        }
        // To block is a move, since nobody is woken without one.
        if self.moved.take() || blocked.is_some() {
            state.moves += 1;
        } else if state.only_looks() {
            drop(state);
            self.complain_if_right();
            state = self.simulation.lock();
        }
        if let Some(entry) = state.parties.get_mut(&self.id) {
            (entry.blocked, entry.looks) = (blocked, self.looks.get());
        }
        self.points.set(state.points());
        let next = state.choose();
        if next != Some(self.id) {
            // The last that had the turn: it is awake.
            state.watcher = Some(self.id);
        }
        state.chair(next)
    }

    fn give_and_wait(&self, next: Option<Arc<Chair>>) {
        match next {
            Some(chair) if Arc::ptr_eq(&chair, &self.chair) => return,
            Some(chair) => chair.grant(),
            None => {}
        }
        self.wait_for_turn();
    }

    fn wait_for_turn(&self) {
        let (mut looks, mut seen) = (0, (0, 0));
        // Acquire: matches the Release in `grant`.
        while !self.chair.granted.swap(false, Ordering::Acquire) {
            let Some(limit) = self.watches() else {
                self.parker.park();
                continue;
            };
            self.parker.park_timeout(limit / LOOKS);
            looks += 1;
            if self.look(&mut seen) {
                looks = 0;
            } else if looks >= LOOKS {
                self.complain_if_right();
                looks = 0;
            }
        }
    }

    /// The limit, if this is the watcher.
    fn watches(&self) -> Option<Duration> {
        let state = self.simulation.lock();
        (state.watcher == Some(self.id)).then_some(state.limit)
    }

    /// Whether all is well. If there is nothing to watch for, this is the watcher no longer.
    fn look(&self, seen: &mut (u64, u32)) -> bool {
        let mut state = self.simulation.lock();
        let now = (state.moves, state.points_of_holder());
        let moved = mem::replace(seen, now) != now;
        let is_suspicious = state.is_suspicious();
        // (Those that wait for the turn may get work without being woken.)
        if !is_suspicious && state.waiting().next().is_none() {
            state.watcher = None;
        }
        moved || !is_suspicious
    }

    #[cold]
    fn complain_if_right(&self) {
        let state = self.simulation.lock();
        let (complaint, report) = (state.complaint(), state.report);
        drop(state);
        if let Some(complaint) = complaint {
            let text = "filch: deterministic pools do not move";
            write_error(&format!("{text}: {complaint}. Aborting.\n{}", report()));
            std::process::abort();
        }
    }

    fn leave(&self) {
        let mut state = self.simulation.lock();
        state.moves += 1;
        state.parties.remove(&self.id);
        let state = &mut *state;
        let pools: Vec<_> = state.parties.values().map(Entry::pool_address).collect();
        for entry in state.parties.values_mut() {
            if let Some(Blocked::UntilGone(pool)) = entry.blocked {
                if !pools.contains(&pool) {
                    entry.blocked = None;
                }
            }
        }
        let next = if state.turn == Some(self.id) { state.choose() } else { None };
        tell(state.see_to_watcher());
        if let Some(chair) = state.chair(next) {
            chair.grant();
        }
    }
}

/// The thread ends, or is simulated no longer.
impl Drop for Party {
    fn drop(&mut self) {
        self.leave();
    }
}
