//! `scope`: spawns tasks that may borrow, and waits for all of them.

use std::marker::PhantomData;
use std::{fmt, ptr};

use crate::BroadcastContext;
use crate::global::{global, is_inside};

/// A filch scope, with its lifetime extended to `'scope` so that tasks can refer to it.
#[derive(Clone, Copy)]
struct Tasks<'scope> {
    scope: &'scope filch::Scope<'scope, 'scope>,
}

impl<'scope> Tasks<'scope> {
    /// # Safety
    /// The result must be used only before `scope` ends: by the closure that the scope was opened
    /// for, and by the scope's tasks.
    #[allow(unsafe_code)]
    unsafe fn of(scope: &filch::Scope<'_, 'scope>) -> Self {
        let scope = ptr::from_ref(scope).cast::<filch::Scope<'scope, 'scope>>();
        // SAFETY: the scope exists as long as the result is used, by the premise. Lifetimes do not
        // change its layout. The closures it gets live for `'scope`, which is longer than it needs.
        Tasks { scope: unsafe { &*scope } }
    }
}

/// Declares a type of scope, its methods, and the functions that open it.
macro_rules! scopes {
    ($(#[$doc:meta])* $Scope:ident, $(#[$spawn_doc:meta])* $spawn:ident,
     $(#[$scope_doc:meta])* $scope:ident, $(#[$in_place_doc:meta])* $in_place_scope:ident) => {
        $(#[$doc])*
        pub struct $Scope<'scope> {
            tasks: Tasks<'scope>,
            /// Makes the type invariant in `'scope`, `Send` and `Sync`.
            marker: PhantomData<Box<dyn FnOnce(&$Scope<'scope>) + Send + Sync + 'scope>>,
        }

        impl<'scope> $Scope<'scope> {
            /// Calls `op`, the closure that filch's `scope` was opened for.
            #[allow(unsafe_code)]
            pub(crate) fn enter<R>(
                scope: &filch::Scope<'_, 'scope>,
                op: impl FnOnce(&$Scope<'scope>) -> R,
            ) -> R {
                // SAFETY: `op` and the tasks get it by a reference that they cannot keep. Only the
                // closures that filch's scope was opened for call this.
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
    /// A scope, in which to spawn tasks that borrow from outside it: see [`scope()`].
    Scope,
    /// Spawns a task, which may borrow anything that outlives the scope. The task is passed the
    /// scope, so that it can spawn more tasks.
    ///
    /// A thread runs its own newest task first. Thieves steal its oldest task.
    spawn,
    /// Calls `op` with a scope in which to spawn tasks, and returns once all of them have ended.
    ///
    /// `op` runs on the calling thread if that is in a pool, and otherwise on a thread of the
    /// global pool.
    ///
    /// # Panics
    /// If `op` or a task panics, the panic is resumed once all tasks have ended. The panic of `op`
    /// takes precedence, and then the first panic of a task.
    ///
    /// Panics if the global pool is needed and cannot be built.
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
    /// Panics as [`scope()`] does.
    in_place_scope
}

scopes! {
    /// A scope whose tasks begin in the order in which a thread spawned them: see [`scope_fifo`].
    ScopeFifo,
    /// Spawns a task, which may borrow anything that outlives the scope. The task is passed the
    /// scope, so that it can spawn more tasks.
    ///
    /// The tasks that a thread spawns in a scope begin in the order in which it spawned them.
    spawn_fifo,
    /// Like [`scope()`], but the tasks that a thread spawns in it begin in the order in which it
    /// spawned them.
    ///
    /// # Panics
    /// Panics as [`scope()`] does.
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
    /// Panics as [`scope()`] does.
    in_place_scope_fifo
}
