//! Metrics in a file, which the environment variable `FILCH_METRICS` names.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io, process, thread};

use parking_lot::Mutex;

use super::{metrics, prometheus};
use crate::job::outcome;
use crate::os;
use crate::os::generation::PerProcess;
use crate::os::thread::Thread;

const INTERVAL: Duration = Duration::from_secs(1);

static FILE: PerProcess<Mutex<Option<PathBuf>>> = PerProcess::new();

/// From now on, writes the metrics of all pools of the process to a file, in the text format of
/// Prometheus: every second, when the process exits (on Unix), and when [`write`](fn@write) is
/// called. In the name, `%p` stands for the process ID. If the process already has such a file, it
/// keeps that one.
///
/// # Errors
/// Returns an error if the file cannot be written, or if the thread cannot be started.
pub(crate) fn start(name: &Path) -> io::Result<()> {
    let name = with_process_id(name);
    let mut file = FILE.get().lock();
    if file.is_some() {
        return Ok(());
    }
    write_to(&name, "")?;
    // The thread and the handler live as long as the process.
    os::keep_code_loaded();
    Thread::start_detached("filch-metrics".into(), None, || {
        loop {
            thread::sleep(INTERVAL);
            write();
        }
    })?;
    os::at_exit(at_exit);
    *file = Some(name);
    Ok(())
}

/// Writes the file, if there is one. If no pool is left, the file keeps what it has. (Ignores
/// errors: `start` has returned that of the first write.)
pub(crate) fn write() {
    if FILE.get().lock().is_none() {
        return;
    }
    // Without the lock: dropping the last reference to a pool drops captures, which may build one.
    let pools = metrics::all();
    let file = FILE.get().lock();
    if let Some(name) = file.as_ref().filter(|_| !pools.is_empty()) {
        let _ = write_to(name, &prometheus::text(&pools));
    }
}

extern "C" fn at_exit() {
    let _ = outcome::run(write);
}

fn with_process_id(name: &Path) -> PathBuf {
    match name.to_str() {
        Some(text) => text.replace("%p", &process::id().to_string()).into(),
        None => name.to_owned(),
    }
}

/// Replaces the file as a whole, so that no reader sees a part of it. Writes directly to a device
/// or a pipe.
fn write_to(name: &Path, text: &str) -> io::Result<()> {
    if fs::metadata(name).is_ok_and(|it| !it.is_file()) {
        return fs::write(name, text);
    }
    let mut new = OsString::from(name);
    new.push(".new");
    fs::write(&new, text)?;
    fs::rename(&new, name)
}
