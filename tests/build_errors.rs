//! A pool that cannot be built reports why, and leaves nothing behind.

mod common;

use std::error::Error;
use std::ffi::OsStr;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use common::{
    alone, assert_success, boom, caught, eventually, own_process, thread_count, watchdog,
};
use filch::{BuildErrorKind, ThreadBuilder, ThreadPoolBuildError, ThreadPoolBuilder};

/// Asserts that the error names each of `words`.
#[track_caller]
fn assert_says(error: &ThreadPoolBuildError, words: &[&str]) {
    let message = error.to_string();
    for word in words {
        assert!(message.contains(word), "no {word:?} in {message:?}");
    }
}

// ---- Wrong settings ----

#[test]
fn too_many_threads_are_refused() {
    let _watchdog = watchdog();
    let limit = filch::max_num_threads();
    for asked in [limit + 1, limit * 2, usize::MAX] {
        let error = ThreadPoolBuilder::new().num_threads(asked).build().unwrap_err();
        let BuildErrorKind::TooManyThreads { asked: told, max, .. } = *error.kind() else {
            panic!("{error:?}");
        };
        assert_eq!((told, max), (asked, limit));
        assert_says(&error, &["threads", &asked.to_string(), &limit.to_string()]);
    }
}

#[test]
fn a_watchdog_that_never_rests_is_refused() {
    let _watchdog = watchdog();
    let builder = ThreadPoolBuilder::new().num_threads(1).watchdog(std::time::Duration::ZERO);
    let error = builder.build().unwrap_err();
    assert!(matches!(error.kind(), BuildErrorKind::InvalidWatchdogPeriod), "{error:?}");
    assert_says(&error, &["watchdog", "accepted"]);
}

#[test]
fn a_name_with_a_nul_is_refused() {
    let _watchdog = watchdog();
    let started = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&started);
    let error = ThreadPoolBuilder::new()
        .num_threads(3)
        .thread_name(|index| if index == 2 { "a\0b".into() } else { "fine".into() })
        .start_handler(move |_| {
            count.fetch_add(1, Ordering::SeqCst);
        })
        .build()
        .unwrap_err();
    let BuildErrorKind::InvalidThreadName { index, name, .. } = error.kind() else {
        panic!("{error:?}");
    };
    assert_eq!((*index, name.as_str()), (2, "a\0b"));
    assert_says(&error, &["name", "2", r"a\0b", "NUL"]);
}

#[test]
fn an_impossible_stack_is_refused() {
    let _watchdog = watchdog();
    alone("an_impossible_stack_is_refused", || {
        let base = thread_count();
        for size in [usize::MAX / 4, usize::MAX / 2, usize::MAX - 1, usize::MAX] {
            let builder = ThreadPoolBuilder::new().num_threads(2);
            let error = builder.stack_size(size).build().unwrap_err();
            assert_says(&error, &["stack_size", &size.to_string()]);
            common::threads_return_to(base);
        }
    });
}

#[test]
fn an_injector_interval_of_zero_is_refused() {
    let _watchdog = watchdog();
    let builder = ThreadPoolBuilder::new().num_threads(2).injector_interval(0);
    let error = builder.build().unwrap_err();
    let kind = error.kind();
    assert!(matches!(kind, BuildErrorKind::InvalidInjectorInterval), "{kind:?}");
    assert_says(&error, &["injector_interval", "0", "1"]);
}

#[test]
fn a_bound_of_zero_on_queued_tasks_is_refused() {
    let _watchdog = watchdog();
    let error = ThreadPoolBuilder::new().num_threads(2).max_queued(0).build().unwrap_err();
    let kind = error.kind();
    assert!(matches!(kind, BuildErrorKind::InvalidMaxQueued), "{kind:?}");
    assert_says(&error, &["max_queued", "0", "accepted: 1 to", "unset"]);
}

#[test]
fn errors_are_errors() {
    fn is_error<E: Error + Send + Sync + 'static>(error: E) -> Box<dyn Error + Send + Sync> {
        error.into()
    }

    let _watchdog = watchdog();
    let builder = ThreadPoolBuilder::new().num_threads(usize::MAX);
    let error = is_error(builder.build().unwrap_err());
    assert!(error.source().is_none());
    assert!(error.downcast_ref::<ThreadPoolBuildError>().is_some());
}

// ---- The environment ----

