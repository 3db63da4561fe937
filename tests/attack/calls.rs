//! What each operation does.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use filch::graph::{Graph, Node as Task, Outcome, read, write};
use filch::prelude::*;
use filch::{CancelToken, JoinError, JoinHandle, Priority, TaskSet, blocking};
use rand::RngExt;
use rand::rngs::SmallRng;

use crate::program::{Node, Op, Run, Value, builder};

impl Run {
    pub fn call(self: &Arc<Self>, node: &Arc<Node>, rng: &mut SmallRng) {
        let inner = &node.inner[..];
        match node.op {
            Op::Join => self.join(inner),
            Op::Scope => self.scope(node),
            Op::Region => self.region(inner, rng),
            Op::Loop => {
                let values: Vec<Value> = inner.par_iter().map(|node| self.node(node)).collect();
                inner.iter().zip(values).for_each(|(node, value)| self.check(node, value));
            }
            Op::Graph => self.graph(inner, rng),
            Op::Pipeline => self.pipeline(inner, rng),
            Op::Gang => self.gang(inner, rng),
            Op::Broadcast => {
                let all = filch::broadcast(|context| self.value(context.index() as u64));
                self.expect(all.len() == filch::current_num_threads(), "not all workers");
            }
            Op::Priority => {
                filch::task().priority(priority(rng)).name("named").install(|| self.join(inner));
            }
            Op::Blocking => blocking(|| {
                thread::sleep(self.time(rng));
                blocking(|| self.check(&inner[0], self.node(&inner[0])));
                self.check(&inner[1], self.node(&inner[1]));
            }),
            Op::OtherPool => {
                let pool = self.pools[usize::from(!node.outer.in_second_pool)].upgrade();
                // A task of a pool that ends in the background may outlast these pools.
                let Some(pool) = pool else { return };
                match rng.random_range(0..2) {
                    0 => pool.install(|| self.join(inner)),
                    _ => {
                        let task = pool.spawn(self.task(&inner[0], true));
                        self.check_result(&inner[0], task.join());
                    }
                }
            }
            Op::Handles => self.handles(inner, rng),
            Op::Set => self.set(inner, rng),
            Op::Detached => self.detached(inner, rng),
            Op::OwnPool => self.own_pool(inner, rng),
            Op::Future => self.future(inner, rng),
            Op::Completer => self.completer(&inner[0], rng),
            Op::Message => {
                let (sender, receiver) = mpsc::channel();
                let (task, first) = (self.task(&inner[0], true), &inner[0]);
                let task = move || _ = sender.send(task());
                drop(filch::task().priority(priority(rng)).spawn(task));
                match blocking(|| receiver.recv()) {
                    Ok(value) => self.check(first, value),
                    Err(_) => self.stop(),
                }
            }
        }
    }

    fn join(self: &Arc<Self>, inner: &[Arc<Node>]) {
        let (a, b) = filch::join(|| self.node(&inner[0]), || self.node(&inner[1]));
        self.check(&inner[0], a);
        self.check(&inner[1], b);
    }

    fn scope(self: &Arc<Self>, node: &Node) {
        let values: Vec<Mutex<Option<Value>>> =
            node.inner.iter().map(|_| Mutex::default()).collect();
        filch::scope(|s| {
            for (inner, value) in node.inner.iter().zip(&values) {
                let captured = self.value(inner.number);
                let task = s.spawn(move || {
                    *value.lock().unwrap() = Some(captured);
                    self.node(inner)
                });
                if !node.outer.in_gang && inner.number % 3 == 0 {
                    self.check_result(inner, task.join());
                }
            }
            s.spawn_fifo(|| self.step());
            self.step();
        });
        for (inner, value) in node.inner.iter().zip(values) {
            let value = value.into_inner().unwrap();
            self.check(inner, value.expect("a scope ends after its tasks"));
        }
    }

