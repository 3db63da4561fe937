//! Which workers sleep and which are woken: the workers' cores, an event count, and the proof that
//! no wake-up is lost.
//!
//! # States
//! A *core* is the right to act as a worker: to use the owner's side of its queues. Each core is in
//! one of five states:
//!
//! ```text
//!            search                park
//!   BUSY ------------> FREE -----------------> PARKED
//!     ^   take, lend      |      (lock)          |
//!     |<------------------+                      |
//!     |         wake, leave, lend, take back (lock)
//!     |<-----------------------------------------+
//!     |  hand off, give back (lock)
//!     +-----------> PARKED, or FREE if its looker has not seen that the core was lent
//!     |  block (lock)
//!     +-----------> BLOCKED, RESTRICTED ---> BUSY: wake, leave (lock)
//! ```
//!
//! - `BUSY`: a thread has the core and works, or has just been given it.
//! - `FREE`: its thread, the *looker*, is in the main loop and only looks for work. The looker or a
//!   borrower takes the core by swapping `FREE` for `BUSY`.
//! - `PARKED`: its threads sleep at the bottom of their stacks. The core is in the list.
//! - `BLOCKED`: its holder sleeps inside a wait. The core is in the list.
//! - `RESTRICTED`: its holder sleeps inside a restricted wait (`worker/wait.rs`), which may run
//!   only jobs of some isolation tags, or only guests. The core is in a list of its own, with these
//!   tags. Other work does not wake it.
//!
//! Transitions to and from `PARKED`, `BLOCKED` and `RESTRICTED` happen under the list's lock,
//! together with the change of the counts, and of the threads that do not have the core
//! (`hand_off.rs`).
//!
//! # The event count
//! A worker that looks for work counts as a *searcher*; one that has given up counts as *parked*.
//! One parked worker, the *sentry*, looks around every [`NAP`] while other workers fork. A
//! publisher wakes no worker while there is a searcher or a sentry. So a tiny parallel section that
//! follows another costs no wake-up, and a long one gets its helpers within a nap.
//!
//! A thread from outside that waits for a job may be the sentry for a moment, if the last such jobs
//! did not take long (`worker/callers.rs`). Such a sentry does not look. It says how many awake
//! workers are *enough*: a publisher relies on it only if so many are awake.
//!
//! A searcher that has found a job wakes up to two more workers if more jobs are public than there
//! are searchers left. So n workers are awake after log n steps. If long jobs are expected, a worker
//! that is about to run one wakes a searcher for each of its public jobs, up to six.
//!
//! A worker parks in three steps:
//! 1. *announce*: it counts itself as parked, no longer as a searcher, and issues a
//!    `fence(SeqCst)`;
//! 2. *re-check*: it looks at every queue, and at what it waits for. If it sees work, it takes the
//!    announcement back;
//! 3. *commit*: it parks on its parker, which keeps a token that was given early.
//!
//! A publisher (a) pushes; (b) does its queue's part of the handshake, a SeqCst read-modify-write
//! (`queue/join_queue.rs`, `queue/spawn_queue.rs`) or a `fence(SeqCst)`; (c) reads the counts,
//! SeqCst, and wakes a worker if one is parked and none searches or is the sentry.
//!
//! # Invariant
//! If a job is public and a worker is parked, then a worker searches or is the sentry, or some
//! thread is about to look at all queues after a fence that follows the push.
//!
//! # Lemmas
//! 1. *A publisher and a worker that parks do not miss each other.* (b) and the fence of step 1 are
//!    ordered. If (b) is first, the re-check sees the job. If not, (c) sees the worker parked.
//!    Models: `a_fork_finds_a_worker`, `a_task_finds_a_worker`,
//!    `a_job_from_outside_finds_a_worker`, `a_pinned_job_finds_its_worker`,
//!    `a_reinjected_job_finds_a_worker`. (A core that is parked when its pool is built needs no
//!    re-check, since nothing is published before. Model:
//!    `a_job_finds_a_thread_that_has_just_been_started`.)
//! 2. *A publisher may rely on a searcher or the sentry.* There are two ways in which such a worker
//!    stops looking. First, a searcher may park, or the sentry may resign, by the first two steps
//!    above. Its fence follows (b), since (c) still saw it looking, and so it sees the job. Second,
//!    it may find a job. If no other worker looks then, it issues a fence, looks at all queues and
//!    for private forks (`queue/join_queue.rs`, "Force"), and wakes a worker if it sees a job
//!    ([`Sleep::stop_searching`]). A sentry from outside resigns in the second way
//!    ([`Sleep::stop_watching`]), unless it leaves a searcher behind. Models:
//!    `the_last_searcher_wakes_another_for_a_fork`,
//!    `the_last_searcher_wakes_another_for_a_task`,
//!    `the_last_searcher_wakes_another_for_a_job_from_outside`,
//!    `a_sentry_from_outside_wakes_a_worker_for_a_fork`,
//!    `a_sentry_from_outside_wakes_a_worker_for_a_task`, `a_sentry_from_outside_is_not_woken`.
//! 3. *The re-check may leave out parked cores.* Their queues are empty. Their next holder issues a
//!    fence before it publishes ([`Sleep::unparked`]). If the re-check saw the core parked, that
//!    fence follows the one of step 1, and (c) sees the worker parked. Models:
//!    `a_task_of_a_worker_just_woken_finds_another`, `a_fork_of_a_worker_just_woken_finds_another`,
//!    `a_task_of_a_borrower_finds_another`,
//!    `the_borrower_of_the_sentrys_core_wakes_another_for_a_task`.
//! 4. *A job finds a restricted wait that may run it.* A worker in a restricted wait goes through
//!    the same steps, with a count of its own. In step 2 it takes a job that it may run. A thread
//!    that makes a job visible, whether the job is new or was moved, wakes the waiters that may run
//!    jobs with this job's tag. Under `WaitPolicy::OwnDescendants`, it wakes those that wait for
//!    any of the job's ancestors. If it moved the job, it also wakes those that wait for the job
//!    itself. (Step 2 takes at most one job from each of some other workers. The jobs behind that
//!    one are left to their owner, which runs them, or reinjects them before it sleeps.) Models:
//!    `a_task_finds_a_restricted_wait`,
//!    `a_job_from_outside_finds_a_restricted_wait`.
//! 5. *A guest finds a worker.* Its publisher wakes a parked worker, unless some worker searches.
//!    If no worker is parked, it wakes one in a restricted wait that takes guests. Each such worker
//!    either may run any guest, or hands off its core to a thread that may, and it looks at the
//!    guests in step 2. If it finds another job first, it wakes the next worker for the guests that
//!    are left. Models:
//!    `a_guest_finds_a_worker_that_waits_elsewhere`,
//!    `a_core_that_was_handed_off_for_a_guest_is_passed_on`.
//! 6. *A job finds a worker even if all workers are in restricted waits.* This is needed only if a
//!    thread without a core waits for its own pool, since that thread may need the job. The last
//!    worker to enter a restricted wait looks for any work in step 2. A publisher from outside
//!    wakes one of the workers in (c), and that worker hands off its core. (A worker that publishes
//!    looks for work itself before it sleeps. A thread that hands off its core is counted before
//!    its fence, and the core that it leaves is not restricted.) Model:
//!    `a_job_from_outside_finds_a_worker_where_all_waits_are_restricted`.
//! 7. *A waiter is woken.* It registers in its latch before step 1, and probes the latch in step 2.
//!    The setter of the latch sees the registration, takes the list's lock, and wakes the waiter if
//!    its core is `BLOCKED` or `RESTRICTED`. If the core is not in one of these states yet, the
//!    waiter takes the lock after the setter, and its probe sees that the latch is set.
//!    Models: `a_worker_that_is_blocked_is_woken`, `a_worker_in_a_restricted_wait_is_woken`.
//! 8. *A core has one holder.* It changes hands under the lock, or by the swap from `FREE`. Models:
//!    `no_two_threads_hold_a_core`, `a_core_that_was_lent_is_handed_off`,
//!    `a_thread_that_wants_its_core_back_gets_it`.
//! 9. *What is left on a core that changes hands is run.*
//!    Models: `a_task_is_run_though_the_core_was_lent`,
//!    `a_pinned_job_is_run_though_the_core_was_lent`,
//!    `a_pinned_job_is_run_though_the_holder_hands_off_the_core`,
//!    `a_spare_thread_runs_a_task_that_is_left`, `a_spare_thread_runs_a_job_from_outside`.
//!
//! 10. *A pinned job finds its worker.* A thread that wakes a worker for such a job does (b) after
//!     the push, even if another thread pushed it (`relay.rs`). In (c) it reads the state of that
//!     worker: the worker sees the job in step 2, or is woken.
//!     Models: `a_pinned_job_finds_its_worker`, `a_pinned_job_finds_its_worker_by_another`.
//!
//! The end of a pool is in `worker/shared.rs`.
//!
//! # What it is worth
//! What a row takes without it, as a multiple of what it takes with it: medians by
//! `benches/ablation/run`, on two shared virtual cores. (CPU time is given only where threads
//! sleep, since the time of other threads is accounted for too late.)
//!
//! | without | row | threads | time | CPU time |
//! | --- | --- | ---: | ---: | ---: |
//! | `sentry` | loops between joins of empty closures | 2 | 1.88 | – |
//! |  | tree sum, 1,023 nodes, installed | 2 | 1.53 | – |
//! | `quiet-nap`: its early end | 16 items of 1 µs every ms | 8 | 1.04 | 7.10 |
//! |  | 64 items of 5 µs every 5 ms | 8 | 0.99 | 2.29 |
//! | `search-limit`: at most half search | 20,000 short, then 16 that sleep | 8 | 1.42 | 1.16 |
//! |  | tree sum, 1,023 nodes, outside | 2 | 1.23 | – |
//! | `helper`: one more woken from outside | 64 items of 5 µs every 5 ms | 8 | 1.02 | 1.37 |

