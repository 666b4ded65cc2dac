//! Files in, values and problems out.

use std::{fs, path::Path};

use tenantry::{
    manifest::{Code, Form, Input, Limits, Loaded, Salvage, Severity, diagnose, load},
    model::{Body, Place},
};

fn text(text: &str) -> Loaded {
    load(&[Input::Stdin(text.to_owned())], &Limits::default())
}

fn codes(loaded: &Loaded) -> Vec<Code> {
    loaded.problems.iter().map(|it| it.code).collect()
}

fn keys(loaded: &Loaded) -> Vec<String> {
    loaded.documents.iter().map(|it| it.key.to_string()).collect()
}

fn places(loaded: &Loaded) -> Vec<(Code, u32, u32)> {
    diagnose(&loaded.problems, &loaded.sources).into_iter().map(|it| (it.code, it.line, it.column)).collect()
}

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn user(name: &str) -> String {
    format!(
        "apiVersion: tenantry.dev/v1alpha1\nkind: User\nmetadata:\n  name: {name}\n  namespace: nord\nspec:\n  email: {name}@nord.example\n  company: service\n  role: owner\n"
    )
}

#[test]
fn a_user_is_read() {
    let loaded = text(
        r#"
apiVersion: tenantry.dev/v1alpha1
kind: User
metadata: { name: mara-lindqvist, namespace: nordlicht, annotations: { tenantry.dev/moved-from: mara } }
spec:
  username: Mara.Lindqvist
  email: Mara@nordlicht.example
  displayName: Mara Lindqvist
  region: europe
  company: nordlicht-service
  role: operations-engineer
  phone: "+4915112345678"
  expires: 2027-06-30
  enabled: false
  credential: { method: Temporary, reset: 2026-01-01 }
"#,
    );
    assert_eq!(codes(&loaded), []);
    assert_eq!(keys(&loaded), ["user/nordlicht/mara-lindqvist"]);
    let Form::Sound(declared) = &loaded.documents[0].form else { panic!() };
    let Body::User(user) = &declared.body else { panic!() };
    assert_eq!(user.username.as_str(), "mara.lindqvist");
    assert_eq!(user.expires.unwrap().to_string(), "2027-07-01T00:00:00Z");
    assert!(!declared.enabled);
    assert_eq!(declared.place, Some(Place::Company("nordlicht-service".parse_name())));
    assert_eq!(declared.moved_from.as_ref().unwrap().to_string(), "user/nordlicht/mara");
    assert_eq!(declared.credential.as_ref().unwrap().reset.as_deref(), Some("2026-01-01"));
}

trait ParseName {
    fn parse_name(&self) -> tenantry::model::Name;
}

impl ParseName for str {
    fn parse_name(&self) -> tenantry::model::Name {
        tenantry::model::Name::new(self).unwrap()
    }
}

#[test]
fn defaults() {
    let loaded = text(
        "apiVersion: tenantry.dev/v1alpha1\nkind: Company\nmetadata: {name: a}\nspec: {}\n---\napiVersion: tenantry.dev/v1alpha1\nkind: Role\nmetadata: {name: r}\nspec: {livesUnder: [Customer, Company], requires: [expires]}\n---\napiVersion: tenantry.dev/v1alpha1\nkind: Customer\nmetadata:\n  name: c\nspec:\n  company: a\n",
    );
    assert_eq!(codes(&loaded), []);
    assert_eq!(keys(&loaded), ["company/default/a", "role/r", "customer/default/c"]);
    let Form::Sound(declared) = &loaded.documents[0].form else { panic!() };
    let Body::Company(company) = &declared.body else { panic!() };
    assert_eq!((company.display_name.as_str(), declared.enabled, declared.deletion), ("a", true, None));
}

#[test]
fn every_problem_of_a_document_is_told_at_its_place() {
    let loaded = text(
        r#"apiVersion: tenantry.dev/v1alpha1
kind: User
metadata:
  name: mara
  namspace: nord
spec:
  emial: x
  company: a
  company: b
  role: 5
  phone: "12"
  firstName: no
  deletion: Delet
  enabled: yes
  displayName:
  credential: { method: Temporry, env: "5x" }
"#,
    );
    assert_eq!(
        places(&loaded),
        [
            (Code::UnknownField, 5, 3),
            (Code::UnknownField, 7, 3),
            (Code::DuplicateKey, 9, 3),
            (Code::BadValue, 10, 9),
            (Code::Ambiguous, 12, 14),
            (Code::BadValue, 13, 13),
            (Code::Ambiguous, 14, 12),
            (Code::BadValue, 15, 3),
            (Code::BadValue, 16, 25),
            (Code::MissingField, 6, 1),
            (Code::BadValue, 16, 40),
            (Code::BadValue, 11, 10),
        ]
    );
    let shown = diagnose(&loaded.problems, &loaded.sources);
    assert_eq!(shown[1].hint.as_deref(), Some("did you mean `email`?"));
    assert_eq!(shown[5].hint.as_deref(), Some("did you mean `Delete`?"));
    assert_eq!(shown[8].hint.as_deref(), Some("did you mean `Temporary`?"));
    assert!(!shown[8].snippet.as_ref().unwrap().text.contains("Temporry"));
    assert_eq!(loaded.unreadable, 0);
    assert!(matches!(loaded.documents[0].form, Form::Broken(_)));
}

