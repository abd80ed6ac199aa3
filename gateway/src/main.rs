//! The gateway's program; everything is in the library.

use std::process::ExitCode;

/// Gives memory of connections that have ended back, which the system's own keeps in pieces.
#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    roomwire_gateway::run()
}
