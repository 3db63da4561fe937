//! Builds the packages of a `Cargo.lock` in the order of their dependencies, from unreliable
//! servers. A package is fetched, which is retried if it fails, and then compiled. A graph runs the
//! steps, those on the longest path first. If a package cannot be fetched, the packages that depend
//! on it are skipped. This is a simulation: a package is some arithmetic.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use filch::graph::{Graph, Node, Outcome};
use gallery::input::{Package, number, packages};
use gallery::{Random, Result, compare, create, data, ensure, read};

#[derive(Parser)]
struct Arguments {
    #[arg(default_value = data!("../../../Cargo.lock"))]
    file: PathBuf,
    /// How many of 100 attempts to fetch a package fail
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(..=100))]
    failures: u32,
    /// How often a failed attempt is retried
    #[arg(long, default_value_t = 4)]
    retries: u32,
    /// A package that no server has
    #[arg(long, default_value = "rand_core")]
    broken: String,
    #[arg(long, default_value = "target/packages.dot")]
    out: PathBuf,
}

/// Attempt number `tries` to fetch a package.
fn fetch(package: &Package, tries: u32, arguments: &Arguments) -> std::result::Result<u64, String> {
    let has_none = package.name.split(' ').next() == Some(&arguments.broken);
    let draw = Random::new(number(&package.name), tries.into()).below(100) as u32;
    match has_none || draw < arguments.failures {
        true => Err(format!("no server has {}", package.name)),
        false => Ok(number(&package.name)),
    }
}

fn compile(package: &Package, source: u64, before: impl Iterator<Item = u64>) -> u64 {
    let mut random = Random::new(source, before.fold(0, u64::wrapping_add));
    (0..package.size).fold(0, |sum, _| sum ^ random.next())
}

/// The result of each package, if it was built.
type Built = Vec<Option<u64>>;

fn build_serially(packages: &[Package], arguments: &Arguments) -> Built {
    let mut built = Built::new();
    for package in packages {
        let source = (0..=arguments.retries).find_map(|it| fetch(package, it, arguments).ok());
        let before: Option<Vec<u64>> = package.before.iter().map(|place| built[*place]).collect();
        built.push(source.zip(before).map(|(it, before)| compile(package, it, before.into_iter())));
    }
    built
}

fn build(packages: &[Package], arguments: &Arguments) -> Result<Built> {
    let (mut graph, mut nodes) = (Graph::new(), Vec::<Node<u64>>::new());
    for package in packages {
        let mut tries = 0..;
        let fetched = graph
            .try_task((), move |()| fetch(package, tries.next().unwrap_or(u32::MAX), arguments));
        fetched.retry(arguments.retries, Duration::from_micros(200)).name("fetch").cost(1000);
        let before: Vec<&Node<u64>> = package.before.iter().map(|place| &nodes[*place]).collect();
        let compiled = graph.task((&fetched, before), |(source, before)| {
            compile(package, *source, before.into_iter().copied())
        });
        nodes.push(compiled.name(&package.name).cost(package.size));
    }
    let report = graph.run()?;
    for failure in report.failures() {
        println!("{failure}");
    }
    let [ran, failed, skipped] =
        [Outcome::Ran, Outcome::Failed, Outcome::Skipped].map(|it| report.count(it));
    println!("steps: {ran} ran, {failed} failed, {skipped} skipped");
    create(&arguments.out)?.write_all(graph.dot().as_bytes())?;
    Ok(nodes.iter().map(|node| graph.result(node).copied()).collect())
}

fn main() -> Result {
    let arguments = Arguments::parse();
    let packages = packages(&read(&arguments.file)?);
    ensure(!packages.is_empty(), "this file has no packages")?;
    println!("{} packages of {}", packages.len(), arguments.file.display());
    let serial = || Ok(build_serially(&packages, &arguments));
    let parallel = || build(&packages, &arguments).map_err(|error| error.to_string());
    let built = compare(serial, parallel)??;
    println!("answer right: {} packages are built", built.iter().flatten().count());
    Ok(())
}
