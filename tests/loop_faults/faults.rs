//! A panic in any user code of a loop, a slice operation or a sort arrives at the caller. Every
//! element is dropped once, and a slice that is changed in place stays whole. This is tried with a
//! panic at each call of user code in turn, and with panics at all calls from a certain one on.

#![allow(
    clippy::mutable_key_type,
    reason = "the order of elements does not depend on what changes"
)]
#![allow(dropping_copy_types, reason = "results are dropped, whatever they are")]

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, LinkedList, VecDeque};
use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::common::{is_simulated, say, watchdog};
use crate::driven::{Driven, F, Hashing, INJECTED, Item, Keeps, Points, Total};
use filch::CancelToken;
use filch::iter::{self, Either};
use filch::prelude::*;

/// Lengths. The last one is driven in strides, and is long enough that loops are cut.
fn lens() -> &'static [usize] {
    if is_simulated() { &[0, 1, 5, 20] } else { &[0, 1, 5, 24, 200] }
}

/// Makes two tests of each function: one with panics in calls, and one with panics in drops.
macro_rules! tests {
    ($($name:ident)*) => {
        mod calls {
            $(
                #[test]
                fn $name() {
                    super::test(super::Points::Calls, super::$name);
                }
            )*
        }

        /// If a drop panics in a frame that is about to return a value, the language leaks that
        /// value (rust-lang/rust#47949). Iterators drop what is left over before that. The
        /// operations in `LEAKY`, and the callers of sorts, do not. So leak checkers must skip this
        /// module.
        mod drops_and_what_is_leaked_on_purpose {
            $(
                #[test]
                fn $name() {
                    super::test(super::Points::Drops, super::$name);
                }
            )*
        }
    };
}

tests! {
    adaptors_with_positions
    other_adaptors
    ends
    collections_are_made
    hash_tables
    sources
    strings
    slices_are_read
    slices_and_vectors_are_changed
    sorts_of_small_elements
    sorts_of_large_elements
    sorts_that_merge_in_parallel
}

thread_local! {
    static POINTS: Cell<Points> = const { Cell::new(Points::Calls) };
}

/// Which points panic in the calling test.
fn points() -> Points {
    POINTS.get()
}

fn test(points: Points, operations: fn()) {
    let _watchdog = watchdog();
    POINTS.set(points);
    operations();
    say(&format!("{} panics by now", INJECTED.load(Relaxed)));
}

/// Operations that may leak an element if the drop of another one panics, as those of std may: when
/// the loser of two elements is dropped, the winner is leaked; when a key is in a hash table
/// already, the value is. `Result` leaks in the expression of the test itself.
const LEAKY: [&str; 8] =
    ["min", "max", "min_by", "max_by", "min_by_key", "max_by_key", "HashMap", "Result"];

/// Drives operations on elements `$items`. For each operation, names the kinds of points that it
/// has at least. When its result is dropped, the operation is over, so these drops are no points.
macro_rules! driven {
    ($($name:literal $kinds:literal |$fault:ident, $items:pat_param| $op:expr;)*) => {$(
        driven!(@ lens(), LEAKY.contains(&$name), $name, $kinds, |$fault, $items| $op);
    )*};
    (
        @ $lens:expr, $leaks:expr, $name:expr, $kinds:expr,
        |$fault:ident, $items:pat_param| $op:expr
    ) => {
        let driven = Driven {
            name: $name, kinds: $kinds, lens: $lens, points: points(), leaks: $leaks, threads: None,
        };
        driven.drive(&|$fault: F, len| {
            let $items: Vec<Item> = $fault.items(len);
            $fault.arm();
            let result = $op;
            $fault.disarm();
            drop(result);
        });
    };
}

/// The same for parallel iterators, with several ends. Each end is compiled for each iterator, so
/// `for_each` is only in release builds: `ci/long`.
macro_rules! driven_iters {
    ($($name:literal $kinds:literal |$fault:ident, $items:pat_param| $iter:expr;)*) => {$(
        driven! {
            $name $kinds |$fault, $items| $iter.collect::<Vec<_>>();
            $name "end" |$fault, $items| {
                $iter.filter(|_| { $fault.at("end"); true }).collect::<Vec<_>>()
            };
        }
        #[cfg(not(debug_assertions))]
        driven! {
            $name "end drop" |$fault, $items| {
                $iter.for_each(|item| {
                    $fault.at("end");
                    drop(item);
                })
            };
        }
    )*};
}

/// The same for indexed iterators.
macro_rules! driven_indexed {
    ($($name:literal $kinds:literal |$fault:ident, $items:pat_param| $iter:expr;)*) => {
        driven_iters! { $($name $kinds |$fault, $items| $iter;)* }
        driven! {
            $(
                $name $kinds |$fault, $items| {
                    let push = |mut all: Vec<_>, item| { all.push(item); all };
                    $iter.rev().fold(Vec::new, push).flatten_iter().collect::<Vec<_>>()
                };
                $name "end" |$fault, $items| {
                    let cut = $iter.zip(0..1_000_000_usize).step_by(2).with_max_len(2);
                    cut.map($fault.pass("end")).collect::<Vec<_>>()
                };
            )*
        }
        #[cfg(not(debug_assertions))]
        driven! {
            $(
                $name "end drop" |$fault, $items| $iter.rev().for_each(|item| {
                    $fault.at("end");
                    drop(item);
                });
            )*
        }
    };
}

