//! A panic at each call of user code in turn.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::common::{Boom, Ledger, boom};

/// Counts calls, and panics at one of them.
pub struct Fault {
    calls: AtomicUsize,
    /// The call that panics, counted from 1.
    panics_at: usize,
}

impl Fault {
    pub fn call(&self) {
        if self.is_due() {
            boom(1);
        }
    }

    /// Whether this call must fail by an error instead of a panic.
    pub fn is_due(&self) -> bool {
        self.calls.fetch_add(1, Ordering::SeqCst) + 1 == self.panics_at
    }
}

/// Runs `op` with a fault at its first call, its second, and so on until there is no such call.
/// Each time, all tokens must be dropped once. `op` returns whether it saw the fault. If a `boom`
/// leaves `op`, that counts as seen.
pub fn drive(op: impl Fn(&Fault, &'static Ledger) -> bool) {
    for panics_at in 1.. {
        let fault = Fault { calls: AtomicUsize::new(0), panics_at };
        let ledger = Ledger::new();
        let saw = catch_unwind(AssertUnwindSafe(|| op(&fault, ledger))).unwrap_or_else(|payload| {
            match payload.is::<Boom>() {
                true => true,
                false => resume_unwind(payload),
            }
        });
        let calls = fault.calls.load(Ordering::SeqCst);
        ledger.assert_balanced(format!("fault at {panics_at} of {calls}"));
        assert_eq!(saw, calls >= panics_at, "fault at {panics_at} of {calls} calls");
        if !saw {
            assert!(panics_at > 1, "there is no call at all");
            return;
        }
    }
}
