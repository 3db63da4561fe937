//! Small parallel programs as data: made from bytes, run on two pools, and checked by a serial
//! oracle.
//!
//! A program records which of its leaves ran and which were skipped. The oracle first checks
//! whether that was allowed. Then it computes serially how the program must end.
#![allow(dead_code, reason = "each user uses a part of this")]

use std::any::Any;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use arbitrary::{Arbitrary, Unstructured};
use filch::graph::{self, Graph};
use filch::prelude::*;
use filch::{CancelToken, JoinError, JoinHandle, Member, ThreadPool, ThreadPoolBuilder};

// ---- The language ----

/// Which pool an operation acts on: the pool that the program is in, or the other one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Here,
    There,
}

/// What happens to a task's handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Joined by the spawner; a panic counts as [`HANDLED`].
    Joined,
    /// Joined by the spawner; a panic is thrown again.
    Rethrown,
    /// Joined by another task, whose handle the spawner joins.
    Handed,
    /// Dropped at once.
    Dropped,
    /// There is none: the task is spawned in order.
    Ordered,
}

/// The value of a panic that is handled.
const HANDLED: u64 = 1000;

/// Something that runs or is skipped as a whole. Each leaf has its own id.
#[derive(Clone, Copy, Debug)]
pub struct Leaf {
    id: usize,
    what: Work,
}

#[derive(Clone, Copy, Debug)]
enum Work {
    /// Spins for this many times 16 rounds. The number is its value.
    Spin(u8),
    /// Sleeps for this many microseconds. The number is its value.
    Sleep(u8),
    /// Panics with its id.
    Panic,
    /// Cancels the innermost region around it. Only a loop under the token may skip it.
    Cancel,
}

#[derive(Debug)]
pub enum Node {
    Leaf(Leaf),
    Yield,
    Seq(Box<Node>, Box<Node>),
    /// Once the region is cancelled, its leaves may be skipped, except those of inner regions.
    Region(Box<Node>),
    Join {
        place: Place,
        context: bool,
        sides: Box<[Node; 2]>,
    },
    Scope {
        place: Place,
        in_place: bool,
        /// Run by every worker.
        broadcast: Option<Leaf>,
        tasks: Vec<(Node, Fate)>,
        /// What the scope's closure does between spawning and joining.
        body: Box<Node>,
    },
    Spawn {
        place: Place,
        task: Arc<Node>,
        fate: Fate,
    },
    Install(Place, Box<Node>),
    Broadcast {
        place: Place,
        detached: bool,
        leaf: Leaf,
    },
    /// Runs the leaf this many times in parallel, with or without the region's token.
    Loop {
        items: u8,
        under_token: bool,
        leaf: Leaf,
    },
    Sort {
        stable: bool,
        values: Values,
    },
    /// Tasks, each with the set of its predecessors, as bits. A task whose predecessor panics is
    /// skipped. A panic counts as [`HANDLED`].
    Graph {
        /// Whether tasks take the results of their predecessors, or only run after them.
        by_results: bool,
        tasks: Vec<(Node, u8)>,
    },
    /// Items that go through a parallel stage, which runs them, and then through two serial stages.
    /// A panic stops the pipeline.
    Pipeline {
        bound: u8,
        items: Vec<Node>,
    },
    /// Member 0 runs the body, and each other member runs the leaf. Then all meet at a barrier.
    Gang {
        place: Place,
        /// The number of members is one more than this modulo the number of workers.
        members: u8,
        leaf: Leaf,
        body: Box<Node>,
    },
}

/// Numbers to sort: how many, and which.
#[derive(Clone, Copy, Debug)]
pub struct Values(u16, u16);

impl Values {
    const MOST: u16 = 5_000;

    fn all(self) -> impl Iterator<Item = u16> {
        let Values(many, step) = self;
        (0..many).map(move |n| n.wrapping_mul(step) >> 2)
    }

    /// Differs for most orders.
    fn digest(values: &[u16]) -> u64 {
        values.iter().fold(0, |digest, value| (digest * 31 + u64::from(*value)) % 997)
    }
}

/// How a program is started.
#[derive(Clone, Copy, Debug)]
pub enum Entry {
    Install,
    Join,
    Scope,
    InPlaceScope,
    Spawn,
}

#[derive(Debug)]
pub struct Program {
    pub entry: Entry,
    root: Arc<Node>,
    leaves: usize,
    /// What the drops of captures, results and payloads call: see [`Books::reenter`].
    drops: u8,
}

// ---- Programs from bytes ----

const MOST_NODES: usize = 150;
const MOST_DEPTH: usize = 9;
const MOST_TASKS: usize = 7;

impl<'a> Arbitrary<'a> for Program {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        use Entry::{InPlaceScope, Install, Join, Scope, Spawn};
        let entry = *bytes.choose(&[Install, Join, Scope, InPlaceScope, Spawn])?;
        // In half of all programs, drops call nothing.
        let drops = bytes.int_in_range(0..=2 * Books::REENTRIES - 1)?;
        let mut maker = Maker { nodes: 0, leaves: 0, has_gangs: bytes.arbitrary()?, bytes };
        let root = maker.node(Spot { depth: 0, handed: false })?;
        Ok(Program { entry, root: Arc::new(root), leaves: maker.leaves, drops })
    }
}

