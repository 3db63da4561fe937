//! Graphs run each task once, after its predecessors, with the references that it has declared.

use std::cell::Cell as Plain;
use std::collections::BTreeSet;
use std::num::ParseIntError;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use filch::CancelToken;
use filch::graph::{Cell, Graph, GraphError, Node, Outcome, read, write};

use crate::common::{
    Boom, TIME, boom, caught, is_simulated_without, lock, one_a_seed, pool, rest, seed, settings,
    sized, watchdog,
};
use crate::faults::drive;
use crate::{Random, mix};

// ---- Order and values ----

#[test]
fn results_go_along_edges() {
    let _watchdog = watchdog();
    for (caller, pool) in settings() {
        let mut graph = Graph::new();
        let a = graph.task((), |()| 2);
        let b = graph.task(&a, |a| a * 10);
        let c = graph.task((&a, &b), |(a, b)| format!("{a} {b}"));
        let all = graph.task([&a, &b], |all: [&i32; 2]| all.iter().copied().sum::<i32>());
        let many = graph.task(vec![&a; 5], |all| all.len());
        caller.run(&pool, || graph.run().unwrap().success().unwrap());
        assert_eq!(graph.result(&c).map(String::as_str), Some("2 20"));
        assert_eq!((graph.result(&all), graph.result(&many)), (Some(&22), Some(&5)));
        assert_eq!(graph.take_result(&c), Some("2 20".into()));
        assert_eq!(graph.result(&c), None, "the result was taken");
        assert_eq!(graph.len(), 5);
    }
}

#[test]
fn a_task_begins_after_its_predecessors() {
    let _watchdog = watchdog();
    for (caller, pool) in settings() {
        let order = Mutex::new(Vec::new());
        let mut graph = Graph::new();
        let nodes: Vec<Node<()>> = (0..40)
            .map(|i| {
                let order = &order;
                graph.task((), move |()| lock(order).push(i))
            })
            .collect();
        // Like a binary tree, so that the tasks form no chain.
        for (i, node) in nodes.iter().enumerate().skip(1) {
            node.after(&nodes[i / 2]).after(&nodes[i / 3]);
        }
        for _ in 0..sized(20, 2) {
            caller.run(&pool, || graph.run().unwrap().success().unwrap());
            let order = std::mem::take(&mut *lock(&order));
            let place = |task: usize| order.iter().position(|it| *it == task).unwrap();
            assert_eq!(order.len(), 40);
            (1..40).for_each(|i| assert!(place(i) > place(i / 2) && place(i) > place(i / 3)));
        }
    }
}

/// A random program over cells. Each statement reads some cells and writes up to two.
struct Program {
    cells: usize,
    statements: Vec<(Vec<usize>, Vec<usize>)>,
}

impl Program {
    fn new(random: &mut Random) -> Self {
        let cells = 1 + random.below(6);
        let statement = |random: &mut Random| {
            let reads: BTreeSet<usize> =
                (0..random.below(4)).map(|_| random.below(cells)).collect();
            let writes: BTreeSet<usize> =
                (0..random.below(3)).map(|_| random.below(cells)).collect();
            (reads.difference(&writes).copied().collect(), writes.into_iter().collect())
        };
        let statements = (0..1 + random.below(60)).map(|_| statement(random)).collect();
        Program { cells, statements }
    }

    fn run_serially(&self, runs: usize) -> Vec<u64> {
        let mut cells: Vec<u64> = (0..self.cells as u64).collect();
        for _ in 0..runs {
            for (number, (reads, writes)) in self.statements.iter().enumerate() {
                let read = reads.iter().fold(number as u64, |sum, cell| mix(sum, cells[*cell]));
                writes.iter().for_each(|cell| cells[*cell] = mix(cells[*cell], read));
            }
        }
        cells
    }

