//! The cases. Each takes some milliseconds and returns a checksum, which must be the same with
//! either core.

mod collect;
mod find;
mod grids;
mod micro;
mod puzzles;
mod sorts;
mod strings;

/// A prepared case, ready to run.
pub type Run = Box<dyn FnMut() -> u64>;

/// Declares the names of all cases, and how each is prepared.
macro_rules! cases {
    ($($name:literal => $prepare:expr,)*) => {
        pub const NAMES: &[&str] = &[$($name),*];

        /// Prepares the case of this name.
        pub fn prepare(name: &str) -> Option<Run> {
            match name {
                $($name => Some($prepare),)*
                _ => None,
            }
        }
    };
}

cases! {
    "quicksort" => sorts::quicksort(),
    "mergesort" => sorts::mergesort(),
    "par_sort" => sorts::stable(),
    "par_sort_unstable" => sorts::unstable(),
    "nbody" => grids::nbody(),
    "life" => grids::life(),
    "matmul" => grids::matmul(),
    "sieve" => puzzles::sieve(),
    "nqueens" => puzzles::nqueens(),
    "tsp" => puzzles::tsp(),
    "pythagoras" => puzzles::pythagoras(),
    "fibonacci" => micro::fibonacci(),
    "fork_increments" => micro::fork_increments(),
    "join_empty" => micro::join_empty(),
    "install_empty" => micro::install_empty(),
    "small_loops" => micro::small_loops(),
    "small_loops_outside" => micro::small_loops_outside(),
    "scope_spawn" => micro::scope_spawn(),
    "scope_fifo_spawn" => micro::scope_fifo_spawn(),
    "tree_spawn" => micro::tree_spawn(),
    "broadcast" => micro::broadcast(),
    "vec_collect" => collect::vec(),
    "vec_collect_filtered" => collect::vec_filtered(),
    "vec_fold" => collect::vec_fold(),
    "map_collect" => collect::map(),
    "map_collect_mutex" => collect::map_mutex(),
    "str_split" => strings::split(),
    "str_chars" => strings::chars(),
    "str_lines" => strings::lines(),
    "find_first_third" => find::at_a_third(),
    "find_last" => find::at_the_end(),
    "find_missing" => find::missing(),
    "par_bridge" => find::bridge(),
}