struct Maker<'m, 'a> {
    nodes: usize,
    leaves: usize,
    /// Whether there are gangs. If so, no task is `Handed`. At a barrier, a worker runs jobs of
    /// other pools. Under `OwnDescendants`, such a job would wait for ever if it joined a task
    /// below the barrier.
    has_gangs: bool,
    bytes: &'m mut Unstructured<'a>,
}

#[derive(Clone, Copy)]
struct Spot {
    depth: usize,
    /// Whether this is part of a task that another task joins. If that other task ran on top of
    /// this one, it would wait for ever. `yield_now` and waits for another pool may run it there. A
    /// program that does this need not end, so none is made.
    handed: bool,
}

impl Spot {
    fn task(self, fate: Fate) -> Spot {
        Spot { handed: self.handed || fate == Fate::Handed, ..self }
    }
}

impl Maker<'_, '_> {
    fn node(&mut self, spot: Spot) -> arbitrary::Result<Node> {
        self.nodes += 1;
        let inner = Spot { depth: spot.depth + 1, ..spot };
        if self.nodes >= MOST_NODES || inner.depth >= MOST_DEPTH || self.bytes.is_empty() {
            return Ok(Node::Leaf(self.leaf()?));
        }
        Ok(match self.bytes.int_in_range(0..=26_u8)? {
            0..=3 => Node::Leaf(self.leaf()?),
            4 if !spot.handed => Node::Yield,
            4..=5 => Node::Seq(self.boxed(inner)?, self.boxed(inner)?),
            6 => Node::Region(self.boxed(inner)?),
            7..=10 => Node::Join {
                place: self.place(spot)?,
                context: self.bytes.arbitrary()?,
                sides: Box::new([self.node(inner)?, self.node(inner)?]),
            },
            11..=14 => Node::Scope {
                place: self.place(spot)?,
                in_place: self.bytes.arbitrary()?,
                broadcast: if self.bytes.ratio(1, 8)? { Some(self.leaf()?) } else { None },
                tasks: self.tasks(inner)?,
                body: self.boxed(inner)?,
            },
            15..=16 => {
                let (place, fate) = (self.place(spot)?, self.fate()?);
                Node::Spawn { place, task: Arc::new(self.node(inner.task(fate))?), fate }
            }
            17..=18 => Node::Install(self.place(spot)?, self.boxed(inner)?),
            19 => Node::Broadcast {
                place: self.place(spot)?,
                detached: self.bytes.arbitrary()?,
                leaf: self.leaf()?,
            },
            20..=21 => Node::Loop {
                items: self.bytes.int_in_range(0..=20)?,
                under_token: self.bytes.arbitrary()?,
                leaf: self.leaf()?,
            },
            22..=23 => Node::Graph {
                by_results: self.bytes.arbitrary()?,
                tasks: self.many(|maker| Ok((maker.node(inner)?, maker.bytes.arbitrary()?)))?,
            },
            24 => Node::Pipeline {
                bound: self.bytes.int_in_range(1..=5)?,
                items: self.many(|maker| maker.node(inner))?,
            },
            25 if self.has_gangs => Node::Gang {
                place: self.place(spot)?,
                members: self.bytes.arbitrary()?,
                leaf: self.leaf()?,
                // A member must not wait for a task that may be below it on the stack.
                body: self.boxed(Spot { handed: true, ..inner })?,
            },
            _ => Node::Sort {
                stable: self.bytes.arbitrary()?,
                values: Values(self.bytes.int_in_range(0..=Values::MOST)?, self.bytes.arbitrary()?),
            },
        })
    }

    fn boxed(&mut self, spot: Spot) -> arbitrary::Result<Box<Node>> {
        self.node(spot).map(Box::new)
    }

    fn tasks(&mut self, spot: Spot) -> arbitrary::Result<Vec<(Node, Fate)>> {
        self.many(|maker| {
            let fate = maker.fate()?;
            Ok((maker.node(spot.task(fate))?, fate))
        })
    }

    fn many<T>(
        &mut self,
        mut one: impl FnMut(&mut Self) -> arbitrary::Result<T>,
    ) -> arbitrary::Result<Vec<T>> {
        let count = self.bytes.int_in_range(0..=MOST_TASKS)?;
        (0..count).map(|_| one(self)).collect()
    }

    fn leaf(&mut self) -> arbitrary::Result<Leaf> {
        let id = self.leaves;
        self.leaves += 1;
        let what = match self.bytes.int_in_range(0..=15_u8)? {
            0..=9 => Work::Spin(self.bytes.arbitrary()?),
            10 => Work::Sleep(self.bytes.arbitrary()?),
            11..=13 => Work::Panic,
            _ => Work::Cancel,
        };
        Ok(Leaf { id, what })
    }

    fn place(&mut self, spot: Spot) -> arbitrary::Result<Place> {
        Ok(if !spot.handed && self.bytes.ratio(1, 3)? { Place::There } else { Place::Here })
    }

    fn fate(&mut self) -> arbitrary::Result<Fate> {
        use Fate::{Dropped, Handed, Joined, Ordered, Rethrown};
        let handed = if self.has_gangs { Rethrown } else { Handed };
        self.bytes.choose(&[Joined, Rethrown, handed, Dropped, Ordered]).copied()
    }
}

// ---- What a run leaves behind ----

/// How many values were made and dropped: closures, results and payloads. Leaked, so that a second
/// drop is counted and is no use after free.
#[derive(Default, Debug)]
pub struct Books {
    pub made: AtomicUsize,
    pub dropped: AtomicUsize,
    /// Leaves that ran to the end, and leaves that panicked.
    pub finished: AtomicUsize,
    pub panicked: AtomicUsize,
    /// Which functions drops call.
    drops: AtomicU32,
}

