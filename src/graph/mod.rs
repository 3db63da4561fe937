//! Graphs of tasks: each task runs when the tasks before it have ended.
//!
//! A [`Graph`] is built once and run any number of times. A task `b` comes after a task `a` if
//! - `b` takes the result of `a`, by reference: `graph.task(&a, |a| …)`;
//! - both access a cell, at least one of them [`write()`]s it, and `a` was added first. This is the
//!   *sequential task flow* of StarPU, and the `depend` clause of OpenMP: write the tasks down in
//!   the order of a serial program, declare what each of them reads and writes, and the graph finds
//!   what can run at the same time;
//! - the program says so: `b.after(&a)`.
//!
//! Tasks may borrow anything that outlives the graph.
//!
//! ```
//! use filch::graph::{Graph, read, write};
//!
//! let factors = [2, 3];
//! let mut graph = Graph::new();
//! let (a, b, c) = (graph.cell(1), graph.cell(1), graph.cell(0));
//! graph.task(write(&a), |a| *a *= factors[0]);
//! graph.task(write(&b), |b| *b *= factors[1]); // at the same time as the one above
//! graph.task((read(&a), read(&b), write(&c)), |(a, b, c)| *c += a * b);
//! let total = graph.task(read(&c), |c| *c); // after all of them
//!
//! graph.run()?.success()?;
//! assert_eq!(graph.result(&total), Some(&6));
//! graph.run()?.success()?; // a is 4, and b is 9
//! assert_eq!(graph.result(&total), Some(&42));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Failures
//! A task fails if its closure panics, or returns an error ([`Graph::try_task`]). The tasks that
//! come after it are skipped, and all others run. A task may be [retried](Node::retry), or have a
//! [fallback](Graph::fallback). [`Graph::run`] returns a [`Report`] of which tasks ran, failed and
//! were skipped. A cell holds what a failed task left in it.
//!
//! # Tasks that are found while the graph runs
//! [`Graph::subgraph`] adds a task that builds a graph of its own each time it runs. The tasks that
//! come after it wait until that whole graph has run. A task may also run a graph, a loop or a
//! scope itself.
//!
//! # Costs
//! The tasks, cells and edges are allocated when they are added, and a run allocates one byte a
//! task. A worker that ends a task continues with one of the tasks that are then ready, and spawns
//! the others. So a chain of tasks costs some nanoseconds a task, and where the graph forks, a task
//! costs as much as one of a [scope](crate::scope()).

mod access;
mod node;
mod plan;
mod report;
mod run;
mod slot;
mod timer;
mod values;

use std::cell;
use std::error::Error;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::Ordering;

pub use access::{Cell, Given, Inputs, Read, Write, read, write};
pub use node::Node;
pub use report::{GraphError, Outcome, Report, TaskFailure};

use access::Needs;
use node::{Header, Owner};
use plan::{Lists, Plan};
use report::Cause;
use run::{Call, Rest, Run, Task};
use slot::Slot;

use crate::context::CancelToken;
use crate::fork::{whole_scope, with_current_token};
use crate::sync::Mutex;

/// Tasks, the order between them, and the cells that they share: see the [module](self).
pub struct Graph<'env> {
    owner: Owner,
    tasks: Vec<Task<'env>>,
    /// The other parts of the tasks.
    rests: Vec<Rest<'env>>,
    cells: Vec<Uses>,
    /// The error of the first task that was added with wrong inputs.
    wrong: Option<GraphError>,
    plan: Plan,
    /// The longest paths to the end, once they are known.
    ranks: Option<Vec<u64>>,
    measures: bool,
    token: Option<CancelToken>,
    /// Not `Sync`: `get` gives references to values that may not be.
    not_sync: PhantomData<cell::Cell<()>>,
}

/// A graph that a task of an outer graph builds while the outer graph runs: see
/// [`Graph::subgraph`]. It is used like a [`Graph`]. Its tasks may borrow whatever the tasks of the
/// outer graph may borrow.
#[derive(Debug)]
pub struct Subgraph<'r, 'env: 'r> {
    graph: Graph<'r>,
    outer: Within<'r, 'env>,
}

/// Proves that `'env` outlives `'r`, for closures that are generic over `'r`.
type Within<'r, 'env> = PhantomData<&'r &'env ()>;

impl<'r> Deref for Subgraph<'r, '_> {
    type Target = Graph<'r>;

    fn deref(&self) -> &Graph<'r> {
        &self.graph
    }
}

impl<'r> DerefMut for Subgraph<'r, '_> {
    fn deref_mut(&mut self) -> &mut Graph<'r> {
        &mut self.graph
    }
}

/// The tasks that access a cell and that the next task with access may have to come after.
#[derive(Default)]
struct Uses {
    writer: Option<u32>,
    /// The tasks added after `writer` that read the cell.
    readers: Vec<u32>,
}