fn adaptors_with_positions() {
    driven_indexed! {
        "map" "map" |f, items| items.into_par_iter().map(f.pass("map"));
        "inspect" "inspect" |f, items| items.into_par_iter().inspect(|_| f.at("inspect"));
        "update" "update" |f, items| items.into_par_iter().update(|_| f.at("update"));
        "cloned" "clone" |f, items| (&items).into_par_iter().cloned();
        "enumerate" "drop" |f, items| items.into_par_iter().enumerate().skip(3);
        "zip" "drop" |f, items| {
            let other = f.calmly(|| f.items::<0>(items.len() * 2 / 3));
            items.into_par_iter().zip(other)
        };
        "zip_eq" "map" |f, items| {
            let other = f.calmly(|| f.items::<0>(items.len()));
            items.into_par_iter().zip_eq(other).map(f.pass("map"))
        };
        "interleave" "drop" |f, items| {
            let other = f.calmly(|| f.items(items.len() / 3));
            items.into_par_iter().interleave(other).skip(2)
        };
        "interleave_shortest" "drop" |f, items| {
            let other = f.calmly(|| f.items(items.len() / 3));
            items.into_par_iter().interleave_shortest(other)
        };
        "chain" "map" |f, items| {
            let other = f.calmly(|| f.items(items.len() / 2));
            items.into_par_iter().chain(other.into_par_iter().map(f.pass("map")))
        };
        "chunks" "map" |f, items| items.into_par_iter().map(f.pass("map")).chunks(3);
        "fold_chunks" "identity fold drop" |f, items| {
            let identity = || { f.at("identity"); None };
            items.into_par_iter().fold_chunks(3, identity, |sum, item| {
                drop(sum);
                f.at("fold");
                Some(item)
            })
        };
        "fold_chunks_with" "clone fold drop" |f, items| {
            let seed = f.calmly(|| f.item::<0>(1));
            items.into_par_iter().fold_chunks_with(3, seed, f.last("fold"))
        };
        "step_by" "drop" |f, items| items.into_par_iter().step_by(3);
        "skip" "drop" |f, items| items.into_par_iter().skip(4);
        "take" "drop" |f, items| items.into_par_iter().take(4);
        "skip and take of a map" "map" |f, items| {
            items.into_par_iter().map(f.pass("map")).skip(2).take(20)
        };
        "rev" "map" |f, items| items.into_par_iter().rev().map(f.pass("map"));
        "with_min_len" "map" |f, items| items.into_par_iter().map(f.pass("map")).with_min_len(9);
        "with_max_len" "map" |f, items| items.into_par_iter().map(f.pass("map")).with_max_len(1);
        "panic_fuse" "map" |f, items| items.into_par_iter().map(f.pass("map")).panic_fuse();
        "intersperse" "clone map" |f, items| {
            let element = f.calmly(|| f.item(1));
            items.into_par_iter().map(f.pass("map")).intersperse(element)
        };
        "map_init" "init map" |f, items| {
            let init = || { f.at("init"); f.item::<0>(3) };
            items.into_par_iter().map_init(init, |_, item| { f.at("map"); item }).with_max_len(3)
        };
        "map_with" "clone map drop" |f, items| {
            let seed = f.calmly(|| f.item(1));
            let map = |seed: &mut Item, item| { f.at("map"); std::mem::replace(seed, item) };
            items.into_par_iter().map_with(seed, map).with_max_len(3)
        };
    }
}

