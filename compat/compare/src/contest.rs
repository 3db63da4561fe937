//! The contest: runs the same cases with two programs, in turn.

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::cases;

/// The pause between two runs, long enough for the threads of both pools to fall asleep.
const PAUSE: Duration = Duration::from_millis(4);

/// The goals for the drop-in's wall time over rayon-core's: the most for each case, and the
/// geometric mean.
const MOST: f64 = 1.1;
const MEAN: f64 = 0.85;

struct Settings {
    programs: [String; 2],
    pin: bool,
    rounds: usize,
    cases: Vec<String>,
}

impl Settings {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, Box<dyn Error>> {
        let mut program = || arguments.next().ok_or("two programs must be given");
        let programs = [program()?, program()?];
        let mut settings = Settings { programs, pin: false, rounds: 25, cases: Vec::new() };
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--pin" => settings.pin = true,
                "--rounds" => {
                    settings.rounds = arguments.next().ok_or("--rounds needs a number")?.parse()?
                }
                name if cases::NAMES.contains(&name) => settings.cases.push(argument),
                name => {
                    return Err(format!("no case {name}; the cases: {:?}", cases::NAMES).into());
                }
            }
        }
        if settings.cases.is_empty() {
            settings.cases = cases::NAMES.iter().map(|&name| name.to_owned()).collect();
        }
        Ok(settings)
    }
}

/// Runs the contest and prints its table.
pub fn contest(arguments: impl Iterator<Item = String>) -> Result<(), Box<dyn Error>> {
    let settings = Settings::parse(arguments)?;
    let mut sides = Vec::new();
    for program in &settings.programs {
        sides.push(Side::start(program, settings.pin)?);
    }
    println!("| case | rayon-core | drop-in | wall ratio | CPU ratio |");
    println!("| --- | ---: | ---: | ---: | ---: |");
    let mut ratios = Vec::new();
    for case in &settings.cases {
        let [rayon, drop_in] = measure(&mut sides, case, settings.rounds)?;
        let ratio = Pair { wall: drop_in.wall / rayon.wall, cpu: drop_in.cpu / rayon.cpu };
        let times = [rayon, drop_in].map(|times| shown(times.wall));
        println!("| {case} | {} | {} | {:.2} | {:.2} |", times[0], times[1], ratio.wall, ratio.cpu);
        ratios.push(ratio);
    }
    let wall = geometric_mean(ratios.iter().map(|ratio| ratio.wall));
    let cpu = geometric_mean(ratios.iter().map(|ratio| ratio.cpu));
    println!("| geometric mean of {} | – | – | {wall:.2} | {cpu:.2} |", ratios.len());
    let above = ratios.iter().filter(|ratio| ratio.wall > MOST).count();
    let reached = wall <= MEAN && above == 0;
    println!(
        "\ngoal: wall mean at most {MEAN}, no case above {MOST}: {} ({wall:.3}; {above} above)",
        if reached { "reached" } else { "NOT REACHED" }
    );
    Ok(())
}

/// Wall time and CPU time, in nanoseconds.
#[derive(Clone, Copy)]
struct Pair {
    wall: f64,
    cpu: f64,
}

/// Returns the medians of both sides.
fn measure(sides: &mut [Side], case: &str, rounds: usize) -> Result<[Pair; 2], Box<dyn Error>> {
    let mut times = [Vec::new(), Vec::new()];
    let mut sums = Vec::new();
    for side in sides.iter_mut() {
        sums.push(side.run(case)?.1);
    }
    for round in 0..rounds {
        for turn in 0..2 {
            let at = (round + turn) % 2;
            thread::sleep(PAUSE);
            let (pair, sum) = sides[at].run("")?;
            times[at].push(pair);
            sums.push(sum);
        }
    }
    if sums.iter().any(|sum| *sum != sums[0]) {
        return Err(format!("{case}: different results: {sums:?}").into());
    }
    Ok(times.map(|times| Pair {
        wall: median(times.iter().map(|pair| pair.wall)),
        cpu: median(times.iter().map(|pair| pair.cpu)),
    }))
}

fn median(numbers: impl Iterator<Item = f64>) -> f64 {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

fn geometric_mean(numbers: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = numbers.len() as f64;
    (numbers.map(f64::ln).sum::<f64>() / count).exp()
}

fn shown(nanoseconds: f64) -> String {
    match nanoseconds {
        small if small < 1e6 => format!("{:.1} µs", small / 1e3),
        large => format!("{:.2} ms", large / 1e6),
    }
}

/// A running program of one side.
struct Side {
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Side {
    fn start(program: &str, pin: bool) -> Result<Self, Box<dyn Error>> {
        let mut command = Command::new(program);
        command.arg("serve").args(pin.then_some("--pin"));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let orders = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().ok_or("no pipe")?);
        Ok(Side { child, orders, answers })
    }

    /// Runs the named case, or the last one again.
    fn run(&mut self, case: &str) -> Result<(Pair, String), Box<dyn Error>> {
        let orders = self.orders.as_mut().ok_or("no pipe")?;
        writeln!(orders, "{case}")?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        let mut words = answer.split_whitespace();
        let mut word = || words.next().ok_or("the program has ended");
        Ok((Pair { wall: word()?.parse()?, cpu: word()?.parse()? }, word()?.to_owned()))
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        // The program ends when its standard input is closed.
        self.orders = None;
        let _ = self.child.wait();
    }
}
