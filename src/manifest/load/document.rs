//! One document: the fast way for what is sound and plain, and the strict second look for everything else.

use std::fmt;

use serde::{Deserialize, Deserializer, de};

use super::{
    check::{self, Finding},
    classify, plain, scan, split,
    tree::{self, Data, Fault, Node, Plain, resolve},
};
use crate::{
    manifest::{
        ADOPT, API_VERSION, Code, CompanySpec, CustomerSpec, Declared, Form, Lowered, MOVED_FROM, Origin, Place, Problem, RoleSpec,
        Spec, Step, UserSpec,
        lower::{self, lower},
        schema,
        text::{Text, given},
    },
    model::{Key, Kind, Name, Namespace, visible},
};

/// How many problems of one document are told.
const PROBLEMS: usize = 200;

/// What one document turned out to be.
#[derive(Debug)]
pub(super) enum Found {
    /// One of ours, whose identity is known.
    Ours(Lowered),
    /// The same, broken so that there may be more in it: another document, or the account of somebody else.
    Torn(Lowered),
    /// One of ours, or maybe one: whose it is cannot be told.
    Unreadable,
    /// Not for us.
    Foreign,
    /// Ours, and not a thing: a project, a Directory; or nothing at all.
    Skipped,
}

/// What a text is taken for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Format {
    pub(super) json: bool,
    /// Whether it stands in a project file.
    pub(super) project: bool,
}

/// A document as it is written.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Document<S> {
    api_version: Text,
    kind: Text,
    metadata: Metadata,
    spec: S,
    #[serde(default, rename = "status")]
    _status: de::IgnoredAny,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Metadata {
    name: Text,
    #[serde(default, deserialize_with = "given")]
    namespace: Option<Text>,
    #[serde(default)]
    annotations: Annotations,
    #[serde(default, rename = "labels")]
    _labels: Annotations,
    #[serde(default, rename = "uid")]
    _uid: de::IgnoredAny,
    #[serde(default, rename = "resourceVersion")]
    _resource_version: de::IgnoredAny,
    #[serde(default, rename = "generation")]
    _generation: de::IgnoredAny,
    #[serde(default, rename = "creationTimestamp")]
    _creation_timestamp: de::IgnoredAny,
    #[serde(default, rename = "deletionTimestamp")]
    _deletion_timestamp: de::IgnoredAny,
    #[serde(default, rename = "deletionGracePeriodSeconds")]
    _deletion_grace_period_seconds: de::IgnoredAny,
    #[serde(default, rename = "ownerReferences")]
    _owner_references: de::IgnoredAny,
    #[serde(default, rename = "finalizers")]
    _finalizers: de::IgnoredAny,
    #[serde(default, rename = "managedFields")]
    _managed_fields: de::IgnoredAny,
}

/// The two annotations that mean something to us, of a map whose keys must be unique all the same: kubectl keeps the last
/// of two without a word.
#[derive(Default)]
struct Annotations {
    moved_from: Option<Text>,
    adopt: Option<Text>,
    /// One looks like ours and is none.
    misspelt: bool,
}

