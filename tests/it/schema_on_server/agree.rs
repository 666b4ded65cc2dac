//! The same values for every text of a document, to the server and to our own reader: the server takes whatever
//! `tenantry validate` takes, and where it takes more we know why.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{
    documents::{Kind, Path, places},
    verdict::{create_all, ours},
};
use crate::cluster::Cluster;

fn texts() -> Vec<String> {
    let plain = [
        "",
        "a",
        "A",
        "1",
        "ab",
        "DE",
        "de",
        "ZZ",
        "EU",
        "a-b",
        "-a",
        "a-",
        "a--b",
        "a.b",
        "a_b",
        "a b",
        " a",
        "a ",
        "a\n",
        "\na",
        "a\nb",
        "a\tb",
        "a\rb",
        "a\u{7f}b",
        "a\u{0}b",
        "a\u{85}b",
        "a\u{a0}b",
        "a\u{200b}b",
        "a\u{202e}b",
        "a\u{feff}",
        "a\u{2028}b",
        "é",
        "e\u{301}",
        "Ａ",
        "аnna",
        "ǅ",
        "ﬁ",
        "😀",
        "ß",
        "İ",
        "x@y.example",
        "x@y",
        "X@Y.EXAMPLE",
        "a..b@x.example",
        ".a@x.example",
        "ü@x.example",
        "x@ü.example",
        "\"q\"@x.example",
        "x@y.example ",
        "x@y.example,z@y.example",
        "A <x@y.example>",
        "x@[127.0.0.1]",
        "x@-y.example",
        "x@y_z.example",
        "a+b@x.example",
        "+4915112345678",
        "+1",
        "+12",
        "+0123",
        "+123456789012345",
        "+1234567890123456",
        "+49 151",
        "4915112345678",
        "2026-01-01",
        "2026-02-30",
        "2026-1-1",
        "2026-01-01T00:00:00Z",
        "2026-01-01T00:00:00+02:00",
        "2026-01-01T00:00:00.5Z",
        "2026-01-01T25:00:00Z",
        "2026-01-01T00:00:60Z",
        "2026-01-01t00:00:00z",
        "2026-01-01T00:00:00",
        "9999-12-31",
        "0000-01-01",
        "10%",
        "100%",
        "101%",
        "999%",
        "0%",
        "00.50%",
        "1.5%",
        "30d",
        "0d",
        "1s",
        "999999w",
        "1h30m",
        "30",
        "true",
        "null",
        "~",
        "NO",
        "https://x.example",
        "http://x.example",
        "https://",
        "HTTPS://x",
        "https://x.example/a?b#c",
        "ftp://x",
        "https://u:p@x.example",
        "ldaps://x",
        "ldap://x:389",
        "javascript:alert(1)",
        "user/a/b",
        "company/a/b",
        "role/global/x",
        "role/x",
        "nonsense/a/b",
        "user/A/b",
        "user/-/b",
        "a/b",
        "../x",
        "/etc/passwd",
        "/run/secrets/x",
        "letters/../x",
        "a*",
        "*",
        "*a",
        "a*b",
        "a-*",
        "a**",
        "Distributor",
        "Invite",
        "$(HOME)",
        "mail.example",
        "127.0.0.1",
        "::1",
        "localhost",
        "mail_x",
        "{{x}}",
    ];
    let mut out: Vec<String> = plain.map(str::to_owned).into();
    for long in [2, 3, 16, 40, 63, 64, 128, 140, 253, 254, 255, 512, 1024] {
        for what in ["a", "ü", "😀"] {
            out.push(what.repeat(long));
        }
        out.push(format!("{}@x.example", "a".repeat(long)));
    }
    out
}

