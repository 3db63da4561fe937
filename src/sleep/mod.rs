//! Who sleeps and who wakes whom: an event count, the workers' seats, and the proof that no
//! wake-up is lost.
//!
//! # Seats
//! A *seat* is the right to act as a worker: to touch the owner's side of its queues. Its states
//! and who makes each transition:
//!
//! ```text
//!            search                park                    lend
//!   BUSY ------------> FREE ---------------> PARKED ----------------> LENT
//!     ^   take            |      (lock)        |        (lock)          |
//!     |<------------------+                    |   wake, leave (lock)   |
//!     |<---------------------------------------+                        |
//!     |          FREE -> LENT: lend, by compare-exchange                |
//!     |<------------ give back, with work left (lock) ------------------+
//!     |                        PARKED <--- give back, without (lock) ---+
//!     |  block (lock)
//!     +-----------> BLOCKED, ASIDE ---> BUSY: wake, leave (lock)
//!   LENT likewise: its borrower blocks, and the seat is LENT again when that wakes
//!   any to LENT: a thread that was away from the seat has claimed it (`away.rs`)
//! ```
//!
//! - `BUSY`: its holder works. The holder is the worker's own thread, or a waker has just made
//!   it so and the thread is about to run.
//! - `FREE`: its thread is in the main loop and only looks; whoever swaps `BUSY` or `LENT` in
//!   has the seat.
//! - `PARKED`: its thread sleeps in the main loop. The seat stands in the list.
//! - `LENT`: a thread from outside holds it (`pool/seats.rs`); the worker's thread sleeps.
//! - `BLOCKED`: its holder sleeps inside a wait, and stands in the list.
//! - `ASIDE`: the same, but it may run only jobs of some roots, or none but guests (see
//!   `worker/wait.rs`), and stands in a list of its own with these: other work does not wake it.
//!
//! Every transition to or from `PARKED`, `BLOCKED` and `ASIDE` happens under the list's lock,
//! together with the change of the counts that goes with it.
//!
//! # The event count
//! A worker that looks for work is counted as a *searcher*, one that has given up as *parked*. One of
//! the parked, the *sentry*, sleeps by a clock and looks around every [`NAP`] while others fork. A
//! publisher wakes nobody while there is a searcher or a sentry: so a tiny parallel section that
//! follows another costs no wake-up, and a long one gets its helpers within a nap. A searcher that has
//! found a job wakes up to two more if more jobs are public than searchers are left: so a pool of n
//! workers is awake after log n steps. The last searcher looks at all queues for that, and wakes one
//! also for forks that a worker hides (`queue/fork.rs`, "Force").
//!
//! A worker parks in three steps:
//! 1. *announce*: it counts itself as parked (and no longer as searcher), then issues a
//!    `fence(SeqCst)`; what this writes does not depend on the number of workers;
//! 2. *re-check*: it looks at every queue, and at what it waits for; if there is anything, it
//!    leaves again;
//! 3. *commit*: it parks on its parker, which keeps a token given early.
//!
//! A publisher: (a) pushes; (b) goes through its queue's side of the handshake, a SeqCst
//! read-modify-write (`queue/fork.rs`, `queue/task.rs`) or a `fence(SeqCst)`; (c) reads the counts,
//! SeqCst, and wakes one if somebody is parked and nobody looks.
//!
//! Step 2 leaves out seats that are `PARKED`, since their queues are empty: their next holder issues a
//! fence of its own before it publishes ([`Sleep::unparked`]). If step 2 saw the seat parked, the
//! fence of step 1 comes before that one, and (c) sees W parked.
//!
//! **No wake-up is lost.** Let J be published and W parked. (b) and the fence of step 1 are ordered. If
//! (b) is first, W's re-check sees J. Otherwise (c) sees W parked, and either wakes a worker, which
//! becomes a searcher; or sees a searcher or sentry S, which stops looking only by (i) parking, or the
//! sentry by resigning, which is steps 1 and 2 again: S's fence comes after (b), since (c)
//! still saw S looking, and S sees J; or (ii) by finding work as the last one that looks, and then it
//! issues a fence and looks again, likewise, and wakes a worker if it sees J
//! ([`Sleep::stop_searching`]). So at all times: if work is public and somebody is parked, then
//! somebody looks, or is about to look after a fence that comes after the push.
//!
//! **Aside.** A worker `ASIDE` goes through the same steps, with a count of its own, and in step 2
//! really takes what it may run. (It takes one job at most from each of some others, and one that is
//! hidden. What it passes by, behind those, waits for its owner, who runs it, or hands it on before it
//! sleeps.) Who makes a job visible, be it new or moved from one queue to another, goes through (b) and
//! (c) likewise and wakes who stands aside for the job's root, or, where waits are for their own
//! descendants only, for any in its line of roots. Who moves it wakes who stands aside for the job itself,
//! too; before it was queued nobody could join it.
//!
//! **Guests.** Who queues a guest goes through (b) and wakes one in (c): a parked worker, unless
//! one searches; where none is parked, one that stands aside and sees to guests, of which each may
//! run any guest, or leaves its seat to a thread that does (`away.rs`). In step 2 these look at the
//! guests. A woken worker may find another job first; then it wakes the next, since guests are
//! left.
//!
//! **All aside.** While a thread is away that waits for its own pool, it may need a job that no
//! other may run. So who is the last to stand aside looks for any work in step 2, and who publishes
//! from outside wakes one in step (c); that one then leaves its seat to another thread. (A worker
//! that publishes looks itself before it sleeps. Who goes away is counted before its fence, and
//! leaves a seat that is not aside: so who is the last to stand aside later sees what was published
//! before.)
//!
//! **No waiter sleeps on.** A worker that waits for a latch notes so in the latch before step 1
//! and probes it in step 2. Its setter, which sees the note, takes the list's lock and wakes the
//! worker if it is `BLOCKED` or `ASIDE`; if it is not yet, it enters the lock later, and its
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
//! The sentry costs CPU time where sections are tiny and rare: without it, those of 4 items of 200 ns
//! every 100 µs take half as much.