fn set_env(command: &mut Command, value: impl AsRef<OsStr>) {
    command.env("FILCH_NUM_THREADS", value);
}

/// Builds the global pool while `FILCH_NUM_THREADS` is `value`, and checks the error.
fn refuses_env(name: &str, value: &str) {
    let build = || {
        let base = thread_count();
        let error = ThreadPoolBuilder::new().build_global().unwrap_err();
        let accepted = filch::max_num_threads().to_string();
        assert_says(&error, &["FILCH_NUM_THREADS", value, &accepted]);
        let kind = error.kind();
        let BuildErrorKind::InvalidEnv { variable, value: told, .. } = kind else {
            panic!("{kind:?}");
        };
        assert_eq!((*variable, told.as_str()), ("FILCH_NUM_THREADS", value));
        common::threads_return_to(base);
    };
    own_process(name, |command| set_env(command, value), build, |output| assert_success(&output));
}

/// One test for each wrong value, because each needs a separate process.
macro_rules! refused_values {
    ($($name:ident: $value:expr;)*) => {$(
        #[test]
        fn $name() {
            let _watchdog = watchdog();
            refuses_env(stringify!($name), $value);
        }
    )*};
}

refused_values! {
    a_word_in_the_environment_is_refused: "many";
    a_negative_number_in_the_environment_is_refused: "-1";
    a_fraction_in_the_environment_is_refused: "1.5";
    a_number_with_a_unit_in_the_environment_is_refused: "4 threads";
    a_number_beyond_the_limit_in_the_environment_is_refused: "1000000";
    a_number_beyond_all_limits_in_the_environment_is_refused: "99999999999999999999999999";
}

/// Builds the global pool while `variable` is `value`, and checks the error.
fn refuses_variable(name: &str, variable: &'static str, value: &str, accepted: &str) {
    let build = || {
        let base = thread_count();
        for error in [
            ThreadPoolBuilder::new().build_global().unwrap_err(),
            ThreadPoolBuilder::new().with_env().unwrap_err(),
        ] {
            assert_says(&error, &[variable, value, accepted]);
            let kind = error.kind();
            assert!(
                matches!(
                    kind,
                    BuildErrorKind::InvalidEnv { variable: told, .. } if *told == variable
                ),
                "{kind:?}"
            );
        }
        common::threads_return_to(base);
    };
    own_process(
        name,
        |command| {
            command.env(variable, value);
        },
        build,
        |output| assert_success(&output),
    );
}

#[test]
fn an_unknown_wait_policy_in_the_environment_is_refused() {
    let _watchdog = watchdog();
    let name = "an_unknown_wait_policy_in_the_environment_is_refused";
    refuses_variable(name, "FILCH_WAIT", "mine", "`own`");
}

#[test]
fn the_setting_to_lend_cores_is_one_or_zero_in_the_environment() {
    let _watchdog = watchdog();
    let name = "the_setting_to_lend_cores_is_one_or_zero_in_the_environment";
    refuses_variable(name, "FILCH_LEND", "perhaps", "`1`");
}

#[test]
fn a_watchdog_in_the_environment_has_a_number_of_seconds() {
    let _watchdog = watchdog();
    let name = "a_watchdog_in_the_environment_has_a_number_of_seconds";
    refuses_variable(name, "FILCH_WATCHDOG", "0", "seconds, from 1");
}

#[test]
fn a_file_for_metrics_that_cannot_be_written_is_refused() {
    let _watchdog = watchdog();
    let name = "a_file_for_metrics_that_cannot_be_written_is_refused";
    refuses_variable(name, "FILCH_METRICS", "/dev/null/metrics", "a file that can be written");
}

#[cfg(feature = "deterministic")]
#[test]
fn a_seed_in_the_environment_that_is_no_number_is_refused() {
    let _watchdog = watchdog();
    let name = "a_seed_in_the_environment_that_is_no_number_is_refused";
    refuses_variable(name, "FILCH_SEED", "-1", "0 to 18446744073709551615");
}

#[cfg(not(feature = "deterministic"))]
#[test]
fn a_seed_in_the_environment_is_refused_without_the_feature() {
    let _watchdog = watchdog();
    let name = "a_seed_in_the_environment_is_refused_without_the_feature";
    refuses_variable(name, "FILCH_SEED", "7", "feature `deterministic`");
}