    /// In a program with a fault, a node in the region may cancel it, or a deadline may.
    fn region(self: &Arc<Self>, inner: &[Arc<Node>], rng: &mut SmallRng) {
        let canceller = rng.random_range(0..8);
        let token = match rng.random_range(0..4) {
            0 => self.token.clone(),
            1 => self.token.child(),
            2 if self.may_fail() && !self.setting.is_simulated => {
                self.cancel(&CancelToken::new());
                self.token.with_timeout(self.time(rng) * 10)
            }
            _ => CancelToken::new(),
        };
        let run = |i: usize| {
            if i == canceller && self.may_fail() {
                self.cancel(&token);
            }
            self.check(&inner[i], self.node(&inner[i]));
        };
        let all = 0..inner.len();
        let ended = match rng.random_range(0..4) {
            0 => token.run(|| _ = filch::join(|| run(0), || run(1))),
            1 => token.run(|| all.into_par_iter().for_each(run)),
            2 => blocking(|| token.run(|| all.into_par_iter().with_max_len(1).for_each(run))),
            _ => filch::scope_with(&token, |s| {
                let run = &run;
                all.for_each(|i| drop(s.spawn(move || run(i))));
            }),
        };
        if ended.is_err() {
            self.expect_fault("a region was cancelled");
        }
    }

    fn graph(self: &Arc<Self>, inner: &[Arc<Node>], rng: &mut SmallRng) {
        let mut graph = Graph::new();
        graph.cancel_with(&self.token);
        graph.measure_costs(rng.random());
        let cell = graph.cell(self.value(0));
        let mut tasks: Vec<Task<Value>> = Vec::new();
        for (i, node) in inner.iter().enumerate() {
            let task = match rng.random_range(0..5) {
                0 => graph.task(write(&cell), move |cell: &mut Value| {
                    *cell = self.value(cell.number + 1);
                    self.node(node)
                }),
                1 => graph.task(read(&cell), move |cell: &Value| {
                    let (before, value) = (cell.number, self.node(node));
                    self.expect(cell.number == before, "a cell has a wrong value");
                    value
                }),
                2 if i > 0 => graph.task(&tasks[i - 1], move |before: &Value| {
                    self.expect(before.number == inner[i - 1].number, "a wrong result");
                    self.node(node)
                }),
                3 => {
                    let within = graph.subgraph(read(&cell), move |_: &Value, graph| {
                        let captured = self.value(0);
                        graph.task((), move |()| captured.run.step());
                    });
                    graph.task(&within, move |()| self.node(node))
                }
                _ => graph.try_task((), move |()| Ok::<_, &str>(self.node(node))),
            };
            match rng.random_range(0..4) {
                0 => _ = task.retry(1, self.time(rng)),
                1 => graph.fallback(&task, move |_| self.value(node.number)),
                2 if i > 0 => _ = task.after(&tasks[i - 1]),
                _ => (),
            }
            tasks.push(task);
        }
        for _ in 0..2 {
            let report = graph.run().unwrap();
            for (node, task) in inner.iter().zip(&tasks) {
                match report.outcome(task) {
                    Some(Outcome::Ran | Outcome::Replaced) => {
                        let result = graph.result(task).unwrap();
                        self.expect(result.number == node.number, "a wrong result");
                    }
                    _ => self.expect_fault("a task of a graph has failed"),
                }
            }
            match report.success().map_err(|failure| failure.try_into_panic()) {
                Ok(()) => (),
                Err(Ok(payload)) => resume_unwind(payload),
                Err(Err(_)) => self.stop(),
            }
        }
    }

    fn pipeline(self: &Arc<Self>, inner: &[Arc<Node>], rng: &mut SmallRng) {
        let (is_busy, mut ended) = (AtomicBool::new(false), 0);
        let nodes = inner.iter().cycle().take(3 * inner.len());
        let serial = |(node, value)| {
            self.expect(!is_busy.swap(true, SeqCst), "two items were in a serial stage");
            let stepped = catch_unwind(AssertUnwindSafe(|| self.step()));
            is_busy.store(false, SeqCst);
            stepped.unwrap_or_else(|payload| resume_unwind(payload));
            (node, value)
        };
        let last = |(node, value): (&Node, Value)| {
            self.check(node, value);
            ended += 1;
        };
        let pipeline = filch::pipeline(nodes.map(|node| (node, self.value(0))))
            .max_in_flight(rng.random_range(1..7))
            .cancel_with(&self.token)
            .parallel(|(node, value): (&Arc<Node>, Value)| {
                drop(value);
                (&**node, self.node(node))
            });
        let result = match rng.random_range(0..3) {
            0 => pipeline.serial(serial).parallel(|item| item).serial_in_order(last).run(),
            1 => pipeline.serial_in_order(serial).serial(last).run(),
            _ => pipeline.try_parallel(Ok::<_, &str>).serial_in_order(last).run(),
        };
        match result {
            Ok(_) => self.expect(ended == 3 * inner.len(), "an item was lost"),
            Err(_) => self.stop(),
        }
    }