mod away;
mod counts;
#[cfg(all(test, loom))]
mod models;

use std::time::Duration;

use crossbeam_utils::CachePadded;

use away::Away;
pub(crate) use counts::{Counts, MAX_WORKERS};
use counts::{PARKED as ONE_PARKED, SEARCHER, SENTRY};

use crate::sync::{
    AtomicU32, AtomicUsize, Mutex, Ordering, Parker, fence, forks, seq_cst_is_enough,
};

/// The root of work that nobody waits for by a handle: see `job::Header::root`.
pub(crate) const NO_ROOT: usize = 0;
/// For jobs of which the roots are not known: any.
pub(crate) const ANY_ROOT: usize = 1;

/// How long the sentry sleeps between two looks. Shorter costs its processor more, longer
/// delays help for a section that began meanwhile.
pub(crate) const NAP: Duration = Duration::from_micros(10);
/// Whether a nap is about as short as it is to be. Elsewhere it may last 15 milliseconds, and a publisher
/// that sees a sentry wakes nobody.
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
const LENT: u32 = 3;
const BLOCKED: u32 = 4;
const ASIDE: u32 = 5;

struct Seat {
    state: AtomicU32,
    /// `LENT` while the seat is lent, also while its borrower sleeps; else `BUSY`: what the seat is
    /// when its holder is woken. Under the list's lock.
    awake: AtomicU32,
    /// How many threads claim the seat. Written under the list's lock.
    claims: AtomicU32,
    /// Where the worker's own thread sleeps while it does not hold the seat.
    home: Parker,
    /// Where the seat's holder sleeps inside a wait.
    wait: Parker,
}

#[derive(Default)]
struct List {
    /// The seats in `PARKED` and `BLOCKED`, the latest last.
    parked: Vec<usize>,
    /// Which of them naps.
    sentry: Option<usize>,
    /// The seats in `ASIDE`.
    aside: Vec<Aside>,
    /// The threads that are away from their seats.
    away: Away,
}

/// A worker that stands aside.
struct Aside {
    seat: usize,
    /// The roots of what it may run.
    roots: [Option<usize>; 2],
    /// Whether it sees to guests.
    takes_guests: bool,
}

/// How a worker parks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// In the main loop: its seat may be lent.
    Idle,
    /// In a wait that any work may shorten.
    Blocked,
}

impl Kind {
    /// The state of a seat that is parked so.
    fn asleep(self) -> u32 {
        match self {
            Kind::Idle => PARKED,
            Kind::Blocked => BLOCKED,
        }
    }
}

