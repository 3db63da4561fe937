//! The pool that the models of sleeping and waking are about: sleepers and queues are the real
//! ones; what `worker/` and `pool/` do with them, which the model checker does not get, is here
//! once more, without what only makes it faster (rounds of looking around, random victims) and
//! without tags.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::ptr::NonNull;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::AtomicBool;
use loom::thread;

use crate::latch::Wait;
use crate::queue::{ForkFront, ForkQueue, Injector, Published, TaskQueue, until_sure};
use crate::sleep::{ANY_TAG, Entered, GivenBack, Kind, Look, NO_TAG, OffCore, Sleep, Stopped};
use crate::sync::{Ordering, fence};

/// A job, by its name in the model. Those with capital letters have the isolation tag `TAG`.
pub(super) type Job = char;

pub(super) const TAG: usize = 7;

fn tag(job: Job) -> usize {
    if job.is_uppercase() { TAG } else { NO_TAG }
}

/// What a worker's thread does after a job.
#[derive(PartialEq, Eq)]
pub(super) enum Goes {
    On,
    Away,
}

/// A thread of a pool at the bottom of its stack.
pub(super) type Thread = std::sync::Arc<OffCore>;

/// What a core gives the right to.
pub(super) struct Core {
    pub(super) forks: ForkQueue<Job, Fork>,
    tasks: TaskQueue<Job>,
    pinned: Injector<Job>,
    /// Whether a look has decided to use force.
    forces: Cell<bool>,
    /// Stands for what only the core's holder may touch.
    holders: UnsafeCell<()>,
}

pub(super) struct Pool {
    pub(super) sleep: Sleep,
    pub(super) cores: Vec<Core>,
    pub(super) injector: Injector<Job>,
    guests: Injector<Job>,
    ending: AtomicBool,
    ended: AtomicBool,
}

// SAFETY: the model checker sees every access to `holders`.
unsafe impl Sync for Pool {}
// SAFETY: nothing in a pool depends on its thread.
unsafe impl Send for Pool {}

impl Pool {
    pub(super) fn new(workers: usize) -> Arc<Self> {
        let core = || Core {
            forks: ForkQueue::new(1, workers, false),
            tasks: TaskQueue::new(false, false),
            pinned: Injector::new(),
            forces: Cell::new(false),
            holders: UnsafeCell::new(()),
        };
        Arc::new(Pool {
            sleep: Sleep::new(workers),
            cores: (0..workers).map(|_| core()).collect(),
            injector: Injector::new(),
            guests: Injector::new(),
            ending: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        })
    }

    // ---- worker/mod.rs ------------------------------------------------------------------------

    /// What only the core's holder may do.
    fn hold(&self, me: usize) {
        self.cores[me].holders.with_mut(|_| ());
    }

    pub(super) fn push_task(&self, me: usize, job: Job) {
        self.hold(me);
        self.cores[me].tasks.push(job);
        self.sleep.notify_from_worker(tag(job));
    }

    pub(super) fn pin(&self, to: usize, job: Job) {
        self.cores[to].pinned.push(job);
    }

    /// As a broadcast whose only job is for worker `to`.
    pub(super) fn send(&self, to: usize, job: Job) {
        self.pin(to, job);
        self.sleep.wake_for_pinned(to);
    }

    pub(super) fn fork(&self, me: usize, job: &'static Job) {
        self.hold(me);
        // SAFETY: the front is the queue's first field, and the layout is C's.
        let front: &ForkFront<Job> = unsafe { &*(&raw const self.cores[me].forks).cast() };
        if front.push(job.into()).is_none() {
            let (_, published) = self.cores[me].forks.push_slow(job.into(), Fork);
            self.published_forks(published);
        }
    }

    fn published_forks(&self, published: usize) {
        if published > 0 {
            self.sleep.notify_from_worker(NO_TAG);
        }
    }

    pub(super) fn has_own_work(&self, me: usize) -> bool {
        !self.cores[me].tasks.is_empty() || !self.cores[me].pinned.is_empty()
    }

