//! Checks what the prose says of the code: each path in `ARCHITECTURE.md` exists, each file of the
//! core has a line there, and each model that a proof names exists.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Paths in the text that begin with one of these are relative to the repository, others to `src/`.
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

    let files = files_of_the_core(top);
    let unnamed: Vec<&String> = files.difference(&named).collect();
    assert!(unnamed.is_empty(), "ARCHITECTURE.md has no line for {unnamed:?}");
}

#[test]
fn each_model_that_a_proof_names_exists() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |file: &String| fs::read_to_string(top.join(file)).unwrap();
    let texts: Vec<String> = files_of_the_core(top).iter().map(read).collect();
    let named: BTreeSet<String> = texts.iter().flat_map(|text| models_named(text)).collect();
    let exists = |model: &&String| {
        let function = format!("fn {model}() {{");
        texts.iter().any(|text| text.contains(&function))
    };
    assert!(named.len() > 30, "the proofs name only {} models", named.len());
    let missing: Vec<&String> = named.iter().filter(|model| !exists(model)).collect();
    assert!(missing.is_empty(), "no model is called {missing:?}");
}

/// The names in code spans between `Model:` or `Models:` in a comment and the end of the sentence.
fn models_named(text: &str) -> Vec<String> {
    let comments = text.lines().filter_map(|line| line.trim_start().strip_prefix("//"));
    let prose: String = comments.map(|line| line.trim_start_matches(['/', '!'])).collect();
    let sentences = ["Model: ", "Models: "].into_iter().flat_map(|word| prose.split(word).skip(1));
    sentences
        .flat_map(|rest| rest.split('.').next().into_iter().flat_map(|list| list.split('`')))
        .filter(|name| name.contains('_') && !name.contains(' '))
        .map(str::to_owned)
        .collect()
}

/// The paths in the code spans and code blocks of a Markdown text.
fn paths_in(text: &str) -> BTreeSet<String> {
    // Every second part is code, after the three backquotes of a block as after the one of a span.
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

fn files_of_the_core(top: &Path) -> BTreeSet<String> {
    let mut files = BTreeSet::new();
    list(top, "src", &mut files);
    files
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
