//! Unit tests: which waits are expected, by what earlier jobs were like.

use super::*;

#[test]
fn a_job_is_expected_to_be_like_the_last() {
    let callers = Callers::new();
    assert_eq!(callers.expect(), Length::Short);
    for took in [Length::Medium, Length::Short, Length::Long, Length::Short] {
        callers.job_took(match took {
            Length::Short => SHORT,
            Length::Medium => MEDIUM,
            Length::Long => MEDIUM + 1,
        });
        assert_eq!(callers.expect(), took);
    }
}

#[test]
fn many_jobs_are_expected_to_be_long_after_one() {
    let callers = Callers::new();
    callers.job_took(MEDIUM + 1);
    for _ in 0..LONG_JOBS {
        assert_eq!(callers.expect(), Length::Long);
        callers.job_took(MEDIUM);
    }
    assert_eq!(callers.expect(), Length::Medium);
}

#[test]
fn looks_in_vain_become_short_and_are_tried_again() {
    let callers = Callers::new();
    let in_vain = || callers.in_vain.load(Ordering::Relaxed);
    (FEW_IN_VAIN..4).for_each(|_| callers.look(|| false));
    assert_eq!(in_vain(), 4);
    callers.look(|| true);
    assert_eq!(in_vain(), 2);
    (2..MOST_IN_VAIN).for_each(|_| callers.look(|| false));
    assert_eq!(in_vain(), 0);
}

/// On one processor as well: the thread that counts the processors may be bound to it.
#[test]
fn two_workers_may_help_with_a_medium_job() {
    assert!(Length::Medium.enough().is_some_and(|(workers, _)| workers >= 2));
}
