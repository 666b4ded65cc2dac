//! What directories that other people run cost, each against its real server and beside a tool of its own.
//!
//! `cargo bench --bench directories` measures all of them, `-- ldap` one.

#[cfg(feature = "keycloak")]
#[path = "directories/keycloak.rs"]
mod keycloak;

#[cfg(feature = "ldap")]
#[path = "directories/ldap.rs"]
mod ldap;

#[cfg(feature = "postgres")]
#[path = "directories/postgres.rs"]
mod postgres;

#[cfg(any(feature = "keycloak", feature = "ldap", feature = "postgres"))]
#[path = "directories/server.rs"]
mod server;

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let asked = |part: &str| wanted.is_empty() || wanted.iter().any(|it| it == part);
    #[cfg(feature = "keycloak")]
    if asked("keycloak") {
        keycloak::run();
    }
    #[cfg(feature = "ldap")]
    if asked("ldap") {
        ldap::run();
    }
    #[cfg(feature = "postgres")]
    if asked("postgres") {
        postgres::run();
    }
}
