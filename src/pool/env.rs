//! Settings that the environment gives to a pool.

use std::env;
use std::path::Path;
use std::time::Duration;

use super::variables::{LEND, METRICS, NUM_THREADS, SEED, WAIT, WATCHDOG};
use super::{BuildErrorKind, ThreadPoolBuildError, ThreadPoolBuilder};
use crate::observe::export;
use crate::sleep::MAX_WORKERS;
use crate::worker::settings::WaitPolicy;

/// With `FILCH_METRICS`, the times of one task in this many are measured. (A guess: seldom enough
/// for tiny tasks, and often enough for long ones.)
const TASK_TIMES: u32 = 64;

/// An environment variable that is set and not empty.
struct Variable {
    name: &'static str,
    /// Its value, without blanks at the ends. What is not valid Unicode in it is replaced.
    value: String,
}

impl Variable {
    fn read(name: &'static str) -> Option<Self> {
        let value = env::var_os(name).filter(|value| !value.is_empty())?;
        Some(Variable { name, value: value.to_string_lossy().trim().to_owned() })
    }

    /// Returns what is in `parsed`, or an error if it is `None`.
    fn or_refuse<T>(self, parsed: Option<T>) -> Result<T, ThreadPoolBuildError> {
        let Variable { name: variable, value } = self;
        let refused = || ThreadPoolBuildError::new(BuildErrorKind::InvalidEnv { variable, value });
        parsed.ok_or_else(refused)
    }
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
    /// and of [every 64th](Self::task_times) task, unless another number is set.
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
    pub fn with_env(self) -> Result<Self, ThreadPoolBuildError> {
        let this = self.num_threads_from_env()?.wait_policy_from_env()?.lends_from_env()?;
        this.watchdog_from_env()?.metrics_from_env()?.seed_from_env()
    }

    fn num_threads_from_env(mut self) -> Result<Self, ThreadPoolBuildError> {
        let unset = self.num_threads == 0;
        if let Some(variable) = Variable::read(NUM_THREADS).filter(|_| unset) {
            let number = variable.value.parse().ok().filter(|&number| number <= MAX_WORKERS);
            self.num_threads = variable.or_refuse(number)?;
        }
        Ok(self)
    }

    fn wait_policy_from_env(mut self) -> Result<Self, ThreadPoolBuildError> {
        let unset = !self.has_wait_policy;
        if let Some(variable) = Variable::read(WAIT).filter(|_| unset) {
            let policy = match variable.value.as_str() {
                "own" => Some(WaitPolicy::OwnDescendants),
                "any" => Some(WaitPolicy::AnyWork),
                _ => None,
            };
            self = self.wait_policy(variable.or_refuse(policy)?);
        }
        Ok(self)
    }

    fn lends_from_env(mut self) -> Result<Self, ThreadPoolBuildError> {
        let unset = self.lends_cores.is_none();
        if let Some(variable) = Variable::read(LEND).filter(|_| unset) {
            let lends = match variable.value.as_str() {
                "1" => Some(true),
                "0" => Some(false),
                _ => None,
            };
            self.lends_cores = Some(variable.or_refuse(lends)?);
        }
        Ok(self)
    }

    fn watchdog_from_env(mut self) -> Result<Self, ThreadPoolBuildError> {
        let unset = self.watchdog.is_none();
        if let Some(variable) = Variable::read(WATCHDOG).filter(|_| unset) {
            let seconds = variable.value.parse().ok().filter(|&seconds| seconds > 0);
            self.watchdog = Some(variable.or_refuse(seconds.map(Duration::from_secs))?);
        }
        Ok(self)
    }

    fn metrics_from_env(mut self) -> Result<Self, ThreadPoolBuildError> {
        let Some(file) = env::var_os(METRICS).filter(|file| !file.is_empty()) else {
            return Ok(self);
        };
        if export::start(Path::new(&file)).is_err() {
            let (variable, value) = (METRICS, file.to_string_lossy().into_owned());
            let kind = BuildErrorKind::InvalidEnv { variable, value };
            return Err(ThreadPoolBuildError::new(kind));
        }
        self.settings.times_workers = true;
        if self.settings.task_times == 0 {
            self.settings.task_times = TASK_TIMES;
        }
        Ok(self)
    }

    #[cfg(feature = "deterministic")]
    fn seed_from_env(mut self) -> Result<Self, ThreadPoolBuildError> {
        let unset = self.seed.is_none();
        if let Some(variable) = Variable::read(SEED).filter(|_| unset) {
            let seed = variable.value.parse().ok();
            self.seed = Some(variable.or_refuse(seed)?);
        }
        Ok(self)
    }

    #[cfg(not(feature = "deterministic"))]
    fn seed_from_env(self) -> Result<Self, ThreadPoolBuildError> {
        match Variable::read(SEED) {
            Some(variable) => variable.or_refuse(None),
            None => Ok(self),
        }
    }
}
