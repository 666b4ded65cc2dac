//! The project file as it is written.

#![allow(clippy::doc_markdown, reason = "the comments are the descriptions in the schema, for people")]

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Tls;
use crate::{
    manifest::{
        parts::SecretRef,
        text::{EnvText, KeyText, Label, LineText, PathText, PercentText, SpanText, UrlText, UsernameText, given},
    },
    model::Deletion,
};

/// Where a secret is to be found; never the secret itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = kube::core::Rule::new("[has(self.env), has(self.file), has(self.secretRef)].filter(it, it).size() == 1")
        .message("exactly one of `env`, `file` and `secretRef` must be given")
        .reason(kube::core::Reason::FieldValueInvalid),
    validation = kube::core::Rule::new("!has(self.env) && !has(self.file)")
        .message("in a cluster a secret comes from `secretRef`: `env` and `file` would be the controller's own")
        .reason(kube::core::Reason::FieldValueForbidden)
)]
pub struct SecretSpec {
    /// An environment variable (in files only).
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub env: Option<EnvText>,
    /// A file (in files only).
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub file: Option<PathText>,
    /// A key in a Secret of the controller's own namespace.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretRef>,
}

/// The embedded directory.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SqliteSpec {
    /// An SQLite file, relative to the project file; default `tenantry.db`.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub path: Option<PathText>,
}

/// A PostgreSQL database.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PostgresSpec {
    /// `postgres://…`, with the password in it.
    pub url: SecretSpec,
    /// The schema; default `tenantry`.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub schema: Option<LineText>,
}

/// A Keycloak realm.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = kube::core::Rule::new("self.url == oldSelf.url || self.clientSecret != oldSelf.clientSecret")
    .message("`url` must not change while the credential stays the same: name another secret as well")
    .field_path(".url").reason(kube::core::Reason::FieldValueForbidden))]
pub struct KeycloakSpec {
    /// Its base URL.
    pub url: UrlText,
    /// The realm.
    pub realm: LineText,
    /// The client Tenantry signs in as.
    pub client_id: LineText,
    /// The client's secret.
    pub client_secret: SecretSpec,
    /// What companies are there; default groups.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub companies: Option<KeycloakCompanies>,
    /// What roles are there; default realm.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub roles: Option<KeycloakRoles>,
    /// The company of users in no group.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub root_company: Option<Label>,
    /// Who mails the link with which people set their password; default tenantry.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub invites: Option<KeycloakInvites>,
}

/// Who mails the link with which people set their password.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub enum KeycloakInvites {
    /// We do, and the page is ours.
    #[default]
    Tenantry,
    /// Keycloak does, by the mail server of the realm.
    Keycloak,
}

/// What companies are in Keycloak.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub enum KeycloakCompanies {
    /// Groups.
    #[default]
    Groups,
    /// Organizations.
    Organizations,
}

/// What roles are in Keycloak.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub enum KeycloakRoles {
    /// Realm roles.
    #[default]
    Realm,
    /// Groups.
    Groups,
}

/// A SCIM 2.0 service.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = kube::core::Rule::new("self.url == oldSelf.url || self.token != oldSelf.token")
    .message("`url` must not change while the credential stays the same: name another secret as well")
    .field_path(".url").reason(kube::core::Reason::FieldValueForbidden))]
pub struct ScimSpec {
    /// Its base URL.
    pub url: UrlText,
    /// The bearer token.
    pub token: SecretSpec,
}

/// An LDAP server.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = kube::core::Rule::new("self.url == oldSelf.url || self.password != oldSelf.password")
    .message("`url` must not change while the credential stays the same: name another secret as well")
    .field_path(".url").reason(kube::core::Reason::FieldValueForbidden))]
pub struct LdapSpec {
    /// `ldaps://…`.
    pub url: UrlText,
    /// What everything is below.
    pub base_dn: LineText,
    /// Whom Tenantry signs in as.
    pub bind_dn: LineText,
    /// With what.
    pub password: SecretSpec,
}

/// A ThingsBoard server: one tenant of it, or, for a system administrator, all of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = kube::core::Rule::new("has(self.apiKey) != (has(self.username) && has(self.password)) && has(self.username) == has(self.password)")
    .message("either `apiKey` or `username` and `password` must be given").reason(kube::core::Reason::FieldValueInvalid))]
#[x_kube(validation = kube::core::Rule::new("self.url == oldSelf.url || (has(self.apiKey) == has(oldSelf.apiKey) ? (has(self.apiKey) ? self.apiKey != oldSelf.apiKey : self.password != oldSelf.password) : false)")
    .message("`url` must not change while the credential stays the same: name another secret as well")
    .field_path(".url").reason(kube::core::Reason::FieldValueForbidden))]
pub struct ThingsboardSpec {
    /// Its base URL.
    pub url: UrlText,
    /// An API key of a tenant administrator.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub api_key: Option<SecretSpec>,
    /// In its place, who signs in: the e-mail of a tenant administrator or of the system administrator.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub username: Option<LineText>,
    /// With what.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretSpec>,
    /// Who mails the link with which people set their password; default tenantry.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub invites: Option<ThingsboardInvites>,
}

/// Who mails the link with which people set their password.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub enum ThingsboardInvites {
    /// We do; the link is the activation link of ThingsBoard.
    #[default]
    Tenantry,
    /// ThingsBoard does, by its own mail server.
    Thingsboard,
}

