//! Who sleeps and who wakes whom: an event count, the workers' cores, and the proof that no
//! wake-up is lost.
//!
//! # Cores
//! A *core* is the right to act as a worker: to touch the owner's side of its queues. Its states
//! and who makes each transition:
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
//! - `BUSY`: a thread has it and works, or has just been given it and is about to run.
//! - `FREE`: its thread is in the main loop and only looks; whoever swaps `BUSY` in has the core.
//! - `PARKED`: its threads sleep at the bottom of their stacks. The core stands in the list.
//! - `BLOCKED`: its holder sleeps inside a wait, and the core stands in the list.
//! - `RESTRICTED`: the same, but it may run only jobs of some isolation tags, or none but guests
//!   (see `worker/wait.rs`), and stands in a list of its own with these: other work does not wake
//!   it.
//!
//! Every transition to or from `PARKED`, `BLOCKED` and `RESTRICTED` happens under the list's lock,
//! together with the change of the counts that goes with it, and with that of which threads are
//! without the core (`hand_off.rs`).
//!
//! # The event count
//! A worker that looks for work is counted as a *searcher*, one that has given up as *parked*. One
//! of the parked, the *sentry*, sleeps by a clock and looks around every [`NAP`] while others fork.
//! A publisher wakes nobody while there is a searcher or a sentry: so a tiny parallel section that
//! follows another costs no wake-up, and a long one gets its helpers within a nap. A searcher that
//! has found a job wakes up to two more if more jobs are public than searchers are left: so a pool
//! of n workers is awake after log n steps. The last searcher looks at all queues for that, and
//! wakes one also for forks that a worker hides (`queue/join_queue.rs`, "Force").
//!
//! A worker parks in three steps:
//! 1. *announce*: it counts itself as parked (and no longer as searcher), then issues a
//!    `fence(SeqCst)`; what this writes does not depend on the number of workers;
//! 2. *re-check*: it looks at every queue, and at what it waits for; if there is anything, it
//!    leaves again;
//! 3. *commit*: it parks on its parker, which keeps a token given early.
//!
//! A publisher: (a) pushes; (b) goes through its queue's side of the handshake, a SeqCst
//! read-modify-write (`queue/join_queue.rs`, `queue/spawn_queue.rs`) or a `fence(SeqCst)`; (c)
//! reads the counts, SeqCst, and wakes one if somebody is parked and nobody looks.
//!
//! Step 2 leaves out cores that are `PARKED`, since their queues are empty: their next holder
//! issues a fence of its own before it publishes ([`Sleep::unparked`]). If step 2 saw the core
//! parked, the fence of step 1 comes before that one, and (c) sees W parked.
//!
//! **No wake-up is lost.** Let J be published and W parked. (b) and the fence of step 1 are
//! ordered. If (b) is first, W's re-check sees J. Otherwise (c) sees W parked, and either wakes a
//! worker, which becomes a searcher; or sees a searcher or sentry S, which stops looking only by
//! (i) parking, or the sentry by resigning, which is steps 1 and 2 again: S's fence comes after
//! (b), since (c) still saw S looking, and S sees J; or (ii) by finding work as the last one that
//! looks, and then it issues a fence and looks again, likewise, and wakes a worker if it sees J
//! ([`Sleep::stop_searching`]). So at all times: if work is public and somebody is parked, then
//! somebody looks, or is about to look after a fence that comes after the push.
//!
//! **Restricted waits.** A worker that is `RESTRICTED` goes through the same steps, with a count of
//! its own, and in step 2 really takes what it may run. (It takes one job at most from each of some
//! other workers, and one that is hidden. What it passes by, behind those, waits for its owner,
//! which runs it, or reinjects it before it sleeps.) A thread that makes a job visible, be it new
//! or moved from one queue to another, goes through (b) and (c) likewise. It wakes the workers in
//! restricted waits for the job's tag, or, where waits are for their own descendants only, for any
//! among its ancestors. A thread that moves the job also wakes those in restricted waits for the
//! job itself; before it was queued no thread could join it.
//!
//! **Guests.** Who queues a guest goes through (b) and wakes one in (c): a parked worker, unless
//! one searches; where none is parked, one in a restricted wait that runs guests. Each such worker
//! may run any guest, or hands off its core to a thread that does, and looks at the guests in step
//! 2. A woken worker may find another job first; then it wakes the next, since guests are left.
//!
//! **All restricted.** While a thread without a core waits for its own pool, it may need a job that
//! no other may run. So the last worker to enter a restricted wait looks for any work in step 2,
//! and a publisher from outside wakes one in step (c); that one then hands off its core. (A worker
//! that publishes looks itself before it sleeps. A thread that hands off is counted before its
//! fence, and leaves a core that is not restricted: so the last worker to enter a restricted wait
//! later sees what was published before.)
//!
//! **No waiter sleeps on.** A worker that waits for a latch notes so in the latch before step 1
//! and probes it in step 2. Its setter, which sees the note, takes the list's lock and wakes the
//! worker if it is `BLOCKED` or `RESTRICTED`; if it is not yet, it enters the lock later, and its
//! probe sees the latch set.
//!
//! # What it is worth
//! What a row takes without it, as a multiple of what it takes with it: medians by
//! `benches/ablation/run`, on two shared virtual cores. (CPU time only where threads sleep,
//! since that of others is accounted for too late.)
//!
//! | without | row | threads | time | CPU time |
//! | --- | --- | ---: | ---: | ---: |
//! | `sentry` | loops between joins of empty closures | 2 | 1.88 | – |
//! |  | tree sum, 1,023 nodes, installed | 2 | 1.53 | – |
//! | `quiet-nap`: its early end | 16 items of 1 µs every ms | 8 | 1.04 | 7.10 |
//! |  | 64 items of 5 µs every 5 ms | 8 | 0.99 | 2.29 |
//! | `search-limit`: at most half of those awake search | 20,000 short, then 16 that sleep | 8 | 1.42 | 1.16 |
//! |  | tree sum, 1,023 nodes, outside | 2 | 1.23 | – |
//! | `helper`: one more woken from outside | 4 items of 200 ns every 100 µs | 8 | 1.20 | 1.18 |
//! |  | 64 items of 5 µs every 5 ms | 8 | 1.02 | 1.37 |
//!
//! The sentry costs CPU time where sections are tiny and rare: without it, those of 4 items of 200
//! ns every 100 µs take half as much.