#[cfg(unix)]
#[test]
fn an_environment_variable_that_is_no_text_is_refused() {
    use std::os::unix::ffi::OsStrExt;

    let _watchdog = watchdog();
    own_process(
        "an_environment_variable_that_is_no_text_is_refused",
        |command| set_env(command, OsStr::from_bytes(b"2\xff")),
        || {
            let error = ThreadPoolBuilder::new().build_global().unwrap_err();
            let kind = error.kind();
            assert!(matches!(kind, BuildErrorKind::InvalidEnv { .. }), "{kind:?}");
            assert_says(&error, &["FILCH_NUM_THREADS"]);
        },
        |output| assert_success(&output),
    );
}

#[test]
fn a_wrong_environment_does_not_affect_other_pools() {
    let _watchdog = watchdog();
    own_process(
        "a_wrong_environment_does_not_affect_other_pools",
        |command| set_env(command, "many"),
        || {
            assert_eq!(common::pool(3).current_num_threads(), 3);
            assert!(common::pool(0).current_num_threads() >= 1);
        },
        |output| assert_success(&output),
    );
}

#[test]
fn a_wrong_environment_is_reported_at_the_first_use_of_the_global_pool() {
    let _watchdog = watchdog();
    own_process(
        "a_wrong_environment_is_reported_at_the_first_use_of_the_global_pool",
        |command| set_env(command, "many"),
        || assert_eq!(filch::join(|| 1, || 2), (1, 2)),
        |output: Output| {
            let message = common::stderr(&output);
            let told = ["FILCH_NUM_THREADS", "many"].map(|word| message.contains(word));
            assert_eq!(told, [true, true], "{message}");
        },
    );
}

// ---- The global pool twice ----

#[test]
fn a_second_global_pool_is_refused() {
    let _watchdog = watchdog();
    alone("a_second_global_pool_is_refused", || {
        ThreadPoolBuilder::new().num_threads(2).build_global().unwrap();
        let base = thread_count();
        assert_already_initialized(ThreadPoolBuilder::new().num_threads(3));
        assert_eq!(filch::current_num_threads(), 2);
        common::threads_return_to(base);
    });
}

#[test]
fn a_global_pool_is_refused_after_the_first_use() {
    let _watchdog = watchdog();
    alone("a_global_pool_is_refused_after_the_first_use", || {
        filch::join(|| (), || ());
        assert_already_initialized(ThreadPoolBuilder::new());
    });
}

#[track_caller]
fn assert_already_initialized(builder: ThreadPoolBuilder) {
    let error = builder.build_global().unwrap_err();
    let kind = error.kind();
    let expected = matches!(kind, BuildErrorKind::GlobalPoolAlreadyInitialized);
    assert!(expected, "{kind:?}");
    assert_says(&error, &["global", "already"]);
}

#[test]
fn of_many_threads_that_build_the_global_pool_one_succeeds() {
    let _watchdog = watchdog();
    alone("of_many_threads_that_build_the_global_pool_one_succeeds", || {
        let build = || ThreadPoolBuilder::new().num_threads(2).build_global().is_ok();
        let built = thread::scope(|plain| {
            let builders: Vec<_> = (0..16).map(|_| plain.spawn(build)).collect();
            builders.into_iter().filter_map(|b| b.join().unwrap().then_some(())).count()
        });
        assert_eq!(built, 1);
        assert_eq!(filch::join(|| 1, || 2), (1, 2));
    });
}

#[test]
fn a_global_pool_that_failed_can_be_built_again() {
    let _watchdog = watchdog();
    alone("a_global_pool_that_failed_can_be_built_again", || {
        let wrong = ThreadPoolBuilder::new().num_threads(usize::MAX);
        assert!(wrong.build_global().is_err());
        ThreadPoolBuilder::new().num_threads(2).build_global().unwrap();
        assert_eq!(filch::current_num_threads(), 2);
    });
}

// ---- The system refuses a thread ----

/// The threads that a spawn handler has started.
#[derive(Clone, Default)]
struct Started(Arc<Mutex<Vec<JoinHandle<()>>>>);

impl Started {
    fn start(&self, thread: ThreadBuilder) -> io::Result<()> {
        let handle = thread::Builder::new().spawn(|| thread.run())?;
        self.0.lock().unwrap().push(handle);
        Ok(())
    }

