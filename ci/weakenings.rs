//! Plants the weakening that each model names in a copy of the tree, so that one build has all.
//!
//! `weakenings SRC`, the copy's sources, which are changed. The doc comment of a model has a line
//! such as
//!
//! ```text
//! /// Weakened: `sleep/mod.rs announce: fence(Ordering::SeqCst); =>`
//! ```
//!
//! a file, a function in it, code that stands there once, and what stands in its place while the
//! environment variable `FILCH_WEAKENING` is the weakening's number: an expression for an
//! expression, or statements for statements. It may go on in the next line. Printed are, of each
//! weakening: its number, the model, the rest.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs};

const MODULE: &str = r#"
//! Which of the planted weakenings is in force.

use std::sync::LazyLock;

pub(crate) fn is(number: u32) -> bool {
    static NUMBER: LazyLock<Option<u32>> =
        LazyLock::new(|| std::env::var("FILCH_WEAKENING").ok()?.parse().ok());
    *NUMBER == Some(number)
}
"#;

struct Weakening {
    model: String,
    file: String,
    function: String,
    old: String,
    new: String,
}

fn main() {
    let source = PathBuf::from(env::args().nth(1).expect("usage: weakenings SRC"));
    let mut weakenings = Vec::new();
    for file in sources(&source) {
        find(&fs::read_to_string(file).unwrap(), &mut weakenings);
    }
    // Weakenings of the same code stand in one place.
    let mut places: BTreeMap<[&str; 3], Vec<(usize, &str)>> = BTreeMap::new();
    for (number, it) in weakenings.iter().enumerate() {
        println!("{number}\t{}\t{} {}: {} => {}", it.model, it.file, it.function, it.old, it.new);
        let place = [&*it.file, &*it.function, &*it.old];
        places.entry(place).or_default().push((number, &it.new));
    }
    for ([file, function, old], news) in places {
        let path = source.join(file);
        let text = fs::read_to_string(&path).unwrap_or_else(|_| panic!("no file {file}"));
        let place = place(&text, function, old);
        let place = place.unwrap_or_else(|| panic!("{file} {function}: not there once: {old}"));
        let mut planted = String::new();
        for (number, new) in news {
            planted += &format!("if crate::weakenings::is({number}) {{ {new} }} else ");
        }
        planted += &format!("{{ {old} }}");
        if !old.ends_with(';') {
            planted = format!("({planted})");
        }
        fs::write(path, [&text[..place], &planted, &text[place + old.len()..]].concat()).unwrap();
    }
    fs::write(source.join("weakenings.rs"), MODULE).unwrap();
    let root = source.join("lib.rs");
    let text = fs::read_to_string(&root).unwrap();
    fs::write(root, text + "mod weakenings;\n").unwrap();
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.append(&mut sources(&path));
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Adds the weakenings that the models of a file name.
fn find(text: &str, weakenings: &mut Vec<Weakening>) {
    let mut open: Option<String> = None;
    let mut named = Vec::new();
    for line in text.lines().map(str::trim) {
        let doc = line.strip_prefix("///").map(str::trim);
        let begun = doc.and_then(|doc| doc.strip_prefix("Weakened: `"));
        match (begun, doc, open.take()) {
            (Some(begun), ..) => open = Some(begun.into()),
            (None, Some(doc), Some(so_far)) => open = Some(format!("{so_far} {doc}")),
            (None, None, Some(_)) => panic!("a weakening has no end before: {line}"),
            (None, ..) => {}
        }
        if let Some(whole) = open.as_deref().and_then(|so_far| so_far.strip_suffix('`')) {
            named.push(whole.to_string());
            open = None;
        }
        let Some(name) = line.strip_prefix("fn ").and_then(|rest| rest.split('(').next()) else {
            continue;
        };
        weakenings.extend(named.drain(..).map(|named| parse(&named, name)));
    }
}

fn parse(named: &str, model: &str) -> Weakening {
    let parts = || {
        let (place, change) = named.split_once(": ")?;
        let (file, function) = place.split_once(' ')?;
        let (old, new) = change.split_once("=>")?;
        Some([model, file, function, old.trim(), new.trim()].map(String::from))
    };
    let [model, file, function, old, new] = parts().unwrap_or_else(|| panic!("what is {named}?"));
    Weakening { model, file, function, old, new }
}

/// Where the code stands, which is in one function of that name, once.
fn place(text: &str, function: &str, old: &str) -> Option<usize> {
    let head = format!("fn {function}");
    let is_name = |at: &usize| text[at + head.len()..].starts_with(['(', '<']);
    let mut found = Vec::new();
    for (at, _) in text.match_indices(&head).filter(|(at, _)| is_name(at)) {
        // To the end of the line that closes it, by rustfmt's indentation.
        let start = text[..at].rfind('\n').map_or(0, |end| end + 1);
        let indent = text[start..].len() - text[start..].trim_start_matches(' ').len();
        let end = format!("\n{}}}\n", " ".repeat(indent));
        let end = text[at..].find(&end).map_or(text.len(), |length| at + length);
        found.extend(text[at..end].match_indices(old).map(|(within, _)| at + within));
    }
    match found[..] {
        [place] => Some(place),
        _ => None,
    }
}
