//! SARIF 2.1.0 (<https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>): what code scanning shows beside the lines.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    findings::{Finding, Level, Spot},
    json::print,
};
use crate::cli::explain;

/// One run with everything that was found.
pub(super) fn text(findings: &[Finding]) -> String {
    let ids: Vec<&str> = findings.iter().map(|it| it.rule.as_str()).collect::<BTreeSet<_>>().into_iter().collect();
    let rules: Vec<Value> = ids.iter().map(|id| rule(id)).collect();
    let mut seen = BTreeMap::new();
    let results: Vec<Value> = findings.iter().map(|finding| result(finding, &ids, &mut seen)).collect();
    let driver = json!({
        "name": "Tenantry",
        "version": env!("CARGO_PKG_VERSION"),
        "semanticVersion": env!("CARGO_PKG_VERSION"),
        "informationUri": "https://tenantry.dev",
        "rules": rules,
    });
    print(&json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{ "tool": { "driver": driver }, "columnKind": "unicodeCodePoints", "results": results }],
    }))
}

/// What a rule is about, from the texts of `tenantry explain`.
fn rule(id: &str) -> Value {
    let Some(page) = explain::look_up(id) else {
        let text = match id {
            "result/failed" => "A change that the directory did not make",
            "result/skipped" => "A change that was not tried",
            other => other,
        };
        return json!({ "id": id, "shortDescription": { "text": text }, "fullDescription": { "text": text }, "help": { "text": text } });
    };
    let example = page.examples().next().map(|_| format!("\n\n`tenantry explain {}` shows an example.", page.name));
    let markdown = format!("{}{}", page.prose(), example.unwrap_or_default());
    json!({
        "id": id,
        "shortDescription": { "text": page.title },
        "fullDescription": { "text": page.first_paragraph() },
        "help": { "text": markdown.replace("\n## ", "\n"), "markdown": markdown },
    })
}

fn result<'a>(finding: &'a Finding, ids: &[&str], seen: &mut BTreeMap<Mark<'a>, usize>) -> Value {
    let Finding { rule, level, message: _, hint: _, key: _, at, related } = finding;
    let level = match level {
        Level::Error => "error",
        Level::Warning => "warning",
        Level::Note => "note",
    };
    let place = |spot: &Spot| json!({ "physicalLocation": physical(spot) });
    let mut result = json!({
        "ruleId": rule,
        "ruleIndex": ids.iter().position(|id| id == rule),
        "level": level,
        "message": { "text": finding.whole() },
        "locations": at.iter().map(place).collect::<Vec<_>>(),
        "partialFingerprints": { "tenantry/v1": fingerprint(finding, seen) },
    });
    if !related.is_empty() {
        let other = |(row, (spot, label)): (usize, &(Spot, String))| json!({ "id": row + 1, "physicalLocation": physical(spot), "message": { "text": label } });
        result["relatedLocations"] = related.iter().enumerate().map(other).collect();
    }
    result
}

fn physical(spot: &Spot) -> Value {
    let Spot { file, line, column } = spot;
    let mut region = json!({ "startLine": line.max(&1) });
    if let Some(column) = column {
        region["startColumn"] = json!(column.max(&1));
    }
    json!({ "artifactLocation": { "uri": uri(file) }, "region": region })
}

