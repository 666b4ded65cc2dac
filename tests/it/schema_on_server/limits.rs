//! Every limit of every schema, broken once.

use serde_json::{Value, json};

use super::{
    documents::{Kind, Path, places},
    verdict::{create_all, ours},
};
use crate::cluster::Cluster;

/// What `tenantry` itself does not ask of a text, or asks otherwise: in these places it says less than the server. A Directory
/// stands in for the project file here, whose directories other than the embedded one nobody opens in this release; a `file`
/// is never read in a cluster.
const LOOSER: &[&str] = &[
    ".clientId",
    ".realm",
    ".baseDn",
    ".bindDn",
    ".schema",
    ".file",
    ".path",
    ".folder",
    ".templates",
    ".host",
    "spec.namespaces",
    "spec.namespaces[0]",
];

/// A way to break a document in one place, and what the server says there.
struct Broken {
    path: Path,
    value: Option<Value>,
    says: String,
}

fn broken(path: &Path, schema: &Value) -> Vec<Broken> {
    let mut out = Vec::new();
    let mut add = |path: Path, value: Option<Value>, says: String| out.push(Broken { path, value, says });
    let kind = schema["type"].as_str().unwrap();
    let other = if kind == "string" { json!(7) } else { json!("text") };
    add(path.clone(), Some(other), format!("must be of type {kind}"));
    let number = |name: &str| schema[name].as_u64().map(|it| usize::try_from(it).unwrap());
    let short = number("minLength").unwrap_or(0);
    if short > 0 {
        let says = format!("should be at least {short} chars long");
        add(path.clone(), Some(json!("a".repeat(short - 1))), says);
    }
    if let Some(most) = number("maxLength") {
        add(path.clone(), Some(json!("a".repeat(most + 1))), format!("may not be more than {most} bytes"));
    }
    if let Some(pattern) = schema["pattern"].as_str() {
        let long = number("maxLength").unwrap().min(short.max(3));
        let text: String = "-\n!!!!!!!!!!!!!!!!".chars().take(long).collect();
        add(path.clone(), Some(json!(text)), format!("should match '{pattern}'"));
    }
    if schema["enum"].is_array() {
        add(path.clone(), Some(json!("Nothing")), "Unsupported value: \"Nothing\": supported values:".into());
    }
    for (bound, step, says) in [("minimum", -1.0, "greater than or equal to"), ("maximum", 1.0, "less than or equal to")] {
        if let Some(bound) = schema[bound].as_f64() {
            #[expect(clippy::cast_possible_truncation, reason = "they are whole")]
            let value = (bound + step) as i64;
            add(path.clone(), Some(json!(value)), says.into());
        }
    }
    if let Some(most) = number("maxItems") {
        let rows: Vec<Value> = (0..=most).map(|row| json!(format!("r{row}"))).collect();
        add(path.clone(), Some(json!(rows)), format!("must have at most {most} items"));
    }
    if let Some(least) = number("minItems") {
        add(path.clone(), Some(json!([])), format!("should have at least {least} items"));
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        add(path.key(name.as_str().unwrap()), None, "Required value".into());
    }
    out
}

#[tokio::test]
async fn every_limit_holds_and_says_so() {
    let cluster = Cluster::shared();
    let namespace = cluster.namespace("limits");
    let mut all = Vec::new();
    for kind in Kind::all() {
        let mut found = Vec::new();
        places(&Path::spec(), &kind.schema, &mut found);
        for (path, schema) in found {
            for it in broken(&path, &schema) {
                let spec = if it.path.0.len() == 1 { it.value.clone().unwrap() } else { kind.with(&it.path, it.value.as_ref()) };
                all.push((kind, kind.document("it", &spec), it));
            }
        }
    }
    let documents: Vec<(&Kind, &Value)> = all.iter().map(|(kind, document, _)| (*kind, document)).collect();
    let verdicts = create_all(cluster, &namespace, &documents).await;
    let mut wrong = Vec::new();
    for ((kind, document, it), server) in all.iter().zip(&verdicts) {
        let place = it.path.to_string();
        let what = || {
            format!(
                "{} {place} = {}",
                kind.name,
                it.value.as_ref().map_or_else(|| "-".into(), ToString::to_string).chars().take(60).collect::<String>()
            )
        };
        if !server.says(&place, &it.says) {
            wrong.push(format!("{}: the server does not say `{}`: {:?}", what(), it.says, server.0));
        }
        let looser = LOOSER.iter().any(|it| place.ends_with(it)) && !it.says.starts_with("must be of type");
        let we = ours(kind, document);
        if !looser && !we.refuses(&place) {
            wrong.push(format!("{}: we take it: {:?}", what(), we.0));
        }
    }
    assert!(all.len() > 500, "only {} limits were found", all.len());
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), all.len(), wrong.join("\n"));
}
