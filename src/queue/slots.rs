//! Unit tests of the ring's slots (lemma 5 of `join_queue.rs`), and of an owner's wait for a thief.

use std::ptr::NonNull;

use super::front::ForkFront;
use super::join_queue::{ForkQueue, Popped, Published};
use super::until_sure;

struct Public(NonNull<u8>);

impl Published<u8> for Public {
    fn into_pointer(self) -> NonNull<u8> {
        self.0
    }

    unsafe fn from_pointer(job: NonNull<u8>) -> Self {
        Public(job)
    }

    fn is(&self, private: NonNull<u8>) -> bool {
        self.0 == private
    }
}

/// An owner's forks, which are never run: a job is only an address.
struct Forks {
    queue: ForkQueue<u8, Public>,
    jobs: Vec<u8>,
}

impl Forks {
    fn new() -> Self {
        Forks { queue: ForkQueue::new(1, 4, false), jobs: vec![0; 9] }
    }

    fn front(&self) -> &ForkFront<u8> {
        // SAFETY: the front is the queue's first field, and the layout is C's.
        unsafe { &*(&raw const self.queue).cast() }
    }

    fn job(&self, job: usize) -> NonNull<u8> {
        NonNull::from(&self.jobs[job])
    }

    /// Returns the slot.
    fn fork(&self, job: usize) -> usize {
        let job = self.job(job);
        self.front().push(job).unwrap_or_else(|| self.queue.push_slow(job, Public).0)
    }

    fn end(&self, job: usize, slot: usize) -> Popped {
        if self.front().pop(slot) {
            return Popped::Mine;
        }
        self.queue.pop_slow(slot, self.job(job), Public).0
    }

    /// Steals the oldest job.
    fn steal(&self) -> NonNull<u8> {
        let stolen = until_sure(|| self.queue.steal());
        let _ = self.queue.took_one();
        stolen.unwrap().0
    }

    /// Forks three nested jobs, publishes those that are not public, and ends all, after their
    /// theft if `stolen`.
    /// Returns the highest slot.
    fn publish_some(&self, first: usize, stolen: bool) -> usize {
        let slots = [0, 1, 2].map(|job| self.fork(first + job));
        let _ = self.queue.flush(Public);
        assert_eq!((self.queue.public(), self.queue.hidden()), (3, 0));
        if stolen {
            assert_eq!([(); 3].map(|()| self.steal()), [0, 1, 2].map(|job| self.job(first + job)));
        }
        for job in [2, 1, 0] {
            let expected = if stolen { Popped::Stolen } else { Popped::Mine };
            assert_eq!(self.end(first + job, slots[job]), expected);
        }
        slots.into_iter().max().unwrap()
    }
}

/// Fails when the end of a published fork leaves `head` where it is.
#[test]
fn slots_do_not_climb_while_one_job_publishes_forks() {
    let forks = Forks::new();
    let outer = forks.fork(0);
    assert_eq!(forks.steal(), forks.job(0));
    let highest = (0..10_000).map(|i| forks.publish_some(1, i % 3 == 0)).max().unwrap();
    assert!(highest < 10, "slot {highest}");
    assert_eq!(forks.end(0, outer), Popped::Stolen);
}

/// The first stack hands off the core, and takes it back after the second one has handed it off in
/// turn. Then it ends its forks.
///
/// Fails when `keep_slots` does nothing.
#[test]
fn a_stack_leaves_the_slots_of_another_alone() {
    let forks = Forks::new();
    let (queue, job) = (&forks.queue, |job| forks.job(job));
    let first = [0, 1].map(|job| forks.fork(job));
    let _ = queue.flush(Public);
    queue.keep_slots(true);
    let second = [2, 3].map(|job| forks.fork(job));
    let _ = queue.flush(Public);
    queue.keep_slots(true);
    assert_eq!([(); 4].map(|()| forks.steal()), [0, 1, 2, 3].map(job));
    for at in [1, 0] {
        assert_eq!(forks.end(at, first[at]), Popped::Stolen);
    }
    let third = [4, 5].map(|job| forks.fork(job));
    for at in [1, 0] {
        assert_eq!(forks.end(4 + at, third[at]), Popped::Mine);
    }
    queue.keep_slots(false);
    for at in [1, 0] {
        assert_eq!(forks.end(2 + at, second[at]), Popped::Stolen, "it is the thief's");
    }
    assert!(forks.publish_some(6, true) < 10);
}

/// An owner that is new keeps four jobs public before it hides any. If it took the last one back,
/// it keeps one, and after thefts two or four.
///
/// Fails when the gate opens as soon as one job is public.
#[test]
fn an_owner_hides_no_fork_until_as_many_are_public_as_thieves_took() {
    for (took_back, thefts, public) in
        [(false, 0, 4), (true, 0, 1), (true, 1, 2), (true, 2, 4), (true, 3, 4)]
    {
        let forks = Forks::new();
        if took_back {
            let slot = forks.fork(0);
            assert_eq!(forks.end(0, slot), Popped::Mine);
        }
        for _ in 0..thefts {
            let slot = forks.fork(0);
            assert_eq!(forks.steal(), forks.job(0));
            assert_eq!(forks.end(0, slot), Popped::Stolen);
        }
        assert_eq!(forks.queue.is_in_demand(), public == 4);
        let slots: Vec<usize> = (0..6).map(|job| forks.fork(job)).collect();
        assert_eq!((forks.queue.public(), forks.queue.hidden()), (public, 6 - public));
        for (job, slot) in slots.into_iter().enumerate().rev() {
            assert_eq!(forks.end(job, slot), Popped::Mine);
        }
    }
}

/// How much processor time the calling thread has used.
#[cfg(unix)]
fn thread_time() -> std::time::Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes to `time` only.
    let code = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    assert_eq!(code, 0);
    std::time::Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

// SAFETY: in the test one thread is the owner, and the other a thief.
unsafe impl Sync for Forks {}

/// A thief that is preempted while it forces may need the processor of a real-time owner that waits
/// for it.
///
/// Fails when `give_way` only yields.
#[cfg(unix)]
#[test]
fn an_owner_that_waits_long_for_a_thief_sleeps() {
    use std::time::Duration;
    const LONG: Duration = Duration::from_millis(400);
    let forks = Forks::new();
    let slots = [0, 1].map(|job| forks.fork(job));
    let (forced, is_forced) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let theirs = &forks;
        scope.spawn(move || {
            let stands_still = || {
                forced.send(()).unwrap();
                std::thread::sleep(LONG);
                true
            };
            theirs.queue.force(stands_still, Public, |_| ());
        });
        is_forced.recv().unwrap();
        let before = thread_time();
        let _ = forks.queue.flush(Public);
        let used = thread_time() - before;
        assert!(used < LONG / 4, "used {used:?} in {LONG:?}");
    });
    // The thief saw that the owner was in a slow path, and left the fork alone.
    assert_eq!(forks.end(1, slots[1]), Popped::Mine);
}