mod counts;
mod hand_off;

use std::sync::Arc;
use std::time::Duration;

use crossbeam_utils::CachePadded;

pub(crate) use counts::{Counts, MAX_WORKERS};
use counts::{PARKED as ONE_PARKED, SEARCHER, SENTRY};
pub(crate) use hand_off::OffCore;
use hand_off::OffCores;

use crate::sync::{
    AtomicU32, AtomicUsize, ExactSleeps, Generation, Mutex, MutexGuard, Ordering, Parker, fence,
    seq_cst_is_enough,
};

pub(crate) use crate::latch::{ANY_TAG, NO_TAG};

/// How long the sentry sleeps between two looks. Shorter costs its processor more, longer
/// delays help for a section that began meanwhile.
pub(crate) const NAP: Duration = Duration::from_micros(10);
/// Whether a nap is about as short as it is to be. Elsewhere it may last 15 milliseconds, and a
/// publisher that sees a sentry wakes nobody.
const HAS_SHORT_NAPS: bool = cfg!(any(target_os = "linux", loom));
/// How many looks in vain make the sentry resign: with what the clock adds, some quarter of a
/// millisecond. More would slow a serial phase down that a section left behind; fewer would have
/// sections in quick succession each pay for a wake-up.
const NAPS: u32 = if cfg!(loom) { 1 } else { 16 };
/// How many of these a nap counts for in which nobody has forked.
const QUIET_NAP: u32 = NAPS;

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
    /// Which of them naps.
    sentry: Option<usize>,
    /// The cores in `RESTRICTED`.
    restricted: Vec<Restricted>,
    /// For each core, the threads that are without it.
    off: Box<[OffCores]>,
}

/// A worker in a restricted wait.
struct Restricted {
    core: usize,
    /// The isolation tags of what it may run.
    tags: [Option<usize>; 2],
    /// Whether it sees to guests.
    takes_guests: bool,
}