impl<'de> Deserialize<'de> for Annotations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Annotations;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping of texts")
            }
            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Annotations, A::Error> {
                let (mut out, mut seen) = (Annotations::default(), Vec::new());
                while let Some((key, value)) = map.next_entry::<Text, Text>()? {
                    if seen.len() >= 64 || seen.contains(&key) {
                        return Err(de::Error::custom("too many annotations, or one of them twice"));
                    }
                    match key.as_str() {
                        MOVED_FROM => out.moved_from = Some(value),
                        ADOPT => out.adopt = Some(value),
                        name => out.misspelt |= lower::misspelt_annotation(name),
                    }
                    seen.push(key);
                }
                Ok(out)
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

/// Reads one document.
pub(super) fn read(text: &str, format: Format, origin: Origin, problems: &mut Vec<Problem>) -> Found {
    match fast(text, format.json, origin) {
        Some(lowered) => Found::Ours(lowered),
        None => strict(text, format, origin, problems),
    }
}

/// One typed parse, for documents that are plain and sound.
pub(super) fn fast(text: &str, json: bool, origin: Origin) -> Option<Lowered> {
    let kind = scan::guess(text, json)?;
    let kind = Kind::ALL.into_iter().find(|it| it.manifest() == kind)?;
    if json {
        return typed(kind, text, json, origin).ok();
    }
    match plainly(kind, text, origin) {
        Some(lowered) => Some(lowered),
        None if scan::suspicious(text) => None,
        None => typed(kind, text, json, origin).ok(),
    }
}

/// Without a parser, for what is written as nearly everybody writes.
fn plainly(kind: Kind, text: &str, origin: Origin) -> Option<Lowered> {
    match kind {
        Kind::Role => plain::read::<Document<RoleSpec>>(text).and_then(|it| it.lower(origin).ok()),
        Kind::Company => plain::read::<Document<CompanySpec>>(text).and_then(|it| it.lower(origin).ok()),
        Kind::Customer => plain::read::<Document<CustomerSpec>>(text).and_then(|it| it.lower(origin).ok()),
        Kind::User => plain::read::<Document<UserSpec>>(text).and_then(|it| it.lower(origin).ok()),
    }
}

fn typed(kind: Kind, text: &str, json: bool, origin: Origin) -> Result<Lowered, String> {
    match kind {
        Kind::Role => parse::<RoleSpec>(text, json, origin),
        Kind::Company => parse::<CompanySpec>(text, json, origin),
        Kind::Customer => parse::<CustomerSpec>(text, json, origin),
        Kind::User => parse::<UserSpec>(text, json, origin),
    }
}

fn parse<S: Spec>(text: &str, json: bool, origin: Origin) -> Result<Lowered, String> {
    let document: Document<S> = if json {
        serde_json::from_str(text).map_err(|error| error.to_string())?
    } else {
        serde_yaml::from_str(text).map_err(|error| error.to_string())?
    };
    document.lower(origin)
}

impl<S: Spec> Document<S> {
    fn lower(&self, origin: Origin) -> Result<Lowered, String> {
        if self.api_version.as_str() != API_VERSION || self.kind.as_str() != S::KIND.manifest() {
            return Err("another kind or version".to_owned());
        }
        let Metadata { name, namespace, annotations, .. } = &self.metadata;
        if annotations.misspelt {
            return Err("an annotation of ours that does not exist".to_owned());
        }
        let key = identity(S::KIND, namespace.as_ref().map(Text::as_str), name.as_str())?;
        sound(&self.spec, key, annotations, origin).map_err(|_| "a value is wrong".to_owned())
    }
}

fn sound<S: Spec>(spec: &S, key: Key, annotations: &Annotations, origin: Origin) -> Result<Lowered, Vec<Problem>> {
    let Annotations { moved_from, adopt, misspelt: _ } = annotations;
    let declared = lower(spec, &key, moved_from.as_ref().map(Text::as_str), adopt.as_ref().map(Text::as_str), origin)?;
    Ok(Lowered { key, origin, form: Form::Sound(Box::new(declared)) })
}

pub(super) fn identity(kind: Kind, namespace: Option<&str>, name: &str) -> Result<Key, String> {
    let namespace = match namespace {
        Some(text) => Namespace::new(text).map_err(|error| error.message)?,
        None if kind == Kind::Role => Namespace::GLOBAL,
        None => Namespace::DEFAULT,
    };
    Ok(Key::new(kind, namespace, Name::new(name).map_err(|error| error.message)?))
}

/// The second look: every problem, and whatever can be salvaged.
pub(super) fn strict(text: &str, format: Format, origin: Origin, problems: &mut Vec<Problem>) -> Found {
    let json = format.json;
    let normal = if json { super::json::normal(text) } else { text.into() };
    let mut tree = tree::parse(&normal);
    if json && let Err(error) = serde_json::from_str::<de::IgnoredAny>(text) {
        let at = super::json::offset(text, error.line(), error.column());
        let message = error.to_string();
        let message = message.rsplit_once(" at line").map_or(message.as_str(), |it| it.0).to_owned();
        tree.faults.insert(0, Fault { code: Code::Syntax, at: at..at, message, hint: None });
        tree.faults.truncate(1);
    }
    tree.faults.extend(super::hidden::find(text));
    let root = match &tree.root {
        None if tree.faults.is_empty() && !json => return Found::Skipped,
        Some(Node { data: Data::Scalar { text, plain: true }, at: _ })
            if resolve(text) == Plain::Null && tree.faults.is_empty() && !json =>
        {
            return Found::Skipped;
        }
        root => root.as_ref(),
    };
    let mut out = Vec::new();
    out.extend(tree.faults.iter().map(|fault| super::place::fault(fault, text, origin)));
    let found = match root {
        Some(root) if matches!(root.data, Data::Map { .. }) => map(root, &tree.faults, format, origin, &mut out),
        Some(root) if tree.faults.is_empty() => {
            let what = if matches!(root.data, Data::List(_)) { "a list" } else { "a single value" };
            let message = format!("this document is {what}, and must be a mapping with `apiVersion` and `kind`");
            out.push(Problem::error(Code::NotADocument, origin, Place::path(""), message));
            Found::Unreadable
        }
        Some(_) | None => Found::Unreadable,
    };
    let torn = broken_off(&tree.faults) || split::stray_break(text);
    let found = match found {
        Found::Foreign => classify::foreign(root, torn, text, origin, &mut out),
        // What is told elsewhere of a project: that documents may follow where it breaks off is told here.
        Found::Skipped if torn => Found::Unreadable,
        Found::Ours(lowered) if out.is_empty() => agree(lowered, text, json, origin, &mut out),
        found => found,
    };
    if out.len() > PROBLEMS {
        let more = format!("{} more problems in this document", out.len() - PROBLEMS);
        out.truncate(PROBLEMS);
        let key = out.first().and_then(|it| it.key.clone());
        out.push(Problem { key, ..Problem::error(Code::TooMuch, origin, Place::path(""), more) });
    }
    let errors = out.iter().any(|it| it.severity == crate::manifest::Severity::Error);
    problems.append(&mut out);
    let Found::Ours(mut lowered) = found else { return found };
    if errors && matches!(lowered.form, Form::Sound(_)) {
        lowered.form = Form::Broken(root.map(|root| classify::salvage(root, &lowered.key, &tree.faults)).unwrap_or_default());
    }
    match &lowered.form {
        Form::Broken(salvage) if torn || root.is_some_and(|root| classify::hides_more(root, text, lowered.key.kind, salvage)) => {
            Found::Torn(lowered)
        }
        Form::Broken(_) | Form::Sound(_) | Form::Gone => Found::Ours(lowered),
    }
}

/// Whether a text was not read to its end.
fn broken_off(faults: &[Fault]) -> bool {
    faults.iter().any(|it| matches!(it.code, Code::Syntax | Code::TooMuch))
}

/// The typed parser must read the same; two readings are no reading.
fn agree(lowered: Lowered, text: &str, json: bool, origin: Origin, out: &mut Vec<Problem>) -> Found {
    let message = match typed(lowered.key.kind, text, json, origin) {
        Ok(typed) if typed == lowered => return Found::Ours(lowered),
        Ok(_) => "two parsers read this document differently".to_owned(),
        Err(message) => message,
    };
    let hint = "write it plainly: one mapping in block style, values that are not obvious in double quotes";
    out.push(Problem::error(Code::Ambiguous, origin, Place::path(""), visible(&message)).hint(hint).of(&lowered.key));
    Found::Ours(lowered)
}

fn map(root: &Node, faults: &[Fault], format: Format, origin: Origin, out: &mut Vec<Problem>) -> Found {
    let kind = match classify::classify(root, format, origin, out) {
        Ok(kind) => kind,
        Err(found) => return found,
    };
    let broken_off = broken_off(faults);
    if broken_off {
        // What follows from the break is not told again.
        out.retain(|it| it.code != Code::NoIdentity);
    }
    let key = classify::own_key(root, kind);
    if !broken_off {
        let named = key.clone().unwrap_or_else(|| Key::new(kind, Namespace::DEFAULT, Name::new("x").expect("a label")));
        let declared = match kind {
            Kind::Role => full::<RoleSpec>(root, &named, faults, origin, out),
            Kind::Company => full::<CompanySpec>(root, &named, faults, origin, out),
            Kind::Customer => full::<CustomerSpec>(root, &named, faults, origin, out),
            Kind::User => full::<UserSpec>(root, &named, faults, origin, out),
        };
        if let (Some(declared), Some(key)) = (declared, &key) {
            return Found::Ours(Lowered { key: key.clone(), origin, form: Form::Sound(Box::new(declared)) });
        }
    }
    let Some(key) = key else {
        for problem in out.iter_mut() {
            problem.key = None;
        }
        return Found::Unreadable;
    };
    for problem in out.iter_mut() {
        problem.key = Some(key.clone());
    }
    let form = Form::Broken(classify::salvage(root, &key, faults));
    Found::Ours(Lowered { key, origin, form })
}

/// Checks the whole document against its schema, then its values.
fn full<S: Spec>(root: &Node, key: &Key, faults: &[Fault], origin: Origin, out: &mut Vec<Problem>) -> Option<Declared> {
    let mut findings = Vec::new();
    let mut value = check::check(root, schema::document(S::KIND), &mut findings);
    let identity = |path: &[Step]| matches!(path, [Step::Key(it)] if matches!(it.as_str(), "apiVersion" | "kind"));
    // `classify` has said so already.
    findings.retain(|it| !matches!(&it.place, Place::Path(path) if identity(path)));
    let annotation = |name: &str| root.get("metadata")?.get("annotations")?.get(name)?.text();
    findings.extend(classify::annotations(root));
    let mut found = Vec::new();
    for (field, text) in [("name", annotated(&value, "name")), ("namespace", annotated(&value, "namespace"))] {
        if let Some(Err(error)) = text.map(|text| Name::new(&text)) {
            let message = format!("`metadata.{field}`: {}", error.message);
            let problem = Problem::error(Code::NoIdentity, origin, Place::path(&format!("metadata.{field}")), message);
            found.push(Problem { hint: error.hint, ..problem });
        }
    }
    let declared = match serde_json::from_value::<S>(value["spec"].take()) {
        Ok(spec) => match lower(&spec, key, annotation(MOVED_FROM), annotation(ADOPT), origin) {
            Ok(declared) => Some(declared),
            Err(problems) => {
                found.extend(problems);
                None
            }
        },
        Err(error) => {
            found.push(Problem::error(Code::BadValue, origin, Place::path("spec"), visible(&error.to_string())).of(key));
            None
        }
    };
    let reported = |problem: &Problem| {
        let Place::Path(path) = &problem.place else { return false };
        let at = super::place::find(root, path);
        let follows = |known: &[Step]| path.starts_with(known) || (path.len() > 1 && known.starts_with(path));
        findings.iter().any(|it| matches!(&it.place, Place::Path(known) if follows(known)))
            || (path.len() > 1 && faults.iter().any(|it| at.contains(&it.at.start)))
    };
    let before = out.len();
    found.retain(|it| !reported(it));
    out.extend(findings.into_iter().map(|it| problem(it, key, origin)));
    out.append(&mut found);
    declared.filter(|_| out.len() == before)
}

fn annotated(value: &serde_json::Value, field: &str) -> Option<String> {
    value["metadata"][field].as_str().map(str::to_owned)
}

pub(super) fn problem(finding: Finding, key: &Key, origin: Origin) -> Problem {
    let Finding { code, place, message, hint, related } = finding;
    let problem = Problem { hint, ..Problem::error(code, origin, place, message).of(key) };
    match related {
        Some(place) => problem.related(origin, place, "first given here"),
        None => problem,
    }
}
