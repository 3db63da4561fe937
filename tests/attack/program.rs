//! What a program is, and what its operations share during a run.

use std::any::Any;
use std::panic::{Location, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, Weak};
use std::thread;
use std::time::Duration;

use filch::{
    CancelToken, JoinError, TaskOrder, ThreadPool, ThreadPoolBuilder, WaitPolicy, schedule_point,
};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use crate::common::{Ledger, Token};

/// What a node does with its inner nodes.
#[derive(Clone, Copy, Debug)]
pub enum Op {
    Join,
    Scope,
    Region,
    Loop,
    Graph,
    Pipeline,
    Gang,
    Broadcast,
    Priority,
    Blocking,
    OtherPool,
    // Not in a gang, from here on: these wait for tasks that may themselves be waiting.
    Handles,
    Set,
    Detached,
    OwnPool,
    // From here on, not under `OwnDescendants`: a wait for what no task in particular does.
    Future,
    Completer,
    Message,
}

const OPS: [Op; 18] = {
    use Op::*;
    [
        Join, Scope, Region, Loop, Graph, Pipeline, Gang, Broadcast, Priority, Blocking, OtherPool,
        Handles, Set, Detached, OwnPool, Future, Completer, Message,
    ]
};
const IN_GANGS: usize = 11;
const OWN_DESCENDANTS: usize = 15;

/// The largest number of operations that a program runs. Gangs run the same operations several
/// times.
const MOST_CALLS: usize = 150;

#[derive(Debug)]
pub struct Node {
    pub op: Op,
    /// The return value of the node. It also seeds the node's random choices.
    pub number: u64,
    pub outer: Spot,
    pub inner: Vec<Arc<Node>>,
}

#[derive(Clone, Copy, Debug)]
pub struct Spot {
    pub in_gang: bool,
    pub in_second_pool: bool,
}

impl Node {
    fn new(rng: &mut SmallRng, depth: usize, outer: Spot, setting: Setting) -> Arc<Node> {
        let allowed = match outer.in_gang {
            true => IN_GANGS,
            false if setting.own_descendants => OWN_DESCENDANTS,
            false => OPS.len(),
        };
        let op = match OPS[rng.random_range(0..allowed)] {
            // With `OwnDescendants`, two pools must not wait for each other.
            Op::OtherPool if setting.own_descendants && outer.in_second_pool => Op::Join,
            // The task needs a core while the caller blocks, outside of all simulations.
            Op::Message if setting.is_simulated || !setting.may_block => Op::Blocking,
            op => op,
        };
        let spot = Spot {
            in_gang: outer.in_gang || matches!(op, Op::Gang | Op::OwnPool),
            in_second_pool: outer.in_second_pool != matches!(op, Op::OtherPool),
        };
        let inner = if depth == 0 { 0 } else { rng.random_range(2..=4) };
        let inner = (0..inner).map(|_| Node::new(rng, depth - 1, spot, setting)).collect();
        Arc::new(Node { op, number: rng.random(), outer, inner })
    }
}

/// Decides which operations a program may have.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    pub is_simulated: bool,
    pub own_descendants: bool,
    /// Whether each thread that blocks hands off its core.
    pub may_block: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    None,
    /// The step with this number panics.
    Panic(usize),
    /// The step with this number cancels the program's token. Regions may cancel theirs at any
    /// time.
    Cancel(usize),
}

#[derive(Debug)]
pub struct Program {
    pub seed: u64,
    pub fault: Fault,
    pub setting: Setting,
    pub root: Arc<Node>,
}

impl Program {
    pub fn new(seed: u64, is_simulated: bool, fault: Fault) -> Program {
        let mut rng = SmallRng::seed_from_u64(seed);
        let (own_descendants, may_block) = rng.random();
        let setting = Setting { is_simulated, own_descendants, may_block };
        let spot = Spot { in_gang: false, in_second_pool: false };
        Program { seed, fault, setting, root: Node::new(&mut rng, 4, spot, setting) }
    }
}

pub fn builder(rng: &mut SmallRng, setting: Setting) -> ThreadPoolBuilder {
    let mut builder = ThreadPoolBuilder::new()
        .num_threads([1, 2, 3, 8][rng.random_range(0..4)])
        .task_times(rng.random_range(0..3))
        .worker_times(rng.random());
    if rng.random() {
        builder = builder.max_queued(rng.random_range(1..5));
    }
    if rng.random() {
        builder = builder.task_order(TaskOrder::OldestFirst);
    }
    // The handlers use the global pool, which is not simulated.
    if !setting.is_simulated && rng.random_ratio(1, 4) {
        builder = builder.start_handler(|_| {
            drop(filch::spawn(|| ()));
            filch::yield_local();
        });
        builder = builder.exit_handler(|_| _ = filch::join(|| (), || ()));
    }
    if setting.own_descendants {
        builder = builder.wait_policy(WaitPolicy::OwnDescendants);
    }
    if !setting.may_block {
        builder = builder.max_blocking_threads(rng.random_range(0..2));
    }
    if setting.is_simulated {
        builder = builder.deterministic(rng.random());
    }
    builder
}