#[test]
fn a_broken_document_keeps_its_identity_and_its_neighbours() {
    let broken = user("b").replace("  role: owner\n", "  enabled: false\n  role: owner\n  displayName: \"x\n  x: {\n");
    let loaded = text(&format!("{}---\n{broken}---\n{}", user("a"), user("c")));
    assert_eq!(keys(&loaded), ["user/nord/a", "user/nord/b", "user/nord/c"]);
    assert_eq!((loaded.count, loaded.unreadable), (3, 1));
    let Form::Broken(salvage) = &loaded.documents[1].form else { panic!() };
    assert_eq!(salvage, &Salvage { disabled: true, role: Some("owner".parse_name()), moved_from: None });
    assert!(loaded.problems.iter().all(|it| it.key.as_ref().unwrap().to_string() == "user/nord/b"));
}

#[test]
fn without_an_identity_it_counts_as_unreadable() {
    for broken in [
        "apiVersion: tenantry.dev/v1alpha1\nkind: User\nmetadata: { name: a\n  x: [".to_owned(),
        user("a").replace("kind: User", "kind: Usr"),
        user("A_b"),
        user("a").replace("  name: a\n", ""),
        user("a").replace("  name: a\n", "  name: no\n"),
        user("a").replace("  name: a\n", "  name: a\n  name: b\n"),
        user("a").replace("kind: User\n", ""),
        user("a").replace("  namespace: nord\n", "  namespace: \"nord\n"),
        "- a\n".into(),
        "text\n".into(),
        "{".into(),
        "apiVersion: tenantry.de/v1\nkind: Thing\n".into(),
    ] {
        let loaded = text(&broken);
        assert_eq!((loaded.unreadable, loaded.documents.len(), loaded.count), (1, 0, 1), "{broken}\n{:?}", loaded.problems);
        assert!(loaded.problems.iter().any(|it| it.severity == Severity::Error), "{broken}");
    }
}

#[test]
fn a_misspelt_document_of_ours_is_an_error_with_its_key() {
    for broken in [
        user("a").replace("kind: User", "kind: user"),
        user("a").replace("v1alpha1", "v1"),
        user("a").replace("tenantry.dev", "tenentry.dev"),
        user("a").replace("tenantry.dev/v1alpha1", "v1"),
        user("a").replace("apiVersion: tenantry.dev/v1alpha1\n", ""),
    ] {
        let loaded = text(&broken);
        assert_eq!(keys(&loaded), ["user/nord/a"], "{broken}");
        assert_eq!(codes(&loaded), [Code::NoIdentity], "{broken}");
        assert!(matches!(loaded.documents[0].form, Form::Broken(_)));
        assert!(loaded.problems[0].hint.is_some());
    }
}

#[test]
fn what_is_not_ours_is_left_alone() {
    let loaded = text(
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: x}\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: x}\n---\napiVersion: tenantry.dev/v1alpha1\nkind: Project\nmetadata: {name: x}\nspec: {}\n---\n# nothing\n---\napiVersion: tenantry.dev/v1alpha1\nkind: Directory\nmetadata: {name: x}\nspec: {namespaces: [a], directory: {sqlite: {path: x.db}}}\n---\n~\n",
    );
    assert_eq!(codes(&loaded), [Code::Foreign, Code::Foreign]);
    assert!(loaded.problems.iter().all(|it| it.severity == Severity::Warning));
    assert_eq!((loaded.count, loaded.foreign, loaded.unreadable), (0, 2, 0));
}

#[test]
fn lists_as_kubectl_prints_them() {
    let item = user("a").replace(
        "metadata:\n",
        "metadata:\n  uid: x\n  generation: 1\n  creationTimestamp: null\n  managedFields: [{manager: x}]\n  labels: {a: b}\n",
    );
    let indented = format!("{item}status: {{conditions: []}}\n").replace('\n', "\n  ");
    let loaded = text(&format!(
        "apiVersion: v1\nitems:\n- {}\n- {}kind: List\nmetadata:\n  resourceVersion: \"\"\n",
        indented.trim_end(),
        user("b").replace('\n', "\n  ").trim_end_matches(' ')
    ));
    assert_eq!(codes(&loaded), [], "{:?}", loaded.problems);
    assert_eq!(keys(&loaded), ["user/nord/a", "user/nord/b"]);
    assert_eq!(loaded.documents[0].origin.line, 3);
    let json = |name: &str| {
        serde_json::json!({"apiVersion": "tenantry.dev/v1alpha1", "kind": "User", "metadata": {"name": name, "uid": "1", "creationTimestamp": null},
            "spec": {"email": "a@b.example", "role": "owner", "company": "x", "displayName": "no \u{1f600}"}})
    };
    let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": [json("a"), json("b")]});
    for list in
        [serde_json::to_string_pretty(&list).unwrap(), list.to_string(), list.to_string().replace('\u{1f600}', "\\ud83d\\ude00")]
    {
        let loaded = text(&list);
        assert_eq!(codes(&loaded), [], "{:?}", loaded.problems);
        assert_eq!(keys(&loaded), ["user/default/a", "user/default/b"]);
    }
    let loaded = text(&list.to_string().replace("\"owner\"", "5"));
    assert_eq!(codes(&loaded), [Code::BadValue, Code::BadValue]);
    let columns: Vec<_> = places(&loaded).iter().map(|it| it.2).collect();
    assert!(columns[0] < columns[1], "{columns:?}");
}

