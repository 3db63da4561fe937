//! The members of a gang run at the same time, each on a different worker, and meet at barriers.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use filch::prelude::*;
use filch::{Member, ThreadPool, ThreadPoolBuilder};

use crate::common::{
    CALLERS, OWN_THREADS, boom, boom_id, caught, is_simulated_without, one_a_seed, pool, rest,
    settings, sized, task_that_waits, watchdog,
};
use crate::faults::drive;

/// Sizes of a pool, and of a gang in it.
fn sizes() -> Vec<(usize, usize)> {
    one_a_seed([(1, 1), (2, 1), (2, 2), (4, 2), (4, 3), (4, 4)])
}

// ---- Barriers ----

#[test]
fn each_member_is_on_a_different_worker() {
    let _watchdog = watchdog();
    for (caller, pool) in settings() {
        for size in 1..=pool.current_num_threads() {
            let arrived = AtomicUsize::new(0);
            let members = caller.run(&pool, || {
                filch::gang(size, |member| {
                    assert_eq!(member.size(), size);
                    arrived.fetch_add(1, Ordering::SeqCst);
                    member.barrier();
                    assert_eq!(arrived.load(Ordering::SeqCst), size);
                    (member.index(), filch::current_thread_index().unwrap())
                })
                .unwrap()
            });
            assert!(members.iter().map(|member| member.0).eq(0..size));
            let workers: BTreeSet<usize> = members.iter().map(|member| member.1).collect();
            assert_eq!(workers.len(), size, "{caller:?} {pool:?}");
        }
    }
}

#[test]
fn no_member_passes_a_barrier_before_all_have_come() {
    let _watchdog = watchdog();
    for (workers, size) in sizes() {
        let pool = pool(workers);
        let counts: Vec<AtomicUsize> = (0..size).map(|_| AtomicUsize::new(0)).collect();
        let steps = sized(2000, 12);
        pool.gang(size, |member| {
            for step in 1..=steps {
                counts[member.index()].store(step, Ordering::Relaxed);
                if step % 97 == member.index() {
                    rest(Duration::from_micros(60));
                }
                member.barrier();
                for count in &counts {
                    let count = count.load(Ordering::Relaxed);
                    assert!(count == step || count == step + 1, "{count} at {step}");
                }
                member.barrier();
            }
        })
        .unwrap();
    }
}

#[test]
fn values_are_exchanged_in_order() {
    let _watchdog = watchdog();
    for (workers, size) in sizes() {
        let pool = pool(workers);
        let all: String = (0..size).map(|index| index.to_string()).collect();
        let results = pool.gang(size, |member| {
            for round in 0..sized(50, 5) {
                let own = member.index().to_string();
                assert_eq!(member.reduce(own, |a, b| a + &b), all);
                let root = round % size;
                let index = member.index();
                let value = member.broadcast(root, || (index, round));
                assert_eq!(value, (root, round));
                let value = member.broadcast(root, || vec![round; 3]);
                assert_eq!(value, vec![round; 3]);
            }
            member.reduce(member.index(), |a, b| a + b)
        });
        assert_eq!(results.unwrap(), vec![size * (size - 1) / 2; size]);
    }
}

// ---- Gangs beside other work ----

fn nested(depth: usize, size: usize, calls: &AtomicUsize) {
    calls.fetch_add(1, Ordering::SeqCst);
    if depth > 0 {
        let inner = |member: &mut Member<'_>| {
            member.barrier();
            nested(depth - 1, size, calls);
            member.barrier();
        };
        filch::gang(size, inner).unwrap();
    }
}

#[test]
fn gangs_are_nested() {
    let _watchdog = watchdog();
    for (workers, size) in sizes() {
        let pool = pool(workers);
        let (depth, calls) = (if size > 2 { 2 } else { 3 }, AtomicUsize::new(0));
        pool.install(|| nested(depth, size, &calls));
        let expected = (0..=depth as u32).map(|level| size.pow(level)).sum::<usize>();
        assert_eq!(calls.into_inner(), expected, "{size} of {workers}");
    }
}

