//! The gateway with an echo at `/engine.io` and `/socket.io`; for test suites of these protocols only.

use std::process::ExitCode;

/// Gives memory of connections that have ended back, which the system's own keeps in pieces.
#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    roomwire_gateway::run()
}