#[derive(Debug)]
pub struct Token(&'static Books);

impl Books {
    pub fn open() -> &'static Books {
        // Reachable for leak checkers, so that they report only the leaks that matter.
        static ALL: Mutex<Vec<&Books>> = Mutex::new(Vec::new());
        let books = Box::leak(Box::default());
        ALL.lock().unwrap().push(books);
        books
    }

    pub fn token(&'static self) -> Token {
        self.made.fetch_add(1, Ordering::SeqCst);
        Token(self)
    }

    const REENTRIES: u8 = 6;

    /// What each drop does besides being counted: calls the library again.
    fn reenter(&self) {
        match self.drops.load(Ordering::Relaxed) {
            0 => assert_eq!(filch::join(|| 1, || filch::join(|| 2, || 3)), (1, (2, 3))),
            1 => assert_eq!(filch::scope(|s| s.spawn(|| 4).join().unwrap()), 4),
            2 => assert_eq!(filch::spawn(|| 5).join().unwrap(), 5),
            3 => drop(filch::spawn(|| filch::join(|| 6, || 7))),
            4 => assert_eq!((0..40_u32).into_par_iter().with_max_len(5).sum::<u32>(), 780),
            5 => filch::spawn_broadcast(|_| ()),
            _ => (),
        }
    }

    /// How many more tokens were made than dropped.
    pub fn live(&self) -> isize {
        // In this order, a token that is made and dropped meanwhile cannot hide another.
        let dropped = self.dropped.load(Ordering::SeqCst);
        self.made.load(Ordering::SeqCst).wrapping_sub(dropped) as isize
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        // First, so that the program has not ended before this call has.
        self.0.reenter();
        self.0.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

/// The payload of every panic of a program.
struct Boom {
    id: usize,
    _token: Token,
}

fn boom_id(payload: &(dyn Any + Send)) -> Option<usize> {
    payload.downcast_ref::<Boom>().map(|boom| boom.id)
}

/// The ids of the panics that reached a pool's handler.
type Noted = Arc<Mutex<Vec<Option<usize>>>>;

/// The two pools of the programs of one thread.
pub struct Machine {
    pools: [Arc<ThreadPool>; 2],
    noted: Noted,
    books: &'static Books,
}

impl Machine {
    /// Builds two pools of these sizes with the settings that `builder` returns.
    pub fn new(
        builder: impl Fn() -> ThreadPoolBuilder,
        threads: [usize; 2],
        books: &'static Books,
    ) -> Machine {
        let noted = Noted::default();
        let build = |threads| {
            let noted = noted.clone();
            let pool = builder()
                .num_threads(threads)
                .panic_handler(move |payload| noted.lock().unwrap().push(boom_id(&*payload)))
                .build();
            Arc::new(pool.expect("a plain pool builds"))
        };
        Machine { pools: threads.map(build), noted, books }
    }

    pub fn pools(&self) -> [&ThreadPool; 2] {
        [&self.pools[0], &self.pools[1]]
    }

    /// Runs `program` until its last detached task has ended, and judges the outcome.
    pub fn check(&self, program: &Program) -> Result<(), String> {
        let log: Arc<[Note]> = (0..program.leaves).map(|_| Note::default()).collect();
        self.noted.lock().unwrap().clear();
        self.books.drops.store(program.drops.into(), Ordering::Relaxed);
        let run = Run {
            pools: self.pools.clone(),
            log: log.clone(),
            flag: CancelToken::new(),
            books: self.books,
            _token: self.books.token(),
        };
        let ended = catch_unwind(AssertUnwindSafe(|| enter(program, run).value));
        let ended = ended.map_err(|payload| boom_id(&*payload));
        self.settle()?;
        let noted = std::mem::take(&mut *self.noted.lock().unwrap());
        let threads = self.pools().map(ThreadPool::current_num_threads);
        Oracle { log: &log, threads, loose: Vec::new() }.judge(&program.root, &ended, &noted)
    }

    /// Waits for the detached tasks, each of which holds a token.
    fn settle(&self) -> Result<(), String> {
        let start = Instant::now();
        while self.books.live() != 0 {
            if start.elapsed() > Duration::from_secs(20) {
                return Err(format!("lost, leaked or dropped twice: {:?}", self.books));
            }
            filch::schedule_point();
            thread::yield_now();
        }
        Ok(())
    }
}

// ---- The run ----

/// What happened to a leaf.
#[derive(Default)]
struct Note {
    ran: AtomicU32,
    skipped: AtomicU32,
}

/// The state of a part of a program. Each `'static` task holds one, and drops its token last.
struct Run {
    /// The current pool, and the other one.
    pools: [Arc<ThreadPool>; 2],
    log: Arc<[Note]>,
    /// The token of the region.
    flag: CancelToken,
    books: &'static Books,
    _token: Token,
}

impl Clone for Run {
    fn clone(&self) -> Run {
        self.with(self.pools.clone(), self.flag.clone())
    }
}

/// A result whose drop is counted.
struct Answer {
    value: u64,
    _token: Token,
}

/// Starts a program from outside.
fn enter(program: &Program, run: Run) -> Answer {
    let (pool, root) = (&*run.pools[0].clone(), &program.root);
    match program.entry {
        Entry::Install => pool.install(|| run.node(root)),
        Entry::Join => pool.join(|| run.node(root), || ()).0,
        Entry::Scope => pool.scope(|_| run.node(root)),
        // The closure runs on no worker; a task finds the pool.
        Entry::InPlaceScope => pool.in_place_scope(|s| rethrow(s.spawn(|| run.node(root)).join())),
        Entry::Spawn => {
            let root = root.clone();
            rethrow(pool.spawn(move || run.node(&root)).join())
        }
    }
}

fn rethrow<T>(result: Result<T, JoinError>) -> T {
    result.unwrap_or_else(|error| resume_unwind(error.into_panic()))
}

impl Run {
    fn with(&self, pools: [Arc<ThreadPool>; 2], flag: CancelToken) -> Run {
        let (log, books) = (self.log.clone(), self.books);
        Run { pools, log, flag, books, _token: books.token() }
    }

    /// The state of code that runs at `place`.
    fn at(&self, place: Place) -> Run {
        let [here, there] = self.pools.clone();
        match place {
            Place::Here => self.clone(),
            Place::There => self.with([there, here], self.flag.clone()),
        }
    }

    fn there(&self) -> &ThreadPool {
        &self.pools[1]
    }

    fn answer(&self, value: u64) -> Answer {
        Answer { value, _token: self.books.token() }
    }

    fn node(&self, node: &Node) -> Answer {
        let value = match node {
            Node::Leaf(leaf) => self.leaf(*leaf),
            Node::Yield => {
                filch::yield_now();
                0
            }
            Node::Seq(first, second) => self.node(first).value + self.node(second).value,
            Node::Region(body) => {
                self.with(self.pools.clone(), CancelToken::new()).node(body).value
            }
            Node::Join { place, context, sides } => self.join(*place, *context, sides),
            Node::Scope { place, in_place, broadcast, tasks, body } => {
                self.scope(*place, *in_place, *broadcast, tasks, body)
            }
            Node::Spawn { place, task, fate } => self.spawn(*place, task, *fate),
            Node::Install(Place::Here, body) => self.pools[0].install(|| self.node(body)).value,
            Node::Install(Place::There, body) => {
                let inner = self.at(Place::There);
                self.there().install(|| inner.node(body)).value
            }
            Node::Broadcast { place, detached, leaf } => self.broadcast(*place, *detached, *leaf),
            Node::Loop { items, under_token, leaf } => self.repeat(*items, *under_token, *leaf),
            Node::Sort { stable, values } => {
                let mut values: Vec<_> = values.all().collect();
                if *stable {
                    values.par_sort()
                } else {
                    values.par_sort_unstable()
                }
                Values::digest(&values)
            }
            Node::Graph { by_results, tasks } => self.graph(*by_results, tasks),
            Node::Pipeline { bound, items } => self.pipeline(*bound, items),
            Node::Gang { place, members, leaf, body } => self.gang(*place, *members, *leaf, body),
        };
        self.answer(value)
    }

    fn leaf(&self, Leaf { id, what }: Leaf) -> u64 {
        let note = &self.log[id];
        if !matches!(what, Work::Cancel) && self.flag.is_cancelled() {
            note.skipped.fetch_add(1, Ordering::Relaxed);
            return 0;
        }
        note.ran.fetch_add(1, Ordering::Relaxed);
        filch::schedule_point();
        match what {
            Work::Spin(times) => (0..u32::from(times) * 16).for_each(|_| std::hint::spin_loop()),
            Work::Sleep(micros) => thread::sleep(Duration::from_micros(micros.into())),
            Work::Cancel => self.flag.cancel(),
            Work::Panic => {
                self.books.panicked.fetch_add(1, Ordering::Relaxed);
                resume_unwind(Box::new(Boom { id, _token: self.books.token() }))
            }
        }
        self.books.finished.fetch_add(1, Ordering::Relaxed);
        what.value()
    }

    fn join(&self, place: Place, context: bool, sides: &[Node; 2]) -> u64 {
        let inner = self.at(place);
        let [a, b] = sides.each_ref().map(|side| (inner.clone(), side));
        let (a, b) = (move || a.0.node(a.1), move || b.0.node(b.1));
        let (a, b) = match (place, context) {
            (Place::Here, false) => filch::join(a, b),
            (Place::Here, true) => filch::join_context(|_| a(), |_| b()),
            (Place::There, false) => self.there().join(a, b),
            (Place::There, true) => self.there().join_context(|_| a(), |_| b()),
        };
        a.value + b.value
    }

    fn scope(
        &self,
        place: Place,
        in_place: bool,
        broadcast: Option<Leaf>,
        tasks: &[(Node, Fate)],
        body: &Node,
    ) -> u64 {
        let inner = self.at(place);
        // The closure of an in-place scope stays on a worker of this pool.
        let own = if in_place { self.clone() } else { inner.clone() };
        let mut slots = vec![0; tasks.len()];
        let spots = slots.iter_mut();
        let value = match (place, in_place) {
            (Place::Here, false) => {
                filch::scope(|s| inner.in_scope(s, spots, broadcast, tasks, &own, body))
            }
            (Place::Here, true) => {
                filch::in_place_scope(|s| inner.in_scope(s, spots, broadcast, tasks, &own, body))
            }
            (Place::There, false) => {
                self.there().scope(|s| inner.in_scope(s, spots, broadcast, tasks, &own, body))
            }
            (Place::There, true) => self
                .there()
                .in_place_scope(|s| inner.in_scope(s, spots, broadcast, tasks, &own, body)),
        };
        value + slots.iter().sum::<u64>()
    }

    /// Each task also writes its value to a slot, which the scope's caller reads.
    fn in_scope<'scope>(
        &'scope self,
        s: &'scope filch::Scope<'scope, '_>,
        slots: impl Iterator<Item = &'scope mut u64>,
        broadcast: Option<Leaf>,
        tasks: &'scope [(Node, Fate)],
        own: &Run,
        body: &Node,
    ) -> u64 {
        if let Some(leaf) = broadcast {
            s.spawn_broadcast(move |_| {
                self.leaf(leaf);
            });
        }
        let mut handles = Vec::new();
        for ((task, fate), slot) in tasks.iter().zip(slots) {
            let run = self.clone();
            let mut work = move || {
                let answer = run.node(task);
                *slot = answer.value;
                answer
            };
            if *fate == Fate::Ordered {
                s.spawn_fifo(move || drop(work()));
                continue;
            }
            let handle = s.spawn(work);
            match fate {
                Fate::Joined | Fate::Rethrown => handles.push((handle, *fate)),
                Fate::Handed => handles.push((s.spawn(|| rethrow(handle.join())), *fate)),
                Fate::Dropped | Fate::Ordered => drop(handle),
            }
        }
        let mut value = own.node(body).value;
        for (handle, fate) in handles {
            value += meet(handle.join(), fate);
        }
        value
    }

    fn spawn(&self, place: Place, task: &Arc<Node>, fate: Fate) -> u64 {
        let (run, task) = (self.at(place), task.clone());
        let work = move || run.node(&task);
        if fate == Fate::Ordered {
            match place {
                Place::Here => filch::spawn_fifo(move || drop(work())),
                Place::There => self.there().spawn_fifo(move || drop(work())),
            }
            return 0;
        }
        let handle: JoinHandle<Answer> = match place {
            Place::Here => filch::spawn(work),
            Place::There => self.there().spawn(work),
        };
        match fate {
            Fate::Joined | Fate::Rethrown => meet(handle.join(), fate),
            Fate::Handed => meet(filch::spawn(|| rethrow(handle.join())).join(), fate),
            Fate::Dropped | Fate::Ordered => 0,
        }
    }

    fn repeat(&self, items: u8, under_token: bool, leaf: Leaf) -> u64 {
        let items = (0..items).into_par_iter().with_max_len(3);
        let work = |_| self.answer(self.leaf(leaf)).value;
        match under_token {
            true => {
                // What a loop has done before it is cancelled counts.
                let sum = AtomicU64::new(0);
                let add = |item| _ = sum.fetch_add(work(item), Ordering::Relaxed);
                let _ = items.cancel_with(&self.flag, |items| items.for_each(add));
                sum.into_inner()
            }
            false => items.map(work).sum(),
        }
    }

    fn graph(&self, by_results: bool, tasks: &[(Node, u8)]) -> u64 {
        let (mut graph, mut nodes) = (Graph::new(), Vec::<graph::Node<Answer>>::new());
        for (index, (task, _)) in tasks.iter().enumerate() {
            let run = self.clone();
            let before: Vec<_> = before(tasks, index).map(|earlier| &nodes[earlier]).collect();
            let node = if by_results {
                graph.task(before, move |_: Vec<&Answer>| run.node(task))
            } else {
                let node = graph.task((), move |()| run.node(task));
                before.into_iter().for_each(|earlier| _ = node.after(earlier));
                node
            };
            nodes.push(node);
        }
        let report = graph.run().expect("edges lead to later tasks");
        let failed = report.count(graph::Outcome::Failed) as u64;
        let values = nodes.iter().filter_map(|node| graph.result(node));
        values.map(|answer| answer.value).sum::<u64>() + HANDLED * failed
    }

    fn pipeline(&self, bound: u8, items: &[Node]) -> u64 {
        let (mut sum, mut next) = (0, 0);
        let stats = filch::pipeline(items.iter().enumerate())
            .max_in_flight(bound.into())
            .parallel(|(index, item)| (index, self.node(item)))
            .serial(|item| item)
            .serial_in_order(|(index, answer)| {
                assert_eq!(index, next, "items come in order");
                next += 1;
                sum += answer.value;
            })
            .run()
            .expect("a stage fails only by a panic");
        assert_eq!(stats.stages()[3].items, items.len() as u64);
        sum
    }

    fn gang(&self, place: Place, members: u8, leaf: Leaf, body: &Node) -> u64 {
        let inner = self.at(place);
        let size = gang_size(members, inner.pools[0].current_num_threads());
        let member = |member: &mut Member<'_>| {
            let value = match member.index() {
                0 => inner.node(body).value,
                _ => inner.answer(inner.leaf(leaf)).value,
            };
            member.barrier();
            member.reduce(value, |a, b| a + b)
        };
        let sums = match place {
            Place::Here => filch::gang(size, member),
            Place::There => self.there().gang(size, member),
        };
        let sums = sums.expect("the gang is not too large");
        assert!(sums.len() == size && sums.iter().all(|sum| *sum == sums[0]));
        sums[0]
    }

    fn broadcast(&self, place: Place, detached: bool, leaf: Leaf) -> u64 {
        let inner = self.at(place);
        // Forks as well, so that a broadcast is not always a leaf.
        let work = move || filch::join(|| inner.answer(inner.leaf(leaf)), || ()).0;
        let answers = match (place, detached) {
            (Place::Here, false) => filch::broadcast(|_| work()),
            (Place::There, false) => self.there().broadcast(|_| work()),
            (Place::Here, true) => {
                filch::spawn_broadcast(move |_| drop(work()));
                Vec::new()
            }
            (Place::There, true) => {
                self.there().spawn_broadcast(move |_| drop(work()));
                Vec::new()
            }
        };
        answers.iter().map(|answer| answer.value).sum()
    }
}

