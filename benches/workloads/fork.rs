//! The one primitive that the workloads fork by, and those who provide it.

use super::pin::take_place;
use super::plain;
use std::num::NonZero;
use std::ops::Range;
use std::thread;

/// A way to run two closures, at the same time where it can.
///
/// The implementors are markers: the context, handed from fork to fork, is
/// what a thread must hold to fork. It is nothing, except for chili (whose
/// forks go through a scope) and for plain threads (how many are left).
pub trait Fork {
    /// What a thread holds to fork.
    type Context<'a>;

    /// Where the work runs.
    type Pool;

    /// Makes a pool in which `threads` threads work.
    fn pool(threads: usize) -> Self::Pool;

    /// Runs `work` inside the pool.
    fn install<R: Send>(
        pool: &Self::Pool,
        work: impl FnOnce(&mut Self::Context<'_>) -> R + Send,
    ) -> R;

    /// Runs `a` on this thread, and `b` here or on another one.
    fn join<RA: Send, RB: Send>(
        cx: &mut Self::Context<'_>,
        a: impl FnOnce(&mut Self::Context<'_>) -> RA + Send,
        b: impl FnOnce(&mut Self::Context<'_>) -> RB + Send,
    ) -> (RA, RB);
}

/// Plain calls.
pub struct Serial;

impl Fork for Serial {
    type Context<'a> = ();
    type Pool = ();

    fn pool(_threads: usize) {}

    fn install<R: Send>(_: &(), work: impl FnOnce(&mut ()) -> R + Send) -> R {
        work(&mut ())
    }

    fn join<RA: Send, RB: Send>(
        cx: &mut (),
        a: impl FnOnce(&mut ()) -> RA + Send,
        b: impl FnOnce(&mut ()) -> RB + Send,
    ) -> (RA, RB) {
        (a(cx), b(cx))
    }
}

/// This crate.
pub struct Filch;

impl Fork for Filch {
    type Context<'a> = ();
    type Pool = filch::ThreadPool;

    fn pool(threads: usize) -> filch::ThreadPool {
        filch::ThreadPoolBuilder::new()
            .num_threads(threads)
            .start_handler(take_place)
            // Else callers from outside would not work themselves, where a start handler is set.
            .lend_seats(true)
            .build()
            .expect("a filch pool")
    }

    fn install<R: Send>(pool: &filch::ThreadPool, work: impl FnOnce(&mut ()) -> R + Send) -> R {
        pool.install(|| work(&mut ()))
    }

    #[inline]
    fn join<RA: Send, RB: Send>(
        _: &mut (),
        a: impl FnOnce(&mut ()) -> RA + Send,
        b: impl FnOnce(&mut ()) -> RB + Send,
    ) -> (RA, RB) {
        filch::join(|| a(&mut ()), || b(&mut ()))
    }
}

/// rayon.
pub struct Rayon;

impl Fork for Rayon {
    type Context<'a> = ();
    type Pool = rayon::ThreadPool;

    fn pool(threads: usize) -> rayon::ThreadPool {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .start_handler(take_place)
            .build()
            .expect("a rayon pool")
    }

    fn install<R: Send>(pool: &rayon::ThreadPool, work: impl FnOnce(&mut ()) -> R + Send) -> R {
        pool.install(|| work(&mut ()))
    }

    #[inline]
    fn join<RA: Send, RB: Send>(
        _: &mut (),
        a: impl FnOnce(&mut ()) -> RA + Send,
        b: impl FnOnce(&mut ()) -> RB + Send,
    ) -> (RA, RB) {
        rayon::join(|| a(&mut ()), || b(&mut ()))
    }
}

/// chili, whose caller is one of its threads.
pub struct Chili;

impl Fork for Chili {
    type Context<'a> = chili::Scope<'a>;
    type Pool = chili::ThreadPool;

    fn pool(threads: usize) -> chili::ThreadPool {
        // Its threads start where they are made; the caller is the first of them.
        take_place(threads - 1);
        chili::ThreadPool::with_config(chili::Config {
            thread_count: NonZero::new(threads),
            ..chili::Config::default()
        })
    }

    fn install<R: Send>(
        pool: &chili::ThreadPool,
        work: impl FnOnce(&mut chili::Scope<'_>) -> R + Send,
    ) -> R {
        take_place(0);
        work(&mut pool.scope())
    }

    /// chili runs its second closure on this thread, so the two change places.
    #[inline]
    fn join<RA: Send, RB: Send>(
        cx: &mut chili::Scope<'_>,
        a: impl FnOnce(&mut chili::Scope<'_>) -> RA + Send,
        b: impl FnOnce(&mut chili::Scope<'_>) -> RB + Send,
    ) -> (RA, RB) {
        let (rb, ra) = cx.join(b, a);
        (ra, rb)
    }
}

/// Plain threads, halved at each fork until none is left: the ideal split of
/// work whose forks have two equal sides. The context is the range of threads
/// that are there for the work, the current one first.
pub struct Ideal;

impl Fork for Ideal {
    type Context<'a> = Range<usize>;
    type Pool = usize;

    fn pool(threads: usize) -> usize {
        threads
    }

    fn install<R: Send>(threads: &usize, work: impl FnOnce(&mut Range<usize>) -> R + Send) -> R {
        take_place(0);
        work(&mut (0..*threads))
    }

    fn join<RA: Send, RB: Send>(
        threads: &mut Range<usize>,
        a: impl FnOnce(&mut Range<usize>) -> RA + Send,
        b: impl FnOnce(&mut Range<usize>) -> RB + Send,
    ) -> (RA, RB) {
        if threads.len() <= 1 {
            return (a(threads), b(threads));
        }
        let middle = threads.start + threads.len().div_ceil(2);
        let (mut mine, mut theirs) = (threads.start..middle, middle..threads.end);
        thread::scope(|s| {
            let b = plain::spawn_at(s, theirs.start, move || b(&mut theirs));
            take_place(mine.start);
            let ra = a(&mut mine);
            (ra, b.join().expect("no workload panics"))
        })
    }
}
