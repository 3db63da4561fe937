//! Long chains of tasks, each of which joins the one before it by its handle. They end on stacks of
//! the usual size and in linear time, in whichever order the tasks run.

mod common;

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::thread;

use common::{
    CALLERS, Gate, OWN_THREADS, alone, any_wait_builder, boom, failed_with, is_simulated_without,
    one_a_seed, sized, thread_count, threads_return_to, watchdog,
};
use filch::{JoinError, JoinHandle, TaskOrder, ThreadPool, ThreadPoolBuilder, WaitPolicy};

/// The number of links. Quadratic time would be noticed, and a hundred bytes for each link would
/// not fit on a stack. `ci/long` runs the larger number, `ci/tsan` a smaller one.
fn links() -> u64 {
    let real = match std::env::var("FILCH_TEST_LINKS") {
        Ok(links) => links.parse().unwrap(),
        Err(_) if cfg!(debug_assertions) => 40_000,
        Err(_) => 100_000,
    };
    sized(real, 100) as u64
}

/// As `links`, but in a simulation still so many that they need further stacks.
fn many_links() -> u64 {
    links().max(5_000)
}

fn settings() -> Vec<(usize, TaskOrder, WaitPolicy)> {
    let mut all = Vec::new();
    for order in [TaskOrder::NewestFirst, TaskOrder::OldestFirst] {
        for policy in [WaitPolicy::AnyWork, WaitPolicy::OwnDescendants] {
            all.extend([1, 2, 4].map(|threads| (threads, order, policy)));
        }
    }
    one_a_seed(all)
}

fn builder(threads: usize, order: TaskOrder, policy: WaitPolicy) -> ThreadPoolBuilder {
    any_wait_builder().num_threads(threads).task_order(order).wait_policy(policy)
}

/// Checks in a separate process that chains end in pools of every kind.
#[track_caller]
fn ends(name: &str, chain: impl Fn(&ThreadPool, u64) -> u64) {
    let _watchdog = watchdog();
    alone(name, || {
        for (threads, order, policy) in settings() {
            let pool = builder(threads, order, policy).build().unwrap();
            let settings = format!("{threads} threads, {order:?}, {policy:?}");
            assert_eq!(chain(&pool, links()), links(), "{settings}");
        }
    });
}

fn link(before: JoinHandle<u64>) -> u64 {
    before.join().unwrap() + 1
}

fn chain(
    first: JoinHandle<u64>,
    links: u64,
    spawn: &dyn Fn(JoinHandle<u64>) -> JoinHandle<u64>,
) -> u64 {
    (0..links).fold(first, |before, _| spawn(before)).join().unwrap()
}

#[test]
fn a_chain_spawned_from_outside_ends() {
    ends("a_chain_spawned_from_outside_ends", |pool, links| {
        chain(pool.spawn(|| 0), links, &|before| pool.spawn(|| link(before)))
    });
}

#[test]
fn a_chain_spawned_by_a_worker_ends() {
    ends("a_chain_spawned_by_a_worker_ends", |pool, links| {
        pool.install(|| chain(filch::spawn(|| 0), links, &|before| filch::spawn(|| link(before))))
    });
}

/// Inside a task with a handle, a worker that joins a task may not run any job.
#[test]
fn a_chain_spawned_by_a_task_with_a_handle_ends() {
    ends("a_chain_spawned_by_a_task_with_a_handle_ends", |pool, links| {
        let spawns =
            move || chain(filch::spawn(|| 0), links, &|before| filch::spawn(|| link(before)));
        pool.spawn(spawns).join().unwrap()
    });
}

/// All links are spawned before the first one ends.
#[test]
fn a_chain_that_waits_for_a_message_ends() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    ends("a_chain_that_waits_for_a_message_ends", |pool, links| {
        let (sender, receiver) = mpsc::channel();
        let first = pool.spawn(move || receiver.recv().unwrap());
        let spawn = |before| pool.spawn(|| link(before));
        let last = (0..links).fold(first, |before, _| spawn(before));
        sender.send(0).unwrap();
        last.join().unwrap()
    });
}

