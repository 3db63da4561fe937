//! Fork-join recursions that touch no memory, so that forks dominate the cost.

use super::{Fork, Serial, Workload, plain};

/// Fibonacci numbers by the naive recursion, with a fork in each call: hardly any work except
/// forks. Used by every work-stealing paper since Cilk.
pub struct Fib(pub u32);

/// Returns the `n`-th Fibonacci number. Makes `fib(n + 1) - 1` forks.
pub fn fib<F: Fork>(cx: &mut F::Context<'_>, n: u32) -> u64 {
    if n < 2 {
        return u64::from(n);
    }
    let (a, b) = F::join(cx, move |cx| fib::<F>(cx, n - 1), move |cx| fib::<F>(cx, n - 2));
    a + b
}

impl Fib {
    /// Returns how many forks the recursion makes.
    pub fn forks(&self) -> u64 {
        fibonacci(self.0 + 1) - 1
    }
}

/// Returns the `n`-th Fibonacci number, by a loop.
fn fibonacci(n: u32) -> u64 {
    (0..n).fold((0, 1), |(a, b), _| (b, a + b)).0
}

impl Workload for Fib {
    type Value = u64;

    fn run<F: Fork>(&self, cx: &mut F::Context<'_>) -> u64 {
        fib::<F>(cx, self.0)
    }

    fn ideal(&self, threads: usize) -> u64 {
        let parts = fib_parts(self.0, 10);
        let golden_power = |n: &u32| 1.618_f64.powf(f64::from(*n));
        plain::sum_over(threads, &parts, golden_power, |&n| fib::<Serial>(&mut (), n))
    }

    fn is_right(&self, value: &u64) -> bool {
        *value == fibonacci(self.0)
    }
}

/// Returns the arguments of the calls that `fib(n)` makes `depth` levels down.
fn fib_parts(n: u32, depth: u32) -> Vec<u32> {
    if n < 2 || depth == 0 {
        return vec![n];
    }
    let mut parts = fib_parts(n - 1, depth - 1);
    parts.extend(fib_parts(n - 2, depth - 1));
    parts
}

/// Counts the ways to place `n` queens on a board of `n` by `n` so that none attacks another. Uses
/// bit masks and no cut-off; forks halve the columns of a row. Irregular: most branches end early.
/// From the Cilk and BOTS suites.
pub struct Queens(pub u32);

impl Queens {
    /// The known answers, by the size of the board.
    pub const ANSWERS: [u64; 17] = [
        1, 1, 0, 0, 2, 10, 4, 40, 92, 352, 724, 2_680, 14_200, 73_712, 365_596, 2_279_184,
        14_772_512,
    ];
}

impl Workload for Queens {
    type Value = u64;

    fn run<F: Fork>(&self, cx: &mut F::Context<'_>) -> u64 {
        place_queens::<F>(cx, Board::empty(self.0))
    }

    fn ideal(&self, threads: usize) -> u64 {
        let boards = boards_after(Board::empty(self.0), 3);
        plain::sum_over(threads, &boards, |_| 1.0, |board| place_queens::<Serial>(&mut (), *board))
    }

    fn is_right(&self, value: &u64) -> bool {
        Self::ANSWERS.get(self.0 as usize) == Some(value)
    }
}

/// The attacked columns of the next row, a bit for each column.
#[derive(Clone, Copy)]
struct Board {
    all: u32,
    columns: u32,
    down: u32,
    up: u32,
}

impl Board {
    fn empty(size: u32) -> Board {
        Board { all: (1 << size) - 1, columns: 0, down: 0, up: 0 }
    }

    fn is_full(self) -> bool {
        self.columns == self.all
    }

    fn free(self) -> u32 {
        self.all & !(self.columns | self.down | self.up)
    }

    /// Returns the board with a queen in `column`, which is one bit, of the next row.
    fn with(self, column: u32) -> Board {
        Board {
            all: self.all,
            columns: self.columns | column,
            down: (self.down | column) << 1,
            up: (self.up | column) >> 1,
        }
    }
}

