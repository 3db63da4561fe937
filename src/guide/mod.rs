//! The manual: pages without code of their own, all of whose examples run as tests.
//!
//! | page | for |
//! | --- | --- |
//! | [`getting_started`] | the first loop, the first join, the first pool |
//! | [`choosing`] | which tool when: loop, join, scope, spawn, broadcast, graph, stream, gang |
//! | [`dataflow`] | graphs of tasks, ordered streams, gangs; tables for Taskflow and HPX |
//! | [`from_rayon`] | what differs from rayon, and three ways to come over |
//! | [`deterministic_rayon`] | unchanged rayon programs whose schedule a seed decides |
//! | [`from_threads`] | std's threads, scopes and channels, and what becomes of them |
//! | [`from_openmp`] | a table of pragmas |
//! | [`from_onetbb`] | a table of oneTBB's algorithms and classes |
//! | [`cookbook`] | progress bars, cancelling, fewer threads, servers, tests by seeds |
//! | [`observing`] | metrics, Prometheus, spans, dumps of a process that hangs |
//! | [`faq`] | how many threads, why is mine slower, deadlocks, stacks, `Rc` |
//! | [`how_it_works`] | queues, stealing, sleep and waits, with diagrams |
//! | [`benchmarks`] | what was measured, on which machine, by which command |

pub mod getting_started {
    #![doc = include_str!("getting_started.md")]
}

pub mod choosing {
    #![doc = include_str!("choosing.md")]
}

pub mod dataflow {
    #![doc = include_str!("dataflow.md")]
}

pub mod from_rayon {
    #![doc = include_str!("from_rayon.md")]
}

pub mod deterministic_rayon {
    #![doc = include_str!("deterministic_rayon.md")]
}

pub mod from_threads {
    #![doc = include_str!("from_threads.md")]
}

pub mod from_openmp {
    #![doc = include_str!("from_openmp.md")]
}

pub mod from_onetbb {
    #![doc = include_str!("from_onetbb.md")]
}

pub mod cookbook {
    #![doc = include_str!("cookbook.md")]
}

pub mod observing {
    #![doc = include_str!("observing.md")]
}

pub mod faq {
    #![doc = include_str!("faq.md")]
}

pub mod how_it_works {
    #![doc = include_str!("how_it_works.md")]
}

pub mod benchmarks {
    #![doc = include_str!("../../BENCHMARKS.md")]
}
