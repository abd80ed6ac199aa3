//! One admitted socket among the open ones, as it is counted.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::telemetry::catalogue;

/// How a client is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Polling,
    Websocket,
}

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
    /// None once it is closed.
    transport: Mutex<Option<Transport>>,
}

impl Tally {
    /// A socket was opened.
    pub(crate) fn open(
        face: &'static str,
        protocol: &'static str,
        transport: Transport,
    ) -> Arc<Self> {
        let labels = [
            ("face", face),
            ("protocol", protocol),
            ("transport", transport.label()),
        ];
        metrics::counter!(catalogue::CONNECTIONS_OPENED, &labels).increment(1);
        let tally = Self {
            face,
            protocol,
            transport: Mutex::new(Some(transport)),
        };
        tally.add(transport, 1.0);
        Arc::new(tally)
    }

    /// It has been upgraded. Repeated calls do nothing, nor does one after its end.
    pub(crate) fn is_upgraded(&self) {
        let mut transport = self.lock();
        if *transport == Some(Transport::Polling) {
            self.add(Transport::Polling, -1.0);
            self.add(Transport::Websocket, 1.0);
            *transport = Some(Transport::Websocket);
        }
    }

    /// Whether it is open and reached by a websocket.
    pub(crate) fn is_websocket(&self) -> bool {
        *self.lock() == Some(Transport::Websocket)
    }

    /// It is closed; the first call counts.
    pub(crate) fn close(&self, reason: &'static str) {
        if let Some(transport) = self.lock().take() {
            self.add(transport, -1.0);
            let face = self.face;
            metrics::counter!(catalogue::CONNECTIONS_CLOSED, "face" => face, "reason" => reason)
                .increment(1);
        }
    }

    fn add(&self, transport: Transport, change: f64) {
        let labels = [
            ("face", self.face),
            ("protocol", self.protocol),
            ("transport", transport.label()),
        ];
        metrics::gauge!(catalogue::CONNECTIONS, &labels).increment(change);
    }

    fn lock(&self) -> MutexGuard<'_, Option<Transport>> {
        self.transport
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
