//! Faults: injects a panic at each point of an operation in turn, and checks where the panic
//! arrives and what is dropped.

use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use filch::{JoinError, ThreadPool, ThreadPoolBuilder};

use crate::common::{builder, eventually, is_simulated, say};

type Payload = Box<dyn Any + Send>;

/// Where a panic may arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It leaves the operation, unless another panic of the same or a smaller rank does.
    Out(u8),
    /// Joining the task's handle returns it.
    Handle,
    /// The pool's panic handler gets it.
    Handler,
    /// No user code gets it; its payload is dropped.
    Lost,
    /// No user code gets it; its payload is dropped or leaked.
    Swallowed,
    /// It leaves code that no panic may leave.
    Astray,
}

use Place::{Astray, Handle, Handler, Lost, Out, Swallowed};

/// Where a panic may arrive under the contract.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// Where it may arrive if it is the only panic.
    alone: &'static [Place],
    /// Where else it may arrive if there are others.
    amid: &'static [Place],
}

const fn to(alone: &'static [Place]) -> Route {
    Route { alone, amid: &[] }
}

/// A panic of the frame that called the operation, or of the operation's first closure.
pub const OUT: Route = to(&[Out(0)]);
/// A panic that loses to `OUT`: of the second side of a join, or of a task of a scope.
pub const OUT_SECOND: Route = to(&[Out(1)]);
/// A panic that loses to both.
pub const OUT_THIRD: Route = to(&[Out(2)]);
/// The drop of a value by a frame in the scope or by a task, whichever comes first.
pub const OUT_EITHER: Route = to(&[Out(0), Out(1)]);
pub const HANDLE: Route = to(&[Handle]);
pub const HANDLER: Route = to(&[Handler]);
/// The drop of a value by its task or by the owner of its handle, whichever comes second.
pub const HANDLER_OR_OUT: Route = to(&[Handler, Out(0)]);
pub const LOST: Route = to(&[Lost]);
/// The drop of shared captures, by the last task or by the runtime.
pub const HANDLER_OR_SWALLOWED: Route = to(&[Handler, Swallowed]);
/// The same in a scope.
pub const OUT_SECOND_OR_SWALLOWED: Route = to(&[Out(1), Swallowed]);
/// A task of a scope that is joined, unless another panic stops the joiner.
pub const JOINED_IN_SCOPE: Route = Route { alone: &[Handle], amid: &[Out(1)] };
/// The value of such a task: the runtime drops it only if the task is not joined.
pub const UNJOINED_IN_SCOPE: Route = Route { alone: &[], amid: &[Out(1)] };
/// The same for tasks of the pool.
pub const JOINED: Route = Route { alone: &[Handle], amid: &[Handler] };
pub const UNJOINED: Route = Route { alone: &[], amid: &[Handler] };
/// A value that the runtime drops because something else has panicked.
pub const UNWANTED: Route = Route { alone: &[], amid: &[Swallowed] };
/// The same for a value that a scope may have dropped already.
pub const UNWANTED_OR_UNJOINED: Route = Route { alone: &[], amid: &[Swallowed, Out(0)] };
/// A value that the last worker drops, of a pool that no thread waits for.
pub const SWALLOWED: Route = to(&[Swallowed]);
/// A value that is dropped with the last reference to a pool, by the thread that drops the pool or
/// by the runtime.
pub const OUT_OR_SWALLOWED: Route = to(&[Out(0), Swallowed]);
/// A value whose drop is never a point: the test receives it, or its frame unwinds.
pub const NEVER: Route = to(&[]);
/// A panic in the panic handler, which runs because of another panic.
const IN_HANDLER: Route = Route { alone: &[], amid: &[Lost] };

