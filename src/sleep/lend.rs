//! Lending: a thread from outside takes the core of an idle worker for a while.

use std::sync::Arc;

use super::cores::{BUSY, CoreThread, FREE, PARKED};
use super::counts::{PARKED as ONE_PARKED, SEARCHER, SENTRY};
use super::state::List;
use super::{Sleep, Stopped};

impl Sleep {
    /// Lends the core of an idle worker, if there is one. Prefers a parked core to a free one, and
    /// any other parked core to the sentry's. The borrower of the sentry's core has to look around
    /// as the last searcher does. A core that a thread has handed off is not lent, since that
    /// thread could not take it back before the end of the loan.
    pub(crate) fn lend(&self) -> Option<(usize, Stopped)> {
        if !self.counts().any_idle() {
            return None;
        }
        let mut list = self.list();
        let list = &mut *list;
        let may_lend = |&core: &usize| self.state(core) == PARKED && !list.off[core].is_left();
        let others = |core: &usize| list.sentry != Some(*core);
        let candidates = || list.parked.iter().copied().rev().filter(may_lend);
        if let Some(core) = candidates().find(others).or_else(|| candidates().next()) {
            return Some((core, self.take_parked(list, core)));
        }
        let mut cores = 0..self.cores.len();
        let is_free =
            |&core: &usize| !list.off[core].is_left() && self.swap_state(core, FREE, BUSY);
        let core = cores.find(is_free)?;
        // The core's thread, which looks for work, does not know of the loan yet.
        list.off[core].misses_loan = true;
        Some((core, Stopped::Fine))
    }

    /// Takes a parked core for the caller.
    pub(super) fn take_parked(&self, list: &mut List, core: usize) -> Stopped {
        list.parked.retain(|&parked| parked != core);
        let mut sub = ONE_PARKED;
        let mut stopped = Stopped::Fine;
        if list.sentry == Some(core) {
            list.sentry = None;
            sub += SENTRY;
            stopped = Stopped::LookAgain;
        }
        self.set_state(core, BUSY);
        self.count(0, sub);
        stopped
    }

    /// `BUSY` to `FREE`: from now on the caller only looks.
    pub(crate) fn free_core(&self, core: usize) {
        self.set_state(core, FREE);
    }

    /// `FREE` to `BUSY`. Returns `false` if the core was lent. The caller then waits for it.
    #[must_use]
    pub(crate) fn take_core(&self, me: &Arc<CoreThread>) -> bool {
        let taken = self.swap_state(me.core(), FREE, BUSY);
        if !taken {
            self.searcher_sees_loan(&mut self.list(), me);
        }
        taken
    }

    /// Whether the core was lent, for a caller that made it `FREE`.
    pub(crate) fn is_lent(&self, core: usize) -> bool {
        self.state(core) != FREE
    }

    /// Called by a thread that looked around and finds that its core was lent. The thread becomes a
    /// spare one. If the core was given back meanwhile, the thread has it at once, as a searcher.
    pub(super) fn searcher_sees_loan(&self, list: &mut List, me: &Arc<CoreThread>) {
        if self.state(me.core) == FREE {
            self.count(SEARCHER, 0);
            self.set_state(me.core, BUSY);
        } else {
            list.off[me.core].misses_loan = false;
            list.off[me.core].push_spare(me);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
