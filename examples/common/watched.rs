//! A progress bar for any fork-join recursion: each side of a fork counts as half of its work.

use std::marker::PhantomData;

use indicatif::ProgressBar;

use crate::workloads::Fork;

/// Forks with `F`, and advances the bar whenever one side of an early fork ends.
pub struct Watched<F>(PhantomData<F>);

/// The shares of the bar that the running code stands for.
pub struct Watch<'a> {
    bar: &'a ProgressBar,
    shares: u64,
}

impl<'a> Watch<'a> {
    /// The shares of the whole bar. Forks more than ten levels deep have no share.
    pub const SHARES: u64 = 1 << 10;

    pub fn new(bar: &'a ProgressBar) -> Watch<'a> {
        Watch { bar, shares: Self::SHARES }
    }

    /// Does the work of one side of a fork, and adds its `shares` to the bar.
    fn over<R>(bar: &ProgressBar, shares: u64, work: impl FnOnce(&mut Watch<'_>) -> R) -> R {
        let mut side = Watch { bar, shares };
        let result = work(&mut side);
        if side.shares > 0 {
            bar.inc(side.shares);
        }
        result
    }
}

impl<F> Fork for Watched<F>
where
    F: for<'a> Fork<Context<'a> = ()>,
{
    type Context<'a> = Watch<'a>;
    type Pool = F::Pool;

    fn pool(threads: usize) -> F::Pool {
        F::pool(threads)
    }

    fn install<R: Send>(pool: &F::Pool, work: impl FnOnce(&mut Watch<'_>) -> R + Send) -> R {
        F::install(pool, |()| work(&mut Watch::new(&ProgressBar::hidden())))
    }

    #[inline]
    fn join<RA: Send, RB: Send>(
        watch: &mut Watch<'_>,
        a: impl FnOnce(&mut Watch<'_>) -> RA + Send,
        b: impl FnOnce(&mut Watch<'_>) -> RB + Send,
    ) -> (RA, RB) {
        let bar = watch.bar;
        let half = watch.shares / 2;
        let rest = watch.shares - half;
        // The two sides get all of the caller's shares.
        watch.shares = 0;
        F::join(&mut (), |()| Watch::over(bar, rest, a), |()| Watch::over(bar, half, b))
    }
}
