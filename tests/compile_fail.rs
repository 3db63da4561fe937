//! What would be unsound does not compile, and the compiler says why.

use std::process::Command;

/// The compiler whose messages `tests/ui` holds. Others word them otherwise.
const COMPILER: &str = "rustc 1.95.";

fn compiler_version() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("--version").output();
    output.map_or_else(
        |error| error.to_string(),
        |output| String::from_utf8_lossy(&output.stdout).into_owned(),
    )
}

#[test]
fn escapes_and_races_are_refused() {
    let version = compiler_version();
    if !version.starts_with(COMPILER) {
        use std::io::Write;
        let skipped = format!("SKIPPED: tests/ui is for {COMPILER}x, this is {version}\n");
        return drop(std::io::stderr().write_all(skipped.as_bytes()));
    }
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
