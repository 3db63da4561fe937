//! The tasks of a scope or broadcast: they borrow, are counted, and have all ended before the wait
//! for them returns.

use std::panic::resume_unwind;
use std::ptr::{self, NonNull};
use std::sync::OnceLock;

use crate::context::{CancelReason, Stop};
use crate::job::outcome::{self, Payload};
use crate::job::{AWAITED_BY_END, NO_TAG, Priority, origin_of, tag_of};
use crate::latch::count::TaskCount;
use crate::latch::{Wait, Waiter};
use crate::sleep::Event;
use crate::sync::{AtomicPtr, Ordering};
use crate::task::fifo::Fifos;
use crate::task::{Handle, Home, Kept, Panics, new_task};
use crate::worker::settings::WaitPolicy;
use crate::worker::shared::Registry;
use crate::worker::{ContextRef, JobRef, Tag, Worker, inherited_context};

/// The tasks of a scope, without its lifetimes.
pub(super) struct Tasks {
    registry: *const Registry,
    /// The worker that opened the scope, or null.
    opener: *const Worker,
    /// The worker that uses the local part of `count`: the opener. Null once the thread that opened
    /// the scope has handed off its core in the wait for the scope's end.
    local: AtomicPtr<Worker>,
    /// The scope's own isolation tag, whose parent is the opener's.
    tag: Tag,
    /// Whether the tasks have this tag until they begin, and whether they run under it. Otherwise
    /// they have its parent. (Stored, since each spawn and each beginning of a task asks.)
    is_queued_with_tag: bool,
    runs_with_tag: bool,
    /// The opener's context, which the tasks have as well. The opener waits for them.
    context: ContextRef,
    count: TaskCount,
    /// Happens when no task is left, for an opener that is no worker of the pool.
    over: Option<Event>,
    pub(super) are_cross_jobs: bool,
    /// Whether tasks are dropped if the context's token is cancelled.
    drops: bool,
    rare: OnceLock<Box<Rare>>,
}

#[derive(Default)]
struct Rare {
    /// The tasks of `spawn_fifo`.
    fifos: Fifos<Worker>,
    panics: Panics,
    /// Why tasks were dropped or stopped, if any were.
    stopped: OnceLock<CancelReason>,
}

// SAFETY: only the thread that acts as `opener` uses the local part of `count`, or, once `local` is
// null, the thread that opened the scope; `registry` and `opener` outlive the scope, which is used
// inside a call on one of them.
unsafe impl Sync for Tasks {}
// SAFETY: as above.
unsafe impl Send for Tasks {}

impl Tasks {
    /// If `drops`, a task that has not begun when the context's token is cancelled is dropped.
    // Inlined, so that it is made in its place.
    #[inline(always)]
    pub(super) fn new(registry: &Registry, opener: Option<&Worker>, drops: bool) -> Self {
        let word = opener.map_or_else(Worker::current_word, Worker::word);
        let are_cross_jobs = opener.is_none() && Worker::is_on_other_pools_thread(registry);
        let are_of_detached = are_cross_jobs && word & AWAITED_BY_END != 0;
        let owns = registry.settings.wait_policy == WaitPolicy::OwnDescendants;
        let runs_with_tag = owns || are_of_detached;
        Tasks {
            registry,
            opener: opener.map_or(ptr::null(), ptr::from_ref),
            local: AtomicPtr::new(opener.map_or(ptr::null(), ptr::from_ref).cast_mut()),
            tag: Tag::new(origin_of(word)),
            is_queued_with_tag: runs_with_tag || opener.is_some() && tag_of(word) == NO_TAG,
            runs_with_tag,
            context: opener.map_or_else(inherited_context, Worker::inherited_context),
            count: TaskCount::default(),
            over: opener.is_none().then(|| Event::new(registry.address())),
            are_cross_jobs,
            drops,
            rare: OnceLock::new(),
        }
    }

    /// Why tasks were dropped or stopped, if any were.
    #[inline]
    pub(super) fn stopped(&self) -> Option<CancelReason> {
        self.rare.get()?.stopped.get().copied()
    }