#[test]
fn folders() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    write(root, "b.yaml", &user("b"));
    write(root, "a/z.yml", &user("z"));
    write(root, "a/j.json", r#"{"apiVersion":"tenantry.dev/v1alpha1","kind":"Company","metadata":{"name":"j"},"spec":{}}"#);
    write(root, "notes.txt", "x");
    write(root, ".hidden/x.yaml", "x");
    write(root, "skipped/x.yaml", "x");
    write(root, ".gitignore", "skipped\n");
    write(root, "tenantry.yaml", "apiVersion: tenantry.dev/v1alpha1\nkind: Project\nmetadata: {name: x}\nspec: {}\n");
    let loaded = load(&[Input::Folder(root.into())], &Limits::default());
    assert_eq!(codes(&loaded), []);
    assert_eq!(keys(&loaded), ["company/default/j", "user/nord/z", "user/nord/b"]);
    assert!(loaded.sources.display(loaded.documents[2].origin).ends_with("/b.yaml:1"));
    let again = load(&[Input::File(root.join("b.yaml")), Input::Folder(root.into())], &Limits::default());
    assert_eq!(keys(&again), ["user/nord/b", "company/default/j", "user/nord/z"]);
    let missing = load(&[Input::Folder(root.join("missing")), Input::File(root.join("missing.yaml"))], &Limits::default());
    assert_eq!((codes(&missing), missing.unreadable), (vec![Code::Unreadable, Code::Unreadable], 2));
}

#[cfg(unix)]
#[test]
fn links() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    let root = folder.path();
    // As a ConfigMap is mounted.
    write(root, "..2026/users.yaml", &user("a"));
    symlink("..2026", root.join("..data")).unwrap();
    symlink("..data/users.yaml", root.join("users.yaml")).unwrap();
    symlink("..data/users.yaml", root.join("again.yaml")).unwrap();
    let loaded = load(&[Input::Folder(root.into())], &Limits::default());
    assert_eq!((codes(&loaded), keys(&loaded)), (vec![], vec!["user/nord/a".to_owned()]));
    write(outside.path(), "secret.yaml", "hunter2: x");
    symlink(outside.path().join("secret.yaml"), root.join("zzz.yaml")).unwrap();
    symlink(root, root.join("loop")).unwrap();
    symlink("nowhere", root.join("dangling.yaml")).unwrap();
    let loaded = load(&[Input::Folder(root.into())], &Limits::default());
    assert_eq!((codes(&loaded), loaded.unreadable), (vec![Code::Unreadable; 3], 3));
    assert!(!format!("{:?}", diagnose(&loaded.problems, &loaded.sources)).contains("hunter2"));
}

#[test]
fn the_order_is_that_of_files_and_lines_however_many_threads() {
    let folder = tempfile::tempdir().unwrap();
    let many = (0..3000).map(|row| user(&format!("m{row}"))).collect::<Vec<_>>().join("---\n");
    write(folder.path(), "many.yaml", &many);
    for row in 0..50 {
        write(folder.path(), &format!("one-{row}.yaml"), &user(&format!("u{row}")));
    }
    let one = load(&[Input::Folder(folder.path().into())], &Limits { threads: Some(1), ..Limits::default() });
    let eight = load(&[Input::Folder(folder.path().into())], &Limits { threads: Some(8), ..Limits::default() });
    assert_eq!(one.documents.len(), 3050);
    assert_eq!(one.documents, eight.documents);
    assert!(one.documents.is_sorted_by_key(|it| it.origin));
}

#[test]
fn diagnostics_show_the_line_and_no_secret() {
    let loaded = text(&format!("# über\n{}  credential:\n    method: Secret\n    password: hunter2\n  colour: red\n", user("a")));
    let shown = diagnose(&loaded.problems, &loaded.sources);
    assert!(!format!("{shown:?}").contains("hunter2"));
    let colour = shown.iter().find(|it| it.message.contains("colour")).unwrap();
    let snippet = colour.snippet.as_ref().unwrap();
    assert_eq!((colour.line, colour.column, snippet.text.as_str()), (14, 3, "  colour: red"));
    assert_eq!(&snippet.text[snippet.range.clone()], "colour");
    let json = serde_json::to_value(colour).unwrap();
    assert_eq!(json["code"], "T0007");
    assert_eq!(json["severity"], "error");
}
