//! `cargo dev`: a complete Roomwire on this machine, and the chores of its developers.
//!
//! Only the command line lives here; what it starts is the library's business.

mod command;

use std::process::ExitCode;

use clap::Parser as _;

use command::{Cli, console};

fn main() -> ExitCode {
    match command::run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            console::complain(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
