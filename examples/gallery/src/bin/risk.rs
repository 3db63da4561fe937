//! Prices an option on a stock, and estimates how much the stock may lose in a year, by Monte
//! Carlo: many random years in the Black–Scholes model, in weekly steps.
//!
//! The results have the same bits on any number of threads. Each year has its own random numbers,
//! and `par_deterministic_reduce` adds in an order that depends only on how many numbers there are.

use std::path::PathBuf;

use clap::Parser;
use filch::ThreadPoolBuilder;
use filch::prelude::*;
use gallery::{Random, Result, compare, ensure, histogram};

#[derive(Parser)]
struct Arguments {
    /// How many years to simulate
    #[arg(long, default_value_t = 200_000, value_parser = clap::value_parser!(u64).range(1000..))]
    years: u64,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[arg(long, default_value = "target/risk.svg")]
    out: PathBuf,
}

/// The price of the stock today.
const PRICE: f64 = 100.0;
/// The price at which the owner of the option may buy the stock in a year.
const STRIKE: f64 = 105.0;
const RATE: f64 = 0.03;
const VOLATILITY: f64 = 0.2;

/// The stock's price after a year.
fn price(seed: u64, year: u64) -> f64 {
    let mut random = Random::new(seed, year);
    let (week, drift) = (1.0 / 52.0, RATE - VOLATILITY * VOLATILITY / 2.0);
    let step = |price, _| {
        let chance = VOLATILITY * f64::sqrt(week) * random.normal();
        price * (drift * week + chance).exp()
    };
    (0..52).fold(PRICE, step)
}

fn payoff(price: &f64) -> f64 {
    (price - STRIKE).max(0.0) * (-RATE).exp()
}

/// Returns the price after each of the random years, sorted, and the sum of the option's payoffs.
fn try_years(seed: u64, years: u64) -> (Vec<f64>, f64) {
    let mut prices: Vec<f64> = (0..years).into_par_iter().map(|y| price(seed, y)).collect();
    prices.par_sort_unstable_by(f64::total_cmp);
    let sum = prices.par_deterministic_reduce(0.0, payoff, |a, b| a + b);
    (prices, sum)
}

fn try_years_serially(seed: u64, years: u64) -> Vec<f64> {
    let mut prices: Vec<f64> = (0..years).map(|year| price(seed, year)).collect();
    prices.sort_unstable_by(f64::total_cmp);
    prices
}

/// The price of the option by the Black–Scholes formula.
fn formula() -> f64 {
    let d = ((PRICE / STRIKE).ln() + RATE + VOLATILITY * VOLATILITY / 2.0) / VOLATILITY;
    PRICE * normal_below(d) - STRIKE * (-RATE).exp() * normal_below(d - VOLATILITY)
}

/// The probability that a normally distributed number is below `x`, by Simpson's rule.
fn normal_below(x: f64) -> f64 {
    let density = |x: f64| (-x * x / 2.0).exp() / std::f64::consts::TAU.sqrt();
    let h = x / 1000.0;
    let part =
        |i| density(i as f64 * h) * if i % 1000 == 0 { 1.0 } else { 2.0 + (i % 2 * 2) as f64 };
    0.5 + (0..=1000).map(part).sum::<f64>() * h / 3.0
}

fn main() -> Result {
    let Arguments { years, seed, out } = Arguments::parse();
    println!("{years} random years of a stock");
    let prices = compare(|| try_years_serially(seed, years), || try_years(seed, years).0)?;

    let (_, sum) = try_years(seed, years);
    let plain = prices.iter().map(payoff).sum::<f64>();
    ensure((sum - plain).abs() < 1e-9 * plain, "the sum differs from that of a plain loop")?;
    for threads in 1..=5 {
        let pool = ThreadPoolBuilder::new().num_threads(threads).build()?;
        let (_, again) = pool.install(|| try_years(seed, years));
        println!("on {threads} threads, the option pays {again:.9} in total");
        ensure(sum.to_bits() == again.to_bits(), "the bits depend on the number of threads")?;
    }
    let n = years as f64;
    let mean = sum / n;
    let squares = prices.par_deterministic_reduce(0.0, |p| payoff(p).powi(2), |a, b| a + b);
    let error = ((squares / n - mean * mean) / n).sqrt();
    println!("the option is worth {mean:.3} ± {error:.3}; by the formula, {:.3}", formula());
    ensure((mean - formula()).abs() < 4.0 * error, "the price is too far from the formula")?;
    let limit = prices[prices.len() / 100];
    println!("with 99 %, a stock bought for {PRICE} is worth at least {limit:.2} after a year");
    let counts = prices.par_histogram(100, |&price| ((price / 2.5) as usize).min(99));
    histogram(&out, "price after a year", &counts[16..84], [40.0, 2.5, limit])?;
    println!("answer right");
    Ok(())
}
