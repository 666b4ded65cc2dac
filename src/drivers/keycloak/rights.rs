//! What we may do, as our own token says it.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;

/// Roles of the client `realm-management`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Rights(Option<BTreeSet<String>>);

/// The claims of an access token that say it. <https://www.keycloak.org/docs/26.7.3/server_admin/#_service_accounts>
#[derive(Deserialize)]
struct Claims {
    #[serde(default)]
    resource_access: BTreeMap<String, Access>,
}

#[derive(Deserialize)]
struct Access {
    #[serde(default)]
    roles: BTreeSet<String>,
}

impl Rights {
    /// Reads them from a token for a realm. Nobody but Keycloak has to believe the token, so its signature is not looked at.
    /// One that is no JWT, or a lightweight one, says nothing: then everything is tried.
    pub(super) fn of(token: &str, realm: &str) -> Self {
        let claims = token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
        let claims: Option<Claims> = claims.and_then(|claims| serde_json::from_slice(&claims).ok());
        let Some(Claims { mut resource_access }) = claims else { return Self(None) };
        // A client of the realm itself has them there, one of the realm `master` as the realm's.
        let access = ["realm-management".to_owned(), format!("{realm}-realm")].iter().find_map(|it| resource_access.remove(it));
        Self(access.map(|access| access.roles))
    }

    /// Whether we may make roles and import users: false only where that is certain.
    pub(super) fn manage_realm(&self) -> bool {
        self.0.as_ref().is_none_or(|roles| roles.contains("manage-realm"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_what_we_may_do() {
        let token = |claims: &str| format!("x.{}.y", URL_SAFE_NO_PAD.encode(claims));
        let may = |text: &str| Rights::of(text, "acme").manage_realm();
        assert!(may(&token(r#"{"resource_access":{"realm-management":{"roles":["manage-users","manage-realm"]}}}"#)));
        assert!(!may(&token(r#"{"resource_access":{"realm-management":{"roles":["manage-users"]}}}"#)));
        assert!(may(&token(r#"{"resource_access":{"acme-realm":{"roles":["manage-realm"]}}}"#)));
        assert!(!may(&token(r#"{"resource_access":{"acme-realm":{"roles":[]}}}"#)));
        for silent in [token("{}"), token("[]"), "opaque".into(), "a.%.b".into(), String::new()] {
            assert_eq!(Rights::of(&silent, "acme"), Rights(None));
            assert!(may(&silent));
        }
    }
}
