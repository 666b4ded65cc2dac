//! Golden files: a script of commands, with what they print and how they end, run by the real binary in a fresh folder.
//!
//! ```text
//! # A comment.
//! === write tenants/a.yaml
//! …
//! === end
//! === delete tenants/a.yaml
//! $ tenantry plan tenants --expect {digest} < input.yaml
//! standard output
//! 2| standard error
//! [exit 0]
//! ```
//!
//! `{digest}` is the last digest that was printed; `$ cat FILE` prints a file, `$ mails FOLDER` who got which letter;
//! `NAME=VALUE` before the command sets a variable. Digests, times, ids and the folder's path are redacted. `UPDATE=1 cargo test` writes what was printed.

mod script;

use std::{env, fs, path::PathBuf};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/cli")
}

fn golden(name: &str) {
    let path = folder().join(format!("{name}.txt"));
    let expected = fs::read_to_string(&path).unwrap();
    let found = script::run(&expected);
    if env::var_os("UPDATE").is_some() {
        fs::write(&path, found).unwrap();
    } else if found != expected {
        panic!("{}", difference(name, &expected, &found));
    }
}

/// The first line that differs, with what stands around it.
fn difference(name: &str, expected: &str, found: &str) -> String {
    let (expected, found): (Vec<_>, Vec<_>) = (expected.lines().collect(), found.lines().collect());
    let row = (0..expected.len().max(found.len())).find(|row| expected.get(*row) != found.get(*row)).unwrap_or(0);
    let around = |lines: &[&str]| lines[row.saturating_sub(6).min(lines.len())..(row + 12).min(lines.len())].join("\n");
    let line = row + 1;
    format!("{name}.txt:{line} differs; expected\n{}\n\nfound\n{}\n\nUPDATE=1 rewrites it", around(&expected), around(&found))
}

macro_rules! goldens {
    ($($name:ident),+ $(,)?) => {
        $(#[test]
        fn $name() {
            golden(stringify!($name));
        })+

        #[test]
        fn every_golden_file_is_run() {
            let mut files: Vec<_> = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
            files.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
            let mut names: Vec<_> = files.iter().map(|path| path.file_stem().unwrap().to_str().unwrap()).collect();
            names.sort_unstable();
            let mut run = [$(stringify!($name)),+];
            run.sort_unstable();
            assert_eq!(names, run);
        }
    };
}

goldens! {
    actor,
    adopt_and_taken,
    approved,
    budget,
    empty_input,
    expect,
    explain,
    first_apply,
    flags_and_files,
    generated,
    get,
    graph,
    import_round_trip,
    invalid_documents,
    json,
    jsonl,
    last_holder,
    markdown,
    moved_from,
    outputs,
    parts,
    people,
    pipelines,
    pipelines_apply,
    project,
    removal,
    rename_move_disable,
    root_changed,
    settings,
    swap,
    wrong_command_line,
}
