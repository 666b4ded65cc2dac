//! DNS labels: the names that identify things.

use std::fmt;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// Why a value was refused, in words that fit behind the name of its field, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ValueError {
    /// What is wrong, without a full stop.
    pub message: String,
    /// What to write instead, where that is known.
    pub hint: Option<String>,
}

impl ValueError {
    /// An error without a hint.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    /// The same error with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// The longest DNS label (RFC 1123 §2.1, RFC 1035 §2.3.4), in bytes.
const LABEL: usize = 63;

fn dns_label(text: &str) -> Result<SmolStr, ValueError> {
    let inner = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    let outer = |c: Option<&u8>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let bytes = text.as_bytes();
    if bytes.is_empty() {
        return Err(ValueError::new("a name must not be empty"));
    }
    if bytes.len() > LABEL {
        return Err(ValueError::new(format!("a name has at most {LABEL} characters, this one has {}", text.chars().count())));
    }
    if bytes.iter().all(|c| inner(*c)) && outer(bytes.first()) && outer(bytes.last()) {
        return Ok(SmolStr::new(text));
    }
    let mended = label_from(text);
    let error = ValueError::new("a name is a DNS label: lower-case letters, digits and `-`, first and last a letter or digit");
    Err(if mended.is_empty() { error } else { error.hint(format!("for example `{mended}`")) })
}

/// The nearest DNS label to any text: lower case, everything else a single `-`. Empty where nothing is left.
fn label_from(text: &str) -> String {
    let mut label = String::new();
    for c in text.chars().flat_map(char::to_lowercase) {
        if c.is_ascii_lowercase() || c.is_ascii_digit() {
            label.push(c);
        } else if !label.is_empty() && !label.ends_with('-') {
            label.push('-');
        }
    }
    label.truncate(LABEL);
    label.trim_end_matches('-').to_owned()
}

/// `metadata.name`: a DNS label (RFC 1123), the identity of a thing within its kind and namespace for its whole life.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "SmolStr", into = "SmolStr")]
pub struct Name(SmolStr);

impl Name {
    /// Takes a DNS label.
    pub fn new(text: &str) -> Result<Self, ValueError> {
        dns_label(text).map(Self)
    }

    /// The nearest name to any text, or nothing where no letter or digit is left.
    pub fn nearest(text: &str) -> Option<Self> {
        Self::new(&label_from(text)).ok()
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `metadata.namespace`: partitions tenants. References never cross it. Only a [`super::Role`] may stand outside every
/// namespace: it is then global.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "SmolStr", into = "SmolStr")]
pub struct Namespace(SmolStr);

impl Namespace {
    /// The place of global roles, outside every namespace. It sorts first.
    pub const GLOBAL: Self = Self(SmolStr::new_static(""));
    /// Where a document without a namespace belongs.
    pub const DEFAULT: Self = Self(SmolStr::new_static("default"));

    /// Takes a DNS label.
    pub fn new(text: &str) -> Result<Self, ValueError> {
        dns_label(text).map(Self)
    }

    /// Whether this is [`Namespace::GLOBAL`].
    pub fn is_global(&self) -> bool {
        self.0.is_empty()
    }

    /// The namespace as text, empty for the global one.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<SmolStr> for Name {
    type Error = ValueError;
    fn try_from(text: SmolStr) -> Result<Self, ValueError> {
        Self::new(&text)
    }
}

impl TryFrom<SmolStr> for Namespace {
    type Error = ValueError;
    /// Stored values only: the empty text is the global namespace there.
    fn try_from(text: SmolStr) -> Result<Self, ValueError> {
        if text.is_empty() { Ok(Self::GLOBAL) } else { Self::new(&text) }
    }
}

impl From<Name> for SmolStr {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl From<Namespace> for SmolStr {
    fn from(namespace: Namespace) -> Self {
        namespace.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["a", "0", "mara-lindqvist", &"x".repeat(63)] {
            assert_eq!(Name::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "-a", "a-", "A", "a.b", "a_b", "é", "a b", &"x".repeat(64)] {
            assert!(Name::new(bad).is_err(), "{bad}");
        }
        assert_eq!(Name::new("Mara Lindqvist").unwrap_err().hint.as_deref(), Some("for example `mara-lindqvist`"));
        assert_eq!(Name::nearest("..Jörg  Weiß!").unwrap().as_str(), "j-rg-wei");
        assert_eq!(Name::nearest("§"), None);
    }
}
