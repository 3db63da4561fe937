//! The synchronization primitives, from std or from loom, chosen here once.

#[cfg(all(test, not(loom)))]
pub(crate) mod counted;
pub(crate) mod slab;

#[cfg(not(loom))]
mod imp {
    use std::panic::{RefUnwindSafe, UnwindSafe};
    use std::sync::atomic;
    use std::time::Duration;

    #[cfg(test)]
    pub(crate) use super::counted::{AtomicU32, AtomicUsize};
    pub(crate) use crate::os::generation::Generation;
    pub(crate) use crate::os::slack::ExactSleeps;
    use crate::sim;
    pub(crate) use atomic::{AtomicIsize, AtomicPtr, Ordering, fence};
    #[cfg(not(test))]
    pub(crate) use atomic::{AtomicU32, AtomicUsize};
    pub(crate) use parking_lot::MutexGuard;
    pub(crate) use std::cell::UnsafeCell;

    /// A lock that is not poisoned by a panic, since no code of the user changes its content.
    #[derive(Default)]
    pub(crate) struct Mutex<T>(parking_lot::Mutex<T>);

    impl<T> UnwindSafe for Mutex<T> {}
    impl<T> RefUnwindSafe for Mutex<T> {}

    impl<T> Mutex<T> {
        pub(crate) const fn new(value: T) -> Self {
            Mutex(parking_lot::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            #[cfg(test)]
            super::counted::count();
            self.0.lock()
        }

        pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
            self.0.try_lock()
        }

        /// `lock`, for a lock under which user code runs. In a simulation, its holder may wait for
        /// the turn, so the caller gives the turn away.
        pub(crate) fn lock_over_points(&self) -> MutexGuard<'_, T> {
            loop {
                match self.try_lock() {
                    Some(guard) => return guard,
                    None if sim::pause() => {}
                    None => return self.lock(),
                }
            }
        }

        pub(crate) fn into_inner(self) -> T {
            self.0.into_inner()
        }
    }

    /// A thread parks here until it is given a token. A token that is given early is kept.
    pub(crate) struct Parker {
        /// Locked only by the thread that parks.
        parker: Mutex<crossbeam_utils::sync::Parker>,
        unparker: Unparker,
    }

    impl Parker {
        pub(crate) fn new() -> Self {
            let parker = crossbeam_utils::sync::Parker::new();
            let unparker =
                Unparker { real: parker.unparker().clone(), simulated: sim::Token::new() };
            Parker { parker: Mutex::new(parker), unparker }
        }

        /// Waits for a token and takes it. May return without a token.
        pub(crate) fn park(&self) {
            if !self.unparker.simulated.take() {
                self.parker.lock().park();
            }
        }

        /// Like `park`, but waits for at most `limit`.
        pub(crate) fn park_timeout(&self, limit: Duration) {
            if !sim::pause() {
                self.parker.lock().park_timeout(limit);
            }
        }

        pub(crate) fn unpark(&self) {
            self.unparker.unpark();
        }

        pub(crate) fn unparker(&self) -> &Unparker {
            &self.unparker
        }
    }

    /// Gives the token of a [`Parker`].
    #[derive(Clone)]
    pub(crate) struct Unparker {
        real: crossbeam_utils::sync::Unparker,
        simulated: sim::Token,
    }

    impl Unparker {
        pub(crate) fn unpark(&self) {
            self.simulated.give();
            self.real.unpark();
        }
    }

    /// Parks the calling thread, which is no worker, until `done`. The pool at the address `pool`
    /// brings that about.
    pub(crate) fn wait_outside(parker: &Parker, pool: usize, done: impl Fn() -> bool) {
        let _awaits = sim::awaits(pool);
        while !done() {
            parker.park();
        }
    }

    /// Tells the processor that this is a spin loop.
    pub(crate) fn spin_loop() {
        std::hint::spin_loop();
    }

    /// One round of waiting until another thread has executed a few instructions.
    pub(crate) fn spin_or_yield() {
        if !sim::pause() {
            std::thread::yield_now();
        }
    }

    /// The cheap side of an asymmetric pair of fences, whose other side is `os::heavy_fence`. It
    /// only keeps the compiler from reordering.
    #[inline(always)]
    pub(crate) fn light_fence() {
        atomic::compiler_fence(Ordering::SeqCst);
    }

    /// Marks a place between a SeqCst read-modify-write and a SeqCst load, where only loom needs a
    /// fence.
    #[inline(always)]
    pub(crate) fn seq_cst_is_enough() {}
}

#[cfg(loom)]
mod imp {
    use std::time::Duration;

    pub(crate) use loom::sync::atomic::{
        AtomicIsize, AtomicPtr, AtomicU32, AtomicUsize, Ordering, fence,
    };

    /// std's interface over loom's cell. A call of `get` counts as an exclusive access.
    pub(crate) struct UnsafeCell<T>(loom::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        pub(crate) fn new(value: T) -> Self {
            UnsafeCell(loom::cell::UnsafeCell::new(value))
        }

        pub(crate) fn get(&self) -> *mut T {
            self.0.with_mut(|pointer| pointer)
        }
    }

    pub(crate) use loom::sync::MutexGuard;

    /// The interface of the lock above over loom's mutex.
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Mutex(loom::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().unwrap()
        }
    }

    /// A token behind a mutex and a condition variable.
    pub(crate) struct Parker {
        token: loom::sync::Mutex<bool>,
        given: loom::sync::Condvar,
    }

    impl Parker {
        pub(crate) fn new() -> Self {
            Parker { token: loom::sync::Mutex::new(false), given: loom::sync::Condvar::new() }
        }

        pub(crate) fn park(&self) {
            let mut token = self.token.lock().unwrap();
            while !*token {
                token = self.given.wait(token).unwrap();
            }
            *token = false;
        }

        /// A model has no clock: the limit is over at once. (A yield would wait for all other
        /// threads.)
        pub(crate) fn park_timeout(&self, _limit: Duration) {}

        pub(crate) fn unpark(&self) {
            *self.token.lock().unwrap() = true;
            self.given.notify_one();
        }
    }

    pub(crate) fn spin_loop() {
        loom::thread::yield_now();
    }

    pub(crate) fn spin_or_yield() {
        loom::thread::yield_now();
    }

    /// A model has only one process.
    #[derive(Clone, Copy)]
    pub(crate) struct Generation;

    impl Generation {
        pub(crate) fn current() -> Self {
            Generation
        }

        pub(crate) fn abort_if_past(self) {}
    }

    /// A model has no clock.
    pub(crate) struct ExactSleeps;

    impl ExactSleeps {
        pub(crate) fn begin() -> Self {
            ExactSleeps
        }
    }

    /// In a model, both sides of the pair are the same.
    pub(crate) fn light_fence() {
        fence(Ordering::SeqCst);
    }

    /// loom treats SeqCst operations as AcqRel, but knows SeqCst fences.
    pub(crate) fn seq_cst_is_enough() {
        fence(Ordering::SeqCst);
    }
}

pub(crate) use imp::*;
