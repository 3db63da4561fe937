//! What a task of a graph takes: references to cells and to the results of other tasks.
//!
//! # Invariant
//! The value of a slot is reached only
//! 1. by a task of the slot's own graph, while it runs: the task that returns the value, or one
//!    that declared its access when it was added;
//! 2. through the graph itself, by a reference to it, while no run is under way.
//!
//! *Lemma: a run hands out no reference to a value together with a `&mut` to it.* A slot belongs to
//! one graph, and a graph that was given a cell or a task of another graph refuses to run. A run
//! borrows the graph exclusively, so case 2 does not occur meanwhile, and there is one run at a
//! time. If two tasks access one cell, and at least one of them writes it, the later task has an
//! edge from the earlier one, directly or through other tasks (`Graph::task`). A task that reads a
//! result has an edge from the task that writes it. A task runs after all of its predecessors have
//! ended, and the counters of `run.rs` make what they wrote visible to it. A graph refuses to run
//! if one task accesses a cell twice and at least one of the accesses writes.
#![allow(unsafe_code)]

use std::fmt;

use super::node::Node;
use super::slot::Slot;

/// A value that a graph owns and that its tasks share: see [`Graph::cell`](super::Graph::cell).
///
/// A cell is a handle: clones refer to the same value. Tasks that [`read`] or [`write()`] it run in
/// an order that rules out data races. Between runs, [`Graph::get`](super::Graph::get) and
/// [`Graph::get_mut`](super::Graph::get_mut) give access to the value, which is dropped with the
/// graph.
pub struct Cell<A> {
    /// The number of the graph.
    pub(super) graph: u64,
    /// The index of the cell among the graph's cells.
    pub(super) index: usize,
    pub(super) slot: Slot<A>,
}

impl<A> Clone for Cell<A> {
    fn clone(&self) -> Self {
        Cell { ..*self }
    }
}

impl<A> fmt::Debug for Cell<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cell").field("index", &self.index).finish_non_exhaustive()
    }
}

/// Declares that a task reads a cell, and gives it `&A`: see [`Graph::task`](super::Graph::task).
///
/// Tasks that only read a cell may run at the same time.
pub fn read<A>(cell: &Cell<A>) -> Read<'_, A> {
    Read(cell)
}

/// Declares that a task writes a cell, and gives it `&mut A`: see
/// [`Graph::task`](super::Graph::task).
///
/// The task runs after all tasks that were added before it and access the cell, and before those
/// that are added after it.
pub fn write<A>(cell: &Cell<A>) -> Write<'_, A> {
    Write(cell)
}

/// A read access to a cell. Returned by [`read`].
#[derive(Debug)]
pub struct Read<'c, A>(&'c Cell<A>);

/// A write access to a cell. Returned by [`write()`].
#[derive(Debug)]
pub struct Write<'c, A>(&'c Cell<A>);

/// What a task depends on, collected while it is added.
#[derive(Debug)]
pub struct Needs {
    /// The number of the graph to which the task is added.
    graph: u64,
    /// Cells by their numbers, and whether the task writes them.
    pub(super) cells: Vec<(usize, bool)>,
    /// Tasks whose results it takes.
    pub(super) nodes: Vec<u32>,
    /// Whether the task was given anything of another graph.
    pub(super) is_foreign: bool,
}

impl Needs {
    pub(super) fn new(graph: u64) -> Self {
        Needs { graph, cells: Vec::new(), nodes: Vec::new(), is_foreign: false }
    }

    fn cell<A>(&mut self, cell: &Cell<A>, writes: bool) {
        match cell.graph == self.graph {
            true => self.cells.push((cell.index, writes)),
            false => self.is_foreign = true,
        }
    }

    fn node<T>(&mut self, node: &Node<T>) {
        match node.owner.graph == self.graph {
            true => self.nodes.push(node.index as u32),
            false => self.is_foreign = true,
        }
    }
}

/// What a task takes: `()`, [`read(&cell)`](read), [`write(&cell)`](write()), `&node` for the
/// result of another task, or several of these in a tuple of up to eight, an array or a [`Vec`].
///
/// The trait is sealed: only the graph calls its methods.
#[diagnostic::on_unimplemented(
    message = "a task cannot take `{Self}`",
    note = "a task takes `()`, `read(&cell)`, `write(&cell)`, `&node`, or a tuple, an array or a \
            `Vec` of these"
)]
pub trait Inputs: sealed::Sealed {
    /// What the task keeps of its inputs, and its closure gets as [`Given::Given`].
    type Held: Send + for<'r> Given<'r>;

    #[doc(hidden)]
    fn hold(self, needs: &mut Needs) -> Self::Held;
}

/// What the closure of a task gets. (The second parameter is always the default. It makes the
/// compiler assume that the task's inputs outlive `'r`.)
pub trait Given<'r, Implied = &'r Self> {
    /// `()`, `&A`, `&mut A`, `&T`, or a tuple, an array or a [`Vec`] of these.
    type Given;

