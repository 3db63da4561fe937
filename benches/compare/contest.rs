//! A contest: several libraries do the same work in turns, and each round gives ratios.

use crate::clock::Sample;
use crate::goal::{Goal, Who};
use crate::picture::Bar;
use crate::statistics::{geometric_mean, median};
use crate::table::{Row, Verdict, duration};
use rand::seq::SliceRandom;
use std::thread;
use std::time::Duration;

/// A row of the table, before it is measured.
pub struct Contest<'a> {
    name: &'static str,
    threads: usize,
    contestants: Vec<Contestant<'a>>,
    goals: Vec<Goal>,
    noted: bool,
    family: Option<&'static Family>,
}

struct Contestant<'a> {
    who: Who,
    run: Box<dyn FnMut() -> Sample + 'a>,
}

impl<'a> Contest<'a> {
    /// A contest without contestants.
    pub fn new(name: &'static str, threads: usize) -> Contest<'a> {
        Contest {
            name,
            threads,
            contestants: Vec::new(),
            goals: Vec::new(),
            noted: false,
            family: None,
        }
    }

    /// Adds a contestant. `run` does the work and returns the time of an operation.
    pub fn with(mut self, who: Who, run: impl FnMut() -> Sample + 'a) -> Self {
        let run = Box::new(run);
        self.contestants.push(Contestant { who, run });
        self
    }

    /// Adds a goal: filch's time must be at most `at_most` times that of `against`.
    pub fn at_most(mut self, at_most: f64, against: Who) -> Self {
        self.goals.push(Goal { against, at_most });
        self
    }

    /// Prints each contestant's time for an operation below the table.
    pub fn noted(mut self) -> Self {
        self.noted = true;
        self
    }

    /// Includes this contest in the geometric mean of a family.
    pub fn in_mean_of(mut self, family: &'static Family) -> Self {
        self.family = Some(family);
        self
    }

    /// The text that a filter must match.
    pub fn label(&self) -> String {
        format!("{} {}", self.name, self.threads)
    }

    /// Runs each contestant once per round, in a new random order. The first round is a warm-up
    /// that does not count.
    pub fn hold(mut self, rounds: usize) -> Outcome {
        self.round();
        Outcome {
            rounds: (0..rounds).map(|_| self.round()).collect(),
            name: self.name,
            threads: self.threads,
            goals: self.goals,
            noted: self.noted,
            family: self.family,
        }
    }

    fn round(&mut self) -> Round {
        self.contestants.shuffle(&mut rand::rng());
        self.contestants
            .iter_mut()
            .map(|contestant| {
                // Workers of the previous contestant may still search for work.
                thread::sleep(Duration::from_millis(1));
                (contestant.who, (contestant.run)())
            })
            .collect()
    }
}

/// The time of each contestant's operation in a round.
type Round = Vec<(Who, Sample)>;

/// The result of a contest.
pub struct Outcome {
    name: &'static str,
    threads: usize,
    rounds: Vec<Round>,
    goals: Vec<Goal>,
    noted: bool,
    family: Option<&'static Family>,
}

impl Outcome {
    /// The row of the table.
    pub fn row(&self) -> Row {
        Row {
            name: self.name.to_string(),
            threads: self.threads,
            time: self.time(Who::Filch),
            rayon: self.ratio(Who::Rayon),
            rayon_cpu: self.cpu_ratio(Who::Rayon),
            chili: self.ratio(Who::Chili),
            ideal: self.ratio(Who::Ideal),
            goal: self.goals.iter().map(Goal::to_string).collect(),
            verdict: self.verdict(),
        }
    }

    /// The bar in the picture, if rayon took part.
    pub fn bar(&self) -> Option<Bar> {
        let ratio = self.ratio(Who::Rayon)?;
        Some(Bar { name: self.name.to_string(), threads: self.threads, ratio })
    }

    /// Each contestant's time for an operation, if the contest is `noted`.
    pub fn note(&self) -> Option<String> {
        let times: Vec<String> = [Who::Ideal, Who::Filch, Who::Rayon, Who::Chili]
            .into_iter()
            .filter_map(|who| Some(format!("{who} {}", self.time(who)?)))
            .collect();
        let (name, threads, times) = (self.name, self.threads, times.join(", "));
        self.noted.then(|| format!("- {name}, threads {threads}: {times}"))
    }

    fn verdict(&self) -> Verdict {
        Verdict::of(
            self.goals
                .iter()
                .map(|goal| self.ratio(goal.against).is_some_and(|ratio| ratio <= goal.at_most)),
        )
    }

    fn time(&self, who: Who) -> Option<String> {
        let walls = self.rounds.iter().filter_map(|round| find(round, who));
        median(walls.map(|sample| sample.wall)).map(duration)
    }

    /// The median over the rounds of filch's time over the other's.
    fn ratio(&self, other: Who) -> Option<f64> {
        self.median_ratio(other, |sample| Some(sample.wall))
    }

    fn cpu_ratio(&self, other: Who) -> Option<f64> {
        self.median_ratio(other, |sample| sample.cpu)
    }

    fn median_ratio(&self, other: Who, time: impl Fn(Sample) -> Option<f64>) -> Option<f64> {
        median(self.rounds.iter().filter_map(|round| {
            let ours = time(find(round, Who::Filch)?)?;
            let theirs = time(find(round, other)?)?;
            Some(ours / theirs)
        }))
    }
}

fn find(round: &Round, who: Who) -> Option<Sample> {
    round.iter().find(|(one, _)| *one == who).map(|pair| pair.1)
}

/// A group of contests whose geometric mean must be at most `at_most` of rayon's time.
pub struct Family {
    pub name: &'static str,
    pub at_most: f64,
}

/// The geometric means over `family`'s contests, if there is more than one.
pub fn mean_row(family: &'static Family, outcomes: &[Outcome]) -> Option<Row> {
    let is_counted = |one: &&Outcome| one.family.is_some_and(|its| its.name == family.name);
    let counted: Vec<&Outcome> = outcomes.iter().filter(is_counted).collect();
    let mean = |ratio: &dyn Fn(&Outcome) -> Option<f64>| {
        let ratios: Vec<f64> = counted.iter().filter_map(|one| ratio(one)).collect();
        (ratios.len() > 1).then(|| geometric_mean(&ratios))
    };
    let rayon = mean(&|one| one.ratio(Who::Rayon))?;
    Some(Row {
        name: format!("geometric mean of {} {}", counted.len(), family.name),
        threads: counted[0].threads,
        time: None,
        rayon: Some(rayon),
        rayon_cpu: mean(&|one| one.cpu_ratio(Who::Rayon)),
        chili: mean(&|one| one.ratio(Who::Chili)),
        ideal: mean(&|one| one.ratio(Who::Ideal)),
        goal: vec![format!("≤ {} rayon", family.at_most)],
        verdict: Verdict::of([rayon <= family.at_most].into_iter()),
    })
}