/// What became of an attempt to park.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entered {
    /// Announced; now re-check, then `sleep` or `leave`.
    Announced,
    /// The seat was lent meanwhile: go `home`.
    Lent,
}

/// What became of a seat that was given back.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum GivenBack {
    /// Somebody acts in it.
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
    /// How many stand aside.
    aside: CachePadded<AtomicUsize>,
    /// How many threads are away that wait for something of this pool. Changed under the list's
    /// lock.
    local_away: AtomicUsize,
    list: Mutex<List>,
    /// `forks()` when this was made. Where that has changed, nobody sleeps here any more, and the
    /// list's lock may be lost.
    forks: u32,
    seats: Box<[CachePadded<Seat>]>,
}

impl Sleep {
    /// For `workers` seats, all of them `BUSY`.
    pub(crate) fn new(workers: usize) -> Self {
        let seat = || Seat {
            state: AtomicU32::new(BUSY),
            awake: AtomicU32::new(BUSY),
            claims: AtomicU32::new(0),
            home: Parker::new(),
            wait: Parker::new(),
        };
        Sleep {
            counts: CachePadded::new(AtomicUsize::new(0)),
            aside: CachePadded::new(AtomicUsize::new(0)),
            local_away: AtomicUsize::new(0),
            list: Mutex::new(List::default()),
            forks: forks(),
            seats: (0..workers).map(|_| CachePadded::new(seat())).collect(),
        }
    }

    /// The counts as they are about now.
    #[inline]
    pub(crate) fn counts(&self) -> Counts {
        // Relaxed: the handshakes order this where it matters.
        Counts(self.counts.load(Ordering::Relaxed))
    }

    fn state(&self, seat: usize) -> u32 {
        // Acquire: matches the Release of whoever gave the seat away.
        self.seats[seat].state.load(Ordering::Acquire)
    }

    fn set_state(&self, seat: usize, state: u32) {
        // Release: matches the Acquire in `state` and `swap_state`.
        self.seats[seat].state.store(state, Ordering::Release);
    }