    /// # Safety
    /// As [`Slot::get`] and [`Slot::get_mut`], for each access that was declared.
    #[doc(hidden)]
    unsafe fn give(&'r self) -> Self::Given;
}

mod sealed {
    pub trait Sealed {}
}

/// What a task keeps of a [`Read`], a [`Write`] or a [`Node`].
#[derive(Debug)]
pub struct ReadHeld<A>(Slot<A>);
/// As [`ReadHeld`].
#[derive(Debug)]
pub struct WriteHeld<A>(Slot<A>);
/// As [`ReadHeld`].
#[derive(Debug)]
pub struct ResultHeld<T>(Slot<Option<T>>);

impl<A> sealed::Sealed for Read<'_, A> {}

impl<A: Send + Sync> Inputs for Read<'_, A> {
    type Held = ReadHeld<A>;

    fn hold(self, needs: &mut Needs) -> ReadHeld<A> {
        needs.cell(self.0, false);
        ReadHeld(self.0.slot)
    }
}

impl<'r, A> Given<'r> for ReadHeld<A> {
    type Given = &'r A;

    unsafe fn give(&'r self) -> &'r A {
        // SAFETY: the caller's premise.
        unsafe { self.0.get() }
    }
}

impl<A> sealed::Sealed for Write<'_, A> {}

impl<A: Send> Inputs for Write<'_, A> {
    type Held = WriteHeld<A>;

    fn hold(self, needs: &mut Needs) -> WriteHeld<A> {
        needs.cell(self.0, true);
        WriteHeld(self.0.slot)
    }
}

impl<'r, A> Given<'r> for WriteHeld<A> {
    type Given = &'r mut A;

    unsafe fn give(&'r self) -> &'r mut A {
        // SAFETY: the caller's premise.
        unsafe { self.0.get_mut() }
    }
}

impl<T> sealed::Sealed for &Node<T> {}

impl<T: Send + Sync> Inputs for &Node<T> {
    type Held = ResultHeld<T>;

    fn hold(self, needs: &mut Needs) -> ResultHeld<T> {
        needs.node(self);
        ResultHeld(self.slot)
    }
}

impl<'r, T> Given<'r> for ResultHeld<T> {
    type Given = &'r T;

    unsafe fn give(&'r self) -> &'r T {
        // SAFETY: the caller's premise.
        match unsafe { self.0.get() } {
            Some(value) => value,
            None => unreachable!("a task runs after those whose results it takes"),
        }
    }
}

impl<I: Inputs> sealed::Sealed for Vec<I> {}

impl<I: Inputs> Inputs for Vec<I> {
    type Held = Vec<I::Held>;

    fn hold(self, needs: &mut Needs) -> Vec<I::Held> {
        self.into_iter().map(|input| input.hold(needs)).collect()
    }
}

impl<'r, H: Given<'r>> Given<'r> for Vec<H> {
    type Given = Vec<H::Given>;

    unsafe fn give(&'r self) -> Vec<H::Given> {
        // SAFETY: the caller's premise.
        self.iter().map(|held| unsafe { held.give() }).collect()
    }
}

impl<I: Inputs, const N: usize> sealed::Sealed for [I; N] {}

impl<I: Inputs, const N: usize> Inputs for [I; N] {
    type Held = [I::Held; N];

    fn hold(self, needs: &mut Needs) -> [I::Held; N] {
        self.map(|input| input.hold(needs))
    }
}

impl<'r, H: Given<'r>, const N: usize> Given<'r> for [H; N] {
    type Given = [H::Given; N];

    unsafe fn give(&'r self) -> [H::Given; N] {
        // SAFETY: the caller's premise.
        std::array::from_fn(|i| unsafe { self[i].give() })
    }
}

macro_rules! tuples {
    ($($($part:ident)*;)*) => {$(
        impl<$($part: Inputs),*> sealed::Sealed for ($($part,)*) {}

        impl<$($part: Inputs),*> Inputs for ($($part,)*) {
            type Held = ($($part::Held,)*);

            #[allow(non_snake_case, unused_variables, clippy::unused_unit)]
            fn hold(self, needs: &mut Needs) -> Self::Held {
                let ($($part,)*) = self;
                ($($part.hold(needs),)*)
            }
        }

        impl<'r, $($part: Given<'r>),*> Given<'r> for ($($part,)*) {
            type Given = ($($part::Given,)*);

            #[allow(non_snake_case, clippy::unused_unit)]
            unsafe fn give(&'r self) -> Self::Given {
                let ($($part,)*) = self;
                // SAFETY: the caller's premise.
                ($(unsafe { $part.give() },)*)
            }
        }
    )*};
}

tuples! {
    ;
    A;
    A B;
    A B C;
    A B C D;
    A B C D E;
    A B C D E F;
    A B C D E F G;
    A B C D E F G H;
}

/// The tasks that access a cell and that the next task with access may have to come after.
#[derive(Default)]
pub(super) struct Uses {
    pub(super) writer: Option<u32>,
    /// The tasks added after `writer` that read the cell.
    pub(super) readers: Vec<u32>,
}

/// Whether a task would get a `&mut` together with another reference to the same cell. `accesses`:
/// cells by their numbers, and whether the task writes them.
pub(super) fn conflict(accesses: &mut [(usize, bool)]) -> bool {
    accesses.sort_unstable();
    accesses.windows(2).any(|pair| pair[0].0 == pair[1].0 && (pair[0].1 || pair[1].1))
}
