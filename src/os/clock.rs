//! A clock for spans of some microseconds, as cheap to read as the machine has one.

/// The time since some moment, in [`TICKS_PER_MICROSECOND`], roughly. Two threads' may differ.
#[cfg(all(target_arch = "x86_64", not(loom)))]
#[inline]
pub(crate) fn ticks() -> u64 {
    // SAFETY: every x86_64 processor has this counter.
    unsafe { std::arch::x86_64::_rdtsc() }
}

/// By the usual frequency of the counter, 2 to 4 GHz.
#[cfg(all(target_arch = "x86_64", not(loom)))]
pub(crate) const TICKS_PER_MICROSECOND: u64 = 3_000;

/// The time since some moment, in [`TICKS_PER_MICROSECOND`].
#[cfg(not(any(target_arch = "x86_64", loom)))]
pub(crate) fn ticks() -> u64 {
    use std::sync::OnceLock;
    use std::time::Instant;

    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_nanos() as u64
}

#[cfg(not(any(target_arch = "x86_64", loom)))]
pub(crate) const TICKS_PER_MICROSECOND: u64 = 1_000;

/// A model has no clock: each span is over at once.
#[cfg(loom)]
pub(crate) fn ticks() -> u64 {
    1
}

#[cfg(loom)]
pub(crate) const TICKS_PER_MICROSECOND: u64 = 0;