fn other_adaptors() {
    driven_iters! {
        "filter" "filter drop" |f, items| {
            items.into_par_iter().filter(f.test("filter", |n| n % 3 > 0))
        };
        "filter_map" "map drop" |f, items| {
            items.into_par_iter().filter_map(|item| {
                f.at("map");
                (item.key() % 2 > 0).then_some(item)
            })
        };
        "flat_map" "map map2 drop" |f, items| {
            items.into_par_iter().flat_map(|item| {
                f.at("map");
                vec![item.twin(), item].into_par_iter().map(f.pass("map2"))
            }).skip_any(1)
        };
        "flat_map_iter" "map next" |f, items| {
            items.into_par_iter().flat_map_iter(|item| {
                f.at("map");
                f.serial(vec![item.twin(), item])
            })
        };
        "flatten" "drop" |f, items| items.into_par_iter().chunks(3).flatten().skip_any(2);
        "flatten_iter" "next" |f, items| {
            items.into_par_iter().map(|item| f.serial(vec![item])).flatten_iter()
        };
        "fold" "identity fold drop" |f, items| {
            let identity = || { f.at("identity"); f.item(1) };
            items.into_par_iter().with_max_len(3).fold(identity, f.last("fold"))
        };
        "fold_with" "clone fold drop" |f, items| {
            let seed = f.calmly(|| f.item(1));
            items.into_par_iter().with_max_len(3).fold_with(seed, f.last("fold"))
        };
        "try_fold" "identity fold drop" |f, items| {
            let identity = || { f.at("identity"); f.item::<0>(1) };
            items.into_par_iter().with_max_len(3).try_fold(identity, |sum, item| {
                f.at("fold");
                let fits = item.key() % 4 > 0;
                let (stays, goes) = if fits { (Ok(item), sum) } else { (Err(sum), item) };
                drop(goes);
                stays
            })
        };
        "try_fold_with" "clone fold drop" |f, items| {
            let seed = f.calmly(|| f.item::<0>(1));
            items.into_par_iter().with_max_len(3).try_fold_with(seed, |sum, item| {
                drop(sum);
                f.at("fold");
                (item.key() % 4 > 0).then_some(item)
            })
        };
        "while_some" "map" |f, items| {
            items.into_par_iter().map(|item| {
                f.at("map");
                (item.key() != 50).then_some(item)
            }).while_some()
        };
        "take_any of a chain" "map drop" |f, items| {
            let others = f.calmly(|| f.items(40));
            items.into_par_iter().map(f.pass("map")).chain(others).with_max_len(9).take_any(3)
        };
        "take_any" "map drop" |f, items| items.into_par_iter().map(f.pass("map")).take_any(4);
        "skip_any" "map drop" |f, items| items.into_par_iter().map(f.pass("map")).skip_any(4);
        "take_any_while" "test drop" |f, items| {
            items.into_par_iter().take_any_while(f.test("test", |n| n != 50))
        };
        "skip_any_while" "test drop" |f, items| {
            items.into_par_iter().skip_any_while(f.test("test", |n| n < 90))
        };
        "by_uniform_blocks" "map" |f, items| {
            items.into_par_iter().map(f.pass("map")).by_uniform_blocks(6)
        };
        "by_exponential_blocks" "map" |f, items| {
            items.into_par_iter().map(f.pass("map")).by_exponential_blocks()
        };
        "map_while" "map" |f, items| {
            items.into_par_iter().map_while(|item| {
                f.at("map");
                (item.key() != 50).then_some(item)
            })
        };
        "deterministic" "map" |f, items| {
            items.into_par_iter().map(f.pass("map")).with_max_len(7).deterministic()
        };
        "num_threads" "map" |f, items| items.into_par_iter().map(f.pass("map")).num_threads(2);
        "num_threads of a chain" "map filter" |f, items| {
            let other = f.calmly(|| f.items(items.len() / 2));
            let other = other.into_par_iter().filter(f.test("filter", |n| n % 3 > 0));
            items.into_par_iter().map(f.pass("map")).num_threads(1).chain(other)
        };
        "intersperse of a filter" "clone filter drop" |f, items| {
            let element = f.calmly(|| f.item(1));
            items.into_par_iter().filter(f.test("filter", |n| n % 3 > 0)).intersperse(element)
        };
        "chain of a filter" "filter drop" |f, items| {
            let other = f.calmly(|| f.items(items.len() / 2));
            items.into_par_iter().filter(f.test("filter", |n| n % 3 > 0)).chain(other)
        };
        "map_with of a filter" "filter map drop clone" |f, items| {
            let seed = f.calmly(|| f.item(1));
            let map = |seed: &mut Item, item| { f.at("map"); std::mem::replace(seed, item) };
            items.into_par_iter().filter(f.test("filter", |n| n % 3 > 0)).map_with(seed, map)
        };
    }
    driven! {
        "positions" "test drop" |f, items| {
            items.into_par_iter().positions(|item| {
                f.at("test");
                item.key() % 2 > 0
            }).collect::<Vec<_>>()
        };
        "cancel_with" "map" |f, items| {
            let token = CancelToken::new();
            let map = |item: Item| {
                f.at("map");
                if item.key() == 50 {
                    token.cancel();
                }
                item
            };
            let items = items.into_par_iter().map(map);
            items.cancel_with(&token, |items| items.collect::<Vec<_>>())
        };
        "for_each_ordered" "map each drop" |f, items| {
            let each = |item| { f.at("each"); drop(item) };
            items.into_par_iter().map(f.pass("map")).for_each_ordered(3, each)
        };
        "for_each_ordered in larger tickets" "clone each" |f, items| {
            let seed = f.calmly(|| f.item(1));
            let replace = |seed: &mut Item, item| std::mem::replace(seed, item);
            let items = items.into_par_iter().map_with(seed, replace);
            items.for_each_ordered(100, |item| { f.at("each"); drop(item) })
        };
        "loops in loops" "map drop" |f, items| {
            items.into_par_iter().for_each(|item| {
                let inner = f.calmly(|| f.items::<0>(5));
                inner.into_par_iter().map(f.pass("map")).for_each(drop);
                drop(item);
            })
        };
    }
}

