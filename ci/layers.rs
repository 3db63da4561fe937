//! `layers SRC` prints the layers of the crate. It fails if a file imports from a layer above its
//! own, or if imports form a circle.
//!
//! An import is a path, in a `use` declaration or in code, that begins with `crate`, `super` or
//! `self`. It is followed through re-exports to the file that defines the item. A re-export is not
//! an import, nor is a method call. Tests, comments and strings are left out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{env, fs, process};

/// The layers, from the bottom up, by the first folder of a file's path.
const LAYERS: &[&[&str]] = &[
    &["sync", "os", "sim"],
    &["latch"],
    &["queue", "job", "context"],
    &["sleep"],
    &["worker", "task"],
    &["pool", "observe"],
    &["fork"],
    &["iter", "slice", "graph", "pipeline", "names", "guide"],
    &["lib"],
];

/// A module path, such as `["worker", "find"]`.
type Module = Vec<String>;

/// One source file.
struct File {
    path: String,
    module: Module,
    /// The names that the file defines, at any depth.
    defines: BTreeSet<String>,
    /// The name (`*` for a glob) and the path of each import, and whether it is a re-export.
    uses: Vec<(String, Vec<String>, bool)>,
    /// The paths in its code.
    mentions: Vec<Vec<String>>,
    /// The submodules that are in other files.
    children: Vec<Module>,
}

fn main() {
    let source = PathBuf::from(env::args().nth(1).expect("usage: layers SRC"));
    let files = read(&source);
    let imports = imports(&files);
    let mut wrong = print_layers(&files);
    for (from, to) in imports.iter().flat_map(|(from, all)| all.iter().map(move |to| (from, to))) {
        if layer(from) < layer(to) {
            println!("UPWARD: {from} imports from {to}");
            wrong += 1;
        }
    }
    for circle in circles(&imports) {
        println!("CIRCLE of {} files:", circle.len());
        for from in &circle {
            let to: Vec<&str> =
                imports[from].iter().filter(|to| circle.contains(to)).map(|to| &**to).collect();
            println!("    {from} -> {}", to.join(" "));
        }
        wrong += 1;
    }
    println!("{} files, {wrong} faults", files.len());
    process::exit(i32::from(wrong > 0));
}

fn layer(path: &str) -> Option<usize> {
    let first = path.split('/').next().unwrap();
    let is_here =
        |names: &&[&str]| names.iter().any(|name| first == *name || first == format!("{name}.rs"));
    LAYERS.iter().position(|names| is_here(&names))
}

/// Prints the layers from the top down. Returns how many files are in no layer.
fn print_layers(files: &[File]) -> usize {
    for (number, names) in LAYERS.iter().enumerate().rev() {
        let here: Vec<&File> = files.iter().filter(|it| layer(&it.path) == Some(number)).collect();
        println!("{} {:<24} {:>3} files", number + 1, names.join(" "), here.len());
    }
    let unplaced = files.iter().filter(|it| layer(&it.path).is_none());
    unplaced.inspect(|it| println!("NO LAYER: {}", it.path)).count()
}

// ---- Reading ----

