//! Directories that other people run, each against the real server.

#![allow(clippy::similar_names, reason = "a stage and the state of what stands on it")]

#[path = "../it/conformance/mod.rs"]
#[allow(dead_code, unused_imports, unused_macros, reason = "shared with the other test binary")]
mod conformance;
#[allow(dead_code, reason = "not every directory speaks HTTP")]
mod http;
#[cfg(feature = "keycloak")]
mod keycloak;
#[cfg(feature = "ldap")]
mod ldap;
mod ledgered;
#[cfg(feature = "postgres")]
mod postgres;
#[allow(dead_code, reason = "not every directory speaks HTTP")]
mod proxy;
#[cfg(feature = "scim")]
mod scim;
#[cfg(feature = "thingsboard")]
#[path = "../it/thingsboard/mod.rs"]
mod simulator;
#[cfg(all(feature = "keycloak", feature = "ldap", feature = "scim", feature = "thingsboard"))]
mod table;
#[cfg(feature = "thingsboard")]
mod thingsboard;
