//! `Fork`, the primitive that the workloads use, and its implementations.

use super::pin::take_place;
use super::plain;
use std::num::NonZero;
use std::ops::Range;
use std::thread;

/// A way to run two closures, in parallel if possible.
///
/// The implementors are markers. A thread passes a context to each fork. The context is empty,
/// except for chili, whose forks need a scope, and for plain threads, where it holds the remaining
/// threads.
pub trait Fork {
    /// What a thread needs to fork.
    type Context<'a>;

    /// Where the work runs.
    type Pool;

    /// Builds a pool of `threads` threads.
    fn pool(threads: usize) -> Self::Pool;

    /// Runs `work` inside the pool.
    fn install<R: Send>(
        pool: &Self::Pool,
        work: impl FnOnce(&mut Self::Context<'_>) -> R + Send,
    ) -> R;

    /// Runs `a` on this thread, and `b` on this or another thread.
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
            // With a start handler, callers from outside run jobs only if this is set.
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

/// chili. The calling thread is one of the pool's threads.
pub struct Chili;

impl Fork for Chili {
    type Context<'a> = chili::Scope<'a>;
    type Pool = chili::ThreadPool;

    fn pool(threads: usize) -> chili::ThreadPool {
        // New threads inherit the place of the caller, which is the first thread of the pool.
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

    /// chili runs the second closure on this thread, so the two are swapped.
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

/// Plain threads. Each fork halves the available threads until one is left. This split is ideal for
/// work whose forks have two equal sides. The context is the range of threads that are available
/// for the work. The current thread is the first of them.
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