mod counts;
mod hand_off;
mod relay;

use std::sync::Arc;
use std::time::Duration;

use crossbeam_utils::CachePadded;

pub(crate) use counts::{Counts, MAX_WORKERS};
use counts::{PARKED as ONE_PARKED, SEARCHER, SENTRY};
pub(crate) use hand_off::OffCore;
use hand_off::OffCores;
pub(crate) use relay::Relay;

use crate::sync::{
    AtomicU32, AtomicUsize, ExactSleeps, Generation, Mutex, MutexGuard, Ordering, Parker, fence,
    seq_cst_is_enough,
};

pub(crate) use crate::latch::{ANY_TAG, NO_TAG};

/// How long the sentry sleeps between two looks. A shorter time costs more processor time, a longer
/// one delays help for a section that has begun.
pub(crate) const NAP: Duration = Duration::from_micros(10);
/// Whether the system ends so short a sleep on time. Other systems may take 15 milliseconds, during
/// which a publisher would rely on the sentry.
const HAS_SHORT_NAPS: bool = cfg!(any(target_os = "linux", loom));
/// After how many looks in vain the sentry resigns: about a quarter of a millisecond. With more, a
/// serial phase would be slowed down for longer; with fewer, each of many sections in quick
/// succession would pay for a wake-up.
const NAPS: u32 = if cfg!(loom) { 1 } else { 16 };
/// For how many of these a look counts if no worker has forked since the last.
const QUIET_NAP: u32 = NAPS;

