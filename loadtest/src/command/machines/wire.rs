//! What coordinator and workers tell each other.
//!
//! A connection goes like this, the coordinator's lines to the left:
//!
//! ```text
//! challenge   hello          who knows the secret
//! welcome
//! share       ready          what to play; the rooms are made
//! start       begun          in so many microseconds, the same moment for all
//!             view ...       what is seen, each second
//!             over           the load is over, and what was heard is judged
//!             outcome        what came of it
//! taken
//! ```
//!
//! Instead, the coordinator may say `refused` or `give-up`, and a worker `failed`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::outcome::Outcome;
use super::share::Share;
use crate::crowd::people::View;

/// Of the protocol. To be raised with every change of what is sent, results included.
pub(super) const VERSION: u32 = 1;

/// The longest line while it is not known who is there, in bytes.
pub(super) const GREETING_BYTES_MAX: usize = 4 * 1024;
/// The longest line to a worker: a scenario, which is at most 1 MiB as a file.
pub(super) const TO_WORKER_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The longest line to the coordinator: all histograms of a hundred phases.
pub(super) const TO_COORDINATOR_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How long each line of the greeting may take.
pub(super) const GREETING_LINE_MAX: Duration = Duration::from_secs(10);
/// How often each side says at least that it is there.
pub(super) const BEAT_EVERY: Duration = Duration::from_secs(5);
/// How long a line may take, or not come; then the other side is lost.
pub(super) const LINE_MAX: Duration = Duration::from_mins(1);

/// What a coordinator tells a worker.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ToWorker {
    /// The first line: what to sign.
    Challenge { version: u32, nonce: String },
    /// The worker is not let in.
    Refused(Refusal),
    /// It is, by one that knows the secret as well.
    Welcome { proof: String },
    /// What it is to play.
    Share(Box<Share>),
    /// When it starts to.
    Start { in_us: u64 },
    /// Its outcome is part of the result.
    Taken {},
    /// There will be no result.
    GiveUp { why: String },
}

/// What a worker tells its coordinator.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ToCoordinator {
    /// The answer to the challenge, and what the coordinator is to sign.
    Hello {
        version: u32,
        #[serde(default)]
        nonce: String,
        #[serde(default)]
        proof: String,
    },
    /// Its rooms are made.
    Ready {},
    /// Its clock has just started.
    Begun {},
    /// What is to be seen now.
    View(Box<View>),
    /// Its load is over.
    Over {},
    /// What came of it.
    Outcome(Box<Outcome>),
    /// It cannot go on.
    Failed { why: String },
}

/// Why a worker is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Refusal {
    /// It speaks another version.
    Version,
    /// It does not know the secret.
    Secret,
}

/// Words of another machine, as many as are worth keeping.
pub(super) fn cut(words: &str) -> String {
    const CHARS_MAX: usize = 500;
    let plain = |c: char| if c.is_control() && c != '\n' { ' ' } else { c };
    words.chars().take(CHARS_MAX).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_one_object() {
        for (line, text) in [
            (
                serde_json::to_string(&ToWorker::Taken {}),
                r#"{"taken":{}}"#,
            ),
            (
                serde_json::to_string(&ToCoordinator::Ready {}),
                r#"{"ready":{}}"#,
            ),
            (
                serde_json::to_string(&ToWorker::Refused(Refusal::Secret)),
                r#"{"refused":"secret"}"#,
            ),
            (
                serde_json::to_string(&ToWorker::Start { in_us: 5 }),
                r#"{"start":{"in_us":5}}"#,
            ),
        ] {
            assert_eq!(line.unwrap(), text);
        }
    }

    #[test]
    fn a_hello_of_another_version_can_still_be_read() {
        let read = serde_json::from_str(r#"{"hello":{"version":9,"song":"la"}}"#);
        assert!(matches!(
            read.unwrap(),
            ToCoordinator::Hello { version: 9, .. }
        ));
    }

    #[test]
    fn words_of_others_are_cut_and_move_no_cursor() {
        assert_eq!(cut("a\u{1b}[2J\nb"), "a [2J\nb");
        assert_eq!(cut(&"é".repeat(900)).chars().count(), 500);
    }
}