fn ends() {
    driven! {
        "for_each" "each drop" |f, items| {
            items.into_par_iter().for_each(|item| { f.at("each"); drop(item); })
        };
        "for_each_with" "each clone drop" |f, items| {
            let seed = f.calmly(|| f.item::<0>(1));
            items.into_par_iter().for_each_with(seed, |seed, item| { f.at("each"); *seed = item; })
        };
        "for_each_init" "init each drop" |f, items| {
            let init = || { f.at("init"); f.item::<0>(1) };
            items.into_par_iter().for_each_init(init, |seed, item| { f.at("each"); *seed = item; })
        };
        "try_for_each" "each drop" |f, items| {
            items.into_par_iter().try_for_each(|item| {
                f.at("each");
                if item.key() % 10 == 9 { Err(item) } else { Ok(()) }
            })
        };
        "try_for_each_with" "each clone drop" |f, items| {
            let seed = f.calmly(|| f.item::<0>(1));
            items.into_par_iter().try_for_each_with(seed, |seed, item| {
                f.at("each");
                *seed = item;
                if seed.key() % 10 == 9 { Err(seed.clone()) } else { Ok(()) }
            })
        };
        "try_for_each_init" "init each drop" |f, items| {
            let init = || { f.at("init"); f.item::<0>(1) };
            items.into_par_iter().try_for_each_init(init, |seed, item| {
                f.at("each");
                *seed = item;
                match seed.key() {
                    50 => ControlFlow::Break(seed.twin()),
                    _ => ControlFlow::Continue(()),
                }
            })
        };
        "count" "map drop" |f, items| items.into_par_iter().map(f.pass("map")).count();
        "sum" "sum drop" |_f, items| items.into_par_iter().sum::<Total>();
        "product" "product drop" |_f, items| items.into_par_iter().product::<Total>();
        "reduce" "identity reduce drop" |f, items| {
            let identity = || { f.at("identity"); f.item(1) };
            items.into_par_iter().reduce(identity, f.either("reduce"))
        };
        "reduce_with" "reduce drop" |f, items| {
            items.into_par_iter().reduce_with(f.either("reduce"))
        };
        "try_reduce" "identity reduce drop" |f, items| {
            let identity = || { f.at("identity"); f.item::<0>(1) };
            let wrapped = items.into_par_iter().map(Ok::<Item, Item>);
            wrapped.try_reduce(identity, |a, b| {
                f.at("reduce");
                let (stays, goes) = if b.key() == 50 { (Err(b), a) } else { (Ok(a), b) };
                drop(goes);
                stays
            })
        };
        "try_reduce_with" "reduce drop" |f, items| {
            items.into_par_iter().map(Some).try_reduce_with(|a, b| {
                f.at("reduce");
                let stays = b.key() != 50;
                drop(b);
                stays.then_some(a)
            })
        };
        "min" "cmp drop" |_f, items| items.into_par_iter().min();
        "max" "cmp drop" |_f, items| items.into_par_iter().max();
        "min_by" "by drop" |f, items| {
            items.into_par_iter().min_by(|a, b| { f.at("by"); a.key().cmp(&b.key()) })
        };
        "max_by" "by drop" |f, items| {
            items.into_par_iter().max_by(|a, b| { f.at("by"); a.key().cmp(&b.key()) })
        };
        "min_by_key" "key cmp drop" |f, items| {
            items.into_par_iter().min_by_key(|item| { f.at("key"); item.twin() })
        };
        "max_by_key" "key cmp drop" |f, items| {
            items.into_par_iter().max_by_key(|item| { f.at("key"); item.twin() })
        };
        "find_any" "test drop" |f, items| {
            items.into_par_iter().find_any(f.test("test", |n| n == 50))
        };
        "find_first" "test drop" |f, items| {
            items.into_par_iter().find_first(f.test("test", |n| n % 20 == 9))
        };
        "find_last" "test drop" |f, items| {
            items.into_par_iter().find_last(f.test("test", |n| n % 20 == 9))
        };
        "find_map_any" "map drop" |f, items| {
            items.into_par_iter().find_map_any(|item| {
                f.at("map");
                (item.key() == 50).then_some(item)
            })
        };
        "find_map_first" "map drop" |f, items| {
            items.into_par_iter().find_map_first(|item| {
                f.at("map");
                (item.key() % 20 == 9).then_some(item)
            })
        };
        "find_map_last" "map drop" |f, items| {
            items.into_par_iter().find_map_last(|item| {
                f.at("map");
                (item.key() % 20 == 9).then_some(item)
            })
        };
        "any" "test drop" |f, items| {
            items.into_par_iter().any(|item| { f.at("test"); item.key() == 50 })
        };
        "all" "test drop" |f, items| {
            items.into_par_iter().all(|item| { f.at("test"); item.key() != 50 })
        };
        "position_any" "test drop" |f, items| {
            items.into_par_iter().position_any(|item| { f.at("test"); item.key() == 50 })
        };
        "position_first" "test drop" |f, items| {
            items.into_par_iter().position_first(|item| { f.at("test"); item.key() % 20 == 9 })
        };
        "position_last" "test drop" |f, items| {
            items.into_par_iter().position_last(|item| { f.at("test"); item.key() % 20 == 9 })
        };
    }
    /// Comparisons with an iterator that has the same items.
    macro_rules! compared {
        ($($name:literal $kinds:literal $method:ident;)*) => {
            driven! {$(
                $name $kinds |f, items| {
                    let other: Vec<Item> = f.calmly(|| items.iter().map(Item::twin).collect());
                    items.into_par_iter().$method(other)
                };
            )*}
        };
    }
    compared! {
        "cmp" "cmp drop" cmp;
        "partial_cmp" "cmp drop" partial_cmp;
        "eq" "eq drop" eq;
        "ne" "eq drop" ne;
        "lt" "cmp drop" lt;
        "le" "cmp drop" le;
        "gt" "cmp drop" gt;
        "ge" "cmp drop" ge;
    }
}

/// A collection of the user's.
#[derive(Default)]
struct Own(Vec<Item>);

impl ParallelExtend<Item> for Own {
    fn par_extend<I: IntoParallelIterator<Item = Item>>(&mut self, par_iter: I) {
        let pieces = par_iter.into_par_iter().collect_vec_list();
        for item in pieces.into_iter().flatten() {
            item.fault.at("extend");
            self.0.push(item);
        }
    }
}

impl FromParallelIterator<Item> for Own {
    fn from_par_iter<I: IntoParallelIterator<Item = Item>>(par_iter: I) -> Own {
        let mut own = Own::default();
        own.par_extend(par_iter);
        own
    }
}

fn pair(item: Item) -> (Item, Item) {
    let twin = item.twin();
    (item, twin)
}

fn by_side(item: Item) -> Either<Item, Item> {
    if item.key() % 2 > 0 { Either::Left(item) } else { Either::Right(item) }
}

