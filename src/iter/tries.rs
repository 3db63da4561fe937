//! Values that may be failures: `Option`, `Result` and the like.
//!
//! The module is private, so that programs cannot name the trait. The standard library's `Try` will
//! replace it once that is stable.

use std::convert::Infallible;
use std::ops::ControlFlow::{self, Break, Continue};
use std::task::Poll;

/// A value to go on with, or a failure.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot say that a loop is to stop",
    label = "not an `Option`, a `Result` or the like",
    note = "return an `Option`, a `Result`, a `ControlFlow` or a `Poll` of a `Result`"
)]
pub trait Try: Sized {
    /// The type of the value.
    type Output;
    /// The type of the failure.
    type Residual;

    /// Makes a success.
    fn from_output(output: Self::Output) -> Self;

    /// Makes a failure.
    fn from_residual(residual: Self::Residual) -> Self;

    /// Returns the value or the failure.
    fn branch(self) -> ControlFlow<Self::Residual, Self::Output>;

    /// Undoes [`branch`](Self::branch).
    #[inline]
    fn from_branch(branch: ControlFlow<Self::Residual, Self::Output>) -> Self {
        match branch {
            Continue(value) => Self::from_output(value),
            Break(why) => Self::from_residual(why),
        }
    }

    /// Whether there may be a failure: one that cannot be made takes no room.
    const FAILS: bool = size_of::<ControlFlow<Self::Residual, ()>>() > 0;
}

/// Makes a function one that might fail, but does not.
pub(super) fn always<A, B, T>(
    f: impl Fn(A, B) -> T,
) -> impl Fn(A, B) -> ControlFlow<Infallible, T> {
    move |a, b| Continue(f(a, b))
}

/// Returns the value of what cannot be a failure.
#[inline]
pub(super) fn value<T>(always: ControlFlow<Infallible, T>) -> T {
    match always {
        Continue(value) => value,
        Break(never) => match never {},
    }
}

/// Implements `Try` by the patterns of the two cases.
macro_rules! tries {
    ($([$($generic:ident),*] $name:ty, $output:ty, $residual:ty {
        $($going:pat => $goes:expr),+ ;
        $stopped:pat => $stop:expr ;
        $out:ident => $from_output:expr ;
        $why:pat => $from_residual:expr
    })*) => {$(
        impl<$($generic),*> Try for $name {
            type Output = $output;
            type Residual = $residual;

            #[inline]
            fn from_output($out: $output) -> Self {
                $from_output
            }

            #[inline]
            fn from_residual(residual: $residual) -> Self {
                let $why = residual;
                $from_residual
            }

            #[inline]
            fn branch(self) -> ControlFlow<$residual, $output> {
                match self {
                    $($going => Continue($goes),)+
                    $stopped => Break($stop),
                }
            }
        }
    )*};
}

tries! {
    [T] Option<T>, T, Option<Infallible> {
        Some(value) => value;
        None => None;
        value => Some(value);
        None => None
    }
    [T, E] Result<T, E>, T, Result<Infallible, E> {
        Ok(value) => value;
        Err(error) => Err(error);
        value => Ok(value);
        Err(error) => Err(error)
    }
    [B, C] ControlFlow<B, C>, C, ControlFlow<B, Infallible> {
        Continue(value) => value;
        Break(why) => Break(why);
        value => Continue(value);
        Break(why) => Break(why)
    }
    [T, E] Poll<Result<T, E>>, Poll<T>, Result<Infallible, E> {
        Poll::Pending => Poll::Pending, Poll::Ready(Ok(value)) => Poll::Ready(value);
        Poll::Ready(Err(error)) => Err(error);
        value => value.map(Ok);
        Err(error) => Poll::Ready(Err(error))
    }
    [T, E] Poll<Option<Result<T, E>>>, Poll<Option<T>>, Result<Infallible, E> {
        Poll::Pending => Poll::Pending,
        Poll::Ready(None) => Poll::Ready(None),
        Poll::Ready(Some(Ok(value))) => Poll::Ready(Some(value));
        Poll::Ready(Some(Err(error))) => Err(error);
        value => value.map(|item| item.map(Ok));
        Err(error) => Poll::Ready(Some(Err(error)))
    }
}
