//! What a wait is for, in a dump.

/// What a wait is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Awaited {
    /// The stolen side of a join, and the worker that has it, if that is known.
    Fork(Option<usize>),
    Scope,
    /// The result of a task, of which this is known.
    Task(Option<AwaitedTask>),
    OtherPool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct AwaitedTask {
    pub(crate) name: &'static JobName,
    /// The address of its context, which may be gone.
    pub(crate) context: usize,
}

/// Returns what jobs of one type are, for dumps.
pub(crate) type JobName = fn() -> &'static str;

impl Awaited {
    /// A number for it that is not 0.
    pub(crate) fn to_code(self) -> u32 {
        match self {
            Awaited::Scope => 1,
            Awaited::Task(_) => 2,
            Awaited::OtherPool => 3,
            Awaited::Fork(runner) => 4 + runner.map_or(0, |runner| runner as u32 + 1),
        }
    }

    pub(crate) fn from_code(code: u32) -> Option<Self> {
        match code {
            0 => None,
            1 => Some(Awaited::Scope),
            2 => Some(Awaited::Task(None)),
            3 => Some(Awaited::OtherPool),
            fork => Some(Awaited::Fork((fork as usize - 4).checked_sub(1))),
        }
    }
}