    /// The first panic that no handle has taken, for a caller that has seen all tasks end.
    #[inline]
    fn first_panic(&self) -> Option<Payload> {
        self.rare.get()?.panics.first()
    }

    fn rare(&self) -> &Rare {
        self.rare.get_or_init(Box::default)
    }

    /// Makes a task, counts it, and has `queue` queue it. A caller that needs no handle drops it in
    /// `queue` first: a worker that takes the task at once then sees that it is detached.
    ///
    /// # Safety
    /// What `closure` and its result borrow outlives the return of `wait` and the handle.
    #[inline]
    pub(super) unsafe fn spawn<T: Send, R>(
        &self,
        closure: impl FnOnce() -> T + Send,
        queue: impl FnOnce(&Registry, Option<&Worker>, JobRef, Handle<T>) -> R,
    ) -> R {
        let registry = self.registry();
        let home = ScopeHome { tasks: self };
        let spawner = registry.expect_worker();
        // SAFETY: queued below, in this registry; by the premise the borrows last until `wait` has
        // seen the last task end.
        let (job, handle) = unsafe { new_task(closure, home, registry, self.queued_tag(), None) };
        match spawner {
            Some(worker) if self.counts_locally(worker) => self.count.add_local(),
            _ => self.count.add_remote(),
        }
        outcome::run_or_abort(|| queue(registry, spawner, job, handle))
    }

    /// Pins a task, whose handle is dropped, to the worker `index`. No other worker may run it, so
    /// its tag need not tell other waits apart.
    pub(super) fn pin(&self, spawner: Option<&Worker>, job: JobRef, index: usize) {
        job.set_word(self.tag() | job.priority().bits());
        Worker::pass_priority(spawner, &job);
        self.registry().workers()[index].pinned.push(job);
    }

    #[inline]
    pub(super) fn submit(&self, spawner: Option<&Worker>, job: JobRef) {
        self.registry().submit_as(self.are_cross_jobs, spawner, job);
    }

    pub(super) fn registry(&self) -> &Registry {
        // SAFETY: see `Sync`.
        unsafe { &*self.registry }
    }

    pub(super) fn fifos(&self) -> &Fifos<Worker> {
        &self.rare().fifos
    }

    #[inline]
    fn counts_locally(&self, worker: &Worker) -> bool {
        // Relaxed: the opener's thread stores null before a hand-off, which the core's next holder
        // sees. Other workers get `false` in either case.
        ptr::eq(worker, self.local.load(Ordering::Relaxed))
    }

    /// The tag of a task until it begins. If the opener's wait is free, that is the scope's own:
    /// when the wait counts as restricted (lemma 2 of `worker/hand_off.rs`), it finds the tasks by
    /// this tag.
    #[inline]
    fn queued_tag(&self) -> usize {
        if self.is_queued_with_tag { self.tag.address() } else { self.tag.parent() }
    }

    /// The tag that the tasks run under: the opener's, or their own if they are part of a detached
    /// task of another pool, and under `OwnDescendants`, to tell them from the opener's other work.
    fn tag(&self) -> usize {
        if self.runs_with_tag { self.tag.address() } else { self.tag.parent() }
    }

    /// Gives a new task the scope's own tag until it begins, so that no other restricted wait may
    /// run it. (If the scope's tasks have no tag, none may run them anyway.)
    pub(super) fn set_apart(&self, job: &JobRef) {
        if tag_of(self.tag()) != NO_TAG {
            job.set_word(self.tag.address() | job.priority().bits());
        }
    }

    pub(super) fn wait(&self) {
        let Some(over) = &self.over else {
            // SAFETY: see `Sync`. There is an opener if there is no event.
            return unsafe { &*self.opener }.wait_until(self);
        };
        over.wait(|| {
            let waits = self.count.register_waker();
            if waits {
                self.registry().abort_if_lost();
            }
            waits
        });
    }

    /// Returns `value`, or resumes the first panic that no handle has taken.
    pub(super) fn result<R>(&self, value: R) -> R {
        let Some(first) = self.first_panic() else {
            return value;
        };
        outcome::discard(value);
        resume_unwind(first)
    }

