//! Runs of items that are cut where something is found: strings by patterns, slices by
//! predicates.

use super::steps::{Steps, drive_steps};
use crate::iter::plumbing::{Folder, UnindexedConsumer};

/// A string or slice, to be cut where `P` says. Its length is in bytes or items.
pub(crate) trait Run<P>: Sized + Send {
    fn len(&self) -> usize;

    /// Returns a place around the middle at which it may be split.
    fn middle(&self) -> usize;

    /// Returns the start and the end of the first separator that begins at `from` or behind.
    fn first(&self, pattern: &P, from: usize) -> Option<(usize, usize)>;

    /// Returns the start and the end of the last separator that begins before `to`.
    fn last(&self, pattern: &P, to: usize) -> Option<(usize, usize)>;

    /// Splits into what is before `at` and what is behind it.
    fn split_at(self, at: usize) -> (Self, Self);
}

/// What becomes of the separators, and of an empty part at the end.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Mode {
    /// They are left out.
    Between,
    /// They are left out, and so is an empty last part.
    Terminated,
    /// They belong to the part before them; an empty last part is left out.
    Inclusive,
}

/// Feeds the parts of `run` to `consumer`.
pub(crate) fn drive_cuts<P, R, C>(run: R, pattern: &P, mode: Mode, consumer: C) -> C::Result
where
    P: Sync,
    R: Run<P>,
    C: UnindexedConsumer<R>,
{
    drive_steps(Cuts { rest: Some(run), pattern, mode, whole: false }, consumer)
}

/// An iterator over the parts of the rest.
struct Cuts<'p, R, P> {
    rest: Option<R>,
    pattern: &'p P,
    mode: Mode,
    /// Whether no place to cut is left.
    whole: bool,
}

impl<R: Run<P>, P> Iterator for Cuts<'_, R, P> {
    type Item = R;

    fn next(&mut self) -> Option<R> {
        let rest = self.rest.take()?;
        match rest.first(self.pattern, 0) {
            Some((start, end)) => {
                let (part, rest) = rest.split_at(end);
                self.rest = Some(rest);
                Some(if self.mode == Mode::Inclusive { part } else { part.split_at(start).0 })
            }
            None if rest.len() == 0 && self.mode != Mode::Between => None,
            None => Some(rest),
        }
    }
}

impl<R: Run<P>, P: Sync> Steps for Cuts<'_, R, P> {
    type Item = R;

    fn step<F: Folder<R>>(&mut self, most: usize, folder: F) -> (F, bool) {
        let folder = folder.consume_iter(self.by_ref().take(most));
        (folder, self.rest.is_some())
    }

    fn cut_off(&mut self, first: bool) -> Option<Self> {
        let rest = self.rest.as_ref().filter(|rest| !self.whole && rest.len() > 1)?;
        let from = if first { 0 } else { rest.middle() };
        // A separator at the very end that belongs to its part cuts nothing off.
        let cuts = |&(_, end): &(usize, usize)| self.mode != Mode::Inclusive || end < rest.len();
        let found = rest.first(self.pattern, from).filter(cuts);
        let found = found.or_else(|| rest.last(self.pattern, from).filter(cuts));
        let Some((start, end)) = found else {
            self.whole = true;
            return None;
        };
        let (left, right) = self.rest.take()?.split_at(end);
        let right = Cuts { rest: Some(right), ..*self };
        if self.mode == Mode::Inclusive {
            self.rest = Some(left);
        } else {
            // The left side ends with a part, even if that is empty.
            self.mode = Mode::Between;
            self.rest = Some(left.split_at(start).0);
        }
        Some(right)
    }
}