fn gang_size(members: u8, workers: usize) -> usize {
    1 + usize::from(members) % workers
}

/// The tasks of a graph that come directly before a task.
fn before(tasks: &[(Node, u8)], index: usize) -> impl Iterator<Item = usize> {
    let bits = tasks[index].1;
    (0..index).filter(move |earlier| bits & (1 << earlier) != 0)
}

fn meet(result: Result<Answer, JoinError>, fate: Fate) -> u64 {
    match result {
        Ok(answer) => answer.value,
        Err(error) if fate == Fate::Rethrown => resume_unwind(error.into_panic()),
        Err(_) => HANDLED,
    }
}

impl Fate {
    /// Whether no code joins the task.
    fn is_loose(self) -> bool {
        matches!(self, Fate::Dropped | Fate::Ordered)
    }
}

impl Work {
    fn value(self) -> u64 {
        match self {
            Work::Spin(value) | Work::Sleep(value) => value.into(),
            Work::Panic | Work::Cancel => 0,
        }
    }
}

// ---- The oracle ----

/// How a part of a program must end, given what its leaves did.
#[derive(Debug)]
enum Outcome {
    Value(u64),
    /// With one of these panics. Which one depends on the schedule.
    Panics(BTreeSet<usize>),
}

/// What is known about a region's flag.
#[derive(Clone, Copy)]
struct Flag {
    /// The flag goes up at some time.
    possible: bool,
    /// The flag is up by now.
    certain: bool,
}

