//! Random chains of adaptors have the same outcome on a serial vector, in filch and in rayon: the
//! same items in the same order, the same length after each step, and as many calls of the
//! closures. A panic in one of the closures arrives, and no item is left behind.
//!
//! A chain is a list of [`Step`]s. Each is applied to a parallel iterator whose type is erased. Its
//! producer is still that of the adaptors before, so the adaptors work on each other.

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::everywhere::everywhere;
use proptest::prelude::*;

/// The items of chains.
trait Elem: Clone + Debug + PartialEq + Send + Sync + 'static {
    /// The item with that number. It keeps a clone of `alive`.
    fn new(number: u32, alive: &Arc<()>) -> Self;
    fn number(&self) -> u32;
    fn set_number(&mut self, number: u32);

    fn with(mut self, number: u32) -> Self {
        self.set_number(number);
        self
    }
}

/// A number that counts as alive until it is dropped.
#[derive(Clone, Debug)]
struct Counted(u32, #[allow(dead_code, reason = "it is counted")] Arc<()>);

impl PartialEq for Counted {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Elem for Counted {
    fn new(number: u32, alive: &Arc<()>) -> Self {
        Counted(number, alive.clone())
    }

    fn number(&self) -> u32 {
        self.0
    }

    fn set_number(&mut self, number: u32) {
        self.0 = number;
    }
}

/// Items without a size.
impl Elem for () {
    fn new(_: u32, _: &Arc<()>) -> Self {}

    fn number(&self) -> u32 {
        0
    }

    fn set_number(&mut self, _: u32) {}
}

/// A step of a chain. The numbers are sizes, or lengths of another iterator.
#[derive(Clone, Copy, Debug)]
enum Step {
    Map,
    MapWith,
    Update,
    Enumerate,
    Rev,
    Skip(usize),
    Take(usize),
    EveryNth(usize),
    Chunks(usize),
    FoldChunks(usize),
    Zip(usize),
    ZipSelf,
    Chain(usize),
    Interleave(usize),
    InterleaveShortest(usize),
    Intersperse,
    MinLen(usize),
    MaxLen(usize),
    Fuse,
    /// Two steps that lose the positions. Their items are collected, and the chain goes on with
    /// them.
    Loose(Loose, Loose),
}

#[derive(Clone, Copy, Debug)]
enum Loose {
    Filter,
    FlatMapIter,
    FlatMap,
    Intersperse,
}

impl Step {
    /// Whether rayon 1.12 is an oracle for this step. Its `intersperse` may put an element before
    /// the first item, if the pieces before that item are empty.
    fn is_right_by_rayon(self) -> bool {
        !matches!(self, Step::Loose(_, Loose::Intersperse))
    }

    /// Whether the step asks for every item that reaches it.
    fn is_total(self) -> bool {
        use Step::*;
        !matches!(self, Take(_) | EveryNth(_) | Zip(_) | InterleaveShortest(_))
    }
}

fn loose() -> impl Strategy<Value = Loose> {
    use Loose::*;
    prop::sample::select(&[Filter, FlatMapIter, FlatMap, Intersperse][..])
}

fn step() -> impl Strategy<Value = Step> {
    use Step::*;
    let plain = [Map, MapWith, Update, Enumerate, Rev, ZipSelf, Intersperse, Fuse];
    let sized = [Skip, Take, Zip, Chain, Interleave, InterleaveShortest];
    let positive = [EveryNth, Chunks, FoldChunks, MinLen, MaxLen];
    prop_oneof![
        8 => prop::sample::select(plain.to_vec()),
        6 => (prop::sample::select(sized.to_vec()), 0..60_usize).prop_map(|(step, n)| step(n)),
        5 => (prop::sample::select(positive.to_vec()), 1..9_usize).prop_map(|(step, n)| step(n)),
        2 => (loose(), loose()).prop_map(|(a, b)| Loose(a, b)),
    ]
}

/// The state of a run of a chain.
struct Run {
    alive: Arc<()>,
    /// How often the closure of each step was called.
    calls: Vec<AtomicUsize>,
    /// The step, and the call of its closure, that panics.
    bang: Option<(usize, usize)>,
}

impl Run {
    fn new(steps: &[Step], bang: Option<(usize, usize)>) -> Self {
        let calls = steps.iter().map(|_| AtomicUsize::new(0)).collect();
        Run { alive: Arc::new(()), calls, bang }
    }

    fn items<T: Elem>(&self, len: usize) -> Vec<T> {
        (0..len as u32).map(|number| T::new(number, &self.alive)).collect()
    }

    /// What the closure of a step returns for a number.
    fn call(&self, step: usize, number: u32) -> u32 {
        let call = self.calls[step].fetch_add(1, Relaxed);
        if self.bang == Some((step, call)) {
            panic!("bang");
        }
        number.wrapping_mul(31).wrapping_add(step as u32)
    }

    fn calls(&self) -> Vec<usize> {
        self.calls.iter().map(|calls| calls.load(Relaxed)).collect()
    }
}

fn mixed(a: u32, b: u32) -> u32 {
    a.wrapping_mul(17).wrapping_add(b)
}

fn is_kept<T: Elem>(item: &T) -> bool {
    item.number() % 3 != 1
}

fn repeated<T: Elem>(item: &T) -> Vec<T> {
    vec![item.clone(); item.number() as usize % 3]
}

/// A step on a vector.
fn serial<T: Elem>(run: &Run, items: Vec<T>, at: usize, step: Step) -> Vec<T> {
    let mix = |(a, b): (T, u32)| {
        let number = mixed(a.number(), b);
        a.with(number)
    };
    let other = |len| run.items::<T>(len);
    let fold = |chunk: &[T], first: &T| {
        first.clone().with(chunk.iter().fold(7, |so_far, item| mixed(so_far, item.number())))
    };
    match step {
        Step::Map | Step::MapWith | Step::Update => {
            let changed = |item: T| {
                let number = run.call(at, item.number());
                item.with(number)
            };
            items.into_iter().map(changed).collect()
        }
        Step::Enumerate => items.into_iter().zip(0..).map(mix).collect(),
        Step::Rev => items.into_iter().rev().collect(),
        Step::Skip(n) => items.into_iter().skip(n).collect(),
        Step::Take(n) => items.into_iter().take(n).collect(),
        Step::EveryNth(n) => items.into_iter().step_by(n).collect(),
        Step::Chunks(n) => items.chunks(n).map(|chunk| chunk[chunk.len() - 1].clone()).collect(),
        Step::FoldChunks(n) => items.chunks(n).map(|chunk| fold(chunk, &chunk[0])).collect(),
        Step::Zip(len) => {
            items.into_iter().zip(other(len)).map(|(a, b)| mix((a, b.number()))).collect()
        }
        Step::ZipSelf => {
            items.into_iter().map(|a| (a.number(), a)).map(|(b, a)| mix((a, b))).collect()
        }
        Step::Chain(len) => items.into_iter().chain(other(len)).collect(),
        Step::Interleave(len) => {
            let (mut a, mut b) = (items.into_iter(), other(len).into_iter());
            let mut all = Vec::new();
            while a.len() + b.len() > 0 {
                all.extend(a.next());
                all.extend(b.next());
            }
            all
        }
        Step::InterleaveShortest(len) => {
            let mut b = other(len).into_iter();
            let mut all = Vec::new();
            for item in items {
                all.push(item);
                let Some(item) = b.next() else { break };
                all.push(item);
            }
            all
        }
        Step::Intersperse => interspersed(run, items),
        Step::MinLen(_) | Step::MaxLen(_) | Step::Fuse => items,
        Step::Loose(a, b) => serial_loose(run, serial_loose(run, items, a), b),
    }
}

fn serial_loose<T: Elem>(run: &Run, items: Vec<T>, step: Loose) -> Vec<T> {
    match step {
        Loose::Filter => items.into_iter().filter(is_kept).collect(),
        Loose::FlatMapIter | Loose::FlatMap => items.iter().flat_map(repeated).collect(),
        Loose::Intersperse => interspersed(run, items),
    }
}

fn interspersed<T: Elem>(run: &Run, items: Vec<T>) -> Vec<T> {
    let mut all = Vec::new();
    for item in items {
        if !all.is_empty() {
            all.push(T::new(99, &run.alive));
        }
        all.push(item);
    }
    all
}

/// The steps on parallel iterators, written once for both libraries.
macro_rules! library {
    ($name:ident, $library:ident) => {
        mod $name {
            use $library::iter::plumbing::{
                Consumer, Producer, ProducerCallback, UnindexedConsumer, bridge,
            };
            use $library::prelude::*;

            use super::{Elem, Loose, Run, Step, is_kept, mixed, repeated};

            /// An iterator whose type is erased.
            pub struct Stage<'run, T>(Box<dyn Erased<T> + Send + 'run>);

            trait Erased<T> {
                fn length(&self) -> usize;
                fn lend(self: Box<Self>, callback: &mut dyn FnMut(Part<'_, T>));
            }

            impl<I: IndexedParallelIterator> Erased<I::Item> for I {
                fn length(&self) -> usize {
                    self.len()
                }

                fn lend(self: Box<Self>, callback: &mut dyn FnMut(Part<'_, I::Item>)) {
                    struct Call<'c, T>(&'c mut dyn FnMut(Part<'_, T>));
                    impl<T> ProducerCallback<T> for Call<'_, T> {
                        type Output = ();
                        fn callback<P: Producer<Item = T>>(self, producer: P) {
                            (self.0)(Part(Box::new(producer)));
                        }
                    }
                    self.with_producer(Call(callback));
                }
            }

            /// A producer whose type is erased.
            struct Part<'a, T>(Box<dyn ErasedPart<'a, T> + Send + 'a>);

            trait ErasedPart<'a, T> {
                fn lens(&self) -> (usize, usize);
                fn walk(self: Box<Self>) -> Box<dyn Walk<T> + 'a>;
                fn cut(self: Box<Self>, at: usize) -> (Part<'a, T>, Part<'a, T>);
            }

            impl<'a, P: Producer + 'a> ErasedPart<'a, P::Item> for P {
                fn lens(&self) -> (usize, usize) {
                    (self.min_len(), self.max_len())
                }

                fn walk(self: Box<Self>) -> Box<dyn Walk<P::Item> + 'a> {
                    Box::new(self.into_iter())
                }

                fn cut(self: Box<Self>, at: usize) -> (Part<'a, P::Item>, Part<'a, P::Item>) {
                    let (left, right) = self.split_at(at);
                    (Part(Box::new(left)), Part(Box::new(right)))
                }
            }

            trait Walk<T>: DoubleEndedIterator<Item = T> + ExactSizeIterator {}
            impl<T, I: DoubleEndedIterator<Item = T> + ExactSizeIterator> Walk<T> for I {}

            impl<'a, T> Producer for Part<'a, T> {
                type Item = T;
                type IntoIter = Box<dyn Walk<T> + 'a>;

                fn into_iter(self) -> Self::IntoIter {
                    self.0.walk()
                }

                fn min_len(&self) -> usize {
                    self.0.lens().0
                }

                fn max_len(&self) -> usize {
                    self.0.lens().1
                }

                fn split_at(self, index: usize) -> (Self, Self) {
                    self.0.cut(index)
                }
            }

            impl<T: Send> ParallelIterator for Stage<'_, T> {
                type Item = T;

                fn drive_unindexed<C: UnindexedConsumer<T>>(self, consumer: C) -> C::Result {
                    bridge(self, consumer)
                }

                fn opt_len(&self) -> Option<usize> {
                    Some(self.0.length())
                }
            }

            impl<T: Send> IndexedParallelIterator for Stage<'_, T> {
                fn len(&self) -> usize {
                    self.0.length()
                }

                fn drive<C: Consumer<T>>(self, consumer: C) -> C::Result {
                    bridge(self, consumer)
                }

                fn with_producer<CB: ProducerCallback<T>>(self, callback: CB) -> CB::Output {
                    let (mut callback, mut output) = (Some(callback), None);
                    self.0.lend(&mut |part| {
                        output = callback.take().map(|callback| callback.callback(part));
                    });
                    output.expect("the callback was called")
                }
            }

            fn stage<'run, I>(iter: I) -> Stage<'run, I::Item>
            where
                I: IndexedParallelIterator + 'run,
            {
                Stage(Box::new(iter))
            }

            fn parallel<'run, T: Elem>(
                run: &'run Run,
                items: Stage<'run, T>,
                at: usize,
                step: Step,
            ) -> Stage<'run, T> {
                let mix = |(a, b): (T, usize)| {
                    let number = mixed(a.number(), b as u32);
                    a.with(number)
                };
                let changed = move |item: T| {
                    let number = run.call(at, item.number());
                    item.with(number)
                };
                let fold = |so_far: Option<T>, item: T| {
                    let number = mixed(so_far.as_ref().map_or(7, Elem::number), item.number());
                    Some(so_far.unwrap_or(item).with(number))
                };
                // After a panic, `panic_fuse` cuts chunks short, even to nothing.
                let missing = || T::new(0, &run.alive);
                let other = |len| run.items::<T>(len).into_par_iter();
                match step {
                    Step::Map => stage(items.map(changed)),
                    Step::MapWith => stage(items.map_with((), move |(), item| changed(item))),
                    Step::Update => stage(items.update(move |item: &mut T| {
                        item.set_number(run.call(at, item.number()));
                    })),
                    Step::Enumerate => {
                        stage(items.enumerate().map(move |(i, item)| mix((item, i))))
                    }
                    Step::Rev => stage(items.rev()),
                    Step::Skip(n) => stage(items.skip(n)),
                    Step::Take(n) => stage(items.take(n)),
                    Step::EveryNth(n) => stage(items.step_by(n)),
                    Step::Chunks(n) => stage(
                        items.chunks(n).map(move |mut chunk| chunk.pop().unwrap_or_else(missing)),
                    ),
                    Step::FoldChunks(n) => {
                        let folded = items.fold_chunks(n, || None, fold);
                        stage(folded.map(move |item: Option<T>| item.unwrap_or_else(missing)))
                    }
                    Step::Zip(len) => {
                        let zipped = items.zip(other(len));
                        stage(zipped.map(move |(a, b)| mix((a, b.number() as usize))))
                    }
                    Step::ZipSelf => {
                        let items: Vec<T> = items.collect();
                        let numbers: Vec<_> = items.par_iter().map(Elem::number).collect();
                        let zipped = items.into_par_iter().zip_eq(numbers);
                        stage(zipped.map(move |(a, b)| mix((a, b as usize))))
                    }
                    Step::Chain(len) => stage(items.chain(other(len))),
                    Step::Interleave(len) => stage(items.interleave(other(len))),
                    Step::InterleaveShortest(len) => stage(items.interleave_shortest(other(len))),
                    Step::Intersperse => stage(items.intersperse(T::new(99, &run.alive))),
                    Step::MinLen(n) => stage(items.with_min_len(n)),
                    Step::MaxLen(n) => stage(items.with_max_len(n)),
                    Step::Fuse => stage(items.panic_fuse()),
                    Step::Loose(a, b) => {
                        let items: Vec<T> = match a {
                            Loose::Filter => loose(run, items.filter(is_kept), b),
                            Loose::FlatMapIter => {
                                loose(run, items.flat_map_iter(|item| repeated(&item)), b)
                            }
                            Loose::FlatMap => loose(run, items.flat_map(|item| repeated(&item)), b),
                            Loose::Intersperse => {
                                loose(run, items.intersperse(T::new(99, &run.alive)), b)
                            }
                        };
                        stage(items.into_par_iter())
                    }
                }
            }

            fn loose<T: Elem>(
                run: &Run,
                items: impl ParallelIterator<Item = T>,
                step: Loose,
            ) -> Vec<T> {
                match step {
                    Loose::Filter => items.filter(is_kept).collect(),
                    Loose::FlatMapIter => items.flat_map_iter(|item| repeated(&item)).collect(),
                    Loose::FlatMap => items.flat_map(|item| repeated(&item)).collect(),
                    Loose::Intersperse => items.intersperse(T::new(99, &run.alive)).collect(),
                }
            }

            /// The items at the end, and the lengths after each step.
            pub fn chain<T: Elem>(run: &Run, len: usize, steps: &[Step]) -> (Vec<T>, Vec<usize>) {
                let mut items = stage(run.items(len).into_par_iter());
                let mut lens = Vec::new();
                for (at, step) in steps.iter().enumerate() {
                    items = parallel(run, items, at, *step);
                    lens.push(items.len());
                }
                (items.collect(), lens)
            }
        }
    };
}