    /// The life of a worker's thread, until `run` has run the last job it wants, or the pool
    /// ends.
    pub(super) fn main_loop(&self, me: &Thread, mut searching: bool, run: impl Fn(Job) -> Goes) {
        loop {
            let goes_on = if self.sleep.is_wanted(me.core()) {
                self.pass_on(me, &mut searching)
            } else if let Some(job) = self.find(me.core()) {
                if std::mem::take(&mut searching) {
                    self.stop_searching(me.core());
                }
                if run(job) == Goes::Away {
                    return;
                }
                true
            } else {
                let goes_on = self.idle(me, searching);
                searching = true;
                goes_on
            };
            if !goes_on {
                return;
            }
        }
    }

    pub(super) fn unparked(&self, me: usize) {
        self.hold(me);
        self.sleep.unparked();
    }

    pub(super) fn stop_searching(&self, me: usize) {
        self.look_again(me, self.sleep.stop_searching());
    }

    pub(super) fn look_again(&self, me: usize, stopped: Stopped) {
        let hides = || self.others(me).any(|other| other.forks.hides_work());
        if stopped == Stopped::LookAgain && (self.announce_and_look(me) || hides()) {
            self.sleep.wake_one();
        }
    }

    // ---- worker/find.rs -----------------------------------------------------------------------

    fn find(&self, me: usize) -> Option<Job> {
        self.pop_pinned(me)
            .or_else(|| self.newest_task(me))
            .or_else(|| self.guest())
            .or_else(|| self.injected_batch(me))
            .or_else(|| self.stolen(me))
            .or_else(|| self.forced(me))
    }

    fn guest(&self) -> Option<Job> {
        if self.guests.is_empty() { None } else { until_sure(|| self.guests.steal()) }
    }

    fn pop_pinned(&self, me: usize) -> Option<Job> {
        self.hold(me);
        let pinned = &self.cores[me].pinned;
        if pinned.is_empty() { None } else { until_sure(|| pinned.steal()) }
    }

    fn newest_task(&self, me: usize) -> Option<Job> {
        self.cores[me].tasks.pop(|| self.share_rest(me))
    }

    pub(super) fn injected(&self) -> Option<Job> {
        if self.injector.is_empty() { None } else { until_sure(|| self.injector.steal()) }
    }

    fn injected_batch(&self, me: usize) -> Option<Job> {
        if self.injector.is_empty() {
            return None;
        }
        let first = self.cores[me].tasks.steal_injected(&self.injector);
        self.share_rest(me);
        first
    }

    pub(super) fn stolen(&self, me: usize) -> Option<Job> {
        self.others(me)
            .find_map(|victim| self.steal_fork(victim).or_else(|| self.steal_task(me, victim)))
    }

    fn steal_fork(&self, victim: &Core) -> Option<Job> {
        if victim.forks.is_empty() {
            victim.forks.raise_demand();
            return None;
        }
        until_sure(|| victim.forks.steal()).map(Fork::job)
    }

    fn steal_task(&self, me: usize, victim: &Core) -> Option<Job> {
        if victim.tasks.is_empty() {
            return None;
        }
        let first = self.cores[me].tasks.steal_from(&victim.tasks, true);
        self.share_rest(me);
        first
    }

    fn share_rest(&self, me: usize) {
        if !self.cores[me].tasks.is_empty() {
            self.cores[me].tasks.publish_moved();
            self.sleep.notify_from_worker(ANY_TAG);
        }
    }

    fn forced(&self, me: usize) -> Option<Job> {
        if !self.cores[me].forces.take() {
            return None;
        }
        let mut hiders = self.others(me).filter(|other| other.forks.hides_work());
        let mut forced = None;
        let mut take = |fork: Fork| match forced {
            None => forced = Some(fork),
            Some(_) => self.cores[me].tasks.push_moved(fork.job()),
        };
        let _ = hiders.any(|other| other.forks.force(heavy_fence, Fork, &mut take) > 0);
        self.share_rest(me);
        if forced.is_none() {
            // To the model checker: others have to go on before this makes sense again.
            thread::yield_now();
        }
        forced.map(Fork::job)
    }

    pub(super) fn sees_work(&self, me: usize) -> bool {
        self.sees_own_work(me) || self.others(me).any(Core::shows_work)
    }

    pub(super) fn watch(&self, me: usize) -> Look {
        if self.sees_work(me) { Look::Work } else { Look::Quiet }
    }

    pub(super) fn announce_and_look(&self, me: usize) -> bool {
        // Pairs with the fence of a thread that has pushed to the injector or a pinned queue.
        fence(Ordering::SeqCst);
        self.sees_own_work(me) || self.others(me).any(Core::shows_work)
    }

