//! Reads the plan that somebody approved: what `-o json=FILE` of `tenantry plan`, or of an apply, has written.
//!
//! The file is what a pipeline kept, and is read as if anybody had written it: it is no larger than so much, every value is
//! one that a plan can hold, and what it does not say clearly is refused.

use std::{
    collections::{BTreeMap, btree_map},
    fs,
    io::Read as _,
    path::Path,
};

use serde::{Deserialize, Deserializer, de::Error as _};
use smol_str::SmolStr;

use super::failure::Failure;
use crate::{
    model::{Field, FieldChange, FieldValue, Key, Method, RemoteId, visible},
    plan::{Approved, ApprovedChange, Asked, ChangeKind},
};

/// The largest file that is read. A plan that creates a hundred thousand users, which is where its gate stands, takes 150 MB.
const LARGEST: u64 = 1 << 28;
/// What stands before the first point of a `formatVersion` that is understood here.
const MAJOR: &str = "1";
/// What to do about a file that cannot be used.
const HINT: &str = "write it with `tenantry plan -o json=plan.json`, and keep that file as it is";

/// Only what has to be known before the rest can be looked at.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Versioned {
    format_version: String,
}

/// A plan, or an apply, as far as it says what is done. What a later minor version adds is passed over.
#[derive(Deserialize)]
struct PlanFile {
    directory: String,
    owner: String,
    objects: Vec<ObjectFile>,
    loosens: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ObjectFile {
    key: Key,
    #[serde(deserialize_with = "given")]
    directory_id: Option<SmolStr>,
    verb: String,
    #[serde(deserialize_with = "given")]
    reason: Option<String>,
    changes: Vec<ChangeFile>,
    #[serde(deserialize_with = "given")]
    credential: Option<CredentialFile>,
}

#[derive(Deserialize)]
struct ChangeFile {
    #[serde(deserialize_with = "field")]
    field: Field,
    #[serde(deserialize_with = "value")]
    before: FieldValue,
    #[serde(deserialize_with = "value")]
    after: FieldValue,
}

#[derive(Deserialize)]
struct CredentialFile {
    method: Method,
    #[serde(deserialize_with = "given")]
    from: Option<SmolStr>,
    #[serde(deserialize_with = "given")]
    reset: Option<SmolStr>,
    mark: SmolStr,
}

/// What may be null and must be there: one that is missing altogether is the work of another tool.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    Option::deserialize(deserializer)
}

fn field<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Field, D::Error> {
    let name = SmolStr::deserialize(deserializer)?;
    let unknown = || D::Error::custom(format!("`{}` is no field that is known here", visible(&name)));
    Field::ALL.into_iter().find(|field| field.name() == name).ok_or_else(unknown)
}

fn value<'de, D: Deserializer<'de>>(deserializer: D) -> Result<FieldValue, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected null, true, false, text or a list of texts")]
    enum Value {
        Flag(bool),
        Text(SmolStr),
        List(Vec<SmolStr>),
    }
    Ok(match Option::deserialize(deserializer)? {
        None => FieldValue::None,
        Some(Value::Flag(flag)) => FieldValue::Flag(flag),
        Some(Value::Text(text)) => FieldValue::Text(text),
        Some(Value::List(list)) => FieldValue::List(list),
    })
}

/// Reads the plan in a file.
pub(crate) fn read(path: &Path) -> Result<Approved, Failure> {
    let shown = visible(&path.display().to_string());
    let unreadable = |error: &dyn std::error::Error| {
        Failure::invalid(format!("the approved plan `{shown}` cannot be read"))
            .because(error)
            .hint("`--expect` takes the JSON of a plan, or a digest, which begins with `sha256:`")
    };
    let mut text = String::new();
    let file = fs::File::open(path).map_err(|error| unreadable(&error))?;
    file.take(LARGEST + 1).read_to_string(&mut text).map_err(|error| unreadable(&error))?;
    if text.len() as u64 > LARGEST {
        let message = format!("the approved plan `{shown}` is larger than {} MiB, and is not read", LARGEST >> 20);
        return Err(Failure::invalid(message).hint(HINT));
    }
    parse(&text).map_err(|problem| {
        let Problem { at, message } = problem;
        let at = at.map_or_else(String::new, |(line, column)| format!(":{line}:{column}"));
        Failure::invalid(format!("`{shown}{at}` is not an approved plan: {message}")).hint(HINT)
    })
}

/// Why a text is no plan, and where.
#[derive(Debug, PartialEq, Eq)]
struct Problem {
    at: Option<(usize, usize)>,
    message: String,
}

impl From<serde_json::Error> for Problem {
    fn from(error: serde_json::Error) -> Self {
        let (line, column) = (error.line(), error.column());
        let message = error.to_string();
        // Where it is wrong is told as in every other message.
        let message = message.strip_suffix(&format!(" at line {line} column {column}")).map_or(message.clone(), str::to_owned);
        Self { at: (line > 0).then_some((line, column)), message: visible(&message) }
    }
}