fn collections_are_made() {
    /// Collects items of a known number, and items of an unknown number, and extends a collection.
    macro_rules! collected {
        ($($name:literal $kinds:literal $collection:ty, $map:expr;)*) => {
            driven! {$(
                $name $kinds |f, items| {
                    items.into_par_iter().map(f.pass("map")).map($map).collect::<$collection>()
                };
                $name $kinds |f, items| {
                    let some = items.into_par_iter().filter(f.test("map", |n| n % 5 > 0));
                    some.map($map).collect::<$collection>()
                };
            )*}
        };
    }
    macro_rules! extended {
        ($($name:literal $kinds:literal $collection:ty, $map:expr;)*) => {
            driven! {$(
                $name $kinds |f, items| {
                    let mut all: $collection =
                        f.calmly(|| f.items(3).into_par_iter().map($map).collect());
                    all.par_extend(items.into_par_iter().map(f.pass("map")).map($map));
                    all
                };
                $name $kinds |f, items| {
                    let mut all: $collection =
                        f.calmly(|| f.items(3).into_par_iter().map($map).collect());
                    let some = items.into_par_iter().filter(f.test("map", |n| n % 5 > 0));
                    all.par_extend(some.map($map));
                    all
                };
            )*}
        };
    }
    collected! {
        "Box<[T]>" "map" Box<[Item]>, |item| item;
        "Rc<[T]>" "map" Rc<[Item]>, |item| item;
        "Arc<[T]>" "map" Arc<[Item]>, |item| item;
        "Cow<[T]>" "map" Cow<'_, [Item]>, |item| item;
        "Option<Vec>" "map drop" Option<Vec<Item>>, |item: Item| (item.key() != 50).then_some(item);
        "Result<Vec>" "map drop" Result<Vec<Item>, Item>,
            |item: Item| if item.key() % 20 != 9 { Ok(item) } else { Err(item) };
        "Result<LinkedList>" "map drop" Result<LinkedList<Item>, Item>,
            |item: Item| if item.key() % 20 != 9 { Ok(item) } else { Err(item) };
        "()" "map drop" (), drop;
        "String" "map drop" String, |_| 'x';
        "String of strings" "map drop" String, |_| "word".to_owned();
        "Cow<str>" "map drop" Cow<'_, str>, |_| Cow::Borrowed("word");
    }
    extended! {
        "Vec" "map" Vec<Item>, |item| item;
        "VecDeque" "map" VecDeque<Item>, |item| item;
        "LinkedList" "map" LinkedList<Item>, |item| item;
        "BinaryHeap" "map cmp" BinaryHeap<Item>, |item| item;
        "BTreeSet" "map cmp drop" BTreeSet<Item>, |item| item;
        "BTreeMap" "map cmp drop" BTreeMap<Item, Item>, pair;
        "own collection" "map extend" Own, |item| item;
        "two vectors" "map" (Vec<Item>, Vec<Item>), pair;
        "two collections" "map cmp extend" (BinaryHeap<Item>, Own), pair;
        "vectors by side" "map" (Vec<Item>, Vec<Item>), by_side;
        "collections by side" "map cmp" (LinkedList<Item>, BTreeSet<Item>), by_side;
    }
    driven! {
        "unzip" "map extend" |f, items| {
            items.into_par_iter().map(f.pass("map")).map(pair).unzip::<_, _, Vec<_>, Own>()
        };
        "partition" "test extend" |f, items| {
            items.into_par_iter().partition::<Vec<_>, Own, _>(f.test("test", |n| n % 2 > 0))
        };
        "partition_map" "map" |f, items| {
            let side = |item| { f.at("map"); by_side(item) };
            items.into_par_iter().partition_map::<Vec<_>, LinkedList<_>, _, _, _>(side)
        };
        "collect_vec_list" "filter drop" |f, items| {
            items.into_par_iter().filter(f.test("filter", |n| n % 2 > 0)).collect_vec_list()
        };
        "collect_into_vec" "map drop" |f, items| {
            let mut vec = f.calmly(|| f.items(9));
            items.into_par_iter().map(f.pass("map")).collect_into_vec(&mut vec);
            vec
        };
        "unzip_into_vecs" "map drop" |f, items| {
            let (mut left, mut right) = f.calmly(|| (f.items(9), f.items(50)));
            let pairs = items.into_par_iter().map(f.pass("map")).map(pair);
            pairs.unzip_into_vecs(&mut left, &mut right);
            (left, right)
        };
    }
}

/// If the drop of an element panics inside a hash table, std leaks the table and the elements
/// behind that one.
fn hash_tables() {
    driven! {
        "HashSet" "map hash eq drop" |f, items| {
            items.into_par_iter().map(f.pass("map")).collect::<HashSet<_, Hashing>>()
        };
        "HashMap" "map hash eq drop" |f, items| {
            items.into_par_iter().map(f.pass("map")).map(pair).collect::<HashMap<_, _, Hashing>>()
        };
        "HashSet of a filter" "filter hash eq drop" |f, items| {
            let some = items.into_par_iter().filter(f.test("filter", |n| n % 2 > 0));
            some.collect::<HashSet<_, Hashing>>()
        };
        "HashSet by value" "map drop" |f, items| {
            let set = f.calmly(|| items.into_iter().collect::<HashSet<_, Hashing>>());
            set.into_par_iter().map(f.pass("map")).for_each(drop)
        };
        "HashMap by value" "map drop" |f, items| {
            let set = f.calmly(|| items.into_iter().map(pair).collect::<HashMap<_, _, Hashing>>());
            set.into_par_iter().map(f.pass("map")).for_each(drop)
        };
        "HashSet drained" "map drop" |f, items| {
            let mut set = f.calmly(|| items.into_iter().collect::<HashSet<_, Hashing>>());
            set.par_drain().map(f.pass("map")).for_each(drop);
            f.calmly(|| drop(set));
        };
        "HashMap drained" "map drop" |f, items| {
            let mut map: HashMap<_, _, Hashing> =
                f.calmly(|| items.into_iter().map(pair).collect());
            map.par_drain().map(f.pass("map")).for_each(drop);
            f.calmly(|| drop(map));
        };
        "HashMap by reference" "each" |f, items| {
            let map = f.calmly(|| items.into_iter().map(pair).collect::<HashMap<_, _, Hashing>>());
            map.par_iter().for_each(|_| f.at("each"));
            f.calmly(|| drop(map));
        };
    }
}

