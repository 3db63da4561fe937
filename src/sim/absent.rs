//! The twin of `turns` without the feature `deterministic`: no pool is simulated.

use std::io;
use std::sync::Weak;
use std::time::Duration;

use crate::os::thread::Thread;

#[derive(Clone, Copy)]
pub(crate) enum Seed {}

pub(crate) fn parse_seed(_: &str) -> Option<Seed> {
    None
}

#[derive(Clone)]
pub(crate) enum Simulation {}

pub(crate) enum Building {}

impl Simulation {
    pub(crate) fn enter(
        seed: Seed,
        _: Duration,
        _: fn() -> String,
    ) -> io::Result<(Self, Building)> {
        match seed {}
    }

    pub(crate) fn is_here(&self) -> bool {
        match *self {}
    }

    pub(crate) fn start(
        &self,
        _: Weak<dyn super::Simulated>,
        _: bool,
        _: String,
        _: Option<usize>,
        _: impl FnOnce() + Send + 'static,
    ) -> io::Result<Thread> {
        match *self {}
    }

    pub(crate) fn when_gone(&self, _: usize, _: impl FnOnce() + Send + 'static) -> bool {
        match *self {}
    }
}

pub(crate) fn leave() {}

#[inline(always)]
pub(crate) fn takes_turns() -> bool {
    false
}

#[inline(always)]
pub(crate) fn point() {}

#[inline(always)]
pub(crate) fn poll() {}

#[inline(always)]
pub(crate) fn poll_for(_: usize) {}

#[inline(always)]
pub(crate) fn looks(_: bool) {}

#[inline(always)]
pub(crate) fn pause() -> bool {
    false
}

pub(crate) struct Awaits;

#[inline(always)]
pub(crate) fn awaits(_: usize) -> Awaits {
    Awaits
}

#[derive(Clone, Default)]
pub(crate) struct Token;

impl Token {
    #[inline(always)]
    pub(crate) fn take(&self) -> bool {
        false
    }

    #[inline(always)]
    pub(crate) fn give(&self) {}
}
