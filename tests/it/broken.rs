//! What is broken, wrapped, misspelt or only a part: never a removal.

use std::{fs, path::Path};

use tenantry::manifest::{Code, Form, Input, Limits, Loaded, Salvage, Severity, diagnose, load};

fn text(text: &str) -> Loaded {
    load(&[Input::Stdin(text.to_owned())], &Limits::default())
}

fn file(name: &str, text: &str) -> Loaded {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(name), text).unwrap();
    let loaded = load(&[Input::Folder(folder.path().into())], &Limits::default());
    diagnose(&loaded.problems, &loaded.sources);
    loaded
}

fn keys(loaded: &Loaded) -> Vec<String> {
    loaded.documents.iter().map(|it| it.key.to_string()).collect()
}

fn user(name: &str) -> String {
    format!(
        "apiVersion: tenantry.dev/v1alpha1\nkind: User\nmetadata:\n  name: {name}\nspec:\n  email: {name}@nord.example\n  company: x\n  role: owner\n"
    )
}

fn annotated(annotation: &str) -> String {
    user("a").replace("  name: a\n", &format!("  name: a\n  annotations:\n    {annotation}\n"))
}

const CONFIG: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\n";

/// Incomplete, with an error that says so.
fn incomplete(loaded: &Loaded, what: &str) {
    assert!(loaded.unreadable > 0, "{what}\n{:#?}", loaded.problems);
    assert!(loaded.problems.iter().any(|it| it.severity == Severity::Error), "{what}");
    diagnose(&loaded.problems, &loaded.sources);
}

/// Not for us, and complete.
fn foreign(loaded: &Loaded, what: &str) {
    assert_eq!((loaded.unreadable, loaded.foreign, loaded.documents.len()), (0, 1, 0), "{what}\n{:#?}", loaded.problems);
    assert!(loaded.problems.iter().all(|it| it.code == Code::Foreign && it.severity == Severity::Warning), "{what}");
}

#[test]
fn a_mistyped_separator_may_have_swallowed_documents() {
    for mark in
        ["----\n", " ---\n", "--\n", "\t---\n", "\u{feff}---\n", "\u{85}---\u{85}\n", "...x\n", "", "-- -\n", "—\n", "\r---\r"]
    {
        for first in [user("a"), CONFIG.to_owned()] {
            incomplete(&text(&format!("{first}{mark}{}", user("b"))), &format!("{mark:?} {first}"));
        }
    }
    let line = r#"{"apiVersion":"tenantry.dev/v1alpha1","kind":"Company","metadata":{"name":"j"},"spec":{}}"#;
    for name in ["a.yaml", "a.json"] {
        incomplete(&file(name, &format!("{line}\n{line}\n")), name);
    }
    let mac = format!("{}---\n{}", user("a"), user("b"));
    for sound in [mac.clone(), format!("# head\n{mac}")] {
        incomplete(&file("a.yaml", &sound.replace('\n', "\r")), "carriage returns");
        incomplete(&file("a.yaml", &sound.replace('\n', "\u{85}")), "NEL");
    }
    let loaded = text(&user("a").replace("  role: owner\n", "  role: owner\n  displayName: \"x\n"));
    assert_eq!((keys(&loaded), loaded.unreadable), (vec!["user/default/a".to_owned()], 1));
    foreign(&text("apiVersion: apps/v1\nkind: Deployment\nmetadata: {{ name }}\n  x: {{- y }}\n"), "a template");
}