#[test]
fn a_chain_in_a_scope_ends() {
    ends("a_chain_in_a_scope_ends", |pool, links| {
        pool.scope(|s| {
            let mut last = s.spawn(|| 0);
            for _ in 0..links {
                let before = last;
                last = s.spawn(|| before.join().unwrap() + 1);
            }
            last.join().unwrap()
        })
    });
}

/// The scope also has to wait for tasks whose joiners have not finished with them.
#[test]
fn a_chain_in_a_scope_that_ends_at_once_ends() {
    ends("a_chain_in_a_scope_that_ends_at_once_ends", |pool, links| {
        let ended = AtomicUsize::new(0);
        pool.scope(|s| {
            let ended = &ended;
            let mut last = s.spawn(|| 0);
            for _ in 0..links {
                let before = last;
                last = s.spawn(move || {
                    ended.fetch_add(1, Ordering::Relaxed);
                    before.join().unwrap()
                });
            }
        });
        ended.into_inner() as u64
    });
}

#[test]
fn a_chain_of_handles_that_are_dropped_ends() {
    ends("a_chain_of_handles_that_are_dropped_ends", |pool, links| {
        pool.install(|| {
            let mut last = filch::spawn(|| 0);
            for _ in 0..links {
                let before = last;
                last = filch::spawn(|| {
                    drop(before);
                    1
                });
            }
            last.join().unwrap() * links
        })
    });
}

/// A chain whose links are spawned in the order of `numbers`.
fn scattered(pool: &ThreadPool, links: u64, numbers: impl Iterator<Item = u64>) -> u64 {
    type Slot = Mutex<Option<JoinHandle<u64>>>;
    let slots: Arc<Vec<Slot>> = Arc::new((0..=links).map(|_| Slot::default()).collect());
    let all_there = Arc::new(Gate::new());
    let take = |slots: &[Slot], number: u64| slots[number as usize].lock().unwrap().take().unwrap();
    for number in numbers {
        let (theirs, all_there) = (slots.clone(), all_there.clone());
        let task = pool.spawn(move || {
            all_there.wait();
            if number == 0 { 0 } else { link(take(&theirs, number - 1)) }
        });
        *slots[number as usize].lock().unwrap() = Some(task);
    }
    all_there.open();
    take(&slots, links).join().unwrap()
}

/// Each link joins one of the other pool.
#[test]
fn a_chain_that_alternates_between_two_pools_ends() {
    static POOLS: [OnceLock<[ThreadPool; 2]>; 2] = [const { OnceLock::new() }; 2];

    fn link(pools: &'static [ThreadPool; 2], links: usize) -> usize {
        if links == 0 {
            return 0;
        }
        pools[links % 2].spawn(move || link(pools, links - 1)).join().unwrap() + 1
    }

    let _watchdog = watchdog();
    alone("a_chain_that_alternates_between_two_pools_ends", || {
        for (threads, pools) in (1..).zip(&POOLS) {
            let pools = pools.get_or_init(|| [(); 2].map(|()| common::pool(threads)));
            assert_eq!(pools[0].install(|| link(pools, 10_000)), 10_000);
        }
    });
}

/// A further stack is a thread that ends with its chain. A destructor of its thread-locals calls
/// the pool.
#[test]
fn thread_locals_of_further_stacks_may_call_the_pool() {
    static POOL: OnceLock<ThreadPool> = OnceLock::new();

    struct Calls;

    impl Drop for Calls {
        fn drop(&mut self) {
            POOL.get().unwrap().install(|| ());
        }
    }

    thread_local!(static CALLS: Calls = const { Calls });

    fn link(links: u64) -> u64 {
        CALLS.with(|_| ());
        if links == 0 { 0 } else { filch::spawn(move || link(links - 1)).join().unwrap() + 1 }
    }

    let _watchdog = watchdog();
    alone("thread_locals_of_further_stacks_may_call_the_pool", || {
        let pool = POOL.get_or_init(|| common::pool(1));
        assert_eq!(pool.install(|| link(many_links())), many_links());
    });
}

