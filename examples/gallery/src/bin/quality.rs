//! Filters the reads of a FASTQ file by quality, the first step of most programs on DNA: trims the
//! bad bases at the end of each read, and drops reads that are short or bad on the whole. A
//! pipeline filters batches of records in parallel, and writes them in order.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Parser;
use gallery::{Result, compare, create, data, ensure, read};

#[derive(Parser)]
struct Arguments {
    #[arg(default_value = data!("reads.fastq"))]
    file: PathBuf,
    /// How often to repeat the reads, for a longer run
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..))]
    copies: u32,
    /// The least mean quality of the remaining bases, on the Phred scale
    #[arg(long, default_value_t = 34.0)]
    least: f64,
    #[arg(long, default_value = "target/filtered.fastq")]
    out: PathBuf,
}

/// How many records are in a batch.
const BATCH: usize = 256;
/// The shortest read that is kept.
const SHORTEST: usize = 30;

/// What the filter keeps of a batch.
#[derive(Default, Clone, PartialEq)]
struct Filtered {
    text: String,
    /// The reads and bases that were kept, and the sum of their qualities.
    reads: usize,
    bases: usize,
    quality: u64,
    /// How many reads were cut.
    cut: usize,
}

impl Filtered {
    fn add(&mut self, other: Filtered) {
        self.text += &other.text;
        self.reads += other.reads;
        self.bases += other.bases;
        self.quality += other.quality;
        self.cut += other.cut;
    }
}

/// Returns where to cut the bad end off a read, by BWA's algorithm: where the sum of the shortfalls
/// in quality, from the end of the read on, is largest.
fn good_end(qualities: &[u8]) -> usize {
    let (mut sum, mut most, mut end) = (0, 0, qualities.len());
    for (i, quality) in qualities.iter().enumerate().rev() {
        sum += 30 - i32::from(quality - 33);
        if sum > most {
            (most, end) = (sum, i);
        }
    }
    end
}

fn filter(batch: &[&str], least: f64) -> Filtered {
    let mut left = Filtered::default();
    for record in batch.chunks(4) {
        let &[name, read, _, qualities] = record else { continue };
        let end = good_end(qualities.as_bytes());
        let sum: u64 = qualities.bytes().take(end).map(|quality| u64::from(quality - 33)).sum();
        if end < SHORTEST || (sum as f64) < least * end as f64 {
            continue;
        }
        left.reads += 1;
        left.bases += end;
        left.quality += sum;
        left.cut += usize::from(end < read.len());
        // Writing to a `String` does not fail.
        let _ = writeln!(left.text, "{name}\n{}\n+\n{}", &read[..end], &qualities[..end]);
    }
    left
}

fn main() -> Result {
    let Arguments { file, copies, least, out } = Arguments::parse();
    let text = read(&file)?.repeat(copies as usize);
    let lines: Vec<&str> = text.lines().collect();
    let is_record = |record: &[&str]| {
        matches!(record, [name, read, plus, qualities]
            if name.starts_with('@') && plus.starts_with('+') && read.is_ascii()
                && read.len() == qualities.len() && qualities.bytes().all(|it| it >= 33))
    };
    ensure(lines.chunks(4).all(is_record), "not a FASTQ file with four lines per record")?;
    println!("{} reads of {}, {copies} times", lines.len() / 4, file.display());

    let serial = || {
        let mut all = Filtered::default();
        lines.chunks(4 * BATCH).for_each(|batch| all.add(filter(batch, least)));
        Ok(all)
    };
    let parallel = || {
        let mut all = Filtered::default();
        let stats = filch::pipeline(lines.chunks(4 * BATCH))
            .parallel(|batch| filter(batch, least))
            .serial_in_order(|left| all.add(left))
            .run()
            .map_err(|error| error.to_string())?;
        println!("\n{stats}\n");
        Ok::<_, String>(all)
    };
    let left = compare(serial, parallel)??;
    std::io::Write::write_all(&mut create(&out)?, left.text.as_bytes())?;
    println!("reads kept          {:>9} of {}", left.reads, lines.len() / 4);
    println!("of these, cut       {:>9}", left.cut);
    println!("mean length         {:>9.1}", left.bases as f64 / left.reads.max(1) as f64);
    println!("mean quality        {:>9.1}", left.quality as f64 / left.bases.max(1) as f64);
    println!("answer right");
    Ok(())
}
