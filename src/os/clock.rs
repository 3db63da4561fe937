//! Two clocks: the cheapest one of the machine, for spans of some microseconds, and one in
//! nanoseconds.

/// A model has no clock: every span counts as over. The counter of an x86_64 processor usually runs
/// at 2 to 4 GHz.
pub(crate) const TICKS_PER_MICROSECOND: u64 = match () {
    () if cfg!(loom) => 0,
    () if cfg!(target_arch = "x86_64") => 3_000,
    () => 1_000,
};

/// Returns the time since an arbitrary moment, in ticks. A microsecond has about
/// [`TICKS_PER_MICROSECOND`] of them. The counters of two processors may differ slightly.
#[cfg(all(target_arch = "x86_64", not(loom)))]
#[inline]
pub(crate) fn ticks() -> u64 {
    // SAFETY: every x86_64 processor has this counter.
    unsafe { std::arch::x86_64::_rdtsc() }
}

/// Returns the time since the first call, in nanoseconds.
#[cfg(not(any(target_arch = "x86_64", all(target_family = "wasm", target_os = "unknown"), loom)))]
pub(crate) fn ticks() -> u64 {
    nanos()
}

/// This target has no clock. Returns a count that each call advances by a tenth of a microsecond.
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
pub(crate) fn ticks() -> u64 {
    use std::sync::atomic::{AtomicUsize, Ordering};

    static READINGS: AtomicUsize = AtomicUsize::new(0);
    READINGS.fetch_add(1, Ordering::Relaxed) as u64 * (TICKS_PER_MICROSECOND / 10)
}

#[cfg(loom)]
pub(crate) fn ticks() -> u64 {
    1
}

/// Returns the nanoseconds since the first call, for times that users see.
#[cfg(not(any(all(target_family = "wasm", target_os = "unknown"), loom)))]
pub(crate) fn nanos() -> u64 {
    use std::sync::OnceLock;
    use std::time::Instant;

    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_nanos() as u64
}

/// Neither this target nor a model has a clock.
#[cfg(any(all(target_family = "wasm", target_os = "unknown"), loom))]
pub(crate) fn nanos() -> u64 {
    0
}