/// The faults of one round, and their outcome. Leaked, so that a second drop is counted and is no
/// use after free.
#[derive(Debug)]
pub struct Fault {
    /// Which points panic, counted from 1.
    plan: [usize; 2],
    /// Whether a payload that no user code got panics in its drop.
    bombs: bool,
    points: AtomicUsize,
    /// Each of its pools holds a reference until its last worker ends.
    pools: Arc<()>,
    /// What each token belongs to, and how often it was dropped.
    tokens: Mutex<Vec<(&'static str, usize)>>,
    fired: Mutex<Vec<Fired>>,
    /// Where payloads arrived that were not injected.
    strange: Mutex<Vec<Place>>,
}

#[derive(Debug)]
struct Fired {
    what: &'static str,
    route: Route,
    arrived: Vec<Place>,
    dropped: usize,
}

/// The payload of an injected panic.
struct Bang {
    fault: &'static Fault,
    id: usize,
    defused: bool,
}

impl Drop for Bang {
    fn drop(&mut self) {
        self.fault.fired.lock().unwrap()[self.id].dropped += 1;
        if self.fault.bombs && !self.defused && !thread::panicking() {
            resume_unwind(Box::new(Aftershock(self.fault)));
        }
    }
}

/// The payload of a panic in a payload's drop. Dropping it panics again, without end.
struct Aftershock(&'static Fault);

impl Drop for Aftershock {
    fn drop(&mut self) {
        drop(Endless);
    }
}

/// Takes no memory: the runtime has to leak the last one.
struct Endless;

impl Drop for Endless {
    fn drop(&mut self) {
        if !thread::panicking() {
            resume_unwind(Box::new(Endless));
        }
    }
}

/// A value that must be dropped once. Its drop is a point.
pub struct Token {
    fault: &'static Fault,
    id: usize,
    what: &'static str,
    route: Route,
    armed: bool,
}

impl Token {
    /// Drops a value that has reached the test. The runtime has no part in this drop, so it is no
    /// point.
    pub fn received(mut self) {
        self.armed = false;
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        self.fault.tokens.lock().unwrap()[self.id].1 += 1;
        // A panic in a drop during unwinding would abort the process.
        if self.armed && !thread::panicking() {
            self.fault.point(self.what, self.route);
        }
    }
}

impl Fault {
    fn new(plan: [usize; 2], bombs: bool) -> &'static Self {
        // Reachable for leak checkers, so that they report only the leaks that matter.
        static ALL: Mutex<Vec<&Fault>> = Mutex::new(Vec::new());
        let fault = Box::leak(Box::new(Fault {
            plan,
            bombs,
            points: AtomicUsize::new(0),
            pools: Arc::default(),
            tokens: Mutex::default(),
            fired: Mutex::default(),
            strange: Mutex::default(),
        }));
        ALL.lock().unwrap().push(fault);
        fault
    }

    /// Panics if it is this point's turn.
    pub fn point(&'static self, what: &'static str, route: Route) {
        let number = self.points.fetch_add(1, Ordering::SeqCst) + 1;
        if !self.plan.contains(&number) {
            return;
        }
        let mut fired = self.fired.lock().unwrap();
        let id = fired.len();
        fired.push(Fired { what, route, arrived: Vec::new(), dropped: 0 });
        drop(fired);
        resume_unwind(Box::new(Bang { fault: self, id, defused: false }));
    }

    pub fn token(&'static self, what: &'static str, route: Route) -> Token {
        let mut tokens = self.tokens.lock().unwrap();
        tokens.push((what, 0));
        Token { fault: self, id: tokens.len() - 1, what, route, armed: true }
    }

    /// A closure in which everything may panic: its body, the drop of its captures, and the drop of
    /// its result, whose route is `value`.
    pub fn work(
        &'static self,
        what: &'static str,
        route: Route,
        value: Route,
    ) -> impl FnOnce() -> Token + Send + 'static {
        let captured = self.token(what, route);
        move || {
            self.point(what, route);
            let value = self.token(what, value);
            drop(captured);
            value
        }
    }

    /// The settings of a pool whose panic handler records payloads and may panic itself.
    pub fn builder(&'static self, threads: usize) -> ThreadPoolBuilder {
        let alive = self.pools.clone();
        builder().num_threads(threads).panic_handler(move |payload| {
            let _ = &alive;
            self.handle(payload);
        })
    }

    pub fn pool(&'static self, threads: usize) -> ThreadPool {
        self.builder(threads).build().expect("a plain pool builds")
    }

    /// Takes the result of joining a handle.
    pub fn joined(&'static self, result: Result<Token, JoinError>) {
        match result {
            Ok(value) => value.received(),
            Err(error) => self.arrived(error.into_panic(), Handle),
        }
    }

    /// Runs code that an injected panic may leave.
    pub fn catch<R>(&'static self, body: impl FnOnce() -> R) -> Option<R> {
        self.catch_as(Out(0), body)
    }

    /// Runs code that no panic may leave: what follows the operation.
    pub fn after<R>(&'static self, body: impl FnOnce() -> R) -> Option<R> {
        self.catch_as(Astray, body)
    }

    fn catch_as<R>(&'static self, place: Place, body: impl FnOnce() -> R) -> Option<R> {
        match catch_unwind(AssertUnwindSafe(body)) {
            Ok(result) => Some(result),
            Err(payload) if origin(&payload).is_some() => {
                self.arrived(payload, place);
                None
            }
            Err(failed_assertion) => resume_unwind(failed_assertion),
        }
    }

    pub fn arrived(&'static self, payload: Payload, place: Place) {
        match payload.downcast::<Bang>() {
            Ok(mut bang) => {
                bang.defused = true;
                self.fired.lock().unwrap()[bang.id].arrived.push(place);
            }
            Err(other) => {
                self.strange.lock().unwrap().push(place);
                std::mem::forget(other);
            }
        }
    }

    /// The work of a panic handler: records the payload, and may panic itself.
    fn handle(&'static self, payload: Payload) {
        self.arrived(payload, Handler);
        self.point("panic handler", IN_HANDLER);
    }

    /// Waits until the last workers of pools that no thread waits for have dropped their handlers.
    /// They drop the panic handler last.
    pub fn pools_end(&self) {
        eventually("the pools end", || Arc::strong_count(&self.pools) == 1);
    }

    /// Waits for the detached tasks of a pool that goes on.
    pub fn settle(&self) {
        eventually("everything is dropped, and all panics have arrived", || self.verdict().is_ok());
    }

