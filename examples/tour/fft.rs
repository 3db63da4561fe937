//! Fast Fourier transform by the recursion of Cooley and Tukey.

use std::f64::consts::TAU;
use std::ops::{Add, Mul, Sub};

use crate::workloads::{Fork, Workload};

/// Transforms a sum of a few pure waves, whose spectrum is known; from the Cilk suite.
pub struct Fft {
    input: Vec<Complex>,
    /// The powers of the root of unity that the recursion multiplies by.
    roots: Vec<Complex>,
}

/// Slices up to this long are transformed without forks.
const SERIAL: usize = 1024;

/// The frequency and the amplitude of each wave.
const WAVES: [(usize, f64); 4] = [(0, 0.5), (3, 1.0), (100, 2.0), (777, 0.25)];

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Complex {
    re: f64,
    im: f64,
}

impl Complex {
    /// Returns the point of the unit circle after this many turns.
    fn on_circle(turns: f64) -> Complex {
        let (im, re) = (TAU * turns).sin_cos();
        Complex { re, im }
    }
}

impl Add for Complex {
    type Output = Complex;

    fn add(self, other: Complex) -> Complex {
        Complex { re: self.re + other.re, im: self.im + other.im }
    }
}

impl Sub for Complex {
    type Output = Complex;

    fn sub(self, other: Complex) -> Complex {
        Complex { re: self.re - other.re, im: self.im - other.im }
    }
}

impl Mul for Complex {
    type Output = Complex;

    fn mul(self, other: Complex) -> Complex {
        Complex {
            re: self.re * other.re - self.im * other.im,
            im: self.re * other.im + self.im * other.re,
        }
    }
}

impl Fft {
    /// Transforms `len` points, a power of two and at least 1,024.
    pub fn new(len: usize) -> Fft {
        assert!(len.is_power_of_two() && len >= 1024);
        let turn = |steps: usize| Complex::on_circle((steps % len) as f64 / len as f64);
        let wave = |at: usize, (frequency, strength): (usize, f64)| {
            let point = turn(frequency * at);
            Complex { re: strength * point.re, im: strength * point.im }
        };
        let sample = |at| WAVES.map(|w| wave(at, w)).into_iter().fold(Complex::default(), Add::add);
        Fft {
            input: (0..len).map(sample).collect(),
            roots: (0..len / 2).map(|k| turn(len - k)).collect(),
        }
    }
}

impl Workload for Fft {
    type Value = Vec<Complex>;

    fn run<F: Fork>(&self, cx: &mut F::Context<'_>) -> Vec<Complex> {
        let mut data = self.input.clone();
        let mut scratch = vec![Complex::default(); data.len()];
        transform::<F>(cx, &mut data, &mut scratch, &self.roots, 1);
        data
    }

    fn is_right(&self, spectrum: &Vec<Complex>) -> bool {
        spectrum.iter().enumerate().all(|(frequency, found)| {
            let wave = WAVES.iter().find(|(known, _)| *known == frequency);
            let expected = wave.map_or(0.0, |(_, strength)| strength * spectrum.len() as f64);
            let error = (found.re - expected).abs() + found.im.abs();
            error <= spectrum.len() as f64 * 1e-9
        })
    }
}

/// Transforms `data`, using every `stride`-th root. `scratch` has arbitrary contents afterwards.
fn transform<F: Fork>(
    cx: &mut F::Context<'_>,
    data: &mut [Complex],
    scratch: &mut [Complex],
    roots: &[Complex],
    stride: usize,
) {
    let half = data.len() / 2;
    if half == 0 {
        return;
    }
    let (even, odd) = scratch.split_at_mut(half);
    deal::<F>(cx, data, even, odd);
    let (low, high) = data.split_at_mut(half);
    let sides = (
        |cx: &mut F::Context<'_>| transform::<F>(cx, even, low, roots, 2 * stride),
        |cx: &mut F::Context<'_>| transform::<F>(cx, odd, high, roots, 2 * stride),
    );
    fork_if::<F>(half > SERIAL, cx, sides.0, sides.1);
    combine::<F>(cx, (even, odd), (low, high), roots, stride);
}

fn fork_if<F: Fork>(
    large: bool,
    cx: &mut F::Context<'_>,
    a: impl FnOnce(&mut F::Context<'_>) + Send,
    b: impl FnOnce(&mut F::Context<'_>) + Send,
) {
    if large {
        F::join(cx, a, b);
    } else {
        a(cx);
        b(cx);
    }
}

/// Separates the points with even indices from those with odd indices.
fn deal<F: Fork>(
    cx: &mut F::Context<'_>,
    data: &[Complex],
    even: &mut [Complex],
    odd: &mut [Complex],
) {
    if even.len() <= SERIAL {
        for (i, pair) in data.chunks_exact(2).enumerate() {
            (even[i], odd[i]) = (pair[0], pair[1]);
        }
        return;
    }
    let middle = even.len() / 2;
    let (data_low, data_high) = data.split_at(2 * middle);
    let (even_low, even_high) = even.split_at_mut(middle);
    let (odd_low, odd_high) = odd.split_at_mut(middle);
    F::join(
        cx,
        |cx| deal::<F>(cx, data_low, even_low, odd_low),
        |cx| deal::<F>(cx, data_high, even_high, odd_high),
    );
}

/// Combines the transforms of the even and the odd points into that of all points.
fn combine<F: Fork>(
    cx: &mut F::Context<'_>,
    (even, odd): (&[Complex], &[Complex]),
    (low, high): (&mut [Complex], &mut [Complex]),
    roots: &[Complex],
    stride: usize,
) {
    if even.len() <= SERIAL {
        for i in 0..even.len() {
            let turned = odd[i] * roots[i * stride];
            (low[i], high[i]) = (even[i] + turned, even[i] - turned);
        }
        return;
    }
    let middle = even.len() / 2;
    let (even_left, even_right) = even.split_at(middle);
    let (odd_left, odd_right) = odd.split_at(middle);
    let (low_left, low_right) = low.split_at_mut(middle);
    let (high_left, high_right) = high.split_at_mut(middle);
    let roots_right = &roots[middle * stride..];
    F::join(
        cx,
        |cx| combine::<F>(cx, (even_left, odd_left), (low_left, high_left), roots, stride),
        |cx| {
            let (from, to) = ((even_right, odd_right), (low_right, high_right));
            combine::<F>(cx, from, to, roots_right, stride);
        },
    );
}
