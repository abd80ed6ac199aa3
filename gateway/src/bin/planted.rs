//! The gateway with a bug that `ROOMWIRE_PLANT` chooses; for tests of the checker only.

use std::process::ExitCode;

fn main() -> ExitCode {
    roomwire_gateway::run()
}
