//! Lending: a thread from outside takes the core of a parked worker for a while.

use super::cores::{BUSY, PARKED};
use super::counts::SENTRY;
use super::state::List;
use super::{Sleep, Stopped};

impl Sleep {
    /// Lends a parked core, if there is one. The borrower of the sentry's core has to look around
    /// as the last searcher does. A core that a thread has handed off is not lent, since that
    /// thread could not take it back before the end of the loan. Nor is the core of a worker that
    /// looks around, since that worker takes a job as soon as it is queued. (If that core is lent,
    /// no row of `benches/ablation` takes 5 % less time.)
    pub(crate) fn lend(&self) -> Option<(usize, Stopped)> {
        if self.counts().parked() == 0 {
            return None;
        }
        let mut list = self.list();
        let list = &mut *list;
        let may_lend = |&core: &usize| self.state(core) == PARKED && !list.threads[core].any_off();
        let core = list.parked.iter().copied().rev().find(may_lend)?;
        Some((core, self.take_parked(list, core)))
    }

    /// Takes a parked core for the caller.
    pub(super) fn take_parked(&self, list: &mut List, core: usize) -> Stopped {
        let sub = list.remove_parked(core);
        self.set_state(core, BUSY);
        self.count(0, sub);
        if sub & SENTRY != 0 { Stopped::LookAgain } else { Stopped::Fine }
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
