//! Collecting into a `Result` or an `Option` of a collection.

use std::ops::ControlFlow::{Break, Continue};

use super::super::super::adaptors::drive_until;
use super::super::super::implement::parallel;
use super::super::super::plumbing::drop_first;
use super::super::super::tries::Try;
use super::super::super::{FromParallelIterator, IntoParallelIterator, ParallelIterator};
use super::super::tries::StopFlag;
use crate::sync::Mutex;

impl<C: FromParallelIterator<T>, T: Send> FromParallelIterator<Option<T>> for Option<C> {
    /// Returns `None` if an item is `None`. All threads then stop soon.
    fn from_par_iter<I: IntoParallelIterator<Item = Option<T>>>(par_iter: I) -> Self {
        collect(par_iter.into_par_iter())
    }
}

impl<C, T, E> FromParallelIterator<Result<T, E>> for Result<C, E>
where
    T: Send,
    E: Send,
    C: FromParallelIterator<T>,
{
    /// Returns an error if there is one, not always the first. All threads then stop soon.
    fn from_par_iter<I: IntoParallelIterator<Item = Result<T, E>>>(par_iter: I) -> Self {
        collect(par_iter.into_par_iter())
    }
}

/// Collects the values in the items, until one is a failure.
fn collect<I, C, R>(base: I) -> R
where
    I: ParallelIterator<Item: Try<Output: Send, Residual: Send>>,
    C: FromParallelIterator<<I::Item as Try>::Output>,
    R: Try<Output = C, Residual = <I::Item as Try>::Residual>,
{
    let failure = Failure { stop: StopFlag::default(), why: Mutex::new(None) };
    let collection = C::from_par_iter(Successes { base, failure: &failure });
    match failure.why.into_inner() {
        Some(why) => R::from_residual(drop_first(collection, why)),
        None => R::from_output(collection),
    }
}

/// Whether an item was a failure, and the failure that was noted first.
struct Failure<W> {
    stop: StopFlag,
    why: Mutex<Option<W>>,
}

impl<W> Failure<W> {
    fn note(&self, why: W) {
        let mut first = self.why.lock();
        let late = if first.is_some() { Some(why) } else { first.replace(why) };
        drop(first);
        // Dropped without the lock, where a panic does no harm.
        drop(late);
        self.stop.set();
    }
}

/// The values in the items that are no failures.
struct Successes<'f, I, W> {
    base: I,
    failure: &'f Failure<W>,
}

parallel! {
    ['f, I: ParallelIterator<Item: Try<Output: Send, Residual: Send>>]
    Successes<'f, I, <I::Item as Try>::Residual> => <I::Item as Try>::Output,
    |self, consumer| {
        let Successes { base, failure } = self;
        let pass = move |item: I::Item| match item.branch() {
            Continue(value) => Some(value),
            Break(why) => {
                failure.note(why);
                None
            }
        };
        drive_until::<false, _, _, _>(base, consumer, move || failure.stop.is_set(), pass)
    }
}
