//! One document: the fast way for what is sound and plain, and the strict second look for everything else.

use std::fmt;

use serde::{Deserialize, Deserializer, de};

use super::{
    check::{self, Finding},
    plain, scan,
    tree::{self, Data, Fault, Node, Plain, resolve},
};
use crate::{
    manifest::{
        ADOPT, API_VERSION, Code, CompanySpec, CustomerSpec, Declared, Form, GROUP, Lowered, MOVED_FROM, Origin, Place, Problem,
        RoleSpec, Salvage, Spec, Step, UserSpec,
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
    /// One of ours, or maybe one: whose it is cannot be told.
    Unreadable,
    /// Not for us.
    Foreign,
    /// Ours, and not a thing: a project, a Directory; or nothing at all.
    Skipped,
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
                        _ => {}
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
pub(super) fn read(text: &str, json: bool, origin: Origin, problems: &mut Vec<Problem>) -> Found {
    match fast(text, json, origin) {
        Some(lowered) => Found::Ours(lowered),
        None => strict(text, json, origin, problems),
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
        let key = identity(S::KIND, namespace.as_ref().map(Text::as_str), name.as_str())?;
        sound(&self.spec, key, annotations, origin).map_err(|_| "a value is wrong".to_owned())
    }
}

fn sound<S: Spec>(spec: &S, key: Key, annotations: &Annotations, origin: Origin) -> Result<Lowered, Vec<Problem>> {
    let Annotations { moved_from, adopt } = annotations;
    let declared = lower(spec, &key, moved_from.as_ref().map(Text::as_str), adopt.as_ref().map(Text::as_str), origin)?;
    Ok(Lowered { key, origin, form: Form::Sound(Box::new(declared)) })
}

fn identity(kind: Kind, namespace: Option<&str>, name: &str) -> Result<Key, String> {
    let namespace = match namespace {
        Some(text) => Namespace::new(text).map_err(|error| error.message)?,
        None if kind == Kind::Role => Namespace::GLOBAL,
        None => Namespace::DEFAULT,
    };
    Ok(Key::new(kind, namespace, Name::new(name).map_err(|error| error.message)?))
}

/// The second look: every problem, and whatever can be salvaged.
pub(super) fn strict(text: &str, json: bool, origin: Origin, problems: &mut Vec<Problem>) -> Found {
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
        None if tree.faults.is_empty() => return Found::Skipped,
        Some(Node { data: Data::Scalar { text, plain: true }, at: _ })
            if resolve(text) == Plain::Null && tree.faults.is_empty() =>
        {
            return Found::Skipped;
        }
        root => root.as_ref(),
    };
    let mut out = Vec::new();
    out.extend(tree.faults.iter().map(|fault| super::place::fault(fault, text, origin)));
    let found = match root {
        Some(root) if matches!(root.data, Data::Map { .. }) => map(root, &tree.faults, origin, &mut out),
        Some(root) if tree.faults.is_empty() => {
            let what = if matches!(root.data, Data::List(_)) { "a list" } else { "a single value" };
            let message = format!("this document is {what}, and must be a mapping with `apiVersion` and `kind`");
            out.push(Problem::error(Code::NotADocument, origin, Place::path(""), message));
            Found::Unreadable
        }
        Some(_) | None => Found::Unreadable,
    };
    if matches!(found, Found::Foreign) {
        // Templates and the like are often no YAML at all.
        out.retain(|it| it.code == Code::Foreign);
    }
    let found = match found {
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
    match found {
        Found::Ours(lowered) if errors && matches!(lowered.form, Form::Sound(_)) => {
            Found::Ours(Lowered { form: Form::Broken(root.map(|root| salvage(root, &lowered.key)).unwrap_or_default()), ..lowered })
        }
        found => found,
    }
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

fn map(root: &Node, faults: &[Fault], origin: Origin, out: &mut Vec<Problem>) -> Found {
    let kind = match classify(root, origin, out) {
        Ok(kind) => kind,
        Err(found) => return found,
    };
    let broken_off = faults.iter().any(|it| matches!(it.code, Code::Syntax | Code::TooMuch));
    if broken_off {
        // What follows from the break is not told again.
        out.retain(|it| it.code != Code::NoIdentity);
    }
    let key = own_key(root, kind);
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
    let form = Form::Broken(salvage(root, &key));
    Found::Ours(Lowered { key, origin, form })
}

/// Tells whether a document is ours, and of which kind.
#[expect(clippy::result_large_err, reason = "the error is one of the results, and rare")]
fn classify(root: &Node, origin: Origin, out: &mut Vec<Problem>) -> Result<Kind, Found> {
    let text = |name: &str| root.get(name).and_then(certain);
    let (version, kind) = (text("apiVersion"), text("kind"));
    let group = version.map(|it| it.split_once('/').map_or("", |it| it.0));
    let ours = group == Some(GROUP);
    let near = group.is_some_and(|it| !ours && strsim::damerau_levenshtein(it, GROUP) <= 3);
    let word = kind.map(visible).unwrap_or_default();
    if let Some(kind) = kind
        && (ours || near || version.is_none())
        && matches!(kind, "Project" | "Directory")
    {
        return Err(if ours { Found::Skipped } else { unknown_version(version, origin, out) });
    }
    let known = kind.and_then(Kind::parse).filter(|it| ours || near || version.is_none() || Some(it.manifest()) == kind);
    // Kubernetes' own roles stand in every folder that declares a cluster.
    let rbac = group == Some("rbac.authorization.k8s.io");
    if let (Some(version), Some(kind)) = (version, kind)
        && !ours
        && !near
        && (known.is_none() || rbac)
    {
        let message = format!("`{}` of `{}` is not for Tenantry", visible(kind), visible(version));
        out.push(Problem::warning(Code::Foreign, origin, Place::path("kind"), message));
        return Err(Found::Foreign);
    }
    let mut refuse = |field: &str, message: String, hint: Option<String>| {
        let place = Place::path(if root.has(field) { field } else { "" });
        out.push(Problem { hint, ..Problem::error(Code::NoIdentity, origin, place, message) });
    };
    match version {
        None => refuse("apiVersion", missing(root, "apiVersion"), Some(format!("write `apiVersion: {API_VERSION}`"))),
        Some(API_VERSION) => {}
        Some(version) => {
            let message = format!("there is no version `{}` of our documents", visible(version));
            refuse("apiVersion", message, Some(format!("write `apiVersion: {API_VERSION}`")));
        }
    }
    match (kind, known) {
        (None, _) => refuse("kind", missing(root, "kind"), Some("one of `Role`, `Company`, `Customer`, `User`".into())),
        (Some(kind), None) => {
            let near = check::nearest(kind, Kind::ALL.into_iter().map(Kind::manifest));
            let hint =
                near.map_or_else(|| "there are `Role`, `Company`, `Customer`, `User`".into(), |it| format!("did you mean `{it}`?"));
            refuse("kind", format!("there is no kind `{word}`"), Some(hint));
        }
        (Some(kind), Some(known)) if kind != known.manifest() => {
            refuse("kind", format!("there is no kind `{word}`"), Some(format!("did you mean `{}`?", known.manifest())));
        }
        (Some(_), Some(_)) => {}
    }
    known.ok_or(Found::Unreadable)
}

fn missing(root: &Node, field: &str) -> String {
    if root.has(field) { format!("`{field}` cannot be told: it must be one text") } else { format!("`{field}` is missing") }
}

fn unknown_version(version: Option<&str>, origin: Origin, out: &mut Vec<Problem>) -> Found {
    let message =
        version.map_or_else(|| "`apiVersion` is missing".to_owned(), |it| format!("there is no version `{}`", visible(it)));
    out.push(
        Problem::error(Code::NoIdentity, origin, Place::path("apiVersion"), message)
            .hint(format!("write `apiVersion: {API_VERSION}`")),
    );
    Found::Skipped
}

/// Text that is text to everybody.
fn certain(node: &Node) -> Option<&str> {
    match &node.data {
        Data::Scalar { text, plain } if !plain || resolve(text) == Plain::Text => Some(text),
        Data::Scalar { .. } | Data::List(_) | Data::Map { .. } => None,
    }
}

/// Whose document it is, where that is certain: names that are text to everybody, in a `metadata` that is complete.
fn own_key(root: &Node, kind: Kind) -> Option<Key> {
    let metadata = root.get("metadata")?;
    let name = certain(metadata.get("name")?)?;
    let namespace = match metadata.get("namespace") {
        Some(node) => Some(certain(node)?),
        None if metadata.has("namespace") || metadata.is_open() || metadata.has("<<") || root.has("<<") => return None,
        None => None,
    };
    identity(kind, namespace, name).ok()
}

/// Checks the whole document against its schema, then its values.
fn full<S: Spec>(root: &Node, key: &Key, faults: &[Fault], origin: Origin, out: &mut Vec<Problem>) -> Option<Declared> {
    let mut findings = Vec::new();
    let mut value = check::check(root, schema::document(S::KIND), &mut findings);
    let identity = |path: &[Step]| matches!(path, [Step::Key(it)] if matches!(it.as_str(), "apiVersion" | "kind"));
    // `classify` has said so already.
    findings.retain(|it| !matches!(&it.place, Place::Path(path) if identity(path)));
    let annotation = |name: &str| root.get("metadata")?.get("annotations")?.get(name)?.text();
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

/// What a broken document still says for certain.
fn salvage(root: &Node, key: &Key) -> Salvage {
    let spec = root.get("spec");
    let plain = |node: &Node| match &node.data {
        Data::Scalar { text, plain } => Some((text.clone(), *plain)),
        Data::List(_) | Data::Map { .. } => None,
    };
    let enabled = spec.and_then(|it| it.get("enabled")).and_then(plain);
    let role = spec.and_then(|it| it.get("role")).and_then(plain);
    let moved_from =
        root.get("metadata").and_then(|it| it.get("annotations")).and_then(|it| it.get(MOVED_FROM)).and_then(Node::text);
    let role = role.filter(|(text, plain)| !plain || resolve(text) == Plain::Text);
    Salvage {
        disabled: key.kind != Kind::Role && enabled.is_some_and(|(text, plain)| plain && resolve(&text) == Plain::Flag(false)),
        role: role.filter(|_| key.kind == Kind::User).and_then(|(text, _)| Name::new(&text).ok()),
        moved_from: moved_from.and_then(|text| lower::moved_from(key, text).ok()),
    }
}