    fn run_as_graph(&self, runs: usize, has_costs: bool) -> Vec<u64> {
        // For each cell, how many writers and readers it has at the moment.
        let users: Vec<AtomicUsize> = (0..self.cells).map(|_| AtomicUsize::new(0)).collect();
        let users = &users;
        let calls = AtomicUsize::new(0);
        let calls = &calls;
        let mut graph = Graph::new();
        let cells: Vec<Cell<u64>> = (0..self.cells as u64).map(|i| graph.cell(i)).collect();
        graph.measure_costs(has_costs);
        for (number, (reads, writes)) in self.statements.iter().enumerate() {
            let inputs = (
                reads.iter().map(|cell| read(&cells[*cell])).collect::<Vec<_>>(),
                writes.iter().map(|cell| write(&cells[*cell])).collect::<Vec<_>>(),
            );
            graph.task(inputs, move |(given, written)| {
                let enter = |cell: &usize, by| users[*cell].fetch_add(by, Ordering::SeqCst);
                reads
                    .iter()
                    .for_each(|cell| assert!(enter(cell, 1) < 1000, "a writer has the cell"));
                writes.iter().for_each(|cell| assert_eq!(enter(cell, 1000), 0, "not alone"));
                rest(Duration::ZERO);
                let sum = given.into_iter().fold(number as u64, |sum, cell| mix(sum, *cell));
                written.into_iter().for_each(|cell| *cell = mix(*cell, sum));
                reads.iter().for_each(|cell| _ = users[*cell].fetch_sub(1, Ordering::SeqCst));
                writes.iter().for_each(|cell| _ = users[*cell].fetch_sub(1000, Ordering::SeqCst));
                calls.fetch_add(1, Ordering::SeqCst);
            });
        }
        for _ in 0..runs {
            let report = graph.run().unwrap();
            assert_eq!(report.count(Outcome::Ran), self.statements.len());
            report.success().unwrap();
        }
        assert_eq!(calls.load(Ordering::SeqCst), runs * self.statements.len());
        cells.iter().map(|cell| *graph.get(cell)).collect()
    }
}

#[test]
fn random_programs_over_cells_end_as_in_serial_order() {
    let _watchdog = watchdog();
    for threads in one_a_seed([1, 2, 4]) {
        let pool = pool(threads);
        for number in 0..sized(150, 6) {
            let mut random = Random(number as u64 + 1000 * seed().unwrap_or(0));
            let program = Program::new(&mut random);
            let expected = program.run_serially(3);
            let has_costs = random.below(2) == 1;
            let got = pool.install(|| program.run_as_graph(3, has_costs));
            assert_eq!(got, expected, "program {number}, {threads} threads");
        }
    }
}

#[test]
fn long_chains_and_wide_graphs_need_no_deep_stack() {
    let _watchdog = watchdog();
    for (caller, pool) in settings() {
        let many = sized(100_000, 500) as u64;
        let mut chain = Graph::new();
        let counter = chain.cell(0);
        (0..many).for_each(|_| drop(chain.task(write(&counter), |counter| *counter += 1)));
        caller.run(&pool, || chain.run().unwrap().success().unwrap());
        assert_eq!(chain.get(&counter), &many);

        let calls = AtomicUsize::new(0);
        let mut wide = Graph::new();
        let nodes: Vec<_> = (0..many)
            .map(|_| wide.task((), |()| _ = calls.fetch_add(1, Ordering::Relaxed)))
            .collect();
        wide.task(nodes.iter().collect::<Vec<_>>(), |all| assert_eq!(all.len() as u64, many));
        caller.run(&pool, || wide.run().unwrap().success().unwrap());
        assert_eq!(calls.load(Ordering::Relaxed) as u64, many);
    }
}

#[test]
fn cells_may_borrow_and_are_given_back() {
    let _watchdog = watchdog();
    let pool = pool(2);
    let mut numbers = vec![1, 2, 3, 4];
    let mut graph = Graph::new();
    let (left, right) = numbers.split_at_mut(2);
    let (left, right) = (graph.cell(left), graph.cell(right));
    graph.task((read(&left), write(&right)), |(left, right)| right[0] += left[1]);
    graph.task((write(&left), read(&right)), |(left, right)| left[0] += right[0]);
    pool.install(|| graph.run().unwrap().success().unwrap());
    graph.get_mut(&right)[1] = 7;
    drop(graph);
    assert_eq!(numbers, [6, 2, 5, 7]);
}

#[test]
fn a_cell_that_is_only_written_need_not_be_sync() {
    let _watchdog = watchdog();
    let mut graph = Graph::new();
    let cell = graph.cell(Plain::new(1));
    graph.task(write(&cell), |cell| cell.set(cell.get() + 1));
    graph.run().unwrap().success().unwrap();
    assert_eq!(graph.get(&cell).get(), 2);
}

