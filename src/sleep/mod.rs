//! Which workers sleep and which are woken: their cores, an event count, and the proof that no
//! wake-up is lost.
//!
//! # States
//! A *core* is the right to act as a worker: to use the owner's side of its queues. Each core is in
//! one of five states:
//!
//! ```text
//!            search           park, hand off, give back
//!   LOOKING <------> BUSY ------------------------------> PARKED
//!                     |  <-------------------------------
//!                     |       wake, leave, lend, take back
//!                     |                park
//!                     +----------------------------------> BLOCKED, RESTRICTED
//!                        <-------------------------------
//!                                 wake, leave
//! ```
//!
//! - `BUSY`: a thread has the core and works, or has just been given it.
//! - `LOOKING`: a thread has the core, is in the main loop, and only looks for work.
//! - `PARKED`: no thread has the core. The core is in the list.
//! - `BLOCKED`: its holder sleeps inside a wait. The core is in the list.
//! - `RESTRICTED`: its holder sleeps inside a restricted wait (`worker/wait.rs`), which may run
//!   only jobs of some isolation tags, or only cross-pool jobs. The core is in a list of its own,
//!   with these tags. Other work does not wake it.
//!
//! Transitions to and from `PARKED`, `BLOCKED` and `RESTRICTED` happen under the list's lock,
//! together with changes of the counts and of the lists of threads without the core
//! (`hand_off.rs`). Threads are unparked after the lock is released (`state::release`).
//!
//! # The event count
//! A worker that looks for work counts as a *searcher*, unless half of the awake workers do; one
//! that has given up counts as *parked*. One parked worker, the *sentry*, looks around every 10 µs
//! while other workers fork. While there is a sentry, a worker that publishes wakes no other. Nor
//! does it while there is a searcher, unless long jobs are expected. So a tiny parallel section
//! that follows another one costs no wake-up, and a long one gets helpers within some microseconds.
//!
//! A thread from outside that waits for a job may be the sentry for a moment, if the last such jobs
//! did not take long (`worker/callers.rs`). Such a sentry does not look around. It says how many
//! workers are enough, and publishers rely on it only while that many are awake.
//!
//! A searcher that has found a job wakes up to two more workers if more jobs are public than there
//! are searchers left. So n workers are awake after log n steps. If long jobs are expected, a
//! worker wakes more: before it runs one of several tasks that it took together, before a block of
//! a loop, and when it publishes a fork after thieves took its last ones. It wakes workers until
//! there is one more searcher than it has public jobs, at most six (`worker/wake.rs`).
//!
//! A worker parks in three steps ([`Sleep::park`]):
//! 1. *announce*: it counts itself as parked, no longer as a searcher, and issues a
//!    `fence(SeqCst)`;
//! 2. *re-check*: it looks at every queue, and at what it waits for. If it sees work, it takes the
//!    announcement back, and is a searcher;
//! 3. *commit*: it parks on its parker, which keeps a token that was given early. The thread that
//!    wakes it makes it a searcher.
//!
//! A publisher (a) pushes; (b) does its queue's part of the handshake, a SeqCst read-modify-write
//! (`queue/join_queue.rs`, `queue/spawn_queue.rs`) or a `fence(SeqCst)`; (c) reads the counts,
//! SeqCst unless (b) was a fence, and wakes a worker if one is parked and none searches or is the
//! sentry. (A publisher from outside does not rely on the sentry.)
//!
//! # Invariant
//! If a job is public and a worker is parked, then a worker searches or is the sentry, or some
//! thread is about to look at all queues after a fence that follows the push.
//!
//! # Lemmas
//! 1. *A publisher and a worker that parks do not miss each other.* (b) and the fence of step 1 are
//!    ordered. If (b) is first, the re-check sees the job. If not, (c) sees the worker parked.
//!    Models: `a_fork_finds_a_worker`, `a_task_finds_a_worker`,
//!    `a_job_from_outside_finds_a_worker`, `a_pinned_job_finds_its_worker`,
//!    `a_reinjected_job_finds_a_worker`. (A core that is parked when its pool is built needs no
//!    re-check, since nothing is published before. Model:
//!    `a_job_finds_a_thread_that_has_just_been_started`.)
//! 2. *A publisher may rely on a searcher or the sentry.* There are two ways in which such a worker
//!    stops looking. First, a searcher may park, or the sentry may resign, by the first two steps
//!    above. Its fence follows (b), since (c) still saw it looking, and so it sees the job. Second,
//!    it may find a job. If no other worker looks then, it issues a fence, looks at all queues, and
//!    wakes a worker if it sees a job ([`Sleep::stop_searching`]). In both cases, if no other worker
//!    looks, it also looks for private forks (lemma 12 of `queue/join_queue.rs`). When a sentry from
//!    outside resigns, it does the same, unless a worker still searches ([`Sleep::stop_watching`]).
//!    Models: `the_last_searcher_wakes_another_for_a_fork`,
//!    `the_last_searcher_wakes_another_for_a_task`,
//!    `the_last_searcher_wakes_another_for_a_job_from_outside`,
//!    `a_sentry_from_outside_wakes_a_worker_for_a_fork`,
//!    `a_sentry_from_outside_wakes_a_worker_for_a_task`, `a_sentry_from_outside_is_not_woken`,
//!    `a_worker_that_leaves_a_restricted_wait_wakes_another`.
//! 3. *The re-check may leave out parked cores.* Their queues are empty. Their next holder issues a
//!    fence before it publishes ([`Sleep::unparked`]). If the re-check saw the core parked, that
//!    fence follows the one of step 1, and (c) sees the worker parked. Models:
//!    `a_task_of_a_worker_just_woken_finds_another`, `a_fork_of_a_worker_just_woken_finds_another`,
//!    `a_task_of_a_borrower_finds_another`,
//!    `the_borrower_of_the_sentrys_core_wakes_another_for_a_task`.
//! 4. *A job finds a restricted wait that may run it.* A worker in a restricted wait goes through
//!    the same steps, with a count of its own. (It stops searching before step 1, since it leaves
//!    jobs out in step 2.) In step 2 it takes a job that it may run. A thread that publishes or
//!    moves a job wakes the waiters that may run jobs with this job's tag. Under
//!    `WaitPolicy::OwnDescendants`, it wakes those that wait for any of the job's ancestors. If it
//!    moved the job, it also wakes those that wait for the job itself. Step 2 takes at most one job
//!    from each other worker. That worker runs the jobs behind it, or reinjects them before it
//!    sleeps. A waiter that has swapped (lemma 3 of `worker/hand_off.rs`) is woken in the same way.
//!    Models: `a_task_finds_a_restricted_wait`,
//!    `a_job_from_outside_finds_a_restricted_wait`.
//! 5. *A cross-pool job finds a worker.* Its publisher wakes a parked worker, unless some worker
//!    searches. If no worker is parked, it wakes one in a restricted wait that takes cross-pool
//!    jobs. Each such worker either may run any cross-pool job, or hands off its core to a thread
//!    that may, and it looks at the cross-pool jobs in step 2. It leaves in the queue those
//!    that it must not run. So if such a worker sleeps, it announced itself before the jobs in the
//!    queue were pushed. One that was woken wakes the next when it stops searching. It does that
//!    before it runs another job, and before its wait ends. Models:
//!    `a_cross_job_finds_a_worker_that_waits_for_another_pool`,
//!    `a_core_that_was_handed_off_for_a_cross_job_is_passed_on`.
//! 6. *A job finds a worker even if all workers are in restricted waits.* This is needed only if a
//!    thread without a core blocks or is in an external wait, or if a thread of another pool joins
//!    a future, since such a thread may need the job. The last worker to enter a restricted wait
//!    looks for any work in step 2. A publisher from outside wakes one of the workers in (c), as
//!    does a thread that begins to join a future, and that worker hands off its core. A worker that
//!    publishes need not wake any, since it looks for work itself before it sleeps. A thread that
//!    hands off its core is counted in `needing_any` before its fence, and leaves a core that is not
//!    restricted. Models:
//!    `a_job_from_outside_finds_a_worker_where_all_waits_are_restricted`,
//!    `a_job_that_another_pool_needs_finds_a_worker`.
//! 7. *A waiter is woken.* It registers in its latch before step 1, and probes the latch in step 2.
//!    The setter of the latch sees the registration, takes the list's lock, and wakes the waiter if
//!    its core is `BLOCKED` or `RESTRICTED`. If the core is not in one of these states yet, the
//!    waiter takes the lock after the setter, and its probe sees that the latch is set.
//!    Models: `a_worker_that_is_blocked_is_woken`, `a_worker_in_a_restricted_wait_is_woken`.
//! 8. *A core has one holder.* It changes hands under the lock. Models:
//!    `no_two_threads_hold_a_core`, `a_core_that_was_lent_is_handed_off`,
//!    `a_thread_that_wants_its_core_back_gets_it`.
//! 9. *What is left on a core that changes hands is run.* Only a core without work is parked.
//!    Models: `a_task_is_run_though_the_core_was_lent`,
//!    `a_pinned_job_is_run_though_the_core_was_lent`,
//!    `a_pinned_job_is_run_though_the_holder_hands_off_the_core`,
//!    `a_spare_thread_runs_a_task_that_is_left`, `a_spare_thread_runs_a_job_from_outside`.
//! 10. *A pinned job finds its worker.* A thread that wakes a worker for such a job does (b) after
//!     the push, even if another thread pushed it (`relay.rs`). In (c) it reads the state of that
//!     worker: the worker sees the job in step 2, or is woken.
//!     Models: `a_pinned_job_finds_its_worker`, `a_pinned_job_finds_its_worker_by_another`.
//!
//! The end of a pool is in `worker/end.rs`.
//!
//! # What it is worth
//! A row's time without a mechanism, divided by its time with it: medians by
//! `benches/ablation/run`, on two shared virtual cores.
//!
//! | without | row | threads | time | CPU time |
//! | --- | --- | ---: | ---: | ---: |
//! | `sentry` | loops between joins of empty closures | 2 | 1.88 | – |
//! |  | tree sum, 1,023 nodes, installed | 2 | 1.53 | – |
//! | `quiet-look`: the sentry's early end | 16 items of 1 µs every ms | 8 | 1.04 | 7.10 |
//! |  | 64 items of 5 µs every 5 ms | 8 | 0.99 | 2.29 |
//! | `search-limit`: at most half search | 20,000 short, then 16 that sleep | 8 | 1.42 | 1.16 |
//! |  | tree sum, 1,023 nodes, outside | 2 | 1.23 | – |
//! | `helper`: one more woken from outside | 64 items of 5 µs every 5 ms | 8 | 1.02 | 1.37 |

mod cores;
pub(crate) mod counts;
mod event;
mod hand_off;
mod lend;
mod park;
mod relay;
mod state;
mod wake;

pub(crate) use cores::{CoreThread, SpareFor};
pub(crate) use counts::MAX_WORKERS;
pub(crate) use event::{Event, HappensAtDrop, HasSleep, Sleeper};
pub(crate) use hand_off::GivenBack;
pub(crate) use park::{Kind, Look, Moment};
pub(crate) use relay::Relay;
pub(crate) use state::Sleep;
pub(crate) use wake::Stopped;