#[test]
fn gangs_run_beside_each_other_and_other_work() {
    let _watchdog = watchdog();
    for (caller, pool) in settings() {
        let most = pool.current_num_threads();
        let calls = AtomicUsize::new(0);
        let one = |size: usize| {
            let sums = filch::gang(size, |member| {
                calls.fetch_add(1, Ordering::SeqCst);
                member.barrier();
                // Work that others may steal, and that steals.
                let sum: usize = (0..sized(500, 20)).into_par_iter().sum();
                let (a, b) = filch::join(|| sum, || 1);
                member.barrier();
                filch::scope(|s| drop(s.spawn(|| rest(std::time::Duration::ZERO))));
                member.reduce(a + b, |a, b| a.max(b))
            });
            assert!(sums.unwrap().windows(2).all(|pair| pair[0] == pair[1]));
        };
        let gangs = sized(12, 3);
        caller.run(&pool, || {
            filch::scope(|s| {
                let handles: Vec<_> =
                    (0..gangs).map(|i| s.spawn(move || one(1 + i % most))).collect();
                filch::join(|| one(most), || one(1));
                let _: Vec<()> = filch::broadcast(|_| ());
                // Some of these handles are joined by a caller of a gang.
                handles.into_iter().for_each(|handle| handle.join().unwrap());
            });
            (0..sized(8, 3)).into_par_iter().for_each(|i| one(1 + i % most));
        });
        let all = |n: usize| (0..n).map(|i| 1 + i % most).sum::<usize>();
        let expected = all(gangs) + most + 1 + all(sized(8, 3));
        assert_eq!(calls.into_inner(), expected, "{caller:?} {pool:?}");
    }
}

#[test]
fn a_member_joins_a_task_that_waits_on_the_same_worker() {
    let _watchdog = watchdog();
    let (pool, join) = task_that_waits();
    let joined = pool.gang(3, |member| {
        join(filch::current_thread_index().unwrap());
        member.barrier();
    });
    assert_eq!(joined.unwrap().len(), 3);
}

#[test]
fn gangs_are_called_from_many_threads() {
    if is_simulated_without(CALLERS) {
        return;
    }
    let _watchdog = watchdog();
    let pools = [pool(2), pool(4)];
    thread::scope(|s| {
        for i in 0..6 {
            let pool = &pools[i % 2];
            s.spawn(move || {
                for round in 0..200 {
                    let size = 1 + (i + round) % pool.current_num_threads();
                    let sums = pool.gang(size, |member| {
                        member.barrier();
                        member.reduce(1, |a, b| a + b)
                    });
                    assert_eq!(sums.unwrap(), vec![size; size]);
                }
            });
        }
    });
}

#[test]
fn a_worker_of_another_pool_may_call_a_gang() {
    let _watchdog = watchdog();
    let (outer, inner) = (pool(2), pool(2));
    let both = outer.install(|| {
        filch::join(
            || inner.gang(2, |member| member.reduce(1, |a, b| a + b)).unwrap(),
            || inner.gang(1, |member| member.reduce(5, |a, b| a + b)).unwrap(),
        )
    });
    assert_eq!(both, (vec![2, 2], vec![5]));
}

// ---- Failures and bad input ----

#[test]
fn a_gang_larger_than_its_pool_is_an_error() {
    let pool = pool(2);
    let error = pool.gang(3, |_| unreachable!()).map(|_: Vec<()>| ()).unwrap_err();
    let expected = "a gang of 3 in a pool of 2 workers: each member needs one of its own";
    assert_eq!(error.to_string(), expected);
    let none: Vec<u8> = pool.gang(0, |_| unreachable!()).unwrap();
    assert!(none.is_empty());
    assert!(pool.install(|| filch::gang(usize::MAX, |_| ())).is_err());
}

#[test]
fn a_worker_that_will_never_have_a_thread_is_no_member() {
    let _watchdog = watchdog();
    if is_simulated_without(OWN_THREADS) {
        return;
    }
    let kept = std::sync::Mutex::new(Vec::new());
    let pool = filch::ThreadPoolBuilder::new().num_threads(3).build_with(|worker| {
        match worker.index() {
            1 => kept.lock().unwrap().push(worker),
            _ => drop(thread::spawn(|| worker.run())),
        }
        Ok(())
    });
    let pool = pool.unwrap();
    drop(kept.into_inner());
    let sums = loop {
        // Until the last thread has begun, this is an error, since another thread was refused.
        if let Ok(sums) = pool.gang(2, |member| member.reduce(1, |a, b| a + b)) {
            break sums;
        }
        thread::yield_now();
    };
    assert_eq!(sums, [2, 2]);
    let error = pool.gang(3, |_| unreachable!()).map(|_: Vec<()>| ()).unwrap_err();
    assert!(error.to_string().starts_with("a gang of 3 in a pool of 2"));
}

#[test]
fn each_panic_ends_the_gang_and_comes_out() {
    let _watchdog = watchdog();
    for (workers, size) in sizes() {
        let pool = pool(workers);
        drive(|fault, ledger| {
            let results = pool.gang(size, |member| {
                fault.call();
                let token = ledger.token();
                member.barrier();
                fault.call();
                let parts = std::sync::Arc::new(ledger.token());
                let sum = member.reduce(vec![parts], |mut a, b| {
                    fault.call();
                    a.extend(b);
                    a
                });
                assert_eq!(sum.len(), size);
                let all = member.broadcast(size - 1, || {
                    fault.call();
                    sum.clone()
                });
                member.barrier();
                fault.call();
                (token, all.len())
            });
            assert!(results.unwrap().iter().all(|result| result.1 == size));
            false
        });
        // The pool works as before.
        assert_eq!(pool.gang(size, |member| member.reduce(1, |a, b| a + b)).unwrap()[0], size);
    }
}

