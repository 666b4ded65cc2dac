//! Keycloak, against the real server.

mod server;

use server::{LEAST, Made, Realm};
use tenantry::manifest::{KeycloakCompanies, KeycloakRoles};

mod groups {
    use super::*;

    crate::conformance::suite!(|| Realm::new(Made::default()).directory(|_| ()));
}
