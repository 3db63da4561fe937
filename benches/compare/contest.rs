//! A contest: some do the same work in turns, and each round gives ratios.

use crate::clock::Sample;
use crate::goal::{Goal, Who};
use crate::picture::Bar;
use crate::statistics::{geometric_mean, median};
use crate::table::{Row, Verdict, duration};
use rand::seq::SliceRandom;
use std::thread;
use std::time::Duration;

/// One line of the table, before it is held.
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
    /// A contest between nobody yet.
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

    /// Adds a contestant; `run` does the work and says what an operation took.
    pub fn with(mut self, who: Who, run: impl FnMut() -> Sample + 'a) -> Self {
        let run = Box::new(run);
        self.contestants.push(Contestant { who, run });
        self
    }

    /// Adds a goal: at most this much of the other's time.
    pub fn at_most(mut self, at_most: f64, against: Who) -> Self {
        self.goals.push(Goal { against, at_most });
        self
    }

    /// Has everyone's time for an operation told below the table.
    pub fn noted(mut self) -> Self {
        self.noted = true;
        self
    }

    /// Counts this contest into the geometric mean of a family.
    pub fn in_mean_of(mut self, family: &'static Family) -> Self {
        self.family = Some(family);
        self
    }

    /// What a filter is matched with.
    pub fn label(&self) -> String {
        format!("{} {}", self.name, self.threads)
    }

    /// Lets each contestant run once a round, in a new random order, after a
    /// first round that does not count.
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
                // The one before may still be looking for work.
                thread::sleep(Duration::from_millis(1));
                (contestant.who, (contestant.run)())
            })
            .collect()
    }
}

/// What each contestant's operation took in a round.
type Round = Vec<(Who, Sample)>;

/// What came of a contest.
pub struct Outcome {
    name: &'static str,
    threads: usize,
    rounds: Vec<Round>,
    goals: Vec<Goal>,
    noted: bool,
    family: Option<&'static Family>,
}

impl Outcome {
    /// The line of the table.
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

    /// What the picture shows of it.
    pub fn bar(&self) -> Option<Bar> {
        let ratio = self.ratio(Who::Rayon)?;
        Some(Bar { name: self.name.to_string(), threads: self.threads, ratio })
    }

    /// Everyone's time for an operation, if that is to be told.
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

    /// The median over the rounds of filch's time to the other's.
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

/// Contests whose geometric mean is to be at most so much of rayon's time.
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
