//! std's atomics, with a count of each thread's writes, for unit tests.

use std::cell::Cell;
use std::ops::Deref;
use std::sync::atomic::{self, Ordering};

thread_local! {
    static WRITES: Cell<usize> = const { Cell::new(0) };
}

pub(crate) fn count() {
    WRITES.set(WRITES.get() + 1);
}

/// How many writes to atomics, and locks of mutexes, this thread has made.
pub(crate) fn writes() -> usize {
    WRITES.get()
}

macro_rules! counted {
    ($name:ident, $int:ty, $($method:ident ( $($argument:ident: $type:ty),* ) -> $result:ty;)*) => {
        #[derive(Debug, Default)]
        pub(crate) struct $name(atomic::$name);

        impl $name {
            pub(crate) const fn new(value: $int) -> Self {
                $name(atomic::$name::new(value))
            }

            $(
                #[allow(dead_code)]
                pub(crate) fn $method(&self, $($argument: $type),*) -> $result {
                    count();
                    self.0.$method($($argument),*)
                }
            )*

            #[allow(dead_code)]
            pub(crate) fn fetch_update(
                &self,
                success: Ordering,
                failure: Ordering,
                change: impl FnMut($int) -> Option<$int>,
            ) -> Result<$int, $int> {
                count();
                self.0.fetch_update(success, failure, change)
            }
        }

        impl Deref for $name {
            type Target = atomic::$name;

            fn deref(&self) -> &atomic::$name {
                &self.0
            }
        }
    };
    ($name:ident, $int:ty) => {
        counted!($name, $int,
            store(value: $int, order: Ordering) -> ();
            swap(value: $int, order: Ordering) -> $int;
            fetch_add(value: $int, order: Ordering) -> $int;
            fetch_sub(value: $int, order: Ordering) -> $int;
            fetch_or(value: $int, order: Ordering) -> $int;
            fetch_and(value: $int, order: Ordering) -> $int;
            fetch_max(value: $int, order: Ordering) -> $int;
            compare_exchange(from: $int, to: $int, success: Ordering, failure: Ordering)
                -> Result<$int, $int>;
        );
    };
}
counted!(AtomicU32, u32);
counted!(AtomicUsize, usize);
