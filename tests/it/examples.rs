//! Each example validates, applies, and then has nothing left to do.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else if !entry.file_name().to_string_lossy().contains(".db") {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn tenantry(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tenantry")).args(args).current_dir(folder).env_clear().output().unwrap()
}

fn example(name: &str) {
    let folder = tempfile::tempdir().unwrap();
    copy(&PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples").join(name), folder.path());
    for (args, exit) in [
        (&["validate"][..], 0),
        (&["plan", "--detailed-exitcode"], 2),
        (&["apply", "--yes"], 0),
        (&["plan", "--detailed-exitcode"], 0),
        (&["apply", "--yes"], 0),
    ] {
        let Output { status, stdout, stderr } = tenantry(folder.path(), args);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert_eq!(status.code(), Some(exit), "{args:?}\n{}{}", text(&stdout), text(&stderr));
        assert!(stderr.is_empty(), "an example has no warnings: {}", text(&stderr));
    }
}

#[test]
fn quickstart() {
    example("quickstart");
}

#[test]
fn solar_fleet() {
    example("solar-fleet");
}

#[test]
fn iot_platform() {
    example("iot-platform");
}