/// How a worker parks.
#[derive(Clone, Copy)]
pub(crate) enum Kind<'t> {
    /// In the main loop, as this thread: its core may be lent.
    Idle(&'t Arc<OffCore>),
    /// In a wait that any work may shorten.
    Blocked,
}

impl Kind<'_> {
    /// The state of a core that is parked so.
    fn asleep(self) -> u32 {
        match self {
            Kind::Idle(_) => PARKED,
            Kind::Blocked => BLOCKED,
        }
    }
}

/// Where a thread sleeps that was woken. (To unpark it takes some microseconds: best without the
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

/// What became of an attempt to park.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entered {
    /// Announced; now re-check, then `sleep` or `leave`.
    Announced,
    /// The core is another thread's: wait for it.
    Lent,
}

/// What became of a core that was given up.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum GivenBack {
    /// A thread acts on it.
    Taken,
    /// Nobody does: the caller goes through the handshakes, looks, and calls `wake_one` if it sees
    /// work that nobody looks for.
    Parked,
}

/// A worker that has just stopped searching may have to look once more.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// Nobody is parked, or the sentry looks.
    Fine,
    /// Others search, so many, and some are parked: wake some if there is work for more.
    OthersSearch(usize),
    /// It was the last: issue a fence, look, and `wake` if there is work.
    LookAgain,
}

/// What the sentry has seen.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    Work,
    /// None, but others have forked since the last look.
    OthersFork,
    Quiet,
}

/// A pool's sleepers.
pub(crate) struct Sleep {
    counts: CachePadded<AtomicUsize>,
    /// How many workers are in restricted waits.
    restricted: CachePadded<AtomicUsize>,
    /// How many threads without a core wait for something of this pool. Changed under the list's
    /// lock.
    local_off: AtomicUsize,
    list: Mutex<List>,
    /// That of the pool: in another one nobody sleeps here.
    generation: Generation,
    cores: Box<[CachePadded<Core>]>,
}

impl Sleep {
    /// For `workers` cores, all of them `BUSY`.
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

    /// The counts as they are about now.
    #[inline]
    pub(crate) fn counts(&self) -> Counts {
        // Relaxed: the handshakes order this where it matters.
        Counts(self.counts.load(Ordering::Relaxed))
    }

