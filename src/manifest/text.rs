//! Texts as they stand in a document: read strictly, and with the rules a schema can express.
#![allow(unreachable_pub, reason = "public fields of public types have these types")]

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};
use smol_str::SmolStr;

use crate::model::{CompanyType, Deletion, Method};

/// Reads a field that may be left out, but not be null: `phone:` without a value is a mistake, not "no phone".
pub(super) fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Reads a string that YAML itself takes for text. `deserialize_any`, not `deserialize_str`: only so do null, booleans and
/// numbers show.
fn strictly<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SmolStr, D::Error> {
    struct Visitor;
    impl de::Visitor<'_> for Visitor {
        type Value = SmolStr;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("text (quote it if it is text)")
        }
        fn visit_str<E: de::Error>(self, text: &str) -> Result<SmolStr, E> {
            Ok(SmolStr::new(text))
        }
    }
    deserializer.deserialize_any(Visitor)
}

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident = $schema:tt;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(SmolStr);

        impl $name {
            /// The text as written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(SmolStr::new(text))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                strictly(deserializer).map(Self)
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    )+};
}

texts! {
    /// Any text.
    Text = { "type": "string", "maxLength": 1024 };
    /// A DNS label.
    Label = { "type": "string", "minLength": 1, "maxLength": 63, "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$" };
    /// One line.
    LineText = { "type": "string", "minLength": 1, "maxLength": 128, "pattern": r"^[^\x00-\x1f\x7f]+$" };
    /// Lines.
    ParagraphText = { "type": "string", "minLength": 1, "maxLength": 1024 };
    /// A name to sign in with.
    UsernameText = {
        "type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[\p{L}\p{N}][\p{L}\p{M}\p{N}._+@-]*$"
    };
    /// One mailbox.
    EmailText = { "type": "string", "minLength": 3, "maxLength": 254, "pattern": r"^[^@\s]+@[^@\s]+\.[^@\s]+$" };
    /// A number in E.164.
    PhoneText = { "type": "string", "minLength": 3, "maxLength": 16, "pattern": r"^\+[1-9][0-9]{1,14}$" };
    /// A country of ISO 3166-1.
    CountryText = { "type": "string", "minLength": 2, "maxLength": 2, "pattern": "^[A-Z]{2}$" };
    /// A date or a time of RFC 3339.
    MomentText = {
        "type": "string", "minLength": 10, "maxLength": 40,
        "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2}))?$"
    };
    /// The name of an environment variable.
    EnvText = { "type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[A-Za-z_][A-Za-z0-9_]*$" };
    /// A path.
    PathText = { "type": "string", "minLength": 1, "maxLength": 512 };
    /// A key of a Kubernetes Secret.
    SecretKeyText = { "type": "string", "minLength": 1, "maxLength": 253, "pattern": "^[-._a-zA-Z0-9]+$" };
    /// A time span.
    SpanText = { "type": "string", "minLength": 2, "maxLength": 8, "pattern": "^[1-9][0-9]{0,5}[smhdw]$" };
    /// A share.
    PercentText = { "type": "string", "minLength": 2, "maxLength": 7, "pattern": r"^[0-9]{1,3}(\.[0-9]{1,2})?%$" };
    /// KIND/NAMESPACE/NAME.
    KeyText = { "type": "string", "minLength": 3, "maxLength": 140, "pattern": "^[a-z]+(/[-a-z0-9]+){1,2}$" };
    /// A URL.
    UrlText = { "type": "string", "minLength": 1, "maxLength": 1024 };
    /// A namespace, or its beginning followed by `*`.
    NamespacePattern = { "type": "string", "minLength": 1, "maxLength": 63, "pattern": r"^[a-z0-9*]([-a-z0-9]*[a-z0-9*])?$" };
}

macro_rules! words {
    ($($name:ident: $($word:ident),+;)+) => {$(
        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "enum": [$($name::$word.as_str()),+] })
            }
        }
    )+};
}

words! {
    Deletion: Disable, Delete, Retain;
    CompanyType: Distributor, Installer;
    Method: Invite, Temporary, Secret, Hash, None;
}
