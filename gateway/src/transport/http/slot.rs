//! The place of one TCP connection among those that a port may have.

use tokio::sync::OwnedSemaphorePermit;

use crate::telemetry::catalogue;

/// Held for as long as the connection is open, whatever it was upgraded to; counts it.
pub(in crate::transport) struct Slot {
    port: &'static str,
    _permit: OwnedSemaphorePermit,
}

impl Slot {
    pub(in crate::transport) fn new(port: &'static str, permit: OwnedSemaphorePermit) -> Self {
        metrics::gauge!(catalogue::TCP_CONNECTIONS, "port" => port).increment(1.0);
        Self {
            port,
            _permit: permit,
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        metrics::gauge!(catalogue::TCP_CONNECTIONS, "port" => self.port).decrement(1.0);
    }
}
