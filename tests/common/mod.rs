//! What the test files share: a watchdog over each test, separate processes, recognisable panics,
//! counted drops, and ways to wait for an event.
#![allow(dead_code, reason = "each test file uses a part of this")]

use std::any::Any;
use std::ffi::OsString;
use std::fmt::Debug;
use std::io::Write;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Barrier, Condvar, LazyLock, Mutex, MutexGuard};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use filch::{JoinError, ThreadPool, ThreadPoolBuilder, WaitPolicy};

/// Set in a process that [`own_process`] started, to the test's name.
const CHILD: &str = "FILCH_TEST_CHILD";
/// Seconds a test may take, for slow machines and slow checkers.
const TIMEOUT: &str = "FILCH_TEST_TIMEOUT";
/// Set to an emulator and its arguments, which is to run this program.
const RUNNER: &str = "FILCH_TEST_RUNNER";
/// What a child prints when it reaches its body.
const STARTED: &str = "[own process: body started]";

// ---- A deadlock is a failure, not a hang ----

/// Aborts the process unless it is dropped in time.
#[must_use]
pub struct Watchdog {
    _stop: mpsc::Sender<()>,
}

/// Starts the watchdog of the calling test.
#[track_caller]
pub fn watchdog() -> Watchdog {
    let (stop, stopped) = mpsc::channel();
    let location = Location::caller();
    let test = thread::current().name().unwrap_or("?").to_owned();
    thread::spawn(move || {
        if stopped.recv_timeout(time_limit()) == Err(RecvTimeoutError::Timeout) {
            let dump = filch::dump();
            say(&format!("WATCHDOG: test {test} at {location} hangs\n{dump}"));
            std::process::abort();
        }
    });
    Watchdog { _stop: stop }
}

/// How long a test may take. A child gives up before its parent does, so that no child is left
/// behind.
pub fn time_limit() -> Duration {
    let seconds = std::env::var(TIMEOUT).map_or(60, |value| value.parse().unwrap());
    let whole = Duration::from_secs(seconds);
    if std::env::var_os(CHILD).is_some() { whole * 2 / 3 } else { whole }
}

/// Writes a line that the test harness does not capture.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Waits until `condition` holds. Panics, naming `what`, if it never does.
#[track_caller]
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < time_limit() / 2, "never came: {what}");
        rest(Duration::from_millis(1));
    }
}

/// Gives other threads some time: real time, or some turns of a simulation.
pub fn rest(time: Duration) {
    if is_simulated() {
        (0..time.as_micros().clamp(10, 200)).for_each(|_| filch::schedule_point());
    } else {
        thread::sleep(time);
    }
}

/// Lets other threads go on.
pub fn step_aside() {
    if is_simulated() {
        filch::schedule_point();
    } else {
        thread::yield_now();
    }
}

/// Locks `mutex`, which another worker may hold.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    if is_simulated() { lock_in_turns(mutex) } else { mutex.lock().unwrap() }
}

/// `lock` in a deterministic pool, where the thread that has the lock needs the turn.
pub fn lock_in_turns<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    loop {
        if let Ok(guard) = mutex.try_lock() {
            return guard;
        }
        filch::schedule_point();
    }
}

/// A barrier for a number of threads. For one use.
pub struct Meeting {
    all: usize,
    arrived: AtomicUsize,
    barrier: Barrier,
}

impl Meeting {
    pub fn new(all: usize) -> Self {
        Meeting { all, arrived: AtomicUsize::new(0), barrier: Barrier::new(all) }
    }

    pub fn wait(&self) {
        if !is_simulated() {
            self.barrier.wait();
            return;
        }
        self.arrived.fetch_add(1, Ordering::SeqCst);
        while self.arrived.load(Ordering::SeqCst) < self.all {
            step_aside();
        }
    }
}

/// A door that is shut until a thread opens it. Waiting blocks the thread, so a worker that waits
/// here runs no jobs.
#[derive(Default)]
pub struct Gate {
    open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.opened.notify_all();
    }

    pub fn wait(&self) {
        while is_simulated() && !*self.open.lock().unwrap() {
            filch::schedule_point();
        }
        let open = self.open.lock().unwrap();
        drop(self.opened.wait_while(open, |open| !*open).unwrap());
    }
}

/// A flag that goes up once. Waiting for it keeps the thread awake.
#[derive(Default)]
pub struct Flag(AtomicBool);

