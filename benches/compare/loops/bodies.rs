// The loops, which compile with filch's prelude and with rayon's: this file is included after a
// `use` of either. Each returns a number, which must equal that of the serial loop.

use super::Data;

pub fn sum(data: &Data) -> u64 {
    data.floats.par_iter().sum::<f64>() as u64
}

pub fn dot(data: &Data) -> u64 {
    data.floats.par_iter().zip(data.others.par_iter()).map(|(a, b)| a * b).sum::<f64>() as u64
}

pub fn map_collect(data: &Data) -> u64 {
    let roots: Vec<f64> = data.floats.par_iter().map(|x| x.sqrt() + 1.0).collect();
    super::fingerprint(&roots)
}

pub fn filter_count(data: &Data) -> u64 {
    data.numbers.par_iter().filter(|&&n| n % 3 == 0 && n & 4 == 0).count() as u64
}

pub fn filter_collect(data: &Data) -> u64 {
    let some: Vec<u32> = data.numbers.par_iter().copied().filter(|n| n % 5 < 2).collect();
    some.len() as u64 + u64::from(some[some.len() / 2])
}

pub fn min_max(data: &Data) -> u64 {
    let (least, most) = data
        .numbers
        .par_iter()
        .fold(|| (u32::MAX, 0), |(least, most), &n| (least.min(n), most.max(n)))
        .reduce(|| (u32::MAX, 0), |a, b| (a.0.min(b.0), a.1.max(b.1)));
    u64::from(least) ^ u64::from(most)
}

pub fn vowels(data: &Data) -> u64 {
    let vowels = |word: &String| word.chars().filter(|c| "aeiou".contains(*c)).count() as u64;
    data.words.par_iter().map(vowels).sum()
}

pub fn hashes(data: &Data) -> u64 {
    data.words.par_iter().map(|word| super::hash(word)).reduce(|| 0, |a, b| a ^ b)
}

pub fn histogram(data: &Data) -> u64 {
    let count = |mut counts: Vec<u32>, &n: &u32| {
        counts[(n % 256) as usize] += 1;
        counts
    };
    let add = |a: Vec<u32>, b: Vec<u32>| a.iter().zip(&b).map(|(a, b)| a + b).collect();
    let counts = data.numbers.par_iter().fold(|| vec![0; 256], count).reduce(|| vec![0; 256], add);
    (0..).zip(counts).map(|(at, count): (u64, u32)| at * u64::from(count)).sum()
}

pub fn matrix_vector(data: &Data) -> u64 {
    let product: Vec<f64> = data
        .floats
        .par_chunks(super::SIDE)
        .map(|row| row.par_iter().zip(&data.others[..super::SIDE]).map(|(a, b)| a * b).sum())
        .collect();
    super::fingerprint(&product)
}

pub fn stencil(data: &Data) -> u64 {
    let old = &data.floats;
    let mut new = vec![0.0; old.len()];
    new.par_chunks_mut(super::SIDE).enumerate().for_each(|(row, out)| {
        super::blur_row(old, row, out);
    });
    super::fingerprint(&new)
}

pub fn sort(data: &Data) -> u64 {
    let mut numbers = data.numbers.clone();
    numbers.par_sort_unstable();
    u64::from(numbers[numbers.len() / 2]) ^ u64::from(numbers[numbers.len() / 3])
}

pub fn n_body(data: &Data) -> u64 {
    let pulls: Vec<f64> = data.bodies.par_iter().map(|body| data.pull_on(body)).collect();
    super::fingerprint(&pulls)
}

pub fn mandelbrot_rows(_: &Data) -> u64 {
    (0..super::ROWS).into_par_iter().map(super::mandelbrot_row).sum()
}

pub fn skewed(_: &Data) -> u64 {
    (0..super::SKEWED).into_par_iter().map(super::skewed_item).reduce(|| 0, |a, b| a ^ b)
}

pub fn flat_map(data: &Data) -> u64 {
    data.words.par_iter().flat_map_iter(|word| word.bytes()).map(u64::from).sum()
}

pub fn short_100(data: &Data) -> u64 {
    data.numbers[..100].par_iter().map(|&n| u64::from(n) * 3).sum()
}

pub fn short_1000(data: &Data) -> u64 {
    let mut scaled = [0_u64; 1000];
    scaled.par_iter_mut().zip(&data.numbers[..1000]).for_each(|(out, &n)| *out = u64::from(n) * 3);
    scaled[999] ^ scaled[1]
}

pub fn short_10000(data: &Data) -> u64 {
    data.numbers[..10_000].par_iter().map(|&n| u64::from(n ^ (n >> 5))).max().unwrap_or(0)
}

pub fn find_early(data: &Data) -> u64 {
    u64::from(data.numbers.par_iter().any(|&n| n == data.numbers[data.numbers.len() / 10]))
}

pub fn find_first(data: &Data) -> u64 {
    let wanted = data.numbers[data.numbers.len() / 3];
    data.numbers.par_iter().position_first(|&n| n == wanted).map_or(0, |at| at as u64)
}