struct Oracle<'a> {
    log: &'a [Note],
    /// The sizes of the current pool and of the other one.
    threads: [usize; 2],
    /// Sets of panics, each with the number of them that must have reached a handler.
    loose: Vec<(BTreeSet<usize>, u32)>,
}

type Judged<T> = Result<T, String>;

impl Oracle<'_> {
    fn judge(
        mut self,
        root: &Node,
        ended: &Result<u64, Option<usize>>,
        noted: &[Option<usize>],
    ) -> Judged<()> {
        let outcome = self.region(root)?;
        let allowed = match (ended, &outcome) {
            (Ok(value), Outcome::Value(expected)) => value == expected,
            (Err(Some(id)), Outcome::Panics(ids)) => ids.contains(id),
            _ => false,
        };
        ensure(allowed, || format!("ended with {ended:?}, expected {outcome:?}"))?;
        for (ids, count) in &self.loose {
            let arrived = noted.iter().flatten().filter(|id| ids.contains(id)).count();
            ensure(arrived == *count as usize, || {
                format!("{arrived} panics of {ids:?} reached the handler, not {count}")
            })?;
        }
        let loose: u32 = self.loose.iter().map(|(_, count)| count).sum();
        ensure(noted.len() == loose as usize, || {
            format!("{loose} panics must reach the handler, these did: {noted:?}")
        })
    }

    fn region(&mut self, body: &Node) -> Judged<Outcome> {
        let mut flag = Flag { possible: self.raises(body), certain: false };
        self.node(body, &mut flag)
    }

    /// Whether a leaf of this region, but not of an inner one, has raised the flag.
    fn raises(&self, node: &Node) -> bool {
        let raised = |leaf: Leaf| matches!(leaf.what, Work::Cancel) && self.log[leaf.id].ran() > 0;
        !matches!(node, Node::Region(_))
            && (own_leaf(node).is_some_and(raised) || children(node).any(|part| self.raises(part)))
    }

    fn node(&mut self, node: &Node, flag: &mut Flag) -> Judged<Outcome> {
        match node {
            Node::Leaf(leaf) => self.leaf(*leaf, 1..=1, flag),
            Node::Yield => Ok(Outcome::Value(0)),
            Node::Seq(first, second) => match self.node(first, flag)? {
                Outcome::Value(first) => Ok(Outcome::Value(first).and(self.node(second, flag)?)),
                panics => self.unreached(second).map(|()| panics),
            },
            Node::Region(body) => self.region(body),
            Node::Join { place, sides, .. } => self.at(*place, |oracle| {
                let outcomes = sides.each_ref().map(|side| oracle.beside(side, flag));
                let [(a, raised), (b, raised_too)] = both(outcomes)?;
                flag.certain |= raised | raised_too;
                Ok(a.and(b))
            }),
            Node::Scope { place, in_place, broadcast, tasks, body } => {
                self.scope(*place, *in_place, *broadcast, tasks, body, flag)
            }
            Node::Spawn { place, task, fate } => {
                let (outcome, raised) = self.at(*place, |oracle| oracle.beside(task, flag))?;
                if fate.is_loose() {
                    self.let_loose(outcome, 1);
                    return Ok(Outcome::Value(0));
                }
                flag.certain |= raised;
                Ok(outcome.met(*fate))
            }
            Node::Install(place, body) => self.at(*place, |oracle| oracle.node(body, flag)),
            Node::Broadcast { place, detached, leaf } => {
                let before = *flag;
                let outcome = self.at(*place, |oracle| oracle.everywhere(*leaf, flag))?;
                if *detached {
                    *flag = before;
                    self.let_loose(outcome, self.log[leaf.id].ran());
                    return Ok(Outcome::Value(0));
                }
                Ok(outcome)
            }
            Node::Loop { items, under_token, leaf } => {
                let ran = self.log[leaf.id].ran() > 0;
                ensure(!(*under_token && flag.certain && ran), || {
                    format!("{leaf:?} ran in a loop that was cancelled before")
                })?;
                let stops = *under_token && flag.possible;
                let all = u32::from(*items);
                let least = if stops || ran && matches!(leaf.what, Work::Panic) { 0 } else { all };
                self.leaf(*leaf, least..=all, flag)
            }
            Node::Sort { values, .. } => {
                let mut values: Vec<_> = values.all().collect();
                values.sort();
                Ok(Outcome::Value(Values::digest(&values)))
            }
            Node::Graph { tasks, .. } => self.graph(tasks, flag),
            Node::Pipeline { items, .. } => self.pipeline(items, flag),
            Node::Gang { place, members, leaf, body } => self.at(*place, |oracle| {
                let (outcome, certain) = oracle.beside(body, flag)?;
                let others = gang_size(*members, oracle.threads[0]) as u32 - 1;
                let leaves = oracle.leaf(*leaf, others..=others, flag)?;
                flag.certain |= certain;
                Ok(match (outcome, leaves) {
                    // Any of them may be the first one.
                    (Outcome::Panics(mut ids), Outcome::Panics(more)) => {
                        ids.extend(more);
                        Outcome::Panics(ids)
                    }
                    (outcome, leaves) => outcome.and(leaves),
                })
            }),
        }
    }

    fn graph(&mut self, tasks: &[(Node, u8)], flag: &mut Flag) -> Judged<Outcome> {
        let mut sum = 0;
        // For each task: whether it has a result, and whether the flag was up after it.
        let mut ended: Vec<(bool, bool)> = Vec::new();
        for (index, (task, _)) in tasks.iter().enumerate() {
            let earlier: Vec<_> = before(tasks, index).map(|earlier| ended[earlier]).collect();
            if earlier.iter().any(|(has_result, _)| !has_result) {
                self.unreached(task)?;
                ended.push((false, flag.certain));
                continue;
            }
            let certain = flag.certain || earlier.iter().any(|(_, certain)| *certain);
            let (outcome, raised) = self.beside(task, &Flag { certain, ..*flag })?;
            ended.push((matches!(outcome, Outcome::Value(_)), raised));
            sum += match outcome {
                Outcome::Value(value) => value,
                Outcome::Panics(_) => HANDLED,
            };
        }
        flag.certain |= ended.iter().any(|(_, certain)| *certain);
        Ok(Outcome::Value(sum))
    }

    fn pipeline(&mut self, items: &[Node], flag: &mut Flag) -> Judged<Outcome> {
        let (mut sum, mut panics, mut certain) = (0, BTreeSet::new(), flag.certain);
        let (begun, others): (Vec<_>, Vec<_>) = items.iter().partition(|item| self.is_begun(item));
        for item in begun {
            let (outcome, raised) = self.beside(item, flag)?;
            certain |= raised;
            match outcome {
                Outcome::Value(value) => sum += value,
                Outcome::Panics(ids) => panics.extend(ids),
            }
        }
        if !panics.is_empty() {
            flag.certain = certain;
            return Ok(Outcome::Panics(panics));
        }
        // Items without leaves, unless an item was lost.
        for item in others {
            match self.beside(item, flag)?.0 {
                Outcome::Value(value) => sum += value,
                panics => return Ok(panics),
            }
        }
        flag.certain = certain;
        Ok(Outcome::Value(sum))
    }

    /// Whether any leaf of the node ran or was skipped.
    fn is_begun(&self, node: &Node) -> bool {
        let begun = |leaf: Leaf| self.log[leaf.id].ran() + self.log[leaf.id].skipped() > 0;
        own_leaf(node).is_some_and(begun) || children(node).any(|part| self.is_begun(part))
    }

    /// A leaf that every worker runs. One of them may raise the flag.
    fn everywhere(&mut self, leaf: Leaf, flag: &mut Flag) -> Judged<Outcome> {
        let threads = self.threads[0] as u32;
        self.leaf(leaf, threads..=threads, flag)
    }

    fn at<T>(&mut self, place: Place, f: impl FnOnce(&mut Self) -> Judged<T>) -> Judged<T> {
        let turn = |oracle: &mut Self| {
            if place == Place::There {
                oracle.threads.reverse();
            }
        };
        turn(self);
        let result = f(self);
        turn(self);
        result
    }

    /// Judges a part that runs beside others. Also returns whether it has certainly raised the
    /// flag.
    fn beside(&mut self, node: &Node, flag: &Flag) -> Judged<(Outcome, bool)> {
        let mut own = *flag;
        let outcome = self.node(node, &mut own)?;
        Ok((outcome, own.certain))
    }

    fn leaf(&mut self, leaf: Leaf, times: RangeInclusive<u32>, flag: &mut Flag) -> Judged<Outcome> {
        let note = &self.log[leaf.id];
        let (ran, skipped) = (note.ran(), note.skipped());
        ensure(times.contains(&(ran + skipped)), || {
            format!("{leaf:?} ran {ran} times and was skipped {skipped} times, {times:?} in all")
        })?;
        if matches!(leaf.what, Work::Cancel) && ran > 0 {
            flag.certain = true;
        }
        let is_cancel = matches!(leaf.what, Work::Cancel);
        ensure(skipped == 0 || (flag.possible && !is_cancel), || {
            format!("{leaf:?} was skipped without a reason")
        })?;
        ensure(is_cancel || ran == 0 || !flag.certain, || {
            format!("{leaf:?} ran after its region was cancelled")
        })?;
        Ok(match leaf.what {
            Work::Panic if ran > 0 => Outcome::Panics([leaf.id].into()),
            what => Outcome::Value(what.value() * u64::from(ran)),
        })
    }

    fn scope(
        &mut self,
        place: Place,
        in_place: bool,
        broadcast: Option<Leaf>,
        tasks: &[(Node, Fate)],
        body: &Node,
        flag: &mut Flag,
    ) -> Judged<Outcome> {
        let mut ended = Vec::new();
        let mut certain = flag.certain;
        if let Some(leaf) = broadcast {
            let mut own = *flag;
            let outcome = self.at(place, |oracle| oracle.everywhere(leaf, &mut own))?;
            certain |= own.certain;
            // Like a task that no code joins, except for its value.
            if let Outcome::Panics(_) = outcome {
                ended.push((outcome, Fate::Dropped));
            }
        }
        for (task, fate) in tasks {
            let (outcome, raised) = self.at(place, |oracle| oracle.beside(task, flag))?;
            certain |= raised;
            ended.push((outcome, *fate));
        }
        let own = if in_place { Place::Here } else { place };
        let mut outcome = self.at(own, |oracle| oracle.node(body, flag))?;
        flag.certain |= certain;

        let mut unjoined = BTreeSet::new();
        let mut slots = 0;
        for (ended, fate) in ended {
            if let Outcome::Value(value) = ended {
                slots += value;
            }
            match (ended, fate) {
                (Outcome::Panics(ids), fate) if fate.is_loose() => unjoined.extend(ids),
                (Outcome::Value(_), fate) if fate.is_loose() => (),
                (ended, fate) => outcome = outcome.and(ended.met(fate)),
            }
        }
        Ok(match outcome {
            Outcome::Value(_) if !unjoined.is_empty() => Outcome::Panics(unjoined),
            outcome => outcome.and(Outcome::Value(slots)),
        })
    }

    fn let_loose(&mut self, outcome: Outcome, count: u32) {
        if let Outcome::Panics(ids) = outcome {
            self.loose.push((ids, count));
        }
    }

    fn unreached(&self, node: &Node) -> Judged<()> {
        if let Some(leaf) = own_leaf(node) {
            let note = &self.log[leaf.id];
            ensure(note.ran() + note.skipped() == 0, || {
                format!("{leaf:?} was reached after a panic")
            })?;
        }
        children(node).try_for_each(|child| self.unreached(child))
    }
}

