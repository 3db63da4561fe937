//! Asserts the auto traits of every public type: `Send`, `Sync`, `Unpin`, `UnwindSafe` and
//! `RefUnwindSafe`.
//!
//! Each assertion is exact: a type that loses one of them, or gains one, does not compile here. A
//! generic type is compared with a model, for type arguments that each lack other traits. Where std
//! has the same type, that is the model. The test at the end finds types without an assertion.

use std::any::Any;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::marker::{PhantomData, PhantomPinned};
use std::ops::{Range, RangeInclusive};
use std::panic::{RefUnwindSafe, UnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard};
use std::{fs, io};

use crate::collections::{
    binary_heap, btree_map, btree_set, hash_map, hash_set, linked_list, vec_deque,
};
use crate::iter::plumbing::{LoopSettings, NoopReducer};
use crate::*;

const SEND: u8 = 1;
const SYNC: u8 = 2;
const UNPIN: u8 = 4;
const UNWIND_SAFE: u8 = 8;
const REF_UNWIND_SAFE: u8 = 16;
const ALL: u8 = SEND | SYNC | UNPIN | UNWIND_SAFE | REF_UNWIND_SAFE;

/// Has a constant of its own for each auto trait of `T`, which goes before that of [`Lacks`].
struct Probe<T>(PhantomData<T>);

trait Lacks {
    const SEND: u8 = 0;
    const SYNC: u8 = 0;
    const UNPIN: u8 = 0;
    const UNWIND_SAFE: u8 = 0;
    const REF_UNWIND_SAFE: u8 = 0;
}

impl<T> Lacks for Probe<T> {}

impl<T: Send> Probe<T> {
    const SEND: u8 = SEND;
}

impl<T: Sync> Probe<T> {
    const SYNC: u8 = SYNC;
}

impl<T: Unpin> Probe<T> {
    const UNPIN: u8 = UNPIN;
}

impl<T: UnwindSafe> Probe<T> {
    const UNWIND_SAFE: u8 = UNWIND_SAFE;
}

impl<T: RefUnwindSafe> Probe<T> {
    const REF_UNWIND_SAFE: u8 = REF_UNWIND_SAFE;
}

/// The auto traits of a type without parameters.
macro_rules! auto_traits {
    ($type:ty) => {
        Probe::<$type>::SEND
            | Probe::<$type>::SYNC
            | Probe::<$type>::UNPIN
            | Probe::<$type>::UNWIND_SAFE
            | Probe::<$type>::REF_UNWIND_SAFE
    };
}

/// Asserts that types have certain auto traits, and no other.
macro_rules! exactly {
    ($traits:expr; $($type:ty),+ $(,)?) => {$(
        const _: () = assert!(
            auto_traits!($type) == $traits,
            concat!(stringify!($type), ": not exactly ", stringify!($traits)),
        );
    )+};
}

/// Asserts that types of `T` have the auto traits of their models, for each of some `T`.
macro_rules! same_of {
    ($parts:tt $($type:ty = $model:ty;)+) => {
        $(same_of!(@one $parts $type = $model);)+
    };
    (@one [$($part:ty),+] $type:ty = $model:ty) => {
        const _: () = {
            type Ours<T> = $type;
            type Model<T> = $model;
            $(assert!(
                auto_traits!(Ours<$part>) == auto_traits!(Model<$part>),
                concat!(
                    stringify!($type), " is not as ", stringify!($model),
                    " where T = ", stringify!($part),
                ),
            );)+
        };
    };
}

/// `same_of` for types that take any `T`.
macro_rules! same {
    ($($pairs:tt)+) => {
        same_of! {
            [u8, Rc<()>, MutexGuard<'static, u8>, Cell<u8>, PhantomPinned, &'static mut u8,
                Box<dyn Any + Send>]
            $($pairs)+
        }
    };
}

/// `same` for types that have the auto traits of `T`.
macro_rules! as_parts {
    ($($type:ty),+ $(,)?) => { same! { $($type = T;)+ } };
}

