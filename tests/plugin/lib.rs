//! A library that a program loads at run time (`dlopen`), uses, and unloads: the functions that it
//! exports compute in parallel, in a pool for the call or in the global pool.
//!
//! Cargo builds it as an example (`Cargo.toml`), and `tests/ends.rs` loads it.
//!
//! The pool for the call leaves no thread behind, so the library may be unloaded. The global pool's
//! threads stay until the process ends, and so does the code that they run.

fn fib(n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let (a, b) = filch::join(|| fib(n - 1), || fib(n - 2));
    a + b
}

/// The `n`-th Fibonacci number, computed in a pool of two threads that ends before this returns. If
/// the pool cannot be built, returns 0, which is no answer for any other `n` than 0.
#[unsafe(no_mangle)]
pub extern "C" fn fib_in_own_pool(n: u64) -> u64 {
    let pool = filch::ThreadPoolBuilder::new().num_threads(2).build();
    pool.map_or(0, |pool| pool.install(|| fib(n)))
}

/// The `n`-th Fibonacci number, computed in the global pool.
#[unsafe(no_mangle)]
pub extern "C" fn fib_in_global_pool(n: u64) -> u64 {
    fib(n)
}

/// Spawns a detached computation of the `n`-th Fibonacci number in the global pool.
#[unsafe(no_mangle)]
pub extern "C" fn spawn_in_global_pool(n: u64) -> u64 {
    drop(filch::spawn(move || fib(n)));
    n
}