impl Flag {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn raise(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub fn is_up(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Holds the thread, without calls into the pool, until the flag is up.
    pub fn hold(&self) {
        while !self.is_up() {
            std::hint::spin_loop();
            step_aside();
        }
    }

    /// Waits for the flag on a worker that forks all the time, and so looks for jobs. While it
    /// waits for a stolen fork, it may run the job that raises the flag on top of this call. That
    /// job must not wait for this call to return.
    pub fn poll(&self) {
        while !self.is_up() {
            filch::join(|| (), step_aside);
        }
    }
}

// ---- Pools ----

/// If set to `own`, the waits of plain pools run only their own descendants.
const POLICY: &str = "FILCH_TEST_POLICY";
/// If set to a number, pools are deterministic, with that seed (`ci/schedules`).
const SEED: &str = "FILCH_TEST_SEED";

/// A pool of `threads` threads.
#[track_caller]
pub fn pool(threads: usize) -> ThreadPool {
    builder().num_threads(threads).build().expect("a plain pool builds")
}

/// The builder of a plain pool, of the kind that the environment selects.
pub fn builder() -> ThreadPoolBuilder {
    match std::env::var(POLICY).as_deref() {
        Ok("own") => any_wait_builder().wait_policy(WaitPolicy::OwnDescendants),
        Ok(policy) => panic!("{POLICY}: {policy:?} is not `own`"),
        Err(_) => any_wait_builder(),
    }
}

/// The builder of a pool whose waits run any work, unless the test sets another policy.
pub fn any_wait_builder() -> ThreadPoolBuilder {
    match seed() {
        Some(seed) => simulated(ThreadPoolBuilder::new(), seed),
        None => ThreadPoolBuilder::new(),
    }
}

#[cfg(feature = "deterministic")]
fn simulated(builder: ThreadPoolBuilder, seed: u64) -> ThreadPoolBuilder {
    builder.deterministic(seed)
}

#[cfg(not(feature = "deterministic"))]
fn simulated(_: ThreadPoolBuilder, _: u64) -> ThreadPoolBuilder {
    panic!("{SEED} is for builds with the feature `deterministic`");
}

/// The seed of all schedules, if pools are simulated.
pub fn seed() -> Option<u64> {
    static READ: LazyLock<Option<u64>> = LazyLock::new(|| {
        std::env::var(SEED).ok().map(|seed| seed.parse().expect("a seed is a number"))
    });
    *READ
}

pub fn is_simulated() -> bool {
    seed().is_some()
}

/// A number of repetitions or items: `simulated` in a simulation, where many seeds make up for it.
pub fn sized(real: usize, simulated: usize) -> usize {
    if is_simulated() { simulated } else { real }
}

/// All settings; in a simulation, one of them.
pub fn one_a_seed<T>(settings: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut all: Vec<T> = settings.into_iter().collect();
    if let Some(seed) = seed() {
        let picked = all.swap_remove(seed as usize % all.len());
        return vec![picked];
    }
    all
}

/// Whether the calling test must be left out because it needs `what`, which simulated pools lack.
/// Prints a line, which `ci/schedules` counts.
pub fn is_simulated_without(what: &str) -> bool {
    if is_simulated() {
        let test = thread::current().name().unwrap_or("?").to_owned();
        say(&format!("NOT SIMULATED: {test}: {what}"));
    }
    is_simulated()
}

/// What simulated pools lack: only the thread that built a pool may call it.
pub const CALLERS: &str = "callers on other threads";
/// What simulated pools lack: they start all threads of their workers themselves.
pub const OWN_THREADS: &str = "threads of the user's as workers";
/// What simulated pools lack: a worker that waits in a channel keeps its turn.
pub const CHANNELS: &str = "channels that block";
/// What simulated pools lack: time passes only between their steps.
pub const TIME: &str = "time that passes";

/// From where a test calls into a pool.
#[derive(Clone, Copy, Debug)]
pub enum Caller {
    /// One of the pool's own workers.
    Worker,
    /// A thread that is no worker.
    Outside,
}

/// Every caller with pools of 1, 2 and 4 threads.
pub fn settings() -> impl Iterator<Item = (Caller, ThreadPool)> {
    [1, 2, 4]
        .into_iter()
        .flat_map(|threads| [Caller::Worker, Caller::Outside].map(|caller| (caller, pool(threads))))
}

impl Caller {
    /// `filch::join` on a worker, or `ThreadPool::join` from outside.
    pub fn join<A, B, RA, RB>(self, pool: &ThreadPool, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce() -> RA + Send,
        B: FnOnce() -> RB + Send,
        RA: Send,
        RB: Send,
    {
        match self {
            Caller::Worker => pool.install(|| filch::join(a, b)),
            Caller::Outside => pool.join(a, b),
        }
    }

    /// Runs `op` on a worker, or on this thread as one side of a join.
    pub fn run<R: Send>(self, pool: &ThreadPool, op: impl FnOnce() -> R + Send) -> R {
        match self {
            Caller::Worker => pool.install(op),
            Caller::Outside => pool.join(op, || ()).0,
        }
    }
}

/// Which thread has which core.
pub struct Cores(Vec<Mutex<Option<ThreadId>>>);

impl Cores {
    pub fn new(workers: usize) -> Self {
        Cores((0..workers).map(|_| Mutex::default()).collect())
    }

    /// Runs `op` on a worker. Panics if another thread has that worker's core meanwhile.
    pub fn hold<R>(&self, op: impl FnOnce() -> R) -> R {
        let core = &self.0[filch::current_thread_index().expect("a worker")];
        let me = thread::current().id();
        let before = core.lock().unwrap().replace(me);
        assert!(before.is_none_or(|before| before == me), "two threads have one core");
        let result = op();
        let after = std::mem::replace(&mut *core.lock().unwrap(), before);
        assert_eq!(after, Some(me), "two threads have one core");
        result
    }
}

// ---- Recognisable panics that print nothing ----

/// A payload that names its origin.
#[derive(Debug, PartialEq, Eq)]
pub struct Boom(pub u32);

/// Panics with `Boom(id)`, without running the panic hook.
pub fn boom(id: u32) -> ! {
    resume_unwind(Box::new(Boom(id)))
}

/// The id of a payload made by [`boom`].
#[track_caller]
pub fn boom_id(payload: Box<dyn Any + Send>) -> u32 {
    payload.downcast::<Boom>().expect("the original payload").0
}

/// An error that is, or contains, the payload of a panic.
pub trait IntoPayload {
    fn into_payload(self) -> Box<dyn Any + Send>;
}

impl IntoPayload for Box<dyn Any + Send> {
    fn into_payload(self) -> Box<dyn Any + Send> {
        self
    }
}

impl IntoPayload for JoinError {
    fn into_payload(self) -> Box<dyn Any + Send> {
        self.into_panic()
    }
}

/// The id of the [`boom`] that `result` failed with.
#[track_caller]
pub fn failed_with<T>(result: Result<T, impl IntoPayload>) -> u32 {
    boom_id(result.err().expect("a panic").into_payload())
}

/// Runs `body`, which must panic with [`boom`], and returns the id.
#[track_caller]
pub fn caught<R>(body: impl FnOnce() -> R) -> u32 {
    failed_with(catch_unwind(AssertUnwindSafe(body)))
}

// ---- Drops that are counted ----

/// How many tokens were made, and how many dropped. Never freed, so that a second drop is counted
/// and is no use after free.
#[derive(Default, Debug)]
pub struct Ledger {
    made: AtomicUsize,
    dropped: AtomicUsize,
}

/// One entry in a ledger.
#[derive(Debug)]
pub struct Token(&'static Ledger);

impl Ledger {
    pub fn new() -> &'static Self {
        // Reachable for leak checkers, so that they report only the leaks that matter.
        static LEDGERS: Mutex<Vec<&Ledger>> = Mutex::new(Vec::new());
        let ledger = Box::leak(Box::default());
        LEDGERS.lock().unwrap().push(ledger);
        ledger
    }

    pub fn token(&'static self) -> Token {
        self.made.fetch_add(1, Ordering::SeqCst);
        Token(self)
    }

    /// How many tokens were made.
    pub fn made(&self) -> usize {
        self.made.load(Ordering::SeqCst)
    }

    pub fn is_balanced(&self) -> bool {
        self.made() == self.dropped.load(Ordering::SeqCst)
    }

    /// Asserts that every token was dropped, once.
    #[track_caller]
    pub fn assert_balanced(&self, context: impl Debug) {
        assert!(self.is_balanced(), "{context:?}: {self:?}");
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

// ---- Separate processes ----

/// Runs `body` in a separate process, and then `check` on its result.
///
/// The process is this test program again, told to run only the test `name`,
/// which must be the calling test's path.
#[track_caller]
pub fn own_process(
    name: &str,
    setup: impl FnOnce(&mut Command),
    body: impl FnOnce(),
    check: impl FnOnce(Output),
) {
    if std::env::var_os(CHILD).is_some_and(|child| child == name) {
        say(STARTED);
        return body();
    }
    let runner = std::env::var(RUNNER).unwrap_or_default();
    let program = std::env::current_exe().unwrap().into_os_string();
    let mut words = runner.split_whitespace().map(OsString::from).chain([program]);
    let mut command = Command::new(words.next().unwrap());
    command
        .args(words)
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env_remove("FILCH_NUM_THREADS")
        .env_remove("FILCH_WAIT")
        .env_remove("FILCH_LEND")
        .env_remove("FILCH_SEED")
        .env_remove("FILCH_WATCHDOG")
        .env_remove("FILCH_METRICS")
        .env(CHILD, name);
    setup(&mut command);
    let output = command.output().expect("the process starts");
    let told = stderr(&output);
    assert!(told.contains(STARTED), "the body of {name} never ran: {output:?}");
    told.lines().filter(|line| line.starts_with("SKIPPED")).for_each(say);
    check(output);
}

/// Like [`own_process`], for a body that must succeed. A simulation runs one test at a time in its
/// process anyway, so there the body runs in this process.
#[track_caller]
pub fn alone(name: &str, body: impl FnOnce()) {
    if is_simulated() {
        return body();
    }
    tells(name, body, |_| ());
}

/// Like [`alone`], for a body that counts this process's threads: those of an earlier test may not
/// have ended yet.
#[track_caller]
pub fn alone_counting_threads(name: &str, body: impl FnOnce()) {
    tells(name, body, |_| ());
}

/// Runs `body`, which must succeed, in a separate process, and then `check` on what it wrote to its
/// standard error stream.
#[track_caller]
pub fn tells(name: &str, body: impl FnOnce(), check: impl FnOnce(&str)) {
    own_process(
        name,
        |_| (),
        body,
        |output| {
            assert_success(&output);
            check(&stderr(&output));
        },
    );
}

#[track_caller]
pub fn assert_success(output: &Output) {
    assert!(output.status.success(), "{}\n{}", output.status, stderr(output));
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// How many threads this process has, if the system reports it.
pub fn thread_count() -> Option<usize> {
    Some(std::fs::read_dir("/proc/self/task").ok()?.count())
}

/// Waits until this process has only `base` threads again. A joined thread may be listed for a
/// moment longer.
#[track_caller]
pub fn threads_return_to(base: Option<usize>) {
    if base.is_none() {
        say("SKIPPED: threads cannot be counted on this system");
    }
    eventually("the threads are gone", || thread_count() == base);
}

/// A pool, and the ids of the panics that have reached its handler.
pub fn noting_pool(threads: usize) -> (ThreadPool, Arc<Mutex<Vec<u32>>>) {
    let noted = Arc::new(Mutex::new(Vec::new()));
    let note = Arc::clone(&noted);
    let pool = builder()
        .num_threads(threads)
        .panic_handler(move |payload| note.lock().unwrap().push(boom_id(payload)))
        .build()
        .unwrap();
    (pool, noted)
}

/// A pool of three, with a task that waits for another one for some time. The closure, called with
/// the index of the worker on which the task waits, joins the task.
pub fn task_that_waits() -> (ThreadPool, impl Fn(usize)) {
    let pool = any_wait_builder().num_threads(3).build().unwrap();
    let place = Arc::new(AtomicUsize::new(usize::MAX));
    let found = place.clone();
    let waits = pool.spawn(move || {
        let begun = Arc::new(Flag::new());
        let flag = begun.clone();
        let held = filch::spawn(move || {
            flag.raise();
            rest(Duration::from_millis(20));
        });
        begun.hold();
        place.store(filch::current_thread_index().unwrap(), Ordering::SeqCst);
        held.join().unwrap();
    });
    eventually("the task waits", || found.load(Ordering::SeqCst) != usize::MAX);
    let (place, waits) = (found.load(Ordering::SeqCst), Mutex::new(Some(waits)));
    let join = move |index| {
        if index == place {
            let waits = waits.lock().unwrap().take().unwrap();
            waits.join().unwrap();
        }
    };
    (pool, join)
}
