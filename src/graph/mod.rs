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
//! Each task and each cell takes one block of memory. A run allocates memory for the order if the
//! graph has changed, and for tasks that fail or are skipped. A worker that ends a task continues
//! with one of the tasks that are then ready, and spawns the others. So a chain of tasks costs some
//! nanoseconds a task, and where the graph forks, a task costs as much as one of a
//! [scope](crate::scope()).

mod access;
mod node;
mod owner;
mod plan;
mod report;
mod run;
mod slot;
mod timer;
mod values;

use std::cell;
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

pub use access::{Cell, Given, Inputs, Read, Write, read, write};
pub use node::Node;
pub use report::{GraphError, Outcome, Report, TaskFailure};

use access::{Needs, Uses, conflict};
use owner::{GraphRef, TaskSettings};
use plan::Plan;
use report::{Cause, Outcomes};
use run::{Fallbacks, Run, Task};
use slot::{Owned, Value};

use crate::context::CancelToken;
use crate::fork::{whole_scope, with_current_token};
use crate::sync::Mutex;

/// Tasks, the order between them, and the cells that they share: see the [module](self).
pub struct Graph<'env> {
    /// This graph, as the handles of its tasks have it.
    owner: GraphRef,
    tasks: Vec<Task<'env>>,
    /// For each task, the counter that `run.rs` describes.
    missing: Vec<AtomicU32>,
    /// The outcomes of the tasks in the last run.
    outcomes: Outcomes,
    fallbacks: Fallbacks<'env>,
    /// The values of the cells, and the tasks that use them.
    cells: Vec<(Uses, Owned<dyn Value + Send + 'env>)>,
    /// Empty but while a task is added.
    needs: Needs,
    /// The error of the first task that was added with wrong inputs.
    wrong: Option<GraphError>,
    /// The order of the tasks, once it is known.
    plan: Plan,
    /// What was set for tasks when the plan was made.
    task_settings: BTreeMap<usize, TaskSettings>,
    /// Whether tasks were added, or `measures` was set, since the plan was made.
    is_changed: bool,
    /// The length of the longest path from each task to the end, if costs are set or measured.
    ranks: Option<Vec<u64>>,
    /// Whether runs measure how long each task takes.
    measures: bool,
    /// How many ticks each task took when it last ran, if runs measure that.
    took: Vec<AtomicU64>,
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

impl Default for Graph<'_> {
    fn default() -> Self {
        Graph::new()
    }
}

impl<'env> Graph<'env> {
    /// Returns a graph without tasks.
    pub fn new() -> Self {
        let owner = GraphRef::new();
        Graph {
            needs: Needs::new(owner.graph),
            owner,
            tasks: Vec::new(),
            missing: Vec::new(),
            outcomes: Outcomes::default(),
            fallbacks: Fallbacks::default(),
            cells: Vec::new(),
            wrong: None,
            plan: Plan::default(),
            task_settings: BTreeMap::new(),
            is_changed: true,
            ranks: None,
            measures: false,
            took: Vec::new(),
            token: None,
            not_sync: PhantomData,
        }
    }