fn sources() {
    driven_indexed! {
        "Vec" "drop" |f, items| items.into_par_iter().skip(1);
        "Box<[T]>" "map" |f, items| items.into_boxed_slice().into_par_iter().map(f.pass("map"));
        "VecDeque" "map" |f, items| {
            let mut deque = VecDeque::from(items);
            deque.rotate_left(deque.len() / 3);
            deque.into_par_iter().map(f.pass("map"))
        };
        "BinaryHeap" "map" |f, items| {
            f.calmly(|| BinaryHeap::from(items)).into_par_iter().map(f.pass("map"))
        };
        "LinkedList" "map" |f, items| {
            items.into_iter().collect::<LinkedList<_>>().into_par_iter().map(f.pass("map"))
        };
        "BTreeSet" "map" |f, items| {
            f.calmly(|| BTreeSet::from_iter(items)).into_par_iter().map(f.pass("map"))
        };
        "BTreeMap" "map" |f, items| {
            let map = f.calmly(|| items.into_iter().map(pair).collect::<BTreeMap<_, _>>());
            map.into_par_iter().map(f.pass("map"))
        };
        "tuple" "map drop" |f, items| {
            let other = f.calmly(|| f.items::<0>(items.len() / 2));
            (items, other, 0..1000_u32).into_par_iter().map(f.pass("map"))
        };
        "Either" "map" |f, items| {
            let either: Either<_, filch::array::IntoIter<Item, 0>> =
                Either::Left(items.into_par_iter());
            either.map(f.pass("map"))
        };
        "range" "map" |f, items| {
            (0..items.len()).into_par_iter().map(|n| { f.at("map"); f.item::<0>(n as u32) })
        };
        "repeat_n" "clone drop" |f, items| {
            iter::repeat_n(f.calmly(|| f.item::<0>(1)), items.len()).skip(1)
        };
        "repeat, zipped" "clone" |f, items| iter::repeat(f.calmly(|| f.item::<0>(1))).zip(items);
        "Option" "map" |f, items| items.into_iter().next().into_par_iter().map(f.pass("map"));
        "Result" "map" |f, items| {
            items.into_iter().next().ok_or(1).into_par_iter().map(f.pass("map"))
        };
        "once" "map" |f, _| {
            iter::once(f.calmly(|| f.item::<0>(1))).chain(iter::empty()).map(f.pass("map"))
        };
        "array" "map" |f, _| {
            let array: [Item; 40] = f.calmly(|| std::array::from_fn(|n| f.item(n as u32)));
            array.into_par_iter().map(f.pass("map"))
        };
    }
    driven_iters! {
        "range of u64" "map" |f, items| {
            (0..items.len() as u64).into_par_iter().map(|n| { f.at("map"); f.item::<0>(n as u32) })
        };
        "par_bridge" "next" |f, items| f.serial(items).par_bridge();
        "repeat" "clone" |f, items| {
            iter::repeat(f.calmly(|| f.item::<0>(1))).take_any(items.len())
        };
        "split" "split" |f, items| {
            iter::split(items, |mut part| {
                f.at("split");
                let right = (part.len() > 1).then(|| part.split_off(part.len() / 2));
                (part, right)
            })
        };
        "split of parts" "split drop" |f, items| {
            iter::split(items, |mut part| {
                f.at("split");
                let right = (part.len() > 1).then(|| part.split_off(part.len() / 2));
                (part, right)
            }).flatten()
        };
        "walk_tree" "children" |f, items| {
            iter::walk_tree((items.len(), f.item(1)), |node| children(f, node))
        };
        "walk_tree_prefix" "children" |f, items| {
            iter::walk_tree_prefix((items.len(), f.item(1)), |node| children(f, node))
        };
        "walk_tree_postfix" "children" |f, items| {
            iter::walk_tree_postfix((items.len(), f.item(1)), |node| children(f, node))
        };
    }
    driven! {
        "par_bridge of dropped items" "next drop" |f, items| {
            f.serial(items).par_bridge().take_any(9).for_each(drop)
        };
        "by reference" "each" |f, items| items.par_iter().for_each(|_| f.at("each"));
        "by exclusive reference" "each drop" |f, mut items| {
            items.par_iter_mut().for_each(|item| { f.at("each"); *item = item.twin(); })
        };
        "a drain that is not driven" "drop" |_f, mut items| {
            let range = items.len() / 3..items.len() * 2 / 3;
            drop(items.par_drain(range));
            items
        };
        "a drain that is cut short" "test drop" |f, mut items| {
            let range = items.len() / 5..items.len() * 4 / 5;
            let found = items.par_drain(range).find_any(f.test("test", |n| n == 50));
            (items, found)
        };
        "an iterator that is not driven" "drop" |f, items| {
            drop(items.into_par_iter().map(f.pass("map")))
        };
        "BinaryHeap drained" "map drop" |f, items| {
            let mut heap = f.calmly(|| BinaryHeap::from(items));
            heap.par_drain().map(f.pass("map")).for_each(drop);
            heap
        };
        "VecDeque drained" "map drop" |f, items| {
            let mut deque = VecDeque::from(items);
            deque.rotate_left(deque.len() / 3);
            let range = deque.len() / 4..deque.len() / 2;
            deque.par_drain(range).map(f.pass("map")).for_each(drop);
            deque
        };
    }
}

/// The children of a node in a tree of `len` nodes.
fn children(f: F, (len, _): &(usize, Item)) -> Vec<(usize, Item)> {
    f.at("children");
    let rest = len.saturating_sub(1);
    let sizes = [rest / 2, rest - rest / 2].into_iter().filter(|size| *size > 0);
    sizes.map(|size| (size, f.item(1))).collect()
}

fn strings() {
    /// Each is driven with a pattern that panics, and with an end that panics.
    macro_rules! found {
        ($($method:ident)*) => {
            driven! {$(
                "a pattern" "is end" |f, items| {
                    let text = "some words, ".repeat(items.len() / 4);
                    let is = |c: char| { f.at("is"); c == 'o' };
                    text.$method(is).for_each(|_| f.at("end"))
                };
            )*}
        };
    }
    found! { par_split par_split_inclusive par_split_terminator par_matches par_match_indices }
    driven! {
        "chars" "end" |f, items| "xy".repeat(items.len()).par_chars().for_each(|_| f.at("end"));
        "lines" "end" |f, items| "xy\n".repeat(items.len()).par_lines().for_each(|_| f.at("end"));
        "String drained" "end" |f, items| {
            let mut text = "xy".repeat(items.len());
            let len = text.len();
            text.par_drain(len / 3..len / 2).for_each(|_| f.at("end"));
            text
        };
    }
}

