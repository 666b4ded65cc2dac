//! The layers of `ARCHITECTURE.md`, held against the source text.

use std::{fs, path::Path};

/// Lowest first: a module uses what stands before it, never what stands behind.
const ORDER: &[&str] = &[
    "model",
    "manifest",
    "desired",
    "observed",
    "history",
    "plan",
    "organisation",
    "directory",
    "git",
    "credential",
    "mail",
    "report",
    "issue",
    "apply",
    "pipeline",
    "drivers",
    "serve",
    "k8s",
    "config",
    "telemetry",
    "cli",
];

/// Layers that do no I/O, are not async, and read no clock and no environment.
const PURE: &[&str] = &["model", "desired", "observed", "history", "plan", "organisation"];

/// Words of the world outside.
const WORLD: &[&str] = &[
    "async fn",
    "tokio",
    "kube::",
    "k8s_openapi",
    "std::fs",
    "fs::",
    "std::env",
    "SystemTime",
    "Instant",
    "Timestamp::now",
    "println!",
    "rusqlite",
    "reqwest",
];

/// A source file without its tests: its path below `src`, and its text.
fn sources() -> Vec<(String, String)> {
    fn collect(folder: &Path, out: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, out);
            } else if path.extension().is_some_and(|it| it == "rs") {
                let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
                let text = fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
                let code: String =
                    code.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")).collect();
                out.push((path.strip_prefix(root).unwrap().to_string_lossy().into_owned(), code));
            }
        }
    }
    let mut out = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut out);
    out.sort();
    assert!(out.len() > 40, "the sources are where they are looked for");
    out
}

fn layer(file: &str) -> &str {
    file.split(['/', '.']).next().unwrap_or_default()
}

/// The modules of this crate that a text names, however it spells the path.
fn named(text: &str) -> Vec<&'static str> {
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let groups: Vec<&str> = flat.split("use crate::{").skip(1).filter_map(|rest| rest.split(';').next()).collect();
    let names = |module: &&&str| {
        let path = format!("crate::{module}");
        let direct = flat
            .match_indices(&path)
            .any(|(at, _)| !flat[at + path.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_'));
        let grouped = groups
            .iter()
            .any(|group| top_level(group).iter().any(|item| item.split("::").next().is_some_and(|head| head.trim() == **module)));
        direct || grouped
    };
    ORDER.iter().filter(names).copied().collect()
}

/// The items of a group import that stand at its top level.
fn top_level(group: &str) -> Vec<String> {
    let (mut depth, mut items) = (0_i32, vec![String::new()]);
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => items.push(String::new()),
            _ => items.last_mut().unwrap().push(c),
        }
    }
    items
}

#[test]
fn layers_import_only_downward() {
    for (file, text) in sources() {
        let Some(rank) = ORDER.iter().position(|it| *it == layer(&file)) else {
            assert!(["main", "lib"].contains(&layer(&file)), "{file} belongs to no layer");
            continue;
        };
        for higher in named(&text) {
            let other = ORDER.iter().position(|it| *it == higher).unwrap();
            assert!(other <= rank, "{file} ({}) uses {higher}, which stands above it", layer(&file));
        }
    }
}

#[test]
fn the_core_knows_nothing_of_the_world() {
    for (file, text) in sources().into_iter().filter(|(file, _)| PURE.contains(&layer(file))) {
        for word in WORLD {
            assert!(!text.contains(word), "{file} names {word}");
        }
    }
}

#[test]
fn each_part_of_the_world_has_one_door() {
    let doors: &[(&[&str], &[&str])] = &[
        (&["println!", "print!(", "eprintln!", "eprint!("], &["cli/", "main.rs"]),
        (&["env::var", "env::vars", "env::current_dir"], &["config.rs"]),
        (&["kube::", "k8s_openapi"], &["manifest/", "k8s/"]),
        (&["rusqlite"], &["drivers/"]),
        (&["ErrorKind::Locked("], &["drivers/", "directory.rs", "cli/", "k8s/"]),
    ];
    for (file, text) in sources() {
        for (words, allowed) in doors {
            for word in words.iter().filter(|word| text.contains(**word)) {
                assert!(allowed.iter().any(|door| file.starts_with(door)), "{file} names {word}; only {allowed:?} may");
            }
        }
        if file.starts_with("manifest/") && !file.starts_with("manifest/load") {
            assert!(!text.contains("fs::"), "{file} reads files; only manifest/load does");
        }
    }
}

#[test]
fn secrets_and_shortcuts_are_kept_out() {
    for (file, text) in sources() {
        for word in ["todo!(", "unimplemented!(", "dbg!(", "dry_run"] {
            assert!(!text.contains(word), "{file} has {word}");
        }
    }
}

#[test]
fn imports_are_understood() {
    let text = "use crate::{\n    plan::{self, Plan},\n    model::Key,\n};\nfn f() { crate::report::x() }";
    assert_eq!(named(text), ["model", "plan", "report"]);
    assert_eq!(named("use crate::{model::{plan, Key}}; crate::planner()"), ["model"]);
}
