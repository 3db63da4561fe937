//! The functions with which `ci/orderings` replaces each ordering in a copy of the tree.

use std::env;
use std::fs::OpenOptions;
use std::io::Write;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// `FILCH_WEAKER`: the number of the ordering to weaken, and its weaker value, as in `17 Release`.
static WEAKER: LazyLock<Option<(usize, Ordering)>> = LazyLock::new(|| {
    let weaker = env::var("FILCH_WEAKER").ok()?;
    let (site, ordering) = weaker.split_once(' ').unwrap();
    let ordering = match ordering {
        "Acquire" => Ordering::Acquire,
        "Release" => Ordering::Release,
        "AcqRel" => Ordering::AcqRel,
        "Relaxed" => Ordering::Relaxed,
        other => panic!("not an ordering: {other}"),
    };
    Some((site.parse().unwrap(), ordering))
});

/// `FILCH_REACHED`: the file to which the numbers of executed orderings are written.
static REACHED: LazyLock<Option<String>> = LazyLock::new(|| env::var("FILCH_REACHED").ok());

pub(crate) fn ordering(site: usize, strong: Ordering) -> Ordering {
    note(site);
    match *WEAKER {
        Some((weaker, ordering)) if weaker == site => ordering,
        _ => strong,
    }
}

/// Issues the fence, or does nothing if the ordering is Relaxed.
pub(crate) fn fence(site: usize, strong: Ordering) {
    match ordering(site, strong) {
        Ordering::Relaxed => {}
        ordering => crate::sync::fence(ordering),
    }
}

fn note(site: usize) {
    static NOTED: [AtomicBool; 1000] = [const { AtomicBool::new(false) }; 1000];
    let Some(path) = &*REACHED else { return };
    if !NOTED[site].swap(true, Ordering::Relaxed) {
        let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
        writeln!(file, "{site}").unwrap();
    }
}
