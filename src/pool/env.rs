//! Settings that the environment gives to a pool.

use std::env;
use std::path::Path;
use std::time::Duration;

use super::variables::{LEND, METRICS, NUM_THREADS, SEED, WAIT, WATCHDOG};
use super::{BuildErrorKind, ThreadPoolBuildError, ThreadPoolBuilder};
use crate::observe::export;
use crate::sim::parse_seed;
use crate::sleep::MAX_WORKERS;
use crate::worker::settings::WaitPolicy;

/// With `FILCH_METRICS`, the times of one task in this many are measured. (A scope of empty tasks
/// takes 1.19 times as long with one in 64, 1.05 with one in 512, and 1.03 with one in 1,024.)
const TASK_TIMES: u32 = 1_024;

/// Reads an environment variable, unless it is empty. Blanks at its ends are left out, and what is
/// not valid Unicode in it is replaced.
///
/// # Errors
/// Returns an error if `parse` returns `None` for its value.
fn read<T>(
    variable: &'static str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, ThreadPoolBuildError> {
    let Some(value) = env::var_os(variable).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let value = value.to_string_lossy().trim().to_owned();
    match parse(&value) {
        Some(parsed) => Ok(Some(parsed)),
        None => Err(refused(variable, value)),
    }
}

fn refused(variable: &'static str, value: String) -> ThreadPoolBuildError {
    ThreadPoolBuildError::new(BuildErrorKind::InvalidEnv { variable, value })
}

impl ThreadPoolBuilder {
    /// Takes the settings that were not set in code from environment variables. The global pool
    /// does that by itself. Call this for pools of your own.
    ///
    /// | variable | value | sets |
    /// | --- | --- | --- |
    /// | `FILCH_NUM_THREADS` | a number | [`num_threads`](Self::num_threads) |
    /// | `FILCH_WAIT` | `own` or `any` | [`wait_policy`]: [`OwnDescendants`] or [`AnyWork`] |
    /// | `FILCH_LEND` | `1` or `0` | [`lend_seats`](Self::lend_seats): yes or no |
    /// | `FILCH_WATCHDOG` | seconds | [`watchdog`](Self::watchdog) |
    /// | `FILCH_METRICS` | the name of a file | see below |
    /// | `FILCH_SEED` | a number below 2⁶⁴ | `deterministic`; needs the feature of that name |
    ///
    /// [`wait_policy`]: Self::wait_policy
    /// [`OwnDescendants`]: WaitPolicy::OwnDescendants
    /// [`AnyWork`]: WaitPolicy::AnyWork
    ///
    /// An empty variable counts as not set.
    ///
    /// With `FILCH_METRICS`, from this call on a thread writes the [metrics](crate::Metrics) of all
    /// pools of the process to the file, in the text format of Prometheus: every second, when a
    /// pool is dropped, and when the process exits (on Unix). In the file's name, `%p` stands for
    /// the number of the process. The pool [measures](Self::worker_times) the times of its workers
    /// and of [every 1,024th](Self::task_times) task, unless another number is set.
    ///
    /// With `FILCH_SEED`, the global pool is deterministic. Then it can be used only by the thread
    /// that uses it first, and by the workers of that thread's deterministic pools: see
    /// [deterministic rayon](crate::guide::deterministic_rayon).
    ///
    /// # Errors
    /// Returns an error if a variable has any other value. The error names the variable, its value,
    /// and what is accepted.
    ///
    /// ```
    /// // Has two workers if `FILCH_NUM_THREADS=2`.
    /// let pool = filch::ThreadPoolBuilder::new().with_env()?.build()?;
    /// assert_eq!(pool.join(|| 1, || 2), (1, 2));
    /// # Ok::<(), filch::ThreadPoolBuildError>(())
    /// ```
    pub fn with_env(mut self) -> Result<Self, ThreadPoolBuildError> {
        if self.num_threads == 0 {
            let number = |value: &str| value.parse().ok().filter(|&number| number <= MAX_WORKERS);
            self.num_threads = read(NUM_THREADS, number)?.unwrap_or(0);
        }
        if !self.has_wait_policy {
            let policy = read(WAIT, |value| match value {
                "own" => Some(WaitPolicy::OwnDescendants),
                "any" => Some(WaitPolicy::AnyWork),
                _ => None,
            })?;
            if let Some(policy) = policy {
                self = self.wait_policy(policy);
            }
        }
        if self.lends_cores.is_none() {
            self.lends_cores = read(LEND, |value| match value {
                "1" => Some(true),
                "0" => Some(false),
                _ => None,
            })?;
        }
        if self.watchdog.is_none() {
            let seconds = |value: &str| value.parse().ok().filter(|&seconds| seconds > 0);
            self.watchdog = read(WATCHDOG, seconds)?.map(Duration::from_secs);
        }
        self.metrics_from_env()?;
        if self.seed.is_none() {
            self.seed = read(SEED, parse_seed)?;
        }
        Ok(self)
    }

    fn metrics_from_env(&mut self) -> Result<(), ThreadPoolBuildError> {
        let Some(file) = env::var_os(METRICS).filter(|file| !file.is_empty()) else {
            return Ok(());
        };
        if export::start(Path::new(&file)).is_err() {
            return Err(refused(METRICS, file.to_string_lossy().into_owned()));
        }
        self.settings.times_workers = true;
        if self.settings.task_times == 0 {
            self.settings.task_times = TASK_TIMES;
        }
        Ok(())
    }
}