#[test]
fn lists_in_any_style() {
    let json = |name: &str| {
        format!(r#"{{"apiVersion": "tenantry.dev/v1alpha1", "kind": "Company", "metadata": {{"name": "{name}"}}, "spec": {{}}}}"#)
    };
    let items = format!("[{}, {}]", json("a"), json("b"));
    for (name, list) in [
        ("a.yaml", format!("{{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": {items}}}")),
        ("a.json", format!("{{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": {items}}}")),
        ("a.json", format!("{{\n\t\"items\": {items},\n\t\"x\": \"\\ud83d\\ude00\", \"kind\": \"List\"}}")),
        ("a.yaml", format!("\"apiVersion\": v1\n\"kind\": \"List\"\n\"items\": {items}\n")),
        (
            "a.yaml",
            format!("apiVersion: v1\nkind: !!str List\nitems: {items}\nmetadata: {{ continue: \"\", resourceVersion: \"\" }}\n"),
        ),
        ("a.yaml", format!("x: &k List\nkind: *k\napiVersion: v1\nitems: {items}\n")),
        ("a.yaml", format!("apiVersion: tenantry.dev/v1alpha1\nkind: CompanyList\nitems: {items}\n")),
    ] {
        let loaded = file(name, &list);
        assert_eq!((keys(&loaded), loaded.unreadable), (vec!["company/default/a".into(), "company/default/b".into()], 0), "{list}");
        assert!(loaded.problems.is_empty(), "{list}\n{:?}", loaded.problems);
    }
    for wrong in [
        format!("apiVersion: v1\nkind: list\nitems: {items}\n"),
        format!("apiVersion: v1\nkind: List\nitem: {items}\n"),
        "apiVersion: v1\nkind: List\n".into(),
        "apiVersion: v1\nkind: List\nitems:\n".into(),
        "apiVersion: v1\nkind: List\nitems: { a: b }\n".into(),
        "apiVersion: v1\nkind: List\nitems: [~]\n".into(),
        format!("apiVersion: v1\nkind: List\nitems: {items}\nitems: []\n"),
        format!("apiVersion: v1\nkind: List\nkind: List\nitems: {items}\n"),
        format!("apiVersion: v1\nkind: List\nitems: {items}\nmetadata: {{ continue: abc }}\n"),
        format!("apiVersion: v1\nkind: List\nitems: {items}\nmetadata: {{ remainingItemCount: 3 }}\n"),
        format!("apiVersion: v1\nkind: List\nitems: [{{ apiVersion: v1, kind: List, items: {items} }}]\n"),
        format!("apiVersion: v1\nkind: List\n<<: {{ items: {items} }}\n"),
        format!("apiVersion: v1\nkind: \"\\x4cist\"\nitems: {items}\n"),
    ] {
        incomplete(&file("a.yaml", &wrong), &wrong);
    }
    for nothing in ["", " \n", "null", "5", "\"x\"", r#"{"apiVersion":"v1","kind":"List","items":[null]}"#] {
        incomplete(&file("a.json", nothing), nothing);
    }
    assert_eq!(file("a.yaml", "# nothing\n").unreadable, 0);
    foreign(&text("apiVersion: networking.example.com/v1\nkind: AllowList\nspec: {}\n"), "AllowList");
}

#[test]
fn ours_wrapped_in_something_else() {
    let wrapped = user("a").replace('\n', "\n    ");
    incomplete(&text(&format!("apiVersion: example.com/v1\nkind: Bundle\nspec:\n  objects:\n  - {wrapped}")), "bundle");
    incomplete(&text("apiVersion: v1\nkind: Template\nobjects: [{ APIVersion: tenantry.dev/v2 }]\n"), "template");
    foreign(&text(&format!("{CONFIG}data:\n  x: |\n    {wrapped}")), "a block scalar");
}

#[test]
fn kinds_of_others() {
    for group in ["rabbitmq.com/v1beta1", "user.openshift.io/v1", "iam.aws.crossplane.io/v1beta1", "example.com/v1"] {
        foreign(&text(&user("a").replace("tenantry.dev/v1alpha1", group)), group);
    }
    for version in
        ["tenentry.dev/v1alpha1", "v1", "v1alpha1", "tenantry.dev/v2", "Tenantry.dev/v1alpha1", "tenantry.io/v1", "a/b/c"]
    {
        let loaded = text(&user("a").replace("tenantry.dev/v1alpha1", version).replace("  role", "  enabled: false\n  role"));
        assert_eq!(keys(&loaded), ["user/default/a"], "{version}");
        assert!(matches!(&loaded.documents[0].form, Form::Broken(it) if *it == Salvage::default()), "{version}");
    }
    let salvaged = |field: &str| {
        let loaded = text(&user("a").replace("  role", &format!("  {field}\n  colour: x\n  role")));
        let Form::Broken(salvage) = &loaded.documents[0].form else { panic!() };
        salvage.disabled
    };
    assert!(salvaged("enabled: false"));
    assert!(!salvaged("enabled: !foo false") && !salvaged("enabled: \"false\""));
}

#[test]
fn the_wrong_kind() {
    for kind in ["Project", "Directory"] {
        incomplete(&text(&user("a").replace("User", kind)), kind);
    }
    let project = "apiVersion: tenantry.dev/v1alpha1\nkind: Project\nmetadata: {name: x}\nspec: {nonsense: true}\n";
    assert_eq!(file("tenantry.yaml", project).unreadable, 0);
    incomplete(&file("other.yaml", project), project);
    incomplete(&file("tenantry.yaml", &format!("{project}----\n{}", user("a"))), "torn project");
    let loaded = text(&user("a").replace("User", "Role"));
    assert_eq!((keys(&loaded), loaded.unreadable), (vec!["role/a".to_owned()], 1));
    assert_eq!(text(&user("a").replace("  role", "  colour: x\n  role")).unreadable, 0);
}

#[test]
fn annotations_that_cannot_be_read() {
    for annotation in [
        "tenantry.dev/moved-form: b",
        "Tenantry.dev/moved-from: b",
        "\" tenantry.dev/moved-from\": b",
        "tenantry.dev/x: b",
        "tenantry.dev/moved-from: \"\"",
        "tenantry.dev/moved-from: [b]",
        "tenantry.dev/moved-from: B_b",
        "tenantry.dev/moved-from: role/default/b",
        "tenantry.dev/moved-from:",
    ] {
        let loaded = text(&annotated(annotation));
        incomplete(&loaded, annotation);
        assert_eq!(keys(&loaded), ["user/default/a"], "{annotation}");
        assert!(matches!(loaded.documents[0].form, Form::Broken(_)), "{annotation}");
    }
    incomplete(
        &text(&annotated("x: y").replace("annotations:", "annotatons:").replace("x: y", "tenantry.dev/moved-from: b")),
        "misspelt",
    );
    for annotation in ["tenantry.dev/paused: \"true\"", "tenantry.dev/moved-from: user/default/b", "other.dev/x: b"] {
        let loaded = text(&annotated(annotation));
        assert!(loaded.problems.is_empty() && loaded.unreadable == 0, "{annotation}\n{:?}", loaded.problems);
    }
    let shown = text(&annotated("tenantry.dev/moved-form: b"));
    assert_eq!(shown.problems[0].hint.as_deref(), Some("did you mean `tenantry.dev/moved-from`?"));
}

#[cfg(unix)]
#[test]
fn links_to_folders() {
    use std::os::unix::fs::symlink;
    let (folder, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let root: &Path = folder.path();
    fs::write(outside.path().join("a.yaml"), user("a")).unwrap();
    fs::create_dir(root.join("..2026_01")).unwrap();
    symlink("..2026_01", root.join("..data")).unwrap();
    let count = || load(&[Input::Folder(root.into())], &Limits::default());
    assert_eq!(count().unreadable, 0);
    symlink(outside.path(), root.join("users")).unwrap();
    symlink("nowhere", root.join("gone")).unwrap();
    let loaded = count();
    assert_eq!(loaded.unreadable, 2);
    assert!(loaded.problems.iter().all(|it| it.code == Code::Unreadable && it.hint.is_some()));
}

#[test]
fn only_gitignore_leaves_documents_out() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::create_dir_all(root.join(".git/info")).unwrap();
    fs::write(root.join(".git/info/exclude"), "a.yaml\n").unwrap();
    fs::write(root.join(".gitignore"), "b.yaml\n").unwrap();
    fs::write(root.join("a.yaml"), user("a")).unwrap();
    fs::write(root.join("b.yaml"), user("b")).unwrap();
    assert_eq!(keys(&load(&[Input::Folder(root.into())], &Limits::default())), ["user/default/a"]);
}

#[test]
fn quoted_lines_do_not_steer_the_terminal() {
    let loaded = text(&user("a").replace("  role: owner", "  role: owner # \u{1b}[2J\u{9b}2J\u{202e}\n  \"\u{85}x\u{2066}\": é"));
    let shown = diagnose(&loaded.problems, &loaded.sources);
    for it in &shown {
        let Some(snippet) = &it.snippet else { continue };
        assert!(snippet.text.chars().all(|c| !c.is_control() && !matches!(c, '\u{202e}' | '\u{2066}')), "{snippet:?}");
        assert!(snippet.text.get(snippet.range.clone()).is_some());
    }
    assert!(shown.iter().any(|it| it.snippet.as_ref().is_some_and(|it| it.text.contains('\u{fffd}'))));
}
