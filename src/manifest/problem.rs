//! Problems as data: what is wrong, where, and what to do about it.

use std::fmt;

use serde::Serialize;
use smol_str::SmolStr;

use crate::model::Key;

/// Where a document starts: an index into [`super::Sources`], and the line (from 1) of its first line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// Which file.
    pub file: u32,
    /// First line of the document, from 1.
    pub line: u32,
}

/// A step on the way to a value in a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A key of a mapping.
    Key(SmolStr),
    /// A place in a sequence, from 0.
    Index(usize),
}

/// A place in a document. The line and column are looked up only when somebody is to see them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The value at a path, or the nearest thing above it that exists.
    Path(Vec<Step>),
    /// The key at a path, rather than its value: what an unknown or repeated field points at. The second number picks one
    /// of several occurrences, from 0.
    Key(Vec<Step>, usize),
    /// A line and column of the file itself, from 1, the column in characters.
    At(u32, u32),
}

impl Place {
    /// The value at a dotted path: `spec.email`.
    pub fn path(dotted: &str) -> Self {
        let step = |part: &str| part.parse().map_or_else(|_| Step::Key(SmolStr::new(part)), Step::Index);
        Self::Path(dotted.split('.').filter(|part| !part.is_empty()).map(step).collect())
    }

    /// The value of an annotation, whose name may well contain dots.
    pub fn annotation(name: &str) -> Self {
        Self::Path(["metadata", "annotations", name].map(|part| Step::Key(SmolStr::new(part))).into())
    }
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The document or file does not say what it seems to; exit code 3.
    Error,
    /// Worth a look.
    Warning,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal),+ $(,)?) => {
        /// What kind of problem it is: stable, printed as `T0007`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $($(#[$doc])* $name = $number),+
        }

        impl Code {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$name),+];
        }
    };
}

codes! {
    /// A file or folder that cannot be read.
    Unreadable = 1,
    /// Text that is not YAML or JSON.
    Syntax = 2,
    /// A file or document larger, deeper or fuller of references than is believed.
    TooMuch = 3,
    /// A list or a scalar where a document should be.
    NotADocument = 4,
    /// No `apiVersion`, `kind` or `metadata.name`, or one that is unknown: the document cannot be told apart from nothing.
    NoIdentity = 5,
    /// A document that is not for Tenantry.
    Foreign = 6,
    /// A field that does not exist.
    UnknownField = 7,
    /// A required field that is missing.
    MissingField = 8,
    /// A value of the wrong type or form.
    BadValue = 9,
    /// A value that the cluster would read as something else (YAML 1.1).
    Ambiguous = 10,
    /// The same key twice in a mapping.
    DuplicateKey = 11,
    /// A merge key `<<`.
    MergeKey = 12,
    /// An explicit tag other than `!!str`.
    Tag = 13,
    /// Two documents of one kind, namespace and name.
    DuplicateIdentity = 14,
    /// Two documents that claim one username, e-mail or title.
    DuplicateClaim = 15,
    /// A reference to something that is not declared.
    UnknownReference = 16,
    /// Companies that stand above each other.
    Cycle = 17,
    /// An installer above a distributor.
    WrongParent = 18,
    /// A region that the project does not have.
    UnknownRegion = 19,
    /// A phone number where the region has none.
    PhoneNotAllowed = 20,
    /// A role that does not exist.
    UnknownRole = 21,
    /// A role that cannot live under this parent.
    RoleCannotLiveHere = 22,
    /// A role that nobody may appoint.
    NobodyMayAppoint = 23,
    /// A namespaced role that bears the name of a global one.
    ShadowsGlobalRole = 24,
    /// What the role requires of its holders is missing.
    RoleRequires = 25,
    /// A role edit that would make a holder's role illegal.
    RoleBreaksHolder = 26,
    /// `moved-from` that names itself, something declared, or what another document names.
    MovedFrom = 27,
    /// A project file that is wrong.
    Project = 28,
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "T{:04}", *self as u16)
    }
}

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Another place that belongs to a problem: "first declared here".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Related {
    /// Where its document starts.
    pub origin: Origin,
    /// Where in it.
    pub place: Place,
    /// What is there.
    pub label: String,
}

/// Something that is wrong with what was declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What kind of problem.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one sentence without a full stop; user text made visible.
    pub message: String,
    /// Where its document starts.
    pub origin: Origin,
    /// Where in it.
    pub place: Place,
    /// What to do about it.
    pub hint: Option<String>,
    /// Other places that belong to it.
    pub related: Vec<Related>,
    /// Whose it is, where that can be told.
    pub key: Option<Key>,
}

impl Problem {
    /// An error.
    pub fn error(code: Code, origin: Origin, place: Place, message: impl Into<String>) -> Self {
        Self { code, severity: Severity::Error, message: message.into(), origin, place, hint: None, related: Vec::new(), key: None }
    }

    /// A warning.
    pub fn warning(code: Code, origin: Origin, place: Place, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, origin, place, message) }
    }

    /// The same problem with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same problem with another place.
    #[must_use]
    pub fn related(mut self, origin: Origin, place: Place, label: impl Into<String>) -> Self {
        self.related.push(Related { origin, place, label: label.into() });
        self
    }

    /// The same problem, of a thing.
    #[must_use]
    pub fn of(mut self, key: &Key) -> Self {
        self.key = Some(key.clone());
        self
    }
}
