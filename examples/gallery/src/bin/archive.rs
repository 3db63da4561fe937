//! Archives daily backups of a folder, and stores unchanged data only once. Files are cut into
//! pieces at places that depend on their content. Equal pieces are found by their SHA-256, and new
//! ones are compressed. A pipeline of four stages, two of them serial and in order.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::path::PathBuf;

use clap::Parser;
use flate2::Compression;
use flate2::read::{ZlibDecoder, ZlibEncoder};
use gallery::input::backups;
use gallery::{Random, Result, compare, create, data, ensure};
use sha2::{Digest, Sha256};

#[derive(Parser)]
struct Arguments {
    #[arg(default_value = data!("../../../src"))]
    folder: PathBuf,
    /// How often the folder is backed up. Some lines are added each time
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..))]
    days: u32,
    #[arg(long, default_value = "target/folder.archive")]
    out: PathBuf,
}

type Key = [u8; 32];
type Keyed<'t> = (&'t [u8], Key);

/// The shortest and the longest piece, in bytes. The last piece may be shorter.
const LENGTHS: [usize; 2] = [1 << 11, 1 << 15];

/// Cuts a text into pieces. A piece ends where the "gear" hash of the last 64 bytes has one of 8192
/// values. So a change moves the ends of pieces only near it.
fn pieces<'t>(mut rest: &'t [u8], gear: &[u64; 256]) -> impl Iterator<Item = &'t [u8]> {
    std::iter::from_fn(move || {
        let mut hash = 0_u64;
        let end = rest.iter().take(LENGTHS[1]).enumerate().position(|(at, byte)| {
            hash = (hash << 1).wrapping_add(gear[usize::from(*byte)]);
            at + 1 >= LENGTHS[0] && hash.leading_zeros() >= 13
        });
        let (piece, others) = rest.split_at(end.map_or(LENGTHS[1], |at| at + 1).min(rest.len()));
        rest = others;
        (!piece.is_empty()).then_some(piece)
    })
}

fn key(piece: &[u8]) -> Keyed<'_> {
    (piece, Sha256::digest(piece).into())
}

/// Returns the number of a piece among the stored ones, and its bytes if the piece is new.
fn look_up<'t>((piece, key): Keyed<'t>, all: &mut HashMap<Key, u32>) -> (u32, Option<&'t [u8]>) {
    let next = all.len() as u32;
    let number = *all.entry(key).or_insert(next);
    (number, (number == next).then_some(piece))
}

/// Returns a piece's record in the archive: its number, and the length and bytes of its data.
fn packed((number, piece): (u32, Option<&[u8]>)) -> io::Result<Vec<u8>> {
    let mut record = vec![0; 8];
    if let Some(piece) = piece {
        ZlibEncoder::new(piece, Compression::default()).read_to_end(&mut record)?;
    }
    let head = u64::from(number) << 32 | (record.len() as u64 - 8);
    record[..8].copy_from_slice(&head.to_le_bytes());
    Ok(record)
}

fn restored(mut archive: &[u8]) -> io::Result<Vec<u8>> {
    let (mut all, mut pieces) = (Vec::new(), Vec::<Vec<u8>>::new());
    while let Some((head, rest)) = archive.split_first_chunk() {
        let head = u64::from_le_bytes(*head);
        let (record, rest) = rest.split_at(head as u32 as usize);
        archive = rest;
        if !record.is_empty() {
            let mut piece = Vec::new();
            ZlibDecoder::new(record).read_to_end(&mut piece)?;
            pieces.push(piece);
        }
        all.extend(&pieces[(head >> 32) as usize]);
    }
    Ok(all)
}

fn main() -> Result {
    let Arguments { folder, days, out } = Arguments::parse();
    let all = backups(&folder, days)?;
    println!("{days} days of {}: {} bytes", folder.display(), all.len());
    let gear: [u64; 256] = std::array::from_fn(|byte| Random::new(2, byte as u64).next());

    let serial = || {
        let (mut archive, mut before) = (Vec::new(), HashMap::new());
        for piece in pieces(&all, &gear) {
            let record = packed(look_up(key(piece), &mut before));
            archive.extend(record.map_err(|error| error.to_string())?);
        }
        Ok(archive)
    };
    let parallel = || {
        let (mut archive, mut before) = (Vec::new(), HashMap::new());
        let stats = filch::pipeline(pieces(&all, &gear))
            .max_in_flight(32)
            .parallel(key)
            .serial_in_order(|piece| look_up(piece, &mut before))
            .try_parallel(packed)
            .try_serial_in_order(|record| archive.write_all(&record))
            .run()
            .map_err(|error| error.to_string())?;
        println!("\n{stats}\n");
        Ok::<_, String>(archive)
    };
    let archive = compare(serial, parallel)??;
    create(&out)?.write_all(&archive)?;
    ensure(restored(&archive)? == all, "the restored bytes differ from the archived ones")?;
    let part = 100.0 * archive.len() as f64 / all.len().max(1) as f64;
    println!("{} bytes, {part:.1} % of all", archive.len());
    println!("answer right: it restores the same bytes");
    Ok(())
}
