//! What concerns a whole process: the environment, and panics that end it. Each in one of its own.

use std::process::{Command, Output};
use std::sync::mpsc;
use std::thread;

use rayon_core::ThreadPoolBuilder;

/// Set in a process that [`alone`] started.
const CHILD: &str = "COMPAT_TEST_CHILD";

/// Runs the calling test, `name`, in a process with this environment, where `body` is called.
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

/// What the environment makes of a pool's size.
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
    by_default_there_is_a_thread_a_processor: [] => None;
    the_variable_says_how_many: [("RAYON_NUM_THREADS", "7")] => Some(7);
    so_does_the_older_one: [("RAYON_RS_NUM_CPUS", "6")] => Some(6);
    the_newer_one_counts: [("RAYON_NUM_THREADS", "5"), ("RAYON_RS_NUM_CPUS", "6")] => Some(5);
    unless_it_is_no_number: [("RAYON_NUM_THREADS", "x"), ("RAYON_RS_NUM_CPUS", "6")] => Some(6);
    zero_is_the_default: [("RAYON_NUM_THREADS", "0"), ("RAYON_RS_NUM_CPUS", "6")] => None;
    what_is_no_number_does_not_count: [("RAYON_NUM_THREADS", "-1")] => None;
    variables_of_others_do_not_count: [("FILCH_NUM_THREADS", "9")] => None;
}

/// Whether the process was ended, and not by a failed assertion.
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
fn a_panic_in_a_spawned_task_ends_the_process() {
    aborts("a_panic_in_a_spawned_task_ends_the_process", || {
        rayon_core::spawn(|| panic!("nobody waits"));
    });
}

#[test]
fn so_does_one_in_order() {
    aborts("so_does_one_in_order", || rayon_core::spawn_fifo(|| panic!("nobody waits")));
}

#[test]
fn so_does_one_in_a_spawned_broadcast() {
    aborts("so_does_one_in_a_spawned_broadcast", || {
        rayon_core::spawn_broadcast(|_| panic!("nobody waits"));
    });
}

#[test]
fn so_does_one_in_a_start_handler() {
    aborts("so_does_one_in_a_start_handler", || {
        let builder = ThreadPoolBuilder::new().num_threads(1);
        builder.start_handler(|_| panic!("nobody waits")).build_global().unwrap();
    });
}

#[test]
fn so_does_one_in_the_panic_handler() {
    aborts("so_does_one_in_the_panic_handler", || {
        let builder = ThreadPoolBuilder::new().num_threads(1);
        let pool = builder.panic_handler(|_| panic!("nobody waits")).build().unwrap();
        pool.spawn(|| panic!("but the handler"));
        thread::park();
    });
}

#[test]
fn a_panic_that_is_handled_does_not() {
    succeeds(alone("a_panic_that_is_handled_does_not", &[], || {
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
