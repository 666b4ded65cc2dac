//! The `tenantry` command.

/// Loading an organisation is a great many small allocations on several threads; the allocator of glibc takes a quarter of
/// the time of a plan for them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

use std::process::ExitCode;

fn main() -> ExitCode {
    tenantry::cli::main(std::env::args_os())
}
