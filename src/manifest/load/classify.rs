//! Whose a document is, and what a broken one still says.

use super::{
    check::{self, Finding},
    document::{Format, Found, identity},
    list::{self, Whose},
    project,
    tree::{Data, Fault, Node, Plain, resolve},
};
use crate::{
    manifest::{API_VERSION, Code, GROUP, MOVED_FROM, Origin, Place, Problem, Salvage, Step, lower, schema},
    model::{Key, Kind, Name, visible},
};

/// Tells whether a document is ours, and of which kind.
#[expect(clippy::result_large_err, reason = "the error is one of the results, and rare")]
pub(super) fn classify(root: &Node, format: Format, origin: Origin, out: &mut Vec<Problem>) -> Result<Kind, Found> {
    let text = |name: &str| root.get(name).and_then(certain);
    let (version, kind) = (text("apiVersion"), text("kind"));
    let whose = list::whose(version);
    let word = kind.map(visible).unwrap_or_default();
    let may_be_ours = matches!(whose, Whose::Ours | Whose::Maybe);
    if let Some(kind) = kind {
        if may_be_ours && matches!(kind, "Project" | "Directory") {
            return Err(configuration(root, kind, version, format, origin, out));
        }
        if list::is_list(kind, version) {
            let message = format!("this `{word}` is not unpacked here");
            let hint = "write its items as documents, or as the items of one `kind: List`";
            out.push(Problem::error(Code::NotADocument, origin, Place::path("kind"), message).hint(hint));
            return Err(Found::Unreadable);
        }
    }
    let near = |kind: &str| check::nearest(kind, Kind::ALL.into_iter().map(Kind::manifest));
    let known = kind.and_then(Kind::parse);
    let foreign = match whose {
        Whose::Ours | Whose::Maybe => false,
        Whose::Groupless => known.is_none() && kind.is_some_and(|it| near(it).is_none()),
        Whose::Others => kind.is_some(),
    };
    if foreign && let (Some(version), Some(kind)) = (version, kind) {
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
            let hint = near(kind)
                .map_or_else(|| "there are `Role`, `Company`, `Customer`, `User`".into(), |it| format!("did you mean `{it}`?"));
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

/// A project or Directory: skipped where it is one.
fn configuration(root: &Node, kind: &str, version: Option<&str>, format: Format, origin: Origin, out: &mut Vec<Problem>) -> Found {
    if list::whose(version) == Whose::Ours {
        let fits = if kind == "Project" { format.project || project::is_project(root) } else { project::is_directory(root) };
        if fits {
            return Found::Skipped;
        }
        let message = format!("this is no `{kind}`: its fields are others, or it is broken");
        let hint = "if it is something else, mend `kind`";
        out.push(Problem::error(Code::NoIdentity, origin, Place::path("kind"), message).hint(hint));
        return Found::Unreadable;
    }
    let message =
        version.map_or_else(|| "`apiVersion` is missing".to_owned(), |it| format!("there is no version `{}`", visible(it)));
    let problem = Problem::error(Code::NoIdentity, origin, Place::path("apiVersion"), message);
    out.push(problem.hint(format!("write `apiVersion: {API_VERSION}`")));
    Found::Unreadable
}

/// A second thought on what is not ours: it may hold what is, or swallow what follows.
pub(super) fn foreign(root: Option<&Node>, torn: bool, text: &str, origin: Origin, out: &mut Vec<Problem>) -> Found {
    let lower = if torn { text.to_ascii_lowercase() } else { String::new() };
    if lower.contains("tenantry.dev/") || lower.contains("tenantry.dev\\/") {
        out.retain(|it| it.code != Code::Foreign);
        let message = "this text is broken, and has a document for Tenantry in it or behind it";
        let hint = "documents are separated by a line that is `---` and nothing else";
        out.push(Problem::error(Code::Syntax, origin, Place::At(origin.line, 1), message).hint(hint));
        return Found::Unreadable;
    }
    // Templates and the like are often no YAML at all.
    out.retain(|it| it.code == Code::Foreign);
    if root.is_some_and(wraps_ours) {
        out.clear();
        let message = "a document for Tenantry is wrapped in one that is not, and is not unpacked";
        let hint = "write it as a document of its own";
        out.push(Problem::error(Code::NotADocument, origin, Place::path("kind"), message).hint(hint));
        return Found::Unreadable;
    }
    Found::Foreign
}

/// Whether an `apiVersion` of ours stands anywhere inside.
fn wraps_ours(node: &Node) -> bool {
    let ours = |key: &Node, value: &Node| {
        let named = key.text().is_some_and(|it| it.trim().eq_ignore_ascii_case("apiVersion"));
        let text = value.text().filter(|_| named).map(|it| it.trim().to_ascii_lowercase());
        text.is_some_and(|it| it.strip_prefix(GROUP).is_some_and(|rest| rest.starts_with('/')))
    };
    match &node.data {
        Data::Scalar { .. } => false,
        Data::List(items) => items.iter().any(wraps_ours),
        Data::Map { entries, open: _ } => {
            entries.iter().any(|(key, value)| ours(key, value) || wraps_ours(key) || wraps_ours(value))
        }
    }
}

/// Annotations that look like ours and are none.
pub(super) fn annotations(root: &Node) -> Vec<Finding> {
    let entries = match root.get("metadata").and_then(|it| it.get("annotations")).map(|it| &it.data) {
        Some(Data::Map { entries, open: _ }) => entries.as_slice(),
        Some(Data::Scalar { .. } | Data::List(_)) | None => &[],
    };
    let misspelt = entries.iter().filter_map(|it| it.0.text()).filter(|it| lower::misspelt_annotation(it));
    let finding = |name: &str| {
        let hint = check::nearest(name.trim(), lower::ANNOTATIONS.into_iter()).map_or_else(
            || format!("there are {}", lower::ANNOTATIONS.map(|it| format!("`{it}`")).join(", ")),
            |it| format!("did you mean `{it}`?"),
        );
        let path = ["metadata", "annotations", name].map(|it| Step::Key(it.into())).into();
        let message = format!("there is no annotation `{}`", visible(name));
        Finding { code: Code::UnknownField, place: Place::Key(path, 0), message, hint: Some(hint), related: None }
    };
    misspelt.map(finding).collect()
}

/// Whether a broken document may stand for more than its key: for the document of another kind, or for an account that
/// has been moved.
pub(super) fn hides_more(root: &Node, text: &str, kind: Kind, salvage: &Salvage) -> bool {
    let moved = salvage.moved_from.is_none() && text.to_ascii_lowercase().contains("moved-from");
    let has = |kind: Kind, field: &str| schema::spec(kind)["properties"].get(field).is_some();
    let stranger = |field: &str| !has(kind, field) && Kind::ALL.into_iter().any(|other| has(other, field));
    let fields = match root.get("spec").map(|it| &it.data) {
        Some(Data::Map { entries, open: _ }) => entries.as_slice(),
        Some(Data::Scalar { .. } | Data::List(_)) | None => &[],
    };
    moved || !annotations(root).is_empty() || fields.iter().filter_map(|it| it.0.text()).any(stranger)
}

/// Text that is text to everybody.
fn certain(node: &Node) -> Option<&str> {
    match &node.data {
        Data::Scalar { text, plain } if !plain || resolve(text) == Plain::Text => Some(text),
        Data::Scalar { .. } | Data::List(_) | Data::Map { .. } => None,
    }
}

/// Whose document it is, where that is certain: names that are text to everybody, in a `metadata` that is complete.
pub(super) fn own_key(root: &Node, kind: Kind) -> Option<Key> {
    let metadata = root.get("metadata")?;
    let name = certain(metadata.get("name")?)?;
    let namespace = match metadata.get("namespace") {
        Some(node) => Some(certain(node)?),
        None if metadata.has("namespace") || metadata.is_open() || metadata.has("<<") || root.has("<<") => return None,
        None => None,
    };
    identity(kind, namespace, name).ok()
}

/// What a broken document still says for certain.
pub(super) fn salvage(root: &Node, key: &Key, faults: &[Fault]) -> Salvage {
    // Nothing is shut off by a document whose version was refused.
    if root.get("apiVersion").and_then(certain) != Some(API_VERSION) {
        return Salvage::default();
    }
    let tagged = faults.iter().any(|it| it.code == Code::Tag);
    let spec = root.get("spec").filter(|_| !tagged);
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
