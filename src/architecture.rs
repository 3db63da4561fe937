//! Checks `ARCHITECTURE.md`: each path in it exists, and each file of the core has a line in it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Directories whose files the text names from the top of the repository. It names other paths
/// from `src/`.
const FROM_TOP: [&str; 8] =
    ["src/", ".ci/", "ci/", "benches/", "tests/", "examples/", "fuzz/", "compat/"];
/// Modules whose files the text does not list.
const NOT_LISTED: [&str; 2] = ["iter", "slice"];

#[test]
fn the_map_of_the_code_is_true() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    if !top.join("ci").exists() {
        // A package from a registry has no `ci/` and no `ARCHITECTURE.md`.
        return;
    }
    let text = fs::read_to_string(top.join("ARCHITECTURE.md")).unwrap();
    let named = paths_in(&text);
    let missing: Vec<&String> = named.iter().filter(|path| !top.join(path).exists()).collect();
    assert!(missing.is_empty(), "ARCHITECTURE.md names files that do not exist: {missing:?}");

    let mut files = BTreeSet::new();
    list(top, "src", &mut files);
    let unnamed: Vec<&String> = files.difference(&named).collect();
    assert!(unnamed.is_empty(), "ARCHITECTURE.md has no line for {unnamed:?}");
}

/// The paths in the code spans and code blocks of a Markdown text.
fn paths_in(text: &str) -> BTreeSet<String> {
    // A block's three backquotes leave every second part code, as a span's single ones do.
    let code = text.split('`').skip(1).step_by(2).flat_map(str::split_whitespace);
    code.filter_map(|word| {
        let is_from_top = FROM_TOP.iter().any(|directory| word.starts_with(directory));
        match is_from_top {
            true => Some(word.to_owned()),
            false => word.ends_with(".rs").then(|| format!("src/{word}")),
        }
    })
    .collect()
}

/// Adds the source files below `directory`, except those of modules that are not listed.
fn list(top: &Path, directory: &str, files: &mut BTreeSet<String>) {
    for entry in fs::read_dir(top.join(directory)).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = format!("{directory}/{name}");
        if entry.file_type().unwrap().is_dir() {
            if !NOT_LISTED.contains(&name.as_str()) {
                list(top, &path, files);
            }
        } else if name.ends_with(".rs") {
            files.insert(path);
        }
    }
}
