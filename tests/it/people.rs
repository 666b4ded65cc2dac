//! Orders that meet: each is judged on what the others left.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

fn tenantry(folder: &Path, words: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenantry"));
    command.current_dir(folder).args(words).env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

fn code(mut child: Child) -> i32 {
    child.wait().unwrap().code().unwrap()
}

/// A company with so many managers, applied.
fn managers(count: usize) -> TempDir {
    let folder = TempDir::new().unwrap();
    let mut text = "apiVersion: tenantry.dev/v1alpha1\nkind: Company\nmetadata: { name: north }\nspec: {}\n".to_owned();
    for row in 0..count {
        text += &format!(
            "---\napiVersion: tenantry.dev/v1alpha1\nkind: User\nmetadata: {{ name: m{row} }}\nspec: {{ email: m{row}@x.example, \
             company: north, role: common-manager }}\n"
        );
    }
    fs::create_dir(folder.path().join("tenants")).unwrap();
    fs::write(folder.path().join("tenants/all.yaml"), text).unwrap();
    assert_eq!(code(tenantry(folder.path(), &["apply", "tenants", "--yes"])), 0);
    folder
}

#[test]
fn two_locks_at_once_leave_the_last_holder() {
    for _ in 0..4 {
        let folder = managers(2);
        let both = ["m0", "m1"].map(|name| tenantry(folder.path(), &["lock", name, "--reason=x"]));
        let mut codes = both.map(code);
        codes.sort_unstable();
        assert_eq!(codes, [0, 5]);
    }
}

#[test]
fn an_order_takes_no_settings_over() {
    let folder = managers(2);
    let project = |actor: &str| {
        format!(
            "apiVersion: tenantry.dev/v1alpha1\nkind: Project\nmetadata: {{ name: p }}\nspec: {{ paths: [tenants], owner: default{actor} }}\n"
        )
    };
    let run = |words: &[&str]| code(tenantry(folder.path(), words));
    fs::write(folder.path().join("tenantry.yaml"), project(", actor: m0")).unwrap();
    assert_eq!(run(&["apply", "--yes"]), 0);
    assert_eq!(run(&["lock", "m1", "--reason=x"]), 0);
    fs::write(folder.path().join("tenantry.yaml"), project("")).unwrap();
    assert_eq!(run(&["lock", "m1", "--reason=x"]), 0, "it is locked already");
    let more = "apiVersion: tenantry.dev/v1alpha1\nkind: Company\nmetadata: { name: south }\nspec: {}\n";
    fs::write(folder.path().join("tenants/more.yaml"), more).unwrap();
    assert_eq!(run(&["apply", "--yes"]), 5, "who acts is still remembered");
}