#[test]
fn tasks_are_added_and_ordered_between_runs() {
    let _watchdog = watchdog();
    let pool = pool(2);
    let mut graph = Graph::new();
    let list = graph.cell(Vec::new());
    let first = graph.task(write(&list), |list| list.push(1));
    pool.install(|| graph.run().unwrap().success().unwrap());
    let gate = graph.task((), |()| 5);
    graph.task((write(&list), &gate), |(list, five)| list.push(*five));
    gate.after(&first);
    pool.install(|| graph.run().unwrap().success().unwrap());
    assert_eq!(graph.get(&list), &[1, 1, 5]);
    let (left, right) = (first.clone(), gate);
    left.after(&right);
    assert!(matches!(graph.run(), Err(GraphError::Cycle { .. })));
    assert_eq!(graph.get(&list), &[1, 1, 5], "a task has run");
}

// ---- Graphs within graphs ----

fn fib<'a>(graph: &mut Graph<'a>, n: u64, sum: &'a AtomicUsize) {
    if n < 2 {
        sum.fetch_add(n as usize, Ordering::Relaxed);
        return;
    }
    graph.subgraph((), move |(), graph| fib(graph, n - 1, sum));
    graph.subgraph((), move |(), graph| fib(graph, n - 2, sum));
}

#[test]
fn tasks_add_graphs_while_they_run() {
    let _watchdog = watchdog();
    for (caller, pool) in settings() {
        let sum = AtomicUsize::new(0);
        let (n, expected) = if sized(1, 0) == 1 { (12, 144) } else { (6, 8) };
        let mut graph = Graph::new();
        let all = graph.subgraph((), |(), graph| fib(graph, n, &sum));
        let total = graph.task(&all, |()| sum.load(Ordering::SeqCst));
        caller.run(&pool, || graph.run().unwrap().success().unwrap());
        assert_eq!(graph.result(&total), Some(&expected));
    }
}

#[test]
fn a_failure_in_a_subgraph_is_its_tasks_failure() {
    let _watchdog = watchdog();
    let pool = pool(2);
    let mut graph = Graph::new();
    let outer = graph.subgraph((), |(), graph| {
        graph.task((), |()| boom(3)).name("inner");
    });
    let outer = outer.name("outer");
    let later = graph.task(&outer, |()| ());
    let cyclic = graph.subgraph((), |(), graph| {
        let a = graph.task((), |()| ());
        a.after(&a);
    });
    let report = pool.install(|| graph.run().unwrap());
    assert_eq!(report.outcome(&later), Some(Outcome::Skipped));
    assert_eq!(report.outcome(&cyclic), Some(Outcome::Failed));
    assert_eq!(report.failures().len(), 2);
    let texts: Vec<String> = report.failures().iter().map(|it| it.to_string()).collect();
    assert!(texts.contains(&"`outer` failed: `inner` panicked".into()), "{texts:?}");
    assert!(texts.contains(&"`task 2` failed: a cycle: `task 0` -> `task 0`".into()), "{texts:?}");
}

#[test]
fn graphs_run_beside_and_within_other_work() {
    let _watchdog = watchdog();
    for (caller, pool) in settings() {
        let run_one = |n: u64| {
            let mut graph = Graph::new();
            let cell = graph.cell(0);
            (0..n).for_each(|i| drop(graph.task(write(&cell), move |cell| *cell += i)));
            graph.run().unwrap().success().unwrap();
            *graph.get(&cell)
        };
        let both = caller.run(&pool, || {
            filch::join(
                || run_one(20),
                || filch::join(|| run_one(30), || filch::spawn(move || run_one(4)).join().unwrap()),
            )
        });
        assert_eq!(both, (190, (435, 6)));
    }
}

// ---- Failures ----

