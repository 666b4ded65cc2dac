//! The `tenantry` command.

use std::process::ExitCode;

/// Loading an organisation is a great many small allocations on several threads; with the allocator of
/// glibc a plan of 100 000 users that changes nothing takes a fifth longer.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    keep_memory_private();
    // Two providers in one program panic when the first connection is made: there is one, and it is named here.
    let _ = rustls::crypto::ring::default_provider().install_default();
    tenantry::cli::main(std::env::args_os())
}

/// Passwords stand in memory for a moment: no core dump keeps it, and no other process of the same user reads it. Where that
/// cannot be had the program is still of use.
fn keep_memory_private() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}