fn parse(text: &str) -> Result<Approved, Problem> {
    let Versioned { format_version } = serde_json::from_str(text)?;
    if format_version.split('.').next() != Some(MAJOR) {
        let version = visible(&format_version);
        let message = format!("its `formatVersion` is {version}, and this version of Tenantry reads {MAJOR}.x");
        return Err(Problem { at: None, message });
    }
    let PlanFile { directory, owner, objects, loosens } = serde_json::from_str(text)?;
    let mut changes = BTreeMap::new();
    for object in objects {
        let key = object.key.clone();
        let Some(change) = change(object) else { continue };
        match changes.entry(key) {
            btree_map::Entry::Vacant(free) => drop(free.insert(change)),
            btree_map::Entry::Occupied(taken) => {
                return Err(Problem { at: None, message: format!("`{}` stands twice in it", taken.key()) });
            }
        }
    }
    Ok(Approved { directory, owner, loosens, changes })
}

/// What is done with an object; nothing where all that is told of it is a hold. The word for it may be `held` beside a change:
/// what it says of an object does not need it.
fn change(object: ObjectFile) -> Option<ApprovedChange> {
    let ObjectFile { key: _, directory_id, verb, reason, changes, credential } = object;
    reason?;
    let kind = match (&*verb, &directory_id) {
        ("delete", _) => ChangeKind::Delete,
        (_, None) => ChangeKind::Create,
        (_, Some(_)) => ChangeKind::Update,
    };
    let fields = changes.into_iter().map(|ChangeFile { field, before, after }| FieldChange { field, before, after }).collect();
    let credential = credential.map(|CredentialFile { method, from, reset, mark }| Asked { method, from, reset, mark });
    Some(ApprovedChange { kind, remote: directory_id.map(RemoteId), fields, credential })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A plan with these objects.
    fn plan(objects: &str) -> String {
        format!(r#"{{"formatVersion": "1.7", "directory": "d", "owner": "o", "objects": [{objects}], "loosens": [], "new": {{}}}}"#)
    }

    fn object(key: &str, rest: &str) -> String {
        format!(r#"{{"key": "{key}", "verb": "edit", "reason": "Declared", "changes": [], {rest}}}"#)
    }

    #[test]
    fn what_a_plan_says_is_read() {
        let text = plan(
            r#"{"key": "user/a/b", "directoryId": "7", "verb": "rename", "reason": "Declared", "more": 1, "credential":
            {"method": "Invite", "from": null, "reset": "2", "mark": "owed"}, "changes": [
            {"field": "username", "before": "x", "after": null, "sensitive": true},
            {"field": "mayAppoint", "before": [], "after": ["y"]}, {"field": "enabled", "before": false, "after": true}]},
            {"key": "user/a/c", "directoryId": null, "verb": "held", "reason": null, "credential": null, "changes": []}"#,
        );
        let approved = parse(&text).unwrap();
        assert_eq!(approved.changes.len(), 1, "what is held is no change");
        let ApprovedChange { kind, remote, fields, credential } = &approved.changes[&"user/a/b".parse().unwrap()];
        assert_eq!((*kind, remote), (ChangeKind::Update, &Some(RemoteId("7".into()))));
        let [name, list, flag] = &fields[..] else { panic!("{fields:?}") };
        assert_eq!((&name.before, &name.after), (&FieldValue::Text("x".into()), &FieldValue::None));
        assert_eq!(list.after, FieldValue::List(vec!["y".into()]));
        assert_eq!((flag.field, &flag.before), (Field::Enabled, &FieldValue::Flag(false)));
        assert_eq!(credential.as_ref().map(|it| it.reset.as_deref()), Some(Some("2")));
    }

    #[test]
    fn what_is_no_plan_is_refused_with_its_place() {
        let id = r#""directoryId": null, "credential": null"#;
        let twice = plan(&[object("user/a/b", id), object("user/a/b", id)].join(", "));
        let deep = "[".repeat(100_000);
        for (text, at, message) in [
            ("", Some((1, 0)), "EOF while parsing"),
            ("{\n  \"formatVersion\" 1", Some((2, 19)), "expected `:`"),
            ("[]", Some((1, 2)), "invalid length 0"),
            (&deep, Some((1, 1)), "invalid type"),
            ("{}", Some((1, 2)), "missing field `formatVersion`"),
            (r#"{"formatVersion": "2.0"}"#, None, "is 2.0, and this version of Tenantry reads 1.x"),
            (r#"{"formatVersion": "10"}"#, None, "is 10"),
            (r#"{"formatVersion": "1.0", "problems": []}"#, Some((1, 40)), "missing field `directory`"),
            (&plan(&object("user/a/b", r#""credential": null"#)), Some((1, 158)), "missing field `directoryId`"),
            (&plan(&object("user/A/b", id)), Some((1, 93)), "`user/A/b` is not a key"),
            (&plan(&object("user/a/b", id).replace("[]", r#"[{"field": "x"}]"#)), Some((1, 160)), "`x` is no field"),
            (&twice, None, "`user/a/b` stands twice"),
        ] {
            let problem = parse(text).unwrap_err();
            assert!(problem.message.contains(message), "{text:.60}: {problem:?}");
            assert_eq!(problem.at.is_some(), at.is_some(), "{text:.60}: {problem:?}");
            assert!(at.is_none() || text.len() > 40 || problem.at == at, "{text:.60}: {problem:?}");
        }
    }
}
