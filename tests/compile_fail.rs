//! What would be unsound does not compile, and the compiler says why.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, fs, thread};

/// The compiler whose messages `tests/ui` holds. Others word them otherwise.
const COMPILER: &str = "rustc 1.95.";

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn command(variable: &str, default: &str) -> Command {
    let mut command = Command::new(env::var_os(variable).unwrap_or_else(|| default.into()));
    // Of the cargo that runs this test.
    command.env_remove("CARGO_MAKEFLAGS").env_remove("MAKEFLAGS");
    command.current_dir(ROOT);
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn compiler_version() -> String {
    let output = command("RUSTC", "rustc").arg("--version").output();
    output.map_or_else(|error| error.to_string(), |output| text(&output.stdout))
}

/// Builds the crate without features, if that was not done. Returns the folder where it is.
fn build() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let mut build = command("CARGO", "cargo");
    build.args(["build", "--quiet", "--profile=test", "--package=filch", "--lib", "--target-dir"]);
    build.arg(target);
    assert!(build.status().unwrap().success());
    target.join("debug")
}

/// Compiles a case. Lines have no numbers in the messages, so that a change elsewhere in a file
/// changes none of them.
fn compile(case: &Path, built: &Path) -> Output {
    let library = built.join("libfilch.rlib");
    let mut rustc = command("RUSTC", "rustc");
    rustc.env("RUSTC_BOOTSTRAP", "1").args(["-Zui-testing", "-Zwrite-long-types-to-disk=no"]);
    rustc.args(["--edition=2024", "--emit=metadata", "--color=never", "--diagnostic-width=140"]);
    rustc.arg("--out-dir").arg(env!("CARGO_TARGET_TMPDIR"));
    rustc.arg("--extern").arg(format!("filch={}", library.display()));
    rustc.arg("-L").arg(format!("dependency={}", built.join("deps").display()));
    rustc.arg(case.strip_prefix(ROOT).unwrap()).output().unwrap()
}

/// Leaves out what depends on the machine, or changes with code that has nothing to do with a case:
/// where sources are, the places in those that are no cases, and how many other types have a trait.
fn normalized(messages: &str) -> String {
    let normal = |line: &str| {
        let (indent, place) = line.split_at(line.len() - line.trim_start().len());
        let is_place = place.starts_with("--> ") || place.starts_with("::: ");
        match place.split_once(".rs:") {
            Some((file, _)) if is_place && !file.contains(" tests/ui/") => {
                let file = file
                    .split_once("/library/")
                    .map_or(file.to_owned(), |(_, file)| format!("{} $RUST/{file}", &place[..3]));
                format!("{indent}{file}.rs\n")
            }
            _ if place.starts_with("and ") && place.ends_with(" others") => {
                format!("{indent}and others\n")
            }
            _ => format!("{}\n", line.trim_end()),
        }
    };
    messages.lines().map(normal).collect()
}

/// With `FILCH_TEST_OVERWRITE`, the messages become what is expected.
#[test]
fn escapes_and_races_are_refused() {
    let version = compiler_version();
    if !version.starts_with(COMPILER) {
        use std::io::Write;
        let skipped = format!("SKIPPED: tests/ui is for {COMPILER}x, this is {version}\n");
        return drop(std::io::stderr().write_all(skipped.as_bytes()));
    }
    let built = build();
    let files = fs::read_dir(Path::new(ROOT).join("tests/ui")).unwrap();
    let paths = files.map(|file| file.unwrap().path());
    let cases: Vec<_> = paths.filter(|path| path.extension().unwrap() == "rs").collect();
    assert!(!cases.is_empty());
    let next = AtomicUsize::new(0);
    let check = || {
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            let output = compile(case, &built);
            let messages = normalized(&text(&output.stderr));
            assert!(!output.status.success(), "{case:?} compiles:\n{messages}");
            let expected = case.with_extension("stderr");
            if env::var_os("FILCH_TEST_OVERWRITE").is_some() {
                fs::write(&expected, &messages).unwrap();
            }
            let expected = fs::read_to_string(expected).unwrap_or_default();
            assert!(messages == expected, "{case:?} gives\n{messages}\nnot\n{expected}");
        }
    };
    thread::scope(|s| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            s.spawn(check);
        }
    });
}