impl Default for Graph<'_> {
    fn default() -> Self {
        Graph::new()
    }
}

impl<'env> Graph<'env> {
    /// Returns a graph without tasks.
    pub fn new() -> Self {
        Graph {
            owner: Owner::new(),
            tasks: Vec::new(),
            rests: Vec::new(),
            cells: Vec::new(),
            wrong: None,
            plan: Plan::default(),
            ranks: None,
            measures: false,
            token: None,
            not_sync: PhantomData,
        }
    }

    /// Adds a value for the graph's tasks to [`read`] and [`write()`], and returns its handle. To
    /// work on a value that outlives the graph, make a cell of a `&mut` to it.
    pub fn cell<A: Send + 'env>(&mut self, value: A) -> Cell<A> {
        self.cells.push(Uses::default());
        Cell { slot: Slot::new(value), owner: self.owner.clone(), index: self.cells.len() - 1 }
    }

    /// Adds a task, which calls `f` with references to its inputs once in each run.
    ///
    /// `inputs` is `()`, [`read(&cell)`](read), [`write(&cell)`](write()), `&node` for the result
    /// of another task, or several of these in a tuple, an array or a [`Vec`]. The task comes after
    /// the tasks whose results it takes. If it reads or writes a cell, it comes after the last task
    /// added before it that writes the cell. If it writes the cell, it also comes after all tasks
    /// added since then that read the cell.
    ///
    /// If `f` panics, the task fails. It runs on a worker of the pool in which the graph runs, like
    /// a task of a [scope](crate::scope()), with the same rules for locks and waits.
    ///
    /// ```
    /// use filch::graph::Graph;
    ///
    /// let mut graph = Graph::new();
    /// let words = graph.task((), |()| ["work", "is", "for", "sharing"]);
    /// let count = graph.task(&words, |words| words.len());
    /// let letters = graph.task(&words, |words| words.concat().len());
    /// let mean = graph.task((&letters, &count), |(letters, count)| letters / count);
    /// graph.run()?.success()?;
    /// assert_eq!(graph.result(&mean), Some(&4));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn task<I, F, T>(&mut self, inputs: I, mut f: F) -> Node<T>
    where
        I: Inputs<Held: 'env>,
        F: for<'r> FnMut(<I::Held as Given<'r>>::Given) -> T + Send + 'env,
        T: Send + 'env,
    {
        self.add(inputs, move |given, _| Ok(f(given)))
    }

    /// Like [`task`](Self::task), but the task also fails if `f` returns an error.
    ///
    /// ```
    /// use filch::graph::{Graph, Outcome};
    ///
    /// let mut graph = Graph::new();
    /// let number = graph.try_task((), |()| "six".parse::<u32>()).name("parse");
    /// let double = graph.task(&number, |number| number * 2);
    /// let other = graph.task((), |()| 7);
    ///
    /// let report = graph.run()?;
    /// assert_eq!(report.outcome(&number), Some(Outcome::Failed));
    /// assert_eq!(report.outcome(&double), Some(Outcome::Skipped));
    /// assert_eq!(report.outcome(&other), Some(Outcome::Ran));
    /// let failure = report.success().unwrap_err();
    /// assert_eq!(failure.to_string(), "`parse` failed: invalid digit found in string");
    /// # Ok::<(), filch::graph::GraphError>(())
    /// ```
    pub fn try_task<I, F, T, E>(&mut self, inputs: I, mut f: F) -> Node<T>
    where
        I: Inputs<Held: 'env>,
        F: for<'r> FnMut(<I::Held as Given<'r>>::Given) -> Result<T, E> + Send + 'env,
        T: Send + 'env,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        self.add(inputs, move |given, _| f(given).map_err(|error| Cause::Error(error.into())))
    }

    /// Adds a task that calls `f` in each run to build a graph, and then runs that subgraph. The
    /// tasks of the subgraph may borrow the inputs. The tasks that come after this task wait until
    /// the whole subgraph has run. If the subgraph cannot run, or a task of it fails, this task
    /// fails.
    ///
    /// ```
    /// use filch::graph::{Graph, read, write};
    ///
    /// let mut graph = Graph::new();
    /// let numbers = graph.cell(vec![1_u64; 100]);
    /// let parts = graph.task((), |()| 4);
    /// graph.subgraph((&parts, write(&numbers)), |(parts, numbers), graph| {
    ///     for part in numbers.chunks_mut(100 / parts) {
    ///         graph.task((), move |()| part.iter_mut().for_each(|number| *number += 1));
    ///     }
    /// });
    /// let sum = graph.task(read(&numbers), |numbers| numbers.iter().sum::<u64>());
    /// graph.run()?.success()?;
    /// assert_eq!(graph.result(&sum), Some(&200));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn subgraph<I, F>(&mut self, inputs: I, mut f: F) -> Node<()>
    where
        I: Inputs<Held: 'env>,
        F: for<'r> FnMut(<I::Held as Given<'r>>::Given, &mut Subgraph<'r, 'env>) + Send + 'env,
    {
        self.add(inputs, move |given, outer| {
            let mut graph = Subgraph { graph: Graph::new(), outer };
            f(given, &mut graph);
            let report = graph.run().map_err(|error| Cause::Error(error.into()))?;
            report.success().map_err(|failure| Cause::Error(failure.into()))
        })
    }

    /// Adds a task whose closure returns the cause if it fails.
    #[allow(unsafe_code)]
    fn add<I, F, T>(&mut self, inputs: I, mut f: F) -> Node<T>
    where
        I: Inputs<Held: 'env>,
        F: for<'r> FnMut(<I::Held as Given<'r>>::Given, Within<'r, 'env>) -> Result<T, Cause>
            + Send
            + 'env,
        T: Send + 'env,
    {
        let index = self.tasks.len() as u32;
        assert!(index < run::MOST_TASKS, "a graph can have at most {} tasks", run::MOST_TASKS);
        let header = Header { owner: self.owner.clone(), index, settings: Mutex::default() };
        let mut needs = Needs::new(&self.owner);
        let (held, slot) = (inputs.hold(&mut needs), Slot::new(None));
        let result = slot.clone();
        let call: Call<'env> = Box::new(move || {
            // SAFETY: the accesses were declared to `needs`, and `self.before` returned the tasks
            // that must come first. A run calls this closure when all of those have ended, and the
            // tasks that come later when this closure has returned. Only this closure and its
            // fallback write the result. See the invariant of `access.rs`.
            let value = f(unsafe { held.give() }, PhantomData)?;
            // SAFETY: as above.
            unsafe { *result.get_mut() = Some(value) };
            Ok(())
        });
        let before = self.before(index, needs);
        let node = Node { slot, header: Arc::new(header) };
        self.tasks.push(Task::new(call));
        self.rests.push(Rest::new(node.header.clone(), before));
        self.owner.set_changed();
        node
    }

    /// Returns the tasks that must come before a new task, and records the new task's accesses.
    fn before(&mut self, index: u32, mut needs: Needs) -> Vec<u32> {
        let task = || format!("task {index}");
        if needs.is_foreign {
            self.wrong.get_or_insert_with(|| GraphError::Foreign { task: task() });
        }
        if needs.conflict() {
            self.wrong.get_or_insert_with(|| GraphError::Conflict { task: task() });
        }
        let mut before = needs.nodes;
        for (cell, writes) in needs.cells {
            let uses = &mut self.cells[cell];
            before.extend(uses.writer);
            if writes {
                uses.writer = Some(index);
                before.append(&mut uses.readers);
            } else {
                uses.readers.push(index);
            }
        }
        // A task with conflicting accesses may be its own writer or reader.
        before.retain(|task| *task != index);
        before
    }

    /// Sets the fallback of a task. If the task fails and has no retry left, the run calls `f` with
    /// the failure, and what `f` returns is the task's result. The tasks that come after it then
    /// run. If `f` panics, the task fails with that panic.
    ///
    /// ```
    /// use filch::graph::Graph;
    ///
    /// let mut graph = Graph::new();
    /// let size = graph.try_task((), |()| "huge".parse::<usize>());
    /// graph.fallback(&size, |failure| {
    ///     eprintln!("{failure}: the default is used");
    ///     64
    /// });
    /// graph.run()?.success()?;
    /// assert_eq!(graph.result(&size), Some(&64));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Panics
    /// Panics if the task belongs to another graph.
    #[track_caller]
    #[allow(unsafe_code)]
    pub fn fallback<T, F>(&mut self, node: &Node<T>, mut f: F)
    where
        F: FnMut(&TaskFailure) -> T + Send + 'env,
        T: Send + 'env,
    {
        self.expect_own(node.owner());
        let slot = node.slot.clone();
        self.rests[node.index() as usize].set_fallback(Box::new(move |failure| {
            let value = f(failure);
            // SAFETY: as for the result of the closure, in `add`.
            unsafe { *slot.get_mut() = Some(value) };
        }));
    }

    /// Sets whether each run measures how long each task takes. The next run then uses the measured
    /// times as [costs](Node::cost). By default, runs do not measure. In a deterministic pool, all
    /// tasks count as equally long.
    ///
    /// If tasks have costs, the ready task with the longest path to the end of the graph begins
    /// first: a list schedule by critical path. This takes a lock for each task. So it pays off for
    /// tasks of some microseconds or more, if the graph has more ready tasks than the pool has
    /// workers.
    pub fn measure_costs(&mut self, measures: bool) {
        self.measures = measures;
        self.owner.set_changed();
    }

    /// Stops each run when the token is cancelled: tasks that have not begun are skipped. (A retry
    /// that waits for its [delay](Node::retry) is skipped only after the delay.)
    pub fn cancel_with(&mut self, token: &CancelToken) {
        self.token = Some(token.clone());
    }

    /// Runs all tasks, in the current pool, else in the global one, and reports the outcome of
    /// each. To run in another pool, call this in
    /// [`ThreadPool::install`](crate::ThreadPool::install).
    ///
    /// Returns when all tasks have ended. As in a [`scope`](crate::scope()), the caller takes part
    /// in the work. Without tasks, this does nothing. A panic of a task is a failure in the report,
    /// and is not resumed.
    ///
    /// # Errors
    /// Returns a [`GraphError`] if the tasks wait for each other in a cycle, which the error names;
    /// if a task was given a cell or a task of another graph; or if a task has conflicting accesses
    /// to one cell. No task has run then. A graph that is refused once stays refused.
    ///
    /// # Panics
    /// Panics if the global pool is needed and cannot be built.
    ///
    /// ```
    /// use filch::graph::{Graph, GraphError};
    ///
    /// let mut graph = Graph::new();
    /// let chicken = graph.task((), |()| ()).name("chicken");
    /// let egg = graph.task((), |()| ()).name("egg").after(&chicken);
    /// chicken.after(&egg);
    /// let error = graph.run().unwrap_err();
    /// assert_eq!(error.to_string(), "a cycle: `chicken` -> `egg` -> `chicken`");
    /// ```
    pub fn run(&mut self) -> Result<Report, GraphError> {
        self.prepare()?;
        let mut failures = Vec::new();
        if !self.tasks.is_empty() {
            for (task, before) in self.tasks.iter_mut().zip(&self.plan.before) {
                task.reset(*before);
            }
            let token = with_current_token(self.token.as_ref());
            let run = Run {
                plan: &self.plan,
                tasks: &self.tasks,
                rests: &self.rests,
                heap: self.ranks.as_deref().map(|ranks| (Mutex::default(), ranks)),
                measures: self.measures,
                token: token.as_ref(),
                failures: Mutex::default(),
            };
            whole_scope(|s| run.start(s));
            failures = run.failures.into_inner();
        }
        if self.measures {
            let took = |task: usize| self.rests[task].took.load(Ordering::Relaxed);
            self.ranks = Some(self.plan.ranks(took));
        }
        Ok(self.report(failures))
    }

    fn report(&self, failures: Vec<TaskFailure>) -> Report {
        let outcomes: Vec<Outcome> = self.tasks.iter().map(Task::outcome).collect();
        let skipped = outcomes.iter().position(|outcome| *outcome == Outcome::Skipped);
        let cancelled = skipped.filter(|_| failures.is_empty());
        Report {
            owner: self.owner.clone(),
            cancelled: cancelled.map(|task| self.rests[task].name()),
            outcomes,
            failures,
        }
    }

    /// Makes the plan, if anything was changed since the last one.
    fn prepare(&mut self) -> Result<(), GraphError> {
        if let Some(error) = &self.wrong {
            return Err(error.clone());
        }
        if !self.owner.take_changed() {
            return Ok(());
        }
        let planned = self.plan_anew();
        if planned.is_err() {
            self.owner.set_changed();
        }
        planned
    }

    fn plan_anew(&mut self) -> Result<(), GraphError> {
        let mut before = Lists::default();
        for task in &mut self.rests {
            let settings = task.header.settings.lock();
            if settings.is_foreign {
                drop(settings);
                return Err(GraphError::Foreign { task: task.name() });
            }
            task.limits = settings.limits;
            before.push(task.before.iter().chain(&settings.after).copied());
        }
        let planned = Plan::new(&before);
        self.plan = planned.map_err(|cycle| GraphError::Cycle {
            tasks: cycle.into_iter().map(|task| self.rests[task as usize].name()).collect(),
        })?;
        let has_costs = self.rests.iter().any(|task| task.limits.cost > 0);
        let ranks = || self.plan.ranks(|task| self.rests[task].limits.cost);
        self.ranks = has_costs.then(ranks);
        Ok(())
    }

    #[track_caller]
    fn expect_own(&self, owner: &Owner) {
        assert!(
            *owner == self.owner,
            "the handle is of another graph; accepted: handles of this one"
        );
    }

    /// Returns the number of tasks.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Returns whether the graph has no tasks.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }
}

impl fmt::Debug for Graph<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Graph").field("tasks", &self.tasks.len()).finish_non_exhaustive()
    }
}
