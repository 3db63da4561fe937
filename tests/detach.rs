//! No thread is detached when it has ended or is ending: memory that glibc's `pthread_detach` reads
//! may then be freed (bug 19951 of glibc).
#![cfg(all(target_os = "linux", target_env = "gnu"))]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use common::watchdog;
use filch::{JoinHandle, ThreadPool, ThreadPoolBuilder};

static DETACHED: AtomicUsize = AtomicUsize::new(0);
/// How many of these threads had ended before they were detached.
static ENDED: AtomicUsize = AtomicUsize::new(0);

/// Replaces glibc's function, which std calls when a thread's handle is dropped. Gives the thread
/// time to end, if it can.
#[unsafe(no_mangle)]
extern "C" fn pthread_detach(thread: libc::pthread_t) -> libc::c_int {
    thread::sleep(Duration::from_millis(10));
    let mut clock = 0;
    // SAFETY: the thread was neither joined nor detached. The call fails if the thread has ended.
    let has_ended = unsafe { libc::pthread_getcpuclockid(thread, &raw mut clock) } != 0;
    DETACHED.fetch_add(1, Ordering::Relaxed);
    ENDED.fetch_add(usize::from(has_ended), Ordering::Relaxed);
    // SAFETY: this is glibc's function, and the thread is detached only once.
    unsafe {
        let next = libc::dlsym(libc::RTLD_NEXT, c"pthread_detach".as_ptr());
        let next: extern "C" fn(libc::pthread_t) -> libc::c_int = std::mem::transmute(next);
        next(thread)
    }
}

fn build(builder: ThreadPoolBuilder) -> ThreadPool {
    builder.num_threads(2).build().unwrap()
}

fn wait_until(is_so: impl Fn() -> bool) {
    while !is_so() {
        thread::sleep(Duration::from_millis(1));
    }
}

/// Runs `act`, in which at least `threads` threads are detached.
fn check(what: &str, threads: usize, act: impl FnOnce()) {
    let before = DETACHED.load(Ordering::Relaxed);
    act();
    wait_until(|| DETACHED.load(Ordering::Relaxed) >= before + threads);
    assert_eq!(ENDED.load(Ordering::Relaxed), 0, "{what}");
}

/// Runs tasks that join each other, the newest first. They do not fit on one stack.
fn chain(pool: &ThreadPool, links: u32) -> u32 {
    let link = |before: JoinHandle<u32>| filch::spawn(|| before.join().unwrap() + 1);
    pool.install(|| (0..links).fold(filch::spawn(|| 0), |before, _| link(before)).join().unwrap())
}

#[test]
fn threads_are_detached_before_they_end() {
    let _watchdog = watchdog();
    check("a pool that ends in the background", 2, || {
        build(ThreadPoolBuilder::new()).shutdown_background();
    });
    check("a pool that its own worker drops", 2, || {
        let pool = Arc::new(build(ThreadPoolBuilder::new()));
        let theirs = pool.clone();
        let last = pool.spawn(move || {
            wait_until(|| Arc::strong_count(&theirs) == 1);
        });
        drop(pool);
        last.join().unwrap();
    });
    check("a further stack", 1, || {
        let pool = ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        assert_eq!(chain(&pool, 20_000), 20_000);
    });
    check("the thread that takes over from a member", 1, || {
        let build = || build(ThreadPoolBuilder::new().use_current_thread());
        thread::scope(|s| drop(s.spawn(build).join().unwrap()));
    });
    check("spare threads", 3, || {
        let one = || Arc::new(ThreadPoolBuilder::new().num_threads(1).build().unwrap());
        let (here, there) = (one(), one());
        let pools = (here.clone(), there.clone());
        let task = here.spawn(move || {
            let (here, there) = pools;
            there.install(|| {
                // Not part of the task that waits, so this task does not run on top of it.
                let has_run = Arc::new(AtomicBool::new(false));
                let runs = has_run.clone();
                drop(here.spawn(move || runs.store(true, Ordering::SeqCst)));
                wait_until(|| has_run.load(Ordering::SeqCst));
            });
        });
        task.join().unwrap();
        assert_eq!(here.counters().spare_threads, 1);
        for pool in [here, there] {
            wait_until(|| Arc::strong_count(&pool) == 1);
            Arc::into_inner(pool).unwrap().shutdown_background();
        }
    });
}
