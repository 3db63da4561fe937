//! The environment variables that give settings to a pool, and which values they may have.

use crate::sleep::MAX_WORKERS;

pub(super) const NUM_THREADS: &str = "FILCH_NUM_THREADS";
pub(super) const WAIT: &str = "FILCH_WAIT";
pub(super) const LEND: &str = "FILCH_LEND";
pub(super) const WATCHDOG: &str = "FILCH_WATCHDOG";
pub(super) const METRICS: &str = "FILCH_METRICS";
pub(super) const SEED: &str = "FILCH_SEED";

pub(super) fn accepted(variable: &str) -> String {
    match variable {
        WAIT => "`own` (waits run what they wait for only) or `any` (any work)".to_owned(),
        LEND => "`1` (calling threads may work themselves) or `0`".to_owned(),
        WATCHDOG => "a number of seconds, from 1".to_owned(),
        METRICS => "the name of a file that can be written".to_owned(),
        SEED if cfg!(feature = "deterministic") => format!("0 to {}", u64::MAX),
        SEED => "none, since filch is built without its feature `deterministic`".to_owned(),
        _ => format!("1 to {MAX_WORKERS}, or 0 for as many as this process may use"),
    }
}