impl Note {
    fn ran(&self) -> u32 {
        self.ran.load(Ordering::Relaxed)
    }

    fn skipped(&self) -> u32 {
        self.skipped.load(Ordering::Relaxed)
    }
}

impl Outcome {
    /// The outcome of both; the first panic wins.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Outcome::Value(a), Outcome::Value(b)) => Outcome::Value(a + b),
            (panics @ Outcome::Panics(_), _) | (_, panics) => panics,
        }
    }

    /// What the joiner of the task gets.
    fn met(self, fate: Fate) -> Self {
        match self {
            Outcome::Panics(_) if fate != Fate::Rethrown => Outcome::Value(HANDLED),
            outcome => outcome,
        }
    }
}

fn both<T>([a, b]: [Judged<T>; 2]) -> Judged<[T; 2]> {
    Ok([a?, b?])
}

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Judged<()> {
    if holds { Ok(()) } else { Err(what()) }
}

/// The leaf that a node consists of, or runs besides its parts.
fn own_leaf(node: &Node) -> Option<Leaf> {
    match node {
        Node::Leaf(leaf)
        | Node::Broadcast { leaf, .. }
        | Node::Loop { leaf, .. }
        | Node::Gang { leaf, .. } => Some(*leaf),
        Node::Scope { broadcast, .. } => *broadcast,
        _ => None,
    }
}

/// The parts of a node, without its own leaf.
fn children(node: &Node) -> impl Iterator<Item = &Node> {
    let mut parts: Vec<&Node> = Vec::new();
    match node {
        Node::Leaf(_)
        | Node::Yield
        | Node::Broadcast { .. }
        | Node::Loop { .. }
        | Node::Sort { .. } => (),
        Node::Seq(first, second) => parts.extend([&**first, second]),
        Node::Region(body) | Node::Install(_, body) | Node::Gang { body, .. } => parts.push(body),
        Node::Join { sides, .. } => parts.extend(sides.iter()),
        Node::Scope { tasks, body, .. } => {
            parts.extend(tasks.iter().map(|(task, _)| task));
            parts.push(body);
        }
        Node::Spawn { task, .. } => parts.push(task),
        Node::Graph { tasks, .. } => parts.extend(tasks.iter().map(|(task, _)| task)),
        Node::Pipeline { items, .. } => parts.extend(items),
    }
    parts.into_iter()
}