/// In the place of the sentry's core: a thread from outside that waits for a job.
const OUTSIDE: usize = usize::MAX;

const BUSY: u32 = 0;
const FREE: u32 = 1;
const PARKED: u32 = 2;
const BLOCKED: u32 = 3;
const RESTRICTED: u32 = 4;

struct Core {
    state: AtomicU32,
    /// How many threads have handed off the core, and how many of these want it back. Written under
    /// the list's lock.
    off: AtomicU32,
    returning: AtomicU32,
    /// Where the core's holder sleeps inside a wait.
    wait: Parker,
}

struct List {
    /// The cores in `PARKED` and `BLOCKED`, the latest last.
    parked: Vec<usize>,
    /// The core of them whose worker is the sentry, or [`OUTSIDE`].
    sentry: Option<usize>,
    /// The cores in `RESTRICTED`.
    restricted: Vec<Restricted>,
    /// For each core, the threads that do not have it.
    off: Box<[OffCores]>,
}

/// A worker in a restricted wait.
struct Restricted {
    core: usize,
    /// The isolation tags of what it may run.
    tags: [Option<usize>; 2],
    /// Whether it runs guests, or hands off its core for them.
    takes_guests: bool,
}

/// Where a worker parks.
#[derive(Clone, Copy)]
pub(crate) enum Kind<'t> {
    /// In the main loop of this thread. Its core may be lent.
    Idle(&'t Arc<OffCore>),
    /// In a wait, in which it may run any job.
    Blocked,
}

impl Kind<'_> {
    /// The state of its core.
    fn asleep(self) -> u32 {
        match self {
            Kind::Idle(_) => PARKED,
            Kind::Blocked => BLOCKED,
        }
    }
}

/// The parker of a thread that was woken. (To unpark it takes some microseconds, best without the
/// lock.)
#[must_use]
enum Woken<'s> {
    AtBottom(Arc<OffCore>),
    InWait(&'s Parker),
}

impl Woken<'_> {
    fn unpark(self) {
        match self {
            Woken::AtBottom(thread) => thread.parker.unpark(),
            Woken::InWait(parker) => parker.unpark(),
        }
    }
}

/// The result of an announcement.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entered {
    /// The caller re-checks, then calls `sleep` or `leave`.
    Announced,
    /// Another thread has the core. The caller waits for it.
    Lent,
}

/// The result of giving up a core.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum GivenBack {
    /// A thread has it.
    Taken,
    /// No thread has it. The caller issues a fence, looks at all queues, and calls `wake_one` if it
    /// sees work and no worker searches.
    Parked,
}

/// What a worker that has stopped searching has to do.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// Nothing: no worker is parked, or there is a sentry.
    Fine,
    /// Wake some parked workers if there is work for more than the searchers, so many, that are
    /// left.
    OthersSearch(usize),
    /// It was the last: issue a fence, look at all queues, and wake workers if there is work.
    LookAgain,
}

/// What the sentry sees in a look.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    Work,
    /// No work, but other workers have forked since the last look.
    OthersFork,
    Quiet,
}

