//! `weakenings SRC` plants the weakenings that the loom models name in a copy of the sources,
//! `SRC`, so that one build has all of them.
//!
//! The doc comment of a model names a weakening in a line such as
//!
//! ```text
//! /// Weakened: `sleep/mod.rs announce: fence(Ordering::SeqCst); =>`
//! ```
//!
//! The parts are a file, a function in it, code that occurs once in that function, and its
//! replacement. The replacement is used if the environment variable `FILCH_WEAKENING` is the
//! weakening's number. It must be an expression for an expression, or statements for statements.
//! The text may continue in the next line. For each weakening, the program prints its number, the
//! model, and the parts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs};

const MODULE: &str = r#"
//! Whether a planted weakening is used.

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
    // Weakenings of the same code are planted together.
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
        let place = place.unwrap_or_else(|| panic!("{file} {function}: not found once: {old}"));
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
            (None, None, Some(_)) => panic!("a weakening has no closing ` before: {line}"),
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
    let [model, file, function, old, new] =
        parts().unwrap_or_else(|| panic!("cannot parse the weakening {named}"));
    Weakening { model, file, function, old, new }
}

/// Returns where `old` is in the functions of that name, if it occurs there once.
fn place(text: &str, function: &str, old: &str) -> Option<usize> {
    let head = format!("fn {function}");
    let is_name = |at: &usize| text[at + head.len()..].starts_with(['(', '<']);
    let mut found = Vec::new();
    for (at, _) in text.match_indices(&head).filter(|(at, _)| is_name(at)) {
        // The function ends with a brace at its own indentation, as rustfmt writes it.
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
