//! The gateway's program; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    roomwire_gateway::run()
}