    /// Of the opener's panic and the first one that no handle has taken, returns the one to resume.
    pub(super) fn panic_or(&self, own: Payload) -> Payload {
        let theirs = self.first_panic();
        match (theirs, own.is::<Stop>()) {
            (Some(panic), true) => panic,
            (theirs, _) => {
                outcome::discard(theirs);
                own
            }
        }
    }
}

impl Wait for Tasks {
    fn done(&self) -> bool {
        self.count.done()
    }

    fn register_waker(&self) -> bool {
        self.count.register_waker()
    }

    fn leave_core(&self) {
        self.local.store(ptr::null_mut(), Ordering::Relaxed);
    }

    /// The tag of tasks that have the scope's own. (The waiting opener may run the others by its
    /// own tag.)
    fn tag(&self) -> Option<usize> {
        Some(self.tag.address())
    }
}

#[derive(Clone, Copy)]
struct ScopeHome {
    tasks: *const Tasks,
}

impl ScopeHome {
    fn panics(&self) -> &Panics {
        // SAFETY: the caller is a task, for which the scope waits, or a handle, which cannot be
        // used after the scope.
        unsafe { &(*self.tasks).rare().panics }
    }
}

impl Home for ScopeHome {
    const HAS_TAG: bool = true;

    #[inline]
    fn context(self) -> ContextRef {
        // SAFETY: the scope waits for the task.
        unsafe { (*self.tasks).context }
    }

    #[inline]
    fn detached_begins(self, worker: &Worker) {
        // SAFETY: as in `context`.
        let tasks = unsafe { &*self.tasks };
        let word = worker.word();
        // (The worker resets its tag when the task ends.)
        if tag_of(word) == tasks.tag.address() && !tasks.runs_with_tag {
            worker.set_word(tasks.tag.parent() | Priority::bits_of(word));
        }
    }

    #[inline]
    fn cancelled(self, context: ContextRef, _: &Registry) -> Option<CancelReason> {
        // SAFETY: the opener's context outlives the scope.
        let context = unsafe { context.as_ref() }?;
        // SAFETY: as in `context`.
        if unsafe { (*self.tasks).drops } { context.cancelled() } else { None }
    }

    fn task_stopped(self, reason: CancelReason) {
        // SAFETY: as in `context`.
        let stopped = unsafe { &(*self.tasks).rare().stopped };
        // The first reason stays.
        let _ = stopped.set(reason);
    }

    fn take_panic(self, payload: Payload, _: &Registry) {
        self.panics().keep(payload);
    }

    fn keep_panic(self, payload: Payload, _: &Registry) -> Kept {
        let panics = self.panics();
        Kept::ByScope(Box::new((NonNull::from(panics), panics.keep(payload))))
    }

    fn task_dropped(self, worker: &Worker) {
        // SAFETY: the scope waits for this task, which counts.
        let tasks = unsafe { &*self.tasks };
        let has_thieves = worker.registry().workers().len() > 1;
        match has_thieves && tasks.counts_locally(worker) {
            true => tasks.count.drop_local(),
            false => self.task_ended(worker),
        }
    }

    #[inline]
    fn task_ended(self, worker: &Worker) {
        // SAFETY: the scope waits for this task until the task no longer counts, see below.
        let tasks = unsafe { &*self.tasks };
        if tasks.counts_locally(worker) {
            return tasks.count.end_local();
        }
        let opener = tasks.opener;
        // SAFETY: the task is counted.
        if unsafe { TaskCount::end_remote(&raw const tasks.count) } == Waiter::Awake {
            return;
        }
        if opener.is_null() {
            let over = tasks.over.as_ref().map(ptr::from_ref);
            // SAFETY: only this call makes the event happen. Until then, the opener waits for it
            // and keeps the scope alive.
            over.into_iter().for_each(|over| unsafe { Event::happen(over) });
        } else {
            // SAFETY: the scope may be gone, but its opener is a worker of this pool, and the
            // registry with all its workers outlives what a worker runs.
            let opener = unsafe { (*opener).index() };
            worker.sleep().wake_blocked(opener, self.tasks.addr());
        }
    }
}
