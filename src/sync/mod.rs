//! The synchronization primitives, from std or from loom. Only this file chooses between the two.

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
    use crate::sim;
    pub(crate) use atomic::{AtomicBool, AtomicIsize, AtomicPtr, Ordering, fence};
    #[cfg(not(test))]
    pub(crate) use atomic::{AtomicU32, AtomicUsize};
    pub(crate) use parking_lot::MutexGuard;
    pub(crate) use std::cell::{Cell, UnsafeCell};
    pub(crate) use std::hint::spin_loop;
    pub(crate) use std::thread_local;

    /// A lock that a panic does not poison, since no code of the user changes its content.
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

        pub(crate) fn into_inner(self) -> T {
            self.0.into_inner()
        }
    }

    /// A thread parks here until it is given a token. A token that is given before is kept for it.
    pub(crate) struct Parker {
        /// Locked only by the thread that parks.
        parker: Mutex<crossbeam_utils::sync::Parker>,
        unparker: Unparker,
    }

    impl Default for Parker {
        fn default() -> Self {
            let parker = crossbeam_utils::sync::Parker::new();
            let unparker =
                Unparker { real: parker.unparker().clone(), simulated: Default::default() };
            Parker { parker: Mutex::new(parker), unparker }
        }
    }

    impl Parker {
        /// Waits for a token and takes it. May return without a token.
        pub(crate) fn park(&self) {
            if !self.unparker.simulated.take() {
                self.parker.lock().park();
            }
        }

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

    /// Waits one round for another thread that needs only a few more instructions.
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
    use std::cell;
    use std::sync::Arc;
    use std::time::Duration;

    pub(crate) use loom::cell::Cell;
    pub(crate) use loom::hint::spin_loop;
    pub(crate) use loom::sync::MutexGuard;
    pub(crate) use loom::sync::atomic::{
        AtomicBool, AtomicIsize, AtomicPtr, AtomicU32, AtomicUsize, Ordering, fence,
    };
    pub(crate) use loom::thread::yield_now as spin_or_yield;

    /// loom's cell with the interface of std's. loom takes each call of `get` for an exclusive
    /// access.
    pub(crate) struct UnsafeCell<T>(loom::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        pub(crate) fn new(value: T) -> Self {
            UnsafeCell(loom::cell::UnsafeCell::new(value))
        }

        pub(crate) fn get(&self) -> *mut T {
            self.0.with_mut(|pointer| pointer)
        }
    }

    macro_rules! locals {
        ($($(#[$doc:meta])* static $name:ident: $type:ty = const $init:block;)*) => {$(
            $(#[$doc])*
            static $name: crate::sync::Local<$type> = {
                loom::thread_local! { static KEY: $type = $init; }
                crate::sync::Local(&KEY)
            };
        )*};
    }
    pub(crate) use locals as thread_local;

    /// loom's key with the interface of std's.
    pub(crate) struct Local<T: 'static>(pub(crate) &'static loom::thread::LocalKey<T>);

    impl<T> Local<cell::Cell<T>> {
        pub(crate) fn get(&self) -> T
        where
            T: Copy,
        {
            self.0.with(cell::Cell::get)
        }

        pub(crate) fn set(&self, value: T) {
            self.0.with(|cell| cell.set(value));
        }

        pub(crate) fn replace(&self, value: T) -> T {
            self.0.with(|cell| cell.replace(value))
        }
    }

    /// loom's mutex with the interface of the `Mutex` above.
    #[derive(Default)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Mutex(loom::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().unwrap()
        }

        pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
            self.0.try_lock().ok()
        }

        pub(crate) fn into_inner(self) -> T {
            self.0.into_inner().unwrap()
        }
    }

    pub(crate) struct Parker(Unparker);

    #[derive(Clone)]
    pub(crate) struct Unparker(Arc<Token>);

    struct Token {
        is_given: loom::sync::Mutex<bool>,
        given: loom::sync::Condvar,
    }

    impl Default for Parker {
        fn default() -> Self {
            let (is_given, given) = (loom::sync::Mutex::new(false), loom::sync::Condvar::new());
            Parker(Unparker(Arc::new(Token { is_given, given })))
        }
    }

    impl Parker {
        pub(crate) fn park(&self) {
            let Token { is_given, given } = &*self.0.0;
            let mut token = is_given.lock().unwrap();
            while !*token {
                token = given.wait(token).unwrap();
            }
            *token = false;
        }

        /// Returns at once, since a model has no clock. (A yield to loom would let all other
        /// threads run first.)
        pub(crate) fn park_timeout(&self, _limit: Duration) {}

        pub(crate) fn unpark(&self) {
            self.0.unpark();
        }

        pub(crate) fn unparker(&self) -> &Unparker {
            &self.0
        }
    }

    impl Unparker {
        pub(crate) fn unpark(&self) {
            *self.0.is_given.lock().unwrap() = true;
            self.0.given.notify_one();
        }
    }

    /// In a model, both sides of the pair are a SeqCst fence.
    pub(crate) fn light_fence() {
        fence(Ordering::SeqCst);
    }

    /// loom treats SeqCst operations as AcqRel, but knows SeqCst fences.
    pub(crate) fn seq_cst_is_enough() {
        fence(Ordering::SeqCst);
    }
}

pub(crate) use crate::os::generation::Generation;
pub(crate) use crate::os::slack::ExactSleeps;
use crate::sim;
pub(crate) use imp::*;

impl<T> Mutex<T> {
    /// Like `lock`, for a lock that is held while code of the user runs. In a simulation, the
    /// holder may be waiting for its turn, so the caller passes the turn on.
    pub(crate) fn lock_over_points(&self) -> MutexGuard<'_, T> {
        loop {
            match self.try_lock() {
                Some(guard) => return guard,
                None if sim::pause() => {}
                None => return self.lock(),
            }
        }
    }
}

/// Parks the calling thread, which is not a worker, until `done` returns true. The pool at the
/// address `pool` unparks it.
pub(crate) fn wait_outside(parker: &Parker, pool: usize, done: impl Fn() -> bool) {
    let _awaits = sim::awaits(pool);
    while !done() {
        parker.park();
    }
}