    /// Waits until all of them have ended, and returns how many there were.
    fn join_all(&self) -> usize {
        let started = std::mem::take(&mut *self.0.lock().unwrap());
        started.into_iter().map(|thread| thread.join().unwrap()).count()
    }
}

#[test]
fn a_spawn_handler_that_fails_at_any_thread_leaves_none_behind() {
    let _watchdog = watchdog();
    for failing in 0..5 {
        let started = Started::default();
        let starter = started.clone();
        let error = ThreadPoolBuilder::new()
            .num_threads(5)
            .spawn_handler(move |thread| {
                if thread.index() == failing {
                    return Err(io::Error::new(io::ErrorKind::OutOfMemory, "no thread today"));
                }
                starter.start(thread)
            })
            .build()
            .unwrap_err();
        assert_refused(&error, failing);
        assert_eq!(started.join_all(), failing, "a thread was tried after the failure");
    }
}

#[track_caller]
fn assert_refused(error: &ThreadPoolBuildError, failing: usize) {
    let BuildErrorKind::Spawn { index, error: cause, .. } = error.kind() else {
        panic!("{error:?}");
    };
    assert_eq!((*index, cause.kind()), (failing, io::ErrorKind::OutOfMemory));
    let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    assert_eq!(source.map(io::Error::kind), Some(io::ErrorKind::OutOfMemory));
    assert_says(error, &["thread", &failing.to_string(), "no thread today"]);
}

#[test]
fn each_thread_that_a_failed_build_has_started_starts_and_exits() {
    let _watchdog = watchdog();
    for _ in 0..20 {
        let (starts, exits) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let count = |calls: &Arc<AtomicUsize>| {
            let calls = Arc::clone(calls);
            move |_| _ = calls.fetch_add(1, Ordering::SeqCst)
        };
        let builder = ThreadPoolBuilder::new()
            .num_threads(8)
            .start_handler(count(&starts))
            .exit_handler(count(&exits))
            .thread_name(|index| if index < 5 { format!("named-{index}") } else { boom(1) });
        assert_eq!(caught(|| builder.build()), 1);
        assert_eq!([starts, exits].map(|calls| calls.load(Ordering::SeqCst)), [5, 5]);
    }
}

#[test]
fn the_error_of_a_spawn_handler_can_be_recovered() {
    let refuses = |_| Err(io::Error::other(Refusal(7)));
    let failed = ThreadPoolBuilder::new().num_threads(2).build_with(refuses).unwrap_err();
    let BuildErrorKind::Spawn { index: 0, error, .. } = failed.into_kind() else {
        panic!("another error than that of the spawn handler");
    };
    assert_eq!(error.downcast::<Refusal>().unwrap().0, 7);
}

/// An error of a spawn handler.
#[derive(Debug)]
struct Refusal(u32);

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "refused: {}", self.0)
    }
}

impl Error for Refusal {}

#[test]
fn a_failed_build_has_called_exit_for_every_start() {
    let _watchdog = watchdog();
    let (starts, exits) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let count = |calls: &Arc<AtomicUsize>| {
        let calls = Arc::clone(calls);
        move |_| {
            calls.fetch_add(1, Ordering::SeqCst);
        }
    };
    let started = Started::default();
    let (starter, come) = (started.clone(), starts.clone());
    let refused = ThreadPoolBuilder::new()
        .num_threads(4)
        .start_handler(count(&starts))
        .exit_handler(count(&exits))
        .spawn_handler(move |thread| match thread.index() {
            3 => {
                // Threads that have not started by then need not start any more.
                eventually("three threads start", || come.load(Ordering::SeqCst) == 3);
                Err(io::Error::other("no"))
            }
            _ => starter.start(thread),
        })
        .build();
    assert!(refused.is_err());
    let counts = [&starts, &exits].map(|calls| calls.load(Ordering::SeqCst));
    assert_eq!(counts, [3, 3]);
    started.join_all();
}

#[test]
fn a_spawn_handler_that_drops_its_thread_is_an_error() {
    let _watchdog = watchdog();
    let started = Started::default();
    let starter = started.clone();
    let error = ThreadPoolBuilder::new()
        .num_threads(3)
        .spawn_handler(move |thread| {
            if thread.index() == 2 {
                return Ok(());
            }
            starter.start(thread)
        })
        .build()
        .unwrap_err();
    let kind = error.kind();
    assert!(matches!(kind, BuildErrorKind::Spawn { index: 2, .. }), "{kind:?}");
    assert_eq!(started.join_all(), 2);
}

