//! Kinds, and the keys that identify things.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{Name, Namespace, ValueError};

/// What people declare. The order is the order of dependency: whatever a thing refers to is of an earlier kind or the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// What a user may do and whom they may appoint.
    Role,
    /// A tenant; companies form a tree.
    Company,
    /// A customer of a company, or one that stands alone.
    Customer,
    /// A person with an account.
    User,
}

impl Kind {
    /// Every kind, in order of dependency.
    pub const ALL: [Self; 4] = [Self::Role, Self::Company, Self::Customer, Self::User];

    /// The kind in a key: `user`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Role => "role",
            Self::Company => "company",
            Self::Customer => "customer",
            Self::User => "user",
        }
    }

    /// The plural, as in `tenantry get users`.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Role => "roles",
            Self::Company => "companies",
            Self::Customer => "customers",
            Self::User => "users",
        }
    }

    /// The kind of a document: `User`.
    pub fn manifest(self) -> &'static str {
        match self {
            Self::Role => "Role",
            Self::Company => "Company",
            Self::Customer => "Customer",
            Self::User => "User",
        }
    }

    /// Reads any of the three spellings, without regard to case.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| [kind.word(), kind.plural(), kind.manifest()].iter().any(|spelling| spelling.eq_ignore_ascii_case(text)))
    }
}

/// The identity of a thing: `user/nordlicht/mara-lindqvist`. A global role prints as `role/owner`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// What it is.
    pub kind: Kind,
    /// The tenant partition it belongs to.
    pub namespace: Namespace,
    /// Its name within kind and namespace.
    pub name: Name,
}

impl Key {
    /// A key of its parts.
    pub fn new(kind: Kind, namespace: Namespace, name: Name) -> Self {
        Self { kind, namespace, name }
    }

    /// The key of another thing in the same namespace.
    #[must_use]
    pub fn sibling(&self, kind: Kind, name: Name) -> Self {
        Self { kind, namespace: self.namespace.clone(), name }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, namespace, name } = self;
        if namespace.is_global() {
            f.pad(&format!("{}/{name}", kind.word()))
        } else {
            f.pad(&format!("{}/{namespace}/{name}", kind.word()))
        }
    }
}

/// Why text is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a key: {reason}")]
pub struct KeyError {
    text: String,
    reason: String,
}

impl FromStr for Key {
    type Err = KeyError;

    /// Reads KIND/NAMESPACE/NAME; KIND/NAME means the default namespace, and for a role the global one.
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let refuse = |reason: String| KeyError { text: text.to_owned(), reason };
        let named = |error: ValueError| refuse(error.message);
        let parts: Vec<&str> = text.split('/').collect();
        let (kind, namespace, name) = match parts[..] {
            [kind, name] => (kind, None, name),
            [kind, namespace, name] => (kind, Some(namespace), name),
            _ => return Err(refuse("write KIND/NAME or KIND/NAMESPACE/NAME".into())),
        };
        let Some(kind) = Kind::parse(kind) else {
            return Err(refuse(format!("`{kind}` is none of role, company, customer, user")));
        };
        let namespace = match namespace {
            Some(namespace) => Namespace::new(namespace).map_err(named)?,
            None if kind == Kind::Role => Namespace::GLOBAL,
            None => Namespace::DEFAULT,
        };
        Ok(Self { kind, namespace, name: Name::new(name).map_err(named)? })
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Key {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_back() {
        for text in ["user/nordlicht/mara", "role/owner", "role/nordlicht/owner", "company/default/x"] {
            assert_eq!(text.parse::<Key>().unwrap().to_string(), text);
        }
        assert_eq!("users/mara".parse::<Key>().unwrap().to_string(), "user/default/mara");
        for bad in ["mara", "user/", "thing/a", "user/a/b/c", "user/Nord/x"] {
            assert!(bad.parse::<Key>().is_err(), "{bad}");
        }
    }
}