    pub(super) fn announce_and_look_hard(&self, me: usize) -> bool {
        let seen = self.announce_and_look(me);
        seen || self.others_work(me) && heavy_fence() && self.will_force(me)
    }

    fn will_force(&self, me: usize) -> bool {
        let hidden = self.others(me).any(|other| other.forks.hides_work());
        self.cores[me].forces.set(hidden);
        hidden
    }

    fn others_work(&self, me: usize) -> bool {
        self.others(me).next().is_some()
    }

    fn sees_own_work(&self, me: usize) -> bool {
        let is_empty = self.injector.is_empty() && self.guests.is_empty();
        !is_empty || self.has_own_work(me)
    }

    fn others(&self, me: usize) -> impl Iterator<Item = &Core> {
        let others = (0..self.cores.len()).filter(move |&core| core != me);
        others.filter(|&core| !self.sleep.is_parked(core)).map(|core| &self.cores[core])
    }

    // ---- worker/idle.rs -----------------------------------------------------------------------

    fn idle(&self, me: &Thread, mut searching: bool) -> bool {
        searching = searching || self.sleep.start_searching();
        if searching {
            self.sleep.free_core(me.core());
            return self.look_on(me);
        }
        self.park(me, false)
    }

    /// Goes on to look around, with what a lender may have done meanwhile.
    pub(super) fn look_on(&self, me: &Thread) -> bool {
        let core = me.core();
        let sees = self.sees_work(core) || self.sleep.is_lent(core) || self.sleep.is_wanted(core);
        if sees { self.take_core(me) } else { self.park(me, true) }
    }

    fn take_core(&self, me: &Thread) -> bool {
        if !self.sleep.take_core(me) {
            self.stop_searching(me.core());
            return self.wait_for_core(me);
        }
        !self.has_ended()
    }

    pub(super) fn park(&self, me: &Thread, searching: bool) -> bool {
        let (core, idle) = (me.core(), Kind::Idle(me));
        if self.sleep.announce(core, idle, searching, true) == Entered::Lent {
            if searching {
                self.stop_searching(core);
            }
            return self.wait_for_core(me);
        }
        if self.announce_and_look(core) && self.sleep.leave(core, idle) {
            return self.wait_for_core(me);
        }
        self.end_if_idle();
        self.sleep_idle(me)
    }

    pub(super) fn sleep_idle(&self, me: &Thread) -> bool {
        let core = me.core();
        let look_hard = || self.announce_and_look_hard(core);
        self.sleep.sleep(core, Kind::Idle(me), || self.watch(core), look_hard);
        self.wait_for_core(me)
    }

    // ---- worker/wait.rs -----------------------------------------------------------------------

    pub(super) fn wait_until(&self, me: usize, wait: &impl Wait) {
        let mut searching = false;
        while !wait.done() {
            self.hold(me);
            if self.sleep.is_wanted(me) {
                if std::mem::take(&mut searching) {
                    self.stop_searching(me);
                }
                self.wait_off_core(me, wait, true);
                continue;
            }
            searching = self.sleep_in_wait(me, wait, searching);
        }
        if searching {
            self.stop_searching(me);
        }
    }

    fn sleep_in_wait(&self, me: usize, wait: &impl Wait, searching: bool) -> bool {
        if !wait.ask_wake() {
            return searching;
        }
        let _ = self.sleep.announce(me, Kind::Blocked, searching, true);
        let looks = || wait.done() || self.sleep.is_wanted(me);
        let over = looks() || self.announce_and_look(me) || looks();
        if !(over && self.sleep.leave(me, Kind::Blocked)) {
            let look = || if wait.done() { Look::Work } else { self.watch(me) };
            let look_hard = || wait.done() || self.announce_and_look_hard(me);
            self.sleep.sleep(me, Kind::Blocked, look, look_hard);
        }
        true
    }

    /// Waits for another pool, and runs guests on top of that.
    pub(super) fn wait_elsewhere(&self, me: usize, wait: &impl Wait, run: impl Fn(Job)) {
        while !wait.done() {
            self.hold(me);
            if let Some(job) = self.guest() {
                run(job);
            } else if self.sleep_elsewhere(me, wait) {
                self.stop_searching(me);
            }
        }
    }