    /// Adds a value for the graph's tasks to [`read`] and [`write()`], and returns its handle. To
    /// work on a value that outlives the graph, make a cell of a `&mut` to it.
    pub fn cell<A: Send + 'env>(&mut self, value: A) -> Cell<A> {
        let (value, slot) = slot::value(value);
        self.cells.push((Uses::default(), value));
        Cell { graph: self.owner.graph, index: self.cells.len() - 1, slot }
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
        self.add(inputs, move |given, _| f(given).map_err(Cause::error))
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
            let report = graph.run().map_err(Cause::error)?;
            report.success().map_err(Cause::error)
        })
    }

    /// Adds a task whose closure returns the cause if it fails.
    #[allow(unsafe_code)]
    fn add<I, F, T>(&mut self, inputs: I, mut f: F) -> Node<T>
    where
        I: Inputs<Held: 'env>,
        F: for<'r> FnMut(<I::Held as Given<'r>>::Given, Within<'r, 'env>) -> Result<T, Box<Cause>>
            + Send
            + 'env,
        T: Send + 'env,
    {
        let index = self.tasks.len();
        assert!(
            index < run::LIMIT,
            "the graph has too many tasks; accepted: less than {}",
            run::LIMIT
        );
        let held = inputs.hold(&mut self.needs);
        self.order(index as u32);
        // SAFETY: the accesses were declared to `needs`, and `order` has added an edge from each
        // task that must come first. A run calls this closure when all of those have ended, and the
        // tasks that come later when this closure has returned. See the invariant of `access.rs`.
        let call = move || f(unsafe { held.give() }, PhantomData);
        let (body, slot) = slot::task(call);
        self.tasks.push(body);
        self.is_changed = true;
        Node { owner: self.owner, index, slot }
    }

    /// Orders a new task after those that must come before it by its `needs`, and records its
    /// accesses.
    fn order(&mut self, index: u32) {
        let Needs { cells, nodes, is_foreign, .. } = &mut self.needs;
        let task = || format!("task {index}");
        if std::mem::take(is_foreign) {
            self.wrong.get_or_insert_with(|| GraphError::Foreign { task: task() });
        }
        if conflict(cells) {
            self.wrong.get_or_insert_with(|| GraphError::Conflict { task: task() });
        }
        if cells.is_empty() && nodes.is_empty() {
            return;
        }
        let edges = &mut self.owner.settings().edges;
        edges.extend(nodes.drain(..).map(|earlier| (earlier, index)));
        for (cell, writes) in cells.drain(..) {
            let (uses, _) = &mut self.cells[cell];
            edges.extend(uses.writer.map(|writer| (writer, index)));
            if writes {
                uses.writer = Some(index);
                edges.extend(uses.readers.drain(..).map(|reader| (reader, index)));
            } else {
                uses.readers.push(index);
            }
        }
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
        self.expect_own(node.owner.graph);
        let slot = node.slot;
        let fallback = Box::new(move |failure: &TaskFailure| {
            let value = f(failure);
            // SAFETY: only the task's closure and this one write the result, one after the other.
            // See the invariant of `access.rs`.
            unsafe { *slot.get_mut() = Some(value) };
        });
        self.fallbacks.set(node.index, fallback);
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
        self.is_changed = true;
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
    /// Panics if the global pool is needed and cannot be built, or there are 2^31 edges or more.
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
        if self.measures {
            // A task that this run skips keeps its time.
            self.took.resize_with(self.tasks.len(), AtomicU64::default);
        }
        if !self.tasks.is_empty() {
            self.missing.clear();
            self.missing.extend(self.plan.before.iter().copied().map(AtomicU32::new));
            let token = with_current_token(self.token.as_ref());
            let run = Run {
                tasks: &self.tasks,
                missing: &self.missing,
                successors: &self.plan.successors,
                fallbacks: &self.fallbacks,
                task_settings: &self.task_settings,
                owner: &self.owner,
                heap: self.ranks.as_deref().map(|ranks| (Mutex::default(), ranks)),
                took: if self.measures { &self.took } else { &[] },
                token: token.as_ref(),
                failures: Mutex::default(),
                others: Mutex::default(),
            };
            whole_scope(|s| run.start(s, &self.plan.sources));
            failures = run.failures.into_inner();
            self.outcomes = Outcomes::new(self.tasks.len(), run.others.into_inner());
        }
        if self.measures {
            let ranks = self.plan.ranks(|task| self.took[task].load(Ordering::Relaxed));
            self.ranks = Some(ranks);
        }
        let cancelled = self.outcomes.first_skipped().filter(|_| failures.is_empty());
        Ok(Report {
            graph: self.owner.graph,
            cancelled: cancelled.map(|task| self.owner.name(task)),
            outcomes: self.outcomes.clone(),
            failures,
        })
    }

    /// Makes the plan, if anything was changed since the last one.
    fn prepare(&mut self) -> Result<(), GraphError> {
        if let Some(error) = &self.wrong {
            return Err(error.clone());
        }
        let mut settings = self.owner.settings();
        if !settings.is_changed && !self.is_changed {
            return Ok(());
        }
        if let Some(task) = settings.foreign {
            drop(settings);
            return Err(GraphError::Foreign { task: self.owner.name(task) });
        }
        let edges = settings.edges.len();
        assert!(
            edges < run::LIMIT,
            "the graph has too many edges; accepted: less than {}",
            run::LIMIT
        );
        (settings.is_changed, self.is_changed) = (false, true);
        self.task_settings.clone_from(&settings.of_tasks);
        let planned = Plan::new(self.tasks.len(), &settings.edges);
        drop(settings);
        self.plan = planned.map_err(|cycle| GraphError::Cycle {
            tasks: cycle.into_iter().map(|task| self.owner.name(task as usize)).collect(),
        })?;
        self.is_changed = false;
        let cost = |task: usize| self.task_settings.get(&task).map_or(0, |settings| settings.cost);
        let has_costs = self.task_settings.values().any(|settings| settings.cost > 0);
        self.ranks = has_costs.then(|| self.plan.ranks(cost));
        Ok(())
    }

    #[track_caller]
    fn expect_own(&self, graph: u64) {
        assert!(
            graph == self.owner.graph,
            "the handle belongs to another graph; accepted: handles of this one"
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

impl Drop for Graph<'_> {
    fn drop(&mut self) {
        self.owner.end();
    }
}

impl fmt::Debug for Graph<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Graph").field("tasks", &self.tasks.len()).finish_non_exhaustive()
    }
}
