//! The rooms of the data path import each other in one direction. `worker` runs both halves, so a half that imports
//! `worker`, or a room that imports the front door of its own half, closes a circle in which nothing can be read or moved alone.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use regex::Regex;

/// A file below `src`, or a folder of files one level further down: `outbound/balance` is one room.
type Room = Vec<String>;

/// Where a file is in the tree of modules, and what it says without its tests.
type File = (Vec<String>, String);

const HALVES: [&str; 3] = ["worker", "inbound", "outbound"];

#[test]
fn no_room_of_the_data_path_imports_itself_by_way_of_others() {
    let rooms = rooms();
    assert!(rooms.len() > 40, "only {} rooms were found", rooms.len());
    let imports: BTreeMap<_, _> =
        rooms.iter().map(|(room, files)| (room.join("::"), imports(room, files, &rooms))).collect();
    assert!(imports["inbound::request"].contains("worker::ground"), "imports are found");
    assert!(imports["worker"].contains("outbound"), "imports are found");
    // What imports nothing that is left is in no circle; what is in one is never taken away.
    let mut left: BTreeSet<_> = imports.keys().collect();
    while let Some(free) = left.iter().find(|room| imports[**room].iter().all(|other| !left.contains(other)))
    {
        let free = *free;
        left.remove(free);
    }
    assert!(left.is_empty(), "these import each other in a circle, or what is in one: {left:?}");
}

fn rooms() -> BTreeMap<Room, Vec<File>> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders: Vec<_> = HALVES.iter().map(|half| src.join(half)).collect();
    let mut paths: Vec<_> = HALVES.iter().map(|half| src.join(format!("{half}.rs"))).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { paths.push(path) }
        }
    }
    let mut rooms = BTreeMap::<_, Vec<File>>::new();
    for path in paths {
        let name = path.strip_prefix(&src).unwrap().to_str().unwrap();
        let module: Vec<_> = name.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
        if module.contains(&"tests".to_owned()) {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let text = text.split("#[cfg(test)]\nmod tests").next().unwrap().to_owned();
        rooms.entry(module.iter().take(2).cloned().collect()).or_default().push((module, text));
    }
    rooms
}

/// The other rooms that `files` name: in `use`, and a front door in `mod` too. What is only handed on by `pub use` is not
/// imported.
fn imports(own: &Room, files: &[File], rooms: &BTreeMap<Room, Vec<File>>) -> BTreeSet<String> {
    let uses = Regex::new(r"(?m)^\s*use ([^;]+);").unwrap();
    let children = Regex::new(r"(?m)^\s*(?:pub(?:\([a-z]+\))? )?mod (\w+);").unwrap();
    let mut found = BTreeSet::new();
    for (module, text) in files {
        let paths = uses.captures_iter(text).flat_map(|found| flat(&found[1]));
        let children = children.captures_iter(text).map(|found| format!("self::{}", &found[1]));
        for path in paths.chain(children) {
            let Some(path) = absolute(module, &path) else { continue };
            let room = [2, 1]
                .into_iter()
                .filter_map(|length| path.get(..length))
                .find(|room| rooms.contains_key(*room));
            found.extend(room.map(|room| room.join("::")));
        }
    }
    found.remove(&own.join("::"));
    found
}

/// `path`, as `module` writes it, from the root of the crate; nothing for what is of another crate.
fn absolute(module: &[String], path: &str) -> Option<Vec<String>> {
    let mut parts = path.split("::").peekable();
    let mut from = match *parts.peek()? {
        "crate" => Vec::new(),
        "self" | "super" => module.to_vec(),
        _ => return None,
    };
    for part in parts {
        match part {
            "crate" | "self" => {}
            "super" => drop(from.pop()),
            name => from.push(name.to_owned()),
        }
    }
    Some(from)
}

/// `a::{b, c::{d, e}}` as `a::b`, `a::c::d`, `a::c::e`.
fn flat(paths: &str) -> Vec<String> {
    let paths: String = paths.chars().filter(|c| !c.is_whitespace()).collect();
    let Some((prefix, inner)) = paths.split_once('{') else { return vec![paths] };
    let inner = inner.strip_suffix('}').unwrap_or(inner);
    let (mut depth, mut from, mut all) = (0, 0, Vec::new());
    for (at, c) in inner.char_indices().chain([(inner.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                all.extend(flat(&inner[from..at]).into_iter().filter(|path| !path.is_empty()));
                from = at + 1;
            }
            _ => {}
        }
    }
    all.into_iter().map(|path| format!("{prefix}{path}")).collect()
}