// ---- Slices ----

/// Blocks have 4096 elements, and merges of 8192 elements are divided.
fn slice_lens() -> &'static [usize] {
    if is_simulated() { &[0, 1, 5, 9000] } else { &[0, 1, 5, 20, 9000] }
}

fn sorted<const WORDS: usize>(mut items: Vec<Item<WORDS>>) -> Vec<Item<WORDS>> {
    items.sort_by_key(Item::key);
    items
}

fn slices_are_read() {
    macro_rules! slices {
        ($($name:literal $kinds:literal |$fault:ident, $items:pat_param| $op:expr;)*) => {$(
            driven!(@ slice_lens(), false, $name, $kinds, |$fault, $items| $op);
        )*};
    }
    slices! {
        "par_deterministic_reduce" "map reduce" |f, items| {
            let map = |item: &Item| { f.at("map"); item.key() };
            items.par_deterministic_reduce(0, map, |a, b| { f.at("reduce"); a.max(b) })
        };
        "par_inclusive_scan" "op clone drop" |f, items| {
            items.par_inclusive_scan(|_, b| { f.at("op"); b.twin() })
        };
        "par_exclusive_scan" "op clone drop" |f, items| {
            let init = f.calmly(|| f.item(0));
            items.par_exclusive_scan(init, |_, b| { f.at("op"); b.twin() })
        };
        "par_histogram" "bucket" |f, items| {
            items.par_histogram(101, |item| { f.at("bucket"); item.key() as usize })
        };
        "par_merge" "cmp clone" |f, items| {
            let items = f.calmly(|| sorted(items));
            let other = f.calmly(|| sorted(f.items(items.len() / 2)));
            items.par_merge(&other)
        };
        "par_merge_by" "by clone" |f, items| {
            let items = f.calmly(|| sorted(items));
            let other = f.calmly(|| sorted(f.items(items.len() / 2)));
            items.par_merge_by(&other, |a, b| { f.at("by"); a.key().cmp(&b.key()) })
        };
    }
    driven! {
        "par_split" "test end" |f, items| {
            items.par_split(f.test("test", |n| n % 5 == 0)).for_each(|_| f.at("end"))
        };
        "par_split_inclusive" "test end" |f, items| {
            items.par_split_inclusive(f.test("test", |n| n % 5 == 0)).for_each(|_| f.at("end"))
        };
        "par_split_mut" "test end drop" |f, mut items| {
            items.par_split_mut(f.test("test", |n| n % 5 == 0)).for_each(|part| {
                f.at("end");
                part.iter_mut().for_each(|item| *item = item.twin());
            })
        };
        "par_split_inclusive_mut" "test end" |f, mut items| {
            items.par_split_inclusive_mut(f.test("test", |n| n % 5 == 0)).for_each(|part| {
                f.at("end");
                part.reverse();
            })
        };
        "par_chunk_by" "by end" |f, items| {
            items.par_chunk_by(|a, b| { f.at("by"); a.key() < b.key() }).for_each(|_| f.at("end"))
        };
        "par_chunk_by_mut" "by end" |f, mut items| {
            let together = |a: &Item, b: &Item| { f.at("by"); a.key() < b.key() };
            items.par_chunk_by_mut(together).for_each(|part| {
                f.at("end");
                part.reverse();
            })
        };
        "par_windows" "end" |f, items| items.par_windows(2).for_each(|_| f.at("end"));
        "par_array_windows" "end" |f, items| {
            items.par_array_windows::<2>().for_each(|_| f.at("end"))
        };
        "par_chunks" "end" |f, items| items.par_chunks(3).for_each(|_| f.at("end"));
        "par_chunks_exact" "end" |f, items| items.par_chunks_exact(3).for_each(|_| f.at("end"));
        "par_rchunks" "end" |f, items| items.par_rchunks(3).for_each(|_| f.at("end"));
        "par_rchunks_exact" "end" |f, items| items.par_rchunks_exact(3).for_each(|_| f.at("end"));
        "par_chunks_mut" "end" |f, mut items| items.par_chunks_mut(3).for_each(|part| {
            f.at("end");
            part.reverse();
        });
        "par_rchunks_mut" "end" |f, mut items| items.par_rchunks_mut(3).for_each(|part| {
            f.at("end");
            part.reverse();
        });
        "par_chunks_exact_mut" "end" |f, mut items| items.par_chunks_exact_mut(3).for_each(|part| {
            f.at("end");
            part.reverse();
        });
        "par_rchunks_exact_mut" "end" |f, mut items| {
            items.par_rchunks_exact_mut(3).for_each(|part| {
                f.at("end");
                part.reverse();
            })
        };
    }
}

/// Drives operations that change a vector of elements of `$words` words.
macro_rules! in_place {
    (
        $words:literal;
        $($name:literal $kinds:literal $keeps:ident |$fault:ident, $vec:ident| $op:expr;)*
    ) => {$(
        in_place!(
            @ $words, slice_lens(), None, |items| items, $name, $kinds, $keeps, |$fault, $vec| $op
        );
    )*};
    (
        @ $words:literal, $lens:expr, $threads:expr, $shape:expr,
        $name:expr, $kinds:expr, $keeps:ident, |$fault:ident, $vec:ident| $op:expr
    ) => {
        let driven = Driven {
            name: $name, kinds: $kinds, lens: $lens, points: points(), leaks: false,
            threads: $threads,
        };
        let shape: fn(Vec<Item<$words>>) -> Vec<Item<$words>> = $shape;
        let input = |fault: F, len| shape(fault.items(len));
        let op = |$fault: F, $vec: &mut Vec<Item<$words>>| {
            let result = $op;
            $fault.disarm();
            drop(result);
        };
        driven.drive_in_place(&input, &op, Keeps::$keeps);
    };
}

