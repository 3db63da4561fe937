//! Counts the k-mers in a FASTQ file, that is, all runs of k bases in its reads: the first step of
//! many programs that assemble genomes. A k-mer and its reverse complement count as one.
//!
//! Most k-mers of the genome occur about as often as the genome was read, but k-mers with an error
//! occur once. The histogram at the end shows both, and thus the size of the genome.
//!
//! A k-mer is a number of 2k bits. A `fold` over the reads fills a hash table for each piece of the
//! loop. Workers split the loop only to share it, so pieces are few. A `reduce` merges the tables.

use std::collections::HashMap;
use std::path::PathBuf;

use clap::Parser;
use filch::prelude::*;
use gallery::{Result, compare, data, ensure, read};

#[derive(Parser)]
struct Arguments {
    #[arg(default_value = data!("reads.fastq"))]
    file: PathBuf,
    /// The length of a k-mer
    #[arg(short, default_value_t = 21, value_parser = clap::value_parser!(u32).range(1..=31))]
    k: u32,
    /// How often to repeat the reads, for a longer run
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    copies: u32,
}

/// Returns the reads: the second of the four lines of each record.
fn reads(fastq: &str) -> Result<Vec<&[u8]>> {
    let lines: Vec<&str> = fastq.lines().collect();
    let is_record = |record: &[&str]| {
        matches!(record, [name, read, plus, qualities]
            if name.starts_with('@') && plus.starts_with('+') && read.len() == qualities.len())
    };
    ensure(lines.chunks(4).all(is_record), "not a FASTQ file with four lines per record")?;
    Ok(lines.chunks(4).map(|record| record[1].as_bytes()).collect())
}

/// Returns the k-mers of a read, except those that contain an N.
fn kmers(read: &[u8], k: u32) -> impl Iterator<Item = u64> {
    let mask = (1 << (2 * k)) - 1;
    let (mut forward, mut backward, mut known) = (0, 0, 0);
    read.iter().filter_map(move |base| {
        let Some(code) = b"ACGT".iter().position(|letter| letter == base) else {
            known = 0;
            return None;
        };
        let code = code as u64;
        known += 1;
        forward = ((forward << 2) | code) & mask;
        backward = (backward >> 2) | ((3 - code) << (2 * (k - 1)));
        (known >= k).then_some(u64::min(forward, backward))
    })
}

type Counts = HashMap<u64, usize>;

fn add(mut counts: Counts, kmers: impl Iterator<Item = u64>) -> Counts {
    kmers.for_each(|kmer| *counts.entry(kmer).or_insert(0) += 1);
    counts
}

/// Moves the smaller table into the larger one.
fn add_all(a: Counts, b: Counts) -> Counts {
    let (mut large, small) = if a.len() < b.len() { (b, a) } else { (a, b) };
    small.into_iter().for_each(|(kmer, count)| *large.entry(kmer).or_insert(0) += count);
    large
}

fn count_serially(reads: &[&[u8]], k: u32) -> Counts {
    reads.iter().fold(Counts::new(), |counts, read| add(counts, kmers(read, k)))
}

fn count(reads: &[&[u8]], k: u32) -> Counts {
    let tables = reads.par_iter().fold(Counts::new, |counts, read| add(counts, kmers(read, k)));
    tables.reduce(Counts::new, add_all)
}

fn letters(kmer: u64, k: u32) -> String {
    (0..k).rev().map(|i| ['A', 'C', 'G', 'T'][(kmer >> (2 * i)) as usize & 3]).collect()
}

/// Prints how many k-mers occur how often, with a bar for each number of occurrences up to 40.
fn print_histogram(counts: &Counts) -> Vec<usize> {
    let mut histogram = vec![0_usize; 41];
    counts.values().for_each(|&count| histogram[count.min(40)] += 1);
    let most = histogram[1..].iter().max().copied().unwrap_or(0).max(1);
    println!("\noccurs   k-mers");
    for (count, &kmers) in histogram.iter().enumerate().skip(1) {
        let bar = "#".repeat((kmers * 50).div_ceil(most));
        let plus = if count == 40 { "+" } else { " " };
        println!("{count:5}{plus} {kmers:8} {bar}");
    }
    histogram
}

fn main() -> Result {
    let Arguments { file, k, copies } = Arguments::parse();
    let text = read(&file)?;
    let reads = reads(&text)?;
    println!("the {k}-mers of the {} reads in {}, {copies} times", reads.len(), file.display());
    let many = reads.repeat(copies as usize);
    let mut counts = compare(|| count_serially(&many, k), || count(&many, k))?;
    counts.values_mut().for_each(|count| *count /= copies as usize);

    let histogram = print_histogram(&counts);
    // Few k-mers are in the valley between the errors and the genome. All after it are of the
    // genome.
    let valley = (1..20).min_by_key(|&count| histogram[count]).unwrap_or(1);
    let genome = histogram[valley..].iter().sum::<usize>();
    println!("\n{} different k-mers, of which about {genome} are of the genome", counts.len());
    if let Some((kmer, count)) = counts.iter().max_by_key(|&(kmer, count)| (count, kmer)) {
        println!("the most frequent one is {}: {count} times", letters(*kmer, k));
    }
    println!("answer right");
    Ok(())
}
