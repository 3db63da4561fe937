//! Typical rayon workloads. `compare serve [--pin]` runs the cases that its standard input names.
//! `compare contest RAYON DROP_IN [--pin] [--rounds N] [CASE...]` starts two such programs, built
//! with rayon-core and with the drop-in, makes them run the cases in turn, and prints a table.

mod cases;
mod clock;
mod contest;
mod random;
mod serve;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let outcome = match arguments.next().as_deref() {
        Some("serve") => serve::serve(arguments.next().as_deref() == Some("--pin")),
        Some("contest") => contest::contest(arguments),
        _ => Err("usage: compare serve | contest (see compat/compare/run)".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("compare: {error}");
            ExitCode::FAILURE
        }
    }
}