/// The last link is the oldest task.
#[test]
fn a_chain_spawned_from_its_end_ends() {
    let _watchdog = watchdog();
    ends("a_chain_spawned_from_its_end_ends", |pool, links| {
        scattered(pool, links, (0..=links).rev())
    });
}

/// The first link is at neither end of the queue.
#[test]
fn a_chain_spawned_in_random_order_ends() {
    let _watchdog = watchdog();
    ends("a_chain_spawned_in_random_order_ends", |pool, links| {
        // 7919 is prime, and does not divide the modulus.
        pool.install(|| scattered(pool, links, (0..=links).map(|i| i * 7919 % (links + 1))))
    });
}

// ---- Beyond one stack ----

/// Runs a chain in a pool of one thread, so that all of it nests.
fn nested<T: Send + 'static>(
    pool: &ThreadPool,
    links: u64,
    first: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JoinError> {
    pool.install(|| {
        let spawn = |before: JoinHandle<T>| {
            filch::spawn(|| before.join().unwrap_or_else(|error| resume_unwind(error.into_panic())))
        };
        (0..links).fold(filch::spawn(first), |before, _| spawn(before)).join()
    })
}

fn one_worker() -> ThreadPoolBuilder {
    any_wait_builder().num_threads(1)
}

#[test]
fn tasks_on_further_stacks_are_the_workers() {
    let _watchdog = watchdog();
    let pool = one_worker().build().unwrap();
    let theirs = nested(&pool, many_links(), || {
        assert_eq!(filch::current_thread_index(), Some(0));
        assert_eq!(filch::current_num_threads(), 1);
        let (a, b) = filch::join(|| filch::spawn(|| 1).join().unwrap(), || 2);
        a + b + filch::scope(|s| s.spawn(|| 3).join().unwrap())
    });
    assert_eq!(theirs.unwrap(), 6);
}

#[test]
fn a_panic_leaves_a_chain_that_goes_through_several_stacks() {
    let _watchdog = watchdog();
    let pool = one_worker().build().unwrap();
    // A quarter of the links, since unwinding takes long in a debug build.
    assert_eq!(failed_with(nested(&pool, many_links() / 4, || boom(3))), 3);
}

#[test]
fn the_threads_of_further_stacks_end_with_the_chain_that_needed_them() {
    let _watchdog = watchdog();
    alone("the_threads_of_further_stacks_end_with_the_chain_that_needed_them", || {
        let (started, exited) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (starts, exits) = (started.clone(), exited.clone());
        let count = |counter: &AtomicUsize| counter.fetch_add(1, Ordering::SeqCst) + 1;
        let pool = one_worker()
            .start_handler(move |index| assert!(index == 0 && count(&starts) > 0))
            .exit_handler(move |index| assert!(index == 0 && count(&exits) > 0))
            .build()
            .unwrap();
        let before = pool.install(thread_count);
        let theirs = started.clone();
        let most =
            nested(&pool, many_links(), move || (thread_count(), theirs.load(Ordering::SeqCst)));
        let (most, handled) = most.unwrap();
        assert!(most > before && handled > 1, "{before:?} threads became {most:?}");
        assert!(most < before.map(|threads| threads + 8), "{before:?} threads became {most:?}");
        threads_return_to(before);
        drop(pool);
        assert_eq!(started.load(Ordering::SeqCst), exited.load(Ordering::SeqCst));
    });
}

/// Calls `then` on top of `depth` frames of 4 KiB.
fn use_up(depth: usize, then: &mut dyn FnMut()) {
    let frame = std::hint::black_box([0_u8; 4096]);
    if depth == 0 {
        then()
    } else {
        use_up(depth - 1, then)
    }
    std::hint::black_box(&frame);
}

