//! Tests that need a process each: environment variables, and panics that abort.

use std::process::{Command, Output};
use std::sync::mpsc;
use std::thread;

use rayon_core::ThreadPoolBuilder;

/// Set in the child process that [`alone`] starts.
const CHILD: &str = "COMPAT_TEST_CHILD";

/// Starts a child process with this environment that runs only the calling test, `name`. Returns
/// the child's output. In the child, calls `body` and returns `None`.
fn alone(name: &str, environment: &[(&str, &str)], body: impl FnOnce()) -> Option<Output> {
    if std::env::var_os(CHILD).is_some() {
        body();
        return None;
    }
    let mut process = Command::new(std::env::current_exe().unwrap());
    process.args(["--exact", "--nocapture", name]).env(CHILD, "1");
    for variable in ["RAYON_NUM_THREADS", "RAYON_RS_NUM_CPUS", "FILCH_NUM_THREADS"] {
        process.env_remove(variable);
    }
    let output = process.envs(environment.iter().copied()).output().unwrap();
    Some(output)
}

#[track_caller]
fn succeeds(output: Option<Output>) {
    if let Some(output) = output {
        assert!(output.status.success(), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "{output:?}");
    }
}

/// Declares tests of the number of threads that a pool has under an environment. `None` stands for
/// the number of processors.
macro_rules! environments {
    ($($name:ident: $environment:expr => $threads:expr;)*) => {$(
        #[test]
        fn $name() {
            succeeds(alone(stringify!($name), &$environment, || {
                let threads: Option<usize> = $threads;
                let default = || thread::available_parallelism().unwrap().get();
                let threads = threads.unwrap_or_else(default);
                assert_eq!(rayon_core::current_num_threads(), threads);
                let pool = ThreadPoolBuilder::new().build().unwrap();
                assert_eq!(pool.current_num_threads(), threads);
                let pool = ThreadPoolBuilder::new().num_threads(2).build().unwrap();
                assert_eq!(pool.current_num_threads(), 2);
            }));
        }
    )*};
}

environments! {
    by_default_each_processor_has_a_thread: [] => None;
    the_variable_sets_the_number: [("RAYON_NUM_THREADS", "7")] => Some(7);
    the_older_variable_sets_the_number: [("RAYON_RS_NUM_CPUS", "6")] => Some(6);
    the_newer_variable_wins: [("RAYON_NUM_THREADS", "5"), ("RAYON_RS_NUM_CPUS", "6")] => Some(5);
    the_older_variable_wins_if_the_newer_holds_no_number:
        [("RAYON_NUM_THREADS", "x"), ("RAYON_RS_NUM_CPUS", "6")] => Some(6);
    zero_means_the_default: [("RAYON_NUM_THREADS", "0"), ("RAYON_RS_NUM_CPUS", "6")] => None;
    a_negative_number_is_ignored: [("RAYON_NUM_THREADS", "-1")] => None;
    filchs_own_variable_is_ignored: [("FILCH_NUM_THREADS", "9")] => None;
}

/// Checks that `body` aborts the process because of the panic "nobody waits", and not because of a
/// failed assertion.
#[track_caller]
fn aborts(name: &str, body: fn()) {
    let body = || {
        body();
        thread::park();
    };
    let Some(output) = alone(name, &[], body) else { return };
    #[cfg(unix)]
    {
        use std::os::unix::process::ExitStatusExt;
        assert_eq!(output.status.signal(), Some(6), "{output:?}");
    }
    assert!(!output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("nobody waits"), "{output:?}");
}

#[test]
fn a_panic_in_a_spawned_task_aborts() {
    aborts("a_panic_in_a_spawned_task_aborts", || {
        rayon_core::spawn(|| panic!("nobody waits"));
    });
}

#[test]
fn a_panic_in_spawn_fifo_aborts() {
    aborts("a_panic_in_spawn_fifo_aborts", || rayon_core::spawn_fifo(|| panic!("nobody waits")));
}

#[test]
fn a_panic_in_a_spawned_broadcast_aborts() {
    aborts("a_panic_in_a_spawned_broadcast_aborts", || {
        rayon_core::spawn_broadcast(|_| panic!("nobody waits"));
    });
}

#[test]
fn a_panic_in_a_start_handler_aborts() {
    aborts("a_panic_in_a_start_handler_aborts", || {
        let builder = ThreadPoolBuilder::new().num_threads(1);
        builder.start_handler(|_| panic!("nobody waits")).build_global().unwrap();
    });
}

#[test]
fn a_panic_in_the_panic_handler_aborts() {
    aborts("a_panic_in_the_panic_handler_aborts", || {
        let builder = ThreadPoolBuilder::new().num_threads(1);
        let pool = builder.panic_handler(|_| panic!("nobody waits")).build().unwrap();
        pool.spawn(|| panic!("but the handler"));
        thread::park();
    });
}

#[test]
fn a_panic_that_is_handled_does_not_abort() {
    succeeds(alone("a_panic_that_is_handled_does_not_abort", &[], || {
        let (sender, receiver) = mpsc::channel();
        let sender = std::sync::Mutex::new(sender);
        let handler = move |payload: Box<dyn std::any::Any + Send>| {
            sender.lock().unwrap().send(*payload.downcast::<&str>().unwrap()).unwrap();
        };
        let builder = ThreadPoolBuilder::new().num_threads(2).panic_handler(handler);
        builder.build_global().unwrap();
        rayon_core::spawn(|| panic!("handled"));
        assert_eq!(receiver.recv(), Ok("handled"));
        assert_eq!(rayon_core::join(|| 1, || 2), (1, 2));
    }));
}