fn read(source: &Path) -> Vec<File> {
    let mut files = Vec::new();
    let mut open = vec![source.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() {
                open.push(path);
            } else if name.ends_with(".rs") {
                let text = fs::read_to_string(&path).unwrap();
                files.push(parse(path.strip_prefix(source).unwrap().to_str().unwrap(), &text));
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    // Keep only files that belong to the crate.
    let (mut found, mut open) = (BTreeSet::new(), vec![Module::new()]);
    while let Some(module) = open.pop() {
        let file = files.iter().find(|it| it.module == module);
        open.extend(file.iter().flat_map(|it| it.children.clone()));
        found.insert(module);
    }
    files.retain(|it| found.contains(&it.module));
    files
}

fn parse(path: &str, text: &str) -> File {
    let module = path.trim_end_matches(".rs").trim_end_matches("/mod");
    let module: Module = module.split('/').filter(|it| *it != "lib").map(String::from).collect();
    let tokens = without_tests(tokens(text));
    let mut file = File {
        path: path.into(),
        module,
        defines: BTreeSet::new(),
        uses: Vec::new(),
        mentions: Vec::new(),
        children: Vec::new(),
    };
    const ITEMS: [&str; 8] = ["fn", "struct", "enum", "union", "trait", "type", "const", "static"];
    let mut at = 0;
    // The number of open braces, and the numbers at which inline modules began.
    let (mut depth, mut inline) = (0_usize, Vec::new());
    while at < tokens.len() {
        let token = tokens[at].as_str();
        match token {
            "{" => depth += 1,
            "}" => {
                depth -= 1;
                if inline.last() == Some(&depth) {
                    inline.pop();
                }
            }
            "mod" if tokens.get(at + 2).is_some_and(|it| it == "{") => inline.push(depth),
            "mod" if tokens.get(at + 2).is_some_and(|it| it == ";") => {
                file.children.push([&file.module[..], &tokens[at + 1..=at + 1]].concat());
            }
            "use" => {
                let end = at + tokens[at..].iter().position(|it| it == ";").unwrap();
                let mut found = Vec::new();
                tree(&tokens[at + 1..end], &mut Vec::new(), &mut found);
                let exported = at > 0 && matches!(tokens[at - 1].as_str(), "pub" | ")");
                for (name, path) in found {
                    file.uses.push((name, absolute(&path, &file.module, inline.len()), exported));
                }
                at = end;
            }
            "crate" | "super" | "self" if tokens.get(at + 1).is_some_and(|it| it == "::") => {
                let mut path = vec![token.to_owned()];
                while tokens.get(at + 1).is_some_and(|it| it == "::") && tokens.len() > at + 2 {
                    path.push(tokens[at + 2].clone());
                    at += 2;
                }
                file.mentions.push(absolute(&path, &file.module, inline.len()));
            }
            _ => {}
        }
        let defines = ITEMS.contains(&token) || token == "macro_rules";
        if defines && let Some(name) = tokens[at + 1..].iter().find(|it| *it != "!" && *it != "mut")
        {
            file.defines.insert(name.clone());
        }
        at += 1;
    }
    file
}

/// Splits into words, `::`, and other characters, without comments and literals.
fn tokens(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if first == '"' {
            string_length(rest)
        } else if rest.starts_with("r\"") || rest.starts_with("r#\"") {
            let end = if rest.starts_with("r\"") { "\"" } else { "\"#" };
            let begin = rest.find('"').unwrap() + 1;
            begin + rest[begin..].find(end).unwrap() + end.len()
        } else if first == '\'' {
            character_length(rest)
        } else if first.is_alphanumeric() || first == '_' {
            let end =
                rest.find(|it: char| !it.is_alphanumeric() && it != '_').unwrap_or(rest.len());
            found.push(rest[..end].into());
            end
        } else if rest.starts_with("::") {
            found.push("::".into());
            2
        } else {
            if !first.is_whitespace() {
                found.push(first.into());
            }
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    found
}

fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of a character literal, or 1 for the mark of a lifetime.
fn character_length(text: &str) -> usize {
    let inside = &text[1..];
    if inside.starts_with('\\') {
        return 3 + inside[2..].find('\'').unwrap();
    }
    let length = inside.chars().next().map_or(0, char::len_utf8);
    if inside[length..].starts_with('\'') { length + 2 } else { 1 }
}

/// Removes items that are compiled only for tests.
fn without_tests(tokens: Vec<String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let is_cfg = tokens[at] == "#" && tokens.get(at + 2).is_some_and(|it| it == "cfg");
        if !is_cfg {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        let end = closing(&tokens, at + 1, "[", "]");
        let condition = tokens[at..=end].concat();
        at = end + 1;
        if !condition.contains("test") || condition.contains("not(test)") {
            continue;
        }
        // The item: up to a `;`, or to the end of its braces.
        while !matches!(tokens[at].as_str(), ";" | "{") {
            at += 1;
        }
        if tokens[at] == "{" {
            at = closing(&tokens, at, "{", "}");
        }
        at += 1;
    }
    kept
}

fn closing(tokens: &[String], from: usize, open: &str, close: &str) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(from) {
        if token == open {
            depth += 1;
        } else if token == close {
            depth -= 1;
            if depth == 0 {
                return at;
            }
        }
    }
    panic!("a {open} has no {close}");
}

/// Adds the paths of a `use` tree to `found`, each with the name under which it is imported.
fn tree(tokens: &[String], prefix: &mut Vec<String>, found: &mut Vec<(String, Vec<String>)>) {
    let outer = prefix.len();
    let mut at = 0;
    while at < tokens.len() {
        match tokens[at].as_str() {
            "::" => {}
            "{" => {
                let end = closing(tokens, at, "{", "}");
                let (mut part, mut depth) = (at + 1, 0);
                for here in at + 1..=end {
                    match tokens[here].as_str() {
                        "{" => depth += 1,
                        "}" if here < end => depth -= 1,
                        "," | "}" if depth == 0 => {
                            tree(&tokens[part..here], prefix, found);
                            part = here + 1;
                        }
                        _ => {}
                    }
                }
                prefix.truncate(outer);
                return;
            }
            "as" => {
                found.push((tokens[at + 1].clone(), prefix.clone()));
                prefix.truncate(outer);
                return;
            }
            word => prefix.push(word.into()),
        }
        at += 1;
    }
    if prefix.len() > outer {
        if prefix.last().is_some_and(|it| it == "self") {
            prefix.pop();
        }
        found.push((prefix.last().unwrap().clone(), prefix.clone()));
    }
    prefix.truncate(outer);
}

/// Returns the path from the crate's root, for a path inside `inline` nested modules of `module`'s
/// file. A path into another crate leads to a name that the file does not define, and is dropped
/// later.
fn absolute(path: &[String], module: &Module, inline: usize) -> Vec<String> {
    let (mut base, mut inline, mut rest) = (module.clone(), inline, path);
    match path.first().map(String::as_str) {
        Some("crate") => (base, rest) = (Vec::new(), &path[1..]),
        Some("self") => rest = &path[1..],
        _ => {}
    }
    while rest.first().is_some_and(|it| it == "super") {
        if inline > 0 {
            inline -= 1
        } else {
            _ = base.pop()
        }
        rest = &rest[1..];
    }
    base.extend_from_slice(rest);
    base
}

// ---- Following ----

fn imports(files: &[File]) -> BTreeMap<String, BTreeSet<String>> {
    let modules: BTreeMap<&Module, &File> = files.iter().map(|it| (&it.module, it)).collect();
    let mut all = BTreeMap::new();
    for file in files {
        let used = file.uses.iter().filter(|(_, _, exported)| !exported).map(|(_, path, _)| path);
        let paths = used.chain(&file.mentions).filter(|path| !path.is_empty());
        let mut to: BTreeSet<String> =
            paths.filter_map(|path| resolve(path, &modules, 0)).collect();
        to.remove(&file.path);
        all.insert(file.path.clone(), to);
    }
    all
}

/// Returns the file that defines the item at the end of the path.
fn resolve(path: &[String], modules: &BTreeMap<&Module, &File>, depth: usize) -> Option<String> {
    let length = (0..=path.len()).rev().find(|&it| modules.contains_key(&path[..it].to_vec()))?;
    let file = modules[&path[..length].to_vec()];
    let Some(name) = path.get(length) else { return Some(file.path.clone()) };
    if file.defines.contains(name) || depth > 8 {
        return Some(file.path.clone());
    }
    let follow = |through: &[String]| {
        let further = [through, &path[length + 1..]].concat();
        resolve(&further, modules, depth + 1)
    };
    let named = file.uses.iter().find(|(it, path, _)| it == name && !path.is_empty());
    if let Some((_, through, _)) = named {
        return follow(through);
    }
    let globs = file.uses.iter().filter(|(it, path, _)| it == "*" && !path.is_empty());
    for (_, through, _) in globs {
        let module = &through[..through.len() - 1];
        if modules.get(&module.to_vec()).is_some_and(|it| it.defines.contains(name)) {
            return follow(&[module, std::slice::from_ref(name)].concat());
        }
    }
    (length > 0).then(|| file.path.clone())
}

/// Returns the circles: sets of files in which each file reaches all others.
fn circles(imports: &BTreeMap<String, BTreeSet<String>>) -> Vec<Vec<String>> {
    let reach: BTreeMap<&String, BTreeSet<&String>> = imports
        .keys()
        .map(|from| {
            let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
            while let Some(at) = open.pop() {
                open.extend(imports[at].iter().filter(|to| seen.insert(*to)));
            }
            (from, seen)
        })
        .collect();
    let mut found: Vec<Vec<String>> = Vec::new();
    for (from, seen) in &reach {
        let circle = seen.iter().filter(|to| reach[**to].contains(from));
        let circle: Vec<String> = circle.map(|to| (*to).clone()).collect();
        if circle.len() > 1 && !found.contains(&circle) {
            found.push(circle);
        }
    }
    found
}