/// A worker with a stack that is used up has to begin a member of a gang, for which another worker
/// waits. The start handler of the further stack also needs that other worker.
#[test]
fn a_start_handler_calls_a_gang_on_a_further_stack() {
    let _watchdog = watchdog();
    let left = Arc::new(AtomicUsize::new(0));
    let calls = left.clone();
    // The handler is also called when the two workers start.
    let start = move |_| {
        let less = |left: usize| left.checked_sub(1);
        if calls.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok() {
            filch::gang(2, |member| member.barrier()).unwrap();
        }
    };
    let builder = ThreadPoolBuilder::new().num_threads(2).stack_size(1 << 20);
    let pool = Arc::new(builder.start_handler(start).build().unwrap());
    let (begins, begun) = mpsc::channel();
    let (deep, is_deep) = mpsc::channel::<()>();
    let gang = pool.spawn(move || {
        begins.send(()).unwrap();
        is_deep.recv().unwrap();
        let on_further_stack = |member: &mut filch::Member<'_>| {
            if member.index() == 1 {
                filch::scope(|s| drop(s.spawn(|| ())));
            }
            member.barrier();
        };
        filch::gang(2, on_further_stack).unwrap();
    });
    begun.recv().unwrap();
    let theirs = left.clone();
    pool.install(move || {
        let mut gang = Some(gang);
        let in_wait = move || {
            use_up(100, &mut || {
                theirs.store(1, Ordering::SeqCst);
                deep.send(()).unwrap();
                gang.take().unwrap().join().unwrap();
            });
        };
        filch::scope(|s| drop(s.spawn(in_wait)));
    });
    assert_eq!(left.load(Ordering::SeqCst), 0, "no handler was called on a further stack");
}

/// One worker calls gangs inside each other. On the other worker, each member runs on top of the
/// one before, which waits at a barrier.
#[test]
fn members_of_gangs_on_top_of_each_other_have_room_on_the_stack() {
    fn nest(depth: usize) {
        let run = |member: &mut filch::Member<'_>| match member.index() {
            0 => {
                if depth > 0 {
                    nest(depth - 1);
                }
                member.barrier();
            }
            _ => use_up(40, &mut || member.barrier()),
        };
        filch::gang(2, run).unwrap();
    }

    let _watchdog = watchdog();
    let pool = any_wait_builder().num_threads(2).stack_size(1 << 20).build().unwrap();
    pool.install(|| nest(20));
}

/// A worker hands off its core to a spare thread, on a further stack of a chain whose other stacks
/// are below.
#[test]
fn a_chain_waits_for_another_pool_on_a_further_stack() {
    let _watchdog = watchdog();
    let (pool, other) = (one_worker().build().unwrap(), Arc::new(one_worker().build().unwrap()));
    let pool = Arc::new(pool);
    let (here, there) = (Arc::downgrade(&pool), other.clone());
    let first = move || {
        let back = move || here.upgrade().map(|pool| pool.install(|| 7));
        there.install(back).expect("the pool is alive")
    };
    let last = pool.spawn({
        let pool = pool.clone();
        move || nested(&pool, links(), first).unwrap()
    });
    assert_eq!(last.join().unwrap(), 7);
}

/// Each level joins several tasks. At the end of a stack, these run on the next one.
#[test]
fn tasks_at_the_end_of_a_stack_join_others() {
    fn nest(depth: u64) -> u64 {
        let leaves: u64 = (0..4).map(|_| filch::spawn(|| 1).join().unwrap()).sum();
        if depth == 0 {
            leaves
        } else {
            leaves + filch::spawn(move || nest(depth - 1)).join().unwrap()
        }
    }

    let _watchdog = watchdog();
    let pool = one_worker().build().unwrap();
    let depth = links() / 4;
    assert_eq!(pool.install(|| nest(depth)), 4 * (depth + 1));
}

#[test]
fn a_chain_on_a_small_thread_of_the_users_ends() {
    let _watchdog = watchdog();
    if is_simulated_without(OWN_THREADS) {
        return;
    }
    let small = thread::Builder::new().stack_size(256 << 10).spawn(|| {
        let pool = common::builder().num_threads(2).use_current_thread().build().unwrap();
        let mut last = pool.spawn(|| 0);
        for _ in 0..5_000 {
            last = pool.spawn(move || last.join().unwrap() + 1);
        }
        assert_eq!(last.join().unwrap(), 5_000);
    });
    small.unwrap().join().unwrap();
}
