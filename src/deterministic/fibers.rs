//! The simulation of a thread: the fibers of all its deterministic pools, the *base*, which is the
//! thread's own stack, and the choice of who goes on.
//!
//! Fibers are resumed by the base only, and suspend to it. So at any time the base runs, or one
//! fiber, on top of the base's call to [`Simulation::run_others`]. Fibers never leave their thread.
#![allow(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::ptr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult, Yielder};
use fastrand::Rng;

use crate::job::outcome;
use crate::platform::fork::write_error;
use crate::pool::Registry;
use crate::worker::{Current, outside, swap_current};

/// What decides the schedule.
pub(crate) type Seed = u64;

/// What std gives a thread.
const STACK_SIZE: usize = 2 << 20;
/// How long everybody may be blocked before the user is told.
const STUCK: Duration = Duration::from_secs(1);

/// A fiber by its number, or the base.
type Id = u64;
const BASE: Id = 0;

type Fiber = Coroutine<(), (), (), DefaultStack>;

/// One who takes turns.
struct Party {
    /// Who its thread-local worker is while it does not run.
    current: Current,
    /// Not runnable before `wakes` differs from this.
    blocked: Option<u64>,
    /// Where it suspends, once it runs; null for the base.
    yielder: *const Yielder<(), ()>,
    /// There while it is suspended.
    fiber: Option<Fiber>,
}

/// A thread with deterministic pools. It is never freed.
struct Simulation {
    parties: RefCell<BTreeMap<Id, Party>>,
    running: Cell<Id>,
    last_id: Cell<Id>,
    /// How often somebody was woken.
    wakes: Cell<u64>,
    rng: RefCell<Rng>,
    /// How often somebody did something but wait.
    moves: Cell<u64>,
    /// Since when everybody is blocked, and the `moves` of then.
    stuck: Cell<Option<(Instant, u64)>>,
    told: Cell<bool>,
    /// At a point the turn changes one time in so many.
    patience: Cell<u32>,
}

thread_local! {
    /// The thread's simulation; null where it has none. (Without a destructor, so that it can be
    /// asked at any time.)
    static SIMULATION: Cell<*const Simulation> = const { Cell::new(ptr::null()) };
    /// Ends what is left when the thread ends.
    static LAST_TURNS: LastTurns = const { LastTurns };
}

fn simulation<'a>() -> Option<&'a Simulation> {
    // SAFETY: it is never freed, and the reference stays on this thread.
    unsafe { SIMULATION.get().as_ref() }
}

pub(crate) fn is_simulated() -> bool {
    !SIMULATION.get().is_null()
}

/// Something has happened: perhaps somebody else goes on.
#[inline]
pub(crate) fn point() {
    if let Some(simulation) = simulation() {
        simulation.point();
    }
}

/// The caller waits for a while. `false`: this thread is not simulated.
pub(crate) fn pause() -> bool {
    simulation().map(|simulation| simulation.pass_on(None)).is_some()
}

/// The caller waits until it is woken, or longer than it has to. `false`: as `pause`.
pub(crate) fn block() -> bool {
    simulation().map(|simulation| simulation.pass_on(Some(simulation.wakes.get()))).is_some()
}

/// Somebody is woken: all that are blocked look again.
pub(crate) fn notify() {
    if let Some(simulation) = simulation() {
        simulation.wakes.set(simulation.wakes.get() + 1);
        simulation.moves.set(simulation.moves.get() + 1);
    }
}

/// Whether a queue is to have its owner come by at every fork and its end, so that each is a point.
pub(crate) fn keeps_gates_closed() -> bool {
    is_simulated()
}

/// Starts the registry's workers as fibers of this thread. An error comes with the worker's index.
pub(crate) fn start(
    seed: Seed,
    registry: &Arc<Registry>,
    stack_size: Option<usize>,
) -> Result<(), (usize, io::Error)> {
    if !is_simulated() {
        SIMULATION.set(Box::into_raw(Box::new(Simulation::new())));
    }
    // If the thread is ending, what is left at its end does not run.
    let _ = LAST_TURNS.try_with(|_| ());
    let Some(simulation) = simulation() else { unreachable!("made just now") };
    simulation.seed(seed);
    for index in 0..registry.workers().len() {
        let shared = registry.clone();
        let body = move || {
            shared.run_worker(index);
            // It may be the last to know the pool, whose handlers' captures are dropped then.
            outcome::discard(shared);
        };
        add(stack_size, body).map_err(|error| (index, error))?;
        registry.thread_starts();
    }
    Ok(())
}

/// Starts one more fiber of this thread, which is simulated.
pub(crate) fn add(stack_size: Option<usize>, body: impl FnOnce() + 'static) -> io::Result<()> {
    let Some(simulation) = simulation() else {
        return Err(io::Error::other("the thread's simulation has ended"));
    };
    simulation.add(DefaultStack::new(stack_size.unwrap_or(STACK_SIZE))?, body);
    Ok(())
}

impl Simulation {
    fn new() -> Self {
        let base = Party { current: outside(), blocked: None, yielder: ptr::null(), fiber: None };
        Simulation {
            parties: RefCell::new(BTreeMap::from([(BASE, base)])),
            running: Cell::new(BASE),
            last_id: Cell::new(BASE),
            wakes: Cell::new(0),
            moves: Cell::new(0),
            stuck: Cell::new(None),
            told: Cell::new(false),
            rng: RefCell::new(Rng::with_seed(0)),
            patience: Cell::new(1),
        }
    }

