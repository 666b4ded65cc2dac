//! Directories that other people run, each against the real server.

#[path = "../it/conformance/mod.rs"]
#[allow(dead_code, unused_imports, unused_macros, reason = "shared with the other test binary")]
mod conformance;
#[cfg(feature = "keycloak")]
mod keycloak;
mod ldap;
mod ledgered;
#[cfg(feature = "postgres")]
mod postgres;
