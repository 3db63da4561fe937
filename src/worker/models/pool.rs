//! The pool of a model, its jobs, and the threads that act as its workers.
#![allow(unsafe_code)]

use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use loom::thread::{self, JoinHandle};

use crate::job::{NO_TAG, Priority};
use crate::sleep::counts::Counts;
use crate::sleep::{CoreThread, Sleep};
use crate::worker::handlers::Handlers;
use crate::worker::join_job::JoinJob;
use crate::worker::settings::{Settings, TaskOrder, WaitPolicy};
use crate::worker::shared::Registry;
use crate::worker::{Acting, Header, JobRef, Table, Tag, Worker};

/// A thread of a pool at the bottom of its stack.
pub(super) type Thread = Arc<CoreThread>;

/// Runs a model under every schedule.
pub(super) fn check(model: impl Fn() + Send + Sync + 'static) {
    check_within(usize::MAX, model);
}

/// The same with at most `preemptions`, where more would take too long.
pub(super) fn check_within(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.map(|most| most.min(preemptions));
    builder.max_branches = builder.max_branches.max(5_000);
    builder.check(model);
}

#[derive(Clone)]
pub(super) struct Pool {
    registry: Arc<Registry>,
    /// How many of the model's jobs each worker has run. (Read by the thread that counts.)
    ran: Arc<[AtomicUsize]>,
    tag: Arc<Tag>,
}

// SAFETY: a model has one thread to the system, and its tag is not written any more.
unsafe impl Send for Pool {}

impl Pool {
    pub(super) fn new(workers: usize) -> Self {
        Self::with_spare_threads(workers, 1)
    }

    pub(super) fn with_spare_threads(workers: usize, most: usize) -> Self {
        let settings = Settings {
            injector_interval: 64,
            wait_policy: WaitPolicy::AnyWork,
            task_order: TaskOrder::NewestFirst,
            lends_cores: true,
            stack_size: None,
            max_spare_threads: most,
            max_blocking_threads: most,
            times_workers: false,
            task_times: 0,
            max_queued: None,
            simulation: None,
        };
        let registry = Registry::new(workers, Handlers::default(), settings);
        (0..workers).for_each(|_| registry.thread_starts());
        let ran = (0..workers).map(|_| AtomicUsize::new(0)).collect();
        Pool { registry, ran, tag: Arc::new(Tag::new(NO_TAG)) }
    }

    pub(super) fn registry(&self) -> &Registry {
        &self.registry
    }

    pub(super) fn sleep(&self) -> &Sleep {
        self.registry.sleep()
    }

    pub(super) fn worker(&self, index: usize) -> &Worker {
        &self.registry.workers()[index]
    }

    /// Starts a thread beside the model's first one.
    pub(super) fn start(&self, act: impl FnOnce(&Pool) + 'static) -> JoinHandle<()> {
        let pool = self.clone();
        thread::spawn(move || act(&pool))
    }

    pub(super) fn nobody_is_counted(&self) {
        assert_eq!(self.sleep().counts(), Counts(0));
    }

    /// An isolation tag.
    pub(super) fn tag(&self) -> usize {
        self.tag.address()
    }

    /// Calls `act` as worker `index`.
    pub(super) fn act_as(&self, index: usize, act: impl FnOnce(&Worker)) {
        let worker = self.worker(index);
        let _acting = Acting::start(worker);
        act(worker);
    }

    /// The same within the isolation tag.
    pub(super) fn within_tag(&self, index: usize, act: impl FnOnce(&Worker)) {
        self.act_as(index, |worker| worker.within(self.tag(), || act(worker)));
    }

    /// How many jobs a worker has run, which has ended.
    pub(super) fn ran(&self, index: usize) -> usize {
        self.ran[index].load(Ordering::Relaxed)
    }

    /// Ends the pool, of which there are only spare threads.
    pub(super) fn end(&self) {
        self.registry.begin_end(false);
        self.registry.take_spare_threads().into_iter().for_each(|thread| thread.join());
    }

    /// A broadcast to one worker only.
    pub(super) fn send(&self, to: usize) {
        self.worker(to).pinned.push(self.job());
        self.sleep().wake_for_pinned(to);
    }

    pub(super) fn inject(&self) {
        self.inject_at(Priority::Normal);
    }

    pub(super) fn inject_at(&self, priority: Priority) {
        let job = self.job();
        job.set_priority(priority);
        self.registry.inject(job);
    }

    /// A job that is counted.
    pub(super) fn job(&self) -> JobRef {
        self.job_of(NO_TAG, |_| ())
    }

    /// The same, with an isolation tag, and with something to do.
    pub(super) fn job_of(&self, tag: usize, act: impl FnOnce(&Worker) + 'static) -> JobRef {
        let ran = self.ran.clone();
        new_job(tag, move |worker| {
            act(worker);
            ran[worker.index()].fetch_add(1, Ordering::Relaxed);
        })
    }

    /// Forks on worker `index`, as which the caller acts.
    pub(super) fn fork(&self, index: usize) {
        let (worker, ran) = (self.worker(index), self.ran.clone());
        let run = move |_| {
            let runner = Worker::current().expect("a worker runs it");
            ran[runner.index()].fetch_add(1, Ordering::Relaxed);
        };
        // It is never taken back.
        let job = Box::leak(Box::new(JoinJob::new(worker.as_current(), run)));
        // SAFETY: the worker is alive.
        let slot = unsafe { &*worker.as_current() }.push(job.head());
        slot.unwrap_or_else(|| worker.fork_slow(job.head()));
    }

    /// Spawns a task on worker `index`, as which the caller acts, in a job of `priority`.
    pub(super) fn spawn_at(&self, priority: Priority, index: usize) {
        let worker = self.worker(index);
        worker.at_priority(priority, || self.registry.submit(Some(worker), self.job()));
    }

    pub(super) fn push_task(&self, index: usize) {
        self.worker(index).push_task(self.job());
    }

    /// The main loop of a worker's thread, until it has run a job, or the pool ends.
    pub(super) fn run_one(&self, me: &Thread) {
        let worker = self.worker(me.core);
        let _acting = Acting::start(worker);
        while self.ran(me.core) == 0 && worker.step(me) {}
    }
}

/// A job of the models'.
#[repr(C)]
struct Job<F> {
    header: Header,
    run: F,
}

fn new_job<F: FnOnce(&Worker) + 'static>(tag: usize, run: F) -> JobRef {
    let table = const { &Table::new(execute::<F>, || "a job of a model") };
    // SAFETY: the table is made for this type, whose first field is the header.
    let mut header = unsafe { Header::new(NonNull::from(table)) };
    header.set_word(tag);
    let job = Box::leak(Box::new(Job { header, run }));
    // SAFETY: it lives until it is run; a model has one thread to the system; the tag is set; there
    // is one reference.
    unsafe { JobRef::new(NonNull::from(job).cast()) }
}

/// # Safety
/// As `JobRef::execute`; the job is a `Job<F>`.
unsafe fn execute<F: FnOnce(&Worker)>(job: JobRef, worker: &Worker) {
    // SAFETY: made by `new_job`, and run once.
    let job = unsafe { Box::from_raw(job.cast::<Job<F>>().as_ptr()) };
    (job.run)(worker);
}
