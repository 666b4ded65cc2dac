//! What a thousand temporary passwords take, beside a bare argon2id loop on the same cores.
//!
//! ```text
//! cargo bench --bench credentials                 1 000 people, three pairs in turn
//! cargo bench --bench credentials -- 200
//! ```
//!
//! The whole program is measured: `tenantry apply` of a declaration that creates everybody, in a fresh directory, with every
//! password hashed, stored, mailed into a folder and marked as given. The bare loop computes as many hashes with the same
//! parameters on as many threads, each with memory of its own that it uses again, and does nothing else.

#![allow(clippy::cast_precision_loss, reason = "rates")]

use std::{
    fmt::Write as _,
    fs,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_tenantry");
const PAIRS: usize = 3;

fn main() {
    let people = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(1_000);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    println!("{people} passwords on {cores} cores; target 0.9 of the bare rate");
    for _ in 0..PAIRS {
        let (bare, ours) = (bare(people, cores), apply(people));
        let rate = |took: Duration| people as f64 / took.as_secs_f64();
        let share = rate(ours) / rate(bare);
        println!("bare {:6.1}/s   tenantry apply {:6.1}/s   {share:.3} of the bare rate", rate(bare), rate(ours));
    }
}

/// So many hashes on so many threads.
fn bare(count: usize, threads: usize) -> Duration {
    let begin = Instant::now();
    thread::scope(|scope| {
        for thread in 0..threads {
            scope.spawn(move || {
                let params = Params::new(19_456, 2, 1, Some(32)).expect("parameters");
                let mut memory = vec![Block::default(); params.block_count()];
                let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
                let mut out = [0; 32];
                for row in (thread..count).step_by(threads) {
                    let password = format!("a password of twenty {row}");
                    argon2
                        .hash_password_into_with_memory(password.as_bytes(), b"sixteen bytes ok", &mut out, &mut memory)
                        .expect("a hash");
                }
            });
        }
    });
    begin.elapsed()
}

/// The whole program, creating so many people with temporary passwords.
fn apply(people: usize) -> Duration {
    let folder = TempDir::new().expect("a folder");
    let mut text = String::from("apiVersion: tenantry.dev/v1alpha1\nkind: Company\nmetadata: { name: north }\nspec: {}\n");
    for row in 0..people {
        let _ = write!(
            text,
            "---\napiVersion: tenantry.dev/v1alpha1\nkind: User\nmetadata: {{ name: user-{row} }}\nspec:\n  email: user-{row}@north.example\n  \
             company: north\n  role: owner\n  credential: {{ method: Temporary }}\n"
        );
    }
    fs::create_dir(folder.path().join("tenants")).expect("a folder");
    fs::write(folder.path().join("tenants/all.yaml"), text).expect("a file");
    let mails = people.to_string();
    let begin = Instant::now();
    let mut command = Command::new(PROGRAM);
    command.current_dir(folder.path()).args(["apply", "tenants", "--yes", "--allow-mails", &mails]);
    let status = command.stdout(Stdio::null()).status().expect("it runs");
    let took = begin.elapsed();
    assert!(status.success(), "{status}");
    let letters = fs::read_dir(folder.path().join("outbox")).expect("an outbox").count();
    assert_eq!(letters, people, "everybody got one");
    took
}