#[tokio::test]
async fn both_say_the_same_of_each_text() {
    let cluster = Cluster::shared();
    let namespace = cluster.namespace("agree");
    let mut all = Vec::new();
    for kind in Kind::all().iter().filter(|it| it.name != "Directory") {
        let mut found = Vec::new();
        places(&Path::spec(), &kind.schema, &mut found);
        for full in kind.in_cluster() {
            let is_text = |(path, schema): &&(Path, Value)| schema["type"] == "string" && path.find(full).is_some();
            let fields: Vec<Path> = found.iter().filter(is_text).map(|(path, _)| path.clone()).collect();
            for text in texts() {
                let spec = fields.iter().fold(full.clone(), |spec, path| path.put(&spec, Some(&json!(text))));
                all.push((kind, kind.document("it", &spec), fields.clone(), text));
            }
        }
    }
    let documents: Vec<(&Kind, &Value)> = all.iter().map(|(kind, document, ..)| (*kind, document)).collect();
    let verdicts = create_all(cluster, &namespace, &documents).await;
    let (mut differ, mut reasons): (BTreeMap<String, BTreeSet<String>>, BTreeSet<&str>) = Default::default();
    for ((kind, document, fields, text), server) in all.iter().zip(&verdicts) {
        let we = ours(kind, document);
        for path in fields {
            let path = path.to_string();
            let who = match (server.refuses(&path), we.refuses(&path)) {
                (true, false) => "only the server refuses",
                (false, true) => match finer(&path, text) {
                    Some(reason) => {
                        reasons.insert(reason);
                        continue;
                    }
                    None => "only we refuse",
                },
                _ => continue,
            };
            let shown: String = text.escape_debug().take(24).collect();
            differ.entry(format!("{} {path}: {who}", kind.name)).or_default().insert(format!("{shown}({})", text.chars().count()));
        }
    }
    assert!(differ.is_empty(), "{differ:#?}");
    let all: BTreeSet<&str> = REASONS.iter().copied().collect();
    assert_eq!(reasons, all, "a reason that holds no longer");
}

/// Why we refuse what the server takes: a controller says it in the status.
const REASONS: [&str; 6] = [HIDDEN, CONTROL, MAILBOX, COUNTRY, MOMENT, USERNAME];
const HIDDEN: &str = "characters that do not show would need a table of them in each pattern";
const CONTROL: &str = "a description has no pattern, since it has lines; logo and justification are of its type";
const MAILBOX: &str = "what a mailbox is takes more than a pattern";
const COUNTRY: &str = "the list of countries is not in the schema";
const MOMENT: &str = "a date has to exist, and lie before the end of time";
const USERNAME: &str = "a username is normal by its profile (RFC 8265), of one script, and its length counts in bytes";

fn finer(path: &str, text: &str) -> Option<&'static str> {
    let hidden = ['\u{85}', '\u{200b}', '\u{2028}', '\u{202e}', '\u{feff}'];
    let ends = |names: &[&str]| names.iter().any(|it| path.ends_with(it));
    if text.contains(hidden) {
        Some(HIDDEN)
    } else if ends(&[".description", ".logo", ".justification"]) && text.contains(char::is_control) {
        Some(CONTROL)
    } else if ends(&[".email"]) {
        Some(MAILBOX)
    } else if ends(&[".country"]) {
        Some(COUNTRY)
    } else if ends(&[".expires"]) {
        Some(MOMENT)
    } else if ends(&[".username"]) && !text.is_ascii() {
        Some(USERNAME)
    } else {
        None
    }
}

#[tokio::test]
async fn both_say_the_same_of_each_name() {
    let cluster = Cluster::shared();
    let namespace = cluster.namespace("names");
    let long = "a".repeat(63);
    let names =
        ["a", "1", "a-b", "a--b", &long, "", "A", "a_b", "a.b", "-a", "a-", "a b", "ü", "a\n", &format!("{long}a"), "a/b", ".."];
    for kind in Kind::all() {
        let documents: Vec<Value> = names.iter().map(|name| kind.document(name, &kind.full[0])).collect();
        let all: Vec<(&Kind, &Value)> = documents.iter().map(|it| (kind, it)).collect();
        for (name, server) in names.iter().zip(create_all(cluster, &namespace, &all).await) {
            let we = ours(kind, &kind.document(name, &kind.full[0]));
            assert_eq!(server.accepted(), we.accepted(), "{} {name:?}: {:?}, we {:?}", kind.name, server.0, we.0);
        }
    }
}
