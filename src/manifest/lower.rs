//! From what is written to values: every problem of a document, each with its place.

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use smol_str::SmolStr;

use super::{
    Code, Declared, Origin, Place, Problem,
    text::{Label, MomentText},
};
use crate::model::{Key, Kind, Name, Namespace, RemoteId, ValueError, visible};

/// Annotation: where the thing was before it got another name in Git.
pub const MOVED_FROM: &str = "tenantry.dev/moved-from";
/// Annotation: the one account that a document may take over.
pub const ADOPT: &str = "tenantry.dev/adopt";

/// How our annotations begin.
const OURS: &str = "tenantry.dev/";
/// Every annotation of ours.
pub(super) const ANNOTATIONS: [&str; 8] = [
    MOVED_FROM,
    ADOPT,
    "tenantry.dev/paused",
    "tenantry.dev/reconcile-at",
    "tenantry.dev/commit",
    "tenantry.dev/approve",
    "tenantry.dev/reject",
    "tenantry.dev/rebind",
];

/// Whether an annotation is written as if it were ours, and is none.
pub(super) fn misspelt_annotation(name: &str) -> bool {
    let ours = name.trim().get(..OURS.len()).is_some_and(|it| it.eq_ignore_ascii_case(OURS));
    ours && !ANNOTATIONS.contains(&name)
}

/// The `spec` of one kind of document.
pub trait Spec: DeserializeOwned {
    /// The kind.
    const KIND: Kind;

    /// Turns it into values. Problems go to `lowering`; nothing comes back exactly when there are some.
    fn lower(&self, lowering: &mut Lowering<'_>) -> Option<Declared>;
}

/// Turns one document into values.
///
/// `moved_from` and `adopt` are the annotations of these names.
pub fn lower<S: Spec>(
    spec: &S,
    key: &Key,
    moved_from: Option<&str>,
    adopt: Option<&str>,
    origin: Origin,
) -> Result<Declared, Vec<Problem>> {
    let mut lowering = Lowering::new(key, origin);
    let moved_from = moved_from.and_then(|text| lowering.moved_from(text));
    let adopt = adopt.and_then(|text| lowering.adopt(text));
    match spec.lower(&mut lowering) {
        Some(declared) if lowering.problems.is_empty() => Ok(Declared { moved_from, adopt, ..declared }),
        _ => Err(lowering.problems),
    }
}

/// Collects the problems of one document.
#[derive(Debug)]
pub struct Lowering<'a> {
    key: &'a Key,
    origin: Origin,
    problems: Vec<Problem>,
}

impl<'a> Lowering<'a> {
    /// Nothing is wrong yet.
    pub fn new(key: &'a Key, origin: Origin) -> Self {
        Self { key, origin, problems: Vec::new() }
    }

    /// Everything that is wrong.
    pub fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    /// Whose document it is.
    pub fn key(&self) -> &Key {
        self.key
    }

    /// Records that the value at a dotted path is wrong.
    pub fn refuse(&mut self, path: &str, error: ValueError) {
        self.refuse_at(Place::path(path), path, error);
    }

    fn refuse_at(&mut self, place: Place, path: &str, error: ValueError) {
        let ValueError { message, hint } = error;
        let message = format!("`{path}`: {message}");
        let problem = Problem::error(Code::BadValue, self.origin, place, message).of(self.key);
        self.problems.push(Problem { hint, ..problem });
    }

    /// Records a problem of another code.
    pub fn problem(&mut self, code: Code, path: &str, message: impl Into<String>, hint: Option<&str>) {
        let problem = Problem::error(code, self.origin, Place::path(path), message).of(self.key);
        self.problems.push(Problem { hint: hint.map(str::to_owned), ..problem });
    }

    /// A required value.
    pub fn value<T>(&mut self, path: &str, text: impl AsRef<str>, new: impl FnOnce(&str) -> Result<T, ValueError>) -> Option<T> {
        new(text.as_ref()).map_err(|error| self.refuse(path, error)).ok()
    }

    /// A value that may be left out.
    pub fn optional<T, W: AsRef<str>>(
        &mut self,
        path: &str,
        text: Option<&W>,
        new: impl FnOnce(&str) -> Result<T, ValueError>,
    ) -> Option<T> {
        text.and_then(|text| self.value(path, text, new))
    }

    /// A name that may be left out.
    pub fn name(&mut self, path: &str, text: Option<&Label>) -> Option<Name> {
        self.optional(path, text, Name::new)
    }

    /// A moment that may be left out.
    pub fn moment(&mut self, path: &str, text: Option<&MomentText>) -> Option<Timestamp> {
        self.optional(path, text, moment)
    }

    fn moved_from(&mut self, text: &str) -> Option<Key> {
        moved_from(self.key, text).map_err(|error| self.annotation(MOVED_FROM, Code::MovedFrom, error)).ok()
    }

    fn adopt(&mut self, text: &str) -> Option<RemoteId> {
        adopt(text).map_err(|error| self.annotation(ADOPT, Code::BadValue, error)).ok()
    }

