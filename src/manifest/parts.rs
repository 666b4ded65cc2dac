//! Parts of a `spec` that several kinds share.
#![allow(unreachable_pub, reason = "the derive of the schema repeats the type inside a function")]

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    lower::Lowering,
    text::{CountryText, EmailText, EnvText, Label, LineText, PathText, PhoneText, SecretKeyText, given},
};
use crate::model::{Address, Contact, Country, Email, Line, Method, Name, Paragraph, Phone, SecretSource, ValueError};

pub(super) fn yes() -> bool {
    true
}

/// Whom to ask.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ContactSpec {
    /// A person's name.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub name: Option<LineText>,
    /// Their mailbox.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub email: Option<EmailText>,
    /// Their number in E.164, for example "+4915112345678" (in quotes).
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub phone: Option<PhoneText>,
}

/// A postal address.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AddressSpec {
    /// ISO 3166-1 alpha-2, for example DE.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub country: Option<CountryText>,
    /// State or province.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub state: Option<LineText>,
    /// City.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub city: Option<LineText>,
    /// Postal code (in quotes if it is a number).
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub zip: Option<LineText>,
    /// Street and number.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub line1: Option<LineText>,
    /// What does not fit into the first line.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub line2: Option<LineText>,
}

/// A key in a Secret of the object's own namespace.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretRef {
    /// The Secret's name.
    pub name: Label,
    /// The key in it.
    pub key: SecretKeyText,
}

/// How a user gets to sign in: applied when the account is created, and when `reset` changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = kube::core::Rule::new("(self.method in ['Secret', 'Hash']) == (has(self.env) || has(self.file) || has(self.secretRef))")
        .message("a source (`secretRef`) goes with the methods Secret and Hash, and with no other")
        .reason(kube::core::Reason::FieldValueInvalid),
    validation = kube::core::Rule::new("!has(self.env) && !has(self.file)")
        .message("in a cluster a secret comes from `secretRef`: `env` and `file` would be the controller's own")
        .reason(kube::core::Reason::FieldValueForbidden)
)]
pub struct CredentialSpec {
    /// Invite: a set-password link by mail. Temporary: a generated password by mail. Secret: a password from a source.
    /// Hash: a PHC string from a source. None: somebody else owns it.
    pub method: Method,
    /// Source: an environment variable (in files only).
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub env: Option<EnvText>,
    /// Source: a file below the project's folder or /run/secrets (in files only).
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub file: Option<PathText>,
    /// Source: a key in a Secret.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretRef>,
    /// A new value asks for a new credential; a date reads well.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub reset: Option<LineText>,
}

pub(super) fn contact(spec: Option<&ContactSpec>, it: &mut Lowering<'_>) -> Option<Box<Contact>> {
    let ContactSpec { name, email, phone } = spec?;
    let contact = Contact {
        name: it.optional("spec.contact.name", name.as_ref(), Line::new),
        email: it.optional("spec.contact.email", email.as_ref(), Email::new),
        phone: it.optional("spec.contact.phone", phone.as_ref(), Phone::new),
    };
    (contact != Contact::default()).then(|| Box::new(contact))
}

pub(super) fn address(spec: Option<&AddressSpec>, it: &mut Lowering<'_>) -> Option<Box<Address>> {
    let AddressSpec { country, state, city, zip, line1, line2 } = spec?;
    let address = Address {
        country: it.optional("spec.address.country", country.as_ref(), Country::new),
        state: it.optional("spec.address.state", state.as_ref(), Line::new),
        city: it.optional("spec.address.city", city.as_ref(), Line::new),
        zip: it.optional("spec.address.zip", zip.as_ref(), Line::new),
        line1: it.optional("spec.address.line1", line1.as_ref(), Line::new),
        line2: it.optional("spec.address.line2", line2.as_ref(), Line::new),
    };
    (address != Address::default()).then(|| Box::new(address))
}

/// Text without line breaks, as long as a paragraph.
pub(super) fn one_line(text: &str) -> Result<Paragraph, ValueError> {
    if text.contains(['\n', '\t']) {
        return Err(ValueError::new("must be one line").hint("line breaks are allowed in `description` only"));
    }
    Paragraph::new(text)
}

/// The name of an environment variable.
pub(super) fn env(text: &str) -> Result<smol_str::SmolStr, ValueError> {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    if text.len() <= 128 && text.starts_with(first) && text.chars().all(|c| first(c) || c.is_ascii_digit()) {
        return Ok(text.into());
    }
    Err(ValueError::new("the name of an environment variable has letters, digits and `_`, first no digit"))
}

/// A file that a document may read: below the project's folder or `/run/secrets`.
pub(super) fn file(text: &str) -> Result<smol_str::SmolStr, ValueError> {
    let below = !text.starts_with('/') || text.starts_with("/run/secrets/");
    if text.is_empty() || !below || text.split('/').any(|part| part == "..") || crate::model::visible(text) != text {
        return Err(ValueError::new("must be a file below the project's folder or `/run/secrets`, without `..`"));
    }
    Ok(text.into())
}

/// The key in a Secret.
pub(super) fn secret_key(text: &str) -> Result<smol_str::SmolStr, ValueError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    if !text.is_empty() && text.len() <= 253 && text.chars().all(fits) {
        return Ok(text.into());
    }
    Err(ValueError::new("the key in a Secret has letters, digits and `- . _`"))
}

/// At most one source of a secret. Two at once are a problem at `path`.
pub(super) fn source(
    path: &str,
    env_name: Option<&EnvText>,
    file_path: Option<&PathText>,
    secret_ref: Option<&SecretRef>,
    it: &mut Lowering<'_>,
) -> Option<SecretSource> {
    let count = usize::from(env_name.is_some()) + usize::from(file_path.is_some()) + usize::from(secret_ref.is_some());
    if count > 1 {
        it.refuse(path, ValueError::new("only one of `env`, `file` and `secretRef` can be given"));
        return None;
    }
    let env_source = it.optional(&format!("{path}.env"), env_name, env).map(SecretSource::Env);
    let file_source = it.optional(&format!("{path}.file"), file_path, file).map(SecretSource::File);
    let reference = secret_ref.and_then(|SecretRef { name, key }| {
        let name = it.value(&format!("{path}.secretRef.name"), name, Name::new);
        let key = it.value(&format!("{path}.secretRef.key"), key, secret_key);
        Some(SecretSource::SecretRef { name: name?, key: key? })
    });
    env_source.or(file_source).or(reference)
}
