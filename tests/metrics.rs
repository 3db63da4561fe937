//! Metrics: what a pool counts and measures, their text, and the file that the environment names.

mod common;

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::thread;
use std::time::Duration;

use common::{
    Flag, Gate, TIME, boom, builder, eventually, is_simulated_without, pool, sized, watchdog,
};
use filch::{CancelToken, Metrics, Priority, ThreadPoolBuilder};

/// Long compared with everything else in a test.
const LONG: Duration = Duration::from_millis(100);

#[test]
fn the_times_of_a_worker_add_up_to_the_age_of_the_pool() {
    let _watchdog = watchdog();
    for measures in [false, true] {
        let pool = builder().num_threads(3).worker_times(measures).build().unwrap();
        (0..20).for_each(|_| pool.install(|| _ = filch::join(|| 1, || 2)));
        let metrics = pool.metrics();
        assert_eq!(metrics.workers.len(), 3);
        for worker in &metrics.workers {
            let sum = worker.busy + worker.searching + worker.parked + worker.blocked;
            let apart = sum.abs_diff(metrics.elapsed);
            // Another thread may get the processor between two readings of the clock.
            assert!(apart < LONG, "{sum:?} of {:?}: {worker:?}", metrics.elapsed);
            assert!(measures || worker.searching.is_zero());
        }
    }
}

#[test]
fn a_worker_is_busy_as_long_as_a_job_runs_and_parked_before_and_after() {
    let _watchdog = watchdog();
    if is_simulated_without(TIME) {
        return;
    }
    let pool = ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let rest_parked = || {
        eventually("the worker is parked", || pool.dump().to_string().contains("worker 0: parked"));
        thread::sleep(LONG);
    };
    pool.install(|| ());
    rest_parked();
    pool.spawn(|| thread::sleep(2 * LONG)).join().unwrap();
    rest_parked();
    let total = pool.metrics().total();
    assert!(total.busy >= 2 * LONG && total.parked >= 2 * LONG, "{total:?}");
    assert!(total.blocked.is_zero(), "{total:?}");
}

#[test]
fn a_worker_that_sleeps_in_a_wait_is_blocked() {
    let _watchdog = watchdog();
    if is_simulated_without(TIME) {
        return;
    }
    let pool = ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    let started = Flag::new();
    pool.install(|| {
        let second = || {
            started.raise();
            // The first side's worker may have to wait for a processor before it can sleep.
            eventually("the wait sleeps", || pool.dump().to_string().contains(": blocked"));
            thread::sleep(2 * LONG);
        };
        filch::join(|| started.hold(), second);
    });
    let blocked: Vec<_> = pool.metrics().workers.iter().map(|worker| worker.blocked).collect();
    assert!(blocked.iter().any(|time| *time > LONG), "{blocked:?}");
    assert!(blocked.iter().any(Duration::is_zero), "{blocked:?}");
}

#[test]
fn a_core_that_is_lent_is_busy_if_that_is_measured() {
    let _watchdog = watchdog();
    if is_simulated_without(TIME) {
        return;
    }
    for measures in [false, true] {
        let pool = ThreadPoolBuilder::new().num_threads(1).worker_times(measures).build().unwrap();
        eventually("the worker is parked", || pool.dump().to_string().contains("worker 0: parked"));
        pool.join(|| thread::sleep(2 * LONG), || ());
        let before = pool.metrics();
        assert_eq!(before.total().busy >= 2 * LONG, measures, "{before:?}");
        // The worker is parked again.
        thread::sleep(LONG);
        let after = pool.metrics().since(&before).total();
        assert!(after.busy < LONG / 2, "{after:?}");
    }
}

#[test]
fn a_worker_that_looks_for_work_searches() {
    let _watchdog = watchdog();
    if is_simulated_without(TIME) {
        return;
    }
    let pool = ThreadPoolBuilder::new().num_threads(2).worker_times(true).build().unwrap();
    (0..100).for_each(|_| pool.spawn(|| ()).join().unwrap());
    eventually("all workers are parked", || {
        pool.dump().to_string().matches(": parked").count() == 2
    });
    let total = pool.metrics().total();
    assert!(!total.searching.is_zero(), "{total:?}");
}