#[test]
fn each_panic_skips_dependent_tasks_and_nothing_else() {
    let _watchdog = watchdog();
    for threads in one_a_seed([1, 2, 4]) {
        let pool = pool(threads);
        drive(|fault, ledger| {
            let token = |value: usize| (value, ledger.token());
            let mut graph = Graph::new();
            let cell = graph.cell(token(0));
            let mut nodes = Vec::new();
            for i in 0..4 {
                let mut kept = Some(ledger.token());
                nodes.push(graph.task((), move |()| {
                    fault.call();
                    drop(kept.take());
                    token(i)
                }));
            }
            let pairs: Vec<_> = (0..3)
                .map(|i| {
                    graph.task((&nodes[i], &nodes[i + 1]), move |(a, b)| {
                        fault.call();
                        token(a.0 + b.0)
                    })
                })
                .collect();
            let writer = graph.task((&pairs[0], write(&cell)), |(pair, cell)| {
                fault.call();
                *cell = token(pair.0);
            });
            let reader = graph.task(read(&cell), |cell| {
                fault.call();
                cell.0
            });
            // Two runs. The fault is in the first one, unless it is due only in the second one.
            let mut saw = false;
            for _ in 0..2 {
                let report = pool.install(|| graph.run().unwrap());
                let is_ok = |node: &Node<(usize, _)>| report.outcome(node) == Some(Outcome::Ran);
                for i in 0..3 {
                    let has_inputs = is_ok(&nodes[i]) && is_ok(&nodes[i + 1]);
                    let outcome = report.outcome(&pairs[i]).unwrap();
                    assert_eq!(outcome == Outcome::Skipped, !has_inputs);
                    assert_eq!(graph.result(&pairs[i]).is_some(), outcome == Outcome::Ran);
                }
                let (wrote, was_read) = (report.outcome(&writer), report.outcome(&reader));
                assert_eq!(wrote == Some(Outcome::Skipped), !is_ok(&pairs[0]));
                assert_eq!(was_read == Some(Outcome::Skipped), wrote != Some(Outcome::Ran));
                assert_eq!(report.count(Outcome::Failed), report.failures().len());
                assert!(report.failures().len() < 2);
                if let Err(failure) = report.success() {
                    assert_eq!(failure.try_into_panic().unwrap().downcast_ref(), Some(&Boom(1)));
                    saw = true;
                }
            }
            saw
        });
    }
}

#[test]
fn a_drop_of_a_result_that_panics_fails_its_task_only() {
    struct Bomb(bool);
    impl Drop for Bomb {
        fn drop(&mut self) {
            if self.0 {
                boom(4);
            }
        }
    }
    let _watchdog = watchdog();
    let pool = pool(2);
    let mut run = 0;
    let mut graph = Graph::new();
    let node = graph.task((), |()| {
        run += 1;
        Bomb(run == 1)
    });
    let other = graph.task((), |()| 1);
    pool.install(|| graph.run().unwrap().success().unwrap());
    // This run drops the first result.
    let report = pool.install(|| graph.run().unwrap());
    assert_eq!(report.outcome(&node), Some(Outcome::Failed));
    assert_eq!(report.outcome(&other), Some(Outcome::Ran));
    pool.install(|| graph.run().unwrap().success().unwrap());
}

#[test]
fn the_drops_of_all_payloads_of_a_subgraph_may_panic() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            boom(5);
        }
    }
    let _watchdog = watchdog();
    let mut graph = Graph::new();
    graph.subgraph((), |(), graph| {
        for number in 0..3 {
            graph
                .task((), move |()| std::panic::resume_unwind(Box::new(Bomb)))
                .name(["a", "b", "c"][number]);
        }
    });
    let report = pool(1).install(|| graph.run().unwrap());
    let failure = report.success().unwrap_err();
    let cause = std::error::Error::source(&failure).unwrap().to_string();
    assert!(cause.ends_with("` panicked"), "{cause}");
    // The payload of the first failure.
    caught(|| drop(failure));
}