#[test]
fn a_spawn_handler_that_panics_leaves_no_thread_behind() {
    let _watchdog = watchdog();
    for failing in 0..4 {
        let started = Started::default();
        let starter = started.clone();
        let build = AssertUnwindSafe(|| {
            let builder = ThreadPoolBuilder::new().num_threads(4);
            let builder = builder.spawn_handler(move |thread| {
                if thread.index() == failing {
                    boom(1);
                }
                starter.start(thread)
            });
            builder.build().is_err()
        });
        if let Ok(built_with_error) = catch_unwind(build) {
            assert!(built_with_error);
        }
        assert_eq!(started.join_all(), failing);
    }
}

#[test]
fn a_thread_name_that_panics_leaves_no_thread_behind() {
    let _watchdog = watchdog();
    alone("a_thread_name_that_panics_leaves_no_thread_behind", || {
        let base = thread_count();
        let build = || {
            let builder = ThreadPoolBuilder::new().num_threads(4);
            let name = |index| if index == 3 { boom(1) } else { String::from("fine") };
            builder.thread_name(name).build().is_err()
        };
        if let Ok(built_with_error) = catch_unwind(build) {
            assert!(built_with_error);
        }
        common::threads_return_to(base);
    });
}

#[cfg(target_os = "linux")]
mod limited_process {
    use super::*;

    /// A user that owns nothing else: the limit counts all threads of a user.
    const NOBODY: u32 = 64_321;

    /// Lets this process start only `more` threads. The superuser has no limit, so the process
    /// becomes another user first.
    fn allow_threads(more: usize) -> io::Result<()> {
        // SAFETY: these calls change only this process, which the test owns.
        let changed = unsafe {
            if libc::geteuid() == 0 && libc::setresuid(NOBODY, NOBODY, NOBODY) != 0 {
                return Err(io::Error::last_os_error());
            }
            let most = (thread_count().unwrap() + more) as libc::rlim_t;
            let limit = libc::rlimit { rlim_cur: most, rlim_max: most };
            libc::setrlimit(libc::RLIMIT_NPROC, &limit)
        };
        if changed == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Fails to build a pool of eight threads while only `more` threads may start.
    fn fails_after(more: usize) {
        let base = thread_count();
        if let Err(error) = allow_threads(more) {
            return common::say(&format!("SKIPPED: this process cannot be limited: {error}"));
        }
        let error = ThreadPoolBuilder::new().num_threads(8).build().unwrap_err();
        let BuildErrorKind::Spawn { index, error: cause, .. } = error.kind() else {
            panic!("{error:?}");
        };
        // If the user runs something else, fewer threads may start.
        assert!(*index <= more, "thread {index} started, of {more}");
        assert_eq!(cause.kind(), io::ErrorKind::WouldBlock, "{error}");
        assert!(error.source().is_some());
        common::threads_return_to(base);
        // A thread that has ended may count for a moment longer.
        let within = || ThreadPoolBuilder::new().num_threads((*index).max(1)).build();
        common::eventually("a pool within the limit is built", || *index == 0 || within().is_ok());
        common::threads_return_to(base);
    }

    #[test]
    fn a_process_that_may_start_no_thread_gets_an_error() {
        let _watchdog = watchdog();
        let name = "limited_process::a_process_that_may_start_no_thread_gets_an_error";
        alone(name, || fails_after(0));
    }

    #[test]
    fn a_process_that_may_start_few_threads_gets_an_error_and_keeps_none() {
        let _watchdog = watchdog();
        let name =
            "limited_process::a_process_that_may_start_few_threads_gets_an_error_and_keeps_none";
        alone(name, || fails_after(3));
    }

    #[test]
    fn a_lack_of_threads_for_the_global_pool_is_reported() {
        let _watchdog = watchdog();
        let name = "limited_process::a_lack_of_threads_for_the_global_pool_is_reported";
        let build = || match allow_threads(0) {
            Err(error) => common::say(&format!("SKIPPED: no limit: {error}")),
            Ok(()) => {
                let error = ThreadPoolBuilder::new().num_threads(2).build_global();
                let error = error.unwrap_err();
                let kind = error.kind();
                assert!(matches!(kind, BuildErrorKind::Spawn { index: 0, .. }), "{kind:?}");
            }
        };
        alone(name, build);
    }
}
