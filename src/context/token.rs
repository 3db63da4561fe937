//! `CancelToken`, which tells running work that its result is no longer wanted.
//!
//! # States
//! The state of a token is [`RUNNING`], [`TIMED`] or a reason, in one word. It changes once, to a
//! reason. A token has weak references to its children, and passes its cancellation on to them. It
//! has strong references to its parents, since a dropped parent could not pass a cancellation on. A
//! deadline need not be passed on, since a child's deadline is no later than its parents'.
//!
//! # Lemmas
//! 1. *A child of a cancelled token is cancelled.* `cancel` sets the state, and then takes the
//!    children under the lock. `child_of` looks at the state and adds the child under the lock. So
//!    `cancel` finds the child, or `child_of` finds the state. Model:
//!    `a_child_that_is_made_while_its_parent_is_cancelled_is_cancelled`.
//! 2. *A token has one reason*, since only a compare-exchange sets it.
//! 3. *No stack grows with the depth of a tree*: neither `cancel` nor the drop of a token recurses.

use std::error::Error;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crate::sim;
use crate::sync::{AtomicU32, Mutex, Ordering};

/// Not cancelled, and without a deadline.
const RUNNING: u32 = 0;
/// Not cancelled, with a deadline.
const TIMED: u32 = 1;
/// The first of the reasons.
const CANCELLED: u32 = 2;

/// A request to stop. Any thread can make it, once.
///
/// Clones refer to the same token. A token is cancelled by [`cancel`](Self::cancel), by its
/// [deadline](Self::with_deadline), or together with the token whose [child](Self::child) it is. It
/// stays cancelled.
///
/// Work inherits the token of the [region](crate::scope_with) that it is in. The docs of
/// `scope_with` say which work then stops by itself. Other work has to call
/// [`is_cancelled`](crate::is_cancelled()) where it can stop.
///
/// A thread that finds the token cancelled sees all that was written before
/// [`cancel`](Self::cancel).
///
/// ```
/// use filch::CancelToken;
///
/// let token = CancelToken::new();
/// let worker = filch::spawn({
///     let token = token.clone();
///     move || {
///         let mut rounds = 0_u64;
///         while !token.is_cancelled() {
///             rounds += 1;
///             filch::yield_now();
///         }
///         rounds
///     }
/// });
/// token.cancel();
/// worker.join().unwrap();
/// ```
#[derive(Clone)]
pub struct CancelToken(Arc<Node>);

struct Node {
    state: AtomicU32,
    deadline: Option<Deadline>,
    children: Mutex<Vec<Weak<Node>>>,
    parents: [Option<Arc<Node>>; 2],
}

impl CancelToken {
    /// Returns a token that is not cancelled.
    #[must_use]
    pub fn new() -> Self {
        Self::child_of([None, None], None)
    }

    /// Returns a token that is cancelled as soon as this one is. Cancelling the child does not
    /// cancel this token.
    ///
    /// The cost is an allocation, and a lock of this token.
    ///
    /// ```
    /// let all = filch::CancelToken::new();
    /// let [one, other] = [all.child(), all.child()];
    /// one.cancel();
    /// assert!(one.is_cancelled() && !all.is_cancelled() && !other.is_cancelled());
    /// all.cancel();
    /// assert!(other.is_cancelled());
    /// ```
    pub fn child(&self) -> Self {
        Self::child_of([Some(self), None], None)
    }

    /// Returns a [child](Self::child) that is cancelled at `deadline`, if not earlier.
    ///
    /// No thread watches the clock. Each check of the token reads it instead, which costs some 30
    /// nanoseconds. If the deadline is in the past, the child is cancelled from the start.
    ///
    /// In a deterministic pool, see [`with_timeout`](Self::with_timeout).
    pub fn with_deadline(&self, deadline: Instant) -> Self {
        let left = deadline.saturating_duration_since(Instant::now());
        Self::child_of([Some(self), None], Some(Deadline::new(Some(deadline), left)))
    }