    fn gang(self: &Arc<Self>, inner: &[Arc<Node>], rng: &mut SmallRng) {
        let size = rng.random_range(1..=filch::current_num_threads());
        let members = filch::gang(size, |member| {
            for root in [0, size - 1] {
                let node = &inner[member.index() % inner.len()];
                self.check(node, self.node(node));
                member.barrier();
                let add = |a: Value, b: Value| {
                    let sum = a.number + b.number;
                    drop((a, b));
                    self.value(sum)
                };
                let sum = member.reduce(self.value(member.index() as u64), add);
                self.expect(sum.number == (0..size as u64).sum(), "a wrong sum");
                let sent = member.broadcast(root, || self.value(root as u64));
                self.expect(sent.number == root as u64, "a wrong value was sent");
            }
        });
        self.expect(members.unwrap().len() == size, "a gang of the wrong size");
    }

    fn handles(self: &Arc<Self>, inner: &[Arc<Node>], rng: &mut SmallRng) {
        let mut handles = Vec::new();
        for node in inner {
            let fate = rng.random_range(0..9);
            let mut builder = filch::task();
            if rng.random() {
                builder = builder.priority(priority(rng)).token(&self.token);
            }
            let task = self.task(node, fate > 1);
            let handle = match rng.random() {
                true => builder.spawn(task),
                false => match builder.try_spawn(task) {
                    Ok(handle) => handle,
                    Err(full) => filch::spawn(full.into_inner()),
                },
            };
            handles.push((node, fate, handle));
        }
        match rng.random_range(0..3) {
            0 => _ = filch::yield_now(),
            1 => _ = filch::yield_local(),
            _ => (),
        }
        for (node, fate, mut handle) in handles {
            let result = match fate {
                0 => {
                    drop(handle.cancel_on_drop());
                    continue;
                }
                1 if handle.cancel() => {
                    self.expect(handle.join().is_err(), "a cancelled task has a result");
                    continue;
                }
                2 => continue,
                3 => blocking(|| handle.join()),
                4 => handle.join_timeout(self.time(rng)).unwrap_or_else(JoinHandle::join),
                5 if !self.setting.own_descendants => filch::block_on(handle),
                6 => self.poll(&mut handle).unwrap_or_else(|| handle.join()),
                _ => handle.join(),
            };
            self.check_result(node, result);
        }
    }

    fn set(self: &Arc<Self>, inner: &[Arc<Node>], rng: &mut SmallRng) {
        let mut set = TaskSet::new().max_running(rng.random_range(1..6));
        let end = rng.random_range(0..6);
        for node in inner {
            let (number, task) = (node.number, self.task(node, end > 2));
            let task = move || (number, task());
            match rng.random_range(0..3) {
                0 => blocking(|| set.spawn(task)),
                1 => filch::task().priority(priority(rng)).install(|| set.spawn(task)),
                _ => set.spawn(task),
            }
        }
        match end {
            0 => _ = set.cancel_all(),
            1 => return set.detach_all(),
            _ => (),
        }
        for _ in inner {
            let result = match rng.random_range(0..4) {
                0 => blocking(|| set.join_next()),
                1 => {
                    let polled = self.poll(&mut set.join_next_async());
                    polled.unwrap_or_else(|| set.join_next())
                }
                2 if !self.setting.own_descendants => filch::block_on(set.join_next_async()),
                _ => set.join_next(),
            };
            match result.expect("a set keeps its tasks").map_err(JoinError::try_into_panic) {
                Ok((number, value)) => self.expect(value.number == number, "a wrong value"),
                Err(Ok(payload)) => resume_unwind(payload),
                Err(Err(_)) if end == 0 => (),
                Err(Err(_)) => self.stop(),
            }
            if end == 2 {
                return;
            }
        }
        self.expect(set.join_next().is_none(), "a set has a task too many");
    }