fn place_queens<F: Fork>(cx: &mut F::Context<'_>, board: Board) -> u64 {
    if board.is_full() { 1 } else { try_columns::<F>(cx, board, board.free()) }
}

fn try_columns<F: Fork>(cx: &mut F::Context<'_>, board: Board, columns: u32) -> u64 {
    match columns.count_ones() {
        0 => 0,
        1 => place_queens::<F>(cx, board.with(columns)),
        n => {
            let low = lowest_ones(columns, n / 2);
            let (a, b) = F::join(
                cx,
                move |cx| try_columns::<F>(cx, board, low),
                move |cx| try_columns::<F>(cx, board, columns ^ low),
            );
            a + b
        }
    }
}

/// Returns the lowest `count` ones of `bits`.
fn lowest_ones(bits: u32, count: u32) -> u32 {
    let rest = (0..count).fold(bits, |rest, _| rest & (rest - 1));
    bits ^ rest
}

/// Returns all boards with queens in `rows` more rows.
fn boards_after(board: Board, rows: u32) -> Vec<Board> {
    if rows == 0 || board.is_full() {
        return vec![board];
    }
    (0..u32::BITS)
        .map(|i| 1 << i)
        .filter(|column| board.free() & column != 0)
        .flat_map(|column| boards_after(board.with(column), rows - 1))
        .collect()
}

/// Integrates x^3 + x from 0 to `to`. Halves each interval, with a fork, until its trapezoid is
/// right to `epsilon`. Unbalanced, since the curve bends more to the right. From the Fibril and
/// libfork suites, where `to` = 10^4 and `epsilon` = 1e-9 make 350,009,975 tasks.
pub struct Integrate {
    pub to: f64,
    pub epsilon: f64,
}

impl Workload for Integrate {
    type Value = f64;

    fn run<F: Fork>(&self, cx: &mut F::Context<'_>) -> f64 {
        integrate::<F>(cx, Interval::between(0.0, self.to), self.epsilon)
    }

    fn ideal(&self, threads: usize) -> f64 {
        const PARTS: u32 = 1024;
        let width = self.to / f64::from(PARTS);
        let parts: Vec<Interval> = (0..PARTS)
            .map(|i| Interval::between(width * f64::from(i), width * f64::from(i + 1)))
            .collect();
        plain::sum_over(
            threads,
            &parts,
            |_| 1.0,
            |part| integrate::<Serial>(&mut (), *part, self.epsilon),
        )
    }

    /// Accepts a relative error of 10^-9, since each interval may be off by `epsilon`.
    fn is_right(&self, value: &f64) -> bool {
        let square = self.to * self.to;
        let exact = square * square / 4.0 + square / 2.0;
        (value - exact).abs() <= exact * 1e-9
    }
}

/// A part of the x axis, with the curve at its ends and the trapezoid's area.
#[derive(Clone, Copy)]
struct Interval {
    from: f64,
    from_y: f64,
    to: f64,
    to_y: f64,
    area: f64,
}

impl Interval {
    fn between(from: f64, to: f64) -> Interval {
        Interval::new(from, curve(from), to, curve(to))
    }

    fn new(from: f64, from_y: f64, to: f64, to_y: f64) -> Interval {
        let area = (from_y + to_y) / 2.0 * (to - from);
        Interval { from, from_y, to, to_y, area }
    }

    fn halves(&self) -> (Interval, Interval) {
        let middle = self.from + (self.to - self.from) / 2.0;
        let y = curve(middle);
        (
            Interval::new(self.from, self.from_y, middle, y),
            Interval::new(middle, y, self.to, self.to_y),
        )
    }
}

fn curve(x: f64) -> f64 {
    (x * x + 1.0) * x
}

fn integrate<F: Fork>(cx: &mut F::Context<'_>, whole: Interval, epsilon: f64) -> f64 {
    let (left, right) = whole.halves();
    let finer = left.area + right.area;
    if (finer - whole.area).abs() < epsilon {
        return finer;
    }
    let (a, b) = F::join(
        cx,
        move |cx| integrate::<F>(cx, left, epsilon),
        move |cx| integrate::<F>(cx, right, epsilon),
    );
    a + b
}
