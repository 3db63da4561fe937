//! How busy each stage of a pipeline was.

use std::fmt;
use std::time::Duration;

/// How the items of a stage are shared between workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StageKind {
    /// The source: one worker at a time.
    Source,
    /// Any number of items at a time.
    Parallel,
    /// One item at a time, in any order.
    Serial,
    /// One item at a time, in the order of the source.
    SerialInOrder,
}

/// How busy a stage was.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StageStats {
    /// How its items are shared between workers.
    pub kind: StageKind,
    /// How many items passed it.
    pub items: u64,
    /// How long workers were in it, in total. For a parallel stage, this may be more than the time
    /// that the run took.
    pub busy: Duration,
    /// How long items waited for it, in total, because it was busy or it was not their turn.
    pub waiting: Duration,
}

/// How busy each stage of a pipeline was. Returned by [`Pipeline::run`](super::Pipeline::run).
///
/// `Display` prints a table.
///
/// ```
/// use filch::pipeline::StageKind;
///
/// let stats = filch::pipeline(0..100_u64)
///     .parallel(|n| (1..=20).fold(n, |n, m| n.wrapping_mul(m) ^ m))
///     .serial(drop)
///     .run()?;
/// assert_eq!(stats.stages().len(), 3);
/// assert_eq!(stats.stages()[1].kind, StageKind::Parallel);
/// assert_eq!(stats.stages()[2].items, 100);
/// println!("{stats}");
/// # Ok::<(), filch::pipeline::PipelineError>(())
/// ```
#[derive(Clone, Debug)]
pub struct PipelineStats {
    pub(super) elapsed: Duration,
    pub(super) workers: usize,
    pub(super) stages: Vec<StageStats>,
}

impl PipelineStats {
    /// Returns how long the run took.
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// Returns the stages in their order. The first one is the source.
    pub fn stages(&self) -> &[StageStats] {
        &self.stages
    }

    /// Returns the number of the stage that limits the rate of the pipeline: the stage that was
    /// busy for the largest part of the time in which it could be busy. Returns `None` if there
    /// were no items.
    pub fn bottleneck(&self) -> Option<usize> {
        let load = |stage: &StageStats| match stage.kind {
            StageKind::Parallel => stage.busy / self.workers.max(1) as u32,
            _ => stage.busy,
        };
        let used = self.stages.iter().enumerate().filter(|(_, stage)| stage.items > 0);
        used.max_by_key(|(_, stage)| load(stage)).map(|(number, _)| number)
    }
}

impl fmt::Display for PipelineStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "stage  kind                items         busy      waiting")?;
        let bottleneck = self.bottleneck();
        for (number, stage) in self.stages.iter().enumerate() {
            let kind = match stage.kind {
                StageKind::Source => "source",
                StageKind::Parallel => "parallel",
                StageKind::Serial => "serial",
                StageKind::SerialInOrder => "serial, in order",
            };
            let mark = if bottleneck == Some(number) { "  <- bottleneck" } else { "" };
            let (busy, waiting) = (format!("{:.2?}", stage.busy), format!("{:.2?}", stage.waiting));
            let items = stage.items;
            writeln!(f, "{number:>5}  {kind:<16} {items:>8} {busy:>12} {waiting:>12}{mark}")?;
        }
        write!(f, "{:.2?} in all, {} workers", self.elapsed, self.workers)
    }
}