    fn detached(self: &Arc<Self>, inner: &[Arc<Node>], rng: &mut SmallRng) {
        for node in inner {
            let task = self.task(node, true);
            match rng.random_range(0..4) {
                0 => filch::spawn_fifo(|| drop(task())),
                1 => match filch::try_spawn(task) {
                    Ok(handle) => drop(handle),
                    Err(full) => drop(full.into_inner()()),
                },
                2 => {
                    let task = Mutex::new(Some(task));
                    filch::spawn_broadcast(move |_| {
                        let task = task.lock().unwrap().take();
                        drop(task.map(|task| task()));
                    });
                }
                _ => drop(filch::spawn(task)),
            }
        }
        _ = (filch::dump().to_string(), filch::metrics().to_prometheus());
    }

    /// Ends a pool while it has tasks of all kinds.
    fn own_pool(self: &Arc<Self>, inner: &[Arc<Node>], rng: &mut SmallRng) {
        let (end, run) = (rng.random_range(0..5), self.clone());
        let pool = builder(rng, self.setting).panic_handler(move |payload| {
            run.check_panic(&*payload);
            if filch::current_thread_index().is_some() {
                drop(filch::spawn(|| drop(payload)));
            }
        });
        let pool = pool.build().unwrap();
        let mut handles = Vec::new();
        for node in inner.iter().chain(inner) {
            let (task, blocks) = (self.task(node, end < 2), rng.random());
            let task = move || if blocks { blocking(task) } else { task() };
            handles.push((node, pool.task().priority(priority(rng)).spawn(task)));
        }
        let (owed, captured) = (self.owed(end < 2), self.value(0));
        pool.spawn_fifo(|| drop(filch::spawn(|| drop(owed.take()))));
        drop(pool.spawn_future(async { (std::future::pending::<()>().await, captured).1 }));
        let mut set = TaskSet::new_in(&pool);
        // The set is dropped before a pool that ends in the background must have begun the task.
        set.spawn(self.task(&inner[0], end == 0));
        let met = pool.gang(rng.random_range(1..=pool.current_num_threads()), |member| {
            member.barrier();
            self.step();
            member.barrier();
        });
        _ = (met.unwrap(), pool.dump().to_string(), pool.metrics().to_prometheus());
        match end {
            0 => drop(pool),
            1 => pool.shutdown_background(),
            2 if !self.setting.is_simulated => drop(thread::spawn(|| pool.shutdown_now())),
            _ => _ = pool.shutdown_now(),
        }
        let last = rng.random::<bool>().then(|| (&inner[0], set.join_next().unwrap()));
        let results = handles.into_iter().map(|(node, handle)| (node, handle.join()));
        for (node, result) in last.into_iter().chain(results) {
            match result {
                Err(error) if error.is_cancelled() && end >= 2 => (),
                result => self.check_result(node, result),
            }
        }
    }

    fn future(self: &Arc<Self>, inner: &[Arc<Node>], rng: &mut SmallRng) {
        let (run, first, task) = (self.clone(), inner[0].clone(), self.task(&inner[1], true));
        let mut future = filch::spawn_future(async move {
            let task = task;
            run.check_result(&first, filch::spawn(run.task(&first, true)).await);
            task()
        });
        let result = match rng.random_range(0..4) {
            0 => return drop(future),
            1 => filch::block_on(future),
            2 => self.poll(&mut future).unwrap_or_else(|| future.join()),
            _ => future.join(),
        };
        self.check_result(&inner[1], result);
    }

    /// Polls `future` once.
    fn poll<F: Future + Unpin>(self: &Arc<Self>, future: &mut F) -> Option<F::Output> {
        let waker = Waker::from(Arc::new(Woken(self.value(0))));
        let polled = Pin::new(future).poll(&mut Context::from_waker(&waker));
        // Not at the end: see `task`.
        drop(waker);
        match polled {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        }
    }

    fn completer(self: &Arc<Self>, node: &Arc<Node>, rng: &mut SmallRng) {
        let (completer, handle) = filch::completer();
        let (task, value) = (self.task(node, true), self.value(node.number));
        if self.setting.is_simulated || rng.random() {
            drop(filch::spawn(|| completer.complete(task())));
        } else {
            drop(filch::spawn(task));
            thread::spawn(|| completer.complete(value));
        }
        self.check_result(node, handle.join());
    }
}

/// Its call and its drop are steps.
struct Woken(Value);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.run.step();
    }
}

fn priority(rng: &mut SmallRng) -> Priority {
    [Priority::Low, Priority::Normal, Priority::High][rng.random_range(0..3)]
}