#[test]
fn errors_are_kept_and_skip_dependent_tasks() {
    let _watchdog = watchdog();
    let pool = pool(2);
    let mut graph = Graph::new();
    let good = graph.try_task((), |()| "6".parse::<i32>());
    let bad = graph.try_task(&good, |_| "x".parse::<i32>()).name("bad");
    let worse = graph.task(&bad, |bad| bad + 1);
    let last = graph.task((), |()| ()).after(&worse);
    let report = pool.install(|| graph.run().unwrap());
    assert_eq!(graph.result(&good), Some(&6));
    assert_eq!(report.outcome(&bad), Some(Outcome::Failed));
    assert_eq!(report.outcome(&worse), Some(Outcome::Skipped));
    assert_eq!(report.outcome(&last), Some(Outcome::Skipped));
    assert_eq!((graph.result(&bad), graph.result(&worse)), (None, None));
    let failure = report.success().unwrap_err();
    assert_eq!(failure.task(), "bad");
    assert!(!failure.is_panic() && !failure.is_cancelled());
    let source = std::error::Error::source(&failure).unwrap();
    assert!(source.is::<ParseIntError>());
    assert!(failure.try_into_panic().is_err());
}

#[test]
fn failures_are_retried_and_replaced() {
    let _watchdog = watchdog();
    for (caller, pool) in settings() {
        let calls = AtomicUsize::new(0);
        let mut left = 2;
        let mut graph = Graph::new();
        let mended = graph.task((), |()| {
            calls.fetch_add(1, Ordering::Relaxed);
            if left > 0 {
                left -= 1;
                boom(1);
            }
            5
        });
        mended.retry(2, Duration::ZERO);
        let hopeless = graph.try_task(&mended, |_| {
            calls.fetch_add(1, Ordering::Relaxed);
            Err::<u32, _>("no")
        });
        hopeless.retry(3, Duration::from_millis(1));
        graph.fallback(&hopeless, |failure| failure.to_string().len() as u32);
        let used = graph.task(&hopeless, |length| *length);
        let doubly = graph.try_task((), |()| Err::<(), _>("no"));
        graph.fallback(&doubly, |_| boom(2));
        let report = caller.run(&pool, || graph.run().unwrap());
        assert_eq!(report.outcome(&mended), Some(Outcome::Ran));
        assert_eq!(report.outcome(&hopeless), Some(Outcome::Replaced));
        assert_eq!(graph.result(&used), Some(&("`task 1` failed: no".len() as u32)));
        assert_eq!(report.outcome(&doubly), Some(Outcome::Failed));
        assert!(report.failures()[0].is_panic());
        assert_eq!(calls.load(Ordering::Relaxed), 3 + 4);
    }
}

#[test]
fn a_retry_waits_and_holds_no_worker() {
    if is_simulated_without(TIME) {
        return;
    }
    let _watchdog = watchdog();
    let pool = pool(1);
    let delay = Duration::from_millis(40);
    let mut tries: Vec<Instant> = Vec::new();
    let mut other = None;
    let mut graph = Graph::new();
    let failing = graph.try_task((), |()| {
        tries.push(Instant::now());
        if tries.len() < 3 { Err("not yet") } else { Ok(()) }
    });
    failing.retry(2, delay);
    graph.task((), |()| other = Some(Instant::now()));
    let began = Instant::now();
    pool.install(|| graph.run().unwrap().success().unwrap());
    let took = began.elapsed();
    drop(graph);
    assert!(tries[1] - tries[0] >= delay && tries[2] - tries[1] >= delay && took >= 2 * delay);
    assert!(other.unwrap() < tries[1], "the only worker did not run the other task meanwhile");
}

#[test]
fn a_cancelled_run_skips_tasks_that_have_not_begun() {
    let _watchdog = watchdog();
    for (caller, pool) in settings() {
        let token = CancelToken::new();
        let mut graph = Graph::new();
        graph.cancel_with(&token);
        let first = graph.task((), |()| token.cancel());
        let second = graph.task(&first, |()| ()).name("second");
        let report = caller.run(&pool, || graph.run().unwrap());
        assert_eq!(report.outcome(&first), Some(Outcome::Ran));
        assert_eq!(report.outcome(&second), Some(Outcome::Skipped));
        let failure = report.success().unwrap_err();
        assert!(failure.is_cancelled());
        assert_eq!(failure.to_string(), "the run was cancelled before `second`");
    }
}

// ---- Bad input ----

#[test]
fn an_empty_graph_does_nothing() {
    let mut graph = Graph::new();
    assert!(graph.is_empty());
    let report = graph.run().unwrap();
    assert_eq!((report.count(Outcome::Ran), report.failures().len()), (0, 0));
    // A graph with cells only has nothing to run.
    let cell = graph.cell(5);
    graph.run().unwrap().success().unwrap();
    assert_eq!(graph.get(&cell), &5);
}

