//! The environment variables of the drop-in, for settings that rayon's interface lacks. rayon-core
//! itself has no such variables.

use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rayon::prelude::*;
use rayon_core::ThreadPoolBuilder;

/// Set in the child process that [`alone`] starts.
const CHILD: &str = "COMPAT_TEST_CHILD";

/// Starts a child process with this environment that runs only the calling test, `name`. In the
/// child, calls `body` and exits. Returns the child's output.
fn alone(name: &str, environment: &[(&str, &str)], body: impl FnOnce()) -> Output {
    if std::env::var_os(CHILD).is_some() {
        body();
        println!("{CHILD} has run");
        std::process::exit(0);
    }
    let mut process = Command::new(std::env::current_exe().unwrap());
    process.args(["--exact", "--nocapture", name]).env(CHILD, "1");
    for variable in ["RAYON_NUM_THREADS", "FILCH_WAIT", "FILCH_LEND", "FILCH_SEED"] {
        process.env_remove(variable);
    }
    process.envs(environment.iter().copied()).output().unwrap()
}

#[track_caller]
fn succeeds(output: Output) -> String {
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    // A child that finds no test of this name succeeds as well.
    assert!(text.contains(&format!("{CHILD} has run")), "{text}");
    text
}

// ---- FILCH_WAIT ----

/// Whether a thread of a pool of two runs a spawned task while it waits for the stolen closure of a
/// `join`. The other thread is held in that closure meanwhile.
fn runs_tasks_in_waits() -> bool {
    let pool = ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    let (taken, is_taken) = mpsc::channel();
    let (over, is_over) = mpsc::channel();
    let (ran, has_run) = mpsc::channel();
    thread::scope(|scope| {
        let pool = &pool;
        scope.spawn(move || {
            let is_stolen = &AtomicBool::new(false);
            let wait = || {
                while !is_stolen.load(Ordering::Relaxed) {
                    thread::yield_now();
                }
            };
            let other = move || {
                is_stolen.store(true, Ordering::Relaxed);
                taken.send(()).unwrap();
                is_over.recv().unwrap();
            };
            pool.join(wait, other);
        });
        is_taken.recv().unwrap();
        pool.spawn(move || ran.send(Instant::now()).unwrap());
        let in_time = has_run.recv_timeout(Duration::from_millis(300)).is_ok();
        over.send(()).unwrap();
        in_time
    })
}

#[test]
fn waiting_threads_run_any_work() {
    succeeds(alone("waiting_threads_run_any_work", &[], || assert!(runs_tasks_in_waits())));
}

#[test]
fn with_wait_own_waiting_threads_run_only_what_they_wait_for() {
    let own = [("FILCH_WAIT", "own")];
    let name = "with_wait_own_waiting_threads_run_only_what_they_wait_for";
    succeeds(alone(name, &own, || assert!(!runs_tasks_in_waits())));
}

// ---- FILCH_LEND ----

/// Whether the calling thread, which is in no pool, runs a closure of one of its joins itself.
fn caller_works() -> bool {
    let me = thread::current().id();
    (0..10_000).any(|_| rayon_core::join(|| thread::current().id() == me, || ()).0)
}

#[test]
fn callers_run_no_closures_by_default() {
    let name = "callers_run_no_closures_by_default";
    for unset in [&[][..], &[("FILCH_LEND", "")]] {
        succeeds(alone(name, unset, || assert!(!caller_works())));
    }
}

#[test]
fn with_lend_1_callers_run_closures() {
    let set = [("FILCH_LEND", "1")];
    succeeds(alone("with_lend_1_callers_run_closures", &set, || assert!(caller_works())));
}

// ---- FILCH_SEED ----

/// Runs loops and tasks. Returns, in the order of execution, each item and the index of the thread
/// that ran it.
fn schedule() -> String {
    let order = Mutex::new(Vec::new());
    let note = |what: u32| order.lock().unwrap().push((what, rayon_core::current_thread_index()));
    (0..20_u32).into_par_iter().with_max_len(1).for_each(note);
    let pool = ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    pool.scope(|scope| (20..30).for_each(|what| scope.spawn(move |_| note(what))));
    drop(pool);
    rayon_core::join(|| note(30), || (31..40_u32).into_par_iter().for_each(note));
    format!("{order:?}")
}

#[test]
fn a_seed_decides_the_schedule() {
    let name = "a_seed_decides_the_schedule";
    let by = |seed: &str| {
        let environment = [("FILCH_SEED", seed), ("RAYON_NUM_THREADS", "3")];
        succeeds(alone(name, &environment, || println!("{}", schedule())))
    };
    let first = by("1");
    assert_eq!(first.matches("Some").count(), 40, "{first}");
    assert_eq!(first, by("1"));
    assert!(["2", "3", "4", "5"].iter().any(|seed| by(seed) != first));
}

#[test]
fn with_a_seed_only_one_thread_may_use_the_global_pool() {
    let name = "with_a_seed_only_one_thread_may_use_the_global_pool";
    succeeds(alone(name, &[("FILCH_SEED", "1")], || {
        assert_eq!(rayon_core::join(|| 1, || 2), (1, 2));
        let other = thread::spawn(|| rayon_core::join(|| 1, || 2)).join().unwrap_err();
        let message = other.downcast_ref::<&str>().copied().expect("the panic has a message");
        assert!(message.contains("FILCH_SEED"), "{message}");
        // Another thread may still build its own pool.
        let sum = || {
            let pool = ThreadPoolBuilder::new().num_threads(2).build().unwrap();
            pool.install(|| (0..100_u32).into_par_iter().sum::<u32>())
        };
        assert_eq!(thread::spawn(sum).join().unwrap(), 4950);
    }));
}

// ---- Wrong values ----

/// Checks that `build` fails, and that using the global pool panics. Both messages must name the
/// variable, its value, and the accepted values.
#[track_caller]
fn refuses(name: &str, variable: &str, value: &str, accepted: &str) {
    let output = alone(name, &[(variable, value)], || {
        let error = ThreadPoolBuilder::new().num_threads(2).build().unwrap_err().to_string();
        assert!([variable, value, accepted].iter().all(|part| error.contains(part)), "{error}");
        rayon_core::join(|| (), || ());
    });
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert!(stderr.contains("the global thread pool cannot be built"), "{stderr}");
    assert!([variable, value, accepted].iter().all(|part| stderr.contains(part)), "{stderr}");
}

#[test]
fn an_unknown_wait_policy_is_refused() {
    refuses("an_unknown_wait_policy_is_refused", "FILCH_WAIT", "mine", "`own`");
}

#[test]
fn a_switch_that_is_neither_0_nor_1_is_refused() {
    refuses("a_switch_that_is_neither_0_nor_1_is_refused", "FILCH_LEND", "yes", "`1`");
}

#[test]
fn a_seed_that_is_not_a_number_is_refused() {
    let name = "a_seed_that_is_not_a_number_is_refused";
    refuses(name, "FILCH_SEED", "x", "0 to 18446744073709551615");
}

#[test]
fn a_seed_with_a_spawn_handler_is_refused() {
    let name = "a_seed_with_a_spawn_handler_is_refused";
    succeeds(alone(name, &[("FILCH_SEED", "1")], || {
        let builder = ThreadPoolBuilder::new().spawn_handler(|_| Ok(()));
        let error = builder.build().unwrap_err().to_string();
        assert!(error.contains("FILCH_SEED") && error.contains("spawn_handler"), "{error}");
    }));
}
