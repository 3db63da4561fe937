//! `scope`: any number of tasks that may borrow from outside, all of which end before it does.

use std::marker::PhantomData;
use std::{fmt, ptr};

use crate::BroadcastContext;
use crate::global::{global, is_inside};

/// A scope of the runtime's, which its tasks refer to as if it lived for all of `'scope`.
#[derive(Clone, Copy)]
struct Tasks<'scope> {
    scope: &'scope filch::Scope<'scope, 'scope>,
}

impl<'scope> Tasks<'scope> {
    /// # Safety
    /// The result is used only before `scope` ends: by what the scope was opened for, and by its
    /// tasks.
    #[allow(unsafe_code)]
    unsafe fn of(scope: &filch::Scope<'_, 'scope>) -> Self {
        let scope = ptr::from_ref(scope).cast::<filch::Scope<'scope, 'scope>>();
        // SAFETY: it is there as long as anybody uses this, by the premise. The lifetimes are no
        // part of it: what it is given to run lives for `'scope`, which is longer than it needs.
        Tasks { scope: unsafe { &*scope } }
    }
}

/// Declares a kind of scope, its functions and its tasks.
macro_rules! scopes {
    ($(#[$doc:meta])* $Scope:ident, $(#[$spawn_doc:meta])* $spawn:ident,
     $(#[$scope_doc:meta])* $scope:ident, $(#[$in_place_doc:meta])* $in_place_scope:ident) => {
        $(#[$doc])*
        pub struct $Scope<'scope> {
            tasks: Tasks<'scope>,
            /// Invariant in `'scope`, and may be shared.
            marker: PhantomData<Box<dyn FnOnce(&$Scope<'scope>) + Send + Sync + 'scope>>,
        }

        impl<'scope> $Scope<'scope> {
            /// Calls `op` with a scope of the runtime's, for which that was opened.
            #[allow(unsafe_code)]
            pub(crate) fn enter<R>(
                scope: &filch::Scope<'_, 'scope>,
                op: impl FnOnce(&$Scope<'scope>) -> R,
            ) -> R {
                // SAFETY: `op` and the tasks get it by a reference, to which they cannot hold on;
                // those who call this are what the scope was opened for.
                let tasks = unsafe { Tasks::of(scope) };
                $Scope::call(tasks, op)
            }

            fn call<R>(tasks: Tasks<'scope>, op: impl FnOnce(&$Scope<'scope>) -> R) -> R {
                op(&$Scope { tasks, marker: PhantomData })
            }

            $(#[$spawn_doc])*
            pub fn $spawn<BODY>(&self, body: BODY)
            where
                BODY: FnOnce(&$Scope<'scope>) + Send + 'scope,
            {
                let tasks = self.tasks;
                _ = tasks.scope.$spawn(move || $Scope::call(tasks, body));
            }

            /// Spawns a task on every thread of the pool.
            pub fn spawn_broadcast<BODY>(&self, body: BODY)
            where
                BODY: Fn(&$Scope<'scope>, BroadcastContext<'_>) + Send + Sync + 'scope,
            {
                let tasks = self.tasks;
                let body = move |context: BroadcastContext<'_>| {
                    $Scope::call(tasks, |scope| body(scope, context))
                };
                tasks.scope.spawn_broadcast(BroadcastContext::adapt(body));
            }
        }

        impl fmt::Debug for $Scope<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($Scope)).finish_non_exhaustive()
            }
        }

        $(#[$scope_doc])*
        pub fn $scope<'scope, OP, R>(op: OP) -> R
        where
            OP: FnOnce(&$Scope<'scope>) -> R + Send,
            R: Send,
        {
            if is_inside() {
                filch::scope(|scope| $Scope::enter(scope, op))
            } else {
                global().scope(|scope| $Scope::enter(scope, op))
            }
        }

        $(#[$in_place_doc])*
        pub fn $in_place_scope<'scope, OP, R>(op: OP) -> R
        where
            OP: FnOnce(&$Scope<'scope>) -> R,
        {
            if is_inside() {
                filch::in_place_scope(|scope| $Scope::enter(scope, op))
            } else {
                global().in_place_scope(|scope| $Scope::enter(scope, op))
            }
        }
    };
}

scopes! {
    /// A scope, in which tasks can be spawned that borrow from outside of it: see [`scope()`].
    Scope,
    /// Spawns a task, which may borrow whatever outlives the scope, and gets the scope to spawn
    /// more.
    ///
    /// A thread runs its own tasks newest first; others steal the oldest.
    spawn,
    /// Calls `op` with a scope to spawn tasks in, and returns when all of them have ended.
    ///
    /// `op` runs on a thread of a pool: on the calling one if that is in a pool, else on one of
    /// the global pool's.
    ///
    /// # Panics
    /// When `op` panics, or else a task: with the first such payload, when all tasks have ended.
    /// The global pool's failure to be built is a panic, too.
    ///
    /// ```
    /// let mut squares = vec![0; 100];
    /// rayon_core::scope(|s| {
    ///     for (i, square) in squares.iter_mut().enumerate() {
    ///         s.spawn(move |_| *square = i * i);
    ///     }
    /// });
    /// assert_eq!(squares[9], 81);
    /// ```
    scope,
    /// Like [`scope()`], but `op` runs on the calling thread, and need not be [`Send`].
    ///
    /// # Panics
    /// As [`scope()`].
    in_place_scope
}

scopes! {
    /// A scope whose tasks keep an order: see [`scope_fifo`].
    ScopeFifo,
    /// Spawns a task, which may borrow whatever outlives the scope, and gets the scope to spawn
    /// more.
    ///
    /// The tasks that a thread spawns in a scope begin in the order in which it spawned them.
    spawn_fifo,
    /// Like [`scope()`], but the tasks that a thread spawns in it begin in the order in which it
    /// spawned them.
    ///
    /// # Panics
    /// As [`scope()`].
    ///
    /// ```
    /// let order = std::sync::Mutex::new(Vec::new());
    /// let pool = rayon_core::ThreadPoolBuilder::new().num_threads(1).build()?;
    /// pool.scope_fifo(|s| {
    ///     for i in 0..4 {
    ///         let order = &order;
    ///         s.spawn_fifo(move |_| order.lock().unwrap().push(i));
    ///     }
    /// });
    /// assert_eq!(order.into_inner().unwrap(), [0, 1, 2, 3]);
    /// # Ok::<(), rayon_core::ThreadPoolBuildError>(())
    /// ```
    scope_fifo,
    /// Like [`scope_fifo`], but `op` runs on the calling thread, and need not be [`Send`].
    ///
    /// # Panics
    /// As [`scope()`].
    in_place_scope_fifo
}
