//! What users of the drop-in set by the environment, since they cannot in code. (rayon-core itself
//! has no such variables.)

use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rayon::prelude::*;
use rayon_core::ThreadPoolBuilder;

/// Set in a process that [`alone`] started.
const CHILD: &str = "COMPAT_TEST_CHILD";

/// Runs the calling test, `name`, in a process with this environment, where `body` is called.
fn alone(name: &str, environment: &[(&str, &str)], body: impl FnOnce()) -> Output {
    if std::env::var_os(CHILD).is_some() {
        body();
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
    String::from_utf8(output.stdout).unwrap()
}

// ---- FILCH_WAIT ----

/// Whether a thread of a pool of two runs a task while it waits for the other part of a `join`.
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
fn waits_run_any_work() {
    succeeds(alone("waits_run_any_work", &[], || assert!(runs_tasks_in_waits())));
}

#[test]
fn waits_run_their_own_work_if_that_is_set() {
    let own = [("FILCH_WAIT", "own")];
    let name = "waits_run_their_own_work_if_that_is_set";
    succeeds(alone(name, &own, || assert!(!runs_tasks_in_waits())));
}

// ---- FILCH_LEND ----

/// Whether the calling thread ever works itself.
fn caller_works() -> bool {
    let me = thread::current().id();
    (0..10_000).any(|_| rayon_core::join(|| thread::current().id() == me, || ()).0)
}

#[test]
fn callers_sleep() {
    for unset in [&[][..], &[("FILCH_LEND", "")]] {
        succeeds(alone("callers_sleep", unset, || assert!(!caller_works())));
    }
}

#[test]
fn callers_work_if_that_is_set() {
    let set = [("FILCH_LEND", "1")];
    succeeds(alone("callers_work_if_that_is_set", &set, || assert!(caller_works())));
}

// ---- FILCH_SEED ----

/// Which thread did what, in order.
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
fn with_a_seed_the_global_pool_is_for_one_thread() {
    let name = "with_a_seed_the_global_pool_is_for_one_thread";
    succeeds(alone(name, &[("FILCH_SEED", "1")], || {
        assert_eq!(rayon_core::join(|| 1, || 2), (1, 2));
        let other = thread::spawn(|| rayon_core::join(|| 1, || 2)).join().unwrap_err();
        let told = other.downcast_ref::<&str>().copied().expect("a message");
        assert!(told.contains("FILCH_SEED"), "{told}");
        // Pools of its own it may have.
        let sum = || {
            let pool = ThreadPoolBuilder::new().num_threads(2).build().unwrap();
            pool.install(|| (0..100_u32).into_par_iter().sum::<u32>())
        };
        assert_eq!(thread::spawn(sum).join().unwrap(), 4950);
    }));
}

// ---- Wrong values ----

/// Checks what is said of `value`.
#[track_caller]
fn refuses(name: &str, variable: &str, value: &str, accepted: &str) {
    let output = alone(name, &[(variable, value)], || {
        let error = ThreadPoolBuilder::new().num_threads(2).build().unwrap_err().to_string();
        assert!([variable, value, accepted].iter().all(|part| error.contains(part)), "{error}");
        rayon_core::join(|| (), || ());
    });
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert!(told.contains("the global thread pool cannot be built"), "{told}");
    assert!([variable, value, accepted].iter().all(|part| told.contains(part)), "{told}");
}

#[test]
fn an_unknown_wait_policy_is_refused() {
    refuses("an_unknown_wait_policy_is_refused", "FILCH_WAIT", "mine", "`own`");
}

#[test]
fn an_answer_that_is_neither_yes_nor_no_is_refused() {
    refuses("an_answer_that_is_neither_yes_nor_no_is_refused", "FILCH_LEND", "yes", "`1`");
}

#[test]
fn a_seed_that_is_no_number_is_refused() {
    refuses("a_seed_that_is_no_number_is_refused", "FILCH_SEED", "x", "0 to 18446744073709551615");
}

#[test]
fn a_seed_does_not_go_with_a_spawn_handler() {
    let name = "a_seed_does_not_go_with_a_spawn_handler";
    succeeds(alone(name, &[("FILCH_SEED", "1")], || {
        let builder = ThreadPoolBuilder::new().spawn_handler(|_| Ok(()));
        let error = builder.build().unwrap_err().to_string();
        assert!(error.contains("FILCH_SEED") && error.contains("spawn_handler"), "{error}");
    }));
}