/// `same_of` for types that take only a `T` that is `Send`.
macro_rules! same_if_sent {
    ($($pairs:tt)+) => {
        same_of! { [u8, Cell<u8>, PhantomPinned, &'static mut u8, Box<dyn Any + Send>] $($pairs)+ }
    };
}

// The probe sees what it should: the arguments of `same` lack each trait somewhere.
exactly! { ALL; u8 }
exactly! { UNPIN | UNWIND_SAFE | REF_UNWIND_SAFE; Rc<()> }
exactly! { SYNC | UNPIN | UNWIND_SAFE | REF_UNWIND_SAFE; MutexGuard<'static, u8> }
exactly! { SEND | UNPIN | UNWIND_SAFE; Cell<u8> }
exactly! { ALL - UNPIN; PhantomPinned }
exactly! { ALL - UNWIND_SAFE; &'static mut u8 }
exactly! { SEND | UNPIN; Box<dyn Any + Send> }

// Pools and tasks.
exactly! { ALL;
    BroadcastContext, BuildErrorKind, CancelReason, CancelToken, Cancelled, Counters, DropGuard,
    Dump, FnContext, Histogram, Intervals, JoinError, Metrics, Priority, QueueMetrics,
    Scope<'static, 'static>, TaskBuilder<'static>, TaskOrder, ThreadBuilder, ThreadPool,
    ThreadPoolBuildError, WaitPolicy, WorkerCounters, WorkerMetrics, Yield,
}

// It holds the user's closures for names and threads, which run on the thread that builds, may
// have a state, and need not be `Send`; in rayon's, too.
exactly! { UNPIN; ThreadPoolBuilder }

// The handle is the only one that gets the value, and does so by value: it shares nothing of it.
same! {
    CancelOnDrop<T> = Arc<Mutex<T>>;
    Completer<T> = Arc<Mutex<T>>;
    JoinHandle<T> = Arc<Mutex<T>>;
    TaskSet<T> = Arc<Mutex<T>>;
    JoinNext<'static, T> = &'static mut Arc<Mutex<T>>;
    ScopedJoinHandle<'static, T> = Arc<Mutex<T>>;
}

// It has the closure.
same! { TrySpawnError<T> = Option<T>; }

// Gangs. A member stays on its thread.
exactly! { ALL; GangError }
exactly! { UNPIN; Member<'static> }

// Graphs. A reference to a graph gives access to values that need not be `Sync`, so it is not; nor
// may any of its parts be seen after a panic, since it holds closures and errors of any kind.
exactly! { SEND | UNPIN; graph::Graph<'static>, graph::Subgraph<'static, 'static> }
exactly! { SEND | SYNC | UNPIN; graph::TaskFailure, graph::Report }
exactly! { ALL; graph::GraphError, graph::Outcome }

// A handle gives no access by itself, but the last one drops the value.
same! {
    graph::Cell<T> = Arc<Mutex<T>>;
    graph::Node<T> = Arc<Mutex<T>>;
    graph::Read<'static, T> = Arc<Mutex<T>>;
    graph::Write<'static, T> = Arc<Mutex<T>>;
}

// Pipelines. An error holds errors of any kind.
exactly! { ALL; pipeline::PipelineStats, pipeline::StageKind, pipeline::StageStats }
exactly! { SEND | SYNC | UNPIN; pipeline::PipelineError }

same! {
    pipeline::Chunks<T> = T;
    pipeline::Pipeline<T> = T;
}

// Sources. Those by exclusive reference are never `UnwindSafe`, like the reference.
same! {
    array::IntoIter<T, 2> = [T; 2];
    vec::IntoIter<T> = Vec<T>;
    range::Iter<T> = Range<T>;
    range_inclusive::Iter<T> = RangeInclusive<T>;
    option::IntoIter<T> = std::option::IntoIter<T>;
    option::Iter<'static, T> = std::option::Iter<'static, T>;
    option::IterMut<'static, T> = std::option::IterMut<'static, T>;
    result::IntoIter<T> = std::result::IntoIter<T>;
    result::Iter<'static, T> = std::result::Iter<'static, T>;
    result::IterMut<'static, T> = std::result::IterMut<'static, T>;
    iter::Once<T> = std::iter::Once<T>;
    iter::Empty<T> = std::iter::Empty<T>;
    iter::Repeat<T> = std::iter::Repeat<T>;
    iter::RepeatN<T> = std::iter::RepeatN<T>;
}

same_if_sent! {
    vec::Drain<'static, T> = std::vec::Drain<'static, T>;
}

// Collections.
same! {
    vec_deque::IntoIter<T> = std::collections::vec_deque::IntoIter<T>;
    vec_deque::Iter<'static, T> = std::collections::vec_deque::Iter<'static, T>;
    vec_deque::IterMut<'static, T> = std::collections::vec_deque::IterMut<'static, T>;
    binary_heap::IntoIter<T> = Vec<T>;
    binary_heap::Iter<'static, T> = &'static T;
    btree_map::IntoIter<T, T> = Vec<T>;
    btree_map::Iter<'static, T, T> = &'static T;
    btree_map::IterMut<'static, T, u8> = (&'static T, &'static mut u8);
    btree_map::IterMut<'static, u8, T> = &'static mut T;
    btree_set::IntoIter<T> = Vec<T>;
    btree_set::Iter<'static, T> = &'static T;
    hash_map::IntoIter<T, T> = Vec<T>;
    hash_map::Iter<'static, T, T> = &'static T;
    hash_map::IterMut<'static, T, u8> = (&'static T, &'static mut u8);
    hash_map::IterMut<'static, u8, T> = &'static mut T;
    hash_set::IntoIter<T> = Vec<T>;
    hash_set::Iter<'static, T> = &'static T;
    linked_list::IntoIter<T> = Vec<T>;
    linked_list::Iter<'static, T> = &'static T;
    linked_list::IterMut<'static, T> = &'static mut T;
}

// Slices.
same! {
    slice::Iter<'static, T> = std::slice::Iter<'static, T>;
    slice::IterMut<'static, T> = std::slice::IterMut<'static, T>;
    slice::Chunks<'static, T> = std::slice::Chunks<'static, T>;
    slice::ChunksMut<'static, T> = std::slice::ChunksMut<'static, T>;
    slice::ChunksExact<'static, T> = std::slice::ChunksExact<'static, T>;
    slice::ChunksExactMut<'static, T> = std::slice::ChunksExactMut<'static, T>;
    slice::RChunks<'static, T> = std::slice::RChunks<'static, T>;
    slice::RChunksMut<'static, T> = std::slice::RChunksMut<'static, T>;
    slice::RChunksExact<'static, T> = std::slice::RChunksExact<'static, T>;
    slice::RChunksExactMut<'static, T> = std::slice::RChunksExactMut<'static, T>;
    slice::Windows<'static, T> = std::slice::Windows<'static, T>;
    slice::ArrayWindows<'static, T, 2> = std::slice::Windows<'static, T>;
    slice::Split<'static, T, u8> = &'static [T];
    slice::Split<'static, u8, T> = T;
    slice::SplitMut<'static, T, u8> = &'static mut [T];
    slice::SplitMut<'static, u8, T> = (&'static mut u8, T);
    slice::SplitInclusive<'static, T, u8> = &'static [T];
    slice::SplitInclusive<'static, u8, T> = T;
    slice::SplitInclusiveMut<'static, T, u8> = &'static mut [T];
    slice::SplitInclusiveMut<'static, u8, T> = (&'static mut u8, T);
    slice::ChunkBy<'static, T, u8> = &'static [T];
    slice::ChunkBy<'static, u8, T> = T;
    slice::ChunkByMut<'static, T, u8> = &'static mut [T];
    slice::ChunkByMut<'static, u8, T> = (&'static mut u8, T);
}

// Strings.
exactly! { ALL;
    str::Bytes<'static>, str::CharIndices<'static>, str::Chars<'static>, str::EncodeUtf16<'static>,
    str::Lines<'static>, str::SplitAsciiWhitespace<'static>, str::SplitWhitespace<'static>,
    string::Drain<'static>,
}

// Sources, patterns and adaptors: as what they hold.
as_parts! {
    iter::IterBridge<T>, iter::MultiZip<(T, T)>, iter::Split<T, T>, iter::WalkTree<T, T>,
    iter::WalkTreePostfix<T, T>, iter::WalkTreePrefix<T, T>,
    str::MatchIndices<'static, T>, str::Matches<'static, T>, str::Split<'static, T>,
    str::SplitInclusive<'static, T>, str::SplitTerminator<'static, T>,
    iter::CancelWith<'static, T>, iter::Chain<T, T>, iter::Chunks<T>, iter::Cloned<T>,
    iter::Copied<T>, iter::Deterministic<T>, iter::Enumerate<T>, iter::ExponentialBlocks<T>,
    iter::Filter<T, T>, iter::FilterMap<T, T>, iter::FlatMap<T, T>, iter::FlatMapIter<T, T>,
    iter::Flatten<T>, iter::FlattenIter<T>, iter::Fold<T, T, T>, iter::FoldChunks<T, T, T>,
    iter::FoldChunksWith<T, T, T>, iter::FoldWith<T, T, T>, iter::Inspect<T, T>,
    iter::Interleave<T, T>, iter::InterleaveShortest<T, T>, iter::Map<T, T>, iter::MapInit<T, T, T>,
    iter::MapWhile<T, T>, iter::MapWith<T, T, T>, iter::MaxLen<T>, iter::MinLen<T>,
    iter::NumThreads<T>, iter::PanicFuse<T>, iter::Positions<T, T>, iter::Rev<T>, iter::Skip<T>,
    iter::SkipAny<T>, iter::SkipAnyWhile<T, T>, iter::StepBy<T>, iter::Take<T>, iter::TakeAny<T>,
    iter::TakeAnyWhile<T, T>, iter::TryFold<T, u8, T, T>, iter::TryFoldWith<T, Option<T>, T>,
    iter::UniformBlocks<T>, iter::Update<T, T>, iter::WhileSome<T>, iter::WithPool<'static, T>,
    iter::Zip<T, T>, iter::ZipEq<T, T>,
}

#[cfg(feature = "futures")]
same! {
    FutureHandle<T> = Arc<Mutex<T>>;
}

#[cfg(feature = "rayon")]
as_parts! { iter::FromRayon<T>, iter::FromRayonUnindexed<T>, iter::ToRayon<T> }

#[cfg(feature = "indicatif")]
same! {
    iter::Progress<T> = (T, indicatif::ProgressBar);
}

same_if_sent! {
    iter::Intersperse<iter::Once<T>> = T;
}

// Results that they make, and do not hold.
same! {
    iter::TryFold<u8, T, u8, u8> = fn() -> T;
}

// Types that only a trait names, or that are no iterators.
exactly! { ALL; LoopSettings, NoopReducer }

/// Public types that programs cannot name, since their modules are private: serial iterators of
/// producers, and what a graph keeps of a task's inputs.
const UNNAMED: &[&str] = &["Exact", "Needs", "ReadHeld", "ResultHeld", "WriteHeld"];

#[test]
fn every_public_type_has_an_assertion() {
    let mut defined = BTreeMap::<String, usize>::new();
    for file in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap() {
        for name in types_of(&fs::read_to_string(file).unwrap()) {
            *defined.entry(name).or_default() += 1;
        }
    }
    for name in UNNAMED {
        assert_eq!(defined.remove(*name), Some(1), "`UNNAMED`: {name}");
    }
    let asserted = asserted();
    // Types of one name are asserted by different paths.
    let paths_of = |name: &str| asserted.iter().filter(|path| last(path) == name).count();
    defined.retain(|name, count| paths_of(name) < *count);
    assert!(defined.is_empty(), "too few assertions; types of each name: {defined:?}");
}

/// All source files but this one.
fn sources(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(sources(&path)?);
        } else if !path.ends_with("auto_traits.rs") {
            files.push(path);
        }
    }
    Ok(files)
}

/// The names of the public types that a file defines, or that its calls of macros do. In such a
/// call, the first name after each documentation is that of a type, or before `of`.
fn types_of(text: &str) -> Vec<String> {
    let kinds = ["pub struct ", "pub enum ", "pub union ", "pub type "];
    let written = text.lines().map(str::trim_start).filter(|line| !line.starts_with("//"));
    let written = written.filter_map(|line| kinds.iter().find_map(|kind| line.strip_prefix(kind)));
    // (A function that does not return is no macro.)
    let text = text.replace("-> ! {", "");
    let calls = text.split("! {\n").skip(1).map(|call| call.split("\n}").next().unwrap());
    let declared = calls.flat_map(documented).filter(|line| !line.contains("static "));
    written.chain(declared).filter_map(type_name).collect()
}

/// The lines that follow documentation, and those whose next line begins with `of`.
fn documented(call: &str) -> impl Iterator<Item = &str> {
    let lines = || call.lines().map(str::trim_start);
    let is_doc = |line: &str| line.starts_with("///");
    lines().zip(lines().skip(1)).filter_map(move |(line, next)| match next.starts_with("of ") {
        true => Some(line),
        false => (is_doc(line) && !is_doc(next)).then_some(next),
    })
}

/// The first word that can be the name of a type. Macros have a word or two before it.
fn type_name(line: &str) -> Option<String> {
    let words = words(line);
    let is_name =
        |word: &&&str| word.starts_with(char::is_uppercase) && word.contains(char::is_lowercase);
    words.iter().find(is_name).map(|word| word.to_string())
}

fn words(text: &str) -> Vec<&str> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.split(|c| !is_part(c)).filter(|word| !word.is_empty()).collect()
}