library!(by_filch, filch);
library!(by_rayon, rayon);

fn serial_chain<T: Elem>(run: &Run, len: usize, steps: &[Step]) -> (Vec<T>, Vec<usize>) {
    let mut items = run.items(len);
    let mut lens = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        items = serial(run, items, at, *step);
        lens.push(items.len());
    }
    (items, lens)
}

/// A chain in rayon.
type ByRayon<T> = fn(&Run, usize, &[Step]) -> (Vec<T>, Vec<usize>);

/// Compares all three, without panics. For items without a size, rayon is left out: it could only
/// count them.
fn check<T: Elem>(len: usize, steps: &[Step], by_rayon: Option<ByRayon<T>>) {
    let run = Run::new(steps, None);
    let expected: (Vec<T>, _) = serial_chain(&run, len, steps);
    let most = run.calls();
    if let Some(chain) = by_rayon.filter(|_| steps.iter().all(|step| step.is_right_by_rayon())) {
        assert_eq!(chain(&Run::new(steps, None), len, steps), expected, "rayon");
    }
    everywhere(|| {
        let run = Run::new(steps, None);
        assert_eq!(by_filch::chain::<T>(&run, len, steps), expected, "filch");
        assert_eq!(Arc::strong_count(&run.alive), 1);
        // Each closure was called once for each item that reached it and was asked for.
        for (at, (calls, most)) in run.calls().into_iter().zip(&most).enumerate() {
            assert!(calls <= *most, "step {at}: {calls} of {most} calls");
            if steps[at..].iter().all(|step| step.is_total()) {
                assert_eq!(calls, *most, "step {at}");
            }
        }
    });
}