#[test]
fn the_ends_of_tasks_are_counted() {
    let _watchdog = watchdog();
    let pool = pool(2);
    let mut intervals = pool.metrics().intervals();
    let count = |metrics: &Metrics| {
        let counters = metrics.total().counters;
        (counters.tasks_run, counters.tasks_panicked, counters.tasks_cancelled)
    };
    let (gate, begun) = (Gate::new(), [Flag::new(), Flag::new()]);
    pool.scope(|s| {
        s.spawn(|| assert!(s.spawn(|| boom(1)).join().is_err()));
    });
    drop(pool.spawn(|| boom(2)));
    eventually("both panics are counted", || pool.counters().total().tasks_panicked == 2);
    let interval = intervals.next().unwrap();
    assert_eq!((count(&interval).1, count(&interval).2), (2, 0));
    // Two tasks hold the workers, so the tasks behind them have not begun.
    pool.in_place_scope(|s| {
        for flag in &begun {
            drop(s.spawn(|| {
                flag.raise();
                gate.wait();
            }));
        }
        begun.iter().for_each(Flag::hold);
        let last: Vec<_> = (0..5).map(|_| s.spawn(|| ())).collect();
        let cancelled = last.iter().filter(|task| task.cancel()).count();
        gate.open();
        drop(last);
        eventually("the tasks are counted", || {
            pool.counters().total().tasks_cancelled == cancelled
        });
    });
    let interval = intervals.next().unwrap();
    assert_eq!((count(&interval).0, count(&interval).2), (2, 5));
}

#[test]
fn tasks_whose_deadline_has_passed_are_expired() {
    let _watchdog = watchdog();
    if is_simulated_without(TIME) {
        return;
    }
    let pool = pool(2);
    let token = CancelToken::new().with_timeout(LONG);
    let result = pool.scope_with(&token, |s| {
        thread::sleep(2 * LONG);
        (0..5).for_each(|_| drop(s.spawn(|| ())));
    });
    assert!(result.is_err());
    eventually("the tasks are counted", || {
        let counters = pool.counters().total();
        (counters.tasks_cancelled, counters.tasks_expired) == (5, 5)
    });
}

#[test]
fn intervals_end_with_their_pool() {
    let _watchdog = watchdog();
    let pool = pool(2);
    let mut intervals = pool.metrics().intervals();
    // The iterator may outlive its pool.
    let _set = filch::TaskSet::<()>::new_in(&pool);
    pool.install(|| ());
    let first = intervals.next().unwrap();
    assert_eq!(first.total().counters.tasks_run, 1);
    let second = intervals.next().unwrap();
    assert_eq!(second.total().counters.tasks_run, 0);
    assert!(first.elapsed + second.elapsed <= pool.metrics().elapsed);
    drop(pool);
    eventually("the pool is gone", || intervals.next().is_none());
    assert!(intervals.next().is_none());
}

#[test]
fn the_difference_to_another_pool_is_refused() {
    let _watchdog = watchdog();
    let (one, other) = (pool(1), pool(1));
    let difference = std::panic::catch_unwind(|| one.metrics().since(&other.metrics()));
    assert!(difference.is_err());
}

#[test]
fn queued_tasks_are_reported() {
    let _watchdog = watchdog();
    let (pool, gate, started) = (pool(1), Gate::new(), Flag::new());
    pool.in_place_scope(|s| {
        s.spawn(|| {
            started.raise();
            gate.wait();
        });
        started.hold();
        (0..5).for_each(|_| drop(s.spawn(|| ())));
        let metrics = pool.metrics();
        assert_eq!((metrics.queues[1].class, metrics.queues[1].depth), ("normal", 5));
        assert_eq!(metrics.oldest_wait, None, "the wait was measured");
        gate.open();
    });
    let queued = pool.install(|| {
        filch::scope(|s| {
            (0..7).for_each(|_| drop(s.spawn(|| ())));
            filch::join(|| filch::metrics().workers[0].clone(), || ()).0
        })
    });
    assert_eq!((queued.tasks, queued.forks, queued.pinned), (7, 1, 0));
}

