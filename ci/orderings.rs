//! The functions that `ci/orderings` plants in a copy of the tree, in place of each ordering.

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
        other => panic!("no ordering: {other}"),
    };
    Some((site.parse().unwrap(), ordering))
});

/// `FILCH_REACHED`: the file for the numbers of the orderings that were executed.
static REACHED: LazyLock<Option<String>> = LazyLock::new(|| env::var("FILCH_REACHED").ok());

pub(crate) fn ordering(site: usize, strong: Ordering) -> Ordering {
    note(site);
    match *WEAKER {
        Some((weaker, ordering)) if weaker == site => ordering,
        _ => strong,
    }
}

/// A Relaxed fence does nothing.
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
