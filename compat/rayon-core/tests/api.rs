//! Every public item has the signature that rayon-core 1.13.0 gives it.

#![allow(deprecated, clippy::type_complexity)]

use std::any::Any;
use std::error::Error;
use std::{fmt, io};

use rayon_core::{
    BroadcastContext, Configuration, FnContext, Scope, ScopeFifo, ThreadBuilder, ThreadPool,
    ThreadPoolBuildError, ThreadPoolBuilder, Yield, broadcast, current_num_threads,
    current_thread_has_pending_tasks, current_thread_index, in_place_scope, in_place_scope_fifo,
    initialize, join, join_context, max_num_threads, scope, scope_fifo, spawn, spawn_broadcast,
    spawn_fifo, yield_local, yield_now,
};

type Boxed = Box<dyn Error>;

#[test]
fn functions() {
    let _: fn() -> usize = max_num_threads;
    let _: fn() -> usize = current_num_threads;
    let _: fn() -> Option<usize> = current_thread_index;
    let _: fn() -> Option<bool> = current_thread_has_pending_tasks;
    let _: fn() -> Option<Yield> = yield_now;
    let _: fn() -> Option<Yield> = yield_local;
    let _: fn(Configuration) -> Result<(), Boxed> = initialize;
    let _: fn(fn() -> u8, fn() -> u16) -> (u8, u16) = join;
    let _: fn(fn(FnContext) -> u8, fn(FnContext) -> u16) -> (u8, u16) = join_context;
    let _: fn(fn(&Scope<'static>) -> u8) -> u8 = scope;
    let _: fn(fn(&Scope<'static>) -> u8) -> u8 = in_place_scope;
    let _: fn(fn(&ScopeFifo<'static>) -> u8) -> u8 = scope_fifo;
    let _: fn(fn(&ScopeFifo<'static>) -> u8) -> u8 = in_place_scope_fifo;
    let _: fn(fn()) = spawn;
    let _: fn(fn()) = spawn_fifo;
    let _: fn(fn(BroadcastContext<'_>) -> u8) -> Vec<u8> = broadcast;
    let _: fn(fn(BroadcastContext<'_>)) = spawn_broadcast;
}

#[test]
fn pools() {
    let _: fn(Configuration) -> Result<ThreadPool, Boxed> = ThreadPool::new;
    let _: fn(&ThreadPool, fn() -> u8) -> u8 = ThreadPool::install;
    let _: fn(&ThreadPool, fn(BroadcastContext<'_>) -> u8) -> Vec<u8> = ThreadPool::broadcast;
    let _: fn(&ThreadPool) -> usize = ThreadPool::current_num_threads;
    let _: fn(&ThreadPool) -> Option<usize> = ThreadPool::current_thread_index;
    let _: fn(&ThreadPool) -> Option<bool> = ThreadPool::current_thread_has_pending_tasks;
    let _: fn(&ThreadPool, fn() -> u8, fn() -> u16) -> (u8, u16) = ThreadPool::join;
    let _: fn(&ThreadPool, fn(&Scope<'static>) -> u8) -> u8 = ThreadPool::scope;
    let _: fn(&ThreadPool, fn(&Scope<'static>) -> u8) -> u8 = ThreadPool::in_place_scope;
    let _: fn(&ThreadPool, fn(&ScopeFifo<'static>) -> u8) -> u8 = ThreadPool::scope_fifo;
    let _: fn(&ThreadPool, fn(&ScopeFifo<'static>) -> u8) -> u8 = ThreadPool::in_place_scope_fifo;
    let _: fn(&ThreadPool, fn()) = ThreadPool::spawn;
    let _: fn(&ThreadPool, fn()) = ThreadPool::spawn_fifo;
    let _: fn(&ThreadPool, fn(BroadcastContext<'_>)) = ThreadPool::spawn_broadcast;
    let _: fn(&ThreadPool) -> Option<Yield> = ThreadPool::yield_now;
    let _: fn(&ThreadPool) -> Option<Yield> = ThreadPool::yield_local;
}

#[test]
fn builders() {
    type Builder = ThreadPoolBuilder;
    type Handler = fn(usize);
    type PanicHandler = fn(Box<dyn Any + Send>);
    let _: fn() -> Builder = Builder::new;
    let _: fn() -> Builder = Builder::default;
    let _: fn(Builder) -> Result<ThreadPool, ThreadPoolBuildError> = Builder::build;
    let _: fn(Builder) -> Result<(), ThreadPoolBuildError> = Builder::build_global;
    let _: fn(Builder, usize) -> Builder = Builder::num_threads;
    let _: fn(Builder, usize) -> Builder = Builder::stack_size;
    let _: fn(Builder) -> Builder = Builder::use_current_thread;
    let _: fn(Builder) -> Builder = Builder::breadth_first;
    let _: fn(Builder, fn(usize) -> String) -> Builder = Builder::thread_name;
    let _: fn(Builder, PanicHandler) -> Builder = Builder::panic_handler;
    let _: fn(Builder, Handler) -> Builder = Builder::start_handler;
    let _: fn(Builder, Handler) -> Builder = Builder::exit_handler;
    type Wrapper = fn(ThreadBuilder);
    type WithPool = fn(&ThreadPool) -> u8;
    let _: fn(Builder, Wrapper, WithPool) -> Result<u8, ThreadPoolBuildError> =
        Builder::build_scoped;

    let _: fn(&ThreadBuilder) -> usize = ThreadBuilder::index;
    let _: fn(&ThreadBuilder) -> Option<&str> = ThreadBuilder::name;
    let _: fn(&ThreadBuilder) -> Option<usize> = ThreadBuilder::stack_size;
    let _: fn(ThreadBuilder) = ThreadBuilder::run;
}

#[test]
fn configurations() {
    type Handler = fn(usize);
    let _: fn() -> Configuration = Configuration::new;
    let _: fn() -> Configuration = Configuration::default;
    let _: fn(Configuration) -> Result<ThreadPool, Boxed> = Configuration::build;
    let _: fn(Configuration, fn(usize) -> String) -> Configuration = Configuration::thread_name;
    let _: fn(Configuration, usize) -> Configuration = Configuration::num_threads;
    let _: fn(Configuration, fn(Box<dyn Any + Send>)) -> Configuration =
        Configuration::panic_handler;
    let _: fn(Configuration, usize) -> Configuration = Configuration::stack_size;
    let _: fn(Configuration) -> Configuration = Configuration::breadth_first;
    let _: fn(Configuration, Handler) -> Configuration = Configuration::start_handler;
    let _: fn(Configuration, Handler) -> Configuration = Configuration::exit_handler;
}

#[test]
fn scopes_and_contexts() {
    type Task = for<'a> fn(&'a Scope<'static>);
    type TaskFifo = for<'a> fn(&'a ScopeFifo<'static>);
    let _: fn(&Scope<'static>, Task) = Scope::spawn;
    let _: fn(&ScopeFifo<'static>, TaskFifo) = ScopeFifo::spawn_fifo;
    let _: fn(&Scope<'static>, fn(&Scope<'static>, BroadcastContext<'_>)) = Scope::spawn_broadcast;
    let _: fn(&ScopeFifo<'static>, fn(&ScopeFifo<'static>, BroadcastContext<'_>)) =
        ScopeFifo::spawn_broadcast;
    let _: fn(&FnContext) -> bool = FnContext::migrated;
    let _: fn(&BroadcastContext<'static>) -> usize = BroadcastContext::index;
    let _: fn(&BroadcastContext<'static>) -> usize = BroadcastContext::num_threads;
    let (done, idle) = (Yield::Executed, Yield::Idle);
    let copy = done;
    assert!(done == copy && done != idle);
}

/// A spawn handler need not be `'static`, and neither need the `ThreadBuilder` it gets.
#[test]
fn spawn_handlers_may_borrow() {
    let mut threads = Vec::new();
    let builder = ThreadPoolBuilder::new().num_threads(2).spawn_handler(|thread| {
        threads.push(std::thread::Builder::new().spawn(|| thread.run())?);
        Ok::<(), io::Error>(())
    });
    drop(builder.num_threads(3).build().unwrap());
    assert_eq!(threads.len(), 3);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn types_implement_send_sync_and_debug() {
    fn shared<T: Send + Sync + fmt::Debug + ?Sized>() {}
    fn shown<T: fmt::Debug>() {}
    shared::<ThreadPool>();
    shared::<Scope<'static>>();
    shared::<ScopeFifo<'static>>();
    shared::<ThreadPoolBuildError>();
    shared::<Yield>();
    fn sent<T: Send>() {}
    sent::<ThreadBuilder>();
    shown::<ThreadBuilder>();
    shown::<ThreadPoolBuilder>();
    shown::<Configuration>();
    shown::<FnContext>();
    shown::<BroadcastContext<'_>>();
    fn error<T: Error + 'static>() {}
    error::<ThreadPoolBuildError>();
}

#[test]
fn builders_show_what_is_set() {
    let builder = ThreadPoolBuilder::new().num_threads(3).stack_size(1 << 20).start_handler(|_| ());
    let text = "ThreadPoolBuilder { num_threads: 3, use_current_thread: false, \
                get_thread_name: None, panic_handler: None, stack_size: Some(1048576), \
                start_handler: Some(<closure>), exit_handler: None, breadth_first: false }";
    assert_eq!(format!("{builder:?}"), text);
    let configuration = Configuration::new().num_threads(3).stack_size(1 << 20);
    assert_eq!(format!("{:?}", configuration.start_handler(|_| ())), text);
}