    /// The same, but hands off the core for guests, to a thread that does as `serve_guests`.
    pub(super) fn hand_off_for_guests(&self, me: usize, wait: &impl Wait) {
        while !wait.done() {
            self.hold(me);
            if self.sleep.is_wanted(me) || !self.guests.is_empty() && self.sleep.has_spare(me) {
                self.wait_off_core(me, wait, false);
            } else if self.sleep_elsewhere(me, wait) {
                self.stop_searching(me);
            }
        }
    }

    fn sleep_elsewhere(&self, me: usize, wait: &impl Wait) -> bool {
        if !wait.ask_wake() {
            return false;
        }
        self.sleep.announce_restricted(me, [None, None], true);
        let over = wait.done() || self.sleep.is_wanted(me) || !self.guests.is_empty();
        if over && self.sleep.leave_restricted(me) {
            return false;
        }
        self.sleep.sleep_restricted(me);
        true
    }

    /// The spare thread that stands in for one that waits for another pool.
    pub(super) fn serve_guests(&self, me: &Thread, run: impl Fn(Job)) {
        while self.wait_for_core(me) {
            self.stop_searching(me.core());
            while let Some(job) = self.guest() {
                self.hold(me.core());
                run(job);
            }
            if !self.sleep.pass_on(me) {
                assert_eq!(self.sleep.threads_off(me.core()), 0, "one does not have the core back");
                return self.main_loop(me, false, |_| Goes::On);
            }
        }
    }

    /// Waits inside a task that is `TAG`.
    pub(super) fn wait_restricted(&self, me: usize, wait: &impl Wait, run: impl Fn(Job)) {
        while !wait.done() {
            self.hold(me);
            if let Some(job) = self.find_in_wait(me) {
                run(job);
            } else if self.sleep_restricted(me, wait, &run) {
                self.stop_searching(me);
            }
        }
    }

    fn find_in_wait(&self, me: usize) -> Option<Job> {
        let own = self.newest_task(me).and_then(|job| self.accept(job));
        own.or_else(|| self.pop_pinned(me))
            .or_else(|| self.stolen(me).and_then(|job| self.accept(job)))
            .or_else(|| self.forced(me).and_then(|job| self.accept(job)))
            .or_else(|| self.injected().and_then(|job| self.accept(job)))
    }

    pub(super) fn accept(&self, job: Job) -> Option<Job> {
        if tag(job) == TAG {
            return Some(job);
        }
        self.queue(job);
        None
    }

    fn sleep_restricted(&self, me: usize, wait: &impl Wait, run: impl Fn(Job)) -> bool {
        if !wait.ask_wake() {
            return false;
        }
        self.sleep.announce_restricted(me, [Some(TAG), None], true);
        self.announce_and_look_hard(me);
        let job = if wait.done() { None } else { self.find_in_wait(me) };
        let is_missed = || {
            let sleep = &self.sleep;
            sleep.some_wait_off() && sleep.all_are_restricted() && self.announce_and_look(me)
        };
        let leaves = job.is_none() && is_missed();
        let mut woken = if job.is_some() || leaves || wait.done() {
            !self.sleep.leave_restricted(me)
        } else {
            self.sleep.sleep_restricted(me);
            true
        };
        if let Some(job) = job {
            run(job);
        } else if leaves {
            if std::mem::take(&mut woken) {
                self.stop_searching(me);
            }
            self.wait_off_core(me, wait, true);
        }
        woken
    }

    // ---- worker/hand_off.rs -------------------------------------------------------------------

    /// Waits without the core. There has to be a spare thread, or one that wants the core.
    pub(super) fn wait_off_core(&self, me: usize, wait: &impl Wait, is_local: bool) {
        if !wait.ask_wake() {
            return;
        }
        let work_left = !is_local || self.has_own_work(me);
        let thread = self.hand_off(me, wait.address(), is_local, work_left);
        self.sleep.wait_off_core(&thread, || wait.done());
        let stopped = self.sleep.take_back(&thread);
        self.unparked(me);
        self.look_again(me, stopped);
    }

    pub(super) fn hand_off(
        &self,
        me: usize,
        wait: usize,
        is_local: bool,
        work_left: bool,
    ) -> Thread {
        self.hold(me);
        let handed_off = self.sleep.hand_off(me, wait, is_local, work_left, || self.has_ended());
        let (thread, given) = handed_off.expect("a pool does not end while its worker works");
        self.look_after(me, given);
        thread
    }