/// A pool's sleepers.
pub(crate) struct Sleep {
    counts: CachePadded<AtomicUsize>,
    /// How many workers are in restricted waits.
    restricted: CachePadded<AtomicUsize>,
    /// How many awake workers are enough while there is a sentry: none for a worker. (A stale value
    /// wakes one worker more, or relies on a sentry that resigns before long.)
    enough: AtomicUsize,
    /// How many threads without a core wait for their own pool. Changed under the list's lock.
    local_off: AtomicUsize,
    list: Mutex<List>,
    /// The generation of the pool. In another one, its workers do not exist.
    generation: Generation,
    cores: Box<[CachePadded<Core>]>,
}

impl Sleep {
    /// Makes `workers` cores, all of them `BUSY`.
    pub(crate) fn new(workers: usize) -> Self {
        let core = || Core {
            state: AtomicU32::new(BUSY),
            off: AtomicU32::new(0),
            returning: AtomicU32::new(0),
            wait: Parker::new(),
        };
        Sleep {
            counts: CachePadded::new(AtomicUsize::new(0)),
            restricted: CachePadded::new(AtomicUsize::new(0)),
            enough: AtomicUsize::new(0),
            local_off: AtomicUsize::new(0),
            list: Mutex::new(List {
                parked: Vec::new(),
                sentry: None,
                restricted: Vec::new(),
                off: (0..workers).map(|_| OffCores::default()).collect(),
            }),
            generation: Generation::current(),
            cores: (0..workers).map(|_| CachePadded::new(core())).collect(),
        }
    }

    /// A relaxed reading of the counts.
    #[inline]
    pub(crate) fn counts(&self) -> Counts {
        // Relaxed: the handshakes order this where it matters.
        Counts(self.counts.load(Ordering::Relaxed))
    }

