//! The cheapest clock of the machine, for spans of some microseconds, and one in nanoseconds.

/// The time since some moment, with about [`TICKS_PER_MICROSECOND`]. Threads may differ a little.
#[cfg(all(target_arch = "x86_64", not(loom)))]
#[inline]
pub(crate) fn ticks() -> u64 {
    // SAFETY: every x86_64 processor has this counter.
    unsafe { std::arch::x86_64::_rdtsc() }
}

/// The counter's frequency is usually 2 to 4 GHz.
#[cfg(all(target_arch = "x86_64", not(loom)))]
pub(crate) const TICKS_PER_MICROSECOND: u64 = 3_000;

/// The time since some moment, with [`TICKS_PER_MICROSECOND`].
#[cfg(not(any(target_arch = "x86_64", all(target_family = "wasm", target_os = "unknown"), loom)))]
pub(crate) fn ticks() -> u64 {
    use std::sync::OnceLock;
    use std::time::Instant;

    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_nanos() as u64
}

/// A count, since there is no clock: each reading advances it by a tenth of a microsecond.
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
pub(crate) fn ticks() -> u64 {
    use std::sync::atomic::{AtomicUsize, Ordering};

    static READINGS: AtomicUsize = AtomicUsize::new(0);
    READINGS.fetch_add(1, Ordering::Relaxed) as u64 * (TICKS_PER_MICROSECOND / 10)
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

/// The nanoseconds since the first call, for what is shown to users.
#[cfg(not(any(all(target_family = "wasm", target_os = "unknown"), loom)))]
pub(crate) fn nanos() -> u64 {
    use std::sync::OnceLock;
    use std::time::Instant;

    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_nanos() as u64
}

/// There is no clock.
#[cfg(any(all(target_family = "wasm", target_os = "unknown"), loom))]
pub(crate) fn nanos() -> u64 {
    0
}
