//! The mode that is not compiled in: no thread is ever simulated.

use std::io;
use std::sync::Arc;

use crate::pool::Registry;

#[derive(Clone, Copy)]
pub(crate) enum Seed {}

#[inline(always)]
pub(crate) fn point() {}

#[inline(always)]
pub(crate) fn pause() -> bool {
    false
}

#[inline(always)]
pub(crate) fn block() -> bool {
    false
}

#[inline(always)]
pub(crate) fn notify() {}

#[inline(always)]
pub(crate) fn keeps_gates_closed() -> bool {
    false
}

#[inline(always)]
pub(crate) fn is_simulated() -> bool {
    false
}

pub(crate) fn add(_: Option<usize>, _: impl FnOnce() + 'static) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(crate) fn start(
    seed: Seed,
    _: &Arc<Registry>,
    _: Option<usize>,
) -> Result<(), (usize, io::Error)> {
    match seed {}
}
