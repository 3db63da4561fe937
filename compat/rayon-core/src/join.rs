//! `join`: runs two closures, potentially in parallel.

pub use filch::FnContext;

use crate::global::{global, is_inside};

/// Runs two closures, potentially in parallel, and returns both results.
///
/// In a pool, the calling thread runs `oper_a`. Meanwhile another thread may steal `oper_b`. If
/// none does, the caller runs `oper_b` afterwards. If the caller is in no pool, both closures run
/// in the global pool, and the caller sleeps.
///
/// While a thread waits for a stolen closure, it runs other work of its pool.
///
/// # Panics
/// If a closure panics, the other one still runs, and then the panic is resumed. If both panic, the
/// panic of `oper_a` is resumed.
///
/// Panics if the global pool is needed and cannot be built.
///
/// ```
/// fn increment(numbers: &mut [u32]) {
///     if let [number] = numbers {
///         *number += 1;
///     } else if numbers.len() > 1 {
///         let (left, right) = numbers.split_at_mut(numbers.len() / 2);
///         rayon_core::join(|| increment(left), || increment(right));
///     }
/// }
///
/// let mut numbers = [1, 2, 3, 4, 5];
/// increment(&mut numbers);
/// assert_eq!(numbers, [2, 3, 4, 5, 6]);
/// ```
#[inline]
pub fn join<A, B, RA, RB>(oper_a: A, oper_b: B) -> (RA, RB)
where
    A: FnOnce() -> RA + Send,
    B: FnOnce() -> RB + Send,
    RA: Send,
    RB: Send,
{
    if is_inside() { filch::join(oper_a, oper_b) } else { global().join(oper_a, oper_b) }
}

/// Like [`join()`], but tells each closure whether it runs on another thread than the caller's.
///
/// # Panics
/// Panics as [`join()`] does.
///
/// ```
/// let (left, _) = rayon_core::join_context(|context| context.migrated(), |_| ());
/// assert!(left); // called on a thread that is in no pool
/// ```
#[inline]
pub fn join_context<A, B, RA, RB>(oper_a: A, oper_b: B) -> (RA, RB)
where
    A: FnOnce(FnContext) -> RA + Send,
    B: FnOnce(FnContext) -> RB + Send,
    RA: Send,
    RB: Send,
{
    if is_inside() {
        filch::join_context(oper_a, oper_b)
    } else {
        global().join_context(oper_a, oper_b)
    }
}
