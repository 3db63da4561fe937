//! Shared by the examples: the pool's arguments, timing, a progress bar, and the exit status.

use std::fmt;
use std::io::{self, Write};
use std::ops::RangeInclusive;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Shown at the end of every `--help`.
pub const EXIT_STATUS: &str = "\
Exit status:
  0  done, and no check failed
  1  an answer differs from the serial one
  2  a bad argument, or an error of input or output";

/// Deep recursions, such as that over a tree of 1,500 levels, need more than the default 2 MiB.
/// Pages that are never touched cost no memory.
pub const STACK_SIZE: usize = 64 << 20;

#[derive(clap::Args)]
pub struct PoolArgs {
    /// Worker threads; 0 means one for each processor that this process may use
    #[arg(
        long,
        value_name = "N",
        default_value_t = 0,
        allow_negative_numbers = true,
        value_parser = whole(0..=filch::max_num_threads())
    )]
    threads: usize,
}

impl PoolArgs {
    pub fn build(&self) -> Result<filch::ThreadPool, Failure> {
        filch::ThreadPoolBuilder::new()
            .num_threads(self.threads)
            .stack_size(STACK_SIZE)
            .build()
            .map_err(|error| Failure::Input(format!("--threads {}: {error}", self.threads)))
    }
}

/// Returns a parser of whole numbers within `accepted`. Its error names that range.
pub fn whole<T>(accepted: RangeInclusive<T>) -> impl Fn(&str) -> Result<T, String> + Clone
where
    T: FromStr + PartialOrd + fmt::Display + Clone,
{
    move |text| {
        let number = text.parse().ok().filter(|number| accepted.contains(number));
        number.ok_or_else(|| {
            let (low, high) = (accepted.start(), accepted.end());
            format!("a whole number from {low} to {high} is accepted")
        })
    }
}

/// Why a program does not exit with 0.
pub enum Failure {
    /// The parallel answer differs from the serial one.
    Wrong(String),
    /// An argument is bad, or input or output failed.
    Input(String),
}

/// Prints the failure, if there is one, and returns the exit status.
pub fn finish(result: Result<(), Failure>) -> ExitCode {
    let (status, what) = match result {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Wrong(what)) => (1, what),
        Err(Failure::Input(what)) => (2, what),
    };
    eprintln!("error: {what}");
    ExitCode::from(status)
}

/// Prints a line. It is no failure if the reader has closed the pipe, as `head` does.
pub fn print(text: impl fmt::Display) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::Input(format!("cannot write to the standard output: {error}")))
        }
        _ => Ok(()),
    }
}

pub fn timed<R>(work: impl FnOnce() -> R) -> (R, Duration) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed())
}

pub fn speed_up(serial: Duration, parallel: Duration) -> f64 {
    serial.as_secs_f64() / parallel.as_secs_f64().max(1e-9)
}

/// Shows a progress bar of `total` steps, or a spinner without a total. Shows nothing if standard
/// error is not a terminal.
pub fn progress(doing: &'static str, total: Option<u64>) -> ProgressBar {
    let (bar, template) = match total {
        Some(total) => (
            ProgressBar::new(total),
            "{msg:>20} {spinner} {bar:36} {pos}/{len} in {elapsed}, {eta} left",
        ),
        None => (ProgressBar::new_spinner(), "{msg:>20} {spinner} {human_pos} in {elapsed}"),
    };
    let style = ProgressStyle::with_template(template).expect("the template is well-formed");
    bar.set_style(style);
    bar.set_message(doing);
    if !bar.is_hidden() {
        // During a long step, the ticking clock shows that the program is not stuck.
        bar.enable_steady_tick(Duration::from_millis(250));
    }
    bar
}
