//! One admitted socket among the open ones, as it is counted.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use crate::telemetry::catalogue;

/// How a client is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Transport {
    Polling = 1,
    Websocket = 2,
}

/// In the place of a transport, once the socket is closed.
const CLOSED: u8 = 0;

impl Transport {
    fn label(self) -> &'static str {
        match self {
            Self::Polling => "polling",
            Self::Websocket => "websocket",
        }
    }
}

/// Counts a socket for as long as it is open, where it is.
#[derive(Debug)]
pub(crate) struct Tally {
    face: &'static str,
    protocol: &'static str,
    transport: AtomicU8,
}

impl Tally {
    /// A socket was opened.
    pub(crate) fn open(
        face: &'static str,
        protocol: &'static str,
        transport: Transport,
    ) -> Arc<Self> {
        let tally = Self {
            face,
            protocol,
            transport: AtomicU8::new(transport as u8),
        };
        let labels = tally.labels(transport);
        metrics::counter!(catalogue::CONNECTIONS_OPENED, &labels).increment(1);
        tally.add(transport, 1.0);
        Arc::new(tally)
    }

    /// It has been upgraded. Repeated calls do nothing, nor does one after its end.
    pub(crate) fn is_upgraded(&self) {
        let (from, to) = (Transport::Polling, Transport::Websocket);
        let moved = self.transport.compare_exchange(
            from as u8,
            to as u8,
            Ordering::AcqRel,
            Ordering::Relaxed,
        );
        if moved.is_ok() {
            self.add(from, -1.0);
            self.add(to, 1.0);
        }
    }

    pub(super) fn face(&self) -> &'static str {
        self.face
    }

    /// It is closed; the first call counts.
    pub(crate) fn close(&self, reason: &'static str) {
        let before = self.transport.swap(CLOSED, Ordering::AcqRel);
        let kinds = [Transport::Polling, Transport::Websocket];
        let Some(transport) = kinds.into_iter().find(|kind| *kind as u8 == before) else {
            return;
        };
        self.add(transport, -1.0);
        let face = self.face;
        metrics::counter!(catalogue::CONNECTIONS_CLOSED, "face" => face, "reason" => reason)
            .increment(1);
    }

    fn add(&self, transport: Transport, change: f64) {
        metrics::gauge!(catalogue::CONNECTIONS, &self.labels(transport)).increment(change);
    }

    fn labels(&self, transport: Transport) -> [(&'static str, &'static str); 3] {
        [
            ("face", self.face),
            ("protocol", self.protocol),
            ("transport", transport.label()),
        ]
    }
}