/// The last segment of a path.
fn last(path: &str) -> &str {
    path.rsplit(':').next().unwrap()
}

/// The paths of the types in this file's assertions, models left out.
fn asserted() -> BTreeSet<&'static str> {
    let mut asserted = BTreeSet::new();
    let text = include_str!("auto_traits.rs");
    // Those within the macros are indented.
    for call in ["\nexactly! {", "\nsame! {", "\nas_parts! {", "\nsame_if_sent! {"] {
        let calls = text.split(call).skip(1);
        let blocks = calls.map(|block| block.split('}').next().unwrap());
        let types = blocks.flat_map(|block| block.split([',', ';', '\n']));
        asserted.extend(types.map(|line| line.trim_start().split([' ', '<']).next().unwrap()));
    }
    asserted
}

#[test]
fn pools_and_handles_cross_catch_unwind_as_they_are() {
    let pool = ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    assert!(catch_unwind(|| pool.install(|| panic!("boom"))).is_err());
    let handle = pool.spawn(|| 1);
    assert_eq!(catch_unwind(|| handle.join().unwrap()).unwrap(), 1);
    pool.scope(|s| {
        let handle = s.spawn(|| panic!("boom"));
        assert!(catch_unwind(|| handle.join().unwrap()).is_err());
        assert_eq!(catch_unwind(|| s.spawn(|| 2).join().unwrap()).unwrap(), 2);
    });
}
