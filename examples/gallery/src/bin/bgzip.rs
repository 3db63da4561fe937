//! Compresses a file to BGZF, the blocked gzip format of genomics, which `gzip`, `bgzip` and
//! `samtools` read: blocks are read, compressed in parallel, and written in order.
//!
//! At most 32 blocks are in the pipeline at a time, however large the file is.

use std::fs;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::Command;

use clap::Parser;
use filch::pipeline::chunks;
use flate2::Crc;
use flate2::read::MultiGzDecoder;
use gallery::{Result, compare, create, data, ensure};

#[derive(Parser)]
struct Arguments {
    #[arg(default_value = data!("reads.fastq"))]
    file: PathBuf,
    /// How often to repeat the file, for a longer run
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    copies: u32,
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=9))]
    level: u32,
    #[arg(long, default_value = "target/reads.fastq.gz")]
    out: PathBuf,
}

/// How many bytes of the file are in a block. As in other writers, a compressed block then has at
/// most 64 KiB.
const BLOCK: usize = 0xff00;
/// An empty block, which marks the end of a complete file.
const END: [u8; 28] =
    [31, 139, 8, 4, 0, 0, 0, 0, 0, 255, 6, 0, 66, 67, 2, 0, 27, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];

type Packed = std::result::Result<Vec<u8>, String>;

/// Compresses into the beginning of `out`. Returns the compressed length.
#[cfg(not(feature = "libdeflate"))]
fn deflate(bytes: &[u8], out: &mut [u8], level: u32) -> std::result::Result<usize, String> {
    let mut deflate = flate2::Compress::new(flate2::Compression::new(level), false);
    match deflate.compress(bytes, out, flate2::FlushCompress::Finish) {
        Ok(flate2::Status::StreamEnd) => Ok(deflate.total_out() as usize),
        other => Err(format!("a block does not fit: {other:?}")),
    }
}

/// Does the same with the library that Debian's `bgzip` uses.
#[cfg(feature = "libdeflate")]
fn deflate(bytes: &[u8], out: &mut [u8], level: u32) -> std::result::Result<usize, String> {
    let level = libdeflater::CompressionLvl::new(level as i32).map_err(|it| format!("{it:?}"))?;
    let written = libdeflater::Compressor::new(level).deflate_compress(bytes, out);
    written.map_err(|error| format!("a block does not fit: {error}"))
}

/// Compresses one block: a gzip member whose header contains its length.
fn compress(bytes: &[u8], level: u32) -> Packed {
    let mut block = vec![31, 139, 8, 4, 0, 0, 0, 0, 0, 255, 6, 0, 66, 67, 2, 0, 0, 0];
    let head = block.len();
    block.resize(1 << 16, 0);
    let length = deflate(bytes, &mut block[head..], level)?;
    block.truncate(head + length);
    let mut crc = Crc::new();
    crc.update(bytes);
    block.extend(crc.sum().to_le_bytes());
    block.extend((bytes.len() as u32).to_le_bytes());
    let length = u16::try_from(block.len() - 1).map_err(|error| error.to_string())?;
    block[16..18].copy_from_slice(&length.to_le_bytes());
    Ok(block)
}

/// Reads, compresses and writes one block after the other.
fn write_serially(reader: impl Read, level: u32) -> Packed {
    let mut out = Vec::new();
    for chunk in chunks(reader, BLOCK) {
        out.extend(compress(&chunk.map_err(|error| error.to_string())?, level)?);
    }
    out.extend(END);
    Ok(out)
}

fn write_in_parallel(reader: impl Read + Send, level: u32) -> Packed {
    let mut out = Vec::new();
    let stats = filch::try_pipeline(chunks(reader, BLOCK))
        .max_in_flight(32)
        .try_parallel(|chunk| compress(&chunk, level))
        .try_serial_in_order(|block| out.write_all(&block))
        .run()
        .map_err(|error| error.to_string())?;
    out.extend(END);
    println!("\n{stats}\n");
    Ok(out)
}

fn main() -> Result {
    let Arguments { file, copies, level, out } = Arguments::parse();
    let bytes = fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let bytes = bytes.repeat(copies as usize);
    println!("{} bytes of {}, {copies} times", bytes.len(), file.display());
    let packed =
        compare(|| write_serially(&bytes[..], level), || write_in_parallel(&bytes[..], level))??;

    let mut unpacked = Vec::new();
    MultiGzDecoder::new(&packed[..]).read_to_end(&mut unpacked)?;
    ensure(unpacked == bytes, "the unpacked bytes differ from the packed ones")?;
    let mut file = create(&out)?;
    file.write_all(&packed)?;
    drop(file);
    match Command::new("gzip").arg("-t").arg(&out).status() {
        Ok(status) => ensure(status.success(), "gzip does not accept the file")?,
        Err(error) => println!("not checked by gzip: {error}"),
    }
    let part = 100.0 * packed.len() as f64 / bytes.len().max(1) as f64;
    println!("{} bytes in {} blocks: {part:.1} %", packed.len(), bytes.len().div_ceil(BLOCK));
    println!("answer right: it unpacks to the same bytes");
    Ok(())
}
