//! The peers in C++, built if their compiler and libraries are installed.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Compiles to `output`. Prints SKIPPED and returns `None` if that is not possible here.
pub fn compile(output: &Path, options: &[&str]) -> Option<PathBuf> {
    std::fs::create_dir_all(output.parent()?).ok()?;
    let mut command = Command::new("g++");
    command.args(["-O3", "-march=native", "-std=c++17", "-o"]).arg(output).args(options);
    let is_built = command.output().is_ok_and(|output| output.status.success());
    if !is_built {
        println!("SKIPPED: {} cannot be built here\n", output.display());
    }
    is_built.then(|| output.to_owned())
}

/// The programs that could be built.
pub struct Peers(Vec<PathBuf>);

impl Peers {
    pub fn build() -> Self {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/dataflow.cpp");
        let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/peers"));
        let kinds = [
            ("openmp", &["-fopenmp"][..], &[][..]),
            ("onetbb", &["-DWITH_TBB"][..], &["-ltbb"][..]),
        ];
        let built = kinds.into_iter().filter_map(|(name, options, libraries)| {
            let program = folder.join(name);
            let mut options = options.to_vec();
            options.push(source);
            options.extend(libraries);
            compile(&program, &options)
        });
        Peers(built.collect())
    }

    /// Runs each program. Returns the name and the time in nanoseconds that each prints. OpenMP's
    /// gangs run a second time, with threads that sleep between gangs, as filch's do.
    pub fn run(&self, arguments: &[String]) -> Vec<(String, f64)> {
        let run = |program: &PathBuf, policy: Option<&str>| {
            let mut command = Command::new(program);
            command.args(arguments).envs(policy.map(|policy| ("OMP_WAIT_POLICY", policy)));
            let output = command.output().expect("the program was built");
            assert!(output.status.success(), "{program:?} {arguments:?}: {output:?}");
            let text = String::from_utf8(output.stdout).expect("the program prints text");
            let (who, time) = text.trim().split_once(' ')?;
            let who = [Some(who), policy].into_iter().flatten().collect::<Vec<_>>().join(" ");
            Some((who, time.parse().expect("the program prints a number")))
        };
        let programs = if arguments.is_empty() { &[] } else { &self.0[..] };
        let is_gang = arguments.first().is_some_and(|what| what == "gang");
        let sleepy = programs.iter().filter(|_| is_gang).map(|program| (program, Some("passive")));
        let all = programs.iter().map(|program| (program, None)).chain(sleepy);
        all.filter_map(|(program, policy)| run(program, policy)).collect()
    }
}
