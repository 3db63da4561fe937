//! Items that all wait for each other: none is kept back behind another one that has not ended, as
//! long as there are no more items than workers.

use filch::prelude::*;

use crate::common::{Gate, Meeting, pool, watchdog};

/// Calls `meet` in pools of several sizes, some times each, with the number of workers, and with
/// what each of as many items has to call.
fn in_pools(meet: impl Fn(usize, &(dyn Fn() + Sync)) + Sync) {
    let _watchdog = watchdog();
    for threads in [4, 8, 16] {
        let pool = pool(threads);
        for _ in 0..5 {
            let all = Meeting::new(threads);
            pool.install(|| meet(threads, &|| all.wait()));
        }
    }
}

fn each(len: usize, item: &(dyn Fn() + Sync)) {
    (0..len).into_par_iter().for_each(|_| item());
}

#[test]
fn items_of_nested_loops_meet() {
    in_pools(|threads, item| each(2, &|| each(threads / 2, item)));
    in_pools(|threads, item| each(threads / 2, &|| each(2, item)));
    in_pools(|threads, item| each(2, &|| each(2, &|| each(threads / 4, item))));
}

#[test]
fn items_of_loops_in_other_loops_meet() {
    in_pools(|threads, item| {
        let inner = |_| (0..threads / 2).into_par_iter();
        (0..2).into_par_iter().flat_map(inner).for_each(|_| item());
    });
    in_pools(|threads, item| (0..2).par_bridge().for_each(|_| each(threads / 2, item)));
    in_pools(|threads, item| {
        filch::scope(|s| {
            s.spawn(|| each(threads / 2, item));
            each(threads / 2, item);
        });
    });
}

#[test]
fn items_behind_others_meet() {
    in_pools(|threads, item| (0..threads + 5).into_par_iter().skip(5).for_each(|_| item()));
    in_pools(|threads, item| {
        let rest = (1..threads).into_par_iter();
        Some(0).into_par_iter().chain(rest).for_each(|_| item());
    });
}

#[test]
fn parts_of_strings_and_slices_meet() {
    in_pools(|threads, item| "x".repeat(threads).par_chars().for_each(|_| item()));
    in_pools(|threads, item| "line\n".repeat(threads).par_lines().for_each(|_| item()));
    in_pools(|threads, item| {
        let numbers: Vec<usize> = (1..threads * 10).collect();
        numbers.par_split(|n| n % 10 == 0).for_each(|_| item());
    });
    in_pools(|threads, item| {
        let numbers: Vec<usize> = (0..threads * 10).collect();
        numbers.par_chunk_by(|a, b| a / 10 == b / 10).for_each(|_| item());
    });
    in_pools(|threads, item| {
        let lines = "line\n".repeat(threads / 2);
        each(2, &|| lines.par_lines().for_each(|_| item()));
    });
}

/// Nothing but space is in the second half of the text.
#[test]
fn the_first_word_beside_other_work_waits_for_the_second() {
    let _watchdog = watchdog();
    let text = "first second".to_owned() + &" ".repeat(200);
    for threads in [2, 4] {
        let both = Meeting::new(2);
        let words = || text.par_split_whitespace().for_each(|_| both.wait());
        pool(threads).join(words, || ());
        let both = Meeting::new(2);
        let lines = text.replace(' ', "\n");
        let lines = || lines.par_lines().filter(|l| !l.is_empty()).for_each(|_| both.wait());
        pool(threads).join(lines, || ());
    }
}

#[test]
fn items_meet_though_no_worker_was_idle_as_their_loop_began() {
    let _watchdog = watchdog();
    for threads in [3, 4, 8] {
        let pool = pool(threads);
        let (held, begun, all) = (Meeting::new(threads), Gate::new(), Meeting::new(threads - 1));
        let item = |i| {
            if i > 0 {
                begun.open();
                all.wait();
            }
        };
        pool.install(|| {
            filch::scope(|s| {
                for _ in 1..threads {
                    s.spawn(|| {
                        held.wait();
                        begun.wait();
                    });
                }
                held.wait();
                (0..threads).into_par_iter().for_each(item);
            });
        });
    }
}