/// What the operations of a running program share.
pub struct Run {
    pub pools: [Weak<ThreadPool>; 2],
    pub setting: Setting,
    pub token: CancelToken,
    pub ledger: &'static Ledger,
    /// What went wrong. It is recorded here, since a panic may go to a handle that is dropped.
    pub wrong: Mutex<Vec<String>>,
    pub steps: AtomicUsize,
    /// A hash of the steps and their workers.
    pub trace: AtomicU64,
    calls: AtomicUsize,
    fault: Fault,
    has_fault: AtomicBool,
}

impl Run {
    pub fn new(program: &Program, pools: [Weak<ThreadPool>; 2]) -> Arc<Run> {
        Arc::new(Run {
            pools,
            setting: program.setting,
            token: CancelToken::new(),
            ledger: Ledger::new(),
            wrong: Mutex::default(),
            steps: AtomicUsize::new(0),
            trace: AtomicU64::new(0),
            calls: AtomicUsize::new(0),
            fault: program.fault,
            has_fault: AtomicBool::new(false),
        })
    }

    pub fn step(&self) {
        let step = self.steps.fetch_add(1, SeqCst) + 1;
        if self.setting.is_simulated {
            let worker = filch::current_thread_index().map_or(99, |index| index as u64);
            let trace = self.trace.load(SeqCst).wrapping_mul(0x100_0000_01b3) ^ worker;
            self.trace.store(trace, SeqCst);
        }
        if self.fault == Fault::Cancel(step) {
            self.cancel(&self.token);
        }
        schedule_point();
        if self.fault == Fault::Panic(step) {
            self.panic();
        }
    }

    pub fn may_fail(&self) -> bool {
        self.fault != Fault::None
    }

    pub fn cancel(&self, token: &CancelToken) {
        self.has_fault.store(true, SeqCst);
        token.cancel();
    }

    fn panic(&self) -> ! {
        self.has_fault.store(true, SeqCst);
        resume_unwind(Box::new(Boom))
    }

    /// Panics in an operation that depends on something that was cancelled.
    #[track_caller]
    pub fn stop(&self) -> ! {
        self.expect_fault("cancelled without a cause");
        self.panic()
    }

    #[track_caller]
    pub fn expect(&self, holds: bool, what: &str) {
        if !holds {
            self.wrong.lock().unwrap().push(format!("{what}, {}", Location::caller()));
        }
    }

    #[track_caller]
    pub fn expect_fault(&self, what: &str) {
        self.expect(self.has_fault.load(SeqCst), what);
    }

    #[track_caller]
    pub fn check(&self, node: &Node, value: Value) {
        self.expect(value.number == node.number, "a wrong value");
    }

    /// Panics if the node's task has panicked or was cancelled.
    #[track_caller]
    pub fn check_result(&self, node: &Node, result: Result<Value, JoinError>) {
        match result.map_err(JoinError::try_into_panic) {
            Ok(value) => self.check(node, value),
            Err(Ok(payload)) => resume_unwind(payload),
            Err(Err(_)) => self.stop(),
        }
    }

    pub fn check_panic(&self, payload: &(dyn Any + Send)) {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
        self.expect(payload.is::<Boom>(), &format!("a panic: {text:?}"));
        self.expect_fault("a panic without a cause");
    }

    pub fn value(self: &Arc<Self>, number: u64) -> Value {
        Value { number, is_owed: false, run: self.clone(), _token: self.ledger.token() }
    }

    /// A value that must be taken from the closure that owns it, unless there is a fault.
    pub fn owed(self: &Arc<Self>, is_owed: bool) -> Value {
        let mut value = self.value(0);
        value.is_owed = is_owed;
        value
    }

    /// Runs a node and returns its value.
    pub fn node(self: &Arc<Self>, node: &Arc<Node>) -> Value {
        self.step();
        if !node.inner.is_empty() && self.calls.fetch_add(1, SeqCst) < MOST_CALLS {
            self.call(node, &mut SmallRng::seed_from_u64(node.number));
        }
        self.value(node.number)
    }

    /// A `'static` task. If it `is_owed`, it must run.
    pub fn task(
        self: &Arc<Self>,
        node: &Arc<Node>,
        is_owed: bool,
    ) -> impl FnOnce() -> Value + Send + use<> {
        let (run, node, owed) = (self.clone(), node.clone(), self.owed(is_owed));
        move || {
            // Not at the end: if the drop of a local panics, a closure leaks the value that it
            // returns.
            drop(owed.take());
            run.node(&node)
        }
    }

    /// A short time. It is zero in a simulation, which must be the same the second time.
    pub fn time(&self, rng: &mut SmallRng) -> Duration {
        let micros = if self.setting.is_simulated { 0 } else { rng.random_range(0..400) };
        Duration::from_micros(micros)
    }
}

/// A number. Its drop is counted, and is a step.
pub struct Value {
    pub number: u64,
    is_owed: bool,
    pub run: Arc<Run>,
    _token: Token,
}

impl Value {
    pub fn take(mut self) -> Value {
        self.is_owed = false;
        self
    }
}

impl Clone for Value {
    fn clone(&self) -> Value {
        self.run.value(self.number)
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        if self.is_owed {
            self.run.expect_fault("a task was not run");
        }
        if !thread::panicking() {
            self.run.step();
        }
    }
}

/// The payload of all panics. Its drop calls the library.
struct Boom;

impl Drop for Boom {
    fn drop(&mut self) {
        if filch::current_thread_index().is_some() && !thread::panicking() {
            assert_eq!(filch::join(|| 1, || 2), (1, 2));
        }
    }
}