    /// Starts over with `seed` if no pool is left, else mixes it in.
    fn seed(&self, seed: Seed) {
        let mut rng = self.rng.borrow_mut();
        if self.parties.borrow().len() == 1 {
            *rng = Rng::with_seed(seed);
        } else {
            let mixed = rng.u64(..) ^ seed;
            *rng = Rng::with_seed(mixed);
        }
        // Some schedules change at every point, some let workers run far ahead of each other.
        self.patience.set(1 << rng.u32(..6));
    }

    fn add(&self, stack: DefaultStack, body: impl FnOnce() + 'static) {
        let id = self.last_id.get() + 1;
        self.last_id.set(id);
        let fiber = Coroutine::with_stack(stack, move |yielder: &Yielder<(), ()>, ()| {
            outcome::run_or_abort(|| {
                if let Some(simulation) = simulation() {
                    simulation.with(id, |party| party.yielder = yielder);
                }
                body();
            });
        });
        let party =
            Party { current: outside(), blocked: None, yielder: ptr::null(), fiber: Some(fiber) };
        self.parties.borrow_mut().insert(id, party);
    }

    fn with<R>(&self, id: Id, change: impl FnOnce(&mut Party) -> R) -> R {
        match self.parties.borrow_mut().get_mut(&id) {
            Some(party) => change(party),
            None => unreachable!("who runs is there"),
        }
    }

    fn point(&self) {
        if self.rng.borrow_mut().u32(..self.patience.get()) == 0 {
            self.pass_on(None);
        }
    }

    /// Lets others run, and returns when it is the caller's turn again. `blocked`: not before
    /// `wakes` differs.
    fn pass_on(&self, blocked: Option<u64>) {
        let id = self.running.get();
        if blocked.is_none() {
            self.moves.set(self.moves.get() + 1);
        }
        let yielder = self.with(id, |party| {
            party.blocked = blocked;
            party.yielder
        });
        if id == BASE {
            self.run_others();
        } else {
            // SAFETY: the yielder lives as long as its fiber's body runs, which is this call.
            unsafe { &*yielder }.suspend(());
        }
    }

    /// The base's part: runs others until the turn is the base's.
    fn run_others(&self) {
        loop {
            match self.choose() {
                Some(BASE) => return,
                Some(id) => self.resume(id),
                None => self.wait_for_other_threads(),
            }
        }
    }

    /// One of those that can run.
    fn choose(&self) -> Option<Id> {
        let parties = self.parties.borrow();
        let wakes = self.wakes.get();
        let runnable = |party: &Party| party.blocked.is_none_or(|seen| seen != wakes);
        let ready = || parties.iter().filter(|(_, party)| runnable(party)).map(|(&id, _)| id);
        let count = ready().count();
        if count == 0 { None } else { ready().nth(self.rng.borrow_mut().usize(..count)) }
    }

    fn resume(&self, id: Id) {
        let (fiber, current) = self.with(id, |party| (party.fiber.take(), party.current));
        let Some(mut fiber) = fiber else { unreachable!("who does not run is suspended") };
        let base = swap_current(current);
        self.running.set(id);
        let result = fiber.resume(());
        self.running.set(BASE);
        let current = swap_current(base);
        if let CoroutineResult::Return(()) = result {
            self.parties.borrow_mut().remove(&id);
            // Whoever waits for its end may go on.
            self.wakes.set(self.wakes.get() + 1);
            return;
        }
        self.with(id, |party| {
            party.current = current;
            party.fiber = Some(fiber);
        });
    }

    /// Everybody is blocked. Only another thread can help, by something that a simulated one waits
    /// for: all look again after a while.
    #[cold]
    fn wait_for_other_threads(&self) {
        let (since, moves) = self
            .stuck
            .get()
            .filter(|&(_, moves)| moves == self.moves.get())
            .unwrap_or_else(|| (Instant::now(), self.moves.get()));
        self.stuck.set(Some((since, moves)));
        if since.elapsed() > STUCK && !self.told.replace(true) {
            write_error(&format!(
                "filch: a deadlock? All workers of this thread's deterministic pools wait.\n{}\n",
                crate::dump()
            ));
        }
        std::thread::sleep(Duration::from_millis(1));
        self.wakes.set(self.wakes.get() + 1);
    }
}

struct LastTurns;

impl Drop for LastTurns {
    /// Pools that were dropped elsewhere end here. What of others is left stays as it is, for ever:
    /// nobody can run it any more, and to unwind it would end tasks in their middle.
    fn drop(&mut self) {
        let Some(simulation) = simulation() else { return };
        loop {
            // The base takes no turns any more.
            let wakes = simulation.wakes.get();
            simulation.with(BASE, |base| base.blocked = Some(wakes));
            match simulation.choose() {
                Some(id) => simulation.resume(id),
                None => break,
            }
        }
        for party in std::mem::take(&mut *simulation.parties.borrow_mut()).into_values() {
            std::mem::forget(party.fiber);
        }
        // Destructors that run later are not simulated.
        SIMULATION.set(ptr::null());
    }
}