    /// Passes the core on at the bottom of the stack.
    fn pass_on(&self, me: &Thread, searching: &mut bool) -> bool {
        if std::mem::take(searching) {
            self.stop_searching(me.core());
        }
        if !self.sleep.pass_on(me) {
            return true;
        }
        *searching = true;
        self.wait_for_core(me)
    }

    /// Sleeps at the bottom of the stack until the thread has the core.
    pub(super) fn wait_for_core(&self, me: &Thread) -> bool {
        self.sleep.wait_off_core(me, || self.has_ended());
        if me.has_core() {
            self.unparked(me.core());
        }
        !self.has_ended()
    }

    pub(super) fn give_back(&self, me: usize) {
        self.hold(me);
        let given = self.sleep.give_back(me, self.has_own_work(me));
        self.look_after(me, given);
    }

    fn look_after(&self, me: usize, given: GivenBack) {
        if given == GivenBack::Taken {
            return;
        }
        if self.has_own_work(me) {
            // A pinned job came in between, and its sender found the core busy.
            self.sleep.wake_for_pinned(me);
        }
        if self.announce_and_look(me) && !self.sleep.counts().somebody_looks() {
            self.sleep.wake_one();
        }
    }

    // ---- pool/ --------------------------------------------------------------------------------

    pub(super) fn inject(&self, job: Job) {
        self.queue(job);
        self.sleep.notify_all_restricted();
    }

    /// A job that a worker of another pool asks for.
    pub(super) fn invite(&self, job: Job) {
        self.guests.push(job);
        self.sleep.notify_from_outside(tag(job));
        self.sleep.notify_of_guest();
    }

    fn queue(&self, job: Job) {
        self.injector.push(job);
        self.sleep.notify_from_outside(tag(job));
    }

    /// Acts as a worker for a moment, if a core can be had.
    pub(super) fn borrow(&self) {
        if let Some((me, stopped)) = self.sleep.lend() {
            self.unparked(me);
            self.look_again(me, stopped);
            self.give_back(me);
        }
    }

    /// The end of a watch from outside.
    pub(super) fn stop_watching(&self) {
        if self.sleep.stop_watching() == Stopped::LookAgain {
            fence(Ordering::SeqCst);
            let mut awake = (0..self.cores.len()).filter(|&core| !self.sleep.is_parked(core));
            let shows = |core: usize| {
                let core = &self.cores[core];
                core.shows_work() || core.forks.hides_work()
            };
            if !self.injector.is_empty() || !self.guests.is_empty() || awake.any(shows) {
                self.sleep.wake_one();
            }
        }
    }

    pub(super) fn begin_end(&self) {
        self.ending.store(true, Ordering::Release);
        fence(Ordering::SeqCst);
        if self.injector.is_empty() && self.guests.is_empty() {
            self.end_if_idle();
        }
    }

    fn end_if_idle(&self) {
        let nothing_left = || !(0..self.cores.len()).any(|core| self.has_own_work(core));
        let end = || {
            self.ended.store(true, Ordering::Release);
            true
        };
        let ends = || self.sleep.all_parked(self.cores.len(), || nothing_left() && end());
        if self.ending.load(Ordering::Acquire) && ends() {
            self.sleep.wake_all();
        }
    }

    fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }
}

impl Core {
    fn shows_work(&self) -> bool {
        if self.forks.is_empty() {
            self.forks.raise_demand();
            return !self.tasks.is_empty();
        }
        true
    }
}

/// As in `sync::light_fence`, both sides of the pair are the same in a model.
fn heavy_fence() -> bool {
    fence(Ordering::SeqCst);
    true
}

/// A job that was forked.
pub(super) struct Fork(NonNull<Job>);

// SAFETY: all forks of the models are constants.
unsafe impl Send for Fork {}

impl Fork {
    fn job(self) -> Job {
        // SAFETY: all forks of the models are constants.
        unsafe { *self.0.as_ref() }
    }
}

impl Published<Job> for Fork {
    fn into_pointer(self) -> NonNull<Job> {
        self.0
    }

    unsafe fn from_pointer(job: NonNull<Job>) -> Self {
        Fork(job)
    }

    fn is(&self, private: NonNull<Job>) -> bool {
        self.0 == private
    }
}
