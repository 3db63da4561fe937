//! The same loops with std's iterators.

use super::Data;

pub fn sum(data: &Data) -> u64 {
    data.floats.iter().sum::<f64>() as u64
}

pub fn dot(data: &Data) -> u64 {
    data.floats.iter().zip(&data.others).map(|(a, b)| a * b).sum::<f64>() as u64
}

pub fn map_collect(data: &Data) -> u64 {
    let roots: Vec<f64> = data.floats.iter().map(|x| x.sqrt() + 1.0).collect();
    super::fingerprint(&roots)
}

pub fn filter_count(data: &Data) -> u64 {
    data.numbers.iter().filter(|&&n| n % 3 == 0 && n & 4 == 0).count() as u64
}

pub fn filter_collect(data: &Data) -> u64 {
    let some: Vec<u32> = data.numbers.iter().copied().filter(|n| n % 5 < 2).collect();
    some.len() as u64 + u64::from(some[some.len() / 2])
}

pub fn min_max(data: &Data) -> u64 {
    let (least, most) =
        data.numbers.iter().fold((u32::MAX, 0), |(least, most), &n| (least.min(n), most.max(n)));
    u64::from(least) ^ u64::from(most)
}

pub fn vowels(data: &Data) -> u64 {
    let vowels = |word: &String| word.chars().filter(|c| "aeiou".contains(*c)).count() as u64;
    data.words.iter().map(vowels).sum()
}

pub fn hashes(data: &Data) -> u64 {
    data.words.iter().map(|word| super::hash(word)).fold(0, |a, b| a ^ b)
}

pub fn histogram(data: &Data) -> u64 {
    let count = |mut counts: Vec<u32>, &n: &u32| {
        counts[(n % 256) as usize] += 1;
        counts
    };
    let counts = data.numbers.iter().fold(vec![0; 256], count);
    (0..).zip(counts).map(|(at, count): (u64, u32)| at * u64::from(count)).sum()
}

pub fn matrix_vector(data: &Data) -> u64 {
    let product: Vec<f64> = data
        .floats
        .chunks(super::SIDE)
        .map(|row| row.iter().zip(&data.others[..super::SIDE]).map(|(a, b)| a * b).sum())
        .collect();
    super::fingerprint(&product)
}

pub fn stencil(data: &Data) -> u64 {
    let old = &data.floats;
    let mut new = vec![0.0; old.len()];
    new.chunks_mut(super::SIDE).enumerate().for_each(|(row, out)| super::blur_row(old, row, out));
    super::fingerprint(&new)
}

pub fn sort(data: &Data) -> u64 {
    let mut numbers = data.numbers.clone();
    numbers.sort_unstable();
    u64::from(numbers[numbers.len() / 2]) ^ u64::from(numbers[numbers.len() / 3])
}

pub fn n_body(data: &Data) -> u64 {
    let pulls: Vec<f64> = data.bodies.iter().map(|body| data.pull_on(body)).collect();
    super::fingerprint(&pulls)
}

pub fn mandelbrot_rows(_: &Data) -> u64 {
    (0..super::ROWS).map(super::mandelbrot_row).sum()
}

pub fn skewed(_: &Data) -> u64 {
    (0..super::SKEWED).map(super::skewed_item).fold(0, |a, b| a ^ b)
}

pub fn flat_map(data: &Data) -> u64 {
    data.words.iter().flat_map(|word| word.bytes()).map(u64::from).sum()
}

pub fn short_100(data: &Data) -> u64 {
    data.numbers[..100].iter().map(|&n| u64::from(n) * 3).sum()
}

pub fn short_1000(data: &Data) -> u64 {
    let mut scaled = [0_u64; 1000];
    scaled.iter_mut().zip(&data.numbers[..1000]).for_each(|(out, &n)| *out = u64::from(n) * 3);
    scaled[999] ^ scaled[1]
}

pub fn short_10000(data: &Data) -> u64 {
    data.numbers[..10_000].iter().map(|&n| u64::from(n ^ (n >> 5))).max().unwrap_or(0)
}

pub fn find_early(data: &Data) -> u64 {
    u64::from(data.numbers.iter().any(|&n| n == data.numbers[data.numbers.len() / 10]))
}

pub fn find_first(data: &Data) -> u64 {
    let wanted = data.numbers[data.numbers.len() / 3];
    data.numbers.iter().position(|&n| n == wanted).map_or(0, |at| at as u64)
}