#[test]
fn cycles_are_named() {
    let ran = AtomicUsize::new(0);
    for length in [1, 2, 3, 50] {
        let mut graph = Graph::new();
        let count = |()| _ = ran.fetch_add(1, Ordering::Relaxed);
        let before = graph.task((), count).name("before");
        let nodes: Vec<_> =
            (0..length).map(|i| graph.task(&before, |()| ()).name(format!("c{i}"))).collect();
        let tail = graph.task(&nodes[0], |()| ()).name("tail");
        for (i, node) in nodes.iter().enumerate() {
            nodes[(i + 1) % length].after(node);
        }
        let Err(GraphError::Cycle { tasks, .. }) = graph.run() else { panic!("no cycle") };
        assert_eq!(tasks.len(), length);
        let number = |name: &String| name[1..].parse::<usize>().unwrap();
        for (i, task) in tasks.iter().enumerate() {
            assert_eq!(number(&tasks[(i + 1) % length]), (number(task) + 1) % length, "{tasks:?}");
        }
        drop(tail);
    }
    assert_eq!(ran.into_inner(), 0);
}

#[test]
fn handles_of_other_graphs_are_refused() {
    let _watchdog = watchdog();
    let mut other = Graph::new();
    let (cell, node) = (other.cell(1), other.task((), |()| 1));
    let is_foreign = |build: &dyn Fn(&mut Graph<'_>)| {
        let mut graph = Graph::new();
        build(&mut graph);
        for _ in 0..2 {
            let error = graph.run().map(drop).unwrap_err();
            assert!(matches!(error, GraphError::Foreign { task, .. } if task == "task 0"));
        }
    };
    is_foreign(&|graph| drop(graph.task(read(&cell), |_| unreachable!())));
    is_foreign(&|graph| drop(graph.task((write(&cell),), |_| unreachable!())));
    is_foreign(&|graph| drop(graph.task([&node], |_| unreachable!())));
    is_foreign(&|graph| drop(graph.task((), |()| ()).after(&node)));
    other.run().unwrap().success().unwrap();
    let graph = Graph::new();
    let foreign = |op: &dyn Fn()| {
        let payload = std::panic::catch_unwind(std::panic::AssertUnwindSafe(op)).unwrap_err();
        assert_eq!(
            payload.downcast_ref(),
            Some(&"the handle belongs to another graph; accepted: handles of this one")
        );
    };
    foreign(&|| _ = graph.get(&cell));
    foreign(&|| _ = graph.result(&node));
}

#[test]
fn conflicting_accesses_of_one_task_are_refused() {
    let _watchdog = watchdog();
    type Build<'b> = &'b dyn Fn(&mut Graph<'_>, &Cell<i32>, &Cell<i32>);
    let conflict = |build: Build<'_>| {
        let mut graph = Graph::new();
        let (a, b) = (graph.cell(1), graph.cell(2));
        build(&mut graph, &a, &b);
        let error = graph.run().map(drop).unwrap_err();
        assert!(matches!(error, GraphError::Conflict { task, .. } if task == "task 0"));
    };
    conflict(&|graph, a, _| drop(graph.task((read(a), write(a)), |_| unreachable!())));
    conflict(&|graph, a, b| drop(graph.task((write(b), read(a), write(a)), |_| unreachable!())));
    conflict(&|graph, a, b| drop(graph.task([write(a), write(b), write(a)], |_| unreachable!())));
    let mut graph = Graph::new();
    let a = graph.cell(3);
    let twice = graph.task((read(&a), read(&a)), |(x, y)| x + y);
    graph.run().unwrap().success().unwrap();
    assert_eq!(graph.result(&twice), Some(&6));
}

// ---- Priority and pictures ----