/// Checks a chain in which the `call`-th call of the closure of step `at` panics, if there is such
/// a call.
fn check_panic<T: Elem>(len: usize, steps: &[Step], bang: (usize, usize)) {
    everywhere(|| {
        let run = Run::new(steps, Some(bang));
        let chain = || by_filch::chain::<T>(&run, len, steps);
        let result = catch_unwind(AssertUnwindSafe(chain)).map(drop);
        let called = run.calls()[bang.0];
        assert_eq!(result.is_err(), called > bang.1, "{called} calls");
        if let Err(payload) = result {
            assert_eq!(payload.downcast_ref(), Some(&"bang"));
        }
        assert_eq!(Arc::strong_count(&run.alive), 1);
    });
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 0..7)
}

/// Few items, some, and so many that a loop is divided while it runs.
fn len() -> impl Strategy<Value = usize> {
    prop_oneof![0..4_usize, 0..100_usize, 1000..3000_usize]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn chains_match_serial_ones_and_those_of_rayon(len in len(), steps in steps()) {
        check::<Counted>(len, &steps, Some(by_rayon::chain));
    }

    #[test]
    fn chains_of_items_without_size(len in len(), steps in steps()) {
        check::<()>(len, &steps, None);
    }

    #[test]
    fn panics_in_chains_leave_nothing_behind(
        len in len(),
        before in steps(),
        panics in prop::sample::select(&[Step::Map, Step::MapWith, Step::Update][..]),
        after in steps(),
        call in 0..200_usize,
    ) {
        let steps = [&before[..], &[panics], &after].concat();
        check_panic::<Counted>(len, &steps, (before.len(), call));
    }
}
