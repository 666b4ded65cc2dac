//! What goes over the wire, as far as we look at it.
//!
//! <https://www.keycloak.org/docs-api/26.7.3/rest-api/index.html>

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

/// Attributes of anything: each a list.
pub(super) type Attributes = BTreeMap<String, Vec<String>>;

/// A row of a list.
pub(super) trait Row: DeserializeOwned + Send {
    fn id(&self) -> &str;
}

/// `UserRepresentation`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct User {
    pub(super) id: String,
    #[serde(default)]
    pub(super) username: String,
    #[serde(default)]
    pub(super) email: Option<String>,
    #[serde(default)]
    pub(super) first_name: Option<String>,
    #[serde(default)]
    pub(super) last_name: Option<String>,
    #[serde(default)]
    pub(super) enabled: bool,
    #[serde(default)]
    pub(super) attributes: Attributes,
    #[serde(default)]
    pub(super) required_actions: Vec<String>,
    /// Milliseconds.
    #[serde(default)]
    pub(super) created_timestamp: Option<i64>,
    #[serde(default)]
    pub(super) federation_link: Option<String>,
    #[serde(default)]
    pub(super) service_account_client_id: Option<String>,
}

/// Anything of which only the identifier matters.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Id {
    pub(super) id: String,
}

/// `GroupRepresentation`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Group {
    pub(super) id: String,
    pub(super) name: String,
    #[serde(default)]
    pub(super) path: String,
    #[serde(default)]
    pub(super) parent_id: Option<String>,
    #[serde(default)]
    pub(super) description: Option<String>,
    #[serde(default)]
    pub(super) attributes: Attributes,
    #[serde(default)]
    pub(super) sub_group_count: u64,
}

/// `OrganizationRepresentation`; whatever else there is goes back with it, since a PUT replaces.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Organization {
    pub(super) id: String,
    pub(super) name: String,
    #[serde(default)]
    pub(super) enabled: bool,
    #[serde(default)]
    pub(super) attributes: Attributes,
    #[serde(flatten)]
    pub(super) rest: BTreeMap<String, Value>,
}

/// `MemberRepresentation`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Member {
    #[serde(default)]
    pub(super) membership_type: Option<String>,
}

/// `RoleRepresentation`, as a mapping wants it: identifier and name.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub(super) struct Role {
    pub(super) id: String,
    pub(super) name: String,
}

/// `RealmRepresentation`. Who may not see the realm gets its name, and nothing else.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Realm {
    #[serde(default)]
    pub(super) edit_username_allowed: Option<bool>,
    #[serde(default)]
    pub(super) registration_email_as_username: bool,
    #[serde(default)]
    pub(super) organizations_enabled: bool,
    #[serde(default)]
    pub(super) default_role: Option<Role>,
    /// Paths.
    #[serde(default)]
    pub(super) default_groups: Vec<String>,
    #[serde(default)]
    pub(super) smtp_server: BTreeMap<String, Value>,
}

/// `UPConfig`: the user profile.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Profile {
    #[serde(default)]
    pub(super) attributes: Vec<ProfileAttribute>,
    #[serde(default)]
    pub(super) unmanaged_attribute_policy: Option<String>,
}

/// `UPAttribute`.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct ProfileAttribute {
    pub(super) name: String,
    #[serde(default)]
    pub(super) validations: BTreeMap<String, Value>,
    /// There and without roles: always required.
    #[serde(default)]
    pub(super) required: Option<Required>,
    #[serde(default)]
    pub(super) permissions: Option<Permissions>,
}

/// `UPAttributeRequired`.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Required {
    #[serde(default)]
    pub(super) roles: Vec<String>,
}

/// `UPAttributePermissions`.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Permissions {
    #[serde(default)]
    pub(super) view: Vec<String>,
    #[serde(default)]
    pub(super) edit: Vec<String>,
}

/// `RequiredActionProviderRepresentation`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RequiredAction {
    pub(super) alias: String,
    #[serde(default)]
    pub(super) enabled: bool,
    #[serde(default)]
    pub(super) default_action: bool,
}

/// `CredentialRepresentation` of one that is there.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Credential {
    pub(super) id: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
}

/// A user to write. What is left out stays, with one exception: `attributes`, without which the names and the e-mail stay, and
/// with which they are cleared where they are not there. So whoever gives attributes gives all of it.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UserBody<'a> {
    /// Honoured by an import, and by nothing else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) username: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) first_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_name: Option<&'a str>,
    /// Only where it changes: `true` also lifts a lockout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) attributes: Option<Attributes>,
    /// The whole set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) required_actions: Option<Vec<String>>,
    /// Paths; when it is made, and ignored later.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) groups: Vec<String>,
    /// Names; honoured by an import, and by nothing else.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) realm_roles: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) credentials: Vec<Hash>,
}

/// A password hash to keep as it is.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Hash {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    /// JSON as text.
    pub(super) credential_data: String,
    /// JSON as text.
    pub(super) secret_data: String,
}

/// `PartialImportRepresentation`, of users alone.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Import<'a> {
    pub(super) if_resource_exists: &'static str,
    pub(super) users: Vec<UserBody<'a>>,
}

impl Row for User {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Row for Id {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Row for Group {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Row for Organization {
    fn id(&self) -> &str {
        &self.id
    }
}