#[test]
fn the_longest_path_goes_first() {
    let _watchdog = watchdog();
    let pool = pool(1);
    let order = Mutex::new(String::new());
    let mut graph = Graph::new();
    let mut add = |name: char, cost| {
        let order = &order;
        graph.task((), move |()| lock(order).push(name)).cost(cost)
    };
    // a and b are cheap, but d comes after b, and is expensive.
    let [a, b, c, d, e] =
        [('a', 4), ('b', 1), ('c', 6), ('d', 9), ('e', 5)].map(|it| add(it.0, it.1));
    d.after(&b);
    e.after(&c);
    for _ in 0..3 {
        pool.install(|| graph.run().unwrap().success().unwrap());
        // c: 6 + 5, b: 1 + 9, then d: 9, e: 5, a: 4.
        assert_eq!(std::mem::take(&mut *lock(&order)), "cbdea");
    }
    drop(a);
}

#[test]
fn costs_are_measured() {
    if is_simulated_without(TIME) {
        return;
    }
    let _watchdog = watchdog();
    let pool = pool(1);
    let order = Mutex::new(Vec::new());
    let mut graph = Graph::new();
    graph.measure_costs(true);
    for millis in [1, 30, 8] {
        let order = &order;
        graph.task((), move |()| {
            std::thread::sleep(Duration::from_millis(millis));
            lock(order).push(millis);
        });
    }
    // On a busy machine, one sleep may take longer than the next one.
    let is_by_cost = |_| {
        lock(&order).clear();
        pool.install(|| graph.run().unwrap().success().unwrap());
        *lock(&order) == [30, 8, 1]
    };
    assert!((0..20).any(is_by_cost));
}

#[test]
fn a_task_that_a_run_skips_keeps_its_measured_cost() {
    if is_simulated_without(TIME) {
        return;
    }
    let _watchdog = watchdog();
    let pool = pool(1);
    let (order, fails) = (&Mutex::new(Vec::new()), &AtomicBool::new(false));
    let mut graph = Graph::new();
    graph.measure_costs(true);
    let first = graph.try_task((), |()| match fails.load(Ordering::Relaxed) {
        true => Err("not now"),
        false => Ok(()),
    });
    for millis in [1, 30, 8] {
        let task = move |()| {
            std::thread::sleep(Duration::from_millis(millis));
            lock(order).push(millis);
        };
        graph.task((), task).after(&first);
    }
    // On a busy machine, one sleep may take longer than the next one.
    let is_by_cost = |_| {
        for run in 0..3 {
            lock(order).clear();
            fails.store(run == 1, Ordering::Relaxed);
            let report = pool.install(|| graph.run().unwrap());
            assert_eq!(report.count(Outcome::Skipped), if run == 1 { 3 } else { 0 });
        }
        *lock(order) == [30, 8, 1]
    };
    assert!((0..20).any(is_by_cost));
}

#[test]
fn the_picture_has_all_tasks_edges_and_outcomes() {
    let _watchdog = watchdog();
    let mut graph = Graph::new();
    let a = graph.task((), |()| 1).name("say \"a\"");
    let b = graph.try_task(&a, |_| Err::<(), _>("no"));
    graph.task((&a, &b), |_| ()).after(&a);
    assert_eq!(graph.run().unwrap().failures().len(), 1);
    let expected = r#"digraph {
    node [shape=box, style=filled];
    0 [label="say \"a\"", fillcolor=palegreen];
    1 [label="task 1", fillcolor=tomato];
    0 -> 1;
    2 [label="task 2", fillcolor=lightgrey];
    0 -> 2;
    1 -> 2;
}
"#;
    assert_eq!(graph.dot(), expected);
}

#[test]
fn handles_outlive_their_graph() {
    let mut graph = Graph::new();
    let cell = graph.cell(String::from("kept"));
    let node = graph.task(read(&cell), |cell| cell.len());
    graph.run().unwrap().success().unwrap();
    drop(graph);
    node.after(&node.clone()).name("nothing comes of it");
    assert_eq!(format!("{cell:?}"), "Cell { index: 0, .. }");
}

/// A handle keeps the result alive, but not the closure, which may borrow from something that is
/// gone.
#[test]
fn closures_results_and_cells_are_dropped_with_their_graph_and_handles_may_outlive_it() {
    let (held, result, value) = (Arc::new(()), Arc::new(()), Arc::new(()));
    let counts = || [&held, &result, &value].map(Arc::strong_count);
    let mut graph = Graph::new();
    let cell = graph.cell(value.clone());
    let node = graph.task(read(&cell), |_| (held.clone(), result.clone()).1);
    let later = graph.task(&node, {
        let held = held.clone();
        move |_| drop(held.clone())
    });
    graph.run().unwrap().success().unwrap();
    assert_eq!(counts(), [2, 2, 2]);
    drop(graph);
    assert_eq!(counts(), [1, 1, 1]);
    let _ = node.after(&later.name("later"));
    assert!(format!("{later:?} {:?}", cell.clone()).contains("task 1"));
}

