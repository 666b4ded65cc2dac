//! Text that is hostile, ambiguous or torn: refused, in bounded time and memory, and never a removal.

use std::fmt::Write;

use proptest::prelude::*;
use tenantry::manifest::{Code, Form, Input, Limits, Loaded, Severity, diagnose, load};

fn text(text: &str) -> Loaded {
    load(&[Input::Stdin(text.to_owned())], &Limits::default())
}

fn file(name: &str, bytes: &[u8]) -> Loaded {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    let loaded = load(&[Input::File(path)], &Limits::default());
    diagnose(&loaded.problems, &loaded.sources);
    loaded
}

const HEAD: &str = "apiVersion: tenantry.dev/v1alpha1\nkind: User\nmetadata: { name: a }\n";

fn spec(field: &str) -> Loaded {
    text(&format!("{HEAD}spec:\n  email: a@b.example\n  company: x\n  role: owner\n  {field}\n"))
}

/// The documents of `loaded` are there, and not one of them is sound.
fn refused(loaded: &Loaded, code: Code, what: &str) {
    assert!(loaded.problems.iter().any(|it| it.code == code && it.severity == Severity::Error), "{what}: {:#?}", loaded.problems);
    assert!(loaded.documents.iter().all(|it| matches!(it.form, Form::Broken(_))), "{what}");
    assert!(loaded.documents.len() + loaded.unreadable > 0, "{what}");
    diagnose(&loaded.problems, &loaded.sources);
}

#[test]
fn what_kubernetes_reads_as_something_else() {
    for value in ["no", "NO", "y", "on", "Off", "0o17", "017", "01234", "1_000", "0x1f", "0b11", "-0o7", "1_0.5"] {
        let loaded = spec(&format!("displayName: {value}"));
        refused(&loaded, Code::Ambiguous, value);
        assert!(loaded.problems[0].hint.as_deref().unwrap().contains("quote it"), "{value}");
        assert!(spec(&format!("displayName: \"{value}\"")).problems.is_empty(), "{value}");
        assert!(spec(&format!("displayName: '{value}'")).problems.is_empty(), "{value}");
        assert!(spec(&format!("displayName: !!str {value}")).problems.is_empty(), "{value}");
    }
    for value in ["", "~", "null", "true", "5", "1e3", "1.10", "+4420", ".inf", "[a]", "{a: b}", "-\n"] {
        refused(&spec(&format!("displayName: {value}")), if value == "-\n" { Code::Syntax } else { Code::BadValue }, value);
    }
    for value in ["12:30:45", "2026-01-01", "=", "nope", "on time", "a b", "0-0", "1.2.3", "_1"] {
        assert!(spec(&format!("displayName: {value}")).problems.is_empty(), "{value}");
    }
    for value in ["yes", "on", "n"] {
        refused(&spec(&format!("enabled: {value}")), Code::Ambiguous, value);
    }
    for value in ["\"true\"", "1", "", "~", "[]"] {
        refused(&spec(&format!("enabled: {value}")), Code::BadValue, value);
    }
}

#[test]
fn shapes_that_are_refused() {
    for (field, code) in [
        ("<<: { role: x }", Code::MergeKey),
        ("role: other", Code::DuplicateKey),
        ("displayName: !foo x", Code::Tag),
        ("displayName: !!binary aGk=", Code::Tag),
        ("enabled: !!bool true", Code::Tag),
        ("deletion: !Delete", Code::Tag),
        ("? [a]\n  : b", Code::BadValue),
        ("description: *nowhere", Code::Syntax),
        ("description: \"x\u{202e}y\"", Code::BadValue),
        ("description: x # \u{202e}y", Code::BadValue),
        ("displayName: \"a\\u0007b\"", Code::BadValue),
        ("displayName: \"a\\nb\"", Code::BadValue),
        ("displayName: x\ty\n  \tz: 1", Code::Syntax),
        ("displayName: x\rrole: y", Code::BadValue),
        ("no: x", Code::Ambiguous),
        ("credential:", Code::BadValue),
        ("displayName: \"\\ud800\"", Code::Syntax),
        ("\tdisplayName: x", Code::Syntax),
    ] {
        let loaded = spec(field);
        refused(&loaded, code, field);
    }
    let annotations = |text: &str| {
        format!(
            "{}spec: {{ email: a@b.example, company: x, role: owner }}\n",
            HEAD.replace("{ name: a }", &format!("{{ name: a, annotations: {{ {text} }} }}"))
        )
    };
    refused(&text(&annotations("a: b, a: c")), Code::DuplicateKey, "annotations");
    refused(&text(&annotations("a: no")), Code::Ambiguous, "annotations");
    refused(&text(&annotations("y: b")), Code::Ambiguous, "annotations");
    assert!(text(&annotations("a: b, c: d")).problems.is_empty());
    assert!(spec("description: &x text\n  justification: *x").problems.is_empty());
}