#[test]
fn a_barrier_that_not_all_come_to_panics() {
    let _watchdog = watchdog();
    // The member that leaves does so before the others arrive, or while they wait.
    for ((workers, size), leaves_late) in
        [((2, 2), false), ((2, 2), true), ((4, 3), false), ((4, 3), true)]
    {
        let pool = pool(workers);
        let run = || {
            pool.gang(size, |member| {
                member.barrier();
                let leaves = member.index() == 0;
                if leaves == leaves_late {
                    rest(Duration::from_millis(5));
                }
                if !leaves {
                    member.barrier();
                }
            })
        };
        let payload = catch_unwind(AssertUnwindSafe(run)).unwrap_err();
        let text = payload.downcast_ref::<&str>().unwrap();
        assert!(text.starts_with("barrier: a member of the gang has returned"), "{text}");
        // The panic of a member comes before the panics that it causes in others.
        let run = || {
            pool.gang(size, |member| {
                if member.index() == 1 {
                    boom(8);
                }
                // The first panic is caught here. The next call panics in the same way.
                let barrier = |member: &mut Member<'_>| {
                    catch_unwind(AssertUnwindSafe(|| member.barrier())).is_err()
                };
                assert!(barrier(member) && barrier(member));
                member.barrier();
            })
        };
        assert_eq!(caught(run), 8);
    }
}

#[test]
fn wrong_exchanges_panic() {
    fn message(pool: &ThreadPool, f: impl Fn(&mut Member<'_>) + Sync) -> String {
        let payload = catch_unwind(AssertUnwindSafe(|| pool.gang(2, f))).unwrap_err();
        let text = payload.downcast_ref::<String>().cloned();
        text.unwrap_or_else(|| (*payload.downcast_ref::<&str>().unwrap()).into())
    }
    let _watchdog = watchdog();
    let pool = pool(2);
    let root = message(&pool, |member| member.broadcast(2, || ()));
    assert_eq!(root, "there is no member 2 in a gang of 2");
    let types = message(&pool, |member| match member.index() {
        0 => _ = member.reduce(1_u8, |a, b| a + b),
        _ => _ = member.reduce(1_u16, |a, b| a + b),
    });
    assert_eq!(types, "members of a gang exchange values of different types");
}

#[test]
fn a_value_whose_drop_panics_comes_out() {
    struct Bomb(bool);
    impl Clone for Bomb {
        fn clone(&self) -> Self {
            Bomb(false)
        }
    }
    impl Drop for Bomb {
        fn drop(&mut self) {
            if self.0 && !thread::panicking() {
                boom(6);
            }
        }
    }
    let _watchdog = watchdog();
    let pool = pool(2);
    let run = || pool.gang(2, |member| member.broadcast(0, || Bomb(true)));
    let payload = catch_unwind(AssertUnwindSafe(run)).map(drop).unwrap_err();
    assert_eq!(boom_id(payload), 6);
}

/// The values that members of a failed gang have returned are dropped. Each of these drops panics.
#[test]
fn all_values_may_panic_when_they_are_dropped() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            boom(2);
        }
    }
    let _watchdog = watchdog();
    let pool = pool(3);
    let returned = AtomicUsize::new(0);
    let run = || {
        let bombs = pool.gang(3, |member| {
            member.barrier();
            if member.index() == 0 {
                boom(1)
            }
            returned.fetch_add(1, Ordering::Relaxed);
            Bomb
        });
        bombs.map(|bombs| bombs.len())
    };
    assert_eq!(caught(run), 1);
    assert_eq!(returned.into_inner(), 2);
}

/// The other worker of a member's pool ends while the member calls gangs. From then on, a gang of
/// two is too large.
#[test]
fn a_member_calls_gangs_while_its_pool_ends() {
    let _watchdog = watchdog();
    for round in 0..300 {
        let member = thread::spawn(move || {
            let builder = ThreadPoolBuilder::new().num_threads(2).use_current_thread();
            let pool = builder.build().unwrap();
            drop(pool.spawn(move || (0..round * 10).for_each(|_| std::hint::spin_loop())));
            pool.shutdown_background();
            while filch::gang(2, |member| member.barrier()).is_ok() {}
            assert_eq!(filch::gang(1, |member| member.size()), Ok(vec![1]));
        });
        member.join().unwrap();
    }
}
