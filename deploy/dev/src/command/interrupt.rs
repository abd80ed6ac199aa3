//! Ctrl-C and its relatives.

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a shell reports for a program ended by Ctrl-C.
pub(super) const EXIT_CODE: u8 = 130;

/// From its creation on, these signals no longer end the process by themselves.
#[derive(Debug)]
pub(super) struct Interrupt {
    key: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Interrupt {
    pub(super) fn listen() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self {
            key: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    /// Returns when one of them arrives. Cancelling loses none.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.key.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}
