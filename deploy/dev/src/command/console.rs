//! What the user reads. Standard output holds results, standard error progress and problems.

use std::io::{self, Write as _};

/// Prints a result. Whether anybody still reads it makes no difference to what we do.
pub(crate) fn say(text: &str) {
    writeln!(io::stdout(), "{text}").ok();
}

/// Prints progress, recognisable between the output of other programs.
pub(crate) fn progress(text: &str) {
    complain(&format!("==> {text}"));
}

/// Prints a problem.
pub(crate) fn complain(text: &str) {
    writeln!(io::stderr(), "{text}").ok();
}