fn slices_and_vectors_are_changed() {
    in_place! { 0;
        "par_drain" "end drop" AllButSecondQuarter |f, v| {
            let range = v.len() / 4..v.len() / 2;
            v.par_drain(range).for_each(|item| { f.at("end"); drop(item); })
        };
    }
    in_place! { 1;
        "par_retain" "test drop" All |f, v| v.par_retain(f.test("test", |n| n % 3 > 0));
        "par_dedup_by" "by drop" All |f, v| v.par_dedup_by(|a, b| {
            f.at("by");
            a.key() < b.key()
        });
        "par_dedup_by_key" "key eq drop" All |f, v| {
            v.par_dedup_by_key(|item| { f.at("key"); f.item::<0>(item.key() % 2) })
        };
        "par_stable_partition" "test" All |f, v| {
            v.par_stable_partition(f.test("test", |n| n % 3 > 0))
        };
        "par_inclusive_scan_in_place" "op clone drop" Len |f, v| {
            v.par_inclusive_scan_in_place(|_, b| { f.at("op"); b.twin() })
        };
        "par_exclusive_scan_in_place" "op clone drop" Len |f, v| {
            let init = f.calmly(|| f.item(0));
            v.par_exclusive_scan_in_place(init, |_, b| { f.at("op"); b.twin() })
        };
    }
    in_place!(@ 3, slice_lens(), None, few, "par_dedup", "eq drop", All, |_f, v| v.par_dedup());
    in_place!(@ 1, slice_lens(), None, two_runs, "par_merge_in_place", "cmp", All, |_f, v| {
        let middle = v.len() / 3;
        v.par_merge_in_place(middle)
    });
    in_place!(@ 11, slice_lens(), None, two_runs, "par_merge_in_place_by", "by", All, |f, v| {
        let middle = v.len() / 3;
        v.par_merge_in_place_by(middle, |a, b| { f.at("by"); a.key().cmp(&b.key()) })
    });
}

fn two_runs<const WORDS: usize>(mut items: Vec<Item<WORDS>>) -> Vec<Item<WORDS>> {
    let middle = items.len() / 3;
    items[..middle].sort_by_key(Item::key);
    items[middle..].sort_by_key(Item::key);
    items
}

// ---- Sorts ----

/// Nearly sorted: a run whose last element is out of place.
fn nearly<const WORDS: usize>(items: Vec<Item<WORDS>>) -> Vec<Item<WORDS>> {
    let mut items = sorted(items);
    let len = items.len();
    if len > 1 {
        items.swap(0, len - 1);
    }
    items
}

fn backwards<const WORDS: usize>(items: Vec<Item<WORDS>>) -> Vec<Item<WORDS>> {
    let mut items = sorted(items);
    items.reverse();
    items
}

/// Elements with few different keys.
fn few<const WORDS: usize>(items: Vec<Item<WORDS>>) -> Vec<Item<WORDS>> {
    items.iter().map(|item| item.fault.item(item.key() % 3)).collect()
}

/// Elements with different keys, in no order.
fn many<const WORDS: usize>(items: Vec<Item<WORDS>>) -> Vec<Item<WORDS>> {
    (0..items.len() as u32).map(|n| items[0].fault.item(n.wrapping_mul(2_654_435_761))).collect()
}

/// Every sort, with elements of `$words` words in the order that `$shape` makes.
macro_rules! sorts {
    ($words:literal, $lens:expr, $threads:expr, $shape:expr) => {
        sorts!(@ $words, $lens, $threads, $shape;
            "par_sort" "cmp" Elements |_f, v| v.par_sort();
            "par_sort_by" "by" Elements |f, v| {
                v.par_sort_by(|a, b| { f.at("by"); a.key().cmp(&b.key()) })
            };
            "par_sort_by_key" "key cmp drop" Elements |f, v| {
                v.par_sort_by_key(|item| { f.at("key"); f.item::<0>(item.key()) })
            };
            "par_sort_by_cached_key" "key cmp drop" Places |f, v| {
                v.par_sort_by_cached_key(|item| { f.at("key"); f.item::<0>(item.key()) })
            };
            "par_sort_unstable" "cmp" Elements |_f, v| v.par_sort_unstable();
            "par_sort_unstable_by" "by" Elements |f, v| {
                v.par_sort_unstable_by(|a, b| { f.at("by"); a.key().cmp(&b.key()) })
            };
            "par_sort_unstable_by_key" "key cmp drop" Elements |f, v| {
                v.par_sort_unstable_by_key(|item| { f.at("key"); f.item::<0>(item.key()) })
            };
        );
    };
    (@ $words:literal, $lens:expr, $threads:expr, $shape:expr;
        $($name:literal $kinds:literal $keeps:ident |$fault:ident, $vec:ident| $op:expr;)*) => {$(
        in_place!(@ $words, $lens, $threads, $shape, $name, $kinds, $keeps, |$fault, $vec| $op);
    )*};
}

/// Sorts are divided from 2048 elements on.
fn sorts_of_small_elements() {
    sorts!(0, &[1, 5, 15], None, many);
    sorts!(0, &[2100], None, many);
    sorts!(0, &[2100], None, nearly);
    sorts!(0, &[2100], None, backwards);
    sorts!(1, &[2100], None, few);
}

fn sorts_of_large_elements() {
    sorts!(11, &[1, 5, 15], None, many);
    sorts!(11, &[2100], None, many);
    sorts!(24, &[2100], None, many);
}

/// Long enough that merges are divided, and with more threads than unstable sorts divide for.
fn sorts_that_merge_in_parallel() {
    sorts!(0, &[9000], Some(9), many);
    sorts!(1, &[9000], Some(4), few);
}