#[test]
fn the_times_of_all_tasks_are_measured() {
    let _watchdog = watchdog();
    if is_simulated_without(TIME) {
        return;
    }
    let pool = ThreadPoolBuilder::new().num_threads(1).task_times(1).build().unwrap();
    // The second task waits while the first one runs, and its handle is joined. The last task is
    // run by its joiner.
    let tasks = [pool.spawn(|| thread::sleep(LONG)), pool.spawn(|| thread::sleep(LONG))];
    eventually("a task is queued", || {
        let oldest = pool.metrics().oldest_wait;
        oldest.is_some_and(|wait| wait > LONG / 2)
    });
    tasks.into_iter().for_each(|task| task.join().unwrap());
    pool.install(|| filch::spawn(|| thread::sleep(LONG)).join().unwrap());
    eventually("all tasks have ended", || {
        let metrics = pool.metrics();
        metrics.run_times.is_some_and(|times| times.count() == 3)
    });
    let metrics = pool.metrics();
    let (waits, runs) = (metrics.queue_waits.unwrap(), metrics.run_times.unwrap());
    assert_eq!(waits.count(), 3);
    assert!(waits.quantile(1.0).unwrap() >= LONG && waits.quantile(0.3).unwrap() < LONG);
    assert!(runs.quantile(0.0).unwrap() >= LONG && runs.mean().unwrap() >= LONG);
    assert!(runs.sum() >= 3 * LONG && runs.sum() < 30 * LONG, "{runs:?}");
    assert_eq!(metrics.oldest_wait, None, "no task is queued");
}

#[test]
fn the_oldest_task_of_each_priority_is_known() {
    let _watchdog = watchdog();
    let pool = builder().num_threads(1).task_times(1).build().unwrap();
    let (started, gate) = (Flag::new(), Gate::new());
    let waiting = || {
        let queues = pool.metrics().queues;
        queues.iter().map(|it| it.oldest_wait.is_some()).collect::<Vec<_>>()
    };
    pool.in_place_scope(|s| {
        s.spawn(|| {
            // Of normal priority, unlike the task that spawns it.
            pool.task().priority(Priority::High).install(|| {
                drop(pool.task().priority(Priority::Normal).spawn(|| ()));
                assert_eq!(waiting(), [false, true, false]);
                // This task inherits the priority.
                drop(filch::spawn(|| ()));
                assert_eq!(waiting(), [true, true, false]);
            });
            started.raise();
            gate.wait();
        });
        started.hold();
        drop(pool.task().priority(Priority::Low).spawn(|| ()));
        assert_eq!(waiting(), [true, true, true]);
        gate.open();
    });
    eventually("no task is queued", || waiting() == [false; 3]);
}

#[test]
fn each_task_is_timed_once_however_it_ends() {
    let _watchdog = watchdog();
    for every in [1, 3] {
        let pool = builder().num_threads(2).task_times(every).build().unwrap();
        let spawned = pool.install(|| {
            let joined: Vec<_> = (0..30).map(|n| filch::spawn(move || n)).collect();
            (0..30).for_each(|_| drop(filch::spawn(|| ())));
            (0..30).for_each(|_| filch::spawn_fifo(|| ()));
            filch::scope(|s| (0..30).for_each(|_| drop(s.spawn(|| [0_u64; 40]))));
            assert_eq!(joined.into_iter().map(|task| task.join().unwrap()).sum::<u32>(), 435);
            drop(filch::spawn(|| boom(1)));
            121 / every + u32::from(121 % every > 0)
        });
        eventually("all tasks are counted", || {
            let metrics = pool.metrics();
            let counts = [metrics.queue_waits, metrics.run_times].map(|it| it.unwrap().count());
            assert!(counts.iter().all(|count| *count <= spawned.into()), "{counts:?}");
            counts == [spawned.into(); 2] && metrics.oldest_wait.is_none()
        });
    }
}

#[test]
fn a_task_whose_handle_is_dropped_while_it_is_taken_leaves_the_queue() {
    let _watchdog = watchdog();
    let pool = builder().num_threads(2).task_times(1).build().unwrap();
    pool.install(|| {
        // The other worker takes the task at about the time at which its handle is dropped.
        for n in 0..sized(200_000, 200) {
            let handle = filch::spawn(|| ());
            (0..n % 60).for_each(|_| std::hint::spin_loop());
            drop(handle);
        }
    });
    eventually("no task counts as queued", || pool.metrics().oldest_wait.is_none());
}