/// A path as a URI: relative as long as the path is.
fn uri(path: &str) -> String {
    let mut out = if path.starts_with('/') { "file://".to_owned() } else { String::new() };
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            // Also `:`, before which a first folder would be taken for a scheme.
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// What makes two findings one and the same: neither a line nor a column, which move when something above them is edited.
type Mark<'a> = (&'a str, &'a str, &'a str, &'a str);

/// The same for the same finding in the next run. Of several alike it counts which one.
fn fingerprint<'a>(finding: &'a Finding, seen: &mut BTreeMap<Mark<'a>, usize>) -> String {
    let Finding { rule, level: _, message, hint: _, key, at, related: _ } = finding;
    let file = at.as_ref().map_or("", |spot| spot.file.as_str());
    let mark = (rule.as_str(), file, key.as_deref().unwrap_or_default(), message.as_str());
    let number = seen.entry(mark).or_default();
    *number += 1;
    let (rule, file, key, message) = mark;
    let hash = Sha256::digest([rule, file, key, message].join("\0"));
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{hex}:{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(rule: &str, file: &str, line: u32) -> Finding {
        let at = Some(Spot { file: file.into(), line, column: Some(3) });
        let related = vec![(Spot { file: "b.yaml".into(), line: 1, column: Some(1) }, "first given here".to_owned())];
        Finding { rule: rule.into(), level: Level::Error, message: "it is".into(), hint: None, key: None, at, related }
    }

    fn log(findings: &[Finding]) -> Value {
        serde_json::from_str(&text(findings)).unwrap()
    }

    /// What the schema of SARIF 2.1.0 requires of the objects that are written here.
    fn sound(log: &Value) {
        assert_eq!(log["version"], "2.1.0");
        for run in log["runs"].as_array().unwrap() {
            let driver = &run["tool"]["driver"];
            assert!(driver["name"].is_string());
            let rules = driver["rules"].as_array().unwrap();
            for rule in rules {
                assert!(rule["id"].is_string() && rule["shortDescription"]["text"].is_string(), "{rule}");
                assert!(rule["fullDescription"]["text"].as_str().is_some_and(|text| !text.is_empty()), "{rule}");
                assert!(rule["help"]["text"].as_str().is_some_and(|text| !text.is_empty()), "{rule}");
            }
            assert_eq!(run["columnKind"], "unicodeCodePoints");
            for result in run["results"].as_array().unwrap() {
                let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
                assert_eq!(rules[index]["id"], result["ruleId"]);
                assert!(matches!(result["level"].as_str(), Some("error" | "warning" | "note")), "{result}");
                assert!(result["message"]["text"].as_str().is_some_and(|text| !text.is_empty()), "{result}");
                let places = [&result["locations"], &result["relatedLocations"]];
                for place in places.into_iter().filter_map(Value::as_array).flatten() {
                    let place = &place["physicalLocation"];
                    let uri = place["artifactLocation"]["uri"].as_str().unwrap();
                    assert!(uri.bytes().all(|b| b.is_ascii_graphic()), "{uri}");
                    assert!(place["region"]["startLine"].as_u64().unwrap() >= 1, "{place}");
                }
            }
        }
    }

    #[test]
    fn what_the_schema_requires_is_there() {
        let mut findings =
            vec![finding("T0007", "a.yaml", 3), finding("hold/Taken", "a.yaml", 0), finding("result/failed", "c", 1)];
        findings.push(Finding { at: None, ..finding("gate/empty-input", "", 1) });
        let log = log(&findings);
        sound(&log);
        let run = &log["runs"][0];
        assert_eq!(run["results"].as_array().unwrap().len(), 4);
        assert_eq!(run["results"][0]["relatedLocations"][0]["message"]["text"], "first given here");
        let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
        let title = |id: &str| rules.iter().find(|rule| rule["id"] == id).unwrap()["shortDescription"]["text"].clone();
        assert_eq!(title("T0007"), "A field that does not exist");
        assert_eq!(title("gate/empty-input"), "A whole declaration without a single document");
        assert_eq!(title("hold/Taken"), "Somebody else has the username, the e-mail or the title");
        sound(&self::log(&[]));
    }

    #[test]
    fn paths_are_uris() {
        for (path, expected) in [
            ("tenants/a b.yaml", "tenants/a%20b.yaml"),
            ("a:b/c%.yaml", "a%3Ab/c%25.yaml"),
            ("ä/#?.yaml", "%C3%A4/%23%3F.yaml"),
            ("/srv/a.yaml", "file:///srv/a.yaml"),
            ("<stdin>", "%3Cstdin%3E"),
        ] {
            assert_eq!(uri(path), expected);
        }
    }

    #[test]
    fn fingerprints_stay_when_lines_move_and_tell_apart_what_is_alike() {
        let prints = |findings: &[Finding]| -> Vec<String> {
            let log = log(findings);
            let results = log["runs"][0]["results"].as_array().unwrap();
            results.iter().map(|it| it["partialFingerprints"]["tenantry/v1"].as_str().unwrap().to_owned()).collect()
        };
        let before = prints(&[finding("T0007", "a.yaml", 3), finding("T0007", "a.yaml", 9), finding("T0008", "a.yaml", 9)]);
        let after = prints(&[finding("T0007", "a.yaml", 5), finding("T0007", "a.yaml", 11), finding("T0008", "a.yaml", 11)]);
        assert_eq!(before, after);
        assert_eq!(before.iter().collect::<BTreeSet<_>>().len(), 3);
    }
}