    /// The list, for whoever sleeps or wakes.
    fn list(&self) -> MutexGuard<'_, List> {
        self.generation.abort_if_past();
        self.list.lock()
    }

    fn state(&self, core: usize) -> u32 {
        // Acquire: matches the Release of whoever gave the core away.
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

    /// Adds to and takes from the counts at once.
    fn count(&self, add: usize, sub: usize) -> Counts {
        // Relaxed: the handshake that follows orders it.
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
        if counts.parked() > 0 && !counts.somebody_looks() {
            self.wake_one();
        }
        self.notify_restricted(tag);
    }

    /// Steps (b) and (c) of a thread that pushed a job of `tag` to the injector. The sentry is
    /// woken rather than relied on: from outside, latency is all there is to win.
    pub(crate) fn notify_from_outside(&self, tag: usize) {
        // Pairs with the fence in `announce`.
        fence(Ordering::SeqCst);
        let counts = self.counts();
        if counts.parked() > 0 && counts.searchers() == 0 {
            self.wake_one();
        }
        self.notify_restricted(tag);
    }

    /// Wakes a second worker beside the one that was woken for a job from outside.
    pub(crate) fn wake_helper(&self) {
        let counts = self.counts();
        if counts.parked() > 0 && counts.searchers() <= 1 {
            self.wake_one();
        }
    }

    /// Step (c) for a guest, after a handshake: where no worker is parked, one in a restricted wait
    /// is woken.
    pub(crate) fn notify_of_guest(&self) {
        if self.counts().parked() == 0 {
            self.wake_one_restricted();
        }
    }

    /// Sees to it, after a handshake, that new work finds a worker where all waits are restricted,
    /// if the work may serve a thread without a core.
    pub(crate) fn notify_all_restricted(&self) {
        if self.some_wait_off() && self.all_are_restricted() {
            self.wake_one_restricted();
        }
    }

    /// Whether every worker is in a restricted wait.
    pub(crate) fn all_are_restricted(&self) -> bool {
        self.restricted.load(Ordering::Relaxed) == self.cores.len()
    }

    /// Whether a thread without a core waits for something of this pool, which may be any work.
    pub(crate) fn some_wait_off(&self) -> bool {
        self.local_off.load(Ordering::Relaxed) > 0
    }

    /// Wakes one of the workers whose restricted waits run guests.
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

    /// Wakes the workers in restricted waits for `tag`, after a handshake.
    #[inline]
    pub(crate) fn notify_restricted(&self, tag: usize) {
        if tag != NO_TAG && self.restricted.load(Ordering::Relaxed) > 0 {
            self.wake_restricted(tag);
        }
    }

    /// Wakes the workers in restricted waits for jobs of `tag`.
    #[cold]
    fn wake_restricted(&self, tag: usize) {
        let mut list = self.list();
        let serves = |it: &Restricted| tag == ANY_TAG || it.tags.contains(&Some(tag));
        while let Some(core) = list.restricted.iter().find(|&it| serves(it)).map(|it| it.core) {
            self.unlist(&mut list, core).unpark();
        }
    }

    /// Wakes one parked worker, the sentry first, else the one that parked last. It is counted
    /// as a searcher from now on.
    #[cold]
    pub(crate) fn wake_one(&self) {
        let mut list = self.list();
        if let Some(core) = list.sentry.or_else(|| list.parked.last().copied()) {
            let woken = self.unlist(&mut list, core);
            drop(list);
            woken.unpark();
        }
    }

    /// Wakes the thread that waits as worker `core` for what was at the address `wait`: the core's
    /// holder, if it sleeps inside a wait, or a thread without the core.
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

    /// Wakes a worker for a job in its pinned queue.
    pub(crate) fn wake_for_pinned(&self, core: usize) {
        // Pairs with the fence in `announce`.
        fence(Ordering::SeqCst);
        let sleeps = || matches!(self.state(core), PARKED | BLOCKED | RESTRICTED);
        // A worker that is not seen asleep here looks at that queue after its own fence.
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

    /// Wakes everybody, for a pool that ends.
    pub(crate) fn wake_all(&self) {
        let mut list = self.list();
        while let Some(&core) = list.parked.last() {
            self.unlist(&mut list, core).unpark();
        }
        list.off.iter().for_each(OffCores::wake_spare);
    }

    /// Makes a sleeping core `BUSY`, and its thread a searcher, which has to be unparked.
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
        // In this order: its holder may see the state at once, and stop searching.
        self.count(SEARCHER, sub);
        self.set_state(core, BUSY);
        match is_parked {
            true => Woken::AtBottom(list.off[core].pop_spare()),
            false => Woken::InWait(&self.cores[core].wait),
        }
    }

    // ---- searching ----------------------------------------------------------------------------

    /// Counts the caller as a searcher, unless enough search already.
    #[must_use]
    pub(crate) fn start_searching(&self) -> bool {
        let workers = self.cores.len();
        let may = |counts| Counts(counts).may_search(workers).then(|| counts + SEARCHER);
        self.counts.fetch_update(Ordering::Relaxed, Ordering::Relaxed, may).is_ok()
    }

    /// The caller searches no longer.
    pub(crate) fn stop_searching(&self) -> Stopped {
        let before = self.count(0, SEARCHER);
        match before.searchers() - 1 {
            _ if before.parked() == 0 || before.sentry() => Stopped::Fine,
            0 => Stopped::LookAgain,
            others => Stopped::OthersSearch(others),
        }
    }

    /// The caller, a searcher, ends with its pool. (Nobody is left to look.)
    pub(crate) fn retire(&self) {
        self.count(0, SEARCHER);
    }

    /// `BUSY` to `FREE`: the caller only looks from now on.
    pub(crate) fn free_core(&self, core: usize) {
        self.set_state(core, FREE);
    }

    /// `FREE` to `BUSY`. `false`: it was lent; wait for it.
    #[must_use]
    pub(crate) fn take_core(&self, me: &Arc<OffCore>) -> bool {
        let taken = self.swap_state(me.core(), FREE, BUSY);
        if !taken {
            self.looker_sees_loan(&mut self.list(), me);
        }
        taken
    }

    /// Whether the core's queues are empty, and will be until `unparked` was called for it; and its
    /// gate is closed.
    pub(crate) fn is_parked(&self, core: usize) -> bool {
        self.state(core) == PARKED
    }

    /// Whether the core's holder neither sleeps in the main loop nor only looks.
    pub(crate) fn is_at_work(&self, core: usize) -> bool {
        !matches!(self.state(core), PARKED | FREE)
    }

    /// Has to be called by whoever holds a core that was parked, before it publishes anything
    /// from it.
    pub(crate) fn unparked(&self) {
        // Pairs with the fence in `announce`.
        fence(Ordering::SeqCst);
    }

    /// What the core's state is called where people read it.
    pub(crate) fn state_name(&self, core: usize) -> &'static str {
        ["busy", "looking", "parked", "blocked", "restricted"][self.state(core) as usize]
    }

    /// Whether the core, on which the caller only looked, has become another thread's.
    pub(crate) fn is_lent(&self, core: usize) -> bool {
        self.state(core) != FREE
    }

    // ---- parking ------------------------------------------------------------------------------

    /// Step 1. The core is `FREE` if the caller searches in the main loop, else `BUSY`. `watches`:
    /// it may become the sentry.
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
            // Others take a free core under the lock only.
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
        if watches && HAS_SHORT_NAPS && list.sentry.is_none() && self.cores.len() > 1 {
            list.sentry = Some(core);
            add += SENTRY;
        }
        self.count(add, if searching { SEARCHER } else { 0 });
        drop(list);
        // Pairs with the fence of a thread that has pushed to the injector or a pinned queue.
        fence(Ordering::SeqCst);
        Entered::Announced
    }

    /// Takes the announcement back: the caller is a searcher again and has its core. `false`: it
    /// was woken already, or its core lent.
    #[must_use]
    pub(crate) fn leave(&self, core: usize, kind: Kind) -> bool {
        let mut list = self.list();
        let listed = self.is_asleep(&list, core, kind);
        if listed {
            let _ = self.unlist(&mut list, core);
        }
        listed
    }

    /// Whether the core is parked as the caller has parked it, and not by a later holder.
    fn is_asleep(&self, list: &List, core: usize, kind: Kind) -> bool {
        let is_callers = match kind {
            Kind::Idle(me) => list.off[core].is_next(me),
            Kind::Blocked => true,
        };
        is_callers && self.state(core) == kind.asleep()
    }

    /// Step 3 of a worker that is blocked: sleeps until it is woken. Before that, and alone for one
    /// that is idle, which then waits for its core: while the caller is the sentry, it calls `look`
    /// after every nap, and leaves if that says so; before it resigns, it calls
    /// `announce_and_look`.
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

    /// Step 1 of a worker that may run only jobs of `tags`, but for the handshakes, and sees to
    /// guests, or does not.
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

    /// Takes that back. `false`: it was woken already, and is counted as a searcher.
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

    /// Step 3 of such a worker. It is woken as a searcher.
    pub(crate) fn sleep_restricted(&self, core: usize) {
        while self.state(core) == RESTRICTED {
            self.cores[core].wait.park();
        }
    }

    /// Whether `workers` cores, all there are, are parked in the main loop, no thread is without
    /// its core, and there is `nothing_left` for any of them at the same time.
    pub(crate) fn all_parked(&self, workers: usize, nothing_left: impl FnOnce() -> bool) -> bool {
        let list = self.list();
        list.parked.len() == workers
            && list.parked.iter().all(|&core| self.state(core) == PARKED)
            && !list.off.iter().any(OffCores::is_left)
            && nothing_left()
    }

    // ---- lending ------------------------------------------------------------------------------

    /// Lends the core of a worker that has nothing to do, one that is parked first, the sentry's
    /// last of these: then the borrower has to do what a last searcher does. (Not one that a thread
    /// has handed off: its borrower would keep it between two waits.)
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
        // It sees that, and stops searching.
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
        assert!(matches!(sleep.lend(), Some((1, Stopped::LookAgain))));
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
    /// all before the worker looks: that worker is the one to pass it on.
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

    /// The same, but the worker looks while its core is lent, or only when that was given back.
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