#[test]
fn bytes_that_are_no_text() {
    let sound = format!("{HEAD}spec: {{ email: a@b.example, company: x, role: owner }}\n");
    assert!(file("a.yaml", format!("\u{feff}{sound}").as_bytes()).problems.is_empty());
    assert!(file("a.yaml", sound.replace('\n', "\r\n").as_bytes()).problems.is_empty());
    refused(&file("a.yaml", sound.replace('\n', "\r").as_bytes()), Code::BadValue, "carriage returns");
    refused(&file("a.yaml", &[sound.as_bytes(), b"# \xff\n"].concat()), Code::Syntax, "invalid UTF-8");
    let wide: Vec<u8> = [0xfeff].into_iter().chain(sound.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let loaded = file("a.yaml", &wide);
    refused(&loaded, Code::Syntax, "UTF-16");
    assert!(loaded.problems[0].hint.as_deref().unwrap().contains("UTF-16"));
    refused(&file("a.json", sound.as_bytes()), Code::Syntax, "YAML in a JSON file");
    let json = "{\"apiVersion\":\"tenantry.dev/v1alpha1\",\"kind\":\"Company\",\"metadata\":{\"name\":\"a\"},\"spec\":{\"displayName\":\"x\",\"displayName\":\"y\"}}";
    refused(&file("a.json", json.as_bytes()), Code::DuplicateKey, "JSON");
    refused(&file("a.json", format!("{json} {json}").as_bytes()), Code::Syntax, "two JSON values");
    refused(&file("a.json", b"[]"), Code::NotADocument, "a JSON list");
}

#[test]
fn bombs_towers_and_floods_end_soon() {
    let mut bomb = format!("{HEAD}spec:\n  a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for row in 1..40 {
        let _ = writeln!(bomb, "  a{row}: &a{row} [{}]", vec![format!("*a{}", row - 1); 9].join(", "));
    }
    let text_bomb = format!("{HEAD}spec:\n  a: &a \"{}\"\n  b: [{}]\n", "x".repeat(500_000), vec!["*a"; 5_000].join(", "));
    let million = 1 << 20;
    let cases = [
        (bomb, Code::TooMuch),
        (text_bomb, Code::TooMuch),
        (format!("{HEAD}spec: {}", "[".repeat(million - 200)), Code::TooMuch),
        (format!("{HEAD}spec: {}", "{a: ".repeat(200_000)), Code::TooMuch),
        (format!("{HEAD}spec:\n  {}x", "- ".repeat(400_000)), Code::TooMuch),
        ((0..1_000).fold(HEAD.to_owned() + "spec:\n", |it, row| it + &" ".repeat(row) + "a:\n"), Code::TooMuch),
        (format!("{HEAD}spec:\n  x: {}", "x".repeat(2 << 20)), Code::TooMuch),
        (format!("{HEAD}spec: {{{}}}", "credential: {, ".repeat(60_000)), Code::TooMuch),
        (format!("{HEAD}spec:\n{}", (0..60_000).fold(String::new(), |it, row| it + &format!("  k{row}: 1\n"))), Code::TooMuch),
        ("a\n---\n".repeat(200_000), Code::NotADocument),
        (format!("{}{HEAD}", "---\n".repeat(1_000_000)), Code::MissingField),
        (format!("apiVersion: v1\nkind: List\nitems:\n{}", "- x\n".repeat(100_000)), Code::NotADocument),
        (format!("apiVersion: v1\nkind: List\nitems:\n- {}", "[".repeat(million)), Code::TooMuch),
        (format!("{HEAD}spec:\n  \"{}", "x".repeat(million - 500)), Code::Syntax),
        (format!("{HEAD}spec: {{{}}}", "a: b, a: c, ".repeat(5_000)), Code::DuplicateKey),
    ];
    for (row, (case, code)) in cases.iter().enumerate() {
        let loaded = text(case);
        let shown = diagnose(&loaded.problems, &loaded.sources);
        let found = shown.iter().any(|it| it.code == *code || (*code == Code::TooMuch && it.code == Code::Syntax));
        assert!(found, "{row}: {:#?}", &shown[..shown.len().min(3)]);
        assert!(loaded.documents.iter().all(|it| matches!(it.form, Form::Broken(_))), "{row}");
        assert!(loaded.unreadable + loaded.documents.len() > 0, "{row}");
    }
}

#[test]
fn a_file_that_is_too_large() {
    let loaded = load(&[Input::Stdin("x".repeat(2_000))], &Limits { file: 1_000, ..Limits::default() });
    refused(&loaded, Code::TooMuch, "file");
    assert_eq!(loaded.unreadable, 1);
}

const SEEDS: [&str; 4] = [
    "apiVersion: tenantry.dev/v1alpha1\nkind: User\nmetadata:\n  name: mara\n  namespace: nord\n  annotations:\n    a: b\nspec:\n  username: mara.l\n  email: mara@nord.example\n  displayName: Mara L\n  phone: \"+4915112345678\"\n  company: service\n  role: owner\n  enabled: false\n  expires: 2027-01-01\n  credential:\n    method: Temporary\n",
    "apiVersion: tenantry.dev/v1alpha1\nkind: Company\nmetadata: { name: nord }\nspec: { displayName: Nord, type: Installer, contact: { name: A }, address: { country: DE, zip: \"01234\" } }\n",
    "apiVersion: tenantry.dev/v1alpha1\nkind: Role\nmetadata: {name: r}\nspec:\n  livesUnder: [Company]\n  mayAppoint:\n  - owner\n  - r\n  privileged: true\n  requires: [expires]\n",
    "{\"apiVersion\": \"tenantry.dev/v1alpha1\", \"kind\": \"Customer\", \"metadata\": {\"name\": \"c\"}, \"spec\": {\"company\": \"nord\", \"phone\": \"+4912345\"}}\n",
];

const SHRAPNEL: [&str; 40] = [
    " ", "\n", "\t", "\r", ":", ": ", "- ", "-", "#", " #", "{", "}", "[", "]", ",", "\"", "'", "\\", "&a ", "*a", "!", "!!str ",
    "!x ", "<<", "|", ">", "?", "%", "---", "\n---\n", "...\n", "no", "~", "null", "0", "_", "true", "\u{85}", "\u{2028}",
    "\u{feff}",
];

fn torn() -> impl Strategy<Value = String> {
    let change = (any::<prop::sample::Index>(), 0..8_usize, prop::sample::select(SHRAPNEL.to_vec()));
    (prop::sample::select(SEEDS.to_vec()), prop::collection::vec(change, 1..5)).prop_map(|(seed, changes)| {
        let mut text: Vec<char> = seed.chars().collect();
        for (at, removed, added) in changes {
            let at = at.index(text.len() + 1);
            let end = (at + removed / 2).min(text.len());
            text.splice(at..end, added.chars());
        }
        text.into_iter().collect()
    })
}

/// What serde-saphyr, as strict as it gets, reads: an independent parser of YAML 1.2.
fn second_opinion(text: &str) -> Option<serde_json::Value> {
    let options = serde_saphyr::options! {
        no_schema: true,
        reject_unsupported_tags: true,
        emit_comments: false,
        budget: serde_saphyr::budget! { max_documents: 2, max_depth: 64, max_nodes: 60_000 },
    };
    serde_saphyr::from_str_with_options::<serde_json::Value>(text, options).ok()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is torn: nothing panics, nothing disappears without a word, every place can be shown, and what is read as
    /// sound is what another parser reads.
    #[test]
    fn torn_documents(text in torn()) {
        let loaded = load(&[Input::Stdin(text.clone())], &Limits { threads: Some(1), ..Limits::default() });
        let shown = diagnose(&loaded.problems, &loaded.sources);
        prop_assert_eq!(shown.len(), loaded.problems.len());
        let lines = u32::try_from(text.split('\n').count()).unwrap();
        for it in &shown {
            prop_assert!(it.line >= 1 && it.line <= lines && it.column >= 1, "{:?}", it);
            if let Some(snippet) = &it.snippet {
                prop_assert!(snippet.text.get(snippet.range.clone()).is_some(), "{:?}", it);
            }
        }
        let errors = loaded.problems.iter().any(|it| it.severity == Severity::Error);
        let broken = loaded.documents.iter().any(|it| matches!(it.form, Form::Broken(_)));
        prop_assert_eq!(errors, broken || loaded.unreadable > 0, "{:#?}", loaded.problems);
        if !errors && loaded.documents.len() == 1 && loaded.foreign == 0
            && let Some(value) = second_opinion(text.trim_start_matches('\u{feff}')) {
                let key = &loaded.documents[0].key;
                prop_assert_eq!(value.pointer("/metadata/name").and_then(|it| it.as_str()), Some(key.name.as_str()));
                prop_assert_eq!(value.pointer("/kind").and_then(|it| it.as_str()), Some(key.kind.manifest()));
            }
    }
}

/// A corpus read by both: the same texts, or both refuse.
#[test]
fn two_parsers_one_meaning() {
    let scalars = [
        "plain text",
        "'single ''quoted'''",
        "\"double \\u00e9\\n\\\"\"",
        "a#b",
        "a:b",
        "\"a # b\"",
        "x y  z",
        "é東京",
        "12:30:45",
        "2026-01-01",
        "!!str x",
        "'no'",
        "\"0123\"",
        "no",
        "~",
        "null",
        "0o17",
        "1_000",
        "0123",
        "true",
        "5",
        "1e3",
        "+44",
        "[a]",
        "{a: b}",
        "!x y",
        "*a",
        "&a b",
        "\"unclosed",
        "'x' y",
        "a: b",
        "- a",
        "@a",
        "`a",
        "%a",
        "|\n    a\n    b\n",
        ">-\n    a\n    b\n",
        "a\n    b",
        "\"a\n    b\"",
        "",
        "?",
        "-",
        "--",
        ".",
        "=",
        "\"\\q\"",
        "\"\\/\"",
    ];
    let mut both = 0;
    for scalar in scalars {
        let text = format!("{HEAD}spec:\n  email: a@b.example\n  company: x\n  role: owner\n  description: {scalar}\n");
        let loaded = self::text(&text);
        let ours = loaded.documents.iter().find_map(|it| match &it.form {
            Form::Sound(declared) => declared.body.user()?.description.clone(),
            Form::Broken(_) | Form::Gone => None,
        });
        let theirs =
            second_opinion(&text).and_then(|it| it.pointer("/spec/description").and_then(|it| it.as_str().map(str::to_owned)));
        // Stricter than the other one on purpose: aliases' anchors and tags apart, whatever we read it reads the same.
        if let Some(ours) = &ours {
            both += 1;
            if !scalar.starts_with("!!str") {
                assert_eq!(Some(ours.as_str()), theirs.as_deref(), "{scalar}");
            }
        } else {
            assert!(
                theirs.is_none()
                    || matches!(self::text(&text).problems[0].code, Code::Ambiguous | Code::BadValue | Code::Tag | Code::Syntax),
                "{scalar}"
            );
        }
    }
    assert!(both >= 15, "{both}");
}