    /// Returns a [child](Self::child) that is cancelled after `timeout`, if not earlier: see
    /// [`with_deadline`](Self::with_deadline).
    ///
    /// On threads of a [deterministic pool](crate::ThreadPoolBuilder), the real clock does not
    /// count, so that a run can be repeated. There, each check of this token advances its clock by
    /// a microsecond.
    ///
    /// ```
    /// use std::time::Duration;
    /// use filch::{CancelReason, CancelToken};
    ///
    /// let late = CancelToken::new().with_timeout(Duration::ZERO);
    /// assert_eq!(late.reason(), Some(CancelReason::Deadline));
    /// ```
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        let deadline = Instant::now().checked_add(timeout);
        Self::child_of([Some(self), None], Some(Deadline::new(deadline, timeout)))
    }

    /// A token that is cancelled if this one or `outer` is.
    pub(crate) fn or(&self, outer: Option<&CancelToken>) -> Self {
        match outer {
            Some(outer) if outer.is_below(self) => outer.clone(),
            Some(outer) if !self.is_below(outer) => Self::child_of([Some(self), Some(outer)], None),
            _ => self.clone(),
        }
    }

    fn child_of(parents: [Option<&CancelToken>; 2], deadline: Option<Deadline>) -> Self {
        let known = parents.iter().flatten().filter_map(|parent| parent.0.deadline.as_ref());
        let deadline = known.map(Deadline::left_over).chain(deadline).reduce(Deadline::earlier);
        let is_past = deadline.as_ref().is_some_and(|deadline| deadline.left_in_simulation() == 0);
        let state = match (&deadline, is_past) {
            (None, _) => RUNNING,
            (Some(_), false) => TIMED,
            (Some(_), true) => CancelReason::Deadline.code(),
        };
        let child = CancelToken(Arc::new(Node {
            state: AtomicU32::new(state),
            deadline,
            children: Mutex::new(Vec::new()),
            parents: parents.map(|parent| parent.map(|parent| parent.0.clone())),
        }));
        for parent in parents.into_iter().flatten() {
            if let Some(reason) = parent.0.adopt(&child.0) {
                child.cancel_with_reason(reason);
            }
        }
        child
    }

    /// Asks all work under this token to stop, and does not wait for that.
    ///
    /// The cost is a compare-exchange and a lock, for this token and each one below it.
    pub fn cancel(&self) {
        self.cancel_with_reason(CancelReason::Requested);
    }

    /// Like [`cancel`](Self::cancel), for another reason. If the token is cancelled already, the
    /// first reason stays.
    pub fn cancel_with_reason(&self, reason: CancelReason) {
        let mut below = match self.0.set(reason) {
            true => self.0.take_children(),
            false => return,
        };
        while let Some(child) = below.pop() {
            if let Some(child) = child.upgrade().filter(|child| child.set(reason)) {
                below.append(&mut child.take_children());
            }
        }
    }

    /// Returns whether the token is cancelled. The cost is one load, and a look at the clock if
    /// there is a deadline.
    #[inline]
    pub fn is_cancelled(&self) -> bool {
        // Acquire: matches the Release in `set`.
        match self.0.state.load(Ordering::Acquire) {
            RUNNING => false,
            TIMED => self.is_late(),
            _ => true,
        }
    }

    #[cold]
    fn is_late(&self) -> bool {
        let is_late = self.0.deadline.as_ref().is_some_and(Deadline::has_passed);
        if is_late {
            self.cancel_with_reason(CancelReason::Deadline);
        }
        is_late
    }

    /// Returns why the token is cancelled, or `None` if it is not.
    #[inline]
    pub fn reason(&self) -> Option<CancelReason> {
        if !self.is_cancelled() {
            return None;
        }
        // Relaxed: the load above has acquired it, or this thread has set it.
        Some(CancelReason::of_code(self.0.state.load(Ordering::Relaxed)))
    }

    /// Returns an error if the token is cancelled.
    ///
    /// # Errors
    /// Returns [`Cancelled`], with the [reason](Self::reason).
    #[inline]
    pub fn check(&self) -> Result<(), Cancelled> {
        self.reason().map_or(Ok(()), |reason| Err(Cancelled { reason }))
    }

    /// Returns the earliest deadline of this token and those above it.
    pub fn deadline(&self) -> Option<Instant> {
        self.0.deadline.as_ref()?.at
    }

    /// Returns a guard that cancels this token when the guard is dropped, for example with the
    /// future of a request whose connection is closed. (The name is tokio-util's.)
    ///
    /// ```
    /// let token = filch::CancelToken::new();
    /// drop(token.clone().drop_guard());
    /// assert!(token.is_cancelled());
    /// ```
    pub fn drop_guard(self) -> DropGuard {
        DropGuard(Some(self))
    }

    /// Returns whether this token is `other` or below it. Looks at 16 tokens at most. (If `other`
    /// is farther up, `or` makes a token that it does not need.)
    fn is_below(&self, other: &CancelToken) -> bool {
        let mut open = vec![&self.0];
        for _ in 0..16 {
            let Some(node) = open.pop() else { return false };
            if Arc::ptr_eq(node, &other.0) {
                return true;
            }
            open.extend(node.parents.iter().flatten());
        }
        false
    }
}

/// Cancels its token when it is dropped: see [`CancelToken::drop_guard`].
#[derive(Debug)]
#[must_use = "it cancels the token when it is dropped"]
pub struct DropGuard(Option<CancelToken>);