#[test]
fn a_task_that_is_cancelled_waits_no_longer() {
    let _watchdog = watchdog();
    let pool = builder().num_threads(1).task_times(1).build().unwrap();
    let (started, gate) = (Flag::new(), Gate::new());
    pool.in_place_scope(|s| {
        s.spawn(|| {
            started.raise();
            gate.wait();
        });
        started.hold();
        let task = pool.spawn(|| ());
        assert!(pool.metrics().oldest_wait.is_some());
        assert!(task.cancel());
        gate.open();
    });
    pool.spawn(|| ()).join().unwrap();
    eventually("the other tasks are counted", || {
        let metrics = pool.metrics();
        metrics.run_times.unwrap().count() == 2 && metrics.oldest_wait.is_none()
    });
}

#[cfg(feature = "hdrhistogram")]
#[test]
fn a_histogram_can_be_one_of_hdrhistogram() {
    let _watchdog = watchdog();
    let pool = builder().num_threads(2).task_times(1).build().unwrap();
    (0..50).for_each(|_| pool.spawn(|| ()).join().unwrap());
    let times = pool.metrics().queue_waits.unwrap();
    let hdr = times.to_hdr();
    assert_eq!(hdr.len(), times.count());
    let (ours, theirs) = (times.quantile(0.5).unwrap(), hdr.value_at_quantile(0.5));
    let apart = ours.abs_diff(Duration::from_nanos(theirs));
    assert!(apart <= ours / 50, "{ours:?}, {theirs} ns");
}

// ---- The text ----

/// Parses samples in Prometheus' text format, by name and labels, and checks the format.
fn parsed(text: &str) -> HashMap<String, f64> {
    let (mut samples, mut families, mut family) = (HashMap::new(), HashSet::new(), (None, None));
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, words) = help.split_once(' ').unwrap();
            assert!(families.insert(name.to_owned()), "{name} is there twice");
            assert!(words.ends_with('.') && words.len() > 5, "{line}");
            family = (Some(name), None);
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert_eq!(family, (Some(name), None), "{line}");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            family.1 = Some(kind);
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_once('{').unwrap();
            let (of, kind) = (family.0.unwrap(), family.1.unwrap());
            let parts = ["_bucket", "_sum", "_count"].map(|part| format!("{of}{part}"));
            let fits =
                if kind == "histogram" { parts.iter().any(|it| it == name) } else { name == of };
            assert!(fits && labels.ends_with('}'), "{line}");
            let value = value.parse().unwrap_or_else(|_| panic!("{line}"));
            assert!(samples.insert(series.to_owned(), value).is_none(), "{line} is there twice");
        }
    }
    samples
}

#[test]
fn the_text_can_be_parsed_and_has_all_numbers() {
    let _watchdog = watchdog();
    let name = "a \"pool\" \\ of\nmine";
    let builder = builder().num_threads(2).task_times(1).thread_name(move |_| name.to_owned());
    let pool = builder.build().unwrap();
    (0..9).for_each(|_| pool.spawn(|| ()).join().unwrap());
    let metrics = pool.metrics();
    let samples = parsed(&metrics.to_prometheus());
    let labels = format!("pool=\"{}\",name=\"a \\\"pool\\\" \\\\ of\\nmine\"", metrics.pool);
    let sample = |name: &str, more: &str| {
        let series = format!("filch_{name}{{{labels}{more}}}");
        *samples.get(&series).unwrap_or_else(|| panic!("no {series} in {samples:#?}"))
    };
    let run = (0..2).map(|index| sample("tasks_run_total", &format!(",worker=\"{index}\"")));
    assert_eq!(run.sum::<f64>(), metrics.total().counters.tasks_run as f64);
    let parked = sample("worker_seconds_total", ",worker=\"1\",activity=\"parked\"");
    assert_eq!(parked, metrics.workers[1].parked.as_secs_f64());
    assert_eq!(sample("worker_queued", ",worker=\"0\",kind=\"tasks\""), 0.0);
    assert_eq!(sample("queue_depth", ",class=\"normal\""), metrics.queues[1].depth as f64);
    assert_eq!(sample("spare_threads", ""), 0.0);
    let times = metrics.run_times.unwrap();
    assert_eq!(sample("task_run_seconds_count", ""), times.count() as f64);
    assert_eq!(sample("task_run_seconds_sum", ""), times.sum().as_secs_f64());
    assert_eq!(sample("task_run_seconds_bucket", ",le=\"+Inf\""), times.count() as f64);
    // Buckets are cumulative, and end at powers of two.
    let bounds = (8..=36).step_by(2).map(|power| (1_u64 << power) as f64 / 1e9);
    let counts = bounds.map(|bound| {
        let below = times.buckets().filter(|(most, _)| most.as_secs_f64() < bound);
        let count = sample("task_run_seconds_bucket", &format!(",le=\"{bound}\""));
        assert_eq!(count, below.map(|(_, count)| count).sum::<u64>() as f64, "{bound}");
        count
    });
    assert!(counts.is_sorted());
}

