//! What directories cost that other people run, each on a server that this starts.
//!
//! `cargo bench --bench directories` runs every part, `-- postgres` one of them.
//!
//! `postgres`: creating users with their audit records, beside `COPY` of the same rows of objects into the same table and nothing
//! else; reading everything; changing every user. On a server that waits for the disk (`tests/servers/postgres serve --durable`).

#[cfg(feature = "postgres")]
mod postgres;

fn main() {
    let parts: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let wanted = |part: &str| parts.is_empty() || parts.iter().any(|it| it == part);
    #[cfg(feature = "postgres")]
    if wanted("postgres") {
        postgres::measure();
    }
}