impl DropGuard {
    /// Returns the token without cancelling it.
    pub fn disarm(mut self) -> CancelToken {
        self.0.take().expect("only this function takes it")
    }
}

impl Drop for DropGuard {
    fn drop(&mut self) {
        if let Some(token) = &self.0 {
            token.cancel();
        }
    }
}

impl Node {
    /// Sets the reason. Returns `false` if there is one already.
    fn set(&self, reason: CancelReason) -> bool {
        let running = |state| (state < CANCELLED).then_some(reason.code());
        // Release: matches the Acquire in `is_cancelled`.
        self.state.fetch_update(Ordering::Release, Ordering::Relaxed, running).is_ok()
    }

    fn take_children(&self) -> Vec<Weak<Node>> {
        std::mem::take(&mut *self.children.lock())
    }

    /// Adds a child, or returns the reason why this is cancelled.
    fn adopt(&self, child: &Arc<Node>) -> Option<CancelReason> {
        let mut children = self.children.lock();
        // Acquire: as in `is_cancelled`. The lock orders it with `take_children` (lemma 1).
        let state = self.state.load(Ordering::Acquire);
        if state >= CANCELLED {
            return Some(CancelReason::of_code(state));
        }
        if children.len() == children.capacity() {
            // So the list grows to about four times the most children alive at once, at most.
            children.retain(|child| child.strong_count() > 0);
            let alive = children.len();
            children.reserve(alive.max(4));
        }
        children.push(Arc::downgrade(child));
        None
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let [mut next, other] = std::mem::take(&mut self.parents);
        let mut others = Vec::from_iter(other);
        while let Some(parent) = next.take().or_else(|| others.pop()) {
            if let Some(mut last) = Arc::into_inner(parent) {
                let [first, second] = std::mem::take(&mut last.parents);
                next = first;
                others.extend(second);
            }
        }
    }
}

impl Default for CancelToken {
    fn default() -> Self {
        CancelToken::new()
    }
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelToken").field("reason", &self.reason()).finish_non_exhaustive()
    }
}

struct Deadline {
    /// `None` if the clock cannot reach it.
    at: Option<Instant>,
    /// How many microseconds are left in a simulation.
    left: AtomicU32,
}

impl Deadline {
    fn new(at: Option<Instant>, left: Duration) -> Self {
        let micros = left.as_nanos().div_ceil(1_000);
        Deadline { at, left: AtomicU32::new(u32::try_from(micros).unwrap_or(u32::MAX)) }
    }

    fn left_in_simulation(&self) -> u32 {
        self.left.load(Ordering::Relaxed)
    }

    fn left_over(&self) -> Self {
        Deadline { at: self.at, left: AtomicU32::new(self.left_in_simulation()) }
    }

    fn earlier(self, other: Deadline) -> Self {
        let at = self.at.into_iter().chain(other.at).min();
        let left = self.left_in_simulation().min(other.left_in_simulation());
        Deadline { at, left: AtomicU32::new(left) }
    }

    fn has_passed(&self) -> bool {
        if sim::takes_turns() {
            let left = self.left_in_simulation();
            self.left.store(left.saturating_sub(1), Ordering::Relaxed);
            return left <= 1;
        }
        self.at.is_some_and(|at| Instant::now() >= at)
    }
}

/// Why work was cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CancelReason {
    /// [`CancelToken::cancel`] was called, or a method of a handle or a set that cancels.
    Requested,
    /// A deadline has passed.
    Deadline,
    /// The pool has ended or was shut down, or the program ends.
    Shutdown,
    /// The [completer](crate::completer) that owed the result was dropped.
    Dropped,
}

impl CancelReason {
    /// In the order of their codes.
    pub(crate) const ALL: [Self; 4] =
        [Self::Requested, Self::Deadline, Self::Shutdown, Self::Dropped];

    fn code(self) -> u32 {
        CANCELLED + self as u32
    }

    fn of_code(code: u32) -> Self {
        Self::ALL[(code - CANCELLED) as usize]
    }
}

impl fmt::Display for CancelReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CancelReason::Requested => "it was requested",
            CancelReason::Deadline => "the deadline has passed",
            CancelReason::Shutdown => "the pool or the program ends",
            CancelReason::Dropped => "its completer was dropped",
        })
    }
}

/// The error of work that was stopped because its [`CancelToken`] was cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cancelled {
    reason: CancelReason,
}

impl Cancelled {
    /// Returns why the token was cancelled.
    pub fn reason(self) -> CancelReason {
        self.reason
    }
}

impl From<CancelReason> for Cancelled {
    fn from(reason: CancelReason) -> Self {
        Cancelled { reason }
    }
}

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cancelled before the end: {}", self.reason)
    }
}

impl Error for Cancelled {}
