//! Every example of every code that `tenantry explain` shows, carried out by the real binary: the wrong one is reported under
//! exactly that code, the right one not at all.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;
use tenantry::manifest::Code;

fn tenantry(folder: &Path, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tenantry")).args(words).current_dir(folder).env_clear().output().unwrap()
}

fn json(folder: &Path, words: &[&str]) -> Value {
    let output = tenantry(folder, words);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{words:?}: {error}: {output:?}"))
}

/// Puts down what an example shows. Commands are carried out as they are printed.
fn put(example: &Value, folder: &Path) {
    let text = example["text"].as_str().unwrap();
    if let Some(file) = example["file"].as_str() {
        let path = folder.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    } else {
        assert_eq!(example["language"], "sh");
        assert!(Command::new("sh").args(["-euc", text]).current_dir(folder).status().unwrap().success(), "{text}");
    }
}

/// The codes that are reported where the examples of one kind stand.
fn reported(page: &Value, kind: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("tenants")).unwrap();
    for example in page["examples"].as_array().unwrap() {
        if example["kind"] == kind || example["kind"] == "beside" {
            put(example, folder.path());
        }
    }
    let found = json(folder.path(), &["validate", "tenants", "-o", "json"]);
    let problems = found["problems"].as_array().unwrap();
    let mut codes: Vec<_> = problems.iter().map(|problem| problem["code"].as_str().unwrap().to_owned()).collect();
    codes.sort();
    codes.dedup();
    codes
}

#[test]
fn every_example_of_every_code_is_what_it_says() {
    let here = tempfile::tempdir().unwrap();
    for code in Code::ALL.iter().map(ToString::to_string) {
        let page = json(here.path(), &["explain", &code, "-o", "json"]);
        assert_eq!(page["code"], code);
        assert_eq!(page["formatVersion"], "1.0");
        assert_eq!(reported(&page, "wrong"), [code.as_str()], "the wrong example of {code}");
        assert_eq!(reported(&page, "right"), [""; 0], "the right example of {code}");
    }
}

#[test]
fn the_list_has_everything_once() {
    let here = tempfile::tempdir().unwrap();
    let list = json(here.path(), &["explain", "-o", "json"]);
    let rows = list["codes"].as_array().unwrap();
    let mut names: Vec<_> = rows.iter().map(|row| row["code"].as_str().unwrap()).collect();
    assert!(Code::ALL.iter().all(|code| names.contains(&code.to_string().as_str())));
    for name in &names {
        assert!(tenantry(here.path(), &["explain", name]).status.success(), "{name}");
    }
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
}