/// A new graph takes over the settings of a dropped one. Handles of the dropped graph must not
/// reach them.
#[test]
fn handles_of_a_dropped_graph_mean_nothing_to_later_ones() {
    let mut past = Graph::new();
    let (cell, first) = (past.cell(1), past.task((), |()| 1));
    let second = past.task((), |()| 2);
    drop(past);
    // Other tests may take the settings first, hence many graphs.
    let mut later: Vec<_> = (0..100).map(|_| Graph::new()).collect();
    for graph in &mut later {
        let nodes = [graph.task((), |()| 3), graph.task((), |()| 4)];
        // In the new graph, this would be a cycle.
        let _ = (first.after(&second).name("stale"), second.after(&first));
        let report = graph.run().unwrap();
        assert_eq!((report.outcome(&first), report.outcome(&nodes[0])), (None, Some(Outcome::Ran)));
        assert!(!graph.dot().contains("stale"));
        nodes[0].after(&first);
        assert!(matches!(graph.run(), Err(GraphError::Foreign { .. })));
    }
    let mut inputs = Graph::new();
    inputs.task((read(&cell), &first), |(cell, first)| cell + first);
    assert!(matches!(inputs.run(), Err(GraphError::Foreign { .. })));
}

/// Counts its drops, each of which panics.
struct Bomb<'c>(&'c AtomicUsize);

impl Drop for Bomb<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
        if !std::thread::panicking() {
            panic!("dropped");
        }
    }
}

#[test]
fn a_drop_that_panics_with_its_graph_keeps_no_other_value_from_its_drop() {
    let drops = AtomicUsize::new(0);
    let mut graph = Graph::new();
    let cells = [0, 1].map(|_| graph.cell(Bomb(&drops)));
    for cell in &cells {
        graph.task(read(cell), |_| Bomb(&drops));
    }
    graph.run().unwrap().success().unwrap();
    let dropped = catch_unwind(AssertUnwindSafe(|| drop(graph)));
    assert!(dropped.is_err());
    assert_eq!(drops.load(Ordering::Relaxed), 4);
}

/// A type without a size, whose alignment the slab does not have.
#[derive(Debug, PartialEq, Clone, Copy)]
#[repr(align(64))]
struct Nothing;

#[test]
fn cells_and_results_may_have_any_layout() {
    let mut graph = Graph::new();
    let (nothing, large) = (graph.cell(Nothing), graph.cell([1_u64; 1000]));
    let node = graph.task((read(&nothing), write(&large)), |(nothing, large)| {
        assert_eq!(std::ptr::from_ref(nothing).addr() % 64, 0);
        large[999] += 1;
        (*nothing, *large)
    });
    graph.run().unwrap().success().unwrap();
    let (nothing, large) = graph.take_result(&node).unwrap();
    assert_eq!((nothing, large[999]), (Nothing, 2));
}

/// The task that retries waits, while its pool waits for another pool, whose only worker waits for
/// that task.
#[test]
fn a_retry_is_run_though_all_waits_are_restricted() {
    let _watchdog = watchdog();
    if is_simulated_without(TIME) {
        return;
    }
    let (here, there) = (pool(1), pool(1));
    let begun = std::sync::mpsc::channel();
    let task = here.spawn(move || {
        let tries = AtomicUsize::new(0);
        let mut graph = Graph::new();
        let fails_once = graph.try_task((), |()| match tries.fetch_add(1, Ordering::Relaxed) {
            0 => Err("not yet"),
            _ => Ok(()),
        });
        fails_once.retry(1, Duration::from_millis(200));
        begun.0.send(()).unwrap();
        graph.run().unwrap().success().unwrap();
    });
    begun.1.recv().unwrap();
    std::thread::sleep(Duration::from_millis(50));
    there.install(|| here.install(|| there.install(|| task.join().unwrap())));
}