    fn list(&self) -> MutexGuard<'_, List> {
        self.generation.abort_if_past();
        self.list.lock()
    }

    /// Calls `act` under the list's lock. It must not use the list.
    pub(crate) fn locked<R>(&self, act: impl FnOnce() -> R) -> R {
        let _list = self.list();
        act()
    }

    fn state(&self, core: usize) -> u32 {
        // Acquire: matches the Release in `set_state`, by which the last holder gave the core away.
        self.cores[core].state.load(Ordering::Acquire)
    }

    fn set_state(&self, core: usize, state: u32) {
        // Release: matches the Acquire in `state` and `swap_state`.
        self.cores[core].state.store(state, Ordering::Release);
    }

    fn swap_state(&self, core: usize, from: u32, to: u32) -> bool {
        // AcqRel: what the core's last holder did is visible to its next.
        let state = &self.cores[core].state;
        state.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Adds to the counts and subtracts from them at once.
    fn count(&self, add: usize, sub: usize) -> Counts {
        // Relaxed: ordered by the handshake that follows.
        let before = Counts(self.counts.fetch_add(add.wrapping_sub(sub), Ordering::Relaxed));
        debug_assert!(before.holds(sub), "{sub:#x} of {before:?}");
        before
    }

    // ---- publishing ---------------------------------------------------------------------------

    /// Step (c) of a worker that published jobs of `tag`, after its handshake.
    #[inline]
    pub(crate) fn notify_from_worker(&self, tag: usize) {
        seq_cst_is_enough();
        // SeqCst: comes after the read-modify-write or fence of step (b).
        let counts = Counts(self.counts.load(Ordering::SeqCst));
        if counts.searchers() == 0 && self.may_lack_workers(counts) {
            self.wake_one();
        }
        self.notify_restricted(tag);
    }

    /// Whether there is a sentry on which a publisher may rely.
    fn has_sentry(&self, counts: Counts) -> bool {
        // Relaxed: see `enough`.
        let awake = || self.cores.len().saturating_sub(counts.parked());
        counts.sentry() && awake() >= self.enough.load(Ordering::Relaxed)
    }

    /// Whether a worker searches, or a publisher may rely on the sentry.
    pub(crate) fn somebody_looks(&self) -> bool {
        let counts = self.counts();
        counts.searchers() > 0 || self.has_sentry(counts)
    }

    /// Steps (b) and (c) of a thread that pushed a job of `tag` to the injector. It wakes the
    /// sentry instead of relying on it, since a caller from outside waits for the job.
    pub(crate) fn notify_from_outside(&self, tag: usize) {
        // Pairs with the fence in `announce`.
        fence(Ordering::SeqCst);
        let counts = self.counts();
        if counts.parked() > 0 && counts.searchers() == 0 {
            self.wake_one();
        }
        self.notify_restricted(tag);
    }

    /// Wakes a second worker, after one was woken for a job from outside.
    pub(crate) fn wake_helper(&self) {
        let counts = self.counts();
        if counts.parked() > 0 && counts.searchers() <= 1 {
            self.wake_one();
        }
    }

    /// Makes the caller, a thread from outside that waits for a job, the sentry while at least
    /// `enough` workers are awake. Returns `false` if there is one, if no worker is parked, or if
    /// the system's timers are too coarse.
    #[must_use]
    pub(crate) fn watch_from_outside(&self, enough: usize) -> bool {
        let mut list = self.list();
        let watches = HAS_SHORT_NAPS && list.sentry.is_none() && !list.parked.is_empty();
        if watches {
            list.sentry = Some(OUTSIDE);
            self.enough.store(enough, Ordering::Relaxed);
            self.count(SENTRY, 0);
        }
        watches
    }

    /// That caller resigns. If this returns `LookAgain`, it looks, and calls `wake_one` if it sees
    /// work.
    pub(crate) fn stop_watching(&self) -> Stopped {
        let mut list = self.list();
        debug_assert!(list.sentry == Some(OUTSIDE), "another has taken over");
        list.sentry = None;
        self.enough.store(0, Ordering::Relaxed);
        match self.count(0, SENTRY).searchers() {
            0 => Stopped::LookAgain,
            others => Stopped::OthersSearch(others),
        }
    }

    /// Step (c) for a guest (lemma 5): wakes a worker in a restricted wait if none is parked.
    pub(crate) fn notify_of_guest(&self) {
        if self.counts().parked() == 0 {
            self.wake_one_restricted();
        }
    }

    /// Step (c) for a job that a thread without a core may need, while all waits are restricted:
    /// lemma 6.
    pub(crate) fn notify_all_restricted(&self) {
        if self.some_wait_off() && self.all_are_restricted(None) {
            self.wake_one_restricted();
        }
    }

    /// Whether every worker, except for `caller`, is in a restricted wait. A caller that is in one
    /// itself may have been woken just now, by a job that it reinjected.
    pub(crate) fn all_are_restricted(&self, caller: Option<usize>) -> bool {
        let mut others = (0..self.cores.len()).filter(|&core| Some(core) != caller);
        others.all(|core| self.state(core) == RESTRICTED)
    }

    /// Whether a thread without a core waits for its own pool, and so may need any job.
    pub(crate) fn some_wait_off(&self) -> bool {
        self.local_off.load(Ordering::Relaxed) > 0
    }

    /// Wakes one worker in a restricted wait that runs guests.
    #[cold]
    pub(crate) fn wake_one_restricted(&self) {
        if self.restricted.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut list = self.list();
        let taker = list.restricted.iter().rfind(|it| it.takes_guests);
        if let Some(core) = taker.map(|it| it.core) {
            let woken = self.unlist(&mut list, core);
            drop(list);
            woken.unpark();
        }
    }

    /// Step (c) for the restricted waits for jobs of `tag`: lemma 4.
    #[inline]
    pub(crate) fn notify_restricted(&self, tag: usize) {
        if tag != NO_TAG && self.restricted.load(Ordering::Relaxed) > 0 {
            self.wake_restricted(tag);
        }
    }

    #[cold]
    fn wake_restricted(&self, tag: usize) {
        let mut list = self.list();
        let serves = |it: &Restricted| tag == ANY_TAG || it.tags.contains(&Some(tag));
        while let Some(core) = list.restricted.iter().find(|&it| serves(it)).map(|it| it.core) {
            self.unlist(&mut list, core).unpark();
        }
    }

    /// Wakes one parked worker: the sentry, else the one that parked last. It now counts as a
    /// searcher.
    #[cold]
    pub(crate) fn wake_one(&self) {
        let mut list = self.list();
        let sentry = list.sentry.filter(|&sentry| sentry != OUTSIDE);
        if let Some(core) = sentry.or_else(|| list.parked.last().copied()) {
            let woken = self.unlist(&mut list, core);
            drop(list);
            woken.unpark();
        }
    }

    /// Wakes the thread of worker `core` whose wait has the address `wait`: the core's holder, if
    /// it sleeps inside a wait, or a thread without the core.
    #[cold]
    pub(crate) fn wake_blocked(&self, core: usize, wait: usize) {
        let mut list = self.list();
        list.off[core].wake(wait);
        if matches!(self.state(core), BLOCKED | RESTRICTED) {
            let woken = self.unlist(&mut list, core);
            drop(list);
            woken.unpark();
        }
    }

    /// Wakes a worker for a job in its pinned queue, which was pushed before this call.
    pub(crate) fn wake_for_pinned(&self, core: usize) {
        // Pairs with the fence in `announce`.
        fence(Ordering::SeqCst);
        let sleeps = || matches!(self.state(core), PARKED | BLOCKED | RESTRICTED);
        // A worker that is not seen asleep looks at its pinned queue after its own fence.
        if !sleeps() {
            return;
        }
        let mut list = self.list();
        if sleeps() {
            let woken = self.unlist(&mut list, core);
            drop(list);
            woken.unpark();
        }
    }

    /// Wakes all parked workers and spare threads.
    pub(crate) fn wake_all(&self) {
        let mut list = self.list();
        while let Some(&core) = list.parked.last() {
            self.unlist(&mut list, core).unpark();
        }
        list.off.iter().for_each(OffCores::wake_spare);
    }

    /// Makes a sleeping core `BUSY` and its thread a searcher, which the caller unparks.
    fn unlist(&self, list: &mut List, core: usize) -> Woken<'_> {
        let mut sub = 0;
        let is_parked = self.state(core) == PARKED;
        if let Some(at) = list.restricted.iter().position(|it| it.core == core) {
            list.restricted.swap_remove(at);
            self.restricted.fetch_sub(1, Ordering::Relaxed);
        }
        if let Some(at) = list.parked.iter().rposition(|&s| s == core) {
            list.parked.remove(at);
            sub += ONE_PARKED;
        }
        if list.sentry == Some(core) {
            list.sentry = None;
            sub += SENTRY;
        }
        // The count first: its holder may see the state at once, and stop searching.
        self.count(SEARCHER, sub);
        self.set_state(core, BUSY);
        match is_parked {
            true => Woken::AtBottom(list.off[core].pop_spare()),
            false => Woken::InWait(&self.cores[core].wait),
        }
    }

    // ---- searching ----------------------------------------------------------------------------

    /// Counts the caller as a searcher, unless enough workers search.
    #[must_use]
    pub(crate) fn start_searching(&self) -> bool {
        let workers = self.cores.len();
        let may = |counts| Counts(counts).may_search(workers).then(|| counts + SEARCHER);
        self.counts.fetch_update(Ordering::Relaxed, Ordering::Relaxed, may).is_ok()
    }

    /// Counts the caller no longer as a searcher.
    pub(crate) fn stop_searching(&self) -> Stopped {
        let before = self.count(0, SEARCHER);
        match before.searchers() - 1 {
            _ if !self.may_lack_workers(before) => Stopped::Fine,
            0 => Stopped::LookAgain,
            others => Stopped::OthersSearch(others),
        }
    }

    /// Whether workers are parked, and no sentry sees to it that enough are woken.
    fn may_lack_workers(&self, counts: Counts) -> bool {
        counts.parked() > 0 && !self.has_sentry(counts)
    }

    /// Wakes a worker for each of `jobs` for which none searches, if no sentry does.
    pub(crate) fn wake_for_each(&self, jobs: usize) {
        let counts = self.counts();
        if self.may_lack_workers(counts) {
            (counts.searchers()..jobs).for_each(|_| self.wake_one());
        }
    }

    /// Like `stop_searching`, for a worker that ends with its pool.
    pub(crate) fn retire(&self) {
        self.count(0, SEARCHER);
    }

    /// `BUSY` to `FREE`: from now on the caller only looks.
    pub(crate) fn free_core(&self, core: usize) {
        self.set_state(core, FREE);
    }

    /// `FREE` to `BUSY`. Returns `false` if the core was lent. The caller then waits for it.
    #[must_use]
    pub(crate) fn take_core(&self, me: &Arc<OffCore>) -> bool {
        let taken = self.swap_state(me.core(), FREE, BUSY);
        if !taken {
            self.looker_sees_loan(&mut self.list(), me);
        }
        taken
    }

    /// Whether the core is parked. If so, its queues stay empty until `unparked` is called for it,
    /// and its gate is closed.
    pub(crate) fn is_parked(&self, core: usize) -> bool {
        self.state(core) == PARKED
    }

    /// Whether the core's holder is at work, or in a wait.
    pub(crate) fn is_at_work(&self, core: usize) -> bool {
        !matches!(self.state(core), PARKED | FREE)
    }

    /// The holder of a core that was parked calls this before it publishes anything: lemma 3.
    pub(crate) fn unparked(&self) {
        // Pairs with the fence in `announce`.
        fence(Ordering::SeqCst);
    }

    /// The name of the core's state, for dumps.
    pub(crate) fn state_name(&self, core: usize) -> &'static str {
        ["busy", "looking", "parked", "blocked", "restricted"][self.state(core) as usize]
    }

    /// Whether the core was lent, for a caller that made it `FREE`.
    pub(crate) fn is_lent(&self, core: usize) -> bool {
        self.state(core) != FREE
    }

    // ---- parking ------------------------------------------------------------------------------

    /// Step 1. The core is `FREE` if the caller searches in the main loop, else `BUSY`. With
    /// `watches` the caller may become the sentry.
    pub(crate) fn announce(
        &self,
        core: usize,
        kind: Kind,
        searching: bool,
        watches: bool,
    ) -> Entered {
        let mut list = self.list();
        match kind {
            Kind::Blocked => self.set_state(core, BLOCKED),
            // Other threads take a free core only under the lock.
            Kind::Idle(me) if searching && self.state(core) != FREE => {
                self.looker_sees_loan(&mut list, me);
                return Entered::Lent;
            }
            Kind::Idle(me) => {
                list.off[core].push_spare(me);
                if self.give_to_returning(&mut list, core) {
                    return Entered::Lent;
                }
                self.set_state(core, PARKED);
            }
        }
        list.parked.push(core);
        let mut add = ONE_PARKED;
        // (If no other worker is at work, there is nothing to watch.)
        let others = self.cores.len() - 1;
        let idlers = self.counts().searchers() + self.counts().parked() - usize::from(searching);
        if watches && HAS_SHORT_NAPS && list.sentry.is_none() && idlers < others {
            list.sentry = Some(core);
            add += SENTRY;
        }
        self.count(add, if searching { SEARCHER } else { 0 });
        drop(list);
        // Pairs with the fence of a thread that has pushed to the injector or a pinned queue.
        fence(Ordering::SeqCst);
        Entered::Announced
    }

    /// Takes the announcement back, so that the caller is a searcher and has its core. Returns
    /// `false` if it was woken or its core was lent.
    #[must_use]
    pub(crate) fn leave(&self, core: usize, kind: Kind) -> bool {
        let mut list = self.list();
        let listed = self.is_asleep(&list, core, kind);
        if listed {
            let _ = self.unlist(&mut list, core);
        }
        listed
    }

    /// Whether the core is still parked as the caller has parked it, and not by a later holder.
    fn is_asleep(&self, list: &List, core: usize, kind: Kind) -> bool {
        let is_callers = match kind {
            Kind::Idle(me) => list.off[core].is_next(me),
            Kind::Blocked => true,
        };
        is_callers && self.state(core) == kind.asleep()
    }

    /// While the caller is the sentry, naps and calls `look` after each nap, and takes the
    /// announcement back if that sees work. When it resigns, it calls `announce_and_look`. Then, a
    /// blocked caller sleeps until it is woken (step 3). An idle one returns, and waits for its
    /// core.
    pub(crate) fn sleep(
        &self,
        core: usize,
        kind: Kind,
        look: impl Fn() -> Look,
        announce_and_look: impl Fn() -> bool,
    ) {
        let parker = match kind {
            Kind::Idle(me) => &me.parker,
            Kind::Blocked => &self.cores[core].wait,
        };
        let (mut naps, mut exact) = (0, None);
        while naps < NAPS && self.is_sentry(core, kind) {
            exact.get_or_insert_with(ExactSleeps::begin);
            parker.park_timeout(NAP);
            if self.state(core) != kind.asleep() {
                break;
            }
            naps += match look() {
                Look::Work if self.leave(core, kind) => return,
                Look::Quiet => QUIET_NAP,
                _ => 1,
            };
        }
        drop(exact);
        if self.resign(core, kind) && announce_and_look() && self.leave(core, kind) {
            return;
        }
        if matches!(kind, Kind::Blocked) {
            while self.state(core) == BLOCKED {
                parker.park();
            }
        }
    }

    fn is_sentry(&self, core: usize, kind: Kind) -> bool {
        self.counts().sentry() && self.is_own_sentry(&self.list(), core, kind)
    }

    fn is_own_sentry(&self, list: &List, core: usize, kind: Kind) -> bool {
        list.sentry == Some(core) && self.is_asleep(list, core, kind)
    }

    /// Returns whether the caller was the sentry.
    fn resign(&self, core: usize, kind: Kind) -> bool {
        let mut list = self.list();
        let was = self.is_own_sentry(&list, core, kind);
        if was {
            list.sentry = None;
            self.count(0, SENTRY);
            drop(list);
            // As in `announce`.
            fence(Ordering::SeqCst);
        }
        was
    }

    /// Step 1 of a worker that may run only jobs of `tags`, and guests if it `takes_guests`.
    pub(crate) fn announce_restricted(
        &self,
        core: usize,
        tags: [Option<usize>; 2],
        takes_guests: bool,
    ) {
        let mut list = self.list();
        self.set_state(core, RESTRICTED);
        list.restricted.push(Restricted { core, tags, takes_guests });
        self.restricted.fetch_add(1, Ordering::Relaxed);
        drop(list);
        // As in `announce`.
        fence(Ordering::SeqCst);
    }

    /// Takes that back. Returns `false` if it was woken, and so counts as a searcher.
    #[must_use]
    pub(crate) fn leave_restricted(&self, core: usize) -> bool {
        let mut list = self.list();
        let listed = self.state(core) == RESTRICTED;
        if listed {
            let _ = self.unlist(&mut list, core);
            self.count(0, SEARCHER);
        }
        listed
    }

    /// Step 3 of such a worker, which is woken as a searcher.
    pub(crate) fn sleep_restricted(&self, core: usize) {
        while self.state(core) == RESTRICTED {
            self.cores[core].wait.park();
        }
    }

    /// Whether at one moment all `workers` cores are parked in the main loop, no thread waits
    /// without its core, and there is `nothing_left`.
    pub(crate) fn all_parked(&self, workers: usize, nothing_left: impl FnOnce() -> bool) -> bool {
        let list = self.list();
        list.parked.len() == workers
            && list.parked.iter().all(|&core| self.state(core) == PARKED)
            && !list.off.iter().any(OffCores::is_left)
            && nothing_left()
    }

    // ---- lending ------------------------------------------------------------------------------

    /// Lends the core of an idle worker: a parked one, the sentry's only if there is no other, else
    /// a free one. The borrower of the sentry's core has to look like a last searcher. (It lends no
    /// core that a thread has handed off, since that would not get it back before the end of the
    /// loan.)
    pub(crate) fn lend(&self) -> Option<(usize, Stopped)> {
        if !self.counts().somebody_idles() {
            return None;
        }
        let mut list = self.list();
        let list = &mut *list;
        let may_lend = |&core: &usize| self.state(core) == PARKED && !list.off[core].is_left();
        let others = |core: &usize| list.sentry != Some(*core);
        let candidates = || list.parked.iter().copied().rev().filter(may_lend);
        if let Some(core) = candidates().find(others).or_else(|| candidates().next()) {
            return Some((core, self.take_parked(list, core)));
        }
        let mut cores = 0..self.cores.len();
        let is_free =
            |&core: &usize| !list.off[core].is_left() && self.swap_state(core, FREE, BUSY);
        let core = cores.find(is_free)?;
        // Its thread, which looks for work, has yet to see that.
        list.off[core].looker = true;
        Some((core, Stopped::Fine))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_core_stays_lent_when_its_borrower_is_woken() {
        let (sleep, own) = (Sleep::new(2), OffCore::at_bottom(1, true));
        let idle = Kind::Idle(&own);
        assert!(sleep.announce(1, idle, false, true) == Entered::Announced);
        let was_sentry = if HAS_SHORT_NAPS { Stopped::LookAgain } else { Stopped::Fine };
        assert!(sleep.lend().is_some_and(|lent| lent == (1, was_sentry)));
        assert!(sleep.announce(1, Kind::Blocked, false, true) == Entered::Announced);
        assert!(!sleep.leave(1, idle), "the worker's own thread leaves what it parked only");
        sleep.wake_one();
        assert!(!own.has_core(), "the worker's own thread would take it");
        sleep.announce_restricted(1, [None, None], true);
        assert!(sleep.leave_restricted(1) && !own.has_core());
        assert!(sleep.give_back(1, true) == GivenBack::Taken);
        assert!(sleep.state(1) == BUSY && own.has_core());
    }

    /// A thread borrows the core of a worker that looks around, hands it off, and wants it back,
    /// all before the worker sees the loan. Then that worker passes it on.
    #[test]
    fn a_core_that_was_lent_and_given_back_is_its_lookers_still() {
        let (sleep, own) = (Sleep::new(1), OffCore::at_bottom(0, true));
        assert!(sleep.start_searching());
        sleep.free_core(0);
        assert!(matches!(sleep.lend(), Some((0, Stopped::Fine))));
        assert!(sleep.has_spare(0));
        let (borrower, given) = sleep.hand_off(0, 0, true, true, || false).unwrap();
        assert!(given == GivenBack::Parked && !sleep.is_lent(0));
        std::thread::scope(|scope| {
            scope.spawn(|| sleep.take_back(&borrower));
            while !sleep.is_wanted(0) {
                std::thread::yield_now();
            }
            assert!(!borrower.has_core(), "the looker has it still");
            assert!(sleep.take_core(&own) && sleep.stop_searching() == Stopped::Fine);
            assert!(sleep.pass_on(&own));
        });
        assert!(borrower.has_core() && !own.has_core() && !sleep.is_wanted(0));
        assert_eq!(sleep.counts(), Counts(0));
    }

    /// The same, but the worker sees the loan while its core is lent, or after it was given back.
    #[test]
    fn a_looker_whose_core_was_lent_has_it_back() {
        for sees_loan in [true, false] {
            let (sleep, own) = (Sleep::new(1), OffCore::at_bottom(0, true));
            assert!(sleep.start_searching());
            sleep.free_core(0);
            assert!(sleep.lend().is_some());
            if sees_loan {
                assert!(!sleep.take_core(&own) && !own.has_core());
                assert!(sleep.stop_searching() == Stopped::Fine);
            }
            let given = sleep.give_back(0, true);
            assert!((given == GivenBack::Taken) == sees_loan && own.has_core());
            assert!(sees_loan || sleep.take_core(&own));
            assert_eq!((sleep.counts(), sleep.state(0)), (Counts(SEARCHER), BUSY));
        }
    }
}
