//! Settings that the environment gives to a pool.

use std::env;

use super::variables::{LEND, NUM_THREADS, SEED, WAIT};
use super::{BuildErrorKind, ThreadPoolBuildError, ThreadPoolBuilder};
use crate::sleep::MAX_WORKERS;
use crate::worker::settings::WaitPolicy;

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
    /// Takes settings that were not made in code from environment variables. The global pool does
    /// that by itself. Call this for pools of your own.
    ///
    /// | variable | value | sets |
    /// | --- | --- | --- |
    /// | `FILCH_NUM_THREADS` | a number | [`num_threads`](Self::num_threads) |
    /// | `FILCH_WAIT` | `own` or `any` | [`wait_policy`](Self::wait_policy): [`OwnDescendants`] or [`AnyWork`] |
    /// | `FILCH_LEND` | `1` or `0` | [`lend_seats`](Self::lend_seats): yes or no |
    /// | `FILCH_SEED` | a number below 2⁶⁴ | `deterministic`; needs the feature of that name |
    ///
    /// [`OwnDescendants`]: WaitPolicy::OwnDescendants
    /// [`AnyWork`]: WaitPolicy::AnyWork
    ///
    /// An empty variable counts as not set.
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
        self.num_threads_from_env()?.wait_policy_from_env()?.lends_from_env()?.seed_from_env()
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