    fn swap_state(&self, seat: usize, from: u32, to: u32) -> bool {
        // AcqRel: what the seat's last holder did is visible to its next.
        let state = &self.seats[seat].state;
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

    /// Step (c) of a worker that published jobs of `root`, after its handshake.
    #[inline]
    pub(crate) fn notify_from_worker(&self, root: usize) {
        seq_cst_is_enough();
        // SeqCst: comes after the read-modify-write or fence of step (b).
        let counts = Counts(self.counts.load(Ordering::SeqCst));
        if counts.parked() > 0 && !counts.somebody_looks() {
            self.wake_one();
        }
        self.notify_aside(root);
    }

    /// Steps (b) and (c) of a thread that pushed a job of `root` to the injector. The sentry is
    /// woken rather than relied on: from outside, latency is all there is to win.
    pub(crate) fn notify_from_outside(&self, root: usize) {
        // Pairs with the fence in `announce`.
        fence(Ordering::SeqCst);
        let counts = self.counts();
        if counts.parked() > 0 && counts.searchers() == 0 {
            self.wake_one();
        }
        self.notify_aside(root);
    }

    /// Wakes a second worker beside the one that was woken for a job from outside.
    pub(crate) fn wake_helper(&self) {
        let counts = self.counts();
        if counts.parked() > 0 && counts.searchers() <= 1 {
            self.wake_one();
        }
    }

    /// Step (c) for a guest, after a handshake: where no worker is parked, one that stands aside is
    /// woken.
    pub(crate) fn notify_of_guest(&self) {
        if self.counts().parked() == 0 {
            self.wake_one_aside();
        }
    }

    /// Sees to it, after a handshake, that new work finds a worker where all stand aside, if it may
    /// serve a thread that is away.
    pub(crate) fn notify_all_aside(&self) {
        if self.some_wait_away() && self.all_stand_aside() {
            self.wake_one_aside();
        }
    }

    /// Whether every worker stands aside.
    pub(crate) fn all_stand_aside(&self) -> bool {
        self.aside.load(Ordering::Relaxed) == self.seats.len()
    }

    /// Whether a thread is away that waits for something of this pool, which may be any work: from
    /// its place nobody can run that.
    pub(crate) fn some_wait_away(&self) -> bool {
        self.local_away.load(Ordering::Relaxed) > 0
    }

    /// Wakes one of the workers that stand aside and see to guests.
    #[cold]
    pub(crate) fn wake_one_aside(&self) {
        if self.aside.load(Ordering::Relaxed) == 0 || self.forks != forks() {
            return;
        }
        let mut list = self.list.lock();
        let taker = list.aside.iter().rfind(|aside| aside.takes_guests);
        if let Some(seat) = taker.map(|aside| aside.seat) {
            let parker = self.unlist(&mut list, seat);
            drop(list);
            parker.unpark();
        }
    }

    /// Wakes who stands aside for `root`, after a handshake.
    #[inline]
    pub(crate) fn notify_aside(&self, root: usize) {
        if root != NO_ROOT && self.aside.load(Ordering::Relaxed) > 0 {
            self.wake_aside(root);
        }
    }

    /// Wakes the workers that stand aside for jobs of `root`.
    #[cold]
    fn wake_aside(&self, root: usize) {
        if self.forks != forks() {
            return;
        }
        let mut list = self.list.lock();
        let waits = |aside: &Aside| root == ANY_ROOT || aside.roots.contains(&Some(root));
        while let Some(seat) = list.aside.iter().find(|&it| waits(it)).map(|aside| aside.seat) {
            self.unlist(&mut list, seat).unpark();
        }
    }

    /// Wakes one parked worker, the sentry first, else the one that parked last. It is counted
    /// as a searcher from now on.
    #[cold]
    pub(crate) fn wake_one(&self) {
        if self.forks != forks() {
            return;
        }
        let mut list = self.list.lock();
        if let Some(seat) = list.sentry.or_else(|| list.parked.last().copied()) {
            let parker = self.unlist(&mut list, seat);
            // Others want the lock, and this may take some microseconds.
            drop(list);
            parker.unpark();
        }
    }

    /// Wakes who waits as worker `seat` for what was at the address `wait`: the worker, if it sleeps
    /// inside a wait, or a thread that is away from the seat.
    #[cold]
    pub(crate) fn wake_blocked(&self, seat: usize, wait: usize) {
        if self.forks != forks() {
            return;
        }
        let mut list = self.list.lock();
        list.away.wake(seat, wait);
        if matches!(self.state(seat), BLOCKED | ASIDE) {
            let parker = self.unlist(&mut list, seat);
            drop(list);
            parker.unpark();
        }
    }

    /// Wakes a worker for what was put into its mail.
    pub(crate) fn wake_for_mail(&self, seat: usize) {
        // Pairs with the fence in `announce`.
        fence(Ordering::SeqCst);
        let sleeps = || matches!(self.state(seat), PARKED | BLOCKED | ASIDE);
        // Who is not seen asleep here looks at the mail after its own fence.
        if !sleeps() || self.forks != forks() {
            return;
        }
        let mut list = self.list.lock();
        if sleeps() {
            let parker = self.unlist(&mut list, seat);
            drop(list);
            parker.unpark();
        }
    }

    /// Wakes everybody, for a pool that ends.
    pub(crate) fn wake_all(&self) {
        if self.forks != forks() {
            return;
        }
        let mut list = self.list.lock();
        while let Some(&seat) = list.parked.last() {
            self.unlist(&mut list, seat).unpark();
        }
    }

    /// Makes a sleeping seat `BUSY`, or `LENT` as before, and its holder a searcher. Returns where the
    /// holder sleeps.
    fn unlist(&self, list: &mut List, seat: usize) -> &Parker {
        let mut sub = 0;
        let parker = match self.state(seat) {
            PARKED => &self.seats[seat].home,
            _ => &self.seats[seat].wait,
        };
        if let Some(at) = list.aside.iter().position(|aside| aside.seat == seat) {
            list.aside.swap_remove(at);
            self.aside.fetch_sub(1, Ordering::Relaxed);
        }
        if let Some(at) = list.parked.iter().rposition(|&s| s == seat) {
            list.parked.remove(at);
            sub += ONE_PARKED;
        }
        if list.sentry == Some(seat) {
            list.sentry = None;
            sub += SENTRY;
        }
        // In this order: its holder may see the state at once, and stop searching.
        self.count(SEARCHER, sub);
        self.set_state(seat, self.seats[seat].awake.load(Ordering::Relaxed));
        parker
    }

    // ---- searching ----------------------------------------------------------------------------

    /// Counts the caller as a searcher, unless enough search already.
    #[must_use]
    pub(crate) fn start_searching(&self) -> bool {
        let workers = self.seats.len();
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
    pub(crate) fn free_seat(&self, seat: usize) {
        self.set_state(seat, FREE);
    }

    /// `FREE` to `BUSY`. `false`: it was lent.
    #[must_use]
    pub(crate) fn take_seat(&self, seat: usize) -> bool {
        self.swap_state(seat, FREE, BUSY)
    }

    /// Whether the seat's queues are empty, and will be until `unparked` was called for it; and its
    /// gate is closed.
    pub(crate) fn is_parked(&self, seat: usize) -> bool {
        self.state(seat) == PARKED
    }

    /// Whether the seat's holder neither sleeps in the main loop nor only looks.
    pub(crate) fn is_at_work(&self, seat: usize) -> bool {
        !matches!(self.state(seat), PARKED | FREE)
    }

    /// Has to be called by whoever holds a seat that was parked, before it publishes anything
    /// from it.
    pub(crate) fn unparked(&self) {
        // Pairs with the fence in `announce`.
        fence(Ordering::SeqCst);
    }

    /// What the seat's state is called where people read it.
    #[cfg(not(loom))]
    pub(crate) fn state_name(&self, seat: usize) -> &'static str {
        ["busy", "looking", "parked", "lent", "blocked", "aside"][self.state(seat) as usize]
    }

    pub(crate) fn is_lent(&self, seat: usize) -> bool {
        self.state(seat) == LENT
    }

    // ---- parking ------------------------------------------------------------------------------

    /// Step 1. The seat is `FREE` if the caller searches in the main loop, else `BUSY`. `watches`: it may
    /// become the sentry.
    pub(crate) fn announce(
        &self,
        seat: usize,
        kind: Kind,
        searching: bool,
        watches: bool,
    ) -> Entered {
        let mut list = self.list.lock();
        // Others take a free seat under the lock only. If it was lent and is given back already, the
        // caller has still to see that.
        let held = self.state(seat) == if searching { FREE } else { BUSY };
        match kind {
            Kind::Blocked => self.set_state(seat, BLOCKED),
            Kind::Idle if held && self.grant(&mut list, seat) => return Entered::Lent,
            Kind::Idle if !searching => self.set_state(seat, PARKED),
            Kind::Idle if self.swap_state(seat, FREE, PARKED) => {}
            Kind::Idle => return Entered::Lent,
        }
        list.parked.push(seat);
        let mut add = ONE_PARKED;
        if watches && HAS_SHORT_NAPS && list.sentry.is_none() && self.seats.len() > 1 {
            list.sentry = Some(seat);
            add += SENTRY;
        }
        self.count(add, if searching { SEARCHER } else { 0 });
        drop(list);
        // Pairs with the fence of who pushed to the injector or to mail.
        fence(Ordering::SeqCst);
        Entered::Announced
    }

    /// Takes the announcement back: the caller is a searcher again and holds its seat. `false`:
    /// somebody woke the worker already, or borrowed its seat.
    #[must_use]
    pub(crate) fn leave(&self, seat: usize, kind: Kind) -> bool {
        let mut list = self.list.lock();
        // A seat that its thread has parked may have been lent, and its borrower be blocked.
        let listed = self.state(seat) == kind.asleep();
        if listed {
            let _ = self.unlist(&mut list, seat);
        }
        listed
    }

    /// Step 3. Sleeps until the seat is the caller's and `BUSY`. While the caller is the sentry,
    /// it calls `look` after every nap, and leaves if that says so; before it resigns, it calls
    /// `announce_and_look`.
    pub(crate) fn sleep(
        &self,
        seat: usize,
        kind: Kind,
        look: impl Fn() -> Look,
        announce_and_look: impl Fn() -> bool,
    ) {
        let parker = match kind {
            Kind::Idle => &self.seats[seat].home,
            Kind::Blocked => &self.seats[seat].wait,
        };
        let mut naps = 0;
        while naps < NAPS && self.is_sentry(seat, kind) {
            parker.park_timeout(NAP);
            if self.state(seat) != kind.asleep() {
                break;
            }
            naps += match look() {
                Look::Work if self.leave(seat, kind) => return,
                Look::Quiet => QUIET_NAP,
                _ => 1,
            };
        }
        if self.resign(seat, kind) && announce_and_look() && self.leave(seat, kind) {
            return;
        }
        // A blocked borrower gets the seat back as it had it, a parked thread when it is `BUSY`.
        let sleeps = |state| if kind == Kind::Blocked { state == BLOCKED } else { state != BUSY };
        while sleeps(self.state(seat)) {
            parker.park();
        }
    }

    fn is_sentry(&self, seat: usize, kind: Kind) -> bool {
        self.counts().sentry() && self.is_own_sentry(&self.list.lock(), seat, kind)
    }

    /// Whether the sentry is the seat as the caller has parked it, and not a borrower of it.
    fn is_own_sentry(&self, list: &List, seat: usize, kind: Kind) -> bool {
        list.sentry == Some(seat) && self.state(seat) == kind.asleep()
    }

    /// Returns whether the caller was the sentry.
    fn resign(&self, seat: usize, kind: Kind) -> bool {
        let mut list = self.list.lock();
        let was = self.is_own_sentry(&list, seat, kind);
        if was {
            list.sentry = None;
            self.count(0, SENTRY);
            drop(list);
            // As in `announce`.
            fence(Ordering::SeqCst);
        }
        was
    }

    /// Step 1 of a worker that may run only jobs of `roots`, but for the handshakes, and sees to
    /// guests, or does not.
    pub(crate) fn announce_aside(
        &self,
        seat: usize,
        roots: [Option<usize>; 2],
        takes_guests: bool,
    ) {
        let mut list = self.list.lock();
        self.set_state(seat, ASIDE);
        list.aside.push(Aside { seat, roots, takes_guests });
        self.aside.fetch_add(1, Ordering::Relaxed);
        drop(list);
        // As in `announce`.
        fence(Ordering::SeqCst);
    }

    /// Takes that back. `false`: it was woken already, and is counted as a searcher.
    #[must_use]
    pub(crate) fn leave_aside(&self, seat: usize) -> bool {
        let mut list = self.list.lock();
        let listed = self.state(seat) == ASIDE;
        if listed {
            let _ = self.unlist(&mut list, seat);
            self.count(0, SEARCHER);
        }
        listed
    }

    /// Step 3 of such a worker. It is woken as a searcher.
    pub(crate) fn sleep_aside(&self, seat: usize) {
        while self.state(seat) == ASIDE {
            self.seats[seat].wait.park();
        }
    }

    /// Sleeps as the thread of a lent seat until the seat is its own again.
    pub(crate) fn wait_for_seat(&self, seat: usize) {
        while self.state(seat) != BUSY {
            self.seats[seat].home.park();
        }
    }

    /// Whether `workers` seats, all there are, are parked in the main loop, and `nothing_left`
    /// for any of them at the same time.
    pub(crate) fn all_parked(&self, workers: usize, nothing_left: impl FnOnce() -> bool) -> bool {
        let list = self.list.lock();
        let all = list.parked.len() == workers;
        all && list.parked.iter().all(|&s| self.state(s) == PARKED) && nothing_left()
    }

    // ---- lending ------------------------------------------------------------------------------

    /// Lends the seat of a worker that has nothing to do, one that is parked first, the sentry's
    /// last of these: then the borrower has to do what a last searcher does.
    pub(crate) fn lend(&self) -> Option<(usize, Stopped)> {
        if !self.counts().somebody_idles() {
            return None;
        }
        let mut list = self.list.lock();
        let list = &mut *list;
        let is_left = |seat| list.away.is_left(seat);
        let parked = |&at: &usize| {
            let seat = list.parked[at];
            self.state(seat) == PARKED && !is_left(seat)
        };
        let others = |&at: &usize| list.sentry != Some(list.parked[at]);
        let candidates = || (0..list.parked.len()).rev().filter(parked);
        let Some(at) = candidates().find(others).or_else(|| candidates().next()) else {
            // The seat's thread sees that it is lent, and stops searching.
            let mut seats = 0..self.seats.len();
            let free = seats.find(|&seat| !is_left(seat) && self.swap_state(seat, FREE, LENT));
            return free.map(|seat| {
                self.seats[seat].awake.store(LENT, Ordering::Relaxed);
                (seat, Stopped::Fine)
            });
        };
        let seat = list.parked[at];
        Some((seat, self.lend_parked(list, at)))
    }

    /// Lends the parked seat that stands at `at` in the list.
    fn lend_parked(&self, list: &mut List, at: usize) -> Stopped {
        let seat = list.parked.remove(at);
        let mut sub = ONE_PARKED;
        let mut stopped = Stopped::Fine;
        if list.sentry == Some(seat) {
            list.sentry = None;
            sub += SENTRY;
            stopped = Stopped::LookAgain;
        }
        self.lend_seat(seat);
        self.count(0, sub);
        stopped
    }

    /// Makes a seat that nobody holds but the caller `LENT`, under the list's lock.
    fn lend_seat(&self, seat: usize) {
        // The lock orders this after the last holder's Release, and before the next's Acquire.
        self.seats[seat].awake.store(LENT, Ordering::Relaxed);
        self.set_state(seat, LENT);
    }

    /// Gives a lent seat to a thread that is away from it (`hand_over`), else back to its own
    /// thread, which is woken if there is work left for it.
    pub(crate) fn give_back(&self, seat: usize, work_left: bool) -> GivenBack {
        let mut list = self.list.lock();
        if self.grant_any(&mut list, seat) {
            return GivenBack::Taken;
        }
        let given = self.give_back_in(&mut list, seat, work_left);
        drop(list);
        // As in `announce`.
        fence(Ordering::SeqCst);
        given
    }

    /// Gives a lent seat back to its own thread, under the list's lock.
    fn give_back_in(&self, list: &mut List, seat: usize, work_left: bool) -> GivenBack {
        self.seats[seat].awake.store(BUSY, Ordering::Relaxed);
        if work_left {
            // In this order: as in `unlist`.
            self.count(SEARCHER, 0);
            self.set_state(seat, BUSY);
            self.seats[seat].home.unpark();
            GivenBack::Taken
        } else {
            self.set_state(seat, PARKED);
            list.parked.push(seat);
            self.count(ONE_PARKED, 0);
            GivenBack::Parked
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_seat_stays_lent_when_its_borrower_is_woken() {
        let sleep = Sleep::new(2);
        assert!(sleep.announce(1, Kind::Idle, false, true) == Entered::Announced);
        assert!(matches!(sleep.lend(), Some((1, Stopped::LookAgain))));
        assert!(sleep.announce(1, Kind::Blocked, false, true) == Entered::Announced);
        assert!(!sleep.leave(1, Kind::Idle), "the worker's own thread leaves what it parked only");
        sleep.wake_one();
        assert!(sleep.is_lent(1), "the worker's own thread would take it");
        sleep.announce_aside(1, [None, None], true);
        assert!(sleep.leave_aside(1) && sleep.is_lent(1));
        assert!(sleep.give_back(1, true) == GivenBack::Taken);
        assert_eq!(sleep.state(1), BUSY);
    }

    /// Somebody borrows the seat of a worker that looks around, leaves it and some work there, and
    /// claims it, all before the worker looks.
    #[test]
    fn a_seat_that_was_given_back_is_seen_before_it_is_given_away() {
        let sleep = Sleep::new(1);
        assert!(sleep.start_searching());
        sleep.free_seat(0);
        assert!(matches!(sleep.lend(), Some((0, Stopped::Fine))));
        let (absentee, given) = sleep.go_away(0, 0, true, true);
        assert!(given == GivenBack::Taken);
        std::thread::scope(|scope| {
            scope.spawn(|| sleep.come_back(&absentee));
            while !sleep.is_claimed(0) {
                std::thread::yield_now();
            }
            assert!(sleep.announce(0, Kind::Idle, true, true) == Entered::Lent);
            assert!(sleep.is_claimed(0), "who was woken for the work has not seen it yet");
            assert!(sleep.stop_searching() == Stopped::Fine);
            sleep.wait_for_seat(0);
            assert_eq!(sleep.counts(), Counts(SEARCHER));
            sleep.pass_on(0);
        });
        assert!(sleep.is_lent(0) && !sleep.is_claimed(0));
    }
}
