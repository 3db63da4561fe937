//! Random trees of forks, scopes, tasks and panics end as a serial oracle predicts.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::common::{Caller, Ledger, Token, boom, boom_id, noting_pool, sized, watchdog};
use filch::JoinError;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

/// What happens to a task's handle.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// Joined; a panic counts as [`HANDLED`].
    Joined,
    /// Joined; a panic is thrown again.
    Rethrown,
    /// Dropped; its value does not count.
    Detached,
}

/// The value of a panic that is handled.
const HANDLED: u64 = 1000;

#[derive(Clone, Debug)]
enum Shape {
    Value(u8),
    /// Panics with this id. Each such node has its own.
    Fails(u32),
    Join(Box<Shape>, Box<Shape>),
    Scope(Vec<(Shape, Fate)>),
    Spawn(Box<Shape>, Fate),
}

// ---- The generator ----

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![Just(Fate::Joined), Just(Fate::Rethrown), Just(Fate::Detached)]
}

/// Trees in which up to `panics` leaves in a hundred fail.
fn tree(panics: u32) -> impl Strategy<Value = Shape> {
    let leaf = prop_oneof![
        100 - panics => any::<u8>().prop_map(Shape::Value),
        panics => Just(Shape::Fails(0)),
    ];
    leaf.prop_recursive(7, 60, 6, |inner| {
        let boxed = inner.clone().prop_map(Box::new);
        prop_oneof![
            3 => (boxed.clone(), boxed.clone()).prop_map(|(a, b)| Shape::Join(a, b)),
            2 => prop::collection::vec((inner, fate()), 0..6).prop_map(Shape::Scope),
            1 => (boxed, fate()).prop_map(|(task, fate)| Shape::Spawn(task, fate)),
        ]
    })
}

/// Gives every failing node its own id.
fn number(shape: &mut Shape, next: &mut u32) {
    match shape {
        Shape::Value(_) => (),
        Shape::Fails(id) => {
            *id = *next;
            *next += 1;
        }
        Shape::Join(a, b) => {
            number(a, next);
            number(b, next);
        }
        Shape::Scope(tasks) => tasks.iter_mut().for_each(|(task, _)| number(task, next)),
        Shape::Spawn(task, _) => number(task, next),
    }
}

fn numbered_tree(panics: u32) -> impl Strategy<Value = Shape> {
    tree(panics).prop_map(|mut shape| {
        number(&mut shape, &mut 0);
        shape
    })
}

// ---- The oracle ----

/// How a shape may end.
#[derive(Debug)]
enum Outcome {
    Value(u64),
    /// With one of these panics. Which one depends on the schedule.
    Panics(BTreeSet<u32>),
}

impl Outcome {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Outcome::Value(a), Outcome::Value(b)) => Outcome::Value(a + b),
            (fails @ Outcome::Panics(_), _) | (_, fails) => fails,
        }
    }

    fn handled(self) -> Self {
        match self {
            Outcome::Value(value) => Outcome::Value(value),
            Outcome::Panics(_) => Outcome::Value(HANDLED),
        }
    }
}

/// Predicts how `shape` ends. Each panic that reaches the pool's handler is one of a set in
/// `loose`.
fn predict(shape: &Shape, loose: &mut Vec<BTreeSet<u32>>) -> Outcome {
    match shape {
        Shape::Value(value) => Outcome::Value(u64::from(*value)),
        Shape::Fails(id) => Outcome::Panics([*id].into()),
        Shape::Join(a, b) => {
            let a = predict(a, loose);
            a.and(predict(b, loose))
        }
        Shape::Scope(tasks) => predict_scope(tasks, loose),
        Shape::Spawn(task, fate) => match (predict(task, loose), fate) {
            (outcome, Fate::Joined) => outcome.handled(),
            (outcome, Fate::Rethrown) => outcome,
            (outcome, Fate::Detached) => {
                if let Outcome::Panics(ids) = outcome {
                    loose.push(ids);
                }
                Outcome::Value(0)
            }
        },
    }
}

fn predict_scope(tasks: &[(Shape, Fate)], loose: &mut Vec<BTreeSet<u32>>) -> Outcome {
    let mut body = Outcome::Value(0);
    let mut unjoined = BTreeSet::new();
    for (task, fate) in tasks {
        match (predict(task, loose), fate) {
            (outcome, Fate::Joined) => body = body.and(outcome.handled()),
            (outcome, Fate::Rethrown) => body = body.and(outcome),
            (Outcome::Panics(ids), Fate::Detached) => unjoined.extend(ids),
            (Outcome::Value(_), Fate::Detached) => (),
        }
    }
    match body {
        Outcome::Value(_) if !unjoined.is_empty() => Outcome::Panics(unjoined),
        body => body,
    }
}

fn node_count(shape: &Shape) -> usize {
    1 + match shape {
        Shape::Value(_) | Shape::Fails(_) => 0,
        Shape::Join(a, b) => node_count(a) + node_count(b),
        Shape::Scope(tasks) => tasks.iter().map(|(task, _)| node_count(task)).sum(),
        Shape::Spawn(task, _) => node_count(task),
    }
}

// ---- The run ----