// ---- FILCH_METRICS ----

/// Runs `body`, with the name of the file, in a separate process with `FILCH_METRICS`. In the
/// parent, returns what is in the file when the process has ended.
fn file_of(name: &str, body: impl FnOnce(&Path)) -> Option<HashMap<String, f64>> {
    let file = |id: &str| std::env::temp_dir().join(format!("filch-metrics-{name}-{id}"));
    let mut found = None;
    common::own_process(
        name,
        |command| _ = command.env("FILCH_METRICS", file("%p")),
        || {
            let own = file(&std::process::id().to_string());
            println!("\n{}", own.display());
            body(&own);
        },
        |output| {
            common::assert_success(&output);
            let out = String::from_utf8_lossy(&output.stdout).into_owned();
            let own = out.lines().find(|line| line.contains("filch-metrics-")).expect("its name");
            found = Some(parsed(&std::fs::read_to_string(own).unwrap()));
            std::fs::remove_file(own).unwrap();
        },
    );
    found
}

/// The sum of all samples with one name.
fn sum_of(samples: &HashMap<String, f64>, name: &str) -> f64 {
    let of = samples.iter().filter(|(series, _)| series.starts_with(&format!("filch_{name}{{")));
    of.map(|(_, value)| value).sum()
}

#[cfg(unix)]
#[test]
fn the_metrics_of_the_global_pool_are_in_the_file_after_the_process() {
    let _watchdog = watchdog();
    if is_simulated_without(TIME) {
        return;
    }
    let name = "the_metrics_of_the_global_pool_are_in_the_file_after_the_process";
    let samples = file_of(name, |_| (0..100).for_each(|_| filch::spawn(|| ()).join().unwrap()));
    let Some(samples) = samples else { return };
    assert_eq!(sum_of(&samples, "tasks_run_total"), 100.0);
    // Times are measured as well.
    assert!(sum_of(&samples, "task_run_seconds_count") >= 1.0);
}

#[test]
fn the_file_is_written_while_the_process_runs_and_when_a_pool_is_dropped() {
    let _watchdog = watchdog();
    if is_simulated_without(TIME) {
        return;
    }
    let name = "the_file_is_written_while_the_process_runs_and_when_a_pool_is_dropped";
    let samples = file_of(name, |file| {
        let build = || ThreadPoolBuilder::new().num_threads(2).with_env().unwrap().build().unwrap();
        let read = || sum_of(&parsed(&std::fs::read_to_string(file).unwrap()), "tasks_run_total");
        let pool = build();
        (0..10).for_each(|_| pool.spawn(|| ()).join().unwrap());
        eventually("the file is written", || read() == 10.0);
        (0..10).for_each(|_| pool.spawn(|| ()).join().unwrap());
        drop(pool);
        assert_eq!(read(), 20.0);
        // Without a pool, the file stays as it is.
        thread::sleep(Duration::from_millis(1500));
        assert_eq!(read(), 20.0);
    });
    assert!(samples.is_none_or(|samples| sum_of(&samples, "tasks_run_total") == 20.0));
}
