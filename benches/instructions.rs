//! Runs one contestant's `fib` on a pool of one thread. `benches/instructions.sh` uses it with
//! callgrind to count the instructions of a fork.

mod workloads;

use clap::{Parser, ValueEnum};
use workloads::{Chili, Fib, Filch, Fork, Rayon, Serial, Workload};

/// Computes a Fibonacci number with a fork in each call, and prints the number of forks.
#[derive(Parser)]
struct Arguments {
    /// The contestant; all of them if none is named
    who: Option<Who>,

    /// Which Fibonacci number
    #[arg(default_value_t = 16)]
    n: u32,

    /// Passed by `cargo bench` to every bench
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Who {
    Plain,
    Filch,
    Rayon,
    Chili,
}

fn main() {
    let arguments = Arguments::parse();
    let fib = Fib(arguments.n);
    match arguments.who {
        Some(who) => run(who, &fib),
        None => Who::value_variants().iter().for_each(|who| run(*who, &fib)),
    }
    println!("{}", fib.forks());
}

fn run(who: Who, fib: &Fib) {
    match who {
        Who::Plain => run_on_one_thread::<Serial>(fib),
        Who::Filch => run_on_one_thread::<Filch>(fib),
        Who::Rayon => run_on_one_thread::<Rayon>(fib),
        Who::Chili => run_on_one_thread::<Chili>(fib),
    }
}

fn run_on_one_thread<F: Fork>(fib: &Fib) {
    let pool = F::pool(1);
    let value = F::install(&pool, |cx| fib.run::<F>(cx));
    assert!(fib.is_right(&value), "a wrong result");
}