/// Has a token for every node that ran, and for every answer that was returned.
#[derive(Clone, Copy, Debug)]
struct Books {
    nodes: &'static Ledger,
    answers: &'static Ledger,
}

/// A value whose drops are counted.
struct Answer(u64, #[expect(dead_code, reason = "counts drops")] Token);

fn run(shape: &Shape, books: Books) -> Answer {
    let _node = books.nodes.token();
    let value = match shape {
        Shape::Value(value) => u64::from(*value),
        Shape::Fails(id) => boom(*id),
        Shape::Join(a, b) => {
            let (a, b) = filch::join(|| run(a, books), || run(b, books));
            a.0 + b.0
        }
        Shape::Scope(tasks) => run_scope(tasks, books),
        Shape::Spawn(task, fate) => {
            let task = task.clone();
            let handle = filch::spawn(move || run(&task, books));
            meet(*fate, || handle.join())
        }
    };
    Answer(value, books.answers.token())
}

fn run_scope(tasks: &[(Shape, Fate)], books: Books) -> u64 {
    filch::scope(|s| {
        let handles: Vec<_> =
            tasks.iter().map(|(task, fate)| (s.spawn(move || run(task, books)), *fate)).collect();
        let values = handles.into_iter().map(|(handle, fate)| meet(fate, || handle.join()));
        values.sum()
    })
}

fn meet(fate: Fate, join: impl FnOnce() -> Result<Answer, JoinError>) -> u64 {
    match fate {
        Fate::Joined => join().map_or(HANDLED, |answer| answer.0),
        Fate::Rethrown => join().unwrap_or_else(|error| resume_unwind(error.into_panic())).0,
        Fate::Detached => 0,
    }
}

fn check(shape: &Shape, threads: usize, caller: Caller) -> Result<(), TestCaseError> {
    let books = Books { nodes: Ledger::new(), answers: Ledger::new() };
    let (pool, noted) = noting_pool(threads);
    let ended = catch_unwind(AssertUnwindSafe(|| caller.run(&pool, || run(shape, books)).0));
    drop(pool);

    let mut loose = Vec::new();
    let outcome = predict(shape, &mut loose);
    match (ended, &outcome) {
        (Ok(value), Outcome::Value(expected)) => prop_assert_eq!(value, *expected),
        (Err(payload), Outcome::Panics(ids)) => prop_assert!(ids.contains(&boom_id(payload))),
        (ended, _) => {
            let ended = ended.map_err(boom_id);
            prop_assert!(false, "ended with {ended:?}, expected {outcome:?}");
        }
    }
    let noted = noted.lock().unwrap();
    let arrived = |ids: &BTreeSet<u32>| noted.iter().filter(|id| ids.contains(id)).count();
    prop_assert!(loose.iter().all(|ids| arrived(ids) == 1));
    prop_assert_eq!(noted.len(), loose.len(), "panics that reached the handler");
    prop_assert_eq!(books.nodes.made(), node_count(shape), "nodes that ran");
    prop_assert!(books.nodes.is_balanced() && books.answers.is_balanced());
    Ok(())
}

fn caller() -> impl Strategy<Value = Caller> {
    prop_oneof![Just(Caller::Worker), Just(Caller::Outside)]
}

fn config() -> ProptestConfig {
    let cases = sized(150, 20) as u32;
    let rng_seed = crate::common::seed().map_or(RngSeed::Random, RngSeed::Fixed);
    ProptestConfig { cases, rng_seed, failure_persistence: None, ..ProptestConfig::default() }
}

#[test]
fn trees_without_panics_give_the_serial_value() {
    let _watchdog = watchdog();
    let inputs = (numbered_tree(0), 1..=16_usize, caller());
    proptest!(config(), |((shape, threads, caller) in inputs)| {
        check(&shape, threads, caller)?;
    });
}

#[test]
fn trees_with_rare_panics_end_as_predicted() {
    let _watchdog = watchdog();
    let inputs = (numbered_tree(8), 1..=16_usize, caller());
    proptest!(config(), |((shape, threads, caller) in inputs)| {
        check(&shape, threads, caller)?;
    });
}

#[test]
fn trees_with_many_panics_end_as_predicted() {
    let _watchdog = watchdog();
    let inputs = (numbered_tree(50), 1..=16_usize, caller());
    proptest!(config(), |((shape, threads, caller) in inputs)| {
        check(&shape, threads, caller)?;
    });
}

#[test]
fn sums_of_any_length_agree_with_serial() {
    fn sum(numbers: &[u64], grain: usize) -> u64 {
        if numbers.len() <= grain {
            return numbers.iter().sum();
        }
        let (left, right) = numbers.split_at(numbers.len() / 2);
        let (left, right) = filch::join(|| sum(left, grain), || sum(right, grain));
        left + right
    }

    let _watchdog = watchdog();
    let numbers = prop::collection::vec(0..1_000_000_u64, 0..5000);
    let inputs = (numbers, 1..=64_usize, 1..=16_usize, caller());
    proptest!(config(), |((numbers, grain, threads, caller) in inputs)| {
        let pool = crate::common::pool(threads);
        let parallel = caller.run(&pool, || sum(&numbers, grain));
        prop_assert_eq!(parallel, numbers.iter().sum::<u64>());
    });
}
