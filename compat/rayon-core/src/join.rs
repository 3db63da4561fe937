//! `join`: two closures, perhaps in parallel.

pub use filch::FnContext;

use crate::global::{global, is_inside};

/// Runs two closures, perhaps in parallel, and returns both results.
///
/// In a pool, the calling thread runs `oper_a`; meanwhile another may steal `oper_b`, which the
/// caller runs otherwise. Called on a thread that is in no pool, both run in the global pool, and
/// the caller sleeps.
///
/// A thread that waits for a stolen closure runs other work of its pool meanwhile.
///
/// # Panics
/// Both closures run in any case. If `oper_a` panics, its panic is resumed when `oper_b` has
/// ended; else `oper_b`'s is, if that panics. The global pool's failure to be built is a panic,
/// too.
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

/// Like [`join()`], and tells each closure whether it has migrated to another thread than the one
/// that called.
///
/// # Panics
/// As [`join()`].
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
