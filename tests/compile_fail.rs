//! Code that would be unsound does not compile, and the compiler says why.
//!
//! The cases are in a separate package, which depends only on this crate. In this package, they
//! would also need everything that its tests, benches and examples depend on.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

/// The compiler whose messages are in `tests/ui`. Other versions have other messages.
const COMPILER: &str = "rustc 1.95.";

const CASES: &str = "tests/ui";
const MANIFEST_DIR: &str = "CARGO_MANIFEST_DIR";

fn compiler_version() -> String {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("--version").output();
    output.map_or_else(
        |error| error.to_string(),
        |output| String::from_utf8_lossy(&output.stdout).into_owned(),
    )
}

/// Makes the package with copies of the cases.
fn make_package(package: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = format!(
        "[package]\nname = \"cases\"\nedition = \"2024\"\n\n\
         [dependencies]\nfilch = {{ path = {root:?} }}\n\n[workspace]\n"
    );
    // Removes cases of earlier runs.
    let _ = fs::remove_dir_all(package.join(CASES));
    for folder in [CASES, "src"] {
        fs::create_dir_all(package.join(folder)).unwrap();
    }
    fs::write(package.join("Cargo.toml"), manifest).unwrap();
    fs::write(package.join("src/main.rs"), "fn main() {}\n").unwrap();
    let _ = fs::copy(root.join("Cargo.lock"), package.join("Cargo.lock"));
    for case in fs::read_dir(root.join(CASES)).unwrap() {
        let case = case.unwrap();
        fs::copy(case.path(), package.join(CASES).join(case.file_name())).unwrap();
    }
}

/// With `TRYBUILD=overwrite`, new messages are written to the copies of the cases.
#[test]
fn escapes_and_races_are_refused() {
    let version = compiler_version();
    if !version.starts_with(COMPILER) {
        use std::io::Write;
        let skipped = format!("SKIPPED: tests/ui is for {COMPILER}x, this is {version}\n");
        return drop(std::io::stderr().write_all(skipped.as_bytes()));
    }
    let package = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cases");
    if env::var_os(MANIFEST_DIR).is_some_and(|dir| dir == *package) {
        return trybuild::TestCases::new().compile_fail(format!("{CASES}/*.rs"));
    }
    make_package(&package);
    let mut again = Command::new(env::current_exe().unwrap());
    again.args(["--exact", "escapes_and_races_are_refused", "--nocapture"]);
    again.env(MANIFEST_DIR, &package).current_dir(&package);
    assert!(again.status().unwrap().success());
}