    /// Returns an error if something is wrong.
    fn verdict(&self) -> Result<(), String> {
        let tokens = self.tokens.lock().unwrap();
        if let Some((what, drops)) = tokens.iter().find(|(_, drops)| *drops != 1) {
            return Err(format!("a value of `{what}` was dropped {drops} times"));
        }
        if let Some(place) = self.strange.lock().unwrap().first() {
            return Err(format!("a payload that was not injected arrived at {place:?}"));
        }
        let fired = self.fired.lock().unwrap();
        match fired.iter().find(|fault| !fault.is_as_agreed(&fired)) {
            Some(fault) => Err(format!("the panic of `{}` went astray", fault.what)),
            None => Ok(()),
        }
    }
}

impl Fired {
    fn allowed(&self, all: &[Fired]) -> impl Iterator<Item = Place> {
        let amid = if all.len() > 1 { self.route.amid } else { &[] };
        self.route.alone.iter().chain(amid).copied()
    }

    fn rank(&self, all: &[Fired]) -> Option<u8> {
        let ranks = self.allowed(all).filter_map(|place| match place {
            Out(rank) => Some(rank),
            _ => None,
        });
        ranks.min()
    }

    fn is_as_agreed(&self, all: &[Fired]) -> bool {
        match *self.arrived {
            [Out(_)] => self.dropped == 1 && self.rank(all).is_some(),
            [place] => self.dropped == 1 && self.allowed(all).any(|allowed| allowed == place),
            [] => self.allowed(all).any(|allowed| match allowed {
                Out(rank) => self.dropped == 1 && self.was_beaten(rank, all),
                Lost => self.dropped == 1,
                Swallowed => self.dropped <= 1,
                Handle | Handler | Astray => false,
            }),
            _ => false,
        }
    }

    /// Whether another panic left the operation instead of this one.
    fn was_beaten(&self, rank: u8, all: &[Fired]) -> bool {
        let others = all.iter().filter(|other| !std::ptr::eq(*other, self));
        let mut winners = others.filter(|other| matches!(*other.arrived, [Out(_)]));
        winners.any(|winner| winner.rank(all).is_some_and(|winners| winners <= rank))
    }
}

/// The panic handler of the global pool.
pub fn handle(payload: Payload) {
    let Some(fault) = origin(&payload) else {
        // A panic here would be lost.
        say("a panic that was not injected reached the panic handler of the global pool");
        std::process::abort();
    };
    fault.handle(payload);
}

/// The fault that the payload belongs to.
fn origin(payload: &Payload) -> Option<&'static Fault> {
    let bang = payload.downcast_ref().map(|bang: &Bang| bang.fault);
    bang.or_else(|| payload.downcast_ref().map(|shock: &Aftershock| shock.0))
}

/// Runs `life` with a panic at its first point, its second, and so on until no point is left. Then
/// runs it with panics at every two of its points. Checks the outcome each time. There must have
/// been a panic at each of `must_fire`.
pub fn drive(context: impl Debug, must_fire: &[&str], life: impl Fn(&'static Fault)) {
    let fired = RefCell::new(BTreeSet::new());
    let round = |plan, bombs| {
        let whats = run_round(&context, plan, bombs, &life);
        let count = whats.len();
        fired.borrow_mut().extend(whats);
        count
    };
    let all_rounds = || {
        for bombs in [false, true] {
            (1..).take_while(|&n| round([n, 0], bombs) == 1).for_each(drop);
        }
        for first in 1.. {
            let mut fired = 2;
            for second in first + 1.. {
                fired = round([first, second], true);
                if fired < 2 {
                    break;
                }
            }
            if fired == 0 {
                break;
            }
        }
    };
    all_rounds();
    let all_fired = || must_fire.iter().all(|&what| fired.borrow().contains(what));
    // A simulated pool that goes on has another schedule in each round, and so other numbers for
    // the same points. All rounds may miss a point by chance, but not many times over.
    for _ in 0..if is_simulated() { 50 } else { 0 } {
        if all_fired() {
            break;
        }
        all_rounds();
    }
    let fired = fired.borrow();
    assert!(all_fired(), "{context:?}: no panic at some of {must_fire:?}, only at {fired:?}");
}

/// Runs `life` and checks the outcome. Returns the points that have panicked.
fn run_round(
    context: &impl Debug,
    plan: [usize; 2],
    bombs: bool,
    life: &impl Fn(&'static Fault),
) -> Vec<&'static str> {
    let fault = Fault::new(plan, bombs);
    let outcome = catch_unwind(AssertUnwindSafe(|| fault.catch(|| life(fault))));
    let verdict = fault.verdict();
    if outcome.is_err() || verdict.is_err() {
        say(&format!("{context:?}, panics at {plan:?}: {verdict:?}\n{fault:#?}"));
    }
    if let Err(failed_assertion) = outcome {
        resume_unwind(failed_assertion);
    }
    verdict.unwrap();
    fault.fired.lock().unwrap().iter().map(|fired| fired.what).collect()
}