/// Where it all goes: exactly one key.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = kube::core::Rule::new("[has(self.sqlite) == has(oldSelf.sqlite), has(self.postgres) == has(oldSelf.postgres), has(self.keycloak) == has(oldSelf.keycloak), has(self.scim) == has(oldSelf.scim), has(self.ldap) == has(oldSelf.ldap), has(self.thingsboard) == has(oldSelf.thingsboard)].all(it, it)").message("what kind of directory it is must not change: make another Directory").reason(kube::core::Reason::FieldValueForbidden))]
#[x_kube(validation = kube::core::Rule::new("[has(self.sqlite), has(self.postgres), has(self.keycloak), has(self.scim), has(self.ldap), has(self.thingsboard)].filter(it, it).size() == 1").message("exactly one directory must be given").reason(kube::core::Reason::FieldValueInvalid))]
pub struct DirectoryChoice {
    /// The embedded directory.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub sqlite: Option<SqliteSpec>,
    /// A PostgreSQL database.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub postgres: Option<PostgresSpec>,
    /// A Keycloak realm.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub keycloak: Option<KeycloakSpec>,
    /// A SCIM 2.0 service.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub scim: Option<ScimSpec>,
    /// An LDAP server.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub ldap: Option<LdapSpec>,
    /// A ThingsBoard tenant.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub thingsboard: Option<ThingsboardSpec>,
}

/// Where the history is kept: exactly one key.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = kube::core::Rule::new("has(self.sqlite) != has(self.postgres)").message("exactly one of `sqlite` and `postgres` must be given").reason(kube::core::Reason::FieldValueInvalid))]
pub struct LedgerChoice {
    /// An SQLite file; default `tenantry-ledger.db`.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub sqlite: Option<SqliteSpec>,
    /// A PostgreSQL database.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub postgres: Option<PostgresSpec>,
}

/// A region.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RegionSpec {
    /// What documents call it.
    pub name: Label,
    /// Whether people there may have a phone number; default false.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub phone: Option<bool>,
}

/// How much may go wrong at once.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BudgetSpec {
    /// Losses, as a share of the enabled managed objects; default "10%".
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub removals: Option<PercentText>,
    /// Losses that are always allowed; default 5.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub at_least: Option<i64>,
    /// Losses that are never exceeded; default 100.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub at_most: Option<i64>,
    /// For how long losses are remembered; default 24h.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub window: Option<SpanText>,
    /// Creates in one plan; default 100000.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000_000))]
    pub creates: Option<i64>,
    /// Mails in one run; default 1000.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000_000))]
    pub mails: Option<i64>,
}

/// How long secrets live unused.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ValidForSpec {
    /// A set-password link; default 72h.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub invite: Option<SpanText>,
    /// A temporary password; default 72h.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub temporary: Option<SpanText>,
    /// A secret of `tenantry reset`; default 24h.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub reset: Option<SpanText>,
}

/// What passwords look like.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PasswordsSpec {
    /// The shortest; default 8.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 8, max = 128))]
    pub min_length: Option<i64>,
    /// The longest; default 128.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 8, max = 128))]
    pub max_length: Option<i64>,
    /// How many of the four classes of characters; default 2.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 4))]
    pub classes: Option<i64>,
    /// The length of a generated one; default 20.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 12, max = 128))]
    pub generated: Option<i64>,
    /// How long secrets live unused.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub valid_for: Option<ValidForSpec>,
}

/// A mail server.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = kube::core::Rule::new("self.host == oldSelf.host || !has(self.password) || !has(oldSelf.password) || self.password != oldSelf.password")
    .message("`host` must not change while the credential stays the same: name another secret as well")
    .field_path(".host").reason(kube::core::Reason::FieldValueForbidden))]
pub struct SmtpSpec {
    /// Its name.
    pub host: LineText,
    /// Its port.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<i64>,
    /// How the connection is kept private; default Required. None only where the host is loopback.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// Who signs in.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub username: Option<LineText>,
    /// With what.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretSpec>,
}

/// How mail goes out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = kube::core::Rule::new("!(has(self.folder) && has(self.smtp))").message("only one of `folder` and `smtp` can be given").reason(kube::core::Reason::FieldValueInvalid))]
pub struct MailSpec {
    /// The sender: `Tenantry <no-reply@acme.example>`.
    pub from: LineText,
    /// A folder with templates that take the place of ours, relative to the project file.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub templates: Option<PathText>,
    /// As `.eml` files in a folder, relative to the project file.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub folder: Option<PathText>,
    /// By a mail server.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub smtp: Option<SmtpSpec>,
}

/// Links in mails.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LinksSpec {
    /// Where the set-password page is.
    pub base_url: UrlText,
}

/// Whose declaration it is, which directory it goes to, and within which limits.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProjectSpec {
    /// Where it all goes; default the embedded directory `tenantry.db`.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub directory: Option<DirectoryChoice>,
    /// The whole declaration, relative to the project file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub paths: Vec<PathText>,
    /// Whose things these are; default `metadata.name`.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub owner: Option<Label>,
    /// Who acts.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub actor: Option<UsernameText>,
    /// Regions and what they have; default the three of the manual: asia-pacific (with phone), europe, north-america.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub regions: Option<Vec<RegionSpec>>,
    /// What removal means for things that do not say; default Disable.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub deletion: Option<Deletion>,
    /// How long a retired account is kept before a plan counts it as due; default 30d.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub retention: Option<SpanText>,
    /// How much may go wrong at once.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub budget: Option<BudgetSpec>,
    /// Things that lose nothing, whatever is declared: KIND/NAMESPACE/NAME.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub protected: Vec<KeyText>,
    /// What passwords look like.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub passwords: Option<PasswordsSpec>,
    /// How mail goes out; default `.eml` files in `outbox`.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub mail: Option<MailSpec>,
    /// Links in mails.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub links: Option<LinksSpec>,
    /// Where the history is kept; default an SQLite file `tenantry-ledger.db`.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub ledger: Option<LedgerChoice>,
}