    fn annotation(&mut self, name: &str, code: Code, error: ValueError) {
        let ValueError { message, hint } = error;
        let message = format!("`{name}`: {message}");
        let problem = Problem::error(code, self.origin, Place::annotation(name), message).of(self.key);
        self.problems.push(Problem { hint, ..problem });
    }
}

/// Reads `tenantry.dev/moved-from`: NAMESPACE/NAME of the same kind, or NAME in the same namespace; before a namespace the
/// kind may stand, as keys are printed.
pub(super) fn moved_from(key: &Key, text: &str) -> Result<Key, ValueError> {
    let text = match text.split_once('/') {
        Some((kind, rest)) if rest.contains('/') => {
            if kind != key.kind.word() {
                return Err(ValueError::new(format!("must be NAMESPACE/NAME of another `{}`", key.kind.word())));
            }
            rest
        }
        Some(_) | None => text,
    };
    let (namespace, name) = match text.split_once('/') {
        Some((namespace, name)) => (Namespace::new(namespace)?, name),
        None => (key.namespace.clone(), text),
    };
    let from = Key::new(key.kind, namespace, Name::new(name)?);
    if from == *key {
        return Err(ValueError::new("names the document itself").hint("remove the annotation"));
    }
    Ok(from)
}

fn adopt(text: &str) -> Result<RemoteId, ValueError> {
    if text.trim().is_empty() || text.len() > 1024 || visible(text) != text {
        return Err(ValueError::new("must be the identifier that the directory gave the account"));
    }
    Ok(RemoteId(SmolStr::new(text)))
}

/// Reads a date, which means its end in UTC, or a time of RFC 3339.
pub fn moment(text: &str) -> Result<Timestamp, ValueError> {
    let refuse = || {
        ValueError::new("must be a date or a time of RFC 3339")
            .hint("for example `2027-06-30`, which ends with that day (UTC), or `2027-06-30T12:00:00Z`")
    };
    let digits = |at: usize, count: usize| text.as_bytes().get(at..at + count).is_some_and(|it| it.iter().all(u8::is_ascii_digit));
    let byte = |at: usize| text.as_bytes().get(at).copied();
    let date = digits(0, 4) && byte(4) == Some(b'-') && digits(5, 2) && byte(7) == Some(b'-') && digits(8, 2);
    if !date {
        return Err(refuse());
    }
    if text.len() == 10 {
        let day: jiff::civil::Date = text.parse().map_err(|_| refuse())?;
        let next = day.tomorrow().map_err(|_| refuse())?;
        return next.to_zoned(jiff::tz::TimeZone::UTC).map(|zoned| zoned.timestamp()).map_err(|_| refuse());
    }
    let time = byte(10) == Some(b'T')
        && digits(11, 2)
        && byte(13) == Some(b':')
        && digits(14, 2)
        && byte(16) == Some(b':')
        && digits(17, 2);
    let rest = text.get(19..).unwrap_or("");
    let fraction = rest.strip_prefix('.').map_or(0, |it| it.bytes().take_while(u8::is_ascii_digit).count() + 1);
    let offset = &rest[fraction..];
    let zone = match offset.as_bytes() {
        [b'Z'] => true,
        [b'+' | b'-', a, b, b':', c, d] => [a, b, c, d].iter().all(|it| it.is_ascii_digit()),
        _ => false,
    };
    if !time || !zone || fraction == 1 || fraction > 10 {
        return Err(refuse());
    }
    text.parse().map_err(|_| refuse())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_means_its_end_in_utc() {
        for (written, meant) in [
            ("2027-06-30", "2027-07-01T00:00:00Z"),
            ("2028-02-28", "2028-02-29T00:00:00Z"),
            ("2027-12-31", "2028-01-01T00:00:00Z"),
            ("2027-06-30T12:00:00Z", "2027-06-30T12:00:00Z"),
            ("2027-06-30T12:00:00.5+02:00", "2027-06-30T10:00:00.5Z"),
        ] {
            assert_eq!(moment(written).unwrap().to_string(), meant, "{written}");
        }
        for bad in [
            "",
            "2027-6-30",
            "20270630",
            "2027-02-30",
            "2027-06-30T12:00Z",
            "2027-06-30 12:00:00Z",
            "2027-06-30T12:00:00",
            "2027-06-30T12:00:00.Z",
            "2027-06-30Tü",
            "9999-12-31T25:00:00Z",
        ] {
            assert!(moment(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn moved_from_is_of_the_same_kind() {
        let key: Key = "user/nord/mara".parse().unwrap();
        assert_eq!(moved_from(&key, "mara-l").unwrap().to_string(), "user/nord/mara-l");
        assert_eq!(moved_from(&key, "sud/mara").unwrap().to_string(), "user/sud/mara");
        assert_eq!(moved_from(&key, "user/sud/mara").unwrap().to_string(), "user/sud/mara");
        for bad in ["mara", "nord/mara", "a/b/c", "", "Mara", "role/nord/mara-l", "user/nord/mara", "user/a/b/c"] {
            assert!(moved_from(&key, bad).is_err(), "{bad}");
        }
    }
}
